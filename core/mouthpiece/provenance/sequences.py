"""Frames as numbered PNG files, each with its record: a run that was stopped goes on where it was.

The command line and Blender write and recognise the same files: what one began, the other goes on with.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..errors import PictureError, UnreadableError
from ..files.drafts import sweep
from ..files.json_text import parsed_json
from ..files.writer import write_whole
from . import png, records, sketches
from .credentials import Seal
from .facts import FINDERS, UNSIGNED, Facts
from .files import small_file
from .sketches import SKETCH
from .verification import verified

#: Name of frames in a folder that is given without one.
NAME: Final = "frame_####.png"
#: Name of the file in which version 0.4.0 noted, in Blender, what a folder's frames were made of. Frames are believed
#: for their records alone; where a record of 0.4.0 does not name the picture, the note must fit as well.
_NOTE: Final = "mouthpiece-portrait.json"
_LARGEST_NOTE: Final = 100_000
#: Options whose place the sketch takes where both records have one: exact hashes, which differ from one release of
#: numpy to the next.
_HASHES: Final = ("face_sha256", "motion_sha256")
#: Most difference of frame rates that are the same: Blender keeps 30000/1001 as 30 over a single float.
_RATES: Final = 1e-5
#: A frame rate as it is recorded.
_RATE: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,20})?)(?:/([0-9]{1,9}))?")
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
        paths = (self.path(index) for index in range(count))
        return sum(os.path.isfile(path) for path in paths)  # noqa: PTH113  # Path.is_file raises for locked folders

    def files(self) -> list[tuple[int, Path]]:
        """Return the files that are numbered like frames, and their indices, in order of those.

        Raises
        ------
        PictureError
            If the folder may not be read.
        """
        before, after = re.split(r"#+", self.name)
        shape = re.compile(re.escape(before) + r"([0-9]{1,9})" + re.escape(after))
        found = []
        try:
            names = [path.name for path in self.folder.iterdir()]
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise PictureError(f"The folder '{self.folder}' cannot be read: {error.strerror}.") from error
        for name in names:
            number = shape.fullmatch(name)
            index = int(number[1]) - self.first if number else 0
            if number and name == self.path(index).name:
                found.append((index, self.folder / name))
        return sorted(found)

    def others(self, count: int) -> list[tuple[int, Path]]:
        """Return the files numbered like frames, but lower or higher than ``count`` frames go, and their indices."""
        return [(index, path) for index, path in self.files() if not 0 <= index < count]


def begun_with(numbering: Numbering) -> Facts | None:
    """Return the record of the frame with the lowest number that has one; None if none has."""
    files = (path for _, path in numbering.files())
    return next((facts for path in files if (facts := facts_in(path)) is not None), None)


class Standing(Enum):
    """What is under the name of a frame.

    Frames are written whole, so a file that holds no record is not one that was cut off while it was written, but
    somebody's: it is never replaced. What is ours is replaced when that is asked for, and without being asked only
    where nothing is lost.
    """

    #: Nothing.
    FREE = "free"
    #: This very frame, whole.
    DONE = "done"
    #: This very frame, cut off or with a check sum that is off, or an empty file: it is made anew unasked.
    BROKEN = "broken"
    #: A picture with a record of ours: another portrait's, or this frame changed by somebody.
    OURS = "ours"
    #: This very frame, but signed with another certificate.
    OTHER_SIGNER = "signed otherwise"
    #: Anything else: a file without a record of ours, a link, a folder.
    FOREIGN = "foreign"


#: What is replaced when that is asked for.
_REPLACEABLE: Final = (Standing.OURS, Standing.OTHER_SIGNER)


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
        if found.frame != index or differences(found, wanted):
            return False
        one, other = (facts.options.get(SKETCH) for facts in (found, wanted))
        return one == other or sketches.are_alike(one, other)

    def is_done(self, index: int) -> bool:
        """Tell whether the frame is there, whole, and this very one. Reads all of the file."""
        return self.standing(index) is Standing.DONE

    def standing(self, index: int) -> Standing:
        """Return what is under the name of a frame. Reads all of the file."""
        return self._seen(index, self._read_through)

    def objection(self) -> str:
        """Return what is in the way, after a glance at a few of the files; empty if they are frames of this sequence.

        :meth:`examined` looks at all of them.

        Raises
        ------
        PictureError
            If something is in the way that is never replaced.
        """
        there = [index for index in range(self.count) if os.path.lexists(self.numbering.path(index))]
        looked = sorted({there[len(there) * part // _GLANCE] for part in range(_GLANCE)} if there else set())
        seen = {self.numbering.path(index): self._seen(index) for index in looked}
        self._refuse_foreign(seen, "at least ")
        strange = [path for path, standing in seen.items() if standing in _REPLACEABLE]
        if strange:
            return self._in_the_way(strange, "at least ")
        others = self._others()
        self._refuse_foreign(others)
        return self._in_the_way(list(others)) if others else ""

    def examined(self, force: bool = False) -> Generator[float, None, list[bool]]:
        """Return which frames are there already, whole and made from just the same; nothing is changed.

        It yields how far it has come, 0 to 1: thousands of files are read.

        Parameters
        ----------
        force
            Pictures under the frames' names that hold a record of ours may be replaced.

        Raises
        ------
        InTheWay
            If such pictures are in the way and ``force`` is off.
        PictureError
            If other files are in the way, which are never replaced.
        """
        found, seen = [], dict[Path, Standing]()
        for index in range(self.count):
            standing = self.standing(index)
            found.append(standing is Standing.DONE)
            if standing not in (Standing.DONE, Standing.BROKEN, Standing.FREE):
                seen[self.numbering.path(index)] = standing
            if standing is not Standing.FREE:
                yield (index + 1) / self.count
        seen |= self._others()
        self._refuse_foreign(seen)
        if seen and not force:
            raise self._objecting(seen)
        return found

    def done(self, force: bool = False) -> list[bool]:
        """Return what :meth:`examined` does, waiting for it."""
        steps = self.examined(force)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                return list(end.value)

    def begin(self, force: bool = False) -> None:
        """Make the folder, and take away frames of another run beyond these if that was asked for (``force``).

        Every file is looked at once more: files without a record of ours stay.

        Raises
        ------
        InTheWay
            If there are frames of another run, and ``force`` is off.
        PictureError
            If another file is numbered higher, one cannot be taken away, or the folder cannot be made.
        """
        folder = self.numbering.folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            sweep(folder)  # also where no frame is left to be written
        except OSError as error:
            raise PictureError(f"Frames cannot be written to '{folder}': {error.strerror}.") from error
        others = self._others()
        self._refuse_foreign(others)
        if others and not force:
            raise self._objecting(others)
        for path in others:
            try:
                remove_recorded(path)
            except OSError as error:
                raise PictureError(f"'{path}' cannot be taken away: {error.strerror}.") from error

    def write(self, index: int, frame: NDArray[np.uint8], force: bool = False) -> Path:
        """Write a frame with its record; it appears whole or not at all.

        What is under its name is looked at once more: rendering takes hours, and somebody may have saved something
        there meanwhile. A frame that is there and done is left alone.

        Raises
        ------
        InTheWay
            If a picture with another record of ours is there, and ``force`` is off.
        PictureError
            If another file is there, or the frame cannot be written or signed.
        """
        path, content = self.numbering.path(index), self.seal.frame(frame, self.record(index))
        standing = self.standing(index)
        if standing is Standing.DONE:
            return path
        self._refuse_foreign({path: standing})
        if standing in _REPLACEABLE and not force:
            raise self._objecting({path: standing})
        try:
            write_whole(path, content)
        except OSError as error:
            raise PictureError(f"'{path}' cannot be written: {error.strerror or error}.") from error
        return path

    def finish(self) -> None:
        """Take away the note that version 0.4.0 left beside these frames, which are all there now."""
        note = self.numbering.folder / _NOTE
        if note_in(self.numbering.folder).get("name") == self.numbering.name and not note.is_symlink():
            with suppress(OSError):
                note.unlink()

    def remove(self) -> None:
        """Take away the frames, and the folder if nothing else is in it.

        Every file is looked at once more: what does not hold the record of its frame stays.
        """
        self.finish()
        for index in range(self.count):
            with suppress(OSError, PictureError):
                if self._seen(index) is Standing.DONE:
                    remove_recorded(self.numbering.path(index))
        with suppress(OSError):
            self.numbering.folder.rmdir()

    def _seen(self, index: int, read_through: Callable[[Path, Facts], Standing] | None = None) -> Standing:
        """Return what is under the name of a frame by its record; ``read_through`` judges a file whose record fits."""
        path = self.numbering.path(index)
        try:
            state = os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            return Standing.FREE
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise PictureError(f"'{path}' cannot be looked at: {reason}. Choose another place.") from error
        is_link = stat.S_ISLNK(state.st_mode)
        if not is_link and not stat.S_ISREG(state.st_mode):
            return Standing.FOREIGN
        if not is_link and not state.st_size:
            return Standing.BROKEN
        found = facts_in(path)
        if found is None:
            return Standing.FOREIGN
        standing = Standing.OURS
        if self.fits(found, index):
            standing = Standing.DONE if read_through is None else read_through(path, found)
        # what a link leads to lies elsewhere: it may be looked at, and is not ours to replace
        return Standing.FOREIGN if is_link and standing is not Standing.DONE else standing

    def _read_through(self, path: Path, found: Facts) -> Standing:
        """Judge a file whose record fits by all that is in it."""
        try:
            if records.container_of(path) is not png:
                return Standing.OURS
            content = png.read_through(path)
        except PictureError:  # it is cut off
            return Standing.BROKEN
        if not content.is_intact:
            return Standing.BROKEN
        if content.digest != found.content_sha256 or content.rest or content.changing:
            return Standing.OURS
        identity = self.seal.identity
        if identity is None:
            return Standing.DONE
        if content.credentials and not identity.is_named_in(content.credentials):
            return Standing.OTHER_SIGNER
        return Standing.DONE if verified(path).valid else Standing.OURS

    def _others(self) -> dict[Path, Standing]:
        """Return the files beyond these frames that are in the way: lower numbers only where they are ours."""
        found = {}
        for index, path in self.numbering.others(self.count):
            if not path.is_symlink() and path.is_file() and facts_in(path) is not None:
                found[path] = Standing.OURS
            elif index >= self.count:
                found[path] = Standing.FOREIGN
        return found

    def _refuse_foreign(self, seen: Mapping[Path, Standing], least: str = "") -> None:
        """Raise PictureError if one of the files is never replaced."""
        strange = [path for path, standing in seen.items() if standing is Standing.FOREIGN]
        if strange:
            them = "them" if len(strange) > 1 else "it"
            raise PictureError(
                f"{self._in_the_way(strange, least)}. What holds no record of Mouthpiece's, or is a link, is never "
                f"replaced. Move {them} away, or choose another place."
            )

    def _objecting(self, seen: Mapping[Path, Standing]) -> InTheWay:
        """Return the error about files that are only replaced when that is asked for."""
        what = self._in_the_way(list(seen))
        if all(standing is Standing.OTHER_SIGNER for standing in seen.values()):
            what += ": they are signed with another certificate"
        return InTheWay(what, self.remedy.format(it="them"))

    def _in_the_way(self, strange: list[Path], least: str = "") -> str:
        some = ", ".join(path.name for path in strange[:3]) + (", …" if len(strange) > 3 else "")
        what = f"are {least}{len(strange)} files that are not frames"
        if len(strange) == 1 and not least:
            what = "is one file that is not a frame"
        return f"In '{self.numbering.folder}' there {what} of this portrait and these options ({some})"


#: What of a record must be equal besides networks, options and signature -> what it is called.
_DECISIVE: Final = {
    "consent": "consent",
    "source_type": "kind of picture",
    "picture_sha256": "picture",
    "sound_sha256": "sound",
    "marked": "visible mark",
}


def differences(one: Facts, other: Facts) -> list[str]:
    """Return the names of what differs between the records of two frames, if they are not of one film.

    The frames' numbers and poses do not count, nor the moment, the program's version and networks that found the face.
    """
    found = [words for name, words in _DECISIVE.items() if getattr(one, name) != getattr(other, name)]
    if (one.signature == UNSIGNED) != (other.signature == UNSIGNED):
        found.append("signature")
    options = [dict(facts.options) for facts in (one, other)]
    sketched = [row.pop(SKETCH) for row in options if SKETCH in row]
    if len(sketched) == 2:
        options = [{name: value for name, value in row.items() if name not in _HASHES} for row in options]
        if not sketches.are_alike(sketched[0], sketched[1], in_pose=False):
            found.append("picture or face")
    elif sketched:
        found.append(SKETCH)
    rates = [_rate(row.pop("fps", None)) for row in options]
    if abs(rates[0] - rates[1]) > _RATES * rates[1]:
        found.append("frame rate")
    if _without(one.networks, FINDERS) != _without(other.networks, FINDERS):
        found.append("networks")
    return found + sorted(name for name in options[0].keys() | options[1].keys() if _differs(name, *options))


def _differs(name: str, one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return name not in one or name not in other or one[name] != other[name]


def remove_recorded(path: Path) -> None:
    """Take a file away if it is one, no link, and holds a record of ours; OSError if that fails."""
    if stat.S_ISREG(os.lstat(path).st_mode) and facts_in(path) is not None:
        path.unlink()


def note_in(folder: Path) -> dict[str, Any]:
    """Return the note that version 0.4.0 left in a folder of frames; empty if there is none."""
    try:
        found = parsed_json(small_file(folder / _NOTE, _LARGEST_NOTE))
    except (PictureError, UnreadableError):
        return {}
    return found if isinstance(found, dict) and {"made_of", "first", "count"} <= found.keys() else {}


def facts_in(path: Path) -> Facts | None:
    """Return the record in a file, or None if it has none that can be read."""
    try:
        packet = records.read(path)
    except PictureError:
        return None
    return None if packet is None else packet.facts


def _without(networks: Any, names: Iterable[str]) -> dict[str, str]:
    return {name: digest for name, digest in networks.items() if name not in names}


def _rate(value: object) -> float:
    """Return a frame rate as it is recorded, ``"24000/1001"`` or ``23.976``; 0 where it makes no sense."""
    found = _RATE.fullmatch(str(value)[:60])
    return float(found[1]) / max(float(found[2] or 1), 1.0) if found else 0.0


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
