"""How a rig responds to its face bones: measured once, and cached while rig and mapping stay the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import bpy
import numpy as np
from mathutils import Matrix, Vector
from mouthpiece.retarget.bones.response import Carried, nearest_rotations, rotation_vectors_to_matrices, solve
from numpy.typing import NDArray

from .probe import Double, double_of, driven_channels, signature

if TYPE_CHECKING:
    from mouthpiece.retarget.bones.mapping import Link

    from .probe import Double


Floats = NDArray[np.float64]

#: Jaw angles, in radians, at which the motion of everything that the jaw carries is measured.
_ANGLES: Final = (0.0, 0.12, 0.25, 0.4, 0.6, 0.9)
_SIDEWAYS: Final = 0.1
#: A channel that moves its bone by less than this share of what was set does not respond.
_ANSWERS: Final = 0.05
#: Least motion of a place for one unit of a location.
_REACH: Final = 0.005
_TURN: Final = 0.3
#: How far bones are shifted to measure them, as a share of the face's size: little, as lids slide on curved eyes.
_STEP: Final = 0.005
_REMEMBERED: Final = 8


@dataclass(frozen=True, slots=True)
class Handle:
    """One component of a bone's location."""

    bone: str
    index: int


@dataclass(frozen=True, eq=False)
class Answer:
    """The measured response of a rig, in its armature's space. A place is one end of a bone.

    Attributes
    ----------
    heads, tails, axes : mapping
        Ends and orientation (columns) at rest of every bone that is keyed or watched, by name.
    bones : tuple of str
        Those bones, in the order of places: all heads, then all tails.
    carried : Carried
        How the jaw moves the places.
    handles : tuple of Handle
        Components of locations that respond.
    jacobian : (P, 3, H) float64
        How each place moves for one unit of each handle.
    still : frozenset of str
        Bones whose location does not respond.
    stiff : frozenset of str
        Bones whose rotation does not respond.
    before : mapping
        Location, rotation and scale of every keyed bone before any line was baked.
    stretch : mapping
        Factor on the handles of a lid so that closed lids meet: they slide on curved eyes.
    """

    bones: tuple[str, ...]
    heads: dict[str, Floats]
    tails: dict[str, Floats]
    axes: dict[str, Floats]
    carried: Carried
    handles: tuple[Handle, ...]
    jacobian: Floats
    still: frozenset[str] = frozenset()
    stiff: frozenset[str] = frozenset()
    before: dict[str, tuple[Vector, Matrix, Vector]] = field(default_factory=dict)
    stretch: dict[str, float] = field(default_factory=dict)

    @cached_property
    def _order(self) -> dict[str, int]:
        """Index of each bone by name."""
        return {name: index for index, name in enumerate(self.bones)}

    def place(self, bone: str, point: str) -> int:
        """Return the index of the place at one end of a bone (HEAD or TAIL)."""
        return self._order[bone] + (len(self.bones) if point == "TAIL" else 0)

    def resting(self, bone: str, point: str) -> Floats:
        """Return the position (3,) of one end of a bone at rest."""
        return (self.tails if point == "TAIL" else self.heads)[bone]


_known: dict[Any, Answer] = {}


def answer_of(obj: bpy.types.Object, links: Sequence[Link], jaw_axes: Floats) -> Answer:
    """Return how an armature responds to the bones of ``links``, from the cache if it was measured before.

    ``jaw_axes`` (3, 3) are the performance's axes in the armature's space, as columns: the jaw turns about them.
    """
    keyed = tuple(dict.fromkeys(link.bone for link in links))
    key = (signature(obj, keyed), tuple(links), jaw_axes.tobytes())
    if key not in _known:
        while len(_known) >= _REMEMBERED:
            _known.pop(next(iter(_known)))
        _known[key] = _measured(obj, links, keyed, jaw_axes)
    return _known[key]


