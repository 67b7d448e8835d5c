"""Architectures from other papers, rebuilt from their descriptions, and reduced versions of ours, to compare with ours.

All take our features (or only the MFCCs among them) and predict our targets, so that only the architecture differs and,
where it belongs to the method, the loss. Docstrings say what had to be changed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import torch
from mouthpiece.features import FEATURE_SIZE, HOPS_PER_FRAME, MFCC_COUNT, PHONETIC_PARTS
from mouthpiece.topology import INNER_LIP_BOTTOM, INNER_LIP_TOP, LIPS
from torch import Tensor, nn

from ..content.networks import ARKIT_LABELS, LANDMARK_NUMBERS, ContentNet, ContentShape, sources

#: Number of the MFCCs' source in ``networks.sources()``, and how many MFCCs a frame has.
MFCCS = len(PHONETIC_PARTS)
MFCC_NUMBERS = HOPS_PER_FRAME * MFCC_COUNT


class Rival(nn.Module):
    """A network from another paper: normalised features of some sources, ``body``, and linear heads for our targets."""

    mean: Tensor
    scale: Tensor
    centre: Tensor
    neutral: Tensor
    columns: Tensor

    def __init__(self, body: nn.Module, width: int, heard: tuple[int, ...], ahead: int = 0) -> None:
        """Put heads on ``body``, which turns (B, T, F) into (B, T, ``width``).

        ``heard`` holds the numbers of the sources it gets; ``ahead`` is the number of future frames that a body which
        runs forward gets to see.
        """
        super().__init__()
        columns = torch.isin(sources(), torch.tensor(heard)).nonzero()[:, 0]
        self.register_buffer("columns", columns, persistent=False)
        self.register_buffer("mean", torch.zeros(FEATURE_SIZE))
        self.register_buffer("scale", torch.ones(FEATURE_SIZE))
        self.register_buffer("centre", torch.zeros(LANDMARK_NUMBERS))
        self.register_buffer("neutral", torch.zeros(LANDMARK_NUMBERS // 3, 3))
        self.body, self.ahead = body, ahead
        self.landmark_head = nn.Linear(width, LANDMARK_NUMBERS)
        self.arkit_head = nn.Linear(width, ARKIT_LABELS)
        nn.init.constant_(self.arkit_head.bias, -2.5)

    def fit_buffers(self, features: Tensor, landmarks: Tensor, neutral: Tensor) -> None:
        """Set normalisation from ``features`` (N, 1076), mean face from ``landmarks`` (N, 204) and the resting face."""
        self.mean.copy_(features.mean(dim=0))
        self.scale.copy_(1 / features.std(dim=0).clamp_min(0.05))
        self.centre.copy_(landmarks.mean(dim=0))
        self.neutral.copy_(neutral)

    def forward(self, features: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return landmark displacements (B, T, 204) and ARKit weights (B, T, 51) for ``features`` (B, T, 1076)."""
        x = ((features - self.mean) * self.scale)[..., self.columns]
        if self.ahead:
            x = torch.cat([x[:, self.ahead :], x[:, -1:].expand(-1, min(self.ahead, x.shape[1]), -1)], dim=1)
            x = x[:, : features.shape[1]]
        x = self.body(x)
        return self.landmark_head(x) / 10 + self.centre, torch.sigmoid(self.arkit_head(x))


class RecurrentBody(nn.Module):
    """An LSTM that returns its outputs without its state."""

    def __init__(self, size: int, hidden: int, layers: int, both_ways: bool, dropout: float) -> None:
        """Make the LSTM."""
        super().__init__()
        self.lstm = nn.LSTM(size, hidden, layers, batch_first=True, bidirectional=both_ways, dropout=dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, T, hidden), twice as wide when run both ways."""
        y: Tensor = self.lstm(x)[0]
        return y


class DifferencesBody(nn.Module):
    """Passes its input with its first and second differences over time to ``body``."""

    def __init__(self, body: nn.Module) -> None:
        """Wrap ``body``."""
        super().__init__()
        self.body = body

    def forward(self, x: Tensor) -> Tensor:
        """Return the output of ``body`` for ``x`` (B, T, F) with its differences, (B, T, 3 F)."""
        change = torch.diff(x, dim=1, prepend=x[:, :1])
        y: Tensor = self.body(torch.cat([x, change, torch.diff(change, dim=1, prepend=change[:, :1])], dim=-1))
        return y


class ConvolutionalBody(nn.Module):
    """A temporal convolutional network, not causal: residual blocks of dilation 1, 2, 4, 8, 16 (Bai et al. 2018)."""

    def __init__(self, size: int, width: int, dropout: float) -> None:
        """Make the blocks."""
        super().__init__()
        self.first = nn.Conv1d(size, width, 1)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Conv1d(width, width, 3, padding=2**k, dilation=2**k),
                nn.GELU(),
                nn.Dropout(dropout),
                nn.Conv1d(width, width, 1),
            )
            for k in range(5)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, T, width)."""
        y = self.first(x.transpose(1, 2))
        for block in self.blocks:
            y = y + block(y)
        return y.transpose(1, 2)


