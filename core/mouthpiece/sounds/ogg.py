"""Chained Ogg files: several streams one after the other, as radios and recorders write them."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Final

from .splice import ByteSpan

#: Bytes of a page's header, without the table of its segments.
_HEADER: Final = 27
#: Bytes among pages, of rubbish, after which no more are looked for.
_PATIENCE: Final = 1 << 20


def links(path: Path) -> list[ByteSpan]:
    """Return the streams of the file at ``path`` that follow upon each other: one, as a rule; none if it is no Ogg.

    Streams that lie between each other, as in films, count as one.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    starts: list[int] = []
    begun = False
    with open(path, "rb") as stream:
        size = stream.seek(0, 2)
        at = 0
        while at + _HEADER <= size:
            stream.seek(at)
            head = stream.read(_HEADER)
            if head[:4] != b"OggS" and not starts:
                break
            if head[:4] != b"OggS":
                stream.seek(at)
                found = stream.read(_PATIENCE).find(b"OggS")
                if found <= 0:
                    break
                at += found
                continue
            if head[5] & 2 and not begun:
                starts.append(at)
            begun = bool(head[5] & 2)
            at += _HEADER + head[26] + sum(stream.read(head[26]))
    return [ByteSpan(start, stop) for start, stop in pairwise([*starts, size])]
