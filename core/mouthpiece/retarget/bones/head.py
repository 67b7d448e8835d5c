"""Head motion on a scene's frames, in the performance's axes."""

from __future__ import annotations

import numpy as np

from ...curves import Curves, FrameGrid, sample
from ...performance import Performance
from ...topology import HEAD_CHANNELS


def head_curves(performance: Performance, grid: FrameGrid, strength: float = 1.0) -> Curves:
    """Return pitch, yaw, roll (rad) and x, y, z (eye distances) on every frame of ``grid``.

    Axes and signs as in ``Performance.head``; ``strength`` multiplies all six.
    """
    values = sample(performance.final().head, performance.fps, grid.times) * strength
    return Curves(HEAD_CHANNELS, grid.frames, values.astype(np.float32))
