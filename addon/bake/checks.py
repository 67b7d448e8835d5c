"""Checks after a bake: whether what was keyed is seen to move, and if not, what stands in its way.

Keys are there, and yet the face is still: a layer is muted, another track plays over it, a constraint undoes the turn.
What can be read off the settings is told in any case. Then the scene is evaluated on the frames where most should move,
and what moves less than half as much as its keys say is told, with the most likely reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import bpy
import numpy as np
from mathutils import Euler, Matrix, Quaternion
from numpy.typing import NDArray

from ..keys import nla, rna_values
from ..keys.channels import Channel, Part

#: A turn below this angle in radians, or a key that changes less than this, tells nothing.
_LEAST_TURN: Final = 0.03
_LEAST_VALUE: Final = 0.05
#: What moves less than this part of what its keys say does not follow them.
_FOLLOWS: Final = 0.5
#: How many vertices are looked at, of those that move most and of those that do not.
_VERTICES: Final = 24
#: Constraints that can change how a bone or object is turned.
_TURNING: Final = frozenset(
    "COPY_ROTATION COPY_TRANSFORMS DAMPED_TRACK TRACK_TO LOCKED_TRACK LIMIT_ROTATION CHILD_OF ARMATURE TRANSFORM "
    "ACTION IK SPLINE_IK PIVOT FOLLOW_PATH TRANSFORM_CACHE".split()
)  # fmt: skip


def told(obj: bpy.types.Object, parts: Sequence[Part]) -> list[str]:
    """Return a sentence for everything that keeps what was keyed for a character from being seen, with what to do.

    What is keyed is evaluated on a few frames; the scene, its frame, and poses nobody has keyed yet stay as they are.
    """
    found = [sentence for part in parts if part.channels for sentence in _standing_in_the_way(part)]
    probes = [*_turns(parts), *_mouths(parts)]
    if probes:
        _evaluate(obj, probes)
    found += [probe.sentence(bool(found)) for probe in probes if not probe.follows()]
    return list(dict.fromkeys(found))


# --- what can be read off the settings


def _standing_in_the_way(part: Part) -> Iterator[str]:
    """Yield a sentence for each setting of the action or the NLA that hides a part's keys."""
    owner, name = part.owner, _called(part.owner)
    data = owner.animation_data
    if data is None:
        return
    solo = next((track for track in data.nla_tracks if track.is_solo), None)
    mine: Any = nla.strip_of(owner, part.layer) if part.layer else None
    track = nla.track_of(owner, mine) if mine is not None else None
    if solo is not None and solo != track:
        yield f"The NLA track '{solo.name}' of {name} plays solo, so the take is not seen: turn its star off."
    if track is not None and (track.mute or mine.mute):
        yield f"The layer {nla.NAMES[part.layer]} of {name} is muted: unmute it to see what was animated."
    if track is not None and mine.use_animated_influence and mine.influence < _FOLLOWS:
        yield f"The layer {nla.NAMES[part.layer]} of {name} has an influence of {mine.influence:.0%}: raise it."
    if not part.layer and data.action_influence < _FOLLOWS:
        yield f"The action of {name} has an influence of {data.action_influence:.0%} in the NLA: raise it."


def _called(owner: bpy.types.ID) -> str:
    """Return what an animator calls a data-block: shape keys by their mesh."""
    if isinstance(owner, bpy.types.Key):
        return f"the shape keys of '{owner.user.name}'"
    return f"'{owner.name}'"


# --- what is measured


