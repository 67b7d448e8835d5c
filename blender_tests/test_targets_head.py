"""Head motion on bones and objects, worked out by hand: whatever the rest pose, the head ends up where it should."""

from __future__ import annotations

from math import pi, radians

import bpy
import numpy as np
import pytest
from mathutils import Euler, Matrix, Vector
from mouthpiece.curves import FrameGrid
from mouthpiece.errors import RigError

from addon.bake import removal
from addon.keys import channels, writer
from addon.targets.head.eye_distance import measured_eye_distance
from addon.targets.head.target import HeadTarget
from blender_tests import scenes

GRID = FrameGrid(25.0, 1.0, 1, 25)
NOSE, CROWN = Vector((0, -1, 0)), Vector((0, 0, 1))
PITCH, YAW, ROLL = (0.3, 0, 0, 0, 0, 0), (0, 0.3, 0, 0, 0, 0), (0, 0, 0.3, 0, 0, 0)
MODES = ["QUATERNION", "AXIS_ANGLE", "XYZ", "XZY", "YXZ", "YZX", "ZXY", "ZYX"]


def bake(target, motion, replace=False):
    """Key that head motion at every frame and show frame 10."""
    driven = target.drive(scenes.performance(head=motion), GRID)
    writer.write([driven.parts[0]], channels.Line("a", 1, 25), "Mouthpiece", replace)
    bpy.context.scene.frame_set(10)
    return driven


def turned(rig):
    """Return how the bone has turned from its rest pose, in armature space."""
    pose = rig.evaluated_get(bpy.context.evaluated_depsgraph_get()).pose.bones["head"]
    return pose.matrix.to_3x3() @ rig.data.bones["head"].matrix_local.to_3x3().inverted()


