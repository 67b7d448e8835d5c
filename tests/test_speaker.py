"""Voice prints, head motion and styles."""

import json
from dataclasses import replace

import numpy as np
import pytest
from mouthpiece import styles
from mouthpiece.cli.parser import run
from mouthpiece.errors import MouthpieceError
from mouthpiece.features import RATE
from mouthpiece.models.registry import find
from mouthpiece.motion import head
from mouthpiece.motion.prosody import STATES
from mouthpiece.performance import Performance
from mouthpiece.pipeline import Options, animate, style_of
from mouthpiece.speaker import MOST_PARTS, PART_SAMPLES, speech_parts, voice_print
from mouthpiece.styles import Style
from scipy import signal


def voiced(seconds, pitch, seed):
    """Vowels at that pitch, four syllables a second."""
    rng = np.random.default_rng(seed)
    times = np.arange(round(seconds * RATE)) / RATE
    glide = pitch * (1 + 0.05 * np.sin(2 * np.pi * 0.7 * times + seed))
    phase = 2 * np.pi * np.cumsum(glide) / RATE
    tone = sum(np.sin(k * phase) / k ** rng.uniform(0.8, 1.4) for k in range(1, 25))
    return (0.05 * tone * np.clip(np.sin(2 * np.pi * 4 * times), 0, 1)).astype(np.float32)


def spoken(seconds, rng):
    return 0.1 * np.ones(round(seconds * 100), np.float32) + 0.001 * rng.standard_normal(round(seconds * 100)).astype(
        np.float32
    )


def test_few_pieces_are_heard_however_long_the_sound(rng):
    for seconds in (2, 10, 600):
        parts = speech_parts(spoken(seconds, rng))
        assert 1 <= len(parts) <= MOST_PARTS
        assert all(len(part) == PART_SAMPLES and part.start >= 0 for part in parts)
        assert parts[-1].stop <= seconds * RATE + PART_SAMPLES
    assert parts[0].start < 60 * RATE and parts[-1].start > 540 * RATE


def test_silence_is_not_listened_to(rng):
    rms = np.zeros(3000, np.float32)
    rms[1000:1400] = spoken(4, rng)
    parts = speech_parts(rms)
    assert parts and all(part.start >= (1000 - 81) * 160 and part.stop <= (1400 + 81) * 160 + 400 for part in parts)
    assert speech_parts(np.zeros(3000, np.float32)) == ()
    assert speech_parts(spoken(1.0, rng)) == ()


def test_a_voice_print_is_the_mean_of_its_pieces_and_does_not_depend_on_how_the_sound_is_cut(rng):
    heard = []

    def session(inputs):
        heard.append(inputs["sound"])
        vector = np.zeros((1, 256), np.float32)
        vector[0, len(heard) % 2] = 1.0
        return {"voice": vector}

    samples = 0.1 * rng.standard_normal(5 * RATE).astype(np.float32)
    rms = np.full(500, 0.1, np.float32)
    whole = voice_print([samples], rms, session)
    count = len(heard)
    assert np.linalg.norm(whole) == pytest.approx(1) and whole[:2].min() > 0
    voice_print(np.array_split(samples, 17), rms, session)
    for one, two in zip(heard[:count], heard[count:], strict=True):
        np.testing.assert_array_equal(one, two)
    assert voice_print([samples], np.zeros(500, np.float32), session) is None


