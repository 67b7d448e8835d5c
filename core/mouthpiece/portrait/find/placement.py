"""Landmarks without a detector: an average face laid over four points or a box, mirrored, and kept in files."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ...errors import PictureError, UnreadableError
from ...files.json_text import read_json
from ...retarget.picture.anatomy import FACE
from ...topology import LANDMARK_COUNT, LEFT_EYE, LIPS, MIRROR, RIGHT_EYE
from .face import Face

Points = NDArray[np.float64]

#: Layout of the files this version writes and reads.
FORMAT: Final = 1
#: Digits after the point of pixels in those files.
_DIGITS: Final = 3
#: The average face's left, top, right and bottom, brows to chin.
_BOX: Final = (-0.79, -0.29, 0.79, 1.28)
#: Farthest that a point of such a file may lie from the picture's corner, in pixels: 60 times the largest picture.
_FARTHEST: Final = 1_000_000
#: Largest size of a file of points, in bytes: a crowd fits.
_LARGEST: Final = 4 << 20


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """Where a face's points are.

    Attributes
    ----------
    landmarks : (68, 2) or (68, 3)
        In pixels, iBUG order.
    irises : (2, 3) or None
        Centre and radius, the person's right eye first; None if not known.
    confidence, jitter : float or None
        What the detector said (:class:`.face.Face`), while the points are as it found them; None once moved by hand.
    """

    landmarks: Points
    irises: Points | None = None
    confidence: float | None = None
    jitter: float | None = None

    def rounded(self) -> Placed:
        """Return the face with the digits that files of landmarks have: it is the same when it is read back."""
        irises = None if self.irises is None else np.round(self.irises, _DIGITS)
        return replace(self, landmarks=np.round(self.landmarks, _DIGITS), irises=irises)

    def scaled(self, across: float, down: float) -> Placed:
        """Return the face in a picture that is so many times as wide and as high."""
        scale = np.array([across, down, (across + down) / 2])
        irises = None if self.irises is None else self.irises * scale
        return replace(self, landmarks=self.landmarks * scale[: self.landmarks.shape[1]], irises=irises)


class PlacementError(PictureError):
    """A face that was placed by hand is not in the picture."""


def check_inside(placed: Placed, width: int, height: int) -> None:
    """Raise PlacementError if eyes or mouth of a face lie outside a picture of that size."""
    seen = placed.landmarks[[*RIGHT_EYE, *LEFT_EYE, *LIPS], :2]
    if not ((seen >= 0) & (seen <= (width, height))).all():
        raise PlacementError(
            f"Eyes or mouth of the face as it is placed lie outside the picture, which has {width} x {height} pixels. "
            "Give pixels in it, counted from its upper left corner."
        )


def placed_by_clicks(eyes: NDArray[Any], mouth: NDArray[Any]) -> Placed:
    """Return the average face whose eyes are centred on two points and whose mouth reaches from one to another.

    Parameters
    ----------
    eyes, mouth : (2, 2)
        Pixels; the person's right, which is on the left of the picture, first.

    Raises
    ------
    PictureError
        If two of the points are one, or the mouth is not below the eyes.
    """
    eyes, mouth = np.asarray(eyes, np.float64), np.asarray(mouth, np.float64)
    face = np.array(FACE)
    centres = np.array([face[list(eye)].mean(axis=0) for eye in (RIGHT_EYE, LEFT_EYE)])
    across = eyes[1] - eyes[0]
    if np.hypot(*across) < 1 or np.hypot(*(mouth[1] - mouth[0])) < 1:
        raise PictureError("Two of the points are in one place. Click both eyes and both corners of the mouth.")
    scale = np.hypot(*across) / (centres[1, 0] - centres[0, 0])
    angle = np.arctan2(across[1], across[0])
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = (face - centres.mean(axis=0)) @ turn.T + eyes.mean(axis=0)
    below = np.linalg.solve(turn, mouth.mean(axis=0) - eyes.mean(axis=0))[1]
    if below < 0.1:
        raise PictureError("The mouth is not below the eyes. Click the eyes first, then the corners of the mouth.")
    # from the eyes down, points are drawn along until the corners of the mouth are where they are to be
    share = np.clip(face[:, 1] / face[48, 1], 0, 1)[:, None]
    place = np.clip((face[:, :1] - face[48, 0]) / (face[54, 0] - face[48, 0]), -0.4, 1.4)
    off = (mouth[0] - points[48]) * (1 - place) + (mouth[1] - points[54]) * place
    return Placed(points + share * off)


def placed_in_box(left: float, top: float, right: float, bottom: float) -> Placed:
    """Return the average face, brows to chin, in a box of the picture; its proportions are the box's."""
    low, high = np.array(_BOX[:2]), np.array(_BOX[2:])
    share = (np.array(FACE) - low) / (high - low)
    return Placed(np.array([left, top]) + share * (right - left, bottom - top))


