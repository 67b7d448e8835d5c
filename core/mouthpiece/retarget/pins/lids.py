"""Finds the rims of the lids in the picture of a head: where skin ends and an eye, or the depth behind it, is seen.

A detector's landmarks are only roughly on the lids of a mesh that is drawn plainly, and an eye is small: a few pixels
decide whether the vertex nearest to a landmark belongs to the upper or to the lower lid. The mesh itself knows better.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ...topology import LEFT_EYE, LEFT_LID_PAIRS, RIGHT_EYE, RIGHT_LID_PAIRS
from .facing import Head
from .mesh_render import MeshView

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
Mask = NDArray[np.bool_]

#: The points of each eye, and its pairs of an upper and a lower lid's point.
EYES: Final = ((RIGHT_EYE, RIGHT_LID_PAIRS), (LEFT_EYE, LEFT_LID_PAIRS))
#: Room around an eye's landmarks in which its opening is looked for, in widths of the eye.
_ROOM: Final = 0.45
#: Size of the middle of an eye, in its widths, and least share of it that another piece than the skin must cover to be
#: the eye's: lashes only cross it.
_MIDDLE, _COVERS = 0.2, 0.15
#: Depth before the eye, in eye distances, from which such a piece is lashes.
_LASHES: Final = 0.02
#: Depth behind the lids, in eye distances, from which one looks into an empty socket.
_SOCKET: Final = 0.08
#: Least number of pixels of skin around an eye from which the skin's depth is known.
_PLANE: Final = 50
#: Least height of an opening, in widths of the eye.
_OPEN: Final = 0.04
#: Least distance of an upper lid's vertex from the lower lid's, in widths of the eye, for the two to be told apart.
_APART: Final = 0.06


def refined(head: Head, marks: Floats, seen: MeshView, skin: int) -> tuple[Floats, frozenset[int]]:
    """Return the landmarks (68, 2) in pixels with those of the lids on the rims of the eyes' openings, and which are.

    ``seen`` is the picture they were found in, ``skin`` the number of the piece of mesh that is the face. Landmarks of
    an eye whose opening is not seen stay as they are.
    """
    result, found = marks.copy(), set()
    for eye, pairs in EYES:
        width = float(np.linalg.norm(marks[eye[3]] - marks[eye[0]]))
        region = _Region.around(marks[list(eye)], _ROOM * width, len(seen.triangle))
        if region is None:
            continue
        mask = _opening(head, seen, skin, region, marks, width)
        for upper, lower in pairs:
            column = (marks[upper, 0] + marks[lower, 0]) / 2
            rows = _run(mask, column - region.left, region.middle(marks, eye, column) - region.top, width)
            if rows is not None and rows[1] - rows[0] > _OPEN * width:
                result[upper] = column, rows[0] + region.top
                result[lower] = column, rows[1] + region.top
                found |= {upper, lower}
    return result, frozenset(found)


def sides(places: Floats, marks: Floats, upper: int, lower: int) -> tuple[Mask, Mask]:
    """Return which of the vertices at ``places`` (V, 2 or more) lie on the upper and on the lower lid's side of an eye.

    ``marks`` (68, 2) are landmarks in the same pixels; the border is halfway between the two.
    """
    border = (marks[upper, 1] + marks[lower, 1]) / 2
    above: Mask = places[:, 1] < border
    return above, ~above


def doubtful(points: Floats) -> tuple[int, ...]:
    """Return the lid landmarks that cannot be told from those of the other lid, by the places ``points`` (68, 3).

    x is to the right, y down, as in the picture; the third axis may be in another unit or missing (68, 2).
    """
    found: list[int] = []
    for eye, pairs in EYES:
        width = float(np.linalg.norm(points[eye[3], :2] - points[eye[0], :2]))
        for upper, lower in pairs:
            if not points[lower, 1] - points[upper, 1] > _APART * width:
                found += [upper, lower]
    return tuple(sorted(found))


class _Region:
    """A box of pixels around an eye."""

    def __init__(self, left: int, top: int, right: int, bottom: int) -> None:
        self.left, self.top, self.right, self.bottom = left, top, right, bottom

    @classmethod
    def around(cls, points: Floats, room: float, size: int) -> _Region | None:
        """Return the box around ``points`` (N, 2) with ``room`` pixels on each side; None if it is too small."""
        low = np.clip(np.floor(points.min(axis=0) - room), 0, size).astype(int)
        high = np.clip(np.ceil(points.max(axis=0) + room), 0, size).astype(int)
        return cls(*low.tolist(), *high.tolist()) if (high - low > 4).all() else None

    @property
    def box(self) -> tuple[slice, slice]:
        """The box as an index of rows and columns."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    @property
    def centre(self) -> tuple[float, float]:
        """Column and row of the middle."""
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2

    @staticmethod
    def middle(marks: Floats, eye: tuple[int, ...], column: float) -> float:
        """Return the row halfway between the lids at that column, by the line between the corners and the lids."""
        one, other = marks[eye[0]], marks[eye[3]]
        share = (column - one[0]) / (other[0] - one[0]) if abs(other[0] - one[0]) > 1e-6 else 0.5
        line = one[1] + share * (other[1] - one[1])
        return float((line + marks[list(eye), 1].mean()) / 2)


