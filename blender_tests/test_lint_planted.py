"""Faults planted in a good scene are found each, and nothing is found in the scene as it was baked."""

from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np
import pytest

from addon import compat, demo
from addon.keys import kept_takes
from addon.lint import faces
from addon.sound import recordings
from blender_tests import life, scenes

#: Frames between the two lines in which nothing is said.
PAUSE = range(230, 420)


@pytest.fixture(scope="module")
def good(addon, tmp_path_factory):
    """Return a saved scene: the bundled head says the bundled line, and after a pause parts of it in another order."""
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    folder = tmp_path_factory.mktemp("lint")
    samples = np.concatenate(list(recordings.open_file(str(demo.LINE)).blocks()))
    gap, half = np.zeros(16_000, np.float32), len(samples) // 2
    parts = [samples[half:], gap, samples, gap, samples, gap, samples[:half]]
    longer = scenes.write_wav(folder / "longer.wav", np.concatenate(parts), 16_000)
    scene = bpy.context.scene
    strips = scenes.sequencer(25)
    strips.new_sound("short", str(demo.LINE), 1, 30)
    strips.new_sound("long", str(longer), 1, 430)
    bpy.ops.mouthpiece.add_demo(line=False)
    scene.frame_start, scene.frame_end = 1, 1080
    scene.mouthpiece.source = "STRIP"
    for name in ("short", "long"):
        scene.mouthpiece.strip = name
        assert bpy.ops.mouthpiece.animate() == {"FINISHED"}
    blend = folder / "good.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(blend))
    return blend


@pytest.fixture
def scene(good):
    """Open the good scene."""
    bpy.ops.wm.open_mainfile(filepath=str(good))
    return bpy.context.scene


def head():
    return next(obj for obj in bpy.data.objects if obj.type == "MESH" and obj.data.shape_keys)


def key():
    return head().data.shape_keys


def curve(name):
    path = scenes.shape_path(name)
    return next(one for one in compat.fcurves_of(key()) if one.data_path == path)


def strip(name):
    return next(one for one in compat.all_strips(bpy.context.scene) if one.name == name)


def move(one, frames):
    compat.move_strip(one, (one.content_start if hasattr(one, "content_start") else one.frame_start) + frames)


def set_keys(one, frames, values):
    """Replace the keys of a curve on a stretch of frames by linear ones."""
    for point in [p for p in one.keyframe_points if frames[0] <= p.co.x <= frames[-1]][::-1]:
        one.keyframe_points.remove(point)
    for frame, value in zip(frames, values, strict=True):
        one.keyframe_points.insert(frame, value).interpolation = "LINEAR"
    one.update()


def scale_keys(names, factor):
    for name in names:
        for point in curve(name).keyframe_points:
            point.co.y *= factor
            point.handle_left.y *= factor
            point.handle_right.y *= factor
        curve(name).update()


def mouth():
    return [one.name for one in key().key_blocks if one.name.startswith(("jaw", "mouth"))]


def findings(objects=None):
    """Return the checks of which there is a finding, with the findings."""
    found = {}
    for item in faces.measured(objects or faces.characters(bpy.context.scene), bpy.context.scene):
        if isinstance(item, faces.MeasuredFace):
            for one in item.examined().findings:
                assert one.remedy and one.sentence and one.first is not None and one.first <= one.last
                found.setdefault(one.check, []).append(one)
    return found


def test_nothing_is_found_in_the_good_scene(scene):
    assert findings() == {}


# --- the faults


def moved_strip(scene):
    move(strip("short"), -5)
    return "sync", "short"


def mouth_scaled_to_nothing(scene):
    scale_keys(mouth(), 0.0)
    return "weak", "short"


def muted_channels(scene):
    for name in mouth():
        curve(name).mute = True
    return "dead", ""


def driver_over_the_jaw(scene):
    driver = key().driver_add(scenes.shape_path("jawOpen")).driver
    driver.expression = "0.0"
    return "dead", ""


def constraint_on_the_head(scene):
    rig = next(obj for obj in bpy.data.objects if obj.type == "ARMATURE")
    limit = rig.pose.bones["head"].constraints.new("LIMIT_ROTATION")
    limit.use_limit_x = limit.use_limit_y = limit.use_limit_z = True
    limit.owner_space = "LOCAL"
    return "dead", ""


def lowered_limit(scene):
    key().key_blocks["jawOpen"].slider_max = 0.1
    return "clipping", "long"


