"""Triangles over a face, points that follow them, folds that are undone, and heads that turn in the plane."""

import itertools

import numpy as np
import pytest
from mouthpiece.retarget.warp import folds, warp
from mouthpiece.retarget.warp.head_turn import turned
from mouthpiece.retarget.warp.triangles import Edges, areas, inside
from mouthpiece.topology import INNER_LIPS, JAW, LEFT_EYE, LEFT_LID_PAIRS, MOUTH_AND_JAW, RIGHT_EYE, RIGID

from tests.material import SHARED

CLIPS = SHARED / "data" / "clips"


def arc(left, right, bend, count):
    """Return `count` points from left to right on a line bent down by `bend`."""
    t = np.linspace(0, 1, count)[:, None]
    line = (1 - t) * np.array(left, float) + t * np.array(right, float)
    return line + np.array([0.0, 4.0 * bend]) * t * (1 - t)


def ellipse(centre, width, height, angles):
    turn = np.radians(angles)
    return np.array(centre) + np.stack([width * np.cos(turn), height * np.sin(turn)], axis=1)


def drawn_face():
    """Return 68 points of a plain face, lips shut: inner upper and lower lip are one line."""
    lids = (180, 240, 300, 0, 60, 120)
    upper, lower = arc((-0.25, 0.7), (0.25, 0.7), -0.1, 7), arc((0.25, 0.7), (-0.25, 0.7), 0.12, 7)[1:-1]
    seam = arc((-0.2, 0.7), (0.2, 0.7), 0.02, 5)
    return np.concatenate([
        arc((-0.8, 0.0), (0.8, 0.0), 1.2, 17), arc((-0.6, -0.2), (-0.15, -0.2), -0.08, 5),
        arc((0.15, -0.2), (0.6, -0.2), -0.08, 5),
        arc((0, 0.05), (0, 0.35), 0, 4), arc((-0.12, 0.42), (0.12, 0.42), 0.03, 5),
        ellipse((-0.33, 0), 0.15, 0.07, lids), ellipse((0.33, 0), 0.15, 0.07, lids),
        upper, lower, seam, seam[1:-1][::-1],
    ])  # fmt: skip


@pytest.fixture
def face():
    landmarks = drawn_face()
    border = warp.ring(landmarks)
    return landmarks, np.concatenate([landmarks, border]), warp.triangulate(landmarks, border)


def opened(landmarks, drop=0.25):
    moved = landmarks.copy()
    for index in (65, 66, 67, 55, 56, 57, 58, 59, *range(5, 12)):
        moved[index, 1] += drop
    return moved


def sides(triangles):
    return {frozenset(pair) for row in triangles.tolist() for pair in itertools.combinations(row, 2)}


def test_nothing_moves_while_the_landmarks_rest(face, rng):
    landmarks, vertices, triangles = face
    points = rng.uniform(-3, 3, (400, 2))
    still = warp.Warp.of(points, vertices, triangles)(np.repeat(landmarks[None], 3, axis=0))
    assert np.array_equal(still, np.repeat(points[None], 3, axis=0))


def test_points_on_landmarks_go_exactly_where_they_go(face, rng):
    landmarks, vertices, triangles = face
    moved = landmarks + rng.uniform(-0.05, 0.05, (20, 68, 2))
    shut = [i for pair in folds.LIP_PAIRS for i in pair]
    single = [i for i in range(68) if i not in shut]
    followed = warp.Warp.of(landmarks[single], vertices, triangles)(moved)
    assert np.allclose(followed, moved[:, single], atol=1e-9)


def test_both_sides_of_a_shut_mouth_part(face):
    landmarks, vertices, triangles = face
    seam = landmarks[[61, 62, 63]]
    moved = opened(landmarks)[None]
    upper = warp.Warp.of(seam, vertices, triangles, side=-1)(moved)[0]
    lower = warp.Warp.of(seam, vertices, triangles, side=1)(moved)[0]
    assert np.allclose(upper, seam, atol=1e-9)
    assert np.allclose(lower, seam + np.array([0, 0.25]), atol=1e-9)
    around = np.concatenate([seam - np.array([0, 0.01]), seam + np.array([0, 0.01])])
    above, below = warp.Warp.of(around, vertices, triangles)(moved)[0].reshape(2, 3, 2)
    assert (above[:, 1] < seam[:, 1]).all()
    assert (below[:, 1] > seam[:, 1] + 0.2).all()


