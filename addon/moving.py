"""New values for keys that stay where they are: what dialling does to an f-curve, and how it is taken back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from . import store
from .keyframes import BEZIER, SLACK, Keys

#: What lining handles up may change, in frames and values.
_HAIR: Final = 1e-3
#: What carries a change out, and what takes it back.
Step = tuple[Callable[[], None], Callable[[], None]]


@dataclass(frozen=True, slots=True)
class Held:
    """What dialling looks at of an f-curve's keys, and no more.

    Frames and values (N, 2), interpolation (N,) and, where they count, handles (N, 2).
    """

    co: NDArray[np.float32]
    interpolation: NDArray[np.int32]
    handles: tuple[NDArray[np.float32], ...] = ()

    @classmethod
    def read(cls, fcurve: Any) -> Held:
        points = fcurve.keyframe_points
        co, interpolation = np.zeros(2 * len(points), np.float32), np.zeros(len(points), np.int32)
        points.foreach_get("co", co)
        points.foreach_get("interpolation", interpolation)
        handles = []
        for name in ("handle_left", "handle_right") if (interpolation == BEZIER).any() else ():
            side = np.zeros(2 * len(points), np.float32)
            points.foreach_get(name, side)
            handles.append(side.reshape(-1, 2))
        return cls(co.reshape(-1, 2), interpolation, tuple(handles))

    def within(self, first: int, last: int) -> slice:
        """Return which keys lie on those frames."""
        low, high = np.searchsorted(self.co[:, 0], (first - SLACK, last + SLACK))
        return slice(int(low), int(high))

    def checksum(self, first: int, last: int) -> int:
        """Return the checksum of the keys on those frames."""
        mask = self.within(first, last)
        return store.checksum(self.co[mask], self.interpolation[mask], [side[mask] for side in self.handles])

    def has_frames_of(self, fresh: Keys, ranges: Sequence[tuple[int, int]]) -> bool:
        """Return whether straight keys lie on the frames of the fresh ones, so that values are all there is to set."""
        if self.handles or fresh.is_curved:
            return False
        mine = [self.co[self.within(*place), 0] for place in ranges]
        theirs = [fresh.arrays["co"][fresh.within(*place), 0] for place in ranges]
        return all(np.array_equal(one, other) for one, other in zip(mine, theirs, strict=True))

    def is_like(self, fresh: Keys, ranges: Sequence[tuple[int, int]]) -> bool:
        """Return whether these are the fresh keys, as Blender holds them: handles may be a hair off."""
        for place in ranges:
            mine, theirs = self.within(*place), fresh.within(*place)
            pairs = [(self.co, "co"), *zip(self.handles, ("handle_left", "handle_right"), strict=False)]
            for one, name in pairs:
                other = fresh.arrays[name][theirs] if name in fresh.arrays else one[mine]
                if one[mine].shape != other.shape or not np.allclose(one[mine], other, rtol=0, atol=_HAIR):
                    return False
        return True

    def moved(self, fcurve: Any, fresh: Keys, ranges: Sequence[tuple[int, int]]) -> list[Step]:
        """Return how to give keys on the same frames other values."""
        after = self.co.copy()
        for first, last in ranges:
            after[self.within(first, last)] = fresh.arrays["co"][fresh.within(first, last)]
        return [(partial(put_values, fcurve, after), partial(put_values, fcurve, self.co))]


def put_values(fcurve: Any, co: NDArray[np.float32]) -> None:
    fcurve.keyframe_points.foreach_set("co", co.ravel())
    fcurve.update()


def rewritten(fcurve: Any, fresh: Keys, ranges: Sequence[tuple[int, int]]) -> Step:
    """Return how to replace whatever keys are on those frames."""
    before = after = Keys.read(fcurve)
    for first, last in ranges:
        after = after.only(~after.within(first, last)).joined(fresh.only(fresh.within(first, last)))
    return partial(after.put, fcurve), partial(before.put, fcurve)
