"""What a check found, and how it is told."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with a performance.

    Attributes
    ----------
    check : str
        Name of the check, as limits name it (``sync``, ``moves_in_silence``, …).
    character, line : str
        Whom and which line it is about; ``line`` is empty where it is about none.
    begin, end : float
        Seconds of the timeline (of the take or film, where there is no timeline) between which it is seen.
    first, last : int or None
        The same as frames of the scene; None where there is no scene.
    value, limit : float
        What was measured, and what it may be at most (or at least), in the check's unit.
    sentence : str
        What is wrong, for people.
    remedy : str
        What to do about it.
    """

    check: str
    character: str
    line: str
    begin: float
    end: float
    value: float
    limit: float
    sentence: str
    remedy: str
    first: int | None = None
    last: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the finding as a dict that fits JSON."""
        return asdict(self)
