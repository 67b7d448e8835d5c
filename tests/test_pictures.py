"""Picture rigs without Blender: modes of a mouth, a mesh over a face, what its keys do, and what it shows inside."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from mouthpiece.curves import FrameGrid
from mouthpiece.errors import PictureError
from mouthpiece.portrait.find.placement import (
    as_json,
    from_json,
    mirrored,
    placed_by_clicks,
    placed_in_box,
    read_points,
)
from mouthpiece.retarget.picture.anatomy import FACE
from mouthpiece.retarget.picture.contours import INNER, LIDS, line_weights
from mouthpiece.retarget.picture.face import picture_face
from mouthpiece.retarget.picture.keys import folds, rig_of
from mouthpiece.retarget.picture.mouth_modes import (
    MODE_RANGE,
    SHUT,
    TURN,
    key_names,
    key_range,
    layer_of,
    mouth_modes,
    picture_curves,
)
from mouthpiece.retarget.picture.mouth_paint import SIZE, mouth_painting, palette
from mouthpiece.retarget.picture.sheet import held_back, laid_out
from mouthpiece.retarget.warp.triangles import areas
from mouthpiece.topology import LEFT_EYE, MIRROR, RIGHT_EYE

from tests.material import SHARED, make_take

WIDTH, HEIGHT, EYES = 640, 800, 160.0


def average(turn=0.0, opening=0.0):
    """The average face in the middle of a picture, turned by radians, its mouth open by eye distances."""
    points = np.array(FACE)
    for lower in (65, 66, 67, 55, 56, 57, 58, 59):
        points[lower, 1] += opening
    c, s = np.cos(turn), np.sin(turn)
    return points @ np.array([[c, s], [-s, c]]) * EYES + (WIDTH / 2, HEIGHT * 0.4)


@pytest.fixture(scope="module")
def rig():
    return rig_of(picture_face(WIDTH, HEIGHT, average()))


@pytest.fixture(scope="module")
def shouting():
    return rig_of(picture_face(WIDTH, HEIGHT, average(0.3, 0.25)))


def posed(rig, **values):
    names = key_names()
    row = np.array([[values.get(name, 0.0) for name in names]])
    return rig.posed(row, names)[0]


# Modes


def test_modes_span_speech_and_are_played_back():
    modes = mouth_modes()
    assert 10 <= len(modes.names) <= 14 and len(set(modes.names)) == len(modes.names)
    weights = np.random.default_rng(0).uniform(-0.3, 0.9, (20, len(modes.names)))
    assert modes.weights(modes.played(weights)) == pytest.approx(weights, abs=1e-6)


def test_modes_do_what_their_names_say():
    moves = dict(zip(mouth_modes().names, mouth_modes().moves, strict=True))
    assert moves["open"][66, 1] > 0.1 and 0 > moves["open"][62, 1] and moves["open"][8, 1] > 0.03
    assert moves["wide"][54, 0] > 0.02 and moves["wide"][48, 0] < -0.02
    assert moves["upper_lip"][62, 1] < -0.03 and abs(moves["upper_lip"][66, 1]) < 1e-6
    assert moves["jaw_side"][66, 0] > 0.01
    for name, move in moves.items():
        mirror = move[list(MIRROR)] * [-1, 1]
        odd = name in ("jaw_side", "mouth_side", "corners_tilt", "open_tilt")
        lips = slice(48, 68)
        assert mirror[lips] == pytest.approx((-move if odd else move)[lips], abs=1e-5), name


def test_a_take_is_played_within_a_hundredth_of_the_eye_distance(spoken):
    take = spoken.final()
    played = picture_curves(take, FrameGrid.covering(take.seconds, 25.0, 1.0))
    assert played.lip_error < 0.01 and not played.clamped
    modes, offsets = mouth_modes(), take.landmarks - take.neutral
    shown = modes.played(modes.weights(offsets))
    gap = offsets[:, 66, 1] - offsets[:, 62, 1]
    assert np.corrcoef(shown[:, 66, 1] - shown[:, 62, 1], gap)[0, 1] > 0.999


@pytest.mark.skipif(not (SHARED / "data" / "clips").is_dir(), reason="no training pack")
def test_recorded_mouths_are_played_within_a_hundredth_of_the_eye_distance():
    pytest.importorskip("torch")
    from training.content.targets import canonical_face, make_targets
    from training.pack.clips import load_clip

    clips = [load_clip(path) for path in sorted((SHARED / "data" / "clips").glob("*.npz"))[::150]]
    for target in make_targets(clips, canonical_face(clips)):
        offsets = target.landmarks[target.weight > 0].reshape(-1, 68, 3)
        assert mouth_modes().error(offsets) < 0.015


def test_curves_are_of_the_grid_within_ranges_and_layered():
    take = make_take(head=np.tile([[0.0, TURN, 0.0, 9.0, 0.0, 0.0]], (50, 1)), blink=np.ones((50, 2)))
    grid = FrameGrid.covering(take.seconds, 24.0, 10.0)
    played = picture_curves(take, grid)
    assert played.curves.names == key_names() and played.curves.values.shape == (len(grid.frames), len(key_names()))
    values = dict(zip(key_names(), played.curves.values.T, strict=True))
    assert values["turn_x"] == pytest.approx(1, abs=1e-5) and values["blink_L"] == pytest.approx(1)
    assert (values[SHUT] == 1).all()
    assert played.clamped["shift_x"] == len(grid.frames) and values["shift_x"].max() == key_range("shift_x")[1]
    assert {layer_of(name) for name in key_names()} == {"lips", "expression", "eyes", "head"}
    still = picture_curves(take, grid, strength=0.0)
    rest = dict(zip(key_names(), still.curves.values.T, strict=True))
    assert (rest["blink_R"] == 1).all() and (rest["turn_x"] == 0).all() and np.abs(rest["open"]).max() < 1e-6


# Lines


def test_lines_run_through_their_landmarks_and_meet_where_lips_do():
    shape = np.array(FACE)
    for line in (INNER, *LIDS):
        weights = line_weights(shape, line)
        assert weights.sum(axis=1) == pytest.approx(1)
        points = weights @ shape
        assert points[0] == pytest.approx(shape[line.upper[0]])
        assert points[line.steps] == pytest.approx(shape[line.upper[-1]])
    flat = shape.copy()
    flat[[65, 66, 67]] = flat[[63, 62, 61]]
    points = line_weights(shape, INNER) @ flat
    assert points[1:16] == pytest.approx(points[:16:-1])


# The mesh


@pytest.mark.parametrize("name", ["rig", "shouting"])
def test_the_skin_covers_the_picture_but_for_mouth_and_eyes(name, request):
    rig = request.getfixturevalue(name)
    skin, unit = rig.skin, rig.face.unit
    assert (areas(skin.points, skin.triangles) > -3e-5).all() and not folds(skin.points[None], skin.triangles).any()
    holes = 0.0
    for line in (skin.mouth[0], skin.eyes[0][0], skin.eyes[1][0]):
        x, y = skin.points[line].T
        holes += abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2
    covered = areas(skin.points, skin.triangles).sum()
    assert covered + holes == pytest.approx(WIDTH * HEIGHT / unit**2, rel=2e-3)
    pixels = rig.face.outward(skin.points[skin.edge])
    assert pixels.min() == pytest.approx(0, abs=1e-6) and pixels.max(axis=0) == pytest.approx([WIDTH, HEIGHT])


def test_coordinates_of_a_face_are_upright(shouting):
    face = shouting.face
    assert face.unit == pytest.approx(EYES)
    shape = face.shape()
    assert shape[45, 1] == pytest.approx(shape[36, 1]) and shape[45, 0] - shape[36, 0] == pytest.approx(1)
    assert face.outward(shape[:, :2]) == pytest.approx(face.landmarks[:, :2])


def test_landmarks_move_as_modes_say(rig):
    inner = rig.skin.mouth[0]
    moves = dict(zip(mouth_modes().names, mouth_modes().moves, strict=True))
    moved = rig.keys["wide"]
    assert moved[inner[0]] == pytest.approx(moves["wide"][60], abs=0.02)
    open_ = posed(rig, open=1) - rig.points
    half = len(inner) // 2
    assert open_[inner[half + half // 2], 1] - open_[inner[half // 2], 1] > 0.1
    for name in mouth_modes().names:
        assert np.abs(rig.keys[name][rig.skin.edge]).max() == 0  # the picture's edge holds still
        eyes = np.concatenate([rig.skin.eyes[0][0], rig.skin.eyes[1][0]])
        assert np.abs(rig.keys[name][eyes]).max() < 1e-9


def test_an_open_mouth_is_shut(shouting):
    inner = shouting.skin.mouth[0]
    half = len(inner) // 2
    upper, lower = inner[1:half], inner[half + 1 :][::-1]
    assert np.abs(shouting.points[upper] - shouting.points[lower]).max() > 0.2
    shut = posed(shouting, shut=1)
    assert shut[upper] == pytest.approx(shut[lower], abs=1e-9)
    chin = np.argmin(np.linalg.norm(shouting.skin.points - shouting.face.shape()[8, :2], axis=1))
    assert shut[chin, 1] < shouting.points[chin, 1] - 0.02


def test_lids_meet(rig):
    for index, name in ((0, "blink_R"), (1, "blink_L")):
        lids = rig.skin.eyes[index][0]
        half = len(lids) // 2
        shut = posed(rig, **{name: 1})
        assert shut[lids[1:half]] == pytest.approx(shut[lids[half + 1 :][::-1]], abs=1e-3)
        other = rig.skin.eyes[1 - index][0]
        assert shut[other] == pytest.approx(rig.points[other])


def test_keys_alone_fold_nothing_that_is_seen(rig, shouting):
    for each in (rig, shouting):
        count = len(each.skin.points)
        for name in key_names():
            for end in (max(key_range(name)[0], -1.0), min(key_range(name)[1], 1.0)):
                folded = folds(posed(each, **{name: end})[None, :count], each.skin.triangles)
                assert folded.sum() <= 1, (name, end)


def test_a_turn_moves_the_nose_more_than_the_ears_and_the_edge_not_at_all(rig):
    moved, shape = rig.keys["turn_x"], rig.face.shape()

    def at(landmark):
        return moved[np.argmin(np.linalg.norm(rig.skin.points - shape[landmark, :2], axis=1)), 0]

    assert at(30) < at(39) < at(16) < 0.02  # positive turns to the left of the picture
    assert np.abs(moved[rig.skin.edge]).max() < 1e-9
    assert np.abs(rig.keys["roll"][rig.skin.edge]).max() < 1e-9
    chest = np.argmin(np.linalg.norm(rig.skin.points - [0, 2.4], axis=1))
    for name in ("turn_x", "turn_y", "roll", "shift_x", "shift_y"):
        assert np.abs(rig.keys[name][chest]).max() < 0.02


def test_layers_stay_behind_their_openings(rig):
    parts = laid_out(rig).parts
    vertices = laid_out(rig).vertices
    assert (vertices[list(parts["skin"]), 1] >= 0).all()
    names = ("mouth", "upper_teeth", "lower_teeth", "tongue", "cavity")
    order = [vertices[list(parts[name]), 1].min() for name in names]
    assert all(a < b for a, b in pairwise(order)) and order[0] > vertices[list(parts["skin"]), 1].max()
    # whatever lips leave open, the cavity fills
    for values in ({"open": 1}, {"open": 1, "wide": -0.8}, {"open": 0.5, "corners": 0.8}):
        shown = posed(rig, **values)
        inner, dark = shown[rig.skin.mouth[0]], shown[list(parts["cavity"])]
        assert (inner.min(axis=0) >= dark.min(axis=0) - 1e-9).all()
        assert (inner.max(axis=0) <= dark.max(axis=0) + 1e-9).all()


# As a mesh


def test_a_sheet_shows_the_picture_upright(rig):
    sheet = laid_out(rig, 2.0)
    skin = list(sheet.parts["skin"])
    scale = 2.0 / HEIGHT
    assert np.ptp(sheet.vertices[skin], axis=0)[[0, 2]] == pytest.approx([WIDTH * scale, 2.0])
    flat = sheet.vertices[skin][:, [0, 2]] / [WIDTH * scale, 2.0] + 0.5
    assert sheet.texture[skin] == pytest.approx(flat, abs=1e-5)  # each place shows itself
    assert sheet.vertices[rig.skin.mouth[0]].mean(axis=0)[2] < sheet.vertices[rig.skin.eyes[0][0]].mean(axis=0)[2]
    assert all(np.abs(move[:, 1]).max() == 0 for move in sheet.moves.values())
    corners = np.array([face[:3] for face in sheet.faces if max(face) < len(skin)])
    a, b, c = (sheet.vertices[corners[:, k]] for k in range(3))
    assert (np.cross(b - a, c - a)[:, 1] <= 1e-6).mean() > 0.99  # seen from the front


def test_frames_that_would_fold_are_held_back_and_counted():
    points = np.array([(0.0, 0.0), (1.0, 0.0), (0.0, 1.0)])
    moves = np.array([[(0.0, 0.0), (0.0, 0.0), (0.0, -1.0)], np.zeros((3, 2))])
    values = np.zeros((30, 2), np.float32)
    values[10, 0] = 1.2  # the third corner would go to (0, -0.2)
    values[:, 1] = 1.0
    held = held_back(points, np.array([[0, 1, 2]]), moves, values, np.array([True, False]), 1.0)
    assert (held.folds, held.frames, held.left) == (1, 1, 0)
    assert 0.8 <= held.values[10, 0] <= 1.0 and (held.values[:, 1] == 1).all()
    assert (held.values[[0, 29]] == values[[0, 29]]).all()
    again = held_back(points, np.array([[0, 1, 2]]), moves, held.values, np.array([True, False]), 1.0)
    assert again.folds == 0
    values[10, 0] = 9.0  # too far to be mended by a little less: left as it is, and told
    hopeless = held_back(points, np.array([[0, 1, 2]]), moves, values, np.array([True, False]), 1.0)
    assert (hopeless.values == values).all() and hopeless.left == hopeless.folds == 1


# Painting


def test_the_mouth_is_painted_in_the_pictures_colours(rig):
    picture = np.full((HEIGHT, WIDTH, 3), (200, 160, 140), np.uint8)
    lips = rig.face.outward(rig.skin.points[rig.skin.mouth[1]]).astype(int)
    for x, y in lips:
        picture[y - 2 : y + 3, x - 2 : x + 3] = (170, 60, 70)
    painting = mouth_painting(picture, rig)
    assert painting.shape == (SIZE, SIZE, 4) and (painting[..., 3] == 255).all()
    colour, skin, white = palette(picture, rig)
    assert colour * 255 == pytest.approx((170, 60, 70)) and skin * 255 == pytest.approx((200, 160, 140))
    assert white.mean() > skin.mean() and np.ptp(white) < np.ptp(skin)
    cavity, tongue = painting[60, 60, :3].astype(int), painting[190, 90, :3].astype(int)
    assert cavity.sum() < tongue.sum() < painting[30, 190, :3].sum()
    grey = mouth_painting(np.full((HEIGHT, WIDTH, 3), 150, np.uint8), rig)[..., :3].astype(int)
    assert np.ptp(grey, axis=2).max() <= 40 and np.ptp(grey[:128], axis=2).max() <= 1


# Placing


def test_clicks_place_eyes_and_mouth():
    eyes, mouth = np.array([(100.0, 200.0), (180.0, 190.0)]), np.array([(110.0, 300.0), (190.0, 280.0)])
    marks = placed_by_clicks(eyes, mouth).landmarks
    assert marks[list(RIGHT_EYE)].mean(axis=0) == pytest.approx(eyes[0], abs=2)
    assert marks[list(LEFT_EYE)].mean(axis=0) == pytest.approx(eyes[1], abs=2)
    assert marks[48] == pytest.approx(mouth[0], abs=1e-6) and marks[54] == pytest.approx(mouth[1], abs=1e-6)
    rig_of(picture_face(400, 500, marks))
    ours = np.array(FACE) * 100 + 300  # clicks on the average face itself give it back
    again = placed_by_clicks([ours[36:42].mean(axis=0), ours[42:48].mean(axis=0)], [ours[48], ours[54]])
    assert again.landmarks == pytest.approx(ours, abs=0.6)


@pytest.mark.parametrize(
    ("eyes", "mouth", "says"),
    [
        ([(5, 5), (5, 5)], [(0, 9), (9, 9)], "one place"),
        ([(0, 0), (90, 0)], [(5, 80), (5, 80)], "one place"),
        ([(0, 50), (90, 50)], [(5, 0), (80, 0)], "not below"),
    ],
)
def test_clicks_that_are_no_face_are_refused(eyes, mouth, says):
    with pytest.raises(PictureError, match=says):
        placed_by_clicks(np.array(eyes), np.array(mouth))


def test_mirroring_keeps_one_side():
    face = placed_in_box(100, 100, 300, 350)
    bent = face.landmarks.copy()
    bent[54] += (15, -9)
    bent[19] += (-3, -8)
    whole = mirrored(type(face)(bent, np.array([(160.0, 150.0, 9.0), (250.0, 140.0, 5.0)])), "LEFT")
    own = [i for i in range(68) if i > MIRROR[i]]
    assert whole.landmarks[54] == pytest.approx(bent[54]) and whole.irises[1] == pytest.approx((250, 140, 5))
    assert whole.irises[0, 2] == 5
    again = mirrored(whole, "RIGHT")
    assert again.landmarks == pytest.approx(whole.landmarks, abs=1.0) and len(own) == 29


def test_points_go_through_a_file_and_to_another_size(tmp_path):
    face = placed_in_box(10, 20, 110, 150)
    path = tmp_path / "points.json"
    path.write_text(as_json([face, face], 200, 300, "a.png"))
    read = read_points(path, 400, 600, 1)
    assert read.landmarks == pytest.approx(face.landmarks * 2, abs=2e-3) and read.irises is None
    with pytest.raises(PictureError, match="2 faces"):
        read_points(path, 400, 600, 2)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "it is not JSON"),
        ("[]", "does not hold"),
        ('{"format": 9, "size": [1, 1], "faces": []}', "newer"),
        ('{"format": 1, "size": [0, 1], "faces": [{"landmarks": []}]}', "does not hold"),
        ('{"format": 1, "size": [9, 9], "faces": [{"landmarks": [[1, 2]]}]}', "68"),
    ],
)
def test_files_that_hold_no_points_are_refused(tmp_path, text, says):
    path = tmp_path / "points.json"
    path.write_text(text)
    with pytest.raises(PictureError, match=says):
        read_points(path, 10, 10)
    with pytest.raises(PictureError, match="cannot be read"):
        read_points(tmp_path / "none.json", 10, 10)


def test_points_that_are_not_numbers_are_refused():
    rows = json.loads(as_json([placed_in_box(0, 0, 9, 9)], 9, 9))
    rows["faces"][0]["landmarks"][5] = [float("nan"), 1]
    with pytest.raises(PictureError, match="does not hold"):
        from_json(rows, 9, 9)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda p: p * 0.02 + 100, "too small"),
        (lambda p: p + np.array([0, 600]), "outside the picture"),
        (lambda p: p * (1, -1) + (0, 900), "not below"),
        (lambda p: p[:60], "68 landmarks"),
        (lambda p: np.full_like(p, np.nan), "68 landmarks"),
    ],
)
def test_faces_that_cannot_be_are_refused(change, says):
    with pytest.raises(PictureError, match=says):
        picture_face(WIDTH, HEIGHT, change(average()))


def test_a_mouth_at_the_very_edge_is_refused():
    points = average()
    with pytest.raises(PictureError, match="edge"):
        rig_of(picture_face(WIDTH, int(points[57, 1] + 1), points))


# The command


def run(*arguments):
    from mouthpiece.cli import parser as core_cli

    return core_cli.run([str(argument) for argument in arguments])


def test_the_command_writes_landmarks(tmp_path, capsys):
    pytest.importorskip("PIL")
    picture, out = Path(__file__).parent / "test_training_face.jpg", tmp_path / "points.json"
    assert run("landmarks", picture, "-o", out, "--json") == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["ok"] and told["faces"] == 1 and told["size"] == [224, 224]
    face = read_points(out, 224, 224)
    assert face.landmarks.shape == (68, 3) and face.irises.shape == (2, 3)
    assert run("landmarks", picture, "-o", out) == 1 and "--force" in capsys.readouterr().err
    assert run("landmarks", picture, "-o", out, "--force", "--points", "80,90", "140,90", "90,160", "130,160") == 0
    assert read_points(out, 224, 224).landmarks[48] == pytest.approx((90, 160), abs=0.01)


def test_the_command_says_how_to_go_on_without_a_face(tmp_path, capsys):
    image = pytest.importorskip("PIL.Image")
    image.new("RGB", (300, 200), "green").save(tmp_path / "green.png")
    assert run("landmarks", tmp_path / "green.png") == 1
    assert "--points" in capsys.readouterr().err
    assert run("landmarks", tmp_path / "green.png", "--points", "1,2", "x", "3,4", "5,6") == 2


def test_ranges_hold_what_speech_does():
    assert MODE_RANGE[0] <= key_range("open")[0] < 0 < 1 < key_range("open")[1]


def test_no_fold_is_overlooked(rig):
    names, count = key_names(), len(rig.skin.points)
    values = np.random.default_rng(3).normal(0, 0.9, (60, len(names))).astype(np.float32)
    values[:, names.index(SHUT)] = 0
    folded = folds(rig.posed(values, names)[:, :count], rig.skin.triangles)
    assert folded.any()
    moves = np.array([rig.keys[name][:count] for name in names])
    for unit in (1.0, 7.0):  # whatever the picture is measured in
        held = held_back(
            rig.points[:count] * unit, rig.skin.triangles, moves * unit, values, np.ones(len(names), bool), unit
        )
        assert held.folds == folded.sum() and held.frames == folded.any(axis=1).sum()
        assert held.left < held.folds


@pytest.mark.parametrize("link", ["", "symbolic", "hard"])
def test_landmarks_never_replace_the_picture(tmp_path, capsys, link):
    pytest.importorskip("PIL")
    data = (Path(__file__).parent / "test_training_face.jpg").read_bytes()
    picture, place = tmp_path / "a.jpg", tmp_path / "b.json"
    picture.write_bytes(data)
    if link == "symbolic":
        place.symlink_to(picture)
    elif link == "hard":
        place.hardlink_to(picture)
    else:
        place = picture
    assert run("landmarks", picture, "-o", place, "--force", "--box", "50", "50", "150", "180") == 1
    assert picture.read_bytes() == data and "is read for this" in capsys.readouterr().err


@pytest.mark.parametrize(
    "where",
    [
        ["--box", "nan", "0", "100", "100"],
        ["--box", "0", "0", "inf", "100"],
        ["--box", "0", "0", "100", "-inf"],
        ["--box", "0", "0", "0", "100"],
        ["--box", "100", "0", "20", "100"],
        ["--box", "0", "100", "100", "20"],
        ["--box", "0", "0", "a", "100"],
        ["--box", "0", "0", "1e308", "1e308"],
        ["--box", "-100", "0", "20", "100"],
        ["--box", "300", "300", "400", "400"],
        ["--points", "nan,90", "140,90", "90,160", "130,160"],
        ["--points", "80,inf", "140,90", "90,160", "130,160"],
        ["--points", "280,90", "340,90", "290,160", "330,160"],
    ],
)
def test_a_face_that_is_placed_nowhere_is_a_bad_argument(tmp_path, capsys, where):
    pytest.importorskip("PIL")
    picture, out = Path(__file__).parent / "test_training_face.jpg", tmp_path / "points.json"
    try:
        code = run("landmarks", picture, "-o", out, *where)
    except SystemExit as ended:
        code = ended.code
    told = capsys.readouterr().err
    assert code == 2 and not out.exists() and "Traceback" not in told
    assert any(words in told for words in ("four numbers", "encloses nothing", "not a pixel", "outside", "expected 4"))


def test_a_box_whose_rim_leaves_the_picture_is_as_good_as_any(tmp_path):
    pytest.importorskip("PIL")
    picture, out = Path(__file__).parent / "test_training_face.jpg", tmp_path / "points.json"
    assert run("landmarks", picture, "-o", out, "--box", "-5", "20", "180", "230") == 0
    assert read_points(out, 224, 224).landmarks[:, 0].min() < 0


def absurd(part, value):
    rows = json.loads(as_json([placed_in_box(0, 0, 9, 9)], 9, 9))
    face = rows["faces"][0]
    face["irises"] = [[2, 3, 1], [6, 3, 1]]
    if part == "size":
        rows["size"] = value
    elif part in ("confidence", "jitter"):
        face[part] = value
    else:
        face[part][1] = value
    return rows


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("landmarks", [1e308, 1]),
        ("landmarks", [-1e7, 1]),
        ("landmarks", [10**400, 1]),
        ("landmarks", [True]),
        ("size", [1e-300, 9]),
        ("size", [1e308, 9]),
        ("size", [9]),
        ("irises", [1, 2, float("inf")]),
        ("irises", [1, 2, -3]),
        ("irises", [1, 2]),
        ("confidence", float("nan")),
        ("jitter", -1.0),
        ("jitter", 10**400),
    ],
)
def test_absurd_numbers_in_files_of_points_are_refused(part, value):
    from_json(absurd("jitter", 0.5), 9, 9)
    with pytest.raises(PictureError, match="does not hold landmarks"):
        from_json(absurd(part, value), 9, 9)


def test_a_portrait_of_a_large_picture_is_read_smaller_and_its_face_stays_where_it_is(tmp_path, monkeypatch):
    image = pytest.importorskip("PIL.Image")
    from mouthpiece.cli import parser as core_cli
    from mouthpiece.cli.portrait_request import subject_of

    given = ["portrait", "--image", tmp_path / "large.png", "--audio", "a.wav", "-o", "out.mp4", "--consent", "me"]
    options = core_cli.build_parser().parse_args([str(word) for word in [*given, "--box", 50, 50, 210, 250]])
    image.new("RGB", (300, 400), "white").save(tmp_path / "large.png")
    whole = subject_of(options).picture
    monkeypatch.setattr("mouthpiece.cli.portrait_request.WHOLE", 399)
    monkeypatch.setattr("mouthpiece.cli.portrait_request.LOOKED_AT", 200)
    small = subject_of(options).picture
    assert whole.portrait.picture.shape == (400, 300, 4) and small.portrait.picture.shape == (200, 150, 4)
    np.testing.assert_array_equal(small.placed.landmarks, whole.placed.landmarks)
    np.testing.assert_allclose(small.portrait.face.landmarks[:, :2] * 2, whole.portrait.face.landmarks[:, :2])
