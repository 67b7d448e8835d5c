"""Makes the shape keys that a mesh lacks: which ones, named how, and written as ordinary keys to sculpt on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from mouthpiece.errors import RigError
from mouthpiece.files.shipped_files import shipped_arrays
from numpy.typing import NDArray

from ..shape_keys import keyed_mesh
from . import pins, proposal, solver_inputs

if TYPE_CHECKING:
    from mouthpiece.retarget.made_shapes.transfer import Donor

#: The bundled head, whose shapes are carried over; its space is Blender's, looking along -Y.
_HEAD: Final = Path(__file__).parents[2] / "assets" / "demo_head.npz"
_UP: Final = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
#: Motion of a key, as a share of the mesh's size, up to which it moves nothing.
_NOTHING: Final = 1e-5


@dataclass(frozen=True, slots=True)
class Made:
    """The keys that were made, those of them that were there but empty, ARKit shapes that move nothing, and remarks."""

    keys: tuple[str, ...]
    filled: tuple[str, ...]
    nothing: tuple[str, ...]
    remarks: tuple[str, ...]


def refusal(obj: Any) -> str:
    """Return why no shapes can be made on an object, in words; empty if they can."""
    if obj is None or obj.type != "MESH":
        return "Click the mesh with the face first"
    mesh = obj.data
    if obj.mode != "OBJECT":
        return "Go to Object Mode first"
    if mesh.library is not None or mesh.override_library is not None or obj.override_library is not None:
        return f"'{obj.name}' comes from a library, which shape keys cannot be added to: make it local first"
    if len(mesh.vertices) < pins.COUNT or not len(mesh.polygons):
        return f"'{obj.name}' has too few vertices for a face"
    return ""


def missing(obj: Any, parts: Sequence[str]) -> tuple[str, ...]:
    """Return the ARKit shapes of some ``parts`` (MOUTH, EYES, BROWS) that no key of a mesh is named after.

    It does not look at what keys move, so that panels can ask at every redraw.
    """
    return _missing(_key_names(obj), frozenset(parts))


@lru_cache(maxsize=16)
def _missing(names: tuple[str, ...], parts: frozenset[str]) -> tuple[str, ...]:
    have = set(_known(names).values())
    return tuple(name for name in _wanted(parts) if name not in have)


def _wanted(parts: frozenset[str]) -> tuple[str, ...]:
    from mouthpiece.retarget.made_shapes.arkit_names import FACE_PARTS
    from mouthpiece.topology import ARKIT_NAMES

    beginnings = tuple(text for part in FACE_PARTS if part in parts for text in FACE_PARTS[part])
    return tuple(name for name in ARKIT_NAMES if name.startswith(beginnings))


def _key_names(obj: Any) -> tuple[str, ...]:
    key = obj.data.shape_keys
    return tuple(b.name for b in key.key_blocks if b != key.reference_key) if key is not None else ()


@lru_cache(maxsize=16)
def _known(names: tuple[str, ...]) -> Mapping[str, str]:
    """Return the ARKit name by key, for keys that are named after ARKit's in any spelling."""
    from mouthpiece.retarget.made_shapes.arkit_names import arkit_of

    return {name: found for name in names if (found := arkit_of(name)) is not None} | solver_inputs.known_names(names)


