"""What goes into every frame and film of a portrait: the record, content credentials, a mark one can see."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mouthpiece.pipeline import Warned
    from mouthpiece.provenance.facts import Facts


@dataclass(frozen=True, slots=True)
class Sealing:
    """How frames and films are recorded and vouched for. No bpy: a worker uses it."""

    facts: Facts
    seal: Any = None

    def frame_bytes(self, frame: Any, index: int) -> bytes:
        """Return a frame (H, W, 4) as a PNG file with its record, marked if that is wanted."""
        from mouthpiece.provenance.frames import frame_bytes

        return frame_bytes(frame, replace(self.facts, frame=index))

    def film(self, path: Path) -> Warned | None:
        """Put the record into a finished film."""
        from mouthpiece.provenance.records import record

        record(path, self.facts)
        return None
