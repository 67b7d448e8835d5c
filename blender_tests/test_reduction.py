"""Fewer keys in Blender: its own evaluation stays within the error, and reduced takes are takes like any other."""

from __future__ import annotations

import bpy
import numpy as np
import pytest
from mouthpiece.curves import Curves
from mouthpiece.motion.dials import Dials

from addon import compat, targets
from addon.bake import redial, removal
from addon.bake.bake import Bake
from addon.keys import nla, writer
from addon.keys.channels import Channel, Line, Part
from addon.sound import recordings
from blender_tests import scenes
from blender_tests.test_layers import FELT, FIRST, FRAMES, bake, column, pair, played

__all__ = ["pair"]
#: What lines do, without what is between them (see conftest).
LINES_ALONE = True


def count(owner, layer=""):
    return sum(len(curve.keyframe_points) for curve in nla.fcurves_of(owner, layer))


@pytest.mark.parametrize("layered", [False, True])
@pytest.mark.parametrize("error", [0.004, 0.02])
def test_what_blender_plays_is_within_the_error_which_is_reported(pair, error, layered):
    bake(*pair, layered=layered)
    exact = played(*pair)
    removal.remove([pair[0].data.shape_keys, pair[1]])
    report = bake(*pair, layered=layered, error=error)
    missed = np.abs(played(*pair) - exact).max()
    assert 0 < missed <= error
    assert report.reduction.error <= error and report.reduction.keys == report.keys
    assert report.reduction.keys < 0.6 * report.reduction.frames
    assert f"{report.reduction.keys:,} keys (instead of" in report.summary()


def test_a_real_line_far_along_the_timeline(pair, tmp_path):
    obj, _ = pair
    path = str(scenes.murmur(tmp_path / "line.wav", 3.0))
    bpy.context.scene.render.fps = 24
    recording = recordings.from_file(path, bpy.context.scene, 20_001)
    asked = Bake(recording, (targets.target_for(obj),), error=0.01)
    (heard,) = [message for message in asked.steps() if hasattr(message, "grid")]
    report = asked.write(heard)
    curves = asked.targets[0].drive(heard.performance.final(), heard.grid).parts[0].curves
    frames = range(heard.grid.first, heard.grid.last + 1)
    found = played(obj, frames=frames)
    names = [block.name for block in obj.data.shape_keys.key_blocks[1:]]
    missed = max(np.abs(found[:, names.index(name)] - curves[name]).max() for name in curves.names)
    # Blender keeps handles' frames as single floats: out here a step of them is 1/512 frame, on curves as steep as .1
    assert missed <= 0.01 + 2e-4 and report.reduction.error == pytest.approx(missed, abs=2e-4)


def test_tangents_are_set_and_turning_points_are_level(pair):
    obj, _ = pair
    bake(obj, layered=False, error=0.01)
    curve = next(f for f in compat.fcurves_of(obj.data.shape_keys) if f.data_path == scenes.shape_path("jawOpen"))
    points = curve.keyframe_points
    assert {p.interpolation for p in points[:-1]} == {"BEZIER"} and points[-1].interpolation == "LINEAR"
    assert {p.handle_left_type for p in points} | {p.handle_right_type for p in points} == {"ALIGNED"}
    values = np.array([p.co.y for p in points])
    for k in range(1, len(points) - 1):
        if (values[k] - values[k - 1]) * (values[k + 1] - values[k]) < 0:
            assert points[k].handle_right.y == pytest.approx(values[k], abs=1e-5)


