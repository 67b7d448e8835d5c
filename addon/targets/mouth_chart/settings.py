"""Settings of a character's mouth chart, stored with its object, and their conversion to a chart and a setup."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

import bpy
from bpy.props import (
    BoolProperty,
    CollectionProperty,
    EnumProperty,
    FloatProperty,
    IntProperty,
    PointerProperty,
    StringProperty,
)
from bpy.utils import register_classes_factory
from mouthpiece.errors import MouthpieceError, UnreadableError
from mouthpiece.files.json_text import parsed_json

from .setup import MouthEntry, Setup, refused

if TYPE_CHECKING:
    from mouthpiece.motion.chart.charts import MouthChart

_OVERRIDE = {"LIBRARY_OVERRIDABLE"}
CUSTOM: Final = "CUSTOM"
#: Enum items of the core's charts, and of one of the user's own.
CHARTS: Final = (
    ("simple", "Simple (6)", "At rest, closed, narrow, open, wide, round"),
    ("rhubarb-basic", "Rhubarb A to F (6)", "The six basic mouths of Rhubarb Lip Sync"),
    ("rhubarb", "Rhubarb A to X (9)", "The mouths of Rhubarb Lip Sync, A to H and X"),
    ("blair", "Preston Blair (10)", "AI E O U etc L WQ MBP FV rest, as in Papagayo"),
    ("blair-12", "Preston Blair (12)", "With mouths of their own for I, R and CH"),
    ("oculus", "Oculus (15)", "A mouth for every viseme"),
    ("fleming-dobbs", "Fleming & Dobbs (11)", "AA EHSZ FV GK IY MBP NLTDR O SH TH rest, as in Papagayo"),
    ("cmu", "CMU Phonemes (39)", "A mouth for every phoneme of ARPAbet, and one at rest, as in Papagayo"),
    (CUSTOM, "From File", "A chart of your own, loaded from a file"),
)
HOWS: Final = (
    ("DRAWINGS", "Grease Pencil Drawings", "Frames of a grease pencil object, by a Time Offset modifier"),
    ("IMAGE", "Image Sequence", "Pictures of an image sequence, in a material or an empty"),
    ("OBJECTS", "Objects", "Objects or collections, one visible at a time"),
    ("CELLS", "Sprite Sheet", "Cells of one picture, by a Mapping node"),
    ("KEYS", "Shape Keys", "One shape key at a time"),
    ("PROPERTY", "Property", "A property of a rig that switches mouths by itself"),
)
_EXPOSURES: Final = (
    ("1", "Ones", "A new drawing on any frame"),
    ("2", "Twos", "A new drawing every second frame at most"),
    ("3", "Threes", "A new drawing every third frame at most"),
    ("4", "Fours", "A new drawing every fourth frame at most"),
)


class MOUTHPIECE_PG_mouth(bpy.types.PropertyGroup):
    """A row of the table: a shape, and what shows it."""

    shape: StringProperty(name="Shape", override=_OVERRIDE)
    label: StringProperty(name="Shows", override=_OVERRIDE)
    used: BoolProperty(
        name="Drawn",
        description="There is a drawing for this shape; if not, the shape most like it is shown in its place",
        default=True,
        override=_OVERRIDE,
    )
    number: IntProperty(
        name="Number", description="Frame, picture, cell or value that shows the shape", override=_OVERRIDE
    )
    object: PointerProperty(
        type=bpy.types.Object, name="Object", description="Object that shows the shape", override=_OVERRIDE
    )
    collection: PointerProperty(
        type=bpy.types.Collection,
        name="Collection",
        description="Collection whose objects show the shape, in place of one object",
        override=_OVERRIDE,
    )
    key: StringProperty(
        name="Shape Key", description="Shape key that shows the shape; none for the basis", override=_OVERRIDE
    )


def _chosen(self: Any, context: bpy.types.Context) -> None:
    """Update callback: list the chosen chart's shapes in the table; shapes of the same name keep their values."""
    if self.chart == CUSTOM and not self.definition:
        return
    try:
        fill_rows(self, chart_of(self))
    except MouthpieceError as error:
        context.window_manager.mouthpiece.remarks = str(error)


