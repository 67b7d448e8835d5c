"""Finds the mouth, the eyes and the outline among the strokes of a drawn face, and lays landmarks on them.

The strokes are those of the face's own layers, in the plane of the drawing: x right, y down.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ...performance import Performance
from ...topology import LANDMARK_COUNT
from .face import DrawnFace, follow
from .lip_line import is_mouth_line
from .strokes import Bound, DrawnPuppet, FacePart

Points = NDArray[np.float64]

#: Columns at which the height of a stroke is measured.
_COLUMNS: Final = 33
#: How far the lower lip and the chin drop in the pose that tries a mouth, in eye distances.
_DROP, _CHIN = 0.15, 0.09
#: Share of the opening asked for, from which a mouth counts as one that opens, and below which it does not open at all.
OPENS: Final = 0.4
NEVER: Final = 0.08
#: Sizes in eye distances: most width and height of a mouth, least width, most distance from the middle of the face.
_WIDEST, _TALLEST, _LEAST, _ASIDE = 1.4, 1.0, 0.12, 0.35
#: Height of a mouth, in its own widths, up to which it is one line, and from which it is drawn open.
_LINE, _OPEN = 0.05, 0.12
#: Height of the lips above and below a mouth of one line, in widths of the mouth.
_LIP: Final = 0.09
#: Places along the mouth, 0 to 1, of the outer and the inner lips' landmarks, corners included.
_OUTER: Final = (0.0, 0.17, 0.36, 0.5, 0.64, 0.83, 1.0)
_INNER: Final = (0.0, 0.25, 0.5, 0.75, 1.0)
#: Brightness, 0 to 1, of a fill from which it is that of lips and not that of the inside of a mouth.
_BRIGHT: Final = 0.3
#: Frames per second of the two frames that try a mouth.
_FPS: Final = 25.0


@dataclass(frozen=True, eq=False)
class FlatStroke:
    """A stroke in the plane of a drawing: ``points`` (P, 2), closed or not, and the colour of its fill, if any."""

    points: Points
    closed: bool = False
    fill: tuple[float, float, float] | None = None

    @cached_property
    def low(self) -> Points:
        """Its left and upper end (2,)."""
        least: Points = self.points.min(axis=0)
        return least

    @cached_property
    def high(self) -> Points:
        """Its right and lower end (2,)."""
        most: Points = self.points.max(axis=0)
        return most

    @property
    def middle(self) -> Points:
        """The middle (2,) of its extent."""
        return (self.low + self.high) / 2

    @property
    def size(self) -> Points:
        """Its width and height (2,)."""
        return self.high - self.low

    def seen_in(self, axes: Points, origin: Points) -> FlatStroke:
        """Return the stroke with the face's own right and down (columns of ``axes``) as axes."""
        return FlatStroke((self.points - origin) @ axes, self.closed, self.fill)


def opening(face: DrawnFace, strokes: Sequence[FlatStroke]) -> float:
    """Return how far a drawn mouth opens when the face's lips part: 1 for as far as they, 0 for not at all.

    The strokes are warped as for a take, into a pose with the jaw down, and compared with the face at rest.
    """
    drawn = [stroke for stroke in strokes if len(stroke.points) > 1]
    if not drawn:
        return 0.0
    motion = follow(face, _tried(face), np.array([0.0, 1.0]) / _FPS)
    wanted = float(((motion.landmarks[1] - motion.landmarks[0]) @ face.axes[:, 1])[[62, 66]] @ [-1, 1])
    lines = tuple(n for n, stroke in enumerate(drawn) if is_mouth_line(face, stroke.points, stroke.closed))
    shapes = [np.concatenate([s.points, s.points[::-1]]) if n in lines else s.points for n, s in enumerate(drawn)]
    starts = np.cumsum([0, *(len(shape) for shape in shapes[:-1])])
    bound = Bound.of(DrawnPuppet.of(face), np.concatenate(shapes), starts, FacePart.FACE, None, lines)
    moved = (bound.moved(motion, 0.0) - face.origin) @ face.axes
    pairs = []
    for number, (start, shape) in enumerate(zip(starts, shapes, strict=True)):
        closed = drawn[number].closed or number in lines
        pairs.append([FlatStroke(moved[k, start : start + len(shape)], closed) for k in range(2)])
    mouths = [pair for pair in pairs if pair[0].low[1] > 0 and pair[0].size[0] < _WIDEST * face.unit]
    around = [pair for pair in mouths if _among_lips(face, pair[0])]
    groups = [[pair] for pair in mouths] + ([around] if len(around) > 1 else [])
    parted = [_parted([pair[0] for pair in group], [pair[1] for pair in group]) for group in groups]
    return max(0.0, max(parted, default=0.0) / max(wanted, 1e-9))


