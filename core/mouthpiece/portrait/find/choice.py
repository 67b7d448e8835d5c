"""Which face of a picture speaks, and what its owner should know about it: the same words for every way to ask."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from ...errors import PictureError
from ...retarget.picture.face import SMALLEST
from .face import Face
from .faces import Look
from .placement import Placed

#: Least confidence, and least distance of the outer eye corners in pixels, without a remark.
UNSURE: Final = 0.65
SMALL: Final = 30.0
#: Turn in radians, as read off the landmarks, from which the far cheek will be pulled.
TURNED: Final = math.radians(30)
#: Jitter (:attr:`.face.Face.jitter`) from which landmarks should be checked, and from which they are likely wrong.
#: Measured: 0.003 to 0.009 on 23 photos and paintings, 0.014 on a statue, 0.014 to 0.10 on 15 drawn faces; of the five
#: over 0.04, four had eyes or mouth in a wrong place by eye.
UNSTEADY, WRONG = 0.012, 0.04
#: Pixels a face needs to be found at all, about.
TINY: Final = 24
#: How to go on without a detector, on the command line.
BY_HAND: Final = (
    "Place one by hand: --points EYE EYE CORNER CORNER, the eyes and the corners of the mouth in pixels, or in Blender "
    "with Place Landmarks."
)


@dataclass(frozen=True, slots=True, eq=False)
class Chosen:
    """The face that was chosen, and remarks, one sentence or two each."""

    face: Face
    remarks: tuple[str, ...]


def chosen_face(look: Look, number: int, label: str, by_hand: str = BY_HAND) -> Chosen:
    """Return face ``number``, from 1 on, of what was seen in the picture ``label``.

    Raises
    ------
    PictureError
        If no face is there, or not that many; ``by_hand`` says in it how a face is placed without a detector.
    """
    if not look.faces:
        raise PictureError(no_face(look, label, by_hand))
    count = len(look.faces)
    if not 1 <= number <= count:
        raise PictureError(f"'{label}' shows {count} face(s); there is no face {number}.")
    face = look.faces[number - 1]
    remarks = [f"{count} faces were found; face {number} was taken. Choose another by Face."] if count > 1 else []
    return Chosen(face, (*remarks, *remarks_on(face)))


def no_face(look: Look, label: str, by_hand: str = BY_HAND) -> str:
    """Return the message for a picture in which no face can be used."""
    if not len(look.profiles):
        wide, high = look.size
        tiny = f" It has {wide} x {high} pixels; a face needs some {TINY}." if min(look.size) < TINY else ""
        return f"No face was found in '{label}'.{tiny} {by_hand}"
    left, top, right, bottom = look.profiles[0].astype(int)
    return (
        f"'{label}' shows a head in profile ({left}, {top} to {right}, {bottom}), turned by 60 degrees or more: half "
        f"of the face is hidden, and no landmarks can be found. Use a picture that looks towards the camera. {by_hand}"
    )


def remarks_on(face: Face) -> list[str]:
    """Return what the owner of a picture should know about a face found in it."""
    remarks = []
    if face.eye_distance < SMALLEST:
        remarks.append(f"The face is too small to speak: its eyes are {face.eye_distance:.1f} pixels apart.")
    elif face.eye_distance < SMALL:
        remarks.append(f"The face is small, its eyes {face.eye_distance:.0f} pixels apart. It will look soft.")
    if face.jitter is not None and face.jitter >= WRONG:
        remarks.append(
            f"The landmarks are likely wrong in places (they move by {face.jitter:.0%} of the eye distance from look "
            "to look), as on some drawings. Correct them by hand."
        )
    elif face.score < UNSURE or (face.jitter or 0.0) >= UNSTEADY:
        moved = "" if face.jitter is None else f", landmarks move by {face.jitter:.1%} of the eye distance"
        remarks.append(f"The face is not quite sure (confidence {face.score:.0%}{moved}). Check lips and lids.")
    if abs(face.yaw) > TURNED:
        side = "right" if face.yaw > 0 else "left"
        remarks.append(
            f"The face is turned to the {side} of the picture by about {math.degrees(abs(face.yaw)):.0f} degrees. What "
            "it hides is pulled out of what it shows: keep head turns small."
        )
    return remarks


def surety(placed: Placed) -> str:
    """Return how sure landmarks are in a few words; empty for those placed or moved by hand."""
    if placed.confidence is None:
        return ""
    steady = "" if placed.jitter is None else f", landmarks within {placed.jitter:.1%}"
    return f"Confidence {placed.confidence:.0%}{steady}"


def told(face: Face, number: int) -> dict[str, Any]:
    """Return what is known about a face, for a report: angles in degrees, box and eye distance in pixels."""
    return {
        "face": number,
        "box": [round(float(edge), 1) for edge in face.box],
        "confidence": round(face.score, 3),
        "jitter": None if face.jitter is None else round(face.jitter, 4),
        "eye_distance": round(face.eye_distance, 1),
        "turned": round(math.degrees(face.yaw), 1),
        "tilted": round(math.degrees(face.roll), 1),
    }


def scaled(face: Face, factor: float) -> Face:
    """Return a face found in a picture read at a smaller size, in pixels of one ``factor`` times as large."""
    return Face(
        landmarks=face.landmarks * np.float32(factor),
        mesh=face.mesh * np.float32(factor),
        box=face.box * np.float32(factor),
        score=face.score,
        roll=face.roll,
        jitter=face.jitter,
    )
