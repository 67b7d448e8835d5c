"""Sub-panels of the sidebar for portraits: picture and landmarks, preview, consent, rendering."""

from __future__ import annotations

from typing import Any

import bpy
from bpy.utils import register_classes_factory

from ... import jobs, paragraphs
from ...sub_panels import SubPanel
from ..picture_rig.panel import draw_landmarks
from ..picture_rig.settings import portrait_meant
from . import render_setup
from .render_operator import MOUTHPIECE_OT_render_portrait


class MOUTHPIECE_PT_portrait(SubPanel, bpy.types.Panel):
    """Picture, landmarks and preview of a portrait."""

    bl_label = "Portrait"
    bl_order = 5

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Return whether the active object is a portrait."""
        return portrait_meant(context.active_object) is not None

    def draw(self, context: bpy.types.Context) -> None:
        """Draw picture, landmarks and preview."""
        layout = self.layout
        obj: Any = portrait_meant(context.active_object)
        column = layout.column()
        column.enabled = not context.window_manager.mouthpiece.running
        column.template_ID(obj.mouthpiece_picture, "image", open="image.open")
        draw_landmarks(column, obj, context)
        column.separator()
        settings = obj.mouthpiece_portrait
        row = column.row(align=True)
        row.operator("mouthpiece.preview_portrait", icon="RENDER_STILL")
        row.operator("mouthpiece.open_portrait_preview", text="", icon="IMAGE")
        column.prop(settings, "follow")
        row = column.row(align=True)
        row.prop(settings, "shown", expand=True)


class OfPortrait(SubPanel):
    """Mixin for sub-panels that need a portrait."""

    bl_options: set[str] = set()  # open by default

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Return whether the active object is a portrait."""
        return portrait_meant(context.active_object) is not None

    def column(self: Any, context: bpy.types.Context) -> tuple[Any, Any]:
        """Return the layout column to draw into, and the portrait's settings."""
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        column = layout.column()
        column.enabled = not context.window_manager.mouthpiece.running
        obj: Any = portrait_meant(context.active_object)
        return column, obj.mouthpiece_portrait


class MOUTHPIECE_PT_consent(OfPortrait, bpy.types.Panel):
    """Consent of the person shown."""

    bl_label = "Consent"
    bl_order = 6

    def draw_header(self, context: bpy.types.Context) -> None:
        """Draw the checkbox."""
        obj: Any = portrait_meant(context.active_object)
        self.layout.prop(obj.mouthpiece_portrait, "consent", text="")

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the statement."""
        column, settings = self.column(context)
        column.active = settings.consent
        column.prop(settings, "kind")
        column.prop(settings, "statement")
        column.prop(settings, "by")
        paragraphs.draw(column, "Written into every frame and film.", "INFO", context)


class MOUTHPIECE_PT_portrait_render(OfPortrait, bpy.types.Panel):
    """Options and button for rendering."""

    bl_label = "Render Portrait"
    bl_order = 7

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the options, the button, and the reason if it is disabled."""
        column, settings = self.column(context)
        column.row().prop(settings, "media", expand=True)
        column.prop(settings, "output")
        column.prop(settings, "longest")
        column.prop(settings, "repair")
        if settings.repair == "FILE":
            column.prop(settings, "generator")
        column.row().prop(settings, "span", expand=True)
        column.prop(settings, "mark")
        if settings.media == "VIDEO":
            column.prop(settings, "background")
            column.prop(settings, "keep_frames")
        column.prop(settings, "sequencer")
        column.prop(settings, "plane")
        reason = render_setup.disabled_reason(context)
        if reason and not context.window_manager.mouthpiece.running:
            paragraphs.draw(column.box(), reason, "INFO", context)
        if jobs.is_doing(context, MOUTHPIECE_OT_render_portrait):
            jobs.draw_progress(self.layout, context)
            return
        row = column.column()
        row.scale_y = 1.4
        row.operator("mouthpiece.render_portrait", icon="RENDER_ANIMATION")


register, unregister = register_classes_factory(
    (MOUTHPIECE_PT_portrait, MOUTHPIECE_PT_consent, MOUTHPIECE_PT_portrait_render)
)
