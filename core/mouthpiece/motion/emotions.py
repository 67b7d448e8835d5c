"""Adds emotions to speech without changing how far the lips open.

The shapes of each emotion follow the Facial Action Coding System (Ekman & Friesen 1978; the AU numbers below) and its
prototypes of the basic emotions; their weights were set by eye on the demo head.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from ..topology import ARKIT_INDEX
from . import mouth
from .shapes import alone, weights_of
from .smooth import lowpass

if TYPE_CHECKING:
    from .dials import Motion

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Emotion:
    """Weights of ARKit shapes at full intensity.

    Attributes
    ----------
    upper : mapping of str to float
        Shapes of brows, eyes, cheeks and nose, which speech does not move.
    mouth : mapping of str to float
        Shapes of the corners of the mouth and the chin, which are reduced where speech rounds the lips.
    droop : float
        Share of a blink by which the lids are lowered.
    jaw : float
        By which share the jaw opens further where it opens.
    """

    upper: Mapping[str, float] = field(default_factory=dict)
    mouth: Mapping[str, float] = field(default_factory=dict)
    droop: float = 0.0
    jaw: float = 0.0


_EMOTIONS: Final[Mapping[str, Emotion]] = {
    "neutral": Emotion(),
    "happy": Emotion(
        upper={"cheekSquint": 0.8, "eyeSquint": 0.4, "browOuterUp": 0.15},  # AU 6, 7, a little 2
        mouth={"mouthSmile": 0.85, "mouthDimple": 0.2},  # AU 12, 14
    ),
    "sad": Emotion(
        upper={"browInnerUp": 1.0},  # AU 1
        mouth={"mouthFrown": 0.9, "mouthShrugLower": 0.25},  # AU 15, 17
        droop=0.2,  # AU 43
    ),
    "angry": Emotion(
        upper={"browDown": 1.0, "eyeSquint": 0.5, "eyeWide": 0.3, "noseSneer": 0.55},  # AU 4, 7, 5, 9
        mouth={"mouthPress": 0.35, "mouthFrown": 0.35, "jawForward": 0.2},  # AU 23 and 24, 15, 29
    ),
    "surprised": Emotion(
        upper={"browInnerUp": 1.0, "browOuterUp": 1.0, "eyeWide": 0.9},  # AU 1, 2, 5
        jaw=0.35,  # AU 26
    ),
}
NAMES: Final = tuple(_EMOTIONS)

#: The strength of an emotion drifts: corner frequency of the drift in hertz, and its spread as a share of the strength.
_DRIFT_HERTZ: Final = 0.35
_DRIFT: Final = 0.12
#: By which share the upper face's part rises on an accent, and the mouth's part falls while someone speaks.
_ACCENT: Final = 0.35
_ACCENT_HERTZ: Final = (1.6, 0.4)
_GIVEN_WAY: Final = 0.2
#: Share by which fully rounded lips reduce the mouth's part.
_ROUNDED: Final = 0.5
_EYES: Final = tuple(index for name, index in ARKIT_INDEX.items() if name.startswith("eye"))


def add(motion: Motion, name: str, strength: float, rng: np.random.Generator) -> None:
    """Add the emotion ``name`` at ``strength`` (0..2) to ``motion``, in place; the gap of the lips does not change.

    The strength drifts randomly (by ``rng``), rises on accents and falls at the mouth in speech, so that the face is
    never frozen in the emotion.
    """
    emotion = _EMOTIONS[name]
    if not strength or name == "neutral":
        return
    upper, lower = _courses(motion, strength, rng)
    for course, named in ((upper, emotion.upper), (lower, emotion.mouth)):
        for column, weight in enumerate(weights_of(named)):
            if weight:
                # An emotion opens or narrows the eye only as far as the lids are not shut by a blink.
                lids = 1 - motion.blink.mean(axis=1) if column in _EYES else 1
                _raise(motion, column, weight * course * lids)
    motion.blink += (1 - motion.blink) * emotion.droop * np.minimum(upper, 1)[:, None]
    if emotion.jaw:
        mouth.scale(motion.offsets, motion.arkit, 1.0, 1 + emotion.jaw * upper)


def _raise(motion: Motion, column: int, amount: Array) -> None:
    """Raise the weight of the shape ``column`` by ``amount`` (T,), up to 1, and move the landmarks with it."""
    before = motion.arkit[:, column].copy()
    motion.arkit[:, column] = np.clip(before + amount, 0, 1)
    gained = motion.arkit[:, column] - before
    points = alone(column)
    for point in np.flatnonzero(np.abs(points).max(axis=1) > 0):
        motion.offsets[:, point] += gained[:, None] * points[point]


def _courses(motion: Motion, strength: float, rng: np.random.Generator) -> tuple[Array, Array]:
    """Return the strength over time of the upper face's part and of the mouth's, each (T,)."""
    pad = int(4 * motion.fps)
    noise = lowpass(rng.standard_normal(len(motion.activity) + 2 * pad), _DRIFT_HERTZ, motion.fps)
    drift = 1 + _DRIFT * np.clip(noise / max(float(noise.std()), 1e-9), -2, 2)[pad:-pad]
    fast, slow = (lowpass(motion.activity, hertz, motion.fps) for hertz in _ACCENT_HERTZ)
    rounded = np.clip(motion.arkit[:, [ARKIT_INDEX["mouthPucker"], ARKIT_INDEX["mouthFunnel"]]].max(axis=1), 0, 1)
    upper = strength * drift * (1 + _ACCENT * (fast - slow))
    lower = strength * drift * (1 - _GIVEN_WAY * np.clip(fast, 0, 1)) * (1 - _ROUNDED * rounded)
    return np.maximum(upper, 0).astype(np.float32), np.maximum(lower, 0).astype(np.float32)
