"""Animates the lines of a cast, one after another: what has not changed is left alone, and no failure stops the others.

``steps`` may run in any thread; everything else runs in the main thread. Each line is written completely or not at all.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final, Literal

import bpy
from mouthpiece.errors import MouthpieceError
from mouthpiece.phrases import counted, listed

from ..bake import claims, interlude_keys, line_identity, removal
from ..bake.bake import Bake, Heard, Report
from ..bake.lines import dialled_lines
from ..characters.family import main_object
from ..targets import owners_of
from . import listeners
from .overlaps import Overlap, span, without_overlaps
from .strip_lines import MUTED, UNASSIGNED, StripLine, Unspoken
from .threads import SideBySide
from .wishes import State, Wishes

if TYPE_CHECKING:
    from mouthpiece.pipeline import Progress

    from ..keys.kept_takes import KeptLine

#: What became of a line.
Outcome = Literal["made", "up to date", "failed", "cancelled", "muted", "unassigned", "to do"]

_NEW: Final = State("NEW")
#: Share of all work that lines are counted for; the rest is what lies between them.
_LINES: Final = 0.6


@dataclass(slots=True)
class LineResult:
    """What becomes of one line: ``outcome`` and why, ``state`` before, ``report`` if it was made.

    ``seconds`` is how long writing its keys took, ``warnings`` hold those of hearing and writing.
    """

    line: StripLine | Unspoken
    outcome: Outcome
    state: State = _NEW
    reason: str = ""
    report: Report | None = None
    seconds: float = 0.0
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class LineHeard:
    """A message of :meth:`CastAnimation.steps`: what is to be written for a line, or the error that stands in the way.

    ``number`` is that of its result.
    """

    number: int
    heard: Heard | None
    error: Exception | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AllHeard:
    """The last message of :meth:`CastAnimation.steps`."""


@dataclass(frozen=True, slots=True)
class AllSettled:
    """The last message of :meth:`CastAnimation.settle`."""


class CastAnimation:
    """Lines that are to be animated, and what becomes of each.

    Attributes
    ----------
    results : list of LineResult
        One for each line, in order of time, then one for each strip that nobody can speak.
    """

    def __init__(
        self,
        lines: Sequence[StripLine],
        unspoken: Sequence[Unspoken] = (),
        *,
        wishes: Wishes,
        chosen: Callable[[StripLine | Unspoken], bool] = lambda _line: True,
        overlap: Overlap = "REFUSE",
        again: bool = False,
        replace_edited: bool = False,
        known: Callable[[StripLine, Bake], Bake] | None = None,
    ) -> None:
        """Look at every line; nothing is changed yet.

        Parameters
        ----------
        lines, unspoken
            What the cast has, as it was resolved: all of it, as lines may overlap.
        chosen
            Tells which of them are to be animated.
        wishes
            Makes the bakes.
        overlap
            Whether two lines of one character at the same time are refused or pass into each other.
        again
            Whether lines that are up to date are animated all the same.
        replace_edited
            Whether keys of the user's own are replaced.
        known
            Gives a bake a take that need not be inferred; raises MouthpieceError if there should be one and is not. By
            default it is the one kept with the line, if it still is the right one, but for ``again``.
        """
        self._wishes, self._again, self._replace = wishes, again, replace_edited
        self._bakes: dict[int, Bake] = {}
        self._scenes = {line.scene for line in lines} | {one.scene for one in unspoken}
        self._unspoken = {(one.scene, one.strip) for one in unspoken}
        self._strips: dict[tuple[str, str], dict[str, set[str]]] = {}
        for line in lines:
            speakers = self._strips.setdefault((line.scene, line.strip), {})
            speakers.setdefault(line.character, set()).add(line.recording.identity)
        self._touched: set[str] = set()
        self._lines = list(lines)
        self.results: list[LineResult] = []
        self.remarks: list[str] = []
        how = known or (_anew if again else wishes.remembered)
        twins = _twins(dict.fromkeys(line.character for line in lines))
        overwritten: dict[str, float] = {}
        for laid in without_overlaps(lines, overlap):
            line, (begin, end) = laid.line, span(laid.line)
            if not chosen(line):
                continue
            over = begin < overwritten.get(line.character, begin)
            problem = laid.problem or twins.get(line.character, "")
            result = self._planned(len(self.results), line, problem, how, over)
            self.results.append(result)
            if result.outcome == "to do":
                overwritten[line.character] = max(end, overwritten.get(line.character, end))
        for one in filter(chosen, unspoken):
            outcome: Outcome = "muted" if one.kind == MUTED else "unassigned" if one.kind == UNASSIGNED else "failed"
            self.results.append(LineResult(one, outcome, State("FAILED", one.reason), one.reason))

    def _planned(
        self, number: int, line: StripLine, problem: str, known: Callable[[StripLine, Bake], Bake], over: bool
    ) -> LineResult:
        """Return what is to be done for a line; one that lies ``over`` another is done again where that one is."""
        if problem:
            return LineResult(line, "failed", State("FAILED", problem), problem)
        try:
            bake = self._wishes.bake(line)
            state = self._wishes.state(line, bake)
            kept = state.standing == "CURRENT" or (state.standing == "EDITED" and not self._replace)
            if kept and not (self._again or over):
                return LineResult(line, "up to date", state)
            self._bakes[number] = known(line, bake)
        except MouthpieceError as error:
            return LineResult(line, "failed", State("FAILED", str(error)), str(error))
        return LineResult(line, "to do", state)

    @property
    def to_do(self) -> int:
        """Number of lines that are to be animated."""
        return sum(result.outcome == "to do" for result in self.results)

    def steps(self, jobs: int = 1) -> Iterator[Progress | LineHeard | AllHeard]:
        """Yield progress, for each line what is to be written, and :class:`AllHeard`; closing it stops everything.

        ``jobs`` is the number of threads that listen. Lines come in the same order whatever it is.
        """
        from mouthpiece.pipeline import Progress

        numbers = list(self._bakes)
        place = {number: done for done, number in enumerate(numbers)}
        if jobs > 1 and len(numbers) > 1:
            found = SideBySide(self._one, _by_sound(numbers, self._bakes), numbers).results(jobs)
        else:
            found = ((number, item) for number in numbers for item in self._one(number))
        for number, item in found:
            if isinstance(item, Progress):
                yield self._progress(item, number, place[number], len(numbers))
            else:
                yield item
        yield AllHeard()

    def _one(self, number: int) -> Iterator[Progress | LineHeard]:
        """Yield progress of one line, and last what is to be written for it."""
        from mouthpiece.pipeline import Progress, Warned

        said: list[str] = []
        try:
            for item in self._bakes[number].steps():
                if isinstance(item, Warned):
                    said.append(item.message)
                elif isinstance(item, Progress):
                    yield item
                else:
                    yield LineHeard(number, item, None, tuple(said))
        except Exception as error:  # whatever is wrong with one line, the others are animated
            yield LineHeard(number, None, error, tuple(said))

    def _progress(self, item: Progress, number: int, done: int, total: int) -> Progress:
        """Return the progress of everything from that of one line."""
        line = self.results[number].line
        message = f"{line.strip} ({done + 1} of {total}): {item.message}"
        return replace(item, fraction=_LINES * (done + item.fraction) / total, message=message)

    def write(self, message: LineHeard) -> LineResult:
        """Write what was heard of a line and return what became of it; if it fails, all is as it was before."""
        result, began = self.results[message.number], perf_counter()
        result.warnings += message.warnings
        try:
            if message.error is not None:
                raise message.error
            assert message.heard is not None  # without an error there is something to write
            result.report = self._bakes[message.number].write(message.heard, settle=False)
            result.warnings += result.report.warnings
            result.outcome = "made"
            self._touched.add(result.line.character)
        except MouthpieceError as error:
            result.outcome, result.reason = "failed", str(error)
        except Exception as error:  # a fault of ours in one line is told, and stops no other
            result.outcome, result.reason = "failed", f"Something unexpected happened: {error!r}. Please report it."
        result.seconds = perf_counter() - began
        self._bakes.pop(message.number)
        return result

    def cancel(self) -> None:
        """Note that what is still to do will not be done."""
        for result in self.results:
            if result.outcome == "to do":
                result.outcome, result.reason = "cancelled", "The work was stopped before."

    def settle(self, scene: bpy.types.Scene, everybody: bool = False) -> Iterator[Progress | AllSettled]:
        """Bring up to date what depends on several lines, step by step, and yield progress and :class:`AllSettled`.

        That is lines that touch, rest between lines, strips that are gone, and those who listen. Do it once after the
        last line was written, also after a failure; for ``everybody`` where an earlier run may have been stopped before
        it did. ``scene`` is the one whose frames have the keys. Remarks are added to :attr:`remarks`.
        """
        from mouthpiece.pipeline import Progress

        bare = self._take_off_lost(scene)
        members = [one.object for one in scene.mouthpiece_cast.members if one.object is not None]
        spoken = [bpy.data.objects[name] for name in self._speakers if name in bpy.data.objects]
        found = dict.fromkeys([*spoken, *map(main_object, members), *listeners.characters_in(scene)])
        characters = sorted(found, key=lambda obj: obj.name)
        addressed = {(line.character, line.recording.identity): line.to for line in self._lines if line.to}
        known = _digest([[obj.name, *_listens(obj)] for obj in characters], sorted(addressed.items()))
        unsettled = {
            obj: interlude_keys.How(self._replace, anew=obj.name in self._touched)
            for obj in characters
            if everybody or obj.name in self._touched or obj in bare
        }
        if unsettled or scene.mouthpiece_cast.listened != known:
            with ExitStack() as undo:
                for done, item in enumerate(listeners.steps(scene, characters, undo, addressed, unsettled)):
                    if isinstance(item, listeners.Renewed):
                        self.remarks += item.written.warnings
                    else:
                        share = _LINES + (1 - _LINES) * done / len(characters)
                        yield Progress(share, f"{item} rests and listens between lines")
                undo.pop_all()
            scene.mouthpiece_cast.listened = known
        self.remarks = list(dict.fromkeys(self.remarks))
        yield AllSettled()

    @property
    def _speakers(self) -> list[str]:
        """Names of all characters that have a line here, or had one that could be animated."""
        return list(dict.fromkeys([line.character for line in self._lines]))

    def _take_off_lost(self, scene: bpy.types.Scene) -> set[bpy.types.Object]:
        """Take off the lines of characters whose strips are gone or somebody else's; return whose they were."""
        bare = set()
        for name in dict.fromkeys([*self._speakers, *(obj.name for obj in listeners.characters_in(scene))]):
            obj = bpy.data.objects.get(name)
            stopped = any(r.outcome in ("failed", "cancelled") for r in self.results if r.line.character == name)
            gone = [] if obj is None or stopped else [k for k in dialled_lines(obj) if self._is_lost(obj, k)]
            if obj is None or not gone:
                continue
            try:
                self._take_off(obj, gone)
                bare.add(obj)
            except MouthpieceError as error:
                self.remarks.append(f"{name}: {error}")
        return bare

    def _take_off(self, obj: bpy.types.Object, gone: Sequence[KeptLine]) -> None:
        """Take lines off a character: all of them, or none if one cannot be."""
        with claims.alone(obj), ExitStack() as undo:
            former = [removal.take_off_line(obj, kept.sound, self._replace, undo) for kept in gone]
            undo.pop_all()
            for one in former:
                one.tidy()
        self.remarks += [f"{obj.name} no longer speaks {kept.label}, which is not its line any more." for kept in gone]

    def _is_lost(self, obj: bpy.types.Object, kept: KeptLine) -> bool:
        """Return whether the strip of a character's line is gone, no speech, or given to somebody else by the cast."""
        scene, strip = line_identity.strip_of(kept)
        if scene not in self._scenes or (scene, strip) in self._unspoken:
            return False
        if (scene, strip) not in self._strips and not line_identity.is_strip_there(scene, strip):
            return True
        speakers = self._strips.get((scene, strip), {})
        if any(name not in bpy.data.objects for name in speakers):  # renamed meanwhile, or deleted
            return False
        return "cast" in kept.made and kept.sound not in speakers.get(obj.name, ())

    def summary(self) -> str:
        """Return in a few words how many lines were made, were up to date, and failed."""
        counts: dict[str, int] = {}
        for result in self.results:
            counts[result.outcome] = counts.get(result.outcome, 0) + 1
        words = [f"{count} {outcome}" for outcome, count in counts.items()]
        return f"{counted(len(self.results), 'line')}: {listed(words)}" if words else "No line to animate"


