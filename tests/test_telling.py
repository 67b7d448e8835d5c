"""Which frames a contact sheet shows: each where it was put by construction."""

import numpy as np
import pytest
from mouthpiece.performance import Performance
from mouthpiece.topology import ARKIT_INDEX, ARKIT_NAMES

from demo.telling import APART, telling

FPS = 25.0
#: Frame of each event in `take`.
EVENTS = {
    "wide open": 10,
    "lips closed": 20,
    "rounded": 30,
    "blink": 40,
    "spread": 50,
    "head turned": 60,
    "brows up": 70,
    "silence": 95,
}


@pytest.fixture
def take():
    """Return four seconds of speech with one event of each kind, and a silent end."""
    count = 100
    marks = np.zeros((count, 68, 3), np.float32)
    marks[:, 62, 1], marks[:, 66, 1] = -0.05, 0.05
    marks[:, 48, 0], marks[:, 54, 0] = -0.3, 0.3
    marks[10, 66, 1] = 0.4
    marks[20, [62, 66], 1] = 0.0
    marks[50, 54, 0] = 0.5
    arkit = np.zeros((count, len(ARKIT_NAMES)), np.float32)
    arkit[30, ARKIT_INDEX["mouthPucker"]] = 0.8
    arkit[70, ARKIT_INDEX["browInnerUp"]] = 0.9
    blink, head = np.zeros((count, 2), np.float32), np.zeros((count, 6), np.float32)
    blink[40], head[60, 1] = 1.0, 0.3
    activity = np.ones(count, np.float32)
    activity[90:] = 0.0
    marks[95, [62, 66], 1] = 0.0  # shut in silence: that is no closure of speech
    return Performance(marks, np.zeros((68, 3)), arkit, head, np.zeros((count, 2)), blink, activity, FPS)


def test_every_event_is_found_where_it_is(take):
    found = {moment.words: round(moment.second * FPS) for moment in telling(take, len(EVENTS))}
    assert found == EVENTS


def test_moments_come_in_order_and_apart_and_gaps_are_filled(take):
    moments = telling(take, 14)
    seconds = np.array([moment.second for moment in moments])
    assert len(moments) == 14
    assert np.diff(seconds).min() >= APART - 1e-6
    assert [moment.words for moment in moments].count("between") == 14 - len(EVENTS)


def test_few_frames_are_the_most_telling(take):
    assert [moment.words for moment in telling(take, 2)] == ["wide open", "lips closed"]


def test_a_short_line_gives_what_it_has(take):
    short = Performance(
        take.landmarks[:4], take.neutral, take.arkit[:4], take.head[:4], take.gaze[:4], take.blink[:4],
        take.activity[:4], FPS,
    )  # fmt: skip
    assert 1 <= len(telling(short, 8)) <= 4
