"""Train the speaker branch: ``python -m training.speaker.train --config training/configs/speaker.json --data DIR``.

Two things are trained. Head motion (``head.onnx``): from the rhythm of speech to mean and spread of each octave band of
the six pose axes, by maximum likelihood. Manners (``styles.json``): named groups of speakers, and a ridge regression
from voice print and delivery to a speaker's manner. Both are written to ``--out`` (default: the core's assets), and the
head network's weights to ``--checkpoint``, if it is given. It is seeded and takes minutes on one core.
Exit code 0 when written, 1 when stopped by an error.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mouthpiece import styles
from mouthpiece.files import ASSETS
from mouthpiece.files.writer import write_whole
from mouthpiece.models.registry import find
from mouthpiece.motion.head import AXES, BANDS, HEAD_RATE, RHYTHM_SIZE, strengths
from numpy.typing import NDArray
from safetensors.torch import save
from torch import Tensor, nn

from ..command_line import exit_code, parser_of
from ..configuration import Configuration
from ..content.targets import canonical_face, make_targets
from ..networks.onnx_export import LICENCE, SPEECH_DATA, TOLERANCE, sidecar, traced, worst_difference, write_network
from ..pack.clips import Clip, load_split
from ..paths import CONFIGS, PACK
from .data import HeadClip, head_clips, heard_rhythm, manners, tilts, voices, without_voice_print

log = logging.getLogger(__name__)

Floats = NDArray[np.float64]

#: Axes that change sign in a mirror: yaw, roll, x.
_MIRROR = torch.tensor([1.0, -1.0, -1.0, -1.0, 1.0, 1.0])
#: Named style -> share of the speakers it averages, and weights on the manner by which those speakers are chosen.
GROUPS: dict[str, tuple[float, dict[str, float]]] = {
    "calm": (0.2, {"amplitude": -1, "quickness": -1, "opening": -0.5}),
    "energetic": (0.2, {"amplitude": 1, "quickness": 1, "opening": 0.5}),
    "reserved": (0.2, {"amplitude": -1, "opening": -1, "brows": -1, "smile": -0.5}),
    "cheerful": (0.2, {"smile": 1, "amplitude": 0.3, "brows": 0.3}),
}


@dataclass(frozen=True, slots=True)
class SpeakerConfig(Configuration):
    """Settings of a run.

    Attributes
    ----------
    seed, steps, batch, learning_rate : of the head network's training.
    window : length of a training window in samples of 12.5 Hz.
    hidden, dropout : width of the head network's GRU, and share of its outputs dropped in training.
    voice_axes : number of principal axes of voice prints that the regression of manners uses.
    penalty : of the ridge regression.
    """

    seed: int = 0
    steps: int = 500
    window: int = 160
    batch: int = 16
    learning_rate: float = 3e-3
    hidden: int = 24
    dropout: float = 0.3
    voice_axes: int = 12
    penalty: float = 100.0


class HeadNet(nn.Module):
    """Rhythm (B, R, 7) to mean and standard deviation (B, R, 7, 6) of the bands of head pose, by a BiGRU."""

    typical: Tensor
    mixing: Tensor

    def __init__(self, hidden: int, dropout: float) -> None:
        """Make the network; at first it predicts the average of all bands."""
        super().__init__()
        self.register_buffer("typical", torch.ones(BANDS, AXES))
        self.register_buffer("mixing", torch.eye(AXES).repeat(BANDS, 1, 1))
        self.recurrent = nn.GRU(RHYTHM_SIZE, hidden, batch_first=True, bidirectional=True)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(2 * hidden, 2 * BANDS * AXES)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, rhythm: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and standard deviation (B, R, 7, 6) of the average speaker's bands."""
        rows = self.dropout(self.recurrent(rhythm)[0])
        mean, log_spread = self.head(rows).unflatten(-1, (2, BANDS, AXES)).unbind(2)
        return mean * self.typical, log_spread.clamp(-2, 2).exp() * self.typical


