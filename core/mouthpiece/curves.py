"""Named channels on a scene's frames: what *retarget* returns and the writers of keys take.

This is the only file of the core that knows frames of a scene; all others count seconds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import RigError

Array = NDArray[np.float32]

#: Tolerance, in frames, for rounding when deciding whether a frame lies inside the sound.
_EDGE = 1e-6


@dataclass(frozen=True, slots=True)
class FrameGrid:
    """The whole frames of a scene on which a sound plays, and the second of the take at each.

    Attributes
    ----------
    fps : float
        The scene's true frame rate in frames per second (Blender: ``fps / fps_base``).
    origin : float
        Scene frame, possibly fractional, at which second ``offset`` of the take plays.
    offset : float
        Second of the take that plays at ``origin`` (not 0 if a strip's beginning is trimmed off).
    speed : float
        Seconds of the take that pass per second of the scene.
    first, last : int
        First and last whole frame that get a key, both included.
    """

    fps: float
    origin: float
    first: int
    last: int
    offset: float = 0.0
    speed: float = 1.0

    def __post_init__(self) -> None:
        """Check the rates and the range.

        Raises
        ------
        RigError
            If a rate is not positive or the range is empty.
        """
        if not (math.isfinite(self.fps) and self.fps > 0 and math.isfinite(self.speed) and self.speed > 0):
            raise RigError(f"A frame rate of {self.fps} at speed {self.speed} cannot be keyed. Both must be above 0.")
        if self.last < self.first:
            raise RigError(
                f"No whole frame lies inside the sound (frames {self.first} to {self.last}). "
                "Lengthen the strip or raise the scene's frame rate."
            )

    @classmethod
    def covering(cls, seconds: float, fps: float, origin: float, offset: float = 0.0, speed: float = 1.0) -> FrameGrid:
        """Return the grid of every whole frame at which ``seconds`` of sound, placed at ``origin``, can be heard."""
        length = seconds / speed * fps if speed > 0 and fps > 0 else 0.0
        first = math.ceil(origin - _EDGE)
        return cls(fps, origin, first, max(first, math.ceil(origin + length - _EDGE) - 1), offset, speed)

    @property
    def frames(self) -> NDArray[np.int64]:
        """Whole scene frames (F,), ascending."""
        return np.arange(self.first, self.last + 1, dtype=np.int64)

    @property
    def times(self) -> NDArray[np.float64]:
        """Second of the take heard at each frame, (F,)."""
        frames = self.frames.astype(np.float64)
        return self.offset + (frames - self.origin) / self.fps * self.speed


@dataclass(frozen=True, slots=True, eq=False)
class Curves:
    """Values of named channels on whole scene frames.

    Attributes
    ----------
    names : tuple of str
        Channel names, C of them, each once.
    frames : (F,) int64
        Scene frames, ascending.
    values : (F, C) float32
        One column for each channel, in the unit of that channel.
    """

    names: tuple[str, ...]
    frames: NDArray[np.int64]
    values: Array

    def __post_init__(self) -> None:
        """Check that names, frames and values fit each other.

        Raises
        ------
        ValueError
            If they do not, which is a programming error and not a user's.
        """
        if self.values.shape != (len(self.frames), len(self.names)):
            raise ValueError(f"values {self.values.shape} for {len(self.frames)} frames x {len(self.names)} names")
        if len(set(self.names)) != len(self.names):
            raise ValueError("a channel name occurs twice")

    def __getitem__(self, name: str) -> Array:
        """Return the values (F,) of one channel."""
        column: Array = self.values[:, self.names.index(name)]
        return column

    def select(self, names: Sequence[str]) -> Curves:
        """Return the channels ``names``, in that order."""
        columns = [self.names.index(name) for name in names]
        return Curves(tuple(names), self.frames, self.values[:, columns])


def sample(track: NDArray[np.floating[Any]], fps: float, times: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Return the values (F, ...) of ``track`` (T, ...), sampled at ``fps``, at ``times`` (F,) in seconds.

    Interpolation is cubic Hermite with Catmull-Rom slopes, so that slowed-down motion has no corners. It is exact at
    the samples; beyond the ends it returns the first or last sample. Slopes are limited to the local range, so that
    interpolation never opens a shut mouth or goes beyond neighbouring samples.
    """
    data = np.asarray(track, dtype=np.float64)
    count = len(data)
    position = np.clip(np.asarray(times, dtype=np.float64) * fps, 0.0, max(count - 1, 0))
    position = np.where(np.abs(position - np.rint(position)) < 1e-7, np.rint(position), position)
    index = np.minimum(position.astype(np.int64), max(count - 2, 0))
    if (position == np.rint(position)).all():  # nothing lies between samples
        return data[position.astype(np.int64)]
    shape = (-1,) + (1,) * (data.ndim - 1)
    u = (position - index).reshape(shape)
    # One more sample at either end, on the straight line through the last two, gives the ends their slope.
    wide = np.concatenate([2 * data[:1] - data[1:2], data, 2 * data[-1:] - data[-2:-1]]) if count > 1 else data
    p0, p1, p2, p3 = (wide[np.minimum(index + k, len(wide) - 1)] for k in range(4))
    m1, m2 = 0.5 * (p2 - p0), 0.5 * (p3 - p1)
    value = (
        (2 * u**3 - 3 * u**2 + 1) * p1 + (u**3 - 2 * u**2 + u) * m1 + (3 * u**2 - 2 * u**3) * p2 + (u**3 - u**2) * m2
    )
    low, high = np.minimum(p1, p2), np.maximum(p1, p2)
    limited: NDArray[np.float64] = np.clip(value, low, high)
    return limited
