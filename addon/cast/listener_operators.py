"""The operator that lets the characters of a scene listen to each other."""

from __future__ import annotations

from contextlib import ExitStack

import bpy
from bpy.utils import register_classes_factory

from .. import scene_settings
from ..characters import family
from ..reports import reports_errors
from . import listeners


class MOUTHPIECE_OT_update_listeners(bpy.types.Operator):
    """Let all characters of the scene look at whoever speaks; selected ones without a line listen from now on."""

    bl_idname = "mouthpiece.update_listeners"
    bl_label = "Update Listeners"
    bl_description = (
        "Let all characters of the scene look at whoever speaks, and nod in pauses. Selected characters that say "
        "nothing listen from now on"
    )
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Return whether nothing else is running."""
        return not context.window_manager.mouthpiece.running

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Renew what the characters of the scene know of each other."""
        chosen = dict.fromkeys(listeners.characters_in(context.scene))
        for obj in context.selected_objects:
            main = family.main_object(obj)
            if main not in chosen and scene_settings.kind_of(main):
                chosen[main] = None
        with ExitStack() as undo:
            done = listeners.renew(context.scene, list(chosen), undo)
            undo.pop_all()
        for remark in dict.fromkeys(done.written.warnings):
            self.report({"WARNING"}, remark)
        self.report({"INFO"}, f"{done.summary()}.")
        return {"FINISHED"}


register, unregister = register_classes_factory((MOUTHPIECE_OT_update_listeners,))