def placed_by_detector(face: Face) -> Placed:
    """Return the landmarks and irises of a face that was found."""
    irises = None
    if len(face.irises):
        rings = face.irises.astype(np.float64).reshape(2, 5, 3)[..., :2]
        radii = np.linalg.norm(rings[:, 1:] - rings[:, :1], axis=-1).mean(axis=1)
        irises = np.column_stack([rings[:, 0], radii])
    return Placed(face.landmarks.astype(np.float64), irises, float(face.score), face.jitter)


def mirrored(placed: Placed, keep: str) -> Placed:
    """Return a face both sides of which are as one of them, mirrored at the line between brows and chin.

    ``keep`` is ``"LEFT"`` or ``"RIGHT"``, the person's own.
    """
    points = placed.landmarks.copy()
    middle = (points + points[list(MIRROR)])[:, :2] / 2
    top, bottom = middle[[21, 27, 30, 36]].mean(axis=0), middle[[33, 51, 57, 8]].mean(axis=0)
    along = (bottom - top) / max(float(np.hypot(*(bottom - top))), 1e-9)

    def reflected(flat: Points) -> Points:
        offset = flat - top
        result: Points = top + 2 * (offset @ along)[:, None] * along - offset
        return result

    other = points[list(MIRROR)].copy()
    other[:, :2] = reflected(other[:, :2])
    own = np.array([(i < MIRROR[i]) == (keep == "RIGHT") for i in range(LANDMARK_COUNT)])
    line = np.array([MIRROR[i] == i for i in range(LANDMARK_COUNT)])
    points[~own & ~line] = other[~own & ~line]
    points[line] = (points[line] + other[line]) / 2
    irises = placed.irises
    if irises is not None:
        source = 0 if keep == "RIGHT" else 1
        irises = irises.copy()
        irises[1 - source] = [*reflected(irises[source : source + 1, :2])[0], irises[source, 2]]
    return Placed(points, irises)


def as_json(faces: list[Placed], width: int, height: int, picture: str = "") -> str:
    """Return faces as the text of a file: points in pixels of a picture of that size."""
    rows = []
    for face in faces:
        row: dict[str, Any] = {"landmarks": np.round(face.landmarks, _DIGITS).tolist()}
        if face.irises is not None:
            row["irises"] = np.round(face.irises, _DIGITS).tolist()
        for name in ("confidence", "jitter"):
            if (value := getattr(face, name)) is not None:
                row[name] = round(value, 4)
        rows.append(row)
    return json.dumps({"format": FORMAT, "picture": picture, "size": [width, height], "faces": rows}) + "\n"


def read_points(path: Path, width: int, height: int, index: int = 0) -> Placed:
    """Return a face of a file of points, scaled to a picture of that size.

    Raises
    ------
    PictureError
        If the file is missing, damaged, from a newer version, or has no such face.
    """
    try:
        raw = read_json(path, _LARGEST)
    except UnreadableError as error:
        advice = "Make a file of landmarks: mouthpiece landmarks"
        raise PictureError(error.told(f"The landmarks '{path}'", "cannot be used", advice)) from error
    return from_json(raw, width, height, index, str(path))


def _said(error: Exception) -> str:
    """Return what is wrong with a file of points."""
    return f"it lacks {error}" if isinstance(error, KeyError) else str(error)


def from_json(raw: Any, width: int, height: int, index: int = 0, label: str = "the landmarks") -> Placed:
    """Return a face of what :func:`as_json` wrote, scaled to a picture of that size; see :func:`read_points`."""
    try:
        if int(raw["format"]) > FORMAT:
            raise PictureError(f"'{label}' was made by a newer Mouthpiece. Update Mouthpiece to read it.")
        faces, size = raw["faces"], np.array(raw["size"], np.float64)
        if not 0 <= index < len(faces):
            raise PictureError(f"'{label}' holds {len(faces)} faces; there is no face {index + 1}.")
        points = np.array(faces[index]["landmarks"], np.float64)
        irises = np.array(faces[index]["irises"], np.float64) if "irises" in faces[index] else None
        fits = points.shape in ((LANDMARK_COUNT, 2), (LANDMARK_COUNT, 3)) and size.shape == (2,)
        confidence, jitter = (
            None if faces[index].get(name) is None else float(faces[index][name]) for name in ("confidence", "jitter")
        )
        if not fits or (irises is not None and irises.shape != (2, 3)):
            raise ValueError(f"{LANDMARK_COUNT} points with x and y are needed")
        numbers = [points.ravel(), size, np.zeros(0) if irises is None else irises.ravel()]
        if not (np.abs(np.concatenate(numbers)) <= _FARTHEST).all() or (size < 1).any():
            raise ValueError(
                f"its numbers are no pixels: all are up to {_FARTHEST:,}, and the picture has at least one"
            )
        if irises is not None and (irises[:, 2] < 0).any():
            raise ValueError("the radius of an iris is negative")
        if not all(value is None or 0 <= value < np.inf for value in (confidence, jitter)):
            raise ValueError("confidence and jitter are numbers from 0 on")
    except PictureError:
        raise
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise PictureError(f"'{label}' does not hold landmarks as Mouthpiece writes them ({_said(error)}).") from error
    across, down = np.array([width, height]) / size
    return Placed(points, irises, confidence, jitter).scaled(float(across), float(down))
