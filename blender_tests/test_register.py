"""The add-on comes and goes without a trace, and quickly."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import bpy

ROOT = Path(__file__).resolve().parent.parent


def test_the_core_under_test_is_that_of_the_checkout():
    import mouthpiece

    assert Path(mouthpiece.__file__).resolve().is_relative_to(ROOT / "core")


def ours():
    """Return everything in Blender that carries our name."""
    names = [name for name in dir(bpy.types) if name.startswith("MOUTHPIECE_")]
    names += [name for name in ("Scene", "WindowManager") if hasattr(getattr(bpy.types, name), "mouthpiece")]
    menu = getattr(bpy.types.VIEW3D_MT_object_animation.draw, "_draw_funcs", [])
    names += [f.__module__ for f in bpy.app.handlers.load_post if f.__module__.startswith("addon")]
    return names + [draw.__module__ for draw in menu if draw.__module__.startswith("addon")]


def test_registering_twice_and_leaving_nothing(addon):
    assert ours()
    addon.unregister()
    assert ours() == []
    addon.register()
    addon.unregister()
    assert ours() == []
    addon.register()


def test_registering_loads_no_core_and_no_network():
    program = (
        "import sys, bpy; sys.path[:0] = sys.argv[1:]; import addon; addon.register();"
        "heavy = [m for m in ('mouthpiece.pipeline', 'onnxruntime', 'scipy') if m in sys.modules];"
        "addon.unregister(); print('heavy', heavy, flush=True); import os; os._exit(0)"
    )
    command = [sys.executable, "-c", program, str(ROOT / "core"), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert "heavy []" in done.stdout


def test_operators_are_found_in_the_object_menu():
    assert ours()[-1].endswith("bake.operators")
