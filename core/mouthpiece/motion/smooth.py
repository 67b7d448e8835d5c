"""Smoothing that keeps what matters."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, signal

Array = NDArray[np.float32]


def lowpass(track: NDArray[np.floating], hertz: float, fps: float) -> NDArray[np.float64]:
    """Return ``track`` (T, ...) of rate ``fps`` without what is faster than ``hertz``, not delayed.

    Second-order Butterworth run both ways. A track too short to filter, or a corner above the Nyquist
    frequency, leaves the track as it is.
    """
    data = np.asarray(track, dtype=np.float64)
    if hertz >= 0.5 * fps or len(data) < 2:
        return data
    sections = signal.butter(2, hertz, fs=fps, output="sos")
    pad = min(len(data) - 1, int(3 * fps / hertz))
    filtered: NDArray[np.float64] = signal.sosfiltfilt(sections, data, axis=0, padlen=pad)
    return filtered


def hold_near(mask: NDArray[np.bool_], seconds: float, fps: float) -> NDArray[np.bool_]:
    """Return ``mask`` (T,) widened by ``seconds`` on both sides of everything true in it."""
    reach = round(seconds * fps)
    wide: NDArray[np.bool_] = ndimage.binary_dilation(mask, np.ones(2 * reach + 1, bool))
    return wide


def ramped(mask: NDArray[np.bool_], seconds: float, fps: float) -> Array:
    """Return ``mask`` (T,) as 0..1 with soft edges ``seconds`` wide, centred where the mask changes."""
    width = max(1, round(seconds * fps))
    kernel = signal.windows.hann(width + 2)[1:-1]
    soft: Array = ndimage.convolve1d(mask.astype(np.float32), kernel / kernel.sum(), mode="nearest")
    return soft
