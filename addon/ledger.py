"""What a ledger says of one data-block: takes with checksums of their keys by channel, and what was there before."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .renaming import renamed

#: Blender's number of an interpolation with handles.
_BEZIER = 2


@dataclass(frozen=True, slots=True)
class Take:
    """One baked line: its sound, its first and last frame, and a checksum of its keys by channel id."""

    sound: str
    first: int
    last: int
    channels: Mapping[str, int]

    def overlaps(self, first: int, last: int) -> bool:
        """Return whether any frame from ``first`` to ``last`` is the take's."""
        return self.first <= last and first <= self.last

    def without(self, first: int, last: int) -> Iterator[tuple[int, int]]:
        """Yield the frame ranges left of the take when ``first`` to ``last`` is cut out."""
        if self.first < first:
            yield self.first, min(self.last, first - 1)
        if self.last > last:
            yield max(self.first, last + 1), self.last


@dataclass(slots=True)
class Ledger:
    """What Mouthpiece did to one data-block.

    ``before`` holds, by channel id, the value of each property whose f-curve Mouthpiece made; ``made_data``
    whether it made the animation data as well.
    """

    takes: list[Take] = field(default_factory=list)
    before: dict[str, float] = field(default_factory=dict)
    made_data: bool = False

    def renamed(self, names: Mapping[str, str]) -> Ledger:
        """Return the ledger with channels under other ids."""
        takes = [Take(t.sound, t.first, t.last, renamed(t.channels, names)) for t in self.takes]
        return Ledger(takes, renamed(self.before, names), self.made_data)


def channel_id(data_path: str, index: int) -> str:
    """Return what a channel is called in a ledger."""
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
    bent = interpolation == _BEZIER
    for sides in handles if bent.any() else ():
        number = zlib.crc32((np.round(sides[bent], 3) + np.float32(0)).tobytes(), number)
    return number
