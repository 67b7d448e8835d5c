"""Who looks at whom: where a character turns eyes and head while others speak, or to whom it speaks, and when it nods.

All of it is made of who speaks when, of where the others are as they are seen from the character's head, and of a
seed; a line that is added elsewhere changes nothing here. The result is added to the motion that is there (a line's, or
that of :mod:`.life` between lines), and as it is one function of the timeline's second, nothing jumps where lines end.

What people do is taken from the literature: who listens looks at who speaks three quarters of the time, who speaks
less, and away when it begins (Kendon 1967; Argyle & Cook 1976); in groups, too, eyes rest on the speaker (Vertegaal et
al. 2001). Whoever is looked at comes into view by a saccade (Bahill, Clark & Stark 1975), the head follows for what is
beyond a range the eyes cover alone, which differs between people (Freedman & Sparks 1997; Stahl 1999). Large shifts go
with a blink (Evinger et al. 1994). Listeners nod in a speaker's pauses, a few degrees, two to three times a second
(Maynard 1987; Hadar, Steiner & Rose 1985).
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..errors import UnreadableError
from ..files.json_text import number_in, row_of, rows_of, text_in
from ..performance import Performance, rotation_matrices
from . import eyes
from .living import Blink

Floats = NDArray[np.float64]

#: What :meth:`Regard.saved` is called among the bends of a kept line.
PART: Final = "regard"
#: Greatest number in a saved regard or surroundings: seconds of a timeline and radians stay far below.
_FAR: Final = 1e7
#: Most looks, nods or places that are read.
_MOST: Final = 200_000

#: How far people turn head and eyes to somebody, right and down, in radians; farther away they are not followed.
HEAD_LIMITS: Final = (math.radians(45), math.radians(20))
EYE_LIMITS: Final = (math.radians(28), math.radians(20))
#: Farther round than this nobody is seen at all.
_OUT_OF_SIGHT: Final = math.radians(120)
#: What the eyes cover alone, in radians, and the share of the rest that the head turns: least and greatest of a person.
_ALONE: Final = (math.radians(4), math.radians(11))
_SHARE: Final = (0.65, 0.85)
#: Share of the head in a look down or up, and in a brief one.
_PITCH_SHARE: Final = 0.5
_BRIEF_SHARE: Final = 0.3
#: Spread of the head's tilt from look to look.
_TILT: Final = math.radians(1.6)
#: Seconds a saccade takes, and more for each radian; the same for a turn of the head, and how much later it begins.
_SACCADE: Final = (0.021, 0.126)
_TURN: Final = (0.32, 0.75)
_HEAD_LATER: Final = (0.03, 0.1)
#: Least and most seconds from when somebody begins to speak until a listener looks; sometimes it is seen coming.
_NOTICED: Final = (0.2, 0.6)
_FORESEEN: Final = 0.3
_FORESEEN_BY: Final = 0.25
#: A turn so soon after another's may be foreseen.
_NEXT: Final = 1.2
#: Shorter turns turn nobody's head; pauses so short do not end a turn.
_SHORT: Final = 0.35
_SAME_TURN: Final = 1.0
#: Gaps so short are none between phrases.
_BREATH: Final = 0.25
#: How often a second voice draws attention from the first.
_DRAWN: Final = 0.6
#: Seconds on a speaker after the last word, until attention drifts.
_LULL: Final = (1.2, 2.6)
#: Seconds between moments at which somebody may look elsewhere (log-normal: median and spread), and a block of them.
_GLANCES: Final = (2.6, 0.45)
_BLOCK: Final = 60.0
#: How often such a moment is used while listening, speaking; seconds a look away or at a third lasts; least apart.
_AWAY: Final = {"listen": 0.5, "speak": 0.4}
_AWAY_SECONDS: Final = (0.5, 1.4)
_APART: Final = 1.1
#: How often a look elsewhere is at somebody else, while listening and in silence; and straight ahead in silence.
_THIRD: Final = 0.35
_AMONG: Final = 0.5
_AHEAD: Final = 0.3
#: How often whoever begins a long turn looks away first, from when on a turn is long, and for how many seconds.
_BEGINS_AWAY: Final = 0.55
_LONG_TURN: Final = 2.0
_BEGINNING: Final = (0.5, 1.2)
#: Looks away: radians, and the directions (right, down) with how often each is chosen (Andrist et al. 2014).
_FAR_AWAY: Final = (math.radians(9), math.radians(17))
_DIRECTIONS: Final = ((0.5, 0.87), (-0.5, 0.87), (1.0, 0.1), (-1.0, 0.1), (0.6, -0.8))
_OFTEN: Final = (0.25, 0.25, 0.2, 0.2, 0.1)
#: Seconds before and after now within which a conversation's partner is looked for.
_PARTNER: Final = 12.0
#: Share of a face's own small looks that is left while it looks at somebody.
_STRAY: Final = 0.15
#: Seconds in which own looks fade in or out.
_FADE: Final = 0.25
#: Somebody who moves is followed in steps of so many seconds, from so many radians on.
_PURSUED: Final = 1.0
_MOVED: Final = math.radians(1)

#: Nods: least pause, how often for who is spoken to and for others, seconds into the pause and of a nod, how deep, what
#: each next one is of the one before, and seconds between two.
_PAUSE: Final = 0.5
_NODS: Final = {True: 0.6, False: 0.35}
_NOD_LATER: Final = (0.05, 0.2)
_NOD_SECONDS: Final = (0.36, 0.52)
_NOD_DEPTH: Final = (math.radians(2.2), math.radians(5.5))
_NOD_FADES: Final = 0.6
_NODS_APART: Final = 2.5
#: Blinks with shifts of gaze: from so many radians on, and how many make one certain; how long they take.
_BLINK_FROM: Final = math.radians(10)
_BLINK_CERTAIN: Final = math.radians(40)
_BLINK: Final = (0.08, 0.03, 0.14)
#: Lids more closed than this are blinking already.
_SHUT: Final = 0.2

#: Streams of random numbers, one for each thing drawn. Those of :mod:`.life` are below them.
_NOTICE, _GLANCE, _OWN, _NOD, _PERSON, _LOOK = range(20, 26)


@dataclass(frozen=True, slots=True)
class SpeakingTurn:
    """A stretch of the timeline, in seconds, on which ``who`` speaks, to somebody or to nobody in particular.

    ``phrases`` are first and last seconds between which speech is heard without a pause.
    """

    who: str
    first: float
    last: float
    to: str = ""
    phrases: tuple[tuple[float, float], ...] = ()

    def saved(self) -> dict[str, Any]:
        """Return the turn fit for JSON."""
        return {
            "who": self.who, "first": self.first, "last": self.last, "to": self.to,
            "phrases": [list(phrase) for phrase in self.phrases],
        }  # fmt: skip

    @classmethod
    def of(cls, saved: Any) -> SpeakingTurn:
        """Return the turn that was saved; raises UnreadableError if it is malformed."""
        row = row_of(saved, "a turn")
        phrases = tuple(_pair(pair) for pair in _some(row.get("phrases"), "'phrases'"))
        first, last = (number_in(row, name, -_FAR, _FAR) for name in ("first", "last"))
        return cls(text_in(row, "who"), first, last, text_in(row, "to"), phrases)


@dataclass(frozen=True, slots=True)
class Bearing:
    """Where somebody is, seen from a character's head: radians to the right and down, at ``seconds`` of a timeline.

    One second is enough for who stays where he is. Right is that of a picture of the character, its own left.
    """

    seconds: tuple[float, ...]
    right: tuple[float, ...]
    down: tuple[float, ...]

    def at(self, second: float) -> tuple[float, float]:
        """Return the direction at a second."""
        if len(self.seconds) == 1:
            return self.right[0], self.down[0]
        return float(np.interp(second, self.seconds, self.right)), float(np.interp(second, self.seconds, self.down))

    @property
    def moves(self) -> bool:
        """Whether the direction changes."""
        return len({*zip(self.right, self.down, strict=True)}) > 1

    def saved(self) -> list[list[float]]:
        """Return the place fit for JSON."""
        return [list(self.seconds), list(self.right), list(self.down)]

    @classmethod
    def of(cls, saved: Any) -> Bearing:
        """Return the place that was saved; raises UnreadableError if it is malformed."""
        columns = [_numbers(column) for column in _some(saved, "a place")]
        if len(columns) != 3 or not columns[0] or len({len(column) for column in columns}) != 1:
            raise UnreadableError("a place is no direction at some seconds")
        if any(one >= other for one, other in itertools.pairwise(columns[0])):
            raise UnreadableError("the seconds of a place are not in order")
        return cls(*columns)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a character knows of the others.

    Attributes
    ----------
    turns : tuple of SpeakingTurn
        When the others speak.
    places : mapping of str to Bearing
        Where they are, and where what it looks at is.
    looks_at : str
        Name of the place it looks at all the time; empty for whoever speaks; ``-`` for nobody.
    head, eyes : bool
        Whether anything turns its head, and its eyes.
    addressed : mapping of str to str
        To whom it speaks its own lines, by their sounds, where that is known.
    """

    turns: tuple[SpeakingTurn, ...] = ()
    places: Mapping[str, Bearing] = field(default_factory=dict)
    looks_at: str = ""
    head: bool = True
    eyes: bool = True
    addressed: Mapping[str, str] = field(default_factory=dict)

    def saved(self) -> dict[str, Any]:
        """Return the surroundings fit for JSON."""
        return {
            "turns": [turn.saved() for turn in self.turns],
            "places": {name: place.saved() for name, place in self.places.items()},
            "looks_at": self.looks_at,
            "head": self.head,
            "eyes": self.eyes,
            "addressed": dict(self.addressed),
        }

    @classmethod
    def of(cls, saved: Any) -> Surroundings:
        """Return the surroundings that were saved; raises UnreadableError if they are malformed."""
        row = row_of(saved, "the surroundings")
        places, addressed = row_of(row.get("places"), "'places'"), row_of(row.get("addressed"), "'addressed'")
        return cls(
            tuple(SpeakingTurn.of(turn) for turn in _some(row.get("turns"), "'turns'")),
            {name: Bearing.of(place) for name, place in places.items()},
            text_in(row, "looks_at"),
            row.get("head") is True,
            row.get("eyes") is True,
            {sound: text_in(addressed, sound) for sound in addressed},
        )


