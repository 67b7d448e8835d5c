"""Reduces the keys of curves to as few as an allowed error permits.

Between two keys a curve is a cubic whose slopes at both ends are those of the samples there (with handles a third of
the way to the next key, Blender evaluates exactly that cubic in time). A span needs no keys inside if its cubic misses
no sample by more than the error; of all such spans, the shortest path picks those with the fewest keys. Turning points
and the ends of stretches at rest always have keys, with level tangents, so that a mouth that shuts still shuts.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: Lengths of the spans between keys that are tried, in frames.
_SPANS: Final = (*range(2, 25), 28, 32, 40, 48, 64, 96, 128)
#: Share of the error kept for rounding to single floats, and differences that count as rounding at any error.
_MARGIN: Final = 0.03
_ROUNDING: Final = 1e-5
#: Least number of equal frames in a row that count as a rest.
_RESTING: Final = 3


@dataclass(frozen=True, slots=True, eq=False)
class Keyed:
    """Keys of one channel.

    Attributes
    ----------
    frames : (K,) int64
        Indices of the samples that are keys, ascending; the first and the last sample are among them.
    slopes : (K,) float64
        Slope of the curve at each, in the channel's unit per frame.
    """

    frames: NDArray[np.int64]
    slopes: Array


def reduced(values: NDArray[np.floating], error: float) -> list[Keyed]:
    """Return, for each column of ``values`` (F, C), the fewest keys that miss no value by more than ``error``.

    Rows are frames, and ``error`` is in the columns' own units. There is a key on every frame if ``error`` is not
    above 0 or there are too few frames to leave any out.
    """
    table = np.asarray(values, np.float64)
    count, width = table.shape
    slopes = _slopes(table)
    if count < 3 or error <= 0:
        every = np.arange(count, dtype=np.int64)
        return [Keyed(every, slopes[:, column]) for column in range(width)]
    still = (table == table[0]).all(axis=0)
    if still.any():  # at rest throughout, as most channels are where nobody speaks: keys at both ends
        ends = Keyed(np.array([0, count - 1], np.int64), np.zeros(2))
        moving = iter(reduced(table[:, ~still], error) if not still.all() else ())
        return [ends if rests else next(moving) for rests in still]
    must = _turns(table, error) | _rest_ends(table)
    allowed = max(error * (1 - _MARGIN) - _ROUNDING, 0.0)
    before = _shortest_way(_spans(table, slopes, must, allowed), _rests(table), count)
    found = []
    for column in range(width):
        frames = [count - 1]
        while frames[-1] > 0:
            frames.append(int(before[frames[-1], column]))
        chosen = np.array(frames[::-1], np.int64)
        found.append(Keyed(chosen, slopes[chosen, column]))
    return found


def refitted(values: NDArray[np.floating], frames: NDArray[np.int64], error: float) -> Keyed:
    """Return keys for ``values`` (F,) on the given ``frames``, and on more where ``error`` needs them.

    This is much faster than :func:`reduced`, for a curve that has changed a little, but gives mostly more keys.
    """
    track = np.asarray(values, np.float64)
    inside = frames[(frames > 0) & (frames < len(track) - 1)]
    rests = bool((track == track[:1]).all())
    if rests and not len(inside) and len(track) > 1:
        return Keyed(np.array([0, len(track) - 1], np.int64), np.zeros(2))
    chosen = np.unique(np.concatenate([[0], inside, [len(track) - 1]])).astype(np.int64)
    if rests:
        return Keyed(chosen, np.zeros(len(chosen)))
    slopes = _slopes(track[:, None])[:, 0]
    allowed = max(error * (1 - _MARGIN) - _ROUNDING, 0.0)
    while True:
        keyed = Keyed(chosen, slopes[chosen])
        missed = np.abs(cubic(keyed, track) - track)
        if missed.max(initial=0.0) <= allowed or len(chosen) == len(track):
            return keyed
        spans = np.maximum.reduceat(missed, chosen[:-1])
        bad = np.flatnonzero(spans > allowed)
        worst = [chosen[k] + int(missed[chosen[k] : chosen[k + 1]].argmax()) for k in bad]
        chosen = np.union1d(chosen, np.array(worst, np.int64))


def cubic(keyed: Keyed, values: NDArray[np.floating]) -> Array:
    """Return the values (F,) of a channel with these keys at every frame; ``values`` (F,) are its samples."""
    track = np.asarray(values, np.float64)
    frames = np.arange(len(track))
    place = np.clip(np.searchsorted(keyed.frames, frames, side="right") - 1, 0, max(len(keyed.frames) - 2, 0))
    if len(keyed.frames) < 2:
        return track.copy()
    first, last = keyed.frames[place], keyed.frames[place + 1]
    span = (last - first).astype(np.float64)
    ends = track[first], track[last], keyed.slopes[place] * span, keyed.slopes[place + 1] * span
    return _hermite((frames - first) / span, *ends)


def straight(values: NDArray[np.floating], error: float) -> NDArray[np.int64]:
    """Return which of ``values`` (F,) straight lines must go through to miss no value by more than ``error``.

    The indices ascend and include the first and last (Ramer, Douglas and Peucker's splitting at the value missed by
    most, with the distance measured along the value axis).
    """
    track = np.asarray(values, np.float64)
    chosen = {0, len(track) - 1}
    open_spans = [(0, len(track) - 1)]
    while open_spans:
        first, last = open_spans.pop()
        if last - first < 2:
            continue
        inside = np.arange(first + 1, last)
        line = track[first] + (track[last] - track[first]) * (inside - first) / (last - first)
        missed = np.abs(track[inside] - line)
        worst = int(missed.argmax())
        if missed[worst] > error:
            middle = first + 1 + worst
            chosen.add(middle)
            open_spans += [(first, middle), (middle, last)]
    return np.array(sorted(chosen), np.int64)


def _hermite(u: Array | float, start: Array, end: Array, leaving: Array, arriving: Array) -> Array:
    """Return the values of cubics at ``u`` (0..1), given values and slopes (per span) at their ends."""
    rise = end - start
    return start + u * (leaving + u * (3 * rise - 2 * leaving - arriving + u * (leaving + arriving - 2 * rise)))


def _slopes(table: Array) -> Array:
    """Return slopes (F, C) per frame: 0 where a curve turns or rests, else the limited mean of both sides' slopes."""
    if len(table) < 2:
        return np.zeros_like(table)
    steps = np.diff(table, axis=0)
    before, after = np.concatenate([steps[:1], steps]), np.concatenate([steps, steps[-1:]])
    steepest = 3 * np.minimum(np.abs(before), np.abs(after))
    mean = np.clip((before + after) / 2, -steepest, steepest)
    return np.where(before * after > 0, mean, 0.0)


