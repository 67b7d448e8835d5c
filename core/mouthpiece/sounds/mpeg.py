"""Frames of MPEG sound (MP3): all there are, whatever the first of them says.

An MP3 may begin with a frame that says how many follow (Xing, Info or VBRI). Where files were joined it counts those of
the first alone; where it is missing, decoders guess by the first frame's size, which is far off if sizes vary. So the
frames are counted, and the decoder is handed them behind a first frame that is true.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, Final

from .splice import ByteSpan

#: kbit/s of layer III by index, for MPEG 1 and for MPEG 2 and 2.5.
_BITRATES: Final = (
    (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
)
_RATES: Final = (44_100, 48_000, 32_000)
#: Bytes read at a time, and bytes of tags and rubbish among frames after which no more frames are looked for.
_BLOCK, _PATIENCE = 1 << 20, 1 << 26
#: Bytes within which the first frame is looked for.
_BEGIN: Final = 1 << 17
#: Frames in a row by which a stream is known.
_CHAIN: Final = 4
_SYNC: Final = re.compile(rb"\xff[\xe2\xe3\xf2\xf3\xfa\xfb]")


@dataclass(frozen=True, slots=True)
class MpegFrames:
    """The frames of a file.

    Attributes
    ----------
    head : bytes
        A first frame that says how many there are.
    spans : tuple of ByteSpan
        Where in the file the others are.
    count : int
        Their number.
    """

    head: bytes
    spans: tuple[ByteSpan, ...]
    count: int

    @property
    def pieces(self) -> list[bytes | ByteSpan]:
        """All of it, for a :class:`Splice`."""
        return [self.head, *self.spans]


@lru_cache(maxsize=4096)
def _length(head: bytes) -> int:
    """Return how many bytes the frame of layer III with these four bytes has; 0 if they are no such header."""
    word = int.from_bytes(head, "big")
    version, bitrate, rate = word >> 19 & 3, word >> 12 & 15, word >> 10 & 3
    if len(head) < 4 or word >> 21 != 0x7FF or word >> 17 & 3 != 1 or version == 1 or rate == 3 or bitrate in (0, 15):
        return 0
    first = version == 3
    hertz = _RATES[rate] >> (0 if first else 1 if version == 2 else 2)
    return (144 if first else 72) * 1000 * _BITRATES[0 if first else 1][bitrate] // hertz + (word >> 9 & 1)


def _side(head: bytes) -> int:
    """Return how many bytes lie between a frame's header and the place of ``Xing``."""
    mono = head[3] >> 6 == 3
    return (17 if mono else 32) if head[1] >> 3 & 3 == 3 else (9 if mono else 17)


def _is_count(frame: bytes) -> bool:
    """Return whether a frame holds no sound but the number of frames."""
    side = 4 + _side(frame)
    return frame[side : side + 4] in (b"Xing", b"Info") or frame[36:40] == b"VBRI"


