"""*Set Up* of a mouth chart: prepares what is switched, and fills the table by names or by order."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import bpy

from ..shape_keys.target import editable_keys, key_names
from . import settings as chart_settings
from .setup import about_property, check_editable, refused
from .switches import MODIFIER, MODIFIER_TYPE, picture_numbers
from .target import ChartTarget

if TYPE_CHECKING:
    from mouthpiece.motion.chart.charts import MouthChart

#: Start frame of image users: so early that they show one picture on every frame.
_ALWAYS: Final = -100_000
_MAPPING: Final = "Mouthpiece Mapping"
#: So many mouths that are hidden are named.
_FEW: Final = 4


def set_up(
    obj: bpy.types.Object,
    selected: Iterable[bpy.types.Object],
    scene: bpy.types.Scene,
    wanted: Mapping[str, Mapping[str, Any]] | None = None,
) -> str:
    """Fill the table of ``obj`` and prepare what it switches; return the result as one line of text.

    ``wanted`` holds the fields of the table's rows by shape. Without it, they are found by names that match shapes,
    else in the order of drawings; if the names are those of another set, that set is chosen. Mouths among the
    ``selected`` that stand for no shape are hidden. In the end the mouth at rest is shown. Raises RigError if nothing
    is found, or if ``obj`` is a mouth of the set itself.
    """
    settings: Any = obj.mouthpiece_chart
    check_editable(obj, f"'{obj.name}'")
    chart = chart_settings.chart_of(settings)
    before, others = chart_settings.snapshot(settings), [other for other in selected if other != obj]
    try:
        if wanted is None:
            chart = _suited(obj, chart, others)
        found = _FILLERS[settings.how](obj, chart, others, scene)
        filled = wanted or found
        if not filled:
            raise refused("Nothing was found to fill the table from. " + _HINTS[settings.how])
        if settings.how == "OBJECTS":
            _check_carrier(obj, chart, filled)
        _fill(settings, chart, filled)
        chart_settings.set_spares(settings, _spares(obj, others, filled) if settings.how == "OBJECTS" else ())
        ChartTarget.of(obj).show(chart.names[chart.rest])
    except Exception:
        chart_settings.restore(settings, before)
        raise
    missing = [name for name in chart.names if name not in filled]
    text = f"{chart.label}: {len(filled)} of {len(chart.names)} shapes"
    text = f"{text}; without a drawing: {', '.join(missing)}" if missing else text
    spares = [spare.name for spare in chart_settings.spares_of(settings)]
    if spares:
        few = ", ".join(spares[:_FEW]) + (f" and {len(spares) - _FEW} more" if len(spares) > _FEW else "")
        text += f"; hidden, as {'it stands' if len(spares) == 1 else 'they stand'} for no shape: {few}"
    return text


def _check_carrier(obj: bpy.types.Object, chart: MouthChart, filled: Mapping[str, Mapping[str, Any]]) -> None:
    """Raise RigError if the character is called as the one mouth that is missing: it cannot hide with the others."""
    from mouthpiece.motion.chart.names import match_names

    shown = {row["object"].type for row in filled.values() if row.get("object") is not None}
    own = [shape for shape in match_names(chart, [obj.name]) if shape not in filled] if obj.type in shown else []
    if own:
        raise refused(
            f"'{obj.name}' is one of the mouths ({own[0]}) and cannot be their character as well. Select the mouths, "
            "and last the head or an empty, and press Set Up."
        )


def _suited(obj: bpy.types.Object, chart: MouthChart, others: Sequence[bpy.types.Object]) -> MouthChart:
    """Return the chart that the names of objects or shape keys are of, and choose it in the settings."""
    from mouthpiece.motion.chart.charts import charts
    from mouthpiece.motion.chart.names import suited_chart

    settings: Any = obj.mouthpiece_chart
    if settings.chart == chart_settings.CUSTOM or settings.how not in ("OBJECTS", "KEYS"):
        return chart
    if settings.how == "OBJECTS":
        names = [mouth.name for mouth in (others or obj.children)]
    else:
        names = list(key_names(editable_keys(obj)))
    found = suited_chart(chart, names, charts().values())
    if found != chart:
        settings.chart = found.name
    return found


def _spares(
    obj: bpy.types.Object, others: Sequence[bpy.types.Object], filled: Mapping[str, Mapping[str, Any]]
) -> list[bpy.types.Object]:
    """Return the mouths that stand for no shape: of the selected objects, else of those that are called alike.

    They are of the same type as the mouths that do; so lights and cameras that were selected too are left alone.
    """
    shown = {row["object"] for row in filled.values() if row.get("object") is not None}
    types, stems = {mouth.type for mouth in shown}, {_stem(mouth.name) for mouth in shown}
    family = others or [child for child in obj.children if _stem(child.name) in stems - {""}]
    return [mouth for mouth in family if mouth not in shown and mouth.type in types and mouth.is_editable]


def _stem(name: str) -> str:
    """Return a name without its last word, which is the shape of a mouth."""
    return re.sub(r"[^A-Za-z0-9]*[A-Za-z0-9]*$", "", re.sub(r"\.\d{3,}$", "", name))


def _fill(settings: Any, chart: MouthChart, filled: Mapping[str, Mapping[str, Any]]) -> None:
    """Set the fields of the table's rows; shapes that are not ``filled`` are unticked."""
    chart_settings.fill_rows(settings, chart)
    for row in settings.rows:
        row.used = row.shape in filled
        for name, value in filled.get(row.shape, {}).items():
            setattr(row, name, value)


