"""Operators on the cast: members, who speaks which strip, turns, tables in and out, and the way to a line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
from bpy.props import BoolProperty, EnumProperty, IntProperty, StringProperty
from bpy.utils import register_classes_factory
from bpy_extras.io_utils import ExportHelper, ImportHelper
from mouthpiece.errors import AudioError, CastError, RigError
from mouthpiece.files.writer import write_whole
from mouthpiece.phrases import as_text, counted, listed

from .. import compat, exports, jobs, scene_settings
from ..reports import reports_errors
from ..sound import recordings, strips, timeline
from . import overview, placement, table_export
from . import settings as cast_settings
from .speakers import Roster

#: Endings of tables that can be loaded.
_TABLES = "*.csv;*.tsv;*.txt;*.json;*.otio"


def active_strip(context: bpy.types.Context) -> Any:
    """Return the sound strip that is active in the list of lines; None if there is none."""
    scene = compat.sequencer_scene(context)
    found, number = compat.all_strips(scene), scene.mouthpiece_cast.active_strip
    strip = found[number] if 0 <= number < len(found) else None
    return strip if strip is not None and strip.type == "SOUND" else None


class _Idle:
    """Mixin for operators that change the cast, which they do not while lines are being animated."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Return whether no operator is running."""
        running = bool(context.window_manager.mouthpiece.running)
        if running:
            cls.poll_message_set(jobs.BUSY)  # type: ignore[attr-defined]
        return not running


class _OnLine(_Idle):
    """Mixin for operators on the line that is active in the list."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Return whether a line is active and no operator is running."""
        if not super().poll(context):
            return False
        if active_strip(context) is None:
            cls.poll_message_set("Choose a line in the list")  # type: ignore[attr-defined]
            return False
        return True


class MOUTHPIECE_OT_jump_to_line(bpy.types.Operator):
    """Go to the active line: its first frame, its strip selected, its character active."""

    bl_idname = "mouthpiece.jump_to_line"
    bl_label = "Jump To"
    bl_description = "Go to the line: its first frame, its strip selected alone, its character active"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Return whether a line is active."""
        found = active_strip(context) is not None
        if not found:
            cls.poll_message_set("Choose a line in the list")
        return found

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Set the frame, select the strip and make the character active."""
        scene, strip = compat.sequencer_scene(context), active_strip(context)
        frame = compat.strip_times(strip).left
        for one in {scene, context.scene}:
            one.frame_set(frame)
        for other in compat.all_strips(scene):
            other.select = other == strip
        scene.sequence_editor.active_strip = strip
        obj = _speaker_of(strip, scene)
        if obj is not None and obj.name in context.view_layer.objects and obj.mode == "OBJECT":
            active = context.view_layer.objects.active
            if active is None or active.mode == "OBJECT":
                for one in context.selected_objects:
                    one.select_set(False)
                context.view_layer.objects.active = obj
                obj.select_set(True)
        return {"FINISHED"}


def _speaker_of(strip: Any, scene: bpy.types.Scene) -> bpy.types.Object | None:
    """Return who speaks a strip; of one with turns, who speaks the active turn."""
    roster, own = Roster.of(scene), strip.mouthpiece
    if 0 <= own.active_turn < len(own.turns):
        speaker = roster.own(own.turns[own.active_turn], strip.name)
        if speaker is not None:
            return speaker.character
    return roster.speaker(strip).character


