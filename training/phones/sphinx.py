"""When the phones of an English text are said, by PocketSphinx: boundaries of another kind than the listener's.

Texts can be aligned with what a phone recogniser hears, but recognisers that were trained to emit phones in order
(CTC) know when a phone comes and not how long it lasts: their vowels are a fiftieth of a second. PocketSphinx aligns
with hidden Markov models of phones, whose lengths are those of speech. It needs the package ``pocketsphinx`` and knows
English alone; words that its dictionary lacks get the pronunciation of eSpeak NG.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from mouthpiece.errors import TextError
from mouthpiece.phones.alignment import aligned
from mouthpiece.phones.inventory import PHONE_INDEX, PHONES, SILENCE
from mouthpiece.phones.ipa import phones_in_label
from mouthpiece.phones.speech import POSTERIOR_RATE, Segment, Speech
from mouthpiece.phones.transcript import transcript
from numpy.typing import NDArray

Array = NDArray[np.float32]

#: ARPABET for the phones of English that eSpeak NG writes.
ARPABET = {
    "ɑ": "AA", "a": "AA", "æ": "AE", "ʌ": "AH", "ə": "AH", "ɔ": "AO", "aʊ": "AW", "aɪ": "AY", "b": "B", "t͡ʃ": "CH",
    "d": "D", "ð": "DH", "ɛ": "EH", "ɝ": "ER", "eɪ": "EY", "e": "EY", "f": "F", "ɡ": "G", "h": "HH", "ɪ": "IH",
    "i": "IY", "d͡ʒ": "JH", "k": "K", "l": "L", "m": "M", "n": "N", "ŋ": "NG", "oʊ": "OW", "o": "OW", "ɔɪ": "OY",
    "p": "P", "ɹ": "R", "s": "S", "ʃ": "SH", "t": "T", "ɾ": "D", "ʔ": "T", "θ": "TH", "ʊ": "UH", "u": "UW", "v": "V",
    "w": "W", "j": "Y", "z": "Z", "ʒ": "ZH", "x": "K", "r": "R",
}  # fmt: skip
#: Loudest sample of what is given to PocketSphinx, and probability that an aligned phone is what sounds.
_LOUDEST, _SURE = 0.7, 0.96
#: One vowel of ARPABET is two of ours.
_SCHWAS = ("ʌ", "ə")


class Sphinx:
    """PocketSphinx's alignment of English texts."""

    def __init__(self) -> None:
        """Open its English model.

        Raises
        ------
        ImportError
            If the package ``pocketsphinx`` is not installed.
        """
        from pocketsphinx import Decoder  # only this class needs it

        self._decoder = Decoder(lm=None, loglevel="FATAL")

    def phones(self, samples: Array, text: str) -> tuple[Segment, ...]:
        """Return the phones of ``text`` as aligned with ``samples`` (N,) at 16 kHz; none if it finds no way."""
        words = re.findall(r"[a-z']+", text.lower().replace("’", "'"))
        if not words or not all(self._knows(word) for word in words):
            return ()
        level = max(float(np.abs(samples).max(initial=0.0)), 1e-3)
        sound = (np.clip(samples * (_LOUDEST / level), -1, 1) * 32767).astype("<i2").tobytes()
        decoder = self._decoder
        try:
            decoder.set_align_text(" ".join(words))
            self._hear(sound)
            if decoder.hyp() is None:
                return ()
            decoder.set_alignment()  # the second time it tells the phones of the words that it has found
            self._hear(sound)
            found = [
                (phone.name, phone.start / 100, phone.duration / 100) for phone in decoder.get_alignment().phones()
            ]
        except RuntimeError:  # it cannot reach the end of the text
            return ()
        known = [(phones_in_label(name), start, seconds) for name, start, seconds in found]
        return tuple(Segment(label[0], start, start + seconds, 1.0) for label, start, seconds in known if label)

    def _hear(self, sound: bytes) -> None:
        self._decoder.start_utt()
        self._decoder.process_raw(sound, full_utt=True)
        self._decoder.end_utt()

    def _knows(self, word: str) -> bool:
        """Return whether a word has a pronunciation; unknown ones get one if eSpeak NG reads them as English."""
        if self._decoder.lookup_word(word) is not None:
            return True
        try:
            (spoken,) = transcript(word, "en-us").words[:1]
        except (TextError, ValueError):
            return False
        sounds = [ARPABET.get(phone, "") for phone in spoken.pronunciations[0]] if spoken.pronunciations else [""]
        if not all(sounds):
            return False
        self._decoder.add_word(word, " ".join(sounds), True)
        return True


def posteriors_of(phones: Sequence[Segment], steps: int) -> Array:
    """Return posteriors (steps, P) in which the aligned ``phones`` are almost certain, and silence where none is."""
    rows = np.full((steps, len(PHONES)), (1 - _SURE) / len(PHONES), np.float32)
    certain = np.full(steps, PHONE_INDEX[SILENCE])
    for phone in phones:
        certain[round(phone.start * POSTERIOR_RATE) : round(phone.stop * POSTERIOR_RATE)] = PHONE_INDEX[phone.label]
    rows[np.arange(steps), certain] += _SURE
    schwas = [PHONE_INDEX[one] for one in _SCHWAS]
    rows[:, schwas] = rows[:, schwas].mean(axis=1, keepdims=True)
    return rows


def speech_by_sphinx(sphinx: Sphinx, samples: Array, text: str) -> Speech | None:
    """Return what ``samples`` (N,) at 16 kHz say by the English ``text``, with PocketSphinx' times; None without a way.

    The phones are those of eSpeak NG, as in every text that Mouthpiece aligns.
    """
    phones = sphinx.phones(samples, text)
    if not phones:
        return None
    rows = posteriors_of(phones, len(samples) * POSTERIOR_RATE // 16_000)
    try:
        return aligned(Speech(rows, phones), text, "en-us").speech
    except TextError:
        return None
