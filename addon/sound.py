"""From a strip, a Sound data-block or a file to samples, and to the scene's frames at which they are heard."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy

from . import compat

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from mouthpiece.audio import Audio
    from mouthpiece.curves import FrameGrid

#: Seconds of sound listened to beyond what a trimmed strip lets through: the networks need to hear around words.
_MARGIN_SECONDS = 4


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a sound plays on a scene's frames.

    ``origin`` is the frame at which second ``offset`` of the sound plays, ``speed`` the seconds of sound that
    pass in a second of the scene; ``left`` and ``right`` are a strip's handles (``right`` is the first frame not heard).
    """

    fps: float
    origin: float
    offset: float = 0.0
    speed: float = 1.0
    left: int | None = None
    right: int | None = None

    def grid(self, seconds: float) -> FrameGrid:
        """Return the whole frames at which a sound of that length is heard."""
        from mouthpiece.curves import FrameGrid
        from mouthpiece.errors import RigError

        whole = FrameGrid.covering(seconds - self.offset, self.fps, self.origin, self.offset, self.speed)
        first = whole.first if self.left is None else max(whole.first, self.left)
        last = whole.last if self.right is None else min(whole.last, self.right - 1)
        if last < first:
            raise RigError("None of the sound is heard between the strip's handles. Drag the handles apart.")
        return FrameGrid(self.fps, self.origin, first, last, self.offset, self.speed)

    def heard(self, seconds: float) -> tuple[float, float]:
        """Return the first and last second of the sound that lie on the grid."""
        times = self.grid(seconds).times
        return float(times[0]), float(times[-1])


@dataclass(frozen=True, slots=True)
class Recording:
    """A sound chosen for baking: all that is needed to decode it, copied out of Blender.

    ``identity`` names the line for re-baking, ``label`` for messages; ``packed`` holds a packed sound's bytes.
    """

    identity: str
    label: str
    path: str
    placement: Placement
    packed: bytes | None = None


def true_fps(scene: bpy.types.Scene) -> float:
    """Return the scene's frames per second, ``fps_base`` included."""
    return scene.render.fps / scene.render.fps_base


def from_file(path: str, scene: bpy.types.Scene, start: float) -> Recording:
    """Return the sound file at ``path`` (``//`` allowed), starting at frame ``start``."""
    from mouthpiece.errors import AudioError

    if not path.strip():
        raise AudioError("No sound file is chosen. Pick one under Sound.")
    full = os.path.abspath(bpy.path.abspath(path))
    if not os.path.isfile(full):
        raise AudioError(f"There is no sound at '{full}'. Check the path.")
    return Recording(f"file:{full}", f"'{full}'", full, Placement(true_fps(scene), start))


def from_sound(sound: bpy.types.Sound | None, scene: bpy.types.Scene, start: float) -> Recording:
    """Return the Sound data-block, starting at frame ``start``."""
    from mouthpiece.errors import AudioError

    if sound is None:
        raise AudioError("No sound is chosen. Pick one under Sound.")
    path, packed = _content(sound)
    return Recording(f"sound:{sound.name_full}", f"'{sound.name}'", path, Placement(true_fps(scene), start), packed)


def from_strip(strip: Any, scene: bpy.types.Scene) -> Recording:
    """Return a sequencer strip's sound, placed as it is heard: start, trims, sound offset and speed honoured."""
    from mouthpiece.errors import AudioError

    if strip.type != "SOUND":
        raise AudioError(f"The strip '{strip.name}' is not a sound ({strip.type.title()}). Choose a sound strip.")
    if _is_muted(strip, scene):
        raise AudioError(f"The strip '{strip.name}' is muted. Unmute the strip and its channel, or choose another.")
    if strip.sound is None:
        raise AudioError(f"The strip '{strip.name}' has lost its sound. Choose another strip.")
    path, packed = _content(strip.sound)
    times = compat.strip_times(strip)
    fps = true_fps(scene)
    speed = _speed(strip, times, path, packed, scene)
    # What was cut off on loading is skipped like what lies under the handle, except that 4.5 does not retime it.
    origin, offset = times.left - times.hidden - times.trim_start + strip.sound_offset * fps, 0.0
    if speed != 1.0 and not compat.retimed_skip_is_scaled():
        origin, offset = origin + times.trim_start, times.trim_start / fps
    place = Placement(fps, origin, offset, speed, times.left, times.right)
    return Recording(f"strip:{scene.name}/{strip.name}", f"'{strip.name}'", path, place, packed)


