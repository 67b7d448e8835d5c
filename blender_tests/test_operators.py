"""The button does what the API does, and every bad input says what is wrong and changes nothing."""

from __future__ import annotations

import bpy
import numpy as np
import pytest

from addon.bake import removal
from addon.bake.operators import disabled_reason
from blender_tests import scenes

#: What lines do, without what is between them (see conftest).
LINES_ALONE = True


@pytest.fixture(scope="module")
def voice(tmp_path_factory):
    return str(scenes.murmur(tmp_path_factory.mktemp("voice") / "line ä.wav"))


@pytest.fixture
def ready(voice, context):
    """Make a character with a key on every frame, as these tests count them, and choose a file."""
    obj = scenes.face()
    obj.mouthpiece.density = "EVERY"
    settings = context.scene.mouthpiece
    settings.source, settings.filepath, settings.start = "FILE", voice, 11
    settings.sequence = False  # scenes are compared, and strips stay when a take is removed
    return obj


def animate():
    return bpy.ops.mouthpiece.animate()


def fails(words):
    """Run the operator and return once it has failed with those words, the scene being as it was."""
    before = scenes.state()
    with pytest.raises(RuntimeError, match=words):
        animate()
    assert scenes.state() == before


def test_the_operator_gives_what_the_api_gives(ready, voice, context):
    from mouthpiece import Options, pipeline
    from mouthpiece.curves import FrameGrid
    from mouthpiece.retarget.shape_keys.curves import shape_curves
    from mouthpiece.retarget.shape_keys.matching import detect

    from addon.sound import recordings

    context.scene.render.fps = 30
    context.scene.mouthpiece.seed = 5
    assert animate() == {"FINISHED"}
    audio = recordings.open_file(voice).whole()
    take = pipeline.animate(audio, Options(seed=5))
    grid = FrameGrid.covering(audio.seconds, 30.0, 11)
    curves, _ = shape_curves(take, detect([b.name for b in ready.data.shape_keys.key_blocks[1:]]), grid)
    for name in curves.names:
        found = np.array(scenes.values(ready.data.shape_keys, scenes.shape_path(name)))
        np.testing.assert_array_equal(found[:, 0], grid.frames)
        np.testing.assert_array_equal(found[:, 1].astype(np.float32), curves[name])
    assert grid.first == 11 and np.ptp(curves["jawOpen"]) > 0


def test_the_file_and_the_core_hear_the_same_take(voice):
    pytest.importorskip("soundfile", reason="the core reads files with it")
    from mouthpiece import SoundFile, pipeline

    from addon.sound import recordings

    ours, theirs = pipeline.animate(recordings.open_file(voice)), pipeline.animate(SoundFile(voice))
    assert ours.audio_sha256 == theirs.audio_sha256
    np.testing.assert_allclose(ours.arkit, theirs.arkit, atol=1e-4)  # blocks are summed in another order


def test_a_strip_and_a_head_bone(ready, voice, context):
    scenes.sequencer(25).new_sound("Line", voice, 1, 41)
    rig = scenes.armature()
    settings = context.scene.mouthpiece
    settings.source, settings.head, settings.armature, settings.bone = "STRIP", "BONE", rig, "head"
    settings.head_translation = True
    assert animate() == {"FINISHED"}
    path = 'pose.bones["head"].rotation_quaternion'
    assert [frame for frame, _ in scenes.values(rig, path, 0)] == list(range(41, 79))
    assert len(scenes.values(rig, 'pose.bones["head"].location', 2)) == 38
    assert rig.animation_data.action == ready.data.shape_keys.animation_data.action


def test_a_moved_strip_takes_its_take_along(ready, voice, context):
    strip = scenes.sequencer(25).new_sound("Line", voice, 1, 41)
    context.scene.mouthpiece.source = "STRIP"
    animate()
    strip.frame_start = 141
    animate()
    found = scenes.values(ready.data.shape_keys, scenes.shape_path("jawOpen"))
    assert [frame for frame, _ in found] == list(range(141, 179))


def test_an_armature_stands_for_its_one_face(ready, context):
    rig = scenes.armature()
    ready.parent = rig
    context.view_layer.objects.active = rig
    assert animate() == {"FINISHED"}
    assert removal.has_lines(ready.data.shape_keys)


