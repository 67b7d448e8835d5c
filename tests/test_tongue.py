"""The tongue: poses from phones, its dial, and what shows of it in ARKit's weights, shape keys and bones."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from mouthpiece.curves import FrameGrid
from mouthpiece.errors import RigError
from mouthpiece.motion import tongue
from mouthpiece.motion.chart.charts import named_chart
from mouthpiece.motion.chart.cues import cue_track, tongue_seen
from mouthpiece.motion.chart.visemes import VISEMES, viseme_weights
from mouthpiece.motion.dials import Dials, apply, dialled
from mouthpiece.motion.interludes import interlude
from mouthpiece.motion.shapes import landmark_shapes
from mouthpiece.motion.smooth import lowpass
from mouthpiece.performance import Performance
from mouthpiece.phones.inventory import CONSONANTS, PHONE_INDEX, PHONES, VOWELS
from mouthpiece.phones.speech import POSTERIOR_RATE, Segment, Speech
from mouthpiece.phones.tracks import phone_track
from mouthpiece.pipeline import Networks
from mouthpiece.retarget.bones.controls import face_motion
from mouthpiece.retarget.drawing.face import DrawnFace, follow, template
from mouthpiece.retarget.drawing.strokes import Bound, DrawnPuppet, FacePart
from mouthpiece.retarget.made_shapes.tongue import NAMES, tongue_shapes
from mouthpiece.retarget.shape_keys import drivers
from mouthpiece.retarget.shape_keys.curves import shape_curves
from mouthpiece.retarget.shape_keys.matching import detect
from mouthpiece.topology import ARKIT_INDEX, ARKIT_NAMES, TONGUE_POSES

from training.measures.tongue import CLASSES, judged

TIP, BODY, FORWARD, OUT, CURL, WIDE = range(6)
#: Seconds of silence before and after what is said here.
AROUND = 0.4


def said(phones: str, each: float = 0.08) -> Speech:
    """Return speech of these phones, each so many seconds long, vowels half as long again."""
    now, found = AROUND, []
    for phone in phones.split():
        long = each * (1.5 if phone in VOWELS else 1.0)
        found.append(Segment(phone, now, now + long, 0.9))
        now += long
    return Speech(phones=tuple(found))


def posed(speech: Speech, phone: str) -> np.ndarray:
    """Return the tongue's pose (6,) in the middle of the first of these phones."""
    segment = next(one for one in speech.phones if one.label == phone)
    return tongue.curves(speech, np.array([(segment.start + segment.stop) / 2]))[0]


@cache
def neutral_face() -> np.ndarray:
    """Return the resting face (68, 3) of the supplied networks."""
    return Networks.find(None).content.sidecar.neutral_face()


def take(speech: Speech, fps: float = 50.0, jaw: float = 0.25) -> Performance:
    """Return a take in which the jaw stays open by ``jaw``, for vowels twice as far."""
    times = np.arange(int((speech.phones[-1].stop + AROUND) * fps)) / fps
    vowels = phone_track(speech, times)[:, [PHONE_INDEX[vowel] for vowel in VOWELS]].sum(axis=1)
    weights = lowpass(jaw * (1 + (vowels > 0.3)), 6.0, fps).astype(np.float32)
    count, column = len(times), ARKIT_INDEX["jawOpen"]
    arkit = np.zeros((count, 52), np.float32)
    arkit[:, column] = weights
    return Performance(
        landmarks=neutral_face() + weights[:, None, None] * landmark_shapes()[column], neutral=neutral_face(),
        arkit=arkit, head=np.zeros((count, 6)), gaze=np.zeros((count, 2)), blink=np.zeros((count, 2)),
        activity=np.ones(count), fps=fps, speech=speech, tongue=tongue.curves(speech, times),
    )  # fmt: skip


