"""Builds and rebuilds picture rigs from an image and landmarks, for the operators and the command line."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import bpy
from mathutils import Matrix, Vector
from mouthpiece.errors import PictureError, RigError

from ... import previews
from ..shape_keys.target import editable_keys
from . import images
from . import mesh as picture_mesh
from . import settings as picture_settings

if TYPE_CHECKING:
    from mouthpiece.portrait.find.placement import Placed
    from mouthpiece.portrait.find.search import FaceRequest, Sighting
    from mouthpiece.retarget.picture.keys import PictureRig

#: Longer side of a picture in Blender units.
LONGEST: Final = 2.0
#: Range of the longer side of a new camera's resolution, in pixels; within it, it is that of the picture.
_LEAST_VIDEO, _MOST_VIDEO = 512, 1920
#: Rotation of a camera that looks along +Y, as cameras look along their own -Z.
_TOWARDS: Final = Matrix.Rotation(1.5707963, 4, "X")
#: What to do where no face is found.
_BY_HAND: Final = (
    "Place it yourself: choose By Hand, then click the eyes and the corners of the mouth (on the command line, "
    "--points)."
)


@dataclass(frozen=True, slots=True)
class WantedFace:
    """Where landmarks come from: ``placed``, else a file, else a template (``by_hand``), else the detector.

    ``face`` says which face is meant, 1 for the largest.
    """

    face: int = 1
    landmarks: str = ""
    by_hand: bool = False
    placed: Placed | None = None


@dataclass(slots=True)
class MadeRig:
    """A new picture rig or portrait, and warnings."""

    rig: bpy.types.Object
    warnings: list[str] = field(default_factory=list)


def landmarks_for(image: bpy.types.Image, wanted: WantedFace) -> tuple[Placed, list[str]]:
    """Return landmarks in pixels of a picture, and remarks; raises PictureError if there are none."""
    from mouthpiece.portrait.find.placement import placed_in_box, read_points
    from mouthpiece.portrait.find.search import FaceRequest

    width, height = image.size
    remarks = images.remarks(image)
    if wanted.placed is not None:
        return wanted.placed, remarks
    if wanted.landmarks:
        return read_points(Path(bpy.path.abspath(wanted.landmarks)), width, height, wanted.face - 1), remarks
    if wanted.by_hand:
        side = 0.28 * min(width, height)
        return placed_in_box(width / 2 - side, height / 2 - side, width / 2 + side, height / 2 + side), remarks
    sighting = found_in(image, FaceRequest(wanted.face, by_hand=_BY_HAND))
    return sighting.placed[0], [*remarks, *sighting.remarks]


def found_in(image: bpy.types.Image, request: FaceRequest) -> Sighting:
    """Return the faces that are asked for of an image; raises PictureError if there are none."""
    from mouthpiece.portrait.find.search import sight_in

    colours = images.looked_at(image)
    if not colours[..., 3].any():
        raise PictureError(
            f"Nothing is to be seen in '{image.name}': all of it is transparent. If it should not be, it is damaged or "
            "of a kind Blender does not show, such as an animated WebP: save it as PNG."
        )
    return sight_in(colours, (image.size[0], image.size[1]), request, image.name)


def make(context: bpy.types.Context, image: bpy.types.Image, wanted: WantedFace, longest: float = LONGEST) -> MadeRig:
    """Add a picture rig to the scene, active and selected, and return it.

    Raises PictureError, with nothing added, if the picture or its face cannot be used.
    """
    placed, warnings = landmarks_for(image, wanted)
    rig = rig_for(image, placed)
    colours = images.pixels(image)[0]
    obj = _object(image, rig, colours, longest)
    add_to_scene(context, obj)
    picture_settings.keep(obj, placed)
    return MadeRig(obj, warnings + colours_remarks(context.scene))


def add_to_scene(context: bpy.types.Context, obj: bpy.types.Object) -> None:
    """Link an object into the active collection, and make it active and the only selected one."""
    context.collection.objects.link(obj)
    for other in context.selected_objects:
        other.select_set(False)
    obj.select_set(True)
    context.view_layer.objects.active = obj


def colours_remarks(scene: bpy.types.Scene) -> list[str]:
    """Return a remark if a scene's colour management changes the colours of pictures; else an empty list."""
    transform = scene.view_settings.view_transform
    if transform == "Standard":
        return []
    return [
        "To see the picture's own colours, set Render > Color Management > View Transform to Standard: "
        f"{transform} changes them."
    ]