def test_an_affine_motion_of_all_vertices_is_followed_exactly(face, rng):
    _, vertices, triangles = face
    matrix, shift = np.array([[1.2, 0.3], [-0.1, 0.8]]), np.array([0.4, -0.2])
    points = rng.uniform(-0.6, 0.6, (200, 2))
    followed = warp.Warp.of(points, vertices, triangles)((vertices @ matrix.T + shift)[None])[0]
    assert np.allclose(followed, points @ matrix.T + shift, atol=1e-9)


def test_motion_is_continuous_across_every_edge_but_those_of_the_mouth(face, rng):
    landmarks, vertices, triangles = face
    moved = landmarks + rng.uniform(-0.05, 0.05, (1, 68, 2))
    lips = {frozenset(pair) for pair in itertools.combinations(INNER_LIPS, 2)}
    pairs = [tuple(side) for side in sides(triangles) if side not in lips]
    ends = vertices[np.array(pairs)]
    middle, along = ends.mean(axis=1), ends[:, 1] - ends[:, 0]
    across = 1e-7 * np.stack([-along[:, 1], along[:, 0]], axis=1)
    one = warp.Warp.of(middle + across, vertices, triangles)(moved)
    two = warp.Warp.of(middle - across, vertices, triangles)(moved)
    assert np.abs(one - two).max() < 1e-5


def test_motion_fades_to_nothing_at_the_border(face):
    landmarks, vertices, triangles = face
    moved = opened(landmarks)[None]
    border = vertices[68:]
    assert np.array_equal(warp.Warp.of(border * 1.001, vertices, triangles)(moved)[0], border * 1.001)
    assert np.allclose(warp.Warp.of(border, vertices, triangles)(moved)[0], border, atol=1e-9)


def test_triangles_tile_the_hull_and_run_the_same_way_around(face):
    _, vertices, triangles = face
    hull = vertices[68:]
    whole = 0.5 * abs(np.sum(hull[:, 0] * np.roll(hull[:, 1], -1) - hull[:, 1] * np.roll(hull[:, 0], -1)))
    assert areas(vertices, triangles).sum() == pytest.approx(whole, rel=1e-9)
    assert (areas(warp.parted(vertices), triangles) > 0).all()


@pytest.mark.parametrize("drop", [0.0, 0.02, 0.3])
def test_lips_and_lids_are_edges_and_their_insides_are_told_apart(drop):
    landmarks = drawn_face()
    landmarks[[55, 56, 57, 58, 59, 65, 66, 67], 1] += drop
    border = warp.ring(landmarks)
    triangles = warp.triangulate(landmarks, border)
    there = sides(triangles)
    for loop in (INNER_LIPS, RIGHT_EYE, LEFT_EYE):
        assert {frozenset(pair) for pair in zip(loop, (*loop[1:], loop[0]), strict=True)} <= there
        assert warp.region(np.concatenate([landmarks, border]), triangles, loop).sum() == len(loop) - 2
    assert {frozenset(pair) for pair in folds.PAIRS} <= there


def test_a_required_edge_replaces_what_crosses_it():
    vertices = np.array([[0, 0], [4, 0], [4, 1], [0, 1], [2, 0.45], [2, -3.0]], float)
    start = np.array([[0, 5, 4], [5, 1, 4], [1, 2, 4], [2, 3, 4], [3, 0, 4]])
    edges = Edges(vertices, start)
    assert edges.require(0, 1)
    found = edges.triangles()
    assert frozenset((0, 1)) in sides(found)
    assert np.abs(areas(vertices, found)).sum() == pytest.approx(np.abs(areas(vertices, start)).sum())
    assert not edges.require(4, 5)  # would cross the edge that is to stay
    assert frozenset((0, 1)) in sides(edges.triangles())


