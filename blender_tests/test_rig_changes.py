"""What becomes of lines whose rig is changed under them: shape keys and bones removed or renamed after the bake."""

from __future__ import annotations

import bpy
import pytest
from mouthpiece.motion.dials import Dials

from addon.bake import redial, removal
from addon.keys import ledgers
from blender_tests import life, scenes
from blender_tests.test_interludes import say, spoken, turn

__all__ = ["say"]

LAYERS = pytest.mark.parametrize("layered", [False, True], ids=["one action", "layers"])


@LAYERS
def test_a_take_is_removed_after_a_shape_key_was(say, layered):
    face, rig = scenes.face(), scenes.armature()
    say(face, "one", 50, rig=rig, layered=layered)
    face.shape_key_remove(face.data.shape_keys.key_blocks["jawOpen"])
    redial.redial(face, Dials(lips=0.5))
    say(face, "two", 150, rig=rig, layered=layered)
    removal.take_off(face)
    assert not life.notes() and not bpy.data.actions
    assert not any(block.value for block in face.data.shape_keys.key_blocks[1:])


@LAYERS
def test_a_head_goes_on_after_its_bone_was_renamed_and_its_line_updated(say, layered):
    face, rig = scenes.face(), scenes.armature()
    before = scenes.state()
    say(face, "one", 50, rig=rig, layered=layered)
    rig.pose.bones["head"].name = 'Sk"ull]'
    redial.redial(face, Dials(head=0.5))
    layer = "head" if layered else ""
    noted = {channel for one in ledgers.read(rig, layer).lines for channel in one.channels}
    assert noted == {f'pose.bones["Sk\\"ull]"].rotation_quaternion[{index}]' for index in range(4)}
    redial.redial(face, Dials(head=0.8))
    rig.pose.bones[0].name = "head"
    report = say(face, "two", 150, spoken(yaw=-10), rig=rig, layered=layered)
    assert not report.kept
    if not layered:
        assert turn(rig).max() < 2
    removal.take_off(face)
    assert scenes.state() == before