@dataclass(slots=True)
class Watched:
    """Something that should move between two frames: how to read it there, and how far it should get.

    ``read`` takes the evaluated scene and returns an array; ``apart`` says how far two of them are apart. ``reason``
    says what may stand in the way, and what to do.
    """

    object: bpy.types.Object
    what: str
    frames: tuple[int, int]
    wanted: float
    read: Callable[[bpy.types.Depsgraph], NDArray[np.float64] | None]
    apart: Callable[[NDArray[np.float64], NDArray[np.float64]], float]
    reason: Callable[[], str]
    seen: dict[int, NDArray[np.float64] | None]

    def follows(self) -> bool:
        """Return whether it moves as far as it should, or nearly; True if it could not be read."""
        first, last = (self.seen.get(frame) for frame in self.frames)
        return first is None or last is None or self.apart(first, last) >= _FOLLOWS * self.wanted

    def sentence(self, explained: bool) -> str:
        """Return what does not move, and why unless that was ``explained`` already and no more is known."""
        why = self.reason()
        if not why:
            why = (
                ""
                if explained
                else "Look for constraints, drivers and NLA tracks that play over it, then animate again."
            )
        return f"{self.what} does not move as its keys say. {why}".strip()


def _evaluate(obj: bpy.types.Object, probes: Sequence[Watched]) -> None:
    """Read every probe on its frames, in a scene of its own: the user's runs handlers and forgets unkeyed poses."""
    scene = bpy.data.scenes.new("Mouthpiece Scratch")
    held = [*_animated()]
    try:
        of = obj.users_scene[0] if obj.users_scene else bpy.context.scene
        scene.render.fps, scene.render.fps_base = of.render.fps, of.render.fps_base
        for shown in dict.fromkeys(probe.object for probe in probes):
            scene.collection.objects.link(shown)
        view = scene.view_layers[0]
        for frame in sorted({frame for probe in probes for frame in probe.frames}):
            scene.frame_current = frame  # not frame_set, which would run the user's handlers
            if scene.frame_current != frame:
                continue  # before 0, where this needs a preference: what cannot be looked at is not blamed
            view.update()
            for probe in probes:
                if frame in probe.frames:
                    probe.seen[frame] = probe.read(view.depsgraph)
    finally:
        bpy.data.scenes.remove(scene)
        for owner, path, index, value in held:
            if rna_values.get(owner, path, index) != value:
                rna_values.put(owner, path, index, value)
        for owner in dict.fromkeys(owner for owner, *_ in held):
            owner.update_tag()


def _animated() -> Iterator[tuple[bpy.types.ID, str, int, float]]:
    """Yield owner, path, index and present value of every animated property: evaluation writes it back into them."""
    for block in (*bpy.data.objects, *bpy.data.shape_keys, *bpy.data.armatures):
        data = block.animation_data
        if data is None or not block.is_editable:
            continue
        strips = [strip for track in data.nla_tracks for strip in track.strips]
        curves = [nla.curves_in(one) for one in (data, *strips)]
        places = dict.fromkeys((curve.data_path, curve.array_index) for some in curves for curve in some)
        places |= dict.fromkeys((curve.data_path, curve.array_index) for curve in data.drivers)
        for path, index in places:
            try:
                yield block, path, index, rna_values.get(block, path, index)
            except (ValueError, KeyError, IndexError, TypeError, AttributeError):
                continue  # the path leads nowhere


# --- heads


def _turns(parts: Sequence[Part]) -> Iterator[Watched]:
    """Yield a probe for each bone or object that is turned as a head."""
    whole: dict[tuple[bpy.types.Object, str], list[tuple[Channel, NDArray[np.float32]]]] = {}
    for part in parts:
        for channel in part.channels if isinstance(part.owner, bpy.types.Object) and part.layer in ("", "head") else ():
            path, _, attribute = channel.data_path.rpartition(".")
            if channel.layer == "head" and "rotation" in attribute:
                whole.setdefault((part.owner, path), []).append((channel, part.curves[channel.name]))
    for (owner, path), columns in whole.items():
        frames = next(part.curves.frames for part in parts if part.owner == owner)
        bone = owner.path_resolve(path) if path else None
        turns = [_turn(columns, row, (bone or owner).rotation_mode) for row in range(len(frames))]
        if not turns:
            continue
        angles = [turns[0].rotation_difference(turn).angle for turn in turns]
        far = int(np.argmax(angles))
        wanted = min(angles[far], 2 * np.pi - angles[far])
        if wanted < _LEAST_TURN:
            continue
        what = f"The head bone '{bone.name}' of '{owner.name}'" if bone else f"The head '{owner.name}'"
        yield Watched(
            owner, what, (int(frames[0]), int(frames[far])), wanted,
            _reader_of_turn(owner.name, bone.name if bone else ""), _angle,
            _reason_of_turn(owner, bone), {},
        )  # fmt: skip


