"""A line's sound on the scene's timeline: put into the sequencer so that playback is heard, and in time."""

from __future__ import annotations

import math
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import bpy
from mouthpiece.errors import AudioError

from .. import compat
from . import contents, decoder, recordings, strips
from .recordings import Recording

#: Custom property of a strip that Mouthpiece added: the identity of the sound it plays.
_MARK: Final = "mouthpiece_sound"
#: What to say when playback was set to follow the sound.
SYNCED: Final = "Playback keeps in time with the sound now (Timeline > Playback > Sync to Audio)."


def strip_at(scene: bpy.types.Scene, path: str, origin: float) -> Any:
    """Return the strip that plays the sound file at ``path`` from frame ``origin`` on; None if there is none."""
    for strip in compat.all_strips(scene):
        if strip.type == "SOUND" and strip.sound is not None and plays(strip, path):
            times = compat.strip_times(strip)
            if abs(times.left - times.hidden - origin) < 1:
                return strip
    return None


def put(scene: bpy.types.Scene, recording: Recording) -> list[str]:
    """Put the sound of a file into a scene's sequencer at the frame it begins, unless it is heard there already.

    A strip that was put there before for the same file is moved instead. Playback is set to keep in time with the sound
    if it was not set to anything. Return remarks on what changed. A take (.npz) has no sound.
    """
    if recording.packed is not None or recording.path.lower().endswith(".npz"):
        return []
    origin = recording.placement.origin / recordings.pace(scene)  # sounds keep to the timeline
    if strip_at(scene, recording.path, origin) is not None:
        return []
    mine = [s for s in compat.all_strips(scene) if s.get(_MARK) and s.type == "SOUND" and plays(s, recording.path)]
    if mine:
        compat.move_strip(mine[0], round(origin))
        return []
    try:
        add(scene, recording, stored(recording.path), origin)[_MARK] = recording.identity
    except AudioError as error:
        return [str(error)]
    return sync(scene)


def add(scene: bpy.types.Scene, recording: Recording, path: str, origin: float) -> Any:
    """Add a strip of a sound, at ``path`` unless it is packed, and return it.

    Raises AudioError if that is no sound any more, or the sequencer cannot play it.
    """
    added, name = compat.strips_of(scene.sequence_editor_create()), Path(recording.path).stem
    with ExitStack() as lent:
        if recording.packed is not None:
            path = str(lent.enter_context(decoder.unpacked(recording.packed, recording.path, recording.label)))
        strip = strips.new_strip(added, name, path, free_channel(scene), round(origin))
        block = recordings.sound_of(recording)
        if block is not None and strip.sound != block:
            made, strip.sound = strip.sound, block
            if made is not None and not made.users:
                bpy.data.sounds.remove(made)
    return strip


def sync(scene: bpy.types.Scene) -> list[str]:
    """Set playback to keep in time with the sound, if it plays every frame; return a remark if it was changed."""
    if scene.sync_mode != "NONE":
        return []
    scene.sync_mode = "AUDIO_SYNC"
    return [SYNCED]


def stored(path: str) -> str:
    """Return a path as Blender stores it: relative to a saved file, where that is possible."""
    if not bpy.data.filepath:
        return path
    try:
        return bpy.path.relpath(path)
    except ValueError:  # another drive
        return path


def free_channel(scene: bpy.types.Scene) -> int:
    """Return the lowest channel of the sequencer above all strips."""
    return min(128, 1 + max((strip.channel for strip in compat.all_strips(scene)), default=0))


def beyond(scene: bpy.types.Scene, last: int) -> str:
    """Return what to say if a line ends after the scene does; empty if it does not."""
    last = math.ceil(last / recordings.pace(scene))
    if last <= scene.frame_end:
        return ""
    return f"The line runs to frame {last}, the scene only to frame {scene.frame_end}."


def plays(strip: Any, path: str) -> bool:
    """Return whether a strip's sound is the file at ``path``, or one of the same content that lies elsewhere."""
    return contents.are_same(recordings.full_path(strip.sound.filepath, strip.sound.library), path)
