"""Lists the files that *Animate* passes through, from the button to f-curves: python benchmarks/animate_path.py.

Bakes the bundled line on the bundled head twice and lists, in order, the files of the add-on and of the core in which a
function ran the second time. Needs the bpy module; `docs/architecture.md` has the number.
"""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "core")]
#: Bit of a code object's flags that functions have, and modules and class bodies do not.
_IS_FUNCTION = 0x02

import bpy  # noqa: E402  # the checkout had to be found first

import addon  # noqa: E402


def main() -> int:
    """Bake, print the files, and return the exit code."""
    passed: dict[Path, str] = {}

    def note(frame: FrameType, event: str, _: Any) -> None:
        path, code = Path(frame.f_code.co_filename), frame.f_code
        inside = path.is_relative_to(ROOT / "addon") or path.is_relative_to(ROOT / "core")
        if event == "call" and inside and code.co_flags & _IS_FUNCTION and not code.co_name.startswith("<"):
            passed.setdefault(path.relative_to(ROOT), code.co_name)

    bpy.ops.wm.read_factory_settings(use_empty=True)
    addon.register()
    bpy.ops.mouthpiece.add_demo()
    bpy.ops.mouthpiece.animate()  # so that importing modules does not count
    bpy.ops.mouthpiece.remove_take()
    threading.setprofile(note)
    sys.setprofile(note)
    done = bpy.ops.mouthpiece.animate()
    sys.setprofile(None)
    for path, name in passed.items():
        print(f"{path.as_posix():60} {name}")
    ours = [path for path in passed if path.parts[0] == "addon"]
    print(f"{len(passed)} files: {len(ours)} of the add-on, {len(passed) - len(ours)} of the core")
    return 0 if done == {"FINISHED"} else 1


if __name__ == "__main__":
    result = main()
    sys.stdout.flush()
    os._exit(result)  # Python's own shutdown is not survived by the module of 4.5
