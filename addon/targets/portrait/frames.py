"""The folder that frames of a portrait are rendered into: which are there already, and what else may not be touched.

A small file in it tells what its frames were made of. Rendering the same again goes on where it stopped; frames of
anything else are replaced only when asked for. No bpy here: a worker writes them.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

#: Name of the file that tells what frames were made of.
NOTE: Final = "mouthpiece-portrait.json"
#: The run of signs in a name that stands for a frame's number.
_RUN: Final = re.compile("(#+)")


def first_number(first: int) -> int:
    """Return the number that the file of the scene's frame ``first`` bears: its own, but at least 1."""
    return max(first, 1)


@dataclass(frozen=True, slots=True)
class FrameFolder:
    """Where frames go: ``count`` files in ``path``, numbered from ``first`` on.

    Their ``name`` has one ``#`` for each digit of the number, such as ``face_####.png``; ``made_of`` is a fingerprint
    of all that decides what the frames look like.
    """

    path: Path
    name: str
    first: int
    count: int
    made_of: str

    def place(self, index: int) -> Path:
        """Return the file of a frame, counted from 0."""
        before, run, after = _RUN.split(self.name, maxsplit=1)
        return self.path / f"{before}{self.first + index:0{len(run)}d}{after}"

    def refusal(self) -> str:
        """Return why frames may not be written here without replacing others; empty if they may."""
        if self._noted().get("made_of") == self.made_of:
            return ""
        there = [place for place in map(self.place, range(self.count)) if place.exists()]
        if not there:
            return ""
        return f"'{self.path}' holds {len(there)} frames of another rendering, such as '{there[0].name}'"

    def done(self) -> int:
        """Return how many frames of this very rendering are there."""
        if self._noted().get("made_of") != self.made_of:
            return 0
        return sum(self.place(index).is_file() for index in range(self.count))

    def begin(self, replace: bool) -> None:
        """Make the folder, take away what is in the way if that is to be replaced, and note what will be there.

        Raises PictureError if the folder cannot be written to, or holds other frames that are not to be replaced.
        """
        from mouthpiece.errors import PictureError

        refused = self.refusal()
        if refused and not replace:
            raise PictureError(f"{refused}. Choose another place, or replace them.")
        with _told(f"Frames cannot be written to '{self.path}'"):
            self.path.mkdir(parents=True, exist_ok=True)
            if self._noted().get("made_of") != self.made_of:
                for place in self._own():
                    place.unlink(missing_ok=True)
            note = {"format": 1, "made_of": self.made_of, "name": self.name, "first": self.first, "count": self.count}
            _whole(self.path / NOTE, json.dumps(note).encode())

    def missing(self) -> Iterator[tuple[int, int]]:
        """Yield the runs of frames that are not there yet: first, and the one after the last."""
        start = None
        for index in range(self.count + 1):
            here = index < self.count and not self.place(index).is_file()
            if here and start is None:
                start = index
            if not here and start is not None:
                yield start, index
                start = None

    def write(self, index: int, data: bytes) -> None:
        """Write a frame, whole or not at all; PictureError says why it could not be."""
        with _told(f"Frame {self.first + index} cannot be written to '{self.path}'", self):
            _whole(self.place(index), data)

    def resuming(self) -> str:
        """Return what to say of frames that are kept."""
        return f" {self.done()} of {self.count} frames are kept: render again to go on from there."

    def clear(self) -> None:
        """Take away the frames and the note, and the folder if nothing else is in it."""
        with suppress(OSError):
            for place in (*map(self.place, range(self.count)), self.path / NOTE):
                place.unlink(missing_ok=True)
            self.path.rmdir()

    def _own(self) -> Sequence[Path]:
        """Return the files in the way: those of this rendering's names, and of the one noted before."""
        noted = self._noted()
        try:
            before = FrameFolder(self.path, str(noted["name"]), int(noted["first"]), int(noted["count"]), "")
        except (KeyError, TypeError, ValueError):
            before = self
        plain = Path(before.name).name == before.name and len(_RUN.findall(before.name)) == 1
        safe = plain and 0 <= before.count < 10_000_000
        return [*map(self.place, range(self.count)), *(map(before.place, range(before.count)) if safe else ())]

    def _noted(self) -> dict[str, Any]:
        try:
            found = json.loads((self.path / NOTE).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}


@contextmanager
def _told(what: str, folder: FrameFolder | None = None) -> Iterator[None]:
    """Word what goes wrong with files for the artist, and what is kept of a folder's frames."""
    from mouthpiece.errors import PictureError

    try:
        yield
    except OSError as error:
        kept = folder.resuming() if folder is not None else ""
        raise PictureError(f"{what}: {error.strerror or error}.{kept}") from error


def _whole(place: Path, data: bytes) -> None:
    """Write a file that appears complete or not at all."""
    beside = place.with_name(f".{place.name}.{os.getpid()}.part")
    try:
        beside.write_bytes(data)
        beside.replace(place)
    finally:
        with suppress(OSError):
            beside.unlink()
