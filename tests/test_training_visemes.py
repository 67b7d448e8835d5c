import numpy as np
import pytest

pytest.importorskip("cv2")

from mouthpiece.motion.chart.visemes import VISEMES

from training.measures import phonemes
from training.measures.phonemes import Phone
from training.tables import viseme_shapes


def test_every_phone_belongs_to_one_viseme():
    listed = [phone for phones in phonemes.PHONES.values() for phone in phones.split()]
    assert len(listed) == len(set(listed))
    assert set(phonemes.PHONES) == set(VISEMES[1:])


def test_moments_are_phones_a_little_early_and_pauses():
    activity = np.zeros(100, np.float32)
    activity[40:60] = 1
    phones = [Phone(1.8, "PP", 1.0), Phone(2.05, "aa", 1.0), Phone(9.0, "aa", 1.0)]
    found = list(viseme_shapes.moments(phones, activity))
    assert found[:2] == [(43, 1), (50, VISEMES.index("aa"))]
    assert all(viseme == 0 and (frame <= 36 or frame >= 58) for frame, viseme in found[2:])
    assert {frame for frame, _ in found[2:]} >= {0, 3, 30, 66, 99}


def test_a_discriminant_tells_apart_what_differs(rng):
    labels = np.repeat(np.arange(15), 40)
    centres = rng.standard_normal((15, 6)) * 10
    rows = centres[labels] + 0.1 * rng.standard_normal((600, 6))
    linear, constant = viseme_shapes.discriminant(rows, labels, np.ones(600))
    np.testing.assert_array_equal((rows @ linear + constant).argmax(axis=1), labels)


def test_chance_is_told_from_skill(capsys):
    viseme_shapes.report("x", np.full((6, 6), 10))
    assert "agreement 0.167, chance 0.167" in capsys.readouterr().out
    viseme_shapes.report("x", np.diag([60] * 6))
    assert "agreement 1.000, chance 0.167" in capsys.readouterr().out


def test_balance_takes_the_root_of_a_speakers_share():
    weights = viseme_shapes.balance(["a"] * 4 + ["b"], np.zeros(5, int))
    np.testing.assert_allclose(weights, [0.5] * 4 + [1.0])
