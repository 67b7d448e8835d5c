"""Finds when someone speaks, and rests the mouth when nobody does."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..features import FRAME_RATE, HOPS_PER_FRAME, SILENCE_RMS, speech_rms
from ..topology import ARKIT_INDEX, ARKIT_MOUTH, MOUTH_AND_JAW
from .smooth import hold_near, lowpass, ramped

Array = NDArray[np.float32]

#: Decibels under the speech's loudness at which a frame is as likely speech as not.
_SPEECH_DROP_DB: Final = 24.0
#: Decibels a frame must be above a steady background to count as speech.
_NOISE_RISE_DB: Final = 6.0
#: Decibels under the speech's loudness below which a frame is certainly silent.
_SILENCE_DROP_DB: Final = 45.0
#: Seconds around sound in which the mouth may move, as lips open before speech and close after it.
_ANTICIPATION: Final = 0.36
_RAMP: Final = 0.2

_MOUTH_COLUMNS: Final = [ARKIT_INDEX[name] for name in ARKIT_MOUTH]
_MOUTH_POINTS: Final = list(MOUTH_AND_JAW)


def frame_decibels(rms: Array, frames: int) -> Array:
    """Return the loudness (frames,) at 25 Hz, in dB of full scale, from 10 ms root mean squares ``rms``."""
    padded = np.zeros(frames * HOPS_PER_FRAME, np.float32)
    count = min(len(rms), len(padded))
    padded[:count] = rms[:count]
    power = np.square(padded.reshape(frames, HOPS_PER_FRAME)).mean(axis=1)
    decibels: Array = (10 * np.log10(np.maximum(power, 1e-12))).astype(np.float32)
    return decibels


def speech_activity(rms: Array, frames: int) -> Array:
    """Return the probability (frames,) at 25 Hz that someone speaks, from 10 ms root mean squares.

    A frame is speech if it is within 24 dB of the speech's own loudness and 6 dB above a steady background. Digital
    silence is never speech.
    """
    level = speech_rms(rms)
    if level <= 0:
        return np.zeros(frames, np.float32)
    loudness = frame_decibels(rms, frames).astype(np.float64)
    speech = 20 * np.log10(level)
    background = float(np.percentile(loudness, 10))
    threshold = max(speech - _SPEECH_DROP_DB, background + _NOISE_RISE_DB)
    smooth = lowpass(loudness, 6.0, FRAME_RATE)
    activity: Array = (1 / (1 + np.exp(-(smooth - threshold) / 2.5))).astype(np.float32)
    return activity


def mouth_gate(rms: Array, frames: int) -> Array:
    """Return the factor (frames,), 0 to 1, on the mouth's motion at 25 Hz that rests it in silence.

    It is zero only where it is certainly silent for most of a second, with soft edges early enough for lips to open
    before the first sound.
    """
    level = speech_rms(rms)
    if level <= 0:
        return np.zeros(frames, np.float32)
    quiet_below = max(20 * np.log10(level) - _SILENCE_DROP_DB, 20 * np.log10(SILENCE_RMS))
    loud = frame_decibels(rms, frames) > quiet_below
    return ramped(hold_near(loud, _ANTICIPATION, FRAME_RATE), _RAMP, FRAME_RATE)


def rest_mouth(offsets: Array, arkit: Array, gate: Array) -> None:
    """Scale the mouth and jaw of ``offsets`` (T, 68, 3) and ``arkit`` (T, 52) by ``gate`` (T,), in place."""
    offsets[:, _MOUTH_POINTS] *= gate[:, None, None]
    arkit[:, _MOUTH_COLUMNS] *= gate[:, None]
