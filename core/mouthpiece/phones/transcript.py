"""A text as words with their pronunciations."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from typing import Final

from ..errors import TextError
from . import espeak
from .ipa import phones_of_ipa
from .storage import LONGEST_TEXT

#: The language of texts in Latin letters, unless one is given.
DEFAULT: Final = "en-us"
#: Scripts, by the first words of Unicode's names of their letters, and the language taken for each.
_SCRIPTS: Final = {
    "CYRILLIC": "ru", "GREEK": "el", "HANGUL": "ko", "HIRAGANA": "ja", "KATAKANA": "ja", "CJK": "cmn", "ARABIC": "ar",
    "HEBREW": "he", "DEVANAGARI": "hi", "BENGALI": "bn", "THAI": "th", "GEORGIAN": "ka", "ARMENIAN": "hy",
    "TAMIL": "ta", "TELUGU": "te", "KANNADA": "kn", "MALAYALAM": "ml", "GUJARATI": "gu", "GURMUKHI": "pa",
    "ETHIOPIC": "am", "SINHALA": "si", "MYANMAR": "my",
}  # fmt: skip
_UKRAINIAN: Final = frozenset("іїєґІЇЄҐ")
_KANA: Final = ("HIRAGANA", "KATAKANA")
#: Languages whose ideographs are read.
_READS_IDEOGRAPHS: Final = frozenset({"cmn", "yue", "hak"})
_IDEOGRAPHS: Final = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_TOKEN: Final = re.compile(rf"[{_IDEOGRAPHS}]|[^\s{_IDEOGRAPHS}]+")
#: Where a clause ends, after a token.
_CLAUSE: Final = re.compile(r"[.,;:!?…。、，！？；：)\]\"”»]+$")
#: Markup, as subtitles and web pages have it: nobody says it.
_MARKUP: Final = re.compile(r"</?[A-Za-z][^<>]{0,200}>")
#: Longest word, in characters, and most phones of one.
_LONGEST: Final = 80
_MOST_PHONES: Final = 120
#: What is said by a sign that stands alone.
_SPOKEN_SIGNS: Final = frozenset("&%+=@€$£")


@dataclass(frozen=True, slots=True)
class TextWord:
    """A word of a text.

    Attributes
    ----------
    label : str
        As it is written, without the punctuation around it.
    pronunciations : tuple of tuple of str
        Phones of the inventory; several if it may be said in several ways, none if nobody knows how it is said.
    """

    label: str
    pronunciations: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Transcript:
    """A text whose words can be looked for in a sound; ``language`` is a BCP 47 tag."""

    text: str
    language: str
    words: tuple[TextWord, ...]

    @property
    def unreadable(self) -> tuple[str, ...]:
        """The words whose pronunciation is not known, each once."""
        return tuple(dict.fromkeys(word.label for word in self.words if not word.pronunciations))


def guessed_language(text: str) -> str:
    """Return the language of a text, as far as its letters tell: of Latin ones, American English."""
    scripts: Counter[str] = Counter()
    for character in text[:20_000]:
        if character.isalpha():
            scripts[unicodedata.name(character, "").partition(" ")[0].partition("-")[0]] += 1
    if not scripts:
        return DEFAULT
    if (
        any(scripts[kana] for kana in _KANA)
        and scripts["CJK"] + sum(scripts[kana] for kana in _KANA) > scripts["LATIN"]
    ):
        return "ja"
    script = max(scripts, key=lambda name: scripts[name])
    if script == "CYRILLIC" and _UKRAINIAN & set(text):
        return "uk"
    return _SCRIPTS.get(script, DEFAULT)


def transcript(text: str, language: str = "") -> Transcript:
    """Return ``text`` with the pronunciation of each word.

    Parameters
    ----------
    text
        What is said, in ordinary spelling; numbers and signs are read out, markup such as <i> is not.
    language
        A BCP 47 tag; empty to guess by the letters (:func:`guessed_language`).

    Raises
    ------
    TextError
        If no word is in it, it is too long, the language is not known, or spellings cannot be turned into sounds here.
    """
    if len(text) > LONGEST_TEXT:
        raise TextError(f"The text has more than {LONGEST_TEXT:,} characters. Give the part that is spoken.")
    tongue = espeak.known_language(language or guessed_language(text))
    tokens = [token for token in _TOKEN.findall(_MARKUP.sub("", text)) if _is_spoken(token)]
    if not tokens:
        raise TextError("The text is empty: no word is in it. Give what is said, or leave the text out.")
    words: list[TextWord] = []
    clause: list[str] = []
    for number, token in enumerate(tokens):
        clause.append(token)
        if _CLAUSE.search(token) or number + 1 == len(tokens) or len(clause) >= 40:
            words += _clause_words(clause, tongue)
            clause = []
    if not any(word.pronunciations for word in words):
        raise TextError(
            f"No word of the text can be read as '{tongue}'. Choose its language (--language), or another text."
        )
    return Transcript(text, tongue, tuple(words))


def _clause_words(tokens: list[str], language: str) -> list[TextWord]:
    """Return the words of a clause, each as it is said there and as it is said alone."""
    labels = [_bare(token)[:_LONGEST] for token in tokens]
    alone = [_said(label, language) for label in labels]
    together = espeak.ipa(" ".join(labels), language).split()
    fits = len(together) == len(labels)
    words = []
    for number, label in enumerate(labels):
        ways = [phones_of_ipa(together[number], language)] if fits and "(" not in together[number] else []
        ways = [way for way in (*ways, alone[number]) if 0 < len(way) <= _MOST_PHONES] if alone[number] else []
        words.append(TextWord(label, tuple(dict.fromkeys(ways))))
    return words


def _said(label: str, language: str) -> tuple[str, ...]:
    """Return how a word is said alone; nothing if it is written in letters that the language does not read."""
    if re.search(f"[{_IDEOGRAPHS}]", label) and language not in _READS_IDEOGRAPHS:
        return ()
    spoken = re.sub(r"\([^()]*\)", "", espeak.ipa(label, language))
    return phones_of_ipa(spoken, language)


def _is_spoken(token: str) -> bool:
    return any(character.isalnum() or character in _SPOKEN_SIGNS for character in token)


def _bare(token: str) -> str:
    """Return a token without the punctuation around it."""
    ends = [
        number for number, character in enumerate(token) if character.isalnum() or character in _SPOKEN_SIGNS
    ]  # fmt: skip
    stop = ends[-1] + 1
    while stop < len(token) and unicodedata.category(token[stop]).startswith("M"):  # vowels written as marks
        stop += 1
    return token[ends[0] : stop]
