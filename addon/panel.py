"""The panel 3D View > Sidebar > Mouthpiece, and the sub-panels that do not depend on the kind of target.

Sub-panels are ordered by ``bl_order``: those of a target (0 to 19), head motion and further objects (20, 21), style and
dials (30, 31), keys (40), options (50).
"""

from __future__ import annotations

from typing import Any, Final

import bpy
from bpy.utils import register_classes_factory
from mouthpiece.errors import AudioError, RigError

from . import compat, guide, jobs, paragraphs, scene_settings
from .bake import removal
from .bake.lines import unread
from .bake.operators import disabled_reason
from .bake.panel import OfCharacter, draw_kept
from .characters import company
from .keys import nla
from .sound import timeline
from .targets import DRIVABLE, target_for
from .targets.grease_pencil.panel import draw_beginning as draw_face_beginning
from .targets.head import pivots
from .targets.mouth_chart.panel import draw_offer as draw_chart_offer

#: At most so many remarks on the last bake are shown; all of them are in the Info editor.
_REMARKS: Final = 4
#: At most so many items of a target's summary are shown.
_ITEMS: Final = 4


class MOUTHPIECE_PT_speech(bpy.types.Panel):
    """Speech to keyframes."""

    bl_label = "Mouthpiece"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Mouthpiece"

    def draw_header_preset(self, context: bpy.types.Context) -> None:
        """Draw the help button."""
        guide.draw_button(self.layout)

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the choice of the sound, the character and the buttons."""
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        settings = context.scene.mouthpiece
        running = context.window_manager.mouthpiece.running
        column = layout.column()
        column.enabled = not running
        _draw_sound(column, settings, context)
        _draw_channel(column, context)
        _draw_text(column, settings, context)
        shown = _draw_character(column, context)
        _draw_buttons(layout, context, shown)


def _draw_sound(layout: Any, settings: Any, context: bpy.types.Context) -> None:
    """Draw the choice of the sound."""
    layout.row().prop(settings, "source", expand=True)
    if settings.source == "STRIP":
        editor = compat.sequencer_scene(context).sequence_editor
        if editor is not None:
            layout.prop_search(settings, "strip", editor, compat.strips_name(editor), icon="SEQ_SEQUENCER")
        return
    if settings.source == "SOUND":
        layout.template_ID(settings, "sound", open="sound.open")
    else:
        layout.prop(settings, "filepath", text="File")
    layout.prop(settings, "start")
    if settings.source == "FILE":
        layout.prop(settings, "sequence")


def _draw_channel(layout: Any, context: bpy.types.Context) -> None:
    """Draw which channel of the sound the character speaks, if the sound has several."""
    obj: Any = scene_settings.character(context)
    if obj is None or scene_settings.channels(context) < 2:
        return
    layout.prop(obj.mouthpiece, "channel")
    if obj.mouthpiece.channel == "NUMBER":
        layout.prop(obj.mouthpiece, "channel_number")


def _draw_text(layout: Any, settings: Any, context: bpy.types.Context) -> None:
    """Draw what is said in the chosen sound, and how it fitted when the line was animated."""
    try:
        holder, name = scene_settings.text_field(context)
    except AudioError:  # no strip is chosen: the button says so
        return
    row = layout.row(align=True)
    row.prop(holder, name, text="Text")
    row.operator("mouthpiece.read_text", text="", icon="FILE_TEXT")
    if not getattr(holder, name).strip():
        return
    layout.prop(settings, "language")
    state, obj = context.window_manager.mouthpiece, scene_settings.character(context)
    if state.fit and obj is not None and state.remarks_of in ("", obj.name):
        paragraphs.draw(layout, state.fit, "CHECKMARK", context)


def _draw_character(layout: Any, context: bpy.types.Context) -> str:
    """Draw the character and its target; return the error that was drawn because it has none, or ""."""
    obj: Any = scene_settings.character(context)
    if obj is None or (obj.type not in DRIVABLE and obj.mouthpiece.target == "AUTO"):
        if obj is not None:
            draw_chart_offer(layout, obj, context)
        _draw_beginnings(layout)
        return ""
    box = layout.box().column(align=True)
    box.label(text=obj.name, icon="OBJECT_DATA", translate=False)
    box.prop(obj.mouthpiece, "target")
    try:
        target = target_for(obj, 1.0, obj.mouthpiece.target)
    except RigError as error:
        paragraphs.draw(box, str(error), "ERROR", context)
        draw_chart_offer(layout, obj, context)
        draw_face_beginning(box, obj)
        if obj.type == "MESH" and obj.data.shape_keys is None:
            _draw_beginnings(layout)
        return str(error)
    paragraphs.draw(box, _short(target.summary()), "CHECKMARK", context)
    try:
        moved = scene_settings.coverage(context)
    except RigError as error:
        paragraphs.draw(box, str(error), "ERROR", context)
        if target.kind == "STROKES":
            box.operator("mouthpiece.lay_lips", icon="SNAP_ON")
        return str(error)
    paragraphs.draw(box, moved.summary(), "INFO", context)
    return ""


def _draw_beginnings(layout: Any) -> None:
    """Draw buttons that add a character."""
    column = layout.column(align=True)
    column.operator("mouthpiece.add_demo", icon="ADD")
    column.operator("mouthpiece.make_picture_rig", icon="MESH_GRID")
    column.operator("mouthpiece.add_portrait", icon="IMAGE_DATA")


def _short(text: str) -> str:
    """Return a summary that fits the sidebar: long lists are cut."""
    items = text.split(", ")
    return text if len(items) <= _ITEMS else f"{', '.join(items[:_ITEMS])} and {len(items) - _ITEMS} more"


def _draw_buttons(layout: Any, context: bpy.types.Context, shown: str) -> None:
    """Draw the buttons and the reason why nothing can be baked, unless it is ``shown``; progress while a bake runs."""
    state = context.window_manager.mouthpiece
    if state.running:
        jobs.draw_progress(layout, context)
        return
    reason = disabled_reason(context)
    if reason and reason != shown:
        paragraphs.draw(layout.box(), reason, "INFO", context)
    column = layout.column()
    column.scale_y = 1.4
    column.operator("mouthpiece.animate", icon="PLAY")
    obj = scene_settings.character(context)
    settings: Any = context.scene.mouthpiece
    mine = obj is not None and state.remarks_of in ("", obj.name)
    offered = (mine or state.remarks_of == scene_settings.OF_CAST) and settings.bl_rna.properties[
        "replace_edited"
    ].name in state.remarks
    keyed = obj is not None and scene_settings.kind_of(obj) != "PORTRAIT"
    if keyed and (settings.replace_edited or offered):  # on, it is not to be forgotten in a closed panel
        layout.prop(settings, "replace_edited")
    layout.operator("mouthpiece.remove_take", icon="TRASH")
    spoken = removal.carries(obj) and state.ends_in == context.scene.name
    ends = timeline.beyond(context.scene, state.ends) if spoken else ""
    if ends:
        box = layout.box().column()
        paragraphs.draw(box, ends, "INFO", context)
        text = f"Extend Scene to Frame {state.ends}"
        box.operator("mouthpiece.extend_scene", text=text, icon="TIME").frame = state.ends
    for sentence in unread(obj):
        paragraphs.draw(layout.box(), sentence, "ERROR", context)
    draw_kept(layout, context, again=False)
    if obj is not None and not mine:
        return
    told = state.kept.splitlines()
    for remark in [text for text in state.remarks.splitlines() if text not in told][:_REMARKS]:
        paragraphs.draw(layout.box(), remark, "ERROR", context)


class OfKeyed(OfCharacter):
    """Mixin for sub-panels about keys and what moves with them, which not every kind of character has."""

    #: Kinds of targets that the panel has no use for.
    without: tuple[str, ...] = ("PORTRAIT",)

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Return whether the active object is a character of a kind that has such keys."""
        return super().poll(context) and scene_settings.kind_of(scene_settings.character(context)) not in cls.without


