"""A face in a video: 68 landmarks, irises, ARKit weights and head pose, frame by frame.

Three networks of the MediaPipe Face Landmarker (see ``assets/NOTICE.md``) run in ONNX Runtime. A detector finds the
face; once found, the next frame is cropped around the last landmarks, and the detector is asked again only when the
face is lost. Nothing is filtered over time: that is the business of whoever uses the tracks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from mouthpiece.models.session import open_session
from mouthpiece.topology import RIGID
from numpy.typing import NDArray

from .geometry import AVERAGE_RIGID, similarity

Image = NDArray[np.uint8]
Points = NDArray[np.float64]

ASSETS = Path(__file__).resolve().parent / "assets"

#: Index of each iBUG-68 landmark among the 478 points, found by nearest agreement on tracked videos.
IBUG_68 = (
    162, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 389,
    71, 63, 105, 66, 107, 336, 296, 334, 293, 301,
    168, 197, 5, 4, 75, 97, 2, 326, 305,
    33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380,
    61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181,
    78, 82, 13, 312, 308, 317, 14, 87,
)  # fmt: skip
IRISES = tuple(range(468, 478))
#: Points the blendshape network looks at.
BLENDSHAPE_POINTS = (
    0, 1, 4, 5, 6, 7, 8, 10, 13, 14, 17, 21, 33, 37, 39, 40, 46, 52, 53, 54, 55, 58, 61, 63, 65, 66, 67, 70, 78, 80,
    81, 82, 84, 87, 88, 91, 93, 95, 103, 105, 107, 109, 127, 132, 133, 136, 144, 145, 146, 148, 149, 150, 152, 153, 154,
    155, 157, 158, 159, 160, 161, 162, 163, 168, 172, 173, 176, 178, 181, 185, 191, 195, 197, 234, 246, 249, 251, 263,
    267, 269, 270, 276, 282, 283, 284, 285, 288, 291, 293, 295, 296, 297, 300, 308, 310, 311, 312, 314, 317, 318, 321,
    323, 324, 332, 334, 336, 338, 356, 361, 362, 365, 373, 374, 375, 377, 378, 379, 380, 381, 382, 384, 385, 386, 387,
    388, 389, 390, 397, 398, 400, 402, 405, 409, 415, 454, 466, 468, 469, 470, 471, 472, 473, 474, 475, 476, 477,
)  # fmt: skip
#: Outer eye corners among the 478: they level the crop.
_EYE_RIGHT, _EYE_LEFT = 33, 263

DETECTOR_SIZE, CROP_SIZE = 128, 256
#: Side of the crop over the longer side of what it is to hold.
CROP_MARGIN = 1.5
#: Least detector score for a face, and least presence for its landmarks to be believed.
DETECTION_SCORE, PRESENCE = 0.3, 0.5
#: Overlapping detections with at least this share of the best score are averaged.
_BLEND_SHARE = 0.6

#: What the distance of the outer eye corners measures, in centimetres, on the face pose matrices refer to.
EYE_DISTANCE_CM = 8.9
#: Vertical field of view in radians assumed when the face's distance is read off its size.
FIELD_OF_VIEW = np.radians(63.0)


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """What one frame shows: all 478 ``points`` (x, y in pixels, z in the same scale, smaller is nearer)."""

    points: Points
    blendshapes: NDArray[np.float32]

    @property
    def landmarks(self) -> Points:
        """The 68 landmarks (68, 3)."""
        return self.points[list(IBUG_68)]

    @property
    def iris(self) -> Points:
        """Five points of each iris (10, 3), the one on the left of the picture first."""
        return self.points[list(IRISES)]


@dataclass(frozen=True, slots=True)
class _Crop:
    """A square of the picture: centre and side in pixels, turned by ``angle`` radians."""

    x: float
    y: float
    side: float
    angle: float

    def matrix(self) -> Points:
        """Return the affine map (2, 3) from crop pixels to picture pixels."""
        scale, half = self.side / CROP_SIZE, CROP_SIZE / 2
        c, s = np.cos(self.angle) * scale, np.sin(self.angle) * scale
        return np.array([[c, -s, self.x - half * (c - s)], [s, c, self.y - half * (s + c)]])


def _anchors() -> Points:
    """Return the detector's anchor centres (896, 2): two on each cell of 16 x 16, six on each of 8 x 8."""
    return np.array([
        [(x + 0.5) / cells, (y + 0.5) / cells]
        for cells, per_cell in ((16, 2), (8, 6))
        for y in range(cells)
        for x in range(cells)
        for _ in range(per_cell)
    ])  # fmt: skip


def _sigmoid(x: Points) -> Points:
    return 1 / (1 + np.exp(-np.clip(x, -80, 80)))


