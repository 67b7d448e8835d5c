"""Match Lips: a rig's own measured mouth opens as the lips of the take do.

Weights say which shapes make a mouth, and on every rig the same weights part the lips by something else. What counts
for speech is the gap: shut for m, b and p, and as wide as heard. So the rig is asked how far each key parts its lips,
and of the shapes that open and shut the mouth as much is added or taken away as the gap asks for, and no more:
``jawOpen`` and ``mouthClose`` on ARKit's shapes, the amount of each viseme on viseme rigs. Everything else stays.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from ...motion.closures import PARTING
from ...topology import ARKIT_NAMES
from . import drivers
from .formulas import Array
from .table import ShapeMap

#: Shapes besides jawOpen and mouthClose that give way, together, where the lips would not meet otherwise.
_GIVE_WAY: Final = tuple(ARKIT_NAMES[index] for index in PARTING if ARKIT_NAMES[index] not in ("jawOpen", "mouthClose"))
#: A driver parts the lips if it does at least this share of what the widest one does.
_COUNTS: Final = 0.02
#: jawOpen, or aa, must do this share of it to be what opens the mouth: where the jaw is a bone, its key does little.
_OPENS: Final = 0.5
#: Gap, in eye distances, at which the viseme aa is whole: half a jawOpen.
_AA_GAP: Final = 0.2
#: A viseme is played at this share at least, so that rounding shows in a nearly shut mouth; and at most.
_AMOUNT: Final = (0.25, 1.6)


@dataclass(frozen=True, slots=True)
class Lips:
    """The lips of a rig.

    Attributes
    ----------
    table : ShapeMap
        What drives the keys of the mesh that has them.
    openings : mapping of str to float
        How far each of its keys at 1 moves the lower lip away from the upper, in any unit.
    """

    table: ShapeMap
    openings: Mapping[str, float]


def responses(lips: Lips) -> dict[str, float]:
    """Return by how much each driver, whole and alone, parts the rig's lips (in units of ``openings``)."""
    entries = [entry for entry in lips.table.driven if lips.openings.get(entry.key)]
    nothing = dict.fromkeys((name for entry in entries for name in entry.parsed().names), np.zeros(1))
    found = dict.fromkeys(nothing, 0.0)
    for entry in entries:
        rest = entry.value(nothing)
        for name in entry.parsed().names:
            alone = entry.value(nothing | {name: np.ones(1)})
            found[name] += lips.openings[entry.key] * float(np.sum(alone - rest))
    return found


def matched(lips: Lips, tracks: Mapping[str, Array], gap: Array) -> dict[str, Array]:
    """Return ``tracks`` with the drivers that open the mouth set so that the rig's lips part as ``gap`` (F,) says.

    Parameters
    ----------
    lips
        The rig's.
    tracks
        The drivers (F,), all that the lips' table reads among them.
    gap
        How far the lips are to be apart, in eye distances of the take's face, rest being 0.
    """
    response = responses(lips)
    widest = max((abs(value) for value in response.values()), default=0.0)
    if widest <= 0:
        return dict(tracks)
    if response.get("jawOpen", 0.0) > _OPENS * widest:
        return _by_jaw(tracks, response, gap / drivers.jaw_gap() * response["jawOpen"])
    if response.get("viseme.aa", 0.0) > _OPENS * widest:
        return _by_visemes(tracks, response, gap / _AA_GAP * response["viseme.aa"])
    return dict(tracks)


def _apart(tracks: Mapping[str, Array], response: Mapping[str, float]) -> Array:
    """Return how far (F,) the drivers part the rig's lips."""
    parts = [weight * tracks[name] for name, weight in response.items() if name in tracks]
    return np.sum(parts, axis=0)  # type: ignore[no-any-return]


def _by_jaw(tracks: Mapping[str, Array], response: Mapping[str, float], wanted: Array) -> dict[str, Array]:
    """Open with less mouthClose and then more jawOpen; shut with some of both, then with what else parts the lips."""
    found = dict(tracks)
    opens, shuts = response["jawOpen"], -response.get("mouthClose", 0.0)
    shuts = shuts if shuts > _COUNTS * opens else 0.0
    jaw = found["jawOpen"]
    close = found["mouthClose"] if shuts else np.zeros_like(jaw)
    missing = wanted - _apart(tracks, response)
    more, less = np.maximum(missing, 0), np.maximum(-missing, 0)
    less_close = np.minimum(close, more / shuts) if shuts else close * 0
    jaw, close = jaw + (more - less_close * shuts) / opens, close - less_close
    jaw, close, left = _shut(jaw, close, less, opens, shuts)
    found["jawOpen"] = np.minimum(jaw, 1)
    if shuts:
        found["mouthClose"] = np.minimum(close, found["jawOpen"])
    _give_way(found, response, left)
    return found


def _shut(jaw: Array, close: Array, less: Array, opens: float, shuts: float) -> tuple[Array, Array, Array]:
    """Return jawOpen, mouthClose (never more than that), and what they could not do to part the lips by ``less``."""
    share = less / (opens**2 + shuts**2)
    lower = np.maximum(jaw - share * opens, 0)
    upper = np.clip(close + share * shuts, 0, lower)
    left = np.maximum(less - (jaw - lower) * opens - (upper - close) * shuts, 0)
    # What one of the two could not do, the other does.
    further = np.minimum(lower - upper, left / shuts) if shuts else lower * 0
    upper, left = upper + further, left - further * shuts
    drop = np.minimum(lower - upper, left / opens)
    lower, left = lower - drop, left - drop * opens
    if opens - shuts > _COUNTS * opens:
        together = np.minimum(upper, left / (opens - shuts))
        lower, upper, left = lower - together, upper - together, left - together * (opens - shuts)
    return lower, upper, np.maximum(left, 0)


def _give_way(found: dict[str, Array], response: Mapping[str, float], left: Array) -> None:
    """Take ``left`` (F,) off what else parts the lips, all alike, in place."""
    names = [name for name in _GIVE_WAY if response.get(name, 0.0) > 0 and name in found]
    if not names:
        return
    parting = np.sum([response[name] * np.maximum(found[name], 0) for name in names], axis=0)
    kept = 1 - np.minimum(left / np.maximum(parting, 1e-9), 1)
    for name in names:
        found[name] = found[name] * kept


def _by_visemes(tracks: Mapping[str, Array], response: Mapping[str, float], wanted: Array) -> dict[str, Array]:
    """Play every viseme that parts the lips more or less, and more of aa where all of them together do not suffice."""
    found = dict(tracks)
    names = [name for name, value in response.items() if name.startswith("viseme.") and value > 0 and name in found]
    parting = np.sum([response[name] * found[name] for name in names], axis=0)
    others = _apart(tracks, response) - parting
    share = np.clip((wanted - others) / np.maximum(parting, 1e-9), *_AMOUNT)
    share = np.where(parting > 1e-6, share, 1.0)
    for name in names:
        found[name] = np.minimum(found[name] * share, np.maximum(found[name], 1))
    short = np.maximum(wanted - _apart(found, response), 0)
    found["viseme.aa"] = found["viseme.aa"] + short / response["viseme.aa"]
    return found
