"""Generates blinks, gaze and brow motion like that of real speakers, from a seed.

How often, how long and how far was measured on tracked speakers (``training/tables/idle_motion.py``) and is stored in
``assets/living.json``; events are drawn from these distributions, at rates that depend on the speech.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..features import FRAME_RATE
from ..files import ASSETS
from ..files.shipped_files import damaged, shipped_json
from . import eyes
from .prosody import STATES
from .shapes import alone, weights_of

Array = NDArray[np.float32]
Floats = NDArray[np.float64]

_FILE: Final = ASSETS / "living.json"

#: Seconds the lids stay shut in a blink; the times of closing and opening were measured.
_SHUT_SECONDS: Final = 0.04
#: Least seconds a blink takes from open to shut, and from shut to open.
_LEAST_CLOSING: Final = 0.06
#: Seconds a saccade takes, and additional seconds per radian (Bahill, Clark & Stark 1975: 21 ms, and 2.2 ms per
#: degree). The measured clips have 25 frames a second, too few to measure it.
_SACCADE: Final = (0.021, 0.126)
_AXES: Final = ("horizontal", "vertical")
#: How much of the measured difference in duration between looks ahead and looks away is applied; the measured intervals
#: already contain the rest.
_HOLDING: Final = 0.9
#: Factor on the spread of drawn looks: drawing again those too near the last look widens it back to the measured one.
_NARROWED: Final = 0.9
#: Most attempts at drawing a look that is far enough from the last one.
_TRIES: Final = 8
#: Spread of the outer brows' share in a raise of the brows (standard deviation of the logarithm).
_OUTER_SPREAD: Final = 0.4


@cache
def statistics() -> Mapping[str, Any]:
    """Return the distributions ``blink``, ``gaze`` and ``brow`` as ``training/tables/idle_motion.py`` measured them.

    Raises
    ------
    ModelError
        If the file is damaged.
    """
    measured: dict[str, Any] = shipped_json(_FILE)
    try:
        if not all(set(STATES) < set(measured[name]["rate"]) for name in ("blink", "gaze", "brow")):
            raise ValueError("rates are missing")
    except (ValueError, KeyError, TypeError) as error:
        raise damaged(_FILE, error) from error
    return measured


def moments(name: str, states: NDArray[np.int8], rng: np.random.Generator, lengths: Floats | None = None) -> Floats:
    """Return random times, in ascending seconds, of the events ``name`` (``blink``, ``gaze`` or ``brow``).

    Intervals are drawn from the measured distribution and shortened in each state of speech (``states`` (T,) at 25 Hz)
    by how much more frequent such events are in it; the n-th is also multiplied by ``lengths[n]``.
    """
    measured = statistics()[name]
    rate = measured["rate"]
    pace = np.array([rate[state] for state in STATES]) / rate["all"]
    clock = np.concatenate([[0.0], np.cumsum(pace[states])]) / FRAME_RATE
    spans = _random_values(measured["interval"], rng, most_events(name, states) if lengths is None else len(lengths))
    spans = spans if lengths is None else spans * lengths
    # The first interval began before the sound: the longer an interval, the likelier it is to be that one.
    table = np.array(measured["interval"])
    spans[0] = rng.choice(table, p=table / table.sum())
    beat = np.cumsum(spans) - rng.uniform() * spans[0]
    found: Floats = np.interp(beat[beat < clock[-1]], clock, np.arange(len(clock)) / FRAME_RATE)
    return found


def most_events(name: str, states: NDArray[np.int8]) -> int:
    """Return an upper bound of the number of events ``name`` during ``states`` (T,)."""
    measured = statistics()[name]
    fastest = max(measured["rate"].values()) / measured["rate"]["all"]
    return 20 + int(2 * fastest * len(states) / FRAME_RATE / float(np.mean(measured["interval"])))


def _random_values(table: Sequence[float] | Floats, rng: np.random.Generator, count: int) -> Floats:
    """Return ``count`` random values of a distribution with the evenly spaced quantiles ``table``."""
    values: Floats = np.interp(rng.uniform(0, len(table) - 1, count), np.arange(len(table)), table)
    return values


@dataclass(frozen=True, slots=True)
class Blink:
    """A blink: the second of its middle, the seconds the lids take to close, stay shut and open, and how far they do.

    ``top`` is the share, 0 to 1, by which the lids close.
    """

    moment: float
    phases: tuple[float, float, float]
    top: float

    @property
    def first(self) -> float:
        """Second at which the lids begin to close."""
        return self.moment - self.phases[0] - self.phases[1] / 2

    @property
    def last(self) -> float:
        """Second at which the lids are open again."""
        return self.moment + self.phases[2] + self.phases[1] / 2

    def add_to(self, lids: Floats, fps: float) -> None:
        """Close ``lids`` (T,), whose frame 0 is at second 0, by this blink, in place."""
        _add_bump(lids, fps, self.moment, self.phases, self.top)


def drawn_blinks(states: NDArray[np.int8], rng: np.random.Generator) -> list[Blink]:
    """Return random blinks, in order of time, for ``states`` (T,) of speech at 25 Hz."""
    measured = statistics()["blink"]
    when = moments("blink", states, rng)
    rise, fall, height = (_random_values(measured[name], rng, len(when)) for name in ("rise", "fall", "height"))
    found = []
    for moment, closing, opening, top in zip(when, 2 * rise, 2 * fall, height, strict=True):
        up, down = (max(lasts - _SHUT_SECONDS, _LEAST_CLOSING) for lasts in (closing, opening))
        found.append(Blink(float(moment), (float(up), _SHUT_SECONDS, float(down)), float(top)))
    return found


def blinks(states: NDArray[np.int8], frames: int, fps: float, rng: np.random.Generator) -> Array:
    """Return lid closure (frames, 2), left and right eye, at ``fps`` for ``states`` (T,) of speech at 25 Hz."""
    lid = np.zeros(frames)
    for blink in drawn_blinks(states, rng):
        blink.add_to(lid, fps)
    return np.repeat(lid[:, None], 2, axis=1).astype(np.float32)


def _add_bump(track: Floats, fps: float, moment: float, phases: tuple[float, float, float], top: float) -> None:
    """Raise ``track`` (T,) to ``top`` at ``moment``, in place; ``phases`` are the seconds up, held and down."""
    up, held, down = phases
    first = max(0, math.ceil((moment - up - held / 2) * fps))
    last = min(len(track), math.floor((moment + down + held / 2) * fps) + 1)
    phase = np.arange(first, last) / fps - moment
    share = np.clip(np.minimum((phase + held / 2 + up) / up, (down + held / 2 - phase) / down), 0, 1)
    track[first:last] = np.maximum(track[first:last], top * share * share * (3 - 2 * share))


def gaze(states: NDArray[np.int8], head: Array, fps: float, rng: np.random.Generator) -> Array:
    """Return random gaze (T, 2) as in ``Performance.gaze``: held looks and saccades, made steady against ``head``.

    Parameters
    ----------
    states : (N,) int8
        Speech at 25 Hz.
    head : (T, 6) float32
        Head motion at ``fps``, which the eyes make up for.
    fps : float
        Frames per second of the result.
    rng
        Source of the random times and directions.
    """
    measured = statistics()["gaze"]
    held = _looks(most_events("gaze", states), rng)
    hold = measured["hold"]
    home = np.linalg.norm(held, axis=1) < hold["radius"]
    lengths = np.where(home, hold["home"], hold["away"]) ** _HOLDING
    when = moments("gaze", states, rng, lengths / lengths.mean())
    return (_with_saccades(when, held, len(head), fps) + eyes.steadying(head)).astype(np.float32)


def _looks(count: int, rng: np.random.Generator) -> Floats:
    """Return the directions (count, 2), in radians, of ``count`` random looks in a row, each away from the last."""
    measured = statistics()["gaze"]
    # A Gaussian chain with the measured rank correlation of successive looks (Spearman's rho turned into Pearson's).
    keep = 2 * math.sin(math.pi * measured["persistence"] / 6)
    fresh = rng.standard_normal((count, _TRIES, 2)) * (_NARROWED * math.sqrt(1 - keep * keep))
    deviate, held = np.zeros(2), np.zeros((count, 2))
    for index in range(1, count):
        tried = keep * deviate + fresh[index]
        looks = np.stack(
            [np.interp(tried[:, k], measured["deviates"], measured[axis]) for k, axis in enumerate(_AXES)], axis=1
        )
        far = np.linalg.norm(looks - held[index - 1], axis=1)
        best = int(np.argmax(far >= measured["least"])) if far.max() >= measured["least"] else int(far.argmax())
        deviate, held[index] = tried[best], looks[best]
    return held


def _with_saccades(when: Floats, held: Floats, frames: int, fps: float) -> Floats:
    """Return the gaze (frames, 2) between looks ``held`` (N + 1, 2), whose saccades begin at ``when`` (N,) seconds."""
    times = np.arange(frames) / fps
    index = np.searchsorted(when, times, side="right")  # looks begun by then
    before = held[np.maximum(index - 1, 0)]
    way = held[index] - before
    lasts = _SACCADE[0] + _SACCADE[1] * np.linalg.norm(way, axis=1)
    begun = np.where(index > 0, when[np.maximum(index - 1, 0)] if len(when) else 0.0, -1.0)
    share = np.clip((times - begun) / lasts, 0, 1)
    looks: Floats = before + way * (share * share * (3 - 2 * share))[:, None]
    return looks


def brows(states: NDArray[np.int8], frames: int, fps: float, rng: np.random.Generator) -> Array:
    """Return how far inner and outer brows are raised, (frames, 2) in 0..1, for ``states`` (T,) of speech at 25 Hz."""
    measured = statistics()["brow"]
    inner, outer = np.zeros(frames), np.zeros(frames)
    when = moments("brow", states, rng)
    rise, fall, height = (_random_values(measured[name], rng, len(when)) for name in ("rise", "fall", "height"))
    shares = measured["outer"] * np.exp(_OUTER_SPREAD * rng.standard_normal(len(when)) - _OUTER_SPREAD**2 / 2)
    for moment, up, down, top, share in zip(when, 2 * rise, 2 * fall, height, shares, strict=True):
        _add_bump(inner, fps, moment, (up, 0.0, down), top)
        _add_bump(outer, fps, moment, (up, 0.0, down), min(top * share, 1.0))
    return np.stack([inner, outer], axis=1).astype(np.float32)


def raise_brows(landmarks: Array, arkit: Array, raised: Array) -> None:
    """Raise the brows of both ``landmarks`` (T, 68, 3) and ``arkit`` (T, 52) by ``raised`` (T, 2), in place."""
    for course, name in zip(raised.T, ("browInnerUp", "browOuterUp"), strict=True):
        for column in np.flatnonzero(weights_of({name: 1.0})):
            gained = np.minimum(course, 1 - arkit[:, column])
            arkit[:, column] += gained
            points = alone(column)
            for point in np.flatnonzero(np.abs(points).max(axis=1) > 0):
                landmarks[:, point] += gained[:, None] * points[point]
