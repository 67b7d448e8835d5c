"""The zip in a real Blender: `blender -b … -c mouthpiece …`. Opt-in: BLENDER=PATH or --blender PATH, and a zip."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    not (os.environ.get("BLENDER") and os.environ.get("MOUTHPIECE_ZIP")),
    reason="no Blender named by BLENDER (or --blender), or no zip for its Python by MOUTHPIECE_ZIP",
)

SCENE = """
import bpy
bpy.ops.mouthpiece.add_demo(line=False)
scene = bpy.context.scene
scene.render.engine = "BLENDER_WORKBENCH"
scene.render.resolution_x = scene.render.resolution_y = 96
bpy.ops.wm.save_as_mainfile(filepath={path!r})
"""


class Blender:
    """A real Blender with the extension installed in a profile of its own."""

    def __init__(self, folder):
        self.folder = folder
        settings = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        self.settings = settings | {"BLENDER_USER_RESOURCES": str(folder / "profile")}
        (folder / "profile").mkdir()

    def run(self, *arguments):
        """Run Blender in the background."""
        command = [os.environ["BLENDER"], "-b", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=300, env=self.settings, cwd=self.folder)


@pytest.fixture(scope="module")
def blender(tmp_path_factory):
    found = Blender(tmp_path_factory.mktemp("real"))
    done = found.run("-c", "extension", "install-file", "-r", "user_default", "-e", os.environ["MOUTHPIECE_ZIP"])
    assert done.returncode == 0, done.stdout + done.stderr
    return found


@pytest.fixture(scope="module")
def shot(blender):
    """Save a scene with the demo character."""
    path = blender.folder / "shot.blend"
    program = SCENE.format(path=str(path))
    done = blender.run("--python-exit-code", "1", "--python-expr", program)
    assert path.is_file(), done.stdout + done.stderr
    return path


@pytest.fixture(scope="module")
def line():
    return Path(__file__).resolve().parent.parent / "addon" / "assets" / "demo_line.flac"


def test_help(blender):
    done = blender.run("-c", "mouthpiece", "--help")
    assert done.returncode == 0 and "bake" in done.stdout


def test_a_bake_exits_with_0_and_reports(blender, shot, line):
    out = blender.folder / "out.blend"
    done = blender.run(
        shot, "-c", "mouthpiece", "bake", "--audio", line, "--object", "Mouthpiece Head", "--reduce", "0",
        "--armature", "Mouthpiece Rig", "--bone", "head", "--output", out, "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(next(text for text in done.stdout.splitlines() if text.startswith("{")))
    assert report["ok"] and "52 of 52 ARKit shapes matched, 62 shape keys with" in report["targets"][0]["summary"]
    assert out.is_file()
    curves = "bpy.data.actions[0].layers[0].strips[0].channelbags[0].fcurves"
    within = f"{report['first']} <= key.co.x <= {report['last']} for curve in {curves} for key in curve.keyframe_points"
    shown = blender.run(out, "--python-expr", f"import bpy; print('KEYS', sum({within}))")
    assert f"KEYS {62 * (report['last'] - report['first'] + 1)}" in shown.stdout


def test_a_failure_exits_with_1(blender, shot, line):
    done = blender.run(shot, "-c", "mouthpiece", "bake", "--audio", line, "--object", "Nobody")
    assert done.returncode == 1 and "no object 'Nobody'" in done.stderr


def test_bad_arguments_exit_with_2(blender, shot):
    assert blender.run(shot, "-c", "mouthpiece", "bake", "--object", "Face").returncode == 2


def test_a_render(blender, shot, tmp_path):
    video = tmp_path / "preview.mp4"
    done = blender.run(
        shot, "-c", "mouthpiece", "bake", "--audio", line_of(tmp_path), "--object", "Mouthpiece Head", "--render", video
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert video.is_file() or (tmp_path / "preview").is_dir()


def test_a_portrait(blender, tmp_path):
    photo = Path(__file__).resolve().parent.parent / "demo" / "samples" / "astronaut.jpg"
    film, blend = tmp_path / "out.mp4", tmp_path / "out.blend"
    blender.settings["MOUTHPIECE_SETTINGS"] = str(tmp_path / "settings")
    consent = "NASA's official portrait, in the public domain, used to test this program"
    arguments = ("--image", photo, "--audio", line_of(tmp_path), "-o", film, "--blend", blend, "--consent", consent)
    done = blender.run("-c", "mouthpiece", "portrait", *arguments, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(next(text for text in done.stdout.splitlines() if text.startswith("{")))
    assert report["ok"] and report["frames"] == 7 and report["signature"] == "self-signed"
    assert film.is_file() and not (tmp_path / "out_frames").exists()
    assert blender.run("-c", "mouthpiece", "verify", film).returncode == 0
    again = blender.run(blend, "-c", "mouthpiece", "render", "--object", "astronaut", "-o", tmp_path / "frames")
    assert again.returncode == 0 and len(list((tmp_path / "frames").glob("*.png"))) == 7, again.stderr


def test_another_blender_encodes(tmp_path, monkeypatch):
    """What the user interface does: the add-on's film encoder in a Blender that has no add-on enabled."""
    root = Path(__file__).resolve().parent.parent
    for folder in (root, root / "core"):  # this ring has nothing but the zip on its path
        monkeypatch.syspath_prepend(str(folder))
    bpy = pytest.importorskip("bpy")
    from addon.targets.portrait import film_encoder
    from blender_tests.test_portrait_render import films

    assert bpy and film_encoder.is_blender(os.environ["BLENDER"])
    shares = list(film_encoder.apart(films(tmp_path, 8), os.environ["BLENDER"]))
    assert {1 / 8, 4 / 8, 1.0} <= set(shares) and (tmp_path / "out.mp4").stat().st_size > 500


def line_of(folder):
    """Write a quarter of a second of a buzz."""
    import math
    import struct
    import wave

    path = folder / "short.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(b"".join(struct.pack("<h", int(9000 * math.sin(i / 9))) for i in range(4000)))
    return path
