"""Style, emotion and dials: as baked afresh, without a network, and never over anybody's own keys."""

from __future__ import annotations

import json

import bpy
import numpy as np
import pytest

from addon import compat, demo
from addon.bake import redial, removal
from addon.bake import settings as bake_settings
from addon.keys import fcurve_keys, kept_takes, ledgers
from blender_tests import scenes

#: What lines do, without what is between them (see conftest).
LINES_ALONE = True

TURNED = {"lips": 1.4, "jaw": 0.8, "smoothing": 0.2, "head": 0.5, "emotion": "HAPPY", "intensity": 0.7}


@pytest.fixture(scope="module")
def voice(tmp_path_factory):
    return str(scenes.murmur(tmp_path_factory.mktemp("voice") / "line.wav", 2.0))


@pytest.fixture(scope="module")
def another(tmp_path_factory):
    return str(scenes.murmur(tmp_path_factory.mktemp("voice") / "another.wav", 2.0, 22_050))


@pytest.fixture
def ready(voice, context):
    """Make a character with a head bone and a key on every frame, and keep dials from following by themselves.

    These tests compare keys one by one; with fewer keys they may lie elsewhere on the same curve.
    """
    obj = scenes.face()
    obj.mouthpiece.density = "EVERY"
    rig = scenes.armature()
    settings = context.scene.mouthpiece
    settings.source, settings.filepath, settings.start = "FILE", voice, 11
    settings.sequence = False  # scenes are compared, and strips stay when a take is removed
    settings.head, settings.armature, settings.bone = "BONE", rig, "head"
    context.scene.render.fps = 25
    obj.mouthpiece.live = False
    return obj


def turn(obj, **changes):
    for name, value in changes.items():
        setattr(obj.mouthpiece, name, value)


def played(*owners):
    """Return all keys' values by channel."""
    return {
        (owner.name, curve.data_path, curve.array_index): np.array([key.co[1] for key in curve.keyframe_points])
        for owner in owners
        for curve in compat.fcurves_of(owner)
    }


def alike(one, other, tolerance=1e-4):
    assert one.keys() == other.keys()
    for channel, values in one.items():
        np.testing.assert_allclose(values, other[channel], atol=tolerance, err_msg=str(channel))


def differ(one, other):
    return max(np.abs(one[channel] - other[channel]).max() for channel in one)


def test_dialling_gives_what_a_fresh_bake_gives_and_back(ready):
    rig = bpy.data.objects["Rig"]
    bpy.ops.mouthpiece.animate()
    plain = played(ready.data.shape_keys, rig)
    turn(ready, **TURNED)
    assert bpy.ops.mouthpiece.redial() == {"FINISHED"}
    dialled = played(ready.data.shape_keys, rig)
    assert differ(plain, dialled) > 0.1
    bpy.ops.mouthpiece.animate()
    alike(played(ready.data.shape_keys, rig), dialled)
    assert bpy.ops.mouthpiece.reset_dials() == {"FINISHED"}
    assert ready.mouthpiece.lips == 1 and ready.mouthpiece.emotion == "NEUTRAL"
    bpy.ops.mouthpiece.redial()
    alike(played(ready.data.shape_keys, rig), plain)


def test_the_operator_is_the_api(ready):
    from mouthpiece.motion.dials import Dials

    bpy.ops.mouthpiece.animate()
    turn(ready, lips=1.3)
    bpy.ops.mouthpiece.redial()
    by_operator = played(ready.data.shape_keys)
    redial.redial(ready, Dials())
    done = redial.redial(ready, Dials(lips=1.3))
    alike(by_operator, played(ready.data.shape_keys), 0)
    assert done.channels == len(compat.fcurves_of(ready.data.shape_keys)) and not done.kept


