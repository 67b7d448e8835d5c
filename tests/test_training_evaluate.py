"""The table of figures, on a small made-up pack."""

import json
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("av")
pytest.importorskip("cv2")

from mouthpiece.features import FRAME_SAMPLES

from tests.training_material import noise_pack
from training.content import evaluate
from training.content.targets import ClipTarget
from training.measures import baselines
from training.measures.score import synthetic_face
from training.pack import clips


@pytest.fixture
def pack(tmp_path, rng):
    """Nine people to train, three to validate."""
    return noise_pack(tmp_path, rng, 12, 3, 100)


def test_all_systems_are_judged_on_the_same_clips(pack, capsys):
    assert evaluate.main(["--data", str(pack), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["clips"] == 3
    assert sorted(result["speakers"]) == ["person-10", "person-11", "person-9"]
    static, ridge = result["systems"]["static"], result["systems"]["log-mel ridge"]
    assert static["r_open"] == 0
    assert static["D_LL"] > ridge["D_LL"]
    assert ridge["r_open"] > 0.9  # loudness tells all in this world
    assert {"ours", "ours, every speaker once"} <= result["systems"].keys()


def test_sounds_can_be_put_in_time_before_judging(pack, tmp_path, capsys, monkeypatch):
    def loudness(_models):  # a system whose mouth follows the sound at once
        def predict(clip):
            level = np.abs(clip.samples).reshape(-1, FRAME_SAMPLES).mean(axis=1)
            face = np.repeat(synthetic_face()[None], len(level), 0)
            face[:, [57, 66], 1] += 0.8 * level[:, None]
            return evaluate.Predicted(face)

        return predict

    monkeypatch.setattr(evaluate, "ours", loudness)
    (tmp_path / "late.tsv").write_text(
        "clip\tsound_late_frames\n" + "".join(f"person-{n}__0000\t-2.0\n" for n in (9, 10, 11)), encoding="utf-8"
    )
    assert evaluate.main(["--data", str(pack), "--no-floor", "--json", "--sync", str(tmp_path / "late.tsv")]) == 0
    result = json.loads(capsys.readouterr().out)
    there, moved = (result["systems"][name] for name in ("ours", "ours, sounds in time"))
    assert there["lag"] == pytest.approx(0, abs=0.3) and moved["lag"] == pytest.approx(2, abs=0.3)
    assert there["r_open"] > 0.9 > moved["r_open"] and sorted(result["in time"]) == sorted(result["speakers"])


def test_speech_is_cut_as_short_as_the_short_clips(pack):
    long = clips.load_split(pack, "train")[0]
    held = long.valid.copy()
    held[50] = False
    pieces = evaluate.in_pieces(replace(long, valid=held), 30)
    assert [piece.name for piece in pieces] == [f"{long.name} 0", f"{long.name} 60"]  # the second loses the face
    for piece, start in zip(pieces, (0, 60), strict=True):
        assert len(piece) == 30
        np.testing.assert_array_equal(piece.landmarks, long.landmarks[start : start + 30])
        expected = long.samples[start * FRAME_SAMPLES : (start + 30) * FRAME_SAMPLES]
        np.testing.assert_array_equal(piece.samples, expected)
    speech = [replace(long, landmarks=np.tile(long.landmarks, (2, 1, 1)), samples=np.tile(long.samples, 2),
                      blendshapes=np.tile(long.blendshapes, (2, 1)), pose=np.tile(long.pose, (2, 1, 1)),
                      valid=np.tile(long.valid, 2))]  # fmt: skip

    def predict(clip):
        return evaluate.Predicted(clip.landmarks)

    judged = evaluate.judge([*pieces, *speech], predict)
    rows = evaluate.short_rows([*pieces, *speech], judged, predict)
    assert list(rows) == ["short clips", "speech in pieces of 1.2 s"]
    assert [row["clips"] for row in rows.values()] == [2, 6]
    assert all(row["r_open"] > 0.95 and row["lag_spread"] < 0.5 for row in rows.values()), rows
    assert evaluate.short_rows(speech, judged[2:], predict) == {}


def test_the_gate_and_the_table(pack, capsys):
    assert evaluate.main(["--data", str(pack), "--at-least", "1.5"]) == 1
    told = capsys.readouterr()
    assert "| ours, every speaker once |" in told.out
    assert "below 1.5" in told.err


def test_a_missing_pack_is_an_error_not_a_traceback(tmp_path, caplog):
    assert evaluate.main(["--data", str(tmp_path)]) == 1
    assert "index.tsv" in caplog.text


def test_the_ridge_finds_a_linear_relation(rng):
    sound = (0.1 * rng.standard_normal(80 * FRAME_SAMPLES)).astype(np.float32)
    rows = baselines.mel_context(sound, 80)
    truth = rng.standard_normal((rows.shape[1], 204)) * 0.01
    target = ClipTarget((rows @ truth).astype(np.float32), np.zeros((80, 51), np.float32), np.ones(80, np.float32))
    clip = clips.Clip("x", "x", "train", "", sound, np.zeros((80, 68, 3)), np.zeros((80, 52), np.float32),
                      np.zeros((80, 4, 4), np.float32), np.ones(80, bool))  # fmt: skip
    ridge = baselines.MelRidge.fit([clip], [target], penalty=1e-6)
    np.testing.assert_allclose(ridge.predict(clip).reshape(80, 204), target.landmarks, atol=1e-3)
