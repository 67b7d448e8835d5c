"""Finds shape keys that belong together: correctives (products of others), two sides of one motion, and opposites."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ...topology import MIRROR

Floats = NDArray[np.float64]

#: Words that tools put before the names of a combination.
_PREFIXES: Final = ("combination", "combo", "comb", "corrective", "correct", "corr", "cor", "fix", "mix", "c")
_BETWEEN: Final = re.compile(r"[_+*&.,:|\-\s]+(?:x[_+*&.,:|\-\s]+)?")
#: Least similarity of a shape to another's mirror image for the two to be a pair.
_ALIKE: Final = 0.9
#: Cosine of two shapes' motion, over all vertices, up to which they undo each other.
_OPPOSED: Final = -0.8


def combinations(names: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
    """Return the shapes whose names say that they are products of others -> the names of these others.

    Such names are ``jawOpen_mouthSmile``, ``jawOpen+mouthSmile``, ``corr_jawOpen_x_mouthSmile`` and the like, if all
    parts are shapes themselves. Of several possible readings, the one with the longest parts first is used.
    """
    known = {name.lower(): name for name in names}
    found: dict[str, tuple[str, ...]] = {}
    for name in names:
        parts = _split(name.lower(), {key for key in known if key != name.lower()})
        if len(parts) > 1 and len(set(parts)) == len(parts):
            found[name] = tuple(known[part] for part in parts)
    # A product of products is the product of all their parts.
    return {name: _flat(parts, found, (name,)) for name, parts in found.items()}


def _flat(parts: tuple[str, ...], found: Mapping[str, tuple[str, ...]], above: tuple[str, ...]) -> tuple[str, ...]:
    result: list[str] = []
    for part in parts:
        inner = _flat(found[part], found, (*above, part)) if part in found and part not in above else (part,)
        result += [name for name in inner if name not in result]
    return tuple(result)


def _split(text: str, known: set[str]) -> tuple[str, ...]:
    """Return the parts of ``text``, all in ``known``; empty if it cannot be split wholly into such parts."""
    for prefix in ("", *_PREFIXES):
        match = _BETWEEN.match(text, len(prefix))
        if prefix and not (text.startswith(prefix) and match):
            continue
        parts = _parts(text[match.end() :] if prefix and match else text, known)
        if len(parts) > 1:
            return parts
    return ()


def _parts(text: str, known: set[str]) -> tuple[str, ...]:
    if text in known:
        return (text,)
    for mark in reversed(list(_BETWEEN.finditer(text))):
        head, tail = text[: mark.start()], text[mark.end() :]
        if head in known and tail:
            rest = _parts(tail, known)
            if rest:
                return (head, *rest)
    return ()


def products(weights: Floats, parts: Sequence[Sequence[int]]) -> Floats:
    """Return the products (C, T) of the rows of ``weights`` (K, T) that are the ``parts`` of each combination."""
    if not parts:
        return np.zeros((0, weights.shape[1]))
    return np.stack([np.prod(np.clip(weights[list(rows)], 0.0, None), axis=0) for rows in parts])


def pairs(shapes: NDArray[np.floating[Any]]) -> tuple[tuple[int, int], ...]:
    """Return the pairs (one side, the other) of ``shapes`` (K, 68, 3), in the landmarks' axes, that are mirrored."""
    flat = np.nan_to_num(np.asarray(shapes, np.float64))
    mirrored = (flat[:, list(MIRROR)] * np.array([-1.0, 1.0, 1.0])).reshape(len(flat), -1)
    flat = flat.reshape(len(flat), -1)
    length = np.linalg.norm(flat, axis=1)
    likeness = (flat @ mirrored.T) / np.maximum(np.outer(length, length), 1e-12)
    # A shape of both sides is its own mirror image and has no partner, however similar another is.
    single = np.diag(likeness) < _ALIKE
    likeness = np.where(np.outer(single, single), likeness, -1.0)
    np.fill_diagonal(likeness, -1.0)
    best = likeness.argmax(axis=1) if len(flat) else np.zeros(0, int)
    return tuple(
        (k, int(other))
        for k, other in enumerate(best)
        if k < other and best[other] == k and likeness[k, other] > _ALIKE
    )


def opposed(deltas: NDArray[np.floating[Any]]) -> tuple[tuple[int, int], ...]:
    """Return the pairs of shapes that undo each other, by their motion of all vertices ``deltas`` (K, V, 3)."""
    flat = np.asarray(deltas).reshape(len(deltas), -1)
    length = np.linalg.norm(flat, axis=1).astype(np.float64)
    likeness = (flat @ flat.T) / np.maximum(np.outer(length, length), 1e-12)
    one, other = np.nonzero(np.triu(likeness < _OPPOSED, 1))
    return tuple(zip(one.tolist(), other.tolist(), strict=True))
