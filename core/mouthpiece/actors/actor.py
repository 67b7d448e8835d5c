"""How one actor's mouth moves where the average speaker's moves so: a linear map of four measures, kept as a file.

The measures are how far the lips part, how far the jaw drops, how wide the mouth is, and how high its corners are. The
map changes them in a take's landmarks and ARKit weights alike; lips that meet still meet.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..errors import ActorError, UnreadableError
from ..files.json_text import number_in, read_json, row_of, rows_of, text_in, whole_in
from ..files.writer import write_whole
from ..motion import closures
from ..motion.shapes import landmark_shapes, weights_of
from ..styles import Style
from ..topology import MOUTH_LEFT_CORNER, MOUTH_RIGHT_CORNER

Array = NDArray[np.float32]

#: Format number of the file, and its largest size in bytes.
FORMAT: Final = 1
_LARGEST: Final = 1 << 16
#: Names of the measures, in the order of rows and columns of a map.
MEASURED: Final = ("opening", "jaw", "width", "corners")
#: Largest number in a map, and of what is added, in eye distances.
STEEPEST: Final = 4.0
FARTHEST: Final = 0.3
_CHIN: Final = 8
#: ARKit weights that move each measure, as far as one of them can be moved alone; negative ones close or narrow.
_MOVES: Final = (
    {"mouthLowerDown": 1.0, "mouthUpperUp": 0.5},
    {"jawOpen": 1.0},
    {"mouthStretch": 1.0, "mouthPucker": -0.5},
    {"mouthSmile": 1.0, "mouthFrown": -0.5},
)


@dataclass(frozen=True, slots=True)
class Actor:
    """An actor's way of moving.

    Attributes
    ----------
    name : str
        What the actor is called.
    gains : tuple of four tuples of four floats
        Row ``i`` says how much of each average measure the actor's measure ``i`` has: ones on the diagonal and zeros
        elsewhere change nothing.
    rest : tuple of four floats
        What is added to each measure, in eye distances.
    amplitude, brows : float
        Natural logarithms of the factors on the motion of head and brows, as :class:`~mouthpiece.styles.Style` has
        them.
    """

    name: str = "actor"
    gains: tuple[tuple[float, ...], ...] = ((1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1))
    rest: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0)
    amplitude: float = 0.0
    brows: float = 0.0

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises
        ------
        ActorError
            If there are too few or too many, or one is out of range.
        """
        count = len(MEASURED)
        if len(self.gains) != count or any(len(row) != count for row in self.gains) or len(self.rest) != count:
            raise ActorError(f"The actor '{self.name}' has not {count} measures. Fit it again.")
        for values, most in ((self.gains, STEEPEST), ((self.rest,), FARTHEST), (((self.amplitude, self.brows),), 3.0)):
            if not np.isfinite(values).all() or np.abs(values).max() > most:
                raise ActorError(f"The actor '{self.name}' holds a number beyond {most:g}. Fit it again.")

    @property
    def style(self) -> Style:
        """The manner of head and brows; of the mouth, the map knows more than a style."""
        return Style(self.name, amplitude=self.amplitude, brows=self.brows)

    def saved(self) -> dict[str, Any]:
        """Return it as it is stored, fit for JSON."""
        return {
            "format": FORMAT,
            "name": self.name,
            "measures": list(MEASURED),
            "gains": [list(row) for row in self.gains],
            "rest": list(self.rest),
            "amplitude": self.amplitude,
            "brows": self.brows,
        }

    def save(self, path: Path) -> None:
        """Write the actor's file, whole or not at all; raises OSError if that fails."""
        import json

        write_whole(path, json.dumps(self.saved(), indent=1) + "\n")


def read_actor(path: Path) -> Actor:
    """Return the actor in a file that :meth:`Actor.save` wrote.

    Raises
    ------
    ActorError
        If it cannot be read, is none, or was written by a newer version.
    """
    try:
        row = row_of(read_json(path, _LARGEST))
        if whole_in(row, "format") > FORMAT:
            raise ActorError(f"'{path}' is of a newer Mouthpiece. Update it, or fit the actor again.")
        if rows_of(row.get("measures"), "'measures'") != list(MEASURED):
            raise UnreadableError("it has other measures")
        return Actor(
            text_in(row, "name"),
            tuple(_numbers(item) for item in rows_of(row.get("gains"), "'gains'")),
            _numbers(row.get("rest")),
            number_in(row, "amplitude"),
            number_in(row, "brows"),
        )
    except UnreadableError as error:
        advice = "Choose a file that 'Fit to Actor' or 'mouthpiece fit' wrote."
        raise ActorError(error.told(f"'{path}'", "is no actor", advice)) from error


def _numbers(value: object) -> tuple[float, ...]:
    found = rows_of(value)
    return tuple(number_in({"number": item}, "number") for item in found)


def measures(offsets: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Return the measures (T, 4) of displacements (T, 68, 3) from rest, in eye distances."""
    moved = np.asarray(offsets, np.float64)
    left, right = moved[:, MOUTH_LEFT_CORNER], moved[:, MOUTH_RIGHT_CORNER]
    return np.stack(
        [
            closures.gaps(moved).mean(axis=1),
            moved[:, _CHIN, 1],
            left[:, 0] - right[:, 0],
            -(left[:, 1] + right[:, 1]) / 2,
        ],
        axis=1,
    )


def play(actor: Actor, offsets: Array, arkit: Array) -> None:
    """Move displacements from rest ``offsets`` (T, 68, 3) and weights ``arkit`` (T, 52) as the actor does, in place."""
    contact, apart = closures.contact(offsets), closures.gaps(offsets)
    parting = arkit[:, closures.PARTING].copy()
    had = measures(offsets)
    change = had @ (np.array(actor.gains, np.float64) - np.eye(len(MEASURED))).T + np.array(actor.rest)
    moves = (change @ _inverse().T).astype(np.float32)
    points, weights = _moves()
    offsets += np.einsum("tm,mpd->tpd", moves, points)
    arkit += moves @ weights
    np.clip(arkit, 0, 1, out=arkit)
    closures.hold(offsets, apart, contact)
    # no map lets lips cross farther than they did
    closures.hold(offsets, np.maximum(closures.gaps(offsets), np.minimum(apart, 0)), np.ones_like(contact))
    kept = contact[:, None]
    arkit[:, closures.PARTING] = kept * parting + (1 - kept) * arkit[:, closures.PARTING]


@cache
def _moves() -> tuple[Array, Array]:
    """Return what each move displaces (4, 68, 3), and its weights (4, 52)."""
    weights = np.stack([weights_of(move) for move in _MOVES])
    return np.tensordot(weights, landmark_shapes(), axes=1).astype(np.float32), weights


@cache
def _inverse() -> NDArray[np.float64]:
    """Return how much of each move changes each measure by one, (4 moves, 4 measures)."""
    return np.asarray(np.linalg.inv(measures(_moves()[0]).T), np.float64)
