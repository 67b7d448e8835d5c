import numpy as np
import pytest
from mouthpiece import features

from tests.material import babble, tone


def cepstra(samples):
    padded = np.pad(samples, features.MARGIN_SAMPLES)
    return features.mfcc(padded, 1 + len(samples) // features.HOP_SAMPLES)


def test_mfcc_are_librosas(rng):
    librosa = pytest.importorskip("librosa")
    samples = babble(3, rng)
    power = librosa.feature.melspectrogram(
        y=samples, sr=16_000, n_fft=512, hop_length=160, n_mels=40, pad_mode="constant"
    )
    decibels = librosa.power_to_db(power, amin=features.POWER_FLOOR, top_db=None)
    expected = librosa.feature.mfcc(S=decibels, n_mfcc=13).T
    np.testing.assert_allclose(cepstra(samples), expected, atol=2e-3)  # float32 sums of up to 600


def test_mel_filters_are_librosas():
    librosa = pytest.importorskip("librosa")
    expected = librosa.filters.mel(sr=16_000, n_fft=512, n_mels=40)
    np.testing.assert_allclose(features.mel_filters(), expected, atol=1e-7)


def test_a_tone_peaks_in_its_own_band():
    samples = np.pad(tone(1.0, hertz=1000), features.MARGIN_SAMPLES)
    bands = features.log_mel(samples, 100)
    weight = features.mel_filters()[:, 32]  # 32 bins of 31.25 Hz: 1 kHz
    assert np.argmax(bands[50]) == np.argmax(weight)


def test_digital_silence_is_the_floor():
    assert np.allclose(features.log_mel(np.zeros(1000, np.float32), 3), 10 * np.log10(features.POWER_FLOOR))


def test_stack_lays_out_two_phonetic_and_four_cepstral_rows():
    width = sum(features.PHONETIC_PARTS)
    hidden = np.arange(4)[:, None] * np.ones((1, width), np.float32)
    energy = 100 + np.arange(8)[:, None] * np.ones((1, 13), np.float32)
    rows = features.stack(hidden, energy, 2)
    assert rows.shape == (2, features.FEATURE_SIZE)
    assert rows[1, 0] == 2 and rows[1, width] == 3
    assert rows[1, 2 * width] == 104 and rows[1, -1] == 107


@pytest.mark.parametrize("width", [features.PHONETIC_SIZE, 8])
def test_band_levels_are_those_of_the_mel_bands_in_the_rows(rng, width):
    """Also of a listener of one's own, which hears in vectors of another width."""
    samples = babble(2, rng)
    levels = features.log_mel(np.pad(samples, features.MARGIN_SAMPLES), 200)
    rows = features.stack(np.ones((100, width), np.float32), cepstra(samples)[:200], 50)
    rows = np.concatenate([rows, np.ones((50, 7), np.float32)], axis=1)  # an encoder's numbers follow
    found = features.band_levels(rows, width)
    wanted = levels.reshape(50, 4, features.MEL_BANDS).mean(axis=1)
    assert found.shape == (50, features.MEL_BANDS)
    np.testing.assert_allclose(found.mean(axis=1), wanted.mean(axis=1), atol=1e-3)
    assert np.abs(found - wanted).mean() < 3


def test_stack_holds_the_last_row_when_a_frame_is_short():
    rows = features.stack(np.ones((3, sum(features.PHONETIC_PARTS)), np.float32), np.ones((7, 13), np.float32), 2)
    assert rows.shape == (2, features.FEATURE_SIZE) and (rows == 1).all()


def test_root_mean_square_of_a_sine():
    rms = features.hop_rms(tone(1.0, hertz=400, amplitude=0.5))
    assert len(rms) == 100
    np.testing.assert_allclose(rms, 0.5 / np.sqrt(2), rtol=1e-3)


def test_gain_brings_speech_to_one_loudness_whatever_the_pauses():
    quiet = np.concatenate([tone(1.0, amplitude=0.01), np.zeros(16_000 * 9, np.float32)])
    gain = features.loudness_gain(features.hop_rms(quiet))
    assert gain == pytest.approx(features.TARGET_RMS / (0.01 / np.sqrt(2)), rel=0.02)


def test_silence_gets_no_gain():
    assert features.loudness_gain(np.zeros(100, np.float32)) == 1.0
    assert features.loudness_gain(np.zeros(0, np.float32)) == 1.0


def test_a_short_word_in_a_long_silence_is_still_speech():
    rms = np.zeros(10_000, np.float32)
    rms[:50] = 0.1
    assert features.speech_rms(rms) == pytest.approx(0.1)