class MOUTHPIECE_PT_head(OfKeyed, bpy.types.Panel):
    """The bone or object that turns with the head."""

    bl_label = "Head Motion"
    bl_order = 20

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the choice of a bone or an object."""
        column, _ = self.column(context)
        obj: Any = scene_settings.character(context)
        head = obj.mouthpiece_head
        column.prop(head, "turns")
        if head.turns == "BONE":
            column.prop(head, "armature")
            if head.armature is not None:
                column.prop_search(head, "bone", head.armature.data, "bones")
        elif head.turns == "OBJECT":
            column.prop(head, "object")
            _draw_pivot(column, obj, context)
        if head.turns != "NONE":
            column.prop(head, "translation")
            if head.translation:
                column.prop(head, "eye_distance")


def _draw_pivot(layout: Any, obj: Any, context: bpy.types.Context) -> None:
    """Draw the point about which the object turns."""
    head = obj.mouthpiece_head
    row = layout.row(align=True)
    row.prop(head, "pivot")
    row.operator("mouthpiece.pivot_from_cursor", text="", icon="PIVOT_CURSOR")
    if head.pivot == "OBJECT":
        layout.prop(head, "pivot_object")
    elif head.pivot == "PLACE":
        layout.prop(head, "pivot_place")
    if head.object is not None:
        paragraphs.draw(layout, pivots.words(obj, head.object), "PIVOT_BOUNDBOX", context)


class MOUTHPIECE_PT_also(OfKeyed, bpy.types.Panel):
    """Further objects that play the same performance."""

    bl_label = "Teeth, Tongue & Lashes"
    bl_order = 21
    without = ("PORTRAIT", "STROKES", "CHART", "PICTURE")

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the list of further objects."""
        column, _ = self.column(context)
        obj: Any = scene_settings.character(context)
        for index, entry in enumerate(obj.mouthpiece.also):
            row = column.row(align=True)
            row.prop(entry, "object", text="Also")
            row.operator("mouthpiece.remove_also", text="", icon="X").index = index
        for part in company.found(obj):
            row = column.row(align=True)
            row.label(text=part.name, icon="CHECKMARK", translate=False)
            row.operator("mouthpiece.remove_also", text="", icon="X").name = part.name
        column.operator("mouthpiece.add_also", icon="ADD")
        column.operator("mouthpiece.make_tongue_shapes", icon="SHAPEKEY_DATA")


