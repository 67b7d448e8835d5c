"""Shapes of a tongue that has none, from its own form: which way is forward and up is all that has to be known.

A tongue is taken for a bar along its middle line, from root to tip. Shapes that lift or curl bend that line; others
move or widen what is around it. The root stays where it is, as it hangs on the floor of the mouth.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ...errors import RigError

Floats = NDArray[np.float64]

#: Names of the shapes, which are Audio2Face's and ARKit's: ``assets/profiles/audio2face_tongue.json`` drives them.
NAMES: Final = (
    "tongueTipUp", "tongueTipDown", "tongueUp", "tongueDown", "tongueStretch", "tongueIn", "tongueRollUp",
    "tongueRollDown", "tongueWide", "tongueNarrow", "tongueOut",
)  # fmt: skip
#: Shapes that bend the middle line: share of the length from which on, and the angle in radians at the tip.
_BENDS: Final[Mapping[str, tuple[float, float]]] = {
    "tongueTipUp": (0.45, 1.0),
    "tongueTipDown": (0.45, -0.55),
    "tongueRollUp": (0.5, 2.4),
    "tongueRollDown": (0.5, -1.2),
}
#: Shapes that move the body: how far up at its highest place, as a share of the length.
_LIFTS: Final[Mapping[str, float]] = {"tongueUp": 0.24, "tongueDown": -0.12}
#: Share of the length at which the body is lifted most, and how far from there it is not lifted any more.
_BODY: Final = (0.45, 0.5)
#: How far forward the tip goes and how far up, out over the lower teeth, as shares of the length.
_SHIFTS: Final[Mapping[str, tuple[float, float]]] = {
    "tongueStretch": (0.32, 0.05),
    "tongueIn": (-0.16, 0.0),
    "tongueOut": (0.6, 0.08),
}
#: Factor on the width, less one; the height gives way by half of it.
_WIDTHS: Final[Mapping[str, float]] = {"tongueWide": 0.22, "tongueNarrow": -0.25}
#: Steps in which the middle line is followed.
_STEPS: Final = 200
#: Least number of points of a tongue.
_FEWEST: Final = 8


def tongue_shapes(points: NDArray[np.floating], forward: Floats, up: Floats) -> dict[str, Floats]:
    """Return displacements (N, 3) of a tongue's ``points`` (N, 3) at rest for each of :data:`NAMES`, at weight 1.

    Parameters
    ----------
    points
        The tongue alone, lying in a shut mouth.
    forward, up : (3,) float64
        Directions of the head: where the face looks, and its crown; any length.

    Raises
    ------
    RigError
        If there are too few points, or they have no length along ``forward``.
    """
    rest = np.asarray(points, np.float64)
    ahead = np.asarray(forward, np.float64) / np.linalg.norm(forward)
    above = np.asarray(up, np.float64) - (np.asarray(up, np.float64) @ ahead) * ahead
    above /= np.linalg.norm(above)
    side = np.cross(ahead, above)
    place = rest @ np.stack([ahead, above, side], axis=1)
    length = float(np.ptp(place[:, 0])) if len(rest) >= _FEWEST else 0.0
    if not np.isfinite(length) or length <= 1e-9:
        raise RigError(
            f"A tongue of {len(rest)} points without length cannot be shaped. Choose the mesh or the material of the "
            "whole tongue."
        )
    along = (place[:, 0] - place[:, 0].min()) / length
    middle = _middle(along, place[:, 1])
    axes = np.stack([ahead, above, side])
    found: dict[str, Floats] = {}
    for name, (start, angle) in _BENDS.items():
        found[name] = _bent(along, place[:, 1] - middle, length, start, angle) @ axes[:2]
    lifted = (1 + np.cos(np.pi * np.clip((along - _BODY[0]) / _BODY[1], -1, 1))) / 2
    for name, lift in _LIFTS.items():
        found[name] = (lift * length * lifted)[:, None] * above
    moving = np.clip(along / 0.6, 0, 1)
    moving = (length * moving * moving * (3 - 2 * moving))[:, None]
    for name, (shift, lift) in _SHIFTS.items():
        found[name] = moving * (shift * ahead + lift * along[:, None] * above)
    centre = (place[:, 2].max() + place[:, 2].min()) / 2
    for name, change in _WIDTHS.items():
        free = change * np.clip(along / 0.5, 0, 1)
        found[name] = (free * (place[:, 2] - centre))[:, None] * side
        found[name] -= (0.5 * free * (place[:, 1] - middle))[:, None] * above
    return {name: found[name] for name in NAMES}


def _middle(along: Floats, height: Floats) -> Floats:
    """Return the height of the middle line at each point (N,): a smooth curve through the tongue's mean heights."""
    curve = np.polynomial.Polynomial.fit(along, height, 2)
    return np.asarray(curve(along), np.float64)


def _bent(along: Floats, beside: Floats, length: float, start: float, angle: float) -> Floats:
    """Return displacements (N, 2), forward and up, if the middle line bends evenly from ``start`` to the tip.

    ``along`` (N,) is 0 at the root and 1 at the tip, ``beside`` (N,) how far above the middle line a point lies.
    """
    steps = np.linspace(0, 1, _STEPS + 1)
    turn = angle * np.clip((steps - start) / (1 - start), 0, 1)
    line = np.zeros((_STEPS + 1, 2))
    between = (turn[1:] + turn[:-1]) / 2
    line[1:, 0] = np.cumsum(np.cos(between)) * length / _STEPS
    line[1:, 1] = np.cumsum(np.sin(between)) * length / _STEPS
    here = np.stack([np.interp(along, steps, line[:, column]) for column in (0, 1)], axis=1)
    angles = np.interp(along, steps, turn)
    here[:, 0] -= np.sin(angles) * beside
    here[:, 1] += np.cos(angles) * beside
    here -= np.stack([along * length, beside], axis=1)
    return here
