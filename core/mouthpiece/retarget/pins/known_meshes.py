"""Recognises meshes whose pins are known: ICT-FaceKit, and MakeHuman's base mesh, which MPFB and others use.

A mesh is recognised by its number of vertices and the places of the landmarks' vertices. A mesh that an importer split,
merged or reordered is recognised if it has a vertex at every place of the table, relative to its bounding box.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ...files import ASSETS
from ...files.shipped_files import shipped_json
from .facing import FRONTS

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

_FILE: Final = ASSETS / "known_pins.json"
#: Greatest distance of a vertex from its place in a table, as a share of the mesh's size: for rounding in both.
_PLACE: Final = 4e-4
#: Greatest distance of landmarks of a character built on a known mesh from the table's, as a share of their size.
_BUILT_ON: Final = 0.12


@dataclass(frozen=True, slots=True, eq=False)
class KnownMesh:
    """A known mesh: landmarks' places (68, 3), in a picture's axes, and vertices (68,), and its possible vertex counts.

    With ``boxed``, places are relative to the middle of the mesh's bounding box, in units of its largest extent.
    """

    name: str
    places: Floats
    vertices: Indices
    counts: tuple[int, ...]
    boxed: bool


@cache
def tables() -> tuple[KnownMesh, ...]:
    """Return all known meshes."""
    stored = shipped_json(_FILE)
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
    """Return the name of the known mesh with these ``vertices`` (V, 3), and the landmarks' vertices (68,), or None."""
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
    """Return whether landmarks fit a table's, except for orientation, size and a character's own features."""
    a, b = points - points.mean(axis=0), places - places.mean(axis=0)
    u, s, vt = np.linalg.svd(b.T @ a)
    flip = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    size = (s * flip).sum() / max(float((a**2).sum()), 1e-300)
    off = b - size * a @ ((u * flip) @ vt).T
    return bool(np.sqrt((off**2).sum() / (b**2).sum()) < _BUILT_ON)


def _placed(points: Floats, table: KnownMesh) -> Indices | None:
    """Return the vertices at the table's places in any orientation of the mesh; None if a place has no vertex."""
    for rows in FRONTS:
        turned = points @ np.array(rows, np.float64).T
        low, high = turned.min(axis=0), turned.max(axis=0)
        scaled = (turned - (low + high) / 2) / max(float((high - low).max()), 1e-300)
        apart = ((scaled[None] - table.places[:, None]) ** 2).sum(axis=2)
        nearest: Indices = apart.argmin(axis=1)
        if apart[np.arange(len(nearest)), nearest].max() < _PLACE**2:
            return nearest
    return None
