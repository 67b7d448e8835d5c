"""The phones that are told apart, in IPA, and the articulatory classes they belong to.

The set does not depend on a language: it holds what the vocal tract can be seen or felt to do, not what a dictionary
distinguishes. A phone of a language that is not in it is heard as the nearest one (:data:`NEAREST`). Terms are those of
the International Phonetic Association (Handbook, 1999).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

#: Label of a stretch in which nothing is said.
SILENCE: Final = ""
#: Vowels, diphthongs after their first half.
VOWELS: Final = (
    "i", "y", "ɪ", "e", "ø", "ɛ", "æ", "a", "ɑ", "ɔ", "o", "ʊ", "u", "ɯ", "ə", "ʌ", "ɝ", "aɪ", "aʊ", "eɪ", "oʊ", "ɔɪ",
)  # fmt: skip
CONSONANTS: Final = (
    "p", "b", "m", "f", "v", "θ", "ð", "t", "d", "n", "l", "ɾ", "s", "z", "t͡s", "ʃ", "ʒ", "t͡ʃ", "d͡ʒ", "ɹ", "r", "ɲ",
    "j", "w", "k", "ɡ", "ŋ", "x", "ʁ", "h", "ʔ",
)  # fmt: skip
#: All labels in the order of posteriors; the first is silence.
PHONES: Final = (SILENCE, *VOWELS, *CONSONANTS)
PHONE_INDEX: Final[Mapping[str, int]] = {phone: index for index, phone in enumerate(PHONES)}

#: Articulatory classes; a phone may belong to several. Diphthongs belong to what either half belongs to.
CLASSES: Final[Mapping[str, tuple[str, ...]]] = {
    "silence": (SILENCE,),
    "bilabial": ("p", "b", "m"),
    "labiodental": ("f", "v"),
    "dental": ("θ", "ð"),
    "alveolar": ("t", "d", "n", "l", "ɾ", "t͡s", "r"),
    "sibilant": ("s", "z", "t͡s", "ʃ", "ʒ", "t͡ʃ", "d͡ʒ"),
    "postalveolar": ("ʃ", "ʒ", "t͡ʃ", "d͡ʒ"),
    "rhotic": ("ɹ", "r", "ɝ"),
    "lateral": ("l",),
    "palatal": ("j", "ɲ"),
    "velar": ("k", "ɡ", "ŋ", "x"),
    "glottal": ("h", "ʔ"),
    "rounded": ("w", "u", "ʊ", "y", "ø", "o", "ɔ", "oʊ", "aʊ", "ɔɪ"),
    "spread": ("i", "ɪ", "e", "eɪ", "aɪ"),
    "open": ("a", "ɑ", "æ", "aɪ", "aʊ"),
    "vowel": VOWELS,
}
CLASS_NAMES: Final = tuple(CLASSES)

#: Symbols of other inventories, without length, tone and breath, and the phones they are heard as.
NEAREST: Final[Mapping[str, str]] = {
    "g": "ɡ", "ɚ": "ɝ", "ɜ": "ɝ", "ɐ": "ʌ", "ɒ": "ɑ", "œ": "ø", "ʏ": "y", "ɨ": "ɪ", "ʉ": "u", "ɤ": "ɯ", "ɘ": "ə",
    "ɵ": "ø", "ɫ": "l", "ɭ": "l", "ʎ": "l", "ɬ": "l", "ɳ": "n", "ɱ": "m", "ɴ": "ŋ", "ɓ": "b", "β": "b", "ɸ": "f",
    "ʋ": "v", "ʈ": "t", "ɖ": "d", "ɗ": "d", "c": "k", "q": "k", "ɟ": "ɡ", "ɢ": "ɡ", "ɣ": "x", "χ": "x", "ç": "x",
    "ħ": "h", "ɦ": "h", "ʀ": "ʁ", "ʕ": "ʁ", "ɻ": "ɹ", "ɽ": "ɾ", "ʂ": "ʃ", "ʐ": "ʒ", "ɕ": "ʃ", "ʑ": "ʒ", "t͡ɕ": "t͡ʃ",
    "d͡ʑ": "d͡ʒ", "t͡ʂ": "t͡ʃ", "d͡ʐ": "d͡ʒ", "d͡z": "z", "ʝ": "j", "ɥ": "j", "ɰ": "w", "ʍ": "w", "ʙ": "b",
}  # fmt: skip


def members(name: str) -> NDArray[np.bool_]:
    """Return which of :data:`PHONES` belong to the articulatory class ``name``: (P,)."""
    return np.isin(np.array(PHONES), CLASSES[name])


def class_posteriors(posteriors: NDArray[np.floating[Any]]) -> Array:
    """Return the probability (S, C) of each of :data:`CLASS_NAMES`, given that (S, P) of each phone."""
    table = np.stack([members(name) for name in CLASS_NAMES], axis=1).astype(np.float32)
    classes: Array = posteriors.astype(np.float32) @ table
    return classes
