"""Interludes of a character in its scene: stretches before, between and after its lines, made and unmade with them.

They are noted in ledgers like lines, under a sound of their own for each section, which begins with ``interlude:`` and
tells all that the section was made of. So what has not changed is not made again. They are no kept lines: they have no
take, and nobody adjusts them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import pairwise
from math import ceil
from typing import TYPE_CHECKING, Any, ClassVar, Final

import bpy
import numpy as np
from mouthpiece.errors import MouthpieceError

from ..keys import kept_takes, ledgers, nla
from ..keys.channels import Part
from ..keys.plan import Rescued
from ..targets import Driven, Target, owners_of
from . import edits, eye_lines, lifetime, rebuild
from .layers import LayeredTake, by_place

if TYPE_CHECKING:
    from mouthpiece.curves import FrameGrid
    from mouthpiece.motion.dials import Dials
    from mouthpiece.motion.interludes import Bend
    from mouthpiece.motion.listening import Regard
    from mouthpiece.performance import Performance

#: What the sounds of interludes begin with in a ledger.
PREFIX: Final = ledgers.INTERLUDE
#: Arrays of a performance that have a row for each frame.
_TRACKS: Final = ("landmarks", "arkit", "head", "gaze", "blink", "activity", "tongue", "style", "style_head")
#: Frames beside a section that a target sees, but that get no keys.
_BESIDE: Final = 2
#: What counts at least as the full motion of a head's turn, in radians: errors of keys are shares of it.
_LEAST_TURN: Final = 0.15
#: Seconds before a line, and after it, in which the face lives on at most; beyond, it stays as it is there. A line
#: typed in at the end of Blender's frames would otherwise get a million frames of rest.
LONGEST: Final = 1_800.0
#: Most ends of lines that are remembered.
_MOST_ENDS: Final = 256


@dataclass(frozen=True, slots=True)
class Neighbour:
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
class Section:
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

    ``seed`` is that of the character; ``dials`` are those of the line before it, or after it. ``regard`` is where the
    character looks, if it knows of others, in seconds of the timeline.
    """

    first: int
    last: int
    before: Neighbour | None
    after: Neighbour | None
    ends: tuple[End | None, End | None]
    dials: Dials
    seed: int
    regard: Regard | None = None

    @property
    def carrier(self) -> kept_takes.KeptLine:
        """The line whose manner, dials and keys it has."""
        piece = self.before or self.after
        assert piece is not None and piece.line is not None  # interludes are made beside kept lines only
        return piece.line

    @property
    def sounds(self) -> frozenset[str]:
        """Sounds of the lines beside it."""
        beside = (piece.line for piece in (self.before, self.after) if piece is not None)
        return frozenset(line.sound for line in beside if line is not None)

    @property
    def fps(self) -> float:
        """Frames per second."""
        return self.carrier.frames().fps

    def sections(self, targets: Sequence[Target]) -> list[Section]:
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
        for number, (first, after) in enumerate(pairwise(cuts)):
            near = [
                None if end is None else end.number
                for end, here in zip(self.ends, (number == 0, number == len(cuts) - 2), strict=True)
                if here
            ]
            seen = self._regard(first - _BESIDE, after + _BESIDE)
            looks = [] if seen is None else [seen.saved()]
            text = json.dumps([*common, near, self.dials.rest, first, after, *looks], default=str)
            name = PREFIX + hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
            found.append(Section(first, after - 1, self.first, name, self))
        return found

    def _regard(self, first: int, after: int, origin: float = 0.0) -> Regard | None:
        """Return where the character looks on some frames, in seconds from frame ``origin``; None for nowhere."""
        if self.regard is None:
            return None
        found = self.regard.within(first / self.fps, after / self.fps, origin / self.fps)
        return None if found.is_idle else found

    def take(self, sways: bool = True) -> tuple[LayeredTake, int]:
        """Return what the face does, with some frames of the lines beside it, and the scene's frame of its first.

        ``sways`` is whether the head goes on moving.
        """
        from mouthpiece.motion.interludes import interlude

        line = self.carrier
        still = _still(
            _Manner(line), self.first, self.last - self.first + 1, self.fps, self.seed, _silent(self.dials),
            rebuild.is_layered(line), sways, self.before is not None and not eye_lines.is_silent(line),
        )  # fmt: skip
        sides = _pair(self.ends, lambda end: end.whole)
        whole = _between(interlude(still.whole, *sides, self.dials.rest), *sides)
        words = None
        if still.words is not None:
            bare = _pair(self.ends, lambda end: end.words or end.whole)
            alike = still.words is still.whole and all(one is other for one, other in zip(sides, bare, strict=True))
            words = whole if alike else _between(interlude(still.words, *bare, self.dials.rest), *bare)
        before = self.ends[0]
        origin = self.first - (0 if before is None else len(before.whole))
        return LayeredTake(whole, words, line.error, self._regard(origin, origin + len(whole), origin)), origin


