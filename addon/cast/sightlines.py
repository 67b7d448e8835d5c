"""Where the heads of characters are on the timeline, which way they face, and how they see each other."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import bpy
from mathutils import Matrix, Vector
from mouthpiece.errors import MouthpieceError

from ..keys import ledgers, nla
from ..keys.fcurve_keys import channel_id
from ..targets.head import pivots
from ..targets.head import settings as head_settings
from ..targets.head.delta_transforms import at_rest
from ..targets.head.joints import armature_of, head_bone

if TYPE_CHECKING:
    from mouthpiece.motion.listening import Bearing

#: Seconds between moments at which moving characters are looked for, and most such moments.
_STEP: Final = 1.0
_MOST: Final = 240
#: Bones that are eyes, and what looks like one by its name.
_EYE: Final = re.compile(r"(^|[^a-z])eyes?($|[^a-z])", re.IGNORECASE)
_NO_EYE: Final = re.compile(r"lid|brow|lash|corner|target|look|master|mch|org", re.IGNORECASE)
#: Where eyes are in the box around what has none, from below.
_UP: Final = 0.6
#: Heads nearer than this, in units, are one.
_TOGETHER: Final = 1e-4


@dataclass(frozen=True, slots=True)
class HeadPlace:
    """Where a head is at some moment: the middle between its eyes in the world, and its axes, at rest on its body.

    Along the columns of ``axes`` lie its left, its back and its crown (a character looks along -Y).
    """

    eyes: Vector
    axes: Matrix

    def towards(self, place: Vector) -> tuple[float, float] | None:
        """Return how far right and down in a picture of it a place lies, in radians; None if it is there itself."""
        way = self.axes.transposed() @ (place - self.eyes)
        if way.length < _TOGETHER:
            return None
        return round(math.atan2(way.x, -way.y), 3), round(-math.asin(max(-1.0, min(1.0, way.z / way.length))), 3)


def seen(
    scene: bpy.types.Scene, characters: Sequence[bpy.types.Object], objects: Iterable[bpy.types.Object] = ()
) -> Mapping[bpy.types.Object, Mapping[str, Bearing]]:
    """Return for each character where it sees the others and some ``objects``, by their names.

    If any of them moves, the scene's frames are gone through once a second; the present frame is set again after.
    """
    from mouthpiece.motion.listening import Bearing

    beside = [other for other in dict.fromkeys(objects) if other not in characters]
    found: dict[tuple[bpy.types.Object, str], list[tuple[float, tuple[float, float]]]] = {}
    for second in _moments(scene, [*characters, *beside]):
        heads = {obj: head_place(obj) for obj in characters}
        points = {obj.name: head.eyes for obj, head in heads.items()}
        points |= {obj.name: obj.matrix_world.translation.copy() for obj in beside}
        for obj, head in heads.items():
            for name, point in points.items():
                way = head.towards(point) if name != obj.name else None
                if way is not None:
                    found.setdefault((obj, name), []).append((second, way))
    places: dict[bpy.types.Object, dict[str, Bearing]] = {obj: {} for obj in characters}
    for (obj, name), ways in found.items():
        same = len({way for _, way in ways}) == 1
        rows = ways[:1] if same else _unwrapped(ways)
        places[obj][name] = Bearing(
            tuple(round(second, 3) for second, _ in rows),
            tuple(round(right, 3) for _, (right, _) in rows),
            tuple(down for _, (_, down) in rows),
        )
    return places


def _unwrapped(ways: Sequence[tuple[float, tuple[float, float]]]) -> list[tuple[float, tuple[float, float]]]:
    """Return directions over time without the leap where somebody passes behind."""
    rows, last = [], ways[0][1][0]
    for second, (right, down) in ways:
        last = right + 2 * math.pi * round((last - right) / (2 * math.pi))
        rows.append((second, (last, down)))
    return rows


def _moments(scene: bpy.types.Scene, objects: Sequence[bpy.types.Object]) -> Iterator[float]:
    """Yield seconds at which the heads are looked for, with the scene at each: one if nothing moves."""
    fps = scene.render.fps / scene.render.fps_base
    first, last = scene.frame_start, scene.frame_end
    if not any(map(_moves, objects)):
        yield first / fps
        return
    step = max(1, round(fps * _STEP), math.ceil((last - first) / _MOST))
    now = scene.frame_current, scene.frame_subframe
    try:
        for frame in range(first, last + step, step):
            scene.frame_set(frame)
            yield frame / fps
    finally:
        scene.frame_set(now[0], subframe=now[1])


def _moves(obj: bpy.types.Object) -> bool:
    """Return whether an object, what it hangs from, or the armature it wears may move by other than our keys."""
    return any(map(_is_animated, _carriers(obj)))


def _carriers(obj: bpy.types.Object) -> list[bpy.types.Object]:
    """Return an object and all that carries it: parents, armatures, what turns with its head."""
    found: dict[bpy.types.Object, None] = {}
    todo = [obj, armature_of(obj), head_settings.object_of(obj)]
    while todo:
        one = todo.pop()
        if one is not None and one not in found:
            found[one] = None
            todo.append(one.parent)
    return list(found)


def _is_animated(obj: bpy.types.Object) -> bool:
    """Return whether an object has constraints, drivers, keys or strips that are not ours."""
    if any(one.influence > 0 and not one.mute for one in obj.constraints):
        return True
    data = obj.animation_data
    if data is None:
        return False
    if len(data.drivers):
        return True
    if any(strip.action is not None and nla.MARK not in strip.action for t in data.nla_tracks for strip in t.strips):
        return True
    for layer in nla.keyed_layers(obj):
        ours = {channel for line in ledgers.read(obj, layer).lines for channel in line.channels}
        if any(channel_id(c.data_path, c.array_index) not in ours for c in nla.fcurves_of(obj, layer)):
            return True
    return False


def head_place(obj: bpy.types.Object) -> HeadPlace:
    """Return where a character's head is now, without the turns that its lines give it."""
    head = obj.mouthpiece_head
    if head.turns == "OBJECT" and head.object is not None:
        rest = at_rest(head.object)
        return HeadPlace(rest @ head.object.matrix_world.inverted_safe() @ _eyes(obj), _axes(rest))
    rig = head.armature if head.turns == "BONE" else armature_of(obj)
    name = (head.bone if head.turns == "BONE" else "") or (head_bone(rig, obj) if rig is not None else "")
    bone = rig.pose.bones.get(name) if rig is not None and rig.pose is not None else None
    if rig is None or bone is None:
        return HeadPlace(_eyes(obj), _axes(obj.matrix_world))
    carried = Matrix() if bone.parent is None else bone.parent.matrix @ bone.parent.bone.matrix_local.inverted_safe()
    return HeadPlace(rig.matrix_world @ carried @ _eyes_at_rest(obj, rig, bone), _axes(rig.matrix_world @ carried))


