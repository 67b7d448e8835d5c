"""Interludes of a character in its scene: keys before, between and after its lines, which are made and unmade with them.

They are noted in ledgers like lines, under a sound of their own for each stretch, which begins with ``interlude:`` and
tells all that the stretch was made of. So what has not changed is not made again. They are no kept lines: they have no
take, and nobody adjusts them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache
from math import ceil
from typing import TYPE_CHECKING, Any, Final

import bpy
import numpy as np
from mouthpiece.errors import MouthpieceError
from numpy.typing import NDArray

from ..keys import kept_takes, ledgers, nla, writer
from ..keys.channels import Channel, Line, Part, Written
from ..keys.drawings import Drawings
from ..keys.fcurve_keys import BareKeys, Keys, Step, rewritten, split_id
from ..keys.plan import Change, Plan, Rescued, check_editable, curves_by_place, plan_removal, properties_without_effect
from ..targets import Driven, Target, owners_of
from . import edits, rebuild
from .layers import LayeredTake, by_place

if TYPE_CHECKING:
    from mouthpiece.motion.dials import Dials
    from mouthpiece.performance import Performance

#: What the sounds of interludes begin with in a ledger.
PREFIX: Final = ledgers.INTERLUDE
#: Arrays of a performance that have a row for each frame.
_TRACKS: Final = ("landmarks", "arkit", "head", "gaze", "blink", "activity", "style", "style_head")
#: Frames beside a stretch that a target sees, but that get no keys.
_BESIDE: Final = 2
#: Most ends of lines that are remembered.
_MOST_ENDS: Final = 256


#: A range with every frame there is.
_ALL: Final = (-(2**31), 2**31)
#: Sound, first and last frame of a stretch in a ledger.
_Span = tuple[str, int, int]
#: Kinds of targets that ask for the interludes themselves, when they are rendered.
_ASKING: Final = ("PORTRAIT",)


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of frames, both ends included, on which a line is heard; ``line`` is None if its take is not kept."""

    first: int
    last: int
    line: kept_takes.KeptLine | None


@dataclass(frozen=True, slots=True, eq=False)
class End:
    """A line's last or first frames on the timeline: its motion, whole and in words alone (None if it has no layers).

    ``number`` tells it from others.
    """

    whole: Performance
    words: Performance | None
    number: str


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """A part of an interlude that is keyed by itself.

    ``sound`` is its name in ledgers. ``origin`` is the first frame of the interlude it is part of.
    """

    first: int
    last: int
    origin: int
    sound: str
    interlude: Interlude


