"""Resampling pictures with numpy alone, so that it runs wherever Blender does.

Pixel centres lie at whole numbers plus a half: a picture of width W spans 0 to W.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Array = NDArray[np.float32]


def shrink(picture: NDArray[np.generic], factor: int) -> Array:
    """Return the means of ``factor`` x ``factor`` blocks of a picture (H, W, C); a last, partial block is filled up.

    Filled up with the picture's last row and column: the result is (ceil(H / factor), ceil(W / factor), C).
    """
    if factor <= 1:
        return picture.astype(np.float32)
    height, width = picture.shape[:2]
    padded = np.pad(picture, ((0, -height % factor), (0, -width % factor), (0, 0)), mode="edge")
    total = np.zeros((padded.shape[0] // factor, padded.shape[1] // factor, padded.shape[2]), np.float32)
    # block by block offset: a mean over a reshaped array would first make a copy of everything in floats
    for row in range(factor):
        for column in range(factor):
            total += padded[row::factor, column::factor]
    total /= np.float32(factor * factor)
    return total


def bilinear(picture: NDArray[np.generic], x: NDArray[np.floating], y: NDArray[np.floating]) -> Array:
    """Return the colours of a picture (H, W, C) at points, in pixels; beyond the edge the edge goes on."""
    height, width = picture.shape[:2]
    u = np.clip(x - 0.5, 0, width - 1)
    v = np.clip(y - 0.5, 0, height - 1)
    left, top = u.astype(np.intp), v.astype(np.intp)
    right, bottom = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    across = (u - left)[..., None].astype(np.float32)
    down = (v - top)[..., None].astype(np.float32)
    # rows of one long list of pixels are gathered twice as fast as those of a picture by row and column
    pixels, above, below = picture.reshape(height * width, -1), top * width, bottom * width
    upper = pixels.take(above + left, axis=0) * (1 - across) + pixels.take(above + right, axis=0) * across
    lower = pixels.take(below + left, axis=0) * (1 - across) + pixels.take(below + right, axis=0) * across
    sampled: Array = (upper * (1 - down) + lower * down).astype(np.float32)
    return sampled


def resize(picture: NDArray[np.generic], height: int, width: int) -> Array:
    """Return a picture (H, W, C) at another size: blocks averaged first where it gets smaller, bilinear after."""
    factor = max(1, int(min(picture.shape[0] / height, picture.shape[1] / width)))
    source = shrink(picture, factor)
    down = (np.arange(height) + 0.5) * (picture.shape[0] / factor / height)
    across = (np.arange(width) + 0.5) * (picture.shape[1] / factor / width)
    x, y = np.meshgrid(across, down)
    return bilinear(source, x, y)


def warp(picture: NDArray[np.generic], matrix: NDArray[np.floating], size: int) -> Array:
    """Return a square (size, size, C) cut out of a picture by an affine map (2, 3) from its pixels to the picture's.

    Where the square is coarser than the picture, blocks are averaged first, of the part that is seen only.
    """
    steps = np.arange(size) + 0.5
    u, v = np.meshgrid(steps, steps)
    x = matrix[0, 0] * u + matrix[0, 1] * v + matrix[0, 2]
    y = matrix[1, 0] * u + matrix[1, 1] * v + matrix[1, 2]
    factor = int(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    if factor <= 1:
        return bilinear(picture, x, y)
    height, width = picture.shape[:2]
    left, right = (int(np.clip(edge, 0, width - 1)) for edge in (x.min() - factor, x.max() + factor))
    top, bottom = (int(np.clip(edge, 0, height - 1)) for edge in (y.min() - factor, y.max() + factor))
    part = shrink(picture[top : bottom + 1, left : right + 1], factor)
    return bilinear(part, (x - left) / factor, (y - top) / factor)
