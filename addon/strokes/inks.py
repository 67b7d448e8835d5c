"""Strokes of Grease Pencil as lines and fills of even colour, for a face detector to look at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import bpy
import numpy as np
from numpy.typing import NDArray

from .. import compat
from . import planes

if TYPE_CHECKING:
    from mouthpiece.retarget.inking import Ink

Points = NDArray[np.float64]

#: What strokes call their type if they are Bézier curves, and points on each piece of one.
_BEZIER: Final = 2
_STEPS: Final = 8
#: Opacity below which nothing is seen.
_SEEN: Final = 0.05


def of(obj: bpy.types.Object, plane: planes.Plane, shown: Iterable[tuple[Any, Any]]) -> Iterator[Ink]:
    """Yield the strokes of drawings, each with its layer before it, in a plane, as they are seen, from the back on."""
    from mouthpiece.retarget.inking import Ink

    for layer, drawing in shown:
        if layer.hide or not planes.has_points(drawing):
            continue
        matrix = planes.layer_matrix(obj, layer)
        flat = {name: plane.flat(planes.applied(matrix, values.astype(np.float64))) for name, values in
                ((n, planes.vectors(drawing, n)) for n in ("position", "handle_left", "handle_right"))}  # fmt: skip
        count = len(flat["position"])
        radii = _numbers(drawing, "radius", count, 0.01) + layer.radius_offset
        painted = _colours(drawing, "vertex_color", count)
        offsets = planes.offsets(drawing)
        filled = _colours(drawing, "fill_color", len(offsets) - 1)
        solid = _numbers(drawing, "fill_opacity", len(offsets) - 1, 1.0)
        for number, (start, end) in enumerate(pairwise(offsets.tolist())):
            if start == end:
                continue
            stroke, part = drawing.strokes[number], slice(start, end)
            line, fill = _seen(obj, stroke, painted[part].mean(axis=0), filled[number])
            fill = fill if solid[number] > _SEEN else None
            points = _curve({name: values[part] for name, values in flat.items()}, stroke)
            yield Ink(points, 2 * float(np.median(radii[part])), bool(stroke.cyclic), line, fill)


def _seen(obj: Any, stroke: Any, painted: Any, filled: Any) -> tuple[Any, Any]:
    """Return the colours of a stroke's line and fill as displayed; None for what is not seen."""
    materials = obj.data.materials
    material = materials[stroke.material_index] if stroke.material_index < len(materials) else None
    style = material.grease_pencil if material is not None else None
    has_line, has_fill = compat.stroke_shown(stroke, style)
    line = fill = None
    if has_line:
        line = _displayed((0, 0, 0, 1) if style is None else style.color, painted)
    if has_fill:
        fill = _displayed((0.5, 0.5, 0.5, 1) if style is None else style.fill_color, filled)
    return line, fill


def _displayed(colour: Any, over: Any) -> tuple[float, float, float] | None:
    """Return a material's linear colour, painted over by another, as displayed; None if it cannot be seen."""
    if colour[3] < _SEEN and over[3] < _SEEN:
        return None
    mixed = np.array(colour[:3]) * (1 - over[3]) + np.array(over[:3]) * over[3]
    red, green, blue = (float(value) for value in np.clip(mixed, 0, 1) ** (1 / 2.2))
    return red, green, blue


def _curve(places: dict[str, Points], stroke: Any) -> Points:
    """Return the points (N, 2) of a stroke's line; those of Bézier curves lie between its own."""
    points = places["position"]
    if stroke.curve_type != _BEZIER or not len(places["handle_left"]) or len(points) < 2:
        return points
    ends = np.roll(np.arange(len(points)), -1)
    t = (np.arange(_STEPS) / _STEPS)[:, None, None]
    one, two = points, points[ends]
    out, into = places["handle_right"], places["handle_left"][ends]
    curve = (1 - t) ** 3 * one + 3 * (1 - t) ** 2 * t * out + 3 * (1 - t) * t**2 * into + t**3 * two
    line: Points = np.swapaxes(curve, 0, 1).reshape(-1, 2)
    return line if stroke.cyclic else line[: (len(points) - 1) * _STEPS + 1]


def _numbers(drawing: Any, name: str, count: int, default: float) -> NDArray[np.float32]:
    attribute = drawing.attributes.get(name)
    values = np.full(count, default, np.float32)
    if attribute is not None and len(attribute.data) == count:
        attribute.data.foreach_get("value", values)
    return values


def _colours(drawing: Any, name: str, count: int) -> NDArray[np.float32]:
    attribute = drawing.attributes.get(name)
    values = np.zeros(4 * count, np.float32)
    if attribute is not None and len(attribute.data) == count:
        attribute.data.foreach_get("color", values)
    return values.reshape(-1, 4)
