"""What a kept line was baked onto, made again: for dialling, and for telling edits from what was generated."""

from __future__ import annotations

from typing import TYPE_CHECKING

import bpy
from mouthpiece.errors import RigError

from ..keys import kept_takes, ledgers, nla
from ..keys.channels import Part
from ..targets import Driven, Target, made_again
from .layers import LayeredTake, by_place

if TYPE_CHECKING:
    from mouthpiece.motion.dials import Dials


def is_keyed(line: kept_takes.KeptLine) -> bool:
    """Return whether a line is in keys at all, and not drawn only."""
    return line.home is not None and bool(line.home.slot)


def is_layered(line: kept_takes.KeptLine) -> bool:
    """Return whether a line was baked as layers."""
    return line.home is not None and nla.MARK in line.home.holder


def target_again(obj: bpy.types.Object, line: kept_takes.KeptLine, number: int, warnings: list[str]) -> Target | None:
    """Return one of the targets of a line of ``obj``; None, with a warning, if it is gone and not ``obj`` itself."""
    saved = line.targets[number]
    try:
        return made_again({**saved, "object_name": _name_now(obj, line, number)})
    except RigError as error:
        if number == 0:
            raise
        what = "The head" if saved["kind"] == "HEAD" else f"'{saved['object_name']}'"
        warnings.append(f"{what} stays as it is: {error}")
        return None


def parts_again(obj: bpy.types.Object, line: kept_takes.KeptLine, dials: Dials, layered: bool) -> list[Part]:
    """Return the parts a line comes to with ``dials``, in layers or as one action."""
    seen = LayeredTake.of(kept_takes.motion(line), dials, layered, line.error)
    made = (target_again(obj, line, number, []) for number in range(len(line.targets)))
    driven: list[Driven] = [seen.drive(target, line.frames(), True) for target in made if target is not None]
    return list(by_place([part for one in driven for part in one.parts]).values())


def _name_now(obj: bpy.types.Object, line: kept_takes.KeptLine, number: int) -> str:
    """Return what a line's object is called now: a character, and what plays along, may be renamed, or copies."""
    if number == 0:
        return obj.name
    saved = line.targets[number]
    also = [entry.object for entry in obj.mouthpiece.also if entry.object is not None]
    place = number - 1
    if saved["kind"] != "HEAD" and place < len(also):
        return also[place].name
    playing = [one.name for one in _kin(obj) if _plays(one, line.sound)]
    named = str(saved["object_name"])
    return named if saved["kind"] != "HEAD" or named in playing or not playing else playing[0]


def _plays(obj: bpy.types.Object, sound: str) -> bool:
    """Return whether an object's own action or layers hold a line."""
    kept = (ledgers.read(obj, layer) for layer in ("", *nla.layers_of(obj)))
    return any(take.sound == sound for ledger in kept for take in ledger.takes)


def _kin(obj: bpy.types.Object) -> list[bpy.types.Object]:
    """Return the objects that hang together with a character: what it is parented to, and what deforms it."""
    top = obj
    while top.parent is not None:
        top = top.parent
    rigs = [modifier.object for modifier in obj.modifiers if modifier.type == "ARMATURE" and modifier.object]
    return [*rigs, top, *top.children_recursive]