class MOUTHPIECE_OT_add_members(_Idle, bpy.types.Operator):
    """Add the selected characters to the cast."""

    bl_idname = "mouthpiece.add_members"
    bl_label = "Add Selected Characters"
    bl_description = "Let the characters that are selected in the 3D View be members of the cast"
    bl_options = {"REGISTER", "UNDO"}

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Add each character once; parts of one are one."""
        scene = compat.sequencer_scene(context)
        members = scene.mouthpiece_cast.members
        chosen = dict.fromkeys(scene_settings.character_of(one) for one in context.selected_objects)
        able = [one for one in chosen if scene_settings.kind_of(one)]
        if not able:
            raise RigError("No character is selected. Select the faces or rigs that speak in the 3D View.")
        known = {member.object for member in members}
        added = [one for one in able if one not in known]
        for obj in added:
            members.add().object = obj
        scene.mouthpiece_cast.active_member = len(members) - 1
        others = [f"'{one.name}'" for one in chosen if one not in able]
        if others:
            self.report({"WARNING"}, f"Left out, as nothing there can speak: {listed(others)}")
        self.report({"INFO"}, f"{counted(len(added), 'character')} joined the cast")
        overview.age(context)
        return {"FINISHED"}


class MOUTHPIECE_OT_remove_member(_Idle, bpy.types.Operator):
    """Take the active member off the cast; strips it was chosen for keep it."""

    bl_idname = "mouthpiece.remove_member"
    bl_label = "Remove Member"
    bl_description = "Take the character off the cast. Strips that it was chosen for keep it, and keys stay"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Remove the active member."""
        cast = compat.sequencer_scene(context).mouthpiece_cast
        if not 0 <= cast.active_member < len(cast.members):
            self.report({"ERROR"}, "Choose a member in the list")
            return {"CANCELLED"}
        cast.members.remove(cast.active_member)
        cast.active_member = max(0, min(cast.active_member, len(cast.members) - 1))
        overview.age(context)
        return {"FINISHED"}


class MOUTHPIECE_OT_assign_speaker(_Idle, bpy.types.Operator):
    """Let the active member speak the selected strips."""

    bl_idname = "mouthpiece.assign_speaker"
    bl_label = "Assign to Selected Strips"
    bl_description = "Let the member that is active in the list speak the sound strips that are selected"
    bl_options = {"REGISTER", "UNDO"}

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Set the character of every selected sound strip."""
        scene = compat.sequencer_scene(context)
        cast = scene.mouthpiece_cast
        member = cast.members[cast.active_member] if 0 <= cast.active_member < len(cast.members) else None
        if member is None or member.object is None:
            raise RigError("No character is chosen. Choose a member in the list.")
        chosen = [one for one in compat.all_strips(scene) if one.select and one.type == "SOUND"]
        if not chosen:
            raise AudioError("No sound strip is selected. Select the strips of the lines in the sequencer.")
        for strip in chosen:
            strip.mouthpiece.character, strip.mouthpiece.is_speech = member.object, True
        self.report({"INFO"}, f"{cast_settings.title(member)} speaks {counted(len(chosen), 'strip')}")
        overview.age(context)
        return {"FINISHED"}


class MOUTHPIECE_OT_load_cast(_Idle, bpy.types.Operator, ImportHelper):
    """Put the lines of a table on the timeline."""

    bl_idname = "mouthpiece.load_cast"
    bl_label = "Load Cast"
    bl_description = (
        "Put the lines of a table (CSV, JSON, OpenTimelineIO) on the timeline as strips, or set what strips that are "
        "there say. Loaded again, it changes what it placed before"
    )
    bl_options = {"REGISTER", "UNDO"}
    filter_glob: StringProperty(default=_TABLES, options={"HIDDEN"})
    extend: BoolProperty(
        name="Extend Scene", description="Let the scene end with the last line, if it ends earlier", default=True
    )

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Read the table and place it."""
        from mouthpiece.cast.table import read_cast

        scene = compat.sequencer_scene(context)
        if not self.filepath.strip():
            raise CastError("No table is chosen. Choose a file.")
        cast = read_cast(Path(bpy.path.abspath(self.filepath)))
        said = (*cast.remarks, *placement.placed(scene, cast, self.extend).remarks)
        scene.mouthpiece_cast.filepath = timeline.stored(self.filepath)
        for sentence in said:
            self.report({"WARNING"}, as_text(sentence))
        self.report({"INFO"}, f"The cast has {counted(len(cast.lines), 'line')}")
        overview.age(context)
        return {"FINISHED"}


