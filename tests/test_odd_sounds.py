"""Sounds as they are: read to their real end, whatever their headers say; the same list is read in Blender."""

import os
import socket
import struct
import sys
import tracemalloc

import av
import numpy as np
import pytest
import soundfile
from mouthpiece import audio
from mouthpiece.audio import SoundFile
from mouthpiece.errors import AudioError
from mouthpiece.pipeline import survey
from mouthpiece.sounds import decoders, flac, mpeg, ogg
from mouthpiece.sounds.splice import ByteSpan, Splice

from tests import odd_sounds
from tests.odd_sounds import HEARD, RATE, REFUSED, beep, beeps_of, changed, is_heard, mp3, put, twice

_FORMATS = {".aac": "adts", ".ac3": "ac3", ".mp2": "mp2", ".oga": "ogg", ".webm": "webm", ".mka": "matroska"}


def encode(samples, rate, place, codec):
    """Encode samples with PyAV."""
    with av.open(str(place), "w", format=_FORMATS[place.suffix]) as container:
        stream = container.add_stream({"opus": "libopus"}.get(codec, codec), rate=rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
        frame.sample_rate, frame.pts = rate, 0
        change = av.AudioResampler(format=stream.format.name, layout="mono", rate=rate)
        for part in [*change.resample(frame), *change.resample(None), None]:
            container.mux(stream.encode(part))


def left(source, *part):
    """Return all samples of the first channel."""
    return np.concatenate([np.zeros(0, np.float32), *(block[:, 0] for block in source.channels(*part))])


@pytest.mark.parametrize("sound", HEARD, ids=lambda sound: sound.name)
def test_sounds_as_they_are(tmp_path, sound):
    source = SoundFile(sound.write(tmp_path, encode))
    samples = left(source)
    assert not is_heard(sound, samples, source.rate)
    assert source.frames == len(samples)
    assert survey(source).samples == -(-len(samples) * 16_000 // source.rate)
    # the second second on its own: what a chapter hears
    part = left(source, 1, 2)
    assert np.abs(part - samples[source.rate : 2 * source.rate]).max() < 0.02
    assert not list(source.channels(99, 100))


@pytest.mark.parametrize("sound", REFUSED, ids=lambda sound: sound.name)
def test_sounds_that_are_refused(tmp_path, sound):
    path = sound.write(tmp_path, encode)
    with pytest.raises(AudioError, match=sound.refused) as told:
        list(SoundFile(path).blocks())
    assert path.name in str(told.value)


def test_there_are_sounds_enough():
    assert len({sound.name for sound in (*HEARD, *REFUSED)}) == len(HEARD) + len(REFUSED)
    assert len(HEARD) >= 34


def test_without_pyav_the_extra_is_named(tmp_path, monkeypatch):
    path = next(sound for sound in HEARD if sound.name == "a.m4a").write(tmp_path, encode)
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(AudioError, match=r"mouthpiece\[files\]"):
        SoundFile(path)


def test_a_film_without_sound_is_told(tmp_path):
    path = tmp_path / "silent.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width = stream.height = 16
        container.mux(stream.encode(av.VideoFrame(16, 16, "yuv420p")))
        container.mux(stream.encode(None))
    with pytest.raises(AudioError, match="holds no sound"):
        SoundFile(path)


@pytest.mark.parametrize("make", [os.mkfifo, "socket", "/dev/zero"], ids=["pipe", "socket", "device"])
def test_what_is_no_file_is_refused_at_once(tmp_path, make):
    path = tmp_path / "line.wav"
    with socket.socket(socket.AF_UNIX) as listener:
        if make == "socket":
            listener.bind(str(path))
        elif callable(make):
            make(path)
        else:
            path.symlink_to(make)
        with pytest.raises(AudioError, match="device or a pipe"):
            SoundFile(path)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="names elsewhere are Unicode")
@pytest.mark.parametrize("ending", [".wav", ".mp3", ".webm"])
def test_a_name_that_is_no_unicode_is_read_by_every_decoder(tmp_path, ending):
    """Drives of old computers have names in other encodings."""
    sound = next(one for one in HEARD if one.name.endswith(ending))
    source = SoundFile(sound.write(tmp_path, encode).rename(tmp_path / f"l\udcffne{ending}"))
    assert not is_heard(sound, left(source), source.rate)


@pytest.mark.parametrize("name", ["no\0thing.wav", "a" * 300 + ".wav", "no/where.wav"])
def test_names_that_cannot_be(tmp_path, name):
    with pytest.raises(AudioError):
        SoundFile(tmp_path / name)


def test_a_joined_mp3_is_heard_to_its_end_after_a_jump(tmp_path):
    part = changed(mp3(), lambda content: odd_sounds.TAG + content)
    content = part(tmp_path, None) * 20
    path = tmp_path / "joined.mp3"
    path.write_bytes(content)
    source = SoundFile(path)
    samples = left(source)
    assert len(beeps_of(samples, RATE)) == 20
    for second in (7, 19, 28):
        np.testing.assert_allclose(
            left(source, second, second + 2), samples[second * RATE : (second + 2) * RATE], atol=1e-6
        )


def test_rubbish_in_an_mp3_is_passed_over(tmp_path, capfd):
    whole = mp3()(tmp_path, None)
    at = len(whole) // 2
    path = tmp_path / "rubbish.mp3"
    path.write_bytes(
        b"\0" * 500 + whole[:at] + os.urandom(3000) + b"\xff" * 3000 + whole[at:] + b"APETAGEX" + bytes(99)
    )
    source = SoundFile(path)
    assert len(beeps_of(left(source), RATE)) == 1 and abs(source.seconds - odd_sounds.SECONDS) < 0.1
    assert capfd.readouterr().err == ""


def test_an_mp3_of_tags_and_syncs_alone_is_no_sound(tmp_path):
    path = tmp_path / "a.mp3"
    path.write_bytes(odd_sounds.TAG * 9 + b"\xff\xfb" * 50_000)
    assert mpeg.frames(path) is None
    with pytest.raises(AudioError, match="not a sound"):
        SoundFile(path)


def test_an_mp3_that_says_how_long_it_is_keeps_what_its_encoder_says(tmp_path):
    path = tmp_path / "a.mp3"
    path.write_bytes(mp3()(tmp_path, None))
    found = mpeg.frames(path)
    assert found.head == path.read_bytes()[: len(found.head)]
    assert [span.stop for span in found.spans] == [path.stat().st_size]


def test_a_chain_with_another_rate_is_told(tmp_path):
    path = tmp_path / "a.ogg"
    first, second = (odd_sounds.plain("OGG", "VORBIS", rate=rate)(tmp_path, None) for rate in (44_100, 22_050))
    path.write_bytes(first + second)
    with pytest.raises(AudioError, match=r"1\.5 s .*22,050 samples per second after 44,100"):
        list(SoundFile(path).blocks())


def test_a_chain_with_other_channels_keeps_those_it_began_with(tmp_path):
    path = tmp_path / "a.ogg"
    soundfile.write(tmp_path / "two.ogg", np.stack([beep(), beep()], axis=1), RATE, subtype="VORBIS")
    path.write_bytes((tmp_path / "two.ogg").read_bytes() + odd_sounds.VORBIS(tmp_path, None))
    blocks = list(SoundFile(path).channels())
    assert {block.shape[1] for block in blocks} == {2}
    assert len(beeps_of(np.concatenate(blocks)[:, 1], RATE)) == 2


def test_an_ogg_between_rubbish(tmp_path):
    path = tmp_path / "a.ogg"
    content = odd_sounds.VORBIS(tmp_path, None)
    path.write_bytes(content + bytes(700) + content)
    assert [len(span) for span in ogg.links(path)] == [len(content) + 700, len(content)]
    assert len(beeps_of(left(SoundFile(path)), RATE)) == 2


def test_a_flac_damaged_in_its_middle_is_told(tmp_path):
    content = bytearray(odd_sounds.FLAC(tmp_path, None))
    at = len(content) // 2
    content[at : at + 400] = bytes(400)
    path = tmp_path / "a.flac"
    path.write_bytes(content)
    with pytest.raises(AudioError, match=r"damaged after|ends early"):
        list(SoundFile(path).blocks())


@pytest.mark.parametrize("seconds", [0.05, 1.0, 2.3])
@pytest.mark.parametrize("level", [0.0, 1.0])
def test_the_length_of_a_flac_is_that_of_its_last_frame(tmp_path, seconds, level):
    path = tmp_path / "a.flac"
    soundfile.write(path, beep(RATE, seconds, 0.01), RATE, compression_level=level)
    found = flac.length(path)
    assert found.found == found.declared == round(seconds * RATE) and found.is_whole
    path.write_bytes(path.read_bytes()[:-3])
    assert not flac.length(path).is_whole


def test_splices_read_like_files(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(bytes(range(100)))
    whole = bytes(range(10, 20)) + b"abc" + bytes(range(50, 60))
    with Splice(path, [ByteSpan(10, 20), b"abc", b"", ByteSpan(50, 60)]) as splice:
        assert len(splice) == len(whole) and splice.read() == whole
        for at in range(len(whole)):
            assert splice.seek(at) == at and splice.read(5) == whole[at : at + 5]
        assert splice.seek(-2, 2) == len(whole) - 2 and splice.read() == whole[-2:] and splice.read(1) == b""
    with Splice(path, [ByteSpan(90, 120)]) as shrunk:  # the file was cut since
        assert shrunk.read() == bytes(range(90, 100))


@pytest.mark.parametrize("rate", [1_001, 7_919, 44_101, 65_537, 999_983])
def test_odd_rates_cost_no_more_and_stay_in_time(rate):
    seconds = 31
    ticks = np.zeros(seconds * rate, np.float32)
    width = max(3, rate // 4000)
    pulse = np.hanning(2 * width + 1).astype(np.float32)
    for second in range(1, seconds):
        ticks[second * rate - width : second * rate + width + 1] += pulse
    tracemalloc.start()
    heard = np.concatenate(list(audio.resample_blocks(np.array_split(ticks, 7), rate)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(heard) == seconds * 16_000
    around = heard[: (seconds - 1) * 16_000].reshape(-1, 16_000)
    found = [np.argmax(np.roll(row, 8000)) - 8000 for row in [*around[1:], heard[-16_000:]]]
    assert max(map(abs, found)) <= 1
    assert peak < 30 * 10 * rate * 4 + 200e6
    assert max(audio.ratio_of(rate)) <= 200_000


def test_a_rate_that_is_not_exact_is_off_by_less_than_half_a_sample_in_a_piece():
    for rate in (200_003, 319_999, 524_287, 960_001, 999_983):
        up, down = audio.ratio_of(rate)
        assert abs(up / down * rate / 16_000 - 1) * 160_000 < 0.5
    for rate in (1_001, 44_100, 47_999, 96_001, 191_999):
        up, down = audio.ratio_of(rate)
        assert up * rate == 16_000 * down


def test_a_thousand_channels_are_read_in_small_blocks(tmp_path):
    path = tmp_path / "many.wav"
    soundfile.write(path, np.tile(beep(8000, 3.0)[:, None], 1024), 8000, subtype="PCM_U8")
    source = SoundFile(path)
    sizes = [block.size for block in source.channels()]
    assert sum(sizes) == 1024 * 24_000 and max(sizes) <= 8_000_000


@pytest.mark.parametrize(("at", "form", "value"), [(22, "<H", 0), (24, "<I", 0), (24, "<I", 2_000_000_000)])
def test_headers_that_make_no_sense(tmp_path, at, form, value):
    content = odd_sounds.WAV(tmp_path, None)
    path = tmp_path / "a.wav"
    path.write_bytes(put(content[:1], at - 1, form, value)(content))
    with pytest.raises(AudioError):
        SoundFile(path)


def test_a_header_of_a_hundred_million_chunks_is_given_up(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(b"RIFF\xff\xff\xff\x7fWAVE" + struct.pack("<4sI", b"JUNK", 0) * 200_000)
    with pytest.raises(AudioError):
        SoundFile(path)


def test_the_length_is_not_believed_but_measured(tmp_path):
    path = tmp_path / "a.mp3"
    path.write_bytes(twice(mp3()(tmp_path, None)))
    assert abs(SoundFile(path).seconds - 2 * odd_sounds.SECONDS) < 0.1


@pytest.mark.parametrize(
    ("make", "change"),
    [
        (odd_sounds.W64, put(b"fmt ", 12, "<Q", (1 << 64) - 1)),
        (odd_sounds.CAF, put(b"desc", 0, ">q", (1 << 63) - 1)),
        (odd_sounds.FLAC, put(b"fLaC", 0, ">I", 0x00FFFFFF)),
        (odd_sounds.FLAC, lambda content: b"ID3\x04\0\0\x7f\x7f\x7f\x7f" + content),
        (odd_sounds.FLAC, lambda content: content[:42]),
        (odd_sounds.VORBIS, lambda content: content[:40]),
        (changed(odd_sounds.AAC, odd_sounds.in_mp4()), put(b"mdat", -8, ">I", 1)),
    ],
)
def test_places_beyond_the_file_are_refused(tmp_path, make, change):
    path = tmp_path / "a"
    path.write_bytes(change(make(tmp_path, encode)))
    with pytest.raises(AudioError):
        list(SoundFile(path).blocks())


@pytest.mark.parametrize(
    ("form", "place", "told"),
    [
        ("W64", 56, b"\xf0" + b"\xff" * 6 + b"\x7f"),
        ("CAF", 12, b"\x7f" + b"\xff" * 6 + b"\xf0"),
        ("FLAC", 4, b"\x80\xff\xff\xf0"),
        ("AIFF", 16, b"\x7f\xff\xff\xf0"),
        ("WAV", 16, b"\xf0\xff\xff\x7f"),
    ],
)
def test_parts_that_claim_to_be_larger_than_any_file_are_no_reason_to_give_up(form, place, told, tmp_path):
    """The part before the sound says that it ends beyond all files; the file is read or refused in words."""
    path = tmp_path / f"line.{form.lower()}"
    soundfile.write(path, np.zeros(16_000), 16_000, format=form)
    content = bytearray(path.read_bytes())
    content[place : place + len(told)] = told
    path.write_bytes(content)
    try:
        audio.load(path)
    except AudioError as error:
        assert path.name in str(error)


def test_what_is_read_beyond_a_guess_is_the_end(tmp_path, monkeypatch):
    """Of layers I and II nobody counts the frames; in damaged ones libsndfile finds itself behind its own guess."""
    path = tmp_path / "a.mp2"
    path.write_bytes(odd_sounds.encoded("a.mp2", "mp2")(tmp_path, encode))
    monkeypatch.setattr(soundfile.SoundFile, "tell", lambda stream: stream.frames + 3)
    with pytest.raises(AudioError, match="no samples"):
        SoundFile(path)


def test_eight_channels_of_aac_are_all_heard(tmp_path):
    """Of more than seven planes PyAV counts one too many, and reads what lies behind: that ended the program."""
    time = np.arange(48_000) / 48_000
    levels = 0.02 * np.arange(1, 9)
    samples = (levels[:, None] * np.sin(2 * np.pi * 220 * time)).astype(np.float32)
    place = tmp_path / "line.m4a"
    with av.open(str(place), "w") as container:
        stream = container.add_stream("aac", rate=48_000, layout="7.1")
        stream.bit_rate = 768_000
        frame = av.AudioFrame.from_ndarray(samples.T.reshape(1, -1), format="flt", layout="7.1")
        frame.sample_rate = 48_000
        for part in (frame, None):
            container.mux(stream.encode(part))
    heard = np.concatenate(list(SoundFile(place).channels()))[8_000:40_000]
    assert heard.shape[1] == 8
    np.testing.assert_allclose(np.sort(np.abs(heard).max(axis=0))[1:], levels[1:], atol=0.02)


def test_a_table_that_names_more_than_the_file_holds_is_no_endless_work(tmp_path, monkeypatch):
    """A table can name the same bytes a million times: decoding ends at twice the size of the file."""
    place = tmp_path / "line.m4a"
    with av.open(str(place), "w") as container:
        stream = container.add_stream("aac", rate=48_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 96_000), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 48_000
        for part in (frame, None):
            container.mux(stream.encode(part))
    assert len(audio.load(place).samples) > 90_000
    monkeypatch.setattr(decoders, "_LEEWAY", 200 - 2 * place.stat().st_size)
    with pytest.raises(AudioError, match="names more than is in it"):
        audio.load(place)
