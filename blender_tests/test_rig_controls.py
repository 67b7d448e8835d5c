"""Shape keys with drivers are played by the control that drives them: properties, sliders, joysticks, chains."""

from __future__ import annotations

import re

import bpy
import numpy as np
import pytest
from mouthpiece.curves import FrameGrid
from mouthpiece.errors import RigError

from addon.bake import convert, redial, removal
from addon.bake.bake import Bake, Heard
from addon.sound import recordings
from addon.targets import target_for
from addon.targets.shape_keys.controls import controls_of
from blender_tests import scenes

GRID = FrameGrid(25.0, 1.0, 1, 50)
COUNT = 50


def wave(time):
    return 0.4 + 0.3 * np.sin(5 * time)


def drive(obj, key, *variables, expression="var", kind="SCRIPTED"):
    """Give a shape key a driver; each variable is a data-block and a path."""
    curve = obj.data.shape_keys.key_blocks[key].driver_add("value")
    curve.driver.type = kind
    for number, (owner, path) in enumerate(variables):
        variable = curve.driver.variables.new()
        variable.name = "var" if not number else f"var_{number:03d}"
        variable.targets[0].id_type = owner.id_type
        variable.targets[0].id = owner
        variable.targets[0].data_path = path
    if kind == "SCRIPTED":
        curve.driver.expression = expression
    return curve


def slider(obj, key, rig, bone, transform="LOC_Y", expression="var", space="LOCAL_SPACE"):
    """Give a shape key a driver that reads a bone's transform."""
    curve = obj.data.shape_keys.key_blocks[key].driver_add("value")
    variable = curve.driver.variables.new()
    variable.name, variable.type = "var", "TRANSFORMS"
    target = variable.targets[0]
    target.id, target.bone_target, target.transform_type, target.transform_space = rig, bone, transform, space
    curve.driver.expression = expression
    return curve


def with_property(rig, name, value=0.0, low=0.0, high=1.0):
    rig[name] = value
    rig.id_properties_ui(name).update(min=low, max=high, default=value)
    return f'["{name}"]'


@pytest.fixture
def face():
    return scenes.face(keys=("jawOpen", "mouthClose", "mouthSmileLeft", "mouthSmileRight"))


@pytest.fixture
def rig():
    return scenes.armature()


def shown(obj, vertex=0):
    """Return how far a vertex of the evaluated mesh is moved on each frame."""
    found = []
    for frame in range(1, COUNT + 1):
        bpy.context.scene.frame_set(frame)
        seen = obj.evaluated_get(bpy.context.evaluated_depsgraph_get())
        found.append(seen.to_mesh().vertices[vertex].co.y)
        seen.to_mesh_clear()
    return np.array(found)


def baked(obj, take, layered=False, error=0.0, sound="line"):
    """Bake a take onto an object and return the report."""
    recording = recordings.Recording(sound, sound, "", recordings.Placement(25.0, 1.0), sound.encode())
    return Bake(recording, (target_for(obj),), layered=layered, error=error).write(Heard(take, GRID))


def keyed(owner, path, index=0):
    """Return the values of the keys on the frames of the line, without those after it, which ease to rest."""
    return np.array([value for frame, value in scenes.values(owner, path, index) if frame <= COUNT])


def wanted(value=wave):
    return value((np.arange(COUNT)) / 25.0)


def test_a_property_of_the_rig_is_keyed_and_the_mouth_opens(face, rig):
    path = with_property(rig, "Jaw")
    drive(face, "jawOpen", (rig, path))
    target = target_for(face)
    assert target.summary().endswith("; keys the control 'Jaw' of Rig")
    report = baked(face, scenes.performance(jawOpen=wave))
    assert report.kept == {} and scenes.values(rig, path)
    np.testing.assert_allclose(shown(face), wanted(), atol=1e-3)
    assert not scenes.values(face.data.shape_keys, scenes.shape_path("jawOpen"))


@pytest.mark.parametrize(
    ("expression", "limits", "scale"),
    [
        ("var * 2", (0.0, 1.0), 0.5),
        ("max(0, var)", (-1.0, 1.0), 1.0),
        ("clamp(var / 100)", (0.0, 100.0), 100.0),
        ("1 - var", (0.0, 1.0), None),
        ("min(1, max(0, 4 * var - 1))", (0.0, 1.0), None),
        ("var if var > 0 else 0", (-2.0, 2.0), 1.0),
        ("-var", (-1.0, 1.0), -1.0),
    ],
)
def test_straight_expressions_are_inverted(face, rig, expression, limits, scale):
    path = with_property(rig, "Jaw", 0.0, *limits)
    drive(face, "jawOpen", (rig, path), expression=expression)
    baked(face, scenes.performance(jawOpen=wave))
    np.testing.assert_allclose(shown(face), wanted(), atol=2e-3)
    if scale is not None:
        keys = keyed(rig, path)
        np.testing.assert_allclose(keys, scale * wanted(), atol=2e-3 * abs(scale))


