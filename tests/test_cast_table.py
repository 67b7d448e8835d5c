"""Casts in CSV and JSON: every way to write them, and every mistake told with its place."""

import json
import os
from pathlib import Path

import pytest
from mouthpiece.cast.lines import CastLine, Moment
from mouthpiece.cast.table import read_cast
from mouthpiece.cast.times import moment, seconds
from mouthpiece.errors import CastError
from mouthpiece.motion.dials import LIMITS


@pytest.fixture
def cast(tmp_path):
    """Write a table and read it."""

    def read(content, name="cast.csv", encoding="utf-8"):
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        return read_cast(tmp_path / name)

    return read


def faults(cast, content, name="cast.csv"):
    with pytest.raises(CastError) as told:
        cast(content, name)
    return told.value.faults


def test_every_column_becomes_a_field(cast, tmp_path):
    names = "character,audio,start,begin,end,strip,channel,style,emotion,intensity,seed,transcript,to,blend,scene,label"
    values = 'Anna,a.wav,12.5,1,0:02.5,a.001,Left,Calm,Happy,0.5,7,"Well, hello",Ben,shot.blend,Hall,A7'
    (line,) = cast(f"{names}\n{values}\n").lines
    assert line == CastLine(
        2,
        "Anna",
        tmp_path / "a.wav",
        "a.001",
        Moment(12.5),
        1.0,
        2.5,
        "left",
        "calm",
        "happy",
        0.5,
        {},
        7,
        "Well, hello",
        "Ben",
        tmp_path / "shot.blend",
        "Hall",
        "A7",
    )


def test_every_amount_is_a_column(cast):
    names = [name for name in LIMITS if name not in ("style", "intensity")]
    (line,) = cast(f"who,wav,{','.join(names)},Style-Blend\nAnna,a.wav,{','.join('0.5' for _ in names)},0.25\n").lines
    assert line.dials == {**dict.fromkeys(names, 0.5), "style": 0.25}


@pytest.mark.parametrize(
    ("column", "names"),
    {
        "audio": ("audio", "SOUND", "File", "wav", "Audio_File"),
        "character": ("character", "speaker", "name", "Who"),
        "start": ("start", "time", "in"),
        "transcript": ("transcript", "text", "line"),
        "to": ("to", "listener", "addressee"),
        "blend": ("blend", "shot", "file.blend"),
        "label": ("label", "id", "take"),
    }.items(),
)
def test_columns_go_by_several_names(cast, column, names):
    texts = {
        "character": "Anna",
        "audio": "a.wav",
        "start": "1",
        "transcript": "x",
        "to": "B",
        "blend": "b",
        "label": "L",
    }
    for name in names:
        heading = ",".join(name if one == column else one for one in texts)
        (line,) = cast(f"{heading}\n{','.join(texts.values())}\n").lines
        assert getattr(line, column), name


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_separators_and_line_ends(cast, separator, end):
    rows = [
        ['# a comment, with; signs\tand a " quote'],
        ["name", "sound", "text"],
        [""],
        ["Anna", "a.wav", '"two\nlines"'],
        ["Ben", "b.wav", "x"],
    ]
    found = cast(end.join(separator.join(row) for row in rows))
    assert [(line.character, line.transcript) for line in found.lines] == [("Anna", "two\nlines"), ("Ben", "x")]
    assert [line.row for line in found.lines] == [4, 6] and not found.remarks


@pytest.mark.parametrize(
    ("encoding", "is_told"),
    [
        ("utf-8", False),
        ("utf-8-sig", False),
        ("utf-16", False),
        ("utf-16-le", False),
        ("utf-16-be", False),
        ("cp1252", True),
    ],
)
def test_encodings(cast, encoding, is_told):
    found = cast("character;audio\nJürgen;größe.wav\n", encoding=encoding)
    assert found.lines[0].character == "Jürgen" and found.lines[0].audio.name == "größe.wav"
    assert bool(found.remarks) == is_told and (not is_told or "Windows-1252" in found.remarks[0])


