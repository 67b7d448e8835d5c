"""Operators that work on lines: animate, cancel, remove, dial again, convert to layers and back, play along."""

from __future__ import annotations

from typing import Any

import bpy
from bpy.utils import register_classes_factory
from mouthpiece.errors import MouthpieceError, RigError
from mouthpiece.phrases import as_text, counted

from .. import compat, jobs, previews, remarks, scene_settings
from ..characters import company
from ..jobs import Working
from ..lint import health
from ..reports import reports_errors
from ..sound import timeline
from ..targets import find_object
from . import convert, rebuild, redial, removal
from . import settings as bake_settings
from .bake import Bake, Heard


def disabled_reason(context: bpy.types.Context) -> str:
    """Return why nothing can be baked now, empty if it can. Cheap enough for panels: no sound is opened."""
    if context.window_manager.mouthpiece.running:
        return jobs.BUSY
    try:
        scene_settings.targets_of(scene_settings.character(context), 1.0)
    except RigError as error:
        return str(error)
    return _sound_missing(context)


def _sound_missing(context: bpy.types.Context) -> str:
    """Return what to do for a sound to be chosen; empty if one is."""
    settings = context.scene.mouthpiece
    if settings.source == "FILE":
        return "" if settings.filepath else "Choose a sound file"
    if settings.source == "SOUND":
        return "" if settings.sound else "Choose a sound"
    strips = compat.all_strips(compat.sequencer_scene(context))
    there = any(strip.type == "SOUND" for strip in strips)
    return "" if there else "Add a sound strip to the sequencer, or choose File above"


class MOUTHPIECE_OT_animate(Working, bpy.types.Operator):
    """Turn speech into keyframes on the active character."""

    bl_idname = "mouthpiece.animate"
    bl_label = "Animate"
    bl_description = "Turn speech into keyframes on the active character"
    bl_options = {"REGISTER", "UNDO"}

    _last = Heard
    _bake: Bake
    #: Name of the scene, and whether the sound is put into its sequencer: what was chosen when the work began.
    _scene: str
    _sequence: bool

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Return whether a bake can start; if not, its reason becomes the poll message."""
        reason = disabled_reason(context)
        if reason:
            cls.poll_message_set(reason)
        return not reason

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Bake and wait until it is done: for scripts and background mode."""
        self._ready(context)
        self._wait(context, self._bake.steps())
        return {"FINISHED"}

    @reports_errors
    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Start baking in a thread while the user interface stays usable."""
        if bpy.app.background:
            return self.execute(context)
        self._ready(context)
        return self._begin(context, self._bake.steps())

    def _ready(self, context: bpy.types.Context) -> None:
        """Note what is to be done, and forget what was said about the last line: the panel says why nothing can be."""
        settings, state = context.scene.mouthpiece, context.window_manager.mouthpiece
        obj = scene_settings.character(context)
        state.remarks, state.kept, state.ends, state.fit = "", "", 0, ""
        state.remarks_of = obj.name if obj is not None else ""
        try:
            self._bake = scene_settings.bake_of(context)
        except MouthpieceError as error:
            state.remarks = str(error)
            raise
        self._scene, self._sequence = context.scene.name, settings.source == "FILE" and settings.sequence
        state.remarks_of = self._bake.targets[0].object_name

    def _result(self, context: bpy.types.Context, message: Heard) -> None:
        """Write the take and report the result."""
        report = self._bake.write(message)
        for warning in report.warnings:
            self._warn(context, warning)
        self.report({"INFO"}, as_text(report.summary()))
        scene, state = bpy.data.scenes.get(self._scene), context.window_manager.mouthpiece
        if scene is not None:
            state.ends, state.ends_in = report.last, scene.name
            state.fit = "" if report.fit is None else report.fit.summary()
            ends = timeline.beyond(scene, report.last)
            if ends:
                self.report({"WARNING"}, ends)
            for remark in timeline.put(scene, self._bake.recording) if self._sequence else ():
                self.report({"INFO"}, remark)
            if self._sequence:
                compat.show_in_sequencers(scene)
        bake_settings.note_kept(context, find_object(report.object), report.kept, again=False)
        previews.changed(find_object(report.object))
        if scene is not None:
            health.after_bake(find_object(report.object), scene, report.first, report.last)
        compat.redraw(context)


class MOUTHPIECE_OT_extend_scene(bpy.types.Operator):
    """Let the scene end with the line, so that all of it is played and rendered."""

    bl_idname = "mouthpiece.extend_scene"
    bl_label = "Extend Scene"
    bl_description = "Let the scene end with the line, so that all of it is played and rendered"
    bl_options = {"REGISTER", "UNDO"}

    frame: bpy.props.IntProperty(name="Frame", description="Last frame of the scene")

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Set the scene's last frame, if it is earlier."""
        context.scene.frame_end = max(context.scene.frame_end, self.frame)
        return {"FINISHED"}


