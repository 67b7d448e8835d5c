"""Which phones are said when, as rows of a seen face."""

from __future__ import annotations

from typing import Final

import numpy as np

from ...phones.inventory import PHONES, SILENCE
from ...phones.speech import POSTERIOR_RATE, Speech
from ..seen_face import HeardPhone

#: Probability from which on a phone counts as heard where only posteriors are known.
_HEARD: Final = 0.5


def phones_said(speech: Speech, fps: float, rows: int, first: float = 0.0) -> tuple[HeardPhone, ...]:
    """Return the phones of ``speech`` whose middles lie on the ``rows`` of a seen face, in order of time.

    Its segments count if there are any; else stretches in which one phone is likelier than all others together.

    Parameters
    ----------
    speech
        What is said.
    fps
        Rows a second.
    rows
        Number of rows.
    first
        Row at which the speech begins; it may lie before the first, or between two.
    """
    if speech.phones:
        middles = [(each.label, (each.start + each.stop) / 2) for each in speech.phones]
    else:
        middles = _heard(speech)
    placed = [HeardPhone(label, round(first + seconds * fps)) for label, seconds in middles]
    return tuple(one for one in placed if 0 <= one.row < rows)


def _heard(speech: Speech) -> list[tuple[str, float]]:
    if not len(speech.posteriors):
        return []
    best = speech.posteriors.argmax(axis=1)
    best = np.where(speech.posteriors.max(axis=1) > _HEARD, best, PHONES.index(SILENCE))
    edges = np.flatnonzero(np.diff(best)) + 1
    begins, ends = np.r_[0, edges], np.r_[edges, len(best)]
    return [
        (PHONES[best[begin]], (begin + end) / 2 / POSTERIOR_RATE)
        for begin, end in zip(begins, ends, strict=True)
        if PHONES[best[begin]] != SILENCE
    ]