def _tried(face: DrawnFace) -> Performance:
    """Return a take of two frames: the face at rest, and with its jaw down."""
    landmarks = np.repeat(face.neutral[None], 2, axis=0)
    landmarks[1, [55, 56, 57, 58, 59, 65, 66, 67], 1] += _DROP
    landmarks[1, 6:11, 1] += _CHIN
    pairs, still = np.zeros((2, 2), np.float32), np.zeros((2, 6), np.float32)
    weights, speaks = np.zeros((2, 52), np.float32), np.ones(2, np.float32)
    shown, neutral = landmarks.astype(np.float32), face.neutral.astype(np.float32)
    return Performance(shown, neutral, weights, still, pairs, pairs, speaks, _FPS)


def _among_lips(face: DrawnFace, stroke: FlatStroke) -> bool:
    """Return whether a stroke, in the face's axes, lies where the lips are."""
    lips = (face.landmarks[48:68] - face.origin) @ face.axes
    low, high = lips.min(axis=0), lips.max(axis=0)
    room = 0.25 * float(high[0] - low[0])
    return bool((stroke.middle > low - room).all() and (stroke.middle < high + room).all())


def _parted(before: Sequence[FlatStroke], after: Sequence[FlatStroke]) -> float:
    """Return by how much strokes grow apart in the middle of their width."""
    left, right = min(s.low[0] for s in before), max(s.high[0] for s in before)
    columns = left + (right - left) * np.linspace(0.35, 0.65, 7)
    (top, bottom), (top_after, bottom_after) = (_edges(group, columns) for group in (before, after))
    grown = (bottom_after - top_after) - (bottom - top)
    return float(np.nanmedian(grown)) if np.isfinite(grown).any() else 0.0


def _edges(strokes: Sequence[FlatStroke], columns: Points) -> tuple[Points, Points]:
    """Return the highest and the lowest y (C,) at which strokes cross ``columns`` (C,); NaN where none does."""
    top, bottom = np.full(len(columns), np.inf), np.full(len(columns), -np.inf)
    for stroke in strokes:
        ends = np.roll(stroke.points, -1, axis=0)
        one, two = (stroke.points, ends) if stroke.closed else (stroke.points[:-1], ends[:-1])
        x0, x1 = one[:, 0, None], two[:, 0, None]
        share = (columns - x0) / np.where(x1 == x0, np.inf, x1 - x0)
        meets = (np.minimum(x0, x1) <= columns) & (columns <= np.maximum(x0, x1))
        y = np.where(meets, one[:, 1, None] + share * (two - one)[:, 1, None], np.nan)
        top = np.fmin(top, np.nanmin(np.where(meets, y, np.inf), axis=0, initial=np.inf))
        bottom = np.fmax(bottom, np.nanmax(np.where(meets, y, -np.inf), axis=0, initial=-np.inf))
    nothing = ~np.isfinite(top)
    return np.where(nothing, np.nan, top), np.where(nothing, np.nan, bottom)


