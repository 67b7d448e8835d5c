# ruff: noqa: E402 - imported once it is known that what the module needs is installed
"""The content code: what its networks promise, training that can be repeated and resumed, and honest probes."""

import json
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")
librosa = pytest.importorskip("librosa")

from mouthpiece.features import FEATURE_SIZE, RATE
from mouthpiece.speaker import VOICE_SIZE

from training.content.config import ContentConfig
from training.content.corpus import Corpus
from training.content.data import Stretch
from training.content.networks import ContentShape
from training.conversion import content_from_code, probe, train
from training.conversion.networks import (
    MEL_SIZE,
    Adversary,
    Converter,
    ConverterShape,
    instance_norm,
    load_converter,
    load_voice_network,
    log_mel,
    reverse_gradient,
    save_converter,
    voice_of,
)
from training.conversion.train import (
    ConversionConfig,
    ConversionRun,
    Utterance,
    UtteranceSampler,
    person_of,
    unit_centres,
    utterances,
)
from training.measures.score import synthetic_face
from training.pack.clips import Clip
from training.paths import CONFIGS
from training.speaker.voice import VoiceNet

TINY = ConverterShape(code=4, encoder=8, decoder=8, voice=4, layers=1, units=5)


def speech(rng, persons=3, frames=60):
    """Utterances of made-up people: features and spectra are noise around each one's own level."""
    result = []
    for k in range(persons):
        voice = np.abs(rng.standard_normal(VOICE_SIZE)).astype(np.float32)
        result.append(
            Utterance(
                f"person {k}",
                (rng.standard_normal((frames, FEATURE_SIZE)) + k).astype(np.float16),
                (rng.standard_normal((frames, MEL_SIZE)) - 6 + k).astype(np.float32),
                voice / np.linalg.norm(voice),
                (0.1 * rng.standard_normal((frames, 204))).astype(np.float16),
                np.ones(frames, np.float16),
            )
        )
    return result


@pytest.fixture
def voices():
    torch.manual_seed(1)
    return VoiceNet().eval().requires_grad_(False)


@pytest.fixture
def config():
    return ConversionConfig(steps=4, window=50, batch=3, warmup=1, evaluate_every=2, shape=TINY)


# ---- networks


def test_a_reversed_gradient_has_the_other_sign_and_the_strength_asked_for():
    x = torch.tensor([1.0, -2.0], requires_grad=True)
    y = reverse_gradient(x, 0.5)
    assert torch.equal(y, x)
    (3 * y).sum().backward()
    assert torch.equal(x.grad, torch.tensor([-1.5, -1.5]))


def test_behind_the_reversal_the_adversary_learns_and_the_code_unlearns():
    torch.manual_seed(0)
    adversary, speaker, keep = Adversary(4, 2, 8), torch.tensor([0, 1]), torch.ones(2, 20)
    code = torch.randn(2, 20, 4, requires_grad=True)
    adversary(code, keep, speaker).backward()
    straight, weights = code.grad.clone(), adversary.by_frame.weight.grad.clone()
    code.grad = None
    adversary.zero_grad()
    adversary(reverse_gradient(code, 2.0), keep, speaker).backward()
    assert torch.allclose(code.grad, -2 * straight, atol=1e-7)
    assert torch.allclose(adversary.by_frame.weight.grad, weights)


def test_instance_norm_by_hand():
    x = torch.tensor([[[1.0], [3.0], [100.0]]])
    y = instance_norm(x, torch.tensor([[1.0, 1.0, 0.0]]))
    assert torch.allclose(y, torch.tensor([[[-1.0], [1.0], [0.0]]]), atol=1e-3)


def test_the_bottleneck_is_as_narrow_as_asked_and_normalised():
    torch.manual_seed(0)
    net = Converter(TINY).eval()
    features = torch.randn(2, 30, FEATURE_SIZE)
    code = net.code(features)
    assert code.shape == (2, 30, 4)
    assert torch.allclose(code.mean(dim=1), torch.zeros(2, 4), atol=1e-4)
    assert torch.allclose(code.var(dim=1, unbiased=False), torch.ones(2, 4), atol=0.05)
    mel = net.decoder(code, torch.rand(2, VOICE_SIZE))
    assert mel.shape == (2, 30, MEL_SIZE)
    assert net.heard(mel).shape == code.shape
    assert net.units(code).shape == (2, 30, 5)


def test_padding_does_not_change_a_code():
    torch.manual_seed(0)
    net = Converter(replace(TINY, layers=2)).eval()
    features = torch.randn(1, 30, FEATURE_SIZE)
    alone = net.code(features)
    padded = net.code(torch.nn.functional.pad(features, (0, 0, 0, 15), value=9.0), torch.tensor([30]))
    assert torch.allclose(padded[:, :30], alone, atol=1e-4)


def test_an_offset_of_the_projection_is_no_part_of_a_code():
    torch.manual_seed(0)
    net = Converter(TINY).eval()
    features = torch.randn(1, 40, FEATURE_SIZE)
    before = net.code(features)
    with torch.no_grad():
        net.code.narrow.bias += 5.0
    assert torch.allclose(net.code(features), before, atol=1e-4)


