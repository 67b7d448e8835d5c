"""Pieces of sentences for people: counted things and lists, spelled as one writes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

#: At most so many names are listed, unless a caller asks for another number.
_MOST: Final = 4


def as_text(words: str) -> str:
    """Return words with bytes of a file's name that are no text as escapes."""
    return words.encode("utf-8", "backslashreplace").decode()


def counted(count: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun: ``1 channel``, ``2 channels``, ``1,540 keys``.

    ``plural`` is the noun's plural where it does not just end in an s.
    """
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def listed(names: Sequence[str], most: int = _MOST) -> str:
    """Return names as one says them: ``a``, ``a and b``, ``a, b and c``, ``a, b, c, d and 7 more``."""
    words = list(names)
    if len(words) > most:
        words = [*words[:most], f"{len(words) - most} more"]
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