def find_strip(scene: bpy.types.Scene, name: str = "") -> Any:
    """Return the strip called ``name``; without a name the active sound strip, or the only one.

    Raises AudioError if there is none, or too many to choose from.
    """
    from mouthpiece.errors import AudioError

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


def decode(recording: Recording) -> Audio:
    """Return the samples, mono, at the file's own rate. Touches no scene: any thread may call it."""
    if recording.packed is None:
        return _decode_file(recording.path, recording.label)
    with tempfile.TemporaryDirectory(prefix="mouthpiece-") as folder:
        place = Path(folder) / ("packed" + Path(recording.path).suffix)
        place.write_bytes(recording.packed)
        return _decode_file(str(place), recording.label)


def cut(audio: Audio, placement: Placement) -> tuple[Audio, float]:
    """Return the part of the sound worth listening to, whole seconds, and the second it begins at.

    Only a strip that shows a small part of a long sound is cut, a few seconds around its handles.
    """
    from mouthpiece.audio import Audio

    low, high = placement.heard(audio.seconds)
    begin = max(0, int(low) - _MARGIN_SECONDS)
    end = int(high) + 1 + _MARGIN_SECONDS
    if begin == 0 and end >= audio.seconds:
        return audio, 0.0
    return Audio(audio.samples[begin * audio.rate : end * audio.rate], audio.rate, audio.label), float(begin)


def _content(sound: bpy.types.Sound) -> tuple[str, bytes | None]:
    """Return a Sound's full path and, if it is packed, its bytes."""
    from mouthpiece.errors import AudioError

    path = os.path.abspath(bpy.path.abspath(sound.filepath, library=sound.library))
    if sound.packed_file is not None:
        return path, bytes(sound.packed_file.data)
    if not os.path.isfile(path):
        raise AudioError(f"The file of the sound '{sound.name}' is missing: '{path}'. Find it, or choose another.")
    return path, None


def _decode_file(path: str, label: str) -> Audio:
    import numpy as np
    from mouthpiece import audio
    from mouthpiece.errors import AudioError

    if not compat.has_aud():
        return audio.load(path)
    import aud

    audio._check_file(Path(path))  # Blender's decoder takes cut-off files for shorter ones
    try:
        source = aud.Sound.file(path)
        rate, samples = int(source.specs[0]), source.data()
    except aud.error as error:
        raise AudioError(
            f"{label} is not a sound Blender can read ({error}). Export it as WAV, FLAC, OGG or MP3."
        ) from error
    if not len(samples):
        raise AudioError(f"{label} is empty: it holds no samples. Export the sound again.")
    mono = _full_scale(samples).reshape(len(samples), -1).mean(axis=1, dtype=np.float32)
    return audio.Audio(mono, rate, label)


def _full_scale(samples: Any) -> NDArray[np.float32]:
    """Return decoded samples scaled as everywhere else.

    Audaspace divides 16-bit samples by 32767 (measured), others by 2**15; the same file is to give the same take.
    """
    import numpy as np

    found: NDArray[np.float32] = np.asarray(samples, np.float32)
    steps = found * 32767.0
    whole = np.rint(steps)
    return whole / np.float32(32768.0) if np.abs(steps - whole).max(initial=0.0) < 0.01 else found


def _is_muted(strip: Any, scene: bpy.types.Scene) -> bool:
    """Return whether the strip, a meta strip around it, or its channel is muted."""
    parent = strip.parent_meta()
    if strip.mute or (parent is not None and parent.mute):
        return True
    channels = scene.sequence_editor.channels if parent is None else parent.channels
    return bool(channels[strip.channel].mute)


def _speed(
    strip: Any, times: compat.StripTimes, path: str, packed: bytes | None, scene: bpy.types.Scene
) -> float:
    """Return the strip's constant playing speed, read off its two retiming keys.

    The keys tell where content begins and ends on the timeline; how long it is at normal speed only a fresh
    strip of the same sound tells.
    """
    from mouthpiece.errors import AudioError

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
    """Return the frames a strip of this sound has before any trim or retiming."""
    render = scene.render
    with tempfile.TemporaryDirectory(prefix="mouthpiece-") as folder:
        if packed is not None:
            path = str(Path(folder) / ("packed" + Path(path).suffix))
            Path(path).write_bytes(packed)
        with compat.scratch_scene(render.fps, render.fps_base) as scratch:
            strips = compat.strips_of(scratch.sequence_editor_create())
            return compat.strip_length(strips.new_sound("length", path, 1, 1))


def open_file(path: str | os.PathLike[str]) -> Audio:
    """Return the sound file at ``path``, mono, decoded as for baking."""
    return _decode_file(os.fspath(path), f"'{path}'")
