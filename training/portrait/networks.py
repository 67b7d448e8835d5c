"""Networks of the portrait generator: a U-Net that repairs a warped face, and the critic it is trained against.

They do image-to-image translation with skip connections and a patch-wise critic as pix2pix (Isola et al., CVPR 2017).
The U-Net takes 2 x 2 blocks of pixels as channels (Shi et al., CVPR 2016), at a quarter of the cost of full size.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F  # noqa: N812  # torch's own convention
from mouthpiece.portrait.draw.generator import INPUTS
from torch import Tensor, nn

from ..configuration import Configuration

#: Number of input planes: those of all conditions, in the order of ``INPUTS``.
PLANES = sum(INPUTS.values())
#: Slope of the leaky ReLUs for negative numbers.
_SLOPE = 0.1
#: Numbers the network outputs for each pixel (a change, a colour, and the opacity of that colour), and the offset that
#: makes the colour nearly transparent at first.
_OUTPUTS, _TRANSPARENT = 7, 3.0


@dataclass(frozen=True, slots=True)
class GeneratorShape(Configuration):
    """Widths of the four scales (128, 64, 32 and 16 pixels for a 256-pixel frame) and blocks at the lower three."""

    widths: tuple[int, int, int, int] = (32, 64, 112, 176)
    blocks: tuple[int, int, int] = (1, 2, 3)


def _convolution(before: int, after: int, stride: int = 1) -> nn.Conv2d:
    layer = nn.Conv2d(before, after, 3, stride, 1)
    nn.init.kaiming_normal_(layer.weight, _SLOPE)
    nn.init.zeros_(layer.bias)
    return layer


class Block(nn.Module):
    """Two convolutions whose output is added to the input."""

    def __init__(self, width: int) -> None:
        """Make a block that returns its input until it is trained."""
        super().__init__()
        self.first, self.second = _convolution(width, width), _convolution(width, width)
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` (N, C, H, W) with the convolutions' output added."""
        return x + self.second(F.leaky_relu(self.first(F.leaky_relu(x, _SLOPE)), _SLOPE))


class Repair(nn.Module):
    """The generator: planes of all conditions in, the repaired frame out. Sides must be multiples of 16."""

    def __init__(self, shape: GeneratorShape) -> None:
        """Make a network that changes next to nothing until it is trained."""
        super().__init__()
        self.shape = shape
        w0, w1, w2, w3 = shape.widths
        b1, b2, b3 = shape.blocks
        self.enter = _convolution(4 * PLANES, w0)
        self.down1 = nn.Sequential(_convolution(w0, w1, 2), *(Block(w1) for _ in range(b1)))
        self.down2 = nn.Sequential(_convolution(w1, w2, 2), *(Block(w2) for _ in range(b2)))
        self.down3 = nn.Sequential(_convolution(w2, w3, 2), *(Block(w3) for _ in range(b3)))
        self.up3 = nn.Sequential(_convolution(w3 + w2, w2), Block(w2))
        self.up2 = nn.Sequential(_convolution(w2 + w1, w1), Block(w1))
        self.up1 = _convolution(w1 + w0, w0)
        self.leave = _convolution(w0, 4 * _OUTPUTS)
        nn.init.zeros_(self.leave.weight)

    def forward(self, planes: Tensor) -> Tensor:
        """Return frames (N, 3, H, W) for ``planes`` (N, 12, H, W), both 0..1; outside the face nothing changes."""
        at128 = F.leaky_relu(self.enter(F.pixel_unshuffle(planes, 2)), _SLOPE)
        at64 = self.down1(at128)
        at32 = self.down2(F.leaky_relu(at64, _SLOPE))
        at16 = self.down3(F.leaky_relu(at32, _SLOPE))
        up = self.up3(torch.cat([_doubled(at16), at32], dim=1))
        up = self.up2(torch.cat([_doubled(up), at64], dim=1))
        up = self.up1(torch.cat([_doubled(up), at128], dim=1))
        change, colour, cover = F.pixel_shuffle(self.leave(F.leaky_relu(up, _SLOPE)), 2).split((3, 3, 1), dim=1)
        warped, oval = planes[:, :3], planes[:, -1:]
        # the change refines what is there; where all of it is wrong, as inside mouths, the colour covers it
        painted = torch.sigmoid(cover - _TRANSPARENT) * (0.5 + colour - warped)
        return (warped + (change + painted) * oval).clamp(0, 1)


def _doubled(x: Tensor) -> Tensor:
    return F.interpolate(F.leaky_relu(x, _SLOPE), scale_factor=2, mode="nearest")


class Critic(nn.Module):
    """Judges whether patches of some 38 pixels are recorded or made, given lines and masks.

    It has no spectral normalisation: recorded and made mouths differ so little here that a critic whose slopes were
    bounded by one could not tell them apart after hundreds of steps.
    """

    def __init__(self, width: int = 32) -> None:
        """Make a critic of three scales."""
        super().__init__()
        widths = (3 + INPUTS["lines"] + INPUTS["masks"], width, 2 * width, 4 * width)
        self.layers = nn.ModuleList(nn.Conv2d(before, after, 4, 2, 1) for before, after in pairwise(widths))
        self.verdict = nn.Conv2d(4 * width, 1, 3, 1, 1)

    def forward(self, frame: Tensor, lines: Tensor, masks: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return verdicts (N, 1, H/8, W/8), above 0 for recorded, and the features of every scale."""
        x, features = torch.cat([4 * frame - 2, lines, masks], dim=1), []
        for number, layer in enumerate(self.layers):
            x = layer(x)
            x = F.leaky_relu(F.instance_norm(x) if number else x, 0.2)
            features.append(x)
        return self.verdict(x), features
