"""What a farm is to do for a film: a job for each .blend file of its cast, whatever engine runs it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..cast.lines import CastLine, Moment
from ..errors import FarmError
from ..files.places import is_file, refuse_inputs
from ..phrases import counted, listed

#: Formats of frames that both Blender versions have and that many workers can write side by side.
FORMATS = ("PNG", "JPEG", "OPEN_EXR", "OPEN_EXR_MULTILAYER", "TIFF", "WEBP")
#: Most frames of a job: more than ten hours at 24 a second is a slip of the keyboard.
MOST_FRAMES = 1_000_000


@dataclass(frozen=True, slots=True)
class Order:
    """What is wanted of a farm.

    Attributes
    ----------
    cast : Path
        The table of lines.
    output : Path
        Folder for all that is made.
    blend : Path or None
        The .blend file of lines for which the table names none.
    takes : Path or None
        Folder of the takes; None for ``takes`` in ``output``.
    frames : tuple of int, or None
        First and last frame to render; None for those of the cast.
    fps : float
        Frames per second of the film, to find its last frame by the cast.
    lines_per_task, frames_per_task : int
        How many lines or frames one task works on.
    render : bool
        Whether frames are rendered.
    pattern : str
        Name of a frame's file without its ending, # for a digit.
    format : str
        One of :data:`FORMATS`.
    """

    cast: Path
    output: Path
    blend: Path | None = None
    takes: Path | None = None
    frames: tuple[int, int] | None = None
    fps: float = 24.0
    lines_per_task: int = 10
    frames_per_task: int = 10
    render: bool = True
    pattern: str = "######"
    format: str = "PNG"


@dataclass(frozen=True, slots=True)
class FarmJob:
    """What a farm does for one .blend file: takes of its lines, keys in a copy of it, frames.

    Attributes
    ----------
    name : str
        The job's name.
    cast, blend : Path
        Full paths of the table and of the .blend file.
    lines : tuple of int
        Its lines of the table, counted from 1, in order.
    takes : Path
        Full path of the folder of the takes.
    baked : Path
        Full path of the .blend file with the keys.
    frames : tuple of int, or None
        First and last frame; None if none is rendered.
    rendered : Path
        Full path of the folder of the frames.
    files : tuple of Path
        Full paths of the sounds, takes, subtitles and styles that its lines are made of.
    lines_per_task, frames_per_task, pattern, format, fps
        As in :class:`Order`.
    """

    name: str
    cast: Path
    blend: Path
    lines: tuple[int, ...]
    takes: Path
    baked: Path
    frames: tuple[int, int] | None
    rendered: Path
    files: tuple[Path, ...]
    lines_per_task: int
    frames_per_task: int
    pattern: str
    format: str
    fps: float


def planned(order: Order, lines: Sequence[CastLine]) -> tuple[FarmJob, ...]:
    """Return a job for each .blend file of a cast, in the order in which the cast names them.

    ``lines`` are all lines of the cast, in the order of the table.

    Raises
    ------
    FarmError
        If there is no line, lines belong to no .blend file, a .blend file is not there, or the frames cannot be told.
    AudioError, TakeError
        If the last frame is asked of a sound, or take, that cannot be read.
    PlaceError
        If the copy with the keys would replace a .blend file that is read.
    """
    _check(order, lines)
    groups: dict[Path, list[int]] = {}
    for number, line in enumerate(lines, 1):
        blend = line.blend or order.blend
        assert blend is not None  # as _check saw
        groups.setdefault(blend.absolute(), []).append(number)
    missing = [f"'{blend}'" for blend in groups if not is_file(blend)]
    if missing:
        raise FarmError(f"There is no .blend file at {listed(missing)}. Check the path, and the cast.")
    output = order.output.absolute()
    names = _names(list(groups))
    jobs = tuple(
        FarmJob(
            name=name,
            cast=order.cast.absolute(),
            blend=blend,
            lines=tuple(numbers),
            takes=(order.takes or order.output / "takes").absolute(),
            baked=output / f"{name}.blend",
            frames=_frames(order, [lines[number - 1] for number in numbers], blend) if order.render else None,
            rendered=output / "frames" / name if len(groups) > 1 else output / "frames",
            files=tuple(dict.fromkeys(_named_by([lines[number - 1] for number in numbers]))),
            lines_per_task=order.lines_per_task,
            frames_per_task=order.frames_per_task,
            pattern=order.pattern,
            format=order.format,
            fps=order.fps,
        )
        for name, (blend, numbers) in zip(names, groups.items(), strict=True)
    )
    refuse_inputs([job.baked for job in jobs], [job.blend for job in jobs])
    return jobs


def _check(order: Order, lines: Sequence[CastLine]) -> None:
    """Refuse orders that say nothing, or what cannot be; raises FarmError."""
    if not lines:
        raise FarmError(f"'{order.cast}' holds no line, so there is nothing for a farm to do.")
    homeless = [str(line.row) for line in lines if line.blend is None] if order.blend is None else []
    if homeless:
        rows = f"row {homeless[0]} of" if len(homeless) == 1 else f"rows {listed(homeless)} of"
        raise FarmError(f"No .blend file is named for {rows} '{order.cast}'. Name it with --blend, or in the table.")
    if min(order.lines_per_task, order.frames_per_task) < 1:
        raise FarmError("A task needs a line or a frame at least.")
    if not order.pattern or any(sign in order.pattern for sign in "/\\\0\n\r") or order.pattern.startswith("-"):
        raise FarmError(f"'{order.pattern}' cannot be the name of frames. Give one such as 'shot_####'.")
    if order.frames and not 0 <= order.frames[1] - order.frames[0] < MOST_FRAMES:
        first, last = order.frames
        raise FarmError(f"Frames {first} to {last} cannot be rendered: there are none, or more than {MOST_FRAMES:,}.")


def _names(blends: Sequence[Path]) -> list[str]:
    """Return a name for each .blend file: its own, with a number where several are called alike."""
    names: dict[str, str] = {}
    last: dict[str, int] = {}
    for blend in blends:
        name = stem = blend.stem
        count = last.get(stem.casefold(), 1)
        while name.casefold() in names:
            count += 1
            name = f"{stem}_{count}"
        last[stem.casefold()] = count
        names[name.casefold()] = name
    return list(names.values())


def _named_by(lines: Sequence[CastLine]) -> Iterator[Path]:
    """Yield the files that lines name: sounds, takes, subtitles, and styles of actors."""
    for line in lines:
        if line.audio is not None:
            yield line.audio
        if line.subtitles is not None:
            yield line.subtitles
        if line.style.lower().endswith(".json"):
            yield Path(line.style)


def _frames(order: Order, lines: Sequence[CastLine], blend: Path) -> tuple[int, int]:
    """Return the frames to render: those ordered, or from frame 1 to the end of the last line."""
    if order.frames is not None:
        return order.frames
    placed = [(line.start, line) for line in lines if line.start is not None and line.audio is not None]
    if len(placed) < len(lines):
        raise FarmError(
            f"{counted(len(lines) - len(placed), 'line')} for '{blend.name}' lie where their strips do, which only "
            "Blender knows. Say which frames to render: --frames 1-240."
        )
    lengths: dict[Path, float] = {}
    ends = [_end(start, line, order.fps, lengths) for start, line in placed]
    begins = [start.frame_at(order.fps) + line.begin * order.fps for start, line in placed]
    first, last = min(1, math.floor(min(begins))), math.ceil(max(ends))
    if last - first >= MOST_FRAMES:
        raise FarmError(f"'{order.cast}' ends at frame {last:,}. Check its starts, or give --frames.")
    return first, last


def _end(start: Moment, line: CastLine, fps: float, lengths: dict[Path, float]) -> float:
    """Return the frame at which a placed line ends; ``lengths`` keeps the seconds of sounds looked at."""
    end = line.end
    if end is None:
        assert line.audio is not None
        if line.audio not in lengths:
            lengths[line.audio] = _seconds(line.audio)
        end = lengths[line.audio]
    return start.frame_at(fps) + end * fps


def _seconds(path: Path) -> float:
    """Return how long a sound or a take is; raises AudioError or TakeError."""
    if path.suffix.lower() == ".npz":
        from ..performance import Performance

        return Performance.load(path).seconds
    from ..audio import SoundFile

    return SoundFile(path).seconds
