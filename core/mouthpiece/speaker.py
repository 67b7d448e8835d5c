"""Computes the voice print (d-vector) of a speaker from a few pieces of speech spread over a sound.

The network is Resemblyzer's (Wan et al. 2018). A voice print distinguishes voices; it is used to choose a style and is
never written to a take.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .features import HOP_SAMPLES, SILENCE_RMS, speech_rms
from .models.session import Session
from .models.windows import Window, gather

Array = NDArray[np.float32]

#: Numbers in a voice print, and samples at 16 kHz of one piece (160 mel frames of 25 ms, 10 ms apart).
VOICE_SIZE: Final = 256
PART_SAMPLES: Final = 159 * HOP_SAMPLES + 400
#: Most pieces that are used, however long the sound is.
MOST_PARTS: Final = 8
#: Least loudness the network expects, as root mean square of full scale (-30 dB).
_LOUDNESS: Final = 10 ** (-30 / 20)
#: Least share of a piece's 10 ms frames that must be speech for it to be used.
_LEAST_SPEECH: Final = 0.5


def speech_parts(rms: Array) -> tuple[Window, ...]:
    """Return up to eight pieces of 25,840 samples, spread evenly over the speech in 10 ms root mean squares ``rms``.

    The result is empty if there is no speech of that length.
    """
    hops = -(-PART_SAMPLES // HOP_SAMPLES)
    level = speech_rms(rms)
    if level <= 0 or len(rms) < hops:
        return ()
    loud = rms > max(level * 10 ** (-24 / 20), SILENCE_RMS)
    share = np.convolve(loud, np.full(hops, 1 / hops), "valid")
    starts: list[int] = []
    for start in np.flatnonzero(share >= _LEAST_SPEECH):
        if not starts or start - starts[-1] >= hops // 2:
            starts.append(int(start))
    if len(starts) > MOST_PARTS:
        starts = [starts[k] for k in np.linspace(0, len(starts) - 1, MOST_PARTS).round().astype(int)]
    return tuple(Window(start * HOP_SAMPLES, start * HOP_SAMPLES + PART_SAMPLES) for start in starts)


def voice_print(blocks: Iterable[Array], rms: Array, session: Session) -> Array | None:
    """Return the voice print (256,) of unit length of a sound, or None if too little of it is speech.

    Parameters
    ----------
    blocks
        Consecutive samples at 16 kHz.
    rms : (N // 160,) float32
        Root mean square of each 10 ms of them.
    session
        The voice network.
    """
    parts = speech_parts(rms)
    if not parts:
        return None
    gain = np.float32(max(1.0, _LOUDNESS / speech_rms(rms)))
    prints = [session({"sound": piece[None] * gain})["voice"][0] for piece in gather(blocks, parts)]
    mean = np.mean(prints, axis=0)
    result: Array = (mean / max(float(np.linalg.norm(mean)), 1e-9)).astype(np.float32)
    return result
