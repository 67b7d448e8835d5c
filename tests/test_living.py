import json

import numpy as np
import pytest
from mouthpiece.errors import ModelError
from mouthpiece.motion import eyes, living, prosody
from mouthpiece.motion.shapes import landmark_shapes
from mouthpiece.topology import ARKIT_INDEX, LIPS

#: Ten minutes at 25 Hz of two seconds of speech and half a second of pause, an accent in the middle of each phrase.
STATES = np.tile(
    np.r_[np.full(20, prosody.SPEECH), np.full(8, prosody.ACCENT), np.full(22, prosody.SPEECH), np.full(12, 0)], 242
).astype(np.int8)


def phrases():
    """Speech from second 1 to 3 and 4 to 6 of 8, the first with a loud syllable at 2; loudness in decibels."""
    activity = np.zeros(200, np.float32)
    activity[25:75] = activity[100:150] = 1
    activity[60:63] = 0  # a stop consonant is no pause
    decibels = np.where(activity > 0, -25.0, -70.0).astype(np.float32)
    decibels[60:63] = -25
    decibels[48:53] += [5, 10, 12, 10, 5]
    return activity, decibels


def test_pauses_ends_and_accents_are_told_apart():
    states = prosody.rhythm(*phrases(), 25)
    assert (states[:15] == prosody.PAUSE).all() and (states[170:] == prosody.PAUSE).all()
    assert (states[70:80] == prosody.END).all() and states[30] == prosody.SPEECH and states[61] == prosody.SPEECH
    assert (states[48:53] == prosody.ACCENT).all() and not (states[100:140] == prosody.ACCENT)[10:].any()


def test_silence_is_one_pause():
    assert not prosody.rhythm(np.zeros(50, np.float32), np.full(50, -120, np.float32), 25).any()


def draw(name, states, seed, fps=25.0):
    frames, rng = int(len(states) / 25 * fps), np.random.default_rng(seed)
    if name == "gaze":
        return living.gaze(states, np.zeros((frames, 6), np.float32), fps, rng)
    return getattr(living, name)(states, frames, fps, rng)


@pytest.mark.parametrize("name", ["blinks", "gaze", "brows"])
@pytest.mark.parametrize("count", [1, 3, 1500])
def test_the_same_seed_gives_the_same_life_and_another_seed_another(name, count):
    one, two, three = (draw(name, STATES[:count], seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, two)
    assert one.shape == (count, 2) and np.isfinite(one).all()
    if count == 1500:
        assert np.abs(one - three).max() > 1e-3


@pytest.mark.parametrize("fps", [12.0, 25.0, 60.0])
def test_blinks_come_as_often_as_measured_at_any_rate(fps):
    lid = draw("blinks", STATES, 0, fps)[:, 0]
    on = lid > 0.3
    per_minute = (on[1:] & ~on[:-1]).sum() / (len(STATES) / 1500)
    rate = living.statistics()["blink"]["rate"]
    expected = sum(rate[name] * (STATES == number).mean() for number, name in enumerate(prosody.STATES))
    assert per_minute == pytest.approx(expected, rel=0.2)
    assert 0.95 < lid.max() <= 1 and (lid > 0.5).mean() < 0.15


def test_events_keep_to_the_measured_pace_of_each_state():
    when = living.moments("brow", np.tile(STATES, 4), np.random.default_rng(0))
    state = np.tile(STATES, 4)[(when * 25).astype(int)]
    rate = living.statistics()["brow"]["rate"]
    for number, name in ((prosody.PAUSE, "pause"), (prosody.SPEECH, "speech"), (prosody.ACCENT, "accent")):
        minutes = 4 * (STATES == number).sum() / 1500
        assert (state == number).sum() / minutes == pytest.approx(rate[name], rel=0.25)


def test_intervals_are_those_measured_when_nothing_changes_their_pace():
    rate = living.statistics()["blink"]["rate"]
    when = living.moments("blink", np.full(150_000, prosody.ACCENT, np.int8), np.random.default_rng(0))
    table = np.array(living.statistics()["blink"]["interval"]) * rate["all"] / rate["accent"]
    assert np.median(np.diff(when)) == pytest.approx(table[12], rel=0.05)
    assert np.quantile(np.diff(when), 0.9) == pytest.approx(np.interp(0.9, np.linspace(0, 1, 25), table), rel=0.1)


def test_eyes_jump_and_then_hold_still():
    look = draw("gaze", STATES, 0)
    turn = np.linalg.norm(np.diff(look, axis=0), axis=1)
    assert (turn < 1e-6).mean() > 0.85
    assert np.abs(np.median(look, axis=0)).max() < 0.03 and np.abs(look).max() < 0.7
    step = living.statistics()["gaze"]["least"]
    assert (turn > step / 2).sum() > 100


def test_eyes_make_up_for_whatever_the_head_does():
    head = np.zeros((500, 6), np.float32)
    head[:, 1], head[:, 0] = 0.2 * np.sin(np.arange(500) / 20), 0.1 * np.cos(np.arange(500) / 30)
    rng = [np.random.default_rng(4) for _ in range(2)]
    turned = living.gaze(STATES[:500], head, 25.0, rng[0])
    still = living.gaze(STATES[:500], np.zeros_like(head), 25.0, rng[1])
    np.testing.assert_allclose(turned - still, eyes.steadying(head), atol=1e-6)
    assert np.corrcoef(turned[:, 0] - still[:, 0], head[:, 1])[0, 1] > 0.99
    assert np.corrcoef(turned[:, 1] - still[:, 1], head[:, 0])[0, 1] < -0.99


def test_raised_brows_are_raised_in_weights_and_points_alike():
    landmarks, arkit = np.zeros((2, 68, 3), np.float32), np.zeros((2, 52), np.float32)
    arkit[1, ARKIT_INDEX["browInnerUp"]] = 0.9
    before = arkit.copy()
    living.raise_brows(landmarks, arkit, np.array([[0.5, 0.2], [0.5, 0.2]], np.float32))
    assert arkit[0, ARKIT_INDEX["browInnerUp"]] == 0.5 and arkit[1].max() == 1.0
    np.testing.assert_allclose(landmarks, np.tensordot(arkit - before, landmark_shapes(), axes=1), atol=1e-6)
    assert landmarks[0, 21, 1] < -0.01 and not landmarks[:, LIPS].any()


def test_a_hundred_minutes_are_drawn_without_growing_beyond_the_tracks():
    import tracemalloc

    states = np.tile(STATES, 10)
    tracemalloc.start()
    tracks = [draw(name, states, 0) for name in ("blinks", "gaze", "brows")]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(tracks[0]) == 150_040 and peak < 60e6


def test_damaged_statistics_are_named(monkeypatch, tmp_path):
    path = tmp_path / "living.json"
    monkeypatch.setattr(living, "_FILE", path)
    living.statistics.cache_clear()
    for text in ("words", json.dumps({"blink": {}}), "[]"):
        path.write_text(text)
        with pytest.raises(ModelError, match=r"living\.json"):
            living.statistics()
    living.statistics.cache_clear()
