"""Eyeballs and lower teeth without shape keys move as objects: with the gaze, and with the jaw of their face."""

from __future__ import annotations

import bpy
import numpy as np
import pytest
from mathutils import Matrix, Vector
from mouthpiece.curves import FrameGrid
from mouthpiece.errors import RigError

from addon import scene_settings
from addon.bake import removal
from addon.characters import company
from addon.keys import writer
from addon.keys.channels import Line
from addon.targets import made_again, target_for
from addon.targets.eyeball.target import EyeballTarget
from addon.targets.lower_teeth.jaw import fitted
from addon.targets.lower_teeth.target import LowerTeethTarget
from blender_tests import scenes
from blender_tests.test_characters import animate, box, choose, say, spoken

GRID = FrameGrid.covering(1.0, 24.0, 1)
#: Middles of the eyes of :func:`head`.
EYES = {"L": (0.03, -0.09, 0.05), "R": (-0.03, -0.09, 0.05)}


def head():
    """Make a face whose lids lie before two eyes, and whose jaw turns by 0.4 about a hinge 0.1 behind the mouth."""
    spots = [(x + dx, y, z + dz) for x, y, z in EYES.values() for dx in (-0.01, 0.01) for dz in (-0.01, 0.01)]
    chin = [(x, -0.1 + y, z) for x in (-0.02, 0.02) for y in (0, 0.01) for z in (-0.08, -0.06)]
    skull = [(x, y, z) for x in (-0.09, 0.09) for y in (-0.1, 0.1) for z in (-0.12, 0.12)]
    mesh = bpy.data.meshes.new("Face")
    mesh.from_pydata([*spots, *chin, *skull], [], [])
    obj = bpy.data.objects.new("Face", mesh)
    bpy.context.scene.collection.objects.link(obj)
    obj.mouthpiece.reduce = 0.0
    obj.shape_key_add(name="Basis")
    turn = Matrix.Rotation(-0.4, 4, "X")
    for name, first, move in (
        ("jawOpen", 8, lambda co: turn @ co),
        ("eyeBlinkLeft", 0, lambda co: co + Vector((0, 0, -0.01))),
        ("eyeBlinkRight", 4, lambda co: co + Vector((0, 0, -0.01))),
    ):
        block = obj.shape_key_add(name=name)
        for index in range(first, first + (8 if name == "jawOpen" else 4)):
            block.data[index].co = move(block.data[index].co.copy())
        block.value = 0.0
    return obj


def parts(hung=None):
    """Make eyes and teeth without keys beside a head, hung on an object or on nothing."""
    made = {f"eye.{side}": box(f"Eye.{side}", place, (0.024,) * 3, ()) for side, place in EYES.items()}
    made["lower"] = box("Teeth lower", (0, -0.08, -0.06), (0.04, 0.02, 0.01), ())
    made["upper"] = box("Teeth upper", (0, -0.08, -0.04), (0.04, 0.02, 0.01), ())
    face = head()
    bpy.context.view_layer.update()
    for part in made.values():
        part.parent = hung or face
        if hung:
            part.matrix_parent_inverse = hung.matrix_world.inverted()
    bpy.context.view_layer.update()
    return face, made


def where(obj, point):
    """Return where a point, given in the world at rest, is with a part of a character now."""
    at = obj.evaluated_get(bpy.context.evaluated_depsgraph_get()).matrix_world
    return at @ Vector(point)


def play(target, **tracks):
    """Write what a target does for a performance that stays as it is."""
    from dataclasses import replace

    take = scenes.performance(1.0, 24.0, jawOpen=tracks.get("jaw", 0.0))
    gaze = np.tile(np.array(tracks.get("gaze", (0, 0)), np.float32), (24, 1))
    driven = target.drive(replace(take, gaze=gaze), GRID)
    writer.write(list(driven.parts), Line("line", 1, 24), "Take")
    bpy.context.scene.frame_set(12)
    return driven


def test_they_are_found_and_the_others_are_told():
    face, made = parts()
    assert set(company.of(face)) == {made["eye.L"], made["eye.R"], made["lower"]}
    assert company.standing(face) == []
    kinds = {other.name: company.target_of(face, other, 1.0).kind for other in company.of(face)}
    assert kinds == {"Eye.L": "EYEBALL", "Eye.R": "EYEBALL", "Teeth lower": "LOWER_TEETH"}


