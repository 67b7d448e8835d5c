"""Rest and life around lines: what a character's keys do before, between and after what it says."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace

import bpy
import numpy as np
import pytest
from mouthpiece.motion.dials import Dials

from addon import compat
from addon.bake import convert, interlude_keys, interludes, redial, removal
from addon.bake.bake import Bake
from addon.keys import channels, kept_takes, ledgers, nla
from addon.sound import recordings
from addon.targets import target_for
from addon.targets.head.target import HeadTarget
from blender_tests import scenes
from blender_tests.test_drawn_face import obj

__all__ = ["obj"]

FPS = 24
JAW = scenes.shape_path("jawOpen")
BLINK = scenes.shape_path("eyeBlinkLeft")


def spoken(seconds=2.0, jaw=0.5, yaw=10.0, blink=0.0):
    """Return a take that ends as it is all the time: jaw open, head turned, and perhaps lids half shut."""
    head = np.radians([0.0, yaw, 0.0, 0, 0, 0])
    take = scenes.performance(seconds, FPS, head, jawOpen=jaw, eyeBlinkLeft=blink, eyeBlinkRight=blink)
    return replace(take, blink=np.full((len(take), 2), blink, np.float32))


@pytest.fixture
def say(tmp_path, context):
    """Return a function that bakes a take on a character at a frame, and returns the report."""
    scene = context.scene
    scene.render.fps, scene.frame_start, scene.frame_end = FPS, 1, 250

    def bake(obj, name, frame, take=None, rig=None, **options):
        path = tmp_path / f"{name}.npz"
        replace(take or spoken(), options={"line": name}).save(path)  # each take is a sound of its own
        heads = (HeadTarget.of(rig, bone="head"),) if rig is not None else ()
        task = Bake(recordings.from_file(str(path), scene, frame), (target_for(obj), *heads), **options)
        (heard,) = task.steps()
        return task.write(heard)

    return bake


def course(owner, path, first=1, last=250, index=0):
    """Return the values of a property on each frame, its keys evaluated."""
    curve = next(f for f in compat.fcurves_of(owner) if (f.data_path, f.array_index) == (path, index))
    return np.array([curve.evaluate(frame) for frame in range(first, last + 1)])


def at(values, frame):
    return float(values[frame - 1])


def turn(rig, first=1, last=250):
    """Return by how many degrees the head turns from each frame to the next."""
    path = 'pose.bones["head"].rotation_quaternion'
    mode = rig.pose.bones["head"].rotation_mode
    assert mode == "QUATERNION"
    q = np.stack([course(rig, path, first, last, index) for index in range(4)], axis=1)
    q /= np.linalg.norm(q, axis=1, keepdims=True)
    dot = np.clip(np.abs((q[1:] * q[:-1]).sum(axis=1)), 0, 1)
    return np.degrees(2 * np.arccos(dot))


def test_lips_close_and_lids_open_around_lines(say):
    face = scenes.face()
    say(face, "one", 50, spoken(blink=0.6))
    say(face, "two", 150)
    jaw, lids = course(face.data.shape_keys, JAW), course(face.data.shape_keys, BLINK)
    assert at(jaw, 50) == pytest.approx(0.5, abs=1e-4) and at(jaw, 97) == pytest.approx(0.5, abs=1e-4)
    outside = [*range(1, 46), *range(103, 146), *range(203, 251)]
    assert max(at(jaw, frame) for frame in outside) < 0.01
    # the lids that were half shut for two seconds are open in a third of one, and whatever closes is a blink
    assert at(lids, 97 + 8) < 0.1
    shut = np.array([at(lids, frame) > 0.5 for frame in outside])
    longest = max(map(len, "".join("x" if one else " " for one in shut).split()), default=0)
    assert longest <= 0.4 * FPS and shut.any()
    assert np.abs(np.diff(jaw[96:110])).max() < 0.2


def test_the_head_eases_home_and_lives(say):
    face, rig = scenes.face(), scenes.armature()
    say(face, "one", 50, rig=rig)
    say(face, "two", 160, spoken(yaw=-15), rig=rig)
    moved = turn(rig)
    assert moved.max() < 2
    assert moved[0:20].max() > 1e-3 and moved[225:].max() > 1e-3


def test_rest_and_life_are_dials(say):
    face = scenes.face()
    key = face.data.shape_keys
    bpy.context.scene.frame_end = 600
    face.mouthpiece.live = True
    say(face, "one", 50)
    lively = course(key, BLINK, 1, 600)
    assert lively[110:].max() > 0.4
    face.mouthpiece.life = 0
    assert course(key, BLINK, 1, 600)[110:].max() == 0 and at(course(key, JAW), 120) == 0
    face.mouthpiece.rest = 0
    frames = [frame for frame, _ in scenes.values(key, JAW)]
    assert (min(frames), max(frames)) == (50, 97)
    assert not [one for one in ledgers.read(key).lines if interludes.is_one(one.sound)]
    face.mouthpiece.rest, face.mouthpiece.life = 1, 1
    np.testing.assert_allclose(course(key, BLINK, 1, 600), lively, atol=1e-6)


def test_a_happy_listener_keeps_its_lips_shut(say):
    face = scenes.face()
    key = face.data.shape_keys
    say(face, "one", 50)
    redial.redial(face, Dials(emotion="happy"))
    assert course(key, scenes.shape_path("mouthSmileLeft"))[150:].min() > 0.4
    assert course(key, JAW)[150:].max() < 1e-3


def test_nothing_else_changes_when_a_line_comes_or_goes(say):
    face = scenes.face()
    key = face.data.shape_keys
    bpy.context.scene.frame_end = 600
    say(face, "one", 50)
    before = course(key, BLINK, 1, 600)
    say(face, "two", 500)
    after = course(key, BLINK, 1, 600)
    np.testing.assert_allclose(before[:440], after[:440], atol=1e-6)


def test_a_line_wins_over_an_interlude(say):
    face = scenes.face()
    say(face, "one", 50)
    report = say(face, "two", 120)
    assert not report.kept and not report.warnings
    assert at(course(face.data.shape_keys, JAW), 140) == pytest.approx(0.5, abs=1e-4)


def test_interludes_are_no_lines(say):
    face = scenes.face()
    say(face, "one", 50)
    say(face, "two", 150)
    assert len(redial.dialled_lines(face)) == 2 and len(kept_takes.lines(face.data.shape_keys)) == 2
    assert not redial.dialled_lines(face, 120) and len(redial.dialled_lines(face, 60)) == 1


def test_removing_all_lines_removes_all_interludes(say):
    face, rig = scenes.face(), scenes.armature()
    before = scenes.state()
    say(face, "one", 50, rig=rig)
    say(face, "two", 150, rig=rig)
    removal.remove([face.data.shape_keys, rig])
    assert scenes.state() == before


def test_far_from_lines_the_face_stays_as_it_is(say, monkeypatch):
    """A line at the end of Blender's frames does not get a million frames of rest."""
    monkeypatch.setattr(interludes, "LONGEST", 2.0)
    face = scenes.face()
    say(face, "one", 201)
    say(face, "two", 501)
    bpy.context.scene.frame_end = 900
    redial.redial(face, Dials())
    keys = np.array([frame for frame, _ in scenes.values(face.data.shape_keys, JAW)])
    assert keys.min() == 201 - 48 and keys.max() == 548 + 48
    between = keys[(keys > 248 + 48) & (keys < 501 - 48)]
    assert not len(between) and at(course(face.data.shape_keys, JAW, last=900), 400) < 0.05
    assert at(course(face.data.shape_keys, BLINK, last=900), 375) < 0.5


