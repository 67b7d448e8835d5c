"""The panel *Cast* in the sidebars of the sequencer and the 3D View: lines, who speaks them, and how they stand."""

from __future__ import annotations

from typing import Any, ClassVar, Final

import bpy
from bpy.utils import register_classes_factory

from .. import compat, jobs, paragraphs, scene_settings
from . import overview
from . import settings as cast_settings
from .animate_operators import MOUTHPIECE_OT_animate_cast
from .operators import active_strip
from .overview import StripStanding
from .settings import STANDINGS
from .speakers import is_lost

#: Unscaled pixels of a sidebar from which the list has room for words beside icons, how many such a word takes, and how
#: many are beside the list.
_WIDE: Final = 400
_WORD: Final = 104
_BESIDE: Final = 110
#: At most so many remarks on the last run are shown; all of them are in the Info editor.
_REMARKS: Final = 4
_UNKNOWN: Final = StripStanding("", "")


def _standings(context: bpy.types.Context) -> Any:
    """Return how the lines that the user sees stand, by names of strips."""
    return overview.standings(compat.sequencer_scene(context), context.scene)


def _standing(strip: Any, known: Any) -> StripStanding:
    """Return how a strip stands; what is no speech needs no looking at."""
    return known.get(strip.name, _UNKNOWN) if strip.mouthpiece.is_speech else StripStanding("SILENT")


def _icon(standing: StripStanding) -> str:
    """Return the icon of a standing; an hourglass until it is known."""
    return STANDINGS[standing.key][2] if standing.key else "SORTTIME"


def _titles(scene: bpy.types.Scene, standing: StripStanding) -> str:
    """Return the names in the cast of those who speak a strip."""
    names = {m.object.name: cast_settings.title(m) for m in scene.mouthpiece_cast.members if m.object is not None}
    return ", ".join(names.get(name, name) for name in standing.speakers)


def _draw_speaker(layout: Any, strip: Any, standing: StripStanding, more: str = "") -> None:
    """Draw the drop-down of who speaks a strip; a pin tells what was chosen from what name, color or channel say."""
    own = strip.mouthpiece
    chosen = own.character is not None or len(own.turns) > 0
    text = _titles(strip.id_data, standing) or ("Nobody" if standing.key else "…")
    layout.prop_menu_enum(own, "speaker", text=text if chosen else text + more, icon="PINNED" if chosen else "NONE")


class MOUTHPIECE_UL_cast_lines(bpy.types.UIList):
    """The sound strips of a sequencer, in order of time."""

    def draw_item(
        self,
        context: bpy.types.Context,
        layout: Any,
        _data: Any,
        strip: Any,
        _icon_number: int,
        _active: Any,
        _name: str,
        _index: int = 0,
        _flag: int = 0,
    ) -> None:
        """Draw a line: its strip's name, who speaks it, how it stands."""
        standing = _standing(strip, _standings(context))
        layout.active = standing.key not in ("MUTED", "SILENT")
        width = context.region.width / context.preferences.system.ui_scale if context.region else 0
        parts = layout.split(factor=1 - _WORD / (width - _BESIDE) if width >= _WIDE else 0.88, align=True)
        left = parts.split(factor=0.55, align=True)
        left.prop(strip, "name", text="", emboss=False, translate=False)
        if strip.mouthpiece.is_speech:
            _draw_speaker(left, strip, standing)
        else:
            left.label(text="")
        word = STANDINGS[standing.key][0] if standing.key else "…"
        parts.label(text=word if width >= _WIDE else "", icon=_icon(standing))

    def draw_filter(self, context: bpy.types.Context, layout: Any) -> None:
        """Draw what is searched for."""
        cast = compat.sequencer_scene(context).mouthpiece_cast
        column = layout.column(align=True)
        column.prop(self, "filter_name", text="", icon="VIEWZOOM")
        row = column.row(align=True)
        row.prop(cast, "shown_speaker", text="")
        row.prop(cast, "shown_standing", text="")

    def filter_items(self, context: bpy.types.Context, data: Any, name: str) -> tuple[list[int], list[int]]:
        """Return which strips are shown, and in which place each is."""
        found = list(getattr(data, name))
        known = _standings(context)
        cast = data.id_data.mouthpiece_cast
        shown = [self.bitflag_filter_item if self._is_shown(strip, known, cast) else 0 for strip in found]
        ranked = sorted(range(len(found)), key=lambda n: (compat.strip_times(found[n]).left, found[n].channel))
        places = [0] * len(found)
        for place, number in enumerate(ranked):
            places[number] = place
        return shown, places

    def _is_shown(self, strip: Any, known: Any, cast: Any) -> bool:
        """Return whether a strip is one of those asked for."""
        if strip.type != "SOUND" or self.filter_name.casefold() not in strip.name.casefold():
            return False
        standing = _standing(strip, known)
        wanted, speaker = cast.shown_standing, cast.shown_speaker
        if speaker not in ("ALL", "") and speaker not in standing.speakers:
            return False
        return wanted in ("ALL", standing.key) or (wanted == "TO_DO" and standing.key in ("NEW", "CHANGED"))


