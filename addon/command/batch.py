"""``blender -b film.blend -c mouthpiece batch``: animates every line of a cast, in one file or several."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy
from mouthpiece.cli.paths import named_path
from mouthpiece.errors import CastError, MouthpieceError, TakeError
from mouthpiece.files.places import collisions, is_file
from mouthpiece.phrases import counted, listed

from ..bake.bake import Bake, Known
from ..bake.line_identity import second_of
from ..cast import placement
from ..cast.animation import AllHeard, AllSettled, CastAnimation, LineHeard, LineResult
from ..cast.scene_lines import resolved
from ..cast.settings import title
from ..cast.strip_lines import StripLine, Unspoken
from ..cast.wishes import Wishes
from ..lint import faces
from ..sound.recordings import animation_fps
from ..targets import find_object
from . import blend_files
from .unfinished import Unfinished, open_file, source_of

if TYPE_CHECKING:
    from mouthpiece.cast.lines import CastLine
    from mouthpiece.cast.report import BatchReport
    from mouthpiece.cast.table import Cast
    from mouthpiece.cast.takes import TakeFolder


#: Scene, strip, second of a turn (or an empty text) and main object of a line.
_Place = tuple[str, str, str, str]


def add(commands: Any) -> None:
    """Add the ``batch`` command to ``parser.add_subparsers()``."""
    from mouthpiece.cli.batch import add_batch_arguments
    from mouthpiece.cli.report import add_report_arguments

    parser = commands.add_parser(
        "batch",
        help="animate every line of a scene, or of a cast table",
        description="Animate every line that somebody speaks: of the scene's own cast, or of a cast table. "
        "Lines that are up to date are left alone.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "cast", nargs="?", type=named_path, metavar="CAST",
        help="table of who speaks what (CSV, JSON, OpenTimelineIO), put on the timeline first (default: the strips of "
        "the scene as its cast has them)",
    )  # fmt: skip
    files = parser.add_argument_group("files")
    files.add_argument(
        "--blend", type=named_path, action="append", default=[], metavar="BLEND",
        help="a file to animate in place of the opened one; may be given again",
    )  # fmt: skip
    files.add_argument(
        "--scene", metavar="NAME", help="its scene (default: those the cast table names, else the active one)"
    )
    files.add_argument("--output", type=named_path, metavar="BLEND", help="save the animated file here")
    files.add_argument(
        "--output-dir", type=named_path, metavar="DIR", help="save the animated files here, under their own names"
    )
    files.add_argument("--force", action="store_true", help="replace files that exist, also the opened one")
    keys = parser.add_argument_group("keys")
    keys.add_argument(
        "--takes", type=named_path, metavar="DIR",
        help="use the takes that batch made here without Blender; no network runs",
    )  # fmt: skip
    keys.add_argument(
        "--models",
        type=named_path,
        metavar="DIR",
        help="use the networks in DIR for characters without networks of their own",
    )
    keys.add_argument("--again", action="store_true", help="animate lines that are up to date as well")
    keys.add_argument("--replace", action="store_true", help="replace keys of your own and edited keys as well")
    keys.add_argument("--extend", action="store_true", help="let scenes end with the last line of the table")
    keys.add_argument(
        "--overlap", choices=("refuse", "blend"), metavar="HOW",
        help="what to do where two lines of one character are heard at once: refuse the later, or blend (default: as "
        "the scene has it)",
    )  # fmt: skip
    add_batch_arguments(parser)
    add_report_arguments(parser)
    parser.set_defaults(command=run)


@dataclass(frozen=True, slots=True)
class _BatchFile:
    """One .blend file of a batch: None for a scene that was never saved.

    ``cast`` holds the lines that a table has for it, ``numbers`` those that are asked for, by label.
    """

    path: Path | None
    output: Path | None
    cast: Cast | None
    numbers: Mapping[str, int]

    @property
    def name(self) -> str:
        """Its name in messages."""
        return "the open scene" if self.path is None else self.path.name


def contradiction(options: argparse.Namespace) -> str:
    """Return which options contradict each other; empty if none do."""
    if options.output is not None and options.output_dir is not None:
        return "Give --output for one file, or --output-dir for several, not both"
    if options.output is not None and len(options.blend) > 1:
        return "--output names one file, and several are animated: give --output-dir"
    if not (options.dry_run or options.output or options.output_dir):
        return "Nothing would be kept: give --output or --output-dir (or --dry-run, to see what would happen)"
    if options.takes is not None and options.models is not None:
        return "--takes runs no network, so --models does nothing: leave one of them out"
    return ""


def run(options: argparse.Namespace) -> int:
    """Animate. Return 0 if all lines are as the cast wants them, 1 if one failed, 2 for options that contradict."""
    from mouthpiece.cast.takes import TakeFolder
    from mouthpiece.cli.batch import begun_report, failed, read_chosen
    from mouthpiece.cli.report import BAD_ARGUMENTS, DONE, FAILED, reporter

    teller = reporter(options)
    wrong = contradiction(options)
    if wrong:
        teller.error("batch", wrong)
        return int(BAD_ARGUMENTS)
    found = None if options.cast is None else read_chosen(options, teller)
    if isinstance(found, int):
        return found
    outputs: list[str] = []
    failures: list[dict[str, str]] = []
    facts = {"cast": str(options.cast or ""), "outputs": outputs, "failures": failures}
    try:
        files = _files(options, found)
        report = begun_report(options, facts, _read(options, files))
        takes = None if options.takes is None else TakeFolder(options.takes)
    except MouthpieceError as error:
        teller.error("", str(error))
        return int(failed(teller, options, str(error)))
    try:
        for file in files:
            try:
                output = _Run(file, options, teller, report, takes).go()
                outputs += [] if output is None else [str(output)]
            except MouthpieceError as error:
                teller.error(file.name, str(error))
                failures.append({"blend": file.name, "error": str(error)})
    finally:  # however it ends, Ctrl-C included
        report.write()
    text = "\n".join([*(report.told() if options.dry_run else ()), report.summary(), *outputs])
    teller.result(report.as_dict(), text)
    return int(DONE if report.ok else FAILED)


def _files(options: argparse.Namespace, found: tuple[Cast, dict[int, CastLine]] | None) -> list[_BatchFile]:
    """Return the files that are to be animated, each with its output; raises MouthpieceError if they cannot be."""
    opened = Path(bpy.data.filepath) if bpy.data.filepath else None
    paths: list[Path | None] = [path.absolute() for path in options.blend] or [opened]
    if found is not None and not options.blend:
        named = dict.fromkeys(line.blend for line in found[1].values())
        paths = list(dict.fromkeys(opened if path is None else path for path in named))
    if options.output is not None and len(paths) > 1:
        raise CastError(f"The cast has lines for {len(paths)} files, and --output names one. Give --output-dir.")
    files = [_BatchFile(path, _output(path, options), *_lines_for(path, found)) for path in paths]
    places = [(file.path or Path(file.name), file.output) for file in files if file.output is not None]
    places += [(Path("the report"), options.report.absolute())] if options.report is not None else []
    for place, sources in collisions(places).items():
        names = listed([f"'{source}'" for source in sources])
        raise CastError(f"{names} would all be saved as '{place}'. Rename one.")
    return files


def _read(options: argparse.Namespace, files: list[_BatchFile]) -> list[Path]:
    """Return what is read: scenes, the table and its sounds."""
    scenes = [file.path for file in files if file.path is not None]
    sounds = [
        line.audio for file in files if file.cast is not None for line in file.cast.lines if line.audio is not None
    ]
    return [*scenes, *([] if options.cast is None else [options.cast]), *sounds]


def _output(path: Path | None, options: argparse.Namespace) -> Path | None:
    """Return where the result of a file goes; None for a dry run without one."""
    if options.output is not None:
        return blend_files.named(options.output)
    if options.output_dir is None:
        return None
    return blend_files.named(options.output_dir / ("untitled.blend" if path is None else path.name))


def _lines_for(path: Path | None, found: tuple[Cast, dict[int, CastLine]] | None) -> tuple[Cast | None, dict[str, int]]:
    """Return the lines of a table that belong to a file, which name it or none, and the numbers of those asked for."""
    if found is None:
        return None, {}
    cast, chosen = found
    mine = [line for line in cast.lines if line.blend in (None, path)]
    labels = {line.label for line in mine}
    numbers = {line.label: number for number, line in chosen.items() if line.label in labels}
    return replace(cast, lines=tuple(replace(line, blend=None) for line in mine)), numbers


class _Run:
    """The work on one file."""

    def __init__(
        self, file: _BatchFile, options: argparse.Namespace, teller: Any, report: BatchReport, takes: TakeFolder | None
    ) -> None:
        """Note what is to be done."""
        self._file, self._options, self._teller, self._report, self._takes = file, options, teller, report, takes
        self._unfinished: Unfinished | None = None
        self._numbers: dict[_Place, int] = {}
        self._labels: dict[int, CastLine] = {}
        self._first = max(report.lines, default=0)

    def go(self) -> Path | None:
        """Animate the file; return where the result is, None for a dry run. MouthpieceError if nothing can be kept."""
        file, options = self._file, self._options
        went_on = self._open()
        animation = self._looked_at()
        for result in animation.results:
            self._note(result)
        self._note_unheard(animation)
        if options.dry_run:
            return None
        try:
            self._animate(animation)
        except KeyboardInterrupt:
            animation.cancel()
            for result in animation.results:
                self._note(result)
            self._keep(now=True)
            raise
        for item in animation.settle(bpy.context.scene, everybody=bool(went_on)):
            if not isinstance(item, AllSettled):
                self._teller.progress(file.name, item.fraction, item.message)
        for remark in animation.remarks:
            self._teller.warning(file.name, remark)
        return self._save(animation, went_on == "the result")

    def _open(self) -> str:
        """Open the file, or what an earlier run left of it; return what that is, empty if it is the file itself."""
        file, options = self._file, self._options
        source = source_of(file.path)
        if file.output is not None and not options.dry_run:
            self._unfinished = Unfinished(source, file.output)
            blend_files.check(file.output, options.force or options.resume, [options.cast])
            words = self._unfinished.begun() if options.resume else ""
            if words:
                self._teller.progress(file.name, 0.0, f"Going on with {words}")
                return words
            if is_file(file.output) and not options.force:
                raise TakeError(
                    f"'{file.output}' was made of another state of {file.name}, or by something else. Replace it with "
                    "--force, or choose another place."
                )
        if file.path is not None and str(file.path) != bpy.data.filepath:
            open_file(file.path)
        return ""

    def _looked_at(self) -> CastAnimation:
        """Put the table's lines on the timeline, and return what is to be done."""
        file, options = self._file, self._options
        lines: list[StripLine] = []
        unspoken: list[Unspoken] = []
        rows: dict[_Place, int] = {}
        for scene in self._scenes():
            if file.cast is not None:
                placed = placement.placed(scene, file.cast, options.extend)
                for remark in placed.remarks:
                    self._teller.warning(file.name, remark)
                for place, line in placed.rows.items():
                    if line.label in file.numbers:
                        rows[scene.name, *place] = file.numbers[line.label]
                        self._labels[file.numbers[line.label]] = line
            spoken, silent = resolved(scene)
            lines += spoken
            unspoken += silent
        self._numbers = self._own_numbers(lines, unspoken) if file.cast is None else rows
        return CastAnimation(
            lines,
            unspoken,
            chosen=lambda one: bool(self._number(one)),
            wishes=Wishes(options.models, options.replace, ready=True),
            overlap=(options.overlap or bpy.context.scene.mouthpiece_cast.overlap).upper(),
            again=options.again,
            replace_edited=options.replace,
            known=None if self._takes is None else self._known,
        )

    def _scenes(self) -> list[bpy.types.Scene]:
        """Return the scenes that are animated; raises CastError if one is missing."""
        named = [self._options.scene] if self._options.scene else [bpy.context.scene.name]
        if self._file.cast is not None and not self._options.scene:
            named = list(dict.fromkeys(line.scene or bpy.context.scene.name for line in self._file.cast.lines))
        for name in named:
            if name not in bpy.data.scenes:
                there = listed([f"'{scene.name}'" for scene in bpy.data.scenes])
                raise CastError(f"There is no scene '{name}' in {self._file.name}. It has {there}.")
        return [bpy.data.scenes[name] for name in named]

    def _own_numbers(self, lines: list[StripLine], unspoken: list[Unspoken]) -> dict[_Place, int]:
        """Return the numbers of the lines of the scene's own cast that are asked for, counted in order of time."""
        options = self._options
        numbers = {_place(line): number for number, line in enumerate(lines, 1)}
        if not options.only and not options.lines:
            return numbers | {_place(one): number for number, one in enumerate(unspoken, len(lines) + 1)}
        last = max((some.stop - 1 for some in options.lines or ()), default=0)
        if last > len(lines):
            raise CastError(f"{self._file.name} has {counted(len(lines), 'line')}: there is no line {last}.")
        members = [one for scene in bpy.data.scenes for one in scene.mouthpiece_cast.members if one.object is not None]
        named = {title(one).casefold(): one.object.name for one in members}
        speakers = {line.character for line in lines}
        for name in options.only:
            if named.get(name.casefold(), name) not in speakers:
                there = listed(sorted(speakers), 12) or "nobody"
                raise CastError(f"'{name}' speaks no line in {self._file.name}. Lines are spoken by {there}.")
        only = {named.get(name.casefold(), name) for name in options.only} or speakers
        found = {
            _place(line): number
            for number, line in enumerate(lines, 1)
            if line.character in only and (not options.lines or any(number in some for some in options.lines))
        }
        if not found:
            raise CastError(f"No line in {self._file.name} is both of such a character and of such a number.")
        return found

    def _number(self, one: StripLine | Unspoken) -> int:
        """Return the number of a line, 0 if it is not asked for; the first turn's of a strip that cannot be split."""
        exact = self._numbers.get(_place(one), 0)
        if exact or isinstance(one, StripLine):
            return exact
        of_strip = [number for place, number in self._numbers.items() if place[:2] == (one.scene, one.strip)]
        return min(of_strip, default=0)

    def _note_unheard(self, animation: CastAnimation) -> None:
        """Put lines of which nothing is heard into the report, as failures: a handle hides them, or a gap."""
        from mouthpiece.cast.report import BatchLine

        shown = {self._number(result.line) for result in animation.results}
        for (scene, strip, second, character), number in self._numbers.items() if self._file.cast is not None else ():
            if number not in shown:
                where = f" at second {second}" if second else ""
                reason = f"Nothing of '{strip}'{where} is heard. Drag the strip's handles apart, or correct its row."
                self._teller.error(strip, reason)
                line = BatchLine(number, strip, character, "failed", strip=strip, scene=scene, error=reason)
                self._report.put(line)

    def _known(self, line: StripLine, bake: Bake) -> Bake:
        """Return a line's bake with its take from the folder; raises TakeError if there is none."""
        from mouthpiece.performance import Performance

        assert self._takes is not None  # else this is not asked
        if bake.recording.is_take:
            return bake
        named = bake.options.style.name if bake.options is not None and bake.options.style is not None else ""
        style = line.style if line.style.lower().endswith(".json") else named
        path = self._takes.find(bake.recording.content, bake.recording.channel, style, line.seed)
        if path is None:
            manner = f" in the style '{style}'" if style else ""
            raise TakeError(
                f"'{self._takes.path}' has no take of {bake.recording.label}{manner}. Make it first: "
                f"python -m mouthpiece batch {self._options.cast or 'CAST'} -o {self._takes.path}"
            )
        return replace(bake, known=Known(partial(Performance.load, path)))

    def _animate(self, animation: CastAnimation) -> None:
        """Do the work, telling about it, and keep it now and then."""
        for item in animation.steps(self._options.jobs):
            if isinstance(item, LineHeard):
                self._note(animation.write(item))
                self._keep()
            elif not isinstance(item, AllHeard):
                self._teller.progress(self._file.name, item.fraction, item.message)

    def _note(self, result: LineResult) -> None:
        """Put what became of a line into the report, and tell what went wrong."""
        from mouthpiece.cast.report import BatchLine

        line, report = result.line, result.report
        for warning in result.warnings:
            self._teller.warning(line.strip, warning)
        if result.outcome == "failed":
            self._teller.error(line.strip, result.reason)
        if result.outcome == "unassigned":
            self._teller.warning(line.strip, result.reason)
        frames = 0 if report is None else report.last - report.first + 1
        skipped = result.outcome in ("muted", "unassigned")
        state: Any = "skipped" if skipped else result.outcome
        number = self._number(line) + (self._first if self._file.cast is None else 0)
        row = self._labels.get(number)
        self._report.put(
            BatchLine(
                number,
                line.strip if row is None else row.label,
                line.character if row is None else row.character,
                state,
                row=0 if row is None else row.row,
                audio=line.recording.path if isinstance(line, StripLine) else "",
                strip=line.strip,
                blend=self._file.name,
                scene=line.scene,
                error=result.reason,
                seconds=round(frames / animation_fps(bpy.data.scenes[line.scene]), 3),
                wall_seconds=round(result.seconds, 3),
                warnings=tuple(result.warnings),
                contacts=_contacts(result),
            )
        )

    def _keep(self, now: bool = False) -> None:
        words = self._unfinished.keep(now) if self._unfinished is not None else ""
        if words:
            self._teller.warning(self._file.name, words)

    def _save(self, animation: CastAnimation, is_result: bool) -> Path | None:
        """Save the result, unless it is there already and nothing was done to it; raises TakeError if that fails."""
        outcomes = {result.outcome for result in animation.results}
        if self._unfinished is None:
            return None
        if not outcomes & {"made", "up to date"}:
            self._unfinished.remove()
            raise TakeError("No line could be animated: nothing was saved.")
        if not is_result or "made" in outcomes or animation.remarks:
            self._unfinished.stamp()
            blend_files.save(self._unfinished.output)
        self._unfinished.remove()
        return self._unfinished.output


def _contacts(result: LineResult) -> dict[str, dict[str, int]]:
    """Return how many contacts of its lips a line that was made meets and misses; empty if none are known."""
    if result.outcome != "made" or not isinstance(result.line, StripLine):
        return {}
    return faces.contacts_kept(find_object(result.line.character), result.line.recording.identity)


def _place(one: StripLine | Unspoken) -> _Place:
    """Return scene and strip of a line, the second at which its turn begins (or an empty text), and who speaks."""
    second = second_of(one.recording.identity) if isinstance(one, StripLine) else ""
    return one.scene, one.strip, second, one.character
