"""Measures a face of a mesh with shape keys: lips, lids and gaze by vertices, the head by those that are stiff."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import bpy
import numpy as np
from mouthpiece.errors import MouthpieceError, RigError
from mouthpiece.motion.closures import LOWER, UPPER
from mouthpiece.topology import (
    INNER_LIP_BOTTOM,
    LEFT_EYE_OUTER,
    LEFT_LID_PAIRS,
    MOUTH_LEFT_CORNER,
    MOUTH_RIGHT_CORNER,
    RIGHT_EYE_OUTER,
    RIGHT_LID_PAIRS,
)  # fmt: skip
from numpy.typing import NDArray

from ..targets import Target, find_object
from ..targets.picture_rig import landmarks
from ..targets.picture_rig import settings as picture_settings
from ..targets.picture_rig.settings import is_rig
from ..targets.picture_rig.target import skin_of
from ..targets.pins import pins
from ..targets.shape_keys import keyed_mesh, lips
from ..targets.shape_keys.fingerprints import mark
from ..targets.shape_keys.target import table_of
from .evaluation import SeenTracks, lent_copy

if TYPE_CHECKING:
    from mouthpiece.retarget.coverage import Coverage

Floats = NDArray[np.float64]

#: How many vertices are looked at of those that a key moves furthest, and of those that stand still.
_MOVED: Final = 12
_STILL: Final = 24
#: Share of a key's greatest motion from which it counts as moving a vertex.
_TOUCHED: Final = 0.05
#: Direction of the eyes, in radians, at value 1 of a key that turns them: ARKit's reach.
_LOOK: Final = 0.45
#: Distance of the outer eye corners over that of the middles of the lids, and over the width of the mouth.
_CORNERS_BY_LIDS: Final = 1.45
_CORNERS_BY_MOUTH: Final = 1.75
#: Greatest opening of a mouth whose lips cannot be told apart, as a share of the eye distance.
_WIDEST: Final = 0.3
#: Keys that shape the lips, by driver, and tell them from chin and teeth.
_SHAPERS: Final = ("mouthPucker", "mouthFunnel", "viseme.ou", "viseme.oh", "mouthUpperUpLeft", "mouthLowerDownLeft")
#: A lid is at rest no nearer to the other than this share of the eye distance, or the eye is shut.
_OPEN_EYE: Final = 0.02
#: Lips that are farther apart at rest, in eye distances, are those of an open mouth.
_AJAR: Final = 0.02
#: Inner and outer border of the lower lip's red in its middle.
_RED: Final = (INNER_LIP_BOTTOM, 57)
#: How far vertices of a picture's lips are from the landmark they belong to, in eye distances.
_LIP: Final = 0.03


@dataclass(frozen=True, slots=True, eq=False)
class KeyProbe:
    """Vertices by which the effect of one shape key is told: their numbers (N,) and displacements at 1 (N, 3)."""

    name: str
    vertices: NDArray[np.int64]
    moves: Floats

    @classmethod
    def of(cls, mesh: keyed_mesh.KeyedMesh, name: str, apart: Sequence[str] = ()) -> KeyProbe | None:
        """Return the probe for a key of a mesh, by vertices that keys ``apart`` do not move, if there are any.

        None if it moves nothing.
        """
        delta = mesh.deltas[mesh.names.index(name)]
        size = np.linalg.norm(delta, axis=1)
        alone = size.copy()
        for other in apart:
            others = np.linalg.norm(mesh.deltas[mesh.names.index(other)], axis=1)
            alone[others > _TOUCHED * others.max(initial=0.0)] = 0.0
        size = alone if alone.max(initial=0.0) > _TOUCHED * size.max(initial=0.0) else size
        far = np.argsort(size)[-_MOVED:]
        if size[far[-1]] <= 1e-9:
            return None
        far = far[size[far] > 0.2 * size[far[-1]]]
        return cls(name, far, delta[far].astype(np.float64))

    def values(self, moved: Floats) -> Floats:
        """Return the key's value (F,) that displacements (F, N, 3) of its vertices fit best."""
        return np.asarray((moved * self.moves).sum(axis=(1, 2)) / (self.moves**2).sum(), np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class FacePoints:
    """Which vertices of a mesh show what.

    ``pairs`` are vertices of upper and lower lip that meet, ``corners`` those of the mouth, ``lids`` pairs of vertices
    of left and right lids, ``red`` the inner and the outer border of the lower lip's red, ``still`` vertices that no
    key moves much. ``unit`` is the distance of the outer eye corners, ``across`` and ``up`` are directions of the
    face.
    """

    rest: Floats
    unit: float
    still: NDArray[np.int64]
    across: Floats
    up: Floats
    pairs: tuple[tuple[int, int], ...] = ()
    corners: tuple[int, int] | None = None
    lids: tuple[tuple[tuple[int, int], ...], ...] = ()
    opener: KeyProbe | None = None
    blinks: tuple[KeyProbe | None, KeyProbe | None] = (None, None)
    looks: tuple[KeyProbe, ...] = ()
    red: tuple[int, int] | None = None

    @classmethod
    def of(cls, obj: bpy.types.Object, coverage: Coverage) -> FacePoints:
        """Return the points of a mesh by its pins, those of a known mesh, or the motion of its shape keys."""
        from mouthpiece.retarget.pins.known_meshes import recognise

        mesh = keyed_mesh.read(obj)
        marks = pins.pins_of(obj, mesh.rest).vertices
        if (marks < 0).all():
            known = recognise(mesh.rest)
            marks = marks if known is None else np.asarray(known[1])
        if is_rig(obj):
            marks = _picture_marks(obj, mesh)
        closing = [name for name in coverage.driven.get("lids", ()) if name in mesh.names]
        turning = [name for name in coverage.driven.get("gaze", ()) if name in mesh.names]
        pinned = len(obj.mouthpiece_pins.points) > 0
        blinks = (None, None) if pinned else _blinks(mesh, closing)
        looks = [KeyProbe.of(mesh, name, [other for other in closing if other not in turning]) for name in turning]
        opener, pairs, corners = _lips(obj, mesh, coverage)
        across, up = np.array([1.0, 0.0, 0.0]), np.array([0.0, 0.0, 1.0])
        unit = _unit(mesh, blinks, corners)
        lids: tuple[tuple[tuple[int, int], ...], ...] = ()
        if _has(marks, (RIGHT_EYE_OUTER, LEFT_EYE_OUTER)):
            right, left = mesh.rest[marks[[RIGHT_EYE_OUTER, LEFT_EYE_OUTER]]]
            unit, across = float(np.linalg.norm(left - right)), (left - right) / max(np.linalg.norm(left - right), 1e-9)
            lids = _pinned_lids(mesh.rest, marks, unit)
        if _has(marks, (*UPPER, *LOWER)):
            pairs = tuple(zip(marks[list(UPPER)].tolist(), marks[list(LOWER)].tolist(), strict=True))
        if _has(marks, (MOUTH_LEFT_CORNER, MOUTH_RIGHT_CORNER)):
            corners = int(marks[MOUTH_LEFT_CORNER]), int(marks[MOUTH_RIGHT_CORNER])
        red = (int(marks[_RED[0]]), int(marks[_RED[1]])) if _has(marks, _RED) else None
        if pairs:
            middle = mesh.rest[[v for pair in pairs for v in pair]].mean(axis=0)
            if _has(marks, (RIGHT_EYE_OUTER, LEFT_EYE_OUTER)):
                eyes = mesh.rest[marks[[RIGHT_EYE_OUTER, LEFT_EYE_OUTER]]].mean(axis=0)
                up = eyes - middle
                up = (up - across * (up @ across)) / max(np.linalg.norm(up), 1e-9)
        still = _still(mesh, pairs, opener, unit)
        return cls(
            mesh.rest, unit, still, across, up, pairs, corners, lids, opener, blinks,
            tuple(look for look in looks if look is not None), None if red is None or red[0] == red[1] else red,
        )  # fmt: skip

    def vertices(self) -> NDArray[np.int64]:
        """Return the numbers (N,) of all vertices that are looked at, each once, ascending."""
        probes = [probe for probe in (self.opener, *self.blinks, *self.looks) if probe is not None]
        single = [v for pair in (*self.pairs, *(p for side in self.lids for p in side)) for v in pair]
        parts = [
            self.still,
            np.array([*single, *(self.corners or ()), *(self.red or ())], np.int64),
            *(probe.vertices for probe in probes),
        ]
        return np.unique(np.concatenate(parts)).astype(np.int64)


def _has(marks: NDArray[np.int64], points: Sequence[int]) -> bool:
    """Return whether landmarks have a vertex each."""
    return bool((marks[list(points)] >= 0).all())


def _picture_marks(obj: bpy.types.Object, mesh: keyed_mesh.KeyedMesh) -> NDArray[np.int64]:
    """Return the vertices (68,) of a picture rig's skin that are nearest to its landmarks; -1 for all if it has none.

    Where a shut mouth has lips that touch, the vertices that drop as it opens are those of the lower lip.
    """
    skin = skin_of(obj)
    try:
        flat = landmarks.placed_on(obj, picture_settings.landmarks_of(obj).landmarks[:, :2])
    except MouthpieceError:
        skin = None
    if skin is None:
        return np.full(pins.COUNT, -1)
    vertices, apart = skin[0], np.linalg.norm(mesh.rest[skin[0]][None, :, ::2] - flat[:, None, ::2], axis=2)
    marks = vertices[apart.argmin(axis=1)]
    if "open" in mesh.names:
        drop = -mesh.deltas[mesh.names.index("open")][vertices, 2]
        reach = _LIP * float(np.linalg.norm(flat[LEFT_EYE_OUTER] - flat[RIGHT_EYE_OUTER]))
        for points, sign in ((UPPER, 1.0), (LOWER, -1.0)):
            for point in points:
                near = np.where(apart[point] < max(reach, float(apart[point].min())) + 1e-9, sign * drop, np.inf)
                marks[point] = vertices[int(near.argmin())]
    return np.asarray(marks, np.int64)


def _blinks(mesh: keyed_mesh.KeyedMesh, names: Sequence[str]) -> tuple[KeyProbe | None, KeyProbe | None]:
    """Return the probes of the keys that close the left and the right eye; the same one if it closes both."""
    found: list[KeyProbe | None] = [None, None]
    best = [0.0, 0.0]
    middle = float(mesh.rest[:, 0].mean())
    for name in names:
        delta = mesh.deltas[mesh.names.index(name)]
        down = np.maximum(-delta[:, 2], 0.0)
        for side, here in enumerate((mesh.rest[:, 0] > middle, mesh.rest[:, 0] < middle)):
            reach = float((down * here).max(initial=0.0))
            if reach > best[side] * 1.01 and reach > 0:
                chosen = np.argsort(down * here)[-_MOVED:]
                found[side], best[side] = KeyProbe(name, chosen, delta[chosen].astype(np.float64)), reach
    return found[0], found[1]


def _lips(
    obj: bpy.types.Object, mesh: keyed_mesh.KeyedMesh, coverage: Coverage
) -> tuple[KeyProbe | None, tuple[tuple[int, int], ...], tuple[int, int] | None]:
    """Return the probe of the key that opens the mouth, pairs of vertices where lips meet, and the mouth's corners."""
    from mouthpiece.retarget.shape_keys.lip_pairs import lip_pairs

    opener = ""
    shapers: tuple[str, ...] = ()
    with suppress(RigError):
        table = table_of(obj)
        opener = next((name for name in lips.openers(table) if name in mesh.names), "")
        playing = dict.fromkeys(name for driver in _SHAPERS for name in table.playing(driver))
        shapers = tuple(name for name in playing if name != opener and name in mesh.names)[:4]
    if not opener:
        drops = {
            name: float(np.maximum(-mesh.deltas[mesh.names.index(name)][:, 2], 0).max(initial=0.0))
            for name in coverage.driven.get("mouth", ())
            if name in mesh.names
        }
        opener = max(drops, key=drops.__getitem__, default="")
    if not opener:
        return None, (), None
    shapes = [mesh.deltas[mesh.names.index(name)] for name in shapers]
    pairs = lip_pairs(mesh.rest.astype(np.float32), mesh.deltas[mesh.names.index(opener)], shapes)
    corners = None
    if pairs and shapes:
        moved = np.sum(
            [np.linalg.norm(shape, axis=1) / max(float(np.abs(shape).max()), 1e-9) for shape in shapes], axis=0
        )
        level = mesh.rest[list(pairs[0])].mean(axis=0)
        lip = np.flatnonzero(moved > 0.4 * moved.max())
        near = lip[np.abs(mesh.rest[lip, 2] - level[2]) < 0.2 * float(np.ptp(mesh.rest[lip, 0]))]
        if len(near) > 1:
            corners = int(near[mesh.rest[near, 0].argmax()]), int(near[mesh.rest[near, 0].argmin()])
    return KeyProbe.of(mesh, opener), pairs, corners


def _unit(
    mesh: keyed_mesh.KeyedMesh, blinks: tuple[KeyProbe | None, KeyProbe | None], corners: tuple[int, int] | None
) -> float:
    """Return the distance of the outer eye corners, estimated by the lids, else by the mouth, else by the mesh."""
    left, right = blinks
    if left is not None and right is not None:
        apart = mesh.rest[left.vertices].mean(axis=0) - mesh.rest[right.vertices].mean(axis=0)
        return float(_CORNERS_BY_LIDS * np.linalg.norm(apart))
    if corners is not None:
        return float(_CORNERS_BY_MOUTH * np.linalg.norm(mesh.rest[corners[0]] - mesh.rest[corners[1]]))
    return float(0.5 * np.ptp(mesh.rest[:, 0])) or 1.0


def _pinned_lids(rest: Floats, marks: NDArray[np.int64], unit: float) -> tuple[tuple[tuple[int, int], ...], ...]:
    """Return pairs of vertices of the left and the right lids; nothing if they are not pinned, or the eyes are shut."""
    found = []
    for pairs in (LEFT_LID_PAIRS, RIGHT_LID_PAIRS):
        if not _has(marks, [point for pair in pairs for point in pair]):
            return ()
        own = tuple((int(marks[upper]), int(marks[lower])) for upper, lower in pairs)
        if min(float(np.linalg.norm(rest[a] - rest[b])) for a, b in own) < _OPEN_EYE * unit:
            return ()
        found.append(own)
    return tuple(found)


def _still(
    mesh: keyed_mesh.KeyedMesh, pairs: tuple[tuple[int, int], ...], opener: KeyProbe | None, unit: float
) -> NDArray[np.int64]:
    """Return vertices (N,) near the face that keys move least: what they do is what the head does."""
    if pairs:
        middle = mesh.rest[list(pairs[0])].mean(axis=0)
    elif opener is not None:
        middle = mesh.rest[opener.vertices].mean(axis=0)
    else:
        middle = mesh.rest.mean(axis=0)
    near = np.flatnonzero(np.linalg.norm(mesh.rest - middle - [0, 0, 0.5 * unit], axis=1) < 1.3 * unit)
    if len(near) < _STILL:
        near = np.arange(len(mesh.rest))
    moved = np.linalg.norm(mesh.deltas[:, near], axis=2).sum(axis=0) if len(mesh.deltas) else np.zeros(len(near))
    calm = near[np.argsort(moved, kind="stable")[: max(_STILL, len(near) // 10)]]
    return np.asarray(calm[:: max(1, len(calm) // _STILL)][:_STILL], np.int64)


#: Points of meshes that were looked at last: finding them takes as long as evaluating two hundred frames.
_KNOWN: Final[dict[tuple[Any, ...], FacePoints]] = {}
_MOST: Final = 16


@dataclass(slots=True, eq=False)
class MeshGauge:
    """Reads the vertices of :class:`FacePoints` on each frame."""

    object: bpy.types.Object
    points: FacePoints
    eyes: tuple[bpy.types.Object, ...] = ()
    _turned: list[list[Any]] = field(default_factory=list)
    _rows: list[NDArray[np.float32]] = field(default_factory=list)
    _values: list[NDArray[np.float32]] = field(default_factory=list)
    _copy: Any = None
    _index: list[int] = field(default_factory=list)

    @classmethod
    def of(cls, obj: bpy.types.Object, coverage: Coverage, along: Sequence[Target] = ()) -> MeshGauge:
        """Return the gauge of a mesh whose shape keys ``coverage`` tells, with the eyeballs among those ``along``."""
        eyes = tuple(find_object(other.object_name) for other in along if other.kind == "EYEBALL")
        key = obj.data.shape_keys
        names = tuple(block.name for block in key.key_blocks)
        marks = tuple(mark(key, name) for name in names)
        stored = tuple((pin.vertex, *pin.place) for pin in obj.mouthpiece_pins.points)
        known = (key.session_uid, obj.mouthpiece_picture.points, names, marks, stored, repr(coverage))
        if known not in _KNOWN:
            if len(_KNOWN) >= _MOST:
                _KNOWN.clear()
            _KNOWN[known] = FacePoints.of(obj, coverage)
        return cls(obj, _KNOWN[known], eyes)

    def ready(self, lent: ExitStack) -> list[bpy.types.Object]:
        """Return a copy of the mesh that has the vertices that are looked at."""
        self._copy, self._index = lent.enter_context(lent_copy(self.object, self.points.vertices().tolist()))
        return [self._copy, *self.eyes]

    def read(self, graph: bpy.types.Depsgraph, frame: int) -> None:
        """Note where the vertices are in the world, and the values of the shape keys."""
        blocks = self._copy.data.shape_keys.key_blocks
        values = np.zeros(len(blocks), np.float32)
        blocks.foreach_get("value", values)  # evaluation has written them back
        self._values.append(values)
        shown = self._copy.evaluated_get(graph)
        mesh = shown.data
        count = len(mesh.vertices)
        if count <= max(self._index):  # a modifier has remade the mesh
            self._rows.append(np.full((len(self._index), 3), np.nan, np.float32))
            self._turned.append([np.eye(3) for _ in self.eyes])
            return
        places = np.zeros(3 * count, np.float32)
        mesh.vertices.foreach_get("co", places)
        matrix = np.array(shown.matrix_world, np.float64)
        own = places.reshape(-1, 3)[self._index]
        self._turned.append([eye.evaluated_get(graph).matrix_world.to_3x3().normalized() for eye in self.eyes])
        self._rows.append((own @ matrix[:3, :3].T + matrix[:3, 3]).astype(np.float32))

    def tracks(self) -> SeenTracks:
        """Return what the vertices did."""
        seen = np.asarray(self._rows, np.float64)
        if not len(seen) or np.isnan(seen).all():
            return SeenTracks(remarks=(f"The mesh of '{self.object.name}' is remade by its modifiers: not measured",))
        points, vertices = self.points, self.points.vertices()
        place = {int(vertex): number for number, vertex in enumerate(vertices)}
        rest = points.rest[vertices]
        still = [place[int(v)] for v in points.still]
        turns, moved = _unposed(seen, rest, still)
        remarks = []

        def at(numbers: Sequence[int]) -> list[int]:
            return [place[int(v)] for v in numbers]

        shift = moved - rest
        opening = None
        if points.pairs:
            upper, lower = (at([pair[side] for pair in points.pairs]) for side in (0, 1))
            apart = (moved[:, upper] - moved[:, lower]) @ points.up
            resting = (rest[upper] - rest[lower]) @ points.up
            # of a face that was modelled, or photographed, with its mouth open, the least opening is the mouth at rest
            open_at_rest = resting > _AJAR * points.unit
            shut = np.where(open_at_rest, np.minimum(resting, np.percentile(apart, 2, axis=0)), resting)
            opening = np.maximum(apart - shut, 0).mean(axis=1) / points.unit
        elif points.opener is not None:
            value = np.maximum(points.opener.values(shift[:, at(points.opener.vertices.tolist())]), 0)
            opening = value * (_WIDEST / max(float(value.max()), 1.0))
            remarks.append(f"The lips of '{self.object.name}' were not found: its opening is that of its jaw")
        else:
            remarks.append(f"Nothing is known that opens the mouth of '{self.object.name}': not measured")
        width = None
        if points.corners is not None:
            left, right = at(points.corners)
            width = np.linalg.norm(moved[:, left] - moved[:, right], axis=1) / points.unit
        red = None
        if points.red is not None:
            inner, outer = at(points.red)
            red = (moved[:, inner] - moved[:, outer]) @ points.up / points.unit
        lids = self._lids(moved, shift, at)
        gaze = None
        if points.looks:
            gaze = np.zeros((len(moved), 2))
            for look in points.looks:
                way = look.moves.mean(axis=0)
                flat = np.array([way @ points.across, way @ points.up])
                gaze += (
                    look.values(shift[:, at(look.vertices.tolist())])[:, None] * flat / max(np.abs(flat).sum(), 1e-9)
                )
            gaze *= _LOOK / 2
        elif self.eyes:
            gaze = self._looking(turns)
        return SeenTracks(
            _single(opening),
            _single(width),
            _single(lids),
            _single(gaze),
            _single(angles(turns, points)),
            tuple(remarks),
            _single(red),
        )

    def values(self) -> dict[str, NDArray[np.float32]]:
        """Return the value (F,) of each shape key, drivers, muted tracks and all considered."""
        names = [block.name for block in self.object.data.shape_keys.key_blocks]
        return dict(zip(names, np.array(self._values).T, strict=True)) if self._values else {}

    def _looking(self, turns: Floats) -> Floats:
        """Return the direction (F, 2) of eyeballs that are objects, relative to the head and to their first one."""
        own = np.swapaxes(turns, 1, 2)[:, None] @ np.array(self._turned, np.float64)
        against = (own @ np.swapaxes(own[:1], 2, 3)).mean(axis=1)
        facing = np.cross(self.points.across, self.points.up)
        looks = against @ facing
        return np.stack([looks @ self.points.across, looks @ self.points.up], axis=1)

    def _lids(self, moved: Floats, shift: Floats, at: Any) -> Floats | None:
        """Return the closure (F, 2) of left and right lid; None if nothing closes them."""
        points = self.points
        sides = []
        for side, blink in enumerate(points.blinks):
            if blink is not None:
                sides.append(np.clip(blink.values(shift[:, at(blink.vertices.tolist())]), 0, 1))
            elif points.lids:
                closures = []
                for upper, lower in points.lids[side]:
                    (a,), (b,) = at([upper]), at([lower])
                    resting = float((points.rest[upper] - points.rest[lower]) @ points.up)
                    closures.append(1 - (moved[:, a] - moved[:, b]) @ points.up / max(resting, 1e-9))
                sides.append(np.clip(np.mean(closures, axis=0), 0, 1))
        return np.stack(sides, axis=1) if len(sides) == 2 else None


def _unposed(seen: Floats, rest: Floats, still: Sequence[int]) -> tuple[Floats, Floats]:
    """Return how the head is turned (F, 3, 3), and all points (F, N, 3) with turn, shift and size undone."""
    here, there = seen[:, still], rest[still]
    middle, own = here.mean(axis=1, keepdims=True), there.mean(axis=0)
    cross = np.einsum("fni,nj->fij", here - middle, there - own)
    u, _, v = np.linalg.svd(cross)
    sign = np.sign(np.linalg.det(u @ v))
    u[:, :, 2] *= sign[:, None]
    turns = u @ v
    spread = np.sqrt(((here - middle) ** 2).sum(axis=(1, 2)) / max(float(((there - own) ** 2).sum()), 1e-18))
    scales = np.maximum(spread, 1e-9)
    moved = np.einsum("fni,fij->fnj", seen - middle, turns) / scales[:, None, None] + own
    return turns, moved


def angles(turns: Floats, points: FacePoints) -> Floats:
    """Return pitch, yaw and roll (F, 3) in radians, about a face's axes, of rotations (F, 3, 3) against their first."""
    from mouthpiece.retarget.bones.response import rotation_vectors

    axes = np.stack([points.across, points.up, np.cross(points.across, points.up)], axis=1)
    about = turns[0] @ axes
    return np.asarray(rotation_vectors(turns @ turns[0].T) @ about, np.float64)


def _single(values: Floats | None) -> NDArray[np.float32] | None:
    return None if values is None else np.asarray(values, np.float32)
