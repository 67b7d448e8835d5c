"""A take rendered to a video with its sound: the scene's own engine and camera, settings borrowed and given back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import bpy
from mouthpiece.errors import RigError

from .. import compat
from ..sound import recordings

#: Container by file ending; anything else is MPEG-4.
_CONTAINERS = {".mkv": "MKV", ".mp4": "MPEG4", ".mov": "QUICKTIME"}
_RENDER = ("filepath", "use_file_extension", "use_overwrite", "resolution_percentage")
_FFMPEG = ("format", "codec", "audio_codec", "constant_rate_factor", "ffmpeg_preset")


def check(scene: bpy.types.Scene) -> None:
    """Raise RigError if the scene cannot be rendered."""
    if scene.camera is None:
        raise RigError(f"The scene '{scene.name}' has no camera. Add one, or leave out --render.")


def render(
    scene: bpy.types.Scene, recording: recordings.Recording, first: int, last: int, path: Path
) -> tuple[Path, str]:
    """Render the frames ``first`` to ``last`` and return what was made and a remark.

    A build without FFmpeg writes PNG pictures into a folder of the video's name instead, and the remark says so.
    Raises RigError if rendering fails.
    """
    check(scene)
    full = path.absolute()
    try:
        with _borrowed(scene, first, last), _heard(scene, recording):
            made, remark = _aim(scene, full)
            full.parent.mkdir(parents=True, exist_ok=True)
            bpy.ops.render.render(animation=True, scene=scene.name)
    except (OSError, RuntimeError) as error:
        raise RigError(f"The take is keyed, but '{full}' could not be rendered: {error}") from error
    if not made.exists():
        raise RigError(f"The take is keyed, but Blender rendered nothing to '{made}'. See its messages above.")
    return made, remark


def _aim(scene: bpy.types.Scene, full: Path) -> tuple[Path, str]:
    """Point the scene's output at the file and return what will be there."""
    settings = scene.render
    settings.use_overwrite = True
    if not compat.use_video_output(settings.image_settings):
        folder = full.with_suffix("")
        compat.use_image_output(settings.image_settings)
        settings.use_file_extension = True
        settings.filepath = str(folder / "frame_")
        return folder, f"This Blender cannot write video: pictures are in '{folder}'."
    settings.use_file_extension = False
    settings.filepath = str(full)
    video = settings.ffmpeg
    video.format = _CONTAINERS.get(full.suffix.lower(), "MPEG4")
    video.codec, video.audio_codec = "H264", "AAC"
    video.constant_rate_factor, video.ffmpeg_preset = "HIGH", "GOOD"
    return full, ""


@contextmanager
def _borrowed(scene: bpy.types.Scene, first: int, last: int) -> Iterator[None]:
    """Set the frame range, and give it and all output settings back."""
    settings = scene.render
    image = compat.image_output(settings.image_settings)
    held: list[tuple[Any, str, Any]] = [(settings, name, getattr(settings, name)) for name in _RENDER]
    held += [(settings.ffmpeg, name, getattr(settings.ffmpeg, name)) for name in _FFMPEG]
    held += [(scene, name, getattr(scene, name)) for name in ("frame_end", "frame_start", "frame_step")]
    current = scene.frame_current
    try:
        scene.frame_start, scene.frame_end, scene.frame_step = first, last, 1
        yield
    finally:
        for holder, name, value in held:
            setattr(holder, name, value)
        compat.restore_image_output(settings.image_settings, image)
        scene.frame_set(current)


@contextmanager
def _heard(scene: bpy.types.Scene, recording: recordings.Recording) -> Iterator[None]:
    """Lay the sound into the sequencer while rendering, unless it comes from there or is none (a take)."""
    if recording.identity.startswith("strip:") or recording.path.lower().endswith(".npz"):
        yield
        return
    had_editor = scene.sequence_editor is not None
    sounds = set(bpy.data.sounds)
    strips = compat.strips_of(scene.sequence_editor_create())
    taken = {strip.channel for strip in compat.all_strips(scene)}
    channel = next(number for number in range(1, 200) if number not in taken)
    strip = strips.new_sound("Mouthpiece Preview", recording.path, channel, round(recording.placement.origin))
    try:
        yield
    finally:
        strips.remove(strip)
        for block in set(bpy.data.sounds) - sounds:
            bpy.data.sounds.remove(block)
        if not had_editor:
            scene.sequence_editor_clear()
