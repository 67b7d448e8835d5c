"""Checks of lips at the phones that ask for a contact: they meet at m b p, the lower lip is at the teeth at f v."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..phones.inventory import CLASSES
from .measures import EXPLAINED, Fault, Ground, Measure
from .seen_face import HeardPhone, LineSpan

#: Seconds around the middle of a phone in which its contact counts.
NEAR: Final = 0.08
#: Opening, in eye distances, up to which lips meet.
SHUT: Final = 0.03
#: Share of the wide opening of a line up to which a lip can be at the teeth, and by how many standard deviations of the
#: line its red is then thinner than on average.
_BITE, _THIN = 0.35, 0.5
#: Phones of a kind from which on a line is judged.
_ENOUGH: Final = 4
_KINDS: Final = {"bilabials": "bilabial", "labiodentals": "labiodental"}
_SENTENCES: Final = {
    "bilabials": "The lips do not meet at {}.",
    "labiodentals": "The lower lip is not at the teeth at {}.",
}
_REMEDIES: Final = {
    "bilabials": "Raise the amount articulation, or key the lips shut there.",
    "labiodentals": "Raise the amount articulation, or key the lower lip to the upper teeth there.",
}


def measured_contacts(ground: Ground, explained: Collection[str] = ()) -> Iterator[Measure]:
    """Yield how many contacts each line misses, as a share of those its phones ask for; each that is missed is a fault.

    Faults are told if the share is beyond the limit, as recorded faces miss some as well, and not on the lines
    ``explained``, of which another check tells why the mouth is not where it should be.
    """
    for line in ground.spans:
        last = min(line.last, ground.rows - 1)
        for check, kind in _KINDS.items():
            limit = getattr(ground.limits, check)
            if limit is not None:
                said = [
                    one for one in ground.seen.phones if one.label in CLASSES[kind] and line.first <= one.row <= last
                ]
                measure = _measure(ground, line, last, check, limit, said)
                told = measure.faults and line.label in explained
                yield replace(measure, value=None, faults=(), remark=EXPLAINED) if told else measure


def _measure(ground: Ground, line: LineSpan, last: int, check: str, limit: float, said: list[HeardPhone]) -> Measure:
    seen = ground.seen
    if seen.opening is None:
        return Measure(check, line.label, None, limit, remark="the opening of the mouth cannot be measured")
    if not seen.phones:
        return Measure(check, line.label, None, limit, remark="it is not known which phones are said")
    rows = slice(line.first, last + 1)
    opening = seen.opening[rows].astype(np.float64)
    red = None if seen.red is None or check == "bilabials" else seen.red[rows].astype(np.float64)
    touch = _shut(opening) if check == "bilabials" else _at_teeth(opening, red)
    reach = max(1, round(NEAR * seen.fps))
    near = [touch[max(0, one.row - line.first - reach) : one.row - line.first + reach + 1] for one in said]
    missed = [one for one, rows_near in zip(said, near, strict=True) if not rows_near.any()]
    counts = (len(said) - len(missed), len(missed))
    if len(said) < _ENOUGH:
        return Measure(check, line.label, None, limit, remark="too few such phones are said", counts=counts)
    share = len(missed) / len(said)
    faults = tuple(_fault(check, one, share, reach, last) for one in missed) if share > limit else ()
    return Measure(check, line.label, share, limit, faults, counts=counts)


def _fault(check: str, one: HeardPhone, share: float, reach: int, last: int) -> Fault:
    said = _SENTENCES[check].format(one.label)
    return Fault(max(one.row - reach, 0), min(one.row + reach, last), share, said, _REMEDIES[check])


def _shut(opening: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return where (F,) lips meet."""
    return np.asarray(opening <= SHUT)


def _at_teeth(opening: NDArray[np.float64], red: NDArray[np.float64] | None) -> NDArray[np.bool_]:
    """Return where (F,) the lower lip can be at the teeth: nearly shut, rolled in; without ``red``, not quite shut."""
    finite = opening[np.isfinite(opening)]
    if not len(finite):
        return np.zeros(len(opening), bool)
    narrow = opening <= _BITE * float(np.percentile(finite, 95))
    if red is None or not np.isfinite(red).any() or np.nanstd(red) < 1e-6:
        return np.asarray((opening > SHUT) & narrow)
    return np.asarray(narrow & (red <= np.nanmean(red) - _THIN * np.nanstd(red)))


def counted_contacts(measures: Iterable[Measure]) -> dict[str, dict[str, int]]:
    """Return how many contacts are ``met`` and ``missed`` by the names of the two checks; empty if there are none."""
    result: dict[str, dict[str, int]] = {}
    for one in measures:
        if one.counts is not None and any(one.counts):
            row = result.setdefault(one.check, {"met": 0, "missed": 0})
            row["met"] += one.counts[0]
            row["missed"] += one.counts[1]
    return result


def told_contacts(counts: Mapping[str, Mapping[str, int]]) -> str:
    """Return what :func:`counted_contacts` returned for people: ``m b p: 12 met, 1 missed; f v: 3 met, 0 missed``."""
    names = {"bilabials": "m b p", "labiodentals": "f v"}
    return "; ".join(f"{names[check]}: {row['met']} met, {row['missed']} missed" for check, row in counts.items())
