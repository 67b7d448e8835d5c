"""Bones: a cartoon head on a jaw, lips, brows and lids.

Everything is made here: a head whose rings spread from the mouth, a mouth with teeth and tongue inside, eyes with lids
that turn about them, and the rig. Its bones have plain names and are found by them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import pi
from typing import Any

import bpy
import numpy as np
from mathutils import Vector
from numpy.typing import NDArray

from . import camera, head_bone, studio

PANELS = ("MOUTHPIECE_PT_bones",)

Floats = NDArray[np.float64]

SKIN, LIP, MOUTH, WHITE = (0.86, 0.55, 0.36, 1), (0.66, 0.24, 0.22, 1), (0.16, 0.03, 0.04, 1), (0.95, 0.95, 0.92, 1)
IRIS, PUPIL, HAIR, TONGUE = (0.1, 0.42, 0.5, 1), (0.02, 0.02, 0.03, 1), (0.2, 0.1, 0.06, 1), (0.75, 0.3, 0.32, 1)
SHIRT, LID, NOSE = (0.16, 0.3, 0.5, 1), (0.78, 0.47, 0.3, 1), (0.82, 0.46, 0.32, 1)
#: Radii of the head, and how far below the horizon its mouth lies, radians.
HEAD, LOW = np.array([1.0, 0.95, 1.12]), 0.52
#: Half width, half height and height over the skin of each ring around the mouth, from the line of the lips outwards.
RINGS = (
    (0.34, 0.004, -0.03), (0.355, 0.03, 0.03), (0.375, 0.07, 0.055), (0.4, 0.11, 0.03), (0.44, 0.16, 0.0),
    (0.52, 0.26, 0.0), (0.62, 0.4, 0.0), (0.76, 0.58, 0.0), (0.94, 0.8, 0.0), (1.15, 1.05, 0.0), (1.4, 1.35, 0.0),
    (1.7, 1.7, 0.0), (2.05, 2.05, 0.0), (2.4, 2.4, 0.0), (2.75, 2.75, 0.0), (3.0, 3.0, 0.0), (3.12, 3.12, 0.0),
)  # fmt: skip
#: Of the mouth's inside: half width, half height, depth.
INSIDE = ((0.33, 0.02, 0.06), (0.32, 0.07, 0.14), (0.3, 0.14, 0.3), (0.22, 0.12, 0.5), (0.05, 0.03, 0.6))
#: How much the lips' bones count on each ring; jaw and head share the rest.
LIPS_COUNT = (1.0, 1.0, 1.0, 1.0, 0.85, 0.55, 0.25, 0.08)
AROUND = 48
LIP_BONES = (
    "lip_corner.L", "lip_upper.L", "lip_upper", "lip_upper.R",
    "lip_corner.R", "lip_lower.R", "lip_lower", "lip_lower.L",
)  # fmt: skip
BACKWARDS = np.array([0.0, 1.0, 0.0])
EYE, EYE_RADIUS = np.array([0.36, -0.72, 0.3]), 0.27


def build() -> str:
    """Make the head, its rig and a camera; return the armature's name."""
    rig = _rig()
    _face(rig)
    _mouth_parts(rig)
    for side, sign in (("L", 1.0), ("R", -1.0)):
        _eye(rig, side, sign)
        _brow(rig, side, sign)
    _trimmings(rig)
    head_bone(rig, rig)
    studio()
    camera((0.0, 0.0, -0.08), 3.1, side=0.22, above=0.04)
    bpy.context.view_layer.objects.active = rig
    rig.data.display_type = "STICK"
    bpy.ops.mouthpiece.detect_bones()
    return rig.name


def _on_head(across: Any, up: Any, over: Any = 0.0) -> Floats:
    """Return points (..., 3) on the head, that far across and up from the mouth along the skin, and over it."""
    across, up = np.broadcast_arrays(np.asarray(across, float), np.asarray(up, float))
    angle, turn = np.hypot(across, up), np.arctan2(up, across)
    front = np.array([0.0, -np.cos(LOW), -np.sin(LOW)])
    above = np.array([0.0, -np.sin(LOW), np.cos(LOW)])
    away = np.cos(turn)[..., None] * np.array([1.0, 0, 0]) + np.sin(turn)[..., None] * above
    direction = np.cos(angle)[..., None] * front + np.sin(angle)[..., None] * away
    points: Floats = direction * (HEAD + np.asarray(over)[..., None])
    return points


