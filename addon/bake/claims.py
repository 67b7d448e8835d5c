"""Claims: which channels of which data-blocks the lines of each character drive.

Characters may share a data-block, as two heads on one armature do, and even speak the same sound. What one of them does
must leave alone what another one claims.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final

import bpy
from mouthpiece.errors import RigError

from ..keys import ledgers, nla
from ..keys.channels import Part
from ..keys.kept_takes import KeptLine
from ..targets import KINDS, find_object, owners_of
from . import rebuild
from .lines import dialled_lines

#: Data-blocks in which several characters may drive channels: an armature's bones are its object's.
_SHARED: Final = bpy.types.Object


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim of a character on the channels of a data-block whose ids begin with ``prefix``: all, if it is empty.

    ``sounds`` are those of the lines that drive them, ``label`` says what it is (a face, or a head's bone). A claim is
    ``copied`` if the character was duplicated without what it drives, which still is the original's.
    """

    character: bpy.types.Object
    owner: bpy.types.ID
    prefix: str
    label: str
    sounds: frozenset[str]
    copied: bool = False

    def holds(self, owner: bpy.types.ID, channel: str) -> bool:
        """Return whether the claim is on that channel."""
        return owner == self.owner and channel.startswith(self.prefix)


@dataclass(frozen=True, slots=True)
class Claims:
    """The claims of one character, and those of all others."""

    mine: tuple[Claim, ...]
    others: tuple[Claim, ...]

    @classmethod
    def of(cls, obj: bpy.types.Object) -> Claims:
        """Return all claims as seen by a character. It looks at every object of the file: not for panels.

        Linked objects have none: what they play is in their own file, their overrides are characters of this one.
        """
        mine = claims_of(obj)
        others = [other for other in bpy.data.objects if other != obj and other.library is None]
        theirs = [claim for other in others for claim in claims_of(other)]
        return cls(tuple(mine), tuple(theirs))

    def foreign(self, owner: bpy.types.ID, channel: str) -> Claim | None:
        """Return the claim of another character on a channel; None if it is nobody's, or this character's as well.

        The narrower claim counts: a head's bone belongs to the head that turns by it, whoever the armature is.
        """
        own = max((len(c.prefix) + (not c.copied) for c in self.mine if c.holds(owner, channel)), default=-1)
        found = [claim for claim in self.others if claim.holds(owner, channel)]
        best = max(found, key=lambda claim: len(claim.prefix) + (not claim.copied), default=None)
        return best if best is not None and len(best.prefix) + (not best.copied) > own else None

    def alone(self) -> AbstractContextManager[None]:
        """Hide what others claim from whoever reads and writes ledgers meanwhile."""
        return ledgers.without(lambda owner, channel: self.foreign(owner, channel) is not None)

    def covers(self, owner: bpy.types.ID, channel: str) -> bool:
        """Return whether a channel is this character's alone to remove."""
        return any(c.holds(owner, channel) for c in self.mine) and self.foreign(owner, channel) is None

    def check(self, parts: Iterable[Part]) -> None:
        """Raise RigError if ``parts`` have a channel that another character's lines drive."""
        for part in parts:
            for channel in part.channels:
                claim = self.foreign(part.owner, channel.id)
                if claim is not None and _is_keyed(claim, channel.id):
                    raise RigError(
                        f"{claim.label[0].upper()}{claim.label[1:]} already moves with the lines of "
                        f"'{claim.character.name}'. Choose something else for this character, or remove the take of "
                        f"'{claim.character.name}' first."
                    )

    def owners(self) -> list[bpy.types.ID]:
        """Return the data-blocks this character has claims on, each once."""
        return list(dict.fromkeys(claim.owner for claim in self.mine))


def alone(obj: bpy.types.Object) -> AbstractContextManager[None]:
    """Hide what other characters than ``obj`` claim from whoever reads and writes ledgers meanwhile.

    Quick: the other objects of the file are looked at only if something of this character's could be theirs.
    """
    mine = claims_of(obj)
    whole = {claim.owner for claim in mine if not (claim.copied or claim.prefix or isinstance(claim.owner, _SHARED))}
    everybody: list[Claims] = []
    known: dict[tuple[bpy.types.ID, str], bool] = {}

    def is_foreign(owner: bpy.types.ID, channel: str) -> bool:
        if owner in whole:
            return False
        place = owner, channel
        if place not in known:
            own = max((c for c in mine if c.holds(owner, channel)), key=lambda c: len(c.prefix), default=None)
            if own is not None and not own.copied and (own.prefix or not isinstance(owner, _SHARED)):
                known[place] = False
            else:
                everybody[:] = everybody or [Claims.of(obj)]
                known[place] = everybody[0].foreign(owner, channel) is not None
        return known[place]

    return ledgers.without(is_foreign)


def _is_keyed(claim: Claim, channel: str) -> bool:
    """Return whether a ledger notes that the lines of a claim have keys on a channel."""
    with ledgers.without(_nothing):
        read = [ledgers.read(claim.owner, layer) for layer in nla.keyed_layers(claim.owner)]
    return any(channel in line.channels for ledger in read for line in ledger.lines)


def _nothing(_owner: bpy.types.ID, _channel: str) -> bool:
    """Hide no channel."""
    return False


def claims_of(obj: bpy.types.Object) -> list[Claim]:
    """Return the claims of a character: on its face, its company and its head, as its lines drove them."""
    if not _may_carry(obj):
        return []
    with ledgers.without(_nothing):
        return _claims(obj)


