"""Tracking a face in a video: 68 landmarks, irises, ARKit weights and head pose, frame by frame.

The core finds the face (``mouthpiece.portrait.find.faces``); once found, the next frame is cropped around the last
landmarks, and the whole frame is searched again only when the face is lost. A third network of the MediaPipe Face
Landmarker (see ``assets/NOTICE.md``) computes ARKit weights from the points. Tracks are not filtered over time; those
who use them do that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from mouthpiece.models.session import open_session
from mouthpiece.portrait.find.faces import PRESENCE, find_faces
from mouthpiece.portrait.find.networks import IBUG_68, IRISES, Crop, crop_around, face_networks
from mouthpiece.topology import RIGID
from numpy.typing import NDArray

from ..paths import TRACKER_ASSETS
from .geometry import AVERAGE_RIGID, similarity

Image = NDArray[np.uint8]
Points = NDArray[np.float64]

#: Points that are the input of the blendshape network.
BLENDSHAPE_POINTS = (
    0, 1, 4, 5, 6, 7, 8, 10, 13, 14, 17, 21, 33, 37, 39, 40, 46, 52, 53, 54, 55, 58, 61, 63, 65, 66, 67, 70, 78, 80,
    81, 82, 84, 87, 88, 91, 93, 95, 103, 105, 107, 109, 127, 132, 133, 136, 144, 145, 146, 148, 149, 150, 152, 153, 154,
    155, 157, 158, 159, 160, 161, 162, 163, 168, 172, 173, 176, 178, 181, 185, 191, 195, 197, 234, 246, 249, 251, 263,
    267, 269, 270, 276, 282, 283, 284, 285, 288, 291, 293, 295, 296, 297, 300, 308, 310, 311, 312, 314, 317, 318, 321,
    323, 324, 332, 334, 336, 338, 356, 361, 362, 365, 373, 374, 375, 377, 378, 379, 380, 381, 382, 384, 385, 386, 387,
    388, 389, 390, 397, 398, 400, 402, 405, 409, 415, 454, 466, 468, 469, 470, 471, 472, 473, 474, 475, 476, 477,
)  # fmt: skip

#: Distance of the outer eye corners, in centimetres, of the face that pose matrices refer to.
EYE_DISTANCE_CM = 8.9
#: Vertical field of view, in radians, assumed to compute a face's distance from its size.
FIELD_OF_VIEW = np.radians(63.0)


@dataclass(frozen=True, slots=True, eq=False)
class TrackedFace:
    """The face in one frame: 478 points (x, y in pixels, z in the same scale, smaller is nearer), 52 blendshapes."""

    points: Points
    blendshapes: NDArray[np.float32]

    @property
    def landmarks(self) -> Points:
        """Return the landmarks (68, 3)."""
        return self.points[list(IBUG_68)]

    @property
    def iris(self) -> Points:
        """Return five points of each iris (10, 3), first of the iris on the left of the picture."""
        return self.points[list(IRISES)]


class FaceTracker:
    """Follows the most prominent face of a video."""

    def __init__(self) -> None:
        """Load the three networks."""
        self._networks = face_networks()
        self._blendshaper = open_session(TRACKER_ASSETS / "face_blendshapes_52.onnx")

    def follow(self, frames: Iterable[Image]) -> Iterator[TrackedFace | None]:
        """Yield the face of each RGB frame (H, W, 3), or None where there is none."""
        last: Points | None = None
        for frame in frames:
            points = self._points(frame, crop_around(last)) if last is not None else None
            last = points if points is not None else self.find(frame)
            yield None if last is None else TrackedFace(last, self._weights(last))

    def find(self, frame: Image) -> Points | None:
        """Return the 478 points of the most prominent face of a single frame, or None."""
        faces = find_faces(frame)
        return faces[0].mesh.astype(np.float64) if faces else None

    def _points(self, frame: Image, crop: Crop) -> Points | None:
        points, presence = self._networks.place(frame, crop)
        return points if presence >= PRESENCE else None

    def _weights(self, points: Points) -> NDArray[np.float32]:
        flat = points[list(BLENDSHAPE_POINTS), :2].astype(np.float32)[None]
        (weights,) = self._blendshaper({"t0": flat}).values()
        return weights.reshape(-1).astype(np.float32)


def head_pose(landmarks: Points, size: tuple[int, int]) -> NDArray[np.float32]:
    """Return the matrices (T, 4, 4) from an average face to the camera, in centimetres, x right, y up, z to the viewer.

    ``landmarks`` (T, 68, 3) in pixels of a picture of ``size`` (width, height). The rotation is that of the rigid
    points; the distance follows from the face's size, with an assumed field of view.
    """
    rigid = landmarks[:, list(RIGID)]
    scale, rotation, shift = similarity(np.repeat(AVERAGE_RIGID[None], len(rigid), axis=0), rigid)
    flip = np.diag([1.0, -1.0, -1.0])
    focal = 0.5 * size[1] / np.tan(FIELD_OF_VIEW / 2)
    distance = focal * EYE_DISTANCE_CM / np.maximum(scale, 1e-6)
    pose = np.zeros((len(landmarks), 4, 4), np.float32)
    pose[:, :3, :3] = flip @ rotation @ flip
    pose[:, 0, 3] = (shift[:, 0] - size[0] / 2) / focal * distance
    pose[:, 1, 3] = -(shift[:, 1] - size[1] / 2) / focal * distance
    pose[:, 2, 3] = -distance
    pose[:, 3, 3] = 1
    return pose
