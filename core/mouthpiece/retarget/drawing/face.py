"""A drawn face, given by its landmarks, and where these move in a performance.

The plane of the drawing has x to the right and y down, in any unit. The face may be turned (3/4 view) or tilted, and
its features may have any size: the motion of each is scaled by its size, so that big eyes shut and small mouths move.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ...curves import sample
from ...errors import RigError
from ...motion.tongue import raised
from ...performance import Performance, rotation_matrices
from ...topology import (
    JAW,
    LANDMARK_COUNT,
    LEFT_BROW,
    LEFT_EYE,
    LEFT_LID_PAIRS,
    LIPS,
    NOSE,
    RIGHT_BROW,
    RIGHT_EYE,
    RIGHT_LID_PAIRS,
)
from ..warp.folds import CORNERS, LIP_PAIRS, gap

Points = NDArray[np.float64]

#: Features whose motion has a scale of its own: (their landmarks, the two landmarks whose distance gives the scale).
_MEASURES: Final = (
    ((*JAW, *LIPS), (48, 54)),  # the chin moves with the lips, whatever their size
    (RIGHT_EYE, (36, 39)),
    (LEFT_EYE, (42, 45)),
    ((*RIGHT_BROW, *LEFT_BROW, *NOSE), (36, 45)),
)
#: Share of a closing gap that the upper lid moves, and the upper lip of a mouth drawn open.
_UPPER_LID, _UPPER_LIP = 0.85, 0.3
#: Most that lids open beyond the drawing, as a share of their gap, and the share of the take's widening they show.
_WIDEST, _WIDENING = 0.35, 0.5
#: Share of the lids' gap below which they are drawn shut: blinks are short, and few frames hit their fully shut moment.
_MEET: Final = 0.15
#: Gap, in widths of mouth or eye, that stays when lips or lids drawn open shut.
HAIR: Final = 0.012
#: Gap of the inner lips, in widths of the mouth, from which a mouth counts as drawn open.
_DRAWN_OPEN: Final = 0.12
#: Landmarks that move when a mouth drawn open shuts -> share of the right, middle and left pair's motion.
_FOLLOW: Final = {
    **{pair[k]: np.eye(3)[n] for n, pair in enumerate(LIP_PAIRS) for k in (0, 1)},
    49: np.array([0.5, 0, 0]), 50: np.array([1.0, 0, 0]), 51: np.array([0, 1.0, 0]),
    52: np.array([0, 0, 1.0]), 53: np.array([0, 0, 0.5]),
    59: np.array([0.5, 0, 0]), 58: np.array([1.0, 0, 0]), 57: np.array([0, 1.0, 0]),
    56: np.array([0, 0, 1.0]), 55: np.array([0, 0, 0.5]),
    **{jaw: np.array([0, 0.75 * np.cos((jaw - 8) * np.pi / 10), 0]) for jaw in range(4, 13)},
}  # fmt: skip
_UPPER_LIPS: Final = (49, 50, 51, 52, 53, 61, 62, 63)
#: Turns of the head, in radians, that are tried for a drawing.
_YAWS: Final = np.linspace(-1.1, 1.1, 89)
#: By how much a turned head must fit better than one that looks straight ahead, per radian squared.
_STRAIGHT: Final = 0.25
#: Share of the eye's width by which a pupil moves per radian of gaze.
_LOOK: Final = 0.42


@dataclass(frozen=True, slots=True, eq=False)
class DrawnFace:
    """A face in the plane of a drawing.

    Attributes
    ----------
    landmarks : (68, 2) float64
        Places of the landmarks, x right, y down, in units of the plane.
    neutral : (68, 3) float64
        The resting face of performances, in eye distances.
    yaw : float
        Turn of the drawn head in radians, with the sign of ``Performance.head``.
    axes : (2, 2) float64
        Columns: the face's own right and down in the plane, each of length 1.
    measures : (68,) float64
        Scale of each landmark's motion: units of the plane per eye distance.
    unit : float
        Eye distance the drawing has when seen from the front, in units of the plane.
    drawn_open : bool
        Whether the mouth is drawn open; it then shuts where the performance's does.
    """

    landmarks: Points
    neutral: Points
    yaw: float
    axes: Points
    measures: Points
    unit: float
    drawn_open: bool

    @classmethod
    def of(cls, landmarks: NDArray[Any], neutral: NDArray[Any], mouth: str = "auto") -> DrawnFace:
        """Return the face drawn at ``landmarks`` (68, 2) for performances that rest at ``neutral`` (68, 3).

        ``mouth`` is "shut", "open", or "auto", which decides by the gap of the inner lips.

        Raises
        ------
        RigError
            If the landmarks are not 68 finite points, or all lie in one place or on one line.
        """
        points = np.asarray(landmarks, np.float64)
        if points.shape != (LANDMARK_COUNT, 2) or not np.isfinite(points).all():
            raise RigError(f"The face of the drawing needs {LANDMARK_COUNT} points. Place its handles again.")
        if np.linalg.svd(points - points.mean(axis=0), compute_uv=False)[-1] < 1e-6 * max(np.ptp(points), 1e-12):
            raise RigError("All points of the drawn face lie on one line. Place its handles again.")
        rest = np.asarray(neutral, np.float64)
        yaw, matrix = _view(points, rest)
        left, _, right = np.linalg.svd(matrix)
        seen = rest @ _turn(yaw).T
        measures = np.empty(LANDMARK_COUNT)
        unit = _ratio(points, seen, (36, 45), float(np.sqrt(abs(np.linalg.det(matrix)))))
        for group, ends in _MEASURES:
            measures[list(group)] = np.clip(_ratio(points, seen, ends, unit), 0.2 * unit, 5 * unit)
        axes = left @ right
        wide = float(np.hypot(*(points[64] - points[60])))
        gaps = [(points[lower] - points[upper]) @ axes[:, 1] for upper, lower in LIP_PAIRS]
        is_open = max(gaps) > _DRAWN_OPEN * wide if mouth == "auto" else mouth == "open"
        return cls(points, rest, yaw, axes, measures, unit, is_open)

    @property
    def depths(self) -> Points:
        """Return the depth (68,) of each landmark behind the eyes, in units of the plane."""
        turned: Points = self.unit * (self.neutral @ rotation_matrices(np.array([[0, self.yaw, 0]]))[0].T)[:, 2]
        return turned

    @property
    def origin(self) -> Points:
        """Return the middle (2,) between the outer eye corners."""
        middle: Points = self.landmarks[[36, 45]].mean(axis=0)
        return middle


@dataclass(frozen=True, slots=True, eq=False)
class DrawnMotion:
    """The motion of a drawn face on F frames, in units of the plane.

    Attributes
    ----------
    landmarks : (F, 68, 2) or more float64
        Places of the landmarks; points between them (:mod:`.rims`) may follow after them.
    pupils : (F, 2, 2) float64
        Shifts of the person's right and left pupil.
    jaw : (F, 2) float64
        Shift of the lower jaw.
    tongue : (F, 2) float64
        Shift of the tongue, which goes with the jaw and rises from there.
    head : (F, 6) float64
        As ``Performance.head``, but without shifts: a drawing stays in its place.
    """

    landmarks: Points
    pupils: Points
    jaw: Points
    tongue: Points
    head: Points

    def at(self, frames: NDArray[np.integer[Any]]) -> DrawnMotion:
        """Return the motion on some of its frames."""
        tracks = (self.landmarks, self.pupils, self.jaw, self.tongue, self.head)
        return DrawnMotion(*(track[frames] for track in tracks))


def follow(
    face: DrawnFace, performance: Performance, times: NDArray[np.floating[Any]], strength: float = 1.0
) -> DrawnMotion:
    """Return the motion of ``face`` at ``times`` (F,), in seconds of the ``performance``.

    ``strength`` is a factor on all motion but blinks, which always shut the eyes fully.
    """
    take = performance.final()
    points = sample(take.landmarks, take.fps, times)
    offsets = (points - face.neutral) @ _turn(face.yaw).T * face.measures[:, None] * strength
    moved = face.landmarks + offsets @ face.axes.T
    if face.drawn_open:
        moved += _shut(face)
    _lids(face, points, moved)
    part(face, moved)
    eyes = [face.measures[eye] * np.hypot(*(face.neutral[b] - face.neutral[a])[:2]) for eye, a, b in _EYES]
    look = np.sin(sample(take.gaze, take.fps, times)) @ face.axes.T * _LOOK * strength
    pupils = look[:, None, :] * np.array(eyes)[:, None]
    # The lower teeth move with the chin, which drops further than the contour landmarks show.
    jaw = 1.3 * offsets[:, 8] @ face.axes.T
    head = sample(take.head, take.fps, times) * strength
    head[:, 3:] = 0
    up = raised(sample(take.tongue, take.fps, times) * strength)[:, None]
    drop = np.maximum(jaw @ face.axes[:, 1], 0)[:, None]
    tongue = jaw - up * (_RISE * drop + _LEAST_RISE * face.unit) * face.axes[:, 1]
    return DrawnMotion(moved, pupils, jaw, tongue, head)


#: How far a tongue rises that is up: as a share of how far the jaw has taken it down, and at least, in eye distances.
_RISE: Final = 0.6
_LEAST_RISE: Final = 0.04
#: A landmark of each eye (the person's right, left), and its corners.
_EYES: Final = ((36, 36, 39), (42, 42, 45))


def _turn(yaw: float) -> Points:
    """Return the projection (2, 3) of vectors in space to the plane for a head turned by ``yaw`` radians."""
    shown: Points = rotation_matrices(np.array([[0.0, yaw, 0.0]]))[0, :2]
    return shown


def _view(points: Points, neutral: Points) -> tuple[float, Points]:
    """Return the yaw at which ``neutral`` (68, 3) fits ``points`` (68, 2) best, and the linear map (2, 2) at it."""
    centred = points - points.mean(axis=0)
    best = np.inf, 0.0, np.eye(2)
    for yaw in _YAWS:
        seen = neutral @ _turn(yaw).T
        seen -= seen.mean(axis=0)
        matrix = np.linalg.lstsq(seen, centred, rcond=None)[0].T
        error = float(np.sum((seen @ matrix.T - centred) ** 2)) * (1 + _STRAIGHT * yaw**2)
        if error < best[0]:
            best = error, float(yaw), matrix
    return best[1:]


def _ratio(points: Points, seen: Points, ends: tuple[int, int], fallback: float) -> float:
    """Return the drawn distance between two landmarks, divided by that of the projected resting face."""
    one, two = ends
    drawn, whole = np.hypot(*(points[two] - points[one])), np.hypot(*(seen[two] - seen[one]))
    return float(drawn / whole) if drawn > 0 and whole > 1e-3 else fallback


def _shut(face: DrawnFace) -> Points:
    """Return the displacements (68, 2) of all landmarks that shut a mouth drawn open; the chin moves as well."""
    ways = np.array([face.landmarks[lower] - face.landmarks[upper] for upper, lower in LIP_PAIRS])
    result = np.zeros((LANDMARK_COUNT, 2))
    for landmark, shares in _FOLLOW.items():
        part = _UPPER_LIP if landmark in _UPPER_LIPS else _UPPER_LIP - 1
        result[landmark] = part * shares @ ways
    return result


def _lids(face: DrawnFace, points: Points, moved: Points) -> None:
    """Set the lids of ``moved`` (F, 68, 2), in place, to the share of the drawn gaps by which the take's are open."""
    for upper, lower in RIGHT_LID_PAIRS + LEFT_LID_PAIRS:
        rest = face.neutral[lower, 1] - face.neutral[upper, 1]
        share = np.clip((points[:, lower, 1] - points[:, upper, 1]) / max(rest, 1e-6), 0, None)
        share = np.where(share < 1, np.maximum(share - _MEET, 0) / (1 - _MEET), share)
        share = np.where(share > 1, np.minimum(1 + _WIDENING * (share - 1), 1 + _WIDEST), share)[:, None]
        way = face.landmarks[lower] - face.landmarks[upper]
        moved[:, upper] = face.landmarks[upper] + _UPPER_LID * (1 - share) * way
        moved[:, lower] = face.landmarks[lower] - (1 - _UPPER_LID) * (1 - share) * way


