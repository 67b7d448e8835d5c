"""Finds what the animator changed in the keys of a line, and moves it into a layer of its own as offsets.

An edited channel is compared, frame by frame, with what the line generates for it. The difference is what a *Combine*
strip above all others has to add. So the channel can be baked again, and the edit still shows.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import bpy
import numpy as np
from mouthpiece.errors import MouthpieceError
from numpy.typing import NDArray

from ..keys import ledgers, nla
from ..keys.channels import Channel, Part
from ..keys.fcurve_keys import BareKeys, Keys, split_id
from ..keys.plan import Change, Plan, Rescued, curves_by_place, is_edited
from ..targets import find_object, owners_of
from . import layers, rebuild

if TYPE_CHECKING:
    from ..keys.kept_takes import KeptLine

Array = NDArray[np.float64]
#: Name of the layer that holds edits.
LAYER: Final = "edits"
#: Smaller differences are rounding errors: kept takes are stored in steps of a hundred-thousandth.
_ROUNDING: Final = 2e-4
#: Largest error of the linear keys that represent an edit.
FINE: Final = 1e-4


def ranges_of(owner: bpy.types.ID, sound: str) -> list[tuple[int, int]]:
    """Return the frame ranges (both ends included) that a line has in ``owner``, in its active action or any layer."""
    found = {
        (line.first, line.last)
        for layer in nla.keyed_layers(owner)
        for line in ledgers.read(owner, layer).lines
        if line.sound == sound
    }
    return sorted(found)


def is_touched(owner: bpy.types.ID, sound: str) -> bool:
    """Return whether keys that a line has in ``owner`` were changed, added or deleted after it was baked."""
    for layer in nla.keyed_layers(owner):
        lines = [line for line in ledgers.read(owner, layer).lines if line.sound == sound]
        curves = curves_by_place(owner, layer) if lines else {}
        for line in lines:
            for channel, number in line.channels.items():
                curve = curves.get(split_id(channel))
                if curve is not None and BareKeys.read(curve).checksum(line.first, line.last) != number:
                    return True
    return False


def touched_sounds(owner: bpy.types.ID) -> set[str]:
    """Return the sounds of all lines whose keys in ``owner`` were changed after they were baked."""
    found: set[str] = set()
    for layer in nla.keyed_layers(owner):
        lines, known = ledgers.read(owner, layer).lines, dict[str, BareKeys]()
        curves = curves_by_place(owner, layer) if lines else {}
        for line in lines:
            for channel, number in line.channels.items() if line.sound not in found else ():
                curve = curves.get(split_id(channel))
                if curve is None:
                    continue
                if channel not in known:
                    known[channel] = BareKeys.read(curve)
                if known[channel].checksum(line.first, line.last) != number:
                    found.add(line.sound)
                    break
    return found


def rescue(
    found: Rescued, obj: bpy.types.Object, line: KeptLine, within: tuple[int, int] | None = None, shift: int = 0
) -> None:
    """Add the edits of a line of ``obj`` to ``found``; with ``within`` only those on these frames.

    ``shift`` is the number of frames by which the line is about to move: its edits move with it. If the generated
    motion cannot be made again to compare with, nothing is added, and edited keys stay as they do in one action.
    """
    from mouthpiece.motion.dials import Dials

    try:
        owners = [o for o in owners_of_line(obj, line) if shift or is_touched(o, line.sound)]
        if not owners:
            return
        parts = rebuild.parts_again(obj, line, Dials.of(line.dials), rebuild.is_layered(line))
        for dials in {json.dumps(item, sort_keys=True): item for item in line.held.values()}.values():
            held = rebuild.parts_again(obj, line, Dials.of(dials), rebuild.is_layered(line))
            parts = _as_held(parts, held, {channel for channel, item in line.held.items() if item == dials})
    except MouthpieceError:
        return
    for owner in owners:
        rescue_parts(found, [part for part in parts if part.owner == owner], line.sound, within, shift)


def _as_held(parts: Sequence[Part], held: Sequence[Part], channels: set[str]) -> list[Part]:
    """Return ``parts`` with the columns of ``channels``, by id, taken from the parts that were ``held``."""
    from mouthpiece.curves import Curves

    others = {(part.owner, part.layer): part for part in held}
    found = []
    for part in parts:
        other = others.get((part.owner, part.layer))
        names = {
            c.name for c in part.channels if c.id in channels and other is not None and c.name in other.curves.names
        }
        columns = [(other if name in names and other else part).curves[name] for name in part.curves.names]
        found.append(replace(part, curves=Curves(part.curves.names, part.curves.frames, np.stack(columns, axis=1))))
    return found


def owners_of_line(obj: bpy.types.Object, line: KeptLine) -> list[bpy.types.ID]:
    """Return the data-blocks in which a line of ``obj`` may have keys."""
    targets = [rebuild.target_again(obj, line, number, []) for number in range(len(line.targets))]
    objects = [(find_object(t.object_name), t.kind) for t in targets if t is not None]
    heads = [o for o, kind in objects if kind == "HEAD"]
    return owners_of([o for o, kind in objects if kind != "HEAD"], heads[0] if heads else None)


def rescue_parts(
    found: Rescued, parts: Sequence[Part], sound: str, within: tuple[int, int] | None = None, shift: int = 0
) -> None:
    """Add the edits to ``found`` that a line has in one data-block; ``parts`` is all that it generates there."""
    if not parts:
        return
    owner = parts[0].owner
    ranges = _cut(ranges_of(owner, sound), within)
    if not ranges:
        return
    frames = np.concatenate([np.arange(first, last + 1) for first, last in ranges])
    before = curves_by_place(owner, LAYER)
    plan = next((it for it in found.plans if it.owner == owner), Plan(owner, ledgers.read(owner, LAYER), LAYER))
    for group in layers.groups(list(_channels(parts))):
        edited = [(part.layer, c) for part in parts for c in group if _has_edits(part, c, sound)]
        present = [before.get((c.data_path, c.index)) for c in group]
        if not edited and not (shift and any(present)):
            continue
        found.channels |= {(owner, layer, channel.id) for layer, channel in edited}
        offsets = _offsets(owner, parts, group, frames, {c.id for _, c in edited})
        neutral = np.array([layers.neutral(owner, c) for c in group])
        offsets[(np.abs(offsets - neutral) < _ROUNDING).all(axis=1)] = neutral
        total = layers.combined(owner, group, offsets, evaluated(present, neutral, frames))
        for channel, curve, column, rest in zip(group, present, total.T, neutral, strict=True):
            _plan_channel(plan, channel, curve, ranges, (frames, column, float(rest)), shift)
    if plan.changes and plan not in found.plans:
        found.plans.append(plan)


def _offsets(
    owner: bpy.types.ID, parts: Sequence[Part], group: Sequence[Channel], frames: NDArray[np.int64], edited: set[str]
) -> Array:
    """Return what the edits of a group of n channels add to the generated motion of all layers, (F, n)."""
    generated: Array | None = None
    played: Array | None = None
    ids = {channel.id for channel in group}
    for part in parts:
        mine = [channel for channel in part.channels if channel.id in ids]
        if not mine:
            continue
        mine.sort(key=lambda channel: channel.index)
        rows = np.searchsorted(part.curves.frames, frames)
        made = np.stack([part.curves[channel.name][rows] for channel in mine], axis=1).astype(np.float64)
        curves = curves_by_place(owner, part.layer)
        now = made.copy()
        for column, channel in enumerate(mine):
            curve = curves.get((channel.data_path, channel.index))
            if channel.id in edited and curve is not None:
                now[:, column] = [curve.evaluate(int(frame)) for frame in frames]
        generated = made if generated is None else layers.combined(owner, group, generated, made)
        played = now if played is None else layers.combined(owner, group, played, now)
    assert generated is not None and played is not None  # each channel of a group is in one of the parts
    return layers.offset(owner, group, generated, played)


def _plan_channel(
    plan: Plan, channel: Channel, curve: Any, ranges: Sequence[tuple[int, int]],
    course: tuple[NDArray[np.int64], Array, float], shift: int,
) -> None:  # fmt: skip
    """Plan the keys of one channel of the edits layer: its present ones, replaced by offsets on ``ranges``.

    ``course`` holds the frames, the offsets on them, and the value with which the strip changes nothing.
    """
    from mouthpiece.key_reduction import straight

    frames, values, rest = course
    before = None if curve is None else Keys.read(curve)
    keys = plan.changes[channel.id].keys if channel.id in plan.changes else before
    for first, last in ranges:
        here = (frames >= first) & (frames <= last)
        column = values[here]
        if keys is not None:
            ends = keys.within(first - 1, last + 1) & (np.abs(keys.arrays["co"][:, 1] - rest) < FINE)
            keys = keys.only(~(keys.within(first, last) | ends))
        if np.abs(column - rest).max(initial=0.0) < FINE:
            continue
        # One frame beyond the line the offset is neutral again: otherwise it would be held for ever.
        wide = np.concatenate([[rest], column, [rest]])
        chosen = straight(wide, FINE)
        fresh = Keys.straight(np.arange(first - 1, last + 2)[chosen] + shift, wide[chosen].astype(np.float32))
        if keys is not None:
            keys = keys.only(~keys.within(first - 1 + shift, last + 1 + shift))
        keys = fresh if keys is None else keys.joined(fresh)
    if keys is not None:
        plan.changes[channel.id] = Change(channel.data_path, channel.index, keys, before)


def _channels(parts: Iterable[Part]) -> Iterable[Channel]:
    """Yield the channels of all parts that are not stepped, each once."""
    seen: set[str] = set()
    for part in parts:
        for channel in part.channels:
            if channel.id not in seen and not channel.stepped:
                seen.add(channel.id)
                yield channel


def _has_edits(part: Part, channel: Channel, sound: str) -> bool:
    """Return whether the keys that a line has on a channel of ``part`` were edited."""
    if channel.id not in {c.id for c in part.channels}:
        return False
    curve = curves_by_place(part.owner, part.layer).get((channel.data_path, channel.index))
    lines = [line for line in ledgers.read(part.owner, part.layer).lines if line.sound == sound]
    noted = [line for line in lines if channel.id in line.channels]
    return curve is not None and any(is_edited(Keys.read(curve), channel.id, line) for line in noted)


def evaluated(curves: Sequence[Any], neutral: Array, frames: NDArray[np.int64]) -> Array:
    """Return the values of n curves at F frames, (F, n); a curve that is None has its ``neutral`` value."""
    columns = [
        np.full(len(frames), rest) if curve is None else np.array([curve.evaluate(int(frame)) for frame in frames])
        for curve, rest in zip(curves, neutral, strict=True)
    ]
    return np.stack(columns, axis=1)


def _cut(ranges: Sequence[tuple[int, int]], within: tuple[int, int] | None) -> list[tuple[int, int]]:
    """Return the ranges cut to the frames ``within``."""
    if within is None:
        return list(ranges)
    cut = [(max(first, within[0]), min(last, within[1])) for first, last in ranges]
    return [(first, last) for first, last in cut if first <= last]
