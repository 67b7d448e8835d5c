"""Controls read off a performance, and handles that bring places where they are wanted, by hand-worked numbers."""

import numpy as np
import pytest
from mouthpiece.curves import FrameGrid
from mouthpiece.performance import Performance
from mouthpiece.retarget.bones import response
from mouthpiece.retarget.bones.controls import (
    CONTROLS,
    DIRECTIONS,
    control_points,
    face_motion,
    hinge,
    is_number,
    layer_of,
    sources,
)
from mouthpiece.topology import ARKIT_INDEX, MIRROR

GRID = FrameGrid(25.0, 1.0, 1, 10)


@pytest.fixture(scope="module")
def neutral():
    """Give a face with the proportions that count: eyes a unit apart, lips shut, the hinge beside the ears."""
    face = np.zeros((68, 3), np.float32)
    face[[1, 2]], face[[14, 15]] = (-0.8, 0.3, 0.64), (0.8, 0.3, 0.64)
    face[36:42], face[42:48] = (-0.35, 0, 0), (0.35, 0, 0)
    face[36], face[45] = (-0.5, 0, 0), (0.5, 0, 0)
    face[[37, 38]], face[[43, 44]] = (-0.35, -0.05, 0), (0.35, -0.05, 0)
    face[[40, 41]], face[[46, 47]] = (-0.35, 0.05, 0), (0.35, 0.05, 0)
    face[48:68] = (0, 0.77, -0.23)
    face[[48, 60]], face[[54, 64]] = (-0.28, 0.77, -0.1), (0.28, 0.77, -0.1)
    face[51], face[57] = (0, 0.68, -0.28), (0, 0.87, -0.23)
    face[[7, 8, 9]] = (0, 1.28, -0.07)
    face[17:22], face[22:27] = (-0.4, -0.28, -0.1), (0.4, -0.28, -0.1)
    face[17], face[26] = (-0.7, -0.22, 0.1), (0.7, -0.22, 0.1)
    return face


def playing(neutral, change=None, **weights):
    """Return a take of 10 frames in which ``change`` moves the landmarks and the weights stand."""
    landmarks = np.repeat(neutral[None], 10, axis=0)
    if change is not None:
        change(landmarks)
    arkit = np.zeros((10, 52), np.float32)
    for name, value in weights.items():
        arkit[:, ARKIT_INDEX[name]] = value
    pair, zero = np.zeros((10, 2)), np.zeros((10, 6))
    return Performance(landmarks, neutral, arkit, zero, pair, pair, np.zeros(10), 25.0)


def test_a_control_moves_as_its_landmarks_do(neutral):
    def change(landmarks):
        landmarks[:, [22, 23], 1] -= 0.1
        landmarks[:, [54, 64]] += (0.06, -0.04, 0.02)

    moves = face_motion(playing(neutral, change), GRID).moves
    np.testing.assert_allclose(moves["brow_inner.L"], [(0, -0.1, 0)] * 10, atol=1e-6)
    np.testing.assert_allclose(moves["lip_corner.L"], [(0.06, -0.04, 0.02)] * 10, atol=1e-6)
    np.testing.assert_allclose(moves["brow_inner.R"], 0, atol=1e-6)
    np.testing.assert_allclose(moves["lip_corner.R"], 0, atol=1e-6)


def test_lips_take_their_height_from_the_inner_lip(neutral):
    def change(landmarks):
        landmarks[:, 66, 1] += 0.2
        landmarks[:, 57, 1] += 0.4
        landmarks[:, [57, 66], 2] += 0.1

    moves = face_motion(playing(neutral, change), GRID).moves
    np.testing.assert_allclose(moves["lip_lower"], [(0, 0.2, 0.1)] * 10, atol=1e-6)


@pytest.mark.parametrize("angle", [0.05, 0.2])
def test_the_jaw_turns_about_its_hinge(neutral, angle):
    lever = hinge(neutral)[2] - neutral[[57, 66], 2].mean()

    def change(landmarks):
        landmarks[:, [57, 66], 1] += angle * lever

    motion = face_motion(playing(neutral, change, jawOpen=angle / 0.42), GRID)
    np.testing.assert_allclose(motion.turns["jaw"], [(angle, 0, 0)] * 10, atol=1e-5)
    np.testing.assert_allclose(motion.numbers["jaw_angle"], angle, atol=1e-5)