def _pair(
    ends: tuple[End | None, End | None], motion: Callable[[End], Performance]
) -> tuple[Performance | None, Performance | None]:
    """Return the motion of the line before and of the line after; None where there is no line."""
    before, after = ends
    return None if before is None else motion(before), None if after is None else motion(after)


def _silent(dials: Dials) -> Dials:
    """Return the dials that matter where nothing is said."""
    return replace(dials, lips=1.0, jaw=1.0, offset=0.0, rest=1.0, attention=1.0, nods=1.0)


def _between(face: Performance, before: Performance | None, after: Performance | None) -> Performance:
    """Return a performance with the frames of others before and after it."""
    parts = [part for part in (before, face, after) if part is not None]
    tracks: dict[str, Any] = {}
    for name in _TRACKS:
        tracks[name] = np.concatenate([getattr(part, name) for part in parts])
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
    manner: _Manner, first: int, count: int, fps: float, seed: int, dials: Dials, layered: bool, sways: bool,
    spoke: bool,
) -> LayeredTake:  # fmt: skip
    """Return the silent face, dials applied, on ``count`` frames of the scene from ``first`` on."""
    from mouthpiece.motion.life import alive

    take = kept_takes.motion(manner.line)
    silent = alive(first / fps, count, replace(take, fps=fps), dials.life, seed, sways, spoke)
    return LayeredTake.of(silent, dials, layered)


class Ends:
    """Ends of lines on the timeline, each computed once; those of takes that callers have dialled are given."""

    _known: ClassVar[dict[tuple[Any, ...], End]] = {}

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

    def of(self, piece: Neighbour, first: bool) -> End | None:
        """Return the first or the last frames of a piece; None if its take is not kept or damaged."""
        from mouthpiece.motion.interludes import EDGE

        line = piece.line
        if line is None:
            return None
        count = min(EDGE, piece.last - piece.first + 1)
        begin = piece.first if first else piece.last + 1 - count
        text = json.dumps([dict(line.dials), dict(line.grid), eye_lines.without(line.bends or ())], sort_keys=True)
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


def pieces(
    obj: bpy.types.Object, lines: Sequence[kept_takes.KeptLine], owners: Sequence[bpy.types.ID] | None = None
) -> list[Neighbour]:
    """Return the stretches on which a character speaks, in order of time, none over another.

    Where lines overlap, the one baked last is heard. ``owners`` are those of :func:`all_owners`, if they are known.
    """
    known = {line.sound: line for line in lines}
    found: list[tuple[int, int, str]] = []
    for owner in all_owners(obj, lines) if owners is None else owners:
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
        Neighbour(low + begin, low + end - 1, known.get(names[heard[begin]]))
        for begin, end in rows
        if heard[begin] >= 0
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


