"""Blendshape weights onto a rig's own shape keys."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..curves import Curves, FrameGrid, sample
from ..performance import Performance
from ..topology import ARKIT_INDEX
from .profiles import ShapeMatch

#: What counts as beyond a limit, so that rounding is not reported.
_SLACK = 1e-4


def shape_curves(
    performance: Performance,
    match: ShapeMatch,
    grid: FrameGrid,
    limits: Mapping[str, tuple[float, float]] | None = None,
    strength: float = 1.0,
) -> tuple[Curves, Mapping[str, int]]:
    """Return the value of every matched shape key on every frame, and how often each had to be clamped.

    Parameters
    ----------
    performance
        What the face does.
    match
        Which keys play which shapes.
    grid
        The scene's frames.
    limits
        Least and greatest value each key accepts (Blender: ``slider_min``, ``slider_max``); 0 to 1 for
        keys not named.
    strength
        Factor on every weight.

    Returns
    -------
    Curves
        Channels named by the rig's keys, values within their limits.
    mapping of str to int
        Frames clamped by key; keys never clamped are left out.
    """
    times = grid.times
    weights = sample(performance.final().arkit, performance.fps, times) * strength
    columns, names = [], []
    clamped: dict[str, int] = {}
    for shape, keys in match.shapes.items():
        for key in keys:
            low, high = (limits or {}).get(key, (0.0, 1.0))
            wanted = weights[:, ARKIT_INDEX[shape]]
            beyond = int(((wanted > high + _SLACK) | (wanted < low - _SLACK)).sum())
            if beyond:
                clamped[key] = beyond
            columns.append(np.clip(wanted, low, high))
            names.append(key)
    values = np.stack(columns, axis=1).astype(np.float32)
    return Curves(tuple(names), grid.frames, values), clamped
