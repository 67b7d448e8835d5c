"""Texts on the command line: takes with their words, and what happens to a text that does not fit."""

import json
import shutil

import numpy as np
import pytest
from mouthpiece.cli import parser as core_cli
from mouthpiece.performance import Performance
from mouthpiece.phones.segmentation import heard
from mouthpiece.recent_takes import recent

from tests.material import DEMO_LINE, posteriors_of

pytest.importorskip("espeakng_loader")

SAID = "_ h ɛ l oʊ _ _ w ɝ l d _"


@pytest.fixture
def sound(tmp_path, monkeypatch):
    """A sound in which the listener hears "hello world", whatever is in it."""
    speech = heard(posteriors_of(SAID)[0])
    monkeypatch.setattr("mouthpiece.pipeline.segmentation.heard", lambda *_: speech)
    recent.clear()
    yield shutil.copy(DEMO_LINE, tmp_path / "line.flac")
    recent.clear()


def animate(capsys, *words):
    code = core_cli.run(["animate", *map(str, words), "--json", "--quiet"])
    said = capsys.readouterr()
    return code, json.loads(said.out.splitlines()[-1])["results"], said.err


def words_of(path):
    return [word.label for word in Performance.load(path).speech.words]


def test_a_take_is_made_with_its_text(sound, tmp_path, capsys):
    text = tmp_path / "said.txt"
    text.write_text("Hello, world!", encoding="utf-8")
    for said in ("Hello, world!", text):
        code, (result,), _ = animate(capsys, sound, "--text", said)
        assert code == 0 and words_of(result["output"]) == ["Hello", "world"]
        assert result["text"]["agreement"] == 1 and result["text"]["language"] == "en-us"


def test_without_a_text_a_take_has_what_is_heard(sound, capsys):
    _, (result,), _ = animate(capsys, sound)
    take = Performance.load(result["output"])
    assert [phone.label for phone in take.speech.phones] == SAID.replace("_", "").split()
    assert take.tongue.any() and "text" not in result


@pytest.mark.parametrize(
    ("text", "language", "told"),
    [
        ("Über sieben Brücken musst du gehen", "de", "does not fit"),
        ("...", "", "empty"),
        ("Hello, world!", "xx", "'xx'"),
    ],
)
def test_a_text_that_cannot_be_used_loses_nothing(sound, tmp_path, capsys, text, language, told):
    _, (plain,), _ = animate(capsys, sound, "-o", tmp_path / "plain.npz")
    code, (result,), err = animate(capsys, sound, "-o", tmp_path / "t.npz", "--text", text, "--language", language)
    assert code == 1 and not result["ok"] and told in result["text"]["error"] and told in err
    take, wanted = Performance.load(result["output"]), Performance.load(plain["output"])
    np.testing.assert_array_equal(take.landmarks, wanted.landmarks)
    assert take.speech.phones == wanted.speech.phones and not take.speech.text


def test_each_sound_has_its_text_in_a_folder(sound, tmp_path, capsys):
    other = shutil.copy(sound, tmp_path / "other.flac")
    texts = tmp_path / "texts"
    texts.mkdir()
    (texts / "line.txt").write_text("Hello, world!", encoding="utf-8")
    code, results, err = animate(capsys, sound, other, "--text", texts)
    assert code == 1 and [result["ok"] for result in results] == [True, False]
    assert words_of(results[0]["output"]) == ["Hello", "world"] and "other.srt" in err
    code, results, err = animate(capsys, sound, other, "--text", "Hello")
    assert code == 1 and not any(result["ok"] for result in results) and "folder" in err


def test_a_text_is_never_written_over(sound, tmp_path, capsys):
    text = tmp_path / "line.txt"
    text.write_text("Hello, world!", encoding="utf-8")
    code, (result,), _ = animate(capsys, sound, "--text", text, "-o", text.with_suffix(".npz"))
    assert code == 0
    path = Performance.load(result["output"]).save(tmp_path / "take.npz")
    grid = tmp_path / "x.TextGrid"
    shutil.copy(text, grid)
    assert core_cli.run(["phones", str(path), "--text", str(grid), "-o", str(grid), "--force"]) == 1
    assert grid.read_text(encoding="utf-8") == "Hello, world!"


def batch(tmp_path, capsys, table):
    (tmp_path / "cast.csv").write_text(table, encoding="utf-8")
    code = core_cli.run(["batch", str(tmp_path / "cast.csv"), "-o", str(tmp_path / "takes"), "--json", "--quiet"])
    return code, json.loads(capsys.readouterr().out.splitlines()[-1])["lines"]


def test_transcripts_of_a_cast_are_aligned(sound, tmp_path, capsys):
    code, (line,) = batch(tmp_path, capsys, "character,audio,text\nAnna,line.flac,Hello world\n")
    assert code == 0 and line["state"] == "made" and words_of(line["take"]) == ["Hello", "world"]
    code, (line,) = batch(tmp_path, capsys, "character,audio,text\nAnna,line.flac,Hello world\n")
    assert line["state"] == "up to date"
    code, (line,) = batch(tmp_path, capsys, "character,audio,text\nAnna,line.flac,Hello word\n")
    assert code == 0 and line["state"] == "made" and words_of(line["take"]) == ["Hello", "word"]


def test_transcripts_of_turns_are_aligned_in_their_times(sound, tmp_path, capsys):
    table = "character,audio,begin,end,text\nAnna,line.flac,0,0.6,Hello\nBen,line.flac,0.6,1.2,world\n"
    code, lines = batch(tmp_path, capsys, table)
    assert code == 0 and {words for line in lines for words in words_of(line["take"])} == {"Hello", "world"}


def test_a_transcript_that_does_not_fit_is_told_and_stops_nothing(sound, tmp_path, capsys):
    code, (line,) = batch(tmp_path, capsys, "character,audio,text\nAnna,line.flac,Quite another thing altogether\n")
    assert code == 0 and line["state"] == "made" and words_of(line["take"]) == []
    assert any("transcript was not used" in warning for warning in line["warnings"])
