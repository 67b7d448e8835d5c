"""Shape keys by name: a head with Oculus' fifteen visemes and a blink.

The bundled head once more, its ARKit shapes mixed to visemes (``demo/mixtures.py``).
"""

from __future__ import annotations

import bpy

from demo.mixtures import VISEMES, remake

from . import shape_keys

PANELS = ("MOUTHPIECE_PT_shape_keys",)


def build() -> str:
    """Make the head with keys viseme_sil to viseme_ou, and lids, and fill its table as *Detect* does."""
    name = shape_keys.build()
    lids = {"eyeBlinkLeft": {"eyeBlinkLeft": 1.0}, "eyeBlinkRight": {"eyeBlinkRight": 1.0}}
    remake(bpy.data.objects[name], {f"viseme_{viseme}": recipe for viseme, recipe in VISEMES.items()} | lids)
    bpy.ops.mouthpiece.detect_shape_keys()
    return name
