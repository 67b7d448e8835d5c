"""What a face does while it says nothing: blinks, looks, small motion of the head, breath.

All of it is a function of the second of the timeline and a seed. So a line that is added, moved or removed changes
nothing of what the face does elsewhere.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..features import FRAME_RATE
from ..performance import Performance
from . import eyes, living
from .prosody import PAUSE

Array = NDArray[np.float32]
Floats = NDArray[np.float64]

#: Seconds of the timeline for which blinks and looks are drawn at once.
_BLOCK: Final = 60.0
#: The head's motion: for each band its seconds from one random pose to the next, and the spread (standard deviation) of
#: pitch, yaw and roll in degrees, x, y and z in hundredths of an eye distance. About four tenths of what the head
#: network (assets/head.onnx) predicts for silence, which it knows from pauses in speech; a listener is calmer.
_BANDS: Final = (
    (5.0, (0.9, 1.25, 0.75, 3.5, 2.2, 0.5)),
    (2.5, (0.65, 0.95, 0.5, 2.0, 1.3, 0.4)),
    (1.25, (0.4, 0.5, 0.3, 1.0, 0.8, 0.3)),
)
#: Random poses of a band that are drawn at once.
_DRAWN: Final = 64
#: A breath: its seconds, the spread of its phase in seconds, and how far it tilts (radians) and lifts the head.
_BREATH: Final = (4.2, 0.5, math.radians(0.25), 0.006)
#: Share of the measured looks: they are a speaker's, and whoever listens looks away less far.
_LOOKS: Final = 0.8
#: Streams of random numbers, one for each thing drawn.
_HEAD, _BREATHS, _BLINKS, _GAZE, _LAST = range(5)
#: How often people blink when they have finished, the seconds after which they do, and those in which no other blink is
#: drawn. By eye: the tracked speakers blink twice as often at the end of a phrase as in a pause.
_BLINKS_LAST: Final = 0.85
_AFTER_SPEECH: Final = (0.4, 0.9)
_SPACE: Final = 1.3


def alive(
    first: float, count: int, manner: Performance, amount: float, seed: int, sways: bool = True, spoke: bool = False
) -> Performance:
    """Return a silent face, as a take to which dials can be applied.

    Parameters
    ----------
    first : float
        Second of the timeline of the first frame.
    count : int
        Number of frames, at the rate of ``manner``.
    manner : Performance
        A take of the same character, as inferred. Resting face, options, networks and manner are taken from it: the
        manner at rest is the least its style layer does at any moment, and as much more or less motion of the head as
        in the take.
    amount : float
        How lively it is: 0 is motionless, 1 as measured. Less makes blinks rarer, not shallower.
    seed : int
        Seed of all random motion.
    sways : bool
        Whether the head moves. Faces that are drawn anew for each pose keep it still.
    spoke : bool
        Whether a line ended just before: people blink when they have finished.
    """
    fps = manner.fps
    times = first + np.arange(count) / fps
    moved = (np.float64(amount) * (_sway(times, seed) + _breath(times, seed)) * sways).astype(np.float32)
    look = (amount * _looks(first, count, fps, seed) + eyes.steadying(moved)).astype(np.float32)
    lids = _lids(first, count, fps, amount, seed, spoke)
    landmarks = np.repeat(manner.neutral[None], count, axis=0)
    arkit = np.zeros((count, manner.arkit.shape[1]), np.float32)
    eyes.close_lids(landmarks, lids)
    eyes.write_eyes(arkit, lids, look)
    return Performance(
        landmarks=landmarks,
        neutral=manner.neutral,
        arkit=arkit,
        head=moved,
        gaze=look,
        blink=lids,
        activity=np.zeros(count, np.float32),
        style=np.repeat(_least_style(manner)[None], count, axis=0),
        style_landmarks=manner.style_landmarks,
        style_arkit=manner.style_arkit,
        style_head=moved * np.float32(_liveliness(manner) - 1),
        fps=fps,
        audio_sha256=manner.audio_sha256,
        models=manner.models,
        options=manner.options,
    )


def _least_style(manner: Performance) -> Array:
    """Return the coefficients (K,) of a take's style layer at rest: of each the one nearest to zero."""
    if not len(manner.style):
        return np.zeros(manner.style.shape[1], np.float32)
    nearest = np.abs(manner.style).argmin(axis=0)
    least: Array = manner.style[nearest, np.arange(len(nearest))]
    return least


def _liveliness(manner: Performance) -> float:
    """Return how much more the head moves in a take with its style than without: a factor from 0.3 to 1.5."""
    plain = float(manner.head[:, :3].std()) if len(manner) else 0.0
    if plain < 1e-6:
        return 1.0
    return float(np.clip((manner.head + manner.style_head)[:, :3].std() / plain, 0.3, 1.5))


