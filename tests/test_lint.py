"""Each check finds the fault that is planted for it, and nothing on what Mouthpiece makes of a spoken line."""

from dataclasses import fields, replace

import numpy as np
import pytest
from mouthpiece.audio import Audio
from mouthpiece.lint.checks import checked, examined
from mouthpiece.lint.lags import lag_of
from mouthpiece.lint.limits import CHECKS, TITLES, UNITS, Limits
from mouthpiece.lint.seen_face import LineSpan, SeenFace
from mouthpiece.lint.sources.takes import seen_take
from mouthpiece.motion.dials import Dials, dialled
from mouthpiece.pipeline import Options, animate

FPS = 25.0
PAUSE = 3.0


@pytest.fixture(scope="module")
def take(speech):
    """The demo line four times, with a pause of three seconds after each: 40 seconds."""
    pause = np.zeros(round(PAUSE * speech.rate), np.float32)
    return animate(Audio(np.concatenate([speech.samples, pause] * 4), speech.rate))


@pytest.fixture(scope="module")
def face(take, speech):
    """Its face as a character of a scene that begins at frame 101: four lines with pauses between them."""
    seen = seen_take(take, "Ada", "all")
    period, length = speech.seconds + PAUSE, round(speech.seconds * FPS)
    firsts = [round(number * period * FPS) for number in range(4)]
    lines = tuple(LineSpan(f"line {number}", first, first + length - 1) for number, first in enumerate(firsts, 1))
    return replace(seen, start=101, lines=lines, phones=())  # contacts have their own tests


@pytest.fixture
def pause(face):
    """The rows of the second pause that are well away from speech."""
    first = face.lines[1].last + 6
    return slice(first, face.lines[2].first - 6)


def names(seen, limits=None):
    return sorted({finding.check for finding in checked(seen, limits)})


def only(seen, check):
    findings = checked(seen)
    assert {finding.check for finding in findings} == {check}, findings
    return findings


def changed(course, rows, add):
    course = np.array(course, np.float32)
    course[rows] += add
    return course


def smile(seen, rows):
    width = np.array(seen.width)
    width[rows] *= 1.15
    return width


def shifted(course, frames):
    return np.roll(course, frames, axis=0)


def test_nothing_is_found_on_an_untouched_take(take, face):
    assert not checked(seen_take(take, "Ada", "all"))
    assert not checked(face)


@pytest.mark.parametrize("fps", [24.0, 24000 / 1001, 30.0, 60.0, 12.0])
def test_nothing_is_found_at_other_frame_rates(speech, fps):
    assert not checked(seen_take(animate(speech, Options(fps=fps)), "Ada", "all"))


@pytest.mark.parametrize("dials", [{"lips": 0.5, "jaw": 0.5}, {"head": 2.0}, {"emotion": "happy"}, {"offset": 0.06}])
def test_nothing_is_found_where_amounts_are_adjusted_within_reason(spoken, dials):
    assert not checked(seen_take(dialled(spoken, Dials(**dials)), "Ada", "all"))


def test_every_check_has_a_limit_a_title_and_a_unit(face):
    assert set(TITLES) == set(UNITS) == set(CHECKS)
    assert {measure.check for measure in examined(face).measures} == set(CHECKS)
    assert all(field.name in Limits.__doc__ for field in fields(Limits))


@pytest.mark.parametrize("frames", [3, -4, 7])
def test_a_mouth_beside_its_sound(face, frames):
    findings = only(replace(face, opening=shifted(face.opening, frames)), "sync")
    assert [finding.line for finding in findings] == [line.label for line in face.lines]
    for finding in findings:
        assert finding.value == pytest.approx(abs(frames) * 40, abs=12)
        assert ("behind" if frames > 0 else "ahead") in finding.sentence


def test_one_line_beside_its_sound(face):
    second = face.lines[1]
    rows = slice(second.first, second.last + 8)
    opening = np.array(face.opening)
    opening[rows] = shifted(opening[rows], 4)
    (finding,) = only(replace(face, opening=opening), "sync")
    assert (finding.line, finding.first, finding.last) == ("line 2", 101 + second.first, 101 + second.last)
    assert finding.begin == pytest.approx(finding.first / FPS)
    assert finding.end == pytest.approx((finding.last + 1) / FPS)


