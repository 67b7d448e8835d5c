"""Run these tests inside Blender or with the bpy module, and pass pytest's exit code on.

blender -b --factory-startup --python-exit-code 1 --python blender_tests/run.py -- [PYTEST ARGUMENTS]
python blender_tests/run.py [PYTEST ARGUMENTS]
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent


def main() -> int:
    arguments = sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else sys.argv[1:]
    if not any(Path(argument.partition("::")[0]).exists() for argument in arguments):
        arguments = [str(HERE), *arguments]
    return int(pytest.main(["-c", str(HERE.parent / "pyproject.toml"), f"--rootdir={HERE.parent}", *arguments]))


if __name__ == "__main__":
    sys.exit(main())
