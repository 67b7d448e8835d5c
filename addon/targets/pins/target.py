"""The target for shape keys with any names: their values are solved by how they move the pinned points."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

import bpy
import numpy as np
from mouthpiece.errors import RigError
from mouthpiece.phrases import counted
from numpy.typing import NDArray

from ...keys.channels import Channel, Part
from .. import Driven, find_object
from ..shape_keys import controls, keyed_mesh
from ..shape_keys.target import editable_keys, leader
from . import pins, solver_inputs

if TYPE_CHECKING:
    from mouthpiece.curves import Curves, FrameGrid
    from mouthpiece.performance import Performance
    from mouthpiece.retarget.coverage import Coverage
    from mouthpiece.retarget.solve.solver import Solution, Solver

#: If the error of the pinned points is larger than this, in eye distances, a remark says so.
_MISSED: Final = 0.03


@dataclass(frozen=True, slots=True)
class SolvedTarget:
    """A mesh with shape keys and pins, or, if ``face`` is set, a mesh that plays along with the face of that name.

    ``pinned`` and ``keys`` are the numbers of pinned landmarks and of keys, for the summary.
    """

    kind: ClassVar[str] = "SOLVED"

    object_name: str
    pinned: int
    keys: int
    strength: float = 1.0
    face: str = ""

    @classmethod
    def of(cls, obj: bpy.types.Object, strength: float = 1.0) -> Self:
        """Return the target for a mesh with pins, or for one that plays along with such a face (teeth, lashes).

        Raises RigError if it has no shape keys that can be keyed, or too few pins.
        """
        from mouthpiece.retarget.solve.pinned_face import PinnedFace

        key = editable_keys(obj)
        found = pins.pins_of(obj)
        face = leader(obj) if not found.set else None
        if face is not None:
            shared = [name for name in _playable(key) if name in face.data.shape_keys.key_blocks]
            if not shared:
                raise RigError(f"'{obj.name}' has no shape key with a name that '{face.name}' has, to play along with.")
            return cls(obj.name, cls.of(face, strength).pinned, len(shared), strength, face.name)
        if not found.set and not found.lost:
            raise RigError(f"'{obj.name}' is not pinned yet. Press Propose Pins under Shape Keys by Geometry.")
        PinnedFace(solver_inputs.places(keyed_mesh.rest_of(obj.data), found))
        names = _playable(key)
        if not names:
            raise RigError(
                f"Every shape key of '{obj.name}' is muted or has a driver that cannot be followed back to a control. "
                "Animate what drives them by hand, or remove the drivers."
            )
        return cls(obj.name, found.set, len(names), strength)

    def drive(self, performance: Performance, grid: FrameGrid) -> Driven:
        """Return a curve for every key that moves pinned points, and for those driven by name or by gaze."""
        driven = self._alongside(performance, grid) if self.face else self._solved(performance, grid)
        (part,) = driven.parts
        result = controls.played(part, controls.controls_of(part.owner, part.curves.names))
        parts = tuple(one for one in result.parts if one.channels)
        return replace(driven, parts=parts, warnings=driven.warnings + result.remarks)

    def _solved(self, performance: Performance, grid: FrameGrid) -> Driven:
        """Return the curves of the mesh's own keys, also of those that are played by a control."""
        obj = find_object(self.object_name)
        key = editable_keys(obj)
        known = solver_inputs.solving_of(obj, performance.neutral)
        solver, named = known.solver, known.named
        arkit = performance.arkit.astype(np.float64) * self.strength
        wanted = solver.wanted(performance, self.strength).displacements
        tongue = _of_tongue(solver, performance, self.strength)
        looks = tongue | _by_name(solver, named, arkit) | _by_eyeballs(known, performance.gaze * self.strength)
        if looks:
            wanted = wanted - np.tensordot(np.stack(list(looks.values()), axis=1), _seen(solver, looks), axes=1)
        solution = solver.solve(wanted, performance.fps, arkit)
        _remember(obj, solution)
        tracks = dict(zip(solution.names, solution.weights.T, strict=True)) | looks
        curves = _curves(key, tracks, solver.combined, performance.fps, grid)
        layers = {**solver.layers(), **{name: "tongue" if name in tongue else "eyes" for name in looks}}
        channels = tuple(
            Channel(name, f'key_blocks["{bpy.utils.escape_identifier(name)}"].value', layer=layers[name])
            for name in curves.names
        )
        remarks = _remarks(obj, key, solution)
        return Driven((Part(key, channels, curves),), dict(solution.clamped), remarks)

    def _alongside(self, performance: Performance, grid: FrameGrid) -> Driven:
        """Return the curves of the face for the keys that both meshes have."""
        from mouthpiece.curves import Curves

        key = editable_keys(find_object(self.object_name))
        (part,) = SolvedTarget.of(find_object(self.face), self.strength)._solved(performance, grid).parts
        own = {name: key.key_blocks[name] for name in _playable(key)}
        channels = tuple(channel for channel in part.channels if channel.name in own)
        names = tuple(channel.name for channel in channels)
        values = [np.clip(part.curves[name], own[name].slider_min, own[name].slider_max) for name in names]
        shape = (len(part.curves.frames), len(names))
        curves = Curves(names, part.curves.frames, np.stack(values, axis=1) if names else np.zeros(shape, np.float32))
        return Driven((Part(key, channels, curves),))

    def saved(self) -> Mapping[str, Any]:
        """Return what :meth:`from_saved` needs."""
        return {"kind": self.kind, "object_name": self.object_name, "strength": self.strength}

    @classmethod
    def from_saved(cls, saved: Mapping[str, Any]) -> Self:
        """Return the target for the object that was saved."""
        return cls.of(find_object(saved["object_name"]), saved["strength"])

    def summary(self) -> str:
        """Return one line: how many landmarks are pinned, and how many keys there are."""
        if self.face:
            return f"Plays along with {self.face}: {self.keys} shape keys of the same names"
        return f"{self.pinned} of {pins.COUNT} landmarks pinned, {counted(self.keys, 'shape key')} to solve for"

    def coverage(self) -> Coverage:
        """Return which parts of a face the keys move, by how they move the pins."""
        from mouthpiece.retarget.coverage import Coverage

        if not self.face:
            return solver_inputs.coverage_of(find_object(self.object_name))
        own = set(_playable(editable_keys(find_object(self.object_name))))
        whole = solver_inputs.coverage_of(find_object(self.face)).driven
        shared = {part: tuple(name for name in names if name in own) for part, names in whole.items()}
        return Coverage({part: names for part, names in shared.items() if names})

    @classmethod
    def owners(cls, obj: bpy.types.Object) -> list[bpy.types.ID]:
        """Return the mesh's shape-key data-block, and those of the controls that drive its keys."""
        key = obj.data.shape_keys if obj.type == "MESH" else None
        return [] if key is None else [key, *controls.owners_of(key)]

    @classmethod
    def shared(cls, obj: bpy.types.Object) -> Mapping[bpy.types.ID, tuple[str, ...]]:
        """Return the ids of a rig's control channels by data-block, into which others may write as well."""
        key = obj.data.shape_keys if obj.type == "MESH" else None
        return {} if key is None else controls.channels_of(key)