@pytest.mark.parametrize("vowel", ["ɑ", "i", "u", "ə"])
@pytest.mark.parametrize("phone", ["t", "d", "n", "l", "ɾ", "k", "ɡ", "ŋ", "θ", "ð", "ɹ", "s", "ʃ", "j"])
def test_each_consonant_does_what_makes_it_what_it_is_between_any_vowels(phone, vowel):
    pose = posed(said(f"{vowel} {phone} {vowel}"), phone)
    if phone in "tdnlɾ":
        assert pose[TIP] > 0.7 and pose[OUT] < 0.05
    elif phone in "kɡŋ":
        assert pose[BODY] > 0.5 and pose[TIP] < 0.1
    elif phone in "θð":
        assert pose[OUT] > 0.45 and pose[FORWARD] > 0.2
    elif phone == "ɹ":
        assert pose[CURL] > 0.5
    elif phone == "j":
        assert pose[BODY] > 0.3 and pose[FORWARD] > 0
    else:
        assert pose[TIP] > 0.3 and pose[OUT] < 0.05


def test_vowels_go_where_the_vowel_chart_has_them():
    high, low, back = (posed(said(f"h {phone} h", 0.14), phone) for phone in ("i", "ɑ", "u"))
    assert high[BODY] > 0.5 and high[FORWARD] > 0.5
    assert low[BODY] < -0.5 and low[FORWARD] < 0
    assert back[BODY] > 0.4 and back[FORWARD] < -0.4


def test_l_is_narrow_and_t_is_not():
    assert posed(said("ɑ l ɑ"), "l")[WIDE] < -0.3 < 0 < posed(said("ɑ t ɑ"), "t")[WIDE]


def test_lips_leave_the_tongue_to_the_vowels():
    between = posed(said("i b i"), "b")
    assert between[BODY] > 0.5 and between[FORWARD] > 0.5
    assert posed(said("ɑ b ɑ"), "b")[BODY] < -0.5


def test_a_consonant_that_resists_more_yields_less_to_its_vowel():
    def yielded(phone: str) -> float:
        return abs(posed(said(f"i {phone} i"), phone)[BODY] - posed(said(f"ɑ {phone} ɑ"), phone)[BODY])

    assert yielded("ʃ") < yielded("s") < yielded("t") < yielded("b")
    assert yielded("ɲ") < yielded("l")


def test_diphthongs_glide_and_affricates_are_two():
    speech = said("h aɪ h", 0.2)
    start, stop = speech.phones[1].start, speech.phones[1].stop
    first, last = tongue.curves(speech, np.array([start + 0.03, stop - 0.03]))
    assert first[BODY] < -0.5 and last[BODY] > 0.2
    speech = said("ɑ t͡ʃ ɑ", 0.12)
    start, stop = speech.phones[1].start, speech.phones[1].stop
    first, last = tongue.curves(speech, np.array([start + 0.02, stop - 0.03]))
    assert first[TIP] > last[TIP] + 0.15 and last[BODY] > first[BODY]


def test_it_comes_before_its_sound_and_rests_in_silence():
    speech = said("ɑ t ɑ")
    begin = speech.phones[1].start
    before, at = tongue.curves(speech, np.array([begin - 0.03, begin]))
    assert before[TIP] > -0.1 and at[TIP] > 0.35
    ends = tongue.curves(speech, np.array([0.0, speech.phones[-1].stop + AROUND]))
    assert np.abs(ends).max() < 0.02
    long_after = tongue.curves(said("n t"), np.array([30.0]))
    assert not np.abs(long_after).max() > 1e-6


def test_no_jump_at_any_rate_and_no_value_beyond_its_limits():
    rng = np.random.default_rng(3)
    speech = said(" ".join(rng.choice([*VOWELS, *CONSONANTS], 120)), 0.06)
    times = np.arange(0, speech.phones[-1].stop + AROUND, 1 / 240)
    curves = tongue.curves(speech, times)
    assert np.abs(np.diff(curves, axis=0)).max() * 240 < 25  # all the way in no less than 40 ms
    assert curves.min() >= -1 and curves.max() <= 1 and curves[:, OUT].min() >= 0
    slow = tongue.curves(speech, times[::10])
    np.testing.assert_allclose(slow, curves[::10], atol=1e-5)


def test_posteriors_and_segments_say_the_same():
    speech = said("n ɑ t", 0.1)
    rows = np.zeros((60, len(PHONES)), np.float32)
    for row in range(60):
        label = next((one.label for one in speech.phones if one.start <= (row + 0.5) / 50 < one.stop), "")
        rows[row, PHONE_INDEX[label]] = 1
    heard = Speech(posteriors=rows)
    times = np.arange(0, 1.0, 0.02)
    assert np.abs(tongue.curves(heard, times) - tongue.curves(speech, times)).mean() < 0.05
    np.testing.assert_allclose(phone_track(heard, np.array([-1.0, 99.0]))[:, 0], 1)


