"""Removes lines from a character again: keys, layers, drawings, and the actions that were made for them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial

import bpy
from mouthpiece.phrases import counted

from ..keys import kept_takes, ledgers, nla, shared_actions, writer
from ..keys.channels import Written
from ..keys.fcurve_keys import channel_id
from ..keys.plan import Plan, plan_removal
from ..targets import drawers, owners_of
from . import edits
from .claims import Claims
from .lines import dialled_lines


@dataclass(frozen=True, slots=True)
class CarriedLines:
    """What a character carries: how many lines, on which data-blocks, and what these are in an animator's words.

    ``strays`` are ids of channels, by data-block, that its lines drove by controls that play nothing any more.
    """

    character: str
    lines: int
    owners: tuple[bpy.types.ID, ...]
    claims: Claims
    places: tuple[str, ...]
    strays: Mapping[bpy.types.ID, frozenset[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, obj: bpy.types.Object) -> CarriedLines:
        """Return what a character carries. It looks at every object of the file: not for panels."""
        claims = Claims.of(obj)
        sounds = {line.sound for line in dialled_lines(obj)}
        owners = [*owners_of([obj], None)]  # also takes whose motion is not kept
        owners += [owner for owner in claims.owners() if owner not in owners]
        for owner in owners:
            for layer in nla.keyed_layers(owner):
                for line in ledgers.read(owner, layer).lines:
                    spoken = not line.sound.startswith(ledgers.INTERLUDE)
                    if spoken and any(_is_mine(claims, owner, channel) for channel in line.channels):
                        sounds.add(line.sound)
        strays = _strays(obj, claims, sounds)
        held = [owner for owner in owners if _holds(claims, owner)]
        held += [owner for owner in strays if owner not in held]
        labels = dict.fromkeys(claim.label for claim in claims.mine if claim.owner in held)
        labels |= dict.fromkeys(f"'{owner.name}'" for owner in strays if not any(c.owner == owner for c in claims.mine))
        return cls(obj.name, len(sounds), tuple(held), claims, tuple(labels) or (f"the face of '{obj.name}'",), strays)

    def holds(self, owner: bpy.types.ID, channel: str) -> bool:
        """Return whether a channel is the character's to remove."""
        return channel in self.strays.get(owner, ()) or _is_mine(self.claims, owner, channel)

    def summary(self) -> str:
        """Return one line of text that says what of whom would be removed."""
        count = counted(self.lines, "line")
        return f"{count} of {self.character}: {', '.join(self.places)}"


def _is_mine(claims: Claims, owner: bpy.types.ID, channel: str) -> bool:
    """Return whether a channel is not another character's."""
    return claims.foreign(owner, channel) is None and (
        claims.covers(owner, channel) or not any(claim.owner == owner for claim in claims.mine)
    )


def _strays(obj: bpy.types.Object, claims: Claims, sounds: set[str]) -> dict[bpy.types.ID, frozenset[str]]:
    """Return ids of channels that a character's lines drove by controls whose drivers were removed, by data-block.

    Lines that are kept with such a control are added to ``sounds``.
    """
    found = {}
    for other in dict.fromkeys(entry.object for entry in obj.mouthpiece.driven if entry.object not in (None, obj)):
        sounds |= {one.sound for one in kept_takes.lines(other) if one.targets[0]["object_name"] == obj.name}
        lines = [one for layer in nla.keyed_layers(other) for one in ledgers.read(other, layer).lines]
        spoken = {channel for one in lines if one.sound in sounds for channel in one.channels}
        alone = {c for c in spoken if claims.foreign(other, c) is None and not claims.covers(other, c)}
        if alone:
            found[other] = frozenset(alone)
    return found


def _holds(claims: Claims, owner: bpy.types.ID) -> bool:
    """Return whether any line of the character is keyed or drawn in a data-block."""
    if drawers(owner):
        return True
    read = (ledgers.read(owner, layer) for layer in nla.keyed_layers(owner))
    return any(_is_mine(claims, owner, channel) for it in read for line in it.lines for channel in line.channels)


def carries(obj: bpy.types.Object | None) -> bool:
    """Return whether a character carries lines. Cheap enough for panels."""
    if obj is None:
        return False
    if dialled_lines(obj):
        return True
    beside = [entry.object for entry in obj.mouthpiece.driven if entry.object is not None]
    if not any(map(has_lines, owners_of([obj, *beside], None))) and not any(map(_is_keyed, beside)):
        return False
    return bool(CarriedLines.of(obj).owners)


def take_off(obj: bpy.types.Object, replace_edited: bool = False) -> tuple[CarriedLines, Written]:
    """Remove every line a character carries: from its face, its company and what turned with its head.

    Other characters that share a data-block with it keep theirs. Return what it carried, and what was removed. Raises
    RigError, with nothing changed, if an action may not be edited.
    """
    carried = CarriedLines.of(obj)
    return carried, remove(carried.owners, replace_edited, carried.holds)


