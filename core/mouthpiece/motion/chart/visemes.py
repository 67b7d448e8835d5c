"""Measures how much of each of fifteen named mouths (visemes) a face shows over time.

Every viseme is a recorded mouth, an average over many speakers (``training/tables/viseme_shapes.py``). A face is fitted
by a mixture of visemes: the one whose mouth is nearest to the face's, with preference for visemes that usually go with
such a movement, and for mixtures that change little over time. Sounds the lips hardly show (d, k, n, s …) share the
rest. Lips that meet while someone speaks are always ``PP``.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...curves import sample
from ...files import ASSETS
from ...files.shipped_files import damaged, shipped_arrays
from ...performance import Performance
from ...phones.inventory import PHONE_INDEX, PHONES
from ...phones.tracks import phone_track
from ..closures import contact
from ..measures import MEASURES, mouth_measures

Array = NDArray[np.float32]

#: The visemes of Oculus' lip sync, in its order.
VISEMES: Final = ("sil", "PP", "FF", "TH", "DD", "kk", "CH", "SS", "nn", "RR", "aa", "E", "ih", "oh", "ou")
#: The phones said with each viseme; those of two count half for each.
_PHONES: Final[Mapping[str, tuple[str, ...]]] = {
    "sil": ("",),
    "PP": ("p", "b", "m"),
    "FF": ("f", "v"),
    "TH": ("θ", "ð"),
    "DD": ("t", "d", "ɾ"),
    "kk": ("k", "ɡ", "ŋ", "x", "ʁ", "h", "ʔ"),
    "CH": ("ʃ", "ʒ", "t͡ʃ", "d͡ʒ"),
    "SS": ("s", "z", "t͡s"),
    "nn": ("n", "l", "ɲ"),
    "RR": ("ɹ", "r", "ɝ"),
    "aa": ("a", "ɑ", "æ", "ʌ", "aɪ", "aʊ"),
    "E": ("e", "ɛ", "ə", "eɪ", "ø"),
    "ih": ("i", "ɪ", "j", "aɪ", "ɯ", "eɪ"),
    "oh": ("o", "ɔ", "oʊ", "ɔɪ"),
    "ou": ("u", "ʊ", "w", "y", "aʊ", "oʊ"),
}
#: How far phones are trusted over the lips in telling visemes, 0 to 1, and seconds over which they are blurred.
_TRUST: Final = 0.85
_BLUR: Final = 0.03
#: Moments, in seconds around a frame, whose mouths are used to judge the frame's viseme.
CONTEXT: Final = (-0.08, -0.04, 0.0, 0.04, 0.08)

_FILE: Final = ASSETS / "visemes.npz"
_SIL, _PP, _FF = 0, 1, 2
#: Weights of a viseme's chance and of change over time, relative to the distance of the mouths.
_USUAL: Final = 0.5
_STILL: Final = 0.06
#: Least logarithm of a viseme's chance; smaller ones are raised to it.
_UNLIKELY: Final = -6.0
_ROUNDS: Final = 40
#: Frames of a take that are done at once, besides margins.
_BLOCK: Final = 8_192
#: How sharply FF and PP are separated where lips meet, and by how much PP is favoured where they are quite shut.
_SURE: Final = 4.0
_FAVOUR: Final = 0.25
#: By how much FF, the rarest of the clearly visible mouths, must be likelier than others: a false f is obvious.
_RARE: Final = 0.5
#: Weight of the chances where the lips are apart and only PP was fitted.
_LEAST: Final = 1e-3
#: Probability of speech that counts as speaking, and seconds before and after in which lips still belong to it.
_SPEAKS: Final = 0.4
_BEFORE: Final = 0.16
_AFTER: Final = 0.06
#: Longest silence, in seconds, inside a word (the hold of a stop), and the longest closure of lips in speech.
_HOLD: Final = 0.24
_LONGEST: Final = 0.36


class Reading(NamedTuple):
    """Measured data: the mouth of each viseme, and a linear model of which movement goes with which viseme.

    Attributes
    ----------
    prototypes : (15, M) float32
        Mouth of each viseme, as measured by ``mouth_measures``.
    spread : (M,) float32
        Standard deviation of each measure in speech.
    linear : (len(CONTEXT) * M, 15) float32
        Weight of each measure at each moment of ``CONTEXT`` in the logarithm of each viseme's chance.
    constant : (15,) float32
        Constant term of that logarithm.
    """

    prototypes: Array
    spread: Array
    linear: Array
    constant: Array


@cache
def reading() -> Reading:
    """Return the data that ``training/tables/viseme_shapes.py`` measured; read-only.

    Raises
    ------
    ModelError
        If the file is missing or damaged.
    """
    count, width = len(VISEMES), len(MEASURES)
    shapes = ((count, width), (width,), (len(CONTEXT) * width, count), (count,))
    stored = shipped_arrays(_FILE)
    try:
        found = Reading(*(stored[name].astype(np.float32) for name in Reading._fields))
        if any(a.shape != s or not np.isfinite(a).all() for a, s in zip(found, shapes, strict=True)):
            raise ValueError("unexpected sizes")
    except (ValueError, KeyError) as error:
        raise damaged(_FILE, error) from error
    for array in found:
        array.setflags(write=False)
    return found


def viseme_weights(performance: Performance) -> Array:
    """Return how much of each of ``VISEMES`` the mouth shows, (T, 15); every row sums to 1.

    Style and dials of ``performance`` are not applied: pass ``.final()``.

    Raises
    ------
    ModelError
        If the file of recorded mouths is damaged.
    """
    if not len(performance):
        return np.zeros((0, len(VISEMES)), np.float32)
    measures = mouth_measures(performance.landmarks - performance.neutral, performance.neutral, performance.arkit)
    touch = contact(performance.landmarks)
    speaks = speaking(performance.activity, performance.fps) & ~_long(touch > 0.5, _LONGEST * performance.fps)
    chances = log_chances(measures, performance.fps)
    if performance.speech:
        chances = _heard(chances, performance)
    chances[:, _SIL] = np.where(speaks, np.minimum(chances[:, _SIL], -2.0), 0.0)
    weights = _mixture(measures, chances, performance.fps)
    return _closed(weights, chances, touch, speaks)


def log_chances(measures: Array, fps: float) -> Array:
    """Return the logarithm of the chance (T, 15) that the movement in ``measures`` (T, M) is that of each viseme."""
    found = reading()
    times = np.arange(len(measures)) / fps
    around = np.concatenate([sample(measures, fps, times + moment) for moment in CONTEXT], axis=1)
    scores = around.astype(np.float32) @ found.linear + found.constant
    scores[:, _FF] -= _RARE
    scores -= scores.max(axis=1, keepdims=True)
    scores -= np.log(np.exp(scores).sum(axis=1, keepdims=True))
    chances: Array = np.maximum(scores, _UNLIKELY).astype(np.float32)
    return chances


def _heard(chances: Array, performance: Performance) -> Array:
    """Return the logarithms of ``chances`` (T, 15) where phones are heard as well: mostly those of the phones.

    Lips show hardly or not at all what the tongue does for t, k, n, l, r, s and θ; the phones say it.
    """
    times = np.arange(len(chances)) / performance.fps
    width = _BLUR / 2
    said = sum(phone_track(performance.speech, times + moment) for moment in (-width, 0.0, width)) / 3
    told = said @ _of_phones()
    mixed = (1 - _TRUST) * np.exp(chances) + _TRUST * told / np.maximum(told.sum(axis=1, keepdims=True), 1e-6)
    logs: Array = np.maximum(np.log(np.maximum(mixed, 1e-9)), _UNLIKELY).astype(np.float32)
    return logs


@cache
def _of_phones() -> NDArray[np.float64]:
    """Return how much each phone (P) is said with each viseme: (P, 15)."""
    table = np.zeros((len(PHONES), len(VISEMES)))
    for viseme, phones in _PHONES.items():
        for phone in phones:
            table[PHONE_INDEX[phone], VISEMES.index(viseme)] = 1
    shares: NDArray[np.float64] = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    return shares


def speaking(activity: Array, fps: float) -> NDArray[np.bool_]:
    """Return on which frames (T,) lips belong to speech: from just before to just after it, holds of stops included."""
    speaks = activity >= _SPEAKS
    result = speaks.copy()
    for start, stop in _runs(~speaks):
        inside = start > 0 and stop < len(speaks)
        if inside and stop - start <= round(_HOLD * fps):
            result[start:stop] = True
            continue
        if start > 0:
            result[start : min(stop, start + round(_AFTER * fps))] = True
        if stop < len(speaks):
            result[max(start, stop - round(_BEFORE * fps)) : stop] = True
    return result


def _long(mask: NDArray[np.bool_], frames: float) -> NDArray[np.bool_]:
    """Return ``mask`` (T,) without its runs of up to ``frames``."""
    result = np.zeros_like(mask)
    for start, stop in _runs(mask):
        result[start:stop] = stop - start > frames
    return result


def _runs(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.r_[False, mask, False].astype(np.int8)))
    return [(int(start), int(stop)) for start, stop in zip(edges[::2], edges[1::2], strict=True)]


def _mixture(measures: Array, chances: Array, fps: float) -> Array:
    """Return the weights (T, 15) of visemes that fit the mouths best; the rows are on the simplex.

    FISTA minimises the weighted sum of the distance of the mouths, the visemes' unlikelihood and change over time.
    """
    found = reading()
    scaled = found.prototypes / found.spread
    gram = scaled @ scaled.T / len(MEASURES)
    linear = (measures / found.spread) @ scaled.T / len(MEASURES) + _USUAL * chances
    still = _STILL * fps / 25.0
    begun: Array = np.exp(chances) / np.exp(chances).sum(axis=1, keepdims=True)
    # In each round a frame hears of its neighbours, so that what lies more frames away than there are rounds never
    # matters: long takes are done in blocks with such margins, which stay in the processor's cache.
    blocks = []
    for start in range(0, len(linear), _BLOCK):
        low, high = max(start - _ROUNDS, 0), min(start + _BLOCK + _ROUNDS, len(linear))
        weights = _descended(begun[low:high], linear[low:high], gram, still)
        blocks.append(weights[start - low : start - low + _BLOCK])
    return blocks[0] if len(blocks) == 1 else np.concatenate(blocks)


def _descended(weights: Array, linear: Array, gram: NDArray[np.floating[Any]], still: float) -> Array:
    """Return ``weights`` (T, 15) after all rounds of FISTA."""
    step = np.float32(1.0 / (float(np.linalg.eigvalsh(gram)[-1]) + 4 * still))
    ahead, pace = weights, 1.0
    for _ in range(_ROUNDS):
        slope = ahead @ gram - linear
        change = np.diff(ahead, axis=0)
        slope[1:] += still * change
        slope[:-1] -= still * change
        following = on_simplex((ahead - step * slope).astype(np.float32))
        faster = (1 + (1 + 4 * pace * pace) ** 0.5) / 2
        ahead = following + np.float32((pace - 1) / faster) * (following - weights)
        weights, pace = following, faster
    return weights


def on_simplex(rows: Array) -> Array:
    """Return the nearest rows (T, K) that are not negative and sum to 1 (Held, Wolfe & Crowder 1974)."""
    falling = -np.sort(-rows, axis=1)
    excess = (np.cumsum(falling, axis=1) - 1) / np.arange(1, rows.shape[1] + 1, dtype=np.float32)
    last = np.maximum((falling > excess).sum(axis=1) - 1, 0)
    positive = np.maximum(rows - np.take_along_axis(excess, last[:, None], axis=1), 0)
    result: Array = (positive / positive.sum(axis=1, keepdims=True)).astype(np.float32)
    return result


def _closed(weights: Array, chances: Array, touch: Array, speaks: NDArray[np.bool_]) -> Array:
    """Return ``weights`` with lips that meet set to rest in silence, else to ``PP``, or ``FF`` where a slit is left."""
    odds = _SURE * (chances[:, _FF] - chances[:, _PP] - _FAVOUR * touch)
    slit = 1 / (1 + np.exp(-odds))
    met = np.zeros_like(weights)
    met[:, _SIL] = ~speaks
    met[:, _PP] = speaks * (1 - slit)
    met[:, _FF] = speaks * slit
    # PP needs lips that meet: elsewhere its weight goes to the other visemes the mouth resembles.
    parted = weights + _LEAST * np.exp(chances)
    parted[:, _PP] *= touch
    parted /= parted.sum(axis=1, keepdims=True)
    mixed = (1 - touch[:, None]) * parted + touch[:, None] * met
    result: Array = (mixed / mixed.sum(axis=1, keepdims=True)).astype(np.float32)
    return result