@dataclass(frozen=True, slots=True)
class Amount:
    """How attentive a character is, and how much it nods, from a second of the timeline on: its dials."""

    second: float
    attention: float = 1.0
    nods: float = 1.0


@dataclass(frozen=True, slots=True)
class Move:
    """A smooth move of head, eyes or lids' calm (``track``): when it begins, the seconds it takes, and where it ends.

    Where moves overlap they add up, so that nothing ever jumps (Flash & Henis 1991).
    """

    track: str
    begin: float
    lasts: float
    goal: tuple[float, ...]

    @property
    def end(self) -> float:
        """The second at which it is done."""
        return self.begin + self.lasts


#: How many numbers each track has: the head turns right and down and tilts, the eyes look right and down.
_WIDTHS: Final[Mapping[str, int]] = {"head": 3, "eyes": 2, "calm": 1}


@dataclass(frozen=True, slots=True)
class Regard:
    """Where head and eyes turn to over time, and nods and blinks that go with it.

    Seconds are those of a timeline, or of a take that it is added to. ``rests`` holds where each track is before its
    first move; directions are radians to the right and down of a picture, with the face's own rest at zero. ``nods``
    are begin, seconds of each, their number and the depth of the first, ``blinks`` the seconds of their middle.
    """

    rests: tuple[tuple[float, ...], ...] = tuple((0.0,) * width for width in _WIDTHS.values())
    moves: tuple[Move, ...] = ()
    nods: tuple[tuple[float, float, int, float], ...] = ()
    blinks: tuple[float, ...] = ()

    @property
    def is_idle(self) -> bool:
        """Whether it changes nothing at all."""
        return not (self.moves or self.nods or self.blinks or any(map(any, self.rests)))

    def track(self, name: str, times: Floats) -> Floats:
        """Return head (T, 3), eyes (T, 2) or calm (T, 1) at ``times`` (T,)."""
        places = np.array([self.rests[list(_WIDTHS).index(name)], *(m.goal for m in self.moves if m.track == name)])
        found = np.repeat(places[:1], len(times), axis=0)
        begun, moving = np.zeros(len(times), np.int64), np.zeros(len(times), bool)
        for number, move in enumerate(one for one in self.moves if one.track == name):
            u = np.clip((times - move.begin) / max(move.lasts, 1e-6), 0, 1)
            found += (u * u * u * (10 - 15 * u + 6 * u * u))[:, None] * (places[number + 1] - places[number])
            begun += u > 0
            moving |= (u > 0) & (u < 1)
        found[~moving] = places[begun[~moving]]
        if name == "head":
            found[:, 1] += self._nodded(times)
        return found

    def _nodded(self, times: Floats) -> Floats:
        """Return how far nods lower the face (T,), in radians."""
        total = np.zeros(len(times))
        for begin, lasts, count, depth in self.nods:
            u = (times - begin) / lasts
            here = (u > 0) & (u < count)
            total[here] += depth * _NOD_FADES ** np.floor(u[here]) * (0.5 - 0.5 * np.cos(2 * math.pi * u[here]))
        return total

    def within(self, first: float, last: float, origin: float = 0.0, offset: float = 0.0, speed: float = 1.0) -> Regard:
        """Return what of it matters from second ``first`` to ``last``, in the seconds of a take.

        Second ``origin`` is second ``offset`` of the take, of which ``speed`` seconds pass in one.
        """
        rests, moves = [], list[Move]()
        for (name, _), rest in zip(_WIDTHS.items(), self.rests, strict=True):
            mine = [move for move in self.moves if move.track == name and move.begin < last]
            done = 0
            while done < len(mine) and max(move.end for move in mine[: done + 1]) <= first:
                done += 1
            rests.append(mine[done - 1].goal if done else rest)
            moves += mine[done:]

        def at(second: float) -> float:
            return round(offset + (second - origin) * speed, 5)

        return Regard(
            tuple(rests),
            tuple(replace(move, begin=at(move.begin), lasts=round(move.lasts * speed, 5)) for move in moves),
            tuple(
                (at(begin), round(lasts * speed, 5), count, depth)
                for begin, lasts, count, depth in self.nods
                if begin < last and begin + lasts * count > first
            ),
            tuple(at(moment) for moment in self.blinks if first - _BLINK[2] - _BLINK[1] < moment < last + _BLINK[0]),
        )

    def saved(self) -> dict[str, Any]:
        """Return it fit for JSON."""
        return {
            "part": PART,
            "rests": [list(rest) for rest in self.rests],
            "moves": [[move.track, move.begin, move.lasts, *move.goal] for move in self.moves],
            "nods": [list(nod) for nod in self.nods],
            "blinks": list(self.blinks),
        }

    @classmethod
    def of(cls, saved: Mapping[str, Any]) -> Regard:
        """Return the regard that was saved; raises ValueError if it is malformed."""
        try:
            rests = tuple(_numbers(rest) for rest in _some(saved.get("rests"), "'rests'"))
            if tuple(map(len, rests)) != tuple(_WIDTHS.values()):
                raise UnreadableError("it rests nowhere")
            moves = tuple(_move(row) for row in _some(saved.get("moves"), "'moves'"))
            nods = [_numbers(row) for row in _some(saved.get("nods"), "'nods'")]
            if any(len(nod) != 4 or nod[1] <= 0 or not 0 < nod[2] <= 100 for nod in nods):
                raise UnreadableError("a nod is none")
            blinks = _numbers(saved.get("blinks"))
        except UnreadableError as error:
            raise ValueError(f"no regard: {error}") from error
        whole = tuple((begin, lasts, int(count), depth) for begin, lasts, count, depth in nods)
        return cls(rests, moves, whole, blinks)


