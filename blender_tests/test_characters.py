"""Each character has its own head, company and lines: what one does leaves the others as they are."""

from __future__ import annotations

import zlib

import bpy
import numpy as np
import pytest

from addon import compat
from addon.bake import removal
from addon.characters import released
from blender_tests import scenes
from blender_tests.released import seen


def sway(time):
    """A head that nods, turns and tilts; its last three numbers are shifts in eye distances."""
    moved = np.zeros((len(time), 6))
    moved[:, 0], moved[:, 1], moved[:, 3] = 0.3 * np.sin(5 * time), 0.2 * np.cos(3 * time), 0.1 * np.sin(time)
    return moved


def say(tmp_path, name="line", frame=1):
    """Choose a take for the next character: mouth and head move. Another name is another take."""
    far = 0.4 if name == "line" else 0.35
    take = scenes.performance(1.0, 24.0, head=sway, jawOpen=lambda t: far - far * np.cos(9 * t), eyeBlinkLeft=0.2)
    take.save(tmp_path / f"{name}.npz")
    settings = bpy.context.scene.mouthpiece
    settings.source, settings.filepath, settings.start = "FILE", str(tmp_path / f"{name}.npz"), frame


def choose(obj):
    for other in bpy.context.selected_objects:
        other.select_set(False)
    if obj is not None:
        obj.select_set(True)
    bpy.context.view_layer.objects.active = obj
    return obj


def animate(obj):
    choose(obj)
    assert bpy.ops.mouthpiece.animate() == {"FINISHED"}