def test_own_keys_in_an_interlude_stay(say):
    face = scenes.face()
    key = face.data.shape_keys
    say(face, "one", 50)
    face.mouthpiece.live = False
    face.mouthpiece.rest = 0
    redial.redial(face, Dials(rest=0))
    curve = next(f for f in compat.fcurves_of(key) if f.data_path == JAW)
    curve.keyframe_points.insert(20, 0.8)
    redial.redial(face, Dials())
    assert (20.0, pytest.approx(0.8)) in scenes.values(key, JAW)
    assert [frame for frame, _ in scenes.values(key, JAW) if frame < 50] == [20.0]
    assert max(frame for frame, _ in scenes.values(key, BLINK)) == 250  # other channels have theirs


def test_an_edited_interlude_stays_as_edited(say):
    face = scenes.face()
    key = face.data.shape_keys
    say(face, "one", 100)
    curve = next(f for f in compat.fcurves_of(key) if f.data_path == JAW)
    point = next(p for p in curve.keyframe_points if p.co.x > 240)
    point.co.y = 0.7
    curve.update()
    frame = point.co.x
    redial.redial(face, Dials(jaw=0.5))
    assert (frame, pytest.approx(0.7)) in scenes.values(key, JAW)
    assert at(course(key, JAW), 120) == pytest.approx(0.25, abs=1e-3)
    redial.redial(face, Dials(jaw=0.5), replace_edited=True)
    assert at(course(key, JAW), 250) < 1e-3


