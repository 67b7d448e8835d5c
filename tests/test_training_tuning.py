# ruff: noqa: E402 - imported once it is known that what the module needs is installed
"""A listener that learns with the mouth: what learns, what is kept, and that only its own network is put beside it."""

import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")
pytest.importorskip("onnx")

from mouthpiece.features import FEATURE_SIZE, FRAME_SAMPLES, PHONETIC_SIZE, RATE
from mouthpiece.files import ASSETS
from mouthpiece.models.phonetic import OVERLAP, WINDOW, PhoneticListener
from mouthpiece.models.registry import find
from mouthpiece.models.session import OnnxSession
from mouthpiece.models.windows import split

from tests.training_material import ctranslate2
from training.content import export, train, tuning
from training.content.config import ContentConfig
from training.content.corpus import Corpus
from training.content.data import Stretch, listen
from training.content.networks import ContentShape
from training.content.run import ContentRun
from training.listener import export as listener_export
from training.listener import whisper as half_whisper
from training.measures.score import synthetic_face
from training.paths import CHECKPOINTS

TINY = ContentShape(projection=8, hidden=6, layers=1, basis=4, dropout=0.0, deafness=0.0)
WHISPER = list(range(2 * PHONETIC_SIZE))
REST = [k for k in range(FEATURE_SIZE) if k not in set(WHISPER)]


@pytest.fixture(scope="module")
def whisper(tmp_path_factory):
    """A model.bin of Whisper's layout with random weights."""
    torch.manual_seed(1)
    net = half_whisper.HalfWhisper()
    variables = {}
    for module, name in net._sources():
        keys = ("gamma", "beta") if isinstance(module, torch.nn.LayerNorm) else ("weight", "bias")
        for key, own in zip(keys, ("weight", "bias"), strict=True):
            variables[f"encoder/{name}/{key}"] = getattr(module, own).detach().numpy()
    path = tmp_path_factory.mktemp("whisper") / "model.bin"
    path.write_bytes(ctranslate2(variables))
    return path


@pytest.fixture(scope="module")
def corpus():
    """Two sounds, one short, as the shipped listener hears them."""
    rng, heard = np.random.default_rng(4), PhoneticListener(find("phonetic").open())
    sequences = []
    for number, frames in enumerate((150, 40)):
        rhythm = np.clip(np.sin(np.arange(frames * FRAME_SAMPLES) / RATE * 12 + number), 0.05, 1)
        samples = (0.1 * rhythm * rng.standard_normal(len(rhythm))).astype(np.float16)
        landmarks = np.zeros((frames, 68, 3))
        landmarks[:, 66, 1] = 0.2 * np.clip(np.sin(np.arange(frames) / 25 * 12 + number), 0, 1)
        landmarks += 0.001 * rng.standard_normal(landmarks.shape)
        arkit = np.zeros((frames, 51), np.float16)
        features = listen(samples.astype(np.float32), frames, heard).astype(np.float16)
        sequences.append(
            Stretch(f"speaker {number}", features, landmarks.reshape(frames, 204).astype(np.float16), arkit,
                    np.ones(frames, np.float16), samples)
        )  # fmt: skip
    return Corpus(synthetic_face(), [sequences], sequences, "", find("phonetic").sidecar.sha256)


def run_of(corpus, whisper, folder, **changes):
    settings = {"steps": 4, "window": 130, "batch": 2, "warmup": 1, "evaluate_every": 2, "shape": TINY, "tuning": 0.1}
    folder.mkdir(exist_ok=True)
    return tuning.TunedRun(ContentConfig(**settings | changes), corpus, folder, whisper)


def test_a_batch_is_heard_as_the_core_would(corpus, whisper, tmp_path):
    run = run_of(corpus, whisper, tmp_path)
    rows = [slice(None), slice(None)]
    given = torch.zeros(2, 150, FEATURE_SIZE)
    for own, sequence in zip(given, corpus.val, strict=True):
        own[: len(sequence)] = torch.from_numpy(sequence.features.astype(np.float32))
    with torch.no_grad():
        heard = run.batch_features(given, corpus.val, rows).numpy()
    for row, before, expected in zip(heard, given.numpy(), run.validation(), strict=True):
        count = len(expected)
        np.testing.assert_array_equal(row[:, REST], before[:, REST])
        np.testing.assert_allclose(row[:count, WHISPER], expected.features[:, WHISPER], atol=0.01, rtol=0.01)
        assert not row[count:, WHISPER].any()
        assert np.abs(row[:count, WHISPER] - before[:count, WHISPER]).mean() > 0.1  # another Whisper than the shipped


