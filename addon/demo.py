"""The bundled character: a CC0 head with ARKit's 52 shapes on a small rig, and a line for it to speak."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import bpy
import numpy as np
from bpy.props import BoolProperty
from bpy.utils import register_classes_factory
from mathutils import Vector
from mouthpiece.files.shipped_files import shipped_arrays
from mouthpiece.retarget.made_shapes.tongue import tongue_shapes
from numpy.typing import NDArray

from . import compat, stage
from .sound import timeline

ASSETS: Final = Path(__file__).parent / "assets"
HEAD: Final = ASSETS / "demo_head.npz"
LINE: Final = ASSETS / "demo_line.flac"

#: Seam between head and neck: how steeply it rises backwards (the chin lies lower than the back of the skull), how far
#: below the head's joint it passes, and the heights between which the weights of head and neck blend (metres).
_SEAM_SLOPE: Final = 0.71
_SEAM_BELOW: Final = 0.058
_SEAM_BLEND: Final = (-0.025, 0.02)
_NECK_BLEND: Final = (0.01, 0.05)


def build(context: bpy.types.Context) -> tuple[bpy.types.Object, bpy.types.Object]:
    """Add the head and its rig to the scene; return the mesh object and the armature object."""
    data = shipped_arrays(HEAD)
    obj = bpy.data.objects.new("Mouthpiece Head", _mesh(data))
    context.scene.collection.objects.link(obj)
    _add_shapes(obj, data)
    rig = _rig(context, data["neck_pivot"], data["head_pivot"])
    _add_weights(obj, data["vertices"], data["head_pivot"])
    obj.parent = rig
    obj.modifiers.new("Armature", "ARMATURE").object = rig
    return obj, rig


def add_camera_and_light(context: bpy.types.Context, place: Vector) -> None:
    """Add a camera that shows the face of a head at ``place``, and a light, unless the scene has them."""
    scene = context.scene
    if scene.camera is None:
        camera = bpy.data.objects.new("Mouthpiece Camera", bpy.data.cameras.new("Mouthpiece Camera"))
        camera.data.lens = 85.0
        camera.location, camera.rotation_euler = Vector((0.16, -1.02, 0.19)) + place, (1.545, 0.0, 0.155)
        scene.collection.objects.link(camera)
        scene.camera = camera
    if not any(obj.type == "LIGHT" for obj in scene.objects):
        light = bpy.data.objects.new("Mouthpiece Light", bpy.data.lights.new("Mouthpiece Light", "AREA"))
        light.data.energy, light.data.size = 12.0, 0.6
        light.location = Vector((0.5, -0.8, 0.8)) + place
        light.rotation_euler = Vector((-0.5, 0.7, -0.62)).to_track_quat("-Z", "Y").to_euler()
        scene.collection.objects.link(light)


def body() -> stage.Extent:
    """Return the box of the head before it is built, with its origin at the world's."""
    places = shipped_arrays(HEAD)["vertices"]
    return stage.Extent(Vector(places.min(axis=0).tolist()), Vector(places.max(axis=0).tolist()))


def add_line(scene: bpy.types.Scene, start: int = 1) -> Any:
    """Add the bundled sound to the sequencer if that is empty; return the strip, or None."""
    if compat.all_strips(scene):
        return None
    editor = scene.sequence_editor or scene.sequence_editor_create()
    return compat.strips_of(editor).new_sound("Mouthpiece Line", str(LINE), 1, start)


def _mesh(data: Any) -> bpy.types.Mesh:
    """Return the head's mesh with its materials."""
    mesh = bpy.data.meshes.new("Mouthpiece Head")
    ends = np.cumsum(data["face_sizes"])[:-1]
    mesh.from_pydata(data["vertices"].tolist(), [], [face.tolist() for face in np.split(data["face_vertices"], ends)])
    mesh.polygons.foreach_set("material_index", data["material_index"].astype(np.int32))
    mesh.polygons.foreach_set("use_smooth", np.ones(len(mesh.polygons), bool))
    for name, colour in zip(data["material_names"].tolist(), data["material_colors"].tolist(), strict=True):
        mesh.materials.append(_material(f"Mouthpiece {name.title()}", colour))
    mesh.update()
    return mesh


def _material(name: str, colour: list[float]) -> bpy.types.Material:
    """Return a material that has the same colour in Workbench and in the render engines."""
    material = bpy.data.materials.new(name)
    material.diffuse_color = colour
    surface = next((n for n in compat.ensure_material_nodes(material).nodes if n.type == "BSDF_PRINCIPLED"), None)
    if surface is not None:
        surface.inputs["Base Color"].default_value = colour
        surface.inputs["Roughness"].default_value = 0.5
    return material


def _add_shapes(obj: bpy.types.Object, data: Any) -> None:
    """Add the shape keys, each stored as the vertices it moves and their displacements."""
    rest: NDArray[np.float32] = data["vertices"]
    start, index, delta = (data[f"shape_{name}"] for name in ("start", "index", "delta"))
    obj.shape_key_add(name="Basis", from_mix=False).value = 0.0
    for number, name in enumerate(data["shape_names"].tolist()):
        rows = slice(start[number], start[number + 1])
        moved = rest.copy()
        moved[index[rows]] += delta[rows]
        block = obj.shape_key_add(name=name, from_mix=False)
        block.data.foreach_set("co", moved.ravel())
        block.value = 0.0  # since 5.0 a new key is fully on
    _add_tongue_shapes(obj, data)
    obj.data.shape_keys.name = "Mouthpiece Head"


