"""Train the content network: ``python -m training.content.train --config training/configs/content.json --data DIR --out DIR``.

Seeded and resumable (``--resume``): the run folder holds ``last.pt`` (everything needed to go on), ``best.safetensors``
(the averaged weights that read the validation speakers' lips best), ``run.json`` (configuration and history).
Exit code 0 when done, 1 when stopped by an error, 130 when interrupted (resume then).
"""

from __future__ import annotations

import argparse
import copy
import json
import logging
import math
import sys
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mouthpiece.errors import MouthpieceError
from mouthpiece.features import FEATURE_SIZE
from mouthpiece.models.encoder import Encoder
from mouthpiece.models.phonetic import PhoneticListener
from mouthpiece.models.registry import Network, find
from mouthpiece.topology import ARKIT_INDEX, ARKIT_MOUTH
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from ..measures.score import pearson
from ..pack.clips import LABELLED, load_split
from ..pack.resync import read as read_sync
from ..pack.resync import synced
from .data import NO_AUGMENTATION, Augmentation, Sampler, Stretch, batch_of, cached_rendition
from .export import listener_for, load_checkpoint
from .losses import SMALL_SPREAD, ContentLoss, Weights, gap_and_width
from .networks import BUFFERS, ContentNet, Finish, Shape
from .targets import canonical_face, make_targets

log = logging.getLogger(__name__)

JAW_OPEN = ARKIT_INDEX["jawOpen"]
MOUTH_COLUMNS = [k for k, name in enumerate(LABELLED) if name in ARKIT_MOUTH]


@dataclass(frozen=True, slots=True)
class Config:
    """A training run; read from JSON, unknown keys are errors.

    ``average`` is the decay of the weights' average, ``encoder`` a folder with ``encoder.onnx`` and its sidecar to hear
    with besides the shipped listener (see ``training.listener.encoders``). ``tuning`` is the share of the learning rate at which
    the listener learns too (see ``training.content.tuning``); 0 leaves it as it is.
    """

    name: str = "content"
    version: str = "1"
    seed: int = 0
    steps: int = 6000
    window: int = 96
    batch: int = 32
    learning_rate: float = 1e-3
    warmup: int = 100
    weight_decay: float = 0.01
    average: float = 0.995
    evaluate_every: int = 200
    patience: int = 12
    renditions: int = 6
    encoder: str = ""
    tuning: float = 0.0
    speaker_power: float = 0.5
    shape: Shape = field(default_factory=Shape)
    loss: Weights = field(default_factory=Weights)
    augmentation: Augmentation = field(default_factory=Augmentation)
    finish: Finish = field(default_factory=Finish)

    @classmethod
    def read(cls, path: Path) -> Config:
        """Return the configuration in ``path``.

        Raises
        ------
        ValueError
            If a key is unknown.
        """
        raw = json.loads(path.read_text(encoding="utf-8"))
        parts = {"shape": Shape, "loss": Weights, "augmentation": Augmentation, "finish": Finish}
        unknown = set(raw) - {f.name for f in fields(cls)}
        for key, part in parts.items():
            own = raw.get(key, {})
            unknown |= {f"{key}.{name}" for name in set(own) - {f.name for f in fields(part)}}
            if not unknown:
                raw[key] = part(**{k: tuple(v) if isinstance(v, list) else v for k, v in own.items()})
        if unknown:
            raise ValueError(f"{path} has unknown settings: {', '.join(sorted(unknown))}")
        return cls(**raw)


@dataclass(frozen=True, slots=True, eq=False)
class Corpus:
    """Everything a run learns from: the resting face (68, 3), training renditions, validation sequences.

    ``listener`` and ``encoder`` are the hashes of what was heard with; the encoder's is empty where there was none.
    ``listener_folder`` is where a listener other than the shipped one lies.
    """

    neutral: np.ndarray
    train: list[list[Stretch]]
    val: list[Stretch]
    encoder: str = ""
    listener: str = ""
    listener_folder: Path | None = None


def heard_by(config: Config, listener_folder: Path | None = None) -> tuple[Network, Network | None]:
    """Return the listener in ``listener_folder`` (or the shipped one), and the encoder ``config`` names, if any."""
    encoder = find("encoder", Path(config.encoder)) if config.encoder else None
    return find("phonetic", listener_folder), encoder


