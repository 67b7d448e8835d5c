"""Who speaks which strip: every way to say so, which counts before which, and what is told where nobody does."""

from __future__ import annotations

import wave

import bpy
import numpy as np
import pytest

from addon import compat
from addon.bake import line_identity, redial
from addon.cast import scene_lines, speakers
from addon.cast.strip_lines import FAILED, MUTED, UNASSIGNED
from blender_tests import scenes
from blender_tests.test_line_identity import animate, keys
from blender_tests.test_sound import set_speed

FPS = 25


@pytest.fixture
def wav(tmp_path):
    return scenes.murmur(tmp_path / "sound.wav", 4.0)


def strip_of(path, name, start=1, channel=1, parent=None):
    strips = scenes.sequencer(FPS) if parent is None else parent.strips
    return strips.new_sound(name, str(path), channel, start)


def member(name, title="", **rules):
    """Add an object to the scene and to its cast."""
    obj = scenes.face(name)
    one = bpy.context.scene.mouthpiece_cast.members.add()
    one.object, one.name = obj, title
    for key, value in rules.items():
        setattr(one, key, value)
    return obj


def turn(strip, obj, begin, end=0.0, **settings):
    one = strip.mouthpiece.turns.add()
    one.character, one.begin, one.end = obj, begin, end
    for key, value in settings.items():
        setattr(one, key, value)
    return one


def resolved():
    return scene_lines.resolved(bpy.context.scene)


def spoken():
    """Return who speaks which strip, by name."""
    return {line.strip: line.character for line in resolved()[0]}


def reasons():
    return {one.strip: (one.kind, one.reason) for one in resolved()[1]}


def test_a_strips_own_character(wav):
    member("Anna"), member("Bert")
    strip_of(wav, "one").mouthpiece.character = bpy.data.objects["Bert"]
    assert spoken() == {"one": "Bert"}


def test_the_drop_down_is_the_same_choice(wav):
    anna, _ = member("Anna"), member("Bert", "Der Bär")
    own = strip_of(wav, "one").mouthpiece
    assert own.speaker == "rule" and own.character is None
    own.speaker = "1"
    assert own.character.name == "Bert"
    own.speaker = "rule"
    assert own.character is None
    own.character = scenes.face("Stranger")
    assert own.speaker == "other"
    own.speaker = "0"
    assert own.character == anna


@pytest.mark.parametrize(
    ("strip", "speaker"),
    (
        ("Anna_07.wav", "Anna"), ("ANNA: Where are you?", "Anna"), ("anna07", "Anna"), ("annabelle 3", None),
        ("ann_b 1", "Ann_B"), ("Ann_B", "Ann_B"), ("Der Bär sagt", "Bert"), ("music", None), ("say Anna", None),
    ),
)  # fmt: skip
def test_by_name(wav, strip, speaker):
    member("Anna"), member("Bert", "Der Bär"), member("Ann_B")
    strip_of(wav, strip)
    assert spoken().get(strip) == speaker
    assert (strip in reasons()) == (speaker is None)


def test_by_the_files_name_where_the_strip_has_another(tmp_path):
    member("Anna"), member("Bert")
    strip_of(scenes.murmur(tmp_path / "Bert 12.wav"), "take")
    assert spoken() == {"take": "Bert"}


@pytest.mark.parametrize(
    ("pattern", "fits"), (("*_A*", True), ("x, line", True), ("LINE_?_a.wav", True), ("lin", False))
)
def test_by_a_pattern(wav, pattern, fits):
    member("Anna", pattern=pattern), member("Bert")
    strip_of(wav, "line_3_a.wav")
    assert spoken() == ({"line_3_a.wav": "Anna"} if fits else {})


def test_by_colour_and_by_channel_and_by_the_channels_name(wav):
    member("Anna", color="COLOR_03"), member("Bert", channel=5), member("Zoe")
    strip_of(wav, "red", channel=1).color_tag = "COLOR_03"
    strip_of(wav, "five", channel=5)
    strip_of(wav, "six", channel=6)
    strip_of(wav, "seven", channel=7)
    bpy.context.scene.sequence_editor.channels[6].name = "zoe"
    assert spoken() == {"red": "Anna", "five": "Bert", "six": "Zoe"}
    assert reasons()["seven"][0] == UNASSIGNED


