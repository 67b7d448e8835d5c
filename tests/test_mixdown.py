"""What is heard of a sound with several channels: their mean, and one of them where the mean loses the voice."""

import json

import numpy as np
import pytest
from mouthpiece.audio import SoundFile, load
from mouthpiece.cli import parser as core_cli
from mouthpiece.errors import AudioError
from mouthpiece.performance import Performance
from mouthpiece.pipeline import Excerpt, Warned, animate, excerpt_steps
from mouthpiece.sounds import mixdown

from tests.material import babble, tone

RATE = 16_000


def heard_of(*channels, rate=RATE, asked="auto"):
    """Return the mixdown of a sound with these channels."""
    samples = np.stack(channels, axis=1).astype(np.float32)

    def read(first, last):
        part = samples[first * rate : last * rate]
        yield from (part[begin : begin + 9999] for begin in range(0, len(part), 9999))

    return mixdown.decided(read, rate, "'it'", asked)


def late(samples, seconds, rate=RATE):
    """Return a sound that begins so much later."""
    return np.concatenate([np.zeros(round(seconds * rate), samples.dtype), samples])[: len(samples)]


@pytest.fixture
def voices(rng):
    """Two people who speak at the same time, ten seconds."""
    return babble(10, rng), babble(10, rng)


def test_what_is_alike_or_unrelated_is_averaged(voices, rng, speech):
    one, other = voices
    hiss = 0.003 * rng.standard_normal(len(one))
    turns = np.arange(len(one)) // (2 * RATE) % 2
    for left, right in (
        (one, one),
        (one, 0.2 * one),
        (one, other),
        (one * turns, other * (1 - turns)),
        (one * turns + hiss, other * (1 - turns) - hiss),
        (one, 0 * one),
        (0 * one, one),
        (0 * one, 0 * one),
        (one, -0.2 * one),
    ):
        assert heard_of(left, right).taken is None
    # two microphones in a room: parts of a voice cancel, but never all of it
    for seconds in (0.0001, 0.0005, 0.001, 0.01, 0.1):
        assert heard_of(speech.samples, late(speech.samples, seconds)).taken is None
        assert heard_of(speech.samples, 0.5 * late(speech.samples, seconds)).taken is None


def test_where_channels_cancel_the_stronger_is_taken(voices, rng):
    one, other = voices
    hum = 0.5 * np.sin(2 * np.pi * 50 * np.arange(len(one)) / RATE)
    hiss = 1e-3 * rng.standard_normal((2, len(one)))
    assert heard_of(one, -one).taken == 0
    assert heard_of(0.97 * one, -one).taken == 0
    assert heard_of(0.6 * one, -one).taken == 1
    assert heard_of(one + hum, hum - one).taken == 0  # the mean is loud, but no voice is in it
    assert heard_of(one + hiss[0], hiss[1] - one).taken == 0
    # one of two people has the wrong polarity
    turns = np.arange(len(one)) // (2 * RATE) % 2
    assert heard_of(one * turns + other * (1 - turns), one * turns - other * (1 - turns)).taken == 0
    # who is only on the right is not given up for an effect that is on both sides now and then
    effect = tone(10) * (np.arange(len(one)) % (5 * RATE) < RATE)
    assert heard_of(one * turns + effect, other * (1 - turns) - effect).taken is None


def test_channels_of_a_film_are_averaged_unless_they_cancel(voices):
    one, other = voices
    film = [0.3 * other, 0.3 * late(other, 0.2), one, 0 * one, 0.1 * late(other, 0.4), 0.1 * late(other, 0.5)]
    assert heard_of(*film).taken is None
    assert heard_of(*film, asked="3").taken == 2
    assert heard_of(one, -one, 0 * one).taken == 0


def test_remark_and_note_say_which_channel(voices):
    one, _ = voices
    cancelled = heard_of(one, -one)
    (said,) = cancelled.remarks("'it'")
    assert said.startswith("Left and right of 'it' cancel each other out: the left channel is heard.")
    assert cancelled.noted == "left"
    assert heard_of(one, -one, one * 0).remarks("'it'")[0].startswith("The channels of 'it' cancel each other out")
    assert (heard_of(one, one).noted, heard_of(one, one).remarks("")) == ("", ())
    assert (heard_of(one, -one, asked="mix").noted, heard_of(one, -one, asked="mix").taken) == ("mix", None)
    assert (heard_of(one, -one, asked="2").noted, heard_of(one, -one, asked="right").noted) == ("right", "right")
    assert heard_of(one, asked="left").noted == "" and heard_of(one, one, one, asked="right").noted == "2"


@pytest.mark.parametrize(
    ("count", "asked", "says"),
    [
        (1, "right", r"one channel \(mono\).*no right one"),
        (1, "2", "no channel 2"),
        (2, "3", "2 channels.*no channel 3"),
    ],
)
def test_a_channel_that_is_not_there_is_refused_in_words(wav, count, asked, says):
    path = wav(np.outer(tone(0.5), np.ones(count)))
    with pytest.raises(AudioError, match=says) as caught:
        SoundFile(path, asked)
    assert path.name in str(caught.value)


