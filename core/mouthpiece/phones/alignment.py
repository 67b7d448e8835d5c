"""When the words of a text are said: forced alignment of their phones over the listener's posteriors."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..errors import TextError
from .corrections import leaning
from .inventory import PHONE_INDEX, PHONES, SILENCE
from .lattice import OTHER, WORD, LatticePath, WordLattice, best_way
from .lattice import SILENCE as QUIET
from .segmentation import as_word, phones_in, segments
from .speech import POSTERIOR_RATE, Segment, Speech
from .transcript import TextWord, Transcript, transcript
from .viterbi import FLOOR, runs

Array = NDArray[np.float32]
Floats = NDArray[np.float64]

#: Phones that listeners take for each other, and that dictionaries and people exchange; each group is one.
_ALIKE: Final = (
    ("i", "ɪ", "e", "y", "j"), ("ɪ", "ə", "ʌ", "ɛ"), ("ɛ", "æ", "e", "eɪ"), ("a", "ɑ", "ʌ", "ɔ", "æ"),
    ("a", "aɪ", "aʊ", "ɑ"), ("aɪ", "eɪ"), ("eɪ", "ɪ", "i"), ("o", "oʊ", "ɔ", "ʊ", "u", "ɔɪ"), ("u", "ʊ", "ɯ", "y", "w"),
    ("ɝ", "ɹ", "ə", "ɾ", "r", "ʁ"), ("ø", "ɝ", "y", "ə"), ("p", "b"), ("t", "d", "ɾ", "ʔ"), ("k", "ɡ", "x"), ("f", "v"),
    ("v", "w", "b"), ("θ", "ð", "d", "f", "s"), ("s", "z", "t͡s"), ("z", "ð"), ("ʃ", "ʒ", "t͡ʃ", "d͡ʒ"),
    ("t͡ʃ", "t", "t͡s"), ("d͡ʒ", "d"), ("m", "n", "ŋ", "ɲ"), ("l", "ɹ"), ("x", "h", "ʁ", "ʃ"),
)  # fmt: skip
#: How much a phone counts for one of its group, any vowel for another, and silence for a stop, whose first half it is.
_KIN: Final = 0.35
_VOWEL: Final = 0.08
_CLOSURE: Final = 0.3
_STOPS: Final = ("p", "b", "t", "d", "k", "ɡ", "ʔ", "t͡ʃ", "d͡ʒ", "t͡s")
_VOWELS: Final = PHONES[1:23]
#: What a step of other speech costs more than the phone that is heard most there, in nats.
_OTHER: Final = 1.0
#: Agreement of a word's phones with what is heard, 0..1, below which it is told.
_AGREES: Final = 0.25
#: Share of the text, or of what is said, that must agree, in phones: less is another text.
_FITS: Final = 0.55
#: Most words that are named of those that follow each other unheard.
_SHOWN: Final = 6
#: Seconds of other speech from which it is told, within which it belongs to a word, and by which captions may be
#: early or late.
_LEAST_OTHER: Final = 0.25
_BESIDE: Final = 0.1
_LATE: Final = 0.6
#: Seconds of the shortest phone that is left between captions.
_SHORTEST: Final = 0.02
#: Steps times phones up to which a text is aligned at once: half an hour of speech without times, in two minutes.
_LARGEST: Final = 1_800_000_000
#: How far posteriors lean towards the phones of words that agree.
_LEANING: Final = 0.7


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A place where sound and text disagree.

    Attributes
    ----------
    word : str
        The word of the text, or several that follow each other; empty if something is said that is not in it.
    start, stop : float
        Seconds from the beginning of the take; the same if the word is not heard at all.
    heard : str
        What is heard there instead, in IPA; empty if nothing is.
    """

    word: str
    start: float
    stop: float
    heard: str

    def told(self) -> str:
        """Return it as a sentence."""
        when = f"{self.start:.2f} s"
        if not self.word:
            return f"At {when} [{self.heard}] is said, which is not in the text."
        if not self.heard:
            return f"'{self.word}' is not heard at {when}."
        return f"'{self.word}' at {when} sounds like [{self.heard}]."


