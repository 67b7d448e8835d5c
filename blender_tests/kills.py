"""Kills Blender's commands at random moments: `python blender_tests/kills.py --count 100`, see `tests/kills.py`.

It runs the checkout in processes of the bpy module. With BLENDER=PATH, and the extension installed in the profile that
BLENDER_USER_RESOURCES names, it is that Blender's own command line that is killed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
for place in (str(ROOT), str(ROOT / "core")):
    if place in sys.path:
        sys.path.remove(place)
    sys.path.insert(0, place)

import bpy  # noqa: E402  # after the paths above
import numpy as np  # noqa: E402

from tests.kills import Deed, content_of, main  # noqa: E402


def save_all(out: Path) -> None:
    """Save what panels save, again and again: each file is small, and so is the time in which it can be hit."""
    from addon import compat
    from addon.targets.mouth_chart import settings as chart_settings

    compat.user_folder = lambda: str(out)
    face = bpy.data.objects["Mouthpiece Head"]
    bpy.context.view_layer.objects.active = face
    chart_settings.fill_rows(face.mouthpiece_chart, chart_settings.chart_of(face.mouthpiece_chart))
    for _ in range(40):
        assert bpy.ops.mouthpiece.save_mapping_preset(name="Hero") == {"FINISHED"}
        assert bpy.ops.mouthpiece.export_mapping(filepath=str(out / "mapping.json")) == {"FINISHED"}
        assert bpy.ops.mouthpiece.export_pins(filepath=str(out / "pins.json")) == {"FINISHED"}
        assert bpy.ops.mouthpiece.save_chart(filepath=str(out / "chart.json")) == {"FINISHED"}


def child(arguments: list[str]) -> int:
    """Do in this process what `blender -b SCENE -c mouthpiece …` does, or run a program after the scene is opened."""
    import addon
    from addon.command import parser

    scene, words = arguments[0], arguments[1:]
    if scene != "-":
        bpy.ops.wm.open_mainfile(filepath=scene)
    addon.register()
    if words[0] == "saves":
        save_all(Path(words[-1]))
        return 0
    return parser.main(words)


def blender(scene: Path | None, *words: object) -> list[str]:
    """Return the command line of a Blender with a scene."""
    program = os.environ.get("BLENDER")
    if program and words[0] != "saves":
        opened = [str(scene)] if scene is not None else []
        return [program, "-b", *opened, "-c", "mouthpiece", *map(str, words), "--quiet"]
    quiet = [] if words[0] == "saves" else ["--quiet"]
    return [sys.executable, str(Path(__file__)), "--child", str(scene or "-"), *map(str, words[:1]), *quiet,
            *map(str, words[1:])]  # fmt: skip


def read(path: Path) -> str:
    """Return what a file holds; of a scene, its keys and drawings; of a batch's report, which lines it has."""
    if path.name == "film.json":
        try:
            return f"a report of {sorted(line['label'] for line in json.loads(path.read_text())['lines'])}"
        except (KeyError, ValueError) as error:
            return f"no report: {error}"
    if path.suffix != ".blend":
        return content_of(path)
    from blender_tests.film_contents import contents

    try:
        found = contents(path)
    except RuntimeError as error:
        return f"no scene: {error}"
    names = sorted(obj.name for obj in bpy.data.objects)
    numbers = {name: (np.round(found[name], 3) + 0.0).tolist() for name in sorted(found)}  # no minus zeros
    return hashlib.sha256(repr((names, numbers)).encode()).hexdigest()


def filmed(folder: Path, *more: str) -> list[str]:
    """Return the command that animates the film."""
    given = ["--output", folder / "out" / "film.blend", "--report", folder / "out" / "film.json"]
    return blender(folder / "in" / "film" / "film.blend", "batch", *given, "--resume", "--force", *more)


