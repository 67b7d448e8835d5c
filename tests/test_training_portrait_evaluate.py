"""Judging portraits on clips: the still that is chosen, shots made anew, what is written, and lines that are spoken."""

import json

import av
import cv2
import numpy as np
import pytest
from mouthpiece import Audio
from mouthpiece.portrait.draw.generator import Generator
from mouthpiece.portrait.draw.render import Renderer
from mouthpiece.portrait.find.faces import find_faces
from mouthpiece.portrait.find.placement import placed_by_detector, placed_in_box
from mouthpiece.portrait.images import over_white, read_picture
from mouthpiece.portrait.portrait import portrait_of

from tests.test_portrait_render import ROOT, spoken
from training.pack.face_tracker import FaceTracker
from training.portrait import evaluate
from training.portrait.data import irises_of
from training.portrait.measures import contact_sheets, report, shots, speech
from training.portrait.measures.scores import DetectorFeatures, opening


class Darker:
    """A generator that makes all of a face darker."""

    def __call__(self, inputs):
        return {"frame": inputs["warped"] * 0.8}


@pytest.fixture(scope="module")
def clip():
    """A clip made by moving a real picture's face."""
    picture = over_white(read_picture(ROOT / "demo/samples/astronaut.jpg"))
    picture = cv2.resize(picture[:300, 50:350], (256, 256), interpolation=cv2.INTER_AREA)
    (face,) = find_faces(picture)
    placed = placed_by_detector(face)
    renderer = Renderer(portrait_of(picture, placed))
    frames = np.stack([frame[..., :3] for frame in renderer.frames(spoken(26), 25.0)])
    found = list(FaceTracker().follow(frames))
    return shots.FaceClip(
        "someone", frames, np.array([face.landmarks for face in found]), irises_of(np.array([f.iris for f in found]))
    )


def stored(clip, folder):
    """Write a clip as the training pack has them."""
    folder.mkdir(parents=True)
    contact_sheets.write_film(folder / f"{clip.name}.mp4", clip.frames)
    rings = np.repeat(clip.irises[:, :, None, :2], 5, axis=2)
    rings[:, :, 1:3, 0] += clip.irises[..., None, 2]
    rings[:, :, 3:, 0] -= clip.irises[..., None, 2]
    iris = np.concatenate([rings, np.zeros((*rings.shape[:3], 1))], axis=3).reshape(len(clip), 10, 3)
    np.savez(folder / f"{clip.name}.npz", landmarks=clip.landmarks.astype(np.float32), iris=iris.astype(np.float32))


def test_the_still_has_shut_lips_and_of_those_the_most_open_eyes():
    landmarks = np.repeat(np.asarray(placed_in_box(80, 70, 180, 200).landmarks)[None], 20, axis=0).copy()
    landmarks[:, [65, 66, 67], 1] += 12
    landmarks[[4, 9, 13]] = landmarks[0]
    landmarks[[4, 9, 13], 65:68, 1] -= 10
    landmarks[9, [40, 41, 46, 47], 1] += 2  # lower lids
    landmarks[15, [40, 41, 46, 47], 1] += 5
    assert shots.still_of(landmarks) == 9


def test_a_shot_made_anew_is_judged_by_every_method(clip):
    made = evaluate.remade(clip, {"warp + generator": Generator(Darker(), ("warped",))})
    assert list(made.frames) == ["recorded", "held still", "warp", "warp + generator"]
    rows = evaluate.judged(made, DetectorFeatures())
    assert "mouth_psnr" not in rows["recorded"]
    for better, worse in (("warp", "held still"), ("warp", "warp + generator")):
        for name in ("mouth_psnr", "mouth_ssim", "face_psnr"):
            assert rows[better][name] > rows[worse][name], (name, better, worse)
        assert rows[better]["mouth_features"] < rows[worse]["mouth_features"]
    assert rows["recorded"]["lips"] < rows["warp"]["lips"] < rows["held still"]["lips"]
    assert rows["recorded"]["lost"] == 0


