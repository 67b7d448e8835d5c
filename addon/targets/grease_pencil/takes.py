"""Takes in a Grease Pencil: written layer by layer with a ledger, taken off again, all of it or nothing."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import bpy
from mouthpiece.errors import RigError

from ...keys.channels import Line, Written
from .. import find_object
from . import frames, layer_plan, ledgers, planes
from . import settings as drawing_settings
from .drawings import Show


@dataclass(slots=True)
class Drawings:
    """What a performance makes of a drawn face: one of the ``Drawings`` of ``targets``."""

    owner: bpy.types.ID
    object_name: str
    show: Show
    warp_own: bool
    warnings: list[str] = field(default_factory=list)

    def check(self) -> None:
        """Raise RigError if the Grease Pencil may not be drawn into, or nothing in it would move."""
        reason = not_drawable(find_object(self.object_name))
        if reason:
            raise RigError(reason)

    def write(self, line: Line, undo: ExitStack) -> Written:
        """Draw the take in place of what the line had."""
        obj = find_object(self.object_name)
        noted = noted_in(self.owner)
        undo.callback(ledgers.restore, self.owner, self.owner.get(ledgers.PROPERTY))
        written = Written()
        plans = self._plans(obj, noted, line, written)
        take = ledgers.Drawn(line.sound, line.first, line.last)
        before = noted.take(line.sound)
        names = {plan.layer.name for plan in plans}
        if before is not None:  # layers that are left out now lose what they had
            plans += _retired(self.owner, noted, before, names, self.warp_own)
        for plan in plans:
            rows = layer_plan.carry_out(plan, undo)
            _note(noted, plan, take, rows)
            written.channels += bool(rows)
            written.keys += len(rows)
        for name, had in before.layers.items() if before is not None else ():
            if name not in {plan.layer.name for plan in plans}:  # locked
                take.layers[name] = had
        noted.takes = [t for t in noted.takes if t.sound != line.sound] + [take]
        _resume(self.owner, noted, undo)
        ledgers.write(self.owner, noted)
        written.warnings += _remarks(plans, self.warp_own)
        self.owner.update_tag()
        return written

    def _plans(
        self, obj: bpy.types.Object, noted: ledgers.Ledger, line: Line, written: Written
    ) -> list[layer_plan.LayerPlan]:
        plans = []
        for layer, part in drawing_settings.parts_of(obj):
            if is_locked(layer):
                written.kept[layer.name] = "locked"
                continue
            span = (line.first, line.last)
            plans.append(layer_plan.plan(layer, obj, part, self.show, noted, line.sound, span, self.warp_own))
        return plans


def noted_in(owner: Any) -> ledgers.Ledger:
    """Return the ledger of a Grease Pencil; layers renamed since are known by the drawings on them."""
    noted = ledgers.read(owner)
    names = noted.layer_names()
    strangers = [layer for layer in owner.layers if layer.name not in names]
    for name in names - {layer.name for layer in owner.layers}:
        rows = noted.frames(name)
        for layer in strangers:
            held = frames.table(layer)
            same = sum(f in held and frames.checksum(held[f].drawing) == crc for f, crc in rows.items())
            if rows and 2 * same > len(rows):
                noted.rename(name, layer.name)
                strangers.remove(layer)
                break
    return noted


def not_drawable(obj: bpy.types.Object) -> str:
    """Return why a drawing may not get frames; empty if it may."""
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
    """Return why a Grease Pencil may not be changed at all; empty if it may. Overrides lose new drawings on saving."""
    if data.library is None and data.override_library is None:
        return ""
    return (
        f"The Grease Pencil '{data.name}' is linked: Blender keeps no new drawings in it. Make it local "
        "(Object > Relations > Make Local > Selected Objects and Data)."
    )


def drawings_of(layer: Any) -> list[Any]:
    """Return the drawings of a layer."""
    return [frame.drawing for frame in layer.frames if frame.drawing is not None]


def is_locked(layer: Any) -> bool:
    """Return whether a layer, or a group it is in, is locked."""
    held = layer
    while held is not None:
        if held.lock:
            return True
        held = held.parent_group
    return False


def _retired(
    owner: Any, noted: ledgers.Ledger, take: ledgers.Drawn, written: set[str], warp_own: bool
) -> list[layer_plan.LayerPlan]:
    """Return plans that only take off what a take had on layers it is no longer drawn on."""
    found = []
    for name in take.layers.keys() - written:
        layer = owner.layers.get(name)
        if layer is not None and not is_locked(layer):
            found.append(layer_plan.plan_off(layer, noted, {take.sound}, warp_own))
    return found


def _note(noted: ledgers.Ledger, plan: layer_plan.LayerPlan, take: ledgers.Drawn, rows: dict[int, int]) -> None:
    """Bring a ledger up to date with what was done on a layer; edited frames stay on it as they were noted."""
    name = plan.layer.name
    held = frames.table(plan.layer)
    for other in noted.takes:
        had = other.layers.get(name)
        if had is None:
            continue
        for frame, begun in plan.carried.items():
            if begun in had and frame in held:
                had[frame] = frames.checksum(held[frame].drawing)
        edited = {f: crc for f, crc in had.items() if f in plan.edited}
        other.layers[name] = {f: crc for f, crc in had.items() if f not in plan.remove and f not in plan.edited}
        if other.sound == take.sound:
            take.layers[name] = edited
        else:
            other.layers[name] |= edited
    take.layers[name] = take.layers.get(name, {}) | rows
    noted.ends[name] = {}
    noted.aside[name] = {k: v for k, v in noted.aside.get(name, {}).items() if k not in plan.back} | plan.aside


def _resume(owner: Any, noted: ledgers.Ledger, undo: ExitStack) -> None:
    """Have the user's own drawing go on where each take ends."""
    for name in noted.layer_names():
        layer = owner.layers.get(name)
        if layer is None:
            continue
        for take in noted.takes:
            frame = take.last + 1
            sources = layer_plan.Sources(layer, noted)
            source = sources.at(frame)
            if not take.layers.get(name) or frame in frames.table(layer) or source is None:
                continue
            place = sources.places[source]
            frames.again(layer, place, frame, frames.table(layer)[place].keyframe_type)
            undo.callback(layer.frames.remove, frame)
            noted.ends.setdefault(name, {})[frame] = frames.checksum(frames.table(layer)[frame].drawing)


