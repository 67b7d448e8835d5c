"""The faces of a picture, found or placed by hand: one request, the same for both command lines and the demo."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ...errors import PictureError
from ...files import ASSETS
from ...models.registry import read_sidecar
from .choice import BY_HAND, chosen_face, no_face, remarks_on, scaled
from .face import Face
from .faces import Backend, look_for_faces
from .placement import Placed, check_inside, placed_by_clicks, placed_by_detector, placed_in_box

#: Longest side, in pixels, at which a picture is looked at for faces: larger ones show no more of them.
LOOKED_AT: Final = 4096
#: The shipped networks that find a face.
_FINDERS: Final = ("face_detector_128", "face_landmarks_478")


@dataclass(frozen=True, slots=True)
class FaceRequest:
    """How faces are had: placed by hand, if ``points`` or ``box`` say where, else found.

    Attributes
    ----------
    face : int or None
        Number of the face, 1 for the most prominent; None for all.
    points : four pairs of float, or None
        Eye, eye, corner and corner of the mouth in pixels, the left of the picture first.
    box : (float, float, float, float) or None
        Left, top, right and bottom of the face in pixels.
    backend : str
        Who finds faces: ``"mediapipe"``, the shipped networks, or the package ``"face_alignment"``.
    by_hand : str
        How a face is placed without a detector, for messages.
    """

    face: int | None = None
    points: tuple[tuple[float, float], ...] | None = None
    box: tuple[float, float, float, float] | None = None
    backend: Backend = "mediapipe"
    by_hand: str = BY_HAND

    def placed(self) -> Placed | None:
        """Return the face that was placed by hand; None if faces are to be found.

        Raises
        ------
        PictureError
            If the points are no face.
        """
        if self.box is not None:
            return placed_in_box(*self.box)
        if self.points is not None:
            return placed_by_clicks(np.array(self.points[:2]), np.array(self.points[2:]))
        return None


@dataclass(frozen=True, slots=True, eq=False)
class Sighting:
    """What was found in a picture.

    Attributes
    ----------
    width, height : int
        Pixels of the whole picture.
    placed : tuple of Placed
        Faces in its pixels; those asked for only.
    seen : tuple of (int, Face)
        The faces a detector found, with their numbers from 1 on; none if they were placed by hand.
    remarks, of_file : tuple of str
        On the faces, and on how the file was read.
    networks : mapping of str to str
        The shipped networks that found them, and their SHA-256.
    """

    width: int
    height: int
    placed: tuple[Placed, ...]
    seen: tuple[tuple[int, Face], ...] = ()
    remarks: tuple[str, ...] = ()
    of_file: tuple[str, ...] = ()
    networks: Mapping[str, str] | None = None


def sight(path: Path, request: FaceRequest) -> Sighting:
    """Return the faces of a picture file, read with Pillow, large ones at a smaller size to save time and memory.

    Raises
    ------
    PictureError
        If the picture cannot be read, or no face, or not the one asked for, is found.
    """
    from ..images import read_still

    still = read_still(path, LOOKED_AT)
    return sight_in(still.pixels, (still.width, still.height), request, str(path), still.remarks)


def sight_in(
    pixels: NDArray[np.uint8], size: tuple[int, int], request: FaceRequest, label: str, of_file: tuple[str, ...] = ()
) -> Sighting:
    """Return the faces of a picture, whoever has read it.

    Parameters
    ----------
    pixels : (H, W, 4)
        RGBA with straight alpha, first row at the top. Larger ones than :data:`LOOKED_AT` are looked at smaller.
    size
        Width and height of the whole picture, where ``pixels`` are fewer.
    request
        How faces are had.
    label
        What the picture is called in messages.
    of_file
        Remarks on how it was read.

    Raises
    ------
    PictureError
        If no face, or not the one asked for, is found, or one that was placed by hand is not in the picture.
    """
    from ..images import over_white

    by_hand = request.placed()
    if by_hand is not None:
        check_inside(by_hand, *size)
        return Sighting(*size, (by_hand,), of_file=of_file)
    small = np.ascontiguousarray(looked_at(pixels))
    factor = size[0] / small.shape[1]
    look = look_for_faces(over_white(small), request.backend)
    if not look.faces:
        raise PictureError(no_face(look, label, request.by_hand))
    if request.face is not None:
        chosen = chosen_face(look, request.face, label, request.by_hand)
        seen: tuple[tuple[int, Face], ...] = ((request.face, scaled(chosen.face, factor)),)
        said = list(chosen.remarks)
    else:
        seen = tuple((number, scaled(face, factor)) for number, face in enumerate(look.faces, 1))
        said = [f"Face {number}: {words}" for number, face in seen for words in remarks_on(face)]
        said = [words.removeprefix("Face 1: ") for words in said] if len(seen) == 1 else said
    if len(look.profiles):
        said.append(f"{len(look.profiles)} more head(s) are seen in profile and left out.")
    placed = tuple(placed_by_detector(face) for _, face in seen)
    used = _FINDERS if request.backend == "mediapipe" else ()
    networks = {name: read_sidecar(ASSETS / f"{name}.onnx.json").sha256 for name in used}
    return Sighting(*size, placed, seen, tuple(said), of_file, networks)


def looked_at(pixels: NDArray[Any]) -> NDArray[Any]:
    """Return a picture (H, W, C) at most :data:`LOOKED_AT` a side: every second pixel, or every third, and so on.

    Whoever reads the file, a face is then found in the same place. A view, which takes no time: the networks average
    pixels themselves.
    """
    step = -(-max(pixels.shape[:2]) // LOOKED_AT)
    return pixels[step // 2 :: step, step // 2 :: step]
