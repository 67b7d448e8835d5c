from dataclasses import replace

import numpy as np
import pytest
from mouthpiece.errors import ModelError
from mouthpiece.motion.chart import visemes
from mouthpiece.motion.chart.visemes import VISEMES, on_simplex, speaking, viseme_weights
from mouthpiece.motion.closures import LOWER
from mouthpiece.motion.measures import MEASURES, mouth_measures
from mouthpiece.topology import ARKIT_INDEX

from tests.material import make_take


def parted(take, gap):
    """The take with its neutral face's lips parted by `gap` (T,) eye distances, everything else at rest."""
    landmarks = np.repeat(take.neutral[None], len(gap), axis=0)
    landmarks[:, LOWER, 1] += np.asarray(gap, np.float32)[:, None]
    return replace(take, landmarks=landmarks, arkit=np.zeros((len(gap), 52)))


@pytest.fixture
def face(spoken):
    """A second and a half of the demo line's face."""
    cut = slice(0, 40)
    arrays = {name: getattr(spoken, name)[cut] for name in ("landmarks", "arkit", "head", "gaze", "blink", "activity")}
    return make_take(40, neutral=spoken.neutral, **arrays)


def test_there_are_oculus_fifteen_in_order():
    assert VISEMES == ("sil", "PP", "FF", "TH", "DD", "kk", "CH", "SS", "nn", "RR", "aa", "E", "ih", "oh", "ou")


def test_weights_are_shares(spoken):
    weights = viseme_weights(spoken.final())
    assert weights.dtype == np.float32 and weights.shape == (len(spoken), 15)
    assert weights.min() >= 0
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-5)
    assert (weights > 0.05).sum(axis=1).mean() < 4  # a few visemes at a time
    assert len(set(weights.argmax(axis=1).tolist())) >= 6  # and many in a line


def test_a_take_without_frames_has_no_weights():
    assert viseme_weights(make_take(0)).shape == (0, 15)


def test_lips_that_meet_between_vowels_are_pp(face):
    gap = np.full(40, 0.2)
    gap[20:23] = 0
    weights = viseme_weights(replace(parted(face, gap), activity=np.ones(40)))
    met = weights[20:23, 1] + weights[20:23, 2]
    np.testing.assert_allclose(met, 1, atol=1e-5)
    assert (weights[20:23].argmax(axis=1) == 1).all()
    assert weights[np.r_[:18, 26:40], 1].max() < 0.01


def test_the_same_closure_in_silence_is_rest(face):
    shut = parted(face, np.zeros(40))
    np.testing.assert_allclose(viseme_weights(replace(shut, activity=np.zeros(40)))[:, 0], 1, atol=1e-5)


def test_a_closure_too_long_for_a_sound_is_rest(face):
    gap = np.full(40, 0.2)
    gap[10:30] = 0
    weights = viseme_weights(replace(parted(face, gap), activity=np.ones(40)))
    np.testing.assert_allclose(weights[10:30, 0], 1, atol=1e-5)


def test_every_recorded_mouth_is_read_as_its_own_kind():
    found = visemes.reading()
    wrong = []
    for index, name in enumerate(VISEMES[3:], 3):
        measures = np.repeat(found.prototypes[index][None], 30, axis=0)
        weights = visemes._mixture(measures, np.zeros((30, 15), np.float32), 25.0)
        np.testing.assert_allclose(weights @ found.prototypes, measures, atol=0.06)
        wrong += [name] if weights[15].argmax() != index else []
    assert not wrong


def test_mouths_are_as_one_expects():
    found = dict(zip(VISEMES, visemes.reading().prototypes, strict=True))
    gap, width, pucker = (MEASURES.index(name) for name in ("gap", "width", "mouthPucker"))
    assert not found["sil"].any()
    assert max(found, key=lambda name: found[name][gap]) == "aa"
    assert min(list(found)[1:], key=lambda name: found[name][gap]) == "PP"
    assert min(found, key=lambda name: found[name][width]) == "ou"
    assert found["ou"][pucker] > 5 * found["ih"][pucker]


