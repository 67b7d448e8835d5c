"""The most probable sequence of phones in posteriors, by the Viterbi algorithm (Rabiner, Proc. IEEE 77, 1989)."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

#: Probabilities below this count as this: one bad frame may not decide over a path.
FLOOR: Final = 1e-4
#: What a change of phone costs, in nats: phones last a tenth of a second, not a frame.
_CHANGE: Final = 0.5


def log_posteriors(posteriors: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Return the natural logarithms of probabilities (S, P), none below that of :data:`FLOOR`."""
    logs: NDArray[np.float64] = np.log(np.maximum(posteriors, FLOOR), dtype=np.float64)
    return logs


def best_path(scores: NDArray[np.floating[Any]], change: float = _CHANGE) -> NDArray[np.int64]:
    """Return the state of each step (S,) on the path that adds up to most.

    Any state may follow any other; a state that is entered lasts two steps at least (at the end, one), which is shorter
    than any phone but a flap.

    Parameters
    ----------
    scores : (S, P) float
        What each state adds at each step: logarithms of probabilities.
    change : float
        What each change of state takes away.
    """
    count, width = scores.shape
    path = np.zeros(count, np.int64)
    if not count:
        return path
    rows = np.asarray(scores, np.float64)
    entered_from = np.zeros(count, np.int64)
    stays = np.zeros((count, width), np.bool_)
    fresh = rows[0].copy()  # the best score of a path that entered the state at this step
    settled = np.full(width, -np.inf)  # ... of one that was in it before
    for step in range(1, count):
        row = rows[step]
        best = int(settled.argmax())
        into = settled[best] - change
        np.greater_equal(settled, fresh, out=stays[step])
        settled = np.maximum(settled, fresh) + row
        entered_from[step] = best
        fresh = row + into
    ends = np.maximum(settled, fresh)
    state = int(ends.argmax())
    is_fresh = bool(fresh[state] > settled[state])
    for step in range(count - 1, -1, -1):
        path[step] = state
        if is_fresh:
            state = int(entered_from[step])
            is_fresh = False
        else:
            is_fresh = not stays[step, state]
    return path


def runs(path: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """Return first step, step after the last, and state (K, 3) of each stretch of ``path`` (S,) in one state."""
    if not len(path):
        return np.zeros((0, 3), np.int64)
    starts = np.flatnonzero(np.diff(path, prepend=path[0] - 1))
    stops = np.append(starts[1:], len(path))
    return np.stack([starts, stops, path[starts]], axis=1).astype(np.int64)
