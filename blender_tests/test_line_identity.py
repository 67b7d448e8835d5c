"""A line is what is heard, not where its file lies: it is replaced and not doubled, and nothing private is kept."""

from __future__ import annotations

import json
import shutil
import warnings
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

import bpy
import numpy as np
import pytest
from mouthpiece.curves import FrameGrid
from mouthpiece.errors import AudioError
from mouthpiece.motion.dials import Dials, dialled

from addon import compat, targets
from addon.bake import redial
from addon.bake.bake import Bake, Heard
from addon.keys import kept_takes, ledgers
from addon.sound import recordings, soundtrack, strips, timeline
from blender_tests import scenes

JAW = scenes.shape_path("jawOpen")


def animate(obj, recording, value=0.5, seconds=2.0):
    """Write a line as if its sound had been heard."""
    place = recording.placement
    grid = place.grid(seconds)
    raw = Dials(rest=0.0)  # nothing is keyed around lines
    take = dialled(scenes.performance(seconds, jawOpen=value), raw)
    return Bake(recording, (targets.target_for(obj),), dials=raw).write(Heard(take, grid))


def lines(obj):
    return redial.dialled_lines(obj)


def keys(obj):
    """Return the first and last frame of the jaw's keys, and their number."""
    found = scenes.values(obj.data.shape_keys, JAW)
    return found[0][0], found[-1][0], len(found)


def from_file(path, start=1):
    scene = bpy.context.scene
    scene.render.fps = 25
    return recordings.from_file(str(path), scene, start)


@pytest.fixture
def wav(tmp_path):
    folder = tmp_path / "project"
    folder.mkdir()
    return scenes.murmur(folder / "line.wav", 2.0)


def test_a_file_that_moved_and_was_renamed_is_the_same_line(wav, tmp_path):
    obj = scenes.face()
    animate(obj, from_file(wav))
    moved = tmp_path / "elsewhere" / "take 2.wav"
    moved.parent.mkdir()
    wav.rename(moved)
    animate(obj, from_file(moved, 11), 0.7)
    assert len(lines(obj)) == 1 and keys(obj) == (11, 60, 50)
    assert ledgers.read(obj.data.shape_keys).lines[0].sound == lines(obj)[0].sound


def test_other_files_are_other_lines(wav, tmp_path):
    obj = scenes.face()
    animate(obj, from_file(wav))
    other = tmp_path / "line.wav"
    scenes.click(other, 1.0, 2.0)
    animate(obj, from_file(other, 101))
    assert len(lines(obj)) == 2 and keys(obj) == (1, 150, 100)


def test_a_file_recorded_again_replaces_the_whole_of_the_longer_line(wav):
    obj = scenes.face()
    animate(obj, from_file(wav), seconds=3.0)
    scenes.click(wav, 1.0, 2.0)
    animate(obj, from_file(wav), 0.7)
    assert len(lines(obj)) == 1 and keys(obj) == (1, 50, 50)
    assert lines(obj)[0].content == from_file(wav).content


def old_line(obj, sound):
    """Make the line of an object one of 0.4.0, noted under ``sound``."""
    (line,) = lines(obj)
    kept_takes.rename(line.home, line.sound, sound)
    stored = json.loads(line.home.holder[ledgers.PROPERTY])
    for _, entry in stored["lines"].values():
        for name in ("content", "begin", "place"):
            del entry[name]
        entry["label"] = f"'{sound.partition(':')[2]}'"
    line.home.holder[ledgers.PROPERTY] = json.dumps(stored)
    (line,) = lines(obj)
    assert line.sound == sound and kept_takes.motion(line).seconds


@pytest.mark.parametrize("moved", [False, True])
def test_a_line_of_040_is_taken_over_and_its_path_forgotten(wav, tmp_path, moved):
    obj = scenes.face()
    animate(obj, from_file(wav))
    old_line(obj, f"file:{wav}")
    if moved:
        wav = Path(shutil.move(wav, tmp_path / "line.wav"))
    animate(obj, from_file(wav), 0.7)
    assert len(lines(obj)) == 1 and keys(obj) == (1, 50, 50)
    action = obj.data.shape_keys.animation_data.action
    assert str(tmp_path) not in action[ledgers.PROPERTY]
    assert sum(key.startswith(ledgers.TAKE_PREFIX) for key in action.keys()) == 1


