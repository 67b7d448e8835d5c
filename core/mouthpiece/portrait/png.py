"""PNG files with the standard library alone: written fast, read back, and given further chunks.

Inside Blender there is no Pillow, and Blender's own writer is for the main thread only. A frame of 1920 x 1080 takes
some 45 ms, most of it in zlib, which lets other threads work meanwhile.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..errors import PictureError

#: A chunk: its kind, four letters, and its content.
Chunk = tuple[bytes, bytes]

SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
#: Colour type by number of channels.
_COLOURS: Final = {3: 2, 4: 6}
#: Row filter "up": what differs from the row above. The cheapest in numpy, and on photos the smallest but one.
_UP: Final = 2


def png_bytes(frame: NDArray[np.uint8], chunks: Sequence[Chunk] = (), level: int = 1) -> bytes:
    """Return a PNG file of a frame.

    Parameters
    ----------
    frame : (H, W, 3) or (H, W, 4) uint8
        sRGB colours, alpha straight, first row at the top. Opaque frames of four channels are written with three.
    chunks : sequence of (bytes, bytes)
        Further chunks, put before the picture.
    level : int
        How hard zlib tries, 0 (stores only; fastest) to 9.

    Raises
    ------
    ValueError
        If the frame is none.
    """
    if frame.ndim != 3 or frame.shape[2] not in _COLOURS or frame.dtype != np.uint8 or not frame.size:
        raise ValueError(f"a frame is uint8 (H, W, 3 or 4), not {frame.dtype} {frame.shape}")
    if frame.shape[2] == 4 and (frame[..., 3] == 255).all():
        frame = frame[..., :3]
    height, width, channels = frame.shape
    flat = np.ascontiguousarray(frame).reshape(height, width * channels)
    rows = np.zeros((height, 1 + width * channels), np.uint8)
    rows[1:, 0] = _UP
    rows[0, 1:] = flat[0]
    np.subtract(flat[1:], flat[:-1], out=rows[1:, 1:])
    header = struct.pack(">IIBBBBB", width, height, 8, _COLOURS[channels], 0, 0, 0)
    body = zlib.compress(rows.data, level)
    srgb = (b"sRGB", b"\0")
    parts = [(b"IHDR", header), srgb, *chunks, (b"IDAT", body), (b"IEND", b"")]
    return SIGNATURE + b"".join(_packed(kind, content) for kind, content in parts)


def with_chunks(data: bytes, chunks: Sequence[Chunk]) -> bytes:
    """Return a PNG file with further chunks right before its picture.

    Raises
    ------
    PictureError
        If ``data`` is no PNG file, or is cut off.
    """
    there = list(chunks_of(data))
    first = next((index for index, (kind, _) in enumerate(there) if kind == b"IDAT"), len(there))
    parts = [*there[:first], *chunks, *there[first:]]
    return SIGNATURE + b"".join(_packed(kind, content) for kind, content in parts)


def chunks_of(data: bytes) -> Iterator[Chunk]:
    """Yield the chunks of a PNG file.

    Raises
    ------
    PictureError
        If ``data`` is no PNG file, is cut off, or a chunk is damaged.
    """
    if not data.startswith(SIGNATURE):
        raise PictureError("This is no PNG file.")
    place, kind = len(SIGNATURE), b""
    while kind != b"IEND":
        head = data[place : place + 8]
        length = int.from_bytes(head[:4], "big")
        kind, content = head[4:], data[place + 8 : place + 8 + length]
        check = data[place + 8 + length : place + 12 + length]
        if len(head) < 8 or len(content) < length or len(check) < 4:
            raise PictureError("The PNG file is cut off. Make it again.")
        if zlib.crc32(content, zlib.crc32(kind)) != int.from_bytes(check, "big"):
            raise PictureError("The PNG file is damaged. Make it again.")
        yield kind, content
        place += 12 + length


def text_chunk(keyword: str, text: str) -> Chunk:
    """Return a chunk (iTXt) that holds a text of any language under a keyword of 1 to 79 Latin letters."""
    name = keyword.encode("latin-1")
    if not 1 <= len(name) <= 79:
        raise ValueError(f"a keyword has 1 to 79 letters, not {len(name)}")
    return b"iTXt", name + b"\0\0\0\0\0" + text.encode("utf-8")


def texts_of(data: bytes) -> dict[str, str]:
    """Return what :func:`text_chunk` put into a PNG file, by keyword; compressed texts are left out.

    Raises
    ------
    PictureError
        As for :func:`chunks_of`.
    """
    found = {}
    for kind, content in chunks_of(data):
        if kind == b"iTXt":
            keyword, _, rest = content.partition(b"\0")
            if rest[:1] == b"\0":
                text = rest[2:].split(b"\0", 2)[-1]
                found[keyword.decode("latin-1")] = text.decode("utf-8", "replace")
    return found


def _packed(kind: bytes, content: bytes) -> bytes:
    check = zlib.crc32(content, zlib.crc32(kind))
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)
