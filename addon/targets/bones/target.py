"""The target for face bones of an armature: each bone follows a control of the performance."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, Self

import bpy
from mouthpiece.errors import RigError

from ...keys.channels import Part
from .. import Driven, find_object
from .face_frame import turning_lids
from .mapping import links_in, locked_bones
from .motion import moved

if TYPE_CHECKING:
    from mouthpiece.curves import FrameGrid
    from mouthpiece.performance import Performance
    from mouthpiece.retarget.bones.mapping import BoneMatch, Link
    from mouthpiece.retarget.coverage import Coverage


@dataclass(frozen=True, slots=True)
class BonesTarget:
    """The face bones of an armature, and what each follows.

    ``eye_distance`` is the distance of the outer eye corners in world units; 0 measures it on the rig.
    """

    kind: ClassVar[str] = "BONES"

    object_name: str
    links: tuple[Link, ...]
    profile: str = ""
    missing: tuple[str, ...] = ()
    strength: float = 1.0
    eye_distance: float = 0.0

    @classmethod
    def of(cls, obj: bpy.types.Object, strength: float = 1.0) -> Self:
        """Return the target for an armature, or for the one that deforms a mesh; raises RigError if there is none."""
        rig = face_armature(obj)
        check_rig(rig)
        settings = rig.mouthpiece_bones
        match = mapped(rig)
        check_links(rig, match.links)
        return cls(rig.name, match.links, match.profile, match.missing, strength, settings.eye_distance)

    def drive(self, performance: Performance, grid: FrameGrid) -> Driven:
        """Return location, rotation and scale curves for every bone of the mapping, as modes, locks and limits allow.

        Raises RigError if the rig or a bone of the mapping is gone, or no bone responds.
        """
        from mouthpiece.curves import Curves

        rig = find_object(self.object_name)
        check_rig(rig)
        check_links(rig, self.links)
        motion = moved(rig, self.links, performance, grid, self.strength, self.eye_distance)
        if not motion.channels:
            raise RigError(
                f"No face bone of '{rig.name}' can be keyed. " + " ".join(motion.remarks or ["Check the mapping."])
            )
        curves = Curves(tuple(channel.name for channel in motion.channels), grid.frames, motion.values)
        part = Part(rig, tuple(motion.channels), curves)
        return Driven((part,), motion.clamped, list(motion.remarks))

    def saved(self) -> Mapping[str, Any]:
        """Return what :meth:`from_saved` needs."""
        return {
            "kind": self.kind,
            "object_name": self.object_name,
            "links": [asdict(link) for link in self.links],
            "profile": self.profile,
            "missing": list(self.missing),
            "strength": self.strength,
            "eye_distance": self.eye_distance,
        }

    @classmethod
    def from_saved(cls, saved: Mapping[str, Any]) -> Self:
        """Return the target a line was baked with."""
        from mouthpiece.retarget.bones.mapping import links_of

        return cls(
            str(saved["object_name"]),
            links_of(saved["links"], "the take"),
            str(saved.get("profile", "")),
            tuple(saved.get("missing", ())),
            float(saved["strength"]),
            float(saved.get("eye_distance", 0.0)),
        )

    @classmethod
    def scope(cls, saved: Mapping[str, Any]) -> tuple[str, ...]:
        """Return with what the ids of the channels begin that a saved target has."""
        bones = (bpy.utils.escape_identifier(str(link["bone"])) for link in saved["links"])
        return tuple(f'pose.bones["{bone}"].' for bone in bones)

    def summary(self) -> str:
        """Return one line of text on how the mapping fits."""
        from mouthpiece.retarget.bones.mapping import BoneMatch

        return BoneMatch(self.profile, self.links, self.missing).summary()

    def coverage(self) -> Coverage:
        """Return which parts of a face the mapping's bones move, and which bones hang on those of the mouth."""
        from mouthpiece.retarget.bones.link_coverage import link_coverage

        rig = find_object(self.object_name)
        return link_coverage(self.links, _hanging(rig, {link.bone for link in self.links}))

    @classmethod
    def owners(cls, obj: bpy.types.Object) -> list[bpy.types.ID]:
        """Return the armature's object, which holds the animation of its bones."""
        if obj.type != "ARMATURE" and obj.mouthpiece.target != cls.kind:
            return []
        try:
            return [face_armature(obj)]
        except RigError:
            return []


