"""Train the phone head: ``python -m training.phones.train --config training/configs/phones.json --data PACK …``.

Learns the labels of ``training.phones.labels`` from the listener's hidden features of clips and of altered renditions
of them (noise, rooms, telephones, pitch; not speed). Every run is seeded. Validation clips choose which weights are
kept: the share of frames whose phone is right, where a text says which. Exit code 0 when trained.
"""

from __future__ import annotations

import json
import logging
import math
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from mouthpiece.files.writer import write_whole
from mouthpiece.models.phonetic import PhoneticListener
from mouthpiece.models.registry import find
from numpy.typing import NDArray
from safetensors.torch import save
from torch import nn

from ..command_line import exit_code, parser_of
from ..configuration import Configuration
from ..content.data import NO_AUGMENTATION, SoundAugmentation, cached_rendition
from ..content.targets import canonical_face, make_targets
from ..networks.weights import half_floats
from ..pack.clips import Clip, load_split
from .labels import ClipLabels, read
from .networks import HeadShape, PhoneHead
from .readers import hidden_steps

log = logging.getLogger(__name__)

#: Alterations that leave times as they are.
ALTERED = SoundAugmentation(join=0, cut=0, silence=0, silent_share=0, speed=0)
#: Weight of the beginnings of words beside the phones, and of a beginning beside a step without one.
WORD_WEIGHT, START_WEIGHT = 0.3, 4.0


@dataclass(frozen=True, slots=True)
class HeadConfig(Configuration):
    """Settings of a run.

    Attributes
    ----------
    seed : seed of everything random.
    steps, warmup : steps of training, and how many of them the learning rate rises.
    batch, window : windows of a batch, and steps of 1/50 s of a window.
    learning_rate, weight_decay, average : of AdamW, and decay of the running average of the weights, which is kept.
    evaluate_every : steps between validations.
    renditions : copies of the clips to learn from; the first is not altered.
    smoothing : share of probability given to all phones alike, so that none is ever ruled out.
    """

    seed: int = 0
    steps: int = 1600
    warmup: int = 80
    batch: int = 32
    window: int = 200
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    average: float = 0.995
    evaluate_every: int = 200
    renditions: int = 3
    smoothing: float = 0.02
    shape: HeadShape = field(default_factory=HeadShape)


@dataclass(frozen=True, slots=True, eq=False)
class LabelledSound:
    """Hidden features (S, 512) of a clip and its labels at 50 Hz; ``speaker`` says whose it is."""

    speaker: str
    hidden: NDArray[np.float16]
    labels: ClipLabels


def labelled(
    clips: Sequence[Clip], labels: dict[str, ClipLabels], listener: PhoneticListener, config: HeadConfig, cache: Path,
    stamp: str, renditions: int,
) -> list[LabelledSound]:  # fmt: skip
    """Return all renditions of those ``clips`` that have labels; features are kept in the folder ``cache``."""
    targets = make_targets(clips, canonical_face(clips))
    found = []
    for k in range(renditions):
        how = ALTERED if k else NO_AUGMENTATION
        for clip, stretch in zip(
            clips, cached_rendition(cache, clips, targets, listener, how, config.seed + k, stamp), strict=True
        ):
            own = labels.get(clip.name)
            if own is None:
                continue
            count = min(len(own.phones), 2 * len(stretch))
            hidden = hidden_steps(stretch.features)[:count].astype(np.float16)
            cut = ClipLabels(own.phones[:count], own.word_starts[:count], own.weight[:count])
            found.append(LabelledSound(clip.speaker, hidden, cut))
    return found


def loss_of(net: PhoneHead, batch: Sequence[LabelledSound], rows: Sequence[slice], smoothing: float) -> torch.Tensor:
    """Return the loss of a batch of windows."""
    hidden = nn.utils.rnn.pad_sequence(
        [torch.from_numpy(s.hidden[r].astype(np.float32)) for s, r in zip(batch, rows, strict=True)], batch_first=True
    )
    truth, starts, weight = (
        nn.utils.rnn.pad_sequence(
            [torch.from_numpy(np.asarray(getattr(s.labels, name)[r])) for s, r in zip(batch, rows, strict=True)],
            batch_first=True,
        )
        for name in ("phones", "word_starts", "weight")
    )
    phones, begins = net(hidden)
    right = phones.gather(-1, truth[..., None])[..., 0]
    error = -(1 - smoothing) * right - smoothing * phones.mean(dim=-1)
    known = (weight > 0.45).float()  # beginnings are known where a text says what is said
    near = starts.float()
    near = torch.maximum(near, 0.5 * nn.functional.max_pool1d(near[:, None], 3, 1, 1)[:, 0])
    begin = begins[..., 0]
    no = torch.log1p(-begin.exp().clamp_max(1 - 1e-6))
    words = -(START_WEIGHT * near * begin + (1 - near) * no) * known
    total: torch.Tensor = (error * weight).sum() / weight.sum() + WORD_WEIGHT * words.sum() / known.sum().clamp_min(1)
    return total


