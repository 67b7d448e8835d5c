"""All checks on one character."""

from __future__ import annotations

from .findings import Finding
from .limits import Limits
from .seen_face import SeenFace


def checked(seen: SeenFace, limits: Limits | None = None) -> list[Finding]:
    """Return what is wrong with a character, in order of time; ``limits`` default to those of :class:`Limits`."""
    return []
