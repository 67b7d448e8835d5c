"""The mapping table of an armature: what each of its face bones follows. It is stored with the object."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy
from bpy.props import (
    BoolProperty,
    CollectionProperty,
    EnumProperty,
    FloatProperty,
    IntProperty,
    PointerProperty,
    StringProperty,
)
from bpy.utils import register_classes_factory
from mouthpiece.errors import RigError

from ... import compat

if TYPE_CHECKING:
    from mouthpiece.retarget.bones.mapping import Link

_OVERRIDE = {"LIBRARY_OVERRIDABLE"}
_FIELDS = ("source", "bone", "channel", "axis", "gain", "space", "point", "watch")


def _sources(_: Any, __: bpy.types.Context, typed: str) -> list[str]:
    """Return what bones can follow, for the search field: only the controls until something is typed."""
    from mouthpiece.retarget.bones.controls import CONTROLS, sources

    names = sources() if typed else tuple(CONTROLS)
    return [name for name in names if typed.lower() in name.lower()]


class MOUTHPIECE_PG_bone_link(bpy.types.PropertyGroup):
    """One entry of the table: a bone and what it follows."""

    use: BoolProperty(name="Use", description="Let this bone follow", default=True, override=_OVERRIDE)
    source: StringProperty(
        name="Follows",
        description="Control, amount, direction of a control (lip_corner.L:up) or ARKit shape the bone follows",
        search=_sources,
        search_options={"SUGGESTION"},
        override=_OVERRIDE,
    )
    bone: StringProperty(name="Bone", description="Bone that gets the keys", override=_OVERRIDE)
    channel: EnumProperty(
        name="Channel",
        description="What of the bone is keyed",
        items=(
            ("LOCATION", "Location", "The bone shifts"),
            ("ROTATION", "Rotation", "The bone turns: with the jaw or the eyes, or so that its tip follows"),
            ("SCALE", "Scale", "The bone is scaled, by 1 + gain for each unit of what it follows"),
        ),
        override=_OVERRIDE,
    )
    axis: EnumProperty(
        name="Axis",
        description="Axis that counts: of the character (X its left, Y backwards, Z up), or in Local space of the bone",
        items=(("ALL", "All", "All three"), ("X", "X", ""), ("Y", "Y", ""), ("Z", "Z", "")),
        override=_OVERRIDE,
    )
    gain: FloatProperty(
        name="Gain",
        description="Factor on the motion; in Local space units of the channel for one unit of what is followed",
        default=1.0,
        soft_min=-3.0,
        soft_max=3.0,
        override=_OVERRIDE,
    )
    space: EnumProperty(
        name="Space",
        description="Whose motion it is",
        items=(
            ("FACE", "Face", "The motion wanted on the face, brought into the bone's channels whatever its rest pose"),
            ("LOCAL", "Local", "The numbers go into the bone's channels as they are"),
        ),
        override=_OVERRIDE,
    )
    point: EnumProperty(
        name="End",
        description="Which end of the bone is to be where the control is",
        items=(("HEAD", "Head", ""), ("TAIL", "Tail", "")),
        override=_OVERRIDE,
    )
    watch: StringProperty(
        name="Watch",
        description="Another bone, moved by this one, that is to be where the control is; empty for this one",
        override=_OVERRIDE,
    )


class MOUTHPIECE_PG_bones(bpy.types.PropertyGroup):
    """The mapping table of an armature, and the size of its face."""

    links: CollectionProperty(type=MOUTHPIECE_PG_bone_link, override={"LIBRARY_OVERRIDABLE", "USE_INSERTION"})
    active: IntProperty(override=_OVERRIDE)
    profile: StringProperty(name="Profile", description="Where the table came from", override=_OVERRIDE)
    eye_distance: FloatProperty(
        name="Eye Distance",
        description="Distance of the outer eye corners, the unit of all motion; 0 measures it on the bones",
        min=0.0,
        subtype="DISTANCE",
        override=_OVERRIDE,
    )


def locked_bones(rig: bpy.types.Object) -> tuple[str, ...]:
    """Return the bones whose location and rotation are locked: the rig moves them itself, so they are never keyed."""
    return tuple(bone.name for bone in rig.pose.bones if all(bone.lock_location) and all(bone.lock_rotation))


def links_in(rig: bpy.types.Object) -> tuple[Link, ...]:
    """Return the entries of a table that are in use; raises RigError if one is invalid."""
    from mouthpiece.retarget.bones.mapping import Link

    used = [entry for entry in rig.mouthpiece_bones.links if entry.use]
    # properties are 32-bit floats, in which 1.2 is 1.2000000477
    values = [{name: getattr(entry, name) for name in _FIELDS} | {"gain": round(entry.gain, 6)} for entry in used]
    return tuple(Link(**fields) for fields in values)


def fill(rig: bpy.types.Object, links: Iterable[Link], profile: str) -> None:
    """Replace the entries of an armature's table by ``links``.

    In a library override, entries from the library cannot be removed: those that are not in ``links`` are switched off.
    """
    compat.allow_overrides(rig)
    settings = rig.mouthpiece_bones
    for index in reversed(range(len(settings.links))):
        removed(settings, index)
    kept = {(entry.source, entry.bone, entry.channel): entry for entry in settings.links}
    for link in links:
        put(kept.get((link.source, link.bone, link.channel)) or settings.links.add(), link)
    settings.active, settings.profile = 0, profile


def removed(settings: Any, index: int) -> bool:
    """Remove an entry and return whether that was possible; in an override, one from the library is switched off."""
    try:
        settings.links.remove(index)
    except (TypeError, RuntimeError):
        settings.links[index].use = False
        return False
    return True


def put(entry: Any, link: Link) -> None:
    """Set all fields of an entry."""
    # library overrides identify added entries by their name
    entry.name, entry.use = f"{link.source} > {link.bone} {link.channel}", True
    for name in _FIELDS:
        setattr(entry, name, getattr(link, name))


def mirrored(link: Link, bones: Iterable[str]) -> Link | None:
    """Return the entry for the other side of the face; None if there is no such bone.

    The bones of both sides are assumed to be mirrored as Blender's Symmetrize does it: in their own axes, the motion of
    one is that of the other with location X and rotation Y and Z negated.
    """
    names = set(bones)
    flip = bpy.utils.flip_name
    source, bone = _other_source(link.source), flip(link.bone)
    if bone == link.bone or bone not in names:
        return None
    watch = flip(link.watch) if flip(link.watch) in names else link.watch
    gain = link.gain
    if link.space == "LOCAL" and link.axis != "ALL":
        sideways = link.axis == "X" if link.channel == "LOCATION" else link.axis in "YZ"
        reverses = sideways and link.channel != "SCALE"
        gain = -gain if reverses != _reverses(link.source) else gain
    return replace(link, source=source, bone=bone, watch=watch, gain=gain)


def _other_source(source: str) -> str:
    """Return the source that corresponds to ``source`` on the other side of the face."""
    name, colon, way = source.partition(":")
    for one, other in (("Left", "Right"), ("Right", "Left"), (".L", ".R"), (".R", ".L")):
        if name.endswith(one):
            return name.removesuffix(one) + other + colon + way
    return source


def _reverses(source: str) -> bool:
    """Return whether a source has the opposite sign on the other side of the face."""
    return source.endswith((":left", "gaze_left"))


def mirror(rig: bpy.types.Object, which: str) -> int:
    """Mirror the active entry (``which`` is ACTIVE), or all of the LEFT or RIGHT side; return how many were mirrored.

    Raises RigError if an entry is invalid.
    """
    from mouthpiece.retarget.bones.mapping import Link

    settings = rig.mouthpiece_bones
    chosen = settings.links[settings.active : settings.active + 1] if which == "ACTIVE" else list(settings.links)
    count = 0
    for link in [Link(**{name: getattr(entry, name) for name in _FIELDS}) for entry in chosen]:
        other = mirrored(link, rig.data.bones.keys())
        if other is None or which not in ("ACTIVE", _side(link.bone)):
            continue
        same = (e for e in settings.links if (e.bone, e.channel, e.source) == (other.bone, other.channel, other.source))
        put(next(same, None) or settings.links.add(), other)
        count += 1
    return count


def _side(bone: str) -> str:
    """Return LEFT or RIGHT, by the letter in which a bone's name and its flipped name differ; empty for the middle."""
    differing = next((a for a, b in zip(bone, bpy.utils.flip_name(bone), strict=False) if a != b), "")
    return {"l": "LEFT", "r": "RIGHT"}.get(differing.lower(), "")


def load(rig: bpy.types.Object, path: Path) -> tuple[str, ...]:
    """Fill an armature's table from a file; return the bones that the armature lacks, whose entries are left out.

    Raises RigError, with the table unchanged, if the file is not a mapping or the armature has none of its bones.
    """
    from mouthpiece.retarget.bones.mapping import read

    links = read(path)
    names = set(rig.data.bones.keys())
    fitting = [link for link in links if link.bone in names and (not link.watch or link.watch in names)]
    if not fitting:
        raise RigError(f"'{rig.name}' has none of the bones in '{path.name}'. Load the mapping of this kind of rig.")
    fill(rig, fitting, path.stem)
    return tuple(dict.fromkeys(link.bone for link in links if link not in fitting))


_register_classes, _unregister_classes = register_classes_factory((MOUTHPIECE_PG_bone_link, MOUTHPIECE_PG_bones))


def register() -> None:
    """Register the table and add it to every object."""
    _register_classes()
    bpy.types.Object.mouthpiece_bones = PointerProperty(type=MOUTHPIECE_PG_bones, override=_OVERRIDE)


def unregister() -> None:
    """Remove the table from objects and unregister it."""
    del bpy.types.Object.mouthpiece_bones
    _unregister_classes()
