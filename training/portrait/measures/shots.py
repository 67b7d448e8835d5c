"""The shots portraits are judged on, and the still of each that a person would choose."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from mouthpiece.topology import LEFT_EYE, RIGHT_EYE

from ..data import Clip, read_clip, shots
from .scores import Points, eye_distance, opening

#: Frames of a shot shorter than this are not judged: it is too short to choose a still from.
SHORTEST = 25
#: Share of a shot's frames, those with lips nearest to shut, that a still is chosen from.
_SHUT = 0.1


def still_of(landmarks: Points) -> int:
    """Return the frame a person would take as the still: lips shut (or nearest to it), then eyes widest open."""
    gap = opening(landmarks)
    shut = np.flatnonzero(gap <= np.quantile(gap, _SHUT))
    lids = np.zeros(len(landmarks))
    for eye in (RIGHT_EYE, LEFT_EYE):
        upper, lower = landmarks[:, list(eye[1:3]), :2].mean(axis=1), landmarks[:, list(eye[4:6]), :2].mean(axis=1)
        lids += np.linalg.norm(lower - upper, axis=1)
    return int(shut[(lids / eye_distance(landmarks))[shut].argmax()])


def clips_of(folder: Path, only: Sequence[str] = (), most: int | None = None) -> Iterator[Clip]:
    """Yield the shots of a folder's clips, named, those of at least a second; ``most`` frames of each.

    Raises
    ------
    ValueError
        If there are none.
    """
    paths = [path for path in sorted(folder.glob("*.mp4")) if not only or path.stem in only]
    if not paths:
        raise ValueError(f"there are no clips in '{folder}'; --data is the folder that holds 'faces'")
    for path in paths:
        clip = read_clip(path)
        long = [shot for shot in shots(clip) if len(shot) >= SHORTEST]
        for number, shot in enumerate(long, start=1):
            part = slice(shot.start, shot.stop if most is None else min(shot.stop, shot.start + most))
            name = clip.name if len(long) == 1 else f"{clip.name} {number}"
            yield Clip(name, clip.frames[part], clip.landmarks[part], clip.irises[part])
