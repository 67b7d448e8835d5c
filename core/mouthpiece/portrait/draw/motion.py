"""Where every point of a portrait goes: a performance, or tracked landmarks, on the portrait's own geometry.

Points are in the face's coordinates (:class:`~mouthpiece.retarget.picture.face.PictureFace`): upright, x to the right
and y down, the origin between the eyes, in eye distances. Depth is away from the viewer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ...motion.tongue import raised
from ...performance import Performance, rotation_matrices
from ...retarget.picture.face import PictureFace
from ...retarget.picture.follow import moving
from ...retarget.picture.keys import (
    BROW_DOWN,
    BROW_UP,
    FROWN,
    JAW_SHARE,
    MEETING,
    PictureRig,
    head_pivot,
    rig_of,
    vertex_depths,
)
from ...retarget.picture.mouth_modes import LOOK, TIED, brows_of, lids_of
from ...retarget.solve.proportions import CHIN_SLIDES, LIP_PAIRS, transferred
from ...retarget.warp.head_turn import MOST
from ...topology import JAW, LANDMARK_COUNT, LEFT_BROW, LEFT_EYE, RIGHT_BROW, RIGHT_EYE, RIGID
from .take_samples import read_at

Points = NDArray[np.float64]

#: A picture's chin goes half as far again as tracked chins do; :func:`transferred` gives a rig's, which goes farther.
_CHIN: Final = 1.5 / CHIN_SLIDES
#: How far lids shut, of all the way: where lashes lie on the white of a lower lid, an edge without a gap is jagged.
_SHUT: Final = 0.92
#: What sides and root of a tongue take part in as its tip rises; how far below the teeth it rests, in its widths.
_SIDES, _ROOT = 0.35, 0.5
_UNDER: Final = 0.07
#: Outer points that go with each pair of inner ones.
_ABOVE, _BELOW = ((49, 50), (51,), (52, 53)), ((59, 58), (57,), (56, 55))
#: Points that tell how a tracked head stands.
_STEADY: Final = (*RIGID, 0, 1, 15, 16, 31, 35)


@dataclass(frozen=True, slots=True, eq=False)
class Poses:
    """What a face does at T moments.

    Attributes
    ----------
    offsets : (T, 68, 2)
        Displacement of the landmarks on the head, in eye distances.
    rotation : (T, 3, 3)
        How the head is turned, about the face's axes.
    scale : (T,)
        How much larger the head is seen.
    shift : (T, 2)
        How far it has moved, in eye distances.
    lids : (T, 2)
        Closure of the person's right eye and left beyond what the offsets do, 1 is shut; below 0 wide.
    gaze : (T, 2, 2)
        How far the irises have moved in the eyes, the person's right first, in eye distances.
    tongue : (T,)
        How far the tongue is raised, from where the jaw takes it (0) to the upper teeth (1).
    """

    offsets: Points
    rotation: Points
    scale: Points
    shift: Points
    lids: Points
    gaze: Points
    tongue: Points

    def __len__(self) -> int:
        """Return the number of moments."""
        return len(self.offsets)


@dataclass(frozen=True, slots=True, eq=False)
class PosedMesh:
    """Where things are at T moments, in pixels of the picture: vertices (T, V, 2), landmarks (T, 68, 2)."""

    vertices: Points
    landmarks: Points


class Puppet:
    """A portrait's mesh, and how it follows a face."""

    def __init__(self, face: PictureFace) -> None:
        """Make the mesh of a face.

        Raises
        ------
        PictureError
            If eyes or mouth are too near the picture's edge.
        """
        self.face: PictureFace = face
        self.rig: PictureRig = rig_of(face)
        self.shape: Points = face.shape()
        #: Displacement (68, 2) that shuts the picture's lips: speech is played on a shut mouth, smile or not.
        self.shut: Points = shut_lips(self.shape)
        self._depth = vertex_depths(face, self.rig.skin, self.rig.layers)
        self._belongs = moving(face, self.rig.points)
        self._pivot = head_pivot(face)
        keys = self.rig.keys
        self._lids = np.array([keys["blink_R"], keys["blink_L"]])
        start, self._eyes = len(self.rig.skin.points), list[slice]()
        for layer in self.rig.layers[:2]:
            self._eyes.append(slice(start, start + len(layer.points)))
            start += len(layer.points)
        #: How far irises go at the rig's looks of 1, in eye distances.
        self.looks = np.array([[keys["gaze_x"][eye.start, 0], keys["gaze_y"][eye.start, 1]] for eye in self._eyes])
        # teeth and tongue are laid out for a shut mouth: in a picture of an open one they are farther down
        self._jaw = np.zeros_like(self.rig.points)
        for layer in self.rig.layers[2:]:
            part = slice(start, start + len(layer.points))
            if layer.name in ("lower_teeth", "tongue"):
                self._jaw[part] = -layer.follow @ self.shut
            if layer.name == "tongue":
                self._tongue, self._below, self._rises = part, *_rise(layer.points)
            start = part.stop
        self._near = np.zeros((2, len(self.rig.points)))
        for index, eye in enumerate(self._eyes):
            whole = max(float(self.looks[index, 0]), 1e-9)
            self._near[index, eye] = keys["gaze_x"][eye, 0] / whole

    @property
    def moves(self) -> NDArray[np.bool_]:
        """Which vertices can move at all, (V,)."""
        able: NDArray[np.bool_] = (self._belongs > 1e-6) | (np.abs(self.rig.follow).max(axis=1) > 1e-6)
        able |= np.abs(self._lids).max(axis=(0, 2)) > 0
        return able

    def performed(
        self, performance: Performance, times: NDArray[np.floating[Any]], strength: float = 1.0, head: float = 1.0
    ) -> Poses:
        """Return a take (:meth:`Performance.final`) at ``times`` (T,) in seconds on this face's proportions.

        ``strength`` is a factor on what the face does, ``head`` on what the head does; blinks shut eyes at any.
        """
        moments = read_at(performance, times)
        neutral = performance.neutral.astype(np.float64)
        landmarks = neutral + strength * (moments.landmarks - neutral)
        shape = self.shape.copy()
        shape[:, :2] += self.shut
        offsets = transferred(landmarks, neutral, shape).displacements[..., :2].copy()
        offsets[:, JAW] *= _CHIN
        offsets += self.shut
        offsets[:, [*RIGHT_EYE, *LEFT_EYE]] = 0
        self._brows(offsets, moments.arkit, strength)
        angles = head * moments.head[:, :3]
        angles[:, :2] = MOST * np.tanh(angles[:, :2] / MOST)
        return Poses(
            offsets,
            rotation_matrices(angles),
            np.ones(len(times)),
            TIED * head * moments.head[:, 3:5],
            np.minimum(lids_of(moments.arkit, moments.blink)[:, ::-1], _SHUT),
            np.clip(moments.gaze / LOOK, -1, 1)[:, None] * self.looks,
            raised(moments.tongue * strength),
        )

    @staticmethod
    def _brows(offsets: Points, arkit: Points, strength: float) -> None:
        up, down = brows_of(arkit)
        for brow, column, inward in ((LEFT_BROW, 0, -1.0), (RIGHT_BROW, 1, 1.0)):
            offsets[:, list(brow), 1] = strength * (up * BROW_UP + down * BROW_DOWN)[:, [column]]
            offsets[:, list(brow), 0] = strength * inward * FROWN * down[:, [column]]

    def tracked(self, landmarks: NDArray[Any], irises: NDArray[Any] | None = None) -> Poses:
        """Return the poses that put the landmarks where they were tracked on the same person, (T, 68, 3) in pixels.

        The head is laid through steady points as a rigid body seen from afar (Procrustes' problem; Schönemann 1966);
        what is left is the face's own. ``irises`` (T, 2, 2) are the middles of the person's right iris and left.
        """
        count, face = len(landmarks), self.face
        seen = np.asarray(landmarks, np.float64)
        flat = face.inward(seen[..., :2].reshape(-1, 2)).reshape(count, LANDMARK_COUNT, 2)
        depth = (seen[..., 2:] - seen[:, [36, 39, 42, 45], 2].mean(axis=1)[:, None, None]) / face.unit
        scale, rotation, shift = stance(self.shape, np.concatenate([flat, depth], axis=2), self._pivot)
        head = Poses(
            np.zeros((count, LANDMARK_COUNT, 2)), rotation, scale, shift, np.zeros((count, 2)), np.zeros((count, 2, 2)),
            np.zeros(count),
        )  # fmt: skip
        left = flat - self._headed(self.shape[:, :2], self.shape[:, 2], np.ones(LANDMARK_COUNT), head)
        turn = scale[:, None, None] * rotation[:, :2, :2]
        offsets = _turned_back(turn, left)
        gaze: Points = np.zeros((count, 2, 2))
        if irises is not None:
            centres = face.inward(face.irises[:, :2])
            wanted = face.inward(np.asarray(irises, np.float64).reshape(-1, 2)).reshape(count, 2, 2)
            depths = np.array([self.shape[list(eye), 2].mean() for eye in (RIGHT_EYE, LEFT_EYE)])
            off = wanted - self._headed(centres, depths, np.ones(2), head)
            gaze = _turned_back(turn, off)
        return Poses(offsets, rotation, scale, shift, np.zeros((count, 2)), gaze, np.zeros(count))

    def _headed(self, points: Points, depth: Points, belongs: Points, poses: Poses) -> Points:
        """Return ``points`` (P, 2) of given depth where the head takes them, (T, P, 2), as far as they belong to it."""
        body = np.column_stack([points, depth]) - self._pivot
        turn = poses.scale[:, None, None] * poses.rotation[:, :2]
        moved = body @ np.swapaxes(turn, 1, 2) + self._pivot[:2] + poses.shift[:, None]
        result: Points = points + belongs[:, None] * (moved - points)
        return result

    def placed(self, poses: Poses) -> PosedMesh:
        """Return where vertices and landmarks are."""
        turn = np.swapaxes(poses.scale[:, None, None] * poses.rotation[:, :2, :2], 1, 2)
        own = self.rig.follow @ poses.offsets + self._jaw
        for eye in (0, 1):
            own += np.maximum(poses.lids[:, eye], -0.5)[:, None, None] * self._lids[eye]
            own += self._near[eye][:, None] * poses.gaze[:, eye][:, None]
        if poses.tongue.any():
            # up by as much as the jaw takes it down, and by what it lies below the teeth at rest
            fallen = np.maximum(own[:, self._tongue, 1], 0) + self._below
            own[:, self._tongue, 1] -= poses.tongue[:, None] * self._rises * fallen
        vertices = self._headed(self.rig.points, self._depth, self._belongs, poses) + own @ turn
        shape = self.shape
        landmarks = self._headed(shape[:, :2], shape[:, 2], np.ones(LANDMARK_COUNT), poses) + poses.offsets @ turn
        return PosedMesh(self._outward(vertices), self._outward(landmarks))

    def _outward(self, points: Points) -> Points:
        result: Points = points @ self.face.axes.T + self.face.origin
        return result