@pytest.mark.parametrize("key", ("character", "speaker"))
def test_by_metadata(wav, key):
    member("Anna"), member("Bert", "The Bear")
    scenes.face("Extra")
    strip_of(wav, "1")[key] = "the bear"
    strip_of(wav, "2", channel=2)[key] = "EXTRA"
    strip_of(wav, "3", channel=3)[key] = "Nobody"
    strip_of(wav, "4", channel=4)[key] = 7
    assert spoken() == {"1": "Bert", "2": "Extra"}
    assert reasons()["3"][0] == UNASSIGNED
    assert "'Nobody'" in reasons()["3"][1] and "'Anna' and 'The Bear'" in reasons()["3"][1]


def test_the_only_member_speaks_whatever_is_nobodys(wav):
    strip_of(wav, "line")
    assert not spoken() and reasons()["line"][0] == UNASSIGNED
    member("Anna")
    assert spoken() == {"line": "Anna"}
    member("Bert")
    assert not spoken()


def test_what_counts_before_what(wav):
    """Own choice, metadata, name, colour, channel: each is taken away in turn."""
    member("Own"), member("Meta"), member("Name"), member("Color", color="COLOR_01"), member("Channel", channel=1)
    strip = strip_of(wav, "Name 1")
    strip.color_tag = "COLOR_01"
    strip["speaker"] = "Meta"
    strip.mouthpiece.character = bpy.data.objects["Own"]
    found = [spoken()["Name 1"]]
    strip.mouthpiece.character = None
    found.append(spoken()["Name 1"])
    del strip["speaker"]
    found.append(spoken()["Name 1"])
    strip.name = strip.sound.name = "other"
    found.append(spoken()["other"])
    strip.color_tag = "NONE"
    found.append(spoken()["other"])
    assert found == ["Own", "Meta", "Name", "Color", "Channel"]


def test_two_who_fit_alike_are_told_and_neither_is_guessed(wav):
    member("Anna", channel=2), member("Bert", channel=2)
    strip_of(wav, "line", channel=2)
    kind, reason = reasons()["line"]
    assert kind == UNASSIGNED and "'Anna' and 'Bert'" in reason


def test_what_is_in_a_meta_strip(wav):
    """A meta strip's own character counts, but not the number of a channel inside it."""
    member("Anna"), member("Bert", channel=1), member("Zoe", color="COLOR_02")
    meta = scenes.sequencer(FPS).new_meta("scene one", 4, 1)
    strip_of(wav, "inside", parent=meta)
    strip_of(wav, "Zoe inside", channel=2, parent=meta)
    assert spoken() == {"Zoe inside": "Zoe"}
    meta.mouthpiece.character = bpy.data.objects["Anna"]
    assert spoken()["inside"] == "Anna"
    meta.mouthpiece.character = None
    meta["character"] = "bert"
    assert spoken()["inside"] == "Bert"
    del meta["character"]
    meta.color_tag = "COLOR_02"
    assert spoken()["inside"] == "Zoe"


def test_what_is_not_heard_and_what_is_no_speech(wav):
    member("Anna")
    strip_of(wav, "off", channel=1).mute = True
    strip_of(wav, "silent", channel=2).volume = 0
    strip_of(wav, "music", channel=3).mouthpiece.is_speech = False
    strip_of(wav, "channel", channel=4)
    bpy.context.scene.sequence_editor.channels[4].mute = True
    assert not spoken()
    assert {name: kind for name, (kind, _) in reasons().items()} == dict.fromkeys(("off", "silent", "channel"), MUTED)


def test_a_missing_file_fails_alone(wav, tmp_path):
    member("Anna")
    gone = scenes.murmur(tmp_path / "gone.wav")
    strip_of(gone, "lost", channel=1)
    strip_of(wav, "there", channel=2)
    gone.unlink()
    assert spoken() == {"there": "Anna"}
    assert reasons()["lost"][0] == FAILED and "gone.wav" in reasons()["lost"][1]


