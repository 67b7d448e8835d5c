"""Posteriors as takes keep them: a byte each, so that a take does the same before it is saved and after."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

#: The byte of a probability of 1. Square roots are stored in so many steps: rare phones keep a digit as well, and what
#: compresses is small.
FULL: Final = 100
#: Probabilities below this are stored as none; what is missing to 1 is shared by them, none of which reaches it.
_LEAST: Final = 0.01
_LARGEST_REST: Final = 0.99 * _LEAST


def coded(posteriors: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
    """Return the bytes (S, P) of posteriors (S, P): the probabilities of a row add up to 1 at most."""
    kept = np.where(posteriors < _LEAST, 0, np.clip(posteriors, 0, 1))
    kept = kept / np.maximum(kept.sum(axis=1, keepdims=True), 1)
    codes = np.round(np.sqrt(kept) * FULL).astype(np.int64)
    while True:
        over = np.flatnonzero(np.square(codes).sum(axis=1) > FULL**2)
        if not len(over):
            found: NDArray[np.uint8] = codes.astype(np.uint8)
            return found
        codes[over, codes[over].argmax(axis=1)] -= 1


def decoded(codes: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the posteriors (S, P) that bytes (S, P) stand for; those of :func:`coded` are coded as the same again."""
    rows = np.square(codes.astype(np.float32) / FULL)
    missing = np.maximum(1 - rows.sum(axis=1, keepdims=True), 0)
    none = codes == 0
    rest = np.minimum(missing / np.maximum(none.sum(axis=1, keepdims=True), 1), _LARGEST_REST)
    posteriors: NDArray[np.float32] = np.where(none, rest, rows).astype(np.float32)
    return posteriors


def as_kept(posteriors: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Return posteriors (S, P) as exactly as takes keep them; read-only. What is none stays as it is."""
    given = np.asarray(posteriors, np.float32)
    if given.ndim != 2 or not given.size or not np.isfinite(given).all():
        return given
    rows = decoded(coded(given))
    rows.setflags(write=False)
    return rows
