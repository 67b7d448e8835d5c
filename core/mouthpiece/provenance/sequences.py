"""Frames as numbered PNG files, each with its record: a run that was stopped goes on where it was.

The command line and Blender write and recognise the same files: what one began, the other goes on with.
"""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..drafts import sweep
from ..errors import PictureError
from ..files import write_whole
from . import records, sketches
from .credentials import Seal
from .facts import FINDERS, Facts
from .sketches import SKETCH

#: Name of frames in a folder that is given without one.
NAME: Final = "frame_####.png"
#: Name of the file in which version 0.4.0 noted, in Blender, what a folder's frames were made of. Frames are believed
#: for their records alone; where a record of 0.4.0 does not name the picture, the note must fit as well.
_NOTE: Final = "mouthpiece-portrait.json"
#: Options whose place the sketch takes where both records have one: exact hashes, which differ from one release of
#: numpy to the next.
_HASHES: Final = ("face_sha256", "motion_sha256")
#: Most difference of frame rates that are the same: Blender keeps 30000/1001 as 30 over a single float.
_RATES: Final = 1e-5
#: Records that are read to tell at once whether frames are in the way (:meth:`Frames.objection`).
_GLANCE: Final = 4


class InTheWay(PictureError):
    """Something is where a film or frames are to go, and is only replaced when that is asked for.

    ``what`` says so without advice.
    """

    def __init__(self, what: str, remedy: str) -> None:
        """Word the message; ``remedy`` is what can be done besides choosing another place."""
        super().__init__(f"{what}. Choose another place, or {remedy}.")
        self.what = what


@dataclass(frozen=True, slots=True)
class Numbering:
    """Where numbered frames go: a folder, a name with ``#`` for each digit, and the number of the first, at least 0."""

    folder: Path
    name: str
    first: int = 1

    @classmethod
    def of(cls, output: Path, first: int = 1) -> Numbering:
        """Return the numbering an output asks for: a folder, or a name such as ``frames_####.png``.

        Raises
        ------
        PictureError
            If it is one file, or the digits are not together.
        """
        if "#" not in output.name:
            if output.suffix:
                raise PictureError(
                    f"'{output}' is neither a film (.mp4, .mov) nor a folder for frames. Frames need numbers in their "
                    "name, such as frames_####.png."
                )
            return cls(output, NAME, first)
        if len(re.findall(r"#+", output.name)) != 1 or output.suffix.lower() != ".png":
            raise PictureError(f"'{output.name}' is no name for frames: it must have one run of # and end with .png.")
        return cls(output.parent, output.name, first)

    def path(self, index: int) -> Path:
        """Return the file of the frame ``index``, from 0."""
        run = re.search(r"#+", self.name)
        assert run is not None
        number = f"{self.first + index:0{len(run[0])}}"
        return self.folder / f"{self.name[: run.start()]}{number}{self.name[run.end() :]}"

    def present(self, count: int) -> int:
        """Return how many files with the names of ``count`` frames there are, whatever is in them."""
        return sum(self.path(index).is_file() for index in range(count))

    def files(self) -> list[tuple[int, Path]]:
        """Return the files that are numbered like frames, and their indices, in order of those."""
        before, after = re.split(r"#+", self.name)
        shape = re.compile(re.escape(before) + r"(\d{1,9})" + re.escape(after))
        found = []
        for path in self.folder.iterdir() if self.folder.is_dir() else ():
            number = shape.fullmatch(path.name)
            index = int(number[1]) - self.first if number else 0
            if number and path == self.path(index):
                found.append((index, path))
        return sorted(found)

    def others(self, count: int) -> list[tuple[int, Path]]:
        """Return the files numbered like frames, but lower or higher than ``count`` frames go, and their indices."""
        return [(index, path) for index, path in self.files() if not 0 <= index < count]


