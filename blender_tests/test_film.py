"""A small film from one end to the other: who speaks what, all of it animated, again, after changes, and in trouble."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import bpy
import pytest

from addon import compat
from blender_tests.film_contents import contents, differences
from demo import film, screenplay, stand_in

ROOT = Path(__file__).resolve().parent.parent
LINES, MINUTES = 10, 0.12


def empty():
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)


@pytest.fixture(scope="module")
def made(addon, tmp_path_factory):
    """Make the film once, with the bundled line's voice; return its folder."""
    folder = tmp_path_factory.mktemp("film")
    empty()
    film.make(folder, LINES, MINUTES, voices=folder / "none")
    return folder


@pytest.fixture(scope="module")
def done(made):
    """Animate it once; return the saved scene."""
    code, lines = batch(made / "film.blend", made / "done.blend")
    assert code == 0 and set(states(lines)) == {"made"}, lines
    return made / "done.blend"


@pytest.fixture
def folder(made, tmp_path):
    """Return a copy of the film, to be spoilt."""
    shutil.copytree(made, tmp_path / "film")
    return tmp_path / "film"


def surroundings():
    """Return the environment of commands in processes of their own: this checkout, one thread."""
    paths = [str(ROOT / "core"), str(ROOT), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}


def play():
    return screenplay.screenplay(LINES, MINUTES)


def batch(scene, output, *more, table=None):
    """Run the command in this process on a scene; return its exit code and the lines of its report."""
    from addon.command import parser

    report = Path(output).with_suffix(".json")
    bpy.ops.wm.open_mainfile(filepath=str(scene))
    words = ["batch", *([str(table)] if table else []), "--output", str(output), "--report", str(report)]
    code = parser.main([*words, "--quiet", *map(str, more)])
    return code, json.loads(report.read_text())["lines"] if report.is_file() else []


def states(lines):
    return [line["state"] for line in lines]


def spoken(lines):
    """Return strip and speaker of lines of the screenplay, or of a report."""
    if lines and isinstance(lines[0], dict):
        return sorted((line["strip"], line["character"]) for line in lines)
    return sorted(("Table talk" if line.is_turn else line.label, line.who) for line in lines)


def heard(scene):
    """Return who speaks on which frames which channel of what, as the cast of a scene has it."""
    from addon.cast.scene_lines import resolved

    lines, unspoken = resolved(scene)
    assert not unspoken
    return sorted(
        (line.recording.placement.left, line.recording.placement.right - 1, line.character, line.recording.channel)
        for line in lines
    )


def wanted():
    return sorted((line.first, line.last, line.who, line.channel or "auto") for line in play().lines)


def test_the_cast_is_known_in_every_way(made):
    bpy.ops.wm.open_mainfile(filepath=str(made / "film.blend"))
    assert heard(bpy.context.scene) == wanted()
    assert {part.way for part in film.PARTS} == {"channel", "colour", "name", "metadata", "strip"}


@pytest.mark.parametrize("table", ["cast.csv", "cast.json", "cast.otio"])
def test_a_table_on_a_bare_stage_is_the_same_film(made, table):
    from mouthpiece.cast.table import read_cast

    from addon.cast.placement import placed

    bpy.ops.wm.open_mainfile(filepath=str(made / "stage.blend"))
    assert not compat.all_strips(bpy.context.scene)
    for _ in range(2):  # what is there is not doubled
        placed(bpy.context.scene, read_cast(made / table))
        assert heard(bpy.context.scene) == wanted()


def test_all_five_move(done):
    moving = contents(done)
    for name in ("Ada", "Vera", "Ben", "Pia", "Cleo"):
        assert any(name in channel for channel in moving), name


def test_nothing_is_done_twice(made, done):
    before = contents(done)
    code, lines = batch(done, made / "again.blend")
    assert code == 0 and set(states(lines)) == {"up to date"}
    assert not differences(before, contents(made / "again.blend"))


def test_what_changed_is_done_again(made, done, folder):
    lines = play().lines
    sound = next(line for line in lines if "_line" in line.sound and line.who not in ("Ben", "Vera"))
    dialled = next(line for line in lines if line.who == "Ben" and not line.is_turn)
    voice = folder / "sounds" / sound.sound
    voice.write_bytes(voice.read_bytes()[:44] + voice.read_bytes()[:43:-1])
    bpy.ops.wm.open_mainfile(filepath=str(folder / "done.blend"))
    strip = next(one for one in compat.all_strips(bpy.context.scene) if one.name == dialled.label)
    amount = strip.mouthpiece.amounts.add()
    amount.name, amount.value = "jaw", 1.5
    vera = bpy.data.objects["Vera"]
    vera.shape_key_remove(vera.data.shape_keys.key_blocks["viseme_RR"])
    bpy.ops.wm.save_mainfile()
    code, report = batch(folder / "done.blend", folder / "changed.blend")
    assert code == 0
    again = [line for line in report if line["state"] == "made"]
    assert spoken(again) == spoken([line for line in lines if line in (sound, dialled) or line.who == "Vera"])


