"""A tongue in Blender: the demo head's, those of armatures, shapes made for one that has none, and its layer."""

from __future__ import annotations

import bpy
import numpy as np
import pytest
from mathutils import Vector
from mouthpiece.curves import FrameGrid
from mouthpiece.motion import tongue
from mouthpiece.motion.dials import Dials, dialled
from mouthpiece.motion.shapes import landmark_shapes
from mouthpiece.performance import Performance
from mouthpiece.phones.speech import Segment, Speech
from mouthpiece.retarget.made_shapes.tongue import NAMES
from mouthpiece.topology import ARKIT_INDEX

from addon import demo, targets
from addon.bake.bake import Bake, Heard
from addon.characters import company, tongue_shapes
from addon.keys import channels, nla, writer
from addon.sound.recordings import Placement, Recording
from addon.targets.bones.target import BonesTarget
from blender_tests import face_rigs, scenes
from blender_tests.test_bones_rigify import MAKEHUMAN, rigify
from blender_tests.test_targets_solved import demo_pins

#: What lines do, without what is between them (see conftest).
LINES_ALONE = True

FPS = 25.0
PHONES = ("ɑ", "t", "ɑ", "k", "ɑ", "θ", "ɑ")
EACH = 0.2
SPEECH = Speech(phones=tuple(Segment(p, 0.4 + k * EACH, 0.4 + (k + 1) * EACH, 1.0) for k, p in enumerate(PHONES)))
COUNT = 55
GRID = FrameGrid(FPS, 1.0, 1, COUNT)


def frame_at(phone):
    """Return the scene's frame in the middle of the first phone of that name."""
    segment = next(one for one in SPEECH.phones if one.label == phone)
    return 1 + round((segment.start + segment.stop) / 2 * FPS)


def take(amount=1.0):
    """Return a take that says ah ta ka tha with the mouth a little open."""
    face, column = face_rigs.neutral(), ARKIT_INDEX["jawOpen"]
    arkit = np.zeros((COUNT, 52), np.float32)
    arkit[:, column] = 0.3
    made = Performance(
        face + 0.3 * landmark_shapes()[None, column].repeat(COUNT, axis=0), face, arkit, np.zeros((COUNT, 6)),
        np.zeros((COUNT, 2)), np.zeros((COUNT, 2)), np.ones(COUNT), FPS, speech=SPEECH,
        tongue=tongue.curves(SPEECH, np.arange(COUNT) / FPS),
    )  # fmt: skip
    return dialled(made, Dials(tongue=amount)).final()


def play(target, amount=1.0):
    """Write what a target plays."""
    driven = target.drive(take(amount), GRID)
    writer.write(list(driven.parts), channels.Line("a", 1, COUNT), "Mouthpiece", True)
    return driven


def tip(obj, phone):
    """Return where the tip of a mesh's tongue is at a phone (3,): its foremost point at rest."""
    chosen = np.flatnonzero(tongue_shapes.tongue_of(obj))
    front = min(chosen, key=lambda index: obj.data.vertices[int(index)].co.y)
    bpy.context.scene.frame_set(frame_at(phone))
    seen = obj.evaluated_get(bpy.context.evaluated_depsgraph_get())
    return np.array(seen.data.vertices[int(front)].co)


def test_the_demo_heads_tongue_rises_at_t_backs_at_k_and_comes_out_at_th():
    obj, _ = demo.build(bpy.context)
    target = targets.target_for(obj)
    play(target, 0.0)
    still = {phone: tip(obj, phone) for phone in "tkθ"}
    play(target)
    moved = {phone: tip(obj, phone) - still[phone] for phone in "tkθ"}
    size = float(obj.dimensions[2])
    assert moved["t"][2] > 0.02 * size  # z is up, and the head looks along -y
    assert abs(moved["k"][2]) < 0.01 * size and moved["k"][1] > 0.003
    assert moved["θ"][1] < -0.05 * size and moved["θ"][2] > 0


