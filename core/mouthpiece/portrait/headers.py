"""What a picture file says about itself, without decoding it.

Blender shows a turned photo as it is stored, colours whatever their profile says, the first frame of an animation
without a word, and a JPEG whose end is missing as far as it goes; of an animated WebP it shows nothing. Read by hand,
because Pillow, which knows all this, is not in Blender, and because what a file is, and how much there is of it, has to
be known before any library sees it.
"""

from __future__ import annotations

import mmap
import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, Literal

from ..files.places import is_there
from ..files.references import reference_in

#: Bytes of a file that are looked at: metadata stands before the picture.
_LOOKED_AT: Final = 1 << 20
#: Bytes at the end of a JPEG in which its end must be marked: some programs write more after it.
_TAIL: Final = 1 << 16
#: Most frames that are counted, and most bytes of a GIF that mean nothing before it is given up.
MANY: Final = 1000
_ODD: Final = 1 << 16
#: A mark in a JPEG, between stretches of its picture as well; which ones have no length behind them.
_MARKER: Final = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
_ALONE: Final = (0x01, 0xD8)
#: Most passes in which a JPEG may come.
_PASSES: Final = 100
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
#: How the kinds of pictures that are read begin: the name that Pillow has for the kind, and its beginnings.
_PICTURES: Final = (
    ("PNG", (_PNG,)),
    ("JPEG", (b"\xff\xd8\xff",)),
    ("GIF", (b"GIF87a", b"GIF89a")),
    ("TIFF", (b"II*\0", b"MM\0*", b"II\0*", b"MM*\0", b"II+\0", b"MM\0+")),
    ("BMP", (b"BM",)),
)
#: The same for the kinds that Blender reads besides.
_IN_BLENDER: Final = (
    ("OpenEXR", (b"\x76\x2f\x31\x01",)),
    ("HDR", (b"#?RADIANCE", b"#?RGBE")),
    ("JPEG2000", (b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51")),
    ("PSD", (b"8BPS",)),
    ("DDS", (b"DDS ",)),
    ("SGI", (b"\x01\xda",)),
    ("DPX", (b"SDPX", b"XPDS")),
    ("CINEON", (b"\x80\x2a\x5f\xd7",)),
)
#: A Targa file has no beginning of its own, but only few values make sense there: colour tables, kinds of pictures,
#: bits of a table's colours, and of a pixel.
_TARGA: Final = ((0, 1), (1, 2, 3, 9, 10, 11), (0, 15, 16, 24, 32), (8, 15, 16, 24, 32))
#: How files begin that are taken for pictures and are none, or none for everybody: beginning, who does read it, what it
#: is, and what to do about it.
_OTHER_KINDS: Final = (
    (b"\x76\x2f\x31\x01", "Blender", "is an OpenEXR picture, which is read in Blender only. Save it as PNG"),
    (b"#?R", "Blender", "is a Radiance HDR picture, which is read in Blender only. Save it as PNG"),
    (b"8BPS", "Blender", "is a Photoshop file. Export it as PNG"),
    (b"\0\0\0\x0cjP  ", "Blender", "is a JPEG 2000 picture, which is read in Blender only. Save it as PNG or JPEG"),
    (b"\xff\x4f\xff\x51", "Blender", "is a JPEG 2000 picture, which is read in Blender only. Save it as PNG or JPEG"),
    (b"DDS ", "Blender", "is a texture for games (DDS), which is read in Blender only. Save it as PNG"),
    (b"\x01\xda", "Blender", "is an SGI picture, which is read in Blender only. Save it as PNG"),
    (b"SDPX", "Blender", "is a scanned frame (DPX), which is read in Blender only. Save it as PNG"),
    (b"XPDS", "Blender", "is a scanned frame (DPX), which is read in Blender only. Save it as PNG"),
    (b"\x80\x2a\x5f\xd7", "Blender", "is a scanned frame (Cineon), which is read in Blender only. Save it as PNG"),
    (b"II", "Blender", "is a TIFF that Pillow does not read (32-bit colour, say). Save it as PNG, or use Blender"),
    (b"MM", "Blender", "is a TIFF that Pillow does not read (32-bit colour, say). Save it as PNG, or use Blender"),
    (b"%!PS", "", "is a PostScript file (EPS). Export it as PNG"),
    (b"\x04%!PS", "", "is a PostScript file (EPS). Export it as PNG"),
    (b"\xc5\xd0\xd3\xc6", "", "is a PostScript file (EPS). Export it as PNG"),
    (b"gimp xcf", "", "is a GIMP file. Export it as PNG"),
    (b"%PDF", "", "is a PDF. Export the page as PNG"),
    (b"<svg", "", "is a vector drawing. Export it as PNG, 512 pixels or more on a side"),
    (b"<?xml", "", "is text (XML), perhaps a vector drawing. Export it as PNG, 512 pixels or more on a side"),
    (b"\xd7\xcd\xc6\x9a", "", "is a Windows metafile. Export it as PNG"),
    (b"icns", "", "is a file of icons. Save the picture as PNG"),
    (b"\0\0\x01\0", "", "is a file of icons. Save the picture as PNG"),
    (b"SIMPLE  =", "", "is a picture from astronomy (FITS). Export it as PNG"),
    (b"\x89HDF", "", "is a file of measurements (HDF5). Export a picture of it as PNG"),
    (b"GRIB", "", "is a file of measurements (GRIB). Export a picture of it as PNG"),
    (b"BUFR", "", "is a file of measurements (BUFR). Export a picture of it as PNG"),
    (b"/* XPM", "", "is a program text with a picture in it (XPM). Save it as PNG"),
    (b"qoif", "", "is a QOI picture, which is not read. Save it as PNG"),
    (b"RIFF", "", "is a sound, a film or a damaged WebP picture. Save a picture as PNG"),
    (b"\x1aE\xdf\xa3", "", "is a film. Save one frame of it as PNG"),
    (b"OggS", "", "is a sound or a film. Save a picture as PNG"),
    (b"PK\x03\x04", "", "is a zip file. Take the picture out of it"),
)
#: Letters after the P with which the family of PNM pictures begins.
_PNM: Final = b"1234567fFy"
#: The same for files that have a mark of their kind from the fifth byte on: HEIC, AVIF, films.
_BOXED: Final = "is a HEIC, AVIF or film file that is not read here. Save it as PNG or JPEG"


def picture_kind(path: Path, reader: Literal["Pillow", "Blender"]) -> str:
    """Return which kind of picture ``reader`` may be given a file as, by its first bytes; empty if it is none.

    The names are Pillow's: ``"PNG"``, ``"JPEG"``, ``"WEBP"``, ``"TIFF"``, ``"GIF"``, ``"BMP"``, ``"TGA"``. What is not
    among the documented kinds is handed to no library: some of them run programs, or open what a file names.
    """
    head = _beginning(path)
    kinds = _PICTURES if reader == "Pillow" else (*_PICTURES, *_IN_BLENDER)
    for name, beginnings in kinds:
        if head.startswith(beginnings):
            return name
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    return "TGA" if _is_targa(head) else ""


def _is_targa(head: bytes) -> bool:
    if len(head) < 18:
        return False
    table, kind, bits = head[1], head[2], head[7]
    width, height, depth = struct.unpack_from("<HHB", head, 12)
    fits = all(value in values for value, values in zip((table, kind, bits, depth), _TARGA, strict=True))
    return fits and width > 0 and height > 0


def kind_of(path: Path, reader: Literal["Pillow", "Blender"]) -> str:
    """Return what a file is that ``reader`` could not read, as the rest of a sentence; empty if that cannot be told."""
    if not is_there(path):
        return ""
    if not is_file(path):
        return "is no file. Name a picture"
    head = _beginning(path)
    if not head:
        return "is empty. Save the picture again"
    head = head.lstrip()
    if head[4:8] == b"ftyp":
        return _BOXED
    if words := reference_in(head):
        return f"{words}. Save a picture as PNG"
    if head[:1] == b"P" and head[1:2] in _PNM and head[2:3].isspace():
        return "is a PNM picture, which is not read. Save it as PNG"
    if head[40:44] == b" EMF":
        return "is a Windows metafile. Export it as PNG"
    if head[4:6] in (b"\x11\xaf", b"\x12\xaf"):
        return "is an Autodesk animation (FLI). Save one frame of it as PNG"
    return next((words for start, who, words in _OTHER_KINDS if who != reader and head.startswith(start)), "")


def is_file(path: Path) -> bool:
    """Tell whether a path leads to a file: no folder, pipe or device, and nothing that may not be looked at."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def strain(path: Path) -> str:
    """Return why a JPEG would take for ever to be read, as the rest of a sentence; empty for healthy ones.

    A JPEG may come in as many passes as somebody likes, each over all of the picture (programs write some ten), and
    may be filled up between its parts.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            passes, place = 0, 2
            while found := _MARKER.search(data, place):
                if not passes and found.start() - place > _ODD:
                    return "is a damaged JPEG picture: it is filled up with nothing. Save it again"
                mark, place = data[found.end() - 1], found.end()
                if mark == 0xD9:
                    break
                if mark == 0xDA:
                    passes += 1
                    if passes > _PASSES:
                        return f"is a JPEG picture in more than {_PASSES} passes. Save it again, or as PNG"
                if mark not in _ALONE:
                    place += max(2, int.from_bytes(data[place : place + 2], "big"))
    except (OSError, ValueError):
        pass  # an empty file, or one that is gone: told on reading it
    return ""


def _beginning(path: Path) -> bytes:
    """Return the first bytes of a file; none of a folder, pipe or device, or if it cannot be read."""
    try:
        if not is_file(path):
            return b""
        with path.open("rb") as file:
            return file.read(64)
    except (OSError, ValueError):
        return b""


def remarks_on_file(path: Path) -> list[str]:
    """Return what should be known of a picture file that Blender does not tell; none if it cannot be read."""
    if not is_file(path):
        return []
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


def frames_in(path: Path) -> int:
    """Return how many frames a GIF has, or pages a TIFF, counted up to :data:`MANY`; 1 for other files."""
    try:
        with path.open("rb") as file:
            head = file.read(6)
            if head.startswith(b"GIF8"):
                return _gif(file)[1]
            return _pages(file, head) if head[:2] in (b"II", b"MM") else 1
    except (OSError, OverflowError, struct.error):
        return 1  # the end is missing; whether the first frame is there is seen on reading it


def first_frame(path: Path) -> bytes:
    """Return a GIF file that holds the first frame of another and nothing else: no comments, no other frames.

    A file whose end is missing ends where it does. Raises OSError if it cannot be read.
    """
    with path.open("rb") as file:
        file.seek(6)
        return _gif(file, only_first=True)[0]


def _gif(file: BinaryIO, only_first: bool = False) -> tuple[bytes, int]:
    """Return the first frame as a GIF file, and how many frames there are (:data:`MANY` at most).

    ``file`` stands behind the six bytes of its mark.
    """
    screen = file.read(7)
    kept, control, count, odd = [b"GIF89a", screen, _gif_table(file, screen[4:5])], b"", 0, 0
    while odd < _ODD and count < (1 if only_first else MANY):
        mark = file.read(1)
        if mark in (b"", b";"):
            break
        if mark == b"!":
            label = file.read(1)
            if label == b"\xf9" and not count:
                control = mark + label + b"".join(_gif_blocks(file))
            else:
                for _ in _gif_blocks(file):
                    pass
        elif mark == b",":
            place = file.read(9)
            table = _gif_table(file, place[8:9])
            size = file.read(1)
            if count:
                for _ in _gif_blocks(file):
                    pass
            else:
                kept += [control, mark, place, table, size, *_gif_blocks(file)]
            count += 1
        else:
            odd += 1
    return b"".join([*kept, b";"]), count


def _gif_table(file: BinaryIO, flags: bytes) -> bytes:
    """Return a table of colours, as long as the flags before it say."""
    return file.read(3 << ((flags[0] & 7) + 1)) if flags and flags[0] & 0x80 else b""


def _gif_blocks(file: BinaryIO) -> Iterator[bytes]:
    """Yield blocks with the byte before them that says their length, up to the empty one that ends them."""
    while size := file.read(1):
        yield size + file.read(size[0])
        if size == b"\0":
            return


def _pages(file: BinaryIO, head: bytes) -> int:
    """Return how many pages a TIFF file has, :data:`MANY` at most; pages that lead back to earlier ones are no more."""
    order = "<" if head[:2] == b"II" else ">"
    large = 43 in head[2:4]
    number, entry, offset, place = ("Q", 20, "Q", 8) if large else ("H", 12, "I", 4)
    seen: set[int] = set()
    while len(seen) < MANY:
        file.seek(place)
        (start,) = struct.unpack(order + offset, file.read(struct.calcsize(offset)))
        if start in (0, *seen):
            break
        file.seek(start)
        (count,) = struct.unpack(order + number, file.read(struct.calcsize(number)))
        seen.add(start)
        place = start + struct.calcsize(number) + count * entry
    return len(seen)


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