def interludes(
    obj: bpy.types.Object, spoken: Sequence[Neighbour], ends: Ends, within: tuple[int, int] | None = None
) -> list[Interlude]:
    """Return the interludes of a character; ``spoken`` is what it says, in order of time.

    They reach from the first to the last frame of its scenes, and of the frames ``within``, both included, but no
    further from a line than ``LONGEST`` seconds.
    """
    from mouthpiece.motion.dials import Dials
    from mouthpiece.motion.interludes import REACH

    if not spoken:
        return []
    low, high = lifetime.scene_frames(obj)
    if within is not None:
        low, high = min(low, within[0]), max(high, within[1])
    last = spoken[-1]
    reach = ceil(REACH * last.line.frames().fps) if last.line is not None else 0
    found, looking = [], eye_lines.regard_of(obj, spoken)
    for before, after in pairwise([None, *spoken, None]):
        first = low if before is None else before.last + 1
        end = max(high, last.last + reach) if after is None else after.first - 1
        near = (None if before is None else ends.of(before, False), None if after is None else ends.of(after, True))
        carrier = (before or after or last).line
        unknown = any(piece is not None and one is None for piece, one in zip((before, after), near, strict=True))
        if first > end or unknown or carrier is None:
            continue
        dials = Dials.of(carrier.dials)
        if dials.rest > 0:
            whole = Interlude(first, end, before, after, near, dials, lifetime.seed_of(obj), looking)
            found += _near_lines(whole, ceil(LONGEST * carrier.frames().fps))
    return found


def _near_lines(one: Interlude, most: int) -> list[Interlude]:
    """Return an interlude, or what of it lies within ``most`` frames of the lines beside it if it is longer."""
    after_line = replace(one, last=min(one.last, one.first + most - 1), after=None, ends=(one.ends[0], None))
    before_line = replace(one, first=max(one.first, one.last - most + 1), before=None, ends=(None, one.ends[1]))
    if one.before is None:
        return [before_line]
    if one.after is None:
        return [after_line]
    return [one] if one.last - one.first < 2 * most else [after_line, before_line]


def bends_between(one: Neighbour, other: Neighbour, ends: Ends) -> dict[str, list[Bend]]:
    """Return how two lines give way to each other, by sound; nothing if the take of one is not kept."""
    from mouthpiece.motion.interludes import bends

    if one.line is None or other.line is None:
        return {}
    straight = [replace(piece, line=replace(line, bends=())) for piece, line in ((one, one.line), (other, other.line))]
    last, first = ends.of(straight[0], False), ends.of(straight[1], True)
    if last is None or first is None:
        return {}
    grids = one.line.frames(), other.line.frames()
    at = _second(grids[0], one.last), _second(grids[1], other.first)
    rates = grids[0].speed, grids[1].speed
    before, after = bends(last.whole, first.whole, other.first - one.last - 1, at, rates)
    found = {one.line.sound: before}
    found[other.line.sound] = found.get(other.line.sound, []) + after
    return found


def _second(grid: FrameGrid, frame: int) -> float:
    """Return the second of a take at a frame."""
    return grid.offset + (frame - grid.origin) / grid.fps * grid.speed


def targets_of(obj: bpy.types.Object, one: Interlude, known: dict[str, Target | None]) -> list[Target]:
    """Return the targets that play an interlude: those of the line before, and further ones of the line after."""
    found: dict[tuple[str, str], Target] = {}
    for piece in (one.before, one.after):
        line = piece.line if piece is not None else None
        if line is None:
            continue
        for number, saved in enumerate(line.targets):
            key = json.dumps([number, dict(saved)], sort_keys=True, default=str)
            if key not in known:
                known[key] = None
                with suppress(MouthpieceError):  # told when the line itself is made again
                    known[key] = rebuild.target_again(obj, line, number, [])
            target = known[key]
            if target is not None:
                found.setdefault((target.kind, target.object_name), target)
    return list(found.values())


def driven(take: LayeredTake, origin: int, stretch: Section, target: Target) -> Driven:
    """Return what a target plays on a section; the parts have its frames only."""
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
    """Return a part with the frames ``first`` to ``last`` only; small turns need no finer keys than great ones."""
    from mouthpiece.curves import Curves

    here = (part.curves.frames >= first) & (part.curves.frames <= last)
    curves = Curves(part.curves.names, part.curves.frames[here], part.curves.values[here])
    channels = tuple(
        replace(channel, reach=max(channel.reach, _LEAST_TURN)) if channel.kind == "rotation" else channel
        for channel in part.channels
    )
    return replace(part, channels=channels, curves=curves)


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
        for section in one.sections(targets):
            made = [part for target in targets for part in driven(take, origin, section, target).parts]
            found.append((section.sound, list(by_place(made).values())))
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
