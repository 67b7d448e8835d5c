"""Where a sound is heard on the scene's frames: a click lands exactly where Blender plays it."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import bpy
import numpy as np
import pytest
from mouthpiece import chapters, pipeline
from mouthpiece.errors import AudioError, RigError
from mouthpiece.motion.dials import Dials, dialled

from addon import compat, targets
from addon.bake import bake
from addon.sound import contents, decoder, recordings, strips
from blender_tests import scenes

CLICK = 2.0


@pytest.fixture
def wav(tmp_path):
    return str(scenes.click(tmp_path / "click sound ü.wav", CLICK))


def frame_of_click(recording):
    """Return the frame, with fraction, at which the grid hears the click."""
    audio = recordings.decode(recording)
    grid = recording.placement.grid(audio.seconds)
    second = np.argmax(np.abs(audio.samples)) / audio.rate
    return float(np.interp(second, grid.times, grid.frames))


MIXDOWN = """
import os, sys, bpy
bpy.ops.wm.open_mainfile(filepath=sys.argv[-2])
bpy.ops.sound.mixdown(filepath=sys.argv[-1], container="WAV", codec="PCM", format="S16")
os._exit(0)
"""


def mix_down(place):
    """Write the scene's sound to ``place``."""
    bpy.context.view_layer.update()
    bpy.ops.sound.mixdown(filepath=place, container="WAV", codec="PCM", format="S16")


def mix_down_apart(place):
    """Write the scene's sound to ``place`` from a process of its own.

    Blender 4.5's mixdown of retimed sound now and then dies of an arithmetic error (SIGFPE), and its process with it;
    then it is asked again.
    """
    blend = place + ".blend"
    bpy.ops.wm.save_as_mainfile(filepath=blend, copy=True)
    binary = bpy.app.binary_path
    program = [binary, "-b", "--python-expr", MIXDOWN, "--"] if binary else [sys.executable, "-c", MIXDOWN]
    for _ in range(6):
        if subprocess.run([*program, blend, place], capture_output=True, timeout=120).returncode == 0:
            return
    pytest.fail("Blender could not mix its own scene down in six tries")


def heard_by_blender(folder, mix=mix_down):
    """Return the frame at which Blender's own mixdown has the click."""
    import aud

    place = str(folder / "mix.wav")
    mix(place)
    source = aud.Sound.file(place)
    second = np.argmax(np.abs(source.data()).max(axis=1)) / source.specs[0]
    scene = bpy.context.scene
    return scene.frame_start + second * recordings.true_fps(scene)


@pytest.mark.parametrize(("fps", "base"), [(24, 1.0), (25, 1.0), (30, 1.001), (60, 1.0), (24, 0.5)])
def test_a_strip_at_any_frame_rate(wav, fps, base):
    strip = scenes.sequencer(fps, base).new_sound("a", wav, 1, 10)
    assert frame_of_click(strips.from_strip(strip, bpy.context.scene)) == pytest.approx(
        10 + CLICK * fps / base, abs=1e-3
    )


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"frame_start": 31.0},
        {"frame_start": 10.6},
        {"sound_offset": 0.25},
        {"sound_offset": -0.25},
        {"frame_offset_start": 7},
        {"frame_offset_start": -7},
        {"frame_offset_end": 20},
    ],
    ids=str,
)
def test_a_strip_is_heard_where_blender_plays_it(wav, tmp_path, change):
    strip = scenes.sequencer(30, 1.001).new_sound("a", wav, 1, 10)
    bpy.context.scene.frame_end = 300
    for name, value in change.items():
        setattr(strip, name, value)
    # One sample of the mixdown is 0.001 frames.
    assert frame_of_click(strips.from_strip(strip, bpy.context.scene)) == pytest.approx(
        heard_by_blender(tmp_path), abs=0.002
    )


