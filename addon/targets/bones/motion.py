"""Computes the channels of a rig's face bones on each frame, so that the measured rig moves as the controls do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import bpy
import numpy as np
from mathutils import Euler, Matrix, Vector
from mouthpiece.phrases import counted
from mouthpiece.retarget.bones import response
from mouthpiece.retarget.bones.controls import (
    CONTROLS,
    TONGUE,
    FaceMotion,
    control_points,
    face_motion,
    is_number,
    layer_of,
)
from mouthpiece.retarget.bones.response import LOOKS_ALONG_MINUS_Y
from numpy.typing import NDArray

from ...keys.channels import Channel
from .face_frame import frame_of, in_face
from .probe import driven_channels
from .response import Answer, answer_of, basis_turns, lid_pairs, place_of
from .rotations import before, rotation_rows

if TYPE_CHECKING:
    from mouthpiece.curves import FrameGrid
    from mouthpiece.performance import Performance
    from mouthpiece.retarget.bones.mapping import Link


Floats = NDArray[np.float64]

#: Range of a rig's eye opening over a person's; outside of it the positions of its lid bones are not those of lids.
_LID_SCALES: Final = (0.2, 6.0)
_AXIS: Final = {"X": 0, "Y": 1, "Z": 2}


@dataclass(slots=True)
class Moved:
    """Channels with their values on F frames, the number of clamped frames by channel, and remarks."""

    channels: list[Channel] = field(default_factory=list)
    columns: list[Floats] = field(default_factory=list)
    clamped: dict[str, int] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    @property
    def values(self) -> NDArray[np.float32]:
        """Values of all channels, (F, C)."""
        return np.stack(self.columns, axis=1).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Staging:
    """A measured rig and the motion its face shall make.

    ``axes`` (3, 3) are the performance's axes in the rig's space, as columns; ``eye_distance`` is in the rig's unit.
    """

    rig: bpy.types.Object
    answer: Answer
    motion: FaceMotion
    axes: Floats
    eye_distance: float

    @property
    def to_rig(self) -> Floats:
        """The character's axes (X to its left, Y backwards, Z up) in the rig's space, as columns."""
        return self.axes @ response.LOOKS_ALONG_MINUS_Y.T


def moved(
    rig: bpy.types.Object,
    links: Sequence[Link],
    performance: Performance,
    grid: FrameGrid,
    strength: float,
    eye_distance: float,
) -> Moved:
    """Return the channels of an armature's face bones for a performance on the scene's frames."""
    frame = frame_of(rig, links, performance.neutral, eye_distance)
    answer = answer_of(rig, links, frame.axes)
    result = Moved()
    links = _responding_links(rig, links, answer, result)
    has_lips = any(link.source.startswith("lip_lower") and in_face(link) for link in links)
    motion = face_motion(performance, grid, strength, has_lips)
    stage = Staging(rig, answer, motion, frame.axes, frame.eye_distance)
    wanted = _lids_closing(stage, links, performance.neutral, {link: _wanted(stage, link) for link in links})
    jaw = _jaw(stage, links)
    handles, places = _shifts(stage, links, wanted, jaw)
    turns = _turns(stage, links, wanted, jaw, places)
    write(stage, links, handles, turns, result)
    return result


def _responding_links(rig: bpy.types.Object, links: Sequence[Link], answer: Answer, result: Moved) -> list[Link]:
    """Return the links whose bones respond, with a remark on each of the others.

    A bone that cannot shift because it is connected to its parent rotates instead.
    """
    working = []
    for link in links:
        name = link.bone
        if link.space == "FACE" and link.channel == "LOCATION" and name in answer.still:
            bone = rig.pose.bones[name]
            turned = any(other.bone == name and other.channel == "ROTATION" for other in links)
            if bone.bone.use_connect and bone.parent and not turned and not link.watch:
                result.remarks.append(f"{name} is connected to its parent and cannot shift: it turns towards instead")
                working.append(replace(link, channel="ROTATION", point="TAIL"))
            else:
                result.remarks.append(f"{name} does not follow {link.source}: {_why(rig, name, 'location')}")
        elif link.channel == "ROTATION" and name in answer.stiff:
            result.remarks.append(f"{name} does not follow {link.source}: {_why(rig, name, 'rotation')}")
        else:
            working.append(link)
    return working


def _why(rig: bpy.types.Object, name: str, what: str) -> str:
    """Return why a bone does not respond to its location or rotation (``what``)."""
    bone = rig.pose.bones[name]
    acting = [c.name for c in bone.constraints if not c.mute and c.influence > 0]
    if all(getattr(bone, f"lock_{what}")):
        return f"its {what} is locked"
    if what == "location" and bone.bone.use_connect and bone.parent:
        return "it is connected to its parent"
    if acting:
        return f"its constraints override its {what} ({', '.join(acting)})"
    return f"its {what} moves nothing"


def _wanted(stage: Staging, link: Link) -> Floats:
    """Return the displacement (F, 3) that a link wants, in the rig's space and unit."""
    end = place_of(link)
    if end == (link.watch, "TAIL") and link.source in stage.motion.turns:
        arm = stage.answer.tails[link.watch] - stage.answer.heads[link.watch]
        return (turned_by(stage, link) - np.eye(3)) @ arm
    return _vectors(stage, link, stage.motion.moves) @ stage.to_rig.T * stage.eye_distance