class MOUTHPIECE_UL_cast_members(bpy.types.UIList):
    """The members of a cast."""

    def draw_item(
        self,
        _context: bpy.types.Context,
        layout: Any,
        _data: Any,
        member: Any,
        _icon_number: int,
        _active: Any,
        _name: str,
        _index: int = 0,
        _flag: int = 0,
    ) -> None:
        """Draw a member: its name, and by what its strips are known."""
        lost = is_lost(member.object)
        row = layout.split(factor=0.6, align=True)
        row.label(
            text=cast_settings.title(member) or "(gone)",
            icon="ERROR" if lost else "OUTLINER_OB_ARMATURE",
            translate=False,
        )
        rules = row.row(align=True)
        rules.alignment = "RIGHT"
        if member.channel:
            rules.label(text=str(member.channel), icon="SEQ_STRIP_DUPLICATE", translate=False)
        if member.color != "NONE":
            rules.label(text="", icon=f"STRIP_{member.color}")
        if member.pattern:
            rules.label(text="", icon="SORTALPHA")


class _InSequencer:
    """Mixin for panels in the sequencer's sidebar."""

    bl_space_type = "SEQUENCE_EDITOR"
    bl_region_type = "UI"
    bl_category = "Mouthpiece"


class _InView:
    """Mixin for panels in the 3D View's sidebar."""

    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Mouthpiece"


