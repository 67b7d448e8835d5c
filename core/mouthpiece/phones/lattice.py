"""The ways through the words of a text, and the best of them through posteriors.

Words follow each other; before, between and after them may be silence or other speech, a word may be left out, and a
phone of it swallowed. A path of Viterbi's algorithm goes through all of that once, from the first step to the last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Wholes = NDArray[np.int64]

#: What it costs, in nats, to leave out a word, or one of those at the beginning or end of a text that goes on beyond
#: the sound; to swallow a phone; and to begin with other speech between words.
_NO_WORD: Final = 12.0
_BEYOND: Final = 2.0
_NO_PHONE: Final = 4.0
_OTHER: Final = 5.0
#: Steps between the scores that are kept: what led to a step is computed again from there, and memory stays small.
_KEPT: Final = 400
#: Where a path is.
SILENCE, OTHER, WORD = 0, 1, 2


@dataclass(frozen=True, slots=True, eq=False)
class WordLattice:
    """The phones of all pronunciations of all words, one after the other.

    Attributes
    ----------
    phones : (S,) int
        Index of each phone.
    words : (S,) int
        Number of the word that each is in.
    before, skipped : (S,) int
        What comes before each phone, and what before that if that is left out, as an index into phones, then the
        ``words + 1`` places between words, then one that is never reached.
    ends, swallowed : (N, K) int
        The last phones of each word's pronunciations, and those before them, in the same way.
    """

    phones: Wholes
    words: Wholes
    before: Wholes
    skipped: Wholes
    ends: Wholes
    swallowed: Wholes

    @classmethod
    def of(cls, words: Sequence[Sequence[Sequence[int]]]) -> WordLattice:
        """Return the lattice of ``words``, each with its pronunciations, each of phone indices; none may be empty."""
        total = sum(len(way) for word in words for way in word)
        never = total + len(words) + 1
        most = max((len(word) for word in words), default=1)
        phones, numbers, before, skipped = list[int](), list[int](), list[int](), list[int]()
        ends = np.full((len(words), most), never, np.int64)
        swallowed = ends.copy()
        for number, word in enumerate(words):
            place = total + number
            for column, way in enumerate(word):
                first = len(phones)
                phones += way
                numbers += [number] * len(way)
                count = len(way)
                before += [place, *range(first, first + count - 1)]
                skipped += [never, *([place] if count > 1 else []), *range(first, first + count - 2)]
                ends[number, column] = first + count - 1
                swallowed[number, column] = first + count - 2 if count > 1 else never
        whole = [np.array(values, np.int64) for values in (phones, numbers, before, skipped)]
        return cls(whole[0], whole[1], whole[2], whole[3], ends, swallowed)

    @property
    def count(self) -> int:
        """Number of words."""
        return len(self.ends)


@dataclass(slots=True, eq=False)
class _Scores:
    """The best scores of paths that are in each phone (S,), and in silence, other speech or between words (N + 1,)."""

    phones: Floats
    silence: Floats
    other: Floats
    between: Floats


@dataclass(frozen=True, slots=True, eq=False)
class _Choices:
    """How each place was reached in a step."""

    phones: NDArray[np.int8]
    silence: NDArray[np.bool_]
    other: NDArray[np.bool_]
    between: NDArray[np.int8]
    ends: Wholes


@dataclass(frozen=True, slots=True, eq=False)
class LatticePath:
    """The best way: at each step (R,) what it is in, and which word or which place between words; its phone there.

    ``kinds`` are :data:`SILENCE`, :data:`OTHER` and :data:`WORD`; ``places`` number words, or the words before;
    ``states`` are phones of the lattice, -1 outside words.
    """

    kinds: NDArray[np.int8]
    places: Wholes
    states: Wholes


def best_way(lattice: WordLattice, scores: Floats, silence: Floats, other: Floats) -> LatticePath:
    """Return the best way through the lattice.

    Parameters
    ----------
    scores : (R, P) float
        What each phone adds at each step.
    silence, other : (R,) float
        What silence and other speech add.
    """
    steps = len(scores)
    state = _begun(lattice)
    kept = {0: state}
    for step in range(steps):
        if step % _KEPT == 0:
            kept[step] = state
        state, _ = _step(lattice, state, scores[step], silence[step], other[step])
    path = LatticePath(np.zeros(steps, np.int8), np.zeros(steps, np.int64), np.full(steps, -1, np.int64))
    at = _last(lattice, state)
    for first in range((max(steps - 1, 0)) // _KEPT * _KEPT, -1, -_KEPT):
        state = kept[first]
        choices = []
        for step in range(first, min(first + _KEPT, steps)):
            state, chosen = _step(lattice, state, scores[step], silence[step], other[step])
            choices.append(chosen)
        for step in range(min(first + _KEPT, steps) - 1, first - 1, -1):
            at = _back(lattice, choices[step - first], at, path, step)
    return path


def _begun(lattice: WordLattice) -> _Scores:
    """Return the scores before the first step: any number of words may be left out at once."""
    nowhere = np.full(lattice.count + 1, -np.inf)
    between = -_BEYOND * np.arange(lattice.count + 1, dtype=np.float64)
    return _Scores(np.full(len(lattice.phones), -np.inf), nowhere, nowhere, between)


def _step(
    lattice: WordLattice, last: _Scores, scores: Floats, silence: float, other: float
) -> tuple[_Scores, _Choices]:
    """Return the scores after one more step, and how each came about."""
    reached = np.concatenate([last.phones, last.between, [-np.inf]])
    ways = np.stack([last.phones, reached[lattice.before], reached[lattice.skipped] - _NO_PHONE])
    best = ways.argmax(axis=0)
    phones = np.take_along_axis(ways, best[None], axis=0)[0] + scores[lattice.phones]
    goes_on = last.silence >= last.between
    still = np.where(goes_on, last.silence, last.between) + silence
    begins = last.between - _OTHER
    more = last.other >= begins
    others = np.where(more, last.other, begins) + other
    places = np.concatenate([phones, still, [-np.inf]])
    ends = np.concatenate([places[lattice.ends], places[lattice.swallowed] - _NO_PHONE], axis=1)
    pick = ends.argmax(axis=1)
    done = np.concatenate([[-np.inf], ends[np.arange(lattice.count), pick]])
    ways = np.stack([still, others, done])
    source = ways.argmax(axis=0)
    arrived = ways.max(axis=0)
    # Any number of words may be left out: the best arrival at any earlier place, less what each word since then costs.
    costs = _NO_WORD * np.arange(lattice.count + 1)
    between = np.maximum.accumulate(arrived + costs) - costs
    source[between > arrived + 1e-9] = 3
    chosen = _Choices(best.astype(np.int8), goes_on, more, source.astype(np.int8), pick)
    return _Scores(phones, still, others, np.maximum(between, arrived)), chosen


def _last(lattice: WordLattice, state: _Scores) -> int:
    """Return the place where the best path ends: between words, after the last that is said."""
    beyond = _BEYOND * np.arange(lattice.count, -1, -1)
    return len(lattice.phones) + int((state.between - beyond).argmax())


def _back(lattice: WordLattice, chosen: _Choices, at: int, path: LatticePath, step: int) -> int:
    """Note where the path is in a step, given the place it is at after it; return the place before the step.

    Places are phones, then places between words, then silences, then other speech.
    """
    total, count = len(lattice.phones), lattice.count + 1
    if total <= at < total + count:
        place = at - total
        while chosen.between[place] == 3:
            place -= 1
        source = int(chosen.between[place])
        if source == 2:
            ways = np.concatenate([lattice.ends[place - 1], lattice.swallowed[place - 1]])
            at = int(ways[chosen.ends[place - 1]])
        else:
            at = total + count * (1 + source) + place
    if at < total:
        path.kinds[step], path.places[step], path.states[step] = WORD, lattice.words[at], at
        way = int(chosen.phones[at])
        return at if way == 0 else int((lattice.before if way == 1 else lattice.skipped)[at])
    kind, place = divmod(at - total - count, count)
    path.kinds[step], path.places[step] = kind, place
    goes_on = (chosen.silence, chosen.other)[kind][place]
    return at if goes_on else total + place
