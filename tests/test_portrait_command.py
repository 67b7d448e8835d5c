"""``mouthpiece portrait`` from end to end: film and frames, going on after a stop, refusals, and what is recorded."""

import json
import shutil
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import soundfile
from mouthpiece.audio import Audio, SoundFile
from mouthpiece.cli import parser as core_cli
from mouthpiece.cli import portrait as portrait_command
from mouthpiece.cli import report
from mouthpiece.errors import PictureError
from mouthpiece.performance import Performance
from mouthpiece.pipeline import survey
from mouthpiece.portrait import film_job
from mouthpiece.portrait.images import read_picture
from mouthpiece.provenance import facts as provenance
from mouthpiece.provenance import png, records
from mouthpiece.provenance.credentials import Seal
from mouthpiece.provenance.facts import Facts
from mouthpiece.provenance.sequences import Frames, InTheWay, Numbering, gaps
from mouthpiece.provenance.verification import verified

from tests.material import DEMO_LINE

pytest.importorskip("PIL")
pytestmark = pytest.mark.usefixtures("faces_found_once")
ROOT = Path(__file__).resolve().parent.parent
FACE = ROOT / "demo" / "samples" / "astronaut.jpg"
CONSENT = "historical: NASA's portrait of Eileen Collins, in the public domain"


@pytest.fixture(autouse=True)
def settings(tmp_path, monkeypatch):
    monkeypatch.setenv("MOUTHPIECE_SETTINGS", str(tmp_path / "settings"))