def test_the_command_writes_tables_films_and_sheets(clip, tmp_path, capsys):
    stored(clip, tmp_path / "data/faces/val")
    page, out = tmp_path / "docs/evaluation.md", tmp_path / "out"
    assert evaluate.main(["--data", str(tmp_path / "data"), "--out", str(out), "--document", str(page)]) == 0
    text = page.read_text(encoding="utf-8")
    assert text in capsys.readouterr().out
    figures = json.loads((out / "figures.json").read_text())["clips"]["someone"]
    assert f"{figures['warp']['mouth_psnr']:.2f}" in text
    with av.open(str(out / "someone.mp4")) as film:
        frames = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
    assert len(frames) == len(clip)
    assert frames[0].shape == (300, 256 * len([m for m in figures if m != "held still"]) + 256, 3)
    assert (out / "sheet.png").is_file()


def test_what_is_no_data_is_told(tmp_path, caplog):
    assert evaluate.main(["--data", str(tmp_path), "--document", str(tmp_path / "e.md")]) == 1
    assert "there are no clips" in caplog.text
    assert not (tmp_path / "e.md").exists()


def test_agreement_is_correlation_and_slope_of_the_frames_that_show_a_face():
    driven = np.sin(np.arange(50.0))
    told = speech.agreement(3 + 0.8 * driven, driven)
    assert told == pytest.approx({"r": 1, "size": 0.8, "lost": 0})
    found = -driven
    found[:5] = np.nan
    assert speech.agreement(found, driven) == pytest.approx({"r": -1, "size": -1, "lost": 10})
    assert np.isnan(speech.agreement(np.ones(50), driven)["r"])


def test_a_still_that_speaks_is_read_again():
    picture = read_picture(ROOT / "demo/samples/astronaut.jpg")
    portrait = portrait_of(picture, placed_by_detector(find_faces(over_white(picture))[0]))
    line = speech.SpokenLine("line", spoken(20), Audio(np.zeros(12800, np.float32), 16000, "line"))
    frames, told = speech.spoken(portrait, line, None)
    assert len(frames) == 20
    assert told["r"] > 0.9
    assert told["lost"] == 0
    assert np.ptp(opening(np.asarray(portrait.face.landmarks)[None])) == 0


def test_flicker_goes_back_and_forth_and_movement_does_not():
    landmarks = np.repeat(np.asarray(placed_in_box(16, 16, 48, 56).landmarks)[None], 20, axis=0)
    frames = np.full((20, 64, 64, 3), 100, np.uint8)
    frames[::2] += 4
    assert speech.unsteadiness(frames, landmarks)["share"] == pytest.approx(1)
    rising = np.arange(20, dtype=np.uint8)[:, None, None, None] + np.zeros((20, 64, 64, 3), np.uint8)
    assert speech.unsteadiness(rising, landmarks)["share"] == pytest.approx(0, abs=1e-6)
    assert np.isnan(speech.unsteadiness(np.full_like(frames, 9), landmarks)["share"])


def test_tables_have_a_row_for_every_method_and_a_cell_for_every_figure():
    rows = {"a": {"warp": {"r": 0.9, "size": 1.0}}, "b": {"warp": {"r": 0.8}}}
    lines = report.table(rows, report.SPEECH, "who | method").splitlines()
    assert len(lines) == 4
    assert {line.count("|") for line in lines} == {len(report.SPEECH) + 3}
    told = [report.SpokenFigures(s, "l", "warp", {"r": r, "size": 1.0}) for s, r in (("a", 0.9), ("b", 0.7))]
    assert "| **all** | warp | 0.800 | 1.00 |" in report.spoken_tables(told)


def test_a_film_has_the_sound_it_is_given(tmp_path):
    frames = [np.full((64, 96, 3), k, np.uint8) for k in range(50)]
    tone = np.sin(np.arange(32000) / 5).astype(np.float32)
    assert contact_sheets.write_film(tmp_path / "f.mp4", frames, sound=contact_sheets.ClipSound(tone, 16000)) == 50
    with av.open(str(tmp_path / "f.mp4")) as film:
        assert film.streams.video[0].frames == 50
        assert film.streams.audio[0].rate == 16000
    assert contact_sheets.write_film(tmp_path / "none.mp4", []) == 0
