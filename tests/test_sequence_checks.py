"""Folders of frames as `verify` sees them: what was exchanged, left out, slipped in or made otherwise is named."""

import json
import shutil
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from mouthpiece.cli import parser as core_cli
from mouthpiece.portrait.consent import Consent
from mouthpiece.provenance import certificates, png, sequence_checks, sketches
from mouthpiece.provenance.credentials import Seal
from mouthpiece.provenance.facts import Facts
from mouthpiece.provenance.sequence_checks import pictures_of, verified_sequence
from mouthpiece.provenance.verification import Verified
from mouthpiece.provenance.xmp import packet_of

COUNT = 6
OPTIONS = {"fps": "25", "frames": COUNT, "size": "8 x 8", "strength": 1.0, "take": {"seed": 3}, "face_sha256": "1"}
FACTS = Facts(
    Consent("I am the person shown", "own", "Ada"), "Mouthpiece 1", "2026-11-25T16:00:00Z", options=OPTIONS,
    networks={"content": "ab" * 32, "face_detector_128": "cd" * 32},
)  # fmt: skip


@pytest.fixture(scope="module")
def identities(tmp_path_factory):
    pytest.importorskip("c2pa")
    return [certificates.own_identity(tmp_path_factory.mktemp("settings")) for _ in range(2)]


def sketch(index, level=90):
    picture = sketches.of_picture(np.full((8, 8, 4), (level, level, level, 255), np.uint8))
    face, pose = (sketches.of_numbers(np.full((1, 9), value, float))[0] for value in (0.3, index / 10))
    return sketches.joined(picture, face, pose)


def sealed(path, index, identity, **changes):
    """Write a frame of a film, or what somebody would like to pass for one."""
    options = {**FACTS.options, "sketch": sketch((index or 0) % 10), **changes.pop("options", {})}
    side = changes.pop("side", 8)
    facts = replace(FACTS, **{"frame": index, "options": options} | changes)
    path.write_bytes(Seal(identity).frame(np.full((side, side, 3), (index or 0) % 256, np.uint8), facts))


@pytest.fixture
def folder(tmp_path, identities):
    made = tmp_path / "frames"
    made.mkdir()
    for index in range(COUNT):
        sealed(made / f"a_{index + 11:04}.png", index, identities[0])
    return made


def checked(capsys, folder, *more):
    """Run `verify`; return its exit code and what it says of the folder."""
    code = core_cli.run(["verify", "--json", "--quiet", *more, str(folder)])
    (result,) = json.loads(capsys.readouterr().out)["results"]
    assert result["ok"] == (code == 0)
    return code, result


def test_a_whole_sequence_is_in_order_and_says_which_frames_it_has(folder, capsys):
    code, result = checked(capsys, folder)
    assert code == 0 and result["valid"] and result["problems"] == [] and result["not_looked_at"] == []
    (one,) = result["sequences"]
    assert (one["name"], one["first"], one["last"], one["of"]) == ("a_####.png", 1, COUNT, COUNT)
    assert [(row["frames"], len(row["certificate_sha256"])) for row in one["signers"]] == [(COUNT, 64)]
    assert core_cli.run(["verify", str(folder)]) == 0
    assert "a_####.png: frames 1 to 6 of 6, in order" in capsys.readouterr().out


def rename(folder, names):
    """Give files the names of others: number -> number of the file whose content it gets."""
    content = {number: (folder / f"a_{number:04}.png").read_bytes() for number in names.values()}
    for number, other in names.items():
        (folder / f"a_{number:04}.png").write_bytes(content[other])


def exchanged(folder, identities):
    rename(folder, {12: 13, 13: 12})


def reversed_(folder, identities):
    rename(folder, {number: 27 - number for number in range(11, 17)})


def doubled(folder, identities):
    rename(folder, {12: 13})


def doubled_under_another_name(folder, identities):
    shutil.copy(folder / "a_0012.png", folder / "a_012.png")


def without_the_middle(folder, identities):
    (folder / "a_0013.png").unlink()


def without_the_beginning(folder, identities):
    for number in (11, 12):
        (folder / f"a_{number:04}.png").unlink()


def without_the_end(folder, identities):
    for number in (15, 16):
        (folder / f"a_{number:04}.png").unlink()


def closed_gap(folder, identities):
    """Frame 3 was taken out, and those behind it moved up."""
    rename(folder, {13: 14, 14: 15, 15: 16})
    (folder / "a_0016.png").unlink()


def another(**changes):
    def change(folder, identities):
        sealed(folder / "a_0013.png", 2, identities[0], **changes)

    return change


