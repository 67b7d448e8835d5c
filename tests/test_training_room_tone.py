"""The measure of rooms: pauses are known, rooms are as loud as asked for, and figures say what they mean."""

import numpy as np
import pytest
import soundfile
from mouthpiece.features import hop_rms, speech_rms
from mouthpiece.topology import ARKIT_INDEX, INNER_LIP_BOTTOM, INNER_LIP_TOP

from tests.material import babble, make_take
from training.measures import room_tone


@pytest.fixture
def sentences(rng):
    """Six seconds, with two short breaks in which nothing is heard but a little noise."""
    samples = babble(6, rng)
    for second in (2.0, 4.0):
        samples[round(16_000 * second) : round(16_000 * (second + 0.3))] *= 0.01
    return samples


def test_pauses_are_put_where_the_speaker_is_quietest(sentences):
    spoken = room_tone.with_pauses(sentences)
    assert len(spoken.samples) == len(sentences) + 16_000 * (room_tone.LEAD + sum(room_tone.PAUSES))
    quiet = spoken.samples.reshape(-1, 640)[: len(spoken.pauses)][spoken.pauses]
    assert not quiet.any()
    seconds = spoken.pauses.sum() / 25
    assert seconds == pytest.approx(sum(room_tone.PAUSES) + room_tone.LEAD - 6 * room_tone.AWAY, abs=0.5)
    assert not (spoken.pauses & spoken.speech).any() and spoken.speech.sum() / 25 > 2


@pytest.mark.parametrize("name", list(room_tone.ROOMS))
def test_rooms_have_the_level_asked_for_and_the_same_seed_makes_the_same(name, sentences):
    spoken = room_tone.with_pauses(sentences)
    first, again = (room_tone.ROOMS[name](len(spoken.samples), np.random.default_rng(3), [sentences]) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    under = room_tone.in_room(spoken, first, 30.0) - spoken.samples
    assert 20 * np.log10(spoken.level / np.sqrt(np.mean(under**2))) == pytest.approx(30, abs=0.1)


def test_a_door_makes_the_second_half_louder(rng):
    room = room_tone.door(160_000, rng)
    assert 12 < 20 * np.log10(room[100_000:].std() / room[:70_000].std()) < 18


def test_eight_bits_are_noisy_steps(sentences, rng):
    found = room_tone.in_bytes(room_tone.with_pauses(sentences), rng)
    np.testing.assert_array_equal(found * 128, np.round(found * 128))
    assert speech_rms(hop_rms(found[:12_000])) > 0.001  # dither in the lead


def gaping(gap):
    """A take whose inner lips are so far apart (T,)."""
    neutral = np.zeros((68, 3), np.float32)
    landmarks = np.repeat(neutral[None], len(gap), axis=0)
    landmarks[:, INNER_LIP_BOTTOM, 1] = gap
    arkit = np.zeros((len(gap), 52), np.float32)
    arkit[:, ARKIT_INDEX["jawOpen"]] = gap
    return make_take(len(gap), landmarks=landmarks, neutral=neutral, arkit=arkit)


def test_figures_tell_an_ajar_mouth_from_a_resting_one_and_see_what_speech_loses():
    assert INNER_LIP_TOP != INNER_LIP_BOTTOM
    speech = np.arange(100) % 50 < 25
    spoken = room_tone.KnownSpeech(np.zeros(64_000, np.float32), 0.1, ~speech, speech)
    wanted = np.where(speech, 0.1 + 0.05 * np.sin(np.arange(100)), 0.0)
    same = room_tone.figures(spoken, gaping(wanted), gaping(wanted))
    assert same["ajar"] == same["gap"] == same["shut"] == 0
    assert same["r_open"] == pytest.approx(1) and same["opened"] == pytest.approx(1)
    ajar = room_tone.figures(spoken, gaping(wanted), gaping(np.where(speech, wanted, 0.05)))
    assert ajar["ajar"] == 1 and ajar["gap"] == pytest.approx(0.05) and ajar["shut"] == 0
    cut = np.where(np.arange(100) < 50, 0, wanted)
    lost = room_tone.figures(spoken, gaping(wanted), gaping(cut))
    assert lost["shut"] == pytest.approx(0.5) and lost["opened"] < 0.6 and lost["r_open"] < 0.9


def test_the_program_prints_a_line_for_each_room(sentences, tmp_path, monkeypatch, capsys):
    soundfile.write(tmp_path / "one.wav", sentences, 16_000)
    monkeypatch.setattr(room_tone, "ROOMS", {name: room_tone.ROOMS[name] for name in ("white", "crowd")})
    monkeypatch.setattr(room_tone, "take_of", lambda samples: gaping(np.full(-(-len(samples) // 640), 0.05)))
    command = ["--speech", str(tmp_path), "--levels", "30", "20"]
    assert room_tone.main(command) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + 1 + 2 * 2 + 1 + 1  # heads, none, two rooms, 8 bits, mean
    assert lines[-1].startswith("| mean of the rooms | 1.00 | 0.05 |")
    assert room_tone.main([*command, "--at-most", "0.5"]) == 1


def test_a_folder_without_speech_is_refused(tmp_path, caplog, monkeypatch):
    assert room_tone.main(["--speech", str(tmp_path)]) == 1
    assert "no sounds" in caplog.text
    monkeypatch.setattr(room_tone, "ROOMS", {})
    soundfile.write(tmp_path / "nothing.wav", np.zeros(32_000), 16_000)
    assert room_tone.main(["--speech", str(tmp_path)]) == 1
    assert "nobody speaks in nothing" in caplog.text
