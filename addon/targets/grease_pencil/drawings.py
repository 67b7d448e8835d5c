"""What a take shows on each frame, and the drawings that come of it: those that look alike are drawn once."""

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
    from mouthpiece.retarget.drawing.face import Motion
    from mouthpiece.retarget.drawing.strokes import Part, Puppet

#: Frames worked out at a time, so that long takes of big drawings fit into memory.
_AT_ONCE: Final = 64
#: Motion below which two drawings are the same, in eye distances.
SAME: Final = 5e-4


@dataclass(frozen=True, slots=True, eq=False)
class Show:
    """What a character's drawings show on each frame of a take, whatever the layer.

    ``starts`` are the frames on which there is a new drawing, ascending, the take's first among them; ``poses`` the
    indices into ``motion`` that they show. ``head`` is how much of the head's motion shows, ``inside`` the slot of the
    material that fills a mouth drawn as one line, -1 for none.
    """

    puppet: Puppet
    plane: planes.Plane
    motion: Motion
    starts: list[int]
    poses: list[int]
    head: float
    inside: int = -1

    def pose_at(self, frame: int) -> int:
        """Return the pose shown at a frame of the take."""
        return self.poses[max(0, bisect.bisect_right(self.starts, frame) - 1)]


@dataclass(slots=True)
class Cell:
    """A drawing to be made: on ``frame``, from that of the frame ``source``, its points at ``places``.

    ``like`` is the frame of an earlier cell that is the same drawing; ``doubled`` says which strokes run back again.
    """

    frame: int
    source: int
    places: dict[str, NDArray[np.float32]]
    doubled: Doubled
    like: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Doubled:
    """Strokes of a drawing that become closed shapes by running back the way they came: mouths drawn as one line.

    ``lines`` are their numbers, ``order`` (P',) the point of the drawing that each point is one of, ``starts`` (S,)
    where strokes begin then, ``inside`` the slot of the material they are filled with, -1 for the line's own.
    """

    lines: tuple[int, ...]
    order: NDArray[np.int64]
    starts: NDArray[np.int64]
    inside: int

    @classmethod
    def of(cls, show: Show, part: Part, drawing: Any, flat: NDArray[np.float64]) -> Doubled:
        """Look for them in a drawing whose points lie at ``flat`` (P, 2) of the plane."""
        from mouthpiece.retarget.drawing.lip_line import is_mouth_line
        from mouthpiece.retarget.drawing.strokes import Part

        starts = planes.starts(drawing)
        strokes = np.split(np.arange(len(flat)), starts[1:])
        face = show.puppet.face
        lines = tuple(
            number for number, stroke in enumerate(strokes)
            if part is Part.FACE and is_mouth_line(face, flat[stroke], bool(drawing.strokes[number].cyclic))
        )  # fmt: skip
        for number in lines:
            strokes[number] = np.concatenate([strokes[number], strokes[number][::-1]])
        sizes = np.array([len(stroke) for stroke in strokes], np.int64)
        return cls(lines, np.concatenate(strokes), np.cumsum(sizes) - sizes, show.inside)

    def places(self, held: dict[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
        """Return places of the drawing's points as those of the doubled strokes."""
        return {name: values[self.order] for name, values in held.items()}


def made(
    show: Show, part: Part, drawing: Any, matrix: NDArray[np.float64], source: int, times: list[int]
) -> Iterator[Cell]:
    """Yield the cells of one of the user's drawings on the frames ``times``, in order."""
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
    """One of the user's drawings tied to a face, and its points, with the handles of curves, in the layer's axes."""

    bound: dict[str, Any]
    places: dict[str, NDArray[np.float32]]
    doubled: Doubled
    inverse: NDArray[np.float64]

    @classmethod
    def of(cls, show: Show, part: Part, drawing: Any, matrix: NDArray[np.float64]) -> Bent:
        """Tie it."""
        from mouthpiece.retarget.drawing.strokes import Bound

        held = frames.get_places(drawing)
        flat = {n: show.plane.flat(planes.applied(matrix, v.astype(np.float64))) for n, v in held.items()}
        doubled = Doubled.of(show, part, drawing, flat["position"])
        bound: dict[str, Any] = {}
        for name, points in flat.items():
            parts = bound["position"].parts if bound else None
            bound[name] = Bound.of(show.puppet, points[doubled.order], doubled.starts, part, parts, doubled.lines)
        inverse: NDArray[np.float64] = np.linalg.inv(matrix[:3, :3]).astype(np.float64)
        return cls(bound, doubled.places(held), doubled, inverse)

    def at(self, show: Show, poses: NDArray[np.int64]) -> dict[str, NDArray[np.float32]]:
        """Return the points in each pose, (F, P, 3)."""
        motion = show.motion.at(poses)
        result = {}
        for name, bound in self.bound.items():
            shift = bound.moved(motion, show.head) - bound.points
            moved = self.places[name] + show.plane.turned_by(shift) @ self.inverse.T
            result[name] = moved.astype(np.float32)
        return result


def shared(
    cells: Iterator[Cell], rest: dict[str, NDArray[np.float32]], source: int, remaining: list[int], step: float
) -> Iterator[Cell]:
    """Yield the cells that do not look as what is shown before them, each that looks as an earlier one told so.

    ``remaining`` are the frames that stay on the layer; places nearer than ``step`` are the same.
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
    """Return what is the same for points in the same places."""
    digest = hashlib.blake2b(digest_size=16)
    for values in places.values():
        digest.update(np.rint(values / step).astype(np.int32).tobytes())
    return digest.digest()
