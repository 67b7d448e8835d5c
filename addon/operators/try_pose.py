"""A drawn face in a pose, drawn over the viewport: nothing is written, nothing has to be taken back."""

from __future__ import annotations

from typing import Any

import bpy
import numpy as np
from bpy.app.handlers import persistent
from bpy.utils import register_classes_factory

from .. import compat
from ..bake import settings as bake_settings
from ..strokes import handles, trying
from .drawn_face import drawing

#: Width of a line in pixels.
_WIDTH = 2.5


class MOUTHPIECE_OT_try_pose(bpy.types.Operator):
    """Show the drawn face in a pose over the viewport."""

    bl_idname = "mouthpiece.try_pose"
    bl_label = "Show Pose"
    bl_description = (
        "Draw the face in the pose over the viewport. It follows handles, dials and playhead; drawings are made when "
        "it ends"
    )
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Return whether the drawing has handles."""
        obj = drawing(context)
        reason = "Click a Grease Pencil, or the handles of one" if obj is None else handles.missing(obj)
        if reason and not is_shown():
            cls.poll_message_set(reason)
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Begin, or end."""
        if is_shown():
            self._end(context)
        elif bpy.app.background:
            self.report({"ERROR"}, "There is no viewport to draw in")
            return {"CANCELLED"}
        else:
            obj: Any = drawing(context)
            trying.SHOWN["name"] = obj.name
            trying.SHOWN["handler"] = bpy.types.SpaceView3D.draw_handler_add(_draw, (), "WINDOW", "POST_VIEW")
        compat.redraw(context)
        return {"FINISHED"}

    @staticmethod
    def _end(context: bpy.types.Context) -> None:
        """Show it no longer; drawings that were dialled meanwhile are made."""
        obj = bpy.data.objects.get(trying.SHOWN["name"])
        dialled = obj is not None and trying.shows_line(obj)
        clear()
        if obj is not None and dialled:
            bake_settings.follow(obj, context)


def is_shown() -> bool:
    """Return whether a pose is drawn over the viewport."""
    return "handler" in trying.SHOWN


def clear() -> None:
    """Draw it no longer."""
    handler = trying.SHOWN.pop("handler", None)
    if handler is not None:
        bpy.types.SpaceView3D.draw_handler_remove(handler, "WINDOW")
    trying.SHOWN.clear()


def _lines(context: bpy.types.Context) -> list[trying.Line]:
    """Return what is to be drawn; the last of it while nothing has changed."""
    from mouthpiece.errors import MouthpieceError

    obj = bpy.data.objects.get(trying.SHOWN["name"])
    if obj is None or handles.missing(obj):
        return []
    frame, pose = context.scene.frame_current, obj.mouthpiece_strokes.pose
    chosen = bake_settings.dials_of(obj.mouthpiece)
    settings = obj.mouthpiece_strokes
    points = handles.read(obj)
    parts = tuple((row.name, row.part) for row in settings.layers)
    key = (obj.name, frame, pose, repr(chosen), settings.head, settings.mouth, points.tobytes(), parts)
    if trying.SHOWN.get("key") != key:
        try:
            trying.SHOWN["lines"] = trying.lines(obj, frame, pose, chosen)
        except MouthpieceError:  # half-placed handles; what is wrong is told where it is baked
            trying.SHOWN["lines"] = []
        trying.SHOWN["key"] = key
    return list(trying.SHOWN["lines"])


def _draw() -> None:
    """Draw the lines. Called by the viewport, where an error would be told at every redraw."""
    import gpu
    from gpu_extras.batch import batch_for_shader

    context = bpy.context
    found = _lines(context)
    if not found:
        return
    matrix = np.array(bpy.data.objects[trying.SHOWN["name"]].matrix_world)
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
    """Draw nothing in a file that was opened since."""
    clear()


_register_classes, _unregister_classes = register_classes_factory((MOUTHPIECE_OT_try_pose,))


def register() -> None:
    """Register the button."""
    _register_classes()
    bpy.app.handlers.load_pre.append(_forget)


def unregister() -> None:
    """Take it away, and what it draws."""
    clear()
    bpy.app.handlers.load_pre.remove(_forget)
    _unregister_classes()
