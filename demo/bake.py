"""Bake a spoken line on the bundled head with the add-on's own operator and command. Run by `build.py demo`."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from pathlib import Path
from typing import Any

import bpy

import addon
from addon import compat
from addon.command import parser as command_parser

HEAD, RIG, LINE = "Mouthpiece Head", "Mouthpiece Rig", "Mouthpiece Line"
FPS = 25
#: Width and height of the preview in pixels: what two cores without a graphics card draw in about a minute.
SIZE = 512


def place(scene: Any, audio: Path) -> None:
    """Put the sound on frame 1 of the sequencer and make the scene as long as it is."""
    scene.render.fps, scene.render.fps_base = FPS, 1.0
    editor = scene.sequence_editor_create()
    strip = compat.strips_of(editor).new_sound(LINE, str(audio), 1, 1)
    scene.frame_end = max(1, round(strip.frame_final_duration))
    scene.sync_mode = "AUDIO_SYNC"


def light(scene: Any) -> None:
    """Set the scene up for a quick, clear picture: the face close, Workbench, one level of subdivision."""
    subdivision = bpy.data.objects[HEAD].modifiers.new("Subdivision", "SUBSURF")
    subdivision.levels = subdivision.render_levels = 1
    scene.camera.data.lens = 127.0
    scene.camera.location, scene.camera.rotation_euler = (0.17, -1.02, 0.165), (1.568, 0.0, 0.165)
    scene.render.engine = "BLENDER_WORKBENCH"
    scene.render.resolution_x = scene.render.resolution_y = SIZE
    scene.view_settings.view_transform = "Standard"
    scene.world = bpy.data.worlds.new("Backdrop")
    scene.world.color = (0.05, 0.06, 0.08)
    scene.display.render_aa = "FXAA"
    scene.display.shading.light = "STUDIO"
    scene.display.shading.studio_light = "paint.sl"
    scene.display.shading.color_type = "MATERIAL"


def main() -> int:
    """Make take and scene; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--audio", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    bpy.ops.wm.read_factory_settings(use_empty=True)
    addon.register()
    bpy.ops.mouthpiece.add_demo(line=False)
    place(bpy.context.scene, options.audio)
    light(bpy.context.scene)
    take = ["animate", str(options.audio), "-o", str(options.out / "take.npz"), "--fps", str(FPS)]
    scene = ["bake", "--strip", LINE, "--object", HEAD, "--armature", RIG, "--bone", "head"]
    return command_parser.main(take) or command_parser.main(
        [*scene, "--output", str(options.out / "head.blend"), "--force"]
    )


if __name__ == "__main__":
    try:
        code = main()
    except Exception:  # the module of 4.5 hangs when Python ends by itself while classes are registered
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
