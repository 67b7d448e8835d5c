"""What is heard: when somebody speaks, and how far the sound calls for the mouth to open."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ...audio import Source
from ...motion.closures import gaps
from ...performance import FPS_LIMITS, Performance
from ...pipeline import Options, Progress, Warned, steps

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Hearing:
    """A sound as a face would move to it, frame by frame.

    Attributes
    ----------
    speech : (N,) float32
        Probability that somebody speaks.
    expected : (N,) float32
        Opening of the mouth that the sound calls for, in eye distances.
    """

    speech: Array
    expected: Array

    def on(self, frames: int, late: int = 0) -> Hearing:
        """Return what is heard on that many frames of a picture before which ``late`` more are to pass in silence."""
        speech, expected = np.zeros(frames, np.float32), np.full(frames, np.nan, np.float32)
        first, skipped = max(late, 0), max(-late, 0)
        count = max(0, min(frames - first, len(self.speech) - skipped))
        speech[first : first + count] = self.speech[skipped : skipped + count]
        expected[first : first + count] = self.expected[skipped : skipped + count]
        return Hearing(speech, expected)


def heard_in(take: Performance) -> Hearing:
    """Return what the networks heard when a take was made: its motion as it was inferred, without amounts."""
    return Hearing(take.activity, opening_of(take))


def heard(source: Source, fps: float) -> Iterator[Progress | Warned | Hearing]:
    """Yield progress and warnings while a sound is heard, and last what is heard in it at ``fps`` frames per second.

    Raises
    ------
    MouthpieceError
        If the sound cannot be used.
    """
    for item in steps(source, Options(fps=min(max(fps, FPS_LIMITS[0]), FPS_LIMITS[1]))):
        yield heard_in(item) if isinstance(item, Performance) else item


def opening_of(take: Performance) -> Array:
    """Return the opening (T,) of a take's mouth in eye distances: the mean of three pairs of points of the lips."""
    opening: Array = np.maximum(gaps(take.landmarks).mean(axis=1), 0).astype(np.float32)
    return opening


#: What a take cannot tell without its sound.
WITHOUT_SOUND: Final = (
    "judged by what was heard when the take was made; give its sound with --audio to judge it by the sound itself"
)
