"""The job type for Flamenco, compiled by node with a stand-in of the Manager's globals."""

from __future__ import annotations

import json
import re
import shutil

import pytest
from mouthpiece.cast.lines import CastLine, Moment
from mouthpiece.errors import FarmError
from mouthpiece.farm import flamenco
from mouthpiece.farm.jobs import FORMATS, Order, planned

from .farm_engines import compiled

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")


@pytest.fixture
def script(tmp_path):
    """Give the job type as it is written for the Manager."""
    path = tmp_path / "mouthpiece.js"
    path.write_text(flamenco.job_type(), encoding="utf-8")
    return path


@pytest.fixture
def job(tmp_path):
    """Give a job of five lines as it is submitted."""
    blend = tmp_path / 'my "film".blend'
    blend.write_bytes(b"BLENDER")
    lines = [CastLine(row=row, character="A", audio=tmp_path / "a.wav", start=Moment(0.0), end=4.0) for row in range(5)]
    order = Order(tmp_path / "the cast.csv", tmp_path / "made", blend, lines_per_task=2, frames_per_task=40)
    return json.loads(flamenco.submission(planned(order, lines)[0]))


def changed(job, **settings):
    return job | {"settings": job["settings"] | settings}


def arguments(task, at=-1):
    return task["commands"][at]["parameters"]["args"]


def test_the_tasks_of_a_film_and_what_they_wait_for(job, script, tmp_path):
    tasks = compiled(changed(job, preview=True), script)
    animate = ["animate-1,2", "animate-3,4", "animate-5"]
    render = ["render-0-39", "render-40-79", "render-80-96"]
    assert [(task["name"], task["type"], task["dependencies"]) for task in tasks] == [
        *((name, "misc", []) for name in animate),
        ("bake", "blender", animate),
        *((name, "blender", ["bake"]) for name in render),
        ("preview", "ffmpeg", render),
    ]
    baked = str(tmp_path / "made" / 'my "film".blend')
    cast, takes = str(tmp_path / "the cast.csv"), str(tmp_path / "made" / "takes")
    assert tasks[0]["commands"] == [
        {
            "name": "exec",
            "parameters": {
                "exe": "{python}",
                "args": ["-m", "mouthpiece", "batch", cast, "-o", takes, "--resume", "--lines", "1,2"],
            },
            "steps": 0,
        }
    ]
    assert tasks[3]["commands"][0]["parameters"] == {"path": str(tmp_path / "made")}
    assert tasks[3]["commands"][1]["parameters"] == {
        "exe": "{blender}",
        "args": [
            "--background", job["settings"]["blendfile"], "--command", "mouthpiece", "batch", cast, "--takes", takes,
            "--lines", "1-5", "--output", baked, "--resume", "--force",
        ],
    }  # fmt: skip
    rendered = tasks[4]["commands"][0]
    assert rendered["name"] == "blender-render" and rendered["steps"] == 40
    assert rendered["parameters"]["blendfile"] == baked and arguments(tasks[4])[-2:] == ["--render-frame", "0..39"]
    film = tasks[-1]["commands"][0]
    assert film["name"] == "frames-to-video"
    assert film["parameters"]["inputGlob"] == str(tmp_path / "made" / "frames" / "*.png")


def test_paths_are_arguments_of_their_own(job, script, tmp_path):
    """The Manager's two-way variables replace beginnings of arguments, and nothing within them."""
    for task in compiled(changed(job, preview=True), script):
        for command in task["commands"]:
            words = [
                word
                for value in command["parameters"].values()
                for word in (value if isinstance(value, list) else [value])
            ]
            assert all(word.startswith(str(tmp_path)) for word in words if str(tmp_path) in str(word))


def test_without_rendering(job, script):
    tasks = compiled(changed(job, render=False), script)
    assert [task["name"] for task in tasks] == ["animate-1,2", "animate-3,4", "animate-5", "bake"]


def test_a_film_without_a_table_is_animated_in_one_task(job, script):
    tasks = compiled(changed(job, cast="", lines="", render=False), script)
    assert [task["name"] for task in tasks] == ["bake"]
    assert arguments(tasks[0])[:5] == ["--background", job["settings"]["blendfile"], "--command", "mouthpiece", "batch"]
    assert "--takes" not in arguments(tasks[0]) and "--lines" not in arguments(tasks[0])


def test_all_lines_in_one_task_if_none_are_named(job, script):
    tasks = compiled(changed(job, lines="", render=False), script)
    assert [task["name"] for task in tasks] == ["animate", "bake"]
    assert "--lines" not in arguments(tasks[0]) + arguments(tasks[1])


def test_what_is_left_out_has_its_default(job, script):
    few = {"blendfile": "/f.blend", "baked_path": "/b.blend", "cast": "/c.csv", "takes_path": "/t", "lines": "1-12"}
    tasks = compiled(job | {"settings": few | {"frames": "1-3", "render_output_path": "/r/{timestamp}/####"}}, script)
    assert [task["name"] for task in tasks] == ["animate-1-10", "animate-11,12", "bake", "render-1-3"]
    assert "/r/2026-11-30_120000/####" in arguments(tasks[-1])


def test_options_reach_the_commands(job, script):
    tasks = compiled(changed(job, overlap="blend", scene="Shot 2", blender="B:\\blender.exe", python="py"), script)
    assert tasks[0]["commands"][0]["parameters"]["exe"] == "py"
    assert tasks[3]["commands"][1]["parameters"]["exe"] == "B:\\blender.exe"
    at = arguments(tasks[3]).index("--overlap")
    assert arguments(tasks[3])[at + 1] == "blend"
    assert arguments(tasks[4])[:2] == ["--scene", "Shot 2"]


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"blendfile": ""}, "blendfile"),
        ({"takes_path": ""}, "takes_path"),
        ({"frames": ""}, "frames"),
        ({"render_output_path": ""}, "render_output_path"),
        ({"frames": "a-b"}, "invalid range"),
        ({"lines": "1-x"}, "invalid range"),
        ({"lines_per_task": 0}, "chunk size 0"),
        ({"format": "FFMPEG"}, "format of images"),
        ({"format": "OPEN_EXR", "preview": True}, "preview"),
    ],
)
def test_settings_that_make_no_job_are_told(job, script, settings, says):
    assert says in compiled(changed(job, **settings), script)


def test_keys_never_go_into_the_file_that_is_read(job, script):
    assert "another file" in compiled(changed(job, baked_path=job["settings"]["blendfile"]), script)


def test_every_setting_that_is_submitted_is_one_of_the_type(job, tmp_path):
    keys = re.findall(r"key: \"(\w+)\", type: \"(string|int32|float|bool)\"", flamenco.job_type())
    kinds = {"string": str, "int32": int, "float": float, "bool": bool}
    assert len(keys) == len(dict(keys)) > 15
    assert all(type(value) is kinds[dict(keys)[name]] for name, value in job["settings"].items())
    assert job["type"] == "mouthpiece" and job["submitter_platform"] in ("linux", "darwin", "windows")
    assert set(flamenco.ENDINGS) == set(FORMATS)


def test_frames_before_0_are_refused(tmp_path):
    (tmp_path / "f.blend").write_bytes(b"BLENDER")
    line = CastLine(row=2, character="A", audio=tmp_path / "a.wav", start=Moment(-1.0), end=4.0)
    job = planned(Order(tmp_path / "c.csv", tmp_path / "made", tmp_path / "f.blend"), [line])[0]
    with pytest.raises(FarmError, match="counts from 0"):
        flamenco.submission(job)
