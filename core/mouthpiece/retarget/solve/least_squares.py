"""The least-squares fit of :mod:`.solver`: weights of the points, regularisation, and two passes over the take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ...topology import (
    INNER_LIPS,
    JAW,
    LANDMARK_COUNT,
    LEFT_BROW,
    LEFT_EYE,
    LEFT_LID_PAIRS,
    LIPS,
    NOSE,
    RIGHT_BROW,
    RIGHT_EYE,
    RIGHT_LID_PAIRS,
)
from .bounded import solve
from .correctives import pairs, products
from .proportions import LIP_PAIRS

Floats = NDArray[np.float64]

#: Weight of each point's motion in x and y; motion in z is known less well and weighs less.
_IMPORTANCE: Final = (
    (JAW, 0.15),
    (JAW[6:11], 0.8),
    (RIGHT_BROW + LEFT_BROW, 0.7),
    (NOSE, 0.3),
    (LIPS, 1.0),
    (INNER_LIPS, 1.3),
    ((48, 54, 60, 64), 1.6),
    (RIGHT_EYE + LEFT_EYE, 0.8),
)
_DEPTH: Final = 0.4
#: Weights of the gaps of lips and of lids, which viewers notice most.
_LIP_GAP, _LID_GAP = 4.0, 2.0
_GAPS: Final = tuple((*pair, _LIP_GAP) for pair in LIP_PAIRS) + tuple(
    (*pair, _LID_GAP) for pair in RIGHT_LID_PAIRS + LEFT_LID_PAIRS
)
#: Regularisation of every weight, relative to its shape's motion: towards 0, and towards few shapes.
_REST, _FEW = 5e-4, 2e-3
#: Regularisation towards the take's own weight for known names, towards a smooth course, and between two sides.
_NAMED, _SMOOTH, _PAIRED = 0.02, 0.02, 5e-3
#: Least cost of a shape with little motion, as a share of an average shape's.
_LEAST: Final = 0.05
#: Half-power frequency, in hertz, of the smooth course that weights are regularised towards.
_HERTZ: Final = 2.0
#: Number of times the motion by combinations is subtracted and the rest is solved again.
_ROUNDS: Final = 4
#: By how much a weight would exceed its limit to be reported as clamped.
_SLACK: Final = 0.05
#: Regularisation, relative to a shape's motion, that keeps a shape at 0 on the frames of which it takes no part.
_NEVER: Final = 1e3
#: Time, in seconds, in which one of two opposed shapes comes to rest before the other begins, and as long again.
_HANDOVER: Final = 0.12
#: Points whose error is reported.
_SEEN: Final = RIGHT_BROW + LEFT_BROW + NOSE + RIGHT_EYE + LEFT_EYE + LIPS


def weighed(moved: NDArray[np.floating[Any]], pinned: NDArray[np.bool_]) -> Floats:
    """Return displacements (..., 68, 3) as rows (..., R) of a least-squares problem, each times its weight."""
    weight = np.zeros((LANDMARK_COUNT, 1))
    for points, value in _IMPORTANCE:
        weight[list(points)] = value
    known = np.where(pinned[:, None], moved, 0.0)
    rows = (known * weight * [1.0, 1.0, _DEPTH]).reshape(*moved.shape[:-2], -1)
    meeting = [(up, low, value) for up, low, value in _GAPS if pinned[up] and pinned[low]]
    gaps = [value * (known[..., low, 1] - known[..., up, 1]) for up, low, value in meeting]
    return np.concatenate([rows, np.stack(gaps, axis=-1)], axis=-1) if gaps else rows


@dataclass(frozen=True, slots=True, eq=False)
class Basis:
    """The shapes to fit, in the landmarks' axes.

    Attributes
    ----------
    shapes : (K, 68, 3)
        Displacements of the points by each shape at weight 1, in eye distances; NaN for points that are not pinned.
    low, high : (K,)
        Bounds of the weights.
    cost : (K,)
        Factor, 1 or more, on each shape's regularisation: greater for shapes that move much that has no pins, or
        several parts of the face.
    opposed : tuple of pairs of int
        Shapes that undo each other: of a pair, one at most takes part on any frame.
    """

    shapes: Floats
    low: Floats
    high: Floats
    cost: Floats
    opposed: tuple[tuple[int, int], ...] = ()

    @property
    def pinned(self) -> NDArray[np.bool_]:
        """Which points (68,) are pinned."""
        known: NDArray[np.bool_] = np.asarray(np.isfinite(self.shapes).all(axis=(0, 2)))
        return known


@dataclass(frozen=True, slots=True, eq=False)
class Combined:
    """Shapes that are products of others: displacements (C, 68, 3), and the rows of the basis that each multiplies."""

    shapes: Floats
    parts: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """Weights (K, T) of the basis and (C, T) of the combinations, errors (T,), and number of clamped frames (K,).

    ``offset`` (T, 68, 3) is how far each point is from where it is wanted, NaN for points that are not pinned.
    """

    weights: Floats
    combined: Floats
    error: Floats
    clamped: NDArray[np.int64]
    offset: Floats


@dataclass(frozen=True, slots=True, eq=False)
class _Columns:
    """The unknowns: a weight that may have both signs is split in two, so that all are 0 or more and have a cost."""

    of: NDArray[np.int64]
    sign: Floats
    low: Floats
    high: Floats

    @classmethod
    def for_bounds(cls, low: Floats, high: Floats) -> _Columns:
        up, down = np.flatnonzero(high > 0), np.flatnonzero(low < 0)
        return cls(
            np.concatenate([up, down]),
            np.concatenate([np.ones(len(up)), -np.ones(len(down))]),
            np.concatenate([np.maximum(low[up], 0), np.maximum(-high[down], 0)]),
            np.concatenate([high[up], -low[down]]),
        )

    def weights(self, x: Floats, count: int) -> Floats:
        total = np.zeros((count, x.shape[1]))
        np.add.at(total, self.of, self.sign[:, None] * x)
        return total

    def split(self, weights: Floats) -> Floats:
        return np.clip(self.sign[:, None] * weights[self.of], self.low[:, None], self.high[:, None])


@dataclass(frozen=True, slots=True, eq=False)
class _Pulls:
    """Normal equations of a basis: the data, and the regularisation for what the data do not determine."""

    rows: Floats
    hessian: Floats
    price: Floats
    named: Floats

    @classmethod
    def of(cls, basis: Basis, columns: _Columns, named: NDArray[np.bool_]) -> _Pulls:
        rows = columns.sign[:, None] * weighed(basis.shapes, basis.pinned)[columns.of]
        hessian = rows @ rows.T
        size = np.diag(hessian).copy()
        price = (size + _LEAST * size.mean()) * basis.cost[columns.of]
        pull = _NAMED * np.where(named[columns.of], size, 0.0)
        hessian += np.diag((_REST + _SMOOTH) * price + pull)
        for a, b in pairs(basis.shapes):
            for sign in (1.0, -1.0):
                both = [np.flatnonzero((columns.of == k) & (columns.sign == sign)) for k in (a, b)]
                if all(len(k) for k in both):
                    i, j = int(both[0][0]), int(both[1][0])
                    stiff = _PAIRED * min(size[i], size[j])
                    hessian[[i, j, i, j], [i, j, j, i]] += np.array([1, 1, -1, -1]) * stiff
        return cls(rows, hessian, price, pull)


def fit(
    basis: Basis,
    wanted: Floats,
    fps: float,
    prior: Floats | None = None,
    named: NDArray[np.bool_] | None = None,
    combined: Combined | None = None,
) -> Fitted:
    """Return the weights that move the points by the displacements ``wanted`` (T, 68, 3), sampled at ``fps``.

    Every frame is solved on its own, then again with slight regularisation towards the smoothed course of the first
    solution. This keeps similar shapes from alternating, while motion the points clearly determine, above all lips that
    meet, stays sharp. Where ``named`` (K,), weights are regularised towards ``prior`` (K, T). The motion by
    combinations is subtracted and the rest is solved again until both agree.
    """
    count, frames = len(basis.shapes), len(wanted)
    columns = _Columns.for_bounds(basis.low, basis.high)
    named = np.zeros(count, bool) if named is None else named
    pulls = _Pulls.of(basis, columns, named)
    bound = columns.low, columns.high
    target = weighed(wanted, basis.pinned)
    guess = columns.split(np.zeros((count, frames)) if prior is None else prior)
    constant = pulls.named[:, None] * guess - _FEW * pulls.price[:, None]
    extra = np.zeros((0, frames))
    # The first pass has no smooth course yet, so that term is left out.
    rough = pulls.hessian - np.diag(_SMOOTH * pulls.price)
    linear = pulls.rows @ target.T + constant
    x = solve(rough, linear, *bound, start=np.where(named[columns.of, None], guess, 0.0), rounds=2)
    out = _left_out(basis, pulls, columns, x, fps)
    never = _NEVER * np.diag(pulls.hessian)[:, None]
    x = np.where(out, 0.0, x)
    for _ in range(_ROUNDS if combined is not None and len(combined.parts) else 1):
        aim = target
        if combined is not None and len(combined.parts):
            extra = products(columns.weights(x, count), combined.parts)
            aim = target - extra.T @ weighed(np.nan_to_num(combined.shapes), basis.pinned)
        course = _SMOOTH * pulls.price[:, None] * smoothed(x, fps)
        linear = pulls.rows @ aim.T + constant + course
        x = solve(pulls.hessian, linear - never * out, *bound, start=x)
    if out.any():
        x = _eased(pulls.hessian, linear, never, bound, x, out, round(_HANDOVER * fps))
    weights = columns.weights(x, count)
    if combined is not None and len(combined.parts):
        extra = products(weights, combined.parts)
    offset = _offset(basis, wanted, weights, combined, extra)
    seen = [p for p in _SEEN if basis.pinned[p]]
    error = np.sqrt((offset[:, seen, :2] ** 2).sum(axis=-1).mean(axis=-1))
    return Fitted(weights, extra, error, _cut_off(pulls, columns, linear - never * out, x, count), offset)


def missed(offset: Floats, points: Sequence[int]) -> float:
    """Return the root mean square of the ``offset`` (T, 68, 3) of some points in x and y; NaN if none is pinned."""
    kept = [p for p in points if np.isfinite(offset[:, p]).all()]
    return float(np.sqrt((offset[:, kept, :2] ** 2).sum(axis=-1).mean())) if kept and len(offset) else float("nan")


def _left_out(basis: Basis, pulls: _Pulls, columns: _Columns, x: Floats, fps: float) -> NDArray[np.bool_]:
    """Return which unknowns (N, T) take no part on which frames: of opposed shapes, the one that is outweighed.

    What a pair does together is smoothed first, so that the two do not take turns. Neither takes part on the frames
    around a change from one to the other, so that :func:`_eased` never has both.
    """
    out = np.zeros(x.shape, bool)
    size = np.sqrt(np.diag(pulls.rows @ pulls.rows.T))
    reach = round(_HANDOVER * fps)
    for a, b in basis.opposed:
        for i in np.flatnonzero(columns.of == a):
            for j in np.flatnonzero((columns.of == b) & (columns.sign == columns.sign[i])):
                leads = smoothed((size[i] * x[i] - size[j] * x[j])[None], fps)[0] >= 0
                out[i] |= _wider(~leads, reach)
                out[j] |= _wider(leads, reach)
    return out


def _wider(frames: NDArray[np.bool_], reach: int) -> NDArray[np.bool_]:
    """Return which frames (T,) are at most ``reach`` frames from one of ``frames``."""
    window = np.lib.stride_tricks.sliding_window_view(np.pad(frames, reach), 2 * reach + 1)
    wide: NDArray[np.bool_] = np.asarray(window.any(axis=1))
    return wide


def _eased(
    hessian: Floats,
    linear: Floats,
    never: Floats,
    bound: tuple[Floats, Floats],
    x: Floats,
    out: NDArray[np.bool_],
    reach: int,
) -> Floats:
    """Return the solution ``x`` (N, T) without jumps on the frames where shapes begin or cease to take part.

    A frame near such a change is solved with the shapes of each of the frames around it, and the mean of these
    solutions is taken: it moves the points as they do.
    """
    frames = np.arange(x.shape[1])
    total = np.zeros_like(x)
    for step in range(-reach, reach + 1):
        theirs = out[:, np.clip(frames + step, 0, len(frames) - 1)]
        other, part = x.copy(), np.flatnonzero((theirs != out).any(axis=0))
        if len(part):
            aim = linear[:, part] - never * theirs[:, part]
            other[:, part] = solve(hessian, aim, *bound, start=np.where(theirs[:, part], 0.0, x[:, part]))
        total += (reach + 1 - abs(step)) * other
    eased: Floats = total / (reach + 1) ** 2
    return eased


def smoothed(x: Floats, fps: float) -> Floats:
    """Return weights (K, T), low-pass filtered at :data:`_HERTZ`."""
    from scipy import ndimage

    sigma = np.sqrt(np.log(2)) / (2 * np.pi * _HERTZ) * fps
    course: Floats = ndimage.gaussian_filter1d(x, sigma, axis=1, mode="nearest")
    return course


def _offset(basis: Basis, wanted: Floats, weights: Floats, combined: Combined | None, extra: Floats) -> Floats:
    got = np.tensordot(weights.T, basis.shapes, axes=1)
    if combined is not None and len(extra):
        got = got + np.tensordot(extra.T, combined.shapes, axes=1)
    offset: Floats = wanted - got
    return offset


def _cut_off(pulls: _Pulls, columns: _Columns, linear: Floats, x: Floats, count: int) -> NDArray[np.int64]:
    """Return the number of frames (K,) on which each weight is at a limit that it would exceed."""
    step = (linear - pulls.hessian @ x) / np.diag(pulls.hessian)[:, None]
    beyond = (x >= columns.high[:, None]) & (step > _SLACK)
    total = np.zeros((count, x.shape[1]), bool)
    np.logical_or.at(total, columns.of, beyond)
    frames: NDArray[np.int64] = total.sum(axis=1)
    return frames


def largest(shapes: Floats, points: Sequence[int] = range(LANDMARK_COUNT)) -> Floats:
    """Return the greatest motion (K,) of any of the points by each of ``shapes`` (K, 68, 3)."""
    far: Floats = np.nan_to_num(np.linalg.norm(shapes[:, list(points)], axis=2)).max(axis=1, initial=0.0)
    return far
