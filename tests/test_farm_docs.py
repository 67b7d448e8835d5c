"""The commands on the pages about farms: each in a block without a language is run as it stands."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import soundfile
from mouthpiece.cli.parser import run

from .farm_engines import openjd, run_openjd, stand_in

PAGES = Path(__file__).resolve().parent.parent / "docs" / "farm"


def commands():
    """Return the commands of all pages, by page."""
    found = {}
    for page in sorted(PAGES.glob("*.md")):
        blocks = re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text(encoding="utf-8"), re.M | re.S)
        found[page.name] = [line for language, text in blocks if not language for line in text.splitlines()]
    return found


@pytest.mark.parametrize("page", sorted(commands()))
def test_the_commands_of_a_page_work(page, tmp_path, monkeypatch):
    if openjd() is None:
        pytest.skip("openjd-cli is not installed")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "film.blend").write_bytes(b"BLENDER")
    soundfile.write(tmp_path / "one.wav", np.zeros(4000), 8000)
    (tmp_path / "cast.csv").write_text("character,audio,start\nAnna,one.wav,1\n")
    for name in ("python", "blender"):
        stand_in(tmp_path, name)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    ran = 0
    for line in commands()[page]:
        program, *words = shlex.split(line)
        if program == "mouthpiece":
            assert run(words) == 0, line
        else:
            assert program == "openjd", f"{line}: mark it as ```text if it cannot be run"
            done = run_openjd(*words)
            assert done.returncode == 0, line + done.stdout + done.stderr
        ran += 1
    assert ran


def test_every_option_is_on_the_page(capsys):
    text = (PAGES / "README.md").read_text() + (PAGES / "openjd.md").read_text() + (PAGES / "flamenco.md").read_text()
    for engine in ("openjd", "flamenco"):
        assert run(["farm", engine, "--help"]) == 0
        options = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", capsys.readouterr().out)) - {
            "--help",
            "--json",
            "--quiet",
        }
        assert {option for option in options if option not in text} == set()
