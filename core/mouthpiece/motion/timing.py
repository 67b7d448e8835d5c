"""Shifts a motion in time, by fractions of a frame as well, without blurring closures of lips and lids."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..curves import sample
from . import closures

if TYPE_CHECKING:
    from .dials import Motion

Array = NDArray[np.float32]


def shift(motion: Motion, seconds: float) -> None:
    """Shift all of ``motion`` to ``seconds`` later, in place; beyond the ends the first or last pose continues.

    Interpolation would average a short closure of lips or lids with its open neighbours, so closures are taken from
    the nearest frame.
    """
    count = len(motion.offsets)
    times = np.arange(count) / motion.fps - seconds
    nearest = np.clip(np.rint(times * motion.fps), 0, count - 1).astype(np.int64)
    apart = closures.gaps(motion.offsets)[nearest]
    parting = motion.arkit[:, closures.PARTING][nearest]
    shut = motion.blink[nearest]
    for point in range(motion.offsets.shape[1]):
        motion.offsets[:, point] = _moved(motion.offsets[:, point], motion.fps, times)
    for name in ("arkit", "head", "gaze", "blink", "activity", "tongue"):
        setattr(motion, name, _moved(getattr(motion, name), motion.fps, times))
    motion.contact = motion.contact[nearest]
    closures.hold(motion.offsets, apart, motion.contact)
    kept = motion.contact[:, None]
    motion.arkit[:, closures.PARTING] = kept * parting + (1 - kept) * motion.arkit[:, closures.PARTING]
    motion.blink = np.where(shut > 0.9, shut, motion.blink)


def _moved(track: NDArray[np.floating[Any]], fps: float, times: NDArray[np.float64]) -> Array:
    return sample(track, fps, times).astype(np.float32)
