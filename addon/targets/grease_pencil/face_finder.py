"""Finds the face in a drawing: by the face detector in a rendered picture of its strokes, else by a template."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import bpy
import numpy as np
from mouthpiece.errors import RigError
from numpy.typing import NDArray

from ... import compat
from . import handles, layer_plan, ledgers, planes
from . import settings as drawing_settings

if TYPE_CHECKING:
    from mouthpiece.retarget.drawing.mouth_fit import FlatStroke
    from mouthpiece.retarget.drawing.stroke_render import Ink


#: How far lids may be from the nearest lines, in eye distances, for a face that the detector saw to be believed.
_OFF: Final = 0.03


def place(obj: Any, frame: int, look: bool) -> bool:
    """Place handles on the face that a drawing shows at a frame; return whether it was found there.

    The detector looks for it, if ``look`` is set, then eyes and a mouth are looked for among the strokes; if there are
    none, handles are placed by :func:`template`. A mouth that is drawn elsewhere than the lips were seen gets them laid
    on it. Raises RigError if nothing is drawn.
    """
    from mouthpiece.retarget.drawing.mouth_fit import off_lines, plain_face

    plane = plane_of(obj, frame)
    strokes = flat_strokes(obj, plane, frame)
    average = template(obj, plane, frame)
    found, simple = detected(obj, plane, frame) if look else None, plain_face(strokes, average)
    # the detector knows people: on two circles and a line it sees eyes and lips of its own
    if simple is not None and (found is None or off_lines(found, strokes) > max(_OFF, 2 * off_lines(simple, strokes))):
        found = simple
    landmarks = average if found is None else found
    laid = laid_on_mouth(landmarks, strokes)
    handles.make(obj, landmarks if laid is None else laid, plane)
    drawing_settings.list_layers(obj)
    return found is not None


def laid_on_mouth(landmarks: NDArray[np.float64], strokes: Sequence[FlatStroke]) -> NDArray[np.float64] | None:
    """Return landmarks (68, 2) with the lips laid on the mouth among the strokes; None if there is no need, or none.

    There is no need if the strokes under the lips open as they are.
    """
    from mouthpiece.retarget.drawing import mouth_fit
    from mouthpiece.retarget.drawing.face import DrawnFace

    face = DrawnFace.of(landmarks, neutral())
    now = mouth_fit.opening(face, strokes)
    if now >= mouth_fit.OPENS:
        return None
    laid = mouth_fit.laid_on_mouth(face, strokes)
    better = laid is not None and mouth_fit.opening(DrawnFace.of(laid, neutral()), strokes) > now
    return laid if better else None


def lay_lips(obj: bpy.types.Object, frame: int) -> None:
    """Lay the lips' handles of a drawing on the mouth drawn below its eyes; raises RigError if none looks like one."""
    from mouthpiece.retarget.drawing import mouth_fit
    from mouthpiece.retarget.drawing.face import DrawnFace

    plane = planes.from_numbers(obj.mouthpiece_strokes.plane)
    face = DrawnFace.of(handles.read(obj), neutral())
    laid = mouth_fit.laid_on_mouth(face, flat_strokes(obj, plane, frame))
    if laid is None:
        raise RigError(
            f"No line below the eyes of '{obj.name}' looks like a mouth. Draw it on a layer of the face, or move the "
            "handles of the lips onto it by hand."
        )
    handles.put(obj, laid)


def flat_strokes(obj: bpy.types.Object, plane: planes.Plane, frame: int) -> list[FlatStroke]:
    """Return the visible strokes on a drawing's layers of the face, as the user drew them at a frame."""
    from mouthpiece.retarget.drawing.mouth_fit import FlatStroke
    from mouthpiece.retarget.drawing.strokes import FacePart

    faces = {layer.name for layer, part in drawing_settings.parts_of(obj) if part is FacePart.FACE}
    shown = [(layer, drawing) for layer, drawing in own(obj, frame) if layer.name in faces]
    return [FlatStroke(ink.points, ink.closed, ink.fill) for ink in of(obj, plane, shown)]