def test_one_voice_is_more_like_itself_than_like_another():
    session = find("voice").open()

    def prints(pitch, seed):
        sound = voiced(8.0, pitch, seed)
        power = np.sqrt((sound[: len(sound) // 160 * 160].reshape(-1, 160) ** 2).mean(axis=1)).astype(np.float32)
        return voice_print([sound], power, session)

    low, low_again, high = prints(100, 0), prints(100, 1), prints(240, 2)
    assert low @ low_again > low @ high + 0.05


def test_bands_add_up_and_keep_their_own_octaves(rng):
    track = rng.standard_normal((500, 3))
    split = head.bands(track)
    np.testing.assert_allclose(split.sum(axis=0), track, atol=1e-9)
    times = np.arange(1024) / head.HEAD_RATE
    for band, hertz in ((2, 0.36), (4, 1.45)):
        wave = np.sin(2 * np.pi * hertz * times)[:, None]
        power = (head.bands(wave) ** 2).sum(axis=(1, 2))
        assert power[band] / power.sum() > 0.98


def test_noise_bands_have_the_promised_spread_and_their_sum_a_flat_spectrum(rng):
    noise = head.noise_bands(60_000, rng)
    np.testing.assert_allclose(noise.std(axis=1), 1, atol=0.12)
    power = (head.shares(4096)[:, 1:]).sum(axis=1)
    white = np.einsum("k,ktc->tc", np.sqrt(power / power.sum()), noise)
    frequency, density = signal.welch(white[:, 0], head.HEAD_RATE, nperseg=512)
    middle = density[(frequency > 0.2) & (frequency < 6)]
    assert middle.std() / middle.mean() < 0.2


class Steady:
    """A head network for which every moment is alike."""

    def __call__(self, inputs):
        shape = (1, inputs["rhythm"].shape[1], head.BANDS, head.AXES)
        mixing = np.eye(head.AXES, dtype=np.float32)[None].repeat(head.BANDS, 0)
        return {"mean": np.zeros(shape, np.float32), "spread": np.ones(shape, np.float32), "mixing": mixing}


def test_amplitude_and_quickness_do_what_they_say():
    rhythm = np.zeros((4000, head.RHYTHM_SIZE), np.float32)

    def made(*tilt):
        return sum(head.sway(rhythm, tilt, Steady(), np.random.default_rng(0))).astype(float)

    plain, wide, quick = made(0, 0), made(np.log(2), 0), made(0, 1)
    np.testing.assert_allclose(wide, 2 * plain, rtol=1e-5)
    slow, fast = (head.bands(quick)[k].std() / head.bands(plain)[k].std() for k in (0, head.BANDS - 1))
    assert slow == pytest.approx(np.exp(-0.5), rel=0.03) and fast == pytest.approx(np.exp(0.5), rel=0.03)


def test_the_head_lies_where_its_samples_do():
    ramp = np.repeat(np.arange(50, dtype=np.float32)[:, None], 6, axis=1)
    at25 = head.at(ramp, 100, 25.0)
    # sample k is the mean of frames 2k and 2k + 1
    np.testing.assert_allclose((at25[10:90:2] + at25[11:90:2]) / 2, ramp[5:45], atol=1e-4)


def test_seeds_choose_heads_and_nothing_drifts():
    session = find("head").open()
    rhythm = np.zeros((12 * 6000 // 8, head.RHYTHM_SIZE), np.float32)
    rhythm[:, 4] = rhythm[:, 2] = 1  # speech, on and on, for twelve minutes
    one, same, other = (head.sway(rhythm, (0, 0), session, np.random.default_rng(s))[0] for s in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert np.abs(np.corrcoef(one[:, 0], other[:, 0])[0, 1]) < 0.3
    thirds = [part.std(axis=0) for part in np.array_split(one, 3)]
    assert (np.abs(np.log(thirds[0] / thirds[2])) < 0.5).all()
    assert np.abs(one[:, :3]).max() < 1.0


def test_the_head_is_slow_and_calmer_in_silence():
    session = find("head").open()
    spoken, silent = np.zeros((2, 3000, head.RHYTHM_SIZE), np.float32)
    spoken[:, 2] = spoken[:, 3 + STATES.index("speech")] = 1
    silent[:, 0], silent[:, 3 + STATES.index("pause")] = -3, 1
    loud, calm = (
        head.sway(rhythm, (0, 0), session, np.random.default_rng(0))[0].astype(float) for rhythm in (spoken, silent)
    )
    assert np.abs(np.diff(calm[:, :3], axis=0)).mean() < 0.95 * np.abs(np.diff(loud[:, :3], axis=0)).mean()
    assert calm.std(axis=0).min() > 0  # it is never frozen
    power = np.abs(np.fft.rfft(loud[:, 1] - loud[:, 1].mean())) ** 2
    assert power[: round(3000 / head.HEAD_RATE)].sum() / power.sum() > 0.75  # below one hertz
    assert np.abs(np.degrees(loud[:, :3])).max() < 40


@pytest.mark.parametrize("name", styles.NAMES[2:])
def test_named_styles_differ_from_the_average_speaker(name):
    style = styles.named(name)
    assert style.name == name and max(abs(getattr(style, key)) for key in styles.MANNER) > 0.1


def test_calm_and_energetic_are_opposites_where_it_matters():
    calm, energetic = styles.named("calm"), styles.named("energetic")
    assert calm.amplitude < -0.2 < 0.2 < energetic.amplitude
    assert calm.opening < 0 < energetic.opening and calm.quickness < energetic.quickness


def test_unknown_styles_and_numbers_that_are_none_are_refused():
    assert styles.named("speaker") is None
    with pytest.raises(MouthpieceError, match=r"no style 'brisk'.*calm"):
        styles.named("brisk")
    with pytest.raises(MouthpieceError, match="smile"):
        Style(smile=float("nan"))
    assert Style(amplitude=99).amplitude == 1.2


def gap_of(take):
    return take.landmarks[:, 66, 1] - take.landmarks[:, 62, 1]


@pytest.fixture(scope="module")
def line(speech):
    return speech


def test_a_style_moves_the_face_and_leaves_the_lips_what_they_say(line):
    plain, loud = (animate(line, Options(style=style)) for style in (Style(), Style("x", 0.7, 0.3, 0.3, 0.25, 0.5)))
    np.testing.assert_array_equal(plain.landmarks, loud.landmarks)  # it lies beside the motion, in its own layer
    a, b = (replace(take, dials={"articulation": 0.0}).final() for take in (plain, loud))  # contacts have their limits
    shut, opened = gap_of(a) <= 1e-4, gap_of(a) > 0.05
    assert opened.any()
    np.testing.assert_allclose(gap_of(b)[opened], np.exp(0.3) * gap_of(a)[opened], rtol=0.02, atol=4e-3)
    np.testing.assert_allclose(gap_of(b)[shut], gap_of(a)[shut], atol=2e-3)
    np.testing.assert_allclose(b.head, np.asarray(b.head), atol=0)
    assert b.head[:, :3].std() > 1.5 * a.head[:, :3].std()
    smile = styles.ARKIT_INDEX["mouthSmileLeft"]
    assert b.arkit[:, smile].mean() > a.arkit[:, smile].mean() + 0.1
    width = [take.landmarks[:, 54, 0] - take.landmarks[:, 48, 0] for take in (a, b)]
    assert width[1].mean() > width[0].mean()


def test_a_style_from_a_sound_is_that_sounds_own(line, tmp_path):
    import soundfile

    own = style_of(line)
    take = animate(line, Options())
    assert take.options["style"]["amplitude"] == pytest.approx(own.amplitude)
    assert "voice" not in json.dumps(take.options)  # what it was made from is not kept
    soundfile.write(tmp_path / "line.wav", line.samples, RATE)
    soundfile.write(tmp_path / "silence.wav", np.zeros(RATE), RATE)
    place = str(tmp_path / "take.npz")
    sound = str(tmp_path / "line.wav")
    assert run(["animate", sound, "-o", place, "--style-from", sound, "--quiet"]) == 0
    stored = Performance.load(place).options["style"]
    assert stored["name"] == "from line.wav" and stored["smile"] == pytest.approx(own.smile, abs=1e-3)
    assert run(["animate", sound, "-o", place, "--style-from", str(tmp_path / "silence.wav")]) == 1
    assert run(["animate", sound, "-o", place, "--style", "brisk"]) == 1
    assert run(["animate", sound, "-o", place, "--style", "calm", "--style-from", sound]) == 1


def test_delivery_counts_what_it_says():
    rhythm = np.zeros((100, head.RHYTHM_SIZE), np.float32)
    rhythm[:50, 2] = 1
    rhythm[:50, 0] = np.tile([1, -1], 25)
    rhythm[:50, 1] = np.tile([0.5, -0.5], 25)
    rhythm[:40, 4] = rhythm[40:50, 6] = rhythm[50:, 3] = 1
    np.testing.assert_allclose(styles.delivery(rhythm), [1, 0.5, 0.5, 0.1, 0.0])