@pytest.mark.parametrize("trim", [0, 5])
def test_a_strip_trimmed_on_loading(wav, tmp_path, trim):
    strip = scenes.sequencer(24).new_sound("a", wav, 1, 10)
    strip.animation_offset_start, strip.frame_offset_start = 7, trim
    bpy.context.scene.frame_end = 300
    assert frame_of_click(strips.from_strip(strip, bpy.context.scene)) == pytest.approx(
        heard_by_blender(tmp_path), abs=0.002
    )


def set_speed(strip, percent):
    """Retime all of a strip, as the user does in the sequencer."""
    scene, window = bpy.context.scene, bpy.context.window_manager.windows[0]
    area = window.screen.areas[0]
    area.type = "SEQUENCE_EDITOR"
    if hasattr(window.workspace, "sequencer_scene"):
        window.workspace.sequencer_scene = scene
    strip.select = True
    scene.sequence_editor.active_strip = strip
    region = next(region for region in area.regions if region.type == "WINDOW")
    with bpy.context.temp_override(window=window, area=area, region=region):
        bpy.ops.sequencer.retiming_segment_speed_set(speed=percent)


@pytest.mark.parametrize("percent", [50.0, 125.0, 200.0])
@pytest.mark.parametrize("trim", [0, 5])
def test_a_retimed_strip_is_heard_where_blender_plays_it(wav, tmp_path, percent, trim):
    strip = scenes.sequencer(24).new_sound("a", wav, 1, 10)
    set_speed(strip, percent)
    strip.frame_offset_start = trim
    before = scenes.state()
    recording = strips.from_strip(strip, bpy.context.scene)
    assert scenes.state() == before
    assert recording.placement.speed == pytest.approx(percent / 100, rel=0.03)
    # Blender's resampler wakes up late when it starts retimed: up to 0.8 frames were measured.
    assert frame_of_click(recording) == pytest.approx(heard_by_blender(tmp_path, mix_down_apart), abs=0.85)


def test_a_strip_trimmed_on_loading_and_retimed(wav, tmp_path):
    strip = scenes.sequencer(24).new_sound("a", wav, 1, 10)
    strip.animation_offset_start = 7
    set_speed(strip, 50.0)
    recording = strips.from_strip(strip, bpy.context.scene)
    assert frame_of_click(recording) == pytest.approx(heard_by_blender(tmp_path, mix_down_apart), abs=0.85)


def test_a_strip_of_several_speeds_is_refused_with_the_remedy(wav):
    strip = scenes.sequencer(24).new_sound("a", wav, 1, 10)
    strip.frame_offset_start = 7
    set_speed(strip, 50.0)  # leaves the trimmed head at its own speed
    with pytest.raises(AudioError, match="Reset its retiming"):
        strips.from_strip(strip, bpy.context.scene)


def test_keys_stay_between_the_handles(wav):
    strip = scenes.sequencer(24).new_sound("a", wav, 1, 10)
    strip.frame_offset_start, strip.frame_offset_end = 7, 20
    recording = strips.from_strip(strip, bpy.context.scene)
    grid = recording.placement.grid(4.0)
    assert (grid.first, grid.last) == (17, 85)


def test_handles_beyond_the_sound_add_no_keys(wav):
    strip = scenes.sequencer(24).new_sound("a", wav, 1, 10)
    strip.frame_offset_start, strip.frame_offset_end = -7, -20
    grid = strips.from_strip(strip, bpy.context.scene).placement.grid(4.0)
    assert (grid.first, grid.last) == (10, 105)


def test_a_file_and_a_sound_begin_at_the_start_frame(wav):
    scene = bpy.context.scene
    scene.render.fps = 25
    for recording in (
        recordings.from_file(wav, scene, 101),
        recordings.from_sound(bpy.data.sounds.load(wav), scene, 101),
    ):
        assert frame_of_click(recording) == pytest.approx(101 + CLICK * 25, abs=1e-3)


def test_a_packed_sound_needs_no_file(tmp_path):
    path = scenes.click(tmp_path / "packed.wav", CLICK)
    block = bpy.data.sounds.load(str(path))
    block.pack()
    path.unlink()
    audio = recordings.decode(recordings.from_sound(block, bpy.context.scene, 1))
    assert np.argmax(np.abs(audio.samples)) == CLICK * scenes.RATE