def test_a_saved_take_can_be_baked(ready, context, tmp_path):
    context.scene.render.fps = 25
    context.scene.mouthpiece.filepath = str(scenes.performance(2.0, jawOpen=0.5).save(tmp_path / "take.npz"))
    assert animate() == {"FINISHED"}
    found = scenes.values(ready.data.shape_keys, scenes.shape_path("jawOpen"))
    assert found == [(frame, 0.5) for frame in range(11, 61)]


def test_removing_the_take_restores_the_scene(ready):
    before = scenes.state()
    animate()
    assert bpy.ops.mouthpiece.remove_take() == {"FINISHED"}
    assert scenes.state() == before
    assert not bpy.ops.mouthpiece.remove_take.poll()


def test_one_undo_step():
    assert "UNDO" in bpy.types.MOUTHPIECE_OT_animate.bl_options
    assert "UNDO" in bpy.types.MOUTHPIECE_OT_remove_take.bl_options


def test_without_a_character_or_a_sound_it_says_why_not(context, voice):
    settings = context.scene.mouthpiece
    assert "Click a character" in disabled_reason(context)
    scenes.face(keys=())
    assert "no shape keys" in disabled_reason(context)
    scenes.face("Other")
    assert "sound strip" in disabled_reason(context)
    settings.source = "FILE"
    assert "sound file" in disabled_reason(context)
    settings.source = "SOUND"
    assert "Choose a sound" in disabled_reason(context)
    settings.sound = bpy.data.sounds.load(voice)
    assert disabled_reason(context) == "" and bpy.ops.mouthpiece.animate.poll()
    context.window_manager.mouthpiece.running = True
    assert "at work already" in disabled_reason(context)
    context.window_manager.mouthpiece.running = False


def test_shape_keys_that_match_nothing(ready):
    for block in ready.data.shape_keys.key_blocks[1:]:
        block.name = "wobble"
    fails("a name Mouthpiece knows")


def write(folder, content):
    path = folder / "line.wav"
    path.write_bytes(content)
    return str(path)


BAD = {
    "missing": (lambda folder: str(folder / "none.wav"), "no sound at"),
    "empty": (lambda folder: write(folder, b""), "empty file"),
    "text": (lambda folder: write(folder, b"Once upon a time.\n" * 99), "not a sound"),
    "no samples": (lambda folder: str(scenes.write_wav(folder / "line.wav", np.zeros(0))), "empty|not a sound"),
    "cut off": (lambda folder: write(folder, scenes.click(folder / "a.wav", 0.5).read_bytes()[:999]), "cut off"),
    "a take of text": (lambda folder: write_take(folder, b"not a zip"), "not a Mouthpiece take"),
    "a pickled take": (lambda folder: pickled(folder), "not a Mouthpiece take"),
    "a newer take": (lambda folder: newer(folder), "newer Mouthpiece"),
}


def write_take(folder, content):
    path = folder / "take.npz"
    path.write_bytes(content)
    return str(path)


def pickled(folder):
    path = folder / "take.npz"
    np.savez(path, meta=np.array([{"format": 1}], dtype=object))
    return str(path)


def newer(folder):
    path = folder / "take.npz"
    np.savez(path, meta=np.array('{"format": 99}'))
    return str(path)


@pytest.mark.parametrize("case", BAD)
def test_bad_sounds_and_takes(ready, tmp_path, context, case):
    make, words = BAD[case]
    context.scene.mouthpiece.filepath = make(tmp_path)
    fails(words)


def test_samples_that_are_not_numbers(ready, tmp_path, context):
    import struct

    data = np.full(4000, np.nan, "<f4").tobytes()
    head = (
        b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 3, 1, 16_000, 64_000, 4, 32) + b"data" + struct.pack("<I", len(data))
    )
    context.scene.mouthpiece.filepath = write(
        tmp_path, b"RIFF" + struct.pack("<I", len(head) + len(data)) + head + data
    )
    fails("not numbers")