@pytest.fixture(scope="module")
def line(tmp_path_factory):
    """A word of the demo line, in stereo at its own rate, and its take."""
    folder = tmp_path_factory.mktemp("line")
    samples, rate = soundfile.read(DEMO_LINE, dtype="float32")
    part = samples[rate // 2 : rate * 11 // 10]
    soundfile.write(folder / "line.wav", np.column_stack([part, part * 0.5]), rate)
    assert core_cli.run(["animate", "--quiet", str(folder / "line.wav")]) == 0
    return folder / "line.wav"


def run(line, output, *more, image=FACE, consent=CONSENT, take=True, size="96"):
    """Run the command on the line's take, which is quick; return its exit code."""
    moves = ["--take", str(line.with_suffix(".npz"))] if take else []
    given = ["portrait", "--image", str(image), "--audio", str(line), *moves, "-o", str(output), "--quiet"]
    return core_cli.run([*given, "--consent", consent, "--size", size, "--generator", "none", *map(str, more)])


def film_of(path):
    av = pytest.importorskip("av")
    with av.open(str(path)) as film:
        pictures = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
    with av.open(str(path)) as film:
        sound = np.concatenate([frame.to_ndarray() for frame in film.decode(audio=0)], axis=1)
        return pictures, sound, film.streams.video[0].average_rate


def test_from_a_sound_to_a_film_that_verifies(line, tmp_path, capsys):
    pytest.importorskip("c2pa")
    output = tmp_path / "out.mp4"
    assert run(line, output, "--json", "--fps", "24000/1001", "--mark", take=False) == 0
    result = json.loads(capsys.readouterr().out)
    pictures, sound, fps = film_of(output)
    assert result["ok"] and result["frames"] == len(pictures) and result["size"] == [96, 96]
    assert result["confidence"] > 0.8 and result["jitter"] < 0.01
    assert fps == Fraction(24000, 1001) and abs(len(pictures) / float(fps) - 0.6) < 0.09
    assert sound.shape[0] == 2 and np.abs(sound).max() > 0.05
    mouth = np.array([picture[35:60, 35:62].mean() for picture in pictures])
    assert mouth.std() > 0.1  # it moves
    found = verified(output)
    assert found.valid and found.self_signed and found.facts.marked
    facts = found.facts
    assert facts.consent.kind == "historical" and facts.picture_sha256 == provenance.file_sha256(FACE)
    assert facts.sound_sha256 == survey(SoundFile(line)).sha256
    assert set(facts.networks) >= {"phonetic", "content", "voice", "head", "face_detector_128", "face_landmarks_478"}
    assert facts.options["fps"] == "24000/1001" and facts.options["size"] == "96 x 96"
    assert [path.name for path in tmp_path.iterdir() if path.name != "settings"] == ["out.mp4"]
    assert core_cli.run(["verify", str(output)]) == 0


def test_frames_are_those_of_the_film_and_transparent_where_the_picture_is(line, tmp_path):
    image = pytest.importorskip("PIL.Image")
    face = np.array(image.open(FACE).convert("RGBA").resize((192, 192)))
    face[:40] = 0
    image.fromarray(face).save(tmp_path / "face.png")
    assert run(line, tmp_path / "frames", image=tmp_path / "face.png") == 0
    paths = sorted((tmp_path / "frames").iterdir())
    assert [path.name for path in paths] == [f"frame_{index:04}.png" for index in range(1, len(paths) + 1)]
    with image.open(paths[3]) as frame:
        assert frame.mode == "RGBA" and np.asarray(frame)[:10, :, 3].max() == 0
    assert run(line, tmp_path / "a.mp4", "--background", "00ff00", image=tmp_path / "face.png") == 0
    pictures, _, _ = film_of(tmp_path / "a.mp4")
    assert len(pictures) == len(paths) == len(Performance.load(line.with_suffix(".npz")))
    assert np.abs(pictures[3][:10].astype(int) - (0, 255, 0)).max() < 12
    shown = read_picture(paths[3])
    assert np.abs(pictures[3][30:].astype(int) - shown[30:, :, :3]).mean() < 4
    assert core_cli.run(["verify", str(tmp_path / "frames")]) == 0


def test_frames_can_have_a_name_and_no_credentials(line, tmp_path):
    assert run(line, tmp_path / "shot_######.png", "--no-credentials") == 0
    first = tmp_path / "shot_000001.png"
    assert records.read(first).facts.signature == provenance.UNSIGNED
    assert verified(first).unsigned_but_whole and not (tmp_path / "settings").exists()
    assert core_cli.run(["verify", str(first)]) == 1
    assert core_cli.run(["verify", "--allow-unsigned", str(first)]) == 0


def test_a_run_that_was_stopped_goes_on_and_says_so(line, tmp_path, capsys, monkeypatch):
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    assert run(line, whole) == 0
    real = film_job.Renderer.frames

    def stopping(self, take, fps, start=0, stop=None):
        for index, frame in enumerate(real(self, take, fps, start, stop)):
            if index == 7:
                raise KeyboardInterrupt
            yield frame

    with monkeypatch.context() as patched:
        patched.setattr(film_job.Renderer, "frames", stopping)
        assert run(line, stopped) == report.INTERRUPTED
    assert len(list(stopped.iterdir())) == 7
    (stopped / "frame_0003.png").unlink()
    (stopped / "frame_0005.png").write_bytes((stopped / "frame_0005.png").read_bytes()[:-3000])
    times = {path.name: path.stat().st_mtime_ns for path in stopped.iterdir()}
    capsys.readouterr()
    assert run(line, stopped, "--json") == 0
    said = capsys.readouterr()
    count = len(list(whole.iterdir()))
    assert json.loads(said.out)["rendered"] == count - 5 and "5 of" in said.err and "already" in said.err
    assert "the others are made" in said.err
    for name in ("frame_0001.png", "frame_0004.png"):
        assert (stopped / name).stat().st_mtime_ns == times[name]
    for path in whole.iterdir():
        assert np.array_equal(read_picture(path), read_picture(stopped / path.name))
    assert core_cli.run(["verify", str(stopped)]) == 0


@pytest.mark.parametrize(
    ("changes", "consent"),
    [
        (("--strength", "1.1"), CONSENT),
        (("--mark",), CONSENT),
        (("--lips", "1.5"), CONSENT),
        ((), "own: this is me, really me"),
    ],
)
def test_frames_of_other_options_are_never_mixed_in(line, tmp_path, capsys, changes, consent):
    folder = tmp_path / "frames"
    assert run(line, folder) == 0
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert run(line, folder, *changes, consent=consent) == 1
    assert "--force" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert run(line, folder, *changes, "--force", consent=consent) == 0
    assert core_cli.run(["verify", str(folder)]) == 0
    assert all(path.read_bytes() != before[path.name] for path in folder.iterdir())


def test_a_film_whose_frames_are_kept_goes_on(line, tmp_path, capsys):
    kept, count = tmp_path / "kept", len(Performance.load(line.with_suffix(".npz")))
    assert run(line, tmp_path / "a.mp4", "--keep-frames", kept) == 0
    assert len(list(kept.iterdir())) == count
    for number in (1, 9, 10, count):
        (kept / f"frame_{number:04}.png").unlink()
    capsys.readouterr()
    assert run(line, tmp_path / "b.mp4", "--keep-frames", kept, "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["rendered"] == 4 and len(list(kept.iterdir())) == count
    one, two = film_of(tmp_path / "a.mp4")[0], film_of(tmp_path / "b.mp4")[0]
    assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))