def strip_of(wav, name, start=1, first=0, last=0):
    made = scenes.sequencer(25).new_sound(name, str(wav), 1, start)
    made.name = name
    made.frame_offset_start, made.frame_offset_end = first, last
    return made


def from_strip(strip):
    return strips.from_strip(strip, bpy.context.scene)


def test_a_renamed_strip_and_one_made_again_are_the_same_line(wav):
    obj = scenes.face()
    strip = strip_of(wav, "Line 7")
    animate(obj, from_strip(strip))
    strip.name = "Line 8"
    animate(obj, from_strip(strip), 0.6)
    assert [line.sound for line in lines(obj)] == ["strip:Scene/Line 8"]
    compat.strips_of(bpy.context.scene.sequence_editor).remove(strip)
    animate(obj, from_strip(strip_of(wav, "Again", first=3)), 0.7)
    assert [line.sound for line in lines(obj)] == ["strip:Scene/Again"] and keys(obj) == (4, 50, 47)


def test_two_uses_of_a_sound_and_its_pieces_are_lines_of_their_own(wav):
    obj = scenes.face()
    animate(obj, from_strip(strip_of(wav, "one")))
    animate(obj, from_strip(strip_of(wav, "two", 101)))
    assert len(lines(obj)) == 2
    compat.strips_of(bpy.context.scene.sequence_editor).remove(strips.find_strip(bpy.context.scene, "one"))
    animate(obj, from_strip(strip_of(wav, "piece", 201, 25)))
    animate(obj, from_strip(strip_of(wav, "other piece", 201, 0, 25)))
    compat.strips_of(bpy.context.scene.sequence_editor).remove(strips.find_strip(bpy.context.scene, "piece"))
    animate(obj, from_strip(strip_of(wav, "third", 201, 0, 25)))  # overlaps the other piece, which is still there
    assert {line.sound for line in lines(obj)} >= {"strip:Scene/one", "strip:Scene/two", "strip:Scene/piece"}


def test_a_renamed_sound_is_the_same_line(wav):
    obj, sound = scenes.face(), bpy.data.sounds.load(str(wav))
    bpy.context.scene.render.fps = 25
    animate(obj, recordings.from_sound(sound, bpy.context.scene, 1))
    sound.name = "Renamed"
    animate(obj, recordings.from_sound(sound, bpy.context.scene, 21))
    assert [line.sound for line in lines(obj)] == ["sound:Renamed"] and keys(obj) == (21, 70, 50)


