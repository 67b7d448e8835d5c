"""Jobs for render farms: what is planned, what is written, and that openjd-cli takes and runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from mouthpiece.cast.lines import CastLine, Moment
from mouthpiece.cli.parser import run
from mouthpiece.errors import FarmError, PlaceError
from mouthpiece.farm import jobs, openjd
from mouthpiece.farm.jobs import FORMATS, Order, planned
from mouthpiece.farm.openjd import Workers, bundle, template
from mouthpiece.farm.ranges import range_text, runs

from .farm_engines import calls, run_job, run_openjd, stand_in
from .farm_engines import openjd as openjd_program

ROOT = Path(__file__).resolve().parent.parent
needs_openjd = pytest.mark.skipif(openjd_program() is None or os.name == "nt", reason="openjd-cli is not installed")
#: What names of files may hold, and what a template, a shell or JSON would read something else into.
ODD = "a {{Param.Cast}} \"q\" 's' $HOME `x` ;& é…"


@pytest.fixture
def film(tmp_path):
    """Give a folder, of an odd name, with a .blend file, two sounds and a cast of three lines."""
    folder = tmp_path / ODD
    folder.mkdir()
    (folder / "film.blend").write_bytes(b"BLENDER")
    for name, seconds in (("one.wav", 2.0), ("tw,o.wav", 3.5)):
        soundfile.write(folder / name, np.zeros(int(seconds * 8000)), 8000)
    (folder / "cast.csv").write_text('character,audio,start\nAnna,one.wav,1\nBo,"tw,o.wav",3\nAnna,one.wav,8\n')
    return folder


def plain(film):
    """Move what is in a folder of an odd name into one that Flamenco takes; return that."""
    return film.rename(film.with_name('a "q" é'))


def farm(engine, folder, *words, blend="film.blend"):
    """Run the command on the film of a folder; its result lies in "job"."""
    named = ["--blend", str(folder / blend)] if blend else []
    return run(
        ["farm", engine, "--cast", str(folder / "cast.csv"), *named, "--output", str(folder / "made"),
         "-o", str(folder / "job"), *map(str, words)]
    )  # fmt: skip


def of(folder, lines, **wishes):
    """Plan an order for lines."""
    return planned(Order(folder / "cast.csv", folder / "made", folder / "film.blend", **wishes), lines)


def placed(number, **more):
    return CastLine(
        row=number, character="Anna", audio=Path(f"/sounds/{number}.wav"), start=Moment(0.0), end=1.0, **more
    )


def test_ranges():
    assert runs([]) == [] and range_text([]) == ""
    assert range_text([3, 1, 2, 7, 7]) == "1-3,7"
    assert runs(range(1, 8), 3) == [(1, 3), (4, 6), (7, 7)]
    assert runs([-2, -1, 0, 5], 2) == [(-2, -1), (0, 0), (5, 5)]


def test_a_plan_has_the_frames_of_its_sounds(film, capsys):
    film = plain(film)
    assert farm("flamenco", film, "--fps", "25") == 0
    job = json.loads((film / "job" / "job.json").read_text())
    # the last line begins at 8 s and its sound lasts 2
    assert job["settings"]["frames"] == "1-250" and job["settings"]["lines"] == "1-3"
    assert "1 job, 3 lines, 250 frames" in capsys.readouterr().out


def test_lines_before_the_first_frame_are_rendered(film):
    line = CastLine(row=2, character="A", audio=film / "one.wav", start=Moment(-0.5), begin=0.25)
    assert of(film, [line])[0].frames == (-6, 36)


def test_a_stretch_ends_where_it_ends_without_looking_at_the_sound(film):
    line = CastLine(row=2, character="A", audio=film / "missing.wav", start=Moment(frame=12), end=0.5)
    assert of(film, [line])[0].frames == (1, 24)


def test_each_blend_file_has_a_job(film):
    others = [film / "x" / "shot.blend", film / "y" / "Shot.blend"]
    for other in others:
        other.parent.mkdir()
        other.write_bytes(b"BLENDER")
    lines = [placed(1), placed(2, blend=others[0]), placed(3, blend=others[1]), placed(4, blend=others[0])]
    jobs = of(film, lines)
    assert [(job.name, job.lines) for job in jobs] == [("film", (1,)), ("shot", (2, 4)), ("Shot_2", (3,))]
    assert len({job.baked for job in jobs}) == len({job.rendered for job in jobs}) == 3
    assert len({job.takes for job in jobs}) == 1
    assert [path.name for path in jobs[1].files] == ["2.wav", "4.wav"]


def test_voices_and_subtitles_travel_with_a_job(film):
    (film / "lines.srt").write_text(
        "1\n00:00:00,000 --> 00:00:01,000\nANNA: Yes\n\n2\n00:00:01,000 --> 00:00:02,000\nBO: No\n"
    )
    (film / "calm.json").write_text("{}")
    (film / "cast.csv").write_text("audio,start,turns,style\none.wav,1,lines.srt,calm.json\n")
    assert farm("openjd", film, "--frames", "1-2") == 0
    inputs = json.loads((film / "job" / "asset_references.json").read_text())["assetReferences"]["inputs"]["filenames"]
    assert [Path(path).name for path in inputs] == ["one.wav", "lines.srt", "calm.json"]
    assert all(Path(path).is_absolute() for path in inputs)


@pytest.mark.parametrize(
    ("lines", "wishes", "says"),
    [
        ([], {}, "holds no line"),
        ([CastLine(row=2, character="A", strip="A.001")], {}, "which only Blender knows"),
        ([placed(1)], {"blend": None}, "No .blend file is named for row 1"),
        ([placed(1)], {"blend": Path("gone.blend")}, "There is no .blend file"),
        ([placed(1)], {"lines_per_task": 0}, "at least"),
        ([placed(1)], {"pattern": "a/b"}, "cannot be the name of frames"),
        ([placed(1)], {"pattern": "-a"}, "cannot be the name of frames"),
        ([placed(1)], {"frames": (5, 4)}, "cannot be rendered"),
        ([placed(1)], {"frames": (1, 2_000_000)}, "cannot be rendered"),
        ([CastLine(row=2, character="A", audio=Path("a.wav"), start=Moment(1e6), end=1.0)], {}, "Check its starts"),
    ],
)
def test_what_cannot_be_planned_is_told(film, lines, wishes, says):
    order = Order(**({"cast": film / "cast.csv", "output": film / "made", "blend": film / "film.blend"} | wishes))
    with pytest.raises(FarmError, match=says):
        planned(order, lines)


def test_keys_never_go_into_the_file_that_is_read(film):
    with pytest.raises(PlaceError, match="is read"):
        planned(Order(film / "cast.csv", film, film / "film.blend"), [placed(1)])


@needs_openjd
@pytest.mark.parametrize("words", [(), ("--no-render", "--no-chunking")])
def test_openjd_check_takes_the_template(film, words):
    assert farm("openjd", film, *words) == 0
    done = run_openjd("check", film / "job" / "template.json")
    assert done.returncode == 0, done.stdout + done.stderr
    steps = [step["name"] for step in json.loads((film / "job" / "template.json").read_text())["steps"]]
    assert steps == ["Animate", "Bake"] + ["Render"] * ("--no-render" not in words)


@needs_openjd
@pytest.mark.parametrize("chunking", [True, False])
def test_openjd_run_calls_each_program_with_each_argument_whole(film, chunking):
    python, blender = stand_in(film, "python"), stand_in(film, "blender")
    words = () if chunking else ("--no-chunking",)
    assert farm("openjd", film, "--python", python, "--blender", blender, "--lines-per-task", 2,
                "--frames", "1-5", "--frames-per-task", 3, *words) == 0  # fmt: skip
    done = run_job(film / "job")
    assert done.returncode == 0, done.stdout + done.stderr
    cast, takes, baked = (str(film / name) for name in ("cast.csv", "made/takes", "made/film.blend"))
    animate = ["python", "-m", "mouthpiece", "batch", cast, "-o", takes, "--lines"]
    said = calls(film)
    assert said[:2] == [[*animate, "1-2", "--resume"], [*animate, "3-3", "--resume"]]
    assert said[2] == [
        "blender", "--background", str(film / "film.blend"), "--command", "mouthpiece", "batch", cast,
        "--takes", takes, "--lines", "1-3", "--output", baked, "--resume", "--force",
    ]  # fmt: skip
    render = ["blender", "--background", baked, "--python-exit-code", "1", "--python"]
    for call, frames in zip(said[3:], ("1-3", "4-5"), strict=True):
        assert call[:6] == render
        assert call[7:] == ["--", frames, str(film / "made" / "frames"), "######", "PNG"]


@needs_openjd
def test_a_step_that_fails_ends_the_job(film):
    python, blender = stand_in(film, "python", code=1), stand_in(film, "blender")
    assert farm("openjd", film, "--python", python, "--blender", blender, "--frames", "1-2") == 0
    assert run_job(film / "job").returncode != 0
    assert [call[0] for call in calls(film)] == ["python"]


@needs_openjd
def test_the_add_on_is_installed_before_keys_are_made(film):
    python, blender, zipped = stand_in(film, "python"), stand_in(film, "blender"), film / "mouthpiece.zip"
    zipped.write_bytes(b"PK")
    assert farm("openjd", film, "--python", python, "--blender", blender, "--extension", zipped, "--no-render") == 0
    assert run_openjd("check", film / "job" / "template.json").returncode == 0
    done = run_job(film / "job", step="Bake")
    assert done.returncode == 0, done.stdout + done.stderr
    names = [(call[0], call[2] if call[0] == "blender" else "") for call in calls(film)]
    assert calls(film)[-2][-2:] == ["--enable", str(zipped)] and names[-2][1] == "--command"
    assert calls(film)[-1][1:3] == ["--background", str(film / "film.blend")]


@needs_openjd
def test_lines_and_frames_can_be_chosen_at_submission(film):
    python, blender = stand_in(film, "python"), stand_in(film, "blender")
    assert farm("openjd", film, "--python", python, "--blender", blender, "--frames", "1-5") == 0
    done = run_job(film / "job", "-p", "Lines=2", "-p", "Frames=3-4", "-p", "FramesPerTask=1")
    assert done.returncode == 0, done.stdout + done.stderr
    said = calls(film)
    assert [call[8] for call in said if call[0] == "python"] == ["2-2"]
    assert [call[8] for call in said if call[0] == "blender" and "--" in call] == ["3-3", "4-4"]


@needs_openjd
def test_openjd_run_makes_the_same_takes_as_the_direct_command(film):
    line = ROOT / "addon" / "assets" / "demo_line.flac"
    samples, sample_rate = soundfile.read(line)
    for number, name in enumerate(("one.wav", "tw,o.wav")):
        soundfile.write(film / name, samples[number * sample_rate // 2 :][:sample_rate], sample_rate)
    environment = os.environ | {"PYTHONPATH": str(ROOT / "core"), "OMP_NUM_THREADS": "1"}
    assert farm("openjd", film, "--python", sys.executable, "--lines-per-task", 1, "--frames", "1-2") == 0
    values = f"file://{film / 'job' / 'openjd_parameters.json'}"
    done = run_openjd(
        "run", film / "job" / "template.json", "-p", values, "--step", "Animate",
        PYTHONPATH=environment["PYTHONPATH"], OMP_NUM_THREADS="1",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    direct = subprocess.run(
        [sys.executable, "-m", "mouthpiece", "batch", film / "cast.csv", "-o", film / "direct"],
        env=environment, capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert direct.returncode == 0, direct.stderr
    made, wanted = (
        {path.name: path.read_bytes() for path in (film / name).glob("*.npz")} for name in ("made/takes", "direct")
    )
    assert len(wanted) == 2 and made == wanted


def test_a_bundle_has_what_deadline_cloud_reads(film):
    assert farm("openjd", film, "--frames", "1-2") == 0
    read = {path.name: json.loads(path.read_text()) for path in (film / "job").iterdir()}
    definitions = {one["name"]: one for one in read["template.json"]["parameterDefinitions"]}
    values = {one["name"]: one["value"] for one in read["parameter_values.json"]["parameterValues"]}
    assert values == read["openjd_parameters.json"] and set(values) == set(definitions)
    # the names that Deadline Cloud's own Blender samples have
    assert {"BlenderSceneFile", "Frames", "OutputDir", "OutputPattern", "Format", "CondaPackages"} <= set(values)
    flows = {name: (one["objectType"], one["dataFlow"]) for name, one in definitions.items() if one["type"] == "PATH"}
    assert flows == {
        "BlenderSceneFile": ("FILE", "IN"), "Cast": ("FILE", "IN"), "TakesDir": ("DIRECTORY", "OUT"),
        "BakedScene": ("FILE", "OUT"), "OutputDir": ("DIRECTORY", "OUT"),
    }  # fmt: skip
    assert all(one["userInterface"]["control"] for one in definitions.values())
    inputs = read["asset_references.json"]["assetReferences"]["inputs"]["filenames"]
    assert inputs == [str(film / "one.wav"), str(film / "tw,o.wav")]


def test_the_client_of_deadline_cloud_reads_the_bundle(film):
    parameters = pytest.importorskip("deadline.client.job_bundle.parameters")
    assert farm("openjd", film, "--frames", "1-2") == 0
    found = {one["name"]: one.get("value") for one in parameters.read_job_bundle_parameters(str(film / "job"))}
    assert found["Cast"] == str(film / "cast.csv") and found["Frames"] == "1-2"


def test_templates_keep_the_limits_of_the_format(film):
    long = film / ("d" * 200) / ("d" * 200) / ("d" * 200) / ("d" * 200) / ("d" * 200) / ("d" * 200)
    with pytest.raises(FarmError, match=r"1,024 characters for TakesDir"):
        bundle(of(film, [placed(1)], takes=long)[0], Workers())
    lines = [placed(number) for number in range(1, 2101)]
    with pytest.raises(FarmError, match="2,100 tasks"):
        template(of(film, lines, lines_per_task=1)[0], Workers(chunking=False))
    assert template(of(film, lines, lines_per_task=3)[0], Workers(chunking=False))["steps"][0]["name"] == "Animate"
    most = max(len(template(of(film, lines)[0], Workers(extension=film))["parameterDefinitions"]) for _ in FORMATS)
    assert most <= 50
    # every second line: their numbers as text are longer than a value may be
    other = film / "b.blend"
    other.write_bytes(b"BLENDER")
    mixed = [placed(number, blend=other if number % 2 else None) for number in range(1, 1000)]
    with pytest.raises(FarmError, match="for Lines"):
        bundle(of(film, mixed)[0], Workers())


@needs_openjd
def test_names_of_films_are_no_expressions_and_fit(film):
    name = "{{Param.Nothing}}\x07{{{}}}" + "long " * 40
    named = film / f"{name[:120]}.blend"
    named.write_bytes(b"BLENDER")
    assert farm("openjd", film, "--frames", "1-2", blend=named.name) == 0
    made = json.loads((film / "job" / "template.json").read_text())["name"]
    assert "{{" not in made and "\x07" not in made and len(made) <= openjd.LONGEST_NAME
    assert run_openjd("check", film / "job" / "template.json").returncode == 0


def test_files_that_are_there_are_not_replaced_unasked(film, capsys):
    assert farm("openjd", film) == 0
    before = (film / "job" / "template.json").read_bytes()
    assert farm("openjd", film, "--frames", "1-2", "--no-render") == 1
    assert "exist already" in capsys.readouterr().err
    assert (film / "job" / "template.json").read_bytes() == before
    assert farm("openjd", film, "--no-render", "--force") == 0
    assert (film / "job" / "template.json").read_bytes() != before


@pytest.mark.parametrize(
    "words",
    [("--frames", "all"), ("--frames", "9-1"), ("--frames", "1-2-3"), ("--lines-per-task", "0"),
     ("--frames-per-task", "-1"), ("--format", "GIF"), ("--fps", "0"), ("--blender", ""), ("--python", " ")],
)  # fmt: skip
def test_bad_arguments(film, words, capsys):
    assert farm("openjd", film, *words) == 2
    assert words[0] in capsys.readouterr().err and not (film / "job").exists()


@pytest.mark.parametrize("engine", ["openjd", "flamenco"])
@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("character,audio,start\n", "lines"),
        ("", "empty"),
        ("character,strip\nA,Strip\n", "--frames"),
        ("character,audio,start\nA,gone.wav,1\n", "gone.wav"),
    ],
)
def test_casts_that_no_job_can_be_made_of(film, engine, table, says, capsys):
    film = plain(film)
    (film / "cast.csv").write_text(table)
    assert farm(engine, film) == 1
    assert says in capsys.readouterr().err and not (film / "job").exists()


def test_flamenco_takes_no_braces(film, capsys):
    assert farm("flamenco", film) == 1
    assert "in braces as a variable" in capsys.readouterr().err and not (film / "job").exists()


def test_sounds_that_are_not_there_are_told(film, capsys):
    (film / "one.wav").unlink()
    assert farm("openjd", film, "--frames", "1-9") == 0
    assert "'one.wav' cannot be found" in capsys.readouterr().err


def test_a_job_never_lies_where_its_cast_does(film, capsys):
    (film / "job").mkdir()
    (film / "cast.csv").rename(film / "job" / "template.json")
    (film / "cast.csv").symlink_to(film / "job" / "template.json")
    assert farm("openjd", film, "--frames", "1-9", "--force") == 1
    assert "is read" in capsys.readouterr().err


def test_an_add_on_that_is_not_there_is_told(film, capsys):
    assert farm("openjd", film, "--extension", film / "gone.zip") == 1
    assert "gone.zip" in capsys.readouterr().err and not (film / "job").exists()


def test_many_files_that_are_called_alike_have_jobs_of_their_own(film):
    blends = [film / f"shot{number}" / "anim.blend" for number in range(1500)]
    names = jobs._names([*blends, film / "Anim_2.blend"])
    assert names[:3] == ["anim", "anim_2", "anim_3"] and len({name.casefold() for name in names}) == 1501


def test_only_styles_that_are_files_travel(film):
    (film / "calm").write_text("somebody's notes", "utf-8")
    (job,) = of(film, [placed(1, style="calm"), placed(2, style=str(film / "anna.json"))])
    assert film / "calm" not in job.files and film / "anna.json" in job.files
