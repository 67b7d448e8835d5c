"""Lips and jaw do what the phones ask for, whatever amounts, style and emotion do."""

from dataclasses import replace

import numpy as np
import pytest
from mouthpiece.errors import ModelError
from mouthpiece.motion import closures, contacts, emotions
from mouthpiece.motion.chart.visemes import VISEMES, viseme_weights
from mouthpiece.motion.contacts import BILABIAL, GESTURES, LABIODENTAL, contact_shapes, strengths
from mouthpiece.motion.dials import SETTLED, Dials, apply, dialled
from mouthpiece.motion.shapes import landmark_shapes
from mouthpiece.performance import Performance
from mouthpiece.phones.inventory import PHONE_INDEX, PHONES
from mouthpiece.phones.speech import Speech
from mouthpiece.topology import ARKIT_INDEX, MIRROR, MOUTH_LEFT_CORNER, MOUTH_RIGHT_CORNER

from tests.material import make_take

#: What the take says: phones and the seconds they last; nothing in the first and last 0.6 s.
SAID = (
    ("ɑ", 0.16), ("f", 0.1), ("ɑ", 0.2), ("p", 0.1), ("ɑ", 0.2), ("s", 0.12), ("i", 0.16), ("ʃ", 0.12), ("ɑ", 0.16),
    ("w", 0.1), ("ɑ", 0.2), ("θ", 0.1), ("ɑ", 0.16), ("v", 0.08), ("t", 0.08), ("ɑ", 0.2), ("b", 0.08), ("v", 0.08),
    ("ɑ", 0.2),
)  # fmt: skip
QUIET = 0.6
LIPS_X = np.array([-0.28, -0.18, -0.08, 0, 0.08, 0.18, 0.28, 0.18, 0.08, 0, -0.08, -0.18])


def said_phones():
    """Return [(phone, first second, last second)] of what is said."""
    at, result = QUIET, []
    for phone, seconds in SAID:
        result.append((phone, at, at + seconds))
        at += seconds
    return result


def speech_of(sureness=0.9):
    """Return the posteriors of a listener that is as sure as that of each phone."""
    end = said_phones()[-1][2] + QUIET
    rows = np.full((round(end * 50), len(PHONES)), (1 - sureness) / (len(PHONES) - 1), np.float32)
    labels = np.zeros(len(rows), int)
    for phone, first, last in said_phones():
        labels[round(first * 50) : round(last * 50)] = PHONE_INDEX[phone]
    rows[np.arange(len(rows)), labels] = sureness
    rows[labels == 0] = np.eye(len(PHONES))[0]
    return Speech(rows)


def resting_face():
    face = np.zeros((68, 3), np.float32)
    face[36, 0], face[45, 0] = -0.5, 0.5
    face[48:60, 0], face[48:60, 1] = (
        LIPS_X,
        0.8 + np.r_[0, -0.07, -0.1, -0.105, -0.1, -0.07, 0, 0.07, 0.11, 0.12, 0.11, 0.07],
    )
    face[60:68, 0], face[60:68, 1] = np.r_[-0.24, -0.1, 0, 0.1, 0.24, 0.1, 0, -0.1], 0.8
    face[8, 1] = 1.4
    return face


@pytest.fixture(scope="module")
def talk():
    """A take whose regression does what regressions do: vowels open, p, b, f and v all shut, the rest half open."""
    return take_at(25.0)


