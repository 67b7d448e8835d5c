"""What is read is never written over, and no two results go to one file."""

import os
import sys
from pathlib import Path

import pytest
from mouthpiece.cli import parser as core_cli
from mouthpiece.errors import PlaceError
from mouthpiece.files.places import collisions, refuse_inputs
from mouthpiece.performance import Performance

from tests.material import make_take, tone


@pytest.fixture
def take(tmp_path):
    return make_take().save(tmp_path / "take.npz")


def ways_to(path):
    """Return paths that lead to a file: itself, from elsewhere, by a symbolic link, through a linked folder, hard."""
    folder = path.parent
    (folder / "sub").mkdir()
    (folder / "soft.npz").symlink_to(path.name)
    (folder / "linked").symlink_to(folder, target_is_directory=True)
    os.link(path, folder / "hard.npz")
    return [path, folder / "sub" / ".." / path.name, folder / "soft.npz", folder / "linked" / path.name,
            folder / "hard.npz"]  # fmt: skip


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_a_file_that_is_read_is_known_however_it_is_named(take):
    for place in ways_to(take):
        with pytest.raises(PlaceError, match="cannot be the output as well"):
            refuse_inputs([take.parent / "other", place], [take.parent / "none", take])
    refuse_inputs([take.parent / "new.npz"], [take])


def test_files_that_are_not_there_or_cannot_be_are_no_inputs(tmp_path):
    (tmp_path / "there").write_bytes(b"x")
    refuse_inputs(
        [tmp_path / "there", tmp_path / "n", Path("a\0b"), tmp_path / ("n" * 300)], [tmp_path / "none", Path("a\0b")]
    )


def test_places_that_are_shared_are_named_with_all_that_would_go_there(tmp_path):
    a, b, c = (tmp_path / name for name in ("a.wav", "a.flac", "c.wav"))
    shared = collisions([(a, tmp_path / "a.npz"), (c, tmp_path / "c.npz"), (b, tmp_path / "." / "a.npz")])
    assert shared == {tmp_path / "a.npz": [a, b]}
    assert not collisions({a: tmp_path / "a.npz", c: tmp_path / "c.npz"})


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere file systems may be blind to case")
def test_capitals_count_where_the_file_system_says_so(tmp_path, monkeypatch):
    pairs = [(tmp_path / "a.wav", tmp_path / "a.npz"), (tmp_path / "A.wav", tmp_path / "A.npz")]
    assert not collisions(pairs)
    monkeypatch.setattr("mouthpiece.files.places._is_blind_to_case", lambda folder: True)
    assert set(collisions(pairs)) == {tmp_path / "a.npz", tmp_path / "A.npz"}
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_adjust_never_applies_over_the_motion_as_heard(take, capsys):
    before = take.read_bytes()
    for place in ways_to(take):
        assert core_cli.run(["adjust", str(take), "--lips", "0.5", "--apply", "-o", str(place), "--force"]) == 1
        assert "cannot be the output as well" in capsys.readouterr().err and take.read_bytes() == before
    assert core_cli.run(["adjust", str(take), "--apply", "-o", str(take.with_suffix(""))]) == 1  # .npz is added
    assert core_cli.run(["adjust", str(take), "--lips", "0.5", "-o", str(take)]) == 0
    assert Performance.load(take).dials == {"lips": 0.5}


def test_animate_never_replaces_what_it_reads(wav, tmp_path, capsys):
    sound, other = wav(tone(0.3), name="a.npz", format="WAV"), wav(tone(0.3), name="b.wav")
    before = sound.read_bytes()
    for argv in (
        ["animate", str(sound), "-o", str(sound), "--force"],
        ["animate", str(other), str(sound), "-o", str(tmp_path), "--force", "--quiet"],
        ["animate", str(other), "--style-from", str(sound), "-o", str(sound), "--force"],
    ):
        assert core_cli.run(argv) == 1
        assert "cannot be the output as well" in capsys.readouterr().err and sound.read_bytes() == before


def test_two_sounds_that_end_in_one_take_are_both_named_and_the_rest_is_made(wav, tmp_path, capsys):
    one, two, third = wav(tone(0.3), name="a.wav"), wav(tone(0.3), name="a.flac"), wav(tone(0.3), name="b.wav")
    assert core_cli.run(["animate", str(one), str(third), str(two), "--quiet"]) == 1
    said = capsys.readouterr().err
    assert said.count("a.wav") == said.count("a.flac") and "would all be written to" in said
    assert not (tmp_path / "a.npz").exists() and (tmp_path / "b.npz").is_file()


def test_cues_never_replace_the_take_or_the_chart(take, tmp_path, capsys):
    chart = tmp_path / "chart.json"
    chart.write_text('{"name": "m", "shapes": [{"name": "A", "label": "a", "visemes": {"sil": 1}}]}')
    for place in (take, chart):
        before = place.read_bytes()
        argv = ["cues", str(take), "--set", str(chart), "--format", "json", "-o", str(place), "--force"]
        assert core_cli.run(argv) == 1
        assert "cannot be the output as well" in capsys.readouterr().err and place.read_bytes() == before
