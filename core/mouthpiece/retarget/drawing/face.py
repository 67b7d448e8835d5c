"""A drawn face found by its landmarks, and where they go when it plays a performance.

The plane of the drawing has x to the right and y down, in any unit. The face may be turned (3/4 view) or tilted, and
its features may have any size: each moves by its own measure, so that big eyes shut and small mouths still speak.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ...curves import sample
from ...errors import RigError
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

#: Features that move by a measure of their own: (landmarks, the two whose distance is that measure).
_MEASURES: Final = (
    ((*JAW, *LIPS), (48, 54)),  # the chin goes with the lips, whatever their size
    (RIGHT_EYE, (36, 39)),
    (LEFT_EYE, (42, 45)),
    ((*RIGHT_BROW, *LEFT_BROW, *NOSE), (36, 45)),
)
#: Share of the way to each other that the upper lid does, and the upper lip of a mouth drawn open.
_UPPER_LID, _UPPER_LIP = 0.85, 0.3
#: How far lids open beyond the drawing, as a share of their gap, and how much of a performance's widening they show.
_WIDEST, _WIDENING = 0.35, 0.5
#: Share of a lid's gap at which lids meet: a blink is over in an instant, and frames seldom fall on its very end.
_MEET: Final = 0.15
#: Gap, in widths of mouth or eye, that is left of what is drawn open when it is shut.
HAIR: Final = 0.012
#: Gap of the inner lips, in widths of the mouth, from which a mouth counts as drawn open.
_DRAWN_OPEN: Final = 0.12
#: What goes along when a mouth drawn open shuts: landmark -> share of the right, middle and left pair's way.
_FOLLOW: Final = {
    **{pair[k]: np.eye(3)[n] for n, pair in enumerate(LIP_PAIRS) for k in (0, 1)},
    49: np.array([0.5, 0, 0]), 50: np.array([1.0, 0, 0]), 51: np.array([0, 1.0, 0]),
    52: np.array([0, 0, 1.0]), 53: np.array([0, 0, 0.5]),
    59: np.array([0.5, 0, 0]), 58: np.array([1.0, 0, 0]), 57: np.array([0, 1.0, 0]),
    56: np.array([0, 0, 1.0]), 55: np.array([0, 0, 0.5]),
    **{jaw: np.array([0, 0.75 * np.cos((jaw - 8) * np.pi / 10), 0]) for jaw in range(4, 13)},
}  # fmt: skip
_UPPER_LIPS: Final = (49, 50, 51, 52, 53, 61, 62, 63)
#: Turns of the head, in radians, among which that of a drawing is sought.
_YAWS: Final = np.linspace(-1.1, 1.1, 89)
#: How much better a turned head must fit than one that looks straight ahead, per radian squared.
_STRAIGHT: Final = 0.25
#: Share of an eye's width by which a pupil moves at one radian.
_LOOK: Final = 0.42


@dataclass(frozen=True, slots=True, eq=False)
class DrawnFace:
    """A face in the plane of a drawing.

    Attributes
    ----------
    landmarks : (68, 2) float64
        Where its points are drawn, x right, y down, in units of the plane.
    neutral : (68, 3) float64
        The resting face of performances, in eye distances.
    yaw : float
        How far the drawn head is turned, in radians, as ``Performance.head``.
    axes : (2, 2) float64
        Columns: the face's own right and down in the plane, each of length 1.
    measures : (68,) float64
        Units of the plane that an eye distance of motion comes to, for each landmark.
    unit : float
        The eye distance of the drawing seen from the front, in units of the plane.
    drawn_open : bool
        Whether the mouth is drawn open: it is shut then wherever the performance's is.
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

        ``mouth`` is "shut", "open" or, to go by the gap of the inner lips, "auto".

        Raises
        ------
        RigError
            If the landmarks are not 68 finite points, or all lie in one place or line.
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
        """Return how far behind the eyes each landmark is (68,), in units of the plane."""
        turned: Points = self.unit * (self.neutral @ rotation_matrices(np.array([[0, self.yaw, 0]]))[0].T)[:, 2]
        return turned

    @property
    def origin(self) -> Points:
        """Return the middle (2,) between the outer eye corners."""
        middle: Points = self.landmarks[[36, 45]].mean(axis=0)
        return middle


@dataclass(frozen=True, slots=True, eq=False)
class Motion:
    """What a drawn face does on F frames, in units of the plane.

    Attributes
    ----------
    landmarks : (F, 68, 2) or more float64
        Where the points are; points between them may follow.
    pupils : (F, 2, 2) float64
        Shifts of the person's right and left pupil.
    jaw : (F, 2) float64
        Shift of the lower jaw.
    head : (F, 6) float64
        As ``Performance.head``, without shifts: a drawing stays in its place.
    """

    landmarks: Points
    pupils: Points
    jaw: Points
    head: Points

    def at(self, frames: NDArray[np.integer[Any]]) -> Motion:
        """Return the motion of some of its frames."""
        return Motion(self.landmarks[frames], self.pupils[frames], self.jaw[frames], self.head[frames])


