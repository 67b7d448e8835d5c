"""Reports of a command: progress on stderr, the result on stdout, as text or JSON, and exit codes.

What files are called and what is in them is shown so that it cannot pass for something else: control characters are
escaped, so that a name neither moves the cursor nor looks like a line of ours. JSON is plain ASCII.
"""

from __future__ import annotations

import argparse
import json
import sys
import unicodedata
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, TextIO

#: Exit codes.
DONE: Final = 0
FAILED: Final = 1
BAD_ARGUMENTS: Final = 2
INTERRUPTED: Final = 130
#: Whoever read stdout stopped reading, as `head` does: what shells report of a program that SIGPIPE ended.
NOT_READ: Final = 141

#: Categories of characters that are escaped: controls, surrogates, and separators of lines and paragraphs.
_UNSHOWN: Final = ("Cc", "Cs", "Zl", "Zp")
#: Characters that change the direction of all that follows.
_TURNING: Final = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def shown(text: object, keep: str = "") -> str:
    """Return a text, a file's name say, with what would act on a terminal as escapes; ``keep`` stays as it is."""
    return "".join(
        sign.encode("unicode_escape").decode("ascii")
        if sign not in keep and (sign in _TURNING or unicodedata.category(sign) in _UNSHOWN)
        else sign
        for sign in str(text)
    )


class NotWritten(Exception):
    """The result could not be written to stdout; ``code`` is the exit code that says so, the text says why."""

    def __init__(self, code: int, reason: str) -> None:
        """Note the code and the reason."""
        super().__init__(reason)
        self.code = code


@dataclass
class Reporter:
    """Writes what a command does, as text for people or (``as_json``) as JSON for programs.

    Progress, warnings and errors go to ``stderr``, one line each; with ``as_json`` each line is a JSON object
    with an ``event`` of ``progress``, ``warning`` or ``error``. The result goes to ``stdout`` once, at the end.
    """

    as_json: bool = False
    quiet: bool = False
    stderr: TextIO | None = field(default_factory=lambda: sys.stderr)
    stdout: TextIO | None = field(default_factory=lambda: sys.stdout)
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

    def step(self, done: int, total: int, subject: str, message: str) -> None:
        """Write what came of one of several things, the ``done``-th of ``total``."""
        if self.quiet:
            return
        if self.as_json:
            self._event("progress", input=subject, done=done, total=total, message=message)
        else:
            self._line(f"[{done:{len(str(total))}}/{total}] {subject}: {message}")

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
        """Write the result: ``summary`` as JSON, or ``text``.

        Raises
        ------
        NotWritten
            If stdout is closed, full, or no longer read.
        """
        words = json.dumps(summary) if self.as_json else shown(text, keep="\n\t")
        if self.stdout is None:
            raise NotWritten(FAILED, "it is closed")
        try:
            self.stdout.write(words + "\n")
            self.stdout.flush()
        except BrokenPipeError:
            raise NotWritten(NOT_READ, "nobody reads it") from None
        except (OSError, ValueError) as error:  # ValueError: the stream was closed in this process
            raise NotWritten(FAILED, getattr(error, "strerror", None) or str(error)) from error

    def _event(self, kind: str, **content: Any) -> None:
        self._line(json.dumps({"event": kind, **content}))

    def _line(self, text: str) -> None:
        """Write a line; where nobody can be told, the work goes on and the exit code tells how it ended."""
        if self.stderr is not None:
            with suppress(OSError, ValueError):
                self.stderr.write(shown(text) + "\n")
                self.stderr.flush()


def add_report_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments for reports: ``--json`` and ``--quiet``."""
    group = parser.add_argument_group("report")
    group.add_argument("--json", action="store_true", help="report on stdout, and progress on stderr, as JSON")
    group.add_argument("--quiet", action="store_true", help="no progress, only warnings and errors")


def reporter(options: argparse.Namespace) -> Reporter:
    """Return the reporter set by the arguments of :func:`add_report_arguments`."""
    return Reporter(as_json=options.json, quiet=options.quiet)
