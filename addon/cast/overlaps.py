"""Lines of one character that are heard at the same time: refused, or laid so that each has frames of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from .strip_lines import StripLine

#: What may be done about two lines of one character that overlap.
Overlap = Literal["REFUSE", "BLEND"]


@dataclass(frozen=True, slots=True)
class LaidLine:
    """A line on the frames that it has to itself; ``problem`` says why it cannot be animated, if it cannot."""

    line: StripLine
    problem: str = ""


def without_overlaps(lines: Sequence[StripLine], overlap: Overlap) -> list[LaidLine]:
    """Return lines in order of time, so that no two of one character have the same frames.

    Where lines may blend, two that overlap give up half of what they share each, and one within another takes its
    place there: it has to be keyed after the one around it. Otherwise the later one is refused.
    """
    found: list[LaidLine] = []
    last: dict[str, int] = {}
    for line in sorted(lines, key=lambda line: (span(line), line.strip)):
        begin, end = span(line)
        before = found[last[line.character]].line if line.character in last else None
        if before is None or begin >= span(before)[1]:
            last[line.character] = len(found)
            found.append(LaidLine(line))
            continue
        first, until = span(before)
        middle = (max(begin, first) + min(end, until)) // 2
        if overlap == "REFUSE" or before.recording.identity == line.recording.identity:
            found.append(LaidLine(line, _refusal(before, line)))
        elif first < begin and end <= until:
            found.append(LaidLine(line))
        elif not first < middle < end:
            found.append(LaidLine(line, f"{_refusal(before, line)} There is no room for both to blend."))
        else:
            number = last[line.character]
            found[number] = replace(found[number], line=_cropped(before, first, middle))
            last[line.character] = len(found)
            found.append(LaidLine(_cropped(line, middle, end)))
    return found


def span(line: StripLine) -> tuple[float, float]:
    """Return the frames between which a line is heard, the last excluded."""
    place = line.recording.placement
    left = place.origin if place.left is None else place.left
    return left, float("inf") if place.right is None else place.right


def _refusal(before: StripLine, line: StripLine) -> str:
    begin, end = span(line)[0], min(span(before)[1], span(line)[1])
    return (
        f"'{line.strip}' overlaps '{before.strip}', which {line.character} speaks as well, on the frames {begin:g} to "
        f"{end - 1:g}. Move or trim one of them, or let overlaps blend."
    )


def _cropped(line: StripLine, left: float, right: float) -> StripLine:
    """Return a line of which only the frames from ``left`` to ``right``, the last excluded, are heard."""
    place = replace(line.recording.placement, left=round(left), right=round(right))
    return replace(line, recording=replace(line.recording, placement=place))
