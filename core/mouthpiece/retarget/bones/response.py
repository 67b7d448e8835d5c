"""From what a face does to what the channels of its bones must hold, given how the rig answers them.

All positions are in one frame, the rig's (Blender: the armature's space), in its unit. *Places* are points carried by
bones, a head or a tail each, that are to follow controls; *handles* are numbers that move them, components of bones'
locations. How places answer handles is measured on the rig, so that parents, constraints and rests are in it already.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations, product
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: The performance's axes (x right, y down, z away) in those of a character that looks along -Y with +Z up, columns.
LOOKS_ALONG_MINUS_Y: Final[Floats] = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
#: Pairs of controls whose distance tells a rig's size, best first: skulls before skin, skin before lips.
_MEASURES: Final = ("eye", "lid_upper", "brow_outer", "brow_mid", "brow", "cheek", "lip_corner", "nostril")
#: Rigs stand upright: an orientation found within this angle of a right one (radians) is that one.
_UPRIGHT: Final = 0.6
#: Directions of answer weaker than this share of the strongest are given up: they would ask for huge values. Off the
#: eyeball Rigify's lids answer to 0.1 and less, along it, and everything else measured, to 0.28 and more.
_WEAKEST: Final = 0.15


@dataclass(frozen=True, slots=True, eq=False)
class Carried:
    """How the jaw carries places along.

    Attributes
    ----------
    angles : (K,) float64
        Opening angles of the jaw, ascending, in radians.
    positions : (K, P, 3) float64
        Where each place is at each of them, all handles at rest.
    turned : (K, P, 3, 3) float64
        How the bone that carries it is turned against the jaw at rest.
    sideways : (P, 3) float64
        How a place moves for each radian the jaw turns to the side.
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
    """Return rotations (..., 3, 3) near ``matrices`` that are nearly rotations: their columns made square and unit."""
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
    """Return the handles (F, H) that bring places to where they are wanted.

    Parameters
    ----------
    jacobian
        (P, 3, H): how each place moves for one unit of each handle, the jaw shut.
    wanted, carried
        (F, P, 3): where places are to be, and where the jaw alone brings them.
    turned
        (F, P, 3, 3): how the jaw turns what carries them, and with it the directions of their handles.
    bones
        The bone of each handle, as numbers: of those of one bone the ones that reach far are moved rather than the
        others, which may answer only because something (a lid's eyeball) bends their way. Each its own by default.
    """
    count, places, width = len(wanted), jacobian.shape[0], jacobian.shape[2]
    if not places or not width:
        return np.zeros((count, width))
    left = np.einsum("fpji,fpj->fpi", turned, wanted - carried).reshape(count, places * 3)
    matrix = jacobian.reshape(places * 3, width)
    # bones differ in reach (a look-at target far away, a lip's own location): each is measured by its own
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
    """Return the least rotations (F, 3, 3) that turn the direction ``resting`` (F, 3) into ``wanted`` (F, 3)."""
    before = resting / np.maximum(np.linalg.norm(resting, axis=1), 1e-12)[:, None]
    after = wanted / np.maximum(np.linalg.norm(wanted, axis=1), 1e-12)[:, None]
    axis = np.cross(before, after)
    sine, cosine = np.linalg.norm(axis, axis=1), (before * after).sum(axis=1)
    angle = np.arctan2(sine, cosine)
    return rotation_vectors_to_matrices(axis * (angle / np.maximum(sine, 1e-12))[:, None])


@dataclass(frozen=True, slots=True, eq=False)
class FaceFrame:
    """Where a rig's face looks, and how large it is.

    Attributes
    ----------
    axes : (3, 3) float64
        Columns: the performance's x, y and z in the rig's frame.
    eye_distance : float
        Distance of the outer eye corners in the rig's unit; 0 if nothing tells.
    measured_on : str
        What told the distance; empty if nothing did.
    """

    axes: Floats
    eye_distance: float
    measured_on: str = ""


def face_frame(places: Mapping[str, Sequence[float]], neutral: Mapping[str, Floats]) -> FaceFrame:
    """Return the frame of the face whose controls rest at ``places`` on the rig.

    Parameters
    ----------
    places
        Where the rig has its controls, by name, in its frame and unit.
    neutral
        Where a face has them (:func:`~mouthpiece.retarget.bones.controls.control_points`).
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
    """Return the orientation that fits the face onto the rig best, an upright one if it is near."""
    if len(known) < 3:
        return LOOKS_ALONG_MINUS_Y
    face = np.array([neutral[name] for name in known])
    rig = np.array(list(known.values()))
    face, rig = face - face.mean(axis=0), rig - rig.mean(axis=0)
    left, strength, right = np.linalg.svd(rig.T @ face)
    if strength[1] < 1e-3 * max(strength[0], 1e-12):
        return LOOKS_ALONG_MINUS_Y  # all on one line: any turn about it fits
    found = left @ np.diag([1.0, 1.0, np.linalg.det(left @ right)]) @ right
    closeness = [float(np.trace(found.T @ axes)) for axes in _upright()]
    best = _upright()[int(np.argmax(closeness))]
    cosine = (max(closeness) - 1) / 2
    return best if cosine > np.cos(_UPRIGHT) else found


def _upright() -> list[Floats]:
    """Return the 24 rotations that bring axes onto axes."""
    found = []
    for order, signs in product(permutations(range(3)), product((1.0, -1.0), repeat=3)):
        axes = np.zeros((3, 3))
        axes[order, range(3)] = signs
        if np.linalg.det(axes) > 0:
            found.append(axes)
    return found
