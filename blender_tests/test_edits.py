"""What the animator changed in a layer is still there when everything under it is baked or dialled anew."""

from __future__ import annotations

import bpy
import numpy as np
import pytest
from mouthpiece.motion.dials import Dials

from addon import compat
from addon.bake import redial, removal
from addon.keys import ledgers, nla
from blender_tests import scenes
from blender_tests.test_layers import COUNT, FELT, FIRST, bake, column, pair, played, track

#: What lines do, without what is between them (see conftest).
LINES_ALONE = True

__all__ = ["pair"]
FRAME = 30
ROW = FRAME - FIRST


def curve(owner, layer, path, index=0):
    return next(f for f in nla.fcurves_of(owner, layer) if f.data_path == path and f.array_index == index)


def change(owner, layer, path, frame, by, index=0):
    """Move a key up as an animator does."""
    found = curve(owner, layer, path, index)
    point = next(key for key in found.keyframe_points if abs(key.co.x - frame) < 0.01)
    point.co.y += by
    found.update()


def test_a_changed_key_survives_dials_and_another_line(pair):
    obj, _ = pair
    key, path = obj.data.shape_keys, scenes.shape_path("jawOpen")
    bake(obj)
    plain = played(obj)
    change(key, "lips", path, FRAME, 0.25)
    edited = played(obj)
    np.testing.assert_allclose(np.delete(edited, ROW, axis=0), np.delete(plain, ROW, axis=0), atol=1e-6)
    done = redial.redial(obj, Dials(emotion="happy", lips=0.7))
    assert not done.kept
    with_edit = played(obj)
    assert nla.action_and_slot(key, "edits")[0].name == "Mouthpiece Edits – Face"
    assert key.animation_data.nla_tracks[-1].name == "Mouthpiece Edits"
    track(key, "edits").mute = True
    added = with_edit - played(obj)
    track(key, "edits").mute = False
    assert added[ROW, column("jawOpen")] == pytest.approx(0.25, abs=1e-3)
    added[ROW, column("jawOpen")] = 0
    assert np.abs(added).max() < 1e-3
    bake(obj, sound="another", phase=1.0)
    track(key, "edits").mute = True
    bare = played(obj)
    track(key, "edits").mute = False
    assert played(obj)[ROW, column("jawOpen")] - bare[ROW, column("jawOpen")] == pytest.approx(0.25, abs=1e-3)
    assert len(curve(key, "edits", path).keyframe_points) < 8  # few keys, for people


def test_baking_the_same_line_again_changes_nothing_that_is_seen(pair):
    obj, rig = pair
    bake(*pair)
    change(obj.data.shape_keys, "lips", scenes.shape_path("jawOpen"), FRAME, 0.2)
    change(obj.data.shape_keys, "expression", scenes.shape_path("mouthSmileLeft"), FRAME, 0.1)
    change(rig, "head", 'pose.bones["head"].rotation_quaternion', FRAME, 0.1, 1)
    seen = played(*pair)
    for _ in range(2):
        assert not bake(*pair).kept
        np.testing.assert_allclose(played(*pair)[:, :52], seen[:, :52], atol=1e-3)
        turned, before = played(*pair)[:, 52:], seen[:, 52:]
        np.testing.assert_allclose(turned, before / np.linalg.norm(before, axis=1)[:, None], atol=1e-3)
    # the same channel again: offsets add up
    change(obj.data.shape_keys, "lips", scenes.shape_path("jawOpen"), FRAME, 0.05)
    seen = played(*pair)
    bake(*pair)
    np.testing.assert_allclose(played(*pair)[:, :52], seen[:, :52], atol=1e-3)


def test_added_and_deleted_keys_count_as_edits(pair):
    obj, _ = pair
    key, path = obj.data.shape_keys, scenes.shape_path("jawOpen")
    bake(obj)
    points = curve(key, "lips", path).keyframe_points
    for point in [p for p in points if 20 <= p.co.x <= 28][::-1]:
        points.remove(point)
    curve(key, "lips", path).keyframe_points.insert(24, 0.9)
    seen = played(obj)
    bake(obj)
    np.testing.assert_allclose(played(obj), seen, atol=1e-3)
    assert len(curve(key, "lips", path).keyframe_points) == COUNT


def test_edits_go_along_when_the_line_moves(pair):
    obj, _ = pair
    key, path = obj.data.shape_keys, scenes.shape_path("jawOpen")
    bake(obj)
    change(key, "lips", path, FRAME, 0.25)
    seen = played(obj)
    bake(obj, first=FIRST + 100)
    np.testing.assert_allclose(played(obj, frames=range(FIRST + 100, FIRST + 100 + COUNT)), seen, atol=1e-3)
    bake(obj, first=FIRST + 7)  # nothing was edited meanwhile, but there are edits
    np.testing.assert_allclose(played(obj, frames=range(FIRST + 7, FIRST + 7 + COUNT)), seen, atol=1e-3)
    assert [round(k.co.x) for k in curve(key, "edits", path).keyframe_points][-1] <= FIRST + 7 + COUNT


