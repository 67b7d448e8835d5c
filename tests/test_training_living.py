from dataclasses import replace

import numpy as np
import pytest
from mouthpiece.motion import prosody

pytest.importorskip("cv2")

from training.tables import idle_motion as statistics
from training.tables.idle_motion import LivingTracks

FRAMES = 3000


def face(rng, blinks=(), jumps=(), brows=(), follow=0.0, speaker="a"):
    """Two minutes of a face that does what is said: blinks of four frames, jumps of 0.2 rad, brow raises of 0.4."""
    lid, brow = 0.1 + 0.005 * rng.standard_normal(FRAMES), np.full(FRAMES, 0.05)
    for frame in blinks:
        lid[frame - 2 : frame + 5] = 0.1 + 0.6 * np.array([0, 0.5, 1, 0.75, 0.5, 0.25, 0])
    for frame in brows:
        brow[frame - 8 : frame + 9] += 0.4 * np.hanning(17)
    look = np.zeros((FRAMES, 2))
    for number, frame in enumerate(jumps):
        look[frame:, 0] = 0.2 * (1 - number % 2)
    head = np.stack([0.1 * np.sin(np.arange(FRAMES) / 10), np.zeros(FRAMES)], axis=1)
    look[:, 0] += follow * head[:, 0]
    states = np.where(np.arange(FRAMES) % 100 < 50, prosody.SPEECH, prosody.PAUSE).astype(np.int8)
    return LivingTracks(speaker, lid, brow, brow / 2, look, head, states)


def test_blinks_are_counted_timed_and_measured(rng):
    blinks = range(20, FRAMES - 20, 100)  # one every four seconds, all in speech
    measured = statistics.measure_blinks([face(rng, blinks)])
    assert measured["rate"]["all"] == pytest.approx(15, rel=0.02)
    assert measured["rate"]["speech"] == pytest.approx(30, rel=0.02) and measured["rate"]["pause"] == 0
    np.testing.assert_allclose(measured["interval"][1:], 4.0, rtol=0.03)
    assert measured["rise"][12] == pytest.approx(0.04, abs=0.005)  # half height one frame before the peak
    assert measured["fall"][12] == pytest.approx(0.08, abs=0.01)
    assert measured["height"][12] == pytest.approx(1.0, abs=0.03)


def test_eyes_kept_shut_are_no_blinks(rng):
    shut = face(rng, blinks=(1000, 2000))
    shut.lid[500:530] = 0.7
    assert statistics.measure_blinks([shut])["rate"]["all"] == pytest.approx(1.0)


def test_intervals_allow_for_what_the_clips_end_cuts_off(rng):
    """Exponential gaps of mean 4 s seen through clips of 5 s: complete gaps alone would have a mean of 1.5 s."""
    moments = np.cumsum(rng.exponential(100, 20_000)).astype(int)
    clips = [(moments[(moments >= a) & (moments < a + 125)] - a).tolist() for a in range(0, 1_500_000, 125)]
    table = statistics.intervals(clips, [125] * len(clips), [1.0] * len(clips))
    assert np.mean(table) == pytest.approx(4.0, rel=0.03)
    assert table[12] / table[6] == pytest.approx(np.log(0.5) / np.log(0.74), rel=0.35)


def test_jumps_of_the_eyes_are_found_and_small_noise_is_not(rng):
    jumps = range(50, FRAMES, 50)
    still = face(rng, jumps=jumps)
    noisy = replace(still, gaze=still.gaze + 0.004 * rng.standard_normal((FRAMES, 2)))
    measured = statistics.measure_gaze([noisy])
    assert measured["rate"]["all"] == pytest.approx(30, rel=0.03)
    assert measured["size"][12] == pytest.approx(0.2, rel=0.05)


def test_the_share_of_the_heads_turn_the_eyes_undo_is_found(rng):
    assert statistics.measure_gaze([face(rng, follow=0.5, jumps=(900,))])["steadying"] == pytest.approx(0.5, abs=0.02)


def test_brow_raises_are_counted_and_measured(rng):
    measured = statistics.measure_brows([face(rng, brows=range(70, FRAMES - 20, 200))])
    assert measured["rate"]["all"] == pytest.approx(7.5, rel=0.05)
    assert measured["height"][12] == pytest.approx(0.4, rel=0.1) and measured["outer"] == pytest.approx(0.5)


def test_speakers_with_much_material_weigh_no_more_than_others():
    values, weights = [1.0] * 90 + [2.0] * 10, [1 / 90] * 90 + [1 / 10] * 10
    assert statistics.quantiles(values, weights, np.array([0.25, 0.75])) == [1.0, 2.0]


def test_what_the_core_draws_measures_like_what_it_draws_from(rng):
    faces = [face(rng, speaker=str(n)) for n in range(20)]
    drawn = statistics.measure(statistics.drawn_for(faces))
    shipped = statistics.living.statistics()
    for name, tolerance in (("blink", 0.12), ("gaze", 0.25), ("brow", 0.2)):
        for state in ("speech", "pause"):
            assert drawn[name]["rate"][state] == pytest.approx(shipped[name]["rate"][state], rel=tolerance)
    assert drawn["blink"]["interval"][12] == pytest.approx(shipped["blink"]["interval"][12], rel=0.35)  # half pauses
    assert drawn["gaze"]["size"][12] == pytest.approx(shipped["gaze"]["size"][12], rel=0.3)
