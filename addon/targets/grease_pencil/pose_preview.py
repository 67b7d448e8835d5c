"""Draws a drawn face in a pose over the viewport, without writing frames: a pose of its line, or one to try handles."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import bpy
import numpy as np
from bpy.app.handlers import persistent
from bpy.utils import register_classes_factory
from mouthpiece.errors import MouthpieceError
from numpy.typing import NDArray

from ... import compat, previews
from ...bake import redial
from ...bake import settings as bake_settings
from ...keys import kept_takes
from . import drawings, face_finder, handles, layer_plan, ledgers, planes
from . import settings as drawing_settings
from .operators import drawing
from .target import shown as show

if TYPE_CHECKING:
    from mouthpiece.motion.dials import Dials
    from mouthpiece.performance import Performance


#: The poses as values of ARKit shapes.
_SHAPES: Final[dict[str, dict[str, float]]] = {
    "OPEN": {"jawOpen": 0.7, "mouthLowerDown": 0.4, "mouthUpperUp": 0.3},
    "WIDE": {"mouthSmile": 0.9, "jawOpen": 0.15},
    "ROUND": {"mouthPucker": 0.7, "mouthFunnel": 0.4, "jawOpen": 0.2},
    "BROWS": {"browInnerUp": 1.0, "browOuterUp": 1.0},
}
#: Pitch, yaw, roll and horizontal gaze of poses that turn the head, in radians.
_TURNS: Final = {"LEFT": (0.0, 0.35, 0.0, -0.3), "ROLL": (0.0, 0.0, 0.25, 0.0)}


#: What is shown over the viewport now: name of the drawing, draw handler, strokes, and the key they were made for.
SHOWN: Final[dict[str, Any]] = {}


def shows_line(obj: bpy.types.Object) -> bool:
    """Return whether a drawing is shown over the viewport in the pose of its line at the playhead."""
    return SHOWN.get("name") == obj.name and obj.mouthpiece_strokes.pose == "LINE"


class PoseStroke(NamedTuple):
    """A stroke in a pose: points (N, 3) in the object's axes, displayed RGBA colour, whether it is closed."""

    points: NDArray[np.float32]
    colour: tuple[float, float, float, float]
    closed: bool


def posed(name: str) -> Performance:
    """Return a performance of one frame that shows the pose called ``name``."""
    from mouthpiece.motion.eyes import close_lids
    from mouthpiece.motion.shapes import landmark_shapes, weights_of
    from mouthpiece.performance import Performance

    neutral = face_finder.neutral()
    weights = weights_of(_SHAPES.get(name, {}))
    landmarks = (neutral + np.tensordot(weights, landmark_shapes(), axes=1))[None]
    blink = np.full((1, 2), 1.0 if name == "BLINK" else 0.0, np.float32)
    close_lids(landmarks, blink)
    *head, look = _TURNS.get(name, (0.0, 0.0, 0.0, 0.0))
    pose = np.array([[*head, 0, 0, 0]], np.float32)
    gaze, activity = np.array([[look, 0]], np.float32), np.zeros(1, np.float32)
    return Performance(landmarks, neutral, weights[None], pose, gaze, blink, activity, 25.0)


def lines(obj: bpy.types.Object, frame: int, pose: str, dials: Dials | None = None) -> list[PoseStroke]:
    """Return the strokes of a drawn face at a frame in a pose, from back to front.

    Raises RigError if the face has no handles, or TakeError if a line's take is gone.
    """
    found = shown(obj, frame, pose, dials)
    return [] if found is None else list(_strokes(obj, frame, found))


def shown(obj: bpy.types.Object, frame: int, pose: str, dials: Dials | None = None) -> drawings.Show | None:
    """Return what a face shows at a frame in a pose; None if it is the pose of a line, and no line is heard."""
    from mouthpiece.curves import FrameGrid
    from mouthpiece.motion.dials import apply

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


def _strokes(obj: bpy.types.Object, frame: int, show: drawings.Show) -> Iterator[PoseStroke]:
    """Yield the strokes of the user's drawings at a frame, moved as ``show`` has its only pose."""
    ledger = ledgers.read(obj.data)
    for layer, part in drawing_settings.parts_of(obj):
        drawing = layer_plan.own_drawing(layer, ledger, frame)
        if drawing is None or layer.hide or not planes.has_points(drawing):
            continue
        matrix = planes.layer_matrix(obj, layer)
        if abs(np.linalg.det(matrix[:3, :3])) < 1e-15:
            continue
        bent = drawings.Bent.of(show, part, drawing, matrix)
        starts, moved = bent.doubled.starts, bent.at(show, np.array([0]))["position"][0]
        points = planes.applied(matrix, moved.astype(np.float64)).astype(np.float32)
        ends = np.append(starts[1:], len(points))
        for number, (start, end) in enumerate(zip(starts, ends, strict=True)):
            stroke = drawing.strokes[number]
            if end - start > 1:
                closed = bool(stroke.cyclic) or number in bent.doubled.lines
                yield PoseStroke(points[start:end], _colour(obj, stroke), closed)


