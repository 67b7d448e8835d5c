"""Checks of eyes: lids that never shut, and looks that never wander."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from .measures import Fault, Ground, Measure, stretches

#: Closure from which on a lid has blinked. Stylised lids need not shut.
_BLINK: Final = 0.5
#: How far a look may wander, in radians, and still be one look.
_ONE_LOOK: Final = 0.04


def measured_eyes(ground: Ground) -> Iterator[Measure]:
    """Yield the measures of ``lids`` and ``gaze``."""
    if ground.limits.lids is not None:
        yield _missing(ground, "lids", ground.limits.lids) or _lids(ground, ground.limits.lids)
    if ground.limits.gaze is not None:
        yield _missing(ground, "gaze", ground.limits.gaze) or _gaze(ground, ground.limits.gaze)


def _missing(ground: Ground, part: str, limit: float) -> Measure | None:
    """Return the measure of a character that has nothing to blink or look with; None if it has, or is not told."""
    parts = ground.seen.parts
    if part not in parts or parts[part]:
        return None
    seconds = ground.rows / ground.seen.fps
    said = "Nothing of the character blinks." if part == "lids" else "Nothing of the character turns its eyes."
    cure = (
        f"Give it {'lids' if part == 'lids' else 'eyes'} that move (its Coverage tells what is missing), or set "
        f"{part} = false for it in the limits."
    )
    return Measure(part, "", seconds, limit, (Fault(0, max(ground.rows - 1, 0), seconds, said, cure),))


def _lids(ground: Ground, limit: float) -> Measure:
    lids = ground.seen.lids
    if lids is None or not len(lids):
        return Measure("lids", "", None, limit, remark="the lids cannot be measured")
    shut = np.nan_to_num(lids.max(axis=1), nan=1.0) >= _BLINK  # where no face is seen it may blink
    longest, faults = 0.0, []
    for first, last in stretches(~shut):
        seconds = (last + 1 - first) / ground.seen.fps
        longest = max(longest, seconds)
        if seconds > limit:
            said = f"No blink for {seconds:.0f} s: the character stares."
            faults.append(Fault(first, last, seconds, said, "Raise the amounts blink and life, or key blinks."))
    return Measure("lids", "", longest, limit, tuple(faults))


def _gaze(ground: Ground, limit: float) -> Measure:
    gaze = ground.seen.gaze
    if gaze is None or not len(gaze):
        return Measure("gaze", "", None, limit, remark="the eyes cannot be measured")
    longest, faults = 0.0, []
    for first, last in _looks(np.asarray(gaze, np.float64)):
        seconds = (last + 1 - first) / ground.seen.fps
        longest = max(longest, seconds)
        if seconds > limit:
            said = f"The eyes look in one direction for {seconds:.0f} s."
            cure = "Raise the amounts gaze and life, or give the character something to look at."
            faults.append(Fault(first, last, seconds, said, cure))
    return Measure("gaze", "", longest, limit, tuple(faults))


def _looks(gaze: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> Iterator[tuple[int, int]]:
    """Yield the first and last row of each look: rows (F, 2) that stay together, one after the other.

    Where no face is seen (NaN) it may look anywhere, so no look goes on over it.
    """
    for begin, end in stretches(np.asarray(np.isfinite(gaze).all(axis=1))):
        first, low, high = begin, gaze[begin], gaze[begin]
        for row in range(begin + 1, end + 1):
            wider_low, wider_high = np.minimum(low, gaze[row]), np.maximum(high, gaze[row])
            if (wider_high - wider_low).max() > _ONE_LOOK:
                yield first, row - 1
                first, low, high = row, gaze[row], gaze[row]
            else:
                low, high = wider_low, wider_high
        yield first, end
