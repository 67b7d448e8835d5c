"""Builds a picture rig's mesh, shape keys and materials, and rebuilds the mesh when landmarks are moved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import bmesh
import bpy
import numpy as np

from ... import compat

if TYPE_CHECKING:
    from mouthpiece.retarget.picture.sheet import Sheet

#: Name of the UV map.
_UV: Final = "UVMap"


def new_object(name: str, sheet: Sheet, image: bpy.types.Image, painting: bpy.types.Image, clear: bool) -> Any:
    """Return a new object, in no collection yet, that shows a picture; ``clear``: parts of it are transparent."""
    mesh = bpy.data.meshes.new(name)
    obj = bpy.data.objects.new(name, mesh)
    mesh.from_pydata(sheet.vertices.tolist(), [], [list(face) for face in sheet.faces])
    mesh.materials.append(unlit(name, image, clear))
    mesh.materials.append(unlit(f"{name} Mouth", painting, False))
    obj.shape_key_add(name="Basis", from_mix=False).value = 0.0  # since 5.0 a new key is fully on
    _add_missing_keys(obj, sheet)
    mesh.shape_keys.name = name
    _fill(obj, sheet)
    return obj


def rebuild(obj: bpy.types.Object, sheet: Sheet) -> list[str]:
    """Replace vertices, faces and shapes of a mesh by those of ``sheet``; keys, their animation and materials stay.

    Return the names of the user's own shape keys: their shapes do not fit the new vertices and become the basis.
    """
    mesh: Any = obj.data
    _add_missing_keys(obj, sheet)
    own = [block.name for block in mesh.shape_keys.key_blocks[1:] if block.name not in sheet.moves]
    content = bmesh.new()
    try:
        content.from_mesh(mesh)
        bmesh.ops.delete(content, geom=list(content.verts), context="VERTS")
        shapes = content.verts.layers.shape
        layers = {name: shapes[name] for name in shapes.keys()}
        places = {name: (sheet.vertices + sheet.moves.get(name, 0.0)).tolist() for name in layers}
        vertices = []
        for index, place in enumerate(sheet.vertices.tolist()):
            vertex = content.verts.new(place)
            for name, layer in layers.items():
                vertex[layer] = places[name][index]
            vertices.append(vertex)
        for face in sheet.faces:
            content.faces.new([vertices[index] for index in face])
        content.to_mesh(mesh)
    finally:
        content.free()
    obj.vertex_groups.clear()
    _fill(obj, sheet)
    return own


def _add_missing_keys(obj: bpy.types.Object, sheet: Sheet) -> None:
    """Add the shape keys of a rig that the mesh lacks, at value 0."""
    from mouthpiece.retarget.picture.mouth_modes import key_range

    mesh: Any = obj.data
    have = {block.name for block in mesh.shape_keys.key_blocks}
    for name in sheet.moves:
        if name not in have:
            block = obj.shape_key_add(name=name, from_mix=False)
            block.value = 0.0  # since 5.0 a new key is fully on
            block.slider_min, block.slider_max = key_range(name)


def _fill(obj: bpy.types.Object, sheet: Sheet) -> None:
    """Set UVs, material indices, shapes and vertex groups."""
    mesh: Any = obj.data
    layer = mesh.uv_layers.get(_UV) or mesh.uv_layers.new(name=_UV)
    corners = np.zeros(len(mesh.loops), np.int32)
    mesh.loops.foreach_get("vertex_index", corners)
    layer.uv.foreach_set("vector", np.ascontiguousarray(sheet.texture[corners], np.float32).ravel())
    mesh.polygons.foreach_set("material_index", sheet.painted.astype(np.int32))
    blocks = mesh.shape_keys.key_blocks
    mesh.vertices.foreach_set("co", sheet.vertices.ravel())
    blocks[0].data.foreach_set("co", sheet.vertices.ravel())
    for name, moved in sheet.moves.items():
        blocks[name].data.foreach_set("co", np.ascontiguousarray(sheet.vertices + moved, np.float32).ravel())
    for name, part in sheet.parts.items():
        group = obj.vertex_groups.get(name) or obj.vertex_groups.new(name=name)
        group.add(list(part), 1.0, "REPLACE")
    mesh.update()


def unlit(name: str, image: bpy.types.Image, clear: bool) -> bpy.types.Material:
    """Return a new material that shows an image without lighting, in Workbench, Eevee and Cycles.

    ``clear`` is whether parts of the image are transparent.
    """
    material = bpy.data.materials.new(name)
    tree = compat.ensure_material_nodes(material)
    tree.nodes.clear()
    texture = tree.nodes.new("ShaderNodeTexImage")
    texture.image, texture.extension = image, "EXTEND"
    light = tree.nodes.new("ShaderNodeEmission")
    output = tree.nodes.new("ShaderNodeOutputMaterial")
    for number, node in enumerate((texture, light, output)):
        node.location = (number * 300 - 400, 0)
    tree.links.new(texture.outputs["Color"], light.inputs["Color"])
    surface = light.outputs["Emission"]
    if clear:
        nothing, mix = tree.nodes.new("ShaderNodeBsdfTransparent"), tree.nodes.new("ShaderNodeMixShader")
        nothing.location, mix.location, output.location = (-100, -150), (100, 0), (300, 0)
        tree.links.new(texture.outputs["Alpha"], mix.inputs[0])
        tree.links.new(nothing.outputs[0], mix.inputs[1])
        tree.links.new(surface, mix.inputs[2])
        surface = mix.outputs[0]
    tree.links.new(surface, output.inputs["Surface"])
    tree.nodes.active = texture  # Workbench shows the active texture node
    return material


def see_through(colours: Any) -> bool:
    """Return whether parts of a picture (H, W, 4) are transparent."""
    return bool((colours[..., 3] < 255).any())
