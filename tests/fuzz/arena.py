"""Runs a campaign's inputs in child processes that may compute, remember and crash within limits."""

from __future__ import annotations

import os
import re
import resource
import shutil
import signal
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from mouthpiece.errors import MouthpieceError

from .mutations import Maker, changed_bytes

#: Seconds of computing after which an input hangs, and seconds after which even one that only waits does.
HANG, WAIT = 10, 60
#: Seconds after which what hangs is killed, if it has not come to an end by itself.
GRACE = 5
#: Bytes of memory an input may need beyond what its process begins with.
MEMORY = 2 << 30
#: Inputs one child process looks at at most, and for how many seconds at least and at most.
BATCH, SECONDS = 1_000, (0.25, 3.0)


@dataclass(frozen=True)
class Campaign:
    """One reader, and what it is given.

    Attributes
    ----------
    name : str
        What is read.
    ending : str
        Ending of the file's name.
    samples : tuple of bytes
        Files that are read without an error; inputs are made of them.
    read : function of a path
        Reads the file there. It may raise MouthpieceError; any other exception is a fault.
    maker : function
        Makes an input of the samples.
    """

    name: str
    ending: str
    samples: tuple[bytes, ...]
    read: Callable[[Path], object]
    maker: Maker = changed_bytes

    def input(self, seed: int, number: int) -> bytes:
        """Return the input of that number, always the same."""
        return self.maker(Random(f"{seed} {self.name} {number}"), self.samples)


@dataclass
class Tally:
    """What became of the inputs: how many were accepted and refused, and for each kind of fault the numbers."""

    accepted: int = 0
    refused: int = 0
    faults: dict[str, list[int]] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """How many inputs there were."""
        return self.accepted + self.refused + sum(map(len, self.faults.values()))

    def add(self, number: int, outcome: str) -> None:
        """Note what became of an input."""
        if outcome == "accepted":
            self.accepted += 1
        elif outcome == "refused":
            self.refused += 1
        else:
            self.faults.setdefault(outcome, []).append(number)

    def merge(self, other: Tally) -> None:
        """Add what another tally noted."""
        self.accepted += other.accepted
        self.refused += other.refused
        for kind, numbers in other.faults.items():
            self.faults.setdefault(kind, []).extend(numbers)


def outcome_of(campaign: Campaign, data: bytes, folder: Path) -> str:
    """Read an input in this process; return ``accepted``, ``refused`` or what is wrong."""
    path = folder / f"input{campaign.ending}"
    path.write_bytes(data)
    before = set(folder.iterdir())
    begun, held = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        campaign.read(path)
        found = "accepted"
    except MouthpieceError:
        found = "refused"
    except Exception as error:  # finding what readers do not catch is what this is for
        found = _words(error)
    seconds = time.process_time() - begun
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - held) << 10
    left = sorted(set(folder.iterdir()) - before)
    for path in left:
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    if seconds > HANG:
        return f"computes for more than {HANG} s"
    if grown > MEMORY:
        return f"needs more than {MEMORY >> 20} MB"
    return f"leaves {len(left)} files" if left and found != "accepted" else found


def _words(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "mouthpiece" in frame.filename or "addon" in frame.filename] or frames
    place = f"{Path(own[-1].filename).name}:{own[-1].name}"
    text = re.sub(r"\d+", "N", str(error)).encode("ascii", "backslashreplace").decode()[:80]
    return f"{type(error).__name__} in {place}: {text}".replace("\n", " ")


def batch(
    campaign: Campaign, seed: int, numbers: Sequence[int], folder: Path, seconds: float = SECONDS[1]
) -> tuple[Tally, int]:
    """Try inputs in a child process; return what became of them and how many there were.

    It ends after some seconds, or with a crash.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        _try(campaign, seed, numbers, folder, (writing, seconds))
    os.close(writing)
    with os.fdopen(reading, "rb") as said:
        lines = said.read().decode().splitlines()
    _, status = os.waitpid(child, 0)
    tally, done = Tally(), 0
    for line in lines:
        tally.add(numbers[done], line)
        done += 1
    if os.waitstatus_to_exitcode(status) and done < len(numbers):
        tally.add(numbers[done], _death(os.waitstatus_to_exitcode(status)))
        done += 1
    return tally, done


def _death(code: int) -> str:
    if code > 0:
        return f"ends the process with {code}"
    name = signal.Signals(-code).name
    hung = {"SIGPROF": f"computes for more than {HANG} s", "SIGALRM": f"waits for more than {WAIT} s"}
    return hung.get(name, f"crashes: {name}")


def _try(campaign: Campaign, seed: int, numbers: Sequence[int], folder: Path, told: tuple[int, float]) -> None:
    """Try inputs, write a line for each, and end the process."""
    code = 70
    try:
        _try_each(campaign, seed, numbers, folder, told)
        code = 0
    finally:
        os._exit(code)


def _try_each(campaign: Campaign, seed: int, numbers: Sequence[int], folder: Path, told: tuple[int, float]) -> None:
    silent = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(silent, stream)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    begun = time.monotonic()
    for number in numbers:
        data = campaign.input(seed, number)
        resource.setrlimit(resource.RLIMIT_AS, (_address_space() + MEMORY + (1 << 30), resource.RLIM_INFINITY))
        signal.setitimer(signal.ITIMER_PROF, HANG + GRACE)
        signal.alarm(WAIT)
        found = outcome_of(campaign, data, folder)
        signal.alarm(0)
        signal.setitimer(signal.ITIMER_PROF, 0)
        os.write(told[0], found.encode() + b"\n")
        if time.monotonic() - begun > told[1]:
            break


def _address_space() -> int:
    """Return how many bytes of addresses this process has, used or not."""
    with open("/proc/self/statm", "rb") as stream:
        return int(stream.read().split()[0]) * resource.getpagesize()


def rounds(
    campaigns: Sequence[Campaign], seed: int, share: tuple[int, int], until: float, folder: Path
) -> dict[str, Tally]:
    """Try inputs of all campaigns in turn until a moment of ``time.monotonic()``; return a tally for each.

    ``share`` (k, n): this is worker k of n, and tries every n-th input.
    """
    folder.mkdir(parents=True, exist_ok=True)
    seconds = min(max((until - time.monotonic()) / len(campaigns), SECONDS[0]), SECONDS[1])
    tallies = {campaign.name: Tally() for campaign in campaigns}
    tried: Counter[str] = Counter()
    for campaign in _in_turn(campaigns, until):
        first = tried[campaign.name]
        numbers = [share[0] + share[1] * index for index in range(first, first + BATCH)]
        tally, done = batch(campaign, seed, numbers, folder, seconds)
        tallies[campaign.name].merge(tally)
        tried[campaign.name] += done
    return tallies


def _in_turn(campaigns: Sequence[Campaign], until: float) -> Iterator[Campaign]:
    while True:
        for campaign in campaigns:
            if time.monotonic() >= until:
                return
            yield campaign
