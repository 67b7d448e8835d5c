"""What the animator changed in a layer, told from what was generated, and moved into a layer of its own: offsets.

An edited channel is compared, frame by frame, with what the line generates for it; the difference is what a *Combine*
strip over everything else has to hold. So the channel may be baked anew, and the edit is still there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

import bpy
import numpy as np
from mouthpiece.errors import MouthpieceError
from numpy.typing import NDArray

from ..keys import ledgers, nla
from ..keys.channels import Channel, Part
from ..keys.fcurve_keys import Held, Keys, split_id
from ..keys.plan import Change, Plan, Rescued, curves_by_place, is_edited
from ..targets import find_object, owners_of
from . import layers, rebuild

if TYPE_CHECKING:
    from ..keys.kept_takes import KeptLine

Array = NDArray[np.float64]
#: The layer edits go to.
LAYER: Final = "edits"
#: Differences that are rounding: motion is kept in steps of a hundred-thousandth.
_ROUNDING: Final = 2e-4
#: How far the straight keys of an edit may be from it.
FINE: Final = 1e-4


def ranges_of(owner: bpy.types.ID, sound: str) -> list[tuple[int, int]]:
    """Return the frames on which a line is heard, both ends included, in whatever layer."""
    found = {
        (take.first, take.last)
        for layer in ("", *nla.layers_of(owner))
        for take in ledgers.read(owner, layer).takes
        if take.sound == sound
    }
    return sorted(found)


def is_touched(owner: bpy.types.ID, sound: str) -> bool:
    """Return whether any key a line has in ``owner`` was changed since, added or deleted."""
    for layer in ("", *nla.layers_of(owner)):
        takes = [take for take in ledgers.read(owner, layer).takes if take.sound == sound]
        curves = curves_by_place(owner, layer) if takes else {}
        for take in takes:
            for channel, number in take.channels.items():
                curve = curves.get(split_id(channel))
                if curve is not None and Held.read(curve).checksum(take.first, take.last) != number:
                    return True
    return False


def rescue(
    found: Rescued, obj: bpy.types.Object, line: KeptLine, within: tuple[int, int] | None = None, shift: int = 0
) -> None:
    """Add the edits of a line of ``obj`` to ``found``; with ``within`` only those on these frames.

    With ``shift`` the line is about to move by so many frames, and its edits with it. Whatever cannot be told from
    what was generated, because that cannot be made again, is not rescued: its keys stay, as they do in one action.
    """
    from mouthpiece.motion.dials import Dials

    try:
        owners = [o for o in owners_of_line(obj, line) if shift or is_touched(o, line.sound)]
        if not owners:
            return
        parts = rebuild.parts_again(obj, line, Dials.of(line.dials), rebuild.is_layered(line))
    except MouthpieceError:
        return
    for owner in owners:
        _rescue(found, [part for part in parts if part.owner == owner], line.sound, within, shift)


def owners_of_line(obj: bpy.types.Object, line: KeptLine) -> list[bpy.types.ID]:
    """Return the data-blocks a line is in."""
    targets = [rebuild.target_again(obj, line, number, []) for number in range(len(line.targets))]
    objects = [(find_object(t.object_name), t.kind) for t in targets if t is not None]
    heads = [o for o, kind in objects if kind == "HEAD"]
    return owners_of([o for o, kind in objects if kind != "HEAD"], heads[0] if heads else None)


def _rescue(found: Rescued, parts: Sequence[Part], sound: str, within: tuple[int, int] | None, shift: int) -> None:
    """Add the edits in one data-block to ``found``."""
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
        edited = [(part.layer, c) for part in parts for c in group if _touched(part, c, sound)]
        held = [before.get((c.data_path, c.index)) for c in group]
        if not edited and not (shift and any(held)):
            continue
        found.channels |= {(owner, layer, channel.id) for layer, channel in edited}
        offsets = _offsets(owner, parts, group, frames, {c.id for _, c in edited})
        neutral = np.array([layers.neutral(owner, c) for c in group])
        offsets[(np.abs(offsets - neutral) < _ROUNDING).all(axis=1)] = neutral
        total = layers.combined(owner, group, offsets, evaluated(held, neutral, frames))
        for channel, curve, column, rest in zip(group, held, total.T, neutral, strict=True):
            _plan_channel(plan, channel, curve, ranges, (frames, column, float(rest)), shift)
    if plan.changes and plan not in found.plans:
        found.plans.append(plan)


def _offsets(
    owner: bpy.types.ID, parts: Sequence[Part], group: Sequence[Channel], frames: NDArray[np.int64], edited: set[str]
) -> Array:
    """Return what the edits of a group add to everything generated, (F, n)."""
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
    assert generated is not None and played is not None  # the group's channels are the parts'
    return layers.offset(owner, group, generated, played)


def _plan_channel(
    plan: Plan, channel: Channel, curve: Any, ranges: Sequence[tuple[int, int]],
    course: tuple[NDArray[np.int64], Array, float], shift: int,
) -> None:  # fmt: skip
    """Plan the keys an edit's channel is to have: what it had elsewhere, and the offsets where the line is."""
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
        # An offset ends where the line does: it is nothing one frame beyond, so that it is not held for ever.
        wide = np.concatenate([[rest], column, [rest]])
        chosen = straight(wide, FINE)
        fresh = Keys.straight(np.arange(first - 1, last + 2)[chosen] + shift, wide[chosen].astype(np.float32))
        if keys is not None:
            keys = keys.only(~keys.within(first - 1 + shift, last + 1 + shift))
        keys = fresh if keys is None else keys.joined(fresh)
    if keys is not None:
        plan.changes[channel.id] = Change(channel.data_path, channel.index, keys, before)


def _channels(parts: Iterable[Part]) -> Iterable[Channel]:
    """Yield the channels of all layers, each once."""
    seen: set[str] = set()
    for part in parts:
        for channel in part.channels:
            if channel.id not in seen and not channel.stepped:
                seen.add(channel.id)
                yield channel


def _touched(part: Part, channel: Channel, sound: str) -> bool:
    """Return whether a layer's keys of a channel are other than they were generated."""
    if channel.id not in {c.id for c in part.channels}:
        return False
    curve = curves_by_place(part.owner, part.layer).get((channel.data_path, channel.index))
    takes = [t for t in ledgers.read(part.owner, part.layer).takes if t.sound == sound and channel.id in t.channels]
    return curve is not None and any(is_edited(Keys.read(curve), channel.id, take) for take in takes)


def evaluated(curves: Sequence[Any], neutral: Array, frames: NDArray[np.int64]) -> Array:
    """Return what curves are at frames, (F, n); where there is none, what changes nothing."""
    columns = [
        np.full(len(frames), rest) if curve is None else np.array([curve.evaluate(int(frame)) for frame in frames])
        for curve, rest in zip(curves, neutral, strict=True)
    ]
    return np.stack(columns, axis=1)


def _cut(ranges: Sequence[tuple[int, int]], within: tuple[int, int] | None) -> list[tuple[int, int]]:
    if within is None:
        return list(ranges)
    cut = [(max(first, within[0]), min(last, within[1])) for first, last in ranges]
    return [(first, last) for first, last in cut if first <= last]
