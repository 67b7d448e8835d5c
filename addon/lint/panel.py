"""The sub-panel Health: what the last check of a character found."""

from __future__ import annotations

from typing import Any, Final

import bpy
from bpy.utils import register_classes_factory

from .. import jobs, paragraphs, scene_settings
from ..bake.lines import dialled_lines
from ..bake.panel import OfCharacter
from . import health
from .operators import MOUTHPIECE_OT_check

#: At most so many findings and remarks are shown; all are in the Info editor.
_FINDINGS: Final = 4
_REMARKS: Final = 2


class MOUTHPIECE_PT_health(OfCharacter, bpy.types.Panel):
    """What the last check of the character found."""

    bl_label = "Health"
    bl_order = 32

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Return whether the active object is a character with lines."""
        return super().poll(context) and bool(dialled_lines(scene_settings.character(context)))

    def draw_header_preset(self: Any, context: bpy.types.Context) -> None:
        """Draw in the header whether something was found, as the panel may be closed."""
        obj: Any = scene_settings.character(context)
        known = health.read(obj)
        if known is not None and known.troubles:
            self.layout.label(text=str(len(known.troubles)), icon="ERROR", translate=False)

    def draw(self, context: bpy.types.Context) -> None:
        """Draw what was found, each with a button that goes there, and the button that checks all."""
        layout: Any = self.layout
        obj: Any = scene_settings.character(context)
        known = health.read(obj)
        if known is None:
            layout.label(text="Not checked yet", icon="INFO")
        else:
            _draw_known(layout, context, obj, known)
        if jobs.is_doing(context, MOUTHPIECE_OT_check):
            jobs.draw_progress(layout, context)
        else:
            layout.operator("mouthpiece.check", icon="VIEWZOOM")


def _draw_known(layout: Any, context: bpy.types.Context, obj: bpy.types.Object, known: health.Health) -> None:
    """Draw the last check."""
    layout.label(text=known.summary(), icon="ERROR" if known.troubles else "CHECKMARK", translate=False)
    if known.contacts:
        paragraphs.draw(layout, f"Lips: {known.contacts}", "NONE", context)
    if known.number != health.number_of(obj):
        paragraphs.draw(layout, "Lines or strips changed since: check again.", "FILE_REFRESH", context)
    for one in known.troubles[:_FINDINGS]:
        box = layout.box().column()
        paragraphs.draw(box, one.sentence, "DOT", context)
        button = box.operator("mouthpiece.jump", text=f"Jump to Frame {one.frame}", icon="TIME", translate=False)
        button.frame, button.remedy = one.frame, one.remedy
    more = len(known.troubles) - _FINDINGS
    if more > 0:
        layout.label(text=f"and {more} more, in the Info editor", translate=False)
    for remark in known.remarks[:_REMARKS]:
        paragraphs.draw(layout, remark, "INFO", context)


register, unregister = register_classes_factory((MOUTHPIECE_PT_health,))
