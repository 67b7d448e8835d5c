"""Renders a take to a video with its sound, by the scene's own engine and camera; the scene's settings are restored."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import bpy
from mouthpiece.drafts import draft_folder
from mouthpiece.errors import RigError
from mouthpiece.files import move_whole

from .. import compat
from ..sound import recordings, timeline

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
    """Render the frames ``first`` to ``last``; return the path of the video and a remark, empty as a rule.

    A build without FFmpeg writes PNG pictures instead: the path is then their folder, which has the video's name, and
    the remark says so. Raises RigError if rendering fails.
    """
    check(scene)
    full = path.absolute()
    try:
        full.parent.mkdir(parents=True, exist_ok=True)
        with draft_folder(Path(os.path.realpath(full)).parent) as folder:
            with _restored(scene, first, last), _sound_strip(scene, recording):
                made, remark = _aim(scene, folder / full.name)
                bpy.ops.render.render(animation=True, scene=scene.name)
            if not made.exists():
                raise RigError(f"The take is keyed, but Blender rendered nothing to '{full}'. See its messages above.")
            return _put(made, full.with_name(made.name)), remark
    except (OSError, RuntimeError) as error:
        raise RigError(f"The take is keyed, but '{full}' could not be rendered: {error}") from error


def _put(made: Path, place: Path) -> Path:
    """Move a video, or each picture of a folder, to its place, and return the place."""
    if not made.is_dir():
        move_whole(made, place)
        return place
    place.mkdir(exist_ok=True)
    for picture in sorted(made.iterdir()):
        move_whole(picture, place / picture.name)
    return place


def _aim(scene: bpy.types.Scene, full: Path) -> tuple[Path, str]:
    """Set the scene's output for a file; return what is made, a folder of pictures if need be, and a remark."""
    settings = scene.render
    settings.use_overwrite = True
    if not compat.use_video_output(settings.image_settings):
        folder = full.with_suffix("")
        compat.use_image_output(settings.image_settings)
        settings.use_file_extension = True
        settings.filepath = str(folder / "frame_")
        return folder, f"This Blender cannot write video: pictures are in a folder called '{folder.name}'."
    settings.use_file_extension = False
    settings.filepath = str(full)
    video = settings.ffmpeg
    video.format = _CONTAINERS.get(full.suffix.lower(), "MPEG4")
    video.codec, video.audio_codec = "H264", "AAC"
    video.constant_rate_factor, video.ffmpeg_preset = "HIGH", "GOOD"
    return full, ""


@contextmanager
def _restored(scene: bpy.types.Scene, first: int, last: int) -> Iterator[None]:
    """Set the frame range; afterwards restore it and all output settings."""
    settings = scene.render
    image = compat.image_output(settings.image_settings)
    before: list[tuple[Any, str, Any]] = [(settings, name, getattr(settings, name)) for name in _RENDER]
    before += [(settings.ffmpeg, name, getattr(settings.ffmpeg, name)) for name in _FFMPEG]
    before += [(scene, name, getattr(scene, name)) for name in ("frame_end", "frame_start", "frame_step")]
    current = scene.frame_current
    try:
        scene.frame_start, scene.frame_end, scene.frame_step = first, last, 1
        yield
    finally:
        for holder, name, value in before:
            setattr(holder, name, value)
        compat.restore_image_output(settings.image_settings, image)
        scene.frame_set(current)


@contextmanager
def _sound_strip(scene: bpy.types.Scene, recording: recordings.Recording) -> Iterator[None]:
    """Add the sound to the sequencer, and remove it afterwards; not if it is heard there already or a take (.npz)."""
    begin = recording.placement.origin / recordings.pace(scene)
    there = timeline.strip_at(scene, recording.path, begin) is not None
    if there or recording.identity.startswith("strip:") or recording.path.lower().endswith(".npz"):
        yield
        return
    had_editor = scene.sequence_editor is not None
    sounds = set(bpy.data.sounds)
    strips = compat.strips_of(scene.sequence_editor_create())
    taken = {strip.channel for strip in compat.all_strips(scene)}
    channel = next(number for number in range(1, 200) if number not in taken)
    strip = strips.new_sound("Mouthpiece Preview", recording.path, channel, round(begin))
    try:
        yield
    finally:
        strips.remove(strip)
        for block in set(bpy.data.sounds) - sounds:
            bpy.data.sounds.remove(block)
        if not had_editor:
            scene.sequence_editor_clear()
