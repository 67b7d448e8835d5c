"""Frames of a portrait: which are taken for done, sketches, the request's own checks, and what 0.4.0 had begun."""

import base64
import hashlib
import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from mouthpiece.cli import parser as core_cli
from mouthpiece.errors import PictureError, PlaceError
from mouthpiece.performance import pack, unpack
from mouthpiece.portrait import begun_before
from mouthpiece.portrait.consent import Consent
from mouthpiece.portrait.film_job import PortraitJob, PortraitMade, PortraitOutput, PortraitPicture, facts_of
from mouthpiece.portrait.find.placement import placed_in_box
from mouthpiece.portrait.find.search import LOOKED_AT, FaceRequest, looked_at, sight_in
from mouthpiece.portrait.frame_motion import FrameMotion, LineFacts, rate_of, spoken
from mouthpiece.portrait.images import read_picture
from mouthpiece.portrait.portrait import portrait_of
from mouthpiece.provenance import sketches
from mouthpiece.provenance.credentials import Seal
from mouthpiece.provenance.facts import Facts
from mouthpiece.provenance.sequences import Frames, InTheWay, Numbering, begun_with, note_in

from tests.material import ASTRONAUT_SHA256, make_take

pytest.importorskip("PIL")
FACE = Path(__file__).resolve().parent.parent / "demo" / "samples" / "astronaut.jpg"
CONSENT = Consent("nobody real is shown in this test")
BLACK = np.zeros((8, 8, 3), np.uint8)


def facts(**changes):
    options = {"fps": "25", "frames": 3, "face_sha256": "1", "motion_sha256": "2", "dials": {"lips": 0.9}}
    return replace(Facts(CONSENT, "Mouthpiece 1", "2026-11-25T16:00:00Z", options=options), **changes)


def sketch(face=0.0, pose=0.0, level=90):
    picture = sketches.of_picture(np.full((40, 30, 4), (level, level, level, 255), np.uint8))
    numbers = np.random.default_rng(1).standard_normal((2, 300))
    (one,) = sketches.of_numbers(numbers[:1] + face / np.sqrt(300))
    (two,) = sketches.of_numbers(numbers[1:] + pose / np.sqrt(300))
    return sketches.joined(picture, one, two)


def frames(folder, **changes):
    given = {"facts": facts(), "sketches": (sketch(), sketch(pose=0.1), sketch(pose=0.2))} | changes
    return Frames(Numbering.of(folder), 3, given["facts"], Seal(None), given["sketches"])


def written(folder, **changes):
    made = frames(folder, **changes)
    made.begin()
    for index in range(3):
        made.write(index, BLACK)
    return made


def test_pillow_reads_the_pixels_that_blender_reads():
    """The same number is compared in blender_tests/test_portrait_folders.py with what Blender reads of this file."""
    assert hashlib.sha256(read_picture(FACE).tobytes()).hexdigest() == ASTRONAUT_SHA256


def test_sketches_are_the_same_everywhere_and_for_ever():
    """Frames that were recorded with one of them must be known to every later version."""
    (found,) = sketches.of_numbers(np.arange(10.0)[None])
    assert found == "AABAQAAAMEEAAHDBAACgQAAAMEEAAKDAAAAQQQAAEEEAAIhBAACIQQAA2MEAAKjBAAAUwgAAiEEAAJjBAADIwQ=="
    assert sketches.of_picture(np.full((5, 7, 4), (10, 20, 30, 255), np.uint8)) == base64.b64encode(
        bytes([10, 20, 30, 255] * 16)
    ).decode("ascii")
    half = np.full((4, 4, 4), (200, 100, 0, 128), np.uint8)
    assert base64.b64decode(sketches.of_picture(half))[:4] == bytes([100, 50, 0, 128])


def test_sketches_are_alike_within_a_tolerance():
    assert sketches.are_alike(sketch(), sketch())
    assert sketches.are_alike(sketch(), sketch(face=1e-4, pose=5e-4, level=91))
    for other in (sketch(face=0.005), sketch(pose=0.01), sketch(level=95)):
        assert not sketches.are_alike(sketch(), other)
    for damaged in ("", "a.b.c", None, 3, "..", sketch()[:-4], sketch() + ".", sketch().replace("A", "?", 1)):
        assert not sketches.are_alike(sketch(), damaged)