def remove(
    owners: Sequence[bpy.types.ID],
    replace_edited: bool = False,
    is_mine: Callable[[bpy.types.ID, str], bool] = lambda _owner, _channel: True,
) -> Written:
    """Remove every line from ``owners`` and return what was removed.

    Keys, curves, drawings and actions that Mouthpiece made are removed, and earlier values restored. Edited keys stay
    unless ``replace_edited``, and are the user's own from then on. Layers are removed with their edits: an offset has
    no meaning without the motion it is added to. ``is_mine`` tells by data-block and channel id what is to go.
    """
    drawn = [(owner, kind) for owner in owners for kind in drawers(owner)]
    with ExitStack() as undo:
        shared_actions.separate([owner for owner in owners if _is_keyed(owner)], undo)
        plans = [
            plan_removal(owner, replace_edited or bool(layer), layer, is_meant=partial(_is_meant, is_mine, owner))
            for owner in owners
            for layer in nla.keyed_layers(owner)
        ]
        total = writer.total(plans)
        for item in plans:
            if item.ledger.lines:
                writer.apply(item, undo)
        for owner, kind in drawn:
            total.add(kind.erase(owner, undo))
        undo.pop_all()
    for owner in owners:
        _drop_edits(owner, is_mine)
    for item in plans:
        writer.tidy(item)
    for owner, _ in drawn:
        ledgers.forget_lines(owner)
    return total


@dataclass(slots=True)
class Former:
    """What a line drove before and no longer drives: its keys are gone from there, and ``remarks`` say so.

    ``tidy`` removes empty actions and tracks; it cannot be reverted.
    """

    remarks: list[str] = field(default_factory=list)
    plans: list[Plan] = field(default_factory=list)

    def tidy(self) -> None:
        """Remove actions, tracks and animation data in which nothing is left."""
        for item in self.plans:
            writer.tidy(item)


def leave_former(
    claims: Claims, sound: str, now: Collection[bpy.types.ID], replace_edited: bool, undo: ExitStack
) -> Former:
    """Remove the keys of a character's line from data-blocks it drove before and does not drive ``now``.

    With the last of its lines the interludes go as well. Keys that were edited stay unless ``replace_edited``, and are
    the user's own from then on. ``undo`` gets callbacks that revert it.
    """
    found = Former()
    for owner in claims.owners():
        if owner in now:
            continue
        others = any(claim.owner == owner and claim.sounds - {sound} for claim in claims.mine)
        plans = [
            plan_removal(
                owner, replace_edited or bool(layer), layer, is_meant=partial(_is_left, claims, owner, (sound, others))
            )
            for layer in nla.keyed_layers(owner)
        ]
        plans = [item for item in plans if item.changes or item.written.kept]
        for item in plans:
            writer.apply(item, undo)
        if plans:
            found.plans += plans
            stays = any(item.written.kept for item in plans)
            label = next(claim.label for claim in claims.mine if claim.owner == owner)
            found.remarks.append(
                f"{label[0].upper()}{label[1:]} no longer moves with this line."
                + (" Keys you edited there stay, and are yours now." if stays else "")
            )
    return found


def take_off_line(obj: bpy.types.Object, sound: str, replace_edited: bool, undo: ExitStack) -> Former:
    """Remove one line of a character, wherever it is keyed or drawn; see :func:`leave_former`."""
    claims = Claims.of(obj)
    former = leave_former(claims, sound, (), replace_edited, undo)
    for owner in claims.owners():
        for kind in drawers(owner):
            kind.erase(owner, undo, {sound})
    return former


def _is_meant(
    is_mine: Callable[[bpy.types.ID, str], bool], owner: bpy.types.ID, _line: ledgers.LedgerLine, channel: str
) -> bool:
    """Return whether a channel of any ledger line of a data-block is to go."""
    return is_mine(owner, channel)


def _is_left(
    claims: Claims, owner: bpy.types.ID, left: tuple[str, bool], line: ledgers.LedgerLine, channel: str
) -> bool:
    """Return whether a ledger line is of the sound that is ``left``, or of an interlude if no other line stays."""
    sound, others = left
    between = not others and line.sound.startswith(ledgers.INTERLUDE)
    return claims.covers(owner, channel) and (line.sound == sound or between)


def _drop_edits(owner: bpy.types.ID, is_mine: Callable[[bpy.types.ID, str], bool]) -> None:
    """Remove a data-block's layer of edits, as far as its channels are meant."""
    curves = nla.fcurves_of(owner, edits.LAYER)
    for curve in list(curves):
        if is_mine(owner, channel_id(curve.data_path, curve.array_index)):
            curves.remove(curve)
    nla.tidy(owner, edits.LAYER)


def has_lines(owner: bpy.types.ID) -> bool:
    """Return whether any line is keyed or drawn in ``owner``."""
    return _is_keyed(owner) or bool(drawers(owner))


def _is_keyed(owner: bpy.types.ID) -> bool:
    """Return whether any line is keyed in ``owner``, in its active action or in a layer."""
    return any(ledgers.read(owner, layer).lines for layer in nla.keyed_layers(owner))
