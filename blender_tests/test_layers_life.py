"""Layers in the hands of an animator: strips moved, objects renamed, duplicated, linked and overridden."""

from __future__ import annotations

import bpy
import numpy as np
import pytest
from mouthpiece.errors import RigError
from mouthpiece.motion.dials import Dials

from addon import targets
from addon.bake import redial, removal
from addon.keys import nla
from blender_tests import scenes
from blender_tests.test_layers import COUNT, FIRST, FRAMES, bake, column, pair, played, track

#: What lines do, without what is between them (see conftest).
LINES_ALONE = True

__all__ = ["pair"]


def test_an_action_of_the_users_that_is_pushed_down_stays_and_plays(pair):
    obj, _ = pair
    key = obj.data.shape_keys
    bake(obj)
    key.key_blocks["tongueOut"].keyframe_insert("value", frame=5)
    key.key_blocks["tongueOut"].value = 0.5
    key.key_blocks["tongueOut"].keyframe_insert("value", frame=FIRST)
    action = key.animation_data.action
    mine = key.animation_data.nla_tracks.new()
    mine.name = "Pushed"
    mine.strips.new(action.name, 5, action)
    key.animation_data.action = None
    assert played(obj)[-1, column("tongueOut")] == pytest.approx(0.5)
    assert not bake(obj).kept
    assert played(obj)[-1, column("tongueOut")] == pytest.approx(0.5)  # it lies above the layers
    removal.remove([key])
    assert [t.name for t in key.animation_data.nla_tracks] == ["Pushed"] and bpy.data.actions[:] == [action]


def test_a_strip_that_was_moved_plays_where_it_was_put(pair):
    obj, _ = pair
    key = obj.data.shape_keys
    bake(obj)
    plain = played(obj)
    for layer in nla.layers_of(key):
        strip = nla.strip_of(key, layer)
        strip.frame_end_raw, strip.frame_start_raw = FIRST + COUNT + 99, FIRST + 100
    assert any("plays where you put it" in warning for warning in bake(obj).warnings)
    np.testing.assert_allclose(played(obj, frames=[f + 100 for f in FRAMES]), plain, atol=1e-5)
    redial.redial(obj, Dials(lips=0.5))
    assert nla.strip_of(key, "lips").frame_start == FIRST + 100


def test_a_strip_that_is_tweaked_is_refused(pair):
    obj, _ = pair
    bake(obj)
    data = obj.data.shape_keys.animation_data
    data.use_tweak_mode = True
    assert data.use_tweak_mode
    before = scenes.state()
    with pytest.raises(RigError, match="tweak mode"):
        bake(obj)
    data.use_tweak_mode = True
    with pytest.raises(RigError, match="tweak mode"):
        removal.remove([obj.data.shape_keys])
    data.use_tweak_mode = False
    assert before[2] == scenes.state()[2]


def test_the_nla_switched_off_is_said(pair):
    obj, _ = pair
    bake(obj)
    obj.data.shape_keys.animation_data.use_nla = False
    assert any("NLA of" in warning for warning in bake(obj).warnings)


def test_renamed_actions_tracks_objects_and_keys_are_known_again(pair):
    obj, rig = pair
    bare = scenes.state()
    bake(*pair)
    key = obj.data.shape_keys
    names = obj.name, rig.name
    obj.name, rig.name = "Hero", "Hero Rig"
    for action in bpy.data.actions:
        action.name = f"Shot {action.name}"
    track(key, "lips").name = "Talk"
    key.key_blocks["jawOpen"].name = "jaw_open"
    before = played(*pair)
    assert not bake(*pair).kept
    np.testing.assert_allclose(played(*pair), before, atol=1e-6)
    assert len(key.animation_data.nla_tracks) == 4 and len(bpy.data.actions) == 5
    assert not redial.redial(obj, Dials(lips=0.5)).kept
    key.key_blocks["jaw_open"].name = "jawOpen"
    obj.name, rig.name = names
    removal.remove([key, rig])
    assert scenes.state() == bare