class MOUTHPIECE_OT_export_cast(bpy.types.Operator, ExportHelper):
    """Write the scene's cast as a table."""

    bl_idname = "mouthpiece.export_cast"
    bl_label = "Export Cast"
    bl_description = "Write who speaks what in this scene as a table (CSV), to edit it or to animate it without Blender"
    bl_options = {"REGISTER"}
    filename_ext = ".csv"
    filter_glob: StringProperty(default="*.csv", options={"HIDDEN"})

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Write the table."""
        place = exports.place(self.filepath)
        text, said = table_export.table_of(compat.sequencer_scene(context), place.parent)
        count = text.count("\n") - 1
        if not count:
            raise CastError(f"The cast has no line. {said[0] if said else 'Add sound strips to the sequencer.'}")
        try:
            write_whole(place, text)
        except OSError as error:
            raise CastError(f"'{self.filepath}' cannot be written: {error.strerror}.") from error
        for sentence in said:
            self.report({"WARNING"}, as_text(sentence))
        self.report({"INFO"}, f"Wrote '{self.filepath}'")
        return {"FINISHED"}


class MOUTHPIECE_OT_split_turns(_OnLine, bpy.types.Operator):
    """Divide the active line at the playhead between two turns."""

    bl_idname = "mouthpiece.split_turns"
    bl_label = "Split at Playhead"
    bl_description = "Divide the line at the playhead into turns that different characters speak. The strip stays whole"
    bl_options = {"REGISTER", "UNDO"}

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Divide the turn at the playhead, or the whole strip."""
        scene, strip = compat.sequencer_scene(context), active_strip(context)
        place = strips.from_strip(strip, scene).placement
        frame = scene.frame_current * recordings.pace(scene)
        second = place.second_at(frame)
        if not (place.left or 0) < frame < (place.right or 0):
            raise AudioError(f"The playhead is not within '{strip.name}'. Put it where the next turn begins.")
        turns = strip.mouthpiece.turns
        at = next((n for n, one in enumerate(turns) if one.begin < second and (not one.end or second < one.end)), None)
        if at is None and len(turns):
            raise AudioError("Nobody's turn is at the playhead. Put it within a turn.")
        if at is None:
            turns.add()
            at = 0
        later = turns.add()
        later.begin, later.end, turns[at].end = second, turns[at].end, second
        turns.move(len(turns) - 1, at + 1)
        strip.mouthpiece.active_turn = at + 1
        overview.age(context)
        return {"FINISHED"}


class MOUTHPIECE_OT_choose_turn(bpy.types.Operator):
    """Show the settings of another turn."""

    bl_idname = "mouthpiece.choose_turn"
    bl_label = "Choose Turn"
    bl_description = "Show the times and the settings of this turn"
    bl_options = {"INTERNAL"}

    index: IntProperty(name="Index", min=0)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Choose the turn."""
        strip = active_strip(context)
        if strip is not None:
            strip.mouthpiece.active_turn = self.index
        return {"FINISHED"}


class MOUTHPIECE_OT_remove_turn(_OnLine, bpy.types.Operator):
    """Remove a turn of the active line."""

    bl_idname = "mouthpiece.remove_turn"
    bl_label = "Remove Turn"
    bl_description = "Remove the turn: nobody speaks there. Without any turn, all of the strip is one line again"
    bl_options = {"REGISTER", "UNDO"}

    index: IntProperty(name="Index", min=0)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Remove the turn."""
        own = active_strip(context).mouthpiece
        if self.index < len(own.turns):
            own.turns.remove(self.index)
        own.active_turn = max(0, min(own.active_turn, len(own.turns) - 1))
        overview.age(context)
        return {"FINISHED"}


