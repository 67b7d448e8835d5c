"""Portraits: made of any still image, given lines and dials, previewed, saved; whatever is wrong is told."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import bpy
import numpy as np
import pytest

from addon import scene_settings
from addon.keys import kept_takes
from addon.targets import target_for
from addon.targets.picture_rig import images
from addon.targets.picture_rig import landmarks as rig_landmarks
from addon.targets.picture_rig import settings as picture_settings
from addon.targets.portrait import lines as portrait_lines
from addon.targets.portrait import playback
from addon.targets.portrait import settings as portrait_settings
from blender_tests import portraits, scenes


@pytest.fixture
def line(tmp_path):
    return portraits.take(tmp_path / "line.npz")


def test_a_portrait_is_a_plane_that_shows_its_picture():
    obj = portraits.portrait()
    image = obj.mouthpiece_picture.image
    assert picture_settings.is_portrait(obj) and not picture_settings.is_rig(obj)
    assert tuple(image.size) == (320, 320) and tuple(obj.dimensions) == pytest.approx((2, 0, 2))
    nodes = [n for n in obj.material_slots[0].material.node_tree.nodes if n.bl_idname == "ShaderNodeTexImage"]
    assert [node.image for node in nodes] == [image]
    assert target_for(obj).kind == "PORTRAIT" and obj.mouthpiece_portrait.output == "//astronaut.mp4"
    assert bpy.context.scene.camera is not None
    marks = picture_settings.landmarks_of(obj)
    assert 40 < np.linalg.norm(marks.landmarks[45, :2] - marks.landmarks[36, :2]) < 80


def test_what_consent_may_rest_on_is_the_same_as_in_the_core():
    from mouthpiece.portrait import consent

    items = portrait_settings.MOUTHPIECE_PG_portrait.bl_rna.properties["kind"].enum_items
    assert {item.identifier.lower() for item in items} == set(consent.KINDS)


def test_a_line_is_kept_and_nothing_is_keyed(line):
    obj = portraits.portrait()
    portraits.speak(line, start=11)
    assert portrait_lines.span(obj) == (11, 20) and not bpy.data.actions
    portraits.speak(line, start=31)  # the same sound again: it moves
    assert portrait_lines.span(obj) == (31, 40) and len(portrait_lines.spoken(obj)) == 1
    assert bpy.ops.mouthpiece.remove_take() == {"FINISHED"}
    assert portrait_lines.span(obj) is None and not obj.data.keys()


def test_lines_play_on_their_frames_and_rest_between(tmp_path):
    obj = portraits.portrait()
    portraits.speak(portraits.take(tmp_path / "a.npz", opening=0.4), start=11)
    portraits.speak(portraits.take(tmp_path / "b.npz", opening=0.8), start=31)
    played = portrait_lines.played(obj, 24.0, 1, 50)
    jaw = played.arkit[:, played.arkit_names.index("jawOpen")]
    a, b = (
        kept_takes.motion(kept).arkit[:, played.arkit_names.index("jawOpen")] for kept in portrait_lines.spoken(obj)
    )
    assert len(played) == 50 and played.fps == 24.0
    assert jaw[:6].max() < 0.01 and jaw[10] == pytest.approx(a[0], abs=1e-4)  # before the first line, rest
    assert jaw[25] < 0.01 and jaw[19] > 0.1  # and between
    assert jaw[30] == pytest.approx(b[0], abs=1e-4) and jaw[45:].max() < 0.01
    assert np.abs(np.diff(played.head[40:], axis=0)).max() > 1e-4  # it lives
    times = (np.arange(31, 41) - 31) / 24 * 25
    assert jaw[30:40] == pytest.approx(np.interp(times, np.arange(len(b)), b), abs=0.01)


def test_with_raw_ends_the_face_stays_still_between_lines(tmp_path):
    obj = portraits.portrait()
    obj.mouthpiece.rest = 0
    portraits.speak(portraits.take(tmp_path / "a.npz", opening=0.4), start=11)
    portraits.speak(portraits.take(tmp_path / "b.npz", opening=0.8), start=31)
    jaw = portrait_lines.played(obj, 24.0, 1, 50).arkit[:, 24]
    assert jaw[:11] == pytest.approx(jaw[10], abs=1e-6) and jaw[40:] == pytest.approx(jaw[39], abs=1e-6)
    assert jaw[20:30] == pytest.approx(jaw[19], abs=1e-6) and jaw[19] > 0.1


def test_where_lines_overlap_the_one_baked_last_is_seen(tmp_path):
    obj = portraits.portrait()
    first, second = portraits.take(tmp_path / "a.npz", opening=0.2), portraits.take(tmp_path / "b.npz", opening=0.9)
    portraits.speak(first, start=1)
    portraits.speak(second, start=6)
    alone = portrait_lines.played(obj, 24.0, 1, 15).arkit[:, 24].copy()
    portraits.speak(first, start=2)
    again = portrait_lines.played(obj, 24.0, 1, 15).arkit[:, 24]
    assert [kept.label for kept in portrait_lines.spoken(obj)] == ["'b.npz'", "'a.npz'"]
    assert alone[10] > 0.3 > 0.2 > again[5:11].max()  # frames 6 to 11: first the second line's, then the first's
    assert again[11:] == pytest.approx(alone[11:], abs=1e-6)


def test_dials_and_strength_act_on_a_portrait(line):
    obj = portraits.portrait()
    portraits.speak(line)
    jaw = portrait_lines.played(obj, 24.0, 1, 10).arkit[:, 24].max()
    obj.mouthpiece.jaw = 0.0
    assert portrait_lines.played(obj, 24.0, 1, 10).arkit[:, 24].max() == pytest.approx(0.0, abs=1e-4) and jaw > 0.1
    obj.mouthpiece.jaw = 1.0
    bpy.context.scene.mouthpiece.strength = 0.5
    portraits.speak(line)
    assert portrait_lines.played(obj, 24.0, 1, 10).arkit[:, 24].max() == pytest.approx(jaw / 2, rel=0.01)


def test_a_preview_is_the_frame_at_the_playhead(line):
    from mouthpiece.portrait.draw.generator import shipped_generator
    from mouthpiece.portrait.draw.render import Renderer, RenderOptions

    obj = portraits.portrait()
    portraits.speak(line, start=11)
    bpy.context.scene.frame_set(17)
    assert bpy.ops.mouthpiece.preview_portrait() == {"FINISHED"}
    settings = obj.mouthpiece_portrait
    renderer = Renderer(playback.portrait_of(obj, 320), shipped_generator(), RenderOptions(longest=320))
    frames = list(renderer.frames(portrait_lines.played(obj, 24.0, 11, 20), 24.0))
    assert (portraits.colours(settings.preview)[..., :3] == frames[6][..., :3]).all()
    assert settings.shown == "PREVIEW" and not settings.preview.is_dirty
    still = portraits.colours(obj.mouthpiece_picture.image)[..., :3]
    assert np.abs(frames[6][..., :3].astype(int) - still).max() > 40
    bpy.context.scene.frame_set(11)
    assert (portraits.colours(settings.preview)[..., :3] == frames[6][..., :3]).all()  # it does not follow


def test_a_preview_follows_playhead_dials_and_landmarks(line):
    obj = portraits.portrait()
    portraits.speak(line, start=1)
    settings = obj.mouthpiece_portrait
    bpy.context.scene.frame_set(1)
    settings.follow = True
    seen = [portraits.colours(settings.preview)]
    node = next(n for n in obj.material_slots[0].material.node_tree.nodes if n.bl_idname == "ShaderNodeTexImage")
    assert node.image == settings.preview
    bpy.context.scene.frame_set(8)
    seen.append(portraits.colours(settings.preview))
    obj.mouthpiece.jaw = 0.2
    seen.append(portraits.colours(settings.preview))
    bpy.ops.mouthpiece.place_landmarks(points=(140, 104, 186, 104, 148, 150, 180, 150))
    seen.append(portraits.colours(settings.preview))
    assert all(np.abs(one - other).max() > 20 for one, other in pairwise(seen))
    settings.follow = False
    assert settings.shown == "STILL" and node.image == obj.mouthpiece_picture.image


def test_another_picture_is_shown_at_once(line):
    obj = portraits.portrait()
    portraits.speak(line)
    bpy.ops.mouthpiece.preview_portrait()
    node = next(n for n in obj.material_slots[0].material.node_tree.nodes if n.bl_idname == "ShaderNodeTexImage")
    obj.mouthpiece_portrait.shown = "STILL"
    other = images.paint("Larger", np.repeat(np.repeat(portraits.read(portraits.PHOTO), 2, 0), 2, 1))
    obj.mouthpiece_picture.image = other
    assert node.image == other
    portrait = playback.portrait_of(obj, 640)  # landmarks are scaled along
    assert portrait.picture.shape == (640, 640, 4)
    assert 80 < np.linalg.norm(portrait.face.landmarks[45, :2] - portrait.face.landmarks[36, :2]) < 160


def test_without_a_line_there_is_nothing_to_preview():
    portraits.portrait()
    with pytest.raises(RuntimeError, match="press Animate"):
        bpy.ops.mouthpiece.preview_portrait()


def test_landmarks_are_edited_as_those_of_a_rig():
    obj = portraits.portrait()
    before = picture_settings.landmarks_of(obj).landmarks.copy()
    assert bpy.ops.mouthpiece.edit_landmarks() == {"FINISHED"}
    editor = rig_landmarks.editor_of(obj)
    assert bpy.context.active_object == editor and picture_settings.portrait_meant(editor) == obj
    assert scene_settings.character(bpy.context) == obj  # what stands for it
    bpy.ops.object.mode_set(mode="OBJECT")
    editor.data.vertices[48].co.x -= 0.05  # 8 of 320 pixels
    assert bpy.ops.mouthpiece.apply_landmarks() == {"FINISHED"}
    after = picture_settings.landmarks_of(obj).landmarks
    assert after[48, 0] == pytest.approx(before[48, 0] - 8, abs=0.01)
    assert np.delete(after, 48, 0) == pytest.approx(np.delete(before, 48, 0), abs=0.01)
    assert bpy.ops.mouthpiece.mirror_landmarks(keep="RIGHT") == {"FINISHED"}
    with pytest.raises(RuntimeError, match="mouth is not below"):
        bpy.ops.mouthpiece.place_landmarks(points=(10, 100, 60, 100, 20, 60, 50, 60))


def test_everything_is_there_after_saving_and_opening(tmp_path, line):
    obj = portraits.portrait(media="FRAMES", follow=True)
    portraits.speak(line, start=11)
    bpy.context.scene.frame_set(15)
    assert obj.mouthpiece_portrait.shown == "PREVIEW"
    path = str(tmp_path / "saved.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    for preview in Path(bpy.app.tempdir).glob("astronaut_*.png"):
        preview.unlink()
    bpy.ops.wm.open_mainfile(filepath=path)
    obj = bpy.data.objects["astronaut"]
    settings = obj.mouthpiece_portrait
    assert settings.consent and settings.statement == portraits.STATEMENT and settings.media == "FRAMES"
    assert portrait_lines.span(obj) == (11, 20) and len(portrait_lines.played(obj, 24.0, 11, 20)) == 10
    assert settings.shown == "STILL"  # a preview is of a session
    bpy.context.scene.frame_set(16)
    assert settings.shown == "PREVIEW" and portraits.colours(settings.preview).shape == (320, 320, 4)


def test_a_copy_speaks_for_itself(line):
    obj = portraits.portrait()
    portraits.speak(line)
    copy = obj.copy()
    copy.data = obj.data.copy()
    bpy.context.collection.objects.link(copy)
    bpy.context.view_layer.objects.active = copy
    copy.mouthpiece.jaw = 0.0
    assert portrait_lines.played(copy, 24.0, 1, 10).arkit[:, 24].max() < 1e-4
    assert portrait_lines.played(obj, 24.0, 1, 10).arkit[:, 24].max() > 0.1


def test_undo_takes_a_line_back(line):
    bpy.ops.ed.undo_push(message="before")
    obj = portraits.portrait()
    bpy.ops.ed.undo_push(message="portrait")
    portraits.speak(line)
    bpy.ops.ed.undo_push(message="line")
    assert portrait_lines.span(obj) == (1, 10)
    if not bpy.ops.ed.undo.poll():
        pytest.skip("no undo without a window")
    bpy.ops.ed.undo()
    assert portrait_lines.span(bpy.data.objects["astronaut"]) is None


def written(tmp_path, name, kind, depth="8", grey=None):
    """Write the sample photo, or a grey picture, as a file of some kind."""
    image = bpy.data.images.load(str(portraits.PHOTO)) if grey is None else bpy.data.images.new(name, *grey)
    settings = bpy.context.scene.render.image_settings
    settings.file_format, settings.color_depth = kind, depth
    bpy.context.scene.view_settings.view_transform = "Standard"
    path = tmp_path / name
    image.save_render(str(path))
    bpy.data.images.remove(image)
    return path


@pytest.mark.parametrize(
    ("name", "kind", "depth"), [("a.png", "PNG", "16"), ("a.exr", "OPEN_EXR", "32"), ("a.tif", "TIFF", "16")]
)
def test_deep_and_linear_pictures_look_as_they_should(tmp_path, name, kind, depth):
    path = written(tmp_path, name, kind, depth)
    assert bpy.ops.mouthpiece.add_portrait(filepath=str(path)) == {"FINISHED"}
    obj = bpy.context.active_object
    seen = playback.portrait_of(obj, 320).picture
    plain = bpy.data.images.load(str(portraits.PHOTO))
    assert np.abs(seen[..., :3].astype(int) - portraits.colours(plain)[..., :3]).max() <= 2


def test_packed_and_generated_pictures_serve_too(line):
    packed = bpy.data.images.load(str(portraits.PHOTO))
    packed.pack()
    packed.filepath = "//gone.jpg"
    assert bpy.ops.mouthpiece.add_portrait(image=packed.name) == {"FINISHED"}
    portraits.speak(line)
    assert bpy.ops.mouthpiece.preview_portrait() == {"FINISHED"}
    made = images.paint("Painted", portraits.colours(packed).astype(np.uint8))
    bpy.context.view_layer.objects.active = None
    assert bpy.ops.mouthpiece.add_portrait(image=made.name) == {"FINISHED"}


def test_large_pictures_are_read_no_larger_than_they_are_rendered(tmp_path):
    path = written(tmp_path, "large.png", "PNG", grey=(6000, 4000))
    bpy.ops.mouthpiece.add_portrait(filepath=str(path), placement="HAND")
    obj = bpy.context.active_object
    assert playback.longest_of(obj) == 3840
    obj.mouthpiece_portrait.longest = 600
    portrait = playback.portrait_of(obj, playback.longest_of(obj))
    assert portrait.picture.shape == (400, 600, 4)
    whole = picture_settings.landmarks_of(obj).landmarks[:, :2]
    assert portrait.face.landmarks[:, :2] == pytest.approx(whole / 10, abs=0.01)


def test_bad_pictures_are_refused_and_nothing_is_left(tmp_path):
    grey = written(tmp_path, "grey.png", "PNG", grey=(200, 200))
    photo = written(tmp_path, "photo.png", "PNG")
    torn = tmp_path / "torn.png"
    torn.write_bytes(grey.read_bytes()[:60])
    text = tmp_path / "text.png"
    text.write_text("no picture")
    movie = bpy.data.images.load(str(portraits.PHOTO))
    movie.source = "MOVIE"
    before = len(bpy.data.images), len(bpy.data.objects), len(bpy.data.meshes)
    for given, said in (
        ({"filepath": str(grey)}, "No face was found"),
        ({"filepath": str(tmp_path / "none.png")}, "no picture at"),
        ({"filepath": str(text)}, "cannot be read|not a picture"),
        ({"filepath": str(torn)}, "cannot be read|No face"),
        ({"filepath": ""}, "No picture is chosen"),
        ({"image": movie.name}, "single still picture"),
        ({"image": "nobody"}, "no image 'nobody'"),
        ({"filepath": str(photo), "face": 7}, "no face 7"),
    ):
        with pytest.raises(RuntimeError, match=said):
            bpy.ops.mouthpiece.add_portrait(**given)
        assert (len(bpy.data.images), len(bpy.data.objects), len(bpy.data.meshes)) == before, given


def test_a_picture_that_goes_missing_is_told(tmp_path, line):
    path = written(tmp_path, "here.png", "PNG")
    bpy.ops.mouthpiece.add_portrait(filepath=str(path))
    obj = bpy.context.active_object
    portraits.speak(line)
    path.unlink()
    obj.mouthpiece_picture.image.reload()
    with pytest.raises(RuntimeError, match="missing or damaged"):
        bpy.ops.mouthpiece.preview_portrait()
    obj.mouthpiece_picture.image = None
    with pytest.raises(RuntimeError, match="lost its picture"):
        bpy.ops.mouthpiece.preview_portrait()


def test_a_linked_portrait_is_refused(tmp_path, line):
    portraits.portrait()
    path = str(tmp_path / "library.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    with bpy.data.libraries.load(path, link=True) as (_, into):
        into.objects = ["astronaut"]
    obj = into.objects[0]
    bpy.context.collection.objects.link(obj)
    bpy.context.view_layer.objects.active = obj
    bpy.context.scene.mouthpiece.source, bpy.context.scene.mouthpiece.filepath = "FILE", str(line)
    with pytest.raises(RuntimeError, match="Make it local"):
        bpy.ops.mouthpiece.animate()
    assert not scenes.tracks(obj.animation_data)
