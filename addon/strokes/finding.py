"""Where the face is in a drawing: found by the face detector in a picture of its strokes, or put where most are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import bpy
import numpy as np
from numpy.typing import NDArray

from .. import compat
from . import handles, ledger, planes, settings, writing

if TYPE_CHECKING:
    from mouthpiece.retarget.inking import Ink


def place(obj: Any, frame: int, look: bool) -> bool:
    """Lay handles on the face a drawing shows at a frame; return whether it was seen there.

    Without ``look``, or where nothing is seen, they lie as on a plain face. RigError if nothing is drawn.
    """
    plane = plane_of(obj, frame)
    found = detected(obj, plane, frame) if look else None
    if found is None:
        handles.make(obj, template(obj, plane, frame), plane)
    else:
        handles.make(obj, found, plane)
    settings.list_layers(obj)
    return found is not None


def own(obj: Any, frame: int) -> Iterator[tuple[Any, Any]]:
    """Yield the layers of a face with the user's own drawings at a frame, takes or no takes."""
    noted = ledger.read(obj.data)
    for layer, _ in settings.parts_of(obj):
        drawing = writing.own_drawing(layer, noted, frame)
        if drawing is not None:
            yield layer, drawing


def plane_of(obj: bpy.types.Object, frame: int) -> planes.Plane:
    """Return the plane a face is drawn in; RigError if nothing is drawn."""
    from mouthpiece.errors import RigError

    points = planes.drawn_points(obj, own(obj, frame))
    if not len(points):
        raise RigError(f"'{obj.name}' has no strokes on the layers of its face. Draw the face first.")
    return planes.found(points)


def detected(obj: bpy.types.Object, plane: planes.Plane, frame: int) -> NDArray[np.float64] | None:
    """Return the face's landmarks (68, 2) in the plane, as the detector sees them; None if it sees none."""
    from mouthpiece.portrait.detect import find_faces
    from mouthpiece.retarget.inking import drawn

    sheet = drawn(strokes(obj, plane, frame))
    faces = find_faces(sheet.picture) if sheet is not None else ()
    if sheet is None or not faces:
        return None
    return sheet.placed(faces[0].landmarks[:, :2])


def template(obj: bpy.types.Object, plane: planes.Plane, frame: int) -> NDArray[np.float64]:
    """Return the landmarks (68, 2) of a plain face where a drawing most likely has one."""
    from mouthpiece.retarget import drawn_face

    points = planes.drawn_points(obj, own(obj, frame))
    flat = plane.flat(points)
    return drawn_face.template(neutral(), flat.min(axis=0), flat.max(axis=0))


def neutral() -> NDArray[np.float32]:
    """Return the resting face (68, 3) of the takes this Mouthpiece makes."""
    from mouthpiece.models.registry import ASSETS, read_sidecar

    return read_sidecar(ASSETS / "content.onnx.json").neutral_face()


def strokes(obj: bpy.types.Object, plane: planes.Plane, frame: int) -> Iterator[Ink]:
    """Yield the strokes a drawing shows at a frame, the one at the back first, as the detector is to see them."""
    for layer, drawing in own(obj, frame):
        if layer.hide or not planes.has_points(drawing):
            continue
        points = planes.vectors(drawing, "position").astype(np.float64)
        flat = plane.flat(planes.applied(planes.layer_matrix(obj, layer), points))
        radii = _numbers(drawing, "radius", len(points), 0.01) + layer.radius_offset
        starts = planes.starts(drawing)
        ends = np.append(starts[1:], len(points))
        for number, (start, end) in enumerate(zip(starts, ends, strict=True)):
            yield _ink(obj, drawing.strokes[number], flat[start:end], 2 * _middle(radii[start:end]))


def _ink(obj: bpy.types.Object, stroke: Any, points: NDArray[np.float64], width: float) -> Ink:
    from mouthpiece.retarget.inking import Ink

    materials = obj.data.materials
    material = materials[stroke.material_index] if stroke.material_index < len(materials) else None
    style = material.grease_pencil if material is not None else None
    has_line, has_fill = compat.stroke_shown(stroke, style)
    line = fill = None
    if has_line:
        line = _displayed(style.color if style is not None else (0, 0, 0, 1))
    if has_fill and style is not None:
        fill = _displayed(style.fill_color)
    return Ink(points, width, bool(stroke.cyclic), line, fill)


def _displayed(colour: Any) -> tuple[float, float, float] | None:
    """Return a linear colour as displayed; None if it cannot be seen."""
    if colour[3] < 0.05:
        return None
    red, green, blue = (float(np.clip(value, 0, 1)) ** (1 / 2.2) for value in colour[:3])
    return red, green, blue


def _numbers(drawing: Any, name: str, count: int, default: float) -> NDArray[np.float32]:
    attribute = drawing.attributes.get(name)
    values = np.full(count, default, np.float32)
    if attribute is not None and len(attribute.data) == count:
        attribute.data.foreach_get("value", values)
    return values


def _middle(values: NDArray[np.float32]) -> float:
    return float(np.median(values)) if len(values) else 0.0
