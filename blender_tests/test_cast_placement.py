"""A cast table on the timeline: placed once, again, changed, with mistakes; and written out again."""

from __future__ import annotations

import csv
import io
import os

import bpy
import pytest
from mouthpiece.cast.table import read_cast
from mouthpiece.errors import CastError

from addon import compat
from addon.cast import placement, scene_lines, table_export
from blender_tests import scenes
from blender_tests.test_cast_lines import FPS, member, strip_of, turn


@pytest.fixture
def folder(tmp_path):
    scenes.sequencer(FPS)
    for name, seconds in (("a", 2.0), ("b", 3.0), ("c", 1.0)):
        scenes.murmur(tmp_path / f"{name}.wav", seconds)
    return tmp_path


def place(folder, *rows, name="cast.csv", **options):
    """Write a table, the first row its columns, and place it; return the remarks."""
    path = folder / name
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return placement.placed(bpy.context.scene, read_cast(path), **options).remarks


def seen():
    """Return all that the scene's sound strips are, in order of their names."""
    found = []
    for strip in compat.all_strips(bpy.context.scene):
        if strip.type == "SOUND":
            times, own = compat.strip_times(strip), strip.mouthpiece
            who = own.character.name if own.character else None
            turns = [(turn.character.name, round(turn.begin, 4), round(turn.end, 4)) for turn in own.turns]
            amounts = {one.name: round(one.value, 5) for one in own.amounts}
            manner = (own.style, own.emotion, own.channel, own.seed, own.transcript, own.to and own.to.name)
            sound = os.path.basename(strip.sound.filepath)  # noqa: PTH119
            edges = (times.left, times.right)
            found.append((strip.name, sound, strip.channel, edges, who, turns, amounts, manner))
    return sorted(found, key=lambda item: item[0])


def where():
    return {name: (sound, channel, edges) for name, sound, channel, edges, *_ in seen()}


def test_rows_become_strips(folder):
    """A length is that of Blender's strips: a frame more than the sound, or none."""
    member("Anna", channel=3), member("Bert")
    remarks = place(
        folder,
        "character,audio,start,label,emotion,style,to,jaw,style blend,transcript,seed,channel",
        "anna,a.wav,1.0,first,happy,calm,Bert,1.5,0.5,Hello there,7,mix",
        "BERT,b.wav,0:04.2,,,,,,,,,",
    )
    first, second = (next(one for one in seen() if one[0] == name) for name in ("first", "BERT_b"))
    assert (first[1], first[2], first[3][0], first[4]) == ("a.wav", 3, 25, "Anna")
    assert first[3][1] - 25 in (50, 51)
    assert first[6] == {"jaw": 1.5, "style": 0.5}
    assert first[7] == ("CALM", "HAPPY", "MIX", 7, "Hello there", "Bert")
    assert (second[1], second[3][0], second[4]) == ("b.wav", 105, "Bert")
    assert second[7] == ("AS_IS", "AS_IS", "AS_IS", -1, "", None)
    assert bpy.context.scene.sequence_editor.channels[second[2]].name == "BERT"
    assert bpy.context.scene.sync_mode == "AUDIO_SYNC" and any("in time" in one for one in remarks)
    lines, rest = scene_lines.resolved(bpy.context.scene)
    assert [line.character for line in lines] == ["Anna", "Bert"] and not rest
    assert dict(lines[0].dials) == {"jaw": 1.5, "style": 0.5}


def test_the_same_table_again_changes_nothing(folder):
    member("Anna"), member("Bert")
    rows = ("character,audio,start,end", "Anna,a.wav,1,1.5", "Bert,b.wav,2,", "Anna,c.wav,6,", "Anna,c.wav,8,")
    place(folder, *rows)
    before = seen()
    assert len(before) == 4
    assert place(folder, *rows) == ()
    assert seen() == before