def test_nothing_is_known_of_a_take_without_phones():
    assert not tongue.curves(Speech(), np.arange(5) / 25).any()
    assert tongue.curves(said("t"), np.zeros(0)).shape == (0, 6)
    odd = Speech(phones=(Segment("no phone", 0.1, 0.3, 1.0), Segment("t", 0.5, 0.5, 0.0)))
    assert np.isfinite(tongue.curves(odd, np.arange(50) / 50)).all()
    assert phone_track(Speech(), np.array([0.5]))[0, 0] == 1
    assert POSTERIOR_RATE == 50


def test_every_phone_has_targets_within_limits_and_resistance():
    assert np.abs(tongue.TARGETS).max() <= 1 and tongue.TARGETS[:, OUT].min() >= 0
    assert tongue.TARGETS.shape == tongue.RESISTANCES.shape == (len(PHONES), len(TONGUE_POSES))
    assert (tongue.RESISTANCES >= 0).all()


# --- in a take


def test_tongue_out_shows_between_teeth_that_are_apart():
    speech = said("ɑ θ ɑ")
    at = round((speech.phones[1].start + speech.phones[1].stop) / 2 * 50)
    column = ARKIT_INDEX["tongueOut"]
    shown = take(speech).final().arkit[:, column]
    assert 0.2 < shown[at] < 0.6 and shown[:5].max() < 0.01
    assert take(speech, jaw=0.0).final().arkit[:, column].max() == 0
    assert take(said("ɑ t ɑ")).final().arkit[:, column].max() < 0.05


def test_final_is_final():
    final = take(said("θ ɑ")).final()
    assert final.final() is final
    still = take(said("m"))
    assert not still.tongue.any() or still.final() is not None
    quiet = replace(still, tongue=np.zeros_like(still.tongue))
    assert quiet.final() is quiet


def test_the_dial_scales_the_tongue_and_nothing_else():
    whole = take(said("ɑ t ɑ θ ɑ"))
    half, none = (dialled(whole, Dials(tongue=amount)).final() for amount in (0.5, 0.0))
    np.testing.assert_allclose(half.tongue, 0.5 * whole.tongue, atol=1e-6)
    assert not none.tongue.any()
    np.testing.assert_allclose(half.landmarks, whole.landmarks, atol=1e-5)
    double = dialled(whole, Dials(tongue=2.0)).final().tongue
    assert np.abs(double).max() == 1.0


def test_an_offset_moves_the_tongue_along():
    whole = take(said("ɑ t ɑ"))
    later = apply(whole, Dials(offset=0.2)).tongue
    np.testing.assert_allclose(later[10:], whole.tongue[:-10], atol=1e-5)


def test_between_lines_the_tongue_goes_to_rest():
    spoken = take(said("ɑ t"))
    at = round(spoken.speech.phones[-1].stop * 50)
    rows = {
        name: getattr(spoken, name)[at - 2 : at + 1]
        for name in ("landmarks", "arkit", "head", "gaze", "blink", "activity", "tongue", "style", "style_head")
    }
    before = replace(spoken, **rows)
    assert before.tongue[-1, TIP] > 0.3
    still = take(Speech(phones=(Segment("m", 0.1, 1.0, 1.0),)), jaw=0.0)
    still = replace(still, tongue=np.zeros_like(still.tongue), speech=Speech())
    silent = interlude(still, before, None, 1.0)
    assert 0.05 < silent.tongue[0, TIP] < before.tongue[-1, TIP] + 0.05 and not silent.tongue[20:].any()


# --- on rigs

