import os
import struct
import tracemalloc

import numpy as np
import pytest
import soundfile
from mouthpiece.audio import Audio, SoundFile, load
from mouthpiece.errors import AudioError
from mouthpiece.sounds import headers

from tests.material import babble, tone


def heard(source):
    return np.concatenate(list(source.blocks()))


@pytest.mark.parametrize(
    ("name", "options", "tolerance"),
    [
        ("a.wav", {"subtype": "PCM_U8"}, 0.01),
        ("a.wav", {"subtype": "PCM_16"}, 1e-4),
        ("a.wav", {"subtype": "PCM_24"}, 1e-6),
        ("a.wav", {"subtype": "PCM_32"}, 1e-6),
        ("a.wav", {"subtype": "FLOAT"}, 1e-7),
        ("a.wav", {"subtype": "DOUBLE"}, 1e-7),
        ("a.flac", {}, 1e-4),
        ("a.ogg", {}, 0.03),
        ("a.mp3", {}, 0.03),
        ("a.aiff", {}, 1e-4),
    ],
)
def test_formats_and_bit_depths(wav, name, options, tolerance):
    samples = tone(1.0)
    sound = load(wav(samples, name=name, **options))
    assert sound.rate == 16_000
    middle = slice(4000, 12_000)
    lag = np.argmax([np.dot(sound.samples[4000 + k : 12_000 + k], samples[middle]) for k in range(-40, 40)]) - 40
    assert abs(lag) <= 1
    assert np.abs(sound.samples[4000 + lag : 12_000 + lag] - samples[middle]).max() < tolerance


@pytest.mark.parametrize("rate", [3_000, 8_000, 11_025, 22_050, 44_100, 48_000, 96_000, 192_000])
def test_any_rate_is_heard_at_16_khz(wav, rate):
    source = SoundFile(wav(tone(2.0, rate, hertz=200), rate))
    samples = heard(source)
    assert len(samples) == 32_000
    inner = slice(1000, 31_000)
    assert np.abs(samples[inner] - tone(2.0, hertz=200)[inner]).max() < 0.003


def test_resampling_in_pieces_equals_resampling_the_whole(rng):
    from scipy.signal import resample_poly

    samples = rng.standard_normal(44_100 * 23).astype(np.float32)
    whole = resample_poly(samples, 160, 441)
    np.testing.assert_allclose(heard(Audio(samples, 44_100)), whole, atol=1e-6)


def test_a_click_stays_where_it_was():
    samples = np.zeros(48_000, np.float32)
    samples[24_000] = 1
    assert np.argmax(heard(Audio(samples, 48_000))) == 8_000


@pytest.mark.parametrize("channels", [1, 2, 6, 8])
def test_channels_are_averaged(wav, channels):
    samples = np.outer(tone(0.5), np.arange(1, channels + 1) / channels)
    np.testing.assert_allclose(load(wav(samples, subtype="FLOAT")).samples, samples.mean(axis=1), atol=1e-6)


def test_file_and_array_are_heard_alike(wav, rng):
    samples = babble(25, rng)
    np.testing.assert_array_equal(heard(SoundFile(wav(samples, subtype="FLOAT"))), heard(Audio(samples, 16_000)))


def test_reading_a_long_file_holds_one_block(wav):
    def peak(seconds, name):
        source = SoundFile(wav(tone(seconds, 44_100), 44_100, name=name))
        tracemalloc.start()
        for _ in source.blocks():
            pass
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size

    assert peak(120, "long.wav") < 1.2 * peak(40, "short.wav")


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: None, "There is no sound"),
        (lambda path: path.mkdir(), "is a folder"),
        (lambda path: path.write_bytes(b""), "empty file"),
        (lambda path: path.write_text("These are words, not sounds.\n" * 50), "not a sound"),
        (lambda path: path.write_bytes(os.urandom(5000)), "not a sound"),
        (lambda path: soundfile.write(path, np.zeros(0), 16_000), "no samples"),
        (lambda path: soundfile.write(path, np.full(1000, np.nan), 16_000, subtype="FLOAT"), "not numbers"),
        (lambda path: soundfile.write(path, np.full(1000, np.inf), 16_000, subtype="FLOAT"), "not numbers"),
        (lambda path: soundfile.write(path, np.zeros(1000), 500), "samples per second"),
    ],
)
def test_bad_files_are_refused_with_the_reason(tmp_path, make, says):
    path = tmp_path / "bad sound ü.wav"
    make(path)
    with pytest.raises(AudioError, match=says) as caught:
        list(SoundFile(path).blocks())
    assert path.name in str(caught.value)


@pytest.mark.parametrize(
    ("name", "share"),
    # An Ogg stream cut at a page is a shorter Ogg stream: nothing tells that more was meant.
    [
        ("a.wav", 0.001),
        ("a.wav", 0.3),
        ("a.wav", 0.9),
        ("a.flac", 0.001),
        ("a.flac", 0.3),
        ("a.flac", 0.9),
        ("a.ogg", 0.001),
        ("a.mp3", 0.0001),
    ],
)
def test_truncated_files_are_refused(wav, rng, name, share):
    path = wav(babble(12, rng), name=name)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(AudioError):
        list(SoundFile(path).blocks())


def test_a_wav_that_never_learned_its_length_is_read(wav):
    path = wav(tone(1.0))
    content = bytearray(path.read_bytes())
    position = content.index(b"data") + 4
    content[position : position + 4] = struct.pack("<I", 0xFFFFFFFF)
    path.write_bytes(content)
    assert abs(load(path).seconds - 1.0) < 0.01


def test_an_unreadable_file_is_named(wav, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    path = wav(tone(0.1))
    monkeypatch.setattr(headers, "open", refuse, raising=False)
    with pytest.raises(AudioError, match="Permission denied"):
        SoundFile(path)


@pytest.mark.parametrize("samples", [np.zeros((2, 5)), np.zeros(0), np.array([0.0, np.nan])])
def test_arrays_that_are_not_sound_are_refused(samples):
    with pytest.raises(AudioError):
        Audio(samples, 16_000)