def _turn(columns: Sequence[tuple[Channel, NDArray[np.float32]]], row: int, mode: str) -> Quaternion:
    """Return the rotation that the channels of a rotation property have in a row of their curves."""
    values = dict.fromkeys(range(4), 0.0)
    for channel, column in columns:
        values[channel.index] = float(column[row])
    if mode == "QUATERNION":
        return Quaternion(list(values.values())).normalized()
    if mode == "AXIS_ANGLE":
        return Quaternion((values[1], values[2], values[3]), values[0])
    return Euler((values[0], values[1], values[2]), mode).to_quaternion()


def _reader_of_turn(name: str, bone: str) -> Callable[[bpy.types.Depsgraph], NDArray[np.float64] | None]:
    """Return a function that reads how a bone or object is turned against what it hangs on, constraints included."""

    def read(graph: bpy.types.Depsgraph) -> NDArray[np.float64] | None:
        obj = bpy.data.objects[name].evaluated_get(graph)
        if not bone:
            above = obj.parent.matrix_world @ obj.matrix_parent_inverse if obj.parent else Matrix()
            return np.array((above.inverted_safe() @ obj.matrix_world).to_quaternion(), np.float64)
        pose = obj.pose.bones[bone]
        above, rest = Matrix(), pose.bone.matrix_local
        if pose.parent is not None:
            above, rest = pose.parent.matrix, pose.parent.bone.matrix_local.inverted_safe() @ rest
        return np.array((rest.inverted_safe() @ above.inverted_safe() @ pose.matrix).to_quaternion(), np.float64)

    return read


def _angle(first: NDArray[np.float64], last: NDArray[np.float64]) -> float:
    """Return the angle between two rotations as quaternions."""
    return float(2 * np.arccos(min(1.0, abs(float(first @ last)))))


def _reason_of_turn(owner: bpy.types.Object, bone: Any) -> Callable[[], str]:
    """Return a function that names the constraints of a bone or object that may undo its turn."""

    def reason() -> str:
        holder = owner if bone is None else bone
        acting = [
            f"'{one.name}'"
            for one in holder.constraints
            if one.type in _TURNING and one.influence > 0 and not one.mute and one.is_valid
        ]
        if not acting:
            return _played_over(owner)
        several = f"constraints {', '.join(acting)} turn" if len(acting) > 1 else f"constraint {acting[0]} turns"
        other = "let another bone turn" if bone is not None else "let another object turn"
        return f"Its {several} it back: lower the influence, or {other} under Head Motion."

    return reason


def _played_over(owner: bpy.types.ID) -> str:
    """Return what may keep a data-block's keys from playing, and what to do; empty if nothing is known.

    It may be channels or groups of channels that are muted, or an NLA track above.
    """
    data = owner.animation_data
    if data is None:
        return ""
    curves = [curve for layer in nla.keyed_layers(owner) for curve in nla.fcurves_of(owner, layer)]
    if any(curve.mute or (curve.group is not None and curve.group.mute) for curve in curves):
        return "Some of its channels or channel groups are muted: unmute them in the Graph Editor."
    mine = [nla.strip_of(owner, layer) for layer in nla.layers_of(owner)]
    above: list[str] = []
    for track in data.nla_tracks:
        ours = any(strip in mine for strip in track.strips)
        above = [] if ours else [*above, track.name] if not track.mute else above
    if mine and above:
        return f"The NLA track '{above[-1]}' plays over it: mute it, or move it below Mouthpiece's."
    return ""


# --- mouths


