"""Whose Action a take is written into, and how a take is found again after its keys' names changed."""

from __future__ import annotations

import bpy
import numpy as np
import pytest
from mouthpiece.curves import Curves
from mouthpiece.errors import RigError

from addon.bake import removal
from addon.keys import ledgers, writer
from addon.keys.channels import Channel, Line, Part
from blender_tests import scenes
from blender_tests.scenes import shape_path, values

NAMES = ("jawOpen", "mouthClose", "mouthPucker")
LINE = Line("line", 1, 5)


def part(owner, names=NAMES, gain=1.0):
    """Return rising curves for shape keys: the first rises by 0.1 a frame, the next by 0.2 …"""
    frames = np.arange(1, 6)
    rows = gain * np.outer(frames, np.arange(1, len(names) + 1)) * np.float32(0.1)
    channels = tuple(Channel(name, shape_path(name)) for name in names)
    return Part(owner, channels, Curves(names, frames, rows.astype(np.float32)))


@pytest.fixture
def baked():
    """Return the keys of a face with a take."""
    owner = scenes.face(keys=NAMES).data.shape_keys
    writer.write([part(owner)], LINE, "Take")
    return owner


def twin(owner):
    """Return the keys of another face that shares the Action and slot of the first."""
    other = scenes.face("Twin", keys=NAMES).data.shape_keys
    other.animation_data_create().action = owner.animation_data.action
    other.animation_data.action_slot = owner.animation_data.action_slot
    return other


def test_a_twin_gets_an_action_of_its_own_and_says_so(baked):
    other = twin(baked)
    before = scenes.values(baked, shape_path("jawOpen"))
    done = writer.write([part(other, gain=0.5)], LINE, "Take")
    assert other.animation_data.action != baked.animation_data.action
    assert values(baked, shape_path("jawOpen")) == before
    assert values(other, shape_path("jawOpen"))[0][1] == pytest.approx(0.05)
    assert any("an action of its own" in warning and "'Key'" in warning for warning in done.warnings)


def test_removing_from_a_twin_leaves_the_other(baked):
    other = twin(baked)
    removal.remove([other])
    assert other.animation_data is None or other.animation_data.action is None
    assert len(values(baked, shape_path("jawOpen"))) == 5
    assert len(bpy.data.actions) == 1
    removal.remove([baked])
    assert not bpy.data.actions


def test_data_blocks_baked_together_go_on_sharing(baked):
    other = twin(baked)
    writer.write([part(baked), part(other)], LINE, "Take")
    assert other.animation_data.action == baked.animation_data.action


def test_an_action_of_the_users_stays_shared():
    owner = scenes.face(keys=NAMES).data.shape_keys
    action = bpy.data.actions.new("Mine")
    owner.animation_data_create().action = action
    action.fcurve_ensure_for_datablock(owner, "eval_time").keyframe_points.insert(1, 0)
    other = twin(owner)
    writer.write([part(other)], LINE, "Take")
    assert other.animation_data.action == action == owner.animation_data.action


def test_a_bake_that_fails_gives_the_shared_action_back(baked):
    other = twin(baked)
    curve = baked.animation_data.action.layers[0].strips[0].channelbags[0].fcurves
    for one in curve:
        one.lock = True
    before = scenes.state()
    with pytest.raises(RigError, match="locked"):
        writer.write([part(other)], LINE, "Take")
    assert scenes.state() == before


def test_renamed_keys_are_known_again_among_curves_of_the_users(baked):
    action = baked.animation_data.action
    mine = action.fcurve_ensure_for_datablock(baked, "eval_time")
    mine.keyframe_points.insert(1, 3.0)
    for block in baked.key_blocks[1:]:
        block.name = f"Mouth.{block.name}"
    assert set(ledgers.read(baked).lines[0].channels) == {f"{shape_path('Mouth.' + name)}[0]" for name in NAMES}
    writer.write([part(baked, tuple(f"Mouth.{name}" for name in NAMES), 0.5)], LINE, "Take")
    assert values(baked, shape_path("Mouth.jawOpen"))[0][1] == pytest.approx(0.05)
    removal.remove([baked])
    assert [block.value for block in baked.key_blocks[1:]] == [0.0, 0.0, 0.0]
    assert len(values(baked, "eval_time")) == 1


def test_renamed_and_edited_keys_are_the_users(baked):
    scenes_curve = next(c for c in action_curves(baked) if "jawOpen" in c.data_path)
    scenes_curve.keyframe_points[2].co[1] = 0.9
    for block in baked.key_blocks[1:]:
        block.name = f"new {block.name}"
    removal.remove([baked])
    assert len(values(baked, shape_path("new jawOpen"))) == 5
    assert not values(baked, shape_path("new mouthClose"))


def test_an_edited_channel_of_a_renamed_bone_is_known_by_its_neighbours():
    rig = scenes.armature()
    bone = rig.pose.bones["head"]
    bone.rotation_mode = "XYZ"
    frames = np.arange(1, 6)
    names = ("x", "y", "z")
    channels = tuple(Channel(name, 'pose.bones["head"].rotation_euler', k) for k, name in enumerate(names))
    rows = np.outer(frames, (0.1, 0.2, 0.3)).astype(np.float32)
    writer.write([Part(rig, channels, Curves(names, frames, rows))], LINE, "Take")
    next(c for c in action_curves(rig) if c.array_index == 1).keyframe_points[2].co[1] = 2.0
    bone.name = "skull"
    known = {f'pose.bones["skull"].rotation_euler[{k}]' for k in range(3)}
    assert set(ledgers.read(rig).lines[0].channels) == known
    gone = removal.remove([rig])
    assert list(gone.kept.values()) == ["edited since it was animated"]
    assert not values(rig, 'pose.bones["skull"].rotation_euler', 0)
    assert len(values(rig, 'pose.bones["skull"].rotation_euler', 1)) == 5


def action_curves(owner):
    """Return the f-curves of a data-block."""
    from addon import compat

    return list(compat.fcurves_of(owner))
