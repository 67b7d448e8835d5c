"""How sure a face is: turned heads of a known angle, profiles, odd angles, steadiness, and which face is chosen."""

from pathlib import Path

import numpy as np
import pytest
from mouthpiece.cli import parser as core_cli
from mouthpiece.cli.portrait_request import subject_of
from mouthpiece.errors import PictureError
from mouthpiece.portrait import images
from mouthpiece.portrait.draw.flatness import flatness, is_flat
from mouthpiece.portrait.draw.generator import shipped_generator
from mouthpiece.portrait.draw.resample import resize, warp
from mouthpiece.portrait.find import choice, steadiness
from mouthpiece.portrait.find.face import face_of
from mouthpiece.portrait.find.faces import Look, find_faces, look_for_faces
from mouthpiece.portrait.find.networks import crop_around, face_networks
from mouthpiece.portrait.find.placement import Placed, as_json, mirrored, placed_by_detector, read_points
from mouthpiece.portrait.find.pose import turn_of
from mouthpiece.portrait.portrait import portrait_of
from mouthpiece.retarget.picture.anatomy import DEPTH, FACE
from mouthpiece.retarget.pins.facing import FRONTS, Head
from mouthpiece.retarget.pins.mesh_render import View, picture
from mouthpiece.retarget.pins.proposal import propose
from mouthpiece.retarget.solve.unpinned_parts import pieces

from tests.material import DEMO_LINE, SHARED
from training.measures.demo_face import DemoFace

PORTRAIT = Path(__file__).parent / "test_training_face.jpg"
AHEAD = np.column_stack([FACE, DEPTH]) * 100 + [200, 200, 0]


@pytest.fixture(scope="module")
def portrait():
    pytest.importorskip("PIL")
    return images.over_white(images.read_picture(PORTRAIT))


@pytest.fixture(scope="module")
def straight(portrait):
    """The portrait's face as it is found where it stands upright."""
    (face,) = find_faces(portrait)
    return face


@pytest.fixture(scope="module")
def head():
    return DemoFace.load()


def seen(head, degrees, size=384):
    """The demo head turned to the right of the picture, as a picture, and the view it is seen in."""
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), 0, -np.sin(angle)], [0, 1, 0], [np.sin(angle), 0, np.cos(angle)]])
    rotation = turn @ np.array(FRONTS[0], float)
    flat = (head.vertices @ rotation.T)[:, :2]
    middle = (flat.min(axis=0) + flat.max(axis=0)) / 2
    view = View(rotation, middle, 1.3 * float(np.ptp(flat, axis=0).max()), size)
    return picture(view, head.vertices, head.triangles, head.colors)[0], view