@dataclass(frozen=True, slots=True, eq=False)
class Interlude:
    """The frames ``first`` to ``last`` between two lines, or before or after the only one.

    ``seed`` is that of the character; ``dials`` are those of the line before it, or after it.
    """

    first: int
    last: int
    before: Piece | None
    after: Piece | None
    ends: tuple[End | None, End | None]
    dials: Dials
    seed: int

    @property
    def carrier(self) -> kept_takes.KeptLine:
        """The line whose manner, dials and keys it has."""
        piece = self.before or self.after
        assert piece is not None and piece.line is not None  # interludes are made beside kept lines only
        return piece.line

    @property
    def fps(self) -> float:
        """Frames per second."""
        return self.carrier.frames().fps

    def stretches(self, targets: Sequence[Target]) -> list[Stretch]:
        """Return the parts of the interlude that are keyed by themselves: out of a line, the middle, into the next."""
        from mouthpiece.motion.interludes import REACH

        reach = ceil(REACH * self.fps)
        cuts = [self.first]
        if self.last - self.first + 1 >= 3 * reach:
            cuts += [self.first + reach] * (self.before is not None) + [self.last + 1 - reach] * (
                self.after is not None
            )
        cuts.append(self.last + 1)
        common = [
            self.first, self.last, self.seed, self.fps, self.carrier.error, rebuild.is_layered(self.carrier),
            _silent(self.dials).saved(), kept_takes.take_id(self.carrier), [repr(target) for target in targets],
        ]  # fmt: skip
        found = []
        for number, (first, after) in enumerate(zip(cuts, cuts[1:], strict=False)):
            near = [
                None if end is None else end.number
                for end, here in zip(self.ends, (number == 0, number == len(cuts) - 2), strict=True)
                if here
            ]
            text = json.dumps([*common, near, self.dials.rest, first, after], default=str)
            name = PREFIX + hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
            found.append(Stretch(first, after - 1, self.first, name, self))
        return found

    def take(self) -> tuple[LayeredTake, int]:
        """Return what the face does, with some frames of the lines beside it, and the scene's frame of its first."""
        from mouthpiece.motion.interludes import interlude

        line = self.carrier
        still = _still(
            _Manner(line), self.first, self.last - self.first + 1, self.fps, self.seed, _silent(self.dials),
            rebuild.is_layered(line),
        )  # fmt: skip
        before, after = self.ends
        whole = interlude(still.whole, before and before.whole, after and after.whole, self.dials.rest)
        words = None
        if still.words is not None:
            both = [end for end in self.ends if end is not None]
            alike = still.words is still.whole and all(end.words is end.whole for end in both)
            words = whole if alike else interlude(
                still.words, before and (before.words or before.whole), after and (after.words or after.whole),
                self.dials.rest,
            )  # fmt: skip
        origin = self.first - (0 if before is None else len(before.whole))
        framed = _between(whole, before and before.whole, after and after.whole)
        bare = framed if words is whole else words and _between(
            words, before and (before.words or before.whole), after and (after.words or after.whole)
        )  # fmt: skip
        return LayeredTake(framed, bare, line.error), origin


def _silent(dials: Dials) -> Dials:
    """Return the dials that matter where nothing is said."""
    return replace(dials, lips=1.0, jaw=1.0, offset=0.0, rest=1.0)


def _between(face: Performance, before: Performance | None, after: Performance | None) -> Performance:
    """Return a performance with the frames of others before and after it."""
    parts = [part for part in (before, face, after) if part is not None]
    tracks: dict[str, Any] = {}
    for name in _TRACKS:
        tracks[name] = np.concatenate([getattr(part, name) for part in parts])
    for part in parts:
        if len(part.style_landmarks):
            return face  # not final: never so, as all of them had their dials applied
    shifts = [part.landmarks - part.neutral for part in parts]
    tracks["landmarks"] = np.concatenate(shifts) + face.neutral
    return replace(face, **tracks)


@dataclass(frozen=True, slots=True)
class _Manner:
    """A kept line whose take shows how its character moves; it equals others that have the same take."""

    line: kept_takes.KeptLine = field(compare=False)
    number: str = ""

    def __post_init__(self) -> None:
        """Note the take."""
        object.__setattr__(self, "number", kept_takes.take_id(self.line))


@lru_cache(maxsize=16)
def _still(
    manner: _Manner, first: int, count: int, fps: float, seed: int, dials: Dials, layered: bool
) -> LayeredTake:  # fmt: skip
    """Return the silent face, dials applied, on ``count`` frames of the scene from ``first`` on."""
    from mouthpiece.motion.life import alive

    take = kept_takes.motion(manner.line)
    return LayeredTake.of(alive(first / fps, count, replace(take, fps=fps), dials.life, seed), dials, layered)