def test_lines_that_touch_give_way(say):
    face, rig = scenes.face(), scenes.armature()
    say(face, "one", 50, spoken(yaw=7), rig=rig)
    say(face, "two", 98, spoken(yaw=-7), rig=rig)
    assert turn(rig).max() < 2
    jaw = course(face.data.shape_keys, JAW, 50, 145)
    assert jaw.min() > 0.49  # words are not touched
    stored = [line.bends for line in redial.dialled_lines(face)]
    assert all(stored)
    kept = turn(rig)
    redial.redial(face, Dials(jaw=0.4))
    np.testing.assert_allclose(turn(rig), kept, atol=1e-3)
    for gap in (1, 3, 6):
        say(face, "two", 98 + gap, spoken(yaw=-7), rig=rig)
        assert turn(rig).max() < 2, gap
    say(face, "two", 180, spoken(yaw=-7), rig=rig)
    assert not any(line.bends for line in redial.dialled_lines(face)) and turn(rig).max() < 2


def test_pieces_of_one_motion_go_on_through_the_cut(say):
    face, rig = scenes.face(), scenes.armature()

    def swing(begin):
        def head(time):
            moved = np.zeros((len(time), 6))
            moved[:, 1] = np.radians(12) * np.sin(2 * (begin + time))
            return moved

        return scenes.performance(2.0, FPS, head, jawOpen=lambda time: 0.3 + 0.2 * np.sin(9 * (begin + time)))

    say(face, "one", 50, swing(0), rig=rig)
    say(face, "two", 98, swing(2), rig=rig)
    assert not any(line.bends for line in redial.dialled_lines(face))
    time = np.arange(96) / FPS
    np.testing.assert_allclose(
        course(face.data.shape_keys, JAW, 50, 145), 0.3 + 0.2 * np.sin(9 * time), atol=1e-3
    )  # fmt: skip
    assert turn(rig).max() < 2


@pytest.mark.parametrize("error", [0.0, 0.01])
def test_layers_have_interludes_too(say, error):
    face, rig = scenes.face(), scenes.armature()
    key = face.data.shape_keys
    say(face, "one", 50, rig=rig, layered=True, error=error, dials=Dials(emotion="happy"))
    say(face, "two", 150, rig=rig, layered=True, error=error, dials=Dials(emotion="happy"))
    for layer, owner in (("lips", key), ("eyes", key), ("head", rig), ("expression", key)):
        assert any(interludes.is_one(one.sound) for one in ledgers.read(owner, layer).lines), layer
    jaw = next(f for f in nla.fcurves_of(key, "lips") if f.data_path == JAW)
    assert abs(jaw.evaluate(120)) < 0.02 and jaw.evaluate(60) == pytest.approx(0.5, abs=0.02)
    bpy.context.scene.frame_set(125)
    assert key.key_blocks["mouthSmileLeft"].value > 0.3 and key.key_blocks["jawOpen"].value < 0.02
    convert.convert(face, False)
    assert not nla.layers_of(key)
    flat = course(key, JAW)
    assert abs(at(flat, 120)) < 0.02 and course(key, scenes.shape_path("mouthSmileLeft"))[119] > 0.3
    convert.convert(face, True)
    assert abs(next(f for f in nla.fcurves_of(key, "lips") if f.data_path == JAW).evaluate(120)) < 0.02


def test_edits_between_layered_lines_move_into_their_layer(say):
    face = scenes.face()
    key = face.data.shape_keys
    say(face, "one", 100, layered=True)
    curve = next(f for f in nla.fcurves_of(key, "lips") if f.data_path == JAW)
    for point in curve.keyframe_points:
        if 190 < point.co.x < 260:
            point.co.y += 0.3
    curve.update()
    shown = [curve.evaluate(frame) for frame in (200, 240)]
    redial.redial(face, Dials(jaw=0.5))
    bpy.context.scene.frame_set(240)
    assert key.key_blocks["jawOpen"].value == pytest.approx(shown[1], abs=1e-3)
    assert next(f for f in nla.fcurves_of(key, "lips") if f.data_path == JAW).evaluate(240) < 1e-3