def test_landmarks_in_the_same_place_do_no_harm(rng):
    landmarks = drawn_face()
    landmarks[list(JAW)] = landmarks[8]
    landmarks[list(LEFT_EYE)] = landmarks[42]
    border = warp.box((-2, -2), (2, 2))
    triangles = warp.triangulate(landmarks, border)
    points = rng.uniform(-2, 2, (100, 2))
    moved = warp.Warp.of(points, np.concatenate([landmarks, border]), triangles)(opened(landmarks)[None])
    assert np.isfinite(moved).all()
    with pytest.raises(ValueError, match="one line"):
        warp.triangulate(np.arange(6.0).reshape(3, 2), np.arange(6.0, 12.0).reshape(3, 2))


def test_any_points_can_be_triangulated_without_a_mouth(rng):
    points, border = rng.uniform(0, 1, (20, 2)), warp.box((-1, -1), (2, 2))
    triangles = warp.triangulate(points, border)
    assert areas(np.concatenate([points, border]), triangles).sum() == pytest.approx(9)
    assert (areas(np.concatenate([points, border]), triangles) > 0).all()


def test_inside_a_polygon():
    shape = np.array([[0, 0], [2, 0], [2, 2], [1, 1], [0, 2]], float)
    assert inside(np.array([[0.5, 0.5], [1, 1.5], [1.8, 1.5], [3, 1], [-1, 1]]), shape).tolist() == [
        True, False, True, False, False,
    ]  # fmt: skip


def test_what_does_not_fold_is_left_alone(face):
    landmarks, vertices, triangles = face
    moved = np.stack([landmarks, opened(landmarks)])
    done = folds.repaired(triangles, vertices, moved)
    assert (done.folds, done.frames) == (0, 0)
    assert np.allclose(done.moved[:, :68], moved, atol=1e-12)
    assert np.array_equal(done.moved[:, 68:], np.repeat(vertices[None, 68:], 2, axis=0))


def test_folds_are_found_counted_and_undone(face):
    landmarks, vertices, triangles = face
    moved = np.repeat(landmarks[None], 3, axis=0)
    moved[1, 8] += [0, -0.5]  # the chin into the mouth
    moved[2, 30] += [0.5, 0]  # the nose through an eye
    everything = np.concatenate([moved, np.repeat(vertices[None, 68:], 3, axis=0)], axis=1)
    before = folds.flipped(triangles, everything)
    assert before.any(axis=1).tolist() == [False, True, True]
    done = folds.repaired(triangles, vertices, moved)
    assert (done.folds, done.frames) == (before.sum(), 2)
    assert not folds.flipped(triangles, done.moved).any()
    still = [i for i in range(68) if i not in (8, 30)]
    assert np.array_equal(done.moved[:, still], moved[:, still])
    chin = landmarks[8, 1] - done.moved[1, 8, 1]
    assert 0.1 < chin < 0.5  # held back, not sent home


def test_repairs_set_in_without_a_jump(face):
    landmarks, vertices, triangles = face
    share = np.linspace(0, 1, 400)
    moved = np.repeat(landmarks[None], 400, axis=0)
    moved[:, 8, 1] -= 0.5 * share
    done = folds.repaired(triangles, vertices, moved)
    assert done.frames > 10
    assert np.abs(np.diff(done.moved[:, 8, 1])).max() < 0.005


def test_crossed_lips_and_lids_meet_half_way(face):
    landmarks, vertices, triangles = face
    moved = landmarks[None] + np.array([0, 0.1])
    moved[0, [65, 66, 67], 1] -= 0.04
    (upper, lower), *_ = LEFT_LID_PAIRS
    moved[0, upper] = moved[0, lower] + np.array([0, 0.02])
    done = folds.repaired(triangles, vertices, moved)
    assert done.frames == 1
    assert not folds.flipped(triangles, done.moved).any()
    assert np.allclose(done.moved[0, 62], landmarks[62] + np.array([0, 0.08]))
    assert np.array_equal(done.moved[0, 62], done.moved[0, 66])
    assert np.array_equal(done.moved[0, upper], done.moved[0, lower])


