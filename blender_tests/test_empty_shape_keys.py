"""Shape keys that move nothing: they match nothing, are told, and are looked for quickly."""

from __future__ import annotations

import time

import bpy
import numpy as np
import pytest
from mouthpiece.curves import FrameGrid
from mouthpiece.errors import RigError
from mouthpiece.topology import ARKIT_NAMES

from addon.targets import target_for
from addon.targets.shape_keys import stillness
from blender_tests import scenes

GRID = FrameGrid(25.0, 1.0, 1, 50)
VOWELS = tuple(f"Fcl_MTH_{vowel}" for vowel in "AIUEO")


def emptied(obj, *names):
    for name in names:
        block = obj.data.shape_keys.key_blocks[name]
        for point, base in zip(block.data, block.relative_key.data, strict=True):
            point.co = base.co
    return obj


def test_an_avatar_with_empty_arkit_keys_speaks_with_those_that_move():
    obj = emptied(scenes.face(keys=(*ARKIT_NAMES, *VOWELS, "Fcl_EYE_Close")), *ARKIT_NAMES)
    target = target_for(obj)
    assert target.table.families == ("VRoid",)
    assert set(target.table.keys) == {*VOWELS, "Fcl_EYE_Close"}
    assert "moves nothing: " in target.summary()
    driven = target.drive(scenes.performance(jawOpen=0.5), GRID)
    assert "and 46 more move nothing on 'Face'" in driven.warnings[0]


def test_one_empty_key_is_told_and_not_keyed():
    obj = emptied(scenes.face(), "jawOpen")
    target = target_for(obj)
    assert "moves nothing: jawOpen" in target.summary() and target.summary().startswith("51 of 52")
    driven = target.drive(scenes.performance(jawOpen=0.5), GRID)
    assert "jawOpen" not in driven.parts[0].curves.names
    assert driven.warnings[0] == "jawOpen moves nothing on 'Face'"
    assert "No shape key of 'Face' drops the jaw" in driven.warnings[1]


def no_range(obj):
    obj.data.shape_keys.key_blocks["jawOpen"].slider_max = 0.0


def no_weight(obj):
    group = obj.vertex_groups.new(name="None")
    group.add([0, 1, 2], 0.0, "REPLACE")
    obj.data.shape_keys.key_blocks["jawOpen"].vertex_group = "None"


def not_in_group(obj):
    obj.vertex_groups.new(name="None")
    obj.data.shape_keys.key_blocks["jawOpen"].vertex_group = "None"


def to_itself(obj):
    block = obj.data.shape_keys.key_blocks["jawOpen"]
    block.relative_key = block


def to_its_like(obj):
    keys = obj.data.shape_keys.key_blocks
    for point, other in zip(keys["copy"].data, keys["jawOpen"].data, strict=True):
        point.co = other.co
    keys["jawOpen"].relative_key = keys["copy"]


def noise(obj):
    keys = obj.data.shape_keys
    emptied(obj, "jawOpen")
    keys.key_blocks["jawOpen"].data[1].co.y += 1e-6


@pytest.mark.parametrize("change", [no_range, no_weight, not_in_group, to_itself, to_its_like, noise])
def test_what_moves_nothing(change):
    obj = scenes.face(keys=("jawOpen", "mouthClose", "copy"))
    assert stillness.still(obj) == ()
    change(obj)
    assert stillness.still(obj) == ("jawOpen",)
    assert target_for(obj).table.keys == ("mouthClose",)


def test_what_moves_a_little_or_by_a_group_that_is_gone_moves():
    obj = scenes.face(keys=("jawOpen",))
    block = obj.data.shape_keys.key_blocks["jawOpen"]
    emptied(obj, "jawOpen")
    block.data[2].co.y += 1e-3
    block.vertex_group = "gone"  # Blender ignores such names
    assert stillness.still(obj) == ()


def test_a_change_is_seen_at_once_both_ways():
    obj = scenes.face(keys=("jawOpen",))
    assert target_for(obj).table.keys == ("jawOpen",)
    emptied(obj, "jawOpen")
    with pytest.raises(RigError, match=r"move nothing \(jawOpen\)"):
        target_for(obj)
    obj.data.shape_keys.key_blocks["jawOpen"].data[0].co.z = 0.5
    assert target_for(obj).table.keys == ("jawOpen",)


def test_a_table_of_the_user_keeps_its_empty_key_and_says_so():
    obj = scenes.face(keys=("jawOpen", "mouthClose"))
    bpy.ops.mouthpiece.detect_shape_keys()
    emptied(obj, "jawOpen")
    table = target_for(obj).table
    assert table.keys == ("jawOpen", "mouthClose") and table.still == ("jawOpen",)
    assert target_for(obj).summary() == "2 shape keys driven by the table; moves nothing: jawOpen"


def test_teeth_with_the_faces_keys_mostly_empty_play_those_that_move():
    teeth = scenes.face("Teeth")
    emptied(teeth, *(name for name in ARKIT_NAMES if not name.startswith("jaw")))
    face = scenes.face("Face")
    face.mouthpiece.also.add().object = teeth
    target = target_for(teeth)
    assert set(target.table.keys) == {"jawOpen", "jawForward", "jawLeft", "jawRight"} and target.table.still == ()
    assert target.summary() == "With Face: 4 shape keys matched"


def test_teeth_whose_keys_are_all_empty_do_not_stop_the_face_and_are_told():
    teeth = emptied(scenes.face("Teeth", ("jawOpen", "mouthClose")), "jawOpen", "mouthClose")
    face = scenes.face("Face")
    face.mouthpiece.also.add().object = teeth
    driven = target_for(teeth).drive(scenes.performance(jawOpen=0.5), GRID)
    assert driven.warnings == ["jawOpen, mouthClose move nothing on 'Teeth'"]


def test_lips_that_are_not_found_are_told():
    obj = scenes.face(keys=())
    mesh = bpy.data.meshes.new("Mask")
    mesh.from_pydata([(0, 0, 0), (1, 0, 0), (0, 0, 1), (1, 0, 1)], [], [(0, 1, 3, 2)])
    obj.data = mesh
    obj.shape_key_add(name="Basis")
    for point in obj.shape_key_add(name="jawOpen").data:  # all of it goes down: no lip parts from another
        point.co.z -= 1.0
    said = lambda: target_for(obj).drive(scenes.performance(jawOpen=0.5), GRID).warnings  # noqa: E731
    assert any("lips of 'Face' were not found" in warning for warning in said())
    obj.mouthpiece_names.match_lips = False
    assert said() == []


def test_muted_keys_give_way_to_those_that_play():
    obj = scenes.face(keys=(*ARKIT_NAMES, *VOWELS))
    for name in ARKIT_NAMES:
        obj.data.shape_keys.key_blocks[name].mute = True
    assert set(VOWELS) < set(target_for(obj).table.keys)


def test_asking_again_is_quick_on_a_big_mesh():
    obj = scenes.face(keys=())
    side = 170
    places = np.stack(np.meshgrid(np.arange(side), np.arange(side)), -1).reshape(-1, 2).astype(float)
    mesh = bpy.data.meshes.new("Big")
    mesh.from_pydata([(x, 0.0, z) for x, z in places], [], [])
    obj.data = mesh
    obj.shape_key_add(name="Basis")
    for name in ARKIT_NAMES:
        obj.shape_key_add(name=name).points[7].co.y = 1.0
    assert stillness.still(obj) == ()
    began = time.perf_counter()
    for _ in range(20):
        stillness.still(obj)
    assert (time.perf_counter() - began) / 20 < 0.02  # about a millisecond on the machine this was written on