def load_corpus(
    data: Path,
    cache: Path,
    config: Config,
    late: Mapping[str, float] | None = None,
    listener_folder: Path | None = None,
) -> Corpus:
    """Return the pack in ``data`` as features and targets; renditions are kept in ``cache``.

    ``late`` says by how many frames the sound of training clips is late (see ``training.pack.resync``); ``listener_folder``
    holds another ``phonetic.onnx`` to hear with than the shipped one.
    """
    network, encoder = heard_by(config, listener_folder)
    listener = PhoneticListener(network.open(), encoder and Encoder(encoder))
    clips, val = synced(load_split(data, "train"), late or {}), load_split(data, "val")
    log.info("%d training clips, %d validation clips", len(clips), len(val))
    neutral = canonical_face(clips)
    targets, val_targets = make_targets(clips, neutral), make_targets(val, neutral)
    heard_with = encoder.sidecar.sha256 if encoder else ""
    stamp = network.sidecar.sha256 + heard_with
    learned = stamp + json.dumps(sorted(late.items())) if late else stamp
    renditions = [
        cached_rendition(
            cache, clips, targets, listener, config.augmentation if k else NO_AUGMENTATION, config.seed + k, learned
        )
        for k in range(config.renditions)
    ]
    validation = cached_rendition(cache, val, val_targets, listener, NO_AUGMENTATION, 0, stamp)
    return Corpus(neutral, renditions, validation, heard_with, network.sidecar.sha256, listener_folder)


def _tensors(batch: Any) -> tuple[torch.Tensor, ...]:
    return tuple(
        torch.from_numpy(getattr(batch, name)) for name in ("features", "landmarks", "arkit", "weight", "lengths")
    )


