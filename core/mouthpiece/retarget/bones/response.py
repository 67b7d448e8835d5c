"""Computes the channels of bones that give a wanted motion, from how the rig was measured to respond to them.

All positions are in the rig's frame of reference (Blender: the armature's space) and its unit. *Places* are heads or
tails of bones that follow controls; *handles* are the numbers that move them, components of bones' locations. How
places respond to handles is measured on the rig, so that it includes parents, constraints and rest poses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations, product
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: The performance's axes (x right, y down, z away) as columns in the axes of a character that looks along -Y, +Z up.
LOOKS_ALONG_MINUS_Y: Final[Floats] = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
#: Pairs of controls whose distance gives a rig's size, best first: skull before skin, skin before lips.
_MEASURES: Final = ("eye", "lid_upper", "brow_outer", "brow_mid", "brow", "cheek", "lip_corner", "nostril")
#: Rigs stand upright: an orientation within this angle (radians) of an upright one is set to that.
_UPRIGHT: Final = 0.6
#: Directions of response weaker than this share of the strongest are not used, as they would need huge values. Rigify's
#: lids respond away from the eyeball by 0.1 and less; along it, as all else that was measured, by 0.28 and more.
_WEAKEST: Final = 0.15


@dataclass(frozen=True, slots=True, eq=False)
class Carried:
    """How places move with the jaw.

    Attributes
    ----------
    angles : (K,) float64
        Opening angles of the jaw, ascending, in radians.
    positions : (K, P, 3) float64
        Position of each place at each angle, with all handles at rest.
    turned : (K, P, 3, 3) float64
        Rotation of the bone of each place at each angle, relative to the jaw at rest.
    sideways : (P, 3) float64
        Motion of each place per radian of the jaw's turn to the side.
    """

    angles: Floats
    positions: Floats
    turned: Floats
    sideways: Floats

    def at(self, jaw: Floats) -> tuple[Floats, Floats]:
        """Return positions (F, P, 3) and turns (F, P, 3, 3) for the jaw's rotation vectors (F, 3)."""
        if len(self.angles) < 2:
            count = len(jaw)
            return np.repeat(self.positions[:1], count, axis=0), np.repeat(self.turned[:1], count, axis=0)
        angle = np.clip(jaw[:, 0], self.angles[0], self.angles[-1])
        after = np.clip(np.searchsorted(self.angles, angle), 1, len(self.angles) - 1)
        low, high = self.angles[after - 1], self.angles[after]
        share = ((angle - low) / (high - low))[:, None, None]
        positions = (1 - share) * self.positions[after - 1] + share * self.positions[after]
        turned = (1 - share)[..., None] * self.turned[after - 1] + share[..., None] * self.turned[after]
        positions = positions + jaw[:, 1, None, None] * self.sideways
        return positions, _squared(turned)


def _squared(matrices: Floats) -> Floats:
    """Return the rotations (..., 3, 3) near ``matrices`` that nearly are rotations: columns made orthonormal."""
    first, second = matrices[..., :, 0], matrices[..., :, 1]
    first = first / np.linalg.norm(first, axis=-1, keepdims=True)
    third = np.cross(first, second)
    third = third / np.linalg.norm(third, axis=-1, keepdims=True)
    return np.stack([first, np.cross(third, first), third], axis=-1)


def nearest_rotations(matrices: Floats) -> Floats:
    """Return the rotations (..., 3, 3) nearest to ``matrices``, such as means of rotations."""
    left, _, right = np.linalg.svd(matrices)
    flip = np.linalg.det(left @ right)[..., None]
    left = left.copy()
    left[..., :, 2] *= flip
    nearest: Floats = left @ right
    return nearest


def solve(
    jacobian: Floats, wanted: Floats, carried: Floats, turned: Floats, bones: Sequence[int] | None = None
) -> Floats:
    """Return the handles (F, H) that move places to the wanted positions.

    Parameters
    ----------
    jacobian
        (P, 3, H): motion of each place per unit of each handle, with the jaw shut.
    wanted, carried
        (F, P, 3): wanted positions of the places, and their positions by the jaw alone.
    turned
        (F, P, 3, 3): rotations of the places' bones by the jaw, which rotate their handles' directions as well.
    bones
        The number of each handle's bone; by default each handle has its own. Of one bone's handles, those with large
        response are preferred; a small one may only come from an obstacle (a lid sliding on its eyeball).
    """
    count, places, width = len(wanted), jacobian.shape[0], jacobian.shape[2]
    if not places or not width:
        return np.zeros((count, width))
    left = np.einsum("fpji,fpj->fpi", turned, wanted - carried).reshape(count, places * 3)
    matrix = jacobian.reshape(places * 3, width)
    # bones differ in response (a far look-at target, a lip's own location): each is measured relative to its own
    own = np.arange(width) if bones is None else np.asarray(bones)
    norms = np.linalg.norm(matrix, axis=0)
    reach = np.array([max(norms[own == bone].max(), 1e-9) for bone in own])
    inverse = np.linalg.pinv(matrix / reach, rcond=_WEAKEST)
    handles: Floats = left @ inverse.T / reach
    return handles


