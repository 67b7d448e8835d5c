"""Frames as numbered PNG files, each with its record: a run that was stopped goes on where it was."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..errors import PictureError
from . import records
from .credentials import Seal
from .facts import Facts

#: Name of frames in a folder that is given without one.
NAME: Final = "frame_####.png"


@dataclass(frozen=True, slots=True)
class Numbering:
    """Where numbered frames go: a folder, and a name with ``#`` for each digit of the number, which begins at 1."""

    folder: Path
    name: str

    @classmethod
    def of(cls, output: Path) -> Numbering:
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
            return cls(output, NAME)
        if len(re.findall(r"#+", output.name)) != 1 or output.suffix.lower() != ".png":
            raise PictureError(f"'{output.name}' is no name for frames: it must have one run of # and end with .png.")
        return cls(output.parent, output.name)

    def path(self, index: int) -> Path:
        """Return the file of the frame ``index``, from 0."""
        run = re.search(r"#+", self.name)
        assert run is not None
        return self.folder / f"{self.name[: run.start()]}{index + 1:0{len(run[0])}}{self.name[run.end() :]}"

    def beyond(self, count: int) -> list[Path]:
        """Return the files in the folder that are numbered like frames, but higher than ``count`` frames go."""
        before, after = re.split(r"#+", self.name)
        shape = re.compile(re.escape(before) + r"(\d+)" + re.escape(after))
        found = []
        for path in sorted(self.folder.glob("*.png")) if self.folder.is_dir() else []:
            number = shape.fullmatch(path.name)
            if number and int(number[1]) > count and path == self.path(int(number[1]) - 1):
                found.append(path)
        return found


@dataclass(frozen=True, slots=True)
class Frames:
    """A sequence to be written: where, how many, what is recorded in each, and how it is vouched for."""

    numbering: Numbering
    count: int
    facts: Facts
    seal: Seal

    def done(self, force: bool = False) -> list[bool]:
        """Return which frames are there already, whole and made from just the same; nothing is changed.

        Parameters
        ----------
        force
            Other files under the frames' names may be replaced.

        Raises
        ------
        PictureError
            If other files are in the way and ``force`` is off.
        """
        found, strange = [], []
        for index in range(self.count):
            path = self.numbering.path(index)
            found.append(path.exists() and self._is_ours(path, index))
            if path.exists() and not found[-1]:
                strange.append(path)
        strange += self.numbering.beyond(self.count)
        if strange and not force:
            some = ", ".join(path.name for path in strange[:3]) + (", …" if len(strange) > 3 else "")
            raise PictureError(
                f"In '{self.numbering.folder}' there are {len(strange)} files that are not frames of this portrait and "
                f"these options ({some}). Choose another place, or replace them with --force."
            )
        return found

    def clear(self) -> None:
        """Take away frames of an earlier, longer run; files without a record of ours stay.

        Raises
        ------
        PictureError
            If such a file is in the way, or one cannot be taken away.
        """
        for path in self.numbering.beyond(self.count):
            if _facts(path) is None:
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
        path = self.numbering.path(index)
        beside = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            self.numbering.folder.mkdir(parents=True, exist_ok=True)
            beside.write_bytes(self.seal.frame(frame, replace(self.facts, frame=index)))
            beside.replace(path)
        except OSError as error:
            raise PictureError(f"'{path}' cannot be written: {error.strerror}. Choose another place.") from error
        finally:
            with suppress(OSError):
                beside.unlink()
        return path

    def _is_ours(self, path: Path, index: int) -> bool:
        facts = _facts(path)
        if facts is None:
            return False
        wanted = replace(
            self.facts,
            signature=self.seal.signature,
            frame=index,
            created=facts.created,
            content_sha256=facts.content_sha256,
        )
        return facts == wanted and records.is_content_of(path, facts)


def _facts(path: Path) -> Facts | None:
    """Return the record in a file, or None if it has none that can be read."""
    try:
        packet = records.read(path)
    except PictureError:
        return None
    return None if packet is None else packet.facts


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
