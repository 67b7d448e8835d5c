"""Fewer keys: within the error at every frame, turning points and rests kept, and no more than needed."""

from __future__ import annotations

import numpy as np
import pytest
from mouthpiece.key_reduction import Keyed, cubic, reduced, refitted, straight


def speechlike(frames=1500, channels=6, seed=1):
    """Return smooth tracks that rest at 0 now and then, as weights do."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((frames, channels))
    kernel = np.exp(-(np.arange(-12, 13) ** 2) / 18)
    smooth = np.stack([np.convolve(noise[:, c], kernel / kernel.sum(), "same") for c in range(channels)], axis=1)
    return np.clip(3 * smooth, 0, 1)


@pytest.mark.parametrize("error", [0.002, 0.01, 0.05])
def test_no_frame_is_missed_by_more_than_the_error(error):
    table = speechlike()
    for column, keyed in enumerate(reduced(table, error)):
        missed = np.abs(cubic(keyed, table[:, column]) - table[:, column])
        assert missed.max() <= error
        assert keyed.frames[0] == 0 and keyed.frames[-1] == len(table) - 1 and (np.diff(keyed.frames) > 0).all()


def test_more_error_less_keys():
    table = speechlike()
    counts = [sum(len(keyed.frames) for keyed in reduced(table, error)) for error in (0.001, 0.005, 0.02, 0.05)]
    assert counts == sorted(counts, reverse=True)
    assert counts[-1] < 0.3 * table.size


def test_a_cubic_needs_two_keys_and_a_hold_its_ends():
    time = np.arange(40) / 39
    (bend,) = reduced((3 * time**2 - 2 * time**3)[:, None], 0.01)
    assert len(bend.frames) <= 4
    hold = np.concatenate([np.zeros(300), np.linspace(0, 1, 11), np.ones(200)])
    (keyed,) = reduced(hold[:, None], 0.02)
    assert {0, 300, 310, 510} <= set(keyed.frames.tolist()) and len(keyed.frames) <= 8
    assert keyed.slopes[list(keyed.frames).index(310)] == 0


def test_extremes_and_closures_have_level_keys():
    time = np.arange(200)
    wave = np.maximum(np.sin(time / 7), 0)
    (keyed,) = reduced(wave[:, None], 0.03)
    peaks = [f for f in range(1, 199) if wave[f - 1] < wave[f] >= wave[f + 1]]
    where = keyed.frames.tolist()
    assert set(peaks) <= set(where)
    assert all(keyed.slopes[where.index(peak)] == 0 for peak in peaks)
    shut = [f for f in range(1, 199) if wave[f] == 0 and (wave[f - 1] > 0 or wave[f + 1] > 0)]
    assert set(shut) <= set(where)


def test_a_lone_closure_of_one_frame_is_kept():
    track = np.full(60, 0.4)
    track[30] = 0.0
    (keyed,) = reduced(track[:, None], 0.05)
    assert 30 in keyed.frames and cubic(keyed, track)[30] == 0.0


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_few_frames_and_no_error(frames):
    table = np.arange(float(frames))[:, None]
    (keyed,) = reduced(table, 0.01)
    np.testing.assert_allclose(cubic(keyed, table[:, 0]), table[:, 0], atol=0.01)
    (every,) = reduced(np.random.default_rng(0).random((30, 1)), 0.0)
    assert len(every.frames) == 30


def test_a_curve_that_changed_is_refitted_within_the_error():
    table = speechlike(channels=3)
    for column, keyed in enumerate(reduced(table, 0.01)):
        changed = np.clip(1.3 * table[:, column] + 0.02 * np.sin(np.arange(len(table)) / 5), 0, 1)
        again = refitted(changed, keyed.frames, 0.01)
        assert np.abs(cubic(again, changed) - changed).max() <= 0.01
        assert set(keyed.frames) <= set(again.frames) and len(again.frames) < 0.6 * len(table)
        assert refitted(table[:, column], keyed.frames, 0.01).frames.tolist() == keyed.frames.tolist()
    assert len(refitted(np.random.default_rng(0).random(30), np.array([0]), 0.0).frames) == 30
    assert refitted(np.array([1.0, 2.0]), np.array([0, 1, 7]), 0.1).frames.tolist() == [0, 1]


def test_straight_lines_keep_corners():
    corner = np.array([0, 0, 0, 0, 1, 2, 3, 3, 3], float)
    assert straight(corner, 1e-6).tolist() == [0, 3, 6, 8]
    noisy = np.random.default_rng(3).random(80)
    chosen = straight(noisy, 0.1)
    assert np.abs(np.interp(np.arange(80), chosen, noisy[chosen]) - noisy).max() <= 0.1
    assert straight(np.array([1.0, 2.0]), 0.1).tolist() == [0, 1]


def test_the_cubic_is_hermites():
    keyed = Keyed(np.array([0, 4]), np.array([1.0, 0.0]))
    found = cubic(keyed, np.array([0.0, 9, 9, 9, 2.0]))
    # by hand: u = 1/2, h00 = h01 = 1/2, h10 = 1/8: 0.5 * 2 + 0.125 * 4 * 1
    assert found[2] == pytest.approx(1.5)


def test_channels_at_rest_have_keys_at_both_ends_and_change_nothing_for_others():
    table = speechlike(channels=4)
    flat = np.insert(table, [0, 2, 4], [0.0, 0.25, 1.0], axis=1)  # columns at rest before, between and behind
    found = reduced(flat, 0.01)
    for column in (0, 3, 6):
        assert found[column].frames.tolist() == [0, len(flat) - 1]
        assert found[column].slopes.tolist() == [0, 0]
    for one, other in zip([found[1], found[2], found[4], found[5]], reduced(table, 0.01), strict=True):
        assert np.array_equal(one.frames, other.frames) and np.array_equal(one.slopes, other.slopes)


@pytest.mark.parametrize("frames", [[], [0, 99], [0, 40, 99]])
def test_a_channel_at_rest_keeps_the_keys_it_has(frames):
    keyed = refitted(np.full(100, 0.3), np.array(frames, np.int64), 0.01)
    assert keyed.frames.tolist() == sorted({0, *frames, 99})
    assert not keyed.slopes.any() and len(keyed.slopes) == len(keyed.frames)
