"""A mesh as a surface: distances and ways along it, and fields on it that are smoothed, so that lips stay apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from .unpinned_parts import pieces, together

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

#: Least length of an edge, in the unit of the points, where edges are divided by.
_SHORT: Final = 1e-4


@dataclass(frozen=True, slots=True, eq=False)
class Surface:
    """Vertices (V, 3) joined by ``edges`` (E, 2); vertices at the same place are one.

    ``same`` (V,) is the number of each vertex's place, ``graph`` the lengths of edges between places as a sparse matrix
    (N, N), ``piece`` (V,) the number of each vertex's connected piece.
    """

    points: Floats
    edges: NDArray[np.integer[Any]]
    same: Indices
    graph: Any
    piece: Indices

    @classmethod
    def of(cls, points: Floats, edges: NDArray[np.integer[Any]]) -> Surface:
        """Return the surface of ``points`` (V, 3) and ``edges`` (E, 2)."""
        from scipy import sparse

        same = together(points)
        count = int(same.max(initial=-1)) + 1
        joined = np.unique(np.sort(same[np.asarray(edges, np.int64).reshape(-1, 2)], axis=1), axis=0)
        joined = joined[joined[:, 0] != joined[:, 1]]
        first = np.zeros(count, np.int64)
        first[same] = np.arange(len(points))
        length = np.linalg.norm(points[first[joined[:, 0]]] - points[first[joined[:, 1]]], axis=1)
        lengths = np.maximum(length, _SHORT)
        graph = sparse.coo_matrix((lengths, (joined[:, 0], joined[:, 1])), shape=(count, count)).tocsr()
        return cls(points, edges, same, graph + graph.T, pieces(points, edges))

    def distance(self, sources: Sequence[int], most: float) -> Floats:
        """Return the distance (V,) along edges to the nearest of the vertices ``sources``, at most ``most``."""
        from scipy.sparse.csgraph import dijkstra

        if not len(sources):
            return np.full(len(self.points), most)
        found = dijkstra(self.graph, indices=np.unique(self.same[list(sources)]), min_only=True, limit=most)
        far: Floats = np.minimum(np.where(np.isfinite(found), found, most), most)[self.same]
        return far

    def way(self, stops: Sequence[int]) -> Indices:
        """Return the vertices on the shortest way along edges through ``stops``; only the stops if there is none."""
        from scipy.sparse.csgraph import dijkstra

        first = np.zeros(self.graph.shape[0], np.int64)
        first[self.same] = np.arange(len(self.points))
        found: list[int] = []
        for start, end in pairwise(stops):
            one, other = int(self.same[start]), int(self.same[end])
            most = 4 * float(np.linalg.norm(self.points[start] - self.points[end])) + _SHORT
            _, before = dijkstra(self.graph, indices=one, return_predecessors=True, limit=most)
            back = [other]
            while before[back[-1]] >= 0:
                back.append(int(before[back[-1]]))
            found += [int(first[k]) for k in reversed(back)] if back[-1] == one else [start, end]
        return np.array(list(dict.fromkeys(found)), np.int64)

    def smoother(self, reach: float) -> Callable[[Floats], Floats]:
        """Return a function that smooths fields (V, D) along the surface over about ``reach``."""
        from scipy import sparse
        from scipy.sparse.linalg import splu

        count = self.graph.shape[0]
        weights = self.graph.copy()
        degree = np.maximum(np.diff(weights.indptr), 1)
        # A neighbour's pull falls with the square of its distance, so that the reach does not depend on the density.
        weights.data = reach**2 / weights.data**2
        weights = sparse.diags(2.0 / degree) @ weights
        weights = (weights + weights.T) / 2
        factors = splu((sparse.diags(1.0 + np.asarray(weights.sum(axis=1)).ravel()) - weights).tocsc())
        sharing = sparse.coo_matrix((np.ones(len(self.same)), (self.same, np.arange(len(self.same)))))
        shares = np.bincount(self.same, minlength=count)[:, None]

        def smooth(field: Floats) -> Floats:
            solved: Floats = factors.solve(np.asarray(sharing @ field) / shares)[self.same]
            return solved

        return smooth


def nearest(points: Floats, queries: Floats, count: int) -> tuple[Floats, Indices]:
    """Return the distances (Q, count) and indices of the ``points`` (N, D) nearest to each of ``queries`` (Q, D)."""
    from scipy.spatial import cKDTree

    count = min(count, len(points))
    apart, index = cKDTree(points).query(queries, k=count)
    return np.asarray(apart).reshape(len(queries), count), np.asarray(index).reshape(len(queries), count)


def blended(apart: Floats, values: Floats, soft: float) -> Floats:
    """Return the mean of ``values`` (Q, K, ...) weighted by their distance ``apart`` (Q, K), over about ``soft``."""
    weight = 1 / (apart**2 + soft**2)
    weight = weight / weight.sum(axis=1, keepdims=True)
    mixed: Floats = np.einsum("qk,qk...->q...", weight, values)
    return mixed
