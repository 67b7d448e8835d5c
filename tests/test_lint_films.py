"""A face in a film: followed, measured, and judged by the film's own sound."""

from fractions import Fraction

import numpy as np
import pytest
import soundfile
from mouthpiece.audio import Audio
from mouthpiece.cli.parser import run
from mouthpiece.errors import PictureError
from mouthpiece.lint.checks import checked
from mouthpiece.lint.limits import OF_KEYS, Limits
from mouthpiece.lint.seen_face import SeenFace
from mouthpiece.lint.sources import films
from mouthpiece.lint.sources.films import FaceFollower, seen_film
from mouthpiece.lint.sources.tracked_face import face_courses
from mouthpiece.pipeline import Warned
from mouthpiece.portrait.films import FilmOptions, FilmReader, write_film
from mouthpiece.portrait.images import read_picture

from tests.material import DEMO_LINE

pytest.importorskip("av")
ASTRONAUT = DEMO_LINE.parents[2] / "demo" / "samples" / "astronaut.jpg"
RATE = 16_000
SECONDS = 2.4
LIMITS = Limits().without(*OF_KEYS, "clipping")


class Samples:
    """Samples as a film is given them, after a silence of some seconds."""

    def __init__(self, samples, late=0.0):
        self.rate = RATE
        self._samples = np.concatenate([np.zeros(round(late * RATE), np.float32), samples])

    def channels(self):
        yield self._samples[:, None]


@pytest.fixture(scope="module")
def line():
    samples, _ = soundfile.read(DEMO_LINE, dtype="float32")
    return samples[: round(SECONDS * RATE)]


@pytest.fixture(scope="module")
def talking(line, tmp_path_factory):
    """A film of a photo that speaks the first seconds of the demo line; a real face, drawn by Mouthpiece."""
    folder = tmp_path_factory.mktemp("film")
    soundfile.write(folder / "line.wav", line, RATE)
    words = ["portrait", "--image", str(ASTRONAUT), "--audio", str(folder / "line.wav"), "--size", "224", "--quiet"]
    words += ["--generator", "none", "--no-credentials", "--consent", "own: a press picture of NASA, for this test"]
    assert run([*words, "-o", str(folder / "film.mp4")]) == 0
    return folder / "film.mp4"


@pytest.fixture(scope="module")
def frames(talking):
    return [picture for _, picture in FilmReader(talking).pictures()]


def film(path, frames, sound=None, fps=25):
    height, width = frames[0].shape[:2]
    list(write_film(path, iter(frames), (width, height), FilmOptions(Fraction(fps)), sound))
    return path


def seen(path, line, **other):
    *said, last = seen_film(path, Audio(line, RATE), **other)
    assert isinstance(last, SeenFace)
    return last, [item.message for item in said if isinstance(item, Warned)]


@pytest.fixture(scope="module")
def face(talking, line):
    return seen(talking, line)[0]


def test_nothing_is_wrong_with_a_film_of_ours(face):
    assert not checked(face, LIMITS)
    assert np.isfinite(face.opening).mean() > 0.95
    assert 0.05 < np.nanpercentile(face.opening, 95) < 0.4
    assert face.fps == 25
    assert len(face.opening) == len(face.speech) == len(face.expected) == face.lines[0].last + 1


def test_the_command_hears_the_films_own_sound(frames, line, tmp_path, capsys):
    late = film(tmp_path / "late.mp4", frames, Samples(line, late=0.16))
    assert run(["lint", str(late), "--quiet"]) == 1
    assert "ahead of the sound" in capsys.readouterr().out


def test_a_sound_given_by_itself(frames, line, tmp_path, capsys):
    mute = film(tmp_path / "mute.mp4", frames[:30])
    assert run(["lint", str(mute), "--quiet"]) == 1
    assert "holds no sound" in capsys.readouterr().err
    soundfile.write(tmp_path / "line.wav", line, RATE)
    assert run(["lint", str(mute), "--audio", str(tmp_path / "line.wav"), "--quiet"]) == 0


def test_a_still_picture_does_not_speak_whatever_its_grain(line, tmp_path, rng):
    still = read_picture(ASTRONAUT)[:, :, :3].astype(np.float32)
    grainy = [np.clip(still + rng.normal(0, 3, still.shape), 0, 255).astype(np.uint8) for _ in range(40)]
    path = film(tmp_path / "still.mp4", grainy, fps=12)
    found = {finding.check for finding in checked(seen(path, line)[0], LIMITS)}
    assert found == {"weak", "frozen"}