def test_a_longer_runs_frames_do_not_stay_behind(tmp_path):
    facts = Facts(provenance.Consent("I am the person shown"), "Mouthpiece 1", "2026-11-25T16:00:00Z")
    frame = np.zeros((8, 8, 3), np.uint8)
    longer = Frames(Numbering.of(tmp_path), 6, facts, Seal(None))
    for index in range(6):
        longer.write(index, frame)
    (tmp_path / "frame_note.png").write_bytes(b"notes")
    shorter = Frames(Numbering.of(tmp_path), 4, facts, Seal(None))
    with pytest.raises(PictureError, match=r"2 files .*frame_0005.png, frame_0006.png"):
        shorter.done()
    assert shorter.done(force=True) == [True] * 4
    with pytest.raises(InTheWay, match=r"frame_0005\.png"):
        shorter.begin()
    shorter.begin(force=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *(f"frame_{number:04}.png" for number in range(1, 5)),
        "frame_note.png",
    ]
    (tmp_path / "frame_0009.png").write_bytes(png.encoded(frame))
    with pytest.raises(PictureError, match="Move it away"):
        shorter.begin(force=True)


def test_numbering_and_gaps():
    assert Numbering.of(Path("a/b")).path(0) == Path("a/b/frame_0001.png")
    assert Numbering.of(Path("a/x_##_y.png")).path(122) == Path("a/x_123_y.png")
    for wrong in ("a.png", "a_#_#.png", "a_####.jpg", "film.avi"):
        with pytest.raises(PictureError, match="name"):
            Numbering.of(Path(wrong))
    assert list(gaps([True, False, False, True, False])) == [range(1, 3), range(4, 5)]
    assert list(gaps([True] * 3)) == [] and list(gaps([])) == []


@pytest.mark.parametrize(
    ("more", "word"),
    [
        (["--certificate", "a.pem"], "belong together"),
        (["--no-credentials", "--time-stamp", "http://time.example"], "Choose one"),
        (["--style", "calm"], "without --take"),
    ],
)
def test_options_that_contradict_each_other(line, tmp_path, capsys, more, word):
    assert run(line, tmp_path / "a.mp4", *more) == report.BAD_ARGUMENTS
    assert word in capsys.readouterr().err


@pytest.mark.parametrize(
    "more",
    [["--fps", "0"], ["--fps", "abc"], ["--fps", "1/0"], ["--size", "5000"], ["--strength", "nan"], ["--quality", "0"],
     ["--background", "red"], ["--face", "0"], ["--points", "1,2", "3,4"]],
)  # fmt: skip
def test_arguments_out_of_range(line, tmp_path, more):
    assert run(line, tmp_path / "a.mp4", *more) == report.BAD_ARGUMENTS


def test_nothing_is_made_without_consent(line, tmp_path, capsys):
    assert run(line, tmp_path / "a.mp4", consent="yes") == 1
    assert "Say in a sentence why this face may be made to talk" in capsys.readouterr().err
    given = ["portrait", "--image", str(FACE), "--audio", str(line), "-o", str(tmp_path / "a.mp4")]
    assert core_cli.run(given) == report.BAD_ARGUMENTS
    assert "--consent" in capsys.readouterr().err
    assert not (tmp_path / "a.mp4").exists()
    assert core_cli.run(["portrait", "--image", str(FACE), "-o", str(tmp_path / "a.mp4"), "--consent", CONSENT]) == 2
    assert "Nothing is said" in capsys.readouterr().err


def test_files_that_exist_stay_without_force(line, tmp_path, capsys):
    output = tmp_path / "a.mp4"
    output.write_bytes(b"mine")
    assert run(line, output) == 1
    assert output.read_bytes() == b"mine" and "--force" in capsys.readouterr().err
    assert run(line, output, "--force", "--no-credentials") == 0
    assert len(film_of(output)[0]) > 10


def test_what_is_read_is_never_written_over(line, tmp_path, capsys):
    for name, output in (("face.mp4", "face.mp4"), ("frame_0003.png", ".")):
        image = tmp_path / name
        shutil.copy(FACE, image)
        assert run(line, tmp_path / output, "--force", image=image) == 1
        assert "cannot be the output as well" in capsys.readouterr().err
        assert image.read_bytes() == FACE.read_bytes()
    assert run(line, line, "--force") == 1


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"image": Path("missing.png")}, "no picture at"),
        ({"output": Path("nowhere/a.mp4")}, "no folder"),
        ({"output": Path("a.avi")}, "neither a film"),
        ({"more": ["--face", "2"]}, "there is no face 2"),
        ({"more": ["--landmarks", "missing.json"]}, "cannot be read"),
        ({"more": ["--generator", "missing.onnx"]}, "no network"),
        ({"more": ["--certificate", "a.pem", "--private-key", "b.pem"]}, "cannot be read"),
    ],
)
def test_what_cannot_be_had_is_said_before_the_work(line, tmp_path, monkeypatch, capsys, change, word):
    monkeypatch.chdir(tmp_path)
    given = {"output": Path("a.mp4"), "more": [], "image": FACE} | change
    assert run(line, given["output"], *given["more"], image=given["image"]) == 1
    assert word in capsys.readouterr().err
    assert not [path for path in tmp_path.iterdir() if path.name != "settings"]


