"""Files that name other files or addresses: told by what is in them, and never opened with FFmpeg."""

import wave

import pytest
from mouthpiece.files.references import AV_OPTIONS, reference_at, reference_in

LISTS = {
    "m3u8": b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nvoice.wav\n",
    "marked": b"\xef\xbb\xbf\r\n  #EXTM3U\nhttp://127.0.0.1/a.ts\n",
    "ffconcat": b"ffconcat version 1.0\nfile 'voice.wav'\n",
    "sdp": b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 5004 RTP/AVP 0\r\n",
    "pls": b"[playlist]\nFile1=voice.wav\n",
    "asx": b"<ASX version='3.0'><entry><ref href='voice.wav'/></entry></ASX>",
    "dash": b"<?xml version='1.0'?>\n<!-- -->\n<MPD xmlns='urn:mpeg:dash:schema:mpd:2011'></MPD>",
    "strm": b"http://127.0.0.1/voice.wav",
}


def sound(path):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(16000))
    return path


@pytest.mark.parametrize("name", LISTS)
def test_a_list_of_files_is_told_whatever_it_is_called(tmp_path, name):
    path = tmp_path / "voice.mp4"
    path.write_bytes(LISTS[name])
    assert reference_at(path).startswith(("is a ", "describes ", "names "))


def test_sounds_films_and_other_texts_name_nothing(tmp_path):
    assert reference_at(sound(tmp_path / "voice.wav")) == ""
    for head in (b"", b"RIFF....WAVE", b"OggS", b"\0\0\0\x18ftypmp42", b"ID3\4", b"v = 0", b"<svg></svg>"):
        assert reference_in(head) == ""
    assert reference_at(tmp_path) == "" == reference_at(tmp_path / "none.wav") == reference_at("a" * 5000 + "\0")


@pytest.mark.parametrize("name", LISTS)
def test_ffmpeg_opens_nothing_but_sounds_and_films_with_our_options(tmp_path, name):
    av = pytest.importorskip("av")
    voice = sound(tmp_path / "voice.wav")
    with av.open(str(voice), options=dict(AV_OPTIONS)) as opened:
        assert opened.streams.audio
    (tmp_path / "list.mp4").write_bytes(LISTS[name])
    with pytest.raises(av.FFmpegError):
        av.open(str(tmp_path / "list.mp4"), options=dict(AV_OPTIONS))


def test_training_refuses_a_list_named_like_a_film(tmp_path):
    pytest.importorskip("av")
    pytest.importorskip("torch")
    from training.pack import video

    sound(tmp_path / "voice.wav")
    (tmp_path / "film.mp4").write_bytes(LISTS["ffconcat"])
    with pytest.raises(video.VideoError, match=r"is a list of files \(ffconcat\), not a film"):
        video.sound(tmp_path / "film.mp4")
    with pytest.raises(video.VideoError, match="not a film"):
        next(video.frames(tmp_path / "film.mp4"))
