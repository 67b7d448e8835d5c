"""Takes replace takes; the user's keys, actions and values stay theirs."""

from __future__ import annotations

import bpy
import numpy as np
import pytest
from mouthpiece.curves import Curves
from mouthpiece.errors import RigError

from addon import compat
from addon.bake import removal
from addon.keys import channels, ledgers, writer
from blender_tests import scenes
from blender_tests.scenes import shape_path, values

NAMES = ("jawOpen", "mouthClose", "mouthFunnel")


@pytest.fixture
def key():
    return scenes.face(keys=NAMES).data.shape_keys


def part(key, first, last, level=0.5, names=NAMES):
    """Return channels at a level that differs from name to name."""
    frames = np.arange(first, last + 1)
    columns = np.stack([np.full(len(frames), level + 0.01 * index) for index in range(len(names))], axis=1)
    keyed = tuple(channels.Channel(name, shape_path(name)) for name in names)
    return channels.Part(key, keyed, Curves(tuple(names), frames, columns.astype(np.float32)))


def bake(key, first=1, last=20, level=0.5, sound="a", replace=False, names=NAMES):
    line = channels.Line(sound, first, last)
    return writer.write([part(key, first, last, level, names)], line, "Mouthpiece Face", replace)


def insert(key, name, frame, value):
    """Key a shape as a user does."""
    block = key.key_blocks[name]
    block.value = value
    block.keyframe_insert("value", frame=frame)


def frames(key, name):
    return [frame for frame, _ in values(key, shape_path(name))]


def test_one_linear_key_a_frame_with_the_given_values(key):
    written = bake(key, 5, 9, 0.25)
    assert values(key, shape_path("jawOpen")) == [(frame, 0.25) for frame in range(5, 10)]
    points = compat.fcurves_of(key).find(shape_path("jawOpen")).keyframe_points
    assert {point.interpolation for point in points} == {"LINEAR"}
    assert {point.type for point in points} == {"GENERATED"}
    assert (written.keys, written.channels, written.kept) == (15, 3, {})


def test_the_shape_moves_when_the_scene_is_evaluated(key):
    bake(key, 5, 9, 0.25)
    bpy.context.scene.frame_set(7)
    assert key.key_blocks["jawOpen"].value == pytest.approx(0.25)


def test_a_new_action_is_made_and_named(key):
    bake(key)
    data = key.animation_data
    assert data.action.name == "Mouthpiece Face"
    assert data.action_slot.identifier.startswith("KE")


def test_parts_share_one_action_in_slots_of_their_own(key):
    rig = scenes.armature()
    path = 'pose.bones["head"].rotation_quaternion'
    keyed = (channels.Channel("w", path, 0),)
    other = channels.Part(rig, keyed, Curves(("w",), np.arange(1, 21), np.ones((20, 1), np.float32)))
    writer.write([part(key, 1, 20), other], channels.Line("a", 1, 20), "Mouthpiece Face")
    assert key.animation_data.action == rig.animation_data.action
    assert len(key.animation_data.action.slots) == 2
    assert len(values(rig, path, 0)) == 20


def test_the_users_action_is_used_and_their_curves_stay(key):
    insert(key, "mouthFunnel", 3, 0.7)
    action = key.animation_data.action
    before = values(key, shape_path("mouthFunnel"))
    written = bake(key)
    assert key.animation_data.action == action
    assert values(key, shape_path("mouthFunnel")) == before
    assert written.kept == {"mouthFunnel": "has keys of your own"}
    assert len(frames(key, "jawOpen")) == 20


def test_baking_again_is_idempotent(key):
    bake(key)
    before = scenes.state()
    bake(key)
    assert scenes.state() == before


def test_a_moved_line_takes_its_old_keys_along(key):
    bake(key, 1, 20)
    bake(key, 101, 120)
    assert frames(key, "jawOpen") == list(range(101, 121))


def test_two_lines_live_side_by_side(key):
    bake(key, 1, 20, sound="a")
    bake(key, 41, 60, sound="b")
    assert frames(key, "jawOpen") == [*range(1, 21), *range(41, 61)]
    bake(key, 1, 10, sound="a")
    assert frames(key, "jawOpen") == [*range(1, 11), *range(41, 61)]


