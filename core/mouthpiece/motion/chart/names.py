"""Which drawing is which mouth, told by names; and which mouth stands in for one that was not drawn."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from .charts import MouthChart
from .cues import VisemeMouths, shape_costs
from .visemes import VISEMES

#: What artists call mouths, as visemes; visemes' own names are known as well.
_ALIASES: Final[Mapping[str, str]] = {
    "rest": "sil", "neutral": "sil", "idle": "sil", "silence": "sil", "x": "sil", "n": "nn",
    "mbp": "PP", "closed": "PP", "close": "PP", "shut": "PP", "m": "PP", "p": "PP", "b": "PP",
    "fv": "FF", "f": "FF", "v": "FF", "bite": "FF",
    "l": "nn", "tongue": "TH", "d": "DD", "t": "DD", "k": "kk", "g": "kk",
    "ch": "CH", "sh": "CH", "j": "CH", "chj": "CH", "s": "SS", "z": "SS", "etc": "SS", "narrow": "SS", "r": "RR",
    "a": "aa", "ah": "aa", "ai": "aa", "wide": "aa", "open": "aa", "e": "E", "eh": "E", "ee": "ih", "i": "ih",
    "o": "oh", "round": "oh", "u": "ou", "oo": "ou", "w": "ou", "wq": "ou", "uh": "E", "pucker": "ou",
}  # fmt: skip
_VISEMES: Final[Mapping[str, str]] = {name.casefold(): name for name in VISEMES}
#: Blender's own ending of a copy's name.
_COPY: Final = re.compile(r"\.\d{3,}$")


def match_names(chart: MouthChart, names: Iterable[str]) -> dict[str, str]:
    """Return which of ``names`` is the drawing of each shape, as far as names tell.

    Names end in the shape's name (``mouth_A``, ``Mouth.MBP``, ``rhubarb-x``), or else in a viseme's (``viseme_PP``) or
    a word for one (``mouth closed``); of several that do, the first counts.
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
    return words[-1].casefold() if words else ""


def stand_ins(chart: MouthChart, drawn: Sequence[bool]) -> tuple[int, ...]:
    """Return which shape to show for each: itself where it is ``drawn``, else the drawn one that looks most like it.

    Raises
    ------
    ValueError
        If nothing is drawn: a programming error.
    """
    there = [index for index, own in enumerate(drawn) if own]
    if not there:
        raise ValueError("no shape is drawn")
    between = VisemeMouths.of(chart).between
    return tuple(i if own else min(there, key=lambda j: float(between[i, j])) for i, own in enumerate(drawn))
