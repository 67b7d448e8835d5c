"""Faces in a still picture: 68 landmarks each, best face first.

A detector that sees 128 x 128 pixels looks at the whole picture, at a smaller copy with room around it (for faces that
fill it) and at overlapping tiles of larger copies (for small ones). What it proposes is weighed, cropped, levelled and
given to the landmark network until its answer settles. Nothing found, or nothing sure and upright: the picture is tried
lying on its sides and upside down as well.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from ..draw.resample import Array, Picture
from .face import Face, face_of
from .networks import CROP_MARGIN, DETECTOR_SIZE, IBUG_68, Crop, FaceNetworks, crop_around, face_networks
from .proposals import detections, merged
from .steadiness import steadied

#: Least detector score for a face, and for one that lies on its side.
DETECTION_SCORE, _LYING_SCORE = 0.55, 0.65
#: A face at least this sure and at most this far from upright, in radians, spares the search for lying ones.
_SURE, _UPRIGHT = 0.75, 1.0
#: Jitter below which it is: 0.004 to 0.014 on photos and paintings, 0.02 to 0.14 on faces seen in them when they lie.
_STEADY: Final = 0.015
#: Least score beside a sure face.
_BESIDE_SURE: Final = 0.65
#: Least presence for landmarks to be believed.
PRESENCE: Final = 0.5
#: Eye distance (in space) over the side of the detector's box, and how far the landmarks' middle may be off the box's,
#: in sides: what is seen in eyes, ears and patterns breaks one of the two.
_EYES_IN_BOX, _OFF_CENTRE = (0.4, 1.0), 0.35
#: Looks at a face: the detector's box is rough, so its landmarks make a better crop, and those one better still. Where
#: the detector is sure, more are granted before the landmark network must see a face too: drawings take it that long.
_LOOKS, _MOST_LOOKS, _PATIENT = 3, 6, 0.75
#: Turn, in radians as :func:`.pose.turn_of` reads it, from which a face is a profile. On a head whose angle is known
#: that is reached at 58 degrees; up to there its lips are off by 3 % of the eye distance.
PROFILE: Final = math.radians(50)
#: Least score of a head in profile the landmark network sees no face in, and the distance of its eyes, as the detector
#: has them, over its box: 0.38 to 0.45 from the front, under 0.32 from the side.
_SIDE_SCORE, _SIDE_EYES = 0.7, 0.32
#: Longest side of the copies that tiles are cut from, in tiles; the last only if nothing else was found.
_COPIES: Final = (1, 2, 4)
_FINEST: Final = 8
#: Smallest picture worth looking at, and smallest face, in pixels.
SMALLEST: Final = 16
_SMALLEST_EYES: Final = 3.0

Backend = Literal["mediapipe", "face_alignment"]


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What was seen in a picture of ``size`` (width, height): faces, most prominent first, and heads in profile.

    Those have a box each (N, 4), left, top, right, bottom in pixels, and no landmarks to be trusted.
    """

    faces: tuple[Face, ...]
    profiles: NDArray[np.float32]
    size: tuple[int, int]


def find_faces(picture: Picture, backend: Backend = "mediapipe") -> tuple[Face, ...]:
    """Return the faces in a picture (H, W, 3), the most prominent (sure and large) first; none found: an empty tuple.

    Raises
    ------
    ModelError
        As for :func:`look_for_faces`.
    """
    return look_for_faces(picture, backend).faces


def look_for_faces(picture: Picture, backend: Backend = "mediapipe") -> Look:
    """Return the faces in a picture (H, W, 3), and where heads are seen in profile.

    Raises
    ------
    ModelError
        If a network is missing, or ``face_alignment`` is asked for without being installed or without its weights.
    """
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
        raise ValueError(f"a picture is uint8 (H, W, 3), not {picture.dtype} {picture.shape}")
    size = (picture.shape[1], picture.shape[0])
    if min(size) < SMALLEST:
        return _split([], size)
    if backend == "face_alignment":
        from .alignment import aligned_faces

        return _split([face_of(points, points[:0], score) for points, score in aligned_faces(picture)], size)
    networks, best = face_networks(), list[Face]()
    for quarters in range(4):
        # a face that lies on its side is found in the picture turned upright, and its points are turned back
        turned = np.ascontiguousarray(np.rot90(picture, quarters))
        faces = _upright(turned, networks, _LYING_SCORE if quarters else DETECTION_SCORE)
        if not faces:
            continue
        if not best or _top(faces) > _top(best):
            best = [_turned_back(face, quarters, picture.shape[:2]) for face in faces]
        if any(face.score > _SURE and abs(face.roll) < _UPRIGHT and _steady(face) for face in faces):
            break
    if not best:
        return Look((), _sides(picture, networks), size)
    return _split(best, size)