def part(face: DrawnFace, moved: Points) -> None:
    """Keep lips and lids of ``moved`` (F, 68, 2) that are drawn open apart by :data:`HAIR`, in place.

    Blender fills a shape without area with the colour of a neighbouring one.
    """
    for pair, corners in CORNERS.items():
        upper, lower = pair
        start, end = (face.landmarks[corner] for corner in corners)
        least = min(HAIR * float(np.hypot(*(end - start))), float(gap(face.landmarks, pair, corners)))
        short = np.maximum(least - (moved[:, lower] - moved[:, upper]) @ face.axes[:, 1], 0)[:, None]
        moved[:, upper] -= short / 2 * face.axes[:, 1]
        moved[:, lower] += short / 2 * face.axes[:, 1]


def template(neutral: NDArray[Any], low: NDArray[Any], high: NDArray[Any]) -> Points:
    """Return landmarks (68, 2) of a plain face in the middle of a drawing between the corners ``low`` and ``high``.

    It is the start for placing landmarks by hand when no face is found. Most drawn heads have hair above and at the
    sides, and little below the chin.
    """
    face = np.asarray(neutral, np.float64)[:, :2]
    size = np.asarray(high, np.float64) - np.asarray(low, np.float64)
    tall, wide = np.ptp(face[:, 1]), np.ptp(face[:, 0])
    scale = min(0.62 * size[1] / tall, 0.8 * size[0] / wide) or max(size.max(), 1.0) / tall
    middle = (face.min(axis=0) + face.max(axis=0)) / 2
    aim = np.array([(low[0] + high[0]) / 2, high[1] - 0.04 * size[1] - scale * tall / 2])
    result: Points = aim + scale * (face - middle)
    return result
