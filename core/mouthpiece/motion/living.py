"""A living face around the mouth: head sway, blinks and gaze, drawn from a seeded generator.

These are procedural, not learned: plausible, tied to speech and pauses, the same for the same seed, and
marked ``"procedural"`` in a take's options.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from .smooth import lowpass

Array = NDArray[np.float32]

#: Standard deviation of head motion while speaking: pitch, yaw, roll (rad), x, y, z (eye distances).
SWAY: Final = (0.035, 0.045, 0.02, 0.03, 0.02, 0.02)
#: Share of it that remains while silent.
_IDLE: Final = 0.45
#: Corner frequency of the sway, hertz, and of the nods that follow loudness.
_SWAY_HERTZ: Final = 0.45
_NOD_HERTZ: Final = 1.6
_NOD_RADIANS: Final = 0.02
#: Breaths per second, and what one does to pitch (rad) and height (eye distances).
_BREATH_HERTZ: Final = 0.25
_BREATH: Final = (0.006, 0.012)

#: Seconds between blinks: mean and least. Closing, held shut, opening.
_BLINK_MEAN: Final = 3.6
_BLINK_LEAST: Final = 0.7
_BLINK_PHASES: Final = (0.08, 0.05, 0.16)

#: Seconds a look is held (mean, least), and its spread in radians (horizontal, vertical).
_LOOK_MEAN: Final = 1.4
_LOOK_LEAST: Final = 0.3
_LOOK_SPREAD: Final = (0.07, 0.035)
_SACCADE_SECONDS: Final = 0.06


def head_sway(activity: Array, fps: float, rng: np.random.Generator) -> Array:
    """Return head motion (T, 6) as in ``Performance.head`` for speech ``activity`` (T,) at ``fps``."""
    count = len(activity)
    pad = int(8 * fps)
    noise = lowpass(rng.standard_normal((count + 2 * pad, 6)), _SWAY_HERTZ, fps)
    deviation = noise.std(axis=0)
    sway = (noise / np.where(deviation > 0, deviation, 1))[pad : pad + count] * np.array(SWAY)
    energy = lowpass(activity.astype(np.float64), 0.7, fps)
    sway *= (_IDLE + (1 - _IDLE) * np.clip(energy, 0, 1))[:, None]
    accents = lowpass(activity, _NOD_HERTZ, fps) - energy
    sway[:, 0] += _NOD_RADIANS * 2 * accents * rng.uniform(0.7, 1.3)
    breath = np.sin(2 * np.pi * (_BREATH_HERTZ * np.arange(count) / fps + rng.uniform()))
    sway[:, 0] += _BREATH[0] * breath
    sway[:, 4] += _BREATH[1] * breath
    motion: Array = sway.astype(np.float32)
    return motion


def blinks(activity: Array, fps: float, rng: np.random.Generator) -> Array:
    """Return lid closure (T, 2), left and right eye, for speech ``activity`` (T,) at ``fps``.

    Blinks come irregularly, about 17 a minute, and wait for the end of a phrase when one is near.
    """
    count = len(activity)
    times = np.arange(count) / fps
    close, shut, reopen = _BLINK_PHASES
    track = np.zeros(count)
    moment = rng.uniform(0.5, _BLINK_MEAN)
    while moment < count / fps:
        moment = _nearest_pause(activity, fps, moment)
        phase = times - moment
        lid = np.clip(np.minimum(phase / close, 1 - (phase - close - shut) / reopen), 0, 1)
        track = np.maximum(track, lid * lid * (3 - 2 * lid) * rng.uniform(0.92, 1.0))
        moment += close + shut + reopen + _BLINK_LEAST + rng.gamma(2.0, (_BLINK_MEAN - _BLINK_LEAST) / 2)
    return np.repeat(track[:, None], 2, axis=1).astype(np.float32)


def _nearest_pause(activity: Array, fps: float, moment: float, within: float = 0.6) -> float:
    """Return the next moment within ``within`` seconds at which speech stops, or ``moment`` if there is none."""
    first = int(moment * fps)
    ahead = activity[first : first + int(within * fps) + 1] < 0.5
    ends = np.flatnonzero(ahead[1:] & ~ahead[:-1])
    return (first + int(ends[0]) + 1) / fps if len(ends) else moment


def gaze(activity: Array, fps: float, rng: np.random.Generator) -> Array:
    """Return eye direction (T, 2) as in ``Performance.gaze``: held looks near the camera, joined by saccades."""
    count = len(activity)
    moments, looks = [0.0], [np.zeros(2)]
    while moments[-1] < count / fps:
        moments.append(moments[-1] + _LOOK_LEAST + rng.gamma(1.5, (_LOOK_MEAN - _LOOK_LEAST) / 1.5))
        away = rng.uniform() < 0.6
        looks.append(rng.normal(0, _LOOK_SPREAD) if away else rng.normal(0, 0.008, 2))
    held, times = np.stack(looks), np.arange(count) / fps
    index = np.searchsorted(moments, times, side="right") - 1
    share = np.clip((times - np.array(moments)[index]) / _SACCADE_SECONDS, 0, 1)[:, None]
    before = held[np.maximum(index - 1, 0)]
    looks_over_time: Array = (before + (held[index] - before) * share).astype(np.float32)
    return looks_over_time
