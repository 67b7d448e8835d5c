"""From any part of a character its main object is found, and what belongs to it plays along by itself."""

from __future__ import annotations

import bpy
import pytest
from mouthpiece.errors import RigError

from addon import scene_settings
from addon.characters import company, family
from addon.targets import target_for
from addon.targets.head.joints import armature_of, head_bone
from blender_tests import scenes
from blender_tests.test_characters import animate, box, choose, say, spoken

FACE = ("jawOpen", "mouthPucker", "mouthSmileLeft", "mouthSmileRight", "eyeBlinkLeft", "eyeBlinkRight")


def skinned(obj, rig):
    """Let an armature deform an object."""
    obj.modifiers.new("Armature", "ARMATURE").object = rig
    return obj


def empty(name, *children):
    """Make an empty that is the parent of ``children``."""
    obj = bpy.data.objects.new(name, None)
    bpy.context.scene.collection.objects.link(obj)
    for child in children:
        child.parent = obj
    return obj


def avatar(name="Ada", place=(0, 0, 0), rig=None):
    """Make a head in several meshes on an armature: face, teeth, lashes, an eye, and a body with correctives."""
    x, y, z = place
    made = {
        "rig": rig or scenes.armature(f"{name} Rig"),
        "face": box(f"{name} Face", place, keys=FACE),
        "teeth": box(f"{name} Teeth", (x, y, z - 0.05), (0.06, 0.06, 0.04), ("jawOpen", "mouthPucker")),
        "lashes": box(f"{name} Lashes", (x, y, z + 0.05), (0.1, 0.02, 0.02), ("eyeBlinkLeft", "eyeBlinkRight")),
        "eye": box(f"{name} Eye", (x + 0.03, y - 0.05, z + 0.05), (0.03, 0.03, 0.03), ()),
        "body": box(f"{name} Body", (x, y, z - 0.9), (0.5, 0.3, 1.4), ("bend.L", "bend.R")),
    }
    for part in ("face", "teeth", "lashes", "eye", "body"):
        skinned(made[part], made["rig"])
    return made


PARTS = ("rig", "face", "teeth", "lashes", "eye", "body")


@pytest.mark.parametrize("part", PARTS)
def test_the_face_is_found_from_each_part_and_the_rest_comes_along(part, tmp_path, context):
    made = avatar()
    choose(made[part])
    assert scene_settings.character(context) == made["face"]
    assert company.of(made["face"]) == [made["teeth"], made["lashes"]]
    say(tmp_path)
    animate(made[part])
    for other in ("face", "teeth"):
        assert len(spoken(made[other].data.shape_keys, scenes.shape_path("jawOpen"))) == 24
    assert len(spoken(made["lashes"].data.shape_keys, scenes.shape_path("eyeBlinkLeft"))) == 24
    assert [entry.object for entry in made["face"].mouthpiece.also] == [made["teeth"], made["lashes"]]


@pytest.mark.parametrize("arrangement", ["an armature each", "one empty", "one armature", "one collection"])
def test_two_characters_stay_two(arrangement):
    rig = scenes.armature() if arrangement == "one armature" else None
    a, b = avatar("Ada", rig=rig), avatar("Bob", (1, 0, 0), rig=rig)
    if arrangement == "one empty":
        empty("Group", a["rig"], b["rig"])
    if arrangement == "one collection":
        cast = bpy.data.collections.new("Cast")
        bpy.context.scene.collection.children.link(cast)
        for made in (a, b):
            for part in PARTS:
                cast.objects.link(made[part])
    for made in (a, b):
        for part in ("face", "teeth", "lashes", "eye"):
            assert family.main_object(made[part]) == made["face"]
        assert company.of(made["face"]) == [made["teeth"], made["lashes"]]
        if rig is None:
            assert family.main_object(made["rig"]) == made["face"]
    if rig is not None:
        assert family.main_object(rig) == rig  # whose face, nobody can tell


def test_parts_without_an_armature_belong_to_their_parent():
    face, teeth = box("Face", keys=FACE), box("Teeth", (0, 0, -0.05), (0.05, 0.05, 0.03), ("jawOpen",))
    group = empty("Group", empty("Grp Head", face), empty("Grp Teeth", teeth))
    for part in (group, teeth, face, teeth.parent):
        assert family.main_object(part) == face
    assert company.of(face) == [teeth]


