"""A face in a picture, and its own coordinates, from which a picture rig is made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ...errors import PictureError
from ...topology import INNER_LIPS, LANDMARK_COUNT, LEFT_EYE, LIPS, RIGHT_EYE
from ..warp.warp import Points
from .anatomy import DEPTH

#: Landmarks of the eye corners, whose mean is the origin of a face's coordinates.
_CORNERS: Final = (36, 39, 42, 45)
#: Radius of an iris that was not found, as a share of the eye's width.
_IRIS: Final = 0.23
#: Least distance of the outer eye corners, in pixels, for which a rig can be made.
SMALLEST: Final = 6.0


@dataclass(frozen=True, slots=True, eq=False)
class PictureFace:
    """A face in a picture of ``width`` by ``height`` pixels.

    Attributes
    ----------
    landmarks : (68, 3) float64
        iBUG-68 points in pixels, x right, y down, z away in the same scale (only differences count).
    irises : (2, 3) float64
        Centre x, y and radius in pixels, of the person's right eye and left.
    """

    width: int
    height: int
    landmarks: Points
    irises: Points

    @property
    def unit(self) -> float:
        """Distance of the outer eye corners in pixels, which is the unit of the face's coordinates."""
        return float(np.linalg.norm(self.landmarks[45, :2] - self.landmarks[36, :2]))

    @property
    def origin(self) -> Points:
        """Place (2,) in pixels between the eyes, which is the origin of the face's coordinates."""
        return np.asarray(self.landmarks[list(_CORNERS), :2].mean(axis=0), np.float64)

    @property
    def axes(self) -> Points:
        """The face's axes in pixels as columns (2, 2): one unit to the face's left, and one unit down."""
        across = self.landmarks[45, :2] - self.landmarks[36, :2]
        return np.array([[across[0], -across[1]], [across[1], across[0]]])

    def inward(self, pixels: NDArray[Any]) -> Points:
        """Return points (N, 2), given in pixels, in the face's coordinates: upright, in eye distances."""
        return np.asarray(np.linalg.solve(self.axes, (np.asarray(pixels, np.float64) - self.origin).T).T, np.float64)

    def outward(self, points: NDArray[Any]) -> Points:
        """Return points (N, 2), given in the face's coordinates, in pixels."""
        result: Points = np.asarray(points, np.float64) @ self.axes.T + self.origin
        return result

    def shape(self) -> Points:
        """Return the landmarks (68, 3) in the face's coordinates; the mean z of the eye corners is 0."""
        flat = self.inward(self.landmarks[:, :2])
        depth = (self.landmarks[:, 2] - self.landmarks[list(_CORNERS), 2].mean()) / self.unit
        return np.column_stack([flat, depth])


def picture_face(width: int, height: int, landmarks: NDArray[Any], irises: NDArray[Any] | None = None) -> PictureFace:
    """Return a checked face; without irises, eyes that look ahead are assumed.

    Parameters
    ----------
    width, height : int
        The picture's size in pixels.
    landmarks : (68, 2) or (68, 3)
        In pixels; without depth, that of an average face is used.
    irises : (2, 3), optional
        Centre and radius in pixels of the person's right and left iris.

    Raises
    ------
    PictureError
        If the points are not a face: not 68, not numbers, eyes in one place, or eyes or mouth outside the picture.
    """
    points = np.asarray(landmarks, np.float64)
    if points.shape not in ((LANDMARK_COUNT, 2), (LANDMARK_COUNT, 3)) or not np.isfinite(points).all():
        raise PictureError(f"A face has {LANDMARK_COUNT} landmarks with x and y; these are {points.shape}.")
    unit = float(np.linalg.norm(points[45, :2] - points[36, :2]))
    if unit < SMALLEST:
        raise PictureError(
            f"The face is too small: its eyes are {unit:.1f} pixels apart, and {SMALLEST:.0f} are needed. Use a larger "
            "picture, or place the landmarks apart."
        )
    if points.shape[1] == 2:
        points = np.column_stack([points, average_depth() * unit])
    seen = points[[*RIGHT_EYE, *LEFT_EYE, *LIPS], :2]
    if (seen < 0).any() or (seen > (width, height)).any():
        raise PictureError("Eyes or mouth lie outside the picture. Move the landmarks, or show the whole face.")
    face = PictureFace(width, height, points, np.zeros((2, 3)))
    _check_order(face)
    if irises is None:
        irises = np.array([ahead(points[list(eye), :2]) for eye in (RIGHT_EYE, LEFT_EYE)])
    return PictureFace(width, height, points, np.asarray(irises, np.float64).reshape(2, 3))


def _check_order(face: PictureFace) -> None:
    """Check that a face's mouth is below its eyes and has a width; raise PictureError if not."""
    shape = face.shape()
    if shape[list(INNER_LIPS), 1].mean() < 0.05:
        raise PictureError("The mouth is not below the eyes. Right means the person's own: on the left of the picture.")
    if shape[54, 0] - shape[48, 0] < 0.03:
        raise PictureError("The mouth has no width, or its corners are swapped. Move the landmarks of the lips.")


def ahead(eye: Points) -> Points:
    """Return centre and radius (3,) of the iris of an eye (6, 2) that looks ahead."""
    return np.array([*eye.mean(axis=0), _IRIS * np.linalg.norm(eye[3] - eye[0])])


def average_depth() -> Points:
    """Return the depth (68,) of an average face's landmarks in eye distances, 0 at the eye corners on average."""
    return np.array(DEPTH)
