"""The made film: what its screenplay promises, and that tables, sounds and subtitles say the same."""

import wave
from itertools import pairwise

import numpy as np
import pytest
from mouthpiece.cast.table import read_cast

from demo import screenplay
from demo.screenplay import FPS, RATE, VOICES

LONG = screenplay.screenplay(60, 12.0)
SHORT = screenplay.screenplay(10, 0.2)


def talk(seconds, seed=1):
    """Bursts of noise of half a second with pauses between them."""
    rng = np.random.default_rng(seed)
    count = int(seconds * RATE)
    return (0.3 * rng.standard_normal(count) * (np.arange(count) // (RATE // 2) % 3 < 2)).astype(np.float32)


@pytest.mark.parametrize("play", [LONG, SHORT], ids=["long", "short"])
def test_a_film_has_everything(play):
    assert {line.who for line in play.lines} == set(VOICES)
    assert {line.channel for line in play.lines} == {"", "left", "right"}
    assert sum(line.is_turn for line in play.lines) >= 2 and play.overlaps() >= 2
    heard = [line.sound for line in play.lines if not line.channel and not line.is_turn]
    assert len(set(heard)) < len(heard)  # some are cut
    assert len({line.label for line in play.lines}) == len(play.lines)
    assert all(line.to in VOICES and line.to != line.who for line in play.lines)


def test_how_much_is_said():
    assert len(LONG.lines) == 60 and LONG.speech == pytest.approx(720, abs=5)
    assert len(SHORT.lines) == 10 and SHORT.speech == pytest.approx(12, abs=1)
    counts = [sum(line.who == who for line in LONG.lines) for who in VOICES]
    assert max(counts) - min(counts) <= 4


@pytest.mark.parametrize("clash", [False, True])
@pytest.mark.parametrize("count", [10, 20, 60])
def test_who_interrupts_itself(count, clash):
    play = screenplay.screenplay(count, count / 5, clash=clash)
    over = 0
    for who in VOICES:
        own = [line for line in play.lines if line.who == who]
        over += sum(after.first <= before.last for before, after in pairwise(own))
    assert over == clash


def test_the_same_seed_is_the_same_film():
    assert screenplay.screenplay(60, 12.0) == LONG != screenplay.screenplay(60, 12.0, seed=2)


def test_few_lines():
    play = screenplay.screenplay(3, 0.1)
    assert len(play.lines) == len(play.sounds) == 3 and play.speech == pytest.approx(6, abs=0.2)


def test_files_agree(tmp_path):
    pool = screenplay.pieces([talk(20)])
    screenplay.write(SHORT, tmp_path, pool)
    lengths = {}
    for path in (tmp_path / "sounds").iterdir():
        with wave.open(str(path)) as file:
            lengths[path.name] = file.getnframes() / file.getframerate()
            assert file.getnchannels() == (2 if "stereo" in path.name else 1) and file.getframerate() == RATE
            heard = np.frombuffer(file.readframes(file.getnframes()), "<i2")
            assert np.abs(heard).max() > 8000
    for name in ("cast.csv", "cast.json", "cast.otio"):
        cast = read_cast(tmp_path / name)
        found = {line.label: line for line in cast.lines}
        assert not cast.remarks and len(found) == len(SHORT.lines)
        for line in SHORT.lines:
            read = found[line.label]
            assert (read.character, read.to, read.channel) == (line.who, line.to, line.channel)
            assert read.audio == tmp_path / "sounds" / line.sound
            assert read.start.frame_at(FPS) == pytest.approx(line.frame, abs=1e-3)
            end = lengths[line.sound] if read.end is None else read.end
            assert (read.begin * FPS, end * FPS) == pytest.approx((line.begin, line.end), abs=0.01)
    turns = [line for line in SHORT.lines if line.is_turn]
    assert (tmp_path / "turns.srt").read_text().count(" --> ") == len(turns)


def test_sounds_differ_and_come_again(tmp_path):
    pool = screenplay.pieces([talk(20)])
    made = {}
    for number, seed in enumerate((1, 1, 2)):
        folder = tmp_path / str(number)
        folder.mkdir()
        made[number] = [screenplay.record(sound, pool, seed, folder).read_bytes() for sound in SHORT.sounds]
    assert made[0] == made[1] and len(set(made[0])) == len(made[0])
    assert not set(made[0]) & set(made[2])


def test_pieces_are_cut_at_pauses():
    samples = talk(20)
    found = screenplay.pieces([samples])
    assert len(found) > 4 and all(0.7 * RATE <= len(piece) <= 4 * RATE + RATE // 50 for piece in found)
    assert np.concatenate(found) == pytest.approx(samples[: sum(map(len, found))])
    assert screenplay.pieces([np.zeros(5 * RATE, np.float32)]) == []
