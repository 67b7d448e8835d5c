"""Lint tells which contacts of the lips are met and missed."""

import json
from dataclasses import replace

import numpy as np
import pytest
from mouthpiece.lint.checks import checked, examined
from mouthpiece.lint.contacts import counted_contacts
from mouthpiece.lint.limits import Limits
from mouthpiece.lint.reports import LintReport, as_json, told
from mouthpiece.lint.seen_face import HeardPhone, LineSpan, SeenFace
from mouthpiece.lint.sources.phones import phones_said
from mouthpiece.lint.sources.takes import contacts_of, seen_take
from mouthpiece.motion.dials import Dials, dialled
from mouthpiece.phones.inventory import PHONE_INDEX, PHONES
from mouthpiece.phones.speech import Segment, Speech

from tests.test_contacts import take_at

FPS = 25.0
ROWS = 500
#: Rows of the middles of bilabials and of labiodentals.
MET = (50, 100, 150, 200, 250)
BITTEN = (75, 125, 175, 225, 275)


def face(**changes):
    """Return a face that talks, meets its lips at m and bites at f."""
    opening = (0.15 + 0.02 * np.sin(np.arange(ROWS) / 3)).astype(np.float32)
    red = (0.12 + 0.01 * np.sin(np.arange(ROWS) / 3)).astype(np.float32)
    for row in MET:
        opening[row - 1 : row + 2] = 0.0
    for row in BITTEN:
        opening[row - 1 : row + 2], red[row - 1 : row + 2] = 0.045, 0.09
    phones = sorted(
        [HeardPhone("m", row) for row in MET] + [HeardPhone("f", row) for row in BITTEN], key=lambda p: p.row
    )
    seen = SeenFace("Ada", FPS, opening=opening, red=red, lines=(LineSpan("one", 0, ROWS - 1),), phones=tuple(phones))
    return replace(seen, **changes)


def of(seen, check):
    return next(one for one in examined(seen).measures if one.check == check)


def test_contacts_that_are_met():
    for check in ("bilabials", "labiodentals"):
        measure = of(face(), check)
        assert measure.counts == (5, 0)
        assert measure.value == 0
    assert not [one for one in checked(face()) if one.check in ("bilabials", "labiodentals")]


def test_lips_that_do_not_meet_are_told_with_their_times():
    seen = face()
    opening = seen.opening.copy()
    for row in MET[:3]:
        opening[row - 3 : row + 4] = 0.1
    found = [one for one in checked(replace(seen, opening=opening)) if one.check == "bilabials"]
    assert len(found) == 3
    assert [round(one.begin, 2) for one in found] == [round((row - 2) / FPS, 2) for row in MET[:3]]
    assert "do not meet at m" in found[0].sentence
    assert found[0].remedy
    assert of(replace(seen, opening=opening), "bilabials").counts == (2, 3)


def test_an_f_that_is_a_p_is_missed():
    seen = face()
    opening, red = seen.opening.copy(), seen.red.copy()
    for row in BITTEN:
        opening[row - 2 : row + 3], red[row - 2 : row + 3] = 0.0, 0.13
    pressed = replace(seen, opening=opening, red=red)
    assert of(pressed, "labiodentals").counts == (0, 5)
    assert len([one for one in checked(pressed) if one.check == "labiodentals"]) == 5
    unmeasured = replace(pressed, red=None)
    assert of(unmeasured, "labiodentals").counts == (0, 5)
    assert of(replace(seen, red=None), "labiodentals").counts == (5, 0)


def test_a_contact_that_comes_too_late_is_missed():
    seen = face()
    opening = np.roll(seen.opening, 4)
    assert of(replace(seen, opening=opening), "bilabials").counts == (0, 5)
    assert of(replace(seen, opening=np.roll(seen.opening, 2)), "bilabials").counts == (5, 0)


