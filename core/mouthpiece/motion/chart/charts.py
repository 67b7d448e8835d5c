"""Mouth charts: sets of drawn mouths, and which visemes each mouth of a set stands for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ...errors import MouthpieceError, UnreadableError
from ...files import ASSETS
from ...files.json_text import read_json
from ...files.shipped_files import shipped_json
from .visemes import VISEMES, reading

Array = NDArray[np.float32]

#: Name of the chart used by default.
DEFAULT: Final = "rhubarb"
#: Most shapes a chart may have, and how well a shape must show a viseme to count as its mouth.
MOST_SHAPES: Final = 64
_OWN: Final = 0.75

_FILE: Final = ASSETS / "charts.json"
_SIL, _PP, _FF = 0, 1, 2
#: Visemes with the tongue at the teeth, and how well a shape drawn for nothing else must show one of them.
_LICKED: Final = {"TH", "DD", "nn"}
_SEEN: Final = 0.5


@dataclass(frozen=True, slots=True)
class Shape:
    """One mouth of a chart.

    Attributes
    ----------
    name : str
        Short name: ``A``, ``MBP`` …
    label : str
        A short description for people.
    visemes : mapping of str to float
        How well, 0 to 1, it shows each viseme it is drawn for; two visemes at 0.5 mean a mouth between the two.
    bias : float
        Cost of showing it at all; above 0 for shapes that are shown only when no other shape fits.
    """

    name: str
    label: str
    visemes: Mapping[str, float]
    bias: float = 0.0


@dataclass(frozen=True, slots=True)
class MouthChart:
    """A set of mouths.

    Attributes
    ----------
    name, label : str
        Its name in files, and its name for people.
    shapes : tuple of Shape
        Its mouths, in the order of the model sheet.
    """

    name: str
    label: str
    shapes: tuple[Shape, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The shapes' names."""
        return tuple(shape.name for shape in self.shapes)

    @property
    def rest(self) -> int:
        """Index of the shape that is the mouth at rest."""
        return int(self.affinities()[:, _SIL].argmax())

    @property
    def closed(self) -> tuple[int, ...]:
        """Indices of the shapes with lips that meet in speech; the mouth at rest if no shape is drawn for that."""
        return self._of(_PP) or (self.rest,)

    @property
    def bitten(self) -> tuple[int, ...]:
        """Indices of the shapes with the lower lip at the teeth; may be empty."""
        return self._of(_FF)

    def licked(self, viseme: str) -> tuple[int, ...]:
        """Return the indices of the shapes with the tongue at the teeth that show ``viseme`` (nn or TH) best."""
        alone = [set(shape.visemes) <= _LICKED for shape in self.shapes]
        values = np.where(alone, self.affinities()[:, VISEMES.index(viseme)], 0)
        best = float(values.max(initial=0.0))
        return tuple(int(index) for index in np.flatnonzero(values >= best)) if best >= _SEEN else ()

    def _of(self, viseme: int) -> tuple[int, ...]:
        return tuple(int(i) for i in np.flatnonzero(self.affinities()[:, viseme] >= _OWN))

    def affinities(self) -> Array:
        """Return how well, 0 to 1, each of the S shapes shows each viseme, (S, 15)."""
        found = np.zeros((len(self.shapes), len(VISEMES)), np.float32)
        for row, shape in enumerate(self.shapes):
            for viseme, value in shape.visemes.items():
                found[row, VISEMES.index(viseme)] = value
        return found

    def mouths(self) -> Array:
        """Return the measures (S, M) of each shape's mouth: the mean of its visemes' mouths, in units of the spread."""
        measured = reading()
        shares = self.affinities()
        shares /= shares.sum(axis=1, keepdims=True)
        mixed: Array = (shares @ (measured.prototypes / measured.spread)).astype(np.float32)
        return mixed

    def saved(self) -> dict[str, Any]:
        """Return the chart as JSON values, which :func:`chart_from` reads."""
        shapes = [
            {"name": s.name, "label": s.label, "visemes": dict(s.visemes)} | ({"bias": s.bias} if s.bias else {})
            for s in self.shapes
        ]
        return {"name": self.name, "label": self.label, "shapes": shapes}