def test_by_offset(spoken):
    (finding,) = only(seen_take(dialled(spoken, Dials(offset=-0.2)), "Ada", "all"), "sync")
    assert finding.value == pytest.approx(200, abs=10)
    assert "+0.20 s" in finding.remedy


@pytest.mark.parametrize("speed", [0.01, -0.005])
def test_a_take_that_runs_away_from_its_sound(take, speed):
    seen = replace(seen_take(take, "Ada", "all"), phones=())
    at = np.arange(len(take)) * (1 + speed)
    opening = np.interp(at, np.arange(len(take)), seen.opening).astype(np.float32)
    (finding,) = only(replace(seen, opening=opening), "drift")
    assert finding.value == pytest.approx(abs(speed) * 60_000, rel=0.1)
    assert ("earlier" if speed > 0 else "later") in finding.sentence


def test_a_mouth_that_says_something_else(face):
    findings = only(replace(face, expected=face.expected[::-1]), "follows")
    assert len(findings) == 4


def test_a_mouth_that_hardly_opens(face):
    findings = only(replace(face, opening=face.opening * 0.1), "weak")
    assert len(findings) == 4


def test_a_take_with_its_amounts_at_a_tenth(spoken):
    only(seen_take(dialled(spoken, Dials(lips=0.1, jaw=0.1)), "Ada", "all"), "weak")


def test_a_mouth_that_moves_in_silence(face, pause):
    wave = 0.08 * (1 - np.cos(2 * np.pi * 3 * np.arange(pause.stop - pause.start) / FPS))
    (finding,) = only(replace(face, opening=changed(face.opening, pause, wave)), "moves_in_silence")
    assert finding.line == ""
    assert 101 + pause.start - 5 <= finding.first <= finding.last <= 101 + pause.stop + 5


def test_a_mouth_left_open(face, pause):
    open_wide = np.hanning(pause.stop - pause.start) ** 0.2 * 0.18
    (finding,) = only(replace(face, opening=changed(face.opening, pause, open_wide)), "open_at_rest")
    assert finding.value == pytest.approx(0.18, abs=0.03)
    assert not checked(replace(face, opening=changed(face.opening, pause, open_wide), width=smile(face, pause)))


def test_a_head_that_jumps(face):
    row = face.lines[2].first + 60
    (finding,) = only(replace(face, head=changed(face.head, slice(row, None), 0.25)), "jump")
    assert finding.first <= 101 + row <= finding.last
    assert "head" in finding.sentence
    assert finding.line == "line 3"


def test_a_cut_at_the_end_of_a_line_is_judged_more_strictly(face):
    edge, inside = face.lines[1].last + 1, face.lines[1].first + 70
    assert names(replace(face, head=changed(face.head, slice(edge, None), [0.12, 0, 0]))) == ["jump"]
    assert names(replace(face, head=changed(face.head, slice(inside, None), [0.12, 0, 0]))) == []


def test_blinks_and_mouths_drawn_on_twos_are_no_jumps(face):
    twos = np.repeat(face.opening[::2], 2)[: len(face.opening)] * 2
    widths = np.repeat(face.width[::2], 2)[: len(face.width)]
    assert not {"jump", "jitter"} & set(names(replace(face, opening=twos, width=widths)))


def test_a_face_that_shakes(face):
    rows = slice(300, 350)
    shake = 0.06 * (-1.0) ** np.arange(50)
    findings = [f for f in checked(replace(face, head=changed(face.head, rows, shake[:, None]))) if f.check == "jitter"]
    assert len(findings) == 1
    assert findings[0].first <= 101 + 310 <= 101 + 340 <= findings[0].last


