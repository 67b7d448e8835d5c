"""Lids that meet: an eye shuts on the rig when it shuts in the take, however its lids are made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
from mathutils import Vector
from mouthpiece.retarget.bone_response import solve
from numpy.typing import NDArray

from .bone_answer import Answer, place_of

if TYPE_CHECKING:
    from mouthpiece.retarget.bone_profiles import Link

    from .bone_probe import Double

Floats = NDArray[np.float64]

#: Share of the way the upper lid goes when the eye shuts, as takes have it, and how often the meeting is tried.
_UPPER_LID: Final = 0.85
_TRIES: Final = 3


def lid_pairs(links: Sequence[Link]) -> list[tuple[Link, Link]]:
    """Return the upper and lower lids that shut an eye together."""
    found = {link.source: link for link in links if link.space == "FACE" and link.channel != "SCALE"}
    names = [(f"lid_upper.{side}", f"lid_lower.{side}") for side in "LR"]
    return [(found[upper], found[lower]) for upper, lower in names if upper in found and lower in found]


def stretched(double: Double, answer: Answer, lids: tuple[Link, Link], up: Floats) -> dict[str, float]:
    """Return by how much a pair of lids must be moved more than small motions tell, to meet."""
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