class MOUTHPIECE_PG_spare(bpy.types.PropertyGroup):
    """A mouth that stands for no shape of the chart and is hidden as long as the chart shows others."""

    object: PointerProperty(type=bpy.types.Object, name="Object", override=_OVERRIDE)


class MOUTHPIECE_PG_chart(bpy.types.PropertyGroup):
    """Settings of a character's mouth chart."""

    chart: EnumProperty(
        name="Set", description="Which mouths are drawn", items=CHARTS, default="rhubarb", override=_OVERRIDE,
        update=_chosen,
    )  # fmt: skip
    definition: StringProperty(name="Own Set", description="The loaded chart, as JSON", override=_OVERRIDE)
    how: EnumProperty(name="Shown As", description="What the mouths are", items=HOWS, override=_OVERRIDE)
    rows: CollectionProperty(type=MOUTHPIECE_PG_mouth, override=_OVERRIDE | {"USE_INSERTION"})
    index: IntProperty(name="Active", description="Chosen shape", override=_OVERRIDE)
    spares: CollectionProperty(type=MOUTHPIECE_PG_spare, override=_OVERRIDE | {"USE_INSERTION"})
    source: PointerProperty(
        type=bpy.types.Object,
        name="Object",
        description="Object with the drawings or the property; none for the character itself",
        override=_OVERRIDE,
    )
    layer: StringProperty(
        name="Layer", description="Layer with the mouth's drawings; none for all layers", override=_OVERRIDE
    )
    material: PointerProperty(
        type=bpy.types.Material, name="Material", description="Material with the picture", override=_OVERRIDE
    )
    node: StringProperty(name="Node", description="Node that is switched; Set Up finds it", override=_OVERRIDE)
    path: StringProperty(
        name="Property", description='Data path of the property, such as ["mouth"] (right click > Copy Data Path)',
        override=_OVERRIDE,
    )  # fmt: skip
    columns: IntProperty(name="Columns", description="Cells side by side", default=4, min=1, max=64, override=_OVERRIDE)
    lines: IntProperty(name="Rows", description="Cells one above another", default=3, min=1, max=64, override=_OVERRIDE)
    exposure: EnumProperty(
        name="Exposure", description="How often a new drawing may come", items=_EXPOSURES, default="2",
        override=_OVERRIDE,
    )  # fmt: skip
    hold: IntProperty(
        name="Hold", description="Frames a mouth is shown at least", default=2, min=1, max=24, override=_OVERRIDE
    )
    lead: FloatProperty(
        name="Lead",
        description="Frames by which mouths come before the sound: one or two make lip sync look right",
        default=1.0,
        min=-4.0,
        max=4.0,
        precision=1,
        override=_OVERRIDE,
    )


def chart_of(settings: Any) -> MouthChart:
    """Return the chosen chart; raises MouthpieceError if the user's own is chosen and is missing or damaged."""
    from mouthpiece.motion.chart.charts import chart_from, named_chart

    if settings.chart != CUSTOM:
        return named_chart(settings.chart)
    if not settings.definition:
        raise refused("No mouth chart is loaded. Press Load under Mouth Chart, or choose another set.")
    try:
        saved = parsed_json(settings.definition)
    except UnreadableError as error:
        raise refused("The mouth chart kept with the object is damaged. Load it again.") from error
    return chart_from(saved)


def fill_rows(settings: Any, chart: MouthChart) -> None:
    """Give the table one row for each shape of a chart; rows of shapes of the same name keep their values."""
    known = {row.shape: {p: getattr(row, p) for p in _KEPT} for row in settings.rows}
    settings.rows.clear()
    for shape in chart.shapes:
        row = settings.rows.add()
        row.name = row.shape = shape.name
        row.label = shape.label
        for name, value in known.get(shape.name, {}).items():
            setattr(row, name, value)
    settings.index = min(settings.index, len(settings.rows) - 1)


#: Properties of a row that are kept, and properties besides the rows. Setting the chart rebuilds the rows, so that has
#: to come before the rows are restored.
_KEPT: Final = ("used", "number", "object", "collection", "key")
_PROPERTIES: Final = (
    "definition", "chart", "how", "source", "layer", "material", "node", "path", "columns", "lines", "exposure", "hold",
    "lead", "index",
)  # fmt: skip


