"""Face rigs that tests are made of: bones where a face has its controls, posed at rest as oddly as can be."""

from __future__ import annotations

import json
from pathlib import Path

import bpy
import mouthpiece
import numpy as np
from mathutils import Matrix, Vector
from mouthpiece.curves import FrameGrid, sample
from mouthpiece.performance import Performance
from mouthpiece.retarget.bones.controls import control_points, face_motion, hinge
from mouthpiece.topology import ARKIT_INDEX

FPS, COUNT = 25.0, 50
GRID = FrameGrid(FPS, 1.0, 1, COUNT)
#: Outer eye distance of the rigs in their own unit, and where their faces are.
SIZE, ORIGIN = 0.1, Vector((0.02, -0.05, 1.6))
TO_RIG = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
LIPS = ("lip_upper", "lip_lower", "lip_corner.L", "lip_corner.R")
SKIN = (*LIPS, "brow.L", "brow.R", "cheek.L", "cheek.R")
LIDS = ("lid_upper.L", "lid_upper.R", "lid_lower.L", "lid_lower.R")


def neutral():
    """Return the resting face of real takes (68, 3)."""
    file = Path(mouthpiece.__file__).parent / "assets" / "content.onnx.json"
    return np.array(json.loads(file.read_text())["neutral"], np.float32).reshape(68, 3)


def speech(count=COUNT):
    """Return a take that opens, rounds, smiles, frowns, blinks and looks about, each in a rhythm of its own."""
    face, time = neutral(), np.arange(count) / FPS
    landmarks = np.repeat(face[None].astype(np.float64), count, axis=0)
    opening = 0.5 - 0.5 * np.cos(2 * np.pi * 2.1 * time)
    down = np.zeros((68, 3))
    down[[56, 57, 58, 65, 66, 67]] = (0, 0.25, 0.06)
    down[[6, 7, 8, 9, 10]] = (0, 0.12, 0.1)
    down[[48, 54, 60, 64]] = (0, 0.08, 0.03)
    landmarks += opening[:, None, None] * down
    smile = 0.5 - 0.5 * np.cos(2 * np.pi * 0.9 * time)
    up = np.zeros((68, 3))
    up[[54, 64]], up[[48, 60]] = (0.09, -0.08, 0.05), (-0.07, -0.09, 0.05)
    up[[50, 51, 52, 61, 62, 63]] = (0, -0.05, -0.02)
    landmarks += smile[:, None, None] * up
    brows = np.sin(2 * np.pi * 0.7 * time)
    landmarks[:, 17:22, 1] -= 0.07 * brows[:, None]
    landmarks[:, 22:27] += brows[:, None, None] * np.array([0.02, 0.06, 0.01])
    shut = np.clip(1.6 * np.sin(2 * np.pi * 1.3 * time) - 0.6, 0, 1)
    for upper, lower in ((37, 41), (38, 40), (43, 47), (44, 46)):
        gap = (face[lower, 1] - face[upper, 1]) * shut
        landmarks[:, upper, 1] += 0.85 * gap
        landmarks[:, lower, 1] -= 0.15 * gap
    arkit = np.zeros((count, 52), np.float32)
    arkit[:, ARKIT_INDEX["jawOpen"]] = 0.6 * opening
    arkit[:, [ARKIT_INDEX["mouthSmileLeft"], ARKIT_INDEX["cheekPuff"]]] = 0.7 * smile[:, None]
    gaze = np.stack([0.3 * np.sin(2 * np.pi * 0.6 * time), 0.2 * np.cos(2 * np.pi * 0.5 * time)], axis=1)
    blink = np.stack([shut, shut], axis=1)
    return Performance(landmarks, face, arkit, np.zeros((count, 6)), gaze, blink, np.ones(count), FPS)


def at(name, size=SIZE, origin=ORIGIN):
    """Return where a rig of that size has a control."""
    points = control_points(neutral()) | {"jaw": hinge(neutral())}
    return origin + Vector((TO_RIG @ points[name] * size).tolist())


