"""Time a whole film: all its lines by `batch`, again, after changes, and one by one by `bake`.

    python benchmarks/film_batch.py --lines 60 --minutes 12 -o FOLDER [--blender PATH] [--jobs N] [--parts …]

Python is one that has the module bpy; it makes the film (`demo/film.py`). Without --blender it also stands in for
Blender (`demo/stand_in.py`); with it, that Blender is measured, with the extension installed in the profile that
BLENDER_USER_RESOURCES names. Seconds are of whole processes, from their start to the saved file; memory is the most
that one process had at a time. Results are kept in FOLDER/results.json: parts can be measured one after another.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
PARTS: Final = ("first", "again", "changed", "takes", "processes", "one process")
#: Whose lines are made again because of their rig, whose one line because of an amount of its own.
RIG, DIAL = "Vera", "Ben"

#: What is changed in the animated film before it is animated once more: an amount of one line, and a rig.
CHANGES: Final = """
import bpy
from addon import compat
strip = next(s for s in compat.all_strips(bpy.context.scene) if s.name == {strip!r})
amount = strip.mouthpiece.amounts.add()
amount.name, amount.value = "jaw", 1.4
head = bpy.data.objects[{rig!r}]
head.shape_key_remove(head.data.shape_keys.key_blocks["viseme_RR"])
bpy.ops.wm.save_as_mainfile(filepath={path!r})
"""
#: Every line by the command `bake`, in one process.
ALL: Final = """
import bpy
from addon.command import parser
for words in {commands!r}:
    code = parser.main(words)
    if code:
        raise SystemExit(code)
bpy.ops.wm.save_as_mainfile(filepath={path!r}, copy=True)
"""


@dataclass(frozen=True, slots=True)
class Measured:
    """What a command took: seconds, megabytes of its largest process, and seconds of processor; and what came of it."""

    seconds: float
    megabytes: float
    processor: float = 0.0
    note: str = ""


@dataclass(frozen=True, slots=True)
class Studio:
    """Where the film is, and how a Blender is started there."""

    folder: Path
    blender: tuple[str, ...]
    python: str

    def run(self, *words: object, codes: Sequence[int] = (0,)) -> Measured:
        """Run a Blender and measure it; RuntimeError with the end of what it said if it fails."""
        said = self.folder / "said.txt"
        began = time.perf_counter()
        with open(said, "wb") as out:
            process = subprocess.Popen([*self.blender, "-b", *map(str, words)], stdout=out, stderr=out, env=settings())
            _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        code = os.waitstatus_to_exitcode(status)
        process.returncode = code
        if code not in codes:
            raise RuntimeError(f"{' '.join(map(str, words))} ended with {code}:\n{said.read_text()[-3000:]}")
        megabytes = used.ru_maxrss / (1024 if sys.platform != "darwin" else 1 << 20)
        return Measured(seconds, megabytes, used.ru_utime + used.ru_stime)

    def program(self, scene: Path, text: str) -> Measured:
        """Run a program in a Blender with a scene."""
        path = self.folder / "program.py"
        path.write_text(text, encoding="utf-8")
        return self.run(scene, "--python", path)


def settings() -> dict[str, str]:
    """Return the surroundings of all processes."""
    return {**os.environ, "OMP_NUM_THREADS": "1"}


def film(folder: Path, options: argparse.Namespace, *more: str) -> Path:
    """Make a film unless it is there; return its folder."""
    if not (folder / "film.blend").is_file():
        made = ["--lines", str(options.lines), "--minutes", str(options.minutes), "-o", str(folder), *more]
        subprocess.run([sys.executable, str(ROOT / "demo" / "film.py"), *made], check=True, env=settings())
    return folder


def states(path: Path) -> list[tuple[str, str, str]]:
    """Return strip, character and state of each line of a report."""
    lines = json.loads(path.read_text(encoding="utf-8"))["lines"]
    return [(line["strip"], line["character"], line["state"]) for line in lines]


def counted(found: Sequence[tuple[str, str, str]]) -> str:
    """Return how many lines are in which state."""
    values = [state for _, _, state in found]
    return ", ".join(f"{values.count(state)} {state}" for state in dict.fromkeys(values))


def batch(studio: Studio, scene: str, name: str, *more: object, jobs: int = 1) -> Measured:
    """Animate a scene of the studio's folder; ``name`` is that of the result and its report."""
    report = studio.folder / f"{name}.json"
    given = ["--output", studio.folder / f"{name}.blend", "--report", report, "--force", "--quiet", "--jobs", jobs]
    took = studio.run(studio.folder / scene, "-c", "mouthpiece", "batch", *given, *more)
    return replace(took, note=counted(states(report)))


def changed(studio: Studio, jobs: int) -> Measured:
    """Change one sound, one amount of one line and one rig, animate again, and see that just those are made."""
    table = [row for row in cast(studio.folder) if "_turns" not in row["audio"]]
    sounds = [row["audio"] for row in table]
    sound = next(row for row in table if sounds.count(row["audio"]) == 1 and row["character"] not in (RIG, DIAL))
    dialled = next(row for row in table if row["character"] == DIAL)
    voice = studio.folder / sound["audio"]
    kept = voice.read_bytes()
    text = CHANGES.format(strip=dialled["label"], rig=RIG, path=str(studio.folder / "edited.blend"))
    studio.program(studio.folder / "done.blend", text)
    voice.write_bytes(kept[:44] + kept[:43:-1][: len(kept) - 44])  # the same speech backwards: another sound
    try:
        took = batch(studio, "edited.blend", "changed", jobs=jobs)
    finally:
        voice.write_bytes(kept)
    found = states(studio.folder / "changed.json")
    made = [(strip, who) for strip, who, state in found if state == "made"]
    chosen = {sound["label"], dialled["label"]}
    wrong = {(strip, who) for strip, who, _ in found if (who == RIG or strip in chosen) != ((strip, who) in made)}
    return replace(took, note=f"{took.note}: {f'but not {sorted(wrong)}' if wrong else 'just those that changed'}")


