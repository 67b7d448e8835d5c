"""The command from argument to file: exit codes, reports, outputs, and nothing overwritten."""

from __future__ import annotations

import json

import bpy
import numpy as np
import pytest

from addon.command import parser as command_parser
from addon.keys import nla
from blender_tests import scenes

#: What lines do, without what is between them (see conftest).
LINES_ALONE = True


@pytest.fixture(scope="module")
def voice(tmp_path_factory):
    return str(scenes.murmur(tmp_path_factory.mktemp("voice") / "line ä.wav", 0.8))


@pytest.fixture
def face():
    bpy.context.scene.render.fps = 25
    return scenes.face()


def bake(voice, *more):
    return command_parser.main(["bake", "--audio", voice, "--object", "Face", *map(str, more)])


def test_help_teaches(capsys):
    assert command_parser.main(["--help"]) == 0
    assert "blender -b shot.blend -c mouthpiece bake" in capsys.readouterr().out
    assert command_parser.main(["bake", "--help"]) == 0
    words = capsys.readouterr().out
    for option in ("--audio", "--strip", "--armature", "--start", "--output", "--render", "--json", "exit codes"):
        assert option in words


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["sing"],
        ["bake"],
        ["bake", "--object", "Face"],
        ["bake", "--audio", "a.wav", "--strip", "b", "--object", "Face"],
        ["bake", "--audio", "a.wav", "--object", "Face", "--strength", "9"],
        ["bake", "--audio", "a.wav", "--object", "Face", "--seed", "-1"],
        ["bake", "--audio", "a.wav", "--object", "Face", "--reduce", "lots"],
        ["bake", "--audio", "a.wav", "--object", "Face", "--start", "1048575"],
        ["bake", "--audio", "a.wav", "--object", "Face", "--start", "-20000000"],
        ["picture", "--image", "a.png", "--audio", "a.wav", "--start", "99999999999999999999"],
        ["bake", "--audio", "a.wav", "--object", "Face", "--bone", "head"],
        ["bake", "--audio", "a.wav", "--object", "Face", "--armature", "R", "--bone", "h", "--head-object", "O"],
    ],
    ids=" ".join,
)
def test_bad_arguments_exit_with_2(arguments):
    assert command_parser.main(arguments) == 2


def test_a_bake_reports_and_saves(face, voice, tmp_path, capsys):
    scenes.armature()
    out = tmp_path / "out ö.blend"
    code = bake(voice, "--armature", "Rig", "--bone", "head", "--start", 101, "--reduce", 0, "--json", "--output", out)
    told = capsys.readouterr()
    report = json.loads(told.out.strip().splitlines()[-1])
    assert code == 0 and report["ok"] and report["outputs"] == [str(out)]
    assert report["object"] == "Face"
    assert report["targets"][0] == {"object": "Face", "kind": "NAMES", "summary": "52 of 52 ARKit shapes matched"}
    assert (report["first"], report["last"], report["keys"]) == (101, 120, (52 + 4) * 20)
    events = [json.loads(line) for line in told.err.splitlines() if line.startswith("{")]
    assert any(event["event"] == "progress" for event in events)
    bpy.ops.wm.open_mainfile(filepath=str(out))
    assert len(scenes.values(bpy.data.shape_keys[0], scenes.shape_path("jawOpen"))) == 20


def test_words_on_stdout_and_progress_on_stderr(face, voice, capsys):
    assert bake(voice) == 0
    told = capsys.readouterr()
    assert "on 52 channels of Face" in told.out and "52 of 52 ARKit shapes" in told.out
    assert "[" in told.err
    assert bake(voice, "--quiet") == 0
    assert "[" not in capsys.readouterr().err


def test_layers_and_fewer_keys(face, voice, capsys):
    assert bake(voice, "--layers", "--reduce", 0.02, "--json") == 0
    report = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    assert 0 < report["reduction"]["error"] <= 0.02 and report["reduction"]["keys"] == report["keys"] < 52 * 20
    assert nla.layers_of(face.data.shape_keys) == ["lips", "tongue", "eyes", "expression"]
    assert face.mouthpiece.layers == "LAYERS"
    bpy.context.scene.mouthpiece.source, bpy.context.scene.mouthpiece.filepath = "FILE", voice
    assert bpy.ops.mouthpiece.animate() == {"FINISHED"}  # as the character has it now
    assert not bpy.context.window_manager.mouthpiece.remarks
    assert len(face.data.shape_keys.animation_data.nla_tracks) == 4


def test_a_strip_is_baked_where_it_lies(face, voice):
    scenes.sequencer(25).new_sound("Line 7", voice, 1, 33)
    assert command_parser.main(["bake", "--strip", "Line 7", "--object", "Face"]) == 0
    assert scenes.values(face.data.shape_keys, scenes.shape_path("jawOpen"))[0][0] == 33


def test_a_take_is_baked(face, tmp_path):
    place = scenes.performance(1.0, jawOpen=0.5).save(tmp_path / "take.npz")
    assert bake(str(place), "--strength", "0.5", "--reduce", 0) == 0
    found = scenes.values(face.data.shape_keys, scenes.shape_path("jawOpen"))
    assert found == [(frame, 0.25) for frame in range(1, 26)]