@pytest.mark.parametrize("kind", ["AVERAGE", "SUM", "MIN", "MAX"])
def test_drivers_without_an_expression(face, rig, kind):
    drive(face, "jawOpen", (rig, with_property(rig, "Jaw")), kind=kind)
    baked(face, scenes.performance(jawOpen=wave))
    np.testing.assert_allclose(shown(face), wanted(), atol=1e-3)


def test_a_driver_with_a_curve_of_its_own(face, rig):
    curve = drive(face, "jawOpen", (rig, with_property(rig, "Jaw", 0.0, 0.0, 10.0)))
    for modifier in list(curve.modifiers):
        curve.modifiers.remove(modifier)
    while len(curve.keyframe_points):
        curve.keyframe_points.remove(curve.keyframe_points[0])
    for x, y in ((0.0, 0.0), (4.0, 1.0)):
        curve.keyframe_points.insert(x, y).interpolation = "LINEAR"
    baked(face, scenes.performance(jawOpen=wave))
    np.testing.assert_allclose(shown(face), wanted(), atol=2e-3)


def test_a_slider_bone_within_its_limits(face, rig):
    limit = rig.pose.bones["head"].constraints.new("LIMIT_LOCATION")
    limit.owner_space, limit.use_min_y, limit.use_max_y, limit.max_y = "LOCAL", True, True, 0.05
    slider(face, "jawOpen", rig, "head", expression="var * 20")
    assert target_for(face).summary().endswith("keys the control the Y shift of bone 'head' of Rig")
    baked(face, scenes.performance(jawOpen=wave), error=0.01)
    keys = np.array(scenes.values(rig, 'pose.bones["head"].location', 1))
    assert 0 <= keys[:, 1].min() and keys[:, 1].max() <= 0.0501 and len(keys) < COUNT
    np.testing.assert_allclose(shown(face), wanted(), atol=0.02)


def test_a_joystick_opens_upwards_and_smiles_sideways(face, rig):
    slider(face, "jawOpen", rig, "head", expression="max(0, -var * 10)")
    slider(face, "mouthClose", rig, "head", expression="max(0, var * 10)")
    slider(face, "mouthSmileLeft", rig, "head", "LOC_X", "clamp(var * 5)")
    slider(face, "mouthSmileRight", rig, "head", "LOC_X", "clamp(-var * 5)")
    target = target_for(face)
    take = scenes.performance(jawOpen=wave, mouthSmileLeft=0.5, mouthClose=0.0)
    driven = target.drive(take, GRID)
    (part,) = driven.parts
    assert part.owner == rig and [(c.data_path, c.index) for c in part.channels] == [
        ('pose.bones["head"].location', 1), ('pose.bones["head"].location', 0)]  # fmt: skip
    baked(face, take)
    np.testing.assert_allclose(shown(face, 2), 0.5, atol=2e-3)
    np.testing.assert_allclose(shown(face), wanted(), atol=2e-3)


def test_a_turning_bone(face, rig):
    rig.pose.bones["head"].rotation_mode = "XYZ"
    slider(face, "jawOpen", rig, "head", "ROT_X", "var * 2")
    baked(face, scenes.performance(jawOpen=wave))
    np.testing.assert_allclose(shown(face), wanted(), atol=2e-3)


def test_an_empty_as_a_slider(face):
    empty = bpy.data.objects.new("Slider", None)
    bpy.context.scene.collection.objects.link(empty)
    drive(face, "jawOpen", (empty, "location.z"), expression="var * 4")
    baked(face, scenes.performance(jawOpen=wave))
    np.testing.assert_allclose(keyed(empty, "location", 2), wanted() / 4, atol=1e-3)
    np.testing.assert_allclose(shown(face), wanted(), atol=2e-3)


def test_a_chain_of_properties_is_followed_to_its_beginning(face, rig):
    raw, final = with_property(rig, "jaw"), with_property(rig, "jaw (fin)")
    curve = rig.driver_add(final)
    variable = curve.driver.variables.new()
    variable.targets[0].id, variable.targets[0].data_path = rig, raw
    curve.driver.expression = "var * 0.5"
    drive(face, "jawOpen", (rig, final), expression="var * 2")
    baked(face, scenes.performance(jawOpen=wave))
    np.testing.assert_allclose(shown(face), wanted(), atol=2e-3)
    assert scenes.values(rig, raw) and not scenes.values(rig, final)


