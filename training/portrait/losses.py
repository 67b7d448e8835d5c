"""What the portrait generator is judged by: pixels, features of a face network, motion, and a critic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx
import torch
import torch.nn.functional as F  # noqa: N812  # torch's own convention
from mouthpiece.models.registry import ASSETS
from onnx import numpy_helper
from torch import Tensor, nn

#: Tensors of the landmark network whose features are compared: the ends of its blocks at 128, 64 and 32 pixels.
_TAPS = 3


class FaceFeatures(nn.Module):
    """The first layers of the shipped face landmark network, in torch, as a measure of how alike two faces look.

    A perceptual distance (Johnson et al., ECCV 2016) on features learned from faces, where pictures' usual network is
    not to be had. Weights are fixed. Only what these layers need is run: convolutions, PReLU, sums, padding, pooling.
    """

    def __init__(self, name: str = "face_landmarks_478", taps: int = _TAPS) -> None:
        """Read the network from the core's assets."""
        super().__init__()
        graph = onnx.load(ASSETS / f"{name}.onnx").graph
        values = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
        self._nodes, self._input, self._taps = [], graph.input[0].name, list[str]()
        last = ""
        for node in graph.node:
            if node.op_type == "Cast":
                values[node.output[0]] = values[node.input[0]].astype(np.float32)
                continue
            if node.op_type == "Conv" and _stride(node) == 2 and last and len(self._nodes) > 1:
                self._taps.append(node.input[0] if node.input[0] in {n.output[0] for n in self._nodes} else last)
                if len(self._taps) == taps:
                    break
            self._nodes.append(node)
            last = node.output[0]
        for key in sorted({name for node in self._nodes for name in node.input if name in values}):
            self.register_buffer(_safe(key), torch.from_numpy(np.array(values[key])), persistent=False)
        self._known = {name for node in self._nodes for name in node.input if name in values}

    def forward(self, frames: Tensor) -> list[Tensor]:
        """Return the features of frames (N, 3, H, W), 0..1, at every scale, each channel of unit length in all."""
        held: dict[str, Tensor] = {self._input: frames}

        def value(name: str) -> Tensor:
            return getattr(self, _safe(name)) if name in self._known else held[name]

        for node in self._nodes:
            held[node.output[0]] = _run(node, [value(name) for name in node.input if name])
        return [F.normalize(held[name], dim=1) for name in self._taps]


def _safe(name: str) -> str:
    return "c_" + "".join(letter if letter.isalnum() else "_" for letter in name)


def _stride(node: onnx.NodeProto) -> int:
    return next((int(a.ints[0]) for a in node.attribute if a.name == "strides"), 1)


def _run(node: onnx.NodeProto, inputs: list[Tensor]) -> Tensor:
    """Return what a node makes of its inputs."""
    facts = {a.name: list(a.ints) or a.i for a in node.attribute}
    if node.op_type == "Conv":
        pads = facts.get("pads", [0, 0, 0, 0])
        x = F.pad(inputs[0], (pads[1], pads[3], pads[0], pads[2]))
        bias = inputs[2] if len(inputs) > 2 else None
        return F.conv2d(x, inputs[1], bias, tuple(facts.get("strides", [1, 1])), groups=int(facts.get("group", 1)))
    if node.op_type == "PRelu":
        return torch.where(inputs[0] >= 0, inputs[0], inputs[0] * inputs[1])
    if node.op_type == "Add":
        return inputs[0] + inputs[1]
    if node.op_type == "MaxPool":
        return F.max_pool2d(inputs[0], tuple(facts["kernel_shape"]), tuple(facts["strides"]))
    if node.op_type == "Pad":
        pads = [int(k) for k in inputs[1]]
        half = len(pads) // 2
        flat = [side for k in reversed(range(half)) for side in (pads[k], pads[k + half])]
        return F.pad(inputs[0], flat)
    raise ValueError(f"the face network has a layer this cannot run: {node.op_type}")


@dataclass(frozen=True, slots=True)
class Weights:
    """How much each term counts; ``mouth`` and ``eyes`` are factors on pixels there."""

    pixels: float = 1.0
    features: float = 0.5
    motion: float = 0.5
    critic: float = 0.03
    matching: float = 0.15
    mouth: float = 4.0
    eyes: float = 2.0


def importance(planes: Tensor, weights: Weights) -> Tensor:
    """Return how much each pixel counts, (N, 1, H, W): the face, its eyes and most of all its mouth."""
    lips, eyes = planes[:, 6:7], planes[:, 7:8]
    mouth = torch.maximum(lips, planes[:, 9:10])
    return planes[:, 11:12] * (1 + (weights.mouth - 1) * _grown(mouth, 13) + (weights.eyes - 1) * _grown(eyes, 7))


def _grown(mask: Tensor, reach: int) -> Tensor:
    """Return a mask (N, 1, H, W) grown by some pixels, with a soft rim."""
    grown = F.max_pool2d(mask, reach, 1, reach // 2)
    return F.avg_pool2d(grown, 9, 1, 4)


class GeneratorLoss(nn.Module):
    """Everything but the critic's own loss."""

    def __init__(self, weights: Weights) -> None:
        """Load the face network."""
        super().__init__()
        self.weights = weights
        self.features = FaceFeatures()

    def forward(self, made: Tensor, real: Tensor, planes: Tensor) -> dict[str, Tensor]:
        """Return the terms, weighted, for frames (2 N, 3, H, W): neighbours in time follow each other."""
        weights, share = self.weights, importance(planes, self.weights)
        off = (made - real).abs()
        pixels = (share * off).sum() / (3 * share.sum())
        # of neighbours, what changes from one to the next must change as it really does: nothing flickers
        step = ((made[1::2] - made[::2]) - (real[1::2] - real[::2])).abs()
        both = (share[1::2] + share[::2]) / 2
        motion = (both * step).sum() / (3 * both.sum())
        # outside the face nothing can be made: there, both are the warped picture
        oval = planes[:, 11:12]
        target = oval * real + (1 - oval) * planes[:, :3]
        with torch.no_grad():
            wanted = self.features(target)
        alike = torch.stack(
            [((a - b) ** 2).sum(dim=1).mean() for a, b in zip(self.features(made), wanted, strict=True)]
        ).mean()
        return {
            "pixels": weights.pixels * pixels,
            "motion": weights.motion * motion,
            "features": weights.features * alike,
        }


def hinge(real: Tensor, made: Tensor, share: Tensor) -> Tensor:
    """Return the critic's loss on its verdicts (Lim and Ye, 2017), each counting as much as its ``share``."""
    return weighed(F.relu(1 - real) + F.relu(1 + made), share)


def weighed(verdicts: Tensor, share: Tensor) -> Tensor:
    """Return the mean of verdicts (N, 1, H, W), each counting as much as its ``share``."""
    return (verdicts * share).sum() / share.sum().clamp_min(1e-6)


def judged_where(planes: Tensor, weights: Weights) -> Tensor:
    """Return how much each verdict (N, 1, H/8, W/8) counts: mouths and eyes, since skin is the warp's and all alike."""
    return F.avg_pool2d(importance(planes, weights) - planes[:, 11:12], 8)


def matched(real: Sequence[Tensor], made: Sequence[Tensor]) -> Tensor:
    """Return how far the critic's features of made frames are from those of real ones (Wang et al., CVPR 2018)."""
    return torch.stack([F.l1_loss(b, a.detach()) for a, b in zip(real, made, strict=True)]).mean()
