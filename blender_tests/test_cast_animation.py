"""All lines of a cast animated at once: as if one by one, what has not changed is left alone, failures stay alone."""

from itertools import pairwise
from types import SimpleNamespace

import bpy
import numpy as np
import pytest
from mouthpiece import pipeline
from mouthpiece.errors import RigError

from addon import compat
from addon.bake import eye_lines
from addon.bake import lines as bake_lines
from addon.bake import settings as bake_settings
from addon.cast import overview
from addon.cast.animate_operators import MOUTHPIECE_OT_animate_cast
from addon.cast.animation import AllHeard, AllSettled, CastAnimation, LineHeard
from addon.cast.scene_lines import resolved
from addon.cast.wishes import Wishes
from addon.jobs import Working
from blender_tests import scenes
from blender_tests.test_jobs import Timers

#: Frame at which each strip begins, whose it is, and which sound it plays.
LINES = {"Ann 1": (10, "Ann", 0), "Ann 2": (80, "Ann", 1), "Bob 1": (50, "Bob", 2), "Bob 2": (120, "Bob", 0)}


@pytest.fixture
def cast(addon, tmp_path):
    """Two characters, four strips of three sounds; return the strips by name."""
    scene = bpy.context.scene
    scene.frame_end = 250
    sounds = [scenes.murmur(tmp_path / f"{number}.wav", 1.2 + 0.2 * number) for number in range(3)]
    strips = scenes.sequencer(25)
    for name in ("Ann", "Bob"):
        member = scene.mouthpiece_cast.members.add()
        member.name, member.object = name, scenes.face(name)
        member.object.mouthpiece.live = False
    for channel, (name, (frame, _, sound)) in enumerate(LINES.items(), 1):
        strips.new_sound(name, str(sounds[sound]), channel, frame)
    return {strip.name: strip for strip in compat.all_strips(scene)}


def run(jobs=1, **options):
    """Animate the cast; return what became of each line by its strip, and the animation."""
    scene = bpy.context.scene
    lines, unspoken = resolved(scene)
    animation = CastAnimation(lines, unspoken, wishes=Wishes(ready=True), **options)
    for item in animation.steps(jobs):
        if isinstance(item, LineHeard):
            animation.write(item)
    list(animation.settle(bpy.context.scene))
    return {result.line.strip: result for result in animation.results}, animation


def dialled_lines(obj):
    """Return the lines that a character speaks: those on which it listens are none."""
    return [line for line in bake_lines.dialled_lines(obj) if not eye_lines.is_silent(line)]


def outcomes(results):
    return {name: result.outcome for name, result in results.items()}


def made(results):
    return {name for name, result in results.items() if result.outcome == "made"}


def keys_of(name):
    """Return every key of a character's shape keys."""
    owner = bpy.data.objects[name].data.shape_keys
    return {
        curve.data_path: np.array([(*key.co, *key.handle_left, *key.handle_right) for key in curve.keyframe_points])
        for curve in compat.fcurves_of(owner)
    }


def same(one, other):
    return one.keys() == other.keys() and all(np.array_equal(one[path], other[path]) for path in one)


def test_every_line_is_made_and_then_left_alone(cast):
    results, _ = run()
    assert outcomes(results) == dict.fromkeys(LINES, "made")
    assert {line.label for line in dialled_lines(bpy.data.objects["Ann"])} == {"'Ann 1'", "'Ann 2'"}
    before = scenes.state()
    results, animation = run()
    assert outcomes(results) == dict.fromkeys(LINES, "up to date")
    assert not animation.to_do and not animation.remarks
    assert scenes.state() == before


def test_the_keys_are_those_of_lines_animated_one_by_one(cast):
    run()
    at_once = {name: keys_of(name) for name in ("Ann", "Bob")}
    for name in ("Ann", "Bob"):
        bpy.context.view_layer.objects.active = bpy.data.objects[name]
        bpy.ops.mouthpiece.remove_take()
    for name in ("Ann 1", "Ann 2", "Bob 1", "Bob 2"):
        bpy.context.view_layer.objects.active = bpy.data.objects[LINES[name][1]]
        bpy.context.scene.mouthpiece.strip = name
        assert bpy.ops.mouthpiece.animate() == {"FINISHED"}
    for name, keys in at_once.items():
        assert same(keys, keys_of(name)), name
    results, _ = run()
    assert made(results) == set()  # a line animated by hand is one of the cast as well


