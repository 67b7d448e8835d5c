"""Consent statements: what is said, what is refused, and that it comes back as it was given."""

import pytest
from mouthpiece.errors import PictureError
from mouthpiece.portrait.consent import KINDS, LONGEST, Consent, objection


@pytest.mark.parametrize(
    "text",
    [
        "I am the person in this picture",
        "Ada agreed by letter, 3 May 2026",
        "这是我自己的脸",
        "これは私の顔です",
        "내 얼굴입니다 동의합니다",
        "Das bin ich selbst.",
        "هذه صورتي وأنا أوافق",
    ],
)
def test_sentences_of_any_language_are_accepted(text):
    assert objection(text) == ""
    assert Consent(text).statement == text


NOTHING = ("", "   \n\t ", "yes", "ok ok ok", "x" * 100, "aaaa bbbb aaaa bbbb", "1234 5678 9012 3456", "!!! ??? ...")


@pytest.mark.parametrize("text", [*NOTHING, "是是是是是是", "yes yes yes yes yes", "\x00\x01\x02"])
def test_what_says_nothing_is_refused_with_what_to_say(text):
    with pytest.raises(PictureError, match="Say in a sentence why this face may be made to talk"):
        Consent(text)


def test_a_statement_too_long_and_a_kind_that_is_none_are_refused():
    Consent(("I am the person shown. " * 100)[:LONGEST])
    with pytest.raises(PictureError, match="at most 2000"):
        Consent("I am the person shown. " * 100)
    with pytest.raises(PictureError, match="own, permission, nobody, historical"):
        Consent("I am the person shown", kind="perhaps")
    with pytest.raises(PictureError, match="at most 200"):
        Consent("I am the person shown", by="n" * 201)


def test_the_kind_may_stand_in_front():
    assert Consent.of("own: I am the person shown") == Consent("I am the person shown", "own")
    assert Consent.of(" Nobody : a face painted by me ") == Consent("a face painted by me", "nobody")
    assert Consent.of("Note: I am the person shown").kind == "stated"
    assert Consent.of("Note: I am the person shown").statement == "Note: I am the person shown"
    with pytest.raises(PictureError, match="missing"):
        Consent.of("own:")


def test_signs_that_turn_writing_around_are_left_out():
    assert Consent("I am the \u202eperson shown\u202c").statement == "I am the person shown"


def test_white_space_and_control_characters_do_not_get_into_records():
    assert Consent("I am\n the\tperson \x00\x1b[31m shown").statement == "I am the person [31m shown"


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_round_trip(kind):
    consent = Consent('She said "yes & no" <today>', kind, "Ömer 王")
    assert Consent.from_dict(consent.as_dict()) == consent
    assert consent.statement in str(consent) and KINDS[kind] in str(consent)


@pytest.mark.parametrize("raw", [{}, {"statement": "I am the person shown"}, [], {"kind": "own", "statement": ""}])
def test_records_without_consent_are_refused(raw):
    with pytest.raises(PictureError):
        Consent.from_dict(raw)
