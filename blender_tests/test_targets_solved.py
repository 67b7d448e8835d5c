"""Shape keys by geometry in Blender: real heads whose keys have lost their names, and meshes that make it hard."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import bpy
import numpy as np
import pytest
from mouthpiece.curves import FrameGrid
from mouthpiece.errors import RigError
from mouthpiece.performance import Performance
from mouthpiece.retarget.solve.proportions import LIP_PAIRS

from addon import demo
from addon.keys import channels, writer
from addon.sound import recordings
from addon.targets import KINDS, made_again, target_for
from addon.targets.pins import pins, proposal
from addon.targets.shape_keys import keyed_mesh
from blender_tests import scenes

SHARED = Path(__file__).resolve().parents[2] / "shared"
GRID = FrameGrid(25.0, 1.0, 1, 150)


@cache
def spoken():
    """The demo line's take."""
    from mouthpiece.pipeline import animate

    return animate(recordings.open_file(str(demo.LINE))).final()


@cache
def demo_pins():
    """Pins of the demo head, as proposed for it."""
    obj, _ = demo.build(bpy.context)
    bpy.context.view_layer.objects.active = obj
    assert bpy.ops.mouthpiece.propose_pins() == {"FINISHED"}
    found = tuple(pins.pins_of(obj).vertices.tolist())
    bpy.data.objects.remove(obj)
    return found


def nameless(obj):
    """Give the keys names that say nothing; return what they were called."""
    truth = {}
    for number, block in enumerate(obj.data.shape_keys.key_blocks[1:]):
        truth[f"key {number:02d}"] = block.name
        block.name = f"key {number:02d}"
        block.value = 0.0
    return truth


@pytest.fixture
def head():
    """The demo head with pins, and keys without names."""
    found = demo_pins()
    obj, _ = demo.build(bpy.context)
    bpy.context.view_layer.objects.active = obj
    pins.set_pins(obj, found)
    return obj


def gaps(obj, frames):
    """Return how far the mesh's lips are apart on those frames, beyond their distance at rest, in eye distances."""
    found, rest = pins.pins_of(obj).vertices, keyed_mesh.rest_of(obj.data)
    size = np.linalg.norm(rest[found[36]] - rest[found[45]])
    rows = []
    for frame in frames:
        bpy.context.scene.frame_set(int(frame))
        shown = obj.evaluated_get(bpy.context.evaluated_depsgraph_get()).data
        rows.append([
            np.linalg.norm(shown.vertices[found[up]].co - shown.vertices[found[low]].co) for up, low in LIP_PAIRS
        ])  # fmt: skip
    still = [np.linalg.norm(rest[found[up]] - rest[found[low]]) for up, low in LIP_PAIRS]
    return (np.array(rows) - still) / size


def check_mouth(obj, take):
    """Bake the take and hold the mesh's mouth against the performance's."""
    driven = target_for(obj, 1.0, "SOLVED").drive(take, GRID)
    writer.write(list(driven.parts), channels.Line("a", GRID.first, GRID.last), "Mouthpiece")
    opened = gaps(obj, GRID.frames)
    heard = np.stack([take.landmarks[:, low, 1] - take.landmarks[:, up, 1] for up, low in LIP_PAIRS], axis=1)[
        : len(opened)
    ]
    shut = heard.max(axis=1) < 0.015
    assert shut.sum() > 5
    for pair in range(3):
        assert np.corrcoef(opened[:, pair], heard[:, pair])[0, 1] > 0.97
    assert opened[shut].max() < 0.025 and np.median(opened[shut]) < 0.01
    assert opened.max() > 0.12
    return driven


def test_the_demo_head_speaks_without_names(head):
    truth = nameless(head)
    driven = check_mouth(head, spoken())
    (part,) = driven.parts
    played = {truth[name]: channel for name, channel in zip(part.curves.names, part.channels, strict=True)}
    assert "tongueOut" not in played
    assert played["jawOpen"].layer == "lips" and played["eyeBlinkLeft"].layer == "eyes"
    assert played["browInnerUp"].layer == "expression"
    assert part.curves.values.min() >= 0 and part.curves.values.max() <= 1
    index = {truth[name]: k for k, name in enumerate(part.curves.names)}
    for shape in ("mouthSmile", "mouthLowerDown", "browDown", "eyeBlink"):
        left, right = (part.curves.values[:, index[f"{shape}{side}"]] for side in ("Left", "Right"))
        np.testing.assert_allclose(left, right, atol=0.08)


