"""Picture rig: a photo with a dozen keys for its mouth, and others for eyes, brows and head.

The photo is NASA's of the astronaut Eileen Collins (public domain), cropped.
"""

from __future__ import annotations

from typing import Any, Final

import bpy

from . import HERE, camera, studio

#: Sub-panels that a screenshot of it shows open.
PANELS: Final = ("MOUTHPIECE_PT_picture",)


def build() -> str:
    """Make a rig of the photo, as the button does, and frame its face."""
    bpy.ops.mouthpiece.make_picture_rig(filepath=str(HERE / "astronaut.jpg"), camera=False)
    rig: Any = bpy.context.active_object
    studio(colour="TEXTURE", light="FLAT")
    camera((0.0, 0.0, 0.22), 1.3, side=0.0, flat=True)
    return rig.name