def test_a_duplicate_gets_layers_of_its_own_when_it_is_baked(pair):
    obj, _ = pair
    bake(obj)
    own = played(obj)
    twin = obj.copy()
    twin.data = obj.data.copy()
    bpy.context.scene.collection.objects.link(twin)
    shared = nla.action_and_slot(twin.data.shape_keys, "lips")[0]
    assert shared == nla.action_and_slot(obj.data.shape_keys, "lips")[0]
    report = bake(twin, phase=2.0)
    assert any("action of its own" in warning for warning in report.warnings)
    assert nla.action_and_slot(twin.data.shape_keys, "lips")[0] != shared
    np.testing.assert_allclose(played(obj), own, atol=1e-6)
    assert np.abs(played(twin) - own).max() > 0.05
    redial.redial(twin, Dials(lips=0.3))
    np.testing.assert_allclose(played(obj), own, atol=1e-6)
    removal.remove([twin.data.shape_keys])
    np.testing.assert_allclose(played(obj), own, atol=1e-6)
    assert not nla.layers_of(twin.data.shape_keys) and nla.layers_of(obj.data.shape_keys)


def test_curves_of_the_users_in_a_layers_action_stay_with_it(pair):
    obj, _ = pair
    key = obj.data.shape_keys
    bake(obj)
    own = nla.ensure_fcurve(key, "lips", 'key_blocks["Basis"].value', 0)
    own.keyframe_points.insert(5, 0.5)
    removal.remove([key])
    assert nla.layers_of(key) == ["lips"] and len(nla.fcurves_of(key, "lips")) == 1


def test_two_characters_in_one_action_keep_to_their_slots():
    one, other = scenes.face("One"), scenes.face("Other")
    bake(one)
    bake(other, phase=1.0)
    mine, theirs = nla.strip_of(one.data.shape_keys, "lips"), nla.strip_of(other.data.shape_keys, "lips")
    assert mine.action != theirs.action
    seen = played(other)
    removal.remove([one.data.shape_keys])
    np.testing.assert_allclose(played(other), seen, atol=1e-6)


def test_an_overridden_character_has_layers_that_are_saved(tmp_path):
    path = str(tmp_path / "face.blend")
    bpy.data.libraries.write(path, {scenes.face()}, fake_user=True)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    with bpy.data.libraries.load(path, link=True) as (there, here):
        here.objects = there.objects
    obj = here.objects[0].override_create(remap_local_usages=True)
    obj.data.override_create(remap_local_usages=True)
    bpy.context.scene.collection.objects.link(obj)
    bpy.context.view_layer.objects.active = obj
    bake(obj)
    seen = played(obj)
    shot = str(tmp_path / "shot.blend")
    bpy.ops.wm.save_as_mainfile(filepath=shot)
    bpy.ops.wm.open_mainfile(filepath=shot)
    obj = targets.find_object("Face")
    np.testing.assert_allclose(played(obj), seen, atol=1e-6)
    assert not bake(obj).kept and len(obj.data.shape_keys.animation_data.nla_tracks) == 4
    removal.remove([obj.data.shape_keys])
    assert not len(obj.data.shape_keys.animation_data.nla_tracks if obj.data.shape_keys.animation_data else ())


def test_a_linked_layer_is_refused(pair, tmp_path):
    obj, _ = pair
    bake(obj)
    key = obj.data.shape_keys
    action = nla.action_and_slot(key, "lips")[0]
    path = str(tmp_path / "library.blend")
    bpy.data.libraries.write(path, {action})
    with bpy.data.libraries.load(path, link=True) as (there, here):
        here.actions = there.actions
    strip = nla.strip_of(key, "lips")
    strip.action = here.actions[0]
    strip.action_slot = here.actions[0].slots[0]
    before = scenes.state()
    with pytest.raises(RigError, match="linked"):
        bake(obj)
    assert scenes.state() == before


def test_undo_takes_a_live_dial_back_in_one_step(pair):
    obj, _ = pair
    bpy.context.preferences.edit.use_global_undo = True
    bake(obj, layered=False)
    bpy.ops.ed.undo_push(message="baked")
    before = played(obj)
    obj.mouthpiece.live = True
    for amount in (0.9, 0.7, 0.5, 0.3):  # a drag: Blender pushes one step at its end
        obj.mouthpiece.lips = amount
    bpy.ops.ed.undo_push(message="Lips")
    assert np.abs(played(obj) - before).max() > 0.05
    bpy.ops.ed.undo()
    obj = bpy.data.objects["Face"]
    np.testing.assert_allclose(played(obj), before, atol=1e-6)
    assert obj.mouthpiece.lips == 1.0
    obj.mouthpiece.live = True
    obj.mouthpiece.lips = 0.3  # the same again is not taken for what is there
    assert np.abs(played(obj) - before).max() > 0.05