def _measured(obj: bpy.types.Object, links: Sequence[Link], keyed: tuple[str, ...], jaw_axes: Floats) -> Answer:
    """Measure a copy of the armature."""
    watched = tuple(dict.fromkeys([*keyed, *(link.watch for link in links if link.watch)]))
    order = {name: index for index, name in enumerate(watched)}
    shifting: dict[str, list[int]] = {}
    for link in links:
        if link.channel == "LOCATION" and link.space == "FACE":
            end = place_of(link)
            shifting.setdefault(link.bone, []).append(order[end[0]] + (len(watched) if end[1] == "TAIL" else 0))
    turning = tuple(dict.fromkeys(link.bone for link in links if link.channel == "ROTATION"))
    jaws = [link.bone for link in links if link.source == "jaw" and link.channel == "ROTATION" and link.space == "FACE"]
    with double_of(obj, keyed) as double:
        rest = double.measure(watched)
        heads, tails, axes = ({name: rest[name][part] for name in watched} for part in range(3))
        stiff = frozenset(name for name in turning if not _does_turn(double, name, axes[name]))
        moving = [name for name in jaws if name not in stiff]
        carried = _carried(double, watched, axes, moving, jaw_axes)
        handles, jacobian = _handles(double, obj, watched, shifting, max(_size(heads), 1e-6) * _STEP)
        still = frozenset(shifting) - {handle.bone for handle in handles}

        answer = Answer(watched, heads, tails, axes, carried, handles, jacobian, still, stiff, dict(double.before))
        for pair in lid_pairs(links):
            answer.stretch.update(stretched(double, answer, pair, -jaw_axes[:, 1]))
        return answer


def place_of(link: Link) -> tuple[str, str]:
    """Return the bone whose end follows a link's control, and which end (HEAD or TAIL)."""
    from mouthpiece.retarget.bones.controls import CONTROLS

    looks = link.source in CONTROLS and CONTROLS[link.source].turns and link.channel == "LOCATION" and link.watch
    return link.watch or link.bone, "TAIL" if looks else link.point


def basis_turns(axes: Floats, turns: Floats, initial: Matrix) -> list[Matrix]:
    """Return the rotations to set a bone to so that it turns by ``turns`` (F, 3, 3) in the armature's space.

    ``axes`` (3, 3), or one a frame (F, 3, 3), is the bone's orientation while its own rotation is ``initial``.
    """
    # axes = A initial, where A comes from parent and rest pose; wanted is A new = turn axes, so new = A^-1 turn axes
    free = axes @ np.array(initial).T
    return [Matrix(rows) for rows in (np.swapaxes(free, -1, -2) @ turns @ axes).tolist()]


def _does_turn(double: Double, name: str, axes: Floats) -> bool:
    """Return whether a bone turns when its rotation is set."""
    found = []
    for axis in "XZ":
        double.put(name, turn=double.before[name][1] @ Matrix.Rotation(_TURN, 3, axis))
        now = double.measure((name,))[name][2]
        found.append(np.linalg.norm(now - axes))
    double.put(name)
    # the matrix of a rotation by t differs from the unit matrix by 2 sqrt(2) sin(t / 2)
    return bool(max(found) > _ANSWERS * 2 * np.sqrt(2) * np.sin(_TURN / 2))


def _places(measured: dict[str, tuple[Floats, Floats, Floats]], bones: Sequence[str]) -> Floats:
    """Return the positions (P, 3) of all places: heads of ``bones``, then tails."""
    return np.array([measured[name][end] for end in (0, 1) for name in bones])


def _carried(
    double: Double, bones: Sequence[str], axes: dict[str, Floats], jaws: Sequence[str], jaw_axes: Floats
) -> Carried:
    """Return how the places move while the jaw turns."""
    angles = _ANGLES if jaws else _ANGLES[:1]
    vectors = [(angle, 0.0, 0.0) for angle in angles] + [(0.0, _SIDEWAYS, 0.0)]
    positions, turned = [], []
    for vector in vectors:
        turn = jaw_axes @ rotation_vectors_to_matrices(np.array([vector]))[0] @ jaw_axes.T
        for name in jaws:
            double.put(name, turn=basis_turns(axes[name], turn[None], double.before[name][1])[0])
        now = double.measure(bones)
        positions.append(_places(now, bones))
        turned.append(np.array([now[name][2] @ axes[name].T for _ in range(2) for name in bones]))
    for name in jaws:
        double.put(name)
    sideways = (positions[-1] - positions[0]) / _SIDEWAYS
    return Carried(np.array(angles), np.array(positions[:-1]), nearest_rotations(np.array(turned[:-1])), sideways)


