"""The slot for an encoder of one's own: described, heard with, trained with, shipped with, refused."""

import json
import shutil
import warnings

import numpy as np
import pytest
import torch
from mouthpiece import pipeline
from mouthpiece.audio import Audio
from mouthpiece.errors import ModelError
from mouthpiece.features import FEATURE_SIZE, RATE
from mouthpiece.models import phonetic
from mouthpiece.models.encoder import Encoder
from mouthpiece.models.registry import find
from safetensors import safe_open
from torch import nn

from tests.material import babble
from tests.test_training_data import make_clip
from training.content.config import ContentConfig
from training.content.corpus import load_corpus
from training.content.data import SoundAugmentation
from training.content.export import export
from training.content.networks import ContentShape, sources
from training.content.run import ContentRun
from training.listener import encoders
from training.pack.clips import INDEX_COLUMNS, write_index

WIDTH = 6


class Small(nn.Module):
    """Convolutions with the windows and strides of wav2vec 2.0's: 400 samples, every 320."""

    def __init__(self, step=320, window=400):
        super().__init__()
        self.layer = nn.Conv1d(1, WIDTH, window, stride=step)

    def forward(self, waveform):
        return torch.tanh(self.layer(waveform[:, None]).transpose(1, 2))


def onnx_of(path, **sizes):
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Small(**sizes).eval(), (torch.zeros(1, RATE),), str(path), input_names=["speech"], output_names=["units"],
            dynamic_axes={"speech": {1: "n"}, "units": {1: "t"}}, opset_version=18, dynamo=False,
        )  # fmt: skip
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("encoder")
    encoders.describe(onnx_of(out / "small.onnx"), out / "described", "small", normalise=True)
    return out / "described"


def test_what_an_encoder_is_like_is_measured(folder, tmp_path):
    about = find("encoder", folder).sidecar
    assert (about.kind, about.features, about.window, about.normalise) == ("encoder", WIDTH, 400, True)
    encoders.describe(onnx_of(tmp_path / "even.onnx", window=320), tmp_path, "even")
    assert find("encoder", tmp_path).sidecar.window == 0


def test_vectors_are_centred_and_as_many_as_the_listeners(folder, rng):
    encoder = Encoder(find("encoder", folder))
    samples = rng.standard_normal(RATE).astype(np.float32)
    rows = encoder.hidden(samples)
    assert rows.shape == (50, WIDTH)
    np.testing.assert_allclose(encoder.hidden(0.01 * samples + 0.3), rows, atol=1e-3)  # normalised
    assert encoder.hidden(samples[:10]).shape[0] >= 1


@pytest.mark.parametrize(
    ("sizes", "words"), [({"step": 160}, "50 vectors"), ({"step": 640}, "50 vectors"), (None, "not an ONNX")]
)
def test_what_is_no_encoder_is_refused(tmp_path, sizes, words):
    path = tmp_path / "model.onnx"
    if sizes is None:
        path.write_bytes(b"nothing")
    else:
        onnx_of(path, **sizes)
    with pytest.raises(ValueError, match=words):
        encoders.describe(path, tmp_path / "out", "x")
    assert encoders.main([str(path), "--out", str(tmp_path / "out"), "--name", "x"]) == 1
    assert not (tmp_path / "out").exists()


def test_an_output_that_is_not_there(tmp_path):
    with pytest.raises(ValueError, match="its outputs are units"):
        encoders.describe(onnx_of(tmp_path / "m.onnx"), tmp_path / "out", "x", "layer9")