def test_a_failure_puts_everything_back(say, monkeypatch):
    face = scenes.face()
    say(face, "one", 50)
    before = scenes.state()
    monkeypatch.setattr(interlude_keys._Update, "_write", lambda *a: (_ for _ in ()).throw(RuntimeError))
    with pytest.raises(RuntimeError):
        redial.redial(face, Dials(jaw=0.5, life=0.5))
    assert scenes.state() == before


def test_what_does_not_change_is_not_made_again(say, monkeypatch):
    face = scenes.face()
    say(face, "one", 80)
    made = []
    keep = interlude_keys.driven
    monkeypatch.setattr(interlude_keys, "driven", lambda *a: made.append(a[2]) or keep(*a))
    with ExitStack() as undo:
        redial.renew(face, undo, interlude_keys.How())
        undo.pop_all()
    assert not made
    redial.redial(face, Dials(jaw=0.5))
    assert made and all(one.last < 80 or one.first == 128 for one in made)
    assert max(one.last for one in made) < 250  # the middle is as it was


def test_layers_are_the_one_action_between_lines_too(say):
    face, rig = scenes.face(), scenes.armature()
    dials = Dials(emotion="happy", jaw=0.8)
    say(face, "one", 50, rig=rig, dials=dials)
    say(face, "two", 150, rig=rig, dials=dials)
    frames = range(1, 251, 7)
    flat = played(face, rig, frames)
    convert.convert(face, True)
    np.testing.assert_allclose(played(face, rig, frames), flat, atol=1e-5)


def played(face, rig, frames):
    """Return the values of all keys and of the head's rotation as the scene shows them."""
    rows = []
    for frame in frames:
        bpy.context.scene.frame_set(frame)
        rows.append([
            *(block.value for block in face.data.shape_keys.key_blocks[1:]),
            *rig.pose.bones["head"].rotation_quaternion,
        ])  # fmt: skip
    return np.array(rows)


def test_a_drawn_face_rests_in_few_drawings(obj):
    from addon.targets.grease_pencil import frames
    from blender_tests import test_drawn_face as drawn

    bpy.context.scene.frame_start, bpy.context.scene.frame_end = 1, 250
    layer = obj.data.layers["Face"]
    before = drawn.everything(obj)
    drawn.bake(obj, drawn.take(1.3), first=50)
    here = sorted(frames.table(layer))
    assert here[:2] == [0, 1] and len([frame for frame in here if frame > 90]) < 90
    assert [frame for frame in here if 1 < frame < 50] and max(here) > 120  # it blinks and looks about
    drawn.bake(obj, drawn.take(1.3), sound="other", first=150)
    again = sorted(frames.table(layer))
    redial.redial(obj, Dials(rest=0))
    alone = sorted(frames.table(layer))
    assert len(alone) < len(again) and not [frame for frame in alone if 1 < frame < 50]
    redial.redial(obj, Dials())
    assert sorted(frames.table(layer)) == again
    drawn.remove(obj)
    assert drawn.everything(obj) == before


def test_drawings_of_the_users_own_between_lines_stay(obj):
    from addon.targets.grease_pencil import frames
    from blender_tests import test_drawn_face as drawn

    layer = obj.data.layers["Face"]
    layer.frames.copy(1, 120)
    report = drawn.bake(obj, drawn.take(1.0), first=30)
    here = sorted(frames.table(layer))
    assert 120 in here
    (told,) = report.warnings  # the face itself steps back, as it does for a line that begins on its frame
    assert "lies one frame earlier" in told
    assert not [frame for frame in here if frame > 100 and frame != 120]  # the rest of what is there is his
    assert [frame for frame in here if 55 < frame < 70]


def test_files_of_old_versions_have_interludes_after_their_next_update(say, monkeypatch):
    face = scenes.face()
    key = face.data.shape_keys
    with monkeypatch.context() as before:
        before.setattr(redial, "renew", lambda *a: channels.Written())  # as version 0.4.0 left it
        say(face, "one", 50)
    assert {frame for frame, _ in scenes.values(key, JAW)} == set(range(50, 98))
    redial.redial(face, Dials())
    assert min(frame for frame, _ in scenes.values(key, JAW)) == 1


def test_two_characters_do_not_blink_together(say):
    one, other = scenes.face("Ada"), scenes.face("Bob")
    bpy.context.scene.frame_end = 900
    for face in (one, other):
        say(face, f"line of {face.name}", 50)
    shut = [course(face.data.shape_keys, BLINK, 110, 900) > 0.3 for face in (one, other)]
    assert all(it.any() for it in shut) and (shut[0] & shut[1]).sum() < 0.5 * min(it.sum() for it in shut)
