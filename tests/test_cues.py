from dataclasses import replace
from itertools import pairwise, product

import numpy as np
import pytest
from mouthpiece.errors import MouthpieceError
from mouthpiece.motion.chart import cues
from mouthpiece.motion.chart.charts import chart_from, charts, named_chart
from mouthpiece.motion.chart.cues import Timing, cheapest, choose, closures, cue_track
from mouthpiece.motion.chart.visemes import VISEMES, reading, viseme_weights
from mouthpiece.motion.closures import LOWER

from tests.material import make_take

COUNTS = {
    "simple": 6,
    "rhubarb-basic": 6,
    "rhubarb": 9,
    "blair": 10,
    "blair-12": 12,
    "oculus": 15,
    "fleming-dobbs": 11,
    "cmu": 40,
}


def brute(costs, changes, hold):
    """The least total of all sequences whose inner runs last `hold` cells, by trying every one."""
    count, shapes = costs.shape
    best = np.inf
    for sequence in product(range(shapes), repeat=count):
        edges = [0, *(k for k in range(1, count) if sequence[k] != sequence[k - 1]), count]
        runs = np.diff(edges)
        if len(runs) > 2 and (runs[1:-1] < hold).any():
            continue
        total = sum(costs[k, s] for k, s in enumerate(sequence))
        best = min(best, total + sum(changes[sequence[k - 1], sequence[k]] for k in edges[1:-1]))
    return best


def total(costs, changes, sequence):
    own = costs[np.arange(len(sequence)), sequence].sum()
    return own + sum(changes[a, b] for a, b in pairwise(sequence))


def speaking_take(gaps, spoken, activity=None, fps=25.0):
    """A take that speaks, whose lips are parted by `gaps` (T,) eye distances."""
    count = len(gaps)
    landmarks = np.repeat(spoken.neutral[None], count, axis=0)
    landmarks[:, LOWER, 1] += np.asarray(gaps, np.float32)[:, None]
    landmarks[:, [56, 57, 58], 1] += np.asarray(gaps, np.float32)[:, None]
    return make_take(
        count,
        fps,
        neutral=spoken.neutral,
        landmarks=landmarks,
        arkit=np.zeros((count, 52)),
        activity=np.ones(count) if activity is None else activity,
    )


def test_the_sets_have_the_shapes_they_promise():
    assert {name: len(chart.shapes) for name, chart in charts().items()} == COUNTS
    assert named_chart("rhubarb").names == ("A", "B", "C", "D", "E", "F", "G", "H", "X")
    assert named_chart("oculus").names == VISEMES


@pytest.mark.parametrize("name", COUNTS)
def test_every_viseme_has_a_mouth_and_every_mouth_its_viseme(name):
    chart = charts()[name]
    costs = cues.shape_costs(chart)
    best = costs.argmin(axis=1)
    assert best[0] == chart.rest and best[1] in chart.closed
    if chart.bitten:
        assert best[2] in chart.bitten
    wide, puckered = (chart.shapes[best[VISEMES.index(v)]].visemes for v in ("aa", "ou"))
    assert "aa" in wide and "ou" in puckered
    assert all(np.isclose(chart.affinities()[row].max(), max(s.visemes.values())) for row, s in enumerate(chart.shapes))


def test_a_chart_survives_json():
    for chart in charts().values():
        assert chart_from(chart.saved()) == chart


@pytest.mark.parametrize(
    ("saved", "said"),
    [
        ([], "A mouth chart is"),
        ({"shapes": []}, "2 to"),
        ({"shapes": [{"name": "a", "visemes": {"aa": 1}}] * 2}, "several shapes called a"),
        ({"shapes": [{"name": "a", "visemes": {"ahh": 1}}]}, "unknown visemes: ahh"),
        ({"shapes": [{"name": "a", "visemes": {}}]}, "without a number"),
        ({"shapes": [{"name": "a", "visemes": {"aa": "1"}}]}, "without a number"),
        ({"shapes": [{"name": "a", "visemes": {"aa": 1.5}}]}, "not in 0 to 1"),
        ({"shapes": [{"name": "a b", "visemes": {"aa": 1}}]}, "has a space, or"),
        ({"shapes": [{"name": "a\x01", "visemes": {"aa": 1}}]}, "cannot be seen, in its name"),
        ({"shapes": [{"visemes": {"aa": 1}}]}, "no name"),
    ],
)
def test_what_is_no_chart_is_said_to_be_none(saved, said):
    with pytest.raises(MouthpieceError, match=said):
        chart_from(saved)


def test_a_chart_of_ones_own_is_read_from_a_file(tmp_path):
    path = tmp_path / "mine.json"
    path.write_text('{"shapes": [{"name": "shut", "visemes": {"sil": 1}}, {"name": "open", "visemes": {"aa": 1}}]}')
    chart = named_chart(str(path))
    assert chart.names == ("shut", "open") and chart.closed == (0,) and chart.rest == 0 and not chart.bitten
    path.write_text("{")
    with pytest.raises(MouthpieceError, match="not JSON"):
        named_chart(str(path))
    with pytest.raises(MouthpieceError, match="cannot be read"):
        named_chart(str(tmp_path / "none.json"))
    with pytest.raises(MouthpieceError, match="There is no mouth chart 'moon'"):
        named_chart("moon")