@pytest.fixture(scope="module")
def models(folder, tmp_path_factory):
    """Train two steps with the encoder on a made-up pack, and export."""
    import soundfile

    pack, rng, rows = tmp_path_factory.mktemp("pack"), np.random.default_rng(0), []
    for number, split in enumerate(("train", "train", "val")):
        clip = make_clip(rng, 80, f"s{number}", f"s{number}__0000")
        soundfile.write(pack / f"{clip.name}.flac", clip.samples, RATE)
        np.savez(
            pack / f"{clip.name}.npz", landmarks=clip.landmarks, blendshapes=clip.blendshapes, pose=clip.pose,
            valid=clip.valid, fps=25.0, speaker=clip.speaker, split=split, language="none",
        )  # fmt: skip
        rows.append(dict.fromkeys(INDEX_COLUMNS, "") | {"file": f"{clip.name}.npz", "split": split})
    write_index(pack, rows)
    config = ContentConfig(
        steps=2, window=24, batch=2, evaluate_every=1, renditions=2, encoder=str(folder),
        shape=ContentShape(projection=8, hidden=6, layers=1, basis=4, deafness=0.5), augmentation=SoundAugmentation(),
    )  # fmt: skip
    run = ContentRun(config, load_corpus(pack, pack / "cache", config), pack / "run")
    assert run.config.shape.extra == 2 * WIDTH
    run.train()
    out = pack / "models"
    export(pack / "run" / "best.safetensors", out)
    for name in ("encoder.onnx", "encoder.onnx.json"):
        shutil.copy(folder / name, out / name)
    with safe_open(pack / "run" / "best.safetensors", "pt") as stored:
        assert stored.metadata()["encoder"] == find("encoder", folder).sidecar.sha256
    return out


def test_a_network_trained_with_an_encoder_animates_with_it(models, rng):
    about = find("content", models).sidecar
    assert about.features == FEATURE_SIZE + 2 * WIDTH and about.encoder == find("encoder", models).sidecar.sha256
    take = pipeline.animate(Audio(babble(3, rng), RATE, "babble"), models=models)
    assert take.models["encoder"] == about.encoder and len(take) == 75
    assert "encoder" not in pipeline.animate(Audio(babble(1, rng), RATE, "babble")).models


def test_windows_with_an_encoder_are_the_same_however_blocks_are_cut(models, rng, monkeypatch):
    monkeypatch.setattr(phonetic, "WINDOW", 200)
    networks = pipeline.Networks.find(models)
    samples = babble(20, rng)
    whole = np.concatenate(list(networks.listener().features([samples], 500)))
    cut = np.concatenate(list(networks.listener().features(np.array_split(samples, 13), 500)))
    assert whole.shape == (500, FEATURE_SIZE + 2 * WIDTH)
    np.testing.assert_array_equal(whole, cut)


def test_a_missing_or_another_encoder_is_said(models, tmp_path):
    alone = tmp_path / "alone"
    shutil.copytree(models, alone)
    (alone / "encoder.onnx").unlink()
    with pytest.raises(ModelError, match="no network 'encoder'"):
        pipeline.Networks.find(alone)
    other = tmp_path / "other"
    shutil.copytree(models, other)
    encoders.describe(onnx_of(tmp_path / "o.onnx", window=320), other, "another")
    with pytest.raises(ModelError, match="trained with another encoder"):
        pipeline.Networks.find(other)


def test_an_encoder_that_is_not_as_described_is_said(folder, tmp_path):
    lying = tmp_path / "lying"
    shutil.copytree(folder, lying)
    place = lying / "encoder.onnx.json"
    place.write_text(json.dumps(json.loads(place.read_text()) | {"features": 9}))
    with pytest.raises(ModelError, match="gives 'units' as"):
        Encoder(find("encoder", lying)).hidden(np.zeros(RATE, np.float32))
    place.write_text(json.dumps(json.loads(place.read_text()) | {"rate": 100}))
    with pytest.raises(ModelError, match="works at 100 a second; it must be 50"):
        Encoder(find("encoder", lying))


def test_an_encoder_is_a_source_of_its_own_for_deafness():
    assert int(sources(4)[-1]) == int(sources()[-1]) + 1 and len(sources(4)) == FEATURE_SIZE + 4
