"""The command ``lint`` on takes: what it prints and writes, and its exit codes."""

import json
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from mouthpiece.cli.parser import run
from mouthpiece.motion.dials import Dials, dialled

from tests.material import DEMO_LINE


@pytest.fixture(scope="module")
def takes(spoken, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ein Satz – 話す")
    dialled(spoken, Dials()).save(folder / "good.npz")
    dialled(spoken, Dials(offset=0.2)).save(folder / "late.npz")
    (folder / "broken.npz").write_bytes(b"PK\x03\x04 no take")
    return folder


def test_a_good_take(takes, capsys):
    assert run(["lint", str(takes / "good.npz")]) == 0
    printed = capsys.readouterr().out
    assert "good.npz: nothing is wrong" in printed
    assert "--audio" in printed


def test_a_bad_file_does_not_stop_the_others(takes, capsys):
    names = [str(takes / name) for name in ("broken.npz", "late.npz", "good.npz", "none.npz")]
    assert run(["lint", *names, "--quiet"]) == 1
    printed = capsys.readouterr()
    assert "broken.npz: '" in printed.out
    assert "late.npz: 1 finding" in printed.out
    assert "The mouth is 200 ms (5.0 frames) behind the sound" in printed.out
    assert "good.npz: nothing is wrong" in printed.out
    assert "There is no take at" in printed.err
    assert "1 finding; 3 of 4 files not within limits" in printed.out


def test_a_take_is_judged_by_its_sound(takes, spoken, capsys):
    """A take whose own motion is late, of which it says nothing itself."""
    fields = ("landmarks", "arkit", "head", "gaze", "blink")
    late = {name: np.roll(getattr(spoken, name), 4, axis=0) for name in fields}
    from dataclasses import replace

    place = replace(spoken, **late, style=np.roll(spoken.style, 4, axis=0)).save(takes / "secret.npz")
    assert run(["lint", str(place), "--quiet"]) == 0
    capsys.readouterr()
    assert run(["lint", str(place), "--audio", str(DEMO_LINE), "--json"]) == 1
    printed = capsys.readouterr()
    (finding,) = json.loads(printed.out)["results"][0]["characters"][0]["findings"]
    assert finding["check"] == "sync"
    assert finding["value"] == pytest.approx(160, abs=15)
    assert all(json.loads(line)["event"] == "progress" for line in printed.err.splitlines())


def test_formats(takes, tmp_path, capsys):
    late = str(takes / "late.npz")
    assert run(["lint", late, "--format", "json"]) == 1
    assert json.loads(capsys.readouterr().out)["findings"] == 1
    assert run(["lint", late, "--format", "junit", "-o", str(tmp_path / "lint.xml")]) == 1
    root = ET.parse(tmp_path / "lint.xml").getroot()
    assert root.get("failures") == "1"
    assert "1 finding in 1 file" in capsys.readouterr().out
    assert run(["lint", late, "--format", "github"]) == 1
    assert capsys.readouterr().out.startswith("::warning file=")
    assert run(["lint", late, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["ok"] is False


def test_limits_decide_what_passes(takes, tmp_path, capsys):
    limits = tmp_path / "limits.toml"
    limits.write_text("sync = 250\n")
    assert run(["lint", str(takes / "late.npz"), "--limits", str(limits)]) == 0
    limits.write_text("[characters.late]\nsync = false\n")
    assert run(["lint", str(takes / "late.npz"), "--limits", str(limits)]) == 0
    limits.write_text("sinc = 250\n")
    assert run(["lint", str(takes / "late.npz"), "--limits", str(limits)]) == 2
    assert "Did you mean 'sync'?" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["good.npz", "--format", "html"],
        ["good.npz", "--face", "0"],
        ["good.npz", "--limits", "none.toml"],
        ["good.npz", "-o", "."],
        ["good.npz", "-o", "good.npz"],
        ["good.npz", "--json", "--format", "junit"],
        ["good.npz", "late.npz", "good.npz", "--audio", "a.wav", "--audio", "b.wav"],
    ],
)
def test_bad_arguments(takes, monkeypatch, capsys, words):
    monkeypatch.chdir(takes)
    before = (takes / "good.npz").read_bytes()
    assert run(["lint", *words]) == 2
    assert capsys.readouterr().err
    assert (takes / "good.npz").read_bytes() == before


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("scene.blend", "blender -b"),
        ("none.mp4", "no film"),
        ("folder", "folder"),
        ("line.wav", "not a Mouthpiece take"),
    ],
)
def test_files_that_are_neither_takes_nor_films(tmp_path, capsys, name, words):
    (tmp_path / "folder").mkdir()
    (tmp_path / "line.wav").write_bytes(b"RIFF")
    assert run(["lint", str(tmp_path / name)]) == 1
    assert words in capsys.readouterr().err


def test_a_report_that_cannot_be_written(takes, tmp_path, capsys):
    assert run(["lint", str(takes / "good.npz"), "-o", str(tmp_path / "none" / "report.txt")]) == 1
    assert "cannot be written" in capsys.readouterr().err
