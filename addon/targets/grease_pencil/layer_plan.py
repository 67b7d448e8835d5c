"""A take's drawings on one layer: which frames go, which come, and which of the user's own they are made from."""

from __future__ import annotations

import bisect
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from mouthpiece.errors import RigError

from . import drawings, frames, planes
from .ledgers import ASIDE, Ledger

if TYPE_CHECKING:
    from mouthpiece.retarget.drawing.strokes import Part


@dataclass(slots=True)
class LayerPlan:
    """What writing a take changes on a layer.

    ``remove`` are frames of takes that go, ``edited`` those that stay because the user changed them, ``own`` the user's
    frames in the take; ``aside`` are laid aside (where to) and ``back`` come back (where from); ``cells`` are new.
    ``carried`` says on which frame another take's drawing goes on, and which of its frames that is.
    """

    layer: Any
    sources: Sources
    remove: set[int] = field(default_factory=set)
    edited: set[int] = field(default_factory=set)
    own: list[int] = field(default_factory=list)
    aside: dict[int, int] = field(default_factory=dict)
    back: dict[int, int] = field(default_factory=dict)
    cells: list[drawings.Cell] = field(default_factory=list)
    carried: dict[int, int] = field(default_factory=dict)

    def place(self, source: int) -> int:
        """Return on which frame the user's drawing for the frame ``source`` lies once frames are laid aside."""
        if source in self.aside:
            return self.aside[source]
        return source if source in self.back else self.sources.places[source]


class Sources:
    """The user's own drawings on a layer: what is drawn at each frame but for takes."""

    def __init__(self, layer: Any, ledger: Ledger) -> None:
        """Tell them from those of takes by the ledger."""
        name = layer.name
        held = frames.table(layer)
        mine = set(ledger.frames(name))
        stashed = {frame: place for frame, place in ledger.aside.get(name, {}).items() if place in held}
        told = {n for n in held if n not in mine and n not in stashed.values()}
        ends = {n: crc for n, crc in ledger.ends.get(name, {}).items() if n in told}
        #: Frames on which the user's drawing resumes: as long as they show it, they are nobody's own.
        self.ends = {n for n, crc in ends.items() if frames.checksum(held[n].drawing) == crc}
        self.own = sorted(told - self.ends)
        #: Where each lies, by the frame it is drawn for.
        self.places = {number: number for number in self.own} | stashed
        self.stashed = stashed
        self._times = sorted(self.places)

    def at(self, frame: int) -> int | None:
        """Return the frame for which the drawing held at ``frame`` was made; None before the first."""
        index = bisect.bisect_right(self._times, frame) - 1
        return self._times[index] if index >= 0 else None

    def between(self, first: int, last: int) -> list[int]:
        """Return the frames from first to last for which there is a drawing."""
        return [time for time in self._times if first <= time <= last]


def own_drawing(layer: Any, ledger: Ledger, frame: int) -> Any | None:
    """Return the user's own drawing of a layer at a frame; before their first, that one; None if there is none."""
    sources = Sources(layer, ledger)
    held = sources.at(frame)
    if held is None:
        held = min(sources.places, default=None)
    return None if held is None else frames.table(layer)[sources.places[held]].drawing


def plan(
    layer: Any,
    obj: Any,
    part: Part,
    show: drawings.Show,
    ledger: Ledger,
    sound: str,
    span: tuple[int, int],
    warp_own: bool,
) -> LayerPlan:
    """Return what writing the take of ``sound`` on the frames ``span`` changes on a layer, changing nothing."""
    result = LayerPlan(layer, Sources(layer, ledger))
    held, (first, last) = frames.table(layer), span
    _plan_removal(result, held, ledger, sound, span, warp_own)
    _plan_own(result, held, ledger, sound, span, warp_own)
    matrix = planes.layer_matrix(obj, layer)
    scale = abs(float(np.linalg.det(matrix[:3, :3])))
    if scale < 1e-15:  # a layer without size shows nothing
        return result
    here = result.sources.between(first, last)
    wanted = {*show.starts, first, *(time + (time in result.own) for time in here)}
    stays = {*result.edited, *result.own}
    times = sorted(f for f in wanted if first <= f <= last and f not in stays)
    step = drawings.SAME * show.puppet.face.unit / scale ** (1 / 3)
    gone = {*result.remove, *result.aside, *result.sources.stashed.values()}
    remaining = sorted(({*held} - gone) | ({*result.back} - {*result.aside}))
    for source, group in _by_source(times, result.sources):
        drawing = held[result.sources.places[source]].drawing
        fresh = drawings.made(show, part, drawing, matrix, source, group)
        result.cells += drawings.shared(fresh, frames.get_places(drawing), source, remaining, step)
    return result


