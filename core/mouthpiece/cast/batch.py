"""Makes the takes of a cast: each sound is heard once, what has not changed is left alone, no failure stops others."""

from __future__ import annotations

import queue
import threading
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter
from typing import Any, Final

from ..audio import SoundFile
from ..errors import MouthpieceError, PlaceError, TextError
from ..files.places import Inputs, in_words, is_there, names_in
from ..lint.sources.takes import contacts_of
from ..motion.dials import Dials, dialled
from ..performance import Performance, check_replaceable
from ..phones.alignment import TimedText
from ..phrases import counted, listed
from ..pipeline import Networks, Options, Progress, Warned, steps
from ..sounds.mixdown import AUTOMATIC
from ..styles import SPEAKER, Style, named, read
from .lines import CastLine
from .report import BatchLine
from .spoken_text import SpokenText, with_text
from .takes import (
    ENDING,
    NOTED,
    KnownTake,
    Recipe,
    TakeFolder,
    content_of,
    file_name,
    file_names,
    folded,
    known_take,
    noted,
    style_key,
    text_key,
)

#: Seconds after which the next message is looked for again, so that Ctrl-C is not waited with.
_TICK: Final = 0.2
#: Where a line ends that goes on to the end of its sound, in seconds, and most disagreements that are told of it.
_OPEN: Final = 1e6
_TOLD: Final = 5


@dataclass(frozen=True, slots=True)
class TakeSettings:
    """What holds for all lines of a batch that the cast does not decide.

    Attributes
    ----------
    fps : float
        Frames per second of the takes.
    seed : int
        Seed of lines without one.
    style, channel : str
        Style, and what is heard of several channels, of lines without.
    models : Path or None
        Folder with networks of one's own.
    force : bool
        Whether files are replaced that are not takes of these lines.
    language : str
        Language of the lines' transcripts, as a BCP 47 tag; empty to guess by their letters.
    """

    fps: float = 25.0
    seed: int = 0
    style: str = SPEAKER
    channel: str = AUTOMATIC
    models: Path | None = None
    force: bool = False
    language: str = ""


@dataclass(frozen=True, slots=True)
class LineProgress:
    """How far a line is: its number, the fraction of it that is done, and what is being done."""

    number: int
    fraction: float
    message: str


@dataclass(frozen=True, slots=True)
class _TakeToMake:
    """A take that is to be made: of what, where, for which lines, and the amounts that were changed by hand before."""

    recipe: Recipe
    place: Path
    label: str
    sound: Path
    numbers: list[int]
    adjusted: Mapping[str, Any] = field(default_factory=dict)


class _Missing(MouthpieceError):
    """Something that a line needs is not there."""


