"""Writes PNG files, writes and reads XMP in them, and detects damaged ones.

This is written by hand, because Blender comes without Pillow, and because files are copied and hashed chunk by chunk as
they are stored, which no decoder offers; zlib compresses and decompresses.
"""

from __future__ import annotations

import hashlib
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from ..errors import PictureError
from .facts import Facts
from .files import created, opened, span
from .xmp import LARGEST, packet_of

SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
#: Keyword of the text chunk that holds XMP.
_XMP: Final = b"XML:com.adobe.xmp"
#: Chunks that hold the picture itself; all others hold data about it.
_CONTENT: Final = (b"IHDR", b"PLTE", b"tRNS", b"IDAT")
#: Chunks for which programs show other pixels than those of the picture: other frames, other colours, a turned picture.
#: Frames have none of them.
_CHANGING: Final = (b"acTL", b"fcTL", b"fdAT", b"gAMA", b"cHRM", b"iCCP", b"cICP", b"mDCV", b"cLLI", b"eXIf")
#: Chunks that every program must know; others whose name begins with a capital may mean anything.
_CRITICAL: Final = (b"IHDR", b"PLTE", b"IDAT", b"IEND")
#: Chunk that holds content credentials, and the most bytes of it that are looked at.
CREDENTIALS: Final = b"caBX"
_MOST_CREDENTIALS: Final = 16_000_000
#: Compression level of pictures, 1 to 9: above 4 it takes three times as long and saves a few percent.
_LEVEL: Final = 4
#: Compression level of frames: at 1, 1080p takes some 45 ms, at 4 twice that and saves a tenth of the space.
_FRAME_LEVEL: Final = 1


@dataclass(frozen=True, slots=True)
class Chunk:
    """A chunk of a PNG file: its name, where its data begins, and how many bytes that has."""

    name: bytes
    start: int
    length: int


@dataclass(frozen=True, slots=True)
class PngFacts:
    """What a whole PNG file holds.

    Attributes
    ----------
    digest : str
        What :func:`content_digest` returns.
    is_intact : bool
        Whether all of its check sums are right.
    rest : int
        Bytes behind the end of the picture, which belong to nothing.
    credentials : bytes
        Its content credentials; empty if there are none, or more than 16 MB of them.
    changing : tuple of str
        Names of chunks, each once, for which programs may show something else than the picture itself.
    """

    digest: str
    is_intact: bool
    rest: int
    credentials: bytes
    changing: tuple[str, ...] = ()


def read_through(path: Path) -> PngFacts:
    """Return what a PNG file holds, all of it read once.

    Raises
    ------
    PictureError
        If it is no PNG file, or cut off.
    """
    digest, is_intact = hashlib.sha256(), True
    credentials = list[bytes]()
    changing = dict[str, None]()
    with opened(path) as stream:
        for chunk in chunks(stream, path):
            if chunk.name in _CHANGING or (chunk.name[:1].isupper() and chunk.name not in _CRITICAL):
                changing[chunk.name.decode("ascii", "replace")] = None
            kept, check = [], zlib.crc32(chunk.name)
            for block in span(stream, chunk.start, chunk.length):
                check = zlib.crc32(block, check)
                if chunk.name in _CONTENT:
                    digest.update(block)
                if chunk.name == CREDENTIALS and chunk.length <= _MOST_CREDENTIALS:
                    kept.append(block)
            credentials += kept
            is_intact = is_intact and stream.read(4) == struct.pack(">I", check)
        rest = os.fstat(stream.fileno()).st_size - stream.tell()
    return PngFacts(digest.hexdigest(), is_intact, rest, b"".join(credentials), tuple(changing))


def size_of(path: Path) -> tuple[int, int]:
    """Return width and height that the header of a PNG file names, in pixels.

    Raises
    ------
    PictureError
        If it is no PNG file, or cut off.
    """
    with opened(path) as stream:
        head = stream.read(24)
    if len(head) < 24 or not head.startswith(SIGNATURE):
        raise PictureError(f"'{path}' is not a PNG file.")
    wide, high = struct.unpack(">II", head[16:])
    return wide, high


def credentials_of(path: Path) -> bytes:
    """Return the content credentials of a PNG file, as :func:`read_through` does; errors as there."""
    with opened(path) as stream:
        found = [item for item in chunks(stream, path) if item.name == CREDENTIALS and item.length <= _MOST_CREDENTIALS]
        return b"".join(block for item in found for block in span(stream, item.start, item.length))


def encoded(frame: NDArray[np.uint8], packet: bytes = b"", level: int = _LEVEL) -> bytes:
    """Return a picture (H, W, 3 or 4) as the bytes of a PNG file, with an XMP packet if there is one.

    Opaque pictures are written without alpha. ``level`` is the compression level, 0 (none) to 9.
    """
    header, packed = _packed(frame, level)
    texts = [_text_chunk(packet)] if packet else []
    return b"".join([SIGNATURE, _chunk(b"IHDR", header), _SRGB, *texts, _chunk(b"IDAT", packed), _END])


def recorded_frame(frame: NDArray[np.uint8], facts: Facts) -> tuple[bytes, Facts]:
    """Return a frame (H, W, 3 or 4) as a PNG file with its record, and the record, which names the content's SHA-256.

    The bytes are the same as after writing the frame and :func:`.records.record`, but made at once, which is faster.
    """
    header, packed = _packed(frame, _FRAME_LEVEL)
    whole = facts.of_content(hashlib.sha256(header + packed).hexdigest())
    # the record follows right after the header, as other data about the picture does
    text = _text_chunk(packet_of(whole))
    return b"".join([SIGNATURE, _chunk(b"IHDR", header), text, _SRGB, _chunk(b"IDAT", packed), _END]), whole


