"""A portrait warped: its mesh painted into a window of the picture, at the picture's own scale or another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ...retarget.picture.keys import PictureRig
from ...retarget.picture.layers import ATLAS
from ...retarget.picture.mouth_paint import mouth_painting
from ..portrait import Portrait, premultiplied, resized
from .motion import Puppet
from .painter import Indices, Mesh, Pixels, Texture
from .resample import shrink

#: What a pixel shows; from MOUTH on, something in the mouth: each thing there has a number of its own.
NOTHING, SKIN, EYE, MOUTH = 0, 1, 2, 3
#: Pixels of the painting's teeth for one of the mouth's width, at most: a finer painting would flicker.
_FINE: Final = 1.5


@dataclass(frozen=True, slots=True)
class PictureWindow:
    """A part of the picture: ``left`` and ``top`` in its pixels, ``scale`` window pixels for one of them, and size."""

    left: float
    top: float
    scale: float
    width: int
    height: int

    def pixels(self, points: NDArray[Any]) -> NDArray[np.float64]:
        """Return where points (..., 2) in pixels of the picture are in the window."""
        placed: NDArray[np.float64] = (np.asarray(points, np.float64) - (self.left, self.top)) * self.scale
        return placed


@dataclass(frozen=True, slots=True, eq=False)
class Painted:
    """A window painted: premultiplied RGBA (H, W, 4) uint8 and labels (H, W) uint8."""

    pixels: Pixels
    labels: NDArray[np.uint8]


class Warper:
    """Paints a portrait's mesh into a window."""

    def __init__(self, portrait: Portrait, puppet: Puppet, window: PictureWindow) -> None:
        """Prepare the texture (picture above, mouth painting below) and what is behind the mesh."""
        self.window = window
        rig = puppet.rig
        height, width = portrait.picture.shape[:2]
        scaled = resized(portrait.picture, max(1, round(height * window.scale)), max(1, round(width * window.scale)))
        scale = np.array([scaled.shape[1] / width, scaled.shape[0] / height])
        shown = premultiplied(scaled)
        painting = _painting(portrait, rig, window.scale)
        self._texture = Texture(_stacked(shown, painting))
        self._mesh = _mesh_of(rig, scale, scaled.shape[0], painting.shape[0], puppet)
        self._behind = _cut(shown, window)

    @property
    def source(self) -> NDArray[np.float32]:
        """What is in the window when nothing moves, red, green, blue over white (3, H, W), 0..1."""
        return colours(self._behind)

    def painted(self, vertices: NDArray[Any]) -> Painted:
        """Return the window with the mesh's vertices (V, 2) in pixels of the picture."""
        window = self.window
        seen = self._mesh.seen(window.pixels(vertices), window.width, window.height)
        pixels = self._behind.copy()
        labels = np.zeros(window.width * window.height, np.uint8)
        labels[seen.pixel] = seen.label
        # a pixel is one number, so that it is stored at once; later triangles go over earlier ones
        pixels.view(np.uint32).reshape(-1)[seen.pixel] = self._texture.read(seen.u, seen.v)
        painted = Painted(pixels, labels.reshape(window.height, window.width))
        _soften(painted.pixels, painted.labels)
        return painted


def colours(pixels: Pixels) -> NDArray[np.float32]:
    """Return premultiplied RGBA (H, W, 4) over white as planes (3, H, W), 0..1."""
    alpha = pixels[..., 3:].astype(np.float32)
    laid = (pixels[..., :3] + (255 - alpha)) * np.float32(1 / 255)
    return np.ascontiguousarray(laid.transpose(2, 0, 1))


def _painting(portrait: Portrait, rig: PictureRig, scale: float) -> Pixels:
    """Return the painting of the mouth's inside, not much finer than it will be seen."""
    painting = mouth_painting(portrait.picture, rig)
    inner = rig.skin.points[rig.skin.mouth[0]]
    wide = np.ptp(inner[:, 0]) * rig.face.unit * scale
    left, _, right, _ = ATLAS["upper_teeth"]
    factor = int((right - left) * painting.shape[1] / max(_FINE * wide, 1.0))
    small = shrink(painting, min(max(factor, 1), 8))
    return np.asarray(np.clip(small + np.float32(0.5), 0, 255), np.uint8)


