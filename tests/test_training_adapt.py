"""Adaptation to an actor: how material is cut, blends, manners, and one whole run on a made-up actor."""

import json

import numpy as np
import pytest
import soundfile
import torch
from mouthpiece import styles
from mouthpiece.cli.parser import run as mouthpiece
from mouthpiece.errors import MouthpieceError
from mouthpiece.features import FRAME_SAMPLES, RATE
from mouthpiece.performance import Performance
from mouthpiece.pipeline import Networks

from tests.test_training_data import make_clip
from training.content import adapt


def clips_of(rng, *frames):
    return [make_clip(rng, n, "actor", f"actor__{k:04d}", np.abs(np.sin(np.arange(n) / 5)) * 0.3)
            for k, n in enumerate(frames)]  # fmt: skip


def store(clip, folder):
    """Write a clip as training.pack.prepare does."""
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(
        folder / f"{clip.name}.npz", landmarks=clip.landmarks.astype(np.float32),
        iris=np.zeros((len(clip), 10, 3), np.float32), blendshapes=clip.blendshapes, pose=clip.pose, valid=clip.valid,
        fps=np.float32(25), size=np.array((640, 480)), speaker=np.array("x"), split=np.array("train"),
        source=np.array("own"), language=np.array("none"), sync_r=np.float32(1), sync_shift=np.int32(0),
    )  # fmt: skip
    soundfile.write(folder / f"{clip.name}.flac", clip.samples, RATE, subtype="PCM_16")


def test_material_is_cut_by_time_with_gaps_inside_clips(rng):
    parts = adapt.divided(clips_of(rng, 1000, 500, 500))
    assert [len(c) for c in parts.teach] == [1000, 400]  # 70 % of 2,000
    assert [(c.name, len(c)) for c in parts.choose] == [("actor__0001-425", 75), ("actor__0002-0", 100)]
    assert [(c.name, len(c)) for c in parts.judge] == [("actor__0002-125", 375)]
    for clip in (*parts.teach, *parts.choose, *parts.judge):
        assert len(clip.samples) == len(clip) * FRAME_SAMPLES
        assert len(clip.pose) == len(clip.valid) == len(clip.blendshapes) == len(clip)


def test_too_little_material_is_refused_with_its_length(rng):
    with pytest.raises(ValueError, match="20 seconds of the actor's face, and 40"):
        adapt.divided(clips_of(rng, 500))
    lost = clips_of(rng, 2000)
    lost[0].valid[:1500] = False
    with pytest.raises(ValueError, match="20 seconds"):
        adapt.divided(lost)


def test_blends_lie_between():
    start, end = {"w": torch.zeros(3)}, {"w": torch.tensor([1.0, 2.0, -4.0])}
    assert adapt.blended(start, end, 0.25)["w"].tolist() == [0.25, 0.5, -1.0]
    assert adapt.blended(start, end, 0.0)["w"].tolist() == [0, 0, 0]


def test_a_bigger_mouth_is_a_bigger_manner(rng):
    opening = np.abs(np.sin(np.arange(600) / 5))
    small, big = (make_clip(rng, 600, "actor", "actor__0000", size * opening) for size in (0.1, 0.3))
    one, other = adapt.manner_of([small]), adapt.manner_of([big])
    assert set(one) == set(styles.MANNER)
    assert other["opening"] - one["opening"] == pytest.approx(np.log(3), abs=0.25)
    assert other["amplitude"] == pytest.approx(one["amplitude"], abs=0.05)  # the same turns
    with pytest.raises(ValueError, match="three seconds"):
        adapt.manner_of([make_clip(rng, 60, "actor")])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda folder: folder, "no clips"),
        (lambda folder: folder / "none.mp4", "neither a video"),
        (lambda folder: broken(folder / "broken.mp4"), "broken.mp4"),
    ],
)
def test_sources_that_are_none(tmp_path, make, words, caplog):
    assert adapt.main([str(make(tmp_path)), "--out", str(tmp_path / "out")]) == 1
    assert words in caplog.text
    assert not (tmp_path / "out" / "content.onnx").exists()


def broken(path):
    path.write_bytes(b"no video at all" * 100)
    return path


def test_an_actor_from_clips_to_a_take(rng, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(adapt.CHANGES, "renditions", 1)
    monkeypatch.setitem(adapt.CHANGES, "evaluate_every", 5)
    monkeypatch.setattr(adapt, "BLENDS", (0.5,))  # whatever a few steps are worth
    for clip in clips_of(rng, 600, 500):
        store(clip, tmp_path / "clips")
    out = tmp_path / "out"
    assert adapt.main([str(tmp_path / "clips"), "--out", str(out), "--name", "ann", "--steps", "5"]) == 0
    assert "50% of the way" in capsys.readouterr().out
    report = json.loads((out / "report.json").read_text())
    assert report["blend"] == 0.5 and set(report["figures"]) == {"before", "adapted"}
    style = styles.read(out / "style.json")
    assert style.name == "ann" and style.opening == pytest.approx(
        np.clip(0.5 * report["style"]["opening"], -0.35, 0.35), abs=1e-6
    )
    networks, shipped = Networks.find(out), Networks.find()
    assert networks.content.sidecar.sha256 != shipped.content.sidecar.sha256
    assert networks.phonetic.sidecar.sha256 == shipped.phonetic.sidecar.sha256
    sound = next((tmp_path / "clips").glob("*.flac"))
    take = tmp_path / "take.npz"
    arguments = ["animate", str(sound), "-o", str(take), "--models", str(out), "--style", str(out / "style.json")]
    assert mouthpiece(arguments) == 0
    made = Performance.load(take)
    assert made.models["content"] == networks.content.sidecar.sha256 and made.options["style"]["name"] == "ann"


def test_nothing_better_leaves_the_shipped_network(rng, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(adapt.CHANGES, "renditions", 1)
    monkeypatch.setattr(adapt, "BLENDS", (0.0,))
    store(clips_of(rng, 1100)[0], tmp_path / "clips")
    out = tmp_path / "out"
    assert adapt.main([str(tmp_path / "clips"), "--out", str(out), "--steps", "1"]) == 0
    assert "none was written" in capsys.readouterr().out
    assert not (out / "content.onnx").exists() and (out / "style.json").is_file()


@pytest.mark.parametrize("text", ["{}", "not json", '{"name": "a", "amplitude": "much"}'])
def test_a_style_file_that_is_none_is_refused(tmp_path, text):
    path = tmp_path / "style.json"
    path.write_text(text)
    with pytest.raises(MouthpieceError, match="is not a style"):
        styles.read(path)


@pytest.mark.parametrize(
    ("seconds", "figures", "best"),
    [
        (3.0, {0.0: 0.80, 0.5: 0.83, 1.0: 0.84}, 0.5),  # a few seconds do not tell these apart
        (60.0, {0.0: 0.80, 0.5: 0.83, 1.0: 0.84}, 1.0),
        (3.0, {0.0: 0.80, 0.5: 0.80, 1.0: 0.79}, 0.0),  # nothing is gained
        (60.0, {0.0: 0.80, 0.25: 0.82, 0.75: 0.82}, 0.25),  # of equals the one nearest to the shipped weights
        (12.0, {0.0: 0.80}, 0.0),
    ],
)
def test_the_less_there_is_to_choose_by_the_nearer_is_the_blend_to_the_middle(seconds, figures, best):
    assert adapt.chosen_blend(figures, seconds) == best
