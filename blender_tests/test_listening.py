"""A scene that listens: eyes on who speaks, characters without lines, and nothing of anybody's lost."""

from __future__ import annotations

import math
from contextlib import ExitStack
from dataclasses import replace

import bpy
import numpy as np
import pytest
from mathutils import Euler, Vector
from mouthpiece.motion.dials import Dials
from mouthpiece.performance import rotation_matrices

from addon import compat
from addon.bake import eye_lines, interlude_keys, interludes, redial, removal
from addon.bake.bake import Bake
from addon.cast import listeners, sightlines
from addon.keys import ledgers
from addon.sound import recordings
from addon.targets import target_for
from addon.targets.head.target import HeadTarget
from blender_tests import scenes

FPS = 24
LAST = 480
BLINK = scenes.shape_path("eyeBlinkLeft")
JAW = scenes.shape_path("jawOpen")
#: Where three sit (x, y), and which way they face, in degrees round Z.
SEATS = {"Ada": ((-1.5, 0.0), 70.0), "Ben": ((0.0, 1.0), 0.0), "Cat": ((1.6, 0.1), -70.0)}
#: Who speaks on which frames.
LINES = (("Ada", 60, 155), ("Ben", 175, 270), ("Ada", 300, 371))


def spoken(frames, jaw=0.5):
    """Return a take of that many frames in which somebody speaks but for a pause in the middle."""
    take = scenes.performance(frames / FPS, FPS, jawOpen=jaw)
    activity = np.ones(len(take), np.float32)
    activity[len(take) // 2 - 12 : len(take) // 2 + 12] = 0
    return replace(take, activity=activity)


def member(name, turned=0.0):
    """Return a face with a head bone, at its seat."""
    (x, y), facing = SEATS[name]
    face, rig = scenes.face(name), scenes.armature(f"{name} Rig")
    face.parent = rig
    rig.location = (x, y, 0.0)
    rig.rotation_euler = Euler((0.0, 0.0, math.radians(facing + turned)))
    head = face.mouthpiece_head
    head.turns, head.armature, head.bone = "BONE", rig, "head"
    face.mouthpiece.reduce = 0.0
    face.mouthpiece.live = False
    return face


@pytest.fixture
def scene(context):
    """Return the empty scene, twenty seconds long."""
    scene = context.scene
    scene.render.fps, scene.render.fps_base = FPS, 1.0
    scene.frame_start, scene.frame_end = 1, LAST
    return scene


@pytest.fixture
def say(tmp_path, scene):
    """Return a function that lets a face speak from one frame to another."""

    def bake(face, first, last, settle=True, **options):
        path = tmp_path / f"{face.name} {first}.npz"
        replace(spoken(last - first + 1), options={"line": path.stem}).save(path)
        rig = face.mouthpiece_head.armature
        targets = (target_for(face), HeadTarget.of(rig, bone="head"))
        task = Bake(recordings.from_file(str(path), scene, first), targets, **options)
        (heard,) = task.steps()
        return task.write(heard, settle=settle)

    return bake


@pytest.fixture
def cast(scene, say):
    """Return three characters, of whom two have spoken."""
    found = {name: member(name) for name in SEATS}
    for name, first, last in LINES:
        say(found[name], first, last)
    return found


def renew(scene, cast, **options):
    with ExitStack() as undo:
        done = listeners.renew(scene, list(cast.values()), undo, **options)
        undo.pop_all()
    return done


def course(owner, path, index=0):
    """Return the values of a property on each frame of the scene."""
    curve = next(f for f in compat.fcurves_of(owner) if (f.data_path, f.array_index) == (path, index))
    return np.array([curve.evaluate(frame) for frame in range(1, LAST + 1)])


def eye_ways(face):
    """Return where the eyes look in the world on each frame, (F, 3), by their weights and the evaluated head bone."""
    key, rig = face.data.shape_keys, face.mouthpiece_head.armature

    def weight(name):
        path = scenes.shape_path(name)
        there = any(f.data_path == path for f in compat.fcurves_of(key))
        return course(key, path) if there else np.zeros(LAST)

    right = math.radians(35) * (weight("eyeLookOutLeft") - weight("eyeLookInLeft"))
    down = 0.44 * (weight("eyeLookDownLeft") - weight("eyeLookUpLeft"))
    found = []
    for frame, h, v in zip(range(1, LAST + 1), right, down, strict=True):
        bpy.context.scene.frame_set(frame)
        bone = rig.pose.bones["head"]
        turn = (rig.matrix_world @ bone.matrix @ bone.bone.matrix_local.inverted()).to_3x3()
        found.append(turn @ Vector((math.sin(h) * math.cos(v), -math.cos(h) * math.cos(v), -math.sin(v))))
    return np.array([list(way) for way in found])


def off(face, other, ways):
    """Return by how many degrees somebody's eyes miss another's head on each frame, (F,)."""
    here, there = (sightlines.head_place(one).eyes for one in (face, other))
    goal = np.array((there - here).normalized())
    return np.degrees(np.arccos(np.clip(ways @ goal, -1, 1)))


def turns(face):
    """Return by how many degrees the head turns from each frame to the next, (F - 1,)."""
    rig = face.mouthpiece_head.armature
    path = 'pose.bones["head"].rotation_quaternion'
    q = np.stack([course(rig, path, index) for index in range(4)], axis=1)
    q /= np.linalg.norm(q, axis=1, keepdims=True)
    return np.degrees(4 * np.arcsin(np.linalg.norm(np.diff(q, axis=0), axis=1) / 2))


def keys(cast):
    """Return every key of every character."""
    owners = [owner for face in cast.values() for owner in (face.data.shape_keys, face.mouthpiece_head.armature)]
    return [
        (owner.name, f.data_path, f.array_index, [tuple(key.co) for key in f.keyframe_points])
        for owner in owners
        for f in sorted(compat.fcurves_of(owner), key=lambda f: (f.data_path, f.array_index))
    ]


def sections(face):
    return [one.sound for one in ledgers.read(face.data.shape_keys).lines if interludes.is_one(one.sound)]


def test_eyes_are_on_who_speaks(scene, cast):
    done = renew(scene, cast)
    assert (done.made, sorted(done.changed), done.written.warnings) == (["Cat"], ["Ada", "Ben"], [])
    for name, others in (("Cat", LINES), ("Ben", LINES[::2]), ("Ada", LINES[1:2])):
        ways = eye_ways(cast[name])
        for who, first, last in others:
            miss = off(cast[name], cast[who], ways)[first + 15 : last]
            assert (miss < 5).mean() > 0.5, (name, who, first)
    # Ada, and Ben, while they speak, look at each other or at Cat for most of the time
    ways = eye_ways(cast["Ada"])
    near = np.minimum(*(off(cast["Ada"], cast[other], ways) for other in ("Ben", "Cat")))
    assert (near[80:155] < 8).mean() > 0.5


def test_gaze_turns_when_another_begins(scene, cast):
    renew(scene, cast)
    ways = eye_ways(cast["Cat"])
    at_ada, at_ben = (off(cast["Cat"], cast[who], ways) for who in ("Ada", "Ben"))
    assert at_ada[100:160].min() < 4
    first = np.flatnonzero(at_ben[160:] < 5)[0] + 160
    assert 160 <= first <= 174 + FPS


def test_heads_never_jump_and_never_freeze(scene, cast):
    renew(scene, cast)
    for face in cast.values():
        step = turns(face)
        assert step.max() < 8  # 190 degrees a second
        assert np.abs(np.diff(step)).max() < 3.5
        for who, first, last in LINES:  # these takes keep their heads still
            step[first - 1 : last] = np.inf if who == face.name else step[first - 1 : last]
        still = "".join("x" if one < 1e-3 else " " for one in step).split()
        assert max(map(len, still), default=0) < FPS
    for name, first, last in LINES:
        step = turns(cast[name])
        for border in (first - 1, last):
            assert step[border - 2 : border + 2].max() < 5


def test_lines_keep_their_words(scene, cast):
    ada = cast["Ada"]
    before = course(ada.data.shape_keys, JAW)
    renew(scene, cast)
    np.testing.assert_allclose(course(ada.data.shape_keys, JAW), before, atol=1e-6)
    cat = course(cast["Cat"].data.shape_keys, JAW)
    assert np.abs(cat).max() < 1e-6
    assert (course(cast["Cat"].data.shape_keys, BLINK) > 0.5).any()


def test_amounts_of_zero_switch_off(scene, cast):
    cat = cast["Cat"]
    renew(scene, cast)
    bone = 'pose.bones["head"].rotation_quaternion'
    rig = cat.mouthpiece_head.armature
    looking = course(rig, bone, 2)
    redial.redial(cat, Dials(attention=0.0, nods=0.0))
    quiet = course(rig, bone, 2)
    assert np.ptp(looking) > 0.1 > 3 * np.ptp(quiet)
    redial.redial(cat, Dials(attention=0.0, nods=0.0, life=0.0))
    for index in range(1, 4):
        assert np.abs(course(rig, bone, index)).max() < 1e-6
    redial.redial(cat, Dials())
    np.testing.assert_allclose(course(rig, bone, 2), looking, atol=1e-6)


def test_nothing_is_done_twice_and_everything_the_same(scene, cast):
    renew(scene, cast)
    once = keys(cast)
    again = renew(scene, cast)
    assert (again.made, again.changed, again.removed) == ([], [], [])
    assert keys(cast) == once
    for face in cast.values():
        face.mouthpiece.surroundings = ""
    assert sorted(renew(scene, cast).changed) == ["Ada", "Ben", "Cat"]
    assert keys(cast) == once


def test_what_is_not_settled_yet_is_settled_at_once(scene, cast, say):
    renew(scene, cast)
    say(cast["Ben"], 420, 460)
    renew(scene, cast)
    once = keys(cast)
    say(cast["Ben"], 420, 460, settle=False)
    done = renew(scene, cast, unsettled={cast["Ben"]: interlude_keys.How()})
    assert not done.changed
    for (*_, one), (*_, other) in zip(once, keys(cast), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_a_line_later_on_changes_nothing_before(scene, cast, say):
    renew(scene, cast)
    before = eye_ways(cast["Cat"])
    say(cast["Ben"], 420, 460)
    done = renew(scene, cast)
    assert set(done.changed) >= {"Ada", "Cat"}
    after = eye_ways(cast["Cat"])
    np.testing.assert_allclose(after[:390], before[:390], atol=1e-3)
    assert (off(cast["Cat"], cast["Ben"], after)[435:460] < 5).any()


def test_everything_can_be_reverted(scene, cast):
    before, notes = keys(cast), {name: face.mouthpiece.surroundings for name, face in cast.items()}
    with ExitStack() as undo:
        listeners.renew(scene, list(cast.values()), undo)
        assert keys(cast) != before
    assert keys(cast) == before
    assert {name: face.mouthpiece.surroundings for name, face in cast.items()} == notes
    assert not redial.dialled_lines(cast["Cat"])


def test_saved_and_opened_again_it_is_up_to_date(scene, cast, tmp_path):
    renew(scene, cast)
    once = keys(cast)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"), copy=True)
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "scene.blend"))
    cast = {name: bpy.data.objects[name] for name in SEATS}
    assert keys(cast) == once
    done = renew(bpy.context.scene, cast)
    assert (done.made, done.changed, done.removed) == ([], [], [])
    redial.redial(cast["Cat"], Dials())
    assert keys(cast) == once


