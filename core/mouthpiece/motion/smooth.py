"""Filters for whole tracks, which smooth without delay.

SciPy is imported inside the functions: that takes a fifth of a second, and reading takes needs none of it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


def lowpass(track: NDArray[np.floating[Any]], hertz: float, fps: float) -> NDArray[np.float64]:
    """Return ``track`` (T, ...), sampled at ``fps``, without frequencies much above ``hertz``, and without delay.

    The filter is a Gaussian with half power at ``hertz``: it neither rings nor overshoots, and takes tracks of any
    length; beyond the ends the first and last values continue.
    """
    from scipy import ndimage

    sigma = np.sqrt(np.log(2)) / (2 * np.pi * hertz) * fps
    # With time as the last, contiguous axis the filter takes a third of the time.
    rows = np.ascontiguousarray(np.moveaxis(np.asarray(track), 0, -1), dtype=np.float64)
    smooth: NDArray[np.float64] = ndimage.gaussian_filter1d(rows, sigma, axis=-1, mode="nearest")
    return np.moveaxis(smooth, -1, 0)


def hold_near(mask: NDArray[np.bool_], seconds: float, fps: float) -> NDArray[np.bool_]:
    """Return ``mask`` (T,) with every true stretch widened by ``seconds`` on both sides."""
    from scipy import ndimage

    reach = round(seconds * fps)
    wide: NDArray[np.bool_] = ndimage.binary_dilation(mask, np.ones(2 * reach + 1, bool))
    return wide


def ramped(mask: NDArray[np.bool_], seconds: float, fps: float) -> Array:
    """Return ``mask`` (T,) as 0..1 with soft edges ``seconds`` wide, centred where the mask changes."""
    from scipy import ndimage

    width = max(1, round(seconds * fps))
    kernel = np.hanning(width + 2)[1:-1]
    soft: Array = ndimage.convolve1d(mask.astype(np.float32), kernel / kernel.sum(), mode="nearest")
    return soft


def running_mean(track: Array, seconds: float, fps: float) -> Array:
    """Return the mean over ``seconds`` around each frame of ``track`` (T, ...); its ends continue."""
    from scipy import ndimage

    mean: Array = ndimage.uniform_filter1d(track, max(1, round(seconds * fps)), axis=0, mode="nearest")
    return mean


def running_least(track: Array, count: int) -> Array:
    """Return the least of the ``count`` frames of ``track`` (T, ...) that begin ``count // 2`` before each frame."""
    from scipy import ndimage

    least: Array = ndimage.minimum_filter1d(track, count, axis=0, mode="nearest")
    return least