@dataclass(frozen=True, slots=True, eq=False)
class Alignment:
    """What is said as a text says it, and where they disagree, in order of time.

    ``agreement`` is the share of the text's phones that are heard, 0..1.
    """

    speech: Speech
    disagreements: tuple[Disagreement, ...]
    agreement: float


@dataclass(frozen=True, slots=True)
class TimedText:
    """A part of a text, as subtitles have it: what is said from second ``begin`` to second ``end`` of the take."""

    begin: float
    end: float
    text: str


def aligned(speech: Speech, text: str | Sequence[TimedText], language: str = "") -> Alignment:
    """Return when the words of ``text`` are said.

    Words get the text's spelling and the phones of the pronunciation that fits best. What is said beside the text keeps
    the phones that are heard. Posteriors lean towards the phones of words that agree.

    Parameters
    ----------
    speech
        What is heard in the take.
    text
        What is said, or parts of it with their times; some of it may be missing, or more be there than is said.
    language
        A BCP 47 tag; empty to guess by the letters.

    Raises
    ------
    TextError
        If no phones are known of the take, the text is empty, too long or cannot be read, or does not fit at all.
    """
    posteriors = speech.posteriors
    if not len(posteriors):
        raise TextError(
            "The take knows no phones: it was made by an earlier Mouthpiece, or with a listener that hears none. "
            "Animate the sound again."
        )
    whole = text if isinstance(text, str) else "\n".join(part.text for part in text)
    spoken = transcript(whole, language)
    parts = [_TextPart(spoken, 0, len(posteriors))]
    if not isinstance(text, str):
        parts = _captions(text, spoken.language, speech)
    if not parts:
        raise TextError("No caption of the text lies within the take. Check the times, or give the text without them.")
    words: list[_Said] = []
    decided: list[tuple[float, float]] = []  # where the text decides what is said
    for part in parts:
        first = max(part.first, round(words[-1].stop * POSTERIOR_RATE) if words else 0)
        if first < part.stop:
            said = _said(part, first, posteriors)
            if isinstance(text, str):
                decided.append((0.0, math.inf))
            else:
                said = _without_ends(said)
                decided += [(said[0].start, said[-1].stop)] if said else []
            words += said
    agreement = _checked(words, posteriors, spoken)
    found = [*_disagreements(words, posteriors, isinstance(text, str))]
    if not isinstance(text, str):
        found += _beyond(text, len(posteriors) / POSTERIOR_RATE)
    return Alignment(_speech(speech, words, decided, spoken), tuple(found), agreement)


@dataclass(frozen=True, slots=True)
class _TextPart:
    """A text that is looked for from the row ``first`` to the row ``stop``."""

    spoken: Transcript
    first: int
    stop: int


@dataclass(frozen=True, slots=True)
class _Said:
    """A word of the text, where it is said, how well that agrees, or other speech: then ``label`` is empty.

    ``size`` is its number of phones in the text.
    """

    label: str
    start: float
    stop: float
    phones: tuple[Segment, ...]
    agreement: float
    size: int

    @property
    def agrees(self) -> bool:
        return bool(self.label and self.phones and self.agreement >= _AGREES)


def _captions(captions: Sequence[TimedText], language: str, speech: Speech) -> list[_TextPart]:
    """Return the captions that lie within the take and say something, in order of time."""
    parts = []
    for caption in sorted(captions, key=lambda one: one.begin):
        first = max(0, int((caption.begin - _LATE) * POSTERIOR_RATE))
        stop = min(len(speech.posteriors), int((caption.end + _LATE) * POSTERIOR_RATE) + 1)
        if stop > first and caption.text.strip():
            try:
                parts.append(_TextPart(transcript(caption.text, language), first, stop))
            except TextError:  # a caption of notes alone
                continue
    return parts


def _beyond(captions: Sequence[TimedText], seconds: float) -> Iterator[Disagreement]:
    """Yield the captions that begin when a take of ``seconds`` is over, as not heard."""
    for caption in captions:
        if caption.begin - _LATE >= seconds and caption.text.strip():
            words = [_Said(word, seconds, seconds, (), 0.0, 0) for word in caption.text.split()]
            yield Disagreement(_shortened(words), caption.begin, caption.begin, "")


