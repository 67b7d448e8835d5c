"""How made frames are judged: closed forms, and orders that must hold."""

import cv2
import numpy as np
import pytest
from mouthpiece.portrait.find.placement import placed_in_box
from mouthpiece.portrait.images import over_white, read_picture

from tests.test_portrait_render import ROOT
from training.portrait.measures import scores

LANDMARKS = np.asarray(placed_in_box(80, 70, 180, 200).landmarks)


@pytest.fixture(scope="module")
def picture():
    astronaut = over_white(read_picture(ROOT / "demo/samples/astronaut.jpg"))
    return np.ascontiguousarray(cv2.resize(astronaut[:300, 50:350], (256, 256), interpolation=cv2.INTER_AREA))


@pytest.fixture(scope="module")
def features():
    return scores.DetectorFeatures()


def noisy(picture, sigma):
    noise = np.random.default_rng(1).normal(0, sigma, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


def test_a_frame_is_like_itself(picture, features):
    told = scores.pictures_scores(picture, picture, LANDMARKS, features)
    assert {told["face_psnr"], told["mouth_psnr"]} == {np.inf}
    assert told["face_ssim"] == pytest.approx(1, abs=1e-9)
    assert told["mouth_features"] == told["face_features"] == 0


def test_psnr_of_a_step_of_one_level_is_48_decibels():
    grey = np.full((256, 256, 3), 100, np.uint8)
    region = np.ones((256, 256), np.float32)
    assert scores.psnr(grey, grey + 1, region) == pytest.approx(20 * np.log10(255))
    half = grey.copy()
    half[:128] += 10
    assert scores.psnr(grey, half, region) == pytest.approx(10 * np.log10(255**2 / 50))
    region[:128] = 0
    assert scores.psnr(grey, half, region) == np.inf


def test_ssim_of_flat_greys_is_that_of_their_means():
    one, other = np.full((64, 64, 3), 100, np.uint8), np.full((64, 64, 3), 120, np.uint8)
    c1 = (0.01 * 255) ** 2
    wanted = (2 * 100 * 120 + c1) / (100**2 + 120**2 + c1)
    np.testing.assert_allclose(scores.ssim_map(one, other), wanted, atol=1e-6)


def test_every_figure_gets_worse_with_more_noise_and_more_blur(picture, features):
    for worse in (lambda k: noisy(picture, 6 * k), lambda k: cv2.GaussianBlur(picture, (0, 0), 0.8 * k)):
        told = [scores.pictures_scores(worse(k), picture, LANDMARKS, features) for k in (1, 2, 4)]
        for name in told[0]:
            values = [row[name] for row in told]
            assert values == sorted(values, reverse=not name.endswith("features")), name


def test_features_mind_a_shift_less_than_noise_of_the_same_psnr(picture, features):
    region = np.ones((256, 256), np.float32)
    shifted = np.roll(picture, 1, axis=1)
    level = scores.psnr(shifted, picture, region)
    sigma = min(np.arange(4, 60, 2), key=lambda s: abs(scores.psnr(noisy(picture, s), picture, region) - level))
    own, grainy = features(picture), noisy(picture, sigma)
    assert scores.psnr(grainy, picture, region) == pytest.approx(level, abs=1)
    assert scores.distance(features(shifted), own, region) < scores.distance(features(grainy), own, region)


def test_what_differs_outside_a_region_does_not_count(picture, features):
    other = picture.copy()
    other[:40] = 0
    told = scores.pictures_scores(other, picture, LANDMARKS, features)
    assert told["mouth_psnr"] == np.inf
    assert told["mouth_ssim"] == pytest.approx(1, abs=1e-9)
    mouth = scores.regions(LANDMARKS)["mouth"]
    lips = LANDMARKS[48:68, :2].mean(axis=0).astype(int)
    assert mouth[lips[1], lips[0]] == 1
    assert not mouth[:120].any()


def test_landmarks_off_by_a_tenth_of_the_eye_distance_are_ten_percent_off():
    recorded = np.repeat(LANDMARKS[None], 3, axis=0)
    found = recorded.copy()
    found[:, 48:, 1] += 0.1 * scores.eye_distance(recorded)[:, None]
    found[2] = np.nan
    rows = scores.landmark_scores(found, recorded)
    assert rows[0]["lips"] == pytest.approx(10)
    assert rows[1]["rest"] == 0
    assert np.isnan(rows[2]["lips"])
    assert scores.mean_scores(rows)["lips"] == pytest.approx(10)


def test_opening_is_the_gap_of_the_inner_lips():
    landmarks = np.repeat(LANDMARKS[None], 2, axis=0).copy()
    landmarks[:, [61, 62, 63]] = landmarks[:, [67, 66, 65]]
    landmarks[1, [65, 66, 67], 1] += 20
    np.testing.assert_allclose(scores.opening(landmarks), [0, 20 / scores.eye_distance(LANDMARKS)], atol=1e-9)


def resting(count):
    return np.repeat(np.asarray(placed_in_box(16, 16, 48, 56).landmarks)[None], count, axis=0).copy()


def test_flicker_of_a_clip_is_what_was_put_into_it():
    frames, landmarks = np.full((20, 64, 64, 3), 100, np.uint8), resting(20)
    counted = {"pairs": 19, "triples": 18}
    assert scores.flicker(frames, landmarks) == {"outside": 0, "inside": 0, "shimmer": 0} | counted
    frames[::2] += 4  # every other frame is brighter
    told = scores.flicker(frames, landmarks)
    assert told == pytest.approx({"outside": 4, "inside": 4, "shimmer": 4} | counted, abs=1e-4)
    rising = np.arange(20, dtype=np.uint8)[:, None, None, None] + np.zeros((20, 64, 64, 3), np.uint8)
    told = scores.flicker(rising, landmarks)
    assert told == pytest.approx({"outside": 1, "inside": 1, "shimmer": 0} | counted, abs=1e-4)


def test_frames_between_which_a_face_moves_do_not_count_as_still():
    frames, landmarks = np.full((20, 64, 64, 3), 100, np.uint8), resting(20)
    frames[10:] = 150
    landmarks[10:, :, 0] += 3
    told = scores.flicker(frames, landmarks)
    assert told == {"outside": 0, "inside": 0, "shimmer": 0, "pairs": 18, "triples": 16}
    moving = resting(20)
    moving[..., 0] += np.arange(20)[:, None]
    assert np.isnan(scores.flicker(frames, moving)["inside"])


def test_means_of_flicker_count_every_pair():
    rows = [{"inside": 1.0, "pairs": 3.0, "r": 0.5}, {"inside": 5.0, "pairs": 1.0, "r": 0.7},
            {"inside": float("nan"), "pairs": 0.0, "r": float("nan")}]  # fmt: skip
    assert scores.mean_scores(rows) == pytest.approx({"inside": 2.0, "pairs": 4.0, "r": 0.6})


def test_a_filtered_track_keeps_lines_and_loses_noise():
    line = np.arange(20.0)[:, None] * [1.0, 2.0]
    np.testing.assert_allclose(scores.filtered(line)[2:-2], line[2:-2])
    noise = np.random.default_rng(0).normal(size=(1000, 1))
    assert scores.filtered(noise).std() == pytest.approx(np.sqrt(70) / 16, abs=0.03)


def test_a_face_is_found_again_and_its_absence_is_told(picture):
    found = scores.found_again([picture, np.zeros_like(picture)])
    assert np.isfinite(found[0]).all()
    assert np.isnan(found[1]).all()
