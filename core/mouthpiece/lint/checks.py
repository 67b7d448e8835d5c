"""All checks on one character."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Final

from .channels import measured_channels
from .contacts import measured_contacts
from .eyes import measured_eyes
from .findings import Finding
from .limits import CHECKS, Limits
from .measures import Fault, Ground, Measure, ground_of, line_at
from .motion import measured_motion
from .mouth import measured_mouth
from .seen_face import SeenFace

#: Checks of a line that explain why its lips are not where its phones ask for.
_EXPLAINING: Final = ("weak", "drift", "sync", "follows")


@dataclass(frozen=True, slots=True)
class Examination:
    """What was measured of a character, in the order of :data:`CHECKS`, and what is wrong, in order of time."""

    character: str
    measures: tuple[Measure, ...]
    findings: tuple[Finding, ...]


def examined(seen: SeenFace, limits: Limits | None = None) -> Examination:
    """Return what was measured of a character and what is beyond ``limits`` (default: :class:`Limits`)."""
    ground = ground_of(seen, limits or Limits())
    mouth = list(measured_mouth(ground))
    explained = {measure.line for measure in mouth if measure.faults and measure.check in _EXPLAINING}
    found = chain(
        mouth,
        measured_motion(ground),
        measured_eyes(ground),
        measured_channels(ground),
        measured_contacts(ground, explained),
    )
    measures = sorted(found, key=lambda each: CHECKS.index(each.check))
    findings = [finding for measure in measures for finding in _findings(ground, measure)]
    findings.sort(key=lambda each: (each.begin, CHECKS.index(each.check)))
    return Examination(seen.character, tuple(measures), tuple(findings))


def checked(seen: SeenFace, limits: Limits | None = None) -> list[Finding]:
    """Return what is wrong with a character, in order of time; ``limits`` default to those of :class:`Limits`."""
    return list(examined(seen, limits).findings)


def _findings(ground: Ground, measure: Measure) -> Iterator[Finding]:
    for fault in measure.faults:
        yield _finding(ground, measure, fault)


def _finding(ground: Ground, measure: Measure, fault: Fault) -> Finding:
    seen = ground.seen
    start = seen.start or 0
    first, last = max(fault.first, 0), max(fault.last, fault.first, 0)
    return Finding(
        check=measure.check,
        character=seen.character,
        line=measure.line or line_at(ground, (first + last) // 2),
        begin=(start + first) / seen.fps,
        end=(start + last + 1) / seen.fps,
        value=fault.value,
        limit=measure.limit,
        sentence=fault.sentence,
        remedy=fault.remedy,
        first=None if seen.start is None else start + first,
        last=None if seen.start is None else start + last,
    )