def test_several_threads_make_the_same_keys(cast):
    run(jobs=1)
    alone = keys_of("Ann"), keys_of("Bob")
    pipeline.recent.clear()
    results, _ = run(jobs=3, again=True)
    assert made(results) == set(LINES)
    assert same(alone[0], keys_of("Ann")) and same(alone[1], keys_of("Bob"))


def test_only_lines_of_another_sound_are_made_again(cast, tmp_path):
    run()
    scenes.murmur(tmp_path / "0.wav", 1.1)
    results, _ = run()
    assert made(results) == {"Ann 1", "Bob 2"}
    assert results["Ann 1"].state == ("CHANGED", "sound, text or style")


def test_only_lines_of_a_character_with_other_amounts_are_made_again(cast):
    run()
    bpy.data.objects["Ann"].mouthpiece.lips = 1.3
    results, _ = run()
    assert made(results) == {"Ann 1", "Ann 2"}
    assert {results[name].state for name in made(results)} == {("CHANGED", "amounts")}
    assert {line.dials["lips"] for line in dialled_lines(bpy.data.objects["Ann"])} == {1.3}


def test_a_line_that_was_adjusted_by_itself_stays_so(cast):
    run()
    ann = bpy.data.objects["Ann"]
    bpy.context.view_layer.objects.active = ann
    bpy.context.scene.frame_set(20)
    ann.mouthpiece.scope, ann.mouthpiece.lips = "PLAYHEAD", 1.4
    bpy.ops.mouthpiece.redial()
    ann.mouthpiece.lips = 1.0
    assert made(run()[0]) == set()
    compat.move_strip(cast["Ann 1"], 12)
    assert made(run()[0]) == {"Ann 1"}
    assert {line.label: dict(line.dials) for line in dialled_lines(ann)} == {"'Ann 1'": {"lips": 1.4}, "'Ann 2'": {}}


def test_only_lines_of_another_rig_are_made_again(cast):
    run()
    bpy.data.objects["Bob"].data.shape_keys.key_blocks["jawOpen"].data[0].co.y = 2.0
    results, _ = run()
    assert made(results) == {"Bob 1", "Bob 2"}
    assert {results[name].state for name in made(results)} == {("CHANGED", "rig")}


def test_a_strip_that_was_moved_needs_no_network(cast, monkeypatch):
    run()
    compat.move_strip(cast["Bob 1"], 55)
    monkeypatch.setattr(pipeline, "excerpt_steps", None)
    results, _ = run()
    assert outcomes(results) == {**dict.fromkeys(LINES, "up to date"), "Bob 1": "made"}
    assert min(line.frames().first for line in dialled_lines(bpy.data.objects["Bob"])) == 55


def test_a_line_that_fails_stops_no_other(cast, tmp_path):
    (tmp_path / "2.wav").unlink()
    results, _ = run(jobs=2)
    assert outcomes(results) == {**dict.fromkeys(LINES, "made"), "Bob 1": "failed"}
    assert "2.wav" in results["Bob 1"].reason


def test_a_character_without_a_mouth_stops_no_other(cast):
    bob = bpy.data.objects["Bob"]
    bob.shape_key_clear()
    bob.shape_key_add(name="Basis")
    bob.shape_key_add(name="eyeBlinkLeft").data[0].co.y = 1.0
    results, _ = run()
    assert outcomes(results) == {"Ann 1": "made", "Ann 2": "made", "Bob 1": "failed", "Bob 2": "failed"}
    assert "no mouth" in results["Bob 1"].reason
    assert bob.data.shape_keys.animation_data is None


