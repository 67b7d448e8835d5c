"""New values for keys that stay where they are: what dialling does to an f-curve, and how it is taken back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import store
from .keyframes import SLACK, Keys

#: What carries a change out, and what takes it back.
Step = tuple[Callable[[], None], Callable[[], None]]


@dataclass(frozen=True, slots=True)
class Held:
    """Frames and values (N, 2) and interpolation (N,) of an f-curve's keys: what dialling looks at, and no more."""

    co: NDArray[np.float32]
    interpolation: NDArray[np.int32]

    @classmethod
    def read(cls, fcurve: Any) -> Held:
        points = fcurve.keyframe_points
        co, interpolation = np.zeros(2 * len(points), np.float32), np.zeros(len(points), np.int32)
        points.foreach_get("co", co)
        points.foreach_get("interpolation", interpolation)
        return cls(co.reshape(-1, 2), interpolation)

    def within(self, first: int, last: int) -> slice:
        """Return which keys lie on those frames."""
        low, high = np.searchsorted(self.co[:, 0], (first - SLACK, last + SLACK))
        return slice(int(low), int(high))

    def checksum(self, first: int, last: int) -> int:
        """Return the checksum of the keys on those frames."""
        mask = self.within(first, last)
        return store.checksum(self.co[mask], self.interpolation[mask])

    def moved(self, fcurve: Any, fresh: Keys, ranges: list[tuple[int, int]]) -> list[Step]:
        """Return how to give keys on the same frames other values; nothing if they have them."""
        after = self.co.copy()
        for first, last in ranges:
            after[self.within(first, last)] = fresh.arrays["co"][fresh.within(first, last)]
        if np.array_equal(after, self.co):
            return []
        return [(partial(put_values, fcurve, after), partial(put_values, fcurve, self.co))]


def put_values(fcurve: Any, co: NDArray[np.float32]) -> None:
    fcurve.keyframe_points.foreach_set("co", co.ravel())
    fcurve.update()