def stored(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return a network's state as checkpoints keep it: what is learned as half floats, buffers as they are."""
    return {k: (v if k in BUFFERS else v.half()).contiguous() for k, v in state.items()}


@torch.no_grad()
def validate(net: ContentNet, sequences: Sequence[Stretch]) -> dict[str, float]:
    """Return means over clips and over speakers: how lips and ARKit weights follow the real ones."""
    net.eval()
    rows: dict[str, list[tuple[float, ...]]] = defaultdict(list)
    for sequence in sequences:
        rows[sequence.speaker].append(_clip_figures(net, sequence))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a speaker in none of whose clips a jaw moves
        every = np.nanmean(np.array([row for own in rows.values() for row in own]), axis=0)
        by_speaker = np.nanmean([np.nanmean(own, axis=0) for own in rows.values()], axis=0)
    return {
        "r_open": float(every[0]),
        "r_open_speakers": float(by_speaker[0]),
        "open_ratio": float(every[1]),
        "r_jaw_speakers": float(by_speaker[2]),
        "r_arkit_speakers": float(by_speaker[3]),
        "arkit_ratio_speakers": float(by_speaker[4]),
    }


def _clip_figures(net: ContentNet, sequence: Stretch) -> tuple[float, ...]:
    """Return r_open, open_ratio, and of ARKit's mouth weights that move: jawOpen's r, mean r, mean spread ratio."""
    features, real, arkit, weight, _ = _tensors(batch_of([sequence], [slice(None)]))
    predicted, weights = net(features)
    keep = weight[0] > 0
    gap = gap_and_width(predicted, net.neutral)[0, keep, 0].numpy()
    truth = gap_and_width(real, net.neutral)[0, keep, 0].numpy()
    heard, seen = weights[0, keep].numpy(), arkit[0, keep].numpy()
    moving = [k for k in MOUTH_COLUMNS if seen[:, k].std() > SMALL_SPREAD]
    r = [pearson(seen[:, k], heard[:, k]) for k in moving]
    ratio = [heard[:, k].std() / seen[:, k].std() for k in moving]
    jaw = r[moving.index(JAW_OPEN)] if JAW_OPEN in moving else math.nan
    return (
        pearson(truth, gap),
        float(gap.std() / max(truth.std(), 1e-9)),
        jaw,
        float(np.mean(r)) if r else math.nan,
        float(np.mean(ratio)) if ratio else math.nan,
    )


class Run:
    """One training run and its state on disk."""

    def __init__(
        self,
        config: Config,
        corpus: Corpus,
        out: Path,
        make: Callable[[Shape], Any] = ContentNet,
        loss: Callable[[torch.Tensor], Any] | None = None,
    ) -> None:
        """Prepare networks and optimiser; nothing is read from ``out`` yet.

        ``make`` returns another network than ours, ``loss`` another loss, given the resting face (68, 3): for
        comparisons.
        """
        torch.manual_seed(config.seed)
        extra = corpus.train[0][0].features.shape[1] - FEATURE_SIZE
        config = replace(config, shape=replace(config.shape, extra=extra))
        self.config, self.corpus, self.out = config, corpus, out
        self.net = make(config.shape)
        clean = corpus.train[0]
        features = np.concatenate([s.features[::3] for s in clean]).astype(np.float32)
        landmarks = np.concatenate([s.landmarks[::7][s.weight[::7] > 0] for s in clean]).astype(np.float32)
        neutral = torch.from_numpy(corpus.neutral.astype(np.float32))
        self.net.fit_buffers(torch.from_numpy(features), torch.from_numpy(landmarks), neutral)
        self.average = copy.deepcopy(self.net)
        self.optimiser = torch.optim.AdamW(
            self.net.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )
        arkit = np.concatenate([s.arkit for s in clean]).astype(np.float32)
        ours = ContentLoss(config.loss, neutral, torch.from_numpy(arkit.std(axis=0)))
        self.loss = loss(neutral) if loss else ours
        self.sampler = Sampler(corpus.train, config.window, config.batch, config.speaker_power)
        self.rng = np.random.default_rng(config.seed)
        self.step, self.best, self.stale, self.history = 0, -1.0, 0, []

    def resume(self) -> None:
        """Go on from the run's last state, if it has one."""
        path = self.out / "last.pt"
        if not path.is_file():
            return
        state = torch.load(path, weights_only=True)
        self.net.load_state_dict(state["net"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        torch.set_rng_state(state["torch_rng"])
        self.rng.bit_generator.state = json.loads(state["rng"])
        self.step, self.best, self.stale = state["step"], state["best"], state["stale"]
        for (learner, average), kept in zip(self.learning()[1:], state.get("more", []), strict=True):
            learner.load_state_dict(kept[0])
            average.load_state_dict(kept[1])
        self.history = json.loads(state["history"])
        log.info("resuming at step %d", self.step)

    def start_from(self, checkpoint: Path) -> None:
        """Begin with the weights, normalisation and face basis of ``checkpoint`` (.safetensors).

        Raises
        ------
        ValueError
            If it is not a checkpoint of a network of this shape, or learned with another listener.
        """
        self.begin_with(checkpoint)
        listener_for(load_checkpoint(checkpoint)[1], self.corpus.listener_folder)

    def begin_with(self, checkpoint: Path) -> None:
        """Take the weights of ``checkpoint``, whatever it heard with; errors as :meth:`start_from`'s."""
        try:
            weights = load_file(checkpoint)
            self.net.load_state_dict(weights)
            self.average.load_state_dict(weights)
        except (OSError, SafetensorError, RuntimeError) as error:
            raise ValueError(f"'{checkpoint}' cannot be started from: {error}") from error

    def save(self) -> None:
        """Write the run's state."""
        state = {
            "net": self.net.state_dict(),
            "average": self.average.state_dict(),
            "more": [[one.state_dict() for one in pair] for pair in self.learning()[1:]],
            "optimiser": self.optimiser.state_dict(),
            "torch_rng": torch.get_rng_state(),
            "rng": json.dumps(self.rng.bit_generator.state),
            "step": self.step,
            "best": self.best,
            "stale": self.stale,
            "history": json.dumps(self.history),
        }
        part = self.out / "last.part"
        torch.save(state, part)
        part.replace(self.out / "last.pt")
        record = {"config": asdict(self.config), "best": self.best, "history": self.history}
        (self.out / "run.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")

    def rate(self) -> float:
        """Return this step's learning rate: a short warm-up, then half a cosine down to a hundredth."""
        config = self.config
        if self.step < config.warmup:
            return config.learning_rate * (self.step + 1) / config.warmup
        done = (self.step - config.warmup) / max(1, config.steps - config.warmup)
        return config.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, done))))

    def heard(self, features: torch.Tensor, sequences: Sequence[Stretch], rows: Sequence[slice]) -> torch.Tensor:
        """Return the features (B, T, F) of a batch: those of the renditions, if the listener does not learn."""
        return features

    def heard_with(self) -> dict[str, str]:
        """Return the note of a checkpoint that says which listener it needs; called when one is kept."""
        return {"listener": self.corpus.listener}

    def kept_listener(self) -> PhoneticListener:
        """Return what the best network of the run hears with."""
        network, encoder = heard_by(self.config, self.corpus.listener_folder)
        return PhoneticListener(network.open(), encoder and Encoder(encoder))

    def validation(self) -> Sequence[Stretch]:
        """Return the validation sequences as they are heard now."""
        return self.corpus.val

    def learning(self) -> list[tuple[torch.nn.Module, torch.nn.Module]]:
        """Return the networks that learn, each with its average."""
        return [(self.net, self.average)]

    def learn(self) -> dict[str, float]:
        """Take one step and return the parts of its loss."""
        self.net.train()
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate() * group.get("share", 1.0)
        sequences, rows = self.sampler.choose(self.rng)
        features, landmarks, arkit, weight, lengths = _tensors(batch_of(sequences, rows))
        features = self.heard(features, sequences, rows)
        parts = self.loss(*self.net(features, lengths), landmarks, arkit, weight)
        total: torch.Tensor = torch.stack(list(parts.values())).sum()
        self.optimiser.zero_grad(set_to_none=True)
        total.backward()
        for learner, _ in self.learning():
            torch.nn.utils.clip_grad_norm_(learner.parameters(), 0.5)
        self.optimiser.step()
        decay = min(self.config.average, (self.step + 1) / (self.step + 10))
        with torch.no_grad():
            for learner, average in self.learning():
                for mean, new in zip(average.parameters(), learner.parameters(), strict=True):
                    mean.lerp_(new, 1 - decay)
        self.step += 1
        return {name: float(part.detach()) for name, part in parts.items()}

    def evaluate(self, parts: dict[str, float]) -> bool:
        """Validate the averaged weights, keep them if they are the best; return whether to go on."""
        figures = validate(self.average, self.validation())
        self.history.append({"step": self.step, **figures, "loss": parts})
        better = figures["r_open_speakers"] > self.best
        self.stale = 0 if better else self.stale + 1
        if better:
            self.best = figures["r_open_speakers"]
            weights = stored(self.average.state_dict())
            note = {"shape": json.dumps(asdict(self.config.shape)), "config": json.dumps(asdict(self.config))}
            note |= {"step": str(self.step), "validation": json.dumps(figures), "encoder": self.corpus.encoder}
            save_file(weights, self.out / "best.safetensors", metadata=note | self.heard_with())
        self.save()
        return self.stale < self.config.patience

    def train(self) -> None:
        """Run to the last step or until validation has not improved for ``patience`` evaluations."""
        self.out.mkdir(parents=True, exist_ok=True)
        begun, totals = time.monotonic(), defaultdict(float)
        every = self.config.evaluate_every
        while self.step < self.config.steps:
            for name, value in self.learn().items():
                totals[name] += value / every
            if self.step % every == 0:
                going = self.evaluate(dict(totals))
                last = self.history[-1]
                log.info(
                    "%d/%d  loss %.4f  r_open %.3f  by speaker %.3f, best %.3f  ratio %.2f  ARKit %.2f %.2f  %.0f s",
                    self.step,
                    self.config.steps,
                    sum(totals.values()),
                    last["r_open"],
                    last["r_open_speakers"],
                    self.best,
                    last["open_ratio"],
                    last["r_arkit_speakers"],
                    last["arkit_ratio_speakers"],
                    time.monotonic() - begun,
                )
                totals.clear()
                if not going:
                    log.info("no better for %d evaluations: stopping", self.config.patience)
                    break
        self.save()


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training.content.train",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", type=Path, required=True, help="JSON file, see training/configs")
    parser.add_argument("--data", type=Path, required=True, help="training pack made by training.pack.prepare")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument("--cache", type=Path, help="where features are kept between runs (default: OUT/cache)")
    parser.add_argument("--sync", type=Path, help="table of late sounds, made by training.pack.resync")
    parser.add_argument("--listener", type=Path, help="folder with another phonetic.onnx to begin with")
    parser.add_argument("--whisper", type=Path, help="model.bin of Whisper tiny.en, for a run that tunes the listener")
    parser.add_argument("--seed", type=int, help="instead of the configuration's")
    parser.add_argument("--steps", type=int, help="instead of the configuration's")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--start-from", type=Path, help="checkpoint (.safetensors) whose weights to begin with")
    parser.add_argument("--resume", action="store_true", help="go on with the run in OUT")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    from .tuning import TunedRun  # it builds on this module

    args = _arguments().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    torch.set_num_threads(args.threads)
    changes = {key: getattr(args, key) for key in ("seed", "steps") if getattr(args, key) is not None}
    try:
        config = Config(**{f.name: getattr(Config.read(args.config), f.name) for f in fields(Config)} | changes)
        late = read_sync(args.sync) if args.sync else None
        if config.tuning and not args.whisper:
            raise ValueError("this configuration tunes the listener: name Whisper's model.bin with --whisper")
        corpus = load_corpus(args.data, args.cache or args.out / "cache", config, late, args.listener)
        run = TunedRun(config, corpus, args.out, args.whisper) if config.tuning else Run(config, corpus, args.out)
        if args.start_from:
            run.start_from(args.start_from)
        if args.resume:
            run.resume()
        run.train()
    except KeyboardInterrupt:
        log.info("interrupted; go on with --resume")
        return 130
    except (OSError, ValueError, MouthpieceError) as error:
        log.error("training stopped: %s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