def test_listeners_are_removed_as_others_are(scene, cast):
    renew(scene, cast)
    cat = cast["Cat"]
    removal.take_off(cat)
    assert not redial.dialled_lines(cat) and not sections(cat)
    assert (
        not list(compat.fcurves_of(cat.data.shape_keys)) and cat.data.shape_keys.key_blocks["eyeBlinkLeft"].value == 0
    )
    renew(scene, cast)
    assert sections(cat)
    cat.mouthpiece.listens = False
    assert renew(scene, cast).removed == ["Cat"]
    assert not sections(cat) and not eye_lines.noted(cat)


def test_who_speaks_at_last_is_no_mere_listener(scene, cast, say):
    renew(scene, cast)
    cat = cast["Cat"]
    say(cat, 1, 40)
    renew(scene, cast)
    assert not any(eye_lines.is_silent(line) for line in redial.dialled_lines(cat))
    assert len(redial.dialled_lines(cat)) == 1
    assert turns(cat).max() < 8
    assert any(turn.who == "Cat" for turn in eye_lines.noted(cast["Ada"]).turns)


def test_who_listens_no_more_is_as_if_it_never_had(scene, cast):
    before = keys({"Ada": cast["Ada"]})
    renew(scene, cast)
    cast["Ada"].mouthpiece.listens = False
    assert "Ada" in renew(scene, cast).changed
    for (*_, one), (*_, other) in zip(before, keys({"Ada": cast["Ada"]}), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_one_alone_stays_as_it_was(scene, say):
    ada = member("Ada")
    say(ada, 60, 155)
    before, named = keys({"Ada": ada}), sections(ada)
    assert not renew(scene, {"Ada": ada}).changed
    assert (keys({"Ada": ada}), sections(ada)) == (before, named)


def test_an_object_and_nobody(scene, cast):
    lamp = bpy.data.objects.new("Lamp", None)
    scene.collection.objects.link(lamp)
    lamp.location = (0.4, -3.0, 1.0)
    cat, ben = cast["Cat"], cast["Ben"]
    cat.mouthpiece.looks_at, cat.mouthpiece.looks_at_object = "OBJECT", lamp
    ben.mouthpiece.looks_at = "NOBODY"
    renew(scene, cast)
    eyes = sightlines.head_place(cat).eyes
    ways = eye_ways(cat)
    miss = np.degrees(np.arccos(np.clip(ways @ np.array((lamp.location - eyes).normalized()), -1, 1)))
    assert (miss[48:] < 5).mean() > 0.5
    assert np.abs(eye_lines.regard_of(ben, interludes.pieces(ben, redial.dialled_lines(ben))).moves or ()).size == 0
    cat.mouthpiece.looks_at_object = None
    (warning,) = renew(scene, cast).written.warnings
    assert "Cat" in warning and "Pick one" in warning


def test_who_walks_is_followed(scene, cast):
    rig = cast["Ada"].mouthpiece_head.armature
    for frame, x in ((1, -1.5), (LAST, 1.0)):
        rig.location.x = x
        rig.keyframe_insert("location", index=0, frame=frame)
    scene.frame_set(7)
    renew(scene, cast)
    assert scene.frame_current == 7
    assert eye_lines.noted(cast["Cat"]).places["Ada"].moves
    ways, miss = eye_ways(cast["Cat"]), []
    for frame in range(310, 371, 5):
        scene.frame_set(frame)
        miss.append(off(cast["Cat"], cast["Ada"], ways[frame - 1 : frame])[0])
    assert np.median(miss) < 5


def test_the_cast_says_who_is_spoken_to(scene, cast):
    ada = cast["Ada"]
    sound = next(line.sound for line in redial.dialled_lines(ada) if line.frames().first == 60)
    renew(scene, cast, addressed={("Ada", sound): "Cat"})
    assert (off(ada, cast["Cat"], eye_ways(ada))[100:155] < 8).mean() > 0.5
    renew(scene, cast)  # without a cast it stays as noted
    assert eye_lines.noted(ada).addressed == {sound: "Cat"}
    assert next(turn for turn in eye_lines.noted(cast["Cat"]).turns if turn.who == "Ada").to == "Cat"


def test_keys_of_the_users_own_are_left_alone(scene, cast):
    cat = cast["Cat"]
    block = cat.data.shape_keys.key_blocks["eyeBlinkLeft"]
    for frame, value in ((10, 0.0), (200, 1.0), (300, 0.25)):
        block.value = value
        block.keyframe_insert("value", frame=frame)
    renew(scene, cast)
    assert scenes.values(cat.data.shape_keys, BLINK) == [(10.0, 0.0), (200.0, 1.0), (300.0, 0.25)]
    removal.take_off(cat)
    assert len(scenes.values(cat.data.shape_keys, BLINK)) == 3


def test_edited_keys_stay(scene, cast, say):
    renew(scene, cast)
    cat = cast["Cat"]
    curve = next(f for f in compat.fcurves_of(cat.data.shape_keys) if f.data_path == JAW)
    key = min(curve.keyframe_points, key=lambda key: abs(key.co.x - 200))
    key.co.y, frame = 0.7, key.co.x
    say(cast["Ben"], 420, 460)
    renew(scene, cast)
    assert curve.evaluate(frame) == pytest.approx(0.7)


def test_in_layers_too(scene, say):
    cast = {name: member(name) for name in SEATS}
    cast["Cat"].mouthpiece.layers = "LAYERS"
    for name, first, last in LINES:
        say(cast[name], first, last, layered=name == "Ada")
    done = renew(scene, cast)
    assert done.made == ["Cat"] and not done.written.warnings
    for name in ("Ada", "Cat"):
        rig = cast[name].mouthpiece_head.armature
        moved = []
        for frame in range(1, LAST + 1, 4):
            scene.frame_set(frame)
            moved.append(rig.pose.bones["head"].matrix.to_quaternion().angle)
        assert np.ptp(moved) > 0.1
    removal.take_off(cast["Cat"])
    assert not redial.dialled_lines(cast["Cat"])


def test_copies_do_not_blink_in_unison(scene, cast, say):
    ben, cat = cast["Ben"], cast["Cat"]
    cat.mouthpiece.life_seed = ben.mouthpiece.life_seed
    renew(scene, cast)
    assert cat.mouthpiece.life_seed != ben.mouthpiece.life_seed
    blinks = [course(one.data.shape_keys, BLINK) > 0.5 for one in (ben, cat)]
    assert not np.array_equal(*blinks)


def test_what_is_noted_may_be_damaged(scene, cast):
    renew(scene, cast)
    once = keys(cast)
    for text in ("{", "[]", '{"turns": 3}', "x" * 100, "null"):
        cast["Cat"].mouthpiece.surroundings = text
        assert eye_lines.noted(cast["Cat"]) is None
        redial.redial(cast["Cat"], Dials())
    assert renew(scene, cast).changed == ["Cat"]
    assert keys(cast) == once


def test_the_button(scene, cast):
    for obj in scene.objects:
        obj.select_set(obj == cast["Cat"])
    assert bpy.ops.mouthpiece.update_listeners() == {"FINISHED"}
    assert sections(cast["Cat"]) and eye_lines.noted(cast["Ada"])
    assert listeners.characters_in(scene) == [cast["Ada"], cast["Ben"], cast["Cat"]]


def test_where_heads_are(scene):
    cat = member("Cat")
    bpy.context.view_layer.update()
    here = sightlines.head_place(cat)
    turned = Euler((0.0, 0.0, math.radians(SEATS["Cat"][1]))).to_matrix()
    np.testing.assert_allclose(np.array(here.axes), np.array(turned), atol=1e-6)
    for right, down in ((0.0, 0.0), (0.5, 0.0), (-0.7, 0.2), (0.0, -0.4)):
        way = turned @ Vector((math.sin(right) * math.cos(down), -math.cos(right) * math.cos(down), -math.sin(down)))
        assert here.towards(here.eyes + 3 * way) == pytest.approx((right, down), abs=1e-3)
    assert here.towards(here.eyes) is None
    # what its own lines do to the head does not count
    rig = cat.mouthpiece_head.armature
    bone = rig.pose.bones["head"]
    bone.rotation_mode = "QUATERNION"
    bone.rotation_quaternion = Euler((0.2, 0.5, 0.0)).to_quaternion()
    bpy.context.view_layer.update()
    assert sightlines.head_place(cat).axes == here.axes
    assert (sightlines.head_place(cat).eyes - here.eyes).length < 1e-6
    # angles of a performance are those of the picture
    assert rotation_matrices(np.array([[0.0, 0.3, 0.0]]))[0][0, 2] > 0
