"""A farm's job with Blender in it: openjd-cli runs it, and its keys are those of the direct command."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys

import bpy
import numpy as np
import pytest
from mouthpiece.cli.parser import run

from blender_tests import scenes
from tests.farm_engines import ROOT, openjd, run_job

pytestmark = pytest.mark.skipif(openjd() is None or os.name == "nt", reason="openjd-cli is not installed")

CAST = 'character,audio,start,style\nAnna,"a {{b}} one.wav",0.5,calm\nBo,two.wav,1,\nAnna,two.wav,2,calm\n'


def program(path, *words):
    """Write a program that calls another with this checkout's core in its path."""
    command = " ".join(shlex.quote(str(word)) for word in words)
    path.write_text(f'#!/bin/sh\nPYTHONPATH={shlex.quote(os.environ.get("PYTHONPATH", ""))} exec {command} "$@"\n')
    path.chmod(0o755)
    return path


def call(*words):
    """Run a program; it must not fail."""
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def curves(path):
    """Return the keys of the faces in a file, by face and channel."""
    bpy.ops.wm.open_mainfile(filepath=str(path))
    found = {}
    for name in ("Anna", "Bo"):
        keys = bpy.data.objects[name].data.shape_keys
        for block in keys.key_blocks[1:]:
            found[name, block.name] = np.array(scenes.values(keys, scenes.shape_path(block.name)))
    return found


@pytest.fixture
def film(tmp_path):
    """Give a folder with a scene of two faces, two sounds and a cast."""
    folder = tmp_path / "a film {{x}}"
    folder.mkdir()
    for number, name in enumerate(("Anna", "Bo")):
        scenes.face(name).location.x = number
    scenes.murmur(folder / "a {{b}} one.wav", 0.8)
    scenes.murmur(folder / "two.wav", 0.6)
    (folder / "cast.csv").write_text(CAST)
    scene = bpy.context.scene
    camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    scene.collection.objects.link(camera)
    scene.camera = camera
    scene.render.engine = "BLENDER_WORKBENCH"
    scene.render.resolution_x = scene.render.resolution_y = 32
    scene.render.fps = 24
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "film.blend"))
    return folder


def test_openjd_run_gives_the_curves_of_the_direct_command_and_frames(film):
    python = program(film / "python", sys.executable)
    blender = program(film / "blender", sys.executable, ROOT / "blender_tests" / "module_blender.py")
    words = [
        "farm", "openjd", "--cast", film / "cast.csv", "--blend", film / "film.blend", "--output", film / "made",
        "-o", film / "job", "--python", python, "--blender", blender, "--lines-per-task", 2, "--frames", "23-24",
        "--pattern", "f_###",
    ]  # fmt: skip
    assert run([str(word) for word in words]) == 0
    done = run_job(film / "job")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "openjd_progress: 100.0" in done.stdout
    frames = {path.name for path in (film / "made" / "frames").iterdir()}
    assert frames == {"f_023.png", "f_024.png"}
    call(blender, "--background", film / "film.blend", "--command", "mouthpiece", "batch", film / "cast.csv",
         "--output", film / "direct.blend")  # fmt: skip
    baked, direct = curves(film / "made" / "film.blend"), curves(film / "direct.blend")
    assert baked.keys() == direct.keys()
    assert all(np.array_equal(baked[one], direct[one]) for one in direct)
    assert any(np.ptp(keys) > 0.05 for (name, _), keys in baked.items() if name == "Bo")


def test_a_frame_that_cannot_be_written_fails_its_task(film):
    blender = program(film / "blender", sys.executable, ROOT / "blender_tests" / "module_blender.py")
    render = ROOT / "core" / "mouthpiece" / "assets" / "farm" / "render_frames.py.txt"
    (film / "frames").write_text("a file where the folder would be")
    done = subprocess.run(
        [blender, "--background", film / "film.blend", "--python-exit-code", "1", "--python", render, "--",
         "1-3", film / "frames", "f_###", "PNG"],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 1 and "openjd_progress" not in done.stdout
    assert "openjd_status: Frame 1" in done.stdout and str(film / "frames") in done.stdout + done.stderr


def test_frames_of_a_chunk_with_gaps_and_steps(film):
    blender = program(film / "blender", sys.executable, ROOT / "blender_tests" / "module_blender.py")
    render = ROOT / "core" / "mouthpiece" / "assets" / "farm" / "render_frames.py.txt"
    call(blender, "--background", film / "film.blend", "--python-exit-code", "1", "--python", render, "--",
         "-1,3-7:2", film / "frames", "f_###", "OPEN_EXR_MULTILAYER")  # fmt: skip
    frames = {path.name for path in (film / "frames").iterdir()}
    assert frames == {"f_-001.exr", "f_003.exr", "f_005.exr", "f_007.exr"}
