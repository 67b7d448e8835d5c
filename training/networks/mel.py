"""Mel power spectra as matrices that torch can apply, so that an exported network takes samples as its input."""

from __future__ import annotations

import librosa
import numpy as np
import torch
from mouthpiece.features import RATE
from torch import Tensor


def fourier_waves(size: int) -> Tensor:
    """Return cosines, then sines, under a Hann window (2 * (size // 2 + 1), 1, size): the kernels of a convolution."""
    phase = 2 * np.pi * np.outer(np.arange(size // 2 + 1), np.arange(size)) / size
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)
    waves = np.concatenate([np.cos(phase) * window, np.sin(phase) * window])
    return torch.from_numpy(waves[:, None].astype(np.float32))


def mel_bands(size: int, count: int) -> Tensor:
    """Return the matrix (count, size // 2 + 1) from a power spectrum at 16 kHz to ``count`` mel bands."""
    return torch.from_numpy(librosa.filters.mel(sr=RATE, n_fft=size, n_mels=count).astype(np.float32))
