"""Faults of sound files that need no decoder to find, or that decoders do not report; and headers that do not fit."""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from ..errors import AudioError
from ..files.references import LOOKED_AT, reference_in
from . import flac
from .splice import ByteSpan

#: Sizes that programs write who do not know the length yet.
_UNKNOWN_32: Final = (0, 0xFFFFFFFF, 0x7FFFFFFF, 0x80000000)
_UNKNOWN_64: Final = (0, (1 << 64) - 1, (1 << 63) - 1, 1 << 63)
#: Chunks of a header that are looked at.
_CHUNKS: Final = 10_000
#: Bytes behind the samples that are looked at, and how many there must be to be taken for samples.
_BEHIND, _LEAST = 1 << 16, 4096
#: Bytes by which a header may announce too much: programs count chunks or padding in, and nobody hears it.
_SLACK: Final = 64
_W64_RIFF: Final = b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00"
_W64_DATA: Final = b"data\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a"


class SizeField(NamedTuple):
    """Where a header says how many bytes of samples there are: the place, how it is packed, and what it counts more."""

    at: int
    form: str
    more: int = 0


@dataclass(frozen=True, slots=True)
class SoundExtent:
    """Where in a file its samples are.

    Attributes
    ----------
    start : int
        First byte.
    stop : int
        Byte after the last by the header; 0 if that does not say.
    size : int
        Bytes of the file.
    field : SizeField or None
        Where the header says it; None if that is never mended.
    told : int
        What stands there.
    coded : int
        Number of the coding in a WAV file, else 0.
    has_chunks : bool
        Whether something else may follow the samples.
    """

    start: int
    stop: int
    size: int
    field: SizeField | None = None
    told: int = 0
    coded: int = 0
    has_chunks: bool = True

    @property
    def is_cut_off(self) -> bool:
        """Whether the header clearly announces more than is there."""
        return self.stop > self.size + _SLACK

    @property
    def is_read_on(self) -> bool:
        """Whether FFmpeg, and Blender with it, reads on to the end of the file whatever the header says (measured)."""
        return not self.has_chunks or (not self.stop and self.field is not None and self.field.form[1] == "I")

    def mended(self) -> list[bytes | ByteSpan]:
        """Return the file with a header that has the samples go on to its end, for a :class:`Splice`."""
        assert self.field is not None
        at, form, more = self.field
        width = struct.calcsize(form)
        value = min(self.size - self.start + more, (1 << 8 * width) - 1)
        return [ByteSpan(0, at), struct.pack(form, value), ByteSpan(at + width, self.size)]


def check_file(path: Path) -> None:
    """Check a sound file for faults that need no decoder to find, or that decoders do not report.

    Raises
    ------
    AudioError
        If ``path`` is missing, a folder or a device, empty, unreadable, names other files, or is cut off before the
        end that its header announces.
    """
    check_file_kind(path)
    try:
        with open(path, "rb") as stream:
            head = stream.read(LOOKED_AT)
            size = stream.seek(0, os.SEEK_END)
            told = _extent(stream, size)
            is_empty = told is not None and _is_empty(stream, told)
        length = flac.length(path)
    except OSError as error:
        raise AudioError(f"'{path}' cannot be read: {error.strerror}. Check its permissions.") from error
    if not size:
        raise AudioError(f"'{path}' is an empty file. Export the sound again.")
    if is_empty:
        raise AudioError(f"'{path}' is empty: it holds no samples. Export the sound again.")
    if words := reference_in(head):
        raise AudioError(f"'{path}' {words}, not a sound. Choose the sound itself.")
    if told is not None and told.is_cut_off:
        raise AudioError(
            f"'{path}' is cut off: {told.stop:,} bytes are announced, {told.size:,} are there. Export or copy it again."
        )
    if length is not None and length.is_cut_off:
        raise AudioError(
            f"'{path}' is cut off: {length.declared:,} samples are announced, {length.found:,} are there. "
            "Export or copy it again."
        )


def check_file_kind(path: Path) -> None:
    """Check that there is a file, before it is opened: a pipe would be waited for.

    Raises
    ------
    AudioError
        If ``path`` is missing, cannot be looked at, or is a folder, a device or a pipe.
    """
    try:
        kind = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError, ValueError):
        raise AudioError(f"There is no sound at '{path}'. Check the path.") from None
    except OSError as error:  # a name too long, a folder that may not be looked into
        raise AudioError(f"'{path}' cannot be read: {error.strerror}. Check its path and permissions.") from error
    if stat.S_ISDIR(kind):
        raise AudioError(f"'{path}' is a folder. Choose a sound file in it.")
    if not stat.S_ISREG(kind):
        raise AudioError(f"'{path}' is a device or a pipe and not a file. Save the sound as a file, and choose that.")