def take_at(fps, speech=None):
    spoken = said_phones()
    times = np.arange(round((spoken[-1][2] + QUIET) * fps)) / fps
    wanted = np.zeros(len(times))
    for phone, first, last in spoken:
        wanted[(times >= first) & (times < last)] = {"p": 0, "b": 0, "f": 0, "v": 0, "ɑ": 0.2}.get(phone, 0.08)
    size = max(1, round(0.03 * fps))
    gap = np.convolve(np.pad(wanted, size, mode="edge"), np.ones(2 * size + 1) / (2 * size + 1), "valid")
    for phone, first, last in spoken:
        if phone in "pbfv":
            gap[np.abs(times - (first + last) / 2) <= 0.5 / fps + 0.02] = 0
    face = np.tile(resting_face(), (len(times), 1, 1))
    face[:, :, 1] += gap[:, None] * (closures.lower_followers() @ np.ones(3))
    face[:, :17, 1] += 0.5 * gap[:, None]
    arkit = np.zeros((len(times), 52), np.float32)
    arkit[:, ARKIT_INDEX["jawOpen"]] = 2 * gap
    arkit[:, ARKIT_INDEX["mouthPressLeft"]] = arkit[:, ARKIT_INDEX["mouthPressRight"]] = 0.3 * (gap < 0.01)
    active = ((times > QUIET) & (times < spoken[-1][2])).astype(np.float32)
    take = make_take(
        len(times), landmarks=face, neutral=resting_face(), arkit=arkit, activity=active,
        head=np.zeros((len(times), 6)), gaze=np.zeros((len(times), 2)), blink=np.zeros((len(times), 2)),
    )  # fmt: skip
    return replace(take, fps=fps, speech=speech_of() if speech is None else speech)


def middles(take, *phones):
    """Return the frames at the middle of each of ``phones``."""
    return [round((first + last) / 2 * take.fps) for phone, first, last in said_phones() if phone in phones]


def gap_of(take):
    return closures.gaps(take.landmarks)[:, 1]


def red_of(take):
    return take.landmarks[:, 57, 1] - take.landmarks[:, 66, 1]


def test_f_and_v_bite_and_are_not_shut(talk):
    shown, plain = talk.final(), dialled(talk, Dials(articulation=0)).final()
    low = contact_shapes().gap[LABIODENTAL, 1, 0]
    for frame in middles(talk, "f", "v")[:2]:
        assert gap_of(plain)[frame] < 0.005
        assert 0.8 * low < gap_of(shown)[frame] < 0.07
        assert red_of(shown)[frame] < red_of(plain)[frame] - 0.005
        assert shown.arkit[frame, ARKIT_INDEX["mouthRollLower"]] > 0.2
        assert shown.arkit[frame, ARKIT_INDEX["mouthPressLeft"]] < 0.1
        assert shown.arkit[frame, ARKIT_INDEX["jawOpen"]] > 0.05


def test_p_and_b_stay_shut(talk):
    for frame in middles(talk, "p", "b"):
        assert gap_of(talk.final())[frame] < 0.02


def test_lips_that_nearly_meet_at_p_meet_and_the_weights_with_them(talk):
    ajar = np.array(talk.landmarks)
    ajar[:, :, 1] += 0.015 * (closures.lower_followers() @ np.ones(3))  # a network's p that stays ajar
    arkit = np.array(talk.arkit)
    arkit[:, ARKIT_INDEX["jawOpen"]] = np.maximum(arkit[:, ARKIT_INDEX["jawOpen"]], 0.04)
    shown = replace(talk, landmarks=ajar, arkit=arkit).final()
    shapes = landmark_shapes()
    for frame in middles(talk, "p", "b"):
        assert 0.014 < closures.gaps(ajar)[frame, 1] and gap_of(shown)[frame] < 0.006
        by_weights = np.tensordot(shown.arkit[frame], shapes[:, 66, 1] - shapes[:, 62, 1], 1)
        assert by_weights < 0.004 and shown.arkit[frame, ARKIT_INDEX["mouthClose"]] > 0.005


def test_a_v_after_b_waits_until_the_lips_have_met(talk):
    b, v = middles(talk, "b")[0], middles(talk, "v")[-1]
    assert gap_of(talk.final())[b] < 0.02 < gap_of(talk.final())[v]


@pytest.mark.parametrize("emotion", emotions.NAMES)
@pytest.mark.parametrize("smoothing", [0.0, 1.0])
def test_contacts_hold_whatever_else_is_done(talk, emotion, smoothing):
    shown = dialled(talk, Dials(lips=2, jaw=2, emotion=emotion, smoothing=smoothing)).final()
    low = contact_shapes().gap[LABIODENTAL, 1, 0]
    for frame in middles(talk, "p", "b"):
        assert gap_of(shown)[frame] < 0.03
        assert shown.arkit[frame, ARKIT_INDEX["jawOpen"]] < 0.1
    for frame in middles(talk, "f", "v")[:2]:
        assert gap_of(shown)[frame] > 0.75 * low
        assert red_of(shown)[frame] < contact_shapes().red[LABIODENTAL] + 0.004
    for frame in middles(talk, "s"):
        assert gap_of(shown)[frame] < contact_shapes().gap[list(GESTURES).index("sibilant"), 1, 1] + 0.01
        assert shown.arkit[frame, ARKIT_INDEX["jawOpen"]] <= 0.35
        assert shown.landmarks[frame, 8, 1] - talk.neutral[8, 1] < 0.09


