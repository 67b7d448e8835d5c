"""The batch in Blender where its files are in trouble: what is left of a run, reports in the way, no lines."""

import bpy
import pytest

from addon.command import parser
from blender_tests.test_cast_animation import cast  # noqa: F401  # a fixture


@pytest.fixture
def scene(cast, tmp_path):  # noqa: F811
    """Save the cast; return its file."""
    path = tmp_path / "film.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    return path


def batch(scene, *words):
    bpy.ops.wm.open_mainfile(filepath=str(scene))
    return parser.main(["batch", *map(str, words), "--quiet"])


@pytest.mark.parametrize("left", [b"", b"no scene at all", None])
def test_what_an_earlier_run_left_may_be_damaged(scene, tmp_path, left):
    out, unfinished = tmp_path / "out.blend", tmp_path / "out.unfinished.blend"
    whole = scene.read_bytes()
    unfinished.write_bytes(whole[: len(whole) // 2] if left is None else left)
    assert batch(scene, "--output", out, "--resume", "--lines", "1") == 0
    assert out.is_file() and not unfinished.exists()


def test_somebody_elses_file_stays(scene, tmp_path, capfd):
    out = tmp_path / "out.blend"
    out.write_bytes(b"precious")
    assert batch(scene, "--output", out, "--resume") == 1
    assert out.read_bytes() == b"precious" and "--force" in capfd.readouterr().err


def test_a_report_is_written_over_nothing_that_counts(scene, tmp_path, capfd):
    table = tmp_path / "cast.csv"
    table.write_text("character,audio,start\nAnn,0.wav,1\n")
    for place in (table, tmp_path / "0.wav", scene):
        before = place.read_bytes()
        assert batch(scene, table, "--dry-run", "--report", place, "--force") == 1
        assert place.read_bytes() == before
    out = tmp_path / "out.blend"
    assert batch(scene, "--output", out, "--report", out, "--force") == 1
    assert not out.exists() and "the report" in capfd.readouterr().err


def test_no_line_is_chosen(scene, capfd):
    assert batch(scene, "--dry-run", "--lines", "1", "--only", "Bob") == 1
    assert "both of such a character" in capfd.readouterr().err


def test_strips_that_nobody_speaks_are_told(scene, capfd):
    bpy.ops.wm.open_mainfile(filepath=str(scene))
    bpy.data.objects.remove(bpy.data.objects["Ann"])
    bpy.ops.wm.save_mainfile()
    batch(scene, "--dry-run")
    assert "Nobody speaks 'Ann 1'" in capfd.readouterr().err
