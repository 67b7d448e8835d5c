"""What a target draws instead of keying it, as the writer sees it."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Protocol

import bpy

from .channels import Line, Written


class Drawings(Protocol):
    """What a target makes that is not f-curves: drawings of grease pencil.

    It takes part in a bake like keys: checked before anything is written, undone with everything else if anything
    fails, noted in a ledger of its own (a custom property of ``owner``), dialled again by writing the same line again.
    """

    owner: bpy.types.ID

    def check(self) -> None:
        """Raise RigError, with nothing changed, if it cannot be written."""
        ...

    def write(self, line: Line, undo: ExitStack) -> Written:
        """Write it in place of what ``line`` had; ``undo`` gets whatever takes each step back."""
        ...