class Ends:
    """Ends of lines on the timeline, each computed once; those of takes that callers have dialled are given."""

    _known: dict[tuple[Any, ...], End] = {}  # noqa: RUF012 - shared on purpose, and bounded

    def __init__(self, seen: Mapping[str, LayeredTake] | None = None) -> None:
        """Remember dialled takes by sound."""
        self._seen = dict(seen or {})

    def take(self, line: kept_takes.KeptLine) -> LayeredTake:
        """Return a line's take with its dials and bends."""
        from mouthpiece.motion.dials import Dials

        if line.sound not in self._seen:
            motion = kept_takes.motion(line)
            layered = rebuild.is_layered(line)
            self._seen[line.sound] = LayeredTake.of(motion, Dials.of(line.dials), layered, line.error, line.bends)
        return self._seen[line.sound]

    def of(self, piece: Piece, first: bool) -> End | None:
        """Return the first or the last frames of a piece; None if its take is not kept or damaged."""
        from mouthpiece.motion.interludes import EDGE

        line = piece.line
        if line is None:
            return None
        count = min(EDGE, piece.last - piece.first + 1)
        begin = piece.first if first else piece.last + 1 - count
        text = json.dumps([dict(line.dials), dict(line.grid), [dict(bend) for bend in line.bends]], sort_keys=True)
        key = (kept_takes.take_id(line), text, begin, count, rebuild.is_layered(line))
        if key not in self._known:
            try:
                seen = self.take(line)
            except MouthpieceError:
                return None
            if len(self._known) >= _MOST_ENDS:
                self._known.clear()
            whole = _on_frames(seen.whole, line, begin, count)
            words = None if seen.words is None else whole
            if seen.words is not None and seen.words is not seen.whole:
                words = _on_frames(seen.words, line, begin, count)
            number = hashlib.blake2b(repr(key).encode(), digest_size=8).hexdigest()
            self._known[key] = End(whole, words, number)
        return self._known[key]


def _on_frames(seen: Performance, line: kept_takes.KeptLine, first: int, count: int) -> Performance:
    """Return a dialled take on ``count`` frames of the scene from ``first`` on."""
    from mouthpiece.portrait.frame_motion import read_on_frames

    grid = line.frames()
    times = grid.offset + (np.arange(first, first + count) - grid.origin) / grid.fps * grid.speed
    tracks: dict[str, Any] = read_on_frames(seen, times, 1.0)
    tracks["landmarks"] += seen.neutral
    empty = np.zeros((count, 0), np.float32), np.zeros((count, 6), np.float32)
    return replace(seen, **tracks, style=empty[0], style_head=empty[1], fps=grid.fps)


def pieces(obj: bpy.types.Object, lines: Sequence[kept_takes.KeptLine]) -> list[Piece]:
    """Return the stretches on which a character speaks, in order of time, none over another.

    Where lines overlap, the one baked last is heard.
    """
    known = {line.sound: line for line in lines}
    found: list[tuple[int, int, str]] = []
    for owner in all_owners(obj, lines):
        for layer in nla.keyed_layers(owner):
            found += [(it.first, it.last, it.sound) for it in ledgers.read(owner, layer).lines if not is_one(it.sound)]
    keyed = {sound for _, _, sound in found}
    for line in lines:  # those that are drawn
        if line.sound not in keyed:
            grid = line.frames()
            found.append((grid.first, grid.last, line.sound))
    if not found:
        return []
    low = min(first for first, _, _ in found)
    heard = np.full(max(last for _, last, _ in found) - low + 1, -1)
    names = list(dict.fromkeys(sound for _, _, sound in found))
    for first, last, sound in found:
        heard[first - low : last - low + 1] = names.index(sound)
    cuts = np.flatnonzero(np.diff(heard)) + 1
    rows = zip([0, *cuts.tolist()], [*cuts.tolist(), len(heard)], strict=True)
    return [
        Piece(low + begin, low + end - 1, known.get(names[heard[begin]])) for begin, end in rows if heard[begin] >= 0
    ]


def all_owners(obj: bpy.types.Object, lines: Sequence[kept_takes.KeptLine]) -> list[bpy.types.ID]:
    """Return the data-blocks in which lines of a character, and interludes between them, may have keys."""
    found: dict[bpy.types.ID, None] = {}
    for line in lines:
        with suppress(MouthpieceError):
            found |= dict.fromkeys(edits.owners_of_line(obj, line))
    return list(found | dict.fromkeys(owners_of([obj], None)))


def is_one(sound: str) -> bool:
    """Return whether the sound of a ledger line is that of an interlude."""
    return sound.startswith(PREFIX)


