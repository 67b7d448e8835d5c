"""Long sounds are heard in chapters: every part of one gets the same motion at the same second, for little work."""

import numpy as np
import pytest
from mouthpiece import chapters, pipeline, recent_takes
from mouthpiece.audio import Audio, SoundFile
from mouthpiece.chapters import Chapter, Joined
from mouthpiece.curves import sample
from mouthpiece.errors import AudioError
from mouthpiece.performance import Performance
from mouthpiece.pipeline import Excerpt, Options, Warned, animate, excerpt_steps, survey
from mouthpiece.topology import ARKIT_INDEX

from tests.material import babble, make_take, tone

TRACKS = ("landmarks", "arkit", "activity", "style", "head", "style_head", "gaze", "blink")
SECONDS = 50
BORDERS = (20, 40)


@pytest.fixture(scope="module")
def short_chapters():
    """Chapters of twenty seconds, so that a sound of a minute has several."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chapters, "WHOLE", 24)
        patch.setattr(chapters, "LENGTH", 20)
        recent_takes.recent.clear()
        yield
    recent_takes.recent.clear()


@pytest.fixture(scope="module")
def long_sound(speech):
    """Three chapters of speech."""
    return Audio(np.tile(speech.samples, 10)[: SECONDS * 16_000], 16_000, "A long sound", "aa" * 32)


@pytest.fixture(scope="module")
def long_take(short_chapters, long_sound):
    return animate(long_sound)


class Counted:
    """A source that counts the samples it is asked for."""

    def __init__(self, audio, content=""):
        self.audio, self.label, self.content, self.count = audio, audio.label, content, 0
        self.mixdown = audio.mixdown

    def blocks(self, start=0, stop=None):
        for block in self.audio.blocks(start, stop):
            self.count += len(block)
            yield block


def excerpt(source, part, options=None):
    (found,) = (item for item in excerpt_steps(source, part, options) if isinstance(item, Excerpt))
    return found


def same(one, other, at):
    """Return whether ``other`` is what ``one`` has from frame ``at`` on, in every array."""
    return all(np.array_equal(getattr(one, name)[at : at + len(other)], getattr(other, name)) for name in TRACKS)


def test_any_part_of_a_short_sound_is_cut_from_the_take_of_the_whole(speech, spoken):
    whole = excerpt(speech, (0.0, 99.0))
    assert same(whole.performance, spoken, 0) and whole.begin == 0 and whole.seconds == speech.seconds
    long = Audio(np.tile(speech.samples, 4), 16_000)
    take, part = animate(long), excerpt(long, (12.3, 13.1))
    assert part.begin == pytest.approx(12.3 - pipeline.MARGIN, abs=0.04)
    assert part.performance.seconds == pytest.approx(0.8 + 2 * pipeline.MARGIN, abs=0.08)
    assert same(take, part.performance, round(part.begin * 25))
    assert part.performance.audio_sha256 == take.audio_sha256


def test_parts_of_a_long_sound_are_the_same_in_any_order_and_session(long_sound, long_take):
    whole = long_take
    assert len(whole) == SECONDS * 25
    assert whole.audio_sha256 == survey(long_sound).sha256
    for part in ((44.0, 49.9), (12.5, 13.0)):
        recent_takes.recent.clear()  # another session
        found = excerpt(long_sound, part)
        assert same(whole, found.performance, round(found.begin * 25)), part
        assert found.begin <= part[0] - 1 and found.begin + found.performance.seconds >= min(part[1] + 1, SECONDS)


def test_only_the_chapters_needed_are_decoded_and_the_next_part_costs_nothing(short_chapters, speech):
    sound = Counted(Audio(np.tile(speech.samples, 40), 16_000, "A long sound"), "bb" * 32)
    excerpt(sound, (132.0, 133.0))
    assert sound.count <= (2 * (chapters.LENGTH + 2 * chapters.CONTEXT) + 1) * 16_000 < len(sound.audio.samples) / 2
    before = sound.count
    excerpt(sound, (132.2, 132.8))
    assert sound.count == before


def test_a_sound_without_an_identity_is_not_kept(short_chapters, speech):
    before = recent_takes.recent.size
    excerpt(Audio(speech.samples, 16_000), (0.0, 1.0))
    assert recent_takes.recent.size == before


def test_the_face_passes_from_chapter_to_chapter_without_a_jump(long_take):
    take = long_take
    inside = np.ones(len(take) - 1, bool)
    for border in BORDERS:
        inside[(border - 6) * 25 : (border + 6) * 25] = False
    for name, most in (("head", 1.25), ("arkit", 1.1), ("landmarks", 1.1)):
        step = np.abs(np.diff(getattr(take, name).reshape(len(take), -1), axis=0)).max(axis=1)
        assert step[~inside].max() <= most * step[inside].max(), name
    for border in BORDERS:
        parts = [k for k in range((border - 6) * 25, (border + 6) * 25) if 0.02 < take.blink[k].max() < 0.98]
        runs = np.split(parts, np.flatnonzero(np.diff(parts) > 1) + 1) if parts else []
        assert all(len(run) < 15 for run in runs)  # lids that stay half shut


def test_chapters_at_another_frame_rate_say_the_same(long_sound, long_take):
    fps = 30000 / 1001
    take = animate(long_sound, Options(fps=fps))
    times = np.arange(len(take)) / fps
    assert take.seconds == pytest.approx(SECONDS, abs=1 / fps)
    away = np.min(np.abs(times[:, None] - np.array(BORDERS)), axis=1) > 6  # there hand-overs may be at other frames
    away &= times < SECONDS - 0.04
    jaw = ARKIT_INDEX["jawOpen"]
    expected = sample(long_take.arkit[:, jaw], 25, times)
    np.testing.assert_allclose(take.arkit[away, jaw], expected[away], atol=1e-4)


@pytest.mark.parametrize("seconds", [24, 25, 28.1, 48.1])
def test_a_sound_of_any_length_is_animated_to_its_end(short_chapters, speech, seconds):
    sound = Audio(np.tile(speech.samples, 10)[: round(seconds * 16_000)], 16_000, "A sound")
    assert len(animate(sound)) == -(-round(seconds * 16_000) // 640)


def test_a_part_beyond_the_end_is_refused_in_words(short_chapters, long_sound):
    with pytest.raises(AudioError, match="ends before the part"):
        excerpt(long_sound, (500.0, 510.0))


def test_a_silent_part_of_a_long_sound_is_told(short_chapters, rng):
    sound = Audio(np.concatenate([babble(10, rng), np.zeros(16_000 * 60, np.float32)]), 16_000, "It")
    told = [item.message for item in excerpt_steps(sound, (70.0, 71.0)) if isinstance(item, Warned)]
    assert told == ["It is silent here: the face rests, breathes and blinks."]


def piece(first, frames, **values):
    """A piece by hand: everything is at rest but what is named."""
    arrays = {name: np.zeros((frames, *getattr(make_take(1), name).shape[1:]), np.float32) for name in TRACKS}
    arrays |= {"style": np.zeros((frames, 0), np.float32)}
    for name, value in values.items():
        arrays[name][:] = value
    take = Performance(neutral=np.zeros((68, 3), np.float32), fps=25.0, audio_sha256=str(first), **arrays)
    return Chapter(take, first, (first + frames) / 25, False, 0.0, False, True)


def test_the_hand_over_waits_for_open_lids(short_chapters):
    lids = np.zeros((36 * 25, 2), np.float32)
    lids[18 * 25 : 21 * 25] = 1.0
    one, other = piece(0, 36 * 25, blink=lids, gaze=0.1), piece(4 * 25, 36 * 25, gaze=-0.1)
    at = chapters.seam(one, other, 1)
    assert not lids[at - 12 : at + 13].any() and abs(at - 20 * 25) <= 4 * 25
    joined = Joined(0, 1000)
    joined.add(0, one)
    joined.add(1, other)
    take = joined.performance()
    assert set(np.unique(np.round(take.blink, 3))) <= {0.0, 1.0}
    crossing = np.flatnonzero(np.abs(take.gaze[:, 0]) < 0.099)
    assert 1 <= len(crossing) <= 4  # one quick look
    assert take.audio_sha256 == "0+100"


def test_memory_is_bounded():
    kept = recent_takes.RecentTakes(limit=3 * piece(0, 100).size)
    for number in range(10):
        kept.put(number, piece(0, 100))
    assert kept.size <= 3 * piece(0, 100).size
    assert kept.get(9) is not None and kept.get(6) is None
    kept.put("huge", piece(0, 1000))
    assert kept.get("huge") is None and kept.size == 0


@pytest.mark.parametrize("rate", [16_000, 22_050, 48_000])
def test_a_stretch_of_a_file_is_that_of_the_whole(wav, rate):
    path = wav(tone(30.0, rate) * np.linspace(0, 1, 30 * rate, dtype=np.float32), rate, subtype="FLOAT")
    source = SoundFile(path)
    whole = np.concatenate(list(source.blocks()))
    part = np.concatenate(list(source.blocks(11, 23)))
    np.testing.assert_allclose(part[800:-800], whole[11 * 16_000 + 800 : 23 * 16_000 - 800], atol=1e-6)
    assert len(part) == 12 * 16_000
    assert len(np.concatenate(list(source.blocks(25, 40)))) == 5 * 16_000
    assert not list(source.blocks(30, 31)) and not list(source.blocks(99, 100))
