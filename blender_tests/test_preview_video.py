"""`bake --render`: what cannot become a film is refused before the bake, and a film has all the frames it should."""

from __future__ import annotations

import json

import bpy
import numpy as np
import pytest
from mouthpiece.errors import PictureError

from addon import compat
from addon.command import parser as command_parser
from addon.command import preview_video
from addon.sound import recordings
from addon.targets.portrait import film_encoder
from blender_tests import scenes

#: What lines do, without what is between them (see conftest).
LINES_ALONE = True
#: Frames of the line, at 25 a second.
COUNT = 12

films = pytest.mark.skipif(not bpy.app.build_options.codec_ffmpeg, reason="this Blender cannot write films")


@pytest.fixture(scope="module")
def voice(tmp_path_factory):
    return scenes.murmur(tmp_path_factory.mktemp("voice") / "line.wav", COUNT / 25)


@pytest.fixture
def scene():
    """Give a scene that renders in no time: a camera, and a face."""
    scene = bpy.context.scene
    camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    camera.location, camera.rotation_euler = (0, -5, 0), (np.pi / 2, 0, 0)
    scene.collection.objects.link(camera)
    scene.camera = camera
    scene.render.engine = "BLENDER_WORKBENCH"
    scene.render.resolution_x = scene.render.resolution_y = 64
    scene.render.fps = 25
    scenes.face()
    return scene


def bake(voice, film, *more):
    return command_parser.main(["bake", "--audio", str(voice), "--object", "Face", "--render", str(film), *more])


def measured(path):
    """Return the number of frames of a film, and its size."""
    clip = bpy.data.movieclips.load(str(path))
    try:
        return clip.frame_duration, tuple(clip.size)
    finally:
        bpy.data.movieclips.remove(clip)


def settings(scene):
    """Return all settings that a film is made with."""
    render = scene.render
    values = [getattr(render, name) for name in preview_video._RENDER]
    values += [getattr(render.ffmpeg, name) for name in preview_video._FFMPEG]
    return values, scene.frame_start, scene.frame_end, scene.frame_step, render.image_settings.file_format


@films
@pytest.mark.parametrize("start", [-20, -11, -3, 0, 1])
def test_a_film_has_all_frames_wherever_it_starts(scene, voice, tmp_path, start, capsys):
    before = settings(scene)
    film = tmp_path / "film.mp4"
    assert bake(voice, film, "--start", str(start), "--json") == 0
    report = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    assert (report["first"], report["last"]) == (start, start + COUNT - 1)
    assert measured(film) == (COUNT, (64, 64)) and settings(scene) == before
    heard = recordings.open_file(film).whole().samples
    assert np.abs(heard[: len(heard) // 2]).max() > 0.05


@films
@pytest.mark.parametrize(
    ("change", "size"),
    [
        ({"resolution_x": 65}, (64, 64)),
        ({"resolution_x": 67, "resolution_y": 41}, (66, 40)),
        ({"resolution_percentage": 33, "resolution_x": 200, "resolution_y": 100}, (66, 32)),
        ({"use_border": True}, (64, 64)),
        ({"use_border": True, "use_crop_to_border": True, "border_max_x": 0.55, "border_max_y": 0.5}, (28, 26)),
        ({"use_border": True, "use_crop_to_border": True, "border_min_x": 0.12, "border_max_x": 1.0}, (56, 44)),
        ({"use_multiview": True}, (64, 64)),
    ],
    ids=str,
)
@pytest.mark.parametrize("start", ["1", "-30"])
def test_odd_sizes_regions_and_views_become_a_film(scene, voice, tmp_path, change, size, start, capsys):
    scene.render.border_min_x = scene.render.border_min_y = 0.1
    scene.render.border_max_x = scene.render.border_max_y = 0.8
    for name, value in change.items():
        setattr(scene.render, name, value)
    before = settings(scene)
    film = tmp_path / "film.mp4"
    assert bake(voice, film, "--start", start) == 0
    assert measured(film) == (COUNT, size) and settings(scene) == before
    said = capsys.readouterr().err
    plain = change == {"use_border": True}
    assert ("Sides of a film are even" in said or "one view" in said) == (not plain)


@films
def test_parts_of_two_gigabytes_are_no_reason_for_another_name(scene, voice, tmp_path):
    scene.render.ffmpeg.use_autosplit = True
    assert bake(voice, tmp_path / "film.mkv") == 0
    assert [path.name for path in tmp_path.iterdir()] == ["film.mkv"] and scene.render.ffmpeg.use_autosplit


@films
def test_stretched_time_has_the_frames_of_the_timeline(scene, voice, tmp_path):
    scene.render.frame_map_old, scene.render.frame_map_new = 100, 50
    for start in ("1", "-40"):
        film = tmp_path / f"film{start}.mp4"
        assert bake(voice, film, "--start", start) == 0
        assert measured(film)[0] in (COUNT, COUNT + 1)


@films
@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"resolution_percentage": 1}, "renders 0 x 0 pixels"),
        ({"resolution_x": 12}, "renders 12 x 64 pixels"),
        ({"resolution_x": 20_000}, "renders 20000 x 64 pixels"),
        ({"use_border": True, "use_crop_to_border": True, "border_max_x": 0.2}, "render region leaves"),
        ({"use_border": True, "use_crop_to_border": True, "border_max_y": 0.05}, "render region leaves"),
    ],
    ids=str,
)
def test_what_cannot_be_a_film_is_refused_before_the_bake(scene, voice, tmp_path, change, says, capsys):
    scene.render.border_min_x = scene.render.border_min_y = 0.1
    for name, value in change.items():
        setattr(scene.render, name, value)
    before = scenes.state()
    assert bake(voice, tmp_path / "film.mp4") == 1
    assert says in capsys.readouterr().err
    assert scenes.state() == before and not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["film.webm", "film.AVI", "film.png", "film.blend", "film.wav"])
