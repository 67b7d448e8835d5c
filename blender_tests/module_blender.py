"""The bpy module in place of Blender's program, as far as jobs of farms call it.

python blender_tests/module_blender.py --background FILE (--command mouthpiece … | --python PROGRAM -- …)
"""

from __future__ import annotations

import os
import runpy
import sys
import traceback
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
for place in (str(ROOT), str(ROOT / "core")):
    sys.path.insert(0, place)


def main(words: list[str]) -> int:
    """Open a file, then run a command of the add-on, or a program that finds all arguments in ``sys.argv``."""
    import bpy

    import addon
    from addon.command import parser

    assert words[0] == "--background", words
    bpy.ops.wm.open_mainfile(filepath=words[1])
    addon.register()
    if words[2] == "--command":
        assert words[3] == "mouthpiece", words
        return parser.main(words[4:])
    code = int(words[words.index("--python-exit-code") + 1])
    try:
        runpy.run_path(words[words.index("--python") + 1], run_name="__main__")
    except BaseException:
        traceback.print_exc()
        return code
    return 0


if __name__ == "__main__":
    ended = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(ended)  # bpy as a module may hang at the interpreter's exit
