"""Generates head motion like that of real speakers, from a seed.

Head pose is a sum of octave bands. A network (``assets/head.onnx``, trained by ``training/speaker/train.py``) predicts
mean and spread of each band for every moment of the speech; random motion is drawn from these. The same seed gives the
same motion, another seed another one. No moment depends on the one before, so the head cannot drift in a long sound.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from ..curves import sample
from ..features import FRAME_RATE
from .prosody import STATES

if TYPE_CHECKING:
    from ..models.session import Session

Array = NDArray[np.float32]
Floats = NDArray[np.float64]

#: Rate of the model, per second, and the lower edges of its bands, hertz; the first band has none.
HEAD_RATE: Final = FRAME_RATE / 2
EDGES: Final = (0.0, 0.125, 0.25, 0.5, 1.0, 2.0, 4.0)
BANDS: Final = len(EDGES)
#: Place of each band from -1/2 (slowest) to 1/2 (fastest), by which quickness scales it.
STEPS: Final = np.linspace(-0.5, 0.5, BANDS)
AXES: Final = 6
#: Numbers that describe a moment of rhythm: loudness, its change, speech, and one for each state.
RHYTHM_SIZE: Final = 3 + len(STATES)
#: Samples of noise beyond both ends, so that bands have full strength at the beginning of the sound.
_MARGIN: Final = 256


def rhythm_features(activity: Array, decibels: Array, states: NDArray[np.int8]) -> Array:
    """Return the network's input (T / 2, 7) at 12.5 Hz from activity, loudness in dB and states, each (T,) at 25 Hz."""
    speech = float(np.average(decibels, weights=np.maximum(activity, 1e-6)))
    loudness = np.clip((decibels - speech) / 10, -4, 2)
    change = np.gradient(loudness) if len(loudness) > 1 else np.zeros_like(loudness)
    columns = [loudness, change, activity, *(states == k for k in range(len(STATES)))]
    rows = np.stack(columns, axis=1).astype(np.float32)
    if len(rows) % 2:
        rows = np.concatenate([rows, rows[-1:]])
    halved: Array = rows.reshape(-1, 2, RHYTHM_SIZE).mean(axis=1)
    return halved


def shares(count: int) -> Floats:
    """Return the share (7, ``count`` // 2 + 1) of each frequency in each band; the shares add up to one.

    Neighbouring bands are blended within half an octave around their common edge.
    """
    place = np.log2(np.maximum(np.fft.rfftfreq(count, 1 / HEAD_RATE), 1e-6))
    above = np.stack([np.ones_like(place), *(np.clip((place - np.log2(e)) / 0.5 + 0.5, 0, 1) for e in EDGES[1:])])
    above = np.sin(np.pi / 2 * above) ** 2
    belongs: Floats = above - np.concatenate([above[1:], np.zeros_like(above[:1])])
    return belongs


def bands(track: Floats) -> Floats:
    """Return the octave bands (7, T, C) of ``track`` (T, C) at 12.5 Hz; their sum is ``track``."""
    spectrum = np.fft.rfft(track, axis=0)
    return np.stack([np.fft.irfft(spectrum * share[:, None], len(track), axis=0) for share in shares(len(track))])


def noise_bands(count: int, rng: np.random.Generator) -> Floats:
    """Return independent noise (7, ``count``, 6) at 12.5 Hz, each band with a variance of one."""
    length = count + 2 * _MARGIN
    # roots of the shares, because it is the powers of independent bands that add up
    filters = np.sqrt(shares(length))
    power = (filters[:, 1:] ** 2).sum(axis=1) * 2 / length
    spectrum = np.fft.rfft(rng.standard_normal((BANDS, length, AXES)), axis=1)
    spectrum[:, 0] = 0
    drawn = np.fft.irfft(spectrum * filters[:, :, None], length, axis=1)
    noise: Floats = drawn[:, _MARGIN : _MARGIN + count] / np.sqrt(power)[:, None, None]
    return noise


def sway(rhythm: Array, tilt: tuple[float, float], session: Session, rng: np.random.Generator) -> tuple[Array, Array]:
    """Return the average speaker's head motion (R, 6) at 12.5 Hz, as in ``Performance.head``, and what the style adds.

    Parameters
    ----------
    rhythm : (R, 7) float32
        What :func:`rhythm_features` returns.
    tilt : (float, float)
        The style's logarithms of amplitude and of quickness, 0 for the average speaker.
    session
        The head network.
    rng
        Source of the random motion.
    """
    outputs = session({"rhythm": rhythm[None]})
    mean, spread = (np.asarray(outputs[name][0], np.float64).transpose(1, 0, 2) for name in ("mean", "spread"))
    mixing = np.asarray(outputs["mixing"], np.float64)
    moved = mean + spread * np.einsum("kab,ktb->kta", mixing, noise_bands(len(rhythm), rng))
    more = strengths(*tilt)[:, None, None] - 1
    return moved.sum(axis=0).astype(np.float32), (more * moved).sum(axis=0).astype(np.float32)


def strengths(amplitude: float, quickness: float) -> Floats:
    """Return the factor (7,) on each band for a style's logarithms of amplitude and quickness (0: average speaker)."""
    factors: Floats = np.exp(amplitude + quickness * STEPS)
    return factors


def at(motion: Array, frames: int, fps: float) -> Array:
    """Return ``motion`` (R, 6), sampled at 12.5 Hz, as ``frames`` frames at ``fps``."""
    # the time of a sample is the middle of the two frames it was made from
    times = np.maximum(np.arange(frames) / fps - 0.5 / FRAME_RATE, 0)
    sampled: Array = sample(motion, HEAD_RATE, times).astype(np.float32)
    return sampled
