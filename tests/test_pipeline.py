import json
import tracemalloc

import numpy as np
import pytest
from mouthpiece import chapters
from mouthpiece.audio import Audio, SoundFile
from mouthpiece.cli.inspect import lip_gap
from mouthpiece.errors import ModelError, MouthpieceError
from mouthpiece.features import FRAME_SAMPLES, hop_rms, loudness_gain, speech_rms
from mouthpiece.files import ASSETS
from mouthpiece.models import content, registry
from mouthpiece.models.phonetic import PhoneticListener
from mouthpiece.motion import closures
from mouthpiece.performance import Performance
from mouthpiece.pipeline import Networks, Options, Progress, Warned, animate, articulate, steps, survey
from mouthpiece.topology import ARKIT_INDEX, ARKIT_MOUTH, LIPS
from scipy.ndimage import gaussian_filter1d

from tests.material import babble, tone

MOUTH = [ARKIT_INDEX[name] for name in ARKIT_MOUTH]


def messages(source, kind):
    return [item.message for item in steps(source) if isinstance(item, kind)]


def test_a_take_has_the_sounds_length_and_provenance(speech, spoken):
    assert len(spoken) == -(-len(speech.samples) // FRAME_SAMPLES)
    assert spoken.fps == 25
    assert spoken.audio_sha256 == survey(speech).sha256
    assert spoken.models == {
        name: registry.find(name).sidecar.sha256 for name in ("phonetic", "content", "voice", "head")
    }
    assert spoken.options["seed"] == 0 and spoken.options["head"] == "learned"


@pytest.mark.parametrize("listener", ["ab" * 32, ""])
def test_a_content_network_only_hears_with_the_listener_it_learned_with(tmp_path, listener):
    for name in ("content.onnx", "content.onnx.json"):
        (tmp_path / name).write_bytes((ASSETS / name).read_bytes())
    assert Networks.find(tmp_path).content.sidecar.listener == registry.find("phonetic").sidecar.sha256
    about = json.loads((tmp_path / "content.onnx.json").read_text(encoding="utf-8")) | {"listener": listener}
    if not listener:
        del about["listener"]  # as networks were described before they named it
    (tmp_path / "content.onnx.json").write_text(json.dumps(about), encoding="utf-8")
    with pytest.raises(ModelError, match="another listener"):
        Networks.find(tmp_path)


def test_speech_opens_and_shuts_the_mouth(spoken):
    gap = lip_gap(spoken)
    jaw = spoken.arkit[:, ARKIT_INDEX["jawOpen"]]
    assert gap.max() > 3 * max(gap.min(), 0.02)
    assert np.corrcoef(gap, jaw)[0, 1] > 0.8
    assert 0 <= spoken.arkit.min() and spoken.arkit.max() <= 1


def test_the_same_seed_gives_the_same_take_another_only_another_head(speech, spoken):
    again, other = animate(speech), animate(speech, Options(seed=1))
    for name in ("landmarks", "arkit", "head", "gaze", "blink", "activity"):
        np.testing.assert_array_equal(getattr(again, name), getattr(spoken, name))
    np.testing.assert_array_equal(other.landmarks[:, LIPS], spoken.landmarks[:, LIPS])
    assert np.abs(other.head - spoken.head).max() > 0.01


def test_loudness_and_rate_of_the_recording_hardly_matter(speech, spoken):
    from scipy.signal import resample_poly

    quiet = animate(Audio(speech.samples * 0.05, 16_000))
    np.testing.assert_allclose(quiet.landmarks, spoken.landmarks, atol=0.005)
    studio = animate(Audio(resample_poly(speech.samples, 3, 1).astype(np.float32), 48_000))
    gap = lip_gap(studio)
    assert np.corrcoef(gap, lip_gap(spoken))[0, 1] > 0.99


def test_the_take_follows_the_sound_when_it_is_moved(speech, spoken):
    delayed = animate(Audio(np.concatenate([np.zeros(16_000, np.float32), speech.samples]), 16_000))
    assert len(delayed) == len(spoken) + 25
    first = lip_gap(delayed)[25:]
    assert np.corrcoef(first, lip_gap(spoken))[0, 1] > 0.95


@pytest.mark.parametrize("fps", [24.0, 30000 / 1001, 60.0])
def test_other_frame_rates_are_the_same_motion(speech, spoken, fps):
    take = animate(speech, Options(fps=fps))
    assert take.fps == fps and abs(take.seconds - spoken.seconds) <= 1 / fps
    times = np.arange(len(take)) / fps
    inside = times < spoken.seconds - 0.04
    expected = np.interp(times, np.arange(len(spoken)) / 25, spoken.arkit[:, ARKIT_INDEX["jawOpen"]])
    assert np.abs(take.arkit[:, ARKIT_INDEX["jawOpen"]] - expected)[inside].max() < 0.06


def test_silence_gives_a_closed_still_living_face():
    take = animate(Audio(np.zeros(16_000 * 20, np.float32), 16_000))
    assert not take.arkit[:, MOUTH].any()
    np.testing.assert_array_equal(take.landmarks[:, LIPS], np.broadcast_to(take.neutral[list(LIPS)], (500, 20, 3)))
    assert take.activity.max() == 0
    assert take.blink.max() > 0.9 and take.head.std(axis=0)[:3].min() > 0
    assert messages(Audio(np.zeros(16_000, np.float32), 16_000), Warned)[0].startswith("The sound is silent")


@pytest.mark.parametrize("below", [40, 30, 20])
def test_lips_meet_in_a_room_as_in_silence(speech, rng, below):
    """In 0.4.0 it stood ajar wherever a room was heard."""
    line = np.pad(speech.samples, 48_000)
    noise = np.cumsum(rng.standard_normal(len(line))).astype(np.float32)
    noise -= gaussian_filter1d(noise, 400)
    level = speech_rms(hop_rms(speech.samples)) * 10 ** (-below / 20)
    room, silent = animate(Audio(line + noise * np.float32(level / noise.std()), 16_000)), animate(Audio(line, 16_000))
    pauses = np.r_[5:62, len(room) - 62 : len(room) - 5]
    np.testing.assert_array_equal(room.arkit[pauses][:, closures.OPENING], 0)
    assert closures.gaps(room.landmarks[pauses]).max() < 1e-6
    assert not silent.arkit[pauses][:, MOUTH].any()
    np.testing.assert_array_equal(silent.landmarks[pauses][:, LIPS], silent.neutral[None, LIPS].repeat(len(pauses), 0))
    assert room.activity[pauses].max() == 0
    said = slice(80, len(room) - 80)
    assert np.corrcoef(lip_gap(room)[said], lip_gap(silent)[said])[0, 1] > 0.9
    assert lip_gap(room)[said].mean() > 0.85 * lip_gap(silent)[said].mean()


def test_a_face_that_hears_only_a_hum_rests_and_it_is_told():
    time = np.arange(16_000 * 8) / 16_000
    hum = Audio(sum(0.05 / k * np.sin(2 * np.pi * 60 * k * time) for k in (1, 2, 3, 5)), 16_000, "hum.wav")
    items = list(steps(hum))
    assert [item.message for item in items if isinstance(item, Warned)] == [
        "Nobody speaks in hum.wav from end to end, only noise is heard: the face rests, breathes and blinks."
    ]
    assert not items[-1].arkit[:, MOUTH].any() and items[-1].activity.max() == 0


@pytest.mark.parametrize("samples", [1, 100, 320, 641, 3200])
def test_sounds_of_milliseconds_are_takes_too(samples):
    take = animate(Audio(tone(1.0)[:samples], 16_000))
    assert len(take) == max(1, -(-samples // FRAME_SAMPLES))


def test_clipped_and_very_short_sounds_are_remarked_upon(rng):
    assert "clipped" in messages(Audio(np.clip(50 * babble(1.0, rng), -1, 1), 16_000), Warned)[0]
    assert "20 ms" in messages(Audio(tone(0.02), 16_000), Warned)[0]


def test_progress_rises_to_the_take(speech):
    items = list(steps(speech))
    fractions = [item.fraction for item in items if isinstance(item, Progress)]
    assert fractions == sorted(fractions) and fractions[0] == 0 and fractions[-1] <= 1
    assert isinstance(items[-1], Performance)


def test_closing_the_steps_stops_the_work(speech):
    work = steps(speech)
    next(work)
    work.close()
    with pytest.raises(StopIteration):
        next(work)


def test_a_long_sound_in_pieces_equals_the_networks_in_one_go(speech):
    """Features come from one grid of windows; the network over all of them at once is the yardstick."""
    sound = Audio(np.tile(speech.samples, 20)[: 16_000 * 130], 16_000)
    heard, networks = survey(sound), Networks.find()
    mouth = list(articulate(sound, heard, networks))[-1]
    listener = PhoneticListener(networks.phonetic.open())
    features = np.concatenate(list(listener.features([sound.samples], heard.frames, loudness_gain(heard.rms))))
    whole = content.ContentNetwork(networks.content.open()).predict(features)
    assert len(mouth.offsets) == 130 * 25 > 2 * content.WINDOW
    np.testing.assert_allclose(mouth.offsets, whole.offsets, atol=1e-3)
    np.testing.assert_allclose(mouth.arkit, whole.arkit, atol=1e-3)


def test_memory_grows_by_the_result_and_not_by_the_sound(wav, rng, monkeypatch):
    """Growth was measured at 1.23 results; keeping all of the sound as well makes it 3.6.

    Both sounds have a chapter with others on either side, so that only what grows with length differs.
    """
    monkeypatch.setattr(chapters, "WHOLE", 60)
    monkeypatch.setattr(chapters, "LENGTH", 60)

    def peak(seconds, name):
        source = SoundFile(wav(babble(seconds, rng), name=name))
        tracemalloc.start()
        take = animate(source)
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size, sum(getattr(take, n).nbytes for n in ("landmarks", "arkit", "head", "gaze", "blink", "activity"))

    peak(62, "first.wav")  # what is loaded once is not counted
    (short, least), (long, most) = peak(150, "a.wav"), peak(240, "b.wav")
    assert long - short < 2.2 * (most - least)


@pytest.mark.parametrize("options", [{"fps": 0}, {"fps": 1000.0}, {"seed": -1}])
def test_impossible_options_are_refused(options):
    with pytest.raises(MouthpieceError):
        Options(**options)


def test_the_survey_identifies_the_sound_not_the_file(wav):
    samples = (tone(1.0) * 32767).round() / 32768
    assert survey(SoundFile(wav(samples, name="a.wav"))).sha256 == survey(SoundFile(wav(samples, name="b.flac"))).sha256
    assert survey(Audio(samples * 0.99, 16_000)).sha256 != survey(Audio(samples, 16_000)).sha256


@pytest.mark.parametrize("name", ["none", "empty"])
def test_a_folder_without_networks_is_refused(speech, tmp_path, name):
    (tmp_path / "empty").mkdir()
    with pytest.raises(MouthpieceError, match="not a folder with networks"):
        animate(speech, models=tmp_path / name)
