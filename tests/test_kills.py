"""A handful of the kills that `python -m tests.kills` does by the hundred."""

import os

import pytest
from mouthpiece.files.writer import write_whole

from tests import kills

pytestmark = pytest.mark.skipif(os.name == "nt", reason="there are no process groups to be killed")


def test_killed_commands_lose_nothing_and_leave_nothing(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("MOUTHPIECE_SETTINGS", str(tmp_path))
    assert kills.main(kills.commands, kills.content_of, ["--count", "2", "--only", "adjust in place"]) == 0
    assert "2 kills," in capsys.readouterr().out


def test_what_is_spoilt_is_noticed():
    before, after = {"a": "old", "b": "old", "c": "old"}, {"a": "new", "b": "new", "d": "new"}
    assert not list(kills.objections({"a": "new", "b": "old"}, before, after))
    assert list(kills.objections({"a": "half", "b": "old", "e": "x"}, before, after)) == [
        "a is neither the old one nor the new one", "e is neither the old one nor the new one",
    ]  # fmt: skip
    assert list(kills.objections({"a": "new"}, before, after)) == ["b is gone"]
    assert not list(kills.objections({"a": "new", "b": "old", "frame": "whole Facts"}, before, after))
    assert list(kills.objections({"a": "whole Facts", "b": "old"}, before, after)) == [
        "a is neither the old one nor the new one"
    ]


def test_a_killed_writer_in_place_would_be_noticed(tmp_path):
    write_whole(tmp_path / "take.npz", b"whole")
    whole = kills.content_of(tmp_path / "take.npz")
    (tmp_path / "take.npz").write_bytes(b"who")
    assert kills.content_of(tmp_path / "take.npz") != whole
