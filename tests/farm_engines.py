"""The engines that jobs are tried on: openjd-cli, and node with a stand-in of what Flamenco gives its scripts."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
#: What a stand-in of a worker's program does: it notes its arguments, and fails if one of them says so.
_NOTES = """#!{python}
import json, pathlib, sys
said = pathlib.Path({notes!r})
with said.open("a", encoding="utf-8") as stream:
    stream.write(json.dumps([{name!r}, *sys.argv[1:]]) + "\\n")
print("openjd_progress: 50")
sys.exit({code})
"""


def openjd() -> str | None:
    """Return the program of openjd-cli: of this environment, of the developers', or on the path; None without one."""
    name = "openjd.exe" if os.name == "nt" else "openjd"
    places = [Path(sys.executable).parent, *(ROOT / venv / "bin" for venv in (".venv-dev", ".venv-train"))]
    return next((str(place / name) for place in places if (place / name).is_file()), shutil.which(name))


def run_openjd(*words: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run openjd-cli, with more in its environment; what this process imports is none of its business."""
    program = openjd()
    assert program is not None
    command = [program, *map(str, words)]
    settings = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | environment
    return subprocess.run(command, capture_output=True, text=True, timeout=240, env=settings)


def run_job(bundle: Path, *words: object, step: str = "Render") -> subprocess.CompletedProcess[str]:
    """Run a step of a bundle and all before it."""
    values = f"file://{bundle / 'openjd_parameters.json'}"
    return run_openjd(
        "run", bundle / "template.json", "-p", values, "--step", step, "--run-dependencies", *words,
    )  # fmt: skip


def stand_in(folder: Path, name: str, code: int = 0) -> Path:
    """Make a program that notes its arguments in ``folder`` and ends with ``code``; return its path."""
    path = folder / name
    text = _NOTES.format(python=sys.executable, notes=str(folder / "calls.jsonl"), name=name, code=code)
    path.write_text(text, encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def calls(folder: Path) -> list[list[str]]:
    """Return what stand-ins in a folder were called with, in order: their names, then their arguments."""
    notes = folder / "calls.jsonl"
    return [json.loads(line) for line in notes.read_text(encoding="utf-8").splitlines()] if notes.is_file() else []


def compiled(job: dict[str, object], script: Path) -> list[dict[str, object]] | str:
    """Return the tasks that a job type of Flamenco makes of a job, or what it throws."""
    stand_in_of_flamenco = Path(__file__).with_name("flamenco_globals.js")
    done = subprocess.run(
        ["node", str(stand_in_of_flamenco), str(script)],
        input=json.dumps(job), capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    return str(answer["thrown"]) if "thrown" in answer else answer["tasks"]
