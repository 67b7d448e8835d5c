"""The bundled head's mouth and tongue, close: a frame for each phone of a line as one labelled sheet.

    python demo/close_up.py LINE.wav --text "what is said" PICTURE.jpg [--film FOLDER]

The line is animated with its text, baked by the add-on's own operator, and rendered by Workbench in the middle of each
phone; ``--film`` renders every frame into a folder as well. Wants the checkout and its core on PYTHONPATH, and bpy.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import bpy
from mouthpiece import audio
from mouthpiece.performance import Performance, with_speech
from mouthpiece.phones.alignment import aligned
from mouthpiece.pipeline import Options, animate

import addon
from addon import demo as bundled
from demo import samples, sheets

FPS: Final = 25
#: What of the head is seen, in metres: the middle of the picture and its height.
MOUTH: Final = (0.0, -0.08, 0.123)
HEIGHT: Final = 0.1
#: Width and height of a picture in pixels, and pictures side by side.
SIZE: Final = (240, 200)
COLUMNS: Final = 8


def spoken(sound: Path, text: str) -> Performance:
    """Return the take of a sound with its text, the head kept still."""
    take = animate(audio.load(sound), Options(fps=FPS))
    take = with_speech(take, aligned(take.speech, text, "en").speech)
    return replace(take, dials={"head": 0.0, "blink": 0.0})


def build() -> Any:
    """Make the bundled head in an empty file, its mouth close, and return the mesh."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    addon.register()
    obj, _ = bundled.build(bpy.context)
    subdivision = obj.modifiers.new("Subdivision", "SUBSURF")
    subdivision.levels = subdivision.render_levels = 1
    samples.studio()
    samples.camera(MOUTH, HEIGHT, side=0.05)
    scene = bpy.context.scene
    scene.render.resolution_x, scene.render.resolution_y = SIZE
    scene.render.fps, scene.render.fps_base = FPS, 1.0
    return obj


def bake(obj: Any, take: Path) -> None:
    """Give the mesh the motion of a take from frame 1, by the add-on's operator."""
    settings = bpy.context.scene.mouthpiece
    settings.source, settings.start, settings.filepath = "FILE", 1, str(take)
    bpy.context.view_layer.objects.active = obj
    if bpy.ops.mouthpiece.animate() != {"FINISHED"}:
        raise RuntimeError("The head was not animated; see the message above.")


def still(second: float, path: Path) -> sheets.Picture:
    """Render the frame that is seen at a second of the line."""
    scene = bpy.context.scene
    scene.frame_set(1 + int(second * FPS + 1e-6))
    scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True)
    return sheets.read(path)


def main() -> int:
    """Render and write the sheet that is named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sound", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--text", required=True)
    parser.add_argument("--film", type=Path, help="folder for every frame")
    options = parser.parse_args()
    take = spoken(options.sound, options.text)
    obj = build()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        take.save(path / "take.npz")
        bake(obj, path / "take.npz")
        pictures = [
            still((phone.start + phone.stop) / 2, path / f"{number}.png")
            for number, phone in enumerate(take.speech.phones)
        ]
        sheet, places = sheets.composed(pictures, COLUMNS)
        sheets.write(sheet, options.picture.resolve())
    if options.film:
        for frame in range(len(take)):
            still(frame / FPS, options.film.resolve() / f"{frame + 1:04d}.png")
    words = {word.start: word.label for word in take.speech.words}
    texts = []
    for phone, (x, y) in zip(take.speech.phones, places, strict=True):
        begun = [label for start, label in words.items() if abs(start - phone.start) < 0.011]
        texts.append((f"{phone.label}   {' '.join(begun)}", x + 4, y + 10, 15))
    sheets.letter(options.picture.resolve(), [*texts, (options.text, 8, sheet.shape[0] - 32, 18)])
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # bpy as a module may hang at exit
