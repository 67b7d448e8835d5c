"""Values into a bone's own properties: rotation modes, locks, limits, and what goes in as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import bpy
import numpy as np
from mathutils import Euler, Matrix, Vector
from mouthpiece.retarget.bone_response import LOOKS_ALONG_MINUS_Y
from mouthpiece.retarget.bones import is_number, layer_of
from numpy.typing import NDArray

from ..keys.plan import Channel
from .bone_probe import driven_channels
from .joints import before, rotation_rows

if TYPE_CHECKING:
    from mouthpiece.retarget.bone_profiles import Link

    from .bone_motion import Moved, Staging

Floats = NDArray[np.float64]

_AXIS: Final = {"X": (0,), "Y": (1,), "Z": (2,), "ALL": (0, 1, 2)}
_SLACK: Final = 1e-5


def write(
    stage: Staging, links: Sequence[Link], handles: Floats, turns: Mapping[Link, Sequence[Matrix]], result: Moved
) -> None:
    """Add the channels of all links to ``result``."""
    for link in links:
        bone = stage.rig.pose.bones[link.bone]
        if link.channel == "ROTATION":
            rows = list(turns[link]) if link in turns else _turned_locally(stage, link, bone)
            _write_rotation(bone, link, rows, result)
        elif link.channel == "LOCATION" and link.space == "FACE":
            _write_shift(stage, bone, link, handles, result)
        else:
            _write_numbers(stage, bone, link, result)
    _keep_location_limits(stage.rig, result)


def amounts(stage: Staging, link: Link) -> Floats:
    """Return what a link puts into each of a bone's three axes (F, 3), gain in."""
    motion = stage.motion
    if is_number(link.source):
        values = np.repeat(motion.numbers[link.source][:, None], 3, axis=1)
    else:
        of = motion.turns if link.channel == "ROTATION" and link.source in motion.turns else motion.moves
        values = of[link.source] @ LOOKS_ALONG_MINUS_Y.T
    scaled: Floats = values * link.gain
    return scaled


def _write_shift(stage: Staging, bone: Any, link: Link, handles: Floats, result: Moved) -> None:
    """Add the location's components that answer."""
    held = stage.answer.before[bone.name][0]
    locked = sum(bone.lock_location)
    for column, handle in enumerate(stage.answer.handles):
        if handle.bone == bone.name:
            _add(result, bone, "location", handle.index, held[handle.index] + handles[:, column], link)
    if locked:
        result.remarks.append(f"{bone.name}: {locked} locked location channels are left alone")
    driven = sum((bone.path_from_id("location"), index) in driven_channels(stage.rig) for index in range(3))
    if driven:
        result.remarks.append(f"{bone.name}: {driven} location channels have drivers and are left to them")


def _write_numbers(stage: Staging, bone: Any, link: Link, result: Moved) -> None:
    """Add location or scale channels that are set as they are."""
    attribute, locks = ("scale", bone.lock_scale) if link.channel == "SCALE" else ("location", bone.lock_location)
    held = stage.answer.before[bone.name][2 if link.channel == "SCALE" else 0]
    values = amounts(stage, link)
    for index in _AXIS[link.axis]:
        if locks[index]:
            result.remarks.append(f"{bone.name} {attribute} {'XYZ'[index]} is locked and left alone")
            continue
        factor = held[index] if link.channel == "SCALE" else 1.0
        _add(result, bone, attribute, index, held[index] + factor * values[:, index], link)


def _turned_locally(stage: Staging, link: Link, bone: Any) -> list[Matrix]:
    """Return rotations for angles that go about the bone's own axes, on top of what it held."""
    values = amounts(stage, link)
    mode = bone.rotation_mode
    if mode not in ("QUATERNION", "AXIS_ANGLE"):
        held = before(stage.rig, bone.path_from_id("rotation_euler"), 3)
        angles = np.tile(np.array(held), (len(values), 1))
        for index in _AXIS[link.axis]:
            angles[:, index] += values[:, index]
        return [Euler(row, mode).to_matrix() for row in angles.tolist()]
    kept = np.zeros_like(values)
    kept[:, list(_AXIS[link.axis])] = values[:, list(_AXIS[link.axis])]
    rest = stage.answer.before[bone.name][1]
    return [rest @ Matrix.Rotation(Vector(row).length, 3, Vector(row)) if any(row) else rest for row in kept.tolist()]


