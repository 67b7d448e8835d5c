"""Train the portrait generator: ``python -m training.portrait.train --config CONFIG --data DIR --out DIR``.

The shipped settings are ``training/configs/portrait.json``. Seeded and resumable (``--resume``). The run folder
holds ``last.pt`` (the state to resume from), ``average.safetensors`` (the averaged weights, which are exported) and
``run.json`` (configuration and history).
Exit code 0 when done, 1 when stopped by an error, 130 when interrupted (resume then).
"""

from __future__ import annotations

import copy
import json
import logging
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from queue import Empty
from typing import Any

import numpy as np
import torch
from mouthpiece.files.writer import replacing, write_whole
from safetensors.torch import save
from torch import Tensor, nn

from ..command_line import exit_code, parser_of
from ..configuration import Configuration
from ..files import write_json
from ..networks.weights import half_floats, load_network
from .data import FaceClip, Pairs, PictureAugmentation, read_split
from .losses import GeneratorLoss, PortraitLossWeights, hinge, importance, judged_where, matched, weighted_mean
from .networks import Critic, GeneratorShape, Repair

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PortraitConfig(Configuration):
    """Settings of a run.

    Attributes
    ----------
    name, version : noted in the sidecar of the exported network.
    seed : seed of everything random.
    steps : steps of training; learning rates fall to a tenth over the last third.
    pairs : samples of two frames in a batch.
    rate, critic_rate : learning rates of generator and critic.
    critic_from : step from which the critic takes part.
    average : decay of the running average of the weights.
    stills : most portraits made of each clip to warp from.
    validate_every : steps between validations.
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
    shape: GeneratorShape = field(default_factory=GeneratorShape)
    weights: PortraitLossWeights = field(default_factory=PortraitLossWeights)
    augmentation: PictureAugmentation = field(default_factory=PictureAugmentation)


class Feed:
    """Batches that another process makes while this one trains."""

    def __init__(self, clips: Sequence[FaceClip], config: PortraitConfig, seed: int) -> None:
        """Start the process, which draws samples from ``clips``."""
        context = multiprocessing.get_context("fork")
        self._queue: Any = context.Queue(4)
        self._process = context.Process(target=self._fill, args=(clips, config, seed), daemon=True)
        self._process.start()

    def _fill(self, clips: Sequence[FaceClip], config: PortraitConfig, seed: int) -> None:
        """Put batches into the queue without end; runs in the other process."""
        os.nice(5)
        rng = np.random.default_rng(seed)
        pairs = iter(Pairs(clips, config.augmentation, rng, config.stills))
        # crops of the same two frames come one after the other: a shelf of samples mixes them
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
        ChildProcessError
            If the other process has died.
        """
        while True:
            try:
                planes, frames = self._queue.get(timeout=30)
            except Empty:
                if not self._process.is_alive():
                    raise ChildProcessError("the process that makes samples has stopped") from None
                continue
            return torch.from_numpy(planes).float() / 255, torch.from_numpy(frames).float() / 255

    def stop(self) -> None:
        """End the other process."""
        self._process.terminate()


class PortraitRun:
    """Networks, optimisers and history of a training run."""

    def __init__(self, config: PortraitConfig) -> None:
        """Make networks and optimisers with random weights."""
        torch.manual_seed(config.seed)
        self.config = config
        self.net, self.critic = Repair(config.shape), Critic()
        self.average = copy.deepcopy(self.net).requires_grad_(False)
        self.loss = GeneratorLoss(config.weights)
        self.optimiser = torch.optim.Adam(self.net.parameters(), config.rate, (0.9, 0.99))
        self.critic_optimiser = torch.optim.Adam(self.critic.parameters(), config.critic_rate, (0.5, 0.99))
        self.step, self.history = 0, list[dict[str, float]]()

    def learn(self, planes: Tensor, real: Tensor) -> dict[str, float]:
        """Train one step on ``planes`` (2 N, 12, S, S) and frames ``real``; return the parts of the loss by name."""
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
        """Train the critic one step, then return its parts of the generator's loss."""
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
            "critic": -weights.critic * weighted_mean(verdict, share),
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
        """Write ``last.pt``, from which the run can be resumed, ``run.json`` and the averaged weights to ``folder``."""
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(folder / "last.pt") as part:
            torch.save(
                {
                    "step": self.step, "history": self.history, "net": self.net.state_dict(),
                    "critic": self.critic.state_dict(), "average": self.average.state_dict(),
                    "optimisers": [self.optimiser.state_dict(), self.critic_optimiser.state_dict()],
                },
                part,
            )  # fmt: skip
        save_weights(self.average, folder / "average.safetensors", self.config, self.step, self.history)
        facts = {"config": asdict(self.config), "step": self.step, "history": self.history}
        write_json(folder / "run.json", facts)

    def resume(self, folder: Path) -> None:
        """Continue from the state in ``folder``."""
        stored = torch.load(folder / "last.pt", weights_only=True)
        self.step, self.history = stored["step"], stored["history"]
        self.net.load_state_dict(stored["net"])
        self.critic.load_state_dict(stored["critic"])
        self.average.load_state_dict(stored["average"])
        for optimiser, state in zip((self.optimiser, self.critic_optimiser), stored["optimisers"], strict=True):
            optimiser.load_state_dict(state)


