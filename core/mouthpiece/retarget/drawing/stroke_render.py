"""Renders strokes to a picture in numpy, as fills and lines of even colour, for the face detector."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ...spans import polygon_spans

Picture = NDArray[np.uint8]

#: Colour of the paper, 0 to 1: a light grey, so that the white of eyes and teeth differs from it.
PAPER: Final = (0.86, 0.86, 0.86)


@dataclass(frozen=True, slots=True, eq=False)
class Ink:
    """A stroke to render: ``points`` (P, 2), x right and y down, ``width`` of the line in that unit, and closed or not.

    ``line`` and ``fill`` are colours as displayed, 0 to 1, or None for no line or fill.
    """

    points: NDArray[np.float64]
    width: float
    closed: bool
    line: tuple[float, float, float] | None
    fill: tuple[float, float, float] | None


@dataclass(frozen=True, slots=True, eq=False)
class StrokePicture:
    """A picture (H, W, 3), first row at the top, with its place in the drawing: ``origin`` (2,) and ``scale``.

    The pixel (x, y) is at the place ``origin + (x, y) / scale``.
    """

    picture: Picture
    origin: NDArray[np.float64]
    scale: float

    def placed(self, pixels: NDArray[Any]) -> NDArray[np.float64]:
        """Return the places (..., 2) of ``pixels`` (..., 2)."""
        result: NDArray[np.float64] = self.origin + np.asarray(pixels, np.float64) / self.scale
        return result


def drawn(strokes: Iterable[Ink], size: int = 512, margin: float = 0.12) -> StrokePicture | None:
    """Return a square picture of ``size`` pixels of strokes, the first at the back; None if nothing is visible.

    ``margin`` is the width of the paper around them, as a share of the picture.
    """
    seen = [ink for ink in strokes if len(ink.points) and (ink.line is not None or ink.fill is not None)]
    if not seen:
        return None
    everything = np.concatenate([ink.points for ink in seen])
    low, high = everything.min(axis=0), everything.max(axis=0)
    extent = float((high - low).max())
    if not extent > 0:
        return None
    scale = size * (1 - 2 * margin) / extent
    origin = (low + high) / 2 - size / scale / 2
    picture = np.empty((size, size, 3))
    picture[:] = PAPER
    for ink in seen:
        pixels = (ink.points - origin) * scale
        if ink.fill is not None and len(pixels) > 2:
            picture.reshape(-1, 3)[polygon_spans(pixels, size, size).pixels(size)] = ink.fill
        if ink.line is not None:
            rows, columns = _line(pixels, ink.closed, ink.width * scale / 2, size)
            picture[rows, columns] = ink.line
    return StrokePicture(np.rint(255 * np.clip(picture, 0, 1)).astype(np.uint8), origin, scale)


def _line(
    points: NDArray[np.float64], closed: bool, radius: float, size: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return rows and columns of the pixels that a round pen of ``radius`` pixels covers along ``points`` (P, 2)."""
    ends = np.concatenate([points, points[:1]]) if closed else points
    lengths = np.hypot(*np.diff(ends, axis=0).T)
    along = np.concatenate([[0.0], np.cumsum(lengths)])
    steps = np.linspace(0, along[-1], max(1, int(2 * along[-1])))
    path = np.stack([np.interp(steps, along, ends[:, k]) for k in (0, 1)], axis=1)
    radius = min(max(radius, 0.7), size / 8)
    reach = np.arange(-int(radius + 1), int(radius + 1) + 1)
    pen = np.stack(np.meshgrid(reach, reach), axis=-1).reshape(-1, 2)
    pen = pen[np.hypot(*pen.T) <= radius]
    pixels = np.unique(np.floor(path).astype(np.int64), axis=0)
    pixels = np.unique((pixels[:, None] + pen).reshape(-1, 2), axis=0)
    pixels = pixels[((pixels >= 0) & (pixels < size)).all(axis=1)]
    return pixels[:, 1], pixels[:, 0]
