"""All keys of an f-curve as arrays: read, cut, joined and put back in bulk, the user's handles and all."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

#: Numbers of Blender's enums, as bulk access speaks them.
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
#: How often a curve with handles is updated until they lie still. Measured: 4 times.
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
    """Return a number that changes when a key (frame, value) or how it leads on is changed.

    ``handles`` count, to a thousandth, where curves are bent by them.
    """
    number = zlib.crc32(interpolation.tobytes(), zlib.crc32(np.ascontiguousarray(co).tobytes()))
    bent = interpolation == BEZIER
    for sides in handles if bent.any() else ():
        number = zlib.crc32((np.round(sides[bent], 3) + np.float32(0)).tobytes(), number)
    return number


@dataclass(frozen=True, slots=True)
class Keys:
    """Keys in order of time: Blender's attribute names, one row a key; attributes left out take defaults."""

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
        """Return one key a frame, or if ``stepped`` a holding one wherever the value changes, marked as generated.

        Linear: with a key on every frame it is exact, never overshoots, and half as much for Blender to evaluate.
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
        """Return keys (K,) with tangents, marked as generated: ``slopes`` per frame, handles a third of the way on.

        Handles lie on a line, so that who turns one turns both. What follows the last key is a straight line.
        """
        count = len(frames)
        co = np.stack([frames.astype(np.float64), values.astype(np.float64)], axis=1)
        gaps = np.diff(frames).astype(np.float64)
        ends = gaps[:1] if count > 1 else np.ones(1)
        back, ahead = np.append(ends, gaps) / 3, np.append(gaps, gaps[-1:] if count > 1 else ends) / 3
        interpolation = np.full(count, BEZIER, np.int32)
        interpolation[-1] = LINEAR
        return cls(
            {
                "co": co.astype(np.float32),
                "handle_left": (co - np.stack([back, back * slopes], axis=1)).astype(np.float32),
                "handle_right": (co + np.stack([ahead, ahead * slopes], axis=1)).astype(np.float32),
                "handle_left_type": np.full(count, ALIGNED, np.int32),
                "handle_right_type": np.full(count, ALIGNED, np.int32),
                "interpolation": interpolation,
                "type": np.full(count, GENERATED, np.int32),
            }
        )

    @classmethod
    def straight(cls, frames: NDArray[np.int64], values: NDArray[np.float32]) -> Keys:
        """Return linear keys that look like an animator's own."""
        co = np.stack([frames.astype(np.float32), values], axis=1)
        return cls({"co": co, "interpolation": np.full(len(frames), LINEAR, np.int32)})

    def within(self, first: int, last: int) -> NDArray[np.bool_]:
        """Return which keys lie on the frames ``first`` to ``last``."""
        frames = self.arrays["co"][:, 0]
        return (frames >= first - SLACK) & (frames <= last + SLACK)

    def only(self, mask: NDArray[np.bool_]) -> Keys:
        """Return the keys chosen by ``mask``."""
        return Keys({name: array[mask] for name, array in self.arrays.items()})

    def filled(self, edge: int, step: int, first: int, last: int, value: Callable[[float], float]) -> Keys:
        """Return what gives ``edge`` a key when the keys on its other side go, none if it has one.

        ``step`` leads into what stays, between ``first`` and ``last``: a key a frame up to the next one there, or a
        single one where the curve holds. ``value`` is what the curve is at a frame.
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
        """Return these and the ``fresh`` keys in order of time."""
        if not len(self):
            return fresh
        names = [name for name in _TYPES if name in self.arrays or name in fresh.arrays]
        both = {name: np.concatenate([self._filled(name), fresh._filled(name)]) for name in names}
        order = np.argsort(both["co"][:, 0], kind="stable")
        return Keys({name: array[order] for name, array in both.items()})

    def checksum(self, first: int, last: int) -> int:
        """Return the checksum of the keys on those frames."""
        frames = self.arrays["co"][:, 0]
        whole = len(frames) and frames[0] >= first - SLACK and frames[-1] <= last + SLACK
        mask = slice(None) if whole else self.within(first, last)
        handles = [self.arrays[name][mask] for name in ("handle_left", "handle_right") if name in self.arrays]
        return checksum(self.arrays["co"][mask], self.arrays["interpolation"][mask], handles)

    @property
    def is_curved(self) -> bool:
        """Return whether the handles of any key count."""
        return bool((self.arrays["interpolation"] == BEZIER).any())

    def put(self, fcurve: Any) -> None:
        """Make these the f-curve's only keys."""
        points = fcurve.keyframe_points
        points.clear()
        points.add(len(self))
        for name in self.arrays:
            points.foreach_set(name, np.ascontiguousarray(self.arrays[name]).ravel())
        # Each time Blender lines aligned handles up it rounds them a little; after a few it finds nothing to do.
        for _ in range(_SETTLING if self.is_curved else 1):
            fcurve.update()

    def _filled(self, name: str) -> NDArray[Any]:
        """Return an attribute, made up where it was left out."""
        if name in self.arrays:
            return self.arrays[name]
        if name.startswith("handle") and not name.endswith("type"):
            return self.arrays["co"]
        kind, _ = _TYPES[name]
        return np.full(len(self), AUTO_CLAMPED if name.endswith("type") else 0, kind)


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
        return checksum(self.co[mask], self.interpolation[mask], [side[mask] for side in self.handles])

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
