"""Picture rigs in Blender: made, animated, corrected by hand with animation kept, and clear about bad pictures."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import bpy
import numpy as np
import pytest
from mathutils import Matrix, Vector
from mouthpiece.curves import FrameGrid
from mouthpiece.errors import PictureError, RigError
from mouthpiece.retarget.picture.anatomy import FACE
from mouthpiece.retarget.picture.mouth_modes import key_names, mouth_modes, picture_curves

from addon import compat
from addon.targets import target_for
from addon.targets.picture_rig import builder as rig_builder
from addon.targets.picture_rig import landmark_operators
from addon.targets.picture_rig import landmarks as rig_landmarks
from addon.targets.picture_rig import settings as picture_settings
from blender_tests import scenes

ROOT = Path(__file__).resolve().parent.parent
PHOTO = ROOT / "demo" / "samples" / "astronaut.jpg"


@pytest.fixture
def rig():
    return make()


def make(path=PHOTO, **options):
    assert bpy.ops.mouthpiece.make_picture_rig(filepath=str(path), **options) == {"FINISHED"}
    return bpy.context.active_object


def refused(match, **options):
    """Check that the operator refuses, says why, and leaves nothing behind."""
    before = {kind: len(getattr(bpy.data, kind)) for kind in ("objects", "meshes", "images", "materials", "cameras")}
    with pytest.raises(RuntimeError, match=match):
        bpy.ops.mouthpiece.make_picture_rig(**options)
    assert before == {kind: len(getattr(bpy.data, kind)) for kind in before}


def write(path, colours, depth="8", mode="RGBA"):
    """Save colours (H, W, 4), 0..1, first row at the top, as PNG."""
    height, width = colours.shape[:2]
    image = bpy.data.images.new("written", width, height, alpha=True, float_buffer=depth == "16")
    image.pixels.foreach_set(np.ascontiguousarray(colours[::-1], np.float32).ravel())
    scene = bpy.context.scene
    compat.use_image_output(scene.render.image_settings)
    scene.render.image_settings.color_mode, scene.render.image_settings.color_depth = mode, depth
    scene.view_settings.view_transform = "Standard"
    image.save_render(str(path), scene=scene)
    bpy.data.images.remove(image)
    return path


def photo():
    """The photo's colours (H, W, 4), 0..1, first row at the top."""
    image = bpy.data.images.load(str(PHOTO))
    width, height = image.size
    values = np.empty(width * height * 4, np.float32)
    image.pixels.foreach_get(values)
    bpy.data.images.remove(image)
    return values.reshape(height, width, 4)[::-1]


def places(block):
    values = np.zeros(3 * len(block.data), np.float32)
    block.data.foreach_get("co", values)
    return values.reshape(-1, 3)


def test_a_photo_becomes_a_rig(rig):
    blocks = rig.data.shape_keys.key_blocks
    assert tuple(block.name for block in blocks[1:]) == key_names()
    assert all(block.value == 0 for block in blocks) and blocks["blink_L"].slider_min == -0.5
    assert max(rig.dimensions[0], rig.dimensions[2]) == pytest.approx(2.0) and rig.dimensions[1] < 0.1
    assert {group.name for group in rig.vertex_groups} >= {"skin", "eye_R", "mouth", "upper_teeth", "cavity"}
    assert rig.mouthpiece_picture.painting.packed_file is not None
    assert bpy.context.scene.camera is not None and bpy.context.scene.camera.data.type == "ORTHO"
    total = len(key_names())
    assert target_for(rig).kind == "PICTURE" and f"{total} of {total}" in target_for(rig).summary()
    assert len({face.material_index for face in rig.data.polygons}) == 2


def test_the_picture_is_seen_as_it_is(rig, tmp_path):
    scene = bpy.context.scene
    scene.render.engine = "BLENDER_WORKBENCH"
    scene.display.shading.light, scene.display.shading.color_type = "FLAT", "TEXTURE"
    scene.display.render_aa = "OFF"
    scene.view_settings.view_transform = "Standard"
    width, height = rig.mouthpiece_picture.image.size
    scene.render.resolution_x, scene.render.resolution_y, scene.render.resolution_percentage = width, height, 100
    compat.use_image_output(scene.render.image_settings)
    scene.render.filepath = str(tmp_path / "seen.png")
    bpy.ops.render.render(write_still=True)
    image = bpy.data.images.load(scene.render.filepath)
    seen = np.empty(width * height * 4, np.float32)
    image.pixels.foreach_get(seen)
    off = np.abs(seen.reshape(height, width, 4)[::-1, :, :3] - photo()[..., :3])
    assert off.mean() < 0.004 and np.percentile(off, 99) < 0.03