def test_the_demo_head_can_do_without_its_shapes():
    obj, _ = demo.build(bpy.context)
    for name in NAMES:
        if name not in ARKIT_INDEX:
            obj.shape_key_remove(obj.data.shape_keys.key_blocks[name])
    assert targets.target_for(obj).coverage().has("tongue")
    assert tongue_shapes.make(obj) == tuple(name for name in NAMES if name not in ARKIT_INDEX)
    with pytest.raises(tongue_shapes.RigError, match="has all shapes of a tongue"):
        tongue_shapes.make(obj)


def test_the_tongue_has_a_layer_of_its_own():
    obj, _ = demo.build(bpy.context)
    recording = Recording("line", "line", "", Placement(FPS, 1.0))
    asked = Bake(recording, (targets.target_for(obj),), layered=True)
    asked.write(Heard(take(), GRID))
    key = obj.data.shape_keys
    paths = {curve.data_path for curve in nla.fcurves_of(key, "tongue")}
    assert scenes.shape_path("tongueTipUp") in paths and scenes.shape_path("tongueOut") in paths
    assert not paths & {curve.data_path for curve in nla.fcurves_of(key, "lips")}
    high = tip(obj, "t")
    bpy.context.scene.frame_set(1)  # at rest: what a muted layer drove stays as it is
    nla.track_of(key, nla.strip_of(key, "tongue")).mute = True
    assert tip(obj, "t")[2] < high[2] - 0.003


def test_shapes_of_any_names_are_solved_and_the_tongue_goes_by_its_own():
    obj, _ = demo.build(bpy.context)
    from addon.targets.pins import pins

    pins.set_pins(obj, demo_pins())
    for number, block in enumerate(obj.data.shape_keys.key_blocks[1:]):
        if not block.name.startswith("tongue"):
            block.name = f"key {number}"
    driven = targets.target_for(obj, 1.0, "SOLVED").drive(take(), GRID)
    curves = driven.parts[0].curves
    assert curves["tongueTipUp"][frame_at("t") - 1] > 0.7 > 0.1 > curves["tongueTipUp"][frame_at("k") - 1]
    layers = {channel.name: channel.layer for channel in driven.parts[0].channels}
    assert layers["tongueTipUp"] == layers["tongueOut"] == "tongue"
    assert targets.target_for(obj, 1.0, "SOLVED").coverage().has("tongue")


# --- bones


def head_of(rig, bone, phone, end="head"):
    """Return where an end of a bone is at a phone, in the armature's space."""
    bpy.context.scene.frame_set(frame_at(phone))
    return np.array(getattr(rig.evaluated_get(bpy.context.evaluated_depsgraph_get()).pose.bones[bone], end))


@pytest.mark.parametrize("modular", [False, True])
def test_rigifys_tongue_rises_and_comes_out(modular):
    rig = rigify(modular)
    try:
        target = BonesTarget.of(rig)
        sources = {link.source: link.bone for link in target.links}
        bone = "tweak_tongue" if modular else "tongue"
        assert sources["tongue_tip"] == bone and target.missing == ()
        still = {}
        for amount in (0.0, 1.0):
            driven = play(target, amount)
            now = {phone: head_of(rig, bone, phone) for phone in "tkθ"}
            back = head_of(rig, f"{bone}.002", "k")
            if amount == 0:
                still, low = now, back
        size = 0.09 * np.linalg.norm(rig.data.bones["eye.L" if "eye.L" in rig.data.bones else "ORG-eye.L"].head_local)
        moved = {phone: now[phone] - still[phone] for phone in "tkθ"}
        assert moved["t"][2] > 0.05 * size and moved["θ"][1] < -0.05 * size, moved
        assert (back - low)[2] > 0
        assert any(c.layer == "tongue" for part in driven.parts for c in part.channels)
        assert target.coverage().has("tongue")
    finally:
        bpy.ops.preferences.addon_disable(module="rigify")


