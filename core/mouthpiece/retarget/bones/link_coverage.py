"""Which parts of a face the bones of a mapping move."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from ..coverage import Coverage, covered, part_named
from .mapping import Link

#: Why a part stands still if no bone of the mapping moves it.
LACKING: Final[Mapping[str, str]] = {
    "mouth": "no bone of the jaw or the lower lip is known",
    "lids": "no bone of an upper lid is known, so there are no blinks",
    "gaze": "no bone of an eye is known",
    "brows": "no bone of a brow is known",
    "teeth": "no bone of the teeth hangs on the jaw",
    "tongue": "no bone of the tongue hangs on the jaw",
}


@lru_cache(maxsize=64)
def link_coverage(links: tuple[Link, ...], hanging: tuple[tuple[str, str], ...] = ()) -> Coverage:
    """Return which parts of a face bones move; cached, as panels ask at every redraw.

    ``hanging`` are bones with the bone of the mapping that carries each: teeth and tongue move with the jaw.
    """
    sources: dict[str, list[str]] = {}
    for link in links:
        if link.gain:
            sources.setdefault(link.bone, []).append(link.source)
    found = covered(list(sources.items()), LACKING)
    if not found.has("mouth"):
        return found
    carried: dict[str, tuple[str, ...]] = {}
    for bone, carrier in hanging:
        part = part_named(bone)
        if carrier in found.driven["mouth"] and part in ("teeth", "tongue"):
            carried[part] = (*carried.get(part, ()), f"{bone} (with {carrier})")
    return Coverage({**found.driven, **carried}, found.lacking)