def _ring(half_width: float, half_height: float) -> tuple[Floats, Floats]:
    """Return how far across and up the points of a ring lie; lips curve up to their corners a little."""
    around = np.arange(AROUND) / AROUND * 2 * pi
    across, up = half_width * np.cos(around), half_height * np.sin(around)
    curve = 0.05 * np.exp(-((half_height / 0.3) ** 2))
    return across, up + curve * ((across / 0.34) ** 2 - 0.4)


def _face(rig: Any) -> None:
    """Make head, lips and the inside of the mouth: one surface of rings."""
    rings = [_on_head(*_ring(width, height), over) for width, height, over in RINGS]
    first = []
    for width, height, depth in INSIDE:
        first.append(_on_head(*_ring(width, height), -0.04) + depth * BACKWARDS)
    rings = first[::-1] + rings
    points = np.concatenate(rings)
    faces, looks = _strips(len(rings)), []
    for ring in range(len(rings) - 1):
        inside, lip = ring < len(INSIDE), ring < len(INSIDE) + 3
        looks += [2 if inside else 1 if lip else 0] * AROUND
    obj = _mesh("Face", points, faces, (SKIN, LIP, MOUTH), looks)
    _bind(obj, rig, _face_weights(points, len(rings)))
    smooth = obj.modifiers.new("Subdivision", "SUBSURF")
    smooth.levels = smooth.render_levels = 1


def _strips(count: int) -> list[tuple[int, ...]]:
    """Return the quads between rings, their outsides outwards."""
    found: list[tuple[int, ...]] = []
    for ring in range(count - 1):
        for index in range(AROUND):
            after = (index + 1) % AROUND
            low, high = ring * AROUND, (ring + 1) * AROUND
            found.append((low + index, low + after, high + after, high + index))
    return found


def _face_weights(points: Floats, count: int) -> dict[str, Floats]:
    """Return how much each bone carries each point: lips by ring and direction, then jaw below and head above."""
    around = np.tile(np.arange(AROUND) / AROUND * 2 * pi, count)
    ring = np.repeat(np.arange(count) - len(INSIDE), AROUND)
    lips = np.array([LIPS_COUNT[k] if 0 <= k < len(LIPS_COUNT) else 0.0 for k in ring])
    lips[ring == -1] = 0.9
    lips[ring == -2] = 0.5
    weights = {}
    for number, name in enumerate(LIP_BONES):
        apart = np.abs((around - number * pi / 4 + pi) % (2 * pi) - pi) / (pi / 4)
        weights[name] = lips * np.where(apart < 1, np.cos(apart * pi / 2) ** 2, 0.0)
    low = np.clip(-np.sin(around) * 1.6 + 0.2, 0, 1)
    near = np.clip((0.75 - points[:, 1]) / 1.1, 0, 1) * np.clip((0.1 - points[:, 2]) / 0.45, 0, 1)
    jaw = (1 - lips) * low * np.where(ring < 0, 1.0, near)
    return weights | {"jaw": jaw, "head": 1 - lips - jaw}


def _mouth_parts(rig: Any) -> None:
    """Make two rows of teeth and a tongue."""
    for bone, up, sign in (("head", 0.0, 1.0), ("jaw", -0.13, -1.0)):
        arc = np.linspace(-0.24, 0.24, 13)
        rows = [_on_head(arc, up + sign * lift, -0.03) + 0.1 * BACKWARDS + push for lift, push in _tooth(arc)]
        count = len(arc)
        faces = [
            (row * count + k, row * count + k + 1, (row + 1) * count + k + 1, (row + 1) * count + k)
            for row in range(len(rows) - 1)
            for k in range(count - 1)
        ]
        obj = _mesh(f"Teeth {bone}", np.concatenate(rows), faces, (WHITE,), [0] * len(faces))
        _bind(obj, rig, {bone: np.ones(len(obj.data.vertices))})
    tongue = _ball("Tongue", _on_head(0.0, -0.13) + 0.34 * BACKWARDS, (0.2, 0.24, 0.05), TONGUE)
    _bind(tongue, rig, {"jaw": np.ones(len(tongue.data.vertices))})


def _tooth(arc: Floats) -> list[tuple[Floats, Floats]]:
    """Return the edge, front and root of a row: how far up from the edge, and how far back, deeper to the sides."""
    back = np.outer((arc / 0.24) ** 2 * 0.1, (0.0, 1.0, 0.0))
    return [(0 * arc - 0.05, back), (0 * arc, back), (0 * arc + 0.07, back)]


