"""Scales the motion of the lips and of the jaw, each by its own factor."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..topology import ARKIT_INDEX, ARKIT_MOUTH, JAW, LIPS
from . import closures

Array = NDArray[np.float32]

#: Columns of the ARKit shapes that move the mouth, of those that are the jaw's, and of the rest.
COLUMNS: Final = tuple(ARKIT_INDEX[name] for name in ARKIT_MOUTH)
# mouthClose (lips shut while the jaw is open) balances jawOpen, so it is scaled with the jaw.
_OF_JAW: Final = tuple(ARKIT_INDEX[name] for name in ("jawOpen", "jawForward", "jawLeft", "jawRight", "mouthClose"))
_OF_LIPS: Final = tuple(column for column in COLUMNS if column not in _OF_JAW)
#: How far the jaw parts the lips, as a multiple of the chin's own drop: contour points slide on the chin.
_LIPS_OVER_CHIN: Final = 1.5
_CHIN: Final = 8


def scale(offsets: Array, arkit: Array, lips: float, jaw: float | Array) -> None:
    """Scale the jaw's part of ``offsets`` (T, 68, 3) and ``arkit`` (T, 52) by ``jaw``, the lips' by ``lips``, in place.

    ``jaw`` may change over time (T,). The jaw's part of the lips' gap is what the chin's drop accounts for: none where
    lips meet, so that no factor opens or crosses them there.
    """
    factor = np.broadcast_to(np.asarray(jaw, np.float32), len(offsets))[:, None]
    apart = np.maximum(closures.gaps(offsets), 0)
    drop = _LIPS_OVER_CHIN * np.maximum(offsets[:, _CHIN, 1], 0)
    by_jaw = np.minimum(drop / np.maximum(apart[:, 1], 1e-6), 1)[:, None] * apart
    offsets[:, LIPS] *= lips
    offsets[:, :, 1] += ((factor - lips) * by_jaw) @ closures.lower_followers().T
    offsets[:, JAW] *= factor[..., None]
    arkit[:, _OF_LIPS] *= lips
    arkit[:, _OF_JAW] *= factor
