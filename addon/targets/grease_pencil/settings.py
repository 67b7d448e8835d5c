"""Settings of a drawn face, stored with its object: plane and handles, parts of its layers, timing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import bpy
from bpy.props import (
    CollectionProperty,
    EnumProperty,
    FloatProperty,
    FloatVectorProperty,
    IntProperty,
    PointerProperty,
    StringProperty,
)
from bpy.utils import register_classes_factory

if TYPE_CHECKING:
    from mouthpiece.retarget.drawing.strokes import FacePart

_OVERRIDE = {"LIBRARY_OVERRIDABLE"}
_PARTS: Final = (
    ("FACE", "Face", "Goes with the face: lips, lids, brows, jaw; pupils are found between the lids", "MONKEY", 0),
    ("HEAD", "Head Only", "Goes with the head as a whole: hair, ears, hats", "OUTLINER_OB_ARMATURE", 1),
    ("UPPER", "Upper Teeth", "Inside the mouth, with the skull; covered by the lips", "TRIA_DOWN", 2),
    ("LOWER", "Lower Teeth", "Inside the mouth, with the jaw; covered by the lips", "TRIA_UP", 3),
    ("TONGUE", "Tongue", "Inside the mouth, with the jaw, and up at t, n, l and th", "SORT_DESC", 7),
    ("PUPIL_RIGHT", "Right Pupil", "Goes with the character's right eye, covered by its lids", "HIDE_OFF", 4),
    ("PUPIL_LEFT", "Left Pupil", "Goes with the character's left eye, covered by its lids", "HIDE_OFF", 5),
    ("OUT", "Leave Out", "Gets no drawings", "X", 6),
)
#: Patterns in layer names, and the part of the face they suggest.
_WORDS: Final = (
    (r"tongue", "TONGUE"),
    (r"teeth.*(low|bot|down)|(low|bot|down).*teeth", "LOWER"),
    (r"teeth|tooth|palate", "UPPER"),
    (r"\b(hair|ears?|hat|cap|helmet|horns?)\b", "HEAD"),
    (r"\b(body|torso|neck|shoulders?|shirt|clothes|back ?ground|bg)\b", "OUT"),
)
TIMINGS: Final = (
    ("ONES", "On Ones", "A new drawing on every frame on which something has changed"),
    ("TWOS", "On Twos", "A new drawing on every second frame, as most hand-drawn animation has it"),
    ("THREES", "On Threes", "A new drawing on every third frame"),
    ("CHANGE", "On Change", "A new drawing when the face has changed enough"),
)
STEPS: Final = {"ONES": 1, "TWOS": 2, "THREES": 3, "CHANGE": 1}
_OWN: Final = (
    ("KEEP", "Keep", "Drawings of yours on frames of the take stay as they are; so do those of the take you changed"),
    ("WARP", "Warp", "Your drawings on frames of the take speak too: they are laid aside until the take is removed. "
     "Drawings of the take that you changed are made anew"),
)  # fmt: skip
_MOUTHS: Final = (
    ("AUTO", "By Handles", "Open if the handles of the inner lips are apart"),
    ("SHUT", "Shut", "The mouth is drawn at rest: what is open stays open"),
    ("OPEN", "Open", "The mouth is drawn open, with what is inside: it is shut when nothing is said"),
)

#: Poses to try handles with: (name, label, what the user sees).
POSES: Final = (
    ("LINE", "Line at Playhead", "What the line at the current frame does, as it is adjusted"),
    ("OPEN", "Mouth Open", "Jaw down: lips part, the chin follows"),
    ("WIDE", "Smile", "Corners of the mouth out and up"),
    ("ROUND", "Rounded", "Lips rounded, as in oo"),
    ("BLINK", "Blink", "Lids shut: nothing of the eyes is left to see"),
    ("BROWS", "Brows Up", "Brows raised"),
    ("LEFT", "Turn", "Head turned to the left of the picture, looking there"),
    ("ROLL", "Tilt", "Head tilted to the right of the picture"),
)


class MOUTHPIECE_PG_layer_part(bpy.types.PropertyGroup):
    """The part of the face that a layer is; ``name`` is the layer's name."""

    part: EnumProperty(name="FacePart", description="What the layer is of the face", items=_PARTS, override=_OVERRIDE)


