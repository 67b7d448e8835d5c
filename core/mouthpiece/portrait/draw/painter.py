"""A textured mesh painted with numpy alone, fast enough to make frames: triangles as spans of pixels, then sampled.

Pixel centres lie at whole numbers plus a half. Triangles are painted in order, later ones over earlier ones; there is
no depth. Neighbours share no pixel and leave none out: a span owns the centres from its left end up to its right.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ...spans import triangle_spans

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]
Indices = NDArray[np.int64]

#: Triangles of less than this many pixels are not seen.
_FLAT: Final = 1e-4
#: Pixels read at once: their numbers stay in the processor's cache.
_LOT: Final = 1 << 14
#: The even and the odd bytes of a number, and half of 256 in either.
_EVEN, _ODD, _HALF, _BYTE = np.uint32(0x00FF00FF), np.uint32(0xFF00FF00), np.uint32(0x00800080), np.uint32(8)


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What a window shows: for every pixel (N,) of it that is covered, where in the texture it is from.

    Attributes
    ----------
    pixel : (N,) int64
        Places in the flattened window, in painting order: the last of those that are the same counts.
    u, v : (N,) float32
        Places in the texture, in its pixels.
    label : (N,) uint8
        Labels of the triangles.
    """

    pixel: Indices
    u: Floats
    v: Floats
    label: NDArray[np.uint8]


class Mesh:
    """Triangles that show parts of a texture.

    Attributes
    ----------
    triangles : (K, 3) int64
        In the order they are painted in.
    places : (V, 2) float
        Where in the texture each vertex is from, in its pixels.
    labels : (K,) uint8
        What each triangle is part of.
    """

    def __init__(self, triangles: Indices, places: NDArray[Any], labels: NDArray[Any]) -> None:
        """Keep the triangles."""
        self.triangles = triangles
        self.places = np.asarray(places, np.float64)
        self.labels = np.asarray(labels, np.uint8)

    def seen(self, points: NDArray[Any], width: int, height: int) -> Seen:
        """Return what a window shows when the vertices are at ``points`` (V, 2) in its pixels."""
        corners = np.asarray(points, np.float64)[self.triangles]
        a, b, c = (corners[:, k] for k in range(3))
        area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (c[:, 0] - a[:, 0]) * (b[:, 1] - a[:, 1])
        solid = np.flatnonzero(np.abs(area) > _FLAT)
        corners, area, used = corners[solid], area[solid], self.triangles[solid]
        spans = triangle_spans(corners, width, height)
        # texture places are affine over a triangle: a step along a row, and their value at a span's first centre
        steps = np.linalg.solve(
            corners[:, 1:] - corners[:, :1], self.places[used[:, 1:]] - self.places[used[:, :1]]
        )  # (K, xy, uv)
        which = spans.shape
        centre = np.stack([spans.start + 0.5, spans.row + 0.5], axis=1) - corners[which, 0]
        begin = self.places[used[which, 0]] + (centre[:, None] @ steps[which])[:, 0]
        run = spans.steps()
        pixel = np.repeat(spans.row * width + spans.start, spans.length) + run
        along = run.astype(np.float32)
        step = steps[which, 0].astype(np.float32)
        u, v = (
            np.repeat(begin[:, k].astype(np.float32), spans.length) + along * np.repeat(step[:, k], spans.length)
            for k in range(2)
        )
        return Seen(pixel, u, v, np.repeat(self.labels[solid][which], spans.length))


class Texture:
    """A picture that colours are read from, between its pixels."""

    def __init__(self, picture: Pixels) -> None:
        """Keep a picture (H, W, 4); its edge goes on beyond it."""
        height, width = picture.shape[:2]
        # one row and column more, so that every pixel has a right and a lower neighbour; a pixel is one number
        padded = np.pad(picture, ((0, 1), (0, 1), (0, 0)), mode="edge")
        self._whole = np.ascontiguousarray(padded).view(np.uint32).reshape(-1)
        self._most = (width - 1) * 256, (height - 1) * 256
        self._step = width + 1

    def read(self, u: Floats, v: Floats) -> NDArray[np.uint32]:
        """Return the colours (N,) at places in its pixels, bilinear to 1/256 of a pixel: four bytes in one number."""
        colours = np.empty(len(u), np.uint32)
        for start in range(0, len(u), _LOT):
            lot = slice(start, start + _LOT)
            colours[lot] = self._some(u[lot], v[lot])
        return colours

    def _some(self, u: Floats, v: Floats) -> NDArray[np.uint32]:
        x = np.clip(u * 256 - 128, 0, self._most[0]).astype(np.int32)
        y = np.clip(v * 256 - 128, 0, self._most[1]).astype(np.int32)
        across, down = (x & 255).view(np.uint32), (y & 255).view(np.uint32)
        place = (y >> 8) * self._step + (x >> 8)
        # shares of the four pixels around, in 1/256; they add up to one
        both = (across * down + np.uint32(128)) >> _BYTE
        shares = (np.uint32(256) - across - down + both, across - both, down - both, both)
        # two bytes of each number at a time: a byte times 256 fits into the sixteen bits that every other leaves it
        low, high = np.full(len(u), _HALF), np.full(len(u), _HALF)
        for step, share in zip((0, 1, self._step, self._step + 1), shares, strict=True):
            colour = self._whole[place + step]
            part = colour & _EVEN
            part *= share
            low += part
            colour >>= _BYTE
            colour &= _EVEN
            colour *= share
            high += colour
        low >>= _BYTE
        low &= _EVEN
        high &= _ODD
        low |= high
        return low


def strokes(lines: list[NDArray[Any]], width: float) -> tuple[NDArray[Any], Indices]:
    """Return points (4 * S, 2) and triangles (2 * S, 3) of polylines (N, 2) drawn ``width`` wide, a quad a segment."""
    starts = np.concatenate([line[:-1] for line in lines])
    ends = np.concatenate([line[1:] for line in lines])
    along = ends - starts
    along = along / np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9) * (width / 2)
    side = np.stack([-along[:, 1], along[:, 0]], axis=1)
    starts, ends = starts - along, ends + along
    corners = np.stack([starts - side, starts + side, ends + side, ends - side], axis=1).reshape(-1, 2)
    first = 4 * np.arange(len(starts))[:, None]
    triangles = np.concatenate([first + np.array(half) for half in ((0, 1, 2), (0, 2, 3))])
    return corners, triangles


def filled(points: NDArray[Any], triangles: Indices, size: int) -> NDArray[np.bool_]:
    """Return which pixels (size, size) the triangles cover."""
    return triangle_spans(np.asarray(points, np.float64)[triangles], size, size).mask(size, size)
