"""A mouth's motion as a dozen named modes, which are shape keys of a picture rig, and their weights in a take.

The modes were measured on real mouths by ``training/tables/picture_modes.py``. Weights are found frame by frame, by
weighted least squares in closed form. Nothing here depends on a picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from ...curves import Curves, FrameGrid, sample
from ...files import ASSETS
from ...files.shipped_files import shipped_arrays
from ...topology import ARKIT_INDEX, INNER_LIPS, LIPS

if TYPE_CHECKING:
    from ...performance import Performance

Array = NDArray[np.float32]
Points = NDArray[np.float64]

_FILE: Final = ASSETS / "picture_modes.npz"

#: Motion at value 1 of a key: radians of a nod or turn, radians of a roll, eye distances of a shift, radians of a look.
TURN, ROLL, SHIFT, LOOK = 0.35, 0.2, 0.2, 0.4
#: Share of a lid's closure that ARKit's wide eye at 1 takes off.
_WIDE: Final = 0.25
#: Share of the head's shifts that is used: a picture's head sits on shoulders that do not move.
TIED: Final = 0.5
#: Weights in the fit, relative to an outer lip point: of an inner one, and of the gap between inner lips.
_INNER, _GAP = 1.5, 3.0
_PAIRS: Final = ((61, 67), (62, 66), (63, 65))

#: Keys besides the modes, and the layer of each.
SHUT: Final = "shut"
BROWS: Final = ("brow_up_L", "brow_up_R", "brow_down_L", "brow_down_R")
EYES: Final = ("blink_L", "blink_R", "gaze_x", "gaze_y")
HEAD: Final = ("turn_x", "turn_y", "roll", "shift_x", "shift_y")
#: Least and greatest value of each key's slider.
RANGES: Final = {
    **dict.fromkeys(BROWS, (0.0, 1.5)), **dict.fromkeys(("blink_L", "blink_R"), (-0.5, 1.0)), SHUT: (0.0, 1.0),
    "open": (-0.3, 2.0), **dict.fromkeys(("gaze_x", "gaze_y"), (-1.0, 1.0)), **dict.fromkeys(HEAD, (-1.5, 1.5)),
}  # fmt: skip
MODE_RANGE: Final = (-2.0, 2.0)


@dataclass(frozen=True, slots=True, eq=False)
class Modes:
    """Modes of a mouth's motion: ``moves`` (K, 68, 2) are displacements in eye distances, x right and y down."""

    names: tuple[str, ...]
    moves: Points

    def weights(self, offsets: NDArray[Any]) -> Points:
        """Return the weights (T, K) that fit displacements (T, 68, 2 or 3) of the landmarks best.

        Only the lips are fitted, and most closely the gap between them, so that a shut mouth stays shut.
        """
        rows = _rows(self.moves)
        wanted = _rows(np.asarray(offsets, np.float64)[..., :2])
        low, high = np.array([key_range(name) for name in self.names]).T
        found: Points = np.clip(wanted @ np.linalg.pinv(rows), low, high)
        return found

    def played(self, weights: NDArray[Any]) -> Points:
        """Return the displacements (T, 68, 2) that weights (T, K) make."""
        moved: Points = np.tensordot(np.asarray(weights, np.float64), self.moves, axes=1)
        return moved

    def error(self, offsets: NDArray[Any]) -> float:
        """Return the root mean square distance of lip points from where they should be, in eye distances."""
        off = (self.played(self.weights(offsets)) - np.asarray(offsets)[..., :2])[:, list(LIPS)]
        return float(np.sqrt((off**2).sum(axis=-1).mean())) if len(off) else 0.0


def _rows(moved: Points) -> Points:
    """Return the rows of the least-squares fit (T, R): coordinates of lips and gaps, each times its weight."""
    scale = np.ones(len(LIPS))
    scale[[LIPS.index(point) for point in INNER_LIPS]] = _INNER
    lips = moved[:, list(LIPS)] * scale[:, None]
    gaps = np.stack([moved[:, lower, 1] - moved[:, upper, 1] for upper, lower in _PAIRS], axis=1)
    return np.concatenate([lips.reshape(len(moved), -1), _GAP * gaps], axis=1)


