"""Finds triangles of a face that fold when landmarks move too far, and limits the motion to prevent it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ...topology import LANDMARK_COUNT, LEFT_LID_PAIRS, RIGHT_LID_PAIRS
from .triangles import FLAT, areas, cross

Points = NDArray[np.float64]
Triangles = NDArray[np.int64]

#: Pairs of upper and lower points that meet when lips shut, and all pairs of lips and lids.
LIP_PAIRS: Final = ((61, 67), (62, 66), (63, 65))
PAIRS: Final = LIP_PAIRS + RIGHT_LID_PAIRS + LEFT_LID_PAIRS
#: Pair -> corners (that towards x = 0 first) of its mouth or eye; the gap is measured across the line between them.
CORNERS: Final = {**dict.fromkeys(LIP_PAIRS, (60, 64)), **dict.fromkeys(RIGHT_LID_PAIRS, (36, 39)),
                   **dict.fromkeys(LEFT_LID_PAIRS, (42, 45))}  # fmt: skip
#: Most rounds of limiting single vertices before all displacements of a frame are reduced.
_ROUNDS: Final = 40


def flipped(triangles: Triangles, moved: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which of the ``triangles`` (K, 3) are folded when the vertices are at ``moved`` (T, V, 2), (T, K)."""
    moved = np.asarray(moved, np.float64)
    size = np.ptp(moved, axis=-2).max(axis=-1, keepdims=True)
    result: NDArray[np.bool_] = areas(moved, triangles) < -FLAT * size**2
    return result


@dataclass(frozen=True, slots=True, eq=False)
class Repaired:
    """Vertices (T, V, 2) without folded triangles, and how many triangles on how many frames had been folded."""

    moved: Points
    folds: int
    frames: int


def repaired(triangles: Triangles, neutral: Points, moved: NDArray[Any], least: float = 0.0) -> Repaired:
    """Return ``moved`` (T, N or V, 2) with displacements shortened where a triangle would fold.

    Lips and lids that cross are moved to meet half way. The corners of other triangles move only until the triangle is
    flat. ``neutral`` (V, 2) are the vertices at rest; triangles that are folded there, and those of an area up to
    ``least``, are ignored.
    """
    neutral = np.asarray(neutral, np.float64)
    offsets = np.zeros((len(moved), *neutral.shape))
    offsets[:, : moved.shape[1]] = np.asarray(moved, np.float64) - neutral[: moved.shape[1]]
    checked = triangles[~flipped(triangles, neutral[None])[0] & ~(np.abs(areas(neutral, triangles)) < least)]
    folded = flipped(checked, neutral + offsets)
    rows = np.flatnonzero(folded.any(axis=1))
    folds, frames = int(folded.sum()), len(rows)
    offsets[rows] = met(neutral + offsets[rows], neutral) - neutral
    folded[rows] = flipped(checked, neutral + offsets[rows])
    rows = rows[folded[rows].any(axis=1)]
    for _ in range(_ROUNDS):
        if not len(rows):
            break
        offsets[rows] *= _kept(checked, neutral, offsets[rows], folded[rows])[..., None]
        folded[rows] = flipped(checked, neutral + offsets[rows])
        rows = rows[folded[rows].any(axis=1)]
    for row in rows:  # never happened on faces; reducing a whole frame ends at rest, where nothing is folded
        while flipped(checked, (neutral + offsets[row])[None]).any():
            offsets[row] *= 0.8
            if np.abs(offsets[row]).max() < 1e-9:
                offsets[row] = 0
                break
    return Repaired(neutral + offsets, folds, frames)


def met(moved: NDArray[Any], neutral: Points) -> Points:
    """Return the vertices ``moved`` (T, V, 2) with lips and lids that cross moved to meet half way.

    Pairs that cross in ``neutral`` (V, 2) may cross as far as they do there.
    """
    result = np.array(moved, np.float64)
    for pair in PAIRS if len(neutral) >= LANDMARK_COUNT else ():
        upper, lower = pair
        crossed = gap(result, pair, CORNERS[pair]) < np.minimum(gap(neutral, pair, CORNERS[pair]), 0)
        middle = (result[crossed, upper] + result[crossed, lower]) / 2
        result[crossed, upper] = result[crossed, lower] = middle
    return result


def gap(vertices: Points, pair: tuple[int, int], corners: tuple[int, int]) -> Points:
    """Return the gap (...,) of a pair, measured across the line between its corners."""
    start, end = (vertices[..., corner, :] for corner in corners)
    along = end - start
    result: Points = cross(along, vertices[..., pair[1], :] - vertices[..., pair[0], :])
    return result / np.maximum(np.hypot(along[..., 0], along[..., 1]), 1e-12)


def _kept(triangles: Triangles, neutral: Points, offsets: Points, folded: NDArray[np.bool_]) -> Points:
    """Return the share (T, V) of each vertex's displacement at which the triangles that it folds are flat."""
    first, second, third = (neutral[triangles[:, k]] for k in range(3))
    d1, d2, d3 = (offsets[:, triangles[:, k]] for k in range(3))
    # Twice the area at a share t of the displacement is a polynomial in t.
    base = cross(second - first, third - first)
    linear = cross(second - first, d3 - d1) + cross(d2 - d1, third - first)
    square = cross(d2 - d1, d3 - d1)
    root = np.sqrt(np.maximum(linear**2 - 4 * square * base, 0))
    with np.errstate(divide="ignore", invalid="ignore"):
        # the smaller positive root, in a form that is stable for a vanishing square term
        share = np.where(folded, 2 * base / np.where(-linear + root > 0, -linear + root, np.inf), 1.0)
    share = np.clip(share, 0, 1) * np.where(folded, 1 - 1e-3, 1)
    kept = np.ones(offsets.shape[:2])
    for k in range(3):
        np.minimum.at(kept.T, triangles[:, k], share.T)
    return kept