def test_no_network_is_asked(ready, monkeypatch):
    from mouthpiece.models import session

    bpy.ops.mouthpiece.animate()
    monkeypatch.setattr(session.OnnxSession, "__init__", lambda *a, **k: pytest.fail("a network was opened"))
    bpy.context.scene.mouthpiece.filepath = "/nowhere.wav"
    turn(ready, lips=0.5)
    assert bpy.ops.mouthpiece.redial() == {"FINISHED"}


def test_live_dials_follow_at_once(ready):
    bpy.ops.mouthpiece.animate()
    plain = played(ready.data.shape_keys)
    ready.mouthpiece.live = True
    ready.mouthpiece.jaw = 0.2
    path = scenes.shape_path("jawOpen")
    moved = played(ready.data.shape_keys)["Key", path, 0]
    assert moved.max() < 0.6 * plain["Key", path, 0].max()
    ready.mouthpiece.jaw = 1.0
    alike(played(ready.data.shape_keys), plain)


def test_one_undo_step():
    for name in ("redial", "reset_dials", "take_over_dials"):
        assert "UNDO" in getattr(bpy.types, f"MOUTHPIECE_OT_{name}").bl_options


def test_keys_of_the_users_own_and_edited_ones_stay(ready):
    bpy.ops.mouthpiece.animate()
    owner = ready.data.shape_keys
    curves = {curve.data_path: curve for curve in compat.fcurves_of(owner)}
    jaw, pucker = curves[scenes.shape_path("jawOpen")], curves[scenes.shape_path("mouthPucker")]
    jaw.keyframe_points[10].co.y = 0.77
    jaw.keyframe_points.insert(500, 0.3)
    pucker.keyframe_points.insert(500, 0.4)
    before = played(owner)
    turn(ready, lips=0.3, jaw=0.3)
    bpy.ops.mouthpiece.redial()
    after = played(owner)
    np.testing.assert_array_equal(after["Key", jaw.data_path, 0], before["Key", jaw.data_path, 0])
    moved = after["Key", pucker.data_path, 0]
    assert moved[-1] == pytest.approx(0.4) and len(moved) == len(before["Key", pucker.data_path, 0])
    bpy.context.scene.mouthpiece.replace_edited = True
    bpy.ops.mouthpiece.redial()
    assert [tuple(key.co) for key in jaw.keyframe_points][-1] == pytest.approx((500, 0.3))
    assert max(key.co.y for key in jaw.keyframe_points[:50]) < 0.5


def test_dialled_keys_are_still_mouthpieces(ready):
    before = scenes.state()
    bpy.ops.mouthpiece.animate()
    turn(ready, lips=1.4)
    bpy.ops.mouthpiece.redial()
    assert bpy.ops.mouthpiece.remove_take() == {"FINISHED"}
    assert scenes.state() == before
    assert not bpy.ops.mouthpiece.redial.poll()


def test_two_lines_have_dials_of_their_own(ready, another, context):
    bpy.ops.mouthpiece.animate()
    context.scene.mouthpiece.filepath, context.scene.mouthpiece.start = another, 101
    bpy.ops.mouthpiece.animate()
    owner, path = ready.data.shape_keys, scenes.shape_path("jawOpen")
    plain = dict(scenes.values(owner, path))
    turn(ready, jaw=0.0, scope="PLAYHEAD")
    context.scene.frame_set(110)
    bpy.ops.mouthpiece.redial()
    dialled = dict(scenes.values(owner, path))
    assert dialled.keys() == plain.keys()
    assert all(dialled[frame] == plain[frame] for frame in plain if frame < 101)
    assert max(dialled[frame] for frame in plain if frame >= 101) < 0.05 < max(plain.values())
    assert [line.dials for line in kept_takes.lines(owner)] == [{}, {"jaw": 0.0}]
    context.scene.frame_set(20)
    bpy.ops.mouthpiece.take_over_dials()
    assert ready.mouthpiece.jaw == 1.0
    context.scene.frame_set(90)
    with pytest.raises(RuntimeError, match="no line at frame 90"):
        bpy.ops.mouthpiece.redial()