def extent(path: Path) -> SoundExtent | None:
    """Return where the samples of the file at ``path`` are; None if its header does not say or is not known here.

    Known are WAV (RIFF, RIFX, RF64, BW64, W64), AIFF, AU, CAF, and MP4 and its kin.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    with open(path, "rb") as stream:
        return _extent(stream, stream.seek(0, os.SEEK_END))


def is_mistaken(path: Path, told: SoundExtent) -> bool:
    """Return whether samples go on behind their end by the header, or it does not say where that is; raises OSError.

    What follows samples in healthy files is chunks, tags or zeros. In a file whose writer was stopped, or that is
    longer than its header can say, it is more samples.
    """
    begin = told.stop or told.start
    if told.field is None or begin >= told.size:
        return False
    if not told.stop or not told.has_chunks:
        return True
    if told.size - begin < _LEAST:
        return False
    with open(path, "rb") as stream:
        stream.seek(begin)
        behind = stream.read(_BEHIND)
    return not (
        _is_chunk(behind, told.size - begin)
        or _is_chunk(behind[1:], told.size - begin)
        or behind.startswith((b"ID3", b"TAG", b"APETAGEX"))
        or not behind.strip(b"\0")
    )


def _is_empty(stream: BinaryIO, told: SoundExtent) -> bool:
    """Return whether the header says that there are no samples, and there are none."""
    if told.told or told.stop or told.field is None:
        return False
    stream.seek(told.start)
    return told.start >= told.size or (told.has_chunks and _is_chunk(stream.read(8), told.size - told.start))


def _is_chunk(data: bytes, size: int) -> bool:
    """Return whether data begin with the name and size of a chunk of at most that many bytes."""
    name = data[:4]
    if len(data) < 8 or not all(32 <= byte < 127 for byte in name):
        return False
    return any(int.from_bytes(data[4:8], order) <= size for order in ("little", "big"))


def _extent(stream: BinaryIO, size: int) -> SoundExtent | None:
    stream.seek(0)
    head = stream.read(40)
    if head[:4] in (b"RIFF", b"RIFX", b"RF64", b"BW64") and head[8:12] == b"WAVE":
        return _wav(stream, size, head)
    if head[:16] == _W64_RIFF:
        return _w64(stream, size)
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return _aiff(stream, size)
    if head[:4] == b".snd" and len(head) >= 24:
        begin, told = struct.unpack(">II", head[4:12])
        return SoundExtent(begin, 0 if told in _UNKNOWN_32 else begin + told, size, SizeField(8, ">I"), told, 0, False)
    if head[:4] == b"caff":
        return _caf(stream, size)
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
        return _mp4(stream, size)
    return None


def _chunks(stream: BinaryIO, at: int, form: str) -> Iterator[tuple[bytes, int, int, int]]:
    """Yield name, first byte, size and place of the size of each chunk from a byte on."""
    width = struct.calcsize(form)
    for _ in range(_CHUNKS):
        stream.seek(at)
        head = stream.read(width)
        if len(head) < width:
            return
        name, size = struct.unpack(form, head)
        yield name, at + width, size, at + 4
        at += width + size + size % 2


def _wav(stream: BinaryIO, size: int, head: bytes) -> SoundExtent | None:
    order = ">" if head[:4] == b"RIFX" else "<"
    large, coded = None, 0
    for name, at, told, place in _chunks(stream, 12, f"{order}4sI"):
        if name == b"ds64" and told >= 16:
            stream.seek(at)
            (known,) = struct.unpack("<8xQ", stream.read(16).ljust(16, b"\0"))
            large = known, at + 8
        elif name == b"fmt ":
            stream.seek(at)
            (coded,) = struct.unpack(f"{order}H", stream.read(2).ljust(2, b"\0"))
        elif name == b"data":
            if large is not None and told == 0xFFFFFFFF:
                known, place = large
                return SoundExtent(
                    at, 0 if known in _UNKNOWN_64 else at + known, size, SizeField(place, "<Q"), known, coded
                )
            return SoundExtent(
                at, 0 if told in _UNKNOWN_32 else at + told, size, SizeField(place, f"{order}I"), told, coded
            )
    return None


def _w64(stream: BinaryIO, size: int) -> SoundExtent | None:
    at = 40
    for _ in range(_CHUNKS):
        if at >= size:
            break
        stream.seek(at)
        head = stream.read(24)
        if len(head) < 24:
            return None
        (told,) = struct.unpack("<16xQ", head)
        if head[:16] == _W64_DATA:
            unknown = told in (*_UNKNOWN_64, 24)
            told_samples = 0 if told in (0, 24) else told
            return SoundExtent(at + 24, 0 if unknown else at + told, size, SizeField(at + 16, "<Q", 24), told_samples)
        at += max(24, told + -told % 8)
    return None


def _aiff(stream: BinaryIO, size: int) -> SoundExtent | None:
    for name, at, told, place in _chunks(stream, 12, ">4sI"):
        if name == b"SSND":
            unknown = told in (*_UNKNOWN_32, 8)
            told_samples = 0 if told in (0, 8) else told
            return SoundExtent(at + 8, 0 if unknown else at + told, size, SizeField(place, ">I", 8), told_samples)
    return None


def _caf(stream: BinaryIO, size: int) -> SoundExtent | None:
    at = 8
    for _ in range(_CHUNKS):
        if at >= size:
            break
        stream.seek(at)
        head = stream.read(12)
        if len(head) < 12:
            return None
        told = int.from_bytes(head[4:], "big", signed=True)
        if head[:4] == b"data":
            return SoundExtent(at + 16, 0 if told < 0 else at + 12 + told, size)
        if told < 0:
            return None
        at += 12 + told
    return None


def _mp4(stream: BinaryIO, size: int) -> SoundExtent | None:
    """Return the extent of the last box of an MP4 file: what was cut off of the file was its end."""
    at = start = 0
    for _ in range(_CHUNKS):
        if at >= size:
            break
        stream.seek(at)
        head = stream.read(16)
        if len(head) < 8:
            break
        told = int.from_bytes(head[:4], "big")
        if told == 1:
            told = int.from_bytes(head[8:16], "big")
        if not told or told < 8 or not head[4:8].isalnum():  # up to the end of the file, or no box
            break
        start, at = at, at + told
    return SoundExtent(start, at, size)
