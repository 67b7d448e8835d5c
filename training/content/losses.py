"""The loss of the content network: errors of position, speed, lip contact and size of movement."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from mouthpiece.topology import (
    ARKIT_MOUTH,
    INNER_LIP_BOTTOM,
    INNER_LIP_TOP,
    JAW,
    LIPS,
    MOUTH_LEFT_CORNER,
    MOUTH_RIGHT_CORNER,
)
from torch import Tensor

from ..configuration import Configuration
from ..pack.clips import LABELLED

#: Standard deviation of an ARKit weight below which it counts as still, in a window or in a whole pack.
SMALL_SPREAD = 0.03


@dataclass(frozen=True, slots=True)
class ContentLossWeights(Configuration):
    """Factors of the parts of the loss; all distances are in outer-eye distances.

    Attributes
    ----------
    upper, jaw, lips : per point, of the absolute displacement error.
    closed : lip errors count ``1 + 2 closed / (gap + closed)`` times: three times where the real lips meet.
    velocity : of the absolute error of frame-to-frame displacements of mouth and jaw.
    opening : of the absolute errors of inner-lip gap and lip width themselves.
    shape : of one minus the correlation of gap and of width with the real ones.
    amplitude : of the squared log ratio of predicted to real spread of the gap.
    liveliness : of the squared log ratio of predicted to real spread of the changes of gap and width. Without it,
        absolute errors favour a mouth that starts late and stops early.
    arkit, arkit_velocity : of the squared errors of ARKit weights and of their changes, each weight in units of its
        own spread. They are squared because most weights are zero most of the time, and absolute errors would favour a
        face that stays at zero.
    arkit_shape, arkit_amplitude : as ``shape`` and ``amplitude``, for each weight of mouth and jaw that moves.
    """

    upper: float = 0.3
    jaw: float = 0.7
    lips: float = 2.0
    closed: float = 0.05
    velocity: float = 1.0
    opening: float = 1.0
    shape: float = 0.02
    amplitude: float = 0.004
    liveliness: float = 0.012
    arkit: float = 0.02
    arkit_velocity: float = 0.04
    arkit_shape: float = 0.02
    arkit_amplitude: float = 0.004


def gap_and_width(landmarks: Tensor, neutral: Tensor) -> Tensor:
    """Return the inner-lip gap and the lip width (B, T, 2) of displacements (B, T, 204) from ``neutral`` (68, 3)."""
    face = landmarks.unflatten(-1, (-1, 3)) + neutral
    gap = face[..., INNER_LIP_BOTTOM, 1] - face[..., INNER_LIP_TOP, 1]
    width = face[..., MOUTH_LEFT_CORNER, 0] - face[..., MOUTH_RIGHT_CORNER, 0]
    return torch.stack([gap, width], dim=-1)


def _mean(values: Tensor, weight: Tensor) -> Tensor:
    """Return the mean of ``values``, weighted; 0 where no weight is left."""
    return (values * weight).sum() / weight.sum().clamp_min(1.0)


def _changes(values: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Return the changes (B, T - 1, C) of ``values`` from frame to frame, and how much each counts (B, T - 1)."""
    return values.diff(dim=1), torch.minimum(weight[:, 1:], weight[:, :-1])


def correlation(predicted: Tensor, real: Tensor, weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the correlation over time (B, C) and both standard deviations (B, C) of series (B, T, C)."""
    w = weight[..., None] / weight.sum(dim=1).clamp_min(1.0)[:, None, None]
    a = predicted - (predicted * w).sum(dim=1, keepdim=True)
    b = real - (real * w).sum(dim=1, keepdim=True)
    va, vb = (a * a * w).sum(dim=1), (b * b * w).sum(dim=1)
    covariance = (a * b * w).sum(dim=1)
    return covariance / ((va + 1e-6) * (vb + 1e-6)).sqrt(), (va + 1e-6).sqrt(), (vb + 1e-6).sqrt()


class ContentLoss:
    """The loss of the content network."""

    def __init__(self, weights: ContentLossWeights, neutral: Tensor, arkit_spread: Tensor) -> None:
        """Prepare a loss whose parts are weighted by ``weights``.

        ``neutral`` (68, 3) is the resting face, ``arkit_spread`` (51,) the standard deviation of each ARKit weight.
        """
        self._weights, self._neutral = weights, neutral
        self._arkit_unit = 1 / (arkit_spread + SMALL_SPREAD)
        self._is_mouth = torch.tensor([float(name in ARKIT_MOUTH) for name in LABELLED])
        points = torch.full((68,), weights.upper)
        points[list(JAW)] = weights.jaw
        points[list(LIPS)] = weights.lips
        self._points = points.repeat_interleave(3)
        self._is_lip = torch.zeros(68)
        self._is_lip[list(LIPS)] = 1.0
        self._is_lip = self._is_lip.repeat_interleave(3)

    def __call__(
        self, landmarks: Tensor, arkit: Tensor, real_landmarks: Tensor, real_arkit: Tensor, weight: Tensor
    ) -> dict[str, Tensor]:
        """Return the weighted parts of the loss by name; their sum is to be minimised.

        Landmarks (B, T, 204), ARKit weights (B, T, 51), weight (B, T) with 0 for frames that do not count.
        """
        w = self._weights
        opening, real_opening = gap_and_width(landmarks, self._neutral), gap_and_width(real_landmarks, self._neutral)
        gap = real_opening[..., :1].clamp_min(0.0)
        emphasis = 1 + 2 * self._is_lip * w.closed / (gap + w.closed)
        error = (landmarks - real_landmarks).abs() * self._points
        change, moving = _changes(landmarks - real_landmarks, weight)
        alike, spread, real_spread = correlation(opening, real_opening, weight)
        speaks = (real_spread > 0.01).float()  # a still mouth has no correlation
        _, speed, real_speed = correlation(opening.diff(dim=1), real_opening.diff(dim=1), moving)
        arkit_error = (arkit - real_arkit) * self._arkit_unit
        arkit_change, _ = _changes(arkit_error, weight)
        arkit_alike, arkit_spread, real_arkit_spread = correlation(arkit, real_arkit, weight)
        moves = (real_arkit_spread > SMALL_SPREAD).float() * self._is_mouth
        return {
            "points": _mean((error * emphasis).mean(dim=-1), weight),
            "velocity": w.velocity * _mean((change.abs() * self._points).mean(dim=-1), moving),
            "opening": w.opening * _mean((opening - real_opening).abs().mean(dim=-1), weight),
            "shape": w.shape * ((1 - alike) * speaks).mean(),
            "amplitude": w.amplitude * ((spread / real_spread).log().square() * speaks)[:, 0].mean(),
            "liveliness": w.liveliness * ((speed / real_speed).log().square() * speaks).mean(),
            "arkit": w.arkit * _mean(arkit_error.square().mean(dim=-1), weight),
            "arkit_velocity": w.arkit_velocity * _mean(arkit_change.square().mean(dim=-1), moving),
            "arkit_shape": w.arkit_shape * _mean(1 - arkit_alike, moves),
            "arkit_amplitude": w.arkit_amplitude * _mean((arkit_spread / real_arkit_spread).log().square(), moves),
        }