def test_eyes_look_where_the_take_looks_though_no_name_says_how(head):
    """The pupils of the evaluated mesh, against the gaze."""
    rest, truth = keyed_mesh.rest_of(head.data), nameless(head)
    (part,) = target_for(head, 1.0, "SOLVED").drive(spoken(), GRID).parts
    layers = {truth[channel.name]: channel.layer for channel in part.channels}
    assert {layers[name] for name in layers if name.startswith("eyeLook")} == {"eyes"}
    writer.write([part], channels.Line("a", GRID.first, GRID.last), "Mouthpiece")
    index = [k for k, material in enumerate(head.data.materials) if material.name.startswith("Mouthpiece Pupil")]
    pupils = sorted({v for polygon in head.data.polygons if polygon.material_index in index for v in polygon.vertices})
    moved = []
    for frame in GRID.frames:
        bpy.context.scene.frame_set(int(frame))
        shown = head.evaluated_get(bpy.context.evaluated_depsgraph_get()).data
        moved.append(np.mean([np.array(shown.vertices[v].co) - rest[v] for v in pupils], axis=0))
    gaze = spoken().gaze[: len(moved)]
    for direction, axis, sign in ((0, 0, 1), (1, 2, -1)):
        assert np.ptp(gaze[:, direction]) > 0.02
        assert np.corrcoef(np.array(moved)[:, axis] * sign, gaze[:, direction])[0, 1] > 0.97


@pytest.mark.parametrize("file", ["mpfb_head_arkit.glb", "mpfb_head_arkit_visemes.glb", "ict_face_arkit.glb"])
def test_heads_made_elsewhere_speak_without_names(file):
    if not (SHARED / "rigs" / file).is_file():
        pytest.skip("needs the shared rigs")
    bpy.ops.import_scene.gltf(filepath=str(SHARED / "rigs" / file))
    obj = next(o for o in bpy.data.objects if o.type == "MESH")
    nameless(obj)
    assert "pins of the" in proposal.propose(obj).text
    check_mouth(obj, spoken())


def test_a_turned_scaled_and_mirrored_object_moves_alike(head):
    straight = target_for(head, 1.0, "SOLVED").drive(spoken(), GRID).parts[0].curves
    head.parent.rotation_euler, head.scale = (0.3, 1.0, 2.0), (-2.0, 2.0, 2.0)
    again = target_for(head, 1.0, "SOLVED").drive(spoken(), GRID).parts[0].curves
    np.testing.assert_array_equal(again.values, straight.values)


def test_known_names_play_what_pins_cannot_see(head):
    curves = target_for(head, 1.0, "SOLVED").drive(spoken(), GRID).parts[0].curves
    take = spoken()
    from mouthpiece.topology import ARKIT_INDEX

    moved = take.arkit[:150, ARKIT_INDEX["eyeLookOutLeft"]]
    assert moved.max() > 0.01
    np.testing.assert_allclose(curves["eyeLookOutLeft"], moved, atol=0.02)
    assert "tongueOut" in curves.names


def test_strength_scales_and_shut_lips_stay_shut(head):
    nameless(head)
    weak = target_for(head, 0.5, "SOLVED").drive(spoken(), GRID).parts[0]
    writer.write([weak], channels.Line("a", GRID.first, GRID.last), "Mouthpiece")
    half = gaps(head, GRID.frames)
    strong = target_for(head, 1.0, "SOLVED").drive(spoken(), GRID).parts[0]
    writer.write([strong], channels.Line("a", GRID.first, GRID.last), "Mouthpiece")
    full = gaps(head, GRID.frames)
    assert half[:, 1].max() == pytest.approx(0.5 * full[:, 1].max(), rel=0.15)