def jump_at_a_cut(scene):
    rig = next(obj for obj in bpy.data.objects if obj.type == "ARMATURE")
    for one in compat.fcurves_of(rig):
        if "rotation" in one.data_path and one.array_index == 1:
            before, after = one.evaluate(599), one.evaluate(600)
            set_keys(one, [599, 600], [before, after + 0.25])
            for point in one.keyframe_points:
                if point.co.x > 600.5:
                    point.co.y += 0.25
                    point.handle_left.y += 0.25
                    point.handle_right.y += 0.25
            one.update()
    return "jump", ""


def knifed_with_a_gap(scene):
    parts = strip("short")
    cut = compat.strips_of(scene.sequence_editor).new_sound("rest", str(demo.LINE), 2, 30 + 20)
    if hasattr(parts, "right_handle"):
        parts.right_handle, cut.left_handle = 70, 70 + 20
    else:
        parts.frame_final_end, cut.frame_final_start = 70, 70 + 20
    return ("sync", "follows"), "short (rest)"


def other_frame_rate(scene):
    scene.render.fps = 24
    return "drift", "long"


def another_sound(scene):
    strip("short").sound = bpy.data.sounds.load(str(Path(bpy.data.filepath).parent / "longer.wav"))
    return "follows", "short"


def frozen_between_lines(scene):
    for owner in (key(), next(obj for obj in bpy.data.objects if obj.type == "ARMATURE")):
        for one in compat.fcurves_of(owner):
            set_keys(
                one, [PAUSE[0], PAUSE[-1]], [0.0 if "quaternion" not in one.data_path else one.evaluate(PAUSE[0])] * 2
            )
    return "frozen", ""


def dead_shape(scene):
    block = key().key_blocks["jawOpen"]
    for point, rest in zip(block.data, key().reference_key.data, strict=True):
        point.co = rest.co
    return "dead", ""


def no_lids(scene):
    for side in ("Left", "Right"):
        set_keys(curve(f"eyeBlink{side}"), [1, 1100], [0.0, 0.0])
    return "lids", ""


def removed_lid_shapes(scene):
    for side in ("Left", "Right"):
        head().shape_key_remove(key().key_blocks[f"eyeBlink{side}"])
    return ("lids", "dead"), ""


def muted_gaze(scene):
    for one in compat.fcurves_of(key()):
        if "eyeLook" in one.data_path:
            one.mute = True
    return ("gaze", "dead"), ""


def moves_in_the_pause(scene):
    set_keys(curve("jawOpen"), list(range(280, 340, 4)), [0.4 * (n % 2) for n in range(15)])
    return "moves_in_silence", ""


def open_in_the_pause(scene):
    set_keys(curve("jawOpen"), [270, 290, 370, 390], [0.0, 0.45, 0.45, 0.0])
    return "open_at_rest", ""


def lines_over_each_other(scene):
    take = kept_takes.motion(next(one for one in faces.dialled_lines(head()) if one.sound.endswith("short")))
    path = take.save(Path(bpy.data.filepath).parent / "again.npz")
    scene.mouthpiece.source, scene.mouthpiece.filepath, scene.mouthpiece.start = "FILE", str(path), 130
    life.choose([head()])
    assert bpy.ops.mouthpiece.animate() == {"FINISHED"}
    return "overlap", ""


def muted_strip(scene):
    strip("short").mute = True
    return "moves_in_silence", ""


def shaking_jaw(scene):
    one = curve("jawOpen")
    frames = list(range(450, 550))
    set_keys(one, frames, [one.evaluate(frame) + 0.25 * (frame % 2) for frame in frames])
    return "jitter", ""


FAULTS = (
    moved_strip, mouth_scaled_to_nothing, muted_channels, driver_over_the_jaw, constraint_on_the_head, lowered_limit,
    jump_at_a_cut, knifed_with_a_gap, other_frame_rate, another_sound, frozen_between_lines, dead_shape, no_lids,
    removed_lid_shapes, muted_gaze, moves_in_the_pause, open_in_the_pause, lines_over_each_other, muted_strip,
    shaking_jaw,
)  # fmt: skip


@pytest.mark.parametrize("plant", FAULTS, ids=[plant.__name__ for plant in FAULTS])
def test_a_planted_fault_is_found(scene, plant):
    checks, line = plant(scene)
    checks = (checks,) if isinstance(checks, str) else checks
    found = findings()
    told = [one for check in checks for one in found.get(check, ())]
    assert told, f"{plant.__name__}: {found}"
    assert not line or any(one.line == line for one in told), told
    print(plant.__name__, {check: len(some) for check, some in found.items()}, told[0].sentence)
