"""A phone head that reads sounds: its checkpoint, and its posteriors for samples."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from mouthpiece.features import PHONETIC_PER_FRAME, PHONETIC_SIZE
from mouthpiece.models.phonetic import PhoneticListener
from mouthpiece.models.registry import find
from mouthpiece.phones.speech import POSTERIOR_RATE
from numpy.typing import NDArray

from ..content.data import brought_to_loudness, listen
from ..networks.weights import load_network
from .networks import HeadShape, PhoneHead

Array = NDArray[np.float32]


def load_head(path: Path) -> PhoneHead:
    """Return the phone head stored in ``path`` (.safetensors), ready to run.

    Raises
    ------
    ValueError
        If it is something else.
    """
    net, _ = load_network(
        path, lambda notes: PhoneHead(HeadShape.of(json.loads(notes["shape"]), "its shape")), "a phone head"
    )
    return net


def hidden_steps(features: NDArray[np.floating]) -> Array:
    """Return the listener's hidden features (2 T, 512) at 50 Hz in features (T, 1076) at 25 Hz."""
    steps = features[:, : PHONETIC_PER_FRAME * PHONETIC_SIZE].reshape(-1, PHONETIC_SIZE)
    return np.ascontiguousarray(steps, dtype=np.float32)


class HeadReader:
    """Hears sounds with the listener of a folder and reads them with a head."""

    def __init__(self, head: PhoneHead, listener: Path | None) -> None:
        """Use ``head`` on the features of the ``phonetic.onnx`` in the folder ``listener`` (None: the shipped one)."""
        self._head = head.eval()
        self._listener = PhoneticListener(find("phonetic", listener).open())

    @torch.no_grad()
    def read(self, samples: Array) -> tuple[Array, Array]:
        """Return posteriors (S, P) of phones and (S,) of a word's beginning for 16 kHz ``samples`` (N,)."""
        frames = max(1, -(-len(samples) * POSTERIOR_RATE // (16_000 * PHONETIC_PER_FRAME)))
        hidden = hidden_steps(listen(brought_to_loudness(samples), frames, self._listener))
        phones, starts = self._head(torch.from_numpy(hidden)[None])
        steps = len(samples) * POSTERIOR_RATE // 16_000
        return phones[0, :steps].exp().numpy(), starts[0, :steps, 0].exp().numpy()

    def __call__(self, samples: Array) -> Array:
        """Return the posteriors (S, P) of ``samples``."""
        return self.read(samples)[0]
