"""Whether a face is drawn in flat colours: a network that learned from photos spoils clean lines and fills."""

from __future__ import annotations

from typing import Final

import numpy as np

from ..portrait import Picture, Portrait
from .resample import resize

#: Longest side, in pixels, at which a face is looked at.
_SIDE: Final = 256
#: Steps between neighbouring pixels up to this, of 255, are none.
_STEP: Final = 2.0
#: Share of neighbours without a step from which a face is flat. Measured: 0.01 to 0.43 on 24 photos and paintings, also
#: smooth digital ones, and on frames of films; 0.87 to 0.93 on 15 drawings.
FLAT: Final = 0.65
#: What is said where the shipped network is left out for that reason.
LEFT_OUT: Final = (
    "The face is drawn in flat colours: the network that repairs photos is left out, so that lines stay clean."
)


def flatness(portrait: Portrait) -> float:
    """Return the share (0..1) of a face's pixels that differ from neither the next one nor the one below."""
    marks = portrait.face.landmarks[:, :2]
    low = np.floor(np.clip(marks.min(axis=0), 0, None)).astype(int)
    high = np.ceil(np.clip(marks.max(axis=0), None, (portrait.face.width, portrait.face.height))).astype(int)
    part: Picture = portrait.picture[low[1] : high[1], low[0] : high[0]]
    scale = _SIDE / max(*part.shape[:2], 1)
    height, width = (max(2, round(side * min(scale, 1.0))) for side in part.shape[:2])
    values = resize(part, height, width)
    down = np.abs(np.diff(values, axis=0)).max(axis=2)[:, :-1]
    across = np.abs(np.diff(values, axis=1)).max(axis=2)[:-1]
    return float((np.maximum(down, across) <= _STEP).mean())


def is_flat(portrait: Portrait) -> bool:
    """Tell whether a portrait's face is drawn in flat colours."""
    return flatness(portrait) > FLAT