def test_channels_at_their_limit(face):
    second = face.lines[1]
    at = np.zeros(len(face.opening), bool)
    at[second.first : second.first + 100] = True
    rarely = np.zeros(len(at), bool)
    rarely[second.first : second.first + 10] = True
    (finding,) = only(replace(face, clipped={"jawOpen": at, "mouthPucker": rarely}), "clipping")
    assert finding.line == "line 2"
    assert "jawOpen" in finding.sentence
    assert "mouthPucker" not in finding.sentence
    assert finding.value == pytest.approx(100 / (second.last + 1 - second.first))


def test_a_take_whose_weights_are_full(spoken):
    arkit = np.array(spoken.arkit)
    arkit[20:120, spoken.arkit_names.index("jawOpen")] = 1.0
    loud = dialled(replace(spoken, arkit=arkit), Dials(style=0.0, jaw=2.0))
    (finding,) = [each for each in checked(seen_take(loud, "Ada", "all")) if each.check == "clipping"]
    assert "jawOpen" in finding.sentence


def test_a_face_that_freezes(face):
    rows = slice(face.lines[1].last - 10, face.lines[2].first + 20)
    still = {name: np.array(getattr(face, name), np.float32) for name in ("opening", "width", "lids", "gaze", "head")}
    for course in still.values():
        course[rows] = course[rows.start]
    findings = [finding for finding in checked(replace(face, **still)) if finding.check == "frozen"]
    assert len(findings) == 1
    assert findings[0].value == pytest.approx((rows.stop - rows.start) / FPS, abs=0.2)
    assert "between its lines" in findings[0].sentence


def test_a_face_without_head_and_gaze_is_not_called_frozen(face):
    still = np.zeros_like(face.opening)
    bare = SeenFace("Ada", FPS, opening=still, lids=np.zeros((len(still), 2), np.float32))
    measure = next(each for each in examined(bare).measures if each.check == "frozen")
    assert measure.value is None
    assert measure.remark


def test_a_stare(face):
    (finding,) = only(replace(face, lids=np.zeros_like(face.lids)), "lids")
    assert finding.value == pytest.approx(len(face.lids) / FPS)


def test_eyes_that_look_at_one_point(face):
    gaze = np.array(face.gaze)
    gaze[100:400] = 0.1
    (finding,) = only(replace(face, gaze=gaze), "gaze")
    assert finding.value == pytest.approx(12, abs=0.5)


@pytest.mark.parametrize(("part", "check"), [("lids", "lids"), ("gaze", "gaze")])
def test_missing_parts(face, part, check):
    parts = dict.fromkeys(("lips", "jaw", "lids", "gaze", "brows", "head"), "a bone") | {part: ""}
    (finding,) = only(replace(face, parts=parts), check)
    assert "Nothing" in finding.sentence
    assert not checked(replace(face, parts=parts), Limits().without(check))


def test_a_character_without_a_mouth(face):
    only(replace(face, opening=None, width=None, parts={"head": "a bone", "lids": "x", "gaze": "x"}), "weak")


def test_channels_that_move_nothing(face):
    (finding,) = only(replace(face, unmoved={"smile": "it is muted", "grin": ""}), "dead")
    assert finding.value == 2
    assert "smile (it is muted)" in finding.sentence


def test_lines_over_each_other(face):
    first, second, *others = face.lines
    lines = (first, replace(second, first=first.last - 24), *others)
    findings = [finding for finding in checked(replace(face, lines=lines)) if finding.check == "overlap"]
    assert len(findings) == 1
    assert findings[0].value == pytest.approx(1.0)
    touching = (first, replace(second, first=first.last), *others)
    assert "overlap" not in names(replace(face, lines=touching))


def test_a_limit_that_is_none_leaves_the_check_out(face):
    late = replace(face, opening=shifted(face.opening, 5))
    examination = examined(late, Limits().without("sync"))
    assert "sync" not in {measure.check for measure in examination.measures}
    assert "sync" not in {finding.check for finding in examination.findings}
    assert names(late, Limits(sync=500.0)) == []


