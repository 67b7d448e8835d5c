"""One bake from beginning to end, as the panel's button, scripts and the command line run it.

``Bake`` is a snapshot of everything asked for. ``steps`` may run in any thread. ``write`` must run in the main thread;
it alone changes the scene, completely or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy
from mouthpiece.errors import RigError
from mouthpiece.phrases import counted

from .. import remarks
from ..keys import kept_takes, ledgers, writer
from ..keys.channels import Line, Part, Reduction, Written
from ..keys.plan import Rescued
from ..sound import recordings
from ..sound.spoken_texts import LineText, SpokenTake, TextFit, with_text
from ..targets import Driven, Target, coverage_of, find_object, without_mouth
from . import checks, convert, edits, fingerprints, interlude_keys, line_identity, rebuild, redial, removal
from .claims import Claims
from .layers import LayeredTake, by_place
from .lines import unread

if TYPE_CHECKING:
    from mouthpiece.curves import FrameGrid
    from mouthpiece.motion.dials import Dials
    from mouthpiece.performance import Performance
    from mouthpiece.pipeline import Options, Progress, Warned
    from mouthpiece.retarget.coverage import Coverage


@dataclass(frozen=True, slots=True)
class Heard:
    """The last message of ``Bake.steps``: the inferred take, and the frames it covers.

    ``begin`` is the second of the sound at which the take begins, ``seconds`` the length of the sound as far as it was
    heard. ``fit`` says how the line's text fits the sound, if it has one that could be used.
    """

    performance: Performance
    grid: FrameGrid
    begin: float = 0.0
    seconds: float = 0.0
    fit: TextFit | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """A take as inferred that need not be inferred again.

    It begins at the second ``begin`` of a sound that is ``seconds`` long (0: as long as the take). ``take`` reads it,
    in any thread, or raises TakeError.
    """

    take: Callable[[], Performance]
    begin: float = 0.0
    seconds: float = 0.0


@dataclass(slots=True)
class Report:
    """What a bake did, for the caller to put into words.

    ``targets`` has a dict for each target, the character first: object, kind, and a summary. ``coverage`` says which
    parts of the face move, by what, and why not the others. ``clamped`` holds the number of clamped frames and ``kept``
    the reason why a channel was left as it was, each by channel name. ``channel`` is which one of a sound with several
    was heard; empty for the mean of all. ``fit`` says how the line's text fits the sound, if it has one that could be
    used.
    """

    object: str
    sound: str
    targets: list[dict[str, str]] = field(default_factory=list)
    first: int = 0
    last: int = 0
    channels: int = 0
    keys: int = 0
    clamped: dict[str, int] = field(default_factory=dict)
    kept: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    reduction: Reduction | None = None
    coverage: Coverage | None = None
    channel: str = ""
    fit: TextFit | None = None

    def summary(self) -> str:
        """Return one line of text for the user."""
        fewer = "" if self.reduction is None else f" ({self.reduction.summary()})"
        drawn = bool(self.targets) and all(entry["kind"] == "STROKES" for entry in self.targets)
        one, where = ("drawing", "layer") if drawn else ("key", "channel")
        keyed = f"{counted(self.keys, one)}{fewer} on {counted(self.channels, where)} of {self.object}"
        what = keyed if self.channels else self.object
        return f"{what}, frames {self.first} to {self.last}"

    def as_dict(self) -> dict[str, Any]:
        """Return the report as a dict that fits JSON; ``coverage`` has an entry for each part of the face."""
        return asdict(self) | {"coverage": {} if self.coverage is None else self.coverage.as_dict()}

    def coverage_lines(self) -> list[str]:
        """Return a line of text for each part of the face: what moves it, or why nothing does."""
        return [] if self.coverage is None else self.coverage.lines()


@dataclass(frozen=True, slots=True)
class Bake:
    """What to bake: a sound, or a take (.npz) as ``recording.path``, onto targets, the character's first.

    With ``layered`` the keys go into layers in the NLA, else into one action. With an ``error`` above 0, a share of
    full motion, the bake sets the fewest keys that stay within it, else one a frame.

    The style is that of ``options``, or that of the speaker in the sound at ``style_from``. Dials at their defaults are
    replaced by those saved with a take. ``remarks`` are what the report shall say besides. A take that is ``known`` is
    not inferred. ``text`` is what is said, if that is known. ``rig`` is the fingerprint of the targets, if it
    is known already; ``of_cast`` is whether the cast asked for the line.
    """

    recording: recordings.Recording
    targets: tuple[Target, ...]
    options: Options | None = None
    models: Path | None = None
    replace_edited: bool = False
    dials: Dials | None = None
    style_from: str = ""
    layered: bool = False
    error: float = 0.0
    remarks: tuple[str, ...] = ()
    known: Known | None = None
    rig: str = ""
    of_cast: bool = False
    text: LineText = field(default_factory=LineText)

    def steps(self) -> Iterator[Progress | Warned | Heard]:
        """Yield progress and warnings, and last a :class:`Heard`. Reads and changes nothing in Blender."""
        part = self.recording.placement.part
        for item in self._heard():
            if not isinstance(item, Heard) or not self.text or (self.known and item.performance.speech.text):
                yield item  # a known take that has a text has this one, or it would not be known
                continue
            for said in with_text(item.performance, self.text, item.begin, part):
                yield replace(item, performance=said.take, fit=said.fit) if isinstance(said, SpokenTake) else said

    def _heard(self) -> Iterator[Progress | Warned | Heard]:
        """Yield progress and warnings, and last what was heard, without the text."""
        from mouthpiece.performance import Performance
        from mouthpiece.pipeline import Excerpt, excerpt_steps

        if self.recording.is_take:
            take = self._dialled(Performance.load(self.recording.path))
            yield Heard(take, self.recording.placement.grid(take.seconds), seconds=take.seconds)
            return
        place = self.recording.placement
        if self.known is not None:
            take, begin = replace(self.known.take(), dials={}), self.known.begin
            seconds = self.known.seconds or take.seconds
            yield Heard(self._dialled(take), _from_second(place.grid(seconds), begin), begin, seconds)
            return
        with recordings.opened(self.recording) as sound:
            for item in excerpt_steps(sound, place.part, self._options(), self.models):
                if isinstance(item, Excerpt):
                    grid = _from_second(place.grid(item.seconds), item.begin)
                    yield Heard(self._dialled(item.performance), grid, item.begin, item.seconds)
                else:
                    yield item

    def _options(self) -> Options | None:
        """Return the options, with the style of the sound at ``style_from`` if there is one."""
        from mouthpiece.pipeline import Options, style_of

        if not self.style_from:
            return self.options
        source = recordings.open_file(self.style_from)
        style = replace(style_of(source, self.models), name=f"from {Path(self.style_from).name}")
        return replace(self.options or Options(), style=style)

    def _dialled(self, take: Performance) -> Performance:
        """Return a take with its saved dials, overridden by those of this bake."""
        from mouthpiece.motion.dials import Dials, dialled

        return dialled(take, Dials.of({**take.dials, **(self.dials.saved() if self.dials else {})}))

    def write(self, heard: Heard, settle: bool = True) -> Report:
        """Write keys and drawings for the take and return what was done.

        Without ``settle``, lines do not give way to the neighbours they touch, interludes stay as they are, and nothing
        is looked at afterwards: whoever writes many lines calls :func:`addon.bake.redial.renew` once for each
        character. Raises RigError, with the scene as it was, if a target is gone or every channel has keys of the
        user's own.
        """
        tidy: list[Callable[[], None]] = []
        claims = Claims.of(find_object(self.targets[0].object_name))
        with claims.alone():
            with ExitStack() as undo:
                report = self._write(heard, claims, undo, tidy, settle)
                undo.pop_all()
            for last in tidy:
                last()
        return report

    def _write(
        self, heard: Heard, claims: Claims, undo: ExitStack, tidy: list[Callable[[], None]], settle: bool
    ) -> Report:
        """Write as :meth:`write` does, for a character with those claims.

        Callbacks that revert it are added to ``undo``, and to ``tidy`` functions to call once all has succeeded.
        """
        from mouthpiece.motion.dials import Dials

        obj = find_object(self.targets[0].object_name)
        coverage, unknown = coverage_of(self.targets), unread(obj)
        rebuild.note_bones(obj, redial.dialled_lines(obj), undo)
        seen = LayeredTake.of(heard.performance, Dials.of(heard.performance.dials), self.layered, self.error)
        driven = [seen.drive(target, heard.grid) for target in self.targets]
        sha256 = heard.performance.audio_sha256
        owners = [part.owner for one in driven for part in one.parts]
        kept = self._kept_line(heard)
        line_identity.take_over(obj, owners, self.recording, kept, sha256, undo)
        claims = Claims.of(obj)  # again: lines may have been renamed
        claims.check(part for one in driven for part in one.parts)
        line = Line(self.recording.identity, heard.grid.first, heard.grid.last)
        parts = list(by_place([part for one in driven for part in one.parts]).values())
        drawings = [one.drawings for one in driven if one.drawings is not None]
        name = self.targets[0].object_name
        if convert.has_other_lines([part.owner for part in parts], self.layered):
            tidy.append(convert.turn(obj, self.layered, undo)[1])
        if self.layered and not self.replace_edited:
            redial.rescue_interludes(obj, undo)
        rescued = self._rescued(obj, line, heard)
        written = writer.write(parts, line, f"Mouthpiece {name}", self.replace_edited, drawings, rescued, undo)
        _check_mouth(name, driven[0], written.left)
        former = removal.leave_former(claims, line.sound, {part.owner for part in parts}, self.replace_edited, undo)
        written.warnings += former.remarks
        tidy.append(former.tidy)
        rebuild.note_names(obj, self.targets)
        edited = {place for place, reason in written.left.items() if reason == remarks.EDITED}
        stays = {c.id for part in parts for c in part.channels if part.place(c) in edited}
        kept = replace(kept, held=_held(obj, line, stays))
        self._keep_line(parts, [drawing.owner for drawing in drawings], kept, heard.performance)
        if settle:
            how = interlude_keys.How(self.replace_edited, beside=line.sound)
            written.warnings += redial.renew(obj, undo, how).warnings
        report = Report(name, self.recording.label, [_target_entry(target) for target in self.targets])
        report.first, report.last = line.first, line.last
        report.keys, report.channels, report.kept = written.keys, written.channels, self._left(driven, written)
        report.reduction, report.coverage = written.reduction, coverage
        report.fit = heard.fit
        report.channel = str(heard.performance.options.get("channel", ""))
        mouthless = "" if self.targets[0].kind == "HEAD" else without_mouth(self.targets[0])
        report.warnings += [mouthless] if mouthless else []
        for one in driven:
            report.clamped |= one.clamped
            report.warnings += one.warnings
        report.warnings += [*dict.fromkeys([*unknown, *written.warnings]), *remarks.kept(report.kept), *self.remarks]
        keyed = [
            replace(part, channels=tuple(c for c in part.channels if part.place(c) not in written.left))
            for part in parts
        ]
        if settle:
            tidy.append(lambda: report.warnings.extend(checks.told(obj, keyed)))
        return report

    def _left(self, driven: Sequence[Driven], written: Written) -> dict[str, str]:
        """Return why channels were left as they were, by their names; those of the company with the name of its object.

        What is drawn has no channels, and is called as it is.
        """
        places = {part.place(c) for one in driven for part in one.parts for c in part.channels}
        main = {part.place(c) for part in driven[0].parts for c in part.channels}
        found = {name: why for name, why in written.kept.items() if name not in {name for _, _, name in places}}
        for target, one in zip(self.targets, driven, strict=True):
            beside = target.kind != "HEAD"
            for place in (part.place(c) for part in one.parts for c in part.channels):
                if place in written.left:
                    of = f" of '{target.object_name}'" if beside and place not in main else ""
                    found[place[2] + of] = written.left[place]
        return found

    def _rescued(self, obj: bpy.types.Object, line: Line, heard: Heard) -> Rescued:
        """Return the edits in layers that baking ``line`` would overwrite."""
        found = Rescued()
        if self.replace_edited or not self.layered:
            return found
        for kept in redial.dialled_lines(obj):
            same, before = kept.sound == line.sound, kept.frames()
            meets = before.first <= line.last and line.first <= before.last
            if not rebuild.is_layered(kept) or not (same or meets):
                continue
            alike = abs(heard.grid.offset + heard.begin - before.offset - kept.begin) < 1e-6
            shift = round(heard.grid.origin - before.origin) if same and alike else 0
            edits.rescue(found, obj, kept, None if same else (line.first, line.last), shift)
        return found

    def _keep_line(
        self, keyed: list[Part], drawn: list[bpy.types.ID], line: kept_takes.KeptLine, take: Performance
    ) -> None:
        """Store the line and its take where its first keys or drawings are, so that it can be dialled again.

        Nothing is stored if nothing was keyed or drawn.
        """
        played = [part for part in keyed if ledgers.read(part.owner, part.layer).has(self.recording.identity)]
        homes = [ledgers.home(part.owner, part.layer) for part in played] + [ledgers.Home(owner) for owner in drawn]
        own = type(self.targets[0]).owners(find_object(self.targets[0].object_name))
        homes.sort(key=lambda home: home.holder not in own)  # a drawn character's line is with it, not with its head
        if not homes:
            return
        kept_takes.keep(homes[0], line, take)

    def _kept_line(self, heard: Heard) -> kept_takes.KeptLine:
        """Return the line as it is kept."""
        sound = self.recording
        return kept_takes.KeptLine(
            sound.identity,
            sound.label,
            asdict(heard.grid),
            tuple(target.saved() for target in self.targets),
            heard.performance.dials,
            self.error,
            sound.content,
            heard.begin,
            recordings.stored_place(sound.path),
            channel=str(heard.performance.options.get("channel", "")),
            made=self._made(heard),
        )

    def _made(self, heard: Heard) -> dict[str, str]:
        """Return what the line is made of."""
        return {
            "take": fingerprints.take_of(
                self.recording, self.options, self.style_from, heard.performance.models, self.text
            ),
            "place": fingerprints.place_of(self.recording),
            "rig": self.rig or fingerprints.rig_of(self.targets),
            "dials": fingerprints.dials_of(self.dials),
            "seconds": repr(heard.seconds),
            **({"cast": "yes"} if self.of_cast else {}),
        }


def _held(obj: bpy.types.Object, line: Line, stays: Collection[str]) -> dict[str, Mapping[str, Any]]:
    """Return the dials by which channels that keep an edit were generated, by their ids: those of the line before."""
    before = next((kept for kept in redial.dialled_lines(obj) if kept.sound == line.sound), None)
    return {} if before is None else {channel: before.held.get(channel, before.dials) for channel in stays}


def _check_mouth(name: str, driven: Driven, left: Mapping[tuple[int, str, str], str]) -> None:
    """Raise RigError if all channels of the lips of a character's target were left: its mouth would not speak."""
    lips = [
        (channel.name, part.place(channel))
        for part in driven.parts
        for channel in part.channels
        if channel.layer == "lips"
    ]
    if lips and all(place in left for _, place in lips):
        reasons = " ".join(remarks.kept({channel: left[place] for channel, place in lips}))
        raise RigError(f"The mouth of '{name}' would not move: {reasons}")


def _from_second(grid: FrameGrid, second: float) -> FrameGrid:
    """Return the grid for a take whose time 0 is at ``second`` of the sound."""
    return replace(grid, offset=grid.offset - second)


def _target_entry(target: Target) -> dict[str, str]:
    """Return what a report says of a target."""
    return {"object": target.object_name, "kind": target.kind, "summary": target.summary()}
