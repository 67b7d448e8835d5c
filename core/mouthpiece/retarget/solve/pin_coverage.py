"""Which parts of a pinned face its shape keys move, judged by the pinned points alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..coverage import Coverage, part_of

#: Landmark pairs, upper and lower, that part when the mouth opens and meet when the eyes close.
_LIPS: Final = ((61, 67), (62, 66), (63, 65), (50, 58), (51, 57), (52, 56))
_LIDS: Final = ((37, 41), (38, 40), (43, 47), (44, 46))
_BROWS: Final = tuple(range(17, 27))
#: A key that moves less than this share of the mouth's or eye's width there, or of the eye distance, does not count.
_PARTS: Final = 0.06
#: Words in the names of keys that turn eyes: they move no pins.
_LOOKS: Final = ("look", "gaze", "eyeball", "pupil", "iris")
LACKING: Final[Mapping[str, str]] = {
    "mouth": "no shape key parts the pinned lips",
    "lids": "no shape key moves the pinned lids towards each other, so there are no blinks",
    "gaze": "no shape key with a known name turns the eyes",
    "brows": "no shape key moves the pinned brows",
    "tongue": "no shape key with a known name moves it",
}


def pin_coverage(
    rest: NDArray[np.floating], names: Sequence[str], deltas: NDArray[np.floating], known: Mapping[str, str]
) -> Coverage:
    """Return which parts of a face shape keys move.

    Parameters
    ----------
    rest : (68, 3)
        The pinned points at rest, NaN for landmarks without a pin.
    names
        Names of the K keys.
    deltas : (K, 68, 3)
        How each key moves the pinned points at value 1.
    known
        ARKit names of the keys that have one: gaze and tongue move no pins and are known by name alone.
    """
    eyes = _apart(rest, ((36, 45), (39, 42)))
    found = {
        "mouth": _gaps(rest, deltas, _LIPS, _apart(rest, ((48, 54), (60, 64))) or eyes / 2),
        "lids": _gaps(rest, deltas, _LIDS, _apart(rest, ((36, 39), (42, 45))) or eyes / 3),
        "brows": _largest(np.linalg.norm(deltas[:, list(_BROWS)], axis=2)) > _PARTS / 2 * eyes,
    }
    driven = {part: tuple(n for n, moves in zip(names, which, strict=True) if moves) for part, which in found.items()}
    driven["gaze"] = tuple(n for n in names if part_of(known.get(n, "")) == "gaze" or _looks(n))
    driven["tongue"] = tuple(n for n in names if known.get(n) == "tongueOut")
    driven = {part: keys for part, keys in driven.items() if keys}
    return Coverage(driven, {part: why for part, why in LACKING.items() if part not in driven})


def _looks(name: str) -> bool:
    return any(word in name.lower() for word in _LOOKS)


def _apart(points: NDArray[Any], pairs: Sequence[tuple[int, int]]) -> float:
    """Return the greatest distance of the pairs that are pinned; 0 if none is."""
    ways = np.linalg.norm(points[[a for a, _ in pairs]] - points[[b for _, b in pairs]], axis=1)
    return float(np.nanmax(ways)) if np.isfinite(ways).any() else 0.0


def _gaps(
    rest: NDArray[Any], deltas: NDArray[Any], pairs: Sequence[tuple[int, int]], width: float
) -> NDArray[np.bool_]:
    """Return which keys (K,) move the two points of a pair towards or away from each other."""
    upper, lower = [a for a, _ in pairs], [b for _, b in pairs]
    apart = np.linalg.norm(deltas[:, lower] - deltas[:, upper], axis=2)
    moves: NDArray[np.bool_] = _largest(apart) > max(_PARTS * width, 1e-9)
    return moves


def _largest(values: NDArray[Any]) -> NDArray[np.float64]:
    """Return the greatest value of each row (K, N) that is a number; 0 for rows without."""
    largest: NDArray[np.float64] = np.where(np.isfinite(values), values, 0.0).max(axis=1, initial=0.0)
    return largest
