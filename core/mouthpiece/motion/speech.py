"""A take without what is felt: the words alone, for those who keep speech and expression apart."""

from __future__ import annotations

from dataclasses import replace

from ..performance import Performance
from . import eyes
from .dials import Dials, apply


def speech_of(take: Performance, dials: Dials, seen: Performance) -> Performance:
    """Return what is left of a take when nobody in particular speaks it, feeling nothing.

    Parameters
    ----------
    take
        Motion as inferred.
    dials
        How it is dialled. Style and emotion do not count, all the rest does.
    seen
        ``apply(take, dials)``: the head and where the eyes look are the same in both, so that the eyes go on holding
        still while the head turns.

    Returns
    -------
    Performance
        Of the length of ``take``, with no style layer and no dials left to apply; lips, jaw and blinks are those of
        the words. ``seen`` itself where style and emotion add nothing.
    """
    unstyled = dials.style == 0 or not take.style.shape[1]
    unmoved = dials.emotion == "neutral" or dials.intensity * dials.expression == 0
    if unstyled and unmoved:
        return seen
    bare = apply(take, replace(dials, style=0.0, emotion="neutral"))
    arkit = bare.arkit.copy()
    eyes.write_eyes(arkit, bare.blink, seen.gaze)
    return replace(bare, arkit=arkit, head=seen.head, gaze=seen.gaze)