def test_half_a_mouth_is_half_a_viseme():
    found = visemes.reading()
    half = np.repeat(found.prototypes[10][None] / 2, 30, axis=0)
    weights = visemes._mixture(half, np.zeros((30, 15), np.float32), 25.0)
    gap = MEASURES.index("gap")
    assert (weights[15] @ found.prototypes)[gap] == pytest.approx(half[15, gap], abs=0.02)


def test_twice_the_frame_rate_gives_the_same_reading(face):
    slow = viseme_weights(face)
    twice = np.arange(79) / 2
    low = np.floor(twice).astype(int)
    share = (twice - low)[:, None]
    arrays = {}
    for name in ("landmarks", "arkit", "head", "gaze", "blink", "activity"):
        track = getattr(face, name)
        part = share.reshape(-1, *[1] * (track.ndim - 1))
        arrays[name] = track[low] * (1 - part) + track[np.minimum(low + 1, 39)] * part
    fast = viseme_weights(make_take(79, fps=50.0, neutral=face.neutral, **arrays))
    assert np.abs(fast[::2] - slow).mean() < 0.02


def test_measures_of_a_known_mouth():
    neutral = np.zeros((68, 3), np.float32)
    neutral[36, 0], neutral[45, 0] = -0.5, 0.5
    neutral[48, 0], neutral[54, 0] = -0.285, 0.285  # the average mouth: nothing is scaled
    offsets = np.zeros((2, 68, 3), np.float32)
    offsets[1, 54, 0], offsets[1, 48, 0] = 0.05, -0.05
    offsets[1, [65, 66, 67], 1] = 0.2
    offsets[1, 8, 1] = 0.1
    arkit = np.zeros((2, 52), np.float32)
    arkit[1, ARKIT_INDEX["mouthSmileLeft"]] = 1.0
    still, moved = mouth_measures(offsets, neutral, arkit)
    assert not still.any()
    named = dict(zip(MEASURES, moved, strict=True))
    expected = {"gap": 0.2, "width": 0.1, "chin down": 0.1, "mouthSmile": 0.5, "lower lip thickness": -0.2}
    assert {name: value for name, value in named.items() if abs(value) > 1e-6} == pytest.approx(expected)
    neutral[48, 0], neutral[54, 0] = -0.57, 0.57  # twice as wide: the same movement is half of it
    assert mouth_measures(offsets, neutral, arkit)[1, 0] == pytest.approx(0.1)


def test_stops_belong_to_speech_and_pauses_do_not():
    activity = np.ones(60)
    activity[10:15] = 0  # 0.2 s: the hold of a stop
    activity[30:50] = 0  # 0.8 s: a pause
    heard = speaking(activity, 25.0)
    assert heard[10:15].all()
    np.testing.assert_array_equal(np.flatnonzero(~heard), np.arange(32, 46))


def test_the_nearest_shares():
    rows = np.array([[0.5, 0.5, 0.0], [2.0, 0.0, 0.0], [0.6, 0.6, -1.0], [0.0, 0.0, 0.0]], np.float32)
    expected = [[0.5, 0.5, 0], [1, 0, 0], [0.5, 0.5, 0], [1 / 3, 1 / 3, 1 / 3]]
    np.testing.assert_allclose(on_simplex(rows), expected, atol=1e-6)


def test_a_damaged_file_is_said_so(monkeypatch, tmp_path):
    path = tmp_path / "visemes.npz"
    np.savez(path, prototypes=np.zeros((3, 3)))
    monkeypatch.setattr(visemes, "_FILE", path)
    visemes.reading.cache_clear()
    try:
        with pytest.raises(ModelError, match="Install Mouthpiece again"):
            visemes.reading()
    finally:
        visemes.reading.cache_clear()


def test_long_takes_are_done_in_blocks_with_the_same_result(spoken, monkeypatch):
    whole = visemes.viseme_weights(spoken.final())
    monkeypatch.setattr(visemes, "_BLOCK", 41)
    np.testing.assert_allclose(visemes.viseme_weights(spoken.final()), whole, atol=1e-5)