def _axes(world: Matrix) -> Matrix:
    """Return the rotation of a matrix."""
    return world.to_quaternion().to_matrix()


def _eyes_at_rest(obj: bpy.types.Object, rig: bpy.types.Object, bone: bpy.types.PoseBone) -> Vector:
    """Return the middle between the eyes in the space of an armature at rest."""
    if obj.type == "MESH":
        held = rig.pose.bones.get(obj.parent_bone) if obj.parent == rig and obj.parent_type == "BONE" else None
        place = rig.matrix_world.inverted_safe() @ _eyes(obj)
        return place if held is None else held.bone.matrix_local @ held.matrix.inverted_safe() @ place
    eyes = [
        one.bone.head_local for one in bone.children_recursive if _EYE.search(one.name) and not _NO_EYE.search(one.name)
    ]
    if eyes:
        return sum((Vector(eye) for eye in eyes), Vector()) / len(eyes)
    return (bone.bone.head_local + bone.bone.tail_local) / 2


def _eyes(obj: bpy.types.Object) -> Vector:
    """Return the middle between a character's eyes in the world, as its mesh is without its armature's pose."""
    if obj.type == "MESH":
        try:
            lids = pivots.eyes_of(obj)
        except MouthpieceError:
            lids = None
        if lids is not None:
            return obj.matrix_world @ ((lids[0] + lids[1]) / 2)
        found = pivots.neck_of(obj)
        if found is not None:
            return found[0] - _axes(obj.matrix_world) @ pivots.NECK * found[1]
    corners = [Vector(corner) for corner in obj.bound_box]
    low, high = (Vector(tuple(pick(c[axis] for c in corners) for axis in range(3))) for pick in (min, max))
    middle = (low + high) / 2
    middle.z = low.z + _UP * (high.z - low.z)
    return obj.matrix_world @ middle