def test_a_fault_of_ours_in_one_line_stops_no_other(cast, monkeypatch):
    whole = pipeline.excerpt_steps

    def broken(sound, *rest):
        if "Ann 2" in sound.label:
            raise ZeroDivisionError("division by zero")
        return whole(sound, *rest)

    monkeypatch.setattr(pipeline, "excerpt_steps", broken)
    results, _ = run()
    assert outcomes(results) == {**dict.fromkeys(LINES, "made"), "Ann 2": "failed"}
    assert "ZeroDivisionError" in results["Ann 2"].reason


def test_overlapping_lines_of_one_character_are_refused(cast):
    compat.move_strip(cast["Ann 2"], 30)
    results, _ = run()
    assert outcomes(results) == {**dict.fromkeys(LINES, "made"), "Ann 2": "failed"}
    assert "'Ann 2' overlaps 'Ann 1'" in results["Ann 2"].reason and "frames 30 to 39" in results["Ann 2"].reason


def test_overlapping_lines_blend_where_that_is_wanted(cast):
    compat.move_strip(cast["Ann 2"], 30)
    results, _ = run(overlap="BLEND")
    assert made(results) == set(LINES)
    spans = sorted((line.frames().first, line.frames().last) for line in dialled_lines(bpy.data.objects["Ann"]))
    assert spans[0] == (10, 34) and spans[1][0] == 35
    jaw = np.array(scenes.values(bpy.data.objects["Ann"].data.shape_keys, scenes.shape_path("jawOpen")))
    assert len(jaw) and np.isfinite(jaw).all()
    assert made(run(overlap="BLEND")[0]) == set()


def test_the_list_knows_how_overlaps_are_laid(cast):
    scene = bpy.context.scene
    compat.move_strip(cast["Ann 2"], 30)
    assert overview.standings(scene, scene)["Ann 2"].key == "FAILED"
    scene.mouthpiece_cast.overlap = "BLEND"
    run(overlap="BLEND")
    assert {one.key for one in overview.standings(scene, scene).values()} == {"CURRENT"}


def test_a_line_within_another_takes_its_place(cast):
    compat.move_strip(cast["Ann 2"], 14)
    cast["Ann 2"].frame_final_duration = 8
    results, _ = run(overlap="BLEND")
    assert made(results) == set(LINES)
    before = keys_of("Ann")
    assert made(run(overlap="BLEND")[0]) == set()
    cast["Ann 1"].mouthpiece.seed = 7  # keyed again, it would cover the line within it
    assert made(run(overlap="BLEND")[0]) == {"Ann 1", "Ann 2"}
    cast["Ann 1"].mouthpiece.seed = -1
    run(overlap="BLEND")
    assert before.keys() == keys_of("Ann").keys()


def test_a_line_within_another_stays_when_that_one_is_made_again(cast):
    compat.move_strip(cast["Ann 2"], 14)
    cast["Ann 2"].frame_final_duration = 8
    run(overlap="BLEND")
    cast["Ann 1"].mouthpiece.seed = 7
    assert made(run(overlap="BLEND")[0]) == {"Ann 1", "Ann 2"}
    assert {line.label for line in dialled_lines(bpy.data.objects["Ann"])} == {"'Ann 1'", "'Ann 2'"}
    assert made(run(overlap="BLEND")[0]) == set()


@pytest.mark.parametrize("step", [0, 1, 5])
def test_many_lines_at_once_share_the_time(cast, step):
    strips = compat.strips_of(bpy.context.scene.sequence_editor)
    path = cast["Ann 1"].sound.filepath
    for number in range(3):
        strips.new_sound(f"Ann more {number}", path, 5 + number, 10 + step * (number + 1))
    results, _ = run(overlap="BLEND")
    assert made(results) == {*LINES, "Ann more 0", "Ann more 1", "Ann more 2"}
    spans = sorted((line.frames().first, line.frames().last) for line in dialled_lines(bpy.data.objects["Ann"]))
    assert len(spans) == 5 and all(one[1] < other[0] for one, other in pairwise(spans)), spans
    assert made(run(overlap="BLEND")[0]) == set()