def test_an_eyeball_looks_where_the_gaze_goes_about_its_centre():
    face, made = parts()
    eye = made["eye.L"]
    eye.rotation_euler, eye.scale = (0.3, -0.2, 0.5), (1.0, 1.0, 1.0)
    bpy.context.view_layer.update()
    front = eye.matrix_world.inverted() @ Vector((0.03, -0.102, 0.05))
    target = company.target_of(face, eye, 1.0)
    play(target, gaze=(0.3, 0.0))
    np.testing.assert_allclose(where(eye, (0, 0, 0)), EYES["L"], atol=1e-5)
    at = where(eye, front) - Vector(EYES["L"])
    np.testing.assert_allclose(at, 0.012 * Vector((np.sin(0.3), -np.cos(0.3), 0)), atol=1e-5)  # to its own left
    for _ in range(2):
        play(company.target_of(face, eye, 1.0), gaze=(0.0, 0.3))  # made anew while it is turned
        at = where(eye, front) - Vector(EYES["L"])
        np.testing.assert_allclose(at, 0.012 * Vector((0, -np.cos(0.3), -np.sin(0.3))), atol=1e-5)  # down
    assert made_again(target.saved()) == target


@pytest.mark.parametrize("hung", [False, True])
def test_lower_teeth_follow_the_jaw(hung):
    holder = None
    if hung:
        holder = bpy.data.objects.new("Holder", None)
        bpy.context.scene.collection.objects.link(holder)
        holder.location, holder.rotation_euler, holder.scale = (0.1, 0.2, 0.3), (0.4, 0.5, 0.6), (2, 2, 2)
        bpy.context.view_layer.update()
    face, made = parts(holder)
    teeth = made["lower"]
    corner = (0.02, -0.01, 0.005)
    rest = where(teeth, corner)
    target = company.target_of(face, teeth, 1.0)
    for _ in range(2):
        play(company.target_of(face, teeth, 1.0), jaw=1.0)
        np.testing.assert_allclose(where(teeth, corner), Matrix.Rotation(-0.4, 3, "X") @ rest, atol=1e-4)
    play(target, jaw=0.5)
    np.testing.assert_allclose(where(teeth, corner), Matrix.Rotation(-0.2, 3, "X") @ rest, atol=1e-4)
    assert made_again(target.saved()) == target
    removal.remove([teeth])
    np.testing.assert_allclose(where(teeth, corner), rest, atol=1e-5)


def test_a_jaw_that_only_slides_has_no_hinge():
    points = np.array([(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)], float)
    hinge = fitted(points, points - (0, 0, 0.2))
    assert hinge.turn == (0, 0, 0) and hinge.shift == pytest.approx((0, 0, -0.2))


def test_they_are_animated_with_their_face_and_taken_off_with_it(tmp_path):
    face, made = parts()
    say(tmp_path)
    animate(face)
    assert len(spoken(made["lower"], "delta_rotation_euler")) == 24
    assert len(spoken(made["eye.L"], "delta_rotation_euler", 1, 24)) == 24
    report_kinds = [target["kind"] for target in last_report(face)]
    assert report_kinds == ["NAMES", "EYEBALL", "EYEBALL", "LOWER_TEETH"]
    face.mouthpiece.live = False
    face.mouthpiece.jaw = 0.5
    before = [value for _, value in scenes.values(made["lower"], "delta_rotation_euler")]
    choose(face)
    assert bpy.ops.mouthpiece.redial() == {"FINISHED"}
    after = [value for _, value in scenes.values(made["lower"], "delta_rotation_euler")]
    assert np.ptp(after) < 0.7 * np.ptp(before)
    assert bpy.ops.mouthpiece.remove_take() == {"FINISHED"}
    assert all(part.animation_data is None for part in made.values())


def last_report(face):
    """Return what a character's kept line says of its targets."""
    from addon.bake.lines import dialled_lines

    return dialled_lines(face)[0].targets


def test_one_mesh_with_both_eyes_or_both_rows_is_told(tmp_path):
    face = head()
    box("Eyes", (0, -0.09, 0.05), (0.09, 0.024, 0.024), ()).parent = face
    box("Teeth", (0, -0.08, -0.05), (0.04, 0.02, 0.03), ()).parent = face
    bpy.context.view_layer.update()
    assert company.of(face) == []
    text = " ".join(company.standing(face))
    assert "'Eyes' holds both eyes" in text and "'Teeth' may hold both rows" in text
    say(tmp_path)
    choose(face)
    assert set(company.standing(face)) <= set(scene_settings.bake_of(bpy.context).remarks)
    for part in list(face.children):
        company.leave_out(face, part)
    assert company.standing(face) == []


def test_what_an_armature_or_a_constraint_moves_is_told():
    face, made = parts()
    made["eye.L"].modifiers.new("Armature", "ARMATURE").object = scenes.armature()
    made["eye.R"].constraints.new("DAMPED_TRACK").target = face
    text = " ".join(company.standing(face))
    assert "'Eye.R' has no shape keys, and constraints of its own" in text
    assert made["eye.R"] not in company.of(face) and made["eye.L"] not in company.of(face)


def test_without_a_face_they_say_what_to_do():
    for kind in ("EYEBALL", "LOWER_TEETH"):
        with pytest.raises(RigError, match="on no face's list"):
            target_for(box("Alone", keys=()), 1.0, kind)
    assert EyeballTarget.kind != LowerTeethTarget.kind