def test_a_difference_shows_wherever_it_is():
    """One number of 500 is 0.01 off: what sixteen sums differ by is as much, within two thirds."""
    rows = np.random.default_rng(2).standard_normal((500, 500))
    moved = rows + 0.01 * np.eye(500)
    pairs = zip(sketches.of_numbers(rows), sketches.of_numbers(moved), strict=True)
    off = [
        np.frombuffer(base64.b64decode(one), "<f4") - np.frombuffer(base64.b64decode(two), "<f4") for one, two in pairs
    ]
    assert np.sqrt(np.mean(np.square(off), axis=1)) == pytest.approx(0.01, rel=0.05)


def test_frames_go_on_whatever_wrote_them_when(tmp_path):
    written(tmp_path)
    later = facts(software="Mouthpiece 2", created="2027-01-01T00:00:00Z", networks={"face_detector_128": "ab" * 32})
    assert frames(tmp_path, facts=later).done() == [True] * 3
    hashes = {**facts().options, "face_sha256": "3", "motion_sha256": "4", "fps": "25.00001"}
    assert frames(tmp_path, facts=facts(options=hashes)).done() == [True] * 3
    near = tuple(sketch(pose=pose + 3e-4) for pose in (0, 0.1, 0.2))
    assert frames(tmp_path, sketches=near).done() == [True] * 3


@pytest.mark.parametrize(
    "change",
    [
        {"facts": facts(consent=Consent("somebody else has agreed to it"))},
        {"facts": facts(picture_sha256="ab" * 32)},
        {"facts": facts(sound_sha256="ab" * 32)},
        {"facts": facts(networks={"portrait": "ab" * 32})},
        {"facts": facts(marked=True)},
        {"facts": facts(options={**facts().options, "frames": 4})},
        {"facts": facts(options={**facts().options, "fps": "24"})},
        {"facts": facts(options={**facts().options, "fps": "?"})},
        {"facts": facts(options={**facts().options, "dials": {"lips": 0.8}})},
        {"sketches": (sketch(pose=0.01), sketch(pose=0.11), sketch(pose=0.21))},
        {"sketches": ()},
    ],
)
def test_frames_of_anything_else_are_in_the_way(tmp_path, change):
    written(tmp_path)
    other = frames(tmp_path, **change)
    with pytest.raises(InTheWay, match=r"3 files that are not frames .*Choose another place, or replace them") as told:
        other.done()
    assert told.value.what.endswith("frame_0003.png)")
    assert other.done(force=True) == [False] * 3 and len(list(tmp_path.iterdir())) == 3


def test_numbers_that_begin_elsewhere(tmp_path):
    numbering = Numbering.of(tmp_path / "x_##.png", first=99)
    assert [numbering.path(index).name for index in range(3)] == ["x_99.png", "x_100.png", "x_101.png"]
    for name in ("x_98.png", "x_100.png", "x_0100.png", "x_102.png", "x_a.png", "x_99.png.txt"):
        (tmp_path / name).write_bytes(b"mine")
    assert [path.name for _, path in numbering.files()] == ["x_98.png", "x_100.png", "x_102.png"]
    assert numbering.others(3) == [(-1, tmp_path / "x_98.png"), (3, tmp_path / "x_102.png")]
    assert numbering.present(3) == 1 and begun_with(numbering) is None
    assert begun_with(Numbering.of(tmp_path / "nowhere")) is None


def test_a_note_of_0_4_0_goes_with_the_frames_and_nothing_else_of_its_name(tmp_path):
    note = tmp_path / "mouthpiece-portrait.json"
    for text in ("[]", "{", '{"made_of": "x"}', "[" * 10_000):
        note.write_text(text)
        written(tmp_path).finish()
        assert note.exists() and not note_in(tmp_path)
    note.write_text(json.dumps({"format": 1, "made_of": "x", "name": "DSC_####.JPG", "first": 1, "count": 3}))
    (tmp_path / "DSC_0001.JPG").write_bytes(b"mine")
    frames(tmp_path).remove()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["DSC_0001.JPG", note.name]
    written(tmp_path)
    note.write_text(json.dumps({"format": 1, "made_of": "x", "name": "frame_####.png", "first": 1, "count": 3}))
    frames(tmp_path).remove()
    assert [path.name for path in tmp_path.iterdir()] == ["DSC_0001.JPG"]


