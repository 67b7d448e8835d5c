"""Computes the drawings of a line from the user's own ones; drawings that look alike are made only once."""

from __future__ import annotations

import bisect
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from . import frames, planes

if TYPE_CHECKING:
    from mouthpiece.retarget.drawing.face import DrawnMotion
    from mouthpiece.retarget.drawing.strokes import DrawnPuppet, FacePart

#: Frames computed at a time, so that long takes of big drawings fit into memory.
_AT_ONCE: Final = 64
#: Two drawings count as the same if their points differ by less than this, in eye distances.
SAME: Final = 5e-4


@dataclass(frozen=True, slots=True, eq=False)
class Show:
    """The poses that a drawn face shows during a line, the same for all layers.

    ``starts`` are the frames on which there is a new drawing, ascending, beginning with the line's first; ``poses`` are
    the indices into ``motion`` that they show. ``head`` is how much of the head's motion shows (1 is all), ``inside``
    the slot of the material that fills a mouth drawn as one line (-1 for none).
    """

    puppet: DrawnPuppet
    plane: planes.Plane
    motion: DrawnMotion
    starts: list[int]
    poses: list[int]
    head: float
    inside: int = -1

    def pose_at(self, frame: int) -> int:
        """Return the index of the pose shown at a frame."""
        return self.poses[max(0, bisect.bisect_right(self.starts, frame) - 1)]


@dataclass(slots=True)
class Cell:
    """A drawing to be made: on ``frame``, as a copy of the drawing on frame ``source`` with its points at ``places``.

    ``like`` is the frame of an earlier cell that looks the same (None if there is none); ``doubled`` are the strokes
    that become closed shapes.
    """

    frame: int
    source: int
    places: dict[str, NDArray[np.float32]]
    doubled: Doubled
    like: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Doubled:
    """Strokes that become closed shapes: their points are repeated in reverse order. These are mouths drawn as a line.

    ``lines`` are the indices of these strokes. ``order`` (P',) is the index of the original point for each point of the
    new drawing, ``starts`` (S,) the index of each stroke's first point there. ``inside`` is the slot of the material
    they are filled with, -1 for the stroke's own.
    """

    lines: tuple[int, ...]
    order: NDArray[np.int64]
    starts: NDArray[np.int64]
    inside: int

    @classmethod
    def of(cls, show: Show, part: FacePart, drawing: Any, flat: NDArray[np.float64]) -> Doubled:
        """Return the strokes to double in a drawing whose points lie at ``flat`` (P, 2) in the plane."""
        from mouthpiece.retarget.drawing.lip_line import is_mouth_line
        from mouthpiece.retarget.drawing.strokes import FacePart

        starts = planes.starts(drawing)
        strokes = np.split(np.arange(len(flat)), starts[1:])
        face = show.puppet.face
        lines = tuple(
            number for number, stroke in enumerate(strokes)
            if part is FacePart.FACE and is_mouth_line(face, flat[stroke], bool(drawing.strokes[number].cyclic))
        )  # fmt: skip
        for number in lines:
            strokes[number] = np.concatenate([strokes[number], strokes[number][::-1]])
        sizes = np.array([len(stroke) for stroke in strokes], np.int64)
        return cls(lines, np.concatenate(strokes), np.cumsum(sizes) - sizes, show.inside)

    def places(self, original: dict[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
        """Return the places of the new drawing's points, from those of the ``original`` one."""
        return {name: values[self.order] for name, values in original.items()}


def cells_of(
    show: Show, part: FacePart, drawing: Any, matrix: NDArray[np.float64], source: int, times: list[int]
) -> Iterator[Cell]:
    """Yield a cell for each of the frames ``times``, made from the user's drawing on the frame ``source``."""
    if not planes.has_points(drawing):
        return
    bent = Bent.of(show, part, drawing, matrix)
    poses = np.array([show.pose_at(frame) for frame in times])
    for begin in range(0, len(times), _AT_ONCE):
        chunk = bent.at(show, poses[begin : begin + _AT_ONCE])
        for row, frame in enumerate(times[begin : begin + _AT_ONCE]):
            yield Cell(frame, source, {name: values[row] for name, values in chunk.items()}, bent.doubled)


@dataclass(frozen=True, slots=True, eq=False)
class Bent:
    """One of the user's drawings bound to a face, so that it can be computed in any pose.

    ``places`` are its points and the handles of its curves in the layer's axes, (P, 3) each.
    """

    bound: dict[str, Any]
    places: dict[str, NDArray[np.float32]]
    doubled: Doubled
    inverse: NDArray[np.float64]

    @classmethod
    def of(cls, show: Show, part: FacePart, drawing: Any, matrix: NDArray[np.float64]) -> Bent:
        """Bind a drawing; ``matrix`` (4, 4) goes from the layer's axes to the object's."""
        from mouthpiece.retarget.drawing.strokes import Bound

        places = frames.get_places(drawing)
        flat = {n: show.plane.flat(planes.applied(matrix, v.astype(np.float64))) for n, v in places.items()}
        doubled = Doubled.of(show, part, drawing, flat["position"])
        bound: dict[str, Any] = {}
        for name, points in flat.items():
            parts = bound["position"].parts if bound else None
            bound[name] = Bound.of(show.puppet, points[doubled.order], doubled.starts, part, parts, doubled.lines)
        inverse: NDArray[np.float64] = np.linalg.inv(matrix[:3, :3]).astype(np.float64)
        return cls(bound, doubled.places(places), doubled, inverse)

    def at(self, show: Show, poses: NDArray[np.int64]) -> dict[str, NDArray[np.float32]]:
        """Return points and handles in each of F poses, (F, P, 3), in the layer's axes."""
        motion = show.motion.at(poses)
        result = {}
        for name, bound in self.bound.items():
            shift = bound.moved(motion, show.head) - bound.points
            moved = self.places[name] + show.plane.turned_by(shift) @ self.inverse.T
            result[name] = moved.astype(np.float32)
        return result


def without_repeats(
    cells: Iterator[Cell], rest: dict[str, NDArray[np.float32]], source: int, remaining: list[int], step: float
) -> Iterator[Cell]:
    """Yield the cells that differ from the drawing shown before them, with ``like`` set where an earlier one is equal.

    ``rest`` are the places of the points in the user's drawing, which is shown from the frame ``source`` on.
    ``remaining`` are the frames of the layer that stay. Places that differ by less than ``step`` are taken for equal.
    """
    first: dict[bytes, int] = {}
    resting = _key(rest, step)
    latest: tuple[int, bytes] | None = None
    for cell in cells:
        key = _key(cell.places, step)
        index = bisect.bisect_right(remaining, cell.frame) - 1
        before = remaining[index] if index >= 0 else None
        if latest is not None and (before is None or latest[0] > before):
            shown = latest[1]
        else:
            shown = resting if before == source else b""
        if shown == key:
            continue
        latest = cell.frame, key
        cell.like = first.get(key)
        first.setdefault(key, cell.frame)
        yield cell


def _key(places: dict[str, NDArray[np.float32]], step: float) -> bytes:
    """Return a digest of places rounded to ``step``: it is equal for points in the same places."""
    digest = hashlib.blake2b(digest_size=16)
    for values in places.values():
        digest.update(np.rint(values / step).astype(np.int32).tobytes())
    return digest.digest()