def test_materials_are_unlit(rig):
    for slot in rig.material_slots:
        kinds = {node.bl_idname for node in slot.material.node_tree.nodes}
        assert kinds == {"ShaderNodeTexImage", "ShaderNodeEmission", "ShaderNodeOutputMaterial"}
        assert slot.material.node_tree.nodes.active.image is not None


def test_it_is_animated_by_the_button_and_by_the_core_alike(rig, tmp_path, spoken_take):
    take = spoken_take.save(tmp_path / "take.npz")
    settings = bpy.context.scene.mouthpiece
    settings.source, settings.filepath = "FILE", str(take)
    rig.mouthpiece.density = "EVERY"
    assert bpy.ops.mouthpiece.animate() == {"FINISHED"}
    fps = bpy.context.scene.render.fps
    grid = FrameGrid.covering(spoken_take.seconds, fps, 1)
    wanted = picture_curves(spoken_take.final(), grid).curves
    for name in ("open", "blink_L", "turn_x", "shut"):
        frames, values = zip(*scenes.values(rig.data.shape_keys, scenes.shape_path(name)), strict=True)
        expected = dict(zip(wanted.frames.tolist(), wanted[name].tolist(), strict=True))
        found = np.interp(list(expected), frames, values)
        assert np.abs(found - list(expected.values())).max() < 0.03, name
    assert bpy.ops.mouthpiece.remove_take() == {"FINISHED"}
    assert all(block.value == 0 for block in rig.data.shape_keys.key_blocks)
    assert not scenes.values(rig.data.shape_keys, scenes.shape_path("open"))


@pytest.fixture
def spoken_take():
    """A second in which the mouth opens, the eyes blink and the head turns."""
    time = np.arange(50) / 25
    take = scenes.performance(2.0, head=lambda t: np.outer(np.sin(3 * t), [0.1, 0.2, 0.05, 0.1, 0, 0]))
    face = np.zeros((50, 68, 3), np.float32)
    opening = mouth_modes().moves[0] * 0.4
    face[..., :2] = opening * (1 - np.cos(6 * time))[:, None, None]
    return replace(take, landmarks=face, blink=np.clip(np.sin(4 * time), 0, 1)[:, None].repeat(2, 1))


def test_frames_that_fold_are_taken_back_and_counted(rig):
    take = scenes.performance(1.0, head=[0.6, 0.6, 0.6, 3.0, -3.0, 0])
    driven = target_for(rig, 3.0).drive(take, FrameGrid.covering(1.0, 25, 1))
    assert any("taken back" in warning for warning in driven.warnings)
    shown = dict(zip(driven.parts[0].curves.names, driven.parts[0].curves.values[12], strict=True))
    assert abs(shown["turn_x"]) < 1.5 and shown["shut"] == 1


# Correction by hand


