"""Sounds from data-blocks and files, and at which of the scene's frames they are heard."""

from __future__ import annotations

import math
import os
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from stat import S_ISREG
from typing import TYPE_CHECKING, Final

import bpy
from mouthpiece.errors import AudioError, RigError
from mouthpiece.files.places import is_file
from mouthpiece.sounds.headers import check_file_kind
from mouthpiece.sounds.mixdown import AUTOMATIC, MEAN

from . import contents, decoder
from .decoder import StreamedSound

if TYPE_CHECKING:
    from mouthpiece.audio import Audio
    from mouthpiece.curves import FrameGrid


#: Digits of a file's hash in the identity of its line.
_IDENTITY = 32
#: Channels of the layouts that Blender knows.
_LAYOUTS = {
    "MONO": 1, "STEREO": 2, "STEREO_LFE": 3, "SURROUND4": 4, "SURROUND5": 5, "SURROUND51": 6, "SURROUND61": 7,
    "SURROUND71": 8,
}  # fmt: skip


#: Frames by which an edge between two stretches of a sound may be off: seconds are kept as single floats.
_SLACK: Final = 1e-3
#: The last frame that Blender can show; the first is as far below 0. Keys are single floats, which are exact so far.
LAST_FRAME: Final = 1_048_574


@dataclass(frozen=True, slots=True)
class Placement:
    """The position of a sound on a scene's frames.

    ``origin`` is the frame at which second ``offset`` of the sound plays, ``speed`` the seconds of sound that pass in a
    second of the scene. ``left`` is the first frame of a strip, ``right`` the one after its last.
    """

    fps: float
    origin: float
    offset: float = 0.0
    speed: float = 1.0
    left: int | None = None
    right: int | None = None

    def __post_init__(self) -> None:
        """Raise RigError if the sound begins at a frame that Blender cannot show."""
        _check_frame(self.origin if self.left is None else self.left, "begin")

    def grid(self, seconds: float) -> FrameGrid:
        """Return the whole frames at which a sound of that length is heard.

        Raises RigError if there are none, or the last is one that Blender cannot show.
        """
        from mouthpiece.curves import FrameGrid

        whole = FrameGrid.covering(seconds - self.offset, self.fps, self.origin, self.offset, self.speed)
        first = whole.first if self.left is None else max(whole.first, self.left)
        last = whole.last if self.right is None else min(whole.last, self.right - 1)
        if last < first:
            raise RigError("None of the sound is heard between the strip's handles. Drag the handles apart.")
        _check_frame(last, "end")
        return FrameGrid(self.fps, self.origin, first, last, self.offset, self.speed)

    def second_at(self, frame: float) -> float:
        """Return the second of the sound that plays at a frame."""
        return self.offset + (frame - self.origin) / self.fps * self.speed

    def remapped(self, pace: float) -> Placement:
        """Return the position on a scene's animation, of which ``pace`` frames are played in a frame of the timeline.

        Blender's sounds keep to the timeline, keys to the animation (Output Properties, Time Stretching).
        """
        if pace == 1.0:
            return self
        left, right = (None if at is None else math.ceil(at * pace - 1e-6) for at in (self.left, self.right))
        return Placement(self.fps * pace, self.origin * pace, self.offset, self.speed, left, right)

    def within(self, begin: float, end: float | None) -> Placement | None:
        """Return the position with handles no further apart than two seconds of the sound; None if no frame is left.

        ``end`` None is the sound's own end. Stretches that follow each other share no frame.
        """
        left, right = (
            None if at is None else math.ceil(self.origin + (at - self.offset) / self.speed * self.fps - _SLACK)
            for at in (begin, end)
        )
        left = max((at for at in (left, self.left) if at is not None), default=None)
        right = min((at for at in (right, self.right) if at is not None), default=None)
        if left is not None and right is not None and right <= left:
            return None
        return replace(self, left=left, right=right)

    @property
    def part(self) -> tuple[float, float] | None:
        """First and last second of the sound that lie between a strip's handles; None without handles."""
        if self.left is None or self.right is None:
            return None
        low, high = (self.second_at(at) for at in (self.left, self.right - 1))
        return max(0.0, low), max(0.0, high)