def laid_on_mouth(face: DrawnFace, strokes: Sequence[FlatStroke]) -> Points | None:
    """Return the landmarks (68, 2) of ``face`` with the lips laid on the mouth that is drawn below its eyes.

    None if no stroke looks like a mouth. A mouth of one line gets shut lips along it; a closed shape is the rim of an
    open mouth, or, if a line runs through it or its fill is bright, the outline of shut lips.
    """
    seen = [stroke.seen_in(face.axes, face.origin) for stroke in strokes if len(stroke.points) > 1]
    lips = (face.landmarks[48:68] - face.origin) @ face.axes
    mouth = _mouth(seen, face.unit, float(lips[:, 1].mean()))
    if not mouth:
        return None
    result = face.landmarks.copy()
    result[48:68] = _lips(mouth) @ face.axes.T + face.origin
    return result


def _mouth(strokes: Sequence[FlatStroke], unit: float, expected: float) -> list[FlatStroke]:
    """Return the strokes of the mouth, the widest first, of a face with the origin between its eyes; none if unsure."""
    fitting = []
    for stroke in strokes:
        (wide, high), (x, y) = stroke.size / unit, stroke.middle / unit
        sized = _LEAST < wide < _WIDEST and high < _TALLEST and not (high > 1.2 * wide and wide < 3 * _LEAST)
        if sized and abs(x) < _ASIDE and stroke.low[1] > 0.1 * unit and y > 0.3:
            fitting.append((wide - 0.6 * abs(x) - 0.5 * abs(y - expected / unit), stroke))
    if not fitting:
        return []
    best = max(fitting, key=lambda one: one[0])[1]
    room = np.array([0.08, 0.15]) * best.size[0]
    near = [
        stroke for _, stroke in fitting
        if stroke is not best and stroke.size[0] > 0.5 * best.size[0]
        and (stroke.low < best.high + room).all() and (stroke.high > best.low - room).all()
    ]  # fmt: skip
    return [best, *near]


