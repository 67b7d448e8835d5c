"""Counted things and lists, as sentences have them."""

import pytest
from mouthpiece.phrases import counted, listed


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0 channels"), (1, "1 channel"), (2, "2 channels"), (9520, "9,520 channels")],
)
def test_a_number_and_its_noun_agree(count, words):
    assert counted(count, "channel") == words


def test_nouns_with_plurals_of_their_own():
    assert counted(1, "vertex", "vertices") == "1 vertex" and counted(3, "vertex", "vertices") == "3 vertices"


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ((), ""),
        (("jaw",), "jaw"),
        (("jaw", "lips"), "jaw and lips"),
        (("jaw", "lips", "lids"), "jaw, lips and lids"),
        (tuple("abcdefgh"), "a, b, c, d and 4 more"),
    ],
)
def test_names_in_a_list(names, words):
    assert listed(names) == words
