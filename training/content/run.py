"""A run that trains the content network: its steps, its validation, and its state on disk."""

from __future__ import annotations

import copy
import json
import logging
import math
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mouthpiece.features import FEATURE_SIZE
from mouthpiece.files.writer import replacing, write_whole
from mouthpiece.models.encoder import Encoder
from mouthpiece.models.phonetic import PhoneticListener
from mouthpiece.topology import ARKIT_INDEX, ARKIT_MOUTH
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from ..files import write_json
from ..measures.score import pearson
from ..networks.weights import half_floats
from ..pack.clips import LABELLED
from .config import ContentConfig
from .corpus import Corpus, listening_networks
from .data import Stretch, StretchBatch, StretchSampler, batch_of
from .export import listener_for, load_checkpoint
from .losses import SMALL_SPREAD, ContentLoss, gap_and_width
from .networks import BUFFERS, ContentNet, ContentShape

log = logging.getLogger(__name__)

JAW_OPEN = ARKIT_INDEX["jawOpen"]
MOUTH_COLUMNS = [k for k, name in enumerate(LABELLED) if name in ARKIT_MOUTH]


def _tensors(batch: StretchBatch) -> tuple[torch.Tensor, ...]:
    return tuple(
        torch.from_numpy(getattr(batch, name)) for name in ("features", "landmarks", "arkit", "weight", "lengths")
    )


@torch.no_grad()
def validate(net: ContentNet, sequences: Sequence[Stretch]) -> dict[str, float]:
    """Return how well predicted lips and ARKit weights follow the recorded ones, as means over clips and speakers."""
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
    """Return r_open and open_ratio, then r of jawOpen, mean r and mean spread ratio of moving ARKit mouth weights."""
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


class ContentRun:
    """One training run and its state in the folder ``out``."""

    def __init__(
        self,
        config: ContentConfig,
        corpus: Corpus,
        out: Path,
        make: Callable[[ContentShape], Any] = ContentNet,
        loss: Callable[[torch.Tensor], Any] | None = None,
    ) -> None:
        """Make network and optimiser; nothing is read from ``out`` yet.

        For comparisons, ``make`` returns another network for a shape, and ``loss`` another loss for the resting face
        (68, 3).
        """
        torch.manual_seed(config.seed)
        extra = corpus.train[0][0].features.shape[1] - FEATURE_SIZE
        config = replace(config, shape=replace(config.shape, extra=extra))
        self.config, self.corpus, self.out = config, corpus, out
        self.net = make(config.shape)
        clean = corpus.train[0]
        features = np.concatenate([s.features[::3] for s in clean]).astype(np.float32)
        every = 7 if sum(int((s.weight[::7] > 0).sum()) for s in clean) >= 2 * config.shape.basis else 1
        landmarks = np.concatenate([s.landmarks[::every][s.weight[::every] > 0] for s in clean]).astype(np.float32)
        neutral = torch.from_numpy(corpus.neutral.astype(np.float32))
        self.net.fit_buffers(torch.from_numpy(features), torch.from_numpy(landmarks), neutral)
        self.average = copy.deepcopy(self.net)
        self.optimiser = torch.optim.AdamW(
            self.net.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )
        arkit = np.concatenate([s.arkit for s in clean]).astype(np.float32)
        ours = ContentLoss(config.loss, neutral, torch.from_numpy(arkit.std(axis=0)))
        self.loss = loss(neutral) if loss else ours
        self.sampler = StretchSampler(corpus.train, config.window, config.batch, config.speaker_power)
        self.rng = np.random.default_rng(config.seed)
        self.step, self.best, self.stale, self.history = 0, -1.0, 0, []

    def resume(self) -> None:
        """Continue from the state in the run's folder, if there is one."""
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
            If it is not a checkpoint of a network of this shape, or was trained with another listener.
        """
        self.begin_with(checkpoint)
        listener_for(load_checkpoint(checkpoint)[1], self.corpus.listener_folder)

    def begin_with(self, checkpoint: Path) -> None:
        """Take the weights of ``checkpoint`` without asking for its listener; errors as in :meth:`start_from`."""
        try:
            weights = load_file(checkpoint)
            self.net.load_state_dict(weights)
            self.average.load_state_dict(weights)
        except (OSError, SafetensorError, RuntimeError) as error:
            raise ValueError(f"'{checkpoint}' cannot be started from: {error}") from error

    def save(self) -> None:
        """Write ``last.pt``, from which the run can be resumed, and ``run.json``."""
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
        with replacing(self.out / "last.pt") as part:
            torch.save(state, part)
        record = {"config": asdict(self.config), "best": self.best, "history": self.history}
        write_json(self.out / "run.json", record)

    def rate(self) -> float:
        """Return this step's learning rate: a short warm-up, then half a cosine down to a hundredth."""
        config = self.config
        if self.step < config.warmup:
            return config.learning_rate * (self.step + 1) / config.warmup
        done = (self.step - config.warmup) / max(1, config.steps - config.warmup)
        return config.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, done))))

    def batch_features(
        self, features: torch.Tensor, sequences: Sequence[Stretch], rows: Sequence[slice]
    ) -> torch.Tensor:
        """Return the features (B, T, F) a batch is trained on: here those stored in the renditions."""
        return features

    def listener_note(self) -> dict[str, str]:
        """Return the checkpoint note that says which listener the network needs; called when a checkpoint is kept."""
        return {"listener": self.corpus.listener}

    def kept_listener(self) -> PhoneticListener:
        """Return the listener that the best network of the run needs."""
        network, encoder = listening_networks(self.config, self.corpus.listener_folder)
        return PhoneticListener(network.open(), encoder and Encoder(encoder))

    def validation(self) -> Sequence[Stretch]:
        """Return the validation sequences with features of the present listener."""
        return self.corpus.val

    def learning(self) -> list[tuple[torch.nn.Module, torch.nn.Module]]:
        """Return the networks that are trained, each with its running average."""
        return [(self.net, self.average)]

    def learn(self) -> dict[str, float]:
        """Train one step and return the parts of its loss by name."""
        self.net.train()
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate() * group.get("share", 1.0)
        sequences, rows = self.sampler.choose(self.rng)
        features, landmarks, arkit, weight, lengths = _tensors(batch_of(sequences, rows))
        features = self.batch_features(features, sequences, rows)
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
        """Validate the averaged weights and keep them if they are the best so far; return whether to go on."""
        figures = validate(self.average, self.validation())
        self.history.append({"step": self.step, **figures, "loss": parts})
        better = figures["r_open_speakers"] > self.best
        self.stale = 0 if better else self.stale + 1
        if better:
            self.best = figures["r_open_speakers"]
            weights = half_floats(self.average.state_dict(), BUFFERS)
            note = {"shape": json.dumps(asdict(self.config.shape)), "config": json.dumps(asdict(self.config))}
            note |= {"step": str(self.step), "validation": json.dumps(figures), "encoder": self.corpus.encoder}
            write_whole(self.out / "best.safetensors", save(weights, note | self.listener_note()))
        self.save()
        return self.stale < self.config.patience

    def train(self) -> None:
        """Train to the last step, or until validation has not improved for ``patience`` evaluations."""
        self.out.mkdir(parents=True, exist_ok=True)
        begun, totals = time.monotonic(), defaultdict(float)
        every = self.config.evaluate_every
        while self.step < self.config.steps:
            for name, value in self.learn().items():
                totals[name] += value / every
            if self.step % every == 0 or self.step == self.config.steps:  # a short run is validated as well
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
