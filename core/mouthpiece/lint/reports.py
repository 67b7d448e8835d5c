"""What lint found in a file, told to people, programs, CI servers and GitHub, and in a few lines for a panel."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

from ..phrases import as_text, counted, listed
from .checks import Examination
from .contacts import counted_contacts, told_contacts
from .findings import Finding
from .limits import AT_LEAST, CHECKS, TITLES, UNITS
from .measures import Measure

#: Lines of a summary, at most.
_LINES: Final = 5
#: Characters that XML 1.0 does not have.
_NOT_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class LintReport:
    """What was found in one file.

    Attributes
    ----------
    source : str
        The file, as it was named.
    examinations : tuple of Examination
        Its characters.
    error : str
        Why it could not be checked; empty if it could.
    remarks : tuple of str
        What else there is to say about it.
    """

    source: str
    examinations: tuple[Examination, ...] = ()
    error: str = ""
    remarks: tuple[str, ...] = ()

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All that is wrong in it."""
        return tuple(finding for each in self.examinations for finding in each.findings)

    @property
    def passes(self) -> bool:
        """Whether it could be checked and nothing is beyond the limits."""
        return not self.error and not self.findings


def as_dict(reports: Sequence[LintReport]) -> dict[str, Any]:
    """Return all figures as JSON values, also those within limits."""
    return {
        "ok": all(report.passes for report in reports),
        "findings": sum(len(report.findings) for report in reports),
        "results": [_report_dict(report) for report in reports],
    }


def _report_dict(report: LintReport) -> dict[str, Any]:
    row: dict[str, Any] = {"input": as_text(report.source), "ok": report.passes, "remarks": list(report.remarks)}
    if report.error:
        row["error"] = report.error
    row["characters"] = [
        {
            "character": each.character,
            "findings": [finding.as_dict() for finding in each.findings],
            "measures": [_measure_dict(measure) for measure in each.measures],
        }
        for each in report.examinations
    ]
    return row


def _measure_dict(measure: Measure) -> dict[str, Any]:
    return {
        "check": measure.check,
        "line": measure.line,
        "value": None if measure.value is None else float(measure.value),
        "limit": float(measure.limit),
        "unit": UNITS[measure.check],
        "ok": not measure.faults,
        "remark": measure.remark,
    } | ({} if measure.counts is None else {"met": measure.counts[0], "missed": measure.counts[1]})


def as_json(reports: Sequence[LintReport]) -> str:
    """Return :func:`as_dict` as JSON in plain ASCII."""
    return json.dumps(as_dict(reports), indent=1, allow_nan=False)


def told(reports: Sequence[LintReport]) -> str:
    """Return the findings as text for people, by file, character and line, and a last line that sums up."""
    lines: list[str] = []
    for report in reports:
        verdict = report.error or (counted(len(report.findings), "finding") if report.findings else "nothing is wrong")
        lines.append(f"{as_text(report.source)}: {verdict}")
        lines += [f"  note: {remark}" for remark in report.remarks]
        for each in report.examinations:
            lines += _character_lines(each)
    total, wrong = sum(len(report.findings) for report in reports), sum(not report.passes for report in reports)
    if len(reports) > 1:
        lines.append(f"{counted(total, 'finding')}; {wrong} of {counted(len(reports), 'file')} not within limits")
    return "\n".join(lines)


def _character_lines(examination: Examination) -> Iterator[str]:
    unjudged, contacts = _unjudged(examination.measures), told_contacts(counted_contacts(examination.measures))
    if examination.findings or unjudged or contacts:
        yield f"  {examination.character}"
    for line, findings in groupby(sorted(examination.findings, key=lambda each: each.line), lambda each: each.line):
        yield f"    {line or 'between and across lines'}"
        for each in findings:
            yield f"      {_place(each)}  {each.check}: {each.sentence} [{_figures(each)}]"
            yield f"        {each.remedy}"
    if contacts:
        yield f"    contacts: {contacts}"
    if unjudged:
        yield f"    not judged: {'; '.join(unjudged)}"


def _place(finding: Finding) -> str:
    """Return where a finding is, in seconds and, in a scene, in frames."""
    frames = "" if finding.first is None else f" (frames {finding.first} to {finding.last})"
    return f"{_clock(finding.begin)} to {_clock(finding.end)}{frames}"


def _clock(seconds: float) -> str:
    """Return seconds as one reads them: ``7.40 s``, ``2:07.40``."""
    if abs(seconds) < 60:
        return f"{seconds:.2f} s"
    minutes, rest = divmod(round(abs(seconds) * 100), 6000)
    return f"{'-' if seconds < 0 else ''}{minutes}:{rest / 100:05.2f}"


def _figures(finding: Finding) -> str:
    word = "at least" if finding.check in AT_LEAST else "at most"
    return f"{finding.value:.3g} {UNITS[finding.check]}, {word} {finding.limit:.3g}"


def _unjudged(measures: Sequence[Measure]) -> list[str]:
    """Return the checks that judged nothing at all, by reason."""
    judged = {measure.check for measure in measures if measure.value is not None}
    reasons: dict[str, list[str]] = {}
    for measure in measures:
        if measure.check not in judged and measure.remark:
            names = reasons.setdefault(measure.remark, [])
            if measure.check not in names:
                names.append(measure.check)
    return [f"{listed(names, len(CHECKS))} ({reason})" for reason, names in reasons.items()]


