"""Keys of an f-curve as arrays with all their attributes: read, cut, joined and written back in bulk."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

#: Blender's enum values as numbers, which is how foreach_get and foreach_set pass them.
CONSTANT: Final = 0
LINEAR: Final = 1
BEZIER: Final = 2
ALIGNED: Final = 3
AUTO_CLAMPED: Final = 4
GENERATED: Final = 5

_TYPES: Final[Mapping[str, tuple[type[np.generic], int]]] = {
    "co": (np.float32, 2),
    "handle_left": (np.float32, 2),
    "handle_right": (np.float32, 2),
    "interpolation": (np.int32, 1),
    "easing": (np.int32, 1),
    "handle_left_type": (np.int32, 1),
    "handle_right_type": (np.int32, 1),
    "type": (np.int32, 1),
    "back": (np.float32, 1),
    "amplitude": (np.float32, 1),
    "period": (np.float32, 1),
}
#: How often a curve with handles is updated, so that its handles no longer change. Measured: 4 times are enough.
_SETTLING: Final = 8
#: Slack, in frames, when deciding whether a key lies in a range.
SLACK: Final = 1e-3


def channel_id(data_path: str, index: int) -> str:
    """Return the id of a channel, as ledgers note it: data path and index."""
    return f"{data_path}[{index}]"


def split_id(channel: str) -> tuple[str, int]:
    """Return the data path and index of a channel id."""
    path, _, index = channel.rpartition("[")
    return path, int(index[:-1])


def checksum(
    co: NDArray[np.float32], interpolation: NDArray[np.int32], handles: Sequence[NDArray[np.float32]] = ()
) -> int:
    """Return a CRC-32 of the keys: frames and values (N, 2) and interpolation (N,).

    ``handles`` (each N, 2), rounded to a thousandth, are included for Bezier keys only, as no others use them.
    """
    number = zlib.crc32(interpolation.tobytes(), zlib.crc32(np.ascontiguousarray(co).tobytes()))
    bent = interpolation == BEZIER
    for sides in handles if bent.any() else ():
        number = zlib.crc32((np.round(sides[bent], 3) + np.float32(0)).tobytes(), number)
    return number


@dataclass(frozen=True, slots=True)
class Keys:
    """Keys in order of time: arrays by Blender's attribute name, one row a key. Missing attributes mean defaults."""

    arrays: Mapping[str, NDArray[Any]]

    def __len__(self) -> int:
        """Return the number of keys."""
        return len(self.arrays["co"])

    @classmethod
    def read(cls, fcurve: Any) -> Keys:
        """Return an f-curve's keys."""
        points = fcurve.keyframe_points
        arrays: dict[str, NDArray[Any]] = {}
        for name, (kind, width) in _TYPES.items():
            flat: NDArray[Any] = np.zeros(len(points) * width, kind)
            points.foreach_get(name, flat)
            arrays[name] = flat.reshape(-1, width) if width > 1 else flat
        return cls(arrays)

    @classmethod
    def generated(cls, frames: NDArray[np.int64], values: NDArray[np.float32], stepped: bool = False) -> Keys:
        """Return one key a frame, or if ``stepped`` a constant one wherever the value changes, of type "Generated".

        Interpolation is linear: with a key on every frame that is exact, never overshoots, and takes Blender half as
        long to evaluate.
        """
        if stepped:
            new = np.append(np.ones(min(len(values), 1), bool), values[1:] != values[:-1])
            frames, values = frames[new], values[new]
        count = len(frames)
        return cls(
            {
                "co": np.stack([frames.astype(np.float32), values], axis=1),
                "interpolation": np.full(count, CONSTANT if stepped else LINEAR, np.int32),
                "type": np.full(count, GENERATED, np.int32),
            }
        )

    @classmethod
    def reduced(cls, frames: NDArray[np.int64], values: NDArray[np.float32], slopes: NDArray[np.float64]) -> Keys:
        """Return K Bezier keys of type "Generated" with tangents: ``slopes`` (K,) in units per frame.

        Handles reach a third of the way to the next key. They are aligned: whoever turns one turns both. The last key
        is linear.
        """
        count = len(frames)
        co = np.empty((count, 2))
        co[:, 0], co[:, 1] = frames, values
        gaps = np.ones(count + 1)  # before each key and after it: those at the ends are as the ones beside them
        gaps[1:-1] = co[1:, 0] - co[:-1, 0]
        if count > 1:
            gaps[0], gaps[-1] = gaps[1], gaps[-2]
        reach = np.empty((count + 1, 2))
        reach[:, 0] = gaps / 3
        back, ahead = reach[:-1].copy(), reach[1:].copy()
        back[:, 1], ahead[:, 1] = back[:, 0] * slopes, ahead[:, 0] * slopes
        interpolation = np.full(count, BEZIER, np.int32)
        interpolation[-1] = LINEAR
        return cls(
            {
                "co": co.astype(np.float32),
                "handle_left": (co - back).astype(np.float32),
                "handle_right": (co + ahead).astype(np.float32),
                "handle_left_type": np.full(count, ALIGNED, np.int32),
                "handle_right_type": np.full(count, ALIGNED, np.int32),
                "interpolation": interpolation,
                "type": np.full(count, GENERATED, np.int32),
            }
        )

    @classmethod
    def straight(cls, frames: NDArray[np.int64], values: NDArray[np.float32]) -> Keys:
        """Return linear keys of the ordinary type, which look like keys set by an animator."""
        co = np.stack([frames.astype(np.float32), values], axis=1)
        return cls({"co": co, "interpolation": np.full(len(frames), LINEAR, np.int32)})

    def within(self, first: int, last: int) -> NDArray[np.bool_]:
        """Return a mask (N,) of the keys on the frames ``first`` to ``last``, both included."""
        frames = self.arrays["co"][:, 0]
        return (frames >= first - SLACK) & (frames <= last + SLACK)

    def only(self, mask: NDArray[np.bool_]) -> Keys:
        """Return the keys chosen by ``mask``."""
        return Keys({name: array[mask] for name, array in self.arrays.items()})

    def filled(self, edge: int, step: int, first: int, last: int, value: Callable[[float], float]) -> Keys:
        """Return the keys to add at frame ``edge`` so that the curve beside a cut keeps its shape.

        The keys on one side of ``edge`` are about to be removed. ``step`` (1 or -1) points to the side that stays,
        between ``first`` and ``last``: it gets a key a frame up to its next key, or a single one where the curve is
        constant. Nothing is added if ``edge`` has a key. ``value`` returns the curve's value at a frame.
        """
        frames = self.arrays["co"][:, 0]
        before = int(np.searchsorted(frames, edge + SLACK)) - 1
        holds = before >= 0 and self.arrays["interpolation"][before] == CONSTANT
        if (np.abs(frames - edge) <= SLACK).any() or (holds and step < 0):
            return self.only(np.zeros(len(self), bool))
        there = frames[(frames > edge) & (frames <= last)] if step > 0 else frames[(frames < edge) & (frames >= first)]
        end = (there.min() if step > 0 else there.max()) if len(there) else edge + step
        missing = np.arange(edge, edge + step if holds else end, step)[::step].astype(np.int64)
        return Keys.generated(missing, np.array([value(frame) for frame in missing], np.float32), bool(holds))

    def joined(self, fresh: Keys) -> Keys:
        """Return these keys and the ``fresh`` ones together, in order of time."""
        if not len(self):
            return fresh
        names = [name for name in _TYPES if name in self.arrays or name in fresh.arrays]
        both = {name: np.concatenate([self._filled(name), fresh._filled(name)]) for name in names}
        order = np.argsort(both["co"][:, 0], kind="stable")
        return Keys({name: array[order] for name, array in both.items()})

    def checksum(self, first: int, last: int) -> int:
        """Return the checksum of the keys on the frames ``first`` to ``last``, both included."""
        frames = self.arrays["co"][:, 0]
        whole = len(frames) and frames[0] >= first - SLACK and frames[-1] <= last + SLACK
        mask = slice(None) if whole else self.within(first, last)
        handles = [self.arrays[name][mask] for name in ("handle_left", "handle_right") if name in self.arrays]
        return checksum(self.arrays["co"][mask], self.arrays["interpolation"][mask], handles)

    @property
    def is_curved(self) -> bool:
        """Whether any key is Bezier, so that its handles matter."""
        return bool((self.arrays["interpolation"] == BEZIER).any())

    def put(self, fcurve: Any) -> None:
        """Replace all keys of the f-curve by these."""
        points = fcurve.keyframe_points
        points.clear()
        points.add(len(self))
        for name in self.arrays:
            points.foreach_set(name, np.ascontiguousarray(self.arrays[name]).ravel())
        # Each update aligns the handles and rounds them a little; after a few updates nothing changes any more.
        for _ in range(_SETTLING if self.is_curved else 1):
            fcurve.update()

    def _filled(self, name: str) -> NDArray[Any]:
        """Return the array of an attribute, filled with defaults if it is missing."""
        if name in self.arrays:
            return self.arrays[name]
        if name.startswith("handle") and not name.endswith("type"):
            return self.arrays["co"]
        kind, _ = _TYPES[name]
        return np.full(len(self), AUTO_CLAMPED if name.endswith("type") else 0, kind)