def test_without_the_dial_nothing_changes(talk):
    silent = replace(talk, speech=Speech())
    for dials in (Dials(), Dials(lips=1.7, emotion="happy", smoothing=0.4, offset=0.11)):
        off, before = apply(talk, replace(dials, articulation=0)), apply(silent, dials)
        for name in ("landmarks", "arkit", "head", "gaze", "blink", "activity"):
            np.testing.assert_array_equal(getattr(off, name), getattr(before, name))
    assert silent.final() is silent
    assert dialled(talk, Dials(articulation=0)).final().arkit is not None


def test_the_dial_is_monotone(talk):
    amounts = (0, 0.25, 0.5, 0.75, 1, 1.25, 1.5)
    shown = [dialled(talk, Dials(articulation=amount)).final() for amount in amounts]
    for frame in middles(talk, "f", "v")[:2]:
        gaps = [gap_of(take)[frame] for take in shown]
        rolls = [take.arkit[frame, ARKIT_INDEX["mouthRollLower"]] for take in shown]
        assert all(np.diff(gaps) > -1e-5) and gaps[4] > gaps[0] + 0.03
        assert all(np.diff(rolls) > -1e-5) and rolls[4] > rolls[0] + 0.2
    for frame in middles(talk, "ʃ"):
        funnels = [take.arkit[frame, ARKIT_INDEX["mouthFunnel"]] for take in shown]
        assert all(np.diff(funnels) > 0)


def test_a_still_mouth_stays_still(talk):
    shown = dialled(talk, Dials(lips=0, jaw=0)).final()
    np.testing.assert_allclose(shown.landmarks[:, 48:], np.tile(talk.neutral[48:], (len(talk), 1, 1)), atol=1e-6)


def test_silence_is_left_alone(talk):
    shown = talk.final()
    before, after = slice(0, round((QUIET - 0.25) * 25)), slice(round((said_phones()[-1][2] + 0.25) * 25), None)
    for rows in (before, after):
        np.testing.assert_array_equal(shown.arkit[rows], talk.arkit[rows])
        np.testing.assert_allclose(shown.landmarks[rows], talk.landmarks[rows], atol=1e-6)


def test_final_is_its_own_final(talk):
    shown = talk.final()
    assert shown.dials == SETTLED
    assert shown.final() is shown


@pytest.mark.parametrize("fps", [12.0, 24.0, 30.0, 60.0, 120.0])
def test_contacts_come_at_any_frame_rate(fps):
    take = take_at(fps)
    shown = take.final()
    for frame in middles(take, "f"):
        near = slice(frame - 1, frame + 2)
        assert gap_of(shown)[near].max() > 0.03
        assert red_of(shown)[near].min() < red_of(take)[near].min() - 0.004
    for frame in middles(take, "p"):
        assert gap_of(shown)[frame - 1 : frame + 2].min() < 0.02


@pytest.mark.parametrize("fps", [25.0, 60.0, 120.0])
def test_nothing_pops(fps):
    take = take_at(fps)
    change = strengths(take.speech, np.arange(len(take)) / fps)
    assert np.abs(np.diff(change, axis=0)).max() * fps < 40  # from nothing to all in 25 ms at the fastest
    added = take.final().landmarks - take.landmarks
    step, own = np.abs(np.diff(added, axis=0)).max(axis=(1, 2)), np.abs(np.diff(take.landmarks, axis=0)).max()
    assert step.max() < 1.5 * own