def test_loose_parts_belong_to_their_collection_and_not_to_the_scene():
    face, teeth = box("Face", keys=FACE), box("Teeth", (0, 0, -0.05), (0.05, 0.05, 0.03), ("jawOpen",))
    assert family.main_object(teeth) == teeth and company.of(face) == []
    inside = bpy.data.collections.new("Ada")
    bpy.context.scene.collection.children.link(inside)
    for obj in (face, teeth):
        bpy.context.scene.collection.objects.unlink(obj)
        inside.objects.link(obj)
    assert family.main_object(teeth) == face and company.of(face) == [teeth]


def test_an_empty_that_shows_a_collection_stands_for_the_face_in_it():
    made = avatar()
    inside = bpy.data.collections.new("Ada")
    for part in PARTS:
        inside.objects.link(made[part])
        bpy.context.scene.collection.objects.unlink(made[part])
    instance = empty("Instance")
    instance.instance_type, instance.instance_collection = "COLLECTION", inside
    assert family.main_object(instance) == made["face"]


def test_a_linked_collection_says_what_to_do_and_its_override_works(tmp_path, context):
    made = avatar()
    inside = bpy.data.collections.new("Ada")
    for part in PARTS:
        inside.objects.link(made[part])
        bpy.context.scene.collection.objects.unlink(made[part])
    bpy.data.libraries.write(str(tmp_path / "ada.blend"), {inside})
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    bpy.ops.wm.link(filename="Ada", directory=str(tmp_path / "ada.blend" / "Collection"))
    instance = next(obj for obj in context.scene.objects if obj.type == "EMPTY")
    face = family.main_object(instance)
    assert face.name == "Ada Face" and face.library is not None
    with pytest.raises(RigError, match="make library overrides"):
        target_for(face)
    choose(instance)
    over = instance.instance_collection.override_hierarchy_create(context.scene, context.view_layer, reference=instance)
    rig = next(obj for obj in over.all_objects if obj.type == "ARMATURE")
    main = family.main_object(rig)
    assert main.name == "Ada Face" and main.override_library is not None


def test_a_part_that_was_taken_off_stays_off(tmp_path, context):
    made = avatar()
    choose(made["face"])
    assert bpy.ops.mouthpiece.remove_also(name="Ada Lashes") == {"FINISHED"}
    say(tmp_path)
    animate(made["face"])
    assert company.of(made["face"]) == [made["teeth"]]
    assert scenes.values(made["lashes"].data.shape_keys, scenes.shape_path("eyeBlinkLeft")) == []
    assert bpy.ops.mouthpiece.remove_also(index=0) == {"FINISHED"}
    animate(made["face"])
    assert company.of(made["face"]) == []
    assert scenes.values(made["teeth"].data.shape_keys, scenes.shape_path("jawOpen")) == []  # no key is left behind
    made["lashes"].select_set(True)
    assert bpy.ops.mouthpiece.add_also() == {"FINISHED"}
    assert company.of(made["face"]) == [made["lashes"]] and len(made["face"].mouthpiece.left_out) == 1


def test_teeth_with_all_the_keys_of_the_face_are_not_taken_for_it():
    rig = scenes.armature()
    teeth = skinned(box("Wolf3D_Teeth", (0, 0, -0.05), (0.06, 0.06, 0.04), FACE), rig)
    head = skinned(box("Wolf3D_Head", keys=FACE), rig)
    assert family.main_object(teeth) == family.main_object(rig) == head
    assert company.of(head) == [teeth]


def test_whatever_is_set_up_by_hand_is_a_character_itself():
    made = avatar()
    made["teeth"].mouthpiece.target = "NAMES"
    assert family.main_object(made["teeth"]) == made["teeth"]
    assert company.of(made["face"]) == [made["lashes"]]