def test_choices_are_read_as_they_are_written():
    known = {"auto": "auto", "MIX": "mix", " Left": "left", "right": "right", "3": "3", "07": "7"}
    assert {text: mixdown.choice(text) for text in known} == known
    for text in ("", "0", "-1", "middle", "1.5", "²", "9" * 40):
        with pytest.raises(AudioError, match="is not a channel"):
            mixdown.choice(text)


def test_a_file_is_heard_by_its_channels(wav, voices):
    one, other = voices
    path = wav(np.stack([one, other], axis=1), subtype="FLOAT")
    for asked, expected in (("auto", (one + other) / 2), ("mix", (one + other) / 2), ("left", one), ("2", other)):
        found = np.concatenate(list(SoundFile(path, asked).mono()))
        np.testing.assert_allclose(found, expected, atol=1e-6)
        np.testing.assert_allclose(
            np.concatenate(list(SoundFile(path, asked).mono(3, 5))), expected[48_000:80_000], atol=1e-6
        )
    path = wav(np.stack([one, -one], axis=1), subtype="FLOAT")
    np.testing.assert_allclose(load(path).samples, one, atol=1e-6)


def test_every_part_of_a_long_sound_is_heard_alike(wav, rng):
    voice = np.tile(babble(60, rng), 6)
    samples = np.stack([voice, np.where(np.arange(len(voice)) < 90 * RATE, voice, -voice)], axis=1)
    whole, late_part = SoundFile(wav(samples)), SoundFile(wav(samples))
    assert whole.mixdown.taken == 0
    part = np.concatenate(list(late_part.blocks(10, 20)))  # where nothing cancels
    np.testing.assert_allclose(part, voice[160_000:320_000], atol=1e-4)


def test_what_a_long_sound_says_later_is_looked_at_and_the_look_is_bounded():
    rate, asked = 1000, []

    def read(first, last):
        asked.append((first, last))
        if first < 4 * 3600:
            moments = np.arange(first * rate, last * rate) / rate
            here = np.sin(2 * np.pi * 300 * moments) * (moments >= 180)
            yield np.stack([here, -here], axis=1).astype(np.float32)

    assert mixdown.decided(read, rate, "it").taken == 0
    assert sum(last - first for first, last in asked) < 400


def test_a_damaged_part_that_nobody_asks_for_does_not_matter(voices):
    one, _ = voices

    def read(first, last):
        if first > 0:
            raise AudioError("damaged")
        yield np.stack([one, -one], axis=1)

    assert mixdown.decided(read, RATE, "it").taken == 0


def test_a_dead_channel_changes_nothing_of_the_motion(wav, speech, spoken):
    beside = animate(SoundFile(wav(np.stack([speech.samples, 0 * speech.samples], axis=1), subtype="FLOAT")))
    assert np.abs(beside.landmarks - spoken.landmarks).max() < 0.02
    assert np.abs(beside.arkit - spoken.arkit).max() < 0.05


def test_opposite_phases_speak_and_it_is_said(wav, speech):
    path = wav(np.stack([speech.samples, -speech.samples], axis=1), subtype="FLOAT")
    items = list(excerpt_steps(SoundFile(path)))
    (said,) = [item.message for item in items if isinstance(item, Warned)]
    assert "cancel each other out: the left channel is heard" in said
    (found,) = [item.performance for item in items if isinstance(item, Excerpt)]
    assert found.options["channel"] == "left" and found.audio_sha256 == animate(speech).audio_sha256


def test_the_command_hears_the_channel_that_is_asked_for(wav, rng, tmp_path, capsys):
    one, other = babble(2, rng), babble(2, rng)
    both = wav(np.stack([one, other], axis=1), name="both.wav", subtype="FLOAT")
    left, right, mono = (tmp_path / name for name in ("left.npz", "right.npz", "mono.npz"))
    assert core_cli.run(["animate", str(both), "-o", str(left), "--channel", "left"]) == 0
    assert core_cli.run(["animate", str(both), "-o", str(right), "--channel", "2"]) == 0
    assert core_cli.run(["animate", str(wav(one, subtype="FLOAT")), "-o", str(mono)]) == 0
    takes = [Performance.load(place) for place in (left, right, mono)]
    assert [take.options.get("channel") for take in takes] == ["left", "right", None]
    assert takes[0].audio_sha256 == takes[2].audio_sha256 != takes[1].audio_sha256
    capsys.readouterr()
    assert core_cli.run(["animate", str(both), "--channel", "3", "--json"]) == 1
    assert "2 channels: there is no channel 3" in json.loads(capsys.readouterr().out)["results"][0]["error"]
    assert core_cli.run(["animate", str(both), "--channel", "middle"]) == 2
    assert "choose auto, mix, left, right" in capsys.readouterr().err