def rig_for(image: bpy.types.Image, placed: Placed) -> PictureRig:
    """Return the data of the rig for a picture and landmarks; raises PictureError if the landmarks are no face."""
    from mouthpiece.retarget.picture.face import picture_face
    from mouthpiece.retarget.picture.keys import rig_of

    return rig_of(picture_face(image.size[0], image.size[1], placed.landmarks, placed.irises))


def _object(image: bpy.types.Image, rig: PictureRig, colours: Any, longest: float) -> Any:
    """Return a new object for a rig, in no collection yet; its longer side is ``longest`` Blender units."""
    from mouthpiece.retarget.picture.sheet import laid_out

    name = Path(image.name).stem or "Picture"
    painting = images.paint(f"{name} Mouth", painted(rig, colours))
    obj = picture_mesh.new_object(name, laid_out(rig, longest), image, painting, picture_mesh.see_through(colours))
    settings = obj.mouthpiece_picture
    settings.image, settings.painting = image, painting
    return obj


def painted(rig: PictureRig, colours: Any) -> Any:
    """Return the painted inside of a rig's mouth, (H, W, 4), for its picture's colours at any resolution."""
    from mouthpiece.retarget.picture.mouth_paint import mouth_painting

    return mouth_painting(images.over_white(colours), rig)


def remake(obj: bpy.types.Object, placed: Placed) -> list[str]:
    """Rebuild a rig's mesh for other landmarks, with its shape keys and animation, and return remarks.

    For a portrait, only the landmarks are stored. Raises PictureError or RigError, with nothing changed, if the
    landmarks or the mesh cannot be used.
    """
    from mouthpiece.retarget.picture.sheet import laid_out

    if picture_settings.is_portrait(obj):
        check_face(picture_settings.picture_of(obj), placed)
        picture_settings.keep(obj, placed)
        previews.changed(obj)
        return []
    editable_keys(obj)
    if obj.mode != "OBJECT":
        raise RigError(f"'{obj.name}' is being edited. Leave Edit Mode (Tab) first.")
    image = picture_settings.picture_of(obj)
    rig = rig_for(image, placed)
    own = picture_mesh.rebuild(obj, laid_out(rig, longest_of(obj)))
    colours = images.pixels(image)[0]
    settings = obj.mouthpiece_picture
    settings.painting = images.paint(f"{obj.name} Mouth", painted(rig, colours), settings.painting)
    picture_settings.keep(obj, placed)
    return [f"Shape keys of your own have lost their shape: {', '.join(own)}"] if own else []


def check_face(image: bpy.types.Image, placed: Placed) -> None:
    """Raise PictureError if landmarks are not those of a face within the picture."""
    from mouthpiece.retarget.picture.face import picture_face

    picture_face(image.size[0], image.size[1], placed.landmarks, placed.irises)


def longest_of(obj: bpy.types.Object) -> float:
    """Return the longer side of a rig or portrait in the object's own units."""
    import numpy as np

    mesh: Any = obj.data
    points = mesh.vertices if mesh.shape_keys is None else mesh.shape_keys.reference_key.data
    places = np.zeros(3 * len(points), np.float32)
    points.foreach_get("co", places)
    return float(np.ptp(places.reshape(-1, 3), axis=0).max())


def add_camera(context: bpy.types.Context, obj: bpy.types.Object) -> None:
    """Add an orthographic camera that shows a rig or portrait, with its aspect ratio, unless the scene has a camera."""
    scene = context.scene
    if scene.camera is not None:
        return
    camera = bpy.data.objects.new(f"{obj.name} Camera", bpy.data.cameras.new(f"{obj.name} Camera"))
    width, height = picture_settings.picture_of(obj).size
    camera.data.type = "ORTHO"
    camera.data.ortho_scale = longest_of(obj) * max(obj.scale)
    place = obj.matrix_world @ Vector((0.0, -2.0 * longest_of(obj), 0.0))
    camera.matrix_world = Matrix.Translation(place) @ obj.matrix_world.to_3x3().normalized().to_4x4() @ _TOWARDS
    scene.collection.objects.link(camera)
    scene.camera = camera
    render = scene.render
    longest = min(max(width, height, _LEAST_VIDEO), _MOST_VIDEO)
    # video formats need even numbers
    sides = [max(4, round(longest * side / max(width, height) / 2) * 2) for side in (width, height)]
    render.resolution_x, render.resolution_y = sides


def show_colours(scene: bpy.types.Scene) -> None:
    """Set a scene up to render with Workbench, which then shows pictures in their own colours."""
    shown: Any = scene
    shown.render.engine = "BLENDER_WORKBENCH"
    shown.view_settings.view_transform = "Standard"
    shown.display.shading.light, shown.display.shading.color_type = "FLAT", "TEXTURE"