def test_two_edited_lines_that_a_third_covers(pair):
    obj, _ = pair
    key, path = obj.data.shape_keys, scenes.shape_path("jawOpen")
    bake(obj, sound="a")
    bake(obj, sound="b", first=61)
    change(key, "lips", path, 40, 0.1)
    change(key, "lips", path, 80, 0.2)
    bake(obj, sound="c", first=36)  # covers the end of one and the beginning of the other
    found = {round(k.co.x): k.co.y for k in curve(key, "edits", path).keyframe_points}
    assert found[40] == pytest.approx(0.1, abs=1e-3) and found[80] == pytest.approx(0.2, abs=1e-3)


def test_two_edited_lines_are_dialled_at_once(pair):
    obj, _ = pair
    key, path = obj.data.shape_keys, scenes.shape_path("jawOpen")
    bake(obj, sound="a")
    bake(obj, sound="b", first=71)
    change(key, "lips", path, 40, 0.1)
    change(key, "lips", path, 90, 0.2)
    assert not redial.redial(obj, Dials(lips=0.5)).kept
    found = {round(k.co.x): k.co.y for k in curve(key, "edits", path).keyframe_points}
    assert found[40] == pytest.approx(0.1, abs=1e-3) and found[90] == pytest.approx(0.2, abs=1e-3)


def test_replacing_edited_keys_replaces_them(pair, context):
    obj, _ = pair
    bake(obj)
    plain = played(obj)
    change(obj.data.shape_keys, "lips", scenes.shape_path("jawOpen"), FRAME, 0.25)
    bake(obj, replace=True)
    np.testing.assert_allclose(played(obj), plain, atol=1e-6)
    assert nla.strip_of(obj.data.shape_keys, "edits") is None


def test_without_its_motion_an_edited_channel_is_kept(pair):
    obj, _ = pair
    key, path = obj.data.shape_keys, scenes.shape_path("jawOpen")
    bake(obj)
    change(key, "lips", path, FRAME, 0.25)
    action = nla.action_and_slot(key, "lips")[0]
    for name in [n for n in action.keys() if n.startswith(ledgers.TAKE_PREFIX)]:
        del action[name]
    seen = played(obj)
    report = bake(obj, phase=2.0)
    assert report.kept == {"jawOpen": "edited since it was animated"}
    now = played(obj)
    assert now[ROW, column("jawOpen")] > 0.1 and np.abs(now - seen).max() > 0.01


def test_removing_takes_edits_and_layers_off(pair):
    obj, rig = pair
    before = scenes.state()
    bake(*pair)
    change(obj.data.shape_keys, "lips", scenes.shape_path("jawOpen"), FRAME, 0.25)
    change(rig, "head", 'pose.bones["head"].rotation_quaternion', FRAME, 0.1, 1)
    redial.redial(obj, Dials(lips=0.5, head=0.5))
    bpy.context.scene.frame_set(FRAME)
    assert nla.layers_of(rig) == ["head", "edits"]
    removal.remove([obj.data.shape_keys, rig])
    assert scenes.state() == before


def test_dialling_layers_is_baking_them_afresh(pair):
    obj, rig = pair
    plain = Dials(style=0.0)
    bake(*pair, dials=plain)
    assert nla.layers_of(obj.data.shape_keys) == ["lips", "tongue", "eyes", "expression"]
    redial.redial(obj, FELT)
    dialled = played(*pair)
    removal.remove([obj.data.shape_keys, rig])
    bake(*pair, dials=FELT)
    np.testing.assert_allclose(played(*pair), dialled, atol=2e-4)
    bake(*pair, dials=plain)
    bare = played(*pair)
    redial.redial(obj, FELT)
    redial.redial(obj, plain)
    np.testing.assert_allclose(played(*pair), bare, atol=2e-4)
    assert not redial.redial(obj, FELT).kept  # nothing of all this counts as edited


def test_a_redial_that_fails_half_way_puts_everything_back(pair, monkeypatch):
    obj, _ = pair
    bake(obj, dials=Dials(style=0.0))
    change(obj.data.shape_keys, "lips", scenes.shape_path("jawOpen"), FRAME, 0.25)
    before, original = scenes.state(), ledgers.write

    def fail(owner, ledger, layer):
        if layer == "edits":
            raise RuntimeError("struck by lightning")
        return original(owner, ledger, layer)

    monkeypatch.setattr(ledgers, "write", fail)
    with pytest.raises(RuntimeError, match="lightning"):
        redial.redial(obj, FELT)
    assert scenes.state() == before
    assert compat.fcurves_of(obj.data.shape_keys) == ()