def _said(part: _TextPart, first: int, posteriors: Array) -> list[_Said]:
    """Return the words of a part, and other speech, in the rows from ``first`` to the part's end."""
    rows = posteriors[first : part.stop].astype(np.float64)
    words = part.spoken.words
    known = [number for number, word in enumerate(words) if word.pronunciations]
    ways = [[[PHONE_INDEX[phone] for phone in way] for way in words[number].pronunciations] for number in known]
    lattice = WordLattice.of(ways)
    if len(rows) * len(lattice.phones) > _LARGEST:
        raise TextError(
            "The text is too long to be aligned at once. Give it as subtitles with times (SRT, VTT), or cut the sound."
        )
    alike = rows @ _likeness()
    scores = np.log(np.maximum(alike, FLOOR))
    loudest = np.log(np.maximum(rows[:, 1:].max(axis=1), FLOOR))
    silence = np.log(np.maximum(rows[:, PHONE_INDEX[SILENCE]], FLOOR))
    path = best_way(lattice, scores, silence, loudest - _OTHER)
    return list(_found([words[number] for number in known], lattice, path, first, posteriors, alike))


def _found(
    words: Sequence[TextWord], lattice: WordLattice, path: LatticePath, first: int, posteriors: Array, alike: Floats
) -> Iterator[_Said]:
    """Yield what a path goes through: words said or left out, and other speech."""
    next_word = 0
    places = path.kinds.astype(np.int64) * (lattice.count + 1) + path.places
    for start, stop, _ in runs(places):
        kind, place = int(path.kinds[start]), int(path.places[start])
        seconds = float(first + start) / POSTERIOR_RATE, float(first + stop) / POSTERIOR_RATE
        upto = place if kind in (WORD, QUIET, OTHER) else next_word
        for left_out in words[next_word:upto]:
            yield _Said(left_out.label, seconds[0], seconds[0], (), 0.0, len(left_out.pronunciations[0]))
        next_word = max(next_word, upto)
        if kind == WORD:
            states = lattice.phones[path.states[start:stop]]
            stretches = [(a + start, b + start, lattice.phones[c]) for a, b, c in runs(path.states[start:stop])]
            phones = segments(((a + first, b + first, c) for a, b, c in stretches), posteriors)
            agreement = _agreement(alike[np.arange(start, stop), states], path.states[start:stop])
            size = len(words[place].pronunciations[0])
            yield _Said(words[place].label, *seconds, phones, agreement, size)
            next_word = place + 1
        elif kind == OTHER:
            phones = phones_in(posteriors[first + start : first + stop], first + int(start))
            if phones:
                yield _Said("", *seconds, phones, 0.0, 0)
    for left_out in words[next_word:]:
        end = (first + len(path.kinds)) / POSTERIOR_RATE
        yield _Said(left_out.label, end, end, (), 0.0, len(left_out.pronunciations[0]))


def _agreement(alike: Floats, states: NDArray[np.int64]) -> float:
    """Return how well the phones of a word are heard, 0..1: the geometric mean of the mean probability of each."""
    means = [float(alike[start:stop].mean()) for start, stop, _ in runs(states)]
    return float(np.exp(np.mean(np.log(np.maximum(means, FLOOR)))))


def _checked(words: Sequence[_Said], posteriors: Array, spoken: Transcript) -> float:
    """Return which share of the text's phones agrees; TextError if neither much of it nor of the sound does."""
    wanted = sum(word.size for word in words)
    agreed = sum(word.size for word in words if word.agrees)
    sounding = float(1 - posteriors[:, PHONE_INDEX[SILENCE]].mean()) * len(posteriors) / POSTERIOR_RATE
    covered = sum(word.stop - word.start for word in words if word.agrees)
    share = agreed / max(wanted, 1)
    if max(share, min(covered / max(sounding, 1e-6), 1.0) if agreed else 0.0) < _FITS:
        raise TextError(
            f"The text does not fit the sound: {share:.0%} of it is heard, read as '{spoken.language}'. Check that it "
            "is the text of this sound, and its language (--language)."
        )
    return share


def _without_ends(words: Sequence[_Said]) -> list[_Said]:
    """Return words without the other speech before and after them: that may be what the next caption says."""
    labelled = [number for number, word in enumerate(words) if word.label]
    return list(words[labelled[0] : labelled[-1] + 1]) if labelled else []