@pytest.mark.parametrize(("rate", "channels"), [(192_000, 8), (16_000, 1), (3_000, 2)])
def test_samples_are_those_the_core_reads(tmp_path, rate, channels):
    from mouthpiece import audio

    pytest.importorskip("soundfile", reason="the core reads files with it")
    path = scenes.write_wav(tmp_path / "line.wav", np.sin(np.arange(2000) / 9) * 0.5, rate, channels)
    ours = recordings.decode(recordings.from_file(str(path), bpy.context.scene, 1))
    theirs = audio.load(path)
    assert ours.rate == theirs.rate
    np.testing.assert_allclose(ours.samples, theirs.samples, atol=1e-7)  # rounding of the mean


class Decoded:
    """Counts the seconds that Blender decodes."""

    def __init__(self, monkeypatch):
        self.seconds, real = 0.0, decoder.StreamedSound._decoded

        def counted(sound, read, number=0):
            found = real(sound, read, number)
            if isinstance(found, np.ndarray):
                self.seconds += len(found) / sound.rate
            return found

        monkeypatch.setattr(decoder.StreamedSound, "_decoded", counted)


def small_strip(path):
    """Put the second from 250 to 251 of a sound into the sequencer."""
    strip = scenes.sequencer(25).new_sound("a", str(path), 1, 1)
    strip.frame_offset_start, strip.frame_offset_end = 6250, compat.strip_length(strip) - 6275
    return strip


def test_only_what_a_small_strip_needs_is_decoded(tmp_path, monkeypatch):
    path = scenes.write_wav(tmp_path / "ten minutes.wav", np.sin(np.arange(600 * 8000) / 9) * 0.1, 8000)
    recording, decoded = strips.from_strip(small_strip(path), bpy.context.scene), Decoded(monkeypatch)
    asked = []

    def heard(source, part, *_):
        asked.append(part)
        for start, stop in ((chapters.WHOLE, chapters.WHOLE + 1), chapters.stretch(chapters.needed(*part)[0])):
            list(source.blocks(start, stop))
        yield pipeline.Excerpt(scenes.performance(13.0), 244.0, 376.0)

    monkeypatch.setattr(pipeline, "excerpt_steps", heard)
    (found,) = bake.Bake(recording, ()).steps()
    assert asked == [(250.0, 250.96)]
    assert decoded.seconds < 160
    assert (found.grid.first, found.grid.last) == (6251, 6275)
    assert found.grid.times[0] == pytest.approx(6.0)


@pytest.mark.parametrize("aud", [True, False])
def test_a_stretch_is_that_of_the_whole(tmp_path, monkeypatch, aud):
    if not aud:
        pytest.importorskip("soundfile", reason="the core reads files with it")
        monkeypatch.setattr(compat, "has_aud", lambda: False)
    monkeypatch.setattr(decoder, "_PIECE", 7)
    samples = np.sin(np.arange(30 * 24_000) / 9 + np.arange(30 * 24_000) ** 2 / 1e8) * 0.5
    sound = recordings.open_file(scenes.write_wav(tmp_path / "line.wav", samples, 24_000, 2))
    whole = sound.whole()
    assert len(whole.samples) == 30 * 24_000
    expected = np.concatenate(list(whole.blocks()))
    np.testing.assert_allclose(np.concatenate(list(sound.blocks())), expected, atol=1e-6)
    part = np.concatenate(list(sound.blocks(11, 23)))
    assert len(part) == 12 * 16_000
    np.testing.assert_allclose(part[99:-99], expected[11 * 16_000 + 99 : 23 * 16_000 - 99], atol=1e-5)
    assert len(np.concatenate(list(sound.blocks(25, 40)))) == 5 * 16_000
    assert not list(sound.blocks(30, 31)) and not list(sound.blocks(99, 100))
    np.testing.assert_array_equal(sound.native(3, 5)[:, 0], whole.samples[3 * 24_000 : 5 * 24_000])


