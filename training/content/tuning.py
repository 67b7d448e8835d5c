"""A listener that learns with the mouth: Whisper's two layers are tuned together with the content network.

Recognisers were taught to tell words apart; lips care for other things: how far a vowel opens, whether lips met. Errors
of the mouth are therefore passed on to the layers that listen, at a tenth of the content network's learning rate. The
front end, and hama, stay as they are: hama's weights differ so much in size that every step that moves some of them
breaks others.

Whisper hears cuttings of the renditions' sounds as it will hear whole ones: short sounds three times over, as the core
does, cuttings from the middle of a sequence at the place they have in it.
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
from mouthpiece.models.phonetic import SHORT_SAMPLES, PhoneticListener, repeated
from mouthpiece.models.registry import find
from mouthpiece.models.session import Session
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import nn

from ..listener.export import POSITIONS, HalfWhisper, read_ctranslate2
from .data import Stretch, listen
from .export import load_checkpoint
from .train import Config, Corpus, Run

#: What a run calls the weights of Whisper's tuned layers.
LISTENER = "listener.safetensors"


class Ears:
    """The core's session with Whisper's part taken from torch: what the core would hear were it exported now."""

    def __init__(self, session: Session, whisper: HalfWhisper) -> None:
        """Hear hama in ``session`` and Whisper in ``whisper``."""
        self._session, self._whisper = session, whisper

    @torch.no_grad()
    def __call__(self, inputs: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
        """Return the outputs of the listener's graph for ``inputs``."""
        outputs = dict(self._session(inputs))
        outputs["whisper"] = self._whisper(torch.from_numpy(inputs["waveform"])).numpy()
        return outputs


class TunedRun(Run):
    """A run in which Whisper's layers learn too; keeps theirs as ``listener.safetensors`` beside the best network."""

    def __init__(self, config: Config, corpus: Corpus, out: Path, whisper: Path) -> None:
        """Prepare as :class:`Run` does; ``whisper`` is the CTranslate2 ``model.bin`` to begin with.

        Raises
        ------
        OSError, ValueError
            If that cannot be read or is something else, or an encoder of one's own is asked for besides.
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
        """Begin with the content network of ``checkpoint`` and the layers kept beside it, as a tuning run leaves them.

        Raises
        ------
        ValueError
            If either is something else, or the layers are not those the network learned with.
        """
        layers = checkpoint.with_name(LISTENER)
        for whisper in (self.whisper, self.whisper_average):
            whisper.tune(layers)
        if load_checkpoint(checkpoint)[1].get("tuned") != hashlib.sha256(layers.read_bytes()).hexdigest():
            raise ValueError(f"'{checkpoint}' did not learn with the layers beside it ({LISTENER})")
        self.begin_with(checkpoint)

    def learning(self) -> list[tuple[nn.Module, nn.Module]]:
        """Return the networks that learn, each with its average."""
        return [*super().learning(), (self.whisper.layers, self.whisper_average.layers)]

    def heard(self, features: torch.Tensor, sequences: Sequence[Stretch], rows: Sequence[slice]) -> torch.Tensor:
        """Return the features (B, T, F) of a batch with Whisper's part as its layers hear it now."""
        return torch.stack(
            [self._heard(own, *cutting) for own, *cutting in zip(features, sequences, rows, strict=True)]
        )

    def _heard(self, features: torch.Tensor, sequence: Stretch, row: slice) -> torch.Tensor:
        start, stop, _ = row.indices(len(sequence))
        cutting = sequence.samples[start * FRAME_SAMPLES : stop * FRAME_SAMPLES].astype(np.float32)
        steps = PHONETIC_PER_FRAME * (stop - start)
        # where in its window the cutting begins; what is heard three times over begins a window of its own
        first = min(PHONETIC_PER_FRAME * start, POSITIONS - steps) if len(cutting) >= SHORT_SAMPLES else 0
        hidden = repeated(cutting, lambda sound: self.whisper.hear(torch.from_numpy(sound)[None], first)[0])
        padding = PHONETIC_PER_FRAME * len(features) - steps
        heard = nn.functional.pad(hidden[:steps], (0, 0, 0, padding)).reshape(len(features), PHONETIC_PER_FRAME, -1)
        parts = []
        for k in range(PHONETIC_PER_FRAME):
            others = slice(k * PHONETIC_SIZE, (k + 1) * PHONETIC_SIZE - PHONETIC_PARTS[-1])
            parts += [features[:, others], heard[:, k]]
        return torch.cat([*parts, features[:, PHONETIC_PER_FRAME * PHONETIC_SIZE :]], dim=1)

    def kept_listener(self) -> PhoneticListener:
        """Return what the best network of the run hears with."""
        whisper = copy.deepcopy(self.whisper_average)
        whisper.tune(self.out / LISTENER)
        return PhoneticListener(Ears(self._session, whisper.eval()))

    def validation(self) -> Sequence[Stretch]:
        """Return the validation sequences as the averaged layers hear them, in the core's own windows."""
        listener = PhoneticListener(Ears(self._session, self.whisper_average.eval()))
        return [
            replace(s, features=listen(s.samples.astype(np.float32), len(s), listener).astype(np.float16))
            for s in self.corpus.val
        ]

    def heard_with(self) -> dict[str, str]:
        """Keep the averaged layers and return the note that names them."""
        path = self.out / LISTENER
        save_file({k: v.half().contiguous() for k, v in self.whisper_average.layers.state_dict().items()}, path)
        return {"tuned": hashlib.sha256(path.read_bytes()).hexdigest()}