def as_junit(reports: Sequence[LintReport]) -> str:
    """Return XML as JUnit writes it, which CI servers show: a suite for each character, a case for check and line."""
    root = ET.Element("testsuites", name="mouthpiece lint")
    counts = [0, 0, 0]
    for report in reports:
        suites = [_suite(root, report, each) for each in report.examinations]
        if report.error:
            suite = ET.SubElement(root, "testsuite", name=_xml(report.source), tests="1", failures="0", errors="1")
            suite.set("skipped", "0")
            case = ET.SubElement(suite, "testcase", classname=_xml(report.source), name="readable", time="0")
            error = ET.SubElement(case, "error", message=_xml(report.error), type="unreadable")
            error.text = _xml(report.error)
            suites.append((1, 0, 1))
        counts = [total + sum(suite[column] for suite in suites) for column, total in enumerate(counts)]
    for name, count in zip(("tests", "failures", "errors"), counts, strict=True):
        root.set(name, str(count))
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode")


def _suite(root: ET.Element, report: LintReport, examination: Examination) -> tuple[int, int, int]:
    """Add the suite of a character; return how many cases, failures and errors it has."""
    failures = sum(bool(measure.faults) for measure in examination.measures)
    skipped = sum(measure.value is None for measure in examination.measures)
    suite = ET.SubElement(root, "testsuite", name=_xml(f"{report.source}: {examination.character}"))
    for name, count in (
        ("tests", len(examination.measures)),
        ("failures", failures),
        ("errors", 0),
        ("skipped", skipped),
    ):
        suite.set(name, str(count))
    for measure in examination.measures:
        name = f"{measure.check}: {measure.line}" if measure.line else measure.check
        case = ET.SubElement(suite, "testcase", classname=suite.get("name", ""), name=_xml(name), time="0")
        if measure.value is None:
            ET.SubElement(case, "skipped", message=_xml(measure.remark))
        elif measure.faults:
            sentences = list(dict.fromkeys(fault.sentence for fault in measure.faults))
            failure = ET.SubElement(case, "failure", message=_xml(" ".join(sentences)), type=measure.check)
            own = (each for each in examination.findings if _is_of(each, measure))
            failure.text = _xml("\n".join(f"{_place(each)}: {each.sentence} {each.remedy}" for each in own))
    return len(examination.measures), failures, 0


def _is_of(finding: Finding, measure: Measure) -> bool:
    """Return whether a finding is one of a measure's: those of a character as a whole name the line they lie in."""
    return finding.check == measure.check and measure.line in ("", finding.line)


def _xml(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)


def as_github(reports: Sequence[LintReport]) -> str:
    """Return the workflow commands with which GitHub shows findings beside the files, a line each."""
    lines = []
    for report in reports:
        where = _property(as_text(report.source))
        if report.error:
            lines.append(f"::error file={where},title=Mouthpiece::{_data(report.error)}")
        for each in report.findings:
            about = " ".join(part for part in (each.character, each.line and f"'{each.line}'", _place(each)) if part)
            title = _property(f"{TITLES[each.check]}: {each.character}")
            lines.append(f"::warning file={where},title={title}::{_data(f'{about}: {each.sentence} {each.remedy}')}")
    if not lines:
        lines.append(f"::notice title=Mouthpiece::{counted(len(reports), 'file')} checked, nothing is wrong")
    return "\n".join(lines)


def _data(text: str) -> str:
    """Return the message of a workflow command: what would end it is escaped."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    """Return a property of a workflow command: what would end it is escaped."""
    return _data(text).replace(":", "%3A").replace(",", "%2C")


#: How reports are told, by name.
FORMATS: Final[Mapping[str, Callable[[Sequence[LintReport]], str]]] = {
    "text": told,
    "json": as_json,
    "junit": as_junit,
    "github": as_github,
}


def summary(findings: Sequence[Finding], measures: Sequence[Measure] = ()) -> list[tuple[str, str]]:
    """Return at most five lines for a panel: ``("fault" | "remark" | "good", text)``.

    Findings of one check are one line, those furthest beyond their limit first; then comes what was not judged.
    """
    lines: list[tuple[str, str]] = []
    by_check: dict[str, list[Finding]] = {}
    for each in findings:
        by_check.setdefault(each.check, []).append(each)
    worst_first = sorted(by_check.values(), key=lambda some: -max(_beyond(each) for each in some))
    room = _LINES if len(worst_first) <= _LINES else _LINES - 1
    for some in worst_first[:room]:
        worst = max(some, key=_beyond)
        about = f" in '{worst.line}'" if worst.line else ""
        more = f", and {len(some) - 1} more" if len(some) > 1 else ""
        figure = f"{worst.value:.3g} {UNITS[worst.check]}".strip()
        lines.append(("fault", f"{TITLES[worst.check]}: {figure}{about} at {_clock(worst.begin)}{more}"))
    if len(worst_first) > room:
        lines.append(("fault", f"{counted(sum(map(len, worst_first[room:])), 'finding')} of other kinds"))
    judged = {measure.check for measure in measures if measure.value is not None}
    if not findings and judged:
        lines.append(("good", f"Nothing is wrong ({counted(len(judged), 'check')})"))
    unjudged = _unjudged(measures)
    return lines + [("remark", f"Not judged: {reason}") for reason in unjudged][: max(0, _LINES - len(lines))]


def _beyond(finding: Finding) -> float:
    """Return how far a finding is beyond its limit, as a multiple of it."""
    if finding.check in AT_LEAST:
        return finding.limit / max(finding.value, 1e-6)
    return finding.value / finding.limit if finding.limit > 0 else 2.0
