"""Fits a rig's shape keys, whatever their names, to landmarks by bounded least squares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from ...errors import RigError
from ...topology import ARKIT_INDEX, JAW, LEFT_BROW, LEFT_EYE, LIPS, NOSE, RIGHT_BROW, RIGHT_EYE
from .correctives import combinations
from .least_squares import Basis, Combined, fit, largest, missed
from .pinned_face import PinnedFace, Stance, stance
from .proportions import Wanted, transferred

if TYPE_CHECKING:
    from ...performance import Performance

Floats = NDArray[np.float64]

#: Least motion of a pin, in eye distances, by a shape at its limit, for the shape to be used.
_STILL: Final = 0.004
#: Greatest share of a shape's motion that may be away from the pins (tongue, eyeballs) for the shape to be used; share
#: above which its cost rises, and factor on the square of the excess in that cost.
_UNSEEN: Final = 0.9
_BORNE, _UNSEEN_COST = 0.2, 150.0
#: Cost of each further part of the face that a shape moves, and share of its greatest motion that counts as moving one.
_WIDE_COST, _WIDE = 20.0, 0.25
#: How many times further than the take moves a part of the face a shape may move it.
_BEYOND: Final = 1.25
#: Parts of the face that are moved apart from each other, by what they are called in reports.
PARTS: Final = {"mouth": LIPS + JAW[4:13], "lids": RIGHT_EYE + LEFT_EYE, "brows": RIGHT_BROW + LEFT_BROW}
#: Layer of a shape by the points that it moves most.
_LAYERS: Final = (
    ("lips", LIPS + JAW[4:13]),
    ("eyes", RIGHT_EYE + LEFT_EYE),
    ("expression", RIGHT_BROW + LEFT_BROW + NOSE + JAW[:4] + JAW[13:]),
)


@dataclass(frozen=True, slots=True, eq=False)
class Shapes:
    """A rig's shape keys, by what they move at the pins.

    Attributes
    ----------
    names : tuple of str
        Names of the K keys.
    deltas : (K, 68, 3)
        Displacements of the points by each key at weight 1, in the rig's space and unit; NaN where none is pinned.
    low, high : (K,)
        Least and greatest weight.
    unseen : (K,)
        Share, 0 to 1, of each key's motion that is away from the pins (:mod:`.unpinned_parts`).
    known : mapping of str to str
        Key -> ARKit shape, for keys with known names; they are regularised towards the take's own weights.
    made : mapping of str to tuple of str
        Keys that drivers of the rig set to the product of other keys -> these; they are computed but not keyed.
    opposed : tuple of pairs of int
        Keys that undo each other (:func:`.correctives.opposed`): one of each pair at most is used on a frame.
    """

    names: tuple[str, ...]
    deltas: Floats
    low: Floats
    high: Floats
    unseen: Floats
    known: Mapping[str, str] = field(default_factory=dict)
    made: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    opposed: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Solution:
    """Weights over time, and their error.

    Attributes
    ----------
    names : tuple of str
        Names of the N solved keys.
    weights : (T, N)
        Values of the keys at the take's own rate.
    error : (T,)
        Root mean square error over the points of brows, nose, eyes and lips, in the rig's eye distances.
    clamped : mapping of str to int
        Key -> number of frames on which it would exceed its limit.
    held : tuple of str
        Keys that were kept from moving a part of the face further than the take ever does.
    parts : mapping of str to float
        Root mean square error of each of :data:`PARTS` over all frames, in the rig's eye distances; NaN if the part has
        no pins.
    """

    names: tuple[str, ...]
    weights: Floats
    error: Floats
    clamped: Mapping[str, int]
    held: tuple[str, ...] = ()
    parts: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Solver:
    """The solver for a rig: everything that does not depend on the take.

    Attributes
    ----------
    stance : Stance
        Conversion of the rig's space to the landmarks' axes.
    shapes : Shapes
        All its keys.
    free : tuple of int
        Indices of the keys to solve.
    parts : mapping of int to tuple of int
        Keys that are products of others -> these, as indices.
    """

    stance: Stance
    shapes: Shapes
    free: tuple[int, ...]
    parts: Mapping[int, tuple[int, ...]]

    @classmethod
    def of(cls, face: PinnedFace, shapes: Shapes, neutral: NDArray[np.floating[Any]]) -> Solver:
        """Return the solver for a rig and the performance's face ``neutral`` (68, 3).

        Raises
        ------
        RigError
            If no shape moves a pin, or the pins do not form a face.
        """
        how = stance(face, neutral)
        index = {name: k for k, name in enumerate(shapes.names)}
        made = {**combinations(shapes.names), **shapes.made}
        parts = {
            index[name]: tuple(index[part] for part in of) for name, of in made.items() if all(p in index for p in of)
        }
        free = tuple(k for k in _moving(shapes, how) if k not in parts)
        if not free:
            raise RigError(
                "None of the shape keys moves a pinned point. Check the pins, and whether the keys are on this mesh."
            )
        return cls(how, shapes, free, {k: rows for k, rows in parts.items() if set(rows) <= set(free)})

    @property
    def combined(self) -> Mapping[str, tuple[str, ...]]:
        """Keys to be set to the product of others -> these; without those that the rig's drivers set."""
        names = self.shapes.names
        return {
            names[k]: tuple(names[part] for part in rows)
            for k, rows in self.parts.items()
            if names[k] not in self.shapes.made
        }

    def layers(self) -> Mapping[str, str]:
        """Return the layer ("lips", "eyes" or "expression") of each key, by the points it moves most."""
        seen = self.stance.seen(self.shapes.deltas)
        far = np.stack([largest(seen, points) for _, points in _LAYERS])
        return {name: _LAYERS[best][0] for name, best in zip(self.shapes.names, far.argmax(axis=0), strict=True)}

    def wanted(self, performance: Performance, strength: float = 1.0) -> Wanted:
        """Return the wanted motion of the rig's landmarks, times ``strength``."""
        wanted = transferred(performance.landmarks, performance.neutral, self.stance.points)
        return Wanted(wanted.displacements * strength, wanted.contact)

    def solve(self, wanted: Floats, fps: float, arkit: NDArray[np.floating[Any]] | None = None) -> Solution:
        """Return the weights that move the rig's points by the displacements ``wanted``.

        Parameters
        ----------
        wanted : (T, 68, 3)
            Displacements in the landmarks' axes and the rig's eye distances.
        fps
            Frames per second of ``wanted``.
        arkit : (T, 52), optional
            The take's own ARKit weights, for keys whose names are known.
        """
        free = list(self.free)
        seen = self.stance.seen(self.shapes.deltas)
        place = {k: row for row, k in enumerate(free)}
        cost = 1 + _UNSEEN_COST * np.maximum(self.shapes.unseen[free] - _BORNE, 0) ** 2
        cost = cost + _WIDE_COST * (_breadth(seen[free]) - 1)
        opposed = tuple((place[a], place[b]) for a, b in self.shapes.opposed if a in place and b in place)
        wanted = np.asarray(wanted, np.float64)
        low, high = self.shapes.low[free], self.shapes.high[free]
        most = _justified(seen[free], wanted)
        least, most = np.maximum(low, np.minimum(-most, high)), np.minimum(high, np.maximum(most, low))
        basis = Basis(seen[free], least, most, cost, opposed)
        prior, named = self._prior(arkit, len(wanted))
        combined = Combined(
            seen[list(self.parts)], tuple(tuple(place[k] for k in rows) for rows in self.parts.values())
        )
        found = fit(basis, wanted, fps, prior, named, combined)
        names = tuple(self.shapes.names[k] for k in free)
        limited = {name: int(count) for name, count in zip(names, found.clamped, strict=True) if count}
        held = {name for name, own, limit in zip(names, high, most, strict=True) if limit < own}
        clamped = {name: count for name, count in limited.items() if name not in held}
        return Solution(
            names, found.weights.T, found.error, clamped,
            tuple(name for name in limited if name in held),
            {part: missed(found.offset, points) for part, points in PARTS.items()},
        )  # fmt: skip

    def _prior(self, arkit: NDArray[np.floating[Any]] | None, frames: int) -> tuple[Floats, NDArray[np.bool_]]:
        """Return the take's own weights for the solved keys (N, T), and for which of them it has any (N,)."""
        names = [self.shapes.names[k] for k in self.free]
        prior, named = np.zeros((len(names), frames)), np.zeros(len(names), bool)
        for row, name in enumerate(names):
            if arkit is not None and name in self.shapes.known:
                prior[row], named[row] = arkit[:, ARKIT_INDEX[self.shapes.known[name]]], True
        return prior, named


