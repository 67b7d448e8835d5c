"""A face found in a picture: its landmarks, how sure it is, and how steady they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .networks import IRISES
from .pose import turn_of


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
    jitter : float or None
        Mean distance, in eye distances, of brows, eyes, nose and lips between looks through crops a little off: under
        0.01 on photos and paintings, 0.04 and more where the landmarks miss. None if another backend found the face.
    """

    landmarks: NDArray[np.float32]
    mesh: NDArray[np.float32]
    box: NDArray[np.float32]
    score: float
    roll: float
    jitter: float | None = None

    @property
    def yaw(self) -> float:
        """Radians the face is turned towards the right of the picture (of the face's own upright)."""
        return turn_of(self.landmarks)[0]

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
