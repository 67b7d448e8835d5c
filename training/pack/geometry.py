"""Geometry of landmarks: removing head pose, and moving the motion of any face onto one canonical face.

Frame of reference throughout: x to the right of the picture, y down, z away from the camera. "Canonical" means
upright, facing the camera, origin between the eyes, outer eye corners one unit apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from mouthpiece.topology import (
    INNER_LIP_BOTTOM,
    INNER_LIP_TOP,
    INNER_LIPS,
    LEFT_EYE_OUTER,
    LIPS,
    MIRROR,
    MOUTH_AND_JAW,
    MOUTH_LEFT_CORNER,
    MOUTH_RIGHT_CORNER,
    RIGHT_EYE_OUTER,
    RIGID,
)
from numpy.typing import NDArray
from scipy import signal

Points = NDArray[np.float64]

_RIGID = np.array(RIGID)
_LIPS = np.array(LIPS)
_INNER = np.array(INNER_LIPS)
_MOUTH_AND_JAW = np.array(MOUTH_AND_JAW)
_EYE_CORNERS = np.array([36, 39, 42, 45])

#: Rigid points (9, 3) of an average face, canonical: the order is that of ``topology.RIGID``.
AVERAGE_RIGID = np.array([
    [0.0, -0.051, -0.216], [0.0, 0.114, -0.328], [0.0, 0.256, -0.459], [0.0, 0.346, -0.489], [0.0, 0.502, -0.295],
    [-0.5, -0.007, 0.03], [-0.198, 0.007, -0.03], [0.198, 0.007, -0.03], [0.5, -0.007, 0.03],
])  # fmt: skip

#: Length in frames and order of the zero-phase filter that removes the tracker's noise.
SMOOTH_FRAMES = 5
SMOOTH_ORDER = 2


def similarity(source: Points, target: Points) -> tuple[Points, Points, Points]:
    """Return scale (T,), rotation (T, 3, 3) and shift (T, 3) that bring ``source`` (T, N, 3) closest to ``target``.

    ``target`` (N, 3) or (T, N, 3). Least squares (Umeyama 1991): ``target ~ scale * source @ rotation.T + shift``.
    """
    target = np.broadcast_to(target, source.shape)
    centre_s, centre_t = source.mean(axis=1), target.mean(axis=1)
    a, b = source - centre_s[:, None], target - centre_t[:, None]
    u, d, vt = np.linalg.svd(np.einsum("tni,tnj->tij", b, a))
    sign = np.ones_like(d)
    sign[:, -1] = np.where(np.linalg.det(u @ vt) < 0, -1.0, 1.0)  # turn a reflection into a rotation
    rotation = (u * sign[:, None, :]) @ vt
    scale = (d * sign).sum(axis=1) / np.maximum((a**2).sum(axis=(1, 2)), 1e-12)
    shift = centre_t - scale[:, None] * np.einsum("tij,tj->ti", rotation, centre_s)
    return scale, rotation, shift


def transform(points: Points, scale: Points, rotation: Points, shift: Points) -> Points:
    """Return ``points`` (T, N, 3) moved by the similarities of :func:`similarity`."""
    moved: Points = scale[:, None, None] * np.einsum("tij,tnj->tni", rotation, points) + shift[:, None]
    return moved


def align(track: Points, rigid: Points) -> Points:
    """Return ``track`` (T, 68, 3) with every frame moved so that its rigid points fit ``rigid`` (9, 3)."""
    return transform(track, *similarity(track[:, _RIGID], rigid))


def rigid_shape(track: Points, start: Points, rounds: int = 5) -> Points:
    """Return the mean rigid points (9, 3) of a track (T, 68, 3), turned like ``start`` (9, 3): generalised Procrustes.

    The outer eye corners end one unit apart and the eye corners' centre at the origin.
    """
    rigid = track[:, _RIGID]
    shape = start
    for _ in range(rounds):
        shape = transform(rigid, *similarity(rigid, shape)).mean(axis=0)
        shape = _normalised(shape)
        shape = transform(shape[None], *_rotation_only(shape, start))[0]
    return shape


def _normalised(rigid: Points) -> Points:
    """Return rigid points (9, 3) with the eyes' centre at the origin and the outer eye corners one unit apart."""
    eyes = [RIGID.index(point) for point in _EYE_CORNERS]
    shape = rigid - rigid[eyes].mean(axis=0)
    spread = np.linalg.norm(shape[RIGID.index(LEFT_EYE_OUTER)] - shape[RIGID.index(RIGHT_EYE_OUTER)])
    unit: Points = shape / spread
    return unit


def _rotation_only(source: Points, target: Points) -> tuple[Points, Points, Points]:
    """Return the similarity of :func:`similarity` between single shapes (N, 3), without its scale and shift."""
    _, rotation, _ = similarity(source[None], target)
    return np.ones(1), rotation, np.zeros((1, 3))


