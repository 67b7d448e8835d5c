"""A scene of its own for what the command line makes of a picture."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import bpy
from mouthpiece.errors import MouthpieceError

from ..targets.picture_rig import builder as rig_builder


@contextmanager
def scene_for(image: bpy.types.Image, fps: Fraction | int | None) -> Iterator[bpy.types.Scene]:
    """Make a scene that shows pictures as they are, at a rate or that of the scene before; it goes if making fails."""
    window, before = bpy.context.window, bpy.context.scene
    scene: Any = bpy.data.scenes.new(Path(image.name).stem)
    scene.render.fps, scene.render.fps_base = before.render.fps, before.render.fps_base
    if fps is not None:
        scene.render.fps = max(1, round(fps))
        scene.render.fps_base = scene.render.fps / float(fps)
    window.scene = scene
    _ready_for_video(scene, before)
    rig_builder.show_colours(scene)
    try:
        yield scene
    except MouthpieceError:
        window.scene = before
        bpy.data.scenes.remove(scene)
        raise


def _ready_for_video(scene: bpy.types.Scene, other: bpy.types.Scene) -> None:
    """Give a scene made by script the video settings of another: its own have no values, not even to be given back."""
    for name in ("format", "codec", "audio_codec", "constant_rate_factor", "ffmpeg_preset"):
        value = getattr(other.render.ffmpeg, name)
        if value:
            setattr(scene.render.ffmpeg, name, value)