class _CastPanel:
    """Draws the list of lines and the buttons that animate them."""

    bl_label = "Cast"
    bl_order = 100
    layout: Any

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the list, the buttons or the progress, and remarks on the last run."""
        layout, scene = self.layout, compat.sequencer_scene(context)
        cast, state, editor = scene.mouthpiece_cast, context.window_manager.mouthpiece, scene.sequence_editor
        there = editor is not None and any(strip.type == "SOUND" for strip in compat.all_strips(scene))
        column = layout.column()
        column.enabled = not state.running
        if not there:
            text = "No sound is in the sequencer. Add the lines as sound strips, or load a table of who speaks what."
            paragraphs.draw(column, text, "INFO", context)
            column.operator("mouthpiece.load_cast", text="Load Cast…", icon="FILE_FOLDER")
            return
        row = column.row()
        name = compat.strips_name(editor)
        row.template_list("MOUTHPIECE_UL_cast_lines", "", editor, name, cast, "active_strip", rows=8, sort_lock=True)
        side = row.column(align=True)
        side.operator("mouthpiece.jump_to_line", text="", icon="VIEWZOOM")
        side.separator()
        side.operator("mouthpiece.load_cast", text="", icon="FILE_FOLDER")
        side.operator("mouthpiece.export_cast", text="", icon="EXPORT")
        if MOUTHPIECE_OT_animate_cast.__name__ == state.doing and state.running:
            jobs.draw_progress(layout, context)
            return
        self._draw_counts(column, context)
        buttons = layout.column(align=True)
        big = buttons.column()
        big.scale_y = 1.4
        big.operator("mouthpiece.animate_cast", text="Animate All", icon="PLAY").only = "ALL"
        row = buttons.row(align=True)
        row.operator("mouthpiece.animate_cast", text="Selected", icon="RESTRICT_SELECT_OFF").only = "SELECTED"
        row.operator("mouthpiece.animate_cast", text="This Line", icon="LAYER_ACTIVE").only = "ACTIVE"
        row = layout.row()
        row.use_property_split, row.use_property_decorate = True, False
        row.prop(cast, "overlap")
        if state.remarks_of == scene_settings.OF_CAST:
            for remark in state.remarks.splitlines()[:_REMARKS]:
                paragraphs.draw(layout.box(), remark, "ERROR", context)

    def _draw_counts(self, layout: Any, context: bpy.types.Context) -> None:
        """Draw how many lines there are of each standing."""
        counts: dict[str, int] = {}
        for standing in _standings(context).values():
            counts[standing.key] = counts.get(standing.key, 0) + 1
        words = [f"{counts[key]} {name.lower()}" for key, (name, _, _) in STANDINGS.items() if key in counts]
        if words:
            paragraphs.draw(layout, ", ".join(words), "INFO", context)


class _LinePanel:
    """Draws the active line: who speaks it, how, and what was wrong with it."""

    bl_label = "Line"
    bl_order = 1
    bl_options: ClassVar[set[str]] = set()
    layout: Any

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Return whether a line is active."""
        return active_strip(context) is not None

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the line."""
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        column = layout.column()
        column.enabled = not context.window_manager.mouthpiece.running
        strip = active_strip(context)
        standing = _standing(strip, _standings(context))
        if standing.key:
            text = ": ".join(filter(None, (STANDINGS[standing.key][0], standing.reason)))
            paragraphs.draw(column.box().column(), text, _icon(standing), context)
        _draw_strip(column, strip, standing)
        if strip.mouthpiece.is_speech:
            _draw_turns(column, strip)
            _draw_delivery(column, strip, context)


def _draw_strip(layout: Any, strip: Any, standing: StripStanding) -> None:
    """Draw whether a strip is speech and who speaks it."""
    own = strip.mouthpiece
    layout.prop(own, "is_speech")
    if not own.is_speech:
        return
    if len(own.turns):
        layout.prop(own, "speaker", text="Otherwise")
        return
    row = layout.split(factor=0.4)
    label = row.row()
    label.alignment = "RIGHT"
    label.label(text="Character")
    _draw_speaker(row, strip, standing, " (by rule)" if standing.speakers else "")


def _draw_turns(layout: Any, strip: Any) -> None:
    """Draw the turns of a strip, the active one with its times."""
    own = strip.mouthpiece
    for number, turn in enumerate(own.turns):
        box = layout.box() if number == own.active_turn else layout
        row = box.row(align=True)
        row.use_property_split = False
        icon = "RADIOBUT_ON" if number == own.active_turn else "RADIOBUT_OFF"
        row.operator("mouthpiece.choose_turn", text="", icon=icon, emboss=False).index = number
        row.prop(turn, "speaker", text="")
        row.operator("mouthpiece.remove_turn", text="", icon="X").index = number
        if number == own.active_turn:
            row = box.row(align=True)
            row.use_property_split = False
            row.prop(turn, "begin")
            row.prop(turn, "end")
    row = layout.row(align=True)
    row.operator("mouthpiece.split_turns", text="Split", icon="UV_EDGESEL")
    row.operator("mouthpiece.split_by_subtitles", text="Subtitles…", icon="FILE_TEXT")


def _draw_delivery(layout: Any, strip: Any, context: bpy.types.Context) -> None:
    """Draw how a strip, or its active turn, is spoken."""
    own = cast_settings.delivery_of(strip)
    column = layout.column()
    column.prop(own, "to")
    column.prop(own, "style")
    if own.style in ("FILE", "SOUND"):
        column.prop(own, "style_file" if own.style == "FILE" else "style_sound")
    column.prop(own, "emotion")
    row = column.row(heading="Intensity")
    row.prop(own, "own_intensity", text="")
    value = row.row()
    value.active = own.own_intensity
    value.prop(own, "intensity", text="", slider=True)
    column.prop(own, "channel")
    if own.channel == "NUMBER":
        column.prop(own, "channel_number")
    column.prop(own, "seed")
    column.prop(own, "transcript")
    if own.transcript.strip():
        column.prop(strip.id_data.mouthpiece, "language")
    for entry in own.amounts:
        row = column.row(align=True)
        row.prop(entry, "value", text=cast_settings.AMOUNTS.get(entry.name, entry.name))
        row.operator("mouthpiece.remove_amount", text="", icon="X").name = entry.name
    column.operator_menu_enum("mouthpiece.add_amount", "name", text="Own Amount", icon="ADD")


class _MembersPanel:
    """Draws who belongs to the cast, and by what strips of a member are known."""

    bl_label = "Members"
    bl_order = 2
    layout: Any

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the list of members, and the rules of the active one."""
        layout = self.layout
        layout.enabled = not context.window_manager.mouthpiece.running
        cast = compat.sequencer_scene(context).mouthpiece_cast
        row = layout.row()
        row.template_list("MOUTHPIECE_UL_cast_members", "", cast, "members", cast, "active_member", rows=3)
        side = row.column(align=True)
        side.operator("mouthpiece.add_members", text="", icon="ADD")
        side.operator("mouthpiece.remove_member", text="", icon="REMOVE")
        layout.operator("mouthpiece.add_members", icon="OUTLINER_OB_ARMATURE")
        if not 0 <= cast.active_member < len(cast.members):
            return
        member = cast.members[cast.active_member]
        layout.operator("mouthpiece.assign_speaker", icon="SEQ_SEQUENCER")
        column = layout.column()
        column.use_property_split = True
        column.use_property_decorate = False
        if member.object is not None and is_lost(member.object):
            text = f"'{member.object.name}' was deleted. Choose another object, or take the member off."
            paragraphs.draw(column, text, "ERROR", context)
        column.prop(member, "object")
        name = member.object.name if member.object is not None else ""
        column.prop(member, "name", text="Name in Cast", placeholder=name)
        column.prop(member, "channel")
        column.prop(member, "color")
        column.prop(member, "pattern", placeholder=cast_settings.title(member))