def interludes(obj: bpy.types.Object, spoken: Sequence[Piece], ends: Ends) -> list[Interlude]:
    """Return the interludes of a character that are to be keyed; ``spoken`` is what it says, in order of time."""
    from mouthpiece.motion.dials import Dials
    from mouthpiece.motion.interludes import REACH

    if not spoken:
        return []
    low, high = scene_frames(obj)
    last = spoken[-1]
    reach = ceil(REACH * last.line.frames().fps) if last.line is not None else 0
    places = [(low, spoken[0].first - 1, None, spoken[0])]
    places += [(one.last + 1, other.first - 1, one, other) for one, other in zip(spoken, spoken[1:], strict=False)]
    places.append((last.last + 1, max(high, last.last + reach), last, None))
    found = []
    for first, end, before, after in places:
        if first > end or any(piece is not None and piece.line is None for piece in (before, after)):
            continue
        near = tuple(piece and ends.of(piece, piece is after) for piece in (before, after))
        if any(piece is not None and one is None for piece, one in zip((before, after), near, strict=True)):
            continue
        carrier = (before or after or last).line
        assert carrier is not None  # seen above
        dials = Dials.of(carrier.dials)
        if dials.rest > 0:
            found.append(Interlude(first, end, before, after, (near[0], near[1]), dials, seed_of(obj)))
    return found


def scene_frames(obj: bpy.types.Object) -> tuple[int, int]:
    """Return the first and the last frame of the scenes a character is in; of the present one if it is in none."""
    scenes = list(obj.users_scene) or [bpy.context.scene]
    return min(scene.frame_start for scene in scenes), max(scene.frame_end for scene in scenes)


def seed_of(obj: bpy.types.Object) -> int:
    """Return the seed of a character's life: two characters never blink together."""
    return int.from_bytes(hashlib.blake2b(obj.name.encode(), digest_size=4).digest(), "little")


def targets_of(obj: bpy.types.Object, one: Interlude, known: dict[str, Target | None]) -> list[Target]:
    """Return the targets that play an interlude: those of the line before, and further ones of the line after."""
    found: dict[tuple[str, str], Target] = {}
    for piece in (one.before, one.after):
        line = piece.line if piece is not None else None
        for number, saved in enumerate(line.targets if line is not None else ()):
            key = json.dumps([number, dict(saved)], sort_keys=True, default=str)
            if key not in known:
                known[key] = None
                with suppress(MouthpieceError):  # told when the line itself is made again
                    known[key] = rebuild.target_again(obj, line, number, [])
            target = known[key]
            if target is not None:
                found.setdefault((target.kind, target.object_name), target)
    return list(found.values())


def driven(take: LayeredTake, origin: int, stretch: Stretch, target: Target) -> Driven:
    """Return what a target plays on a stretch; the parts have its frames only."""
    from mouthpiece.curves import FrameGrid

    one = stretch.interlude
    low = max(stretch.first - _BESIDE, origin)
    high = min(stretch.last + _BESIDE, origin + len(take.whole) - 1)
    if stretch.origin == stretch.first and one.before is None:
        low = stretch.first
    grid = FrameGrid(one.fps, low, low, high, (low - origin) / one.fps)
    made = take.drive(target, grid, True)
    made.parts = tuple(_cropped(part, stretch.first, stretch.last) for part in made.parts)
    return made


def _cropped(part: Part, first: int, last: int) -> Part:
    """Return a part with the frames ``first`` to ``last`` only."""
    from mouthpiece.curves import Curves

    here = (part.curves.frames >= first) & (part.curves.frames <= last)
    return replace(part, curves=Curves(part.curves.names, part.curves.frames[here], part.curves.values[here]))


@dataclass(slots=True)
class _Place:
    """One data-block and layer: the stretches to be keyed there, each with its part, and those that stay."""

    fresh: list[tuple[Stretch, Part]] = field(default_factory=list)
    stays: set[_Span] = field(default_factory=set)


