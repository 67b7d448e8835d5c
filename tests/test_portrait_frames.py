"""Frames of a portrait: which are taken for done, sketches, the request's own checks, and what 0.4.0 had begun."""

import base64
import hashlib
import json
import os
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
from mouthpiece.portrait.film_job import (
    FilmToEncode,
    PortraitJob,
    PortraitMade,
    PortraitOutput,
    PortraitPicture,
    facts_of,
)
from mouthpiece.portrait.find.placement import placed_in_box
from mouthpiece.portrait.find.search import LOOKED_AT, FaceRequest, looked_at, sight_in
from mouthpiece.portrait.frame_motion import FrameMotion, LineFacts, rate_of, spoken
from mouthpiece.portrait.images import read_picture
from mouthpiece.portrait.portrait import portrait_of
from mouthpiece.provenance import certificates, png, records, sketches
from mouthpiece.provenance.credentials import Seal
from mouthpiece.provenance.facts import Facts
from mouthpiece.provenance.sequences import Frames, InTheWay, Numbering, Standing, begun_with, note_in

from tests import test_provenance
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
    numbering = Numbering.of(folder / given.get("name", "frame_####.png"))
    return Frames(numbering, 3, given["facts"], given.get("seal", Seal(None)), given["sketches"])


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


def test_two_portraits_in_one_folder_leave_each_other_alone(tmp_path):
    ada, bob = (frames(tmp_path, name=f"{name}_##.png") for name in ("ada", "bob"))
    for one in (ada, bob):
        one.begin()
        for index in range(3):
            one.write(index, BLACK)
    shorter = Frames(bob.numbering, 2, facts(marked=True), Seal(None), bob.sketches[:2])
    there = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    for attempt in (shorter.done, shorter.begin, lambda: shorter.write(0, BLACK)):
        with pytest.raises(InTheWay):
            attempt()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == there
    assert shorter.done(force=True) == [False] * 2
    shorter.begin(force=True)
    shorter.write(0, BLACK, force=True)
    now = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert sorted(now) == ["ada_01.png", "ada_02.png", "ada_03.png", "bob_01.png", "bob_02.png"]
    assert {name for name in now if now[name] != there[name]} == {"bob_01.png"}
    shorter.remove()  # takes away its own frame alone: the other is of what was there before
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted({*now} - {"bob_01.png"})


def a_text(path, elsewhere):
    path.write_text("mine")


def a_picture(path, elsewhere):
    path.write_bytes(png.encoded(BLACK))


def a_folder(path, elsewhere):
    path.mkdir()


def a_dangling_link(path, elsewhere):
    path.symlink_to(elsewhere / "nothing")


def a_link_to_a_picture(path, elsewhere):
    (elsewhere / "mine.png").write_bytes(png.encoded(BLACK))
    path.symlink_to(elsewhere / "mine.png")


def a_link_to_another_portrait(path, elsewhere):
    path.symlink_to(written(elsewhere, facts=facts(marked=True)).numbering.path(0))


def a_pipe(path, elsewhere):
    os.mkfifo(path)


def a_cut_off_picture(path, elsewhere):
    path.write_bytes(written(elsewhere).numbering.path(0).read_bytes()[:50])


