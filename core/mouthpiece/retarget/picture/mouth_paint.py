"""Paints the inside of a mouth in the colours of a picture: a dark cavity, two rows of teeth, a tongue.

Colours are taken from the picture around lips and eyes, so that a grey or sepia picture gets a grey or sepia mouth.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..warp.warp import Points
from .face import PictureFace
from .keys import PictureRig
from .layers import ATLAS

#: Side of the painting in pixels.
SIZE: Final = 256
#: Brightness of the cavity relative to the lips, at its upper and its lower edge.
_DARK: Final = (0.17, 0.42)
_TEETH: Final = 8
#: Share of each row of teeth that is gums: the upper row (1) reaches far behind the lip.
_GUMS: Final = {1.0: 0.42, -1.0: 0.22}

Colours = NDArray[np.float64]
Brush = Callable[[Colours, Colours], Colours]


def mouth_painting(picture: NDArray[np.uint8], rig: PictureRig) -> NDArray[np.uint8]:
    """Return the painting (256, 256, 4), first row at the top, for a rig on ``picture`` (H, W, 3 or 4)."""
    lips, skin, white = palette(picture, rig)
    painting = np.zeros((SIZE, SIZE, 3))
    painting[:] = lips * _DARK[0]
    brushes = {
        "cavity": _cavity(lips), "tongue": _tongue(lips, skin), "upper_teeth": _row(white, lips, 1.0),
        "lower_teeth": _row(white * 0.86, lips, -1.0),
    }  # fmt: skip
    for name, paint in brushes.items():
        left, bottom, right, top = (round(edge * SIZE) for edge in ATLAS[name])
        # a few pixels beyond its rectangle as well, so that no other colour bleeds in at the rim
        y, x = np.arange(SIZE - top - 3, SIZE - bottom + 3), np.arange(left - 3, right + 3)
        down = np.clip((y - (SIZE - top)) / (top - bottom), 0, 1)[:, None]
        across = np.clip((x - left) / (right - left), 0, 1)[None]
        painting[np.ix_(y % SIZE, x % SIZE)] = paint(across, down)
    solid = np.full((SIZE, SIZE, 1), 255.0)
    return np.concatenate([np.clip(painting, 0, 1) * 255, solid], axis=2).round().astype(np.uint8)


def palette(picture: NDArray[np.uint8], rig: PictureRig) -> tuple[Colours, Colours, Colours]:
    """Return the colours (3,) of lips, skin and teeth, 0..1."""
    skin = rig.skin
    lips = np.median(_colours(picture, rig.face, skin.points[skin.mouth[1]]), axis=0)
    around = np.median(_colours(picture, rig.face, skin.points[skin.mouth[4]]), axis=0)
    eyes = np.concatenate([layer.points for layer in rig.layers if layer.name.startswith("eye")])
    bright = np.percentile(_colours(picture, rig.face, eyes).mean(axis=1), 92)
    light = float(np.percentile(picture[::8, ::8, :3].mean(axis=2), 97)) / 255
    level = float(np.clip(max(bright, 1.25 * around.mean() + 0.06, 0.58 * light, 0.35), 0, 0.97))
    tint = around / max(float(around.mean()), 1e-3)
    # teeth are paler than skin, in the same light
    return lips, around, np.clip(level * (0.68 + 0.32 * tint), 0, 1)


def _colours(picture: NDArray[np.uint8], face: PictureFace, points: Points) -> Colours:
    pixels = np.floor(face.outward(points)).astype(int)
    x = np.clip(pixels[:, 0], 0, picture.shape[1] - 1)
    y = np.clip(pixels[:, 1], 0, picture.shape[0] - 1)
    result: Colours = picture[y, x, :3] / 255.0
    return result


def _cavity(lips: Colours) -> Brush:
    def paint(across: Colours, down: Colours) -> Colours:
        light = _DARK[0] + (_DARK[1] - _DARK[0]) * down**1.5 * (1 - 0.5 * (2 * across - 1) ** 2)
        return light[..., None] * lips

    return paint


def _tongue(lips: Colours, skin: Colours) -> Brush:
    colour = 0.8 * lips + 0.2 * skin * (1.0, 0.7, 0.7)

    def paint(across: Colours, down: Colours) -> Colours:
        away = 2 * across - 1
        furrow = 1 - 0.18 * np.exp(-((away / 0.08) ** 2)) * np.clip(2 * down, 0, 1)
        light = 0.75 * (1 - 0.35 * away**2) * (1 - 0.25 * np.exp(-down / 0.12)) * furrow
        return light[..., None] * colour

    return paint


def _row(white: Colours, lips: Colours, side: float) -> Brush:
    """Return the function that paints a row of teeth; ``side`` is 1 for the upper row, with gums at the top, or -1."""

    def paint(across: Colours, down: Colours) -> Colours:
        away = 2 * across - 1
        from_gum = down if side > 0 else 1 - down
        # teeth look narrower and darker towards the sides, as the row is curved
        tooth = (0.5 + np.arcsin(np.clip(away, -1, 1)) / np.pi) * _TEETH
        gap = np.exp(-((((tooth + 0.5) % 1 - 0.5) / 0.07) ** 2)) * np.clip(3 * (from_gum - _GUMS[side]), 0, 1)
        light = (1 - 0.38 * away**2) * (1 - 0.16 * gap) * (1 - 0.25 * np.clip((from_gum - 0.85) / 0.15, 0, 1))
        gum = np.clip((_GUMS[side] - from_gum) / 0.1, 0, 1)[..., None]
        tooth_or_gum = light[..., None] * (white * (1 - gum) + 0.6 * lips * gum)
        # towards the corners the row recedes into the dark of the mouth
        deep = np.clip((np.abs(away) - 0.55) / 0.4, 0, 1)[..., None] + 0 * tooth_or_gum
        deep = deep * deep * (3 - 2 * deep)
        return tooth_or_gum * (1 - deep) + _DARK[0] * lips * deep

    return paint
