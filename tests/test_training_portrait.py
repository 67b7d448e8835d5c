"""Training of the portrait generator on made-up clips: data, losses, a few steps, resuming, and what is exported."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from mouthpiece.files import ASSETS
from mouthpiece.models.session import OnnxSession
from mouthpiece.portrait.draw.conditions import SIZE
from mouthpiece.portrait.draw.generator import INPUTS, load_generator
from mouthpiece.portrait.find.placement import placed_in_box

from training.portrait.data import FaceClip, Pairs, PictureAugmentation, SourcePortrait, irises_of, planes_of, shots
from training.portrait.export import ExportedGenerator, disagreement, export, to_onnx
from training.portrait.losses import FaceFeatures, GeneratorLoss, PortraitLossWeights, hinge, importance
from training.portrait.networks import PLANES, Critic, GeneratorShape, Repair
from training.portrait.train import PortraitConfig, PortraitRun, fixed_batches, load_weights, main, validated

SMALL = GeneratorShape((8, 8, 8, 8), (1, 1, 1))


@pytest.fixture(scope="module")
def clip() -> FaceClip:
    """A face that opens its mouth over 24 frames, with a cut in the middle."""
    rng = np.random.default_rng(0)
    placed = placed_in_box(70, 60, 186, 200)
    flat = np.asarray(placed.landmarks)[:, :2]
    landmarks = np.repeat(np.column_stack([flat, np.zeros(68)])[None], 24, axis=0)
    landmarks[:, [65, 66, 67, 55, 56, 57, 58, 59], 1] += np.linspace(0, 12, 24)[:, None]
    first, second = (np.kron(rng.integers(0, 255, (32, 32, 3), np.uint8), np.ones((8, 8, 1), np.uint8)) for _ in "ab")
    frames = np.concatenate([np.repeat(first[None], 12, axis=0), np.repeat(second[None], 12, axis=0)])
    eyes = np.array([flat[36:42].mean(axis=0), flat[42:48].mean(axis=0)])
    irises = np.repeat(np.column_stack([eyes, [5.0, 5.0]])[None], 24, axis=0)
    return FaceClip("made-up", frames, landmarks, irises)


def test_a_cut_parts_two_shots_and_lost_faces_are_left_out(clip: FaceClip) -> None:
    assert shots(clip) == [range(12), range(12, 24)]
    landmarks = clip.landmarks.copy()
    landmarks[3] = np.nan
    assert shots(FaceClip("lost", clip.frames, landmarks, clip.irises)) == [range(12, 24)]


def test_irises_are_middles_and_mean_radii() -> None:
    points = np.zeros((1, 10, 3))
    points[0, 1:5, :2] = [[3, 0], [-3, 0], [0, 5], [0, -5]]
    points[0, 5:] = 7
    assert irises_of(points)[0].tolist() == [[0, 0, 4], [7, 7, 0]]


def test_a_still_driven_by_its_own_landmarks_is_itself(clip: FaceClip) -> None:
    still = SourcePortrait(clip, 0)
    conditions = still.conditions(clip, 0)
    off = np.abs(conditions.warped - clip.frames[0].transpose(2, 0, 1) / 255)
    assert np.median(off) < 0.01
    assert conditions.masks[0].sum() < 40
    assert still.conditions(clip, 11).masks[0].sum() > 60
    assert planes_of(conditions).shape == (PLANES, SIZE, SIZE)


def test_samples_are_neighbours_alike_in_all_else(clip: FaceClip) -> None:
    pairs = iter(Pairs([clip], PictureAugmentation(side=64), np.random.default_rng(0), 2))
    for _ in range(4):
        planes, frames = next(pairs)
        assert planes.shape == (2, PLANES, 64, 64)
        assert frames.shape == (2, 3, 64, 64)
        np.testing.assert_allclose(frames[0], frames[1], atol=1e-6)  # the picture itself never moves in a shot
        np.testing.assert_allclose(planes[0, 3:6], planes[1, 3:6], atol=1e-6)
        assert 0 <= planes.min()
        assert planes.max() <= 1
    again = iter(Pairs([clip], PictureAugmentation(side=64), np.random.default_rng(0), 2))
    np.testing.assert_array_equal(
        next(again)[0], next(iter(Pairs([clip], PictureAugmentation(side=64), np.random.default_rng(0), 2)))[0]
    )


def test_a_new_network_changes_nothing_and_any_only_the_face() -> None:
    planes = torch.rand(2, PLANES, 64, 64)
    net = Repair(SMALL)
    torch.testing.assert_close(net(planes), planes[:, :3], atol=0.03, rtol=0)
    torch.nn.init.normal_(net.leave.weight)
    planes[:, 11, :, :32] = 0
    made = net(planes)
    torch.testing.assert_close(made[..., :32], planes[:, :3, :, :32])
    assert (made[..., 32:] - planes[:, :3, :, 32:]).abs().max() > 0.01


def test_face_features_are_those_of_the_shipped_network() -> None:
    import onnx

    features = FaceFeatures()
    model = onnx.load(ASSETS / "face_landmarks_478.onnx")
    del model.graph.output[:]
    model.graph.output.extend(onnx.helper.make_tensor_value_info(name, 1, None) for name in features._taps)
    frame = torch.rand(1, 3, 256, 256)
    wanted = OnnxSession(model.SerializeToString(), "taps")({"t0": frame.numpy()})
    for made, name in zip(features(frame), features._taps, strict=True):
        unit = torch.nn.functional.normalize(torch.from_numpy(wanted[name]), dim=1)
        torch.testing.assert_close(made, unit, atol=1e-4, rtol=1e-4)


def test_the_mouth_counts_most_and_the_background_not() -> None:
    planes = torch.zeros(1, PLANES, 64, 64)
    planes[:, 11, 8:56, 8:56] = 1
    planes[:, 9, 30:36, 30:36] = 1
    share = importance(planes, PortraitLossWeights(mouth=4.0))[0, 0]
    assert share[0, 0] == 0
    assert share[12, 12] == 1
    assert share[33, 33] == pytest.approx(4.0)


def test_losses_are_nothing_for_the_truth_and_see_flicker() -> None:
    loss = GeneratorLoss(PortraitLossWeights())
    planes, real = torch.rand(2, PLANES, 64, 64), torch.rand(2, 3, 64, 64)
    planes[:, 11] = 1
    assert all(float(term) < 1e-6 for term in loss(real, real, planes).values())
    flicker = real.clone()
    flicker[1] += 0.1
    steady = real + 0.1
    assert float(loss(flicker, real, planes)["motion"]) == pytest.approx(0.05, rel=1e-3)
    assert float(loss(steady, real, planes)["motion"]) < 1e-6
    assert float(loss(steady, real, planes)["pixels"]) == pytest.approx(0.1, rel=1e-3)


def test_a_sure_critic_has_nothing_to_learn() -> None:
    share = torch.tensor([[1.0], [0.0]])
    assert float(hinge(torch.tensor([[2.0], [-9.0]]), torch.tensor([[-2.0], [9.0]]), share)) == 0
    assert float(hinge(torch.zeros(2, 1), torch.zeros(2, 1), share)) == 2
    verdict, features = Critic(8)(torch.rand(2, 3, 64, 64), torch.rand(2, 3, 64, 64), torch.rand(2, 2, 64, 64))
    assert verdict.shape == (2, 1, 8, 8)
    assert len(features) == 3


def test_a_run_learns_goes_on_where_it_stopped_and_is_exported(clip: FaceClip, tmp_path: Path) -> None:
    config = PortraitConfig(steps=40, critic_from=30, shape=SMALL, rate=2e-3, augmentation=PictureAugmentation(side=64))
    run = PortraitRun(config)
    (planes, _), *_ = fixed_batches([clip], config, 1)
    real = (planes[:, :3] + 0.1 * planes[:, 11:12]).clamp(0, 1)
    before = validated(run.net, [(planes, real)], run.loss)["psnr"]
    for _ in range(35):
        told = run.learn(planes, real)
    assert {"pixels", "motion", "features", "critic", "matching", "verdicts"} == set(told)
    assert validated(run.net, [(planes, real)], run.loss)["psnr"] > before + 2
    run.save(tmp_path)
    other = PortraitRun(config)
    other.resume(tmp_path)
    assert other.step == 35
    for one, two in zip(other.net.parameters(), run.net.parameters(), strict=True):
        torch.testing.assert_close(one, two)
    path = export(tmp_path / "average.safetensors", tmp_path, "mine")
    net, _ = load_weights(tmp_path / "average.safetensors")
    assert disagreement(net, path.read_bytes()) < 0.02
    generator = load_generator(path)
    conditions = SourcePortrait(clip, 0).conditions(clip, 11)
    with torch.no_grad():
        wanted = net(torch.from_numpy(planes_of(conditions))[None])[0].numpy()
    # the core gives the network the part that holds the face: at its rim, a few pixels see less around them
    np.testing.assert_allclose(generator.frame(conditions), wanted, atol=0.03)


def test_exports_take_any_size(tmp_path: Path) -> None:
    net = Repair(SMALL).eval()
    assert disagreement(net, to_onnx(net)) < 1e-5
    assert [name for name in INPUTS] == ["warped", "source", "lines", "masks", "oval"]
    assert ExportedGenerator(net)(*(torch.zeros(1, planes, 32, 48) for planes in INPUTS.values())).shape == (
        1,
        3,
        32,
        48,
    )


def test_bad_configurations_and_checkpoints_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="unknown settings: speed"):
        PortraitConfig.of({"speed": 1})
    with pytest.raises(ValueError, match=r"unknown settings: weights\.beauty"):
        PortraitConfig.of({"weights": {"beauty": 1}})
    assert PortraitConfig.of({"shape": {"widths": [8, 8, 8, 8], "blocks": [1, 1, 1]}}).shape == SMALL
    (tmp_path / "bad.safetensors").write_bytes(b"no")
    with pytest.raises(ValueError, match="not a checkpoint"):
        load_weights(tmp_path / "bad.safetensors")
    (tmp_path / "config.json").write_text(json.dumps({"steps": 1}))
    arguments = ["--config", str(tmp_path / "config.json"), "--data", str(tmp_path), "--out", str(tmp_path / "run")]
    assert main(arguments) == 1