#: How far Blender may move a handle when it aligns it, in frames and values.
_ALIGNMENT_ERROR: Final = 1e-3
#: A function that carries a change out, and one that reverts it.
Step = tuple[Callable[[], None], Callable[[], None]]


@dataclass(frozen=True, slots=True)
class BareKeys:
    """The attributes of an f-curve's keys that a checksum needs: quicker to read than all :class:`Keys` have.

    ``co`` holds frames and values (N, 2), ``interpolation`` is (N,), and ``handles`` are the left and the right ones
    (each N, 2) if any key is Bezier.
    """

    co: NDArray[np.float32]
    interpolation: NDArray[np.int32]
    handles: tuple[NDArray[np.float32], ...] = ()

    @classmethod
    def read(cls, fcurve: Any) -> BareKeys:
        """Return the keys of an f-curve."""
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
        """Return the slice of the keys on the frames ``first`` to ``last``, both included."""
        low, high = np.searchsorted(self.co[:, 0], (first - SLACK, last + SLACK))
        return slice(int(low), int(high))

    def checksum(self, first: int, last: int) -> int:
        """Return the checksum of the keys on the frames ``first`` to ``last``, both included."""
        mask = self.within(first, last)
        return checksum(self.co[mask], self.interpolation[mask], [side[mask] for side in self.handles])

    def has_frames_of(self, fresh: Keys, ranges: Sequence[tuple[int, int]]) -> bool:
        """Return whether only values differ from ``fresh``: no key is Bezier, and all lie on the same frames."""
        if self.handles or fresh.is_curved:
            return False
        mine = [self.co[self.within(*place), 0] for place in ranges]
        theirs = [fresh.arrays["co"][fresh.within(*place), 0] for place in ranges]
        return all(np.array_equal(one, other) for one, other in zip(mine, theirs, strict=True))

    def is_like(self, fresh: Keys, ranges: Sequence[tuple[int, int]]) -> bool:
        """Return whether these keys are the ``fresh`` ones on ``ranges``, up to what Blender rounds in handles."""
        for place in ranges:
            mine, theirs = self.within(*place), fresh.within(*place)
            pairs = [(self.co, "co"), *zip(self.handles, ("handle_left", "handle_right"), strict=False)]
            for one, name in pairs:
                other = fresh.arrays[name][theirs] if name in fresh.arrays else one[mine]
                if one[mine].shape != other.shape or np.abs(one[mine] - other).max(initial=0.0) > _ALIGNMENT_ERROR:
                    return False
        return True

    def moved(self, fcurve: Any, fresh: Keys, ranges: Sequence[tuple[int, int]]) -> list[Step]:
        """Return the step that gives keys on ``ranges`` the values of ``fresh`` ones, which lie on the same frames."""
        after = self.co.copy()
        for first, last in ranges:
            after[self.within(first, last)] = fresh.arrays["co"][fresh.within(first, last)]
        return [(partial(put_values, fcurve, after), partial(put_values, fcurve, self.co))]


def put_values(fcurve: Any, co: NDArray[np.float32]) -> None:
    """Set frames and values (N, 2) of the N keys an f-curve has."""
    fcurve.keyframe_points.foreach_set("co", co.ravel())
    fcurve.update()


def rewritten(fcurve: Any, fresh: Keys, ranges: Sequence[tuple[int, int]]) -> Step:
    """Return the step that replaces all keys on ``ranges`` by the ``fresh`` ones there."""
    before = after = Keys.read(fcurve)
    for first, last in ranges:
        after = after.only(~after.within(first, last)).joined(fresh.only(fresh.within(first, last)))
    return partial(after.put, fcurve), partial(before.put, fcurve)
