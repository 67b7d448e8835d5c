"""Writes and reads XMP in MP4 and MOV films, and detects damaged ones.

This is written by hand, because Blender comes with no package that reads the boxes of a film (PyAV, on the command
line, would write the film anew), and because pictures and sound must stay the same to the byte: the record holds their
hash.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from ..errors import PictureError
from .files import created, opened, span
from .xmp import LARGEST

#: Extended name of the box that holds XMP, by Adobe's specification.
XMP_BOX: Final = bytes.fromhex("BE7ACFCB97A942E89C71999491E3AFAC")
#: Extended name of the box that holds content credentials, and the most bytes of it that are looked at.
_CREDENTIALS: Final = bytes.fromhex("D8FEC3D61B0E483C92975828877EC481")
_MOST_CREDENTIALS: Final = 16_000_000
#: Most boxes at the top of a film; a film with more counts as damaged.
_MOST: Final = 100_000


@dataclass(frozen=True, slots=True)
class Box:
    """A box at the top of a film: name, first byte, bytes before its data, bytes in all, extended name."""

    name: bytes
    start: int
    head: int
    size: int
    extended: bytes = b""

    @property
    def is_xmp(self) -> bool:
        """Whether it holds XMP."""
        return self.name == b"uuid" and self.extended == XMP_BOX


def content_digest(path: Path) -> str:
    """Return the SHA-256 of a film's encoded pictures and sound, without all other data in the file.

    Raises
    ------
    PictureError
        If it is no such film, or cut off.
    """
    digest = hashlib.sha256()
    with opened(path) as stream:
        for box in boxes(stream, path):
            if box.name == b"mdat":
                for block in span(stream, box.start + box.head, box.size - box.head):
                    digest.update(block)
    return digest.hexdigest()


def xmp_of(path: Path) -> bytes | None:
    """Return the XMP packet in a film, or None.

    Raises
    ------
    PictureError
        If it is no such film, or cut off, the packet too large, or there are two.
    """
    with opened(path) as stream:
        found = [box for box in boxes(stream, path) if box.is_xmp]
        if len(found) > 1:
            raise PictureError(f"'{path}' holds metadata twice, so that programs may read either.")
        if not found:
            return None
        (box,) = found
        if box.size - box.head > LARGEST:
            raise PictureError(f"The metadata of '{path}' is larger than {LARGEST:,} bytes and was not read.")
        return b"".join(span(stream, box.start + box.head, box.size - box.head))


def credentials_of(path: Path) -> bytes:
    """Return the content credentials of a film; empty if there are none, or more than 16 MB of them.

    Raises
    ------
    PictureError
        If it is no such film, or cut off.
    """
    with opened(path) as stream:
        found = [box for box in boxes(stream, path) if box.extended == _CREDENTIALS and box.size <= _MOST_CREDENTIALS]
        return b"".join(block for box in found for block in span(stream, box.start, box.size))


def copy_with_xmp(source: Path, target: Path, packet: bytes) -> None:
    """Copy a film and add an XMP packet at its end, in place of any it had.

    All other data stays at the same place in the file, because films hold the places of their frames: a former packet
    becomes empty space.

    Raises
    ------
    PictureError
        If ``source`` is no such film, or cut off.
    OSError
        If ``target`` cannot be written.
    """
    with opened(source) as stream:
        found = list(boxes(stream, source))
        end = os.fstat(stream.fileno()).st_size
        last = found[-1]
        if last.is_xmp:
            end = last.start
        stream.seek(last.start)
        is_open = stream.read(4) == b"\0\0\0\0"
        if is_open and last.size >= 1 << 32:
            raise PictureError(f"'{source}' is too large for a record to be added. Make it anew, shorter.")
        with created(target) as out:
            for block in span(stream, 0, end):
                out.write(block)
            for box in found[:-1]:
                if box.is_xmp:
                    out.seek(box.start + 4)
                    out.write(b"free")
            if is_open and not last.is_xmp:  # its size was given as "up to the end of the file"
                out.seek(last.start)
                out.write(struct.pack(">I", last.size))
            out.seek(0, os.SEEK_END)
            out.write(struct.pack(">I4s", 24 + len(packet), b"uuid") + XMP_BOX + packet)


def boxes(stream: BinaryIO, path: Path) -> Iterator[Box]:
    """Yield the boxes at the top of an opened film.

    Raises
    ------
    PictureError
        If it is no such film, or cut off.
    """
    end, place, count = os.fstat(stream.fileno()).st_size, 0, 0
    names: set[bytes] = set()
    while place < end:
        box = _box(stream, place, end)
        if not names and (box is None or box.name != b"ftyp"):
            raise PictureError(f"'{path}' is not an MP4 film.")
        count += 1
        if box is None or count > _MOST:
            break
        names.add(box.name)
        yield box
        place += box.size
    if place != end or not names:
        raise PictureError(f"'{path}' is damaged or cut off. Render or copy it again.")
    if not {b"moov", b"mdat"} <= names:
        raise PictureError(f"'{path}' is cut off: a part of the film is missing. Render or copy it again.")


def _box(stream: BinaryIO, place: int, end: int) -> Box | None:
    """Return the box at a place, or None if there cannot be one."""
    stream.seek(place)
    raw = stream.read(32)
    if len(raw) < 8:
        return None
    size, name = struct.unpack(">I4s", raw[:8])
    head = 8
    if size == 1 and len(raw) >= 16:
        (size,), head = struct.unpack(">Q", raw[8:16]), 16
    elif size == 0:
        size = end - place
    extended = b""
    if name == b"uuid":
        extended = raw[head : head + 16]
        head += 16
    if size < head or place + size > end:
        return None
    return Box(name, place, head, size, extended)
