"""Styles, which are manners of moving: their names, how they follow from a voice, and what they add to a take.

A style is five numbers relative to the average speaker. They come from a sound (its voice print and its rhythm, by a
regression fitted on tracked speakers) or from a name, which stands for the average of a group of speakers.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from .errors import MouthpieceError, UnreadableError
from .files import ASSETS
from .files.json_text import number_in, read_json, row_of, text_in
from .files.shipped_files import damaged, shipped_json
from .motion.shapes import alone, landmark_shapes, weights_of
from .motion.smooth import lowpass
from .topology import ARKIT_INDEX, ARKIT_NAMES, INNER_LIP_BOTTOM, INNER_LIP_TOP

Array = NDArray[np.float32]

#: The numbers of a style, in order.
MANNER: Final = ("amplitude", "quickness", "opening", "smile", "brows")
#: Name that stands for the style of the sound's own speaker.
SPEAKER: Final = "speaker"
#: Names of styles; the first is the default.
NAMES: Final = (SPEAKER, "neutral", "calm", "energetic", "reserved", "cheerful")
#: Greatest difference of each number from the average speaker's.
_LIMITS: Final = {"amplitude": 1.2, "quickness": 1.2, "opening": 0.35, "smile": 0.3, "brows": 0.8}
#: Corner frequency, hertz, of the changes of a smile, and its share that stays in pauses.
_SMILE_HERTZ: Final = 0.4
_SMILE_AT_REST: Final = 0.5

_FILE: Final = ASSETS / "styles.json"
_BROWS: Final = ("browInnerUp", "browOuterUp")


@dataclass(frozen=True, slots=True)
class Style:
    """A manner of moving, relative to the average speaker.

    Attributes
    ----------
    name : str
        Name of the style.
    amplitude, quickness : float
        Natural logarithms of the factor on head motion, and of that between its fastest and slowest part.
    opening : float
        Natural logarithm of the factor on the opening of the lips; closed lips stay closed.
    smile : float
        Number added to both mouthSmile weights.
    brows : float
        Natural logarithm of the factor on raised brows.
    """

    name: str = "neutral"
    amplitude: float = 0.0
    quickness: float = 0.0
    opening: float = 0.0
    smile: float = 0.0
    brows: float = 0.0

    def __post_init__(self) -> None:
        """Check that the numbers are finite, and clip them to their bounds.

        Raises
        ------
        MouthpieceError
            If one is not finite.
        """
        for key in MANNER:
            value = float(getattr(self, key))
            if not np.isfinite(value):
                raise MouthpieceError(f"The style's {key} is not a number. Choose another style.")
            object.__setattr__(self, key, float(np.clip(value, -_LIMITS[key], _LIMITS[key])))


@cache
def _measured() -> dict[str, Any]:
    """Return the results of ``training/speaker/train.py``: named styles, and the regression from voices."""
    known: dict[str, Any] = shipped_json(_FILE)
    try:
        if tuple(known["manner"]) != MANNER or not set(NAMES[2:]) <= set(known["named"]):
            raise ValueError("styles are missing")
    except (ValueError, KeyError, TypeError) as error:
        raise damaged(_FILE, error) from error
    return known


def named(name: str) -> Style | None:
    """Return the style called ``name``; None for ``"speaker"``, the sound's own.

    Raises
    ------
    MouthpieceError
        If there is no such style.
    """
    if name == SPEAKER:
        return None
    if name == "neutral":
        return Style()
    if name not in NAMES:
        raise MouthpieceError(f"There is no style '{name}'. Choose one of {', '.join(NAMES)}.")
    return Style(name, **{key: float(_measured()["named"][name][key]) for key in MANNER})


def read(path: Path) -> Style:
    """Return the style in a file that ``training.content.adapt`` wrote.

    Raises
    ------
    MouthpieceError
        If there is no such file, or it does not hold a style.
    """
    try:
        stored = row_of(read_json(path))
        return Style(text_in(stored, "name"), **{key: number_in(stored, key) for key in MANNER})
    except UnreadableError as error:
        advice = f"Choose a style.json made by training.content.adapt, or one of {', '.join(NAMES)}."
        raise MouthpieceError(error.told(f"'{path}'", "is not a style", advice)) from error


def heard(voice: Array | None, rhythm: Array) -> Style:
    """Return the style of a speaker with that voice print (256,) and rhythm (R, 7) of speech.

    Without a voice print (too little speech) only the rhythm is used.
    """
    model = _measured()["regression"]
    axes = np.array(model["voice_axes"])
    voiced = np.zeros(len(axes)) if voice is None else axes @ (voice - np.array(model["voice_mean"]))
    spoken = (delivery(rhythm) - model["delivery_mean"]) / model["delivery_spread"]
    manner = np.concatenate([voiced, np.clip(spoken, -3, 3)]) @ np.array(model["weights"])
    return Style(SPEAKER, **dict(zip(MANNER, manner.tolist(), strict=True)))


def delivery(rhythm: Array) -> NDArray[np.float64]:
    """Return five measures (5,) of how a line is delivered, from its rhythm (R, 7) at 12.5 Hz.

    They are the spread of loudness in speech (tens of dB), its mean change, and the shares of pauses, of accents and of
    phrase ends.
    """
    loudness, change, activity = rhythm[:, 0], rhythm[:, 1], rhythm[:, 2]
    speech = activity > 0.5
    spread = float(loudness[speech].std()) if speech.sum() > 1 else 0.0
    pace = float(np.abs(change[speech]).mean()) if speech.any() else 0.0
    pause, _, end, accent = rhythm[:, 3:].mean(axis=0)
    return np.array([spread, pace, pause, accent, end], dtype=np.float64)


def layer(style: Style, landmarks: Array, arkit: Array, activity: Array, fps: float) -> tuple[Array, Array, Array]:
    """Return the style layer of a take: coefficients (T, 3) and what one unit of each adds to points and weights.

    Parameters
    ----------
    style
        The style.
    landmarks : (T, 68, 3) float32
        As in ``Performance``, before the layer.
    arkit : (T, 52) float32
        The weights, before the layer.
    activity : (T,) float32
        Probability of speech.
    fps : float
        Frames per second of all three.
    """
    jaw, shapes = ARKIT_INDEX["jawOpen"], landmark_shapes()
    per_unit = float(shapes[jaw, INNER_LIP_BOTTOM, 1] - shapes[jaw, INNER_LIP_TOP, 1])
    gap = np.maximum(landmarks[:, INNER_LIP_BOTTOM, 1] - landmarks[:, INNER_LIP_TOP, 1], 0)
    speaking = lowpass(np.clip(activity, 0, 1), _SMILE_HERTZ, fps)
    coefficients = np.stack(
        [
            (np.exp(style.opening) - 1) * gap / per_unit,
            style.smile * (_SMILE_AT_REST + (1 - _SMILE_AT_REST) * speaking),
            (np.exp(style.brows) - 1) * arkit[:, ARKIT_INDEX["browInnerUp"]],
        ],
        axis=1,
    ).astype(np.float32)
    smile, brows = (weights_of(dict.fromkeys(names, 1.0)) for names in (("mouthSmile",), _BROWS))
    points = [shapes[jaw], _displaced(smile), _displaced(brows)]
    weights = [np.eye(len(ARKIT_NAMES), dtype=np.float32)[jaw], smile, brows]
    return coefficients, np.stack(points).astype(np.float32), np.stack(weights).astype(np.float32)


def _displaced(weights: Array) -> Array:
    """Return the displacement (68, 3) of the landmarks by ``weights`` (52,) of 0 or 1, without parting the lips."""
    total: Array = sum((alone(int(k)) for k in np.flatnonzero(weights)), np.zeros((68, 3), np.float32))
    return total