class ExportedHead(nn.Module):
    """The network as the core calls it, with the mixing of the axes as a third output."""

    def __init__(self, net: HeadNet) -> None:
        """Wrap ``net``."""
        super().__init__()
        self.net = net

    def forward(self, rhythm: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return mean, spread (1, R, 7, 6) and mixing (7, 6, 6)."""
        mean, spread = self.net(rhythm)
        # an output that depends on no input would be left out of the graph
        return mean, spread, self.net.mixing + 0 * rhythm[0, 0, 0]


def normalised(head: HeadClip, tilt: tuple[float, float]) -> Floats:
    """Return the bands (R, 7, 6) of ``head`` divided by the speaker's strengths: as an average speaker moves."""
    return (head.bands / strengths(*tilt)[:, None, None]).transpose(1, 0, 2)


def likelihood(net: HeadNet, rhythm: Tensor, real: Tensor, weight: Tensor) -> Tensor:
    """Return the mean negative log likelihood of bands ``real`` (B, R, 7, 6), weighted by ``weight`` (B, R, 7)."""
    mean, spread = net(rhythm)
    each = 0.5 * ((real - mean) / spread) ** 2 + spread.log() - net.typical.log()
    return (each.clamp_max(20).mean(dim=-1) * weight).sum() / weight.sum()


def train_head(
    heads: Sequence[HeadClip], tilt: dict[str, tuple[float, float]], typical: Floats, config: SpeakerConfig
) -> HeadNet:
    """Return the head network trained on ``heads``; a speaker counts as the square root of their material."""
    torch.manual_seed(config.seed)
    rng = np.random.default_rng(config.seed)
    net = HeadNet(config.hidden, config.dropout)
    net.typical.copy_(torch.from_numpy(typical))
    rows = [torch.from_numpy(normalised(h, tilt[h.speaker])).float() for h in heads]
    mass: dict[str, float] = {}
    for head in heads:
        mass[head.speaker] = mass.get(head.speaker, 0.0) + len(head.pose)
    chance = np.array([len(h.pose) / mass[h.speaker] ** 0.5 for h in heads])
    optimiser = torch.optim.AdamW(net.parameters(), lr=config.learning_rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, config.steps)
    for _ in range(config.steps):
        chosen = rng.choice(len(heads), config.batch, p=chance / chance.sum())
        rhythm, real = (
            torch.zeros(config.batch, config.window, RHYTHM_SIZE),
            torch.zeros(config.batch, config.window, BANDS, AXES),
        )
        weight = torch.zeros(config.batch, config.window, BANDS)
        for place, index in enumerate(chosen):
            start = int(rng.integers(0, max(1, len(rows[index]) - config.window + 1)))
            piece = rows[index][start : start + config.window]
            rhythm[place, : len(piece)] = torch.from_numpy(heads[index].rhythm[start : start + config.window])
            real[place, : len(piece)] = piece * (_MIRROR if rng.random() < 0.5 else 1.0)
            weight[place, : len(piece)] = torch.from_numpy(heads[index].counts).float()
        loss = likelihood(net, rhythm, real, weight)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        schedule.step()
    net.eval()
    net.mixing.copy_(mixing(net, heads, rows))
    log.info("head: negative log likelihood %.3f after %d steps", float(loss.detach()), config.steps)
    return net


@torch.no_grad()
def mixing(net: HeadNet, heads: Sequence[HeadClip], rows: Sequence[Tensor]) -> Tensor:
    """Return a matrix (6, 6) for each of the 7 bands that gives independent noise the correlations of the residuals.

    It also scales the noise up, as independent bands add up to less power than real ones, which correlate at their
    edges.
    """
    left: list[list[Floats]] = [[] for _ in range(BANDS)]
    whole, parts = np.zeros(AXES), np.zeros(AXES)
    for head, real in zip(heads, rows, strict=True):
        mean, spread = net(torch.from_numpy(head.rhythm)[None])
        rest = ((real - mean[0]) / spread[0]).numpy().astype(float)
        both = np.concatenate([rest, rest * _MIRROR.numpy()])
        for band in np.flatnonzero(head.counts):
            left[band].append(both[:, band])
        if head.counts.all():
            total = real.numpy().astype(float)
            whole += (total.sum(axis=1) ** 2).sum(axis=0)
            parts += (total**2).sum(axis=(0, 1))
    gain = np.sqrt(whole / np.maximum(parts, 1e-12))
    found = []
    for own in left:
        covariance = np.cov(np.concatenate(own).T) if own else np.eye(AXES)
        found.append(gain[:, None] * np.linalg.cholesky(covariance + 1e-6 * np.eye(AXES)))
    return torch.from_numpy(np.stack(found)).float()


def named_manners(names: Sequence[str], rows: Floats) -> dict[str, dict[str, float]]:
    """Return style -> the average manner of its speakers; ``rows`` (N, 5) are relative to the average speaker."""
    unit = rows.std(axis=0)
    named = {}
    for group, (share, ranks) in GROUPS.items():
        places = {key: styles.MANNER.index(key) for key in ranks}
        rank = sum(weight * rows[:, places[key]] / unit[places[key]] for key, weight in ranks.items())
        top = np.argsort(rank)[-max(5, round(share * len(names))) :]
        named[group] = dict(zip(styles.MANNER, rows[top].mean(axis=0).round(4).tolist(), strict=True))
    return named


def deliveries(clips: Sequence[Clip], names: Sequence[str]) -> Floats:
    """Return the delivery (N, 5) of each speaker in ``names``, the mean over clips of three seconds and more."""
    delivered: dict[str, list[Floats]] = {name: [] for name in names}
    for clip in clips:
        if clip.speaker in delivered and len(clip) >= 75:
            delivered[clip.speaker].append(styles.delivery(heard_rhythm(clip)))
    return np.array([np.mean(delivered[name], axis=0) for name in names])


def ridge(x: Floats, y: Floats, penalty: float) -> Floats:
    """Return the coefficients (F, K) of ``y`` (N, K) on ``x`` (N, F)."""
    solved: Floats = np.linalg.solve(x.T @ x + penalty * np.eye(x.shape[1]), x.T @ y)
    return solved


def explained(x: Floats, y: Floats, penalty: float) -> dict[str, float]:
    """Return the share of the variance of each number of the manner that is predicted, by leaving out one speaker."""
    told = np.array([x[k] @ ridge(np.delete(x, k, 0), np.delete(y, k, 0), penalty) for k in range(len(x))])
    shares = 1 - ((y - told) ** 2).sum(axis=0) / (y**2).sum(axis=0)
    return dict(zip(styles.MANNER, shares.round(3).tolist(), strict=True))


def fit_manners(
    clips: Sequence[Clip], own: dict[str, Floats], prints: dict[str, Floats], config: SpeakerConfig
) -> dict[str, Any]:
    """Return the content of ``styles.json``: named styles, and the regression from voice and delivery to a manner."""
    names = sorted(own)
    rows = np.array([own[name] for name in names])
    average = rows.mean(axis=0)
    rows = rows - average
    known = np.array([prints[name] for name in names if name in prints])
    voice_mean = known.mean(axis=0)
    axes = np.linalg.svd(known - voice_mean, full_matrices=False)[2][: config.voice_axes]
    voiced = np.array([axes @ (prints[n] - voice_mean) if n in prints else np.zeros(len(axes)) for n in names])
    voice_unit = np.maximum(voiced.std(axis=0), 1e-6)
    spoken = deliveries(clips, names)
    mean, spread = spoken.mean(axis=0), np.maximum(spoken.std(axis=0), 1e-6)
    design = np.concatenate([voiced / voice_unit, (spoken - mean) / spread], axis=1)
    unseen = explained(design, rows, config.penalty)
    log.info("manner of unseen speakers explained by voice and delivery (R2): %s",
             ", ".join(f"{key} {share:.2f}" for key, share in unseen.items()))  # fmt: skip
    return {
        "manner": list(styles.MANNER),
        "speakers": len(names),
        "voices": len(known),
        "explained": unseen,
        "average": average.round(5).tolist(),
        "spread": dict(zip(styles.MANNER, rows.std(axis=0).round(4).tolist(), strict=True)),
        "named": named_manners(names, rows),
        "regression": {
            "voice_mean": voice_mean.round(5).tolist(),
            "voice_axes": (axes / voice_unit[:, None]).round(4).tolist(),
            "delivery_mean": mean.round(5).tolist(),
            "delivery_spread": spread.round(5).tolist(),
            "weights": ridge(design, rows, config.penalty).round(5).tolist(),
        },
    }


def export_head(net: HeadNet, out: Path, config: SpeakerConfig) -> Path:
    """Write ``head.onnx`` and its sidecar to ``out`` and return the path.

    Raises
    ------
    ValueError
        If torch and ONNX Runtime disagree.
    """
    wrapped, outputs = ExportedHead(net), ("mean", "spread", "mixing")
    free = {name: {1: "frames"} for name in ("rhythm", "mean", "spread")}
    content = traced(wrapped, (torch.zeros(1, 50, RHYTHM_SIZE),), ["rhythm"], outputs, free)
    worst = worst_difference(wrapped, content, outputs, [{"rhythm": torch.randn(1, 333, RHYTHM_SIZE).numpy()}])
    if worst > TOLERANCE:
        raise ValueError(f"torch and ONNX Runtime disagree by {worst:.2g}")
    bands = [1, "frames", BANDS, AXES]
    shapes = (
        {"rhythm": [1, "frames", RHYTHM_SIZE]},
        {"mean": bands, "spread": bands, "mixing": [BANDS, AXES, AXES]},
    )
    provenance = {
        "command": "python -m training.speaker.train --config training/configs/speaker.json --data DATA",
        "config": asdict(config),
        "torch_onnx_difference": float(f"{worst:.2g}"),
    }
    described = sidecar(content, "head", "1", "head", shapes, HEAD_RATE, RHYTHM_SIZE, LICENCE, SPEECH_DATA, provenance)
    return write_network(out / "head.onnx", content, described)


def run(config: SpeakerConfig, data: Path, out: Path, checkpoint: Path | None) -> None:
    """Train on the pack ``data``; write network and styles to ``out`` and the network's weights to ``checkpoint``."""
    clips = load_split(data, "train")
    targets = make_targets(clips, canonical_face(clips))
    heads = head_clips(clips)
    typical, tilt = tilts(heads)
    log.info("%d clips of %d speakers show their heads", len(heads), len(tilt))
    net = train_head(heads, tilt, typical, config)
    export_head(net, out, config)
    if checkpoint is not None:
        checkpoint.parent.mkdir(parents=True, exist_ok=True)
        write_whole(checkpoint, save({k: v.contiguous() for k, v in net.state_dict().items()}))
    prints = voices(clips, find("voice").open(), without_voice_print(data))
    known = fit_manners(clips, manners(clips, targets, tilt), prints, config)
    write_whole(out / "styles.json", json.dumps(known, separators=(",", ":")) + "\n")
    for name, manner in known["named"].items():
        log.info("%s: %s", name, ", ".join(f"{k} {v:+.2f}" for k, v in manner.items()))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = parser_of("training.speaker.train", __doc__)
    parser.add_argument("--config", type=Path, default=CONFIGS / "speaker.json")
    parser.add_argument("--data", type=Path, default=PACK, help="training pack (default: ../shared/data)")
    parser.add_argument("--out", type=Path, default=ASSETS, help="folder for head.onnx and styles.json")
    parser.add_argument("--checkpoint", type=Path, help="where to keep the weights as .safetensors")
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    return exit_code(lambda: run(SpeakerConfig.read(args.config), args.data, args.out, args.checkpoint), "stopped")


if __name__ == "__main__":
    sys.exit(main())