AUDIO2FACE = [
    "tongueTipUp", "tongueTipDown", "tongueTipLeft", "tongueTipRight", "tongueRollUp", "tongueRollDown",
    "tongueRollLeft", "tongueRollRight", "tongueUp", "tongueDown", "tongueLeft", "tongueRight", "tongueIn",
    "tongueStretch", "tongueWide", "tongueNarrow",
]  # fmt: skip
CC4 = (
    "Jaw_Open Mouth_Close Mouth_Pucker_Up_L Mouth_Pucker_Up_R Mouth_L Mouth_R Mouth_Shrug_Upper Mouth_Smile_L "
    "Mouth_Smile_R Tongue_Out Tongue_In Tongue_Up Tongue_Down Tongue_Mid_Up Tongue_Tip_Up Tongue_Tip_Down "
    "Tongue_Narrow Tongue_Wide Tongue_Roll Tongue_L Tongue_R Tongue_Tip_L Tongue_Tip_R Tongue_Twist_L Tongue_Bulge_L "
    "Tongue_Extend Tongue_Enlarge"
).split()
ACCULIPS = (
    "V_Open V_Explosive V_Dental_Lip V_Tight_O V_Tight V_Wide V_Affricate V_Lip_Open V_Tongue_up V_Tongue_Raise "
    "V_Tongue_Out V_Tongue_Narrow V_Tongue_Lower V_Tongue_Curl_U V_Tongue_Curl_D"
).split()
METAHUMAN = [
    *(f"CTRL_expressions_{name}" for name in (
        "jawOpen", "jawFwd", "jawLeft", "jawRight", "mouthLeft", "mouthRight", "mouthFunnelUL", "tongueUp",
        "tongueDown", "tongueOut", "tongueIn", "tongueTipUp", "tongueTipDown", "tongueBendUp", "tongueBendDown",
        "tongueWide", "tongueNarrow", "tonguePress", "tongueRoll", "tongueThick")),
]  # fmt: skip
#: Rig -> its keys, and the key that must show at t, at k and at θ.
RIGS = {
    "Audio2Face": ([*ARKIT_NAMES, *AUDIO2FACE], "tongueTipUp", "tongueUp", "tongueOut"),
    "Character Creator 4": (CC4, "Tongue_Tip_Up", "Tongue_Mid_Up", "Tongue_Out"),
    "AccuLips": (ACCULIPS, "V_Tongue_up", "V_Tongue_Raise", "V_Tongue_Out"),
    "MetaHuman": (
        METAHUMAN, "CTRL_expressions_tongueTipUp", "CTRL_expressions_tonguePress", "CTRL_expressions_tongueOut",
    ),
}  # fmt: skip


@pytest.mark.parametrize("rig", RIGS)
def test_rigs_with_a_tongue_show_it(rig):
    names, tip, back, out = RIGS[rig]
    table = detect(names)
    layers = {entry.key: entry.layer for entry in table.entries}
    assert layers[tip] == layers[back] == layers[out] == "tongue"
    speech = said("ɑ t ɑ k ɑ θ ɑ")
    curves, clamped = shape_curves(take(speech), table, FrameGrid.covering(2.0, 50.0, 0.0))
    at = {one.label: round((one.start + one.stop) / 2 * 50) for one in speech.phones if one.label in "tkθ"}
    assert curves[tip][at["t"]] > 0.7 and curves[tip][at["k"]] < 0.1
    assert curves[back][at["k"]] > 0.5 and curves[back][at["t"]] < 0.2
    assert curves[out][at["θ"]] > 0.2 and curves[out][at["t"]] < 0.05
    assert not [key for key in clamped if "ongue" in key]


def test_a_mouth_keeps_its_family_when_its_tongue_has_another():
    table = detect([*ARKIT_NAMES, *AUDIO2FACE])
    assert set(table.families) == {"ARKit", "Audio2Face tongue"}
    assert {"tongueLeft", "tongueTipLeft", "tongueRollRight"} <= set(table.unused)
    assert not table.missing


def test_takes_without_phones_show_the_tongue_their_visemes_tell_of():
    speech = said("ɑ t ɑ")
    old = replace(take(speech), speech=Speech(), tongue=np.zeros_like(take(speech).tongue))
    poses = drivers.tongue_poses(old)
    assert poses.shape == (len(old), 6) and poses.any()
    np.testing.assert_array_equal(drivers.tongue_poses(take(speech)), take(speech).tongue)


