"""Train the portrait generator: ``python -m training.portrait.train --config CONFIG --data DIR --out DIR``.

The configuration shipped is ``training/configs/portrait.json``. Seeded and resumable (``--resume``): the run folder
holds ``last.pt`` (everything needed to go on), ``average.safetensors`` (the averaged weights, which are what is
exported) and ``run.json`` (configuration and history).
Exit code 0 when done, 1 when stopped by an error, 130 when interrupted (resume then).
"""

from __future__ import annotations

import argparse
import copy
import json
import logging
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from queue import Empty
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from .data import Augmentation, Clip, Pairs, read_split
from .losses import GeneratorLoss, Weights, hinge, importance, judged_where, matched, weighed
from .networks import Critic, Repair, Shape

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Config:
    """A training run; read from JSON, unknown keys are errors.

    ``pairs`` samples of two frames make a batch; the critic joins at step ``critic_from``; ``average`` is the decay of
    the weights' average; learning rates fall to a tenth over the last third.
    """

    name: str = "portrait"
    version: str = "1"
    seed: int = 0
    steps: int = 6000
    pairs: int = 4
    rate: float = 4e-4
    critic_rate: float = 2e-4
    critic_from: int = 1500
    average: float = 0.998
    stills: int = 6
    validate_every: int = 500
    shape: Shape = field(default_factory=Shape)
    weights: Weights = field(default_factory=Weights)
    augmentation: Augmentation = field(default_factory=Augmentation)

    @classmethod
    def of(cls, raw: dict[str, Any]) -> Config:
        """Return the configuration written as JSON.

        Raises
        ------
        ValueError
            If a key is unknown or a value does not fit.
        """
        parts = {"shape": Shape, "weights": Weights, "augmentation": Augmentation}
        try:
            values = dict(raw)
            for key, part in parts.items():
                if key in values:
                    known = {item.name for item in fields(part)}
                    if set(values[key]) - known:
                        raise ValueError(f"unknown: {sorted(set(values[key]) - known)}")
                    values[key] = Shape.of(values[key]) if part is Shape else part(**values[key])
            return cls(**values)
        except (TypeError, KeyError) as error:
            raise ValueError(f"the configuration does not fit ({error})") from error


class Feed:
    """Batches made by a process beside this one."""

    def __init__(self, clips: Sequence[Clip], config: Config, seed: int) -> None:
        """Start the process."""
        context = multiprocessing.get_context("fork")
        self._queue: Any = context.Queue(4)
        self._process = context.Process(target=self._fill, args=(clips, config, seed), daemon=True)
        self._process.start()

    def _fill(self, clips: Sequence[Clip], config: Config, seed: int) -> None:
        os.nice(5)
        rng = np.random.default_rng(seed)
        pairs = iter(Pairs(clips, config.augmentation, rng, config.stills))
        # crops of the same two frames come one after the other: a shelf mixes them
        shelf = [next(pairs) for _ in range(4 * config.pairs)]
        while True:
            picked = rng.choice(len(shelf), config.pairs, replace=False)
            batch = [np.concatenate(part) for part in zip(*(shelf[k] for k in picked), strict=True)]
            self._queue.put([np.round(part * 255).astype(np.uint8) for part in batch])
            for k in picked:
                shelf[k] = next(pairs)

    def batch(self) -> tuple[Tensor, Tensor]:
        """Return planes (2 N, 12, S, S) and frames (2 N, 3, S, S), 0..1.

        Raises
        ------
        RuntimeError
            If the process beside has died.
        """
        while True:
            try:
                planes, frames = self._queue.get(timeout=30)
            except Empty:
                if not self._process.is_alive():
                    raise RuntimeError("the process that makes samples has stopped") from None
                continue
            return torch.from_numpy(planes).float() / 255, torch.from_numpy(frames).float() / 255

    def stop(self) -> None:
        """End the process."""
        self._process.terminate()