def _breadth(seen: Floats) -> NDArray[np.int64]:
    """Return how many parts of the face (1 or more) each of the shapes ``seen`` (K, 68, 3) moves."""
    far = np.stack([largest(seen, points) for points in PARTS.values()])
    count: NDArray[np.int64] = (far > _WIDE * np.maximum(far.max(axis=0), 1e-12)).sum(axis=0)
    return np.maximum(count, 1)


def _justified(seen: Floats, wanted: Floats) -> Floats:
    """Return the weight (K,) from which each of the shapes ``seen`` (K, 68, 3) moves a part further than any frame.

    ``wanted`` (T, 68, 3) is the motion of all frames. Parts that a shape moves little do not count.
    """
    most = np.full(len(seen), np.inf)
    far = largest(seen)
    for points in PARTS.values():
        theirs = largest(seen, points)
        reach = float(largest(wanted, points).max(initial=0.0)) + _STILL
        counts = theirs > _WIDE * np.maximum(far, 1e-12)
        most = np.where(counts, np.minimum(most, _BEYOND * reach / np.maximum(theirs, 1e-12)), most)
    return most


def _moving(shapes: Shapes, how: Stance) -> list[int]:
    """Return the indices of the shapes that move pins enough and do not mostly move parts without pins."""
    far = largest(how.seen(shapes.deltas))
    reach = np.maximum(np.abs(shapes.low), np.abs(shapes.high))
    open_to_solve = (shapes.unseen < _UNSEEN) & (far * reach > _STILL) & (shapes.low < shapes.high)
    return [int(k) for k in np.flatnonzero(open_to_solve)]