def _curves(
    key: bpy.types.Key,
    tracks: Mapping[str, NDArray[np.float64]],
    combined: Mapping[str, tuple[str, ...]],
    fps: float,
    grid: FrameGrid,
) -> Curves:
    """Return curves on the scene's frames for tracks (T,) at ``fps`` and products of them, clamped to slider ranges."""
    from mouthpiece.curves import Curves, sample
    from mouthpiece.retarget.solve.correctives import products

    columns = {name: sample(track, fps, grid.times) for name, track in tracks.items()}
    for name, parts in combined.items():
        columns[name] = products(np.stack([columns[part] for part in parts]), [range(len(parts))])[0]
    limits = {block.name: (block.slider_min, block.slider_max) for block in key.key_blocks}
    values = [np.clip(column, *limits[name]) for name, column in columns.items()]
    return Curves(tuple(columns), grid.frames, np.stack(values, axis=1).astype(np.float32))


#: Error of each part of the face by object, as last solved for; for the panel, not saved.
_errors: Final[dict[int, Mapping[str, float]]] = {}
_MOST: Final = 64


def _remember(obj: bpy.types.Object, solution: Solution) -> None:
    """Keep the errors of a solution for the panel."""
    if len(_errors) >= _MOST:
        _errors.clear()
    _errors[obj.session_uid] = dict(solution.parts)