def _rise(points: Points) -> tuple[float, Points]:
    """Return how far a painted tongue lies below the teeth, and how much of a rise each of its points (V, 2) shares.

    The first half of its points are its upper edge, whose middle is the tip.
    """
    half = len(points) // 2
    across = np.linspace(-1, 1, half)
    shares = 1 - _SIDES * across**2
    width = float(np.ptp(points[:, 0]))
    return _UNDER * width, np.concatenate([shares, _ROOT * shares])


def _turned_back(turn: Points, moved: Points) -> Points:
    """Return the displacements (T, P, 2) that ``turn`` (T, 2, 2) makes to ``moved`` (T, P, 2)."""
    return np.asarray(np.swapaxes(np.linalg.solve(turn, np.swapaxes(moved, 1, 2)), 1, 2), np.float64)


def shut_lips(shape: Points) -> Points:
    """Return the displacement (68, 2) at which the lips of ``shape`` (68, 3) meet; the jaw comes half the way."""
    moved = np.zeros((LANDMARK_COUNT, 2))
    for (upper, lower), above, below in zip(LIP_PAIRS, _ABOVE, _BELOW, strict=True):
        apart = shape[lower, :2] - shape[upper, :2]
        moved[[upper, *above]] = (1 - MEETING) * apart
        moved[[lower, *below]] = -MEETING * apart
    moved[list(JAW[5:12]), 1] = JAW_SHARE * min(float(moved[[65, 66, 67], 1].mean()), 0.0)
    return moved


def stance(shape: Points, seen: Points, pivot: Points) -> tuple[Points, Points, Points]:
    """Return scale (T,), rotation (T, 3, 3) and shift (T, 2) that lay a face ``shape`` (68, 3) on ``seen`` (T, 68, 3).

    About ``pivot`` (3,), in the coordinates of both; by least squares over steady points.
    """
    rows = list(_STEADY)
    base = shape[rows] - shape[rows].mean(axis=0)
    there = seen[:, rows] - seen[:, rows].mean(axis=1, keepdims=True)
    u, sizes, vt = np.linalg.svd(np.swapaxes(there, 1, 2) @ base)
    sign = np.sign(np.linalg.det(u @ vt))
    flip = np.stack([np.ones_like(sign), np.ones_like(sign), sign], axis=1)
    rotation = (u * flip[:, None]) @ vt
    scale = (sizes * flip).sum(axis=1) / (base**2).sum()
    middle = scale[:, None] * (rotation @ (shape[rows].mean(axis=0) - pivot)) + pivot
    shift = (seen[:, rows].mean(axis=1) - middle)[:, :2]
    return scale, rotation, shift