def _mouths(parts: Sequence[Part]) -> Iterator[Watched]:
    """Yield a probe for each mesh whose shape keys move lips or jaw."""
    for part in parts:
        if not isinstance(part.owner, bpy.types.Key) or part.layer not in ("", "lips"):
            continue
        moving = [c for c in part.channels if c.layer == "lips" and np.ptp(part.curves[c.name]) > _LEAST_VALUE]
        meshes = [obj for obj in bpy.data.objects if obj.type == "MESH" and obj.data.shape_keys == part.owner]
        if not moving or not meshes:
            continue
        sums = np.abs(np.stack([part.curves[c.name] for c in moving], axis=1)).sum(axis=1)
        shut, wide = int(sums.argmin()), int(sums.argmax())
        moved = _moved(part, moving, wide) - _moved(part, moving, shut)
        size = np.linalg.norm(moved, axis=1)
        order = np.argsort(size)
        far, still = order[-_VERTICES:], order[:_VERTICES]
        rest = _places(part.owner.reference_key)
        wanted = _stretch(_apart(rest, far, still), _apart(rest + moved, far, still))
        if size.max(initial=0.0) <= 1e-6 or wanted <= 1e-6:
            continue
        frames = int(part.curves.frames[shut]), int(part.curves.frames[wide])
        yield Watched(
            meshes[0], f"The mouth of '{meshes[0].name}'", frames, wanted,
            _reader_of_mesh(meshes[0].name, far, still), _stretch, _reason_of_mouth(meshes[0], part.owner), {},
        )  # fmt: skip


def _moved(part: Part, channels: Sequence[Channel], row: int) -> NDArray[np.float64]:
    """Return how far (V, 3) the keys of some channels move the vertices in a row of a part's curves."""
    total = np.zeros((len(part.owner.reference_key.data), 3))
    for channel in channels:
        block = part.owner.path_resolve(channel.data_path.removesuffix(".value"))
        value = float(part.curves[channel.name][row])
        if value and not block.mute:
            total += value * (_places(block) - _places(block.relative_key))
    return total


def _places(block: Any) -> NDArray[np.float64]:
    """Return the vertices (V, 3) of a shape key."""
    found = np.zeros(3 * len(block.data), np.float32)
    block.data.foreach_get("co", found)
    return found.reshape(-1, 3).astype(np.float64)


def _apart(places: NDArray[np.float64], far: NDArray[np.int64], still: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the distances of some vertices from others, which stay as they are when the whole face is turned."""
    return np.asarray(np.linalg.norm(places[far][:, None] - places[still][None], axis=2), np.float64)


def _stretch(first: NDArray[np.float64], last: NDArray[np.float64]) -> float:
    """Return the greatest change of distances, in parts of the greatest distance."""
    return float(np.abs(last - first).max() / max(float(first.max()), 1e-9))


def _reader_of_mesh(
    name: str, far: NDArray[np.int64], still: NDArray[np.int64]
) -> Callable[[bpy.types.Depsgraph], NDArray[np.float64] | None]:
    """Return a function that reads distances on the mesh as it is seen; None where modifiers remake it."""

    def read(graph: bpy.types.Depsgraph) -> NDArray[np.float64] | None:
        shown = bpy.data.objects[name].evaluated_get(graph)
        mesh = shown.to_mesh()
        try:
            if mesh is None or len(mesh.vertices) < len(bpy.data.objects[name].data.vertices):
                return None
            places = np.zeros(3 * len(mesh.vertices), np.float32)
            mesh.vertices.foreach_get("co", places)
        finally:
            shown.to_mesh_clear()
        return _apart(places.reshape(-1, 3).astype(np.float64), far, still)

    return read


def _reason_of_mouth(obj: bpy.types.Object, key: bpy.types.Key) -> Callable[[], str]:
    """Return a function that says what keeps a mesh from showing its keys."""

    def reason() -> str:
        if obj.show_only_shape_key:
            return "It shows one shape key only: turn off Shape Key Lock (the pin beside the list of shape keys)."
        return _played_over(key)

    return reason
