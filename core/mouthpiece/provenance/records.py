"""Writes the record into pictures and films, and reads it."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Final

from ..errors import PictureError
from ..files.writer import replacing
from . import mp4, png
from .facts import Facts
from .files import opened
from .xmp import Packet, packet_of, read_packet

#: Endings of the film files that can hold a record.
FILMS: Final = (".mp4", ".m4v", ".mov")
PICTURES: Final = (".png",)


def container_of(path: Path) -> ModuleType:
    """Return the module for a file's format (``png`` or ``mp4``), chosen by its first bytes.

    Raises
    ------
    PictureError
        If it is neither a PNG picture nor an MP4 film, or cannot be read.
    """
    with opened(path) as stream:
        head = stream.read(12)
    if head.startswith(png.SIGNATURE):
        return png
    if head[4:8] == b"ftyp":
        return mp4
    raise PictureError(f"'{path}' is neither a PNG picture nor an MP4 film: it can carry no record of Mouthpiece.")


def media_of(path: Path) -> str:
    """Return a file's media type; errors as for :func:`container_of`."""
    return "image/png" if container_of(path) is png else "video/mp4"


def recorded(source: Path, target: Path, facts: Facts) -> Facts:
    """Copy a picture or film and write facts into the copy; return them with the content's SHA-256.

    Raises
    ------
    PictureError
        If ``source`` is no such file, or damaged.
    OSError
        If ``target`` cannot be written.
    """
    known = container_of(source)
    whole = facts.of_content(known.content_digest(source))
    known.copy_with_xmp(source, target, packet_of(whole))
    return whole


def record(path: Path, facts: Facts, place: Path | None = None) -> Facts:
    """Write facts into a picture or film, in place; return them with the content's SHA-256.

    The file is replaced in one step: it is either unchanged or holds the record. ``place`` is where it is moved to
    afterwards, for messages.

    Raises
    ------
    PictureError
        If it is no such file, damaged, or cannot be written.
    """
    try:
        with replacing(path) as temporary:
            return recorded(path, temporary, facts)
    except OSError as error:
        what = f"'{place or path}' cannot be written: {error.strerror or error}"
        raise PictureError(f"{what}. Choose another place.") from error


def read(path: Path) -> Packet | None:
    """Return the contents of a picture's or film's XMP packet, or None if it has none.

    Raises
    ------
    PictureError
        If it is no such file, or damaged.
    """
    packet: bytes | None = container_of(path).xmp_of(path)
    return None if packet is None else read_packet(packet)


def credentials_of(path: Path) -> bytes:
    """Return the content credentials of a picture or film; empty if it has none.

    Raises
    ------
    PictureError
        If it is no such file, or damaged.
    """
    found: bytes = container_of(path).credentials_of(path)
    return found


def is_content_of(path: Path, facts: Facts) -> bool:
    """Return whether a file's pictures and sound are those the record was made for, and a picture's check sums right.

    Raises
    ------
    PictureError
        If it is no such file, or cut off.
    """
    if container_of(path) is mp4:
        digest, is_intact = mp4.content_digest(path), True
    else:
        content = png.read_through(path)
        digest, is_intact = content.digest, content.is_intact
    return bool(facts.content_sha256) and digest == facts.content_sha256 and is_intact


def changing_parts(path: Path) -> tuple[str, ...]:
    """Return the names of a picture's parts for which programs may show something else than its pixels; none in films.

    Raises
    ------
    PictureError
        If it is no such file, or cut off.
    """
    return () if container_of(path) is mp4 else png.read_through(path).changing