def test_what_was_changed_by_hand_stays_until_the_row_changes(folder):
    member("Anna"), member("Bert")
    head = "character,audio,start,label,emotion"
    place(folder, head, "Anna,a.wav,1,one,happy", "Bert,b.wav,2,two,")
    one, two = (next(s for s in compat.all_strips(bpy.context.scene) if s.name == n) for n in ("one", "two"))
    compat.move_strip(one, 300)
    two.name, two.mouthpiece.emotion, two.mouthpiece.style = "renamed", "SAD", "CALM"
    place(folder, head, "Anna,a.wav,1,one,", "Bert,b.wav,2,two,")
    assert (
        where()["one"][2][0] == 300 and one.mouthpiece.emotion == "AS_IS"
    )  # which the table had set, and says no more
    assert (two.name, two.mouthpiece.emotion, two.mouthpiece.style) == ("renamed", "SAD", "CALM")
    place(folder, head, "Anna,a.wav,3,one,angry", "Anna,b.wav,2,two,")
    assert where()["one"][2][0] == 75 and one.mouthpiece.emotion == "ANGRY"
    assert two.mouthpiece.character.name == "Anna" and len(seen()) == 2


def test_a_sound_that_was_exchanged_keeps_its_strips_settings(folder):
    member("Anna")
    head = "character,audio,start,label"
    place(folder, head, "Anna,a.wav,1,one")
    strip = compat.all_strips(bpy.context.scene)[0]
    channel, strip.volume, strip.color_tag, strip.mouthpiece.emotion = strip.channel, 0.5, "COLOR_02", "SAD"
    strip.mouthpiece.amounts.add().name = "lips"
    place(folder, head, "Anna,b.wav,1,one")
    strip = compat.all_strips(bpy.context.scene)[0]
    name, sound, now, edges, who, _, amounts, _ = seen()[0]
    assert (name, sound, now, edges[0], who, amounts) == ("one", "b.wav", channel, 25, "Anna", {"lips": 1.0})
    assert edges[1] - 25 in (75, 76)
    assert (strip.volume, strip.color_tag, strip.mouthpiece.emotion) == (0.5, "COLOR_02", "SAD")
    assert [sound.name for sound in bpy.data.sounds] == ["b.wav"]


def test_a_strip_that_plays_it_there_already_is_taken(folder):
    member("Anna")
    strip_of(folder / "a.wav", "mine", start=25, channel=4)
    place(folder, "character,audio,start,begin,end", "Anna,a.wav,1,0.4,1.2")
    assert [(one[0], one[2], one[4], one[5]) for one in seen()] == [("mine", 4, None, [("Anna", 0.4, 1.2)])]
    assert where()["mine"][2][1] - 25 in (50, 51)  # somebody's own strip is not trimmed


def test_rows_that_name_strips(folder):
    member("Anna"), member("Bert")
    strip_of(folder / "a.wav", "take 1", start=10, channel=2)
    strip_of(folder / "b.wav", "take 2", start=100, channel=2)
    remarks = place(
        folder,
        "character,strip,audio,frame,begin,end,emotion",
        "Anna,take 1,a.wav,40,,,sad",
        "Anna,take 2,,,0,1.5,",
        "Bert,take 2,,,1.5,,happy",
    )
    one, two = seen()
    assert (one[3][0], one[4], one[7][1]) == (10, "Anna", "SAD")
    assert (two[3][0], two[4], two[5]) == (100, None, [("Anna", 0.0, 1.5), ("Bert", 1.5, 0.0)])
    assert len(remarks) == 1 and "frame 10" in remarks[0] and "40" in remarks[0]
    turns = compat.all_strips(bpy.context.scene)[1].mouthpiece.turns
    assert [turn.emotion for turn in turns] == ["AS_IS", "HAPPY"]
    place(folder, "character,strip", "Bert,take 2")
    assert seen()[1][4:6] == ("Bert", [])


def test_a_sound_that_one_strip_plays_needs_no_start(folder):
    member("Anna")
    strip_of(folder / "a.wav", "take 1", start=10)
    place(folder, "character,audio", "Anna,a.wav")
    assert seen()[0][4] == "Anna"
    strip_of(folder / "a.wav", "take 2", start=100, channel=2)
    with pytest.raises(CastError, match="2 strips"):
        place(folder, "character,audio", "Anna,a.wav")