def _sway(times: Floats, seed: int) -> Floats:
    """Return the head's motion (T, 6), as in ``Performance.head``, at ``times`` (T,)."""
    unit = np.array([math.radians(1)] * 3 + [0.01] * 3)
    total = np.zeros((len(times), 6))
    for band, (spacing, spread) in enumerate(_BANDS):
        total += _noise(times / spacing, 6, (seed, _HEAD, band)) * np.array(spread) * unit
    return total


def _breath(times: Floats, seed: int) -> Floats:
    """Return what breath does to the head (T, 6) at ``times`` (T,)."""
    lasts, spread, tilt, lift = _BREATH
    phase = (times + spread * _noise(times / lasts, 1, (seed, _BREATHS))[:, 0]) * (2 * math.pi / lasts)
    total = np.zeros((len(times), 6))
    total[:, 0], total[:, 4] = -tilt * np.sin(phase), -lift * np.sin(phase)
    return total


def _noise(places: Floats, width: int, stream: tuple[int, ...]) -> Floats:
    """Return smooth noise (T, width) of variance one at ``places`` (T,); it is random at whole numbers."""
    if not len(places):
        return np.zeros((0, width))
    index = np.floor(places).astype(np.int64)
    low, high = int(index.min()) - 1, int(index.max()) + 3
    blocks = range(low // _DRAWN, high // _DRAWN + 1)
    drawn = np.concatenate([_rng(*stream, block).standard_normal((_DRAWN, width)) for block in blocks])
    rows = index - blocks[0] * _DRAWN
    u = (places - index)[:, None]
    # A cubic B-spline: its curvature is continuous. Its variance is 0.479 on the average.
    weights = ((1 - u) ** 3, 3 * u**3 - 6 * u**2 + 4, -3 * u**3 + 3 * u**2 + 3 * u + 1, u**3)
    smooth: Floats = sum(w * drawn[rows + k - 1] for k, w in enumerate(weights)) / 6
    return smooth / math.sqrt(0.479)


def _looks(first: float, count: int, fps: float, seed: int) -> Floats:
    """Return the gaze (T, 2) of a still head: looks that are held, and saccades between them."""
    found = np.zeros((count, 2))
    for block, begin in _blocks(first, count / fps):
        frames = math.ceil(_BLOCK * fps) + 1
        drawn = living.gaze(_pause(), np.zeros((frames, 6), np.float32), fps, _rng(seed, _GAZE, block))
        frame = np.arange(count)
        places = np.rint((first + frame / fps - begin) * fps).astype(np.int64)
        here = (places >= 0) & (first + frame / fps < begin + _BLOCK)
        found[here] = _LOOKS * drawn[np.minimum(places[here], frames - 1)]
    return found


def _lids(first: float, count: int, fps: float, amount: float, seed: int, spoke: bool) -> Array:
    """Return the closure of the lids (T, 2). Blinks that would be cut off at either end are left out."""
    lids = np.zeros(count)
    if spoke:
        rng = _rng(seed, _LAST, round(first * fps))
        moment, phases = rng.uniform(*_AFTER_SPEECH), (0.09, 0.04, 0.16)
        last = living.Blink(float(moment), phases, float(rng.uniform(0.85, 1.0)))
        if rng.uniform() < _BLINKS_LAST * amount and last.last < (count - 1) / fps:
            last.add_to(lids, fps)
    for block, begin in _blocks(first - 1, count / fps + 2):
        rng = _rng(seed, _BLINKS, block)
        for blink in living.drawn_blinks(_pause(), rng):
            kept = rng.uniform() < amount
            moved = living.Blink(blink.moment + begin - first, blink.phases, blink.top)
            clear = moved.first > (_SPACE if spoke else 0.0) and moved.last < (count - 1) / fps
            if kept and clear:
                moved.add_to(lids, fps)
    return np.repeat(lids[:, None], 2, axis=1).astype(np.float32)


def _blocks(first: float, seconds: float) -> list[tuple[int, float]]:
    """Return number and first second of each block of the timeline that has any of these seconds."""
    low, high = math.floor(first / _BLOCK), math.floor((first + seconds) / _BLOCK)
    return [(block, block * _BLOCK) for block in range(low, high + 1)]


def _pause() -> NDArray[np.int8]:
    """Return the states of speech of a block in which nobody speaks."""
    return np.full(round(_BLOCK * FRAME_RATE), PAUSE, np.int8)


def _rng(*stream: int) -> np.random.Generator:
    """Return the generator of a stream of random numbers; numbers of a stream may be below zero."""
    return np.random.default_rng([number & 0xFFFFFFFF for number in stream])
