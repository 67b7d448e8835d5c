import numpy as np
import pytest
from mouthpiece.features import MEL_BANDS, SILENCE_RMS
from mouthpiece.motion import closures, eyes, rest
from mouthpiece.motion.smooth import hold_near, lowpass, ramped, running_least, running_mean
from mouthpiece.topology import ARKIT_INDEX, LEFT_LID_PAIRS, LIPS, RIGHT_LID_PAIRS, UPPER_FACE


def speech_track(frames=500, low=0.0, high=0.1):
    """10 ms root mean squares: sound from second 4 to 8 and from 12 to 16 of 20."""
    rms = np.full(frames * 4, low, np.float32)
    rms[400:800] = rms[1200:1600] = high
    return rms


def gate_of(rms, bands=None):
    """The gate on the lips' opening for 10 ms root mean squares; every band has the same level if none are given."""
    return gates_of(rms, bands).opening


def gates_of(rms, bands=None):
    rms = np.asarray(rms, np.float32)
    if bands is None:
        bands = np.repeat(rest.frame_decibels(rms, len(rms) // 4)[:, None], MEL_BANDS, axis=1)
    return rest.mouth_gate(rms, bands.astype(np.float32))


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


def test_running_means_and_least_values_are_those_around_a_frame(rng):
    track = rng.standard_normal((20, 3)).astype(np.float32)
    np.testing.assert_allclose(running_mean(track, 0.12, 25)[10], track[9:12].mean(axis=0), atol=1e-6)
    np.testing.assert_array_equal(running_least(track, 4)[10], track[8:12].min(axis=0))
    np.testing.assert_array_equal(running_least(track, 5)[10], track[8:13].min(axis=0))


def test_speech_is_where_the_sound_is():
    activity = rest.speech_activity(speech_track(low=0.001), 500)
    assert activity[110:190].min() > 0.9 and activity[310:390].min() > 0.9
    assert activity[:90].max() < 0.1 and activity[210:290].max() < 0.1


@pytest.mark.parametrize("level", [0.0, SILENCE_RMS / 2])
def test_silence_is_not_speech_and_holds_the_mouth(level):
    rms = np.full(2000, level, np.float32)
    assert rest.speech_activity(rms, 500).max() == 0
    assert gate_of(rms).max() == 0


def test_steady_noise_is_not_speech():
    noise = 0.05 * (1 + 0.1 * np.random.default_rng(0).standard_normal(2000)).astype(np.float32)
    assert rest.speech_activity(noise, 500).mean() < 0.3


def test_the_gate_opens_before_the_sound_and_never_within_it():
    gate = gate_of(speech_track())
    assert (gate[100:200] == 1).all() and (gate[300:400] == 1).all()
    assert gate[94] > 0.9  # a quarter of a second early
    assert (gate[:80] == 0).all() and (gate[220:280] == 0).all()


@pytest.mark.parametrize("low", [0.001, 0.01])
def test_the_mouth_rests_in_the_tone_of_a_room(low, rng):
    """40 and 20 decibels under the speech."""
    rms = speech_track(low=low) * np.exp(0.1 * rng.standard_normal(2000))
    gate = gate_of(rms)
    assert (gate[100:200] == 1).all() and (gate[300:400] == 1).all()
    assert (gate[:80] == 0).all() and (gate[220:280] == 0).all() and (gate[420:] == 0).all()


def test_a_breath_in_a_quiet_room_moves_the_mouth():
    rms = speech_track(low=0.0008)
    rms[1000:1040] = 0.004  # 28 dB under the speech, 14 above the room
    gate = gate_of(rms)
    assert (gate[250:260] == 1).all() and (gate[220:235] == 0).all() and (gate[275:285] == 0).all()


def test_the_gate_knows_a_room_whose_door_opens():
    rms = speech_track(low=0.001)
    rms[1000:1200] = rms[1600:] = 0.01
    gate = gate_of(rms)
    assert (gate[220:280] == 0).all()  # the door opens at frame 250
    assert (gate[420:] == 0).all() and (gate[300:400] == 1).all()


def test_quiet_words_above_the_hum_of_a_room_are_speech():
    """The hum has two bands and is as loud as the words, which are 25 dB under the others."""
    words = speech_track(low=0.0)
    words[1200:1600] = 0.006
    rms = np.sqrt(np.square(words) + 0.006**2)
    bands = np.full((500, MEL_BANDS), -70.0)
    bands[:, :2] = -44.0
    said = rest.frame_decibels(words.astype(np.float32), 500)[:, None]
    bands = np.maximum(bands, np.where(np.arange(MEL_BANDS) < 25, said, said - 20))
    gate = gate_of(rms, bands)
    assert (gate[100:200] == 1).all() and (gate[300:400] == 1).all()
    assert (gate[220:280] == 0).all() and (gate[420:] == 0).all()


def test_speech_without_a_pause_and_a_held_note_are_no_room(rng):
    syllables = 0.1 * np.exp(np.sin(np.arange(2000) / 8) + 0.1 * rng.standard_normal(2000))
    assert (gate_of(syllables) == 1).all()
    held = speech_track()
    held[400:1600] = 0.1  # twelve seconds
    assert (gate_of(held)[100:400] == 1).all()


def test_a_room_nearly_as_loud_as_the_speech_is_not_believed():
    assert (gate_of(speech_track(low=0.04)) == 1).all()  # 8 dB under it


@pytest.mark.parametrize(("seconds", "rests"), [(20, True), (3, False)])
def test_a_sound_that_is_only_noise_holds_the_mouth_unless_it_is_as_short_as_a_word(seconds, rests, rng):
    noise = 0.01 * (1 + 0.05 * rng.standard_normal(100 * seconds))
    assert (gate_of(noise) == (0 if rests else 1)).all()


def test_noise_that_a_recorder_cuts_off_in_pauses_is_no_room():
    """Noise under the words alone: what is cut off is silence, and words in the noise are heard."""
    rms = speech_track(low=0.0)
    rms[300:900] = np.maximum(rms[300:900], 0.004)
    rms[1100:1700] = np.maximum(rms[1100:1700], 0.004)
    gate = gate_of(rms)
    assert (gate[100:200] == 1).all() and (gate[300:400] == 1).all() and (gate[240:260] == 0).all()


def test_the_gate_at_a_moment_depends_on_the_seconds_around_it(rng):
    """So chapters agree where they meet: each hears sixteen seconds of the other."""
    rms = np.tile(speech_track(low=0.004) * np.exp(0.2 * rng.standard_normal(2000)), 4)  # everywhere equally loud
    bands = np.repeat(rest.frame_decibels(rms.astype(np.float32), 2000)[:, None], MEL_BANDS, axis=1)
    bands += rng.standard_normal(bands.shape)
    whole, part = gate_of(rms, bands), gate_of(rms[2000:6000], bands[500:1500])
    np.testing.assert_array_equal(whole[625:1375], part[125:875])


def test_a_whole_take_of_noise_and_shorter_sounds_have_gates():
    for frames in (1, 2, 7, 101):
        assert gate_of(np.full(4 * frames, 0.1)).shape == (frames,)


def test_all_of_the_mouth_rests_in_silence_and_what_is_ajar_in_a_room():
    rms = speech_track(low=0.001)
    rms[800:1200] = 0  # certain silence from frame 200 to 300
    gate = gates_of(rms)
    assert (gate.motion[220:280] == 0).all() and (gate.opening[220:280] == 0).all()
    assert (gate.motion[:200] == 1).all() and (gate.motion[300:] == 1).all()
    assert (gate.opening[:80] == 0).all() and (gate.opening[420:] == 0).all()
    assert (gate.opening[100:200] == 1).all() and (gate.opening <= gate.motion).all()


def test_silence_between_words_rests_the_mouth_as_if_rooms_were_not_learned():
    gate = gates_of(speech_track())
    np.testing.assert_array_equal(gate.motion, gate.opening)


def test_where_only_a_steady_noise_is_heard_all_of_the_mouth_rests(rng):
    gate = gates_of(0.01 * (1 + 0.05 * rng.standard_normal(2000)))
    assert not gate.motion.any() and not gate.opening.any()


def smile_ajar(frames):
    """A smile with parted lips and a dropped jaw: displacements (T, 68, 3), weights (T, 52)."""
    offsets, arkit = np.zeros((frames, 68, 3), np.float32), np.zeros((frames, 52), np.float32)
    offsets[:, [48, 60], 0], offsets[:, [54, 64], 0] = -0.05, 0.05
    offsets[:, [48, 54, 60, 64], 1] = -0.04
    offsets[:, [61, 62, 63, 50, 51, 52], 1] = -0.05
    offsets[:, [65, 66, 67, 56, 57, 58], 1] = 0.04
    offsets[:, 5:12, 1] = 0.02
    for name in ("jawOpen", "mouthClose", "mouthLowerDownLeft", "mouthUpperUpLeft", "mouthSmileLeft", "mouthPressLeft"):
        arkit[:, ARKIT_INDEX[name]] = 0.4
    return offsets, arkit


def test_in_a_room_lips_meet_and_a_smile_stays():
    offsets, arkit = smile_ajar(3)
    before, shapes = offsets.copy(), arkit.copy()
    rest.rest_mouth(offsets, arkit, rest.MouthGate(np.ones(3, np.float32), np.array([1, 0.5, 0], np.float32)))
    np.testing.assert_array_equal(offsets[0], before[0])
    np.testing.assert_array_equal(arkit[0], shapes[0])
    np.testing.assert_allclose(closures.gaps(offsets), np.outer([0.09, 0.045, 0], np.ones(3)), atol=1e-6)
    np.testing.assert_allclose(offsets[:, 8, 1], [0.02, 0.01, 0], atol=1e-6)
    np.testing.assert_array_equal(offsets[:, [48, 54, 60, 64]], before[:, [48, 54, 60, 64]])
    np.testing.assert_array_equal(offsets[..., [0, 2]], before[..., [0, 2]])
    for name in ("jawOpen", "mouthClose", "mouthLowerDownLeft", "mouthUpperUpLeft"):
        np.testing.assert_allclose(arkit[:, ARKIT_INDEX[name]], [0.4, 0.2, 0], atol=1e-6)
    for name in ("mouthSmileLeft", "mouthPressLeft"):
        np.testing.assert_array_equal(arkit[:, ARKIT_INDEX[name]], shapes[:, ARKIT_INDEX[name]])


def test_lips_that_are_pressed_together_in_a_room_stay_so():
    offsets, arkit = smile_ajar(2)
    offsets[:, [65, 66, 67], 1] = -0.06
    before = offsets.copy()
    rest.rest_mouth(offsets, arkit, rest.MouthGate(np.ones(2, np.float32), np.zeros(2, np.float32)))
    np.testing.assert_array_equal(offsets[:, LIPS], before[:, LIPS])


def test_a_gated_mouth_rests_and_the_rest_of_the_face_does_not(rng):
    offsets, arkit = rng.uniform(0.1, 1, (10, 68, 3)), rng.uniform(0.1, 1, (10, 52))
    before, shapes = offsets.copy(), arkit.copy()
    rest.rest_mouth(offsets, arkit, rest.MouthGate(np.zeros(10, np.float32), np.zeros(10, np.float32)))
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
