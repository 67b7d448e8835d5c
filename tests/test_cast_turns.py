"""Subtitles with names become turns."""

import pytest
from mouthpiece.cast.turns import SpokenTurn, read_turns, speakers_in, turns_of
from mouthpiece.errors import CastError


def srt(*captions):
    """Return SRT with captions of (begin, end, text), in seconds."""

    def clock(second):
        return f"00:{int(second) // 60:02d}:{int(second) % 60:02d},{round(second % 1 * 1000):03d}"

    return "\n\n".join(f"{n}\n{clock(a)} --> {clock(b)}\n{text}" for n, (a, b, text) in enumerate(captions, 1)) + "\n"


def spoken(text, **options):
    return [(turn.speaker, turn.begin, turn.end) for turn in turns_of(text, **options).turns]


@pytest.mark.parametrize(
    ("caption", "speaker", "words"),
    [
        ("ANNA: Hello.", "ANNA", "Hello."),
        ("Anna: Hello.", "Anna", "Hello."),
        ("- ANNA: Hello.", "ANNA", "Hello."),
        ("[Anna] Hello.", "Anna", "Hello."),
        ("[ANNA]: Hello.", "ANNA", "Hello."),
        ("Anna (off): Hello.", "Anna", "Hello."),
        ("<i>ANNA:</i> Hello.", "ANNA", "Hello."),
        ("Old Man: Hello.", "Old Man", "Hello."),
        ("Anna von Stein: Hello.", "Anna von Stein", "Hello."),
        ("DR. O'NEIL: Hello.", "DR. O'NEIL", "Hello."),
        ("ROBOT 7:\nHello.", "ROBOT 7", "Hello."),
        ("Änne: Grüß Gott.", "Änne", "Grüß Gott."),
        ("<v Anna>Hello.", "Anna", "Hello."),
        ("<v.loud Anna B>Hello.</v>", "Anna B", "Hello."),
        ("<v A &amp; B>Hello.", "A & B", "Hello."),
        ("{\\an8}ANNA: Hello.", "ANNA", "Hello."),
        ("李: 你好", "李", "你好"),
    ],
)
def test_names_are_found(caption, speaker, words):
    (turn,) = turns_of(srt((1, 2, caption))).turns
    assert turn == SpokenTurn(speaker, 1.0, 2.0, words)


@pytest.mark.parametrize(
    "caption",
    [
        "He said: hello",
        "It is 12:30 now",
        "and then: nothing",
        "well, look: a dog",
        "At 12:30 sharp",
        "see http://x.y/z",
        "",
    ],
)
def test_colons_that_name_nobody(caption):
    assert [turn.speaker for turn in turns_of(srt((1, 2, "ANNA: a"), (2, 3, caption or " "))).turns] == ["ANNA"]


def test_known_names_come_before_any_rule_and_in_their_spelling():
    found = turns_of(srt((1, 2, "the man in black: a"), (2, 3, "ANNA: b")), known=("The Man in Black", "Anna"))
    assert [turn.speaker for turn in found.turns] == ["The Man in Black", "Anna"] and not found.remarks


def test_captions_of_one_character_are_one_turn_unless_there_is_silence():
    text = srt((0, 1, "A: one"), (1.5, 2, "A: two"), (2, 3, "three"), (9, 10, "A: four"), (10, 11, "B: five"))
    found = turns_of(text)
    assert found.turns[0] == SpokenTurn("A", 0.0, 3.0, "one two three")
    assert [turn.speaker for turn in found.turns] == ["A", "A", "B"]
    assert "1 caption without a name" in found.remarks[0]


def test_two_characters_in_one_caption_share_its_time():
    found = turns_of(srt((10, 13, "- ANNA: aaaaaaaaaa\n- BEN: bbbbb")))
    assert [(turn.speaker, turn.begin, turn.end) for turn in found.turns] == [("ANNA", 10.0, 12.0), ("BEN", 12.0, 13.0)]
    assert "in proportion" in found.remarks[0]
    assert spoken(srt((10, 12, "<v Anna>aa</v> <v Ben>bb</v>"))) == [("Anna", 10.0, 11.0), ("Ben", 11.0, 12.0)]


def test_overlaps_gaps_and_strangers_are_told():
    text = srt((0, 3, "ANNA: a"), (2, 4, "BEN: b"), (30, 31, "NOBODY: c"))
    remarks = " ".join(turns_of(text, "'x.srt'", known=("Anna", "Ben")).remarks)
    assert "Ben overlaps Anna from 2.00 to 3.00" in remarks
    assert "nobody speaks from 4.00 to 30.00" in remarks and "'NOBODY' has 1 turn" in remarks


def test_captions_out_of_order_are_sorted():
    assert spoken(srt((5, 6, "B: b"), (1, 2, "A: a"))) == [("A", 1.0, 2.0), ("B", 5.0, 6.0)]


def test_webvtt():
    text = (
        "\ufeffWEBVTT - a film\r\n\r\nSTYLE\r\n::cue { color: red }\r\n\r\nNOTE 00:01.000 --> 00:02.000\r\n\r\n"
        "intro\r\n00:01.500 --> 00:02.250 position:50%\r\n<v Anna>Hello <b>you</b>\r\n\r\n"
        "01:00:00.000 --> 01:00:01.000\r\nBEN: Hi\r\n"
    )
    assert turns_of(text).turns == (SpokenTurn("Anna", 1.5, 2.25, "Hello you"), SpokenTurn("BEN", 3600.0, 3601.0, "Hi"))


def test_whoever_is_named_speaks_what_has_no_name():
    assert spoken(srt((0, 1, "hello"), (1, 2, "ANNA: hi")), speaker="Ben") == [("Ben", 0.0, 1.0), ("ANNA", 1.0, 2.0)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no captions"),
        ("hello", "no captions"),
        ("ANNA: a\nBEN: b\n", "not when"),
        (srt((0, 1, "hello")), "who speaks"),
        (srt((2, 1, "A: x")), "ends at 1.00"),
        ("1\n00:00:xx --> 00:00:02,000\nA: x", "cannot be read"),
        (srt((0, 1, "")), "no captions"),
    ],
)
def test_what_gives_no_turns(text, words):
    with pytest.raises(CastError, match=words):
        turns_of(text)


def test_files_in_other_encodings(tmp_path):
    (tmp_path / "a.srt").write_bytes(srt((0, 1, "JÜRGEN: grün")).replace("\n", "\r\n").encode("cp1252"))
    found = read_turns(tmp_path / "a.srt")
    assert found.turns[0].speaker == "JÜRGEN" and "Windows-1252" in found.remarks[0]
    with pytest.raises(CastError, match="cannot be read"):
        read_turns(tmp_path / "b.srt")


def test_speakers_of_a_script():
    assert speakers_in("ANNA: a\nBEN: b\nand so: c\n\nANNA: d") == ("ANNA", "BEN")


def test_long_lines_take_no_time():
    assert speakers_in("a " * 10_000 + ":" + " (" * 5_000) == ()
    assert len(turns_of(srt((0, 1, "ANNA: " + "<v <a {\\\\" * 200_000))).turns) == 1