def save_weights(net: Repair, path: Path, config: PortraitConfig, step: int, history: list[dict[str, float]]) -> None:
    """Write the weights of a generator, as half floats, with its settings to ``path`` (.safetensors)."""
    notes = {
        "shape": json.dumps(asdict(net.shape)), "config": json.dumps(asdict(config)), "step": str(step),
        "validation": json.dumps(history[-1] if history else {}),
    }  # fmt: skip
    write_whole(path, save(half_floats(net.state_dict()), notes))


def load_weights(path: Path) -> tuple[Repair, dict[str, str]]:
    """Return the generator stored in ``path`` (.safetensors), ready to run, and the notes stored with it.

    Raises
    ------
    ValueError
        If it is not a checkpoint of the portrait generator.
    """
    return load_network(
        path, lambda notes: Repair(GeneratorShape.of(json.loads(notes["shape"]), "its shape")), "the portrait generator"
    )


def fixed_batches(clips: Sequence[FaceClip], config: PortraitConfig, count: int) -> list[tuple[Tensor, Tensor]]:
    """Return ``count`` batches for validation, the same at every call: planes (2, 12, S, S), frames (2, 3, S, S)."""
    plain = PictureAugmentation(side=config.augmentation.side, mouth=1.0, shift=0.0, zoom=0.0, turn=0.0, tone=0.0)
    pairs = iter(Pairs(clips, plain, np.random.default_rng(1), 2))
    drawn: Iterator[tuple[Any, Any]] = (next(pairs) for _ in range(2 * count))
    return [(torch.from_numpy(planes), torch.from_numpy(frames)) for k, (planes, frames) in enumerate(drawn) if k % 2]


@torch.no_grad()
def validated(net: nn.Module, batches: Sequence[tuple[Tensor, Tensor]], loss: GeneratorLoss) -> dict[str, float]:
    """Return PSNR in dB and feature distance of mouths and eyes, means over ``batches``, of ``net`` and of the warp."""
    figures: dict[str, list[float]] = {}
    for planes, real in batches:
        share = importance(planes, PortraitLossWeights(mouth=4.0, eyes=1.0)) - planes[:, 11:12]
        target = planes[:, 11:12] * real + (1 - planes[:, 11:12]) * planes[:, :3]
        for name, frames in (("", net(planes)), ("warp_", planes[:, :3])):
            error = float((share * (frames - real) ** 2).sum() / (3 * share.sum()))
            figures.setdefault(name + "psnr", []).append(-10 * float(np.log10(max(error, 1e-9))))
            apart = zip(loss.features(frames), loss.features(target), strict=True)
            figures.setdefault(name + "features", []).append(float(np.mean([
                float(((a - b) ** 2).sum(dim=1).mean()) for a, b in apart
            ])))  # fmt: skip
    return {name: float(np.mean(values)) for name, values in figures.items()}


def train(config: PortraitConfig, data: Path, out: Path, resume: bool) -> None:
    """Train a generator on the pack ``data``; the run's folder is ``out``."""
    run = PortraitRun(config)
    if resume:
        run.resume(out)
    batches = fixed_batches(read_split(data, "val"), config, 24)
    feed = Feed(read_split(data, "train"), config, config.seed + run.step)
    began, told = time.monotonic(), dict[str, float]()
    try:
        while run.step < config.steps:
            for name, value in run.learn(*feed.batch()).items():
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
    parser = parser_of("training.portrait.train", __doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True, help="the training pack")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument("--resume", action="store_true", help="go on with the run in that folder")
    parser.add_argument("--threads", type=int, default=1, help="threads of torch; leave a core to the samples")
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)
    return exit_code(
        lambda: train(PortraitConfig.read(args.config), args.data, args.out, args.resume),
        "not trained",
        "stopped; go on with --resume",
    )


if __name__ == "__main__":
    sys.exit(main())