_HINTS: Final = {
    "DRAWINGS": "Draw a mouth on each of several frames of a grease pencil layer first.",
    "IMAGE": "Load the mouths as an Image Sequence whose files are numbered.",
    "OBJECTS": "Select the mouths, named by shape (mouth_A, mouth_B …), and the character last.",
    "CELLS": "Set Columns and Rows to those of the sheet.",
    "KEYS": "Name the shape keys by shape (A, B … or MBP, FV …).",
    "PROPERTY": "Put the data path of a whole number property into Property.",
}

_Filled = dict[str, dict[str, Any]]


def _in_order(chart: MouthChart, numbers: Sequence[int]) -> _Filled:
    """Return rows that give the shapes these numbers in order."""
    return {name: {"number": number} for name, number in zip(chart.names, numbers, strict=False)}


def _drawings(
    obj: bpy.types.Object, chart: MouthChart, others: Sequence[bpy.types.Object], scene: bpy.types.Scene
) -> _Filled:
    """Set a Time Offset modifier up; return rows by timeline markers on drawings, else in the order of drawings."""
    from mouthpiece.motion.chart.names import match_names

    settings: Any = obj.mouthpiece_chart
    drawn = settings.source or next((o for o in (obj, *others) if o.type == "GREASEPENCIL"), None)
    if drawn is None or drawn.type != "GREASEPENCIL":
        raise refused("Choose the grease pencil object with the mouths under Object, or select it.")
    check_editable(drawn, f"'{drawn.name}'")
    settings.source = None if drawn == obj else drawn
    layer = settings.layer or _mouth_layer(drawn)
    if layer and layer not in drawn.data.layers:
        raise refused(f"'{drawn.name}' has no layer '{layer}'. Choose one of: {', '.join(drawn.data.layers.keys())}.")
    frames = sorted({f.frame_number for la in drawn.data.layers if layer in ("", la.name) for f in la.frames})
    if not frames:
        raise refused(f"'{drawn.name}' has no drawings to choose from. {_HINTS['DRAWINGS']}")
    settings.layer = layer
    modifier: Any = drawn.modifiers.get(MODIFIER)
    if modifier is None or modifier.type != MODIFIER_TYPE:
        modifier = drawn.modifiers.new(MODIFIER, MODIFIER_TYPE)
        modifier.offset = frames[0]
    modifier.mode, modifier.tree_node_filter = "FIX", layer
    markers = {marker.name: marker.frame for marker in scene.timeline_markers if marker.frame in frames}
    named = match_names(chart, markers)
    if named:
        return {shape: {"number": markers[name]} for shape, name in named.items()}
    return _in_order(chart, frames)


def _mouth_layer(drawn: Any) -> str:
    """Return the layer whose name contains mouth or lips; empty, for all layers, if there is none or only one layer."""
    names = drawn.data.layers.keys()
    return next((n for n in names if "mouth" in n.lower() or "lips" in n.lower()), "") if len(names) > 1 else ""


def _pictures(
    obj: bpy.types.Object, chart: MouthChart, others: Sequence[bpy.types.Object], scene: bpy.types.Scene
) -> _Filled:
    """Stop an image sequence from running by itself; return rows in the order of its pictures."""
    settings: Any = obj.mouthpiece_chart
    if obj.type == "EMPTY" and settings.material is None:
        user, image = obj.image_user, obj.data
    else:
        node = _image_node(obj, settings, lambda image: image.source == "SEQUENCE")
        settings.node, user, image = node.name, node.image_user, node.image
    if image is None or image.source != "SEQUENCE":
        raise refused(f"'{obj.name}' shows no image sequence. {_HINTS['IMAGE']}")
    numbers = picture_numbers(image)
    if not numbers:
        raise refused(f"The files of the image sequence '{image.name}' are not found, or have no numbers.")
    user.frame_duration, user.frame_start = 1, _ALWAYS
    user.use_cyclic, user.use_auto_refresh = False, True
    return _in_order(chart, numbers)