def test_excel_says_its_separator(cast):
    assert cast("sep=;\r\nname;sound;lips\r\nAnna;a.wav;1,5\r\n").lines[0].dials == {"lips": 1.5}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("12.5", Moment(12.5)),
        ("12,5", Moment(12.5)),
        (3, Moment(3.0)),
        ("1:02.5", Moment(62.5)),
        ("1:01:02", Moment(3662.0)),
        ("00:01:02:03", Moment(62.0, frames=3)),
        ("00:01:02;03", Moment(62.0, frames=3, drops=True)),
    ],
)
def test_moments(text, found):
    assert moment(text) == found


@pytest.mark.parametrize(
    "text", ["", "x", "1:2:3:4:5", "1:99", "-3", "nan", "inf", "1e3", "9" * 50, "1:60:00", True, None, []]
)
def test_what_is_no_moment(text):
    with pytest.raises(CastError):
        moment(text)


def test_a_sound_has_no_frames():
    with pytest.raises(CastError, match="no frames"):
        seconds("00:00:01:12")


@pytest.mark.parametrize(
    ("text", "fps", "frame"),
    [
        ("12.5", 24, 300),
        ("00:01:00:12", 24, 1452),
        ("00:01:00:12", 23.976, 1452),
        ("01:00:00:00", 29.97, 108_000),
        # one hour of drop-frame timecode is 107,892 frames
        ("01:00:00;00", 30_000 / 1001, 107_892),
        ("00:01:00;02", 30_000 / 1001, 1800),
        ("00:10:00;00", 30_000 / 1001, 17_982),
        ("00:10:00;00", 60_000 / 1001, 35_964),
        ("00:10:00;00", 30, 18_000),
    ],
)
def test_frames_of_moments(text, fps, frame):
    assert moment(text).frame_at(fps) == pytest.approx(frame)


@pytest.mark.parametrize(
    ("text", "fps"), [("00:00:01:24", 24), ("00:01:00;00", 30_000 / 1001), ("00:01:00;01", 30_000 / 1001)]
)
def test_timecodes_that_there_are_not(text, fps):
    with pytest.raises(CastError, match=text):
        moment(text).frame_at(fps)


def test_a_frame_is_a_frame(cast):
    (line,) = cast("character,audio,frame\nAnna,a.wav,101\n").lines
    assert line.start == Moment(frame=101.0) and line.start.frame_at(30) == 101 and line.start.text == "frame 101"


@pytest.mark.parametrize("text", ["12.5", "0", "00:01:02:03", "00:01:02;03"])
def test_a_moment_is_written_as_it_is_read(text):
    assert moment(text).text == text


def test_all_mistakes_are_told_at_once_with_row_and_column(cast):
    told = faults(
        cast,
        "character,audio,start,emotion,lips,seed,channel,style\n"
        "Anna,a.wav,1:99,glad,9,-1,middle,grumpy\n\n,b.wav,,,,,,\nBen,,,,,,,\nBen,b.wav,1,,,,,,x\n",
    )
    assert [fault.split(":")[0] for fault in told] == [
        "Row 2, 'start'",
        "Row 2, 'emotion'",
        "Row 2, 'lips'",
        "Row 2, 'seed'",
        "Row 2, 'channel'",
        "Row 2, 'style'",
        "Row 4",
        "Row 5",
        "Row 6",
    ]
    assert all(fault.endswith(".") for fault in told)


def test_the_sentence_names_the_file_and_some_mistakes(cast, tmp_path):
    with pytest.raises(CastError) as told:
        cast("character,audio\n" + ",a.wav\n" * 5)
    assert str(tmp_path / "cast.csv") in str(told.value) and "And 2 more." in str(told.value)


def test_unknown_columns_are_told_with_the_nearest(cast):
    (remark,) = cast("character,audio,emotoin\nAnna,a.wav,happy\n").remarks
    assert "'emotoin'" in remark and "'emotion'" in remark


def test_a_column_of_characters_is_needed_and_its_misspelling_told(cast):
    (told,) = faults(cast, "charcter,audio\nAnna,a.wav\nBen,b.wav\n")
    assert "'charcter'" in told


def test_two_columns_of_one_meaning_are_refused(cast):
    assert "'audio' and 'sound'" in faults(cast, "character,audio,sound\nAnna,a.wav,b.wav\n")[0]


def test_a_time_and_a_frame_contradict_each_other(cast):
    assert "both" in faults(cast, "character,audio,start,frame\nAnna,a.wav,1,24\n")[0]