def _lips(mouth: Sequence[FlatStroke]) -> Points:
    """Return the lips' landmarks (20, 2), 48 to 67, on the strokes of a mouth, in the face's axes."""
    best = mouth[0]
    left = min((s.points[s.points[:, 0].argmin()] for s in mouth), key=lambda point: float(point[0]))
    right = max((s.points[s.points[:, 0].argmax()] for s in mouth), key=lambda point: float(point[0]))
    wide = float(right[0] - left[0])
    columns = left[0] + wide * np.linspace(0.02, 0.98, _COLUMNS)
    top, bottom = _filled(columns, *_edges(mouth, columns))
    high = float(np.median((bottom - top)[_COLUMNS // 4 : -_COLUMNS // 4]))
    seam = next((stroke for stroke in mouth if _is_seam(stroke, mouth, columns)), None)
    bright = best.fill is not None and sum(best.fill) / 3 > _BRIGHT
    if high < _LINE * wide:  # one line: shut lips along it
        inner_top = inner_bottom = (top + bottom) / 2
        arch = _LIP * wide * np.sin(np.pi * np.linspace(0, 1, _COLUMNS)) ** 0.7
        top, bottom = inner_top - arch, inner_bottom + 1.2 * arch
    elif seam is not None:  # an outline with a line through it
        between = _filled(columns, *_edges([seam], columns))
        inner_top = inner_bottom = (between[0] + between[1]) / 2
    elif high > _OPEN * wide and not bright:  # the rim of an open mouth
        inner_top, inner_bottom = top, bottom
        arch = _LIP / 2 * wide * np.sin(np.pi * np.linspace(0, 1, _COLUMNS)) ** 0.7
        top, bottom = top - arch, bottom + arch
    else:  # the outline of shut lips
        inner_top = inner_bottom = (top + bottom) / 2
    return _placed(left, right, columns, (top, bottom), (inner_top, inner_bottom))


def _is_seam(stroke: FlatStroke, mouth: Sequence[FlatStroke], columns: Points) -> bool:
    """Return whether a stroke is a line that runs through the outline which the others are."""
    others = [other for other in mouth if other is not stroke]
    if stroke.closed or not others or stroke.size[0] < 0.55 * np.ptp(columns):
        return False
    middle = columns[_COLUMNS // 3 : -_COLUMNS // 3]
    (top, bottom), (above, below) = _edges([stroke], middle), _edges(others, middle)
    least = _LINE / 2 * float(np.ptp(columns))
    room = np.stack([top - above, below - bottom])
    return bool((np.nan_to_num(room, nan=-1.0) > least).all())


def _placed(
    left: Points, right: Points, columns: Points, outer: tuple[Points, Points], inner: tuple[Points, Points]
) -> Points:
    """Return the lips' landmarks (20, 2) on outer and inner lines, given by their heights (C,) at ``columns`` (C,)."""
    wide = float(right[0] - left[0])

    def along(shares: Sequence[float], line: Points) -> Points:
        x = left[0] + wide * np.array(shares)
        return np.stack([x, np.interp(x, columns, line)], axis=1)

    aside = np.array([0.02 * wide, 0.0])
    return np.concatenate([
        [left - aside], along(_OUTER[1:-1], outer[0]), [right + aside], along(_OUTER[-2:0:-1], outer[1]),
        [left], along(_INNER[1:-1], inner[0]), [right], along(_INNER[-2:0:-1], inner[1]),
    ])  # fmt: skip


def _filled(columns: Points, *lines: Points) -> tuple[Points, ...]:
    """Return lines (C,) of heights with those that are missing put in between their neighbours."""
    return tuple(np.interp(columns, columns[np.isfinite(line)], line[np.isfinite(line)]) for line in lines)


def off_lines(landmarks: NDArray[Any], strokes: Sequence[FlatStroke]) -> float:
    """Return how far the lids' landmarks of a face (68, 2) are from the nearest strokes, in eye distances: the median.

    An eye that was seen where none is drawn, or smaller than it is drawn, would not shut.
    """
    lines = [_dense(stroke) for stroke in strokes if len(stroke.points)]
    if not lines:
        return float("inf")
    lids = np.asarray(landmarks, np.float64)[list(range(36, 48))]
    unit = float(np.hypot(*(lids[9] - lids[0])))
    ways = np.linalg.norm(lids[:, None] - np.concatenate(lines)[None], axis=2).min(axis=1)
    return float(np.median(ways)) / max(unit, 1e-12)


def _dense(stroke: FlatStroke) -> Points:
    """Return points along a stroke, four for each of its own."""
    ends = np.roll(stroke.points, -1, axis=0)
    starts, ends = (stroke.points, ends) if stroke.closed else (stroke.points[:-1], ends[:-1])
    between = [starts + share * (ends - starts) for share in (0.0, 0.25, 0.5, 0.75)]
    return np.concatenate([*between, stroke.points[-1:]])


def plain_face(strokes: Sequence[FlatStroke], template: NDArray[Any]) -> Points | None:
    """Return landmarks (68, 2) of a plain drawn face: an outline, two eyes side by side, a mouth below them.

    None if there is no such pair of eyes. ``template`` (68, 2) is an average face in the drawing, whose features take
    the places of those found. The outline may be missing.
    """
    seen = [stroke for stroke in strokes if len(stroke.points) > 1]
    if not seen:
        return None
    low, high = np.min([s.low for s in seen], axis=0), np.max([s.high for s in seen], axis=0)
    largest = max(seen, key=lambda s: float(np.prod(s.size)))
    outline = largest if float(np.prod(largest.size)) >= 0.35 * float(np.prod(high - low)) else None
    middle = float((low + high)[0] / 2) if outline is None else float(outline.middle[0])
    eyes = _eyes([s for s in seen if s is not outline], middle, low, high)
    if eyes is None:
        return None
    right, left = eyes
    unit = float(left.high[0] - right.low[0])
    origin = (right.middle + left.middle) / 2
    below = [s.seen_in(np.eye(2), origin) for s in seen if s is not outline]
    bottom = float(high[1] if outline is None else outline.high[1]) - origin[1]
    mouth = _mouth([s for s in below if s.low[1] > 0], unit, 0.62 * bottom)
    if not mouth:
        return None
    place = np.mean([mouth[0].middle], axis=0) + origin
    result = _onto(np.asarray(template, np.float64), right.middle, left.middle, place)
    result[36:42], result[42:48] = _lids(right), _lids(left)
    result[48:68] = _lips(mouth) + origin
    if outline is not None:
        result[:17] = _jaw(outline, (origin + place) / 2)
    return result


def _eyes(
    strokes: Sequence[FlatStroke], middle: float, low: Points, high: Points
) -> tuple[FlatStroke, FlatStroke] | None:
    """Return the strokes of the person's right and left eye: a pair alike, side by side, in the upper part."""
    wide, tall = high - low
    best: tuple[float, tuple[FlatStroke, FlatStroke] | None] = (0.0, None)
    for right in strokes:
        for left in strokes:
            apart = left.middle - right.middle
            sizes = np.array([right.size.max(), left.size.max()])
            if apart[0] < 0.08 * wide or abs(apart[1]) > 0.25 * apart[0] or sizes.min() < 0.5 * sizes.max():
                continue
            if sizes.max() > 0.9 * apart[0] or (right.middle[1] - low[1]) > 0.66 * tall:
                continue
            off = abs((right.middle + left.middle)[0] / 2 - middle) / wide
            # the larger of two pairs that are drawn into each other is that of the eyes, the smaller that of the pupils
            score = float(sizes.mean() / wide + 0.3 - 2 * off - abs(apart[1]) / wide)
            # brows lie above eyes: of two pairs of about the same size the lower one is that of the eyes
            round_eye = min(right.size[1] / max(right.size[0], 1e-9), 1.0)
            score += float(0.5 * round_eye + 0.2 * (right.middle[1] - low[1]) / tall)
            if off < 0.2 and score > best[0]:
                best = score, (right, left)
    return best[1]


def _lids(eye: FlatStroke) -> Points:
    """Return the six landmarks (6, 2) of an eye on its stroke: corner, upper lid, corner, lower lid."""
    columns = eye.low[0] + eye.size[0] * np.array([0.3, 0.7])
    top, bottom = _edges([eye], columns)
    top, bottom = np.where(np.isfinite(top), top, eye.low[1]), np.where(np.isfinite(bottom), bottom, eye.high[1])
    least = 0.1 * eye.size[0]  # lids that are drawn as one line are a little apart, or nothing could shut
    spread = np.maximum(least - (bottom - top), 0) / 2
    y = eye.middle[1]
    return np.array([
        [eye.low[0], y], [columns[0], (top - spread)[0]], [columns[1], (top - spread)[1]],
        [eye.high[0], y], [columns[1], (bottom + spread)[1]], [columns[0], (bottom + spread)[0]],
    ])  # fmt: skip


def _jaw(outline: FlatStroke, centre: Points) -> Points:
    """Return the 17 landmarks (17, 2) of the jaw on an outline, seen from the middle of the face, from ear to ear."""
    around = outline.points - centre
    angles = np.arctan2(around[:, 1], around[:, 0])
    result = []
    for angle in np.pi * np.linspace(1, 0, 17):
        way = np.abs((angles - angle + np.pi) % (2 * np.pi) - np.pi)
        near = np.argsort(way)[:2]
        result.append(outline.points[near].mean(axis=0))
    return np.array(result)


def _onto(template: Points, right: Points, left: Points, mouth: Points) -> Points:
    """Return a template (68, 2) moved so that its eyes and its mouth are at the given places (2,)."""
    assert template.shape == (LANDMARK_COUNT, 2)
    here = np.stack([template[36:42].mean(axis=0), template[42:48].mean(axis=0), template[48:68].mean(axis=0)])
    there = np.stack([right, left, mouth])
    ones = np.ones((3, 1))
    matrix = np.linalg.solve(np.hstack([here, ones]), there)
    moved: Points = np.hstack([template, np.ones((len(template), 1))]) @ matrix
    return moved
