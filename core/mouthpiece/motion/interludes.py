"""Interludes: the stretches of a timeline on which a character says nothing, before, between and after its lines.

A line ends in rest: the lips close and the lids open within a few frames, brows and head take longer. The next line is
reached in the same way. Where the gap between two lines is too short for that, they meet directly; and where it is too
short even for the head to get from one to the other, the ends of the lines give way (:func:`bends`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..performance import Performance
from ..topology import ARKIT_NAMES, JAW, LANDMARK_COUNT, LIPS
from . import eyes, mouth

Floats = NDArray[np.float64]

#: Landmarks and weights that close with the mouth, and those of the upper face. Lids and looks are kept apart.
_MOUTH: Final = [*JAW, *LIPS]
_UPPER: Final = [point for point in range(LANDMARK_COUNT) if point not in _MOUTH]
_MOUTH_COLUMNS: Final = list(mouth.COLUMNS)
_UPPER_COLUMNS: Final = [
    column
    for column, name in enumerate(ARKIT_NAMES)
    if column not in _MOUTH_COLUMNS and not name.startswith(("eyeBlink", "eyeLook"))
]


@dataclass(frozen=True, slots=True)
class _Pace:
    """How a part of the face comes to rest: seconds it takes ``out`` of a line and ``into`` the next one.

    ``carry`` is how far, in its unit, it may go on the way it was moving: 0 for parts that never overshoot.
    """

    out: float
    into: float
    carry: float = 0.0


_PACES: Final[Mapping[str, _Pace]] = {
    "mouth": _Pace(0.2, 0.15),
    "tongue": _Pace(0.2, 0.12),
    "lids": _Pace(0.25, 0.15, 0.5),
    "upper": _Pace(0.7, 0.5),
    "head": _Pace(1.0, 1.0, 0.15),
    "looks": _Pace(0.2, 0.2),
}
#: Longest time, in seconds, from which on an interlude knows nothing of the line before or after it.
REACH: Final = 1.6
#: Speed, in radians a second, from which on the head takes longer to rest.
_HEAD_SPEED: Final = 0.45
#: Frames of a line that are enough to see how it moves at its end.
EDGE: Final = 3

#: For each part whose motion gives way where two lines touch: the greatest speed this adds, in its unit a second, and
#: the jump, in its unit, that is left alone. Looks may jump; the mouth belongs to the words.
_GIVING_WAY: Final = {"head": (0.3, 0.008), "upper": (0.4, 0.02), "lids": (7.0, 0.15)}
#: Most seconds of a line in which it gives way.
_MOST_BENT: Final = 0.6
#: The line before the place where two lines meet, and the one after it.
_SIDES: Final = (-1, 1)


def interlude(still: Performance, before: Performance | None, after: Performance | None, rest: float) -> Performance:
    """Return what a face does between two lines.

    Parameters
    ----------
    still : Performance
        The silent face on the frames of the interlude (:func:`mouthpiece.motion.life.alive`), style and dials applied.
    before, after : Performance, optional
        The last frames of the line before and the first ones of the line after, up to :data:`EDGE` of them, at the rate
        of ``still``; the nearest one is one frame away from the interlude. None if there is no line.
    rest : float
        How far the face comes to rest, 0 to 1: 0 goes straight from line to line.

    Returns
    -------
    Performance
        As long as ``still``, with neither style nor dials.
    """
    fps = still.fps
    if not len(still):
        return still
    rested = _parts(still)
    ends = None if before is None or not len(before) else _parts(before)
    begins = None if after is None or not len(after) else _parts(after)
    made = {}
    for name, course in rested.items():
        end = None if ends is None else _Edge.of(ends[name], fps)
        begin = None if begins is None else _Edge.of(begins[name], fps, True)
        eased = _eased(course, end, begin, fps, _PACES[name], name == "head")
        straight = _straight(course, end, begin)
        made[name] = straight + rest * (eased - straight)
    made["lids"] = np.clip(made["lids"], 0, 1)
    return _whole(still, made)


@dataclass(frozen=True, slots=True, eq=False)
class _Edge:
    """Where a part is at the end of a line, (N,), and how fast it moves there, in units a second."""

    place: Floats
    speed: Floats

    @classmethod
    def of(cls, course: Floats, fps: float, first: bool = False) -> _Edge:
        """Return the edge at the last frame of ``course`` (T, N), or at its first one."""
        near = course[:EDGE] if first else course[-EDGE:]
        speed = (near[-1] - near[0]) * fps / max(len(near) - 1, 1)
        return cls(near[0] if first else near[-1], speed)


def _parts(face: Performance) -> dict[str, Floats]:
    """Return the motion of each part of a face, (T, N) by name; lids apart from the eyes, looks apart from the head."""
    offsets = np.array(face.landmarks - face.neutral, np.float32)
    eyes.open_lids(offsets, face.neutral, face.blink)
    shifts = offsets.astype(np.float64)
    arkit = face.arkit.astype(np.float64)
    count = len(face)
    return {
        "mouth": np.concatenate([shifts[:, _MOUTH].reshape(count, -1), arkit[:, _MOUTH_COLUMNS]], axis=1),
        "upper": np.concatenate([shifts[:, _UPPER].reshape(count, -1), arkit[:, _UPPER_COLUMNS]], axis=1),
        "lids": face.blink.astype(np.float64),
        "tongue": face.tongue.astype(np.float64),
        "head": face.head.astype(np.float64),
        "looks": (face.gaze - eyes.steadying(face.head)).astype(np.float64),
    }


def _whole(face: Performance, parts: Mapping[str, Floats]) -> Performance:
    """Return ``face`` with the motion of ``parts``; it must be final."""
    count = len(face)
    offsets = np.zeros((count, LANDMARK_COUNT, 3))
    arkit = np.zeros((count, len(ARKIT_NAMES)), np.float32)
    for name, points, columns in (("mouth", _MOUTH, _MOUTH_COLUMNS), ("upper", _UPPER, _UPPER_COLUMNS)):
        split = 3 * len(points)
        offsets[:, points] = parts[name][:, :split].reshape(count, -1, 3)
        arkit[:, columns] = np.clip(parts[name][:, split:], 0, 1)
    head = parts["head"].astype(np.float32)
    gaze = parts["looks"].astype(np.float32) + eyes.steadying(head)
    blink = np.clip(parts["lids"], 0, 1).astype(np.float32)
    landmarks = (offsets + face.neutral).astype(np.float32)
    eyes.close_lids(landmarks, blink)
    eyes.write_eyes(arkit, blink, gaze)
    tongue = np.clip(parts["tongue"], -1, 1).astype(np.float32)
    return replace(face, landmarks=landmarks, arkit=arkit, head=head, gaze=gaze, blink=blink, tongue=tongue)


def _straight(course: Floats, end: _Edge | None, begin: _Edge | None) -> Floats:
    """Return the way (T, N) straight from the line before to the line after, or the pose of the only one held."""
    if end is None and begin is None:
        return course
    here = begin if end is None else end
    there = end if begin is None else begin
    assert here is not None and there is not None  # one of the two is there
    share = (np.arange(1, len(course) + 1) / (len(course) + 1))[:, None]
    way: Floats = here.place + share * (there.place - here.place)
    return way


def _eased(
    course: Floats, end: _Edge | None, begin: _Edge | None, fps: float, pace: _Pace, turning: bool
) -> Floats:  # fmt: skip
    """Return ``course`` (T, N) of a silent face, reached from the end of a line and left for the begin of the next."""
    count = len(course)
    whole = (count + 1) / fps
    times = np.arange(1, count + 1) / fps
    out = _time(end, course[:1], pace.out, turning)
    into = _time(begin, course[-1:], pace.into, turning)
    both = end is not None and begin is not None
    crowded = min(whole / (out + into), 1.0) if both else 1.0
    total = course.copy()
    if end is not None and count:
        speed = (course[1] - course[0]) * fps if count > 1 else np.zeros(course.shape[1])
        total += _decay(end.place - course[0], end.speed - speed, times, out * crowded, pace.carry)
    if begin is not None and count:
        speed = (course[-1] - course[-2]) * fps if count > 1 else np.zeros(course.shape[1])
        total += _decay(begin.place - course[-1], speed - begin.speed, whole - times, into * crowded, pace.carry)
    if not both or crowded == 1:
        return total
    assert end is not None and begin is not None
    # The shorter the gap, the more directly the lines meet.
    share = crowded * crowded * (3 - 2 * crowded)
    offset = _decay(end.place - begin.place, end.speed, times, whole, pace.carry)
    back = _decay(np.zeros_like(begin.place), -begin.speed, whole - times, whole, pace.carry)
    met: Floats = begin.place + offset + back
    return met + share * (total - met)


def _time(edge: _Edge | None, near: Floats, seconds: float, turning: bool) -> float:
    """Return the seconds a part takes between a line's edge and rest; a head that is far away takes longer."""
    if edge is None or not turning or not len(near):
        return seconds
    far = float(np.abs(edge.place - near[0])[:3].max())
    return float(np.clip(1.5 * far / _HEAD_SPEED, seconds, REACH))


