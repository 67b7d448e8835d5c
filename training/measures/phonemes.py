"""The phones in a clip, recognised by hama: what mouth shapes are judged by.

The network (hama 1.3.13, Apache-2.0) was trained with a CTC loss: of its frames of 20 ms, only one or two at each phone
name that phone, and all others name none. So the moment of a phone is known, but not its length.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mouthpiece.features import RATE
from mouthpiece.models.session import open_session
from numpy.typing import NDArray

from ..paths import PUBLISHED_MODELS

HERTZ = 50
#: Length of the windows a sound is heard in, and by how much they overlap, in seconds.
WINDOW, OVERLAP = 20, 2
#: Least probability at which a phone counts.
LEAST = 0.5

#: Viseme (Oculus' names) -> its phones; diphthongs and affricates belong to the viseme of their first sound.
PHONES = {
    "PP": "p b m pʰ p͈ ɓ ʙ",
    "FF": "f v ʋ ɱ",
    "TH": "θ ð",
    "DD": "t d tʰ t͈ ɖ ɗ ʈ",
    "kk": "k g kʰ k͈ ɡ ŋ c ɟ ɣ x h",
    "CH": "ʃ ʒ t͡ʃ d͡ʒ t͡ɕ t͡ɕʰ t͡ɕ͈ ɕ ʑ ʂ ʐ",
    "SS": "s z s͈ ẑ",
    "nn": "n l ɫ ɲ ʎ ɮ",
    "RR": "r ɹ ɻ ɝ ɚ ɜ ɽ",
    "aa": "a ɑ aɪ aʊ ʌ ɐ ä à å ɒ æ",
    "E": "e ɛ eɪ eə ə ɘ ẽ ø œ",
    "ih": "i ɪ ɪə j ì ĩ ɨ y",
    "oh": "o oʊ ɔ ɔɪ ɤ ñ õ",
    "ou": "u ʊ ʉ w ũ ɯ ɥ ʏ wa we wi wʌ ju",
}
VISEME_OF = {phone: viseme for viseme, phones in PHONES.items() for phone in phones.split()}


@dataclass(frozen=True, slots=True)
class Phone:
    """A phone: when it was heard in seconds, its viseme, and its probability."""

    seconds: float
    viseme: str
    probability: float


class Recogniser:
    """Recognises the phones in a sound."""

    def __init__(self, folder: Path = PUBLISHED_MODELS) -> None:
        """Load the network and vocabulary that lie in ``folder``."""
        self._session = open_session(folder / "phoneme_hama_hidden.onnx")
        names = json.loads((folder / "hama_vocab.json").read_text(encoding="utf-8"))["decoder"]
        self._visemes = [VISEME_OF.get(name) for name in names]

    def phones(self, samples: NDArray[np.float32]) -> list[Phone]:
        """Return the phones in ``samples`` (16 kHz) in order of time."""
        found: list[Phone] = []
        step = WINDOW - OVERLAP
        for start in range(0, max(1, len(samples) // RATE - OVERLAP), step):
            part = samples[start * RATE : (start + WINDOW) * RATE]
            last = (start + WINDOW) * RATE >= len(samples)
            low, high = (OVERLAP / 2 if start else 0), (WINDOW if last else WINDOW - OVERLAP / 2)
            found += [
                Phone(start + p.seconds, p.viseme, p.probability) for p in self._heard(part) if low <= p.seconds < high
            ]
        return found

    def _heard(self, samples: NDArray[np.float32]) -> list[Phone]:
        loud = samples / max(float(np.abs(samples).max()), 1e-4) * 0.5
        inputs = {"waveform": loud[None].astype(np.float32), "waveform_lengths": np.array([len(loud)], np.int64)}
        logs = np.asarray(self._session(inputs)["log_probs"][0])
        best, said = logs.argmax(axis=1), np.exp(logs.max(axis=1))
        phones, previous = [], -1
        for frame, (token, probability) in enumerate(zip(best, said, strict=True)):
            viseme = self._visemes[token] if token < len(self._visemes) else None
            if viseme and probability >= LEAST and token != previous:
                phones.append(Phone(frame / HERTZ, viseme, float(probability)))
            previous = token
        return phones
