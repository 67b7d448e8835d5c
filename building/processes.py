"""Running other programs: shown, under a time limit, with their true exit codes."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
#: What is built and can be thrown away.
BUILD = ROOT / ".build"


class BuildError(Exception):
    """Something failed; the message says what and what to do."""


def execute(command: Sequence[str | Path], *, settings: Mapping[str, str] | None = None, timeout: float = 1800) -> int:
    """Run a command in the checkout and return its exit code; after `timeout` seconds kill it and its children: 124."""
    words = [str(word) for word in command]
    print("$ " + " ".join(word if " " not in word else f'"{word}"' for word in words), flush=True)
    surroundings = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUTF8": "1", **(settings or {})}
    with subprocess.Popen(words, cwd=ROOT, env=surroundings, start_new_session=os.name != "nt") as process:
        try:
            return process.wait(timeout)
        except (subprocess.TimeoutExpired, KeyboardInterrupt) as error:
            if os.name == "nt":
                process.kill()
            else:
                os.killpg(process.pid, signal.SIGKILL)
            if isinstance(error, KeyboardInterrupt):
                raise
            print(f"killed after {timeout:.0f} s", flush=True)
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
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=timeout)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
