"""Match Lips: makes a rig's mouth open as far as that of the take, as measured on the rig.

The same weights part the lips by different amounts on different rigs. For speech the gap matters: shut for m, b and p,
and else as wide as in the take. So it is measured on the rig how far each key parts the lips, and the shapes that open
and shut the mouth are raised or lowered until the gap is right: ``jawOpen`` and ``mouthClose`` on ARKit's shapes, the
amount of each viseme on viseme rigs. All other shapes stay as they are.
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

#: Shapes besides jawOpen and mouthClose that are reduced, by one factor, where the lips would not meet otherwise.
_GIVE_WAY: Final = tuple(ARKIT_NAMES[index] for index in PARTING if ARKIT_NAMES[index] not in ("jawOpen", "mouthClose"))
#: Least share of the greatest parting from which a driver counts as parting the lips.
_COUNTS: Final = 0.02
#: Least share of the greatest parting for jawOpen, or aa, to be used for opening: if the jaw is a bone, it is small.
_OPENS: Final = 0.5
#: Gap, in eye distances, at which the viseme aa is 1: that of half a jawOpen.
_AA_GAP: Final = 0.2
#: Least factor on a viseme, so that rounded lips are visible in a nearly shut mouth, and greatest factor.
_AMOUNT: Final = (0.25, 1.6)


@dataclass(frozen=True, slots=True)
class Lips:
    """Measurements of a rig's lips.

    Attributes
    ----------
    table : ShapeMap
        Table of the mesh that has the lips.
    openings : mapping of str to float
        How far each of its keys at 1 moves the lower lip away from the upper, in the same arbitrary unit.
    """

    table: ShapeMap
    openings: Mapping[str, float]


def responses(lips: Lips) -> dict[str, float]:
    """Return how far each driver alone, at 1, parts the rig's lips, in the unit of ``openings``."""
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
    """Return ``tracks`` with the drivers that open the mouth changed so that the rig's lips part by ``gap`` (F,).

    Parameters
    ----------
    lips
        Measurements of the rig's lips.
    tracks
        The drivers (F,), at least all that the lips' table reads.
    gap
        Wanted gap of the lips, in eye distances of the performance's face, 0 at rest.
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
    """Return how far the drivers part the rig's lips, (F,)."""
    parts = [weight * tracks[name] for name, weight in response.items() if name in tracks]
    return np.sum(parts, axis=0)  # type: ignore[no-any-return]


def _by_jaw(tracks: Mapping[str, Array], response: Mapping[str, float], wanted: Array) -> dict[str, Array]:
    """Return drivers that open by less mouthClose, then more jawOpen, or shut by both, then by other shapes."""
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
    """Return jawOpen and mouthClose (at most jawOpen) that part the lips by ``less`` less, and what remains of it."""
    share = less / (opens**2 + shuts**2)
    lower = np.maximum(jaw - share * opens, 0)
    upper = np.clip(close + share * shuts, 0, lower)
    left = np.maximum(less - (jaw - lower) * opens - (upper - close) * shuts, 0)
    # If one of the two reaches its limit, the other does the rest.
    further = np.minimum(lower - upper, left / shuts) if shuts else lower * 0
    upper, left = upper + further, left - further * shuts
    drop = np.minimum(lower - upper, left / opens)
    lower, left = lower - drop, left - drop * opens
    if opens - shuts > _COUNTS * opens:
        together = np.minimum(upper, left / (opens - shuts))
        lower, upper, left = lower - together, upper - together, left - together * (opens - shuts)
    return lower, upper, np.maximum(left, 0)


def _give_way(found: dict[str, Array], response: Mapping[str, float], left: Array) -> None:
    """Reduce the other drivers that part the lips by ``left`` (F,), all by the same factor, in place."""
    names = [name for name in _GIVE_WAY if response.get(name, 0.0) > 0 and name in found]
    if not names:
        return
    parting = np.sum([response[name] * np.maximum(found[name], 0) for name in names], axis=0)
    kept = 1 - np.minimum(left / np.maximum(parting, 1e-9), 1)
    for name in names:
        found[name] = found[name] * kept


def _by_visemes(tracks: Mapping[str, Array], response: Mapping[str, float], wanted: Array) -> dict[str, Array]:
    """Return visemes scaled to part the lips as wanted, with aa added where they do not suffice."""
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
