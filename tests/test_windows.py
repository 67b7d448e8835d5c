import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
from mouthpiece.features import FEATURE_SIZE, FRAME_SAMPLES, PHONETIC_PARTS
from mouthpiece.models import content, phonetic
from mouthpiece.models.windows import Window, aggregate, gather, split
from mouthpiece.phones.inventory import PHONE_INDEX, PHONES


@pytest.mark.parametrize("count", [1, 99, 100, 101, 160, 161, 1000, 12_345])
def test_windows_cover_everything_with_the_promised_overlap(count):
    windows = split(count, 100, 40)
    assert windows[0].start == 0 and windows[-1].stop == count
    for before, after in pairwise(windows):
        assert before.stop - after.start >= 40 and after.start > before.start
        assert len(after) == len(before) <= 100
    # one window fewer would not do
    assert len(windows) == 1 or 100 + (len(windows) - 2) * 60 < count


@pytest.mark.parametrize("block", [1, 7, 50, 5000])
def test_gathered_spans_are_slices_padded_with_zeros(rng, block):
    stream = rng.standard_normal((500, 2)).astype(np.float32)
    spans = [Window(-10, 60), Window(40, 110), Window(90, 300), Window(450, 520)]
    padded = np.pad(stream, ((10, 20), (0, 0)))
    blocks = (stream[i : i + block] for i in range(0, 500, block))
    for span, piece in zip(spans, gather(blocks, spans), strict=True):
        np.testing.assert_array_equal(piece, padded[span.start + 10 : span.stop + 10])


@pytest.mark.parametrize("count", [50, 100, 130, 161, 777])
def test_joined_windows_of_a_local_function_are_the_function_of_the_whole(rng, count):
    track = rng.standard_normal((count, 3)).astype(np.float32)
    windows = split(count, 100, 40)
    joined = np.concatenate(list(aggregate((track[w.start : w.stop] for w in windows), windows, 10, 20)))
    np.testing.assert_allclose(joined, track, atol=1e-6)


def test_windows_that_disagree_fade_into_each_other():
    windows = split(160, 100, 40)
    assert windows == (Window(0, 100), Window(60, 160))
    joined = np.concatenate(list(aggregate((np.full(100, k, np.float32) for k in range(2)), windows, 10, 20)))
    assert (joined[:70] == 0).all() and (joined[90:] == 1).all()
    assert (np.diff(joined[69:91]) > 0).all()


