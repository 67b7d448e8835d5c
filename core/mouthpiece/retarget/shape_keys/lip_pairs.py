"""Where a mesh's lips meet, found from what its shape keys move: no names, no hand-picked vertices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

#: Least share of what the lip shapes move at most, for a vertex to belong to the lips.
_LIPS: Final = 0.3
#: Share of the lips' greatest opening: at most that of the upper lip, at least that of the lower.
_UPPER: Final = 0.3
_LOWER: Final = 0.6
#: Half widths of the strip around the lips' middle that is searched, in mouth widths: the narrow one first.
_STRIPS: Final = (0.06, 0.15, 0.3)
#: Vertices of a lip that are looked at, at most: those nearest to the other lip decide.
_MOST: Final = 600
_PAIRS: Final = 3
#: Lips farther apart at rest than this share of their width do not meet: those are no lips, or an open mouth.
_FARTHEST: Final = 0.35


def lip_pairs(rest: Array, opening: Array, lip_shapes: Sequence[Array]) -> tuple[tuple[int, int], ...]:
    """Return pairs (upper, lower) of vertices at the middle of the lips that meet while the mouth is shut.

    Parameters
    ----------
    rest : (N, 3) float32
        Vertices of the resting face, in any frame of reference and unit.
    opening : (N, 3) float32
        What the key that opens the mouth moves, which may be jaw and teeth as well.
    lip_shapes : sequence of (N, 3) float32
        What keys that shape the lips move (a pucker, a funnel), by which lips are told from chin and teeth. Without
        any, everything that opens counts.

    Returns
    -------
    tuple of (int, int)
        Up to three pairs, the closest first; none if the mesh has no lips that part.
    """
    lips = _lips(opening, lip_shapes)
    if lips.sum() < 2:
        return ()
    down = _direction(opening, lips)
    drop = opening @ down
    greatest = float(drop[lips].max())
    across = _across(rest[lips], down)
    side = rest @ across
    middle, width = _middle(side[lips])
    if greatest <= 0 or width <= 0:
        return ()
    for strip in _STRIPS:
        near = lips & (np.abs(side - middle) <= strip * width)
        upper = np.flatnonzero(near & (drop <= _UPPER * greatest))
        lower = np.flatnonzero(near & (drop >= _LOWER * greatest))
        pairs = _closest(rest, upper, lower, _FARTHEST * width)
        if pairs:
            return pairs
    return ()


def parting(
    pairs: Sequence[tuple[int, int]], opening: NDArray[np.floating], moved: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Return how far (K,) each key moves the lower lips of ``pairs`` away from the upper, along how the mouth opens.

    Parameters
    ----------
    pairs
        As of :func:`lip_pairs`, P of them.
    opening : (P, 2, 3)
        What the key that opens the mouth moves the pairs' vertices by, upper and lower.
    moved : (K, P, 2, 3)
        The same of every key.
    """
    along = np.asarray(opening[:, 1] - opening[:, 0], np.float64)
    directions = along / np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-12)
    apart = np.asarray(moved[:, :, 1] - moved[:, :, 0], np.float64)
    found: NDArray[np.float64] = (apart * directions).sum(axis=2).mean(axis=1)
    return found if len(pairs) else np.zeros(len(moved))


def _lips(opening: Array, lip_shapes: Sequence[Array]) -> NDArray[np.bool_]:
    """Return which vertices (N,) the shapes of the lips move."""
    moved = np.zeros(len(opening), np.float32)
    for shape in lip_shapes:
        far = np.linalg.norm(shape, axis=1)
        moved += far / max(float(far.max(initial=0.0)), 1e-12)
    if not moved.any():
        # No shape tells: whatever is near what opens.
        return np.ones(len(opening), bool)
    lips: NDArray[np.bool_] = moved > _LIPS * moved.max()
    return lips


def _direction(opening: Array, lips: NDArray[np.bool_]) -> Array:
    """Return the direction (3,) in which the vertex of the lips that moves most goes."""
    far = np.linalg.norm(opening, axis=1) * lips
    most = opening[int(far.argmax())]
    down: Array = (most / max(float(np.linalg.norm(most)), 1e-12)).astype(np.float32)
    return down


def _across(lips: Array, down: Array) -> Array:
    """Return the axis (3,) along which the mouth is wide: the longest extent, but for the one it opens along."""
    extent = np.ptp(lips, axis=0)
    extent[int(np.abs(down).argmax())] = -1.0
    axis = np.zeros(3, np.float32)
    axis[int(extent.argmax())] = 1.0
    return axis


def _middle(side: NDArray[np.floating]) -> tuple[float, float]:
    low, high = float(side.min()), float(side.max())
    return (low + high) / 2, high - low


def _closest(
    rest: Array, upper: NDArray[np.int64], lower: NDArray[np.int64], farthest: float
) -> tuple[tuple[int, int], ...]:
    """Return the closest pairs, no vertex twice."""
    if not len(upper) or not len(lower):
        return ()
    centre = rest[upper].mean(axis=0), rest[lower].mean(axis=0)
    upper = upper[np.argsort(np.linalg.norm(rest[upper] - centre[1], axis=1))[:_MOST]]
    lower = lower[np.argsort(np.linalg.norm(rest[lower] - centre[0], axis=1))[:_MOST]]
    far = np.linalg.norm(rest[upper][:, None] - rest[lower][None], axis=2)
    pairs: list[tuple[int, int]] = []
    for _ in range(_PAIRS):
        above, below = np.unravel_index(int(far.argmin()), far.shape)
        if not far[above, below] <= farthest:
            break
        pairs.append((int(upper[above]), int(lower[below])))
        far[above], far[:, below] = np.inf, np.inf
    return tuple(pairs)
