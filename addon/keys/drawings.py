"""The interface between the writer and a target that makes drawings instead of keys."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Protocol

import bpy

from .channels import Line, Written


class Drawings(Protocol):
    """Drawings of one Grease Pencil data-block that a bake writes.

    They are treated like keys: checked before anything is written, undone with everything else if anything fails, and
    noted in a ledger (a custom property of ``owner``). To dial them again, the same line is written again.
    """

    owner: bpy.types.ID

    def check(self) -> None:
        """Raise RigError, with nothing changed, if the drawings cannot be written."""
        ...

    def room(self, first: int, last: int) -> tuple[int, int] | None:
        """Return the frames from ``first`` to ``last`` on which no drawing of the user's begins; None if there are few.

        Interludes are drawn there only: unlike a line, they never take the place of the user's own.
        """
        ...

    def write(self, line: Line, undo: ExitStack) -> Written:
        """Replace the drawings that ``line`` had; a callback that reverts each step is added to ``undo``."""
        ...
