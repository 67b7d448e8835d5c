"""The commands `portrait` and `render`: a film or frames from a picture and a sound, without a user interface."""

from __future__ import annotations

import json

import bpy
import numpy as np
import pytest
from mouthpiece.portrait.find.placement import as_json, placed_in_box
from mouthpiece.provenance import records

from addon import compat
from addon.command import parser as command_parser
from addon.targets.picture_rig import settings as picture_settings
from addon.targets.portrait import film_encoder
from addon.targets.portrait import lines as portrait_lines
from blender_tests import portraits, scenes

CONSENT = ("--consent", "NASA's official portrait, in the public domain, used to test this program")


@pytest.fixture(scope="module")
def voice(tmp_path_factory):
    return scenes.murmur(tmp_path_factory.mktemp("voice") / "line.wav", 0.5)


@pytest.fixture
def line(tmp_path):
    return portraits.take(tmp_path / "line.npz")


def run(name, *arguments):
    return command_parser.main([name, *map(str, arguments)])


def portrait(*arguments):
    return run("portrait", "--image", portraits.PHOTO, *CONSENT, *arguments)


def told(capsys):
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_a_picture_and_a_sound_become_a_film(tmp_path, voice, capsys):
    if not film_encoder.can_encode():
        pytest.skip("this Blender cannot write films")
    scenes.face()
    out, blend = tmp_path / "out.mp4", tmp_path / "out.blend"
    arguments = ("--audio", voice, "-o", out, "--fps", 30, "--blend", blend, "--json", "--mark", "--seed", 3)
    assert portrait(*arguments) == 0
    report = told(capsys)
    assert report["ok"] and report["output"] == str(out) and report["frames"] == 15 and report["size"] == [320, 320]
    assert report["consent"]["kind"] == "stated" and report["seconds"] == 0.5
    facts = records.read(out).facts
    assert facts.marked and facts.consent.statement.startswith("NASA") and records.is_content_of(out, facts)
    assert not (tmp_path / "out_frames").exists()
    bpy.ops.wm.open_mainfile(filepath=str(blend))
    scene = bpy.context.scene
    obj = next(o for o in scene.objects if picture_settings.is_portrait(o))
    assert scene.render.fps == 30 and (scene.frame_start, scene.frame_end) == (1, 15)
    assert portrait_lines.span(obj) == (1, 15) and obj.mouthpiece_portrait.shown == "FRAMES"
    assert {strip.type for strip in compat.all_strips(scene)} == {"MOVIE", "SOUND"}
    # the portrait that was saved renders again as it is
    assert run("render", "--object", obj.name, "--json") == 1 and "exists" in told(capsys)["error"]
    assert run("render", "--object", obj.name, "-o", tmp_path / "again", "--json") == 0
    assert told(capsys)["frames"] == 15 and len(list((tmp_path / "again").glob("*.png"))) == 15


def test_frames_go_on_where_they_stopped(tmp_path, line, capsys):
    arguments = ("--take", line, "-o", tmp_path / "frames", "--fps", "25", "--json", "--size", "160")
    assert portrait(*arguments) == 0
    assert told(capsys)["rendered"] == 10
    names = sorted(path.name for path in (tmp_path / "frames").glob("*.png"))
    assert names == [f"frame_{number:04d}.png" for number in range(1, 11)]
    assert portraits.read(tmp_path / "frames" / names[0]).shape[:2] == (160, 160)
    (tmp_path / "frames" / names[4]).unlink()
    assert portrait(*arguments) == 0
    assert told(capsys)["rendered"] == 1
    assert portrait(*arguments, "--lips", "0.5") == 1 and "of this portrait and these options" in told(capsys)["error"]
    assert portrait(*arguments, "--lips", "0.5", "--force") == 0 and told(capsys)["rendered"] == 10


def test_frames_are_named_as_asked(tmp_path, line):
    assert portrait("--take", line, "-o", tmp_path / "shot" / "ada_###.png", "--fps", "5") == 0
    assert [path.name for path in sorted((tmp_path / "shot").glob("*.png"))] == ["ada_001.png", "ada_002.png"]


