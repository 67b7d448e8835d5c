"""Checks of a mouth against its sound: sync, drift, whether it follows at all, and what it does in silence."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..motion.smooth import lowpass
from ..phrases import counted
from .lags import Lag, lag_of
from .measures import EXPLAINED, Fault, Ground, Measure, joined, stretches
from .seen_face import LineSpan

Array = NDArray[np.float32]

#: Seconds of speech from which on a lag is believed; where mouth and sound agree this well, fewer do. Measured on
#: recorded faces (docs/lint.md).
_ENOUGH: Final = 1.5
_SURE: Final = 0.9
_LEAST: Final = 0.5
#: Least correlation for a lag to mean anything.
_MEANT: Final = 0.5
#: Seconds of speech from which on it is told that a mouth does not follow.
_FOLLOWED: Final = 3.0
#: Seconds of lag within which a mouth follows.
_NEAR: Final = 0.12
#: Seconds of a window in which the lag of a long line is read, from window to window, and how far it is looked for.
_WINDOW, _STEP, _FAR = 6.0, 3.0, 1.5
#: Windows with a lag that there must be, and milliseconds by which it must change from the first to the last.
_WINDOWS: Final = 5
_LEAST_CHANGE: Final = 50.0
#: Seconds of speech from which on the opening is judged.
_HEARD: Final = 0.6
#: Hertz up to which the lips' way in silence is counted: above it is the tracker's noise.
_SLOW: Final = 3.3
#: Seconds over which that way is counted, and of silence from which on an open mouth is told.
_WAY_SECONDS, _OPEN_SECONDS = 1.0, 1.5
#: Width of a mouth, as a multiple of its usual one in speech, from which on it smiles: smiles show teeth.
_SMILE: Final = 1.08

_NO_SOUND: Final = "it is not known what is heard"
_NO_MOUTH: Final = "the opening of the mouth cannot be measured"
_NO_EXPECTED: Final = "it is not known how the sound moves a mouth"


def measured_mouth(ground: Ground) -> Iterator[Measure]:
    """Yield what was measured of a mouth and its sound, line by line, then in silence."""
    if ground.seen.parts and not any(ground.seen.parts.get(part) for part in ("lips", "jaw")):
        yield _no_mouth(ground)
        return
    for line in ground.spans:
        yield from _of_line(ground, line)
    yield from _in_silence(ground)


def _no_mouth(ground: Ground) -> Measure:
    fault = Fault(
        0, max(ground.rows - 1, 0), 0.0, "Nothing of the character moves its mouth.", "Choose a target that has one."
    )
    return Measure("weak", "", 0.0, ground.limits.weak or 0.0, () if ground.limits.weak is None else (fault,))


def _of_line(ground: Ground, line: LineSpan) -> Iterator[Measure]:
    """Yield weak, drift, sync and follows of a line: each only if those before it did not explain it."""
    seen, limits = ground.seen, ground.limits
    last = min(line.last, ground.rows - 1)
    if seen.opening is None or ground.said is None:
        why = _NO_MOUTH if seen.opening is None else _NO_SOUND
        for check in ("weak", "drift", "sync", "follows"):
            if (limit := getattr(limits, check)) is not None:
                yield Measure(check, line.label, None, limit, remark=why)
        return
    speech = float(ground.said[line.first : last + 1].sum()) / seen.fps
    weak = _weak(ground, line, last, speech)
    if limits.weak is not None:
        yield weak
    hardly = bool(weak.faults)
    drift = _drift(ground, line, last, hardly)
    if limits.drift is not None:
        yield drift
    lag = _lag(ground, line, last)
    sync = _sync(ground, line, last, speech, lag, hardly or bool(drift.faults))
    if limits.sync is not None:
        yield sync
    if limits.follows is not None:
        yield _follows(ground, line, last, speech, lag, hardly or bool(drift.faults) or bool(sync.faults))


def _most(limit: float | None) -> float:
    """Return a limit, or infinity for a check that is left out: it explains nothing to the others."""
    return math.inf if limit is None else limit


def _weak(ground: Ground, line: LineSpan, last: int, speech: float) -> Measure:
    assert ground.seen.opening is not None and ground.said is not None
    limit = ground.limits.weak or 0.0
    rows = slice(line.first, last + 1)
    opening = ground.seen.opening[rows][ground.said[rows]]
    opening = opening[np.isfinite(opening)]
    if speech < _HEARD or len(opening) < 5:
        return Measure("weak", line.label, None, limit, remark="hardly anything is said")
    low, high = np.percentile(opening, (5, 95))
    value = float(high - low)
    if value >= limit:
        return Measure("weak", line.label, value, limit)
    fault = Fault(
        line.first,
        last,
        value,
        f"The mouth hardly opens while {speech:.1f} s of speech are heard: by {value:.3f} eye distances.",
        "Raise the amounts lips and jaw, or check that the line's keys reach the mouth.",
    )
    return Measure("weak", line.label, value, limit, (fault,))


def _lag(ground: Ground, line: LineSpan, last: int) -> Lag | None:
    seen = ground.seen
    if seen.opening is None or seen.expected is None:
        return None
    return lag_of(seen.opening, seen.expected, line.first, last, seen.fps, tolerance=_NEAR)


def _sync(ground: Ground, line: LineSpan, last: int, speech: float, lag: Lag | None, explained: bool) -> Measure:
    limit = _most(ground.limits.sync)
    if ground.seen.expected is None:
        return Measure("sync", line.label, None, limit, remark=_NO_EXPECTED)
    if explained:
        return Measure("sync", line.label, None, limit, remark=EXPLAINED)
    enough = lag is not None and (speech >= _ENOUGH or (speech >= _LEAST and lag.correlation >= _SURE))
    if lag is None or not enough:
        return Measure("sync", line.label, None, limit, remark="too little is said")
    if lag.correlation < _MEANT:
        return Measure("sync", line.label, None, limit, remark="the mouth does not follow the sound closely enough")
    value = abs(lag.seconds) * 1000
    if value <= limit:
        return Measure("sync", line.label, value, limit)
    frames, side = value / 1000 * ground.seen.fps, "behind" if lag.seconds > 0 else "ahead of"
    least = " or more" if lag.at_end else ""
    fault = Fault(
        line.first,
        last,
        value,
        f"The mouth is {value:.0f} ms ({frames:.1f} frames){least} {side} the sound.",
        f"Move the sound's strip or the keys, or adjust the amount offset by {-lag.seconds:+.2f} s.",
    )
    return Measure("sync", line.label, value, limit, (fault,))


def _follows(ground: Ground, line: LineSpan, last: int, speech: float, lag: Lag | None, explained: bool) -> Measure:
    limit = ground.limits.follows or 0.0
    if ground.seen.expected is None:
        return Measure("follows", line.label, None, limit, remark=_NO_EXPECTED)
    if explained:
        return Measure("follows", line.label, None, limit, remark=EXPLAINED)
    if lag is None or speech < _FOLLOWED:
        return Measure("follows", line.label, None, limit, remark="too little is said")
    value = max(lag.near, 0.0)
    if value >= limit:
        return Measure("follows", line.label, value, limit)
    fault = Fault(
        line.first,
        last,
        value,
        f"The mouth does not follow what is heard: its opening agrees with the sound by {value:.2f}, of 1 at best.",
        "Check that the line has the right sound and the right stretch of it, then animate it again.",
    )
    return Measure("follows", line.label, value, limit, (fault,))


def _drift(ground: Ground, line: LineSpan, last: int, hardly: bool) -> Measure:
    seen, limit = ground.seen, _most(ground.limits.drift)
    if seen.expected is None or seen.opening is None:
        return Measure("drift", line.label, None, limit, remark=_NO_EXPECTED)
    lags = [] if hardly else _lags(ground, line.first, last)
    if len(lags) < _WINDOWS:
        why = EXPLAINED if hardly else "no line is long enough"
        return Measure("drift", line.label, None, limit, remark=why)
    seconds, late = np.array(lags).T
    one, other = np.triu_indices(len(seconds), 1)
    slope = float(np.median((late[other] - late[one]) / (seconds[other] - seconds[one])))
    value, change = abs(slope) * 60_000, abs(slope) * float(seconds[-1] - seconds[0]) * 1000
    if value <= limit or change < _LEAST_CHANGE:
        return Measure("drift", line.label, min(value, limit) if change < _LEAST_CHANGE else value, limit)
    side = "later and later" if slope > 0 else "earlier and earlier"
    fault = Fault(
        line.first,
        last,
        value,
        f"The mouth comes {side}: by {value:.0f} ms a minute, {change:.0f} ms over the line ({slope:+.2%}).",
        "Check the frame rate of the scene and of the take, and the speed of the sound's strip.",
    )
    return Measure("drift", line.label, value, limit, (fault,))


def _lags(ground: Ground, first: int, last: int) -> list[tuple[float, float]]:
    """Return seconds and lags of those windows of a line in which the mouth follows the sound."""
    seen = ground.seen
    assert seen.opening is not None and seen.expected is not None and ground.said is not None
    size, step = round(_WINDOW * seen.fps), max(1, round(_STEP * seen.fps))
    found = []
    for begin in range(first, last + 2 - size, step):
        if ground.said[begin : begin + size].sum() < _ENOUGH * seen.fps:
            continue
        lag = lag_of(seen.opening, seen.expected, begin, begin + size - 1, seen.fps, _FAR)
        if lag is not None and lag.correlation >= _MEANT and not lag.at_end:
            found.append(((begin + size / 2) / seen.fps, lag.seconds))
    return found


def _in_silence(ground: Ground) -> Iterator[Measure]:
    seen, limits = ground.seen, ground.limits
    names = [name for name in ("moves_in_silence", "open_at_rest") if getattr(limits, name) is not None]
    if seen.opening is None or ground.quiet is None or not ground.quiet.any():
        why = _NO_MOUTH if seen.opening is None else _NO_SOUND if ground.quiet is None else "it is never silent"
        for name in names:
            yield Measure(name, "", None, getattr(limits, name), remark=why)
        return
    known = ground.quiet & np.isfinite(seen.opening[: ground.rows])
    way, level = _courses_in_silence(seen.opening[: ground.rows], known, seen.fps)
    moving = _beyond(ground, "moves_in_silence", way, limits.moves_in_silence)
    if limits.moves_in_silence is not None:
        yield moving
    for fault in moving.faults:
        level[fault.first : fault.last + 1] = np.nan
    level[_smiles(ground)] = np.nan
    if limits.open_at_rest is not None:
        yield _beyond(ground, "open_at_rest", level, limits.open_at_rest)


def _smiles(ground: Ground) -> NDArray[np.bool_]:
    """Return where (F,) the mouth is wider than it mostly is while it speaks."""
    width, said = ground.seen.width, ground.said
    if width is None or said is None or not np.isfinite(width[: ground.rows][said]).any():
        return np.zeros(ground.rows, bool)
    usual = float(np.nanmedian(width[: ground.rows][said]))
    smiles: NDArray[np.bool_] = np.nan_to_num(width[: ground.rows]) > _SMILE * usual
    return smiles


def _courses_in_silence(
    opening: Array, known: NDArray[np.bool_], fps: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the lips' way in eye distances per second (F,), and the opening (F,), NaN where they do not count."""
    way, level = np.full(len(opening), np.nan), np.full(len(opening), np.nan)
    for first, last in stretches(known, round(_WAY_SECONDS * fps)):
        smooth = lowpass(opening[first : last + 1], _SLOW, fps)
        steps = np.abs(np.diff(smooth, prepend=smooth[:1]))
        size = max(2, round(_WAY_SECONDS * fps))
        total = np.convolve(steps, np.ones(size), "valid") / size * fps
        # each window tells of all its rows: the greatest that holds a row counts
        for at, value in enumerate(total):
            way[first + at : first + at + size] = np.fmax(way[first + at : first + at + size], value)
        if last + 1 - first >= _OPEN_SECONDS * fps:
            level[first : last + 1] = smooth
    return way, level


