"""Writes the drawings of a line into a Grease Pencil, layer by layer with a ledger, and removes them again."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import bpy
from mouthpiece.errors import RigError
from mouthpiece.phrases import counted

from ...keys import notes
from ...keys.channels import Line, Written
from .. import find_object
from . import frames, layer_plan, ledgers, planes
from . import settings as drawing_settings
from .drawings import Show


@dataclass(slots=True)
class FaceDrawings:
    """The drawings that a performance gives on a drawn face (see ``addon.keys.drawings``).

    ``warp_own`` is whether the user's drawings within a line are warped too, and edited ones made again.
    """

    owner: bpy.types.ID
    object_name: str
    show: Show
    warp_own: bool
    warnings: list[str] = field(default_factory=list)

    def check(self) -> None:
        """Raise RigError if the Grease Pencil may not be drawn into, or no layer of it would move."""
        reason = not_drawable(find_object(self.object_name)) or ledgers.objection(self.owner)
        if reason:
            raise RigError(reason)

    def room(self, first: int, last: int) -> tuple[int, int] | None:
        """Return the frames that may be drawn on without touching drawings of the user's: none if some are within."""
        ledger, own, later = ledger_of(self.owner), set[int](), False
        for layer, _ in drawing_settings.parts_of(find_object(self.object_name)):
            sources = layer_plan.Sources(layer, ledger)
            own |= set(sources.between(first + 1, last))
            # The face that all drawings are made of may step back by a frame, as it does for a line.
            later |= first in sources.own and first != min(sources.places)
        return None if own or first + later > last else (first + later, last)

    def write(self, line: Line, undo: ExitStack) -> Written:
        """Replace the drawings that ``line`` had; ``undo`` gets callbacks that revert it."""
        obj = find_object(self.object_name)
        ledger = ledger_of(self.owner)
        undo.callback(ledgers.restore, self.owner, notes.value_of(self.owner, ledgers.PROPERTY))
        written = Written()
        plans = self._plans(obj, ledger, line, written)
        drawn = ledgers.DrawnLine(line.sound, line.first, line.last)
        before = ledger.line(line.sound)
        names = {plan.layer.name for plan in plans}
        if before is not None:  # remove the drawings on layers that are left out now
            plans += _removal_plans(self.owner, ledger, before, names, self.warp_own)
        for plan in plans:
            rows = layer_plan.carry_out(plan, undo)
            _note_layer(ledger, plan, drawn, rows)
            written.channels += bool(rows)
            written.keys += len(rows)
        for name, had in before.layers.items() if before is not None else ():
            if name not in {plan.layer.name for plan in plans}:  # locked
                drawn.layers[name] = had
        ledger.lines = [other for other in ledger.lines if other.sound != line.sound] + [drawn]
        _resume_own(self.owner, ledger, undo)
        ledgers.write(self.owner, ledger)
        written.warnings += _remarks(plans, self.warp_own)
        self.owner.update_tag()
        return written

    def _plans(
        self, obj: bpy.types.Object, ledger: ledgers.DrawingLedger, line: Line, written: Written
    ) -> list[layer_plan.LayerPlan]:
        """Return the plan of each layer that is not locked; locked ones are noted in ``written``."""
        plans = []
        for layer, part in drawing_settings.parts_of(obj):
            if is_locked(layer):
                written.kept[layer.name] = "locked"
                continue
            span = (line.first, line.last)
            plans.append(layer_plan.plan(layer, obj, part, self.show, ledger, line.sound, span, self.warp_own))
        return plans


def ledger_of(owner: Any) -> ledgers.DrawingLedger:
    """Return the ledger of a Grease Pencil; layers that were renamed since are found by their drawings."""
    ledger = ledgers.read(owner)
    names = ledger.layer_names()
    unknown = [layer for layer in owner.layers if layer.name not in names]
    for name in names - {layer.name for layer in owner.layers}:
        rows = ledger.frames(name)
        for layer in unknown:
            present = frames.table(layer)
            same = sum(f in present and frames.checksum(present[f].drawing) == crc for f, crc in rows.items())
            if rows and 2 * same > len(rows):
                ledger.rename(name, layer.name)
                unknown.remove(layer)
                break
    return ledger