RESTS = {
    "upright": {},
    "rolled": {"roll": 1.1},
    "leaning": {"head": (0.1, 0.2, 0.3), "tail": (0.5, -0.4, 1.1), "roll": -0.7},
    "lying": {"head": (0, 0, 1), "tail": (0, -1, 1)},
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("rest", RESTS)
def test_a_nod_a_turn_and_a_tilt_of_a_bone(rest, mode):
    rig = scenes.armature(**RESTS[rest])
    rig.pose.bones["head"].rotation_mode = mode
    target = HeadTarget.of(rig, bone="head")
    bake(target, PITCH)
    assert (turned(rig) @ NOSE).z == pytest.approx(-np.sin(0.3), abs=1e-5)  # nods down
    bake(target, YAW)
    assert (turned(rig) @ NOSE).x == pytest.approx(-np.sin(0.3), abs=1e-5)  # to the left of the picture
    bake(target, ROLL)
    assert (turned(rig) @ CROWN).x == pytest.approx(np.sin(0.3), abs=1e-5)  # the crown to the right of the picture


def test_all_three_angles_together_on_a_leaning_bone():
    rig = scenes.armature(**RESTS["leaning"])
    bake(HeadTarget.of(rig, bone="head"), (0.2, -0.4, 0.3, 0, 0, 0))
    # Rz(roll) Ry(yaw) Rx(pitch) about x, -z, +y of the character.
    x, y, z = Vector((1, 0, 0)), Vector((0, 0, -1)), Vector((0, 1, 0))
    wanted = Matrix.Rotation(0.3, 3, z) @ Matrix.Rotation(-0.4, 3, y) @ Matrix.Rotation(0.2, 3, x)
    np.testing.assert_allclose(turned(rig), wanted, atol=1e-5)


def test_strength_multiplies_angles():
    rig = scenes.armature()
    bake(HeadTarget.of(rig, bone="head", strength=0.5), PITCH)
    assert (turned(rig) @ NOSE).z == pytest.approx(-np.sin(0.15), abs=1e-5)


def test_the_pose_before_stays_and_baking_again_does_not_pile_up():
    rig = scenes.armature(roll=0.4)
    bone = rig.pose.bones["head"]
    bone.rotation_mode = "XYZ"
    bone.rotation_euler = (0.2, -0.3, 0.1)
    bpy.context.view_layer.update()
    before = turned(rig)
    target = HeadTarget.of(rig, bone="head")
    for _ in range(2):
        bake(target, PITCH)
        wanted = Matrix.Rotation(0.3, 3, "X") @ before
        np.testing.assert_allclose(turned(rig), wanted, atol=1e-5)
    removal.remove([rig])
    assert tuple(bone.rotation_euler) == pytest.approx((0.2, -0.3, 0.1))


@pytest.mark.parametrize("mode", MODES)
def test_curves_do_not_jump(mode):
    rig = scenes.armature(**RESTS["leaning"])
    rig.pose.bones["head"].rotation_mode = mode

    def swing(time):
        angles = np.zeros((len(time), 6))
        angles[:, 0], angles[:, 1] = 0.5 * np.sin(2 * pi * time), 1.2 * np.sin(pi * time)
        return angles

    driven = HeadTarget.of(rig, bone="head").drive(scenes.performance(head=swing), GRID)
    # An angle moves at most 0.13 + 0.15 rad a frame; a flip of sign would be a step of 1 and more.
    steps = np.abs(np.diff(driven.parts[0].curves.values, axis=0))
    assert steps.max() < (0.5 if mode != "AXIS_ANGLE" else 1.5)


def test_locked_rotation_is_left_alone_and_reported():
    rig = scenes.armature()
    bone = rig.pose.bones["head"]
    bone.lock_rotation[1] = True
    driven = HeadTarget.of(rig, bone="head").drive(scenes.performance(), GRID)
    assert driven.parts[0].channels == () and "locked" in driven.warnings[0]
    bone.rotation_mode = "XYZ"
    driven = HeadTarget.of(rig, bone="head").drive(scenes.performance(), GRID)
    assert [channel.index for channel in driven.parts[0].channels] == [0, 2]
    assert "1 locked" in driven.warnings[0]


def test_a_bone_moves_in_eye_distances_of_the_world():
    rig = scenes.armature(**RESTS["leaning"])
    rig.scale = (2, 2, 2)
    bpy.context.view_layer.update()
    bake(HeadTarget.of(rig, bone="head", eye_distance=0.1), (0, 0, 0, 1.0, 0.5, 0.25))
    pose = rig.evaluated_get(bpy.context.evaluated_depsgraph_get()).pose.bones["head"]
    moved = pose.matrix.translation - rig.data.bones["head"].matrix_local.translation
    # x right -> +X, y down -> -Z, z away -> +Y; halved by the armature's scale.
    np.testing.assert_allclose(moved, (0.05, 0.0125, -0.025), atol=1e-6)


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode != "AXIS_ANGLE"])
def test_an_object_turns_in_its_own_space_by_its_delta(mode):
    obj = scenes.face(keys=())
    obj.rotation_mode = mode
    own = Euler((0.4, -0.8, radians(90))).to_matrix()
    obj.rotation_euler, obj.rotation_quaternion = (
        own.to_euler("XYZ" if mode == "QUATERNION" else mode),
        own.to_quaternion(),
    )
    obj.location = (1, 2, 3)
    held = tuple(obj.rotation_euler), tuple(obj.rotation_quaternion), tuple(obj.location)
    bake(HeadTarget.of(obj, eye_distance=0.1), (0.3, 0, 0, 1.0, 0, 0))
    world = obj.evaluated_get(bpy.context.evaluated_depsgraph_get()).matrix_world
    np.testing.assert_allclose(world.to_3x3(), own @ Matrix.Rotation(0.3, 3, "X"), atol=1e-5)
    np.testing.assert_allclose(world.translation, Vector((1, 2, 3)) + own @ Vector((0.1, 0, 0)), atol=1e-5)
    assert (tuple(obj.rotation_euler), tuple(obj.rotation_quaternion), tuple(obj.location)) == held


def test_an_object_with_a_delta_of_its_own_keeps_it():
    obj = scenes.face(keys=())
    obj.rotation_euler, obj.delta_rotation_euler = (0, 0, 1.0), (0.5, 0, 0)
    bpy.context.view_layer.update()
    before = obj.matrix_world.to_3x3()
    bake(HeadTarget.of(obj), PITCH)
    world = obj.evaluated_get(bpy.context.evaluated_depsgraph_get()).matrix_world.to_3x3()
    np.testing.assert_allclose(world, before @ Matrix.Rotation(0.3, 3, "X"), atol=1e-5)


