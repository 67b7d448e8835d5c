"""Drawn faces: how they are seen, what they do, which strokes play which part, and when there is a new drawing."""

import numpy as np
import pytest
from mouthpiece.errors import RigError
from mouthpiece.motion.eyes import close_lids
from mouthpiece.performance import Performance, rotation_matrices
from mouthpiece.retarget.drawing import lip_line, rims, stroke_render, strokes
from mouthpiece.retarget.drawing.face import DrawnFace, follow, template
from mouthpiece.retarget.drawing.strokes import Bound, DrawnPuppet, FacePart
from mouthpiece.retarget.drawing.timing import held
from mouthpiece.retarget.warp.folds import flipped
from mouthpiece.retarget.warp.triangles import areas
from mouthpiece.topology import MIRROR

from tests.test_warp import CLIPS, arc, drawn_face, ellipse, extremes

FPS = 25.0


@pytest.fixture(scope="module")
def neutral(spoken):
    return spoken.neutral.astype(np.float64)


def performance(neutral, offsets, blink=None, gaze=None, head=None):
    """Return a take of given landmark offsets (T, 68, 3)."""
    count = len(offsets)
    landmarks = neutral + offsets
    blink = np.zeros((count, 2)) if blink is None else blink
    close_lids(landmarks, blink)
    pairs = np.zeros((count, 2)) if gaze is None else gaze
    pose = np.zeros((count, 6)) if head is None else head
    return Performance(landmarks, neutral, np.zeros((count, 52)), pose, pairs, blink, np.zeros(count), FPS)


def play(face, take, strength=1.0):
    return follow(face, take, np.arange(len(take)) / FPS, strength)


def projected(neutral, yaw=0.0, roll=0.0, scale=1.0, squeeze=1.0):
    turn = rotation_matrices(np.array([[0.0, yaw, 0.0]]))[0]
    seen = (neutral @ turn.T)[:, :2] * [1, squeeze]
    c, s = np.cos(roll), np.sin(roll)
    return scale * seen @ np.array([[c, -s], [s, c]]).T + [3.0, -2.0]


@pytest.mark.parametrize("yaw", [-0.6, 0.0, 0.45])
@pytest.mark.parametrize("roll", [0.0, 0.3])
def test_the_turn_and_tilt_of_a_drawn_head_are_found(neutral, yaw, roll):
    face = DrawnFace.of(projected(neutral, yaw, roll, scale=4.0), neutral)
    assert face.yaw == pytest.approx(yaw, abs=0.03)
    assert np.allclose(face.axes, [[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]], atol=0.02)
    assert face.unit == pytest.approx(4.0, rel=0.02)
    assert np.allclose(face.measures, 4.0, rtol=0.03)


def test_a_front_view_of_odd_proportions_is_not_taken_for_a_turned_head(neutral):
    landmarks = projected(neutral, squeeze=1.6)
    landmarks[48:] = landmarks[48:].mean(axis=0) + 1.8 * (landmarks[48:] - landmarks[48:].mean(axis=0))
    assert DrawnFace.of(landmarks, neutral).yaw == 0


def test_nothing_moves_at_rest(neutral):
    face = DrawnFace.of(drawn_face(), neutral)
    motion = play(face, performance(neutral, np.zeros((3, 68, 3))))
    assert np.allclose(motion.landmarks, face.landmarks, atol=1e-6)
    assert not motion.pupils.any() and not motion.jaw.any() and not motion.head.any()


def test_each_feature_moves_by_its_own_measure(neutral):
    landmarks = drawn_face()
    middle = landmarks[48:].mean(axis=0)
    landmarks[48:] = middle + 2.0 * (landmarks[48:] - middle)
    small, big = DrawnFace.of(drawn_face(), neutral), DrawnFace.of(landmarks, neutral)
    offsets = np.zeros((1, 68, 3))
    offsets[0, [57, 66, 19], 1] = 0.1
    take = performance(neutral, offsets)
    one, two = (play(face, take).landmarks[0] - face.landmarks for face in (small, big))
    assert two[[57, 66]] == pytest.approx(2 * one[[57, 66]])
    assert two[19] == pytest.approx(one[19])
    assert one[19, 1] == pytest.approx(0.1 * 0.96, rel=1e-3)  # outer eye corners are drawn 0.96 apart
    assert play(small, take, strength=0.5).landmarks[0] - small.landmarks == pytest.approx(one / 2, abs=1e-6)


