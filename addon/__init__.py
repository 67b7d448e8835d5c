"""Mouthpiece: speech in, an editable facial performance out."""

from __future__ import annotations

from . import command, panels, properties
from .operators import add_demo, animate

MODULES = (properties, animate, add_demo, panels, command)


def register() -> None:
    """Register every module."""
    for module in MODULES:
        module.register()


def unregister() -> None:
    """Unregister every module, last first."""
    for module in reversed(MODULES):
        module.unregister()
