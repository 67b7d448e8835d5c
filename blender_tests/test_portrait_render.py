"""Portraits rendered: frames and films, recorded, resumed, placed; nothing replaced unasked, the scene untouched."""

from __future__ import annotations

import dataclasses
import errno
import os
import sys
import wave
from pathlib import Path

import bpy
import numpy as np
import pytest
from mouthpiece.errors import PictureError
from mouthpiece.provenance import records
from mouthpiece.provenance.sequences import Frames

from addon import compat
from addon.jobs import Job
from addon.sound import soundtrack
from addon.targets.portrait import film_encoder, playback, render_setup
from addon.targets.portrait import lines as portrait_lines
from blender_tests import portraits, scenes


@pytest.fixture
def line(tmp_path):
    return portraits.take(tmp_path / "line.npz")


def render(**options):
    return bpy.ops.mouthpiece.render_portrait(**options)


def frames_of(obj, first, last):
    from mouthpiece.portrait.draw.generator import shipped_generator
    from mouthpiece.portrait.draw.render import Renderer, RenderOptions

    renderer = Renderer(playback.portrait_of(obj, 320), shipped_generator(), RenderOptions(longest=320))
    return list(renderer.frames(portrait_lines.played(obj, 24.0, first, last), 24.0))


def stamps(folder):
    return {path.name: path.stat().st_mtime_ns for path in sorted(folder.glob("*.png"))}


def test_frames_are_those_of_the_renderer_and_carry_the_record(tmp_path, line):
    obj = portraits.portrait(media="FRAMES", output=str(tmp_path / "frames"))
    portraits.speak(line, start=11)
    before = scenes.state()
    assert render() == {"FINISHED"}
    assert scenes.state() == before
    files = sorted((tmp_path / "frames").glob("*.png"))
    assert [path.name for path in files] == [f"astronaut_{number:04d}.png" for number in range(11, 21)]
    for path, frame in zip(files, frames_of(obj, 11, 20), strict=True):
        assert (portraits.read(path)[..., :3] == frame[..., :3]).all()
    facts = records.read(files[3]).facts
    assert facts.consent.statement == portraits.STATEMENT and facts.consent.kind == "stated"
    assert facts.frame == 3 and facts.sound_sha256 == "ab" * 32 and len(facts.picture_sha256) == 64
    assert records.is_content_of(files[3], facts)


def test_results_are_signed_and_a_changed_one_is_found_out(tmp_path, line):
    from mouthpiece.provenance.credentials import library
    from mouthpiece.provenance.verification import verified

    try:
        library()
    except PictureError as error:
        pytest.skip(str(error))
    portraits.portrait(media="FRAMES", output=str(tmp_path / "frames"))
    portraits.speak(line)
    assert render() == {"FINISHED"}
    frame = tmp_path / "frames" / "astronaut_0002.png"
    assert records.read(frame).facts.signature == "self-signed"
    assert verified(frame).signature == "valid" and not verified(frame).problems
    data = bytearray(frame.read_bytes())
    data[-40] ^= 1
    frame.write_bytes(data)
    assert verified(frame).problems


def test_a_visible_mark_is_drawn_where_it_is_wanted(tmp_path, line):
    from mouthpiece.provenance.marks import marked

    obj = portraits.portrait(media="FRAMES", output=str(tmp_path / "frames"), mark=True)
    portraits.speak(line)
    assert render() == {"FINISHED"}
    path = tmp_path / "frames" / "astronaut_0001.png"
    assert (portraits.read(path)[..., :3] == marked(frames_of(obj, 1, 10)[0])[..., :3]).all()
    assert records.read(path).facts.marked


def test_the_warp_alone_and_networks_of_ones_own(tmp_path, line):
    obj = portraits.portrait(media="FRAMES", output=str(tmp_path / "frames"), repair="FILE")
    portraits.speak(line)
    with pytest.raises(RuntimeError, match="No network is chosen"):
        render()
    obj.mouthpiece_portrait.generator = str(tmp_path / "none.onnx")
    with pytest.raises(RuntimeError, match="none"):
        render()
    obj.mouthpiece_portrait.repair = "NONE"
    assert render() == {"FINISHED"}
    facts = records.read(tmp_path / "frames" / "astronaut_0001.png").facts
    assert "portrait" not in facts.networks


