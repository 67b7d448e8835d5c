"""A generator taught one person: clips from a video, what is held back, and one whole run on a made-up person."""

import json
import shutil

import cv2
import numpy as np
import pytest
import torch
from mouthpiece.errors import PictureError
from mouthpiece.portrait.consent import Consent
from mouthpiece.portrait.draw.generator import load_generator
from mouthpiece.portrait.draw.render import Renderer
from mouthpiece.portrait.find.faces import find_faces
from mouthpiece.portrait.find.placement import placed_by_detector
from mouthpiece.portrait.images import over_white, read_picture
from mouthpiece.portrait.portrait import portrait_of

from tests.test_portrait_render import ROOT, spoken
from training.portrait import adapt, subject_video
from training.portrait.data import FaceClip
from training.portrait.measures.contact_sheets import write_film
from training.portrait.networks import GeneratorShape, Repair
from training.portrait.train import PortraitConfig, save_weights

CONSENT = "nobody: a person made up for a test of this program"


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """A video of 4 seconds: the astronaut speaks, is gone for a moment, and is somewhere else."""
    picture = np.ascontiguousarray(read_picture(ROOT / "demo/samples/astronaut.jpg")[:320, 40:400])
    portrait = portrait_of(picture, placed_by_detector(find_faces(over_white(picture))[0]))
    frames = [over_white(frame) for frame in Renderer(portrait).frames(spoken(48), 25.0)]
    path = tmp_path_factory.mktemp("video") / "someone.mp4"
    wide = [cv2.copyMakeBorder(f, 0, 0, 0, 200, cv2.BORDER_REPLICATE) for f in frames]
    elsewhere = [np.roll(frame, 150, axis=1) for frame in wide]
    write_film(path, [*wide, np.zeros_like(wide[0]), *elsewhere])
    return path


@pytest.fixture(scope="module")
def shipped(tmp_path_factory):
    """Weights of a small generator that changes little."""
    torch.manual_seed(0)
    net = Repair(GeneratorShape((8, 8, 8, 8), (1, 1, 1)))
    config = PortraitConfig(shape=net.shape)
    path = tmp_path_factory.mktemp("weights") / "portrait.safetensors"
    save_weights(net, path, config, 1, [])
    return path


@pytest.fixture(scope="module")
def folder(video, tmp_path_factory):
    """The clips taken from the video."""
    folder = tmp_path_factory.mktemp("clips")
    subject_video.clips_of_video(video, folder, 10_000, subject_video.FaceTracker())
    return folder


def clips_of(*lengths):
    return [FaceClip(f"c{k}", np.zeros((n, 8, 8, 3), np.uint8), np.zeros((n, 68, 3)), np.zeros((n, 2, 3)))
            for k, n in enumerate(lengths)]  # fmt: skip


def test_material_is_cut_by_time_with_gaps_inside_clips():
    parts = adapt.divided(clips_of(400, 200, 400))
    gap = adapt.GAP
    assert [len(c) for c in parts.teach] == [400, 200, 100]
    assert [(c.name, len(c)) for c in parts.choose] == [(f"c2-{100 + gap}", 100 - gap)]
    assert [(c.name, len(c)) for c in parts.judge] == [(f"c2-{200 + gap}", 200 - gap)]


def test_too_little_is_refused_with_its_length():
    with pytest.raises(ValueError, match="show 8 seconds of a face that can be used, and 10"):
        adapt.divided(clips_of(200))
    with pytest.raises(ValueError, match="pieces too short"):
        adapt.divided(clips_of(7, 7, 7), least=20)


def test_a_video_becomes_clips_which_are_kept(video, folder):
    made = [path.stat().st_mtime_ns for path in sorted(folder.glob("*.mp4"))]
    clips = subject_video.clips_of_video(video, folder, 10_000, subject_video.FaceTracker())
    assert [path.stat().st_mtime_ns for path in sorted(folder.glob("*.mp4"))] == made
    assert [len(clip) for clip in clips] == [48, 48]
    for clip in clips:
        assert clip.frames.shape[1:] == (256, 256, 3)
        (face,) = find_faces(clip.frames[0])
        off = np.linalg.norm(face.landmarks[:, :2] - clip.landmarks[0, :, :2], axis=1)
        assert off.mean() < 0.02 * face.eye_distance
        np.testing.assert_allclose(face.irises[[0, 5], :2], clip.irises[0, :, :2], atol=0.05 * face.eye_distance)


