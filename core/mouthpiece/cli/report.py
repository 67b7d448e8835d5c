"""Reports of a command: progress on stderr, the result on stdout, as text or JSON, and exit codes."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TextIO

#: Exit codes.
DONE: Final = 0
FAILED: Final = 1
BAD_ARGUMENTS: Final = 2
INTERRUPTED: Final = 130


@dataclass
class Reporter:
    """Writes what a command does, as text for people or (``as_json``) as JSON for programs.

    Progress, warnings and errors go to ``stderr``, one line each; with ``as_json`` each line is a JSON object
    with an ``event`` of ``progress``, ``warning`` or ``error``. The result goes to ``stdout`` once, at the end.
    """

    as_json: bool = False
    quiet: bool = False
    stderr: TextIO = field(default_factory=lambda: sys.stderr)
    stdout: TextIO = field(default_factory=lambda: sys.stdout)
    _last: tuple[str, int, str] = ("", -1, "")

    def progress(self, subject: str, fraction: float, message: str) -> None:
        """Write how far the work on ``subject`` is, at most once for every tenth and message."""
        mark = (subject, int(fraction * 10), message)
        if self.quiet or mark == self._last:
            return
        self._last = mark
        if self.as_json:
            self._event("progress", input=subject, fraction=round(fraction, 3), message=message)
        else:
            self._line(f"[{fraction:4.0%}] {subject}: {message}")

    def warning(self, subject: str, message: str) -> None:
        """Write a warning, also if ``quiet``."""
        if self.as_json:
            self._event("warning", input=subject, message=message)
        else:
            self._line(f"warning: {subject}: {message}")

    def error(self, subject: str, message: str) -> None:
        """Write an error, also if ``quiet``."""
        if self.as_json:
            self._event("error", input=subject, message=message)
        else:
            self._line(f"error: {subject}: {message}" if subject else f"error: {message}")

    def result(self, summary: Mapping[str, Any], text: str) -> None:
        """Write the result: ``summary`` as JSON, or ``text``."""
        self.stdout.write((json.dumps(summary, ensure_ascii=False) if self.as_json else text) + "\n")
        self.stdout.flush()

    def _event(self, kind: str, **content: Any) -> None:
        self._line(json.dumps({"event": kind, **content}, ensure_ascii=False))

    def _line(self, text: str) -> None:
        self.stderr.write(text + "\n")
        self.stderr.flush()


def add_report_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments for reports: ``--json`` and ``--quiet``."""
    group = parser.add_argument_group("report")
    group.add_argument("--json", action="store_true", help="report on stdout, and progress on stderr, as JSON")
    group.add_argument("--quiet", action="store_true", help="no progress, only warnings and errors")


def reporter(options: argparse.Namespace) -> Reporter:
    """Return the reporter set by the arguments of :func:`add_report_arguments`."""
    return Reporter(as_json=options.json, quiet=options.quiet)