def test_lines_of_another_frame_rate_are_told(line):
    obj = portraits.portrait(output="/tmp/never.mp4")
    portraits.speak(line, fps=24)
    bpy.context.scene.render.fps = 30
    _, remarks = render_setup.rendering_of(obj, bpy.context.scene)
    assert any("animated at 24 frames per second, the scene runs at 30" in remark for remark in remarks)


def test_without_consent_nothing_is_rendered(tmp_path, line):
    obj = portraits.portrait(media="FRAMES", output=str(tmp_path / "frames"), consent=False)
    portraits.speak(line)
    with pytest.raises(RuntimeError, match="No consent is given"):
        render()
    obj.mouthpiece_portrait.consent, obj.mouthpiece_portrait.statement = True, "ok"
    with pytest.raises(RuntimeError, match="says too little"):
        render()
    assert not (tmp_path / "frames").exists()


def test_what_is_missing_is_told(tmp_path, line):
    obj = portraits.portrait(output=str(tmp_path / "a.mp4"))
    with pytest.raises(RuntimeError, match="press Animate"):
        render()
    portraits.speak(line)
    obj.mouthpiece_portrait.output = "//a.mp4"
    with pytest.raises(RuntimeError, match="never saved"):
        render()
    obj.mouthpiece_portrait.output = ""
    with pytest.raises(RuntimeError, match="No place is chosen"):
        render()
    obj.mouthpiece_portrait.output = str(tmp_path)
    with pytest.raises(RuntimeError, match="is a folder"):
        render()


def test_a_stopped_rendering_goes_on_where_it_was(tmp_path, line):
    folder = tmp_path / "frames"
    obj = portraits.portrait(media="FRAMES", output=str(folder))
    portraits.speak(line, start=1)
    rendering, _ = render_setup.rendering_of(obj, bpy.context.scene)
    steps = rendering.steps()
    while len(list(folder.glob("*.png"))) < 4:
        next(steps)
    steps.close()
    (folder / "astronaut_0002.png").unlink()
    assert rendering.job.frames().done() == [number in (1, 3, 4) for number in range(1, 11)]
    assert "3 of 10 frames are kept" in rendering.resuming()
    there = stamps(folder)
    assert render() == {"FINISHED"}
    now = stamps(folder)
    assert len(now) == 10 and all(now[name] == stamp for name, stamp in there.items())
    whole = frames_of(obj, 1, 10)
    for number, frame in enumerate(whole, 1):
        assert (portraits.read(folder / f"astronaut_{number:04d}.png")[..., :3] == frame[..., :3]).all()


def test_a_job_can_be_cancelled_on_the_way(tmp_path, line):
    folder = tmp_path / "frames"
    obj = portraits.portrait(media="FRAMES", output=str(folder), span="SCENE")
    bpy.context.scene.frame_end = 2000
    portraits.speak(line, start=1)
    rendering, _ = render_setup.rendering_of(obj, bpy.context.scene)
    job = Job(rendering.steps())
    while not stamps(folder):
        job.wait(0.05)
    job.cancel()
    job.wait(20)
    assert not job.alive and 0 < len(stamps(folder)) < 2000 and not list(folder.glob(".*"))


def test_other_frames_are_not_replaced_unasked(tmp_path, line):
    folder = tmp_path / "frames"
    obj = portraits.portrait(media="FRAMES", output=str(folder))
    portraits.speak(line, start=1)
    folder.mkdir()
    (folder / "astronaut_0003.png").write_text("mine")
    (folder / "notes.txt").write_text("mine too")
    with pytest.raises(RuntimeError, match=r"one file that is not a frame of this portrait .*astronaut_0003.png"):
        render()
    assert (folder / "astronaut_0003.png").read_text() == "mine"
    assert sorted(path.name for path in folder.iterdir()) == ["astronaut_0003.png", "notes.txt"]
    with pytest.raises(RuntimeError, match="Move it away"):
        render(replace=True)
    assert (folder / "astronaut_0003.png").read_text() == "mine"
    (folder / "astronaut_0003.png").unlink()
    assert render() == {"FINISHED"} and len(stamps(folder)) == 10
    obj.mouthpiece.jaw = 0.3  # other frames
    there = stamps(folder)
    with pytest.raises(RuntimeError, match="of this portrait and these options"):
        render()
    assert stamps(folder) == there
    assert render(replace=True) == {"FINISHED"}
    assert all(stamp > there[name] for name, stamp in stamps(folder).items())
    assert (folder / "notes.txt").read_text() == "mine too"