def _image_node(obj: bpy.types.Object, settings: Any, suits: Callable[[Any], bool]) -> Any:
    """Return the Image Texture node of the chosen or active material whose image ``suits``, the active one if it does.

    Raises RigError if there is none.
    """
    material = settings.material or obj.active_material
    if material is None or material.node_tree is None:
        raise refused(f"'{obj.name}' has no material with nodes. Choose the material with the picture.")
    check_editable(material, f"The material '{material.name}'")
    nodes = material.node_tree.nodes
    order = sorted(nodes, key=lambda node: node != nodes.active)
    found = [node for node in order if node.type == "TEX_IMAGE" and node.image is not None and suits(node.image)]
    if not found:
        raise refused(f"The material '{material.name}' has no Image Texture node with such a picture.")
    settings.material = material
    return found[0]


def _cells(
    obj: bpy.types.Object, chart: MouthChart, others: Sequence[bpy.types.Object], scene: bpy.types.Scene
) -> _Filled:
    """Put a Mapping node before the picture of a sprite sheet; return rows in the order of cells."""
    settings: Any = obj.mouthpiece_chart
    node = _image_node(obj, settings, lambda image: True)
    tree = settings.material.node_tree
    links = node.inputs["Vector"].links
    mapping = links[0].from_node if links and links[0].from_node.type == "MAPPING" else None
    if mapping is None:
        mapping = tree.nodes.new("ShaderNodeMapping")
        mapping.name = mapping.label = _MAPPING
        mapping.location = (node.location[0] - 220, node.location[1])
        source = links[0].from_socket if links else _coordinates(tree, node)
        tree.links.new(source, mapping.inputs["Vector"])
        tree.links.new(mapping.outputs["Vector"], node.inputs["Vector"])
    mapping.vector_type = "POINT"
    mapping.inputs["Scale"].default_value = (1 / settings.columns, 1 / settings.lines, 1)
    settings.node = mapping.name
    return _in_order(chart, range(settings.columns * settings.lines))


def _coordinates(tree: Any, node: Any) -> Any:
    """Return the UV output of a new Texture Coordinate node, placed left of ``node``."""
    source = tree.nodes.new("ShaderNodeTexCoord")
    source.location = (node.location[0] - 420, node.location[1])
    return source.outputs["UV"]


def _objects(
    obj: bpy.types.Object, chart: MouthChart, others: Sequence[bpy.types.Object], scene: bpy.types.Scene
) -> _Filled:
    """Return rows by the names of objects (the selected ones, else children), else of collections."""
    from mouthpiece.motion.chart.names import match_names

    mouths = {other.name: other for other in (others or obj.children)}
    found: _Filled = {
        shape: {"object": mouths[name], "collection": None} for shape, name in match_names(chart, mouths).items()
    }
    if not found:
        sets = {collection.name: collection for collection in scene.collection.children_recursive}
        found = {shape: {"collection": sets[name]} for shape, name in match_names(chart, sets).items()}
    return found


def _keys(
    obj: bpy.types.Object, chart: MouthChart, others: Sequence[bpy.types.Object], scene: bpy.types.Scene
) -> _Filled:
    """Return rows by the names of shape keys."""
    from mouthpiece.motion.chart.names import match_names

    found: _Filled = {s: {"key": name} for s, name in match_names(chart, key_names(editable_keys(obj))).items()}
    if found:
        found.setdefault(chart.names[chart.rest], {"key": ""})  # the basis is the mouth at rest
    return found


def _property(
    obj: bpy.types.Object, chart: MouthChart, others: Sequence[bpy.types.Object], scene: bpy.types.Scene
) -> _Filled:
    """Return rows by the item names of a property, else in the order of its values."""
    from mouthpiece.motion.chart.names import match_names

    settings: Any = obj.mouthpiece_chart
    holder: Any = settings.source or obj
    if not settings.path:
        own = [name for name in holder.keys() if isinstance(holder[name], int) and not name.startswith("mouthpiece")]
        if len(own) != 1:
            raise refused(f"'{holder.name}' has {len(own)} whole number properties. {_HINTS['PROPERTY']}")
        settings.path = f'["{bpy.utils.escape_identifier(own[0])}"]'
    about = about_property(holder, settings.path)
    items = {str(item[1] or item[0]): int(item[-1]) for item in about.get("items") or ()}
    named = match_names(chart, items)
    if named:
        return {shape: {"number": items[name]} for shape, name in named.items()}
    low, high = int(about.get("min", 0)), int(about.get("max", len(chart.names)))
    low = low if -1000 < low else 0
    return _in_order(chart, range(low, min(high, low + len(chart.names)) + 1))


_FILLERS: Final[Mapping[str, Callable[..., _Filled]]] = {
    "DRAWINGS": _drawings,
    "IMAGE": _pictures,
    "OBJECTS": _objects,
    "CELLS": _cells,
    "KEYS": _keys,
    "PROPERTY": _property,
}
