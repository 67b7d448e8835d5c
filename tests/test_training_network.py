# ruff: noqa: E402 - imported once it is known that what the module needs is installed
"""Losses, training and the way from torch to ONNX."""

import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")
pytest.importorskip("onnx")

from mouthpiece.features import FEATURE_SIZE
from mouthpiece.files import ASSETS
from mouthpiece.models.content import ContentNetwork
from mouthpiece.models.registry import find
from mouthpiece.models.session import OnnxSession
from mouthpiece.topology import ARKIT_NAMES, MIRROR

from training.content import export, train
from training.content.config import ContentConfig
from training.content.corpus import Corpus
from training.content.data import Stretch
from training.content.losses import ContentLoss, ContentLossWeights, correlation, gap_and_width
from training.content.networks import ContentNet, ContentShape, Finish
from training.content.run import ContentRun
from training.measures.score import synthetic_face
from training.paths import CHECKPOINTS, CONFIGS

TINY = ContentShape(projection=8, hidden=6, layers=2, basis=4, dropout=0.1, deafness=0.0)
CHECKPOINT = CHECKPOINTS / "content.safetensors"


def stretches(rng, count=3, frames=40):
    """Sequences in which the opening of the mouth can be read off the first feature."""
    result = []
    for number in range(count):
        opening = np.clip(np.sin(np.arange(frames) / 3 + number), 0, 1)
        features = 0.02 * rng.standard_normal((frames, FEATURE_SIZE))
        features[:, 0] += opening
        landmarks = np.zeros((frames, 68, 3))
        landmarks[:, 66, 1] = 0.2 * opening
        landmarks += 0.001 * rng.standard_normal(landmarks.shape)
        arkit = np.zeros((frames, 51))
        arkit[:, 24] = 0.5 * opening
        result.append(
            Stretch(
                f"speaker {number}", *(x.astype(np.float16) for x in (features, landmarks.reshape(frames, 204), arkit)),
                np.ones(frames, np.float16),
            )
        )  # fmt: skip
    return result


@pytest.fixture
def corpus(rng):
    return Corpus(synthetic_face(), [stretches(rng), stretches(rng)], stretches(rng, 2))


@pytest.fixture
def net(corpus):
    torch.manual_seed(3)
    net = ContentNet(TINY)
    rows = [s for rendition in corpus.train for s in rendition]
    features, landmarks = (
        torch.from_numpy(np.concatenate([getattr(s, name) for s in rows]).astype(np.float32))
        for name in ("features", "landmarks")
    )
    net.fit_buffers(features, landmarks, torch.from_numpy(corpus.neutral.astype(np.float32)))
    return net.eval()


def config(**changes):
    settings = {"steps": 4, "window": 20, "batch": 3, "warmup": 1, "evaluate_every": 2, "shape": TINY}
    return ContentConfig(**settings | changes)


# ---- losses


@pytest.fixture
def loss():
    return ContentLoss(ContentLossWeights(), torch.from_numpy(synthetic_face()).float(), torch.full((51,), 0.1))


