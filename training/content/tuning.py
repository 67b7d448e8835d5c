"""Training the last layers of the listener together with the content network.

Recognisers were trained to tell words apart; lips need other facts, such as how far a vowel opens and whether lips
met. The content network's errors are therefore passed back to Whisper's last layers, which learn at a share of its
learning rate. What lies below them stays fixed, and is computed once for each rendition, as the core hears it.

During training the learning layers attend over the windows that are drawn from the renditions, not over whole sounds;
sounds that are short enough to be heard three times over are whole in their windows, and are heard so.
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
from mouthpiece.features import FRAME_SAMPLES, PHONETIC_PER_FRAME, PHONETIC_SIZE
from mouthpiece.files.writer import write_whole
from mouthpiece.models.phonetic import OVERLAP, SHORT_SAMPLES, WINDOW, PhoneticListener, repeated
from mouthpiece.models.windows import Window, split
from numpy.typing import NDArray
from safetensors.torch import save
from torch import nn

from ..listener.whisper import HalfWhisper, read_ctranslate2
from ..networks.weights import half_floats
from .config import ContentConfig
from .corpus import Corpus
from .data import Stretch, listen
from .export import load_checkpoint
from .run import ContentRun

#: File in a run's folder with the weights of Whisper's tuned layers.
LISTENER = "listener.safetensors"


class TunedSession:
    """The listener's session with a torch network that is being trained in its place."""

    def __init__(self, whisper: HalfWhisper) -> None:
        """Take Whisper's output from ``whisper``; phones are not read."""
        self._whisper = whisper

    @torch.no_grad()
    def __call__(self, inputs: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
        """Return the outputs of the listener for ``inputs`` by name."""
        return {"whisper": self._whisper(torch.from_numpy(inputs["waveform"])).numpy()}


class TunedRun(ContentRun):
    """A run that also trains Whisper's last layers, which are kept as ``listener.safetensors`` in its folder."""

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
        self._fixed = len(self.whisper.layers) - config.tuned_layers
        for part in (self.whisper.first, self.whisper.second, *self.whisper.layers[: self._fixed]):
            part.requires_grad_(False)
        self.whisper_average = copy.deepcopy(self.whisper)
        self.optimiser.add_param_group(
            {"params": list(self.whisper.layers[self._fixed :].parameters()), "share": config.tuning, "lr": 0.0}
        )
        self._below: dict[int, NDArray[np.float16]] = {}

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
        last = slice(self._fixed, None)
        return [*super().learning(), (self.whisper.layers[last], self.whisper_average.layers[last])]

    def batch_features(
        self, features: torch.Tensor, sequences: Sequence[Stretch], rows: Sequence[slice]
    ) -> torch.Tensor:
        """Return the features (B, T, F) of a batch with Whisper's part computed by its present layers."""
        return torch.stack([self._window_features(*window) for window in zip(features, sequences, rows, strict=True)])

    def _window_features(self, features: torch.Tensor, sequence: Stretch, row: slice) -> torch.Tensor:
        """Return the features (T, F) of the frames ``row`` of ``sequence``, with Whisper's part computed anew."""
        start, stop, _ = row.indices(len(sequence))
        steps = PHONETIC_PER_FRAME * (stop - start)
        samples = sequence.samples[: len(sequence) * FRAME_SAMPLES]

        def learn(hidden: NDArray[np.float16]) -> torch.Tensor:
            return self.whisper.above(torch.from_numpy(hidden.astype(np.float32))[None], self._fixed)[0]

        if len(samples) < SHORT_SAMPLES:
            tripled = repeated(samples.astype(np.float32), lambda sound: learn(self._fixed_part(sequence, sound)))
            heard = tripled[PHONETIC_PER_FRAME * start : PHONETIC_PER_FRAME * stop]
        else:
            below = self._fixed_part(sequence, samples.astype(np.float32))
            heard = learn(below[PHONETIC_PER_FRAME * start : PHONETIC_PER_FRAME * stop])
        padding = PHONETIC_PER_FRAME * len(features) - steps
        heard = nn.functional.pad(heard[:steps], (0, 0, 0, padding)).reshape(len(features), -1)
        return torch.cat([heard, features[:, PHONETIC_PER_FRAME * PHONETIC_SIZE :]], dim=1)

    @torch.no_grad()
    def _fixed_part(self, sequence: Stretch, sound: NDArray[np.float32]) -> NDArray[np.float16]:
        """Return the output (steps, 512) of the layers that do not learn for all of ``sound``, in windows as ever."""
        known = self._below.get(id(sequence))
        if known is None:
            spans = split(len(sound), WINDOW * FRAME_SAMPLES, OVERLAP * FRAME_SAMPLES)
            windows = [Window(s.start // FRAME_SAMPLES, -(-s.stop // FRAME_SAMPLES)) for s in spans]
            parts = [
                self.whisper.below(
                    torch.from_numpy(sound[w.start * FRAME_SAMPLES : w.stop * FRAME_SAMPLES])[None], self._fixed
                )[0].numpy()
                for w in windows
            ]
            known = parts[0].astype(np.float16)
            for part, window in zip(parts[1:], windows[1:], strict=True):
                middle = PHONETIC_PER_FRAME * (window.start + OVERLAP // 2)
                known = np.concatenate([known[:middle], part[middle - PHONETIC_PER_FRAME * window.start :]])
                known = known.astype(np.float16)
            self._below[id(sequence)] = known
        return known

    def kept_listener(self) -> PhoneticListener:
        """Return the listener that the best network of the run needs."""
        whisper = copy.deepcopy(self.whisper_average)
        whisper.tune(self.out / LISTENER)
        return PhoneticListener(TunedSession(whisper.eval()))

    def validation(self) -> Sequence[Stretch]:
        """Return the validation sequences with features of the averaged layers, computed as the core does."""
        listener = PhoneticListener(TunedSession(self.whisper_average.eval()))
        return [
            replace(s, features=listen(s.samples.astype(np.float32), len(s), listener).astype(np.float16))
            for s in self.corpus.val
        ]

    def listener_note(self) -> dict[str, str]:
        """Write the averaged layers to the run's folder and return the checkpoint note with their hash."""
        state = self.whisper_average.layers.state_dict()
        last = {name: value for name, value in state.items() if int(name.split(".")[0]) >= self._fixed}
        content = save(half_floats(last))
        write_whole(self.out / LISTENER, content)
        return {"tuned": hashlib.sha256(content).hexdigest()}