def _write_rotation(bone: Any, link: Link, turns: list[Matrix], result: Moved) -> None:
    """Add the channels of a bone's rotation in its own mode, without jumps."""
    turns, beyond = _within_limits(bone, turns)
    attribute, rows = rotation_rows(turns, bone.rotation_mode)
    locks = list(bone.lock_rotation)
    values = np.array(rows)
    if values.shape[1] == 4 and any(locks):
        result.remarks.append(f"{bone.name} has locked rotation: it does not turn")
        return
    free = [index for index in range(values.shape[1]) if values.shape[1] == 4 or not locks[index]]
    if link.space == "LOCAL" and values.shape[1] == 3:
        free = [index for index in free if index in _AXIS[link.axis]]
    for index in free:
        _add(result, bone, attribute, index, values[:, index], link)
    if values.shape[1] == 3 and any(locks):
        result.remarks.append(f"{bone.name}: {sum(locks)} locked rotation channels are left alone")
    if beyond:
        result.clamped[f"{bone.name} rotation"] = beyond
        result.remarks.append(f"{bone.name} rotation was held by its Limit Rotation on {beyond} frames")


def kept_back(bone: Any, turns: list[Matrix], held: Matrix) -> list[Matrix]:
    """Return the rotations a bone really gets of those asked for: within its limits, and but for its locks."""
    turns, _ = _within_limits(bone, turns)
    if not any(bone.lock_rotation):
        return turns  # as asked
    mode = bone.rotation_mode
    if mode in ("QUATERNION", "AXIS_ANGLE"):
        return [held] * len(turns)
    rest = held.to_euler(mode)
    locked = [axis for axis, lock in zip("xyz", bone.lock_rotation, strict=True) if lock]
    found = []
    for turn in turns:
        euler = turn.to_euler(mode)
        for axis in locked:
            setattr(euler, axis, getattr(rest, axis))
        found.append(euler.to_matrix())
    return found


def _add(result: Moved, bone: Any, attribute: str, index: int, values: Floats, link: Link) -> None:
    path = bone.path_from_id(attribute)
    name = f"{bone.name} {attribute} {index}"
    if name in {channel.name for channel in result.channels}:
        return
    result.channels.append(Channel(name, path, index, layer_of(link.source)))
    result.columns.append(values)


def _local_limits(bone: Any, kind: str) -> list[Any]:
    """Return a bone's limit constraints that act on its own channels."""
    found = [c for c in bone.constraints if c.type == kind and not c.mute and c.influence > 0]
    return [constraint for constraint in found if constraint.owner_space == "LOCAL"]


def _within_limits(bone: Any, turns: list[Matrix]) -> tuple[list[Matrix], int]:
    """Return rotations held within the bone's Limit Rotation constraints, and how many had to be."""
    beyond = 0
    for limit in _local_limits(bone, "LIMIT_ROTATION"):
        order = getattr(limit, "euler_order", "AUTO")
        if order == "AUTO":
            order = bone.rotation_mode if bone.rotation_mode not in ("QUATERNION", "AXIS_ANGLE") else "XYZ"
        held = []
        for turn in turns:
            euler = turn.to_euler(order)
            for axis in "xyz":
                if getattr(limit, f"use_limit_{axis}"):
                    low, high = getattr(limit, f"min_{axis}"), getattr(limit, f"max_{axis}")
                    setattr(euler, axis, min(max(getattr(euler, axis), low), high))
            held.append(euler.to_matrix())
        far = sum(_apart(a, b) > _SLACK for a, b in zip(turns, held, strict=True))
        beyond, turns = max(beyond, far), held
    return turns, beyond


def _apart(first: Matrix, second: Matrix) -> float:
    return max(abs(a - b) for one, other in zip(first, second, strict=True) for a, b in zip(one, other, strict=True))


def _keep_location_limits(rig: bpy.types.Object, result: Moved) -> None:
    """Hold locations within the Limit Location constraints of their bones."""
    for number, channel in enumerate(result.channels):
        path, _, attribute = channel.data_path.rpartition(".")
        if attribute != "location":
            continue
        bone = rig.path_resolve(path)
        for limit in _local_limits(bone, "LIMIT_LOCATION"):
            axis = "xyz"[channel.index]
            low = getattr(limit, f"min_{axis}") if getattr(limit, f"use_min_{axis}") else -np.inf
            high = getattr(limit, f"max_{axis}") if getattr(limit, f"use_max_{axis}") else np.inf
            values = result.columns[number]
            beyond = int(((values < low - _SLACK) | (values > high + _SLACK)).sum())
            if beyond:
                result.columns[number] = np.clip(values, low, high)
                result.clamped[channel.name] = beyond
                result.remarks.append(f"{channel.name} was held by its Limit Location on {beyond} frames")
