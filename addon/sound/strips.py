"""Sound strips of the sequencer: finds the one that is meant, and where it is heard with its trims and its speed."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import bpy
from mouthpiece.errors import AudioError

from .. import compat
from .recordings import Placement, Recording, content_of, true_fps


def find_strip(scene: bpy.types.Scene, name: str = "") -> Any:
    """Return the strip called ``name``; without a name the active sound strip, or the only one there is.

    Raises AudioError if there is none, or if several could be meant.
    """
    strips = compat.all_strips(scene)
    if name:
        for strip in strips:
            if strip.name == name:
                return strip
        raise AudioError(f"There is no strip '{name}' in the sequencer of '{scene.name}'. Choose a strip under Sound.")
    sounds = [strip for strip in strips if strip.type == "SOUND"]
    active = scene.sequence_editor.active_strip if strips else None
    if active is not None and active.type == "SOUND":
        return active
    if len(sounds) == 1:
        return sounds[0]
    if sounds:
        raise AudioError(f"'{scene.name}' has {len(sounds)} sound strips. Choose one under Sound.")
    raise AudioError(f"There is no sound strip in the sequencer of '{scene.name}'. Add one, or choose a file.")


def from_strip(strip: Any, scene: bpy.types.Scene) -> Recording:
    """Return a strip's sound, placed as it is heard, with the strip's start, trims, sound offset and speed.

    Raises AudioError if it cannot be heard, or changes its speed.
    """
    if strip.type != "SOUND":
        raise AudioError(f"The strip '{strip.name}' is not a sound ({strip.type.title()}). Choose a sound strip.")
    if _is_muted(strip, scene):
        raise AudioError(f"The strip '{strip.name}' is muted. Unmute the strip and its channel, or choose another.")
    if strip.sound is None:
        raise AudioError(f"The strip '{strip.name}' has lost its sound. Choose another strip.")
    path, packed = content_of(strip.sound)
    times = compat.strip_times(strip)
    fps = true_fps(scene)
    speed = _speed(strip, times, path, packed, scene)
    # Frames trimmed on loading are skipped like those a handle hides, except that 4.5 does not retime them.
    origin, offset = times.left - times.hidden - times.trim_start + strip.sound_offset * fps, 0.0
    if speed != 1.0 and not compat.retimed_skip_is_scaled():
        origin, offset = origin + times.trim_start, times.trim_start / fps
    place = Placement(fps, origin, offset, speed, times.left, times.right)
    return Recording(f"strip:{scene.name}/{strip.name}", f"'{strip.name}'", path, place, packed)


def _is_muted(strip: Any, scene: bpy.types.Scene) -> bool:
    """Return whether the strip, a meta strip around it, or its channel is muted."""
    parent = strip.parent_meta()
    if strip.mute or (parent is not None and parent.mute):
        return True
    channels = scene.sequence_editor.channels if parent is None else parent.channels
    return bool(channels[strip.channel].mute)


def _speed(strip: Any, times: compat.StripTimes, path: str, packed: bytes | None, scene: bpy.types.Scene) -> float:
    """Return the strip's constant speed, computed from its two retiming keys; 1 without keys.

    The keys are where the content begins and ends on the timeline. Its length at normal speed cannot be read from the
    strip, only from a new strip of the same sound.
    """
    keys = [key.timeline_frame for key in strip.retiming_keys]
    if not keys:
        return 1.0
    if len(keys) != 2 or keys[1] <= keys[0]:
        raise AudioError(
            f"The strip '{strip.name}' changes its speed on the way ({len(keys)} retiming keys). "
            "Reset its retiming and set one speed for all of it, or render the sound to a file and bake that."
        )
    length = _natural_length(path, packed, scene) - times.trim_start - times.trim_end
    return compat.last_retiming_index(length) / (keys[1] - keys[0])


def _natural_length(path: str, packed: bytes | None, scene: bpy.types.Scene) -> int:
    """Return how many frames long a strip of this sound is without trims and retiming."""
    render = scene.render
    with tempfile.TemporaryDirectory(prefix="mouthpiece-") as folder:
        if packed is not None:
            path = str(Path(folder) / ("packed" + Path(path).suffix))
            Path(path).write_bytes(packed)
        with compat.scratch_scene(render.fps, render.fps_base) as scratch:
            strips = compat.strips_of(scratch.sequence_editor_create())
            return compat.strip_length(strips.new_sound("length", path, 1, 1))