def test_moved_landmarks_move_the_rig_and_keep_its_animation(rig):
    keys = rig.data.shape_keys
    block = keys.key_blocks["open"]
    for frame, value in ((1, 0.0), (10, 0.7)):
        block.value = value
        block.keyframe_insert("value", frame=frame)
    driver = keys.key_blocks["wide"].driver_add("value").driver
    driver.expression = "0.25"
    rig.shape_key_add(name="mine", from_mix=False)
    pointer, count = keys.as_pointer(), len(rig.data.vertices)
    assert bpy.ops.mouthpiece.edit_landmarks() == {"FINISHED"} and bpy.context.mode == "EDIT_MESH"
    editor = bpy.context.active_object
    assert picture_settings.rig_meant(editor) == rig and len(editor.data.vertices) == 72
    bpy.ops.object.mode_set(mode="OBJECT")
    for index in range(48, 68):
        editor.data.vertices[index].co.x += 0.05
    before = picture_settings.landmarks_of(rig)
    assert bpy.ops.mouthpiece.apply_landmarks() == {"FINISHED"}
    assert bpy.context.active_object == rig and editor.hide_get()
    after = picture_settings.landmarks_of(rig)
    moved = after.landmarks[:, 0] - before.landmarks[:, 0]
    scale = max(rig.mouthpiece_picture.image.size) / 2
    assert moved[48:] == pytest.approx(0.05 * scale, abs=0.02) and np.abs(moved[:48]).max() < 0.02
    assert after.landmarks[:, 1] == pytest.approx(before.landmarks[:, 1], abs=0.02)
    keys = rig.data.shape_keys
    assert keys.as_pointer() == pointer and [block.name for block in keys.key_blocks[1:]] == [*key_names(), "mine"]
    assert len(keys.key_blocks[0].data) == len(rig.data.vertices) and abs(len(rig.data.vertices) - count) < 80
    assert scenes.values(keys, scenes.shape_path("open")) == [(1.0, 0.0), (10.0, pytest.approx(0.7))]
    assert keys.animation_data.drivers[0].driver.expression == "0.25"
    open_ = places(keys.key_blocks["open"]) - places(keys.key_blocks[0])
    lowest = places(keys.key_blocks[0])[np.abs(open_[:, 2]).argmax()]
    fresh = rig_builder.rig_for(rig.mouthpiece_picture.image, after)
    mouth = (fresh.face.outward(fresh.points[fresh.skin.mouth[0]]) / scale).mean(axis=0) - np.array(
        rig.mouthpiece_picture.image.size
    ) / (2 * scale)
    assert abs(lowest[0] - mouth[0]) < 0.1 and abs(-lowest[2] - mouth[1]) < 0.2
    assert (rig.data.uv_layers["UVMap"].uv[0].vector[:] != (0, 0)) and len(rig.data.uv_layers) == 1


def test_a_moved_and_scaled_landmark_mesh_counts_as_it_is_seen(rig):
    rig.location, rig.rotation_euler, rig.scale = (1, 2, 3), (0.2, 0.4, 0.6), (2, 2, 2)
    bpy.context.view_layer.update()
    editor = rig_landmarks.show(bpy.context, rig)
    bpy.context.view_layer.update()
    before = picture_settings.landmarks_of(rig).landmarks
    assert rig_landmarks.read(editor).landmarks == pytest.approx(before, abs=0.05)
    editor.location.x += 0.1
    bpy.context.view_layer.update()
    moved = rig_landmarks.read(editor).landmarks[:, 0] - before[:, 0]
    assert moved == pytest.approx(0.1 * max(rig.mouthpiece_picture.image.size) / 2, abs=0.05)


def test_points_added_or_deleted_are_refused(rig):
    editor = rig_landmarks.show(bpy.context, rig)
    editor.data.vertices.add(1)
    with pytest.raises(RigError, match="73 points"):
        rig_landmarks.apply(editor)
    state = places(rig.data.shape_keys.reference_key)
    assert (places(rig.data.shape_keys.reference_key) == state).all()
    assert bpy.ops.mouthpiece.edit_landmarks() == {"FINISHED"}
    assert len(bpy.context.active_object.data.vertices) == 72
    bpy.ops.object.mode_set(mode="OBJECT")


def test_clicks_place_a_face_where_none_was_found(tmp_path):
    path = write(tmp_path / "plain.png", np.full((300, 400, 4), 1.0) * (0.4, 0.6, 0.3, 1))
    refused("By Hand", filepath=str(path))
    rig = make(path, placement="HAND")
    assert rig_landmarks.editor_of(rig) is not None
    assert bpy.ops.mouthpiece.place_landmarks(points=(150, 100, 250, 110, 160, 200, 240, 205)) == {"FINISHED"}
    marks = picture_settings.landmarks_of(rig).landmarks
    assert marks[[48, 54], :2] == pytest.approx(np.array([(160, 200), (240, 205)]), abs=0.01)
    editor = rig_landmarks.editor_of(rig)
    assert rig_landmarks.read(editor).landmarks[:, :2] == pytest.approx(marks[:, :2], abs=0.01)
    with pytest.raises(RuntimeError, match="one place"):
        bpy.ops.mouthpiece.place_landmarks(points=(5, 5, 5, 5, 5, 5, 5, 5))
    assert picture_settings.landmarks_of(rig).landmarks == pytest.approx(marks)