@dataclass(frozen=True, slots=True)
class Recording:
    """A sound chosen for baking: all that is needed to decode it without Blender's data.

    Baking a sound of the same ``identity`` again replaces its line; so do others that are the same line (see
    ``addon.bake.line_identity``). ``label`` is its name in messages and in the scene, without a folder, ``packed`` the
    bytes of a packed sound, ``volume`` a factor on it in films, ``channel`` what of a sound with several channels is
    heard (see ``mouthpiece.sounds.mixdown.choice``); films and the sequencer play all of them.
    """

    identity: str
    label: str
    path: str
    placement: Placement
    packed: bytes | None = None
    volume: float = 1.0
    channel: str = AUTOMATIC

    @property
    def is_take(self) -> bool:
        """Whether it is no sound but a take (.npz)."""
        return self.packed is None and self.path.lower().endswith(".npz")

    @property
    def content(self) -> str:
        """SHA-256 of the sound's bytes, by which pieces of one sound know each other; empty if there is no file.

        Any thread may ask; a long file takes a moment the first time.
        """
        return contents.of_file(self.path) if self.packed is None else contents.of_bytes(self.packed)


def _check_frame(frame: float, what: str) -> None:
    """Raise RigError if a sound would begin or end at a frame that Blender cannot show."""
    if not -LAST_FRAME <= frame <= LAST_FRAME:
        raise RigError(
            f"The sound would {what} at frame {frame:,.0f}, and Blender's frames go from {-LAST_FRAME:,} to "
            f"{LAST_FRAME:,}. Choose another start frame, or move the strip."
        )


def true_fps(scene: bpy.types.Scene) -> float:
    """Return the scene's frames per second, ``fps_base`` included."""
    return scene.render.fps / scene.render.fps_base


def pace(scene: bpy.types.Scene) -> float:
    """Return how many frames of animation are played in a frame of the timeline: 1 without time stretching."""
    render = scene.render
    return float(render.frame_map_old / render.frame_map_new)


def animation_fps(scene: bpy.types.Scene) -> float:
    """Return how many frames of a scene's animation are played in a second, time stretching included."""
    return true_fps(scene) * pace(scene)


def from_file(path: str, scene: bpy.types.Scene, start: float) -> Recording:
    """Return the sound file at ``path`` (``//`` allowed), starting at frame ``start``."""
    if not path.strip():
        raise AudioError("No sound file is chosen. Pick one under Sound.")
    full = full_path(path)
    check_file_kind(Path(full))
    # the content, not the place: projects move, and a full path is nobody else's business
    identity = f"file:{contents.of_file(full)[:_IDENTITY]}"
    return Recording(identity, f"'{Path(full).name}'", full, Placement(true_fps(scene), start).remapped(pace(scene)))


def from_sound(sound: bpy.types.Sound | None, scene: bpy.types.Scene, start: float) -> Recording:
    """Return the Sound data-block, starting at frame ``start``."""
    if sound is None:
        raise AudioError("No sound is chosen. Pick one under Sound.")
    path, packed = content_of(sound)
    place = Placement(true_fps(scene), start).remapped(pace(scene))
    return Recording(f"sound:{sound.name_full}", f"'{sound.name}'", path, place, packed)


def sound_of(recording: Recording) -> bpy.types.Sound | None:
    """Return the Sound data-block that :func:`from_sound` made a recording of; None for others, or if it is gone."""
    kind, _, name = recording.identity.partition(":")
    return next((block for block in bpy.data.sounds if kind == "sound" and block.name_full == name), None)


def opened(recording: Recording) -> AbstractContextManager[StreamedSound]:
    """Provide a recording to read, a stretch at a time. Any thread may call this: it uses no Blender data."""
    return decoder.opened(recording.path, recording.label, recording.packed, recording.content, recording.channel)


def with_channel(recording: Recording, channel: str) -> Recording:
    """Return a recording of which that channel is heard; AudioError says if the sound lacks it, or is a take."""
    if channel == AUTOMATIC:
        return replace(recording, channel=channel)
    if recording.is_take:
        raise AudioError(f"{recording.label} is a take, which has no channels. Leave the channel out.")
    chosen = replace(recording, channel=channel)
    with opened(chosen):
        return chosen


