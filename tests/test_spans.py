"""Spans of triangles, polygons and rectangles, against a test of every pixel's centre."""

import numpy as np
import pytest
from mouthpiece.spans import polygon_spans, rectangle_spans, triangle_spans
from numpy.typing import NDArray


def centres(width: int, height: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    return x, y


def even_odd(points: NDArray[np.float64], width: int, height: int) -> NDArray[np.bool_]:
    """Return which centres (height, width) have an odd number of the line's sides to their left or on them."""
    x, y = centres(width, height)
    count = np.zeros((height, width), int)
    for a, b in zip(points, np.roll(points, -1, 0), strict=True):
        if a[1] != b[1]:
            at = a[0] + (y - a[1]) / (b[1] - a[1]) * (b[0] - a[0])
            count += ((a[1] > y) != (b[1] > y)) & (at <= x)
    return count % 2 == 1


def test_triangles_of_a_square_cover_every_pixel_once() -> None:
    points = np.array([[2.3, 1.7], [11.6, 2.2], [10.9, 9.4], [1.2, 8.8], [6.1, 5.0]])
    spans = triangle_spans(points[np.array([[0, 1, 4], [1, 2, 4], [2, 3, 4], [3, 0, 4]])], 14, 12)
    hits = np.bincount(spans.pixels(14), minlength=12 * 14).reshape(12, 14)
    x, y = centres(14, 12)
    within = np.ones((12, 14), bool)
    for a, b in zip(points[:4], np.roll(points[:4], -1, 0), strict=True):
        within &= (b[0] - a[0]) * (y - a[1]) - (b[1] - a[1]) * (x - a[0]) > 0
    assert (hits == within).all()


def test_a_triangle_is_a_polygon_of_three_points() -> None:
    rng = np.random.default_rng(0)
    for corners in (*rng.uniform(-6, 22, (60, 3, 2)), *rng.integers(-6, 22, (60, 3, 2)) + 0.5):
        wanted = even_odd(corners, 16, 12)
        assert (polygon_spans(corners, 16, 12).mask(16, 12) == wanted).all()
        assert (triangle_spans(corners[None], 16, 12).mask(16, 12) == wanted).all()


@pytest.mark.parametrize("count", [4, 5, 9, 40])
def test_a_line_that_crosses_itself_is_filled_by_the_even_odd_rule(count: int) -> None:
    rng = np.random.default_rng(count)
    for points in (rng.normal(8, 8, (count, 2)), rng.integers(-2, 20, (count, 2)) / 2.0):
        spans = polygon_spans(points, 16, 20)
        assert (spans.mask(16, 20) == even_odd(points, 16, 20)).all()
        assert len(np.unique(spans.pixels(16))) == spans.length.sum()  # no pixel twice


def test_spans_know_their_shape_and_come_in_the_order_of_painting() -> None:
    spans = triangle_spans(
        np.array([[[0, 0], [4, 0], [0, 4]], [[9, 9], [9, 9], [9, 9]], [[0, 0], [4, 4], [0, 4]]]), 8, 8
    )
    assert set(spans.shape) == {0, 2}
    assert (np.diff(spans.shape) >= 0).all()
    assert spans.steps().tolist() == [step for length in spans.length for step in range(length)]


def test_rectangles_are_cut_from_low_to_high() -> None:
    low, high = np.array([[1, 2], [3, 3], [0, 0], [5, 1]]), np.array([[4, 4], [3, 9], [2, 0], [6, 2]])
    spans = rectangle_spans(low, high)
    assert spans.shape.tolist() == [0, 0, 3]
    wanted = np.zeros((5, 7), bool)
    wanted[2:4, 1:4] = wanted[1, 5] = True
    assert (spans.mask(7, 5) == wanted).all()


def test_nothing_to_fill_gives_no_spans() -> None:
    outside = np.array([[-9.0, -9], [-5, -9], [-9, -5]])
    for spans in (
        triangle_spans(np.zeros((0, 3, 2)), 8, 8),
        triangle_spans(outside[None], 8, 8),
        polygon_spans(outside, 8, 8),
        rectangle_spans(np.zeros((0, 2), int), np.zeros((0, 2), int)),
    ):
        assert len(spans.row) == 0
        assert not spans.mask(8, 8).any()
