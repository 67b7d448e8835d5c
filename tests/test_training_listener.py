"""The listener: reading Whisper, its front end, weights as bytes, and the shipped graph."""

import librosa
import numpy as np
import pytest
import torch
from mouthpiece.features import PHONETIC_PARTS, RATE
from mouthpiece.models.registry import find
from mouthpiece.models.session import OnnxSession
from onnx import TensorProto, helper, numpy_helper

from tests.training_material import ctranslate2
from training.listener import export, whisper
from training.networks.mel import fourier_waves
from training.networks.onnx_export import as_bytes


def test_variables_are_read_as_they_were_ctranslate2(tmp_path, rng):
    wanted = {
        "encoder/a/weight": rng.standard_normal((3, 4)).astype(np.float32),
        "encoder/b/bias": rng.standard_normal(5).astype(np.float32),
    }
    (tmp_path / "model.bin").write_bytes(ctranslate2(wanted))
    found = whisper.read_ctranslate2(tmp_path / "model.bin")
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        np.testing.assert_array_equal(found[name], value)


@pytest.mark.parametrize(
    "content", [b"", b"\x06\0\0\0", b"RIFF" + bytes(40), ctranslate2({"x": np.ones(9, np.float32)})[:-8]]
)
def test_other_files_are_no_models(tmp_path, content):
    (tmp_path / "model.bin").write_bytes(content)
    with pytest.raises(ValueError, match="CTranslate2"):
        whisper.read_ctranslate2(tmp_path / "model.bin")


def test_a_model_without_whispers_weights_is_refused(rng):
    with pytest.raises(ValueError, match="not a Whisper"):
        whisper.HalfWhisper().load({})
    with pytest.raises(ValueError, match="shape"):
        whisper.HalfWhisper().load({"encoder/conv1/weight": np.ones((2, 2, 2), np.float16)})


def test_the_front_end_is_whispers(rng):
    sound = (0.1 * rng.standard_normal(RATE)).astype(np.float32)
    power = np.abs(librosa.stft(sound, n_fft=400, hop_length=160, pad_mode="reflect"))[:, :-1] ** 2
    level = np.log10(np.maximum(librosa.filters.mel(sr=RATE, n_fft=400, n_mels=80) @ power, 1e-10))
    expected = (np.maximum(level, level.max() - 8) + 4) / 4
    found = whisper.HalfWhisper().log_mel(torch.from_numpy(sound[None]))[0].numpy()
    assert found.shape == (80, 100)
    np.testing.assert_allclose(found, expected, atol=2e-3)


def test_weights_as_bytes_are_within_half_a_step(rng):
    weight = rng.standard_normal((96, 64)).astype(np.float32) * np.linspace(0.01, 10, 64, dtype=np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "one",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [96, 96])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [96, 64])],
        [numpy_helper.from_array(weight, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    small = as_bytes(model)
    found = OnnxSession(small.SerializeToString(), "one")({"x": np.eye(96, dtype=np.float32)})["y"]
    step = np.abs(weight).max(axis=0) / 127
    assert (np.abs(found - weight) <= 0.5001 * step).all() and not np.array_equal(found, weight)


def test_every_gate_of_a_recurrent_layer_has_a_scale_of_its_own(rng):
    weight = rng.standard_normal((2, 64, 40)).astype(np.float32) * np.linspace(0.01, 10, 64, dtype=np.float32)[:, None]
    graph = helper.make_graph(
        [helper.make_node("Identity", ["w"], ["y"])],
        "gates",
        [],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2, 64, 40])],
        [numpy_helper.from_array(weight, "w")],
    )
    small = as_bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9))
    found = OnnxSession(small.SerializeToString(), "gates")({})["y"]
    step = np.abs(weight).max(axis=2, keepdims=True) / 127
    assert (np.abs(found - weight) <= 0.5001 * step).all() and not np.array_equal(found, weight)


def test_the_shipped_listener_hears_what_its_description_says(rng):
    network = find("phonetic")
    sound = (0.05 * rng.standard_normal(3 * RATE)).astype(np.float32)
    outputs = network.open()({"waveform": sound[None], "waveform_lengths": np.array([len(sound)], np.int64)})
    assert list(outputs) == list(network.sidecar.outputs) == ["whisper", "phones", "word_start"]
    assert outputs["whisper"].shape[2:] == PHONETIC_PARTS == (network.sidecar.features,)
    assert all(abs(rows.shape[1] - 150) <= 2 and np.isfinite(rows).all() for rows in outputs.values())
    np.testing.assert_allclose(np.exp(outputs["phones"]).sum(axis=2), 1, atol=1e-3)


def test_waves_that_are_computed_on_loading_are_those_that_were_stored():
    stored = fourier_waves(400).numpy()
    graph = helper.make_graph(
        [helper.make_node("Identity", ["waves"], ["y"])], "waves", [],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, list(stored.shape))],
        [numpy_helper.from_array(stored, "waves")],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    content = export.with_waves(model).SerializeToString()
    assert len(content) < stored.nbytes / 50
    np.testing.assert_allclose(OnnxSession(content, "waves")({})["y"], stored, atol=2e-6)
