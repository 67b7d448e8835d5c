import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mouthpiece.cli import parser as core_cli
from mouthpiece.cli.report import Reporter
from mouthpiece.performance import Performance

from tests.material import make_take, tone


@pytest.fixture
def take(tmp_path):
    return make_take().save(tmp_path / "take.npz")


def test_a_sound_becomes_a_take_beside_it(wav, capsys):
    path = wav(tone(0.5))
    assert core_cli.run(["animate", str(path)]) == 0
    assert len(Performance.load(path.with_suffix(".npz"))) == 13
    out, err = capsys.readouterr()
    assert str(path.with_suffix(".npz")) in out and "[  0%]" in err


def test_rate_and_seed_reach_the_take(wav, tmp_path):
    out = tmp_path / "out.npz"
    assert core_cli.run(["animate", str(wav(tone(1.0))), "-o", str(out), "--fps", "60", "--seed", "5"]) == 0
    take = Performance.load(out)
    assert take.fps == 60 and len(take) == 60 and take.options["seed"] == 5


@pytest.mark.parametrize("seed", ["1" + "0" * 18, "9" * 5_000, "-1", "1.5"])
def test_a_seed_that_no_take_could_keep_is_a_bad_argument(wav, capsys, seed):
    path = wav(tone(0.5))
    assert core_cli.run(["animate", str(path), "--seed", seed]) == 2
    assert "18 digits" in capsys.readouterr().err and not path.with_suffix(".npz").exists()


def test_the_longest_seed_comes_back(wav):
    path = wav(tone(0.5))
    assert core_cli.run(["animate", "--quiet", str(path), "--seed", "9" * 18]) == 0
    assert Performance.load(path.with_suffix(".npz")).options["seed"] == int("9" * 18)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="names elsewhere are Unicode")
def test_a_sound_whose_name_is_no_unicode_is_heard_and_lends_its_manner(wav, tmp_path):
    path = wav(tone(0.5)).rename(tmp_path / "l\udcffne.wav")
    assert core_cli.run(["animate", "--quiet", str(path), "--style-from", str(path)]) == 0
    assert Performance.load(tmp_path / "l\udcffne.npz").options["style"]["name"] == "from l\\udcffne.wav"


def test_one_bad_file_does_not_stop_the_rest(wav, tmp_path, capsys):
    good, bad = wav(tone(0.1), name="gut.wav"), tmp_path / "bad.wav"
    bad.write_text("words")
    code = core_cli.run(
        ["animate", str(bad), str(good), str(tmp_path / "none.wav"), "-o", str(tmp_path / "takes"), "--json"]
    )
    out, err = capsys.readouterr()
    report = json.loads(out)
    assert code == 1 and report["ok"] is False
    assert [result["ok"] for result in report["results"]] == [False, True, False]
    assert (tmp_path / "takes" / "gut.npz").is_file()
    events = [json.loads(line) for line in err.splitlines()]
    assert {event["event"] for event in events} >= {"progress", "error", "warning"}
    assert [event["input"] for event in events if event["event"] == "error"] == [str(bad), str(tmp_path / "none.wav")]


def test_two_sounds_of_one_name_do_not_overwrite_each_other(wav, tmp_path, capsys):
    (tmp_path / "x").mkdir()
    one, two = wav(tone(0.3), name="a.wav"), wav(tone(0.3), name="x/a.wav")
    assert core_cli.run(["animate", str(one), str(two), "-o", str(tmp_path / "takes"), "--quiet"]) == 1
    assert not (tmp_path / "takes").exists()
    assert "one by one" in capsys.readouterr().err


def test_a_take_may_be_replaced_anything_else_not(wav, tmp_path):
    sound, out = wav(tone(0.3)), tmp_path / "out.npz"
    for _ in range(2):
        assert core_cli.run(["animate", str(sound), "-o", str(out)]) == 0
    np.savez(out, precious=np.zeros(3))
    assert core_cli.run(["animate", str(sound), "-o", str(out)]) == 1
    assert np.load(out).files == ["precious"]
    assert core_cli.run(["animate", str(sound), "-o", str(out), "--force"]) == 0


def test_an_unwritable_place_fails(wav, tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    assert core_cli.run(["animate", str(wav(tone(0.3))), "-o", str(tmp_path / "file" / "t.npz")]) == 1
    assert "cannot be written" in capsys.readouterr().err


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["fly"],
        ["animate"],
        ["animate", "a.wav", "--seed", "-1"],
        ["animate", "a.wav", "--seed", "x"],
        ["animate", "a.wav", "--fps", "x"],
        ["animate", "a.wav", "--fps", "0"],
        ["animate", "a.wav", "--fps", "1000"],
        ["animate", "a.wav", "--fps", "nan"],
        ["inspect"],
    ],
)
def test_bad_arguments_exit_with_2(argv, capsys):
    assert core_cli.run(argv) == 2
    assert "usage:" in capsys.readouterr().err


def test_an_impossible_rate_is_told_before_a_sound_is_heard(wav, capsys):
    assert core_cli.run(["animate", str(wav(tone(0.1))), "--fps", "1000"]) == 2
    said = capsys.readouterr().err
    assert "'1000' is not a frame rate from 1 to 240" in said and "Listening" not in said