@pytest.mark.parametrize("hold", [1, 2, 3])
def test_the_sequence_is_the_cheapest_there_is(hold, rng):
    for _ in range(6):
        costs, changes = rng.uniform(0, 1, (7, 3)), rng.uniform(0.1, 0.6, (3, 3))
        np.fill_diagonal(changes, 0)
        found = cheapest(costs.astype(np.float32), changes.astype(np.float32), hold)
        assert total(costs, changes, found) == pytest.approx(brute(costs, changes, hold), abs=1e-5)


def test_times_of_frames():
    assert Timing.of_frames(24, 2, 2, 1) == Timing()
    assert [Timing.of_frames(24, on, hold).cells for on, hold in ((1, 2), (2, 2), (3, 2), (1, 5), (2, 5))] == [
        2, 1, 1, 5, 3,
    ]  # fmt: skip
    for wrong in ({"fps": 0}, {"fps": 24, "on": 0}, {"fps": 24, "hold": -1}, {"fps": 24, "lead": 99}):
        with pytest.raises(MouthpieceError):
            Timing.of_frames(**wrong)


@pytest.mark.parametrize("name", COUNTS)
@pytest.mark.parametrize("on", [1, 2, 3])
def test_a_line_is_timed_as_promised(name, on, spoken):
    take = spoken.final()
    track = cue_track(take, charts()[name], Timing.of_frames(24, on))
    assert track.starts[0] == 0 and track.seconds == take.seconds
    assert all(a != b for a, b in pairwise(track.shapes))
    assert min(track.holds[1:-1]) > 2 / 24 - 1e-5
    np.testing.assert_allclose(np.mod(np.array(track.starts) * 24 / on + 0.5, 1), 0.5, atol=1e-3)
    assert 2 < len(track.starts) / take.seconds < 9
    assert len(set(track.shapes)) >= 5


@pytest.mark.parametrize("on", [1, 2, 3])
def test_no_closure_is_left_out(on, spoken):
    take = spoken.final()
    chart, timing = charts()["rhubarb"], Timing.of_frames(24, on)
    starts = np.arange(np.ceil(take.seconds / timing.cell)) * timing.cell
    shown = choose(take, chart, starts, timing)
    met = [one for one in closures(viseme_weights(take), take.fps, chart) if one.shapes == chart.closed]
    assert len(met) >= 5
    for one in met:
        near = (starts < one.stop) & (starts + timing.cell > one.start - timing.lead)
        assert np.isin(shown[near], chart.closed).any(), one


def test_one_frame_of_closed_lips_gets_its_two(spoken):
    gaps = np.full(50, 0.2)
    gaps[25] = 0  # one second in, for 40 ms
    track = cue_track(speaking_take(gaps, spoken), charts()["rhubarb"], Timing.of_frames(24, 1))
    shut = track.shapes.index("A")
    assert track.shapes.count("A") == 1
    assert track.holds[shut] == pytest.approx(2 / 24, abs=1e-5)
    assert track.starts[shut] == pytest.approx(1 - 1 / 24, abs=1.2 / 24)  # a frame early, give or take the cut


def test_a_lead_moves_the_mouths_forward(spoken):
    gaps = np.full(50, 0.2)
    gaps[25] = 0
    take = speaking_take(gaps, spoken)
    late, early = (cue_track(take, charts()["rhubarb"], Timing.of_frames(24, 1, 2, lead)).starts[1] for lead in (0, 2))
    assert late - early == pytest.approx(2 / 24, abs=1e-5)


def test_a_long_vowel_is_one_drawing(spoken):
    rough = 0.2 + 0.02 * np.random.default_rng(3).standard_normal(75)
    track = cue_track(speaking_take(rough, spoken), charts()["rhubarb"], Timing.of_frames(24, 1))
    assert len(track.shapes) == 1 and track.shapes[0] in "BCD"


def test_pauses_rest_and_short_gaps_do_not(spoken):
    gaps, activity = np.full(75, 0.2), np.ones(75)
    gaps[20:50], activity[20:50] = 0, 0
    chart = charts()["rhubarb"]
    track = cue_track(speaking_take(gaps, spoken, activity), chart, Timing.of_frames(24, 2))
    rest = track.shapes.index("X")
    assert track.shapes.count("X") == 1 and track.holds[rest] > 0.7
    gaps, activity = np.full(75, 0.2), np.ones(75)
    gaps[30:33] = 0
    assert "X" not in cue_track(speaking_take(gaps, spoken, activity), chart).shapes


