"""What is told of which parts of a face move: by every kind of target, for company and head; no mouth is an error."""

from __future__ import annotations

import json

import bpy
import numpy as np
import pytest
from mouthpiece.curves import FrameGrid
from mouthpiece.errors import RigError
from mouthpiece.retarget.coverage import PARTS

from addon import scene_settings, targets
from addon.bake.bake import Bake, Heard
from addon.sound.recordings import Placement, Recording
from addon.targets.head.target import HeadTarget
from blender_tests import face_rigs, scenes


def bake(*driven):
    take = scenes.performance(0.4, jawOpen=0.5)
    recording = Recording("line", "line", "", Placement(25.0, 1.0))
    return Bake(recording, driven).write(Heard(take, FrameGrid(25.0, 1.0, 1, len(take))))


def test_a_face_with_all_shapes_says_what_moves_each_part():
    obj = scenes.face()
    found = targets.coverage_of(scenes_targets(obj))
    assert [part for part in PARTS if found.has(part)] == ["mouth", "lids", "gaze", "brows", "tongue"]
    assert found.driven["lids"] == ("eyeBlinkLeft", "eyeBlinkRight") and found.driven["tongue"] == ("tongueOut",)
    assert found.summary() == "Mouth, lids, gaze, brows, tongue · no head, teeth"


def scenes_targets(obj):
    return scene_settings.targets_of(obj, 1.0)


def test_a_head_with_visemes_only_says_that_blinks_and_looks_have_nowhere_to_go():
    obj = scenes.face(keys=("viseme_sil", "viseme_PP", "viseme_aa", "viseme_O", "viseme_E", "viseme_U", "viseme_SS"))
    found = bake(*scenes_targets(obj)).coverage
    assert found.has("mouth") and not found.has("lids") and not found.has("gaze")
    assert "no blinks" in found.why("lids") and "turns the eyes" in found.why("gaze")


def test_a_mesh_whose_only_known_keys_are_blinks_is_no_character(context):
    obj = scenes.face(keys=("eyeBlinkLeft", "eyeBlinkRight", "unheard of"))
    before = scenes.state()
    with pytest.raises(RigError, match=r"'Face' has no mouth that can speak.*Only its lids.*map.*pin the face"):
        scenes_targets(obj)
    assert not bpy.ops.mouthpiece.animate.poll() and scenes.state() == before
    told = bake(targets.target_for(obj))  # asked for by a script, it is done, and told
    assert any("no mouth that can speak" in warning for warning in told.warnings)


def test_company_needs_no_mouth_and_is_told():
    rig = scenes.armature()
    teeth, lashes, face = (
        scenes.face("Teeth", ("jawOpen",)), scenes.face("Lashes", ("eyeBlinkLeft",)),
        scenes.face("Face", ("jawOpen", "mouthSmileLeft")),
    )  # fmt: skip
    for other in (teeth, lashes):
        face.mouthpiece.also.add().object = other
    report = bake(*scenes_targets(face), HeadTarget.of(rig, 1.0, "head"))
    found = report.coverage
    assert found.driven == {
        "mouth": ("jawOpen", "mouthSmileLeft"), "teeth": ("Teeth",), "lids": ("eyeBlinkLeft",),
        "head": ("bone 'head' of Rig",),
    }  # fmt: skip
    told = json.loads(json.dumps(report.as_dict()))["coverage"]
    assert set(told) == set(PARTS) and told["teeth"] == {"by": ["Teeth"]} and "turns" in told["gaze"]["why"]
    assert "Teeth: Teeth" in report.coverage_lines()
    assert any(line.startswith("Tongue: not moved") for line in report.coverage_lines())


def test_teeth_that_are_part_of_the_mesh_are_seen_by_its_materials():
    obj = scenes.face(keys=("jawOpen",))
    for name in ("Skin", "Teeth.001", "Tongue_mat"):
        obj.data.materials.append(bpy.data.materials.new(name))
    found = targets.coverage_of(scenes_targets(obj))
    assert found.driven["teeth"] == found.driven["tongue"] == ("part of Face",)