def test_a_jaw_without_lips_opens_as_far_as_the_lips_part(neutral):
    def shut(landmarks):  # lips that meet low over an open jaw
        landmarks[:, [57, 62, 66], 1] += 0.15

    take = playing(neutral, shut, jawOpen=0.5)
    np.testing.assert_allclose(face_motion(take, GRID, has_lips=False).turns["jaw"], 0, atol=1e-6)
    assert face_motion(take, GRID, has_lips=True).turns["jaw"][:, 0].min() > 0.1


def test_the_jaw_goes_to_the_side_the_chin_goes(neutral):
    def change(landmarks):
        landmarks[:, [7, 8, 9], 0] += 0.1

    turn = response.rotation_vectors_to_matrices(face_motion(playing(neutral, change), GRID).turns["jaw"])
    chin = neutral[8] - hinge(neutral)
    assert ((turn @ chin)[:, 0] > 0.05).all()


def test_looks_turn_the_eyes(neutral):
    take = playing(neutral)
    gaze = np.tile((0.2, 0.1), (10, 1))
    take = Performance(take.landmarks, neutral, take.arkit, take.head, gaze, np.zeros((10, 2)), np.zeros(10), 25.0)
    look = response.rotation_vectors_to_matrices(face_motion(take, GRID).turns["eye.L"]) @ np.array([0, 0, -1.0])
    assert (look[:, 0] > 0.19).all() and (look[:, 1] > 0.09).all()  # to the right of the picture, and down


def test_strength_multiplies_everything(neutral):
    def change(landmarks):
        landmarks[:, 66, 1] += 0.1

    take = playing(neutral, change, cheekPuff=0.5, mouthSmileLeft=1.0)
    one, two = face_motion(take, GRID), face_motion(take, GRID, 2.0)
    for name in ("lip_lower", "cheek.L"):
        np.testing.assert_allclose(two.moves[name], 2 * one.moves[name], atol=1e-6)
    assert two.numbers["mouthSmileLeft"][0] == pytest.approx(2.0)


def test_sides_are_mirrored(neutral):
    lefts = [name for name in CONTROLS if name.endswith(".L")]
    assert all(CONTROLS[n[:-1] + "R"].points == tuple(MIRROR[p] for p in CONTROLS[n].points) for n in lefts)
    cheeks = face_motion(playing(neutral, mouthSmileLeft=1.0, mouthSmileRight=1.0), GRID).moves
    np.testing.assert_allclose(cheeks["cheek.L"] * (-1, 1, 1), cheeks["cheek.R"])
    assert cheeks["cheek.L"][0, 0] > 0 > cheeks["cheek.L"][0, 1]


def test_every_source_has_a_layer_and_a_value(neutral):
    motion = face_motion(playing(neutral), GRID)
    for source in sources():
        assert layer_of(source) in ("lips", "tongue", "expression", "eyes")
        assert source in (motion.numbers if is_number(source) else motion.moves)
    assert layer_of("eyeBlinkLeft") == "eyes" and layer_of("browInnerUp") == "expression"
    assert layer_of("mouthSmileLeft") == layer_of("lip_corner.L:up") == "lips"
    with pytest.raises(KeyError):
        layer_of("elbow")


def test_directions_are_the_characters():
    assert DIRECTIONS == {"left": (1, 0, 0), "up": (0, -1, 0), "forward": (0, 0, -1)}


# the rig's side


def test_handles_bring_places_where_they_are_wanted():
    rng = np.random.default_rng(4)
    jacobian = (np.eye(9) + 0.2 * rng.normal(size=(9, 9))).reshape(3, 3, 9)
    wanted, carried = rng.normal(size=(2, 5, 3, 3))
    turned = response.nearest_rotations(rng.normal(size=(5, 3, 3, 3)))
    handles = response.solve(jacobian, wanted, carried, turned)
    reached = carried + np.einsum("fpij,pjh,fh->fpi", turned, jacobian, handles)
    np.testing.assert_allclose(reached, wanted, atol=1e-8)


def test_a_handle_that_reaches_little_is_used_all_the_same_and_a_dead_direction_is_not():
    jacobian = np.zeros((2, 3, 3))
    jacobian[0, 0, 0], jacobian[1, 0, 1], jacobian[1, 0, 2] = 1.0, 0.02, 0.02
    wanted = np.zeros((1, 2, 3))
    wanted[0, :, 0], wanted[0, 1, 1] = 0.5, 9.0  # nothing moves the second along y
    none = np.tile(np.eye(3), (1, 2, 1, 1))
    handles = response.solve(jacobian, wanted, np.zeros((1, 2, 3)), none)
    np.testing.assert_allclose(handles, [[0.5, 12.5, 12.5]], rtol=1e-6)


