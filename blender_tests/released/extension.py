"""The add-on as the installed extension it is for users, in a Blender of its own with a profile of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
#: What users' Blender calls the extension.
PACKAGE = "bl_ext.user_default.mouthpiece"
_BEFORE = f"""
import bpy, json, os, sys
bpy.ops.preferences.addon_enable(module="{PACKAGE}")
assert "{PACKAGE}" in bpy.context.preferences.addons, "not enabled"
def tell(value):
    print("TOLD " + json.dumps(value), flush=True)
"""
_AFTER = "\nsys.stdout.flush()\nos._exit(0)\n"


def told(profile: Path, program: str) -> Any:
    """Run statements where the add-on is an extension, and return what they hand to ``tell``.

    ``profile`` is the folder of the user's resources; the add-on of this checkout is put into it.
    """
    home = profile / "extensions" / "user_default" / "mouthpiece"
    if not home.exists():
        shutil.copytree(ROOT / "addon", home, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "blender_manifest.toml", home)
    settings = {**os.environ, "BLENDER_USER_RESOURCES": str(profile)}
    settings["PYTHONPATH"] = os.pathsep.join([str(ROOT / "core"), str(ROOT), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-c", _BEFORE + program + _AFTER]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=settings)
    lines = [line for line in done.stdout.splitlines() if line.startswith("TOLD ")]
    if done.returncode or not lines:
        raise RuntimeError(f"{done.stdout}\n{done.stderr}")
    return json.loads(lines[-1].removeprefix("TOLD "))
