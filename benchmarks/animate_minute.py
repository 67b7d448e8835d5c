"""Time a minute of speech on one core, from starting the program to the saved take. Run by `build.py bench`."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

LINE = Path(__file__).resolve().parent.parent / "addon" / "assets" / "demo_line.flac"
SECONDS = 60
RUNS = 3


def write_minute(path: Path) -> None:
    """Write the demo line, said again and again for a minute."""
    samples, rate = soundfile.read(LINE, dtype="float32")
    soundfile.write(path, np.resize(samples, SECONDS * rate), rate)


def timed(sound: Path, take: Path) -> float:
    """Return the wall seconds of one run of the command line, on one core where the system can be told so."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    command = [sys.executable, "-m", "mouthpiece", "animate", str(sound), "-o", str(take), "--quiet"]
    began = time.perf_counter()
    subprocess.run(command, check=True)
    return time.perf_counter() - began


def main() -> None:
    """Write the result as rows of a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, required=True)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sound, take = Path(folder) / "minute.wav", Path(folder) / "take.npz"
        write_minute(sound)
        wall = statistics.median(timed(sound, take) for _ in range(RUNS))
    cores = "one core" if hasattr(os, "sched_setaffinity") else "all cores"
    what = f"animate {SECONDS} s of speech, {cores}, program start to saved take"
    row = {"what": what, "value": f"{wall:.2f} s ({SECONDS / wall:.0f} x)", "promise": "under 3 s"}
    options.json.write_text(json.dumps([row]), encoding="utf-8")


if __name__ == "__main__":
    main()