def test_blinks_shut_eyes_of_any_height_whatever_the_strength(neutral):
    landmarks = drawn_face()
    landmarks[36:48, 1] *= 4
    face = DrawnFace.of(landmarks, neutral)
    take = performance(neutral, np.zeros((3, 68, 3)), blink=np.array([[0, 0], [0.5, 0.5], [0.9, 0.9]], float))
    moved = play(face, take, strength=0.3).landmarks
    for upper, lower in ((37, 41), (38, 40), (43, 47), (44, 46)):
        gaps = moved[:, lower, 1] - moved[:, upper, 1]
        assert gaps == pytest.approx([gaps[0], gaps[0] * (0.5 - 0.15) / 0.85, 0.012 * 0.3], abs=1e-6)
        assert abs(moved[2, lower, 1] - landmarks[lower, 1]) < 0.2 * gaps[0]  # the upper lid does nearly all


def test_a_mouth_drawn_open_shuts_where_the_performance_does(neutral):
    landmarks = drawn_face()
    landmarks[[55, 56, 57, 58, 59, 65, 66, 67], 1] += 0.3
    face = DrawnFace.of(landmarks, neutral)
    assert face.drawn_open
    assert not DrawnFace.of(landmarks, neutral, "shut").drawn_open
    offsets = np.zeros((2, 68, 3))
    offsets[1, [55, 56, 57, 58, 59, 65, 66, 67], 1] = 0.2
    offsets[1, 4:13, 1] = 0.15
    moved = play(face, performance(neutral, offsets)).landmarks
    gaps = moved[:, [67, 66, 65], 1] - moved[:, [61, 62, 63], 1]
    assert gaps[0] == pytest.approx(0.012 * 0.4)  # a hair, so that what is filled keeps an area
    assert gaps[1] == pytest.approx(0.2 * face.measures[66], rel=1e-5)
    assert moved[0, 57, 1] < landmarks[57, 1] - 0.15
    repaired = DrawnPuppet.of(face).repaired(play(face, performance(neutral, offsets)))[0].landmarks
    assert np.array_equal(repaired[:, 60:68], moved[:, 60:])


@pytest.mark.parametrize("points", [np.zeros((68, 2)), np.zeros((67, 2)), np.full((68, 2), np.nan)])
def test_no_face_is_refused_in_words(neutral, points):
    with pytest.raises(RigError, match="handles"):
        DrawnFace.of(points, neutral)


def test_the_template_lies_in_the_drawing_and_is_symmetrical(neutral):
    points = template(neutral, np.array([2.0, 1.0]), np.array([6.0, 7.0]))
    assert (points > [2, 1]).all() and (points < [6, 7]).all()
    mirrored = points[list(MIRROR)] * [-1, 1] + [8, 0]
    assert np.allclose(points, mirrored, atol=1e-9)
    assert np.isfinite(template(neutral, np.zeros(2), np.zeros(2))).all()


def bound(face, points, part=FacePart.FACE, starts=(0,)):
    return Bound.of(DrawnPuppet.of(face), points, np.array(starts), part)


def test_pupils_follow_the_gaze_and_vanish_behind_the_lids(neutral):
    face = DrawnFace.of(drawn_face(), neutral)
    iris = ellipse((-0.33, 0), 0.05, 0.06, np.arange(0, 360, 20))
    tied = bound(face, iris)
    assert (tied.parts == FacePart.PUPIL_RIGHT).all()
    blink = np.array([[0, 0], [0, 0], [1, 1], [0, 0.5]], float)
    gaze = np.array([[0, 0], [0.2, 0], [0, 0], [0, 0]], float)
    moved = tied.moved(play(face, performance(neutral, np.zeros((4, 68, 3)), blink, gaze)))
    assert np.allclose(moved[0], iris, atol=1e-9)
    shift = moved[1] - iris
    free = np.abs(iris[:, 1]) < 0.04  # not touching the lids
    assert (shift[free, 0] > 0.01).all()
    assert np.allclose(shift[free], shift[free][0], atol=1e-6)
    assert np.ptp(moved[2, :, 1]) < 0.02 < np.ptp(iris[:, 1])
    assert moved[3, :, 1].max() == pytest.approx(iris[:, 1].max(), abs=0.01)  # half shut: cut off at the top only
    assert moved[3, :, 1].min() > iris[:, 1].min() + 0.02