def test_a_shorter_rendering_in_place_of_a_longer_one_leaves_none_of_its_frames(tmp_path, line):
    folder = tmp_path / "frames"
    obj = portraits.portrait(media="FRAMES", output=str(folder), span="SCENE")
    portraits.speak(line, start=1)
    bpy.context.scene.frame_start, bpy.context.scene.frame_end = 1, 8
    render()
    bpy.context.scene.frame_start, bpy.context.scene.frame_end = 3, 5
    assert render(replace=True) == {"FINISHED"}
    assert list(stamps(folder)) == [f"astronaut_{number:04d}.png" for number in (3, 4, 5)]
    assert obj.mouthpiece_portrait.span == "SCENE"


def test_frames_before_the_first_are_numbered_from_1(tmp_path, line):
    folder = tmp_path / "frames"
    portraits.portrait(media="FRAMES", output=str(folder))
    portraits.speak(line, start=-5)
    assert render() == {"FINISHED"}
    assert list(stamps(folder)) == [f"astronaut_{number:04d}.png" for number in range(1, 11)]


def test_a_full_disk_is_told_and_what_is_done_stays(tmp_path, line, monkeypatch):
    folder = tmp_path / "frames"
    obj = portraits.portrait(media="FRAMES", output=str(folder))
    portraits.speak(line, start=1)
    real, count = Path.write_bytes, [0]

    def full(self, data):
        count[0] += self.name.startswith(".mouthpiece-")
        if count[0] > 3:
            real(self, data[:100])
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(self, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(RuntimeError, match=r"No space left on device. 3 of 10 frames are kept"):
        render()
    monkeypatch.undo()
    assert len(stamps(folder)) == 3 and not list(folder.glob(".*"))
    assert render() == {"FINISHED"} and len(stamps(folder)) == 10
    assert obj.mouthpiece_portrait.media == "FRAMES"


def test_a_folder_that_cannot_be_written_to_is_told(tmp_path, line):
    (tmp_path / "file").write_text("no folder")
    portraits.portrait(media="FRAMES", output=str(tmp_path / "file" / "frames"))
    portraits.speak(line, start=1)
    with pytest.raises(RuntimeError, match="cannot be written to"):
        render()


def test_a_film_has_the_frames_in_their_colours_and_the_sound(tmp_path):
    if not film_encoder.can_encode():
        pytest.skip("this Blender cannot write films")
    obj = portraits.portrait(output=str(tmp_path / "out"))
    portraits.speak(scenes.murmur(tmp_path / "line.wav", 0.5), start=11)
    before = scenes.state(), len(bpy.data.images), bpy.context.scene.render.filepath
    assert render() == {"FINISHED"}
    film = tmp_path / "out.mp4"
    images = [image for image in bpy.data.images if image.name != "Render Result"]
    assert (scenes.state(), len(images), bpy.context.scene.render.filepath) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["line.wav", "out.mp4"]
    facts = records.read(film).facts
    assert facts.consent.statement == portraits.STATEMENT and records.is_content_of(film, facts)
    movie = bpy.data.images.load(str(film))
    assert movie.source == "MOVIE" and tuple(movie.size) == (320, 320) and movie.frame_duration == 12
    seen, frame = portraits.colours(movie)[..., :3], frames_of(obj, 11, 22)[0][..., :3]
    assert np.abs(seen - frame).mean() < 4  # of 255: H.264 at high quality
    strips = scenes.sequencer()
    heard = strips.new_sound("film", str(film), 1, 1)
    assert compat.strip_length(heard) == pytest.approx(12, abs=1)


def test_a_film_that_exists_is_not_replaced_unasked_and_its_frames_can_be_kept(tmp_path, line):
    obj = portraits.portrait(output=str(tmp_path / "out.mov"), keep_frames=True)
    portraits.speak(line, start=1)
    (tmp_path / "out.mov").write_text("mine")
    with pytest.raises(RuntimeError, match=r"out.mov' exists"):
        render()
    assert (tmp_path / "out.mov").read_text() == "mine" and not (tmp_path / "out_frames").exists()
    assert render(replace=True) == {"FINISHED"}
    assert len(stamps(tmp_path / "out_frames")) == 10 and (tmp_path / "out.mov").stat().st_size > 1000
    assert obj.mouthpiece_portrait.keep_frames


def test_a_failed_film_leaves_its_frames_and_no_film(tmp_path, line, monkeypatch):
    portraits.portrait(output=str(tmp_path / "out.mp4"))
    portraits.speak(line, start=1)

    def fail(film):
        raise RuntimeError("no encoder")

    monkeypatch.setattr(film_encoder, "encode", fail)
    with pytest.raises(RuntimeError, match=r"could not be encoded: no encoder. Its frames are in"):
        render()
    assert len(stamps(tmp_path / "out_unfinished")) == 10 and not (tmp_path / "out.mp4").exists()
    monkeypatch.undo()
    there = stamps(tmp_path / "out_unfinished")
    monkeypatch.setattr(Frames, "remove", lambda self: None)
    assert render() == {"FINISHED"} and stamps(tmp_path / "out_unfinished") == there


def test_kept_frames_stay_whatever_is_rendered_after_them(tmp_path, line):
    """Frames to be taken away are nowhere near those that an earlier run kept, where one may be missing or broken."""
    obj = portraits.portrait(output=str(tmp_path / "out.mp4"), keep_frames=True)
    portraits.speak(line, start=1)
    assert render() == {"FINISHED"}
    kept = tmp_path / "out_frames"
    (kept / "astronaut_0003.png").unlink()
    there = {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in kept.iterdir()}
    obj.mouthpiece_portrait.keep_frames = False
    assert render(replace=True) == {"FINISHED"}
    assert {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in kept.iterdir()} == there
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix != ".npz") == ["out.mp4", "out_frames"]
    (tmp_path / "out.mp4").unlink()
    assert render() == {"FINISHED"} and len(stamps(kept)) == 9  # nothing is in the way