def _eye(rig: Any, side: str, sign: float) -> None:
    """Make an eye, looking ahead, and its lids: shells that turn about it."""
    centre = EYE * (sign, 1, 1)
    ball = _ball(f"Eye {side}", centre, (EYE_RADIUS,) * 3, WHITE)
    for name, colour, out, size in (("Iris", IRIS, 0.012, 0.5), ("Pupil", PUPIL, 0.018, 0.25)):
        cap = _cap(f"{name} {side}", centre, EYE_RADIUS + out, size, colour)
        _bind(cap, rig, {f"eye.{side}": np.ones(len(cap.data.vertices))})
    _bind(ball, rig, {f"eye.{side}": np.ones(len(ball.data.vertices))})
    for name, rim, arch in (("lid_upper", 0.72, 1.0), ("lid_lower", -0.62, -1.0)):
        lid = _lid(f"{name} {side}", centre, EYE_RADIUS * 1.09, rim, arch)
        _bind(lid, rig, {f"{name}.{side}": np.ones(len(lid.data.vertices))})


def _lid(name: str, centre: Floats, radius: float, rim: float, arch: float) -> Any:
    """Return a shell from its rim, ``rim`` radians above the eye's middle, over the top (or bottom) to the back."""
    turns, sides = np.linspace(0, 1.9, 14), np.linspace(-pi / 2, pi / 2, 25)
    lift, side = np.meshgrid(rim + arch * turns, sides, indexing="ij")
    points = np.stack([np.sin(side), -np.cos(side) * np.cos(lift), np.cos(side) * np.sin(lift)], axis=-1)
    count = len(sides)
    faces = [
        (r * count + k, r * count + k + 1, (r + 1) * count + k + 1, (r + 1) * count + k)
        for r in range(len(turns) - 1)
        for k in range(count - 1)
    ]
    obj = _mesh(name, centre + radius * points.reshape(-1, 3), faces, (LID,), [0] * len(faces))
    thick = obj.modifiers.new("Thickness", "SOLIDIFY")
    thick.thickness, thick.offset = 0.03, 0.0
    return obj


def _brow(rig: Any, side: str, sign: float) -> None:
    """Make a brow carried by three bones."""
    along, around = np.linspace(0, 1, 13), np.arange(10) / 10 * 2 * pi
    middle = np.array([_brow_at(share, sign) for share in along])
    thick = 0.055 * np.sqrt(np.clip(1 - (2 * along - 1) ** 6, 0.02, 1))
    out = np.stack([0 * around, -0.6 * np.cos(around), np.sin(around)], axis=-1)
    points = (middle[:, None] + thick[:, None, None] * out).reshape(-1, 3)
    count = len(around)
    faces = [
        (r * count + k, r * count + (k + 1) % count, (r + 1) * count + (k + 1) % count, (r + 1) * count + k)
        for r in range(len(along) - 1)
        for k in range(count)
    ]
    obj = _mesh(f"Brow {side}", points, faces, (HAIR,), [0] * len(faces))
    share = np.repeat(along, count)
    _bind(obj, rig, {
        f"brow_inner.{side}": np.clip(1 - 2 * share, 0, 1),
        f"brow_mid.{side}": 1 - np.abs(2 * share - 1),
        f"brow_outer.{side}": np.clip(2 * share - 1, 0, 1),
    })  # fmt: skip


def _brow_at(share: float, sign: float) -> Floats:
    """Return where a brow is, from its inner end (0) to its outer one (1)."""
    across = 0.14 + 0.46 * share
    height = 0.72 + 0.1 * np.sin(share * pi * 0.85)
    deep = -0.98 * np.sqrt(max(0.05, 1 - across**2 - (height / 1.3) ** 2)) - 0.12
    return np.array([sign * across, deep, height])


def _trimmings(rig: Any) -> None:
    """Make nose, ears, hair, neck and shoulders, all of which only the head moves."""
    parts = [
        _ball("Nose", np.array([0.0, -1.02, -0.02]), (0.15, 0.16, 0.13), NOSE),
        _ball("Ear L", np.array([1.0, 0.1, 0.02]), (0.12, 0.16, 0.24), SKIN),
        _ball("Ear R", np.array([-1.0, 0.1, 0.02]), (0.12, 0.16, 0.24), SKIN),
        _ball("Hair", np.array([0.0, 0.3, 0.5]), (1.02, 0.96, 0.78), HAIR),
        _ball("Tuft", np.array([0.1, -0.05, 1.2]), (0.42, 0.32, 0.2), HAIR),
    ]
    for part in parts:
        _bind(part, rig, {"head": np.ones(len(part.data.vertices))})
    neck = _ball("Neck", np.array([0.0, 0.15, -1.25]), (0.36, 0.36, 0.55), SKIN)
    chest = _ball("Shirt", np.array([0.0, 0.2, -1.95]), (1.15, 0.6, 0.62), SHIRT)
    for part in (neck, chest):
        _bind(part, rig, {"chest": np.ones(len(part.data.vertices))})