def test_the_eye_distance_is_read_off_the_blinks_or_the_width():
    obj = scenes.face(keys=("eyeBlinkLeft", "eyeBlinkRight"))  # move vertices at x = 0 and x = 1
    assert measured_eye_distance(obj) == pytest.approx(1.43)
    other = scenes.face("Other", keys=("jawOpen",))
    bpy.context.view_layer.update()
    assert measured_eye_distance(other) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("make", "bone", "words"),
    [
        (lambda: None, "", "No head is chosen"),
        (lambda: scenes.face(), "head", "not an armature"),
        (lambda: scenes.armature(), "neck", "no bone 'neck'"),
    ],
)
def test_heads_that_cannot_be_driven_say_why(make, bone, words):
    with pytest.raises(RigError, match=words):
        HeadTarget.of(make(), bone=bone)


def test_an_object_on_axis_and_angle_is_refused():
    obj = scenes.face()
    obj.rotation_mode = "AXIS_ANGLE"
    with pytest.raises(RigError, match="Set its rotation to"):
        HeadTarget.of(obj)


def test_a_bone_deleted_meanwhile():
    rig = scenes.armature()
    target = HeadTarget.of(rig, bone="head")
    bpy.data.objects.remove(rig)
    with pytest.raises(RigError, match="deleted or renamed"):
        target.drive(scenes.performance(), GRID)


def test_many_rotations_at_once_are_what_mathutils_makes_of_each():
    from mathutils import Matrix, Quaternion, Vector

    from addon.targets.bones.rotations import quaternions_of, rotation_rows

    axes = [Vector((1, 0, 0)), Vector((0, 1, 0)), Vector((0, 0, 1)), Vector((1, -2, 3)).normalized()]
    turns = [Quaternion(axis, angle).to_matrix() for axis in axes for angle in np.linspace(-3.1, 3.1, 40)]
    found = quaternions_of(np.array(turns))
    assert found[0, 0] >= 0
    for row, turn in zip(found, turns, strict=True):
        assert abs(Quaternion(row).dot(turn.to_quaternion())) == pytest.approx(1.0, abs=1e-6)
    assert ((found[1:] * found[:-1]).sum(axis=1) >= -1e-6).all()
    for mode in ("QUATERNION", "XYZ", "AXIS_ANGLE"):
        by_array, one_by_one = rotation_rows(np.array(turns), mode), rotation_rows([Matrix(t) for t in turns], mode)
        assert by_array[0] == one_by_one[0]
        np.testing.assert_allclose(by_array[1], one_by_one[1], atol=1e-5)


# --- pivots


def place_of(obj, point):
    """Return where a point of an object's own space is in the world now."""
    return obj.evaluated_get(bpy.context.evaluated_depsgraph_get()).matrix_world @ Vector(point)


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode != "AXIS_ANGLE"])
@pytest.mark.parametrize("hung", [False, True])
def test_the_pivot_of_an_object_stays_where_it_is(mode, hung):
    obj = scenes.face(keys=())
    obj.rotation_mode, obj.location, obj.scale, obj.delta_scale = mode, (1, 2, 3), (2, 2, 2), (1.5, 1, 0.5)
    own = Euler((0.4, -0.8, 0.3)).to_matrix()
    obj.rotation_euler = own.to_euler("XYZ" if mode == "QUATERNION" else mode)
    obj.rotation_quaternion = own.to_quaternion()
    if hung:
        parent = bpy.data.objects.new("Parent", None)
        bpy.context.scene.collection.objects.link(parent)
        parent.location, parent.rotation_euler, parent.scale = (0, 1, 0), (0.3, 0.2, 0.1), (3, 3, 3)
        obj.parent = parent
    bpy.context.view_layer.update()
    pivot, other = (0.1, 0.2, 0.5), (0.3, -0.2, 0.9)
    before, was = place_of(obj, pivot), place_of(obj, other)
    for _ in range(2):  # a second bake does not build on the first
        bake(HeadTarget.of(obj, pivot=pivot), (0.3, 0.2, 0.1, 0, 0, 0))
        np.testing.assert_allclose(place_of(obj, pivot), before, atol=1e-5)
        assert (place_of(obj, other) - was).length > 0.05
    saved = HeadTarget.of(obj, pivot=pivot).saved()
    assert HeadTarget.from_saved(saved).pivot == pytest.approx(pivot)
    assert HeadTarget.from_saved({k: v for k, v in saved.items() if k != "pivot"}).pivot is None  # as 0.4.0 saved it
    removal.remove([obj])
    np.testing.assert_allclose(place_of(obj, pivot), before, atol=1e-5)