def test_what_is_rendered_is_placed_and_placed_anew(tmp_path):
    obj = portraits.portrait(output=str(tmp_path / "out.mp4"), sequencer=True, plane=True)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"))
    portraits.speak(scenes.murmur(tmp_path / "line.wav", 0.5), start=11)
    assert render() == {"FINISHED"}
    settings, found = obj.mouthpiece_portrait, portraits.strips()
    assert {name: strip.type for name, strip in found.items()} == {"astronaut": "MOVIE", "line": "SOUND"}
    for strip in found.values():
        times = compat.strip_times(strip)
        assert times.left == 11 and times.right == pytest.approx(23, abs=1)
    assert found["astronaut"].channel > found["line"].channel
    assert settings.rendered.source == "MOVIE" and settings.rendered.filepath == "//out.mp4"
    settings.media, settings.output = "FRAMES", "//frames"
    assert render() == {"FINISHED"}
    found = portraits.strips()
    assert {name: strip.type for name, strip in found.items()} == {"astronaut": "IMAGE", "line": "SOUND"}
    assert compat.strip_times(found["astronaut"]).left == 11 and compat.strip_times(found["astronaut"]).right == 23
    names = [element.filename for element in found["astronaut"].elements]
    assert names == [f"astronaut_{number:04d}.png" for number in range(11, 23)]
    assert settings.rendered.source == "SEQUENCE" and settings.shown == "FRAMES"
    node = next(n for n in obj.material_slots[0].material.node_tree.nodes if n.bl_idname == "ShaderNodeTexImage")
    user = node.image_user
    assert node.image == settings.rendered
    assert (user.frame_start, user.frame_duration, user.frame_offset) == (11, 12, 10)
    settings.shown = "STILL"
    assert node.image == obj.mouthpiece_picture.image