def _remarks(plans: list[layer_plan.LayerPlan], warp_own: bool) -> list[str]:
    """Return what the user should know of drawings of theirs."""
    own = {plan.layer.name: plan.own for plan in plans if plan.own}
    edited = {plan.layer.name: sorted(plan.edited) for plan in plans if plan.edited}
    earlier = {p.layer.name: [k for k, place in p.aside.items() if place == k - 1] for p in plans}
    aside = {p.layer.name: [k for k, place in p.aside.items() if place != k - 1] for p in plans}
    earlier, aside = ({name: rows for name, rows in found.items() if rows} for found in (earlier, aside))
    said = []
    if own:
        said.append(f"Drawings of yours stay as they are: {_places(own)}. Choose My Drawings: Warp to have them speak.")
    if earlier:
        frames_of = sorted({k for rows in earlier.values() for k in rows})
        said.append(
            f"Your drawing on frame {', '.join(map(str, frames_of))} lies one frame earlier until the take is removed: "
            f"{len(earlier)} layers."
        )
    if edited:
        said.append(f"Drawings of the take that you changed stay: {_places(edited)}.")
    if aside:
        said.append(f"Drawings of yours were laid aside until the take is removed: {_places(aside)}.")
    return said


def _places(rows: dict[str, list[int]]) -> str:
    parts = []
    for name, numbers in rows.items():
        shown = ", ".join(map(str, numbers[:6])) + (f" and {len(numbers) - 6} more" if len(numbers) > 6 else "")
        parts.append(f"'{name}' on {shown}")
    return "; ".join(parts)


def erase(owner: Any, warp_own: bool, undo: ExitStack) -> Written:
    """Take every take off a Grease Pencil: the user's drawings are as they were; changed ones of the take stay."""
    reason = linked(owner)
    if reason:
        raise RigError(reason)
    noted = noted_in(owner)
    undo.callback(ledgers.restore, owner, owner.get(ledgers.PROPERTY))
    written, left = Written(), ledgers.Ledger()
    for name in sorted(noted.layer_names()):
        layer = owner.layers.get(name)
        if layer is None:
            continue
        plan = layer_plan.plan_off(layer, noted, {take.sound for take in noted.takes}, warp_own)
        layer_plan.carry_out(plan, undo)
        written.channels += 1
        written.keys += len(plan.remove)
        if plan.edited:
            written.kept[name] = "edited since it was drawn"
        stuck = {k: place for k, place in noted.aside.get(name, {}).items() if k not in plan.back}
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
