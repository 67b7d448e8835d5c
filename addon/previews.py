"""What shows a character besides its keys and drawings: previews add themselves here when they are registered.

Whoever changes what a character does calls :func:`changed`, and need not know which previews there are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import bpy

#: Called with an object whose motion or landmarks have changed.
ON_CHANGE: Final[list[Callable[[bpy.types.Object], None]]] = []
#: Called with a portrait for which another picture was chosen.
ON_PICTURE: Final[list[Callable[[bpy.types.Object], None]]] = []
#: Asked whether an object's line is shown over the viewport in place of its drawings, which can wait meanwhile.
SHOWS_LINE: Final[list[Callable[[bpy.types.Object], bool]]] = []


def changed(obj: bpy.types.Object) -> None:
    """Tell all previews that an object moves differently now."""
    for follow in ON_CHANGE:
        follow(obj)


def picture_chosen(obj: bpy.types.Object) -> None:
    """Tell all previews that a portrait has another picture now."""
    for follow in ON_PICTURE:
        follow(obj)


def show_line(obj: bpy.types.Object) -> bool:
    """Return whether a preview shows the object's line over the viewport in place of its drawings."""
    return any(shows(obj) for shows in SHOWS_LINE)
