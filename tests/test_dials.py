from dataclasses import replace

import numpy as np
import pytest
from mouthpiece.cli.inspect import lip_gap
from mouthpiece.errors import TakeError
from mouthpiece.motion import closures, emotions, eyes
from mouthpiece.motion.dials import Dials, apply, dialled
from mouthpiece.motion.shapes import landmark_shapes
from mouthpiece.motion.smooth import lowpass
from mouthpiece.performance import Performance
from mouthpiece.topology import ARKIT_INDEX, JAW, LEFT_BROW, LIPS

from tests.material import make_take

#: Frames of the fixture `mouth` in which its lips are shut.
SHUT = np.arange(175) % 25 < 2
FACE = ("landmarks", "arkit", "head", "gaze", "blink", "activity")


@pytest.fixture(scope="module")
def mouth():
    """A take of which everything is known: a jaw that opens by 0.2 and shuts seven times, with a face around it."""
    frames = 175
    phase = np.arange(frames) % 25
    gap = np.where(SHUT, 0.0, 0.2 * np.sin(np.pi * (phase - 1) / 24)).astype(np.float32)
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
    blink = np.zeros((frames, 2), np.float32)
    blink[60:63] = blink[120:122] = 1
    eyes.close_lids(landmarks, blink)
    eyes.write_eyes(arkit, blink, np.zeros((frames, 2), np.float32))
    return make_take(
        frames, blink=blink, landmarks=landmarks, neutral=neutral, arkit=arkit, head=head, gaze=np.zeros((frames, 2))
    )


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
        ({"lip": 1.0}, "no amount called 'lip'"),
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


def test_lips_and_jaw_together_scale_the_whole_mouth_and_shut_lips_stay_shut(mouth):
    for amount in (0.0, 0.5, 2.0):
        take = apply(mouth, Dials(lips=amount, jaw=amount))
        np.testing.assert_allclose(
            take.landmarks[:, LIPS] - mouth.neutral[list(LIPS)],
            amount * (mouth.landmarks[:, LIPS] - mouth.neutral[list(LIPS)]),
            atol=1e-5,
        )
    for dials in (Dials(lips=0.0), Dials(lips=2.0), Dials(jaw=0.0), Dials(jaw=2.0, lips=0.3)):
        take = apply(mouth, dials)
        assert closures.gaps(take.landmarks)[SHUT].max() < 1e-5
        assert closures.gaps(take.landmarks).min() > -1e-5


def test_brows_blinks_and_head_have_amounts_of_their_own(mouth):
    take = apply(mouth, Dials(brows=2.0, blink=0.5, head=0.0, gaze=0.0))
    lift = mouth.landmarks[:, LEFT_BROW] - mouth.neutral[list(LEFT_BROW)]
    np.testing.assert_allclose(take.landmarks[:, LEFT_BROW] - mouth.neutral[list(LEFT_BROW)], 2 * lift, atol=1e-6)
    np.testing.assert_allclose(take.arkit[:, ARKIT_INDEX["browInnerUp"]], 0.6, atol=1e-6)
    assert take.blink.max() == 0.5 and take.arkit[:, ARKIT_INDEX["eyeBlinkLeft"]].max() == 0.5
    assert not take.head.any() and not take.gaze.any()
    np.testing.assert_array_equal(take.landmarks[:, LIPS], mouth.landmarks[:, LIPS])


def test_no_blink_leaves_the_eye_open_in_weights_and_points(mouth):
    take = apply(mouth, Dials(blink=0.0))
    assert not take.blink.any() and not take.arkit[:, ARKIT_INDEX["eyeBlinkRight"]].any()
    np.testing.assert_allclose(take.landmarks[:, 41, 1] - take.landmarks[:, 37, 1], 0.1, atol=1e-5)


def test_eyes_make_up_for_the_head_that_is_seen(mouth):
    held = eyes.steadying(mouth.head)
    steady = make_take(
        **{name: getattr(mouth, name) for name in FACE} | {"gaze": held, "neutral": mouth.neutral}, frames=175
    )
    np.testing.assert_allclose(apply(steady, Dials(head=0.5)).gaze, held / 2, atol=1e-6)
    np.testing.assert_allclose(apply(steady, Dials(gaze=0.0)).gaze, held, atol=1e-6)
    assert held[0, 0] > 0  # the face turns to the left of the picture, the eyes to the right


def test_a_style_layer_is_blended_and_cannot_open_shut_lips(mouth):
    points = np.zeros((1, 68, 3), np.float32)
    points[0, [65, 66, 67], 1], points[0, 54, 0] = 0.1, 0.05
    weights = np.zeros((1, 52), np.float32)
    weights[0, [ARKIT_INDEX["jawOpen"], ARKIT_INDEX["mouthSmileLeft"]]] = 0.2
    take = replace(mouth, style=np.ones((175, 1), np.float32), style_landmarks=points, style_arkit=weights)
    for amount in (0.0, 1.0, 1.5):
        seen = apply(take, Dials(style=amount))
        np.testing.assert_allclose(seen.landmarks[:, 54, 0] - mouth.landmarks[:, 54, 0], 0.05 * amount, atol=1e-6)
        np.testing.assert_allclose(seen.arkit[:, ARKIT_INDEX["mouthSmileLeft"]], 0.2 * amount, atol=1e-6)
        assert lip_gap(seen)[SHUT].max() < 1e-5 and not seen.arkit[SHUT, ARKIT_INDEX["jawOpen"]].any()
        assert lip_gap(seen)[12] == pytest.approx(lip_gap(mouth)[12] + 0.1 * amount, abs=1e-5)


