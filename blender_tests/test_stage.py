"""New characters stand where they are seen: clear of what is there, before the scene's camera, framed by the views."""

from __future__ import annotations

from pathlib import Path

import bpy
import pytest
from bpy_extras.object_utils import world_to_camera_view
from mathutils import Euler, Vector

from addon import stage

PHOTO = Path(__file__).resolve().parent.parent / "demo" / "samples" / "astronaut.jpg"


def add_head():
    assert bpy.ops.mouthpiece.add_demo() == {"FINISHED"}


def add_picture(operator):
    wanted = {"filepath": str(PHOTO), "placement": "HAND"}
    assert getattr(bpy.ops.mouthpiece, operator)(**wanted) == {"FINISHED"}


MAKERS = {
    "head": add_head,
    "portrait": lambda: add_picture("add_portrait"),
    "picture rig": lambda: add_picture("make_picture_rig"),
}


@pytest.fixture
def start_up():
    """Open the scene Blender starts with: a cube at the cursor, a camera and a light."""
    bpy.ops.wm.read_homefile(use_empty=False, use_factory_startup=True)
    return bpy.context


def box(name):
    bpy.context.view_layer.update()
    return stage.box_of(bpy.data.objects[name])


def seen(context, place):
    """Return whether the scene's camera sees a place, and what it sees there."""
    scene, camera = context.scene, context.scene.camera
    at = world_to_camera_view(scene, camera, place)
    begin = camera.matrix_world.translation
    hit, _, _, _, obj, _ = scene.ray_cast(context.evaluated_depsgraph_get(), begin, (place - begin).normalized())
    return 0 < at.x < 1 and 0 < at.y < 1 and hit and obj


@pytest.mark.parametrize("what", MAKERS)
def test_the_cube_of_the_start_up_scene_does_not_hide_it(start_up, what):
    camera = start_up.scene.camera
    before = camera.matrix_world.copy()
    MAKERS[what]()
    obj = start_up.active_object
    mine = box(obj.name)
    assert not mine.meets(box("Cube"))
    assert (mine.middle - start_up.scene.cursor.location).length < 4
    assert seen(start_up, mine.middle) == obj
    assert start_up.scene.camera == camera and camera.matrix_world == before


@pytest.mark.parametrize("what", MAKERS)
def test_views_show_it_whoever_presses_the_button(start_up, what):
    areas = [a for w in start_up.window_manager.windows for a in w.screen.areas if a.type == "VIEW_3D"]
    assert areas
    for area in areas:
        area.spaces.active.region_3d.view_perspective = "PERSP"
    MAKERS[what]()
    middle = box(start_up.active_object.name).middle
    for area in areas:
        view = area.spaces.active.region_3d
        assert (view.view_location - middle).length < 0.3
        assert view.view_distance < 8
        assert (view.view_rotation @ Vector((0, 0, -1))).y > 0.7  # the face, not the ear
        assert area.spaces.active.shading.color_type == ("MATERIAL" if what == "head" else "TEXTURE")


def test_a_view_along_an_axis_keeps_its_direction(start_up):
    areas = [a for w in start_up.window_manager.windows for a in w.screen.areas if a.type == "VIEW_3D"]
    side = Euler((1.5708, 0, 1.5708)).to_quaternion()
    for area in areas:
        area.spaces.active.region_3d.view_perspective = "ORTHO"
        area.spaces.active.region_3d.view_rotation = side
    add_head()
    assert all(area.spaces.active.region_3d.view_rotation.rotation_difference(side).angle < 1e-3 for area in areas)


def test_a_view_through_the_camera_stays(start_up):
    areas = [a for w in start_up.window_manager.windows for a in w.screen.areas if a.type == "VIEW_3D"]
    for area in areas:
        area.spaces.active.region_3d.view_perspective = "CAMERA"
    add_head()
    assert all(area.spaces.active.region_3d.view_perspective == "CAMERA" for area in areas)


def test_several_stand_side_by_side(start_up):
    for _ in range(3):
        add_head()
    heads = [stage.box_of(obj) for obj in bpy.data.objects if obj.type == "MESH" and "Head" in obj.name]
    assert len(heads) == 3
    assert not any(one.meets(other) for one in heads for other in heads if one is not other)


def test_in_an_empty_scene_it_is_at_the_cursor_before_a_camera_of_its_own(context):
    context.scene.cursor.location = (3, 4, 5)
    add_head()
    rig = context.active_object.parent
    assert (rig.location - Vector((3, 4, 5))).length < 1e-6
    assert seen(context, box(context.active_object.name).middle) == context.active_object


def test_a_floor_is_stood_on_and_a_room_stood_in(context):
    bpy.ops.mesh.primitive_plane_add(size=30)
    bpy.ops.mesh.primitive_cube_add(size=60)
    context.scene.cursor.location = (0, 0, -0.05)
    add_head()
    body = box(context.active_object.name)
    assert body.low.z == pytest.approx(0, abs=1e-3) and body.middle.xy.length < 0.2