def bust(below):
    """Make the bundled head, its mesh's origin so far below it."""
    from mathutils import Matrix

    from addon import demo

    obj, rig = demo.build(bpy.context)
    obj.parent = None
    obj.modifiers.clear()
    for block in obj.data.shape_keys.key_blocks:
        co = np.zeros(3 * len(block.data), np.float32)
        block.data.foreach_get("co", co)
        co[2::3] += below
        block.data.foreach_set("co", co)
    obj.data.transform(Matrix.Translation((0, 0, below)))
    obj.location.z = -below
    bpy.context.view_layer.update()
    return obj, rig.matrix_world @ rig.data.bones["head"].head_local


def test_a_head_whose_origin_is_far_below_turns_about_its_neck():
    from addon.characters import heads
    from addon.targets.head import pivots

    obj, joint = bust(0.5)
    obj.mouthpiece_head.turns = "OBJECT"
    target = heads.head_target(obj, 1.0)
    assert target.pivot is not None and (obj.matrix_world @ Vector(target.pivot) - joint).length < 0.01
    assert pivots.words(obj, obj) == "Turns about the neck, estimated on the face"
    top = (0, 0, 0.5 + 0.29)
    before = place_of(obj, top)
    bake(target, PITCH)
    assert (place_of(obj, top) - before).length < 0.08  # a pendulum's would be 0.3 * 0.79 = 0.24
    obj.mouthpiece_head.pivot = "ORIGIN"
    assert heads.head_target(obj, 1.0).pivot is None


def test_a_head_whose_origin_is_near_turns_about_that():
    from addon.characters import heads

    obj, _ = bust(0.0)
    obj.mouthpiece_head.turns = "OBJECT"
    assert heads.head_target(obj, 1.0).pivot is None
    obj.mouthpiece_head.pivot = "NECK"
    assert heads.head_target(obj, 1.0).pivot is not None


def test_the_pivot_may_be_an_object_or_the_place_of_the_cursor():
    from addon.characters import heads

    obj, _ = bust(0.5)
    head = obj.mouthpiece_head
    head.turns, head.pivot = "OBJECT", "OBJECT"
    with pytest.raises(RigError, match="No pivot is chosen"):
        heads.head_target(obj, 1.0)
    marker = bpy.data.objects.new("Pivot", None)
    bpy.context.scene.collection.objects.link(marker)
    marker.location, head.pivot_object = (0, 0.01, 0.1), marker
    bpy.context.view_layer.update()
    first = heads.head_target(obj, 1.0)
    assert (obj.matrix_world @ Vector(first.pivot) - marker.location).length < 1e-5
    bake(first, PITCH)
    bpy.context.view_layer.update()
    assert heads.head_target(obj, 1.0).pivot == pytest.approx(first.pivot, abs=1e-5)  # whatever the head does now
    removal.remove([obj])
    bpy.context.scene.cursor.location = (0, 0.02, 0.12)
    bpy.context.view_layer.objects.active = obj
    assert bpy.ops.mouthpiece.pivot_from_cursor() == {"FINISHED"}
    assert head.pivot == "PLACE"
    found = obj.matrix_world @ Vector(heads.head_target(obj, 1.0).pivot)
    assert (found - bpy.context.scene.cursor.location).length < 1e-5


def test_a_body_without_blinks_has_its_neck_in_the_upper_part():
    from addon.targets.head import pivots
    from blender_tests.test_characters import box

    neck, distance = pivots.neck_of(box("Body", (0, 0, 0.9), (0.5, 0.3, 1.8), ("jawOpen",)))
    assert 1.5 < neck.z < 1.7 and 0.07 < distance < 0.12
