"""Judging everybody by a network that never heard them."""

import json
from dataclasses import replace

import pytest

pytest.importorskip("torch")
pytest.importorskip("safetensors")
pytest.importorskip("av")
pytest.importorskip("cv2")

from tests.training_material import noise_pack
from training.content.config import ContentConfig
from training.content.corpus import Corpus, load_corpus
from training.content.networks import ContentShape
from training.content.run import ContentRun
from training.measures.score import synthetic_face
from training.pack import clips
from training.studies import crossfit

TINY = {"projection": 8, "hidden": 6, "layers": 1, "basis": 4, "dropout": 0.0, "deafness": 0.0}


def test_videos_of_one_person_are_never_on_both_sides():
    speakers = [f"id-anna-{n:04d}" for n in (7, 8, 9)] + [f"anchor-{n:02d}" for n in range(9)] + ["", "wth-joe"]
    folds = crossfit.fold_speakers(speakers, 3)
    assert sorted(s for fold in folds for s in fold) == sorted(s for s in speakers if s)
    assert sum(any("anna" in s for s in fold) for fold in folds) == 1
    assert len({crossfit.person(s) for s in speakers}) == 1 + 9 + 1 + 1
    assert folds == crossfit.fold_speakers(speakers[::-1], 3) and folds != crossfit.fold_speakers(speakers, 3, seed=1)


def test_a_fold_is_left_out_of_every_rendition_and_silence_stays():
    class Heard:
        def __init__(self, speaker):
            self.speaker = speaker

    corpus = Corpus(synthetic_face(), [[Heard("a"), Heard(""), Heard("b")], [Heard("b"), Heard("a")]], [])
    rest = crossfit.without(corpus, {"b"})
    assert [[s.speaker for s in rendition] for rendition in rest.train] == [["a", ""], ["a"]]


@pytest.fixture
def pack(tmp_path, rng):
    """Six people of six seconds each to train, one to validate."""
    return noise_pack(tmp_path, rng, 7, 1, 150)


def test_everybody_is_judged_once_and_finished_folds_are_kept(pack, tmp_path, capsys, caplog):
    config = {"steps": 2, "window": 50, "batch": 2, "evaluate_every": 1, "renditions": 1, "tuning": 0.1, "shape": TINY}
    (tmp_path / "tiny.json").write_text(json.dumps(config), encoding="utf-8")
    arguments = ["--data", str(pack), "--cache", str(tmp_path / "cache"), "--out", str(tmp_path / "folds")]
    arguments += ["--config", str(tmp_path / "tiny.json")]
    assert crossfit.main([*arguments, "--only", "1"]) == 0
    assert "2 clips of 2 people" in capsys.readouterr().out
    assert crossfit.main(arguments) == 0
    told = capsys.readouterr().out
    assert "6 clips of 6 people" in told and all(f"| person-{n} (1) |" in told for n in range(6))
    assert (tmp_path / "folds" / "fold-1-of-3" / "best.safetensors").is_file()
    (tmp_path / "folds" / "fold-1-of-3" / "best.safetensors").unlink()
    assert crossfit.main(arguments) == 0 and capsys.readouterr().out == told


def test_a_missing_pack_is_an_error_not_a_traceback(tmp_path, caplog):
    arguments = ["--data", str(tmp_path), "--cache", str(tmp_path), "--out", str(tmp_path / "folds")]
    assert crossfit.main(arguments) == 1 and "index.tsv" in caplog.text


def test_a_fold_is_judged_by_the_best_of_its_run(pack, tmp_path):
    config = ContentConfig(steps=2, window=50, batch=2, evaluate_every=1, renditions=1, shape=ContentShape(**TINY))
    run = ContentRun(config, load_corpus(pack, tmp_path / "cache", config), tmp_path / "run")
    run.train()
    (own,) = [clip for clip in clips.load_split(pack, "train") if clip.speaker == "person-3"]
    rows = crossfit.fold_rows(run, [replace(own, speaker="anna-0001")])
    assert rows["static"][0]["r_open"] == 0 and rows["ours"][0]["speaker"] == "anna"
    assert {"r_open", "D_LL", "closure_recall"} <= rows["ours"][0].keys()