def box(name, place=(0, 0, 0), size=(0.2, 0.2, 0.3), keys=("jawOpen", "mouthPucker", "eyeBlinkLeft", "eyeBlinkRight")):
    """Make a box with shape keys of those names; each key moves a corner."""
    corners = [(x * size[0] / 2, y * size[1] / 2, z * size[2] / 2) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(corners, [], [(0, 1, 3, 2), (4, 5, 7, 6)])
    obj = bpy.data.objects.new(name, mesh)
    bpy.context.scene.collection.objects.link(obj)
    obj.location = place
    obj.mouthpiece.reduce = 0.0  # a key a frame: they are counted
    if keys:
        obj.shape_key_add(name="Basis")
    for index, key in enumerate(keys):
        block = obj.shape_key_add(name=key)
        block.data[index % 8].co.z += 0.05
        block.value = 0.0
    bpy.context.view_layer.update()
    return obj


def spoken(owner, path, first=1, last=24):
    """Return the frames of a channel's keys from the first to the last frame of a line."""
    return [round(frame) for frame, _ in scenes.values(owner, path) if first <= frame <= last]


def two_headed(name="Rig"):
    """Make an armature with two head bones."""
    rig = scenes.armature(name)
    active = bpy.context.view_layer.objects.active
    bpy.context.view_layer.objects.active = rig
    bpy.ops.object.mode_set(mode="EDIT")
    bone = rig.data.edit_bones.new("head.B")
    bone.head, bone.tail = (3, 0, 1), (3, 0, 2)
    bpy.ops.object.mode_set(mode="OBJECT")
    bpy.context.view_layer.objects.active = active
    return rig


def turn_by(obj, rig=None, bone="head"):
    """Let a bone, or with no armature the character itself, turn with the head."""
    head = obj.mouthpiece_head
    if rig is None:
        head.turns = "OBJECT"
    else:
        head.turns, head.armature, head.bone = "BONE", rig, bone


def prints(obj, *owners, curves=lambda path: True):
    """Return checksums of all that is a character's: curves, its ledger of them, and settings."""
    found = {}
    for owner in owners:
        for curve in compat.fcurves_of(owner):
            if curves(curve.data_path):
                rows = [(*key.co, *key.handle_left, *key.handle_right) for key in curve.keyframe_points]
                found[owner.name, curve.data_path, curve.array_index] = zlib.crc32(np.array(rows, np.float32).tobytes())
    found["settings"] = {
        name: seen.value_of(getattr(obj, name)) for name in ("mouthpiece", "mouthpiece_head", "mouthpiece_names")
    }
    claims = removal.Claims.of(obj)
    for owner in owners:
        ledger = removal.ledgers.read(owner)
        found[owner.name, "ledger"] = [
            (line.sound, line.first, line.last, {c: n for c, n in line.channels.items() if claims.covers(owner, c)})
            for line in ledger.lines
            if any(claims.covers(owner, channel) for channel in line.channels)
        ]
    return found


def heads(kind):
    """Make two characters A and B side by side, with heads of one kind; return them and the owners of A's keys."""
    a, b = box("A"), box("B", (3, 0, 0))
    if kind == "one armature":
        rig = two_headed()
        turn_by(a, rig, "head")
        turn_by(b, rig, "head.B")
        return a, b, [a.data.shape_keys, rig]
    if kind == "two armatures":
        one, other = scenes.armature("One"), scenes.armature("Other")
        turn_by(a, one)
        turn_by(b, other)
        return a, b, [a.data.shape_keys, one]
    turn_by(a)
    turn_by(b)
    return a, b, [a.data.shape_keys, a]


KINDS = ("one armature", "two armatures", "objects")


def mine(path):
    """Tell the channels of A's head on a shared armature from those of B."""
    return "head.B" not in path


@pytest.mark.parametrize("layers", ["ONE", "LAYERS"])
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_of_one_changes_by_what_another_does(kind, layers, tmp_path):
    a, b, owners = heads(kind)
    a.mouthpiece.layers = b.mouthpiece.layers = layers
    say(tmp_path)
    animate(a)
    say(tmp_path, "second", 61)
    animate(a)
    animate(b)  # the same sound as one of A's
    before = prints(a, *owners, curves=mine)
    tracks = [scenes.tracks(owner.animation_data) for owner in owners] if kind != "one armature" else None
    assert any(before[owner.name, "ledger"] for owner in owners) or layers == "LAYERS"
    say(tmp_path, "second", 31)
    animate(b)
    b.mouthpiece.live = False
    b.mouthpiece.jaw = b.mouthpiece.head = 0.5
    assert bpy.ops.mouthpiece.redial() == {"FINISHED"}
    assert bpy.ops.mouthpiece.remove_take() == {"FINISHED"}
    assert prints(a, *owners, curves=mine) == before
    assert tracks is None or [scenes.tracks(owner.animation_data) for owner in owners] == tracks
    assert not removal.carries(b) and removal.carries(a)
    choose(a)
    assert bpy.ops.mouthpiece.remove_take() == {"FINISHED"}
    assert seen.keys() == {} and seen.tracks() == {}


def test_a_head_that_turns_with_another_character_is_refused_before_anything_is_written(tmp_path):
    a, b, _ = heads("one armature")
    say(tmp_path)
    animate(a)
    turn_by(b, b.mouthpiece_head.armature, "head")
    before = scenes.state()
    choose(b)
    with pytest.raises(RuntimeError, match="Head bone 'head' of 'Rig' already moves with the lines of 'A'"):
        bpy.ops.mouthpiece.animate()
    assert scenes.state() == before


def test_a_copy_that_shares_the_armature_leaves_the_head_to_the_original(tmp_path):
    a, rig = box("A"), scenes.armature()
    turn_by(a, rig)
    say(tmp_path)
    animate(a)
    choose(a)
    bpy.ops.object.duplicate()
    copy = bpy.context.active_object
    copy.location.x = 3
    path = 'pose.bones["head"].rotation_quaternion'
    before = scenes.values(rig, path)
    with pytest.raises(RuntimeError, match="already moves with the lines of 'A'"):
        animate(copy)
    assert bpy.ops.mouthpiece.remove_take() == {"FINISHED"}
    assert scenes.values(rig, path) == before and len(scenes.values(a.data.shape_keys, scenes.shape_path("jawOpen")))
    animate(a)  # the original is not kept from its own head by the copy
    choose(a)
    assert bpy.ops.mouthpiece.remove_take() == {"FINISHED"}
    assert seen.keys() == {}


@pytest.mark.parametrize("linked", [False, True])
def test_a_copy_with_its_armature_has_a_head_of_its_own(tmp_path, linked):
    a, rig = box("A"), scenes.armature()
    a.parent = rig
    turn_by(a, rig)
    say(tmp_path)
    animate(a)
    choose(a)
    rig.select_set(True)
    bpy.ops.object.duplicate(linked=linked)
    copy = bpy.context.active_object
    other = copy.parent
    assert other != rig and copy.mouthpiece_head.armature == other
    path = 'pose.bones["head"].rotation_quaternion'
    before, face = scenes.values(rig, path), scenes.values(a.data.shape_keys, scenes.shape_path("jawOpen"))
    say(tmp_path, "second", 41)
    animate(copy)
    assert scenes.values(rig, path) == before
    assert len(spoken(other, path)) == len(spoken(other, path, 41, 64)) == 24
    if not linked:
        assert scenes.values(a.data.shape_keys, scenes.shape_path("jawOpen")) == face
    assert bpy.ops.mouthpiece.remove_take() == {"FINISHED"}
    assert scenes.values(rig, path) == before and scenes.values(other, path) == []


# --- what is removed


@pytest.mark.parametrize("what", ["camera", "nothing", "another"])
def test_remove_take_is_off_for_whoever_carries_nothing(tmp_path, what):
    a, b, _ = heads("one armature")
    say(tmp_path)
    animate(a)
    camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    bpy.context.scene.collection.objects.link(camera)
    choose({"camera": camera, "nothing": None, "another": b}[what])
    assert not bpy.ops.mouthpiece.remove_take.poll()
    with pytest.raises(RuntimeError, match="No character is active" if what == "nothing" else "has no take"):
        bpy.ops.mouthpiece.remove_take()


@pytest.mark.parametrize("change", ["none", "cleared", "another bone", "renamed bone", "renamed armature"])
def test_the_head_a_line_was_animated_with_goes_with_it(tmp_path, change):
    a, rig = box("A"), two_headed()
    turn_by(a, rig)
    say(tmp_path)
    animate(a)
    if change == "cleared":
        a.mouthpiece_head.turns = "NONE"
    elif change == "another bone":
        a.mouthpiece_head.bone = "head.B"
    elif change == "renamed bone":
        rig.data.bones["head"].name = "skull"
    elif change == "renamed armature":
        rig.name = "Other name"
    choose(a)
    assert bpy.ops.mouthpiece.remove_take.poll()
    assert bpy.ops.mouthpiece.remove_take() == {"FINISHED"}
    assert seen.keys() == {}


def test_what_is_removed_is_said(tmp_path):
    a, rig, teeth = box("Ada"), scenes.armature(), box("Teeth", size=(0.05, 0.05, 0.05), keys=("jawOpen",))
    teeth.parent = a
    turn_by(a, rig)
    say(tmp_path)
    animate(a)
    say(tmp_path, "second", 41)
    animate(a)
    carried = removal.CarriedLines.of(a)
    assert carried.summary() == "2 lines of Ada: the face of 'Ada', 'Teeth', head bone 'head' of 'Rig'"
    text = compat_description(bpy.types.MOUTHPIECE_OT_remove_take)
    assert text.startswith("Removes 2 lines of Ada")


def compat_description(operator):
    """Return the tooltip a button of an operator has now."""
    return operator.description(bpy.context, None)


def test_animated_with_another_head_the_old_one_is_left_as_it_was(tmp_path):
    a, rig = box("A"), scenes.armature()
    other = two_headed("Other")
    rig.pose.bones["head"].rotation_quaternion = (1, 0, 0, 0)
    turn_by(a, rig)
    say(tmp_path)
    animate(a)
    say(tmp_path, "second", 41)
    animate(a)
    turn_by(a, other)
    animate(a)
    path = 'pose.bones["head"].rotation_quaternion'
    assert len(spoken(rig, path)) == 24  # those of the first line
    assert len(spoken(other, path, 41, 64)) == 24 and not spoken(other, path, 1, 24)
    assert not spoken(rig, path, 42, 63)
    turn_by(a, other, "head.B")
    animate(a)
    assert scenes.values(other, path) == []
    a.mouthpiece_head.turns = "NONE"
    animate(a)
    assert other.animation_data is None or not compat.fcurves_of(other)
    say(tmp_path)
    animate(a)
    assert rig.animation_data is None and tuple(rig.pose.bones["head"].rotation_quaternion) == (1, 0, 0, 0)


# --- settings of the scene, as scripts and files of 0.4.0 have them


def test_what_a_script_sets_in_the_scene_is_taken_up_by_whom_it_animates(tmp_path):
    a, b = box("A"), box("B", (3, 0, 0))
    rig = scenes.armature()
    settings = bpy.context.scene.mouthpiece
    say(tmp_path)
    settings.head, settings.armature, settings.bone, settings.strength = "BONE", rig, "head", 0.5
    animate(a)
    assert (a.mouthpiece_head.turns, a.mouthpiece_head.armature, a.mouthpiece_head.bone) == ("BONE", rig, "head")
    animate(b)
    assert b.mouthpiece_head.turns == "NONE"  # a head has one owner
    assert a.mouthpiece.strength == b.mouthpiece.strength == 0.5
    a.mouthpiece.strength = 0.8
    animate(a)
    assert a.mouthpiece.strength == pytest.approx(0.8)
    settings.head = "NONE"
    animate(a)
    assert a.mouthpiece_head.turns == "NONE"


def test_counters_of_what_scripts_asked_for_have_an_end(capfd):
    """Blender would print a traceback at every setting."""
    settings = bpy.context.scene.mouthpiece
    settings.head_asked = 2**31 - 1
    settings.strength = 0.5
    assert settings.strength_asked == 2**31 - 1 and "Traceback" not in capfd.readouterr().err


def as_saved_by_040(a, rig):
    """Undo what only this version stores, with the head in the scene's settings as 0.4.0 had it."""
    for obj in bpy.data.objects:
        obj.property_unset("mouthpiece_head")
        obj.mouthpiece.property_unset("strength")
        obj.mouthpiece.driven.clear()
        for name in ("turns", "armature", "bone", "object"):
            obj.mouthpiece_head.property_unset(name)
    settings = bpy.context.scene.mouthpiece
    settings.head, settings.armature, settings.bone, settings.strength, settings.seed = "BONE", rig, "head", 0.7, 3
    for name in ("head_asked", "head_taken", "strength_asked", "seed_asked"):
        settings.property_unset(name)


def reopened(tmp_path):
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "file.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "file.blend"))
    return {obj.name: obj for obj in bpy.data.objects}


def test_characters_of_an_old_file_get_the_heads_their_lines_turn(tmp_path):
    a, b, _ = heads("two armatures")
    a.mouthpiece.strength = 0.6
    say(tmp_path)
    animate(a)
    animate(b)
    as_saved_by_040(a, bpy.data.objects["One"])
    keys = seen.keys()
    now = reopened(tmp_path)
    for name, rig in (("A", "One"), ("B", "Other")):
        head = now[name].mouthpiece_head
        assert (head.turns, head.armature, head.bone) == ("BONE", now[rig], "head")
    assert now["A"].mouthpiece.strength == pytest.approx(0.6) and now["A"].mouthpiece.seed == 3
    assert seen.keys() == keys
    now["A"].mouthpiece_head.turns = "NONE"
    released.move_over(bpy.data.objects)
    assert now["A"].mouthpiece_head.turns == "NONE"  # what was chosen since stays


@pytest.mark.parametrize("belongs", [True, False])
def test_a_head_that_was_chosen_but_not_animated_goes_to_whom_it_belongs(tmp_path, belongs):
    a, b = box("A"), box("B", (3, 0, 0))
    rig = scenes.armature()
    if belongs:
        b.parent = rig
    as_saved_by_040(a, rig)
    now = reopened(tmp_path)
    assert now["A"].mouthpiece_head.turns == "NONE"
    assert now["B"].mouthpiece_head.turns == ("BONE" if belongs else "NONE")
    assert now["B"].mouthpiece.strength == pytest.approx(0.7 if belongs else 1.0)


def test_an_only_character_gets_the_head_of_its_scene(tmp_path):
    a, rig = box("A"), scenes.armature()
    as_saved_by_040(a, rig)
    head = reopened(tmp_path)["A"].mouthpiece_head
    assert (head.turns, head.bone) == ("BONE", "head")


def test_an_appended_character_gets_the_head_its_lines_turn(tmp_path):
    a, rig = box("A"), scenes.armature()
    a.parent = rig
    turn_by(a, rig)
    say(tmp_path)
    animate(a)
    as_saved_by_040(a, rig)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "old.blend"))
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    bpy.ops.wm.append(filename="A", directory=str(tmp_path / "old.blend" / "Object"))
    head = bpy.data.objects["A"].mouthpiece_head
    assert (head.turns, head.armature) == ("BONE", bpy.data.objects["Rig"])