def _move(saved: Any) -> Move:
    """Return a move that was saved."""
    row = rows_of(saved, "a move")
    width = _WIDTHS.get(str(row[0]), 0) if row else 0
    numbers = _numbers(row[1:])
    if not width or len(numbers) != 2 + width or numbers[1] < 0:
        raise UnreadableError("a move goes nowhere")
    return Move(str(row[0]), numbers[0], numbers[1], numbers[2:])


def _some(value: Any, what: str) -> list[Any]:
    """Return a list that is not absurdly long."""
    rows = rows_of(value, what)
    if len(rows) > _MOST:
        raise UnreadableError(f"{what} has {len(rows)} entries")
    return rows


def _numbers(value: Any) -> tuple[float, ...]:
    """Return a list of numbers."""
    return tuple(number_in({"number": one}, "number", -_FAR, _FAR) for one in _some(value, "a list of numbers"))


def _pair(value: Any) -> tuple[float, float]:
    """Return two numbers."""
    numbers = _numbers(value)
    if len(numbers) != 2:
        raise UnreadableError("a phrase has no begin and end")
    return numbers[0], numbers[1]


def phrases(activity: NDArray[np.floating[Any]], fps: float) -> tuple[tuple[float, float], ...]:
    """Return first and last seconds of what is said without a pause, of a take's ``activity`` (T,) at ``fps``."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], (np.asarray(activity) > 0.5).astype(np.int8), [0]])))
    found: list[tuple[float, float]] = []
    for first, last in zip((edges[::2] / fps).tolist(), (edges[1::2] / fps).tolist(), strict=True):
        if found and first - found[-1][1] < _BREATH:
            found[-1] = (found[-1][0], last)
        else:
            found.append((first, last))
    return tuple(found)


# --- added to a face


def regarded(face: Performance, regard: Regard, scale: float = 1.0) -> Performance:
    """Return a final performance that looks where ``regard`` says; its second 0 is the performance's first frame.

    ``scale`` is a factor on what is added, for targets that multiply all motion.
    """
    if not len(face):
        return face
    times = np.arange(len(face)) / face.fps
    head, looks, calm = (regard.track(name, times) for name in _WIDTHS)
    lids = face.blink.astype(np.float64)
    for moment in regard.blinks:
        bump = np.zeros(len(face))
        Blink(moment, _BLINK, 1.0).add_to(bump, face.fps)
        near = (times > moment - 3 * _BLINK[0]) & (times < moment + 3 * _BLINK[2])
        if not (lids[near] > _SHUT).any():
            lids = np.maximum(lids, bump[:, None])
    changed = np.concatenate([head, looks, calm, lids - face.blink], axis=1)
    rows = np.flatnonzero(np.any(changed != 0, axis=1))
    if not len(rows):
        return face
    moved, gaze, blink = np.array(face.head), np.array(face.gaze), np.array(face.blink)
    landmarks, arkit = np.array(face.landmarks), np.array(face.arkit)
    offsets = landmarks[rows] - face.neutral
    eyes.open_lids(offsets, face.neutral, blink[rows])
    blink[rows] = lids[rows].astype(np.float32)
    offsets += face.neutral
    eyes.close_lids(offsets, blink[rows])
    landmarks[rows] = offsets
    held = eyes.steadying(face.head[rows])
    own = (1 - (1 - _STRAY) * calm[rows]) * (face.gaze[rows] - held) + held
    most = np.maximum(np.abs(face.gaze[rows]), eyes.LOOK_FULL)
    gaze[rows] = np.clip(own + scale * _seen_from(head[rows], looks[rows]), -most, most).astype(np.float32)
    moved[rows, :3] += (scale * np.stack([head[rows, 1], -head[rows, 0], head[rows, 2]], axis=1)).astype(np.float32)
    weights = arkit[rows]
    eyes.write_eyes(weights, blink[rows], gaze[rows])
    arkit[rows] = weights
    return replace(face, landmarks=landmarks, arkit=arkit, head=moved, gaze=gaze, blink=blink)


def _seen_from(head: Floats, looks: Floats) -> Floats:
    """Return directions ``looks`` (T, 2) as the eyes of a turned ``head`` (T, 3) see them, (T, 2)."""
    right, down = looks.T
    ways = np.stack([np.sin(right) * np.cos(down), np.sin(down), -np.cos(right) * np.cos(down)], axis=1)
    turned = rotation_matrices(np.stack([head[:, 1], -head[:, 0], head[:, 2]], axis=1))
    x, y, z = np.einsum("tji,tj->ti", turned, ways).T
    return np.stack([np.arctan2(x, -z), np.arcsin(np.clip(y, -1, 1))], axis=1)


# --- who is looked at


@dataclass(frozen=True, slots=True)
class _Glimpse:
    """A look that begins at ``second``: at somebody, or straight ahead (``name`` empty), or ``aside`` of that."""

    second: float
    name: str = ""
    aside: tuple[float, float] = (0.0, 0.0)
    brief: bool = False


def regard(
    around: Surroundings, own: Sequence[SpeakingTurn], amounts: Sequence[Amount], seed: int, span: tuple[float, float]
) -> Regard:
    """Return where a character looks, and when it nods.

    Parameters
    ----------
    around : Surroundings
        What it knows of the others.
    own : sequence of SpeakingTurn
        When it speaks itself, and to whom, in order of time.
    amounts : sequence of Amount
        Its dials, in order of time; the first holds before its second, too.
    seed : int
        Seed of all that is drawn; two characters must not have the same.
    span : (float, float)
        First and last second of the timeline that matter.

    Returns
    -------
    Regard
        In seconds of the timeline.
    """
    mind = _Mind(around, own, amounts, seed, span)
    looks = mind.looks() if around.eyes or around.head else []
    moves = _Turning(around, own, seed, span[1]).moves(looks)
    blinks = _blinks_with(moves, seed) if around.eyes else ()
    return Regard(moves=tuple(moves), nods=tuple(mind.nods()) if around.head else (), blinks=blinks)


class _Mind:
    """Decides who is looked at, moment by moment."""

    def __init__(
        self,
        around: Surroundings,
        own: Sequence[SpeakingTurn],
        amounts: Sequence[Amount],
        seed: int,
        span: tuple[float, float],
    ) -> None:
        """Remember what is known, turns with short pauses between them as one."""
        self.around, self.amounts, self.seed, self.span = around, amounts or (Amount(0.0),), seed, span
        self.turns = _joined(sorted(around.turns, key=lambda turn: (turn.first, turn.who)))
        self.own = _joined(own)
        self._queue: list[tuple[float, int, str, Any]] = []
        self._looks: list[_Glimpse] = []
        self._numbers = itertools.count()
        self._speaks: SpeakingTurn | None = None
        self._active: list[SpeakingTurn] = []
        self._mode, self._focus = "idle", ""

    @cached_property
    def others(self) -> list[str]:
        """Names of those who can be looked at, in order."""
        return sorted(name for name in self.around.places if name != self.around.looks_at)

    def amount(self, second: float) -> Amount:
        """Return the dials at a second."""
        begun = [one for one in self.amounts if one.second <= second + 1e-6]
        return begun[-1] if begun else self.amounts[0]

    def looks(self) -> list[_Glimpse]:
        """Return all looks in order of time."""
        if self.around.looks_at == "-" or not self.around.places or not any(one.attention for one in self.amounts):
            return []
        for turn in self.turns:
            if turn.last - turn.first >= _SHORT and turn.who in self.around.places:
                self._put(self._noticed(turn), "notice", turn)
                self._put(turn.last, "end", turn)
        for turn in self.own:
            rng = _rng(self.seed, _OWN, _ms(turn.first))
            self._put(turn.first - rng.uniform(0.0, _FORESEEN_BY), "own", turn)
            self._put(turn.last, "own_end", turn)
        for moment in _glances(self.seed, self.span):
            self._put(moment[0], "glance", moment[1:])
        if self.around.looks_at:
            self._mode, self._focus = "listen", self.around.looks_at
        self._look(self.span[0], self._focus)
        while self._queue:
            second, _, kind, item = heapq.heappop(self._queue)
            if second > self.span[1]:
                break
            getattr(self, f"_{kind}")(second, item)
        return self._looks

    def _put(self, second: float, kind: str, item: Any) -> None:
        heapq.heappush(self._queue, (second, next(self._numbers), kind, item))

    def _noticed(self, turn: SpeakingTurn) -> float:
        """Return when a turn of another is noticed: some tenths of a second late, or before it begins."""
        rng = _rng(self.seed, _NOTICE, _ms(turn.first))
        late, foreseen, by = rng.uniform(*_NOTICED), rng.uniform(), rng.uniform(0, _FORESEEN_BY)
        before = [one.last for one in (*self.turns, *self.own) if one is not turn and one.last <= turn.first + 1e-6]
        soon = bool(before) and turn.first - max(before) < _NEXT
        return float(turn.first - by if soon and foreseen < _FORESEEN else turn.first + late)

    def _look(self, second: float, name: str, aside: tuple[float, float] = (0.0, 0.0), brief: bool = False) -> None:
        """Look at somebody from a second on, unless the character does not care or cannot see him."""
        place = self.around.places.get(name)
        unseen = place is not None and abs(place.at(second)[0]) > _OUT_OF_SIGHT
        if not self.amount(second + _FORESEEN_BY).attention or unseen:
            name, aside = "", (0.0, 0.0)
        new = _Glimpse(round(second, 4), name, aside, brief)
        last = self._looks[-1] if self._looks else None
        if last is None or (last.name, last.aside, last.brief) != (new.name, new.aside, new.brief):
            self._looks.append(new)

    def _notice(self, second: float, turn: SpeakingTurn) -> None:
        if self.around.looks_at:
            return
        if turn.last > second:
            self._active.append(turn)
        if self._speaks is not None:
            return
        rng = _rng(self.seed, _NOTICE, _ms(turn.first), 1)
        follows, newer = rng.uniform() < self.amount(second).attention, rng.uniform() < _DRAWN
        engaged = self._mode == "listen" and any(one.who == self._focus for one in self._active if one is not turn)
        if follows and (newer or not engaged):
            self._listen(second, turn.who)
        elif not engaged:
            self._mode, self._focus = "idle", ""
            self._look(second, "")

    def _listen(self, second: float, name: str) -> None:
        self._mode, self._focus = "listen", name
        self._look(second, name)

    def _end(self, second: float, turn: SpeakingTurn) -> None:
        if turn in self._active:
            self._active.remove(turn)
        if self._speaks is None and self._focus == turn.who and not self.around.looks_at:
            self._settle(second, turn.last)

    def _settle(self, second: float, key: float) -> None:
        """Turn to whoever else speaks, or let attention drift after a while."""
        rng = _rng(self.seed, _NOTICE, _ms(key), 2)
        if self._active:
            self._put(second + rng.uniform(*_NOTICED), "turn_to", self._active[-1])
        else:
            self._put(second + rng.uniform(*_LULL), "lull", len(self._looks))

    def _turn_to(self, second: float, turn: SpeakingTurn) -> None:
        if self._speaks is None and turn in self._active:
            self._listen(second, turn.who)

    def _lull(self, _second: float, _item: int) -> None:
        if self._speaks is None and not self._active:
            self._mode = "idle"

    def _own(self, second: float, turn: SpeakingTurn) -> None:
        self._speaks, self._mode = turn, "speak"
        self._focus = self.around.looks_at or self._partner(turn)
        rng = _rng(self.seed, _OWN, _ms(turn.first), 1)
        if self._focus and turn.last - turn.first > _LONG_TURN and rng.uniform() < _BEGINS_AWAY:
            self._look(second, self._focus, _aside(rng), True)
            self._put(second + rng.uniform(*_BEGINNING), "back", len(self._looks))
        else:
            self._look(second, self._focus)

    def _partner(self, turn: SpeakingTurn) -> str:
        """Return who is spoken to: as the cast has it, else who spoke before, or next, else the nearest ahead."""
        places = self.around.places
        if turn.to in places:
            return turn.to
        said = [one for one in self.turns if one.who in places]
        before = [one for one in said if one.first < turn.first and turn.first - one.last < _PARTNER]
        after = [one for one in said if one.first >= turn.first and one.first - turn.last < _PARTNER]
        if before:
            return max(before, key=lambda one: one.last).who
        if after:
            return after[0].who
        return min(self.others, key=lambda name: abs(places[name].at(turn.first)[0]), default="")

    def _own_end(self, second: float, turn: SpeakingTurn) -> None:
        self._speaks = None
        self._mode = "listen" if self._focus else "idle"
        self._look(second, self._focus)
        if not self.around.looks_at:
            self._active = [one for one in self._active if one.last > second]
            self._settle(second, turn.last)

    def _glance(self, second: float, drawn: tuple[float, ...]) -> None:
        """Use a moment at which the character may look elsewhere."""
        if self._looks and second - self._looks[-1].second < _APART:
            return
        rng = _rng(self.seed, _LOOK, _ms(second))
        if self._mode == "idle":
            self._wander(second, drawn, rng)
            return
        amount = max(self.amount(second).attention, 0.1)
        if drawn[0] > _AWAY[self._mode] / amount or not self._focus:
            return
        if self._speaks is not None and second > self._speaks.last - _APART:
            return
        thirds = [name for name in self.others if name != self._focus]
        if thirds and (self._mode == "speak" or drawn[1] < _THIRD):
            self._look(second, thirds[int(drawn[2] * len(thirds))], brief=True)
        elif self._mode == "listen":
            self._look(second, self._focus, _aside(rng), True)
        else:
            return  # a line has looks away of its own
        self._put(second + rng.uniform(*_AWAY_SECONDS) / amount, "back", len(self._looks))

    def _wander(self, second: float, drawn: tuple[float, ...], rng: np.random.Generator) -> None:
        """Look around in silence: at the others, ahead, or at nothing."""
        chosen = drawn[1] * (1.0 if self.others else _AHEAD)
        if chosen < _AHEAD:
            self._look(second, "")
        elif chosen < _AHEAD + _AMONG:
            self._look(second, self.others[int(drawn[2] * len(self.others))])
        else:
            self._look(second, "", _aside(rng))

    def _back(self, second: float, number: int) -> None:
        if number == len(self._looks):
            self._look(second, self._focus)

    def nods(self) -> Iterator[tuple[float, float, int, float]]:
        """Yield nods in order of time: begin, seconds of each, their number, depth of the first."""
        everybody = (*self.turns, *self.own)
        spoken = sorted(phrase for turn in everybody for phrase in turn.phrases or ((turn.first, turn.last),))
        last = -math.inf
        firsts = np.array([first for first, _ in spoken])
        ends = sorted(((end, turn) for turn in self.turns for _, end in turn.phrases), key=lambda item: item[0])
        for end, turn in ends:
            rng = _rng(self.seed, _NOD, _ms(end))
            draw, later, lasts, depth, wish = rng.uniform(size=5)
            nods = self.amount(end).nods
            if not nods or not self.span[0] <= end <= self.span[1]:
                continue
            if end - turn.first < _PAUSE or end < last + _NODS_APART:
                continue
            if any(first < end - 1e-6 and until > end + 1e-6 for first, until in spoken):
                continue  # somebody speaks on
            following = firsts[firsts >= end - 1e-6]
            pause = min(float(following[0]) - end if len(following) else math.inf, self.span[1] - end)
            begin = end + _between(_NOD_LATER, later)
            each = _between(_NOD_SECONDS, lasts)
            fit = int((end + pause - begin) / each)
            often = _NODS[self._is_meant(turn)] * min(nods, 1.5)
            if pause < _PAUSE or fit < 1 or draw > often:
                continue
            last, deep = begin, _between(_NOD_DEPTH, depth) * nods
            yield _rounded(begin), _rounded(each), min(fit, 1 + int(3 * wish)), _rounded(deep)

    def _is_meant(self, turn: SpeakingTurn) -> bool:
        """Return whether a turn is spoken to this character: as the cast has it, else if its answer comes next."""
        if turn.to:
            return turn.to not in self.around.places
        return any(0 <= one.first - turn.last < _PARTNER / 4 for one in self.own)


class _Turning:
    """Turns looks into moves of eyes and head."""

    def __init__(self, around: Surroundings, own: Sequence[SpeakingTurn], seed: int, end: float) -> None:
        """Draw how much of the way this person's head goes."""
        self.around, self.own, self.seed, self.end = around, _joined(own), seed, end
        rng = _rng(seed, _PERSON)
        self.alone, self.share = rng.uniform(*_ALONE), rng.uniform(*_SHARE)
        self._steady = (0.0, 0.0, 0.0)

    def moves(self, looks: Sequence[_Glimpse]) -> list[Move]:
        """Return the moves of all looks, those of each track in order of time."""
        eyes_moves, head_moves = list[Move](), list[Move]()
        gaze, head = (0.0, 0.0), (0.0, 0.0, 0.0)
        for look, after in zip(looks, [*(one.second for one in looks[1:]), self.end], strict=False):
            rng = _rng(self.seed, _LOOK, _ms(look.second), 1)
            later, tilt = rng.uniform(*_HEAD_LATER), float(np.clip(rng.standard_normal(), -2, 2)) * _TILT
            goal, turned = self._goals(look, look.second, tilt)
            far = math.dist(goal, gaze)
            if far:
                eyes_moves.append(Move("eyes", look.second, _rounded(_SACCADE[0] + _SACCADE[1] * far), goal))
            far = math.dist(turned[:2], head[:2])
            if turned != head:
                lasts = _rounded(_TURN[0] + _TURN[1] * far)
                head_moves.append(Move("head", _rounded(look.second + later), lasts, turned))
            gaze, head = goal, turned
            for second in self._steps(look, after):
                goal, turned = self._goals(look, second + _PURSUED, head[2])
                if math.dist(goal, gaze) > _MOVED:
                    eyes_moves.append(Move("eyes", second, _PURSUED, goal))
                    if turned != head:
                        head_moves.append(Move("head", _rounded(second + 2 * later), _PURSUED, turned))
                    gaze, head = goal, turned
        return [*head_moves, *eyes_moves, *self._calm(looks)]

    def _steps(self, look: _Glimpse, until: float) -> Iterator[float]:
        """Yield seconds at which somebody who moves is looked at anew."""
        place = self.around.places.get(look.name)
        second = look.second + 0.5
        while place is not None and place.moves and second + _PURSUED / 2 < until:
            yield _rounded(second)
            second += _PURSUED

    def _goals(
        self, look: _Glimpse, second: float, tilt: float
    ) -> tuple[tuple[float, float], tuple[float, float, float]]:
        """Return where the eyes look, and how the head is turned to, for a look."""
        place = self.around.places.get(look.name)
        way = (0.0, 0.0) if place is None else place.at(second)
        if abs(way[0]) > _OUT_OF_SIGHT:
            way = (0.0, 0.0)
        wanted = way[0] + look.aside[0], way[1] + look.aside[1]
        most = HEAD_LIMITS if self.around.head else (0.0, 0.0)
        eyes_most = EYE_LIMITS if self.around.eyes else (0.0, 0.0)
        alone, share = (self.alone, self.share) if self.around.eyes else (0.0, 1.0)
        right = math.copysign(max(0.0, abs(wanted[0]) - alone) * share, wanted[0])
        down = wanted[1] * (_PITCH_SHARE if self.around.eyes else 1.0)
        if look.brief:
            right, down = (
                steady + _BRIEF_SHARE * (new - steady) for new, steady in zip((right, down), self._steady, strict=False)
            )
        turned, seen = [], []
        for goal, eye, limit, reach in zip((right, down), wanted, most, eyes_most, strict=True):
            goal = min(max(goal, eye - reach), eye + reach)  # the head goes as far as the eyes need it to
            goal = min(max(goal, -limit), limit)
            turned.append(_rounded(goal))
            seen.append(_rounded(min(max(eye, goal - reach), goal + reach)))
        tilted = _rounded(tilt) if self.around.head and (look.name or any(look.aside)) else 0.0
        head = (turned[0], turned[1], self._steady[2] if look.brief else tilted)
        if not look.brief:
            self._steady = head
        return (seen[0], seen[1]), head

    def _calm(self, looks: Sequence[_Glimpse]) -> list[Move]:
        """Return when a face's own looks are held back: while it looks at somebody and does not speak."""
        spoken = [(turn.first - _FADE, turn.last) for turn in self.own]
        marks: list[tuple[float, float]] = []
        for look in looks:
            if not any(first <= look.second < last for first, last in spoken):
                lasts = min([_FADE, *(first - look.second for first, _ in spoken if first > look.second)])
                marks.append((look.second, 1.0 if look.name else 0.0) if lasts >= _FADE / 2 else (look.second, 0.0))
        for number, (first, last) in enumerate(spoken):
            begun = [look for look in looks if look.second <= last]
            follows = number + 1 < len(spoken) and spoken[number + 1][0] < last + 2 * _FADE
            marks += [(first, 0.0), (last, float(bool(begun and begun[-1].name) and not follows))]
        found, now = list[Move](), 0.0
        for second, goal in sorted(marks, key=lambda mark: mark[0]):
            if goal != now:
                lasts = _FADE / 2 if goal and any(0 < first - second < _FADE for first, _ in spoken) else _FADE
                found.append(Move("calm", _rounded(second), lasts, (goal,)))
                now = goal
        return found