@pytest.mark.parametrize("layered", [False, True])
def test_reduced_takes_are_takes_like_any_other(pair, layered, tmp_path):
    obj, rig = pair
    before = scenes.state()
    bake(*pair, layered=layered, error=0.01)
    first = scenes.state()
    assert not bake(*pair, layered=layered, error=0.01).kept
    assert scenes.state() == first
    path = str(tmp_path / "saved.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.open_mainfile(filepath=path)
    obj, rig = bpy.data.objects["Face"], bpy.data.objects["Rig"]
    assert not bake(obj, rig, layered=layered, error=0.01).kept
    report = bake(obj, rig, layered=layered)  # a key a frame again
    assert report.reduction is None and not report.kept
    bake(obj, rig, layered=layered, error=0.01, sound="b", first=FIRST + 20)
    bake(obj, rig, layered=layered, error=0.01, sound="b", first=FIRST + 200)
    removal.remove([obj.data.shape_keys, rig])
    assert scenes.state() == before


def test_a_turned_handle_is_an_edit(pair):
    obj, _ = pair
    bake(obj, layered=False, error=0.01)
    curve = next(f for f in compat.fcurves_of(obj.data.shape_keys) if f.data_path == scenes.shape_path("jawOpen"))
    point = curve.keyframe_points[3]
    point.handle_left_type = point.handle_right_type = "FREE"
    point.handle_right.y += 0.2
    curve.update()
    assert bake(obj, layered=False, error=0.01).kept == {"jawOpen": "edited since it was animated"}


@pytest.mark.parametrize("layered", [False, True])
def test_dialling_keeps_the_error(pair, layered):
    obj, rig = pair
    bake(*pair, layered=layered, error=0.01)
    assert not redial.redial(obj, Dials(lips=0.6, head=0.5, emotion="happy")).kept
    dialled = played(*pair)
    removal.remove([obj.data.shape_keys, rig])
    bake(*pair, layered=layered, dials=Dials(lips=0.6, head=0.5, emotion="happy"))
    assert np.abs(dialled - played(*pair)).max() <= 0.0105  # and the rounding of what is kept
    removal.remove([obj.data.shape_keys, rig])
    bake(*pair, layered=layered, error=0.01)
    redial.redial(obj, Dials(lips=0.6))
    assert not redial.redial(obj, FELT).kept


def test_a_reduced_take_that_is_cut_keeps_its_course_outside_the_cut(pair):
    obj, _ = pair
    bake(obj, layered=False, error=0.02)
    before = played(obj)
    bake(obj, layered=False, error=0.02, sound="b", first=FIRST + 20, phase=1.0)
    np.testing.assert_allclose(played(obj)[:20], before[:20], atol=1e-4)
    removal.remove([obj.data.shape_keys])
    bake(obj, layered=False, error=0.02, first=FIRST - 25, sound="b")
    bake(obj, layered=False, error=0.02)
    bake(obj, layered=False, error=0.02, first=FIRST - 45, sound="c")  # leaves the end of b between c and the line
    again = played(obj)
    np.testing.assert_allclose(again[5:], before[5:], atol=1e-4)  # c covers the first five


def test_edits_of_reduced_layers_survive(pair):
    obj, _ = pair
    bake(obj, error=0.01)
    key = obj.data.shape_keys
    curve = next(f for f in nla.fcurves_of(key, "lips") if f.data_path == scenes.shape_path("jawOpen"))
    point = min(curve.keyframe_points, key=lambda p: abs(p.co.x - 35))
    frame = round(point.co.x)
    plain = played(obj)
    point.co.y += 0.3
    point.handle_left.y += 0.3
    point.handle_right.y += 0.3
    curve.update()
    seen = played(obj)
    assert seen[frame - FIRST, column("jawOpen")] - plain[frame - FIRST, column("jawOpen")] > 0.25
    assert not bake(obj, error=0.01).kept
    np.testing.assert_allclose(played(obj), seen, atol=0.011)
    assert len(FRAMES) == len(seen)


def test_few_keys_are_what_one_gets_and_every_frame_a_choice(tmp_path):
    obj, scene = scenes.face(), bpy.context.scene
    scene.render.fps = 25
    take = scenes.performance(4.0, jawOpen=lambda t: 0.4 - 0.4 * np.cos(3 * t))
    scene.mouthpiece.source, scene.mouthpiece.filepath = "FILE", str(take.save(tmp_path / "take.npz"))
    settings = obj.mouthpiece
    settings.rest = 0.0  # the line alone is counted
    assert settings.density == "FEW" and settings.reduce == pytest.approx(0.01)
    bpy.ops.mouthpiece.animate()
    assert count(obj.data.shape_keys) < 0.1 * 52 * 100
    settings.density = "EVERY"
    assert settings.reduce == 0.0
    bpy.ops.mouthpiece.animate()
    assert count(obj.data.shape_keys) == 52 * 100
    settings.density = "FEW"
    assert settings.reduce == pytest.approx(0.01)
    settings.reduce = 0.03
    settings.density = "FEW"
    assert settings.reduce == pytest.approx(0.03)  # an error that was chosen stays


@pytest.mark.parametrize("size", [0.01, 1.0, 100.0])
def test_the_error_is_a_share_of_what_moves_whatever_its_unit(size):
    obj = scenes.face()
    frames = np.arange(1, 101)
    wave = np.sin(frames / 5.0) * np.hanning(100)
    table = np.stack([0.02 * size * wave, 0.3 * wave, 0.001 * size * wave], axis=1).astype(np.float32)
    made = (Channel("x", "location", 0), Channel("turn", "rotation_euler", 2), Channel("y", "location", 1))
    curves = Curves(("x", "turn", "y"), frames, table)
    part = Part(obj, made, curves, error=0.01).measured_out()
    writer.write([part], Line("a", 1, 100), "Mouthpiece Face")
    far = {"x": 0.02 * size, "turn": 0.3, "y": 0.02 * size}
    for channel in made:
        curve = next(
            f for f in compat.fcurves_of(obj) if (f.data_path, f.array_index) == (channel.data_path, channel.index)
        )
        missed = np.abs(
            [curve.evaluate(frame) - value for frame, value in zip(frames, curves[channel.name], strict=True)]
        )
        assert missed.max() <= 0.0101 * 2 * far[channel.name]
        assert len(curve.keyframe_points) < 50
