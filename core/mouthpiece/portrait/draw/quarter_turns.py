"""Portraits whose head lies on its side or upside down, turned by quarters."""

from __future__ import annotations

import numpy as np

from ...retarget.picture.face import PictureFace
from ..portrait import Portrait


def quarters_of(face: PictureFace) -> int:
    """Return how many quarter turns against the clock bring a face nearest to upright, 0 to 3."""
    across = face.landmarks[45, :2] - face.landmarks[36, :2]
    return int(np.rint(np.arctan2(across[1], across[0]) / (np.pi / 2))) % 4


def upright(portrait: Portrait, quarters: int) -> Portrait:
    """Return a portrait turned by so many quarters against the clock, as ``np.rot90`` turns a picture."""
    for _ in range(quarters % 4):
        face, width = portrait.face, portrait.face.width
        landmarks, irises = face.landmarks.copy(), face.irises.copy()
        for points in (landmarks, irises):
            points[:, 0], points[:, 1] = points[:, 1].copy(), width - points[:, 0]
        turned = np.ascontiguousarray(np.rot90(portrait.picture))
        portrait = Portrait(turned, PictureFace(face.height, width, landmarks, irises))
    return portrait
