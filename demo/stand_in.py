"""A `blender` without Blender: the module bpy and this checkout's add-on take a command line as Blender does.

    python demo/stand_in.py -b film.blend -c mouthpiece batch --output out.blend

It knows `-b`, the name of a file, `--python FILE` and `-c mouthpiece …`; what follows `--` is left to programs.
Benchmarks, and tests of what documents say, put it where others have a Blender.
"""

from __future__ import annotations

import os
import runpy
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

if __name__ == "__main__":
    for folder in ("core", ""):
        place = str(ROOT / folder)
        if place in sys.path:
            sys.path.remove(place)
        sys.path.insert(0, place)

#: Switches that make no difference here.
_IDLE = ("-b", "--background", "--factory-startup", "-noaudio", "-q", "--quiet")


def main(words: Sequence[str]) -> int:
    """Do what the words say, one after another; return the exit code."""
    import bpy

    import addon
    from addon.command import parser

    bpy.ops.wm.read_homefile(use_factory_startup=True)
    addon.register()
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word in ("-c", "--command"):
            if rest[:1] != ["mouthpiece"]:
                raise SystemExit(f"The only command here is mouthpiece, not {' '.join(rest[:1])}.")
            return parser.main(rest[1:])
        if word == "--":
            break
        if word == "--python":
            runpy.run_path(rest.pop(0), run_name="__main__")
        elif word.startswith("-") and word not in _IDLE:
            raise SystemExit(f"{word} is not known here.")
        elif not word.startswith("-"):
            bpy.ops.wm.open_mainfile(filepath=str(Path(word).absolute()))
    return 0


def written(folder: Path, python: str = sys.executable) -> Path:
    """Write an executable `blender` into a folder that runs this program; return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "blender"
    path.write_text(f'#!/bin/sh\nexec "{python}" "{Path(__file__).resolve()}" "$@"\n', encoding="utf-8")
    path.chmod(0o755)
    return path


if __name__ == "__main__":
    try:
        code = main(sys.argv[1:])
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 1
        print(stop.code if code == 1 else "", file=sys.stderr)
    except Exception:  # the module of 4.5 hangs when Python ends by itself while classes are registered
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
