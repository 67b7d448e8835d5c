"""How far a mouth is behind its sound: correlation of its opening with what is expected, over shifts in time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

#: Seconds by which mouth and sound are shifted against each other, at most.
REACH: Final = 0.4
#: Least frames that two courses share for their correlation to mean anything.
_LEAST_FRAMES: Final = 12


@dataclass(frozen=True, slots=True)
class Lag:
    """How a mouth lies to its sound.

    Attributes
    ----------
    seconds : float
        How much later the mouth is; negative if it is early.
    correlation : float
        Of both at that lag.
    near : float
        The best within ``tolerance``.
    at_end : bool
        Whether a greater shift may fit better still: the best one is the greatest that was tried.
    """

    seconds: float
    correlation: float
    near: float
    at_end: bool = False


def lag_of(
    opening: Array, expected: Array, first: int, last: int, fps: float, reach: float = REACH, tolerance: float = 0.0
) -> Lag | None:
    """Return how much later ``opening`` (F,) is than ``expected`` (F,) on its rows ``first`` to ``last``.

    ``reach`` and ``tolerance`` are seconds. Rows that are NaN are left out. None if either hardly moves or there is too
    little to compare.
    """
    most = max(1, round(reach * fps))
    shifts = np.arange(-most, most + 1)
    rows = np.arange(max(first, 0), min(last + 1, len(expected)))
    fits = np.array([_correlation(opening, expected, rows, int(shift)) for shift in shifts])
    if not np.isfinite(fits).any():
        return None
    best = int(np.nanargmax(fits))
    at = float(shifts[best])
    if 0 < best < len(fits) - 1 and np.isfinite(fits[best - 1 : best + 2]).all():
        left, top, right = fits[best - 1 : best + 2]
        bend = left - 2 * top + right
        at += 0.5 * (left - right) / bend if bend < -1e-9 else 0.0
    near = np.abs(shifts) <= round(tolerance * fps)
    return Lag(float(at) / fps, float(fits[best]), float(np.nan_to_num(fits[near]).max()), best in (0, len(fits) - 1))


def _correlation(opening: Array, expected: Array, rows: NDArray[np.intp], shift: int) -> float:
    there = rows + shift
    inside = (there >= 0) & (there < len(opening))
    seen, wanted = opening[there[inside]].astype(np.float64), expected[rows[inside]].astype(np.float64)
    known = np.isfinite(seen) & np.isfinite(wanted)
    if known.sum() < _LEAST_FRAMES:
        return float("nan")
    seen, wanted = seen[known] - seen[known].mean(), wanted[known] - wanted[known].mean()
    power = float(np.sqrt((seen**2).sum() * (wanted**2).sum()))
    return float((seen * wanted).sum() / power) if power > 1e-9 else float("nan")
