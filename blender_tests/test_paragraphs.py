"""Sentences in the sidebar: no line is wider than the room there is, and no word is lost."""

from types import SimpleNamespace

import pytest

from addon import paragraphs

TEXT = "'Cube' has no shape keys. Add ARKit shape keys (jawOpen, mouthSmileLeft, …) first."


def sidebar(width, scale=1.0):
    return SimpleNamespace(
        region=SimpleNamespace(width=width), preferences=SimpleNamespace(system=SimpleNamespace(ui_scale=scale))
    )


@pytest.mark.parametrize("width", (240, 292, 500))
@pytest.mark.parametrize("scale", (1.0, 1.5))
def test_lines_fit_and_hold_every_word(width, scale):
    lines = paragraphs.wrapped(TEXT, sidebar(width * scale, scale))
    assert " ".join(lines) == TEXT
    assert max(map(paragraphs.width, lines)) <= width - 96


def test_a_wider_sidebar_needs_fewer_lines():
    assert len(paragraphs.wrapped(TEXT, sidebar(600))) < len(paragraphs.wrapped(TEXT, sidebar(240)))


def test_a_word_too_long_for_a_line_is_broken():
    name = "a_very_long_name_of_a_file_without_any_gap_in_it_" * 2
    lines = paragraphs.wrapped(f"Look at {name}", sidebar(240))
    assert "".join(lines).replace(" ", "") == f"Lookat{name}"
    assert max(map(paragraphs.width, lines)) <= 240 - 96


def test_a_sidebar_of_no_width_is_survived():
    assert "".join(paragraphs.wrapped("one two", sidebar(0))).replace(" ", "") == "onetwo"
    assert paragraphs.wrapped("", sidebar(300)) == []
