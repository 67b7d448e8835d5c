"""Chooses which mouth of a chart is shown when, timed as an animator would time it.

Time is cut into cells, the exposures of limited animation (on ones, twos, threes). The sequence of mouths with the
least cost over all cells is found by dynamic programming. A mouth costs more the less it looks like the face. Each
change costs something; a change between similar mouths costs more (it would flicker), and so does opening far at once,
so that a mouth in between is shown where there is time. No mouth is shown for less than the hold. Lips that meet are
never left out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...curves import sample
from ...errors import MouthpieceError
from ...performance import Performance
from ...phones.inventory import PHONE_INDEX
from ...phones.tracks import phone_track
from ..closures import contact
from ..measures import MEASURES
from .charts import MouthChart
from .visemes import VISEMES, reading, viseme_weights

Array = NDArray[np.float32]
Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]

#: Cost of a mouth unlike the face, per 25th of a second and unit of distance, beside that of the wrong viseme.
_UNLIKE: Final = 1.0
#: Cost of a change, its increase between similar mouths, and the distance up to which mouths count as similar.
_CHANGE: Final = 0.5
_FLICKER: Final = 0.7
_ALIKE: Final = 0.15
#: Additional cost of a change to the mouth at rest, which is meant for pauses and not for gaps between words.
_INTO_REST: Final = 0.8
#: Distance from which opening counts as a jump, and its cost per unit of distance beyond.
_JUMP: Final = 0.9
_JUMPING: Final = 1.2
#: Cost of not showing lips that meet, and of not showing a lip at the teeth.
_MUST: Final = 1000.0
_SHOULD: Final = 2.0
#: Phones at which the tongue is seen, by the viseme that shapes with it are drawn for; how surely they must be heard,
#: how closely lips may meet, and the cost of not showing it: lips at the teeth come first.
_TONGUE: Final[Mapping[str, tuple[str, ...]]] = {"nn": ("l",), "TH": ("θ", "ð")}
_HEARD: Final = 0.5
_APART: Final = 0.5
_TONGUE_SHOULD: Final = 1.5
#: Share of a cell in which lips must meet for the whole cell to show a shut mouth.
_COVERED: Final = 0.6
_UNIT: Final = 0.04
_PP, _FF = VISEMES.index("PP"), VISEMES.index("FF")


@dataclass(frozen=True, slots=True)
class Timing:
    """The timing of mouths, in seconds of the take.

    Attributes
    ----------
    cell : float
        Time between two moments at which the mouth may change.
    hold : float
        Least time for which a mouth is shown.
    lead : float
        How much earlier than in the take a mouth is shown.
    """

    cell: float = 2 / 24
    hold: float = 2 / 24
    lead: float = 1 / 24

    def __post_init__(self) -> None:
        """Check the times.

        Raises
        ------
        MouthpieceError
            If one is not a number in its range.
        """
        if not (math.isfinite(self.cell) and self.cell > 0):
            raise MouthpieceError(f"Mouths cannot be exposed for {self.cell} seconds. It must be above 0.")
        if not (math.isfinite(self.hold) and 0 <= self.hold <= 2):
            raise MouthpieceError(f"The least hold of a mouth is {self.hold} seconds; it must be from 0 to 2.")
        if not (math.isfinite(self.lead) and abs(self.lead) <= 1):
            raise MouthpieceError(f"Mouths cannot come {self.lead} s early; at most one second.")

    @classmethod
    def of_frames(cls, fps: float, on: int = 2, hold: int = 2, lead: float = 1.0) -> Timing:
        """Return the timing of animation on ones (``on`` = 1), twos or threes at ``fps`` frames per second.

        ``hold`` and ``lead`` are in frames.

        Raises
        ------
        MouthpieceError
            If a number is out of range.
        """
        if not (math.isfinite(fps) and fps > 0):
            raise MouthpieceError(f"A frame rate of {fps} has no exposures. It must be above 0.")
        return cls(on / fps, hold / fps, lead / fps)

    @property
    def cells(self) -> int:
        """Least number of cells for which a mouth is shown."""
        return max(1, math.ceil(self.hold / self.cell - 1e-6))


@dataclass(frozen=True, slots=True)
class CueTrack:
    """The cues of a take: which mouth of a chart is shown from when on.

    Attributes
    ----------
    chart : MouthChart
        The chart the mouths are from.
    starts : tuple of float
        Seconds at which each mouth is shown first, ascending; the first is the beginning of the take.
    shapes : tuple of str
        Names of the mouths; neighbours differ.
    seconds : float
        End of the last mouth.
    """

    chart: MouthChart
    starts: tuple[float, ...]
    shapes: tuple[str, ...]
    seconds: float

    @property
    def holds(self) -> tuple[float, ...]:
        """Seconds for which each mouth is shown."""
        ends = (*self.starts[1:], self.seconds)
        return tuple(end - start for start, end in zip(self.starts, ends, strict=True))


class Met(NamedTuple):
    """A stretch (seconds) in which lips meet, or lip or tongue are at the teeth; the shapes for it; cost of others."""

    start: float
    stop: float
    shapes: tuple[int, ...]
    cost: float


def cue_track(performance: Performance, chart: MouthChart, timing: Timing | None = None) -> CueTrack:
    """Return which mouths of ``chart`` to show when for a take, which must be ``.final()``: dials are not applied.

    Raises
    ------
    MouthpieceError
        If the take is empty.
    """
    timing = timing or Timing()
    if not len(performance):
        raise MouthpieceError("The take has no frames: there is no mouth to show.")
    count = max(1, math.ceil(performance.seconds / timing.cell - 1e-6))
    shown = choose(performance, chart, np.arange(count, dtype=np.float64) * timing.cell, timing)
    changes = np.flatnonzero(np.r_[True, shown[1:] != shown[:-1]])
    starts = tuple(round(float(k * timing.cell), 6) for k in changes)
    return CueTrack(chart, starts, tuple(chart.names[shown[k]] for k in changes), performance.seconds)


def choose(
    performance: Performance, chart: MouthChart, starts: Floats, timing: Timing, strength: float = 1.0
) -> Numbers:
    """Return the shape of ``chart`` to show in each cell of a take, (K,), given the cells' ``starts`` (K,) in seconds.

    ``strength`` is a factor on how far the mouth moves; lips that meet stay shut.
    """
    weights = viseme_weights(performance)
    moved = weights if strength == 1 else viseme_weights(_scaled(performance, strength))
    costs = _cell_costs(moved, performance.fps, chart, starts, timing)
    begins = starts + timing.lead
    for met in (*closures(weights, performance.fps, chart), *tongue_seen(performance, chart)):
        _require(costs, met, starts, begins, timing.cell)
    return cheapest(costs, change_costs(chart), timing.cells)


def _scaled(performance: Performance, strength: float) -> Performance:
    offsets = performance.landmarks - performance.neutral
    arkit = np.clip(strength * performance.arkit, 0, 1)
    return replace(performance, landmarks=performance.neutral + strength * offsets, arkit=arkit)


def shape_costs(chart: MouthChart) -> Array:
    """Return the cost (15, S) of showing each shape while the face shows each viseme."""
    own = VisemeMouths.of(chart)
    costs: Array = (_UNLIKE * own.apart - chart.affinities().T + own.biases).astype(np.float32)
    return costs


class VisemeMouths(NamedTuple):
    """Distances ``apart`` (15, S) of visemes and shapes, ``between`` (S, S) shapes, and the shapes' biases (S,)."""

    apart: Array
    between: Array
    biases: Array

    @classmethod
    def of(cls, chart: MouthChart) -> VisemeMouths:
        """Return the distances for ``chart``."""
        measured = reading()
        faces, mouths = measured.prototypes / measured.spread, chart.mouths()
        apart = np.square(faces[:, None] - mouths[None]).mean(axis=2)
        between = np.square(mouths[:, None] - mouths[None]).mean(axis=2)
        return cls(apart, between, np.array([shape.bias for shape in chart.shapes], np.float32))