def test_heads_go_to_the_character_by_the_command_too(tmp_path):
    from addon.command import parser

    a, b, _ = heads("one armature")
    say(tmp_path)
    animate(a)
    for obj in (a, b):
        obj.mouthpiece_head.turns = "NONE"
    line = str(tmp_path / "line.npz")
    asked = ["bake", "--audio", line, "--object", "B", "--armature", "Rig", "--bone"]
    assert parser.main([*asked, "head"]) == 1  # that one is A's
    assert parser.main([*asked, "head.B", "--strength", "0.5"]) == 0
    assert (b.mouthpiece_head.turns, b.mouthpiece_head.bone) == ("BONE", "head.B")
    assert b.mouthpiece.strength == 0.5
    assert parser.main(["bake", "--audio", line, "--object", "B"]) == 0  # as its settings have it
    assert len(spoken(b.mouthpiece_head.armature, 'pose.bones["head.B"].rotation_quaternion')) == 24


@pytest.mark.parametrize("layers", ["ONE", "LAYERS"])
def test_a_renamed_bone_goes_on_following(tmp_path, layers):
    a, rig = box("A"), scenes.armature()
    turn_by(a, rig)
    a.mouthpiece.layers = layers
    say(tmp_path)
    animate(a)
    rig.data.bones["head"].name = 'the "skull"'
    before = seen.keys()
    a.mouthpiece.live = False
    a.mouthpiece.head = 0.2
    choose(a)
    assert bpy.ops.mouthpiece.redial() == {"FINISHED"}
    turned = [key for key in before if "skull" in key and seen.keys()[key] != before[key]]
    assert len(turned) == 4