def follow(
    face: DrawnFace, performance: Performance, times: NDArray[np.floating[Any]], strength: float = 1.0
) -> Motion:
    """Return what ``face`` does at ``times`` (F,) seconds of a ``performance``.

    ``strength`` is a factor on all motion but blinks, which shut the eyes or do not.
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
    # The teeth of the lower jaw go with the chin's own drop, of which contour points show too little.
    jaw = 1.3 * offsets[:, 8] @ face.axes.T
    head = sample(take.head, take.fps, times) * strength
    head[:, 3:] = 0
    return Motion(moved, pupils, jaw, head)


#: A landmark of each eye (the person's right, left), and its corners.
_EYES: Final = ((36, 36, 39), (42, 42, 45))


def _turn(yaw: float) -> Points:
    """Return what a head turned by ``yaw`` shows of vectors in space, (2, 3)."""
    shown: Points = rotation_matrices(np.array([[0.0, yaw, 0.0]]))[0, :2]
    return shown


def _view(points: Points, neutral: Points) -> tuple[float, Points]:
    """Return the yaw at which ``neutral`` (68, 3) lies best on ``points`` (68, 2), and the linear map (2, 2) there."""
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
    """Return the drawn distance between two landmarks over what is seen of it in the resting face."""
    one, two = ends
    drawn, whole = np.hypot(*(points[two] - points[one])), np.hypot(*(seen[two] - seen[one]))
    return float(drawn / whole) if drawn > 0 and whole > 1e-3 else fallback


def _shut(face: DrawnFace) -> Points:
    """Return the displacements (68, 2) that shut a mouth drawn open, chin included."""
    ways = np.array([face.landmarks[lower] - face.landmarks[upper] for upper, lower in LIP_PAIRS])
    result = np.zeros((LANDMARK_COUNT, 2))
    for landmark, shares in _FOLLOW.items():
        part = _UPPER_LIP if landmark in _UPPER_LIPS else _UPPER_LIP - 1
        result[landmark] = part * shares @ ways
    return result


def _lids(face: DrawnFace, points: Points, moved: Points) -> None:
    """Set the lids of ``moved`` (F, 68, 2): their gaps are the drawn ones by the share the performance's are open."""
    for upper, lower in RIGHT_LID_PAIRS + LEFT_LID_PAIRS:
        rest = face.neutral[lower, 1] - face.neutral[upper, 1]
        share = np.clip((points[:, lower, 1] - points[:, upper, 1]) / max(rest, 1e-6), 0, None)
        share = np.where(share < 1, np.maximum(share - _MEET, 0) / (1 - _MEET), share)
        share = np.where(share > 1, np.minimum(1 + _WIDENING * (share - 1), 1 + _WIDEST), share)[:, None]
        way = face.landmarks[lower] - face.landmarks[upper]
        moved[:, upper] = face.landmarks[upper] + _UPPER_LID * (1 - share) * way
        moved[:, lower] = face.landmarks[lower] - (1 - _UPPER_LID) * (1 - share) * way


def part(face: DrawnFace, moved: Points) -> None:
    """Hold lips and lids of ``moved`` (F, 68, 2) apart by a hair, in place, if they are drawn so.

    Blender fills a shape without any area with whatever is near.
    """
    for pair, corners in CORNERS.items():
        upper, lower = pair
        start, end = (face.landmarks[corner] for corner in corners)
        least = min(HAIR * float(np.hypot(*(end - start))), float(gap(face.landmarks, pair, corners)))
        short = np.maximum(least - (moved[:, lower] - moved[:, upper]) @ face.axes[:, 1], 0)[:, None]
        moved[:, upper] -= short / 2 * face.axes[:, 1]
        moved[:, lower] += short / 2 * face.axes[:, 1]


def template(neutral: NDArray[Any], low: NDArray[Any], high: NDArray[Any]) -> Points:
    """Return landmarks (68, 2) for a drawing between the corners ``low`` and ``high``: a plain face in its middle.

    Where to begin when no face is found: most drawn heads have hair above and at the sides, and little below the chin.
    """
    face = np.asarray(neutral, np.float64)[:, :2]
    size = np.asarray(high, np.float64) - np.asarray(low, np.float64)
    tall, wide = np.ptp(face[:, 1]), np.ptp(face[:, 0])
    scale = min(0.62 * size[1] / tall, 0.8 * size[0] / wide) or max(size.max(), 1.0) / tall
    middle = (face.min(axis=0) + face.max(axis=0)) / 2
    aim = np.array([(low[0] + high[0]) / 2, high[1] - 0.04 * size[1] - scale * tall / 2])
    result: Points = aim + scale * (face - middle)
    return result
