"""Which frames of a line say most about a face: lips closed, wide open, rounded, a blink, a turn of the head."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from mouthpiece.performance import Performance
from mouthpiece.topology import (
    ARKIT_INDEX,
    INNER_LIP_BOTTOM,
    INNER_LIP_TOP,
    MOUTH_LEFT_CORNER,
    MOUTH_RIGHT_CORNER,
)
from numpy.typing import NDArray

#: Seconds between two frames of a sheet, at least: nearer ones would look alike.
APART = 0.12


@dataclass(frozen=True, slots=True)
class Moment:
    """A frame worth looking at: its second in the performance, and what is to be seen."""

    second: float
    words: str


def measures(take: Performance) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Yield what may be seen and how much of it each frame shows (T,), the most telling first; -inf: none at all."""
    marks, shape = take.landmarks, take.arkit
    gap = marks[:, INNER_LIP_BOTTOM, 1] - marks[:, INNER_LIP_TOP, 1]
    width = np.linalg.norm(marks[:, MOUTH_LEFT_CORNER, :2] - marks[:, MOUTH_RIGHT_CORNER, :2], axis=1)
    spoken = np.where(take.activity > 0.5, np.float32(0), np.float32(-np.inf))
    brows = shape[:, [ARKIT_INDEX[name] for name in ("browInnerUp", "browOuterUpLeft", "browOuterUpRight")]]
    yield "wide open", gap
    yield "lips closed", spoken - gap
    yield "rounded", shape[:, ARKIT_INDEX["mouthPucker"]] + shape[:, ARKIT_INDEX["mouthFunnel"]] + 0 * gap
    yield "blink", take.blink.mean(axis=1)
    yield "spread", spoken + width
    yield "head turned", np.linalg.norm(take.head[:, :3], axis=1)
    yield "brows up", brows.mean(axis=1)
    yield "silence", np.where(take.activity < 0.3, -gap, np.float32(-np.inf))


def telling(take: Performance, count: int) -> list[Moment]:
    """Return ``count`` moments in order of time (fewer if the line is shorter than they would lie apart).

    ``take`` is as it is seen (``Performance.final()``). Beyond what ``measures`` knows, the largest gaps are filled.
    """
    seconds = np.arange(len(take)) / take.fps
    free = np.ones(len(take), bool)
    found: list[Moment] = []
    for words, amount in measures(take):
        shown = np.where(free, amount, -np.inf)
        if len(found) < count and np.isfinite(shown).any():
            found.append(Moment(float(seconds[int(shown.argmax())]), words))
            free &= np.abs(seconds - found[-1].second) >= APART
    while len(found) < count and free.any():
        taken = np.array([moment.second for moment in found])
        lonely = np.where(free, np.abs(seconds[:, None] - taken).min(axis=1), -np.inf)
        found.append(Moment(float(seconds[int(lonely.argmax())]), "between"))
        free &= np.abs(seconds - found[-1].second) >= APART
    return sorted(found, key=lambda moment: moment.second)
