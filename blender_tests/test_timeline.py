"""A line on the scene's timeline: its sound is heard, playback keeps in time, and the scene is long enough for it."""

from __future__ import annotations

import json

import bpy
import pytest

from addon import compat
from addon.command import parser as command_parser
from blender_tests import layout, scenes


@pytest.fixture
def spoken(tmp_path, context):
    """A character and a sound file of two seconds that begins at frame 11; the scene ends at frame 30."""
    obj, scene = scenes.face(), context.scene
    scene.render.fps, scene.frame_end = 25, 30
    settings = scene.mouthpiece
    settings.source, settings.start = "FILE", 11
    settings.filepath = str(scenes.write_wav(tmp_path / "line ö.wav", [0.0] * 32_000, 16_000))
    return obj


def animate():
    assert bpy.ops.mouthpiece.animate() == {"FINISHED"}


def strips():
    return [strip for strip in compat.all_strips(bpy.context.scene) if strip.type == "SOUND"]


def test_the_sound_of_a_file_is_heard_once_where_it_begins(spoken, context):
    assert context.scene.mouthpiece.sequence
    animate()
    (strip,) = strips()
    assert compat.strip_times(strip).left == 11 and context.scene.sync_mode == "AUDIO_SYNC"
    animate()
    assert len(strips()) == 1
    context.scene.mouthpiece.start = 21
    animate()
    assert [compat.strip_times(strip).left for strip in strips()] == [21]


def test_a_strip_that_was_there_is_enough(spoken, context):
    scenes.sequencer(25).new_sound("Mine", context.scene.mouthpiece.filepath, 3, 11)
    animate()
    assert [strip.name for strip in strips()] == ["Mine"]


def test_what_was_taken_out_is_not_put_back_by_an_update(spoken, context):
    animate()
    compat.strips_of(context.scene.sequence_editor).remove(strips()[0])
    spoken.mouthpiece.jaw = 0.5
    bpy.ops.mouthpiece.redial()
    assert not strips()


def test_it_is_a_choice_and_takes_have_no_sound(spoken, context, tmp_path):
    context.scene.mouthpiece.sequence = False
    animate()
    assert not strips() and context.scene.sync_mode == "NONE"
    context.scene.mouthpiece.sequence = True
    context.scene.mouthpiece.filepath = str(scenes.performance(1.0, jawOpen=0.5).save(tmp_path / "take.npz"))
    animate()
    assert not strips()


def test_a_choice_of_how_to_play_stays(spoken, context):
    context.scene.sync_mode = "FRAME_DROP"
    animate()
    assert context.scene.sync_mode == "FRAME_DROP"


def test_the_demo_plays_in_time_with_its_line(context):
    bpy.ops.mouthpiece.add_demo()
    assert context.scene.sync_mode == "AUDIO_SYNC" and len(strips()) == 1


def test_a_line_beyond_the_end_of_the_scene_offers_to_extend_it(spoken, context):
    animate()
    drawn = layout.drawn("MOUTHPIECE_PT_speech", context)
    assert "The line runs to frame 60, the scene only to frame 30." in drawn.text
    assert "Extend Scene to Frame 60" in drawn.texts and context.scene.frame_end == 30
    assert bpy.ops.mouthpiece.extend_scene(frame=60) == {"FINISHED"}
    assert context.scene.frame_end == 60
    assert "mouthpiece.extend_scene" not in layout.drawn("MOUTHPIECE_PT_speech", context).operators
    bpy.ops.mouthpiece.extend_scene(frame=50)  # it never gets shorter
    assert context.scene.frame_end == 60 and "UNDO" in bpy.types.MOUTHPIECE_OT_extend_scene.bl_options


def test_only_a_character_with_lines_is_offered_more_scene(spoken, context):
    animate()
    scenes.face("Other")
    assert "mouthpiece.extend_scene" not in layout.drawn("MOUTHPIECE_PT_speech", context).operators
    context.view_layer.objects.active = spoken
    assert "mouthpiece.extend_scene" in layout.drawn("MOUTHPIECE_PT_speech", context).operators
    bpy.ops.mouthpiece.remove_take()
    assert "mouthpiece.extend_scene" not in layout.drawn("MOUTHPIECE_PT_speech", context).operators


def test_the_sound_is_seen_in_the_sequencer_of_every_workspace(spoken, context):
    spaces = [one for one in bpy.data.workspaces if hasattr(one, "sequencer_scene")]
    if not spaces:
        pytest.skip("before 5.0 a sequencer shows the window's scene")
    other, chosen = bpy.data.scenes.new("Edit"), spaces[0]
    for space in spaces:
        space.sequencer_scene = None
    chosen.sequencer_scene = other
    animate()
    assert chosen.sequencer_scene == other  # what somebody chose stays
    assert all(space.sequencer_scene == context.scene for space in spaces[1:])
    chosen.sequencer_scene = None
    animate()
    assert chosen.sequencer_scene == context.scene


def test_without_a_window_it_is_an_option(spoken, context, capsys):
    path = context.scene.mouthpiece.filepath
    assert command_parser.main(["bake", "--audio", path, "--object", "Face", "--no-sequence", "--json"]) == 0
    report = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    assert not strips() and context.scene.frame_end == 30
    assert any("--extend" in warning for warning in report["warnings"])
    assert command_parser.main(["bake", "--audio", path, "--object", "Face", "--extend", "--json"]) == 0
    report = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    assert len(strips()) == 1 and context.scene.frame_end == report["last"] > 30
    assert not any("--extend" in warning for warning in report["warnings"])
