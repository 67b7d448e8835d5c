"""Rigs nobody made for the tests: Rigify's two generations of faces, generated, and MakeHuman's face bones."""

from __future__ import annotations

import bpy
import numpy as np
import pytest
from mathutils import Vector
from mouthpiece.retarget.bones.controls import face_motion

from addon.keys import channels, writer
from addon.targets.bones.face_frame import frame_of
from addon.targets.bones.response import place_of
from addon.targets.bones.target import BonesTarget
from blender_tests import face_rigs
from blender_tests.face_rigs import GRID, opening, speech

FRAMES = range(1, 51, 4)

#: Bones of MakeHuman's default rig (CC0): head, tail, parent; the left side's are mirrored.
MAKEHUMAN = {
    "head": ((0.0, -0.044, 0.697), (0.0, -0.037, 0.845), None),
    "jaw": ((0.0, -0.056, 0.703), (0.0, -0.107, 0.626), "head"),
    "special01": ((0.0, 0.026, 0.696), (0.0, -0.149, 0.687), "head"),
    "special03": ((0.0, -0.056, 0.703), (0.0, -0.159, 0.704), "head"),
    "special04": ((0.0, -0.107, 0.626), (0.0, -0.132, 0.643), "jaw"),
    "oris02": ((0.0, -0.132, 0.643), (0.0, -0.143, 0.653), "special04"),
    "oris01": ((0.0, -0.143, 0.653), (0.0, -0.148, 0.667), "oris02"),
    "oris06": ((0.0, -0.149, 0.687), (0.0, -0.15, 0.682), "special01"),
    "oris05": ((0.0, -0.15, 0.682), (0.0, -0.153, 0.676), "oris06"),
    "special06.L": ((0.0, -0.037, 0.845), (0.019, -0.093, 0.83), "head"),
    "special05.L": ((0.019, -0.093, 0.83), (0.029, -0.118, 0.736), "special06.L"),
    "eye.L": ((0.029, -0.118, 0.736), (0.031, -0.156, 0.733), "special05.L"),
    "orbicularis03.L": ((0.029, -0.118, 0.736), (0.031, -0.154, 0.744), "special05.L"),
    "orbicularis04.L": ((0.029, -0.118, 0.736), (0.031, -0.153, 0.721), "special05.L"),
    "temporalis01.L": ((0.06, -0.104, 0.743), (0.052, -0.121, 0.742), "head"),
    "oculi02.L": ((0.052, -0.121, 0.742), (0.032, -0.139, 0.757), "temporalis01.L"),
    "oculi01.L": ((0.032, -0.139, 0.757), (0.015, -0.143, 0.758), "oculi02.L"),
    "oris04.L": ((0.0, -0.149, 0.687), (0.013, -0.147, 0.681), "special01"),
    "oris03.L": ((0.013, -0.147, 0.681), (0.016, -0.147, 0.675), "oris04.L"),
    "oris06.L": ((0.0, -0.132, 0.643), (0.012, -0.14, 0.648), "special04"),
    "oris07.L": ((0.012, -0.14, 0.648), (0.017, -0.143, 0.66), "oris06.L"),
    "temporalis02.L": ((0.062, -0.101, 0.72), (0.053, -0.119, 0.725), "head"),
    "risorius02.L": ((0.053, -0.119, 0.725), (0.048, -0.125, 0.697), "temporalis02.L"),
    "risorius03.L": ((0.048, -0.125, 0.697), (0.052, -0.109, 0.678), "risorius02.L"),
    "levator06.L": ((0.006, -0.158, 0.698), (0.017, -0.139, 0.702), "special03"),
}


@pytest.fixture(autouse=True)
def without_rigify():
    """Disable Rigify after the test, if it was enabled."""
    yield
    if "rigify" in bpy.context.preferences.addons:
        bpy.ops.preferences.addon_disable(module="rigify")


def rigify(modular):
    """Generate Rigify's human with the old face, or with the modular one."""
    import addon_utils  # which there is only once bpy is

    if "rigify" not in {module.__name__ for module in addon_utils.modules()}:
        pytest.skip("this Blender has no Rigify")
    bpy.ops.preferences.addon_enable(module="rigify")
    bpy.ops.object.armature_human_metarig_add()
    meta = bpy.context.object
    without_limbs(meta)
    if modular:
        bpy.ops.pose.rigify_upgrade_face()
    bpy.ops.pose.rigify_generate()
    return meta.data.rigify_target_rig


