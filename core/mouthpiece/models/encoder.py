"""A user's own self-supervised encoder (wav2vec 2.0, HuBERT, ContentVec …), used beside the phonetic listener.

Mouthpiece comes with none. A content network that was trained with one names it in its sidecar, and then needs
``encoder.onnx`` and ``encoder.onnx.json`` beside it (``training/listener/encoders.py`` writes them).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

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
            If it cannot be loaded, or is not as its sidecar says.
        """
        about = network.sidecar
        self.size = about.features
        self._session = network.open()
        self._input, self._output = next(iter(about.inputs)), next(iter(about.outputs))
        self._normalised, self._window = about.normalise, about.window

    def hidden(self, samples: Array) -> Array:
        """Return the hidden features (about N / 320, D) of 16 kHz ``samples`` (N,), centred in time as the listener's.

        Raises
        ------
        ModelError
            If it gives something else than 50 vectors a second, as wide as the sidecar says.
        """
        heard = samples
        if self._normalised:
            heard = (heard - heard.mean()) / np.sqrt(heard.var() + _SILENT)
        # an encoder without padding gives no vectors for part of its window at both ends
        margin = max(0, self._window - _STEP_SAMPLES)
        short = max(0, self._window - margin - len(heard))
        padded = np.pad(heard, (margin // 2, margin - margin // 2 + short)).astype(np.float32)
        rows: Array = np.asarray(self._session({self._input: padded[None]})[self._output][0], np.float32)
        return rows