@pytest.mark.parametrize("kind", ["missing", "a playlist", "a pipe", "another sound"])
def test_a_packed_sound_is_heard_whatever_lies_where_it_was(tmp_path, kind):
    obj = portraits.portrait(media="FRAMES", output=str(tmp_path / "frames"), sequencer=True, longest=64)
    obj.mouthpiece_portrait.repair = "NONE"
    scene, path = bpy.context.scene, scenes.murmur(tmp_path / "line.wav", 0.4)
    packed = bpy.data.sounds.load(str(path))
    packed.pack()
    scene.render.fps, scene.mouthpiece.source, scene.mouthpiece.sound = 24, "SOUND", packed
    assert bpy.ops.mouthpiece.animate() == {"FINISHED"}
    path.unlink()
    os.mkfifo(tmp_path / "pipe.wav")
    if kind == "a playlist":
        path.write_text("ffconcat version 1.0\nfile 'pipe.wav'\n")
    elif kind == "a pipe":
        os.mkfifo(path)
    elif kind == "another sound":
        scenes.click(path, 0.1, 1.0)
    for _ in range(2):
        assert render() == {"FINISHED"}
        strip = portraits.strips()["line"]
        assert strip.sound == packed and list(bpy.data.sounds) == [packed] and len(portraits.strips()) == 2
        assert compat.strip_times(strip)[:2] == pytest.approx((1, 11), abs=1)


def test_a_sound_that_became_a_playlist_is_not_put_into_the_sequencer(tmp_path):
    portraits.portrait(media="FRAMES", output=str(tmp_path / "frames"), sequencer=True, longest=64, repair="NONE")
    path = scenes.murmur(tmp_path / "line.wav", 0.4)
    portraits.speak(path)
    strips = bpy.context.scene.sequence_editor
    for strip in compat.all_strips(bpy.context.scene):
        compat.strips_of(strips).remove(strip)
    os.mkfifo(tmp_path / "pipe.wav")
    path.write_text("ffconcat version 1.0\nfile 'pipe.wav'\n")
    assert render() == {"FINISHED"} and list(portraits.strips()) == ["astronaut"]
    assert "list of files" in bpy.context.window_manager.mouthpiece.remarks


@pytest.mark.skipif(sys.platform != "linux", reason="names of files are Unicode elsewhere")
def test_a_folder_whose_name_is_no_text(tmp_path, line):
    """As folders of old archives have them: Blender's sequencer knows UTF-8 only."""
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    obj = portraits.portrait(output=str(folder / "out.mp4"), sequencer=True, longest=64, repair="NONE")
    portraits.speak(line)
    with pytest.raises(RuntimeError, match="not UTF-8"):
        render()
    assert not list(folder.iterdir())
    obj.mouthpiece_portrait.media, obj.mouthpiece_portrait.output = "FRAMES", str(folder / "frames")
    assert render() == {"FINISHED"} and len(stamps(folder / "frames")) == 10
    assert "not UTF-8" in bpy.context.window_manager.mouthpiece.remarks and not portraits.strips()
    with pytest.raises(RuntimeError, match=r"Blender cannot open 'line.wav': its name, or that of a folder"):
        portraits.speak(scenes.murmur(folder / "line.wav", 0.4))


def test_a_plane_shows_no_more_frames_than_blender_has(tmp_path, line, capfd):
    obj = portraits.portrait(media="FRAMES", output=str(tmp_path / "frames"), plane=True, longest=64, repair="NONE")
    portraits.speak(line)
    assert render() == {"FINISHED"}
    obj.mouthpiece_portrait.first, obj.mouthpiece_portrait.last = -(2**31), 2**31 - 1
    obj.mouthpiece_portrait.shown = "STILL"
    obj.mouthpiece_portrait.shown = "FRAMES"
    assert "Traceback" not in capfd.readouterr().err


def test_very_many_frames_are_several_strips_in_a_row(tmp_path, line, monkeypatch):
    monkeypatch.setattr(film_encoder, "MOST", 4)
    portraits.portrait(media="FRAMES", output=str(tmp_path / "frames"), sequencer=True)
    portraits.speak(line, start=11)
    for _ in range(2):  # rendering again puts them in the same place
        assert render() == {"FINISHED"}
        found = sorted(portraits.strips().values(), key=lambda strip: compat.strip_times(strip).left)
        assert [compat.strip_times(strip)[:2] for strip in found] == [(11, 15), (15, 19), (19, 21)]
        assert len({strip.channel for strip in found}) == 1
        names = [element.filename for strip in found for element in strip.elements]
        assert names == [f"astronaut_{number:04d}.png" for number in range(11, 21)]


