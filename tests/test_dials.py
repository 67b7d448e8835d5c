import numpy as np
import pytest
from mouthpiece.errors import TakeError
from mouthpiece.inspection import lip_gap
from mouthpiece.motion import closures
from mouthpiece.motion.dials import Dials, apply, dialled
from mouthpiece.performance import Performance
from mouthpiece.topology import ARKIT_INDEX, JAW, LEFT_BROW

from tests.material import make_take

FACE = ("landmarks", "arkit", "head", "gaze", "blink", "activity")


@pytest.fixture(scope="module")
def mouth():
    """A take of which everything is known: a jaw that opens by 0.2 and shuts seven times, with a face around it."""
    frames = 175
    phase = np.arange(frames) % 25
    gap = np.where(phase < 2, 0.0, 0.2 * np.sin(np.pi * (phase - 1) / 24)).astype(np.float32)
    neutral = np.zeros((68, 3), np.float32)
    neutral[[37, 38, 43, 44], 1], neutral[[40, 41, 46, 47], 1] = -0.05, 0.05
    landmarks = np.tile(neutral, (frames, 1, 1))
    for point in (*closures.LOWER, 56, 57, 58):
        landmarks[:, point, 1] += gap
    for point in JAW:
        landmarks[:, point, 1] += 0.6 * gap
    landmarks[:, LEFT_BROW, 1] -= 0.02
    landmarks[:, 48, 0] -= 0.03
    arkit = np.zeros((frames, 52), np.float32)
    arkit[:, ARKIT_INDEX["jawOpen"]] = 2 * gap
    arkit[:, ARKIT_INDEX["mouthPucker"]] = 0.4
    arkit[:, ARKIT_INDEX["browInnerUp"]] = 0.3
    head = np.zeros((frames, 6), np.float32)
    head[:, 1] = 0.1
    return make_take(frames, landmarks=landmarks, neutral=neutral, arkit=arkit, head=head, gaze=np.zeros((frames, 2)))


def test_dials_as_built_change_nothing(mouth):
    again = apply(mouth, Dials())
    np.testing.assert_allclose(again.landmarks, mouth.landmarks, atol=2e-3)  # lids in mid-blink
    for name in FACE[1:]:
        np.testing.assert_allclose(getattr(again, name), getattr(mouth, name), atol=1e-5)
    assert mouth.final() is mouth


@pytest.mark.parametrize(
    ("dials", "says"),
    [
        ({"lips": 2.1}, "'lips' is 2.1. Choose a number from 0 to 2"),
        ({"style": -0.1}, "from 0 to 1.5"),
        ({"smoothing": float("nan")}, "must be a number"),
        ({"head": "much"}, "must be a number"),
        ({"blink": True}, "must be a number"),
        ({"emotion": "hungry"}, "Choose one of: neutral, happy, sad, angry, surprised"),
        ({"emotion": ["happy"]}, "no emotion"),
        ({"lip": 1.0}, "no dial 'lip'"),
    ],
)
def test_impossible_dials_are_refused_in_words(dials, says):
    with pytest.raises(TakeError, match=says):
        Dials.of(dials)
    if "lip" not in dials:
        with pytest.raises(TakeError, match=says):
            Dials(**dials)


def test_dials_are_stored_beside_the_raw_motion(tmp_path, mouth):
    dials = Dials(lips=1.3, emotion="sad", offset=-0.04)
    take = Performance.load(dialled(mouth, dials).save(tmp_path / "take.npz"))
    assert take.dials == {"lips": 1.3, "emotion": "sad", "offset": -0.04} and Dials.of(take.dials) == dials
    for name in FACE:
        np.testing.assert_array_equal(getattr(take, name), getattr(mouth, name))
    assert dialled(take, Dials()).dials == {}


def test_amounts_scale_their_own_part_and_landmarks_and_weights_alike(mouth):
    half = apply(mouth, Dials(jaw=0.5))
    np.testing.assert_allclose(lip_gap(half), 0.5 * lip_gap(mouth) + 0.05 * lip_gap(mouth), atol=0.002)
    np.testing.assert_allclose(half.arkit[:, ARKIT_INDEX["jawOpen"]], mouth.arkit[:, ARKIT_INDEX["jawOpen"]] / 2)
