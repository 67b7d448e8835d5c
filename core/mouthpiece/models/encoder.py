"""A user's own self-supervised encoder (wav2vec 2.0, HuBERT, ContentVec …), used beside the phonetic listener.

Mouthpiece comes with none. A content network that was trained with one names it in its sidecar, and then needs
``encoder.onnx`` and ``encoder.onnx.json`` beside it (``training/listener/encoders.py`` writes them).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError
from ..features import PHONETIC_RATE, RATE
from .registry import Network

Array = NDArray[np.float32]

_STEP_SAMPLES = RATE // PHONETIC_RATE
#: Added to the variance before dividing by it, as wav2vec 2.0 does.
_SILENT = 1e-7


class Encoder:
    """Turns a window of sound into hidden features at 50 Hz."""

    def __init__(self, network: Network) -> None:
        """Open the encoder.

        Raises
        ------
        ModelError
            If it is not an encoder that gives 50 vectors a second, or cannot be loaded.
        """
        about = network.sidecar
        if about.kind != "encoder" or about.rate != PHONETIC_RATE or len(about.inputs) != 1 or not about.outputs:
            raise ModelError(
                f"'{about.name}' is not an encoder of {PHONETIC_RATE} vectors a second from a waveform. "
                "Describe it with training.listener.encoders."
            )
        self.size = about.features
        self._session = network.open()
        self._input, self._output = next(iter(about.inputs)), next(iter(about.outputs))
        self._normalised, self._window = about.normalise, about.window

    def hidden(self, samples: Array) -> Array:
        """Return the hidden features (about N / 320, D) of 16 kHz ``samples`` (N,), centred in time as the listener's.

        Raises
        ------
        ModelError
            If a feature vector is not as wide as the sidecar says.
        """
        heard = samples
        if self._normalised:
            heard = (heard - heard.mean()) / np.sqrt(heard.var() + _SILENT)
        # an encoder without padding gives no vectors for part of its window at both ends
        margin = max(0, self._window - _STEP_SAMPLES)
        short = max(0, self._window - margin - len(heard))
        padded = np.pad(heard, (margin // 2, margin - margin // 2 + short)).astype(np.float32)
        rows: Array = np.asarray(self._session({self._input: padded[None]})[self._output], np.float32)
        if rows.ndim != 3 or rows.shape[2] != self.size or not rows.shape[1]:
            raise ModelError(
                f"The encoder gives an array of shape {rows.shape} where (1, steps, {self.size}) was promised. "
                "Describe it again with training.listener.encoders."
            )
        first: Array = rows[0]
        return first