def sunken(head: Head, places: Floats, marks: Floats, seen: MeshView, skin: int) -> Mask:
    """Return which vertices (V,) lie in the sockets of eyes, behind the lids; they may be seen, but are no lids."""
    result = np.zeros(len(places), bool)
    for eye, _ in EYES:
        width = float(np.linalg.norm(marks[eye[3]] - marks[eye[0]]))
        region = _Region.around(marks[list(eye)], _ROOM * width, len(seen.triangle))
        if region is not None:
            near = (places[:, :2] > [region.left, region.top]).all(axis=1)
            near &= (places[:, :2] < [region.right, region.bottom]).all(axis=1)
            behind = places[:, 2] - _skin_depth(head, seen, skin, region, width)(places[:, 0], places[:, 1])
            result |= near & (behind > _SOCKET * np.linalg.norm(marks[45] - marks[36]))
    return result


def _pieces(head: Head, seen: MeshView, region: _Region) -> Indices:
    """Return the number of the piece seen at each pixel of the region, -1 for none."""
    owner = seen.triangle[region.box]
    pieces: Indices = np.where(owner >= 0, head.piece[head.triangles[np.maximum(owner, 0), 0]], -1)
    return pieces


def _skin_depth(
    head: Head, seen: MeshView, skin: int, region: _Region, width: float
) -> Callable[[Floats, Floats], Floats]:
    """Return the depth of the skin around an eye, as a plane over columns and rows."""
    rows, columns = np.mgrid[region.box]
    away = np.hypot((columns - region.centre[0]) / 0.7, (rows - region.centre[1]) / 0.4) > width
    pixels = (_pieces(head, seen, region) == skin) & away
    if pixels.sum() < _PLANE:
        return lambda x, y: np.full(np.shape(x), np.inf)
    ones = np.ones(int(pixels.sum()))
    terms = np.stack([ones, columns[pixels] - region.centre[0], rows[pixels] - region.centre[1]], axis=1)
    flat, across, down = np.linalg.lstsq(terms, seen.depth[region.box][pixels], rcond=None)[0]
    return lambda x, y: flat + across * (x - region.centre[0]) + down * (y - region.centre[1])


def _opening(head: Head, seen: MeshView, skin: int, region: _Region, marks: Floats, width: float) -> Mask:
    """Return at which pixels of the region the eye, or an empty socket, is seen."""
    piece, depth = _pieces(head, seen, region), seen.depth[region.box]
    unit = float(np.linalg.norm(marks[45] - marks[36]))
    rows, columns = np.mgrid[region.box]
    inside = np.hypot(columns - region.centre[0], rows - region.centre[1]) < _MIDDLE * width
    covering = np.bincount(piece[inside & (piece >= 0)], minlength=1)
    covering[skin : skin + 1] = 0
    deep = {k: float(np.median(depth[piece == k])) for k in np.flatnonzero(covering > _COVERS * inside.sum()).tolist()}
    eyes = [k for k, where in deep.items() if where > deep[int(covering.argmax())] - _LASHES * unit]
    behind = depth - _skin_depth(head, seen, skin, region, width)(columns, rows)
    mask: Mask = np.isin(piece, eyes) | (behind > _SOCKET * unit)
    return mask


def _run(mask: Mask, column: float, row: float, width: float) -> tuple[float, float] | None:
    """Return the first row, and the row after the last, of the opening at a column, near a row; None if none is."""
    first = int(np.clip(round(column) - 1, 0, mask.shape[1] - 1))
    open_rows = np.flatnonzero(mask[:, first : first + 3].mean(axis=1) > 0.5)
    if not len(open_rows):
        return None
    runs = np.split(open_rows, np.flatnonzero(np.diff(open_rows) > 2) + 1)
    best = min(runs, key=lambda run: (max(run[0] - row, row - run[-1], 0), -len(run)))
    if max(best[0] - row, row - best[-1], 0) > _MIDDLE * width:
        return None
    return float(best[0]), float(best[-1] + 1)
