"""Splits one performance into layers: lips, eyes and head without expression, and a layer that adds expression.

What style and emotion change goes into the expression layer, in the form that Blender's *Combine* needs to give the
whole motion again: a difference, for scales a quotient, for quaternions a rotation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import bpy
import numpy as np
from numpy.typing import NDArray

from ..keys import nla, rna_values
from ..keys.channels import Channel, Part
from ..targets import Driven, Target

if TYPE_CHECKING:
    from mouthpiece.curves import FrameGrid
    from mouthpiece.motion.dials import Dials
    from mouthpiece.motion.listening import Regard
    from mouthpiece.performance import Performance

Array = NDArray[np.float64]
#: Smaller differences are taken for zero.
_TINY: Final = 1e-6


@dataclass(frozen=True, slots=True)
class LayeredTake:
    """A dialled take: as a ``whole``, and for layers also with the motion of its ``words`` alone (else None).

    ``error`` is the largest error its keys may have, as a share of full motion; 0 for a key on every frame. ``regard``
    is where it looks besides, and is added when a target is driven.
    """

    whole: Performance
    words: Performance | None = None
    error: float = 0.0
    regard: Regard | None = None

    @classmethod
    def of(
        cls,
        take: Performance,
        dials: Dials,
        layered: bool,
        error: float = 0.0,
        bends: Sequence[Mapping[str, Any]] | None = None,
    ) -> LayeredTake:
        """Return a take, given as inferred, with ``dials`` applied, its ends bent and its eyes turned.

        ``bends`` are those of the kept line.
        """
        from mouthpiece.motion.dials import apply, dialled
        from mouthpiece.motion.interludes import Bend, bent
        from mouthpiece.motion.listening import PART, Regard
        from mouthpiece.motion.speech import speech_of

        bare = not dials.saved() and not take.style.shape[1] and not take.style_head.any()
        whole = dialled(take, dials).final() if bare else apply(take, dials)
        words = speech_of(take, dials, whole) if layered else None
        given, regard = [], None
        for saved in bends or ():
            with suppress(KeyError, TypeError, ValueError):  # a file that somebody else changed
                if saved.get("part") == PART:
                    regard = Regard.of(saved)
                else:
                    given.append(Bend.of(saved))
        if given:
            alike, whole = words is whole, bent(whole, given)
            words = whole if alike else None if words is None else bent(words, given)
        return cls(whole, words, error, regard)

    def drive(self, target: Target, grid: FrameGrid, again: bool = False) -> Driven:
        """Return what a target plays for this take, split into layers if it has ``words``; ``again``: :func:`split`."""
        driven = target.drive(_seen(self.whole, self.regard, target.strength), grid)
        driven.parts = tuple(replace(part.measured_out(), error=self.error) for part in driven.parts)
        if self.words is None:
            return driven
        words = (
            driven if self.words is self.whole else target.drive(_seen(self.words, self.regard, target.strength), grid)
        )
        driven.parts = tuple(
            layer for one, other in zip(driven.parts, words.parts, strict=True) for layer in split(one, other, again)
        )
        return driven


@lru_cache(maxsize=4)
def _seen(face: Performance, regard: Regard | None, strength: float) -> Performance:
    """Return a face that looks where it should, for a target that multiplies all motion by ``strength``."""
    from mouthpiece.motion.listening import regarded

    return face if regard is None else regarded(face, regard, 1 / max(strength, 0.25))


def split(whole: Part, words: Part, again: bool = False) -> list[Part]:
    """Return the layers that together give ``whole``; ``words`` has the same channels without expression.

    The expression layer gets the channels that differ. When a line is dialled ``again``, it also gets those that have a
    curve there already.
    """
    there = {(f.data_path, f.array_index) for f in nla.fcurves_of(whole.owner, "expression")} if again else set()
    own: dict[str, list[tuple[Channel, Any]]] = {}
    for channel in whole.channels:
        bare = channel.layer != "expression" and not channel.stepped
        own.setdefault(channel.layer, []).append((channel, (words if bare else whole).curves[channel.name]))
    for group in groups(whole.channels):
        if group[0].layer == "expression" or group[0].stepped:
            continue
        lower, upper = (_columns(part, group) for part in (words, whole))
        known = any((channel.data_path, channel.index) in there for channel in group)
        if known or np.abs(upper - lower).max(initial=0.0) > _TINY:
            added = offset(whole.owner, group, lower, upper)
            own.setdefault("expression", []).extend(zip(group, added.T, strict=True))
    return [_part(whole, layer, columns) for layer, columns in own.items()]


def groups(channels: Sequence[Channel]) -> list[list[Channel]]:
    """Return channels in groups that have to be combined as one: the four of a quaternion, all others alone."""
    quaternions: dict[str, list[Channel]] = {}
    found = []
    for channel in channels:
        if channel.data_path.endswith("rotation_quaternion"):
            quaternions.setdefault(channel.data_path, []).append(channel)
        else:
            found.append([channel])
    for four in quaternions.values():
        four.sort(key=lambda channel: channel.index)
        found.append(four)
    return found


def offset(owner: bpy.types.ID, group: Sequence[Channel], lower: Array, upper: Array) -> Array:
    """Return the values a *Combine* strip must have to turn ``lower`` into ``upper``: all (F, n) for one group."""
    if len(group) == 4:
        return _continuous(multiplied(_inverse(lower), upper))
    default = rna_values.default(owner, group[0].data_path, group[0].index)
    if _multiplies(group[0]):
        default = default or 1.0
        safe = np.where(np.abs(lower) < _TINY, 1.0, lower)
        return np.where(np.abs(lower) < _TINY, default, default * upper / safe)
    return default + (upper - lower)


def combined(owner: bpy.types.ID, group: Sequence[Channel], lower: Array, strip: Array) -> Array:
    """Return the result of ``lower`` under a *Combine* strip of full influence: all (F, n) for one group."""
    if len(group) == 4:
        return multiplied(lower, strip)
    default = rna_values.default(owner, group[0].data_path, group[0].index)
    if _multiplies(group[0]):
        return lower * strip / (default or 1.0)
    return lower + (strip - default)


def neutral(owner: bpy.types.ID, channel: Channel) -> float:
    """Return the value with which a *Combine* strip changes nothing."""
    return rna_values.default(owner, channel.data_path, channel.index)


def multiplied(one: Array, other: Array) -> Array:
    """Return the products of quaternions, (F, 4) with w first."""
    w, x, y, z = one.T
    a, b, c, d = other.T
    return np.stack(
        [
            w * a - x * b - y * c - z * d,
            w * b + x * a + y * d - z * c,
            w * c - x * d + y * a + z * b,
            w * d + x * c - y * b + z * a,
        ],
        axis=1,
    )


def _inverse(turns: Array) -> Array:
    """Return the inverses of quaternions (F, 4)."""
    return turns * (1.0, -1.0, -1.0, -1.0) / (turns**2).sum(axis=1, keepdims=True)


def _continuous(turns: Array) -> Array:
    """Return quaternions with the sign that makes w positive: of both signs, the one nearer to no rotation."""
    return np.where(turns[:, :1] < 0, -turns, turns)


def _multiplies(channel: Channel) -> bool:
    """Return whether a *Combine* strip multiplies a channel instead of adding to it."""
    return channel.data_path.endswith("scale")


def _columns(part: Part, group: Sequence[Channel]) -> Array:
    """Return the values of a group's n channels, (F, n)."""
    return np.stack([part.curves[channel.name] for channel in group], axis=1).astype(np.float64)


def _part(whole: Part, layer: str, columns: Sequence[tuple[Channel, Any]]) -> Part:
    """Return the part of one layer with its channels and their values."""
    from mouthpiece.curves import Curves

    names = tuple(channel.name for channel, _ in columns)
    table = np.stack([column for _, column in columns], axis=1).astype(np.float32)
    curves = Curves(names, whole.curves.frames, table)
    # The errors of a layer and of the expression layer add up, so each may have half of it.
    return Part(whole.owner, tuple(c for c, _ in columns), curves, layer, whole.error / 2)


def by_place(parts: Sequence[Part]) -> Mapping[tuple[bpy.types.ID, str], Part]:
    """Return parts by data-block and layer, the lowest layer first; parts of one data-block and layer are joined."""
    found: dict[tuple[bpy.types.ID, str], Part] = {}
    for part in parts:
        place = part.owner, part.layer
        if part.channels:
            found[place] = found[place].joined(part) if place in found else part
    order = ["", *nla.NAMES]
    return dict(sorted(found.items(), key=lambda item: order.index(item[0][1])))
