"""Files that released versions made on the command line: takes are read and dialled, half-rendered portraits go on.

The files and how they were made: ``blender_tests/released/README.md``; what is Blender's of them is tested there.
"""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from mouthpiece import Performance
from mouthpiece.cli import parser as cli

pytest.importorskip("PIL")
pytest.importorskip("c2pa")
RELEASED = Path(__file__).resolve().parent.parent / "blender_tests" / "released"
VERSIONS = sorted(path.name for path in RELEASED.iterdir() if re.fullmatch(r"\d+\.\d+\.\d+", path.name))


@pytest.fixture(params=VERSIONS)
def folder(request, tmp_path, monkeypatch):
    """A copy of what a version made, and in it; the settings of its user are in force."""
    place = tmp_path / request.param
    shutil.copytree(RELEASED / request.param, place)
    monkeypatch.setenv("MOUTHPIECE_SETTINGS", str(place / "settings"))
    monkeypatch.chdir(place)
    return place


def portrait(folder, *more):
    """Run the command that was stopped half-way once more; return its exit code and what was recorded of it."""
    asked = json.loads((folder / "facts.json").read_text(encoding="utf-8"))["command_frames"]
    return cli.run(["portrait", *asked["arguments"], "--json", "--quiet", *more]), asked


def frames(folder):
    return {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in sorted(folder.glob("*.png"))}


def test_a_half_rendered_portrait_goes_on(folder, capsys):
    place, identity = folder / "command_frames", folder / "settings" / "signing-identity.pem"
    there, key = frames(place), identity.read_bytes()
    code, asked = portrait(folder)
    result = json.loads(capsys.readouterr().out)
    assert code == 0 and result["frames"] == asked["frames"] == 2 * asked["kept"]
    assert result["rendered"] == asked["frames"] - asked["kept"]
    now = frames(place)
    assert list(now) == [f"frame_{number:04d}.png" for number in range(1, asked["frames"] + 1)]
    assert {name: now[name] for name in there} == there and len(there) == asked["kept"]
    assert identity.read_bytes() == key and [path.name for path in (folder / "settings").iterdir()] == [identity.name]
    assert cli.run(["verify", str(place)]) == 0
    assert f"{asked['frames']} frames, {asked['frames']} of them in order" in capsys.readouterr().out


def test_frames_of_other_dials_are_not_mixed_in(folder, capsys):
    before = frames(folder / "command_frames")
    assert portrait(folder, "--lips", "0.5")[0] == 1
    assert "--force" in capsys.readouterr().err and frames(folder / "command_frames") == before


def test_what_was_rendered_before_the_stop_verifies(folder, capsys):
    for name in ("command_frames", "portrait_frames"):
        assert cli.run(["verify", *map(str, sorted((folder / name).glob("*.png")))]) == 0
        assert capsys.readouterr().out.count(": in order") == 6
        assert cli.run(["verify", str(folder / name)]) == 1
        assert "6 frames of the sequence are missing" in capsys.readouterr().out


def test_takes_are_read_and_dialled(folder):
    take = Performance.load(folder / "second.npz")
    assert len(take) == 23 and take.fps == 25 and take.style is not None and take.options["seed"] == 4
    assert cli.run(["dial", "second.npz", "-o", "dialled.npz", "--jaw", "0.2", "--quiet"]) == 0
    dialled = Performance.load(folder / "dialled.npz").final()
    column = take.arkit_names.index("jawOpen")
    assert dialled.arkit[:, column].max() < 0.5 * take.final().arkit[:, column].max()
    assert len(Performance.load(folder / "hum.npz")) == 12 and np.ptp(take.arkit[:, column]) > 0.05
