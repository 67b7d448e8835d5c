"""Fits an actor's way of moving to a recording of that actor and the take of the same sound: least squares, in seconds.

The map from the average speaker's measures to the actor's is a ridge regression (Hoerl and Kennard, 1970) that leans
towards changing nothing; how much is chosen by leaving out a quarter of the time after the other. As least squares
make motion small where they are unsure, each measure is then given the recorded spread.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..errors import ActorError
from ..motion.smooth import lowpass
from ..performance import Performance
from ..topology import ARKIT_INDEX
from .actor import FARTHEST, STEEPEST, Actor, measures
from .captures import Capture

Floats = NDArray[np.float64]

#: Frames a second at which both are compared, and the corner, hertz, above which recordings are noise.
_RATE: Final = 25.0
_HERTZ: Final = 8.0
#: Least seconds in which the face was recorded and somebody speaks.
LEAST_SECONDS: Final = 5.0
#: Seconds by which a recording may begin earlier or later than the sound, and the least correlation of the opening of
#: the lips at the best of them: below that it is of something else.
FARTHEST_START: Final = 3.0
_ALIKE: Final = 0.4
#: How strongly the map leans towards changing nothing, in shares of what is measured; the last changes gains alone.
_LEANINGS: Final = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
_PARTS: Final = 4
#: Least and greatest factor by which the spread of a measure is corrected, beside that of least squares.
_FACTORS: Final = (0.4, 2.5)
_BROWS: Final = [ARKIT_INDEX[name] for name in ("browInnerUp", "browOuterUpLeft", "browOuterUpRight")]
_LOUD: Final = 0.5


@dataclass(frozen=True, slots=True)
class ActorFit:
    """An actor, and how near the take comes to the recording before and after.

    ``r_open`` are correlations of the opening of the lips, before and with the actor, of the time that was fitted;
    ``spread`` how far the lips part beside the recorded. ``delay`` is by how many seconds the recording begins before
    the sound; ``seconds`` how much was compared.
    """

    actor: Actor
    r_open: tuple[float, float]
    spread: tuple[float, float]
    delay: float
    seconds: float


def fitted(pairs: Sequence[tuple[Capture, Performance]], name: str = "actor", delay: float | None = None) -> ActorFit:
    """Return the actor fitted to recordings and the takes of the same sounds.

    Parameters
    ----------
    pairs
        Each recording with the take of its sound, as inferred (without an actor; its style and dials are ignored).
    name
        What the actor is called.
    delay
        Seconds by which the recordings begin before their sounds; None finds it for each.

    Raises
    ------
    ActorError
        If too little was recorded, or the recording is not of this sound.
    """
    if any(take.options.get("actor") for _, take in pairs):
        raise ActorError("The take moves as an actor already. Animate the sound without the actor, and fit then.")
    columns = [_aligned(capture, take, delay) for capture, take in pairs]
    had, seen = (np.concatenate([one[k] for one in columns]) for k in (0, 1))
    if len(had) < LEAST_SECONDS * _RATE:
        raise ActorError(
            f"Recording and sound have {len(had) / _RATE:.1f} seconds of speech in common, and {LEAST_SECONDS:g} are "
            "needed at least. Record more, or check that both begin together."
        )
    before = _r(had[:, 0], seen[:, 0])
    if before < _ALIKE:
        raise ActorError(
            f"The lips of the recording do not move with this sound (correlation {before:.2f}). Choose the sound that "
            "was recorded with it."
        )
    gains, rest = _mapped(had, seen, _leaning(had, seen))
    after = had @ gains.T + rest
    takes = [take for _, take in pairs]
    actor = Actor(
        name,
        tuple(tuple(round(float(v), 4) for v in row) for row in gains),
        tuple(round(float(v), 5) for v in np.clip(rest, -FARTHEST, FARTHEST)),
        round(_amplitude([capture for capture, _ in pairs], takes), 4),
        round(_brows([capture for capture, _ in pairs], takes), 4),
    )
    spread = float(seen[:, 0].std())
    return ActorFit(
        actor,
        (round(before, 4), round(_r(after[:, 0], seen[:, 0]), 4)),
        (round(float(had[:, 0].std()) / spread, 3), round(float(after[:, 0].std()) / spread, 3)),
        round(float(np.median([one[2] for one in columns])), 3),
        len(had) / _RATE,
    )


def _aligned(capture: Capture, take: Performance, delay: float | None) -> tuple[Floats, Floats, float]:
    """Return the measures (N, 4) of take and recording where somebody speaks, and the delay of the recording."""
    count = int(take.seconds * _RATE)
    times = np.arange(count) / _RATE
    own = np.arange(len(take)) / take.fps
    had = _at(times, own, measures(take.landmarks - take.neutral))
    spoken = np.interp(times, own, take.activity) > _LOUD
    recorded = measures(capture.offsets) / capture.scale
    begins, ends = float(capture.times[0]), float(capture.times[-1])
    rate = (len(capture.times) - 1) / max(ends - begins, 1e-6)
    if rate > 2 * _HERTZ:
        recorded = np.asarray(lowpass(recorded, _HERTZ, rate), np.float64)
    best = (delay if delay is not None else 0.0), -2.0
    if delay is None:
        for shift in np.arange(-FARTHEST_START, FARTHEST_START + 1e-6, 1 / _RATE):
            keep = spoken & (times + shift >= begins) & (times + shift <= ends)
            if keep.sum() >= max(0.5 * spoken.sum(), 2):
                moved = np.interp(times[keep] + shift, capture.times, recorded[:, 0])
                best = max(best, (float(shift), _r(had[keep, 0], moved)), key=lambda one: one[1])
    shift = best[0]
    keep = spoken & (times + shift >= begins) & (times + shift <= ends)
    return had[keep], _at(times[keep] + shift, capture.times, recorded), shift


def _at(times: Floats, own: Floats, track: Floats) -> Floats:
    return np.stack([np.interp(times, own, column) for column in track.T], axis=1)


def _r(one: Floats, other: Floats) -> float:
    spread = float(one.std() * other.std())
    return float(np.mean((one - one.mean()) * (other - other.mean())) / spread) if spread > 1e-9 else 0.0


def _leaning(had: Floats, seen: Floats) -> float:
    """Return how strongly to lean towards no change: what fits best where a quarter of the time was left out."""
    parts = np.array_split(np.arange(len(had)), _PARTS)
    scale = seen.std(axis=0) + 1e-6

    def error(leaning: float) -> float:
        total = 0.0
        for part in parts:
            rest = np.setdiff1d(np.arange(len(had)), part)
            gains, added = _ridge(had[rest], seen[rest], leaning)
            total += float((((had[part] @ gains.T + added - seen[part]) / scale) ** 2).sum())
        return total

    return min(_LEANINGS, key=error)


def _ridge(had: Floats, seen: Floats, leaning: float) -> tuple[Floats, Floats]:
    """Return gains (4, 4) and what is added (4,), leaning towards the gains of one measure each."""
    x, y = had - had.mean(axis=0), seen - seen.mean(axis=0)
    power = (x * x).sum(axis=0)
    own = np.clip((x * y).sum(axis=0) / np.maximum(power, 1e-9), *_FACTORS)  # each measure by itself
    change = np.linalg.solve(x.T @ x + np.diag(leaning * power + 1e-9), x.T @ (y - x * own))
    gains = np.diag(own) + change.T
    return gains, seen.mean(axis=0) - gains @ had.mean(axis=0)


def _mapped(had: Floats, seen: Floats, leaning: float) -> tuple[Floats, Floats]:
    """Return the map whose measures have the recorded means and spreads."""
    gains, _ = _ridge(had, seen, leaning)
    moved = (had - had.mean(axis=0)) @ gains.T
    factor = np.clip(seen.std(axis=0) / np.maximum(moved.std(axis=0), 1e-6), *_FACTORS)
    gains = np.clip(gains * factor[:, None], -STEEPEST, STEEPEST)
    return gains, seen.mean(axis=0) - gains @ had.mean(axis=0)


def _amplitude(captures: Sequence[Capture], takes: Sequence[Performance]) -> float:
    """Return the logarithm of the recorded spread of the head's turning beside that of the takes; 0 if unknown."""
    turned = [capture.angles for capture in captures if capture.angles is not None]
    wanted = np.concatenate([one - one.mean(axis=0) for one in turned]) if turned else np.zeros((1, 3))
    had = np.concatenate([take.head[:, :3] - take.head[:, :3].mean(axis=0) for take in takes])
    if wanted.std() < 1e-4 or had.std() < 1e-4:
        return 0.0
    return float(np.clip(np.log(wanted.std() / had.std()), -1.2, 1.2))


def _brows(captures: Sequence[Capture], takes: Sequence[Performance]) -> float:
    """Return the logarithm of how much more brows are raised than in the takes; 0 if none are."""
    wanted = np.concatenate([capture.arkit[:, _BROWS] for capture in captures]).std(axis=0).mean()
    had = np.concatenate([take.arkit[:, _BROWS] for take in takes]).std(axis=0).mean()
    return float(np.clip(np.log(wanted / had), -0.8, 0.8)) if min(wanted, had) > 1e-3 else 0.0