def change_costs(chart: MouthChart) -> Array:
    """Return the cost (S, S) of a change from each shape (row) to each other (column)."""
    between = VisemeMouths.of(chart).between
    gap = chart.mouths()[:, MEASURES.index("gap")]
    jumps = np.maximum(between - _JUMP, 0) * (gap[None] > gap[:, None])  # lips open gradually, but may shut at once
    costs = _CHANGE * (1 + _FLICKER * np.exp(-between / _ALIKE)) + _JUMPING * jumps
    if chart.rest not in chart.closed:
        costs[:, chart.rest] += _INTO_REST
    np.fill_diagonal(costs, 0)
    result: Array = costs.astype(np.float32)
    return result


def _cell_costs(weights: Array, fps: float, chart: MouthChart, starts: Floats, timing: Timing) -> Array:
    looks = max(2, math.ceil(timing.cell * fps) + 1)
    inside = (np.arange(looks) + 0.5) / looks * timing.cell + timing.lead
    shown = sample(weights, fps, (starts[:, None] + inside).ravel()).reshape(len(starts), looks, -1).mean(axis=1)
    costs: Array = (shown.astype(np.float32) @ shape_costs(chart)) * np.float32(timing.cell / _UNIT)
    return costs


def closures(weights: Array, fps: float, chart: MouthChart) -> list[Met]:
    """Return where in ``weights`` (T, 15) lips meet in speech, and where a lip is at the teeth if a shape shows it."""
    found = []
    for viseme, shapes, cost in ((_PP, chart.closed, _MUST), (_FF, chart.bitten, _SHOULD)):
        shown = weights[:, viseme] >= 0.5
        edges = np.flatnonzero(np.diff(np.r_[False, shown, False].astype(np.int8))) if shapes else np.zeros(0, int)
        for begin, end in zip(edges[::2], edges[1::2], strict=True):
            found.append(Met((begin - 0.5) / fps, (end - 0.5) / fps, shapes, cost))
    return found