def _decay(far: Floats, speed: Floats, times: Floats, seconds: float, carry: float) -> Floats:
    """Return how an offset ``far`` (N,) that moves at ``speed`` (N,) comes to zero: at ``times`` (T,), (T, N).

    A cubic Hermite curve that takes ``seconds``. The speed is limited so that it goes at most about ``carry`` / 7 in
    the wrong direction.
    """
    tangent = speed * seconds
    straight = -3 * far
    tangent = np.clip(tangent, np.minimum(straight, 0) - carry, np.maximum(straight, 0) + carry)
    u = np.clip(times / max(seconds, 1e-9), 0, 1)[:, None]
    return (1 + 2 * u) * (1 - u) ** 2 * far + u * (1 - u) ** 2 * tangent


@dataclass(frozen=True, slots=True)
class Bend:
    """How a part of a line gives way near one end, so that the line meets its neighbour.

    Attributes
    ----------
    part : str
        The part of the face: ``head``, ``upper`` or ``lids``.
    second : float
        Second of the take at that end.
    side : int
        -1 if the line comes before the place where two lines meet, 1 if it comes after it.
    half, whole : float
        Seconds of the take within which it gives way, and the length of the whole transition.
    offset : tuple of float
        What is added at full strength, in the order of the part's numbers.
    """

    part: str
    second: float
    side: int
    half: float
    whole: float
    offset: tuple[float, ...]

    @classmethod
    def of(cls, saved: Mapping[str, Any]) -> Bend:
        """Return the bend that :meth:`saved` described; raises KeyError, TypeError or ValueError if it is malformed."""
        found = cls(
            str(saved["part"]),
            float(saved["second"]),
            int(saved["side"]),
            float(saved["half"]),
            float(saved["whole"]),
            tuple(float(value) for value in saved["offset"]),
        )
        if found.part not in _GIVING_WAY or found.side not in _SIDES or found.whole <= 0:
            raise ValueError(f"no bend: {found.part}")
        return found

    def saved(self) -> dict[str, Any]:
        """Return the bend fit for JSON."""
        return {
            "part": self.part,
            "second": self.second,
            "side": self.side,
            "half": self.half,
            "whole": self.whole,
            "offset": list(self.offset),
        }