@pytest.mark.parametrize("layers", ["ONE", "LAYERS"])
@pytest.mark.parametrize("reduce", [0.0, 0.01])
def test_all_lines_are_dialled_at_once(ready, another, context, layers, reduce):
    ready.mouthpiece.layers, ready.mouthpiece.reduce = layers, reduce
    lines = ((context.scene.mouthpiece.filepath, 11), (another, 101))
    for path, start in lines:
        context.scene.mouthpiece.filepath, context.scene.mouthpiece.start = path, start
        bpy.ops.mouthpiece.animate()
    shown = lambda: np.array(  # noqa: E731
        [(context.scene.frame_set(frame), ready.data.shape_keys.key_blocks["jawOpen"].value)[1] for frame in range(160)]
    )
    turn(ready, lips=0.5, jaw=0.6, emotion="HAPPY")
    bpy.ops.mouthpiece.redial()
    dialled = shown()
    for path, start in lines:  # nothing counts as edited, and this is what a fresh bake of each gives
        context.scene.mouthpiece.filepath, context.scene.mouthpiece.start = path, start
        bpy.ops.mouthpiece.animate()
    assert not context.window_manager.mouthpiece.remarks
    np.testing.assert_allclose(shown(), dialled, atol=2e-4 + 2 * reduce)
    turn(ready, jaw=1.0, scope="PLAYHEAD")
    context.scene.frame_set(110)
    bpy.ops.mouthpiece.redial()
    now = shown()
    np.testing.assert_allclose(now[:61], dialled[:61], atol=2e-4 + 2 * reduce)
    assert np.abs(now[101:150] - dialled[101:150]).max() > 0.02


def test_a_line_cut_by_a_later_one_is_dialled_where_it_is_heard(ready, another, context):
    bpy.ops.mouthpiece.animate()
    first = ready.data.shape_keys
    context.scene.mouthpiece.filepath, context.scene.mouthpiece.start = another, 31
    bpy.ops.mouthpiece.animate()
    frames = [frame for frame, _ in scenes.values(first, scenes.shape_path("jawOpen"))]
    turn(ready, jaw=0.5)
    bpy.ops.mouthpiece.redial()
    assert [frame for frame, _ in scenes.values(first, scenes.shape_path("jawOpen"))] == frames
    ledger = ledgers.read(first)
    assert [(line.first, line.last) for line in ledger.lines] == [(11, 30), (31, 80)]
    bpy.ops.mouthpiece.animate()  # nothing counts as edited
    assert not bpy.context.window_manager.mouthpiece.remarks