def without_limbs(meta):
    """Take everything off a human but its spine and head: no face needs limbs, and Rigify takes its time for each."""
    bpy.ops.object.mode_set(mode="EDIT")
    bones = meta.data.edit_bones
    for name in ("pelvis", "thigh", "shoulder", "breast"):
        for side in "LR":
            limb = bones[f"{name}.{side}"]
            for bone in [*limb.children_recursive, limb]:
                bones.remove(bone)
    bpy.ops.object.mode_set(mode="OBJECT")


def makehuman():
    """Make the face of MakeHuman's default rig."""
    bones = {}
    for name, (head, tail, parent) in MAKEHUMAN.items():
        bones[name] = (head, tail, 0.9, parent, False)
        if name.endswith(".L"):
            other = parent.replace(".L", ".R")
            ends = [Vector(end) * Vector((-1, 1, 1)) for end in (head, tail)]
            bones[name[:-1] + "R"] = (*ends, -0.9, other, False)
    return face_rigs.make(bones)


RIGS = {"old": lambda: rigify(False), "modular": lambda: rigify(True), "makehuman": makehuman}
PROFILES = {"old": "Rigify face", "modular": "Rigify modular face", "makehuman": "MakeHuman / MPFB"}


@pytest.mark.parametrize("kind", RIGS)
def test_a_rig_from_elsewhere_is_found_whole_and_follows(kind):
    # one bake for all, as Rigify takes its time
    rig, take = RIGS[kind](), speech()
    target = BonesTarget.of(rig)
    assert target.profile == PROFILES[kind] and target.missing == ()
    driven = target.drive(take, GRID)
    assert driven.warnings == []
    writer.write(list(driven.parts), channels.Line("a", 1, 50), "Mouthpiece")
    frame, motion = frame_of(rig, target.links, take.neutral), face_motion(take, GRID)
    np.testing.assert_allclose(frame.axes, face_rigs.TO_RIG)
    follows = [
        link
        for link in target.links
        if link.channel == "LOCATION" and not link.source.startswith(("lid", "eyes", "tongue"))
    ]
    assert len(follows) >= 10
    errors, gaps = {link.source: [] for link in follows}, []
    rest = {}
    for link in follows:
        bone = rig.data.bones[link.bone]
        rest[link.source] = np.array(bone.tail_local if link.point == "TAIL" else bone.head_local)
    for number in FRAMES:
        bpy.context.scene.frame_set(number)
        posed = rig.evaluated_get(bpy.context.evaluated_depsgraph_get()).pose.bones
        places = {}
        for link in follows:
            bone, end = place_of(link)
            places[link.source] = np.array(posed[bone].tail if end == "TAIL" else posed[bone].head)
            goal = rest[link.source] + frame.axes @ motion.moves[link.source][number - 1] * frame.eye_distance
            errors[link.source].append(np.linalg.norm(places[link.source] - goal) / frame.eye_distance)
        gaps.append((places["lip_upper"] - places["lip_lower"])[2])
    # a millimetre on a person's face, an eye distance being some 90
    assert {name: max(far) for name, far in errors.items() if max(far) > 0.011} == {}
    assert np.corrcoef(gaps, opening()[[n - 1 for n in FRAMES]])[0, 1] > 0.995
    check_eyes(kind, rig, target, take)


def check_eyes(kind, rig, target, take):
    """See that the eyes shut and look as the take says."""
    lids = [next(link for link in target.links if link.source == f"lid_{name}.L") for name in ("upper", "lower")]
    eye = "eye.L" if kind == "makehuman" else "MCH-eye.L"
    bones = [rig.data.bones[link.bone] for link in lids]
    pairs = list(zip(lids, bones, strict=True))
    rests = [bone.tail_local if link.point == "TAIL" else bone.head_local for link, bone in pairs]
    gaps, looks = [], []
    for number in FRAMES:
        bpy.context.scene.frame_set(number)
        posed = rig.evaluated_get(bpy.context.evaluated_depsgraph_get()).pose.bones
        ends = [posed[link.bone].tail if link.point == "TAIL" else posed[link.bone].head for link in lids]
        gaps.append((ends[0] - ends[1]).z / (rests[0] - rests[1]).z)
        looks.append(tuple((posed[eye].tail - posed[eye].head).normalized()))
    rows = [number - 1 for number in FRAMES]
    np.testing.assert_allclose(gaps, 1 - take.blink[rows, 0], atol=0.06)
    rest = (rig.data.bones[eye].tail_local - rig.data.bones[eye].head_local).normalized()
    np.testing.assert_allclose(np.array(looks)[:, 0] - rest.x, np.sin(take.gaze[rows, 0]), atol=0.05)
    np.testing.assert_allclose(np.array(looks)[:, 2] - rest.z, -np.sin(take.gaze[rows, 1]), atol=0.05)
