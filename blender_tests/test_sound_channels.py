"""Sounds with several channels: the one that is heard belongs to the character, and two of them share one file."""

from __future__ import annotations

import json
import wave

import bpy
import numpy as np
import pytest
from mouthpiece import pipeline
from mouthpiece.audio import SoundFile
from mouthpiece.errors import AudioError
from mouthpiece.recent_takes import recent

from addon import compat, demo, panel, scene_settings
from addon.bake import redial
from addon.command import parser as command_parser
from addon.keys import kept_takes
from addon.sound import recordings, soundtrack
from blender_tests import scenes
from blender_tests.layout import Drawn

JAW = scenes.shape_path("jawOpen")
RATE = 16_000


def write(path, *channels):
    """Write a 16-bit WAV of these channels."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(len(channels))
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((np.stack(channels, axis=1) * 32767).round().astype("<i2").tobytes())
    return path


def line():
    """Return the samples of the bundled line."""
    return recordings.open_file(str(demo.LINE)).whole().samples


@pytest.fixture
def interview(tmp_path):
    """A stereo file: the bundled line, left as it is, and right backwards and a second later."""
    said = line()
    pause = np.zeros(RATE, np.float32)
    return write(tmp_path / "interview.wav", np.append(said, pause), np.append(pause, said[::-1]))


@pytest.fixture
def cancelled(tmp_path):
    said = line()
    return write(tmp_path / "cancelled.wav", said, -said)


def choose(obj, channel):
    bpy.context.view_layer.objects.active = obj
    obj.mouthpiece.channel = channel


def animate(obj, channel, path=None):
    """Animate a character by the panel's button, of the file or else of the chosen strip."""
    choose(obj, channel)
    settings = bpy.context.scene.mouthpiece
    settings.source, settings.filepath = ("FILE", str(path)) if path is not None else ("STRIP", "")
    assert bpy.ops.mouthpiece.animate() == {"FINISHED"}, bpy.context.window_manager.mouthpiece.remarks
    return bpy.context.window_manager.mouthpiece.remarks


def heard(path, channel):
    """Return the hash of the samples that are heard."""
    return pipeline.survey(recordings.open_file(path, channel)).sha256


def sounds(obj):
    """Return which channel each of a character's lines is of, and the hash of what was heard."""
    return [(kept.channel, kept_takes.motion(kept).audio_sha256) for kept in redial.dialled_lines(obj)]


def values(obj):
    return scenes.values(obj.data.shape_keys, JAW)


@pytest.mark.parametrize("kind", ["strip", "file"])
def test_two_characters_speak_the_two_channels_of_one_sound(interview, tmp_path, kind):
    scene = bpy.context.scene
    scene.render.fps = 25
    ada, ben = scenes.face("Ada"), scenes.face("Ben")
    if kind == "strip":
        scenes.sequencer(25).new_sound("Interview", str(interview), 1, 1)
    path = interview if kind == "file" else None
    animate(ada, "LEFT", path)
    only_ada = values(ada)
    animate(ben, "RIGHT", path)
    left, right = heard(interview, "left"), heard(interview, "right")
    assert left != right and sounds(ada) == [("left", left)] and sounds(ben) == [("right", right)]
    assert values(ada) == only_ada != values(ben)
    before = values(ben)
    ada.mouthpiece.live = False
    ada.mouthpiece.jaw = 1.5
    bpy.context.view_layer.objects.active = ada
    assert bpy.ops.mouthpiece.redial() == {"FINISHED"}  # updated by itself
    assert sounds(ada) == [("left", left)] and values(ada) != only_ada and values(ben) == before
    place = tmp_path / "both.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(place))
    bpy.ops.wm.open_mainfile(filepath=str(place))
    ada, ben = bpy.data.objects["Ada"], bpy.data.objects["Ben"]
    assert (ada.mouthpiece.channel, ben.mouthpiece.channel) == ("LEFT", "RIGHT")
    assert sounds(ada) == [("left", left)] and sounds(ben) == [("right", right)]
    animate(ada, ada.mouthpiece.channel, path)  # again: nobody has to remember it
    assert sounds(ada) == [("left", left)] and values(ben) == before


def test_another_channel_replaces_the_line(interview):
    bpy.context.scene.render.fps = 25
    obj = scenes.face()
    animate(obj, "LEFT", interview)
    first = values(obj)
    animate(obj, "RIGHT", interview)
    assert sounds(obj) == [("right", heard(interview, "right"))] and values(obj) != first
    animate(obj, "AUTO", interview)
    assert sounds(obj) == [("", heard(interview, "mix"))]
    animate(obj, "LEFT", interview)
    assert values(obj) == first


def test_what_was_inferred_of_one_channel_is_not_taken_for_the_other(interview):
    recent.clear()
    heard_by = [
        next(
            item.performance for item in pipeline.excerpt_steps(sound) if isinstance(item, pipeline.Excerpt)
        ).audio_sha256
        for channel in ("auto", "left", "right", "left")
        for sound in [decoded(interview, channel)]
    ]
    assert len(set(heard_by)) == 3 and heard_by[1] == heard_by[3]


