"""A film as it is seen: a face is found, followed from picture to picture and measured."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ...audio import Source
from ...errors import PictureError
from ...pipeline import Progress, Warned
from ...portrait.films import FilmReader
from ...portrait.find.faces import PRESENCE, find_faces
from ...portrait.find.networks import IBUG_68, IRISES, Crop, FaceNetworks, crop_around, face_networks
from ..seen_face import LineSpan, SeenFace
from .sound import Hearing, heard
from .tracked_face import face_courses

Picture = NDArray[np.uint8]

#: Frames per second above which every other picture is left out.
_ENOUGH_FPS: Final = 40.0
#: Pictures without a face after which one is looked for again, at first and at most: a search takes long.
_WAIT, _LONGEST_WAIT = 2, 25
#: Mean difference, of 255, between pictures from which on another shot begins.
_CUT: Final = 32.0
#: Share of its size, and of its eye distance, by which a face changes and moves from one picture to the next at most.
_GROWS, _MOVES = 1.3, 0.8
#: Points that are looked at for cuts along each side.
_PROBES: Final = 24
#: Share of the pictures in which the face must be seen to be judged without a remark, and share of the work.
_SEEN: Final = 0.9
#: Most frames over which the pictures of a film may lie: files can say that years lie between two of them.
_MOST_FRAMES: Final = 300_000
_TRACKING: Final = 0.8


class FaceFollower:
    """Follows one face from picture to picture."""

    def __init__(self, number: int = 1, networks: FaceNetworks | None = None) -> None:
        """Follow face ``number``, 1 for the most prominent one of a shot."""
        self._number, self._networks = number, networks or face_networks()
        self._crop: Crop | None = None
        self._before: NDArray[np.float64] | None = None
        self._probes: NDArray[np.int16] | None = None
        self._wait, self._pause = 0, _WAIT
        self.most = 0

    def points(self, picture: Picture) -> NDArray[np.float64] | None:
        """Return 478 points of the face in the next picture; None if it is not seen, or another shot begins."""
        if self._is_cut(picture):
            self._lose()
            self._find(picture)
            return None
        if self._crop is None:
            self._wait -= 1
            if self._wait < 0:
                self._find(picture)
            return None
        points, presence = self._networks.place(picture, self._crop)
        if presence < PRESENCE or self._is_another(points):
            self._lose()
            self._find(picture)
            return None
        self._crop, self._before = crop_around(points), points
        return points

    def _lose(self) -> None:
        self._crop, self._before, self._wait, self._pause = None, None, 0, _WAIT

    def _find(self, picture: Picture) -> None:
        faces = find_faces(picture)
        self.most = max(self.most, len(faces))
        if len(faces) < self._number:
            self._wait, self._pause = self._pause, min(2 * self._pause, _LONGEST_WAIT)
            return
        self._before = faces[self._number - 1].mesh.astype(np.float64)
        self._crop, self._pause = crop_around(self._before), _WAIT

    def _is_cut(self, picture: Picture) -> bool:
        rows = np.linspace(0, picture.shape[0] - 1, _PROBES).astype(int)
        columns = np.linspace(0, picture.shape[1] - 1, _PROBES).astype(int)
        probes = picture[np.ix_(rows, columns)].astype(np.int16)
        before, self._probes = self._probes, probes
        return before is None or bool(np.abs(probes - before).mean() > _CUT)

    def _is_another(self, points: NDArray[np.float64]) -> bool:
        if self._before is None:
            return False
        size, old = _eyes(points), _eyes(self._before)
        moved = float(np.linalg.norm(points[:, :2].mean(axis=0) - self._before[:, :2].mean(axis=0)))
        return not 1 / _GROWS < size / max(old, 1e-6) < _GROWS or moved > _MOVES * old


def _eyes(points: NDArray[np.float64]) -> float:
    marks = points[[IBUG_68[36], IBUG_68[45]]]
    return float(np.linalg.norm(marks[1] - marks[0]))


def seen_film(
    path: Path, sound: Source, late: float | None = None, face: int = 1
) -> Iterator[Progress | Warned | SeenFace]:
    """Yield progress and warnings while a film is looked at, and last what is seen and heard of one face.

    The film is taken for one line. In pictures without the face, and in the first one of a shot, nothing is known.

    Parameters
    ----------
    path
        The film.
    sound
        What is heard.
    late : float or None
        Seconds by which the sound begins after the first picture; None for the film's own.
    face
        Which face is followed: 1 for the most prominent one of a shot.

    Raises
    ------
    MouthpieceError
        If the film or the sound cannot be read, or no face is found.
    """
    reader = FilmReader(path)
    thin = 2 if reader.facts.fps > _ENOUGH_FPS else 1
    fps = reader.facts.fps / thin
    points = yield from _tracked(reader, thin, fps, face)
    told: Hearing | None = None
    for item in heard(sound, fps):
        if isinstance(item, Hearing):
            told = item
        elif isinstance(item, Progress):
            yield Progress(_TRACKING + (1 - _TRACKING) * item.fraction, item.message)
        else:
            yield item
    assert told is not None
    begins = reader.facts.sound_late if late is None else late
    told = told.on(len(points), round((begins or 0.0) * fps))
    courses = face_courses(points[:, :68], points[:, 68:])
    yield SeenFace(
        path.stem,
        fps,
        opening=courses["opening"],
        width=courses["width"],
        lids=courses["lids"],
        gaze=courses["gaze"],
        head=courses["head"],
        speech=told.speech,
        expected=told.expected,
        lines=(LineSpan(path.stem, 0, len(points) - 1),),
        tracked=True,
    )


def _tracked(reader: FilmReader, thin: int, fps: float, face: int) -> Any:
    """Yield progress and a warning, and return landmarks and irises (F, 70, 3) on even frames; NaN without the face."""
    tracker = FaceFollower(face)
    kept = [*IBUG_68, IRISES[0], IRISES[5]]
    rows: list[NDArray[np.float32]] = []
    times: list[float] = []
    nobody = np.full((len(kept), 3), np.nan, np.float32)
    total = reader.facts.pictures or 0
    for number, (seconds, picture) in enumerate(reader.pictures()):
        if number % thin:
            continue
        points = tracker.points(picture)
        rows.append(nobody if points is None else points[kept].astype(np.float32))
        times.append(seconds)
        yield Progress(_TRACKING * min(1.0, number / total) if total else 0.0, "looking at the face")
    track = _on_frames(rows, times, fps)
    seen = float(np.isfinite(track[:, 0, 0]).mean()) if len(track) else 0.0
    if not seen:
        few = f"at most {tracker.most} face(s) at once, so there is no face {face}" if tracker.most else "no face"
        raise PictureError(f"The film shows {few} that can be judged. It has to look at the camera, more or less.")
    if seen < _SEEN:
        yield Warned(f"The face is seen in {seen:.0%} of the film; the rest could not be judged.")
    return track


def _on_frames(rows: list[NDArray[np.float32]], times: list[float], fps: float) -> NDArray[np.float32]:
    """Return rows that were seen at some seconds on even frames: films of telephones have uneven ones.

    Raises
    ------
    PictureError
        If there are far too many frames from the first to the last.
    """
    if not rows:
        return np.zeros((0, 70, 3), np.float32)
    seconds = np.array(times)
    if seconds[-1] * fps >= _MOST_FRAMES:
        raise PictureError(
            f"The film says that its pictures lie over {seconds[-1] / 3600:,.1f} hours. Export it again, or cut it."
        )
    frames = np.arange(max(1, round(seconds[-1] * fps) + 1)) / fps
    after = np.clip(np.searchsorted(seconds, frames), 1, max(len(seconds) - 1, 1))
    before = after - 1
    after = np.minimum(after, len(seconds) - 1)
    nearer = np.where(frames - seconds[before] <= seconds[after] - frames, before, after)
    return np.stack(rows)[nearer]