def commands(inputs: Path) -> list[Deed]:
    """Make the scenes, and return the commands: each into an empty place, and over what another run has left."""
    import addon

    addon.register()
    from mouthpiece.provenance import certificates

    from blender_tests import portraits, scenes
    from demo import film

    certificates.own_identity()
    scenes.performance(2.0, jawOpen=lambda t: 0.5 - 0.5 * np.cos(4 * t)).save(inputs / "take.npz")
    portraits.take(inputs / "line.npz")
    _empty()
    bpy.ops.mouthpiece.add_demo(line=False)
    scene = bpy.context.scene
    bpy.context.view_layer.objects.active = bpy.data.objects["Mouthpiece Head"]
    bpy.ops.mouthpiece.detect_shape_keys()
    bpy.ops.mouthpiece.propose_pins()
    scene.render.engine = "BLENDER_WORKBENCH"
    scene.render.resolution_x = scene.render.resolution_y = 64
    bpy.ops.wm.save_as_mainfile(filepath=str(inputs / "face.blend"))
    _empty()
    obj = portraits.portrait(media="FRAMES", output="", longest=96)
    obj.mouthpiece_portrait.repair = "NONE"
    portraits.speak(inputs / "line.npz")
    bpy.ops.wm.save_as_mainfile(filepath=str(inputs / "portrait.blend"))
    name = obj.name
    obj.mouthpiece_portrait.mark = True
    bpy.ops.wm.save_as_mainfile(filepath=str(inputs / "marked.blend"))
    film.make(inputs / "film", 10, 0.12, voices=inputs / "none")

    def over(name: str, words: Callable[..., list[str]], *other: str) -> list[Deed]:
        """Return a command for an empty place, and for one where it was run with other options before."""

        def before(folder: Path) -> None:
            kept = inputs.parent / "before" / name
            if not kept.is_dir():
                settings = {**os.environ, "MOUTHPIECE_SETTINGS": str(folder / "settings")}
                subprocess.run(words(folder, *other), check=True, capture_output=True, env=settings, cwd=ROOT)
                shutil.copytree(folder / "out", kept)
            shutil.copytree(kept, folder / "out", dirs_exist_ok=True)

        return [Deed(name, words), Deed(f"{name} over another", words, before)]

    def baked(folder: Path, *more: str) -> list[str]:
        given = [
            "--audio",
            folder / "in" / "take.npz",
            "--object",
            "Mouthpiece Head",
            "--output",
            folder / "out" / "baked.blend",
        ]
        return blender(folder / "in" / "face.blend", "bake", *given, "--force", *more)

    def rendered(folder: Path, output: str, *more: str) -> list[str]:
        scene = folder / "in" / ("marked.blend" if more else "portrait.blend")
        return blender(scene, "render", "--object", name, "-o", folder / output, "--force")

    def previewed(folder: Path, *more: str) -> list[str]:
        given = [
            "--audio",
            folder / "in" / "take.npz",
            "--object",
            "Mouthpiece Head",
            "--render",
            folder / "out" / "preview.mp4",
        ]
        return blender(folder / "in" / "face.blend", "bake", *given, "--force", *more)

    def saved(folder: Path, *more: str) -> list[str]:
        return blender(folder / "in" / "face.blend", "saves", folder / "out")

    def old(folder: Path) -> None:
        (folder / "out" / "shape_key_mappings").mkdir()
        for place in ("shape_key_mappings/Hero.json", "mapping.json", "pins.json", "chart.json"):
            (folder / "out" / place).write_text('{"old": true}')

    return [
        *over("bake", baked, "--strength", "0.5"),
        *over("render frames", lambda f, *more: rendered(f, "out/frames", *more), "marked"),
        *over("render film", lambda f, *more: rendered(f, "out/film.mp4", *more), "marked"),
        *over("bake --render", previewed, "--strength", "0.5"),
        *over("batch", filmed, "--only", "Ada"),
        Deed("presets, pins, charts", saved, old),
    ]


def _empty() -> None:
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)


if __name__ == "__main__":
    code = child(sys.argv[2:]) if sys.argv[1:2] == ["--child"] else main(commands, read)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # bpy 4.5 as a module may hang on the way out
