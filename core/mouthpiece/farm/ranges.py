"""Ranges of whole numbers as farms write them: ``1-3,7``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def runs(numbers: Iterable[int], longest: int | None = None) -> list[tuple[int, int]]:
    """Return numbers as stretches without gaps, each as its first and its last number, in order.

    Parameters
    ----------
    numbers
        Whole numbers, in any order; those that occur twice count once.
    longest
        Most numbers in a stretch; None for no limit.
    """
    found: list[tuple[int, int]] = []
    for number in sorted(set(numbers)):
        if found and number == found[-1][1] + 1 and (longest is None or number - found[-1][0] < longest):
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found


def range_text(numbers: Sequence[int]) -> str:
    """Return numbers as text: ``1-3,7`` for 1, 2, 3 and 7; empty if there are none."""
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in runs(numbers))
