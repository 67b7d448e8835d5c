# ruff: noqa: E402 - imported once it is known that what the module needs is installed
"""From videos to a pack, on a video made here: a public-domain portrait moved about, with a spoken line."""

from copy import deepcopy
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

av = pytest.importorskip("av")
cv2 = pytest.importorskip("cv2")

import soundfile
from mouthpiece.features import FRAME_SAMPLES

from tests.material import DEMO_LINE, SHARED
from training.pack import clips, prepare, video
from training.pack.face_tracker import FaceTracker, head_pose
from training.pack.geometry import AVERAGE_RIGID, remove_pose

FACE = Path(__file__).parent / "test_training_face.jpg"
RATE = 30  # frames per second of the made videos: not ours, so that they must be resampled
TURNS = np.radians(6.0)
GAP = 15  # pictures without a face: at 25 frames per second a little longer than a clip may have


@pytest.fixture(scope="session")
def portrait():
    return cv2.cvtColor(cv2.imread(str(FACE)), cv2.COLOR_BGR2RGB)


@pytest.fixture(scope="session")
def tracker():
    return FaceTracker()


def shift_at(seconds):
    """Where the portrait is moved to, in pixels, and by how much it is turned, in radians."""
    return (
        14 * np.sin(2 * np.pi * 0.5 * seconds),
        8 * np.cos(2 * np.pi * 0.5 * seconds),
        TURNS * np.sin(2 * np.pi * 0.4 * seconds),
    )


def picture(portrait, seconds):
    x, y, angle = shift_at(seconds)
    height, width = portrait.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), np.degrees(angle), 1.0)
    matrix[:, 2] += [x, y]
    return cv2.warpAffine(portrait, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)


def write_video(path, pictures, sound=None):
    """Write RGB pictures at 30 frames per second and 16 kHz sound."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=RATE)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt, stream.bit_rate = "yuv420p", 4_000_000
        heard = container.add_stream("pcm_s16le", rate=16_000, layout="mono") if sound is not None else None
        for number, pixels in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if heard is not None:
            frame = av.AudioFrame.from_ndarray((sound[None] * 32767).astype(np.int16), format="s16", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = 16_000, 0, Fraction(1, 16_000)
            container.mux(heard.encode(frame))
            container.mux(heard.encode())
    return path


@pytest.fixture(scope="session")
def line():
    return soundfile.read(DEMO_LINE, dtype="float32")[0]


@pytest.fixture(scope="module")
def folder(tmp_path_factory, portrait, line):
    """Three people's videos: one plain, one with a gap, a mute one and a file that is no video."""
    videos = tmp_path_factory.mktemp("made") / "videos – ñ"
    (videos / "Anna").mkdir(parents=True)
    (videos / "Bert").mkdir()
    moving = [picture(portrait, k / RATE) for k in range(2 * RATE)]
    nothing = [np.full_like(portrait, 90)] * GAP
    write_video(videos / "Anna" / "first take.mov", moving, line[: 2 * 16_000])
    write_video(videos / "Bert" / "b.mov", [*moving[:40], *nothing, *moving[20:]], line[: 4 * 16_000])
    write_video(videos / "Carl__mute.mov", moving[:30])
    (videos / "Carl__text.mp4").write_text("not a video")
    return videos


@pytest.fixture(scope="module")
def tracked(tracker):
    """Track a video, but each only once: searching picture by picture for a face that is not there takes seconds."""
    known = {}

    def track(path, tracker=tracker):
        known[path] = known.get(path) or prepare.track(path, tracker)
        return deepcopy(known[path])

    return track