def content_digest(path: Path) -> str:
    """Return the SHA-256 of the picture itself (header, palette, compressed pixels), without other data in the file.

    Raises
    ------
    PictureError
        If it is no PNG file, or cut off.
    """
    digest = hashlib.sha256()
    with opened(path) as stream:
        for chunk in chunks(stream, path):
            if chunk.name in _CONTENT:
                for block in span(stream, chunk.start, chunk.length):
                    digest.update(block)
    return digest.hexdigest()


def xmp_of(path: Path) -> bytes | None:
    """Return the XMP packet in a PNG file, or None.

    Raises
    ------
    PictureError
        If it is no PNG file, cut off, the packet damaged, or there are two.
    """
    found = list[Chunk]()
    with opened(path) as stream:
        try:
            found += (chunk for chunk in chunks(stream, path) if chunk.name == b"iTXt" and _is_xmp(stream, chunk))
        except PictureError:
            if not found:
                raise  # else it is cut off behind its packet, of which content_digest tells
        if len(found) > 1:
            raise PictureError(f"'{path}' holds metadata twice, so that programs may read either.")
        return _packet(stream, found[0], path) if found else None


def copy_with_xmp(source: Path, target: Path, packet: bytes) -> None:
    """Copy a PNG file with an XMP packet in place of any it had.

    Raises
    ------
    PictureError
        If ``source`` is no PNG file, or cut off.
    OSError
        If ``target`` cannot be written.
    """
    with opened(source) as stream, created(target) as out:
        out.write(SIGNATURE)
        for chunk in chunks(stream, source):
            if chunk.name == b"iTXt" and _is_xmp(stream, chunk):
                continue
            out.write(struct.pack(">I4s", chunk.length, chunk.name))
            for block in span(stream, chunk.start, chunk.length + 4):
                out.write(block)
            if chunk.name == b"IHDR":
                out.write(_text_chunk(packet))


def chunks(stream: BinaryIO, path: Path) -> Iterator[Chunk]:
    """Yield the chunks of an opened file, the last included.

    Raises
    ------
    PictureError
        If it is no PNG file, or cut off.
    """
    size = os.fstat(stream.fileno()).st_size
    stream.seek(0)
    if stream.read(8) != SIGNATURE:
        raise PictureError(f"'{path}' is not a PNG file.")
    place = 8
    while place + 12 <= size:
        stream.seek(place)
        length, name = struct.unpack(">I4s", stream.read(8))
        if place + 12 + length > size:
            break
        yield Chunk(name, place + 8, length)
        if name == b"IEND":
            return
        place += 12 + length
    raise PictureError(f"'{path}' is cut off: the picture does not end where it should. Render or copy it again.")


def _packed(frame: NDArray[np.uint8], level: int) -> tuple[bytes, bytes]:
    """Return the data of header and pixels of a picture (H, W, 3 or 4), the pixels compressed at ``level``."""
    if frame.shape[2] == 4 and (frame[..., 3] == 255).all():
        frame = frame[..., :3]
    high, wide, channels = frame.shape
    header = struct.pack(">IIBBBBB", wide, high, 8, {3: 2, 4: 6}[channels], 0, 0, 0)
    # each row as its difference from the one above, which compresses better than the row itself
    rows = np.empty((high, 1 + wide * channels), np.uint8)
    rows[:, 0] = 2
    flat = np.ascontiguousarray(frame, np.uint8).reshape(high, -1)
    rows[0, 1:] = flat[0]
    np.subtract(flat[1:], flat[:-1], out=rows[1:, 1:])
    return header, zlib.compress(rows.data, level)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(name)))


#: Chunks that are the same in every file: colours are sRGB; end of the file.
_SRGB: Final = _chunk(b"sRGB", b"\0")
_END: Final = _chunk(b"IEND", b"")


def _text_chunk(packet: bytes) -> bytes:
    """Return the chunk with an XMP packet: keyword, not compressed, no language, no translated keyword, packet."""
    return _chunk(b"iTXt", _XMP + b"\0\0\0\0\0" + packet)


def _is_xmp(stream: BinaryIO, chunk: Chunk) -> bool:
    stream.seek(chunk.start)
    return stream.read(len(_XMP) + 1) == _XMP + b"\0"


def _packet(stream: BinaryIO, chunk: Chunk, path: Path) -> bytes:
    if chunk.length > LARGEST:
        raise PictureError(f"The metadata of '{path}' is larger than {LARGEST:,} bytes and was not read.")
    stream.seek(chunk.start)
    data = stream.read(chunk.length)
    (sum_,) = struct.unpack(">I", stream.read(4))
    # after the keyword: whether it is compressed, how, language, translated keyword, text
    packed, texts = data[len(_XMP) + 1 :][:1] == b"\x01", data[len(_XMP) + 3 :].split(b"\0", 2)
    if sum_ != zlib.crc32(data, zlib.crc32(b"iTXt")) or len(texts) != 3:
        raise PictureError(f"The metadata of '{path}' is damaged: it does not add up.")
    if not packed:
        return texts[2]
    unpacker = zlib.decompressobj()
    try:
        packet = unpacker.decompress(texts[2], LARGEST)
    except zlib.error as error:
        raise PictureError(f"The metadata of '{path}' is damaged ({error}).") from error
    if unpacker.unconsumed_tail:
        raise PictureError(f"The metadata of '{path}' is larger than {LARGEST:,} bytes and was not read.")
    return packet
