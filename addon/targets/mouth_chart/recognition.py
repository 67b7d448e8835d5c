"""Recognises that an object looks like a mouth chart: numbered pictures on it, mouths among its children, drawings."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import bpy
from mouthpiece.phrases import counted

from .switches import numbers_beside

#: Fewest and most pictures or drawings that are taken for a mouth chart.
_LEAST, _MOST = 4, 64
#: Words in the name of an object or a layer that say it is a mouth.
_WORDS: Final = ("mouth", "lips", "viseme", "phoneme")


@dataclass(frozen=True, slots=True)
class ChartLikeness:
    """What of an object looks like a chart: how it would be shown, the set that fits, and a sentence that says so.

    ``material`` is the name of the material whose picture it is; ``single`` whether that shows one picture of a
    numbered set and not yet the sequence.
    """

    how: str
    chart: str
    text: str
    material: str = ""
    single: bool = False


def likeness(obj: bpy.types.Object) -> ChartLikeness | None:
    """Return what of an object looks like a mouth chart; None if nothing does. Cheap enough for panels."""
    if obj.type == "MESH" and obj.data.shape_keys is not None:
        return None
    return _pictures(obj) or _mouths(obj) or _drawings(obj)


def _pictures(obj: bpy.types.Object) -> ChartLikeness | None:
    """Return that an object shows one of several numbered pictures."""
    for image, material in _images(obj):
        numbers = _numbers(image)
        if _LEAST <= len(numbers) <= _MOST:
            single = image.source != "SEQUENCE"
            what = "one of" if single else "a sequence of"
            text = f"'{obj.name}' shows {what} {len(numbers)} numbered pictures, as a mouth chart does"
            return ChartLikeness("IMAGE", _set_of(len(numbers)), text, material, single)
    return None


def _images(obj: bpy.types.Object) -> list[tuple[Any, str]]:
    """Return the pictures an object shows, each with the name of its material."""
    if obj.type == "EMPTY":
        return [(obj.data, "")] if obj.empty_display_type == "IMAGE" and obj.data is not None else []
    if obj.type != "MESH":
        return []
    trees = [(slot.material.node_tree, slot.material.name) for slot in obj.material_slots if slot.material is not None]
    nodes = [(node, name) for tree, name in trees if tree is not None for node in tree.nodes]
    return [(node.image, name) for node, name in nodes if node.type == "TEX_IMAGE" and node.image is not None]


def _numbers(image: Any) -> list[int]:
    """Return the numbers of a picture's files; its folder is read again when it changes."""
    if image.source not in ("SEQUENCE", "FILE") or image.packed_file:
        return []
    path = Path(bpy.path.abspath(image.filepath, library=image.library))
    try:
        changed = path.parent.stat().st_mtime_ns
    except OSError:
        return []
    return _beside(str(path), changed)


@lru_cache(maxsize=64)
def _beside(path: str, changed: int) -> list[int]:
    return numbers_beside(Path(path))


def _mouths(obj: bpy.types.Object) -> ChartLikeness | None:
    """Return that the children of an object are called as the mouths of a set."""
    children = obj.children if obj.type in ("MESH", "EMPTY") else ()
    names = tuple(child.name for child in children)
    if not _LEAST <= len(names) <= _MOST:
        return None
    called = any(word in name.lower() for word in _WORDS for name in (obj.name, *names))
    chart, label = _set_called(names, called)
    return ChartLikeness("OBJECTS", chart, f"Mouths of the set {label} lie below '{obj.name}'") if chart else None


@lru_cache(maxsize=64)
def _set_called(names: tuple[str, ...], are_mouths: bool) -> tuple[str, str]:
    """Return name and label of the set that ``names`` are of, empty if of none; panels ask again at every redraw.

    Whatever is not known to be mouths must be a whole set.
    """
    from mouthpiece.motion.chart.charts import charts
    from mouthpiece.motion.chart.names import is_whole, match_names, suited_chart

    known = charts()
    found = suited_chart(known["rhubarb"], names, known.values())
    fits = len(match_names(found, names)) >= _LEAST if are_mouths else is_whole(found, names)
    return (found.name, found.label) if fits else ("", "")


def _drawings(obj: bpy.types.Object) -> ChartLikeness | None:
    """Return that a layer of a drawing, called mouth or lips, holds several drawings."""
    if obj.type != "GREASEPENCIL":
        return None
    for layer in obj.data.layers:
        if any(word in layer.name.lower() for word in _WORDS) and _LEAST <= len(layer.frames) <= _MOST:
            held = counted(len(layer.frames), "drawing")
            text = f"The layer '{layer.name}' of '{obj.name}' holds {held}, as a mouth chart does"
            return ChartLikeness("DRAWINGS", _set_of(len(layer.frames)), text)
    return None


def _set_of(count: int) -> str:
    """Return the set with so many shapes, of several the one in most use; empty if there is none."""
    from mouthpiece.motion.chart.charts import charts

    known = {len(chart.shapes): chart.name for chart in charts().values()}
    return known.get(count, "")


def take_up(obj: bpy.types.Object, found: ChartLikeness) -> list[Any]:
    """Set a chart's settings to what was recognised; a single picture becomes the sequence it belongs to.

    Return the pictures that became sequences.
    """
    settings: Any = obj.mouthpiece_chart
    settings.how = found.how
    if found.chart:
        settings.chart = found.chart
    if found.how != "IMAGE":
        return []
    settings.material = bpy.data.materials.get(found.material) if found.material else None
    if not found.single:
        return []
    shown = (image for image, material in _images(obj) if material == found.material)
    picture = next(image for image in shown if len(_numbers(image)) >= _LEAST)
    picture.source = "SEQUENCE"
    return [picture]