def _beyond(ground: Ground, check: str, course: NDArray[np.float64], limit: float | None) -> Measure:
    """Return the measure of a check in silence: its worst row, and the stretches beyond the limit."""
    if limit is None or not np.isfinite(course).any():
        return Measure(check, "", None, limit or 0.0, remark="no silence is long enough")
    faults = []
    least = _OPEN_SECONDS if check == "open_at_rest" else 0.0
    for first, last in joined(np.nan_to_num(course) > limit, ground.seen.fps):
        seconds, value = (last + 1 - first) / ground.seen.fps, float(np.nanmax(course[first : last + 1]))
        if seconds < least:
            continue
        if check == "open_at_rest":
            said = f"The mouth stands open for {seconds:.1f} s in which nothing is said: by {value:.2f} eye distances."
            cure = "Raise the amount rest, or key the mouth shut after the line."
        else:
            count = counted(max(1, round(seconds * ground.seen.fps)), "frame")
            said = f"The mouth opens and shuts for {seconds:.1f} s ({count}) in which nothing is said."
            cure = "Remove the keys there, or check that the sound of the line is heard."
        faults.append(Fault(first, last, value, said, cure))
    worst = float(np.nanmax(course))
    return Measure(check, "", worst if faults or check != "open_at_rest" else min(worst, limit), limit, tuple(faults))
