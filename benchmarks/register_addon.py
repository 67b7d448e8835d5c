"""Time the import and `register()` of the installed extension, cold. Run by `build.py bench`."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
import tempfile
import time
import traceback
from pathlib import Path

os.environ["BLENDER_USER_RESOURCES"] = tempfile.mkdtemp(prefix="mouthpiece-bench-")

import bpy

MODULE = "bl_ext.user_default.mouthpiece"


def main() -> int:
    """Write the result as rows of a table; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("package", type=Path)
    parser.add_argument("--json", type=Path, required=True)
    options = parser.parse_args()
    bpy.ops.extensions.package_install_files(
        filepath=str(options.package), repo="user_default", enable_on_install=False
    )
    began = time.perf_counter()
    module = importlib.import_module(MODULE)
    imported = time.perf_counter()
    module.register()
    registered = time.perf_counter()
    rows = [
        {"what": "import the installed extension", "value": f"{(imported - began) * 1e3:.1f} ms", "promise": ""},
        {
            "what": "register() of the installed extension",
            "value": f"{(registered - imported) * 1e3:.1f} ms",
            "promise": "under 50 ms",
        },
    ]
    options.json.write_text(json.dumps(rows), encoding="utf-8")
    return 0


if __name__ == "__main__":
    try:
        code = main()
    except Exception:  # the process must end without Python's own shutdown, which the module of 4.5 may not survive
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
