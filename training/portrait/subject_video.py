"""Face clips of one person from their videos, in the format of the training pack: 256 x 256 pixels, with landmarks.

A clip is a film and its landmarks (``NAME__0000.mp4`` and ``.npz``). It shows a fixed window of the video; when the
face leaves that window, changes its size or is lost, a new clip begins.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from mouthpiece.features import FRAME_RATE
from mouthpiece.files.writer import replacing, write_whole
from mouthpiece.portrait.draw.conditions import SIZE, window_of
from mouthpiece.portrait.draw.resample import warp
from mouthpiece.portrait.draw.warp import PictureWindow
from numpy.typing import NDArray

from ..pack.face_tracker import FaceTracker, TrackedFace
from ..pack.video import frames as video_frames
from .data import FaceClip, irises_of, read_clip
from .measures.contact_sheets import write_film
from .measures.scores import eye_distance

log = logging.getLogger(__name__)

#: Frames of the longest clip, and of the shortest that is kept.
LONGEST, SHORTEST = 250, 25
#: How far a face may be from the centre of its window, as a share of its side, and how much its size may change.
_STRAY, _GROWTH = 0.1, 0.15
#: Quality of the films, see :func:`~.measures.contact_sheets.write_film`.
_LOSS = 10
#: Least distance of the outer eye corners, in pixels of the video, of a face that is used.
LEAST_EYES = 30.0


@dataclass(eq=False)
class ClipRecorder:
    """A clip that is being recorded: its window, and frames, landmarks and irises in pixels of the window."""

    window: PictureWindow
    eyes: float
    frames: list[NDArray[np.uint8]] = field(default_factory=list)
    landmarks: list[NDArray[np.float64]] = field(default_factory=list)
    irises: list[NDArray[np.float64]] = field(default_factory=list)

    def holds(self, face: TrackedFace) -> bool:
        """Return whether ``face`` still fits the window and the clip is not too long."""
        seen = window_of(face.landmarks)
        side, own = SIZE / seen.scale, SIZE / self.window.scale
        off = (seen.left + side / 2 - self.window.left - own / 2, seen.top + side / 2 - self.window.top - own / 2)
        grown = float(eye_distance(face.landmarks)) / self.eyes
        return len(self.frames) < LONGEST and max(map(abs, off)) < _STRAY * own and abs(grown - 1) < _GROWTH

    def add(self, picture: NDArray[np.uint8], face: TrackedFace) -> None:
        """Add the frame ``picture`` and its ``face``."""
        window = self.window
        matrix = np.array([[1 / window.scale, 0, window.left], [0, 1 / window.scale, window.top]])
        self.frames.append(np.clip(warp(picture, matrix, SIZE) + 0.5, 0, 255).astype(np.uint8))
        for points, kept in ((face.landmarks, self.landmarks), (face.iris, self.irises)):
            kept.append(np.column_stack([window.pixels(points[:, :2]), points[:, 2] * window.scale]))

    def clip(self, name: str) -> FaceClip:
        """Return what was recorded as a clip."""
        return FaceClip(name, np.stack(self.frames), np.stack(self.landmarks), irises_of(np.stack(self.irises)))


def recorded_clips(video: Path, tracker: FaceTracker) -> Iterator[ClipRecorder]:
    """Yield the clips of the most prominent face in ``video``.

    Raises
    ------
    VideoError
        If the video cannot be decoded.
    """
    current: ClipRecorder | None = None
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
            current = ClipRecorder(window_of(face.landmarks), float(eye_distance(face.landmarks)))
        current.add(shown[0], face)
    if current is not None and len(current.frames) >= SHORTEST:
        yield current


def clips_of_video(video: Path, folder: Path, most: int, tracker: FaceTracker) -> list[FaceClip]:
    """Return the clips of a video, up to about ``most`` frames; the first time, they are written to ``folder``.

    Raises
    ------
    VideoError
        If the video cannot be decoded.
    """
    folder.mkdir(parents=True, exist_ok=True)
    whole = folder / f"{video.stem}.taken"
    if not whole.is_file():
        log.info("%s: finding the face…", video.name)
        count = 0
        for number, part in enumerate(recorded_clips(video, tracker)):
            path = folder / f"{video.stem}__{number:04d}.mp4"
            write_film(path, part.frames, quality=_LOSS)
            arrays = {"landmarks": np.stack(part.landmarks), "iris": np.stack(part.irises)}
            with replacing(path.with_suffix(".npz")) as temporary, temporary.open("wb") as stream:
                np.savez(stream, **{name: values.astype(np.float32) for name, values in arrays.items()})
            count += len(part.frames)
            log.info("%s: %.0f s", video.name, count / FRAME_RATE)
            if count >= most:
                break
        # written last: a video that was interrupted is recorded again
        write_whole(whole, f"{count}\n")
    return [read_clip(path) for path in sorted(folder.glob(f"{video.stem}__*.mp4"))]
