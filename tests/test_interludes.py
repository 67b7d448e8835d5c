"""What a face does between lines: it comes to rest, lives, and reaches the next line; lines that touch give way."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from mouthpiece.motion import closures, eyes, interludes, life
from mouthpiece.motion.dials import Dials, dialled
from mouthpiece.motion.shapes import landmark_shapes
from mouthpiece.performance import Performance
from mouthpiece.pipeline import Networks
from mouthpiece.topology import ARKIT_INDEX

FPS = 24.0
JAW = ARKIT_INDEX["jawOpen"]


@pytest.fixture(scope="module")
def neutral():
    return Networks.find().content.sidecar.neutral_face()


def course(neutral, count, jaw=0.0, yaw=0.0, lids=0.0, fps=FPS):
    """Return a final performance whose jaw, yaw (radians) and lids follow numbers or arrays."""
    arkit = np.zeros((count, 52), np.float32)
    arkit[:, JAW] = jaw
    landmarks = (neutral + arkit[:, JAW, None, None] * landmark_shapes()[JAW]).astype(np.float32)
    head = np.zeros((count, 6), np.float32)
    head[:, 1] = yaw
    blink = np.zeros((count, 2), np.float32)
    blink[:] = np.reshape(lids, (-1, 1))
    gaze = eyes.steadying(head)
    eyes.close_lids(landmarks, blink)
    eyes.write_eyes(arkit, blink, gaze)
    return Performance(landmarks, neutral, arkit, head, gaze, blink, np.zeros(count), fps)


def between(neutral, count, before, after, rest=1.0, amount=1.0, seed=3):
    still = life.alive(40.0, count, course(neutral, 5), amount, seed)
    return interludes.interlude(still, before, after, rest)


def gap(face):
    return closures.gaps(face.landmarks - face.neutral).max(axis=1)


def test_lips_close_and_lids_open_within_a_few_frames(neutral):
    """Before: a jaw of .506 was .456 a second later, and a blink reopened over 3.7 seconds."""
    before = course(neutral, 3, jaw=[0.42, 0.47, 0.506], lids=[0.2, 0.4, 0.6])
    after = course(neutral, 3, jaw=[0.4, 0.35, 0.3])
    face = between(neutral, 96, before, after)
    assert gap(face)[6:-4].max() < 0.03 and face.arkit[6:-4, JAW].max() < 0.01
    assert face.blink[8, 0] < 0.05
    jaw = np.concatenate([before.arkit[:, JAW], face.arkit[:, JAW], after.arkit[:, JAW]])
    assert jaw.max() < 0.52 and jaw.min() >= 0  # it never overshoots
    assert np.abs(np.diff(jaw)).max() < 0.2
    shut = "".join("x" if lid > 0.5 else " " for lid in face.blink[8:, 0])
    assert max(map(len, shut.split()), default=0) <= 0.4 * FPS


def test_head_brows_and_looks_go_on_smoothly(neutral):
    before = course(neutral, 4, yaw=np.radians([10, 10.5, 11, 11.5]))
    after = course(neutral, 4, yaw=np.radians([-9, -9, -9, -9]))
    face = between(neutral, 96, before, after)
    yaw = np.degrees(np.concatenate([before.head[:, 1], face.head[:, 1], after.head[:, 1]]))
    assert np.abs(np.diff(yaw)).max() < 1.5
    assert np.abs(np.diff(yaw, 2)).max() < 0.4  # no corner either
    assert abs(np.degrees(face.head[40:56, 1])).max() < 5


def test_nothing_before_and_nothing_after(neutral):
    line = course(neutral, 3, jaw=0.5, yaw=0.2)
    first, last = between(neutral, 48, None, line), between(neutral, 48, line, None)
    assert gap(first)[:40].max() < 0.01 and gap(first)[-1] > 0.05
    assert gap(last)[6:].max() < 0.01 and gap(last)[0] > 0.05
    assert len(between(neutral, 0, line, None)) == 0


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 12, 20, 40])
def test_short_gaps_are_crossed_without_a_jerk(neutral, count):
    before = course(neutral, 3, jaw=0.5, yaw=np.radians(3), lids=0.3)
    after = course(neutral, 3, jaw=0.2, yaw=np.radians(-1))
    face = between(neutral, count, before, after)
    jaw = np.concatenate([before.arkit[:, JAW], face.arkit[:, JAW], after.arkit[:, JAW]])
    assert np.abs(np.diff(jaw)).max() < 0.2 and 0 <= jaw.min() and jaw.max() <= 0.5 + 1e-6
    yaw = np.degrees(np.concatenate([before.head[:, 1], face.head[:, 1], after.head[:, 1]]))
    assert np.abs(np.diff(yaw)).max() < 3.2
    assert face.blink.max() <= 1 and face.blink.min() >= 0


def test_rest_is_an_amount(neutral):
    before, after = course(neutral, 3, jaw=0.5), course(neutral, 3, jaw=0.3)
    raw = between(neutral, 23, before, after, rest=0.0)
    np.testing.assert_allclose(raw.arkit[:, JAW], 0.5 - 0.2 * np.arange(1, 24) / 24, atol=1e-5)
    half = between(neutral, 23, before, after, rest=0.5)
    assert half.arkit[11, JAW] == pytest.approx(raw.arkit[11, JAW] / 2, abs=0.01)


def test_life_is_the_same_wherever_lines_are(neutral):
    """A line that is added or moved changes nothing of what the face does elsewhere."""
    manner = course(neutral, 5)
    whole = life.alive(10.0, 1200, manner, 1.0, 7)
    part = life.alive(10.0 + 300 / FPS, 400, manner, 1.0, 7)
    np.testing.assert_allclose(part.head, whole.head[300:700], atol=1e-5)
    np.testing.assert_allclose(part.gaze, whole.gaze[300:700], atol=1e-5)
    np.testing.assert_allclose(part.blink[30:-30], whole.blink[330:670], atol=1e-5)
    other = life.alive(10.0, 1200, manner, 1.0, 8)
    assert np.abs(other.head - whole.head).max() > 0.01


def test_life_blinks_like_people_and_never_jumps(neutral):
    manner = course(neutral, 5)
    face = life.alive(-130.0, round(600 * FPS), manner, 1.0, 1)
    began = (np.diff((face.blink[:, 0] > 0.3).astype(int)) > 0).sum()
    assert 80 < began < 190  # ten minutes at 13 a minute
    assert np.degrees(np.abs(np.diff(face.head[:, :3], axis=0))).max() < 0.3
    assert 0.5 < np.degrees(face.head[:, 1].std()) < 3
    assert face.blink[0].max() == 0 and face.blink[-1].max() == 0
    assert gap(face).max() < 1e-4
    rare = life.alive(-130.0, round(600 * FPS), manner, 0.4, 1)
    fewer = (np.diff((rare.blink[:, 0] > 0.3).astype(int)) > 0).sum()
    assert 0.2 * began < fewer < 0.6 * began and rare.blink.max() > 0.8  # rarer, not shallower
    still = life.alive(0.0, 100, manner, 0.0, 1)
    assert not still.blink.any() and not still.head.any() and not still.gaze.any()
    assert not life.alive(0.0, 100, manner, 1.0, 1, sways=False).head.any()


def test_an_emotion_is_felt_at_rest_with_lips_shut(neutral):
    still = dialled(life.alive(0.0, 240, course(neutral, 5), 1.0, 1), Dials(emotion="happy")).final()
    line = course(neutral, 3, jaw=0.5)
    face = interludes.interlude(still, line, line, 1.0)
    assert face.arkit[40:200, ARKIT_INDEX["mouthSmileLeft"]].min() > 0.4
    assert gap(face)[8:-8].max() < 0.03


def test_a_style_is_seen_at_rest(neutral):
    take = course(neutral, 50)
    coefficients = np.linspace(0.2, 0.5, 50, dtype=np.float32)[:, None]
    layer = np.zeros((1, 52), np.float32)
    layer[0, ARKIT_INDEX["mouthSmileLeft"]] = 1
    styled = replace(
        take, style=coefficients, style_landmarks=np.zeros((1, 68, 3), np.float32), style_arkit=layer
    )  # fmt: skip
    face = life.alive(0.0, 20, styled, 1.0, 1).final()
    assert face.arkit[:, ARKIT_INDEX["mouthSmileLeft"]] == pytest.approx(0.2, abs=1e-5)


def seam(neutral, one, other, gap_frames=0):
    """Return two lines joined, with their bends."""
    before, after = interludes.bends(
        course(neutral, 3, **{k: v[-3:] for k, v in one.items()}),
        course(neutral, 3, **{k: v[:3] for k, v in other.items()}),
        gap_frames,
        ((len(one["yaw"]) - 1) / FPS, 0.0),
    )
    first = interludes.bent(course(neutral, len(one["yaw"]), **one), before)
    last = interludes.bent(course(neutral, len(other["yaw"]), **other), after)
    return first, last, before, after


def test_lines_that_touch_give_way_to_each_other(neutral):
    """Before: three strips of one line, knifed and left in place, snapped by 5.5 degrees in one frame."""
    count = 60
    one = {"yaw": np.full(count, np.radians(5.0)), "jaw": np.full(count, 0.4), "lids": np.full(count, 0.8)}
    other = {"yaw": np.full(count, np.radians(-7.0)), "jaw": np.full(count, 0.1), "lids": np.zeros(count)}
    first, last, before, after = seam(neutral, one, other)
    yaw = np.degrees(np.concatenate([first.head[:, 1], last.head[:, 1]]))
    assert np.abs(np.diff(yaw)).max() < 1.2
    lids = np.concatenate([first.blink[:, 0], last.blink[:, 0]])
    assert np.abs(np.diff(lids)).max() < 0.5
    np.testing.assert_allclose(first.arkit[:, JAW], 0.4, atol=1e-6)  # words are left alone
    np.testing.assert_allclose(last.arkit[:, JAW], 0.1, atol=1e-6)
    np.testing.assert_allclose(yaw[:40], 5, atol=1e-4)
    assert {bend.part for bend in before} == {"head", "lids"} == {bend.part for bend in after}
    for bend in before:
        assert interludes.Bend.of(bend.saved()) == bend


def test_one_motion_goes_on_through_a_cut(neutral):
    time = np.arange(120) / FPS
    yaw = np.radians(9) * np.sin(3 * time)
    jaw = 0.3 + 0.2 * np.sin(20 * time)
    one = {"yaw": yaw[:60], "jaw": jaw[:60], "lids": np.zeros(60)}
    other = {"yaw": yaw[60:], "jaw": jaw[60:], "lids": np.zeros(60)}
    first, last, before, after = seam(neutral, one, other)
    assert not before and not after
    np.testing.assert_allclose(np.concatenate([first.head[:, 1], last.head[:, 1]]), yaw, atol=1e-6)


def test_a_gap_that_is_long_enough_bends_nothing(neutral):
    one = {"yaw": np.full(30, np.radians(8.0))}
    other = {"yaw": np.full(30, np.radians(-8.0))}
    assert seam(neutral, one, other, 4)[2] and not seam(neutral, one, other, 48)[2]


def test_bends_of_others_are_refused():
    good = {"part": "head", "second": 1.0, "side": -1, "half": 0.1, "whole": 0.3, "offset": [0] * 6}
    for bad in ({"part": "ears"}, {"side": 3}, {"whole": 0.0}):
        with pytest.raises(ValueError, match="no bend"):
            interludes.Bend.of(good | bad)
