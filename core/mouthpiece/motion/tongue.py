"""The tongue: a pose at every moment, from the phones that are said.

No camera sees a tongue, so no network has learnt it: what it does follows from the phones, as phonetics describes them.
Each phone has a target (where the tongue wants to be) and a resistance (how little it lets its neighbours pull it from
there), both for each of ``topology.TONGUE_POSES``. Neighbours overlap, as gestures do in speech: at every moment the
pose is the mean of the targets of the phones nearby, weighted by resistance and by how near they are (dominance, after
Cohen & Massaro 1993; the order of resistances after Recasens & Espinosa 2009). Then it is held to a tongue's speed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from ..phones.inventory import PHONE_INDEX, PHONES, SILENCE
from ..phones.speech import Speech
from ..phones.tracks import phone_track
from ..topology import ARKIT_INDEX, TONGUE_POSES
from . import closures
from .smooth import lowpass

if TYPE_CHECKING:
    from ..performance import Performance  # takes show their own tongue: :meth:`Performance.final`

Array = NDArray[np.float32]
Floats = NDArray[np.float64]

#: Steps a second at which poses are computed.
_RATE: Final = 100
#: Seconds in which the pull of a phone falls to a third: before the phone (look-ahead) and after it (carry-over).
_AHEAD: Final = 0.036
_AFTER: Final = 0.028
#: Seconds by which a phone's tongue is there before its sound: a closure is made before it is heard.
_LEAD: Final = 0.015
#: Hertz above which a tongue does not follow. A tip goes all the way in about 60 ms, as in X-ray films of speech.
_HERTZ: Final = 7.0
#: Pull of a tongue towards rest, and that of silence: small, so that any phone nearby is stronger.
_REST: Final = 0.01
_SILENT: Final = 0.08
#: What a pose is less than counts as rest.
_TINY: Final = 1e-3
#: Less of a posterior than this counts as nothing.
_LEAST: Final = 0.02
#: Gap of the lips, in eye distances above rest, at which ``tongueOut`` begins to show, and from which it shows whole.
_OUT_GAPS: Final = (0.005, 0.04)
#: Weight of ``tongueOut`` at ``out`` 1: between the teeth, a small part of the shape that sticks a tongue out.
_OUT_WEIGHT: Final = 0.55
#: Share of a raised back of the tongue that is seen from in front.
_BACK: Final = 0.55

#: Target of each phone: tip, body, forward, out, curl, wide (``topology.TONGUE_POSES``), and why.
_TARGETS: Final[Mapping[str, tuple[float, float, float, float, float, float]]] = {
    SILENCE: (0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
    # Vowels: height and frontness of the vowel chart; the tip rests behind the lower teeth; front ones are wide.
    "i": (-0.30, 0.85, 0.80, 0.0, 0.0, 0.40),
    "y": (-0.30, 0.80, 0.65, 0.0, 0.0, 0.30),
    "ɪ": (-0.25, 0.55, 0.50, 0.0, 0.0, 0.30),
    "e": (-0.25, 0.50, 0.60, 0.0, 0.0, 0.30),
    "ø": (-0.25, 0.45, 0.45, 0.0, 0.0, 0.20),
    "ɛ": (-0.25, 0.10, 0.40, 0.0, 0.0, 0.20),
    "æ": (-0.30, -0.45, 0.35, 0.0, 0.0, 0.25),
    "a": (-0.30, -0.80, 0.00, 0.0, 0.0, 0.20),
    "ɑ": (-0.30, -0.90, -0.50, 0.0, 0.0, 0.10),
    "ɔ": (-0.25, -0.35, -0.60, 0.0, 0.0, 0.00),
    "o": (-0.25, 0.20, -0.60, 0.0, 0.0, 0.00),
    "ʊ": (-0.25, 0.45, -0.50, 0.0, 0.0, 0.00),
    "u": (-0.30, 0.75, -0.70, 0.0, 0.0, 0.00),
    "ɯ": (-0.30, 0.75, -0.60, 0.0, 0.0, 0.10),
    "ə": (-0.10, 0.00, 0.00, 0.0, 0.0, 0.00),
    "ʌ": (-0.20, -0.35, -0.20, 0.0, 0.0, 0.05),
    "ɝ": (0.20, 0.35, -0.30, 0.0, 0.65, -0.10),
    # Said with lips or glottis alone: the tongue is free.
    **dict.fromkeys(("p", "b", "m", "f", "v", "h", "ʔ"), (0.0, 0.0, 0.0, 0.0, 0.0, 0.0)),
    # Between the teeth: wide, its tip out and at the edge of the upper ones.
    "θ": (0.60, 0.00, 0.90, 0.90, 0.0, 0.50),
    "ð": (0.60, 0.00, 0.80, 0.80, 0.0, 0.50),
    # Tip at the ridge behind the upper teeth; l lets air pass at its narrow sides, d and t are braced there.
    "t": (1.00, 0.15, 0.25, 0.0, 0.0, 0.20),
    "d": (1.00, 0.15, 0.25, 0.0, 0.0, 0.20),
    "n": (1.00, 0.15, 0.25, 0.0, 0.0, 0.20),
    "l": (1.00, -0.10, 0.20, 0.0, 0.0, -0.60),
    "ɾ": (0.95, 0.05, 0.10, 0.0, 0.0, 0.10),
    "r": (0.95, 0.00, -0.10, 0.0, 0.20, 0.00),
    # Sibilants: a groove behind the teeth, sides at the molars; ʃ further back with the blade raised.
    "s": (0.50, 0.25, 0.30, 0.0, 0.0, 0.30),
    "z": (0.50, 0.25, 0.30, 0.0, 0.0, 0.30),
    "ʃ": (0.45, 0.60, -0.10, 0.0, 0.0, 0.40),
    "ʒ": (0.45, 0.60, -0.10, 0.0, 0.0, 0.40),
    # Curled or bunched: tip back, sides up.
    "ɹ": (0.40, 0.30, -0.40, 0.0, 0.85, -0.10),
    # Body at the palate, front (palatals) or back (velars); the tip stays down.
    "ɲ": (-0.20, 1.00, 0.50, 0.0, 0.0, 0.40),
    "j": (-0.30, 0.90, 0.70, 0.0, 0.0, 0.40),
    "w": (-0.30, 0.75, -0.70, 0.0, 0.0, 0.00),
    "k": (-0.30, 1.00, -0.50, 0.0, 0.0, 0.10),
    "ɡ": (-0.30, 1.00, -0.50, 0.0, 0.0, 0.10),
    "ŋ": (-0.30, 1.00, -0.50, 0.0, 0.0, 0.10),
    "x": (-0.30, 0.80, -0.60, 0.0, 0.0, 0.10),
    "ʁ": (-0.25, 0.45, -0.90, 0.0, 0.0, 0.00),
}

#: Resistance of each phone, in the same order: high for what makes the phone what it is, low for what its neighbours
#: may decide. ʎ ɲ ʃ resist more than s r, these more than l ɾ t n, ð least of all consonants of the tongue (though it
#: is out whatever is beside it); vowels yield, and lips and glottis leave the tongue alone.
_VOWEL: Final = (0.22, 0.40, 0.40, 0.60, 0.40, 0.25)
_RESISTANCES: Final[Mapping[str, tuple[float, float, float, float, float, float]]] = {
    SILENCE: (_SILENT,) * 6,
    **dict.fromkeys(("p", "b", "m", "f", "v", "h", "ʔ"), (0.0, 0.0, 0.0, 0.30, 0.10, 0.0)),
    **dict.fromkeys(("ə", "ʌ"), (0.15, 0.25, 0.25, 0.60, 0.40, 0.20)),
    **dict.fromkeys(("ɝ",), (0.30, 0.40, 0.40, 0.40, 0.80, 0.20)),
    **dict.fromkeys(("θ", "ð"), (0.60, 0.25, 0.80, 1.60, 0.60, 0.60)),
    **dict.fromkeys(("t", "d", "n", "ɾ"), (1.50, 0.20, 0.30, 0.60, 0.60, 0.30)),
    "l": (1.50, 0.30, 0.30, 0.60, 0.60, 0.80),
    "r": (1.70, 0.60, 0.60, 0.80, 0.60, 0.30),
    **dict.fromkeys(("s", "z"), (1.10, 0.60, 0.60, 0.80, 0.80, 0.60)),
    **dict.fromkeys(("ʃ", "ʒ"), (1.20, 1.40, 1.20, 1.00, 1.00, 1.00)),
    "ɹ": (0.70, 0.50, 0.90, 0.80, 1.40, 0.40),
    "ɲ": (0.60, 1.60, 1.20, 1.00, 0.80, 0.80),
    "j": (0.30, 1.00, 0.90, 0.60, 0.50, 0.50),
    "w": (0.20, 0.60, 0.60, 0.50, 0.40, 0.20),
    **dict.fromkeys(("k", "ɡ", "ŋ"), (0.20, 1.50, 0.60, 0.60, 0.50, 0.30)),
    **dict.fromkeys(("x", "ʁ"), (0.20, 1.20, 1.00, 0.60, 0.50, 0.30)),
}
#: Phones that are two, one after the other.
_GLIDES: Final[Mapping[str, tuple[str, str]]] = {
    "aɪ": ("a", "ɪ"),
    "aʊ": ("a", "ʊ"),
    "eɪ": ("e", "ɪ"),
    "oʊ": ("o", "ʊ"),
    "ɔɪ": ("ɔ", "ɪ"),
    "t͡s": ("t", "s"),
    "t͡ʃ": ("t", "ʃ"),
    "d͡ʒ": ("d", "ʒ"),
}


def _table(rows: Mapping[str, tuple[float, ...]], missing: tuple[float, ...]) -> Floats:
    """Return values (P, 6) for all phones; those that are two have 0, as they are never asked."""
    empty = (0.0,) * len(TONGUE_POSES)
    return np.array([empty if phone in _GLIDES else rows.get(phone, missing) for phone in PHONES])


TARGETS: Final = _table(_TARGETS, (0.0,) * len(TONGUE_POSES))
RESISTANCES: Final = _table(_RESISTANCES, _VOWEL)
_OUT: Final = TONGUE_POSES.index("out")


def curves(speech: Speech, times: NDArray[np.floating[Any]]) -> Array:
    """Return the tongue's pose (T, 6), in the order of ``topology.TONGUE_POSES``, at ``times`` (T,) in seconds.

    Segments count if there are any, else posteriors. Values are -1..1, ``out`` 0..1; 0 is a tongue at rest on the floor
    of the mouth, where it is in silence and if nothing is known of what is said.
    """
    moments = np.asarray(times, np.float64)
    if not speech or not len(moments):
        return np.zeros((len(moments), len(TONGUE_POSES)), np.float32)
    # A pose depends on what is said within a second of it; only that much is computed.
    first = int(np.floor((moments.min() - 1.0) * _RATE))
    count = int(np.ceil((moments.max() + 1.0) * _RATE)) - first + 1
    said = _glided(phone_track(speech, np.arange(first, first + count) / _RATE + _LEAD))
    columns = np.flatnonzero(said.max(axis=0) > _LEAST)
    pull = _dominance(said[:, columns])
    pulls = pull @ RESISTANCES[columns]
    goals = pull @ (RESISTANCES[columns] * TARGETS[columns])
    smooth = lowpass(goals / (pulls + _REST), _HERTZ, _RATE)
    places = moments * _RATE - first
    found = np.stack([np.interp(places, np.arange(count), column) for column in smooth.T], axis=1)
    found[:, _OUT] = np.maximum(found[:, _OUT], 0)
    found[np.abs(found) < _TINY] = 0
    poses: Array = np.clip(found, -1, 1).astype(np.float32)
    return poses


def _glided(said: Floats) -> Floats:
    """Return ``said`` (N, P) with each phone that is two passed from its first to its second half, in place."""
    for phone, (begin, end) in _GLIDES.items():
        column = said[:, PHONE_INDEX[phone]]
        edges = np.flatnonzero(np.diff(np.r_[False, column > _LEAST, False].astype(np.int8)))
        for start, stop in zip(edges[::2], edges[1::2], strict=True):
            done = (np.cumsum(column[start:stop]) - column[start:stop] / 2) / column[start:stop].sum()
            share = np.clip(2 * done - 0.5, 0, 1)  # each half is held for a quarter of the phone
            said[start:stop, PHONE_INDEX[begin]] += (1 - share) * column[start:stop]
            said[start:stop, PHONE_INDEX[end]] += share * column[start:stop]
        said[:, PHONE_INDEX[phone]] = 0
    return said


def _dominance(said: Floats) -> Floats:
    """Return how strongly each phone pulls (N, P): as much as it is said, falling off before and after."""
    with np.errstate(divide="ignore"):
        level = np.log(np.where(said > _LEAST, said, 0))
    steps = np.arange(len(said))[:, None] / _RATE
    after = np.maximum.accumulate(level + steps / _AFTER, axis=0) - steps / _AFTER
    ahead = np.maximum.accumulate((level - steps / _AHEAD)[::-1], axis=0)[::-1] + steps / _AHEAD
    pull: Floats = np.exp(np.maximum(after, ahead))
    return pull


def tongue_out(tongue: Array, landmarks: NDArray[np.floating[Any]], neutral: NDArray[np.floating[Any]]) -> Array:
    """Return the weight (T,) of ARKit's ``tongueOut``: a little between the teeth, and only where the lips are apart.

    Parameters
    ----------
    tongue : (T, 6) float32
        Poses of the tongue.
    landmarks, neutral : (T, 68, 3) and (68, 3)
        The face, and the same at rest, in eye distances.
    """
    apart = closures.gaps(np.asarray(landmarks))[:, 1] - closures.gaps(np.asarray(neutral)[None])[:, 1]
    low, high = _OUT_GAPS
    room = np.clip((apart - low) / (high - low), 0, 1)
    weight: Array = (_OUT_WEIGHT * room * tongue[:, _OUT]).astype(np.float32)
    return weight


def raised(poses: NDArray[np.floating[Any]]) -> Floats:
    """Return how far tongues with these ``poses`` (T, 6) are seen raised in a flat mouth (T,), 0..1.

    The tip counts whole, also between the teeth; of the back only a part is seen.
    """
    tip, body, out = (poses[:, TONGUE_POSES.index(name)] for name in ("tip", "body", "out"))
    seen: Floats = np.clip(np.max([tip, _BACK * body, out], axis=0), 0, 1).astype(np.float64)
    return seen


def shown(face: Performance) -> Performance:
    """Return a face whose ARKit ``tongueOut`` is that of its tongue; itself if it is so, or if no tongue moves."""
    if not face.tongue.any():
        return face
    column, weight = ARKIT_INDEX["tongueOut"], tongue_out(face.tongue, face.landmarks, face.neutral)
    if np.array_equal(face.arkit[:, column], weight):
        return face
    arkit = face.arkit.copy()
    arkit[:, column] = weight
    return replace(face, arkit=arkit)
