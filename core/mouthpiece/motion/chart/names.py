"""Finds the drawing of each mouth by its name, and a substitute for each mouth that was not drawn."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from .charts import MouthChart
from .cues import VisemeMouths, shape_costs
from .visemes import VISEMES

#: Words artists use for mouths, and phonemes of ARPAbet -> viseme; the visemes' own names are matched as well.
_ALIASES: Final[Mapping[str, str]] = {
    "rest": "sil", "neutral": "sil", "idle": "sil", "silence": "sil", "x": "sil",
    "mbp": "PP", "closed": "PP", "close": "PP", "shut": "PP", "m": "PP", "p": "PP", "b": "PP",
    "fv": "FF", "f": "FF", "v": "FF", "bite": "FF",
    "l": "nn", "tongue": "TH", "d": "DD", "t": "DD", "k": "kk", "g": "kk",
    "ch": "CH", "sh": "CH", "j": "CH", "chj": "CH", "s": "SS", "z": "SS", "etc": "SS", "narrow": "SS", "r": "RR",
    "gk": "kk", "nltdr": "DD", "ehsz": "SS", "n": "nn", "cdgknrsyz": "SS", "cdgknrsthyz": "SS",
    "ae": "E", "ao": "oh", "aw": "aa", "ay": "aa", "dh": "TH", "er": "RR", "ey": "E", "hh": "kk", "iy": "ih",
    "jh": "CH", "ng": "kk", "ow": "oh", "oy": "oh", "uw": "ou", "y": "ih", "zh": "CH",
    "a": "aa", "ah": "aa", "ai": "aa", "wide": "aa", "open": "aa", "e": "E", "eh": "E", "ee": "ih", "i": "ih",
    "o": "oh", "round": "oh", "u": "ou", "oo": "ou", "w": "ou", "wq": "ou", "uh": "E", "pucker": "ou",
}  # fmt: skip
_VISEMES: Final[Mapping[str, str]] = {name.casefold(): name for name in VISEMES}
#: Shares of a chart's shapes that are there by name: of one that does not suit, and of one that does.
_HALF, _NEARLY_ALL = 0.5, 0.8
#: Digits of a phoneme's stress (``AA1``).
_STRESS: Final = re.compile(r"(?<=[a-z]{2})[012]$")
#: The ending Blender gives to the name of a copy.
_COPY: Final = re.compile(r"\.\d{3,}$")


def match_names(chart: MouthChart, names: Iterable[str]) -> dict[str, str]:
    """Return the drawing of each shape of ``chart`` (shape -> one of ``names``), for the shapes that have one.

    A drawing's name ends in the shape's name (``mouth_A``, ``Mouth.MBP``, ``rhubarb-x``), or else in that of a viseme
    (``viseme_PP``) or a word for one (``mouth closed``). Of several such names the first is used.
    """
    ends = {name: _end(name) for name in names}
    found: dict[str, str] = {}
    for shape in chart.names:
        own = next((name for name, end in ends.items() if end == shape.casefold()), None)
        if own is not None:
            found[shape] = own
    best = shape_costs(chart).argmin(axis=1)
    taken = set(found.values())
    for name, end in ends.items():
        viseme = _VISEMES.get(end) or _ALIASES.get(end)
        if viseme is not None and name not in taken:
            found.setdefault(chart.names[best[VISEMES.index(viseme)]], name)
    return {shape: found[shape] for shape in chart.names if shape in found}


def _end(name: str) -> str:
    words = [word for word in re.split(r"[^A-Za-z0-9]+", _COPY.sub("", name)) if word]
    return _STRESS.sub("", words[-1].casefold()) if words else ""


def suited_chart(chart: MouthChart, names: Collection[str], known: Iterable[MouthChart]) -> MouthChart:
    """Return the chart whose shapes' own names are among ``names``: ``chart``, or another of those that are ``known``.

    Another is taken only if ``chart`` has less than half of its shapes there, and the other nearly all.
    """
    ends = {_end(name) for name in names}

    def share(one: MouthChart) -> float:
        return sum(shape.casefold() in ends for shape in one.names) / len(one.names)

    best = max(known, key=lambda one: (share(one), len(one.names)), default=chart)
    return best if share(chart) < _HALF and share(best) >= _NEARLY_ALL else chart


def is_whole(chart: MouthChart, names: Collection[str]) -> bool:
    """Return whether nearly all shapes of a chart are among ``names``, and nearly all of those are its shapes."""
    matched = len(match_names(chart, names))
    return matched >= _NEARLY_ALL * max(len(chart.names), len(names))


def stand_ins(chart: MouthChart, drawn: Sequence[bool]) -> tuple[int, ...]:
    """Return the index of the shape to show for each shape: itself if ``drawn``, else the most similar drawn one.

    Raises
    ------
    ValueError
        If no shape is drawn, which is a programming error.
    """
    there = [index for index, own in enumerate(drawn) if own]
    if not there:
        raise ValueError("no shape is drawn")
    between = VisemeMouths.of(chart).between
    return tuple(i if own else min(there, key=lambda j: float(between[i, j])) for i, own in enumerate(drawn))