def test_a_folder_becomes_a_pack(folder, tmp_path, capsys, tracked, monkeypatch):
    out = tmp_path / "pack"
    found = {path: tracked(path) for path in (folder / "Anna" / "first take.mov", folder / "Bert" / "b.mov")}
    monkeypatch.setattr(prepare, "track", lambda path, tracker: found[path])
    assert prepare.main([str(folder), str(out), "--val-share", "0.4", "--language", "English"]) == 1
    told = capsys.readouterr().err
    assert "[4/4]" in told
    assert "no sound" in told
    assert "Carl__text.mp4" in told
    rows = clips.read_index(out)
    assert [row["file"] for row in rows] == ["Anna-first-take__0000.npz", "Bert-b__0000.npz", "Bert-b__0001.npz"]
    assert {row["speaker"] for row in rows} == {"Anna", "Bert"}
    assert {row["language"] for row in rows} == {"English"}
    assert len({row["split"] for row in rows if row["speaker"] == "Bert"}) == 1
    every = clips.load_split(out, "train") + clips.load_split(out, "val")
    assert len(every) == 3
    anna = next(clip for clip in every if clip.speaker == "Anna")
    assert len(anna) == 50
    assert len(anna.samples) == 50 * FRAME_SAMPLES
    assert anna.valid.all()
    assert float(rows[0]["face_px"]) == pytest.approx(100, abs=20)

    before = (out / "clips" / "Anna-first-take__0000.npz").stat().st_mtime_ns
    assert prepare.main([str(folder), str(out), "--val-share", "0.4"]) == 1
    assert "already there" in capsys.readouterr().err
    assert (out / "clips" / "Anna-first-take__0000.npz").stat().st_mtime_ns == before
    assert clips.read_index(out) == rows


def test_the_track_follows_the_motion(folder, tracked, portrait):
    found = tracked(folder / "Anna" / "first take.mov")
    assert found.size == (portrait.shape[1], portrait.shape[0])
    times = np.arange(50) / 25 + 0.5 / 25 - 0.5 / RATE  # the picture shown in the middle of a frame
    true = np.stack(shift_at(times), axis=1)
    eyes = found.landmarks[:, [36, 45]]
    angle = np.arctan2(*(eyes[:, 1] - eyes[:, 0])[:, 1::-1].T)
    middle = eyes.mean(axis=1)[:, :2]
    centre = np.array(portrait.shape[1::-1]) / 2
    turn = np.stack([[np.cos(-a), -np.sin(-a), np.sin(-a), np.cos(-a)] for a in true[:, 2]]).reshape(-1, 2, 2)
    still = np.einsum("tij,tj->ti", np.linalg.inv(turn), middle - centre - true[:, :2]) + centre
    distance = np.linalg.norm(eyes[:, 1] - eyes[:, 0], axis=1).mean()
    assert np.abs(still - still.mean(axis=0)).max() < 0.05 * distance
    assert np.corrcoef(angle, -true[:, 2])[0, 1] > 0.98
    aligned = remove_pose(found.landmarks, found.valid, AVERAGE_RIGID).points
    assert aligned.std(axis=0)[:, :2].mean() < 0.01  # a portrait does not talk: what is left is the tracker's noise


def test_a_lost_face_is_marked_and_cuts(folder, tracked):
    found = tracked(folder / "Bert" / "b.mov")
    lost = np.flatnonzero(~found.valid)
    assert lost[0] == pytest.approx(33, abs=1)
    assert len(lost) == pytest.approx(GAP * 25 / RATE, abs=2)
    assert np.isnan(found.landmarks[lost]).all()
    assert [part.start for part in prepare.stretches(found)] == [0, lost[-1] + 1]


def test_a_short_gap_stays_in_the_clip(tracked, folder):
    found = tracked(folder / "Anna" / "first take.mov")
    found.valid[20:25] = False
    found.landmarks[20:25] = np.nan
    assert prepare.stretches(found) == [slice(0, 50)]


def test_another_shot_is_another_clip(tracked, folder):
    found = tracked(folder / "Anna" / "first take.mov")
    found.landmarks[25:, :, 0] += 200
    assert prepare.stretches(found) == [slice(0, 25), slice(25, 50)]