def chart_from(saved: object) -> MouthChart:
    """Return the chart in ``saved``, the values of :meth:`MouthChart.saved`, after checking all of them.

    Raises
    ------
    MouthpieceError
        If it is not a chart: no shapes, a name twice, an unknown viseme, a number out of range.
    """
    if not isinstance(saved, dict) or not isinstance(saved.get("shapes"), list):
        raise MouthpieceError('A mouth chart is {"name": …, "shapes": [{"name": …, "visemes": {…}}, …]}.')
    name = str(saved.get("name") or "custom")
    shapes = tuple(_shape(entry, name) for entry in saved["shapes"])
    names = [shape.name for shape in shapes]
    if not 2 <= len(shapes) <= MOST_SHAPES:
        raise MouthpieceError(f"The mouth chart '{name}' has {len(shapes)} shapes; it must have 2 to {MOST_SHAPES}.")
    twice = sorted({each for each in names if names.count(each) > 1})
    if twice:
        raise MouthpieceError(f"The mouth chart '{name}' has several shapes called {', '.join(twice)}. Rename them.")
    return MouthChart(name, str(saved.get("label") or name), shapes)


def _shape(entry: object, chart: str) -> Shape:
    if not isinstance(entry, dict) or not isinstance(entry.get("visemes"), dict) or not entry.get("name"):
        raise MouthpieceError(f"A shape of the mouth chart '{chart}' has no name or no visemes.")
    name, visemes = str(entry["name"]), entry["visemes"]
    if any(letter.isspace() or not letter.isprintable() for letter in name):
        raise MouthpieceError(
            f"The shape '{name}' of the mouth chart '{chart}' has a space, or a character that cannot be seen, in its "
            "name. Take it out."
        )
    unknown = sorted(set(map(str, visemes)) - set(VISEMES))
    if unknown:
        raise MouthpieceError(
            f"The shape '{name}' of the mouth chart '{chart}' names unknown visemes: {', '.join(unknown)}. "
            f"There are: {', '.join(VISEMES)}."
        )
    values = [*visemes.values(), entry.get("bias", 0.0)]
    if not all(isinstance(v, int | float) and math.isfinite(v) for v in values) or not visemes:
        raise MouthpieceError(f"The shape '{name}' of the mouth chart '{chart}' has a viseme without a number.")
    if not all(0 < value <= 1 for value in visemes.values()) or not 0 <= values[-1] <= 10:
        raise MouthpieceError(f"The shape '{name}' of the mouth chart '{chart}' has a number that is not in 0 to 1.")
    return Shape(name, str(entry.get("label") or ""), {str(k): float(v) for k, v in visemes.items()}, float(values[-1]))


@cache
def charts() -> Mapping[str, MouthChart]:
    """Return the charts that come with Mouthpiece, by name."""
    found = [chart_from(entry) for entry in shipped_json(_FILE)]
    return {chart.name: chart for chart in found}


def named_chart(name: str) -> MouthChart:
    """Return the chart called ``name``, or the chart in the file ``name`` if that ends in ``.json``.

    Raises
    ------
    MouthpieceError
        If there is no such chart, or the file does not hold one.
    """
    if name.lower().endswith(".json"):
        return read_chart(Path(name))
    if name not in charts():
        raise MouthpieceError(
            f"There is no mouth chart '{name}'. There are {', '.join(charts())}; or name a .json file of your own."
        )
    return charts()[name]


def read_chart(path: Path) -> MouthChart:
    """Return the chart in the JSON file at ``path``.

    Raises
    ------
    MouthpieceError
        If it cannot be read or does not hold a chart.
    """
    try:
        saved = read_json(path)
    except UnreadableError as error:
        raise MouthpieceError(error.told(f"The mouth chart '{path}'", "cannot be used", "Save it again.")) from error
    return chart_from(saved)
