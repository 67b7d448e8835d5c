"""Courses: how shape keys follow a rig's control, and the values it must have for its keys to be as they are meant.

A control is one number (a property, a slider's shift). Each key follows one control; a control may have several keys,
on one side of its rest or on both (up opens, down shuts).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Follows = Callable[[Array], Array]

#: Number of values of a control at which its keys are looked at, on each side of its rest.
_STEPS: Final = 256
#: Distances from a control's default at which its range is searched, in its unit (metres, radians, or none).
_SEARCHED: Final = np.concatenate([[0.0], np.logspace(-4, 4, 321)])
#: A key has all of its motion where this share of it is reached.
_ALL: Final = 1 - 1e-4
#: Bends of a key's course, as a share of its range, that count; and most places with one, two for each kink.
_BEND: Final = 2e-6
_KINKS: Final = 16


@dataclass(frozen=True, slots=True, eq=False)
class ControlCourse:
    """How K keys follow a control: their values (K, N) at its ``values`` (N,), which rise; ``rest`` is an index of it.

    At rest all keys are as near to 0 as they can be.
    """

    names: tuple[str, ...]
    values: Array
    keys: Array
    rest: int

    @property
    def is_straight(self) -> bool:
        """Whether every key follows the control in straight pieces."""
        bends = np.abs(np.diff(self.keys, 2, axis=1))
        spans = np.ptp(self.keys, axis=1, keepdims=True)
        return bool(((bends > _BEND * np.maximum(spans, 1e-9)).sum(axis=1) <= _KINKS).all())

    def track(self, wanted: Mapping[str, NDArray[np.floating]]) -> Array:
        """Return the control's values (F,) that bring its keys nearest to ``wanted``, (F,) by key.

        Keys on both sides of the rest are weighed against each other: what opens less what shuts.
        """
        moves = np.zeros(len(next(iter(wanted.values()))))
        for side in (slice(self.rest, None), slice(self.rest, None, -1)):
            values, keys = self.values[side], self.keys[:, side]
            own = np.ptp(keys, axis=1) > 1e-6 if len(values) > 1 else np.zeros(len(keys), bool)
            if own.any():
                aims = np.stack([wanted[name] for name, mine in zip(self.names, own, strict=True) if mine])
                moves += _nearest(values, keys[own], aims) - values[0]
        return np.asarray(np.clip(self.values[self.rest] + moves, self.values[0], self.values[-1]))

    def played(self, track: NDArray[np.floating]) -> Array:
        """Return the values (K, F) that the keys have for a control's values (F,)."""
        return np.stack([np.interp(track, self.values, row) for row in self.keys])


def course(
    follows: Mapping[str, Follows],
    ranges: Mapping[str, tuple[float, float]],
    default: float,
    limits: tuple[float, float],
) -> ControlCourse | None:
    """Return how keys follow a control within its limits, as far as they do; None if they do not, or have no value.

    Parameters
    ----------
    follows
        By key, a function of the control's values (N,) that returns the key's.
    ranges
        By key, its least and greatest value.
    default
        The control's default.
    limits
        Least and greatest value of the control; infinite if there is none.
    """
    names = tuple(follows)
    low, high = min(limits[0], default), max(limits[1], default)
    ends = []
    for sign, end in ((-1.0, low), (1.0, high)):
        tried = np.unique(np.abs(np.clip(default + sign * _SEARCHED, low, high) - default))
        seen = _keys(follows, ranges, default + sign * tried)
        if not np.isfinite(seen).all():
            return None
        ends.append(default + sign * _reach(tried, seen) if end != default else default)
    if ends[1] - ends[0] <= 0:
        return None
    values = np.unique(np.concatenate([np.linspace(ends[0], ends[1], 2 * _STEPS + 1), [default]]))
    keys = _keys(follows, ranges, values)
    if not np.isfinite(keys).all() or not (np.ptp(keys, axis=1) > 1e-4).all():
        return None
    away = (keys**2).sum(axis=0) + 1e-9 * np.abs(values - default) / (ends[1] - ends[0])
    return ControlCourse(names, values, keys, int(away.argmin()))


def _keys(follows: Mapping[str, Follows], ranges: Mapping[str, tuple[float, float]], values: Array) -> Array:
    """Return the keys' values (K, N) within their ranges, for a control's ``values`` (N,)."""
    rows = [np.clip(np.broadcast_to(follow(values), values.shape), *ranges[name]) for name, follow in follows.items()]
    return np.stack(rows)


def _reach(distances: Array, keys: Array) -> float:
    """Return the distance from the default at which every key has all of its motion on that side."""
    found = 0.0
    for row in keys:
        moved = np.abs(row - row[0])
        if moved.max() > 1e-6:
            found = max(found, float(distances[int((moved >= _ALL * moved.max()).argmax())]))
    return found


def _nearest(values: Array, keys: Array, aims: Array) -> Array:
    """Return the values (F,) between ``values`` (N,) at which ``keys`` (K, N) are nearest to ``aims`` (K, F)."""
    first, steps = keys[:, :-1], np.diff(keys, axis=1)
    slopes = np.maximum((steps**2).sum(axis=0), 1e-18)
    found = np.empty(aims.shape[1])
    for frame in range(aims.shape[1]):
        missing = aims[:, frame, None] - first
        share = np.clip((steps * missing).sum(axis=0) / slopes, 0, 1)
        costs = ((missing - steps * share) ** 2).sum(axis=0)
        best = int((costs <= costs.min() + 1e-12).argmax())
        found[frame] = values[best] + share[best] * (values[best + 1] - values[best])
    return found
