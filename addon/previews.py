"""Callbacks of previews in the viewport, which show a character besides its keys and drawings.

Previews add their callbacks here when they are registered. Code that changes a character calls :func:`changed`, and so
need not import the previews.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import bpy

#: Called with an object whose motion or landmarks have changed.
ON_CHANGE: Final[list[Callable[[bpy.types.Object], None]]] = []
#: Called with a portrait for which another picture was chosen.
ON_PICTURE: Final[list[Callable[[bpy.types.Object], None]]] = []
#: Called to ask whether a preview shows the object's line; its drawings need not be made again meanwhile.
SHOWS_LINE: Final[list[Callable[[bpy.types.Object], bool]]] = []


def changed(obj: bpy.types.Object) -> None:
    """Notify all previews that the motion or landmarks of an object have changed."""
    for follow in ON_CHANGE:
        follow(obj)


def picture_chosen(obj: bpy.types.Object) -> None:
    """Notify all previews that another picture was chosen for a portrait."""
    for follow in ON_PICTURE:
        follow(obj)


def show_line(obj: bpy.types.Object) -> bool:
    """Return whether a preview shows the object's line over the viewport instead of its drawings."""
    return any(shows(obj) for shows in SHOWS_LINE)