def test_a_face_that_a_person_placed(line, tmp_path, capsys):
    assert core_cli.run(["landmarks", str(FACE), "-o", str(tmp_path / "points.json")]) == 0
    assert run(line, tmp_path / "a", "--landmarks", tmp_path / "points.json") == 0
    assert run(line, tmp_path / "b") == 0
    one, two = (read_picture(tmp_path / name / "frame_0009.png").astype(int) for name in "ab")
    assert np.abs(one - two).max() <= 40 and np.abs(one - two).mean() < 0.5
    assert "face_detector_128" not in records.read(tmp_path / "a" / "frame_0001.png").facts.networks
    blank = tmp_path / "blank.png"
    blank.write_bytes(png.encoded(np.full((64, 64, 3), 90, np.uint8)))
    assert run(line, tmp_path / "c", image=blank) == 1
    assert "No face was found" in capsys.readouterr().err
    assert run(line, tmp_path / "c", "--points", "20,22", "44,22", "24,44", "40,44", image=blank) == 0


def test_a_take_and_a_sound_that_do_not_belong_together_are_told(line, tmp_path, wav, capsys):
    other = wav(np.zeros(16_000, np.float32))
    shutil.copy(line.with_suffix(".npz"), other.with_suffix(".npz"))
    assert run(other, tmp_path / "a.mp4") == 0
    assert "is not the sound" in capsys.readouterr().err


def test_dials_of_a_take_are_turned_and_recorded(line, tmp_path):
    assert run(line, tmp_path / "a", "--lips", "0", "--jaw", "0", "--head", "0", "--no-credentials") == 0
    facts = records.read(tmp_path / "a" / "frame_0001.png").facts
    assert facts.options["dials"] == {"lips": 0.0, "jaw": 0.0, "head": 0.0}


def test_names_of_files_are_not_recorded(line, tmp_path):
    assert run(line, tmp_path / "a.mp4", "--style-from", line, "--no-credentials", take=False) == 0
    text = records.read(tmp_path / "a.mp4").facts.as_json()
    assert "from another sound" in text
    assert line.stem not in text and FACE.stem not in text and str(tmp_path) not in text


def test_frame_rates_are_exact():
    assert portrait_command.frame_rate("23.976") == Fraction(24000, 1001)
    assert portrait_command.frame_rate("25") == 25 and portrait_command.frame_rate("24000/1001") == Fraction(
        24000, 1001
    )
    assert portrait_command.colour("#00b140") == (0, 177, 64)


def test_sounds_keep_their_channels(line, speech):
    blocks = list(SoundFile(line).channels())
    assert blocks[0].shape[1] == 2
    left, right = np.concatenate(blocks).T
    assert np.allclose(right, left * 0.5, atol=1e-4)
    assert np.allclose(np.concatenate(list(SoundFile(line).mono())), (left + right) / 2)
    assert isinstance(speech, Audio)


@pytest.fixture(scope="module")
def interview(line, tmp_path_factory):
    """A stereo sound with a word on the left and the same word backwards on the right, and the take of the right."""
    folder = tmp_path_factory.mktemp("interview")
    samples, rate = soundfile.read(line, dtype="float32")
    soundfile.write(folder / "two.wav", np.column_stack([samples[:, 0], samples[::-1, 0]]), rate)
    assert core_cli.run(["animate", "--quiet", str(folder / "two.wav"), "--channel", "right"]) == 0
    return folder / "two.wav"


def test_one_channel_speaks_if_asked_for(interview, tmp_path, capsys):
    assert run(interview, tmp_path / "out", "--fps", "5", "--channel", "right", take=False) == 0
    facts = records.read(next((tmp_path / "out").glob("*.png"))).facts
    assert facts.sound_sha256 == survey(SoundFile(interview, "right")).sha256 != survey(SoundFile(interview)).sha256
    assert run(interview, tmp_path / "none", "--channel", "3", take=False) == 1
    assert "2 channels: there is no channel 3" in capsys.readouterr().err and not (tmp_path / "none").exists()


def test_a_take_fits_the_sound_it_is_one_channel_of(interview, line, tmp_path, capsys):
    assert run(interview, tmp_path / "out", "--fps", "5", "--json") == 0
    assert not [text for text in json.loads(capsys.readouterr().out)["warnings"] if "lips may not fit" in text]
    other = tmp_path / "two.wav"
    soundfile.write(other, soundfile.read(interview)[0][:, 0], 16_000)
    shutil.copy(interview.with_suffix(".npz"), other.with_suffix(".npz"))
    assert run(other, tmp_path / "mono", "--fps", "5", "--json") == 0  # it has no right channel
    assert [text for text in json.loads(capsys.readouterr().out)["warnings"] if "lips may not fit" in text]
    assert run(interview, tmp_path / "never", "--channel", "left") == 2
    assert "a take is of the channel it was made from" in capsys.readouterr().err