def decoded(path, channel):
    """Return a sound as a bake opens it, with its content."""
    found = recordings.with_channel(recordings.from_file(str(path), bpy.context.scene, 1), channel)
    with recordings.opened(found) as sound:
        assert sound.content.startswith(found.content)
        return sound


def test_opposite_phases_speak_and_it_is_said(cancelled):
    bpy.context.scene.render.fps = 25
    obj = scenes.face()
    told = animate(obj, "AUTO", cancelled)
    assert "Left and right of 'cancelled.wav' cancel each other out: the left channel is heard" in told
    assert sounds(obj) == [("left", heard(cancelled, "left"))]
    assert max(value for _, value in values(obj)) > 0.1


@pytest.mark.parametrize("aud", [True, False])
def test_blender_and_the_core_hear_alike(interview, cancelled, monkeypatch, aud):
    pytest.importorskip("soundfile", reason="the core reads files with it")
    if not aud:
        monkeypatch.setattr(compat, "has_aud", lambda: False)
    for path in (interview, cancelled):
        for channel in ("auto", "mix", "left", "right", "2"):
            ours, theirs = recordings.open_file(path, channel), SoundFile(path, channel)
            assert ours.mixdown == theirs.mixdown
            np.testing.assert_allclose(
                np.concatenate(list(ours.blocks())), np.concatenate(list(theirs.blocks())), atol=1e-4
            )


def test_a_channel_that_is_not_there_is_refused_before_any_work(interview, tmp_path, capsys):
    bpy.context.scene.render.fps = 25
    obj = scenes.face()
    obj.mouthpiece.channel, obj.mouthpiece.channel_number = "NUMBER", 3
    settings = bpy.context.scene.mouthpiece
    settings.source, settings.filepath = "FILE", str(interview)
    with pytest.raises(AudioError, match="2 channels: there is no channel 3"):
        scene_settings.bake_of(bpy.context)
    mono = write(tmp_path / "mono.wav", line()[:RATE])
    settings.filepath = str(mono)
    assert scene_settings.bake_of(bpy.context).recording.channel == "auto"  # the choice is for other sounds
    before = scenes.state()
    bake = ["bake", "--object", "Face", "--audio"]
    assert command_parser.main([*bake, str(mono), "--channel", "right"]) == 1
    assert "one channel (mono): there is no right one" in capsys.readouterr().err
    assert command_parser.main([*bake, str(interview), "--channel", "no"]) == 2
    take = scenes.performance(1.0).save(tmp_path / "take.npz")
    assert command_parser.main([*bake, str(take), "--channel", "left"]) == 2
    assert scenes.state() == before


def test_the_command_hears_what_it_is_told_and_the_character_keeps_it(interview, capsys):
    bpy.context.scene.render.fps = 25
    obj = scenes.face()
    bake = ["bake", "--object", "Face", "--audio", str(interview), "--json"]
    assert command_parser.main([*bake, "--channel", "right"]) == 0
    assert json.loads(capsys.readouterr().out.strip().splitlines()[-1])["channel"] == "right"
    assert sounds(obj) == [("right", heard(interview, "right"))] and obj.mouthpiece.channel == "RIGHT"
    assert command_parser.main(bake) == 0
    assert sounds(obj) == [("right", heard(interview, "right"))]
    assert command_parser.main([*bake, "--channel", "1"]) == 0
    assert sounds(obj) == [("left", heard(interview, "left"))]
    assert (obj.mouthpiece.channel, obj.mouthpiece.channel_number) == ("NUMBER", 1)


def test_the_panel_offers_channels_where_there_are_several(interview, tmp_path):
    obj, settings = scenes.face(), bpy.context.scene.mouthpiece
    mono = write(tmp_path / "mono.wav", line()[:RATE])

    def offered():
        layout = Drawn()
        panel._draw_channel(layout, bpy.context)
        return layout.props

    settings.source = "FILE"
    for path, names in ((interview, ["channel"]), (mono, []), (tmp_path / "none.wav", []), (tmp_path, []), ("", [])):
        settings.filepath = str(path)
        assert offered() == names
    settings.source, settings.sound = "SOUND", bpy.data.sounds.load(str(interview))
    obj.mouthpiece.channel = "NUMBER"
    assert offered() == ["channel", "channel_number"]
    settings.source = "STRIP"
    assert offered() == []
    scenes.sequencer(25).new_sound("Interview", str(interview), 1, 1)
    assert offered() == ["channel", "channel_number"]
    obj.select_set(False)
    bpy.context.view_layer.objects.active = None
    assert offered() == []


def test_films_and_the_sequencer_play_all_channels(interview):
    scene = bpy.context.scene
    scene.render.fps = 25
    obj = scenes.face()
    animate(obj, "LEFT", interview)
    (strip,) = compat.all_strips(scene)
    assert strip.sound.filepath.endswith("interview.wav")
    found, remarks = soundtrack.heard(redial.dialled_lines(obj), scene)
    assert not remarks and soundtrack.mixed(found, 25, 1, 25).shape[1] == 2
