"""Operators for the mapping of face bones: detect, edit, mirror, save and load it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
from bpy.props import BoolProperty, EnumProperty, StringProperty
from bpy.utils import register_classes_factory
from bpy_extras.io_utils import ExportHelper, ImportHelper
from mouthpiece.errors import RigError
from mouthpiece.files.writer import write_whole
from mouthpiece.phrases import counted

from ... import compat, exports
from ...reports import reports_errors
from . import mapping as bone_mapping
from .target import detected

#: Items of an enum made at run time: Blender needs Python to keep their strings alive.
_profiles: list[tuple[str, str, str]] = []


def _profile_items(_: Any, __: bpy.types.Context | None) -> list[tuple[str, str, str]]:
    """Return the profiles as items of an EnumProperty."""
    if not _profiles:
        from mouthpiece.retarget.bones.mapping import profile_names

        _profiles.append(("BEST", "Best Match", "Whichever names find most of the face"))
        _profiles.extend((name, name, f"Bones named as in {name}") for name in profile_names())
    return _profiles


def rig_of(context: bpy.types.Context) -> Any:
    """Return the armature whose table is shown, or None."""
    obj = context.active_object
    return obj if obj is not None and obj.type == "ARMATURE" else None


class _OnTable:
    """Mixin for operators that need an editable armature, with ``entries`` also one whose table is not empty."""

    entries = False

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Return whether there is such an armature; if not, the reason becomes the poll message."""
        rig = rig_of(context)
        poll: Any = cls
        if rig is None:
            poll.poll_message_set("The active object is not an armature")
        elif not rig.is_editable:
            poll.poll_message_set("The armature is linked: make a library override of it, or make it local")
        elif cls.entries and not rig.mouthpiece_bones.links:
            poll.poll_message_set("The table is empty: press Detect")
        else:
            return True
        return False


class MOUTHPIECE_OT_detect_bones(_OnTable, bpy.types.Operator):
    """Fill the table by the names of the bones; every entry can be edited afterwards."""

    bl_idname = "mouthpiece.detect_bones"
    bl_label = "Detect"
    bl_description = "Fill the table by the names of the bones; every entry can be edited afterwards"
    bl_options = {"REGISTER", "UNDO"}

    profile: EnumProperty(name="Names", description="Which kind of rig's names are looked for", items=_profile_items)

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Fill the table."""
        rig = rig_of(context)
        match = detected(rig, "" if self.profile == "BEST" else self.profile)
        bone_mapping.fill(rig, match.links, match.profile)
        self.report({"INFO"}, match.summary())
        return {"FINISHED"}


class MOUTHPIECE_OT_add_bone_link(_OnTable, bpy.types.Operator):
    """Add an entry, for the active bone if there is one."""

    bl_idname = "mouthpiece.add_bone_link"
    bl_label = "Add Entry"
    bl_description = "Add an entry for the active bone"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Add the entry at the end of the table."""
        rig = rig_of(context)
        compat.allow_overrides(rig)
        settings, bone = rig.mouthpiece_bones, rig.data.bones.active
        entry = settings.links.add()
        entry.source, entry.bone = "lip_corner.L", bone.name if bone else ""
        entry.name = f"{entry.bone} {len(settings.links)}"
        settings.active = len(settings.links) - 1
        return {"FINISHED"}


class MOUTHPIECE_OT_remove_bone_link(_OnTable, bpy.types.Operator):
    """Remove the active entry, or all: with an empty table the bones are matched by their names."""

    bl_idname = "mouthpiece.remove_bone_link"
    bl_label = "Remove Entry"
    bl_description = "Remove the active entry; with an empty table the bones are matched by their names"
    bl_options = {"REGISTER", "UNDO"}
    entries = True

    all: BoolProperty(name="All", description="Empty the table", options={"SKIP_SAVE"})

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Remove the entries; in an override, those from the library are switched off instead."""
        settings = rig_of(context).mouthpiece_bones
        last = len(settings.links) - 1
        gone = [
            bone_mapping.removed(settings, index)
            for index in (range(last, -1, -1) if self.all else [min(settings.active, last)])
        ]
        settings.profile = "" if self.all else settings.profile
        if not all(gone):
            self.report({"WARNING"}, "What comes from the library the rig is linked from is switched off instead")
        settings.active = max(0, min(settings.active, len(settings.links) - 1))
        return {"FINISHED"}


class MOUTHPIECE_OT_mirror_bone_links(_OnTable, bpy.types.Operator):
    """Make or change the entries of the other side's bones by those of one side."""

    bl_idname = "mouthpiece.mirror_bone_links"
    bl_label = "Mirror"
    bl_description = "Make or change the entry of the other side like the active one, or like all of one side"
    bl_options = {"REGISTER", "UNDO"}
    entries = True

    which: EnumProperty(
        name="Entries",
        description="What is mirrored",
        items=(
            ("ACTIVE", "Active", "The active entry"),
            ("LEFT", "Left to Right", "All entries of bones on the left"),
            ("RIGHT", "Right to Left", "All entries of bones on the right"),
        ),
    )

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Mirror the entries and report how many."""
        count = bone_mapping.mirror(rig_of(context), self.which)
        if not count:
            self.report({"WARNING"}, "Nothing has another side: bones must be named in pairs, such as lip.L and lip.R")
            return {"CANCELLED"}
        self.report({"INFO"}, f"Mirrored {counted(count, 'entry', 'entries')}")
        return {"FINISHED"}


class MOUTHPIECE_OT_save_bone_mapping(_OnTable, bpy.types.Operator, ExportHelper):
    """Save the table as a file, for other characters and for the command line."""

    bl_idname = "mouthpiece.save_bone_mapping"
    bl_label = "Save Mapping"
    bl_description = "Save the table as a file, for other characters and for --mapping on the command line"
    entries = True

    filename_ext = ".json"
    filter_glob: StringProperty(default="*.json", options={"HIDDEN"})

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Write the file."""
        from mouthpiece.retarget.bones.mapping import to_json

        rig = rig_of(context)
        text = to_json(bone_mapping.links_in(rig), rig.mouthpiece_bones.profile)
        try:
            write_whole(exports.place(self.filepath), text)
        except OSError as error:
            raise RigError(f"'{self.filepath}' cannot be written: {error.strerror}. Choose another place.") from error
        self.report({"INFO"}, f"Saved as {self.filepath}")
        return {"FINISHED"}


class MOUTHPIECE_OT_load_bone_mapping(_OnTable, bpy.types.Operator, ImportHelper):
    """Fill the table from a file."""

    bl_idname = "mouthpiece.load_bone_mapping"
    bl_label = "Load Mapping"
    bl_description = "Fill the table from a saved mapping"
    bl_options = {"REGISTER", "UNDO"}

    filename_ext = ".json"
    filter_glob: StringProperty(default="*.json", options={"HIDDEN"})

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Read the file."""
        lost = bone_mapping.load(rig_of(context), Path(self.filepath))
        if lost:
            self.report({"WARNING"}, f"Left out, as the armature has no such bones: {', '.join(lost)}")
        return {"FINISHED"}


register, unregister = register_classes_factory(
    (
        MOUTHPIECE_OT_detect_bones,
        MOUTHPIECE_OT_add_bone_link,
        MOUTHPIECE_OT_remove_bone_link,
        MOUTHPIECE_OT_mirror_bone_links,
        MOUTHPIECE_OT_save_bone_mapping,
        MOUTHPIECE_OT_load_bone_mapping,
    )
)