def _split(faces: list[Face], size: tuple[int, int]) -> Look:
    turned = [abs(face.yaw) > PROFILE for face in faces]
    boxes = [face.box for face, away in zip(faces, turned, strict=True) if away]
    ahead = (face for face, away in zip(faces, turned, strict=True) if not away)
    return Look(_in_order(ahead), np.array(boxes, np.float32).reshape(-1, 4), size)


def _sides(picture: Picture, networks: FaceNetworks) -> NDArray[np.float32]:
    """Return boxes (N, 4) of what the detector takes for heads seen from the side, in a picture without landmarks."""
    boxes = []
    for copy in _COPIES:
        for _, (centre, size, right_eye, left_eye, *_) in merged([*detections(picture, copy, networks)], _SIDE_SCORE):
            if np.linalg.norm(left_eye - right_eye) < _SIDE_EYES * size.max():
                boxes.append(np.concatenate([centre - size / 2, centre + size / 2]))
        if boxes:
            break
    return np.array(boxes, np.float32).reshape(-1, 4)


def _steady(face: Face) -> bool:
    return face.jitter is not None and face.jitter < _STEADY


def _top(faces: list[Face]) -> tuple[bool, float]:
    """Return what ranks the faces of one way to hold a picture: in a wrong one, some are sure, but none is steady."""
    return max((_steady(face), face.score) for face in faces)


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

    return replace(face_of(back(face.landmarks), back(face.mesh), face.score), jitter=face.jitter)


def _upright(picture: Picture, networks: FaceNetworks, least: float) -> list[Face]:
    faces: list[Face] = []
    for copies in (_COPIES, (_FINEST,)):
        found = [proposal for copy in copies for proposal in detections(picture, copy, networks)]
        for score, shape in merged(found, least):
            face = _looked_at(picture, score, shape, networks)
            if face is not None and not any(_same(face, other) for other in faces):
                faces.append(face)
        # beside a sure face, an unsure one is a pattern more often than a face
        sure = max((face.score for face in faces), default=0.0) > _SURE
        faces = [face for face in faces if face.score > _BESIDE_SURE] if sure else faces
        if faces or max(picture.shape[:2]) <= DETECTOR_SIZE * _COPIES[-1]:
            break
    return [steadied(picture, face, networks) for face in faces]


def _looked_at(picture: Picture, score: float, shape: Array, networks: FaceNetworks) -> Face | None:
    """Return the face at a detection, or None if the landmark network sees none there."""
    centre, size, right_eye, left_eye = shape[:4]
    angle = float(np.arctan2(left_eye[1] - right_eye[1], left_eye[0] - right_eye[0]))
    crop = Crop(float(centre[0]), float(centre[1]), CROP_MARGIN * float(size.max()), angle)
    for look in range(_MOST_LOOKS):
        points, presence = networks.place(picture, crop)
        if presence < PRESENCE and score < _PATIENT:
            return None
        crop = crop_around(points)
        if look + 1 >= _LOOKS and presence >= PRESENCE:
            break
    else:
        return None
    marks = points[list(IBUG_68)]
    box, eyes = float(size.max()), float(np.linalg.norm(marks[45] - marks[36]))
    off = float(np.linalg.norm(marks[:, :2].mean(axis=0) - centre))
    if not (_EYES_IN_BOX[0] < eyes / box < _EYES_IN_BOX[1] and off < _OFF_CENTRE * box):
        return None
    if np.linalg.norm(marks[45, :2] - marks[36, :2]) < _SMALLEST_EYES:
        return None
    return face_of(marks, points, score * presence)


def _same(one: Face, other: Face) -> bool:
    """Tell whether a less certain face is another, or a pattern inside it: its middle lies in the other's box."""
    middle = one.landmarks[:, :2].mean(axis=0)
    return bool((middle > other.box[:2]).all() and (middle < other.box[2:]).all())
