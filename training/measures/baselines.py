"""A simple predictor that networks must beat: ridge regression from log-mel spectra to landmarks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from mouthpiece.features import (
    HOPS_PER_FRAME,
    MARGIN_SAMPLES,
    MEL_BANDS,
    hop_rms,
    log_mel,
    loudness_gain,
)
from numpy.typing import NDArray

from ..content.targets import ClipTarget
from ..pack.clips import Clip

Points = NDArray[np.float64]

#: Motion frames on either side whose log-mel spectra the regression sees.
CONTEXT = 5


def mel_context(samples: NDArray[np.float32], frames: int) -> Points:
    """Return the log-mel bands of each motion frame and its neighbours (frames, 40 * 11 + 1); the last column is 1."""
    gain = np.float32(loudness_gain(hop_rms(samples)))
    heard = np.pad(samples * gain, MARGIN_SAMPLES)
    mel = log_mel(heard, frames * HOPS_PER_FRAME).reshape(frames, HOPS_PER_FRAME, MEL_BANDS).mean(axis=1)
    padded = np.pad(mel / 10.0, ((CONTEXT, CONTEXT), (0, 0)), "edge")
    columns = [padded[k : k + frames] for k in range(2 * CONTEXT + 1)]
    return np.concatenate([*columns, np.ones((frames, 1))], axis=1).astype(np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class MelRidge:
    """Ridge regression from log-mel to landmark displacements."""

    coefficients: Points

    @classmethod
    def fit(cls, clips: Sequence[Clip], targets: Sequence[ClipTarget], penalty: float = 300.0) -> MelRidge:
        """Return the regression fitted on ``clips``."""
        size = MEL_BANDS * (2 * CONTEXT + 1) + 1
        gram, moment = np.zeros((size, size)), np.zeros((size, targets[0].landmarks.shape[1]))
        for clip, target in zip(clips, targets, strict=True):
            rows = mel_context(clip.samples, len(clip))[target.weight > 0]
            gram += rows.T @ rows
            moment += rows.T @ target.landmarks[target.weight > 0]
        shrink = penalty * np.eye(size)
        shrink[-1, -1] = 1e-6  # the mean is not shrunk
        return cls(np.linalg.solve(gram + shrink, moment))

    def predict(self, clip: Clip) -> Points:
        """Return landmark displacements (T, 68, 3)."""
        result: Points = (mel_context(clip.samples, len(clip)) @ self.coefficients).reshape(len(clip), -1, 3)
        return result