def _plan_removal(
    result: LayerPlan, held: dict[int, Any], ledger: Ledger, sound: str, span: tuple[int, int], warp_own: bool
) -> None:
    """Plan which frames of takes go: those of the same sound, and others' in the way; what was edited stays."""
    name, (first, last) = result.layer.name, span
    for take in ledger.takes:
        rows = {f: crc for f, crc in take.layers.get(name, {}).items() if f in held}
        chosen = [f for f in rows if take.sound == sound or first <= f <= last]
        edited = [] if warp_own else [f for f in chosen if frames.checksum(held[f].drawing) != rows[f]]
        result.edited |= set(edited)
        result.remove |= set(chosen) - set(edited)
        before = [f for f in rows if f <= last]
        if take.sound != sound and take.last > last and before and last + 1 not in held:
            result.carried[last + 1] = max(before)  # its drawing held there loses the frame it began on
    result.remove |= result.sources.ends


def _plan_own(
    result: LayerPlan, held: dict[int, Any], ledger: Ledger, sound: str, span: tuple[int, int], warp_own: bool
) -> None:
    """Plan what becomes of the user's own frames in the take.

    A drawing on the very frame on which the take begins, as a face that was just drawn has it, moves one frame
    earlier where there is room: it would be all that is seen of that frame. Others are laid aside only if asked.
    """
    first, last = span
    spans = [span, *((t.first, t.last) for t in ledger.takes if t.sound != sound)]
    for frame, place in result.sources.stashed.items():
        stays = any(a <= frame <= b and (warp_own or frame == a) for a, b in spans)
        if not stays and frame not in result.edited:
            result.back[frame] = place
    taken = ({*held} - result.remove - {*result.back.values()}) | {*result.back}
    for frame in (*result.sources.own, *result.back):
        if not first <= frame <= last:
            continue
        if frame == first and frame - 1 not in taken:
            result.aside[frame] = frame - 1
        elif warp_own:
            result.aside[frame] = frame - ASIDE
        else:
            result.own.append(frame)


def _by_source(times: list[int], sources: Sources) -> Iterator[tuple[int, list[int]]]:
    """Yield each of the user's drawings with the frames of the take on which it is what speaks."""
    groups: dict[int, list[int]] = {}
    for frame in times:
        source = sources.at(frame)
        if source is not None:
            groups.setdefault(source, []).append(frame)
    yield from groups.items()


def carry_out(plan: LayerPlan, undo: ExitStack) -> dict[int, int]:
    """Change the layer as planned, and return the checksum of the drawing on each frame of the take.

    Raises RigError, before anything is changed, where Blender would damage drawings.
    """
    layer = plan.layer
    if frames.miscounted(layer, plan.remove):
        raise RigError(
            f"Frames of the take on '{layer.name}' share drawings with others, and Blender has lost count of them: "
            "removing them would damage others. Save the file, open it in Blender 5.2 or later, and try again."
        )
    move_all(layer, [(k, place) for k, place in plan.aside.items() if k not in plan.back], undo)
    held = frames.table(layer)
    sources = {f: plan.place(s) for f in plan.remove if (s := plan.sources.at(f)) is not None}
    sources = {f: place for f, place in sources.items() if place in held and place not in plan.remove}
    undo.callback(frames.Snapshot(layer, plan.remove, sources).put_back)
    for frame, begun in plan.carried.items():
        frames.again(layer, begun, frame)
    for frame in plan.remove:
        layer.frames.remove(frame)
    move_all(layer, [(place, plan.aside.get(k, k)) for k, place in plan.back.items()], undo)
    drawn: dict[int, int] = {}
    models: dict[int, int] = {}  # a drawing whose lines run back already, by the user's that it is made from
    for cell in plan.cells:
        if cell.like is not None:
            frames.again(layer, cell.like, cell.frame)
            drawn[cell.frame] = drawn[cell.like]
        else:
            made = layer.frames.copy(models.get(cell.source, plan.place(cell.source)), cell.frame)
            if cell.doubled.lines and cell.source not in models:
                frames.double(made.drawing, cell.doubled.lines, cell.doubled.order, cell.doubled.inside)
                models[cell.source] = cell.frame
            frames.put_places(made.drawing, cell.places)
            made.keyframe_type = "GENERATED"
            drawn[cell.frame] = frames.checksum(made.drawing)
    return drawn


def move_all(layer: Any, moves: list[tuple[int, int]], undo: ExitStack) -> None:
    """Move frames of a layer."""
    for source, target in moves:
        layer.frames.move(source, target)
        undo.callback(layer.frames.move, target, source)


def plan_off(layer: Any, ledger: Ledger, sounds: set[str], warp_own: bool) -> LayerPlan:
    """Return how the takes of ``sounds`` come off a layer, and what was laid aside for them comes back."""
    result = LayerPlan(layer, Sources(layer, ledger))
    held = frames.table(layer)
    for take in ledger.takes:
        if take.sound not in sounds:
            continue
        for frame, crc in take.layers.get(layer.name, {}).items():
            if frame in held:
                changed = not warp_own and frames.checksum(held[frame].drawing) != crc
                (result.edited if changed else result.remove).add(frame)
    others = [(t.first, t.last) for t in ledger.takes if t.sound not in sounds]
    for frame, place in result.sources.stashed.items():
        if frame not in result.edited and not any(a <= frame <= b for a, b in others):
            result.back[frame] = place
    result.remove |= result.sources.ends
    return result