def test_the_white_of_an_eye_and_a_lid_line_are_no_pupils(neutral):
    face = DrawnFace.of(drawn_face(), neutral)
    white = ellipse((0.33, 0), 0.14, 0.068, np.arange(0, 360, 10))
    lid = ellipse((0.33, 0), 0.12, 0.065, np.arange(200, 340, 10))
    assert strokes.found_part(face, white) is FacePart.FACE
    assert strokes.found_part(face, lid) is FacePart.FACE
    assert strokes.found_part(face, ellipse((0.33, 0), 0.02, 0.02, np.arange(0, 360, 30))) is FacePart.PUPIL_LEFT
    assert strokes.found_part(face, ellipse((0, 0.3), 0.02, 0.02, np.arange(0, 360, 30))) is FacePart.FACE


def test_teeth_stay_between_the_lips(neutral):
    landmarks = drawn_face()
    landmarks[[55, 56, 57, 58, 59, 65, 66, 67], 1] += 0.3
    face = DrawnFace.of(landmarks, neutral)
    teeth = np.array([[-0.15, 0.7], [0.15, 0.7], [0.15, 0.85], [-0.15, 0.85]])
    offsets = np.zeros((2, 68, 3))
    offsets[1, [65, 66, 67], 1] = 0.5
    offsets[1, 8, 1] = 0.2
    motion = play(face, performance(neutral, offsets))
    upper, lower = (bound(face, teeth, part).moved(motion) for part in (FacePart.UPPER, FacePart.LOWER))
    assert np.ptp(upper[0, :, 1]) < 0.02  # lips shut: nothing to see
    assert upper[1, 2:, 1] == pytest.approx(0.85)  # with the skull
    assert lower[1, 2, 1] > 0.85 + 0.1  # with the jaw
    lips = motion.landmarks
    assert (upper[..., 1] >= lips[:, 60:65, 1].min(axis=1)[:, None] - 1e-9).all()
    assert (lower[..., 1] <= lips[:, 65:68, 1].max(axis=1)[:, None] + 1e-9).all()


def test_hair_goes_with_the_head_alone_and_what_stands_still_does_not(neutral):
    face = DrawnFace.of(drawn_face(), neutral)
    points = np.array([[0.0, -0.15], [0.0, 0.75]])
    offsets = np.full((1, 68, 3), 0.05)
    head = np.zeros((1, 6))
    rest = performance(neutral, offsets)
    assert np.array_equal(bound(face, points, FacePart.HEAD).moved(play(face, rest))[0], points)
    assert not np.allclose(bound(face, points, FacePart.FACE).moved(play(face, rest))[0], points)
    head[0, 2] = 0.3
    rolled = play(face, performance(neutral, 0 * offsets, head=head))
    moved = bound(face, points, FacePart.HEAD).moved(rolled)[0]
    assert np.hypot(*(moved[1] - moved[0])) == pytest.approx(0.9, rel=1e-6)
    assert moved[0, 0] > 0.1  # the crown to the right
    assert np.array_equal(bound(face, points, FacePart.HEAD).moved(rolled, head=0.0)[0], points)
    assert np.array_equal(bound(face, points, FacePart.STILL).moved(rolled)[0], points)
    body = np.array([[0.0, 5.0]])
    assert np.array_equal(bound(face, body, FacePart.FACE).moved(rolled)[0], body)


def test_a_turn_moves_the_nose_farther_than_the_ears(neutral):
    face = DrawnFace.of(drawn_face(), neutral)
    head = np.zeros((1, 6))
    head[0, 1] = 0.2  # the face to the left of the picture
    turned = play(face, performance(neutral, np.zeros((1, 68, 3)), head=head))
    moved = bound(face, face.landmarks[[30, 0, 16]]).moved(turned)[0]
    shift = moved[:, 0] - face.landmarks[[30, 0, 16], 0]
    assert shift[0] < shift[1] - 0.05 < 0
    assert shift[0] < shift[2] - 0.05


