"""The command `picture`: an image into an animated rig, in a scene of its own, saved whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import bpy
import pytest
from mouthpiece.portrait.find.placement import as_json, placed_in_box

from addon import compat
from addon.command import parser as command_parser
from addon.targets.picture_rig import settings as picture_settings
from blender_tests import scenes

PHOTO = Path(__file__).resolve().parent.parent / "demo" / "samples" / "astronaut.jpg"


@pytest.fixture(scope="module")
def voice(tmp_path_factory):
    return str(scenes.murmur(tmp_path_factory.mktemp("voice") / "line.wav", 0.8))


def picture(*arguments):
    return command_parser.main(["picture", *map(str, arguments)])


def told(capsys):
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_a_picture_is_made_animated_and_saved(tmp_path, voice, capsys):
    scenes.face()
    out = tmp_path / "out.blend"
    assert picture("--image", PHOTO, "--audio", voice, "--output", out, "--fps", 30, "--reduce", 0, "--json") == 0
    report = told(capsys)
    assert report["ok"] and report["outputs"] == [str(out)] and report["targets"][0]["kind"] == "PICTURE"
    assert bpy.context.scene.name == "astronaut" and bpy.data.objects["Face"].name in bpy.data.scenes["Scene"].objects
    bpy.ops.wm.open_mainfile(filepath=str(out))
    scene = bpy.context.scene
    rig = next(obj for obj in scene.objects if picture_settings.is_rig(obj))
    assert scene.name == "astronaut" and scene.camera is not None and scene.render.fps == 30
    assert scene.view_settings.view_transform == "Standard" and scene.frame_end >= 20
    keys = scenes.values(rig.data.shape_keys, scenes.shape_path("open"))
    assert len(keys) >= 20 and len(compat.all_strips(scene)) == 1
    assert picture_settings.picture_of(rig).size[0] == 320


def test_what_is_made_is_rendered(tmp_path, capsys):
    voice = str(scenes.murmur(tmp_path / "short.wav", 0.3))
    out = tmp_path / "out.mp4"
    assert picture("--image", PHOTO, "--audio", voice, "--render", out, "--fps", 8, "--json") == 0
    made = told(capsys)["outputs"]
    assert len(made) == 1 and Path(made[0]).exists()
    render = bpy.context.scene.render
    assert max(render.resolution_x, render.resolution_y) == 512


def test_landmarks_come_from_the_command_line_or_a_file(tmp_path, capsys):
    grey = bpy.data.images.new("grey", 200, 200)
    grey.filepath_raw, grey.file_format = str(tmp_path / "grey.png"), "PNG"
    grey.save()
    out = tmp_path / "a.blend"
    assert picture("--image", tmp_path / "grey.png", "--output", out, "--json") == 1
    assert "No face" in told(capsys)["error"] and not out.exists() and len(bpy.data.scenes) == 1
    clicks = ("--points", "70,60", "130,60", "80,130", "120,130")
    assert picture("--image", tmp_path / "grey.png", "--output", out, *clicks) == 0
    rig = bpy.context.active_object
    assert picture_settings.landmarks_of(rig).landmarks[48, :2] == pytest.approx((80, 130), abs=0.1)
    points = tmp_path / "points.json"
    points.write_text(as_json([placed_in_box(50, 50, 150, 160)], 200, 200))
    assert picture("--image", tmp_path / "grey.png", "--output", tmp_path / "b.blend", "--landmarks", points) == 0
    assert picture("--image", tmp_path / "grey.png", "--output", tmp_path / "c.blend", "--box", 50, 50, 150, 160) == 0
    boxed = picture_settings.landmarks_of(bpy.context.active_object).landmarks[:, :2]
    assert boxed == pytest.approx(placed_in_box(50, 50, 150, 160).landmarks, abs=0.1)


def test_what_exists_is_not_replaced_unasked(tmp_path, voice, capsys):
    out = tmp_path / "out.blend"
    out.write_text("mine")
    assert picture("--image", PHOTO, "--audio", voice, "--output", out) == 1
    assert out.read_text() == "mine" and not bpy.data.objects


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--image", PHOTO, "--render", "a.mp4"],
        ["--image", PHOTO, "--points", "1,2", "3"],
        ["--image", PHOTO, "--box", "1", "2", "3", "4", "--landmarks", "a.json"],
        ["--image", PHOTO, "--box", "nan", "2", "30", "40"],
        ["--image", PHOTO, "--box", "30", "2", "3", "40"],
        ["--image", PHOTO, "--box", "500", "500", "600", "600"],
    ],
)
def test_bad_arguments_exit_with_2(arguments):
    assert picture(*arguments) == 2


def test_bad_pictures_and_sounds_exit_with_1(tmp_path, capsys):
    assert picture("--image", tmp_path / "none.png", "--json") == 1 and "no picture at" in told(capsys)["error"]
    assert picture("--image", PHOTO, "--audio", tmp_path / "none.wav", "--json") == 1
    assert "none.wav" in told(capsys)["error"]
    assert picture("--image", PHOTO, "--face", 7, "--json") == 1 and "no face 7" in told(capsys)["error"]
    (tmp_path / "line.wav").write_bytes(b"ffconcat version 1.0\nfile 'other.wav'\n")
    assert picture("--image", PHOTO, "--audio", tmp_path / "line.wav", "--json") == 1
    assert "is a list of files" in told(capsys)["error"]
