"""A drawn face in a pose, no frame being written: that of the line at the playhead, or one to try handles with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import bpy
import numpy as np
from numpy.typing import NDArray

from .. import compat
from ..bake import redial
from ..keys import kept_takes
from . import cells, finding, ledger, planes, settings, writing

if TYPE_CHECKING:
    from mouthpiece.motion.dials import Dials
    from mouthpiece.performance import Performance

#: What ARKit shapes make the poses.
_SHAPES: Final[dict[str, dict[str, float]]] = {
    "OPEN": {"jawOpen": 0.7, "mouthLowerDown": 0.4, "mouthUpperUp": 0.3},
    "WIDE": {"mouthSmile": 0.9, "jawOpen": 0.15},
    "ROUND": {"mouthPucker": 0.7, "mouthFunnel": 0.4, "jawOpen": 0.2},
    "BROWS": {"browInnerUp": 1.0, "browOuterUp": 1.0},
}
#: Pitch, yaw, roll and gaze of poses.
_TURNS: Final = {"LEFT": (0.0, 0.35, 0.0, -0.3), "ROLL": (0.0, 0.0, 0.25, 0.0)}


#: What is shown over the viewport now: the name of a drawing, what draws it, and its lines; it belongs to no file.
SHOWN: Final[dict[str, Any]] = {}


def shows_line(obj: bpy.types.Object) -> bool:
    """Return whether a drawing is shown over the viewport as its line at the playhead has it."""
    return SHOWN.get("name") == obj.name and obj.mouthpiece_strokes.pose == "LINE"


class Line(NamedTuple):
    """A stroke in a pose: points (N, 3) in the object's axes, displayed colour (4,), whether it is closed."""

    points: NDArray[np.float32]
    colour: tuple[float, float, float, float]
    closed: bool


def posed(name: str) -> Performance:
    """Return a take of one frame that shows a pose."""
    from mouthpiece.motion.eyes import close_lids
    from mouthpiece.motion.shapes import landmark_shapes, weights_of
    from mouthpiece.performance import Performance

    neutral = finding.neutral()
    weights = weights_of(_SHAPES.get(name, {}))
    landmarks = (neutral + np.tensordot(weights, landmark_shapes(), axes=1))[None]
    blink = np.full((1, 2), 1.0 if name == "BLINK" else 0.0, np.float32)
    close_lids(landmarks, blink)
    *head, look = _TURNS.get(name, (0.0, 0.0, 0.0, 0.0))
    pose = np.array([[*head, 0, 0, 0]], np.float32)
    gaze, activity = np.array([[look, 0]], np.float32), np.zeros(1, np.float32)
    return Performance(landmarks, neutral, weights[None], pose, gaze, blink, activity, 25.0)


def lines(obj: bpy.types.Object, frame: int, pose: str, dials: Dials | None = None) -> list[Line]:
    """Return the strokes of a drawn face as they are at a frame in a pose, back to front.

    Raises RigError where the face has no handles, or TakeError where a line's motion is gone.
    """
    found = shown(obj, frame, pose, dials)
    return [] if found is None else list(_strokes(obj, frame, found))


def shown(obj: bpy.types.Object, frame: int, pose: str, dials: Dials | None = None) -> cells.Show | None:
    """Return what a face shows at a frame in a pose; None if that is of a line, and none is heard."""
    from mouthpiece.curves import FrameGrid
    from mouthpiece.motion.dials import apply

    from ..targets.grease_pencil import shown as show

    if pose != "LINE":
        return show(obj, posed(pose), FrameGrid(25.0, frame, frame, frame), 1.0)[0]
    heard = redial.dialled_lines(obj, frame)
    if not heard:
        return None
    line = heard[-1]
    take = kept_takes.motion(line)
    grid = line.frames()
    here = FrameGrid(grid.fps, grid.origin, frame, frame, grid.offset, grid.speed)
    strength = next((float(t["strength"]) for t in line.targets if t["kind"] == "STROKES"), 1.0)
    return show(obj, take if dials is None else apply(take, dials), here, strength)[0]


def _strokes(obj: bpy.types.Object, frame: int, show: cells.Show) -> Iterator[Line]:
    noted = ledger.read(obj.data)
    for layer, part in settings.parts_of(obj):
        drawing = writing.own_drawing(layer, noted, frame)
        if drawing is None or layer.hide or not planes.has_points(drawing):
            continue
        matrix = planes.layer_matrix(obj, layer)
        if abs(np.linalg.det(matrix[:3, :3])) < 1e-15:
            continue
        bent = cells.Bent.of(show, part, drawing, matrix)
        starts, moved = bent.doubled.starts, bent.at(show, np.array([0]))["position"][0]
        points = planes.applied(matrix, moved.astype(np.float64)).astype(np.float32)
        ends = np.append(starts[1:], len(points))
        for number, (start, end) in enumerate(zip(starts, ends, strict=True)):
            stroke = drawing.strokes[number]
            if end - start > 1:
                closed = bool(stroke.cyclic) or number in bent.doubled.lines
                yield Line(points[start:end], _colour(obj, stroke), closed)


def _colour(obj: bpy.types.Object, stroke: Any) -> tuple[float, float, float, float]:
    materials = obj.data.materials
    material = materials[stroke.material_index] if stroke.material_index < len(materials) else None
    style = material.grease_pencil if material is not None else None
    if style is None:
        return (0.0, 0.0, 0.0, 1.0)
    red, green, blue, alpha = style.color if compat.stroke_shown(stroke, style)[0] else style.fill_color
    return (red, green, blue, max(alpha, 0.5))