def test_a_jump_passes_by_what_lies_between_where_there_is_room():
    chart = charts()["rhubarb"]
    names = chart.names
    weights = np.zeros((40, 15), np.float32)
    weights[:16, VISEMES.index("PP")] = 1
    weights[24:, VISEMES.index("aa")] = 1
    share = np.linspace(0, 1, 8)
    weights[16:24, VISEMES.index("PP")], weights[16:24, VISEMES.index("aa")] = 1 - share, share
    slow = cues._cell_costs(weights, 25.0, chart, np.arange(38) / 24, Timing.of_frames(24, 1, 2, 0))
    shown = cheapest(slow, cues.change_costs(chart), 2)
    order = [names[k] for k in shown[np.r_[True, shown[1:] != shown[:-1]]]]
    assert order[0] == "A" and order[-1] == "D" and len(order) == 3
    assert reading().prototypes[VISEMES.index("E"), 0] < reading().prototypes[VISEMES.index("aa"), 0]
    sudden = np.zeros((40, 15), np.float32)
    sudden[:20, VISEMES.index("PP")] = 1
    sudden[20:, VISEMES.index("aa")] = 1
    fast = cues._cell_costs(sudden, 25.0, chart, np.arange(38) / 24, Timing.of_frames(24, 1, 2, 0))
    shown = cheapest(fast, cues.change_costs(chart), 2)
    assert [names[k] for k in shown[np.r_[True, shown[1:] != shown[:-1]]]] == ["A", "D"]


def test_opening_far_at_once_costs_more_than_shutting():
    chart = charts()["rhubarb"]
    costs = cues.change_costs(chart)
    a, b, c, d = (chart.names.index(name) for name in "ABCD")
    assert costs[a, d] > costs[a, c] + costs[c, d] and costs[d, a] < costs[a, d] / 2
    assert costs[b, c] == pytest.approx(costs[c, b]) and not costs.diagonal().any()


def test_alike_mouths_do_not_flicker():
    chart = charts()["oculus"]
    weights = np.zeros((50, 15), np.float32)
    for frame in range(50):  # two sounds the lips hardly tell apart, in turn
        weights[frame, VISEMES.index("nn" if frame % 4 < 2 else "TH")] = 0.6
        weights[frame, VISEMES.index("TH" if frame % 4 < 2 else "nn")] = 0.4
    costs = cues._cell_costs(weights, 25.0, chart, np.arange(48) / 24, Timing.of_frames(24, 1))
    shown = cheapest(costs, cues.change_costs(chart), 2)
    assert len(np.unique(shown)) == 1


def test_an_empty_take_has_no_cues():
    with pytest.raises(MouthpieceError, match="no frames"):
        cue_track(make_take(0), charts()["rhubarb"])


def test_one_frame_of_a_take_is_one_mouth(spoken):
    one = replace(
        spoken,
        **{n: getattr(spoken, n)[:1] for n in ("landmarks", "arkit", "head", "gaze", "blink", "activity", "style")},
        style_head=spoken.style_head[:1],
        tongue=spoken.tongue[:1],
    )
    assert len(cue_track(one, charts()["rhubarb"]).shapes) == 1


def required_everywhere(costs, met, starts, timing):
    """What closures cost, with every cell of the take looked at for each."""
    begin = starts + timing.lead
    overlap = np.minimum(met.stop, begin + timing.cell) - np.maximum(met.start, begin)
    best = int(overlap.argmax()) if met.stop > begin[0] else 0
    if overlap[best] <= 0 and not starts[0] < met.stop <= begin[0]:
        return
    cells = np.union1d(np.flatnonzero(overlap >= 0.6 * timing.cell), [best])
    costs[np.ix_(cells, np.setdiff1d(np.arange(costs.shape[1]), met.shapes))] += met.cost


@pytest.mark.parametrize("lead", [-4, 0, 1.5, 4])
def test_what_closures_cost_is_found_near_them(rng, lead):
    timing = Timing.of_frames(24, 2, 2, lead)
    starts = np.arange(100) * timing.cell + 0.37
    near, everywhere = np.zeros((100, 5), np.float32), np.zeros((100, 5), np.float32)
    begins = rng.uniform(-1, 10, 400)
    for begin, length in zip(begins, rng.choice([0.04, 0.08, 0.2, 1.5], 400), strict=True):
        met = cues.Met(begin, begin + length, (int(begin) % 5, 3), 10.0)
        cues._require(near, met, starts, starts + timing.lead, timing.cell)
        required_everywhere(everywhere, met, starts, timing)
    np.testing.assert_array_equal(near, everywhere)
    assert near.any()


def test_a_closure_looks_at_the_cells_around_it_only():
    class Seen(np.ndarray):
        most = 0

        def __add__(self, other):
            Seen.most = max(Seen.most, len(self))
            return np.asarray(self) + other

    starts = np.arange(100_000) / 12
    costs = np.zeros((100_000, 3), np.float32)
    cues._require(costs, cues.Met(4000.0, 4000.2, (0,), 1.0), starts, starts.view(Seen), 1 / 12)
    assert 1 <= np.count_nonzero(costs[:, 1]) <= 3 and Seen.most < 10
