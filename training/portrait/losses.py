"""The loss of the portrait generator: errors of pixels, of face features and of motion, and a critic's verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx
import torch
import torch.nn.functional as F  # noqa: N812  # torch's own convention
from mouthpiece.files import ASSETS
from onnx import numpy_helper
from torch import Tensor, nn

from ..configuration import Configuration

#: Number of tensors of the landmark network that are compared: the ends of its blocks at 128, 64 and 32 pixels.
_TAPS = 3


class FaceFeatures(nn.Module):
    """The first layers of the shipped face landmark network, in torch, to measure how alike two faces look.

    It is a perceptual distance (Johnson et al., ECCV 2016) with features learned from faces, as the usual networks were
    not available. Weights are fixed. It runs only the operators these layers have: convolutions, PReLU, sums, padding,
    pooling.
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
        """Return the features of frames (N, 3, H, W), 0..1, at every scale; each pixel's channels have length one."""
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
    """Return the output of a node of the graph for its inputs."""
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
class PortraitLossWeights(Configuration):
    """Factors of the parts of the loss; ``mouth`` and ``eyes`` are factors on pixels of mouth and eyes."""

    pixels: float = 1.0
    features: float = 0.5
    motion: float = 0.5
    critic: float = 0.03
    matching: float = 0.15
    mouth: float = 4.0
    eyes: float = 2.0


def importance(planes: Tensor, weights: PortraitLossWeights) -> Tensor:
    """Return how much each pixel counts (N, 1, H, W): face pixels do, eye pixels more, mouth pixels most."""
    lips, eyes = planes[:, 6:7], planes[:, 7:8]
    mouth = torch.maximum(lips, planes[:, 9:10])
    return planes[:, 11:12] * (1 + (weights.mouth - 1) * _grown(mouth, 13) + (weights.eyes - 1) * _grown(eyes, 7))


def _grown(mask: Tensor, reach: int) -> Tensor:
    """Return ``mask`` (N, 1, H, W) grown by half of ``reach`` pixels, with a soft edge."""
    grown = F.max_pool2d(mask, reach, 1, reach // 2)
    return F.avg_pool2d(grown, 9, 1, 4)


class GeneratorLoss(nn.Module):
    """The generator's loss without the part that the critic adds."""

    def __init__(self, weights: PortraitLossWeights) -> None:
        """Load the face network."""
        super().__init__()
        self.weights = weights
        self.features = FaceFeatures()

    def forward(self, made: Tensor, real: Tensor, planes: Tensor) -> dict[str, Tensor]:
        """Return the weighted parts of the loss by name; frames (2 N, 3, H, W) are pairs of neighbours in time."""
        weights, share = self.weights, importance(planes, self.weights)
        off = (made - real).abs()
        pixels = (share * off).sum() / (3 * share.sum())
        # the change from a frame to its neighbour must be as recorded, so that nothing flickers
        step = ((made[1::2] - made[::2]) - (real[1::2] - real[::2])).abs()
        both = (share[1::2] + share[::2]) / 2
        motion = (both * step).sum() / (3 * both.sum())
        # the generator changes nothing outside the face: there, both are the warped picture
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
    """Return the critic's hinge loss on its verdicts (Lim and Ye, 2017), weighted by ``share``."""
    return weighted_mean(F.relu(1 - real) + F.relu(1 + made), share)


def weighted_mean(verdicts: Tensor, share: Tensor) -> Tensor:
    """Return the mean of ``verdicts`` (N, 1, H, W), weighted by ``share`` of the same shape."""
    return (verdicts * share).sum() / share.sum().clamp_min(1e-6)


def judged_where(planes: Tensor, weights: PortraitLossWeights) -> Tensor:
    """Return how much each verdict counts (N, 1, H/8, W/8): only mouths and eyes do, as the warp makes skin well."""
    return F.avg_pool2d(importance(planes, weights) - planes[:, 11:12], 8)


def matched(real: Sequence[Tensor], made: Sequence[Tensor]) -> Tensor:
    """Return the distance between the critic's features of made and recorded frames (Wang et al., CVPR 2018)."""
    return torch.stack([F.l1_loss(b, a.detach()) for a, b in zip(real, made, strict=True)]).mean()
