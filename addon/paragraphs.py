"""Draws sentences in the sidebar, wrapped to its width."""

from __future__ import annotations

from typing import Any, Final

import bpy

#: Unscaled pixels of the sidebar's width that are not free for text in a box: tabs, margins, scroll bar, icon.
_TAKEN: Final = 96
#: Smallest width to wrap for, in unscaled pixels; in a narrower sidebar Blender cuts the lines.
_LEAST: Final = 90


def draw(layout: Any, text: str, icon: str, context: bpy.types.Context) -> None:
    """Draw a sentence with an icon before its first line."""
    column = layout.column(align=True)
    for number, line in enumerate(wrapped(text, context)):
        column.label(text=line, icon="BLANK1" if number else icon, translate=False)


def wrapped(text: str, context: bpy.types.Context) -> list[str]:
    """Return a sentence in lines that fit the region of ``context``, measured in the font of the interface."""
    scale: float = context.preferences.system.ui_scale
    room = max(_LEAST, context.region.width / scale - _TAKEN if context.region else _LEAST)
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and width(longer) <= room:
            lines[-1] = longer
        else:
            lines += _pieces(word, room)
    return lines


def _pieces(word: str, room: float) -> list[str]:
    """Return a word cut into pieces that fit: names and paths may be longer than a line."""
    pieces = [""]
    for letter in word:
        if pieces[-1] and width(pieces[-1] + letter) > room:
            pieces.append("")
        pieces[-1] += letter
    return pieces


def width(text: str) -> float:
    """Return the width of a text in unscaled pixels."""
    import blf

    blf.size(0, 11.0)
    return float(blf.dimensions(0, text)[0])