def bends(
    before: Performance, after: Performance, gap: int, at: tuple[float, float], speeds: tuple[float, float] = (1.0, 1.0)
) -> tuple[list[Bend], list[Bend]]:
    """Return how two lines give way to each other, the one before and the one after.

    Parameters
    ----------
    before, after : Performance
        The last frames of the one and the first frames of the other, up to :data:`EDGE` of them, final and not bent.
    gap : int
        Frames between the last frame of the one and the first frame of the other.
    at : (float, float)
        Second of its own take at the last frame of the one, and at the first frame of the other.
    speeds : (float, float)
        Seconds of each take that pass in a second.

    Returns
    -------
    (list of Bend, list of Bend)
        Both empty if the lines go on from each other, or if the gap is long enough.
    """
    fps = before.fps
    time = (gap + 1) / fps
    ends, begins = _parts(before), _parts(after)
    found: tuple[list[Bend], list[Bend]] = ([], [])
    for name, (speed, least) in _GIVING_WAY.items():
        end, begin = _Edge.of(ends[name], fps), _Edge.of(begins[name], fps, True)
        # One motion that goes on through the place where it was cut does not jump.
        jump = begin.place - end.place - (end.speed + begin.speed) / 2 * min(time, 2 / fps)
        far = float(np.abs(jump).max(initial=0.0))
        wanted = 1.5 * far / speed
        if far < least or wanted <= time:
            continue
        half = min((wanted - time) / 2, _MOST_BENT)
        for side, lines, second, rate in zip(_SIDES, found, at, speeds, strict=True):
            offset = tuple(round(float(-side * value), 5) for value in jump)
            lines.append(Bend(name, round(second, 6), side, half * rate, (2 * half + time) * rate, offset))
    return found


def bent(face: Performance, given: Iterable[Bend]) -> Performance:
    """Return a final performance with its bends applied."""
    wanted = [bend for bend in given if bend.half > 0]
    if not wanted or not len(face):
        return face
    parts = _parts(face)
    times = np.arange(len(face)) / face.fps
    touched = np.zeros(len(face), bool)
    for bend in wanted:
        away = (bend.second - times) if bend.side < 0 else (times - bend.second)
        share = np.clip((bend.half - np.maximum(away, 0)) / bend.whole, 0, 1)
        here = share > 0
        touched |= here
        smooth = (share * share * (3 - 2 * share))[here]
        parts[bend.part][here] += smooth[:, None] * np.array(bend.offset)
    rows = np.flatnonzero(touched)
    if not len(rows):
        return face
    made = _whole(_rows(face, rows), {name: course[rows] for name, course in parts.items()})
    arrays: dict[str, Any] = {
        name: np.array(getattr(face, name)) for name in ("landmarks", "arkit", "head", "gaze", "blink")
    }
    for name, array in arrays.items():
        array[rows] = getattr(made, name)
    return replace(face, **arrays)


def _rows(face: Performance, rows: NDArray[np.int64]) -> Performance:
    """Return the frames ``rows`` of a final performance."""
    names: Sequence[str] = ("landmarks", "arkit", "head", "gaze", "blink", "activity", "tongue", "style", "style_head")
    chosen: dict[str, Any] = {name: getattr(face, name)[rows] for name in names}
    return replace(face, **chosen)