def _colour(obj: bpy.types.Object, stroke: Any) -> tuple[float, float, float, float]:
    """Return the RGBA colour of a stroke's material, never fainter than half opaque."""
    materials = obj.data.materials
    material = materials[stroke.material_index] if stroke.material_index < len(materials) else None
    style = material.grease_pencil if material is not None else None
    if style is None:
        return (0.0, 0.0, 0.0, 1.0)
    red, green, blue, alpha = style.color if compat.stroke_shown(stroke, style)[0] else style.fill_color
    return (red, green, blue, max(alpha, 0.5))


#: Width of a line in pixels.
_WIDTH = 2.5


class MOUTHPIECE_OT_try_pose(bpy.types.Operator):
    """Show the drawn face in a pose over the viewport."""

    bl_idname = "mouthpiece.try_pose"
    bl_label = "Show Pose"
    bl_description = (
        "Draw the face in the pose over the viewport. It follows handles, amounts and playhead; drawings are made "
        "when it ends"
    )
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Return whether the drawing has usable handles, or a pose is shown that can be ended."""
        obj = drawing(context)
        reason = "Click a Grease Pencil, or the handles of one" if obj is None else handles.missing(obj)
        if reason and not is_shown():
            cls.poll_message_set(reason)
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Start showing the pose, or stop if one is shown."""
        if is_shown():
            self._end(context)
        elif bpy.app.background:
            self.report({"ERROR"}, "There is no viewport to draw in")
            return {"CANCELLED"}
        else:
            obj: Any = drawing(context)
            SHOWN["name"] = obj.name
            SHOWN["handler"] = bpy.types.SpaceView3D.draw_handler_add(_draw, (), "WINDOW", "POST_VIEW")
        compat.redraw(context)
        return {"FINISHED"}

    @staticmethod
    def _end(context: bpy.types.Context) -> None:
        """Stop showing the pose; if it followed the dials, dial the lines so that their drawings follow too."""
        obj = bpy.data.objects.get(SHOWN["name"])
        dialled = obj is not None and shows_line(obj)
        clear()
        if obj is not None and dialled:
            bake_settings.follow(obj, context)


def is_shown() -> bool:
    """Return whether a pose is drawn over the viewport."""
    return "handler" in SHOWN


def clear() -> None:
    """Remove the draw handler and forget what was shown."""
    handler = SHOWN.pop("handler", None)
    if handler is not None:
        bpy.types.SpaceView3D.draw_handler_remove(handler, "WINDOW")
    SHOWN.clear()


def _lines(context: bpy.types.Context) -> list[PoseStroke]:
    """Return the strokes to draw, computed again only if something they depend on has changed."""
    obj = bpy.data.objects.get(SHOWN["name"])
    if obj is None or handles.missing(obj):
        return []
    frame, pose = context.scene.frame_current, obj.mouthpiece_strokes.pose
    chosen = bake_settings.dials_of(obj.mouthpiece)
    settings = obj.mouthpiece_strokes
    points = handles.read(obj)
    parts = tuple((row.name, row.part) for row in settings.layers)
    key = (obj.name, frame, pose, repr(chosen), settings.head, settings.mouth, points.tobytes(), parts)
    if SHOWN.get("key") != key:
        try:
            SHOWN["lines"] = lines(obj, frame, pose, chosen)
        except MouthpieceError:  # handles may be half-placed; baking reports what is wrong
            SHOWN["lines"] = []
        SHOWN["key"] = key
    return list(SHOWN["lines"])


def _draw() -> None:
    """Draw the strokes in the viewport; Blender calls this at every redraw."""
    import gpu
    from gpu_extras.batch import batch_for_shader

    context = bpy.context
    found = _lines(context)
    if not found:
        return
    matrix = np.array(bpy.data.objects[SHOWN["name"]].matrix_world)
    shader = gpu.shader.from_builtin("POLYLINE_UNIFORM_COLOR")
    gpu.state.depth_test_set("NONE")
    gpu.state.blend_set("ALPHA")
    shader.uniform_float("viewportSize", gpu.state.viewport_get()[2:])
    shader.uniform_float("lineWidth", _WIDTH)
    for line in found:
        points = line.points @ matrix[:3, :3].T + matrix[:3, 3]
        if line.closed:
            points = np.concatenate([points, points[:1]])
        batch = batch_for_shader(shader, "LINE_STRIP", {"pos": points.astype(np.float32)})
        shader.uniform_float("color", line.colour)
        batch.draw(shader)
    gpu.state.blend_set("NONE")


@persistent
def _forget(*_: Any) -> None:
    """Stop showing a pose before another file is opened."""
    clear()


_register_classes, _unregister_classes = register_classes_factory((MOUTHPIECE_OT_try_pose,))


def register() -> None:
    """Register the operator and the preview's callbacks."""
    _register_classes()
    previews.SHOWS_LINE.append(shows_line)
    bpy.app.handlers.load_pre.append(_forget)


def unregister() -> None:
    """Stop drawing, and unregister the operator and the callbacks."""
    clear()
    previews.SHOWS_LINE.remove(shows_line)
    bpy.app.handlers.load_pre.remove(_forget)
    _unregister_classes()
