"""Eye lines of a character: where it looks on the timeline, made of what it knows of the others.

What it knows (:class:`mouthpiece.motion.listening.Surroundings`) is noted with the character by *Update Listeners* and
*Animate All*, so that everything else (an amount that is adjusted, a line that is animated again) looks at nobody but
the character itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from functools import lru_cache
from math import ceil
from typing import TYPE_CHECKING, Any

import bpy
from mouthpiece.errors import TakeError, UnreadableError
from mouthpiece.files.json_text import parsed_json

from ..keys import kept_takes, ledgers
from . import lifetime

if TYPE_CHECKING:
    from mouthpiece.motion.listening import Amount, Regard, SpeakingTurn, Surroundings

    from .interludes import Neighbour


def is_silent(line: kept_takes.KeptLine) -> bool:
    """Return whether a kept line says nothing: its character only listens."""
    return line.sound.startswith(ledgers.SILENT)


def noted(obj: bpy.types.Object) -> Surroundings | None:
    """Return what a character knows of the others; None if nothing is noted, or it cannot be read."""
    return _read(obj.mouthpiece.surroundings)


def note(obj: bpy.types.Object, around: Surroundings | None, undo: ExitStack) -> bool:
    """Note what a character knows of the others, and return whether that is something new.

    ``undo`` gets a callback that reverts it.
    """
    text = "" if around is None else json.dumps(around.saved(), separators=(",", ":"))
    before = obj.mouthpiece.surroundings
    if text == before:
        return False
    undo.callback(setattr, obj.mouthpiece, "surroundings", before)
    obj.mouthpiece.surroundings = text
    return True


@lru_cache(maxsize=64)
def _read(text: str) -> Surroundings | None:
    from mouthpiece.motion.listening import Surroundings

    if not text:
        return None
    try:
        return Surroundings.of(parsed_json(text))
    except UnreadableError:  # somebody changed it: the next update notes it anew
        return None


def regard_of(obj: bpy.types.Object, spoken: Sequence[Neighbour]) -> Regard | None:
    """Return where a character looks, in seconds of the timeline; None if it knows of nobody.

    ``spoken`` is what it says, in order of time.
    """
    around = noted(obj)
    kept = [piece for piece in spoken if piece.line is not None]
    if around is None or not kept:
        return None
    from mouthpiece.motion.interludes import REACH

    fps = _fps(kept[-1])
    low, high = lifetime.scene_frames(obj)
    span = min(low, spoken[0].first) / fps, max(high, spoken[-1].last + ceil(REACH * fps)) / fps
    own = tuple(
        turn
        for piece in spoken
        if not (piece.line is not None and is_silent(piece.line))
        for turn in [_turn_of(piece, fps, "", around.addressed)]
    )
    text = obj.mouthpiece.surroundings
    return _regard(text, own, tuple(_amount(piece) for piece in kept), lifetime.seed_of(obj), span)


@lru_cache(maxsize=64)
def _regard(
    text: str, own: tuple[SpeakingTurn, ...], amounts: tuple[Amount, ...], seed: int, span: tuple[float, float]
) -> Regard | None:
    """Return where a character looks; None if it is nowhere."""
    from mouthpiece.motion.listening import regard

    around = _read(text)
    assert around is not None  # the caller has read it
    found = regard(around, own, amounts, seed, span)
    return None if found.is_idle else found


def turns_of(name: str, spoken: Sequence[Neighbour], fps: float, addressed: Mapping[str, str]) -> list[SpeakingTurn]:
    """Return when a character called ``name`` speaks, and to whom by the sounds of its lines.

    ``fps`` is that of stretches whose take is not kept.
    """
    heard = (piece for piece in spoken if piece.line is None or not is_silent(piece.line))
    return [_turn_of(piece, fps, name, addressed) for piece in heard]


def _turn_of(piece: Neighbour, fps: float, name: str, addressed: Mapping[str, str]) -> SpeakingTurn:
    from mouthpiece.motion.listening import SpeakingTurn

    rate = fps if piece.line is None else _fps(piece)
    first, last = piece.first / rate, (piece.last + 1) / rate
    if piece.line is None:
        return SpeakingTurn(name, first, last, "", ((first, last),))
    grid = piece.line.frames()
    phrases = []
    for begin, end in _phrases(_Kept(piece.line)):
        low, high = (
            (grid.origin + (second - grid.offset) * grid.fps / grid.speed) / grid.fps for second in (begin, end)
        )
        if high > first and low < last:
            phrases.append((round(max(low, first), 3), round(min(high, last), 3)))
    return SpeakingTurn(name, round(first, 4), round(last, 4), addressed.get(piece.line.sound, ""), tuple(phrases))


class _Kept:
    """A kept line's take; equal to others of the same content."""

    def __init__(self, line: kept_takes.KeptLine) -> None:
        self.line, self.number = line, kept_takes.take_id(line)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Kept) and self.number == other.number

    def __hash__(self) -> int:
        return hash(self.number)


@lru_cache(maxsize=512)
def _phrases(kept: _Kept) -> tuple[tuple[float, float], ...]:
    """Return the seconds of a take between which somebody speaks without a pause."""
    from mouthpiece.motion.listening import phrases

    try:
        take = kept_takes.motion(kept.line)
    except TakeError:
        return ()
    return phrases(take.activity, take.fps)


def _amount(piece: Neighbour) -> Amount:
    from mouthpiece.motion.dials import Dials
    from mouthpiece.motion.listening import Amount

    assert piece.line is not None  # asked for kept lines only
    dials = Dials.of(piece.line.dials)
    return Amount(piece.first / _fps(piece), dials.attention, dials.nods)


def _fps(piece: Neighbour) -> float:
    assert piece.line is not None  # asked for kept lines only
    return piece.line.frames().fps


def bends_of(looking: Regard, line: kept_takes.KeptLine) -> list[dict[str, Any]]:
    """Return what a kept line notes among its bends of where its character looks: one entry, or none."""
    grid = line.frames()
    first, last, origin = grid.first / grid.fps, (grid.last + 1) / grid.fps, grid.origin / grid.fps
    found = looking.within(first, last, origin, grid.offset, grid.speed)
    return [] if found.is_idle else [found.saved()]


def without(bends: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the bends of a kept line without where it looks: how its ends give way."""
    from mouthpiece.motion.listening import PART

    return [dict(bend) for bend in bends if bend.get("part") != PART]