def job(tmp_path, **changes):
    pixels = read_picture(FACE)
    placed = placed_in_box(110, 80, 215, 190).rounded()
    take = make_take(neutral=np.array(begun_take().neutral), landmarks=begun_take().landmarks, frames=10)
    given = {
        "picture": PortraitPicture.of_file(portrait_of(pixels, placed), placed, FACE),
        "motion": spoken(take, Fraction(25), take.seconds),
        "consent": CONSENT,
        "generator": None,
        "seal": Seal(None),
        "output": PortraitOutput(frames=Numbering.of(tmp_path / "out")),
        "longest": 64,
    }
    return PortraitJob(**(given | changes))


def begun_take(frames=10):
    """A resting face of 10 frames."""
    from mouthpiece.models.registry import find

    neutral = np.array(find("content").sidecar.neutral, np.float32)
    return make_take(frames, neutral=neutral, landmarks=np.repeat(neutral[None], frames, axis=0))


def drained(work):
    return list(work.steps())[-1]


def test_a_job_makes_frames_and_only_those_that_lack(tmp_path):
    first = job(tmp_path)
    done = drained(first)
    assert isinstance(done, PortraitMade) and done.rendered == 10 and done.size == (64, 64) == first.size
    assert [path.name for path in done.files] == [f"frame_{number:04}.png" for number in range(1, 11)]
    (tmp_path / "out" / "frame_0004.png").unlink()
    assert drained(job(tmp_path)).rendered == 1 and drained(job(tmp_path)).rendered == 0
    with pytest.raises(InTheWay):
        drained(job(tmp_path, marked=True))
    assert job(tmp_path, marked=True).objection() and not job(tmp_path).objection()
    replaced = PortraitOutput(frames=Numbering.of(tmp_path / "out"), replaces=True)
    assert drained(job(tmp_path, marked=True, output=replaced)).rendered == 10


def test_what_makes_no_sense_is_refused_when_the_job_is_made(tmp_path):
    for change, word in (
        ({"longest": 0}, "pixels long"),
        ({"longest": 5000}, "pixels long"),
        ({"quality": 0}, "quality"),
        ({"output": PortraitOutput()}, "Neither"),
    ):
        with pytest.raises(PictureError, match=word):
            job(tmp_path, **change)
    for fps, count in ((Fraction(0), 10), (Fraction(25), 0)):
        with pytest.raises(PictureError, match=r"frames per second|no frame"):
            FrameMotion(begun_take(), fps, count, ())


def test_what_is_read_is_never_written_over_though_it_may_be_replaced(tmp_path):
    there = tmp_path / "out" / "frame_0003.png"
    there.parent.mkdir()
    there.write_bytes(b"a take, say")
    output = PortraitOutput(frames=Numbering.of(tmp_path / "out"), replaces=True)
    with pytest.raises(PlaceError, match="cannot be the output as well"):
        drained(job(tmp_path, output=output, inputs=(there,)))
    assert there.read_bytes() == b"a take, say"


def test_motion_on_frames_is_that_of_the_take_as_a_scene_keeps_it():
    take = make_take(50, dials={"jaw": 0.5})
    motion = spoken(take, Fraction(25), take.seconds, 0.5)
    seen = unpack(pack(take)).final()
    assert motion.count == len(motion.performance) == 50 and motion.lines[0].dials == {"jaw": 0.5}
    assert motion.performance.arkit == pytest.approx(seen.arkit * 0.5)
    assert motion.performance.head == pytest.approx(seen.head * 0.5)
    assert motion.performance.landmarks == pytest.approx(seen.neutral + (seen.landmarks - seen.neutral) * 0.5, abs=1e-6)
    assert len(spoken(take, Fraction(24), 1.98).performance) == 48  # a frame that begins before the end is shown
    assert rate_of(None, None) == 25 and rate_of(None, make_take(5, fps=29.97)) == Fraction(2997, 100)
    assert rate_of(Fraction(24000, 1001), make_take(5)) == Fraction(24000, 1001)


