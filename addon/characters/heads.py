"""The head of a character as a target: made of its settings, and taken over from a scene's, where scripts set them."""

from __future__ import annotations

from typing import Any

import bpy
from mouthpiece.errors import RigError

from ..targets.head import pivots
from ..targets.head import settings as head_settings
from ..targets.head.eye_distance import measured_eye_distance
from ..targets.head.target import HeadTarget

#: Settings of a scene that are a character's own now: what they are called there, and in the head's settings.
_HEAD = {
    "head": "turns",
    "armature": "armature",
    "bone": "bone",
    "head_object": "object",
    "head_translation": "translation",
    "eye_distance": "eye_distance",
}


def head_target(obj: bpy.types.Object, strength: float) -> HeadTarget | None:
    """Return the target for what turns with a character's head, or None; raises RigError if it cannot be keyed."""
    head = obj.mouthpiece_head
    if head.turns == "NONE":
        return None
    if head.turns == "BONE" and not head.bone:
        raise RigError("No head bone is chosen. Pick one under Head Motion, or set Turns to None.")
    distance = 0.0
    if head.translation:
        distance = head.eye_distance or measured_eye_distance(obj)
    turned = head_settings.object_of(obj)
    if head.turns == "BONE":
        return HeadTarget.of(turned, strength, head.bone, distance)
    return HeadTarget.of(turned, strength, "", distance, None if turned is None else pivots.pivot_of(obj, turned))


def take_up(obj: bpy.types.Object, scene: bpy.types.Scene) -> None:
    """Give a character what a script set in the scene's settings since a character last took it up.

    Until version 0.4.0, head, strength and seed were the scene's, and scripts set them there. Strength and seed are
    taken up by every character that is animated afterwards, the head only by the first: a head has one owner.
    """
    settings, own = scene.mouthpiece, obj.mouthpiece
    since = own.taken_up
    if settings.strength_asked > since:
        own.strength = settings.strength
    if settings.seed_asked > since:
        own.seed = settings.seed
    if settings.head_asked > max(since, settings.head_taken):
        copy_head(settings, obj)
        settings.head_taken = settings.head_asked
    newest = max(settings.strength_asked, settings.seed_asked, settings.head_asked)
    if newest > since:
        own.taken_up = newest


def copy_head(settings: Any, obj: bpy.types.Object) -> None:
    """Give a character the head of a scene's settings, empty fields included."""
    for theirs, mine in _HEAD.items():
        setattr(obj.mouthpiece_head, mine, getattr(settings, theirs))