def test_bones_follow_the_tongue_upwards_and_forwards():
    speech = said("ɑ t ɑ k ɑ θ ɑ")
    motion = face_motion(take(speech), FrameGrid.covering(2.0, 50.0, 0.0))
    at = {one.label: round((one.start + one.stop) / 2 * 50) for one in speech.phones if one.label in "tkθ"}
    assert motion.moves["tongue_tip"][at["t"], 1] < -0.08  # y points down
    assert motion.moves["tongue_back"][at["k"], 1] < -0.04
    assert motion.moves["tongue_tip"][at["θ"], 2] < -0.1  # z points away from the camera
    assert motion.turns["tongue_point"][at["t"], 0] < -0.2 and motion.turns["tongue_base"][at["k"], 0] < -0.15
    assert motion.numbers["tongue.out"][at["θ"]] > 0.5
    assert not motion.moves["tongue_tip"][0].any()


# --- shapes by geometry


def bar() -> np.ndarray:
    """Return the points (N, 3) of a tongue 6 long, 2 wide, 1 high, its tip at -y."""
    y, x, z = np.meshgrid(np.linspace(-6, 0, 13), np.linspace(-1, 1, 5), np.linspace(0, 1, 3), indexing="ij")
    return np.stack([x.ravel(), y.ravel(), z.ravel()], axis=1)


def test_made_shapes_do_what_they_are_called():
    rest = bar()
    shapes = tongue_shapes(rest, np.array([0.0, -1.0, 0.0]), np.array([0.0, 0.0, 1.0]))
    assert tuple(shapes) == NAMES
    tip, root = rest[:, 1] < -5.9, rest[:, 1] > -0.1
    middle = np.abs(rest[:, 1] + 2.8) < 0.5
    assert shapes["tongueTipUp"][tip, 2].mean() > 1 > 0 > shapes["tongueTipDown"][tip, 2].mean()
    assert shapes["tongueUp"][middle, 2].min() > 1 and shapes["tongueDown"][middle, 2].max() < -0.4
    assert abs(shapes["tongueUp"][tip, 2]).max() < 0.1
    assert shapes["tongueStretch"][tip, 1].max() < -1.5 and shapes["tongueIn"][tip, 1].min() > 0.5
    assert shapes["tongueOut"][tip, 1].max() < shapes["tongueStretch"][tip, 1].max()
    curled = rest + shapes["tongueRollUp"]
    assert curled[tip, 1].mean() > -4.5 and curled[tip, 2].mean() > 1.5
    assert np.ptp((rest + shapes["tongueWide"])[tip, 0]) > 2.2 and np.ptp((rest + shapes["tongueNarrow"])[tip, 0]) < 1.8
    for name in NAMES:
        assert np.abs(shapes[name][root]).max() < 0.1, name


def test_made_shapes_turn_with_the_head_and_keep_the_length_of_a_bent_tongue():
    rest = bar()
    turned = rest[:, [1, 0, 2]] * (-1, 1, 1)
    one = tongue_shapes(rest, np.array([0.0, -1.0, 0.0]), np.array([0.0, 0.0, 2.0]))
    other = tongue_shapes(turned, np.array([3.0, 0.0, 0.0]), np.array([0.0, 0.0, 1.0]))
    np.testing.assert_allclose(other["tongueTipUp"], one["tongueTipUp"][:, [1, 0, 2]] * (-1, 1, 1), atol=1e-9)
    line = (rest + one["tongueTipUp"])[(rest[:, 0] == 0) & (rest[:, 2] == 0.5)]
    assert np.linalg.norm(np.diff(line, axis=0), axis=1).sum() == pytest.approx(6, rel=0.02)


@pytest.mark.parametrize("points", [np.zeros((3, 3)), np.zeros((20, 3)), np.full((20, 3), np.nan)])
def test_what_is_no_tongue_is_refused(points):
    with pytest.raises(RigError, match="without length"):
        tongue_shapes(points, np.array([0.0, -1.0, 0.0]), np.array([0.0, 0.0, 1.0]))


# --- visemes and drawn mouths


