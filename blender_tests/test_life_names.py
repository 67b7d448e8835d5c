"""A baked character whose parts are renamed: Blender follows, and so must the take."""

from __future__ import annotations

import bpy

from blender_tests import life


def rename_blocks(obj):
    """Rename every object, data-block and action of a character; the order of the names stays."""
    for one in life.family(obj):
        one.name += " renamed"
        if one.data is not None:
            one.data.name = "other data"
    for key in bpy.data.shape_keys:
        key.name = "other keys"
    for action in bpy.data.actions:
        action.name = "other action"


def rename_parts(obj):
    """Rename every shape key, bone, modifier and layer of a character."""
    for one in life.family(obj):
        for modifier in one.modifiers:
            modifier.name += " x"
        data = one.data
        for block in data.shape_keys.key_blocks if getattr(data, "shape_keys", None) else ():
            block.name += " x"
        for bone in data.bones if one.type == "ARMATURE" else ():
            bone.name += " x"
        for layer in data.layers if one.type == "GREASEPENCIL" else ():
            layer.name += " x"


def test_renamed_objects_play_and_are_restored(character):
    obj = character.open()
    rename_blocks(obj)
    assert life.seen(obj).like(character.playing)
    assert life.remove(obj) == {"FINISHED"}
    assert life.seen(obj).like(character.resting)
    assert life.clutter() == character.clutter
    assert not life.notes()


def test_renamed_objects_are_baked_and_dialled_again(character):
    obj = character.open()
    before = life.clutter()
    rename_blocks(obj)
    assert life.bake(obj, 0.5) == {"FINISHED"}
    assert life.bake(obj, 1.0) == {"FINISHED"}
    assert life.seen(obj).like(character.playing)
    assert life.clutter() == before
    obj.mouthpiece.live = False
    obj.mouthpiece.lips = 0.2
    assert bpy.ops.mouthpiece.redial() == {"FINISHED"}
    assert not life.seen(obj).like(character.playing)


def test_renamed_objects_can_be_dialled_before_they_are_baked_again(character):
    obj = character.open()
    rename_blocks(obj)
    obj.mouthpiece.live = False
    obj.mouthpiece.lips = 0.2
    assert bpy.ops.mouthpiece.redial() == {"FINISHED"}
    dialled = life.seen(obj)
    assert dialled.moves() and not dialled.like(character.playing)


def test_renamed_keys_bones_and_layers_play_and_are_restored(character, tmp_path):
    obj = character.open()
    rename_parts(obj)
    life.reload(tmp_path / "renamed.blend")
    obj = character.object
    assert life.seen(obj).like(character.playing)
    assert life.remove(obj) == {"FINISHED"}
    assert life.seen(obj).like(character.resting)
    assert life.clutter() == character.clutter
    assert not life.notes()
