"""Beginnings and ends that many names of shape keys share: exporters put a number or the name of a mesh around each."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

#: The pieces of a name: words, numbers, and what separates them.
_PIECES: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\dA-Za-z_]+|[\W_]+")
_NUMBER: Final = "#"
_SIDES: Final = ("l", "r", "left", "right", "lf", "rt", "lft", "rgt", _NUMBER)
#: An affix is shared by at least so many keys, and by this share of all keys, or by many that are nearly all known.
_LEAST: Final = 3
_MOST: Final = 0.5
_MANY: Final = 8
_KNOWN: Final = 0.75
#: Most affixes that are tried, those that most keys share first.
_TRIED: Final = 24


@dataclass(frozen=True, slots=True)
class Affix:
    """A beginning and an end of names, as pieces with numbers as ``#``; ``shared`` is the number of keys that have it.

    ``most`` is whether most keys of the rig have it.
    """

    start: tuple[str, ...]
    end: tuple[str, ...]
    shared: int
    most: bool

    def stripped(self, name: str) -> str:
        """Return what is left of a name; empty if it does not have the affix, or consists of it."""
        pieces = _PIECES.findall(name)
        first, last = len(self.start), len(pieces) - len(self.end)
        marked = _marked(pieces)
        if first >= last or marked[:first] != self.start or marked[last:] != self.end:
            return ""
        return "".join(pieces[first:last])

    def may_go(self, known: int) -> bool:
        """Return whether the affix may be ignored if so many of the keys that have it are known without it."""
        return known >= (1 if self.most else max(_MANY, _KNOWN * self.shared))


Affixes = tuple[Affix, ...]


def shared_affixes(names: Sequence[str]) -> Affixes:
    """Return the beginnings, the ends and the pairs of both that many of the names share, the most shared first.

    Numbers in them may differ from name to name: ``AK_25_JawOpen`` and ``AK_26_JawLeft`` share ``AK_#_``.
    """
    marked = [_marked(_PIECES.findall(name)) for name in names]
    starts = Counter(pieces[:k] for pieces in marked for k in range(1, len(pieces)))
    ends = Counter(pieces[k:] for pieces in marked for k in range(1, len(pieces)) if not _is_side(pieces[k:]))
    least = min(_LEAST, len(names))
    found: dict[tuple[tuple[str, ...], tuple[str, ...]], int]
    found = {(start, ()): count for start, count in starts.most_common(_TRIED) if count >= least}
    found |= {((), end): count for end, count in ends.most_common(_TRIED) if count >= least}
    for start in [pair[0] for pair in found if pair[0]]:
        for end in [pair[1] for pair in found if pair[1]]:
            both = sum(p[: len(start)] == start and p[-len(end) :] == end for p in marked)
            if both >= least:
                found[start, end] = both
    most = _MOST * len(names)
    ranked = sorted(found.items(), key=lambda item: (-item[1], len(item[0][0]) + len(item[0][1])))
    kept = [Affix(*pair, count, count > most) for pair, count in ranked if count > most or count >= _MANY]
    return tuple(kept[: 3 * _TRIED])


def _marked(pieces: Sequence[str]) -> tuple[str, ...]:
    """Return pieces in lower case with every number as ``#``."""
    return tuple(_NUMBER if piece.isdecimal() else piece.lower() for piece in pieces)


def _is_side(pieces: Sequence[str]) -> bool:
    """Return whether the end of a name says no more than a side or a number, which have a meaning."""
    words = [piece for piece in pieces if piece.isalnum() or piece == _NUMBER]
    return len(words) <= 1 and all(word in _SIDES for word in words)