def test_rows_of_one_sound_that_begin_together_are_turns(folder):
    member("Anna", channel=5), member("Bert")
    rows = ("character,audio,start,begin,end", "Anna,b.wav,2,0,1.2", "Bert,b.wav,2,1.2,2", "Anna,b.wav,2,2,")
    place(folder, *rows)
    (only,) = seen()
    assert only[5] == [("Anna", 0.0, 1.2), ("Bert", 1.2, 2.0), ("Anna", 2.0, 0.0)] and only[3][0] == 50
    assert place(folder, *rows) == () and seen() == [only]
    assert [line.character for line in scene_lines.resolved(bpy.context.scene)[0]] == ["Anna", "Bert", "Anna"]


def test_a_lone_stretch_is_a_trimmed_strip(folder):
    member("Anna")
    place(folder, "character,audio,start,begin,end", "Anna,b.wav,2,1,2.2")
    assert seen()[0][3] == (75, 105)
    (line,), _ = scene_lines.resolved(bpy.context.scene)
    assert line.recording.placement.part == pytest.approx((1.0, 2.16))
    with pytest.raises(CastError, match="is over before"):
        place(folder, "character,audio,start,begin", "Anna,a.wav,2,3.5", name="other.csv")
    assert len(seen()) == 1


def test_strips_never_lie_on_others(folder):
    member("Anna", channel=2)
    strip_of(folder / "c.wav", "music", start=1, channel=2)
    bpy.context.scene.sequence_editor.channels[3].mute = True
    place(folder, "character,audio,frame", "Anna,a.wav,10", "Anna,b.wav,20", "Anna,c.wav,200")
    assert {name: channel for name, (_, channel, _) in where().items()} == {
        "music": 2, "Anna_a": 4, "Anna_b": 5, "Anna_c": 2,
    }  # fmt: skip
    assert where()["music"][2][0] == 1


def test_subtitles_split_a_sound(folder):
    member("Anna"), member("Bert")
    (folder / "talk.srt").write_text(
        "1\n00:00:00,000 --> 00:00:01,000\nANNA: Hello.\n\n2\n00:00:01,500 --> 00:00:02,500\nBERT: Hi.\n"
    )
    place(folder, "audio,start,turns", "b.wav,1,talk.srt")
    assert seen()[0][5] == [("Anna", 0.0, 1.0), ("Bert", 1.5, 2.5)]
    assert [turn.transcript for turn in compat.all_strips(bpy.context.scene)[0].mouthpiece.turns] == ["Hello.", "Hi."]


@pytest.mark.parametrize(
    ("row", "words"),
    (
        ("Zoe,a.wav,1,", "no character 'Zoe'. There are 'Anna' and 'Bert'"),
        ("Anna,gone.wav,1,", "gone.wav"),
        ("Anna,cast.csv,1,", "cast.csv"),
        ("Anna,,,lost", "no sound strip 'lost'"),
        ("Anna,a.wav,,", "no start is given"),
        ("Anna,take.npz,1,", "is a take"),
        ("Anna,a.wav,300000,", "frame"),
    ),
)  # fmt: skip
def test_a_row_that_cannot_be_placed_leaves_all_as_it_was(folder, row, words):
    member("Anna"), member("Bert")
    (folder / "take.npz").write_bytes(b"take")
    strip_of(folder / "c.wav", "there", start=5)
    before = seen(), scenes.state(), len(bpy.data.sounds)
    with pytest.raises(CastError) as told:
        place(folder, "character,audio,start,strip", "Anna,a.wav,1,", row, "Bert,b.wav,2,", "Bert,,,there")
    assert len(told.value.faults) == 1 and told.value.faults[0].startswith("Row 3: ") and words in told.value.faults[0]
    assert words in str(told.value)
    assert (seen(), scenes.state(), len(bpy.data.sounds)) == before


def test_all_mistakes_are_told_at_once(folder):
    member("Anna")
    with pytest.raises(CastError) as told:
        place(folder, "character,audio,start", *(f"Nobody {n},a.wav,{n}" for n in range(5)))
    assert len(told.value.faults) == 5 and "And 2 more" in str(told.value)