def test_a_few_that_are_missed_are_no_fault():
    seen = face()
    opening = seen.opening.copy()
    opening[MET[0] - 3 : MET[0] + 4] = 0.1
    measure = of(replace(seen, opening=opening), "bilabials")
    assert measure.counts == (4, 1)
    assert not measure.faults
    strict = examined(replace(seen, opening=opening), Limits(bilabials=0.0))
    assert [one.check for one in strict.findings if one.check == "bilabials"] == ["bilabials"]


def test_without_phones_or_a_mouth_nothing_is_judged():
    for seen in (face(phones=()), face(opening=None), face(phones=face().phones[:2])):
        for check in ("bilabials", "labiodentals"):
            measure = of(seen, check)
            assert measure.value is None
            assert measure.remark
            assert not measure.faults


def test_a_mouth_that_is_not_seen_misses_nothing_it_could_not_show():
    seen = face()
    gone = replace(seen, opening=np.full(ROWS, np.nan, np.float32))
    assert of(gone, "labiodentals").counts == (0, 5)


def test_reports_hold_the_counts():
    examination = examined(face())
    assert counted_contacts(examination.measures) == {
        "bilabials": {"met": 5, "missed": 0},
        "labiodentals": {"met": 5, "missed": 0},
    }
    reports = [LintReport("a.npz", (examination,))]
    assert "m b p: 5 met, 0 missed; f v: 5 met, 0 missed" in told(reports)
    (character,) = json.loads(as_json(reports))["results"][0]["characters"]
    rows = {row["check"]: row for row in character["measures"]}
    assert (rows["bilabials"]["met"], rows["bilabials"]["missed"]) == (5, 0)
    assert "met" not in rows["jump"]


@pytest.mark.parametrize("fps", [12.0, 25.0, 60.0])
def test_a_take_bites_with_its_articulation_and_does_not_without(fps):
    take = take_at(fps)
    assert (
        contacts_of(take)["labiodentals"]["missed"]
        < contacts_of(dialled(take, Dials(articulation=0)))["labiodentals"]["missed"]
    )
    assert contacts_of(take)["bilabials"] == {"met": 2, "missed": 0}
    assert contacts_of(replace(take, speech=Speech())) == {}


def test_phones_come_from_segments_or_else_from_posteriors():
    posteriors = np.zeros((100, len(PHONES)), np.float32)
    posteriors[:, 0] = 1
    posteriors[20:30] = np.eye(len(PHONES))[PHONE_INDEX["m"]]
    assert phones_said(Speech(posteriors), FPS, 50) == (HeardPhone("m", 12),)
    segments = (Segment("f", 0.4, 0.6, 0.9), Segment("p", 5.0, 5.1, 0.9))
    assert phones_said(Speech(posteriors, segments), FPS, 50) == (HeardPhone("f", 12),)
    assert phones_said(Speech(posteriors, segments), FPS, 50, first=10) == (HeardPhone("f", 22),)
    assert phones_said(Speech(), FPS, 50) == ()


def test_a_take_is_seen_with_its_red_and_phones():
    seen = seen_take(take_at(25.0), "Ada", "one")
    assert seen.red.shape == seen.opening.shape
    assert [one.label for one in seen.phones if one.label in "pbfv"] == ["f", "p", "v", "b", "v"]


def test_a_line_that_is_late_is_not_also_told_to_miss_its_contacts():
    take = take_at(25.0)
    seen = seen_take(take, "Ada", "one")
    late = replace(seen, opening=np.roll(seen.opening, 8), expected=seen.opening, phones=seen.phones * 2)
    examination = examined(late, Limits(bilabials=0.0))
    assert {one.check for one in examination.findings} & {"sync", "follows"}
    assert not [one for one in examination.findings if one.check == "bilabials"]
    measure = next(one for one in examination.measures if one.check == "bilabials")
    assert measure.remark
    assert measure.counts[1] > 0
    alone = examined(late, Limits(bilabials=0.0).without("sync", "follows", "drift", "weak"))
    assert [one for one in alone.findings if one.check == "bilabials"]