def test_a_jump_into_a_compressed_sound_is_exact(tmp_path):
    """A click every second is where it is in the whole; in OGG a jump of Blender's decoder is off by half a frame."""
    scene, rate = bpy.context.scene, 44_100
    samples = np.zeros(40 * rate, np.float32)
    samples[np.arange(40) * rate + rate // 2] = 0.9
    path = scenes.write_wav(tmp_path / "clicks.wav", samples, rate)
    scenes.sequencer(25).new_sound("a", str(path), 1, 1)
    scene.frame_end = 1000
    for container, codec in (("MP3", "MP3"), ("OGG", "VORBIS"), ("FLAC", "FLAC")):
        place = str(tmp_path / f"clicks.{container.lower()}")
        bpy.ops.sound.mixdown(filepath=place, container=container, codec=codec)
        sound = recordings.open_file(place)
        whole, part = sound.native(0, 40), sound.native(21, 31)
        for second in range(10):
            here, there = (
                np.abs(block[start * sound.rate : (start + 1) * sound.rate]).max(axis=1).argmax()
                for block, start in ((part, second), (whole, 21 + second))
            )
            assert abs(int(here) - int(there)) <= (0.03 * sound.rate if container == "OGG" else 2), container


def test_a_packed_sound_is_read_in_stretches_too(tmp_path):
    path = scenes.click(tmp_path / "packed.wav", CLICK)
    block = bpy.data.sounds.load(str(path))
    block.pack()
    with recordings.opened(recordings.from_sound(block, bpy.context.scene, 1)) as sound:
        assert np.abs(sound.native(2, 3)).max() > 0.8
        place = sound.path
    assert not Path(place).exists()
    assert recordings.from_sound(block, bpy.context.scene, 1).content == contents.of_file(str(path))


def test_a_part_between_handles_and_a_whole_sound():
    place = recordings.Placement(25.0, 1.0, 0.0, 1.0, 501, 551)
    assert place.part == (20.0, 21.96)
    assert recordings.Placement(25.0, 1.0).part is None


def muted(strip):
    strip.mute = True


def channel_muted(strip):
    bpy.context.scene.sequence_editor.channels[strip.channel].mute = True


def missing(strip):
    strip.sound.filepath = "/nowhere/line.wav"


@pytest.mark.parametrize(("spoil", "words"), [(muted, "muted"), (channel_muted, "muted"), (missing, "missing")])
def test_bad_strips_say_what_is_wrong(wav, spoil, words):
    strip = scenes.sequencer().new_sound("Line 7", wav, 1, 10)
    spoil(strip)
    with pytest.raises(AudioError, match=words):
        strips.from_strip(strip, bpy.context.scene)


def test_a_strip_that_is_no_sound():
    strip = scenes.sequencer().new_effect(name="Colour", type="COLOR", channel=1, frame_start=1, **end_of_effect())
    with pytest.raises(AudioError, match="not a sound"):
        strips.from_strip(strip, bpy.context.scene)


def meta_around(strip, name="Meta", channel=5):
    """Put a strip into a meta strip that is as long as it."""
    made = compat.strips_of(bpy.context.scene.sequence_editor)
    times = compat.strip_times(strip)
    meta = made.new_meta(name, channel, times.left)
    strip.move_to_meta(meta)
    meta.frame_final_start, meta.frame_final_end = times.left, times.right
    return meta


def heard_span(folder):
    """Return the first and the last frame at which Blender's own mixdown has sound; nothing if it is silent."""
    import aud

    place = str(folder / "mix.wav")
    mix_down(place)
    source = aud.Sound.file(place)
    loud = np.flatnonzero(np.abs(source.data()).max(axis=1) > 0.01)
    if not len(loud):
        return ()
    scene = bpy.context.scene
    return tuple(
        round(scene.frame_start + float(at) / source.specs[0] * recordings.true_fps(scene), 1)
        for at in (loud[0], loud[-1])
    )


@pytest.fixture
def hum(tmp_path):
    return str(scenes.write_wav(tmp_path / "hum.wav", np.sin(np.arange(4 * scenes.RATE) / 9) * 0.5))


@pytest.mark.parametrize("levels", [1, 2])
def test_the_handles_of_meta_strips_cut_what_is_inside(hum, tmp_path, levels):
    strip = scenes.sequencer(24).new_sound("a", hum, 1, 10)
    bpy.context.scene.frame_end = 300
    meta = meta_around(strip)
    outer = meta_around(meta, "Outer", 7) if levels == 2 else meta
    outer.frame_final_start, outer.frame_final_end = 30, 80
    place = strips.from_strip(strip, bpy.context.scene).placement
    grid = place.grid(4.0)
    assert (grid.first, grid.last) == (30, 79)
    assert heard_span(tmp_path) == pytest.approx((30, 80), abs=0.5)
    assert grid.times[0] == pytest.approx(20 / 24)


def test_a_meta_strip_that_was_moved_takes_its_sound_along(wav, tmp_path):
    strip = scenes.sequencer(24).new_sound("a", wav, 1, 10)
    bpy.context.scene.frame_end = 300
    meta_around(strip).frame_start += 33
    assert frame_of_click(strips.from_strip(strip, bpy.context.scene)) == pytest.approx(
        heard_by_blender(tmp_path), abs=0.002
    )


def test_a_meta_strip_that_is_cut_away_from_its_sound(hum, tmp_path):
    strip = scenes.sequencer(24).new_sound("a", hum, 1, 10)
    meta = meta_around(strip)
    meta.frame_final_end = 200
    meta.frame_final_start = 150
    with pytest.raises(AudioError, match="'Meta' is cut before or after"):
        strips.from_strip(strip, bpy.context.scene)
    assert heard_span(tmp_path) == ()


def silence(scene, level, how, strip, metas):
    """Silence one level: the strip (0), its meta strip (1) or the one around that (2)."""
    one = [strip, *metas][level]
    editor = scene.sequence_editor
    if how == "mute":
        one.mute = True
    elif how == "channel":
        (editor if level == 2 else metas[level]).channels[one.channel].mute = True
    elif how == "volume":
        one.volume = 0.0
    else:
        one.volume = 0.0
        one.keyframe_insert("volume", frame=1)
        one.volume = 1.0  # what the panel shows says nothing: the curve is what is heard


@pytest.mark.parametrize(
    ("level", "how"),
    [
        *((level, how) for level in (0, 1) for how in ("mute", "channel", "volume", "curve")),
        (2, "mute"),
        (2, "channel"),
    ],
)
def test_what_is_silent_in_blender_is_not_spoken(hum, tmp_path, level, how):
    scene, strip = bpy.context.scene, scenes.sequencer(24).new_sound("Line 7", hum, 1, 10)
    scene.frame_end = 120
    metas = [meta_around(strip)]
    metas.append(meta_around(metas[0], "Outer", 7))
    if level and how in ("volume", "curve") and not hasattr(metas[0], "volume"):
        pytest.skip("meta strips have a volume since 5.2")
    assert strips.from_strip(strip, scene).placement.left == 10
    silence(scene, level, how, strip, metas)
    with pytest.raises(AudioError, match=r"muted|volume is 0") as told:
        strips.from_strip(strip, scene)
    assert "'Line 7'" in str(told.value) and (not level or metas[level - 1].name in str(told.value))
    assert heard_span(tmp_path) == ()


def test_the_volume_of_a_meta_strip_around_a_meta_strip_is_not_heard_in_blender_nor_here(hum, tmp_path):
    scene, strip = bpy.context.scene, scenes.sequencer(24).new_sound("a", hum, 1, 10)
    outer = meta_around(meta_around(strip), "Outer", 7)
    if not hasattr(outer, "volume"):
        pytest.skip("meta strips have a volume since 5.2")
    outer.volume = 0.0
    assert strips.from_strip(strip, scene).volume == 1.0 and heard_span(tmp_path)


def test_a_volume_that_is_animated_is_heard(hum, tmp_path):
    scene, strip = bpy.context.scene, scenes.sequencer(24).new_sound("a", hum, 1, 10)
    for frame, volume in ((1, 0.0), (60, 0.0), (80, 0.5)):
        strip.volume = volume
        strip.keyframe_insert("volume", frame=frame)
    strip.volume = 0.0
    assert strips.from_strip(strip, scene).volume == pytest.approx(0.5)


@pytest.mark.parametrize(("old", "new"), [(100, 200), (100, 50), (24, 30)])
def test_time_stretching_is_followed(wav, tmp_path, old, new):
    """Blender's sound keeps to the timeline, its animation is stretched: keys go where they are seen with the sound."""
    scene = bpy.context.scene
    recording = strips.from_strip(scenes.sequencer(24).new_sound("a", wav, 1, 10), scene)
    scene.frame_end = 300
    usual, click = frame_of_click(recording), heard_by_blender(tmp_path)
    assert usual == pytest.approx(click, abs=0.002)
    scene.render.frame_map_old, scene.render.frame_map_new = old, new
    assert heard_by_blender(tmp_path) == pytest.approx(click, abs=0.002)
    stretched = strips.from_strip(scene.sequence_editor.strips_all[0], scene)
    found = frame_of_click(stretched)
    shown = bpy.data.objects.new("Shown", None)  # what Blender shows of an animation on that frame of the timeline
    scene.collection.objects.link(shown)
    for frame in (0, 1000):
        shown.location.x = frame
        shown.keyframe_insert("location", index=0, frame=frame)
    shown.animation_data.action.fcurve_ensure_for_datablock(shown, "location", index=0).keyframe_points[
        0
    ].interpolation = "LINEAR"
    scene.frame_set(58)
    assert bpy.context.view_layer.depsgraph.scene.frame_current == 58
    assert found == pytest.approx(shown.location.x + (click - 58) * old / new, abs=0.05)
    grid = stretched.placement.grid(4.0)
    assert grid.first == -(-10 * old // new) and grid.times[0] >= 0
    assert frame_of_click(recordings.from_file(wav, scene, 10)) == pytest.approx(found, abs=0.01)


def test_a_line_at_another_frame_rate_is_told_when_it_is_adjusted(wav):
    from mouthpiece.motion.dials import Dials

    from addon import targets
    from addon.bake import redial

    obj, scene = scenes.face(), bpy.context.scene
    recording = strips.from_strip(scenes.sequencer(24).new_sound("a", wav, 1, 10), scene)
    grid = recording.placement.grid(4.0)
    bake.Bake(recording, (targets.target_for(obj),)).write(bake.Heard(scenes.performance(4.0, jawOpen=0.5), grid))
    assert redial.redial(obj, Dials(jaw=0.5)).warnings == []
    scene.render.fps = 30
    (told,) = redial.redial(obj, Dials(jaw=0.6)).warnings
    assert "24 frames per second" in told and "30 now" in told
    other = bpy.data.scenes.new("Other")
    other.render.fps = 24
    other.collection.objects.link(obj)  # it was animated for that scene
    assert redial.redial(obj, Dials(jaw=0.7)).warnings == []


def end_of_effect():
    named = compat.strips_of(bpy.context.scene.sequence_editor).bl_rna.functions["new_effect"].parameters
    return {"length": 10} if "length" in named else {"frame_end": 10}


def test_finding_a_strip(wav):
    scene = bpy.context.scene
    with pytest.raises(AudioError, match="no sound strip"):
        strips.find_strip(scene)
    made = scenes.sequencer()
    only = made.new_sound("only", wav, 1, 10)
    assert strips.find_strip(scene) == only
    other = made.new_sound("other", wav, 2, 10)
    with pytest.raises(AudioError, match="2 sound strips"):
        strips.find_strip(scene)
    assert strips.find_strip(scene, "other") == other
    with pytest.raises(AudioError, match="no strip 'third'"):
        strips.find_strip(scene, "third")


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "empty file"), (b"Once upon a time there was no sound.\n" * 50, "not a sound|cannot read|can read")],
    ids=["empty", "text"],
)
def test_files_that_are_not_sound(tmp_path, content, words):
    path = tmp_path / "line.wav"
    path.write_bytes(content)
    with pytest.raises(AudioError, match=words):
        recordings.decode(recordings.from_file(str(path), bpy.context.scene, 1))