class FakeListener:
    """Stands in for the phonetic network: its features are the loudness of each 20 ms."""

    def __call__(self, inputs):
        wave = inputs["waveform"][0]
        rows = np.abs(wave[: len(wave) // 320 * 320]).reshape(-1, 320).mean(axis=1)
        return {str(k): np.repeat(rows[None, :, None], size, axis=2) for k, size in enumerate(PHONETIC_PARTS)}


class LeakyNetwork:
    """Stands in for the content network: a leaky integrator run both ways, remembering for half a second."""

    def __call__(self, inputs):
        drive = inputs["features"][0, :, 0]
        ahead, behind = np.zeros_like(drive), np.zeros_like(drive)
        for i in range(1, len(drive)):
            ahead[i] = 0.92 * ahead[i - 1] + drive[i]
            behind[-1 - i] = 0.92 * behind[-i] + drive[-1 - i]
        both = (ahead + behind)[None, :, None]
        return {"landmarks": np.repeat(both, 204, axis=2), "arkit": np.repeat(both, 52, axis=2)}


def test_features_do_not_depend_on_how_the_sound_is_cut(rng):
    listener = phonetic.PhoneticListener(FakeListener())
    samples = (0.1 * rng.standard_normal(70 * 16_000)).astype(np.float32)
    frames = len(samples) // FRAME_SAMPLES

    def listen(block):
        blocks = (samples[i : i + block] for i in range(0, len(samples), block))
        return np.concatenate(list(listener.features(blocks, frames, gain=0.5)))

    whole = listen(len(samples))
    assert whole.shape == (frames, FEATURE_SIZE)
    np.testing.assert_array_equal(listen(12_345), whole)
    once, likely = listener.window_features(np.pad(0.5 * samples, 256), frames)
    assert likely.shape == (frames, 0)  # this listener reads no phones
    np.testing.assert_allclose(whole, once, atol=1e-4)


class Reader(FakeListener):
    """Stands in for a listener that reads phones as well: silence where the sound is quiet, else "a"."""

    def __call__(self, inputs):
        outputs = super().__call__(inputs)
        loud = np.clip(next(iter(outputs.values()))[0, :, 0] * 10, 1e-3, 1 - 1e-3)
        phones = np.full((1, len(loud), len(PHONES)), -20, np.float32)
        phones[0, :, PHONE_INDEX["a"]], phones[0, :, 0] = np.log(loud), np.log(1 - loud)
        return outputs | {"phones": phones, "word_start": np.log(loud)[None, :, None]}


def test_phones_are_read_on_the_same_grid_as_features(rng):
    listener = phonetic.PhoneticListener(Reader())
    loudness = np.repeat(rng.uniform(0, 0.09, 70 * 25), FRAME_SAMPLES)
    samples = (loudness * rng.choice([-1, 1], len(loudness))).astype(np.float32)
    frames = len(samples) // FRAME_SAMPLES
    parts = list(listener.hear([samples], frames))
    posteriors = np.concatenate([part.posteriors for part in parts])
    starts = np.concatenate([part.word_starts for part in parts])
    assert posteriors.shape == (2 * frames, len(PHONES)) and starts.shape == (2 * frames,)
    np.testing.assert_allclose(posteriors.sum(axis=1), 1, atol=1e-3)
    expected = np.clip(10 * np.repeat(loudness[::FRAME_SAMPLES], 2), 1e-3, 1 - 1e-3)
    np.testing.assert_allclose(posteriors[:, PHONE_INDEX["a"]], expected, atol=1e-3)
    np.testing.assert_allclose(starts, expected, atol=1e-3)
    features = np.concatenate(list(listener.features([samples], frames)))
    np.testing.assert_array_equal(features, np.concatenate([part.features for part in parts]))


def test_a_chunked_network_equals_the_network_in_one_go(rng):
    network = content.ContentNetwork(LeakyNetwork())
    features = rng.uniform(size=(4000, FEATURE_SIZE)).astype(np.float32)
    pieces = list(network.stream((features[i : i + 33] for i in range(0, 4000, 33)), 4000))
    whole = network.predict(features)
    np.testing.assert_allclose(np.concatenate([p.offsets for p in pieces]), whole.offsets, atol=1e-3)
    np.testing.assert_allclose(np.concatenate([p.arkit for p in pieces]), whole.arkit, atol=1e-3)


def test_a_short_sound_is_heard_three_times_and_the_middle_one_used(rng):
    heard = []

    class Recorder(FakeListener):
        def __call__(self, inputs):
            heard.append(inputs["waveform"][0])
            return super().__call__(inputs)

    samples = rng.uniform(0.1, 1, 12_345).astype(np.float32)
    rows, _ = phonetic.PhoneticListener(Recorder()).hidden(samples)
    period = 39 * 320 + phonetic.PAUSE_SAMPLES
    for start in (0, period, 2 * period):
        np.testing.assert_array_equal(heard[0][start : start + 12_345], samples)
    assert not heard[0][12_345:period].any()
    np.testing.assert_allclose(rows[:38, 0], np.abs(samples[: 38 * 320]).reshape(-1, 320).mean(axis=1), rtol=1e-5)


def test_a_sound_of_some_length_is_heard_once(rng):
    samples = rng.uniform(size=phonetic.SHORT_SAMPLES).astype(np.float32)
    rows, _ = phonetic.PhoneticListener(FakeListener()).hidden(samples)
    assert len(rows) == phonetic.SHORT_SAMPLES // 320


class QuickNetwork:
    """Stands in for the content network at no cost in time or memory worth naming."""

    def __call__(self, inputs):
        frames = inputs["features"].shape[1]
        return {"landmarks": np.zeros((1, frames, 204), np.float32), "arkit": np.zeros((1, frames, 52), np.float32)}


def test_streams_hold_windows_however_long_the_sound(rng):
    network, listener = content.ContentNetwork(QuickNetwork()), phonetic.PhoneticListener(FakeListener())

    def peak(seconds):
        blocks = (rng.uniform(size=16_000).astype(np.float32) for _ in range(seconds))
        tracemalloc.start()
        frames = sum(
            len(piece.offsets) for piece in network.stream(listener.features(blocks, seconds * 25), seconds * 25)
        )
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert frames == seconds * 25
        return size

    assert peak(600) < 1.05 * peak(200)