def turned_by(stage: Staging, link: Link) -> Floats:
    """Return the rotations (F, 3, 3) of a link's control in the rig's space."""
    return response.rotation_vectors_to_matrices(_vectors(stage, link, stage.motion.turns) @ stage.to_rig.T)


def _vectors(stage: Staging, link: Link, of: Mapping[str, Floats]) -> Floats:
    """Return a link's moves or rotation vectors (F, 3) in the character's axes, with gain, on the link's axis only."""
    counts = np.ones(3)
    if link.axis != "ALL":
        counts[:] = 0.0
        counts[_AXIS[link.axis]] = 1.0
    if is_number(link.source):
        return stage.motion.numbers[link.source][:, None] * (counts * link.gain)
    return of[link.source] @ response.LOOKS_ALONG_MINUS_Y.T * (counts * link.gain)


def _lids_closing(
    stage: Staging, links: Sequence[Link], neutral: NDArray[np.floating], wanted: dict[Link, Floats]
) -> dict[Link, Floats]:
    """Return ``wanted`` with the motion of lids scaled so that the rig's eyes close when the performance's do."""
    face = control_points(neutral)
    up = -stage.axes[:, 1]
    for upper, lower in lid_pairs(links):
        rests = [stage.answer.resting(*place_of(link)) for link in (upper, lower)]
        own = float((rests[0] - rests[1]) @ up)
        theirs = float(face[lower.source][1] - face[upper.source][1]) * stage.eye_distance
        if theirs > 0 and _LID_SCALES[0] * theirs < own < _LID_SCALES[1] * theirs:
            for link in (upper, lower):
                wanted[link] = wanted[link] * (own / theirs)
    return wanted


def _jaw(stage: Staging, links: Sequence[Link]) -> Floats:
    """Return the rotation vectors (F, 3) of the rig's jaw in the performance's axes; zero without a jaw.

    They are those that its locks and limits allow, as the lips have to move with the real jaw.
    """
    for link in links:
        if link.source == "jaw" and link.channel == "ROTATION" and in_face(link):
            axes, initial = stage.answer.axes[link.bone], stage.answer.before[link.bone][1]
            turns = turned_by(stage, link)
            asked = basis_turns(axes, turns, initial)
            given = kept_back(stage.rig.pose.bones[link.bone], asked, initial)
            if given is not asked:
                turns = axes @ np.array(initial).T @ np.array([np.array(turn) for turn in given]) @ axes.T
            return response.rotation_vectors(turns) @ stage.axes
    return np.zeros_like(stage.motion.turns["jaw"])


def _shifts(
    stage: Staging, links: Sequence[Link], wanted: dict[Link, Floats], jaw: Floats
) -> tuple[Floats, tuple[Floats, Floats]]:
    """Return the values of the H location components (F, H), and the places' positions and rotations by the jaw."""
    answer = stage.answer
    carried, turned = answer.carried.at(jaw)
    follows = [link for link in links if link.channel == "LOCATION" and in_face(link)]
    places = [answer.place(*place_of(link)) for link in follows]
    goals = [
        # a tongue moves against the jaw, whatever that does; all else is where it is in the face
        (carried[:, place] if layer_of(link.source) == TONGUE else answer.resting(*place_of(link))) + wanted[link]
        for link, place in zip(follows, places, strict=True)
    ]
    used = {link.bone for link in follows}
    columns = [index for index, handle in enumerate(answer.handles) if handle.bone in used]
    values = np.zeros((len(jaw), len(answer.handles)))
    if follows:
        values[:, columns] = response.solve(
            answer.jacobian[places][:, :, columns],
            np.stack(goals, axis=1),
            carried[:, places],
            turned[:, places],
            [answer.bones.index(answer.handles[index].bone) for index in columns],
        )
    moved = carried + np.einsum("fpij,fpj->fpi", turned, np.tensordot(values, answer.jacobian, axes=(1, 2)))
    values *= [answer.stretch.get(handle.bone, 1.0) for handle in answer.handles]
    return values, (moved, turned)


