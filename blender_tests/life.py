"""What becomes of a baked character in the life of a file: how to make one of each sample, and what of it is compared.

Every sample of ``demo/samples`` is built and baked once a session; tests open the saved file. What is compared is what
an animator sees: the values of all animated properties, the points of meshes, bones and drawings, frame by frame.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from addon import compat
from demo import samples

#: Seconds of the bundled line that are baked: long enough for a closed, a wide and a round mouth.
SECONDS = 2.0
#: Frames that are looked at: before, in and after the line at 25 frames per second.
FRAMES = (-3, 1, 5, 12, 23, 36, 45, 70)
#: What a sample's name ends with if its take goes into layers.
LAYERS = " in layers"
FOLDER = Path(tempfile.mkdtemp(prefix="mouthpiece-life-"))


@dataclass(frozen=True)
class Character:
    """A baked sample in a saved file: the name of its object, how it looked before it was baked, and how it plays."""

    sample: str
    name: str
    blend: Path
    resting: Seen
    playing: Seen
    clutter: dict[str, int]

    @property
    def object(self) -> Any:
        """The object in the open file."""
        return bpy.data.objects[self.name]

    def open(self) -> Any:
        """Open the file and make the character active; return its object."""
        bpy.ops.wm.open_mainfile(filepath=str(self.blend))
        choose([self.object])
        return self.object


@dataclass(frozen=True)
class Seen:
    """What is seen of a character on ``FRAMES``: values of animated properties, and points (frames, N, 3) by name."""

    values: list[tuple[float, ...]]
    points: dict[str, np.ndarray]

    def like(self, other: Seen, tolerance: float = 2e-5, of_values: float | None = None) -> bool:
        """Return whether the same is seen; names may differ, their order not.

        ``tolerance`` is that of points, ``of_values`` that of the numbers that move them, if it is another.
        """
        numbers = tolerance if of_values is None else of_values
        if len(self.points) != len(other.points) or not rows_alike(self.values, other.values, numbers):
            return False
        pairs = zip(self.points.values(), other.points.values(), strict=True)
        return all(a.shape == b.shape and np.allclose(a, b, rtol=1e-4, atol=tolerance) for a, b in pairs)

    def moves(self) -> bool:
        """Return whether anything changes from frame to frame."""
        ranges = [np.ptp(row) for row in self.values]
        ranges += [np.ptp(points, axis=0).max() for points in self.points.values() if points.size]
        return max(ranges, default=0.0) > 1e-3


def rows_alike(mine: list[tuple[float, ...]], others: list[tuple[float, ...]], tolerance: float) -> bool:
    """Return whether the same rows of numbers are in both, in whatever order."""
    if len(mine) != len(others):
        return False
    left = np.array(others)
    for row in mine:
        apart = np.abs(left - np.array(row)).max(axis=1)
        nearest = int(apart.argmin())
        if not np.allclose(row, left[nearest], rtol=1e-4, atol=tolerance):
            return False
        left = np.delete(left, nearest, axis=0)
    return True


@cache
def take() -> Path:
    """Return a saved take of the bundled line's beginning, heard by the networks once a session."""
    from mouthpiece import Audio, Options
    from mouthpiece.audio import load
    from mouthpiece.pipeline import animate

    from addon import demo

    line = load(demo.LINE)
    cut = Audio(line.samples[: round(SECONDS * line.rate)], line.rate, "the bundled line")
    return animate(cut, Options()).save(FOLDER / "take.npz")


@cache
def character(sample: str) -> Character:
    """Return a sample, built, baked and saved; with LAYERS behind its name it was baked as layers in the NLA."""
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    scene = bpy.context.scene
    scene.render.fps, scene.render.fps_base = 25, 1.0
    name = samples.load(sample.removesuffix(LAYERS)).build()
    if sample.endswith(LAYERS):
        bpy.data.objects[name].mouthpiece.layers = "LAYERS"
    scene.mouthpiece.source, scene.mouthpiece.filepath = "FILE", str(take())
    choose([bpy.data.objects[name]])
    for obj in bpy.data.objects:  # smoothing changes nothing but the time this takes
        for modifier in obj.modifiers:
            modifier.show_viewport = modifier.type != "SUBSURF"
    resting, before = seen(bpy.data.objects[name]), clutter()
    assert bpy.ops.mouthpiece.animate() == {"FINISHED"}
    playing = seen(bpy.data.objects[name])
    assert playing.moves() and not playing.like(resting)
    blend = FOLDER / f"{sample}.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(blend), copy=True)
    return Character(sample, name, blend, resting, playing, before)


def choose(objects: Iterable[Any]) -> None:
    """Select objects and nothing else; the first becomes active."""
    chosen = list(objects)
    for obj in bpy.context.view_layer.objects:
        obj.select_set(obj in chosen)
    bpy.context.view_layer.objects.active = chosen[0]


def family(obj: Any) -> list[Any]:
    """Return an object with all that hangs together with it: its topmost parent and everything below, by name."""
    top = obj
    while top.parent is not None:
        top = top.parent
    return sorted([top, *top.children_recursive], key=lambda one: one.name)


def blocks(obj: Any) -> list[Any]:
    """Return the data-blocks of an object's family that may be animated."""
    found: dict[Any, None] = {}
    for one in family(obj):
        data = one.data
        materials = [slot.material for slot in one.material_slots if slot.material]
        trees = [material.node_tree for material in materials if material.node_tree]
        for block in (one, data, getattr(data, "shape_keys", None), *materials, *trees):
            found |= {block: None} if block is not None else {}
    return list(found)


