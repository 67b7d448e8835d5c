"""Lines whose scene got another frame rate since they were animated."""

from __future__ import annotations

import bpy

from ..keys import kept_takes
from ..sound import recordings


def remarks(obj: bpy.types.Object, line: kept_takes.KeptLine) -> list[str]:
    """Return a sentence if no scene that shows a character has the frame rate its line was animated for."""
    rates = {round(recordings.animation_fps(scene), 3): scene for scene in obj.users_scene}
    rate = line.frames().fps
    if not rates or round(rate, 3) in rates:
        return []
    now = " and ".join(f"{fps:g}" for fps in sorted(rates))
    return [
        f"{line.label} was animated at {rate:g} frames per second, the scene runs at {now} now. Animate it again, or "
        "its lips are off."
    ]