def _turns(
    stage: Staging, links: Sequence[Link], wanted: dict[Link, Floats], jaw: Floats, places: tuple[Floats, Floats]
) -> dict[Link, list[Matrix]]:
    """Return the rotation of each rotating link's bone on each frame."""
    found = {}
    for link in links:
        if link.channel != "ROTATION" or not in_face(link):
            continue
        axes, initial = stage.answer.axes[link.bone], stage.answer.before[link.bone][1]
        if is_number(link.source) or CONTROLS[link.source].turns:
            found[link] = basis_turns(axes, turned_by(stage, link), initial)
            continue
        positions, turned = places
        head = stage.answer.place(link.bone, "HEAD")
        carries = turned[:, head]
        resting = carries @ (stage.answer.tails[link.bone] - stage.answer.heads[link.bone])
        goal = stage.answer.tails[link.bone] + wanted[link] - positions[:, head]
        if layer_of(link.source) == TONGUE:
            goal = resting + wanted[link]
        towards = response.turns_towards(resting, goal)
        found[link] = basis_turns(carries @ axes, towards, initial)
    return found


#: Indices of a bone's property for each axis of a link.
_AXES: Final = {"X": (0,), "Y": (1,), "Z": (2,), "ALL": (0, 1, 2)}
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
    """Return what a link adds to each of a bone's three axes (F, 3), with gain."""
    motion = stage.motion
    if is_number(link.source):
        values = np.repeat(motion.numbers[link.source][:, None], 3, axis=1)
    else:
        of = motion.turns if link.channel == "ROTATION" and link.source in motion.turns else motion.moves
        values = of[link.source] @ LOOKS_ALONG_MINUS_Y.T
    scaled: Floats = values * link.gain
    return scaled


def _write_shift(stage: Staging, bone: Any, link: Link, handles: Floats, result: Moved) -> None:
    """Add the components of a bone's location that respond, and remarks on locked and driven ones."""
    initial = stage.answer.before[bone.name][0]
    locked = sum(bone.lock_location)
    for column, handle in enumerate(stage.answer.handles):
        if handle.bone == bone.name:
            _add(result, bone, "location", handle.index, initial[handle.index] + handles[:, column], link)
    if locked:
        result.remarks.append(f"{bone.name}: {locked} locked location channels are left alone")
    driven = sum((bone.path_from_id("location"), index) in driven_channels(stage.rig) for index in range(3))
    if driven:
        result.remarks.append(f"{bone.name}: {driven} location channels have drivers and are left to them")


def _write_numbers(stage: Staging, bone: Any, link: Link, result: Moved) -> None:
    """Add location or scale channels whose values are not converted."""
    attribute, locks = ("scale", bone.lock_scale) if link.channel == "SCALE" else ("location", bone.lock_location)
    initial = stage.answer.before[bone.name][2 if link.channel == "SCALE" else 0]
    values = amounts(stage, link)
    for index in _AXES[link.axis]:
        if locks[index]:
            result.remarks.append(f"{bone.name} {attribute} {'XYZ'[index]} is locked and left alone")
            continue
        factor = initial[index] if link.channel == "SCALE" else 1.0
        _add(result, bone, attribute, index, initial[index] + factor * values[:, index], link)


def _turned_locally(stage: Staging, link: Link, bone: Any) -> list[Matrix]:
    """Return the rotations for angles about the bone's own axes, added to the rotation it had before."""
    values = amounts(stage, link)
    mode = bone.rotation_mode
    if mode not in ("QUATERNION", "AXIS_ANGLE"):
        initial = before(stage.rig, bone.path_from_id("rotation_euler"), 3)
        angles = np.tile(np.array(initial), (len(values), 1))
        for index in _AXES[link.axis]:
            angles[:, index] += values[:, index]
        return [Euler(row, mode).to_matrix() for row in angles.tolist()]
    kept = np.zeros_like(values)
    kept[:, list(_AXES[link.axis])] = values[:, list(_AXES[link.axis])]
    rest = stage.answer.before[bone.name][1]
    return [rest @ Matrix.Rotation(Vector(row).length, 3, Vector(row)) if any(row) else rest for row in kept.tolist()]


