"""Plans the drawings of a line on one layer: which frames are removed, which are made, and from which drawings."""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from mouthpiece.errors import RigError

from . import drawings, frames, planes
from .ledgers import ASIDE, DrawingLedger

if TYPE_CHECKING:
    from mouthpiece.retarget.drawing.strokes import FacePart


@dataclass(slots=True)
class LayerPlan:
    """What writing a line changes on a layer.

    ``remove`` are Mouthpiece's frames to be removed, ``edited`` those that stay because the user changed them, and
    ``own`` the user's frames within the line. ``aside`` are frames of the user's to be moved away (by their number, the
    number they move to); ``back`` are those moved back (by their own number, the number they have now). ``cells`` are
    new drawings. ``carried`` are frames on which a drawing of another line is repeated, by the frame it is copied from.
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

    def frame_of(self, source: int) -> int:
        """Return the frame on which the user's drawing for frame ``source`` is, once frames are moved aside."""
        if source in self.aside:
            return self.aside[source]
        return source if source in self.back else self.sources.places[source]


class Sources:
    """The user's own drawings on a layer.

    ``own`` are their frames, ``places`` the frame each is on now by the frame it was drawn for: it differs for those in
    ``stashed``, which are moved aside. ``ends`` are frames that Mouthpiece added to show a drawing of the user's again,
    with checksums.
    ``present`` are all frames of the layer by number: reading them is slow, and they are not valid any more once a
    frame is added, moved or removed.
    """

    def __init__(self, layer: Any, ledger: DrawingLedger) -> None:
        """Find them by the ledger, which lists Mouthpiece's drawings."""
        name = layer.name
        present = self.present = frames.table(layer)
        generated = set(ledger.frames(name))
        stashed = {frame: place for frame, place in ledger.aside.get(name, {}).items() if place in present}
        others = {n for n in present if n not in generated and n not in stashed.values()}
        ends = {n: crc for n, crc in ledger.ends.get(name, {}).items() if n in others}
        # once the user has changed such a frame, it counts as the user's own
        self.ends = {n: crc for n, crc in ends.items() if frames.checksum(present[n].drawing) == crc}
        self.own = sorted(others - self.ends.keys())
        self.places = {number: number for number in self.own} | stashed
        self.stashed = stashed
        self._times = sorted(self.places)

    def outdated_ends(self) -> set[int]:
        """Return those of ``ends`` on which a drawing of the user's is shown otherwise than it is now."""
        sources = {end: self.at(end) for end in self.ends}
        now = {time: frames.checksum(self.present[self.places[time]].drawing)
               for time in set(sources.values()) if time is not None}  # fmt: skip
        return {end for end, time in sources.items() if time is None or now[time] != self.ends[end]}

    def at(self, frame: int) -> int | None:
        """Return the frame for which the drawing shown at ``frame`` was drawn; None before the first."""
        index = bisect.bisect_right(self._times, frame) - 1
        return self._times[index] if index >= 0 else None

    def between(self, first: int, last: int) -> list[int]:
        """Return the frames from ``first`` to ``last`` for which the user has drawn."""
        return [time for time in self._times if first <= time <= last]


def own_drawing(layer: Any, ledger: DrawingLedger, frame: int) -> Any | None:
    """Return the user's own drawing on a layer at a frame, or their first one if it is later; None if there is none.

    It is what :class:`Sources` would find, but panels ask at every redraw: no drawing is looked at without need.
    """
    places, stashed, present = _own_places(layer, ledger)
    times = sorted(places)
    shown = bisect.bisect_right(times, frame)
    order = (*reversed(times[:shown]), *times[shown:])
    return next((drawing for _, drawing in _own(layer, ledger, order, places, stashed, present)), None)


def own_checksums(layer: Any, ledger: DrawingLedger) -> list[tuple[int, int]]:
    """Return frame and checksum of each of the user's own drawings on a layer."""
    places, stashed, present = _own_places(layer, ledger)
    own = _own(layer, ledger, sorted(places), places, stashed, present)
    return [(time, frames.checksum(drawing)) for time, drawing in own]


def _own_places(layer: Any, ledger: DrawingLedger) -> tuple[dict[int, int], dict[int, int], dict[int, Any]]:
    """Return where on a layer each drawing that may be the user's lies, by the frame it is for; and those moved aside.

    Some repeat one after a line. Last are all frames of the layer.
    """
    name, present = layer.name, frames.numbered(layer)
    generated = ledger.frames(name)
    stashed = {time: place for time, place in ledger.aside.get(name, {}).items() if place in present}
    taken = set(stashed.values())
    return {n: n for n in present if n not in generated and n not in taken} | stashed, stashed, present