def a_still(folder, identities):
    sealed(folder / "a_0013.png", None, identities[0])


def a_signed_photo(folder, identities):
    """Signed, and without a record of ours: such as a camera's."""
    (folder / "a_0013.png").write_bytes(png.encoded(np.full((8, 8, 3), 99, np.uint8)))
    Seal(identities[0]).put(folder / "a_0013.png", FACTS)
    data = (folder / "a_0013.png").read_bytes()
    start = data.index(b"iTXt") - 4
    stop = start + 12 + int.from_bytes(data[start : start + 4], "big")
    (folder / "a_0013.png").write_bytes(data[:start] + data[stop:])


def an_unsigned_photo(folder, identities):
    (folder / "a_0013.png").write_bytes(png.encoded(np.full((8, 8, 3), 99, np.uint8)))


def another_signer(folder, identities):
    sealed(folder / "a_0013.png", 2, identities[1])


def unsigned(folder, identities):
    sealed(folder / "a_0013.png", 2, None)


def a_record_copied_to_other_pixels(folder, identities):
    path = folder / "a_0013.png"
    whole = png.content_digest(path)
    facts = replace(FACTS, frame=2, options={**FACTS.options, "sketch": sketch(2)}, signature="self-signed")
    path.write_bytes(png.encoded(np.full((8, 8, 3), 99, np.uint8), packet_of(facts.of_content(whole))))


CHANGES = [
    (exchanged, "The order is not that of the film: a_0012.png is frame 3 and a_0013.png is frame 2."),
    (reversed_, "The order is not that of the film"),
    (doubled, "Frames are there more than once: a_0013.png"),
    (doubled, "1 frame of the sequence is missing (counted from 1: 2)"),
    (doubled_under_another_name, "Frames are there more than once"),
    (without_the_middle, "1 frame of the sequence is missing (counted from 1: 3)"),
    (without_the_beginning, "2 frames of the sequence are missing (counted from 1: 1 to 2)"),
    (without_the_end, "2 frames of the sequence are missing (counted from 1: 5 to 6)"),
    (closed_gap, "The order is not that of the film: a_0011.png is frame 1 and a_0012.png is frame 2."),
    (another(options={"strength": 1.2}), "Of another film, or made otherwise (strength): a_0013.png"),
    (another(options={"take": {"seed": 4}}), "made otherwise (take): a_0013.png"),
    (another(options={"fps": "24"}), "made otherwise (frame rate): a_0013.png"),
    (another(options={"size": "9 x 9"}, side=9), "made otherwise (size): a_0013.png"),
    (another(side=9), "The picture has 9 x 9 pixels, its record says 8 x 8."),
    (another(networks={"content": "ef" * 32}), "made otherwise (networks): a_0013.png"),
    (another(options={"sketch": sketch(2, level=120)}), "made otherwise (picture or face): a_0013.png"),
    (another(consent=Consent("somebody else has agreed to it")), "made otherwise (consent): a_0013.png"),
    (another(marked=True), "made otherwise (visible mark): a_0013.png"),
    (another(sound_sha256="ab" * 32), "made otherwise (sound): a_0013.png"),
    (a_still, "Numbered as frames, but without the record of one: a_0013.png"),
    (a_signed_photo, "The metadata that names the file synthetic was taken out"),
    (an_unsigned_photo, "Numbered as frames, but without the record of one: a_0013.png"),
    (another_signer, "Signed by 'Mouthpiece (self-signed), Self-signed on this computer, identity not verified'"),
    (unsigned, "Signed by nobody"),
    (a_record_copied_to_other_pixels, "Pictures or sound are not those the record was made for"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "words"), CHANGES, ids=lambda value: getattr(value, "__name__", ""))
def test_a_changed_sequence_is_not_in_order_and_says_why(folder, identities, capsys, change, words):
    change(folder, identities)
    code, result = checked(capsys, folder, "--allow-unsigned")
    assert code == 1 and not result["valid"]
    assert any(words in problem for problem in result["problems"]), result["problems"]
    assert core_cli.run(["verify", "--allow-unsigned", str(folder)]) == 1
    assert words in capsys.readouterr().out


def test_what_differs_from_release_to_release_does_not_count(folder, identities, capsys):
    """Hashes that numpy's last digits change, networks that found the face, version and moment."""
    changes = {"software": "Mouthpiece 2", "created": "2027-01-01T00:00:00Z", "networks": {"content": "ab" * 32}}
    sealed(folder / "a_0013.png", 2, identities[0], options={"face_sha256": "2", "fps": "25.00001"}, **changes)
    assert checked(capsys, folder)[0] == 0


