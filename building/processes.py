"""Running other programs: shown or written to a log, under a time limit, with their true exit codes."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parent.parent
#: What is built and can be thrown away.
BUILD = ROOT / ".build"

#: The log of the job this thread works on; None: words go to the terminal as they come.
_log: ContextVar[IO[str] | None] = ContextVar("log", default=None)
_guard = threading.Lock()
_running: set[subprocess.Popen[str]] = set()
_stopped = threading.Event()


class BuildError(Exception):
    """Something failed; the message says what and what to do."""


@contextmanager
def logged(path: Path) -> Iterator[None]:
    """Let everything that is said and run meanwhile in this thread be written to a file instead of the terminal."""
    with open(path, "w", encoding="utf-8", errors="replace") as file:
        before = _log.set(file)
        try:
            yield
        finally:
            _log.reset(before)


def say(text: str) -> None:
    """Print a text, to the log of this thread if there is one."""
    print(text, file=_log.get(), flush=True)


def execute(command: Sequence[str | Path], *, settings: Mapping[str, str] | None = None, timeout: float = 1800) -> int:
    """Run a command in the checkout and return its exit code; after `timeout` seconds kill it and its children: 124."""
    words = [str(word) for word in command]
    say("$ " + " ".join(word if " " not in word else f'"{word}"' for word in words))
    surroundings = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUTF8": "1", **(settings or {})}
    log = _log.get()
    with _started(words, ROOT, surroundings, log, subprocess.STDOUT if log else None) as process:
        try:
            return process.wait(timeout)
        except subprocess.TimeoutExpired:
            _kill(process)
            say(f"killed after {timeout:.0f} s")
            return 124


def check(
    command: Sequence[str | Path],
    failure: str,
    *,
    settings: Mapping[str, str] | None = None,
    timeout: float = 1800,
) -> None:
    """Run a command; raise `BuildError` with the sentence `failure` if it does not end with 0."""
    if execute(command, settings=settings, timeout=timeout) != 0:
        raise BuildError(failure)


def output(command: Sequence[str | Path], timeout: float = 60) -> str | None:
    """Return what a command prints, or None if it cannot be started or fails."""
    try:
        words = [str(word) for word in command]
        with _started(words, None, None, subprocess.PIPE, subprocess.PIPE) as process:
            said, _ = process.communicate(timeout=timeout)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return said if process.returncode == 0 else None


def stop_all() -> None:
    """Kill every program started here with its children; whoever starts another one gets a `BuildError`."""
    with _guard:
        _stopped.set()
        for process in _running:
            _kill(process)


@contextmanager
def _started(
    words: Sequence[str],
    folder: Path | None,
    surroundings: Mapping[str, str] | None,
    out: IO[str] | int | None,
    errors: int | None,
) -> Iterator[subprocess.Popen[str]]:
    """Give a program that runs in a group of its own, and kill the group if what is done meanwhile fails."""
    with _guard:
        if _stopped.is_set():
            raise BuildError("Stopped.")
        process = subprocess.Popen(
            words,
            cwd=folder,
            env=surroundings,
            stdout=out,
            stderr=errors,
            text=True,
            errors="replace",
            start_new_session=os.name != "nt",
        )
        _running.add(process)
    with process:
        try:
            yield process
        except BaseException:
            _kill(process)
            raise
        finally:
            with _guard:
                _running.discard(process)


def _kill(process: subprocess.Popen[str]) -> None:
    """Kill a program with all it started."""
    if os.name == "nt":
        process.kill()
        return
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass  # it ended a moment ago