def test_the_line_of_shut_lips_opens_with_its_sides(neutral):
    face = DrawnFace.of(drawn_face(), neutral)
    seam = face.landmarks[[61, 62, 63]]
    rim = np.concatenate([seam, seam[::-1]])
    assert lip_line.seam_sides(face, rim).tolist() == [-1, -1, 1, 1, 1, 1]
    assert lip_line.seam_sides(face, seam).tolist() == [1, 1, 1]
    upper_lip = np.concatenate([seam, [[0.1, 0.62], [0.0, 0.6], [-0.1, 0.62]]])
    assert lip_line.seam_sides(face, upper_lip).tolist() == [-1, -1, -1, 0, 0, 0]
    assert not lip_line.seam_sides(face, ellipse((0, -0.2), 0.1, 0.1, range(0, 360, 30))).any()
    offsets = np.zeros((1, 68, 3))
    offsets[0, [65, 66, 67], 1] = 0.2
    opened = bound(face, rim).moved(play(face, performance(neutral, offsets)))[0]
    assert np.allclose(opened[:2], rim[:2], atol=1e-6)
    assert (opened[3:, 1] > rim[3:, 1] + 0.1).all()


def test_a_mouth_of_one_line_is_told_from_other_lines(neutral):
    face = DrawnFace.of(drawn_face(), neutral)
    line = arc((-0.22, 0.71), (0.22, 0.71), 0.02, 12)
    assert lip_line.is_mouth_line(face, line, closed=False)
    assert lip_line.is_mouth_line(face, line[::-1], closed=False)
    assert not lip_line.is_mouth_line(face, line, closed=True)
    assert not lip_line.is_mouth_line(face, line[:5], closed=False)  # half a mouth
    assert not lip_line.is_mouth_line(face, line + np.array([0, 0.08]), closed=False)  # the lower lip
    assert not lip_line.is_mouth_line(face, np.concatenate([line, line[::-1]]), closed=False)  # a rim already
    opened = drawn_face()
    opened[[65, 66, 67], 1] += 0.1
    assert not lip_line.is_mouth_line(DrawnFace.of(opened, neutral), line, closed=False)
    offsets = np.zeros((2, 68, 3))
    offsets[1, [65, 66, 67], 1] = 0.2
    doubled = np.concatenate([line, line[::-1]])
    tied = Bound.of(DrawnPuppet.of(face), doubled, np.array([0]), FacePart.FACE, lines=(0,))
    rest, opened = tied.moved(play(face, performance(neutral, offsets)))
    assert np.abs(rest - doubled).max() < 0.01
    gap = opened[12:][::-1, 1] - opened[:12, 1]
    assert (gap > 0).all() and gap[5] > 0.15


def test_an_empty_drawing_and_an_empty_stroke_are_no_trouble(neutral):
    face = DrawnFace.of(drawn_face(), neutral)
    motion = play(face, performance(neutral, np.zeros((2, 68, 3))))
    assert bound(face, np.zeros((0, 2)), starts=()).moved(motion).shape == (2, 0, 2)
    assert bound(face, np.array([[0.0, 0.0]]), starts=(0, 0)).moved(motion).shape == (2, 1, 2)


