"""Which parts of a face a character moves, by what, and why it does not move the others."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

#: The parts of a face that an animator looks for, in the order in which they are told.
PARTS: Final = ("mouth", "lids", "gaze", "brows", "head", "teeth", "tongue")
#: Why a part stands still, if nothing better is known.
_UNSAID: Final[Mapping[str, str]] = {
    "mouth": "nothing opens it",
    "lids": "nothing closes the eyes, so there are no blinks",
    "gaze": "nothing turns the eyes",
    "brows": "nothing moves them",
    "head": "nothing is chosen under Head Motion",
    "teeth": "none are listed under Teeth, Tongue & Lashes",
    "tongue": "nothing moves it",
}
#: Beginnings of what drives a key or a bone -> the part of the face it moves. Cheeks and nose are no part of their own.
_BEGINNINGS: Final[Mapping[str, str]] = {
    "tongue": "tongue",
    "eyeBlink": "lids", "blink": "lids", "lid_": "lids",
    "eyeLook": "gaze", "gaze": "gaze", "eye.": "gaze", "eyes": "gaze",
    "brow": "brows",
    "head.": "head",
    "jaw": "mouth", "mouth": "mouth", "viseme.": "mouth", "opening": "mouth", "lip_": "mouth", "chin": "mouth",
}  # fmt: skip
#: Beginnings of what parts the lips: without one of these there is no mouth, whatever else moves it.
_OPENING: Final = (
    "jawOpen", "mouthLowerDown", "mouthUpperUp", "opening", "jaw_angle", "mouth_open", "lip_lower", "chin",
)  # fmt: skip
#: Visemes in which the lips stay together or hardly part.
_SHUT: Final = ("viseme.sil", "viseme.PP", "viseme.FF")
#: Words in the name of an object, a material or a bone that say which part of a face it is.
_NAMED: Final = (
    ("lids", r"lash|eyelid|wimper"),
    ("brows", r"brow|augenbraue"),
    ("gaze", r"eye(?!wear)|iris|pupil|cornea|sclera|auge(?!n)"),
    ("teeth", r"teeth|tooth|dentu|dental|\bgum|gums|zahn|zähne"),
    ("tongue", r"tongue|zunge"),
)
#: So many names are told of each part in a line of text.
_FEW: Final = 3


@dataclass(frozen=True, slots=True)
class Coverage:
    """Which parts of a face move, and by what.

    Attributes
    ----------
    driven : mapping of str to tuple of str
        Part (one of :data:`PARTS`) -> what moves it, in an animator's words: shape keys, bones, objects, layers.
    lacking : mapping of str to str
        Part -> why nothing moves it, as the end of a sentence.
    """

    driven: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    lacking: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the names of the parts; raise ValueError for others."""
        unknown = [part for part in (*self.driven, *self.lacking) if part not in PARTS]
        if unknown:
            raise ValueError(f"No part of a face: {', '.join(unknown)}")

    def has(self, part: str) -> bool:
        """Return whether something moves a part."""
        return bool(self.driven.get(part))

    def why(self, part: str) -> str:
        """Return why nothing moves a part; empty if something does."""
        return "" if self.has(part) else self.lacking.get(part) or _UNSAID[part]

    def with_company(self, others: Iterable[Coverage]) -> Coverage:
        """Return what a character and those that play along with it move together; reasons are the character's own."""
        driven: dict[str, tuple[str, ...]] = dict(self.driven)
        for other in others:
            for part, names in other.driven.items():
                driven[part] = tuple(dict.fromkeys((*driven.get(part, ()), *names)))
        return Coverage(driven, {part: why for part, why in self.lacking.items() if not driven.get(part)})

    def as_one(self, part: str, name: str) -> Coverage:
        """Return that all which moves here is one part, called ``name``: the teeth follow the jaw, say."""
        return Coverage({part: (name,)} if any(self.driven.values()) else {})

    def summary(self) -> str:
        """Return one line for a panel: the parts that move, and those that do not."""
        there = [part for part in PARTS if self.has(part)]
        not_there = [part for part in PARTS if not self.has(part)]
        text = ", ".join(there).capitalize() or "Nothing moves"
        return f"{text} · no {', '.join(not_there)}" if there and not_there else text

    def lines(self) -> list[str]:
        """Return a line of text for each part: what moves it, or why nothing does."""
        return [
            f"{part.capitalize()}: {_told(self.driven[part]) if self.has(part) else 'not moved, ' + self.why(part)}"
            for part in PARTS
        ]

    def as_dict(self) -> dict[str, Any]:
        """Return a dict that fits JSON: for each part the names of what moves it (``by``), or ``why`` nothing does."""
        return {part: {"by": list(self.driven[part])} if self.has(part) else {"why": self.why(part)} for part in PARTS}


def part_of(source: str) -> str:
    """Return the part of a face that a driver of shape keys or a control of bones moves; empty if it is no part."""
    found = [start for start in _BEGINNINGS if source.startswith(start)]
    return _BEGINNINGS[max(found, key=len)] if found else ""


def opens(source: str) -> bool:
    """Return whether what is driven by ``source`` parts the lips."""
    name = source.partition(":")[0]
    return name == "jaw" or name.startswith(_OPENING) or (name.startswith("viseme.") and name not in _SHUT)


def part_named(name: str) -> str:
    """Return which part of a face an object, material or bone of this name is; empty if the name does not say."""
    spoken = re.sub(r"(?<=[a-z])(?=[A-Z])|[_.\-]", " ", name).lower()
    return next((part for part, words in _NAMED if re.search(words, spoken)), "")


def covered(players: Sequence[tuple[str, Sequence[str]]], lacking: Mapping[str, str]) -> Coverage:
    """Return what moves each part, given names of keys or bones with what drives each.

    The mouth counts only if one of them parts the lips. ``lacking`` are the reasons for parts that nothing moves.
    """
    found: dict[str, dict[str, None]] = {}
    for name, sources in players:
        for part in {part_of(source) for source in sources} - {""}:
            found.setdefault(part, {})[name] = None
    if not any(opens(source) for _, sources in players for source in sources):
        found.pop("mouth", None)
    driven: dict[str, tuple[str, ...]] = {part: tuple(found[part]) for part in PARTS if part in found}
    return Coverage(driven, {part: why for part, why in lacking.items() if part not in driven})


def _told(names: Sequence[str]) -> str:
    """Return names as text; of many, the first few and how many more there are."""
    return ", ".join(names) if len(names) <= _FEW + 1 else f"{', '.join(names[:_FEW])} and {len(names) - _FEW} more"
