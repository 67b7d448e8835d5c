"""The target for head motion, on a bone or on an object's delta transform.

Performance axes (x right, y down, z away from the camera) become those of a character that looks along -Y with +Z up:
x to +X, y to -Z, z to +Y. The character's space is the armature's for a bone, and the object's own for an object. The
motion is added to the pose that was there before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

import bpy
import numpy as np
from mathutils import Matrix, Vector
from mouthpiece.errors import RigError
from numpy.typing import NDArray

from ...keys.channels import Channel, Part
from .. import Driven, find_object
from ..bones.rotations import before, rotation_before, rotation_rows, scale_of

if TYPE_CHECKING:
    from mouthpiece.curves import FrameGrid
    from mouthpiece.performance import Performance
    from mouthpiece.retarget.coverage import Coverage

#: Rotation from performance axes to those of a character that looks along -Y.
AXES: Final = Matrix(((1, 0, 0), (0, 0, 1), (0, -1, 0)))
#: Fields that are saved with a line.
_SAVED: Final = ("object_name", "strength", "bone", "eye_distance", "pivot")


@dataclass(frozen=True, slots=True)
class HeadTarget:
    """A bone that turns with the head, or, if ``bone`` is empty, an object's delta transform.

    ``eye_distance`` is the distance of the outer eye corners in world units; with 0 the head turns but does not shift.
    ``pivot`` is the point an object turns about, in its own space; None for its origin. A bone turns about its head.
    """

    kind: ClassVar[str] = "HEAD"

    object_name: str
    bone: str = ""
    strength: float = 1.0
    eye_distance: float = 0.0
    pivot: tuple[float, float, float] | None = None

    @classmethod
    def of(
        cls, obj: bpy.types.Object | None, strength: float = 1.0, bone: str = "", eye_distance: float = 0.0,
        pivot: Sequence[float] | None = None,
    ) -> Self:  # fmt: skip
        """Return the target; raises RigError if the bone is missing, or may not be edited or turned."""
        if obj is None:
            raise RigError(
                "No head is chosen. Under Head Motion, pick an armature and a bone, or an object, or set Turns to None."
            )
        place = None if pivot is None or bone else (float(pivot[0]), float(pivot[1]), float(pivot[2]))
        target = cls(obj.name, bone, strength, eye_distance, place)
        target._joint()
        return target

    def drive(self, performance: Performance, grid: FrameGrid) -> Driven:
        """Return rotation curves, and location curves if there is an eye distance, as mode and locks allow."""
        from mouthpiece.curves import Curves
        from mouthpiece.performance import rotation_matrices
        from mouthpiece.retarget.bones.head import head_curves

        joint = self._joint()
        motion = head_curves(performance, grid, self.strength).values
        left, right = np.array(joint.left @ AXES), np.array(AXES.transposed() @ joint.right)
        turned = rotation_matrices(motion[:, :3])
        channels, rows, warnings = joint.rotation_channels(left @ turned @ right)
        if self.eye_distance or self.pivot is not None:
            step = self.eye_distance / joint.scale
            moved = motion[:, 3:] * step @ np.array(AXES).T + self._held(joint, turned)
            shifts = [joint.left @ Vector(move) for move in moved.tolist()]
            more, extra, remarks = joint.location_channels(shifts)
            channels, rows, warnings = (
                channels + more,
                [a + b for a, b in zip(rows, extra, strict=True)],
                warnings + remarks,
            )
        values = np.array(rows, np.float32).reshape(len(turned), len(channels))
        curves = Curves(tuple(channel.name for channel in channels), grid.frames, values)
        return Driven((Part(joint.owner, tuple(channels), curves),), {}, warnings)

    def saved(self) -> Mapping[str, Any]:
        """Return what :meth:`from_saved` needs."""
        return {"kind": self.kind, **{name: getattr(self, name) for name in _SAVED}}

    @classmethod
    def from_saved(cls, saved: Mapping[str, Any]) -> Self:
        """Return the target for the object that was saved."""
        return cls.of(find_object(saved["object_name"]), **{name: saved[name] for name in _SAVED[1:] if name in saved})

    @classmethod
    def scope(cls, saved: Mapping[str, Any]) -> tuple[str, ...]:
        """Return with what the ids of the channels begin that a saved target has."""
        bone = bpy.utils.escape_identifier(str(saved.get("bone", "")))
        return (f'pose.bones["{bone}"].',) if bone else ("delta_",)

    def summary(self) -> str:
        """Return which bone or object turns."""
        return f"bone '{self.bone}' of {self.object_name}" if self.bone else f"delta transform of {self.object_name}"

    def coverage(self) -> Coverage:
        """Return that the head moves."""
        from mouthpiece.retarget.coverage import Coverage

        return Coverage({"head": (self.summary(),)})

    @classmethod
    def owners(cls, obj: bpy.types.Object) -> list[bpy.types.ID]:
        """Return the object, which also holds the animation of its bones."""
        return [obj]

    def _held(self, joint: Joint, turned: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the shifts (F, 3) in character space that hold the pivot in its place while the object turns."""
        if self.pivot is None:
            return np.zeros((len(turned), 3))
        place = np.array(joint.size) * np.array(self.pivot)
        axes = np.array(AXES)
        return np.asarray(place - (axes @ turned @ axes.T) @ place, np.float64)

    def _joint(self) -> Joint:
        """Return the joint as it is now; raises RigError if it is gone or may not be edited."""
        obj = find_object(self.object_name)
        if not obj.is_editable:
            raise RigError(f"'{obj.name}' is linked from a library. Make a library override of it, or make it local.")
        return Joint.of_bone(obj, self.bone) if self.bone else Joint.of_object(obj)