def frames(path: Path, within: ByteSpan | None = None) -> MpegFrames | None:
    """Return the frames of the file at ``path``, or of a part of it; None if it does not begin with frames.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    with open(path, "rb") as stream:
        span = within or ByteSpan(0, stream.seek(0, 2))
        return _Scan(stream, span).run()


class _Scan:
    """One look through a file for frames."""

    def __init__(self, stream: BinaryIO, within: ByteSpan) -> None:
        self._stream, self._within = stream, within
        self._base, self._data = within.start, b""
        self._spans: list[list[int]] = []
        self._first, self._count, self._foreign = b"", 0, 0

    def run(self) -> MpegFrames | None:
        at = self._next(self._within.start)
        if at is None or at - self._within.start - self._tags(self._within.start) > _BEGIN:
            return None
        kind, head = self._kind(at), self._bytes(at, 4)
        afresh = False
        while at is not None:
            frame = self._bytes(at, 4)
            length = _length(frame)
            if not length or self._kind(at) != kind:
                found = self._next(at, kind)
                self._foreign += self._within.stop - at if found is None else found - at
                at, afresh = (None if self._foreign > _PATIENCE else found), True
                continue
            stop = at + length
            if stop > self._within.stop and self._count:
                break  # cut off within its last frame
            self._add(at, stop, afresh)
            at, afresh = stop, False
        if not self._count:
            return None
        return MpegFrames(self._head(head), tuple(ByteSpan(*span) for span in self._spans), self._count)

    def _add(self, at: int, stop: int, afresh: bool) -> None:
        """Add a frame. Blender's decoder loses what follows a tag, so a count of frames there is not heard as silence.

        (A count without a tag before it is a frame of silence to all decoders.)
        """
        if not self._first or afresh:
            frame = self._bytes(at, stop - at)
            if not self._first:
                self._first = frame
                if _is_count(frame):
                    return
            elif _is_count(frame):
                return
        if self._spans and self._spans[-1][1] == at:
            self._spans[-1][1] = stop
        else:
            self._spans.append([at, stop])
        self._count += 1

    def _head(self, head: bytes) -> bytes:
        """Return a frame that counts the others; that of the file if it has one, as it knows what encoders add."""
        side = 4 + _side(head)
        first, count = bytearray(self._first), self._count.to_bytes(4, "big")
        if bytes(first[side : side + 4]) in (b"Xing", b"Info") and first[side + 7] & 1:
            first[side + 8 : side + 12] = count
            if first[side + 7] & 2:
                size = len(first) + sum(stop - start for start, stop in self._spans)
                first[side + 12 : side + 16] = min(size, 0xFFFFFFFF).to_bytes(4, "big")
            return bytes(first)
        made = bytes((head[0], head[1] | 1, head[2] & 0x0C | 0x90, head[3]))
        return (made + bytes(side - 4) + b"Xing" + (1).to_bytes(4, "big") + count).ljust(_length(made), b"\0")

    def _kind(self, at: int) -> tuple[int, int, int]:
        """Return what all frames of a stream have in common: version, samples per second, and one channel or two."""
        head = self._bytes(at, 4)
        return head[1] & 0x1E, head[2] & 0x0C, int(head[3] >> 6 == 3)

    def _next(self, at: int, kind: tuple[int, int, int] | None = None) -> int | None:
        """Return where the next frames begin that follow upon each other; None if there are none."""
        begin = at
        while at < self._within.stop and at - begin <= _PATIENCE:
            at += self._tags(at)
            block = self._bytes(at, _BLOCK)
            if len(block) < 4:
                return None
            for found in _SYNC.finditer(block):
                if self._is_chain(at + found.start(), kind):
                    return at + found.start()
            at += max(1, len(block) - 1)
        return None

    def _is_chain(self, at: int, kind: tuple[int, int, int] | None) -> bool:
        kind = kind or (self._kind(at) if self._within.stop - at >= 4 else None)
        for number in range(_CHAIN):
            if number and self._is_end(at):
                return True
            length = _length(self._bytes(at, 4))
            if not length or self._kind(at) != kind:
                return False
            at += length
        return True

    def _is_end(self, at: int) -> bool:
        return at >= self._within.stop or self._bytes(at, 3) in (b"TAG", b"ID3", b"APE")

    def _tags(self, at: int) -> int:
        """Return how many bytes the tags (ID3) at a place have."""
        begin = at
        while True:
            head = self._bytes(at, 10)
            if head[:3] == b"ID3" and len(head) == 10 and max(head[6:10]) < 128:
                at += 10 + (head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9])
            elif head[:3] == b"TAG":
                at += 128
            else:
                return at - begin

    def _bytes(self, at: int, count: int) -> bytes:
        """Return bytes of the file, fewer at its end."""
        low = at - self._base
        if low < 0 or low + count > len(self._data):
            self._stream.seek(at)
            self._base, self._data = at, self._stream.read(max(0, min(max(count, _BLOCK), self._within.stop - at)))
            low = 0
        return self._data[low : low + count]