def test_lines_of_other_scenes_and_files_are_left_to_them(folder):
    member("Anna")
    bpy.data.scenes.new("Second")
    remarks = place(
        folder,
        "character,audio,start,scene,blend",
        "Anna,a.wav,1,Scene,",
        "Anna,b.wav,1,Second,",
        "Anna,c.wav,1,,other.blend",
        "Anna,c.wav,1,Third,",
    )
    assert list(where()) == ["Anna_a"] and any("no scene 'Third'" in one for one in remarks)
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "other.blend"))
    place(folder, "character,audio,start,blend", "Anna,c.wav,5,other.blend", name="more.csv")
    assert list(where()) == ["Anna_a", "Anna_c"]


def test_objects_become_members(folder):
    scenes.face("Anna")
    place(folder, "character,audio,start", "ANNA,a.wav,1")
    (one,) = bpy.context.scene.mouthpiece_cast.members
    assert (one.object.name, one.name) == ("Anna", "ANNA")


def test_rows_that_are_gone_are_told_and_their_strips_stay(folder):
    member("Anna")
    place(folder, "character,audio,start", "Anna,a.wav,1", "Anna,b.wav,6")
    remarks = place(folder, "character,audio,start", "Anna,a.wav,1")
    assert len(seen()) == 2 and len(remarks) == 1 and "'Anna_b'" in remarks[0]


def test_the_scenes_end(folder):
    member("Anna")
    scene = bpy.context.scene
    scene.frame_end = 60
    assert any("only to frame 60" in one for one in place(folder, "character,audio,start", "Anna,b.wav,1"))
    assert scene.frame_end == 60
    assert place(folder, "character,audio,start", "Anna,b.wav,1", extend=True) == ()
    assert scene.frame_end in (99, 100)


def export(folder):
    text, remarks = table_export.table_of(bpy.context.scene, folder)
    return list(csv.DictReader(io.StringIO(text))), remarks


def test_what_is_written_says_the_same_when_it_is_placed(folder):
    """In the scene it is of nothing changes; another scene gets the same strips."""
    anna, bert = member("Anna", "The Heroine"), member("Bert")
    place(folder, "character,audio,start,begin,end,emotion", "Bert,a.wav,1,0.4,1.2,sad", "Bert,c.wav,20,,,")
    talk = strip_of(folder / "b.wav", "Über uns", start=200, channel=7)
    turn(talk, anna, 0.0, 1.5, to=bert, style="CALM", transcript='She says "no", twice')
    turn(talk, bert, 1.5, own_intensity=True, intensity=0.25, seed=3)
    talk.mouthpiece.amounts.add().name = "jaw"
    strip_of(folder / "c.wav", "music", start=1, channel=9).mouthpiece.is_speech = False
    rows, remarks = export(folder)
    assert not remarks and [row["character"] for row in rows] == ["Bert", "The Heroine", "Bert", "Bert"]
    assert rows[0]["audio"] == "a.wav" and rows[1]["transcript"] == 'She says "no", twice'
    path = folder / "out.csv"
    path.write_text(table_export.table_of(bpy.context.scene, folder)[0], encoding="utf-8")
    before, lines = seen(), scene_lines.resolved(bpy.context.scene)
    bpy.context.scene.frame_end = 1000
    assert placement.placed(bpy.context.scene, read_cast(path)).remarks == ()
    now = scene_lines.resolved(bpy.context.scene)
    assert now == lines
    assert [(one[0], one[3]) for one in seen()] == [(one[0], one[3]) for one in before]

    other = bpy.data.scenes.new("Other")
    other.render.fps = FPS
    for one in bpy.context.scene.mouthpiece_cast.members:
        copy = other.mouthpiece_cast.members.add()
        copy.object, copy.name = one.object, one.name
    placement.placed(other, read_cast(path))
    there, rest = scene_lines.resolved(other)
    assert not rest and len(there) == len(lines[0])
    for line, copy in zip(lines[0], there, strict=True):
        same = ("character", "strip", "style", "emotion", "intensity", "seed", "dials", "transcript", "to")
        assert [getattr(line, name) for name in same] == [getattr(copy, name) for name in same]
        assert line.recording.placement.part == pytest.approx(copy.recording.placement.part, abs=0.041)


def test_strips_that_nobody_speaks_are_not_written(folder):
    member("Anna"), member("Bert")
    strip_of(folder / "a.wav", "mystery")
    rows, remarks = export(folder)
    assert not rows and "mystery" in remarks[0]
