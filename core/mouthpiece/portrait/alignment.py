"""The package ``face_alignment`` as another way to find faces, where it is installed and its weights are there already.

It would fetch missing weights by itself. Mouthpiece never downloads, so they are looked for first.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError
from .sampling import Picture

#: Beginnings of the names of the weight files needed: detector, landmarks, depth.
WEIGHTS: Final = ("s3fd", "3DFAN4", "depth")


def weights_folder() -> Path:
    """Return the folder where PyTorch keeps weights it has fetched."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("TORCH_HOME") or cache / "torch") / "hub" / "checkpoints"


def missing_weights(folder: Path) -> tuple[str, ...]:
    """Return the beginnings of names of weight files that are not in a folder."""
    present = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    return tuple(name for name in WEIGHTS if not any(file.startswith(name) for file in present))


def aligned_faces(picture: Picture) -> Iterator[tuple[NDArray[np.float32], float]]:
    """Yield landmarks (68, 3) in pixels and detector score of every face ``face_alignment`` finds.

    Raises
    ------
    ModelError
        If the package or its weights are missing.
    """
    try:
        import face_alignment
    except ImportError as error:
        raise ModelError(
            "The package 'face_alignment' is not installed here. Leave out that backend: Mouthpiece brings networks "
            "of its own."
        ) from error
    missing = missing_weights(weights_folder())
    if missing:
        raise ModelError(
            f"Weights of 'face_alignment' are missing in '{weights_folder()}': {', '.join(missing)}. Mouthpiece does "
            "not download them; run face_alignment once by itself, or leave out that backend."
        )
    kind = face_alignment.LandmarksType
    finder = face_alignment.FaceAlignment(getattr(kind, "THREE_D", None) or kind._3D, device="cpu")
    found: Any = finder.get_landmarks_from_image(picture, return_landmark_score=False, return_bboxes=True)
    if not found or found[0] is None:
        return
    points, _, boxes = found
    for face, box in zip(points, boxes, strict=True):
        marks = np.array(face, np.float32)
        if marks[30, 2] > marks[[0, 16], 2].mean():  # ours grows away from the camera: the nose is nearer than the ears
            marks[:, 2] *= -1
        yield marks, float(box[-1])