def test_checks_that_are_left_out_explain_nothing(take):
    seen = seen_take(take, "Ada", "all")
    at = np.arange(len(take)) * 1.004
    drifting = replace(seen, opening=np.interp(at, np.arange(len(take)), seen.opening).astype(np.float32))
    assert names(drifting) == ["drift"]
    values = {measure.check: measure.value for measure in examined(drifting, Limits().without("drift")).measures}
    assert values["sync"] is not None
    assert values["follows"] is not None
    weak = replace(seen, opening=shifted(seen.opening, 4) * 0.1)
    assert names(weak, Limits().without("weak")) == ["sync"]


def test_what_is_not_known_is_not_judged(face):
    without = examined(replace(face, expected=None, speech=None))
    unjudged = {measure.check for measure in without.measures if measure.value is None}
    of_sound = {"sync", "drift", "follows", "weak", "moves_in_silence", "open_at_rest"}
    assert unjudged == of_sound | {"bilabials", "labiodentals"}
    assert all(measure.remark for measure in without.measures if measure.value is None)
    assert not without.findings


def test_loudness_tells_where_nothing_is_said(face, pause):
    loudness = np.where(face.speech > 0.5, -6.0, -120.0).astype(np.float32)
    wave = 0.08 * (1 - np.cos(2 * np.pi * 3 * np.arange(pause.stop - pause.start) / FPS))
    seen = replace(face, speech=None, loudness=loudness, opening=changed(face.opening, pause, wave))
    assert names(seen) == ["moves_in_silence"]


def test_rows_without_a_face_are_passed_over(face):
    gone = {name: np.array(getattr(face, name), np.float32) for name in ("opening", "width", "lids", "gaze", "head")}
    for course in gone.values():
        course[400:460] = np.nan
    assert not checked(replace(face, **gone))


@pytest.mark.parametrize("rows", [0, 1, 2, 5, 20])
def test_faces_of_few_frames_or_none(rows):
    zeros = np.zeros(rows, np.float32)
    seen = SeenFace(
        "Ada",
        FPS,
        opening=zeros,
        width=zeros,
        lids=np.zeros((rows, 2), np.float32),
        gaze=np.zeros((rows, 2), np.float32),
        head=np.zeros((rows, 3), np.float32),
        speech=zeros,
        expected=zeros,
        lines=(LineSpan("line", 0, max(rows - 1, 0)), LineSpan("beyond", 50, 90)),
        clipped={"jawOpen": np.zeros(rows, bool)},
    )
    assert not checked(seen)
    assert not checked(SeenFace("Nobody", FPS))


def test_lags_of_known_shifts(rng):
    course = np.convolve(rng.standard_normal(500), np.hanning(9), "same").astype(np.float32)
    for shift in (-8, 0, 5):
        lag = lag_of(shifted(course, shift), course, 20, 400, FPS)
        assert lag.seconds == pytest.approx(shift / FPS, abs=0.004)
        assert lag.correlation > 0.99
    assert lag_of(shifted(course, 30), course, 40, 400, FPS, reach=1.5).seconds == pytest.approx(1.2, abs=0.004)
    assert lag_of(np.zeros(500, np.float32), course, 0, 499, FPS) is None
    assert lag_of(course, course, 0, 5, FPS) is None


def test_no_look_goes_on_where_no_face_is_seen(face):
    nobody = np.full_like(face.gaze, np.nan)
    assert "gaze" not in names(replace(face, gaze=nobody))
    away = np.zeros_like(face.gaze)
    away[200:600] = np.nan  # sixteen seconds of something else, and eight before it
    assert not [each for each in checked(replace(face, gaze=away)) if each.check == "gaze" and each.begin < 12]
    still = next(each for each in checked(replace(face, gaze=np.zeros_like(face.gaze))) if each.check == "gaze")
    assert still.value == pytest.approx(len(face.gaze) / FPS)


def test_steps_between_few_frames_a_second_are_not_judged(face):
    slow = replace(face, fps=5.0)
    measures = {each.check: each for each in examined(slow).measures}
    assert measures["jump"].value is measures["jitter"].value is None
    assert "too few frames a second" in measures["jump"].remark and measures["frozen"].value is not None
