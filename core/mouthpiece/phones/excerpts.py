"""Parts of what is said, what is said later or earlier, and what is said in parts of a sound joined again."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .speech import POSTERIOR_RATE, Segment, Speech, resampled

#: Seconds up to which two stretches of one label that were cut apart touch, and below which nothing is left of one.
_TOUCH: Final = 0.5 / POSTERIOR_RATE


def excerpt(speech: Speech, start: float, stop: float) -> Speech:
    """Return what is said from second ``start`` to ``stop``, whose time 0 is ``start``.

    Stretches that go on beyond an end are cut there. The text and its language stay: it is what was aligned.
    """
    seconds = max(stop - start, 0.0)
    count = math.ceil(seconds * POSTERIOR_RATE - 1e-6)
    rows = np.zeros((0, speech.posteriors.shape[1]), np.float32)
    if len(speech.posteriors) and count:
        rows = resampled(speech, start + (np.arange(count) + 0.5) / POSTERIOR_RATE)
    return replace(
        speech,
        posteriors=rows,
        phones=_cut(speech.phones, -start, 0.0, seconds),
        words=_cut(speech.words, -start, 0.0, seconds),
    )


def shifted(speech: Speech, seconds: float, length: float) -> Speech:
    """Return what is said ``seconds`` later, in a take that lasts ``length`` seconds; ends of it are cut off."""
    return excerpt(speech, -seconds, length - seconds)


@dataclass(frozen=True, slots=True, eq=False)
class HeardPart:
    """What is said in a part of a sound.

    Attributes
    ----------
    speech : Speech
        Its time 0 is the second ``begin`` of the whole sound.
    begin : float
        Second of the whole sound.
    start, stop : float
        From which to which second of the whole sound this part counts.
    """

    speech: Speech
    begin: float
    start: float
    stop: float


def joined(parts: Sequence[HeardPart]) -> Speech:
    """Return what is said in parts that follow each other; its time 0 is where the first begins to count.

    A phone or word on both sides of a seam is one again. Nothing is known of the whole where nothing is known of any
    part.
    """
    if not parts:
        return Speech()
    first, last = parts[0].start, parts[-1].stop
    cuts = [excerpt(part.speech, part.start - part.begin, part.stop - part.begin) for part in parts]
    width = cuts[0].posteriors.shape[1]
    count = math.ceil((last - first) * POSTERIOR_RATE - 1e-6) if any(len(cut.posteriors) for cut in cuts) else 0
    rows = np.zeros((count, width), np.float32)
    centres = first + (np.arange(count) + 0.5) / POSTERIOR_RATE
    for part in parts:
        here = (centres >= part.start - 1e-9) & (centres < part.stop + 1e-9)
        if here.any() and len(part.speech.posteriors):
            rows[here] = resampled(part.speech, centres[here] - part.begin)
    phones: list[Segment] = []
    words: list[Segment] = []
    for part, cut in zip(parts, cuts, strict=True):
        _append(phones, _cut(cut.phones, part.start - first, 0.0, last - first))
        _append(words, _cut(cut.words, part.start - first, 0.0, last - first))
    return replace(parts[0].speech, posteriors=rows, phones=tuple(phones), words=tuple(words))


def phones_of(word: Segment, phones: Sequence[Segment]) -> tuple[Segment, ...]:
    """Return the phones that lie in a word: those whose middle does."""
    return tuple(phone for phone in phones if word.start <= (phone.start + phone.stop) / 2 < word.stop)


def checked_order(segments: Sequence[Segment]) -> NDArray[np.bool_]:
    """Return of each segment whether it has a length and begins no earlier than the one before ends."""
    starts = np.array([segment.start for segment in segments], np.float64)
    stops = np.array([segment.stop for segment in segments], np.float64)
    before = np.concatenate([[-math.inf], stops[:-1]])
    good: NDArray[np.bool_] = (stops > starts) & (starts >= before - 1e-6)
    return good


def _cut(segments: Sequence[Segment], shift: float, low: float, high: float) -> tuple[Segment, ...]:
    """Return segments ``shift`` seconds later, as far as they lie between ``low`` and ``high``."""
    moved = []
    for segment in segments:
        start, stop = max(segment.start + shift, low), min(segment.stop + shift, high)
        if stop - start >= min(_TOUCH, segment.stop - segment.start) - 1e-9 and stop > start:
            moved.append(replace(segment, start=start, stop=stop))
    return tuple(moved)


def _append(segments: list[Segment], more: Sequence[Segment]) -> None:
    """Append segments; the first of them goes on with the last one there if both say the same and touch."""
    for number, segment in enumerate(more):
        last = segments[-1] if segments else None
        if number == 0 and last is not None and last.label == segment.label and segment.start - last.stop < _TOUCH:
            lengths = last.stop - last.start, segment.stop - segment.start
            mean = (last.confidence * lengths[0] + segment.confidence * lengths[1]) / sum(lengths)
            segments[-1] = replace(last, stop=segment.stop, confidence=mean)
        else:
            segments.append(segment)