def test_lines_that_leave_each_other_no_frame_are_refused(cast):
    for name in ("Ann 1", "Ann 2"):
        compat.move_strip(cast[name], 10)
        cast[name].frame_final_duration = 1
    results, _ = run(overlap="BLEND")
    assert outcomes(results)["Ann 2"] == "failed" and "no room" in results["Ann 2"].reason


def test_two_turns_that_begin_together_are_no_two_lines(cast):
    for _ in range(2):
        turn = cast["Ann 2"].mouthpiece.turns.add()
        turn.begin, turn.end = 0.2, 1.0
    _, animation = run(overlap="BLEND")
    assert [one.outcome for one in animation.results if one.line.strip == "Ann 2"] == ["made", "failed"]
    _, animation = run(overlap="BLEND")
    assert [one.outcome for one in animation.results if one.line.strip == "Ann 2"] == ["up to date", "failed"]


def test_linked_duplicates_do_not_take_each_others_lines(cast):
    run()
    ann = bpy.data.objects["Ann"]
    copy = ann.copy()
    bpy.context.scene.collection.objects.link(copy)
    cast["Ann 2"].mouthpiece.character = copy
    for _ in range(2):
        results, _ = run()
        assert outcomes(results)["Ann 2"] == "failed" and "Single User" in results["Ann 2"].reason
        assert [line.label for line in dialled_lines(ann)] == ["'Ann 1'"]
    copy.data = copy.data.copy()
    assert made(run()[0]) == {"Ann 2"}
    assert [line.label for line in dialled_lines(ann)] == ["'Ann 1'"]
    assert [line.label for line in dialled_lines(copy)] == ["'Ann 2'"]


def test_who_has_given_all_lines_away_is_silent(cast):
    run()
    compat.move_strip(cast["Bob 1"], 200)
    for name in ("Ann 1", "Ann 2"):
        cast[name].mouthpiece.character = bpy.data.objects["Bob"]
    assert made(run()[0]) == {"Ann 1", "Ann 2", "Bob 1"}
    assert not dialled_lines(bpy.data.objects["Ann"])


def test_who_is_renamed_meanwhile_keeps_its_lines(cast):
    lines, unspoken = resolved(bpy.context.scene)
    animation = CastAnimation(lines, unspoken, wishes=Wishes(ready=True))
    for item in animation.steps():
        if isinstance(item, LineHeard):
            animation.write(item)
    bpy.data.objects["Bob"].name = "Bobby"
    list(animation.settle(bpy.context.scene))
    assert {line.label for line in dialled_lines(bpy.data.objects["Bobby"])} == {"'Bob 1'", "'Bob 2'"}


def test_what_is_no_speech_any_more_is_not_spoken(cast):
    run()
    cast["Ann 1"].mouthpiece.is_speech = False
    run()
    assert [line.label for line in dialled_lines(bpy.data.objects["Ann"])] == ["'Ann 2'"]


def test_edited_keys_are_replaced_where_that_is_wanted(cast):
    run()
    curve = next(
        one for one in compat.fcurves_of(bpy.data.objects["Ann"].data.shape_keys) if "jawOpen" in one.data_path
    )
    key = next(key for key in curve.keyframe_points if 12 < key.co.x < 38)
    key.co.y = 0.77
    assert run()[0]["Ann 1"].state.standing == "EDITED"
    bpy.context.scene.mouthpiece.replace_edited = True
    assert bpy.ops.mouthpiece.animate_cast() == {"FINISHED"}
    results, _ = run()
    assert made(results) == set() and results["Ann 1"].state.standing == "CURRENT"


def test_two_characters_may_speak_at_once(cast):
    compat.move_strip(cast["Bob 1"], 10)
    assert made(run()[0]) == set(LINES)


