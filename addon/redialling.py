"""Dialling lines again: new values for keys that are there, from motion kept in the scene. No network, no sound.

Frames and channels stay as they were baked; keys of the user's own, and keys changed since, stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import bpy
import numpy as np
from numpy.typing import NDArray

from . import compat, store, takes
from .keyframes import SLACK, Keys
from .planning import Part, Written, check_editable
from .targets import find_object
from .targets.head import HeadTarget
from .targets.shape_keys import ShapeKeyTarget

if TYPE_CHECKING:
    from mouthpiece.motion.dials import Dials
    from mouthpiece.performance import Performance

#: Dials that change how a head moves; the others need not touch it.
_HEAD_DIALS: Final = ("head", "style", "smoothing", "offset")
#: What a head target is made of, besides its object.
_HEAD_SETTINGS: Final = ("bone", "strength", "eye_distance")


#: What carries a change out, and what takes it back.
_Step = tuple[Callable[[], None], Callable[[], None]]


@dataclass(slots=True)
class _Changed:
    """What dialling changes in one data-block: how to carry it out, and how to take it back."""

    owner: bpy.types.ID
    ledger: store.Ledger
    steps: list[_Step] = field(default_factory=list)
    written: Written = field(default_factory=Written)


def redial(face: bpy.types.Object, dials: Dials, frame: int | None = None, replace_edited: bool = False) -> Written:
    """Give the lines of a character other dials, and return what was done.

    With ``frame``, only the lines heard at it. Raises RigError or TakeError, with nothing changed, if there is no
    such line, or its keys may not be edited.
    """
    key, chosen = _chosen(face, frame)
    changes: list[_Changed] = []
    for line in chosen:
        changes += _changes(face, key, line, dials, replace_edited)
    with ExitStack() as undo:
        for changed in changes:
            action = changed.owner.animation_data.action
            undo.callback(store.restore, action, store.snapshot(action))
            for do, take_back in changed.steps:
                undo.callback(take_back)
                do()
            store.write(changed.owner, changed.ledger)
            changed.owner.update_tag()
        for line in chosen:
            takes.remember_dials(key, line, dials.saved())
        undo.pop_all()
    total = Written()
    for changed in changes:
        total.keys += changed.written.keys
        total.channels += changed.written.channels
        total.kept |= changed.written.kept
        total.warnings += changed.written.warnings
    return total


def dialled_lines(face: bpy.types.Object | None, frame: int | None = None) -> list[takes.Kept]:
    """Return the lines of a character that can be dialled, or those of them heard at ``frame``."""
    key = face.data.shape_keys if face is not None and face.type == "MESH" else None
    found = takes.lines(key) if key is not None else []
    if frame is None:
        return found
    heard = {t.sound for t in store.read(key).takes if t.first <= frame <= t.last} if found else set()
    return [line for line in found if line.sound in heard]


def _chosen(face: bpy.types.Object, frame: int | None) -> tuple[bpy.types.Key, list[takes.Kept]]:
    from mouthpiece.errors import RigError

    if not dialled_lines(face):
        raise RigError(f"'{face.name}' carries no line that can be dialled. Animate it first.")
    chosen = dialled_lines(face, frame)
    if not chosen:
        raise RigError(f"'{face.name}' speaks no line at frame {frame}. Go to one, or dial all lines.")
    return face.data.shape_keys, chosen


def _changes(
    face: bpy.types.Object, key: bpy.types.Key, line: takes.Kept, dials: Dials, replace: bool
) -> list[_Changed]:
    """Return what dialling one line changes, having changed nothing."""
    from mouthpiece.motion.dials import apply

    seen = apply(takes.motion(key, line), dials)
    driven = ShapeKeyTarget.of(face, line.strength).drive(seen, line.frames())
    changes = [_replanned(driven.part, line.sound, replace)]
    changes[0].written.warnings += driven.warnings
    before = line.dials
    if line.head and any(before.get(name) != dials.saved().get(name) for name in _HEAD_DIALS):
        changes += _head_changes(line, seen, replace, changes[0].written)
    return changes


def _head_changes(line: takes.Kept, seen: Performance, replace: bool, written: Written) -> list[_Changed]:
    from mouthpiece.errors import RigError

    try:
        head = HeadTarget.of(find_object(line.head["object_name"]), **{k: line.head[k] for k in _HEAD_SETTINGS})
        driven = head.drive(seen, line.frames())
    except RigError as error:
        written.warnings.append(f"The head stays as it is: {error}")
        return []
    return [_replanned(driven.part, line.sound, replace)] if driven.part.channels else []


def head_settings(head: Any) -> Mapping[str, Any]:
    """Return what is noted of a head target so that it can be made again; nothing for none."""
    if not isinstance(head, HeadTarget):
        return {}
    return {name: getattr(head, name) for name in ("object_name", *_HEAD_SETTINGS)}


def _replanned(part: Part, sound: str, replace: bool) -> _Changed:
    """Return new values for the keys a line has in one data-block."""
    check_editable(part.owner)
    ledger = store.read(part.owner)
    sums = [dict(take.channels) for take in ledger.takes]
    changed = _Changed(part.owner, ledger)
    curves = {(f.data_path, f.array_index): f for f in compat.fcurves_of(part.owner)}
    for channel in part.channels:
        mine = [k for k, take in enumerate(ledger.takes) if take.sound == sound and channel.id in take.channels]
        fcurve = curves.get((channel.data_path, channel.index))
        if not mine or fcurve is None:
            continue
        fresh = Keys.generated(part.curves.frames, part.curves[channel.name])
        ranges = [(ledger.takes[k].first, ledger.takes[k].last) for k in mine]
        held = _Held.read(fcurve)
        edited = any(held.checksum(*ranges[n]) != sums[k][channel.id] for n, k in enumerate(mine))
        if fcurve.lock or (edited and not replace):
            changed.written.kept[channel.name] = "locked" if fcurve.lock else "edited since it was baked"
            continue
        if edited:
            changed.steps.append(_rewritten(fcurve, fresh, ranges))
        else:
            changed.steps += held.moved(fcurve, fresh, ranges)
        for n, k in enumerate(mine):
            sums[k][channel.id] = fresh.checksum(*ranges[n])
        changed.written.channels += 1
        changed.written.keys += sum(last - first + 1 for first, last in ranges)
    kept = [store.Take(t.sound, t.first, t.last, s) for t, s in zip(ledger.takes, sums, strict=True)]
    changed.ledger = store.Ledger(kept, ledger.before, ledger.made_data)
    return changed


def _rewritten(fcurve: Any, fresh: Keys, ranges: list[tuple[int, int]]) -> _Step:
    """Return how to bake over keys that were edited."""
    before = after = Keys.read(fcurve)
    for first, last in ranges:
        after = after.only(~after.within(first, last)).joined(fresh.only(fresh.within(first, last)))
    return partial(after.put, fcurve), partial(before.put, fcurve)


@dataclass(frozen=True, slots=True)
class _Held:
    """Frames and values (N, 2) and interpolation (N,) of an f-curve's keys: what dialling looks at, and no more."""

    co: NDArray[np.float32]
    interpolation: NDArray[np.int32]

    @classmethod
    def read(cls, fcurve: Any) -> _Held:
        points = fcurve.keyframe_points
        co, interpolation = np.zeros(2 * len(points), np.float32), np.zeros(len(points), np.int32)
        points.foreach_get("co", co)
        points.foreach_get("interpolation", interpolation)
        return cls(co.reshape(-1, 2), interpolation)

    def within(self, first: int, last: int) -> slice:
        """Return which keys lie on those frames."""
        low, high = np.searchsorted(self.co[:, 0], (first - SLACK, last + SLACK))
        return slice(int(low), int(high))

    def checksum(self, first: int, last: int) -> int:
        """Return the checksum of the keys on those frames."""
        mask = self.within(first, last)
        return store.checksum(self.co[mask], self.interpolation[mask])

    def moved(self, fcurve: Any, fresh: Keys, ranges: list[tuple[int, int]]) -> list[_Step]:
        """Return how to give keys on the same frames other values; nothing if they have them."""
        after = self.co.copy()
        for first, last in ranges:
            after[self.within(first, last)] = fresh.arrays["co"][fresh.within(first, last)]
        if np.array_equal(after, self.co):
            return []
        return [(partial(_put_values, fcurve, after), partial(_put_values, fcurve, self.co))]


def _put_values(fcurve: Any, co: NDArray[np.float32]) -> None:
    fcurve.keyframe_points.foreach_set("co", co.ravel())
    fcurve.update()
