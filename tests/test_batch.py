"""``mouthpiece batch``: all takes of a cast, and nothing twice."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from mouthpiece.cast.report import BatchLine, BatchReport
from mouthpiece.cli import parser as core_cli
from mouthpiece.cli.batch import line_numbers
from mouthpiece.errors import PlaceError
from mouthpiece.performance import Performance

from tests.material import make_take, tone


@pytest.fixture
def film(tmp_path):
    """A folder with sounds a.wav, b.wav, c.wav and stereo.wav, and a function that writes a cast and runs the batch."""
    rng = np.random.default_rng(3)
    for number, name in enumerate("abc"):
        soundfile.write(tmp_path / f"{name}.wav", tone(0.3, hertz=200 + 50 * number), 16_000)
    soundfile.write(tmp_path / "stereo.wav", 0.1 * rng.standard_normal((4800, 2)), 16_000)

    def run(*rows, heading="character,audio", words=(), name="cast.csv"):
        (tmp_path / name).write_text("\n".join([heading, *rows]) + "\n", encoding="utf-8")
        return core_cli.run(["batch", str(tmp_path / name), "-o", str(tmp_path / "takes"), "--quiet", *map(str, words)])

    run.folder, run.takes = tmp_path, tmp_path / "takes"
    return run


def contents(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def report_of(film, *rows, words=(), **more):
    place = film.folder / "report.json"
    code = film(*rows, words=("--report", place, *words), **more)
    return code, json.loads(place.read_text())


def states(report):
    return [line["state"] for line in report["lines"]]


def test_takes_are_those_that_animate_makes(film):
    assert film("Anna,a.wav,1.5,7", heading="character,audio,lips,seed") == 0
    assert core_cli.run(["animate", str(film.folder / "a.wav"), "--seed", "7", "--lips", "1.5", "--quiet"]) == 0
    mine, alone = Performance.load(film.takes / "Anna_a.npz"), Performance.load(film.folder / "a.npz")
    assert all(
        np.array_equal(getattr(mine, name), getattr(alone, name)) for name in ("landmarks", "arkit", "head", "blink")
    )
    assert mine.dials == alone.dials == {"lips": 1.5} and mine.models == alone.models
    assert {name: value for name, value in mine.options.items() if name != "cast"} == alone.options


def test_lines_of_one_sound_share_a_take_and_those_of_other_amounts_its_motion(film, monkeypatch):
    from mouthpiece.cast import batch

    heard = []
    steps = batch.steps
    monkeypatch.setattr(batch, "steps", lambda source, *rest: heard.append(source.path.name) or steps(source, *rest))
    rows = [
        "Anna,a.wav,,0,0.1,",
        "Ben,a.wav,,0.1,,",
        "Ben,a.wav,1.5,,,",
        "Cleo,stereo.wav,,,,left",
        "Dan,stereo.wav,,,,right",
    ]
    code, report = report_of(film, *rows, heading="character,audio,lips,begin,end,channel")
    assert code == 0 and sorted(heard) == ["a.wav", "stereo.wav", "stereo.wav"]
    assert sorted(contents(film.takes)) == ["Anna_a.npz", "Ben_a_2.npz", "Cleo_stereo.npz", "Dan_stereo.npz"]
    assert [Path(line["take"]).name for line in report["lines"]][:3] == ["Anna_a.npz", "Anna_a.npz", "Ben_a_2.npz"]
    assert [line["seconds"] for line in report["lines"]][:2] == [0.1, pytest.approx(0.22, abs=0.03)]
    wide, plain = (Performance.load(film.takes / f"{name}.npz") for name in ("Ben_a_2", "Anna_a"))
    assert np.array_equal(wide.landmarks, plain.landmarks) and wide.dials == {"lips": 1.5} and not plain.dials


def test_nothing_is_made_twice_and_what_changed_is_made_again(film):
    rows = ["Anna,a.wav,", "Ben,b.wav,", "Cleo,c.wav,calm"]
    heading = "character,audio,style"
    assert states(report_of(film, *rows, heading=heading)[1]) == ["made"] * 3
    before = {path: path.stat().st_mtime_ns for path in film.takes.iterdir()}
    assert states(report_of(film, *rows, heading=heading, words=["--resume"])[1]) == ["up to date"] * 3
    assert before == {path: path.stat().st_mtime_ns for path in film.takes.iterdir()}
    soundfile.write(film.folder / "b.wav", tone(0.3, hertz=500), 16_000)
    rows[2] = "Cleo,c.wav,cheerful"
    assert states(report_of(film, *rows, heading=heading)[1]) == ["up to date", "made", "made"]
    assert states(report_of(film, *rows, heading=heading, words=["--fps", "30"])[1]) == ["made"] * 3
    assert len(contents(film.takes)) == 3


def test_a_sound_that_only_moved_is_not_heard_again(film):
    assert film("Anna,a.wav,L1", heading="character,audio,id") == 0
    (film.folder / "a.wav").rename(film.folder / "z.wav")
    code, report = report_of(film, "Anna,z.wav,L1", heading="character,audio,id")
    assert code == 0 and states(report) == ["up to date"]


def test_labels_that_are_exchanged_exchange_no_takes(film):
    heading = "character,audio,id"
    assert film("Anna,a.wav,one", "Ben,b.wav,two", heading=heading) == 0
    before = contents(film.takes)
    assert states(report_of(film, "Anna,a.wav,two", "Ben,b.wav,one", heading=heading)[1]) == ["up to date"] * 2
    code, report = report_of(film, "Anna,a.wav,two", "Cleo,c.wav,one", heading=heading)
    assert code == 0 and states(report) == ["up to date", "made"]
    assert before.items() <= contents(film.takes).items() and report["lines"][1]["take"].endswith("one_2.npz")


def test_what_was_adjusted_by_hand_is_kept(film, capsys):
    heading = "character,audio,lips"
    assert film("Anna,a.wav,1.5", heading=heading) == 0
    assert core_cli.run(["adjust", str(film.takes / "Anna_a.npz"), "--head", "0.5", "--lips", "1", "--quiet"]) == 0
    code, report = report_of(film, "Anna,a.wav,1.5", heading=heading)
    assert (code, states(report)) == (0, ["up to date"]) and "by hand" in report["lines"][0]["warnings"][0]
    soundfile.write(film.folder / "a.wav", tone(0.4), 16_000)
    code, report = report_of(film, "Anna,a.wav,1.5", heading=heading)
    assert (code, states(report)) == (0, ["made"]) and "by hand" in report["lines"][0]["warnings"][0]
    assert Performance.load(film.takes / "Anna_a.npz").dials == {"head": 0.5}


def test_files_of_others_are_never_replaced_unasked(film, capsys):
    film.takes.mkdir()
    (film.takes / "Anna_a.npz").write_bytes(b"mine")
    make_take().save(film.takes / "ben_b.npz")
    before = contents(film.takes)
    code, report = report_of(film, "Anna,a.wav", "Ben,b.wav", "Cleo,c.wav")
    assert code == 1 and states(report) == ["failed", "failed", "made"] and "--force" in report["lines"][0]["error"]
    assert before.items() <= contents(film.takes).items() and "error: Anna_a:" in capsys.readouterr().err
    code, report = report_of(film, "Anna,a.wav", "Ben,b.wav", "Cleo,c.wav", words=["--force"])
    assert code == 0 and states(report) == ["made", "made", "up to date"]


def test_what_is_read_is_never_written_over(film):
    film.takes.mkdir()
    os.link(film.folder / "a.wav", film.takes / "Anna_a.npz")
    before = (film.folder / "a.wav").read_bytes()
    code, report = report_of(film, "Anna,a.wav", words=["--force"])
    assert code == 1 and "is read for this" in report["lines"][0]["error"]
    assert film("Anna,a.wav", words=["--report", film.folder / "a.wav", "--force"]) == 1
    assert (film.folder / "a.wav").read_bytes() == before


def test_one_that_fails_stops_no_other(film, capsys):
    (film.folder / "bad.wav").write_text("words")
    rows = ["Anna,none.wav,,", "Anna,bad.wav,,", "Ben,a.wav,,", "Ben,a.wav,9,", "Ben,a.wav,0,60", "Ben,,,"]
    heading = "character,audio,begin,end,strip,style"
    rows = [f"{row}{',S' if row == 'Ben,,,' else ','}," for row in rows] + ["Ben,b.wav,,,,old.json"]
    code, report = report_of(film, *rows, heading=heading)
    assert code == 1 and not report["ok"]
    assert states(report) == ["missing", "failed", "made", "failed", "made", "missing", "missing"]
    errors = [line["error"] for line in report["lines"]]
    assert (
        "no sound at" in errors[0]
        and "sound lasts 0." in errors[3]
        and "strip 'S'" in errors[5]
        and "no style at" in errors[6]
    )
    assert "ends at 60 s" in report["lines"][4]["warnings"][0] and report["totals"] == {
        "made": 2,
        "failed": 2,
        "missing": 3,
    }
    assert "error: Anna_bad:" in capsys.readouterr().err


def test_a_take_of_ones_own_stands_for_itself(film):
    make_take().save(film.folder / "hand.npz")
    code, report = report_of(film, "Anna,hand.npz")
    assert code == 0 and states(report) == ["up to date"] and not film.takes.exists()


def test_a_dry_run_tells_and_writes_nothing(film, capsys):
    assert film("Anna,a.wav") == 0
    before = contents(film.takes)
    capsys.readouterr()
    assert film("Anna,a.wav", "Ben,b.wav", words=["--dry-run"]) == 0
    told = capsys.readouterr().out
    assert "up to date  Anna_a" in told and "to do       Ben_b" in told and contents(film.takes) == before
    assert film("Anna,a.wav", "Ben,none.wav", words=["--dry-run"]) == 1
    assert "missing     Ben_none" in capsys.readouterr().out and contents(film.takes) == before


def test_lines_and_characters_are_chosen(film):
    rows = ["Anna,a.wav", "Ben,b.wav", "Anna,c.wav"]
    assert film(*rows, words=["--only", "ANNA", "--lines", "2-3"]) == 0
    assert sorted(contents(film.takes)) == ["Anna_c.npz"]
    code, report = report_of(film, *rows, words=["--only", "Anna", "--only", "ben"])
    assert code == 0 and [line["number"] for line in report["lines"]] == [1, 2, 3]


@pytest.mark.parametrize(
    "words",
    [["--only", "Cleo"], ["--lines", "2"], ["--lines", "0"], ["--lines", "3-1"], ["--lines", "x"], ["--lines", "1,,2"],
     ["--jobs", "0"], ["--jobs", "1.5"], ["--fps", "0"], ["--seed", "-1"], ["--style-from", "a.wav"], ["--report", ""]],
)  # fmt: skip
def test_bad_arguments(film, words):
    assert film("Anna,a.wav", words=words) == 2 and not film.takes.exists()


def test_numbers_of_lines():
    assert [list(one) for one in line_numbers("1-3, 5,7 - 7")] == [[1, 2, 3], [5], [7]]


def test_chunks_of_lines_come_to_the_same_files_as_all_at_once(film):
    rows = ["Anna,a.wav,x/y", "Ben,b.wav,x:y", "Ben,a.wav,third", "Cleo,c.wav,", "Cleo,stereo.wav,"]
    assert film(*rows, heading="character,audio,id") == 0
    whole = contents(film.takes)
    film.takes.rename(film.folder / "before")
    for chunk in ("2-3", "4-5", "1"):
        assert film(*rows, heading="character,audio,id", words=["--lines", chunk]) == 0
    assert contents(film.takes) == whole and len(whole) == 4


def test_jobs_change_nothing(film):
    rows = ["Anna,a.wav", "Ben,b.wav", "Cleo,c.wav", "Dan,stereo.wav"]
    assert film(*rows) == 0
    one = contents(film.takes)
    film.takes.rename(film.folder / "one")
    code, report = report_of(film, *rows, words=["--jobs", "3"])
    assert code == 0 and contents(film.takes) == one and states(report) == ["made"] * 4


def test_a_table_with_mistakes_makes_nothing(film, capsys):
    assert film("Anna,a.wav,x", "Ben,b.wav,1:99", heading="character,audio,start") == 1
    said = capsys.readouterr().err
    assert "Row 2, 'start'" in said and "Row 3, 'start'" in said and not film.takes.exists()


@pytest.mark.parametrize("what", ["output", "report", "models", "style"])
def test_places_that_do_not_do(film, capsys, what):
    if what == "output":
        film.takes.write_text("a file")
    (film.folder / "notes.txt").write_text("mine")
    words = {"report": ["--report", film.folder / "notes.txt"], "models": ["--models", film.folder / "none"]}
    words |= {"style": ["--style", "grumpy"], "output": []}
    assert film("Anna,a.wav", words=words[what]) == 1
    assert capsys.readouterr().err.startswith("error: ") and (film.folder / "notes.txt").read_text() == "mine"


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="whoever may do anything may write here")
def test_a_folder_that_is_read_only(film):
    film.takes.mkdir(mode=0o500)
    code, report = report_of(film, "Anna,a.wav", "Ben,b.wav")
    assert code == 1 and states(report) == ["failed", "failed"] and "cannot be written" in report["lines"][0]["error"]


def test_a_full_disk_loses_nothing(film):
    resource = pytest.importorskip("resource")
    rows = ["Anna,a.wav", "Ben,b.wav"]
    assert film(*rows) == 0
    before = contents(film.takes)
    soundfile.write(film.folder / "a.wav", tone(0.5), 16_000)
    limits, ignored = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, limits[1]))
    try:
        code, report = report_of(film, *rows)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert (
        code == 1 and states(report) == ["failed", "up to date"] and "cannot be written" in report["lines"][0]["error"]
    )
    assert contents(film.takes) == before


def test_a_sound_that_changes_while_it_is_heard_is_told(film, monkeypatch):
    from mouthpiece.cast import batch

    steps = batch.steps

    def changed(source, *rest):
        yield from steps(source, *rest)
        soundfile.write(source.path, tone(0.2), 16_000)

    monkeypatch.setattr(batch, "steps", changed)
    code, report = report_of(film, "Anna,a.wav")
    assert code == 1 and "was changed" in report["lines"][0]["error"] and not film.takes.exists()


def test_something_unexpected_stops_no_other_line(film, monkeypatch):
    from mouthpiece.cast import batch

    steps = batch.steps

    def broken(source, *rest):
        if source.path.name == "a.wav":
            raise RuntimeError("oh")
        return steps(source, *rest)

    monkeypatch.setattr(batch, "steps", broken)
    code, report = report_of(film, "Anna,a.wav", "Ben,b.wav", words=["--jobs", "2"])
    assert code == 1 and states(report) == ["failed", "made"] and "RuntimeError" in report["lines"][0]["error"]


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_ctrl_c_keeps_what_is_done(film, monkeypatch, jobs, capsys):
    from mouthpiece.cast.report import BatchReport

    noted = BatchReport.put

    def stopped(self, line, save=True):
        noted(self, line, save)
        if line.state == "made" and save:
            raise KeyboardInterrupt

    monkeypatch.setattr(BatchReport, "put", stopped)
    code, report = report_of(film, "Anna,a.wav", "Ben,b.wav", "Cleo,c.wav", "Dan,stereo.wav", words=["--jobs", jobs])
    assert code == 130 and "kept" in capsys.readouterr().err
    assert "made" in states(report) and "cancelled" in states(report) and len(report["lines"]) == 4
    monkeypatch.setattr(BatchReport, "put", noted)
    code, report = report_of(film, "Anna,a.wav", "Ben,b.wav", "Cleo,c.wav", "Dan,stereo.wav")
    assert code == 0 and "up to date" in states(report) and len(contents(film.takes)) == 4


def test_progress_and_reports_for_programs(film, capsys):
    (film.folder / "cast.csv").write_text("character,audio,foo\nAnna,a.wav,\n")
    words = ["batch", str(film.folder / "cast.csv"), "-o", str(film.takes)]
    assert core_cli.run([*words, "--json"]) == 0
    out, err = capsys.readouterr()
    events = [json.loads(line) for line in err.splitlines()]
    assert [event["event"] for event in events] == ["warning", "progress"] and events[1]["total"] == 1
    assert json.loads(out)["lines"][0]["state"] == "made" and json.loads(out)["version"]
    assert core_cli.run(words) == 0 and "1 line: 1 up to date" in capsys.readouterr().out


@pytest.mark.skipif(os.name == "nt", reason="there are no such signals")
def test_a_killed_batch_leaves_whole_files_and_a_report(film):
    rows = [f"C{number},{number}.wav" for number in range(12)]
    for number in range(12):
        soundfile.write(film.folder / f"{number}.wav", tone(0.2, hertz=100 + 20 * number), 16_000)
    (film.folder / "cast.csv").write_text("\n".join(["character,audio", *rows]))
    report, words = film.folder / "r.json", ["batch", film.folder / "cast.csv", "-o", film.takes]
    command = [sys.executable, "-m", "mouthpiece", *map(str, words), "--report", str(report), "--jobs", "2", "--quiet"]
    core = str(Path(core_cli.__file__).resolve().parents[2])
    process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": core})
    patience = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < patience:
        if film.takes.is_dir() and len(list(film.takes.glob("C*.npz"))) >= 3:
            break
        time.sleep(0.005)
    process.kill()
    process.wait()
    made = list(film.takes.glob("C*.npz"))
    assert 3 <= len(made) < 12 and all(len(Performance.load(path)) == 5 for path in made)
    assert len(json.loads(report.read_text())["lines"]) == 12
    before = contents(film.takes)
    assert subprocess.run(command, env={**os.environ, "PYTHONPATH": core}).returncode == 0
    after = contents(film.takes)
    assert len(after) == 12 and {n: h for n, h in before.items() if n.startswith("C")}.items() <= after.items()
    film.takes.rename(film.folder / "killed")
    assert film(*rows) == 0 and contents(film.takes) == after


def test_a_report_with_a_file_that_failed_is_not_ok():
    from mouthpiece.cast.report import BatchReport

    assert BatchReport({"failures": []}).as_dict()["ok"]
    assert not BatchReport({"failures": [{"blend": "a.blend", "error": "It exists."}]}).as_dict()["ok"]


def test_a_report_that_cannot_be_written_any_more_stops_no_line(tmp_path):
    folder = tmp_path / "reports"
    report = BatchReport({}, folder / "report.json")
    report.put(BatchLine(1, "one", "Ada", "made"))
    (folder / "report.json").unlink()
    folder.rmdir()
    folder.write_text("in the way")
    report._next = 0.0
    report.put(BatchLine(2, "two", "Ada", "made"))
    assert report.totals == {"made": 2}
    with pytest.raises(PlaceError, match="report cannot be written"):
        report.write()


@pytest.mark.parametrize("name", ["takes/Anna_a.npz", "FILM.Blend"])
def test_a_report_never_takes_the_place_of_what_is_made(film, capsys, name):
    assert film("Anna,a.wav", words=("--report", film.folder / name, "--force")) == 1
    assert "no name for a report" in capsys.readouterr().err
    assert not (film.folder / name).exists() and not film.takes.exists()


def test_what_fails_before_it_begins_is_told_as_json_too(tmp_path, capsys):
    assert core_cli.run(["batch", str(tmp_path / "none.csv"), "-o", str(tmp_path / "takes"), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] is False and "none.csv" in told["error"]