def fill_gaps(track: Points, held: NDArray[np.bool_]) -> Points:
    """Return ``track`` (T, ...) with frames that are not ``held`` (T,) interpolated, so that filters can be applied.

    Raises
    ------
    ValueError
        If no frame is held.
    """
    if not held.any():
        raise ValueError("no frame holds a face")
    frames = np.arange(len(track))
    rows = track.reshape(len(track), -1).astype(np.float64)
    filled = np.stack([np.interp(frames, frames[held], column[held]) for column in rows.T], axis=1)
    return filled.reshape(track.shape)


def smooth(track: Points) -> Points:
    """Return ``track`` (T, ...) without the tracker's noise; the filter has zero phase, so there is no delay."""
    if len(track) < SMOOTH_FRAMES:
        return track
    filtered: Points = signal.savgol_filter(track, SMOOTH_FRAMES, SMOOTH_ORDER, axis=0)
    return filtered


def inner_gap(face: Points) -> Points:
    """Return how far the inner lips are apart (...,), in the unit of ``face`` (..., 68, 3); negative if crossed."""
    gap: Points = face[..., INNER_LIP_BOTTOM, 1] - face[..., INNER_LIP_TOP, 1]
    return gap


def lip_width(face: Points) -> Points:
    """Return the distance of the mouth corners (...,) in the picture plane, in the unit of ``face`` (..., 68, 3)."""
    width: Points = np.linalg.norm(face[..., MOUTH_LEFT_CORNER, :2] - face[..., MOUTH_RIGHT_CORNER, :2], axis=-1)
    return width


def inner_area(face: Points) -> Points:
    """Return the area between the inner lips (...,) in the picture plane, in squared units of ``face``."""
    x, y = face[..., _INNER, 0], face[..., _INNER, 1]
    area: Points = 0.5 * np.abs((x * np.roll(y, -1, -1) - np.roll(x, -1, -1) * y).sum(axis=-1))
    return area


def closed_frames(track: Points, held: NDArray[np.bool_], share: float = 0.004, least: int = 3) -> NDArray[np.intp]:
    """Return the indices of the frames where the mouth is shut and still: the speaker at rest.

    These are, of the slower half of the held frames, those with the least inner-lip area: a ``share`` of the track, but
    at least ``least``. Their average is less noisy than one frame. More frames would spoil it: people who speak without
    pauses rest rarely, and with parted lips as rest, true closures would come out as lips that cross.
    """
    speed = np.r_[0.0, np.linalg.norm(np.diff(track[:, _LIPS, :2], axis=0), axis=-1).mean(axis=1)]
    candidates = np.flatnonzero(held & (speed <= np.median(speed[held]) + 1e-9))
    order = candidates[np.argsort(inner_area(track[candidates]), kind="stable")]
    return np.sort(order[: max(least, round(share * len(track)))])


@dataclass(frozen=True, slots=True, eq=False)
class Aligned:
    """A track with head motion removed.

    Attributes
    ----------
    points : (T, 68, 3) float64
        The speaker's own face in the canonical frame of reference, with gaps filled.
    held : (T,) bool
        Whether the tracker had the face in each frame.
    """

    points: Points
    held: NDArray[np.bool_]


def remove_pose(landmarks: Points, valid: NDArray[np.bool_], rigid: Points, smoothed: bool = True) -> Aligned:
    """Return a track (T, 68, 3), in any unit and with head motion, aligned frame by frame.

    The face keeps its own shape: frames are fitted to the track's mean rigid points, which are only turned like the
    canonical ones, ``rigid`` (9, 3).
    """
    held = valid & np.isfinite(landmarks).all(axis=(1, 2))
    track = fill_gaps(landmarks, held)
    if smoothed:
        track = smooth(track)
    shape = rigid_shape(track[held], rigid)
    return Aligned(align(track, shape), held)


def rigid_points(face: Points) -> Points:
    """Return the rigid points (..., 9, 3) of faces (..., 68, 3)."""
    return face[..., _RIGID, :]


def symmetric_closed(face: Points) -> Points:
    """Return ``face`` (68, 3) made left-right symmetric and with its inner lips exactly shut."""
    mirrored = face[np.array(MIRROR)] * np.array([-1.0, 1.0, 1.0])
    result = 0.5 * (face + mirrored)
    for top, bottom in ((61, 67), (62, 66), (63, 65)):
        middle = 0.5 * (result[top] + result[bottom])
        result[top] = result[bottom] = middle
    return result


def onto_canonical(points: Points, rest: Points, canonical: Points) -> Points:
    """Return displacements (T, 68, 3) of ``points`` from the face ``rest``, scaled to fit the face ``canonical``.

    Mouth and jaw move in proportion to the width of the lips: a wide mouth opens wider.
    """
    moved = points - rest
    moved[:, _MOUTH_AND_JAW] *= lip_width(canonical) / lip_width(rest)
    return moved