def test_a_missing_file_and_none_at_all():
    with pytest.raises(AudioError, match="no sound at"):
        recordings.from_file("/nowhere/line.wav", bpy.context.scene, 1)
    with pytest.raises(AudioError, match="Pick one"):
        recordings.from_file(" ", bpy.context.scene, 1)
    with pytest.raises(AudioError, match="Pick one"):
        recordings.from_sound(None, bpy.context.scene, 1)


def test_a_truncated_file(tmp_path):
    path = scenes.click(tmp_path / "cut.wav", 1.0)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(AudioError, match="cut off"):
        recordings.decode(recordings.from_file(str(path), bpy.context.scene, 1))


def test_a_placement_without_a_frame():
    with pytest.raises(RigError, match="handles"):
        recordings.Placement(25.0, 1.0, 0.0, 1.0, 500, 510).grid(1.0)


def test_without_blenders_decoder_the_cores_is_used_or_named(wav, monkeypatch):
    monkeypatch.setattr(compat, "has_aud", lambda: False)
    recording = recordings.from_file(wav, bpy.context.scene, 1)
    if importlib.util.find_spec("soundfile"):
        assert np.argmax(recordings.decode(recording).samples) == CLICK * scenes.RATE
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(AudioError, match="soundfile"):
        recordings.decode(recording)


