"""Fit to Actor: from a table or from keys of another face, for the line at the playhead, and played when animated."""

import bpy
import numpy as np
import pytest
from mouthpiece.actors.actor import read_actor
from mouthpiece.topology import ARKIT_INDEX, ARKIT_NAMES

from addon.bake import settings as bake_settings
from addon.cast.scene_lines import resolved
from addon.cast.wishes import Wishes
from addon.keys import kept_takes
from blender_tests import scenes
from blender_tests.test_cast_animation import cast as cast  # two characters, four strips
from blender_tests.test_cast_animation import dialled_lines, run
from tests.test_actors import ANNA, FPS, moved, spoken

LINES_ALONE = True


@pytest.fixture
def line(addon, context, tmp_path):
    """Animate a character with a take of twenty seconds, and return the take."""
    scenes.face()
    context.scene.render.fps = 25
    context.scene.frame_end = 600
    take = spoken(20)
    settings = context.scene.mouthpiece
    settings.source, settings.filepath = "FILE", str(take.save(tmp_path / "line.npz"))
    assert bpy.ops.mouthpiece.animate() == {"FINISHED"}
    return take


def test_a_table_beside_the_line(line, context, tmp_path):
    rows = [["time", *ARKIT_NAMES]]
    for k, weights in enumerate(moved(line, ANNA).arkit):
        rows.append([f"{k / FPS:.3f}", *(f"{weight:.5f}" for weight in weights)])
    place = tmp_path / "anna.csv"
    place.write_text("\n".join(",".join(row) for row in rows))
    assert bpy.ops.mouthpiece.fit_actor(filepath=str(place)) == {"FINISHED"}
    actor = read_actor(tmp_path / "anna.actor.json")
    assert actor.name == "anna" and bake_settings.actor_of(context.object.mouthpiece) == actor
    assert bpy.ops.mouthpiece.fit_actor(filepath=str(place)) == {"FINISHED"}  # its own file is replaced
    (tmp_path / "anna.actor.json").write_text("{}")
    with pytest.raises(RuntimeError, match="is no actor"):
        bpy.ops.mouthpiece.fit_actor(filepath=str(place))
    assert (tmp_path / "anna.actor.json").read_text() == "{}"


def test_keys_of_another_face(line, context, tmp_path):
    obj, played = context.object, moved(line, ANNA)
    other = scenes.face("Anna")
    keys = other.data.shape_keys
    for name in (
        "mouthStretchLeft",
        "mouthStretchRight",
        "mouthLowerDownLeft",
        "mouthLowerDownRight",
        "mouthUpperUpLeft",
    ):
        if name not in keys.key_blocks:
            other.shape_key_add(name=name)
    for block in keys.key_blocks:
        if block.name in ARKIT_INDEX:
            for k, weight in enumerate(played.arkit[:, ARKIT_INDEX[block.name]]):
                block.value = float(weight)
                block.keyframe_insert("value", frame=1 + k)
    other.select_set(True)
    obj.select_set(True)
    context.view_layer.objects.active = obj
    with pytest.raises(RuntimeError, match="Save the scene first"):
        bpy.ops.mouthpiece.fit_actor_to_keys()
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"))
    assert bpy.ops.mouthpiece.fit_actor_to_keys() == {"FINISHED"}
    settings = bpy.context.view_layer.objects.active.mouthpiece
    assert settings.actor == "//Anna.actor.json"
    assert bake_settings.actor_of(settings).gains[2][2] < 0.9
    bpy.data.objects["Anna"].select_set(False)
    with pytest.raises(RuntimeError, match="Select the face"):
        bpy.ops.mouthpiece.fit_actor_to_keys()


def test_what_is_no_recording_of_the_line_is_refused(line, context, tmp_path):
    spoken(20, seed=8, hertz=2.7).save(tmp_path / "other.npz")
    for name, words in (("other.npz", "do not move with this sound"), ("gone.csv", "gone.csv")):
        with pytest.raises(RuntimeError, match=words):
            bpy.ops.mouthpiece.fit_actor(filepath=str(tmp_path / name))
    assert not context.object.mouthpiece.actor


def test_the_cast_moves_as_its_actors_do(cast, tmp_path):
    run()
    ANNA.save(tmp_path / "anna.json")
    bpy.data.objects["Ann"].mouthpiece.actor = str(tmp_path / "anna.json")
    results, _ = run()
    assert {name: one.outcome for name, one in results.items()} == {
        "Ann 1": "made", "Ann 2": "made", "Bob 1": "up to date", "Bob 2": "up to date"
    }  # fmt: skip
    for kept in dialled_lines(bpy.data.objects["Ann"]):
        assert kept_takes.motion(kept).options["actor"]["name"] == "Anna"
    lines, _ = resolved(bpy.context.scene)
    assert {one.character: Wishes().bake(one).options.actor for one in lines} == {"Ann": ANNA, "Bob": None}
    (tmp_path / "anna.json").unlink()
    results, _ = run()
    assert results["Ann 1"].outcome == "failed" and "anna.json" in results["Ann 1"].reason
    assert np.all([results[name].outcome == "up to date" for name in ("Bob 1", "Bob 2")])