def test_a_head_object_moves_by_its_delta(face, voice):
    empty = bpy.data.objects.new("Head", None)
    bpy.context.scene.collection.objects.link(empty)
    assert bake(voice, "--head-object", "Head", "--head-translation", "--reduce", 0) == 0
    assert len(scenes.values(empty, "delta_rotation_euler", 2)) == 20
    assert len(scenes.values(empty, "delta_location", 0)) == 20


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (["--object", "Nobody"], "no object 'Nobody'"),
        (["--audio", "/nowhere/a.wav"], "no sound at"),
        (["--armature", "Face", "--bone", "head"], "not an armature"),
        (["--render", "/tmp/never.mp4"], "no camera"),
    ],
    ids=lambda value: value if isinstance(value, str) else value[0],
)
def test_failures_exit_with_1_and_change_nothing(face, voice, capsys, change, words):
    before = scenes.state()
    assert bake(voice, *change, "--json") == 1
    told = capsys.readouterr()
    assert words in told.err
    assert json.loads(told.out.strip().splitlines()[-1])["ok"] is False
    assert scenes.state() == before


def test_nothing_is_overwritten_unasked(face, voice, tmp_path, capsys):
    out = tmp_path / "out.blend"
    out.write_text("precious")
    assert bake(voice, "--output", out) == 1
    assert "--force" in capsys.readouterr().err and out.read_text() == "precious"
    assert bake(voice, "--output", out, "--force") == 0
    assert out.read_bytes() != b"precious"


def test_an_output_that_cannot_be_written_is_refused_before_any_work(face, voice, tmp_path, capsys):
    blocked = tmp_path / "file"
    blocked.write_text("")
    before = scenes.state()
    assert bake(voice, "--output", blocked / "out.blend") == 1
    assert "cannot be written" in capsys.readouterr().err
    assert scenes.state() == before


def test_the_cores_own_commands_are_there(voice, tmp_path, capsys):
    place = tmp_path / "take.npz"
    assert command_parser.main(["animate", voice, "-o", str(place)]) == 0
    assert command_parser.main(["phones", str(place), "--quiet"]) == 0
    assert command_parser.main(["inspect", str(place), "--json"]) == 0
    assert json.loads(capsys.readouterr().out.strip().splitlines()[-1])["frames"] == 20


def stage():
    """Make a scene that renders in no time."""
    scene = bpy.context.scene
    camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    camera.location, camera.rotation_euler = (0, -5, 0), (np.pi / 2, 0, 0)
    scene.collection.objects.link(camera)
    scene.camera = camera
    scene.render.engine = "BLENDER_WORKBENCH"
    scene.render.resolution_x = scene.render.resolution_y = 64
    return scene


def test_without_video_pictures_are_written_and_it_is_said(face, voice, tmp_path, capsys, monkeypatch):
    from addon import compat

    stage()
    monkeypatch.setattr(compat, "use_video_output", lambda settings: False)
    assert bake(voice, "--render", tmp_path / "preview.mp4") == 0
    assert len(list((tmp_path / "preview").iterdir())) == 20
    assert "cannot write video" in capsys.readouterr().err


def test_a_render_has_the_takes_frames_and_gives_settings_back(face, voice, tmp_path):
    scene = stage()
    scene.render.filepath = "//mine_"
    settings = scene.render.image_settings.file_format, scene.frame_start, scene.frame_end, scene.render.filepath
    sounds, video = len(bpy.data.sounds), tmp_path / "preview.mp4"
    assert bake(voice, "--no-sequence", "--render", video) == 0
    made = video if video.exists() else tmp_path / "preview"
    assert made.exists()
    after = scene.render.image_settings.file_format, scene.frame_start, scene.frame_end, scene.render.filepath
    assert after == settings
    assert scene.sequence_editor is None or not len(scene.sequence_editor.strips_all)
    assert len(bpy.data.sounds) == sounds
    if made.is_dir():
        assert len(list(made.iterdir())) == 20
    else:
        bpy.ops.wm.read_factory_settings(use_empty=True)
        bpy.context.scene.render.fps = 25
        strip = scenes.sequencer(25).new_movie("video", str(made), 1, 1, fit_method="ORIGINAL")
        assert abs(int(strip.frame_final_duration) - 20) <= 1
        assert len(__import__("aud").Sound.file(str(made)).data()) > 0


def test_networks_that_do_not_fit_are_refused_by_name(tmp_path, capsys):
    import hashlib
    import shutil

    from mouthpiece.files import ASSETS

    sound, folder = scenes.murmur(tmp_path / "line.wav", 0.5), tmp_path / "models"
    for name, changes in {
        "content": {"kind": "head"},
        "head": {"rate": "12.5"},
        "voice": {"outputs": {"voice": ["parts", 255]}},
        "phonetic": {"sha256": hashlib.sha256(b"junk").hexdigest()},
    }.items():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        shutil.copy(ASSETS / f"{name}.onnx", folder)
        about = json.loads((ASSETS / f"{name}.onnx.json").read_text(encoding="utf-8")) | changes
        (folder / f"{name}.onnx.json").write_text(json.dumps(about), encoding="utf-8")
        if name == "phonetic":
            (folder / "phonetic.onnx").write_bytes(b"junk")
        scenes.face()
        for words in (["animate", str(sound)], ["bake", "--audio", str(sound), "--object", "Face"]):
            assert command_parser.main([*words, "--models", str(folder), "--quiet"]) == 1
            (said,) = capsys.readouterr().err.splitlines()
            assert said.startswith("error: ") and (name in said or "another listener" in said)


def test_a_generator_that_does_not_fit_is_refused(tmp_path, capsys):
    from blender_tests import portraits

    consent = ("--consent", "own: I am the person in this picture")
    (tmp_path / "mine.onnx").write_bytes(b"junk")
    (tmp_path / "mine.onnx.json").write_text("[" * 100_000)
    take = portraits.take(tmp_path / "line.npz")
    words = ["portrait", "--image", str(portraits.PHOTO), "--take", str(take), "-o", str(tmp_path / "f"), "--quiet"]
    assert command_parser.main([*words, "--generator", str(tmp_path / "mine.onnx"), *consent]) == 1
    assert "The network description" in capsys.readouterr().err