def test_kept_takes_survive_saving_and_duplicating(ready, tmp_path, context):
    bpy.ops.mouthpiece.animate()
    turn(ready, lips=1.5)
    path = str(tmp_path / "saved.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.open_mainfile(filepath=path)
    face = bpy.data.objects["Face"]
    assert face.mouthpiece.lips == pytest.approx(1.5)
    plain = played(face.data.shape_keys)
    bpy.context.view_layer.objects.active = face
    assert bpy.ops.mouthpiece.redial() == {"FINISHED"}
    assert differ(plain, played(face.data.shape_keys)) > 0.01
    twin = face.copy()
    twin.data = face.data.copy()
    bpy.context.scene.collection.objects.link(twin)
    twin.data.shape_keys.animation_data.action = face.data.shape_keys.animation_data.action.copy()
    bpy.context.view_layer.objects.active = twin
    twin.mouthpiece.live, twin.mouthpiece.lips = False, 0.2
    own = played(face.data.shape_keys)
    assert bpy.ops.mouthpiece.redial() == {"FINISHED"}
    alike(own, played(face.data.shape_keys), 0)


def test_a_linked_action_is_refused_and_stays(ready, tmp_path):
    bpy.ops.mouthpiece.animate()
    action = ready.data.shape_keys.animation_data.action
    path = str(tmp_path / "library.blend")
    bpy.data.libraries.write(path, {ready, action})
    bpy.ops.wm.read_factory_settings(use_empty=True)
    with bpy.data.libraries.load(path, link=True) as (found, wanted):
        wanted.objects = found.objects
    face = bpy.data.objects["Face"]
    bpy.context.scene.collection.objects.link(face)
    before = played(face.data.shape_keys)
    from mouthpiece.errors import RigError
    from mouthpiece.motion.dials import Dials

    with pytest.raises(RigError, match="linked"):
        redial.redial(face, Dials(lips=0.1))
    alike(before, played(face.data.shape_keys), 0)


def test_motion_that_was_deleted_or_damaged_is_said(ready):
    from mouthpiece.errors import TakeError
    from mouthpiece.motion.dials import Dials

    bpy.ops.mouthpiece.animate()
    action = ready.data.shape_keys.animation_data.action
    (name,) = [key for key in action.keys() if key.startswith(ledgers.TAKE_PREFIX)]
    content = action[name]
    for broken in (content[:-500], "text"):
        action[name] = broken
        before = scenes.state()
        with pytest.raises(TakeError, match="Animate the sound again"):
            redial.redial(ready, Dials(lips=0.1))
        assert scenes.state() == before


def test_a_head_that_is_gone_is_left_and_said(ready):
    bpy.ops.mouthpiece.animate()
    rig = bpy.data.objects["Rig"]
    rig.name = "Renamed"
    before = played(rig)
    turn(ready, head=0.1)
    from mouthpiece.motion.dials import Dials

    assert not redial.redial(ready, bake_settings.dials_of(ready.mouthpiece)).warnings  # it is found by its new name
    with pytest.raises(AssertionError):
        alike(played(rig), before, 1e-3)
    bpy.data.objects.remove(rig)
    turn(ready, head=0.2)
    done = redial.redial(ready, bake_settings.dials_of(ready.mouthpiece))
    assert any("head stays" in warning for warning in done.warnings)
    assert redial.redial(ready, Dials(head=0.1, lips=1.1)).channels  # the face goes on


def test_without_lines_it_says_so(ready):
    from mouthpiece.errors import RigError
    from mouthpiece.motion.dials import Dials

    assert not bpy.ops.mouthpiece.redial.poll()
    with pytest.raises(RigError, match="no line to adjust"):
        redial.redial(ready, Dials())


def test_styles_move_the_head_and_not_the_words(ready, another, context):
    rig = bpy.data.objects["Rig"]
    context.scene.mouthpiece.filepath = str(demo.LINE)
    found = {}
    for style in ("NEUTRAL", "CALM", "ENERGETIC", "SOUND"):
        turn(ready, style=style, style_sound=another)
        assert bpy.ops.mouthpiece.animate() == {"FINISHED"}
        found[style] = played(ready.data.shape_keys), played(rig)
    channel = ("Rig", 'pose.bones["head"].rotation_quaternion', 1)
    assert found["CALM"][1][channel].std() < found["NEUTRAL"][1][channel].std() < found["ENERGETIC"][1][channel].std()
    jaw = ("Key", scenes.shape_path("jawOpen"), 0)
    for face, _ in found.values():
        assert np.corrcoef(face[jaw], found["NEUTRAL"][0][jaw])[0, 1] > 0.9


@pytest.mark.parametrize(("sound", "words"), [("", "style"), ("/none.wav", "none.wav")])
def test_a_style_from_no_sound_is_refused(ready, sound, words):
    turn(ready, style="SOUND", style_sound=sound)
    before = scenes.state()
    with pytest.raises(RuntimeError, match=words):
        bpy.ops.mouthpiece.animate()
    assert scenes.state() == before


def test_a_style_from_a_file(ready, tmp_path):
    from mouthpiece import styles

    path = tmp_path / "style.json"
    path.write_text(json.dumps({"name": "ann"} | dict.fromkeys(styles.MANNER, 0.1)))
    turn(ready, style="FILE", style_file=str(path))
    bpy.ops.mouthpiece.animate()
    (line,) = kept_takes.lines(ready.data.shape_keys)
    assert kept_takes.motion(line).options["style"]["name"] == "ann"
    for text in ("{}", "[1]"):
        path.write_text(text)
        before = scenes.state()
        with pytest.raises(RuntimeError, match="is not a style"):
            bpy.ops.mouthpiece.animate()
        assert scenes.state() == before


def test_a_failure_half_way_puts_everything_back(ready, monkeypatch):
    from mouthpiece.motion.dials import Dials

    bpy.ops.mouthpiece.animate()
    before, calls = scenes.state(), []

    def fails_later(fcurve, co):
        calls.append(fcurve)
        if len(calls) == 5:
            raise RuntimeError("no more")
        fcurve.keyframe_points.foreach_set("co", co.ravel())
        fcurve.update()

    monkeypatch.setattr(fcurve_keys, "put_values", fails_later)
    with pytest.raises(RuntimeError, match="no more"):
        redial.redial(ready, Dials(lips=0.2))
    assert scenes.state() == before


def test_a_saved_takes_own_dials_count_where_the_panels_say_nothing(ready, tmp_path, context):
    from mouthpiece.motion.dials import Dials, dialled

    take = dialled(scenes.performance(2.0, jawOpen=0.5), Dials(jaw=0.5, lips=0.8))
    context.scene.mouthpiece.filepath = str(take.save(tmp_path / "take.npz"))
    turn(ready, lips=0.5)
    bpy.ops.mouthpiece.animate()
    (line,) = kept_takes.lines(ready.data.shape_keys)
    assert line.dials == {"jaw": 0.5, "lips": 0.5}


def test_the_command_dials_saves_and_reports(ready, tmp_path, capfd):
    from addon.command import parser as command_parser

    bpy.ops.mouthpiece.animate()
    plain = played(ready.data.shape_keys)
    out = tmp_path / "dialled.blend"
    code = command_parser.main(["redial", "--object", "Face", "--jaw", "0.2", "--output", str(out), "--json"])
    report = json.loads(capfd.readouterr().out.strip().splitlines()[-1])
    assert code == 0 and report["ok"] and report["dials"] == {"jaw": pytest.approx(0.2)}
    assert differ(plain, played(ready.data.shape_keys)) > 0.01 and out.is_file()
    assert ready.mouthpiece.jaw == pytest.approx(0.2)
    assert command_parser.main(["redial", "--object", "Nobody"]) == 1
    assert "no object 'Nobody'" in capfd.readouterr().err
    assert command_parser.main(["redial", "--object", "Face", "--output", str(out)]) == 1
    assert "exists" in capfd.readouterr().err


def test_the_bake_command_has_styles_and_dials(voice, tmp_path, capfd):
    from addon.command import parser as command_parser

    obj = scenes.face()
    obj.mouthpiece.lips, obj.mouthpiece.jaw = 0.5, 0.6
    common = ["bake", "--audio", voice, "--object", "Face"]
    assert command_parser.main([*common, "--style", "calm", "--emotion", "sad", "--jaw", "0.9"]) == 0
    (line,) = kept_takes.lines(obj.data.shape_keys)
    assert line.dials == {"lips": 0.5, "jaw": 0.9, "emotion": "sad"}
    assert kept_takes.motion(line).options["style"]["name"] == "calm"
    assert command_parser.main([*common, "--style-from", voice]) == 0
    (line,) = kept_takes.lines(obj.data.shape_keys)
    assert kept_takes.motion(line).options["style"]["name"] == "from line.wav"
    before = scenes.state()
    assert command_parser.main([*common, "--style", "grumpy"]) == 1
    assert "grumpy" in capfd.readouterr().err
    assert scenes.state() == before
    assert removal.has_lines(obj.data.shape_keys)


def nudge(owner, name, by=0.2):
    """Move one key of a channel, as an animator does."""
    curve = next(f for f in compat.fcurves_of(owner) if f.data_path == scenes.shape_path(name))
    curve.keyframe_points[10].co.y += by
    curve.update()


@pytest.mark.parametrize("live", [True, False])
def test_a_channel_that_keeps_an_edit_says_so_by_the_sliders(ready, context, live):
    from blender_tests import layout

    ready.mouthpiece.rest = 0.0
    bpy.ops.mouthpiece.animate()
    key, state = ready.data.shape_keys, context.window_manager.mouthpiece
    nudge(key, "jawOpen")
    before = played(key)["Key", scenes.shape_path("jawOpen"), 0]
    ready.mouthpiece.live = live
    ready.mouthpiece.jaw = 0.5
    if not live:
        bpy.ops.mouthpiece.redial()
    np.testing.assert_array_equal(played(key)["Key", scenes.shape_path("jawOpen"), 0], before)
    assert state.kept == "jawOpen keeps your edit and does not follow. Keep Edits as Layer lets it follow."
    drawn = layout.drawn("MOUTHPIECE_PT_dials", context)
    assert "jawOpen keeps your edit" in drawn.text and "mouthpiece.keep_edits" in drawn.operators
    assert "jawOpen" not in layout.drawn("MOUTHPIECE_PT_speech", context).text
    other = scenes.face("Other")
    context.view_layer.objects.active = other
    assert "jawOpen" not in layout.drawn("MOUTHPIECE_PT_dials", context).text
    context.view_layer.objects.active = ready
    assert bpy.ops.mouthpiece.keep_edits() == {"FINISHED"}
    assert not state.kept and "jawOpen" not in layout.drawn("MOUTHPIECE_PT_dials", context).text


def test_animating_over_an_edit_says_what_does_not_follow(ready, context):
    from blender_tests import layout

    bpy.ops.mouthpiece.animate()
    nudge(ready.data.shape_keys, "jawOpen")
    ready.mouthpiece.jaw = 0.5
    bpy.ops.mouthpiece.animate()
    drawn = layout.drawn("MOUTHPIECE_PT_speech", context)
    assert drawn.text.count("jawOpen keeps your edit") == 1 and "mouthpiece.keep_edits" in drawn.operators
    ready.mouthpiece.lips = 0.9
    bpy.ops.mouthpiece.redial()
    assert "mouthpiece.keep_edits" not in layout.drawn("MOUTHPIECE_PT_speech", context).operators


@pytest.mark.parametrize("again", ["update", "animate"])
def test_keeping_the_edit_as_a_layer_lets_the_channel_follow_at_last(ready, context, again):
    """What was turned while the channel stayed shows then, with the edit on top."""
    ready.mouthpiece.rest = 0.0
    bpy.ops.mouthpiece.animate()
    plain = jaws(ready, context)
    nudge(ready.data.shape_keys, "jawOpen")
    edit = jaws(ready, context) - plain
    ready.mouthpiece.jaw = 0.5
    getattr(bpy.ops.mouthpiece, "redial" if again == "update" else "animate")()
    np.testing.assert_allclose(jaws(ready, context), plain + edit, atol=1e-6)  # it stays
    ready.mouthpiece.lips = 0.9
    bpy.ops.mouthpiece.redial()
    bpy.ops.mouthpiece.keep_edits()
    kept = jaws(ready, context)
    bpy.ops.mouthpiece.remove_take()
    bpy.ops.mouthpiece.animate()
    np.testing.assert_allclose(kept, jaws(ready, context) + edit, atol=2e-3)


def jaws(obj, context):
    """Return how far the jaw is open on each frame of the line."""
    value = obj.data.shape_keys.key_blocks["jawOpen"]
    return np.array([(context.scene.frame_set(frame), value.value)[1] for frame in range(11, 61)])
