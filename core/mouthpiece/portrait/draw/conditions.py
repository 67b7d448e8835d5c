"""What a generator is told about a frame: the warped crop, the portrait's own, lines of the face, and masks.

A generator sees a square of :data:`SIZE` pixels that holds the head, as the crops it was trained on do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ...topology import JAW, LEFT_BROW, LEFT_EYE, NOSE, RIGHT_BROW, RIGHT_EYE
from .motion import Puppet
from .painter import filled, strokes
from .warp import EYE, MOUTH, Painted, PictureWindow, colours

Planes = NDArray[np.float32]

SIZE: Final = 256
#: Side of the square, in sides of the square box of landmarks; where their middle is, from its top.
_SIDE, _MIDDLE = 1.75, 0.53
#: Width of the lines, in pixels.
_LINE: Final = 1.6
#: Middle and radii of the oval a generator may change, in eye distances; and where it fades, in radii.
OVAL_CENTRE, OVAL_RADII, _FADE = (0.0, 0.42), (0.92, 1.2), (0.72, 1.0)


@dataclass(frozen=True, slots=True, eq=False)
class Conditions:
    """Input of a generator for one frame; planes (C, 256, 256) float32 in 0..1.

    Attributes
    ----------
    warped, source : (3, 256, 256)
        The warped portrait and the portrait itself, red, green, blue over white.
    lines : (3, 256, 256)
        Lips; lids and irises; jaw, brows and nose.
    masks : (2, 256, 256)
        What shows the inside of the mouth, and eyes.
    oval : (1, 256, 256)
        How far the generator may change a pixel.
    """

    warped: Planes
    source: Planes
    lines: Planes
    masks: Planes
    oval: Planes


def window_of(landmarks: NDArray[Any]) -> PictureWindow:
    """Return the generator's window on a face with ``landmarks`` (68, 2 or 3) in pixels."""
    flat = np.asarray(landmarks, np.float64)[:, :2]
    low, high = flat.min(axis=0), flat.max(axis=0)
    side = _SIDE * float((high - low).max())
    middle = (low + high) / 2
    return PictureWindow(middle[0] - side / 2, middle[1] - _MIDDLE * side, SIZE / side, SIZE, SIZE)


def conditions_of(
    painted: Painted, source: Planes, puppet: Puppet, vertices: NDArray[Any], landmarks: NDArray[Any]
) -> Conditions:
    """Return the conditions of a frame; ``vertices`` (V, 2) and ``landmarks`` (68, 2) are in the window's pixels."""
    labels = painted.labels
    masks = np.stack([labels >= MOUTH, labels == EYE]).astype(np.float32)
    return Conditions(
        colours(painted.pixels), source, lines_of(puppet, vertices, landmarks), masks, oval_of(landmarks)[None]
    )


def lines_of(puppet: Puppet, vertices: NDArray[Any], landmarks: NDArray[Any]) -> Planes:
    """Return lips, eyes and face drawn as lines (3, 256, 256), 0 or 1."""
    skin, layers = puppet.rig.skin, puppet.rig.layers
    lips = [_closed(vertices[line]) for line in (skin.mouth[0], skin.mouth[2])]
    eyes, start = [_closed(vertices[eye[0]]) for eye in skin.eyes], len(skin.points)
    turn = np.linspace(0, 2 * np.pi, 13)
    circle = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    for index, layer in enumerate(layers[:2]):
        lids = vertices[skin.eyes[index][0]]
        radius = puppet.face.irises[index, 2] / puppet.face.unit * np.linalg.norm(landmarks[45] - landmarks[36])
        iris = vertices[start] + radius * circle
        # an iris is seen between the lids only
        eyes.append(np.clip(iris, lids.min(axis=0), lids.max(axis=0)))
        start += len(layer.points)
    face = [landmarks[list(part)] for part in (JAW, RIGHT_BROW, LEFT_BROW, NOSE[:4], NOSE[4:])]
    return np.stack([_drawn(part) for part in (lips, eyes, face)]).astype(np.float32)


def _closed(line: NDArray[Any]) -> NDArray[Any]:
    return np.concatenate([line, line[:1]])


def _drawn(lines: Sequence[NDArray[Any]]) -> NDArray[np.bool_]:
    points, triangles = strokes(list(lines), _LINE)
    return filled(points, triangles, SIZE)


def oval_of(landmarks: NDArray[Any], size: int = SIZE) -> Planes:
    """Return how far each pixel (size, size) belongs to the face with ``landmarks`` (68, 2), fading to its rim."""
    eyes = landmarks[[*RIGHT_EYE, *LEFT_EYE]].mean(axis=0)
    across = landmarks[45] - landmarks[36]
    # the height of a face is told by its nose: a turned face gets narrower, not shorter
    down = landmarks[33] - landmarks[27]
    unit = max(float(np.linalg.norm(across)), 2.0 * float(np.linalg.norm(down)))
    side = across / max(float(np.linalg.norm(across)), 1e-9)
    centre = eyes + unit * (OVAL_CENTRE[0] * side + OVAL_CENTRE[1] * np.array([-side[1], side[0]]))
    steps = np.arange(size, dtype=np.float32) + 0.5
    x, y = steps[None] - np.float32(centre[0]), steps[:, None] - np.float32(centre[1])
    c, s = np.float32(side[0] / unit), np.float32(side[1] / unit)
    far = np.sqrt(((x * c + y * s) / OVAL_RADII[0]) ** 2 + ((y * c - x * s) / OVAL_RADII[1]) ** 2)
    t = np.clip((far - _FADE[0]) / (_FADE[1] - _FADE[0]), 0, 1)
    return np.asarray(1 - t * t * (3 - 2 * t), np.float32)
