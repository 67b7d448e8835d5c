"""Layers in the NLA: each alone is right, all together are the one action, and all of them can go."""

from __future__ import annotations

import bpy
import numpy as np
import pytest
from mouthpiece.curves import FrameGrid
from mouthpiece.motion.dials import Dials, dialled
from mouthpiece.performance import Performance
from mouthpiece.topology import ARKIT_INDEX, ARKIT_NAMES

from addon import targets
from addon.bake import removal
from addon.bake.bake import Bake, Heard
from addon.keys import ledgers, nla
from addon.sound.recordings import Placement, Recording
from blender_tests import scenes

#: What lines do, without what is between them (see conftest).
LINES_ALONE = True

FIRST, COUNT = 11, 50
FRAMES = range(FIRST, FIRST + COUNT)
FELT = Dials(emotion="sad", intensity=0.8, lips=1.2)


def take(dials=FELT, phase=0.0):
    """Return a styled take: jaw and smile of the words, a smile and a nod of the speaker, two blinks."""
    time = np.arange(COUNT) / 25.0
    arkit = np.zeros((COUNT, len(ARKIT_NAMES)), np.float32)
    arkit[:, ARKIT_INDEX["jawOpen"]] = 0.3 + 0.2 * np.sin(9 * time + phase)
    arkit[:, ARKIT_INDEX["mouthSmileLeft"]] = 0.2 + 0.1 * np.sin(5 * time + phase)
    head = np.zeros((COUNT, 6), np.float32)
    head[:, 0] = 0.1 * np.sin(3 * time)
    blink = np.zeros((COUNT, 2), np.float32)
    blink[[10, 35]] = 1.0
    style_arkit = np.zeros((1, len(ARKIT_NAMES)), np.float32)
    style_arkit[0, [ARKIT_INDEX["mouthSmileLeft"], ARKIT_INDEX["browInnerUp"]]] = 0.25, 0.3
    still = np.zeros((COUNT, 68, 3), np.float32)
    made = Performance(
        still, np.zeros((68, 3), np.float32), arkit, head, np.zeros((COUNT, 2)), blink, np.ones(COUNT), 25.0,
        style=(0.5 + 0.5 * np.sin(4 * time))[:, None], style_landmarks=np.zeros((1, 68, 3)),
        style_arkit=style_arkit, style_head=0.5 * head,
    )  # fmt: skip
    return dialled(made, dials)


def bake(obj, rig=None, layered=True, sound="line", replace=False, first=FIRST, error=0.0, **changes):
    driven = [targets.target_for(obj)]
    if rig is not None:
        driven.append(targets.KINDS["HEAD"].of(rig, bone="head"))
    recording = Recording(sound, sound, "", Placement(25.0, 1.0))
    asked = Bake(recording, tuple(driven), replace_edited=replace, layered=layered, error=error)
    return asked.write(Heard(take(**changes), FrameGrid(25.0, first, first, first + COUNT - 1)))


def played(obj, rig=None, frames=FRAMES):
    """Return what Blender evaluates: shape values (F, 52), and the head's quaternion (F, 4)."""
    values = []
    for frame in frames:
        bpy.context.scene.frame_set(frame)
        row = [block.value for block in obj.data.shape_keys.key_blocks[1:]]
        values.append(row + (list(rig.pose.bones["head"].rotation_quaternion) if rig else []))
    return np.array(values)


def track(owner, layer):
    return nla.track_of(owner, nla.strip_of(owner, layer))


@pytest.fixture
def pair():
    return scenes.face(), scenes.armature()


def column(name):
    return ARKIT_INDEX[name]


def test_all_layers_together_are_the_one_action(pair):
    obj, rig = pair
    bake(*pair, layered=False)
    whole = played(*pair)
    removal.remove([obj.data.shape_keys, rig])
    bake(*pair)
    np.testing.assert_allclose(played(*pair), whole, atol=2e-6)
    assert obj.data.shape_keys.animation_data.action is None
    outside = played(*pair, frames=(1, FIRST + COUNT + 30))
    np.testing.assert_allclose(outside, whole[[0, -1]], atol=2e-6)  # held like a curve's ends


def test_layers_are_named_and_in_order_with_slots_of_their_own(pair):
    obj, rig = pair
    bake(*pair)
    key = obj.data.shape_keys
    assert [t.name for t in key.animation_data.nla_tracks] == [
        "Mouthpiece Lips", "Mouthpiece Tongue", "Mouthpiece Eyes", "Mouthpiece Expression"
    ]  # fmt: skip
    assert [t.name for t in rig.animation_data.nla_tracks] == ["Mouthpiece Head"]
    names = {layer: nla.action_and_slot(key, layer)[0].name for layer in nla.layers_of(key)}
    assert names == {
        "lips": "Mouthpiece Lips – Face", "tongue": "Mouthpiece Tongue – Face", "eyes": "Mouthpiece Eyes – Face",
        "expression": "Mouthpiece Expression – Face",
    }  # fmt: skip
    for owner, kind in ((key, "KE"), (rig, "OB")):
        for layer in nla.layers_of(owner):
            strip = nla.strip_of(owner, layer)
            assert strip.action_slot.identifier.startswith(kind)
            assert (strip.frame_start, strip.frame_end, strip.scale) == (FIRST, FIRST + COUNT - 1, 1)
            assert strip.blend_type == ("COMBINE" if layer == "expression" else "REPLACE")


