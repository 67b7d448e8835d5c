"""Face clips of one person from their videos, as the generator's training takes them: 256 x 256, with landmarks.

Clips are kept beside their landmarks (``NAME__0000.mp4`` and ``.npz``), as those of the training pack are. The window a
clip looks through never moves; when the face strays, or is lost, a new clip begins.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from mouthpiece.features import FRAME_RATE
from mouthpiece.portrait.draw.conditions import SIZE, window_of
from mouthpiece.portrait.draw.resample import warp
from mouthpiece.portrait.draw.warp import Window
from numpy.typing import NDArray

from ..pack.tracking import Face, FaceTracker
from ..pack.video import frames as video_frames
from .measures.contact_sheets import write_film
from .data import Clip, irises_of, read_clip
from .measures.scores import eye_distance

log = logging.getLogger(__name__)

#: Frames of the longest clip, and of the shortest that is kept.
LONGEST, SHORTEST = 250, 25
#: How far a face may stray from the middle of its window, in sides, and grow or shrink, as a share.
_STRAY, _GROWTH = 0.1, 0.15
#: Quality that frames are kept in, see :func:`~.portrait_showing.write_film`.
_LOSS = 10
#: Smallest distance of the outer eye corners, in pixels of the video, that something can be learned from.
LEAST_EYES = 30.0


@dataclass(eq=False)
class Taken:
    """A clip that is being taken: its window, and frames, landmarks and irises in its pixels."""

    window: Window
    eyes: float
    frames: list[NDArray[np.uint8]] = field(default_factory=list)
    landmarks: list[NDArray[np.float64]] = field(default_factory=list)
    irises: list[NDArray[np.float64]] = field(default_factory=list)

    def holds(self, face: Face) -> bool:
        """Tell whether a face is still where the window is, and as large."""
        seen = window_of(face.landmarks)
        side, own = SIZE / seen.scale, SIZE / self.window.scale
        off = (seen.left + side / 2 - self.window.left - own / 2, seen.top + side / 2 - self.window.top - own / 2)
        grown = float(eye_distance(face.landmarks)) / self.eyes
        return len(self.frames) < LONGEST and max(map(abs, off)) < _STRAY * own and abs(grown - 1) < _GROWTH

    def add(self, picture: NDArray[np.uint8], face: Face) -> None:
        """Take a frame."""
        window = self.window
        matrix = np.array([[1 / window.scale, 0, window.left], [0, 1 / window.scale, window.top]])
        self.frames.append(np.clip(warp(picture, matrix, SIZE) + 0.5, 0, 255).astype(np.uint8))
        for points, kept in ((face.landmarks, self.landmarks), (face.iris, self.irises)):
            kept.append(np.column_stack([window.pixels(points[:, :2]), points[:, 2] * window.scale]))

    def clip(self, name: str) -> Clip:
        """Return the clip."""
        return Clip(name, np.stack(self.frames), np.stack(self.landmarks), irises_of(np.stack(self.irises)))


def taken(video: Path, tracker: FaceTracker) -> Iterator[Taken]:
    """Yield what a video shows of its most prominent face, a clip at a time.

    Raises
    ------
    VideoError
        If it cannot be decoded.
    """
    current: Taken | None = None
    shown: list[NDArray[np.uint8]] = []

    def pictures() -> Iterator[NDArray[np.uint8]]:
        for picture in video_frames(video):
            shown[:] = [picture]
            yield picture

    for face in tracker.follow(pictures()):
        lost = face is None or eye_distance(face.landmarks) < LEAST_EYES
        if current is not None and (lost or face is None or not current.holds(face)):
            if len(current.frames) >= SHORTEST:
                yield current
            current = None
        if face is None or lost:
            continue
        if current is None:
            current = Taken(window_of(face.landmarks), float(eye_distance(face.landmarks)))
        current.add(shown[0], face)
    if current is not None and len(current.frames) >= SHORTEST:
        yield current


def clips_of_video(video: Path, folder: Path, most: int, tracker: FaceTracker) -> list[Clip]:
    """Return the clips of a video, up to ``most`` frames, taken into ``folder`` the first time.

    Raises
    ------
    VideoError
        If it cannot be decoded.
    """
    folder.mkdir(parents=True, exist_ok=True)
    whole = folder / f"{video.stem}.taken"
    if not whole.is_file():
        log.info("%s: finding the face…", video.name)
        count = 0
        for number, part in enumerate(taken(video, tracker)):
            path = folder / f"{video.stem}__{number:04d}.mp4"
            write_film(path, part.frames, quality=_LOSS)
            np.savez(
                path.with_suffix(".npz"), landmarks=np.stack(part.landmarks).astype(np.float32),
                iris=np.stack(part.irises).astype(np.float32),
            )  # fmt: skip
            count += len(part.frames)
            log.info("%s: %.0f s", video.name, count / FRAME_RATE)
            if count >= most:
                break
        # written last: a video half taken is taken again
        whole.write_text(f"{count}\n", encoding="ascii")
    return [read_clip(path) for path in sorted(folder.glob(f"{video.stem}__*.mp4"))]
