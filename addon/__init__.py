"""Mouthpiece: speech in, an editable facial performance out."""

from __future__ import annotations

from . import demo, panel, preferences, scene_settings
from .bake import operators as bake_operators
from .bake import panel as bake_panel
from .bake import settings as bake_settings
from .command import parser as command_parser
from .targets.bones import mapping as bone_mapping
from .targets.bones import operators
from .targets.bones import panel as bones_panel
from .targets.grease_pencil import operators, pose_preview
from .targets.grease_pencil import panel as drawing_panel
from .targets.grease_pencil import settings as stroke_settings
from .targets.mouth_chart import operators
from .targets.mouth_chart import panel as chart_panel
from .targets.mouth_chart import settings as chart_settings
from .targets.picture_rig import landmark_operators, operators
from .targets.picture_rig import panel as picture_panel
from .targets.picture_rig import settings as picture_settings
from .targets.pins import operators as pin_operators
from .targets.pins import overlay, picker, pins
from .targets.pins import panel as pins_panel
from .targets.portrait import operators, preview, render_operator
from .targets.portrait import panel as portrait_panel
from .targets.portrait import settings as portrait_settings
from .targets.shape_keys import operators
from .targets.shape_keys import panel as mapping_panel
from .targets.shape_keys import table as key_table

#: Settings first, the panel before its parts.
MODULES = (
    preferences,
    scene_settings,
    bake_settings,
    key_table,
    picture_settings,
    portrait_settings,
    pins,
    chart_settings,
    bone_mapping,
    stroke_settings,
    bake_operators,
    bake_operators,
    bake_operators,
    operators,
    operators,
    pin_operators,
    picker,
    operators,
    operators,
    operators,
    pose_preview,
    demo,
    operators,
    landmark_operators,
    landmark_operators,
    operators,
    render_operator,
    panel,
    mapping_panel,
    pins_panel,
    chart_panel,
    bones_panel,
    drawing_panel,
    picture_panel,
    portrait_panel,
    bake_panel,
    panel,
    overlay,
    preview,
    command_parser,
)


def register() -> None:
    """Register every module."""
    for module in MODULES:
        module.register()


def unregister() -> None:
    """Unregister every module, last first."""
    for module in reversed(MODULES):
        module.unregister()