def test_a_take_with_another_sound_is_heard_in_the_film(tmp_path, line, voice, capsys):
    if not film_encoder.can_encode():
        pytest.skip("this Blender cannot write films")
    out = tmp_path / "out.mp4"
    arguments = ("--take", line, "--audio", voice, "-o", out, "--keep-frames", tmp_path / "kept", "--quality", "30")
    assert portrait(*arguments, "--generator", "none", "--json") == 0
    report = told(capsys)
    assert report["generator"] is None and len(list((tmp_path / "kept").glob("*.png"))) == report["frames"]
    heard = scenes.sequencer().new_sound("film", str(out), 1, 1)
    assert compat.strip_length(heard) == pytest.approx(report["frames"], abs=1)


def test_landmarks_come_from_the_command_line_or_a_file(tmp_path, line):
    points = tmp_path / "points.json"
    points.write_text(as_json([placed_in_box(110, 80, 215, 190)], 320, 320))
    clicks = ("--points", "140,104", "186,104", "148,150", "180,150")
    places = (("--landmarks", points), ("--box", 110, 80, 215, 190), clicks)
    for number, where in enumerate(places):
        assert portrait("--take", line, "-o", tmp_path / str(number), "--fps", "5", *where) == 0
        marks = picture_settings.landmarks_of(bpy.context.active_object).landmarks
        assert marks.shape == (68, 2) or marks.shape == (68, 3)


@pytest.mark.parametrize(
    "arguments", [[], ["-o", "a.mp4"], ["--take", "a.npz", "-o", "a.mp4", "--certificate", "a.pem"]]
)
def test_bad_arguments_exit_with_2(arguments):
    assert portrait(*arguments) == 2


def test_what_cannot_end_well_is_refused_before_any_work(tmp_path, line, voice, capsys):
    out = tmp_path / "out.mp4"
    out.write_text("mine")
    for arguments, said in (
        (("--audio", voice, "-o", out), "exists"),
        (("--audio", tmp_path / "none.wav", "-o", tmp_path / "a.mp4"), "none.wav"),
        (("--take", tmp_path / "none.npz", "-o", tmp_path / "a.mp4"), "none.npz"),
        (("--take", line, "-o", tmp_path / "a.mp4", "--face", 7), "no face 7"),
        (("--take", line, "-o", tmp_path / "a.mp4", "--generator", "none.onnx"), "none"),
        (("--take", line, "-o", tmp_path / "a.jpg"), "neither a film"),
    ):
        assert portrait(*arguments, "--json") == 1, said
        assert said in told(capsys)["error"]
    assert out.read_text() == "mine" and sorted(path.name for path in tmp_path.iterdir()) == ["line.npz", "out.mp4"]
    thin = ("--image", portraits.PHOTO, "--take", line, "-o", tmp_path / "b", "--consent", "ok", "--json")
    assert run("portrait", *thin) == 1
    assert "says too little" in told(capsys)["error"]
    assert run("render", "--object", "Nobody", "--json") == 1 and "no object" in told(capsys)["error"]
    scenes.face()
    assert run("render", "--object", "Face", "--json") == 1 and "not a portrait" in told(capsys)["error"]


def test_one_channel_speaks_if_asked_for(tmp_path, capsys):
    path = tmp_path / "two.wav"
    samples = np.zeros((8000, 2), np.float32)
    samples[:, 1] = np.sin(np.arange(8000) / 9) * 0.3 * (np.arange(8000) // 2000 % 2)
    scenes.write_wav(path, samples.reshape(-1), 32_000)
    content = bytearray(path.read_bytes())
    content[22:24], content[24:28] = (2).to_bytes(2, "little"), (16_000).to_bytes(4, "little")
    content[28:32], content[32:34] = (64_000).to_bytes(4, "little"), (4).to_bytes(2, "little")
    path.write_bytes(content)
    before = scenes.state()
    assert portrait("--audio", path, "-o", tmp_path / "none", "--channel", "3") == 1
    assert "2 channels: there is no channel 3" in capsys.readouterr().err and scenes.state() == before
    assert portrait("--audio", path, "-o", tmp_path / "out", "--fps", "5", "--size", "96", "--channel", "right") == 0
    obj = next(one for one in bpy.data.objects if picture_settings.is_portrait(one))
    assert [line.channel for line in portrait_lines.spoken(obj)] == ["right"] and obj.mouthpiece.channel == "RIGHT"
    take = portraits.take(tmp_path / "line.npz")
    assert portrait("--take", take, "-o", tmp_path / "never", "--channel", "left") == 2