class FaceTracker:
    """Follows the most prominent face of a video."""

    def __init__(self, folder: Path = ASSETS, threads: int = 1) -> None:
        """Load the three networks from ``folder``."""
        self._detector = open_session(folder / "face_detector_128.onnx", threads)
        self._landmarker = open_session(folder / "face_landmarks_478.onnx", threads)
        self._blendshaper = open_session(folder / "face_blendshapes_52.onnx", threads)
        self._anchors = _anchors()

    def follow(self, frames: Iterable[Image]) -> Iterator[Face | None]:
        """Yield the face of each RGB frame (H, W, 3), or None where there is none."""
        last: Points | None = None
        for frame in frames:
            points = self._points(frame, crop_around(last)) if last is not None else None
            last = points if points is not None else self.find(frame)
            yield None if last is None else Face(last, self._weights(last))

    def find(self, frame: Image) -> Points | None:
        """Return the 478 points of the most prominent face of a single frame, or None."""
        crop = self._detect(frame)
        # the detector's box is rough: look again, twice, around what was found
        for _ in range(3):
            if crop is None:
                return None
            points = self._points(frame, crop)
            crop = crop_around(points) if points is not None else None
        return points

    def _detect(self, frame: Image) -> _Crop | None:
        height, width = frame.shape[:2]
        side = max(height, width)
        top, left = (side - height) // 2, (side - width) // 2
        square = np.zeros((side, side, 3), np.uint8)
        square[top : top + height, left : left + width] = frame
        small = cv2.resize(square, (DETECTOR_SIZE, DETECTOR_SIZE), interpolation=cv2.INTER_AREA)
        tensor = (small.astype(np.float32) / 127.5 - 1).transpose(2, 0, 1)[None]
        outputs = sorted(self._detector({"t0": tensor}).values(), key=lambda value: value.shape[-1])
        scores, boxes = _sigmoid(outputs[0][0, :, 0].astype(float)), outputs[1][0].astype(float)
        best = int(scores.argmax())
        if scores[best] < DETECTION_SCORE:
            return None
        shapes = boxes.reshape(-1, 8, 2) / DETECTOR_SIZE  # centre, size, six key points
        shapes[:, [0, 2, 3, 4, 5, 6, 7]] += self._anchors[:, None]
        near = np.abs(shapes[:, 0] - shapes[best, 0]).max(axis=1) < 0.5 * shapes[best, 1].max()
        chosen = near & (scores > max(DETECTION_SCORE, scores[best] * _BLEND_SHARE))
        blended = np.average(shapes[chosen], axis=0, weights=scores[chosen]) * side
        centre, right_eye, left_eye = (blended[k] - [left, top] for k in (0, 2, 3))
        angle = float(np.arctan2(left_eye[1] - right_eye[1], left_eye[0] - right_eye[0]))
        return _Crop(centre[0], centre[1], CROP_MARGIN * float(blended[1].max()), angle)

    def _points(self, frame: Image, crop: _Crop) -> Points | None:
        matrix = crop.matrix()
        picture = cv2.warpAffine(
            frame, matrix, (CROP_SIZE, CROP_SIZE),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE,
        )  # fmt: skip
        outputs = self._landmarker({"t0": (picture.astype(np.float32) / 255).transpose(2, 0, 1)[None]})
        presence = _sigmoid(outputs["t472"].astype(float)).item()
        if presence < PRESENCE:
            return None
        local = outputs["t473"].reshape(478, 3).astype(float)
        flat = local[:, :2] @ matrix[:, :2].T + matrix[:, 2]
        return np.column_stack([flat, local[:, 2] * crop.side / CROP_SIZE])

    def _weights(self, points: Points) -> NDArray[np.float32]:
        flat = points[list(BLENDSHAPE_POINTS), :2].astype(np.float32)[None]
        (weights,) = self._blendshaper({"t0": flat}).values()
        return weights.reshape(-1).astype(np.float32)


def crop_around(points: Points) -> _Crop:
    """Return the crop that holds a face's points, eyes level."""
    right, left = points[_EYE_RIGHT, :2], points[_EYE_LEFT, :2]
    angle = float(np.arctan2(left[1] - right[1], left[0] - right[0]))
    level = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    turned = points[:, :2] @ level.T
    low, high = turned.min(axis=0), turned.max(axis=0)
    centre = level.T @ ((low + high) / 2)
    return _Crop(float(centre[0]), float(centre[1]), CROP_MARGIN * float((high - low).max()), angle)


def head_pose(landmarks: Points, size: tuple[int, int]) -> NDArray[np.float32]:
    """Return the matrices (T, 4, 4) from an average face to the camera, in centimetres, x right, y up, z to the viewer.

    ``landmarks`` (T, 68, 3) in pixels of a picture of ``size`` (width, height). Rotation is that of the rigid points;
    distance is read off the face's size through an assumed field of view.
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
