"""What turns with a character's head: settings of its main object, which library overrides can change."""

from __future__ import annotations

from typing import Any, Final

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, FloatVectorProperty, PointerProperty, StringProperty
from bpy.utils import register_classes_factory

from .joints import armature_of, head_bone

_OVERRIDE = {"LIBRARY_OVERRIDABLE"}


#: What may turn with a head: items of an EnumProperty.
TURNS: Final = (
    ("NONE", "None", "The face only"),
    ("BONE", "Bone", "A bone of an armature"),
    ("OBJECT", "Object", "An object's delta transform, so that its own transform stays yours"),
)


def _is_armature(_self: Any, obj: bpy.types.Object) -> bool:
    """Poll callback: return whether an object may be chosen."""
    return obj.type == "ARMATURE"


def _propose(self: Any, _context: bpy.types.Context) -> None:
    """Update callback: fill in what probably turns, where nothing is chosen yet."""
    propose(self)


def _propose_bone(self: Any, _context: bpy.types.Context) -> None:
    """Update callback: with another armature, its head bone is proposed if it lacks the bone that was chosen."""
    rig = self.armature
    if rig is not None and rig.pose is not None and self.bone not in rig.pose.bones:
        self.bone = head_bone(rig, self.id_data)


class MOUTHPIECE_PG_head(bpy.types.PropertyGroup):
    """The bone or object that turns with a character's head, and about which point."""

    turns: EnumProperty(
        name="Turns",
        description="What turns with the head",
        items=TURNS,
        override=_OVERRIDE,
        update=_propose,
    )
    armature: PointerProperty(
        name="Armature",
        description="Armature with the head bone",
        type=bpy.types.Object,
        poll=_is_armature,
        override=_OVERRIDE,
        update=_propose_bone,
    )
    bone: StringProperty(name="Bone", description="Bone that turns the head", override=_OVERRIDE)
    object: PointerProperty(name="Object", description="Object that turns", type=bpy.types.Object, override=_OVERRIDE)
    translation: BoolProperty(
        name="Move Head",
        description="Let the head shift a little as well as turn; suits heads without a neck bone",
        override=_OVERRIDE,
    )
    eye_distance: FloatProperty(
        name="Eye Distance",
        description="Distance of the outer eye corners, the unit of head shifts; 0 measures it on the mesh",
        min=0.0,
        subtype="DISTANCE",
        override=_OVERRIDE,
    )
    pivot: EnumProperty(
        name="Pivot",
        description="Point the object turns about. Takes effect when the sound is animated again",
        items=(
            ("AUTO", "Automatic", "The object's origin, or the neck where the origin lies far from the head", 0),
            ("ORIGIN", "Origin", "The object's own origin", 1),
            ("NECK", "Neck", "Where the head sits on the neck, estimated on the face", 2),
            ("OBJECT", "Another Object", "Where another object is, such as an empty", 3),
            ("PLACE", "Place", "A place that was set with the 3D cursor", 4),
        ),
        override=_OVERRIDE,
    )
    pivot_object: PointerProperty(
        name="Pivot Object", description="Object that marks the pivot", type=bpy.types.Object, override=_OVERRIDE
    )
    pivot_place: FloatVectorProperty(
        name="Place", description="Pivot in the space of the object that turns", subtype="XYZ", override=_OVERRIDE
    )


def propose(head: Any) -> None:
    """Choose what probably turns a character's head, where its settings ``head`` have nothing yet.

    For a bone it is the armature the character wears and the bone that is called a head's, for an object the character.
    """
    obj = head.id_data
    if head.turns == "OBJECT" and head.object is None:
        head.object = obj
    if head.turns == "BONE":
        if head.armature is None:
            head.armature = armature_of(obj)
        if head.armature is not None and not head.bone:
            head.bone = head_bone(head.armature, obj)


def is_chosen(obj: bpy.types.Object) -> bool:
    """Return whether anybody chose what turns with an object's head, be it nothing."""
    return bool(obj.mouthpiece_head.is_property_set("turns"))


def object_of(obj: bpy.types.Object) -> bpy.types.Object | None:
    """Return the object whose bone or delta transform turns with a character's head, if any."""
    head = obj.mouthpiece_head
    return {"BONE": head.armature, "OBJECT": head.object}.get(head.turns)


_register_classes, _unregister_classes = register_classes_factory((MOUTHPIECE_PG_head,))


def register() -> None:
    """Register the settings and add them to every object."""
    _register_classes()
    bpy.types.Object.mouthpiece_head = PointerProperty(type=MOUTHPIECE_PG_head, override=_OVERRIDE)


def unregister() -> None:
    """Remove the settings from objects and unregister them."""
    del bpy.types.Object.mouthpiece_head
    _unregister_classes()