def test_several_lines_are_each_recorded(tmp_path):
    lines = (LineFacts({"seed": 1}, {"lips": 0.5}, 1.0, "ab" * 32), LineFacts({"seed": 2}, {}, 0.9, "cd" * 32))
    whole = job(tmp_path)
    found = facts_of(replace(whole, motion=replace(whole.motion, lines=lines)))
    assert not found.sound_sha256 and found.options["lines"].count("sound_sha256") == 2
    assert facts_of(whole).sound_sha256 == "ab" * 32 and facts_of(whole).options["strength"] == 1.0


def test_large_pictures_are_looked_at_in_the_same_pixels(monkeypatch):
    tall = np.arange(LOOKED_AT * 2 + 7)[:, None, None] * np.ones((1, 3, 4), int)
    assert looked_at(tall)[:3, 0, 0].tolist() == [1, 4, 7] and looked_at(tall[:LOOKED_AT]).shape == (LOOKED_AT, 3, 4)
    pixels = read_picture(FACE)
    whole = sight_in(pixels, (320, 320), FaceRequest(1), "face")
    monkeypatch.setattr("mouthpiece.portrait.find.search.LOOKED_AT", 200)
    small = sight_in(pixels, (320, 320), FaceRequest(1), "face")
    assert np.abs(small.placed[0].landmarks[:, :2] - whole.placed[0].landmarks[:, :2]).max() < 4
    assert sorted(whole.networks) == ["face_detector_128", "face_landmarks_478"]


def test_frames_that_0_4_0_began_at_a_rate_and_strength_of_their_own(tmp_path):
    """It inferred takes at the frames' rate, and the strength left the head alone: its frames go on in that way."""
    output = PortraitOutput(frames=Numbering.of(tmp_path / "out"))
    whole = job(tmp_path)
    take = begun_take()
    take = replace(take, head=np.full((10, 6), 0.1), options={"fps": 30.0, "seed": 3})
    placed = whole.picture.placed
    now = replace(whole, motion=spoken(take, Fraction(30), take.seconds, 1.4))
    seen = take.final()
    before = replace(
        facts_of(now),
        software="Mouthpiece 0.4.0",
        options={
            "face_sha256": facts_of(now).options["face_sha256"],
            "strength": 1.4,
            "fps": "30",
            "frames": 12,
            "size": "64 x 64",
            "motion_sha256": FrameMotion(seen, Fraction(30), 12, ()).sha256(),
            "take": {"fps": 30.0, "seed": 3},
            "dials": {},
        },
    )
    assert begun_before.rate_before(output, Fraction(30), 25.0) == 25.0
    begun = Frames(output.frames, 12, before, Seal(None))
    begun.begin()
    begun.write(2, BLACK)
    assert begun_before.is_of_command(output) and not begun_before.is_of_scene(output)
    assert begun_before.rate_before(output, Fraction(30), 25.0) == 30.0
    assert begun_before.rate_before(output, Fraction(24), 25.0) == 25.0
    found = begun_before.command_job(now, take, placed, 1.4)
    assert found.recorded is not None and found.motion.count == 12 and found.motion.face_strength == 1.4
    assert found.frames().done() == [index == 2 for index in range(12)]
    for other in (replace(take, blink=np.ones((10, 2))), replace(take, dials={"jaw": 0.9})):
        assert begun_before.command_job(now, other, placed, 1.4).recorded is None
    assert begun_before.command_job(now, take, placed, 1.3).recorded is None


def test_verify_shows_no_sketches(tmp_path, capsys):
    drained(job(tmp_path))
    path = tmp_path / "out" / "frame_0002.png"
    assert core_cli.run(["verify", str(path), "--allow-unsigned"]) == 0
    lines = capsys.readouterr().out.splitlines()
    (options,) = [row for row in lines if row.startswith("  options")]
    assert "sketch " in options and max(map(len, options.split(", "))) < 60
