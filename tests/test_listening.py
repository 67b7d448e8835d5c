"""Who looks at whom: shifts of gaze in time, nods in pauses, limits, amounts, and no jump anywhere."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from mouthpiece.errors import TakeError, UnreadableError
from mouthpiece.motion import eyes, listening
from mouthpiece.motion.dials import Dials
from mouthpiece.motion.listening import Amount, Bearing, Regard, SpeakingTurn, Surroundings
from mouthpiece.performance import Performance, rotation_matrices

FPS = 25.0
SEEDS = range(1, 13)
#: Ada sits to the left of the picture of whoever is asked, Ben to its right.
PLACES = {"Ada": Bearing((0.0,), (-0.6,), (0.05,)), "Ben": Bearing((0.0,), (0.5,), (-0.05,))}


def turn(who, first, last, to="", pauses=()):
    """Return a turn with phrases between its ``pauses``, pairs of seconds."""
    cuts = [first, *(second for pause in pauses for second in pause), last]
    return SpeakingTurn(who, first, last, to, tuple(zip(cuts[::2], cuts[1::2], strict=True)))


#: Ada and Ben speak in turn; nobody does from second 40 to 60.
TURNS = (
    turn("Ada", 2.0, 12.0, pauses=((6.0, 7.2),)),
    turn("Ben", 13.0, 24.0, pauses=((17.0, 18.0), (20.5, 21.5))),
    turn("Ada", 25.0, 40.0, pauses=((29.0, 30.0), (34.0, 35.5))),
    turn("Ben", 60.0, 70.0),
)
AROUND = Surroundings(TURNS, PLACES)


def regard(around=AROUND, own=(), amounts=(), seed=7, span=(0.0, 75.0)):
    return listening.regard(around, own, amounts, seed, span)


def times(first, last, fps=FPS):
    return np.arange(round(first * fps), round(last * fps)) / fps


def looked_at(found, name, seconds):
    """Return for each second whether somebody is looked at, within three degrees."""
    goal = PLACES[name].at(0.0)
    seen = found.track("eyes", seconds)
    return np.hypot(*(seen - goal).T) < np.radians(3)


def face(count=250, fps=FPS):
    """Return a face at rest."""
    neutral = np.random.default_rng(1).uniform(-0.5, 0.5, (68, 3)).astype(np.float32)
    pair = np.zeros((count, 2), np.float32)
    return Performance(
        np.repeat(neutral[None], count, axis=0), neutral, np.zeros((count, 52), np.float32),
        np.zeros((count, 6), np.float32), pair, pair, np.zeros(count, np.float32), fps,
    )  # fmt: skip


def test_listeners_look_at_who_speaks_most_of_the_time():
    shares = []
    for seed in SEEDS:
        found = regard(seed=seed)
        shares += [looked_at(found, one.who, times(one.first + 0.8, one.last)).mean() for one in TURNS]
    assert 0.6 < np.mean(shares) < 0.95
    assert np.mean(np.array(shares) > 0.4) > 0.9


def test_gaze_shifts_within_six_tenths_of_a_second_or_before():
    late = []
    for seed in range(60):
        found = regard(seed=seed)
        for one in TURNS[1:3]:
            seconds = times(one.first - 0.3, one.first + 1.5)
            there = looked_at(found, one.who, seconds)
            if not there[0]:
                late.append(seconds[there].min(initial=np.inf) - one.first)
    assert 0.2 < np.median(late) < 0.6
    assert 0.1 < np.mean(np.array(late) < 0.15) < 0.5  # some foresee it
    assert np.mean(np.array(late) < 0.7) > 0.9  # a glance elsewhere may come between


def test_nobody_stares():
    for seed in SEEDS:
        moves = [move for move in regard(seed=seed).moves if move.track == "eyes" and 2 < move.begin < 40]
        begins = np.array([2.0, *(move.begin for move in moves), 40.0])
        assert np.diff(begins).max() < 14
        assert len(moves) >= 6


def test_eyes_go_first_and_the_head_follows_by_part():
    found = regard()
    shift = next(move for move in found.moves if move.track == "eyes" and abs(move.goal[0] + 0.6) < 0.01)
    head = next(move for move in found.moves if move.track == "head" and move.begin >= shift.begin)
    assert 0.02 < head.begin - shift.begin < 0.12
    assert shift.lasts < 0.2 < head.lasts
    assert 0.3 < head.goal[0] / shift.goal[0] < 0.9


@pytest.mark.parametrize("right", [0.9, 1.6, 2.0])
def test_no_neck_breaks(right):
    around = Surroundings(TURNS, {"Ada": Bearing((0.0,), (right,), (0.9,)), "Ben": Bearing((0.0,), (-right,), (-0.9,))})
    found = regard(around)
    seconds = times(0, 75)
    head, seen = found.track("head", seconds), found.track("eyes", seconds)
    assert np.abs(head[:, 0]).max() <= listening.HEAD_LIMITS[0] + 1e-3
    assert np.abs(head[:, 0]).max() > 0.5 * listening.HEAD_LIMITS[0]
    assert np.abs(seen[:, 0]).max() <= listening.HEAD_LIMITS[0] + listening.EYE_LIMITS[0] + 1e-3


def test_who_sits_behind_is_not_looked_at():
    around = Surroundings(TURNS, {"Ada": Bearing((0.0,), (2.8,), (0.0,)), "Ben": Bearing((0.0,), (-2.8,), (0.0,))})
    seen = regard(around).track("eyes", times(0, 75))
    assert np.abs(seen[:, 0]).max() <= listening.EYE_LIMITS[0]


def test_only_what_is_there_moves():
    eyes_only, head_only = regard(replace(AROUND, head=False)), regard(replace(AROUND, eyes=False))
    assert not eyes_only.nods and not [move for move in eyes_only.moves if move.track == "head"]
    assert np.abs(eyes_only.track("eyes", times(0, 75))).max() <= listening.EYE_LIMITS[0] + 1e-6
    assert not head_only.blinks
    seconds = times(4, 5)
    assert head_only.track("head", seconds)[:, 0].min() < -0.5  # the head alone goes all the way


def test_nods_lie_in_pauses_and_are_small():
    speech = [phrase for one in TURNS for phrase in one.phrases]
    count = 0
    for seed in SEEDS:
        for begin, lasts, number, depth in regard(seed=seed).nods:
            end = begin + lasts * number
            assert not [phrase for phrase in speech if begin < phrase[1] and end > phrase[0]]
            assert 1.8 < 1 / lasts < 3 and np.radians(2) < depth < np.radians(6)
            count += 1
    assert 1 < count / len(SEEDS) < 7
    addressed = replace(AROUND, turns=tuple(replace(one, to="me") for one in TURNS))
    bystander = replace(AROUND, turns=tuple(replace(one, to="Ada") for one in TURNS))
    meant, beside = (sum(len(regard(one, seed=seed).nods) for seed in SEEDS) for one in (addressed, bystander))
    assert meant > beside


def test_amounts_of_nothing_switch_everything_off():
    assert not regard(amounts=(Amount(0.0, nods=0.0),)).nods
    off = regard(amounts=(Amount(0.0, attention=0.0),))
    assert off.nods and not off.moves and not off.blinks
    assert regard(amounts=(Amount(0.0, 0.0, 0.0),)).is_idle
    assert regard(replace(AROUND, looks_at="-")).moves == ()
    half, whole = (
        np.mean(
            [looked_at(regard(amounts=(Amount(0.0, amount),), seed=seed), "Ada", times(3, 12)).mean() for seed in SEEDS]
        )
        for amount in (0.4, 1.0)
    )
    assert half < 0.8 * whole
    few, many = (
        [nod for seed in SEEDS for nod in regard(amounts=(Amount(0.0, nods=a),), seed=seed).nods] for a in (0.5, 1.5)
    )
    assert len(few) < len(many)
    assert np.mean([nod[3] for nod in few]) < 0.5 * np.mean([nod[3] for nod in many])


def test_amounts_may_differ_from_line_to_line():
    own = (turn("", 41.0, 45.0),)
    found = regard(own=own, amounts=(Amount(41.0), Amount(41.0, 1.0)))
    later = regard(own=own, amounts=(Amount(0.0), Amount(41.0, 0.0, 0.0)))
    early = times(0, 40)
    for name in ("head", "eyes", "calm"):
        np.testing.assert_array_equal(found.track(name, early), later.track(name, early))
    assert np.abs(later.track("eyes", times(43, 75))).max() == 0
    assert not [nod for nod in later.nods if nod[0] > 41]


def test_another_line_elsewhere_changes_nothing_here():
    more = replace(AROUND, turns=(*TURNS, turn("Ada", 71.0, 74.0)))
    one, other = regard(), regard(more)
    before = times(0, 70.5)
    for name in ("head", "eyes", "calm"):
        np.testing.assert_array_equal(one.track(name, before), other.track(name, before))
    gone = replace(AROUND, turns=TURNS[1:])
    after = times(16, 70)
    for name in ("head", "eyes"):
        near = np.abs(regard(gone).track(name, after) - one.track(name, after)).max(axis=1)
        assert (near < 1e-9).mean() > 0.9


def test_the_same_seed_does_the_same_and_no_two_in_unison():
    assert regard() == regard()
    one, other = regard(seed=1), regard(seed=2)
    assert one != other
    begins = [{move.begin for move in found.moves if move.track == "eyes"} for found in (one, other)]
    assert not begins[0] & begins[1]
    assert not {nod[0] for nod in one.nods} & {nod[0] for nod in other.nods}


def test_speakers_look_at_whom_they_speak_to():
    own = (turn("", 41.0, 52.0, to="Ada"), turn("", 53.5, 58.0, to="Ben"))
    shares = {"Ada": [], "Ben": []}
    for seed in SEEDS:
        found = regard(own=own, seed=seed)
        for one in own:
            shares[one.to].append(looked_at(found, one.to, times(one.first + 1.5, one.last)).mean())
        for one in own:  # a line's own looks are left alone
            assert not found.track("calm", times(one.first, one.last)).any()
    assert min(map(np.mean, shares.values())) > 0.6


def test_who_is_spoken_to_is_guessed_from_who_spoke_before_or_next():
    before, after = turn("", 40.5, 44.0), turn("", 55.0, 59.0)
    found = regard(own=(before, after), seed=3)
    assert looked_at(found, "Ada", times(42.5, 44)).mean() > 0.5
    assert looked_at(found, "Ben", times(57, 59)).mean() > 0.5


def test_many_begin_their_turn_looking_away():
    own = (turn("", 44.0, 52.0, to="Ada"),)
    away = [not looked_at(regard(own=own, seed=seed), "Ada", np.array([44.1])).all() for seed in range(40)]
    assert 0.3 < np.mean(away) < 0.8


def test_an_object_is_looked_at_all_the_time():
    places = {**PLACES, "Lamp": Bearing((0.0,), (0.2,), (-0.3,))}
    found = regard(replace(AROUND, places=places, looks_at="Lamp"))
    seen = found.track("eyes", times(1, 75))
    assert (np.hypot(*(seen - (0.2, -0.3)).T) < np.radians(3)).mean() > 0.6


def test_somebody_who_walks_is_followed():
    seconds = tuple(np.arange(0.0, 76.0).tolist())
    walk = Bearing(seconds, tuple(np.linspace(-0.7, 0.7, 76).tolist()), (0.0,) * 76)
    around = Surroundings((turn("Ada", 2.0, 70.0),), {"Ada": walk})
    now = times(5, 69)
    off = np.abs(regard(around).track("eyes", now)[:, 0] - np.interp(now, seconds, walk.right))
    assert np.median(off) < np.radians(2.5)
    assert listening.HEAD_LIMITS[0] > np.ptp(regard(around).track("head", now)[:, 0]) > 0.3


def test_nothing_jumps():
    own = (turn("", 41.0, 44.0), turn("", 44.5, 50.0))
    for seed in SEEDS:
        found = regard(own=own, seed=seed)
        seconds = np.arange(0, 75, 0.01)
        turned = np.degrees(found.track("head", seconds))
        assert np.abs(np.diff(turned, axis=0)).max() < 2.5  # 250 degrees a second
        assert np.abs(np.diff(turned, 2, axis=0)).max() < 0.35
        assert np.abs(np.diff(found.track("calm", seconds), axis=0)).max() < 0.2


@pytest.mark.parametrize(("first", "last"), [(0.0, 5.0), (9.3, 20.0), (41.0, 44.0), (33.0, 33.4), (60.2, 74.0)])
def test_a_part_is_as_the_whole_was(first, last):
    found = regard(own=(turn("", 41.0, 44.0),))
    part = found.within(first, last, first, 2.0, 1.0)
    again = Regard.of(json.loads(json.dumps(part.saved())))
    assert again == part
    seconds = times(first, last)
    for name in ("head", "eyes", "calm"):
        np.testing.assert_allclose(again.track(name, seconds - first + 2.0), found.track(name, seconds), atol=2e-4)


def test_lines_that_play_faster_look_faster():
    found = regard()
    part = found.within(10.0, 20.0, 10.0, 0.0, 2.0)
    np.testing.assert_allclose(
        part.track("eyes", 2 * (times(10, 20) - 10)), found.track("eyes", times(10, 20)), atol=2e-3
    )


def test_eyes_meet_the_place_whatever_the_head_does():
    found = regard()
    seen = listening.regarded(face(1000), found)
    seconds = times(0, 40)
    turned = rotation_matrices(seen.head[:, :3])
    right, down = seen.gaze.T
    ways = np.stack([np.sin(right) * np.cos(down), np.sin(down), -np.cos(right) * np.cos(down)], axis=1)
    world = np.einsum("tij,tj->ti", turned, ways)
    wanted = found.track("eyes", seconds)
    right, down = np.arctan2(world[:, 0], -world[:, 2]), np.arcsin(np.clip(world[:, 1], -1, 1))
    settled = np.abs(np.diff(wanted, axis=0, prepend=wanted[:1])).max(axis=1) < 1e-6
    off = np.degrees(np.hypot(right - wanted[:, 0], down - wanted[:, 1]))[settled]
    assert np.percentile(off, 90) < 0.5 and off.max() < 18  # at first the eyes are at their limit
    assert np.abs(seen.gaze[:, 0]).max() <= eyes.LOOK_FULL[0] + 1e-6


def test_faces_are_left_alone_where_nothing_is_looked_at():
    still = face(50)
    assert listening.regarded(still, Regard()) is still
    found = regard()
    seen = listening.regarded(face(1000), found)
    idle = times(0, 40) < min([*(move.begin for move in found.moves), *(moment - 0.2 for moment in found.blinks)])
    for name in ("landmarks", "arkit", "head", "gaze", "blink"):
        np.testing.assert_array_equal(getattr(seen, name)[idle], getattr(face(1000), name)[idle])


def test_blinks_go_with_large_shifts_unless_lids_are_shut_already():
    found = next(one for one in (regard(seed=seed) for seed in SEEDS) if one.blinks)
    seen = listening.regarded(face(1875), found)
    shut = seen.blink[:, 0] > 0.5
    assert shut.any()
    runs = np.diff(np.flatnonzero(np.diff(np.concatenate([[0], shut.astype(int), [0]]))))[::2]
    assert runs.max() <= 0.3 * FPS
    closed = replace(face(1875), blink=np.ones((1875, 2), np.float32))
    np.testing.assert_array_equal(listening.regarded(closed, found).blink, closed.blink)


def test_small_looks_are_held_back_while_somebody_is_looked_at():
    wide = replace(face(1000), gaze=np.full((1000, 2), 0.1, np.float32))
    found = regard()
    calm = found.track("calm", times(0, 40))[:, 0]
    seen, still = listening.regarded(wide, found), listening.regarded(face(1000), found)
    left = (seen.gaze - still.gaze)[:, 1]
    held = (calm == 1) & (np.abs(seen.gaze[:, 1]) < 0.4)
    assert left[held].max() < 0.02


def test_phrases_are_what_is_said_without_a_pause():
    activity = np.zeros(250)
    activity[25:50] = activity[53:75] = activity[100:200] = 1.0
    assert listening.phrases(activity, FPS) == ((1.0, 3.0), (4.0, 8.0))
    assert listening.phrases(np.zeros(10), FPS) == ()


def test_what_was_saved_is_read_back_and_what_is_not_is_refused():
    around = replace(AROUND, addressed={"sound": "Ada"}, looks_at="Ben", eyes=False)
    saved = json.loads(json.dumps(around.saved()))
    assert Surroundings.of(saved) == around
    for wrong in (
        None, [], {}, {**saved, "turns": 3}, {**saved, "turns": [{"who": 1}]},
        {**saved, "places": {"Ada": [[0.0], [1.0]]}},
        {**saved, "places": {"Ada": [[1.0, 0.0], [0.0, 0.0], [0.0, 0.0]]}}, {**saved, "places": {"Ada": [[], [], []]}},
        {**saved, "turns": [{**saved["turns"][0], "phrases": [[1]]}]}, {**saved, "addressed": {"sound": 1}},
    ):  # fmt: skip
        with pytest.raises(UnreadableError):
            Surroundings.of(wrong)
    saved = json.loads(json.dumps(regard().saved()))
    for wrong in (
        {}, {**saved, "rests": []}, {**saved, "moves": [["nose", 1, 1, 1]]},
        {**saved, "moves": [["head", 1, -1, 0, 0, 0]]},
        {**saved, "nods": [[1, 0, 1, 1]]}, {**saved, "nods": [[1, 1, 1e6, 1]]}, {**saved, "blinks": ["now"]},
        {**saved, "moves": [[]]}, {**saved, "moves": [["eyes", 1, 1, 1]]},
    ):  # fmt: skip
        with pytest.raises(ValueError):
            Regard.of(wrong)


def test_nobody_to_look_at_and_nobody_who_speaks():
    assert regard(Surroundings()).is_idle
    alone = regard(Surroundings((), PLACES))
    assert not alone.nods and np.abs(alone.track("eyes", times(0, 75))).max() > 0.3  # they look around


def test_attention_and_nods_are_amounts():
    assert Dials.of({"attention": 0.5, "nods": 2.0}).saved() == {"attention": 0.5, "nods": 2.0}
    for wrong in ({"attention": 1.6}, {"nods": -0.1}, {"nods": "much"}):
        with pytest.raises(TakeError):
            Dials.of(wrong)


def test_sixty_lines_take_no_time():
    turns = tuple(
        turn(("Ada", "Ben")[k % 2], 12.0 * k + 1, 12.0 * k + 11, pauses=((12.0 * k + 5, 12.0 * k + 6),))
        for k in range(60)
    )
    found = regard(Surroundings(turns, PLACES), span=(0.0, 720.0))
    assert len(found.moves) > 300 and len(found.nods) > 10