def test_a_pixel_is_where_it_is_seen(rig):
    width, height = rig.mouthpiece_picture.image.size
    assert rig_landmarks.pixel_at(rig, 0, 0) == pytest.approx((width / 2, height / 2), abs=0.01)
    x, z = 0.999 * np.array([width, height]) / max(width, height)
    assert rig_landmarks.pixel_at(rig, -x, z) == pytest.approx((0, 0), abs=1)
    assert rig_landmarks.pixel_at(rig, 1.2, 0) is None


def view(scale):
    """A 3D View of 200 x 100 pixels that looks along +Y and shows ``scale`` units from its middle to its top."""
    turn = Matrix.Rotation(-np.pi / 2, 4, "X")
    flat = Matrix.Diagonal((0.5 / scale, 1 / scale, -0.01, 1))
    region = SimpleNamespace(width=200, height=100)
    return region, SimpleNamespace(
        view_matrix=turn, perspective_matrix=flat @ turn, is_perspective=False, view_perspective="ORTHO"
    )


def test_a_click_finds_the_pixel_under_it(rig):
    region, data = view(2.0)
    rig.location, rig.rotation_euler = (0.5, 3.0, 0.0), (0.0, 0.3, 0.0)
    bpy.context.view_layer.update()
    context = SimpleNamespace(active_object=rig, region=region, region_data=data)
    width, height = rig.mouthpiece_picture.image.size
    for pixel in ((width / 2, height / 2), (40.0, 70.0), (width - 9.0, 20.0)):
        local = Vector(((pixel[0] - width / 2), 0.0, (height / 2 - pixel[1]))) * 2 / max(width, height)
        seen = rig.matrix_world @ local
        event = SimpleNamespace(mouse_region_x=100 + 25 * seen.x, mouse_region_y=50 + 25 * seen.z)
        assert landmark_operators.pixel_under(context, event) == pytest.approx(pixel, abs=0.01)
    assert landmark_operators.pixel_under(context, SimpleNamespace(mouse_region_x=0, mouse_region_y=0)) is None


def test_landmarks_are_mirrored(rig):
    assert bpy.ops.mouthpiece.mirror_landmarks(keep="RIGHT") == {"FINISHED"}
    once = picture_settings.landmarks_of(rig).landmarks
    assert bpy.ops.mouthpiece.mirror_landmarks(keep="LEFT") == {"FINISHED"}
    assert picture_settings.landmarks_of(rig).landmarks == pytest.approx(once, abs=1.0)


def test_landmarks_go_through_files(rig, tmp_path):
    path = tmp_path / "points.json"
    marks = picture_settings.landmarks_of(rig)
    assert bpy.ops.mouthpiece.save_landmarks(filepath=str(path)) == {"FINISHED"}
    assert bpy.ops.mouthpiece.place_landmarks(points=(150, 100, 250, 110, 160, 200, 240, 205)) == {"FINISHED"}
    assert bpy.ops.mouthpiece.load_landmarks(filepath=str(path)) == {"FINISHED"}
    assert picture_settings.landmarks_of(rig).landmarks == pytest.approx(marks.landmarks, abs=0.01)
    again = make(placement="FILE", landmarks=str(path))
    basis = places(rig.data.shape_keys.reference_key)
    assert places(again.data.shape_keys.reference_key) == pytest.approx(basis, abs=1e-4)
    path.write_text("{")
    with pytest.raises(RuntimeError, match="it is not JSON"):
        bpy.ops.mouthpiece.load_landmarks(filepath=str(path))
    refused("No file of landmarks", filepath=str(PHOTO), placement="FILE")


def test_operators_say_why_not():
    scenes.face()
    assert not bpy.ops.mouthpiece.place_landmarks.poll() and not bpy.ops.mouthpiece.edit_landmarks.poll()
    with pytest.raises(RigError, match="not a picture rig"):
        target_for(bpy.context.active_object, kind="PICTURE")


# Bad pictures, and odd ones


def test_pictures_that_cannot_be_read_are_refused(tmp_path):
    refused("no picture at", filepath=str(tmp_path / "none.png"))
    refused("No picture is chosen", filepath=str(tmp_path))
    (tmp_path / "text.png").write_text("no picture")
    refused("cannot be read|not a picture", filepath=str(tmp_path / "text.png"))
    (tmp_path / "empty.png").write_bytes(b"")
    refused("cannot be read|not a picture", filepath=str(tmp_path / "empty.png"))
    refused("There is no image", image="nothing")
    image = bpy.data.images.new("movie", 8, 8)
    image.source = "MOVIE"
    refused("not a single still", image="movie")