def not_drawable(obj: bpy.types.Object) -> str:
    """Return why no frames may be added to a drawing; empty if they may."""
    reason = linked(obj.data)
    if reason:
        return reason
    layers = list(drawing_settings.parts_of(obj))
    if not layers:
        return f"Every layer of '{obj.name}' is left out. Give at least one of them a part in the face."
    if all(is_locked(layer) for layer, _ in layers):
        return f"Every layer of '{obj.name}' that has a part in the face is locked. Unlock those that may be drawn on."
    if not any(planes.has_points(drawing) for layer, _ in layers for drawing in drawings_of(layer)):
        return f"'{obj.name}' has no strokes on the layers of its face. Draw the face first."
    return ""


def linked(data: Any) -> str:
    """Return why a Grease Pencil may not be changed; empty if it may. Library overrides lose new drawings on saving."""
    if data.library is None and data.override_library is None:
        return ""
    return (
        f"The Grease Pencil '{data.name}' is linked: Blender keeps no new drawings in it. Make it local "
        "(Object > Relations > Make Local > Selected Objects and Data)."
    )


def drawings_of(layer: Any) -> Iterator[Any]:
    """Yield all drawings of a layer."""
    return (drawing for drawing in (frame.drawing for frame in layer.frames) if drawing is not None)


def is_locked(layer: Any) -> bool:
    """Return whether a layer, or a group it is in, is locked."""
    item = layer
    while item is not None:
        if item.lock:
            return True
        item = item.parent_group
    return False


def _removal_plans(
    owner: Any, ledger: ledgers.DrawingLedger, drawn: ledgers.DrawnLine, written: set[str], warp_own: bool
) -> list[layer_plan.LayerPlan]:
    """Return plans that remove the drawings a line has on layers that are not written now."""
    found = []
    for name in drawn.layers.keys() - written:
        layer = owner.layers.get(name)
        if layer is not None and not is_locked(layer):
            found.append(layer_plan.plan_off(layer, ledger, {drawn.sound}, warp_own))
    return found


def _note_layer(
    ledger: ledgers.DrawingLedger, plan: layer_plan.LayerPlan, drawn: ledgers.DrawnLine, rows: dict[int, int]
) -> None:
    """Update a ledger after a plan was carried out on a layer; edited frames keep their old checksums.

    ``drawn`` is the line written, ``rows`` the checksums of its new drawings by frame.
    """
    name = plan.layer.name
    present = frames.table(plan.layer) if plan.carried else {}
    for other in ledger.lines:
        had = other.layers.get(name)
        if had is None:
            continue
        for frame, begun in plan.carried.items():
            if begun in had and frame in present:
                had[frame] = frames.checksum(present[frame].drawing)
        edited = {f: crc for f, crc in had.items() if f in plan.edited}
        other.layers[name] = {f: crc for f, crc in had.items() if f not in plan.remove and f not in plan.edited}
        if other.sound == drawn.sound:
            drawn.layers[name] = edited
        else:
            other.layers[name] |= edited
    drawn.layers[name] = drawn.layers.get(name, {}) | rows
    ledger.ends[name] = {end: crc for end, crc in plan.sources.ends.items() if end not in plan.remove}
    ledger.aside[name] = {k: v for k, v in ledger.aside.get(name, {}).items() if k not in plan.back} | plan.aside


def _resume_own(owner: Any, ledger: ledgers.DrawingLedger, undo: ExitStack) -> None:
    """After the last frame of each line, show the user's own drawing again."""
    for name in ledger.layer_names():
        layer = owner.layers.get(name)
        if layer is None:
            continue
        ends = {drawn.last + 1 for drawn in ledger.lines if drawn.layers.get(name)}
        missing = [frame for frame in sorted(ends) if not frames.begins(layer, frame)]
        if not missing:
            continue
        sources = layer_plan.Sources(layer, ledger)
        for frame in missing:
            source = sources.at(frame)
            if source is None:
                continue
            place = sources.places[source]
            made = frames.repeat(layer, place, frame, frames.kind_of(layer, place))
            undo.callback(layer.frames.remove, frame)
            ledger.ends.setdefault(name, {})[frame] = frames.checksum(made.drawing)