def _blinks_with(moves: Sequence[Move], seed: int) -> tuple[float, ...]:
    """Return the moments of blinks that go with shifts of gaze: the larger, the likelier."""
    found, last = [], (0.0, 0.0)
    for move in (one for one in moves if one.track == "eyes"):
        far = math.dist(move.goal, last)
        draw = _rng(seed, _LOOK, _ms(move.begin), 2).uniform()
        if far >= _BLINK_FROM and draw < far / _BLINK_CERTAIN and move.lasts < _PURSUED:
            found.append(_rounded(move.begin + _BLINK[0] / 2))
        last = (move.goal[0], move.goal[1])
    return tuple(found)


def _joined(turns: Sequence[SpeakingTurn]) -> list[SpeakingTurn]:
    """Return turns in order of time, those of one speaker with only a short pause between them as one."""
    found: list[SpeakingTurn] = []
    for turn in turns:
        mine = [k for k, one in enumerate(found) if (one.who, one.to) == (turn.who, turn.to)]
        if not mine or turn.first - found[mine[-1]].last >= _SAME_TURN:
            found.append(turn)
        else:
            one = found[mine[-1]]
            last, said = max(one.last, turn.last), (*one.phrases, *turn.phrases)
            found[mine[-1]] = replace(one, last=last, phrases=said)
    return found


