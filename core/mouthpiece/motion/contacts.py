"""Lips and jaw do what the phones ask for: they meet, the lower lip goes to the teeth, the jaw narrows, lips round.

A regression moves lips as they move on average, so an f of it is half a p. The phones are known better than that; what
they ask for is added last, after smoothing, amounts, style and emotion, and so holds whatever those do:

* each class of phones adds a fitted displacement (what recorded lips do there beyond the regression), and keeps gap,
  width, chin and the lower lip's red within what recorded lips show there;
* it comes before its sound and goes after it (``ahead``, ``behind``: mouths anticipate by about two frames of 25 a
  second), on smooth slopes, as strongly as the phone is heard;
* where classes meet, the one that tolerates less wins (``resistance``; the order follows Recasens, Pallares &
  Fontdevila 1997): bilabials over labiodentals over sibilants over rounding. Phones of the tongue alone (t d n l k g)
  belong to no class: lips and jaw are their neighbours'.

``training/tables/contact_shapes.py`` measures all figures; they are kept in ``contacts.npz``.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..curves import sample
from ..files import ASSETS
from ..files.shipped_files import damaged, shipped_arrays
from ..phones.inventory import PHONES, SILENCE
from ..phones.speech import POSTERIOR_RATE, Speech
from ..topology import (
    ARKIT_INDEX,
    ARKIT_NAMES,
    INNER_LIP_BOTTOM,
    INNER_LIP_TOP,
    JAW,
    LANDMARK_COUNT,
    LIPS,
    MOUTH_LEFT_CORNER,
    MOUTH_RIGHT_CORNER,
)
from . import closures
from .shapes import landmark_shapes

Array = NDArray[np.float32]

_FILE: Final = ASSETS / "contacts.npz"

#: Classes of phones that ask something of lips or jaw, from the least resistant to the most.
GESTURES: Final[dict[str, tuple[str, ...]]] = {
    "rounded": ("w", "u", "ʊ", "y", "ø", "o"),
    "dental": ("θ", "ð"),
    "sibilant": ("s", "z", "t͡s"),
    "postalveolar": ("ʃ", "ʒ", "t͡ʃ", "d͡ʒ"),
    "labiodental": ("f", "v"),
    "bilabial": ("p", "b", "m"),
}
BILABIAL: Final = list(GESTURES).index("bilabial")
LABIODENTAL: Final = list(GESTURES).index("labiodental")
#: Probabilities of a class from which on it begins to show, and at which it shows in full.
_HEARD: Final = (0.08, 0.75)
#: Standard deviation, in seconds, of what rounds the corners of strengths.
_ROUNDING: Final = 0.012
#: Seconds around a phone in which its strength stays full.
_HOLD: Final = 0.02
#: Frames that are corrected at once.
_AT_ONCE: Final = 4096
_CHIN: Final = 8
_RED: Final = (66, 57)
_INNER: Final = (INNER_LIP_TOP, INNER_LIP_BOTTOM)
#: Gap in eye distances below which lips that m b p are heard of nearly meet.
_NEARLY: Final = 0.04
#: How far lips that meet are pressed together, in eye distances: rigs' lips differ by less than that from the head's.
_PRESSED: Final = 0.004
#: Outer points of the lower lip and how far they follow its middle; of the upper lip.
_LOWER_OUTER: Final = {55: 0.5, 56: 1.0, 57: 1.0, 58: 1.0, 59: 0.5}
_UPPER_OUTER: Final = {49: 0.5, 50: 1.0, 51: 1.0, 52: 1.0, 53: 0.5}


@dataclass(frozen=True, slots=True, eq=False)
class ContactShapes:
    """What each of the G :data:`GESTURES` asks of a mouth; lengths in eye distances.

    Attributes
    ----------
    landmarks : (G, 68, 3) float32
        What is added to the landmarks.
    arkit : (G, 52) float32
        What is added to the ARKit weights.
    gap : (G, 3, 2) float32
        Least and most gap of the three inner pairs of the lips.
    width : (G,) float32
        Most width of the mouth.
    chin : (G,) float32
        Most drop of the chin.
    red : (G,) float32
        Most height of the lower lip's red.
    weights : (G, 52, 2) float32
        Least and most ARKit weights.
    resistance : (G,) float32
        How far, 0..1, a gesture keeps weaker ones away.
    timing : (G, 2) float32
        Seconds by which it begins before its sound and ends after it.
    reds : (2,) float32
        By how much the red of lower and upper lip grows with the gap of the lips, in everything that is said.
    """

    landmarks: Array
    arkit: Array
    gap: Array
    width: Array
    chin: Array
    red: Array
    weights: Array
    resistance: Array
    timing: Array
    reds: Array


def shapes_sizes() -> dict[str, tuple[int, ...]]:
    """Return the shape of each array of :class:`ContactShapes`."""
    count, weights = len(GESTURES), len(ARKIT_NAMES)
    return {
        "landmarks": (count, LANDMARK_COUNT, 3),
        "arkit": (count, weights),
        "gap": (count, 3, 2),
        "width": (count,),
        "chin": (count,),
        "red": (count,),
        "weights": (count, weights, 2),
        "resistance": (count,),
        "timing": (count, 2),
        "reds": (2,),
    }


@cache
def contact_shapes() -> ContactShapes:
    """Return the shapes that ship; read-only.

    Raises
    ------
    ModelError
        If the file is missing or damaged.
    """
    stored = shipped_arrays(_FILE)
    try:
        found = ContactShapes(*(stored[each.name].astype(np.float32) for each in fields(ContactShapes)))
        for name, size in shapes_sizes().items():
            array = getattr(found, name)
            if array.shape != size or not np.isfinite(array).all():
                raise ValueError(f"'{name}' has an unexpected size")
            array.setflags(write=False)
    except (ValueError, KeyError) as error:
        raise damaged(_FILE, error) from error
    return found


def strengths(speech: Speech, times: NDArray[np.floating[Any]], shapes: ContactShapes | None = None) -> Array:
    """Return how strongly each of :data:`GESTURES` shows at ``times`` (T,) in seconds: (T, G), 0..1.

    It rises before its sound and falls after it, without corners; a resistant gesture keeps weaker ones away. All
    are 0 where none is heard, and if no phones are known.
    """
    shapes = shapes or contact_shapes()
    if not len(speech.posteriors) or not len(times):
        return np.zeros((len(times), len(GESTURES)), np.float32)
    heard = [_heard(speech, phones) for phones in GESTURES.values()]
    core = [_rounded(_sureness(each)) for each in heard]
    wide = [_envelope(each, *shapes.timing[at]) for at, each in enumerate(heard)]
    shown = []
    for at, own in enumerate(wide):
        free = np.ones_like(own)
        for other, resistance in enumerate(shapes.resistance):
            # what sounds keeps others away that are only on their way; of two on their way the more resistant wins
            away = core[other] * (1 - core[at])
            if other > at:
                away = np.maximum(core[other], wide[other] * (1 - core[at]))
            if other != at:
                free *= 1 - resistance * away
        shown.append(own * free)
    return _at_times(np.stack(shown, axis=1), times)


def spoken(speech: Speech, times: NDArray[np.floating[Any]]) -> Array:
    """Return how far anything is said at ``times`` (T,): (T,), 0 in silence to 1; 0 if no phones are known."""
    if not len(speech.posteriors) or not len(times):
        return np.zeros(len(times), np.float32)
    voice = _envelope(1 - _heard(speech, (SILENCE,)), 0.08, 0.08)
    return _at_times(voice[:, None], times)[:, 0]


@dataclass(frozen=True, slots=True, eq=False)
class FaceSpeech:
    """What is said on a face: phones, frame rate, the face at rest (68, 3), and seconds by which it moves late."""

    speech: Speech
    fps: float
    neutral: Array
    late: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class OwnMouth:
    """A mouth as it was inferred, before amounts and emotion: no bound cuts what it does by itself.

    Attributes
    ----------
    gap : (T, 3) float32
        Gaps of the three inner pairs of the lips.
    width, chin : (T,) float32
        Width of the mouth, and drop of the chin.
    arkit : (T, 52) float32
        ARKit weights.
    """

    gap: Array
    width: Array
    chin: Array
    arkit: Array

    @classmethod
    def of(cls, landmarks: Array, neutral: Array, arkit: Array) -> OwnMouth:
        """Return the mouth of ``landmarks`` (T, 68, 3) on the face ``neutral`` (68, 3), with weights (T, 52)."""
        width = landmarks[:, MOUTH_LEFT_CORNER, 0] - landmarks[:, MOUTH_RIGHT_CORNER, 0]
        return cls(closures.gaps(landmarks), width, landmarks[:, _CHIN, 1] - neutral[_CHIN, 1], arkit)

    def at(self, times: NDArray[np.floating[Any]], fps: float) -> OwnMouth:
        """Return the mouth at ``times`` (T,) in seconds."""
        values = (getattr(self, each.name) for each in fields(self))
        return OwnMouth(*(sample(value, fps, times).astype(np.float32) for value in values))


def correct(
    offsets: Array, arkit: Array, own: OwnMouth, said: FaceSpeech, amount: float, shapes: ContactShapes | None = None
) -> None:
    """Make lips and jaw do what the phones ask for: ``offsets`` (T, 68, 3) and ``arkit`` (T, 52) change in place.

    Parameters
    ----------
    offsets, arkit
        Displacements of the landmarks from ``said.neutral``, and weights, with all else applied.
    own
        The mouth as it was inferred, frame by frame of the take.
    said
        What is said, when, and on which face.
    amount
        How far, 0 (nothing changes) to 1.5.
    shapes
        What is asked for; by default the shapes that ship.
    """
    if not amount or not len(offsets) or not len(said.speech.posteriors):
        return
    shapes = shapes or contact_shapes()
    times = np.arange(len(offsets)) / said.fps - said.late
    strong = strengths(said.speech, times, shapes) * np.float32(amount)
    heard = spoken(said.speech, times) * np.float32(amount)
    rows = np.flatnonzero((strong > 0).any(axis=1) | (heard > 0))
    for first in range(0, len(rows), _AT_ONCE):
        some = rows[first : first + _AT_ONCE]
        points, weights = offsets[some], arkit[some]
        mouth = own.at(times[some], said.fps)
        _correct(points, weights, mouth, said.neutral, strong[some], heard[some], shapes)
        offsets[some], arkit[some] = points, weights


def _correct(
    points: Array, weights: Array, own: OwnMouth, neutral: Array, strong: Array, heard: Array, shapes: ContactShapes
) -> None:
    """Correct some frames in place, by strengths ``strong`` (T, G) and ``heard`` (T,) times the amount."""
    _fill_reds(points, heard, shapes)
    for at in range(len(GESTURES)):
        share = strong[:, at]
        points += share[:, None, None] * shapes.landmarks[at]
        weights += share[:, None] * shapes.arkit[at]
    np.clip(weights, 0, 1, out=weights)
    held = np.minimum(strong, 1)
    for at in range(len(GESTURES)):
        _hold(points, neutral, held[:, at], at, shapes, own)
        low, high = shapes.weights[at].T
        if at != LABIODENTAL:
            low, high = np.minimum(low, own.arkit), np.maximum(high, own.arkit)
        weights += held[:, at, None] * (np.clip(weights, low, high) - weights)
    _shut(weights, held[:, BILABIAL], closures.gaps(points)[:, 1])


def _meeting(gap: Array) -> Array:
    """Return gaps (T, 3) of lips that meet where they nearly did; wide ones stay as they are."""
    share = np.clip(gap / _NEARLY, 0, 1)
    met: Array = gap * share * share * (3 - 2 * share)
    return met


def _shut(weights: Array, share: Array, gap: Array) -> None:
    """Bring lips that ``weights`` (T, 52) move as near to each other as landmarks, by ``share`` (T,), in place.

    ``gap`` (T,) is that of the landmarks. What mouthClose does is measured on the demo head; its meaning, that it shuts
    lips which the jaw has parted, is ARKit's.
    """
    apart = landmark_shapes()[:, _INNER, 1] @ np.array([-1, 1], np.float32)
    close = ARKIT_INDEX["mouthClose"]
    beyond = np.maximum(weights @ apart - np.maximum(gap, 0) + _PRESSED, 0)
    weights[:, close] = np.minimum(weights[:, close] + share * beyond / -apart[close], 1)


def _heard(speech: Speech, phones: tuple[str, ...]) -> Array:
    """Return the probability (S,) of any of ``phones``."""
    total: Array = speech.posteriors[:, [PHONES.index(phone) for phone in phones]].sum(axis=1).astype(np.float32)
    return total


def _envelope(heard: Array, ahead: float, behind: float) -> Array:
    """Return the strength (S,) of what is heard with probability ``heard`` (S,): soft from begin to end."""
    share = _sureness(heard)
    before, after = (int(np.ceil((each + _HOLD) * POSTERIOR_RATE)) for each in (ahead, behind))
    padded = np.pad(share, (after, before))
    result = np.zeros_like(share)
    for step in range(-after, before + 1):
        seconds = abs(step) / POSTERIOR_RATE
        reach = float(ahead if step > 0 else behind)
        way = min(max((seconds - _HOLD) / max(reach, 1e-6), 0.0), 1.0)
        np.maximum(
            result, padded[after + step : after + step + len(share)] * (0.5 + 0.5 * np.cos(np.pi * way)), out=result
        )
    return _rounded(result)


def _sureness(heard: Array) -> Array:
    """Return how strongly (S,) what is heard with probability ``heard`` (S,) shows while it sounds."""
    low, high = _HEARD
    share = np.clip((heard - low) / (high - low), 0, 1)
    sure: Array = (share * share * (3 - 2 * share)).astype(np.float32)
    return sure


def _rounded(rows: Array) -> Array:
    """Return ``rows`` (S,) without corners."""
    kernel = np.exp(-0.5 * (np.arange(-2, 3) / (_ROUNDING * POSTERIOR_RATE)) ** 2)
    smooth: Array = np.convolve(np.pad(rows, 2, mode="edge"), kernel / kernel.sum(), "valid").astype(np.float32)
    return smooth


def _at_times(rows: Array, times: NDArray[np.floating[Any]]) -> Array:
    """Return the values (T, C) at ``times`` of ``rows`` (S, C) at the rate of posteriors."""
    at = np.clip(np.asarray(times, np.float64) * POSTERIOR_RATE - 0.5, 0, len(rows) - 1)
    low = at.astype(int)
    high = np.minimum(low + 1, len(rows) - 1)
    share = (at - low)[:, None].astype(np.float32)
    values: Array = ((1 - share) * rows[low] + share * rows[high]).astype(np.float32)
    return values


def _fill_reds(points: Array, said: Array, shapes: ContactShapes) -> None:
    """Let the red of both lips of ``points`` (T, 68, 3) grow with their gap, in place: the outer points move."""
    gap = said * np.maximum(closures.gaps(points)[:, 1], 0)
    for follow, sign, share in ((_LOWER_OUTER, 1, shapes.reds[0]), (_UPPER_OUTER, -1, shapes.reds[1])):
        for point, part in follow.items():
            points[:, point, 1] += sign * part * share * gap


def _hold(points: Array, neutral: Array, share: Array, at: int, shapes: ContactShapes, own: OwnMouth) -> None:
    """Bring gap, width, chin and red of ``points`` (T, 68, 3) by ``share`` (T,) to what gesture ``at`` allows."""
    rest = closures.gaps(neutral[None])[0]
    gap = closures.gaps(points) + rest
    low, high = shapes.gap[at].T
    if at != LABIODENTAL:  # which is the one that the network does not do by itself
        low = np.minimum(low, own.gap)
    widest = np.maximum(high, _meeting(own.gap) if at == BILABIAL else own.gap)
    closures.hold(points, np.clip(gap, np.minimum(low, widest), widest) - rest, share)
    wide = neutral[MOUTH_LEFT_CORNER, 0] - neutral[MOUTH_RIGHT_CORNER, 0]
    width = wide + points[:, MOUTH_LEFT_CORNER, 0] - points[:, MOUTH_RIGHT_CORNER, 0]
    most = np.maximum(shapes.width[at], own.width)
    narrowed = 1 - share * (1 - np.minimum(most / np.maximum(width, 1e-6), 1))
    lips = list(LIPS)
    across = points[:, lips, 0] + neutral[lips, 0]
    middle = across.mean(axis=1, keepdims=True)
    points[:, lips, 0] = middle + narrowed[:, None] * (across - middle) - neutral[lips, 0]
    drop = np.maximum(points[:, _CHIN, 1], 1e-6)
    points[:, JAW] *= (1 - share * (1 - np.minimum(np.maximum(shapes.chin[at], own.chin) / drop, 1)))[:, None, None]
    inner, outer = _RED
    red = points[:, outer, 1] - points[:, inner, 1] + (neutral[outer, 1] - neutral[inner, 1])
    thinner = share * np.maximum(red - shapes.red[at], 0)
    for point, part in _LOWER_OUTER.items():
        points[:, point, 1] -= part * thinner