def test_the_plane_and_the_strip_show_the_frame_of_their_time(tmp_path, line):
    """Rendered: the scene's frame 15 shows file 15, on the plane as in the sequencer."""
    obj = portraits.portrait(media="FRAMES", output=str(tmp_path / "frames"), sequencer=True, plane=True)
    portraits.speak(line, start=11)
    assert render() == {"FINISHED"}
    for number in range(11, 21):  # each frame a grey of its own
        image = bpy.data.images.new("grey", 320, 320)
        image.generated_color = (number / 32, number / 32, number / 32, 1.0)
        image.filepath_raw, image.file_format = str(tmp_path / "frames" / f"astronaut_{number:04d}.png"), "PNG"
        image.save()
        bpy.data.images.remove(image)
    obj.mouthpiece_portrait.rendered.reload()
    scene = bpy.context.scene
    scene.render.engine, scene.view_settings.view_transform = "BLENDER_WORKBENCH", "Standard"
    scene.display.shading.light, scene.display.shading.color_type = "FLAT", "TEXTURE"
    scene.render.resolution_x = scene.render.resolution_y = 32
    for use_strips in (False, True):
        scene.render.use_sequencer = use_strips
        for frame in (11, 15, 20):
            scene.frame_set(frame)
            scene.render.filepath = str(tmp_path / f"shot_{use_strips}_{frame}.png")
            bpy.ops.render.render(write_still=True)
            middle = portraits.read(scene.render.filepath)[16, 16, 0]
            assert middle == pytest.approx(frame / 32 * 255, abs=2), (use_strips, frame)


def test_a_soundtrack_lies_where_the_lines_are_heard(tmp_path):
    obj = portraits.portrait()
    portraits.speak(scenes.click(tmp_path / "click.wav", 0.25, seconds=1.0), start=13)
    tracks, remarks = soundtrack.heard(portrait_lines.spoken(obj), bpy.context.scene)
    assert not remarks and len(tracks) == 1
    samples = soundtrack.mixed(tracks, 24.0, 1, 48)
    assert samples.shape == (96_000, 1)
    assert int(np.abs(samples[:, 0]).argmax()) == pytest.approx((12 / 24 + 0.25) * 48_000, abs=1)
    cut = soundtrack.mixed(tracks, 24.0, 13, 6)  # shorter than the sound: its end is left out
    assert len(cut) == 12_000 and np.abs(cut).max() < 1e-3
    both = scenes.write_wav(tmp_path / "both.wav", np.full(24_000, 0.5), channels=2)
    portraits.speak(both, start=40)
    tracks, _ = soundtrack.heard(portrait_lines.spoken(obj), bpy.context.scene)
    wide = soundtrack.mixed(tracks, 24.0, 1, 60)
    assert wide.shape[1] == 2 and wide[int(39.5 / 24 * 48_000)] == pytest.approx(0.5, abs=0.01)
    soundtrack.write(wide, tmp_path / "mix.wav")
    with wave.open(str(tmp_path / "mix.wav")) as file:
        assert (file.getnchannels(), file.getframerate(), file.getnframes()) == (2, 48_000, 120_000)


def test_a_strip_is_heard_as_it_is_trimmed(tmp_path):
    strips = scenes.sequencer()
    strip = strips.new_sound("Line", str(scenes.click(tmp_path / "click.wav", 0.75, seconds=1.5)), 1, 1)
    strip.frame_final_start = 13  # half a second hidden: the click is heard at frame 19
    obj = portraits.portrait()
    bpy.context.scene.mouthpiece.source = "STRIP"
    assert bpy.ops.mouthpiece.animate() == {"FINISHED"}
    tracks, remarks = soundtrack.heard(portrait_lines.spoken(obj), bpy.context.scene)
    first, last = portrait_lines.span(obj)
    samples = soundtrack.mixed(tracks, 24.0, first, last - first + 1)
    assert first == 13 and not remarks
    assert int(np.abs(samples[:, 0]).argmax()) == pytest.approx(0.25 * 48_000, abs=1)
    strip.frame_start += 5
    assert "was moved" in soundtrack.heard(portrait_lines.spoken(obj), bpy.context.scene)[1][0]
    strips.remove(strip)
    tracks, remarks = soundtrack.heard(portrait_lines.spoken(obj), bpy.context.scene)
    assert not tracks and "no sound for" in remarks[0]