def _rig() -> Any:
    """Return the armature: head, jaw, lips, brows, lids and eyes."""
    rig = bpy.data.objects.new("Cartoon Rig", bpy.data.armatures.new("Cartoon Rig"))
    bpy.context.scene.collection.objects.link(rig)
    bpy.context.view_layer.objects.active = rig
    bpy.ops.object.mode_set(mode="EDIT")
    forward = Vector((0, -0.12, 0))
    bones: dict[str, tuple[Any, Any, str]] = {
        "chest": ((0, 0.2, -2.0), (0, 0.2, -1.2), ""),
        "head": ((0, 0.2, -1.0), (0, 0.2, 1.1), "chest"),
        "jaw": ((0, 0.25, -0.3), _on_head(0.0, -0.5), "head"),
    }
    for number, name in enumerate(LIP_BONES):
        across, up = _ring(*RINGS[1][:2])
        place = Vector(_on_head(across, up, 0.04)[number * AROUND // 8].tolist())
        bones[name] = (place, place + forward, "jaw" if "lower" in name else "head")
    for side, sign in (("L", 1.0), ("R", -1.0)):
        centre = Vector((EYE * (sign, 1, 1)).tolist())
        bones[f"eye.{side}"] = (centre, centre + Vector((0, -EYE_RADIUS, 0)), "head")
        for name, rim in (("lid_upper", 0.72), ("lid_lower", -0.62)):
            edge = centre + EYE_RADIUS * 1.09 * Vector((0, -np.cos(rim), np.sin(rim)))
            bones[f"{name}.{side}"] = (centre, edge, "head")
        for name, share in (("brow_inner", 0.0), ("brow_mid", 0.5), ("brow_outer", 1.0)):
            place = Vector(_brow_at(share, sign).tolist())
            bones[f"{name}.{side}"] = (place, place + forward, "head")
    for name, (head, tail, parent) in bones.items():
        made = rig.data.edit_bones.new(name)
        made.head, made.tail = head, tail
        made.parent = rig.data.edit_bones[parent] if parent else None
    bpy.ops.object.mode_set(mode="OBJECT")
    return rig


def _ball(name: str, centre: Floats, radii: Sequence[float], colour: Sequence[float]) -> Any:
    """Return an ellipsoid."""
    return _cap(name, centre, 1.0, pi, colour, radii)


def _cap(
    name: str, centre: Floats, radius: float, size: float, colour: Sequence[float], radii: Sequence[float] = (1, 1, 1)
) -> Any:
    """Return the part of a sphere within ``size`` radians of its foremost point."""
    away, around = np.linspace(1e-3, size - 1e-3, 17), np.arange(32) / 32 * 2 * pi
    angle, turn = np.meshgrid(away, around, indexing="ij")
    points = np.stack([np.sin(angle) * np.cos(turn), -np.cos(angle), np.sin(angle) * np.sin(turn)], axis=-1)
    faces = [
        (r * 32 + k, r * 32 + (k + 1) % 32, (r + 1) * 32 + (k + 1) % 32, (r + 1) * 32 + k)
        for r in range(len(away) - 1)
        for k in range(32)
    ]
    return _mesh(name, centre + points.reshape(-1, 3) * radius * np.array(radii), faces, (colour,), [0] * len(faces))


def _mesh(
    name: str,
    points: Floats,
    faces: Sequence[tuple[int, ...]],
    colours: Sequence[Sequence[float]],
    looks: Sequence[int],
) -> Any:
    """Return a smooth mesh object with a material for each colour, ``looks`` saying which for each face."""
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(np.asarray(points).tolist(), [], list(faces))
    for number, colour in enumerate(colours):
        material = bpy.data.materials.new(f"{name} {number}")
        material.diffuse_color = colour
        material.roughness = 0.5
        mesh.materials.append(material)
    mesh.polygons.foreach_set("material_index", np.array(looks, np.int32))
    mesh.polygons.foreach_set("use_smooth", np.ones(len(mesh.polygons), bool))
    obj = bpy.data.objects.new(name, mesh)
    bpy.context.scene.collection.objects.link(obj)
    return obj


def _bind(obj: Any, rig: Any, weights: Mapping[str, Floats]) -> None:
    """Let bones carry a mesh, each as much as it weighs at each vertex."""
    for bone, values in weights.items():
        group = obj.vertex_groups.new(name=bone)
        for index in np.flatnonzero(np.asarray(values) > 1e-4):
            group.add([int(index)], float(values[index]), "REPLACE")
    obj.parent = rig
    modifier = obj.modifiers.new("Armature", "ARMATURE")
    modifier.object = rig
