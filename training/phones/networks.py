"""The phone head: hidden features of the listener in, phones and beginnings of words out."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from mouthpiece.phones.inventory import PHONES
from torch import Tensor, nn

from ..configuration import Configuration

#: Width of the listener's hidden features.
HIDDEN = 512


@dataclass(frozen=True, slots=True)
class HeadShape(Configuration):
    """Sizes of a :class:`PhoneHead`.

    Attributes
    ----------
    width : channels between the layers.
    reach : steps that each convolution spans.
    dilations : distance of the steps of each convolution, one after the other.
    dropout : share of channels dropped in training.
    """

    width: int = 192
    reach: int = 5
    dilations: tuple[int, ...] = (1, 2, 3)
    dropout: float = 0.2


class PhoneHead(nn.Module):
    """A projection, residual dilated convolutions over time, and two linear outputs."""

    mean: Tensor
    scale: Tensor

    def __init__(self, shape: HeadShape) -> None:
        """Make a head with random weights; :meth:`fit_buffers` sets the normalisation."""
        super().__init__()
        self.shape = shape
        self.register_buffer("mean", torch.zeros(HIDDEN))
        self.register_buffer("scale", torch.ones(()))
        self.project = nn.Linear(HIDDEN, shape.width)
        self.layers = nn.ModuleList(
            nn.Conv1d(shape.width, shape.width, shape.reach, padding=d * (shape.reach // 2), dilation=d)
            for d in shape.dilations
        )
        self.dropout = nn.Dropout(shape.dropout)
        self.phones = nn.Linear(shape.width, len(PHONES))
        self.word_start = nn.Linear(shape.width, 1)

    def fit_buffers(self, hidden: Tensor) -> None:
        """Set the normalisation to that of ``hidden`` (N, 512)."""
        self.mean.copy_(hidden.mean(dim=0))
        self.scale.copy_(1 / hidden.std(dim=0).square().mean().sqrt())

    def forward(self, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Return log posteriors (B, S, P) of phones and (B, S, 1) of a word's beginning for ``hidden`` (B, S, 512)."""
        x = self.dropout((hidden - self.mean) * self.scale)
        x = nn.functional.gelu(self.project(x)).transpose(1, 2)
        for layer in self.layers:
            x = x + nn.functional.gelu(layer(self.dropout(x)))
        x = self.dropout(x.transpose(1, 2))
        return nn.functional.log_softmax(self.phones(x), dim=-1), nn.functional.logsigmoid(self.word_start(x))