@dataclass(frozen=True, slots=True)
class Joint:
    """The properties that turn and shift a head: their rotation is ``left @ R @ right`` for R in character space.

    A shift m in character space is added to the location as ``left @ m``. ``scale`` is how many world units one unit of
    the owner is, ``before`` the location before any line was baked. ``size`` is the owner's own scale, delta included.
    """

    owner: bpy.types.ID
    holder: Any
    prefix: str
    delta: str
    mode: str
    left: Matrix
    right: Matrix
    scale: float
    before: Vector
    size: Vector = field(default_factory=lambda: Vector((1.0, 1.0, 1.0)))

    @classmethod
    def of_bone(cls, obj: bpy.types.Object, name: str) -> Joint:
        """Return the joint of an armature's bone, whose channels are relative to its rest orientation."""
        if obj.type != "ARMATURE":
            raise RigError(f"'{obj.name}' is not an armature ({obj.type.title()}). Pick the armature of the head.")
        bone = obj.pose.bones.get(name)
        if bone is None:
            raise RigError(f"The armature '{obj.name}' has no bone '{name}'. Pick one of its bones.")
        prefix = bone.path_from_id() + "."
        rest = bone.bone.matrix_local.to_3x3().normalized()
        posed = rotation_before(obj, prefix, "", bone.rotation_mode)
        where = before(obj, f"{prefix}location", 3)
        left = rest.transposed()
        scale = scale_of(obj.matrix_world)
        return cls(obj, bone, prefix, "", bone.rotation_mode, left, rest @ posed, scale, where)

    @classmethod
    def of_object(cls, obj: bpy.types.Object) -> Joint:
        """Return the joint of an object's delta transform (world = delta @ own), so that its own stays the user's."""
        if obj.rotation_mode == "AXIS_ANGLE":
            raise RigError(
                f"'{obj.name}' rotates by Axis Angle, which has no delta. Set its rotation to Quaternion or XYZ."
            )
        own = rotation_before(obj, "", "", obj.rotation_mode)
        delta = rotation_before(obj, "", "delta_", obj.rotation_mode)
        where = before(obj, "delta_location", 3)
        scale = scale_of(obj.parent.matrix_world) if obj.parent else 1.0
        left = delta @ own
        size = Vector(one * other for one, other in zip(obj.scale, obj.delta_scale, strict=True))
        return cls(obj, obj, "", "delta_", obj.rotation_mode, left, own.transposed(), scale, where, size)

    def rotation_channels(self, turns: NDArray[np.floating]) -> tuple[list[Channel], list[list[float]], list[str]]:
        """Return channels, a row of values for each frame, and remarks, for rotations (F, 3, 3) of the properties."""
        attribute, rows = rotation_rows(turns, self.mode)
        locks = [] if self.delta else list(self.holder.lock_rotation)
        width = len(rows[0])
        if width == 4 and any(locks):
            return [], [[] for _ in rows], [f"{self.holder.name} has locked rotation: the head does not turn"]
        return self._unlocked(attribute, rows, locks or [False] * width)

    def location_channels(self, shifts: Sequence[Vector]) -> tuple[list[Channel], list[list[float]], list[str]]:
        """Return channels, a row of values for each frame, and remarks, for shifts from the location before."""
        locks = [False] * 3 if self.delta else list(self.holder.lock_location)
        return self._unlocked("location", [list(self.before + shift) for shift in shifts], locks)

    def _unlocked(
        self, attribute: str, rows: list[list[float]], locks: Sequence[bool]
    ) -> tuple[list[Channel], list[list[float]], list[str]]:
        """Return channels, rows and a remark for the components of a property that are not locked."""
        free = [index for index in range(len(rows[0])) if not (index < len(locks) and locks[index])]
        path = f"{self.prefix}{self.delta}{attribute}"
        label = f"{self.holder.name} {self.delta}{attribute}"
        channels = [Channel(f"{label} {index}", path, index, "head") for index in free]
        locked = len(rows[0]) - len(free)
        remarks = [f"{label}: {locked} locked channels are left alone"] if locked else []
        return channels, [[row[index] for index in free] for row in rows], remarks
