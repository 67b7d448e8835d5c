"""Match Lips: the rig's own mouth opens as the take's lips do; and where a mesh's lips are."""

import numpy as np
import pytest
from mouthpiece.curves import FrameGrid
from mouthpiece.retarget.shape_keys import drivers, lip_opening
from mouthpiece.retarget.shape_keys.curves import shape_curves
from mouthpiece.retarget.shape_keys.lip_opening import Lips
from mouthpiece.retarget.shape_keys.lip_pairs import lip_pairs, parting
from mouthpiece.retarget.shape_keys.matching import detect
from mouthpiece.retarget.shape_keys.table import Entry, ShapeMap
from mouthpiece.topology import ARKIT_NAMES

ARKIT = {"jawOpen": 30.0, "mouthClose": -32.0, "mouthFunnel": 12.0, "mouthUpperUpLeft": 3.0, "mouthPressLeft": -1.0}


def arkit(**changes):
    openings = dict.fromkeys(ARKIT_NAMES, 0.0) | ARKIT | changes
    names = [name for name, value in openings.items() if value is not None]
    return Lips(detect(names), {name: openings[name] for name in names})


def solved(lips, gap, **tracks):
    given = dict.fromkeys(lips.table.drivers(), np.zeros(len(gap))) | {
        name: np.asarray(value, float) for name, value in tracks.items()
    }
    found = lip_opening.matched(lips, given, np.asarray(gap, float))
    apart = sum(lips.openings[entry.key] * entry.value(found) for entry in lips.table.driven)
    return found, apart


def test_a_gap_as_wide_as_the_jaw_takes_it_is_a_whole_jaw_open():
    found, apart = solved(arkit(), [0.0, drivers.jaw_gap() / 2, drivers.jaw_gap()])
    np.testing.assert_allclose(found["jawOpen"], [0, 0.5, 1], atol=1e-9)
    np.testing.assert_allclose(apart, [0, 15, 30], atol=1e-9)


@pytest.mark.parametrize("wanted", [0.0, 0.05, 0.2, 0.39])
def test_the_rig_opens_as_far_as_the_lips_whatever_the_weights_say(wanted):
    rng = np.random.default_rng(3)
    tracks = {name: rng.random(200) * 0.6 for name in ("jawOpen", "mouthFunnel", "mouthUpperUpLeft", "mouthPressLeft")}
    tracks["mouthClose"] = tracks["jawOpen"] * rng.random(200)
    found, apart = solved(arkit(), [wanted] * 200, **tracks)
    np.testing.assert_allclose(apart, wanted / drivers.jaw_gap() * 30, atol=1e-6)
    assert (found["mouthClose"] <= found["jawOpen"] + 1e-9).all() and (found["mouthClose"] >= 0).all()
    assert (np.array([found[name] for name in tracks]) >= 0).all()
    assert (found["jawOpen"] >= 0).all() and (found["jawOpen"] <= 1).all()


def test_what_is_right_already_is_left_alone():
    given = {"jawOpen": np.array([0.5]), "mouthClose": np.array([0.1]), "mouthFunnel": np.array([0.2])}
    lips = arkit()
    apart = 0.5 * 30 - 0.1 * 32 + 0.2 * 12
    found, _ = solved(lips, [apart / 30 * drivers.jaw_gap()], **given)
    assert {name: round(float(found[name][0]), 9) for name in given} == {
        "jawOpen": 0.5,
        "mouthClose": 0.1,
        "mouthFunnel": 0.2,
    }


def test_lips_shut_over_an_open_jaw_by_both_jaw_and_mouth_close():
    found, apart = solved(arkit(), [0.0], jawOpen=[0.4])
    np.testing.assert_allclose(apart, 0, atol=1e-9)
    assert 0 < found["mouthClose"][0] <= found["jawOpen"][0] < 0.4


def test_what_else_parts_the_lips_gives_way_when_they_must_meet():
    found, apart = solved(arkit(), [0.0], mouthFunnel=[0.5], mouthUpperUpLeft=[0.4])
    np.testing.assert_allclose(apart, 0, atol=1e-9)
    assert found["mouthFunnel"][0] == 0.0


def test_a_rig_without_mouth_close_shuts_by_its_jaw():
    _, apart = solved(arkit(mouthClose=None), [0.0, 0.1], jawOpen=[0.4, 0.0], mouthClose=[0.1, 0.0])
    np.testing.assert_allclose(apart, [0, 0.1 / drivers.jaw_gap() * 30], atol=1e-6)
    assert "mouthClose" not in {entry.key for entry in arkit(mouthClose=None).table.entries}


def test_a_gain_in_the_table_is_reckoned_with():
    lips = Lips(ShapeMap((Entry("open", "jawOpen", 0.5),)), {"open": 30.0})
    found, apart = solved(lips, [drivers.jaw_gap() / 4])
    np.testing.assert_allclose(found["jawOpen"], 0.25)
    np.testing.assert_allclose(apart, 0.25 * 15)


def visemes():
    names = [f"viseme_{name}" for name in ("PP", "aa", "E", "ih", "oh", "ou")]
    return Lips(detect(names), dict(zip(names, (-1.0, 16.0, 7.0, 5.0, 6.0, 1.0), strict=True)))


