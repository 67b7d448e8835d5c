"""What a panel or a menu draws, without a window: its texts, buttons and properties."""

from __future__ import annotations

from types import FunctionType, SimpleNamespace
from typing import Any

import bpy


class Drawn:
    """A layout that notes what is drawn into it; rows, columns and boxes of it note in the same lists."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.operators: list[str] = []
        self.props: list[str] = []
        self.bars: list[str] = []

    @property
    def text(self) -> str:
        """All texts, in the order they were drawn: sentences that were wrapped are whole again."""
        return " ".join(self.texts)

    def label(self, text: str = "", **_: Any) -> None:
        self.texts.append(text)

    def operator(self, name: str, text: str | None = None, **_: Any) -> SimpleNamespace:
        self.operators.append(name)
        group, _, rest = name.partition(".")
        found = getattr(bpy.types, f"{group.upper()}_OT_{rest}", None)
        self.texts.append(text if text is not None else getattr(found, "bl_label", name))
        return SimpleNamespace()

    def prop(self, data: Any, name: str, text: str | None = None, **_: Any) -> None:
        self.props.append(name)
        self.texts.append(text if text is not None else data.bl_rna.properties[name].name)

    def prop_menu_enum(self, data: Any, name: str, text: str = "", **_: Any) -> None:
        self.prop(data, name, text)

    def prop_search(self, data: Any, name: str, *_: Any, **options: Any) -> None:
        self.prop(data, name, options.get("text"))

    def progress(self, text: str = "", **_: Any) -> None:
        self.bars.append(text)

    def operator_menu_enum(self, name: str, *_: Any, **options: Any) -> None:
        self.operator(name, options.get("text"))

    def template_ID(self, data: Any, name: str, **_: Any) -> None:  # noqa: N802  # Blender's own name
        self.prop(data, name)

    def __getattr__(self, name: str) -> Any:
        if name in ("row", "column", "box", "split", "column_flow", "grid_flow"):
            return lambda *_, **__: self
        if name in ("separator", "menu", "template_list", "template_icon", "separator_spacer"):
            return lambda *_, **__: None
        raise AttributeError(name)


def drawn(name: str | type, context: bpy.types.Context, part: str = "draw") -> Drawn:
    """Return what a panel or menu draws, by its class or the class's name; nothing if it is not shown."""
    cls = getattr(bpy.types, name) if isinstance(name, str) else name
    layout = Drawn()
    if not hasattr(cls, "poll") or cls.poll(context):
        getattr(_Shown(cls, layout), part)(context)
    return layout


def appended(menu: type, context: bpy.types.Context) -> Drawn:
    """Return what add-ons have appended to one of Blender's menus."""
    layout = Drawn()
    for function in getattr(menu.draw, "_draw_funcs", ())[1:]:
        function(SimpleNamespace(layout=layout), context)
    return layout


class _Shown:
    """Stands for an instance of a panel: Blender makes those only when it draws."""

    def __init__(self, cls: type, layout: Drawn) -> None:
        self._cls, self.layout = cls, layout

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._cls, name)
        return found.__get__(self) if isinstance(found, FunctionType) else found
