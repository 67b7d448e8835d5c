"""Two networks that find a face: one proposes where, one places 478 points on it and says how sure it is.

They are those of the MediaPipe Face Landmarker (``assets/LICENSES/NOTICE.md``). What they put out is decoded here and
nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ...models import registry
from ...models.session import Session
from ..draw.resample import Array, Picture, warp

#: Side in pixels of what the detector and the landmark network look at.
DETECTOR_SIZE: Final = 128
CROP_SIZE: Final = 256
#: Points the landmark network places; the last ten are the irises'.
MESH_COUNT: Final = 478
#: Side of the crop over the longer side of what it is to hold.
CROP_MARGIN: Final = 1.5
#: Outer eye corners among the 478, right then left of the person: they level the crop.
_EYES: Final = (33, 263)

#: Index of each iBUG-68 landmark among the 478 points, found by nearest agreement on tracked videos.
IBUG_68: Final = (
    162, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 389,
    71, 63, 105, 66, 107, 336, 296, 334, 293, 301,
    168, 197, 5, 4, 75, 97, 2, 326, 305,
    33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380,
    61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181,
    78, 82, 13, 312, 308, 317, 14, 87,
)  # fmt: skip
#: Five points of each iris among the 478, the one on the left of the picture first; the first of five is its centre.
IRISES: Final = tuple(range(468, 478))


@dataclass(frozen=True, slots=True)
class Crop:
    """A square of the picture: centre and side in pixels, turned by ``angle`` radians (clockwise as seen)."""

    x: float
    y: float
    side: float
    angle: float

    def matrix(self) -> NDArray[np.float64]:
        """Return the affine map (2, 3) from the landmark network's pixels to the picture's."""
        scale, half = self.side / CROP_SIZE, CROP_SIZE / 2
        c, s = np.cos(self.angle) * scale, np.sin(self.angle) * scale
        return np.array([[c, -s, self.x - half * (c - s)], [s, c, self.y - half * (s + c)]])


def crop_around(points: NDArray[np.floating]) -> Crop:
    """Return the crop that holds a face's 478 points, eyes level."""
    right, left = points[_EYES[0], :2], points[_EYES[1], :2]
    angle = float(np.arctan2(left[1] - right[1], left[0] - right[0]))
    level = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    turned = points[:, :2] @ level.T
    low, high = turned.min(axis=0), turned.max(axis=0)
    centre = level.T @ ((low + high) / 2)
    return Crop(float(centre[0]), float(centre[1]), CROP_MARGIN * float((high - low).max()), angle)


def _anchors() -> Array:
    """Return the detector's anchor centres (896, 2): two on each cell of 16 x 16, six on each of 8 x 8."""
    return np.array([
        [(x + 0.5) / cells, (y + 0.5) / cells]
        for cells, per_cell in ((16, 2), (8, 6))
        for y in range(cells)
        for x in range(cells)
        for _ in range(per_cell)
    ], np.float32)  # fmt: skip


def _sigmoid(x: NDArray[np.floating]) -> NDArray[np.floating]:
    share: NDArray[np.floating] = 1 / (1 + np.exp(-np.clip(x, -80, 80)))
    return share


class FaceNetworks:
    """The two networks, loaded."""

    def __init__(self, threads: int = 1) -> None:
        """Load both.

        Raises
        ------
        ModelError
            If one is missing or damaged, or ONNX Runtime is not installed.
        """
        self._detector: Session = registry.find("face_detector_128", kind="faces").open(threads)
        self._landmarker: Session = registry.find("face_landmarks_478", kind="landmarks").open(threads)
        self._anchors = _anchors()

    def propose(self, square: Array) -> tuple[Array, Array]:
        """Return scores (896,) and shapes (896, 8, 2) of what may be faces in a square (128, 128, 3) of 0..255.

        A shape is centre, size, right eye, left eye, nose, mouth and both ears, as shares of the square's side.
        """
        tensor = (square / np.float32(127.5) - 1).transpose(2, 0, 1)[None].astype(np.float32)
        outputs = self._detector({"t0": tensor})
        scores = _sigmoid(outputs["t174"][0, :, 0].astype(np.float32)).astype(np.float32)
        shapes = outputs["t175"][0].astype(np.float32).reshape(-1, 8, 2) / np.float32(DETECTOR_SIZE)
        shapes[:, [0, 2, 3, 4, 5, 6, 7]] += self._anchors[:, None]
        return scores, shapes

    def place(self, picture: Picture, crop: Crop) -> tuple[NDArray[np.float64], float]:
        """Return 478 points (x, y in pixels, z in the same scale) of the face in a crop, and its presence in 0..1."""
        matrix = crop.matrix()
        tensor = (warp(picture, matrix, CROP_SIZE) / np.float32(255)).transpose(2, 0, 1)[None]
        outputs = self._landmarker({"t0": tensor.astype(np.float32)})
        presence = float(_sigmoid(outputs["t472"].astype(float)).item())
        local = outputs["t473"].reshape(MESH_COUNT, 3).astype(float)
        flat = local[:, :2] @ matrix[:, :2].T + matrix[:, 2]
        return np.column_stack([flat, local[:, 2] * crop.side / CROP_SIZE]), presence


@lru_cache(maxsize=1)
def face_networks() -> FaceNetworks:
    """Return the networks, loaded at the first call and kept."""
    return FaceNetworks()