class AttentionBody(nn.Module):
    """A transformer encoder (Vaswani et al. 2017), pre-norm; each frame attends to two seconds on either side."""

    def __init__(self, size: int, width: int, layers: int, dropout: float) -> None:
        """Make the layers."""
        super().__init__()
        self.first = nn.Linear(size, width)
        layer = nn.TransformerEncoderLayer(width, 4, 2 * width, dropout, "gelu", batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.width = width

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, T, width)."""
        count = x.shape[1]
        rates = torch.exp(-math.log(10000) * torch.arange(0, self.width, 2) / self.width)
        angles = torch.arange(count)[:, None] * rates
        places = torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)
        far = (torch.arange(count)[:, None] - torch.arange(count)[None]).abs() > 50
        y: Tensor = self.encoder(self.first(x) + places, mask=far)
        return y


def mfcc_bilstm(_: ContentShape) -> Rival:
    """Return a two-layer BiLSTM on MFCCs, the plain network of the early papers."""
    return Rival(RecurrentBody(MFCC_NUMBERS, 128, 2, True, 0.3), 256, (MFCCS,))


def eskimez(_: ContentShape) -> Rival:
    """Return four forward LSTM layers of 256 on spectra and their changes, 40 ms ahead (Eskimez et al. 2018).

    The original takes log-mel spectra; this one takes MFCCs.
    """
    return Rival(DifferencesBody(RecurrentBody(3 * MFCC_NUMBERS, 256, 4, False, 0.2)), 256, (MFCCS,), ahead=1)


def makeittalk(_: ContentShape) -> Rival:
    """Return MakeItTalk's content branch (Zhou et al. 2020): three forward LSTMs of 256, 0.29 s ahead, and an MLP.

    The original takes speech converted to one voice by AutoVC and starts anew on a window for every frame; this one
    takes MFCCs of the speaker's own voice and runs through the sequence once.
    """
    body = nn.Sequential(
        nn.Linear(MFCC_NUMBERS, 256),
        nn.LayerNorm(256),
        nn.LeakyReLU(0.2),
        RecurrentBody(256, 256, 3, False, 0.2),
        nn.Linear(256, 512),
        nn.LeakyReLU(0.2),
        nn.Linear(512, 256),
        nn.LeakyReLU(0.2),
    )
    return Rival(body, 256, (MFCCS,), ahead=7)


def convolutional(_: ContentShape) -> Rival:
    """Return a temporal convolutional network on all our features."""
    return Rival(ConvolutionalBody(FEATURE_SIZE, 192, 0.3), 192, tuple(range(MFCCS + 1)))


def transformer(_: ContentShape) -> Rival:
    """Return a transformer on all our features."""
    return Rival(AttentionBody(FEATURE_SIZE, 160, 3, 0.2), 160, tuple(range(MFCCS + 1)))


class PartialContentNet(ContentNet):
    """Our network with only some sources of features; the others are set to zero."""

    def __init__(self, shape: ContentShape, heard: tuple[int, ...]) -> None:
        """Make the network; ``heard`` are numbers of sources."""
        super().__init__(shape)
        self.register_buffer("mask", torch.isin(sources(), torch.tensor(heard)).float(), persistent=False)
        self.mask: Tensor

    def fit_buffers(self, features: Tensor, landmarks: Tensor, neutral: Tensor) -> None:
        """Set the buffers as :class:`ContentNet` does, and the scale of unused features to zero."""
        super().fit_buffers(features, landmarks, neutral)
        self.scale.mul_(self.mask)


def hearing(*heard: int) -> Callable[[ContentShape], ContentNet]:
    """Return a function that makes our network with only the sources numbered ``heard``."""
    return lambda shape: PartialContentNet(shape, heard)


class PlainLoss:
    """Squared error of the landmarks, as Eskimez et al. train."""

    def __call__(self, landmarks: Tensor, arkit: Tensor, real: Tensor, real_arkit: Tensor, weight: Tensor) -> dict:
        """Return the loss by name; arguments as for :class:`training.content.losses.ContentLoss`."""
        error = (landmarks - real).square().mean(dim=-1) * 10 + 0.1 * (arkit - real_arkit).square().mean(dim=-1)
        return {"points": (error * weight).sum() / weight.sum().clamp_min(1)}


class LaplacianLoss:
    """MakeItTalk's loss: absolute error, lips weighted by 1 / (4 gap + 0.1), and error of the graph Laplacian."""

    def __init__(self, neutral: Tensor) -> None:
        """Measure gaps on the face ``neutral`` (68, 3); MakeItTalk's unit is taken as the face's width, here 1.6."""
        self._neutral = neutral
        chains = [range(17), range(17, 22), range(22, 27), range(27, 31), range(31, 36)]
        rings = [range(36, 42), range(42, 48), range(48, 60), range(60, 68)]
        graph = torch.zeros(68, 68)
        for chain in chains:
            for a, b in pairwise(chain):
                graph[a, b] = graph[b, a] = 1
        for ring in rings:
            for a, b in zip(ring, [*ring[1:], ring[0]], strict=True):
                graph[a, b] = graph[b, a] = 1
        self._laplacian = torch.eye(68) - graph / graph.sum(dim=1, keepdim=True)
        self._is_lip = torch.zeros(68)
        self._is_lip[list(LIPS)] = 1

    def __call__(self, landmarks: Tensor, arkit: Tensor, real: Tensor, real_arkit: Tensor, weight: Tensor) -> dict:
        """Return the loss by name; arguments as for :class:`training.content.losses.ContentLoss`."""
        error = (landmarks - real).unflatten(-1, (68, 3))
        face = real.unflatten(-1, (68, 3)) + self._neutral
        gap = (face[..., INNER_LIP_BOTTOM, 1] - face[..., INNER_LIP_TOP, 1]).clamp_min(0) / 1.6
        per_point = 1 + self._is_lip * (1 / (4 * gap[..., None] + 0.1) - 1)
        points = (error.abs().mean(dim=-1) * per_point).mean(dim=-1)
        bend = torch.einsum("pq,btqc->btpc", self._laplacian, error).abs().mean(dim=(-1, -2))
        shapes = 0.1 * (arkit - real_arkit).square().mean(dim=-1)
        return {"points": ((points + bend + shapes) * weight).sum() / weight.sum().clamp_min(1)}
