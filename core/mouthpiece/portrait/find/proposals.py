"""Where faces may be: the detector run over a picture and its parts, and what it proposes weighed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from ..draw.resample import Array, Picture, resize
from .networks import DETECTOR_SIZE, FaceNetworks

#: Least detector score to count in the mean of overlapping detections.
_WEIGHED: Final = 0.3
#: Detections that overlap by this share (intersection over union) are one face.
_OVERLAP: Final = 0.3


def detections(picture: Picture, copy: int, networks: FaceNetworks) -> Iterator[tuple[float, Array]]:
    """Yield scores and shapes (8, 2) in pixels of what may be faces, in tiles of a copy ``copy`` tiles long."""
    height, width = picture.shape[:2]
    # the first copy is looked at twice: as large as fits, and at half that with room around it
    for room in (1, 2) if copy == 1 else (1,):
        scale = max(height, width) / (DETECTOR_SIZE * copy / room)
        small = resize(picture, max(1, round(height / scale)), max(1, round(width / scale)))
        for left, top, square in _tiles(small):
            scores, shapes = networks.propose(square)
            for index in np.flatnonzero(scores > _WEIGHED):
                shape = shapes[index] * DETECTOR_SIZE
                shape[[0, 2, 3, 4, 5, 6, 7]] += (left, top)
                yield float(scores[index]), shape * np.float32(scale)


def _tiles(small: Array) -> Iterator[tuple[int, int, Array]]:
    """Yield left, top and pixels (128, 128, 3) of tiles that overlap by half; black where the picture ends."""
    height, width = small.shape[:2]
    for top in _starts(height):
        for left in _starts(width):
            square = np.zeros((DETECTOR_SIZE, DETECTOR_SIZE, 3), np.float32)
            part = small[max(top, 0) : top + DETECTOR_SIZE, max(left, 0) : left + DETECTOR_SIZE]
            y, x = max(-top, 0), max(-left, 0)
            square[y : y + part.shape[0], x : x + part.shape[1]] = part
            yield left, top, square


def _starts(length: int) -> list[int]:
    """Return where tiles begin along a side: centred if one holds it all, else every half tile and at the end."""
    if length <= DETECTOR_SIZE:
        return [-((DETECTOR_SIZE - length) // 2)]
    return [*range(0, length - DETECTOR_SIZE, DETECTOR_SIZE // 2), length - DETECTOR_SIZE]


def merged(found: list[tuple[float, Array]], least: float) -> list[tuple[float, Array]]:
    """Return detections of at least a score, best first, each the mean of those it overlaps, weighted by scores."""
    if not found:
        return []
    scores = np.array([score for score, _ in found])
    shapes = np.stack([shape for _, shape in found])
    low, high = shapes[:, 0] - shapes[:, 1] / 2, shapes[:, 0] + shapes[:, 1] / 2
    areas = np.prod(np.maximum(high - low, 1e-6), axis=1)
    merged, left = [], np.ones(len(scores), bool)
    for best in np.argsort(-scores):
        if not left[best] or scores[best] < least:
            continue
        shared = np.prod(np.clip(np.minimum(high, high[best]) - np.maximum(low, low[best]), 0, None), axis=1)
        same = left & (shared / (areas + areas[best] - shared) > _OVERLAP)
        same[best] = True
        merged.append((float(scores[best]), np.average(shapes[same], axis=0, weights=scores[same])))
        left &= ~same
    return merged
