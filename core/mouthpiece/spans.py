"""Filled triangles, polygons and rectangles as spans: runs of pixels side by side in one row of a picture.

Pixel centres lie at whole numbers plus a half. A span covers the centres from its left end up to, but not including,
its right end, so that neighbouring shapes share no pixel and leave none out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Spans:
    """S runs of pixels, in the order in which they are painted.

    Attributes
    ----------
    shape : (S,) int64
        Number of the triangle or polygon each span is part of.
    row, start, length : (S,) int64
        Row, first column and number of pixels.
    """

    shape: Indices
    row: Indices
    start: Indices
    length: Indices

    def steps(self) -> Indices:
        """Return how many pixels each pixel of the spans lies right of its span's first, (N,)."""
        return np.arange(int(self.length.sum())) - np.repeat(np.cumsum(self.length) - self.length, self.length)

    def pixels(self, width: int) -> Indices:
        """Return the places (N,) of the spans' pixels in a flattened picture of that width; some may occur twice."""
        return np.repeat(self.row * width + self.start, self.length) + self.steps()

    def mask(self, width: int, height: int) -> NDArray[np.bool_]:
        """Return which pixels (height, width) the spans cover."""
        covered = np.zeros(height * width, bool)
        covered[self.pixels(width)] = True
        return covered.reshape(height, width)


def triangle_spans(corners: NDArray[Any], width: int, height: int) -> Spans:
    """Return the spans of triangles ``corners`` (K, 3, 2) in a picture, those of earlier triangles first."""
    order = np.argsort(corners[..., 1], axis=1)
    low, middle, high = np.moveaxis(np.take_along_axis(corners, order[..., None], axis=1), 1, 0)
    first = np.clip(np.ceil(low[:, 1] - 0.5), 0, height).astype(np.int64)
    last = np.clip(np.ceil(high[:, 1] - 0.5), 0, height).astype(np.int64)
    counts = np.maximum(last - first, 0)
    triangle = np.repeat(np.arange(len(corners)), counts)
    row = np.arange(len(triangle)) - np.repeat(np.cumsum(counts) - counts, counts) + first[triangle]
    y = row + 0.5
    long = _crossing(low, high, triangle, y)
    short = np.where(y < middle[triangle, 1], _crossing(low, middle, triangle, y), _crossing(middle, high, triangle, y))
    return _between(triangle, row, np.minimum(long, short), np.maximum(long, short), width)


def polygon_spans(points: NDArray[Any], width: int, height: int) -> Spans:
    """Return the spans inside one closed line (P, 2) in a picture, by the even-odd rule; rows from the top."""
    start, end = points, np.roll(points, -1, axis=0)
    rows = np.arange(height)[:, None] + 0.5
    row, edge = np.nonzero((start[:, 1] > rows) != (end[:, 1] > rows))
    a, b = start[edge], end[edge]
    x = a[:, 0] + (row + 0.5 - a[:, 1]) / (b[:, 1] - a[:, 1]) * (b[:, 0] - a[:, 0])
    # a closed line crosses every row an even number of times: of its sorted crossings each second one ends a span
    order = np.lexsort((x, row))
    left, right = x[order[::2]], x[order[1::2]]
    return _between(np.zeros(len(left), np.int64), row[order[::2]], left, right, width)


def rectangle_spans(low: Indices, high: Indices) -> Spans:
    """Return the spans of rectangles of pixels from ``low`` (K, 2) up to ``high`` (K, 2), not included: column, row."""
    counts = np.where(high[:, 0] > low[:, 0], np.maximum(high[:, 1] - low[:, 1], 0), 0)
    rectangle = np.repeat(np.arange(len(low)), counts)
    row = np.arange(len(rectangle)) - np.repeat(np.cumsum(counts) - counts, counts) + low[rectangle, 1]
    return Spans(rectangle, row, low[rectangle, 0], (high - low)[rectangle, 0])


def _crossing(start: NDArray[Any], end: NDArray[Any], which: Indices, y: NDArray[Any]) -> NDArray[Any]:
    """Return the x (S,) at which sides from ``start`` (K, 2) to ``end`` (K, 2) cross the lines at ``y`` (S,)."""
    rise = end[:, 1] - start[:, 1]
    slope = (end[:, 0] - start[:, 0]) / np.where(np.abs(rise) < 1e-12, 1.0, rise)
    result: NDArray[Any] = start[which, 0] + slope[which] * (y - start[which, 1])
    return result


def _between(shape: Indices, row: Indices, left: NDArray[Any], right: NDArray[Any], width: int) -> Spans:
    """Return the spans of pixels whose centres lie from ``left`` up to ``right`` (S,), without the empty ones."""
    start = np.clip(np.ceil(left - 0.5), 0, width).astype(np.int64)
    stop = np.clip(np.ceil(right - 0.5), 0, width).astype(np.int64)
    kept = stop > start
    return Spans(shape[kept], row[kept], start[kept], (stop - start)[kept])
