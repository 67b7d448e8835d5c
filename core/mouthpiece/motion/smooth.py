"""Smoothing that is not late: filters over a whole track at once.

SciPy is imported by the functions: it takes a fifth of a second, and takes are read without it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


def lowpass(track: NDArray[np.floating[Any]], hertz: float, fps: float) -> NDArray[np.float64]:
    """Return ``track`` (T, ...) of rate ``fps`` without what is much faster than ``hertz``, not delayed.

    A Gaussian, half power at ``hertz``: it neither rings nor overshoots, and bears tracks of any length; beyond the
    ends the first and last values hold.
    """
    from scipy import ndimage

    sigma = np.sqrt(np.log(2)) / (2 * np.pi * hertz) * fps
    # Time last and in one piece: a third of the time it takes the other way round.
    rows = np.ascontiguousarray(np.moveaxis(np.asarray(track), 0, -1), dtype=np.float64)
    smooth: NDArray[np.float64] = ndimage.gaussian_filter1d(rows, sigma, axis=-1, mode="nearest")
    return np.moveaxis(smooth, -1, 0)


def hold_near(mask: NDArray[np.bool_], seconds: float, fps: float) -> NDArray[np.bool_]:
    """Return ``mask`` (T,) widened by ``seconds`` on both sides of everything true in it."""
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