def test_visemes_are_given_at_the_phones_that_the_lips_hardly_show():
    speech = said("ɑ θ ɑ k ɑ l ɑ ɹ ɑ t ɑ s ɑ", 0.1)
    shown = viseme_weights(take(speech))
    for phone, viseme in {"θ": "TH", "k": "kk", "l": "nn", "ɹ": "RR", "t": "DD", "s": "SS", "ɑ": "aa"}.items():
        middles = [round((one.start + one.stop) / 2 * 50) for one in speech.phones if one.label == phone]
        assert all(shown[at].argmax() == VISEMES.index(viseme) for at in middles), phone
    np.testing.assert_allclose(shown.sum(axis=1), 1, atol=1e-5)


def test_lips_that_meet_stay_shut_whatever_phone_is_heard():
    speech = said("ɑ θ ɑ", 0.1)
    shown = viseme_weights(take(speech, jaw=0.0))
    at = round((speech.phones[1].start + speech.phones[1].stop) / 2 * 50)
    assert shown[at, VISEMES.index("TH")] < 0.1


@pytest.mark.parametrize(("chart", "shape"), [("blair", "L"), ("rhubarb", "H"), ("oculus", "nn"), ("blair-12", "L")])
def test_charts_show_the_mouth_with_a_raised_tongue_at_l(chart, shape):
    speech = said("ɑ l ɑ n ɑ", 0.16)
    track = cue_track(take(speech), named_chart(chart))
    shown = [track.shapes[np.searchsorted(track.starts, (one.start + one.stop) / 2) - 1] for one in speech.phones]
    assert shown[1] == shape
    bitten = cue_track(take(said("ɑ θ ɑ", 0.16)), named_chart("oculus"))
    assert "TH" in bitten.shapes
    assert shape not in cue_track(take(said("ɑ v ɑ", 0.16)), named_chart(chart)).shapes


def test_a_chart_without_a_tongue_is_left_as_it_is():
    chart = named_chart("simple")
    assert chart.licked("nn") == chart.licked("TH") == ()
    assert tongue_seen(take(said("ɑ l ɑ")), chart) == []


def test_the_measure_counts_what_is_right_and_tells_it_from_chance():
    speech = said("ɑ t ɑ k ɑ θ ɑ i u i")
    times = np.arange(0, speech.phones[-1].stop + AROUND, 1 / 50)
    moved = judged(speech.phones, tongue.curves(speech, times), 50.0)
    assert [moved[name][:2] for name in CLASSES] == [(1, 1), (1, 1), (1, 1)]
    assert all(moved[name][2] < 0.6 for name in CLASSES)
    still = judged(speech.phones, np.zeros((len(times), 6), np.float32), 50.0)
    assert all(still[name][0] == 0 and still[name][2] == 0 for name in CLASSES)
    assert judged((), np.zeros((5, 6), np.float32), 25.0)["t d n l"] == (0, 0, 0.0)


def test_portraits_and_drawings_raise_what_is_seen_of_it():
    poses = np.zeros((5, 6))
    poses[1, TIP], poses[2, BODY], poses[3, OUT], poses[4, [TIP, BODY]] = 1, 1, 0.9, -1
    seen = tongue.raised(poses)
    assert seen[0] == seen[4] == 0 and seen[1] == 1 and 0 < seen[2] < 1 and seen[3] > 0.8


def test_a_drawn_tongue_goes_with_the_jaw_and_rises_from_there():
    speech = said("ɑ t ɑ")
    spoken, times = take(speech), np.array([0.0, (speech.phones[1].start + speech.phones[1].stop) / 2])
    face = DrawnFace.of(template(neutral_face(), np.zeros(2), np.ones(2)), neutral_face())
    motion = follow(face, spoken, times)
    down = face.axes[:, 1]
    assert motion.tongue[0] @ down == pytest.approx(motion.jaw[0] @ down)
    assert motion.tongue[1] @ down < motion.jaw[1] @ down - 0.03 * face.unit
    row = np.array([[0.48, 0.4], [0.52, 0.4]])
    middle = face.landmarks[[62, 66]].mean(axis=0)
    moved = {
        part: Bound.of(DrawnPuppet.of(face), row - row.mean(axis=0) + middle, np.array([0]), part).moved(motion)
        for part in (FacePart.TONGUE, FacePart.LOWER)
    }
    assert (moved[FacePart.TONGUE][1] @ down).mean() < (moved[FacePart.LOWER][1] @ down).mean()
    np.testing.assert_allclose(moved[FacePart.TONGUE][0], moved[FacePart.LOWER][0])