def test_sequences_of_several_names_are_checked_by_themselves(folder, identities, capsys):
    for index in range(4):
        sealed(folder / f"shot2_{index:03}_v3.png", index, identities[1], options={"frames": 4, "strength": 0.5})
    sealed(folder / "poster.png", None, identities[1])
    (folder / "notes.txt").write_text("mine")
    (folder / ".hidden.png").write_bytes(b"")
    (folder / "below").mkdir()
    code, result = checked(capsys, folder)
    assert code == 0 and result["not_looked_at"] == ["below", "notes.txt"]
    found = {one["name"]: (one["first"], one["last"], one["of"], one["frames"]) for one in result["sequences"]}
    assert found == {"a_####.png": (1, 6, 6, 6), "poster.png": (0, 0, 0, 1), "shot2_####_v3.png": (1, 4, 4, 4)}
    (folder / "shot2_001_v3.png").unlink()
    code, result = checked(capsys, folder)
    assert code == 1 and [one["ok"] for one in result["sequences"]] == [True, True, False]
    assert result["problems"] == ["shot2_####_v3.png: 1 frame of the sequence is missing (counted from 1: 2)."]
    assert core_cli.run(["verify", str(folder)]) == 1
    said = capsys.readouterr().out
    assert "3 sequences, each checked by itself" in said and "no PNG pictures: below and notes.txt" in said
    (folder / "poster.png").write_bytes(png.encoded(np.zeros((8, 8, 3), np.uint8)))
    code, result = checked(capsys, folder)
    assert result["not_valid"] == ["poster.png"]


def test_a_file_that_cannot_be_read_is_one_of_them(folder, capsys):
    (folder / "a_0013.png").write_bytes(b"\xff\xd8\xff\xe0 a JPEG")
    (folder / "a_0014.png").write_bytes((folder / "a_0014.png").read_bytes()[:50])
    code, result = checked(capsys, folder)
    assert code == 1 and result["not_valid"] == ["a_0013.png", "a_0014.png"] and result["frames"] == COUNT
    assert any("cut off" in problem for problem in result["problems"])


@pytest.mark.parametrize("number", [10**9, 2**62])
def test_absurd_numbers_cost_nothing(folder, identities, capsys, number):
    tracemalloc.start()
    sealed(folder / "a_0013.png", number, identities[0], options={"sketch": sketch(2)})
    for index in range(COUNT):
        if index != 2:
            sealed(folder / f"a_{index + 11:04}.png", index, identities[0], options={"frames": number})
    code, result = checked(capsys, folder)
    assert code == 1 and result["sequences"][0]["last"] == number + 1
    assert any("frames of the sequence are missing" in problem for problem in result["problems"])
    for said in ("many", True, None, -3, 1.5):
        for index in range(COUNT):
            sealed(folder / f"a_{index + 11:04}.png", index, identities[0], options={"frames": said})
        assert checked(capsys, folder)[0] == 0
    assert tracemalloc.get_traced_memory()[1] < 20_000_000
    tracemalloc.stop()


def test_thousands_of_frames_are_read_one_after_the_other(tmp_path, monkeypatch):
    count = 5000
    facts = [replace(FACTS, frame=index, options={**FACTS.options, "frames": count}) for index in (0, 1)]
    seen = []

    def read(path, anchors):
        index = len(seen)
        seen.append(path)
        return Verified(path, facts=replace(facts[index % 2], frame=index), signature="valid", signer="x")

    monkeypatch.setattr(sequence_checks, "verified", read)
    paths = [tmp_path / f"f_{index:04}.png" for index in range(count)]
    tracemalloc.start()
    steps = verified_sequence("f_####.png", paths)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found = end.value
            break
    assert tracemalloc.get_traced_memory()[1] < 8_000_000  # a thousandth of what the frames would take
    tracemalloc.stop()
    assert found.ok and found.extent == "frames 1 to 5000 of 5000" and seen == paths


def test_a_number_in_the_name_that_stays_is_part_of_the_name(tmp_path):
    for name in ("s1_01.png", "s1_02.png", "s1_10.png", "v2.png", "take3_1_b4.png", "take3_2_b4.png", "x.PNG"):
        (tmp_path / name).write_bytes(b"")
    groups = {name: [path.name for path in paths] for name, paths in pictures_of(tmp_path).groups}
    assert groups == {
        "s1_####.png": ["s1_01.png", "s1_02.png", "s1_10.png"],
        "take3_####_b4.png": ["take3_1_b4.png", "take3_2_b4.png"],
        "v####.png": ["v2.png"],
        "x.PNG": ["x.PNG"],
    }
