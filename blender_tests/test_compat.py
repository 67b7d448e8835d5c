"""What differs between versions is hidden, and an empty collection is not taken for a missing one."""

from __future__ import annotations

import bpy

from addon import compat
from blender_tests import scenes


def test_a_scene_without_a_sequencer_has_no_strips():
    bpy.context.scene.sequence_editor_clear()
    assert compat.all_strips(bpy.context.scene) == []


def test_strips_can_be_added_to_an_empty_sequencer(tmp_path):
    strips = compat.strips_of(bpy.context.scene.sequence_editor_create())
    strip = strips.new_sound("a", str(scenes.click(tmp_path / "a.wav", 0.5, 1.0)), 1, 10)
    assert compat.all_strips(bpy.context.scene) == [strip]
    times = compat.strip_times(strip)
    assert (times.left, times.right, times.hidden) == (10, 34, 0)
    assert compat.strip_length(strip) == 24


def test_the_sequencer_scene_is_the_active_one_where_strips_are():
    scenes.sequencer()
    assert compat.sequencer_scene(bpy.context) == bpy.context.scene


def test_a_scratch_scene_leaves_nothing(tmp_path):
    before = scenes.state()
    with compat.scratch_scene(30, 1.001) as scene:
        strips = compat.strips_of(scene.sequence_editor_create())
        strips.new_sound("a", str(scenes.click(tmp_path / "a.wav", 0.5, 1.0)), 1, 1)
    assert scenes.state() == before


def test_video_output_is_borrowed_and_given_back():
    settings = bpy.context.scene.render.image_settings
    before = compat.image_output(settings)
    if compat.use_video_output(settings):
        assert settings.file_format == "FFMPEG"
    compat.restore_image_output(settings, before)
    assert compat.image_output(settings) == before


def test_no_curves_where_nothing_is_animated():
    assert len(compat.fcurves_of(scenes.face())) == 0
