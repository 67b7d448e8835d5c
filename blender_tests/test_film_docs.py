"""Every command of docs/film.md is run as it stands there, in a folder with a small film; every table in it is read."""

import os
import re
import shlex
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from blender_tests.conftest import EVERYBODY_IN
from demo import film, stand_in

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "docs" / "film.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
COMMANDS = [line for kind, text in BLOCKS if not kind for line in text.replace("\\\n", " ").splitlines() if line]
#: What names a file or folder that is written: each must be there afterwards. A farm's --output is for the farm.
WRITES = ("--output", "--output-dir", "--report", "-o", ">")


@pytest.fixture(scope="module")
def folder(addon, tmp_path_factory):
    """Make a small film, the scenes and sounds that the page names, and `blender` and `mouthpiece` to be called."""
    import bpy

    found = tmp_path_factory.mktemp("docs")
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    film.make(found, 10, 0.15, voices=found)
    for name in ("sc010.blend", "sc020.blend"):
        (found / name).write_bytes((found / "film.blend").read_bytes())
    for text in (text for kind, text in BLOCKS if kind == "toml"):
        (found / "limits.toml").write_text(text, encoding="utf-8")
    stand_in.written(found / "bin")
    own = found / "bin" / "mouthpiece"
    own.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m mouthpiece "$@"\n')
    own.chmod(0o755)
    return found


@pytest.fixture(scope="module", autouse=True)
def on_one_blender(request):
    """Run the commands on one Blender only, unless all is asked for: each starts a process of its own."""
    import bpy

    if bpy.app.version[:2] != EVERYBODY_IN and not request.config.getoption("--full"):
        pytest.skip("once is enough")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_does_what_the_page_says(folder, command):
    surroundings = {
        **os.environ,
        "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join([str(ROOT / "core"), str(ROOT), os.environ.get("PYTHONPATH", "")]),
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run(
        command, shell=True, cwd=folder, env=surroundings, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    words = shlex.split(command)
    for switch, place in pairwise(words):
        if switch in WRITES and not ("farm" in words and switch == "--output"):
            assert (folder / place).exists(), f"{command}\nwrote no {place}\n{done.stdout}{done.stderr}"


@pytest.mark.parametrize("number", [n for n, (kind, _) in enumerate(BLOCKS) if kind == "csv"])
def test_a_table_is_one(folder, number):
    from mouthpiece.cast.table import read_cast

    path = folder / f"table{number}.csv"
    path.write_text(BLOCKS[number][1], encoding="utf-8")
    cast = read_cast(path)
    assert len(cast.lines) == BLOCKS[number][1].count("\n") - 1 and not cast.remarks


def test_the_page_names_what_there_is():
    for target in re.findall(r"\]\(([\w./-]+)(?:#[\w-]+)?\)", TEXT):
        assert (ROOT / "docs" / target).exists(), target
