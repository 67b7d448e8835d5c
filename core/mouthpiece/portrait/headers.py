"""What a picture file says about itself, without decoding it.

Blender shows a turned photo as it is stored, colours whatever their profile says, the first frame of an animation
without a word, and a JPEG whose end is missing as far as it goes; of an animated WebP it shows nothing. Read by hand,
because Pillow, which knows all this, is not in Blender.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal

#: Bytes of a file that are looked at: metadata stands before the picture.
_LOOKED_AT: Final = 1 << 20
#: Bytes at the end of a JPEG in which its end must be marked: some programs write more after it.
_TAIL: Final = 1 << 16
_PNG: Final = b"\x89PNG\r\n\x1a\n"
_ORIENTATION: Final = 0x0112
#: What the values of the EXIF orientation mean to someone who sees the picture as it is stored.
_STORED: Final = {
    2: "mirrored",
    3: "upside down",
    4: "mirrored and upside down",
    5: "mirrored and on its side",
    6: "on its left side",
    7: "mirrored and on its side",
    8: "on its right side",
}
#: How files begin that are taken for pictures and are none, or none for everybody: beginning, who does read it, what it
#: is, and what to do about it.
_OTHER_KINDS: Final = (
    (b"\x76\x2f\x31\x01", "Blender", "is an OpenEXR picture, which is read in Blender only. Save it as PNG"),
    (b"#?RADIANCE", "Blender", "is a Radiance HDR picture, which is read in Blender only. Save it as PNG"),
    (b"8BPS", "Blender", "is a Photoshop file. Export it as PNG"),
    (b"II*\0", "Blender", "is a TIFF that Pillow does not read (32-bit colour, say). Save it as PNG, or use Blender"),
    (b"MM\0*", "Blender", "is a TIFF that Pillow does not read (32-bit colour, say). Save it as PNG, or use Blender"),
    (b"gimp xcf", "", "is a GIMP file. Export it as PNG"),
    (b"%PDF", "", "is a PDF. Export the page as PNG"),
    (b"<svg", "", "is a vector drawing. Export it as PNG, 512 pixels or more on a side"),
    (b"<?xml", "", "is text (XML), perhaps a vector drawing. Export it as PNG, 512 pixels or more on a side"),
)
#: The same for files that have a mark of their kind from the fifth byte on: HEIC, AVIF, films.
_BOXED: Final = "is a HEIC, AVIF or film file that is not read here. Save it as PNG or JPEG"


def kind_of(path: Path, reader: Literal["Pillow", "Blender"]) -> str:
    """Return what a file is that ``reader`` could not read, as the rest of a sentence; empty if that cannot be told."""
    try:
        with path.open("rb") as file:
            head = file.read(64).lstrip()
    except OSError:
        return ""
    if not head:
        return "is empty. Save the picture again"
    if head[4:8] == b"ftyp":
        return _BOXED
    return next((words for start, who, words in _OTHER_KINDS if who != reader and head.startswith(start)), "")


def remarks_on_file(path: Path) -> list[str]:
    """Return what should be known of a picture file that Blender does not tell; none if it cannot be read."""
    try:
        with path.open("rb") as file:
            head = file.read(_LOOKED_AT)
            file.seek(max(0, path.stat().st_size - _TAIL))
            tail = file.read()
    except OSError:
        return []
    remarks = []
    stored = _STORED.get(orientation(head))
    if stored is not None:
        remarks.append(
            f"The picture is stored {stored}, with a note (EXIF) to turn it, which Blender leaves aside. Turn it in an "
            "image program and save it, or go on with it as it is seen here."
        )
    if is_animated(head):
        remarks.append("The picture is animated; only its first frame is used.")
    if other_colours(head):
        remarks.append(
            "The picture has a colour profile, which Blender leaves aside: its colours may be a little off. Save it in "
            "sRGB to have them right."
        )
    if head.startswith(b"\xff\xd8") and b"\xff\xd9" not in tail:
        remarks.append("The end of the picture's file is missing: a part of it is grey. Copy or save it again.")
    return remarks


def is_animated(head: bytes) -> bool:
    """Tell from its beginning whether a PNG, GIF or WebP file holds an animation."""
    if head.startswith(_PNG):
        return b"acTL" in head.partition(b"IDAT")[0]
    if head.startswith(b"GIF8"):
        return b"NETSCAPE2.0" in head
    return head[:4] == b"RIFF" and head[8:16] == b"WEBPVP8X" and len(head) > 20 and bool(head[20] & 2)


def orientation(head: bytes) -> int:
    """Return the EXIF orientation (1 to 8) in the beginning of a JPEG, PNG, WebP or TIFF file; 1 if there is none."""
    found = _exif(head)
    order = {b"II": "<", b"MM": ">"}.get(found[:2])
    if order is None:
        return 1
    try:
        (first,) = struct.unpack_from(order + "I", found, 4)
        (count,) = struct.unpack_from(order + "H", found, first)
        for entry in range(first + 2, first + 2 + 12 * count, 12):
            tag, kind, number, value = struct.unpack_from(order + "HHIH", found, entry)
            if (tag, kind, number) == (_ORIENTATION, 3, 1):
                return int(value) if 1 <= value <= 8 else 1
    except struct.error:
        pass
    return 1


def other_colours(head: bytes) -> bool:
    """Tell whether a JPEG, PNG or WebP file has a colour profile other than sRGB; its beginning is looked at."""
    profile = b""
    if head.startswith(b"\xff\xd8"):
        found = (data for kind, data in _segments(head) if kind == 0xE2 and data.startswith(b"ICC_PROFILE\0"))
        profile = next(found, b"")[14:]
    for kind, data in _chunks(head):
        if kind == b"ICCP":
            profile = data
        elif kind == b"iCCP":
            try:
                profile = zlib.decompressobj().decompress(data.partition(b"\0")[2][1:], _LOOKED_AT)
            except zlib.error:
                return False
    return len(profile) > 128 and not any(name in profile for name in (b"sRGB", b"s\0R\0G\0B"))


def _exif(head: bytes) -> bytes:
    """Return the EXIF data (a TIFF file in itself), from its byte order on; empty if there is none."""
    if head[:4] in (b"II*\0", b"MM\0*"):
        return head
    if head.startswith(b"\xff\xd8"):
        return next((d[6:] for kind, d in _segments(head) if kind == 0xE1 and d.startswith(b"Exif\0\0")), b"")
    found = (data for kind, data in _chunks(head) if kind in (b"eXIf", b"EXIF"))
    return next(found, b"").removeprefix(b"Exif\0\0")


def _chunks(head: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield kind and content of a PNG's chunks (each with a sum behind it) or a WebP's (of even length)."""
    png = head.startswith(_PNG)
    place = 8 if png else 12 if head[:4] == b"RIFF" else len(head)
    while place + 8 <= len(head):
        size, kind = struct.unpack_from(">I4s", head, place) if png else struct.unpack_from("<4sI", head, place)[::-1]
        yield kind, head[place + 8 : place + 8 + size]
        place += 12 + size if png else 8 + size + size % 2


def _segments(head: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield kind and content of a JPEG's segments before its picture."""
    place = 2
    while place + 4 <= len(head) and head[place] == 0xFF and head[place + 1] != 0xDA:
        (size,) = struct.unpack_from(">H", head, place + 2)
        yield head[place + 1], head[place + 4 : place + 2 + size]
        place += 2 + max(size, 2)
