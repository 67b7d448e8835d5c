"""Collects what is needed to solve for a mesh's shape keys; the result is cached while the mesh does not change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import bpy
import numpy as np
from mouthpiece.errors import RigError
from numpy.typing import NDArray

from ..shape_keys import fingerprints, keyed_mesh
from ..shape_keys.target import detected
from . import pins

if TYPE_CHECKING:
    from mouthpiece.retarget.coverage import Coverage
    from mouthpiece.retarget.shape_keys.table import Entry
    from mouthpiece.retarget.solve.eyes import Looks
    from mouthpiece.retarget.solve.solver import Solver
    from mouthpiece.retarget.solve.unpinned_parts import Sight

#: Beginnings of ARKit shapes that do not move pins; keys with these names are driven by name.
BY_NAME: Final = ("eyeLook", "tongueOut")
#: Coverages of meshes that have a mouth, by what they depend on, and how many are remembered.
_SPEAKING: Final[dict[Any, Coverage]] = {}
_REMEMBERED: Final = 16


def places(rest: NDArray[np.float64], found: pins.Pins) -> NDArray[np.float64]:
    """Return the positions at rest of the pinned vertices (68, 3), NaN for landmarks without a pin."""
    places = np.full((pins.COUNT, 3), np.nan)
    kept = found.vertices >= 0
    places[kept] = rest[found.vertices[kept]]
    return places


@dataclass(frozen=True, slots=True, eq=False)
class Solving:
    """A mesh's solver, the ARKit names of its keys that have one, and the keys without one that turn eyeballs."""

    solver: Solver
    named: Mapping[str, str]
    looks: Looks


def solving_of(obj: bpy.types.Object, neutral: NDArray[np.float32]) -> Solving:
    """Return the solver for a mesh in its present state.

    The slow part is cached, as it is needed again at every step while a dial is dragged.
    """
    key = obj.data.shape_keys
    left_out = frozenset(b.name for b in key.key_blocks if b.mute)
    mesh = keyed_mesh.read(obj, left_out)
    limits = {b.name: (float(b.slider_min), float(b.slider_max)) for b in key.key_blocks}
    driven = keyed_mesh.driven_keys(key)
    question = _Question(
        keyed_mesh.checksum(mesh),
        tuple(pins.pins_of(obj, mesh.rest).vertices.tolist()),
        tuple((*limits[name], name in driven, driven.get(name, ())) for name in mesh.names),
        neutral.tobytes(),
        _Arrays(mesh, keyed_mesh.edges_of(obj.data)),
    )
    return _solving(question)


@dataclass(frozen=True, slots=True)
class _Arrays:
    """Arrays that always compare equal, so that the cache compares their checksum in :class:`_Question` instead."""

    mesh: keyed_mesh.KeyedMesh
    edges: NDArray[np.int32]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Arrays)

    def __hash__(self) -> int:
        return 0


@dataclass(frozen=True, slots=True)
class _Question:
    """Everything that a solver depends on: the key of the cache."""

    mesh: int
    vertices: tuple[int, ...]
    keys: tuple[tuple[float, float, bool, tuple[str, ...]], ...]
    neutral: bytes
    arrays: _Arrays


@lru_cache(maxsize=4)
def _solving(question: _Question) -> Solving:
    """Return the solver for a question."""
    from mouthpiece.retarget.solve.correctives import opposed
    from mouthpiece.retarget.solve.eyes import looks
    from mouthpiece.retarget.solve.pinned_face import PinnedFace
    from mouthpiece.retarget.solve.solver import Shapes, Solver

    mesh, vertices = question.arrays.mesh, np.array(question.vertices)
    kept = vertices >= 0
    face = PinnedFace(places(mesh.rest, pins.Pins(vertices)))
    deltas = np.full((len(mesh.names), pins.COUNT, 3), np.nan)
    deltas[:, kept] = mesh.deltas[:, vertices[kept]]
    named, tongues = known_names(mesh.names), {entry.key for entry in tongue_entries(mesh.names)}
    sight = _sight(question, face.points)
    unseen = np.array([sight.unseen(delta) for delta in mesh.deltas])
    low, high = (np.array([row[k] for row in question.keys]) for k in range(2))
    for k, (name, row) in enumerate(zip(mesh.names, question.keys, strict=True)):
        if row[2] or name in tongues or named.get(name, "").startswith(BY_NAME):
            unseen[k] = 1.0  # not to be solved for
    made = {name: row[3] for name, row in zip(mesh.names, question.keys, strict=True) if row[3]}
    shapes = Shapes(mesh.names, deltas, low, high, unseen, named, made, opposed(mesh.deltas))
    solver = Solver.of(face, shapes, np.frombuffer(question.neutral, np.float32).reshape(-1, 3))
    bound = np.array(
        [0.0 if row[2] or name in named else 1.0 for name, row in zip(mesh.names, question.keys, strict=True)]
    )
    return Solving(solver, named, looks(sight, solver.stance, mesh.rest, list(mesh.deltas), low * bound, high * bound))


