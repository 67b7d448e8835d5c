import numpy as np
import pytest
from mouthpiece.features import SILENCE_RMS
from mouthpiece.motion import eyes, rest
from mouthpiece.motion.smooth import hold_near, lowpass, ramped
from mouthpiece.topology import ARKIT_INDEX, LEFT_LID_PAIRS, LIPS, RIGHT_LID_PAIRS, UPPER_FACE


def speech_track(frames=500, low=0.0, high=0.1):
    """10 ms root mean squares: sound from second 4 to 8 and from 12 to 16 of 20."""
    rms = np.full(frames * 4, low, np.float32)
    rms[400:800] = rms[1200:1600] = high
    return rms


def test_lowpass_keeps_slow_and_drops_fast_without_delay():
    times = np.arange(1000) / 25
    slow, fast = np.sin(2 * np.pi * 0.2 * times), np.sin(2 * np.pi * 8 * times)
    filtered = lowpass(slow + fast, 1.5, 25)
    assert np.abs(filtered - slow)[50:-50].max() < 0.02


@pytest.mark.parametrize("count", [1, 2, 5])
def test_lowpass_bears_tracks_of_a_few_frames(count):
    np.testing.assert_allclose(lowpass(np.ones(count), 1.0, 25), np.ones(count), atol=1e-9)


def test_a_mask_is_widened_and_softened_symmetrically():
    mask = np.zeros(101, bool)
    mask[50] = True
    wide = hold_near(mask, 0.2, 25)
    assert np.flatnonzero(wide).tolist() == list(range(45, 56))
    soft = ramped(wide, 0.2, 25)
    np.testing.assert_allclose(soft, soft[::-1], atol=1e-6)
    assert soft[50] == 1 and soft[0] == 0 and 0 < soft[44] < 0.5 < soft[46] < 1


def test_speech_is_where_the_sound_is():
    activity = rest.speech_activity(speech_track(low=0.001), 500)
    assert activity[110:190].min() > 0.9 and activity[310:390].min() > 0.9
    assert activity[:90].max() < 0.1 and activity[210:290].max() < 0.1


@pytest.mark.parametrize("level", [0.0, SILENCE_RMS / 2])
def test_silence_is_not_speech_and_holds_the_mouth(level):
    rms = np.full(2000, level, np.float32)
    assert rest.speech_activity(rms, 500).max() == 0
    assert rest.mouth_gate(rms, 500).max() == 0


def test_steady_noise_is_not_speech():
    noise = 0.05 * (1 + 0.1 * np.random.default_rng(0).standard_normal(2000)).astype(np.float32)
    assert rest.speech_activity(noise, 500).mean() < 0.3


def test_the_gate_opens_before_the_sound_and_never_within_it():
    gate = rest.mouth_gate(speech_track(), 500)
    assert (gate[100:200] == 1).all() and (gate[300:400] == 1).all()
    assert gate[94] > 0.9  # a quarter of a second early
    assert (gate[:80] == 0).all() and (gate[220:280] == 0).all()


def test_the_gate_ignores_pauses_with_any_sound_in_them():
    assert rest.mouth_gate(speech_track(low=0.001), 500).min() == 1  # 40 dB down: a breath, or a room


def test_a_gated_mouth_rests_and_the_rest_of_the_face_does_not(rng):
    offsets, arkit = rng.uniform(0.1, 1, (10, 68, 3)), rng.uniform(0.1, 1, (10, 52))
    before, shapes = offsets.copy(), arkit.copy()
    rest.rest_mouth(offsets, arkit, np.zeros(10, np.float32))
    assert not offsets[:, LIPS].any() and arkit[:, ARKIT_INDEX["jawOpen"]].max() == 0
    np.testing.assert_array_equal(offsets[:, UPPER_FACE], before[:, UPPER_FACE])
    brow = ARKIT_INDEX["browInnerUp"]
    np.testing.assert_array_equal(arkit[:, brow], shapes[:, brow])


def test_a_blink_brings_the_lids_together(rng):
    landmarks = rng.standard_normal((3, 68, 3)).astype(np.float32)
    before = landmarks.copy()
    eyes.close_lids(landmarks, np.array([[1, 0], [0, 1], [0, 0]], np.float32))
    for upper, lower in LEFT_LID_PAIRS:
        np.testing.assert_allclose(landmarks[0, upper], landmarks[0, lower], atol=1e-6)
    for upper, lower in RIGHT_LID_PAIRS:
        np.testing.assert_allclose(landmarks[1, upper], landmarks[1, lower], atol=1e-6)
        np.testing.assert_array_equal(landmarks[0, upper], before[0, upper])
    np.testing.assert_array_equal(landmarks[2], before[2])


def test_looking_right_in_the_picture_is_out_for_the_left_eye():
    arkit = np.zeros((1, 52), np.float32)
    eyes.write_eyes(arkit, np.zeros((1, 2), np.float32), np.array([[0.3, -0.2]], np.float32))
    on = {name for name, index in ARKIT_INDEX.items() if arkit[0, index] > 0}
    assert on == {"eyeLookOutLeft", "eyeLookInRight", "eyeLookUpLeft", "eyeLookUpRight"}
