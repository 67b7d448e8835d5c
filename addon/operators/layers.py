"""Keys that are there turned into layers, and back into one action."""

from __future__ import annotations

from typing import Any

import bpy

from .. import compat, converting, properties, redialling, remaking


class _Converts:
    """Turns the keys of the active character's lines."""

    layered: bool

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """There must be a line that is otherwise."""
        lines = redialling.dialled_lines(properties.character(context))
        found = any(remaking.is_keyed(line) and remaking.is_layered(line) != cls.layered for line in lines)
        if not found:
            where = "one action" if cls.layered else "layers"
            cls.poll_message_set(f"The active character carries no line in {where}")  # type: ignore[attr-defined]
        return found and not context.window_manager.mouthpiece.running

    def execute(self: Any, context: bpy.types.Context) -> set[str]:
        """Turn them."""
        from mouthpiece.errors import MouthpieceError

        obj: Any = properties.character(context)
        try:
            done = converting.convert(obj, self.layered)
        except MouthpieceError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        obj.mouthpiece.layers = "LAYERS" if self.layered else "ONE"
        for warning in done.warnings:
            self.report({"WARNING"}, warning)
        if done.kept:
            self.report({"WARNING"}, f"{len(done.kept)} channels hold keys of your own and stay where they are")
        self.report({"INFO"}, f"{done.keys:,} keys on {done.channels} channels of {obj.name}")
        compat.redraw(context)
        return {"FINISHED"}


class MOUTHPIECE_OT_keep_edits(_Converts, bpy.types.Operator):
    """Turn the character's keys into layers, with what you changed in a layer of its own."""

    bl_idname = "mouthpiece.keep_edits"
    bl_label = "Keep Edits as Layer"
    bl_description = (
        "Turn the character's keys into layers, with what you changed in a layer of its own: "
        "it stays when the lines are animated or dialled again"
    )
    bl_options = {"REGISTER", "UNDO"}
    layered = True


class MOUTHPIECE_OT_merge_layers(_Converts, bpy.types.Operator):
    """Turn the character's layers into one action, edits and all."""

    bl_idname = "mouthpiece.merge_layers"
    bl_label = "Merge Layers"
    bl_description = "Turn the character's layers into one action. Channels with edits then count as edited"
    bl_options = {"REGISTER", "UNDO"}
    layered = False


#: Registered with the dials (:mod:`.redial`): both move keys of lines that are there.
CLASSES = (MOUTHPIECE_OT_keep_edits, MOUTHPIECE_OT_merge_layers)
