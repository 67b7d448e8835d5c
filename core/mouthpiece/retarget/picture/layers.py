"""Layers behind a picture's mouth and eyes: eyeballs, the picture's own mouth, teeth, tongue and a dark cavity.

Layers lie behind the skin; those of larger ``rank`` are farther back. Eyes and the picture's own mouth show the
picture, the others a small painting, divided as in :data:`ATLAS`.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from ..warp.warp import Points
from .contours import filled, strip
from .face import PictureFace
from .skin import Skin

#: Left, bottom, right and top of each layer in the painting, 0..1.
ATLAS: Final = {
    "cavity": (0.02, 0.52, 0.48, 0.98), "upper_teeth": (0.52, 0.77, 0.98, 0.98),
    "lower_teeth": (0.52, 0.52, 0.98, 0.73), "tongue": (0.02, 0.02, 0.98, 0.48),
}  # fmt: skip
#: Rows of an eye's vertices, as shares of the way from the iris' centre to the lids; beyond 1 the skin hides them.
_EYE_ROWS: Final = (0.35, 0.7, 1.0, 1.3)
#: Opening of a mouth at rest, in its widths, below which it is shut and above which it is open.
_SHUT, _OPEN = 0.05, 0.14
#: Number of columns of faces in teeth and tongue.
_COLUMNS: Final = 12
#: Landmarks of the lower lip's inside, which lower teeth and tongue follow. (Tracked chins slide and move half as far
#: as the jaw; lower teeth that followed them would come away from the lip.)
_LOWER_LIP: Final = (65, 66, 67)
#: Height of the upper gums behind the lip, in widths of the mouth: as far as a lip is ever raised.
_GUMS: Final = 0.2


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """A piece of mesh behind the skin.

    Attributes
    ----------
    name : str
        ``eye_R``, ``eye_L``, ``mouth``, ``upper_teeth``, ``lower_teeth``, ``tongue`` or ``cavity``.
    points : (V, 2) float64
        Vertices at rest, in the face's coordinates.
    faces : tuple of tuples of int
        Indices into them.
    follow : (V, 68) float64
        How much each landmark's displacement counts in each vertex's.
    painted : bool
        Whether it shows the painting and not the picture.
    texture : (V, 2) float64
        Texture places: in the picture, in the face's coordinates, or in the painting, 0..1 with y up.
    rank : int
        Order from front to back; larger is farther back.
    """

    name: str
    points: Points
    faces: tuple[tuple[int, ...], ...]
    follow: Points
    painted: bool
    texture: Points
    rank: int


def layers_of(face: PictureFace, skin: Skin, follow: Points) -> tuple[Layer, ...]:
    """Return the layers of a picture rig; ``follow`` (V, 68) are the landmarks' weights in the skin's vertices."""
    eyes = [eye_layer(face, skin, index) for index in (0, 1)]
    return (*eyes, own_mouth(skin), *teeth(skin), tongue(skin), cavity(skin, follow))


def eye_layer(face: PictureFace, skin: Skin, index: int) -> Layer:
    """Return an eyeball: the picture between the lids, and its rim continued behind them."""
    lids = skin.points[skin.eyes[index][0]]
    centre = np.clip(face.inward(face.irises[index : index + 1, :2])[0], lids.min(axis=0), lids.max(axis=0))
    rows = [centre + (lids - centre) * share for share in _EYE_ROWS]
    texture = [centre + (lids - centre) * min(share, 1.0) for share in _EYE_ROWS]
    count = len(lids)
    loops = [list(range(1 + k * count, 1 + (k + 1) * count)) for k in range(len(rows))]
    faces: list[tuple[int, ...]] = [(0, loops[0][k], loops[0][(k + 1) % count]) for k in range(count)]
    for first, second in pairwise(loops):
        faces += strip(first, second)
    points = np.concatenate([centre[None], *rows])
    name = ("eye_R", "eye_L")[index]
    still, places = np.zeros((len(points), 68)), np.concatenate([centre[None], *texture])
    return Layer(name, points, tuple(faces), still, False, places, 1)


def opening(skin: Skin) -> float:
    """Return how far a mouth is open at rest, in widths of the mouth."""
    inner = skin.points[skin.mouth[0]]
    half = len(inner) // 2
    width = float(np.linalg.norm(inner[half] - inner[0]))
    return float(np.abs(inner[half + 1 :][::-1] - inner[1:half])[:, 1].max()) / max(width, 1e-6)


def shutness(skin: Skin) -> float:
    """Return how far a mouth is shut at rest, from 0 (open) to 1 (shut)."""
    return float(1 - np.clip((opening(skin) - _SHUT) / (_OPEN - _SHUT), 0, 1))


def own_mouth(skin: Skin) -> Layer:
    """Return the picture between the lips as a layer, fixed to the head if the mouth is open, else to the upper lip."""
    inner = skin.points[skin.mouth[0]]
    follow = np.zeros((len(inner), 68))
    follow[:, 62] = shutness(skin)
    return Layer("mouth", inner, tuple(filled(range(len(inner)))), follow, False, inner, 1)


def _baseline(skin: Skin) -> tuple[Points, float]:
    """Return the line (columns + 1, 2) on which the rows of teeth meet, and the mouth's width."""
    inner = skin.points[skin.mouth[0]]
    half = len(inner) // 2
    upper = inner[: half + 1]
    width = float(np.linalg.norm(inner[half] - inner[0]))
    at = np.linspace(0.03, 0.97, _COLUMNS + 1) * half
    line = np.column_stack([np.interp(at, np.arange(half + 1), upper[:, k]) for k in range(2)])
    chord = np.column_stack([np.interp(at, [0, half], [inner[0, k], inner[half, k]]) for k in range(2)])
    # the row of teeth is straighter than the lips
    line[:, 1] = 0.5 * line[:, 1] + 0.5 * (chord[:, 1] + (line[:, 1] - chord[:, 1]).mean())
    return line, width