def tongue_seen(performance: Performance, chart: MouthChart) -> list[Met]:
    """Return where the tongue is seen, at l and th said with lips apart, if a shape is drawn for that alone."""
    found: list[Met] = []
    apart = contact(performance.landmarks) < _APART if performance.speech else np.zeros(0, bool)
    if not apart.any():
        return found
    said = phone_track(performance.speech, np.arange(len(performance)) / performance.fps)
    for viseme, phones in _TONGUE.items():
        shapes = chart.licked(viseme)
        heard = said[:, [PHONE_INDEX[phone] for phone in phones]].sum(axis=1) >= _HEARD
        edges = np.flatnonzero(np.diff(np.r_[False, heard & apart, False].astype(np.int8))) if shapes else ()
        for begin, end in zip(edges[::2], edges[1::2], strict=True):
            found.append(Met((begin - 0.5) / performance.fps, (end - 0.5) / performance.fps, shapes, _TONGUE_SHOULD))
    return found


def _require(costs: Array, met: Met, starts: Floats, begins: Floats, cell: float) -> None:
    """Raise the cost of all other shapes, in place, in the cells of ``met``: at least one cell, and all it fills.

    ``starts`` and ``begins`` (K,) are when the cells of ``cell`` seconds are shown, and what they show in the take;
    both ascend. Only the cells around ``met`` are looked at.
    """
    first = max(int(np.searchsorted(begins, met.start - cell)) - 1, 0)
    near = begins[first : int(np.searchsorted(begins, met.stop, "right")) + 1]
    # A stretch that ended before the first cell begins is shown in the first cell if it lies within the take.
    if met.stop <= begins[0]:
        cells, best = np.zeros(0, np.int64), 0
        if met.stop <= starts[0]:
            return
    else:
        overlap = np.minimum(met.stop, near + cell) - np.maximum(met.start, near)
        if overlap.max() <= 0:
            return
        cells, best = first + np.flatnonzero(overlap >= _COVERED * cell), first + int(overlap.argmax())
    others = np.setdiff1d(np.arange(costs.shape[1]), met.shapes)
    costs[np.ix_(np.union1d(cells, [best]), others)] += met.cost


def cheapest(costs: Array, changes: Array, hold: int) -> Numbers:
    """Return the sequence of shapes (K,) with the least sum of ``costs`` (K, S) and ``changes`` (S, S).

    Every shape is shown for at least ``hold`` cells, except the first and the last, which may be cut off.
    """
    count, shapes = costs.shape
    rows = np.arange(shapes)
    # Least cost of a sequence that ends in a shape, by how many cells it has been shown so far (the last: enough).
    best = np.repeat(costs[0][:, None], hold, axis=1).astype(np.float64)
    before = np.zeros((count, shapes, hold), np.int32)
    before[1:, :, 1:] = rows[:, None] * hold + np.arange(hold - 1)
    to_others = changes.astype(np.float64)
    np.fill_diagonal(to_others, np.inf)
    for k in range(1, count):
        switch = best[:, -1][:, None] + to_others
        source = switch.argmin(axis=0)
        entered = switch[source, rows]
        following = np.empty_like(best)
        following[:, 1:] = best[:, :-1]
        stay = best[:, -1] <= (following[:, -1] if hold > 1 else entered)
        following[:, 0] = entered
        before[k, :, 0] = source * hold + hold - 1
        following[stay, -1] = best[stay, -1]
        before[k, stay, -1] = rows[stay] * hold + hold - 1
        best = following + costs[k][:, None]
    return _traced(best, before)


def _traced(best: Floats, before: NDArray[np.int32]) -> Numbers:
    count, _, hold = before.shape
    state = int(best.argmin())
    found = np.empty(count, np.int64)
    for k in range(count - 1, -1, -1):
        found[k] = state // hold
        state = int(before[k, state // hold, state % hold])
    return found
