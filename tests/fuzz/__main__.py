"""Tries mutated files on every reader for some minutes, and says what they could not stand."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import asdict
from pathlib import Path

# Before numpy is loaded: a child process must not inherit threads, nor use more than its core.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

from .arena import Campaign, Tally, outcome_of, rounds  # noqa: E402  # after the settings above


def main(make: Callable[[Path], list[Campaign]], arguments: Sequence[str] | None = None) -> int:
    """Run campaigns as the arguments say; return 0 if no fault was found, 1 if one was, 2 for bad arguments."""
    options = _parsed(arguments)
    if not sys.platform.startswith("linux"):
        print("The fuzzer limits memory as Linux does: run it there.", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="mouthpiece-fuzz-") as scratch:
        os.environ["MOUTHPIECE_SETTINGS"] = str(Path(scratch) / "settings")
        campaigns = [one for one in make(Path(scratch) / "samples") if options.only in ("", one.name)]
        if not campaigns:
            print(f"There is no campaign '{options.only}'.", file=sys.stderr)
            return 2
        if options.number is not None:
            return _again(campaigns[0], options, Path(scratch))
        spoilt = [one.name for one in campaigns if _samples_refused(one, Path(scratch))]
        if spoilt:
            print(f"Samples are not read, so nothing would be tried: {', '.join(spoilt)}", file=sys.stderr)
            return 1
        tallies = _side_by_side(campaigns, options, Path(scratch))
    return _told(campaigns, tallies, options)


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0, help="how long to try (default: 1)")
    parser.add_argument("--seed", type=int, default=1, help="which inputs: the same seed makes the same (default: 1)")
    parser.add_argument("--only", default="", metavar="CAMPAIGN", help="one campaign, by its name")
    parser.add_argument("--number", type=int, help="with --only: this input alone, with the traceback")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes side by side")
    parser.add_argument("--summary", type=Path, metavar="FILE", help="write the last line there as well")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="write an input of each kind of fault there")
    return parser.parse_args(arguments)


def _samples_refused(campaign: Campaign, scratch: Path) -> bool:
    """Tell whether a sample is not read as it is; what reading it prints is not shown."""
    folder = scratch / "try"
    folder.mkdir(exist_ok=True)
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        return any(outcome_of(campaign, data, folder) != "accepted" for data in campaign.samples)


def _again(campaign: Campaign, options: argparse.Namespace, scratch: Path) -> int:
    path = scratch / f"input{campaign.ending}"
    path.write_bytes(campaign.input(options.seed, options.number))
    if options.keep:
        options.keep.mkdir(parents=True, exist_ok=True)
        (options.keep / path.name).write_bytes(path.read_bytes())
    print(campaign.read(path))
    return 0


def _side_by_side(campaigns: list[Campaign], options: argparse.Namespace, scratch: Path) -> dict[str, Tally]:
    """Run all campaigns in several processes until the time is over; return a tally for each."""
    until = time.monotonic() + 60 * options.minutes
    children = []
    sys.stdout.flush()
    for worker in range(options.jobs):
        child = os.fork()
        if not child:
            code = 70
            try:
                folder = scratch / f"worker {worker}"
                tallies = rounds(campaigns, options.seed, (worker, options.jobs), until, folder)
                written = {name: asdict(tally) for name, tally in tallies.items()}
                (scratch / f"{worker}.json").write_text(json.dumps(written))
                code = 0
            finally:
                os._exit(code)
        children.append(child)
    total = {campaign.name: Tally() for campaign in campaigns}
    for worker, child in enumerate(children):
        os.waitpid(child, 0)
        for name, tally in json.loads((scratch / f"{worker}.json").read_text()).items():
            total[name].merge(Tally(**tally))
    return total


def _told(campaigns: list[Campaign], tallies: dict[str, Tally], options: argparse.Namespace) -> int:
    found = 0
    for campaign in campaigns:
        tally = tallies[campaign.name]
        faults = sum(map(len, tally.faults.values()))
        print(
            f"{campaign.name:16} {tally.count:8,} inputs: {tally.accepted:7,} accepted, {tally.refused:8,} refused, "
            f"{faults} faults"
        )
        for kind, numbers in tally.faults.items():
            print(f"    {len(numbers)} x {kind}\n        --only '{campaign.name}' --number {min(numbers)}")
        found += faults
    summary = f"{sum(tally.count for tally in tallies.values()):,} inputs, seed {options.seed}: {found} faults"
    print(summary)
    if options.summary:
        options.summary.write_text(summary + "\n")
    sys.stdout.flush()
    if options.keep:
        _keep(campaigns, tallies, options)
    return 1 if found else 0


def _keep(campaigns: list[Campaign], tallies: dict[str, Tally], options: argparse.Namespace) -> None:
    """Write an input of each kind of fault into a folder; after the report, as making one may be the fault."""
    for campaign in campaigns:
        for number in map(min, tallies[campaign.name].faults.values()):
            options.keep.mkdir(parents=True, exist_ok=True)
            place = options.keep / f"{campaign.name.replace(' ', '-')}-{number}{campaign.ending}"
            place.write_bytes(campaign.input(options.seed, number))


if __name__ == "__main__":
    from .campaigns import every

    sys.exit(main(every))
