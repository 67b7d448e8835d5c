"""Makes shape keys for a tongue that has none: on a mesh of its own, or on the tongue within a head's mesh."""

from __future__ import annotations

from typing import Any, Final

import bpy
import numpy as np
from bpy.props import EnumProperty
from bpy.utils import register_classes_factory
from mathutils import Matrix, Vector
from mouthpiece.errors import RigError
from mouthpiece.phrases import counted
from mouthpiece.retarget.coverage import part_named
from numpy.typing import NDArray

from ..reports import reports_errors
from ..targets.head import delta_transforms
from ..targets.lower_teeth.jaw import hinge_of
from ..targets.shape_keys import keyed_mesh
from . import family

#: Where a face looks -> that direction in the world.
_DIRECTIONS: Final = {"FRONT": (0, -1, 0), "BACK": (0, 1, 0), "RIGHT": (1, 0, 0), "LEFT": (-1, 0, 0)}
#: Shape key by which a tongue of its own goes down with the jaw.
_JAW: Final = "jawOpen"


def refusal(obj: Any) -> str:
    """Return why no shapes of a tongue can be made on an object, in words; empty if they can."""
    if obj is None or obj.type != "MESH":
        return "Click the tongue, or the mesh of the head it is part of"
    if obj.mode != "OBJECT":
        return "Go to Object Mode first"
    if obj.data.library is not None or obj.data.override_library is not None or obj.override_library is not None:
        return f"'{obj.name}' comes from a library, which shape keys cannot be added to: make it local first"
    return ""


def tongue_of(obj: Any) -> NDArray[np.bool_]:
    """Return which vertices (V,) of a mesh are its tongue, by names: of the object, a material or a vertex group.

    Raises
    ------
    RigError
        If no name says where the tongue is.
    """
    mesh = obj.data
    if "tongue" in (part_named(obj.name), part_named(mesh.name)):
        return np.ones(len(mesh.vertices), bool)
    found = np.zeros(len(mesh.vertices), bool)
    slots = [n for n, slot in enumerate(obj.material_slots) if slot.material and part_named(slot.name) == "tongue"]
    for polygon in mesh.polygons if slots else ():
        if polygon.material_index in slots:
            found[list(polygon.vertices)] = True
    groups = {group.index for group in obj.vertex_groups if part_named(group.name) == "tongue"}
    if groups and not found.any():
        for vertex in mesh.vertices:
            found[vertex.index] = any(one.group in groups and one.weight > 0.5 for one in vertex.groups)
    if not found.any():
        raise RigError(
            f"Nothing of '{obj.name}' is called a tongue. Name the object, its material or a vertex group 'Tongue'."
        )
    return found


def make(obj: Any, looks: str = "FRONT") -> tuple[str, ...]:
    """Make the shapes of a tongue that are missing and return their names; keys that exist are left alone.

    ``looks`` is where the face looks in the world. A tongue with a mesh of its own also gets one to follow the jaw.

    Raises
    ------
    RigError
        If it cannot have shape keys, no name says where the tongue is, or it has all of them.
    """
    from mouthpiece.retarget.made_shapes.tongue import tongue_shapes

    reason = refusal(obj)
    if reason:
        raise RigError(f"{reason}.")
    chosen = tongue_of(obj)
    rest = keyed_mesh.rest_of(obj.data)
    to_own = np.array(obj.matrix_world.to_3x3().inverted_safe())
    ahead, above = (to_own @ np.array(way, float) for way in (_DIRECTIONS[looks], (0, 0, 1)))
    shapes = tongue_shapes(rest[chosen], ahead, above)
    blocks = obj.data.shape_keys.key_blocks if obj.data.shape_keys is not None else ()
    have = {block.name for block in blocks}
    wanted = {name: moved for name, moved in shapes.items() if name not in have}
    if chosen.all() and _JAW not in have:
        wanted |= _with_jaw(obj, rest)
    if not wanted:
        raise RigError(f"'{obj.name}' has all shapes of a tongue already.")
    shown = obj.active_shape_key_index
    if obj.data.shape_keys is None:
        obj.shape_key_add(name="Basis", from_mix=False)
    for name, moved in wanted.items():
        places = rest.copy()
        places[chosen] += moved
        block = obj.shape_key_add(name=name, from_mix=False)
        block.data.foreach_set("co", places.astype(np.float32).ravel())
        block.value = 0.0  # since 5.0 a new key is fully on
    obj.active_shape_key_index = shown
    obj.data.update()
    return tuple(wanted)


def _with_jaw(obj: Any, rest: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Return the displacements of a tongue of its own when the jaw of its face is wide open; none without a face."""
    face = family.main_object(obj)
    if face == obj or face.type != "MESH":
        return {}
    try:
        to_own = delta_transforms.frame_of(obj).inverted_safe() @ delta_transforms.at_rest(face)
        hinge = hinge_of(face, to_own)
    except RigError:  # the jaw is a bone, say: the tongue goes down with that
        return {}
    axis = Vector(hinge.turn)
    turn = np.array(Matrix.Rotation(axis.length, 3, axis)) if axis.length else np.eye(3)
    place = np.array(hinge.place)
    return {_JAW: (rest - place) @ turn.T + place + np.array(hinge.shift) - rest}


class MOUTHPIECE_OT_make_tongue_shapes(bpy.types.Operator):
    """Make shape keys for a tongue that has none, from its own form."""

    bl_idname = "mouthpiece.make_tongue_shapes"
    bl_label = "Make Tongue Shapes"
    bl_description = (
        "Add shape keys for tip, back, curl and width of the tongue: on the active mesh if it is a tongue, or on what "
        "of it has a material or vertex group of that name. Keys that exist are not touched"
    )
    bl_options = {"REGISTER", "UNDO"}

    looks: EnumProperty(
        name="Face Looks",
        description="Where the face looks in the scene",
        items=(
            ("FRONT", "Front (-Y)", "As in Blender's front view"),
            ("BACK", "Back (+Y)", "Away from the front view"),
            ("RIGHT", "Right (+X)", "Along the X axis"),
            ("LEFT", "Left (-X)", "Against the X axis"),
        ),
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Return whether the active object is a mesh that shape keys can be added to."""
        reason = refusal(context.active_object)
        if reason:
            cls.poll_message_set(reason)
        return not reason

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Make the shapes and report how many."""
        obj: Any = context.active_object
        made = make(obj, self.looks)
        self.report({"INFO"}, f"{counted(len(made), 'shape key')} made for the tongue of '{obj.name}'")
        return {"FINISHED"}


register, unregister = register_classes_factory((MOUTHPIECE_OT_make_tongue_shapes,))
