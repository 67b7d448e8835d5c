"""Sub-panels of the sidebar: what turns with the head, what plays along, and how a take is baked.

Sub-panels are ordered by ``bl_order``: those of a target come first (0 to 19), then these.
"""

from __future__ import annotations

from typing import Any

import bpy
from bpy.utils import register_classes_factory

from . import properties
from .bake.panel import OfCharacter
from .keys import nla
from .targets.picture_rig import settings as picture_settings


class OfKeyed(OfCharacter):
    """A part of the panel that belongs to a character with keys: a portrait has none, and turns its head itself."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Need a character that is no portrait."""
        return super().poll(context) and picture_settings.portrait_meant(properties.character(context)) is None


class MOUTHPIECE_PT_head(OfKeyed, bpy.types.Panel):
    """What turns with the head."""

    bl_label = "Head Motion"
    bl_order = 20

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the choice of a bone or an object."""
        column, _ = self.column(context)
        settings: Any = context.scene.mouthpiece
        column.prop(settings, "head", text="Turns")
        if settings.head == "BONE":
            column.prop(settings, "armature")
            if settings.armature is not None:
                column.prop_search(settings, "bone", settings.armature.data, "bones")
        elif settings.head == "OBJECT":
            column.prop(settings, "head_object")
        if settings.head != "NONE":
            column.prop(settings, "head_translation")
            if settings.head_translation:
                column.prop(settings, "eye_distance")


class MOUTHPIECE_PT_also(OfKeyed, bpy.types.Panel):
    """What plays along."""

    bl_label = "Teeth, Tongue & Lashes"
    bl_order = 21

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the objects that play the same performance."""
        column, _ = self.column(context)
        obj: Any = properties.character(context)
        for index, entry in enumerate(obj.mouthpiece.also):
            row = column.row(align=True)
            row.prop(entry, "object", text="Also")
            row.operator("mouthpiece.remove_also", text="", icon="X").index = index
        column.operator("mouthpiece.add_also", icon="ADD")


class MOUTHPIECE_PT_options(OfCharacter, bpy.types.Panel):
    """How a take is baked."""

    bl_label = "Options"
    bl_order = 50

    def draw(self, context: bpy.types.Context) -> None:
        """Draw strength, seed, and what happens to keys of the user's own."""
        column, _ = self.column(context)
        settings: Any = context.scene.mouthpiece
        column.prop(settings, "strength", slider=True)
        column.prop(settings, "seed")
        column.prop(settings, "replace_edited")


class MOUTHPIECE_PT_keys(OfKeyed, bpy.types.Panel):
    """One action or layers, and fewer keys."""

    bl_label = "Keys & Layers"
    bl_order = 40

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the choice, and the layers there are, to be muted."""
        column, settings = self.column(context)
        column.row().prop(settings, "layers", expand=True)
        column.prop(settings, "reduce")
        there = [(owner, layer) for owner in properties.owners(context) for layer in nla.layers_of(owner)]
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
    of = getattr(owner, "user", owner)  # shape keys are known by their mesh
    row.label(text=f"{nla.NAMES[layer]} ({of.name})", translate=False)
    if strip.use_animated_influence:
        row.prop(strip, "influence", text="", slider=True)


register, unregister = register_classes_factory(
    (MOUTHPIECE_PT_head, MOUTHPIECE_PT_also, MOUTHPIECE_PT_keys, MOUTHPIECE_PT_options)
)