def test_makehumans_chain_of_bones_lifts_its_tip():
    bones = {}
    for name, (head, tail, parent) in MAKEHUMAN.items():
        bones[name] = (head, tail, 0.9, parent, False)
        if name.endswith(".L"):
            ends = [Vector(end) * Vector((-1, 1, 1)) for end in (head, tail)]
            bones[name[:-1] + "R"] = (*ends, -0.9, parent.replace(".L", ".R"), False)
    for number in range(5):
        ends = [(0.0, -0.07 - 0.012 * step, 0.66) for step in (number, number + 1)]
        bones[f"tongue{number:02d}"] = (*ends, 0.0, f"tongue{number - 1:02d}" if number else "jaw", number > 0)
    rig = face_rigs.make(bones)
    target = BonesTarget.of(rig)
    assert target.profile == "MakeHuman / MPFB"
    ends = {}
    for amount in (0.0, 1.0):
        driven = play(target, amount)
        assert driven.warnings == []
        ends[amount] = {phone: head_of(rig, "tongue04", phone, "tail") for phone in "tkθ"}
        ends[amount]["body"] = head_of(rig, "tongue01", "k", "tail")
    assert ends[1.0]["t"][2] - ends[0.0]["t"][2] > 0.006
    assert ends[1.0]["θ"][1] - ends[0.0]["θ"][1] < -0.005
    assert ends[1.0]["body"][2] - ends[0.0]["body"][2] > 0.003


# --- shapes for a tongue that has none


def mouth():
    """Return a face, whose jaw turns down, and a tongue of its own in its mouth, without keys."""
    obj, _ = demo.build(bpy.context)
    chosen = tongue_shapes.tongue_of(obj)
    index = {int(old): new for new, old in enumerate(np.flatnonzero(chosen))}
    mesh = bpy.data.meshes.new("Tongue")
    faces = [[index[v] for v in p.vertices] for p in obj.data.polygons if all(v in index for v in p.vertices)]
    mesh.from_pydata([obj.data.vertices[old].co for old in index], [], faces)
    own = bpy.data.objects.new("Tongue", mesh)
    bpy.context.scene.collection.objects.link(own)
    own.parent = obj.parent
    own.modifiers.new("Armature", "ARMATURE").object = obj.parent
    for name in NAMES:
        obj.shape_key_remove(obj.data.shape_keys.key_blocks[name])
    return obj, own


def test_a_tongue_of_its_own_gets_shapes_goes_with_the_jaw_and_plays_along():
    face, own = mouth()
    bpy.context.view_layer.objects.active = own
    assert bpy.ops.mouthpiece.make_tongue_shapes() == {"FINISHED"}
    names = [block.name for block in own.data.shape_keys.key_blocks[1:]]
    assert set(names) == {*NAMES, "jawOpen"} and all(block.value == 0 for block in own.data.shape_keys.key_blocks[1:])
    target = company.target_of(face, own, 1.0)
    assert company.of(face) == [own] and target.coverage().has("tongue")
    bpy.context.scene.frame_set(1)
    rest = tip(own, "t")
    play(target, 0.0)
    hanging = tip(own, "t")
    assert hanging[2] < rest[2] - 0.001  # down with the jaw
    play(target)
    assert tip(own, "t")[2] > hanging[2] + 0.003


def test_what_has_no_tongue_is_told():
    cube = scenes.face("Cube", keys=("jawOpen",))
    bpy.context.view_layer.objects.active = cube
    with pytest.raises(RuntimeError, match="Nothing of 'Cube' is called a tongue"):
        bpy.ops.mouthpiece.make_tongue_shapes()
    assert len(cube.data.shape_keys.key_blocks) == 2
    flat = bpy.data.objects.new("Tongue", bpy.data.meshes.new("Tongue"))
    bpy.context.scene.collection.objects.link(flat)
    with pytest.raises(tongue_shapes.RigError, match="without length"):
        tongue_shapes.make(flat)
    assert tongue_shapes.refusal(None) and tongue_shapes.refusal(scenes.armature())


def test_a_head_that_looks_elsewhere_is_told_so():
    _, own = mouth()
    own.parent = None
    own.rotation_euler = (0, 0, np.pi / 2)  # what looked along -y looks along +x
    bpy.context.view_layer.update()
    tongue_shapes.make(own, "RIGHT")
    blocks = own.data.shape_keys.key_blocks
    front = min(range(len(own.data.vertices)), key=lambda index: own.data.vertices[index].co.y)
    assert blocks["tongueStretch"].data[front].co.y < blocks["Basis"].data[front].co.y - 0.005
    assert blocks["tongueTipUp"].data[front].co.z > blocks["Basis"].data[front].co.z + 0.005
