"""The operator that asks for one landmark after the other and pins each to the vertex that is clicked."""

from __future__ import annotations

from typing import Any, Final

import bpy
import numpy as np
from bpy.props import IntProperty
from bpy.utils import register_classes_factory
from bpy_extras.view3d_utils import region_2d_to_origin_3d, region_2d_to_vector_3d
from mathutils import Vector

from ... import compat
from ...reports import reports_errors
from ..shape_keys import keyed_mesh
from . import overlay, pins
from .operators import _OnMesh

#: Events that are passed on to the viewport, so that the view can be moved while picking.
_VIEW: Final = ("MIDDLEMOUSE", "WHEELUPMOUSE", "WHEELDOWNMOUSE", "TRACKPADPAN", "TRACKPADZOOM", "NDOF_MOTION")
_KEYS: Final = (
    "Click: pin    Right Mouse, Backspace: back    S: skip    A: keep the rest    Enter: done    Esc: undo all"
)


class MOUTHPIECE_OT_pick_pins(_OnMesh, bpy.types.Operator):
    """Pin landmarks one after the other by clicking the mesh."""

    bl_idname = "mouthpiece.pick_pins"
    bl_label = "Pick Pins"
    bl_description = "Pin landmarks one after the other by clicking the mesh; a diagram shows which one is meant"
    bl_options = {"REGISTER", "UNDO", "BLOCKING"}

    only: IntProperty(
        name="Landmark", description="Pick this landmark only; -1 for all", default=-1, min=-1, options={"SKIP_SAVE"}
    )
    vertex: IntProperty(
        name="Vertex", description="Vertex for that landmark, for scripts", default=-1, min=-1, options={"SKIP_SAVE"}
    )

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Pin one landmark to a vertex, as a click on it does."""
        if self.only < 0 or self.vertex < 0:
            self.report({"ERROR"}, "Name a landmark and a vertex, or run it from the interface")
            return {"CANCELLED"}
        pin(context.active_object, self.only, self.vertex)
        compat.redraw(context)
        return {"FINISHED"}

    def invoke(self, context: bpy.types.Context, event: Any) -> set[str]:
        """Start asking for landmarks; the clicks arrive in :meth:`modal`."""
        from mouthpiece.retarget.pins.names import asked

        if context.area is None or context.area.type != "VIEW_3D":
            self.report({"ERROR"}, "Pick pins in a 3D View")
            return {"CANCELLED"}
        obj: Any = context.active_object
        self._before = pins.pins_of(obj).vertices.tolist()
        self._points = (self.only,) if self.only >= 0 else asked(obj.mouthpiece_pins.mirror)
        self._at = 0
        self._object = obj.name
        obj.mouthpiece_pins.show = True
        context.window.cursor_modal_set("CROSSHAIR")
        self._show(context)
        context.window_manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def modal(self, context: bpy.types.Context, event: Any) -> set[str]:
        """Handle clicks and keys; events that move the view are passed on."""
        obj = context.active_object
        if obj is None or obj.name != self._object or obj.mode != "OBJECT":
            return self._end(context, {"FINISHED"})
        if event.type in _VIEW or event.type.startswith("NUMPAD") or event.type == "MOUSEMOVE":
            return {"PASS_THROUGH"}
        if event.value != "PRESS":
            return {"RUNNING_MODAL"}
        if event.type == "LEFTMOUSE":
            if not _inside(context, event):
                return {"PASS_THROUGH"}
            return self._clicked(context, obj, event)
        if event.type == "ESC":
            pins.set_pins(obj, self._before)
            return self._end(context, {"CANCELLED"})
        if event.type in ("RET", "A"):
            return self._end(context, {"FINISHED"})
        step = {"RIGHTMOUSE": -1, "BACK_SPACE": -1, "S": 1, "SPACE": 1}.get(event.type)
        return self._step(context, step) if step else {"PASS_THROUGH"}

    def cancel(self, context: bpy.types.Context) -> None:
        """Restore the interface; Blender calls this when it ends the operator."""
        self._end(context, {"CANCELLED"})

    def _clicked(self, context: bpy.types.Context, obj: bpy.types.Object, event: Any) -> set[str]:
        """Pin the present landmark to the vertex under the mouse, and go on to the next."""
        vertex = clicked_vertex(context, obj, (event.mouse_region_x, event.mouse_region_y))
        if vertex < 0:
            self.report({"INFO"}, f"That is not on '{obj.name}'")
            return {"RUNNING_MODAL"}
        pin(obj, self._points[self._at], vertex)
        return self._step(context, 1)

    def _step(self, context: bpy.types.Context, step: int) -> set[str]:
        """Go on to the next landmark (1) or back to the last one (-1); end after the last."""
        self._at = max(0, self._at + step)
        if self._at >= len(self._points):
            return self._end(context, {"FINISHED"})
        self._show(context)
        return {"RUNNING_MODAL"}

    def _show(self, context: bpy.types.Context) -> None:
        """Show which landmark is wanted, in the viewport, the header and the status bar."""
        from mouthpiece.retarget.pins.names import name_of

        point = self._points[self._at]
        overlay.ask(point)
        context.active_object.mouthpiece_pins.active = point
        words = name_of(point)
        context.workspace.status_text_set(f"{self._at + 1} of {len(self._points)}: {words}    {_KEYS}")
        context.area.header_text_set(f"Click the {words}")
        compat.redraw(context)

    def _end(self, context: bpy.types.Context, result: set[str]) -> set[str]:
        """Restore the interface and return ``result``."""
        overlay.ask(None)
        context.workspace.status_text_set(None)
        if context.area is not None:
            context.area.header_text_set(None)
        context.window.cursor_modal_restore()
        compat.redraw(context)
        return result


def pin(obj: Any, point: int, vertex: int) -> None:
    """Pin a landmark, and with the setting Mirror also its counterpart to the mirrored vertex."""
    from mouthpiece.topology import MIRROR

    wanted = {point: vertex}
    if obj.mouthpiece_pins.mirror and MIRROR[point] != point and vertex < len(obj.data.vertices):
        image = pins.mirrored(obj, vertex)
        if image >= 0 and image != vertex:
            wanted[MIRROR[point]] = image
    pins.set_pins(obj, wanted)


def clicked_vertex(context: bpy.types.Context, obj: Any, place: tuple[float, float]) -> int:
    """Return the vertex of a mesh nearest to its surface at a position (pixels) of the viewport's region, or -1."""
    region, view = context.region, context.space_data.region_3d
    origin = region_2d_to_origin_3d(region, view, place)
    towards = region_2d_to_vector_3d(region, view, place)
    graph = context.evaluated_depsgraph_get()
    shown = obj.evaluated_get(graph)
    into = shown.matrix_world.inverted_safe()
    begin = into @ origin
    hit, where, _, face = shown.ray_cast(begin, (into @ (origin + towards) - begin).normalized())
    return hit_vertex(obj, shown, where, face) if hit else -1


def hit_vertex(obj: Any, shown: Any, where: Vector, face: int) -> int:
    """Return the vertex of the unmodified mesh nearest to a position on its evaluated surface.

    If modifiers do not change the number of vertices, only corners of the face that was hit are considered: so the
    right one of two lips that touch is chosen.
    """
    mesh = shown.data
    if len(mesh.vertices) == len(obj.data.vertices) and 0 <= face < len(mesh.polygons):
        corners = list(mesh.polygons[face].vertices)
        return int(min(corners, key=lambda v: (mesh.vertices[v].co - where).length))
    rest = keyed_mesh.rest_of(obj.data)
    return int(np.linalg.norm(rest - np.array(where), axis=1).argmin()) if len(rest) else -1


def _inside(context: bpy.types.Context, event: Any) -> bool:
    """Return whether the mouse is inside the region."""
    region = context.region
    return 0 <= event.mouse_region_x < region.width and 0 <= event.mouse_region_y < region.height


register, unregister = register_classes_factory((MOUTHPIECE_OT_pick_pins,))