class MOUTHPIECE_OT_cancel(bpy.types.Operator):
    """Stop the work: no key is set, and frames rendered so far stay."""

    bl_idname = "mouthpiece.cancel"
    bl_label = "Cancel"
    bl_description = "Stop the work: no key is set, and frames rendered so far stay"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Return whether an operator is running."""
        return bool(context.window_manager.mouthpiece.running)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Ask the running operator to stop: it looks at this flag several times a second."""
        context.window_manager.mouthpiece.cancelled = True
        return {"FINISHED"}


class MOUTHPIECE_OT_remove_take(bpy.types.Operator):
    """Take all of Mouthpiece's keys off the character and its head; keys of your own stay."""

    bl_idname = "mouthpiece.remove_take"
    bl_label = "Remove Take"
    bl_description = "Take all of Mouthpiece's keys off the character and its head; keys of your own stay"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Return whether the character has baked lines and no operator is running."""
        obj = scene_settings.character(context)
        found = removal.carries(obj)
        if obj is None:
            cls.poll_message_set("No character is active: click one")
        elif not found:
            cls.poll_message_set(f"'{obj.name}' has no take")
        return found and not context.window_manager.mouthpiece.running

    @classmethod
    def description(cls, context: bpy.types.Context, _properties: bpy.types.OperatorProperties) -> str:
        """Return what the button removes from whom."""
        obj = scene_settings.character(context)
        if obj is None or not removal.carries(obj):
            return cls.bl_description
        return f"Removes {removal.CarriedLines.of(obj).summary()}. Keys of your own stay"

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Remove all lines the character carries and report what went and what stays."""
        obj: Any = scene_settings.character(context)
        carried, gone = removal.take_off(obj, context.scene.mouthpiece.replace_edited)
        state = context.window_manager.mouthpiece
        state.kept, state.ends = "", 0
        for sentence in remarks.now_yours(gone.kept):
            self.report({"WARNING"}, sentence)
        self.report({"INFO"}, f"Removed {carried.summary()} ({counted(gone.keys, 'key')})")
        return {"FINISHED"}


class _OnLines:
    """Mixin for operators that need a character with a line that can be dialled."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Return whether there is such a line and no operator is running."""
        found = bool(redial.dialled_lines(scene_settings.character(context)))
        if not found:
            cls.poll_message_set("The active character has no line to adjust: animate it first")  # type: ignore[attr-defined]
        return found and not context.window_manager.mouthpiece.running


