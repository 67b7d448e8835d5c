"""A mesh and the motion of its shape keys as arrays, with relative keys, vertex groups and drivers considered."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from typing import Any, Final

import bpy
import numpy as np
from numpy.typing import NDArray

from . import controls, fingerprints

Floats = NDArray[np.float64]

_PATH: Final = re.compile(r'^key_blocks\["(.+)"\]\.value$')
_PRODUCT: Final = re.compile(r"^[\w\s*().]+$")


@dataclass(frozen=True, slots=True, eq=False)
class KeyedMesh:
    """A mesh in its own space: vertices at rest (V, 3), and the displacements of K keys at value 1 (K, V, 3)."""

    rest: Floats
    names: tuple[str, ...]
    deltas: NDArray[np.float32]


def rest_of(mesh: bpy.types.Mesh) -> Floats:
    """Return the vertices (V, 3) of a mesh with all keys at 0."""
    key = mesh.shape_keys
    if key is not None:
        return fingerprints.places(key.reference_key).astype(np.float64)
    places = np.zeros(3 * len(mesh.vertices), np.float32)
    mesh.vertices.foreach_get("co", places)
    return places.reshape(-1, 3).astype(np.float64)


def read(obj: bpy.types.Object, left_out: frozenset[str] = frozenset()) -> KeyedMesh:
    """Return a mesh object's vertices at rest and its keys, except for those ``left_out``."""
    mesh = obj.data
    blocks = [b for b in mesh.shape_keys.key_blocks if b != mesh.shape_keys.reference_key and b.name not in left_out]
    places: dict[str, NDArray[np.float32]] = {}
    groups = group_weights(obj, {b.vertex_group for b in blocks if b.vertex_group})
    deltas = np.zeros((len(blocks), len(mesh.vertices), 3), np.float32)
    for row, block in enumerate(blocks):
        # A key's displacement is measured from the key it is relative to, which may be another than the basis.
        for needed in (block, block.relative_key):
            if needed.name not in places:
                places[needed.name] = fingerprints.places(needed)
        deltas[row] = places[block.name] - places[block.relative_key.name]
        if block.vertex_group in groups:
            deltas[row] *= groups[block.vertex_group][:, None]
    return KeyedMesh(rest_of(mesh), tuple(b.name for b in blocks), deltas)


def group_weights(obj: bpy.types.Object, names: set[str]) -> dict[str, NDArray[np.float32]]:
    """Return the weights (V,) of vertex groups by name; names without a group are left out, as Blender ignores them."""
    index = {obj.vertex_groups[name].index: name for name in names if name in obj.vertex_groups}
    weights = {name: np.zeros(len(obj.data.vertices), np.float32) for name in index.values()}
    for vertex in obj.data.vertices if index else ():
        for element in vertex.groups:
            if element.group in index:
                weights[index[element.group]][vertex.index] = element.weight
    return weights


def edges_of(mesh: bpy.types.Mesh) -> NDArray[np.int32]:
    """Return a mesh's edges (E, 2)."""
    edges = np.zeros(2 * len(mesh.edges), np.int32)
    mesh.edges.foreach_get("vertices", edges)
    return edges.reshape(-1, 2)


def triangles_of(mesh: bpy.types.Mesh) -> tuple[NDArray[np.int64], Floats]:
    """Return a mesh's triangles (F, 3), and the colour (F, 3) of each."""
    mesh.calc_loop_triangles()
    count = len(mesh.loop_triangles)
    corners, owner = np.zeros(3 * count, np.int32), np.zeros(count, np.int32)
    mesh.loop_triangles.foreach_get("vertices", corners)
    mesh.loop_triangles.foreach_get("material_index", owner)
    # Parts that are white or have no material get a skin colour, as faces are hard to detect in white.
    colours = [tuple(m.diffuse_color)[:3] if m is not None else _PALE for m in mesh.materials] or [_PALE]
    colours = [_PALE if min(colour) > 0.75 else colour for colour in colours]
    if max(max(colour) for colour in colours) < 0.05:
        colours = [_PALE] * len(colours)  # all black, as some importers leave materials: nothing would be seen
    return corners.reshape(-1, 3).astype(np.int64), np.array(colours)[np.clip(owner, 0, len(colours) - 1)]


_PALE: Final = (0.62, 0.46, 0.39)


def driven_keys(key: bpy.types.Key) -> dict[str, tuple[str, ...]]:
    """Return the keys that have a driver, each with the keys whose product it is; none if it is no product.

    Keys that are played by the control that drives them (:mod:`.controls`) are as good as any, and left out.
    """
    found: dict[str, tuple[str, ...]] = {}
    for curve in key.animation_data.drivers if key.animation_data else ():
        match = _PATH.match(curve.data_path)
        if match:
            found[bpy.utils.unescape_identifier(match[1])] = _factors(curve.driver, key)
    playable = controls.in_words(key, tuple(block.name for block in key.key_blocks)).played if found else ()
    return {name: factors for name, factors in found.items() if name not in playable}


def _factors(driver: Any, key: bpy.types.Key) -> tuple[str, ...]:
    """Return the keys that a driver multiplies; an empty tuple if it does anything else."""
    names = []
    for variable in driver.variables:
        target = variable.targets[0]
        match = _PATH.match(target.data_path) if variable.type == "SINGLE_PROP" and target.id == key else None
        if match is None:
            return ()
        names.append(bpy.utils.unescape_identifier(match[1]))
    if driver.type == "MIN":
        return ()
    words = re.findall(r"\w+", driver.expression)
    plain = driver.type == "SCRIPTED" and "*" in driver.expression and _PRODUCT.match(driver.expression)
    return tuple(names) if plain and sorted(words) == sorted(v.name for v in driver.variables) else ()


def checksum(mesh: KeyedMesh) -> int:
    """Return a CRC-32 of everything in the mesh."""
    total = zlib.crc32(mesh.rest.tobytes(), zlib.crc32("\0".join(mesh.names).encode()))
    return zlib.crc32(mesh.deltas.tobytes(), total)
