"""The shots that portraits are judged on, and the still that each is made from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from mouthpiece.topology import LEFT_EYE, RIGHT_EYE

from ..data import FaceClip, read_clip, shots
from .scores import Points, eye_distance, opening

#: Least frames of a shot that is judged; a still is chosen from them.
SHORTEST = 25
#: A still is chosen from this share of a shot's frames, those with lips nearest to shut.
_SHUT = 0.1


def still_of(landmarks: Points) -> int:
    """Return the frame a person would choose as the still: eyes widest open, of those with lips nearest to shut."""
    gap = opening(landmarks)
    shut = np.flatnonzero(gap <= np.quantile(gap, _SHUT))
    lids = np.zeros(len(landmarks))
    for eye in (RIGHT_EYE, LEFT_EYE):
        upper, lower = landmarks[:, list(eye[1:3]), :2].mean(axis=1), landmarks[:, list(eye[4:6]), :2].mean(axis=1)
        lids += np.linalg.norm(lower - upper, axis=1)
    return int(shut[(lids / eye_distance(landmarks))[shut].argmax()])


def clips_of(folder: Path, only: Sequence[str] = (), most: int | None = None) -> Iterator[FaceClip]:
    """Yield the shots of at least a second of the clips in ``folder``, at most ``most`` frames of each.

    ``only`` names the clips (empty: all).

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
            yield FaceClip(name, clip.frames[part], clip.landmarks[part], clip.irises[part])