class MOUTHPIECE_OT_split_by_subtitles(_OnLine, bpy.types.Operator, ImportHelper):
    """Divide the active line into turns by subtitles with names."""

    bl_idname = "mouthpiece.split_by_subtitles"
    bl_label = "Split by Subtitles"
    bl_description = "Divide the line into turns by subtitles that name who speaks (SRT, VTT). The strip stays whole"
    bl_options = {"REGISTER", "UNDO"}
    filter_glob: StringProperty(default="*.srt;*.vtt", options={"HIDDEN"})
    clock: EnumProperty(
        name="Times",
        description="From when on the subtitles count",
        items=(
            ("SOUND", "Of the Sound", "From the beginning of the sound"),
            ("TIMELINE", "Of the Timeline", "From frame 0 of the scene"),
        ),
    )

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Read the subtitles and make turns of them."""
        from mouthpiece.cast.turns import read_turns

        scene, strip = compat.sequencer_scene(context), active_strip(context)
        roster = Roster.of(scene)
        found = read_turns(Path(bpy.path.abspath(self.filepath)), known=[role.title for role in roster.roles])
        speakers = {turn.speaker: roster.called(turn.speaker) for turn in found.turns}
        unknown = [f"'{name}'" for name, obj in speakers.items() if obj is None]
        if unknown:
            raise CastError(f"There is no character {listed(unknown)}. The cast has {roster.names()}.")
        place = strips.from_strip(strip, scene).placement
        fps = place.fps if self.clock == "TIMELINE" else 0.0
        turns = strip.mouthpiece.turns
        turns.clear()
        for turn in found.turns:
            begin, end = (place.second_at(at * fps) if fps else at for at in (turn.begin, turn.end))
            if end > 0 and place.within(max(0.0, begin), end) is not None:
                one = turns.add()
                one.character, one.begin, one.end = speakers[turn.speaker], max(0.0, begin), end
                one.transcript = turn.text
        strip.mouthpiece.active_turn = 0
        for sentence in found.remarks:
            self.report({"WARNING"}, as_text(sentence))
        self.report({"INFO"}, f"'{strip.name}' has {counted(len(turns), 'turn')}")
        overview.age(context)
        return {"FINISHED"}


class MOUTHPIECE_OT_add_amount(_OnLine, bpy.types.Operator):
    """Give the active line an amount of its own."""

    bl_idname = "mouthpiece.add_amount"
    bl_label = "Own Amount"
    bl_description = "Give the line, or its active turn, an amount that differs from the character's"
    bl_options = {"REGISTER", "UNDO"}

    name: EnumProperty(
        name="Amount",
        items=tuple((name, text, f"{text} of this line alone") for name, text in cast_settings.AMOUNTS.items()),
    )

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Add the amount."""
        own = cast_settings.delivery_of(active_strip(context))
        if own.amounts.find(self.name) < 0:
            cast_settings.set_amount(own, self.name, 0.0 if self.name in ("smoothing", "offset") else 1.0)
        overview.age(context)
        return {"FINISHED"}


class MOUTHPIECE_OT_remove_amount(_OnLine, bpy.types.Operator):
    """Let an amount of the active line be the character's again."""

    bl_idname = "mouthpiece.remove_amount"
    bl_label = "As Character"
    bl_description = "Let the amount be the character's again"
    bl_options = {"REGISTER", "UNDO"}

    name: StringProperty(name="Amount")

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Remove the amount."""
        cast_settings.set_amount(cast_settings.delivery_of(active_strip(context)), self.name, None)
        overview.age(context)
        return {"FINISHED"}


register, unregister = register_classes_factory(
    (
        MOUTHPIECE_OT_jump_to_line,
        MOUTHPIECE_OT_add_members,
        MOUTHPIECE_OT_remove_member,
        MOUTHPIECE_OT_assign_speaker,
        MOUTHPIECE_OT_load_cast,
        MOUTHPIECE_OT_export_cast,
        MOUTHPIECE_OT_split_turns,
        MOUTHPIECE_OT_choose_turn,
        MOUTHPIECE_OT_remove_turn,
        MOUTHPIECE_OT_split_by_subtitles,
        MOUTHPIECE_OT_add_amount,
        MOUTHPIECE_OT_remove_amount,
    )
)
