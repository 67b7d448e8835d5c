"""A conversation of three characters in twelve lines: faces rest outside lines, heads never jump, nobody meddles."""

from __future__ import annotations

import hashlib
import tempfile
from functools import cache
from pathlib import Path

import bpy
import numpy as np
import pytest

from addon import compat
from blender_tests import life
from demo import conversation

FOLDER = Path(tempfile.mkdtemp(prefix="mouthpiece-conversation-"))
#: Frames after and before a line in which a mouth may still close, or open already.
AROUND = 8
#: Longest a lid may be more than half shut, frames: a slow blink.
BLINK = 8


@cache
def spoken() -> Path:
    """Return a saved file in which everybody has spoken."""
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    cast = conversation.build()
    for who, obj in cast.items():
        obj["cast"] = who
        conversation.animate(obj, [line.name for line in conversation.lines_of(who)])
    place = FOLDER / "conversation.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(place), copy=True)
    return place


@cache
def watched(who: str) -> conversation.Watched:
    """Return what is seen of a character in the open file."""
    watch = {"Ada": conversation.watch_head, "Ben": conversation.watch_rig}[who]
    return watch(played(who), *conversation.FRAMES)


def played(who: str):
    """Return a character's object in the open file."""
    return next(obj for obj in bpy.data.objects if obj.get("cast") == who)


@pytest.fixture
def cast(addon):
    bpy.ops.wm.open_mainfile(filepath=str(spoken()))
    return {who: played(who) for who in ("Ada", "Ben", "Cat")}


@pytest.mark.parametrize("who", ["Ada", "Ben"])
def test_lips_rest_outside_lines_and_speak_in_them(cast, who):
    lips, off = watched(who).lips, conversation.silent(who, *conversation.FRAMES, AROUND)
    assert np.abs(lips[off]).max() < 0.03
    for line in conversation.lines_of(who):
        here = slice(line.first - conversation.FRAMES[0], line.last - conversation.FRAMES[0] + 1)
        assert lips[here].max() > 0.05, line.name


@pytest.mark.parametrize("who", ["Ada", "Ben"])
def test_lids_hang_nowhere_and_blink_between_lines(cast, who):
    half = watched(who).lids < 0.5
    runs = np.diff(np.flatnonzero(np.diff(np.concatenate([[0], half.astype(int), [0]])))).tolist()[::2]
    assert max(runs) <= BLINK
    assert half[conversation.silent(who, *conversation.FRAMES, 0)].any()


@pytest.mark.parametrize("who", ["Ada", "Ben"])
def test_heads_never_jump_and_never_freeze(cast, who):
    seen = watched(who)
    assert seen.steps().max() < 2.0
    off = conversation.silent(who, *conversation.FRAMES, AROUND)
    turned = np.degrees(np.ptp(seen.turns[off], axis=0)).max()
    assert 0.3 < turned < 40


def test_a_drawn_mouth_rests_outside_lines_and_speaks_in_them(cast):
    off = conversation.silent("Cat", *conversation.FRAMES, AROUND)
    resting = conversation.mouth_of_drawing(cast["Cat"], np.flatnonzero(off) + conversation.FRAMES[0])
    speaking = conversation.mouth_of_drawing(cast["Cat"], np.flatnonzero(~off) + conversation.FRAMES[0])
    assert np.ptp(resting) < 0.1 * np.ptp(speaking)


def of(obj) -> dict[str, str]:
    """Return a hash of all that is animated of a character by data-block: keys, drawings, ledgers and kept takes."""
    found = {}
    for block in life.blocks(obj):
        rows = [
            (curve.data_path, curve.array_index, [(*key.co, *key.handle_left) for key in curve.keyframe_points])
            for curve in compat.fcurves_of(block)
        ]
        drawn = [(layer.name, frame.frame_number) for layer in getattr(block, "layers", ()) for frame in layer.frames]
        action = block.animation_data.action if block.animation_data else None
        holders = [holder for holder in (block, action) if holder is not None]
        kept = [
            (name, value) for one in holders for name, value in sorted(one.items()) if isinstance(value, str | bytes)
        ]
        found[f"{type(block).__name__} {block.name}"] = hashlib.sha256(repr((rows, drawn, kept)).encode()).hexdigest()
    return found


@pytest.mark.parametrize("who", ["Ben", "Cat"])
def test_nothing_of_others_changes(cast, who):
    others = [name for name in cast if name != who]
    before = {name: of(cast[name]) for name in others}
    conversation.animate(cast[who], [conversation.lines_of(who)[0].name])
    assert {name: of(cast[name]) for name in others} == before
    cast[who].mouthpiece.jaw = 1.3
    assert bpy.ops.mouthpiece.redial() == {"FINISHED"}
    assert {name: of(cast[name]) for name in others} == before
    own = of(cast[who])
    assert bpy.ops.mouthpiece.remove_take() == {"FINISHED"}
    assert of(cast[who]) != own
    assert {name: of(cast[name]) for name in others} == before
