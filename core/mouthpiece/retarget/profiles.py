"""Whose shape key is whose: rig names matched to ARKit's, in any spelling."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ..errors import RigError
from ..topology import ARKIT_NAMES

#: Beginnings that tools put before every name, and that say nothing.
_PREFIXES: Final = ("arkit", "blendshapes", "blendshape", "shapes", "shape", "head", "face", "bs", "key")
_SIDES: Final = {"l": "left", "r": "right", "lf": "left", "rt": "right", "lft": "left", "rgt": "right"}

#: Spellings that are more than a matter of capitals, separators and side letters.
_SYNONYMS: Final[Mapping[str, str]] = {
    "eyeclosedleft": "eyeBlinkLeft",
    "eyeclosedright": "eyeBlinkRight",
    "blinkleft": "eyeBlinkLeft",
    "blinkright": "eyeBlinkRight",
    "browinnerupcenter": "browInnerUp",
    "mouthclosed": "mouthClose",
    "mouthlipsclose": "mouthClose",
}

_HALVES: Final[Mapping[str, tuple[str, ...]]] = {
    # Shapes of both sides that some tools split in two.
    "browInnerUp": ("browinnerupleft", "browinnerupright"),
    "cheekPuff": ("cheekpuffleft", "cheekpuffright"),
}


@dataclass(frozen=True, slots=True)
class ShapeMatch:
    """Which of a rig's shape keys play which ARKit shapes.

    Attributes
    ----------
    shapes : mapping of str to tuple of str
        ARKit name to the rig's key or keys (two where the rig splits a shape into halves).
    missing : tuple of str
        ARKit shapes the rig does not have.
    unused : tuple of str
        Keys of the rig that play no ARKit shape.
    """

    shapes: Mapping[str, tuple[str, ...]]
    missing: tuple[str, ...]
    unused: tuple[str, ...]

    @property
    def keys(self) -> tuple[str, ...]:
        """Matched keys of the rig, in ARKit order."""
        return tuple(key for keys in self.shapes.values() for key in keys)

    def summary(self) -> str:
        """Return one line for a panel or a report."""
        text = f"{len(self.shapes)} of {len(ARKIT_NAMES)} ARKit shapes matched"
        if self.missing:
            text += f", missing: {', '.join(self.missing)}"
        return text


def canonical(name: str) -> str:
    """Return ``name`` without case, separators, tool prefixes and copy suffixes, sides spelled out at the end.

    ``"Head.mouthSmile_L"``, ``"MouthSmileLeft"``, ``"mouth smile left"`` and ``"ARKit_mouthSmileLeft.001"`` all
    become ``"mouthsmileleft"``.
    """
    text = re.sub(r"\.\d{3}$", "", name)
    parts = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", text)
    words = [part.lower() for part in parts]
    while len(words) > 1 and (words[0] in _PREFIXES or "".join(words[:2]) in _PREFIXES):
        words = words[1:] if words[0] in _PREFIXES else words[2:]
    words = [_SIDES.get(word, word) if position in (0, len(words) - 1) else word for position, word in enumerate(words)]
    if len(words) > 1 and words[0] in ("left", "right"):
        words = [*words[1:], words[0]]
    return "".join(words)


_HALF_NAMES: Final = frozenset(half for halves in _HALVES.values() for half in halves)
_TARGETS: Final[Mapping[str, str]] = {canonical(name): name for name in ARKIT_NAMES} | dict(_SYNONYMS)


def _meaning(key: str) -> str:
    """Return what a key's name comes to: a shape's canonical name if it is one, also behind ``Mesh.`` or ``ns:``."""
    whole = canonical(key)
    behind = (canonical(key[mark.end() :]) for mark in re.finditer(r"[.:|]", key))
    return next((name for name in (whole, *behind) if name in _TARGETS or name in _HALF_NAMES), whole)


def match_arkit(key_names: Sequence[str]) -> ShapeMatch:
    """Return how the keys named ``key_names`` play ARKit's 52 shapes.

    An exactly spelled key wins over a key that merely means the same.

    Raises
    ------
    RigError
        If there are no keys, or none has an ARKit name.
    """
    if not key_names:
        raise RigError("The character has no shape keys. Add ARKit shape keys (jawOpen, mouthSmileLeft, …) first.")
    found: dict[str, tuple[str, ...]] = {}
    for key in sorted(key_names, key=lambda key: (key not in ARKIT_NAMES, list(key_names).index(key))):
        name = _TARGETS.get(_meaning(key))
        if name is not None:
            found.setdefault(name, (key,))
    by_spelling = {_meaning(key): key for key in key_names}
    for name, halves in _HALVES.items():
        if name not in found and all(half in by_spelling for half in halves):
            found[name] = tuple(by_spelling[half] for half in halves)
    if not found:
        shown = ", ".join(key_names[:5]) + (", …" if len(key_names) > 5 else "")
        raise RigError(
            f"None of the character's {len(key_names)} shape keys ({shown}) has an ARKit name. "
            "Rename them to ARKit's (jawOpen, mouthSmileLeft, …), in any spelling."
        )
    shapes: dict[str, tuple[str, ...]] = {name: found[name] for name in ARKIT_NAMES if name in found}
    used = {key for keys in shapes.values() for key in keys}
    missing = tuple(name for name in ARKIT_NAMES if name not in found)
    return ShapeMatch(shapes, missing, tuple(key for key in key_names if key not in used))