def test_a_stretch_ends_after_it_begins(cast):
    assert "not after" in faults(cast, "character,audio,begin,end\nAnna,a.wav,3,2\n")[0]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"\n\n", "empty"),
        (b"\xff\xfe\x00", "UTF-16"),
        (b"a\x00b,c\n", "zero"),
        (b"\x81\x8d,x\n", "neither"),
        (b"one,two\n1,2\n", "names no columns"),
        (b"character,audio\n", "no lines"),
        (b"character,audio\n# x\n", "no lines"),
        (b"character,audio\n" + b"x" * 200_000, "cannot be read"),
    ],
)
def test_what_is_no_table(cast, content, words):
    with pytest.raises(CastError, match=words):
        cast(content)


def test_a_name_is_one_line(cast):
    assert "one line" in faults(cast, 'character,audio\n"An\nna",a.wav\n')[0]


def test_a_script_without_times_is_refused(cast):
    told = faults(cast, 'character,audio,text\nAnna,a.wav,"ANNA: hello\nBEN: hi"\n')
    assert "ANNA and BEN" in told[0] and "turns" in told[0]


def test_missing_files_and_pipes(tmp_path):
    with pytest.raises(CastError, match="Check the path"):
        read_cast(tmp_path / "none.csv")
    with pytest.raises(CastError, match="folder"):
        read_cast(tmp_path)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.csv")
        with pytest.raises(CastError, match="no ordinary file"):
            read_cast(tmp_path / "pipe.csv")


def test_labels_differ(cast):
    found = cast("character,audio,label\nAnna,a.wav,\nAnna,b/a.wav,\nBen,x.wav,anna_A\n,,\n")
    assert [line.label for line in found.lines] == ["Anna_a", "Anna_a_2", "anna_A_3"]


def test_one_name_in_two_cases_is_one_character(cast):
    found = cast("character,audio\nAnna,a.wav\nANNA,b.wav\nAnnna,c.wav\n")
    assert found.characters == ("Anna", "Annna") and len(found.remarks) == 2


def test_paths_begin_at_the_table(tmp_path):
    (tmp_path / "sounds").mkdir()
    (tmp_path / "sounds" / "a.wav").write_bytes(b"x")
    (tmp_path / "cast.csv").write_text("character,audio\nA,sounds\\a.wav\nB,../up.wav\nC,/full.wav\n")
    found = [line.audio for line in read_cast(Path(os.path.relpath(tmp_path / "cast.csv"))).lines]
    assert found[:2] == [tmp_path / "sounds" / "a.wav", tmp_path.parent / "up.wav"] and found[2].is_absolute()


def test_json_with_characters(cast, tmp_path):
    table = {
        "characters": {"Anna": {"style": "calm", "dials": {"lips": 1.2, "style": 0.5}}, "Ben": {"seed": 4}},
        "lines": [
            {"character": "anna", "audio": "a.wav", "start": "1:00"},
            {"character": "Ben", "audio": "b.wav", "frame": 12, "lips": 0.5, "style": "old.json"},
            {"character": "Anna", "strip": "x.wav", "style": "neutral", "intensity": 0},
        ],
    }
    anna, ben, strip = cast(json.dumps(table), "cast.json").lines
    assert (anna.style, anna.dials, anna.start) == ("calm", {"lips": 1.2, "style": 0.5}, Moment(60.0))
    assert (ben.seed, ben.dials, ben.style) == (4, {"lips": 0.5}, str(tmp_path / "old.json"))
    assert (strip.strip, strip.style, strip.audio, strip.intensity) == ("x.wav", "neutral", None, 0.0)
    assert cast(json.dumps(table["lines"][1:]), "list.json").lines[0].seed is None


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"lines": 3}, "not a list"),
        ([], "no lines"),
        ([3], "Line 1"),
        ([{"character": "A"}], "neither a sound"),
        ([{"character": "A", "audio": True}], "not a text"),
        ([{"character": ["A"], "audio": "a"}], "not a text"),
        ([{"character": "A", "audio": "a", "sound": "b"}], "twice"),
        ([{"character": "A", "audio": "a", "dials": 3}], "object"),
        ({"characters": {"A": {"audio": "x"}}, "lines": [{"character": "A", "audio": "a"}]}, "belongs to a line"),
        ([{"character": "A", "audio": "a", "start": {"x": 1}}], "no time"),
        ([{"character": "A", "audio": "a", "seed": 1.5}], "whole"),
    ],
)
def test_json_with_mistakes(cast, value, words):
    with pytest.raises(CastError, match=words):
        cast(json.dumps(value), "cast.json")


