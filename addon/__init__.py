"""Mouthpiece: speech in, an editable facial performance out."""

from __future__ import annotations

from . import command, dials, panels, panels_dials, properties
from .operators import add_demo, also, animate, redial

MODULES = (properties, dials, animate, also, redial, add_demo, panels, panels_dials, command)


def register() -> None:
    """Register every module."""
    for module in MODULES:
        module.register()


def unregister() -> None:
    """Unregister every module, last first."""
    for module in reversed(MODULES):
        module.unregister()
