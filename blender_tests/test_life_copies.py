"""A baked character that is duplicated, or copied with its scene: copies play, and each is baked and restored alone."""

from __future__ import annotations

import bpy
import pytest

from blender_tests import life


def duplicate(obj, linked=False):
    """Duplicate a character's whole family, as Shift D or Alt D do; return the copy of ``obj``."""
    before = set(bpy.data.objects)
    life.choose(sorted(life.family(obj), key=lambda one: one != obj))
    assert bpy.ops.object.duplicate(linked=linked) == {"FINISHED"}
    copies = set(bpy.data.objects) - before
    return next(copy for copy in copies if copy.name.rpartition(".")[0] == obj.name)


@pytest.fixture
def actions_shared():
    """Let duplicates share their Action, which the user can choose in the preferences."""
    edit = bpy.context.preferences.edit
    edit.use_duplicate_action = False
    yield
    edit.use_duplicate_action = True


def each_stands_alone(character, obj, copy):
    """Check that baking and restoring the copy changes nothing of the original, and the other way round."""
    assert life.dial(copy, lips=0.2, head=0.3) == {"FINISHED"}
    assert life.seen(obj).like(character.playing), "dialling the copy changed the original"
    dialled = life.seen(copy)
    assert dialled.moves() and not dialled.like(character.playing), "the copy was not dialled"
    life.dial(copy)
    assert life.bake(copy, 0.5) == {"FINISHED"}
    assert life.seen(obj).like(character.playing), "baking the copy changed the original"
    half = life.seen(copy)
    assert half.moves() and not half.like(character.playing), "the copy was not baked again"
    assert life.remove(copy) == {"FINISHED"}
    assert life.seen(copy).like(character.resting), "the copy was not restored"
    assert life.seen(obj).like(character.playing), "restoring the copy changed the original"
    assert life.bake(copy) == {"FINISHED"}
    assert life.seen(copy).like(character.playing)


def test_a_duplicate_plays(character):
    obj = character.open()
    copy = duplicate(obj)
    assert life.seen(copy).like(character.playing)
    assert life.seen(obj).like(character.playing)


def test_a_duplicate_is_baked_and_restored_alone(character):
    obj = character.open()
    each_stands_alone(character, obj, duplicate(obj))


def test_a_duplicate_that_shares_its_action_is_baked_and_restored_alone(character, actions_shared):
    obj = character.open()
    each_stands_alone(character, obj, duplicate(obj))


def test_the_original_is_restored_while_a_duplicate_plays(character):
    obj = character.open()
    copy = duplicate(obj)
    assert life.remove(obj) == {"FINISHED"}
    assert life.seen(obj).like(character.resting)
    assert life.seen(copy).like(character.playing)


def test_the_original_is_restored_while_a_duplicate_shares_its_action(character, actions_shared):
    obj = character.open()
    copy = duplicate(obj)
    assert life.remove(obj) == {"FINISHED"}
    assert life.seen(obj).like(character.resting)
    assert life.seen(copy).like(character.playing)


def test_a_linked_duplicate_plays_and_both_are_restored(character):
    obj = character.open()
    copy = duplicate(obj, linked=True)
    assert life.seen(copy).like(character.playing)
    for one in (copy, obj):
        life.choose([one])
        if bpy.ops.mouthpiece.remove_take.poll():
            assert bpy.ops.mouthpiece.remove_take() == {"FINISHED"}
    assert life.seen(obj).like(character.resting)
    assert life.seen(copy).like(character.resting)
    assert not life.notes()


def test_a_full_copy_of_the_scene_plays_and_stands_alone(character):
    obj = character.open()
    bpy.ops.scene.new(type="FULL_COPY")
    copy = next(one for one in bpy.context.scene.objects if one.name.rpartition(".")[0] == obj.name)
    assert life.seen(copy).like(character.playing)
    assert life.bake(copy, 0.5) == {"FINISHED"}
    assert not life.seen(copy).like(character.playing)
    assert life.remove(copy) == {"FINISHED"}
    assert life.seen(copy).like(character.resting)
    bpy.context.window.scene = next(one for one in bpy.data.scenes if obj.name in one.objects)
    assert life.seen(obj).like(character.playing)


def test_in_a_scene_that_shares_the_objects_it_plays_and_is_restored(character):
    obj = character.open()
    bpy.ops.scene.new(type="LINK_COPY")
    assert life.seen(obj).like(character.playing)
    assert life.remove(obj) == {"FINISHED"}
    assert life.seen(obj).like(character.resting)
    assert not life.notes()


def test_a_deleted_character_leaves_nothing_after_saving(character, tmp_path):
    obj = character.open()
    for one in life.family(obj):
        bpy.data.objects.remove(one)
    life.reload(tmp_path / "without.blend")
    life.reload(tmp_path / "without.blend")
    assert not bpy.data.actions
    assert not life.notes()
