"""Renders a take to a video with its sound, by the scene's own engine and camera; the scene's settings are restored.

What can go wrong is looked for before any work (:func:`check`): sizes that no film can have, places, names.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import bpy
import numpy as np
from mouthpiece.errors import MouthpieceError, RigError
from mouthpiece.files.drafts import draft_folder
from mouthpiece.files.places import is_folder, is_there
from mouthpiece.files.writer import move_whole
from mouthpiece.phrases import counted

from .. import compat
from ..sound import recordings, soundtrack, timeline
from ..sound.strips import new_strip
from ..targets.portrait import film_encoder
from ..targets.portrait.film_encoder import Film

#: Container by file ending; without one it is MPEG-4.
_CONTAINERS: Final = {**film_encoder.CONTAINERS, ".mkv": "MKV"}
#: Endings of files of other kinds.
_OTHER: Final = (
    ".avi", ".bmp", ".blend", ".exr", ".flac", ".flv", ".gif", ".jpeg", ".jpg", ".json", ".m4a", ".mp3", ".mpeg",
    ".mpg", ".npz", ".ogg", ".ogv", ".opus", ".png", ".tif", ".tiff", ".wav", ".webm", ".webp", ".wmv",
)  # fmt: skip
#: Least and greatest side of a film in pixels: Blender's, and that of H.264.
_SIDES: Final = (film_encoder.LEAST, 16_384)
#: Constant rate factor of films that are encoded from pictures: what "HIGH" is.
_QUALITY: Final = 20
_RENDER: Final = (
    "filepath", "use_file_extension", "use_overwrite", "resolution_percentage", "resolution_x", "resolution_y",
    "border_min_x", "border_max_x", "border_min_y", "border_max_y", "use_multiview",
)  # fmt: skip
_FFMPEG: Final = ("format", "codec", "audio_codec", "constant_rate_factor", "ffmpeg_preset", "use_autosplit")


def wrong_name(path: Path) -> str:
    """Return why a film cannot have a name; empty if it can."""
    if path.suffix.lower() not in _OTHER:
        return ""
    return f"'{path.name}' is not the name of a film: let it end in {', '.join(sorted(_CONTAINERS))}."


def check(scene: bpy.types.Scene) -> None:
    """Raise RigError if the scene cannot be rendered to a film."""
    if scene.camera is None:
        raise RigError(f"The scene '{scene.name}' has no camera. Add one, or leave out --render.")
    frame = _Frame.of(scene)
    least, most = _SIDES if film_encoder.can_encode() else (1, math.inf)
    if least <= min(frame.width, frame.height) and max(frame.width, frame.height) <= most:
        return
    where = "Its render region leaves" if frame.is_cropped else f"The scene '{scene.name}' renders"
    cure = "Make the region larger" if frame.is_cropped else "Change Resolution and its percentage in Output Properties"
    raise RigError(
        f"{where} {frame.width} x {frame.height} pixels, and a film has {least} to {most:,} on a side. {cure}, or "
        "leave out --render."
    )


def check_pictures(path: Path, force: bool) -> None:
    """Raise RigError if there is something already where pictures go instead of a film, unless ``force``."""
    folder = path.absolute().with_suffix("")
    if force or film_encoder.can_encode() or not is_there(folder) or (is_folder(folder) and not any(folder.iterdir())):
        return
    raise RigError(
        f"This Blender cannot write video, and '{folder}', where its pictures would be, exists. Choose another place, "
        "or replace pictures of the same names with --force."
    )


@dataclass(frozen=True, slots=True)
class _Frame:
    """The pixels that a scene renders: their first column and row in the whole picture, width and height.

    ``whole`` is the size of the whole picture, of which a region may be cut out.
    """

    left: int
    bottom: int
    width: int
    height: int
    whole: tuple[int, int]

    @classmethod
    def of(cls, scene: bpy.types.Scene) -> _Frame:
        """Return what the scene's settings come to, counted as Blender does."""
        render = scene.render
        share = render.resolution_percentage
        whole = render.resolution_x * share // 100, render.resolution_y * share // 100
        if not (render.use_border and render.use_crop_to_border):
            return cls(0, 0, whole[0], whole[1], whole)
        left, right, bottom, top = (
            int(np.float32(edge) * np.float32(side))
            for edge, side in (
                (render.border_min_x, whole[0]),
                (render.border_max_x, whole[0]),
                (render.border_min_y, whole[1]),
                (render.border_max_y, whole[1]),
            )
        )
        return cls(left, bottom, right - left, top - bottom, whole)

    @property
    def is_cropped(self) -> bool:
        """Whether it is a region of the whole picture."""
        return (self.width, self.height) != self.whole

    def make_even(self, scene: bpy.types.Scene) -> str:
        """Set a scene so that it renders even sides, as films need them; return a remark if they were not."""
        width, height = self.width // 2 * 2, self.height // 2 * 2
        if (width, height) == (self.width, self.height):
            return ""
        render = scene.render
        if self.is_cropped:
            # a quarter of a pixel more, as shares of the picture are cut down to whole pixels
            render.border_min_x, render.border_min_y = (
                (place + 0.25) / side for place, side in zip((self.left, self.bottom), self.whole, strict=True)
            )
            render.border_max_x, render.border_max_y = (
                min(1.0, (place + 0.25) / side)
                for place, side in zip((self.left + width, self.bottom + height), self.whole, strict=True)
            )
        else:
            render.resolution_x, render.resolution_y, render.resolution_percentage = width, height, 100
        return f"Sides of a film are even: it has {width} x {height} pixels, not {self.width} x {self.height}."