def test_muted_expression_leaves_the_words(pair):
    obj, _ = pair
    bake(obj)
    track(obj.data.shape_keys, "expression").mute = True
    found = played(obj)
    removal.remove([obj.data.shape_keys])
    bake(obj, layered=False, dials=Dials(lips=1.2, style=0.0))
    words = played(obj)
    mouth = [column(n) for n in ARKIT_NAMES if n.startswith(("mouth", "jaw"))]
    np.testing.assert_allclose(found[:, mouth], words[:, mouth], atol=2e-6)
    assert np.abs(found[:, column("browInnerUp")]).max() == 0 and found[:, column("mouthSmileLeft")].max() > 0.2


def test_muted_lips_leave_blinks_and_muted_eyes_leave_lips(pair):
    obj, _ = pair
    bake(obj)
    key, whole = obj.data.shape_keys, played(obj)
    track(key, "lips").mute = True
    found = played(obj)
    np.testing.assert_array_equal(found[:, column("eyeBlinkLeft")], whole[:, column("eyeBlinkLeft")])
    assert found[:, column("jawOpen")].max() < 0.2 < whole[:, column("jawOpen")].max()
    track(key, "lips").mute, track(key, "eyes").mute = False, True
    found = played(obj)
    np.testing.assert_array_equal(found[:, column("jawOpen")], whole[:, column("jawOpen")])
    assert found[:, column("eyeBlinkLeft")].max() < 0.5 < whole[:, column("eyeBlinkLeft")].max()


def test_half_the_influence_is_half_the_expression(pair):
    obj, _ = pair
    bake(obj)
    strip = nla.strip_of(obj.data.shape_keys, "expression")
    whole = played(obj)
    strip.use_animated_influence = True
    (animated,) = strip.fcurves.find("influence").keyframe_points
    assert animated.co.y == 1
    animated.co.y = 0.5
    assert np.abs(played(obj)[:, column("browInnerUp")] - 0.5 * whole[:, column("browInnerUp")]).max() < 1e-5


def test_removing_restores_the_rig_and_leaves_the_users_tracks(pair):
    obj, rig = pair
    key = obj.data.shape_keys
    key.key_blocks["jawOpen"].value = 0.125
    block = key.key_blocks["tongueOut"]
    block.keyframe_insert("value", frame=5)
    action = key.animation_data.action
    own = key.animation_data.nla_tracks.new()
    own.name = "Mine"
    own.strips.new("Mine", 3, action)
    key.animation_data.action = None
    before = scenes.state()
    report = bake(*pair)
    assert any("NLA tracks" in warning for warning in report.warnings)
    assert key.animation_data.nla_tracks[0].name == "Mine"
    bpy.context.scene.frame_set(30)
    removal.remove([key, rig])
    assert scenes.state() == before


def test_a_second_bake_replaces_the_first_and_keeps_mutes(pair):
    obj, rig = pair
    bake(*pair)
    track(obj.data.shape_keys, "eyes").mute = True
    before = scenes.state()
    bake(*pair)
    assert scenes.state() == before
    bake(*pair, first=FIRST + 100)
    strip = nla.strip_of(obj.data.shape_keys, "lips")
    assert (strip.frame_start, strip.action_frame_start) == (FIRST + 100, FIRST + 100)
    assert track(obj.data.shape_keys, "eyes").mute
    assert len(rig.animation_data.nla_tracks) == 1


def test_two_lines_share_the_layers(pair):
    obj, _ = pair
    bake(obj, layered=False, sound="a")
    bake(obj, layered=False, sound="b", first=101, phase=1.0)
    whole = played(obj, frames=range(1, 160))
    removal.remove([obj.data.shape_keys])
    bake(obj, sound="a")
    bake(obj, sound="b", first=101, phase=1.0)
    np.testing.assert_allclose(played(obj, frames=range(1, 160)), whole, atol=2e-6)
    assert len(obj.data.shape_keys.animation_data.nla_tracks) == 4


def test_a_bake_that_fails_half_way_leaves_no_layer(pair, monkeypatch):
    before, original = scenes.state(), ledgers.write

    def fail(owner, ledger, layer):
        if layer == "expression":
            raise RuntimeError("struck by lightning")
        return original(owner, ledger, layer)

    monkeypatch.setattr(ledgers, "write", fail)
    with pytest.raises(RuntimeError, match="lightning"):
        bake(*pair)
    assert scenes.state() == before
