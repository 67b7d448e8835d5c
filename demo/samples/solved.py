"""Shape keys of any names: the bundled head with keys called key 01 to key 52.

Nothing is known of the keys but what they do: pins are proposed by looking at the head, and the keys are solved for.
"""

from __future__ import annotations

from typing import Any

import bpy

from . import camera, head_bone, studio

PANELS = ("MOUTHPIECE_PT_pins",)


def build() -> str:
    """Add the demo character, take the keys' names away, and pin its landmarks as *Propose Pins* does."""
    bpy.ops.mouthpiece.add_demo(line=False)
    head: Any = bpy.context.active_object
    for number, block in enumerate(head.data.shape_keys.key_blocks[1:], start=1):
        block.name = f"key {number:02d}"
    bpy.ops.mouthpiece.propose_pins()
    smooth = head.modifiers.new("Subdivision", "SUBSURF")
    smooth.levels = smooth.render_levels = 1
    head_bone(head, head.parent)
    studio()
    camera((0.0, -0.06, 0.15), 0.32)
    return head.name