def channel_count(recording: Recording) -> int:
    """Return how many channels a sound has; 0 for a take. Raises AudioError if it cannot be read."""
    if recording.is_take:
        return 0
    with opened(replace(recording, channel=MEAN)) as sound:
        return sound.mixdown.count


def decode(recording: Recording) -> Audio:
    """Return all samples, mono, at the file's own rate. Any thread may call this: it uses no Blender data."""
    with opened(recording) as sound:
        return sound.whole()


def full_path(path: str, library: bpy.types.Library | None = None) -> str:
    """Return an absolute path without Blender's ``//`` and without ``..``; symbolic links are not resolved."""
    return os.path.abspath(bpy.path.abspath(path, library=library))  # noqa: PTH100  # resolve() follows links


def content_of(sound: bpy.types.Sound) -> tuple[str, bytes | None]:
    """Return a Sound's full path and, if it is packed, its bytes."""
    path = full_path(sound.filepath, sound.library)
    if sound.packed_file is not None:
        return path, bytes(sound.packed_file.data)
    if not is_file(Path(path)):
        raise AudioError(f"The file of the sound '{sound.name}' is missing: '{path}'. Find it, or choose another.")
    return path, None


def channels_of(sound: bpy.types.Sound | None) -> int:
    """Return how many channels a Sound data-block has, as Blender found them; 0 if that is not known."""
    return 0 if sound is None else _LAYOUTS.get(sound.channels, 0)


def channels_in(path: str) -> int:
    """Return how many channels the sound file at ``path`` (``//`` allowed) has; 0 if that cannot be known.

    A file is opened again only if it has changed.
    """
    full = full_path(path) if path.strip() else ""
    if not full or full.lower().endswith(".npz"):
        return 0
    try:
        about = Path(full).stat()
        return _channels_in(full, about.st_size, about.st_mtime_ns) if S_ISREG(about.st_mode) else 0
    except OSError:
        return 0


@lru_cache(maxsize=64)
def _channels_in(path: str, _size: int, _changed: int) -> int:
    return decoder.channel_count(path)


def open_file(path: str | os.PathLike[str], channel: str = AUTOMATIC) -> StreamedSound:
    """Return the sound file at ``path`` to read, decoded as for baking."""
    return StreamedSound(path, channel=channel)


def stored_place(path: str) -> str:
    """Return where a file is as a scene may keep it: relative to the .blend file (``//``), or only the file's name.

    It never holds a full path or the name of a user's folder.
    """
    name, blend = Path(path).name, bpy.data.filepath
    if not path or not blend:
        return name
    try:
        common = Path(os.path.commonpath([Path(blend).parent, Path(path).parent]))
        relative = bpy.path.relpath(path)
    except ValueError:  # on another drive
        return name
    beyond = common in Path.home().parents or common == common.parent
    return relative.replace("\\", "/") if relative.startswith("//") and not beyond else name


def found(content: str, place: str) -> str:
    """Return the full path of a file that a line was animated from, or raise AudioError if it is not found.

    Looked for are the place and the content it had, in this session, beside the .blend file, among the scenes' chosen
    files and the sounds of this file; if it is nowhere, a file of that name at that place.
    """
    places = [full_path(place)] if place.startswith("//") else []
    if bpy.data.filepath:
        places.append(full_path("//" + Path(place).name))
    places += [full_path(scene.mouthpiece.filepath) for scene in bpy.data.scenes if scene.mouthpiece.filepath]
    places += [full_path(sound.filepath, sound.library) for sound in bpy.data.sounds if sound.filepath]
    same = next((path for path in places if content and contents.of_file(path) == content), "")
    same = same or contents.place_of(content)
    named = (path for path in places if Path(path).name == Path(place).name and is_file(Path(path)))
    known = same or next(named, "")
    if not known:
        raise AudioError(f"'{Path(place).name}' is not found. Choose it under Sound, or put it beside this file.")
    return known