def _speech(
    heard: Speech, words: Sequence[_Said], decided: Sequence[tuple[float, float]], spoken: Transcript
) -> Speech:
    """Return what is said by the text where it agrees or nothing better is known, and as it was heard elsewhere."""
    said = [word for word in words if word.phones]
    phones = [phone for word in said for phone in word.phones]
    at = 0.0
    for start, stop in (*decided, (math.inf, math.inf)):  # and what is heard between captions
        between = (replace(one, start=max(one.start, at), stop=min(one.stop, start)) for one in heard.phones)
        phones += [one for one in between if one.stop - one.start >= _SHORTEST - 1e-9]
        at = stop
    agreeing = [phone for word in said if word.agrees for phone in word.phones]
    return Speech(
        leaning(heard.posteriors, agreeing, _LEANING),
        tuple(sorted(phones, key=lambda phone: phone.start)),
        tuple(
            replace(as_word(word.label, word.phones), start=word.start, stop=word.stop) for word in said if word.label
        ),
        spoken.text,
        spoken.language,
    )


def _disagreements(words: Sequence[_Said], posteriors: Array, is_whole: bool) -> Iterator[Disagreement]:
    """Yield where words are not heard, sound otherwise, or something else is said.

    Speech before and after all words is no disagreement: a text may be that of a part of the sound.
    """
    places = [-1, *(number for number, word in enumerate(words) if word.agrees), len(words)]
    for last, following in pairwise(places):
        between = words[last + 1 : following]
        inside = is_whole and last >= 0 and following < len(words)
        yield from sorted(_between(between, posteriors, inside), key=lambda one: one.start)


def _between(words: Sequence[_Said], posteriors: Array, inside: bool) -> Iterator[Disagreement]:
    """Yield what disagrees between two words that agree; ``inside`` if both are there.

    Words that sound otherwise or are not heard, and other speech beside them, are one.
    """
    others = [word for word in words if not word.label]
    wrong = [word for word in words if word.label]
    if not others:
        unheard = [word for word in wrong if not word.phones]
        for word in wrong:
            if word.phones:
                yield Disagreement(word.label, word.start, word.stop, _heard(word.start, word.stop, posteriors))
        if unheard:
            yield Disagreement(_shortened(unheard), unheard[0].start, unheard[0].start, "")
    elif wrong or inside:
        beside = [other for other in others if inside or _touch(other, wrong)]
        start = min(word.start for word in (*beside, *wrong))
        stop = max(word.stop for word in (*beside, *wrong))
        if wrong or stop - start >= _LEAST_OTHER:
            yield Disagreement(_shortened(wrong), start, stop, _heard(start, stop, posteriors))


def _touch(other: _Said, words: Sequence[_Said]) -> bool:
    """Return whether other speech is right beside one of the words."""
    return any(other.start - _BESIDE <= word.stop and word.start <= other.stop + _BESIDE for word in words)


def _heard(start: float, stop: float, posteriors: Array) -> str:
    """Return what is heard from second ``start`` to ``stop``, in IPA."""
    rows = posteriors[round(start * POSTERIOR_RATE) : round(stop * POSTERIOR_RATE)]
    return "".join(phone.label for phone in phones_in(rows))


def _shortened(words: Sequence[_Said]) -> str:
    """Return the words as a text, the first few and the last of many."""
    labels = [word.label for word in words]
    if len(labels) > _SHOWN:
        labels = [*labels[: _SHOWN - 2], "…", labels[-1]]
    return " ".join(labels)


@cache
def _likeness() -> NDArray[np.float64]:
    """Return how much each phone that is heard counts for each phone of a text: (P, P)."""
    table = np.eye(len(PHONES))
    vowels = [PHONE_INDEX[vowel] for vowel in _VOWELS]
    table[np.ix_(vowels, vowels)] = np.maximum(table[np.ix_(vowels, vowels)], _VOWEL)
    for group in _ALIKE:
        rows = [PHONE_INDEX[phone] for phone in group]
        table[np.ix_(rows, rows)] = np.maximum(table[np.ix_(rows, rows)], _KIN)
    table[PHONE_INDEX[SILENCE], [PHONE_INDEX[stop] for stop in _STOPS]] = _CLOSURE
    return table