def _own(
    layer: Any, ledger: DrawingLedger, times: Iterable[int], places: Mapping[int, int], stashed: Mapping[int, int],
    present: Mapping[int, Any],
) -> Iterator[tuple[int, Any]]:  # fmt: skip
    """Yield frame and drawing for those ``times`` whose drawing is the user's."""
    ends = ledger.ends.get(layer.name, {})
    for time in times:
        drawing = present[places[time]].drawing
        if drawing is None or (time in ends and time not in stashed and frames.checksum(drawing) == ends[time]):
            continue
        yield time, drawing


def plan(
    layer: Any,
    obj: Any,
    part: FacePart,
    show: drawings.Show,
    ledger: DrawingLedger,
    sound: str,
    span: tuple[int, int],
    warp_own: bool,
) -> LayerPlan:
    """Return what writing the line of ``sound`` on the frames ``span`` changes on a layer; nothing is changed yet."""
    result = LayerPlan(layer, Sources(layer, ledger))
    present, (first, last) = result.sources.present, span
    _plan_removal(result, present, ledger, sound, span, warp_own)
    _plan_own(result, present, ledger, sound, span, warp_own)
    matrix = planes.layer_matrix(obj, layer)
    scale = abs(float(np.linalg.det(matrix[:3, :3])))
    if scale < 1e-15:  # a layer scaled to nothing shows nothing
        return result
    here = result.sources.between(first, last)
    wanted = {*show.starts, first, *(time + (time in result.own) for time in here)}
    stays = {*result.edited, *result.own}
    times = sorted(f for f in wanted if first <= f <= last and f not in stays)
    step = drawings.SAME * show.puppet.face.unit / scale ** (1 / 3)
    gone = {*result.remove, *result.aside, *result.sources.stashed.values(), *result.sources.ends}
    remaining = sorted(({*present} - gone) | ({*result.back} - {*result.aside}))
    for source, group in _by_source(times, result.sources):
        drawing = present[result.sources.places[source]].drawing
        cells = drawings.cells_of(show, part, drawing, matrix, source, group)
        result.cells += drawings.without_repeats(cells, frames.get_places(drawing), source, remaining, step)
    return result


def _plan_removal(
    result: LayerPlan, present: dict[int, Any], ledger: DrawingLedger, sound: str, span: tuple[int, int], warp_own: bool
) -> None:
    """Plan which of Mouthpiece's frames are removed: those of the same sound, and others' within ``span``.

    Edited frames stay, unless ``warp_own``.
    """
    name, (first, last) = result.layer.name, span
    for line in ledger.lines:
        rows = {f: crc for f, crc in line.layers.get(name, {}).items() if f in present}
        chosen = [f for f in rows if line.sound == sound or first <= f <= last]
        edited = [] if warp_own else [f for f in chosen if frames.checksum(present[f].drawing) != rows[f]]
        result.edited |= set(edited)
        result.remove |= set(chosen) - set(edited)
        before = [f for f in rows if f <= last]
        if line.sound != sound and line.last > last and before and last + 1 not in present:
            result.carried[last + 1] = max(before)  # the frame with the drawing shown there is removed
    others = (line for line in ledger.lines if line.sound != sound)
    ends = {line.last + 1 for line in others if line.layers.get(name, {}).keys() - result.remove}
    result.remove |= {end for end in result.sources.ends if end not in ends or first <= end <= last}
    result.remove |= result.sources.outdated_ends()


def _plan_own(
    result: LayerPlan, present: dict[int, Any], ledger: DrawingLedger, sound: str, span: tuple[int, int], warp_own: bool
) -> None:
    """Plan what happens to the user's own frames within the line.

    A drawing on the line's first frame (a face that was just drawn is often there) moves one frame earlier if that is
    free, as otherwise the line's first drawing could not be shown. Others are moved aside only if ``warp_own``.
    """
    first, last = span
    spans = [span, *((line.first, line.last) for line in ledger.lines if line.sound != sound)]
    for frame, place in result.sources.stashed.items():
        stays = any(a <= frame <= b and (warp_own or frame == a) for a, b in spans)
        if not stays and frame not in result.edited:
            result.back[frame] = place
    taken = ({*present} - result.remove - {*result.back.values()}) | {*result.back}
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
    """Yield the frame of each of the user's drawings with those of ``times`` whose drawings are made from it."""
    groups: dict[int, list[int]] = {}
    for frame in times:
        source = sources.at(frame)
        if source is not None:
            groups.setdefault(source, []).append(frame)
    yield from groups.items()