def _glances(seed: int, span: tuple[float, float]) -> Iterator[tuple[float, ...]]:
    """Yield moments at which somebody may look elsewhere, each with three random numbers."""
    median, spread = _GLANCES
    for block in range(math.floor(span[0] / _BLOCK), math.floor(span[1] / _BLOCK) + 1):
        rng, second = _rng(seed, _GLANCE, block), block * _BLOCK
        while True:
            second += median * math.exp(spread * rng.standard_normal())
            drawn = rng.uniform(size=3)
            if second >= (block + 1) * _BLOCK:
                break
            if span[0] <= second <= span[1]:
                yield second, *(float(one) for one in drawn)


def _aside(rng: np.random.Generator) -> tuple[float, float]:
    """Return how far right and down of somebody a look away goes."""
    way = _DIRECTIONS[int(rng.choice(len(_DIRECTIONS), p=_OFTEN))]
    far = rng.uniform(*_FAR_AWAY)
    return _rounded(far * way[0]), _rounded(far * way[1])


def _between(limits: tuple[float, float], share: float) -> float:
    """Return the number at a share of the way between two."""
    return limits[0] + share * (limits[1] - limits[0])


def _rounded(value: float) -> float:
    """Return a number as it is saved."""
    return round(float(value), 5)


def _ms(second: float) -> int:
    """Return a second as a whole number that seeds draws about it."""
    return round(second * 1000)


def _rng(*stream: int) -> np.random.Generator:
    """Return the generator of a stream of random numbers; numbers of a stream may be below zero."""
    return np.random.default_rng([number & 0xFFFFFFFF for number in stream])
