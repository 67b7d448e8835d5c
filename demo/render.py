"""Render the baked demo scene to a video. Run by `build.py demo`, apart from the bake: without OpenGL this one dies."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Any

import bpy

import addon
from addon.command import preview_video
from addon.sound import strips


def tell(scene: Any, *_: object) -> None:
    """Say on stderr how far the rendering is, every 25 frames."""
    done, count = scene.frame_current - scene.frame_start + 1, scene.frame_end - scene.frame_start + 1
    if done % 25 == 0 or done == count:
        print(f"Rendering the preview: {done} of {count} frames", file=sys.stderr, flush=True)


def silence() -> None:
    """Send what Blender itself prints for every frame nowhere; Python's stderr goes on speaking."""
    speaking = os.fdopen(os.dup(2), "w", encoding="utf-8", errors="backslashreplace")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    sys.stderr = speaking


def main() -> int:
    """Render; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scene", type=Path)
    parser.add_argument("video", type=Path)
    options = parser.parse_args()
    bpy.ops.wm.open_mainfile(filepath=str(options.scene))
    addon.register()
    scene = bpy.context.scene
    line = strips.from_strip(strips.find_strip(scene, "Mouthpiece Line"), scene)
    bpy.app.handlers.render_post.append(tell)
    began = time.monotonic()
    silence()
    made, remark = preview_video.render(scene, line, scene.frame_start, scene.frame_end, options.video)
    print(f"{made}: rendered in {time.monotonic() - began:.0f} s. {remark}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    try:
        code = main()
    except Exception as error:  # whatever it was, the process must end without Python's own shutdown, see bake.py
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        code = 1
    sys.stderr.flush()
    os._exit(code)
