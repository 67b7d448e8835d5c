"""Names and folders that cannot be read, or be at all: each is told in words, and the others are done."""

import json
import os
import tempfile
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import soundfile
from mouthpiece.cli import parser as core_cli
from mouthpiece.errors import PlaceError
from mouthpiece.files import places
from mouthpiece.files.places import in_words, is_file, is_folder, is_there
from mouthpiece.motion.chart import files as chart_files
from mouthpiece.provenance import sequence_checks

from tests.material import make_take, tone

pytestmark = pytest.mark.skipif(
    os.name == "nt", reason="Windows knows no such permissions, and links need rights there"
)
#: Somebody whom permissions apply to, for tests that the administrator runs.
NOBODY = 65534
#: Imported before: whoever has no rights may not be able to read Python itself.
IMPORTED = (chart_files, sequence_checks)


@contextmanager
def as_anybody():
    """Be somebody who may not look everywhere."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def folder():
    """Lend a folder that anybody may use, with a sound and a take, and others in a folder that is locked."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        locked = folder / "locked"
        locked.mkdir()
        for stem in (folder / "good", locked / "secret"):
            soundfile.write(stem.with_suffix(".wav"), tone(0.3), 16_000)
            make_take().save(stem.with_suffix(".npz"))
        assert core_cli.run(["animate", str(folder / "good.wav"), "-o", str(folder / "warm.npz"), "--quiet"]) == 0
        for path in folder.rglob("*"):
            path.chmod(0o777)
        locked.chmod(0)
        yield folder
        locked.chmod(0o700)


def odd(folder, ending):
    """Return paths that nothing can be read from: locked, a loop, too long, no names, not there, through a file."""
    loop = folder / f"loop{ending}"
    if not loop.is_symlink():
        loop.symlink_to(loop.name)
    names = ["locked/secret", "n" * 300, "none", "good.wav/x", "a\0b", "\ud800"]
    return [loop, *(folder / (name + ending) for name in names), folder, Path("/dev/null"), Path()]


def test_animate_tells_each_and_does_the_rest(folder, capsys):
    sounds = [*odd(folder, ".wav"), folder / "good.wav"]
    with as_anybody():
        code = core_cli.run(["animate", *map(str, sounds), "-o", str(folder / "takes"), "--quiet", "--json"])
    report = json.loads(capsys.readouterr().out)
    assert code == 1 and [result["ok"] for result in report["results"]] == [False] * (len(sounds) - 1) + [True]
    assert all(result["error"].endswith((".", "!")) for result in report["results"][:-1])
    assert (folder / "takes" / "good.npz").is_file()


def test_animate_beside_sounds_that_have_no_name_or_place(folder, capsys):
    with as_anybody():
        assert core_cli.run(["animate", *map(str, odd(folder, ".wav")), str(folder / "good.wav"), "--quiet"]) == 1
    assert capsys.readouterr().err.count("error: ") == len(odd(folder, ".wav"))


def test_verify_tells_each_and_does_the_rest(folder, capsys):
    paths = [*odd(folder, ".png"), folder / "locked", folder / "good.wav"]
    with as_anybody():
        code = core_cli.run(["verify", *map(str, paths), "--json"])
    report = json.loads(capsys.readouterr().out)
    assert code == 1 and len(report["results"]) == len(paths)
    assert all(not result["ok"] and result["problems"] for result in report["results"])


@pytest.mark.parametrize("command", ["animate", "adjust", "cues"])
def test_places_that_cannot_be_written_to_are_told(folder, capsys, command):
    name = {"animate": "good.wav"}.get(command, "good.npz")
    for force in ([], ["--force"]):
        for place in odd(folder, ".npz")[:-3]:
            with as_anybody():
                assert core_cli.run([command, str(folder / name), "-o", str(place), *force]) in (0, 1)
        assert "Traceback" not in capsys.readouterr().err
    assert not list(folder.glob(".mouthpiece-*"))


@pytest.mark.parametrize("argv", [["adjust"], ["cues"], ["inspect"]])
def test_takes_that_cannot_be_read_are_told(folder, capsys, argv):
    for path in odd(folder, ".npz"):
        with as_anybody():
            assert core_cli.run([*argv, str(path)]) == 1
        assert capsys.readouterr().err.startswith("error: ")


@pytest.mark.parametrize("option", ["--style", "--style-from", "--models"])
def test_what_a_style_or_networks_are_taken_from_may_be_unreadable(folder, capsys, option):
    ending = ".json" if option == "--style" else ""
    for path in odd(folder, ending)[:-1]:
        with as_anybody():
            assert (
                core_cli.run(["animate", str(folder / "good.wav"), "-o", str(folder / "t.npz"), option, str(path)]) == 1
            )
        assert "error: " in capsys.readouterr().err


def test_a_frame_that_vanishes_while_its_folder_is_verified_is_told_with_the_others(tmp_path, monkeypatch, capsys):
    for number in (1, 2):
        (tmp_path / f"frame_{number}.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    real = sequence_checks.pictures_of

    def with_one_that_is_gone(place):
        found = real(place)
        ((name, paths),) = found.groups
        return replace(found, groups=((name, (*paths, place / "frame_3.png")),))

    monkeypatch.setattr(sequence_checks, "pictures_of", with_one_that_is_gone)
    assert core_cli.run(["verify", str(tmp_path), str(tmp_path / "none.png"), "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert len(report["results"]) == 2 and not report["results"][0]["ok"]


def test_questions_about_paths_are_answered_whatever_they_are(folder):
    with as_anybody():
        for path in odd(folder, ".npz")[:-3]:
            assert not is_there(path) and not is_file(path) and not is_folder(path)
        assert is_file(folder / "good.npz") and is_folder(folder) and is_there(folder / "locked")


def test_what_the_system_says_is_put_in_words_and_bugs_are_not():
    for error in (OSError(28, "No space left on device", "a.npz"), UnicodeEncodeError("utf-8", "\ud800", 0, 1, "no")):
        with pytest.raises(PlaceError, match=r"a\.npz"), in_words(Path("a.npz")):
            raise error
    with pytest.raises(ValueError, match="a bug"), in_words(Path("a.npz")):
        raise ValueError("a bug")
    assert places.said_of(OSError(13, "no", b"\xff.wav")) == "'\udcff.wav' cannot be used: no."