def test_checkpoints_come_back_within_half_floats(tmp_path):
    torch.manual_seed(0)
    net, features = Converter(TINY).eval(), torch.randn(1, 20, FEATURE_SIZE)
    save_converter(net, tmp_path / "a.safetensors", {"step": "3"})
    assert torch.allclose(load_converter(tmp_path / "a.safetensors").code(features), net.code(features), atol=0.05)
    (tmp_path / "b.safetensors").write_bytes(b"nothing of the kind")
    with pytest.raises(ValueError, match="not a checkpoint of a converter"):
        load_converter(tmp_path / "b.safetensors")


# ---- spectra and voices


def test_spectra_are_those_of_resemblyzer(rng):
    samples = rng.standard_normal(RATE).astype(np.float32)
    samples *= np.float32(10 ** (-30 / 20) / np.sqrt(np.mean(samples**2)))
    expected = librosa.feature.melspectrogram(y=samples, sr=RATE, n_fft=400, hop_length=160, n_mels=40).T[:100]
    assert np.allclose(np.exp(log_mel(3 * samples, 25)).reshape(100, 40), np.maximum(expected, 1e-6), rtol=1e-3)


def test_silence_and_scraps_have_a_spectrum_too():
    assert np.isfinite(log_mel(np.zeros(640, np.float32), 1)).all()
    assert log_mel(np.zeros(100, np.float32), 3).shape == (3, MEL_SIZE)


def test_a_voice_is_of_unit_length_however_short(voices, rng):
    for frames in (3, 40, 200):
        voice = voice_of(voices, rng.standard_normal((frames, MEL_SIZE)).astype(np.float32) - 8)
        assert voice.shape == (VOICE_SIZE,)
        assert np.linalg.norm(voice) == pytest.approx(1, abs=1e-5)


def test_a_voice_network_must_be_one(tmp_path):
    torch.save({"something": 1}, tmp_path / "x.pt")
    with pytest.raises(ValueError, match="speaker encoder"):
        load_voice_network(tmp_path / "x.pt")


def test_pages_with_running_numbers_are_one_person():
    assert person_of("id-someone-0091") == person_of("id-someone-0096") == "id-someone"
    assert person_of("ar-anchor-07") == "ar-anchor-07"


def test_the_voice_of_a_person_is_the_mean_of_their_clips(rng):
    clips, stretches = [], []
    for k in range(2):
        arrays = (np.zeros((10, n), np.float16) for n in (FEATURE_SIZE, 204, 51))
        stretches.append(Stretch("anna", *arrays, np.ones(10, np.float16)))
        clips.append(
            Clip(f"c{k}", "anna", "train", "", np.zeros(6400, np.float32), *(np.zeros((10, 1)),) * 3, np.ones(10, bool))
        )
    own = np.eye(VOICE_SIZE, dtype=np.float32)[:2]
    spoken = utterances(clips, stretches, [np.zeros((10, MEL_SIZE), np.float32)] * 2, own)
    assert np.allclose(spoken[0].voice[:2], 0.5**0.5)
    assert np.allclose(spoken[1].voice, spoken[0].voice)


# ---- training


def test_clusters_of_points_that_are_clusters_are_found(rng):
    points = np.concatenate([rng.normal(level, 0.01, (50, 2)) for level in (-1, 0, 1)]).astype(np.float32)
    centres = np.sort(unit_centres(points, 3, np.random.default_rng(0))[:, 0].numpy())
    assert len(centres) == 3
    nearest = np.abs(points[:, :1] - centres).min(axis=1)
    assert nearest.mean() < 0.5


def test_short_clips_are_padded_and_counted(rng):
    batch = UtteranceSampler(speech(rng, 2, 30), 50, 4).draw(np.random.default_rng(0))
    assert batch.features.shape == (4, 30, FEATURE_SIZE)
    assert batch.lengths.tolist() == [30] * 4


def test_the_same_seed_gives_the_same_networks(config, voices, tmp_path):
    own = speech(np.random.default_rng(5))
    nets = []
    for name in ("a", "b"):
        run = ConversionRun(config, own, voices, tmp_path / name)
        run.train()
        nets.append(run.net.state_dict())
    assert all(torch.equal(nets[0][key], nets[1][key]) for key in nets[0])
    history = json.loads((tmp_path / "a" / "run.json").read_text())["history"]
    assert [entry["step"] for entry in history] == [2, 4]
    assert {"mel", "units", "speaker", "heard", "kept", "voice"} <= set(history[0])


def test_a_resumed_run_ends_where_an_unbroken_one_does(config, voices, tmp_path):
    own = speech(np.random.default_rng(5))
    whole = ConversionRun(config, own, voices, tmp_path / "whole")
    whole.train()
    broken = ConversionRun(config, own, voices, tmp_path / "broken")
    broken.learn(), broken.learn()
    broken.save()
    again = ConversionRun(config, own, voices, tmp_path / "broken")
    again.resume()
    assert again.step == 2
    again.train()
    for key, value in whole.net.state_dict().items():
        assert torch.equal(value, again.net.state_dict()[key]), key


