"""Sound strips of the sequencer: finds the one that is meant, and where it is heard with its trims and its speed."""

from __future__ import annotations

import math
from contextlib import ExitStack
from typing import Any

import bpy
from mouthpiece.errors import AudioError
from mouthpiece.files.references import reference_at

from .. import compat
from . import contents, decoder
from .recordings import Placement, Recording, content_of, pace, true_fps

#: How many levels of strips have a volume that is heard, measured in Blender's mixdown: a sound and its own meta strip
#: (5.2), not the meta strips around that.
_LOUD = 2
#: Lengths of strips in frames, by content of their sound and frame rate.
_lengths: dict[tuple[str, int, float], int] = {}


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


def from_strip(strip: Any, scene: bpy.types.Scene, shown_in: bpy.types.Scene | None = None) -> Recording:
    """Return a strip's sound, placed as it is heard, with the strip's start, trims, sound offset and speed.

    What is around it counts as well: meta strips, their handles and channels, volumes, and the time remapping of the
    scene whose frames get keys (``shown_in``, or ``scene`` itself). Raises AudioError if it cannot be heard, or changes
    its speed.
    """
    if strip.type != "SOUND":
        raise AudioError(f"The strip '{strip.name}' is not a sound ({strip.type.title()}). Choose a sound strip.")
    around = [strip, *metas_of(strip)]
    if words := unheard(strip, scene):
        raise AudioError(words)
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
    edges = [compat.strip_times(one) for one in around]
    left, right = max(edge.left for edge in edges), min(edge.right for edge in edges)
    if right <= left:
        raise AudioError(
            f"Nothing of the strip '{strip.name}' is heard: the meta strip '{around[1].name}' is cut before or after "
            "it. Drag its handles apart."
        )
    place = Placement(fps, origin, offset, speed, left, right).remapped(pace(shown_in or scene))
    volume = math.prod(_volume(one, scene) for one in around[:_LOUD])
    return Recording(f"strip:{scene.name}/{strip.name}", f"'{strip.name}'", path, place, packed, volume)


def new_strip(strips: Any, name: str, path: str, channel: int, frame: int) -> Any:
    """Add a strip of a sound file to a sequencer's strips and return it.

    Raises AudioError if Blender cannot play the file, or would open others that it names.
    """
    if words := reference_at(bpy.path.abspath(path)):  # Blender would open what it names
        raise AudioError(f"'{path}' {words}, not a sound. Choose the sound itself.")
    if words := decoder.unspeakable(path):
        raise AudioError(f"The sequencer cannot play '{path}': {words}.")
    try:
        return strips.new_sound(name, path, channel, frame)
    except RuntimeError as error:  # some builds of Blender cannot play sounds
        raise AudioError(f"The sequencer cannot play '{path}': {error}") from error


def metas_of(strip: Any) -> list[Any]:
    """Return the meta strips that a strip is in, the innermost first."""
    found = []
    while (strip := strip.parent_meta()) is not None:
        found.append(strip)
    return found


def unheard(strip: Any, scene: bpy.types.Scene) -> str:
    """Return why nothing is heard of a strip and what to do: it, or a meta strip around it, is muted or silent.

    Empty if it is heard. Cheap enough for panels.
    """
    around = [strip, *metas_of(strip)]
    for one in around:
        parent = one.parent_meta()
        what = f"The strip '{strip.name}'" if one == strip else f"The meta strip '{one.name}' around '{strip.name}'"
        if one.mute:
            return f"{what} is muted. Unmute it, or choose another strip."
        channel = (scene.sequence_editor if parent is None else parent).channels[one.channel]
        if channel.mute:
            return f"{what} is on the muted channel '{channel.name}'. Unmute the channel, or choose another strip."
        if one in around[:_LOUD] and _volume(one, scene) <= 0:
            return f"{what} is silent: its volume is 0. Turn it up, or choose another strip."
    return ""


def _volume(strip: Any, scene: bpy.types.Scene) -> float:
    """Return the volume of a strip, the greatest if it is animated; 1 if it has none, as meta strips in 4.5."""
    if not hasattr(strip, "volume"):
        return 1.0
    path = strip.path_from_id("volume")
    curve = next((curve for curve in compat.fcurves_of(scene) if curve.data_path == path and not curve.mute), None)
    if curve is None:
        return float(strip.volume)
    times = compat.strip_times(strip)
    return max(float(curve.evaluate(frame)) for frame in range(times.left, max(times.right, times.left + 1)))


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
            "Reset its retiming and set one speed for all of it, or render the sound to a file and animate that."
        )
    length = _natural_length(path, packed, scene) - times.trim_start - times.trim_end
    return compat.last_retiming_index(length) / (keys[1] - keys[0])


def _natural_length(path: str, packed: bytes | None, scene: bpy.types.Scene) -> int:
    """Return how many frames long a strip of this sound is without trims and retiming; each sound is asked once."""
    render = scene.render
    content = contents.of_file(path) if packed is None else contents.of_bytes(packed)
    key = (content, render.fps, render.fps_base)
    if key not in _lengths:
        with ExitStack() as lent:
            if packed is not None:
                path = str(lent.enter_context(decoder.unpacked(packed, path, path)))
            with compat.scratch_scene(render.fps, render.fps_base) as scratch:
                strips = compat.strips_of(scratch.sequence_editor_create())
                _lengths[key] = compat.strip_length(new_strip(strips, "length", path, 1, 1))
    return _lengths[key]
