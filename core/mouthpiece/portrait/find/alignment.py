"""The package ``face_alignment`` as another way to find faces, where it is installed and its weights are there already.

It would fetch missing weights by itself. Mouthpiece never downloads, so the very files its version would load are
looked for first, and compiling, which writes to the user's cache, is left out.
"""

from __future__ import annotations

import importlib
import inspect
import os
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ...errors import ModelError
from ..draw.resample import Picture

#: Modules of the package that name the weights they load, and the entries needed: landmarks and depth, and detector.
_TABLES: Final = (("api", ("3DFAN-4", "depth")), ("detection.sfd.sfd_detector", ("s3fd",)))


def weights_folder() -> Path:
    """Return the folder where PyTorch keeps weights it has fetched."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("TORCH_HOME") or cache / "torch") / "hub" / "checkpoints"


def weights_needed(package: ModuleType) -> tuple[str, ...]:
    """Return the names of the weight files a version of the package loads.

    Raises
    ------
    ModelError
        If that version does not say.
    """
    names = []
    for module, keys in _TABLES:
        table: Any = getattr(_part(package, module), "models_urls", None)
        if isinstance(table, Mapping) and table and all(isinstance(entry, Mapping) for entry in table.values()):
            table = table[max(table)]  # older ones: by the least version of PyTorch
        for key in keys:
            address = table.get(key) if isinstance(table, Mapping) else None
            if not isinstance(address, str):
                raise ModelError(
                    "This version of the package 'face_alignment' does not say which weights it needs, and might "
                    "download them unasked. Use version 1.3 to 1.5, or leave out that backend."
                )
            names.append(PurePosixPath(address.partition("?")[0]).name)
    return tuple(names)


def _part(package: ModuleType, name: str) -> ModuleType | None:
    try:
        return importlib.import_module(f"{package.__name__}.{name}")
    except ImportError:
        return None


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
            f"The package 'face_alignment' cannot be used here ({error}). Leave out that backend: Mouthpiece brings "
            "networks of its own."
        ) from error
    folder = weights_folder()
    missing = [name for name in weights_needed(face_alignment) if not (folder / name).is_file()]
    if missing:
        raise ModelError(
            f"Weights of 'face_alignment' are missing in '{folder}': {', '.join(missing)}. Mouthpiece does not "
            "download them; run face_alignment once by itself, or leave out that backend."
        )
    kind = face_alignment.LandmarksType
    options = {"device": "cpu", "compile": False, "face_detector": "sfd"}
    known = inspect.signature(face_alignment.FaceAlignment).parameters
    finder = face_alignment.FaceAlignment(
        getattr(kind, "THREE_D", None) or kind._3D, **{name: value for name, value in options.items() if name in known}
    )
    found: Any = finder.get_landmarks_from_image(picture, return_landmark_score=False, return_bboxes=True)
    if not found or found[0] is None:
        return
    points, _, boxes = found
    for face, box in zip(points, boxes, strict=True):
        marks = np.array(face, np.float32)
        if marks[30, 2] > marks[[0, 16], 2].mean():  # ours grows away from the camera: the nose is nearer than the ears
            marks[:, 2] *= -1
        yield marks, float(np.clip(box[-1], 0, 1))
