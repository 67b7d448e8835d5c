"""Consent: who says that the person shown agreed, or that nobody real is shown. Without it no portrait talks."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ..errors import PictureError

#: Kind of consent -> what it says, in words for people.
KINDS: Final[Mapping[str, str]] = {
    "own": "The face is that of whoever makes this statement",
    "permission": "The person shown, or who may decide for them, has agreed",
    "nobody": "No real person is shown: a drawing, a painting, a doll, an animal or an invented face",
    "historical": "A person of the past, in a picture free to be used; the result does not pretend to be a recording",
    "stated": "As stated",
}
#: Most characters of a statement, and of a name.
LONGEST: Final = 2_000
LONGEST_NAME: Final = 200
#: Least letters of a statement, and least different ones; a sign that stands for a word or syllable counts threefold.
_LETTERS: Final = 12
_DIFFERENT: Final = 6
#: Least different words where words are set apart by spaces.
_WORDS: Final = 3
#: Unicode names of scripts whose signs stand for words or syllables.
_DENSE: Final = ("CJK", "HIRAGANA", "KATAKANA", "HANGUL", "YI ", "THAI", "LAO ", "KHMER", "MYANMAR")
#: Signs that turn the direction of writing, so that a text could read as another.
_TURNING: Final = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
#: What must be said, for messages and help.
ADVICE: Final = (
    "Say in a sentence why this face may be made to talk: that it is your own, that the person shown agreed (who, "
    "when, to what), or that nobody real is shown. For example: 'own: I am the person in this picture' or "
    "'permission: Ada Moreno agreed in writing on 3 May 2026 to this film'."
)


@dataclass(frozen=True, slots=True)
class Consent:
    """Why a face may be made to talk; recorded in everything that is made of it.

    Attributes
    ----------
    statement : str
        What is said, one line of text, up to 2,000 characters.
    kind : str
        One of :data:`KINDS`; ``"stated"`` where none was chosen.
    by : str
        Who says it; empty where that was not given. Never filled in from the computer.
    """

    statement: str
    kind: str = "stated"
    by: str = ""

    def __post_init__(self) -> None:
        """Check that something is said.

        Raises
        ------
        PictureError
            If the kind is unknown, or the statement is empty, says nothing, or is too long.
        """
        if self.kind not in KINDS:
            raise PictureError(f"'{self.kind}' is no kind of consent. Choose one of: {', '.join(KINDS)}.")
        object.__setattr__(self, "statement", _one_line(self.statement))
        object.__setattr__(self, "by", _one_line(self.by))
        wrong = objection(self.statement)
        if wrong:
            raise PictureError(wrong)
        if len(self.by) > LONGEST_NAME:
            raise PictureError(f"The name of who consents has {len(self.by)} characters; at most {LONGEST_NAME} fit.")

    @classmethod
    def of(cls, text: str, by: str = "") -> Consent:
        """Return the consent in a text such as ``"own: I am the person shown"``; the kind in front may be left out.

        Raises
        ------
        PictureError
            As for the class.
        """
        front, colon, rest = text.partition(":")
        kind = front.strip().lower()
        if colon and kind in KINDS:
            return cls(rest, kind, by)
        return cls(text, by=by)

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Consent:
        """Return what :meth:`as_dict` gave.

        Raises
        ------
        PictureError
            If it is not that.
        """
        try:
            return cls(str(raw["statement"]), str(raw["kind"]), str(raw.get("by", "")))
        except (KeyError, TypeError, AttributeError) as error:
            raise PictureError(f"The record holds no consent statement ({error!r}).") from error

    def as_dict(self) -> dict[str, str]:
        """Return the consent as JSON values."""
        return {"kind": self.kind, "statement": self.statement, "by": self.by}

    def __str__(self) -> str:
        """Return the consent in words."""
        by = f" ({self.by})" if self.by else ""
        return f"{KINDS[self.kind]}: {self.statement}{by}"


def objection(statement: str) -> str:
    """Return why a statement is not enough, in words for the artist; empty if it is."""
    text = _one_line(statement)
    if not text:
        return f"A consent statement is missing. {ADVICE}"
    if len(text) > LONGEST:
        return f"The consent statement has {len(text)} characters; at most {LONGEST} are recorded. Shorten it."
    letters = [sign.lower() for sign in text if sign.isalpha()]
    dense = [sign for sign in letters if unicodedata.name(sign, "").startswith(_DENSE)]
    weight = len(letters) + 2 * len(dense)
    variety = len(set(letters)) + 2 * len(set(dense))
    words = {word.strip(".,;:!?'\"").lower() for word in text.split() if any(sign.isalpha() for sign in word)}
    few = len(words) < _WORDS and not dense
    if weight < _LETTERS or variety < _DIFFERENT or few:
        return f"The consent statement '{text}' says too little. {ADVICE}"
    return ""


def _one_line(text: str) -> str:
    """Return a text without control characters, its white space single; what XML could not hold is left out."""
    plain = "".join(" " if sign.isspace() else sign for sign in str(text))
    kept = (s for s in plain if unicodedata.category(s) not in ("Cc", "Cs", "Cn", "Co") and s not in _TURNING)
    return " ".join("".join(kept).split())
