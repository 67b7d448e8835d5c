"""The guide: a help button that opens it in the web browser, on a click and never by itself."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Final

import bpy
from bpy.utils import register_classes_factory

_HERE: Final = Path(__file__).resolve().parent
#: Where the guide is: in the extension, or in a checkout.
_PLACES: Final = (_HERE / "assets" / "guide.html", _HERE.parent / "docs" / "blender.md")
_MANIFESTS: Final = (_HERE / "blender_manifest.toml", _HERE.parent / "blender_manifest.toml")


def address() -> str:
    """Return where the guide is read: the website that the manifest names, else the file that came along, else ""."""
    manifest = next((path for path in _MANIFESTS if path.is_file()), None)
    if manifest is not None:
        website = tomllib.loads(manifest.read_text(encoding="utf-8")).get("website", "")
        if website:
            return str(website)
    return next((path.as_uri() for path in _PLACES if path.is_file()), "")


class MOUTHPIECE_OT_guide(bpy.types.Operator):
    """Read how Mouthpiece is used, in the web browser."""

    bl_idname = "mouthpiece.guide"
    bl_label = "Mouthpiece Guide"
    bl_description = "Read how Mouthpiece is used, in the web browser"

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Open the guide."""
        where = address()
        if not where:
            self.report({"ERROR"}, "The guide is missing from this installation. Install Mouthpiece again.")
            return {"CANCELLED"}
        return bpy.ops.wm.url_open(url=where)


def draw_button(layout: bpy.types.UILayout, text: str = "") -> None:
    """Draw the button that opens the guide: a question mark, with a text where there is room."""
    layout.operator(MOUTHPIECE_OT_guide.bl_idname, text=text, icon="HELP", emboss=bool(text))


register, unregister = register_classes_factory((MOUTHPIECE_OT_guide,))