class MOUTHPIECE_PG_strokes(bpy.types.PropertyGroup):
    """Settings of a drawn face."""

    handles: PointerProperty(
        name="Handles",
        description="Mesh whose 68 points lie on the face",
        type=bpy.types.Object,
        poll=lambda self, obj: obj.type == "MESH",
        override=_OVERRIDE,
    )
    plane: FloatVectorProperty(name="Plane", size=9, override=_OVERRIDE)
    found_by: StringProperty(name="Found By", override=_OVERRIDE)
    layers: CollectionProperty(type=MOUTHPIECE_PG_layer_part, override={"LIBRARY_OVERRIDABLE", "USE_INSERTION"})
    layers_index: IntProperty(name="Active", override=_OVERRIDE)
    timing: EnumProperty(
        name="Timing", description="When there is a new drawing", items=TIMINGS, default="TWOS", override=_OVERRIDE
    )
    change: FloatProperty(
        name="Change",
        description="Least motion that makes a new drawing, as a share of the distance between the eyes' outer corners",
        default=0.02,
        min=0.001,
        max=0.5,
        precision=3,
        step=1,
        override=_OVERRIDE,
    )
    head: FloatProperty(
        name="Head",
        description="How much of the head's turning shows: tilts in the plane, nods and turns as shifts by depth",
        default=1.0,
        min=0.0,
        max=2.0,
        override=_OVERRIDE,
    )
    mouth: EnumProperty(name="Mouth Drawn", description="How the mouth is drawn", items=_MOUTHS, override=_OVERRIDE)
    inside: PointerProperty(
        name="Inside",
        description="Material of the drawing with which a mouth drawn as one line is filled when it opens",
        type=bpy.types.Material,
        poll=lambda self, material: material.grease_pencil is not None and material.name in self.id_data.data.materials,
    )
    pose: EnumProperty(name="Try", description="Pose that is shown over the viewport", items=POSES)
    own: EnumProperty(name="My Drawings", description="What becomes of yours", items=_OWN, override=_OVERRIDE)


def guessed(name: str) -> str:
    """Return the part of the face that a layer of that name most likely is."""
    lower = name.lower().replace("_", " ")
    return next((part for pattern, part in _WORDS if re.search(pattern, lower)), "FACE")


def part_names(obj: bpy.types.Object) -> dict[str, str]:
    """Return the part of each layer of a drawing by layer name: from the table of layers, else guessed."""
    listed = {entry.name: entry.part for entry in obj.mouthpiece_strokes.layers}
    return {layer.name: listed.get(layer.name) or guessed(layer.name) for layer in obj.data.layers}


def parts_of(obj: bpy.types.Object) -> Iterator[tuple[Any, FacePart]]:
    """Yield the layers that are not left out, each with its part of the face."""
    from mouthpiece.retarget.drawing.strokes import FacePart

    names = part_names(obj)
    for layer in obj.data.layers:
        if names[layer.name] != "OUT":
            yield layer, FacePart[names[layer.name]]


def list_layers(obj: bpy.types.Object) -> None:
    """Update the table of layers: one row for every layer, the topmost first."""
    table = obj.mouthpiece_strokes.layers
    names = part_names(obj)
    unlisted = [layer.name for layer in obj.data.layers if layer.name not in table]
    gone = [row for row in table if row.name not in names]
    if len(unlisted) == len(gone) == 1 and len(table) == len(names):  # one layer was renamed
        names[unlisted[0]] = gone[0].part
    table.clear()
    for name in reversed(names):
        row = table.add()
        row.name, row.part = name, names[name]


def is_listed(obj: bpy.types.Object) -> bool:
    """Return whether the table lists exactly the present layers."""
    table = obj.mouthpiece_strokes.layers
    return [row.name for row in table] == [layer.name for layer in reversed(obj.data.layers)]


_register_classes, _unregister_classes = register_classes_factory((MOUTHPIECE_PG_layer_part, MOUTHPIECE_PG_strokes))


def register() -> None:
    """Register the settings and add them to every object."""
    _register_classes()
    bpy.types.Object.mouthpiece_strokes = PointerProperty(type=MOUTHPIECE_PG_strokes, override=_OVERRIDE)


def unregister() -> None:
    """Remove the settings from objects and unregister them."""
    del bpy.types.Object.mouthpiece_strokes
    _unregister_classes()