def _turns(table: Array, error: float) -> NDArray[np.bool_]:
    """Return where curves turn (F, C): at extremes they leave by more than ``error``, and at both ends."""
    count, width = table.shape
    found = np.zeros((count, width), bool)
    found[[0, -1]] = True
    columns = np.arange(width)
    high, low = table[0].copy(), table[0].copy()
    high_at, low_at = np.zeros(width, np.int64), np.zeros(width, np.int64)
    heading = np.zeros(width, np.int8)
    for frame in range(1, count):
        row = table[frame]
        higher, lower = row > high, row < low
        high_at[higher], low_at[lower] = frame, frame
        high, low = np.maximum(high, row), np.minimum(low, row)
        fell, rose = (high - row > error) & (heading >= 0), (row - low > error) & (heading <= 0)
        for turned, at, going in ((fell, high_at, -1), (rose & ~fell, low_at, 1)):
            if turned.any():
                found[at[turned], columns[turned]] = True
                heading[turned] = going
                high[turned], low[turned] = row[turned], row[turned]
                high_at[turned], low_at[turned] = frame, frame
    return found


def _still(table: Array) -> NDArray[np.bool_]:
    """Return which steps (F - 1, C) belong to a rest: a stretch of frames with equal values."""
    same: NDArray[np.bool_] = np.diff(table, axis=0) == 0
    long = same.copy()
    for back in range(1, _RESTING - 1):
        long[back:] &= same[:-back]
    still = long.copy()
    for back in range(1, _RESTING - 1):
        still[:-back] |= long[back:]
    return still


def _rest_ends(table: Array) -> NDArray[np.bool_]:
    """Return which frames (F, C) are the first or last of a rest."""
    still = _still(table).astype(np.int8)
    edge = np.zeros((1, table.shape[1]), np.int8)
    changes: NDArray[np.bool_] = np.diff(np.concatenate([edge, still, edge]), axis=0) != 0
    return changes


def _rests(table: Array) -> NDArray[np.int64]:
    """Return, for the last frame of a rest, its first (F, C); -1 for all others."""
    still, ends = _still(table), _rest_ends(table)
    found = np.full(table.shape, -1, np.int64)
    for column in range(table.shape[1]):
        places = np.flatnonzero(ends[:, column])
        for first, last in pairwise(places):
            if still[first, column]:
                found[last, column] = first
    return found


def _spans(table: Array, slopes: Array, must: NDArray[np.bool_], error: float) -> NDArray[np.bool_]:
    """Return which spans need no keys inside, by their length as in ``_SPANS`` and their last frame: (S, F, C)."""
    count, width = table.shape
    lengths = [span for span in _SPANS if span < count]
    found = np.zeros((len(lengths), count, width), bool)
    passed, flat, tangents = np.cumsum(must, axis=0), table.ravel(), slopes.ravel()
    for number, span in enumerate(lengths):
        free = np.flatnonzero(passed[span - 1 : -1] == passed[:-span])
        last = free + span * width
        rows = [free, flat[free], flat[last], tangents[free] * span, tangents[last] * span]
        # The middle first: most spans that miss a sample miss it there.
        for inside in sorted(range(1, span), key=lambda step: abs(step - span / 2)):
            first, *ends = rows
            if not len(first):
                break
            good = np.abs(_hermite(inside / span, *ends) - flat[first + inside * width]) <= error
            if not good.all():
                rows = [row[good] for row in rows]
        found[number].ravel()[rows[0] + span * width] = True
    return found


def _shortest_way(spans: NDArray[np.bool_], rests: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Return, for each frame, the frame of the key before it on the path with the fewest keys, (F, C)."""
    width = rests.shape[1]
    columns = np.arange(width)
    lengths = np.array([1, *_SPANS[: len(spans)]])
    steps = np.zeros((count, width), np.int64)
    before = np.zeros((count, width), np.int64)
    for frame in range(1, count):
        there = int(np.searchsorted(lengths, frame, side="right"))
        ways = steps[frame - lengths[:there]] + 1
        ways[1:][~spans[: there - 1, frame]] = count
        choice = ways.argmin(axis=0)
        best, place = ways[choice, columns], frame - lengths[choice]
        rest = rests[frame]
        rested = rest >= 0
        if rested.any():
            place[rested] = rest[rested]
            best[rested] = steps[rest[rested], columns[rested]] + 1
        steps[frame], before[frame] = best, place
    return before