def coverage_of(obj: bpy.types.Object) -> Coverage:
    """Return which parts of a pinned face its keys move; only the pinned vertices are read, so that panels can ask."""
    from mouthpiece.retarget.solve.pin_coverage import pin_coverage

    key = obj.data.shape_keys
    vertices = pins.pins_of(obj).vertices
    driven = keyed_mesh.driven_keys(key)
    # a driver that multiplies other keys plays along with them
    blocks = [b for b in fingerprints.movers(key) if not b.mute and (b.name not in driven or driven[b.name])]
    asked = (obj.data.name, len(obj.data.vertices), tuple(vertices.tolist()), tuple(b.name for b in blocks))
    if asked in _SPEAKING:
        return _SPEAKING[asked]
    rest = _pinned(key.reference_key, vertices)
    moves = [_pinned(block, vertices) - _pinned(block.relative_key, vertices) for block in blocks]
    deltas = np.array(moves).reshape(-1, *rest.shape)
    tongue = {entry.key: "tongueOut" for entry in tongue_entries(asked[-1])}
    found = pin_coverage(rest, asked[-1], deltas, known_names(asked[-1]) | tongue)
    if found.has("mouth"):  # one without a mouth is being mended: it is looked at anew each time
        _SPEAKING[asked] = found
        while len(_SPEAKING) > _REMEMBERED:
            del _SPEAKING[next(iter(_SPEAKING))]
    return found


def _pinned(block: bpy.types.ShapeKey, vertices: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return where the pinned vertices of a shape key are, (68, 3); NaN for landmarks without a pin."""
    found = np.full((len(vertices), 3), np.nan)
    for point in np.flatnonzero(vertices >= 0):
        found[point] = block.data[int(vertices[point])].co
    return found


def _sight(question: _Question, points: NDArray[np.float64]) -> Sight:
    """Return which parts of the mesh move with pins."""
    from mouthpiece.retarget.solve.unpinned_parts import Sight

    mesh, vertices = question.arrays.mesh, np.array(question.vertices)
    eyes = points[[[36, 39], [42, 45]]]
    # An eye without a pinned inner corner is assumed to be a third of the distance of the outer corners wide.
    across = (points[45] - points[36]) / 3
    eyes = np.where(
        np.isnan(eyes), np.stack([[points[36], points[36] + across], [points[45] - across, points[45]]]), eyes
    )
    return Sight.of(mesh.rest, question.arrays.edges, vertices[vertices >= 0], eyes)


def tongue_entries(names: tuple[str, ...]) -> tuple[Entry, ...]:
    """Return what drives the keys of a tongue, by their names: they move no pins."""
    try:
        return tuple(entry for entry in detected(names).driven if entry.layer == "tongue")
    except RigError:
        return ()


def known_names(names: tuple[str, ...]) -> dict[str, str]:
    """Return the ARKit name by key, for keys whose names are ARKit's in any spelling or known to be equivalent."""
    from mouthpiece.topology import ARKIT_INDEX

    try:
        table = detected(names)
    except RigError:
        return {}
    plain = [entry for entry in table.driven if entry.formula in ARKIT_INDEX and not entry.invert and not entry.offset]
    return {entry.key: entry.formula for entry in plain if entry.gain == 1.0}
