"""The content network, which predicts the motion of the mouth from features of speech."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..features import FRAME_RATE
from ..topology import ARKIT_NAMES, LANDMARK_COUNT
from .session import Session
from .windows import aggregate, gather, split

Array = NDArray[np.float32]

#: Window, overlap, unused border and cross-fade in motion frames (60, 24, 11 and 2 seconds). The
#: recurrent network forgets within a few seconds: measured on two minutes of speech, a border of five left
#: differences of 0.006 to one pass over everything, seven 0.0013, nine 0.00014, eleven none.
WINDOW: Final = 60 * FRAME_RATE
OVERLAP: Final = 24 * FRAME_RATE
BORDER: Final = 11 * FRAME_RATE
FADE: Final = 2 * FRAME_RATE

_LANDMARK_NUMBERS: Final = LANDMARK_COUNT * 3


@dataclass(frozen=True, slots=True, eq=False)
class Articulation:
    """A stretch of predicted motion at 25 frames per second.

    Attributes
    ----------
    offsets : (T, 68, 3) float32
        Displacements from the resting face, head pose removed, in outer-eye distances.
    arkit : (T, 52) float32
        Blendshape weights 0..1 in ARKit order.
    """

    offsets: Array
    arkit: Array


class ContentNetwork:
    """Predicts mouth motion from features, for sequences of any length."""

    def __init__(self, session: Session) -> None:
        """Use the network that ``session`` runs."""
        self._session = session

    def predict(self, features: Array) -> Articulation:
        """Return the motion for ``features`` (T, 1076) in one go; for long sequences use :meth:`stream`."""
        outputs = self._session({"features": features[None]})
        offsets = np.asarray(outputs["landmarks"][0], dtype=np.float32).reshape(-1, LANDMARK_COUNT, 3)
        return Articulation(offsets, np.clip(outputs["arkit"][0], 0, 1).astype(np.float32))

    def stream(self, features: Iterable[Array], frames: int) -> Iterator[Articulation]:
        """Yield the motion for ``frames`` rows of ``features``, given in pieces; it holds one window in memory."""
        windows = split(frames, WINDOW, OVERLAP)
        joined = (
            np.concatenate([motion.offsets.reshape(len(rows), -1), motion.arkit], axis=1)
            for rows in gather(features, windows)
            for motion in (self.predict(rows),)
        )
        for rows in aggregate(joined, windows, BORDER, FADE):
            yield Articulation(rows[:, :_LANDMARK_NUMBERS].reshape(-1, LANDMARK_COUNT, 3), rows[:, -len(ARKIT_NAMES) :])
