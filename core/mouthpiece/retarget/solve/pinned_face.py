"""A rig's face, given by its pins, and its orientation and size relative to a performance's face."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ...errors import RigError
from ...topology import (
    INNER_LIP_BOTTOM,
    INNER_LIP_TOP,
    JAW,
    LANDMARK_COUNT,
    LEFT_EYE,
    LEFT_EYE_OUTER,
    MIRROR,
    MOUTH_LEFT_CORNER,
    MOUTH_RIGHT_CORNER,
    NOSE,
    RIGHT_EYE,
    RIGHT_EYE_OUTER,
    RIGID,
)

Floats = NDArray[np.float64]

#: Groups of points that must be pinned, and their names in messages.
NEEDED: Final = {
    RIGHT_EYE_OUTER: "outer corner of the right eye",
    LEFT_EYE_OUTER: "outer corner of the left eye",
    MOUTH_RIGHT_CORNER: "right corner of the mouth",
    MOUTH_LEFT_CORNER: "left corner of the mouth",
    INNER_LIP_TOP: "middle of the upper lip, inside",
    INNER_LIP_BOTTOM: "middle of the lower lip, inside",
}
_UPPER_LIP_OUTSIDE: Final = 51
_LOWER_LIP_OUTSIDE: Final = 57
#: Points used to find a face's orientation: the rigid ones and others, but not contour points, which slide.
_STEADY: Final = tuple(sorted({*RIGID, *NOSE, *RIGHT_EYE, *LEFT_EYE, 48, 54, 51, 57}))
#: Ratio of a face's error to its mirror image's from which left and right count as swapped.
_SWAPPED: Final = 1.5


@dataclass(frozen=True, slots=True, eq=False)
class PinnedFace:
    """Places of the 68 landmarks on a rig at rest.

    Attributes
    ----------
    points : (68, 3) float64
        Places in the rig's own space and unit; rows of points that are not pinned are NaN.
    """

    points: Floats

    def __post_init__(self) -> None:
        """Check that enough points are pinned.

        Raises
        ------
        RigError
            If a required point is not pinned, or points that must differ are at the same place.
        """
        points = np.array(self.points, np.float64)
        if points.shape != (LANDMARK_COUNT, 3):
            raise ValueError(f"{points.shape} is not 68 points")
        points.setflags(write=False)
        object.__setattr__(self, "points", points)
        missing = [text for index, text in NEEDED.items() if not self.pinned[index]]
        if missing:
            raise RigError(f"These landmarks are not pinned yet: {'; '.join(missing)}. Pin them, or propose all pins.")
        size = float(np.ptp(points[self.pinned], axis=0).max())
        for one, other in ((RIGHT_EYE_OUTER, LEFT_EYE_OUTER), (MOUTH_RIGHT_CORNER, MOUTH_LEFT_CORNER)):
            if not np.linalg.norm(points[one] - points[other]) > 1e-3 * size:
                raise RigError(
                    f"The {NEEDED[one]} and the {NEEDED[other]} are pinned to the same place. "
                    "Pin each where it belongs."
                )

    @property
    def pinned(self) -> NDArray[np.bool_]:
        """Which landmarks (68,) are pinned."""
        found: NDArray[np.bool_] = np.asarray(np.isfinite(self.points).all(axis=1))
        return found

    @property
    def eye_distance(self) -> float:
        """Distance of the outer eye corners in the rig's unit."""
        return float(np.linalg.norm(self.points[LEFT_EYE_OUTER] - self.points[RIGHT_EYE_OUTER]))


@dataclass(frozen=True, slots=True, eq=False)
class Stance:
    """Converts a rig's space to the axes and unit of landmarks: x right, y down, z away, in eye distances.

    Attributes
    ----------
    rotation : (3, 3)
        Rotates directions of the rig's space to the landmarks' axes.
    points : (68, 3)
        The rig's points in the landmarks' axes and the rig's eye distances; the origin is the middle of its eyes.
    eye_distance : float
        Length of the rig's eye distance in the rig's unit.
    """

    rotation: Floats
    points: Floats
    eye_distance: float

    def seen(self, displacements: NDArray[np.floating[Any]]) -> Floats:
        """Return displacements (..., 3) of the rig's space in the landmarks' axes and eye distances."""
        turned: Floats = np.asarray(displacements, np.float64) @ self.rotation.T / self.eye_distance
        return turned


def stance(face: PinnedFace, neutral: NDArray[np.floating[Any]]) -> Stance:
    """Return the stance of ``face`` relative to the performance's face ``neutral`` (68, 3), by Procrustes' method.

    It works for mirrored or turned meshes as well, because it only depends on the places of the pins.

    Raises
    ------
    RigError
        If left and right of the pins are swapped, or the pins lie on a line.
    """
    common = [index for index in _STEADY if face.pinned[index]]
    target = np.asarray(neutral, np.float64)[common]
    if np.linalg.matrix_rank(target - target.mean(axis=0), tol=1e-6) < 2:
        raise RigError("The take's neutral face is no face. Animate the sound again.")
    source = face.points[common]
    rotation, error = _turn(source, target)
    if np.linalg.matrix_rank(source - source.mean(axis=0), tol=1e-6 * face.eye_distance) < 2:
        raise RigError("The pins lie on a line. Pin the eyes and the mouth where they belong.")
    swapped = face.points[list(MIRROR)][common]
    if np.isfinite(swapped).all() and error > _SWAPPED * _turn(swapped, target)[1] + 1e-3:
        raise RigError(
            "Left and right of the pins are swapped: right means the character's own right. Mirror them or pin again."
        )
    middle = (face.points[RIGHT_EYE_OUTER] + face.points[LEFT_EYE_OUTER]) / 2
    seen = (face.points - middle) @ rotation.T / face.eye_distance
    return Stance(rotation, seen, face.eye_distance)


def _turn(source: Floats, target: Floats) -> tuple[Floats, float]:
    """Return the rotation (3, 3) that fits ``source`` (N, 3) to ``target`` except for size, and the remaining error."""
    a, b = source - source.mean(axis=0), target - target.mean(axis=0)
    u, s, vt = np.linalg.svd(b.T @ a)
    flip = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    rotation = (u * flip) @ vt
    size = float((s * flip).sum() / max((a**2).sum(), 1e-300))
    return rotation, float(np.sqrt(((b - size * a @ rotation.T) ** 2).sum(axis=1).mean()))


def mouth_points() -> tuple[int, ...]:
    """Return the landmarks that define width and height of the mouth and of the face below the nose."""
    return (MOUTH_RIGHT_CORNER, MOUTH_LEFT_CORNER, _UPPER_LIP_OUTSIDE, _LOWER_LIP_OUTSIDE, JAW[8])
