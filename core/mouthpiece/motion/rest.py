"""Finds when someone speaks, and rests the mouth when nobody does.

Few rooms are silent, so :func:`mouth_gate` learns what the room sounds like: in each mel band the quietest quarter of
a second of the seconds before and after. Where hardly anything rises above that for a while, only the room is heard. A
room may change, hum or rumble, as each moment has its own seconds and each band its own level; a whisper that is a few
decibels above its room is speech. All of it depends on those seconds and on how loud the speech is, so that two
chapters agree where they meet.

In silence the whole mouth rests. Where a room is heard only what stands ajar is closed: lips meet, and smiles, pressed
lips and other shapes of a shut mouth stay, since people smile before their line and after it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..features import FRAME_RATE, HOPS_PER_FRAME, SILENCE_RMS, speech_rms
from ..topology import ARKIT_INDEX, ARKIT_MOUTH, JAW, MOUTH_AND_JAW
from . import closures
from .smooth import hold_near, lowpass, ramped, running_least, running_mean

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
#: Seconds before a moment, and after it, whose quietest stretch of so many seconds is the room.
_ROOM_MEMORY: Final = 4.0
_ROOM_STRETCH: Final = 0.28
#: Decibels above the room, on average over the mel bands, from which something else is heard; more than the second
#: figure counts as that in any band. Of that the average over so many seconds is taken.
_ROOM_RISE_DB: Final = 4.0
_MOST_RISE_DB: Final = 20.0
_RISE_SECONDS: Final = 0.2
#: Decibels that a room must be under the speech's loudness: one that is louder may be speech without a pause.
_ROOM_DROP_DB: Final = 14.0
#: Decibels above the room that nothing exceeds in a sound in which nobody speaks, its ends left out. Whoever speaks in
#: noise 6 dB louder than the voice exceeds it.
_STEADY_DB: Final = 1.5

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


@dataclass(frozen=True, slots=True, eq=False)
class MouthGate:
    """Factors (T,), 0 to 1, on the mouth's motion at 25 Hz that rest it where nobody speaks.

    Attributes
    ----------
    motion : (T,) float32
        On all of it: zero where it is certainly silent.
    opening : (T,) float32
        On what parts the lips, at most ``motion``: zero where nobody speaks, be it silent or the room heard.
    """

    motion: Array
    opening: Array


def mouth_gate(rms: Array, bands: Array) -> MouthGate:
    """Return the factors (T,) on the mouth's motion at 25 Hz that rest it where nobody speaks.

    They are zero only where it is certainly silent, or nothing is heard but the room, for most of a second, with soft
    edges early enough for lips to open before the first sound. They are zero throughout if nothing but a steady sound
    is heard.

    Parameters
    ----------
    rms
        Root mean square of each 10 ms.
    bands : (T, 40)
        Level of each mel band at 25 Hz in dB, of a sound of any loudness.
    """
    frames = len(bands)
    level = speech_rms(rms)
    nobody = MouthGate(np.zeros(frames, np.float32), np.zeros(frames, np.float32))
    if level <= 0:
        return nobody
    speech = 20 * np.log10(level)
    loudness = frame_decibels(rms, frames)
    heard = loudness > max(speech - _SILENCE_DROP_DB, 20 * np.log10(SILENCE_RMS))
    above = np.clip(bands - _room(bands, heard), 0, _MOST_RISE_DB).mean(axis=1)
    rise = running_mean(above, _RISE_SECONDS, FRAME_RATE)
    edge = round(_RISE_SECONDS * FRAME_RATE)
    if heard.all() and frames >= _ROOM_MEMORY * FRAME_RATE and rise[edge:-edge].max() < _STEADY_DB:
        return nobody
    room = (rise < _ROOM_RISE_DB) & (_room(loudness[:, None], heard)[:, 0] < speech - _ROOM_DROP_DB)
    motion, opening = (
        ramped(hold_near(mask, _ANTICIPATION, FRAME_RATE), _RAMP, FRAME_RATE) for mask in (heard, heard & ~room)
    )
    return MouthGate(motion, opening)


def _room(levels: Array, heard: NDArray[np.bool_]) -> Array:
    """Return the levels (T, B) of the room for ``levels`` (T, B) at 25 Hz, both in dB.

    That is the level of the quietest stretch of the seconds before a frame or of those after it, whichever is louder:
    so a room that grows louder is known from then on, and one that grows quieter until then. Frames that are not
    ``heard`` (T,) are left out; where there are no others, the room is minus infinity.
    """
    count = len(levels)
    width = min(count, round(_ROOM_MEMORY * FRAME_RATE))
    half = min(round(_ROOM_STRETCH * FRAME_RATE) // 2, (width - 1) // 2)
    calm = np.where(heard[:, None], running_mean(levels, _ROOM_STRETCH, FRAME_RATE), np.inf)
    # The filter looks around a frame; each stretch wanted lies before or after its frame, and all of it in the sound.
    size = width - 2 * half
    quietest = running_least(calm, size)
    quietest[np.isinf(quietest)] = -np.inf
    frames, first = np.arange(count), half + size // 2
    before, after = (np.clip(frames + shift, first, first + count - width) for shift in (first - width + 1, first))
    room: Array = np.maximum(quietest[before], quietest[after])
    return room


def rest_mouth(offsets: Array, arkit: Array, gate: MouthGate) -> None:
    """Rest the mouth and jaw of ``offsets`` (T, 68, 3), whose lips meet at 0, and ``arkit`` (T, 52), in place.

    All of their motion is scaled by ``gate.motion``; how far lips are apart and the jaw is open, by ``gate.opening``.
    """
    offsets[:, _MOUTH_POINTS] *= gate.motion[:, None, None]
    arkit[:, _MOUTH_COLUMNS] *= gate.motion[:, None]
    share = np.divide(gate.opening, gate.motion, out=np.zeros_like(gate.motion), where=gate.motion > 0)
    closures.hold(offsets, np.minimum(closures.gaps(offsets), 0), 1 - share)
    offsets[:, JAW, 1] -= (1 - share)[:, None] * np.maximum(offsets[:, JAW, 1], 0)
    arkit[:, closures.OPENING] *= share[:, None]
