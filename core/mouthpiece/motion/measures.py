"""Measures of a mouth: the distances and weights that distinguish visemes."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..topology import ARKIT_INDEX, LEFT_EYE_OUTER, MOUTH_LEFT_CORNER, MOUTH_RIGHT_CORNER, RIGHT_EYE_OUTER
from .closures import LOWER, UPPER

Array = NDArray[np.float32]

#: Width of the lips in eye distances that other mouths are scaled to.
LIP_WIDTH: Final = 0.57
_INNER_CORNERS: Final = (60, 64)
_OUTER_TOP: Final = (50, 51, 52)
_OUTER_BOTTOM: Final = (58, 57, 56)
_CHIN: Final = 8
#: ARKit weights that are measures; a name without a side is the mean of both sides.
_WEIGHTS: Final = (
    "jawOpen",
    "mouthClose",
    "mouthFunnel",
    "mouthPucker",
    "mouthRollLower",
    "mouthRollUpper",
    "mouthPress",
    "mouthSmile",
    "mouthStretch",
    "mouthLowerDown",
    "mouthUpperUp",
    "mouthShrugLower",
)
#: Names of the columns of :func:`mouth_measures`.
MEASURES: Final = (
    "gap",
    "width",
    "inner width",
    "protrusion",
    "upper lip up",
    "lower lip down",
    "upper lip thickness",
    "lower lip thickness",
    "corners up",
    "chin down",
    *_WEIGHTS,
)


def mouth_measures(offsets: NDArray[np.floating[Any]], neutral: NDArray[np.floating[Any]], arkit: Array) -> Array:
    """Return the measures of a mouth (T, 22), in the order of ``MEASURES``.

    Lengths are changes from the resting face in outer-eye distances, for a mouth scaled to average width; the last
    columns are ARKit weights, unchanged.

    Parameters
    ----------
    offsets : (T, 68, 3) float
        Displacements of the landmarks from ``neutral``, head pose removed, x right, y down, z away from the camera.
    neutral : (68, 3) float
        The closed, resting face.
    arkit : (T, 52) float32
        ARKit weights.
    """
    eyes = float(np.linalg.norm(neutral[LEFT_EYE_OUTER, :2] - neutral[RIGHT_EYE_OUTER, :2]))
    lips = float(neutral[MOUTH_LEFT_CORNER, 0] - neutral[MOUTH_RIGHT_CORNER, 0])
    unit = LIP_WIDTH / lips if lips > 0.1 * eyes else 1 / max(eyes, 1e-6)
    x, y, z = np.moveaxis(np.asarray(offsets, np.float64) * unit, 2, 0)

    def mean(of: NDArray[np.float64], points: tuple[int, ...]) -> NDArray[np.float64]:
        value: NDArray[np.float64] = of[:, list(points)].mean(axis=1)
        return value

    upper, lower = mean(y, UPPER), mean(y, LOWER)
    lengths = (
        lower - upper,
        x[:, MOUTH_LEFT_CORNER] - x[:, MOUTH_RIGHT_CORNER],
        x[:, _INNER_CORNERS[1]] - x[:, _INNER_CORNERS[0]],
        -mean(z, (*_OUTER_TOP, *_OUTER_BOTTOM)),
        -mean(y, _OUTER_TOP),
        mean(y, _OUTER_BOTTOM),
        upper - mean(y, _OUTER_TOP),
        mean(y, _OUTER_BOTTOM) - lower,
        -mean(y, (MOUTH_RIGHT_CORNER, MOUTH_LEFT_CORNER)),
        y[:, _CHIN],
    )
    weights = [arkit[:, _columns(name)].mean(axis=1) for name in _WEIGHTS]
    measures: Array = np.stack([*lengths, *weights], axis=1).astype(np.float32)
    return measures


def _columns(name: str) -> list[int]:
    names = (name,) if name in ARKIT_INDEX else (f"{name}Left", f"{name}Right")
    return [ARKIT_INDEX[each] for each in names]