def test_a_missing_sound_and_a_rig_without_a_mouth_stop_no_other(made, done, folder):
    lines = play().lines
    lost = next(line for line in lines if "_line" in line.sound and line.who == "Pia")
    (folder / "sounds" / lost.sound).unlink()
    bpy.ops.wm.open_mainfile(filepath=str(folder / "film.blend"))
    vera = bpy.data.objects["Vera"]
    vera.shape_key_clear()
    bpy.ops.wm.save_mainfile()
    code, report = batch(folder / "film.blend", folder / "part.blend")
    assert code == 1
    failed = [line for line in report if line["state"] == "failed"]
    assert spoken(failed) == spoken([line for line in lines if line == lost or line.who == "Vera"])
    assert all(line["error"] for line in failed)
    assert lost.sound in next(line["error"] for line in failed if line["strip"] == lost.label)
    part, whole = contents(folder / "part.blend"), contents(done)
    others = [name for name in whole if "Ada" in name or "Ben" in name]
    assert others and not [name for name in others if name not in part]


def test_a_character_interrupts_itself(addon, tmp_path):
    play = film.make(tmp_path, LINES, MINUTES, clash=True, voices=tmp_path / "none")
    pairs = ((one, other) for number, one in enumerate(play.lines) for other in play.lines[number + 1 :])
    (both,) = (pair for pair in pairs if pair[0].who == pair[1].who and pair[1].first <= pair[0].last)
    code, report = batch(tmp_path / "film.blend", tmp_path / "refused.blend", "--only", both[0].who)
    assert code == 1
    failed = [line for line in report if line["state"] == "failed"]
    assert spoken(failed) == spoken(both[1:]) and both[0].label in failed[0]["error"]
    given = ["--overlap", "blend", "--only", both[0].who]
    code, report = batch(tmp_path / "film.blend", tmp_path / "blended.blend", *given)
    assert code == 0 and set(states(report)) == {"made"}


def test_a_full_disk(made, done, folder):
    before = done.read_bytes()
    size, ignored = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    bpy.ops.wm.open_mainfile(filepath=str(folder / "film.blend"))
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, size[1]))
        code, _ = batch(folder / "film.blend", folder / "done.blend", "--force", "--only", "Ben")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, size)
        signal.signal(signal.SIGXFSZ, ignored)
    assert code == 1
    assert (folder / "done.blend").read_bytes() == before
    assert not [path.name for path in folder.iterdir() if path.name.startswith(".mouthpiece-")]


def test_a_place_that_cannot_be_written(made, capfd):
    bpy.ops.wm.open_mainfile(filepath=str(made / "film.blend"))
    code, lines = batch(made / "film.blend", "/proc/nowhere/out.blend")
    assert code == 1 and not lines
    assert "cannot be" in capfd.readouterr().err


def test_a_table_goes_without_a_network(made, done, tmp_path, monkeypatch):
    takes = tmp_path / "takes"
    words = [sys.executable, "-m", "mouthpiece", "batch", str(made / "cast.csv"), "-o", str(takes), "--quiet"]
    subprocess.run(words, check=True, env=surroundings())
    monkeypatch.delattr("mouthpiece.models.session.OnnxSession.__call__")
    code, lines = batch(made / "film.blend", tmp_path / "out.blend", "--takes", takes)
    assert code == 0 and set(states(lines)) == {"made"}
    assert not differences(contents(done), contents(tmp_path / "out.blend"))


def test_killed_and_resumed(made, done, tmp_path):
    """Two of the kills that blender_tests/kills.py does by the hundred, at moments when lines are written."""
    blender = stand_in.written(tmp_path / "bin")
    out = tmp_path / "done.blend"
    words = [blender, "-b", made / "film.blend", "-c", "mouthpiece", "batch", "--output", out, "--resume", "--force"]
    report = ["--report", tmp_path / "done.json"]
    whole = contents(done)
    for seconds in (4.0, 7.0):
        process = subprocess.Popen([*map(str, [*words, *report])], env=surroundings(), start_new_session=True)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        assert not out.exists() or not differences(whole, contents(out))
    subprocess.run([*map(str, [*words, *report])], env=surroundings(), check=True)
    assert not differences(whole, contents(out))
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(".mouthpiece-")]


def test_the_report_has_every_line(made, done):
    report = json.loads((made / "done.json").read_text())
    assert report["ok"] and spoken(report["lines"]) == spoken(play().lines)
    assert [line["number"] for line in report["lines"]] == list(range(1, LINES + 1))
    assert all(line["seconds"] > 0 for line in report["lines"])