def batch(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return (
        0.1 * torch.randn(2, 30, 204, generator=generator),
        torch.rand(2, 30, 51, generator=generator),
        torch.ones(2, 30),
    )


def test_the_truth_costs_nothing(loss):
    landmarks, arkit, weight = batch()
    parts = loss(landmarks, arkit, landmarks, arkit, weight)
    assert all(abs(float(part)) < 1e-5 for part in parts.values())


def test_frames_without_weight_cost_nothing(loss):
    landmarks, arkit, weight = batch()
    weight[:, 10:] = 0
    wrong = landmarks.clone()
    wrong[:, 10:] += 1
    parts = loss(wrong, arkit, landmarks, arkit, weight)
    assert sum(float(part) for part in parts.values()) < 1e-5


def test_a_millimetre_weighs_more_where_lips_meet(loss):
    still = torch.zeros(1, 30, 204)
    apart = still.clone()
    apart[..., 66 * 3 + 1] = 0.3
    arkit, weight = torch.zeros(1, 30, 51), torch.ones(1, 30)

    def cost(real):
        off = real.clone()
        off[..., 57 * 3] += 0.01
        return float(loss(off, arkit, real, arkit, weight)["points"])

    assert cost(still) > 1.5 * cost(apart)


def test_timid_openings_cost(loss):
    landmarks, arkit, weight = batch()
    half = loss(0.5 * landmarks, arkit, landmarks, arkit, weight)
    assert float(half["amplitude"]) == pytest.approx(ContentLossWeights().amplitude * np.log(2) ** 2, rel=0.05)
    assert float(half["shape"]) < 1e-4  # the shape over time is right all the same


def test_softened_motion_costs(loss):
    landmarks, arkit, weight = batch()
    soft = landmarks.clone()
    soft[:, 1:-1] = (landmarks[:, :-2] + landmarks[:, 1:-1] + landmarks[:, 2:]) / 3
    exact = loss(landmarks, arkit, landmarks, arkit, weight)
    assert float(loss(soft, arkit, landmarks, arkit, weight)["liveliness"]) > float(exact["liveliness"]) + 1e-4


def test_arkit_weights_that_never_move_cost(loss):
    landmarks, arkit, weight = batch()
    flat = arkit.mean(dim=1, keepdim=True).expand_as(arkit)
    parts = loss(landmarks, flat, landmarks, arkit, weight)
    assert float(parts["arkit_shape"]) > 0.9 * ContentLossWeights().arkit_shape
    assert float(parts["arkit_amplitude"]) > ContentLossWeights().arkit_amplitude


def test_correlation_is_pearsons():
    a, b = torch.randn(2, 1, 50, 1, generator=torch.Generator().manual_seed(1))
    found, _, _ = correlation(a, b, torch.ones(1, 50))
    assert float(found) == pytest.approx(float(np.corrcoef(a.flatten(), b.flatten())[0, 1]), abs=1e-4)


def test_gap_and_width_are_those_of_the_face():
    neutral = torch.from_numpy(synthetic_face()).float()
    found = gap_and_width(torch.zeros(1, 1, 204), neutral)
    np.testing.assert_allclose(found[0, 0], [0, 0.8], atol=1e-6)


# ---- network


def test_padding_changes_nothing(net):
    features = torch.randn(2, 30, FEATURE_SIZE)
    with torch.no_grad():
        alone, _ = net(features[1:, :12])
        padded, _ = net(features, torch.tensor([30, 12]))
    # the convolution sees one frame of what follows, as it sees zeros at a sequence's end
    np.testing.assert_allclose(padded[1, :11], alone[0, :11], atol=0.05)


def test_normalisation_keeps_dead_channels_quiet():
    net = ContentNet(TINY)
    features = torch.randn(200, FEATURE_SIZE)
    features[:, 7] *= 1e-6
    net.fit_buffers(features, torch.randn(200, 204), torch.zeros(68, 3))
    assert float(((features - net.mean) * net.scale)[:, 7].abs().max()) < 1e-3


def test_a_network_is_now_and_then_deaf_to_a_source_in_training_only():
    net, heard = ContentNet(replace(TINY, deafness=0.25)), []
    net.project.register_forward_hook(lambda _, inputs, __: heard.append(inputs[0].detach()))
    features = net.mean + torch.ones(64, 5, FEATURE_SIZE) / net.scale
    net.train()
    net.dropout.p = 0.0
    net(features)
    rows = heard[0][:, 0]
    count = int(net.source.max()) + 1
    per_source = torch.stack([rows[:, net.source == k].amax(dim=1) for k in range(count)], dim=1)
    assert ((per_source == 0) | (per_source > 0.99)).all()
    assert (per_source > 0).any(dim=1).all() and 0.1 < float((per_source == 0).float().mean()) < 0.4
    torch.testing.assert_close(rows, per_source[:, net.source])
    net.eval()
    net(features)
    assert (heard[1] > 0.99).all()


def test_the_finish_gives_back_what_is_quick_and_leaves_what_is_slow(net):
    taps = np.array(Finish(detail=2.0, sigma=0.7).kernel())
    assert taps.sum() == pytest.approx(1) and (taps == taps[::-1]).all()
    wave = np.exp(2j * np.pi * np.outer([0.5, 10.0], np.arange(len(taps)) - len(taps) // 2) / 25) @ taps
    assert wave[0].real == pytest.approx(1, abs=0.02) and wave[1].real > 2
    features = torch.randn(1, 40, FEATURE_SIZE)
    with torch.no_grad():
        plain, _ = export.ExportedContent(net)(features)
        twice, _ = export.ExportedContent(net, Finish(amplitude=2.0))(features)
        lively, weights = export.ExportedContent(net, Finish(detail=2.0))(features)
    torch.testing.assert_close(twice, 2 * plain)
    expected = np.apply_along_axis(np.convolve, 0, np.pad(plain[0].numpy(), ((3, 3), (0, 0)), "edge"), taps, "valid")
    np.testing.assert_allclose(lively[0], expected, atol=1e-5)
    assert float(weights.min()) >= 0 and float(weights.max()) <= 1
    finish = Finish(detail=2.0, amplitude=0.9)
    assert export.disagreement(net, export.to_onnx(net, finish), finish) < 1e-5


# ---- training


def trained(corpus, folder, **changes):
    run = ContentRun(config(**changes), corpus, folder)
    run.train()
    return torch.cat([p.detach().flatten() for p in run.net.parameters()])


def test_same_seed_same_weights(corpus, tmp_path):
    first = trained(corpus, tmp_path / "a")
    assert torch.equal(first, trained(corpus, tmp_path / "b"))
    assert not torch.equal(first, trained(corpus, tmp_path / "c", seed=1))


def test_a_resumed_run_ends_where_an_unbroken_one_does(corpus, tmp_path):
    whole = trained(corpus, tmp_path / "whole")
    run = ContentRun(config(), corpus, tmp_path / "halves")
    run.out.mkdir()
    for _ in range(2):
        run.learn()
    run.evaluate({})
    again = ContentRun(config(), corpus, tmp_path / "halves")
    again.resume()
    assert again.step == 2
    again.train()
    assert torch.equal(whole, torch.cat([p.detach().flatten() for p in again.net.parameters()]))


def test_training_learns_what_can_be_learned(corpus, tmp_path):
    run = ContentRun(config(steps=150, batch=4, learning_rate=0.01, evaluate_every=75, average=0.9), corpus, tmp_path)
    run.train()
    assert run.best > 0.9
    assert json.loads((tmp_path / "run.json").read_text())["history"][-1]["step"] == 150


def test_training_stops_when_validation_does_not_improve(corpus, tmp_path):
    run = ContentRun(config(steps=100, learning_rate=0.0, evaluate_every=2, patience=2), corpus, tmp_path)
    run.train()
    assert run.step == 6  # the first evaluation is the best there is, then two that are no better


def test_training_goes_on_from_a_checkpoint(corpus, tmp_path):
    stored = checkpoint(corpus, tmp_path / "first")
    run = ContentRun(config(seed=5), corpus, tmp_path / "second")
    run.start_from(stored)
    expected, _ = export.load_checkpoint(stored)
    for name, value in expected.state_dict().items():
        assert torch.equal(run.net.state_dict()[name], value)
    (tmp_path / "no.safetensors").write_bytes(b"no")
    with pytest.raises(ValueError, match="cannot be started from"):
        run.start_from(tmp_path / "no.safetensors")


def test_configuration_is_read_and_checked(tmp_path):
    shipped = ContentConfig.read(CONFIGS / "content.json")
    assert shipped.window > 0
    bad = tmp_path / "bad.json"
    bad.write_text('{"stps": 3, "shape": {"hiden": 2}}')
    with pytest.raises(ValueError, match=r"shape\.hiden, stps"):
        ContentConfig.read(bad)


def test_another_listener_must_be_whole(tmp_path, caplog):
    (tmp_path / "clips").mkdir()
    (tmp_path / "index.tsv").write_text("file\tspeaker\tsplit\n", encoding="utf-8")
    (tmp_path / "phonetic.onnx").write_bytes(b"something else")
    (tmp_path / "phonetic.onnx.json").write_bytes((ASSETS / "phonetic.onnx.json").read_bytes())
    (tmp_path / "plain.json").write_text("{}", encoding="utf-8")
    arguments = ["--config", str(tmp_path / "plain.json"), "--data", str(tmp_path), "--out", str(tmp_path / "run")]
    assert train.main([*arguments, "--listener", str(tmp_path)]) == 1
    assert "vouches" in caplog.text


def test_missing_data_is_an_error_not_a_traceback(tmp_path):
    path = CONFIGS / "content.json"
    assert train.main(["--config", str(path), "--data", str(tmp_path), "--out", str(tmp_path / "run")]) == 1


# ---- export


def checkpoint(corpus, folder):
    run = ContentRun(config(steps=2), corpus, folder)
    run.train()
    return folder / "best.safetensors"


def test_torch_and_onnx_agree_at_any_length(net):
    assert export.disagreement(net, export.to_onnx(net), lengths=(1, 2, 33, 400)) < 1e-5


def test_an_export_is_what_the_core_expects(corpus, tmp_path):
    path = export.export(checkpoint(corpus, tmp_path / "run"), tmp_path / "models")
    network = find("content", tmp_path / "models")
    assert network.sidecar.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert network.sidecar.arkit_names == ARKIT_NAMES
    np.testing.assert_allclose(network.sidecar.neutral_face(), corpus.neutral, atol=1e-4)
    motion = ContentNetwork(network.open()).predict(np.zeros((9, FEATURE_SIZE), np.float32))
    assert motion.offsets.shape == (9, 68, 3)
    assert motion.arkit[:, -1].max() == 0  # tongueOut


def test_an_exported_face_is_even(net, rng):
    features = rng.standard_normal((1, 20, FEATURE_SIZE)).astype(np.float32)
    outputs = OnnxSession(export.to_onnx(net), "tiny")({"features": features})
    points = outputs["landmarks"].reshape(20, 68, 3)
    np.testing.assert_allclose(points, points[:, MIRROR] * [-1, 1, 1], atol=1e-6)
    left, right = (outputs["arkit"][0, :, ARKIT_NAMES.index(f"mouthSmile{side}")] for side in ("Left", "Right"))
    np.testing.assert_allclose(left, right, atol=1e-6)
    assert points.std() > 0 and left.std() > 0


def test_exporting_twice_gives_the_same_file(corpus, tmp_path):
    stored = checkpoint(corpus, tmp_path / "run")
    first, second = (export.export(stored, tmp_path / name).read_bytes() for name in ("a", "b"))
    assert first == second


def test_a_file_that_is_no_checkpoint_is_refused(tmp_path):
    (tmp_path / "x.safetensors").write_bytes(b"no")
    assert export.main([str(tmp_path / "x.safetensors"), "--out", str(tmp_path / "models")]) == 1
    assert not (tmp_path / "models").exists()


def test_the_shipped_network_is_the_checkpoint():
    net, notes = export.load_checkpoint(CHECKPOINT)
    assert (
        export.disagreement(net, (ASSETS / "content.onnx").read_bytes(), export.finish_of(notes))
        < export.STORED_TOLERANCE
    )
    sidecar = find("content").sidecar
    np.testing.assert_allclose(sidecar.neutral_face(), net.neutral.numpy(), atol=1e-5)
    assert sidecar.provenance["validation"] == json.loads(notes["validation"])
    assert sidecar.provenance["validation"]["r_open_speakers"] >= 0.65
