"""What all sub-panels of the sidebar have in common."""

from __future__ import annotations


class SubPanel:
    """Mixin for panels inside the Mouthpiece panel of the 3D View's sidebar, closed unless the user opens them."""

    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Mouthpiece"
    bl_parent_id = "MOUTHPIECE_PT_speech"
    bl_options: set[str] = {"DEFAULT_CLOSED"}
