"""How much each phone is said at any moment: from segments, which a text or a hand set right, or from posteriors."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from .inventory import PHONE_INDEX, PHONES, SILENCE
from .speech import POSTERIOR_RATE, Speech, resampled

#: How much a phone with no confidence at all is said; one with full confidence is said by 1.
_DOUBTED: Final = 0.5


def phone_track(speech: Speech, times: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Return how much each of ``PHONES`` is said (T, P), 0..1, at ``times`` (T,) in seconds; silence outside the take.

    Segments count if there are any, else posteriors; if neither is known, all is silence.
    """
    moments = np.asarray(times, np.float64)
    silence = PHONE_INDEX[SILENCE]
    said = np.zeros((len(moments), len(PHONES)))
    if not speech.phones:
        inside = (moments >= 0) & (moments <= len(speech.posteriors) / POSTERIOR_RATE)
        if inside.any() and len(speech.posteriors):
            said[inside] = resampled(speech, moments[inside])
        said[~inside | (not len(speech.posteriors)), silence] = 1
        return said
    known = [segment for segment in speech.phones if segment.label in PHONE_INDEX]
    if known:
        starts = np.array([segment.start for segment in known])
        at = np.maximum(np.searchsorted(starts, moments, side="right") - 1, 0)
        stops = np.array([segment.stop for segment in known])
        columns = np.array([PHONE_INDEX[segment.label] for segment in known])
        sure = np.clip([segment.confidence for segment in known], 0, 1)
        inside = (moments >= starts[at]) & (moments < stops[at])
        rows = np.flatnonzero(inside)
        said[rows, columns[at[rows]]] = _DOUBTED + (1 - _DOUBTED) * sure[at[rows]]
    said[said.max(axis=1) <= 0, silence] = 1
    return said
