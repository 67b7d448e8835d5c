"""Films outside Blender: frames, colours, times and sound come back out as they went in; nothing half-made stays."""

import json
import shutil
import subprocess
import tracemalloc
from contextlib import closing
from fractions import Fraction

import numpy as np
import pytest
from mouthpiece.errors import AudioError, PictureError
from mouthpiece.portrait import films
from mouthpiece.portrait.films import FilmOptions, write_film
from mouthpiece.provenance import mp4

av = pytest.importorskip("av")
CLICKS = (0.25, 0.5, 1.0)


class Clicks:
    """Silence with clicks of half a millisecond."""

    def __init__(self, rate, channels=1, seconds=1.5):
        self.rate, self.count, self.seconds = rate, channels, seconds

    def channels(self):
        samples = np.zeros((round(self.rate * self.seconds), self.count), np.float32)
        for moment in CLICKS:
            start = round(moment * self.rate)
            samples[start : start + max(1, self.rate // 2000)] = 0.9
        for start in range(0, len(samples), 7919):
            yield samples[start : start + 7919]


def plain(count, size=(48, 64), colour=(200, 100, 50, 255)):
    for _ in range(count):
        yield np.full((*size, len(colour)), colour, np.uint8)


def pictures(path):
    with av.open(str(path)) as film:
        return [(frame.pts * frame.time_base, frame.to_ndarray(format="rgb24")) for frame in film.decode(video=0)]


def heard(path):
    with av.open(str(path)) as film:
        frames = list(film.decode(audio=0))
        return frames[0].sample_rate, np.concatenate([frame.to_ndarray()[0] for frame in frames]), frames[0].pts


def write(path, frames, size=(64, 48), fps=Fraction(25), sound=None, **other):
    return list(write_film(path, frames, size, FilmOptions(fps, **other), sound))


@pytest.mark.parametrize(
    "fps", [Fraction(25), Fraction(24000, 1001), Fraction(30000, 1001), Fraction(12), Fraction(60)]
)
def test_every_frame_has_its_exact_moment(tmp_path, fps):
    path = tmp_path / "a.mp4"
    assert write(path, plain(17), fps=fps) == list(range(1, 18))
    assert [moment for moment, _ in pictures(path)] == [Fraction(index) / fps for index in range(17)]
    with av.open(str(path)) as film:
        assert film.streams.video[0].average_rate == fps


@pytest.mark.parametrize("colour", [(200, 100, 50), (20, 180, 220), (255, 255, 255), (0, 0, 0), (255, 0, 0)])
def test_colours_are_those_of_the_frames_and_are_named(tmp_path, colour):
    path = tmp_path / "a.mp4"
    write(path, plain(3, colour=colour))
    assert np.abs(pictures(path)[1][1].astype(int) - colour).max() <= 4
    with av.open(str(path)) as film:
        context = film.streams.video[0].codec_context
        named = (context.colorspace, context.color_primaries, context.color_trc, context.color_range)
        assert named == (1, 1, 1, 1) and context.pix_fmt == "yuv420p"


@pytest.mark.parametrize("size", [(64, 48), (65, 48), (64, 49), (65, 49), (17, 1), (2, 2)])
def test_odd_sides_get_one_row_or_column_more(tmp_path, size):
    path = tmp_path / "a.mp4"
    wide, high = size
    write(path, plain(2, size=(high, wide)), size=size)
    assert pictures(path)[0][1].shape == (high + high % 2, wide + wide % 2, 3)
    assert np.ptp(pictures(path)[0][1].reshape(-1, 3).astype(int), axis=0).max() <= 3


def test_transparent_frames_stand_on_the_background(tmp_path):
    frame = np.zeros((48, 64, 4), np.uint8)
    frame[:, 32:] = (250, 250, 250, 255)
    write(tmp_path / "a.mp4", iter([frame] * 2), background=(0, 180, 60))
    seen = pictures(tmp_path / "a.mp4")[0][1].astype(int)
    assert np.abs(seen[:, :24] - (0, 180, 60)).max() <= 4 and np.abs(seen[:, 40:] - 250).max() <= 4
    half = np.full((48, 64, 4), (255, 255, 255, 128), np.uint8)
    write(tmp_path / "b.mp4", iter([half]), background=(0, 0, 0))
    assert np.abs(pictures(tmp_path / "b.mp4")[0][1].astype(int) - 128).max() <= 3


@pytest.mark.parametrize(("rate", "channels"), [(48000, 2), (44100, 1), (16000, 1), (8000, 2), (7000, 1), (96000, 6)])
def test_the_sound_is_heard_when_it_should_be(tmp_path, rate, channels):
    path = tmp_path / "a.mp4"
    write(path, plain(36), fps=Fraction(24000, 1001), sound=Clicks(rate, channels))
    got, samples, first = heard(path)
    assert got == {7000: 8000, 96000: 48000}.get(rate, rate) and first == 0
    for moment in CLICKS:
        start = round((moment - 0.1) * got)
        window = np.abs(samples[start : start + got // 5])
        assert abs(np.flatnonzero(window > 0.3 * window.max())[0] / got - 0.1) <= 2.5 / got + 1 / rate
        assert window.max() > 0.3
    with av.open(str(path)) as film:
        assert film.streams.audio[0].layout.name == ("stereo" if channels == 2 else "mono")


def test_no_more_is_heard_than_is_seen_and_sounds_may_end_before(tmp_path):
    write(tmp_path / "a.mp4", plain(10), sound=Clicks(16000))
    assert abs(len(heard(tmp_path / "a.mp4")[1]) / 16000 - 0.4) <= 1024 / 16000
    write(tmp_path / "b.mp4", plain(100), sound=Clicks(16000))
    assert len(pictures(tmp_path / "b.mp4")) == 100
    assert abs(len(heard(tmp_path / "b.mp4")[1]) / 16000 - 1.5) <= 1024 / 16000


def test_a_film_can_be_played_while_it_loads_and_says_what_it_is(tmp_path):
    path = tmp_path / "a.mp4"
    write(path, plain(5), sound=Clicks(16000), comment="Synthetic: made by a program")
    with open(path, "rb") as stream:
        names = [box.name for box in mp4.boxes(stream, path)]
    assert names.index(b"moov") < names.index(b"mdat")
    with av.open(str(path)) as film:
        assert film.metadata["comment"] == "Synthetic: made by a program"
    write(tmp_path / "a.mov", plain(5))
    assert len(pictures(tmp_path / "a.mov")) == 5


@pytest.mark.skipif(shutil.which("ffprobe") is None, reason="ffprobe is not installed")
def test_another_programs_view(tmp_path):
    path = tmp_path / "a.mp4"
    write(path, plain(24), fps=Fraction(24000, 1001), sound=Clicks(44100))
    command = ["ffprobe", "-v", "error", "-show_streams", "-of", "json", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    video, sound = json.loads(done.stdout)["streams"]
    assert done.stderr == "" and video["nb_frames"] == "24" and video["r_frame_rate"] == "24000/1001"
    assert (video["color_space"], video["color_range"], video["pix_fmt"]) == ("bt709", "tv", "yuv420p")
    assert sound["codec_name"] == "aac" and float(sound["start_time"]) == 0


def test_closing_or_failing_leaves_nothing(tmp_path):
    path = tmp_path / "a.mp4"
    with closing(write_film(path, plain(100), (64, 48), FilmOptions(Fraction(25)), Clicks(16000))) as written:
        assert next(written) == 1
    assert not path.exists()

    def failing():
        yield from plain(3)
        raise PictureError("the picture went away")

    with pytest.raises(PictureError, match="went away"):
        write(path, failing())
    assert not path.exists()

    class Broken(Clicks):
        def channels(self):
            yield np.zeros((100, 1), np.float32)
            raise AudioError("the sound is damaged")

    with pytest.raises(AudioError, match="damaged"):
        write(path, plain(30), sound=Broken(16000))
    assert list(tmp_path.iterdir()) == []


def test_places_that_cannot_be_written_are_said(tmp_path):
    with pytest.raises(PictureError, match="cannot be written"):
        write(tmp_path / "nowhere" / "a.mp4", plain(2))
    with pytest.raises(PictureError, match="cannot be written"):
        write(tmp_path, plain(2))


def test_without_the_package_the_error_names_it(monkeypatch):
    import builtins

    real = builtins.__import__

    def without(name, *rest):
        if name == "av":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(PictureError, match=r"PyAV.*mouthpiece\[portrait\]"):
        films.package()


def test_memory_does_not_grow_with_the_film(tmp_path):
    def peak(count):
        tracemalloc.start()
        write(
            tmp_path / "a.mp4", plain(count, size=(120, 160)), size=(160, 120), sound=Clicks(16000, seconds=count / 25)
        )
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(10)
    assert peak(400) < peak(40) + 3_000_000