def own(obj: Any, frame: int) -> Iterator[tuple[Any, Any]]:
    """Yield each layer of a face with the user's own drawing at a frame, never with one that Mouthpiece made."""
    ledger = ledgers.read(obj.data)
    for layer, _ in drawing_settings.parts_of(obj):
        drawing = layer_plan.own_drawing(layer, ledger, frame)
        if drawing is not None:
            yield layer, drawing


def plane_of(obj: bpy.types.Object, frame: int) -> planes.Plane:
    """Return the plane in which a face is drawn; raises RigError if nothing is drawn."""
    points = planes.drawn_points(obj, own(obj, frame))
    if not len(points):
        raise RigError(f"'{obj.name}' has no strokes on the layers of its face. Draw the face first.")
    return planes.found(points)


def detected(obj: bpy.types.Object, plane: planes.Plane, frame: int) -> NDArray[np.float64] | None:
    """Return the face's landmarks (68, 2) in the plane, as the detector finds them; None if it finds no face."""
    from mouthpiece.portrait.find.faces import find_faces
    from mouthpiece.retarget.drawing.stroke_render import drawn

    rendered = drawn(of(obj, plane, own(obj, frame)))
    faces = find_faces(rendered.picture) if rendered is not None else ()
    if rendered is None or not faces:
        return None
    return rendered.placed(faces[0].landmarks[:, :2])


def template(obj: bpy.types.Object, plane: planes.Plane, frame: int) -> NDArray[np.float64]:
    """Return the landmarks (68, 2) of an average face, placed by the extent of the drawing."""
    from mouthpiece.retarget.drawing import face

    points = planes.drawn_points(obj, own(obj, frame))
    flat = plane.flat(points)
    return face.template(neutral(), flat.min(axis=0), flat.max(axis=0))


def neutral() -> NDArray[np.float32]:
    """Return the resting face (68, 3) of the takes that the shipped network makes."""
    from mouthpiece.files import ASSETS
    from mouthpiece.models.registry import read_sidecar

    return read_sidecar(ASSETS / "content.onnx.json").neutral_face()


Points = NDArray[np.float64]

#: The ``curve_type`` of strokes that are Bézier curves, and how many points each segment of one is drawn with.
_BEZIER: Final = 2
_STEPS: Final = 8
#: Opacity below which a line or fill counts as invisible.
_SEEN: Final = 0.05


def of(obj: bpy.types.Object, plane: planes.Plane, shown: Iterable[tuple[Any, Any]]) -> Iterator[Ink]:
    """Yield the visible strokes of drawings, projected into a plane, from back to front.

    ``shown`` holds pairs of a layer and one of its drawings.
    """
    from mouthpiece.retarget.drawing.stroke_render import Ink

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
    """Return the displayed colours of a stroke's line and fill; None for one that is invisible."""
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
    """Return the displayed colour of a linear ``colour`` with another painted over it; None if both are invisible."""
    if colour[3] < _SEEN and over[3] < _SEEN:
        return None
    mixed = np.array(colour[:3]) * (1 - over[3]) + np.array(over[:3]) * over[3]
    red, green, blue = (float(value) for value in np.clip(mixed, 0, 1) ** (1 / 2.2))
    return red, green, blue


def _curve(places: dict[str, Points], stroke: Any) -> Points:
    """Return the points (N, 2) of a stroke's line; for Bézier curves, points computed along them."""
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
    """Return a drawing's attribute of numbers (count,), all ``default`` if it has none of that name."""
    attribute = drawing.attributes.get(name)
    values = np.full(count, default, np.float32)
    if attribute is not None and len(attribute.data) == count:
        attribute.data.foreach_get("value", values)
    return values


def _colours(drawing: Any, name: str, count: int) -> NDArray[np.float32]:
    """Return a drawing's attribute of RGBA colours (count, 4), all 0 if it has none of that name."""
    attribute = drawing.attributes.get(name)
    values = np.zeros(4 * count, np.float32)
    if attribute is not None and len(attribute.data) == count:
        attribute.data.foreach_get("color", values)
    return values.reshape(-1, 4)
