"""Clips, targets, renditions and batches."""

import numpy as np
import pytest
import soundfile
from mouthpiece.features import FEATURE_SIZE, FRAME_SAMPLES, PHONETIC_PARTS
from mouthpiece.models.phonetic import PhoneticListener

from training.content import data, targets
from training.content.data import NO_AUGMENTATION, SoundAugmentation
from training.measures.score import placed_before_camera, synthetic_face, synthetic_track
from training.pack import clips, sync


def energy_session(inputs):
    """A stand-in for the phonetic network: each part is copies of each 20 ms' loudness, the last part a step short."""
    samples = inputs["waveform"][0]
    rows = samples[: len(samples) // 320 * 320].reshape(-1, 320)
    loudness = np.sqrt((rows**2).mean(axis=1))
    parts = {str(k): np.repeat(loudness[None, :, None], size, axis=2) for k, size in enumerate(PHONETIC_PARTS)}
    parts[str(len(PHONETIC_PARTS) - 1)] = parts[str(len(PHONETIC_PARTS) - 1)][:, :-1]
    return parts


@pytest.fixture
def listener():
    return PhoneticListener(energy_session)


def make_clip(rng, frames=60, speaker="anna", name="anna__0000", opening=None):
    """A clip whose sound is loud where the mouth is open."""
    opening = np.clip(0.3 * np.sin(np.arange(frames) / 4), 0, 1) if opening is None else opening
    drift = np.linspace(-1, 1, frames)
    turn = np.stack([10 * drift, -15 * drift, 5 * drift], axis=1)
    face = placed_before_camera(
        synthetic_track(opening, synthetic_face()), turn, np.zeros((frames, 3)), np.full(frames, 80.0)
    )
    flip = np.diag([1.0, -1.0, -1.0])
    pose = np.tile(np.eye(4, dtype=np.float32), (frames, 1, 1))
    unit = placed_before_camera(np.repeat(np.eye(3)[None], frames, 0), turn, np.zeros((frames, 3)), np.ones(frames))
    pose[:, :3, :3] = flip @ (unit - [320, 240, 0]).transpose(0, 2, 1) @ flip
    shapes = np.zeros((frames, 52), np.float32)
    shapes[:, 0] = 0.9  # _neutral is no blendshape
    shapes[:, 1 + 24] = 0.1 + opening  # jawOpen of a speaker who rests at 0.1
    sound = np.repeat(opening, FRAME_SAMPLES) * 0.5 * rng.standard_normal(frames * FRAME_SAMPLES)
    return clips.Clip(
        name, speaker, "train", "none", sound.astype(np.float32), face, shapes, pose, np.ones(frames, bool)
    )


def test_labels_are_arkit_without_the_tongue():
    assert len(clips.LABELLED) == 51
    assert clips.LABELLED[24] == "jawOpen"


def test_targets_are_displacements_of_the_mouth_only(rng):
    clip = make_clip(rng, frames=150)
    canonical = targets.canonical_face([clip])
    (target,) = targets.make_targets([clip], canonical)
    moved = target.landmarks.reshape(-1, 68, 3)
    still = [*range(17, 48)]
    assert np.abs(moved[:, still]).max() < 0.002  # head motion is out
    gap = moved[:, 66, 1] - moved[:, 62, 1]
    opening = clip.blendshapes[:, 25] - 0.1
    np.testing.assert_allclose(gap, opening, atol=0.02)  # smoothing rounds the corners of the motion
    jaw = target.arkit[:, 24]  # not the tracker's guess but how far lower lip and chin have dropped
    np.testing.assert_allclose(jaw, targets.jaw_opening(moved), atol=1e-6)
    assert jaw.min() == pytest.approx(0, abs=0.01) and jaw.max() > 0.05  # the speaker's own rest is rest
    assert np.delete(target.arkit, 24, axis=1).max() == 0


def test_the_jaw_opens_as_lower_lip_and_chin_drop():
    moved = np.zeros((4, 68, 3))
    moved[1, [56, 57, 58], 1] = 0.1
    moved[2, [7, 8, 9], 1] = 0.1
    moved[3, [56, 57, 58], 1] = -0.1
    np.testing.assert_allclose(targets.jaw_opening(moved), [0, 0.13, 0.03, 0])


def test_the_canonical_face_looks_into_the_camera(rng):
    canonical = targets.canonical_face([make_clip(rng, frames=150)])
    face = synthetic_face() - synthetic_face()[[36, 39, 42, 45]].mean(axis=0)
    np.testing.assert_allclose(canonical, face, atol=0.01)


def test_short_clips_share_their_speakers_rest(rng):
    open_only = make_clip(rng, 30, name="anna__0001", opening=np.full(30, 0.2) + 0.01 * np.sin(np.arange(30)))
    with_rest = make_clip(rng, 60)
    target = targets.make_targets([open_only, with_rest], targets.canonical_face([with_rest]))[0]
    moved = target.landmarks.reshape(-1, 68, 3)
    assert (moved[:, 66, 1] - moved[:, 62, 1]).min() > 0.15


def test_a_plain_rendition_is_what_the_core_hears(rng, listener):
    clip = make_clip(rng)
    (target,) = targets.make_targets([clip], targets.canonical_face([clip]))
    (stretch,) = data.render([clip], [target], listener)
    assert stretch.features.shape == (60, FEATURE_SIZE)
    np.testing.assert_allclose(
        stretch.features, data.listen(data.brought_to_loudness(clip.samples), 60, listener), rtol=1e-2, atol=1e-2
    )
    np.testing.assert_allclose(stretch.landmarks, target.landmarks, atol=1e-3)


def test_renditions_follow_their_seed(rng, listener):
    two = [make_clip(rng), make_clip(rng, 200, "bert", "bert__0000")]
    wanted = targets.make_targets(two, targets.canonical_face(two))

    def render(seed):
        return np.concatenate([s.features for s in data.render(two, wanted, listener, SoundAugmentation(), seed)])

    first = render(5)
    np.testing.assert_array_equal(first, render(5))
    assert first.shape != render(6).shape or not np.array_equal(first, render(6))


def test_silence_put_in_rests(rng, listener):
    clip = make_clip(rng)
    (target,) = targets.make_targets([clip], targets.canonical_face([clip]))
    how = SoundAugmentation(join=0, silence=1, speed=0, noise=0, tilt=0, gain_db=0, silent_share=1.0)
    stretches = data.render([clip], [target], listener, how)
    assert stretches[-1].speaker == ""
    assert np.abs(stretches[-1].landmarks).max() == 0
    assert len(stretches[0]) > 60
    first = stretches[0]
    assert np.abs(first.landmarks[:8]).max() == 0
    assert first.weight[:6].max() == 0  # when lips leave their rest is not known
    assert first.weight.max() == 1


def test_faster_takes_sound_and_face_along(rng, listener):
    clip = make_clip(rng, 100)
    (target,) = targets.make_targets([clip], targets.canonical_face([clip]))
    how = SoundAugmentation(
        join=0, silence=0, speed=1, speed_change=0.2, noise=0, tilt=0, gain_db=0, silent_share=0, cut=0
    )
    (stretch,) = data.render([clip], [target], listener, how, seed=1)
    assert len(stretch) != 100
    moved = stretch.landmarks.astype(float).reshape(-1, 68, 3)
    loud = stretch.features[:, 0].astype(float)
    assert np.corrcoef(loud, moved[:, 66, 1] - moved[:, 62, 1])[0, 1] > 0.9


def test_cutting_keeps_every_frame_once(rng, listener):
    clip = make_clip(rng, 300)
    (target,) = targets.make_targets([clip], targets.canonical_face([clip]))
    how = SoundAugmentation(join=0, silence=0, speed=0, noise=0, tilt=0, gain_db=0, silent_share=0, cut=1)
    pieces = data.render([clip], [target], listener, how)
    assert len(pieces) > 2
    np.testing.assert_allclose(np.concatenate([p.landmarks for p in pieces]), target.landmarks, atol=1e-3)


def test_the_cache_gives_back_what_was_rendered(rng, listener, tmp_path):
    two = [make_clip(rng), make_clip(rng, 90, "bert", "bert__0000")]
    wanted = targets.make_targets(two, targets.canonical_face(two))
    args = (tmp_path, two, wanted, listener, NO_AUGMENTATION, 0, "stamp")
    made, read = data.cached_rendition(*args), data.cached_rendition(*args)
    assert len(list(tmp_path.iterdir())) == 1
    for a, b in zip(made, read, strict=True):
        assert a.speaker == b.speaker
        np.testing.assert_array_equal(a.features, b.features)
        np.testing.assert_array_equal(a.weight, b.weight)


def test_the_sampler_balances_speakers(rng, listener):
    crowd = [make_clip(rng, 400, "anna"), make_clip(rng, 40, "bert", "bert__0000")]
    wanted = targets.make_targets(crowd, targets.canonical_face(crowd))
    sampler = data.StretchSampler([data.render(crowd, wanted, listener)], window=30, batch=400, power=0.0)
    batch = sampler.draw(rng)
    assert batch.features.shape == (400, 30, FEATURE_SIZE)
    long_first = wanted[0].landmarks[:, 0]
    share = np.mean([np.isclose(long_first, row[0, 0], atol=1e-3).any() for row in batch.landmarks])
    assert 0.3 < share  # equal chances, though one speaker has ten times the material


def test_padding_has_no_weight(rng, listener):
    both = [make_clip(rng, 40), make_clip(rng, 25, "bert", "bert__0000")]
    wanted = targets.make_targets(both, targets.canonical_face(both))
    batch = data.batch_of(data.render(both, wanted, listener), [slice(None)] * 2)
    assert batch.lengths.tolist() == [40, 25]
    assert batch.weight[1, 25:].max() == 0


def test_clips_are_read_back(rng, tmp_path):
    clip = make_clip(rng)
    soundfile.write(tmp_path / "anna__0000.flac", clip.samples, 16_000, format="FLAC")
    np.savez(
        tmp_path / "anna__0000.npz", landmarks=clip.landmarks, blendshapes=clip.blendshapes, pose=clip.pose,
        valid=clip.valid, fps=25.0, speaker="anna", split="val", language="none",
    )  # fmt: skip
    row = dict.fromkeys(clips.INDEX_COLUMNS, "") | {"file": "anna__0000.npz", "split": "val"}
    clips.write_index(tmp_path, [row])
    (read,) = clips.load_split(tmp_path, "val")
    assert clips.load_split(tmp_path, "train") == []
    assert read.speaker == "anna"
    np.testing.assert_allclose(read.samples, clip.samples, atol=1e-4)


def test_a_folder_that_is_no_pack_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"index\.tsv"):
        clips.read_index(tmp_path)


@pytest.mark.parametrize("shift", [-4, 0, 3])
def test_sync_errors_are_measured(rng, shift):
    heard = np.convolve(rng.standard_normal(400), np.ones(5) / 5, "same")
    seen = np.roll(heard, shift) + 0.1 * rng.standard_normal(400)
    found = sync.estimate([seen], [np.ones(400, bool)], [heard])
    assert found.shift == shift
    assert found.correlation > 0.9


def test_sync_without_evidence_stays(rng):
    seen, heard = rng.standard_normal((2, 400))
    assert sync.estimate([seen], [np.ones(400, bool)], [heard]).shift == 0
    assert sync.estimate([seen[:20]], [np.ones(20, bool)], [heard[:20]]).shift == 0