def test_several_keys_of_one_property_come_as_near_as_they_can(face, rig):
    path = with_property(rig, "Smile")
    for key in ("mouthSmileLeft", "mouthSmileRight"):
        drive(face, key, (rig, path))
    baked(face, scenes.performance(mouthSmileLeft=0.4, mouthSmileRight=0.6))
    np.testing.assert_allclose(keyed(rig, path), 0.5, atol=1e-3)


def quaternion(face, rig):
    slider(face, "jawOpen", rig, "head", "ROT_X")


def in_world(face, rig):
    slider(face, "jawOpen", rig, "head", space="WORLD_SPACE")


def two_controls(face, rig):
    drive(
        face, "jawOpen", (rig, with_property(rig, "Jaw")), (rig, with_property(rig, "More")), expression="var*var_001"
    )


def bent(face, rig):
    drive(face, "jawOpen", (rig, with_property(rig, "Jaw")), expression="var ** 2")


def beyond(face, rig):
    drive(face, "jawOpen", (rig, with_property(rig, "Jaw")), expression="sin(var)")


def constrained(face, rig):
    rig.pose.bones["head"].constraints.new("COPY_LOCATION").target = face
    slider(face, "jawOpen", rig, "head")


def switch(face, rig):
    rig["On"] = 1
    drive(face, "jawOpen", (rig, '["On"]'))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (quaternion, "head' of Rig .*turns by a quaternion"),
        (in_world, "read in world space"),
        (two_controls, r"'Jaw' of Rig and 'More' of Rig \(expression var\*var_001\), which are several controls"),
        (bent, "'Jaw' of Rig but does not move in a straight way"),
        (beyond, r"'Jaw' of Rig \(expression sin\(var\)\), which goes beyond"),
        (constrained, "moved by constraints"),
        (switch, "a switch or a whole number"),
    ],
)
def test_what_cannot_be_followed_is_refused_in_words(face, rig, make, words):
    make(face, rig)
    report = baked(face, scenes.performance(mouthSmileLeft=0.5, jawOpen=0.5))
    (said,) = [warning for warning in report.warnings if "is driven by" in warning]
    assert re.search(words, said) and said.startswith("jawOpen") and said.endswith("or remove the driver")
    assert "jawOpen" in target_for(face).refused and not scenes.values(rig, '["Jaw"]')
    assert scenes.values(face.data.shape_keys, scenes.shape_path("mouthSmileLeft"))


def test_a_face_whose_drivers_are_all_beyond_is_refused_before_anything_is_written(rig):
    face = scenes.face(keys=("jawOpen",))
    bent(face, rig)
    before = scenes.state()
    with pytest.raises(RigError, match=r"all have drivers.*'Jaw' of Rig"):
        baked(face, scenes.performance(jawOpen=0.5))
    assert scenes.state() == before


def test_a_corrective_that_follows_a_key_is_left_to_it(face):
    drive(face, "mouthSmileLeft", (face.data.shape_keys, 'key_blocks["mouthSmileRight"].value'))
    found = controls_of(face.data.shape_keys, ["mouthSmileLeft", "mouthSmileRight", "jawOpen"])
    assert found.led == ("mouthSmileLeft",) and not found.refused and not found.courses
    assert baked(face, scenes.performance(mouthSmileRight=0.5)).kept == {}


def test_teeth_that_follow_the_same_property(face, rig):
    path = with_property(rig, "Jaw")
    teeth = scenes.face("Teeth", ("jawOpen",))
    face.mouthpiece.also.add().object = teeth
    for obj in (face, teeth):
        drive(obj, "jawOpen", (rig, path))
    recording = recordings.Recording("line", "line", "", recordings.Placement(25.0, 1.0))
    report = Bake(recording, (target_for(face), target_for(teeth))).write(
        Heard(scenes.performance(jawOpen=wave), GRID))  # fmt: skip
    assert report.kept == {} and len(keyed(rig, path)) == COUNT
    np.testing.assert_allclose(shown(teeth), wanted(), atol=1e-3)


def test_two_faces_on_one_rig_keep_their_own_controls(rig):
    faces = [scenes.face(name, ("jawOpen",)) for name in ("Ada", "Bo")]
    paths = [with_property(rig, f"Jaw {face.name}") for face in faces]
    for face, path in zip(faces, paths, strict=True):
        drive(face, "jawOpen", (rig, path))
        baked(face, scenes.performance(jawOpen=wave), sound=face.name)
    kept = scenes.values(rig, paths[0])
    assert [[line.sound for line in redial.dialled_lines(face)] for face in faces] == [["Ada"], ["Bo"]]
    removal.take_off(faces[1])
    assert scenes.values(rig, paths[0]) == kept and len(kept) >= COUNT and not scenes.values(rig, paths[1])
    assert removal.carries(faces[0]) and not removal.carries(faces[1])
    removal.take_off(faces[0])
    assert not scenes.values(rig, paths[0])


