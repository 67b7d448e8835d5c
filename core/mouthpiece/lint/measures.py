"""What a check measures on one line, and stretches of frames."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..motion.smooth import hold_near
from .limits import Limits
from .seen_face import LineSpan, SeenFace

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]

#: Why something was not judged of which another check has found the cause.
EXPLAINED: Final = "another check tells why not"
#: Probability from which on somebody speaks; loudness, in dB below a line's loudest, where only that is known.
_SPOKEN: Final = 0.3
_SPOKEN_DB: Final = -30.0
#: Seconds before and after what is said in which a mouth may move: lips open before speech and shut after it.
_ANTICIPATION: Final = 0.4
#: Stretches with a fault that are nearer to each other than so many seconds are one.
_ONE: Final = 0.5


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault on rows ``first`` to ``last``, both included: what was measured, and two sentences for people."""

    first: int
    last: int
    value: float
    sentence: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Measure:
    """What a check measured on a line, or on all of a character.

    Attributes
    ----------
    check : str
        Name of the check.
    line : str
        The line; empty for the character as a whole.
    value : float or None
        What was measured, the worst of it; None if that could not be judged.
    limit : float
        What it may be.
    faults : tuple of Fault
        Where it is beyond the limit.
    remark : str
        Why it could not be judged.
    counts : tuple of int, or None
        How many contacts are met and missed; None in checks that count none.
    """

    check: str
    line: str
    value: float | None
    limit: float
    faults: tuple[Fault, ...] = ()
    remark: str = ""
    counts: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """A character with what several checks ask of it.

    Attributes
    ----------
    seen : SeenFace
        The character.
    limits : Limits
        Its limits.
    rows : int
        Number of frames.
    said : (F,) bool or None
        Where it says something; None if that is not known.
    quiet : (F,) bool or None
        Where it says nothing and is not about to, nor has just done so.
    steps : bool
        Whether its mouth is drawn in steps, as on twos or of a chart: then it jumps, and is meant to.
    """

    seen: SeenFace
    limits: Limits
    rows: int
    said: Mask | None
    quiet: Mask | None
    steps: bool

    @property
    def spans(self) -> tuple[LineSpan, ...]:
        """The lines, with rows that there are."""
        return tuple(line for line in self.seen.lines if 0 <= line.first <= line.last and line.first < self.rows)


def ground_of(seen: SeenFace, limits: Limits) -> Ground:
    """Return what the checks of a character share."""
    courses = (seen.opening, seen.width, seen.lids, seen.gaze, seen.head, seen.loudness, seen.speech, seen.expected)
    rows = min((len(course) for course in courses if course is not None), default=0)
    if not rows:
        rows = max((line.last + 1 for line in seen.lines), default=0)
    said = _said(seen, rows)
    quiet = None if said is None or not rows else ~hold_near(said, _ANTICIPATION, seen.fps)
    return Ground(seen, limits, rows, said, quiet, _is_stepped(seen.opening))


def _said(seen: SeenFace, rows: int) -> Mask | None:
    if seen.speech is not None:
        return np.asarray(np.nan_to_num(seen.speech[:rows]) > _SPOKEN)
    if seen.loudness is not None:
        return np.asarray(np.nan_to_num(seen.loudness[:rows], nan=-120.0) > _SPOKEN_DB)
    return None


def _is_stepped(opening: Array | None) -> bool:
    """Return whether an opening (F,) is held again and again while it moves: every other frame of speech or more."""
    if opening is None or len(opening) < 2:
        return False
    change = np.abs(np.diff(np.nan_to_num(opening)))
    moves = change > 1e-5
    held = ~moves
    # a held frame counts only between two moves that are less than half a second apart, else the mouth rests
    at = np.flatnonzero(moves)
    gaps = np.diff(at) - 1
    within = gaps[gaps < 12]
    return bool(len(within) > 10 and held.any() and within.sum() > 0.8 * len(within))


def stretches(mask: Mask, least: int = 1) -> Iterator[tuple[int, int]]:
    """Yield the first and last row of each true stretch of ``mask`` (F,) of at least so many rows."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], mask, [False])).astype(np.int8)))
    for first, stop in zip(edges[::2], edges[1::2], strict=True):
        if stop - first >= least:
            yield int(first), int(stop) - 1


def joined(mask: Mask, fps: float) -> Iterator[tuple[int, int]]:
    """Yield the first and last row of each stretch of ``mask`` (F,), those near each other as one."""
    pending: tuple[int, int] | None = None
    for first, last in stretches(mask):
        if pending is not None and first - pending[1] <= _ONE * fps:
            pending = (pending[0], last)
            continue
        if pending is not None:
            yield pending
        pending = (first, last)
    if pending is not None:
        yield pending


def line_at(ground: Ground, row: int) -> str:
    """Return the label of the line that a row lies in; empty outside of lines."""
    return next((line.label for line in ground.spans if line.first <= row <= line.last), "")
