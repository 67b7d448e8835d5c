"""Sounds as they are, in Blender: the list that the core's tests read, with the same truth."""

import os

import bpy
import numpy as np
import pytest
from mouthpiece.errors import AudioError

from addon.sound import contents, decoder, recordings

pytest.importorskip("soundfile", reason="the sounds are written with it")

from tests import odd_sounds
from tests.odd_sounds import HEARD, RATE, REFUSED, beep, beeps_of, changed, is_heard, mp3, put, twice

_CONTAINERS = {".aac": "AAC", ".ac3": "AC3", ".mp2": "MP2", ".oga": "OGG", ".webm": "MATROSKA", ".mka": "MATROSKA"}


def encode(samples, rate, place, codec):
    """Encode samples with Blender's encoder."""
    import aud

    form = aud.FORMAT_S16 if codec == "flac" else aud.FORMAT_FLOAT32
    container, coded = (
        getattr(aud, name) for name in (f"CONTAINER_{_CONTAINERS[place.suffix]}", f"CODEC_{codec.upper()}")
    )
    sound = aud.Sound.buffer(np.ascontiguousarray(samples[:, None]), rate)
    sound.write(str(place), rate, aud.CHANNELS_MONO, form, container, coded, 128_000, 4096)


@pytest.mark.parametrize("sound", HEARD, ids=lambda sound: sound.name)
def test_sounds_as_they_are(tmp_path, sound):
    source = recordings.open_file(sound.write(tmp_path, encode))
    samples = source.native(0, 60)[:, 0]
    assert not is_heard(sound, samples, source.rate)
    np.testing.assert_allclose(source.whole().samples, samples, atol=1e-7)
    assert abs(sum(map(len, source.blocks())) / 16_000 - len(samples) / source.rate) < 0.001
    assert not len(source.native(30, 31))


@pytest.mark.parametrize("sound", REFUSED, ids=lambda sound: sound.name)
def test_sounds_that_are_refused(tmp_path, sound):
    path = sound.write(tmp_path, encode)
    recording = recordings.from_file(str(path), bpy.context.scene, 1)
    with pytest.raises(AudioError, match=sound.refused):
        recordings.decode(recording)


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_what_is_no_file_is_refused_at_once(tmp_path, kind):
    path = tmp_path / "line.wav"
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")
    with pytest.raises(AudioError, match="is a device or a pipe and not a file"):
        recordings.from_file(str(path), bpy.context.scene, 1)
    with pytest.raises(AudioError, match="device or a pipe"):
        decoder.StreamedSound(path)
    assert contents.of_file(str(path)) == "" and not contents.are_same(str(path), str(tmp_path / "other.wav"))


@pytest.mark.parametrize("list_of", ["ffconcat version 1.0\nfile 'pipe.wav'\n", "#EXTM3U\npipe.wav\n"])
def test_a_panel_opens_nothing_that_a_playlist_names(tmp_path, list_of):
    """At every redraw: Blender would wait for the pipe for ever."""
    os.mkfifo(tmp_path / "pipe.wav")
    path = tmp_path / "line.wav"
    path.write_text(list_of)
    assert recordings.channels_in(str(path)) == 0


def test_values_that_are_no_numbers_are_told(tmp_path):
    import soundfile

    path = tmp_path / "a.wav"
    soundfile.write(path, np.full(1000, np.nan), 16_000, subtype="FLOAT")
    with pytest.raises(AudioError, match="not numbers"):
        recordings.decode(recordings.from_file(str(path), bpy.context.scene, 1))


@pytest.mark.parametrize(("at", "form", "value"), [(22, "<H", 0), (24, "<I", 0), (24, "<I", 2_000_000_000)])
def test_headers_that_make_no_sense(tmp_path, at, form, value):
    """Blender itself dies of the last of them."""
    content = odd_sounds.WAV(tmp_path, encode)
    path = tmp_path / "a.wav"
    path.write_bytes(put(content[:1], at - 1, form, value)(content))
    with pytest.raises(AudioError, match=r"not a sound|samples per second"):
        recordings.decode(recordings.from_file(str(path), bpy.context.scene, 1))


@pytest.mark.parametrize("name", ["8-bit.wav", "24-bit.wav", "float, over full scale.wav", "double.wav", "24-bit.flac"])
def test_samples_are_those_the_core_reads(tmp_path, name):
    from mouthpiece.audio import load

    path = next(sound for sound in HEARD if sound.name == name).write(tmp_path, encode)
    np.testing.assert_array_equal(recordings.open_file(path).whole().samples, load(path).samples)


def test_an_odd_rate_is_heard_in_time(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(odd_sounds.plain("WAV", "PCM_16", rate=999_983)(tmp_path, encode))
    heard = np.concatenate(list(recordings.open_file(path).blocks()))
    assert len(heard) == 24_000 and beeps_of(heard, 16_000) == pytest.approx([0.8], abs=0.001)


def test_a_copy_that_was_needed_is_gone_with_the_sound(tmp_path, monkeypatch):
    monkeypatch.setattr(decoder.tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    path = tmp_path / "a.wav"
    path.write_bytes(changed(odd_sounds.WAV, put(b"data", 0, "<I", 999))(tmp_path, encode))
    sound = decoder.StreamedSound(path)
    assert len(list((tmp_path / "temporary").glob(".mouthpiece-*"))) == 1
    assert len(beeps_of(sound.native(0, 9)[:, 0], RATE)) == 1
    del sound
    assert not list((tmp_path / "temporary").glob(".mouthpiece-*"))


UNCOUNTED = changed(odd_sounds.VARIABLE, odd_sounds.without_count)


@pytest.mark.parametrize(
    ("name", "make", "within"),
    [
        ("joined.mp3", changed(mp3(), twice), 0.001),
        ("uncounted.mp3", UNCOUNTED, 0.001),
        ("chained.ogg", odd_sounds.VORBIS, 0.03),
        ("chained.opus", odd_sounds.OPUS, 0.03),
    ],
)
def test_a_jump_into_a_joined_sound_leads_to_its_second(tmp_path, name, make, within):
    path = tmp_path / name
    path.write_bytes(make(tmp_path, encode) * 40)
    sound = recordings.open_file(path)
    whole = sound.native(0, 600)[:, 0]
    beeps = beeps_of(whole, sound.rate)
    assert len(beeps) >= 40
    for second in (10, 33, 48):
        there = [at - second for at in beeps if second + 0.1 < at < second + 5.9]
        here = [at for at in beeps_of(sound.native(second, second + 6)[:, 0], sound.rate) if 0.1 < at < 5.9]
        np.testing.assert_allclose(here, there, atol=within)


def test_a_chain_with_another_rate_is_told(tmp_path):
    path = tmp_path / "a.ogg"
    first, second = (odd_sounds.plain("OGG", "VORBIS", rate=rate)(tmp_path, None) for rate in (44_100, 22_050))
    path.write_bytes(first + second)
    with pytest.raises(AudioError, match="22,050 samples per second after 44,100"):
        recordings.decode(recordings.from_file(str(path), bpy.context.scene, 1))


def test_a_chain_with_other_channels_keeps_those_it_began_with(tmp_path):
    import soundfile

    path = tmp_path / "a.ogg"
    soundfile.write(tmp_path / "two.ogg", np.stack([beep(), beep()], axis=1), RATE, subtype="VORBIS")
    path.write_bytes((tmp_path / "two.ogg").read_bytes() + odd_sounds.VORBIS(tmp_path, None))
    found = recordings.open_file(path).native(0, 9)
    assert found.shape[1] == 2 and len(beeps_of(found[:, 1], RATE)) == 2