def render(
    scene: bpy.types.Scene, recording: recordings.Recording, first: int, last: int, path: Path
) -> tuple[Path, list[str]]:
    """Render the frames ``first`` to ``last`` of the animation; return the path of the video, and remarks.

    A build without FFmpeg writes PNG pictures instead: the path is then their folder, which has the video's name, and
    a remark says so. Raises RigError if rendering fails, or not all frames were written.
    """
    check(scene)
    full, pace = path.absolute(), recordings.pace(scene)
    frames = range(math.floor(first / pace + 1e-6), math.ceil(last / pace - 1e-6) + 1)
    try:
        full.parent.mkdir(parents=True, exist_ok=True)
        with draft_folder(Path(os.path.realpath(full)).parent) as folder:
            with _restored(scene):
                work = _rendered if frames[0] >= 0 else _below_zero
                made, remarks = work(scene, recording, frames, folder / full.name)
            return _put(made, full.with_name(made.name)), remarks
    except (OSError, RuntimeError) as error:
        raise RigError(f"The take is keyed, but '{full}' could not be rendered: {error}") from error


def _rendered(
    scene: bpy.types.Scene, recording: recordings.Recording, frames: range, full: Path
) -> tuple[Path, list[str]]:
    """Render frames as Blender renders an animation; return as :func:`render` does."""
    with _sound_strip(scene, recording):
        scene.frame_start, scene.frame_end, scene.frame_step = frames[0], frames[-1], 1
        made, remarks = _aim(scene, full)
        with film_encoder.counted_frames() as written:
            bpy.ops.render.render(animation=True, scene=scene.name)
    _check_made(made, len(written), len(frames))
    return made, remarks


def _check_made(made: Path, count: int, wanted: int) -> None:
    """Raise RigError if fewer or more frames were written than were to be."""
    if not made.exists():
        raise RigError(f"The take is keyed, but Blender rendered nothing to '{made.name}'. See its messages above.")
    if count != wanted:
        what = f"'{made.name}' has {count} of {counted(wanted, 'frame')}"
        raise RigError(f"The take is keyed, but {what}. See Blender's messages above.")


def _put(made: Path, place: Path) -> Path:
    """Move a video, or each picture of a folder, to its place, and return the place."""
    if not made.is_dir():
        move_whole(made, place)
        return place
    place.mkdir(exist_ok=True)
    for picture in sorted(made.iterdir()):
        move_whole(picture, place / picture.name)
    return place


def _aim(scene: bpy.types.Scene, full: Path) -> tuple[Path, list[str]]:
    """Set the scene's output for the file; return the path and the remarks that :func:`render` returns."""
    settings = scene.render
    settings.use_overwrite = True
    if not compat.use_video_output(settings.image_settings):
        return _aim_at_pictures(scene, full)
    remarks = [remark for remark in (_Frame.of(scene).make_even(scene), _one_eyed(scene)) if remark]
    settings.use_file_extension = False
    settings.filepath = str(full)
    video = settings.ffmpeg
    video.format = _CONTAINERS.get(full.suffix.lower(), "MPEG4")
    video.codec, video.audio_codec = "H264", "AAC"
    video.constant_rate_factor, video.ffmpeg_preset = "HIGH", "GOOD"
    video.use_autosplit = False  # parts of a film would have other names
    return full, remarks


