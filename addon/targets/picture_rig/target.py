"""The target for picture rigs: shape keys move the mouth, eyes, brows and head of an image on a mesh."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

import bpy
import numpy as np
from mouthpiece.errors import RigError
from mouthpiece.phrases import counted

from ...keys.channels import Channel, Part
from .. import Driven, find_object
from ..shape_keys.target import editable_keys
from .builder import longest_of
from .settings import eye_share, is_rig

if TYPE_CHECKING:
    from mouthpiece.curves import Curves, FrameGrid
    from mouthpiece.performance import Performance
    from mouthpiece.retarget.coverage import Coverage

#: If the error of the lips is larger than this, in eye distances, a warning says so; speech has a tenth of that.
_LIP_ERROR: Final = 0.01


@dataclass(frozen=True, slots=True)
class PictureTarget:
    """The shape keys of a picture rig."""

    kind: ClassVar[str] = "PICTURE"

    object_name: str
    strength: float = 1.0

    @classmethod
    def claims(cls, obj: bpy.types.Object) -> bool:
        """Return whether the object is a picture rig."""
        return is_rig(obj)

    @classmethod
    def of(cls, obj: bpy.types.Object, strength: float = 1.0) -> Self:
        """Return the target; raises RigError if it is no picture rig, or its keys are gone or may not be edited."""
        if not is_rig(obj):
            raise RigError(f"'{obj.name}' is not a picture rig. Make one of an image with Make Picture Rig.")
        key = editable_keys(obj)
        if not _present(key):
            raise RigError(f"The picture rig '{obj.name}' has lost its shape keys. Make it again.")
        return cls(obj.name, strength)

    def drive(self, performance: Performance, grid: FrameGrid) -> Driven:
        """Return a curve for every key of the rig, reduced on frames on which the picture would fold over itself."""
        from mouthpiece.curves import Curves
        from mouthpiece.retarget.picture.mouth_modes import layer_of, picture_curves

        obj = find_object(self.object_name)
        PictureTarget.of(obj)  # raises RigError if it is no rig any more
        key = editable_keys(obj)
        played = picture_curves(performance, grid, self.strength)
        names = _present(key)
        values = np.column_stack([played.curves[name] for name in names])
        curves, warnings = unfolded(obj, key, Curves(names, grid.frames, values))
        channels = tuple(Channel(name, f'key_blocks["{name}"].value', layer=layer_of(name)) for name in names)
        clamped = {name: count for name, count in played.clamped.items() if name in names}
        if played.lip_error > _LIP_ERROR:
            warnings.append(
                f"The mouth's keys give the lips of this take within {100 * played.lip_error:.1f} % of the eye distance"
            )
        warnings += self._warnings(obj, key)
        return Driven((Part(key, channels, curves),), clamped, warnings)

    def saved(self) -> Mapping[str, Any]:
        """Return what :meth:`from_saved` needs."""
        return {"kind": self.kind, "object_name": self.object_name, "strength": self.strength}

    @classmethod
    def from_saved(cls, saved: Mapping[str, Any]) -> Self:
        """Return the target for the object that was saved."""
        return cls.of(find_object(saved["object_name"]), saved["strength"])

    def summary(self) -> str:
        """Return one line: how many of the rig's keys there are."""
        from mouthpiece.retarget.picture.mouth_modes import key_names

        have = _present(editable_keys(find_object(self.object_name)))
        return f"Picture rig: {len(have)} of {len(key_names())} keys"

    def coverage(self) -> Coverage:
        """Return which parts of the face the rig's keys move."""
        from mouthpiece.retarget.coverage import Coverage
        from mouthpiece.retarget.picture.mouth_modes import part_of_key

        found: dict[str, tuple[str, ...]] = {}
        for name in _present(editable_keys(find_object(self.object_name))):
            found[part_of_key(name)] = (*found.get(part_of_key(name), ()), name)
        if "open" not in found.get("mouth", ()):
            found.pop("mouth", None)
        lacking = {part: "the picture rig has lost their shape keys" for part in ("mouth", "lids", "gaze", "brows")}
        if "mouth" in found:
            found |= dict.fromkeys(("teeth", "tongue"), ("layers behind the picture's mouth",))
        return Coverage(found, {part: why for part, why in lacking.items() if part not in found})

    @classmethod
    def owners(cls, obj: bpy.types.Object) -> list[bpy.types.ID]:
        """Return the mesh's shape-key data-block."""
        return [obj.data.shape_keys] if is_rig(obj) and obj.data.shape_keys is not None else []

    def _warnings(self, obj: bpy.types.Object, key: bpy.types.Key) -> list[str]:
        """Return warnings on keys that are missing or do not show."""
        from mouthpiece.retarget.picture.mouth_modes import key_names

        found = []
        missing = [name for name in key_names() if name not in key.key_blocks]
        if missing:
            found.append(f"Keys of the picture rig are missing and stay still: {', '.join(missing)}")
        muted = [name for name in _present(key) if key.key_blocks[name].mute]
        if muted:
            found.append(f"Muted shape keys do not move: {', '.join(muted)}")
        if obj.show_only_shape_key:
            found.append(f"'{obj.name}' shows one shape key only: turn off Shape Key Lock (pin) to see the take")
        return found