def test_edits_are_told_and_kept(cast):
    ann = bpy.data.objects["Ann"]
    ann.mouthpiece.layers = "LAYERS"
    run()
    action = next(
        strip.action
        for track in ann.data.shape_keys.animation_data.nla_tracks
        for strip in track.strips
        if any("jawOpen" in curve.data_path for curve in scenes.strip_curves(strip))
    )
    bag = compat.channelbag(action, ann.data.shape_keys.animation_data.nla_tracks[0].strips[0].action_slot)
    curve = next(curve for curve in bag.fcurves if "jawOpen" in curve.data_path)
    key = next(key for key in curve.keyframe_points if 12 < key.co.x < 38)
    key.co.y += 0.5
    results, _ = run()
    assert made(results) == set() and results["Ann 1"].state.standing == "EDITED"
    ann.mouthpiece.lips = 1.2
    results, _ = run()
    assert made(results) == {"Ann 1", "Ann 2"}
    tracks = [track.name for track in ann.data.shape_keys.animation_data.nla_tracks]
    assert any("Edits" in name for name in tracks), tracks


def test_the_line_of_a_strip_that_is_gone_goes(cast):
    run()
    strips = compat.strips_of(bpy.context.scene.sequence_editor)
    strips.remove(cast["Ann 2"])
    _, animation = run()
    assert [line.label for line in dialled_lines(bpy.data.objects["Ann"])] == ["'Ann 1'"]
    assert animation.remarks == ["Ann no longer speaks 'Ann 2', which is not its line any more."]
    assert run()[1].remarks == []


def test_a_strip_given_to_somebody_else_is_spoken_by_them_alone(cast):
    run()
    cast["Bob 2"].mouthpiece.character = bpy.data.objects["Ann"]
    results, _ = run()
    assert made(results) == {"Bob 2"}
    assert [line.label for line in dialled_lines(bpy.data.objects["Bob"])] == ["'Bob 1'"]
    assert "'Bob 2'" in {line.label for line in dialled_lines(bpy.data.objects["Ann"])}


def test_a_line_of_a_muted_strip_stays(cast):
    run()
    cast["Ann 2"].mute = True
    results, _ = run()
    assert results["Ann 2"].outcome == "muted"
    assert len(dialled_lines(bpy.data.objects["Ann"])) == 2


def test_what_was_made_before_the_work_was_stopped_stays(cast):
    lines, unspoken = resolved(bpy.context.scene)
    animation = CastAnimation(lines, unspoken, wishes=Wishes(ready=True))
    for item in animation.steps():
        if isinstance(item, LineHeard):
            animation.write(item)
            break
    animation.cancel()
    list(animation.settle(bpy.context.scene))
    assert sorted(result.outcome for result in animation.results) == ["cancelled", "cancelled", "cancelled", "made"]
    assert made(run()[0]) == set(LINES) - {"Ann 1"}


def test_the_operator_animates_all_or_the_selected(cast):
    for strip in cast.values():
        strip.select = strip.name == "Bob 1"
    assert bpy.ops.mouthpiece.animate_cast(only="SELECTED") == {"FINISHED"}
    assert not dialled_lines(bpy.data.objects["Ann"]) and len(dialled_lines(bpy.data.objects["Bob"])) == 1
    assert bpy.ops.mouthpiece.animate_cast() == {"FINISHED"}
    assert len(dialled_lines(bpy.data.objects["Ann"])) == len(dialled_lines(bpy.data.objects["Bob"])) == 2


def test_the_operator_notes_failures_with_their_strips(cast):
    compat.move_strip(cast["Ann 2"], 30)
    bpy.ops.mouthpiece.animate_cast()
    assert "overlaps" in cast["Ann 2"].mouthpiece.failed and not cast["Ann 1"].mouthpiece.failed
    state = bpy.context.window_manager.mouthpiece
    assert "overlaps" in state.remarks and state.remarks_of not in ("", *bpy.data.objects.keys())
    bpy.context.scene.mouthpiece_cast.overlap = "BLEND"
    bpy.ops.mouthpiece.animate_cast()
    assert not cast["Ann 2"].mouthpiece.failed


def test_a_selected_line_still_makes_room_for_others(cast):
    compat.move_strip(cast["Ann 2"], 30)
    bpy.context.scene.mouthpiece_cast.overlap = "BLEND"
    for strip in cast.values():
        strip.select = strip.name == "Ann 2"
    bpy.ops.mouthpiece.animate_cast(only="SELECTED")
    assert [line.frames().first for line in dialled_lines(bpy.data.objects["Ann"])] == [35]


