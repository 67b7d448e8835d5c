"""The yardstick measures what it says."""

import json

import numpy as np
import pytest

from tests.material import SHARED
from training.measures import score


def test_the_selftest_passes(capsys):
    assert score.selftest() == 0
    assert "all passed" in capsys.readouterr().out


def test_lost_frames_do_not_count(rng):
    track = score.synthetic_track(0.1 + 0.1 * np.sin(np.arange(100) / 4), score.synthetic_face()) * 100
    holes = track.copy()
    holes[30:40] = np.nan
    wrong = track.copy()
    wrong[31:39, 62:68, 1] += 50
    figures = score.score({"landmarks": holes}, {"landmarks": wrong})
    assert figures["r_open"] == pytest.approx(1, abs=1e-6)
    assert figures["D_LL"] == pytest.approx(0, abs=1e-6)


def test_closures_pool_over_clips():
    rows = [
        {"r_open": 0.5, "closure_n": 9, "closure_recall": 1.0},
        {"r_open": 0.7, "closure_n": 1, "closure_recall": 0.0},
        {"r_open": 0.6, "closure_n": 0, "closure_recall": None},
    ]
    mean = score.mean_rows(rows)
    assert mean["closure_recall"] == pytest.approx(0.9)
    assert mean["r_open"] == pytest.approx(0.6)


def test_command_line_scores_files(tmp_path, capsys):
    track = score.synthetic_track(0.1 + 0.1 * np.sin(np.arange(100) / 4), score.synthetic_face()) * 100
    np.savez(tmp_path / "a.npz", landmarks=track, valid=np.ones(100, bool))
    np.savez(tmp_path / "b.npz", landmarks=track[:90])
    (tmp_path / "list.tsv").write_text(f"{tmp_path / 'a.npz'}\t{tmp_path / 'b.npz'}\n")
    assert score.main(["score", str(tmp_path / "a.npz"), str(tmp_path / "b.npz"), "--smooth", "5"]) == 0
    assert json.loads(capsys.readouterr().out)["n_frames"] == 90
    assert score.main(["batch", str(tmp_path / "list.tsv"), "--identity", "transfer"]) == 0
    assert json.loads(capsys.readouterr().out)["mean"]["r_open"] == pytest.approx(1, abs=1e-3)


@pytest.mark.skipif(not (SHARED / "tools" / "score.py").is_file(), reason="the original yardstick is not here")
def test_agrees_with_the_original_yardstick(rng):
    import importlib.util

    spec = importlib.util.spec_from_file_location("original", SHARED / "tools" / "score.py")
    original = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(original)
    face = score.synthetic_face()
    tracks = [score.synthetic_track(0.2 * np.abs(np.cumsum(rng.normal(0, 0.1, 120))), face) for _ in range(2)]
    tracks = [100 * track + rng.normal(0, 0.3, track.shape) for track in tracks]
    for identity in ("same", "transfer"):
        ours = score.score({"landmarks": tracks[0]}, {"landmarks": tracks[1]}, identity, 5, pose=False)
        theirs = original.score({"landmarks": tracks[0]}, {"landmarks": tracks[1]}, identity, smooth=5)
        for key, value in ours.items():
            assert value == pytest.approx(theirs[key], abs=1e-6), key
