"""Builds portraits: a plane that shows a picture, with the landmarks of the face in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import bpy

from ..picture_rig import builder as rig_builder
from ..picture_rig import images
from ..picture_rig import mesh as picture_mesh
from ..picture_rig import settings as picture_settings
from ..picture_rig.builder import MadeRig, WantedFace

#: Longer side of the picture on its plane, in Blender units.
LONGEST: Final = rig_builder.LONGEST


def make(context: bpy.types.Context, image: bpy.types.Image, wanted: WantedFace, longest: float = LONGEST) -> MadeRig:
    """Add a portrait to the scene, active and selected, and return it with warnings.

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
    rig_builder.add_to_scene(context, obj)
    obj.mouthpiece_picture.portrait, obj.mouthpiece_picture.image = True, image
    picture_settings.keep(obj, placed)
    obj.mouthpiece_portrait.output = f"//{bpy.path.clean_name(obj.name)}.mp4"
    warnings += rig_builder.colours_remarks(context.scene)
    if flat:
        obj.mouthpiece_portrait.repair = "NONE"
        warnings.append(f"{LEFT_OUT} It is under Repair.")
    return MadeRig(obj, warnings)


def _plane(name: str, image: bpy.types.Image, longest: float, clear: bool) -> bpy.types.Object:
    """Return a new plane that shows a picture, upright and facing -Y, in no collection yet."""
    width, height = (side / max(image.size) * longest / 2 for side in image.size)
    mesh: Any = bpy.data.meshes.new(name)
    corners = [(-width, 0.0, -height), (width, 0.0, -height), (width, 0.0, height), (-width, 0.0, height)]
    mesh.from_pydata(corners, [], [(0, 1, 2, 3)])
    layer = mesh.uv_layers.new(name="UVMap")
    layer.uv.foreach_set("vector", [0.0, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0])
    mesh.materials.append(picture_mesh.unlit(name, image, clear))
    return bpy.data.objects.new(name, mesh)