def renew(
    obj: bpy.types.Object,
    lines: Sequence[kept_takes.KeptLine],
    undo: ExitStack,
    over: bool = False,
    draft: bool = False,
    anew: bool = False,
    ends: Ends | None = None,
    rescued: Rescued | None = None,
) -> Written:
    """Key the interludes of a character as its ``lines`` need them now, and remove those that are no longer needed.

    Channels with keys of the user's own on a stretch, and edited ones, are left as they are there, the latter unless
    ``over`` or ``rescued``. Stretches that would be as they are are not made again unless ``anew``. ``draft`` is as in
    :func:`~addon.bake.redial.redial`; ``undo`` gets callbacks that revert everything.
    """
    spoken = pieces(obj, lines)
    owners = all_owners(obj, lines)
    present = {
        (owner, layer): ledgers.read(owner, layer) for owner in owners for layer in nla.keyed_layers(owner)
    }  # fmt: skip
    there = {_span(one) for ledger in present.values() for one in ledger.lines if is_one(one.sound)}
    known: dict[str, Target | None] = {}
    places: dict[tuple[bpy.types.ID, str], _Place] = {place: _Place() for place in present}
    drawings: list[tuple[Stretch, Drawings]] = []
    wanted: set[_Span] = set()
    planned = []
    for one in interludes(obj, spoken, ends or Ends()):
        targets = [target for target in targets_of(obj, one, known) if target.kind not in _ASKING]
        planned.append((one, targets, one.stretches(targets) if targets else []))
        wanted |= {_span(stretch) for stretch in planned[-1][2]}
    stale = [(first, last) for _, first, last in there - wanted]
    for one, targets, parts in planned:
        # Channels that were edited or locked may still have what the stretch was before.
        missing = [
            it for it in parts if anew or over or _span(it) not in there or _meets((it.first, it.last), stale)
        ]  # fmt: skip
        if not missing:
            continue
        take, origin = one.take()
        for stretch in missing:
            made = [driven(take, origin, stretch, target) for target in targets]
            for part in by_place([part for it in made for part in it.parts]).values():
                places.setdefault((part.owner, part.layer), _Place()).fresh.append((stretch, part))
            drawings += [(stretch, it.drawings) for it in made if it.drawings is not None]
    total = Written()
    saved = rescued or Rescued()
    for (owner, layer), place in places.items():
        place.stays = wanted - {_span(stretch) for stretch, _ in place.fresh}
        ids = frozenset(id for *where, id in saved.channels if where == [owner, layer])
        total.add(_write(owner, layer, place, f"Mouthpiece {obj.name}", over, draft, ids, undo))
    for stretch, drawing in drawings:
        with suppress(MouthpieceError):  # told when the line itself is drawn
            drawing.check()
            drawing.write(Line(stretch.sound, stretch.first, stretch.last), undo)
    return total


def _span(one: Stretch | ledgers.LedgerLine) -> _Span:
    """Return what tells a stretch from others: its sound, and its first and last frame."""
    return one.sound, one.first, one.last