def _remarks(plans: list[layer_plan.LayerPlan], warp_own: bool) -> list[str]:
    """Return remarks on drawings of the user's that stay, were moved, or were edited."""
    own = {plan.layer.name: plan.own for plan in plans if plan.own}
    edited = {plan.layer.name: sorted(plan.edited) for plan in plans if plan.edited}
    earlier = {p.layer.name: [k for k, place in p.aside.items() if place == k - 1] for p in plans}
    aside = {p.layer.name: [k for k, place in p.aside.items() if place != k - 1] for p in plans}
    earlier, aside = ({name: rows for name, rows in found.items() if rows} for found in (earlier, aside))
    remarks = []
    if own:
        remarks.append(
            f"Drawings of yours stay as they are: {_places(own)}. Choose My Drawings: Warp to have them speak."
        )
    if earlier:
        frames_of = sorted({k for rows in earlier.values() for k in rows})
        remarks.append(
            f"Your drawing on frame {', '.join(map(str, frames_of))} lies one frame earlier until the take is removed: "
            f"{counted(len(earlier), 'layer')}."
        )
    if edited:
        remarks.append(f"Drawings of the take that you changed stay: {_places(edited)}.")
    if aside:
        remarks.append(f"Drawings of yours were laid aside until the take is removed: {_places(aside)}.")
    return remarks


def erase_lines(owner: Any, sounds: Collection[str], warp_own: bool, undo: ExitStack) -> Written:
    """Remove some lines from a Grease Pencil, but not from locked layers.

    Drawings of them that were edited stay, and are the user's own.
    """
    ledger = ledger_of(owner)
    undo.callback(ledgers.restore, owner, notes.value_of(owner, ledgers.PROPERTY))
    written, locked = Written(), set[str]()
    for name in sorted(ledger.layer_names()):
        layer = owner.layers.get(name)
        if layer is None:
            continue
        if is_locked(layer):
            locked.add(name)
            continue
        plan = layer_plan.plan_off(layer, ledger, set(sounds), warp_own)
        layer_plan.carry_out(plan, undo)
        written.keys += len(plan.remove - plan.sources.ends.keys())
        ledger.ends[name] = {}
        stashed = ledger.aside.get(name, {})
        ledger.aside[name] = {frame: place for frame, place in stashed.items() if frame not in plan.back}
    for line in ledger.lines:
        if line.sound in sounds:
            line.layers = {name: rows for name, rows in line.layers.items() if name in locked and rows}
    ledger.lines = [line for line in ledger.lines if line.sound not in sounds or line.layers]
    _resume_own(owner, ledger, undo)
    ledgers.write(owner, ledger)
    owner.update_tag()
    return written


def _places(rows: dict[str, list[int]]) -> str:
    """Return layer names and frame numbers as text."""
    parts = []
    for name, numbers in rows.items():
        shown = ", ".join(map(str, numbers[:6])) + (f" and {len(numbers) - 6} more" if len(numbers) > 6 else "")
        parts.append(f"'{name}' on {shown}")
    return "; ".join(parts)


def erase(owner: Any, warp_own: bool, undo: ExitStack) -> Written:
    """Remove every line from a Grease Pencil and move the user's drawings back; edited drawings stay.

    ``undo`` gets callbacks that revert it.
    """
    reason = linked(owner) or ledgers.objection(owner)
    if reason:
        raise RigError(reason)
    ledger = ledger_of(owner)
    undo.callback(ledgers.restore, owner, notes.value_of(owner, ledgers.PROPERTY))
    written, left = Written(), ledgers.DrawingLedger()
    for name in sorted(ledger.layer_names()):
        layer = owner.layers.get(name)
        if layer is None:
            continue
        plan = layer_plan.plan_off(layer, ledger, {drawn.sound for drawn in ledger.lines}, warp_own)
        layer_plan.carry_out(plan, undo)
        written.channels += 1
        written.keys += len(plan.remove)
        if plan.edited:
            written.kept[name] = "edited since it was drawn"
        stuck = {k: place for k, place in ledger.aside.get(name, {}).items() if k not in plan.back}
        if stuck:
            left.aside[name] = stuck
            where = _places({name: list(stuck)})
            written.warnings.append(
                f"Drawings of yours are still laid aside, {where}: drawings you changed are in their place. Delete "
                "those, and remove the take again."
            )
    ledgers.write(owner, left)
    owner.update_tag()
    return written