def test_names_of_other_files_are_bad_arguments(scene, voice, tmp_path, name, capsys):
    before = scenes.state()
    assert bake(voice, tmp_path / name) == 2
    assert "is not the name of a film: let it end in .m4v, .mkv, .mov, .mp4" in capsys.readouterr().err
    assert scenes.state() == before and not list(tmp_path.iterdir())


def test_scene_and_film_cannot_be_one_file(scene, voice, tmp_path, capsys):
    assert bake(voice, tmp_path / "one", "--output", str(tmp_path / "one")) == 2
    assert "name the same file" in capsys.readouterr().err and not list(tmp_path.iterdir())


@films
def test_a_film_that_lacks_frames_is_an_error(scene, voice, tmp_path, monkeypatch, capsys):
    real = preview_video._aim

    def shortened(shown, full):
        found = real(shown, full)
        shown.frame_end -= 3
        return found

    monkeypatch.setattr(preview_video, "_aim", shortened)
    assert bake(voice, tmp_path / "film.mp4") == 1
    assert "has 9 of 12 frames" in capsys.readouterr().err


@films
def test_a_portraits_film_that_lacks_frames_is_an_error(tmp_path, monkeypatch):
    picture = bpy.data.images.new("frame", 32, 32)
    picture.filepath_raw, picture.file_format = str(tmp_path / "frame_0.png"), "PNG"
    picture.save()
    film = film_encoder.Film((str(tmp_path / "frame_0.png"),) * 4, "", str(tmp_path / "film.mp4"), 32, 32, 25, 1.0)

    real = film_encoder.counted_frames

    def shortened():
        for shown in bpy.data.scenes:
            shown.frame_end = 2
        return real()

    monkeypatch.setattr(film_encoder, "counted_frames", shortened)
    with pytest.raises(PictureError, match="2 of its 4 frames were written"):
        film_encoder.here(film)


def test_pictures_in_place_of_a_film_have_frames_below_zero_too(scene, voice, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(compat, "use_video_output", lambda settings: False)
    assert bake(voice, tmp_path / "film.mp4", "--start", "-5") == 0
    assert len(list((tmp_path / "film").iterdir())) == COUNT
    assert "cannot write video" in capsys.readouterr().err


def test_pictures_instead_of_a_film_replace_nothing_unasked(scene, voice, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(compat, "use_video_output", lambda settings: False)
    mine = tmp_path / "out" / "frame_0001.png"
    mine.parent.mkdir()
    mine.write_text("mine")
    assert bake(voice, tmp_path / "out.mp4") == 1 and "Choose another place" in capsys.readouterr().err
    assert mine.read_text() == "mine" and [path.name for path in mine.parent.iterdir()] == [mine.name]
    mine.unlink()
    assert bake(voice, tmp_path / "out.mp4") == 0 and mine.read_bytes()[:4] == b"\x89PNG"
    assert bake(voice, tmp_path / "out.mp4") == 1
    assert bake(voice, tmp_path / "out.mp4", "--force") == 0
