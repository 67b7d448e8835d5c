"""Pieces of one sound share one performance, whichever are animated, in whatever order and session."""

from __future__ import annotations

from itertools import pairwise

import bpy
import numpy as np
import pytest
from mouthpiece import pipeline
from mouthpiece.motion.dials import Dials
from mouthpiece.pipeline import Options
from mouthpiece.recent_takes import recent

from addon import compat, demo, targets
from addon.bake import redial
from addon.bake.bake import Bake, Heard
from addon.sound import strips
from blender_tests import scenes

CUTS = (1, 61, 111, 176)
TRACKS = ("landmarks", "arkit", "activity", "style", "head", "style_head", "gaze", "blink")


@pytest.fixture
def knifed():
    """A line cut into three strips that were left in place."""
    made, found = scenes.sequencer(25), []
    for number, (first, after) in enumerate(pairwise(CUTS)):
        strip = made.new_sound(f"piece {number}", str(demo.LINE), 1 + number, 1)
        strip.frame_offset_start, strip.frame_offset_end = first - 1, compat.strip_length(strip) - (after - 1)
        found.append(strip)
    return found


def heard(strip, seed=3):
    """Return the take and frames of a strip."""
    recording = strips.from_strip(strip, bpy.context.scene)
    (last,) = (m for m in Bake(recording, (), Options(seed=seed)).steps() if isinstance(m, Heard))
    return last


def at(found, frame):
    """Return what a face does on a frame of the scene, all arrays in one row."""
    index = found.grid.offset * 25 + frame - found.grid.origin
    assert index == pytest.approx(round(index), abs=1e-6)
    return np.concatenate([np.ravel(getattr(found.performance, name)[round(index)]) for name in TRACKS])


def test_knifed_strips_are_one_motion_in_any_order_and_heard_once(knifed, monkeypatch):
    recent.clear()
    inferred, real = [], pipeline.articulate
    monkeypatch.setattr(pipeline, "articulate", lambda *a: inferred.append(1) or real(*a))
    later = {number: heard(knifed[number]) for number in (2, 0, 1)}
    assert len(inferred) == 1
    recent.clear()  # another session
    first = heard(knifed[1])
    for cut in CUTS[1:3]:
        for frame in range(cut - 10, cut + 10):
            for found in later.values():
                np.testing.assert_array_equal(at(found, frame), at(first, frame))
    assert len({found.performance.audio_sha256 for found in later.values()}) == 1
    recent.clear()


def test_the_head_goes_on_where_a_line_is_cut(knifed):
    obj = scenes.face()
    head = bpy.data.objects.new("Head", None)
    bpy.context.scene.collection.objects.link(head)
    driven = (targets.target_for(obj), targets.KINDS["HEAD"].of(head))
    for number in (1, 0, 2):
        recording = strips.from_strip(knifed[number], bpy.context.scene)
        bake = Bake(recording, driven, Options(seed=3), dials=Dials(rest=0.0))
        for message in bake.steps():
            if isinstance(message, Heard):
                bake.write(message)
    turned = np.array([[value for _, value in scenes.values(head, "delta_rotation_euler", axis)] for axis in range(3)])
    steps = np.rad2deg(np.abs(np.diff(turned, axis=1))).max(axis=0)
    assert len(steps) == CUTS[-1] - 2
    assert steps[[cut - 2 for cut in CUTS[1:3]]].max() <= min(2.0, steps.max())
    lines = {line.sound: line for line in redial.dialled_lines(obj)}
    assert len({line.content for line in lines.values()}) == 1
    for number, (line, frame) in enumerate(zip(sorted(lines), CUTS, strict=False)):
        assert lines[line].second_at(frame) == pytest.approx((frame - 1) / 25), number
