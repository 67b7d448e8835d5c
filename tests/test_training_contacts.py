"""The yardstick of contacts, and the fit of what lips do at phones."""

from dataclasses import replace

import numpy as np
import pytest
from mouthpiece.motion import closures, contacts
from mouthpiece.motion.contacts import BILABIAL, GESTURES, LABIODENTAL, contact_shapes
from mouthpiece.topology import MIRROR

from tests.test_contacts import middles, resting_face, take_at
from training.measures.contacts import Pair, contacts_met, corrected, followed, heard_at, met
from training.tables.contact_shapes import biting, fit, save


def pair_of(name, speaker, bites=True):
    """Return a clip whose network shuts at f and v, and whose recorded face bites there if ``bites``."""
    take = take_at(25.0)
    moved = (take.landmarks - take.neutral).astype(float)
    recorded = moved.copy()
    for frame in middles(take, "f", "v") if bites else ():
        rows = slice(frame - 1, frame + 2)
        recorded[rows, :, 1] += 0.05 * (closures.lower_followers() @ np.ones(3))
        recorded[rows, 57, 1] -= 0.03
    held = np.ones(len(take), bool)
    return Pair(name, speaker, take.neutral.astype(float), recorded, moved, take.arkit.astype(float), held, take.speech)


@pytest.fixture(scope="module")
def pairs():
    return [pair_of(f"clip {number}", f"speaker {number % 3}") for number in range(4)]


def test_phones_are_heard_in_their_middles(pairs):
    seconds = heard_at(pairs[0].speech, ("p",))
    assert np.round(seconds * 25).tolist() == middles(take_at(25.0), "p")


def test_shut_and_bite_are_told_apart():
    face = np.tile(resting_face().astype(float), (100, 1, 1))
    face[:, closures.LOWER, 1] += 0.2
    face[:, 57, 1] += 0.2
    face[20, :, 1] -= 0.2 * (closures.lower_followers() @ np.ones(3))
    face[60, :, 1] -= 0.15 * (closures.lower_followers() @ np.ones(3))
    face[60, 57, 1] -= 0.03
    np.testing.assert_array_equal(met(face, np.array([20, 22, 24, 60, 80])), [[1, 0], [1, 0], [0, 0], [0, 1], [0, 0]])


def test_recorded_faces_bite_and_moved_ones_do_not(pairs):
    assert contacts_met(pairs, LABIODENTAL, lambda pair: pair.recorded)[:2] == (pytest.approx(1 / 3), 1.0)
    assert contacts_met(pairs, LABIODENTAL, lambda pair: pair.moved) == (1.0, 0.0, 12)
    assert contacts_met(pairs, BILABIAL, lambda pair: pair.moved)[0] == 1.0


def test_a_speaker_counts_once_and_pooled_a_phone_does():
    some = [pair_of("a", "ann"), pair_of("b", "ann"), pair_of("c", "bob", bites=False)]
    assert contacts_met(some, LABIODENTAL, lambda pair: pair.recorded)[1] == pytest.approx(1 / 2)
    assert contacts_met(some, LABIODENTAL, lambda pair: pair.recorded, pooled=True)[1] == pytest.approx(2 / 3)
    said = {"a": [("f", 1.0)], "b": [], "c": []}
    assert contacts_met(some, LABIODENTAL, lambda pair: pair.recorded, said)[2] == 1


def test_a_face_follows_itself(pairs):
    assert followed(pairs, lambda pair: pair.recorded)["r_open"] == pytest.approx(1.0)


def test_the_fit_brings_moved_faces_to_recorded_ones_and_is_read_back(pairs, tmp_path, monkeypatch, capsys):
    shapes = fit(pairs)
    assert 0 < shapes.gap[LABIODENTAL, 1, 0] < shapes.gap[LABIODENTAL, 1, 1]
    assert shapes.red[LABIODENTAL] == pytest.approx(biting(pairs)[0])
    before = np.mean([np.square(pair.moved - pair.recorded).mean() for pair in pairs])
    after = np.mean([np.square(corrected(pair, shapes)[0] - pair.recorded).mean() for pair in pairs])
    assert after < before
    np.testing.assert_allclose(
        shapes.landmarks, shapes.landmarks[:, list(MIRROR)] * np.array([-1, 1, 1], np.float32), atol=1e-6
    )
    gaps = closures.gaps(shapes.landmarks)
    np.testing.assert_allclose(gaps, 0, atol=1e-6)
    save(shapes, tmp_path / "contacts.npz")
    printed = capsys.readouterr().out
    assert all(f"{name}: gap" in printed for name in GESTURES)
    contact_shapes.cache_clear()
    monkeypatch.setattr(contacts, "_FILE", tmp_path / "contacts.npz")
    np.testing.assert_array_equal(contact_shapes().landmarks, shapes.landmarks)
    contact_shapes.cache_clear()


def test_clips_without_a_face_are_left_out(pairs):
    lost = replace(pairs[0], held=np.zeros(len(pairs[0].held), bool))
    assert contacts_met([lost], LABIODENTAL, lambda pair: pair.recorded) == (0.0, 0.0, 0)
    np.testing.assert_array_equal(fit([*pairs, lost]).landmarks, fit(pairs).landmarks)