class MOUTHPIECE_OT_redial(_OnLines, bpy.types.Operator):
    """Adjust the character's lines to the amounts as they are set now: at once, and your own keys stay."""

    bl_idname = "mouthpiece.redial"
    bl_label = "Update Lines"
    bl_description = "Adjust the character's lines to the amounts as they are set now: at once, and your own keys stay"
    bl_options = {"REGISTER", "UNDO"}

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Update the lines and report the result."""
        obj: Any = scene_settings.character(context)
        settings = obj.mouthpiece
        done = redial.redial(
            obj,
            bake_settings.dials_of(settings),
            bake_settings.playhead(settings, context.scene),
            context.scene.mouthpiece.replace_edited,
        )
        for warning in done.warnings:
            self.report({"WARNING"}, warning)
        for sentence in bake_settings.note_kept(context, obj, done.kept, again=True):
            self.report({"WARNING"}, sentence)
        self.report(
            {"INFO"}, f"Updated {counted(done.keys, 'key')} on {counted(done.channels, 'channel')} of {obj.name}"
        )
        previews.changed(obj)
        compat.redraw(context)
        return {"FINISHED"}


class MOUTHPIECE_OT_reset_dials(bpy.types.Operator):
    """Put all amounts and the emotion back; the style stays."""

    bl_idname = "mouthpiece.reset_dials"
    bl_label = "Reset"
    bl_description = "Put all amounts and the emotion back to where they change nothing; the style stays"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Return whether there is a character and no operator is running."""
        return scene_settings.character(context) is not None and not context.window_manager.mouthpiece.running

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Reset the amounts; if they are live, update the lines."""
        obj: Any = scene_settings.character(context)
        bake_settings.take_over(obj.mouthpiece, {})
        if obj.mouthpiece.live and redial.dialled_lines(obj):
            return bpy.ops.mouthpiece.redial()
        return {"FINISHED"}


class MOUTHPIECE_OT_take_over_dials(_OnLines, bpy.types.Operator):
    """Set the amounts to those of the line at the playhead."""

    bl_idname = "mouthpiece.take_over_dials"
    bl_label = "Amounts from Line"
    bl_description = "Set the amounts to those of the line at the playhead (or of the first, if none is heard there)"
    bl_options = {"REGISTER", "UNDO"}

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Set the amounts."""
        obj: Any = scene_settings.character(context)
        found = redial.dialled_lines(obj, context.scene.frame_current) or redial.dialled_lines(obj)
        bake_settings.take_over(obj.mouthpiece, dict(found[0].dials))
        self.report({"INFO"}, f"The amounts are those of {found[0].label} now")
        return {"FINISHED"}