def turned(points, degrees, axis):
    """Points turned about y ("yaw", to the right), x ("pitch", down) or z ("roll", clockwise)."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    matrix = {
        "yaw": [[c, 0, -s], [0, 1, 0], [s, 0, c]],
        "pitch": [[1, 0, 0], [0, c, -s], [0, s, c]],
        "roll": [[c, -s, 0], [s, c, 0], [0, 0, 1]],
    }[axis]
    return points @ np.array(matrix).T


@pytest.mark.parametrize("degrees", [-70, -30, 0, 10, 45, 80])
@pytest.mark.parametrize("roll", [0, 30, 90, 180])
def test_the_turn_of_an_average_face_is_exact(degrees, roll):
    face = turned(turned(AHEAD, degrees, "yaw"), roll, "roll")
    assert np.degrees(turn_of(face)) == pytest.approx((degrees, 0), abs=1e-6)
    assert np.degrees(turn_of(turned(AHEAD, 20, "pitch"))) == pytest.approx((0, 20), abs=1e-6)


@pytest.mark.parametrize(("degrees", "within"), [(0, 2), (-10, 2), (20, 3), (-30, 4), (30, 4), (40, 7), (-50, 8)])
def test_the_turn_of_a_head_is_read_off_its_picture(head, degrees, within):
    (face,) = find_faces(seen(head, degrees)[0])
    assert np.degrees(face.yaw) == pytest.approx(degrees, abs=within)
    assert abs(face.roll) < 0.05
    remarks = choice.remarks_on(face)
    side = "right" if degrees > 0 else "left"
    assert any(f"turned to the {side}" in words for words in remarks) == (abs(degrees) >= 40)


def test_lips_of_turned_heads_are_where_they_are(head):
    edges = np.concatenate([head.triangles[:, [a, b]] for a, b in ((0, 1), (1, 2), (2, 0))])
    mesh = Head(
        head.vertices, head.triangles, head.colors, pieces(head.vertices, edges), tuple(head.names), head.shapes
    )
    places = head.vertices[propose(mesh, find_faces).vertices]
    for degrees in (0, 30, 50):
        shown, view = seen(head, degrees)
        unit = np.linalg.norm(places[45] - places[36]) * view.size / view.extent
        found = find_faces(shown)[0].landmarks[48:, :2]
        off = np.linalg.norm(found - view.pixels(places[48:])[:, :2], axis=1) / unit
        assert off.mean() < (0.025 if degrees <= 30 else 0.035)


@pytest.mark.parametrize("degrees", [65, -75, 90, -90])
def test_a_head_in_profile_is_told_and_refused(head, degrees):
    shown, view = seen(head, degrees)
    look = look_for_faces(shown)
    assert not look.faces and len(look.profiles) == 1
    left, top, right, bottom = look.profiles[0]
    nose = view.pixels(head.vertices[np.argmin(head.vertices[:, 1])])  # foremost of a head that looks along -y
    assert left - 10 < nose[0] < right + 10 and top < nose[1] < bottom
    with pytest.raises(PictureError, match=r"'x\.png' shows a head in profile .* --points"):
        choice.chosen_face(look, 1, "x.png")


@pytest.mark.parametrize("degrees", [130, 180])
def test_the_back_of_a_head_is_no_face(head, degrees):
    look = look_for_faces(seen(head, degrees)[0])
    assert not look.faces and not len(look.profiles)
    with pytest.raises(PictureError, match="No face was found"):
        choice.chosen_face(look, 1, "back.png")


@pytest.mark.parametrize("degrees", range(-165, 181, 15))
def test_a_face_at_any_angle_is_found(portrait, straight, degrees):
    size, room = len(portrait), 330
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = np.column_stack([turn, np.full(2, size / 2) - turn @ np.full(2, room / 2)])
    found = look_for_faces(warp(portrait, matrix, room).astype(np.uint8)).faces
    assert len(found) == 1
    places = (straight.landmarks[:, :2] - size / 2) @ turn + room / 2
    unit = straight.eye_distance
    assert np.linalg.norm(found[0].landmarks[:, :2] - places, axis=1).mean() / unit < 0.04
    difference = (found[0].roll - straight.roll + angle + np.pi) % (2 * np.pi) - np.pi
    assert abs(difference) < 0.06 and found[0].jitter < choice.UNSTEADY


def test_jitter_grows_as_a_face_is_seen_less_well(portrait, rng):
    small = resize(portrait, 60, 60)
    worse = np.clip(resize(small, 224, 224) + rng.normal(0, 40, (224, 224, 3)), 0, 255).astype(np.uint8)
    (good,), (bad,) = look_for_faces(portrait).faces, look_for_faces(worse).faces
    assert good.jitter < 0.01 < bad.jitter


def test_many_looks_are_better_where_one_is_unsteady(portrait, straight, monkeypatch):
    noise = np.random.default_rng(2)
    off: dict[str, list[float]] = {"one": [], "many": []}
    for _ in range(4):
        small = resize(portrait, 84, 84)
        worse = np.clip(resize(small, 224, 224) + noise.normal(0, 55, (224, 224, 3)), 0, 255).astype(np.uint8)
        for name, least in (("one", 9.0), ("many", 0.018)):
            monkeypatch.setattr(steadiness, "_UNSTEADY", least)
            face = find_faces(worse)[0]
            assert face.jitter > 0.018
            far = np.linalg.norm(face.landmarks[17:, :2] - straight.landmarks[17:, :2], axis=1).mean()
            off[name].append(far / straight.eye_distance)
    assert np.mean(off["many"]) < 0.85 * np.mean(off["one"])


def test_looks_at_the_mirror_image_agree_with_those_at_the_picture(portrait):
    (face,) = find_faces(portrait)
    crop = crop_around(face.mesh)
    looks = list(steadiness._many(portrait, crop, face_networks()))
    assert len(looks) == 16 and min(presence for *_, presence in looks) > 0.9
    for marks, irises, _ in looks:
        far = np.linalg.norm(marks[17:, :2] - face.landmarks[17:, :2], axis=1).mean() / face.eye_distance
        assert far < 0.04
        rims = np.linalg.norm(irises[[0, 5], :2] - face.irises[[0, 5], :2], axis=1) / face.eye_distance
        assert rims.max() < 0.04


@pytest.mark.skipif(not (SHARED / "portraits").is_dir(), reason="no portraits to try")
def test_drawn_faces_are_found_and_those_not_understood_are_told():
    pytest.importorskip("PIL")
    drawn = SHARED / "portraits" / "dicebear"
    found = {
        name: look_for_faces(images.over_white(images.read_picture(drawn / f"{name}.png"))).faces
        for name in ("micah_Anna", "micah_Bob", "micah_Zoe", "lorelei_Anna", "lorelei_Bob")
    }
    assert {name: len(faces) for name, faces in found.items()} == dict.fromkeys(found, 1)
    # by eye: on these, mouth or eyes are missed by more than a lip's height
    missed = {name for name, (face,) in found.items() if face.jitter > choice.WRONG}
    assert {"micah_Bob", "micah_Anna", "micah_Zoe"} <= missed and "lorelei_Bob" not in missed
    assert any("likely wrong" in words for words in choice.remarks_on(found["micah_Bob"][0]))


# Choosing


def made(x, eyes=100.0, score=0.9, jitter=0.005, yaw=0.0):
    marks = turned(AHEAD, yaw, "yaw") * eyes / 100 + [x, 0, 0]
    face = face_of(marks, marks[:0], score)
    return type(face)(face.landmarks, face.mesh, face.box, face.score, face.roll, jitter)


def look(*faces, profiles=()):
    return Look(faces, np.array(profiles, np.float32).reshape(-1, 4), (800, 600))


def test_faces_are_chosen_by_number_and_others_are_mentioned():
    two = look(made(0), made(300))
    first, second = choice.chosen_face(two, 1, "a.png"), choice.chosen_face(two, 2, "a.png")
    assert second.face.box[0] - first.face.box[0] == pytest.approx(300)
    assert "2 faces were found; face 2 was taken" in second.remarks[0]
    assert choice.chosen_face(look(made(0)), 1, "a.png").remarks == ()
    for number in (0, 3):
        with pytest.raises(PictureError, match=rf"'a\.png' shows 2 face\(s\); there is no face {number}"):
            choice.chosen_face(two, number, "a.png")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({}, None),
        ({"score": 0.6}, "confidence 60%"),
        ({"jitter": 0.02}, "move by 2.0% of the eye distance). Check lips"),
        ({"jitter": 0.08}, "likely wrong"),
        ({"eyes": 20}, "is small"),
        ({"eyes": 5}, "too small"),
        ({"yaw": 35}, "turned to the right of the picture by about 35 degrees"),
        ({"yaw": -40}, "turned to the left of the picture by about 40 degrees"),
        ({"jitter": None}, None),
    ],
)
def test_what_an_owner_should_know_is_said(changes, says):
    remarks = choice.remarks_on(made(0, **changes))
    assert (not remarks) if says is None else (len(remarks) == 1 and says in remarks[0])


def test_a_report_holds_box_confidence_and_angles():
    told = choice.told(made(0, yaw=20), 3)
    assert told["face"] == 3 and told["confidence"] == 0.9 and told["jitter"] == 0.005
    assert told["turned"] == pytest.approx(20, abs=0.1) and told["tilted"] == 0
    assert told["box"][2] > told["box"][0] and told["eye_distance"] == pytest.approx(94, abs=1)


def test_a_face_seen_smaller_is_scaled_back(portrait):
    (face,) = look_for_faces(portrait).faces
    large = choice.scaled(face, 3.0)
    for name in ("landmarks", "mesh", "box"):
        np.testing.assert_allclose(getattr(large, name), 3 * getattr(face, name))
    assert (large.score, large.roll, large.jitter) == (face.score, face.roll, face.jitter)


def test_confidence_goes_through_files_until_a_hand_changes_the_points(tmp_path):
    placed = placed_by_detector(made(0))
    (tmp_path / "points.json").write_text(as_json([placed], 400, 400))
    read = read_points(tmp_path / "points.json", 800, 800)
    assert (read.confidence, read.jitter) == (0.9, 0.005)
    assert mirrored(read, "LEFT").confidence is None and mirrored(read, "LEFT").jitter is None
    (tmp_path / "odd.json").write_text(as_json([placed], 400, 400).replace("0.9", '"much"'))
    with pytest.raises(PictureError, match="does not hold landmarks"):
        read_points(tmp_path / "odd.json", 400, 400)


# Flat colours


def flat_portrait(picture):
    height, width = picture.shape[:2]
    marks = np.array(FACE) * 0.3 * width + [width / 2, 0.35 * height]
    return portrait_of(picture, Placed(marks))


def test_flatness_is_the_share_of_neighbours_that_do_not_differ(rng):
    plain = np.full((200, 200, 3), 90, np.uint8)
    assert flatness(flat_portrait(plain)) == 1.0
    assert flatness(flat_portrait(rng.integers(0, 255, plain.shape, np.uint8))) < 0.01
    striped = plain.copy()
    striped[::4] = 200  # of every four rows, the stripe and the one above it differ from the one below
    assert flatness(flat_portrait(striped)) == pytest.approx(0.5, abs=0.02)
    assert is_flat(flat_portrait(plain)) and not is_flat(flat_portrait(striped))


def test_photos_are_not_flat(portrait):
    (face,) = find_faces(portrait)
    for scale in (1, 4):  # enlarged, neighbours differ less; a face is looked at at one size
        large = resize(portrait, 224 * scale, 224 * scale).astype(np.uint8)
        placed = placed_by_detector(choice.scaled(face, scale))
        assert flatness(portrait_of(large, placed)) < 0.4


@pytest.mark.skipif(not (SHARED / "portraits").is_dir(), reason="no portraits to try")
@pytest.mark.parametrize(
    ("path", "flat"), [("dicebear/lorelei_Bob.png", True), ("art/art_7.png", False), ("art/full4.jpeg", False)]
)
def test_drawings_are_flat_and_smooth_paintings_are_not(path, flat):
    pytest.importorskip("PIL")
    pixels = images.read_picture(SHARED / "portraits" / path)
    (face,) = find_faces(images.over_white(pixels))
    assert is_flat(portrait_of(pixels, placed_by_detector(face))) == flat


@pytest.mark.parametrize(("asked", "used"), [(None, False), ("none", False), ("shipped", True)])
def test_drawings_do_without_the_shipped_network_unless_it_is_asked_for(tmp_path, monkeypatch, asked, used):
    image = pytest.importorskip("PIL.Image")
    monkeypatch.setenv("MOUTHPIECE_SETTINGS", str(tmp_path / "settings"))
    image.new("RGB", (300, 300), "white").save(tmp_path / "drawing.png")
    given = ["--image", tmp_path / "drawing.png", "--audio", DEMO_LINE, "-o", tmp_path / "out_####.png"]
    points = ["--points", "105,105", "195,105", "110,202", "190,202"]
    more = [] if asked is None else ["--generator", asked]
    consent = ["--consent", "nobody: an empty page, for a test"]
    options = core_cli.build_parser().parse_args([str(word) for word in ["portrait", *given, *points, *more, *consent]])
    subject = subject_of(options)
    assert (subject.generator is not None) == (used and shipped_generator() is not None)
    told = any("flat colours" in words for words in subject.remarks)
    assert told == (asked is None and shipped_generator() is not None)
