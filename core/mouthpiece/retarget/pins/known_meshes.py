"""Meshes whose landmarks are known: ICT-FaceKit, and the MakeHuman base mesh that MPFB and many others build on.

A mesh is recognised by its number of vertices and by where the landmarks' vertices lie on it; one that an importer
split, merged or reordered, by having a vertex at every place of the table, in the proportions of its bounding box.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ...files import ASSETS
from .facing import FRONTS

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

_FILE: Final = ASSETS / "known_pins.json"
#: How far a vertex may be off its place in a table, in shares of the mesh's size: rounding of tables and of files.
_PLACE: Final = 4e-4
#: How far landmarks of a character built on a known mesh may be off the table's, in shares of their own size.
_BUILT_ON: Final = 0.12


@dataclass(frozen=True, slots=True, eq=False)
class KnownMesh:
    """A table: where the landmarks (68, 3) are, in a picture's axes; their vertices (68,) for meshes of those counts.

    With ``boxed``, places are in shares of the mesh's largest extent, from the middle of its bounding box.
    """

    name: str
    places: Floats
    vertices: Indices
    counts: tuple[int, ...]
    boxed: bool


@cache
def tables() -> tuple[KnownMesh, ...]:
    """Return all known meshes."""
    stored = json.loads(_FILE.read_text(encoding="utf-8"))
    return tuple(
        KnownMesh(
            str(row["name"]),
            np.array(row["places"], np.float64),
            np.array(row["vertices"], np.int64),
            tuple(int(count) for count in row["counts"]),
            bool(row["boxed"]),
        )
        for row in stored["meshes"]
    )


def recognise(vertices: NDArray[np.floating[Any]]) -> tuple[str, Indices] | None:
    """Return the name of the known mesh that ``vertices`` (V, 3) are of and the landmarks' vertices (68,), or None."""
    points = np.asarray(vertices, np.float64)
    for table in tables():
        if len(points) in table.counts and _fits(points[table.vertices], table.places):
            return table.name, table.vertices
    for table in tables():
        found = _placed(points, table) if table.boxed and len(points) > len(table.places) else None
        if found is not None:
            return table.name, found
    return None


def _fits(points: Floats, places: Floats) -> bool:
    """Tell whether landmarks are those of a table but for stance, size and a character's own features."""
    a, b = points - points.mean(axis=0), places - places.mean(axis=0)
    u, s, vt = np.linalg.svd(b.T @ a)
    flip = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    size = (s * flip).sum() / max(float((a**2).sum()), 1e-300)
    off = b - size * a @ ((u * flip) @ vt).T
    return bool(np.sqrt((off**2).sum() / (b**2).sum()) < _BUILT_ON)


def _placed(points: Floats, table: KnownMesh) -> Indices | None:
    """Return the vertices at the table's places, whichever way the mesh was turned on its way; None if one has none."""
    for rows in FRONTS:
        turned = points @ np.array(rows, np.float64).T
        low, high = turned.min(axis=0), turned.max(axis=0)
        scaled = (turned - (low + high) / 2) / max(float((high - low).max()), 1e-300)
        apart = ((scaled[None] - table.places[:, None]) ** 2).sum(axis=2)
        nearest: Indices = apart.argmin(axis=1)
        if apart[np.arange(len(nearest)), nearest].max() < _PLACE**2:
            return nearest
    return None
