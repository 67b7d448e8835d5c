"""Simple drawings: the mouth and the eyes are found among the strokes, and a mouth that would not open is told."""

import numpy as np
import pytest
from mouthpiece.retarget.drawing.drawn_coverage import drawn_coverage
from mouthpiece.retarget.drawing.face import DrawnFace, template
from mouthpiece.retarget.drawing.mouth_fit import (
    NEVER,
    OPENS,
    FlatStroke,
    laid_on_mouth,
    off_lines,
    opening,
    plain_face,
)
from mouthpiece.retarget.drawing.strokes import FacePart


@pytest.fixture(scope="module")
def neutral(spoken):
    return spoken.neutral.astype(np.float64)


def ring(x, y, wide, high, count=32):
    angle = 2 * np.pi * np.arange(count) / count
    return FlatStroke(np.stack([x + wide * np.cos(angle), y + high * np.sin(angle)], axis=1), True)


def line(y=0.55, wide=0.35, bend=0.08, count=24):
    x = np.linspace(-wide, wide, count)
    return FlatStroke(np.stack([x, y + bend * (1 - (x / wide) ** 2)], axis=1))


HEAD = (ring(0, 0, 1, 1.25), ring(-0.4, -0.25, 0.15, 0.13), ring(0.4, -0.25, 0.15, 0.13))
DOTS = (ring(0, 0, 1, 1.25), ring(-0.4, -0.25, 0.05, 0.05), ring(0.4, -0.25, 0.05, 0.05))
DOODLES = {
    "four strokes": (*HEAD, line()),
    "a mouth far down": (*HEAD, line(0.85, 0.2, 0)),
    "a mouth near the eyes": (*HEAD, line(0.3, 0.3, 0)),
    "dots for eyes": (*DOTS, line(0.5)),
    "a sad mouth": (*HEAD, line(0.6, 0.3, -0.1)),
    "an open mouth": (*HEAD, ring(0, 0.6, 0.3, 0.15)),
    "a lip and a lip": (*HEAD, line(0.55, 0.35, -0.03), line(0.55, 0.35, 0.1)),
    "lips with a line between": (*HEAD, ring(0, 0.6, 0.35, 0.12), line(0.6, 0.3, 0)),
    "no outline": (*HEAD[1:], line()),
    "brows": (*HEAD, line(), *(FlatStroke(np.array([[s * 0.25, -0.5], [s * 0.55, -0.52]])) for s in (-1, 1))),
    "a nose": (*HEAD, line(), FlatStroke(np.array([[0.0, -0.1], [0.08, 0.2], [0.0, 0.22]]))),
}  # fmt: skip


def placed(strokes, neutral):
    points = np.concatenate([stroke.points for stroke in strokes])
    return template(neutral, points.min(axis=0), points.max(axis=0))


@pytest.mark.parametrize("name", DOODLES)
def test_a_doodle_is_found_and_its_mouth_opens(name, neutral):
    strokes = DOODLES[name]
    found = plain_face(strokes, placed(strokes, neutral))
    face = DrawnFace.of(found, neutral)
    assert opening(face, strokes) > 0.7
    eyes = found[[36, 39, 42, 45], 0]
    wide = strokes[1 if name != "no outline" else 0].size[0] / 2
    np.testing.assert_allclose(eyes, [-0.4 - wide, -0.4 + wide, 0.4 - wide, 0.4 + wide], atol=0.01)
    assert off_lines(found, strokes) < 0.02
    assert face.drawn_open == (name in ("an open mouth", "a lip and a lip"))
    # what was found holds in a drawing of another size and place
    moved = [FlatStroke(stroke.points * 30 + [5, -70], stroke.closed) for stroke in strokes]
    np.testing.assert_allclose(plain_face(moved, placed(moved, neutral)), found * 30 + [5, -70], atol=0.05)


@pytest.mark.parametrize("strokes", [(), HEAD, (HEAD[0], line()), (line(), line(0.2), line(0.4))])
def test_what_is_no_face_is_none(strokes, neutral):
    assert plain_face(strokes, neutral[:, :2]) is None


def test_a_mouth_away_from_the_lips_never_opens_until_they_are_laid_on_it(neutral):
    strokes = DOODLES["a mouth far down"]
    landmarks = plain_face(strokes, placed(strokes, neutral))
    landmarks[48:68, 1] -= 0.45  # as if seen elsewhere
    face = DrawnFace.of(landmarks, neutral)
    assert opening(face, strokes) < NEVER
    moved, opened = drawn_coverage(face, strokes, [FacePart.FACE], [], 1.0)
    assert opened < NEVER and not moved.has("mouth") and "does not open" in moved.why("mouth") and moved.has("lids")
    laid = laid_on_mouth(face, strokes)
    assert opening(DrawnFace.of(laid, neutral), strokes) > OPENS
    np.testing.assert_array_equal(laid[:48], landmarks[:48])
    lips = laid[[60, 64]]
    np.testing.assert_allclose(lips, [[-0.2, 0.85], [0.2, 0.85]], atol=0.01)


def test_a_chin_that_drops_is_no_mouth(neutral):
    strokes = (*HEAD, FlatStroke(np.array([[-0.2, 1.05], [0, 1.1], [0.2, 1.05]])))
    landmarks = plain_face(DOODLES["four strokes"], placed(DOODLES["four strokes"], neutral))
    assert opening(DrawnFace.of(landmarks, neutral), strokes) < NEVER
    assert opening(DrawnFace.of(landmarks, neutral), ()) == 0.0


def test_a_tilted_face_finds_its_mouth(neutral):
    turn = np.array([[np.cos(0.4), -np.sin(0.4)], [np.sin(0.4), np.cos(0.4)]])
    strokes = [FlatStroke(stroke.points @ turn.T, stroke.closed) for stroke in DOODLES["a mouth far down"]]
    upright = DOODLES["a mouth far down"]
    landmarks = plain_face(upright, placed(upright, neutral))
    landmarks[48:68, 1] -= 0.45
    laid = laid_on_mouth(DrawnFace.of(landmarks @ turn.T, neutral), strokes)
    np.testing.assert_allclose(laid[[60, 64]], np.array([[-0.2, 0.85], [0.2, 0.85]]) @ turn.T, atol=0.02)


def test_the_fill_tells_lips_from_an_open_mouth(neutral):
    mouth = ring(0, 0.6, 0.3, 0.15)
    for fill, is_open in (((0.8, 0.2, 0.3), False), ((0.1, 0.0, 0.0), True), (None, True)):
        strokes = (*HEAD, FlatStroke(mouth.points, True, fill))
        assert DrawnFace.of(plain_face(strokes, placed(strokes, neutral)), neutral).drawn_open == is_open


def test_parts_of_a_drawing_are_told(neutral):
    pupils = tuple(ring(x, -0.25, 0.03, 0.03) for x in (-0.4, 0.4))
    strokes = (*DOODLES["four strokes"], *pupils)
    landmarks = plain_face(strokes, placed(strokes, neutral))
    np.testing.assert_allclose(landmarks[36, 0], -0.55, atol=0.01)  # the eyes, not their pupils
    moved, _ = drawn_coverage(DrawnFace.of(landmarks, neutral), strokes, [FacePart.FACE], ["Teeth", "My Tongue"], 0.0)
    assert moved.driven["gaze"] == ("pupils",) and moved.driven["teeth"] == ("Teeth",)
    assert moved.driven["tongue"] == ("My Tongue",) and "Head is 0" in moved.why("head")
