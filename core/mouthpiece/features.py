"""Input features of the networks: MFCCs in plain numpy, loudness, and one feature vector per motion frame.

The MFCCs equal those of librosa (``tests/test_features.py`` compares them), which is not needed to run. Every feature
depends on a short stretch of sound only, so a long sound gives the same numbers in pieces as in one go.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

#: Samples per second of the sound the networks get.
RATE: Final = 16_000
#: Motion frames per second of the networks.
FRAME_RATE: Final = 25
#: Samples per motion frame.
FRAME_SAMPLES: Final = RATE // FRAME_RATE
#: Samples between MFCC frames (10 ms), and MFCC frames per motion frame.
HOP_SAMPLES: Final = 160
HOPS_PER_FRAME: Final = FRAME_SAMPLES // HOP_SAMPLES
FFT_SAMPLES: Final = 512
#: Samples of context an MFCC frame needs on either side of its centre.
MARGIN_SAMPLES: Final = FFT_SAMPLES // 2
MEL_BANDS: Final = 40
MFCC_COUNT: Final = 13
#: Power below which a mel band counts as silent. Far above librosa's default, so that the rounding noise of a silent
#: passage is silence for the networks as well.
POWER_FLOOR: Final = 1e-6
#: Phonetic features per second, and numbers in a vector: one layer of Whisper.
PHONETIC_RATE: Final = 50
PHONETIC_PARTS: Final = (512,)
PHONETIC_SIZE: Final = sum(PHONETIC_PARTS)
PHONETIC_PER_FRAME: Final = PHONETIC_RATE // FRAME_RATE
#: Numbers per motion frame.
FEATURE_SIZE: Final = PHONETIC_PER_FRAME * PHONETIC_SIZE + HOPS_PER_FRAME * MFCC_COUNT

assert FRAME_SAMPLES * FRAME_RATE == RATE
assert HOPS_PER_FRAME * HOP_SAMPLES == FRAME_SAMPLES

#: Loudness that speech is scaled to for the networks, as root mean square of full scale, and the limits of the gain
#: (about -20 and +34 dB).
TARGET_RMS: Final = 0.07
GAIN_LIMITS: Final = (0.1, 50.0)
#: Root mean square below which a frame is digital silence (-70 dBFS).
SILENCE_RMS: Final = 10 ** (-70 / 20)


def _hertz_to_mel(hertz: NDArray[np.float64]) -> NDArray[np.float64]:
    linear = hertz * 3 / 200
    return np.where(hertz < 1000, linear, 15 + 27 * np.log(np.maximum(hertz, 1e-9) / 1000) / np.log(6.4))


def _mel_to_hertz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp((mel - 15) * np.log(6.4) / 27))


@lru_cache(maxsize=1)
def mel_filters() -> Array:
    """Return the Slaney mel filter bank (40 bands x 257 bins), area-normalised, 0 to 8 kHz."""
    top = _hertz_to_mel(np.array([RATE / 2]))[0]
    edges = _mel_to_hertz(np.linspace(0, top, MEL_BANDS + 2))
    bins = np.linspace(0, RATE / 2, FFT_SAMPLES // 2 + 1)
    rising = (bins - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - bins) / np.diff(edges)[1:, None]
    bank = np.maximum(0, np.minimum(rising, falling)) * (2 / (edges[2:] - edges[:-2]))[:, None]
    return bank.astype(np.float32)


@lru_cache(maxsize=1)
def _cosines() -> Array:
    """Return the orthonormal DCT-II matrix (40, 13)."""
    band, order = np.arange(MEL_BANDS)[:, None] + 0.5, np.arange(MFCC_COUNT)[None, :]
    basis = np.cos(np.pi * order * band / MEL_BANDS) * np.sqrt(2 / MEL_BANDS)
    basis[:, 0] = np.sqrt(1 / MEL_BANDS)
    matrix: Array = basis.astype(np.float32)
    return matrix


def log_mel(samples: Array, count: int) -> Array:
    """Return the log-mel spectrogram (count, 40) in dB of ``samples`` at 16 kHz.

    Frame ``j`` is centred ``MARGIN_SAMPLES + 160 j`` samples into ``samples``: the caller adds the margins (the sound
    before and after, or zeros at the ends of a file).
    """
    view = np.lib.stride_tricks.sliding_window_view(samples, FFT_SAMPLES)[::HOP_SAMPLES][:count]
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FFT_SAMPLES) / FFT_SAMPLES)
    spectrum = np.fft.rfft(view * window.astype(np.float32), axis=1)
    power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
    decibels: Array = 10 * np.log10(np.maximum(power @ mel_filters().T, POWER_FLOOR))
    return decibels


def mfcc(samples: Array, count: int) -> Array:
    """Return ``count`` MFCC frames (count, 13) at 100 Hz; ``samples`` as for :func:`log_mel`."""
    cepstra: Array = log_mel(samples, count) @ _cosines()
    return cepstra


def band_levels(rows: Array, phonetic: int = PHONETIC_SIZE) -> Array:
    """Return the levels (T, 40) in dB of the mel bands, smooth as MFCCs are, of feature vectors (T, 2 P + 52 or more).

    ``phonetic`` is P, the numbers of one phonetic vector.
    """
    first = PHONETIC_PER_FRAME * phonetic
    cepstra = rows[:, first : first + HOPS_PER_FRAME * MFCC_COUNT].reshape(-1, HOPS_PER_FRAME, MFCC_COUNT).mean(axis=1)
    levels: Array = cepstra @ _cosines().T
    return levels


def stack(hidden: Array, cepstra: Array, frames: int) -> Array:
    """Return one vector per motion frame (frames, 2 P + 52): two phonetic vectors, then four MFCC frames.

    ``hidden`` (H, P) at 50 Hz and ``cepstra`` (C, 13) at 100 Hz may be a frame or two too short or too long: their
    last frame is repeated, or the surplus left out.
    """
    phonetic = fit(hidden, frames * PHONETIC_PER_FRAME).reshape(frames, -1)
    energy = fit(cepstra, frames * HOPS_PER_FRAME).reshape(frames, -1)
    return np.concatenate([phonetic, energy], axis=1).astype(np.float32, copy=False)


def fit(rows: Array, count: int) -> Array:
    """Return ``count`` of ``rows`` (N, F): the last row is repeated, or the surplus left out."""
    if len(rows) >= count:
        return rows[:count]
    return np.concatenate([rows, np.repeat(rows[-1:], count - len(rows), axis=0)])


def hop_rms(samples: Array) -> Array:
    """Return the root mean square of each whole 10 ms of ``samples`` at 16 kHz, (N // 160,)."""
    whole = len(samples) // HOP_SAMPLES * HOP_SAMPLES
    rows = samples[:whole].reshape(-1, HOP_SAMPLES).astype(np.float64)
    rms: Array = np.sqrt((rows**2).mean(axis=1)).astype(np.float32)
    return rms


def speech_rms(rms: Array) -> float:
    """Return the loudness of the speech in a track of 10 ms root mean squares (0 if all is silent).

    It is that of the louder half of all steps within 30 dB of the loudest, so that long pauses do not make a voice
    seem quiet.
    """
    if not len(rms):
        return 0.0
    loud = float(np.percentile(rms, 98))
    if loud < SILENCE_RMS:
        loud = float(rms.max())
    if loud < SILENCE_RMS:
        return 0.0
    voiced = rms[rms > loud * 10 ** (-30 / 20)]
    return float(np.sqrt(np.mean(np.square(voiced, dtype=np.float64))))


def loudness_gain(rms: Array) -> float:
    """Return the factor that scales a sound with these 10 ms root mean squares to the loudness the networks expect."""
    level = speech_rms(rms)
    if level <= 0:
        return 1.0
    return float(np.clip(TARGET_RMS / level, *GAIN_LIMITS))