@pytest.mark.parametrize(
    ("seconds", "level"), [(0.02, 0.5), (1.0, 0.0), (1.0, 3.0)], ids=["20 ms", "silent", "clipped"]
)
def test_odd_sounds_are_animated_all_the_same(ready, tmp_path, context, seconds, level):
    samples = level * np.sin(np.arange(int(seconds * 16_000)) / 7)
    context.scene.mouthpiece.filepath = str(scenes.write_wav(tmp_path / "odd.wav", samples, 16_000))
    assert animate() == {"FINISHED"}
    jaw = [value for _, value in scenes.values(ready.data.shape_keys, scenes.shape_path("jawOpen"))]
    assert jaw and (level > 0 or max(jaw) < 0.05)


@pytest.mark.parametrize(("rate", "channels"), [(192_000, 8), (3_000, 1)])
def test_odd_formats_are_animated(ready, tmp_path, context, rate, channels):
    path = tmp_path / "Odd name – 声.wav"
    samples = 0.3 * np.sin(np.arange(rate // 2) / 3)
    context.scene.mouthpiece.filepath = str(scenes.write_wav(path, samples, rate, channels))
    assert animate() == {"FINISHED"}
    assert len(scenes.values(ready.data.shape_keys, scenes.shape_path("jawOpen"))) == 12


def test_strips_of_another_scene_at_another_rate_are_refused(ready, voice, context):
    other = bpy.data.scenes.new("Edit")
    other.render.fps = 50
    from addon import compat, scene_settings

    compat.strips_of(other.sequence_editor_create()).new_sound("Line", voice, 1, 41)
    context.scene.mouthpiece.source = "STRIP"
    if hasattr(context.workspace, "sequencer_scene"):
        context.workspace.sequencer_scene = other
        fails("50 frames per second")
        other.render.fps = context.scene.render.fps
        assert scene_settings.recording(context).placement.origin == 41
    else:
        assert compat.sequencer_scene(context) == context.scene


def test_a_muted_strip(ready, voice, context):
    scenes.sequencer().new_sound("Line", voice, 1, 1).mute = True
    context.scene.mouthpiece.source = "STRIP"
    fails("muted")


def test_a_strip_that_is_gone(ready, voice, context):
    scenes.sequencer().new_sound("Line", voice, 1, 1)
    context.scene.mouthpiece.source, context.scene.mouthpiece.strip = "STRIP", "Other"
    fails("no strip 'Other'")


@pytest.mark.parametrize(("head", "words"), [("BONE", "No head bone"), ("OBJECT", "No head is chosen")])
def test_a_head_that_is_not_chosen(ready, context, head, words):
    context.scene.mouthpiece.head = head
    fails(words)


def test_the_demo_character_is_ready_to_speak(context):
    assert bpy.ops.mouthpiece.add_demo() == {"FINISHED"}
    obj = context.active_object
    blocks = obj.data.shape_keys.key_blocks
    assert len(blocks) == 63 and all(block.value == 0.0 for block in blocks)
    assert context.scene.camera is not None
    assert disabled_reason(context) == ""
    rig = obj.mouthpiece_head.armature
    rig.pose.bones["head"].rotation_mode = "XYZ"
    before = np.array(obj.evaluated_get(context.evaluated_depsgraph_get()).bound_box)
    rig.pose.bones["head"].rotation_euler = (0.5, 0, 0)
    context.view_layer.update()
    after = np.array(obj.evaluated_get(context.evaluated_depsgraph_get()).bound_box)
    assert np.abs(after - before).max() > 0.01


def test_the_demo_character_comes_without_a_line_if_the_sequencer_is_taken(context, voice):
    from addon import compat

    scenes.sequencer().new_sound("Mine", voice, 1, 1)
    bpy.ops.mouthpiece.add_demo()
    assert [strip.name for strip in compat.all_strips(context.scene)] == ["Mine"]


def test_what_the_panel_says_is_of_the_sound_that_is_chosen(ready, context, tmp_path):
    state = context.window_manager.mouthpiece
    state.remarks, state.remarks_of = "'other.wav' is a playlist (HLS, M3U), not a sound.", ready.name
    context.scene.mouthpiece.filepath = str(tmp_path / "nowhere.wav")
    fails("There is no sound at")
    assert state.remarks.startswith("There is no sound at '") and state.remarks_of == ready.name
    assert state.remarks.count("sound") == 1
    state.remarks = ""
