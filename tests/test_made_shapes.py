"""Made shapes: the demo head's own shapes, carried over to heads of other proportions, meet, part and stay apart."""

from __future__ import annotations

import re

import numpy as np
import pytest
from mouthpiece.errors import RigError
from mouthpiece.retarget.made_shapes import rims
from mouthpiece.retarget.made_shapes.arkit_names import FACE_PARTS, Spelling, arkit_of
from mouthpiece.retarget.made_shapes.transfer import Donor, PinnedHead, made
from mouthpiece.retarget.pins.known_meshes import recognise
from mouthpiece.retarget.solve.surface import Surface
from mouthpiece.topology import ARKIT_NAMES, LEFT_EYE, MIRROR
from scipy.spatial.transform import Rotation

from tests.material import SHARED
from training.measures.demo_face import DemoFace

UP = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])


@pytest.fixture(scope="module")
def donor():
    face = DemoFace.load()
    edges = np.concatenate([face.triangles[:, [a, b]] for a, b in ((0, 1), (1, 2), (2, 0))])
    name, pins = recognise(face.vertices)
    assert name == "demo head"
    return Donor(PinnedHead(face.vertices, edges, pins), face.names, face.shapes, UP)


def longer(donor):
    """The donor as another character: a longer and narrower face with a bigger mouth, turned, in centimetres."""
    points = donor.head.vertices.copy()
    below = np.clip((points[donor.head.pins[33], 2] - points[:, 2]) / 0.05, 0, 1)
    points[:, 2] -= 0.25 * below * (points[donor.head.pins[33], 2] - points[:, 2])
    points[:, 0] *= 0.85 + 0.25 * below
    turn = Rotation.from_euler("xyz", (10, 20, 100), degrees=True).as_matrix()
    return PinnedHead(100 * points @ turn.T + 5, donor.head.edges, donor.head.pins), turn


@pytest.fixture(scope="module")
def character(donor):
    head, turn = longer(donor)
    shapes = {shape.name: shape.delta.astype(float) @ turn / 100 for shape in made(head, donor)}
    points = (head.vertices - 5) @ turn / 100
    unit = float(np.linalg.norm(points[head.pins[45]] - points[head.pins[36]]))
    return points, head.pins, shapes, unit


def seen(points, unit):
    """Points of Blender's space in the landmarks' axes and eye distances."""
    return points @ UP.T / unit


def test_all_shapes_are_made_and_look_like_the_donors(donor, character):
    points, pins, shapes, unit = character
    assert tuple(shapes) == ARKIT_NAMES
    skin = np.linalg.norm(points - points[pins[33]], axis=1) < 1.2 * unit
    alike = {}
    for name, theirs in zip(donor.names, donor.deltas, strict=True):
        a, b = shapes[name][skin].ravel(), theirs[skin].ravel().astype(float)
        alike[name] = a @ b / (np.linalg.norm(a) * np.linalg.norm(b))
    assert alike["jawOpen"] > 0.97 and alike["mouthSmileLeft"] > 0.93 and alike["browInnerUp"] > 0.85
    assert np.median(list(alike.values())) > 0.93 and min(alike.values()) > 0.6


def test_lids_meet_and_lips_meet_over_an_open_jaw(donor, character):
    points, pins, shapes, unit = character
    surface = Surface.of(seen(points, unit), donor.head.edges)
    for pair, side in zip(rims.EYE_RIMS, ("Right", "Left"), strict=True):
        lids = rims.Rims.between(surface, pins, pair, 0.1)
        assert rims.widest(lids, surface.points) > 0.05
        assert rims.widest(lids, seen(points + shapes[f"eyeBlink{side}"], unit)) < 0.02
    lips = rims.Rims.between(surface, pins, rims.LIP_RIMS, 0.12)
    rest = rims.widest(lips, surface.points)
    opened = points + shapes["jawOpen"]
    assert rims.widest(lips, seen(opened, unit)) > 0.3
    assert rims.widest(lips, seen(opened + shapes["mouthClose"], unit)) < rest + 0.01


def test_the_upper_lip_does_not_follow_the_lower_and_upper_teeth_stay(donor, character):
    points, pins, shapes, unit = character
    jaw = np.linalg.norm(shapes["jawOpen"], axis=1) / unit
    assert jaw[pins[[61, 62, 63]]].max() < 0.03 < 0.3 < jaw[pins[[65, 66, 67]]].min()
    assert jaw[pins[8]] > 0.25
    piece = Surface.of(points, donor.head.edges).piece
    theirs = np.linalg.norm(donor.deltas[donor.names.index("jawOpen")], axis=1)
    for number in np.unique(piece):
        members = piece == number
        if np.linalg.norm(points[members].mean(axis=0) - points[pins[62]]) < 0.5 * unit and members.sum() < 300:
            assert (jaw[members].max() > 0.1) == (theirs[members].max() > 0.01)