class Run:
    """Networks, optimisers and history of a training run."""

    def __init__(self, config: Config) -> None:
        """Start anew."""
        torch.manual_seed(config.seed)
        self.config = config
        self.net, self.critic = Repair(config.shape), Critic()
        self.average = copy.deepcopy(self.net).requires_grad_(False)
        self.loss = GeneratorLoss(config.weights)
        self.optimiser = torch.optim.Adam(self.net.parameters(), config.rate, (0.9, 0.99))
        self.critic_optimiser = torch.optim.Adam(self.critic.parameters(), config.critic_rate, (0.5, 0.99))
        self.step, self.history = 0, list[dict[str, float]]()

    def trained(self, planes: Tensor, real: Tensor) -> dict[str, float]:
        """Take a step and return the terms of the loss."""
        self._set_rates()
        made = self.net(planes)
        terms = self.loss(made, real, planes)
        judged = self.step >= self.config.critic_from
        if judged:
            terms |= self._against_critic(made, real, planes)
        total = torch.stack([term for name, term in terms.items() if name != "verdicts"]).sum()
        self.optimiser.zero_grad(set_to_none=True)
        total.backward()
        nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        self.optimiser.step()
        with torch.no_grad():
            decay = min(self.config.average, (1 + self.step) / (10 + self.step))
            for kept, new in zip(self.average.parameters(), self.net.parameters(), strict=True):
                kept.lerp_(new, 1 - decay)
        self.step += 1
        return {name: float(term.detach()) for name, term in terms.items()}

    def _against_critic(self, made: Tensor, real: Tensor, planes: Tensor) -> dict[str, Tensor]:
        """Teach the critic, then return what it makes of the frames."""
        lines, masks, oval = planes[:, 6:9], planes[:, 9:11], planes[:, 11:12]
        shown = oval * real + (1 - oval) * planes[:, :3]
        share = judged_where(planes, self.config.weights)
        judged = hinge(self.critic(shown, lines, masks)[0], self.critic(made.detach(), lines, masks)[0], share)
        self.critic_optimiser.zero_grad(set_to_none=True)
        judged.backward()
        self.critic_optimiser.step()
        self.critic.requires_grad_(False)
        with torch.no_grad():
            wanted = self.critic(shown, lines, masks)[1]
        verdict, features = self.critic(made, lines, masks)
        self.critic.requires_grad_(True)
        weights = self.config.weights
        return {
            "critic": -weights.critic * weighed(verdict, share),
            "matching": weights.matching * matched(wanted, features),
            "verdicts": judged.detach(),
        }

    def _set_rates(self) -> None:
        config = self.config
        fall = min(max((self.step / max(config.steps, 1) - 2 / 3) * 3, 0.0), 1.0)
        rise = min(1.0, (self.step + 1) / 100)
        for optimiser, rate in ((self.optimiser, config.rate), (self.critic_optimiser, config.critic_rate)):
            for group in optimiser.param_groups:
                group["lr"] = rate * rise * (1 - 0.9 * fall)

    def save(self, folder: Path) -> None:
        """Write the run, so that it can go on, and the averaged weights."""
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / "last.pt.part"
        torch.save(
            {
                "step": self.step, "history": self.history, "net": self.net.state_dict(),
                "critic": self.critic.state_dict(), "average": self.average.state_dict(),
                "optimisers": [self.optimiser.state_dict(), self.critic_optimiser.state_dict()],
            },
            part,
        )  # fmt: skip
        part.replace(folder / "last.pt")
        save_weights(self.average, folder / "average.safetensors", self.config, self.step, self.history)
        facts = {"config": asdict(self.config), "step": self.step, "history": self.history}
        (folder / "run.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")

    def resume(self, folder: Path) -> None:
        """Go on where ``folder`` left off."""
        stored = torch.load(folder / "last.pt", weights_only=True)
        self.step, self.history = stored["step"], stored["history"]
        self.net.load_state_dict(stored["net"])
        self.critic.load_state_dict(stored["critic"])
        self.average.load_state_dict(stored["average"])
        for optimiser, state in zip((self.optimiser, self.critic_optimiser), stored["optimisers"], strict=True):
            optimiser.load_state_dict(state)


def save_weights(net: Repair, path: Path, config: Config, step: int, history: list[dict[str, float]]) -> None:
    """Write the weights of a generator, as half floats, with what made them."""
    notes = {
        "shape": json.dumps(net.shape.as_json()), "config": json.dumps(asdict(config)), "step": str(step),
        "validation": json.dumps(history[-1] if history else {}),
    }  # fmt: skip
    save_file({name: tensor.half().contiguous() for name, tensor in net.state_dict().items()}, path, notes)


