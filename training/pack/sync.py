"""By how many frames the sound of a video is off its lips.

The recorded mouth opening is compared with the opening that the shipped network predicts from the sound. That shows a
shift of one frame, which loudness does not: it correlates with real mouths at .3, the network at .7.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from mouthpiece.audio import Audio
from mouthpiece.features import RATE
from mouthpiece.pipeline import animate
from numpy.typing import NDArray

from ..measures.score import pearson
from .geometry import AVERAGE_RIGID, inner_gap, remove_pose

Series = NDArray[np.float64]

#: Largest shift that is tried, in frames.
MAX_SHIFT = 8
#: A shift is accepted if openings then correlate at least this well, and this much better than unshifted.
LEAST_CORRELATION, LEAST_GAIN = 0.35, 0.03
#: Least number of frames of a stretch that counts.
LEAST_FRAMES = 50


@dataclass(frozen=True, slots=True)
class Sync:
    """By how many frames the sound must be moved later (> 0: it was early), and how well openings correlate then."""

    shift: int
    correlation: float


def heard_opening(samples: NDArray[np.float32]) -> Series:
    """Return the mouth opening (T,) at 25 Hz that the shipped network predicts from 16 kHz ``samples``."""
    return inner_gap(animate(Audio(samples, RATE)).landmarks.astype(np.float64))


def seen_opening(landmarks: Series, valid: NDArray[np.bool_]) -> Series:
    """Return the mouth opening (T,) of a tracked face (T, 68, 3), head pose removed."""
    return inner_gap(remove_pose(landmarks, valid, AVERAGE_RIGID).points)


def estimate(seen: Sequence[Series], valid: Sequence[NDArray[np.bool_]], heard: Sequence[Series]) -> Sync:
    """Return the shift that fits all stretches of one video best.

    Each stretch gives the opening ``seen`` (T,), which frames are ``valid`` (T,), and the opening ``heard`` (T,).
    Correlations are averaged with the stretches' lengths as weights. Without clear evidence the shift is zero.
    """
    shifts = range(-MAX_SHIFT, MAX_SHIFT + 1)
    total = np.zeros(len(shifts))
    frames = 0
    for real, held, expected in zip(seen, valid, heard, strict=True):
        if held.sum() < LEAST_FRAMES:
            continue
        frames += int(held.sum())
        total += held.sum() * np.array([_shifted_correlation(real, held, expected, k) for k in shifts])
    if not frames:
        return Sync(0, float("nan"))
    mean = total / frames
    best = int(mean.argmax())
    believable = mean[best] >= LEAST_CORRELATION and mean[best] - mean[MAX_SHIFT] >= LEAST_GAIN
    inside = 0 < best < len(shifts) - 1  # at the edge it is no maximum
    chosen = best if believable and inside else MAX_SHIFT
    return Sync(shifts[chosen], float(mean[chosen]))


def _shifted_correlation(seen: Series, held: NDArray[np.bool_], heard: Series, shift: int) -> float:
    """Return the correlation when the sound is taken ``shift`` frames later."""
    n = min(len(seen), len(heard))
    frames = np.arange(n)
    at = frames - shift
    keep = held[:n] & (at >= 0) & (at < n)
    return pearson(seen[:n][keep], heard[at[keep]])
