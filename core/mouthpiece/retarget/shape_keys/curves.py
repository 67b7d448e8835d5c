"""Turns a performance into values of a rig's shape keys, by the rig's table."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ...curves import Curves, FrameGrid, sample
from ...performance import Performance
from . import drivers, lip_opening
from .table import ShapeMap

#: How far beyond a limit a value counts as clamped, so that rounding is not reported.
_SLACK = 1e-4


def shape_curves(
    performance: Performance,
    table: ShapeMap,
    grid: FrameGrid,
    limits: Mapping[str, tuple[float, float]] | None = None,
    strength: float = 1.0,
    lips: lip_opening.Lips | None = None,
) -> tuple[Curves, Mapping[str, int]]:
    """Return the value of every driven shape key on every frame, and how often each had to be clamped.

    Parameters
    ----------
    performance
        The take, with dials applied.
    table
        The rig's table of what drives each key.
    grid
        The scene's frames.
    limits
        Least and greatest value each key accepts (Blender: ``slider_min``, ``slider_max``); 0 to 1 for
        keys not named.
    strength
        Factor on what drives each key.
    lips
        The character's lips as measured on this mesh or on the one it belongs to; with them the mouth opens as far as
        in the take (:mod:`.lip_opening`).

    Returns
    -------
    Curves
        Channels named by the rig's keys, values within their limits.
    mapping of str to int
        Frames clamped by key; keys never clamped are left out. A key that is at 0 anyway is not clamped by its
        formula going below.

    Raises
    ------
    RigError
        If a formula is not valid.
    """
    seen, times = performance.final(), grid.times
    tracks = drivers.tracks(seen, times, table.drivers() | (lips.table.drivers() if lips else set()))
    if lips is not None:
        tracks = lip_opening.matched(lips, tracks, sample(drivers.lip_gap(seen), seen.fps, times))
    columns = np.zeros((len(times), len(table.driven)), np.float32)
    clamped: dict[str, int] = {}
    for column, entry in enumerate(table.driven):
        low, high = (limits or {}).get(entry.key, (0.0, 1.0))
        wanted = np.broadcast_to(entry.value(tracks, strength), len(times))
        # Formulas such as jawOpen - mouthClose may go below 0 on purpose.
        beyond = int(((wanted > high + _SLACK) | ((wanted < low - _SLACK) & (low != 0))).sum())
        if beyond:
            clamped[entry.key] = beyond
        columns[:, column] = np.clip(wanted, low, high)
    return Curves(table.keys, grid.frames, columns), clamped