def test_how_it_is_spoken(wav):
    anna, bert = member("Anna"), member("Bert")
    strip = strip_of(wav, "line")
    own = strip.mouthpiece
    own.character = anna
    (line,), _ = resolved()
    assert (line.style, line.emotion, line.intensity, line.seed, dict(line.dials), line.to) == (
        "",
        "",
        None,
        None,
        {},
        "",
    )
    assert line.recording.identity == "strip:Scene/line" and line.recording.channel == "auto"
    own.style, own.emotion, own.own_intensity, own.intensity, own.seed = "CALM", "HAPPY", True, 0.3, 0
    own.transcript, own.to, own.channel = "Hello", bert, "MIX"
    amount = own.amounts.add()
    amount.name, amount.value = "jaw", 1.2
    (line,), _ = resolved()
    assert (line.style, line.emotion, line.intensity, line.seed) == ("calm", "happy", 0.3, 0)
    assert (dict(line.dials), line.to, line.transcript, line.recording.channel) == (
        {"jaw": 1.2},
        "Bert",
        "Hello",
        "mix",
    )
    own.style = "FILE"
    assert reasons()["line"][0] == FAILED and "style" in reasons()["line"][1]
    own.style_file = "//manner.json"
    assert resolved()[0][0].style.endswith("manner.json") and "//" not in resolved()[0][0].style


def test_a_channel_of_ones_own_and_one_that_is_not_there(tmp_path, wav):
    anna = member("Anna")
    path = tmp_path / "stereo.wav"
    both = np.zeros((16_000, 2), "<i2")
    both[4000:8000, 1] = 9000
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(both.tobytes())
    anna.mouthpiece.channel = "LEFT"
    strip = strip_of(path, "stereo")
    strip_of(wav, "mono", channel=2)
    assert {line.strip: line.recording.channel for line in resolved()[0]} == {"stereo": "left", "mono": "auto"}
    strip.mouthpiece.channel = "RIGHT"
    assert resolved()[0][0].recording.channel == "right"
    strip.mouthpiece.channel, strip.mouthpiece.channel_number = "NUMBER", 3
    assert spoken() == {"mono": "Anna"} and reasons()["stereo"][0] == FAILED


def test_turns_split_a_strip(wav):
    """Frames of stretches that touch are nobody's twice; a turn has the manner of its strip but for its own."""
    anna, bert = member("Anna"), member("Bert")
    strip = strip_of(wav, "talk", start=11)
    strip.mouthpiece.emotion, strip.mouthpiece.character = "SAD", bert
    turn(strip, anna, 0.0, 1.3, to=bert)
    turn(strip, None, 1.3, 2.0, emotion="HAPPY")
    turn(strip, anna, 2.0)
    lines, rest = resolved()
    assert not rest
    assert [(line.character, line.emotion, line.to) for line in lines] == [
        ("Anna", "sad", "Bert"), ("Bert", "happy", ""), ("Anna", "sad", ""),
    ]  # fmt: skip
    places = [line.recording.placement for line in lines]
    assert [(place.left, place.right) for place in places][:2] == [(11, 44), (44, 61)]
    assert places[2].left == 61 and places[2].right in (111, 112)
    assert {line.recording.identity for line in lines} == {
        f"turn:Scene/talk@{at}" for at in ("0.000", "1.300", "2.000")
    }


def test_turns_that_are_wrong_hidden_or_nobodys(wav):
    anna, _ = member("Anna"), member("Bert")
    strip = strip_of(wav, "talk")
    turn(strip, anna, 2.0, 1.0)
    turn(strip, None, 1.0, 2.0)
    assert [one.kind for one in resolved()[1]] == [FAILED, UNASSIGNED]
    assert "2 s" in resolved()[1][0].reason
    strip.mouthpiece.turns.clear()
    turn(strip, anna, 0.0, 1.0)
    turn(strip, anna, 3.0, 4.0)
    strip.frame_offset_start = 50
    lines, rest = resolved()
    assert not rest and [line.recording.identity for line in lines] == ["turn:Scene/talk@3.000"]


