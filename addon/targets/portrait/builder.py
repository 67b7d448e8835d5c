"""Portraits made: a plane that shows a picture, and knows the face in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import bpy

from ..picture_rig import builder as rig_builder
from ..picture_rig import images
from ..picture_rig import mesh as picture_mesh
from ..picture_rig import settings as picture_settings
from ..picture_rig.builder import Made, Wanted

#: Longer side of the picture on its plane, in Blender units.
LONGEST: Final = rig_builder.LONGEST


def make(context: bpy.types.Context, image: bpy.types.Image, wanted: Wanted, longest: float = LONGEST) -> Made:
    """Add a portrait to the scene, active and selected, and return it with remarks.

    Raises PictureError, with nothing added, if the picture or its face cannot be used.
    """
    from mouthpiece.portrait.draw.flatness import LEFT_OUT, is_flat
    from mouthpiece.portrait.find.placement import Placed
    from mouthpiece.portrait.portrait import portrait_of

    placed, warnings = rig_builder.landmarks_for(image, wanted)
    rig_builder.check_face(image, placed)
    colours, factor = images.pixels(image)
    clear = picture_mesh.see_through(colours)
    flat = is_flat(portrait_of(colours, Placed(placed.landmarks / factor)))
    obj = _plane(Path(image.name).stem or "Portrait", image, longest, clear)
    context.collection.objects.link(obj)
    for other in context.selected_objects:
        other.select_set(False)
    obj.select_set(True)
    context.view_layer.objects.active = obj
    obj.mouthpiece_picture.portrait, obj.mouthpiece_picture.image = True, image
    picture_settings.keep(obj, placed)
    obj.mouthpiece_portrait.output = f"//{bpy.path.clean_name(obj.name)}.mp4"
    remark = colours_remark(context.scene)
    warnings += [remark] if remark else []
    if flat:
        obj.mouthpiece_portrait.repair = "NONE"
        warnings.append(f"{LEFT_OUT} It is under Repair.")
    return Made(obj, warnings)


def colours_remark(scene: bpy.types.Scene) -> str:
    """Return what to say where a scene's colour management changes pictures; empty where it does not."""
    transform = scene.view_settings.view_transform
    if transform == "Standard":
        return ""
    return (
        "To see the picture's own colours, set Render > Color Management > View Transform to Standard: "
        f"{transform} changes them."
    )


def _plane(name: str, image: bpy.types.Image, longest: float, clear: bool) -> bpy.types.Object:
    """Return a plane that shows a picture, upright and facing -y, in no collection yet."""
    width, height = (side / max(image.size) * longest / 2 for side in image.size)
    mesh: Any = bpy.data.meshes.new(name)
    corners = [(-width, 0.0, -height), (width, 0.0, -height), (width, 0.0, height), (-width, 0.0, height)]
    mesh.from_pydata(corners, [], [(0, 1, 2, 3)])
    layer = mesh.uv_layers.new(name="UVMap")
    layer.uv.foreach_set("vector", [0.0, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0])
    mesh.materials.append(picture_mesh.unlit(name, image, clear))
    return bpy.data.objects.new(name, mesh)