def test_a_linked_copy_that_was_cleared_leaves_no_head_behind(tmp_path):
    a, rig = box("A"), scenes.armature()
    a.parent = rig
    turn_by(a, rig)
    say(tmp_path)
    animate(a)
    choose(a)
    rig.select_set(True)
    bpy.ops.object.duplicate(linked=True)
    for one in (bpy.context.active_object, a):
        choose(one)
        assert bpy.ops.mouthpiece.remove_take() == {"FINISHED"}
        assert not bpy.ops.mouthpiece.remove_take.poll()
    assert seen.keys() == {}


def test_keys_of_ones_own_are_told_with_the_object_that_has_them(tmp_path):
    keys = ("jawOpen", "mouthPucker")
    head, teeth = box("Head", keys=(*keys, "eyeBlinkLeft", "eyeBlinkRight")), box("Teeth", keys=keys)
    head.mouthpiece.also.add().object = teeth
    for name in keys:
        teeth.data.shape_keys.key_blocks[name].keyframe_insert("value", frame=1)
    say(tmp_path)
    animate(head)  # the mouth moves, though keys of the same names are taken on the teeth
    remarks = bpy.context.window_manager.mouthpiece.remarks
    assert "jawOpen of 'Teeth' and mouthPucker of 'Teeth' have keys of your own" in remarks
    assert len(spoken(head.data.shape_keys, 'key_blocks["jawOpen"].value')) == 24
    assert len(spoken(teeth.data.shape_keys, 'key_blocks["jawOpen"].value')) == 1
