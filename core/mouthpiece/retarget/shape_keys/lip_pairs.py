"""Finds where a mesh's lips meet from the motion of its shape keys, without names or chosen vertices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

#: Least share of the lip shapes' greatest motion for a vertex to belong to the lips.
_LIPS: Final = 0.3
#: Share of the greatest opening motion: vertices of the upper lip move less, those of the lower lip more.
_UPPER: Final = 0.3
_LOWER: Final = 0.6
#: Half widths, in mouth widths, of the strips around the middle of the lips that are searched, in this order.
_STRIPS: Final = (0.06, 0.15, 0.3)
#: Most vertices of a lip that are compared: those nearest to the other lip.
_MOST: Final = 600
_PAIRS: Final = 3
#: Greatest distance of the lips at rest, as a share of their width; farther ones are no lips, or an open mouth.
_FARTHEST: Final = 0.35


def lip_pairs(rest: Array, opening: Array, lip_shapes: Sequence[Array]) -> tuple[tuple[int, int], ...]:
    """Return pairs (upper, lower) of vertices at the middle of the lips that meet while the mouth is shut.

    Parameters
    ----------
    rest : (N, 3) float32
        Vertices of the resting face, in any frame of reference and unit.
    opening : (N, 3) float32
        Displacements by the key that opens the mouth, which may move jaw and teeth as well.
    lip_shapes : sequence of (N, 3) float32
        Displacements by keys that shape the lips (a pucker, a funnel), which tell lips from chin and teeth. Without
        any, all vertices that open are used.

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
    """Return how far each key moves the lower lip of ``pairs`` from the upper, in the direction of opening, (K,).

    Parameters
    ----------
    pairs
        The P pairs, from :func:`lip_pairs`.
    opening : (P, 2, 3)
        Displacements of the pairs' vertices, upper and lower, by the key that opens the mouth.
    moved : (K, P, 2, 3)
        The same for every key.
    """
    along = np.asarray(opening[:, 1] - opening[:, 0], np.float64)
    directions = along / np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-12)
    apart = np.asarray(moved[:, :, 1] - moved[:, :, 0], np.float64)
    found: NDArray[np.float64] = (apart * directions).sum(axis=2).mean(axis=1)
    return found if len(pairs) else np.zeros(len(moved))


def _lips(opening: Array, lip_shapes: Sequence[Array]) -> NDArray[np.bool_]:
    """Return which vertices (N,) the lip shapes move."""
    moved = np.zeros(len(opening), np.float32)
    for shape in lip_shapes:
        far = np.linalg.norm(shape, axis=1)
        moved += far / max(float(far.max(initial=0.0)), 1e-12)
    if not moved.any():
        # Without lip shapes every vertex may belong to the lips.
        return np.ones(len(opening), bool)
    lips: NDArray[np.bool_] = moved > _LIPS * moved.max()
    return lips


def _direction(opening: Array, lips: NDArray[np.bool_]) -> Array:
    """Return the direction (3,) of the motion of the lips' vertex that moves furthest."""
    far = np.linalg.norm(opening, axis=1) * lips
    most = opening[int(far.argmax())]
    down: Array = (most / max(float(np.linalg.norm(most)), 1e-12)).astype(np.float32)
    return down


def _across(lips: Array, down: Array) -> Array:
    """Return the axis (3,) of the mouth's width: that along which lips spread most, across the direction of opening.

    It is the spread and not the extent, as a few vertices deep inside the mouth may lie farther back than it is wide.
    """
    extent = lips.std(axis=0)
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
    """Return the closest pairs of vertices; no vertex is in two pairs."""
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
