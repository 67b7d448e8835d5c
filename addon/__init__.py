"""Mouthpiece: speech in, an editable facial performance out."""

from __future__ import annotations

from . import command, dials, mapping_table, panels, panels_dials, panels_mapping, panels_options, properties
from .operators import add_demo, also, animate, mapping, mapping_files, redial

MODULES = (
    properties, dials, mapping_table, animate, also, redial, mapping, mapping_files, add_demo, panels,
    panels_mapping, panels_dials, panels_options, command,
)  # fmt: skip


def register() -> None:
    """Register every module."""
    for module in MODULES:
        module.register()


def unregister() -> None:
    """Unregister every module, last first."""
    for module in reversed(MODULES):
        module.unregister()
