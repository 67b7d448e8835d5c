"""How a mesh spells ARKit's names, so that made shapes are named like those it has."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from ...topology import ARKIT_NAMES

#: Parts of the face, and the beginnings of the names of ARKit's shapes that belong to each.
FACE_PARTS: Final = {
    "MOUTH": ("jaw", "mouth", "cheekPuff", "tongue"),
    "EYES": ("eye", "cheekSquint"),
    "BROWS": ("brow", "noseSneer"),
}


def _words(name: str) -> list[str]:
    return re.findall(r"[A-Z]?[a-z]+", name)


#: An ending that says which side a shape is on; jaw and mouth move to the left and to the right as a whole.
_SIDE: Final = re.compile(r"(?<!^jaw)(?<!^mouth)(Left|Right)$", re.IGNORECASE)


def _short(name: str) -> str:
    return _SIDE.sub(lambda side: f"_{side[0][0]}", name)


#: Ways to spell an ARKit name, the commonest first.
_WAYS: Final[tuple[Callable[[str], str], ...]] = (
    lambda name: name,
    _short,
    lambda name: _SIDE.sub(r"_\1", name),
    lambda name: name[0].upper() + name[1:],
    lambda name: _short(name[0].upper() + name[1:]),
    lambda name: "_".join(_words(name)).lower(),
    lambda name: "_".join(word.capitalize() for word in _words(name)),
    lambda name: (
        "_".join(word.capitalize() for word in _words(_short(name).partition("_")[0]))
        + "".join(_short(name).partition("_")[1:])
    ),
    lambda name: _SIDE.sub(lambda side: f".{side[0][0]}", name),
)


@dataclass(frozen=True, slots=True)
class Spelling:
    """A way to spell ARKit's names, and what stands before each of them."""

    way: Callable[[str], str]
    prefix: str = ""

    @classmethod
    def of(cls, known: Mapping[str, str]) -> Spelling:
        """Return the spelling that fits most of the ``known`` keys (key -> ARKit name); ARKit's own if none does."""
        best, most = cls(_WAYS[0]), 0
        for way in _WAYS:
            fitting = Counter(
                key[: len(key) - len(way(name))] for key, name in known.items() if key.endswith(way(name))
            )
            for prefix, count in fitting.most_common(1):
                if count > most:
                    best, most = cls(way, prefix), count
        return best

    def __call__(self, name: str) -> str:
        """Return an ARKit name in this spelling."""
        return self.prefix + self.way(name)


def arkit_of(key: str) -> str | None:
    """Return the ARKit name that a key is named after, in one of the known spellings, with anything before it."""
    for way in _WAYS:
        for name in ARKIT_NAMES:
            spelled = way(name)
            if key == spelled or (key.endswith(spelled) and not key[-len(spelled) - 1].isalnum()):
                return name
    return None