def _write(
    owner: bpy.types.ID, layer: str, place: _Place, name: str, over: bool, draft: bool, rescued: frozenset[str],
    undo: ExitStack,
) -> Written:  # fmt: skip
    """Bring the interludes in one data-block, or one layer of it, up to date; return what was written."""
    written = Written()
    ledger = ledgers.read(owner, layer)
    old = [one for one in ledger.lines if is_one(one.sound) and _span(one) not in place.stays]
    spoken = [one for one in ledger.lines if not is_one(one.sound)]
    if not old and not place.fresh:
        return written
    if not spoken:  # nothing is said here any more: the keys go as those of a line do
        _remove(owner, layer, over or bool(layer), undo)
        return written
    check_editable(owner, layer)
    curves = curves_by_place(owner, layer)
    beyond = properties_without_effect(owner, layer)
    said = {channel for one in spoken for channel in one.channels}
    ours = {channel for one in ledger.lines for channel in one.channels}
    channels: dict[str, list[tuple[Stretch, Part, Channel]]] = {
        channel: [] for one in old for channel in one.channels
    }  # fmt: skip
    for stretch, part in place.fresh:
        for channel in part.channels:
            if channel.id in said or layer == "expression":
                channels.setdefault(channel.id, []).append((stretch, part, channel))
    steps: list[Step] = []
    fresh: dict[str, Keys] = {}
    missing: dict[str, Keys] = {}
    noted: dict[_Span, dict[str, int]] = {}
    made: dict[tuple[str, bool], dict[str, Keys]] = {}
    for channel, items in channels.items():
        fcurve = curves.get(split_id(channel))
        mine = [one for one in old if channel in one.channels]
        bare = None if fcurve is None else BareKeys.read(fcurve)
        gone: list[tuple[int, int]] = []
        kept: list[tuple[int, int]] = []
        for one in mine:
            span = (one.first, one.last)
            touched = bare is not None and bare.checksum(*span) != one.channels[channel]
            free = over or channel in rescued
            if fcurve is not None and (fcurve.lock or (touched and not free)):
                kept.append(span)
                noted.setdefault((one.sound, *span), {})[channel] = one.channels[channel]
            else:
                gone.append(span)
        ranges, keys = list(gone), Keys({"co": np.zeros((0, 2), np.float32)})
        for stretch, part, entry in items:
            span = (stretch.first, stretch.last)
            if split_id(channel) in beyond or (fcurve is not None and fcurve.lock) or _meets(span, kept):
                continue
            if channel in said if fcurve is None else channel not in ours:
                continue  # the user removed the curve, or made it
            if bare is not None and not over and _others(bare, span, [*gone, *((s.first, s.last) for s in spoken)]):
                continue  # keys of the user's own
            token = (stretch.sound, fcurve is not None)
            if token not in made:
                made[token] = _keys(part, stretch, curves if draft and part.error > 0 else {})
            new = made[token][entry.name]
            keys = keys.joined(new)
            ranges.append(span)
            noted.setdefault((stretch.sound, *span), {})[channel] = new.checksum(*span)
            written.count(new)
        if not ranges:
            continue
        if fcurve is None:
            if len(keys):
                missing[channel] = keys
            continue
        ranges = _joined(ranges)
        assert bare is not None
        if not len(keys) and not _others(bare, _ALL, ranges):
            missing[channel] = keys  # nothing is left of the curve
            continue
        if len(keys):
            fresh[channel] = keys
        if len(keys) and bare.has_frames_of(keys, ranges):
            steps += bare.moved(fcurve, keys, ranges)
        else:
            steps.append(rewritten(fcurve, keys, ranges))
    _carry_out(owner, layer, (steps, fresh, missing), noted, place, name, undo)
    return written


def _carry_out(
    owner: bpy.types.ID, layer: str, changed: tuple[list[Step], dict[str, Keys], dict[str, Keys]],
    noted: Mapping[_Span, dict[str, int]], place: _Place, name: str, undo: ExitStack,
) -> None:  # fmt: skip
    """Carry out changes of curves that are there, make those that are missing, and note all in the ledger."""
    steps, fresh, missing = changed
    found = nla.action_and_slot(owner, layer)
    if found is not None:
        undo.callback(ledgers.restore, found[0], ledgers.snapshot(found[0]))
        for do, take_back in steps:
            undo.callback(take_back)
            do()
    ledger = ledgers.read(owner, layer)
    lines = [one for one in ledger.lines if not is_one(one.sound) or _span(one) in place.stays]
    lines += [ledgers.LedgerLine(*where, dict(sums)) for where, sums in sorted(noted.items(), key=lambda it: it[0][1:])]
    if missing:
        plan = Plan(owner, ledger, layer, lines=lines)
        curves = curves_by_place(owner, layer)
        for id, keys in missing.items():
            place_of = split_id(id)
            plan.changes[id] = Change(*place_of, keys, Keys.read(curves[place_of]) if place_of in curves else None)
        writer.carry_out([plan], name, undo)
        ledger = ledgers.read(owner, layer)
        lines = plan.lines
    if nla.action_and_slot(owner, layer) is None:
        return
    ledger.lines = writer.settled(owner, layer, lines, fresh)
    ledgers.write(owner, ledger, layer)
    if layer:
        undo.callback(nla.fit, owner, layer)
        nla.fit(owner, layer)
    owner.update_tag()