def face_armature(obj: bpy.types.Object) -> bpy.types.Object:
    """Return ``obj`` if it is an armature, else the only one with face bones that deforms it or is its parent.

    Raises RigError if there is none, or more than one.
    """
    if obj.type == "ARMATURE":
        return obj
    worn = [modifier.object for modifier in obj.modifiers if modifier.type == "ARMATURE" and modifier.object]
    if obj.parent is not None and obj.parent.type == "ARMATURE":
        worn.append(obj.parent)
    rigs = list(dict.fromkeys(worn))
    if not rigs:
        raise RigError(f"'{obj.name}' is no armature ({obj.type.title()}) and wears none. Click the face's armature.")
    if len(rigs) == 1:
        return rigs[0]
    fitting = [rig for rig in rigs if _has_face(rig)]
    if len(fitting) != 1:
        names = ", ".join(f"'{rig.name}'" for rig in fitting or rigs)
        raise RigError(f"'{obj.name}' wears several armatures ({names}). Click the one whose bones move the face.")
    return fitting[0]


def _hanging(rig: bpy.types.Object, followers: Collection[str]) -> tuple[tuple[str, str], ...]:
    """Return the bones of teeth and tongue that no link moves, each with the first bone above it that one does."""
    bones = rig.data.bones
    named = _mouth_bones(tuple(bones.keys()))
    found = []
    for name in named:
        above = next((bone.name for bone in bones[name].parent_recursive if bone.name in followers), "")
        if above and name not in followers:
            found.append((name, above))
    return tuple(found)


@lru_cache(maxsize=32)
def _mouth_bones(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return those of the ``names`` that are of teeth or a tongue; cached, as panels ask at every redraw."""
    from mouthpiece.retarget.coverage import part_named

    return tuple(name for name in names if part_named(name) in ("teeth", "tongue"))


def _has_face(rig: bpy.types.Object) -> bool:
    """Return whether an armature has face bones."""
    try:
        return bool(mapped(rig).links)
    except RigError:
        return False


def check_rig(rig: bpy.types.Object) -> None:
    """Raise RigError if an armature may not be keyed now."""
    if rig.type != "ARMATURE":
        raise RigError(f"'{rig.name}' is not an armature ({rig.type.title()}). Click the face's armature.")
    if not rig.is_editable:
        raise RigError(f"'{rig.name}' is linked from a library. Make a library override of it, or make it local.")
    if rig.mode == "EDIT":
        raise RigError(f"'{rig.name}' is in Edit Mode. Leave it (Tab) and animate again.")
    if rig.data.pose_position == "REST":
        raise RigError(f"'{rig.name}' is held in Rest Position. Set it to Pose Position in its Data properties.")


def check_links(rig: bpy.types.Object, links: Sequence[Link]) -> None:
    """Raise RigError if a bone of the mapping is missing, or two entries set the same channel."""
    bones = rig.pose.bones
    gone = [name for link in links for name in (link.bone, link.watch) if name and name not in bones]
    if gone:
        raise RigError(
            f"'{rig.name}' has no bone called {', '.join(dict.fromkeys(gone))}. Correct the mapping, or press Detect."
        )
    seen: dict[tuple[str, str, str], str] = {}
    for link in links:
        axes = "XYZ" if link.axis == "ALL" or link.space == "FACE" else link.axis
        for axis in axes:
            other = seen.setdefault((link.bone, link.channel, axis), link.source)
            if other is not link.source:
                what = f"{link.channel.lower()} of '{link.bone}'"
                raise RigError(f"The {what} follows both {other} and {link.source}. Remove one of the two entries.")


def mapped(rig: bpy.types.Object) -> BoneMatch:
    """Return an armature's mapping: its table if it has one, else the one detected by the names of its bones."""
    from mouthpiece.retarget.bones.mapping import BoneMatch

    links = links_in(rig)
    return BoneMatch(rig.mouthpiece_bones.profile or "its table", links) if links else detected(rig)


def detected(rig: bpy.types.Object, profile: str = "") -> BoneMatch:
    """Return the mapping detected by the names of an armature's bones; raises RigError if no profile matches."""
    match = _matched(tuple(rig.data.bones.keys()), locked_bones(rig), profile)
    return replace(match, links=turning_lids(rig, match.links))


@lru_cache(maxsize=32)
def _matched(names: tuple[str, ...], locked: tuple[str, ...], profile: str) -> BoneMatch:
    """Return the mapping for bones of those names; cached, as panels ask at every redraw."""
    from mouthpiece.retarget.bones.mapping import match_bones

    return match_bones(names, locked, profile)