def carry_out(plan: LayerPlan, undo: ExitStack) -> dict[int, int]:
    """Change the layer as planned, and return the checksum of the new drawing by frame.

    Raises RigError, with nothing changed, where Blender would damage other drawings. ``undo`` gets callbacks that
    revert everything.
    """
    layer = plan.layer
    shown = {number: frame.drawing for number, frame in plan.sources.present.items()} if plan.remove else {}
    if frames.miscounted(shown, plan.remove):
        raise RigError(
            f"Frames of the take on '{layer.name}' share drawings with others, and Blender has lost count of them: "
            "removing them would damage others. Save the file, open it in Blender 5.2 or later, and try again."
        )
    aside = [(k, place) for k, place in plan.aside.items() if k not in plan.back]
    move_all(layer, aside, undo)
    moved = dict(aside)
    present = {moved.get(number, number) for number in plan.sources.present}
    shown = {moved.get(number, number): drawing for number, drawing in shown.items()}
    sources = {f: plan.frame_of(s) for f in plan.remove if (s := plan.sources.at(f)) is not None}
    sources = {f: place for f, place in sources.items() if place in present and place not in plan.remove}
    undo.callback(frames.Snapshot(layer, present, shown, plan.remove, sources).put_back)
    for frame, begun in plan.carried.items():
        frames.repeat(layer, begun, frame)
    for frame in plan.remove:
        layer.frames.remove(frame)
    move_all(layer, [(place, plan.aside.get(k, k)) for k, place in plan.back.items()], undo)
    drawn: dict[int, int] = {}
    forms: dict[int, int] = {}  # checksum of the attributes of new drawings, by the frame of their source
    models: dict[int, int] = {}  # frame of a drawing whose strokes are doubled already, by the frame of its source
    for cell in plan.cells:
        if cell.like is not None:
            frames.repeat(layer, cell.like, cell.frame)
            drawn[cell.frame] = drawn[cell.like]
        else:
            made = layer.frames.copy(models.get(cell.source, plan.frame_of(cell.source)), cell.frame)
            if cell.doubled.lines and cell.source not in models:
                frames.double(made.drawing, cell.doubled.lines, cell.doubled.order, cell.doubled.inside)
                models[cell.source] = cell.frame
            frames.put_places(made.drawing, cell.places)
            made.keyframe_type = "GENERATED"
            if set(cell.places) != {"position"}:  # Blender may move the handles of curves
                drawn[cell.frame] = frames.checksum(made.drawing)
                continue
            if cell.source not in forms:
                forms[cell.source] = frames.form_checksum(made.drawing)
            drawn[cell.frame] = frames.checksum_of(forms[cell.source], cell.places)
    return drawn


def move_all(layer: Any, moves: list[tuple[int, int]], undo: ExitStack) -> None:
    """Move frames of a layer, given as pairs of old and new number; ``undo`` gets callbacks that move them back.

    Raises RigError if another drawing is where one is to go, or one is gone.
    """
    for source, target in moves:
        try:
            layer.frames.move(source, target)
        except RuntimeError as error:
            raise RigError(
                f"The drawing on frame {source} of '{layer.name}' cannot be moved to frame {target}: another one is "
                "there, or it is gone. Move that one away first."
            ) from error
        undo.callback(layer.frames.move, target, source)


def plan_off(layer: Any, ledger: DrawingLedger, sounds: set[str], warp_own: bool) -> LayerPlan:
    """Return the plan that removes the lines of ``sounds`` from a layer and moves the user's drawings back."""
    result = LayerPlan(layer, Sources(layer, ledger))
    present = result.sources.present
    for line in ledger.lines:
        if line.sound not in sounds:
            continue
        for frame, crc in line.layers.get(layer.name, {}).items():
            if frame in present:
                changed = not warp_own and frames.checksum(present[frame].drawing) != crc
                (result.edited if changed else result.remove).add(frame)
    others = [(line.first, line.last) for line in ledger.lines if line.sound not in sounds]
    for frame, place in result.sources.stashed.items():
        if frame not in result.edited and not any(a <= frame <= b for a, b in others):
            result.back[frame] = place
    result.remove |= result.sources.ends.keys()
    return result