def test_a_portrait_is_read(portrait, tracker):
    (face,) = tracker.follow([portrait])
    names = dict(zip(["_neutral", *clips.LABELLED], face.blendshapes, strict=True))
    assert names["mouthSmileLeft"] > 0.5
    assert names["jawOpen"] < 0.2
    assert face.iris.shape == (10, 3)
    pose = head_pose(face.landmarks[None], (portrait.shape[1], portrait.shape[0]))[0]
    np.testing.assert_allclose(pose[:3, :3] @ pose[:3, :3].T, np.eye(3), atol=1e-5)
    assert np.trace(pose[:3, :3]) > 1 + 2 * np.cos(np.radians(20))  # she looks nearly into the camera
    assert -150 < pose[2, 3] < -10


def test_no_face_is_no_face(tracker, rng):
    noise = rng.integers(0, 255, (120, 160, 3), dtype=np.uint8)
    assert list(tracker.follow([noise, np.zeros((64, 64, 3), np.uint8)])) == [None, None]


def test_a_telephones_pictures_are_turned_upright():
    picture = np.zeros((4, 6, 3), np.uint8)
    picture[0, 5] = 255  # top right
    assert video.turned(picture, 0)[0, 5].all()
    assert video.turned(picture, 90)[0, 0].all()
    assert video.turned(picture, -90)[5, 3].all()
    assert video.turned(picture, -180)[3, 0].all()


def test_sound_starts_with_the_picture(folder, line):
    heard = video.sound(folder / "Anna" / "first take.mov")
    np.testing.assert_allclose(heard, line[: 2 * 16_000], atol=1e-3)


def test_cutting_pads_with_silence():
    samples = np.arange(1, 5 * FRAME_SAMPLES + 1, dtype=np.float32)
    np.testing.assert_array_equal(video.cut(samples, 1, 3), samples[FRAME_SAMPLES : 3 * FRAME_SAMPLES])
    early, late = video.cut(samples, -1, 1), video.cut(samples, 4, 7)
    assert early[:FRAME_SAMPLES].max() == late[FRAME_SAMPLES:].max() == 0
    assert len(early) == 2 * FRAME_SAMPLES
    assert len(late) == 3 * FRAME_SAMPLES
    assert video.cut(samples, -9, -7).max() == 0


def test_speakers_keep_their_side_as_a_pack_grows():
    names = [f"speaker {k}" for k in range(40)]
    whole = prepare.split_speakers(names, 0.2, seed=1)
    part = prepare.split_speakers(names[:25], 0.2, seed=1)
    assert all(whole[name] == side for name, side in part.items())
    assert 2 <= sum(side == "val" for side in whole.values()) <= 16
    assert prepare.split_speakers(names, 0.2, seed=2) != whole
    assert sorted(prepare.split_speakers(["a", "b"], 0.01, 0).values()) == ["train", "val"]
    assert prepare.split_speakers(["a"], 0.9, 0) in ({"a": "val"}, {"a": "train"})


def test_bad_arguments(tmp_path, caplog):
    with pytest.raises(SystemExit) as stop:
        prepare.main([str(tmp_path / "nowhere"), str(tmp_path / "out")])
    assert stop.value.code == 2
    assert prepare.main([str(tmp_path), str(tmp_path / "out")]) == 1
    assert "no video" in caplog.text


@pytest.mark.skipif(not (SHARED / "data" / "faces").is_dir(), reason="the training pack is not here")
def test_our_tracks_agree_with_the_packs(tracker):
    path = SHARED / "data" / "faces" / "val" / "wth-quinn.mp4"
    with np.load(path.with_suffix(".npz")) as stored:
        theirs = stored["landmarks"][:50]
    ours = prepare.track(path, tracker, most=50).landmarks
    eyes = np.linalg.norm(theirs[:, 36] - theirs[:, 45], axis=-1).mean()
    assert np.median(np.linalg.norm(ours[:, :, :2] - theirs[:, :, :2], axis=-1)) < 0.02 * eyes
