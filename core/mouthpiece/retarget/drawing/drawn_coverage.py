"""Which parts of a drawn face move: those whose strokes lie where its handles are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from ...topology import LEFT_BROW, LEFT_EYE, RIGHT_BROW, RIGHT_EYE
from ..coverage import Coverage
from .face import DrawnFace
from .mouth_fit import NEVER, FlatStroke, opening
from .strokes import FacePart, found_part

#: Landmarks of features, and how near, in eye distances, points of strokes are that go with them.
_NEAR: Final = 0.1
_FEATURES: Final = {"lids": (*RIGHT_EYE, *LEFT_EYE), "brows": (*RIGHT_BROW, *LEFT_BROW)}
_LACKING: Final = {
    "mouth": "the drawn mouth does not open: no line lies under the handles of the lips",
    "lids": "no line lies under the handles of the eyes",
    "gaze": "no pupil is drawn between the lids",
    "brows": "no line lies under the handles of the brows",
    "head": "Head is 0 under Drawn Face",
    "teeth": "no layer is of teeth",
    "tongue": "no layer is of a tongue",
}


def drawn_coverage(
    face: DrawnFace, strokes: Sequence[FlatStroke], parts: Sequence[FacePart], inside: Sequence[str], head: float
) -> tuple[Coverage, float]:
    """Return which parts of a drawn face move, and how far its mouth opens (:func:`.mouth_fit.opening`).

    Parameters
    ----------
    face, strokes
        The face and the strokes of its layers.
    parts
        The part of the face each layer is.
    inside
        Names of the layers inside the mouth.
    head
        How much of the head's motion shows.
    """
    opened = opening(face, strokes)
    found: dict[str, tuple[str, ...]] = {"mouth": ("the line of the mouth",)} if opened >= NEVER else {}
    points = np.concatenate([s.points for s in strokes]) if strokes else np.zeros((0, 2))
    for part, landmarks in _FEATURES.items():
        ways = np.linalg.norm(points[:, None] - face.landmarks[list(landmarks)][None], axis=2)
        if len(points) and (ways.min(axis=0) < _NEAR * face.unit).mean() > 0.5:
            found[part] = ("lines of the eyes" if part == "lids" else "lines of the brows",)
    pupils = {FacePart.PUPIL_LEFT, FacePart.PUPIL_RIGHT}
    if pupils & set(parts) or any(found_part(face, s.points) in pupils for s in strokes if len(s.points)):
        found["gaze"] = ("pupils",)
    if head:
        found["head"] = ("the whole drawing",)
    if "mouth" in found and inside:
        tongue = tuple(name for name in inside if "tongue" in name.lower())
        teeth = tuple(name for name in inside if name not in tongue)
        found |= ({"teeth": teeth} if teeth else {}) | ({"tongue": tongue} if tongue else {})
    return Coverage(found, {part: why for part, why in _LACKING.items() if part not in found}), opened