def test_keys_that_follow_others_are_left_to_their_drivers(head):
    nameless(head)
    key = head.data.shape_keys
    for name, others in (("key 24", ("key 31", "key 32")), ("key 30", ("key 31",))):
        driver = key.key_blocks[name].driver_add("value").driver
        driver.type, driver.expression = "SCRIPTED", "*".join("ab"[: len(others)]) if len(others) > 1 else "a"
        for letter, other in zip("ab", others, strict=False):
            variable = driver.variables.new()
            variable.name, variable.type = letter, "SINGLE_PROP"
            variable.targets[0].id_type, variable.targets[0].id = "KEY", key
            variable.targets[0].data_path = f'key_blocks["{other}"].value'
    assert keyed_mesh.driven_keys(key) == {"key 24": ("key 31", "key 32"), "key 30": ()}
    names = target_for(head, 1.0, "SOLVED").drive(spoken(), GRID).parts[0].curves.names
    assert "key 24" not in names and "key 30" not in names and "key 31" in names


def test_keys_that_a_control_drives_are_solved_for_and_the_control_is_keyed(head):
    nameless(head)
    key = head.data.shape_keys
    plain = target_for(head, 1.0, "SOLVED").drive(spoken(), GRID).parts[0].curves
    rig = scenes.armature()
    rig["Jaw"] = 0.0
    rig.id_properties_ui("Jaw").update(min=0.0, max=50.0)
    name = max(plain.names, key=lambda name: plain[name].max())
    driver = key.key_blocks[name].driver_add("value").driver
    variable = driver.variables.new()
    variable.targets[0].id, variable.targets[0].data_path = rig, '["Jaw"]'
    driver.expression = f"{variable.name} / 50"
    target = target_for(head, 1.0, "SOLVED")
    own, control = target.drive(spoken(), GRID).parts
    assert name not in own.curves.names and control.owner == rig and rig in target.owners(head)
    np.testing.assert_allclose(control.curves.values[:, 0] / 50, plain[name], atol=5e-3)


def test_a_corrective_is_set_to_the_product_of_its_parts(head):
    nameless(head)
    block = head.shape_key_add(name="key 24_key 37", from_mix=False)
    block.value = 0.0
    block.data[0].co.z += 0.001
    curves = target_for(head, 1.0, "SOLVED").drive(spoken(), GRID).parts[0].curves
    np.testing.assert_allclose(curves["key 24_key 37"], curves["key 24"].astype(float) * curves["key 37"], atol=1e-6)


def test_relative_keys_and_vertex_groups_are_read_as_blender_plays_them(head):
    """What a key adds is measured on the evaluated mesh, with a key relative to another and a half-weight group."""
    truth = {v: k for k, v in nameless(head).items()}
    key = head.data.shape_keys
    jaw, smile = key.key_blocks[truth["jawOpen"]], key.key_blocks[truth["mouthSmileLeft"]]
    smile.relative_key = jaw
    head.vertex_groups.new(name="half").add(list(range(len(head.data.vertices))), 0.5, "REPLACE")
    key.key_blocks[truth["mouthPucker"]].vertex_group = "half"
    head.modifiers.clear()
    mesh = keyed_mesh.read(head)
    for name in (truth["jawOpen"], truth["mouthSmileLeft"], truth["mouthPucker"]):
        key.key_blocks[name].value = 0.7
        shown = head.evaluated_get(bpy.context.evaluated_depsgraph_get()).data
        places = np.zeros(3 * len(shown.vertices), np.float32)
        shown.vertices.foreach_get("co", places)
        added = places.reshape(-1, 3) - mesh.rest
        np.testing.assert_allclose(added, 0.7 * mesh.deltas[mesh.names.index(name)], atol=2e-6)
        key.key_blocks[name].value = 0.0


def test_muted_keys_take_no_part_and_are_named(head):
    nameless(head)
    head.data.shape_keys.key_blocks["key 24"].mute = True
    head.modifiers.new("Subdivision", "SUBSURF")
    head.modifiers.new("Decimate", "DECIMATE").ratio = 0.5  # pins and keys are the mesh's own, before modifiers
    driven = target_for(head, 1.0, "SOLVED").drive(spoken(), GRID)
    assert "key 24" not in driven.parts[0].curves.names
    assert any("Muted" in warning and "key 24" in warning for warning in driven.warnings)


