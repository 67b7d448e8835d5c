"""One action turned into layers and back, for all lines of a character at once; what was edited goes along.

In layers edits are a layer of their own; in one action they are in the keys, which count as edited from then on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import bpy
import numpy as np
from mouthpiece.errors import RigError

from ..keys import kept_takes, ledgers, nla, writer
from ..keys.channels import Line, Part, Written
from ..keys.fcurve_keys import Keys
from ..keys.plan import Plan, Rescued, curves_by_place, plan_removal
from . import edits, layers, rebuild, redial

if TYPE_CHECKING:
    from mouthpiece.performance import Performance


def other_takes(owners: Sequence[bpy.types.ID], layered: bool) -> bool:
    """Return whether any of these data-blocks has takes that are not as they are to be: in layers, or in one action."""
    return any(
        ledgers.read(owner, layer).takes
        for owner in owners
        for layer in ([""] if layered else nla.layers_of(owner))
    )  # fmt: skip


def convert(obj: bpy.types.Object, layered: bool) -> Written:
    """Turn every line of a character into layers, or into one action, and return what was written.

    Raises RigError or TakeError, with nothing changed, if a line's motion or its object is gone.
    """
    with ExitStack() as undo:
        total, tidy = turn(obj, layered, undo)
        undo.pop_all()
    tidy()
    return total


def turn(obj: bpy.types.Object, layered: bool, undo: ExitStack) -> tuple[Written, Callable[[], None]]:
    """Do the same so that ``undo`` can take it back; what is returned removes what is empty then, for good."""
    lines = _in_order(redial.dialled_lines(obj), layered)
    owners = list(dict.fromkeys(owner for line in lines for owner in edits.owners_of_line(obj, line)))
    _check(obj, owners, lines, layered)
    moved = [(line, kept_takes.motion(line), _parts(obj, line, layered)) for line in lines]
    total, found = Written(), Rescued()
    for line in lines:
        edits.rescue(found, obj, line)
    name = f"Mouthpiece {obj.name}"
    if not layered:
        writer.carry_out(found.plans, name, undo)
    offsets = {} if layered else _offsets(moved)
    made = {owner for owner in owners if any(ledgers.read(owner, layer).made_data for layer in nla.sheets(owner))}
    old = _take_off(owners, found, undo)
    for line, take, parts in moved:
        total.add(_write(line, take, parts, name, undo))
    if layered:
        writer.carry_out(found.plans, name, undo)
    _add(offsets, undo)
    _remember_made(made, undo)
    return total, partial(_tidy, [] if layered else owners, old)


def _tidy(layered: Sequence[bpy.types.ID], old: Sequence[Plan]) -> None:
    """Remove what is empty now: the edits of data-blocks that had layers, and what held the old keys."""
    for owner in layered:
        nla.drop(owner, edits.LAYER)
    for item in old:
        writer.tidy(item)


def _check(
    obj: bpy.types.Object, owners: Sequence[bpy.types.ID], lines: Sequence[kept_takes.KeptLine], layered: bool
) -> None:
    """Raise RigError if there is nothing to turn, or a take whose motion is not kept."""
    if not lines:
        raise RigError(f"'{obj.name}' carries no line whose keys could be moved. Animate it first.")
    kept = {line.sound for line in lines}
    sheets = [(owner, layer) for owner in owners for layer in nla.sheets(owner) if bool(layer) != layered]
    if any(take.sound not in kept for place in sheets for take in ledgers.read(*place).takes):
        where = "layers" if layered else "one action"
        raise RigError(
            f"'{obj.name}' carries a take whose motion is not kept, which cannot be turned into {where}. "
            "Remove the take first, or choose as it is under Keys & Layers."
        )


def _in_order(lines: Sequence[kept_takes.KeptLine], layered: bool) -> list[kept_takes.KeptLine]:
    """Return the lines that are to be turned, the one that was baked last at the end: where they meet, it counts."""
    turned = [line for line in lines if rebuild.is_keyed(line) and rebuild.is_layered(line) != layered]
    rank = {line.sound: number for line in turned for number in _ranks(line)}
    return sorted(turned, key=lambda line: rank.get(line.sound, -1))


def _ranks(line: kept_takes.KeptLine) -> list[int]:
    """Return the places of a line among the takes where it is kept."""
    assert line.home is not None  # it was found there
    return [number for number, take in enumerate(ledgers.takes_at(line.home)) if take.sound == line.sound]


def _parts(obj: bpy.types.Object, line: kept_takes.KeptLine, layered: bool) -> list[Part]:
    from mouthpiece.motion.dials import Dials

    return rebuild.parts_again(obj, line, Dials.of(line.dials), layered)


def _take_off(owners: Sequence[bpy.types.ID], found: Rescued, undo: ExitStack) -> list[Plan]:
    """Take the keys off as they are now, and return the plans, to be tidied up after."""
    plans = []
    for owner in owners:
        for layer in nla.sheets(owner):
            channels = frozenset(id for of, where, id in found.channels if (of, where) == (owner, layer))
            item = plan_removal(owner, bool(layer) and layer != edits.LAYER, layer, channels)
            if item.ledger.takes:
                writer.apply(item, undo)
                plans.append(item)
    return plans


def _write(line: kept_takes.KeptLine, take: Performance, parts: Sequence[Part], name: str, undo: ExitStack) -> Written:
    """Write one line and keep its motion with it."""
    grid = line.frames()
    written = writer.write([p for p in parts if p.channels], Line(line.sound, grid.first, grid.last), name, undo=undo)
    for part in parts:
        if any(t.sound == line.sound for t in ledgers.read(part.owner, part.layer).takes):
            home = ledgers.home(part.owner, part.layer)
            undo.callback(ledgers.restore, home.holder, ledgers.snapshot(home.holder))
            kept_takes.keep(home, replace(line, home=None), take)
            break
    return written


def _offsets(
    moved: Sequence[tuple[kept_takes.KeptLine, Performance, Sequence[Part]]],
) -> dict[tuple[bpy.types.ID, str, int], dict[int, float]]:
    """Return the values by frame that channels of one action get from the layer of edits, by place."""
    found: dict[tuple[bpy.types.ID, str, int], dict[int, float]] = {}
    for line, _, parts in moved:
        for part in parts:
            curves = curves_by_place(part.owner, edits.LAYER)
            ranges = edits.ranges_of(part.owner, line.sound)
            if not curves or not ranges:
                continue
            frames = np.concatenate([np.arange(first, last + 1) for first, last in ranges])
            rows = np.searchsorted(part.curves.frames, frames)
            for group in layers.groups(part.channels):
                held = [curves.get((c.data_path, c.index)) for c in group]
                if not any(held):
                    continue
                neutral = np.array([layers.neutral(part.owner, c) for c in group])
                added = edits.evaluated(held, neutral, frames)
                whole = np.stack([part.curves[c.name][rows] for c in group], axis=1).astype(np.float64)
                changed = (np.abs(added - neutral) > edits.FINE).any(axis=1)
                total = layers.combined(part.owner, group, whole, added)
                for channel, column in zip(group, total.T, strict=True):
                    place = found.setdefault((part.owner, channel.data_path, channel.index), {})
                    place |= dict(zip(frames[changed].tolist(), column[changed].tolist(), strict=True))
    return {place: values for place, values in found.items() if values}


def _add(offsets: dict[tuple[bpy.types.ID, str, int], dict[int, float]], undo: ExitStack) -> None:
    """Put edited values into the keys of one action."""
    for (owner, path, index), values in offsets.items():
        curve = curves_by_place(owner).get((path, index))
        if curve is None:
            continue
        before = Keys.read(curve)
        frames = np.array(sorted(values), np.int64)
        fresh = Keys.straight(frames, np.array([values[frame] for frame in frames.tolist()], np.float32))
        hit = np.isin(np.rint(before.arrays["co"][:, 0]).astype(np.int64), frames)
        undo.callback(before.put, curve)
        before.only(~hit).joined(fresh).put(curve)


def _remember_made(made: set[bpy.types.ID], undo: ExitStack) -> None:
    """Note again whose animation data Mouthpiece made."""
    for owner in made:
        for layer in nla.sheets(owner):
            ledger, found = ledgers.read(owner, layer), nla.place(owner, layer)
            if ledger.takes and found is not None:
                undo.callback(ledgers.restore, found[0], ledgers.snapshot(found[0]))
                ledger.made_data = True
                ledgers.write(owner, ledger, layer)