def test_a_symmetric_head_gets_symmetric_shapes_and_eyes_turn(character):
    points, pins, shapes, unit = character
    for name in ("mouthSmileLeft", "eyeBlinkLeft", "browDownLeft"):
        other = shapes[name.replace("Left", "Right")][pins] * [-1, 1, 1]
        np.testing.assert_allclose(shapes[name][pins][list(MIRROR)], other, atol=0.02 * unit)
    eye = points[pins[list(LEFT_EYE)]].mean(axis=0)
    near = np.linalg.norm(points - eye, axis=1) < 0.25 * unit
    out = shapes["eyeLookOutLeft"][near]
    assert out[:, 0].max() > 0.03 * unit  # to the character's left, +x


def test_what_cannot_be_pinned_or_is_not_known_is_refused(donor):
    head, _ = longer(donor)
    few = head.pins.copy()
    few[[48, 54]] = -1
    with pytest.raises(RigError, match="corner of the mouth"):
        list(made(PinnedHead(head.vertices, head.edges, few), donor))
    with pytest.raises(RigError, match="not known"):
        list(made(head, donor, ["earWiggle"]))
    swapped = head.pins[list(MIRROR)]
    with pytest.raises(RigError, match="swapped"):
        list(made(PinnedHead(head.vertices, head.edges, swapped), donor))


def test_it_works_without_the_pins_that_are_not_needed(donor):
    head, _ = longer(donor)
    few = np.where(np.isin(np.arange(68), (36, 39, 42, 45, 48, 54, 62, 66, 51, 57, 8, 33)), head.pins, -1)
    (shape,) = made(PinnedHead(head.vertices, head.edges, few), donor, ["jawOpen"])
    far = np.linalg.norm(shape.delta, axis=1)
    assert far[head.pins[66]] > 5 * far[head.pins[62]]


@pytest.mark.parametrize(
    ("keys", "wanted"),
    [
        (("eyeBlink_L", "jawOpen"), "mouthSmile_R"),
        (("AK_eyeBlinkLeft", "AK_jawOpen"), "AK_mouthSmileRight"),
        (("Eye_Blink_Left", "Jaw_Open"), "Mouth_Smile_Right"),
        (("eye_blink_left", "brow_inner_up"), "mouth_smile_right"),
        (("EyeBlinkLeft", "JawOpen"), "MouthSmileRight"),
        ((), "mouthSmileRight"),
    ],
)
def test_made_shapes_are_spelled_as_the_mesh_spells(keys, wanted):
    known = {key: arkit_of(key) for key in keys}
    assert None not in known.values()
    assert Spelling.of(known)("mouthSmileRight") == wanted
    assert arkit_of(wanted) == "mouthSmileRight"


def test_directions_are_no_sides():
    known = {"mouthSmile_L": "mouthSmileLeft", "mouthSmile_R": "mouthSmileRight"}
    assert Spelling.of(known)("jawLeft") == "jawLeft"
    assert arkit_of("Fcl_MTH_A") is None and arkit_of("unmouthClose") is None


def test_every_shape_is_of_one_part():
    for name in ARKIT_NAMES:
        assert sum(name.startswith(beginnings) for beginnings in FACE_PARTS.values()) == 1, name


def test_on_a_head_of_others_the_jaw_is_as_they_sculpted_it(donor):
    """ICT-FaceKit: another topology, separate teeth and gums, and shapes that have nothing to do with ours."""
    file = SHARED / "rigs" / "ict_facekit_light.npz"
    if not file.is_file():
        pytest.skip("needs the shared rigs")
    with np.load(file) as stored:
        points, quads = stored["neutral"].astype(float), stored["quads"]
        names, theirs = stored["expr_names"].tolist(), stored["expr"].astype(float)
    edges = np.concatenate([quads[:, [k, (k + 1) % 4]] for k in range(4)])
    pins = recognise(points)[1]
    face = slice(9409)  # as published: the face without ears, neck and mouth
    least = {"jawOpen": 0.9, "mouthSmileLeft": 0.8, "mouthPucker": 0.85, "eyeBlinkLeft": 0.8, "mouthFrownLeft": 0.8}
    for shape in made(PinnedHead(points, edges, pins), donor, list(least)):
        own = theirs[names.index(re.sub("Left$", "_L", shape.name))]
        a, b = shape.delta[face].ravel(), own[face].ravel()
        assert a @ b / np.linalg.norm(a) / np.linalg.norm(b) > least[shape.name], shape.name
