"""Keys of interludes: written where lines need them, taken away where they do not, and never over anybody's own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import Any, Final

import bpy
import numpy as np
from mouthpiece.errors import MouthpieceError
from numpy.typing import NDArray

from ..keys import kept_takes, ledgers, nla, writer
from ..keys.channels import Channel, Line, Part, Written
from ..keys.drawings import Drawings
from ..keys.fcurve_keys import BareKeys, Keys, Step, rewritten, split_id
from ..keys.plan import Change, Plan, Rescued, check_editable, curves_by_place, plan_removal, properties_without_effect
from ..targets import Target, drawers
from .interludes import Ends, Section, all_owners, driven, interludes, is_one, pieces, targets_of
from .layers import by_place
from .lifetime import note_seed

#: Kinds of targets that ask for interludes themselves, when they are rendered.
_ASKING: Final = ("PORTRAIT",)
#: Kinds of targets that are drawn anew for each pose: their heads keep still where nothing is said.
_REDRAWN: Final = ("STROKES",)
#: A range with every frame there is.
_ALL: Final = (-(2**31), 2**31)
#: First and last frame, both included.
_Range = tuple[int, int]
#: Sound, first and last frame of a section in a ledger.
_Place = tuple[str, int, int]


@dataclass(frozen=True, slots=True)
class How:
    """How interludes are keyed.

    Edited keys are replaced if ``over`` is set, or in channels of ``rescued``. With ``anew``, sections that would be as
    they are are made again all the same, with ``beside`` those of interludes beside the line of that sound: the rig may
    have changed since. ``draft`` is as in :func:`addon.bake.redial.redial`.
    """

    over: bool = False
    draft: bool = False
    anew: bool = False
    beside: str = ""
    rescued: Rescued = field(default_factory=Rescued)


def renew(
    obj: bpy.types.Object, lines: Sequence[kept_takes.KeptLine], how: How, ends: Ends, undo: ExitStack
) -> Written:
    """Key the interludes of a character as its ``lines`` need them now, and remove those that are no longer needed.

    Channels with keys of the user's own in a section, and edited ones, are left as they are there. ``undo`` gets
    callbacks that revert everything.
    """
    note_seed(obj, undo)
    owners = all_owners(obj, lines)
    places = {(owner, layer): _Update(owner, layer, how) for owner in owners for layer in nla.keyed_layers(owner)}
    drawn = {
        (owner, kind): [one.sound for one in kind.drawn_lines(owner) if is_one(one.sound)]
        for owner in owners
        for kind in drawers(owner)
        if hasattr(kind, "drawn_lines")  # targets of others, made for 0.4.0, have no interludes
    }
    there = {_place(one) for update in places.values() for one in update.ledger.lines if is_one(one.sound)}
    shown = {sound for sounds in drawn.values() for sound in sounds}
    known: dict[str, Target | None] = {}
    planned = []
    for one in interludes(obj, pieces(obj, lines, owners), ends):
        targets = [target for target in targets_of(obj, one, known) if target.kind not in _ASKING]
        planned.append((one, targets, one.sections(targets) if targets else []))
    wanted = {_place(section) for _, _, sections in planned for section in sections}
    # Channels that were edited or locked may still have what a section was before.
    stale = [(first, last) for _, first, last in there - wanted]
    drawings: list[tuple[Section, Drawings]] = []
    for one, targets, sections in planned:
        missing = [
            section
            for section in sections
            if how.anew
            or how.over
            or (how.beside and how.beside in one.sounds)
            or not (_place(section) in there or section.sound in shown)
            or _meets((section.first, section.last), stale)
        ]
        takes = {sways: one.take(sways) for sways in {target.kind not in _REDRAWN for target in targets} if missing}
        for section in missing:
            made = [driven(*takes[target.kind not in _REDRAWN], section, target) for target in targets]
            for (owner, layer), part in by_place([part for it in made for part in it.parts]).items():
                place = places.setdefault((owner, layer), _Update(owner, layer, how))
                place.fresh.append((section, part))
            drawings += [
                (section, it.drawings) for it in made if it.drawings is not None and hasattr(it.drawings, "room")
            ]
    total = Written()
    for update in places.values():
        update.stays = wanted - {_place(section) for section, _ in update.fresh}
        total.add(update.carry_out(f"Mouthpiece {obj.name}", undo))
    for (owner, kind), sounds in drawn.items():
        gone = set(sounds) - {sound for sound, _, _ in wanted}
        if gone:
            kind.erase(owner, undo, gone)
    for section, drawing in drawings:
        room = drawing.room(section.first, section.last)
        if room is not None:
            with suppress(MouthpieceError):  # told when the line itself is drawn
                drawing.check()
                drawn_now = drawing.write(Line(section.sound, *room), undo)
                total.keys += drawn_now.keys
                total.warnings += [one for one in drawn_now.warnings if one not in total.warnings]
    return total


@dataclass(slots=True)
class _Planned:
    """What is to become of one channel: ranges whose keys go, the keys that come, and edited ranges that stay."""

    gone: list[_Range] = field(default_factory=list)
    kept: list[_Range] = field(default_factory=list)
    keys: Keys = field(default_factory=lambda: Keys({"co": np.zeros((0, 2), np.float32)}))
    ranges: list[_Range] = field(default_factory=list)


class _Update:
    """The change of one data-block, or of one layer of it.

    ``fresh`` holds the sections that are keyed, each with its part; ``stays`` those that stay as they are.
    """

    def __init__(self, owner: bpy.types.ID, layer: str, how: How) -> None:
        """Read the ledger."""
        self.owner, self.layer, self.how = owner, layer, how
        self.ledger = ledgers.read(owner, layer)
        self.fresh: list[tuple[Section, Part]] = []
        self.stays: set[_Place] = set()
        self._curves: Mapping[tuple[str, int], Any] = {}
        self._bare: dict[str, BareKeys | None] = {}
        self._made: dict[str, dict[str, Keys]] = {}
        self._noted: dict[_Place, dict[str, int]] = {}
        self._steps: list[Step] = []
        self._written: dict[str, Keys] = {}
        self._others: dict[str, Keys] = {}

    def carry_out(self, name: str, undo: ExitStack) -> Written:
        """Bring the interludes up to date; ``undo`` gets callbacks that revert it. A new action gets its ``name``."""
        written = Written()
        old = [one for one in self.ledger.lines if is_one(one.sound) and _place(one) not in self.stays]
        spoken = [one for one in self.ledger.lines if not is_one(one.sound)]
        if not old and not self.fresh:
            return written
        if not spoken:  # nothing is said here any more: the keys go as those of a line do
            plan = plan_removal(self.owner, self.how.over or bool(self.layer), self.layer)
            if plan.ledger.lines:
                writer.apply(plan, undo)
            return written
        check_editable(self.owner, self.layer)
        self._curves = curves_by_place(self.owner, self.layer)
        beyond = properties_without_effect(self.owner, self.layer)
        said = {channel for one in spoken for channel in one.channels}
        for id, items in self._entries(old, said).items():
            planned = _Planned()
            there = [one for one in old if id in one.channels]
            items, there = self._carry_over(id, items, there)
            if not items and not there:
                continue
            self._plan_old(id, there, planned)
            if split_id(id) not in beyond and self._may_write(id, said):
                self._plan_new(id, items, spoken, planned)
            written.keys += len(planned.keys)
            written.channels += bool(len(planned.keys))
            self._plan_steps(id, planned)
        self._write(name, undo)
        return written

    def _entries(
        self, old: Sequence[ledgers.LedgerLine], said: set[str]
    ) -> dict[str, list[tuple[Section, Part, Channel]]]:
        """Return what plays each channel in fresh sections, by its id; nothing in those of ``old`` sections alone.

        A channel that a line has keys on, but that nothing drives any more, is left out: its rest stays as it is.
        """
        entries = {channel: list[tuple[Section, Part, Channel]]() for one in old for channel in one.channels}
        for section, part in self.fresh:
            for channel in part.channels:
                if channel.id in said or self.layer == "expression":
                    entries.setdefault(channel.id, []).append((section, part, channel))
        left = {id for id, items in entries.items() if self.fresh and not items and id in said}
        for one in old:
            for id in left & one.channels.keys():
                self._noted.setdefault(_place(one), {})[id] = one.channels[id]
        return {id: items for id, items in entries.items() if id not in left}

    def _carry_over(
        self, id: str, items: list[tuple[Section, Part, Channel]], old: list[ledgers.LedgerLine]
    ) -> tuple[list[tuple[Section, Part, Channel]], list[ledgers.LedgerLine]]:
        """Note sections in which a channel's keys stay what they were, and return what is left of both lists."""
        if self.how.over or split_id(id) not in self._curves:
            return items, old
        left, gone = [], set[int]()
        for section, part, channel in items:
            span = (section.first, section.last)
            same = next((k for k, one in enumerate(old) if (one.first, one.last) == span), None)
            if same is None or not self._is_like(id, self._keys_of(section, part)[channel.name], span, old[same]):
                left.append((section, part, channel))
                continue
            gone.add(same)
            self._noted.setdefault(_place(section), {})[id] = old[same].channels[id]
        return left, [one for k, one in enumerate(old) if k not in gone]

    def _is_like(self, id: str, made: Keys, span: _Range, noted: ledgers.LedgerLine) -> bool:
        """Return whether a channel was given the keys ``made`` on a range before (they may be edited since)."""
        if not made.is_curved:
            return made.checksum(*span) == noted.channels[id]
        bare = self._bare_of(id)
        return bare is not None and bare.is_like(made, [span])

    def _bare_of(self, id: str) -> BareKeys | None:
        """Return the keys a channel has now; None if it has no curve."""
        if id not in self._bare:
            fcurve = self._curves.get(split_id(id))
            self._bare[id] = None if fcurve is None else BareKeys.read(fcurve)
        return self._bare[id]

    def _plan_old(self, id: str, old: Sequence[ledgers.LedgerLine], planned: _Planned) -> None:
        """Plan what becomes of a channel's keys in sections that are no longer wanted, or are made again."""
        fcurve, bare = self._curves.get(split_id(id)), self._bare_of(id)
        free = self.how.over or (self.owner, self.layer, id) in self.how.rescued.channels
        for one in old:
            span = (one.first, one.last)
            edited = bare is not None and bare.checksum(*span) != one.channels[id]
            if fcurve is not None and (fcurve.lock or (edited and not free)):
                planned.kept.append(span)
                self._noted.setdefault(_place(one), {})[id] = one.channels[id]
            else:
                planned.gone.append(span)

    def _may_write(self, id: str, said: set[str]) -> bool:
        """Return whether a channel's curve is ours to key, or may be made: it is not if the user made or removed it."""
        fcurve = self._curves.get(split_id(id))
        if fcurve is None:
            return id not in said
        return not fcurve.lock and any(id in one.channels for one in self.ledger.lines)

    def _plan_new(
        self, id: str, items: Sequence[tuple[Section, Part, Channel]], spoken: Sequence[ledgers.LedgerLine],
        planned: _Planned,
    ) -> None:  # fmt: skip
        """Plan a channel's keys in fresh sections, but for those with edited keys or keys of the user's own."""
        bare = self._bare_of(id)
        ours = [*planned.gone, *((one.first, one.last) for one in spoken)]
        for section, part, channel in items:
            span = (section.first, section.last)
            if _meets(span, planned.kept):
                continue
            if bare is not None and not self.how.over and _has_others(bare, span, ours):
                continue
            made = self._keys_of(section, part)[channel.name]
            planned.keys = planned.keys.joined(made)
            planned.ranges.append(span)
            self._noted.setdefault(_place(section), {})[id] = made.checksum(*span)

    def _keys_of(self, section: Section, part: Part) -> dict[str, Keys]:
        """Return the keys of a section by channel name. Where nothing moves there are only the first and the last.

        In a draft with reduced keys, the frames of present keys are kept as far as the error allows.
        """
        if section.sound in self._made:
            return self._made[section.sound]
        span = (section.first, section.last)
        there: dict[str, NDArray[np.float32]] = {}
        for channel in part.channels if self.how.draft and part.error > 0 else ():
            bare = self._bare_of(channel.id)
            if bare is not None:
                frames = bare.co[bare.within(*span), 0]
                if len(frames) > 1:
                    there[channel.name] = frames
        made = part.keys([span], there)
        self._made[section.sound] = made if part.error > 0 else {name: _thinned(keys) for name, keys in made.items()}
        return self._made[section.sound]

    def _plan_steps(self, id: str, planned: _Planned) -> None:
        """Plan the steps that change the curve of a channel."""
        fcurve, bare = self._curves.get(split_id(id)), self._bare_of(id)
        ranges = _joined([*planned.gone, *planned.ranges])
        if not ranges:
            return
        if fcurve is None or bare is None:
            if len(planned.keys):
                self._others[id] = planned.keys
            return
        if not len(planned.keys) and not _has_others(bare, _ALL, ranges):
            self._others[id] = planned.keys  # nothing is left of the curve
            return
        if len(planned.keys):
            self._written[id] = planned.keys
            if bare.has_frames_of(planned.keys, ranges):
                self._steps += bare.moved(fcurve, planned.keys, ranges)
                return
        self._steps.append(rewritten(fcurve, planned.keys, ranges))

    def _write(self, name: str, undo: ExitStack) -> None:
        """Change the curves that are there, make or remove others, and note all of it in the ledger."""
        owner, layer = self.owner, self.layer
        found = nla.action_and_slot(owner, layer)
        ledger = ledgers.read(owner, layer)  # before keys change: what was renamed is recognised by the keys it has
        if found is not None:
            undo.callback(ledgers.restore, found[0], ledgers.snapshot(found[0]))
            for do, take_back in self._steps:
                undo.callback(take_back)
                do()
        lines = [one for one in ledger.lines if not is_one(one.sound) or _place(one) in self.stays]
        for (sound, first, last), sums in sorted(self._noted.items(), key=lambda item: item[0][1]):
            lines.append(ledgers.LedgerLine(sound, first, last, sums))
        if self._others:
            plan = Plan(owner, ledger, layer, lines=lines)
            for id, keys in self._others.items():
                place = split_id(id)
                before = Keys.read(self._curves[place]) if place in self._curves else None
                plan.changes[id] = Change(*place, keys, before)
            writer.carry_out([plan], name, undo)
            ledger, lines = ledgers.read(owner, layer), plan.lines
        if nla.action_and_slot(owner, layer) is None:
            return
        ledger.lines = writer.settled(owner, layer, lines, self._written)
        ledgers.write(owner, ledger, layer)
        if layer:
            undo.callback(nla.fit, owner, layer)
            nla.fit(owner, layer)
        owner.update_tag()


