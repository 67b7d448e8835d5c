"""Characters of files that version 0.4.0 saved, whose head, strength and seed were settings of the scene."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import bpy
from bpy.app.handlers import persistent

from ..bake import rebuild, redial
from ..keys.kept_takes import KeptLine
from ..targets.head import settings as head_settings
from ..targets.head.joints import armature_of
from . import family, heads


def move_over(objects: Iterable[bpy.types.Object]) -> None:
    """Give characters without a head of their own the one their lines drive, else that of the scene they are in.

    A scene's head goes to the character it belongs to: the only one that wears or is it, or the only one there is. No
    key is touched, and nothing is changed that a character already has.
    """
    fresh = [one for one in objects if one.library is None and not head_settings.is_chosen(one)]
    speakers = [(one, redial.dialled_lines(one)) for one in fresh]
    for obj, lines in speakers:
        if lines:
            _from_lines(obj, lines)
    for scene in bpy.data.scenes:
        _from_scene(scene, [obj for obj in fresh if obj.name in scene.objects])


def _from_lines(obj: bpy.types.Object, lines: list[KeptLine]) -> None:
    """Take over strength and head from the lines a character carries, the latest line with a head first."""
    own = obj.mouthpiece
    if not own.is_property_set("strength"):
        own.strength = float(lines[-1].targets[0].get("strength", 1.0))
    scene = next((one for one in obj.users_scene if one.mouthpiece.is_property_set("seed")), None)
    if scene is not None and not own.is_property_set("seed"):
        own.seed = scene.mouthpiece.seed
    for line in reversed(lines):
        for number, saved in enumerate(line.targets):
            turned = bpy.data.objects.get(rebuild.name_now(obj, line, number)) if saved["kind"] == "HEAD" else None
            if turned is not None:
                _choose(obj.mouthpiece_head, turned, saved)
                return


def _choose(head: Any, turned: bpy.types.Object, saved: Mapping[str, Any]) -> None:
    """Set a character's head as a line's target has it."""
    bone, distance = str(saved.get("bone", "")), float(saved.get("eye_distance", 0.0))
    head.turns = "BONE" if bone else "OBJECT"
    if bone:
        head.armature, head.bone = turned, bone
    else:
        head.object = turned
    head.translation, head.eye_distance = distance > 0, distance
    head.pivot = "ORIGIN" if not saved.get("pivot") else head.pivot


def _from_scene(scene: bpy.types.Scene, candidates: list[bpy.types.Object]) -> None:
    """Give the head in a scene's settings to the character it belongs to, unless a script of today set it there."""
    settings = scene.mouthpiece
    turned = {"BONE": settings.armature, "OBJECT": settings.head_object}.get(settings.head)
    if turned is None or settings.head_asked:
        return
    if any(head_settings.object_of(obj) == turned for obj in scene.objects):
        return
    able = [obj for obj in candidates if not head_settings.is_chosen(obj) and _is_main(obj)]
    belongs = [obj for obj in able if turned in (obj, obj.parent) or armature_of(obj) == turned]
    chosen = belongs if len(belongs) == 1 else able if len(able) == 1 and not belongs else []
    for obj in chosen:
        heads.copy_head(settings, obj)
        obj.mouthpiece_head.pivot = "ORIGIN"
        if not obj.mouthpiece.is_property_set("strength"):
            obj.mouthpiece.strength = settings.strength
        if not obj.mouthpiece.is_property_set("seed"):
            obj.mouthpiece.seed = settings.seed


def _is_main(obj: bpy.types.Object) -> bool:
    """Return whether an object is a character's main object: set up or animated, or a face by its keys."""
    if obj.type == "MESH" and family.mouth_keys(obj):
        return family.main_object(obj) == obj
    return obj.mouthpiece.target != "AUTO" or bool(redial.dialled_lines(obj))


@persistent
def _opened(*_: Any) -> None:
    """Move the characters of the file that was just opened over."""
    move_over(bpy.data.objects)


@persistent
def _imported(context: Any, *_: Any) -> None:
    """Move characters over that were appended or linked."""
    ids = (item.id for item in getattr(context, "import_items", ()))
    move_over([one for one in ids if isinstance(one, bpy.types.Object)])


def register() -> None:
    """Look at every file that is opened, and at what is appended."""
    bpy.app.handlers.load_post.append(_opened)
    if hasattr(bpy.app.handlers, "blend_import_post"):
        bpy.app.handlers.blend_import_post.append(_imported)


def unregister() -> None:
    """No longer look at files."""
    bpy.app.handlers.load_post.remove(_opened)
    if hasattr(bpy.app.handlers, "blend_import_post"):
        bpy.app.handlers.blend_import_post.remove(_imported)