def make(obj: Any, parts: Sequence[str], progress: Callable[[float], object] = lambda share: None) -> Made:
    """Make the missing shapes and return what was made; ``progress`` is called with the share that is done.

    Pins are proposed if there are none. Keys that exist and move something are not touched. Everything is reckoned
    first, then the keys are added: what goes wrong leaves the mesh as it was. Raises RigError.
    """
    from mouthpiece.retarget.made_shapes.arkit_names import Spelling
    from mouthpiece.retarget.made_shapes.transfer import PinnedHead, made

    reason = refusal(obj)
    if reason:
        raise RigError(f"{reason}.")
    remarks: list[str] = []
    known = dict(_known(_key_names(obj)))
    empty = _empty_keys(obj, known)
    have = {arkit for key, arkit in known.items() if key not in empty}
    wanted = [name for name in _wanted(frozenset(parts)) if name not in have]
    if not wanted:
        raise RigError(f"'{obj.name}' has all these shapes already.")
    rest = keyed_mesh.rest_of(obj.data)
    before = pins.pins_of(obj, rest)
    if not before.set:
        done = proposal.propose(obj)
        remarks += [f"Landmarks were pinned by {done.text}: look at them, the shapes are as good as the pins"]
        remarks += done.remarks
    progress(0.1)
    head = PinnedHead(rest, keyed_mesh.edges_of(obj.data), pins.pins_of(obj, rest).vertices)
    shapes = []
    for shape in made(head, _donor(), wanted):
        shapes.append(shape)
        progress(0.1 + 0.9 * len(shapes) / len(wanted))
    spelling = Spelling.of(known)
    nothing = [shape.name for shape in shapes if not shape.delta.any()]
    theirs = {arkit: key for key, arkit in known.items() if key in empty}
    named = {theirs.get(s.name, spelling(s.name)): s.delta for s in shapes if s.delta.any()}
    filled = tuple(key for key in named if key in empty)
    _write(obj, rest, named)
    if obj.data.users > 1:
        remarks.append(f"{obj.data.users} objects share this mesh: all of them have the new shapes")
    return Made(tuple(named), filled, tuple(nothing), tuple(remarks))


def said(obj: Any, done: Made) -> str:
    """Return in one line what was made."""
    count = len(done.keys)
    text = f"{count} shape key{'s' if count != 1 else ''} made on {obj.name}"
    if done.filled:
        text += f", {len(done.filled)} of them in place of empty ones"
    return text + (f"; nothing on this mesh does: {', '.join(done.nothing)}" if done.nothing else "")


def _empty_keys(obj: Any, known: Mapping[str, str]) -> set[str]:
    """Return the ``known`` keys of a mesh that move nothing, and have no driver that says otherwise."""
    if not known:
        return set()
    mesh = keyed_mesh.read(obj, frozenset(_key_names(obj)) - frozenset(known))
    size = float(np.ptp(mesh.rest, axis=0).max())
    far = np.abs(mesh.deltas).max(axis=(1, 2), initial=0.0)
    return {name for name, most in zip(mesh.names, far, strict=True) if most < _NOTHING * size}


def _write(obj: Any, rest: NDArray[np.float64], named: Mapping[str, NDArray[np.float32]]) -> None:
    """Add keys, or fill those that exist, with these displacements (V, 3)."""
    shown = obj.active_shape_key_index
    if obj.data.shape_keys is None:
        obj.shape_key_add(name="Basis", from_mix=False)
    for name, delta in named.items():
        block = obj.data.shape_keys.key_blocks.get(name)
        if block is None:
            block = obj.shape_key_add(name=name, from_mix=False)
            block.value = 0.0
        places = np.zeros(3 * len(rest), np.float32)
        block.relative_key.data.foreach_get("co", places)
        block.data.foreach_set("co", places + delta.ravel())
    obj.active_shape_key_index = shown
    obj.data.update()


@lru_cache(maxsize=1)
def _donor() -> Donor:
    """Return the bundled head as the donor of shapes."""
    from mouthpiece.retarget.made_shapes.transfer import Donor, PinnedHead
    from mouthpiece.retarget.pins.known_meshes import recognise

    stored = shipped_arrays(_HEAD)
    vertices = stored["vertices"].astype(np.float64)
    ends = np.cumsum(stored["face_sizes"])[:-1]
    faces = np.split(stored["face_vertices"], ends)
    names = tuple(str(name) for name in stored["shape_names"])
    deltas = np.zeros((len(names), *vertices.shape), np.float32)
    for row, (start, stop) in enumerate(zip(stored["shape_start"][:-1], stored["shape_start"][1:], strict=True)):
        deltas[row, stored["shape_index"][start:stop]] = stored["shape_delta"][start:stop]
    edges = np.concatenate([np.stack([face, np.roll(face, -1)], axis=1) for face in faces])
    known = recognise(vertices)
    if known is None:
        raise RigError("The bundled head was changed: install Mouthpiece again.")
    return Donor(PinnedHead(vertices, edges, known[1]), names, deltas, _UP)
