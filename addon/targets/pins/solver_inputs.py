"""What solving a mesh's shape keys needs to know of it, put together once and remembered while nothing changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import bpy
import numpy as np
from mouthpiece.errors import RigError
from numpy.typing import NDArray

from ..shape_keys import keyed_mesh
from ..shape_keys.target import detected
from . import pins

if TYPE_CHECKING:
    from mouthpiece.retarget.solve.eyes import Looks
    from mouthpiece.retarget.solve.solver import Solver
    from mouthpiece.retarget.solve.unpinned_parts import Sight

#: ARKit's shapes of what pins cannot see; keys named so play by name.
BY_NAME: Final = ("eyeLook", "tongueOut")


def places(rest: NDArray[np.float64], found: pins.Pins) -> NDArray[np.float64]:
    """Return the pinned points (68, 3), NaN where there is none."""
    places = np.full((pins.COUNT, 3), np.nan)
    kept = found.vertices >= 0
    places[kept] = rest[found.vertices[kept]]
    return places


@dataclass(frozen=True, slots=True, eq=False)
class Solving:
    """A mesh's solver, ARKit's names of keys whose names are known, and keys of no known name that turn eyeballs."""

    solver: Solver
    named: Mapping[str, str]
    looks: Looks


def solving_of(obj: bpy.types.Object, neutral: NDArray[np.float32]) -> Solving:
    """Return all that solving a mesh as it is takes.

    What is slow about it is remembered: a dial that is dragged asks for the same again and again.
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
        _Held(mesh, keyed_mesh.edges_of(obj.data)),
    )
    return _answered(question)


@dataclass(frozen=True, slots=True)
class _Held:
    """Arrays that take no part in comparing questions: their checksum does."""

    mesh: keyed_mesh.KeyedMesh
    edges: NDArray[np.int32]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Held)

    def __hash__(self) -> int:
        return 0


@dataclass(frozen=True, slots=True)
class _Question:
    """All that a solver depends on."""

    mesh: int
    vertices: tuple[int, ...]
    keys: tuple[tuple[float, float, bool, tuple[str, ...]], ...]
    neutral: bytes
    held: _Held


@lru_cache(maxsize=4)
def _answered(question: _Question) -> Solving:
    from mouthpiece.retarget.solve.eyes import looks
    from mouthpiece.retarget.solve.pinned_face import PinnedFace
    from mouthpiece.retarget.solve.solver import Shapes, Solver

    mesh, vertices = question.held.mesh, np.array(question.vertices)
    kept = vertices >= 0
    face = PinnedFace(places(mesh.rest, pins.Pins(vertices)))
    deltas = np.full((len(mesh.names), pins.COUNT, 3), np.nan)
    deltas[:, kept] = mesh.deltas[:, vertices[kept]]
    named = _names(mesh.names)
    sight = _sight(question, face.points)
    unseen = np.array([sight.unseen(delta) for delta in mesh.deltas])
    low, high = (np.array([row[k] for row in question.keys]) for k in range(2))
    for k, (name, row) in enumerate(zip(mesh.names, question.keys, strict=True)):
        if row[2] or named.get(name, "").startswith(BY_NAME):
            unseen[k] = 1.0  # not to be solved for
    made = {name: row[3] for name, row in zip(mesh.names, question.keys, strict=True) if row[3]}
    shapes = Shapes(mesh.names, deltas, low, high, unseen, named, made)
    solver = Solver.of(face, shapes, np.frombuffer(question.neutral, np.float32).reshape(-1, 3))
    bound = np.array(
        [0.0 if row[2] or name in named else 1.0 for name, row in zip(mesh.names, question.keys, strict=True)]
    )
    return Solving(solver, named, looks(sight, solver.stance, mesh.rest, list(mesh.deltas), low * bound, high * bound))


def _sight(question: _Question, points: NDArray[np.float64]) -> Sight:
    """Return what the pins see of the mesh."""
    from mouthpiece.retarget.solve.unpinned_parts import Sight

    mesh, vertices = question.held.mesh, np.array(question.vertices)
    eyes = points[[[36, 39], [42, 45]]]
    # Without inner corners an eye is taken to be a third of their distance wide.
    across = (points[45] - points[36]) / 3
    eyes = np.where(
        np.isnan(eyes), np.stack([[points[36], points[36] + across], [points[45] - across, points[45]]]), eyes
    )
    return Sight.of(mesh.rest, question.held.edges, vertices[vertices >= 0], eyes)


def _names(names: tuple[str, ...]) -> dict[str, str]:
    """Return ARKit's names of the keys that have one, in any spelling, and of those a rig family has for the same."""
    from mouthpiece.topology import ARKIT_INDEX

    try:
        table = detected(names)
    except RigError:
        return {}
    plain = [entry for entry in table.driven if entry.formula in ARKIT_INDEX and not entry.invert and not entry.offset]
    return {entry.key: entry.formula for entry in plain if entry.gain == 1.0}
