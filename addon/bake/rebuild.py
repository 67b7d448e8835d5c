"""Makes the targets and curves of a kept line again: to dial it, and to tell edits from generated keys."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import bpy
from mouthpiece.errors import RigError

from ..keys import kept_takes, ledgers, nla
from ..keys.channels import Part
from ..targets import Driven, Target, find_object, made_again
from .layers import LayeredTake, by_place

if TYPE_CHECKING:
    from mouthpiece.motion.dials import Dials

#: The path of what is keyed of a bone.
_BONE: Final = re.compile(r'^pose\.bones\["((?:[^"\\]|\\.)*)"\]')


def is_keyed(line: kept_takes.KeptLine) -> bool:
    """Return whether a line has keys (a line that is only drawn has none)."""
    return line.home is not None and bool(line.home.slot)


def is_layered(line: kept_takes.KeptLine) -> bool:
    """Return whether a line was baked as layers."""
    return line.home is not None and nla.MARK in line.home.holder


def target_again(obj: bpy.types.Object, line: kept_takes.KeptLine, number: int, warnings: list[str]) -> Target | None:
    """Return the target ``number`` of a line of ``obj``.

    If it is gone, a warning is added and None returned; for the character itself (number 0), RigError is raised.
    """
    saved = line.targets[number]
    try:
        return made_again(_as_now(saved, name_now(obj, line, number)))
    except RigError as error:
        if number == 0:
            raise
        what = "The head" if saved["kind"] == "HEAD" else f"'{saved['object_name']}'"
        warnings.append(f"{what} stays as it is: {error}")
        return None


def _as_now(saved: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return a saved target with the present name of its object, and for a head that of its bone."""
    obj, bone = bpy.data.objects.get(name), str(saved.get("bone", ""))
    if saved["kind"] != "HEAD" or not bone or obj is None or obj.pose is None or bone in obj.pose.bones:
        return {**saved, "object_name": name}
    before = f'pose.bones["{bpy.utils.escape_identifier(bone)}"].'
    for layer in nla.keyed_layers(obj):
        for old, new in ledgers.names_now(obj, layer).items():
            found = _BONE.match(new) if old.startswith(before) else None
            if found is not None:
                return {**saved, "object_name": name, "bone": bpy.utils.unescape_identifier(found[1])}
    return {**saved, "object_name": name}


def note_bones(obj: bpy.types.Object, lines: Iterable[kept_takes.KeptLine], undo: ExitStack) -> None:
    """Note in a character's kept lines the present names of bones that turn its head.

    This has to be done before keys change: a renamed bone is recognised by the keys that are noted under its old name.
    ``undo`` gets callbacks that revert it.
    """
    for line in lines:
        targets = list(line.targets)
        for number, saved in enumerate(targets):
            if number and saved["kind"] == "HEAD":
                now = _as_now(saved, name_now(obj, line, number))
                targets[number] = {**saved, **({"bone": now["bone"]} if "bone" in now else {})}
        if targets != list(line.targets) and line.home is not None:
            undo.callback(ledgers.restore, line.home.holder, ledgers.snapshot(line.home.holder))
            kept_takes.remember(replace(line, targets=tuple(targets)))


def parts_again(obj: bpy.types.Object, line: kept_takes.KeptLine, dials: Dials, layered: bool) -> list[Part]:
    """Return the parts that a kept line gives with ``dials``, in layers or for one action."""
    seen = LayeredTake.of(kept_takes.motion(line), dials, layered, line.error, line.bends)
    made = (target_again(obj, line, number, []) for number in range(len(line.targets)))
    driven: list[Driven] = [seen.drive(target, line.frames(), True) for target in made if target is not None]
    return list(by_place([part for one in driven for part in one.parts]).values())


def name_now(obj: bpy.types.Object, line: kept_takes.KeptLine, number: int) -> str:
    """Return the present name of a target's object: objects may have been renamed or duplicated since the bake."""
    if number == 0:
        return obj.name
    saved = line.targets[number]
    named = str(saved["object_name"])
    noted = obj.mouthpiece.driven.get(named)
    if noted is not None and noted.object is not None:
        return str(noted.object.name)
    also = [entry.object for entry in obj.mouthpiece.also if entry.object is not None]
    place = number - 1
    if saved["kind"] != "HEAD" and place < len(also):
        return also[place].name
    playing = [one.name for one in _kin(obj) if _plays(one, line.sound)]
    return named if saved["kind"] != "HEAD" or named in playing or not playing else playing[0]


def note_names(obj: bpy.types.Object, targets: Iterable[Target]) -> None:
    """Note in a character which objects are meant by the names in its lines' targets, and the rigs that play them."""
    known = obj.mouthpiece.driven
    for target in targets:
        entry = known.get(target.object_name) or known.add()
        entry.name, entry.object = target.object_name, find_object(target.object_name)
        shared = getattr(type(target), "shared", None)  # the controls of a rig
        for owner in shared(entry.object) if shared is not None else ():
            if isinstance(owner, bpy.types.Object) and not any(one.object == owner for one in known):
                rig = known.add()
                rig.name, rig.object = owner.name, owner


def _plays(obj: bpy.types.Object, sound: str) -> bool:
    """Return whether an object's active action or one of its layers has a line of that sound."""
    return any(ledgers.read(obj, layer).has(sound) for layer in nla.keyed_layers(obj))


def _kin(obj: bpy.types.Object) -> list[bpy.types.Object]:
    """Return the objects related to a character: its armatures, and all of its parent hierarchy."""
    top = obj
    while top.parent is not None:
        top = top.parent
    rigs = [modifier.object for modifier in obj.modifiers if modifier.type == "ARMATURE" and modifier.object]
    return [*rigs, top, *top.children_recursive]
