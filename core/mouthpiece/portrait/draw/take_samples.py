"""A take read at any moments, a few at a time, so that long takes cost no more memory than short ones."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...curves import sample
from ...performance import Performance

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """What a take holds at T moments, as :class:`Performance` does: units and order are its own."""

    landmarks: Values
    arkit: Values
    head: Values
    gaze: Values
    blink: Values
    tongue: Values


def read_at(performance: Performance, times: NDArray[np.floating[Any]]) -> Moments:
    """Return a take at ``times`` (T,) in seconds, ascending; between its frames as :func:`~mouthpiece.curves.sample`.

    Only the frames around those moments are looked at.
    """
    fps, count = performance.fps, len(performance)
    if not len(times) or not count:
        raise ValueError("there is nothing to read: no moments, or an empty take")
    first = int(np.clip(np.floor(times[0] * fps) - 2, 0, count - 1))
    last = int(np.clip(np.ceil(times[-1] * fps) + 3, first + 1, count))
    moments = np.asarray(times, np.float64) - first / fps
    tracks = (getattr(performance, field.name) for field in fields(Moments))
    return Moments(*(sample(track[first:last], fps, moments) for track in tracks))