def test_visemes_are_played_wider_or_less_wide():
    gap = np.array([0.05, 0.1, 0.2, 0.3])
    tracks = {"viseme.aa": np.full(4, 0.5), "viseme.E": np.full(4, 0.4)}
    found, apart = solved(visemes(), gap, **tracks)
    np.testing.assert_allclose(apart, gap / 0.2 * 16, atol=1e-9)
    assert found["viseme.E"][1] < 0.4 < found["viseme.E"][3]


def test_visemes_that_shut_the_mouth_stay():
    found, _ = solved(visemes(), [0.0], **{"viseme.PP": [1.0]})
    assert found["viseme.PP"][0] == 1.0


def test_without_anything_that_opens_nothing_changes():
    table = ShapeMap((Entry("smile", "mouthSmileLeft"),))
    given = {"mouthSmileLeft": np.array([0.3])}
    assert lip_opening.matched(Lips(table, {"smile": 0.0}), given, np.array([0.2])) == given


def test_a_key_that_hardly_opens_the_mouth_is_not_relied_on():
    given = {"jawOpen": [0.4], "mouthFunnel": [0.5]}
    found, _ = solved(arkit(jawOpen=3.0), [0.0], **given)
    assert found["jawOpen"][0] == 0.4 and found["mouthFunnel"][0] == 0.5


def test_a_spoken_line_opens_an_arkit_rig_as_its_landmarks_do(spoken):
    lips = arkit()
    grid = FrameGrid(spoken.fps, 0.0, 0, len(spoken) - 1)
    gap = drivers.lip_gap(spoken.final())

    def correlation(given):
        curves, _ = shape_curves(spoken, lips.table, grid, lips=given)
        return np.corrcoef(sum(curves[name] * lips.openings[name] for name in curves.names), gap)[0, 1]

    assert correlation(lips) > 0.99 > correlation(None)


def face(turn):
    """A grid of a face: lips meet at height 0 between -0.3 and 0.3; below them is the chin, behind them are teeth."""
    x, y = np.meshgrid(np.linspace(-1, 1, 41), np.linspace(-1, 1, 41))
    skin = np.stack([x.ravel(), np.zeros(x.size), y.ravel()], axis=1)
    teeth = np.stack([np.linspace(-0.2, 0.2, 20), np.full(20, 0.1), np.full(20, -0.01)], axis=1)
    upper = np.stack([np.linspace(-0.3, 0.3, 31), np.zeros(31), np.full(31, 0.004)], axis=1)
    lower = upper * (1, 1, -1)
    points = np.concatenate([skin[np.abs(skin[:, 2]) > 0.06], teeth, upper, lower])
    count = len(points) - 62
    below = points[:, 2] < 0
    opened = np.zeros_like(points)
    opened[below, 2] = -0.3
    mouth = (np.abs(points[:, 0]) < 0.32) & (np.abs(points[:, 2]) < 0.12) & (points[:, 1] < 0.05)
    pucker = np.where(mouth[:, None], (0.0, -0.1, 0.0), 0.0)
    return [(array @ turn.T).astype(np.float32) for array in (points, opened, pucker)], count


@pytest.mark.parametrize("lying", [False, True])
def test_the_lips_of_a_face_are_found_at_their_middle(lying):
    turn = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]]) if lying else np.eye(3)
    (rest, opened, pucker), count = face(turn)
    pairs = lip_pairs(rest, opened, [pucker])
    assert len(pairs) == 3
    for above, below in pairs:
        assert count <= above < count + 31 <= below  # of the lips, not of teeth or chin
        assert abs(rest[above, 0]) < 0.05


def test_what_lies_deep_inside_the_mouth_does_not_turn_its_width():
    (rest, opened, pucker), count = face(np.eye(3))
    deep = np.array([[0, 0.8, -0.01], [0, 1.0, -0.01]], np.float32)
    rest, opened = np.concatenate([rest, deep]), np.concatenate([opened, np.zeros_like(deep)])
    pucker = np.concatenate([pucker, np.tile(np.float32([0, -0.1, 0]), (2, 1))])  # the throat comes forward as well
    pairs = lip_pairs(rest, opened, [pucker])
    assert len(pairs) == 3
    assert all(count <= above < count + 31 <= below < count + 62 for above, below in pairs)
    assert all(abs(rest[vertex, 0]) < 0.05 for pair in pairs for vertex in pair)


def test_opening_is_measured_along_the_way_the_mouth_opens():
    pairs = ((0, 1),)
    opened = np.array([[[0, 0, 0], [0, 0, -2.0]]])
    moved = np.array([[[[0, 0, 0], [0, 0, -2.0]]], [[[0, 0, 1.0], [5, 0, 0]]], [[[0, 0, 0], [0, 0, 1.0]]]])
    np.testing.assert_allclose(parting(pairs, opened, moved), [2, 1, -1])


def test_meshes_without_lips_have_none():
    (rest, opened, pucker), _ = face(np.eye(3))
    assert lip_pairs(rest, np.zeros_like(rest), [pucker]) == ()
    assert lip_pairs(rest[:3], opened[:3], []) == ()
    assert lip_pairs(rest, np.full_like(rest, 0.1), [pucker]) == ()  # everything moves: a lid, no mouth
