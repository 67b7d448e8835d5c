"""Add the bundled character, ready to be animated."""

from __future__ import annotations

import bpy
from bpy.props import BoolProperty
from bpy.utils import register_classes_factory


class MOUTHPIECE_OT_add_demo(bpy.types.Operator):
    """Add a head with ARKit shape keys and a rig, and a line for it to speak."""

    bl_idname = "mouthpiece.add_demo"
    bl_label = "Add Demo Character"
    bl_description = "Add a head with ARKit shape keys and a rig, and a line for it to speak"
    bl_options = {"REGISTER", "UNDO"}

    line: BoolProperty(
        name="Add Line", description="Put a spoken line into the sequencer, if that is empty", default=True
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Return whether Object Mode is on: the rig is built in Edit Mode."""
        if context.mode != "OBJECT":
            cls.poll_message_set("Go to Object Mode first")
        return context.mode == "OBJECT"

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Build it, choose it, and set the head bone."""
        from .. import demo

        obj, rig = demo.build(context)
        demo.add_camera_and_light(context)
        settings = context.scene.mouthpiece
        settings.head, settings.armature, settings.bone = "BONE", rig, "head"
        if self.line:
            strip = demo.add_line(context.scene)
            if strip is not None:
                settings.source, settings.strip = "STRIP", strip.name
        for other in context.selected_objects:
            other.select_set(False)
        obj.select_set(True)
        context.view_layer.objects.active = obj
        if context.area is not None and context.area.type == "VIEW_3D" and bpy.ops.view3d.view_selected.poll():
            bpy.ops.view3d.view_selected()  # a head is small beside what Blender starts with
        return {"FINISHED"}


register, unregister = register_classes_factory((MOUTHPIECE_OT_add_demo,))