FOREIGN = (
    a_text, a_picture, a_folder, a_dangling_link, a_link_to_a_picture, a_link_to_another_portrait, a_pipe,
    a_cut_off_picture,
)  # fmt: skip


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
@pytest.mark.parametrize("put", FOREIGN)
@pytest.mark.parametrize("index", [1, 3])
def test_what_is_not_ours_is_never_replaced_or_taken_away(tmp_path, put, index):
    """Whether it was there before, or came while frames were rendered; under the name of a frame, or of one more."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    made = written(tmp_path / "out")
    path = made.numbering.path(index)
    path.unlink(missing_ok=True)
    put(path, elsewhere)
    state = os.lstat(path)
    there = {file: file.read_bytes() for file in elsewhere.iterdir()}
    for force in (False, True):
        for attempt in (made.done, made.begin, lambda force: made.write(1, BLACK, force)):
            if index == 3 and attempt not in (made.done, made.begin):
                continue
            if index == 1 and attempt == made.begin:
                continue
            with pytest.raises(PictureError, match="Move it away") as error:
                attempt(force)
            assert not isinstance(error.value, InTheWay)
    if index == 3:
        made.numbering.path(0).unlink()  # so that a glance falls on what is beyond
    with pytest.raises(PictureError, match="Move it away"):
        made.objection()
    made.remove()
    assert os.lstat(path) == state and {file: file.read_bytes() for file in elsewhere.iterdir()} == there
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_link_to_the_very_frame_is_as_good_as_it_and_stays(tmp_path):
    made = written(tmp_path / "out")
    path = made.numbering.path(1)
    path.rename(tmp_path / "annexed.png")
    path.symlink_to(tmp_path / "annexed.png")
    assert made.done() == [True] * 3
    made.remove()
    assert (tmp_path / "annexed.png").exists() and path.is_symlink()


def test_frames_by_another_signer_are_replaced_only_when_that_is_asked_for(tmp_path):
    pytest.importorskip("c2pa")
    one, other = (Seal(certificates.own_identity(tmp_path / name)) for name in ("one", "other"))
    made = frames(tmp_path / "out", seal=one)
    made.begin()
    for index in range(3):
        made.write(index, BLACK)
    assert made.done() == [True] * 3
    with pytest.raises(InTheWay, match=r"3 files .*: they are signed with another certificate\. .*--force"):
        frames(tmp_path / "out", seal=other).done()
    assert frames(tmp_path / "out", seal=other).done(force=True) == [False] * 3
    path = made.numbering.path(1)
    data = path.read_bytes()
    start = data.index(b"caBX") - 4
    path.write_bytes(data[:start] + data[start + 12 + int.from_bytes(data[start : start + 4], "big") :])
    assert made.standing(1) is Standing.OURS  # its credentials were taken out
    comment = png._chunk(b"tEXt", b"Comment\0mine")
    path.write_bytes(data[:-12] + comment + data[-12:])
    assert made.standing(1) is Standing.OURS  # changed since it was signed
    path.write_bytes(data)
    assert made.standing(1) is Standing.DONE


def test_what_two_runs_write_at_once_is_written_once(tmp_path):
    made = written(tmp_path)
    times = [made.numbering.path(index).stat().st_mtime_ns for index in range(3)]
    for index in range(3):
        made.write(index, BLACK)
    assert times == [made.numbering.path(index).stat().st_mtime_ns for index in range(3)]


@pytest.mark.parametrize("rate", ["1e999999999", "9" * 400, "1/0", "nan", None, [1], "1e-5"])
def test_rates_that_make_no_sense_cost_nothing(tmp_path, rate):
    made = written(tmp_path)
    assert not made.fits(replace(made.record(0), options={**made.record(0).options, "fps": rate}), 0)


def test_a_film_replaces_only_what_was_agreed_to(tmp_path):
    film = tmp_path / "a.mp4"

    def encoded(output, meanwhile=None):
        for message in job(tmp_path, output=output).steps():
            if isinstance(message, FilmToEncode):
                assert sum(1 for _ in message.images) == message.count
                test_provenance.film(message.place)
                if meanwhile:
                    meanwhile()
        return message

    assert encoded(PortraitOutput(film)).path == film
    whole = film.read_bytes()
    with pytest.raises(InTheWay, match="exists"):
        encoded(PortraitOutput(film))
    film.unlink()
    with pytest.raises(PictureError, match=r"came there while .* The film is '.*a-3\.mp4'"):
        encoded(PortraitOutput(film), lambda: [(tmp_path / name).write_text("mine") for name in ("a.mp4", "a-2.mp4")])
    assert film.read_text() == (tmp_path / "a-2.mp4").read_text() == "mine"
    assert records.read(tmp_path / "a-3.mp4").facts.options["frames"] == 10
    assert encoded(PortraitOutput(film, replaces=True)).path == film and len(film.read_bytes()) == len(whole)
    film.unlink()
    film.symlink_to(tmp_path / "nowhere")
    with pytest.raises(InTheWay, match="exists"):
        encoded(PortraitOutput(film))


def test_what_cannot_be_recorded_is_refused_before_anything_is_rendered(tmp_path):
    whole = job(tmp_path)
    take = replace(begun_take(), options={"style": {"name": "Ada\uffff"}})
    wrong = replace(whole, motion=spoken(take, Fraction(25), take.seconds))
    with pytest.raises(PictureError, match=r"option 'take\.style\.name'"):
        drained(wrong)
    with pytest.raises(PictureError, match=r"option 'take\.style\.name'"):
        drained(replace(wrong, output=PortraitOutput(tmp_path / "a.mp4")))
    assert list(tmp_path.iterdir()) == []


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
