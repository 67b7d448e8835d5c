"""Mouthpiece: speech in, an editable facial performance out."""

from __future__ import annotations

from . import demo, guide, panel, preferences, scene_settings
from .bake import file_operators
from .bake import operators as bake_operators
from .bake import panel as bake_panel
from .bake import settings as bake_settings
from .cast import animate_operators as cast_animate_operators
from .cast import listener_operators, listener_panel
from .cast import operators as cast_operators
from .cast import overview as cast_overview
from .cast import panel as cast_panel
from .cast import settings as cast_settings
from .characters import answers as character_answers
from .characters import released as released_characters
from .characters import tongue_shapes
from .command import parser as command_parser
from .lint import health as lint_health
from .lint import operators as lint_operators
from .lint import panel as lint_panel
from .targets.bones import mapping as bone_mapping
from .targets.bones import operators as bone_operators
from .targets.bones import panel as bone_panel
from .targets.grease_pencil import operators as drawing_operators
from .targets.grease_pencil import panel as drawing_panel
from .targets.grease_pencil import pose_preview
from .targets.grease_pencil import settings as drawing_settings
from .targets.head import pivot_operators
from .targets.head import settings as head_settings
from .targets.mouth_chart import operators as chart_operators
from .targets.mouth_chart import panel as chart_panel
from .targets.mouth_chart import settings as chart_settings
from .targets.picture_rig import landmark_operators
from .targets.picture_rig import operators as picture_operators
from .targets.picture_rig import panel as picture_panel
from .targets.picture_rig import settings as picture_settings
from .targets.pins import operators as pin_operators
from .targets.pins import overlay as pin_overlay
from .targets.pins import panel as pin_panel
from .targets.pins import picker as pin_picker
from .targets.pins import pins
from .targets.portrait import operators as portrait_operators
from .targets.portrait import panel as portrait_panel
from .targets.portrait import preview as portrait_preview
from .targets.portrait import render_operator
from .targets.portrait import settings as portrait_settings
from .targets.shape_keys import operators as shape_key_operators
from .targets.shape_keys import panel as shape_key_panel
from .targets.shape_keys import table as shape_key_table

#: In the order of registration: settings, then operators, then the panel before its sub-panels.
MODULES = (
    guide,
    preferences,
    scene_settings,
    bake_settings,
    head_settings,
    character_answers,
    released_characters,
    cast_settings,
    cast_overview,
    shape_key_table,
    picture_settings,
    portrait_settings,
    pins,
    chart_settings,
    bone_mapping,
    drawing_settings,
    lint_health,
    bake_operators,
    file_operators,
    tongue_shapes,
    cast_operators,
    cast_animate_operators,
    listener_operators,
    pivot_operators,
    shape_key_operators,
    pin_operators,
    pin_picker,
    chart_operators,
    bone_operators,
    drawing_operators,
    pose_preview,
    demo,
    picture_operators,
    landmark_operators,
    portrait_operators,
    render_operator,
    lint_operators,
    panel,
    shape_key_panel,
    pin_panel,
    chart_panel,
    bone_panel,
    drawing_panel,
    picture_panel,
    portrait_panel,
    bake_panel,
    cast_panel,
    listener_panel,
    lint_panel,
    pin_overlay,
    portrait_preview,
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
