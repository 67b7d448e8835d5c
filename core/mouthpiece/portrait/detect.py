"""Faces in a still picture: 68 landmarks each, best face first.

A detector that sees 128 x 128 pixels looks at the whole picture, at a smaller copy with room around it (for faces that
fill it) and at overlapping tiles of larger copies (for small ones). What it proposes is weighed, cropped, levelled and
given to the landmark network until its answer settles. Nothing found, or nothing sure and upright: the picture is tried
lying on its sides and upside down as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from .networks import CROP_MARGIN, DETECTOR_SIZE, IBUG_68, IRISES, Crop, FaceNetworks, crop_around, face_networks
from .sampling import Array, Picture, resize

#: Least detector score to count in the mean of overlapping detections, for a face, and for one that lies on its side.
_WEIGHED, DETECTION_SCORE, _LYING_SCORE = 0.3, 0.55, 0.65
#: A face at least this sure and at most this far from upright, in radians, spares the search for lying ones.
_SURE, _UPRIGHT = 0.75, 1.0
#: Least score beside a sure face.
_BESIDE_SURE: Final = 0.65
#: Least presence for landmarks to be believed.
PRESENCE: Final = 0.5
#: Eye distance over the side of the detector's box, and how far the landmarks' middle may be off the box's, in sides:
#: what is seen in eyes, ears and patterns breaks one of the two.
_EYES_IN_BOX, _OFF_CENTRE = (0.4, 1.0), 0.35
#: Detections that overlap by this share (intersection over union) are one face.
_OVERLAP: Final = 0.3
#: Looks at a face: the detector's box is rough, so its landmarks make a better crop, and those one better still.
_LOOKS: Final = 3
#: Longest side of the copies that tiles are cut from, in tiles; the last only if nothing else was found.
_COPIES: Final = (1, 2, 4)
_FINEST: Final = 8
#: Smallest picture worth looking at, and smallest face, in pixels.
SMALLEST: Final = 16
_SMALLEST_EYES: Final = 3.0

Backend = Literal["mediapipe", "face_alignment"]


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """A face in a picture.

    Attributes
    ----------
    landmarks : (68, 3) float32
        iBUG-68 points in pixels: x right, y down, z away from the camera in the same scale (smaller is nearer; only
        differences mean something).
    mesh : (478, 3) or (0, 3) float32
        All points of the face mesh, irises last; none if another backend found the face.
    box : (4,) float32
        Left, top, right, bottom of the landmarks, in pixels.
    score : float
        How sure it is that this is a face, 0..1: what the detector and the landmark network say, multiplied.
    roll : float
        Radians the line of the eyes is turned clockwise from level, as seen.
    """

    landmarks: NDArray[np.float32]
    mesh: NDArray[np.float32]
    box: NDArray[np.float32]
    score: float
    roll: float

    @property
    def eye_distance(self) -> float:
        """Distance of the outer eye corners in pixels."""
        return float(np.linalg.norm(self.landmarks[45, :2] - self.landmarks[36, :2]))

    @property
    def irises(self) -> NDArray[np.float32]:
        """Five points of each iris (10, 3), centre first, right eye first; (0, 3) without a mesh."""
        return self.mesh[list(IRISES)] if len(self.mesh) else self.mesh


def face_of(landmarks: NDArray[np.floating], mesh: NDArray[np.floating], score: float) -> Face:
    """Return the face with these landmarks (68, 3), mesh and score; box and roll follow from them."""
    flat = landmarks[:, :2]
    across = flat[45] - flat[36]
    return Face(
        landmarks=landmarks.astype(np.float32),
        mesh=mesh.astype(np.float32),
        box=np.concatenate([flat.min(axis=0), flat.max(axis=0)]).astype(np.float32),
        score=float(score),
        roll=float(np.arctan2(across[1], across[0])),
    )


def find_faces(picture: Picture, backend: Backend = "mediapipe") -> tuple[Face, ...]:
    """Return the faces in a picture (H, W, 3), the most prominent (sure and large) first; none found: an empty tuple.

    Raises
    ------
    ModelError
        If a network is missing, or ``face_alignment`` is asked for without being installed or without its weights.
    """
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
        raise ValueError(f"a picture is uint8 (H, W, 3), not {picture.dtype} {picture.shape}")
    if min(picture.shape[:2]) < SMALLEST:
        return ()
    if backend == "face_alignment":
        from .alignment import aligned_faces

        return _in_order(face_of(points, points[:0], score) for points, score in aligned_faces(picture))
    networks, best = face_networks(), list[Face]()
    for quarters in range(4):
        # a face that lies on its side is found in the picture turned upright, and its points are turned back
        turned = np.ascontiguousarray(np.rot90(picture, quarters))
        faces = _upright(turned, networks, _LYING_SCORE if quarters else DETECTION_SCORE)
        if not faces:
            continue
        if not best or _top(faces) > _top(best):
            best = [_turned_back(face, quarters, picture.shape[:2]) for face in faces]
        if any(face.score > _SURE and abs(face.roll) < _UPRIGHT for face in faces):
            break
    return _in_order(best)


def _top(faces: list[Face]) -> float:
    return max(face.score for face in faces)


def _in_order(faces: Iterable[Face]) -> tuple[Face, ...]:
    return tuple(sorted(faces, key=lambda face: -face.score * face.eye_distance))


def _turned_back(face: Face, quarters: int, shape: tuple[int, ...]) -> Face:
    """Return a face found in ``np.rot90(picture, quarters)`` as it lies in the picture of ``shape`` (H, W)."""
    if not quarters:
        return face
    height, width = shape

    def back(points: NDArray[np.float32]) -> NDArray[np.float32]:
        x, y = points[:, 0], points[:, 1]
        flat = {1: (width - y, x), 2: (width - x, height - y), 3: (y, height - x)}[quarters]
        return np.column_stack([*flat, points[:, 2]])

    return face_of(back(face.landmarks), back(face.mesh), face.score)


def _upright(picture: Picture, networks: FaceNetworks, least: float) -> list[Face]:
    faces: list[Face] = []
    for copies in (_COPIES, (_FINEST,)):
        found = [detection for copy in copies for detection in _detections(picture, copy, networks)]
        for score, shape in _merged(found, least):
            face = _looked_at(picture, score, shape, networks)
            if face is not None and not any(_same(face, other) for other in faces):
                faces.append(face)
        # beside a sure face, an unsure one is a pattern more often than a face
        sure = max((face.score for face in faces), default=0.0) > _SURE
        faces = [face for face in faces if face.score > _BESIDE_SURE] if sure else faces
        if faces or max(picture.shape[:2]) <= DETECTOR_SIZE * _COPIES[-1]:
            break
    return faces


def _detections(picture: Picture, copy: int, networks: FaceNetworks) -> Iterator[tuple[float, Array]]:
    """Yield scores and shapes (8, 2) in pixels of what may be faces, in tiles of a copy ``copy`` tiles long."""
    height, width = picture.shape[:2]
    # the first copy is looked at twice: as large as fits, and at half that with room around it
    for room in (1, 2) if copy == 1 else (1,):
        scale = max(height, width) / (DETECTOR_SIZE * copy / room)
        small = resize(picture, max(1, round(height / scale)), max(1, round(width / scale)))
        for left, top, square in _tiles(small):
            scores, shapes = networks.propose(square)
            for index in np.flatnonzero(scores > _WEIGHED):
                shape = shapes[index] * DETECTOR_SIZE
                shape[[0, 2, 3, 4, 5, 6, 7]] += (left, top)
                yield float(scores[index]), shape * np.float32(scale)


def _tiles(small: Array) -> Iterator[tuple[int, int, Array]]:
    """Yield left, top and pixels (128, 128, 3) of tiles that overlap by half; black where the picture ends."""
    height, width = small.shape[:2]
    for top in _starts(height):
        for left in _starts(width):
            square = np.zeros((DETECTOR_SIZE, DETECTOR_SIZE, 3), np.float32)
            part = small[max(top, 0) : top + DETECTOR_SIZE, max(left, 0) : left + DETECTOR_SIZE]
            y, x = max(-top, 0), max(-left, 0)
            square[y : y + part.shape[0], x : x + part.shape[1]] = part
            yield left, top, square


def _starts(length: int) -> list[int]:
    """Return where tiles begin along a side: centred if one holds it all, else every half tile and at the end."""
    if length <= DETECTOR_SIZE:
        return [-((DETECTOR_SIZE - length) // 2)]
    return [*range(0, length - DETECTOR_SIZE, DETECTOR_SIZE // 2), length - DETECTOR_SIZE]


def _merged(found: list[tuple[float, Array]], least: float) -> list[tuple[float, Array]]:
    """Return detections of at least a score, best first, each the mean of those it overlaps, weighted by scores."""
    if not found:
        return []
    scores = np.array([score for score, _ in found])
    shapes = np.stack([shape for _, shape in found])
    low, high = shapes[:, 0] - shapes[:, 1] / 2, shapes[:, 0] + shapes[:, 1] / 2
    areas = np.prod(np.maximum(high - low, 1e-6), axis=1)
    merged, left = [], np.ones(len(scores), bool)
    for best in np.argsort(-scores):
        if not left[best] or scores[best] < least:
            continue
        shared = np.prod(np.clip(np.minimum(high, high[best]) - np.maximum(low, low[best]), 0, None), axis=1)
        same = left & (shared / (areas + areas[best] - shared) > _OVERLAP)
        same[best] = True
        merged.append((float(scores[best]), np.average(shapes[same], axis=0, weights=scores[same])))
        left &= ~same
    return merged


def _looked_at(picture: Picture, score: float, shape: Array, networks: FaceNetworks) -> Face | None:
    """Return the face at a detection, or None if the landmark network sees none there."""
    centre, size, right_eye, left_eye = shape[:4]
    angle = float(np.arctan2(left_eye[1] - right_eye[1], left_eye[0] - right_eye[0]))
    crop = Crop(float(centre[0]), float(centre[1]), CROP_MARGIN * float(size.max()), angle)
    for _ in range(_LOOKS):
        points, presence = networks.place(picture, crop)
        if presence < PRESENCE:
            return None
        crop = crop_around(points)
    face = face_of(points[list(IBUG_68)], points, score * presence)
    box = float(size.max())
    off = float(np.linalg.norm(face.landmarks[:, :2].mean(axis=0) - centre))
    fits = _EYES_IN_BOX[0] < face.eye_distance / box < _EYES_IN_BOX[1] and off < _OFF_CENTRE * box
    return face if fits and face.eye_distance >= _SMALLEST_EYES else None


def _same(one: Face, other: Face) -> bool:
    """Tell whether a less certain face is another, or a pattern inside it: its middle lies in the other's box."""
    middle = one.landmarks[:, :2].mean(axis=0)
    return bool((middle > other.box[:2]).all() and (middle < other.box[2:]).all())