def _strip(name: str, top: Points, bottom: Points, follow: Points, rank: int) -> Layer:
    """Return a painted strip between two lines (N, 2)."""
    count = len(top)
    left, low, right, high = ATLAS[name]
    x = np.linspace(left, right, count)
    texture = np.concatenate([np.column_stack([x, np.full(count, high)]), np.column_stack([x, np.full(count, low)])])
    faces = tuple((k, count + k, count + k + 1, k + 1) for k in range(count - 1))
    rows = np.repeat(follow[None], 2 * count, axis=0)
    return Layer(name, np.concatenate([top, bottom]), faces, rows, True, texture, rank)


def _jaw(share: float) -> Points:
    follow = np.zeros(68)
    follow[list(_LOWER_LIP)] = share / len(_LOWER_LIP)
    return follow


def teeth(skin: Skin) -> tuple[Layer, Layer]:
    """Return the upper teeth, which stay with the head, and the lower teeth, which move with the jaw."""
    line, width = _baseline(skin)
    across = np.linspace(-1, 1, len(line))
    arch = (1 - 0.45 * across**2)[:, None]
    down = np.array([0.0, width])
    # a picture with an open mouth shows its own teeth: none are painted below them
    top, bottom = line - _GUMS * down, line + 0.1 * shutness(skin) * arch * down
    upper = _strip("upper_teeth", top, bottom, np.zeros(68), 2)
    inward = line * [0.86, 1] + [line[:, 0].mean() * 0.14, 0]
    lower = _strip("lower_teeth", inward + 0.02 * down, inward + 0.18 * down, _jaw(0.85), 3)
    return upper, lower


def tongue(skin: Skin) -> Layer:
    """Return the back of a tongue, which follows the jaw in part."""
    line, width = _baseline(skin)
    across = np.linspace(-1, 1, len(line))
    middle, down = line[:, 0].mean(), np.array([0.0, width])
    inward = line * [0.75, 1] + [0.25 * middle, 0]
    dome = np.sqrt(np.clip(1 - 0.95 * across**2, 0, 1))[:, None]
    return _strip("tongue", inward + (0.17 - 0.1 * dome) * down, inward + 0.42 * down, _jaw(0.75), 4)


def cavity(skin: Skin, follow: Points) -> Layer:
    """Return the dark cavity behind everything, which follows the lips and so fills the opening between them."""
    line = skin.mouth[1]
    points = skin.points[line]
    low, high = points.min(axis=0), np.maximum(points.max(axis=0), points.min(axis=0) + 1e-6)
    left, bottom, right, top = ATLAS["cavity"]
    share = (points - low) / (high - low)
    texture = np.column_stack([left + (right - left) * share[:, 0], top - (top - bottom) * share[:, 1]])
    return Layer("cavity", points, tuple(filled(range(len(points)))), follow[line], True, texture, 5)