def test_another_shot_is_no_jump(frames, tmp_path):
    """From one shot to the next a face jumps; in the first picture of a shot nothing is known."""
    tracker = FaceFollower()
    wide = [np.pad(frame, ((40, 0), (90, 0), (0, 0))) for frame in frames[:4]]
    points = [tracker.points(picture) for picture in (*frames[:4], *wide)]
    assert [each is None for each in points] == [True, False, False, False] * 2
    moved = points[5][:, :2].mean(axis=0) - points[1][:, :2].mean(axis=0)
    assert moved == pytest.approx([90, 40], abs=6)


def test_a_face_that_leaves(frames, line, tmp_path):
    empty = np.full_like(frames[0], 90)
    path = film(tmp_path / "gone.mp4", [*frames[:20], *[empty] * 15, *frames[20:35]])
    face, warnings = seen(path, line)
    assert np.isnan(face.opening[21:35]).all()
    assert np.isfinite(face.opening[[10, 48]]).all()
    assert any("seen in" in words for words in warnings)


def test_films_without_a_face_and_files_that_are_no_films(line, tmp_path):
    nobody = film(tmp_path / "nobody.mp4", [np.full((64, 64, 3), 128, np.uint8)] * 5)
    with pytest.raises(PictureError, match="no face"):
        seen(nobody, line)
    with pytest.raises(PictureError, match="There is no film"):
        seen(tmp_path / "none.mp4", line)
    (tmp_path / "text.mp4").write_text("not a film")
    with pytest.raises(PictureError, match="is no film"):
        seen(tmp_path / "text.mp4", line)
    (tmp_path / "list.mp4").write_text("#EXTM3U\nfilm.mp4\n")
    with pytest.raises(PictureError, match="playlist"):
        seen(tmp_path / "list.mp4", line)
    with pytest.raises(PictureError, match="no pictures"):
        seen(DEMO_LINE, line)


def test_a_second_face_that_is_not_there(talking, line):
    with pytest.raises(PictureError, match="at most 1 face"):
        seen(talking, line, face=2)


def test_every_other_picture_of_fast_films_is_looked_at(frames, line, tmp_path):
    fast = film(tmp_path / "fast.mp4", [frame for frame in frames[:30] for _ in (0, 1)], fps=50)
    face, _ = seen(fast, line)
    assert (face.fps, len(face.opening)) == (25, 30)


def test_courses_of_a_face_worked_out_by_hand(rng):
    face = np.zeros((68, 3))
    face[36], face[39], face[42], face[45] = (-0.5, 0, 0), (-0.2, 0, 0), (0.2, 0, 0), (0.5, 0, 0)
    for upper, lower in ((37, 41), (38, 40), (43, 47), (44, 46)):
        face[upper] = (0, -0.05, 0)
        face[lower] = (0, 0.05, 0)
    face[48], face[54] = (-0.3, 1, 0), (0.3, 1, 0)
    shut = face.copy()
    shut[[37, 38, 41, 40], 1] = 0
    wide = face.copy()
    wide[[65, 66, 67], 1] = 0.2
    irises = np.array([[[-0.35, 0, 0], [0.35, 0, 0]]] * 5)
    irises[4] += (0.041 * 3 / 2, 0, 0)
    gone = np.full((68, 3), np.nan)
    courses = face_courses(np.stack([face, shut, wide, gone, face]) * 200, irises * 200)
    assert courses["opening"] == pytest.approx([0, 0, 0.2, np.nan, 0], nan_ok=True)
    assert courses["width"] == pytest.approx([0.6, 0.6, 0.6, np.nan, 0.6], nan_ok=True)
    assert courses["lids"][:3].tolist() == [[0, 0], [0, 1], [0, 0]]
    assert courses["gaze"][0] == pytest.approx([0, 0], abs=1e-6)
    assert courses["gaze"][4] == pytest.approx([np.arcsin(0.5), 0], abs=1e-6)
    assert np.isnan(courses["head"][3]).all()
    turn = np.array([[np.cos(0.3), -np.sin(0.3), 0], [np.sin(0.3), np.cos(0.3), 0], [0, 0, 1]])
    tilted = face_courses((face @ turn.T)[None], (irises[:1] @ turn.T))
    assert tilted["head"][0, 2] == pytest.approx(0.3, abs=1e-6)
    assert tilted["gaze"][0] == pytest.approx([0, 0], abs=1e-6)


def test_pictures_years_apart_are_refused_before_memory_is_taken():
    rows = [np.zeros((70, 3), np.float32)] * 3
    assert len(films._on_frames(rows, [0.0, 0.04, 60.0], 25.0)) == 1501
    with pytest.raises(PictureError, match="hours"):
        films._on_frames(rows, [0.0, 0.04, 1e9], 25.0)