def test_what_lies_below_is_heard_once_and_as_a_whole(corpus, whisper, tmp_path):
    run, heard, learnt = run_of(corpus, whisper, tmp_path), [], []
    below, above = run.whisper.below, run.whisper.above
    run.whisper.below = lambda sound, layers: heard.append((sound.shape[1], layers)) or below(sound, layers)
    run.whisper.above = lambda hidden, layers: learnt.append((hidden.shape[1], layers)) or above(hidden, layers)
    for _ in range(2):
        run.batch_features(torch.zeros(2, 130, FEATURE_SIZE), corpus.val, [slice(20, 150), slice(5, 40)])
    # a short one is heard three times over with a second between; two layers of three stay as they are
    tripled = 3 * 40 * FRAME_SAMPLES + 2 * RATE
    assert heard == [(150 * FRAME_SAMPLES, 2), (tripled, 2)]
    assert learnt == 2 * [(260, 2), (tripled // 320, 2)]


def test_a_long_sound_is_heard_below_in_the_cores_windows(corpus, whisper, tmp_path, rng):
    run = run_of(corpus, whisper, tmp_path)
    sound = (0.1 * rng.standard_normal(24 * RATE)).astype(np.float32)
    hidden = run._fixed_part(corpus.val[0], sound)
    assert hidden.shape == (1200, 512)
    (first, second) = split(600, WINDOW, OVERLAP)
    with torch.no_grad():
        begins = run.whisper.below(torch.from_numpy(sound[: first.stop * FRAME_SAMPLES])[None], 2)[0].numpy()
        ends = run.whisper.below(torch.from_numpy(sound[second.start * FRAME_SAMPLES :])[None], 2)[0].numpy()
    half = OVERLAP // 2
    middle = 2 * (second.start + half)
    np.testing.assert_allclose(hidden[:middle], begins[:middle], atol=0.02, rtol=0.01)
    np.testing.assert_allclose(hidden[middle:], ends[2 * half :], atol=0.02, rtol=0.01)


def test_the_last_layer_learns_and_nothing_below_it(corpus, whisper, tmp_path):
    run = run_of(corpus, whisper, tmp_path)
    before = {name: value.clone() for name, value in run.whisper.state_dict().items()}
    run.learn()
    changed = {name for name, value in run.whisper.state_dict().items() if not torch.equal(value, before[name])}
    assert changed and all(name.startswith("layers.2.") for name in changed)
    shares = [group.get("share", 1.0) for group in run.optimiser.param_groups]
    rates = [group["lr"] for group in run.optimiser.param_groups]
    assert shares == [1.0, 0.1] and rates[1] == pytest.approx(0.1 * rates[0]) and rates[0] > 0


def test_a_resumed_run_ends_where_an_unbroken_one_does(corpus, whisper, tmp_path):
    def weights(run):
        return torch.cat([p.detach().flatten() for learner, _ in run.learning() for p in learner.parameters()])

    whole = run_of(corpus, whisper, tmp_path / "whole")
    whole.train()
    half = run_of(corpus, whisper, tmp_path / "half")
    for _ in range(2):
        half.learn()
    half.evaluate({})
    again = run_of(corpus, whisper, tmp_path / "half")
    again.resume()
    again.train()
    assert again.step == 4 and torch.equal(weights(whole), weights(again))


def test_what_is_kept_is_what_was_best(corpus, whisper, tmp_path):
    run = run_of(corpus, whisper, tmp_path)
    run.learn()
    run.evaluate({})
    kept = half_whisper.HalfWhisper()
    kept.load(half_whisper.read_ctranslate2(whisper))
    kept.tune(tmp_path / tuning.LISTENER)
    for name, value in run.whisper_average.state_dict().items():
        torch.testing.assert_close(kept.state_dict()[name], value, atol=1e-3, rtol=1e-3)
    _, notes = export.load_checkpoint(tmp_path / "best.safetensors")
    assert notes["tuned"] == hashlib.sha256((tmp_path / tuning.LISTENER).read_bytes()).hexdigest()
    (tmp_path / "no.safetensors").write_bytes(b"no")
    with pytest.raises(ValueError, match="tuned listener"):
        kept.tune(tmp_path / "no.safetensors")


def test_training_goes_on_from_a_network_and_the_layers_it_learned_with(corpus, whisper, tmp_path):
    first = run_of(corpus, whisper, tmp_path / "first")
    first.learn()
    first.evaluate({})
    second, best = run_of(corpus, whisper, tmp_path / "second"), tmp_path / "first" / "best.safetensors"
    second.start_from(best)
    for name, value in first.whisper_average.state_dict().items():
        torch.testing.assert_close(second.whisper.state_dict()[name], value, atol=1e-3, rtol=1e-3)
    plain = ContentRun(replace(second.config, tuning=0.0), corpus, tmp_path / "plain")
    with pytest.raises(ValueError, match="another listener"):
        plain.start_from(best)
    run_of(corpus, whisper, tmp_path / "other", seed=1).listener_note()
    (tmp_path / "first" / tuning.LISTENER).write_bytes((tmp_path / "other" / tuning.LISTENER).read_bytes())
    with pytest.raises(ValueError, match="did not learn with the layers beside it"):
        second.start_from(best)
    (tmp_path / "first" / tuning.LISTENER).unlink()
    with pytest.raises(ValueError, match="tuned listener"):
        second.start_from(best)


def test_a_network_is_only_put_beside_the_listener_it_learned_with(corpus, whisper, tmp_path):
    run = run_of(corpus, whisper, tmp_path / "run")
    run.learn()
    run.evaluate({})
    best, models = tmp_path / "run" / "best.safetensors", tmp_path / "models"
    models.mkdir()
    with pytest.raises(ValueError, match="another listener"):
        export.export(best, models)
    assert not list(models.glob("content*"))
    _, notes = export.load_checkpoint(best)
    shipped = json.loads((ASSETS / "phonetic.onnx.json").read_text(encoding="utf-8"))
    (models / "phonetic.onnx").write_bytes((ASSETS / "phonetic.onnx").read_bytes())
    shipped["provenance"]["tuned"] = notes["tuned"]
    (models / "phonetic.onnx.json").write_text(json.dumps(shipped), encoding="utf-8")
    export.export(best, models)
    assert find("content", models).sidecar.listener == shipped["sha256"]


def test_the_shipped_listener_and_network_are_the_checkpoints():
    folder = CHECKPOINTS
    _, notes = export.load_checkpoint(folder / "content.safetensors")
    kept = hashlib.sha256((folder / tuning.LISTENER).read_bytes()).hexdigest()
    assert notes["tuned"] == kept == find("phonetic").sidecar.provenance["tuned"]


def test_tuning_and_an_encoder_of_ones_own_exclude_each_other(corpus, whisper, tmp_path):
    with pytest.raises(ValueError, match="not both"):
        run_of(replace(corpus, encoder="ab"), whisper, tmp_path)


def test_a_tuning_run_asks_for_whisper(tmp_path, caplog):
    (tmp_path / "tuned.json").write_text('{"tuning": 0.1}', encoding="utf-8")
    arguments = ["--config", str(tmp_path / "tuned.json"), "--data", str(tmp_path), "--out", str(tmp_path / "run")]
    assert train.main(arguments) == 1 and "--whisper" in caplog.text


def test_attention_of_torch_and_of_the_exported_graph_agree():
    torch.manual_seed(0)
    net = half_whisper.HalfWhisper().eval()
    model = listener_export.half_whisper_onnx(net)
    assert sum(node.op_type == "MultiHeadAttention" for node in model.graph.node) == half_whisper.LAYERS
    sound = (0.1 * np.random.default_rng(0).standard_normal((1, RATE))).astype(np.float32)
    found = OnnxSession(model.SerializeToString(), "whisper")({"waveform": sound})["whisper"]
    with torch.no_grad():
        np.testing.assert_allclose(found, net(torch.from_numpy(sound)), atol=1e-4)