def test_the_operator_says_what_is_missing(cast):
    for strip in cast.values():
        strip.select = False
    with pytest.raises(RuntimeError, match="No line is chosen"):
        bpy.ops.mouthpiece.animate_cast(only="SELECTED")


def test_a_style_of_a_line_is_not_its_characters(cast):
    cast["Ann 2"].mouthpiece.style = "CALM"
    run()
    takes = {line.label: line.made["take"] for line in dialled_lines(bpy.data.objects["Ann"])}
    cast["Ann 2"].mouthpiece.style = "ENERGETIC"
    assert made(run()[0]) == {"Ann 2"}
    again = {line.label: line.made["take"] for line in dialled_lines(bpy.data.objects["Ann"])}
    assert takes["'Ann 1'"] == again["'Ann 1'"] and takes["'Ann 2'"] != again["'Ann 2'"]
    cast["Ann 1"].mouthpiece.emotion = "HAPPY"
    assert made(run()[0]) == {"Ann 1"}
    assert bake_settings.dials_of(bpy.data.objects["Ann"].mouthpiece).emotion == "neutral"


def test_networks_that_cannot_be_used_are_told_before_anything_is_changed(cast, tmp_path):
    before = scenes.state()
    with pytest.raises(Exception, match="not a folder with networks") as told:
        Wishes(tmp_path / "nowhere")
    assert not isinstance(told.value, RigError)
    assert scenes.state() == before


class Played(Working):
    """The operator as the interface runs it, with events of our own."""

    _last, _slow = AllSettled, (LineHeard, AllHeard)
    _settles = False
    modal = MOUTHPIECE_OT_animate_cast.modal
    _settle, _left, _stopped = (getattr(MOUTHPIECE_OT_animate_cast, name) for name in ("_settle", "_left", "_stopped"))
    _result, _finish = MOUTHPIECE_OT_animate_cast._result, MOUTHPIECE_OT_animate_cast._finish

    def __init__(self):
        lines, unspoken = resolved(bpy.context.scene)
        self._animation = CastAnimation(lines, unspoken, wishes=Wishes(ready=True))
        self._scene, self.reports = bpy.context.scene.name, []

    def report(self, _kind, text):
        self.reports.append(text)

    def made(self):
        return [one.line.strip for one in self._animation.results if one.outcome == "made"]


def test_stopped_in_the_interface_what_was_made_is_settled_between_events(cast):
    context = SimpleNamespace(window_manager=Timers(), window=None, workspace=None, scene=bpy.context.scene)
    operator = Played()
    assert operator._begin(context, operator._animation.steps()) == {"RUNNING_MODAL"}
    timer, escape = SimpleNamespace(type="TIMER"), SimpleNamespace(type="ESC")
    operator._job.wait(60)
    while not operator.made():
        assert operator.modal(context, timer) == {"RUNNING_MODAL"}
    assert operator.modal(context, escape) == {"RUNNING_MODAL"} and operator.made() == ["Ann 1"]
    assert operator.modal(context, escape) == {"RUNNING_MODAL"}  # it is about to end anyway
    ended = {"RUNNING_MODAL"}
    while ended == {"RUNNING_MODAL"}:
        ended = operator.modal(context, timer)
    assert ended == {"FINISHED"} and operator.made() == ["Ann 1"]  # one step to undo
    assert not context.window_manager.running and any("Stopped" in text for text in operator.reports)
    assert made(run()[0]) == set(LINES) - {"Ann 1"}


def test_stopped_before_anything_was_made_nothing_is_to_be_undone(cast):
    context = SimpleNamespace(window_manager=Timers(), window=None, workspace=None, scene=bpy.context.scene)
    operator = Played()
    operator._begin(context, operator._animation.steps())
    assert operator.modal(context, SimpleNamespace(type="ESC")) == {"CANCELLED"}
    operator._job.wait(60)
    assert not dialled_lines(bpy.data.objects["Ann"]) and not context.window_manager.running
