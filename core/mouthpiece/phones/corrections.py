"""Phones that somebody knows better than the listener: posteriors that agree with them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .inventory import PHONE_INDEX, PHONES, SILENCE
from .speech import POSTERIOR_RATE, Segment, Speech

Array = NDArray[np.float32]

#: How far posteriors follow phones that were set by hand.
_BY_HAND: Final = 0.95


def leaning(posteriors: Array, phones: Sequence[Segment], weight: float) -> Array:
    """Return posteriors (S, P) that lean towards ``phones`` where there are some: 0 not at all, 1 nothing else.

    A row on a boundary is shared by the time that each phone has of it.
    """
    shares = _shares(phones, len(posteriors))
    known = shares.sum(axis=1, keepdims=True)
    rows: Array = ((1 - weight * known) * posteriors + weight * shares).astype(np.float32)
    return rows


def corrected(speech: Speech, phones: Sequence[Segment], words: Sequence[Segment], seconds: float) -> Speech:
    """Return what is said in a take of ``seconds`` with phones and words set by hand in place of those heard.

    Where there is no phone, nothing is said. What follows posteriors, lips and tongue, follows them. Times beyond the
    end are cut off.
    """
    count = max(math.ceil(seconds * POSTERIOR_RATE - 1e-6), 1)
    kept = tuple(_within(phones, seconds))
    rows = np.zeros((count, len(PHONES)), np.float32)
    rows[:, PHONE_INDEX[SILENCE]] = 1
    rows[: len(speech.posteriors)] = speech.posteriors[:count]
    shares = _shares(kept, count)
    shares[:, PHONE_INDEX[SILENCE]] = np.maximum(1 - shares.sum(axis=1), 0)
    rows = ((1 - _BY_HAND) * rows + _BY_HAND * shares).astype(np.float32)
    return Speech(rows, kept, tuple(_within(words, seconds)), speech.text, speech.language)


def _shares(phones: Sequence[Segment], count: int) -> Array:
    """Return which share of each of ``count`` rows each phone has: (count, P)."""
    shares = np.zeros((count, len(PHONES)), np.float32)
    edges = np.arange(count + 1) / POSTERIOR_RATE
    for phone in phones:
        low = max(int(phone.start * POSTERIOR_RATE), 0)
        high = min(math.ceil(phone.stop * POSTERIOR_RATE), count)
        if high > low:
            starts, stops = np.maximum(edges[low:high], phone.start), np.minimum(edges[low + 1 : high + 1], phone.stop)
            shares[low:high, PHONE_INDEX[phone.label]] += np.maximum(stops - starts, 0) * POSTERIOR_RATE
    return np.clip(shares, 0, 1)


def _within(segments: Sequence[Segment], seconds: float) -> list[Segment]:
    """Return the segments that begin before the end of a take, none longer than it."""
    kept = []
    for segment in segments:
        if segment.start < seconds:
            stop = min(segment.stop, seconds)
            if stop > segment.start:
                kept.append(Segment(segment.label, segment.start, stop, segment.confidence))
    return kept