class MOUTHPIECE_PT_cast_sequencer(_CastPanel, _InSequencer, bpy.types.Panel):
    """The cast in the sequencer's sidebar."""


class MOUTHPIECE_PT_line_sequencer(_LinePanel, _InSequencer, bpy.types.Panel):
    """The active line in the sequencer's sidebar."""

    bl_parent_id = "MOUTHPIECE_PT_cast_sequencer"


class MOUTHPIECE_PT_members_sequencer(_MembersPanel, _InSequencer, bpy.types.Panel):
    """The members in the sequencer's sidebar."""

    bl_parent_id = "MOUTHPIECE_PT_cast_sequencer"


class MOUTHPIECE_PT_cast(_CastPanel, _InView, bpy.types.Panel):
    """The cast in the 3D View's sidebar."""

    bl_options: ClassVar[set[str]] = {"DEFAULT_CLOSED"}


class MOUTHPIECE_PT_line(_LinePanel, _InView, bpy.types.Panel):
    """The active line in the 3D View's sidebar."""

    bl_parent_id = "MOUTHPIECE_PT_cast"
    bl_options: ClassVar[set[str]] = {"DEFAULT_CLOSED"}


class MOUTHPIECE_PT_members(_MembersPanel, _InView, bpy.types.Panel):
    """The members in the 3D View's sidebar."""

    bl_parent_id = "MOUTHPIECE_PT_cast"
    bl_options: ClassVar[set[str]] = {"DEFAULT_CLOSED"}


class MOUTHPIECE_PT_strip(bpy.types.Panel):
    """Who speaks the active strip, among its properties."""

    bl_label = "Speech (Mouthpiece)"
    bl_space_type, bl_region_type = compat.strip_tab()["bl_space_type"], compat.strip_tab()["bl_region_type"]
    bl_category = compat.strip_tab().get("bl_category", "")
    bl_context = compat.strip_tab().get("bl_context", "")
    layout: Any

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Return whether the active strip is a sound."""
        editor = compat.sequencer_scene(context).sequence_editor
        strip = None if editor is None else editor.active_strip
        return strip is not None and strip.type in ("SOUND", "META")

    def draw(self, context: bpy.types.Context) -> None:
        """Draw whether it is speech, and who speaks."""
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        editor: Any = compat.sequencer_scene(context).sequence_editor
        strip = editor.active_strip
        if strip.type == "META":
            layout.prop(strip.mouthpiece, "speaker")
        else:
            _draw_strip(layout.column(), strip, _standing(strip, _standings(context)))


_IN_MENU: Final = (
    ("mouthpiece.animate_cast", "Animate Cast (Lip Sync)"),
    ("mouthpiece.load_cast", "Load Cast…"),
    ("mouthpiece.export_cast", "Export Cast…"),
)


def _draw_menu(self: bpy.types.Menu, _context: bpy.types.Context) -> None:
    """Draw the operators into a menu: the menu search finds only what is in one."""
    self.layout.separator()
    for operator, text in _IN_MENU:
        self.layout.operator(operator, text=f"Mouthpiece: {text}")


_register_classes, _unregister_classes = register_classes_factory(
    (
        MOUTHPIECE_UL_cast_lines,
        MOUTHPIECE_UL_cast_members,
        MOUTHPIECE_PT_cast_sequencer,
        MOUTHPIECE_PT_line_sequencer,
        MOUTHPIECE_PT_members_sequencer,
        MOUTHPIECE_PT_cast,
        MOUTHPIECE_PT_line,
        MOUTHPIECE_PT_members,
        MOUTHPIECE_PT_strip,
    )
)


def register() -> None:
    """Register the panels, and add the operators to the menu Strip of the sequencer."""
    _register_classes()
    bpy.types.SEQUENCER_MT_strip.append(_draw_menu)


def unregister() -> None:
    """Take the operators out of the menu and unregister the panels."""
    bpy.types.SEQUENCER_MT_strip.remove(_draw_menu)
    _unregister_classes()