def test_conversion_losses_leave_encoder_and_listener_alone(config, voices, tmp_path):
    run = ConversionRun(config, speech(np.random.default_rng(5)), voices, tmp_path)
    batch = run.sampler.draw(run.rng)
    code = run.net.code(batch.features, batch.lengths).detach()
    parts = run._converted(code, batch, torch.ones(*code.shape[:2], 1) / code[..., 0].numel())
    torch.stack(list(parts.values())).sum().backward()
    assert all(p.grad is None for part in (run.net.code, run.net.heard) for p in part.parameters())
    assert run.net.decoder.out.weight.grad.abs().max() > 0


def test_a_misspelt_setting_is_an_error(tmp_path):
    (tmp_path / "c.json").write_text('{"shape": {"codes": 3}, "stepz": 1}')
    with pytest.raises(ValueError, match=r"shape\.codes, stepz"):
        ConversionConfig.read(tmp_path / "c.json")


def test_the_shipped_settings_can_be_read():
    path = CONFIGS / "conversion.json"
    assert ConversionConfig.read(path).shape.code > 0


# ---- probes


def test_a_probe_tells_what_can_be_told():
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(3), 60)
    rows = (np.eye(3)[labels] * 8 + rng.standard_normal((180, 3))).astype(np.float32)
    assert probe.fit_probe(rows[::2], labels[::2]).accuracy(rows[1::2], labels[1::2]) == 1.0


def test_a_probe_of_noise_is_at_chance():
    rng = np.random.default_rng(0)
    labels = np.tile(np.arange(4), 1000)
    rows = rng.standard_normal((4000, 5)).astype(np.float32)
    accuracy = probe.fit_probe(rows[:2000], labels[:2000]).accuracy(rows[2000:], labels[2000:])
    assert accuracy == pytest.approx(0.25, abs=0.04)


def test_a_probe_is_not_better_for_a_common_class():
    labels = np.array([0] * 90 + [1] * 10)
    rows = np.zeros((100, 2), np.float32)
    assert probe.fit_probe(rows, labels).accuracy(rows, labels) == 0.5


def test_speakers_are_told_by_what_differs_and_not_by_what_does_not(rng):
    people = {}
    for k in range(3):
        features = rng.standard_normal((320, FEATURE_SIZE)).astype(np.float16)
        features[:, :2] += 10 * np.array([k == 1, k == 2])
        people[str(k)] = [replace(speech(rng, 1, 320)[0], features=features, person=str(k))]
    assert probe.speaker_accuracy(people, lambda u: u.features[:, :4].astype(np.float32), False) > 0.99
    assert probe.speaker_accuracy(people, lambda u: u.features[:, 4:8].astype(np.float32), False) < 0.5
    assert probe.speaker_accuracy(people, lambda u: u.features[:, :4].astype(np.float32), True) > 0.99


def test_every_figure_is_measured_and_drawn(rng, voices, tmp_path):
    torch.manual_seed(0)
    corpus = Corpus(synthetic_face(), [[]], [])
    material = train.UtteranceSets(speech(rng, 3, 300), speech(rng, 2, 300), corpus)
    result = probe.measure(Converter(TINY).eval(), voices, material, pairs=3)
    numbers = [v for part in ("MFCC", "features", "code", "conversion") for v in result[part].values()]
    assert np.isfinite(numbers).all()
    assert result["chance"]["seen"] == pytest.approx(1 / 3)
    assert "chance" in probe.report(result)
    probe.plot(result, tmp_path / "probe.png")
    assert (tmp_path / "probe.png").stat().st_size > 1000


def test_probing_without_a_checkpoint_says_so(tmp_path, caplog):
    arguments = [str(tmp_path / "none.safetensors"), "--data", ".", "--voice", "x", "--cache", str(tmp_path)]
    assert probe.main(arguments) == 1
    assert "none.safetensors" in caplog.text


# ---- a content network that hears through the code


def test_the_front_end_does_not_learn_and_the_rest_does(rng, tmp_path):
    def stretches(count):
        return [
            Stretch(u.person, u.features, u.landmarks, np.full((60, 51), 0.1, np.float16), u.weight)
            for u in speech(rng, count)
        ]

    settings = {"steps": 2, "window": 20, "batch": 2, "evaluate_every": 1}
    small = ContentShape(projection=8, hidden=6, layers=1, basis=4)
    front = Converter(TINY).code
    before = {key: value.clone() for key, value in front.state_dict().items()}
    corpus = Corpus(synthetic_face(), [stretches(3)], stretches(2))
    run = content_from_code.CodeContentRun(ContentConfig(**settings, shape=small), corpus, tmp_path, front)
    start = run.net.project.weight.detach().clone()
    run.train()
    assert run.step == 2
    assert all(torch.equal(run.net.front.state_dict()[key], value) for key, value in before.items())
    assert not torch.equal(run.net.project.weight, start)
    assert run.net.project.in_features == 4
