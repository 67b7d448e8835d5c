"""Measures what a rig's bones do: a copy of the rig, in a scene of its own, is posed and evaluated.

That needs no formulas for parents, rest poses, inheritance flags, drivers and constraints: what each bone moves, and
how far, is measured. The rig itself is not changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import bpy
import numpy as np
from mathutils import Matrix, Vector
from numpy.typing import NDArray

from .rotations import before, rotation_before

Floats = NDArray[np.float64]

#: Constraints that are muted while measuring, as their limits are applied to the keys instead.
LIMITS: Final = ("LIMIT_LOCATION", "LIMIT_ROTATION")


class Double:
    """A copy of an armature in its rest pose, except that the bones ``keyed`` are posed as before any line was baked.

    ``before`` holds location, rotation and scale of these bones.
    """

    def __init__(self, rig: bpy.types.Object, scene: bpy.types.Scene, original: bpy.types.Object, keyed: Sequence[str]):
        self.rig, self._layer = rig, scene.view_layers[0]
        self.before: dict[str, tuple[Vector, Matrix, Vector]] = {}
        for bone in rig.pose.bones:
            if bone.name not in keyed:
                bone.matrix_basis = Matrix()
        for name in keyed:
            bone = original.pose.bones[name]
            prefix = bone.path_from_id() + "."
            turn = rotation_before(original, prefix, "", bone.rotation_mode)
            self.before[name] = before(original, f"{prefix}location", 3), turn, before(original, f"{prefix}scale", 3)
            self.put(name)

    def put(self, name: str, shift: Vector | None = None, turn: Matrix | None = None) -> None:
        """Pose a bone as before any line was baked, shifted by ``shift`` in its own axes, or with rotation ``turn``."""
        where, rotation, size = self.before[name]
        self.rig.pose.bones[name].matrix_basis = Matrix.LocRotScale(
            where + shift if shift is not None else where, turn if turn is not None else rotation, size
        )

    def measure(self, bones: Sequence[str]) -> dict[str, tuple[Floats, Floats, Floats]]:
        """Return head (3,), tail (3,) and orientation (3, 3; columns) of bones in the armature's space, by name."""
        self._layer.update()
        posed = self.rig.evaluated_get(self._layer.depsgraph).pose.bones
        return {
            name: (np.array(posed[name].head), np.array(posed[name].tail), np.array(_orientation(posed[name].matrix)))
            for name in bones
        }


def _orientation(matrix: Matrix) -> Matrix:
    """Return the rotation of a pose matrix without its scale."""
    return matrix.to_quaternion().to_matrix()


@contextmanager
def double_of(original: bpy.types.Object, keyed: Sequence[str]) -> Iterator[Double]:
    """Provide a copy of an armature in a scene of its own, and remove both afterwards."""
    scene = bpy.data.scenes.new("Mouthpiece Scratch")
    rig = original.copy()
    try:
        scene.frame_current = bpy.context.scene.frame_current  # not frame_set, which would run frame handlers
        scene.collection.objects.link(rig)
        _release(rig)
        _point_at_itself(rig, original)
        for name in keyed:
            for constraint in rig.pose.bones[name].constraints:
                constraint.mute = constraint.mute or constraint.type in LIMITS
        yield Double(rig, scene, original, keyed)
    finally:
        bpy.data.scenes.remove(scene)
        bpy.data.objects.remove(rig)


def _release(rig: bpy.types.Object) -> None:
    """Remove the action from the copy and turn its NLA off; its drivers stay."""
    data = rig.animation_data
    if data is not None:
        data.action = None
        data.use_nla = False


def _point_at_itself(rig: bpy.types.Object, original: bpy.types.Object) -> None:
    """Change constraints and drivers of the copy that refer to the original so that they refer to the copy."""
    for bone in rig.pose.bones:
        for constraint in bone.constraints:
            for name in ("target", "pole_target"):
                if getattr(constraint, name, None) == original:
                    setattr(constraint, name, rig)
            for target in getattr(constraint, "targets", ()):
                if target.target == original:
                    target.target = rig
    drivers = rig.animation_data.drivers if rig.animation_data else ()
    for variable in (variable for curve in drivers for variable in curve.driver.variables):
        for target in variable.targets:
            if target.id == original:
                target.id = rig


def signature(obj: bpy.types.Object, keyed: Sequence[str]) -> tuple[Any, ...]:
    """Return a value that stays equal as long as an armature need not be measured again."""
    bones = obj.data.bones
    rest = np.zeros(16 * len(bones), np.float32)
    bones.foreach_get("matrix_local", rest)
    constraints = tuple(
        (constraint.type, constraint.mute, round(constraint.influence, 4), getattr(constraint, "subtarget", ""))
        for bone in obj.pose.bones
        for constraint in bone.constraints
    )
    flags = tuple(
        (one.name, one.parent.name if one.parent else "", one.use_connect, one.use_local_location, one.inherit_scale)
        for one in bones
    )
    own = tuple((key, str(obj[key])) for key in obj.keys() if isinstance(obj[key], int | float))
    posed = tuple(_initial_pose(obj, name) for name in keyed)
    return obj.session_uid, rest.tobytes(), hash(constraints), hash(flags), own, posed


def _initial_pose(obj: bpy.types.Object, name: str) -> tuple[Any, ...]:
    """Return the pose that a bone had before any line was baked, its modes and locks, and its number properties."""
    bone = obj.pose.bones[name]
    prefix = bone.path_from_id() + "."
    turn = rotation_before(obj, prefix, "", bone.rotation_mode)
    numbers = tuple((key, bone[key]) for key in bone.keys() if isinstance(bone[key], int | float))
    where = tuple(before(obj, f"{prefix}location", 3)), tuple(before(obj, f"{prefix}scale", 3))
    return bone.rotation_mode, tuple(bone.lock_location), where, tuple(map(tuple, turn)), numbers


def driven_channels(obj: bpy.types.Object) -> set[tuple[str, int]]:
    """Return the paths and indices of the object's properties that have drivers."""
    data = obj.animation_data
    return {(curve.data_path, curve.array_index) for curve in data.drivers} if data else set()
