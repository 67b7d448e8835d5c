"""Cuts a long stream into overlapping windows and joins the results, in bounded memory.

Cutting and joining work on streams, so a hundred-minute file needs no more memory than one window. The windows depend
on the total length alone, not on how a caller cuts its blocks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Window:
    """Frames ``start`` to ``stop`` (excluded) of a longer sequence."""

    start: int
    stop: int

    def __len__(self) -> int:
        """Return the number of frames."""
        return self.stop - self.start


def split(count: int, size: int, overlap: int) -> tuple[Window, ...]:
    """Return the fewest windows of at most ``size`` frames that cover ``count`` frames, all equally long.

    Neighbours share at least ``overlap`` frames, because a network that looks both ways has too little input near its
    window's borders. A sequence of up to ``size`` frames is one window.
    """
    if count <= size:
        return (Window(0, count),)
    number = -(-(count - overlap) // (size - overlap))
    length = -(-(count + (number - 1) * overlap) // number)
    starts = (round(k * (count - length) / (number - 1)) for k in range(number))
    return tuple(Window(start, start + length) for start in starts)


def gather(blocks: Iterable[NDArray[Any]], spans: Iterable[Window]) -> Iterator[NDArray[Any]]:
    """Yield ``stream[start:stop]`` for each of ``spans`` (ascending) from a stream given in ``blocks``.

    Parts of a span before the stream's start or after its end are zero. No more than one span and one block are in
    memory at a time.
    """
    source = iter(blocks)
    held: list[NDArray[Any]] = []
    begin = end = 0
    tail: tuple[int, ...] = ()
    dtype: np.dtype[Any] = np.dtype(np.float32)
    for span in spans:
        while end < span.stop:
            block = next(source, None)
            if block is None:
                break
            held.append(block)
            end += len(block)
            tail, dtype = block.shape[1:], block.dtype
            while len(held) > 1 and begin + len(held[0]) <= span.start:
                begin += len(held.pop(0))
        out = np.zeros((len(span), *tail), dtype)
        position = begin
        for block in held:
            low, high = max(span.start, position), min(span.stop, position + len(block))
            if low < high:
                out[low - span.start : high - span.start] = block[low - position : high - position]
            position += len(block)
        yield out


def aggregate(pieces: Iterable[Array], windows: Sequence[Window], border: int, fade: int) -> Iterator[Array]:
    """Yield the joined sequence, piece by piece, given one result per window.

    Each window is used up to ``border`` frames before its end; over the ``fade`` frames before that it is blended
    linearly into the next. The next window is thus used from ``overlap - border - fade`` frames after its own start:
    choose the overlap so that this is enough for the network as well.
    """
    kept: Array | None = None
    done = 0
    for piece, window, following in zip(pieces, windows, [*windows[1:], None], strict=True):
        current = piece
        if kept is not None and len(kept):
            ramp = ((np.arange(len(kept), dtype=np.float32) + 1) / (len(kept) + 1)).reshape(
                (-1,) + (1,) * (piece.ndim - 1)
            )
            low = done - window.start
            current = piece.copy()
            current[low : low + len(kept)] = (1 - ramp) * kept + ramp * piece[low : low + len(kept)]
        if following is None:
            yield current[done - window.start :]
            return
        handover = window.stop - border
        start = max(handover - fade, done, following.start)
        yield current[done - window.start : start - window.start]
        kept = current[start - window.start : handover - window.start]
        done = start
