"""A take without style and emotion, for layers that keep speech and expression apart."""

from __future__ import annotations

from dataclasses import replace

from ..performance import Performance
from . import eyes
from .dials import Dials, apply


def speech_of(take: Performance, dials: Dials, seen: Performance) -> Performance:
    """Return a take as the average speaker would speak it, without emotion.

    Parameters
    ----------
    take
        Motion as inferred.
    dials
        Dials to apply, except style and emotion.
    seen
        The result of ``apply(take, dials)``. Head and gaze are taken from it, so that the eyes stay steady while the
        head turns.

    Returns
    -------
    Performance
        As long as ``take``, with no style layer and no dials left to apply; lips, jaw and blinks are those of the
        speech alone. It is ``seen`` itself if style and emotion add nothing.
    """
    unstyled = dials.style == 0 or not take.style.shape[1]
    unmoved = dials.emotion == "neutral" or dials.intensity * dials.expression == 0
    if unstyled and unmoved:
        return seen
    bare = apply(take, replace(dials, style=0.0, emotion="neutral"))
    arkit = bare.arkit.copy()
    eyes.write_eyes(arkit, bare.blink, seen.gaze)
    return replace(bare, arkit=arkit, head=seen.head, gaze=seen.gaze)