def test_an_overlapping_line_replaces_just_the_overlap(key):
    bake(key, 1, 20, 0.1, sound="a")
    bake(key, 11, 15, 0.6, sound="b")
    found = dict(values(key, shape_path("jawOpen")))
    assert [frame for frame, value in found.items() if value > 0.5] == list(range(11, 16))
    assert len(found) == 20
    bake(key, 101, 120, sound="a")  # what is left of the first line still counts as its own
    assert frames(key, "jawOpen") == [*range(11, 16), *range(101, 121)]


def test_an_edited_channel_is_kept_and_reported(key):
    bake(key)
    compat.fcurves_of(key).find(shape_path("jawOpen")).keyframe_points[3].co.y = 0.9
    before = values(key, shape_path("jawOpen"))
    written = bake(key, level=0.2)
    assert values(key, shape_path("jawOpen")) == before
    assert written.kept == {"jawOpen": "edited since it was animated"}
    assert values(key, shape_path("mouthClose"))[0][1] == pytest.approx(0.21)
    again = bake(key, level=0.3)
    assert again.kept == written.kept


@pytest.mark.parametrize("edit", ["interpolation", "removal", "addition"])
def test_other_edits_count_as_well(key, edit):
    bake(key)
    curve = compat.fcurves_of(key).find(shape_path("jawOpen"))
    if edit == "interpolation":
        curve.keyframe_points[3].interpolation = "CONSTANT"
    elif edit == "removal":
        curve.keyframe_points.remove(curve.keyframe_points[3])
    else:
        curve.keyframe_points.insert(3.5, 0.9)
    assert "jawOpen" in bake(key).kept


def test_keys_added_outside_a_take_stay_and_hinder_nothing(key):
    bake(key, 1, 20)
    compat.fcurves_of(key).find(shape_path("jawOpen")).keyframe_points.insert(50, 0.9)
    point = compat.fcurves_of(key).find(shape_path("jawOpen")).keyframe_points[-1]
    point.interpolation, point.handle_left_type, point.handle_left = "BEZIER", "FREE", (45.0, 0.3)
    written = bake(key, 3, 12)
    assert written.kept == {}
    assert frames(key, "jawOpen") == [*range(3, 13), 50]
    kept = compat.fcurves_of(key).find(shape_path("jawOpen")).keyframe_points[-1]
    assert (kept.interpolation, kept.handle_left_type, tuple(kept.handle_left)) == (
        "BEZIER",
        "FREE",
        (45.0, pytest.approx(0.3)),
    )


def test_keys_of_the_users_own_on_the_new_frames_are_kept(key):
    bake(key, 1, 20)
    compat.fcurves_of(key).find(shape_path("jawOpen")).keyframe_points.insert(50, 0.9)
    assert bake(key, 41, 60, sound="b").kept == {"jawOpen": "has keys of your own"}


def test_replacing_is_possible_on_request(key):
    insert(key, "mouthFunnel", 3, 0.7)
    insert(key, "mouthFunnel", 90, 0.7)
    written = bake(key, replace=True)
    assert written.kept == {}
    assert frames(key, "mouthFunnel") == [*range(1, 21), 90]


@pytest.mark.parametrize("lock", [True, False])
def test_locked_and_driven_channels_are_kept(key, lock):
    if lock:
        bake(key, names=("mouthClose",), sound="x", first=201, last=203)
        compat.fcurves_of(key).find(shape_path("mouthClose")).lock = True
    else:
        key.key_blocks["mouthClose"].driver_add("value").driver.expression = "0.5"
    written = bake(key, replace=True)
    assert written.kept == {"mouthClose": "locked" if lock else "has a driver"}


def test_nothing_but_the_users_keys_is_an_error_that_names_the_remedy(key):
    for name in NAMES:
        insert(key, name, 3, 0.7)
    before = scenes.state()
    with pytest.raises(RigError, match="Replace Edited Keys"):
        bake(key)
    assert scenes.state() == before


def test_a_muted_curve_is_written_and_reported(key):
    bake(key)
    compat.fcurves_of(key).find(shape_path("jawOpen")).mute = True
    assert "muted" in bake(key).warnings[0]


def test_an_earlier_channel_that_is_no_longer_baked_goes(key):
    key.key_blocks["mouthClose"].value = 0.4
    bake(key)
    bake(key, names=("jawOpen",))
    assert frames(key, "mouthClose") == []
    assert key.key_blocks["mouthClose"].value == pytest.approx(0.4)


def test_a_channel_cut_in_two_by_another_line_goes_altogether(key):
    bake(key, 1, 20)
    bake(key, 8, 12, sound="b")
    bake(key, names=("jawOpen",))
    assert frames(key, "mouthClose") == list(range(8, 13))