@pytest.mark.parametrize("start", [1_048_575, 20_000_000, -1_048_575, -(2**31)])
def test_a_start_that_blender_cannot_show_is_refused(tmp_path, start):
    scene, path = bpy.context.scene, scenes.click(tmp_path / "a.wav", 1.0)
    scene.mouthpiece.start = start
    for make in (
        lambda: recordings.from_file(str(path), scene, scene.mouthpiece.start),
        lambda: recordings.from_sound(bpy.data.sounds.load(str(path)), scene, scene.mouthpiece.start),
    ):
        with pytest.raises(RigError, match="Blender's frames go from -1,048,574 to 1,048,574"):
            make()


def test_lines_at_the_ends_of_the_timeline_keep_all_keys(tmp_path):
    scene, path = bpy.context.scene, scenes.click(tmp_path / "a.wav", 1.0)
    scene.render.fps = 25
    for start in (-1_048_574, 1_048_574 - 99):
        obj = scenes.face(f"Face {start}")
        recording = recordings.from_file(str(path), scene, start)
        grid = recording.placement.grid(4.0)
        take = dialled(scenes.performance(4.0, jawOpen=lambda time: time % 0.5), Dials(rest=0.0))
        bake.Bake(recording, (targets.target_for(obj),), dials=Dials(rest=0.0)).write(bake.Heard(take, grid))
        found = scenes.values(obj.data.shape_keys, scenes.shape_path("jawOpen"))
        assert [frame for frame, _ in found] == list(range(start, start + 100))
    with pytest.raises(RigError, match="would end at frame 1,048,575"):
        recordings.from_file(str(path), scene, 1_048_574 - 98).placement.grid(4.0)


def test_a_strip_far_right_is_refused(tmp_path):
    path = scenes.click(tmp_path / "a.wav", 1.0)
    strip = scenes.sequencer(25).new_sound("a", str(path), 1, 1)
    strip.frame_start = 17_000_000
    with pytest.raises(RigError, match="Blender's frames"):
        strips.from_strip(strip, bpy.context.scene)