def posed(points, reference):
    """Return `points` (T, 68, 3) laid on `reference` (68, 3) by its rigid points: rotation, scale and shift."""
    rigid = list(RIGID)
    aim = reference[rigid] - reference[rigid].mean(axis=0)
    result = np.empty_like(points)
    for k, frame in enumerate(points):
        centre = frame[rigid].mean(axis=0)
        u, s, vt = np.linalg.svd((frame[rigid] - centre).T @ aim)
        sign = np.diag([1, 1, np.sign(np.linalg.det(u @ vt))])
        scale = np.trace(np.diag(s) @ sign) / np.sum((frame[rigid] - centre) ** 2)
        result[k] = scale * (frame - centre) @ (u @ sign @ vt) + reference[rigid].mean(axis=0)
    return result


def extremes(path):
    """Return a clip's resting face (68, 2) and its frames (T, 68, 2) that differ most from it, pose removed."""
    with np.load(path) as clip:
        points = clip["landmarks"][clip["valid"]].astype(float)
    if len(points) < 20:
        return None
    gap = np.linalg.norm(points[:, 62] - points[:, 66], axis=1)
    points = posed(points, points[gap.argmin()])
    unit = np.linalg.norm(points[0, 36] - points[0, 45])
    points = (points - points[0, 27]) / unit
    quiet = points[np.argsort(gap)[: max(3, len(gap) // 10)]].mean(axis=0)
    away = np.linalg.norm(points - quiet, axis=2)
    worst = {int(k) for k in np.argsort(away.max(axis=1))[-5:]} | {int(away[:, MOUTH_AND_JAW].sum(axis=1).argmax())}
    return quiet[:, :2], points[sorted(worst)][..., :2]


@pytest.mark.skipif(not CLIPS.is_dir(), reason="the training pack is not here")
def test_extreme_frames_of_real_speakers_fold_nothing_once_repaired():
    clips = sorted(CLIPS.glob("*.npz"))[::6]
    frames = folded = turned_over = 0
    for path in clips:
        found = extremes(path)
        if found is None:
            continue
        quiet, worst = found
        border = warp.ring(quiet)
        triangles = warp.triangulate(quiet, border)
        vertices = np.concatenate([quiet, border])
        done = folds.repaired(triangles, vertices, worst)
        upright = ~folds.flipped(triangles, vertices[None])[0]
        assert not folds.flipped(triangles, done.moved)[:, upright].any(), path.name
        assert np.abs(done.moved[:, :68] - worst).max() < 0.35, path.name
        frames, folded, turned_over = frames + len(worst), folded + done.frames, turned_over + done.folds
    print(f"\n{len(clips)} clips, {frames} extreme frames: {turned_over} folded triangles in {folded}, repaired")
    assert frames > 400


def test_a_head_at_rest_leaves_the_drawing_alone(rng):
    points = rng.uniform(-1, 1, (50, 2))
    assert np.array_equal(turned(points, np.zeros(50), np.zeros((2, 6)), np.zeros(3)), np.stack([points, points]))


def test_roll_turns_the_plane_and_depth_makes_the_parallax():
    points, depth = np.array([[1.0, 0.0], [0.0, 0.0], [0.0, 0.0]]), np.array([0.0, -1.0, 0.0])
    head = np.zeros((4, 6))
    head[0, 2] = np.pi / 2  # the crown to the right: x turns into y, and y points down
    head[1, 1] = 0.1  # the face to the left of the picture
    head[2, 0] = 0.1  # a nod down
    head[3, 3:] = [0.5, -0.25, 9.0]
    moved = turned(points, depth, head, np.zeros(3), unit=2.0)
    assert np.allclose(moved[0, 0], [0, 1])
    assert moved[1, 1] == pytest.approx([-np.sin(0.6 * np.tanh(0.1 / 0.6)), 0])
    assert moved[2, 1] == pytest.approx([0, np.sin(0.6 * np.tanh(0.1 / 0.6))])
    assert np.allclose(moved[1:3, 2], 0)  # on the axis nothing shifts
    assert np.allclose(moved[3], points + np.array([1.0, -0.5]))
