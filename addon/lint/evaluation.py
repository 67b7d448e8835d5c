"""Evaluates characters frame by frame as Blender shows them, in a scene of its own, and leaves no trace of it.

The user's scene stays on its frame: its handlers do not run, and poses that nobody has keyed yet are not forgotten.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Final, Protocol

import bmesh
import bpy
import numpy as np
from numpy.typing import NDArray

from .. import compat
from ..keys import nla, rna_values

#: Modifiers that change how smooth a mesh looks, not where its face is: they are left out.
_LOOKS: Final = frozenset(
    "SUBSURF MULTIRES BEVEL EDGE_SPLIT WEIGHTED_NORMAL NORMAL_EDIT TRIANGULATE SOLIDIFY UV_PROJECT UV_WARP "
    "VERTEX_WEIGHT_EDIT VERTEX_WEIGHT_MIX VERTEX_WEIGHT_PROXIMITY PARTICLE_SYSTEM WIREFRAME SCREW ARRAY".split()
)  # fmt: skip
#: Modifiers that move each vertex by itself: under these a mesh may be cut down to the vertices that are looked at.
_POINTWISE: Final = frozenset({"ARMATURE", "HOOK", "LATTICE"})


@dataclass(frozen=True, slots=True, eq=False)
class SeenTracks:
    """What of a face was measured over F frames, as :class:`mouthpiece.lint.seen_face.SeenFace` has it.

    ``remarks`` say what cannot be measured on the character, and why.
    """

    opening: NDArray[np.float32] | None = None
    width: NDArray[np.float32] | None = None
    lids: NDArray[np.float32] | None = None
    gaze: NDArray[np.float32] | None = None
    head: NDArray[np.float32] | None = None
    remarks: tuple[str, ...] = ()
    red: NDArray[np.float32] | None = None


class Gauge(Protocol):
    """Measures one character: what it needs is linked, then it reads frame after frame."""

    def ready(self, lent: ExitStack) -> list[bpy.types.Object]:
        """Return the objects to evaluate; what they are lent for goes back when ``lent`` is closed."""
        ...

    def read(self, graph: bpy.types.Depsgraph, frame: int) -> None:
        """Note what is seen on a frame."""
        ...

    def tracks(self) -> SeenTracks:
        """Return what was seen on the frames that were read, in their order."""
        ...


@contextmanager
def evaluation(objects: Collection[bpy.types.Object], like: bpy.types.Scene) -> Iterator[FrameView]:
    """Provide objects to be evaluated on frames of their animation, at the frame rate of the scene ``like``.

    Afterwards all animated properties have the values they had.
    """
    held = list(_animated())
    scene = bpy.data.scenes.new("Mouthpiece Scratch")
    try:
        scene.render.fps, scene.render.fps_base = like.render.fps, like.render.fps_base
        for obj in objects:
            scene.collection.objects.link(obj)
        yield FrameView(scene)
    finally:
        bpy.data.scenes.remove(scene)
        touched: dict[bpy.types.ID, None] = {}
        for owner, path, index, value in held:
            if rna_values.get(owner, path, index) != value:
                rna_values.put(owner, path, index, value)
                touched[owner] = None
        for owner in touched:
            owner.update_tag()


class FrameView:
    """A scene in which frames of an animation are evaluated."""

    def __init__(self, scene: bpy.types.Scene) -> None:
        """Take the scene."""
        self._scene = scene

    def at(self, frame: int) -> bpy.types.Depsgraph | None:
        """Return all objects as they are on a frame; None for one before 0 that the preferences do not let exist."""
        self._scene.frame_current = frame  # not frame_set, which would run the user's handlers
        if self._scene.frame_current != frame:
            return None
        view = self._scene.view_layers[0]
        view.update()
        return view.depsgraph


def first_frame() -> int:
    """Return the first frame that can be shown."""
    return -(1 << 20) if bpy.context.preferences.edit.use_negative_frames else 0


def _animated() -> Iterator[tuple[bpy.types.ID, str, int, float]]:
    """Yield owner, path, index and present value of every animated property: evaluation writes it back into them."""
    data: Any = bpy.data
    trees = [material.node_tree for material in data.materials if material.node_tree is not None]
    blocks = [
        *data.objects, *data.shape_keys, *data.armatures, *data.meshes, *data.lattices, *data.curves, *data.materials,
        *trees, *data.node_groups, *compat.grease_pencils(),
    ]  # fmt: skip
    for block in blocks:
        own = block.animation_data
        if own is None or not block.is_editable:
            continue
        strips = [strip for track in own.nla_tracks for strip in track.strips]
        curves = [nla.curves_in(one) for one in (own, *strips)]
        places = dict.fromkeys((curve.data_path, curve.array_index) for some in curves for curve in some)
        places |= dict.fromkeys((curve.data_path, curve.array_index) for curve in own.drivers)
        for path, index in places:
            try:
                yield block, path, index, rna_values.get(block, path, index)
            except (ValueError, KeyError, IndexError, TypeError, AttributeError):
                continue  # the path leads nowhere


@contextmanager
def lent_copy(obj: bpy.types.Object, vertices: Sequence[int]) -> Iterator[tuple[bpy.types.Object, list[int]]]:
    """Lend a copy of a mesh object that moves as it does, and the number that each of some vertices has in it.

    Only those are in it where no modifier needs the others, so that frames take a fraction of the time; the copy has no
    modifiers that merely smooth it.
    """
    copy, mesh = obj.copy(), None
    copy.hide_viewport = False  # what is disabled in viewports is not evaluated
    try:
        for modifier in list(copy.modifiers):
            if modifier.type in _LOOKS or (not modifier.show_viewport and not _is_driven(copy, modifier)):
                copy.modifiers.remove(modifier)
        if any(modifier.type not in _POINTWISE for modifier in copy.modifiers):
            yield copy, list(vertices)
            return
        mesh = obj.data.copy()
        order = sorted(set(vertices))
        _keep(mesh, order)
        copy.data = mesh
        place = {vertex: number for number, vertex in enumerate(order)}
        yield copy, [place[vertex] for vertex in vertices]
    finally:
        bpy.data.objects.remove(copy)
        if mesh is not None:
            bpy.data.meshes.remove(mesh)


def _is_driven(obj: bpy.types.Object, modifier: bpy.types.Modifier) -> bool:
    """Return whether a modifier may be turned on by a driver or a key."""
    data = obj.animation_data
    if data is None:
        return False
    path = modifier.path_from_id("show_viewport")
    strips = [strip for track in data.nla_tracks for strip in track.strips]
    curves = [*data.drivers, *(curve for one in (data, *strips) for curve in nla.curves_in(one))]
    return any(curve.data_path == path for curve in curves)


def _keep(mesh: bpy.types.Mesh, vertices: Sequence[int]) -> None:
    """Remove all other vertices from a mesh; its shape keys and vertex groups stay."""
    kept = set(vertices)
    content = bmesh.new()
    try:
        content.from_mesh(mesh)
        gone = [vertex for vertex in content.verts if vertex.index not in kept]
        bmesh.ops.delete(content, geom=gone, context="VERTS")
        content.to_mesh(mesh)
    finally:
        content.free()