@cache
def mouth_modes() -> Modes:
    """Return the modes that come with Mouthpiece."""
    stored = shipped_arrays(_FILE)
    moves = stored["modes"].astype(np.float64)
    names = tuple(str(name) for name in stored["names"])
    moves.setflags(write=False)
    return Modes(names, moves)


def part_of_key(name: str) -> str:
    """Return the part of a face that a key moves: brows, lids, gaze, head, or the mouth for all others."""
    if name in EYES:
        return "lids" if name.startswith("blink") else "gaze"
    return "brows" if name in BROWS else "head" if name in HEAD else "mouth"


def key_names() -> tuple[str, ...]:
    """Return the names of a picture rig's shape keys, in order."""
    return (SHUT, *mouth_modes().names, *EYES, *BROWS, *HEAD)


def key_range(name: str) -> tuple[float, float]:
    """Return the least and greatest value of a key's slider."""
    return RANGES.get(name, MODE_RANGE)


def layer_of(name: str) -> str:
    """Return the layer a key belongs to: "lips", "expression", "eyes" or "head"."""
    for names, layer in ((BROWS, "expression"), (EYES, "eyes"), (HEAD, "head")):
        if name in names:
            return layer
    return "lips"


@dataclass(frozen=True, slots=True)
class Played:
    """Curves of a picture rig's keys for a take, frames clamped for each key, and the lips' error in eye distances."""

    curves: Curves
    clamped: dict[str, int]
    lip_error: float


def picture_curves(performance: Performance, grid: FrameGrid, strength: float = 1.0) -> Played:
    """Return the values of every key of a picture rig.

    Parameters
    ----------
    performance : Performance
        The take with style and dials applied (:meth:`Performance.final`).
    grid : FrameGrid
        Frames to be keyed; values between the take's own frames are interpolated.
    strength : float
        Factor on all motion; shut lips stay shut at any factor.
    """
    modes = mouth_modes()
    offsets = (performance.landmarks - performance.neutral) * strength
    shut = np.ones((len(performance), 1))
    tracks: list[NDArray[Any]] = [shut, modes.weights(offsets), *_upper(performance, strength)]
    sampled = sample(np.concatenate(tracks, axis=1).astype(np.float32), performance.fps, grid.times)
    names = key_names()
    low, high = np.array([key_range(name) for name in names], np.float32).T
    beyond = ((sampled < low - 1e-4) | (sampled > high + 1e-4)).sum(axis=0)
    clamped = {name: int(count) for name, count in zip(names, beyond, strict=True) if count}
    values = np.clip(sampled, low, high).astype(np.float32)
    return Played(Curves(names, grid.frames, values), clamped, modes.error(offsets))


def _upper(performance: Performance, strength: float) -> list[Array]:
    """Return the values of the keys of eyes, brows and head, (T, …) each."""
    lids = lids_of(performance.arkit, performance.blink)
    up, down = brows_of(performance.arkit)
    pitch, yaw, roll, x, y, _ = performance.head.T * np.float32(strength)
    x, y = TIED * x, TIED * y
    head = np.stack([yaw / TURN, pitch / TURN, roll / ROLL, x / SHIFT, y / SHIFT], axis=1)
    # a blink shuts the eye at any strength; all else of the upper face is scaled by it
    brows = strength * np.concatenate([up, down], axis=1)
    return [lids, performance.gaze / LOOK, brows, head]


def lids_of(arkit: NDArray[Any], blink: NDArray[Any]) -> NDArray[Any]:
    """Return how far left and right lid are shut (below 0: wide), (T, 2), from ``arkit`` (T, 52), ``blink`` (T, 2)."""
    wide = np.stack([arkit[:, ARKIT_INDEX[f"eyeWide{side}"]] for side in ("Left", "Right")], axis=1)
    lids: NDArray[Any] = blink - _WIDE * wide * (1 - blink)
    return lids


def brows_of(arkit: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return how far the person's left and right brow are up, and down, each (T, 2) in 0..1, from ``arkit`` (T, 52)."""
    sides, inner = ("Left", "Right"), arkit[:, ARKIT_INDEX["browInnerUp"]]
    up = [np.maximum(inner, 0.5 * (inner + arkit[:, ARKIT_INDEX[f"browOuterUp{side}"]])) for side in sides]
    down = [arkit[:, ARKIT_INDEX[f"browDown{side}"]] for side in sides]
    return np.stack(up, axis=1), np.stack(down, axis=1)