def test_who_was_deleted_is_told(wav):
    anna, bert = member("Anna"), member("Bert")
    strip = strip_of(wav, "one", channel=1)
    strip.mouthpiece.character = anna
    strip_of(wav, "Bert 2", channel=2)
    bpy.context.view_layer.objects.active = anna
    bpy.ops.object.select_all(action="DESELECT")
    anna.select_set(True)
    bpy.ops.object.delete()
    assert spoken() == {"Bert 2": "Bert"}
    kind, reason = reasons()["one"]
    assert kind == UNASSIGNED and "was deleted" in reason
    assert speakers.Roster.of(bpy.context.scene).lost == ("Anna",)
    bpy.data.objects.remove(bert)
    assert not spoken()


def test_a_part_of_a_character_means_the_character(wav):
    rig, face = scenes.armature("Rig"), member("Face")
    face.modifiers.new("Armature", "ARMATURE").object = rig
    strip_of(wav, "line").mouthpiece.character = rig
    assert spoken() == {"line": "Face"}


def test_a_renamed_character_stays_who_it_is(wav):
    anna, _ = member("Anna"), member("Bert")
    strip_of(wav, "line").mouthpiece.character = anna
    anna.name = "Hannah"
    assert spoken() == {"line": "Hannah"}


def test_copies_of_strips_and_scenes_keep_their_characters(wav):
    anna = member("Anna")
    member("Bert")
    strip = strip_of(wav, "line")
    strip.mouthpiece.character = anna
    turn(strip, anna, 1.0, 2.0)
    copy = bpy.context.scene.copy()
    (line,), _ = scene_lines.resolved(copy)
    assert (line.character, line.scene, line.recording.identity) == ("Anna", copy.name, f"turn:{copy.name}/line@1.000")
    assert [one.object.name for one in copy.mouthpiece_cast.members] == ["Anna", "Bert"]


def test_the_knife_leaves_each_piece_its_turns(wav):
    anna, bert = member("Anna"), member("Bert")
    strip = strip_of(wav, "talk")
    turn(strip, anna, 0.0, 1.0)
    turn(strip, bert, 1.0, 3.0)
    strip.split(frame=1 + FPS * 2, split_method="SOFT")
    lines, rest = resolved()
    assert not rest
    assert [(line.character, line.recording.placement.left, line.recording.placement.right) for line in lines] == [
        ("Anna", 1, 26), ("Bert", 26, 51), ("Bert", 51, 76),
    ]  # fmt: skip
    assert len({line.recording.identity for line in lines}) == 3


def test_all_of_it_is_saved(wav, tmp_path):
    anna = member("Anna", "Heroine", channel=3, color="COLOR_05", pattern="A*")
    strip = strip_of(wav, "talk")
    strip.mouthpiece.character, strip.mouthpiece.style = anna, "CHEERFUL"
    turn(strip, anna, 0.5, 1.5, transcript="yes")
    strip.mouthpiece.amounts.add().name = "lips"
    before = resolved()
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "film.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "film.blend"))
    assert resolved() == before and before[0][0].transcript == "yes"
    one = bpy.context.scene.mouthpiece_cast.members[0]
    assert (one.name, one.channel, one.color, one.pattern) == ("Heroine", 3, "COLOR_05", "A*")


def test_a_scene_at_another_rate_is_told(wav):
    member("Anna")
    strip_of(wav, "line")
    other = bpy.data.scenes.new("Other")
    other.render.fps = 30
    lines, rest = scene_lines.resolved(bpy.context.scene, other)
    assert not lines and "30" in rest[0].reason and rest[0].kind == FAILED


def test_a_scene_without_a_sequencer_has_no_lines():
    assert resolved() == ([], [])


