"""Frames of a portrait that talks: the warped picture, and what a generator makes of the face in it.

The picture is warped at its own scale. A generator sees a copy 256 pixels wide; what it changes there is added to the
picture, enlarged and faded towards the rim of the face, so that everything it leaves alone keeps every detail, and what
does not move stays the same to the last bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ...performance import Performance
from ...retarget.picture.face import PictureFace
from ..portrait import Picture, Portrait, straight
from .conditions import SIZE, conditions_of, window_of
from .generator import Generator
from .motion import PosedMesh, Puppet
from .quarter_turns import quarters_of, upright
from .warp import PictureWindow, Warper

#: Frames whose points are worked out together.
_LOT: Final = 32
#: Rows of pixels that are changed together: what they need stays in the processor's cache.
_ROWS: Final = 16
#: Longest side of frames where none is asked for.
LONGEST: Final = 3840


@dataclass(frozen=True, slots=True)
class RenderOptions:
    """How a portrait is rendered.

    Attributes
    ----------
    strength, head : float
        Factors on what the face does, and on what the head does.
    longest : int or None
        Longest side of the frames in pixels; None is the picture's own, up to 3,840.
    """

    strength: float = 1.0
    head: float = 1.0
    longest: int | None = None


def frame_count(performance: Performance, fps: float) -> int:
    """Return how many frames of ``fps`` a take makes; the last is no later than its end."""
    return max(1, int(np.floor(performance.seconds * fps + 1e-6)))


def frame_size(width: int, height: int, longest: int | None = None) -> tuple[int, int]:
    """Return width and height of frames of a picture: even numbers, as films need them, no larger than asked for."""
    most = min(longest or max(width, height), LONGEST)
    scale = most / max(width, height)
    if longest is None:
        scale = min(scale, 1.0)
    even = (max(2, 2 * round(side * scale / 2)) for side in (width, height))
    return next(even), next(even)


class Renderer:
    """Makes frames of a portrait."""

    def __init__(
        self, portrait: Portrait, generator: Generator | None = None, options: RenderOptions | None = None
    ) -> None:
        """Prepare the portrait; takes about a second.

        Raises
        ------
        PictureError
            If eyes or mouth are too near the picture's edge.
        """
        self.options = options or RenderOptions()
        self._generator = generator
        height, width = portrait.picture.shape[:2]
        #: Width and height of the frames.
        self.size = frame_size(width, height, self.options.longest)
        # a head that lies is turned upright by quarters, and its frames are turned back
        self._quarters = quarters_of(portrait.face)
        portrait = upright(portrait.scaled(*self.size), self._quarters)
        self._opaque = bool((portrait.picture[..., 3] == 255).all())
        self._picture = portrait.picture
        self._puppet = Puppet(portrait.face)
        self._window = self._moving_window(portrait.face)
        self._full = Warper(portrait, self._puppet, self._window)
        self._small_window = window_of(portrait.face.landmarks)
        self._small = None if generator is None else Warper(portrait, self._puppet, self._small_window)
        self._paste = Paste(self._small_window, self._window)

    def _moving_window(self, face: PictureFace) -> PictureWindow:
        """Return the part of the picture in which anything can move."""
        moves, skin = self._puppet.moves.copy(), self._puppet.rig.skin
        # what is stretched between a point that moves and one that does not is seen to move as well
        stretched = skin.triangles[moves[skin.triangles].any(axis=1)]
        moves[stretched.ravel()] = True
        points = face.outward(self._puppet.rig.points[moves])
        low = np.floor(np.clip(points.min(axis=0) - 1, 0, None)).astype(int)
        high = np.ceil(np.clip(points.max(axis=0) + 1, None, (face.width, face.height))).astype(int)
        return PictureWindow(float(low[0]), float(low[1]), 1.0, int(high[0] - low[0]), int(high[1] - low[1]))

    def frames(
        self, performance: Performance, fps: float, start: int = 0, stop: int | None = None
    ) -> Iterator[Picture]:
        """Yield the frames (H, W, 4) from ``start`` up to ``stop`` (None: to the end) at ``fps`` frames per second.

        ``performance`` is one with its dials applied (:meth:`Performance.final`). Frames do not depend on where one
        starts, and no more than a few are held at a time.
        """
        count = frame_count(performance, fps)
        last = count if stop is None else min(stop, count)
        with ThreadPoolExecutor(1, thread_name_prefix="mouthpiece-portrait") as beside:
            waiting: list[tuple[Any, PosedMesh, int]] = []
            for placement, index in self._placements(performance, np.arange(start, last) / fps):
                # the generator works on the next frame while this one is painted at full size
                waiting.append((beside.submit(self._change, placement, index), placement, index))
                if len(waiting) > 1:
                    change, placement, index = waiting.pop(0)
                    yield self._finished(placement, index, change.result())
            for change, placement, index in waiting:
                yield self._finished(placement, index, change.result())

    def frame(self, performance: Performance, seconds: float) -> Picture:
        """Return the frame (H, W, 4) at a moment: what :meth:`frames` gives for it."""
        ((placement, index),) = self._placements(performance, np.array([max(seconds, 0.0)]))
        return self._finished(placement, index, self._change(placement, index))

    def tracked(self, landmarks: NDArray[Any], irises: NDArray[Any] | None = None) -> Iterator[Picture]:
        """Yield frames (H, W, 4) that follow landmarks (T, 68, 3) tracked on the same person, in the frames' pixels.

        ``irises`` (T, 2, 2) are the middles of the person's right iris and left. Only for pictures that stand upright.
        """
        placed = self._puppet.placed(self._puppet.tracked(landmarks, irises))
        for index in range(len(landmarks)):
            yield self._finished(placed, index, self._change(placed, index))

    def _placements(
        self, performance: Performance, times: NDArray[np.floating[Any]]
    ) -> Iterator[tuple[PosedMesh, int]]:
        for begin in range(0, len(times), _LOT):
            part = times[begin : begin + _LOT]
            poses = self._puppet.performed(performance, part, self.options.strength, self.options.head)
            placement = self._puppet.placed(poses)
            for index in range(len(part)):
                yield placement, index

    def _change(self, placement: PosedMesh, index: int) -> NDArray[np.float32] | None:
        """Return what the generator changes of a frame, (3, 256, 256) in 0..255 times the share it may."""
        if self._generator is None or self._small is None:
            return None
        window = self._small_window
        vertices, landmarks = placement.vertices[index], placement.landmarks[index]
        painted = self._small.painted(vertices)
        given = conditions_of(
            painted, self._small.source, self._puppet, window.pixels(vertices), window.pixels(landmarks)
        )
        change: NDArray[np.float32] = (self._generator.frame(given) - given.warped) * (255 * given.oval)
        return change

    def _finished(self, placement: PosedMesh, index: int, change: NDArray[np.float32] | None) -> Picture:
        painted = self._full.painted(placement.vertices[index]).pixels
        if change is not None:
            self._paste(painted, change)
        frame = self._picture.copy()
        window = self._window
        left, top = int(window.left), int(window.top)
        part = painted if self._opaque else straight(painted)
        frame[top : top + window.height, left : left + window.width] = part
        return np.ascontiguousarray(np.rot90(frame, -self._quarters)) if self._quarters else frame


class Paste:
    """Adds what changed in the generator's window to a window at the picture's scale, bilinearly enlarged."""

    def __init__(self, small: PictureWindow, large: PictureWindow) -> None:
        """Work out which pixels of the larger window lie where in the small one."""
        self._x, self._columns = _within(small.left, small.scale, large.left, large.width)
        self._y, self._rows = _within(small.top, small.scale, large.top, large.height)

    def __call__(self, pixels: Picture, change: NDArray[np.float32]) -> None:
        """Add ``change`` (3, 256, 256), in 0..255, to premultiplied ``pixels`` (H, W, 4), in place."""
        seen = np.flatnonzero(np.abs(change).max(axis=(0, 1)) > 0), np.flatnonzero(np.abs(change).max(axis=(0, 2)) > 0)
        if not len(seen[0]):
            return
        columns = (self._x > seen[0][0] - 1) & (self._x < seen[0][-1] + 1)
        rows = (self._y > seen[1][0] - 1) & (self._y < seen[1][-1] + 1)
        if not columns.any() or not rows.any():
            return
        x, y = self._x[columns], self._y[rows]
        wide = np.zeros((SIZE, len(x), 4), np.float32)
        wide[..., :3] = _between(change.transpose(2, 1, 0), x).transpose(1, 0, 2)
        top = self._rows.start + int(np.flatnonzero(rows)[0])
        left = self._columns.start + int(np.flatnonzero(columns)[0])
        for start in range(0, len(y), _ROWS):
            lot = slice(start, start + _ROWS)
            _add(pixels[top : top + len(y), left : left + len(x)][lot], _between(wide, y[lot]))


def _add(part: Picture, change: NDArray[np.float32]) -> None:
    """Add a change (H, W, 4) to premultiplied pixels (H, W, 4), in place."""
    alpha = part[..., 3:]
    if (alpha == 255).all():
        change += part
        change += np.float32(0.5)
        part[...] = np.clip(change, 0, 255, out=change)
    else:
        added = part + change * (alpha.astype(np.float32) * np.float32(1 / 255))
        part[...] = np.clip(added + np.float32(0.5), 0, alpha)


def _within(start: float, scale: float, first: float, count: int) -> tuple[NDArray[np.float32], slice]:
    """Return places in the small window's centres of a larger window's pixels, and which of its pixels those are."""
    places = (np.arange(count) + 0.5 + first - start) * scale - 0.5
    inside = np.flatnonzero((places >= 0) & (places <= SIZE - 1))
    if not len(inside):
        return np.zeros(0, np.float32), slice(0, 0)
    return places[inside].astype(np.float32), slice(int(inside[0]), int(inside[-1]) + 1)


def _between(rows: NDArray[np.float32], places: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return rows (N, ...) read between, at ``places`` (M,)."""
    low = np.minimum(places.astype(np.int64), SIZE - 2)
    lower: NDArray[np.float32] = rows[low]
    between: NDArray[np.float32] = rows[low + 1]
    between -= lower
    between *= (places - low.astype(np.float32))[:, None, None]
    between += lower
    return between
