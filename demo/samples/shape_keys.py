"""Shape keys by name: the bundled head with ARKit's 52 shapes.

Its head turns with a bone of a small rig.
"""

from __future__ import annotations

from typing import Any

import bpy

from . import camera, studio

PANELS = ("MOUTHPIECE_PT_shape_keys",)


def show() -> None:
    """Fill the table."""
    bpy.ops.mouthpiece.detect_shape_keys()


def build() -> str:
    """Add the character of *Add Demo Character*, smoothed, with the camera close."""
    bpy.ops.mouthpiece.add_demo(line=False)
    head: Any = bpy.context.active_object
    smooth = head.modifiers.new("Subdivision", "SUBSURF")
    smooth.levels = smooth.render_levels = 1
    studio()
    camera((0.0, -0.06, 0.15), 0.32)
    return head.name
