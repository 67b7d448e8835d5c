"""Train the content code: ``python -m training.conversion.train --config FILE --data DIR --voice FILE --out DIR``.

Seeded and resumable; the run folder holds ``last.pt``, ``converter.safetensors`` and ``run.json``. Clips whose source
is in ``NO_VOICE_PRINT`` are from private persons' pages: no d-vector is computed from them, and they are left out.
Exit code 0 when done, 1 when stopped by an error, 130 when interrupted (resume then).
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import re
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from mouthpiece.features import PHONETIC_PARTS, PHONETIC_PER_FRAME, PHONETIC_SIZE
from mouthpiece.files.writer import replacing
from numpy.typing import NDArray
from torch import Tensor, nn

from ..command_line import exit_code, parser_of
from ..configuration import Configuration
from ..content.config import ContentConfig
from ..content.corpus import Corpus, load_corpus
from ..content.data import Stretch
from ..files import write_json
from ..pack.clips import Clip, load_split, read_index
from ..speaker.data import NO_VOICE_PRINT
from ..speaker.voice import VoiceNet
from .networks import (
    MEL_BANDS,
    MEL_SIZE,
    VOICE_FRAMES,
    Adversary,
    Converter,
    ConverterShape,
    load_voice_network,
    log_mel,
    mask_of,
    reverse_gradient,
    save_converter,
    voice_of,
)

log = logging.getLogger(__name__)

#: Part of every cache key. Change it when spectra or d-vectors are computed differently.
CACHE_VERSION = 1


@dataclass(frozen=True, slots=True)
class ConversionLossWeights(Configuration):
    """Factors of the parts of the loss.

    Attributes
    ----------
    mel : of the absolute error of the spectrogram decoded in the speaker's own voice, in units of each band's spread.
    units : of the cross-entropy of the recogniser's units predicted from the code.
    speaker : strength of the reversed gradient from the classifier of speakers; it rises over the first third of a run.
    heard, kept : of the squared errors of the code estimated from recorded and from converted speech.
    voice : of one minus the cosine of the converted speech's d-vector to the target voice.
    """

    mel: float = 1.0
    units: float = 0.3
    speaker: float = 0.5
    heard: float = 0.5
    kept: float = 0.3
    voice: float = 1.0


@dataclass(frozen=True, slots=True)
class ConversionConfig(Configuration):
    """Settings of a run; ``window`` is in motion frames, ``warmup`` and ``evaluate_every`` in steps."""

    seed: int = 0
    steps: int = 1500
    window: int = 75
    batch: int = 16
    learning_rate: float = 1e-3
    warmup: int = 50
    evaluate_every: int = 250
    shape: ConverterShape = field(default_factory=ConverterShape)
    loss: ConversionLossWeights = field(default_factory=ConversionLossWeights)


@dataclass(frozen=True, slots=True, eq=False)
class Utterance:
    """Features (T, 1076), log-mel spectrogram (T, 160), d-vector (256,) and motion of a clip.

    ``voice`` is the mean over all clips of the person; ``landmarks`` (T, 204) and ``weight`` (T,) as in ``Stretch``.
    """

    person: str
    features: NDArray[np.float16]
    mel: NDArray[np.float32]
    voice: NDArray[np.float32]
    landmarks: NDArray[np.float16]
    weight: NDArray[np.float16]

    def __len__(self) -> int:
        """Return the number of motion frames."""
        return len(self.features)


def person_of(speaker: str) -> str:
    """Return the person behind ``speaker``: names that differ in a running number (``id-NAME-0012``) are one person."""
    return re.sub(r"^(id-.+)-\d+$", r"\1", speaker)


def speech_of(
    clips: Sequence[Clip], net: VoiceNet, cache: Path
) -> tuple[list[NDArray[np.float32]], NDArray[np.float32]]:
    """Return log-mel spectrograms (T, 160) and d-vectors (N, 256) of ``clips``; d-vectors are stored in ``cache``."""
    mels = [log_mel(clip.samples, len(clip)) for clip in clips]
    weights = hashlib.sha256(b"".join(p.numpy().tobytes() for p in net.state_dict().values())).hexdigest()
    key = hashlib.sha256(f"{CACHE_VERSION}{weights}{[(c.name, len(c)) for c in clips]}".encode()).hexdigest()[:16]
    path = cache / f"voices-{key}.npy"
    if path.is_file():
        return mels, np.load(path, allow_pickle=False)
    voices = np.stack([voice_of(net, mel) for mel in mels])
    cache.mkdir(parents=True, exist_ok=True)
    with replacing(path) as part, part.open("wb") as stream:
        np.save(stream, voices)
    return mels, voices


def utterances(
    clips: Sequence[Clip],
    stretches: Sequence[Stretch],
    mels: Sequence[NDArray[np.float32]],
    voices: NDArray[np.float32],
) -> list[Utterance]:
    """Return ``clips`` as utterances, with the mean d-vector of each person as voice."""
    own: dict[str, list[NDArray[np.float32]]] = defaultdict(list)
    for clip, voice in zip(clips, voices, strict=True):
        own[person_of(clip.speaker)].append(len(clip) * voice)
    means = {person: np.sum(rows, axis=0) for person, rows in own.items()}
    means = {person: (total / np.linalg.norm(total)).astype(np.float32) for person, total in means.items()}
    return [
        Utterance(person_of(c.speaker), s.features, mel, means[person_of(c.speaker)], s.landmarks, s.weight)
        for c, s, mel in zip(clips, stretches, mels, strict=True)
    ]


@dataclass(frozen=True, slots=True, eq=False)
class UtteranceSets:
    """What a run and its probes need: training and validation utterances, and the corpus of the content network."""

    train: list[Utterance]
    val: list[Utterance]
    corpus: Corpus


def load_speech(data: Path, cache: Path, net: VoiceNet, renditions: int = 1) -> UtteranceSets:
    """Return the pack ``data``, without clips of which no voice print may be made; features are stored in ``cache``."""
    corpus = load_corpus(data, cache, ContentConfig(renditions=renditions))
    private = {Path(row["file"]).stem for row in read_index(data) if row["source"] in NO_VOICE_PRINT}
    parts = []
    for split, stretches in (("train", corpus.train[0]), ("val", corpus.val)):
        pairs = zip(load_split(data, split), stretches, strict=True)
        kept = [(clip, stretch) for clip, stretch in pairs if clip.name not in private]
        clips, own = [clip for clip, _ in kept], [stretch for _, stretch in kept]
        parts.append(utterances(clips, own, *speech_of(clips, net, cache)))
        log.info("%s: %d clips, %d voices", split, len(clips), len({u.person for u in parts[-1]}))
    return UtteranceSets(parts[0], parts[1], corpus)


def unit_centres(features: NDArray[np.float32], count: int, rng: np.random.Generator, rounds: int = 12) -> Tensor:
    """Return ``count`` centres (count, F) of ``features`` (N, F) by k-means."""
    x = torch.from_numpy(features)
    centres = x[torch.from_numpy(rng.choice(len(x), count, replace=False))].clone()
    for _ in range(rounds):
        nearest = torch.cdist(x, centres).argmin(dim=1)
        sums = torch.zeros_like(centres).index_add_(0, nearest, x)
        sizes = torch.bincount(nearest, minlength=count).float()
        centres = torch.where(sizes[:, None] > 0, sums / sizes.clamp_min(1)[:, None], centres)
    return centres


def recognised(features: NDArray[np.float32] | NDArray[np.float16]) -> NDArray[np.float32]:
    """Return the part of features (..., 1076) that is the recogniser's (..., 1024): two steps per motion frame."""
    steps = [
        features[..., k * PHONETIC_SIZE : k * PHONETIC_SIZE + PHONETIC_PARTS[0]] for k in range(PHONETIC_PER_FRAME)
    ]
    return np.concatenate(steps, axis=-1).astype(np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class UtteranceBatch:
    """Windows padded to one length: features (B, T, 1076), mel (B, T, 160), voice (B, 256), person, lengths (B,)."""

    features: Tensor
    mel: Tensor
    voice: Tensor
    person: Tensor
    lengths: Tensor


class UtteranceSampler:
    """Draws windows at random; a person's chance is proportional to the square root of their minutes."""

    def __init__(self, speech: Sequence[Utterance], window: int, batch: int) -> None:
        """Prepare to draw batches of ``batch`` windows of at most ``window`` frames from ``speech``."""
        self.persons = sorted({u.person for u in speech})
        self._own = [[u for u in speech if u.person == person] for person in self.persons]
        mass = np.sqrt([sum(map(len, own)) for own in self._own])
        self._chance, self._window, self._batch = mass / mass.sum(), window, batch

    def draw(self, rng: np.random.Generator) -> UtteranceBatch:
        """Return a random batch."""
        rows = []
        for person in rng.choice(len(self._own), self._batch, p=self._chance):
            own = self._own[person]
            sizes = np.array([len(u) for u in own], float)
            u = own[int(rng.choice(len(own), p=sizes / sizes.sum()))]
            start = int(rng.integers(0, max(1, len(u) - self._window + 1)))
            part = slice(start, start + self._window)
            rows.append((u.features[part].astype(np.float32), u.mel[part], u.voice, person))
        lengths = [len(features) for features, *_ in rows]
        top = max(lengths)
        features, mel = (
            torch.from_numpy(np.stack([np.pad(row[k], ((0, top - len(row[k])), (0, 0))) for row in rows]))
            for k in (0, 1)
        )
        voice = torch.from_numpy(np.stack([row[2] for row in rows]))
        return UtteranceBatch(features, mel, voice, torch.tensor([int(row[3]) for row in rows]), torch.tensor(lengths))


class ConversionRun:
    """One training run and its state in the folder ``out``."""

    def __init__(self, config: ConversionConfig, speech: Sequence[Utterance], voices: VoiceNet, out: Path) -> None:
        """Make networks and optimiser; nothing is read from ``out`` yet."""
        torch.manual_seed(config.seed)
        self.config, self.voices, self.out = config, voices, out
        self.rng = np.random.default_rng(config.seed)
        self.sampler = UtteranceSampler(speech, config.window, config.batch)
        self.net = Converter(config.shape)
        self.adversary = Adversary(config.shape.code, len(self.sampler.persons))
        features = np.concatenate([u.features[::5] for u in speech])
        self.centres = unit_centres(recognised(features), config.shape.units, np.random.default_rng(config.seed))
        mel = torch.from_numpy(np.concatenate([u.mel[::5] for u in speech]))
        self.net.fit_buffers(torch.from_numpy(features.astype(np.float32)), mel)
        parameters = [*self.net.parameters(), *self.adversary.parameters()]
        self.optimiser = torch.optim.AdamW(parameters, lr=config.learning_rate, weight_decay=0.01)
        self.step, self.history = 0, []

    def _state(self) -> dict[str, nn.Module | torch.optim.Optimizer]:
        return {"net": self.net, "adversary": self.adversary, "optimiser": self.optimiser}

    def save(self) -> None:
        """Write ``last.pt``, from which the run can be resumed, ``run.json`` and the networks."""
        self.out.mkdir(parents=True, exist_ok=True)
        state = {name: part.state_dict() for name, part in self._state().items()}
        more = {"rng": json.dumps(self.rng.bit_generator.state), "torch_rng": torch.get_rng_state(), "step": self.step}
        with replacing(self.out / "last.pt") as part:
            torch.save(state | more | {"history": json.dumps(self.history)}, part)
        write_json(self.out / "run.json", {"config": asdict(self.config), "history": self.history})
        notes = {"config": json.dumps(asdict(self.config)), "step": str(self.step)}
        save_converter(self.net, self.out / "converter.safetensors", notes)

    def resume(self) -> None:
        """Continue from the state in the run's folder, if there is one."""
        path = self.out / "last.pt"
        if not path.is_file():
            return
        state = torch.load(path, weights_only=True)
        for name, part in self._state().items():
            part.load_state_dict(state[name])
        self.rng.bit_generator.state = json.loads(state["rng"])
        torch.set_rng_state(state["torch_rng"])
        self.step, self.history = state["step"], json.loads(state["history"])
        log.info("resuming at step %d", self.step)

    def rate(self) -> float:
        """Return this step's learning rate: a short warm-up, then half a cosine down to a hundredth."""
        if self.step < self.config.warmup:
            return self.config.learning_rate * (self.step + 1) / self.config.warmup
        done = self.step / self.config.steps
        return self.config.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, done))))

    def losses(self, batch: UtteranceBatch) -> dict[str, Tensor]:
        """Return the weighted parts of the loss by name; their sum is to be minimised."""
        w, net = self.config.loss, self.net
        keep = mask_of(batch.features, batch.lengths)
        code = net.code(batch.features, batch.lengths)
        each = keep[..., None] / keep.sum()
        again = net.decoder(code, batch.voice)
        unit = net.decoder.scale.repeat(MEL_SIZE // MEL_BANDS)
        nearest = torch.cdist(torch.from_numpy(recognised(batch.features.numpy())), self.centres).argmin(dim=-1)
        strength = w.speaker * min(1.0, 3 * self.step / self.config.steps)
        clean = code.detach()
        heard = net.heard(batch.mel, batch.lengths)
        parts = {
            "mel": w.mel * (((again - batch.mel) / unit).abs() * each).sum() / MEL_SIZE,
            "units": w.units * nn.functional.cross_entropy(net.units(code)[keep > 0], nearest[keep > 0]),
            "speaker": self.adversary(reverse_gradient(code, strength), keep, batch.person),
            "heard": w.heard * ((heard - clean).square() * each).sum() / clean.shape[-1],
        }
        return parts | self._converted(clean, batch, each)

    def _converted(self, code: Tensor, batch: UtteranceBatch, each: Tensor) -> dict[str, Tensor]:
        """Return the parts of the loss for the batch converted to each other's voices, which train the decoder only."""
        w = self.config.loss
        voice = batch.voice.roll(1, dims=0)
        mel = self.net.decoder(code, voice)
        for parameter in self.net.heard.parameters():
            parameter.requires_grad_(False)
        kept = (self.net.heard(mel, batch.lengths) - code).square()
        for parameter in self.net.heard.parameters():
            parameter.requires_grad_(True)
        parts = {"kept": w.kept * (kept * each).sum() / code.shape[-1]}
        if w.voice and self.step % 2 == 0:  # every other step, as the d-vector network is the slowest part
            spoken = mel.unflatten(-1, (-1, MEL_BANDS)).flatten(1, 2)[:, :VOICE_FRAMES]
            whole = batch.lengths * (MEL_SIZE // MEL_BANDS) >= spoken.shape[1]
            if whole.any():
                cosine = (self.voices.embed(spoken[whole].clamp_max(5.0).exp()) * voice[whole]).sum(dim=-1)
                parts["voice"] = w.voice * (1 - cosine).mean()
        return parts

    def learn(self) -> dict[str, float]:
        """Train one step and return the parts of its loss by name."""
        self.net.train()
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate()
        parts = self.losses(self.sampler.draw(self.rng))
        total: Tensor = torch.stack(list(parts.values())).sum()
        self.optimiser.zero_grad(set_to_none=True)
        total.backward()
        nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        self.optimiser.step()
        self.step += 1
        return {name: float(part.detach()) for name, part in parts.items()}

    def train(self) -> None:
        """Train to the last step."""
        begun, totals = time.monotonic(), defaultdict(list)
        while self.step < self.config.steps:
            for name, value in self.learn().items():
                totals[name].append(value)
            if self.step % self.config.evaluate_every == 0:
                means = {name: float(np.mean(values)) for name, values in totals.items()}
                self.history.append({"step": self.step, **means})
                text = "  ".join(f"{name} {value:.3f}" for name, value in means.items())
                log.info("%d/%d  %s  %.0f s", self.step, self.config.steps, text, time.monotonic() - begun)
                totals.clear()
                self.save()
        self.save()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = parser_of("training.conversion.train", __doc__)
    parser.add_argument("--config", type=Path, required=True, help="JSON file, see training/configs/conversion.json")
    parser.add_argument("--data", type=Path, required=True, help="training pack made by training.pack.prepare")
    parser.add_argument("--voice", type=Path, required=True, help="pretrained.pt of Resemblyzer 0.1.4")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument("--cache", type=Path, help="where features are kept between runs (default: OUT/cache)")
    parser.add_argument("--steps", type=int, help="instead of the configuration's")
    parser.add_argument("--code", type=int, help="numbers of the code, instead of the configuration's")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--resume", action="store_true", help="go on with the run in OUT")
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)

    def work() -> None:
        config = ConversionConfig.read(args.config)
        config = replace(config, steps=args.steps or config.steps)
        config = replace(config, shape=replace(config.shape, code=args.code or config.shape.code))
        voices = load_voice_network(args.voice)
        speech = load_speech(args.data, args.cache or args.out / "cache", voices)
        run = ConversionRun(config, speech.train, voices, args.out)
        if args.resume:
            run.resume()
        run.train()

    return exit_code(work, "training stopped", "interrupted; go on with --resume")


if __name__ == "__main__":
    sys.exit(main())