NAMES = {
    "plain": (("root", "Neck", "Head", "Head_end"), "Head"),
    "Rigify": (("spine.004", "head", "DEF-spine.006", "ORG-spine.006", "MCH-head"), "head"),
    "Rigify, not generated": (("spine", "spine.005", "spine.006", "face"), "spine.006"),
    "deform bones": (("DEF-neck", "DEF-head"), "DEF-head"),
    "Auto-Rig Pro": (("c_neck.x", "c_head.x", "head.x", "c_headbutt"), "c_head.x"),
    "3ds Max": (("Bip01 Neck", "Bip01 Head", "Bip01 MJaw"), "Bip01 Head"),
    "Mixamo": (("mixamorig:Neck", "mixamorig:Head", "mixamorig:HeadTop_End"), "mixamorig:Head"),
    "VRoid": (("J_Bip_C_Neck", "J_Bip_C_Head", "J_Adj_L_FaceEye"), "J_Bip_C_Head"),
    "Character Creator": (("CC_Base_NeckTwist02", "CC_Base_Head", "CC_Base_FacialBone"), "CC_Base_Head"),
    "none": (("jaw", "brow.L"), ""),
}


@pytest.mark.parametrize("case", NAMES)
def test_the_head_bone_is_found_by_its_name(case):
    names, wanted = NAMES[case]
    rig = scenes.armature()
    bpy.context.view_layer.objects.active = rig
    bpy.ops.object.mode_set(mode="EDIT")
    rig.data.edit_bones.remove(rig.data.edit_bones[0])
    for number, name in enumerate(names):
        bone = rig.data.edit_bones.new(name)
        bone.head, bone.tail = (0, 0, number), (0, 0, number + 1)
    bpy.ops.object.mode_set(mode="OBJECT")
    assert head_bone(rig) == wanted


def test_the_picker_begins_with_what_turns_most_likely():
    made = avatar()
    head = made["face"].mouthpiece_head
    head.turns = "BONE"
    assert (head.armature, head.bone) == (armature_of(made["face"]), "head")
    head.turns = "OBJECT"
    assert head.object == made["face"]


def test_of_two_heads_on_one_armature_each_face_gets_its_own():
    from blender_tests.test_characters import two_headed

    rig = two_headed()
    rig.data.bones["head"].name = "head.A"
    found = {}
    for letter, x in (("A", 0), ("B", 3)):
        face = skinned(box(letter, (x, 0, 0), keys=FACE), rig)
        face.vertex_groups.new(name=f"head.{letter}").add(range(8), 1.0, "REPLACE")
        found[letter] = head_bone(rig, face)
    assert found == {"A": "head.A", "B": "head.B"}


def test_an_object_without_keys_can_be_put_on_the_list(context):
    from blender_tests.test_targets_objects import parts

    other = bpy.data.objects.new("Holder", None)
    context.scene.collection.objects.link(other)
    face, made = parts(other)  # hung on something else: they are not found by themselves
    assert company.of(face) == []
    choose(face)
    for part in ("eye.L", "lower"):
        made[part].select_set(True)
    assert bpy.ops.mouthpiece.add_also() == {"FINISHED"}
    assert [company.target_of(face, part, 1.0).kind for part in company.of(face)] == ["EYEBALL", "LOWER_TEETH"]


def test_teeth_and_tongue_whose_keys_begin_with_their_name_come_along(tmp_path, context):
    face = box("Head", keys=FACE)
    mouth = box("Skull", (0, 0, -0.05), (0.06, 0.06, 0.04), ("teeth_jawOpen", "tongue_jawOpen"))
    mouth.parent = face
    choose(mouth)
    assert scene_settings.character(context) == face and company.of(face) == [mouth]
    say(tmp_path)
    animate(face)
    for name in ("teeth_jawOpen", "tongue_jawOpen"):
        assert len(spoken(mouth.data.shape_keys, scenes.shape_path(name))) == 24


def test_teeth_whose_keys_move_nothing_are_told():
    face = box("Head", keys=FACE)
    teeth = box("Skull", (0, 0, -0.05), (0.06, 0.06, 0.04), ("teeth_jawOpen",))
    teeth.parent = face
    block = teeth.data.shape_keys.key_blocks["teeth_jawOpen"]
    for point, rest in zip(block.data, teeth.data.shape_keys.reference_key.data, strict=True):
        point.co = rest.co
    assert company.of(face) == []
    assert "'Skull'" in company.standing(face)[0] and "move nothing" in company.standing(face)[0]


def test_a_face_with_pins_is_found_from_its_armature():
    rig = scenes.armature()
    face = skinned(box("Face", keys=("a", "b")), rig)
    skinned(box("Body", (0, 0, -0.9), (0.5, 0.3, 1.4), ("bend.L", "bend.R")), rig)
    for _ in range(68):
        face.mouthpiece_pins.points.add().vertex = 0
    assert family.main_object(rig) == face
