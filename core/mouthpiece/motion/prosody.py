"""Finds the events of speech that head and face motion depend on: pauses, ends of phrases, accents."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from .smooth import hold_near, lowpass

Array = NDArray[np.float32]

#: States of a moment, by number: nobody speaks, somebody speaks, a phrase ends, a syllable is stressed.
STATES: Final = ("pause", "speech", "end", "accent")
PAUSE, SPEECH, END, ACCENT = range(len(STATES))

#: Seconds around the last sound of a phrase that count as its end, and seconds around a peak that count as the accent.
_END_SECONDS: Final = 0.3
_ACCENT_SECONDS: Final = 0.16
#: Seconds of silence that end a phrase; shorter ones are the stops of consonants.
_LEAST_PAUSE: Final = 0.2
#: An accent rises this many decibels above the phrase around it; corners in hertz of syllable and phrase.
_ACCENT_DB: Final = 5.0
_SYLLABLE_HERTZ: Final = 4.0
_PHRASE_HERTZ: Final = 0.6
#: Least weight of a moment in a phrase's loudness: that of silence.
_LEAST_SHARE: Final = 1e-3


def rhythm(activity: Array, decibels: Array, fps: float) -> NDArray[np.int8]:
    """Return the state (T,) of each moment of speech, as an index into ``STATES``.

    Parameters
    ----------
    activity : (T,) float32
        Probability that someone speaks.
    decibels : (T,) float32
        Loudness in decibels of full scale.
    fps : float
        Rate of both, per second.
    """
    speech = ~_long_runs(activity < 0.5, round(_LEAST_PAUSE * fps))
    states = np.where(speech, SPEECH, PAUSE).astype(np.int8)
    states[hold_near(accents(activity, decibels, fps), _ACCENT_SECONDS, fps) & speech] = ACCENT
    ends = np.zeros(len(speech), bool)
    ends[:-1] = speech[:-1] & ~speech[1:]
    states[hold_near(ends, _END_SECONDS, fps)] = END
    return states


def accents(activity: Array, decibels: Array, fps: float) -> NDArray[np.bool_]:
    """Return where (T,) the loudness peaks clearly above that of the phrase around it."""
    # The phrase's loudness is an average without silence, or every first syllable would be an accent.
    share = np.maximum(activity, _LEAST_SHARE).astype(np.float64)
    phrase = lowpass(decibels * share, _PHRASE_HERTZ, fps) / lowpass(share, _PHRASE_HERTZ, fps)
    rise = lowpass(decibels, _SYLLABLE_HERTZ, fps) - phrase
    peaks = np.zeros(len(rise), bool)
    peaks[1:-1] = (rise[1:-1] > rise[:-2]) & (rise[1:-1] >= rise[2:])
    found: NDArray[np.bool_] = peaks & (rise > _ACCENT_DB) & (activity > 0.5)
    return found


def _long_runs(mask: NDArray[np.bool_], least: int) -> NDArray[np.bool_]:
    """Return ``mask`` (T,) without its runs shorter than ``least``."""
    edges = np.flatnonzero(np.diff(np.r_[False, mask, False].astype(np.int8)))
    kept = np.zeros(len(mask), bool)
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        kept[start:stop] = stop - start >= least
    return kept