def test_a_truncated_picture_is_refused_or_read_as_far_as_it_goes(tmp_path):
    path = tmp_path / "half.jpg"
    path.write_bytes(PHOTO.read_bytes()[:6000])
    with pytest.raises(RuntimeError, match=r"cannot be read|No face was found|not a picture"):
        bpy.ops.mouthpiece.make_picture_rig(filepath=str(path))
    assert not bpy.data.objects


@pytest.mark.parametrize(("depth", "mode"), [("8", "BW"), ("16", "RGB"), ("16", "BW"), ("8", "RGBA")])
def test_grey_deep_and_clear_pictures_have_the_same_face(tmp_path, depth, mode):
    colours = photo().copy()
    if mode == "RGBA":
        colours[:40, :, 3] = 0.0
    rig = make(write(tmp_path / "odd.png", colours, depth, mode))
    marks = picture_settings.landmarks_of(rig).landmarks
    plain = picture_settings.landmarks_of(make()).landmarks
    assert np.abs(marks[:, :2] - plain[:, :2]).mean() < 3.0
    kinds = {node.bl_idname for node in rig.material_slots[0].material.node_tree.nodes}
    assert ("ShaderNodeBsdfTransparent" in kinds) == (mode == "RGBA")


def test_tiny_pictures_are_refused(tmp_path):
    refused("No face", filepath=str(write(tmp_path / "tiny.png", photo()[::20, ::20])))
    refused("too small", filepath=str(write(tmp_path / "tiny.png", photo()[::20, ::20])), placement="HAND")


def test_a_huge_picture_is_looked_at_smaller(tmp_path):
    path = write(tmp_path / "huge.png", np.repeat(np.repeat(photo(), 9, axis=0), 9, axis=1))
    rig = make(path)
    small = picture_settings.landmarks_of(make()).landmarks
    assert picture_settings.landmarks_of(rig).landmarks / 9 == pytest.approx(small, abs=2.0)


def test_faces_are_chosen_by_number(tmp_path):
    page = np.concatenate([photo(), photo()[:, ::-1]], axis=1)
    path = write(tmp_path / "two.png", page)
    first, second = (picture_settings.landmarks_of(make(path, face=number)).landmarks[:, 0].mean() for number in (1, 2))
    assert abs(first - second) > 150
    refused("no face 3", filepath=str(path), face=3)


def test_a_rig_whose_picture_is_gone_still_plays_and_says_so_when_changed(tmp_path, spoken_take):
    path = shutil.copy(PHOTO, tmp_path / "gone.jpg")
    rig = make(path)
    Path(path).unlink()
    rig.mouthpiece_picture.image.reload()
    driven = target_for(rig).drive(spoken_take, FrameGrid.covering(2.0, 25, 1))
    assert len(driven.parts[0].channels) == len(key_names())
    with pytest.raises(PictureError, match="missing or damaged"):
        picture_settings.landmarks_of(rig)
    rig.mouthpiece_picture.image = None
    with pytest.raises(PictureError, match="lost its picture"):
        picture_settings.landmarks_of(rig)


def test_another_version_of_the_picture_is_shown(rig):
    other = bpy.data.images.new("coloured", 64, 64)
    rig.mouthpiece_picture.image = other
    assert rig.material_slots[0].material.node_tree.nodes.active.image == other
    assert rig.material_slots[1].material.node_tree.nodes.active.image == rig.mouthpiece_picture.painting


def test_a_rig_without_its_keys_is_told(rig, spoken_take):
    rig.shape_key_remove(rig.data.shape_keys.key_blocks["open"])
    driven = target_for(rig).drive(spoken_take, FrameGrid.covering(2.0, 25, 1))
    assert any("open" in warning for warning in driven.warnings)
    rig.shape_key_clear()
    with pytest.raises(RigError, match=r"no shape keys|lost its shape keys"):
        target_for(rig, kind="PICTURE")


def test_points_are_kept_as_json(rig):
    kept = json.loads(rig.mouthpiece_picture.points)
    assert len(kept["faces"][0]["landmarks"]) == len(FACE) and kept["size"] == list(rig.mouthpiece_picture.image.size)