def _anew(_line: StripLine, bake: Bake) -> Bake:
    return bake


def _listens(obj: bpy.types.Object) -> list[str]:
    """Return the settings by which a character listens."""
    own = obj.mouthpiece
    return [str(own.looks_at), own.looks_at_object.name if own.looks_at_object is not None else ""]


def _digest(*values: Any) -> str:
    return hashlib.blake2b(json.dumps(values).encode(), digest_size=12).hexdigest()


def _twins(characters: Iterable[str]) -> dict[str, str]:
    """Return what is wrong with characters whose face is another's too, as linked duplicates have it, by their names.

    Of those that share one, the first by name may speak.
    """
    faces: dict[bpy.types.ID, str] = {}
    found: dict[str, str] = {}
    for name in sorted(characters):
        obj = bpy.data.objects[name]
        own = [owner for owner in owners_of([obj], None) if not isinstance(owner, bpy.types.Object)]
        other = next((faces[owner] for owner in own if owner in faces), "")
        if other:
            found[name] = (
                f"'{name}' has the same face as '{other}', as linked duplicates have, so one would move with the lines "
                "of the other. Choose Object > Relations > Make Single User > Object & Data for one of them."
            )
        faces |= {owner: name for owner in own if owner not in faces}
    return found


def _by_sound(numbers: Sequence[int], bakes: Mapping[int, Bake]) -> list[list[int]]:
    """Return the numbers of bakes in groups that speak the same sound, in order of the first of each."""
    groups: dict[Any, list[int]] = {}
    for number in numbers:
        sound = bakes[number].recording
        groups.setdefault((sound.path, sound.channel, len(sound.packed or b"")), []).append(number)
    return list(groups.values())