def last_errors(obj: bpy.types.Object) -> Mapping[str, float]:
    """Return by how much each part of the face was off, in eye distances, when this mesh was last solved for."""
    return {part: error for part, error in _errors.get(obj.session_uid, {}).items() if error == error}


def _remarks(obj: bpy.types.Object, key: bpy.types.Key, solution: Solution) -> list[str]:
    """Return remarks on clamped keys, lost pins, the error, and keys that do not show."""
    found = [
        f"{name} was clamped on {counted(count, 'frame')}; raise its slider maximum or lower Strength"
        for name, count in solution.clamped.items()
    ]
    lost = pins.pins_of(obj).lost
    if lost:
        found.append(f"The mesh changed: {counted(len(lost), 'pin')} could not be found again. Pin what is missing")
    off = {part: error for part, error in solution.parts.items() if error > _MISSED}
    if off:
        parts = ", ".join(f"{part} {error:.1%}" for part, error in off.items())
        found.append(
            f"The shape keys follow the face only roughly ({parts} of the eye distance off): "
            "check the pins, or add shapes for what is missing (Make Missing Shapes)"
        )
    if solution.held:
        found.append(
            "Kept from moving the face further than the line does: " + ", ".join(solution.held) + ". "
            "They do something else than speech, or the pins are off"
        )
    muted = [block.name for block in key.key_blocks if block.mute and block != key.reference_key]
    if muted:
        found.append(f"Muted shape keys take no part: {', '.join(muted)}")
    if obj.show_only_shape_key:
        found.append(f"'{obj.name}' shows one shape key only: turn off Shape Key Lock (pin) to see the take")
    return found


def _playable(key: bpy.types.Key) -> list[str]:
    """Return the names of the keys that are neither muted nor driven."""
    driven = keyed_mesh.driven_keys(key)
    return [b.name for b in key.key_blocks if b != key.reference_key and not b.mute and b.name not in driven]


def _by_name(solver: Solver, named: Mapping[str, str], arkit: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Return the values (T,) of keys that are driven by name, as they do not move pins."""
    from mouthpiece.topology import ARKIT_INDEX

    index = {name: k for k, name in enumerate(solver.shapes.names)}
    found = {}
    for name, shape in named.items():
        k = index[name]
        if shape.startswith(solver_inputs.BY_NAME) and name not in solver.shapes.made:
            low, high = solver.shapes.low[k], solver.shapes.high[k]
            found[name] = np.clip(arkit[:, ARKIT_INDEX[shape]], low, high)
    return found


def _of_tongue(solver: Solver, performance: Performance, strength: float) -> dict[str, NDArray[np.float64]]:
    """Return the values (T,) of the keys of a tongue, which are driven by name as well."""
    from mouthpiece.retarget.shape_keys import drivers

    entries = solver_inputs.tongue_entries(solver.shapes.names)
    index = {name: k for k, name in enumerate(solver.shapes.names)}
    names = {name for entry in entries for name in entry.parsed().names}
    tracks = drivers.tracks(performance, np.arange(len(performance)) / performance.fps, names) if names else {}
    found = {}
    for entry in entries:
        if entry.key not in solver.shapes.made:
            k = index[entry.key]
            found[entry.key] = np.clip(entry.value(tracks, strength), solver.shapes.low[k], solver.shapes.high[k])
    return found


def _by_eyeballs(known: solver_inputs.Solving, gaze: NDArray[np.floating[Any]]) -> dict[str, NDArray[np.float64]]:
    """Return the values (T,) of keys that turn eyeballs and have no known name."""
    weights = known.looks.weights(gaze)
    names = (known.solver.shapes.names[k] for k in known.looks.keys)
    return {name: weights[:, column] for column, name in enumerate(names)}


def _seen(solver: Solver, names: Mapping[str, Any]) -> NDArray[np.float64]:
    """Return how the keys called ``names`` move the pinned points at value 1."""
    index = [solver.shapes.names.index(name) for name in names]
    return np.nan_to_num(solver.stance.seen(solver.shapes.deltas[index]))