class TakeBatch:
    """The takes of some lines of a cast, and what becomes of each.

    Attributes
    ----------
    lines : dict of int to BatchLine
        What becomes of each line, by its number in the cast.
    """

    def __init__(
        self,
        cast: Sequence[CastLine],
        folder: Path,
        settings: TakeSettings | None = None,
        chosen: Collection[int] | None = None,
    ) -> None:
        """Look at what there is of each line, and what is to be made; nothing is written yet.

        Parameters
        ----------
        cast
            All lines of the cast, also those that are not chosen: how takes are called depends on all of them, so that
            machines that make some lines each come to the same files.
        folder
            Where the takes are.
        settings
            What the cast does not decide.
        chosen
            Numbers, from 1, of the lines whose takes are to be made; None for all.

        Raises
        ------
        ModelError
            If a network is missing or damaged.
        """
        self._settings = settings or TakeSettings()
        self._cast, self._folder = dict(enumerate(cast, 1)), TakeFolder(folder)
        self._chosen = [number for number in self._cast if chosen is None or number in chosen]
        networks = Networks.find(self._settings.models)
        self.networks = networks.hashes()
        self.remarks = tuple(networks.remarks(self._settings.models))
        self.lines: dict[int, BatchLine] = {}
        self._inputs = Inputs(dict.fromkeys(line.audio for line in cast if line.audio is not None))
        self._contents: dict[Path, str] = {}
        self._states: dict[Path, tuple[int, int]] = {}
        self._stop = threading.Event()
        self._groups = self._planned()

    @property
    def to_do(self) -> int:
        """Number of lines whose takes are to be made."""
        return sum(line.state == "to do" for line in self.lines.values())

    def _planned(self) -> list[list[_TakeToMake]]:
        """Return the takes that are to be made, those of one sound together; note what there is of the lines."""
        recipes = self._recipes()
        known = self._folder.by_key()
        wanted: dict[str, list[int]] = {}
        kept: set[str] = set()
        for number, recipe in recipes.items():
            take = known.get(recipe.key)
            if take is None:
                wanted.setdefault(recipe.key, []).append(number)
                continue
            kept.add(folded(take.path.name))
            if number in self.lines:
                said = (_kept(take.adjusted),) if take.adjusted else ()
                self._done(number, "up to date", take.path, take.seconds, said)
        there = {folded(name): name for name in names_in(self._folder.path)}
        names = self._names()
        groups: dict[str, list[_TakeToMake]] = {}
        for numbers in wanted.values():
            mine = [number for number in numbers if number in self.lines]
            if mine:
                name = names[numbers[0]]
                if folded(name) in kept:  # another line's take has it, since labels were exchanged
                    name = file_name(name.removesuffix(ENDING), kept | set(there) | set(map(folded, names.values())))
                one = self._wanted(numbers[0], mine, recipes[mine[0]], there.get(folded(name), name))
                if one is not None:
                    groups.setdefault(one.recipe.heard, []).append(one)
        return list(groups.values())

    def _names(self) -> dict[int, str]:
        """Return the name of the file for each line's take, all different."""
        return dict(zip(self._cast, file_names(line.label for line in self._cast.values()), strict=True))

    def _recipes(self) -> dict[int, Recipe]:
        """Return what lines' takes are made of; note those that have none, and why."""
        found: dict[int, Recipe] = {}
        for number in self._chosen:
            line = self._cast[number]
            audio = str(line.audio or "")
            self.lines[number] = BatchLine(
                number, line.label, line.character, row=line.row, audio=audio, strip=line.strip
            )
            try:
                with in_words(line.audio or Path()):
                    recipe = self._recipe(line)
                    if recipe is None and line.audio is not None:
                        self._done(number, "up to date", line.audio, Performance.load(line.audio).seconds)
            except _Missing as error:
                self._set(number, state="missing", error=str(error))
            except MouthpieceError as error:
                self._set(number, state="failed", error=str(error))
            else:
                if recipe is not None:
                    found[number] = recipe
        sizes = {size for _, size in self._states.values()}
        for number in set(self._cast) - set(self._chosen):
            # a take of theirs may be one of those that are to be made, only if the sound is as long
            with suppress(MouthpieceError, OSError, ValueError):
                path = self._cast[number].audio
                recipe = self._recipe(self._cast[number]) if path and path.stat().st_size in sizes else None
                if recipe is not None:
                    found[number] = recipe
        return dict(sorted(found.items()))

    def _recipe(self, line: CastLine) -> Recipe | None:
        """Return what a line's take is made of; None if the line names a take.

        Raises
        ------
        _Missing
            If something of it is missing.
        MouthpieceError
            If something of it cannot be read.
        """
        if line.audio is None:
            raise _Missing(f"Only the scene knows what the strip '{line.strip}' plays. Fill 'audio' to make its take.")
        style = line.style or self._settings.style
        for path, what in ((line.audio, "sound"), (Path(style) if style.lower().endswith(".json") else None, "style")):
            if path is not None and not is_there(path):
                raise _Missing(f"There is no {what} at '{path}'. Check the path in the cast.")
        if line.audio.suffix.lower() == ENDING:
            return None
        dials = dict(line.dials)
        if line.emotion:
            dials["emotion"] = line.emotion
        if line.intensity is not None:
            dials["intensity"] = line.intensity
        return Recipe(
            self._content(line.audio),
            line.channel or self._settings.channel,
            style_key(style),
            self._settings.seed if line.seed is None else line.seed,
            self._settings.fps,
            self.networks,
            Dials.of(dials).saved(),
            text_key(self._text(line.audio), self._settings.language),
        )

    def _text(self, sound: Path) -> SpokenText:
        """Return what the cast says is spoken in a sound, by whichever lines; an empty text if it does not tell."""
        lines = [line for line in self._cast.values() if line.audio == sound and line.transcript]
        if not any(line.begin or line.end is not None for line in lines):
            return "\n".join(dict.fromkeys(line.transcript for line in lines))
        return tuple(TimedText(line.begin, _OPEN if line.end is None else line.end, line.transcript) for line in lines)

    def _content(self, path: Path) -> str:
        if path not in self._contents:
            state = path.stat()
            self._contents[path] = content_of(path)
            self._states[path] = (state.st_mtime_ns, state.st_size)
        return self._contents[path]

    def _wanted(self, first: int, numbers: list[int], recipe: Recipe, name: str) -> _TakeToMake | None:
        """Return the take that is to be made for lines that share it; None if it may not be, which is noted.

        ``first`` is the number of the line after which it is called.
        """
        place, label, sound = self._folder.path / name, self._cast[first].label, self._cast[numbers[0]].audio
        assert sound is not None  # it has a recipe
        before: KnownTake | None = None
        try:
            if is_there(place):
                before = known_take(place)
                self._inputs.refuse(place)
                if (before is None or before.label != label) and not self._settings.force:
                    raise PlaceError(
                        f"'{place}' is there and was not made for this line. Move it away, choose another folder, or "
                        "replace it with --force."
                    )
                check_replaceable(place, True)
        except MouthpieceError as error:
            for number in numbers:
                self._set(number, state="failed", error=str(error))
            return None
        for number in numbers:
            self._set(number, take=str(place))
        return _TakeToMake(recipe, place, label, sound, numbers, before.adjusted if before else {})

    def steps(self, jobs: int = 1) -> Generator[LineProgress | BatchLine]:
        """Make what is to be made: yield progress, and every line whose state has changed.

        ``jobs`` is the number of threads that listen at once; what is made does not depend on it. Closing the iterator
        stops the work; lines that were not made are then cancelled.
        """
        try:
            if jobs > 1 and len(self._groups) > 1:
                yield from self._side_by_side(min(jobs, len(self._groups)))
            else:
                for group in self._groups:
                    yield from self._make(group)
        finally:
            self._stop.set()
            for line in [line for line in self.lines.values() if line.state == "to do"]:
                self._set(line.number, state="cancelled", error="The work was stopped before.")

    def _side_by_side(self, jobs: int) -> Iterator[LineProgress | BatchLine]:
        """Yield what the threads say that make takes."""
        said: queue.SimpleQueue[LineProgress | BatchLine | None] = queue.SimpleQueue()
        waiting = iter(self._groups)
        guard = threading.Lock()

        def work() -> None:
            try:
                while not self._stop.is_set():
                    with guard:
                        group = next(waiting, None)
                    if group is None:
                        return
                    for message in self._make(group):
                        said.put(message)
            finally:
                said.put(None)

        threads = [threading.Thread(target=work, name=f"takes {number}", daemon=True) for number in range(jobs)]
        for thread in threads:
            thread.start()
        try:
            running = jobs
            while running:
                try:
                    message = said.get(timeout=_TICK)
                except queue.Empty:
                    continue
                running -= message is None
                if message is not None:
                    yield message
        finally:
            self._stop.set()
            for thread in threads:  # a take that is being written is written whole; what is heard is given up
                thread.join()

    def _make(self, group: list[_TakeToMake]) -> Iterator[LineProgress | BatchLine]:
        """Hear a sound, and make the takes of it that differ in their amounts only."""
        first, began = group[0], perf_counter()
        warnings: list[str] = []
        try:
            with in_words(first.sound):
                take: Performance | None = None
                for item in self._heard(first):
                    if self._stop.is_set():
                        return
                    if isinstance(item, Progress):
                        yield LineProgress(first.numbers[0], item.fraction, item.message)
                    elif isinstance(item, Warned):
                        warnings.append(item.message)
                    else:
                        take = item
                assert take is not None
                self._check_unchanged(first.sound)
        except Exception as error:  # whatever is wrong with one sound, the others are heard
            yield from self._failed(group, error)
            return
        take, told = self._with_text(first.sound, take)
        warnings += told
        for one in group:
            try:
                with in_words(one.place):
                    contacts = contacts_of(self._save(one, take))
            except Exception as error:
                yield from self._failed([one], error)
                continue
            kept = (_kept(one.adjusted),) if one.adjusted else ()
            for number in one.numbers:
                self._done(number, "made", one.place, take.seconds, (*warnings, *kept))
                self._set(number, wall_seconds=round(perf_counter() - began, 3), contacts=contacts)
                began = perf_counter()
                yield self.lines[number]

    def _heard(self, one: _TakeToMake) -> Iterator[Progress | Warned | Performance]:
        line = self._cast[one.numbers[0]]
        source = SoundFile(one.sound, one.recipe.channel)
        style = _style(line.style or self._settings.style)
        for item in steps(source, Options(one.recipe.fps, one.recipe.seed, style), self._settings.models):
            if not isinstance(item, Warned) or item.message not in self.remarks:
                yield item

    def _with_text(self, sound: Path, take: Performance) -> tuple[Performance, list[str]]:
        """Return a take with what the cast says is spoken, and what is to be told of that.

        A take whose listener hears no phones, or whose transcript does not fit, stays as it is.
        """
        text = self._text(sound)
        if not text or not take.speech:
            return take, []
        try:
            changed, found = with_text(take, text, self._settings.language)
        except TextError as error:
            return take, [f"Its transcript was not used. {error}"]
        told = [one.told() for one in found.disagreements[:_TOLD]]
        more = len(found.disagreements) - len(told)
        return changed, [*told, *([f"Sound and transcript disagree in {counted(more, 'more place')}."] if more else [])]

    def _check_unchanged(self, path: Path) -> None:
        state = path.stat()
        if (state.st_mtime_ns, state.st_size) != self._states[path]:
            raise PlaceError(f"'{path}' was changed while it was heard. Run the batch again when it is whole.")

    def _save(self, one: _TakeToMake, take: Performance) -> Performance:
        """Save the take of a line and return it."""
        amounts = {**one.recipe.dials, **one.adjusted}
        dials = Dials.of({name: value for name, value in amounts.items() if value is not None})
        made = noted(one.recipe, one.label, take.seconds)
        saved = dialled(replace(take, options={**take.options, NOTED: made}), dials)
        saved.save(one.place)
        return saved

    def _failed(self, group: Sequence[_TakeToMake], error: Exception) -> Iterator[BatchLine]:
        said = isinstance(error, MouthpieceError)
        reason = str(error) if said else f"Something unexpected happened: {error!r}. Please report it."
        for number in (number for one in group for number in one.numbers):
            self._set(number, state="failed", error=reason, take="")
            yield self.lines[number]

    def _done(self, number: int, state: Any, place: Path, seconds: float, warnings: Sequence[str] = ()) -> None:
        """Note that a line has its take, unless the sound is over before the line begins."""
        line, said = self._cast[number], list(warnings)
        error = ""
        if line.begin >= seconds > 0:
            state, error = "failed", (
                f"It begins at {line.begin:g} s, but its sound lasts {seconds:.2f} s. Correct 'begin' in the cast."
            )  # fmt: skip
        elif line.end is not None and line.end > seconds + 1:
            said.append(f"It ends at {line.end:g} s, but its sound lasts {seconds:.2f} s.")
        shown = max(0.0, min(line.end or seconds, seconds) - line.begin)
        self._set(number, state=state, take=str(place), seconds=round(shown, 3), warnings=tuple(said), error=error)

    def _set(self, number: int, **changes: Any) -> None:
        self.lines[number] = replace(self.lines[number], **changes)


def _style(text: str) -> Style | None:
    return read(Path(text)) if text.lower().endswith(".json") else named(text)


def _kept(adjusted: Mapping[str, Any]) -> str:
    return f"What was adjusted by hand in the take ({listed(list(adjusted))}) is kept."