def _remove(owner: bpy.types.ID, layer: str, over: bool, undo: ExitStack) -> None:
    """Remove all keys of interludes from a data-block in which no line is left."""
    plan = plan_removal(owner, over, layer)
    if plan.ledger.lines:
        writer.apply(plan, undo)


def _keys(part: Part, stretch: Stretch, curves: Mapping[tuple[str, int], Any]) -> dict[str, Keys]:
    """Return the keys of a stretch, by channel name; with ``curves``, the frames of present keys are kept if they do.

    Where nothing moves, there are no keys but the first and the last.
    """
    span = (stretch.first, stretch.last)
    there: dict[str, NDArray[np.float32]] = {}
    for channel in part.channels if curves else ():
        curve = curves.get((channel.data_path, channel.index))
        if curve is not None:
            frames = BareKeys.read(curve).co[:, 0]
            frames = frames[(frames >= span[0]) & (frames <= span[1])]
            if len(frames) > 1:
                there[channel.name] = frames
    made = part.keys([span], there)
    if part.error > 0:
        return made
    return {name: _thinned(keys) for name, keys in made.items()}


def _thinned(keys: Keys) -> Keys:
    """Return linear keys without those between two of the same value."""
    values = keys.arrays["co"][:, 1]
    if keys.is_curved or len(values) < 3:
        return keys
    same = values[1:] == values[:-1]
    inner = np.zeros(len(values), bool)
    inner[1:-1] = same[1:] & same[:-1]
    return keys.only(~inner)


def _meets(span: tuple[int, int], others: Iterable[tuple[int, int]]) -> bool:
    """Return whether a range of frames has any frame of other ranges."""
    return any(span[0] <= last and first <= span[1] for first, last in others)


def _others(bare: BareKeys, span: tuple[int, int], ours: Iterable[tuple[int, int]]) -> bool:
    """Return whether a curve has keys on a range of frames that lie on none of the ranges that are ``ours``."""
    frames = bare.co[bare.within(*span), 0]
    alone = np.ones(len(frames), bool)
    for first, last in ours:
        alone &= (frames < first - 0.5) | (frames > last + 0.5)
    return bool(alone.any())


def _joined(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return ranges of frames in order, those that touch or overlap as one."""
    found: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(last, found[-1][1]))
        else:
            found.append((first, last))
    return found


def touched(obj: bpy.types.Object, lines: Sequence[kept_takes.KeptLine]) -> Iterator[tuple[bpy.types.ID, str]]:
    """Yield data-block and sound of each stretch of an interlude whose keys were changed since they were made."""
    for owner in all_owners(obj, lines):
        sounds = {
            one.sound
            for layer in nla.keyed_layers(owner)
            for one in ledgers.read(owner, layer).lines
            if is_one(one.sound)
        }
        for sound in sorted(sounds):
            if edits.is_touched(owner, sound):
                yield owner, sound


def parts_now(obj: bpy.types.Object, lines: Sequence[kept_takes.KeptLine]) -> list[tuple[str, list[Part]]]:
    """Return the sound of each stretch as the lines are now, with the parts it gives."""
    known: dict[str, Target | None] = {}
    found = []
    for one in interludes(obj, pieces(obj, lines), Ends()):
        targets = targets_of(obj, one, known)
        take, origin = one.take()
        for stretch in one.stretches(targets):
            made = [part for target in targets for part in driven(take, origin, stretch, target).parts]
            found.append((stretch.sound, list(by_place(made).values())))
    return found


def rescue(found: Rescued, obj: bpy.types.Object, lines: Sequence[kept_takes.KeptLine]) -> None:
    """Add what the user changed in interludes to ``found``, as :func:`addon.bake.edits.rescue` does for a line.

    This has to be done before the lines change.
    """
    changed = list(touched(obj, lines))
    if not changed:
        return
    made = dict(parts_now(obj, lines))
    for owner, sound in changed:
        edits.rescue_parts(found, [part for part in made.get(sound, ()) if part.owner == owner], sound)
