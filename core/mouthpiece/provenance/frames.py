"""Frames of a sequence as PNG files that carry their record, made in one go: a film has thousands of them."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from . import png
from .facts import Facts
from .xmp import packet_of

#: How hard frames are packed: at 1, 1080p takes some 45 ms, at 4 twice that, for a tenth of the space.
LEVEL = 1


def frame_bytes(frame: NDArray[np.uint8], facts: Facts, level: int = LEVEL) -> bytes:
    """Return a frame (H, W, 3 or 4), first row at the top, as a PNG file with its record.

    It is the same as writing the frame and putting the record in with :func:`.records.record`.
    """
    return recorded_frame(frame, facts, level)[0]


def recorded_frame(frame: NDArray[np.uint8], facts: Facts, level: int = LEVEL) -> tuple[bytes, Facts]:
    """Return what :func:`frame_bytes` gives, and the record in it, which names the content's SHA-256."""
    bare = png.encoded(frame, level=level)
    header = bare[16 : 16 + 13]
    start, length = _picture(bare)
    whole = facts.of_content(hashlib.sha256(header + bare[start : start + length]).hexdigest())
    # after signature and header, as everything that says something about the picture
    place = len(png.SIGNATURE) + 12 + 13
    return bare[:place] + png.text_of(packet_of(whole)) + bare[place:], whole


def _picture(data: bytes) -> tuple[int, int]:
    """Return where the packed pixels of a file made by :func:`.png.encoded` begin, and how many bytes they are."""
    place = len(png.SIGNATURE)
    while data[place + 4 : place + 8] != b"IDAT":
        place += 12 + int.from_bytes(data[place : place + 4], "big")
    return place + 8, int.from_bytes(data[place : place + 4], "big")