def test_keys_of_the_users_own_on_a_control_stay(face, rig):
    path = with_property(rig, "Jaw")
    drive(face, "jawOpen", (rig, path))
    rig["Jaw"] = 0.3
    rig.keyframe_insert(path, frame=3)
    report = baked(face, scenes.performance(jawOpen=wave))
    assert report.kept == {"'Jaw' of Rig": "has keys of your own"} and len(scenes.values(rig, path)) == 1


def test_limits_that_are_in_the_way_are_told(face, rig):
    drive(face, "jawOpen", (rig, with_property(rig, "Jaw", 0.0, 0.0, 0.5)))
    warnings = baked(face, scenes.performance(jawOpen=wave)).warnings
    assert any("jawOpen cannot be reached by 'Jaw' of Rig on" in warning for warning in warnings)


@pytest.mark.parametrize("layered", [False, True], ids=["one action", "layers"])
def test_a_line_on_controls_is_adjusted_converted_and_removed(face, rig, layered):
    from mouthpiece.motion.dials import Dials

    path = with_property(rig, "Jaw", 0.2)
    drive(face, "jawOpen", (rig, path))
    take = scenes.performance(jawOpen=wave, mouthSmileLeft=0.5)
    before = scenes.state()
    baked(face, take, layered)
    np.testing.assert_allclose(shown(face), wanted(), atol=2e-3)
    redial.redial(face, Dials(jaw=0.5))
    halved = shown(face)
    assert halved.max() < 0.8 * wanted().max()
    redial.redial(face, Dials())
    np.testing.assert_allclose(shown(face), wanted(), atol=2e-3)
    convert.convert(face, not layered)
    np.testing.assert_allclose(shown(face), wanted(), atol=2e-3)
    removal.take_off(face)
    assert rig["Jaw"] == pytest.approx(0.2)
    bpy.context.scene.frame_set(1)
    assert rig.animation_data is None or not (rig.animation_data.action or len(rig.animation_data.nla_tracks))
    assert scenes.state()[0] == before[0]


def test_a_linked_rig_is_refused(face, rig, tmp_path):
    with_property(rig, "Jaw")
    path = str(tmp_path / "rig.blend")
    bpy.data.libraries.write(path, {rig}, fake_user=True)
    with bpy.data.libraries.load(path, link=True) as (there, here):
        here.objects = there.objects
    drive(face, "jawOpen", (here.objects[0], '["Jaw"]'))
    assert "library override" in " ".join(controls_of(face.data.shape_keys, ["jawOpen"]).refused.values())


@pytest.mark.parametrize("layered", [False, True], ids=["one action", "layers"])
@pytest.mark.parametrize("beside", [False, True], ids=["jaw alone", "smile stays"])
def test_a_take_is_removed_from_a_control_whose_driver_was_deleted(face, rig, layered, beside):
    path = with_property(rig, "Jaw", 0.2)
    drive(face, "jawOpen", (rig, path))
    names = ("mouthSmileLeft", "mouthSmileRight", "mouthClose")
    for name in names if beside else ():
        drive(face, name, (rig, with_property(rig, name)))
    before = scenes.state()[0]["Rig", "Object"]
    baked(face, scenes.performance(jawOpen=wave, mouthSmileLeft=0.5), layered)
    rig.name = "Control"
    face.data.shape_keys.key_blocks["jawOpen"].driver_remove("value")
    for name in names[1:] if beside else ():
        face.data.shape_keys.key_blocks[name].driver_remove("value")
    assert removal.carries(face)
    removal.take_off(face)
    assert rig["Jaw"] == pytest.approx(0.2)
    assert scenes.state()[0]["Control", "Object"] == before
    assert not bpy.data.actions


def test_a_take_kept_with_a_control_is_removed_after_all_drivers_were_deleted(face, rig):
    for block in face.data.shape_keys.key_blocks[1:]:
        drive(face, block.name, (rig, with_property(rig, block.name)))
    baked(face, scenes.performance(jawOpen=wave, mouthSmileLeft=0.5))
    for block in face.data.shape_keys.key_blocks[1:]:
        block.driver_remove("value")
    assert removal.carries(face)
    removal.take_off(face)
    assert rig["jawOpen"] == 0.0 and not bpy.data.actions