def load_weights(path: Path) -> tuple[Repair, dict[str, str]]:
    """Return the generator stored in ``path`` (.safetensors), and its notes.

    Raises
    ------
    ValueError
        If it is not a checkpoint of the portrait generator.
    """
    try:
        with safe_open(path, "pt") as stored:
            notes = dict(stored.metadata() or {})
            net = Repair(Shape.of(json.loads(notes["shape"])))
            net.load_state_dict({name: stored.get_tensor(name).float() for name in stored.keys()})
    except (OSError, SafetensorError, KeyError, TypeError, RuntimeError, ValueError) as error:
        raise ValueError(f"'{path}' is not a checkpoint of the portrait generator ({error})") from error
    return net.eval(), notes


def fixed_batches(clips: Sequence[Clip], config: Config, count: int) -> list[tuple[Tensor, Tensor]]:
    """Return samples that never change: what a run is validated on."""
    plain = Augmentation(side=config.augmentation.side, mouth=1.0, shift=0.0, zoom=0.0, turn=0.0, tone=0.0)
    pairs = iter(Pairs(clips, plain, np.random.default_rng(1), 2))
    drawn: Iterator[tuple[Any, Any]] = (next(pairs) for _ in range(2 * count))
    return [(torch.from_numpy(planes), torch.from_numpy(frames)) for k, (planes, frames) in enumerate(drawn) if k % 2]


@torch.no_grad()
def validated(net: nn.Module, batches: Sequence[tuple[Tensor, Tensor]], loss: GeneratorLoss) -> dict[str, float]:
    """Return mean figures over mouths of unseen people: PSNR in dB, and feature distance; and the warp's own."""
    figures: dict[str, list[float]] = {}
    for planes, real in batches:
        share = importance(planes, Weights(mouth=4.0, eyes=1.0)) - planes[:, 11:12]
        target = planes[:, 11:12] * real + (1 - planes[:, 11:12]) * planes[:, :3]
        for name, frames in (("", net(planes)), ("warp_", planes[:, :3])):
            error = float((share * (frames - real) ** 2).sum() / (3 * share.sum()))
            figures.setdefault(name + "psnr", []).append(-10 * float(np.log10(max(error, 1e-9))))
            apart = zip(loss.features(frames), loss.features(target), strict=True)
            figures.setdefault(name + "features", []).append(float(np.mean([
                float(((a - b) ** 2).sum(dim=1).mean()) for a, b in apart
            ])))  # fmt: skip
    return {name: float(np.mean(values)) for name, values in figures.items()}


def train(config: Config, data: Path, out: Path, resume: bool) -> None:
    """Train a generator into the folder ``out``."""
    run = Run(config)
    if resume:
        run.resume(out)
    batches = fixed_batches(read_split(data, "val"), config, 24)
    feed = Feed(read_split(data, "train"), config, config.seed + run.step)
    began, told = time.monotonic(), dict[str, float]()
    try:
        while run.step < config.steps:
            for name, value in run.trained(*feed.batch()).items():
                told[name] = 0.98 * told.get(name, value) + 0.02 * value
            if run.step % 50 == 0:
                words = ", ".join(f"{name} {value:.4f}" for name, value in told.items())
                log.info("step %d, %.0f s: %s", run.step, time.monotonic() - began, words)
            if run.step % config.validate_every == 0 or run.step == config.steps:
                figures = validated(run.average, batches, run.loss)
                run.history.append({"step": run.step} | figures)
                log.info("step %d: %s", run.step, ", ".join(f"{k} {v:.4f}" for k, v in figures.items()))
                run.save(out)
    finally:
        feed.stop()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m training.portrait.train", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True, help="the training pack")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument("--resume", action="store_true", help="go on with the run in that folder")
    parser.add_argument("--threads", type=int, default=1, help="threads of torch; leave a core to the samples")
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    torch.set_num_threads(args.threads)
    try:
        config = Config.of(json.loads(args.config.read_text(encoding="utf-8")))
        train(config, args.data, args.out, args.resume)
    except KeyboardInterrupt:
        log.error("stopped; go on with --resume")
        return 130
    except (OSError, ValueError, RuntimeError) as error:
        log.error("not trained: %s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
