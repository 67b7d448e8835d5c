"""Cuts a long sound into chapters on a fixed grid, and joins what a face does in them.

A chapter is heard with its surroundings and on its own, so that a part of a two-hour sound costs one chapter or two,
and every part of it gets the same motion at the same second. Where two chapters meet, one hands over to the other at a
moment when lids are open and looks rest; the moment depends on the two chapters alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from .motion import eyes
from .performance import Performance
from .phones import excerpts, storage
from .phones.excerpts import HeardPart

Array = NDArray[np.float32]

#: Seconds of the longest sound that is heard in one piece.
WHOLE: Final = 180
#: Seconds of a chapter, and of its surroundings that are heard on either side. The content network forgets within
#: eleven seconds (``models/content.py``).
LENGTH: Final = 120
CONTEXT: Final = 16
#: Least seconds of the last chapter: what is shorter belongs to the one before.
_LEAST: Final = 8
#: Seconds on either side of a border within which one chapter hands over to the next.
_SEARCH: Final = 4.0
#: Seconds in which landmarks, weights and style pass over, the head, and the eyes (which then make one quick look).
_FACE, _HEAD, _EYES = 1.0, 2.4, 0.12
#: Seconds on either side of a border in which both chapters may count.
REACH: Final = 6
#: Arrays of a performance with a row for each frame, and the seconds in which each passes over.
_TRACKS: Final = {
    "landmarks": _FACE,
    "arkit": _FACE,
    "activity": _FACE,
    "style": _FACE,
    "tongue": _FACE,
    "head": _HEAD,
    "style_head": _HEAD,
    "gaze": _EYES,
    "blink": _EYES,
}

assert REACH >= _SEARCH + _HEAD / 2 and CONTEXT > REACH and _LEAST > REACH


def stretch(number: int) -> tuple[int, int]:
    """Return the first second that the chapter ``number``, counted from 0, hears, and the one after the last."""
    return max(0, number * LENGTH - CONTEXT), (number + 1) * LENGTH + CONTEXT


def needed(first: float, last: float) -> range:
    """Return the numbers of the chapters that may decide what a face does from second ``first`` to ``last``."""
    low, high = (max(0, math.floor(second / LENGTH)) for second in (first - REACH, last + REACH))
    return range(low, high + 1)


def is_there(number: int, end: float) -> bool:
    """Return whether a sound that ends at second ``end`` has the chapter ``number``."""
    return number == 0 or end > number * LENGTH + _LEAST


def all_of(end: float) -> range:
    """Return the numbers of all chapters of a sound that ends at second ``end``."""
    return range(sum(is_there(number, end) for number in range(1 + math.ceil(end / LENGTH))))


@dataclass(frozen=True, slots=True, eq=False)
class Chapter:
    """What a face does in a sound heard in one piece, or in one chapter with its surroundings.

    Attributes
    ----------
    performance : Performance
        Frame ``i`` is frame ``first + i`` of the whole sound.
    first : int
        Frame of the whole sound that is the first of ``performance``.
    end : float
        Second at which the sound heard ends.
    is_last : bool
        Whether the sound itself ends there.
    clipped : float
        Share of samples at full scale.
    silent : bool
        Whether nothing is heard in it.
    spoken : bool
        Whether somebody may speak in it: more is heard than a steady sound.
    """

    performance: Performance
    first: int
    end: float
    is_last: bool
    clipped: float
    silent: bool
    spoken: bool

    @property
    def stop(self) -> int:
        """Frame of the whole sound after the last one."""
        return self.first + len(self.performance)

    @property
    def size(self) -> int:
        """Bytes of memory."""
        tracks: int = sum(getattr(self.performance, name).nbytes for name in _TRACKS)
        return tracks + storage.size(self.performance.speech)

    def rows(self, name: str, first: int, stop: int) -> Array:
        """Return the array ``name`` on frames of the whole sound; its ends are repeated beyond them."""
        track: Array = getattr(self.performance, name)
        return track[np.clip(np.arange(first, stop) - self.first, 0, len(track) - 1)]


def part(piece: Chapter, first: int, stop: int) -> Performance:
    """Return the performance of the frames ``first`` to ``stop`` (excluded) of the whole sound, as far as there are."""
    low, high = max(first, piece.first) - piece.first, min(stop, piece.stop) - piece.first
    cut = {name: getattr(piece.performance, name)[low:high] for name in _TRACKS}
    speech = piece.performance.speech
    if speech:
        fps = piece.performance.fps
        speech = excerpts.excerpt(speech, low / fps, min(high, len(piece.performance)) / fps)
    return replace(piece.performance, **cut, speech=speech)


class Joined:
    """The performance of a sound that is heard in chapters, on the frames ``first`` to ``stop`` (excluded) of it."""

    def __init__(self, first: int, stop: int) -> None:
        """Begin with no chapter."""
        self.first, self._stop = first, stop
        self._tracks: dict[str, Array] = {}
        self._before: Chapter | None = None
        self._heard: dict[str, None] = {}
        self._said: list[HeardPart] = []

    def add(self, number: int, piece: Chapter) -> None:
        """Add the chapter ``number``, which follows the one added before. No more than two are in memory."""
        before, self._before = self._before, piece
        self._heard[piece.performance.audio_sha256] = None
        if before is None:
            start = self.first = max(self.first, piece.first)
            for name in _TRACKS:
                shape = getattr(piece.performance, name).shape[1:]
                self._tracks[name] = np.zeros((max(self._stop - start, 0), *shape), np.float32)
        else:
            start = seam(before, piece, number)
        low = max(start, self.first)
        high = max(low, min(piece.stop, self._stop))
        self._say(piece, low, high)
        for name, track in self._tracks.items():
            track[low - self.first : high - self.first] = piece.rows(name, low, high)
        if before is not None:
            self._pass_over(before, piece, start)

    @property
    def count(self) -> int:
        """Number of frames that the chapters added have."""
        return 0 if self._before is None else max(0, min(self._before.stop, self._stop) - self.first)

    def performance(self, sha256: str = "") -> Performance:
        """Return the performance, whose first frame is the frame ``first`` of the whole sound.

        Without the ``sha256`` of the whole sound, it names those of the chapters heard, joined by ``+``.
        """
        assert self._before is not None  # callers add at least one chapter
        cut: dict[str, Any] = {name: track[: self.count] for name, track in self._tracks.items()}
        speech = excerpts.joined(self._said)
        return replace(self._before.performance, **cut, speech=speech, audio_sha256=sha256 or "+".join(self._heard))

    def _say(self, piece: Chapter, low: int, high: int) -> None:
        """Note that from the frame ``low`` of the whole sound to ``high``, what ``piece`` heard is said."""
        fps = piece.performance.fps
        self._said = [part for part in self._said if part.start < low / fps]
        if self._said:
            self._said[-1] = replace(self._said[-1], stop=min(self._said[-1].stop, low / fps))
        self._said.append(HeardPart(piece.performance.speech, piece.first / fps, low / fps, high / fps))

    def _pass_over(self, before: Chapter, after: Chapter, at: int) -> None:
        """Blend two chapters around the frame ``at``."""
        fps = after.performance.fps
        reach = math.ceil(_HEAD / 2 * fps)
        low, high = max(at - reach, self.first), min(at + reach + 1, self._stop)
        if low >= high:
            return
        here = slice(low - self.first, high - self.first)
        seconds = (np.arange(low, high) - at) / fps
        for name, width in _TRACKS.items():
            share = np.clip(seconds / width + 0.5, 0, 1)
            share = (share * share * (3 - 2 * share)).astype(np.float32)
            one, other = before.rows(name, low, high), after.rows(name, low, high)
            self._tracks[name][here] = one + share.reshape(-1, *(1,) * (one.ndim - 1)) * (other - one)
        eyes.write_eyes(self._tracks["arkit"][here], self._tracks["blink"][here], self._tracks["gaze"][here])


def seam(before: Chapter, after: Chapter, number: int) -> int:
    """Return the frame of the whole sound at which the chapter ``number``, ``after``, takes over from ``before``.

    It is near their border, where both have their lids open and, if possible, nobody speaks, eyes look the same way
    and heads are turned alike.
    """
    fps = after.performance.fps
    reach, lids = round(_SEARCH * fps), math.ceil(_FACE / 2 * fps)
    border = round(number * LENGTH * fps)
    low, high = border - reach, border + reach + 1
    shut = sum(one.rows("blink", low - lids, high + lids).max(axis=1) for one in (before, after))
    shut = np.lib.stride_tricks.sliding_window_view(shut, 2 * lids + 1).max(axis=1)
    speech = sum(one.rows("activity", low, high) for one in (before, after))
    apart = [
        np.abs(before.rows(name, low, high)[:, :axes] - after.rows(name, low, high)[:, :axes]).sum(axis=1)
        for name, axes in (("gaze", 2), ("head", 3))
    ]
    return low + int(np.argmin(10 * shut + 0.5 * speech + apart[0] + apart[1]))