def _place(one: Section | ledgers.LedgerLine | Line) -> _Place:
    """Return what tells a section from others: its sound, and its first and last frame."""
    return one.sound, one.first, one.last


def _thinned(keys: Keys) -> Keys:
    """Return linear keys without those between two of the same value."""
    values = keys.arrays["co"][:, 1]
    if keys.is_curved or len(values) < 3:
        return keys
    same = values[1:] == values[:-1]
    inner = np.zeros(len(values), bool)
    inner[1:-1] = same[1:] & same[:-1]
    return keys.only(~inner)


def _meets(span: _Range, others: Iterable[_Range]) -> bool:
    """Return whether a range of frames has any frame of other ranges."""
    return any(span[0] <= last and first <= span[1] for first, last in others)


def _has_others(bare: BareKeys, span: _Range, ours: Iterable[_Range]) -> bool:
    """Return whether a curve has keys on a range of frames that lie in none of the ranges that are ``ours``."""
    frames = bare.co[bare.within(*span), 0]
    alone = np.ones(len(frames), bool)
    for first, last in ours:
        alone &= (frames < first - 0.5) | (frames > last + 0.5)
    return bool(alone.any())


def _joined(ranges: Iterable[_Range]) -> list[_Range]:
    """Return ranges of frames in order, those that touch or overlap as one."""
    found: list[_Range] = []
    for first, last in sorted(ranges):
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(last, found[-1][1]))
        else:
            found.append((first, last))
    return found
