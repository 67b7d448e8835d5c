"""The content network: features of speech in, mouth motion and ARKit weights out."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from mouthpiece.features import FEATURE_SIZE, HOPS_PER_FRAME, MFCC_COUNT, PHONETIC_PARTS, PHONETIC_PER_FRAME
from torch import Tensor, nn

from ..configuration import Configuration

LANDMARK_NUMBERS = 204
ARKIT_LABELS = 51
#: Buffers of a content network: fitted to the data before training, not learned.
BUFFERS = ("mean", "scale", "modes", "centre", "neutral")


@dataclass(frozen=True, slots=True)
class ContentShape(Configuration):
    """Sizes of a :class:`ContentNet`.

    Attributes
    ----------
    projection, hidden, layers : widths of projection and LSTM, number of LSTM layers.
    basis : number of modes the landmarks move in.
    dropout : share of numbers dropped between layers in training.
    extra : features a frame from an encoder besides the shipped listener's; a run sets it from its data.
    deafness : chance in training that a sequence lacks one source of features (a recogniser's layer, or the MFCCs).
        A network that does not depend on any one source does better where one fails, as in another language.
    """

    projection: int = 160
    hidden: int = 128
    layers: int = 2
    basis: int = 32
    dropout: float = 0.3
    deafness: float = 0.25
    extra: int = 0


@dataclass(frozen=True, slots=True)
class Finish(Configuration):
    """A filter on predicted motion, built into the exported network.

    A network that minimises errors moves less than a face where it is unsure, above all in fast motion. The filter
    restores both size and speed; it is symmetric in time, so that nothing comes early or late.

    Attributes
    ----------
    detail : how much of the motion that is faster than a Gaussian of ``sigma`` frames is added.
    sigma : standard deviation of that Gaussian, in frames of 1/25 s.
    amplitude : factor on landmark displacements.
    """

    detail: float = 0.0
    sigma: float = 0.7
    amplitude: float = 1.0

    def kernel(self) -> list[float]:
        """Return the filter's taps, which add up to one."""
        reach = max(1, round(4 * self.sigma))
        bell = [math.exp(-0.5 * (k / self.sigma) ** 2) for k in range(-reach, reach + 1)]
        taps = [-self.detail * value / sum(bell) for value in bell]
        taps[reach] += 1 + self.detail
        return taps


def sources(extra: int = 0) -> Tensor:
    """Return the number of each feature's source (F,): the recognisers' layers, the MFCCs, an encoder's ``extra``."""
    phonetic = [k for _ in range(PHONETIC_PER_FRAME) for k, size in enumerate(PHONETIC_PARTS) for _ in range(size)]
    cepstral = [len(PHONETIC_PARTS)] * (HOPS_PER_FRAME * MFCC_COUNT)
    return torch.tensor(phonetic + cepstral + [len(PHONETIC_PARTS) + 1] * extra)


class ContentNet(nn.Module):
    """Projection, convolution, bidirectional LSTM, two heads.

    Landmarks are predicted in a fixed basis, the principal modes of the training faces: fewer numbers to learn, and no
    face outside the span of real ones. Normalisation and basis are buffers, so that an exported file is complete.
    """

    mean: Tensor
    scale: Tensor
    modes: Tensor
    centre: Tensor
    neutral: Tensor
    source: Tensor

    def __init__(self, shape: ContentShape) -> None:
        """Make a network with random weights; :meth:`fit_buffers` sets the rest."""
        super().__init__()
        self.shape = shape
        self.register_buffer("mean", torch.zeros(FEATURE_SIZE + shape.extra))
        self.register_buffer("scale", torch.ones(FEATURE_SIZE + shape.extra))
        self.register_buffer("modes", torch.zeros(shape.basis, LANDMARK_NUMBERS))
        self.register_buffer("centre", torch.zeros(LANDMARK_NUMBERS))
        self.register_buffer("neutral", torch.zeros(LANDMARK_NUMBERS // 3, 3))
        self.register_buffer("source", sources(shape.extra), persistent=False)
        self.project = nn.Linear(FEATURE_SIZE + shape.extra, shape.projection)
        self.local = nn.Conv1d(shape.projection, shape.projection, 3, padding=1)
        self.norm = nn.LayerNorm(shape.projection)
        self.recurrent = nn.LSTM(
            shape.projection,
            shape.hidden,
            shape.layers,
            batch_first=True,
            bidirectional=True,
            dropout=shape.dropout if shape.layers > 1 else 0.0,
        )
        self.dropout = nn.Dropout(shape.dropout)
        self.landmark_head = nn.Linear(2 * shape.hidden, shape.basis)
        self.arkit_head = nn.Linear(2 * shape.hidden, ARKIT_LABELS)
        nn.init.constant_(self.arkit_head.bias, -2.5)  # rest is the commonest weight: about 0.08 at the start

    def fit_buffers(self, features: Tensor, landmarks: Tensor, neutral: Tensor) -> None:
        """Set normalisation from ``features`` (N, 1076), basis from ``landmarks`` (N, 204), and the resting face."""
        self.mean.copy_(features.mean(dim=0))
        deviation = features.std(dim=0)
        # one scale for each source of phonetic numbers and one for each cepstral order keeps their relative sizes,
        # so that noise in dead channels is not blown up
        start = 0
        for size in PHONETIC_PARTS * PHONETIC_PER_FRAME:
            self.scale[start : start + size] = 1 / deviation[start : start + size].square().mean().sqrt()
            start += size
        phonetic = FEATURE_SIZE - HOPS_PER_FRAME * MFCC_COUNT
        cepstral = deviation[phonetic:FEATURE_SIZE].reshape(HOPS_PER_FRAME, MFCC_COUNT).square().mean(dim=0).sqrt()
        self.scale[phonetic:FEATURE_SIZE] = (1 / cepstral.clamp_min(1e-6)).repeat(HOPS_PER_FRAME)
        if self.shape.extra:
            self.scale[FEATURE_SIZE:] = 1 / deviation[FEATURE_SIZE:].square().mean().sqrt().clamp_min(1e-6)
        self.centre.copy_(landmarks.mean(dim=0))
        _, values, axes = torch.linalg.svd(landmarks - self.centre, full_matrices=False)
        count = self.modes.shape[0]
        self.modes.copy_(axes[:count] * (values[:count, None] / len(landmarks) ** 0.5))
        self.neutral.copy_(neutral)

    def forward(self, features: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return landmark displacements (B, T, 204) and ARKit weights (B, T, 51) for ``features`` (B, T, 1076).

        ``lengths`` (B,) says where padding begins; the recurrent layers do not see it.
        """
        x = (features - self.mean) * self.scale
        if self.training and self.shape.deafness:
            heard = torch.rand(len(x), int(self.source[-1]) + 1) >= self.shape.deafness
            heard |= ~heard.any(dim=1, keepdim=True)  # at least one source stays
            x = x * heard.float()[:, self.source][:, None]
        return self.motion(self.project(self.dropout(x)), lengths)

    def motion(self, projected: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return the same for features that went through the first linear layer: ``projected`` (B, T, C)."""
        x = nn.functional.gelu(projected)
        x = x + nn.functional.gelu(self.local(self.dropout(x).transpose(1, 2)).transpose(1, 2))
        x = self.dropout(self.norm(x))
        if lengths is None:
            x, _ = self.recurrent(x)
        else:
            packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
            x, _ = nn.utils.rnn.pad_packed_sequence(
                self.recurrent(packed)[0], batch_first=True, total_length=projected.shape[1]
            )
        x = self.dropout(x)
        landmarks = self.landmark_head(x) @ self.modes + self.centre
        return landmarks, torch.sigmoid(self.arkit_head(x))
