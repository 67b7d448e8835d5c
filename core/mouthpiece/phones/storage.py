"""What is said, as arrays and JSON of a take's file: posteriors of a byte each, most of them nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..errors import UnreadableError
from ..files.arrays import StoredArrays
from ..files.json_text import quoted, row_of, rows_of, text_in
from .excerpts import checked_order
from .inventory import PHONE_INDEX, PHONES, SILENCE
from .posteriors import FULL, coded, decoded
from .speech import POSTERIOR_RATE, Segment, Speech

#: Most words and phones, and the longest word: ten hours of the fastest speech have fewer.
_MOST: Final = 2_000_000
_LONGEST: Final = 200
#: Longest text, in characters.
LONGEST_TEXT: Final = 2_000_000
#: Numbers with three columns: start, stop, confidence.
_COLUMNS: Final = 3


def stored(speech: Speech) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Return the arrays of what is said, and what of it is JSON, both empty if nothing is known."""
    if not speech:
        return {}, {}
    arrays: dict[str, NDArray[Any]] = {
        "posteriors": coded(speech.posteriors).T,
        "phone_labels": np.array([PHONE_INDEX[one.label] for one in speech.phones], np.uint8),
        "phone_times": _times(speech.phones),
        "word_times": _times(speech.words),
    }
    said = {
        "phones": list(PHONES),
        "words": [word.label for word in speech.words],
        "text": speech.text,
        "language": speech.language,
    }
    return arrays, said


def restored(arrays: StoredArrays, said: object, seconds: float) -> Speech:
    """Return what is said in a take of ``seconds`` whose JSON holds ``said``.

    Phones of another inventory than today's are left out where today's has none of that name.

    Raises
    ------
    UnreadableError
        If something of it is missing, of a wrong kind, or contradicts the rest.
    """
    row = row_of(said, "'speech'")
    if not row:
        return Speech()
    labels = [_text(label, "a phone", _LONGEST) for label in rows_of(row.get("phones"), "'phones'")]
    posteriors = _posteriors(arrays, labels, seconds)
    numbers = arrays.array("phone_labels", (None,), "u")
    if numbers.size and int(numbers.max()) >= len(labels):
        raise UnreadableError("a phone in it has no name")
    names = [labels[number] for number in numbers]
    phones = _segments(names, arrays, "phone_times", seconds)
    words = [_text(word, "a word", _LONGEST) for word in rows_of(row.get("words"), "'words'")]
    text = text_in(row, "text")
    if len(text) > LONGEST_TEXT:
        raise UnreadableError("its text is too long")
    return Speech(
        posteriors,
        tuple(phone for phone in phones if phone.label in PHONE_INDEX and phone.label != SILENCE),
        tuple(_segments(words, arrays, "word_times", seconds)),
        text,
        _text(row.get("language"), "a language", _LONGEST),
    )


def size(speech: Speech) -> int:
    """Return how many bytes of memory what is said takes, about."""
    return int(speech.posteriors.nbytes) + 100 * (len(speech.phones) + len(speech.words))


def _times(segments: Sequence[Segment]) -> NDArray[np.float64]:
    """Return start, stop and confidence (K, 3)."""
    rows = [(one.start, one.stop, one.confidence) for one in segments]
    return np.array(rows, np.float64).reshape(-1, _COLUMNS)


def _posteriors(arrays: StoredArrays, labels: Sequence[str], seconds: float) -> NDArray[np.float32]:
    """Return the posteriors (S, P) of today's phones."""
    codes = arrays.array("posteriors", (len(labels), None), "u")
    if codes.dtype != np.uint8 or codes.max(initial=0) > FULL or codes.shape[1] > (seconds + 1) * POSTERIOR_RATE + 1:
        raise UnreadableError("its 'posteriors' do not fit its length")
    rows = np.zeros((codes.shape[1], len(PHONES)), np.uint8)
    for label, code in zip(labels, codes, strict=True):
        if label in PHONE_INDEX:
            rows[:, PHONE_INDEX[label]] = code
    return decoded(rows)


def _segments(labels: Sequence[str], arrays: StoredArrays, name: str, seconds: float) -> list[Segment]:
    """Return segments with ``labels`` and the times that ``name`` holds."""
    times = arrays.array(name, (None, _COLUMNS), "f").astype(np.float64)
    if len(times) != len(labels) or len(times) > _MOST:
        raise UnreadableError(f"its '{name}' are not as many as their names")
    if not np.isfinite(times).all():
        raise UnreadableError(f"its '{name}' hold no times")
    segments = [Segment(label, *map(float, row)) for label, row in zip(labels, times, strict=True)]
    outside = times.size and (times.min() < 0 or times[:, 1].max() > seconds + 1 or times[:, 2].max() > 1)
    if outside or not checked_order(segments).all():
        raise UnreadableError(f"its '{name}' are in no order")
    return segments


def _text(value: object, what: str, longest: int) -> str:
    if not isinstance(value, str) or len(value) > longest:
        raise UnreadableError(f"{what} in it is {quoted(value)}")
    return value


def checked(speech: Speech, seconds: float) -> Speech:
    """Return ``speech`` if it fits a take of ``seconds``; raises UnreadableError otherwise."""
    rows = speech.posteriors
    if rows.ndim != 2 or rows.shape[1] != len(PHONES) or len(rows) > (seconds + 1) * POSTERIOR_RATE + 1:
        raise UnreadableError(f"posteriors of shape {rows.shape} do not fit {seconds:.2f} seconds")
    if not np.isfinite(rows).all() or (rows.size and not -1e-4 <= float(rows.min()) <= float(rows.max()) <= 1.001):
        raise UnreadableError("posteriors in it are no probabilities")
    for name, segments in (("phones", speech.phones), ("words", speech.words)):
        times = [time for one in segments for time in (one.start, one.stop, one.confidence)]
        bounded = all(map(math.isfinite, times)) and (not times or (min(times) >= 0 and max(times) <= seconds + 1.01))
        if not bounded or not checked_order(segments).all():
            raise UnreadableError(f"{name} in it are in no order")
    if any(phone.label not in PHONE_INDEX or phone.label == SILENCE for phone in speech.phones):
        raise UnreadableError("a phone in it is none that is told apart")
    return speech
