"""Settings of a portrait, stored with its object: consent, how and where frames are rendered, what the plane shows.

Its picture and landmarks are in the settings of picture rigs (``addon.targets.picture_rig.settings``).
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatVectorProperty, IntProperty, PointerProperty, StringProperty
from bpy.utils import register_classes_factory
from mouthpiece.errors import ModelError, PictureError

from . import plane

if TYPE_CHECKING:
    from mouthpiece.portrait.consent import Consent
    from mouthpiece.portrait.draw.generator import Generator


class MOUTHPIECE_PG_portrait(bpy.types.PropertyGroup):
    """Settings of a portrait."""

    consent: BoolProperty(
        name="Consent Given",
        description="The person shown agrees to what is made of this picture, or nobody is shown. Needed for rendering",
    )
    kind: EnumProperty(
        name="Reason",
        description="Why this face may be made to talk",
        items=(
            ("STATED", "See Statement", "As the statement says"),
            ("OWN", "It Is Mine", "The face is that of whoever makes the statement"),
            ("PERMISSION", "Permission", "The person shown, or who may decide for them, has agreed"),
            ("NOBODY", "Nobody Real", "A drawing, a painting, a doll, an animal or an invented face"),
            ("HISTORICAL", "Historical", "A person of the past; the result does not pretend to be a recording"),
        ),
    )
    statement: StringProperty(
        name="Statement",
        description="In a sentence: whose face this is, and who agreed to what. It is written into what is rendered",
    )
    by: StringProperty(
        name="Your Name", description="Who makes the statement; may be left empty. It is written into what is rendered"
    )
    mark: BoolProperty(name="Visible Mark", description="Write into a corner of every frame that it is synthetic")
    repair: EnumProperty(
        name="Repair",
        description="What the warped picture is given: mouth, lids and seams",
        items=(
            ("SHIPPED", "Network", "The network that comes with Mouthpiece: photos, and paintings like photos"),
            ("NONE", "None", "The warp alone: paintings, cartoons and illustrations keep their strokes"),
            ("FILE", "Own Network", "A network of your own (.onnx, with its .onnx.json beside it)"),
        ),
    )
    generator: StringProperty(
        name="Network", description="Network that repairs the face (.onnx)", subtype="FILE_PATH",
        options={"PATH_SUPPORTS_BLEND_RELATIVE"},
    )  # fmt: skip
    background: FloatVectorProperty(
        name="Background",
        description="What see-through pictures stand on in films; frames stay see-through",
        subtype="COLOR_GAMMA",
        size=3,
        min=0.0,
        max=1.0,
        default=(1.0, 1.0, 1.0),
    )
    media: EnumProperty(
        name="Render",
        description="What is made",
        items=(
            ("VIDEO", "Video", "A film with the sound of the lines", "FILE_MOVIE", 0),
            ("FRAMES", "Frames", "A folder of PNG pictures, one a frame", "RENDERLAYERS", 1),
        ),
    )
    output: StringProperty(
        name="Output",
        description="Film (.mp4, .mov), or folder of frames, or their name (face_####.png); // is this file's folder",
        subtype="FILE_PATH",
        options={"PATH_SUPPORTS_BLEND_RELATIVE"},
    )
    longest: IntProperty(
        name="Longest Side",
        description="Longer side of the frames in pixels; 0 for as many as the picture has, but 3840 at most",
        min=0,
        max=3840,
        subtype="PIXEL",
    )
    span: EnumProperty(
        name="Frames",
        description="Which frames of the scene are rendered",
        items=(
            ("LINES", "Lines", "From the first frame on which something is spoken to the last"),
            ("SCENE", "Scene", "The scene's frame range; where nothing is spoken the face holds still"),
        ),
    )
    keep_frames: BoolProperty(
        name="Keep Frames", description="Keep the pictures a film is made of, in a folder beside it"
    )
    sequencer: BoolProperty(
        name="Add to Sequencer", description="Put the result into the sequencer, with its sound", default=True
    )
    plane: BoolProperty(name="Show on Plane", description="Have the portrait's plane show the result", default=True)
    follow: BoolProperty(
        name="Follow Playhead",
        description="Show the frame at the playhead on the plane, and again when line or landmarks change",
        update=plane.followed,
    )
    shown: EnumProperty(
        name="Plane Shows",
        description="What the portrait's plane shows",
        items=(
            ("STILL", "Picture", "The picture as it is"),
            ("PREVIEW", "Preview", "The frame that was previewed last"),
            ("FRAMES", "Rendered", "The frames or the film rendered last"),
        ),
        update=plane.chosen,
    )
    preview: PointerProperty(name="Preview", description="The frame previewed last", type=bpy.types.Image)
    rendered: PointerProperty(name="Rendered", description="The frames or the film rendered last", type=bpy.types.Image)
    first: IntProperty(name="First", description="Frame of the scene on which what is rendered begins")
    last: IntProperty(name="Last", description="Frame of the scene on which it ends")


def generator_of(obj: bpy.types.Object) -> Generator | None:
    """Return the network that repairs a portrait's face; None if the picture is only warped.

    Raises ModelError if the network cannot be used.
    """
    from mouthpiece.portrait.draw.generator import load_generator

    settings = obj.mouthpiece_portrait
    if settings.repair == "FILE":
        if not settings.generator.strip():
            raise ModelError(
                "No network is chosen under Repair. Choose an .onnx file, or Network instead of Own Network."
            )
        return load_generator(Path(bpy.path.abspath(settings.generator)))
    return _shipped() if settings.repair == "SHIPPED" else None


@lru_cache(maxsize=1)
def _shipped() -> Generator | None:
    """Return the shipped network, loaded once."""
    from mouthpiece.portrait.draw.generator import shipped_generator

    return shipped_generator()


def not_editable(obj: Any) -> str:
    """Return why a portrait may not be changed; empty if it may."""
    if any(block.library is not None or block.override_library is not None for block in (obj, obj.data)):
        return f"'{obj.name}' is linked. Make it local, mesh and all: a portrait keeps its lines with them"
    return ""


def consent_of(obj: bpy.types.Object) -> Consent:
    """Return the consent given for a portrait; raises MouthpieceError if it is missing or incomplete."""
    from mouthpiece.portrait.consent import Consent

    settings = obj.mouthpiece_portrait
    if not settings.consent:
        raise PictureError(
            f"No consent is given for '{obj.name}'. Tick Consent Given and state who agreed, or that nobody real is "
            "shown: it is written into what is rendered."
        )
    return Consent(settings.statement, settings.kind.lower(), settings.by)


_register, _unregister = register_classes_factory((MOUTHPIECE_PG_portrait,))


def register() -> None:
    """Register the settings and add them to every object."""
    _register()
    bpy.types.Object.mouthpiece_portrait = PointerProperty(type=MOUTHPIECE_PG_portrait)


def unregister() -> None:
    """Remove the settings from objects and unregister them."""
    del bpy.types.Object.mouthpiece_portrait
    _unregister()
