"""Training Whisper's two layers of the listener together with the content network.

Recognisers were trained to tell words apart; lips need other facts, such as how far a vowel opens and whether lips
met. The content network's errors are therefore passed back to Whisper's layers, which learn at a share of its learning
rate. Whisper's front end and all of hama stay fixed: hama's weights differ so much in size that a step that moves some
of them ruins others.

During training Whisper hears windows cut from the renditions' sounds as it will hear whole sounds: short windows
repeated three times, as the core does, and the others at their position in the sequence.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mouthpiece.features import FRAME_SAMPLES, PHONETIC_PARTS, PHONETIC_PER_FRAME, PHONETIC_SIZE
from mouthpiece.files.writer import write_whole
from mouthpiece.models.phonetic import SHORT_SAMPLES, PhoneticListener, repeated
from mouthpiece.models.registry import find
from mouthpiece.models.session import Session
from numpy.typing import NDArray
from safetensors.torch import save
from torch import nn

from ..listener.whisper import POSITIONS, HalfWhisper, read_ctranslate2
from ..networks.weights import half_floats
from .config import ContentConfig
from .corpus import Corpus
from .data import Stretch, listen
from .export import load_checkpoint
from .run import ContentRun

#: File in a run's folder with the weights of Whisper's tuned layers.
LISTENER = "listener.safetensors"


class TunedSession:
    """The listener's session with Whisper's output replaced by that of a torch network that is being trained."""

    def __init__(self, session: Session, whisper: HalfWhisper) -> None:
        """Take hama's outputs from ``session`` and Whisper's from ``whisper``."""
        self._session, self._whisper = session, whisper

    @torch.no_grad()
    def __call__(self, inputs: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
        """Return the outputs of the listener for ``inputs`` by name."""
        outputs = dict(self._session(inputs))
        outputs["whisper"] = self._whisper(torch.from_numpy(inputs["waveform"])).numpy()
        return outputs


class TunedRun(ContentRun):
    """A run that also trains Whisper's layers; their weights are kept as ``listener.safetensors`` in its folder."""

    def __init__(self, config: ContentConfig, corpus: Corpus, out: Path, whisper: Path) -> None:
        """Make networks and optimiser; ``whisper`` is the CTranslate2 ``model.bin`` to begin with.

        Raises
        ------
        OSError, ValueError
            If that file cannot be read or is something else, or ``corpus`` was heard with an encoder as well.
        """
        if corpus.encoder:
            raise ValueError("a run tunes the listener or hears with an encoder of your own, not both")
        super().__init__(config, corpus, out)
        self.whisper = HalfWhisper()
        self.whisper.load(read_ctranslate2(whisper))
        self.whisper_average = copy.deepcopy(self.whisper)
        self.optimiser.add_param_group(
            {"params": list(self.whisper.layers.parameters()), "share": config.tuning, "lr": 0.0}
        )
        self._session = find("phonetic", corpus.listener_folder).open()

    def start_from(self, checkpoint: Path) -> None:
        """Begin with the content network of ``checkpoint`` and the tuned layers stored in the same folder.

        Raises
        ------
        ValueError
            If either is something else, or the network was trained with other layers.
        """
        layers = checkpoint.with_name(LISTENER)
        for whisper in (self.whisper, self.whisper_average):
            whisper.tune(layers)
        if load_checkpoint(checkpoint)[1].get("tuned") != hashlib.sha256(layers.read_bytes()).hexdigest():
            raise ValueError(f"'{checkpoint}' did not learn with the layers beside it ({LISTENER})")
        self.begin_with(checkpoint)

    def learning(self) -> list[tuple[nn.Module, nn.Module]]:
        """Return the networks that are trained, each with its running average."""
        return [*super().learning(), (self.whisper.layers, self.whisper_average.layers)]

    def batch_features(
        self, features: torch.Tensor, sequences: Sequence[Stretch], rows: Sequence[slice]
    ) -> torch.Tensor:
        """Return the features (B, T, F) of a batch with Whisper's part computed by its present layers."""
        return torch.stack([self._window_features(*window) for window in zip(features, sequences, rows, strict=True)])

    def _window_features(self, features: torch.Tensor, sequence: Stretch, row: slice) -> torch.Tensor:
        """Return the features (T, F) of the frames ``row`` of ``sequence``, with Whisper's part computed anew."""
        start, stop, _ = row.indices(len(sequence))
        window = sequence.samples[start * FRAME_SAMPLES : stop * FRAME_SAMPLES].astype(np.float32)
        steps = PHONETIC_PER_FRAME * (stop - start)
        # Whisper's position of the window's first step; a sound that is repeated begins at position 0
        first = min(PHONETIC_PER_FRAME * start, POSITIONS - steps) if len(window) >= SHORT_SAMPLES else 0
        hidden = repeated(window, lambda sound: self.whisper.hear(torch.from_numpy(sound)[None], first)[0])
        padding = PHONETIC_PER_FRAME * len(features) - steps
        heard = nn.functional.pad(hidden[:steps], (0, 0, 0, padding)).reshape(len(features), PHONETIC_PER_FRAME, -1)
        parts = []
        for k in range(PHONETIC_PER_FRAME):
            others = slice(k * PHONETIC_SIZE, (k + 1) * PHONETIC_SIZE - PHONETIC_PARTS[-1])
            parts += [features[:, others], heard[:, k]]
        return torch.cat([*parts, features[:, PHONETIC_PER_FRAME * PHONETIC_SIZE :]], dim=1)

    def kept_listener(self) -> PhoneticListener:
        """Return the listener that the best network of the run needs."""
        whisper = copy.deepcopy(self.whisper_average)
        whisper.tune(self.out / LISTENER)
        return PhoneticListener(TunedSession(self._session, whisper.eval()))

    def validation(self) -> Sequence[Stretch]:
        """Return the validation sequences with features of the averaged layers, computed as the core does."""
        listener = PhoneticListener(TunedSession(self._session, self.whisper_average.eval()))
        return [
            replace(s, features=listen(s.samples.astype(np.float32), len(s), listener).astype(np.float16))
            for s in self.corpus.val
        ]

    def listener_note(self) -> dict[str, str]:
        """Write the averaged layers to the run's folder and return the checkpoint note with their hash."""
        content = save(half_floats(self.whisper_average.layers.state_dict()))
        write_whole(self.out / LISTENER, content)
        return {"tuned": hashlib.sha256(content).hexdigest()}
