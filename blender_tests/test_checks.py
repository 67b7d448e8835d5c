"""What keeps a take from being seen is told at the bake, measured on what really moves."""

from __future__ import annotations

import bpy
import pytest

from addon.bake import checks
from blender_tests import scenes
from blender_tests.test_characters import box, choose, say, turn_by


@pytest.fixture
def ready(tmp_path):
    """Make a character with a head bone, and choose a take."""
    obj, rig = box("Ada"), scenes.armature()
    turn_by(obj, rig)
    say(tmp_path)
    return obj


def remarks(obj):
    """Animate a character and return what was remarked, but for what is always said of a box."""
    from addon import scene_settings
    from addon.jobs import drain

    choose(obj)
    bake = scene_settings.bake_of(bpy.context)
    found = []
    drain(bake.steps(), lambda _: None, found.append, lambda heard: found.extend(bake.write(heard).warnings))
    return "\n".join(found)


def test_nothing_is_said_where_all_moves(ready):
    text = remarks(ready)
    assert "does not move" not in text and "muted" not in text


@pytest.mark.parametrize("start", [-6, -400])
def test_nothing_is_said_of_frames_before_0_that_cannot_be_looked_at(ready, start):
    assert not bpy.context.preferences.edit.use_negative_frames
    bpy.context.scene.mouthpiece.start = start
    assert "does not move" not in remarks(ready)


def test_the_scene_stays_as_it_was(ready):
    other = box("Other", (3, 0, 0), keys=())
    other.location.x = 5.0
    other.keyframe_insert("location", frame=1)
    other.location.x = 6.0  # not keyed yet
    frames = []
    handler = lambda *_: frames.append(1)  # noqa: E731
    bpy.app.handlers.frame_change_post.append(handler)
    bpy.context.scene.frame_current = 7
    count = len(bpy.data.scenes)
    remarks(ready)
    bpy.app.handlers.frame_change_post.remove(handler)
    assert other.location.x == 6.0 and bpy.context.scene.frame_current == 7
    assert len(bpy.data.scenes) == count and not frames


@pytest.mark.parametrize("kind", ["LIMIT_ROTATION", "COPY_ROTATION", "DAMPED_TRACK"])
def test_a_constraint_that_undoes_the_turn_of_a_bone(ready, kind):
    rig = ready.mouthpiece_head.armature
    aim = box("Aim", (0, -5, 1), keys=())
    constraint = rig.pose.bones["head"].constraints.new(kind)
    if kind == "LIMIT_ROTATION":
        constraint.use_limit_x = constraint.use_limit_y = constraint.use_limit_z = True
        constraint.owner_space = "LOCAL"
    elif kind == "COPY_ROTATION":
        constraint.target = aim
    else:
        constraint.target, constraint.track_axis = aim, "TRACK_Z"
    if kind == "DAMPED_TRACK":  # it leaves the turn about its own axis: a second one takes that
        other = rig.pose.bones["head"].constraints.new("LOCKED_TRACK")
        other.target, other.lock_axis, other.track_axis = aim, "LOCK_Y", "TRACK_Z"
    text = remarks(ready)
    assert "The head bone 'head' of 'Rig' does not move as its keys say" in text
    assert f"'{constraint.name}'" in text and "lower the influence" in text
    for one in rig.pose.bones["head"].constraints:
        one.influence = 0.0
    assert "does not move" not in remarks(ready)


def test_a_constraint_on_an_object_that_is_the_head(ready):
    turn_by(ready)
    constraint = ready.constraints.new("COPY_ROTATION")
    constraint.target = box("Aim", (3, 0, 0), keys=())
    assert "The head 'Ada' does not move as its keys say. Its constraint 'Copy Rotation' turns it back" in remarks(
        ready
    )


def test_a_driver_on_what_would_be_keyed(ready):
    rig = ready.mouthpiece_head.armature
    rig.pose.bones["head"].driver_add("rotation_quaternion", 1)
    assert "driver" in remarks(ready)


def test_muted_keys_and_a_single_shown_key(ready):
    ready.data.shape_keys.key_blocks["jawOpen"].mute = True
    assert "Muted shape keys do not move: jawOpen" in remarks(ready)
    ready.data.shape_keys.key_blocks["jawOpen"].mute = False
    ready.show_only_shape_key = True
    ready.active_shape_key_index = 0
    text = remarks(ready)
    assert "The mouth of 'Ada' does not move as its keys say. It shows one shape key only" in text


def test_muted_channels(ready):
    remarks(ready)
    for curve in scenes.compat.fcurves_of(ready.data.shape_keys):
        curve.mute = True
    text = remarks(ready)
    assert "The mouth of 'Ada' does not move as its keys say. Some of its channels" in text


def test_a_muted_group_is_told_where_it_mutes(ready):
    remarks(ready)
    key = ready.data.shape_keys
    group = scenes.compat.channelbag(key.animation_data.action, key.animation_data.action_slot).groups.new("Face")
    for curve in scenes.compat.fcurves_of(key):
        curve.group = group
    group.mute = True
    scene = bpy.context.scene
    values = []
    for frame in range(1, 20):
        scene.frame_set(frame)
        values.append(key.key_blocks["jawOpen"].value)
    plays = max(values) - min(values) > 0.1  # measured: in 4.5 and 5.2 the group's switch has no effect
    assert ("channel groups are muted" in remarks(ready)) != plays


def test_a_solo_track_and_a_faint_action(ready):
    remarks(ready)
    data = ready.data.shape_keys.animation_data
    track = data.nla_tracks.new()
    track.name = "Mine"
    track.is_solo = True
    text = remarks(ready)
    assert "'Mine' of the shape keys of 'Ada' plays solo" in text
    track.is_solo = False
    data.action_influence = 0.1
    assert "has an influence of 10%" in remarks(ready)


def test_layers_that_are_muted_or_played_over(ready):
    ready.mouthpiece.layers = "LAYERS"
    assert "does not move" not in remarks(ready)
    data = ready.data.shape_keys.animation_data
    lips = next(track for track in data.nla_tracks if "Lips" in track.name)
    lips.mute = True
    text = remarks(ready)
    assert "The layer Lips of the shape keys of 'Ada' is muted" in text and "The mouth of 'Ada' does not move" in text
    lips.mute = False
    action = bpy.data.actions.new("Still")
    block = ready.data.shape_keys
    slot = action.slots.new(id_type="KEY", name="Key")
    curve = scenes.compat.channelbag(action, slot, ensure=True).fcurves.new('key_blocks["jawOpen"].value')
    curve.keyframe_points.insert(1, 0.0)
    above = data.nla_tracks.new()
    above.name = "Above"
    strip = above.strips.new("Still", 1, action)
    strip.action_slot, strip.extrapolation = slot, "HOLD"
    strip.frame_end_raw = 40
    text = remarks(ready)
    assert "The NLA track 'Above' plays over it" in text
    assert block.animation_data.action is None or not len(scenes.compat.fcurves_of(block))


def test_a_face_of_bones_whose_modifier_is_off_is_not_blamed(ready):
    assert checks.told(ready, []) == []