def snapshot(settings: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the values of all settings, for :func:`restore`."""
    rows = [{name: getattr(row, name) for name in ("name", "shape", "label", *_KEPT)} for row in settings.rows]
    return {name: getattr(settings, name) for name in _PROPERTIES} | {"spares": spares_of(settings)}, rows


def spares_of(settings: Any) -> list[bpy.types.Object]:
    """Return the mouths that stand for no shape, without those that were deleted."""
    return [spare.object for spare in settings.spares if spare.object is not None]


def set_spares(settings: Any, spares: Iterable[bpy.types.Object]) -> None:
    """Note the mouths that stand for no shape."""
    settings.spares.clear()
    for spare in spares:
        entry = settings.spares.add()
        entry.name, entry.object = spare.name, spare


def restore(settings: Any, before: tuple[dict[str, Any], list[dict[str, Any]]]) -> None:
    """Set all settings to the values they had at :func:`snapshot`."""
    values, rows = dict(before[0]), before[1]
    set_spares(settings, values.pop("spares"))
    for name, value in values.items():
        setattr(settings, name, value)
    settings.rows.clear()
    for fields in rows:
        row = settings.rows.add()
        for name, value in fields.items():
            setattr(row, name, value)


def setup_of(obj: bpy.types.Object) -> Setup:
    """Return how an object's chart is shown, with data-blocks as names."""
    settings: Any = obj.mouthpiece_chart
    how = settings.how
    entries = tuple(_entry(row, how) for row in settings.rows)
    source = settings.source.name if settings.source is not None and how in ("DRAWINGS", "PROPERTY") else ""
    pictured = how in ("IMAGE", "CELLS") and settings.material is not None
    material, node = (settings.material.name, settings.node) if pictured else ("", "")
    path = settings.path.strip() if how == "PROPERTY" else ""
    spares = tuple(spare.name for spare in spares_of(settings)) if how == "OBJECTS" else ()
    return Setup(how, entries, source, material, node, path, settings.columns, settings.lines, spares)


def _entry(row: Any, how: str) -> MouthEntry:
    """Return a row of the table as an entry."""
    if how == "KEYS":
        return MouthEntry(row.shape, row.used, 0, row.key)
    if how == "OBJECTS":
        shown = row.collection or row.object
        return MouthEntry(row.shape, row.used, 0, shown.name if shown else "", row.collection is not None)
    return MouthEntry(row.shape, row.used, row.number)


def check_rows(obj: bpy.types.Object, chart: MouthChart) -> None:
    """Raise RigError if the rows of the table are not the shapes of the chart."""
    rows = [row.shape for row in obj.mouthpiece_chart.rows]
    if rows != list(chart.names):
        raise refused(f"The table of '{obj.name}' is not that of the set {chart.label}. Press Set Up.")


def owners(obj: bpy.types.Object) -> list[bpy.types.ID]:
    """Return the data-blocks that the chart of ``obj`` may switch in any way; none if it has no table."""
    settings: Any = obj.mouthpiece_chart
    if not settings.rows:
        return []
    found: list[Any] = [obj, settings.source]
    found += [row.object for row in settings.rows] + spares_of(settings)
    found += [each for row in settings.rows if row.collection is not None for each in row.collection.all_objects]
    found += [settings.material.node_tree] if settings.material is not None else []
    found += [obj.data.shape_keys] if obj.type == "MESH" else []
    return list(dict.fromkeys(block for block in found if block is not None))


_register_classes, _unregister_classes = register_classes_factory(
    (MOUTHPIECE_PG_mouth, MOUTHPIECE_PG_spare, MOUTHPIECE_PG_chart)
)


def register() -> None:
    """Register the settings and add them to every object."""
    _register_classes()
    bpy.types.Object.mouthpiece_chart = PointerProperty(type=MOUTHPIECE_PG_chart, override=_OVERRIDE)


def unregister() -> None:
    """Remove the settings from objects and unregister them."""
    del bpy.types.Object.mouthpiece_chart
    _unregister_classes()