def seen(obj: Any) -> Seen:
    """Return what is seen of an object and its family, leaving the scene on the frame it was on."""
    scene, current = bpy.context.scene, bpy.context.scene.frame_current
    owners = blocks(obj)
    paths = [(owner, *place) for owner in owners for place in animated(owner)]
    values: list[list[float]] = [[] for _ in paths]
    points: dict[str, list[np.ndarray]] = {one.name: [] for one in family(obj)}
    for frame in FRAMES:
        scene.frame_set(frame)
        for row, (owner, path, index) in zip(values, paths, strict=True):
            value = owner.path_resolve(path)
            row.append(float(value[index]) if hasattr(value, "__len__") else float(value))
        graph = bpy.context.evaluated_depsgraph_get()
        for one in family(obj):
            points[one.name].append(world_points(one, graph))
    scene.frame_set(current)
    same = {name: _stacked(arrays) for name, arrays in points.items()}
    return Seen([tuple(row) for row in values], same)


def animated(owner: Any) -> list[tuple[str, int]]:
    """Return path and index of each property of a data-block that has a curve, in its Action or in an NLA strip."""
    found = {(curve.data_path, curve.array_index): None for curve in compat.fcurves_of(owner)}
    tracks = owner.animation_data.nla_tracks if owner.animation_data else ()
    for strip in (strip for track in tracks for strip in track.strips if strip.action and strip.action_slot):
        for part in (part for layer in strip.action.layers for part in layer.strips):
            bag = part.channelbag(strip.action_slot)
            found |= {(curve.data_path, curve.array_index): None for curve in (bag.fcurves if bag else ())}
    return list(found)


def _stacked(arrays: list[np.ndarray]) -> np.ndarray:
    """Return points of all frames as one array; drawings may have other points on other frames."""
    most = max(len(array) for array in arrays)
    return np.stack([np.pad(array, ((0, most - len(array)), (0, 0))) for array in arrays])


def world_points(obj: Any, graph: Any) -> np.ndarray:
    """Return an object's points (N, 3) in the world as evaluated: vertices, ends of bones, strokes, or its origin."""
    final = obj.evaluated_get(graph)
    local = np.zeros((1, 3), np.float32)
    if obj.type == "MESH":
        local = _read(final.data.vertices, "co")
    elif obj.type == "ARMATURE":
        local = np.array([end for bone in final.pose.bones for end in (bone.head, bone.tail)])
    elif obj.type == "GREASEPENCIL":
        drawn = [_strokes(layer) for layer in final.data.layers if not layer.hide]
        local = np.concatenate([local, *drawn])
    matrix = np.array(final.matrix_world)
    return local @ matrix[:3, :3].T + matrix[:3, 3]


def _strokes(layer: Any) -> np.ndarray:
    frame = layer.current_frame()
    positions = frame.drawing.attributes.get("position") if frame is not None else None
    return np.zeros((0, 3), np.float32) if positions is None else _read(positions.data, "vector")


def _read(collection: Any, name: str) -> np.ndarray:
    values = np.empty(3 * len(collection), np.float32)
    collection.foreach_get(name, values)
    return values.reshape(-1, 3)


def clutter() -> dict[str, int]:
    """Return how many data-blocks there are of the kinds a bake may add, for leftovers to show."""
    kinds = ("actions", "objects", "meshes", "armatures", "materials", "images", "sounds", "texts", "shape_keys")
    return {kind: len(getattr(bpy.data, kind)) for kind in kinds}


def notes() -> list[str]:
    """Return where the add-on has left notes: custom properties of its own on any data-block that can be baked onto."""
    kinds = ("actions", "objects", "meshes", "armatures", "shape_keys", "materials")
    collections = [getattr(bpy.data, kind) for kind in kinds]
    if hasattr(bpy.data, "grease_pencils_v3"):
        collections.append(bpy.data.grease_pencils_v3)
    elif hasattr(bpy.data, "grease_pencils"):
        collections.append(bpy.data.grease_pencils)
    found = []
    for collection in collections:
        for block in collection:
            found += [f"{block.name}: {key}" for key in block.keys() if key.startswith("mouthpiece_take")]
            found += [f"{block.name}: mouthpiece"] if isinstance(block.get("mouthpiece"), str) else []
    return found


def reload(path: Path) -> None:
    """Save the open file and open it again."""
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    bpy.ops.wm.open_mainfile(filepath=str(path))


def remove(obj: Any) -> set[str]:
    """Press *Remove Take* on an object."""
    choose([obj])
    return bpy.ops.mouthpiece.remove_take()


def bake(obj: Any, strength: float = 1.0) -> set[str]:
    """Press *Animate* on an object."""
    choose([obj])
    bpy.context.scene.mouthpiece.strength = strength
    return bpy.ops.mouthpiece.animate()


def dial(obj: Any, **amounts: float) -> set[str]:
    """Set an object's dials, all others back to 1, and press *Update Lines*."""
    choose([obj])
    obj.mouthpiece.live = False
    for name in ("lips", "jaw", "brows", "head", "expression", "blink", "gaze"):
        setattr(obj.mouthpiece, name, amounts.get(name, 1.0))
    return bpy.ops.mouthpiece.redial()