def _claims(obj: bpy.types.Object) -> list[Claim]:
    """Return the claims of a character that may carry lines; no channel is hidden meanwhile."""
    lines = dialled_lines(obj)
    if not lines:
        return _left_over(obj)
    found: dict[tuple[bpy.types.ID, str], tuple[str, set[str], bool]] = {}
    for line in lines:
        for number, saved in enumerate(line.targets):
            for owner, prefix, label, copied in _driven(obj, line, number, saved):
                _, sounds, also = found.setdefault((owner, prefix), (label, set(), copied))
                sounds.add(line.sound)
                found[owner, prefix] = (label, sounds, also and copied)
    return [Claim(obj, *place, label, frozenset(sounds), copied) for place, (label, sounds, copied) in found.items()]


def _left_over(obj: bpy.types.Object) -> list[Claim]:
    """Return the claims of a character whose lines are gone on what they drove beside its face.

    That is so for linked duplicates, whose lines lie with the mesh they share, once the other one's take was removed.
    """
    head = obj.mouthpiece_head
    turned = {"BONE": head.armature, "OBJECT": head.object}.get(head.turns)
    found = []
    for entry in obj.mouthpiece.driven:
        other = entry.object
        if other is None or other == obj:
            continue
        prefix, label = "", f"'{other.name}'"
        if other == turned:
            saved = {"kind": "HEAD", "bone": head.bone if head.turns == "BONE" else ""}
            (prefix,) = KINDS["HEAD"].scope(saved)  # type: ignore[attr-defined]
            label = f"head bone '{head.bone}' of '{other.name}'" if saved["bone"] else f"the head '{other.name}'"
        elif other.type != "MESH":
            continue  # which bone of it turned is not known
        for owner in KINDS["HEAD"].owners(other) if prefix else owners_of([other], None):
            sounds = frozenset(
                line.sound
                for layer in nla.keyed_layers(owner)
                for line in ledgers.read(owner, layer).lines
                if any(channel.startswith(prefix) for channel in line.channels)
            )
            if sounds:
                found.append(Claim(obj, owner, prefix, label, sounds, copied=True))
    return found


def _may_carry(obj: bpy.types.Object) -> bool:
    """Return whether an object may carry lines at all; quick."""
    data = obj.data
    if len(obj.mouthpiece.driven):
        return True
    key = getattr(data, "shape_keys", None)
    return any(
        block is not None and (block.animation_data is not None or ledgers.PROPERTY in block)
        for block in (obj, data, key)
    )


def _driven(
    obj: bpy.types.Object, line: KeptLine, number: int, saved: Mapping[str, Any]
) -> list[tuple[bpy.types.ID, str, str, bool]]:
    """Return data-block, prefix, label and whether it is copied, for all that a target of a line drives."""
    try:
        other = find_object(rebuild.name_now(obj, line, number))
        kind = KINDS[str(saved["kind"])]
    except (RigError, KeyError):
        return []
    first = str(line.targets[0]["object_name"])
    copied = number > 0 and first not in ("", obj.name) and _speaks(first, line.sound, other, saved)
    if saved["kind"] == "HEAD":
        bone = str(saved.get("bone", ""))
        label = f"head bone '{bone}' of '{other.name}'" if bone else f"the head '{other.name}'"
    else:
        label = f"the face of '{other.name}'" if number == 0 else f"'{other.name}'"
    scope: Any = getattr(kind, "scope", None)
    narrow = scope is not None and not (number == 0 and other == obj and obj.type == "ARMATURE")
    controls: Mapping[bpy.types.ID, tuple[str, ...]] = getattr(kind, "shared", _none_shared)(other)
    places = []
    for owner in kind.owners(other) if number else owners_of([other], None):
        prefixes = scope(saved) if narrow and owner == _animated(other, saved) else controls.get(owner, ("",))
        places += [(owner, _prefix_now(owner, prefix), label, copied) for prefix in prefixes]
    return places


def _none_shared(_other: bpy.types.Object) -> Mapping[bpy.types.ID, tuple[str, ...]]:
    """Return that a kind of target writes into no rig that others may write into as well."""
    return {}


def _animated(other: bpy.types.Object, saved: Mapping[str, Any]) -> bpy.types.ID | None:
    """Return the data-block that a target with a scope keys: the object, or the armature of a mesh with face bones."""
    if saved["kind"] != "BONES" or other.type == "ARMATURE":
        return other
    owners = KINDS["BONES"].owners(other)
    return owners[0] if owners else None


def _speaks(name: str, sound: str, driven: bpy.types.Object, saved: Mapping[str, Any]) -> bool:
    """Return whether there still is the object of that name, and its line of that sound drives the same object."""
    original = bpy.data.objects.get(name)
    if original is None:
        return False
    line = next((one for one in dialled_lines(original) if one.sound == sound), None)
    if line is None:
        return False
    return any(
        item["kind"] == saved["kind"] and rebuild.name_now(original, line, number) == driven.name
        for number, item in enumerate(line.targets)
        if number
    )


def _prefix_now(owner: bpy.types.ID, prefix: str) -> str:
    """Return the prefix of channels that began with ``prefix`` when they were baked: bones may be renamed since."""
    for layer in nla.keyed_layers(owner) if prefix.startswith("pose.bones") else ():
        for old, new in ledgers.names_now(owner, layer).items():
            if old.startswith(prefix):
                return new.removesuffix(old.removeprefix(prefix))
    return prefix
