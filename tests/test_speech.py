"""The words alone: without style and emotion, with the head and the looks of the whole."""

from __future__ import annotations

import numpy as np
import pytest
from mouthpiece.motion.dials import Dials, apply
from mouthpiece.motion.speech import speech_of
from mouthpiece.topology import ARKIT_INDEX, ARKIT_NAMES

from tests.material import make_take

SMILE, LOOK, BLINK = (ARKIT_INDEX[name] for name in ("mouthSmileLeft", "eyeLookOutLeft", "eyeBlinkLeft"))


def styled(frames=50):
    """Return a take whose speaker smiles a little and nods."""
    weights = np.zeros((1, len(ARKIT_NAMES)), np.float32)
    weights[0, SMILE] = 0.4
    return make_take(
        frames, style=np.ones((frames, 1)), style_landmarks=np.zeros((1, 68, 3)), style_arkit=weights,
        style_head=np.full((frames, 6), 0.05),
    )  # fmt: skip


def test_style_and_emotion_are_out_and_the_other_dials_in():
    take, dials = styled(), Dials(emotion="sad", lips=1.3, style=0.8)
    seen = apply(take, dials)
    words = speech_of(take, dials, seen)
    bare = apply(take, Dials(lips=1.3, style=0.0))
    mouth = [k for k, name in enumerate(ARKIT_NAMES) if name.startswith(("mouth", "jaw", "brow"))]
    np.testing.assert_array_equal(words.arkit[:, mouth], bare.arkit[:, mouth])
    np.testing.assert_array_equal(words.landmarks, bare.landmarks)
    assert seen.arkit[:, SMILE].min() > 0.25 > words.arkit[:, SMILE].max()
    assert words.dials == {} and words.style.shape == (50, 0)


def test_head_and_looks_are_those_of_the_whole_and_lids_those_of_the_words():
    take, dials = styled(), Dials(emotion="sad")
    seen = apply(take, dials)
    words = speech_of(take, dials, seen)
    np.testing.assert_array_equal(words.head, seen.head)
    np.testing.assert_array_equal(words.gaze, seen.gaze)
    np.testing.assert_array_equal(words.arkit[:, LOOK], seen.arkit[:, LOOK])
    assert (seen.arkit[:, BLINK] > words.arkit[:, BLINK]).all()  # sad lids hang


NOTHING_FELT = [
    Dials(style=0.0),
    Dials(style=0.0, emotion="happy", intensity=0.0),
    Dials(style=0.0, emotion="happy", expression=0.0),
]


@pytest.mark.parametrize("dials", NOTHING_FELT)
def test_where_nothing_is_felt_the_words_are_the_whole(dials):
    take = styled()
    seen = apply(take, dials)
    assert speech_of(take, dials, seen) is seen
