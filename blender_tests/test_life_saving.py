"""A baked character after its file was saved and opened again: it plays, bakes, dials, and gives back what it had."""

from __future__ import annotations

import bpy
import pytest

from blender_tests import life


def test_it_plays_as_before(character, tmp_path):
    character.open()
    life.reload(tmp_path / "again.blend")
    assert life.seen(character.object).like(character.playing)


def test_removing_restores_it_and_leaves_nothing(character, tmp_path):
    character.open()
    life.reload(tmp_path / "again.blend")
    assert life.remove(character.object) == {"FINISHED"}
    assert life.seen(character.object).like(character.resting)
    assert life.clutter() == character.clutter
    assert not life.notes()


def test_what_was_removed_stays_removed_in_the_file(character, tmp_path):
    character.open()
    life.remove(character.object)
    life.reload(tmp_path / "again.blend")
    assert life.seen(character.object).like(character.resting)
    assert not life.notes()


def test_baking_again_replaces_the_take(character, tmp_path):
    character.open()
    before = life.clutter()
    life.reload(tmp_path / "again.blend")
    assert life.bake(character.object, 0.5) == {"FINISHED"}
    half = life.seen(character.object)
    assert half.moves() and not half.like(character.playing)
    assert life.bake(character.object, 1.0) == {"FINISHED"}
    assert life.seen(character.object).like(character.playing)
    assert life.clutter() == before


def test_it_can_be_dialled(character, tmp_path):
    obj = character.open()
    life.reload(tmp_path / "again.blend")
    obj = character.object
    life.choose([obj])
    obj.mouthpiece.live = False
    obj.mouthpiece.lips = 0.2
    assert bpy.ops.mouthpiece.redial() == {"FINISHED"}
    assert not life.seen(obj).like(character.playing)
    obj.mouthpiece.lips = 1.0
    assert bpy.ops.mouthpiece.redial() == {"FINISHED"}
    # kept motion is rounded a little, and few keys with an error of .01 may then be others
    assert life.seen(obj).like(character.playing, tolerance=1e-3, of_values=0.025)


def test_packing_everything_and_moving_the_file_changes_nothing(character, tmp_path):
    character.open()
    (tmp_path / "elsewhere").mkdir()
    bpy.ops.file.pack_all()
    life.reload(tmp_path / "elsewhere" / "moved.blend")
    assert life.seen(character.object).like(character.playing)


@pytest.mark.parametrize("frame", (1, 36))
def test_the_frame_on_which_it_was_saved_does_not_matter(character, tmp_path, frame):
    character.open()
    bpy.context.scene.frame_set(frame)
    life.reload(tmp_path / "again.blend")
    assert life.remove(character.object) == {"FINISHED"}
    assert life.seen(character.object).like(character.resting)