def _aim_at_pictures(scene: bpy.types.Scene, full: Path) -> tuple[Path, list[str]]:
    """Set the scene's output to pictures in a folder with the video's name; return as :func:`_aim` does."""
    folder = full.with_suffix("")
    compat.use_image_output(scene.render.image_settings)
    scene.render.use_file_extension = True
    scene.render.filepath = str(folder / "frame_")
    return folder, [f"This Blender cannot write video: pictures are in a folder called '{folder.name}'."]


def _one_eyed(scene: bpy.types.Scene) -> str:
    """Set a scene to render one view; return a remark if it was set to several, which make a film each."""
    if not scene.render.use_multiview:
        return ""
    scene.render.use_multiview = False
    return "The film shows one view: Stereoscopy was turned off for it."


def _below_zero(
    scene: bpy.types.Scene, recording: recordings.Recording, frames: range, full: Path
) -> tuple[Path, list[str]]:
    """Render frames of which some are below 0, where Blender's animations cannot begin; return as :func:`render` does.

    They are rendered one by one, as pictures, and a film is made of these.
    """
    encodes = compat.use_video_output(scene.render.image_settings)
    remarks = [text for text in (_Frame.of(scene).make_even(scene) if encodes else "", _one_eyed(scene)) if text]
    if not encodes:
        folder, told = _aim_at_pictures(scene, full)
        made = _pictures(scene, frames, folder)
        _check_made(folder, len(made), len(frames))
        return folder, [*remarks, *told]
    folder = full.with_suffix(".frames")
    folder.mkdir()
    compat.use_image_output(scene.render.image_settings)
    scene.render.use_file_extension = True
    made = _pictures(scene, frames, folder)
    _check_made(folder, len(made), len(frames))
    sound = "" if recording.is_take else str(_soundtrack(scene, recording, frames, folder / "sound.wav"))
    size, rate = _Frame.of(scene), (scene.render.fps, scene.render.fps_base)
    film = Film(tuple(made), sound, str(full), size.width, size.height, *rate, (0.0, 0.0, 0.0), _QUALITY)
    try:
        film_encoder.here(film)
    except MouthpieceError as error:
        raise RigError(f"The take is keyed, but not filmed. {error}") from error
    if any(strip.type == "SOUND" for strip in compat.all_strips(scene)):
        remarks.append("The film begins before frame 0: the line is all that is heard in it.")
    return full, remarks


def _pictures(scene: bpy.types.Scene, frames: range, folder: Path) -> list[str]:
    """Render frames as pictures into a folder; return their paths in order."""
    made = []
    for frame in frames:
        scene.frame_set(frame)
        place = folder / f"frame_{frame:04d}.png"
        scene.render.filepath = str(place.with_suffix(""))
        bpy.ops.render.render(write_still=True, scene=scene.name)
        made += [str(place)] if place.is_file() else []
    return made


def _soundtrack(scene: bpy.types.Scene, recording: recordings.Recording, frames: range, path: Path) -> Path:
    """Write what is heard of a line on frames of the timeline; return the path."""
    pace = recordings.pace(scene)
    first, last = round(frames[0] * pace), round((frames[-1] + 1) * pace) - 1
    track = soundtrack.TrackSound(recording, first, last)
    samples = soundtrack.mixed([track], recordings.animation_fps(scene), first, last - first + 1)
    soundtrack.write(samples, path)
    return path


@contextmanager
def _restored(scene: bpy.types.Scene) -> Iterator[None]:
    """Restore a scene's frame range and all output settings afterwards."""
    settings = scene.render
    image = compat.image_output(settings.image_settings)
    before: list[tuple[Any, str, Any]] = [(settings, name, getattr(settings, name)) for name in _RENDER]
    before += [(settings.ffmpeg, name, getattr(settings.ffmpeg, name)) for name in _FFMPEG]
    before += [(scene, name, getattr(scene, name)) for name in ("frame_end", "frame_start", "frame_step")]
    current = scene.frame_current
    try:
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
    strip = new_strip(strips, "Mouthpiece Preview", recording.path, channel, round(begin))
    try:
        yield
    finally:
        strips.remove(strip)
        for block in set(bpy.data.sounds) - sounds:
            bpy.data.sounds.remove(block)
        if not had_editor:
            scene.sequence_editor_clear()
