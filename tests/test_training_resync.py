"""The second look at sync finds shifts that are known, to a fraction of a frame."""

import numpy as np
import pytest

pytest.importorskip("torch")

from training.pack import resync
from training.pack.clips import Clip

RATE, FPS = 16_000, 25


def babble(count, seed, late=0.0):
    """Return smooth openings (count, 2), ``late`` frames late."""
    rng = np.random.default_rng(seed)
    phases, rates = rng.uniform(0, 2 * np.pi, 12), rng.uniform(0.5, 5, 12)
    moments = (np.arange(count) - late) / FPS
    wave = np.sin(2 * np.pi * np.outer(moments, rates) + phases).sum(axis=1)
    return np.stack([wave, 0.8 * wave], axis=1)


def clip(samples, frames=50, name="a"):
    landmarks, nothing = np.zeros((frames, 68, 3)), np.zeros((frames, 52), np.float32)
    pose, valid = np.zeros((frames, 4, 4), np.float32), np.ones(frames, bool)
    return Clip(name, "s", "train", "en", samples, landmarks, nothing, pose, valid)


@pytest.mark.parametrize("late", [-1.4, -0.3, 0.0, 0.45, 2.2])
def test_a_late_sound_is_found_to_a_fraction_of_a_frame(late):
    held = np.ones(400, bool)
    found = resync.likeness(babble(400, 1), held, babble(400, 1, late))
    assert resync.lateness([found]) == pytest.approx(late, abs=0.06)


def test_short_clips_speak_together():
    held = np.ones(30, bool)
    found = [resync.likeness(babble(30, seed), held, babble(30, seed, 0.7)) for seed in range(12)]
    assert resync.lateness(found) == pytest.approx(0.7, abs=0.25)


def test_short_clips_of_one_video_are_drawn_together():
    held = np.ones(30, bool)
    found = resync.shared_lateness(
        [resync.likeness(babble(30, seed), held, babble(30, seed, 0.7)) for seed in range(12)]
    )
    assert np.ptp(found) < 0.1 and np.mean(found) == pytest.approx(0.7, abs=0.25)


def test_short_clips_cut_differently_speak_for_themselves():
    held, late = np.ones(30, bool), [1.6, -1.4] * 6
    found = resync.shared_lateness(
        [resync.likeness(babble(30, seed), held, babble(30, seed, own)) for seed, own in enumerate(late)]
    )
    assert np.corrcoef(found, late)[0, 1] > 0.95 and np.abs(np.subtract(found, late)).max() < 0.7
    assert np.abs(found).mean() < np.abs(late).mean()  # not all the way: each says only so much


def test_a_short_clip_that_says_nothing_clear_takes_what_the_others_say():
    held = np.ones(30, bool)
    found = [resync.likeness(babble(30, seed), held, babble(30, seed, 0.7)) for seed in range(12)]
    unlike = resync.likeness(babble(30, 1), held, babble(30, 77))
    together = resync.lateness([*found, unlike])
    assert resync.shared_lateness([*found, unlike])[-1] == pytest.approx(together)
    assert resync.shared_lateness([unlike]) == [0.0] and resync.shared_lateness([]) == []


def test_what_is_not_clear_or_not_believable_changes_nothing():
    held = np.ones(400, bool)
    unlike = resync.likeness(babble(400, 1), held, babble(400, 2))
    far = resync.likeness(babble(400, 1), held, babble(400, 1, 4.0))
    assert resync.lateness([unlike]) == 0.0 and resync.lateness([far]) == 0.0 and resync.lateness([]) == 0.0


def test_lost_frames_do_not_count():
    real, heard, held = babble(400, 1), babble(400, 1, 0.5), np.ones(400, bool)
    real[100:180], held[100:180] = 50.0, False
    assert resync.lateness([resync.likeness(real, held, heard)]) == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize(("late", "expected"), [(0.5, 1000 - 320), (-0.5, 1000 + 320), (0.0, 1000)])
def test_a_sound_put_in_time_keeps_its_length(late, expected):
    samples = np.zeros(50 * 640, np.float32)
    samples[1000] = 1.0
    moved = resync.in_time(clip(samples), late)
    assert len(moved.samples) == len(samples) and int(moved.samples.argmax()) == expected


def test_the_table_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "late.tsv"
    path.write_text("clip\tsound_late_frames\na\t0.500\n", encoding="utf-8")
    late = resync.read(path)
    samples = np.zeros(50 * 640, np.float32)
    samples[1000] = 1.0
    first, second = resync.synced([clip(samples), clip(samples, name="b")], late)
    assert int(first.samples.argmax()) == 680 and int(second.samples.argmax()) == 1000
    path.write_text("something\telse\na\tx\n", encoding="utf-8")
    with pytest.raises(ValueError, match="resync"):
        resync.read(path)