def test_removing_restores_what_was_there(key):
    key.key_blocks["jawOpen"].value = 0.3
    before = scenes.state()
    bake(key)
    bake(key, 41, 60, sound="b")
    bpy.context.scene.frame_set(7)
    removal.remove([key])
    assert scenes.state() == before


def test_removing_leaves_the_users_action(key):
    insert(key, "mouthFunnel", 3, 0.7)
    key.key_blocks["jawOpen"].value = 0.2
    before = scenes.state()
    bake(key)
    removal.remove([key])
    assert scenes.state() == before


def test_removing_keeps_edited_channels_as_the_users_own(key):
    bake(key)
    compat.fcurves_of(key).find(shape_path("jawOpen")).keyframe_points[3].co.y = 0.9
    gone = removal.remove([key])
    assert (gone.channels, len(gone.kept)) == (2, 1)
    assert len(frames(key, "jawOpen")) == 20 and frames(key, "mouthClose") == []
    assert not removal.has_lines(key)


def test_a_bake_that_fails_half_way_leaves_the_scene_as_it_was(key, monkeypatch):
    key.key_blocks["jawOpen"].value = 0.3
    insert(key, "mouthFunnel", 3, 0.7)
    bake(key, 31, 40)
    rig = scenes.armature()
    path = 'pose.bones["head"].rotation_quaternion'
    other = channels.Part(
        rig, (channels.Channel("w", path, 0),), Curves(("w",), np.arange(1, 21), np.ones((20, 1), np.float32))
    )
    before = scenes.state()

    def fail(owner, ledger, layer):
        if owner == rig:
            raise RuntimeError("struck by lightning")
        return original(owner, ledger, layer)

    original = ledgers.write
    monkeypatch.setattr(ledgers, "write", fail)
    with pytest.raises(RuntimeError, match="lightning"):
        writer.write([part(key, 1, 20), other], channels.Line("a", 1, 20), "Mouthpiece Face")
    assert scenes.state() == before


def test_a_linked_action_is_refused(key, tmp_path):
    insert(key, "mouthFunnel", 3, 0.7)
    path = str(tmp_path / "library.blend")
    bpy.data.libraries.write(path, {key.animation_data.action})
    with bpy.data.libraries.load(path, link=True) as (there, here):
        here.actions = there.actions
    key.animation_data.action = here.actions[0]
    with pytest.raises(RigError, match="linked"):
        bake(key)


def test_an_action_without_a_slot_chosen_gets_one(key):
    key.animation_data_create().action = bpy.data.actions.new("Mine")
    bake(key)
    assert key.animation_data.action.name == "Mine" and len(frames(key, "jawOpen")) == 20


def test_names_with_quotes(key):
    key.key_blocks["jawOpen"].name = 'jaw "open" \\ wide'
    name = bpy.utils.escape_identifier('jaw "open" \\ wide')
    bake(key, names=(name,))
    bpy.context.scene.frame_set(3)
    assert key.key_blocks[1].value == pytest.approx(0.5)


@pytest.mark.parametrize(
    "spoilt", ["", "[]", "{", '{"slots": 3}', '{"slots": {"0": 1}}', '{"slots": {"1": {"takes": [[1]]}}}']
)
def test_a_spoilt_memory_makes_every_key_the_users(key, spoilt):
    bake(key)
    action = key.animation_data.action
    action[ledgers.PROPERTY] = spoilt.replace('"1"', f'"{key.animation_data.action_slot.handle}"')
    with pytest.raises(RigError, match="keys of your own"):
        bake(key)


def test_the_memory_survives_saving(key, tmp_path):
    bake(key)
    path = str(tmp_path / "shot.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.open_mainfile(filepath=path)
    key = bpy.data.shape_keys[0]
    assert removal.has_lines(key)
    assert bake(key, 101, 120).kept == {}
    assert frames(key, "jawOpen") == list(range(101, 121))


def test_nla_tracks_are_mentioned_and_tweaking_is_refused(key):
    insert(key, "mouthFunnel", 3, 0.7)
    data = key.animation_data
    strip = data.nla_tracks.new().strips.new("Mine", 1, data.action)
    strip.action_slot = data.action_slot
    data.action = None
    assert "NLA" in bake(key).warnings[0]
    data.action = None
    data.use_tweak_mode = True
    with pytest.raises(RigError, match="tweak mode"):
        bake(key)