def _add_tongue_shapes(obj: bpy.types.Object, data: Any) -> None:
    """Add shape keys for what a tongue does besides ARKit's ``tongueOut``."""
    material = data["material_names"].tolist().index("tongue")
    faces = np.split(data["face_vertices"], np.cumsum(data["face_sizes"])[:-1])
    tongue = np.unique(np.concatenate([faces[face] for face in np.flatnonzero(data["material_index"] == material)]))
    rest = data["vertices"].astype(np.float64)
    shapes = tongue_shapes(rest[tongue], np.array([0.0, -1.0, 0.0]), np.array([0.0, 0.0, 1.0]))
    for name, moved in shapes.items():
        if name in obj.data.shape_keys.key_blocks:
            continue
        places = rest.copy()
        places[tongue] += moved
        block = obj.shape_key_add(name=name, from_mix=False)
        block.data.foreach_set("co", places.astype(np.float32).ravel())
        block.value = 0.0


def _rig(context: bpy.types.Context, neck: NDArray[np.float32], head: NDArray[np.float32]) -> bpy.types.Object:
    """Return an armature of chest, neck and head bones.

    Bones can only be made in Edit Mode, so the armature is the active object meanwhile.
    """
    rig = bpy.data.objects.new("Mouthpiece Rig", bpy.data.armatures.new("Mouthpiece Rig"))
    context.scene.collection.objects.link(rig)
    rig.show_in_front, rig.data.display_type = True, "STICK"
    active = context.view_layer.objects.active
    context.view_layer.objects.active = rig
    with context.temp_override(active_object=rig, object=rig, selected_objects=[rig]):
        bpy.ops.object.mode_set(mode="EDIT")
        crown = Vector((0.0, float(head[1]), float(head[2]) + 0.15))
        parent = None
        joints = (("chest", Vector((0.0, 0.01, -0.06)), neck), ("neck", neck, head), ("head", head, crown))
        for name, foot, tip in joints:
            bone = rig.data.edit_bones.new(name)
            bone.head, bone.tail, bone.parent = Vector(foot), Vector(tip), parent
            parent = bone
        bpy.ops.object.mode_set(mode="OBJECT")
    context.view_layer.objects.active = active
    return rig


def _add_weights(obj: bpy.types.Object, vertices: NDArray[np.float32], joint: NDArray[np.float32]) -> None:
    """Add vertex groups with weights for chest, neck and head; the three sum to 1 at every vertex."""
    seam = joint[2] - _SEAM_BELOW + (vertices[:, 1] - joint[1]) * _SEAM_SLOPE
    head = _smoothstep(vertices[:, 2] - seam, *_SEAM_BLEND)
    trunk = 1.0 - _smoothstep(vertices[:, 2], *_NECK_BLEND)
    weights = {"chest": trunk * (1 - head), "neck": (1 - trunk) * (1 - head), "head": head}
    for name, values in weights.items():
        group = obj.vertex_groups.new(name=name)
        steps = np.rint(values * 32).astype(int)
        for step in range(1, 33):
            chosen = np.flatnonzero(steps == step)
            if len(chosen):
                group.add(chosen.tolist(), step / 32, "REPLACE")


def _smoothstep(value: NDArray[np.float32], low: float, high: float) -> NDArray[np.float32]:
    """Return values that rise smoothly from 0 at ``low`` to 1 at ``high``."""
    ramp = np.clip((value - low) / (high - low), 0.0, 1.0)
    return ramp * ramp * (3 - 2 * ramp)


class MOUTHPIECE_OT_add_demo(bpy.types.Operator):
    """Add a head with ARKit shape keys and a rig, and a line for it to speak."""

    bl_idname = "mouthpiece.add_demo"
    bl_label = "Add Demo Character"
    bl_description = "Add a head with ARKit shape keys and a rig, and a line for it to speak"
    bl_options = {"REGISTER", "UNDO"}

    line: BoolProperty(
        name="Add Line", description="Put a spoken line into the sequencer, if that is empty", default=True
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Return whether Object Mode is on: :func:`_rig` has to enter Edit Mode."""
        if context.mode != "OBJECT":
            cls.poll_message_set("Go to Object Mode first")
        return context.mode == "OBJECT"

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Add the character where it is seen, make it active, and choose its head bone and its sound."""
        place = stage.free_place(context, body())
        obj, rig = build(context)
        rig.location = place
        add_camera_and_light(context, place)
        settings, head = context.scene.mouthpiece, obj.mouthpiece_head
        head.turns, head.armature, head.bone = "BONE", rig, "head"
        if self.line:
            strip = add_line(context.scene)
            if strip is not None:
                compat.show_in_sequencers(context.scene)
                settings.source, settings.strip = "STRIP", strip.name
                for remark in timeline.sync(context.scene):
                    self.report({"INFO"}, remark)
        for other in context.selected_objects:
            other.select_set(False)
        obj.select_set(True)
        context.view_layer.objects.active = obj
        stage.show(context)
        return {"FINISHED"}


def _menu(self: bpy.types.Menu, context: bpy.types.Context) -> None:
    """Draw the menu entry."""
    self.layout.operator(MOUTHPIECE_OT_add_demo.bl_idname, text="Talking Head (Mouthpiece Demo)", icon="USER")


_register_classes, _unregister_classes = register_classes_factory((MOUTHPIECE_OT_add_demo,))


def register() -> None:
    """Register the operator and add it to the menu Add."""
    _register_classes()
    bpy.types.VIEW3D_MT_add.append(_menu)


def unregister() -> None:
    """Remove the menu entry and unregister the operator."""
    bpy.types.VIEW3D_MT_add.remove(_menu)
    _unregister_classes()
