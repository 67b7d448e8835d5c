"""Checks of what is keyed: channels at their limits, channels that move nothing, and lines over each other."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from ..phrases import counted, listed
from .measures import Fault, Ground, Measure
from .seen_face import LineSpan


def measured_channels(ground: Ground) -> Iterator[Measure]:
    """Yield the measures of ``clipping`` for each line, of ``dead`` and of ``overlap``."""
    limits = ground.limits
    if limits.clipping is not None:
        yield from (_clipping(ground, line, limits.clipping) for line in ground.spans)
    if limits.dead is not None:
        yield _dead(ground, limits.dead)
    if limits.overlap is not None:
        yield _overlap(ground, limits.overlap)


def _clipping(ground: Ground, line: LineSpan, limit: float) -> Measure:
    rows = slice(line.first, line.last + 1)
    shares = {name: float(np.mean(at[rows])) for name, at in ground.seen.clipped.items() if len(at[rows])}
    worst = max(shares.values(), default=0.0)
    over = sorted((name for name, share in shares.items() if share > limit), key=lambda name: -shares[name])
    if not over:
        return Measure("clipping", line.label, worst, limit)
    at = np.any([ground.seen.clipped[name][rows] for name in over], axis=0)
    where = np.flatnonzero(at)
    verb = "lies at its limit" if len(over) == 1 else "lie at their limits"
    fault = Fault(
        line.first + int(where[0]),
        line.first + int(where[-1]),
        worst,
        f"{listed(over)} {verb} in {worst:.0%} of the line's frames, so motion is cut off.",
        "Lower the amounts of what it moves, or widen the channel's range.",
    )
    return Measure("clipping", line.label, worst, limit, (fault,))


def _dead(ground: Ground, limit: float) -> Measure:
    names = sorted(ground.seen.unmoved)
    if len(names) <= limit:
        return Measure("dead", "", float(len(names)), limit)
    reasons = [f"{name} ({reason})" if (reason := ground.seen.unmoved[name]) else name for name in names]
    fault = Fault(
        0,
        max(ground.rows - 1, 0),
        float(len(names)),
        f"{counted(len(names), 'channel')} {'is' if len(names) == 1 else 'are'} keyed but "
        f"{'moves' if len(names) == 1 else 'move'} nothing: {listed(reasons)}.",
        "Unmute it, raise its limits, or match the character again.",
    )
    return Measure("dead", "", float(len(names)), limit, (fault,))


def _overlap(ground: Ground, limit: float) -> Measure:
    longest, faults = 0.0, []
    for one, other in _pairs(ground.spans):
        last = min(one.last, other.last)
        seconds = (last + 1 - other.first) / ground.seen.fps
        longest = max(longest, seconds)
        if seconds > limit:
            faults.append(
                Fault(
                    other.first,
                    last,
                    seconds,
                    f"'{one.label}' and '{other.label}' of one character lie over each other for {seconds:.2f} s.",
                    "Move one of them, or shorten the first.",
                )
            )
    return Measure("overlap", "", longest, limit, tuple(faults))


def _pairs(lines: tuple[LineSpan, ...]) -> Iterator[tuple[LineSpan, LineSpan]]:
    """Yield lines with the next that begins before they end; those that share a single row only touch."""
    for one, other in pairwise(sorted(lines, key=lambda line: line.first)):
        if other.first < one.last:
            yield one, other