def wave(neutral, count=40):
    """Return a take whose mouth opens and shuts once in ten frames and rests for the second half."""
    offsets = np.zeros((count, 68, 3))
    time = np.arange(count)
    offsets[:, [65, 66, 67], 1] = np.where(time < count // 2, 0.1 * np.sin(np.pi * time / 10) ** 2, 0)[:, None]
    return performance(neutral, offsets)


def test_ones_and_twos_and_what_does_not_change(neutral):
    face = DrawnFace.of(drawn_face(), neutral)
    motion = play(face, wave(neutral))
    ones, twos, threes = (held(face, motion, 1.0, step) for step in (1, 2, 3))
    assert ones.starts.tolist() == list(range(21))  # the second half is one drawing, held
    # 6 looks as 4 did and is not drawn; the frames before 10 and 20 are as good as shut
    assert twos.starts.tolist() == [0, 2, 4, 8, 10, 12, 14, 18, 20]
    assert all(start % 3 == 0 for start in threes.starts)
    shut = [k for k, pose in enumerate(ones.poses.tolist()) if pose in (0, 10, 20)]
    assert ones.same[shut].tolist() == [0, 0, 0]  # one drawing for all shut mouths
    assert ones.same[4] == 4 and ones.same[6] == 4  # going up as coming down


def test_on_change_draws_less_where_less_happens(neutral):
    face = DrawnFace.of(drawn_face(), neutral)
    motion = play(face, wave(neutral))
    coarse = held(face, motion, 1.0, 1, change=0.03)
    assert 4 <= len(coarse.starts) < 16
    assert {9, 19} <= set(coarse.poses.tolist())  # lips as good as shut are shown
    assert len(held(face, motion, 1.0, 1, change=9.0).starts) >= 3


def test_twos_do_not_skip_a_closure_between_them(neutral):
    face = DrawnFace.of(drawn_face(), neutral)
    offsets = np.zeros((12, 68, 3))
    offsets[:, [65, 66, 67], 1] = 0.2
    offsets[5, [65, 66, 67], 1] = 0  # an m for one frame, and not on a two
    motion = play(face, performance(neutral, offsets))
    twos = held(face, motion, 1.0, 2)
    assert twos.starts.tolist() == [0, 4, 6]
    assert twos.poses.tolist() == [0, 5, 6]


def test_a_turning_head_counts_only_as_far_as_it_shows(neutral):
    face = DrawnFace.of(drawn_face(), neutral)
    head = np.zeros((10, 6))
    head[:, 2] = np.linspace(0, 0.3, 10)
    motion = play(face, performance(neutral, np.zeros((10, 68, 3)), head=head))
    assert len(held(face, motion, 1.0).starts) == 10
    assert len(held(face, motion, 0.0).starts) == 1


def test_a_whole_line_on_a_plain_face_folds_nothing_once_repaired(spoken, neutral):
    face = DrawnFace.of(drawn_face(), neutral)
    puppet = DrawnPuppet.of(face)
    motion, done = puppet.repaired(play(face, spoken, strength=1.5))
    assert not puppet.repaired(motion)[1].folds
    assert done.frames <= len(spoken)


def test_a_picture_of_strokes_for_the_face_detector():
    square = np.array([[0.0, 0.0], [4.0, 0.0], [4.0, 4.0], [0.0, 4.0]])
    red, blue = (1.0, 0.0, 0.0), (0.0, 0.0, 1.0)
    inks = [
        stroke_render.Ink(square, 0.2, True, None, red),
        stroke_render.Ink(square[:2] + 2, 0.4, False, blue, None),
    ]
    sheet = stroke_render.drawn(inks, size=100, margin=0.1)
    assert sheet.picture.shape == (100, 100, 3)
    assert np.allclose(sheet.placed(np.array([[0, 0], [100, 100]])), [[-0.75, -1.75], [6.75, 5.75]])

    def pixel(x, y):
        column, row = ((np.array([x, y]) - sheet.origin) * sheet.scale).astype(int)
        return tuple(sheet.picture[row, column].tolist())

    assert pixel(1.0, 1.0) == (255, 0, 0) and pixel(3.9, 3.9) == (255, 0, 0)
    assert pixel(4.2, 3.0) == tuple(round(255 * v) for v in stroke_render.PAPER)
    assert pixel(5.0, 2.0) == (0, 0, 255) and pixel(3.0, 2.1) == (0, 0, 255) and pixel(3.0, 2.4) == (255, 0, 0)
    assert stroke_render.drawn([]) is None
    assert stroke_render.drawn([stroke_render.Ink(np.zeros((3, 2)), 0.1, True, red, None)]) is None
    assert stroke_render.drawn([stroke_render.Ink(square, 0.1, True, None, None)]) is None


@pytest.mark.skipif(not CLIPS.is_dir(), reason="the training pack is not here")
def test_extreme_frames_of_real_speakers_fold_nothing_of_a_drawing(neutral):
    face = DrawnFace.of(drawn_face(), neutral)
    puppet = DrawnPuppet.of(face)
    checked = puppet.triangles[~np.isin(puppet.triangles, rims.LIDS).all(axis=1)]
    checked = checked[areas(puppet.vertices, checked) > 4e-4 * face.unit**2]
    found = [extremes(path) for path in sorted(CLIPS.glob("*.npz"))[3::12]]
    offsets = np.concatenate([worst - quiet for quiet, worst in (pair for pair in found if pair is not None)])
    offsets = np.concatenate([offsets, np.zeros((*offsets.shape[:2], 1))], axis=2)
    motion, done = puppet.repaired(play(face, performance(neutral, offsets)))
    vertices = np.repeat(puppet.vertices[None], len(offsets), axis=0)
    vertices[:, : rims.COUNT] = motion.landmarks
    assert not flipped(checked, vertices).any()
    print(f"\n{len(offsets)} extreme frames on a drawn face: {done.folds} folds in {done.frames} frames, all repaired")
    assert done.frames < 0.2 * len(offsets)
