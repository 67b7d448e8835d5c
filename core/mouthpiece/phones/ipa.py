"""Phones of the inventory in labels of others: IPA of any detail, and the ARPABET of English dictionaries."""

from __future__ import annotations

import unicodedata
from typing import Final

from .inventory import NEAREST, PHONE_INDEX, SILENCE

#: The tie bar between the letters of one sound, and another that is written below.
_TIE: Final = "͡"
_TIES: Final = str.maketrans({"͜": _TIE})
#: Letters beside those of the inventory.
_LETTERS: Final = {"ᵻ": "ɪ", "ɞ": "ø", "ɶ": "a", "ʟ": "l", "ɮ": "l", "ɺ": "ɾ", "ɧ": "ʃ", "ⱱ": "v", "ᵊ": "ə"}
#: Diphthongs that are written otherwise than in the inventory.
_DIPHTHONGS: Final = {
    "ɔø": "ɔɪ", "ɔʏ": "ɔɪ", "ɔi": "ɔɪ", "oɪ": "ɔɪ", "oi": "ɔɪ", "ɔy": "ɔɪ", "əʊ": "oʊ", "ou": "oʊ", "əu": "oʊ",
    "ɛɪ": "eɪ", "ei": "eɪ", "ɑɪ": "aɪ", "ai": "aɪ", "ɐɪ": "aɪ", "ɑi": "aɪ", "ɑʊ": "aʊ", "au": "aʊ", "ɑu": "aʊ",
    "æʊ": "aʊ",
}  # fmt: skip
#: ARPABET (the Carnegie Mellon dictionary), without its stress digits.
_ARPABET: Final = {
    "AA": "ɑ", "AE": "æ", "AH": "ʌ", "AO": "ɔ", "AW": "aʊ", "AX": "ə", "AXR": "ɝ", "AY": "aɪ", "B": "b", "CH": "t͡ʃ",
    "D": "d", "DH": "ð", "DX": "ɾ", "EH": "ɛ", "ER": "ɝ", "EY": "eɪ", "F": "f", "G": "ɡ", "HH": "h", "IH": "ɪ",
    "IX": "ɪ", "IY": "i", "JH": "d͡ʒ", "K": "k", "L": "l", "M": "m", "N": "n", "NG": "ŋ", "OW": "oʊ", "OY": "ɔɪ",
    "P": "p", "Q": "ʔ", "R": "ɹ", "S": "s", "SH": "ʃ", "T": "t", "TH": "θ", "UH": "ʊ", "UW": "u", "UX": "y", "V": "v",
    "W": "w", "Y": "j", "Z": "z", "ZH": "ʒ",
}  # fmt: skip
#: What aligners write where nothing is said.
_SILENCES: Final = frozenset({"", "sil", "sp", "spn", "<eps>", "<p:>", "#", "_", "pau", "h#", "<sil>", "sil.", "noise"})
#: Kinds of characters that write no sound, and those among them that labels have beside letters.
_NO_SOUND: Final = frozenset({"Po", "Pd", "Ps", "Pe", "Sm", "Sc", "So", "Cc"})
_MARKS: Final = frozenset(".'’:|-")
#: Letters that end in -r in German are a vowel that English lacks.
_BY_LANGUAGE: Final = {"de": {"ɜ": "ʌ"}}


def phones_in_label(label: str) -> tuple[str, ...] | None:
    """Return the phones that a label of another program means; none for a silence, None if it means nothing known."""
    plain = unicodedata.normalize("NFC", label.strip()).translate(_TIES)
    if plain in PHONE_INDEX and plain != SILENCE:
        return (plain,)
    if plain.lower() in _SILENCES:
        return ()
    if any(unicodedata.category(one) in _NO_SOUND and one not in _MARKS for one in plain):
        return None
    bare = plain.rstrip("0123456789")
    if bare in _ARPABET:
        return (_ARPABET[bare],)
    letters = [letter for group in _groups(plain) for letter in group]
    one = _pair(*letters) if len(letters) == 2 else None  # aligners write one sound without a tie bar
    return (one,) if one else phones_of_ipa(plain) or None


def phones_of_ipa(text: str, language: str = "") -> tuple[str, ...]:
    """Return the phones in IPA, each the nearest of the inventory; marks of stress, length and tone are left out."""
    special = _BY_LANGUAGE.get(language.partition("-")[0], {})
    found: list[str] = []
    for group in _groups(unicodedata.normalize("NFC", text).translate(_TIES)):
        letters = [special.get(one, one) for one in group]
        while letters:
            pair = _pair(*letters[:2]) if len(letters) > 1 else None
            found += [pair] if pair else [one for one in [_single(letters[0])] if one]
            del letters[: 2 if pair else 1]
    return tuple(phone for phone in found if phone != SILENCE)


def _groups(text: str) -> list[list[str]]:
    """Return letters of IPA, those that a tie bar joins together."""
    groups: list[list[str]] = []
    tied = False
    for character in text:
        if character == _TIE:
            tied = bool(groups)
            continue
        letter = _letter(character)
        if not letter:
            continue
        if tied:
            groups[-1].append(letter)
        else:
            groups.append([letter])
        tied = False
    return groups


def _letter(character: str) -> str:
    """Return a letter of the inventory or near one, without accents; an empty text for a mark."""
    for one in (character, unicodedata.normalize("NFD", character)[0].lower()):
        if _single(one):
            return one
    return ""


def _single(letter: str) -> str:
    phone = _LETTERS.get(letter) or NEAREST.get(letter, letter)
    return phone if phone in PHONE_INDEX else ""


def _pair(first: str, second: str) -> str | None:
    """Return the one phone that two tied letters are, if they are one."""
    for one in (first + second, _DIPHTHONGS.get(first + second, ""), f"{first}{_TIE}{second}"):
        phone = NEAREST.get(one, one)
        if phone and phone in PHONE_INDEX:
            return phone
    return None