def _write_rotation(bone: Any, link: Link, turns: list[Matrix], result: Moved) -> None:
    """Add the channels of a bone's rotation in its rotation mode, without jumps between frames."""
    turns, beyond = _within_limits(bone, turns)
    attribute, rows = rotation_rows(turns, bone.rotation_mode)
    locks = list(bone.lock_rotation)
    values = np.array(rows)
    if values.shape[1] == 4 and any(locks):
        result.remarks.append(f"{bone.name} has locked rotation: it does not turn")
        return
    free = [index for index in range(values.shape[1]) if values.shape[1] == 4 or not locks[index]]
    if link.space == "LOCAL" and values.shape[1] == 3:
        free = [index for index in free if index in _AXES[link.axis]]
    for index in free:
        _add(result, bone, attribute, index, values[:, index], link)
    if values.shape[1] == 3 and any(locks):
        result.remarks.append(f"{bone.name}: {sum(locks)} locked rotation channels are left alone")
    if beyond:
        result.clamped[f"{bone.name} rotation"] = beyond
        result.remarks.append(f"{bone.name} rotation was held by its Limit Rotation on {counted(beyond, 'frame')}")


def kept_back(bone: Any, turns: list[Matrix], initial: Matrix) -> list[Matrix]:
    """Return the rotations that a bone's limits and locks leave of ``turns``; ``initial`` is its rotation before."""
    turns, _ = _within_limits(bone, turns)
    if not any(bone.lock_rotation):
        return turns  # the same list, unless limits changed it
    mode = bone.rotation_mode
    if mode in ("QUATERNION", "AXIS_ANGLE"):
        return [initial] * len(turns)
    rest = initial.to_euler(mode)
    locked = [axis for axis, lock in zip("xyz", bone.lock_rotation, strict=True) if lock]
    found = []
    for turn in turns:
        euler = turn.to_euler(mode)
        for axis in locked:
            setattr(euler, axis, getattr(rest, axis))
        found.append(euler.to_matrix())
    return found


def _add(result: Moved, bone: Any, attribute: str, index: int, values: Floats, link: Link) -> None:
    """Add one channel to the result, unless it is there already."""
    path = bone.path_from_id(attribute)
    name = f"{bone.name} {attribute} {index}"
    if name in {channel.name for channel in result.channels}:
        return
    result.channels.append(Channel(name, path, index, layer_of(link.source)))
    result.columns.append(values)


def _local_limits(bone: Any, kind: str) -> list[Any]:
    """Return a bone's limit constraints of that type that act in local space."""
    found = [c for c in bone.constraints if c.type == kind and not c.mute and c.influence > 0]
    return [constraint for constraint in found if constraint.owner_space == "LOCAL"]


def _within_limits(bone: Any, turns: list[Matrix]) -> tuple[list[Matrix], int]:
    """Return rotations clamped to the bone's Limit Rotation constraints, and how many were clamped."""
    beyond = 0
    for limit in _local_limits(bone, "LIMIT_ROTATION"):
        order = getattr(limit, "euler_order", "AUTO")
        if order == "AUTO":
            order = bone.rotation_mode if bone.rotation_mode not in ("QUATERNION", "AXIS_ANGLE") else "XYZ"
        clamped = []
        for turn in turns:
            euler = turn.to_euler(order)
            for axis in "xyz":
                if getattr(limit, f"use_limit_{axis}"):
                    low, high = getattr(limit, f"min_{axis}"), getattr(limit, f"max_{axis}")
                    setattr(euler, axis, min(max(getattr(euler, axis), low), high))
            clamped.append(euler.to_matrix())
        far = sum(_apart(a, b) > _SLACK for a, b in zip(turns, clamped, strict=True))
        beyond, turns = max(beyond, far), clamped
    return turns, beyond


def _apart(first: Matrix, second: Matrix) -> float:
    """Return the largest difference between elements of two matrices."""
    return max(abs(a - b) for one, other in zip(first, second, strict=True) for a, b in zip(one, other, strict=True))


def _keep_location_limits(rig: bpy.types.Object, result: Moved) -> None:
    """Clamp locations to the Limit Location constraints of their bones."""
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
                result.remarks.append(f"{channel.name} was held by its Limit Location on {counted(beyond, 'frame')}")