@torch.no_grad()
def accuracy(net: PhoneHead, sounds: Sequence[LabelledSound]) -> float:
    """Return the share of steps with the right phone, where a text says which, silence left out."""
    net.eval()
    right = total = 0
    for sound in sounds:
        phones, _ = net(torch.from_numpy(sound.hidden.astype(np.float32))[None])
        counts = (sound.labels.weight > 0.45) & (sound.labels.phones > 0)
        right += int((phones[0].argmax(dim=-1).numpy() == sound.labels.phones)[counts].sum())
        total += int(counts.sum())
    return right / max(1, total)


def train(config: HeadConfig, sounds: Sequence[LabelledSound], val: Sequence[LabelledSound], out: Path) -> float:
    """Train, keep the best averaged weights in ``out``/phones.safetensors, and return their accuracy."""
    torch.manual_seed(config.seed)
    rng = np.random.default_rng(config.seed)
    net = PhoneHead(config.shape)
    net.fit_buffers(torch.from_numpy(np.concatenate([s.hidden[::7] for s in sounds]).astype(np.float32)))
    average = torch.optim.swa_utils.AveragedModel(
        net, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(config.average)
    )
    optimiser = torch.optim.AdamW(net.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    minutes: dict[str, float] = {}
    for sound in sounds:
        minutes[sound.speaker] = minutes.get(sound.speaker, 0.0) + len(sound.hidden)
    chance = np.array([len(s.hidden) / minutes[s.speaker] ** 0.5 for s in sounds])
    chance /= chance.sum()
    best = -1.0
    for step in range(1, config.steps + 1):
        rise = min(1.0, step / config.warmup)
        for group in optimiser.param_groups:
            group["lr"] = config.learning_rate * rise * 0.5 * (1.01 + math.cos(math.pi * step / config.steps))
        batch = [sounds[int(k)] for k in rng.choice(len(sounds), config.batch, p=chance)]
        starts = [int(rng.integers(0, max(1, len(s.hidden) - config.window + 1))) for s in batch]
        net.train()
        loss = loss_of(net, batch, [slice(a, a + config.window) for a in starts], config.smoothing)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        average.update_parameters(net)
        if step % config.evaluate_every == 0 or step == config.steps:
            kept = average.module
            figure = accuracy(kept, val)
            log.info("%d/%d  loss %.3f  right %.3f", step, config.steps, float(loss.detach()), figure)
            if figure > best:
                best = figure
                note = {"shape": json.dumps(asdict(config.shape)), "config": json.dumps(asdict(config))}
                note |= {"step": str(step), "validation": json.dumps({"frames_right": round(figure, 4)})}
                write_whole(out / "phones.safetensors", save(half_floats(kept.state_dict(), ("mean", "scale")), note))
    return best


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = parser_of("training.phones.train", __doc__)
    parser.add_argument("--config", type=Path, required=True, help="JSON file, see training/configs/phones.json")
    parser.add_argument("--data", type=Path, required=True, help="training pack made by training.pack.prepare")
    parser.add_argument("--labels", type=Path, required=True, help="what training.phones.labels wrote")
    parser.add_argument("--listener", type=Path, help="folder with the phonetic.onnx to hear with (default: shipped)")
    parser.add_argument("--cache", type=Path, help="where features are kept between runs (default: OUT/cache)")
    parser.add_argument("--out", type=Path, required=True, help="folder for phones.safetensors")
    args = parser.parse_args(argv)

    def work() -> None:
        torch.set_num_threads(1)
        config, labels = HeadConfig.read(args.config), read(args.labels)
        network = find("phonetic", args.listener)
        listener, cache = PhoneticListener(network.open()), args.cache or args.out / "cache"
        args.out.mkdir(parents=True, exist_ok=True)
        sets = [
            labelled(load_split(args.data, split), labels, listener, config, cache, network.sidecar.sha256, copies)
            for split, copies in (("train", config.renditions), ("val", 1))
        ]
        if not all(sets):
            raise ValueError(f"'{args.labels}' labels no clip of the pack to learn from, or none to validate with")
        log.info("best: %.3f of the frames right", train(config, *sets, args.out))

    return exit_code(work, "training stopped")


if __name__ == "__main__":
    sys.exit(main())