def test_pinned_keys_are_judged_by_how_they_move_the_pins():
    from addon.targets.pins.pins import COUNT

    mesh = bpy.data.meshes.new("Pinned")
    places = face_rigs.neutral() @ face_rigs.TO_RIG.T
    mesh.from_pydata(places.tolist(), [], [])
    obj = bpy.data.objects.new("Pinned", mesh)
    bpy.context.scene.collection.objects.link(obj)
    bpy.context.view_layer.objects.active = obj
    obj.shape_key_add(name="Basis")
    for name, points, move in (
        ("Blip", [56, 57, 58, 65, 66, 67], (0, 0, -0.2)), ("Blap", [37, 38], (0, 0, -0.06)),
        ("Blup", [19, 20, 23, 24], (0, 0, -0.05)), ("Blop", [30, 33], (0, -0.1, 0)),
    ):  # fmt: skip
        block = obj.shape_key_add(name=name)
        block.value = 0.0
        for point in points:
            block.data[point].co = np.add(block.data[point].co, move)
    for point in range(COUNT):
        pin = obj.mouthpiece_pins.points.add()
        pin.vertex, pin.place = point, places[point].tolist()
    obj.mouthpiece_pins.count = COUNT
    target = targets.target_for(obj)
    assert target.kind == "SOLVED"
    found = target.coverage()
    assert found.driven == {"mouth": ("Blip",), "lids": ("Blap",), "brows": ("Blup",)}
    obj.data.shape_keys.key_blocks["Blip"].mute = True
    assert not target.coverage().has("mouth")
    with pytest.raises(RigError, match=r"no shape key parts the pinned lips.*Pin the lips"):
        scenes_targets(obj)


def test_a_pinned_face_goes_before_blinks_that_are_known_by_name():
    obj = scenes.face(keys=("eyeBlinkLeft", "eyeBlinkRight", "Blip"))
    assert targets.target_for(obj).kind == "NAMES"
    mesh, places = obj.data, face_rigs.neutral() @ face_rigs.TO_RIG.T
    bpy.data.objects.remove(obj)
    bpy.data.meshes.remove(mesh)
    mesh = bpy.data.meshes.new("Pinned")
    mesh.from_pydata(places.tolist(), [], [])
    obj = bpy.data.objects.new("Pinned", mesh)
    bpy.context.scene.collection.objects.link(obj)
    for name in ("Basis", "eyeBlinkLeft", "Blip"):
        block = obj.shape_key_add(name=name)
        block.value = 0.0
    for point in (57, 66):
        block.data[point].co.z -= 0.2
    obj.data.shape_keys.key_blocks["eyeBlinkLeft"].data[43].co.z -= 0.1
    for point in range(68):
        pin = obj.mouthpiece_pins.points.add()
        pin.vertex, pin.place = point, places[point].tolist()
    obj.mouthpiece_pins.count = 68
    assert targets.target_for(obj).kind == "SOLVED"


def test_bones_say_what_each_moves_and_what_hangs_on_the_jaw():
    rig = face_rigs.face()
    found = targets.target_for(rig).coverage()
    assert found.summary() == "Mouth, lids, gaze, brows · no head, teeth, tongue"
    assert "jaw" in found.driven["mouth"] and found.driven["gaze"] == ("eye.L", "eye.R")
    bpy.ops.object.mode_set(mode="EDIT")
    for name, parent in (("teeth_low", "jaw"), ("teeth_up", "head"), ("tongue", "jaw")):
        bone = rig.data.edit_bones.new(name)
        bone.head, bone.tail = face_rigs.at("jaw"), face_rigs.at("chin")
        bone.parent = rig.data.edit_bones[parent]
    bpy.ops.object.mode_set(mode="OBJECT")
    found = targets.target_for(rig).coverage()
    assert found.driven["teeth"] == ("teeth_low (with jaw)",) and found.driven["tongue"] == ("tongue (with jaw)",)


def test_bones_without_a_jaw_or_lower_lip_are_no_character():
    bones = {"head": (face_rigs.ORIGIN, face_rigs.ORIGIN + face_rigs.Vector((0, 0, 0.2)), 0.0, None, False)}
    for name in ("mouth_corner.L", "mouth_corner.R", "eye.L", "eye.R"):
        place = face_rigs.at(name.replace("mouth", "lip"))
        bones[name] = (place, place + face_rigs.Vector((0, -0.02, 0)), 0.0, "head", False)
    rig = face_rigs.make(bones)
    with pytest.raises(RigError, match=r"no bone of the jaw or the lower lip.*Only its gaze.*table under Face Bones"):
        scenes_targets(rig)
    assert not bpy.ops.mouthpiece.animate.poll()
    assert rig.animation_data is None


@pytest.mark.parametrize("kind", sorted(targets.KINDS))
def test_every_kind_of_target_answers(kind):
    assert callable(targets.KINDS[kind].coverage) and kind in targets._WAYS_OUT


def test_the_panel_tells_in_short(context):
    face = scenes.face(keys=("jawOpen", "eyeBlinkLeft"))
    assert scene_settings.coverage(context).summary() == "Mouth, lids · no gaze, brows, head, teeth, tongue"
    face.mouthpiece_head.turns, face.mouthpiece_head.object = "OBJECT", face
    assert scene_settings.coverage(context).driven["head"] == ("Face",)
