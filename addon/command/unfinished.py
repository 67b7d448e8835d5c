"""What a batch has done so far, saved now and then beside its result, so that a run that was killed can go on.

Results and what is unfinished are stamped with the content of the file they were made of: when that has changed since,
they are no longer gone on with.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Final

import bpy
from mouthpiece.errors import MouthpieceError, TakeError
from mouthpiece.files.places import is_file

from ..sound import contents
from . import blend_files

#: What the name of an unfinished result ends with.
ENDING: Final = ".unfinished.blend"
#: Custom property of a scene: the content of the file that a result was made of.
_STAMP: Final = "mouthpiece_batch"
#: Least seconds between two times of saving, and how many times longer than saving took the work in between is.
_EVERY: Final = 20.0
_SHARE: Final = 8.0


@dataclass(slots=True)
class Unfinished:
    """The unfinished result of one file.

    ``source`` is the content of the file that is animated (empty for a scene that was never saved, which cannot go on),
    ``output`` where the result goes.
    """

    source: str
    output: Path
    _last: float = field(default_factory=monotonic)
    _took: float = 0.0
    _failed: bool = False

    @property
    def place(self) -> Path:
        """Where it lies."""
        return self.output.with_name(self.output.name.removesuffix(".blend") + ENDING)

    def begun(self) -> str:
        """Open what an earlier run left of this file, and return what it is; empty if there is nothing to go on with.

        Another file may be open afterwards: whoever asks opens the source again then.
        """
        if not self.source:
            return ""
        for path, words in ((self.output, "the result"), (self.place, "what was done")):
            if is_file(path) and not contents.are_same(str(path), bpy.data.filepath):
                with suppress(TakeError):  # damaged: it is begun anew
                    open_file(path)
                    if bpy.context.scene.get(_STAMP) == self.source:
                        return words
        return ""

    def stamp(self) -> None:
        """Mark the open scene as made of the source."""
        for scene in bpy.data.scenes:
            if self.source:
                scene[_STAMP] = self.source

    def keep(self, now: bool = False) -> str:
        """Save what is done, if it is time to, or ``now``; return what is wrong if it cannot be saved, told once."""
        due = self._last + max(_EVERY, _SHARE * self._took)
        if not self.source or self._failed or (monotonic() < due and not now):
            return ""
        began = monotonic()
        self.stamp()
        try:
            blend_files.save(self.place, versions=False)
        except TakeError as error:
            self._failed = True
            return f"If this run is stopped, it cannot go on where it was: {error}"
        finally:
            self._last = monotonic()
            self._took = self._last - began
        return ""

    def remove(self) -> None:
        """Remove it: the result is there."""
        self.place.unlink(missing_ok=True)


def source_of(path: Path | None) -> str:
    """Return the content of a .blend file by which results know it; empty if there is none."""
    return contents.of_file(str(path)) if path is not None else ""


def open_file(path: Path) -> None:
    """Open a .blend file, without its windows. Raises TakeError if it cannot be opened."""
    if not is_file(path):
        raise TakeError(f"There is no file '{path}'. Check the path.")
    try:
        bpy.ops.wm.open_mainfile(filepath=str(path), load_ui=False)
    except RuntimeError as error:
        raise TakeError(f"'{path}' cannot be opened: {str(error).strip()}") from error
    if not hasattr(bpy.context.scene, "mouthpiece"):
        raise MouthpieceError("Mouthpiece is not enabled any more. Enable it in Blender's preferences.")