def test_what_the_jaw_carries_lies_between_what_was_measured():
    positions = np.array([[[0.0, 0, 0]], [[0, 0, -1.0]]])
    turns = np.array([[np.eye(3)], response.rotation_vectors_to_matrices(np.array([[0.4, 0, 0]]))])
    carried = response.Carried(np.array([0.0, 0.4]), positions, turns, np.array([[1.0, 0, 0]]))
    at, turned = carried.at(np.array([[0.2, 0, 0], [0.9, 0, 0], [0.0, 0.1, 0]]))
    np.testing.assert_allclose(at[:, 0], [(0, 0, -0.5), (0, 0, -1), (0.1, 0, 0)], atol=1e-12)
    half = response.rotation_vectors_to_matrices(np.array([[0.2, 0, 0]]))[0]
    np.testing.assert_allclose(turned[0, 0], half, atol=1e-9)


def test_a_rotation_vector_is_a_right_handed_turn():
    turn = response.rotation_vectors_to_matrices(np.array([[0, 0, np.pi / 2], [0, 0, 0]]))
    np.testing.assert_allclose(turn[0] @ (1, 0, 0), (0, 1, 0), atol=1e-12)
    np.testing.assert_allclose(turn[1], np.eye(3))
    vectors = np.random.default_rng(2).uniform(-1.5, 1.5, (9, 3))
    back = response.rotation_vectors(response.rotation_vectors_to_matrices(vectors))
    np.testing.assert_allclose(back, vectors, atol=1e-9)


def test_turns_towards_bring_one_direction_onto_another():
    rng = np.random.default_rng(1)
    before, after = rng.normal(size=(2, 6, 3))
    turned = np.einsum("fij,fj->fi", response.turns_towards(before, after), before)
    np.testing.assert_allclose(np.cross(turned, after), 0, atol=1e-9)
    assert ((turned * after).sum(axis=1) > 0).all()
    np.testing.assert_allclose(response.turns_towards(before, before), np.tile(np.eye(3), (6, 1, 1)), atol=1e-7)


@pytest.mark.parametrize("number", range(24))
def test_the_face_is_found_whichever_way_it_looks(neutral, number):
    axes = response._upright()[number]
    face = control_points(neutral)
    names = ("eye.L", "eye.R", "lip_corner.L", "lip_corner.R", "lip_lower", "brow_outer.L", "brow_outer.R")
    places = {name: 0.1 * axes @ face[name] + (1, 2, 3) for name in names}
    found = response.face_frame(places, face)
    np.testing.assert_allclose(found.axes, axes, atol=1e-9)
    assert found.eye_distance == pytest.approx(0.1) and found.measured_on == "eye"


def test_a_face_that_looks_askew_is_followed_and_a_cartoons_is_taken_for_upright(neutral):
    face = control_points(neutral)
    names = ("eye.L", "eye.R", "lip_corner.L", "lip_corner.R", "lip_lower", "brow_outer.L", "brow_outer.R")
    straight = response.LOOKS_ALONG_MINUS_Y
    turn = response.rotation_vectors_to_matrices(np.array([[0, 0, 0.75]]))[0]
    found = response.face_frame({name: turn @ straight @ face[name] for name in names}, face)
    np.testing.assert_allclose(found.axes, turn @ straight, atol=1e-6)
    stretched = {name: straight @ (face[name] * (1.3, 0.8, 0.4)) for name in names}
    np.testing.assert_allclose(response.face_frame(stretched, face).axes, straight)


def test_one_bone_says_nothing_of_size_or_direction(neutral):
    found = response.face_frame({"jaw": (0, 0, 1)}, control_points(neutral))
    np.testing.assert_allclose(found.axes, response.LOOKS_ALONG_MINUS_Y)
    assert found.eye_distance == 0.0 and found.measured_on == ""


def test_brows_tell_the_size_where_there_are_no_eyes(neutral):
    face = control_points(neutral)
    width = np.linalg.norm(face["brow_outer.L"] - face["brow_outer.R"])
    places = {"brow_outer.L": (0.5, 0, 0), "brow_outer.R": (-0.5, 0, 0)}
    found = response.face_frame(places, face)
    assert found.eye_distance == pytest.approx(1 / width) and found.measured_on == "brow_outer"
