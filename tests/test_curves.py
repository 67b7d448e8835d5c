import numpy as np
import pytest
from mouthpiece.curves import Curves, FrameGrid, sample
from mouthpiece.errors import RigError


@pytest.mark.parametrize(
    ("fps", "origin", "seconds", "first", "last"),
    [
        (25, 1, 2.0, 1, 50),
        (24, 1, 2.0, 1, 48),
        (60, 101, 0.5, 101, 130),
        (30000 / 1001, 1, 1.001, 1, 30),
        (25, 10.5, 1.0, 11, 35),  # the sound ends at 35.5: frame 35 is the last that hears it
        (24, -12, 1.0, -12, 11),
    ],
)
def test_the_grid_covers_every_whole_frame_that_hears_the_sound(fps, origin, seconds, first, last):
    grid = FrameGrid.covering(seconds, fps, origin)
    assert (grid.first, grid.last) == (first, last)
    assert grid.times[0] >= -1e-9 and grid.times[-1] < seconds


def test_times_follow_offset_and_speed():
    grid = FrameGrid(fps=30.0, origin=100, first=100, last=103, offset=2.0, speed=0.5)
    np.testing.assert_allclose(grid.times, [2.0, 2 + 0.5 / 30, 2 + 1 / 30, 2 + 1.5 / 30])


def test_a_faster_strip_covers_fewer_frames():
    assert FrameGrid.covering(4.0, 25, 1, speed=2.0).last == 50


@pytest.mark.parametrize("bad", [{"fps": 0.0}, {"speed": -1.0}, {"fps": float("nan")}, {"last": 0}])
def test_impossible_grids_are_refused(bad):
    with pytest.raises(RigError):
        FrameGrid(**({"fps": 25.0, "origin": 1.0, "first": 1, "last": 10} | bad))


def test_sampling_is_exact_at_the_samples(rng):
    track = rng.standard_normal((40, 3))
    np.testing.assert_allclose(sample(track, 25, np.arange(40) / 25), track, atol=1e-12)


def test_sampling_a_straight_line_gives_the_line():
    track = 2.0 * np.arange(20) / 25
    times = np.linspace(1 / 25, 18 / 25, 333)
    np.testing.assert_allclose(sample(track, 25, times), 2 * times, atol=1e-12)


def test_sampling_a_slow_sine_at_another_rate_is_close():
    track = np.sin(2 * np.pi * 1.5 * np.arange(100) / 25)
    times = np.arange(220) / 60
    error = np.abs(sample(track, 25, times) - np.sin(2 * np.pi * 1.5 * times))
    assert error.max() < 0.02  # at the crests, where interpolation may not overshoot
    assert error.mean() < 0.003


def test_sampling_never_leaves_the_neighbours_range(rng):
    track = (rng.uniform(size=200) > 0.5).astype(float)
    values = sample(track, 25, np.linspace(0, 8, 5000))
    assert values.min() >= 0 and values.max() <= 1


def test_beyond_the_ends_the_last_value_holds():
    np.testing.assert_array_equal(sample(np.array([1.0, 2.0]), 25, np.array([-1.0, 5.0])), [1, 2])


def test_one_frame_can_be_sampled():
    np.testing.assert_array_equal(sample(np.array([[3.0]]), 25, np.array([0.0, 1.0])), [[3], [3]])


def test_channels_are_found_by_name():
    curves = Curves(("a", "b"), np.arange(3), np.array([[0, 1], [2, 3], [4, 5]], np.float32))
    np.testing.assert_array_equal(curves["b"], [1, 3, 5])
    assert curves.select(["b"]).values.shape == (3, 1)


def test_curves_that_do_not_fit_are_a_bug():
    with pytest.raises(ValueError, match="values"):
        Curves(("a",), np.arange(3), np.zeros((3, 2), np.float32))
    with pytest.raises(ValueError, match="twice"):
        Curves(("a", "a"), np.arange(3), np.zeros((3, 2), np.float32))