def make(bones, name="Rig", matrix=None, modes=()):
    """Make an armature of ``bones``: name to head, tail, roll, parent or None, and whether it is connected."""
    rig = bpy.data.objects.new(name, bpy.data.armatures.new(name))
    bpy.context.scene.collection.objects.link(rig)
    bpy.context.view_layer.objects.active = rig
    bpy.ops.object.mode_set(mode="EDIT")
    for bone, (head, tail, roll, parent, connected) in bones.items():
        made = rig.data.edit_bones.new(bone)
        made.head, made.tail, made.roll = head, tail, roll
        made.parent = rig.data.edit_bones[parent] if parent else None
        made.use_connect = connected
    bpy.ops.object.mode_set(mode="OBJECT")
    if matrix is not None:
        rig.matrix_world = matrix
    for number, bone in enumerate(rig.pose.bones):
        if modes:
            bone.rotation_mode = modes[number % len(modes)]
    bpy.context.view_layer.update()
    return rig


def face(seed=0, lips_on="jaw", modes=("QUATERNION",), matrix=None, names=(*SKIN, *LIDS)):
    """Make a face of a head, jaw, eyes and a bone for each of ``names``, with rests and rolls drawn from ``seed``.

    The lower lip hangs on the jaw, the corners too; or, with ``lips_on="head"``, all on the head.
    """
    rng = np.random.default_rng(seed)
    bones = {"head": (ORIGIN + Vector((0, 0.05, -0.1)), ORIGIN + Vector((0, 0.05, 0.2)), 0.3 * seed, None, False)}
    bones["jaw"] = (at("jaw"), at("chin"), float(rng.uniform(-3, 3)) if seed else 0.0, "head", False)
    for side in "LR":
        eye = at(f"eye.{side}")
        roll = float(rng.uniform(-3, 3)) if seed else 0.0
        bones[f"eye.{side}"] = (eye, eye + Vector((0, -0.02, 0)), roll, "head", False)
    for name in names:
        low = name.startswith(("lip_lower", "lip_corner"))
        away = Vector(rng.normal(size=3).tolist()).normalized() * 0.02 if seed else Vector((0, -0.02, 0))
        roll = float(rng.uniform(-3, 3)) if seed else 0.0
        bones[name] = (at(name), at(name) + away, roll, lips_on if low else "head", False)
    return make(bones, matrix=matrix, modes=modes)


def skin(rig, names):
    """Make a mesh with one vertex on the head of each bone, carried by it alone."""
    mesh = bpy.data.meshes.new("Skin")
    heads = [rig.data.bones[name].head_local for name in names]
    mesh.from_pydata([tuple(head) for head in heads], [], [])
    obj = bpy.data.objects.new("Skin", mesh)
    bpy.context.scene.collection.objects.link(obj)
    obj.matrix_world = rig.matrix_world
    for index, name in enumerate(names):
        obj.vertex_groups.new(name=name).add([index], 1.0, "REPLACE")
    obj.modifiers.new("Armature", "ARMATURE").object = rig
    return obj


def vertices(obj):
    """Return where a mesh's vertices are now, in its own space (V, 3)."""
    posed = obj.evaluated_get(bpy.context.evaluated_depsgraph_get())
    return np.array([tuple(vertex.co) for vertex in posed.data.vertices])


def wanted(name, take=None, size=SIZE, grid=GRID):
    """Return where a control is to be on every frame (F, 3), in the rig's space."""
    move = face_motion(take or speech(), grid).moves[name]
    return np.array(at(name, size)) + move @ TO_RIG.T * size


def opening(take=None, grid=GRID):
    """Return how far the inner lips part on every frame, in eye distances."""
    take = take or speech()
    gap = take.landmarks[:, 66, 1] - take.landmarks[:, 62, 1]
    return sample(gap, take.fps, grid.times)


#: An armature object that is moved, turned and scaled.
ASKEW = Matrix.LocRotScale(Vector((1, -2, 0.5)), Matrix.Rotation(1.1, 3, (0.3, 1, 0.5)), Vector((2.5, 2.5, 2.5)))