def test_a_failing_bake_leaves_the_old_name(wav, tmp_path, monkeypatch):
    obj = scenes.face()
    animate(obj, from_file(wav))
    old_line(obj, f"file:{wav}")
    before = scenes.state()
    monkeypatch.setattr(kept_takes, "keep", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        animate(obj, from_file(wav), 0.7)
    assert scenes.state() == before


def test_a_drawn_and_a_rendered_line_are_taken_over(wav):
    from addon.targets.grease_pencil import ledgers as drawn
    from addon.targets.grease_pencil.target import StrokesTarget
    from addon.targets.portrait import lines as portrait_lines
    from addon.targets.portrait.target import PortraitTarget

    mesh = bpy.data.meshes.new("portrait")
    mesh[portrait_lines.PROPERTY] = json.dumps([["old", 1, 5], ["other", 6, 9]])
    mesh[drawn.PROPERTY] = json.dumps({"takes": [{"sound": "old", "first": 1, "last": 5, "layers": {}}]})
    before = dict(mesh.items())
    with ExitStack() as undo:
        PortraitTarget.rename_line(mesh, "old", "new", undo)
        StrokesTarget.rename_line(mesh, "old", "new", undo)
        assert [line.sound for line in portrait_lines.order(mesh)] == ["new", "other"]
        assert drawn.read(mesh).line("new") is not None and drawn.read(mesh).line("old") is None
    assert dict(mesh.items()) == before


def test_nothing_private_is_saved(tmp_path, monkeypatch):
    """A sound from the user's own folder, and a scene that goes to somebody else."""
    home, project = tmp_path / "home" / "ada lovelace", tmp_path / "project"
    for folder in (home / "sounds", project / "audio"):
        folder.mkdir(parents=True)
    monkeypatch.setattr(Path, "home", lambda: home)
    blend = project / "shot.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(blend), compress=False)
    take = scenes.performance(2.0, jawOpen=0.5).save(home / "sounds" / "line.npz")
    obj = scenes.face()
    recording = from_file(take)
    for message in Bake(recording, (targets.target_for(obj),)).steps():
        Bake(recording, (targets.target_for(obj),)).write(message)
    portrait = bpy.data.meshes.new("drawn")
    kept_takes.keep(ledgers.Home(portrait), lines(obj)[0], scenes.performance(1.0))
    portrait.use_fake_user = True
    bpy.ops.wm.save_mainfile(compress=False)
    assert b"lovelace" not in blend.read_bytes()
    assert b"line.npz" in blend.read_bytes()
    sound = scenes.murmur(project / "audio" / "line.wav")
    animate(obj, from_file(sound), seconds=1.5)
    assert [line.place for line in lines(obj)][-1] == "//audio/line.wav"


def test_a_film_finds_its_sound_again(tmp_path, monkeypatch):
    from addon.sound import contents

    blend = tmp_path / "shot.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(blend))
    obj, sound = scenes.face(), scenes.murmur(tmp_path / "line.wav", 2.0)
    animate(obj, from_file(sound))
    (line,) = lines(obj)
    monkeypatch.setattr(contents, "_places", {})  # another session

    def heard():
        found, remarks = soundtrack.heard([line], bpy.context.scene)
        return [Path(track.recording.path).name for track in found], remarks

    assert heard() == (["line.wav"], [])
    sound.rename(tmp_path / "renamed.wav")
    names, remarks = heard()
    assert not names and "'line.wav' is not found" in remarks[0]
    bpy.data.sounds.load(str(tmp_path / "renamed.wav"))
    assert heard() == (["renamed.wav"], [])


def test_a_path_beside_the_file_is_taken_without_complaint(tmp_path):
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    scenes.murmur(tmp_path / "line.wav")
    settings, obj = bpy.context.scene.mouthpiece, scenes.face()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        settings.filepath = "//line.wav"
        obj.mouthpiece.style_sound = obj.mouthpiece.style_file = "//line.wav"
        obj.mouthpiece_portrait.output = obj.mouthpiece_portrait.generator = "//line.wav"
    assert from_file(settings.filepath).path == str(tmp_path / "line.wav")


def test_a_missing_file_is_told_in_words():
    with pytest.raises(AudioError, match=r"'line\.wav' is not found"):
        recordings.found("", "//nowhere/line.wav")


def test_a_line_tells_which_second_is_heard():
    grid = asdict(FrameGrid(25.0, 11.0, 11, 60, -4.0))
    line = kept_takes.KeptLine("a", "a", grid, begin=9.0)
    assert line.second_at(36) == pytest.approx(6.0)


def test_a_file_that_moved_is_not_put_into_the_sequencer_twice(wav, tmp_path):
    scene = bpy.context.scene
    timeline.put(scene, from_file(wav))
    (strip,) = compat.all_strips(scene)
    copied = Path(shutil.copy(wav, tmp_path / "copy.wav"))
    timeline.put(scene, from_file(copied, 21))
    assert compat.all_strips(scene) == [strip] and compat.strip_times(strip).left == 21
    other = scenes.click(tmp_path / "other.wav", 1.0, 2.0)
    timeline.put(scene, from_file(other, 21))
    assert len(compat.all_strips(scene)) == 2


def test_a_file_is_put_where_it_is_heard_with_stretched_time(wav):
    scene = bpy.context.scene
    scene.render.frame_map_old, scene.render.frame_map_new = 100, 200
    timeline.put(scene, from_file(wav, 31))
    (strip,) = compat.all_strips(scene)
    assert compat.strip_times(strip).left == 31
    assert from_strip(strip).placement.origin == from_file(wav, 31).placement.origin == 15.5


def test_a_film_plays_a_strip_as_loud_and_as_long_as_it_is_now(wav):
    obj, strip = scenes.face(), strip_of(wav, "Line 7")
    animate(obj, from_strip(strip))

    def mixed():
        found, remarks = soundtrack.heard(lines(obj), bpy.context.scene)
        assert not remarks
        return np.abs(soundtrack.mixed(found, 25.0, 1, 50)).max(axis=1)

    usual = mixed()
    strip.volume, strip.frame_offset_start = 0.5, 25
    now = mixed()
    assert not now[: soundtrack.RATE - 10].any()
    np.testing.assert_allclose(now[soundtrack.RATE + 10 :], usual[soundtrack.RATE + 10 :] / 2, atol=1e-3)
    strip.mute = True
    assert "is muted" in soundtrack.heard(lines(obj), bpy.context.scene)[1][0]
