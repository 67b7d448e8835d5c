"""Solves many small bounded least-squares problems with the same matrix at once."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: Sweeps of coordinate descent between two attempts at an exact solution, and most attempts.
_SWEEPS: Final = 20
_ROUNDS: Final = 60
#: Gradient, relative to the diagonal, below which it counts as zero.
_TOLERANCE: Final = 1e-7


def solve(
    hessian: NDArray[np.floating[Any]],
    linear: NDArray[np.floating[Any]],
    low: NDArray[np.floating[Any]],
    high: NDArray[np.floating[Any]],
    start: NDArray[np.floating[Any]] | None = None,
    rounds: int = _ROUNDS,
) -> Floats:
    """Return the ``x`` (K, T) that minimises ``x' H x / 2 - b' x`` within bounds, for each of T columns ``b``.

    Cyclic coordinate descent over all columns together gives an approximation; then, for columns with the same unknowns
    at their bounds, the others are solved exactly by one factorisation. Columns for which that fails are descended
    further.

    Parameters
    ----------
    hessian : (K, K)
        Symmetric and positive definite.
    linear : (K, T)
        The right-hand sides ``b``.
    low, high : (K,)
        Bounds, finite, ``low <= high``.
    start : (K, T), optional
        First approximation, for instance the solution of a similar problem.
    rounds
        Most attempts; fewer give a rougher solution sooner.
    """
    h = np.asarray(hessian, np.float64)
    b = np.asarray(linear, np.float64)
    low, high = (np.asarray(bound, np.float64)[:, None] for bound in (low, high))
    x = np.clip(np.zeros_like(b) if start is None else np.array(start, np.float64), low, high)
    pending = np.arange(b.shape[1])
    for _ in range(rounds):
        if not len(pending):
            break
        part, target = np.ascontiguousarray(x[:, pending]), np.ascontiguousarray(b[:, pending])
        _descend(h, target, low, high, part)
        _finish(h, target, low, high, part)
        x[:, pending] = part
        pending = pending[~_optimal(h, target, low, high, part)]
    return x


def _descend(h: Floats, b: Floats, low: Floats, high: Floats, x: Floats) -> None:
    """Minimise by one unknown after the other, for all columns, in place."""
    diagonal = np.diag(h)
    for _ in range(_SWEEPS):
        for k in range(len(h)):
            step = (b[k] - h[k] @ x) / diagonal[k]
            np.clip(x[k] + step, low[k], high[k], out=x[k])


def _optimal(h: Floats, b: Floats, low: Floats, high: Floats, x: Floats) -> NDArray[np.bool_]:
    """Return which columns (T,) no change of a single unknown improves."""
    step = (b - h @ x) / np.diag(h)[:, None]
    gain = np.clip(x + step, low, high) - x
    best: NDArray[np.bool_] = np.abs(gain).max(axis=0, initial=0.0) < _TOLERANCE
    return best


def _finish(h: Floats, b: Floats, low: Floats, high: Floats, x: Floats) -> None:
    """Solve the unknowns that are not at a bound exactly, in place, if they stay within their bounds."""
    step = b - h @ x
    # An unknown leaves its bound only for a real gain: otherwise rounding would stop every step at once.
    worth = _TOLERANCE * np.diag(h)[:, None]
    free = ((x > low) | (step > worth)) & ((x < high) | (step < -worth)) & (low < high)
    patterns, member = np.unique(np.packbits(free, axis=0), axis=1, return_inverse=True)
    member = np.ravel(member)
    order = np.argsort(member, kind="stable")
    ends = np.cumsum(np.bincount(member, minlength=patterns.shape[1]))
    for columns in np.split(order, ends[:-1]):
        rows = np.flatnonzero(free[:, columns[0]])
        if not len(rows):
            continue
        moved = x[np.ix_(rows, columns)] + np.linalg.solve(h[np.ix_(rows, rows)], step[np.ix_(rows, columns)])
        # A step out of the bounds stops at them: that still is an improvement, from which the descent continues.
        x[np.ix_(rows, columns)] = _cut(x[np.ix_(rows, columns)], moved, low[rows], high[rows])


def _cut(x: Floats, moved: Floats, low: Floats, high: Floats) -> Floats:
    """Return ``moved``, or, for columns out of bounds, the point between ``x`` and ``moved`` at the first bound."""
    way = moved - x
    with np.errstate(divide="ignore", invalid="ignore"):
        room = np.where(way > 0, (high - x) / way, np.where(way < 0, (low - x) / way, np.inf))
    share = np.minimum(room.min(axis=0), 1.0)
    reached: Floats = np.clip(x + share * way, low, high)
    return reached