def test_an_unsure_listener_asks_for_less(talk):
    frame = middles(talk, "f")[0]
    rolls = []
    for sureness in (0.1, 0.3, 0.5, 0.9):
        unsure = replace(talk, speech=speech_of(sureness))
        rolls.append(unsure.final().arkit[frame, ARKIT_INDEX["mouthRollLower"]])
    assert rolls == sorted(rolls) and rolls[0] < 0.05 and rolls[-1] > 0.2


def test_lips_anticipate_by_two_frames():
    strong = strengths(speech_of(), np.arange(0, 4, 0.01))[:, LABIODENTAL]
    begins = said_phones()[1][1]
    assert 0.03 < begins - np.flatnonzero(strong > 0.05)[0] * 0.01 < 0.12


def test_resistant_gestures_win():
    b = said_phones()[-3]
    strong = strengths(speech_of(), np.array([(b[1] + b[2]) / 2]))[0]
    assert strong[BILABIAL] > 0.9 and strong[LABIODENTAL] < 0.1


def test_phones_of_the_tongue_ask_nothing_of_the_lips():
    rows = np.zeros((50, len(PHONES)), np.float32)
    rows[:, PHONE_INDEX["k"]] = 0.5
    rows[:, PHONE_INDEX["t"]] = 0.5
    assert not strengths(Speech(rows), np.linspace(0, 1, 25)).any()


def test_a_mirrored_mouth_is_corrected_as_a_mirror_image(talk):
    def mirrored(points):
        return points[..., list(MIRROR), :] * np.array([-1, 1, 1], np.float32)

    turned = replace(talk, landmarks=mirrored(talk.landmarks), neutral=mirrored(talk.neutral)).final()
    np.testing.assert_allclose(turned.landmarks, mirrored(talk.final().landmarks), atol=2e-5)
    pairs = [
        (n, n.replace("Left", "Right"))
        for n in ARKIT_INDEX
        if n.startswith("mouth") and n.endswith("Left") and n != "mouthLeft"
    ]
    for left, right in pairs:
        shapes = contact_shapes()
        np.testing.assert_allclose(shapes.arkit[:, ARKIT_INDEX[left]], shapes.arkit[:, ARKIT_INDEX[right]], atol=1e-6)


def test_motion_that_is_late_is_corrected_late(talk):
    late = dialled(talk, Dials(offset=0.2)).final()
    frame = middles(talk, "f")[0]
    assert gap_of(late)[frame + 5] == pytest.approx(gap_of(talk.final())[frame], abs=2e-3)


def test_rounding_narrows_a_smile(talk):
    smile = dialled(talk, Dials(lips=2, emotion="happy"))
    plain = replace(smile, dials=smile.dials | {"articulation": 0.0})

    def width(take):
        return take.landmarks[:, MOUTH_LEFT_CORNER, 0] - take.landmarks[:, MOUTH_RIGHT_CORNER, 0]

    frame = middles(talk, "w")[0]
    assert width(smile.final())[frame] < width(plain.final())[frame]


def test_mouths_read_as_f_and_as_p(talk):
    weights = viseme_weights(talk.final())
    for phone, viseme in (("f", "FF"), ("p", "PP")):
        frame = middles(talk, phone)[0]
        assert VISEMES[int(weights[frame].argmax())] == viseme


def test_long_takes_are_corrected_in_parts_alike(talk, monkeypatch):
    whole = talk.final()
    monkeypatch.setattr(contacts, "_AT_ONCE", 7)
    np.testing.assert_array_equal(talk.final().landmarks, whole.landmarks)


def test_a_damaged_table_is_told(monkeypatch, tmp_path):
    contact_shapes.cache_clear()
    damaged = tmp_path / "contacts.npz"
    np.savez(damaged, landmarks=np.zeros(3))
    monkeypatch.setattr(contacts, "_FILE", damaged)
    with pytest.raises(ModelError, match="missing or damaged"):
        contact_shapes()
    contact_shapes.cache_clear()


def test_a_take_of_no_frames_of_speech_is_left_alone(talk):
    quiet = np.zeros((200, len(PHONES)), np.float32)
    quiet[:, 0] = 1
    take = replace(talk, speech=Speech(quiet))
    np.testing.assert_allclose(take.final().landmarks, talk.landmarks, atol=1e-6)
    assert isinstance(take.final(), Performance)
