"""Jobs that wait for one another, done side by side: longest first, each with a log of its own."""

from __future__ import annotations

import re
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path

from .processes import BUILD, BuildError, logged, say, stop_all

LOGS = BUILD / "reports"


@dataclass(frozen=True)
class Outcome:
    """How a job went: its name, whether it is fine, a few words, and how many tests passed, failed and were skipped."""

    ring: str
    fine: bool
    words: str
    counts: tuple[int, int, int] = (0, 0, 0)


@dataclass(frozen=True)
class Job:
    """Something to do: its name, how, what has to be done before, and about how many seconds it takes on one core.

    `aside`: it waits for the network rather than computing, so it is done besides what the cores are busy with.
    `quiet`: it only prepares others, so it has no row in the table unless it fails.
    """

    name: str
    action: Callable[[], Outcome]
    after: tuple[str, ...] = ()
    seconds: float = 1.0
    aside: bool = False
    quiet: bool = False

    @property
    def log(self) -> Path:
        """Where what it says is written if others run beside it."""
        return LOGS / f"{slug(self.name)}.log"


@dataclass
class Board:
    """What is waiting, running and done; `ended` by name, and when each began and ended, in seconds since the start."""

    waiting: list[Job]
    running: dict[Future[Outcome], Job] = field(default_factory=dict)
    ended: dict[str, Outcome] = field(default_factory=dict)
    began: dict[str, float] = field(default_factory=dict)


def slug(name: str) -> str:
    """Return a name as part of a file name."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def urgency(jobs: Sequence[Job]) -> dict[str, float]:
    """Return by job how many seconds pass from its start until the last job that waits for it is done."""
    found: dict[str, float] = {}
    for job in reversed(in_order(jobs)):
        found[job.name] = job.seconds + max((found[other.name] for other in jobs if job.name in other.after), default=0)
    return found


def in_order(jobs: Sequence[Job]) -> list[Job]:
    """Return the jobs in an order in which each follows what it waits for."""
    left, done, ordered = list(jobs), set[str](), list[Job]()
    while left:
        ready = [job for job in left if done.issuperset(job.after)]
        if not ready:
            raise BuildError(f"These jobs wait for one another: {', '.join(job.name for job in left)}")
        ordered.append(ready[0])
        done.add(ready[0].name)
        left.remove(ready[0])
    return ordered


def outcome(job: Job, ended: dict[str, Outcome]) -> Outcome:
    """Do a job and return how it went; one whose preparation failed is not done, and has failed."""
    missing = [name for name in job.after if not ended[name].fine]
    if missing:
        return Outcome(job.name, False, f"not run: {missing[0]} failed")
    try:
        return job.action()
    except BuildError as error:
        say(f"\nbuild.py: {error}")
        return Outcome(job.name, False, str(error))
    except Exception as error:
        say(traceback.format_exc())
        return Outcome(job.name, False, f"{type(error).__name__}: {error}")


def one_by_one(jobs: Sequence[Job]) -> list[Outcome]:
    """Do one job after the other, each shown as it goes on."""
    ended: dict[str, Outcome] = {}
    for job in in_order(jobs):
        say(f"\n=== {job.name} ===")
        ended[job.name] = outcome(job, ended)
    return [ended[job.name] for job in jobs]


def side_by_side(jobs: Sequence[Job], lanes: int) -> list[Outcome]:
    """Do the jobs in so many lanes; a line says when each begins and ends, and their logs are shown in the order given.

    A log is shown whole, as soon as its job and all before it have ended. Stopped by Ctrl C, all programs are killed,
    and what was said until then is shown.
    """
    LOGS.mkdir(parents=True, exist_ok=True)
    for job in jobs:
        job.log.unlink(missing_ok=True)
    start = time.monotonic()
    longest = urgency(jobs)
    board = Board(sorted(jobs, key=lambda job: -longest[job.name]))
    unshown = list(jobs)
    with ThreadPoolExecutor(max_workers=len(jobs)) as pool:
        try:
            while board.waiting or board.running:
                for job in startable(board, lanes):
                    board.waiting.remove(job)
                    board.began[job.name] = time.monotonic()
                    say(f"[{time.monotonic() - start:4.0f} s] {job.name}: begins")
                    board.running[pool.submit(_into_log, job, board.ended)] = job
                done, _ = wait(board.running, timeout=1, return_when=FIRST_COMPLETED)
                for future in done:
                    job = board.running.pop(future)
                    board.ended[job.name] = ended = future.result()
                    took = time.monotonic() - board.began[job.name]
                    fine = "ok" if ended.fine else "FAILED"
                    say(f"[{time.monotonic() - start:4.0f} s] {job.name}: {fine} after {took:.0f} s: {ended.words}")
                while unshown and unshown[0].name in board.ended:
                    show(unshown.pop(0))
        except BaseException:
            stop_all()
            wait(board.running)
            for job in unshown:
                show(job)
            raise
    return [board.ended[job.name] for job in jobs]


def startable(board: Board, lanes: int) -> list[Job]:
    """Return which waiting jobs can begin now: all they wait for has ended, and a lane is free."""
    free = lanes - sum(not job.aside for job in board.running.values())
    found = []
    for job in board.waiting:
        if board.ended.keys() >= set(job.after) and (job.aside or free > 0):
            found.append(job)
            free -= not job.aside
    return found


def show(job: Job) -> None:
    """Print what a job has said, if it began."""
    if job.log.is_file():
        say(f"\n=== {job.name} ===\n{job.log.read_text(encoding='utf-8', errors='replace').rstrip()}")


def _into_log(job: Job, ended: dict[str, Outcome]) -> Outcome:
    """Do a job with everything it says written to its log."""
    with logged(job.log):
        return outcome(job, ended)


def table(jobs: Sequence[Job], outcomes: Iterable[Outcome]) -> str:
    """Return how each job went, a row each, and how many tests there were in all."""
    rows = [found for job, found in zip(jobs, outcomes, strict=True) if not (job.quiet and found.fine)]
    passed, failed, skipped = (sum(row.counts[i] for row in rows) for i in range(3))
    width = max(len(row.ring) for row in rows)
    lines = [f"{row.ring:<{width}} {'ok    ' if row.fine else 'FAILED'} {row.words}" for row in rows]
    fine = all(row.fine for row in rows)
    total = f"{'all':<{width}} {'ok    ' if fine else 'FAILED'} {passed} passed, {failed} failed, {skipped} skipped"
    return "\n".join([f"{'ring':<{width}} result", *lines, total])
