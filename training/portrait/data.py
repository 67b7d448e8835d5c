"""The data of the portrait generator: face clips, and samples in which one frame is warped into another.

A source frame is made a portrait and driven by the tracked landmarks of a target frame of the same shot. The renderer's
own code computes the conditions, so that training and use have the same input.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mouthpiece.errors import PictureError
from mouthpiece.portrait.draw.conditions import SIZE, Conditions, conditions_of
from mouthpiece.portrait.draw.generator import INPUTS
from mouthpiece.portrait.draw.motion import Puppet
from mouthpiece.portrait.draw.warp import PictureWindow, Warper
from mouthpiece.portrait.find.placement import Placed
from mouthpiece.portrait.portrait import portrait_of
from numpy.typing import NDArray

from ..configuration import Configuration
from ..pack.video import frames as video_frames

log = logging.getLogger(__name__)

Frames = NDArray[np.uint8]
Planes = NDArray[np.float32]

#: Least difference of frames at a cut, in grey levels, and as a multiple of the median difference.
_CUT, _TIMES = 14.0, 5.0
#: Frames of the shortest shot that is used.
_SHORTEST = 8
#: Gap of the lips, in eye distances, below which a mouth counts as shut.
_SHUT = 0.03


@dataclass(frozen=True, slots=True, eq=False)
class FaceClip:
    """A clip of one face at 25 frames per second.

    Attributes
    ----------
    name : str
        Name of the file.
    frames : (T, 256, 256, 3) uint8
        Pictures.
    landmarks : (T, 68, 3) float64
        Points in pixels; z points away from the camera.
    irises : (T, 2, 3) float64
        Centre and radius of the right iris and the left (the person's), in pixels.
    """

    name: str
    frames: Frames
    landmarks: NDArray[np.float64]
    irises: NDArray[np.float64]

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self.frames)

    def gaps(self) -> NDArray[np.float64]:
        """Return the gap between the lips in every frame (T,), in eye distances."""
        flat = self.landmarks[..., :2]
        apart = np.linalg.norm(flat[:, [61, 62, 63]] - flat[:, [67, 66, 65]], axis=-1).mean(axis=1)
        return np.asarray(apart / np.linalg.norm(flat[:, 45] - flat[:, 36], axis=1))


def irises_of(points: NDArray[Any]) -> NDArray[np.float64]:
    """Return centre and radius (T, 2, 3) of irises tracked as five points each, centre first, (T, 10, 2 or 3)."""
    rings = np.asarray(points, np.float64).reshape(len(points), 2, 5, -1)[..., :2]
    radii = np.linalg.norm(rings[:, :, 1:] - rings[:, :, :1], axis=-1).mean(axis=-1)
    return np.concatenate([rings[:, :, 0], radii[..., None]], axis=-1)


def read_clip(path: Path) -> FaceClip:
    """Return the clip stored as ``path`` (.mp4) with its landmarks in an .npz file of the same name.

    Raises
    ------
    OSError, KeyError, VideoError
        If a file is missing or holds something else.
    """
    with np.load(path.with_suffix(".npz"), allow_pickle=False) as stored:
        landmarks, irises = stored["landmarks"].astype(np.float64), irises_of(stored["iris"])
    frames = np.stack(list(video_frames(path)))
    count = min(len(frames), len(landmarks))
    return FaceClip(path.stem, frames[:count], landmarks[:count], irises[:count])


def read_split(data: Path, split: str) -> list[FaceClip]:
    """Return the face clips of the split "train" or "val" of the pack ``data``."""
    paths = sorted((data / "faces" / split).glob("*.mp4"))
    if not paths:
        raise FileNotFoundError(f"there are no face clips in '{data / 'faces' / split}'")
    return [read_clip(path) for path in paths]


def shots(clip: FaceClip) -> list[range]:
    """Return the frames of each shot of ``clip`` that is longer than a third of a second and tracked throughout."""
    small = np.stack([cv2.resize(frame, (32, 32), interpolation=cv2.INTER_AREA) for frame in clip.frames])
    change = np.abs(np.diff(small.astype(np.float32), axis=0)).mean(axis=(1, 2, 3))
    limit = max(_CUT, _TIMES * float(np.median(change))) if len(change) else _CUT
    edges = [0, *(int(k) + 1 for k in np.flatnonzero(change > limit)), len(clip)]
    runs = [range(a, b) for a, b in pairwise(edges)]
    known = np.isfinite(clip.landmarks).all(axis=(1, 2)) & np.isfinite(clip.irises).all(axis=(1, 2))
    return [run for run in runs if len(run) >= _SHORTEST and known[run.start : run.stop].all()]


class SourcePortrait:
    """A frame of a clip made a portrait, from which other frames of the clip are made."""

    def __init__(self, clip: FaceClip, index: int) -> None:
        """Make a portrait of the frame ``index`` of ``clip``.

        Raises
        ------
        PictureError
            If eyes or mouth are too near the edge of the frame.
        """
        portrait = portrait_of(clip.frames[index], Placed(clip.landmarks[index], clip.irises[index]))
        self._window = PictureWindow(0.0, 0.0, 1.0, SIZE, SIZE)
        self._puppet = Puppet(portrait.face)
        self._warper = Warper(portrait, self._puppet, self._window)
        self._source = self._warper.source

    def conditions(self, clip: FaceClip, index: int) -> Conditions:
        """Return the generator's input for making the frame ``index`` of ``clip``."""
        poses = self._puppet.tracked(clip.landmarks[index : index + 1], clip.irises[index : index + 1, :, :2])
        placed = self._puppet.placed(poses)
        painted = self._warper.painted(placed.vertices[0])
        return conditions_of(painted, self._source, self._puppet, placed.vertices[0], placed.landmarks[0])


@dataclass(frozen=True, slots=True)
class PictureAugmentation(Configuration):
    """How samples are cropped and varied.

    Attributes
    ----------
    side : int
        Side of the square crops, in pixels.
    mouth, eyes : float
        Shares of crops centred on the mouth and on the eyes; the others lie anywhere in the face.
    shift : float
        Standard deviation of the centre of a crop, in pixels.
    zoom, turn : float
        Largest change of scale (as a logarithm), and largest rotation, in radians.
    tone : float
        Largest change of brightness, contrast and tint, as a share.
    """

    side: int = 128
    mouth: float = 0.6
    eyes: float = 0.2
    shift: float = 10.0
    zoom: float = 0.22
    turn: float = 0.3
    tone: float = 0.2


class Pairs:
    """Endless samples: two neighbouring frames made from one portrait, cropped and varied in the same way."""

    def __init__(
        self, clips: Sequence[FaceClip], augmentation: PictureAugmentation, rng: np.random.Generator, stills: int
    ) -> None:
        """Prepare to draw from ``clips``, with up to ``stills`` portraits of each, made when first needed."""
        self._augmentation, self._rng, self._most = augmentation, rng, stills
        self._runs = [(clip, run) for clip in clips for run in shots(clip)]
        names = [clip.name for clip, _ in self._runs]
        # every clip counts alike, and within a clip, shots count by their length
        weights = np.array([len(run) / sum(len(r) for c, r in self._runs if c.name == clip.name)
                            for clip, run in self._runs])  # fmt: skip
        self._weights = weights / weights.sum()
        self._stills: dict[tuple[str, int], SourcePortrait | None] = {}
        self._choices = [self._sources(clip, run) for clip, run in self._runs]
        log.info("%d clips, %d shots, %d stills", len(set(names)), len(self._runs), sum(map(len, self._choices)))

    def _sources(self, clip: FaceClip, run: range) -> list[int]:
        """Return the frames of a shot to make portraits of: about half with the mouth shut, the others any."""
        gaps = clip.gaps()[run.start : run.stop]
        shut = np.flatnonzero(gaps <= max(_SHUT, float(np.percentile(gaps, 25)))) + run.start
        count = max(1, round(self._most * len(run) / max(len(clip), 1)))
        half = self._rng.choice(shut, min(len(shut), (count + 1) // 2), replace=False)
        others = self._rng.choice(np.arange(run.start, run.stop), min(len(run), count), replace=False)
        return [int(k) for k in dict.fromkeys([*half, *others])][:count]

    def __iter__(self) -> Iterator[tuple[Planes, Planes]]:
        """Yield planes (2, C, S, S) of the conditions and frames (2, 3, S, S), 0..1, of two neighbouring moments."""
        while True:
            number = int(self._rng.choice(len(self._runs), p=self._weights))
            clip, run = self._runs[number]
            still = self._still(clip, int(self._rng.choice(self._choices[number])))
            if still is None:
                continue
            index = int(self._rng.integers(run.start, run.stop - 1))
            yield from self._varied(clip, still, index)

    def _still(self, clip: FaceClip, index: int) -> SourcePortrait | None:
        """Return the portrait of a frame, or None if none can be made of it."""
        key = (clip.name, index)
        if key not in self._stills:
            try:
                self._stills[key] = SourcePortrait(clip, index)
            except PictureError as error:
                log.info("%s, frame %d is left out: %s", clip.name, index, error)
                self._stills[key] = None
        return self._stills[key]

    def _varied(self, clip: FaceClip, still: SourcePortrait, index: int) -> Iterator[tuple[Planes, Planes]]:
        """Yield two random crops of one pair of frames, as painting takes longer than cropping."""
        moments = (index, index + 1)
        planes = [planes_of(still.conditions(clip, moment)) for moment in moments]
        frames = [clip.frames[moment].transpose(2, 0, 1).astype(np.float32) / 255 for moment in moments]
        for _ in range(2):
            matrix, tone = self._crop(clip.landmarks[index]), self._tone()
            flip, side = bool(self._rng.integers(2)), self._augmentation.side
            given = np.stack([_cropped(item, matrix, side, flip) for item in planes])
            wanted = np.stack([_cropped(item, matrix, side, flip) for item in frames])
            given[:, :3], given[:, 3:6] = _toned(given[:, :3], tone), _toned(given[:, 3:6], tone)
            yield given, _toned(wanted, tone)

    def _tone(self) -> tuple[float, float, NDArray[np.float64]]:
        """Return random contrast, brightness and tint (3,)."""
        rng, size = self._rng, self._augmentation.tone
        return 1 + size * rng.uniform(-1, 1), size * rng.uniform(-0.5, 0.5), 1 + size / 3 * rng.uniform(-1, 1, 3)

    def _crop(self, landmarks: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the affine map (2, 3) from the pixels of a random crop to those of the frame."""
        rng, how = self._rng, self._augmentation
        where = rng.random()
        if where < how.mouth:
            middle = landmarks[48:68, :2].mean(axis=0)
        elif where < how.mouth + how.eyes:
            middle = landmarks[36:48, :2].mean(axis=0)
        else:
            middle = landmarks[rng.integers(68), :2]
        middle = middle + rng.normal(0, how.shift, 2)
        scale, angle = np.exp(rng.uniform(-how.zoom, how.zoom)), rng.uniform(-how.turn, how.turn)
        turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        return np.column_stack([turn, middle - turn @ np.full(2, how.side / 2)])


def planes_of(conditions: Conditions) -> Planes:
    """Return all conditions as planes (12, 256, 256), in the order of the generator's inputs."""
    return np.concatenate([getattr(conditions, name) for name in INPUTS])


def _toned(frames: Planes, tone: tuple[float, float, NDArray[np.float64]]) -> Planes:
    """Return ``frames`` (N, 3, H, W) with contrast, brightness and tint changed."""
    contrast, brightness, tint = tone
    changed = (frames - 0.5) * np.float32(contrast) + np.float32(0.5 + brightness)
    return np.clip(changed * tint.astype(np.float32)[:, None, None], 0, 1)


def _cropped(planes: Planes, matrix: NDArray[np.float64], side: int, flip: bool) -> Planes:
    """Return a crop (C, side, side) of ``planes``; beyond their edges, the edge pixels are repeated."""
    layers = planes.transpose(1, 2, 0)
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    parts = [
        cv2.warpAffine(np.ascontiguousarray(layers[..., k : k + 3]), matrix, (side, side), flags=how,
                       borderMode=cv2.BORDER_REPLICATE).reshape(side, side, -1)
        for k in range(0, layers.shape[2], 3)
    ]  # fmt: skip
    crop = np.concatenate(parts, axis=2).transpose(2, 0, 1)
    return np.ascontiguousarray(crop[..., ::-1] if flip else crop)
