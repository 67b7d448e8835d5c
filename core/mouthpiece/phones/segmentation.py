"""Phones and stretches of speech in posteriors, when nobody says what is spoken."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from .inventory import PHONE_INDEX, PHONES, SILENCE
from .speech import POSTERIOR_RATE, Segment, Speech
from .viterbi import best_path, log_posteriors, runs

_SILENCE: Final = PHONE_INDEX[SILENCE]
#: Probability from which a word begins, and seconds between two beginnings at least.
_BEGINS: Final = 0.5
_LEAST_WORD: Final = 0.06
#: Seconds by which a beginning may miss the phone that it belongs to.
_NEAR: Final = 0.06


def heard(posteriors: NDArray[np.floating[Any]], word_starts: NDArray[np.floating[Any]] | None = None) -> Speech:
    """Return what is said, as far as sound alone tells.

    Parameters
    ----------
    posteriors : (S, P) float32
        Probability of each of :data:`~.inventory.PHONES` at 50 Hz; with no columns or no rows, nothing is known.
    word_starts : (S,) float32, optional
        Probability that a word begins. Words are then labelled with their phones in IPA, as no spelling is known;
        without it there are none.
    """
    if not posteriors.size:
        return Speech()
    phones = phones_in(posteriors)
    words = words_by_starts(phones, word_starts) if word_starts is not None and len(word_starts) else ()
    return Speech(np.ascontiguousarray(posteriors, np.float32), phones, words)


def phones_in(posteriors: NDArray[np.floating[Any]], first: int = 0) -> tuple[Segment, ...]:
    """Return the phones in posteriors (S, P), whose first row is the row ``first`` of a take."""
    stretches = runs(best_path(log_posteriors(posteriors)))
    return segments(((start, stop, state) for start, stop, state in stretches), posteriors, first)


def segments(
    stretches: Iterable[Sequence[int]], posteriors: NDArray[np.floating[Any]], first: int = 0
) -> tuple[Segment, ...]:
    """Return a segment for each stretch (first row, row after the last, phone) that is no silence.

    Rows are those of ``posteriors`` (S, P), whose first is the row ``first`` of a take.
    """
    found = []
    for start, stop, phone in stretches:
        if phone != _SILENCE and stop > start:
            mean = float(posteriors[start:stop, phone].mean())
            times = (first + int(start)) / POSTERIOR_RATE, (first + int(stop)) / POSTERIOR_RATE
            found.append(Segment(PHONES[phone], *times, min(max(mean, 0.0), 1.0)))
    return tuple(found)


def words_by_starts(phones: Sequence[Segment], word_starts: NDArray[np.floating[Any]]) -> tuple[Segment, ...]:
    """Return words labelled with their phones, where ``word_starts`` (S,) at 50 Hz says that one begins.

    A word begins as well where one phone does not follow another at once.
    """
    peaks = _peaks(np.asarray(word_starts, np.float64))
    words: list[list[Segment]] = []
    for number, phone in enumerate(phones):
        gap = number == 0 or phone.start - phones[number - 1].stop > 1e-6
        near = bool(np.any(np.abs(peaks - phone.start) <= _NEAR)) and _is_nearest(phones, number, peaks)
        if gap or (near and phone.start - words[-1][0].start >= _LEAST_WORD):
            words.append([phone])
        else:
            words[-1].append(phone)
    return tuple(as_word("".join(phone.label for phone in word), word) for word in words)


def as_word(label: str, phones: Sequence[Segment]) -> Segment:
    """Return the word that phones make up."""
    lengths = np.array([phone.stop - phone.start for phone in phones])
    mean = float(np.average([phone.confidence for phone in phones], weights=lengths))
    return Segment(label, phones[0].start, phones[-1].stop, mean)


def _peaks(word_starts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the seconds at which words begin: the middle of each row with a probability above those beside it."""
    padded = np.pad(word_starts, 1)
    is_peak = (word_starts >= _BEGINS) & (padded[1:-1] > padded[:-2]) & (padded[1:-1] >= padded[2:])
    peaks: NDArray[np.float64] = (np.flatnonzero(is_peak) + 0.5) / POSTERIOR_RATE
    return peaks


def _is_nearest(phones: Sequence[Segment], number: int, peaks: NDArray[np.float64]) -> bool:
    """Return whether no phone beside this one begins nearer to its peak."""
    own = phones[number].start
    peak = float(peaks[int(np.abs(peaks - own).argmin())])
    beside = [phones[other].start for other in (number - 1, number + 1) if 0 <= other < len(phones)]
    return all(abs(own - peak) < abs(other - peak) for other in beside)