def test_a_speakers_manner_of_the_head_is_blended_and_the_eyes_stay_where_they_look(mouth):
    manner = np.linspace(0, 1, 175)[:, None] * np.array([0.1, -0.2, 0.05, 0.02, 0.01, 0.0], np.float32)
    take = replace(mouth, style_head=manner)
    for amount in (0.0, 0.5, 1.5):
        seen = apply(take, Dials(style=amount))
        np.testing.assert_allclose(seen.head, take.head + amount * manner, atol=1e-6)
        np.testing.assert_allclose(
            seen.gaze - eyes.steadying(seen.head), take.gaze - eyes.steadying(take.head), atol=1e-6
        )
        assert not seen.style_head.any()
    assert take.final() is not take


def test_smoothing_calms_the_mouth_and_keeps_its_closures(mouth):
    noisy = mouth.landmarks.copy()
    noisy[:, 57, 1] += 0.01 * np.random.default_rng(0).standard_normal(175)
    take = replace(mouth, landmarks=noisy)
    smooth = apply(take, Dials(smoothing=0.8))
    far = closures.contact(mouth.landmarks) == 0
    roughness = [np.abs(np.diff(t.landmarks[:, 57, 1], n=3))[far[:-3]].mean() for t in (take, smooth)]
    assert roughness[1] < 0.4 * roughness[0]
    assert lip_gap(smooth)[SHUT].max() < 1e-6 and not smooth.arkit[SHUT, ARKIT_INDEX["jawOpen"]].any()
    np.testing.assert_array_equal(smooth.blink, take.blink)
    plain = lowpass(lip_gap(take), 0.13 / (0.12 * 0.8), 25)
    assert plain[25:-25][SHUT[25:-25]].min() > 0.02  # which a filter alone opens


def test_lips_at_the_teeth_stay_there_in_proportion():
    points = np.zeros((3, 68, 3), np.float32)
    points[:, [65, 66, 67], 1] = np.array([0.0, 0.04, 0.2])[:, None]
    shut, teeth, open_ = closures.contact(points)
    assert shut == 1 and 0.3 < teeth < 0.7 and open_ == 0


@pytest.mark.parametrize("offset", [0.1, 0.02, -0.013])
def test_an_offset_moves_everything_and_keeps_ends_and_closures(mouth, offset):
    take = apply(mouth, Dials(offset=offset))
    whole = apply(mouth, Dials(offset=0.2))
    np.testing.assert_allclose(whole.arkit[5:], apply(mouth, Dials()).arkit[:-5], atol=1e-6)
    np.testing.assert_allclose(whole.landmarks[:5], np.broadcast_to(whole.landmarks[0], (5, 68, 3)), atol=1e-6)
    times = np.arange(175) / 25
    expected = np.interp(times - offset, times, mouth.activity)
    np.testing.assert_allclose(take.activity, expected, atol=1e-6)
    inside = slice(10, -10)
    closed = [lip_gap(t)[inside] < 1e-5 for t in (take, mouth)]
    assert len({int((run[1:] & ~run[:-1]).sum()) for run in closed}) == 1
    assert take.blink.max() == 1.0


@pytest.mark.parametrize("name", [name for name in emotions.NAMES if name != "neutral"])
def test_an_emotion_bends_the_face_and_not_the_lips_parting(mouth, name):
    take = apply(mouth, Dials(emotion=name))
    gap, plain = lip_gap(take), lip_gap(mouth)
    assert gap[SHUT].max() < 1e-4
    assert np.corrcoef(gap, plain)[0, 1] > 0.99
    assert np.abs(take.landmarks - mouth.landmarks).max() > 0.02
    assert 0 <= take.arkit.min() and take.arkit.max() <= 1
    # Points and weights agree: what the weights gained, the landmarks did, away from lips, jaw and lids.
    still = [17, 19, 21, 22, 24, 26, 27]
    gained = np.tensordot(take.arkit - mouth.arkit, landmark_shapes(), axes=1)[:, still]
    np.testing.assert_allclose(
        (take.landmarks - mouth.landmarks)[:, still], gained, atol=3e-3
    )  # the jaw pulls a little at everything


def test_an_emotion_lives_and_is_the_same_every_time(mouth):
    one, again = (apply(mouth, Dials(emotion="happy")) for _ in range(2))
    np.testing.assert_array_equal(one.arkit, again.arkit)
    cheek = one.arkit[:, ARKIT_INDEX["cheekSquintLeft"]]
    assert 0.02 < cheek.std() < 0.3
    other = apply(replace(mouth, options={"seed": 9}), Dials(emotion="happy"))
    assert np.abs(other.arkit - one.arkit).max() > 0.01


def test_intensity_and_expression_weigh_the_emotion(mouth):
    smile = ARKIT_INDEX["mouthSmileLeft"]
    half, full = (apply(mouth, Dials(emotion="happy", intensity=i)).arkit[:, smile] for i in (0.25, 0.5))
    np.testing.assert_allclose(full, 2 * half, atol=1e-5)
    for dials in (Dials(emotion="happy", intensity=0.0), Dials(emotion="happy", expression=0.0)):
        assert not apply(mouth, dials).arkit[:, smile].any()


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_takes_of_a_few_frames_bear_every_dial(frames):
    dials = Dials(lips=2.0, smoothing=1.0, offset=0.3, emotion="surprised", head=0.0)
    assert len(apply(make_take(frames), dials)) == frames