class _Converts:
    """Mixin for operators that convert the keys of the active character's lines.

    ``layered`` is whether they are converted to layers or to one action.
    """

    layered: bool

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Return whether there is a line to convert and no operator is running."""
        lines = redial.dialled_lines(scene_settings.character(context))
        found = any(rebuild.is_keyed(line) and rebuild.is_layered(line) != cls.layered for line in lines)
        if not found:
            where = "one action" if cls.layered else "layers"
            cls.poll_message_set(f"The active character has no line in {where}")  # type: ignore[attr-defined]
        return found and not context.window_manager.mouthpiece.running

    @reports_errors
    def execute(self: Any, context: bpy.types.Context) -> set[str]:
        """Convert the lines and report the result."""
        obj: Any = scene_settings.character(context)
        done = convert.convert(obj, self.layered)
        obj.mouthpiece.layers = "LAYERS" if self.layered else "ONE"
        for warning in done.warnings:
            self.report({"WARNING"}, warning)
        context.window_manager.mouthpiece.kept = ""
        for sentence in remarks.kept(done.kept):
            self.report({"WARNING"}, sentence)
        where = "layers" if self.layered else "one action"
        keys, channels = counted(done.keys, "key"), counted(done.channels, "channel")
        self.report({"INFO"}, f"{keys} on {channels} of {obj.name} are in {where} now")
        compat.redraw(context)
        return {"FINISHED"}


class MOUTHPIECE_OT_keep_edits(_Converts, bpy.types.Operator):
    """Turn the character's keys into layers, with what you changed in a layer of its own."""

    bl_idname = "mouthpiece.keep_edits"
    bl_label = "Keep Edits as Layer"
    bl_description = (
        "Turn the character's keys into layers, with what you changed in a layer of its own: "
        "it stays when the lines are animated or updated"
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


class MOUTHPIECE_OT_add_also(bpy.types.Operator):
    """Let the other selected objects play the active character's performance as well."""

    bl_idname = "mouthpiece.add_also"
    bl_label = "Add Selected"
    bl_description = "Let the other selected objects (teeth, tongue, lashes) play the character's performance as well"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Return whether an object other than the character is selected."""
        obj = scene_settings.character(context)
        found = obj is not None and any(other != obj for other in context.selected_objects)
        if not found:
            cls.poll_message_set("Select the other objects, and the character last")
        return found

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Add the objects, each once; a warning is reported for those that cannot play a performance."""
        obj: Any = scene_settings.character(context)
        known = scene_settings.also(obj)
        for other in context.selected_objects:
            if other == obj or other in known:
                continue
            try:
                company.target_of(obj, other, 1.0)
            except RigError as error:
                self.report({"WARNING"}, f"'{other.name}' is left out: {error}")
                continue
            company.take_in(obj, other)
        return {"FINISHED"}


class MOUTHPIECE_OT_remove_also(bpy.types.Operator):
    """Let an object no longer play along; it is not taken along again by itself."""

    bl_idname = "mouthpiece.remove_also"
    bl_label = "Remove"
    bl_description = (
        "Let the object no longer play along. Keys it has stay until the sound is animated again or the take is removed"
    )
    bl_options = {"REGISTER", "UNDO"}

    index: bpy.props.IntProperty(name="Index", min=0)
    name: bpy.props.StringProperty(name="Name", description="Object that plays along by itself, not on the list yet")

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Remove the object from the list, and note that it is left out."""
        obj: Any = scene_settings.character(context)
        if obj is not None and self.name:
            part = next((one for one in company.of(obj) if one.name == self.name), None)
        else:
            entries: Any = () if obj is None else obj.mouthpiece.also
            part = entries[self.index].object if self.index < len(entries) else None
            if part is None and self.index < len(entries):
                entries.remove(self.index)
                return {"FINISHED"}
        if part is None:
            self.report({"ERROR"}, "There is no such object on the list")
            return {"CANCELLED"}
        company.leave_out(obj, part)
        return {"FINISHED"}


#: Entries of the menu: found by the words people search for, such as "lip sync", "animate speech" or "mouthpiece".
_IN_MENU = (
    (MOUTHPIECE_OT_animate, "Animate Speech (Lip Sync)"),
    (MOUTHPIECE_OT_redial, "Update Lines (Lip Sync)"),
    (MOUTHPIECE_OT_keep_edits, "Keep Edits as Layer"),
    (MOUTHPIECE_OT_merge_layers, "Merge Layers"),
    (MOUTHPIECE_OT_remove_take, "Remove Take (Lip Sync)"),
)


def _draw_menu(self: bpy.types.Menu, context: bpy.types.Context) -> None:
    """Draw the operators into a menu: the menu search finds only what is in one."""
    self.layout.separator()
    for operator, text in _IN_MENU:
        self.layout.operator(operator.bl_idname, text=f"Mouthpiece: {text}")


_register_classes, _unregister_classes = register_classes_factory(
    (
        MOUTHPIECE_OT_animate,
        MOUTHPIECE_OT_extend_scene,
        MOUTHPIECE_OT_cancel,
        MOUTHPIECE_OT_remove_take,
        MOUTHPIECE_OT_add_also,
        MOUTHPIECE_OT_remove_also,
        MOUTHPIECE_OT_redial,
        MOUTHPIECE_OT_reset_dials,
        MOUTHPIECE_OT_take_over_dials,
        MOUTHPIECE_OT_keep_edits,
        MOUTHPIECE_OT_merge_layers,
    )
)


def register() -> None:
    """Register the operators and add them to the menu Object > Animation."""
    _register_classes()
    bpy.types.VIEW3D_MT_object_animation.append(_draw_menu)


def unregister() -> None:
    """Remove the menu entries and unregister the operators."""
    bpy.types.VIEW3D_MT_object_animation.remove(_draw_menu)
    _unregister_classes()