def test_no_more_of_a_video_is_read_than_is_wanted(video, tmp_path):
    assert len(subject_video.clips_of_video(video, tmp_path, 40, subject_video.FaceTracker())) == 1


def test_a_whole_run_records_consent_and_goes_on_where_it_stopped(video, folder, shipped, tmp_path, monkeypatch):
    shutil.copytree(folder, tmp_path / "out/clips")
    monkeypatch.setattr(adapt, "SHOT", 20)
    monkeypatch.setattr(adapt, "SAVE", 2)
    monkeypatch.setattr(adapt, "JUDGED", 1)
    monkeypatch.setattr(adapt, "LEAST", 50)
    monkeypatch.setattr(adapt, "GAP", 1)
    # whatever is learned in so few steps is taken
    monkeypatch.setattr(adapt, "BLENDS", (0.0, 1.0))
    monkeypatch.setattr(adapt, "_chosen", lambda run, start, end, batches: 1.0)
    given = ([video], tmp_path / "out", Consent.of(CONSENT), "someone", shipped)
    real = adapt._train

    def stopped(run, clips, folder):
        run.learn(*adapt.fixed_batches(clips, run.config, 1)[0])
        run.save(folder)
        raise KeyboardInterrupt

    monkeypatch.setattr(adapt, "_train", stopped)
    with pytest.raises(KeyboardInterrupt):
        adapt.adapt(*given, steps=3, least=50)
    begun = []

    def went_on(run, clips, folder):
        begun.append(run.step)
        real(run, clips, folder)

    monkeypatch.setattr(adapt, "_train", went_on)
    text = adapt.adapt(*given, steps=3, least=50)
    assert begun == [1]
    network = tmp_path / "out/someone.onnx"
    assert f"--generator '{network}'" in text
    for row in ("recorded", "warp", "shipped generator", "adapted generator"):
        assert f"| held back | {row} |" in text
    sidecar = json.loads((tmp_path / "out/someone.onnx.json").read_text())
    assert sidecar["provenance"]["consent"]["statement"] == "a person made up for a test of this program"
    assert sidecar["provenance"]["consent"]["kind"] == "nobody"
    assert sidecar["provenance"]["config"]["steps"] == 3
    assert load_generator(network).name == "someone"
    with pytest.raises(ValueError, match="something else"):
        adapt.adapt(*given, steps=4, least=50)


def test_weights_that_make_a_face_no_better_are_not_taken(shipped):
    net, _ = adapt.load_weights(shipped)
    run = adapt.PortraitRun(PortraitConfig(shape=net.shape))
    rng = np.random.default_rng(0)
    real = torch.from_numpy(rng.random((2, 3, 64, 64), np.float32))
    planes = torch.cat([real, real, torch.ones(2, 6, 64, 64)], dim=1)
    start = net.state_dict()
    worse = {name: value + 0.05 for name, value in start.items()}
    # nothing is to be repaired: what leaves the picture as it is is best
    assert adapt._chosen(run, start, worse, [(planes, real)]) == 0.0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--consent", "yes"], "says too little"),
        (["--consent", CONSENT, "--checkpoint", "none.safetensors"], "not a checkpoint"),
    ],
)
def test_what_cannot_be_done_is_told(video, tmp_path, caplog, arguments, words):
    assert adapt.main([str(video), "-o", str(tmp_path / "out"), *arguments]) == 1
    assert words in caplog.text


def test_what_is_no_video_is_told(shipped, tmp_path, caplog):
    lost = tmp_path / "lost.mp4"
    lost.write_bytes(b"not a video")
    common = ["-o", str(tmp_path / "out"), "--consent", CONSENT, "--checkpoint", str(shipped)]
    assert adapt.main([str(lost), *common]) == 1
    assert "cannot be decoded" in caplog.text
    text = tmp_path / "text.txt"
    text.write_text("words")
    assert adapt.main([str(text), *common, "--force"]) == 1
    assert "is not a video" in caplog.text
    with pytest.raises(PictureError):
        Consent.of("")