def _stacked(picture: Pixels, painting: Pixels) -> Pixels:
    width = max(picture.shape[1], painting.shape[1])
    parts = [np.pad(part, ((0, 0), (0, width - part.shape[1]), (0, 0)), mode="edge") for part in (picture, painting)]
    return np.ascontiguousarray(np.concatenate(parts))


def _cut(picture: Pixels, window: PictureWindow) -> Pixels:
    """Return the window's part of a picture of its scale; beyond the picture its edge goes on."""
    left, top = round(window.left * window.scale), round(window.top * window.scale)
    rows = np.clip(np.arange(top, top + window.height), 0, picture.shape[0] - 1)
    columns = np.clip(np.arange(left, left + window.width), 0, picture.shape[1] - 1)
    return np.ascontiguousarray(picture[rows[:, None], columns])


def _mesh_of(rig: PictureRig, scale: NDArray[np.float64], below: int, painting: int, puppet: Puppet) -> Mesh:
    """Return the triangles that can move, the deepest layer first; the painting begins ``below`` in the texture."""
    places = [rig.face.outward(rig.skin.points) * scale]
    pieces: list[tuple[int, Indices, int]] = []
    start = len(rig.skin.points)
    for layer in rig.layers:
        if layer.painted:
            places.append(np.column_stack([layer.texture[:, 0], 1 - layer.texture[:, 1]]) * painting + [0, below])
        else:
            places.append(rig.face.outward(layer.texture) * scale)
        label = EYE if layer.name.startswith("eye") else MOUTH + len(pieces)
        pieces.append((layer.rank, start + _fans(layer.faces), label))
        start += len(layer.points)
    moving = puppet.moves
    skin = rig.skin.triangles[moving[rig.skin.triangles].any(axis=1)]
    # where lips press against each other, the upper one is seen
    lower = np.isin(skin, rig.skin.mouth[0][len(rig.skin.mouth[0]) // 2 + 1 :]).any(axis=1)
    pieces += [(0, skin[lower], SKIN), (0, skin[~lower], SKIN)]
    pieces.sort(key=lambda piece: -piece[0])
    labels = np.concatenate([np.full(len(rows), label) for _, rows, label in pieces])
    return Mesh(np.concatenate([rows for _, rows, _ in pieces]), np.concatenate(places), labels)


def _fans(faces: tuple[tuple[int, ...], ...]) -> Indices:
    return np.array([(row[0], row[k], row[k + 1]) for row in faces for k in range(1, len(row) - 1)], np.int64)


def _soften(pixels: Pixels, labels: NDArray[np.uint8]) -> None:
    """Blend pixels on either side of a line between parts with their neighbours, in place: lines without steps."""
    edge = np.zeros(labels.shape, bool)
    for axis in (0, 1):
        ahead = tuple(slice(1, None) if k == axis else slice(None) for k in (0, 1))
        back = tuple(slice(None, -1) if k == axis else slice(None) for k in (0, 1))
        differs = (labels[ahead] != labels[back]) & (labels[ahead] != NOTHING) & (labels[back] != NOTHING)
        edge[ahead] |= differs
        edge[back] |= differs
    edge[[0, -1]] = False
    edge[:, [0, -1]] = False
    y, x = np.nonzero(edge)
    total = 4 * pixels[y, x].astype(np.uint16)
    for row, column, weight in ((-1, 0, 2), (1, 0, 2), (0, -1, 2), (0, 1, 2),
                                (-1, -1, 1), (-1, 1, 1), (1, -1, 1), (1, 1, 1)):  # fmt: skip
        total += weight * pixels[y + row, x + column].astype(np.uint16)
    pixels[y, x] = (total + 8) >> 4
