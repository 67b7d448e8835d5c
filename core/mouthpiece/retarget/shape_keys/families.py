"""Rig families, read from files: the names of a family's shape keys, and what drives each."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Final

from ...errors import RigError, UnreadableError
from ...files import ASSETS
from ...files.json_text import parsed_json, read_json
from . import drivers, formulas

FOLDER: Final = ASSETS / "profiles"
FORMAT: Final = 1

#: Region of the face -> the layer of its keys. Only one family drives a region; other families' keys there stay unused.
LAYERS: Final[Mapping[str, str]] = {
    "mouth": "lips",
    "tongue": "tongue",
    "corners": "expression",
    "blink": "eyes",
    "look": "eyes",
    "eyes": "eyes",
    "brows": "expression",
    "face": "expression",
    "emotion": "expression",
}

#: Prefixes without meaning that tools put before every name.
_PREFIXES: Final = ("arkit", "blendshapes", "blendshape", "shapes", "shape", "head", "face", "bs", "key")
_SIDES: Final = {"l": "left", "r": "right", "lf": "left", "rt": "right", "lft": "left", "rgt": "right"}
_PLACES: Final = ("{Side}", "{side}", "{S}")


@lru_cache(maxsize=8192)
def canonical(name: str) -> str:
    """Return ``name`` without case, separators, tool prefixes and copy suffixes, and with the side at the end.

    ``"Head.mouthSmile_L"``, ``"MouthSmileLeft"``, ``"mouth smile left"``, ``"A38_Mouth_Smile_Left"`` and
    ``"ARKit_mouthSmileLeft.001"`` all become ``"mouthsmileleft"``. Letters of any script count; full-width and
    half-width ones are the same.
    """
    text = re.sub(r"\.\d{3}$", "", unicodedata.normalize("NFKC", name))
    parts = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\dA-Za-z_]+", text)
    words = [part.lower() for part in parts]
    if len(words) > 2 and re.fullmatch(r"[A-Z]\d\d", "".join(parts[:2])):
        words = words[2:]
    while len(words) > 1 and (words[0] in _PREFIXES or "".join(words[:2]) in _PREFIXES):
        words = words[1:] if words[0] in _PREFIXES else words[2:]
    if len(words) > 1:
        words = [_SIDES.get(word, word) if k in (0, len(words) - 1) else word for k, word in enumerate(words)]
        if words[0] in ("left", "right"):
            words = [*words[1:], words[0]]
    return "".join(words)


@dataclass(frozen=True, slots=True)
class ProfileKey:
    """One shape key of a family.

    Attributes
    ----------
    name : str
        Name in the family's spelling.
    region : str
        Part of the face, one of ``LAYERS``.
    formula : str
        Formula over the drivers.
    spellings : tuple of str
        All its canonical names, its own first.
    covers : tuple of str
        Keys of the family that this one combines (or is a half of): it is driven only if the rig has none of them.
    """

    name: str
    region: str
    formula: str
    spellings: tuple[str, ...]
    covers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Fallback:
    """A substitute for a missing key: ``add`` is added to the formula of the keys ``on``, if the rig has all of them.

    A key of another family is named ``family:key``.
    """

    missing: str
    on: tuple[str, ...]
    add: str


@dataclass(frozen=True, slots=True)
class RigProfile:
    """A rig family.

    Attributes
    ----------
    name, label, about : str
        Name of its file; name for people; which programs use it.
    least : int
        Least number of keys for a rig to count as of this family.
    prefixes : tuple of str
        Canonical prefixes this family's keys may have.
    suffixes : tuple of str
        Ends that its keys may have beyond their names, as written.
    keys, fallbacks
        Its keys, and substitutes for missing ones, in order of preference.
    """

    name: str
    label: str
    about: str
    least: int
    prefixes: tuple[str, ...]
    keys: tuple[ProfileKey, ...]
    fallbacks: tuple[Fallback, ...]
    suffixes: tuple[str, ...] = ()

    def key(self, name: str) -> ProfileKey | None:
        """Return the key the family calls ``name``, if it knows one."""
        return next((key for key in self.keys if key.name == name), None)

    def region(self, name: str) -> str:
        """Return the region of the face that the key called ``name`` belongs to."""
        key = self.key(name)
        assert key is not None
        return key.region

    @property
    def whole(self) -> tuple[ProfileKey, ...]:
        """The family's own keys, without those that combine several or are halves."""
        return tuple(key for key in self.keys if not key.covers)


@cache
def families() -> tuple[RigProfile, ...]:
    """Return all known rig families, ARKit first; raise RigError if the file of one is not valid."""
    found = [read(path) for path in sorted(FOLDER.glob("*.json"))]
    return tuple(sorted(found, key=lambda family: family.name != "arkit"))


def family(name: str) -> RigProfile:
    """Return the family with that name (``KeyError`` if there is none)."""
    return {one.name: one for one in families()}[name]


def read(path: Path) -> RigProfile:
    """Return the family in a file.

    Raises
    ------
    RigError
        If the file cannot be read, or what it says contradicts itself.
    """
    try:
        data = read_json(path)
        if data["format"] != FORMAT:
            raise RigError(f"'{path.name}' is of format {data['format']}; this Mouthpiece reads {FORMAT}. Update it.")
        keys = [key for item in data["keys"] for key in _keys(item)]
        fallbacks = [rule for item in data["fallbacks"] for rule in _fallbacks(item)]
        profile = RigProfile(
            path.stem, data["label"], data["about"], int(data["least"]), tuple(data["prefixes"]),
            tuple(keys), tuple(fallbacks), tuple(data.get("suffixes", ())),
        )  # fmt: skip
        _check(profile)
    except (UnreadableError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RigError(f"The rig family '{path.name}' is damaged ({error}). Install Mouthpiece again.") from error
    return profile


def _check(profile: RigProfile) -> None:
    """Check a family for names given twice, unknown regions, bad formulas, and rules about keys it does not have."""
    names = {key.name for key in profile.keys}
    if len(names) != len(profile.keys):
        raise RigError(f"The rig family {profile.label} names a key twice.")
    for key in profile.keys:
        if key.region not in LAYERS:
            raise RigError(f"{profile.label}: '{key.name}' is in no known region of the face ('{key.region}').")
        if not set(key.covers) <= names:
            raise RigError(f"{profile.label}: '{key.name}' covers keys the family does not have.")
        formulas.parse(key.formula, drivers.NAMES)
    for rule in profile.fallbacks:
        here = {name for name in (rule.missing, *rule.on) if ":" not in name}
        if not here <= names:
            raise RigError(f"{profile.label}: a rule is about {sorted(here - names)}, which the family does not have.")
        formulas.parse(f"0 {rule.add}", drivers.NAMES)


def _sides(item: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield an entry once for each side it stands for."""
    text = json.dumps(item)
    if not any(place in text for place in _PLACES):
        yield item
        return
    for side in ("Left", "Right"):
        done = text.replace("{Side}", side).replace("{side}", side.lower()).replace("{S}", side[0])
        yield parsed_json(done)


def _keys(item: Mapping[str, Any]) -> Iterator[ProfileKey]:
    for one in _sides(item):
        spellings = tuple(dict.fromkeys(canonical(name) for name in (one["key"], *one.get("also", ()))))
        yield ProfileKey(one["key"], one["region"], one["formula"], spellings, tuple(one.get("covers", ())))


def _fallbacks(item: Mapping[str, Any]) -> Iterator[Fallback]:
    for one in _sides(item):
        yield Fallback(one["missing"], tuple(one["on"]), one["add"])