def test_json_that_is_none(cast):
    with pytest.raises(CastError, match="not JSON"):
        cast("character,audio\nA,a.wav\n", "cast.json")


def test_subtitles_split_a_row(cast, tmp_path):
    (tmp_path / "talk.srt").write_text(
        "1\n00:00:01,000 --> 00:00:02,000\nANNA: Hello.\n\n2\n00:00:02,500 --> 00:00:04,000\nben: Hi.\n\n"
        "3\n00:00:04,500 --> 00:00:05,000\nMARY ANN: Good day.\n"
    )
    table = {
        "characters": {"Anna": {"style": "calm"}, "Ben": {}},
        "lines": [{"audio": "t.wav", "turns": "talk.srt", "start": 3}],
    }
    found = cast(json.dumps(table), "cast.json")
    assert [(one.character, one.begin, one.end, one.style, one.transcript) for one in found.lines] == [
        ("Anna", 1.0, 2.0, "calm", "Hello."),
        ("Ben", 2.5, 4.0, "", "Hi."),
        ("MARY ANN", 4.5, 5.0, "", "Good day."),
    ]
    assert {one.start for one in found.lines} == {Moment(3.0)} and {one.row for one in found.lines} == {1}
    assert any("'MARY ANN'" in remark for remark in found.remarks)


@pytest.mark.parametrize(
    ("row", "words"),
    [("a.wav,none.srt,,", "cannot be read"), ("a.wav,talk.srt,1,2", "as well"), ("a.wav,script.txt,,", "not when")],
)
def test_rows_whose_subtitles_do_not_do(cast, tmp_path, row, words):
    (tmp_path / "talk.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nANNA: Hello.\n")
    (tmp_path / "script.txt").write_text("ANNA: Hello.\nBEN: Hi.\n")
    (told,) = faults(cast, f"audio,turns,begin,end\n{row}\n")
    assert told.startswith("Row 2, 'turns': ") and words in told


def test_a_cast_of_thousands_is_read_in_a_moment(cast):
    found = cast(
        "character,audio,start\n" + "".join(f"C{number % 50},{number}.wav,{number}\n" for number in range(5_000))
    )
    assert len(found.lines) == 5_000
    with pytest.raises(CastError, match="more than 20,000"):
        cast("character,audio\n" + "A,a.wav\n" * 20_001)


@pytest.mark.parametrize("seed", [123456789012345678, 10**18 - 1, 0])
def test_a_seed_is_read_to_its_last_digit(cast, seed):
    assert cast(f"character,audio,seed\nAnna,a.wav,{seed}\n").lines[0].seed == seed
    assert cast(json.dumps([{"character": "Anna", "audio": "a.wav", "seed": seed}]), "cast.json").lines[0].seed == seed


def test_thousands_of_lines_that_are_called_alike_are_numbered_at_once(cast):
    lines = cast("character,audio\n" + "Anna,a.wav\n" * 4000).lines
    assert [line.label for line in lines[:3]] == ["Anna_a", "Anna_a_2", "Anna_a_3"]
    assert len({line.label for line in lines}) == 4000 and lines[-1].label == "Anna_a_4000"


def test_a_character_that_stands_twice_is_a_mistake(cast):
    table = {"characters": {"Anna": {"seed": 1}, "ANNA": {"seed": 2}}, "lines": [{"character": "anna", "audio": "a"}]}
    assert faults(cast, json.dumps(table), "cast.json") == (
        "Character 'ANNA': 'Anna' is the same character. Leave one out.",
    )
    del table["characters"]["ANNA"]
    assert cast(json.dumps(table), "cast.json").lines[0].seed == 1


def test_a_table_of_too_many_lines_is_not_read_to_its_end(cast):
    for content, name in (("who,wav\n" + "a,b\n" * 20_001, "cast.csv"), (json.dumps([{}] * 20_001), "cast.json")):
        with pytest.raises(CastError, match=r"has more than 20,000 lines\. Split it\.$"):
            cast(content, name)


def test_a_name_that_is_none_is_told_once(cast):
    assert len(faults(cast, 'character,audio\n"Anna\nBen",a.wav\n')) == 1