def test_help_teaches_and_version_is_the_manifests(capsys):
    assert core_cli.run(["--help"]) == 0
    text = capsys.readouterr().out
    assert "blender -b" in text and "exit codes" in text and "animate line.wav" in text
    assert core_cli.run(["animate", "--help"]) == 0 and "--seed" in capsys.readouterr().out
    assert core_cli.run(["--version"]) == 0
    from mouthpiece import __version__

    assert capsys.readouterr().out == f"mouthpiece {__version__}\n"


def test_inspect_tells_what_is_in_a_take(take, capsys):
    assert core_cli.run(["inspect", str(take)]) == 0
    text = capsys.readouterr().out
    assert "2.00 s, 50 frames at 25" in text and "seed 3" in text
    assert core_cli.run(["inspect", str(take), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["frames"] == 50 and facts["jaw_open_max"] == 1.0 and facts["blinks"] == 0


def test_inspect_draws_the_curves(take, tmp_path):
    pytest.importorskip("matplotlib")
    picture = tmp_path / "kurven ü.png"
    assert core_cli.run(["inspect", str(take), "--plot", str(picture)]) == 0
    assert picture.read_bytes().startswith(b"\x89PNG") and picture.stat().st_size > 20_000


def test_a_plot_replaces_a_plot_and_nothing_else_without_being_asked(take, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    plot, photo, same = tmp_path / "plot.png", tmp_path / "photo.png", tmp_path / "same.png"
    assert core_cli.run(["inspect", str(take), "--plot", str(plot)]) == 0
    assert core_cli.run(["inspect", str(take), "--plot", str(plot)]) == 0
    photo.write_bytes(b"\x89PNG\r\n\x1a\n a photo")
    assert core_cli.run(["inspect", str(take), "--plot", str(photo)]) == 1
    assert photo.read_bytes().endswith(b"a photo") and "--force" in capsys.readouterr().err
    same.hardlink_to(take)
    before = take.read_bytes()
    for place in (take, same):
        assert core_cli.run(["inspect", str(take), "--plot", str(place), "--force"]) == 1
        assert take.read_bytes() == before and "is read for this" in capsys.readouterr().err
    assert core_cli.run(["inspect", str(take), "--plot", str(photo), "--force"]) == 0
    assert photo.stat().st_size > 20_000


@pytest.mark.parametrize("name", ["x.pgf", "x.eps", "x.ps", "x"])
def test_a_plot_is_a_picture_that_needs_no_other_program(take, tmp_path, capsys, name):
    assert core_cli.run(["inspect", str(take), "--plot", str(tmp_path / name)]) == 1
    assert "has to end in .png" in capsys.readouterr().err and not (tmp_path / name).exists()


def test_inspect_refuses_what_is_no_take(tmp_path, capsys):
    (tmp_path / "t.npz").write_text("no")
    assert core_cli.run(["inspect", str(tmp_path / "t.npz")]) == 1
    assert "not a Mouthpiece take" in capsys.readouterr().err


def test_a_picture_that_cannot_be_written_fails(take, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    assert core_cli.run(["inspect", str(take), "--plot", str(tmp_path / "none" / "x.png")]) == 1
    assert "picture cannot be written" in capsys.readouterr().err
    assert core_cli.run(["inspect", str(take), "--plot", str(tmp_path / "x.nonsense")]) == 1
    assert "is no place for a plot" in capsys.readouterr().err


def test_the_module_runs_and_its_exit_code_is_true(tmp_path):
    command = [sys.executable, "-m", "mouthpiece", "inspect", str(tmp_path / "none.npz")]
    environment = os.environ | {"PYTHONPATH": str(Path(core_cli.__file__).parents[1])}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 1 and "There is no take" in done.stderr and done.stdout == ""


def test_progress_is_said_once_for_every_tenth():
    stream = io.StringIO()
    teller = Reporter(stderr=stream)
    for step in range(101):
        teller.progress("a", step / 100, "Working")
    assert len(stream.getvalue().splitlines()) == 11


def test_quiet_silences_progress_only():
    stream = io.StringIO()
    teller = Reporter(quiet=True, stderr=stream)
    teller.progress("a", 0.5, "Working")
    teller.warning("a", "careful")
    teller.error("a", "broken")
    assert stream.getvalue() == "warning: a: careful\nerror: a: broken\n"


@pytest.mark.parametrize("place", ["/", "."])
def test_a_path_without_a_name_is_told(take, capsys, place):
    adjusted = ["adjust", str(take), "-o", place]
    placed = ["portrait", "--image", str(take), "--take", str(take), "--generator", place, "-o", "x.mp4"]
    for words in (adjusted, ["landmarks", place], [*placed, "--consent", "own: I am the person in this picture"]):
        assert core_cli.run(words) == 1, words
        assert capsys.readouterr().err.startswith("error: ")


@pytest.mark.parametrize("option", [["-o", ""], ["--models", " "]])
def test_an_empty_path_is_not_the_working_folder(option, wav, tmp_path, monkeypatch, capsys):
    sound = str(wav(tone(1.0)))
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    assert core_cli.run(["animate", sound, *option]) == 2
    assert "a path is needed" in capsys.readouterr().err and sorted(tmp_path.iterdir()) == before
