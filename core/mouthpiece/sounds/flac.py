"""FLAC files: how long they really are, by their last frame."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, Final

from .splice import ByteSpan

#: Bytes at the end of a file among which the last frame is looked for, and blocks before the frames at most.
_TAIL, _BLOCKS = 1 << 20, 10_000
#: Where in the block STREAMINFO the number of samples is: five bytes, of which the first half byte belongs to another.
_TOTAL: Final = 13


@dataclass(frozen=True, slots=True)
class FlacLength:
    """How long a FLAC file says it is, and is.

    Attributes
    ----------
    declared : int
        Samples by its header; 0 if that does not say.
    found : int
        Samples up to the end of the last frame that is there.
    is_whole : bool
        Whether that frame ends where the file ends.
    place : int
        Byte at which the declared number is.
    """

    declared: int
    found: int
    is_whole: bool
    place: int

    @property
    def is_cut_off(self) -> bool:
        """Whether the file breaks off in a frame before all samples that are announced."""
        return not self.is_whole and self.declared > self.found

    def pieces(self, path: Path) -> list[bytes | ByteSpan]:
        """Return the file with the number of samples there are, for a :class:`Splice`; raises OSError."""
        with open(path, "rb") as stream:
            size = stream.seek(0, 2)
            stream.seek(self.place)
            high = stream.read(1)[0] & 0xF0
        total = high << 32 | min(self.found, (1 << 36) - 1)
        return [ByteSpan(0, self.place), total.to_bytes(5, "big"), ByteSpan(self.place + 5, size)]


def length(path: Path) -> FlacLength | None:
    """Return how long the FLAC file at ``path`` is; None if it is none, or no frame is found near its end.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    with open(path, "rb") as stream:
        size = stream.seek(0, 2)
        found = _stream_info(stream)
        if found is None or found[2] >= size:
            return None
        place, info, begin = found
        low = min(max(begin, size - _TAIL), size)
        stream.seek(low)
        tail = stream.read(size - low)
    if tail[-128:-125] == b"TAG":
        tail = tail[:-128]
    declared = int.from_bytes(info[_TOTAL : _TOTAL + 5], "big") & ((1 << 36) - 1)
    last = _last_frame(tail, int.from_bytes(info[0:2], "big"), int.from_bytes(info[2:4], "big"))
    if last is None:
        return None
    at, stop = last
    return FlacLength(declared, stop, _crc16(tail[at:]) == 0, place)


def _stream_info(stream: BinaryIO) -> tuple[int, bytes, int] | None:
    """Return where the number of samples is, the block STREAMINFO, and where frames begin; None if it is no FLAC."""
    at = 0
    stream.seek(0)
    head = stream.read(10)
    if head[:3] == b"ID3" and len(head) == 10:
        at = 10 + ((head[6] & 127) << 21 | (head[7] & 127) << 14 | (head[8] & 127) << 7 | head[9] & 127)
    stream.seek(at)
    if stream.read(4) != b"fLaC":
        return None
    at += 4
    info, place = b"", 0
    for _ in range(_BLOCKS):
        stream.seek(at)
        head = stream.read(4)
        if len(head) < 4:
            return None
        if head[0] & 127 == 0 and not info:
            info, place = stream.read(34), at + 4 + _TOTAL
        at += 4 + int.from_bytes(head[1:4], "big")
        if head[0] & 128:
            return (place, info, at) if len(info) == 34 else None
    return None


def _last_frame(tail: bytes, least: int, most: int) -> tuple[int, int] | None:
    """Return where in the tail of a file the last frame begins, and the number of samples up to its end."""
    at = len(tail)
    while (at := tail.rfind(b"\xff", 0, at)) >= 0:
        samples = _end_of(tail[at : at + 16], least, most)
        if samples is not None:
            return at, samples
    return None


def _end_of(head: bytes, least: int, most: int) -> int | None:
    """Return the number of samples up to the end of the frame with that header; None if it is no header."""
    if len(head) < 7 or head[1] & 0xFE != 0xF8 or head[2] >> 4 == 0 or head[2] & 15 == 15 or head[3] & 1:
        return None
    number, at = _coded(head, 4)
    code = head[2] >> 4
    if code == 6 or code == 7:
        size = int.from_bytes(head[at : at + code - 5], "big") + 1
        at += code - 5
    else:
        size = 192 if code == 1 else 576 << (code - 2) if code < 6 else 256 << (code - 8)
    at += {12: 1, 13: 2, 14: 2}.get(head[2] & 15, 0)
    if at >= len(head) or size > most or _crc8(head[:at]) != head[at]:
        return None
    return (number if head[1] & 1 else number * max(least, 1)) + size


def _coded(head: bytes, at: int) -> tuple[int, int]:
    """Return the number coded at a place, as UTF-8 codes characters, and the place after it."""
    first = head[at]
    more = next((n for n in range(7) if not first << n & 0x80), 7)
    if more < 2:
        return (first if not more else 0), at + 1
    number = first & (0x7F >> more)
    for byte in head[at + 1 : at + more]:
        number = number << 6 | byte & 0x3F
    return number, at + more


@lru_cache(maxsize=2)
def _table(bits: int, polynomial: int) -> tuple[int, ...]:
    top, mask = 1 << (bits - 1), (1 << bits) - 1
    found = []
    for byte in range(256):
        value = byte << (bits - 8)
        for _ in range(8):
            value = (value << 1 ^ polynomial if value & top else value << 1) & mask
        found.append(value)
    return tuple(found)


def _crc8(data: bytes) -> int:
    table, value = _table(8, 0x07), 0
    for byte in data:
        value = table[value ^ byte]
    return value


def _crc16(data: bytes) -> int:
    table, value = _table(16, 0x8005), 0
    for byte in data:
        value = (value << 8 & 0xFFFF) ^ table[value >> 8 ^ byte]
    return value