def test_turns_of_one_character_are_lines_of_their_own_and_are_taken_over(wav):
    """Two turns do not replace each other; a moved or renamed one does, and so does the whole strip, both ways."""
    obj = member("Anna")
    strip = strip_of(wav, "talk")
    (whole,), _ = resolved()
    animate(obj, whole.recording, seconds=4.0)
    turn(strip, obj, 0.0, 1.0)
    turn(strip, obj, 2.0, 3.0)
    for line in resolved()[0]:
        animate(obj, line.recording, seconds=4.0)
    sounds = sorted(line.sound for line in redial.dialled_lines(obj))
    assert sounds == ["turn:Scene/talk@0.000", "turn:Scene/talk@2.000"]
    strip.name, strip.mouthpiece.turns[1].begin = "renamed", 1.9
    animate(obj, resolved()[0][1].recording, seconds=4.0)
    sounds = sorted(line.sound for line in redial.dialled_lines(obj))
    assert sounds == ["turn:Scene/renamed@1.900", "turn:Scene/talk@0.000"]
    assert [line_identity.is_there(line) for line in redial.dialled_lines(obj)].count(True) == 1
    strip.mouthpiece.turns.clear()
    animate(obj, resolved()[0][0].recording, seconds=4.0)
    assert [line.sound for line in redial.dialled_lines(obj)] == ["strip:Scene/renamed"]
    assert keys(obj)[0] == 1


def test_two_characters_on_one_strip(wav):
    anna, bert = member("Anna"), member("Bert")
    strip = strip_of(wav, "talk")
    turn(strip, anna, 0.0, 1.0)
    turn(strip, bert, 1.0, 2.0)
    for line in resolved()[0]:
        animate(bpy.data.objects[line.character], line.recording, seconds=4.0)
    assert [line.sound for line in redial.dialled_lines(anna)] == ["turn:Scene/talk@0.000"]
    assert [line.sound for line in redial.dialled_lines(bert)] == ["turn:Scene/talk@1.000"]
    assert keys(anna)[:2] == (1, 25) and keys(bert)[:2] == (26, 50)


def test_strips_of_other_kinds_are_left_alone(wav):
    member("Anna")
    compat.new_colour_strip(scenes.sequencer(FPS), "Anna blue", 3, 1, 50)
    assert resolved() == ([], [])


def test_an_override_of_a_linked_character_speaks(wav, tmp_path):
    """Its strip and its membership are those of the scene, and are saved."""
    obj = scenes.face("Linked")
    library = tmp_path / "library.blend"
    bpy.data.libraries.write(str(library), {obj}, fake_user=True)
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    with bpy.data.libraries.load(str(library), link=True) as (_, into):
        into.objects = ["Linked"]
    bpy.context.scene.collection.objects.link(into.objects[0])
    own = into.objects[0].override_create(remap_local_usages=True)
    one = bpy.context.scene.mouthpiece_cast.members.add()
    one.object, one.channel = own, 1
    strip_of(wav, "by rule")
    strip_of(wav, "chosen", channel=2).mouthpiece.character = own
    strip_of(wav, "Other", channel=3)
    scenes.face("Other")
    member_two = bpy.context.scene.mouthpiece_cast.members.add()
    member_two.object = bpy.data.objects["Other"]
    before = spoken()
    assert before == {"by rule": "Linked", "chosen": "Linked", "Other": "Other"}
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "film.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "film.blend"))
    assert spoken() == before
    members = bpy.context.scene.mouthpiece_cast.members
    assert members[0].object.override_library is not None and members[0].object == own_of("chosen").character


def own_of(name):
    return next(strip for strip in compat.all_strips(bpy.context.scene) if strip.name == name).mouthpiece


def test_a_retimed_strip_leaves_no_scene_behind_and_is_measured_once(wav, monkeypatch):
    member("Anna")
    strip = strip_of(wav, "fast")
    set_speed(strip, 200.0)
    before = len(bpy.data.scenes)
    lines, rest = resolved()
    assert len(bpy.data.scenes) == before and not rest
    assert lines[0].recording.placement.speed == pytest.approx(2.0, abs=0.05)
    made = []
    monkeypatch.setattr(compat, "scratch_scene", lambda *a: made.append(a))
    assert resolved() == (lines, rest) and not made