def _present(key: bpy.types.Key) -> tuple[str, ...]:
    """Return the names of a rig's keys that are in ``key``."""
    from mouthpiece.retarget.picture.mouth_modes import key_names

    return tuple(name for name in key_names() if name in key.key_blocks)


def unfolded(obj: bpy.types.Object, key: bpy.types.Key, curves: Curves) -> tuple[Curves, list[str]]:
    """Return curves reduced on frames on which the picture would fold over itself, and a remark on how many."""
    from mouthpiece.curves import Curves
    from mouthpiece.retarget.picture.mouth_modes import SHUT
    from mouthpiece.retarget.picture.sheet import held_back

    skin = skin_of(obj)
    if skin is None:
        return curves, []
    vertices, triangles = skin
    rest = _places(key.reference_key)[vertices]
    moves = np.array([_places(key.key_blocks[name])[vertices] - rest for name in curves.names])
    free = np.array([name != SHUT and not name.startswith("blink") for name in curves.names])
    held = held_back(rest, triangles, moves, np.asarray(curves.values), free, unit_of(obj))
    if not held.folds:
        return curves, []
    folds, frames = counted(held.folds, "time"), counted(held.frames, "frame")
    remark = f"The picture folds over itself {folds} on {frames}: motion was taken back there"
    if held.left:
        remark += f", and {counted(held.left, 'small fold')} left"
    return Curves(curves.names, curves.frames, held.values), [remark]


def unit_of(obj: bpy.types.Object) -> float:
    """Return the distance of a rig's outer eye corners in its own units."""
    return eye_share(obj) * longest_of(obj)


def skin_of(obj: bpy.types.Object) -> tuple[Any, Any] | None:
    """Return the vertices (V,) of a rig's skin and its triangles (N, 3) as indices into them.

    None if the mesh has no vertex group for the skin.
    """
    group = obj.vertex_groups.get("skin")
    if group is None:
        return None
    member = np.array([any(g.group == group.index for g in v.groups) for v in obj.data.vertices], bool)
    vertices = np.flatnonzero(member)
    place = np.cumsum(member) - 1
    obj.data.calc_loop_triangles()
    corners = np.zeros(3 * len(obj.data.loop_triangles), np.int32)
    obj.data.loop_triangles.foreach_get("vertices", corners)
    triangles = corners.reshape(-1, 3)
    return vertices, place[triangles[member[triangles].all(axis=1)]].astype(np.int64)


def _places(block: Any) -> Any:
    """Return the points (V, 2) of a shape key: right and down."""
    places = np.zeros(3 * len(block.data), np.float32)
    block.data.foreach_get("co", places)
    return places.reshape(-1, 3)[:, [0, 2]].astype(np.float64) * [1, -1]