def begun_with(numbering: Numbering) -> Facts | None:
    """Return the record of the frame with the lowest number that has one; None if none has."""
    files = (path for _, path in numbering.files())
    return next((facts for path in files if (facts := facts_in(path)) is not None), None)


@dataclass(frozen=True, slots=True)
class Frames:
    """A sequence to be written: where, how many, what is recorded in each, and how it is vouched for.

    Attributes
    ----------
    numbering : Numbering
        Where they go.
    count : int
        How many there are.
    facts : Facts
        What is recorded of all of them.
    seal : Seal
        How each is vouched for.
    sketches : tuple of str
        Sketch of each frame (:mod:`.sketches`), recorded with it; empty for records as version 0.4.0 wrote them, which
        had none.
    remedy : str
        What to do about files in the way, for messages; ``{it}`` stands for them.
    """

    numbering: Numbering
    count: int
    facts: Facts
    seal: Seal
    sketches: tuple[str, ...] = ()
    remedy: str = field(default="replace {it} with --force", compare=False)

    def record(self, index: int) -> Facts:
        """Return what is recorded of a frame."""
        more = {SKETCH: self.sketches[index]} if self.sketches else {}
        options = {**self.facts.options, **more}
        return replace(self.facts, signature=self.seal.signature, frame=index, options=options)

    def fits(self, found: Facts, index: int) -> bool:
        """Tell whether a record is that of this very frame, whenever and by whichever version it was made.

        Networks that found the face do not count: where it is, is recorded by itself.
        """
        wanted = self.record(index)
        options = [dict(facts.options) for facts in (found, wanted)]
        if all(SKETCH in row for row in options):
            if not sketches.are_alike(*(row.pop(SKETCH) for row in options)):
                return False
            options = [{name: value for name, value in row.items() if name not in _HASHES} for row in options]
        rates = [_rate(row.pop("fps", None)) for row in options]
        return (
            abs(rates[0] - rates[1]) <= _RATES * rates[1]
            and options[0] == options[1]
            and _without(found.networks, FINDERS) == _without(wanted.networks, FINDERS)
            and all(getattr(found, name) == getattr(wanted, name) for name in _DECISIVE)
        )

    def is_done(self, index: int) -> bool:
        """Tell whether the frame is there, whole, and this very one. Reads all of the file."""
        path = self.numbering.path(index)
        found = facts_in(path)
        if found is None or not self.fits(found, index):
            return False
        try:
            return records.is_content_of(path, found)
        except PictureError:  # it is cut off
            return False

    def objection(self) -> str:
        """Return what is in the way, after a glance at a few of the files; empty if they are frames of this sequence.

        :meth:`examined` looks at all of them.
        """
        there = [index for index in range(self.count) if self.numbering.path(index).exists()]
        looked = sorted({there[len(there) * part // _GLANCE] for part in range(_GLANCE)} if there else set())
        strange = [index for index in looked if not _is_record(facts_in(self.numbering.path(index)), self, index)]
        if strange:
            return self._in_the_way([self.numbering.path(index) for index in strange], "at least ")
        return self._in_the_way(others) if (others := self._others()) else ""

    def examined(self, force: bool = False) -> Generator[float, None, list[bool]]:
        """Return which frames are there already, whole and made from just the same; nothing is changed.

        It yields how far it has come, 0 to 1: thousands of files are read.

        Parameters
        ----------
        force
            Other files under the frames' names may be replaced.

        Raises
        ------
        InTheWay
            If other files are in the way and ``force`` is off.
        """
        found, strange = [], []
        for index in range(self.count):
            path = self.numbering.path(index)
            exists = path.exists()
            found.append(exists and self.is_done(index))
            strange += [path] if exists and not found[-1] else []
            if exists:
                yield (index + 1) / self.count
        strange += self._others()
        if strange and not force:
            raise InTheWay(self._in_the_way(strange), self.remedy.format(it="them"))
        return found

    def done(self, force: bool = False) -> list[bool]:
        """Return what :meth:`examined` does, waiting for it."""
        steps = self.examined(force)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                return list(end.value)

    def begin(self) -> None:
        """Make the folder, and take away frames of another run beyond these; files without a record of ours stay.

        Raises
        ------
        PictureError
            If such a file is numbered higher, one cannot be taken away, or the folder cannot be made.
        """
        folder = self.numbering.folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            sweep(folder)  # also where no frame is left to be written
        except OSError as error:
            raise PictureError(f"Frames cannot be written to '{folder}': {error.strerror}.") from error
        for index, path in self.numbering.others(self.count):
            if facts_in(path) is None:
                if index < 0:
                    continue
                raise PictureError(f"'{path}' would look like a frame of this portrait, but is none. Move it away.")
            try:
                path.unlink()
            except OSError as error:
                raise PictureError(f"'{path}' cannot be taken away: {error.strerror}.") from error

    def write(self, index: int, frame: NDArray[np.uint8]) -> Path:
        """Write a frame with its record; it appears whole or not at all.

        Raises
        ------
        PictureError
            If it cannot be written or signed.
        """
        path, content = self.numbering.path(index), self.seal.frame(frame, self.record(index))
        try:
            write_whole(path, content)
        except OSError as error:
            raise PictureError(f"'{path}' cannot be written: {error.strerror or error}.") from error
        return path

    def finish(self) -> None:
        """Take away the note that version 0.4.0 left beside frames that are all there now."""
        if note_in(self.numbering.folder):
            with suppress(OSError):
                (self.numbering.folder / _NOTE).unlink()

    def remove(self) -> None:
        """Take away the frames, which were written or recognised before, and the folder if nothing else is in it."""
        self.finish()
        with suppress(OSError):
            for index in range(self.count):
                self.numbering.path(index).unlink(missing_ok=True)
            self.numbering.folder.rmdir()

    def _others(self) -> list[Path]:
        """Return the files beyond these frames that are in the way: lower numbers only where they are ours."""
        beyond = self.numbering.others(self.count)
        return [path for index, path in beyond if index >= self.count or facts_in(path) is not None]

    def _in_the_way(self, strange: list[Path], least: str = "") -> str:
        some = ", ".join(path.name for path in strange[:3]) + (", …" if len(strange) > 3 else "")
        return (
            f"In '{self.numbering.folder}' there are {least}{len(strange)} files that are not frames of this portrait "
            f"and these options ({some})"
        )


#: What of a record must be equal, besides networks and options.
_DECISIVE: Final = ("consent", "source_type", "picture_sha256", "sound_sha256", "marked", "signature", "frame")


def note_in(folder: Path) -> dict[str, Any]:
    """Return the note that version 0.4.0 left in a folder of frames; empty if there is none."""
    try:
        found = json.loads((folder / _NOTE).read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) and {"made_of", "first", "count"} <= found.keys() else {}


def facts_in(path: Path) -> Facts | None:
    """Return the record in a file, or None if it has none that can be read."""
    try:
        packet = records.read(path)
    except PictureError:
        return None
    return None if packet is None else packet.facts


def _is_record(found: Facts | None, frames: Frames, index: int) -> bool:
    return found is not None and frames.fits(found, index)


def _without(networks: Any, names: Iterable[str]) -> dict[str, str]:
    return {name: digest for name, digest in networks.items() if name not in names}


def _rate(value: object) -> float:
    """Return a frame rate as it is recorded, ``"24000/1001"`` or ``23.976``; 0 where it makes no sense."""
    try:
        return float(Fraction(str(value)))
    except (ValueError, ZeroDivisionError, OverflowError):
        return 0.0


def gaps(done: list[bool]) -> Iterator[range]:
    """Yield the runs of frames that are still to be made."""
    start = 0
    while start < len(done):
        stop = start
        while stop < len(done) and done[stop] == done[start]:
            stop += 1
        if not done[start]:
            yield range(start, stop)
        start = stop
