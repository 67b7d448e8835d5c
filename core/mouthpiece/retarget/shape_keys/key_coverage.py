"""Which parts of a face the shape keys of a table move."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from ..coverage import Coverage, covered
from .table import Entry

#: Why a part stands still if no shape key of the table moves it.
LACKING: Final[Mapping[str, str]] = {
    "mouth": "no shape key whose name is known opens it",
    "lids": "no shape key whose name is known closes the eyes, so there are no blinks",
    "gaze": "no shape key whose name is known turns the eyes",
    "brows": "no shape key whose name is known moves them",
    "tongue": "no shape key whose name is known moves it",
}


@lru_cache(maxsize=64)
def key_coverage(entries: tuple[Entry, ...]) -> Coverage:
    """Return which parts of a face the enabled ``entries`` of a table move; cached, as panels ask at every redraw.

    Raises RigError if a formula is not valid.
    """
    playing = [entry for entry in entries if entry.enabled and entry.gain]
    return covered([(entry.key, sorted(entry.parsed().names)) for entry in playing], LACKING)