def rotation_vectors_to_matrices(vectors: Floats) -> Floats:
    """Return the rotations (F, 3, 3) of rotation vectors (F, 3) in radians."""
    angle = np.linalg.norm(vectors, axis=1)
    axis = vectors / np.maximum(angle, 1e-12)[:, None]
    x, y, z = axis.T
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=1).reshape(-1, 3, 3)
    sine, versine = np.sin(angle)[:, None, None], (1 - np.cos(angle))[:, None, None]
    matrices: Floats = np.eye(3) + sine * cross + versine * (cross @ cross)
    return matrices


def rotation_vectors(matrices: Floats) -> Floats:
    """Return the rotation vectors (F, 3) in radians of rotations (F, 3, 3) by less than half a turn."""
    skew = matrices - np.swapaxes(matrices, -1, -2)
    axis = np.stack([skew[:, 2, 1], skew[:, 0, 2], skew[:, 1, 0]], axis=1) / 2
    sine = np.linalg.norm(axis, axis=1)
    angle = np.arctan2(sine, (np.trace(matrices, axis1=1, axis2=2) - 1) / 2)
    vectors: Floats = axis * (angle / np.maximum(sine, 1e-12))[:, None]
    return vectors


def turns_towards(resting: Floats, wanted: Floats) -> Floats:
    """Return the smallest rotations (F, 3, 3) that turn the directions ``resting`` (F, 3) into ``wanted`` (F, 3)."""
    before = resting / np.maximum(np.linalg.norm(resting, axis=1), 1e-12)[:, None]
    after = wanted / np.maximum(np.linalg.norm(wanted, axis=1), 1e-12)[:, None]
    axis = np.cross(before, after)
    sine, cosine = np.linalg.norm(axis, axis=1), (before * after).sum(axis=1)
    angle = np.arctan2(sine, cosine)
    return rotation_vectors_to_matrices(axis * (angle / np.maximum(sine, 1e-12))[:, None])


@dataclass(frozen=True, slots=True, eq=False)
class FaceFrame:
    """Orientation and size of a rig's face.

    Attributes
    ----------
    axes : (3, 3) float64
        Columns: the performance's x, y and z in the rig's frame.
    eye_distance : float
        Distance of the outer eye corners in the rig's unit; 0 if it cannot be measured.
    measured_on : str
        The controls it was measured on; empty if it could not be measured.
    """

    axes: Floats
    eye_distance: float
    measured_on: str = ""


def face_frame(places: Mapping[str, Sequence[float]], neutral: Mapping[str, Floats]) -> FaceFrame:
    """Return orientation and size of the face whose controls rest at ``places`` on the rig.

    Parameters
    ----------
    places
        Positions of the rig's controls by name, in its axes and unit.
    neutral
        Positions on the performance's face (:func:`~mouthpiece.retarget.bones.controls.control_points`).
    """
    known = {name: np.asarray(place, np.float64) for name, place in places.items() if name in neutral}
    distance, measured = 0.0, ""
    for name in _MEASURES:
        if f"{name}.L" in known and f"{name}.R" in known:
            own = float(np.linalg.norm(neutral[f"{name}.L"] - neutral[f"{name}.R"]))
            length = float(np.linalg.norm(known[f"{name}.L"] - known[f"{name}.R"]))
            if own > 1e-6 and length > 1e-9:
                distance, measured = length / own, name
                break
    return FaceFrame(_axes(known, neutral), distance, measured)


def _axes(known: Mapping[str, Floats], neutral: Mapping[str, Floats]) -> Floats:
    """Return the orientation that fits the face best onto the rig, or an upright one that is near it."""
    if len(known) < 3:
        return LOOKS_ALONG_MINUS_Y
    face = np.array([neutral[name] for name in known])
    rig = np.array(list(known.values()))
    face, rig = face - face.mean(axis=0), rig - rig.mean(axis=0)
    left, strength, right = np.linalg.svd(rig.T @ face)
    if strength[1] < 1e-3 * max(strength[0], 1e-12):
        return LOOKS_ALONG_MINUS_Y  # all points on one line: any turn about it would fit
    found = left @ np.diag([1.0, 1.0, np.linalg.det(left @ right)]) @ right
    closeness = [float(np.trace(found.T @ axes)) for axes in _upright()]
    best = _upright()[int(np.argmax(closeness))]
    cosine = (max(closeness) - 1) / 2
    return best if cosine > np.cos(_UPRIGHT) else found


def _upright() -> list[Floats]:
    """Return the 24 rotations that turn every axis onto an axis."""
    found = []
    for order, signs in product(permutations(range(3)), product((1.0, -1.0), repeat=3)):
        axes = np.zeros((3, 3))
        axes[order, range(3)] = signs
        if np.linalg.det(axes) > 0:
            found.append(axes)
    return found