def test_sliders_bound_the_weights_and_clamping_is_told(head):
    truth = {v: k for k, v in nameless(head).items()}
    for name in truth.values():
        head.data.shape_keys.key_blocks[name].slider_max = 0.05
    driven = target_for(head, 1.0, "SOLVED").drive(spoken(), GRID)
    assert driven.parts[0].curves.values.max() <= 0.05 + 1e-6
    assert driven.clamped and any("clamped" in warning for warning in driven.warnings)


def test_it_can_be_made_again_and_says_what_it_is(head):
    target = target_for(head, 0.8, "SOLVED")
    assert target == made_again(target.saved()) and target.kind == "SOLVED"
    assert re.match(r"68 of 68 landmarks pinned, 62 shape keys", target.summary())
    assert KINDS["SOLVED"].owners(head) == [head.data.shape_keys]
    nameless(head)
    assert target_for(head).kind == "SOLVED"  # names say nothing, but there are pins


def test_teeth_of_the_same_keys_play_along(head):
    nameless(head)
    teeth = scenes.face("Teeth", keys=("key 24", "key 25", "other"))
    teeth.data.shape_keys.key_blocks["key 25"].slider_max = 0.01
    with pytest.raises(RigError, match="not pinned yet"):
        target_for(teeth, 1.0, "SOLVED")
    head.mouthpiece.also.add().object = teeth
    target = target_for(teeth)
    assert target.kind == "SOLVED" and "Plays along with Mouthpiece Head: 2 shape keys" in target.summary()
    assert made_again(target.saved()) == target
    ours, (part,) = target_for(head).drive(spoken(), GRID).parts[0].curves, target.drive(spoken(), GRID).parts
    assert part.owner == teeth.data.shape_keys and set(part.curves.names) <= {"key 24", "key 25"}
    np.testing.assert_array_equal(part.curves["key 24"], ours["key 24"])
    assert part.curves.values[:, 1:].max(initial=0.0) <= 0.01 + 1e-6
    stranger = scenes.face("Lashes", keys=("wave",))
    head.mouthpiece.also.add().object = stranger
    with pytest.raises(RigError, match="no shape key with a name that 'Mouthpiece Head' has"):
        target_for(stranger, 1.0, "SOLVED")


def unpinned():
    obj = scenes.face(keys=("smirk",))
    return obj


def too_few():
    obj = scenes.face(keys=("smirk",))
    pins.set_pins(obj, {36: 0, 45: 1})
    return obj


def stacked():
    obj = scenes.face(keys=("smirk",))
    pins.set_pins(obj, dict.fromkeys(range(68), 1))
    return obj


def no_keys():
    obj = scenes.face(keys=())
    pins.set_pins(obj, dict.fromkeys(range(68), 1))
    return obj


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (unpinned, "not pinned yet"),
        (too_few, "not pinned yet: right corner of the mouth"),
        (stacked, "pinned to the same place"),
        (no_keys, "no shape keys"),
        (scenes.armature, "not a mesh"),
    ],
)
def test_meshes_that_cannot_be_solved_say_why(make, words):
    with pytest.raises(RigError, match=words):
        target_for(make(), 1.0, "SOLVED")


def test_keys_that_all_have_drivers_are_refused(head):
    for block in head.data.shape_keys.key_blocks[1:]:
        block.driver_add("value")
    with pytest.raises(RigError, match="muted or has a driver that cannot"):
        target_for(head, 1.0, "SOLVED")


def test_keys_that_move_no_pin_are_refused(head):
    for block in head.data.shape_keys.key_blocks[1:]:
        block.relative_key = block  # relative to itself: adds nothing
    with pytest.raises(RigError, match="None of the shape keys moves a pinned point"):
        target_for(head, 1.0, "SOLVED").drive(spoken(), GRID)


def test_a_take_without_a_face_is_refused(head):
    with pytest.raises(RigError, match="no face"):
        target_for(head, 1.0, "SOLVED").drive(scenes.performance(), GRID)


def test_a_performance_at_rest_leaves_the_face_at_rest(head):
    take = spoken()
    still = Performance(
        np.repeat(take.neutral[None], 50, axis=0), take.neutral, np.zeros((50, 52)), np.zeros((50, 6)),
        np.zeros((50, 2)), np.zeros((50, 2)), np.zeros(50), 25.0,
    )  # fmt: skip
    assert target_for(head, 1.0, "SOLVED").drive(still, GRID).parts[0].curves.values.max() < 1e-3