def _handles(
    double: Double, obj: bpy.types.Object, bones: Sequence[str], shifting: Mapping[str, Sequence[int]], step: float
) -> tuple[tuple[Handle, ...], Floats]:
    """Return the location components that move the places they should, and the Jacobian (P, 3, H) of all places.

    ``shifting`` holds the places that each bone should move, ``step`` is how far bones are shifted to measure that.
    """
    rest = _places(double.measure(bones), bones)
    driven = driven_channels(obj)
    handles, columns = [], []
    for name, own in shifting.items():
        bone = obj.pose.bones[name]
        found: dict[int, Floats] = {}
        for index in range(3):
            if bone.lock_location[index] or (bone.path_from_id("location"), index) in driven:
                continue
            shift = Vector((0.0, 0.0, 0.0))
            shift[index] = step
            double.put(name, shift=shift)
            found[index] = (_places(double.measure(bones), bones) - rest) / step
        double.put(name)
        reach = {index: float(np.linalg.norm(moved[own], axis=1).max()) for index, moved in found.items()}
        least = max(_ANSWERS * max(reach.values(), default=0.0), _REACH)
        handles += [Handle(name, index) for index in found if reach[index] > least]
        columns += [found[index] for index in found if reach[index] > least]
    jacobian = np.stack(columns, axis=2) if columns else np.zeros((len(rest), 3, 0))
    return tuple(handles), jacobian


def _size(heads: dict[str, Floats]) -> float:
    """Return the diagonal of the box around the heads of a face's bones."""
    points = np.array(list(heads.values()))
    return float(np.linalg.norm(points.max(axis=0) - points.min(axis=0))) or 1.0


#: Share of the eye's opening that the upper lid moves when it closes, as in takes, and how often closing is measured.
_UPPER_LID: Final = 0.85
_TRIES: Final = 3


def lid_pairs(links: Sequence[Link]) -> list[tuple[Link, Link]]:
    """Return the links of upper and lower lid for each eye that has both."""
    found = {link.source: link for link in links if link.space == "FACE" and link.channel != "SCALE"}
    names = [(f"lid_upper.{side}", f"lid_lower.{side}") for side in "LR"]
    return [(found[upper], found[lower]) for upper, lower in names if upper in found and lower in found]


def stretched(double: Double, answer: Answer, lids: tuple[Link, Link], up: Floats) -> dict[str, float]:
    """Return by lid bone the factor on its motion, beyond what small motions suggest, with which the lids meet.

    ``up`` is the direction (3,) from the lower to the upper lid.
    """
    bones = [link.bone for link in lids]
    columns = [index for index, handle in enumerate(answer.handles) if handle.bone in bones]
    ends = [place_of(link) for link in lids]
    gap = float((answer.resting(*ends[0]) - answer.resting(*ends[1])) @ up)
    if gap <= 0 or {answer.handles[index].bone for index in columns} != set(bones):
        return {}
    goal = np.array([[-_UPPER_LID * gap * up, (1 - _UPPER_LID) * gap * up]])
    jacobian = answer.jacobian[[answer.place(*end) for end in ends]][:, :, columns]
    whole = [bones.index(answer.handles[index].bone) for index in columns]
    values = solve(jacobian, goal, np.zeros_like(goal), np.tile(np.eye(3), (1, 2, 1, 1)), whole)[0]
    factor = 1.0
    for _ in range(_TRIES):
        shifts = {bone: Vector((0.0, 0.0, 0.0)) for bone in bones}
        for index, value in zip(columns, values, strict=True):
            shifts[answer.handles[index].bone][answer.handles[index].index] = value * factor
        for bone in bones:
            double.put(bone, shift=shifts[bone])
        now = double.measure([end[0] for end in ends])
        upper, lower = (now[bone][point == "TAIL"] for bone, point in ends)
        closed = gap - float((upper - lower) @ up)
        factor *= float(np.clip(gap / closed, 0.5, 2.0)) if closed > 0 else 1.0
    for bone in bones:
        double.put(bone)
    return dict.fromkeys(bones, factor)
