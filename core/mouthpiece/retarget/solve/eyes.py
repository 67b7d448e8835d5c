"""Finds the shape keys that turn eyeballs, and solves their weights for the gaze."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from .bounded import solve
from .pinned_face import Stance
from .unpinned_parts import Sight

Floats = NDArray[np.float64]

#: An eyeball whose vertices' motion differs by less than this share of the greatest is moved but not turned.
_CARRIED: Final = 0.25
#: Depth of the front part of an eyeball that is measured, in radii.
_FRONT: Final = 0.4
#: Regularisation of every weight towards 0, relative to its shape's motion.
_REST: Final = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class Looks:
    """Shape keys that turn eyeballs.

    Attributes
    ----------
    keys : tuple of int
        Indices of these K keys among the rig's keys.
    turns : (2 * B, K)
        Motion of the front of each of the B eyeballs by each key at weight 1: right in the picture and down, in radii.
    low, high : (K,)
        Bounds of the weights.
    """

    keys: tuple[int, ...]
    turns: Floats
    low: Floats
    high: Floats

    def weights(self, gaze: NDArray[np.floating[Any]]) -> Floats:
        """Return the weights (T, K) that turn the eyes to the ``gaze`` (T, 2), radians to the right and down."""
        if not self.keys:
            return np.zeros((len(gaze), 0))
        wanted = np.tile(np.sin(np.asarray(gaze, np.float64)), (1, len(self.turns) // 2))
        hessian = self.turns.T @ self.turns
        hessian += np.diag(_REST * np.diag(hessian) + 1e-9)
        return solve(hessian, self.turns.T @ wanted.T, self.low, self.high).T


def looks(
    sight: Sight,
    stance: Stance,
    vertices: NDArray[np.floating[Any]],
    deltas: Sequence[NDArray[np.floating[Any]]],
    low: Floats,
    high: Floats,
) -> Looks:
    """Return which of the keys with ``deltas`` (V, 3) each turn the eyeballs of a mesh, and how far.

    ``vertices`` (V, 3) is the mesh at rest; ``low`` and ``high`` are all keys' bounds.
    """
    fronts = []
    for ball, radius in sight.balls:
        depth = np.asarray(vertices, np.float64)[ball] @ stance.rotation[2]
        behind = depth - depth.min()
        front = behind < _FRONT * radius
        # The mean over all of the front, so that a widening pupil does not count as a turn.
        fronts.append((ball, ball[front], radius - float(behind[front].mean())))
    keys, turns = [], []
    for k, delta in enumerate(deltas):
        row = np.zeros((len(fronts), 2))
        for eye, (ball, front, radius) in enumerate(fronts):
            moved = np.asarray(delta, np.float64)[ball]
            most = float(np.linalg.norm(moved, axis=1).max())
            if most > 0 and np.linalg.norm(moved - moved.mean(axis=0), axis=1).max() > _CARRIED * most:
                row[eye] = (stance.rotation @ np.asarray(delta, np.float64)[front].mean(axis=0))[:2] / radius
        if np.abs(row).max(initial=0.0) > sight.turning and low[k] < high[k]:
            keys.append(k)
            turns.append(row.ravel())
    index = np.array(keys, np.int64)
    return Looks(tuple(keys), np.array(turns).reshape(len(keys), 2 * len(fronts)).T, low[index], high[index])
