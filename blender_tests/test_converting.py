"""One action into layers and back: the same is seen, edits go along, and nothing is left behind."""

from __future__ import annotations

import bpy
import numpy as np
import pytest

from addon import compat
from addon.bake import redial, removal
from addon.keys import ledgers, nla, writer
from blender_tests import scenes
from blender_tests.test_layers import FIRST, bake, column, pair, played

__all__ = ["pair"]
FRAME = 30
ROW = FRAME - FIRST


def raised(owner, name, by=0.25):
    """Move a key of the one action up as an animator does."""
    curve = next(f for f in compat.fcurves_of(owner) if f.data_path == scenes.shape_path(name))
    point = next(key for key in curve.keyframe_points if abs(key.co.x - FRAME) < 0.01)
    point.co.y += by
    curve.update()


def test_edits_of_one_action_are_kept_as_a_layer(pair, context):
    obj, rig = pair
    bare = scenes.state()
    bake(*pair, layered=False)
    raised(obj.data.shape_keys, "jawOpen")
    seen = played(*pair)
    assert bake(*pair, layered=False).kept == {"jawOpen": "edited since it was animated"}  # today's protection
    context.view_layer.objects.active = obj
    assert bpy.ops.mouthpiece.keep_edits() == {"FINISHED"}
    key = obj.data.shape_keys
    assert key.animation_data.action is None and obj.mouthpiece.layers == "LAYERS"
    assert nla.layers_of(key) == ["lips", "tongue", "eyes", "expression", "edits"] and nla.layers_of(rig) == ["head"]
    np.testing.assert_allclose(played(*pair), seen, atol=1e-3)
    assert not bake(*pair).kept
    np.testing.assert_allclose(played(*pair), seen, atol=1e-3)
    assert not [action.name for action in bpy.data.actions if action.name == "Mouthpiece Face"]
    bpy.context.scene.frame_set(FRAME)
    removal.remove([key, rig])
    assert scenes.state() == bare
    assert not bpy.ops.mouthpiece.keep_edits.poll()


def test_layers_become_one_action_with_their_edits(pair, context):
    obj, rig = pair
    bare = scenes.state()
    bake(*pair)
    lips = next(f for f in nla.fcurves_of(obj.data.shape_keys, "lips") if f.data_path == scenes.shape_path("jawOpen"))
    lips.keyframe_points[ROW].co.y += 0.2
    seen = played(*pair)
    context.view_layer.objects.active = obj
    assert bpy.ops.mouthpiece.merge_layers() == {"FINISHED"}
    assert nla.layers_of(obj.data.shape_keys) == [] and len(bpy.data.actions) == 1
    np.testing.assert_allclose(played(*pair), seen, atol=1e-3)
    assert bake(*pair, layered=False).kept == {"jawOpen": "edited since it was animated"}
    removal.remove([obj.data.shape_keys, rig], replace_edited=True)
    assert scenes.state() == bare


@pytest.mark.parametrize("layered", [True, False])
def test_baking_in_the_other_way_turns_what_is_there(pair, layered):
    obj, _ = pair
    bake(*pair, layered=layered, sound="a")
    bake(*pair, layered=layered, sound="b", first=FIRST + 30, phase=1.0)  # covers the end of the first
    frames = range(FIRST, FIRST + 80)
    seen = played(*pair, frames=frames)
    bake(*pair, layered=not layered, sound="b", first=FIRST + 30, phase=1.0)
    np.testing.assert_allclose(played(*pair, frames=frames), seen, atol=2e-4)
    assert bool(nla.layers_of(obj.data.shape_keys)) != layered
    assert len(redial.dialled_lines(obj)) == 2
    assert bool(obj.data.shape_keys.animation_data.action) == layered


def test_users_own_keys_stay_in_the_active_action(pair):
    obj, _ = pair
    key = obj.data.shape_keys
    key.key_blocks["tongueOut"].keyframe_insert("value", frame=5)
    action = key.animation_data.action
    report = bake(obj)
    assert report.kept == {"tongueOut": "has keys of your own"}
    assert key.animation_data.action == action and len(compat.fcurves_of(key)) == 1
    bake(obj, layered=False)
    assert len(compat.fcurves_of(key)) > 40 and key.animation_data.action == action


def test_a_take_without_its_motion_cannot_be_turned_and_stays(pair):
    obj, _ = pair
    bake(obj, layered=False)
    action = obj.data.shape_keys.animation_data.action
    for name in [n for n in action.keys() if n.startswith(ledgers.TAKE_PREFIX)]:
        del action[name]
    before = scenes.state()
    from mouthpiece.errors import MouthpieceError

    with pytest.raises(MouthpieceError, match="Animate the sound again"):
        bake(obj, sound="another", first=200)
    assert scenes.state() == before


def test_a_bake_that_fails_after_turning_puts_the_action_back(pair, monkeypatch):
    obj, _ = pair
    bake(obj, layered=False)
    raised(obj.data.shape_keys, "jawOpen")
    before, original = scenes.state(), writer.write

    def fails(parts, line, *more, **named):
        if line.sound == "another":
            raise RuntimeError("struck by lightning")
        return original(parts, line, *more, **named)

    monkeypatch.setattr(writer, "write", fails)
    with pytest.raises(RuntimeError, match="lightning"):
        bake(obj, sound="another", first=200)
    assert scenes.state() == before
    assert column("jawOpen") >= 0
