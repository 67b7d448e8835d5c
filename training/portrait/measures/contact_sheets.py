"""Films and contact sheets for people to look at: recorded frames beside made ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path

import cv2
import numpy as np
from mouthpiece.features import FRAME_RATE
from mouthpiece.portrait import films
from mouthpiece.portrait.films import FilmOptions
from numpy.typing import NDArray

Frame = NDArray[np.uint8]

#: Height of a line of text, in pixels, and its grey.
_LINE, _INK = 22, 235


def headed(frames: Sequence[Frame], words: Sequence[str], title: str = "") -> Frame:
    """Return ``frames`` of one height side by side, with one of ``words`` above each and ``title`` above all."""
    row = np.concatenate([_written(frame.shape[1], text) for frame, text in zip(frames, words, strict=True)], axis=1)
    picture = np.concatenate([row, np.concatenate([frame[..., :3] for frame in frames], axis=1)])
    return np.concatenate([_written(picture.shape[1], title), picture]) if title else picture


def _written(width: int, text: str) -> Frame:
    """Return a line of text, ``width`` pixels wide."""
    line = np.full((_LINE, width, 3), 24, np.uint8)
    cv2.putText(line, text, (6, _LINE - 7), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (_INK, _INK, _INK), 1, cv2.LINE_AA)
    return line


def stacked(pictures: Sequence[Frame]) -> Frame:
    """Return ``pictures`` below each other; narrower ones are padded."""
    width = max(picture.shape[1] for picture in pictures)
    return np.concatenate([np.pad(p, ((0, 0), (0, width - p.shape[1]), (0, 0)), constant_values=24) for p in pictures])


def moments(opening: NDArray[np.floating], moved: NDArray[np.floating]) -> list[int]:
    """Return the frames of a clip for a contact sheet: lips widest apart, face farthest from the still, and the middle.

    ``opening`` (T,) is the gap of the lips, ``moved`` (T,) the distance of the landmarks from those of the still.
    """
    return list(dict.fromkeys([int(opening.argmax()), int(moved.argmax()), len(opening) // 2]))


def write_picture(path: Path, picture: Frame) -> None:
    """Write ``picture`` to a PNG file.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    if not cv2.imwrite(str(path), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)):
        raise OSError(f"'{path}' cannot be written")


@dataclass(frozen=True, slots=True, eq=False)
class ClipSound:
    """The sound of a film: samples (N,) of one channel."""

    samples: NDArray[np.float32]
    rate: int

    def channels(self) -> Iterator[NDArray[np.float32]]:
        """Yield all samples as one block (N, 1)."""
        yield self.samples[:, None]


def write_film(
    path: Path, frames: Iterable[Frame], fps: float = FRAME_RATE, quality: int = 16, sound: ClipSound | None = None
) -> int:
    """Write frames (H, W, 3) of one size as an MP4 film marked as synthetic; return their number.

    ``quality`` is H.264's constant rate factor: 1 is best, and at 16 no loss is visible.

    Raises
    ------
    PictureError
        If the film cannot be written.
    """
    coming = iter(frames)
    first = next(coming, None)
    if first is None:
        return 0
    exact = Fraction(fps).limit_denominator(1000)
    options = FilmOptions(exact, quality, comment="Synthetic: made to measure portraits")
    size = (first.shape[1], first.shape[0])
    return max(films.write_film(path, chain([first], coming), size, options, sound))
