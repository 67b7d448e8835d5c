"""Landmarks found on meshes: the picture drawn of them, tables of known meshes, and the demo head looked at."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from mouthpiece.errors import RigError
from mouthpiece.portrait.find.faces import find_faces
from mouthpiece.retarget.pins import facing
from mouthpiece.retarget.pins import names as landmark_names
from mouthpiece.retarget.pins.facing import FRONTS, Head
from mouthpiece.retarget.pins.known_meshes import recognise, tables
from mouthpiece.retarget.pins.mesh_render import View, picture, rasterise
from mouthpiece.retarget.pins.proposal import propose
from mouthpiece.retarget.solve.unpinned_parts import pieces
from mouthpiece.topology import LANDMARK_COUNT, LIPS, MIRROR

from tests.material import SHARED
from training.measures.demo_face import DemoFace

STRAIGHT = np.eye(3)


def test_a_triangle_covers_the_pixels_whose_middles_are_inside():
    view = View(STRAIGHT, np.zeros(2), 8.0, 8)
    seen = rasterise(view, np.array([[-4.0, -4, 0], [4, -4, 0], [-4, 4, 0]]), np.array([[0, 1, 2]]))
    rows, columns = np.mgrid[0:8, 0:8]
    np.testing.assert_array_equal(seen.triangle == 0, rows + columns + 1 <= 8)


def test_the_nearer_triangle_is_seen_and_depth_is_interpolated():
    points = np.array([[-9.0, -9, 1], [9, -9, 1], [0, 9, 1], [-9, -9, 0], [9, -9, 2], [0, 9, 1]])
    seen = rasterise(View(STRAIGHT, np.zeros(2), 4.0, 4), points, np.array([[0, 1, 2], [3, 4, 5]]))
    np.testing.assert_array_equal(seen.triangle, [[1, 1, 0, 0]] * 4)
    np.testing.assert_allclose(seen.depth[0, 0], 1 - 1.5 / 9)


def test_many_small_and_large_triangles_agree_with_one_by_one(rng):
    points = rng.uniform(-1, 1, (120, 3))
    points[:60] *= 0.2
    triangles = rng.integers(0, 60, (90, 3))
    triangles[:10] += 60
    view = View(STRAIGHT, np.zeros(2), 2.0, 40)
    together = rasterise(view, points, triangles)
    depth = np.min([rasterise(view, points, triangles[[k]]).depth for k in range(len(triangles))], axis=0)
    np.testing.assert_allclose(together.depth, depth)


def test_a_zoomed_view_shows_the_same_place(rng):
    view = View(STRAIGHT, np.array([0.3, -0.2]), 2.0, 100)
    near = view.zoomed(np.array([20.0, 30.0]), np.array([40.0, 50.0]), 100)
    point = rng.uniform(-0.2, 0.2, 3)
    far, close = view.pixels(point), near.pixels(point)
    np.testing.assert_allclose(close[:2], (far[:2] - [20, 30]) * 5)


def test_a_picture_is_lit_from_above_and_empty_elsewhere():
    view = View(STRAIGHT, np.zeros(2), 4.0, 32)
    tilted = np.array([[-1.0, -1, 0.5], [1, -1, 0.5], [1, 0, 0], [-1, 0, 0], [1, 1, 0.5], [-1, 1, 0.5]])
    image, seen = picture(view, tilted, np.array([[0, 1, 2], [0, 2, 3], [3, 2, 4], [3, 4, 5]]), np.ones((4, 3)))
    assert image.dtype == np.uint8 and image.shape == (32, 32, 3)
    assert image[9, 16].mean() > image[22, 16].mean() + 20  # the upper half faces the light
    assert (image[seen.triangle < 0] < 80).all()


@pytest.fixture(scope="module")
def demo():
    face = DemoFace.load()
    edges = np.concatenate([face.triangles[:, [a, b]] for a, b in ((0, 1), (1, 2), (2, 0))])
    # The shapes under names that say nothing.
    names = tuple(f"key {k}" for k in range(len(face.names)))
    head = Head(face.vertices, face.triangles, face.colors, pieces(face.vertices, edges), names, face.shapes)
    return face, head, propose(head, find_faces)


def test_the_demo_head_gets_its_landmarks(demo):
    face, head, found = demo
    points = head.vertices[found.vertices]
    eyes = np.linalg.norm(points[45] - points[36])
    assert found.score > 0.8 and found.symmetric
    assert face.names[head.names.index(found.opener)] == "jawOpen"
    assert {face.names[head.names.index(name)] for name in found.blinkers} == {"eyeBlinkLeft", "eyeBlinkRight"}
    assert len(np.unique(found.vertices)) == LANDMARK_COUNT
    np.testing.assert_allclose(points[list(MIRROR)] * [-1, 1, 1], points, atol=0.02 * eyes)
    # person's right is on -x of a head that looks along -y, brows are over eyes, those over nose, mouth and chin
    assert points[36, 0] < 0 < points[45, 0]
    assert points[19, 2] > points[37, 2] > points[41, 2] > points[33, 2] > points[51, 2] > points[57, 2] > points[8, 2]


def test_upper_and_lower_lip_are_told_apart_though_the_mouth_is_shut(demo):
    face, head, found = demo
    points = head.vertices[found.vertices]
    eyes = np.linalg.norm(points[45] - points[36])
    opened = face.shapes[face.names.index("jawOpen"), found.vertices]
    for up, low in ((61, 67), (62, 66), (63, 65)):
        assert np.linalg.norm(points[up] - points[low]) < 0.04 * eyes  # together at rest,
        assert opened[up, 2] - opened[low, 2] > 0.3 * eyes  # apart when the jaw drops
    shut = face.shapes[[face.names.index(f"eyeBlink{side}") for side in ("Left", "Right")]][:, found.vertices].sum(
        axis=0
    )
    for up, low in ((37, 41), (38, 40), (43, 47), (44, 46)):
        open_by = points[up, 2] - points[low, 2]
        assert open_by > 0.05 * eyes
        assert open_by + shut[up, 2] - shut[low, 2] < 0.4 * open_by


def test_a_head_without_keys_gets_lids_and_lips_of_their_own_as_well(demo):
    """Nothing opens its mouth or shuts its eyes: the rims of the eyes and the slit between the lips are found."""
    face, head, _ = demo
    bare = replace(head, names=(), deltas=head.deltas[:0])
    found = propose(bare, find_faces)
    points = head.vertices[found.vertices]
    eyes = np.linalg.norm(points[45] - points[36])
    assert found.doubtful == () and found.blinkers == () and found.opener == ""
    blinks = sum(face.shapes[face.names.index(f"eyeBlink{side}"), found.vertices] for side in ("Left", "Right"))
    jaw = face.shapes[face.names.index("jawOpen"), found.vertices]
    for up, low in ((37, 41), (38, 40), (43, 47), (44, 46)):
        assert points[up, 2] - points[low, 2] > 0.06 * eyes
        # the rims themselves, not the lashes before them: they meet when the eyes shut
        assert -0.08 * eyes < points[up, 2] + blinks[up, 2] - points[low, 2] - blinks[low, 2] < 0.01 * eyes
    for up, low in ((61, 67), (62, 66), (63, 65)):
        assert np.linalg.norm(points[up] - points[low]) < 0.05 * eyes < 0.3 * eyes < jaw[up, 2] - jaw[low, 2]


def test_lids_that_cannot_be_told_apart_are_doubtful(demo):
    face, head, _ = demo
    shut = sum(face.shapes[face.names.index(f"eyeBlink{side}")] for side in ("Left", "Right"))
    found = propose(replace(head, vertices=head.vertices + shut, names=(), deltas=head.deltas[:0]), find_faces)
    assert found.doubtful == (37, 38, 40, 41, 43, 44, 46, 47)


def test_a_head_that_looks_elsewhere_is_found_as_well(demo, front=4):
    """Y up, as other programs have it, and in millimetres."""
    _, head, straight = demo
    # the mesh as it looks to the eye of FRONTS[0], put where FRONTS[front] looks
    turn = np.array(FRONTS[front], float).T @ np.array(FRONTS[0], float)
    turned = Head(
        1000 * head.vertices @ turn.T, head.triangles, head.colours, head.piece, head.names,
        (1000 * head.deltas @ turn.T.astype(np.float32)).astype(np.float32),
    )  # fmt: skip
    found = propose(turned, find_faces)
    far = np.linalg.norm(head.vertices[found.vertices] - head.vertices[straight.vertices], axis=1)
    eyes = np.linalg.norm(head.vertices[straight.vertices[45]] - head.vertices[straight.vertices[36]])
    assert np.median(far) < 0.02 * eyes and far[list(LIPS)].max() < 0.1 * eyes


def test_what_has_no_face_is_refused():
    box = np.array([[x, y, z] for x in (0.0, 1) for y in (0.0, 1) for z in (0.0, 1)])
    triangles = np.array([[0, 1, 3], [0, 3, 2], [4, 5, 7], [4, 7, 6], [0, 1, 5], [0, 5, 4], [2, 3, 7], [2, 7, 6]])
    head = Head(box, triangles, np.full((8, 3), 0.5), np.zeros(8, int), (), np.zeros((0, 8, 3), np.float32))
    with pytest.raises(RigError, match="No face was found"):
        propose(head, lambda image: ())


def test_tables_are_whole():
    for table in tables():
        assert table.places.shape == (LANDMARK_COUNT, 3) and table.vertices.shape == (LANDMARK_COUNT,)
        assert len(set(table.vertices.tolist())) == LANDMARK_COUNT
        np.testing.assert_allclose(table.places[list(MIRROR)] * [-1, 1, 1], table.places, atol=0.02)


def test_a_makehuman_body_is_known_by_its_numbers_even_if_its_face_is_another():
    table = next(t for t in tables() if not t.boxed)
    body = np.random.default_rng(2).uniform(-1, 1, (table.counts[0], 3))
    own = table.places * [1.1, 0.95, 1.05] + 0.003 * np.random.default_rng(3).standard_normal((68, 3))
    body[table.vertices] = own @ np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]], float).T * 10 + 3
    assert recognise(body)[0] == table.name
    body[table.vertices] = np.random.default_rng(4).uniform(-1, 1, (68, 3))
    assert recognise(body) is None


def test_ict_is_known_as_published_and_after_a_journey():
    """Turned, scaled, and with its vertices shuffled and split, as importers do."""
    if not (SHARED / "rigs" / "ict_facekit_light.npz").is_file():
        pytest.skip("needs the shared rigs")
    pins = json.loads((SHARED / "rigs" / "ict_vertex_indices.json").read_text())["idx_to_landmark_verts"]
    with np.load(SHARED / "rigs" / "ict_facekit_light.npz") as stored:
        points = stored["neutral"].astype(float)
    assert recognise(points)[1].tolist() == pins
    order = np.random.default_rng(5).permutation(len(points))
    traveller = np.concatenate([points[order], points[:1000]]) @ np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]]).T * 0.01
    name, found = recognise(traveller)
    assert name == "ICT-FaceKit"
    np.testing.assert_allclose(
        traveller[found], points[pins] @ np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]]).T * 0.01, atol=1e-4
    )


def test_every_landmark_has_a_name_a_place_and_a_turn():
    names = [landmark_names.name_of(point) for point in range(LANDMARK_COUNT)]
    assert len(set(names)) == LANDMARK_COUNT
    swap = {"left": "right", "right": "left"}
    for point, name in enumerate(names):
        assert names[MIRROR[point]] == " ".join(swap.get(w, w) for w in name.replace(",", " ,").split()).replace(
            " ,", ","
        )
    assert sorted(landmark_names.ORDER) == list(range(LANDMARK_COUNT))
    asked = landmark_names.asked(mirrored=True)
    assert {*asked, *(MIRROR[point] for point in asked)} == set(range(LANDMARK_COUNT))
    assert len(asked) == 39
    diagram = np.array(landmark_names.DIAGRAM)
    np.testing.assert_allclose(diagram[list(MIRROR)] * [-1, 1], diagram, atol=0.02)


def test_of_a_whole_figure_the_top_is_looked_at(rng, monkeypatch):
    points = rng.uniform(-1, 1, (500, 3)) * [0.4, 0.15, 0.9]
    triangles = np.array([[0, 1, 2]])
    head = Head(points, triangles, np.full((1, 3), 0.5), np.zeros(500, int), (), np.zeros((0, 500, 3), np.float32))
    views = []
    drawn = facing.picture
    monkeypatch.setattr(facing, "picture", lambda view, *rest: (views.append(view), drawn(view, *rest))[1])
    with pytest.raises(RigError):
        facing.front(head, lambda image: ())
    top = views[0]
    assert top.extent < 1.3 and top.centre[1] < -0.6  # down is positive: near the top, not all 1.8 of its height