#: A program that stands for another Blender: it runs the last argument in this very Python.
_OTHER = """#!/bin/sh
[ "$1" = --version ] && { echo "Blender 9.9"; exit 0; }
for last; do :; done
exec %s -c "$last
import os
os._exit(0)"
"""


@pytest.fixture
def other(tmp_path):
    if not film_encoder.can_encode() or os.name != "posix":
        pytest.skip("this Blender cannot write films, or there is no shell")
    path = tmp_path / "blender"
    path.write_text(_OTHER % sys.executable)
    path.chmod(0o755)
    return str(path)


def films(folder, count, name="out.mp4"):
    """Write grey frames and return the film they are to become."""
    from mouthpiece.provenance.png import encoded

    places = []
    for index in range(count):
        path = folder / f"grey_{index + 1:04d}.png"
        path.write_bytes(encoded(np.full((64, 96, 4), (0, 0, 0, 0) if index % 2 else (90, 90, 90, 255), np.uint8)))
        places.append(str(path))
    return film_encoder.Film(tuple(places), "", str(folder / name), 96, 64, 25, 1.0, (1.0, 0.0, 0.0))


def test_another_blender_encodes_and_tells_how_far_it_is(tmp_path, other):
    assert film_encoder.is_blender(other)
    film = films(tmp_path, 8)
    shares = list(film_encoder.apart(film, other))
    assert shares == sorted(shares) and {1 / 8, 4 / 8, 1.0} <= set(shares)
    movie = bpy.data.images.load(film.path)
    assert movie.frame_duration == 8 and portraits.colours(movie)[32, 48, :3] == pytest.approx(90, abs=4)
    assert not (tmp_path / "out.film.json").exists()


def test_another_blender_can_be_stopped(tmp_path, other):
    steps = film_encoder.apart(films(tmp_path, 400), other)
    while next(steps) == 0.0:
        pass
    steps.close()
    assert not (tmp_path / "out.mp4").exists() and not (tmp_path / "out.film.json").exists()


def test_another_blender_that_fails_is_told(tmp_path, other):
    program = tmp_path / "blender"
    program.write_text(program.read_text().replace("os._exit(0)", "print('no room left'); os._exit(3)"))
    with pytest.raises(PictureError, match=r"could not be encoded: .*no room left"):
        list(film_encoder.apart(films(tmp_path, 2), other))
    with pytest.raises(PictureError, match="cannot be started"):
        list(film_encoder.apart(films(tmp_path, 2), str(tmp_path / "nowhere")))


def test_see_through_frames_stand_on_the_background(tmp_path):
    if not film_encoder.can_encode():
        pytest.skip("this Blender cannot write films")
    film = films(tmp_path, 2)
    film_encoder.here(dataclasses.replace(film, frames=film.frames[1:]))
    red = portraits.colours(bpy.data.images.load(film.path))[32, 48, :3]
    assert red == pytest.approx((255, 0, 0), abs=6)


def test_another_blender_is_told_from_other_programs():
    assert not film_encoder.is_blender("") and not film_encoder.is_blender("/bin/true")
    assert not film_encoder.is_blender("/nowhere/blender")


def test_a_film_that_is_too_small_is_refused_before_any_frame(tmp_path, line, monkeypatch):
    if not film_encoder.can_encode():
        pytest.skip("this Blender cannot write films")
    obj = portraits.portrait(media="VIDEO", output=str(tmp_path / "film.mp4"))
    portraits.speak(line)
    monkeypatch.setattr(film_encoder, "LEAST", 400)
    with pytest.raises(PictureError, match=r"Films of 320 x 320 pixels cannot be written.*400 on a side"):
        render_setup.rendering_of(obj, bpy.context.scene)
    obj.mouthpiece_portrait.media = "FRAMES"
    assert render_setup.rendering_of(obj, bpy.context.scene)[0].job.size == (320, 320)
    assert not list(tmp_path.glob("film*"))
