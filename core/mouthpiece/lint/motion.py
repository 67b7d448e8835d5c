"""Checks of motion by itself, whatever is heard: steps, shaking, and faces that stand still."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .measures import Fault, Ground, Measure, joined, line_at, stretches

Course = NDArray[np.float64]

#: Largest step from one frame at 25 a second to the next of which those next to it are no part, in 999 of 1000 frames
#: of recorded faces: opening and width in eye distances, head in radians.
_STEPS: Final = {"opening": 0.14, "width": 0.08, "head": 0.08}
#: What is left of recorded motion between frames, as root mean square over a second, at most: the tracker's noise.
_SHAKES: Final = {"opening": 0.02, "width": 0.015, "head": 0.02}
#: Share of that up to which steps are not looked at.
_SMALL: Final = 0.2
#: Frames on either side of a step that are looked at, and of the end of a line.
_NEAR: Final = 3
#: Frames a second at which those figures hold; at more, faces go less far from one frame to the next.
_CALIBRATED: Final = 25.0
#: Binomial weights that leave what alternates from frame to frame, and hardly anything of motion that is slower.
_ALTERNATING: Final = np.array([1.0, -4.0, 6.0, -4.0, 1.0]) / 16
#: Frames a second below which faces that are well step and shake from frame to frame, as words are quicker.
_FEWEST: Final = 10.0
#: How far each course may go within a second while it counts as still: a calm listener's head goes a few milliradians.
_STILL: Final = {"opening": 0.004, "width": 0.004, "lids": 0.02, "gaze": 0.004, "head": 0.001}
#: The same for what a tracker saw, whose noise is no motion.
_STILL_TRACKED: Final = {"opening": 0.015, "width": 0.015, "lids": 0.05, "gaze": 0.035, "head": 0.02}
#: What moves in every second of a living face, so that without it nothing can be told.
_ALIVE: Final = ("head", "gaze")
_PARTS: Final = {"opening": "mouth", "width": "mouth", "head": "head"}
_NOTHING: Final = "nothing of it can be measured"
_TOO_SLOW: Final = "there are too few frames a second"


def measured_motion(ground: Ground) -> Iterator[Measure]:
    """Yield the measures of ``jump``, ``jitter`` and ``frozen``."""
    if ground.limits.jump is not None:
        yield _jump(ground, ground.limits.jump)
    if ground.limits.jitter is not None:
        yield _jitter(ground, ground.limits.jitter)
    if ground.limits.frozen is not None:
        yield _frozen(ground, ground.limits.frozen)


def _courses(ground: Ground, names: Iterable[str]) -> dict[str, Course]:
    """Return those courses (F, C) that were measured, by name."""
    found = {}
    for name in names:
        course = getattr(ground.seen, name)
        if course is not None and len(course):
            found[name] = np.asarray(course[: ground.rows], np.float64).reshape(min(len(course), ground.rows), -1)
    return found


def _smooth_ones(ground: Ground, names: Iterable[str]) -> dict[str, Course]:
    """Return those courses (F, C) that were measured, without those of a mouth that is drawn in steps."""
    courses = _courses(ground, names)
    return {name: each for name, each in courses.items() if not (ground.steps and _PARTS[name] == "mouth")}


def _jump(ground: Ground, limit: float) -> Measure:
    courses = _smooth_ones(ground, _STEPS)
    if not courses or ground.rows < 2 * _NEAR or ground.seen.fps < _FEWEST:
        return Measure("jump", "", None, limit, remark=_TOO_SLOW if ground.seen.fps < _FEWEST else _NOTHING)
    slower = max(1.0, ground.seen.fps / _CALIBRATED)
    sizes = {name: _steps(course, _STEPS[name] / slower) for name, course in courses.items()}
    worst = np.max(list(sizes.values()), axis=0)
    edges = np.zeros(ground.rows, bool)
    for line in ground.spans:
        for row in (line.first, min(line.last, ground.rows - 1) + 1):
            # where the face begins with its line or ends with it, nothing is before it or after it
            if 0 < row < ground.rows:
                edges[max(0, row - _NEAR) : row + _NEAR] = True
    scaled = np.where(edges, 2 * worst, worst)
    faults = []
    for first, last in joined(scaled > limit, ground.seen.fps):
        at = first + int(scaled[first : last + 1].argmax())
        what = max(sizes, key=lambda name: float(sizes[name][at]))
        where = " at the end of a line" if edges[at] else ""
        faults.append(
            Fault(
                first - 1,
                last,
                float(scaled[at]),
                f"The {_PARTS[what]} jumps from one frame to the next{where}.",
                "Look at the keys there: a cut, a missing key or a line that is cut off. The amount rest leads out of "
                "lines and into them.",
            )
        )
    return Measure("jump", "", float(scaled.max()), limit, tuple(faults))


def _steps(course: Course, fastest: float) -> Course:
    """Return how far a course (F, C) steps into each row (F,), beyond what it moves just before and after that.

    The unit is ``fastest``; steps that are small beside it are 0.
    """
    way = np.linalg.norm(np.diff(course, axis=0), axis=1)
    beside = np.concatenate(([0.0], way, [0.0]))
    alone = np.nan_to_num(way - np.fmax(beside[:-2], beside[2:]))
    steps = np.zeros(len(course))
    for row in np.flatnonzero(alone > _SMALL * fastest) + 1:
        before, after = course[max(0, row - _NEAR) : row], course[row : row + _NEAR]
        if min(len(before), len(after)) < _NEAR or not (np.isfinite(before).all() and np.isfinite(after).all()):
            continue
        apart = float(np.linalg.norm(np.median(after, axis=0) - np.median(before, axis=0)))
        spread = max(float(np.ptp(before, axis=0).max()), float(np.ptp(after, axis=0).max()))
        steps[row] = max(0.0, min(float(alone[row - 1]), apart - spread)) / fastest
    return steps


def _jitter(ground: Ground, limit: float) -> Measure:
    courses = _smooth_ones(ground, _SHAKES)
    size = max(5, round(ground.seen.fps))
    if ground.seen.fps < _FEWEST:
        return Measure("jitter", "", None, limit, remark=_TOO_SLOW)
    if not courses or ground.rows < size + 4:
        return Measure("jitter", "", None, limit, remark="there are too few frames" if courses else _NOTHING)
    shakes = {name: _shake(course, size) / _SHAKES[name] for name, course in courses.items()}
    worst = np.max(list(shakes.values()), axis=0)
    faults = []
    for first, last in joined(worst > limit, ground.seen.fps):
        at = first + int(worst[first : last + 1].argmax())
        what = max(shakes, key=lambda name: float(shakes[name][at]))
        faults.append(
            Fault(
                first,
                last,
                float(worst[at]),
                f"The {_PARTS[what]} shakes from frame to frame for {(last + 1 - first) / ground.seen.fps:.1f} s.",
                "Raise the amount smoothing, or look for keys of two lines in turn.",
            )
        )
    return Measure("jitter", "", float(worst.max()), limit, tuple(faults))


def _shake(course: Course, size: int) -> Course:
    """Return the root mean square (F,), over ``size`` rows around each, of what alternates from row to row."""
    power = np.zeros(len(course))
    for column in course.T:
        alternating = np.convolve(column, _ALTERNATING, "same")
        alternating[:2] = alternating[-2:] = 0
        power += np.nan_to_num(alternating) ** 2
    mean = np.convolve(power, np.ones(size) / size, "same")
    shake: Course = np.sqrt(np.maximum(mean, 0))
    return shake


def _frozen(ground: Ground, limit: float) -> Measure:
    courses = _courses(ground, _STILL)
    if not any(name in courses for name in _ALIVE):
        return Measure("frozen", "", None, limit, remark="neither head nor gaze can be measured")
    size = max(2, round(ground.seen.fps))
    if ground.rows <= size:
        return Measure("frozen", "", None, limit, remark="there are too few frames")
    still, reach = np.ones(ground.rows, bool), _STILL_TRACKED if ground.seen.tracked else _STILL
    for name, course in courses.items():
        still &= _is_still(course, reach[name], size)
    longest, faults = 0.0, []
    for first, last in stretches(still):
        seconds = (last + 1 - first) / ground.seen.fps
        longest = max(longest, seconds)
        if seconds > limit:
            line = line_at(ground, (first + last) // 2)
            where = "in the middle of its line" if line else "between its lines" if ground.spans else ""
            faults.append(
                Fault(
                    first,
                    last,
                    seconds,
                    f"The face stands still for {seconds:.1f} s{' ' * bool(where)}{where}: no blink, no look, no head.",
                    "Raise the amount life, or let the character listen." if not line else "Animate the line again.",
                )
            )
    return Measure("frozen", "", longest, limit, tuple(faults))


def _is_still(course: Course, reach: float, size: int) -> NDArray[np.bool_]:
    """Return the rows (F,) that lie in any ``size`` rows in which a course (F, C) keeps within ``reach``."""
    if len(course) < size:
        return np.zeros(len(course), bool)
    windows = np.lib.stride_tricks.sliding_window_view(course, size, axis=0)
    within = (windows.max(axis=2) - windows.min(axis=2) <= reach).all(axis=1)
    spread = np.zeros(len(course) + 1, int)
    np.add.at(spread, np.flatnonzero(within), 1)
    np.add.at(spread, np.flatnonzero(within) + size, -1)
    rows: NDArray[np.bool_] = np.cumsum(spread)[:-1] > 0
    return rows
