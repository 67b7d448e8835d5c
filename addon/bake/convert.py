"""Converts the keys of all lines of a character between one action and layers, with the user's edits.

Among layers, edits are a layer of their own. In one action they are part of the keys, which then count as edited.
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
from . import edits, interlude_keys, interludes, layers, rebuild, redial
from .claims import alone

if TYPE_CHECKING:
    from mouthpiece.performance import Performance


def has_other_lines(owners: Sequence[bpy.types.ID], layered: bool) -> bool:
    """Return whether any of these data-blocks has lines in one action (if ``layered``), or in layers (if not)."""
    return any(
        ledgers.read(owner, layer).lines
        for owner in owners
        for layer in ([""] if layered else nla.layers_of(owner))
    )  # fmt: skip


def convert(obj: bpy.types.Object, layered: bool) -> Written:
    """Convert every line of a character to layers, or to one action, and return what was written.

    Raises RigError or TakeError, with nothing changed, if a line's take or its object is gone.
    """
    with alone(obj):
        with ExitStack() as undo:
            total, tidy = turn(obj, layered, undo)
            undo.pop_all()
        tidy()
    return total


def turn(obj: bpy.types.Object, layered: bool, undo: ExitStack) -> tuple[Written, Callable[[], None]]:
    """Convert as :func:`convert` does, and add callbacks that revert it to ``undo``.

    The function returned with the result removes actions and tracks that are empty then. That cannot be reverted: call
    it when everything has succeeded.
    """
    rebuild.note_bones(obj, redial.dialled_lines(obj), undo)
    lines = _in_order(redial.dialled_lines(obj), layered)
    owners = list(dict.fromkeys(owner for line in lines for owner in edits.owners_of_line(obj, line)))
    _check(obj, owners, lines, layered)
    moved = [(line, kept_takes.motion(line), _parts(obj, line, layered)) for line in lines]
    total, found = Written(), Rescued()
    for line in lines:
        edits.rescue(found, obj, line)
    interludes.rescue(found, obj, lines)
    name = f"Mouthpiece {obj.name}"
    if not layered:
        writer.carry_out(found.plans, name, undo)
    offsets = {} if layered else _offsets([(line.sound, parts) for line, _, parts in moved])
    made = [owner for owner in owners if any(ledgers.read(owner, layer).made_data for layer in nla.keyed_layers(owner))]
    old = _remove_keys(owners, found, undo)
    for line, take, parts in moved:
        total.add(_write(line, take, parts, name, undo))
    redial.renew(obj, undo, interlude_keys.How(anew=True))
    if layered:
        writer.carry_out(found.plans, name, undo)
    elif any(curves_by_place(owner, edits.LAYER) for owner in owners):
        for place, values in _offsets(interludes.parts_now(obj, redial.dialled_lines(obj))).items():
            offsets[place] = offsets.get(place, {}) | values
    _add_offsets(offsets, undo)
    _note_made_data(made, undo)
    return total, partial(_tidy, [] if layered else owners, old)


def _tidy(layered: Sequence[bpy.types.ID], old: Sequence[Plan]) -> None:
    """Remove the edits layer of each data-block in ``layered``, and the actions and tracks of the ``old`` keys."""
    for owner in layered:
        nla.drop(owner, edits.LAYER)
    for item in old:
        writer.tidy(item)


def _check(
    obj: bpy.types.Object, owners: Sequence[bpy.types.ID], lines: Sequence[kept_takes.KeptLine], layered: bool
) -> None:
    """Raise RigError if there is no line to convert, or one whose take is not kept."""
    if not lines:
        raise RigError(f"'{obj.name}' has no line whose keys could be moved. Animate it first.")
    kept = {line.sound for line in lines}
    old = [
        ledgers.read(owner, layer)
        for owner in owners
        for layer in nla.keyed_layers(owner)
        if bool(layer) != layered
    ]  # fmt: skip
    noted = (one.sound for ledger in old for one in ledger.lines)
    if any(sound not in kept and not interludes.is_one(sound) for sound in noted):
        where = "layers" if layered else "one action"
        raise RigError(
            f"'{obj.name}' has a take whose motion was not kept, which cannot be turned into {where}. "
            "Remove the take first, or leave Keys & Layers as it is."
        )


def _in_order(lines: Sequence[kept_takes.KeptLine], layered: bool) -> list[kept_takes.KeptLine]:
    """Return the lines to convert in the order they were baked: where lines overlap, the last one counts."""
    turned = [line for line in lines if rebuild.is_keyed(line) and rebuild.is_layered(line) != layered]
    rank = {line.sound: number for line in turned for number in _positions(line)}
    return sorted(turned, key=lambda line: rank.get(line.sound, -1))


def _positions(line: kept_takes.KeptLine) -> list[int]:
    """Return the positions of a line in the ledger it is kept with."""
    assert line.home is not None  # kept lines that were read have one
    return [number for number, noted in enumerate(ledgers.ledger_lines(line.home)) if noted.sound == line.sound]


def _parts(obj: bpy.types.Object, line: kept_takes.KeptLine, layered: bool) -> list[Part]:
    """Return the parts of a line with its own dials."""
    from mouthpiece.motion.dials import Dials

    return rebuild.parts_again(obj, line, Dials.of(line.dials), layered)


def _remove_keys(owners: Sequence[bpy.types.ID], found: Rescued, undo: ExitStack) -> list[Plan]:
    """Remove the present keys of all lines, and return the plans by which that was done, for :func:`_tidy`."""
    plans = []
    for owner in owners:
        for layer in nla.keyed_layers(owner):
            channels = frozenset(id for *place, id in found.channels if place == [owner, layer])
            item = plan_removal(owner, bool(layer) and layer != edits.LAYER, layer, channels)
            if item.ledger.lines:
                writer.apply(item, undo)
                plans.append(item)
    return plans


def _write(line: kept_takes.KeptLine, take: Performance, parts: Sequence[Part], name: str, undo: ExitStack) -> Written:
    """Write one line and store its take with it."""
    grid = line.frames()
    written = writer.write([p for p in parts if p.channels], Line(line.sound, grid.first, grid.last), name, undo=undo)
    for part in parts:
        if ledgers.read(part.owner, part.layer).has(line.sound):
            home = ledgers.home(part.owner, part.layer)
            undo.callback(ledgers.restore, home.holder, ledgers.snapshot(home.holder))
            kept_takes.keep(home, replace(line, held={}, home=None), take)
            break
    return written


def _offsets(
    moved: Sequence[tuple[str, Sequence[Part]]],
) -> dict[tuple[bpy.types.ID, str, int], dict[int, float]]:
    """Return the edited values by frame that the edits layer gives a channel of one action.

    They are by data-block, data path and index; ``moved`` holds sounds, each with its parts.
    """
    found: dict[tuple[bpy.types.ID, str, int], dict[int, float]] = {}
    for sound, parts in moved:
        for part in parts:
            curves = curves_by_place(part.owner, edits.LAYER)
            ranges = edits.ranges_of(part.owner, sound)
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


def _add_offsets(offsets: dict[tuple[bpy.types.ID, str, int], dict[int, float]], undo: ExitStack) -> None:
    """Write the edited values of :func:`_offsets` into the keys of one action."""
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


def _note_made_data(made: Sequence[bpy.types.ID], undo: ExitStack) -> None:
    """Note in the new ledgers which data-blocks have animation data that Mouthpiece made."""
    for owner in made:
        for layer in nla.keyed_layers(owner):
            ledger, found = ledgers.read(owner, layer), nla.action_and_slot(owner, layer)
            if ledger.lines and found is not None:
                undo.callback(ledgers.restore, found[0], ledgers.snapshot(found[0]))
                ledger.made_data = True
                ledgers.write(owner, ledger, layer)