def cast(folder: Path) -> list[dict[str, str]]:
    """Return the rows of the film's table."""
    with open(folder / "cast.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def bakes(folder: Path) -> list[list[str]]:
    """Return the words of `bake` for each line of a film whose turns are strips of their own."""
    rigs = {"Ada": "Ada", "Pia": "Pia", "Ben": "Ben", "Cleo": "Cleo", "Vera": "Vera"}
    return [
        ["bake", "--strip", row["label"], "--object", rigs[row["character"]], "--quiet"]
        + (["--channel", row["channel"]] if row["channel"] else [])
        for row in cast(folder)
    ]


def processes(studio: Studio) -> Measured:
    """Bake every line in a process of its own, each going on from what the one before has saved."""
    scene, total, busy, most = studio.folder / "film.blend", 0.0, 0.0, 0.0
    for words in bakes(studio.folder):
        out = studio.folder / "baked.blend"
        took = studio.run(scene, "-c", "mouthpiece", *words, "--output", out, "--force")
        total, busy, most, scene = total + took.seconds, busy + took.processor, max(most, took.megabytes), out
    return Measured(total, most, busy, f"{len(bakes(studio.folder))} processes")


def measure(options: argparse.Namespace) -> dict[str, Measured]:
    """Measure what is asked for; results of earlier runs are kept."""
    home = options.output.absolute()
    whole, apart = film(home / "film", options), film(home / "apart", options, "--apart")
    if options.blender:
        blender: tuple[str, ...] = (options.blender,)
    else:
        blender = (sys.executable, str(ROOT / "demo" / "stand_in.py"))
    studio, single = Studio(whole, blender, sys.executable), Studio(apart, blender, sys.executable)
    jobs = options.jobs
    one = {"path": str(apart / "all.blend"), "commands": bakes(apart)}
    parts: dict[str, Callable[[], Measured]] = {
        "first": lambda: batch(studio, "film.blend", "done", jobs=jobs),
        "again": lambda: batch(studio, "done.blend", "again", jobs=jobs),
        "changed": lambda: changed(studio, jobs),
        "takes": lambda: batch(studio, "film.blend", "from_takes", "--takes", takes(studio, jobs), jobs=jobs),
        "processes": lambda: processes(single),
        "one process": lambda: single.program(apart / "film.blend", ALL.format(**one)),
    }
    kept = home / "results.json"
    results = {k: Measured(**v) for k, v in json.loads(kept.read_text()).items()} if kept.is_file() else {}
    for part in options.parts:
        results[part] = parts[part]()
        print(f"{part}: {results[part]}", flush=True)
        kept.write_text(json.dumps({name: asdict(found) for name, found in results.items()}, indent=1))
    return results


def takes(studio: Studio, jobs: int) -> Path:
    """Make all takes of the film without Blender; return their folder."""
    folder = studio.folder / "takes"
    words = ["batch", str(studio.folder / "cast.csv"), "-o", str(folder), "--jobs", str(jobs), "--quiet"]
    shutil.rmtree(folder, ignore_errors=True)
    python = os.environ.get("MOUTHPIECE_PYTHON", sys.executable)
    paths = os.pathsep.join([str(ROOT / "core"), os.environ.get("PYTHONPATH", "")])
    surroundings = {**settings(), "PYTHONPATH": paths}
    subprocess.run([python, "-m", "mouthpiece", *words], check=True, env=surroundings)
    return folder


def table(results: Mapping[str, Measured]) -> list[dict[str, Any]]:
    """Return the rows to print: what was measured, its value, and what is promised."""
    told = {
        "first": "all lines, first run",
        "again": "nothing changed",
        "changed": "one sound, one amount, one rig changed",
        "takes": "first run, from finished takes",
        "processes": "the same lines one by one, a process each",
        "one process": "the same lines one by one, in one process",
    }
    rows = []
    for part, text in told.items():
        if part in results:
            found = results[part]
            value = f"{found.seconds:.1f} s ({found.processor:.1f} of processor), {found.megabytes:.0f} MB"
            rows.append({"what": text, "value": value, "promise": "5 s" if part == "again" else "", "note": found.note})
    for part in ("processes", "one process"):
        if part in results and "first" in results:
            one, all_ = results[part], results["first"]
            value = f"{one.seconds / all_.seconds:.1f} x ({one.processor / all_.processor:.1f} x of processor)"
            rows.append({"what": f"gain over {told[part]}", "value": value, "promise": "", "note": ""})
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=60)
    parser.add_argument("--minutes", type=float, default=12.0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--blender", help="a real Blender (default: the module bpy stands in)")
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=PARTS, help="what to measure (default: all)")
    parser.add_argument("--json", type=Path, help="write the table here as well")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER")
    options = parser.parse_args()
    rows = table(measure(options))
    for row in rows:
        print(f"{row['what']:<56} {row['value']:>44}  {row['promise']:>6}  {row['note']}")
    if options.json:
        options.json.write_text(json.dumps(rows), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