class MOUTHPIECE_PT_options(OfCharacter, bpy.types.Panel):
    """Strength, seed, and how keys of the user's own are treated."""

    bl_label = "Options"
    bl_order = 50

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the options."""
        column, settings = self.column(context)
        column.prop(settings, "strength", slider=True)
        column.prop(settings, "seed")
        column.prop(settings, "networks")
        if scene_settings.kind_of(scene_settings.character(context)) != "PORTRAIT":  # which has no keys
            column.prop(context.scene.mouthpiece, "replace_edited")


class MOUTHPIECE_PT_keys(OfKeyed, bpy.types.Panel):
    """One action or layers, and fewer keys."""

    bl_label = "Keys & Layers"
    bl_order = 40
    without = ("PORTRAIT", "STROKES")

    def draw(self, context: bpy.types.Context) -> None:
        """Draw where keys go, and the layers with their mute switches."""
        column, settings = self.column(context)
        column.row().prop(settings, "layers", expand=True)
        column.row().prop(settings, "density", expand=True)
        if settings.reduce > 0:
            column.prop(settings, "reduce")
        there = [(owner, layer) for owner in scene_settings.owners(context) for layer in nla.layers_of(owner)]
        for owner, layer in there:
            _draw_layer(column, owner, layer)
        column.operator("mouthpiece.merge_layers" if there else "mouthpiece.keep_edits", icon="NLA")


def _draw_layer(layout: Any, owner: bpy.types.ID, layer: str) -> None:
    """Draw a layer's name with its mute switch and influence."""
    strip = nla.strip_of(owner, layer)
    track = nla.track_of(owner, strip)
    row = layout.row(align=True)
    row.use_property_split = False
    row.prop(track, "mute", text="", icon="CHECKBOX_DEHLT" if track.mute else "CHECKBOX_HLT", emboss=False)
    of = getattr(owner, "user", owner)  # for shape keys, users know the name of the mesh
    row.label(text=f"{nla.NAMES[layer]} ({of.name})", translate=False)
    if strip.use_animated_influence:
        row.prop(strip, "influence", text="", slider=True)


register, unregister = register_classes_factory(
    (MOUTHPIECE_PT_speech, MOUTHPIECE_PT_head, MOUTHPIECE_PT_also, MOUTHPIECE_PT_keys, MOUTHPIECE_PT_options)
)
