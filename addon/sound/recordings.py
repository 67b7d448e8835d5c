"""Sounds from data-blocks and files: decodes them, and tells at which of the scene's frames they are heard."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy
from mouthpiece.errors import AudioError, RigError

from .. import compat
from . import contents

if TYPE_CHECKING:
    import numpy as np
    from mouthpiece.audio import Audio
    from mouthpiece.curves import FrameGrid
    from numpy.typing import NDArray

#: Seconds of sound used before and after what a trimmed strip plays: the networks need the context of words.
_MARGIN_SECONDS = 4


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

    def grid(self, seconds: float) -> FrameGrid:
        """Return the whole frames at which a sound of that length is heard; raises RigError if there are none."""
        from mouthpiece.curves import FrameGrid

        whole = FrameGrid.covering(seconds - self.offset, self.fps, self.origin, self.offset, self.speed)
        first = whole.first if self.left is None else max(whole.first, self.left)
        last = whole.last if self.right is None else min(whole.last, self.right - 1)
        if last < first:
            raise RigError("None of the sound is heard between the strip's handles. Drag the handles apart.")
        return FrameGrid(self.fps, self.origin, first, last, self.offset, self.speed)

    def heard(self, seconds: float) -> tuple[float, float]:
        """Return the first and the last second of the sound that are heard."""
        times = self.grid(seconds).times
        return float(times[0]), float(times[-1])


@dataclass(frozen=True, slots=True)
class Recording:
    """A sound chosen for baking: all that is needed to decode it without Blender's data.

    Baking a sound of the same ``identity`` again replaces its line. ``label`` is its name in messages, ``packed`` the
    bytes of a packed sound.
    """

    identity: str
    label: str
    path: str
    placement: Placement
    packed: bytes | None = None

    @property
    def content(self) -> str:
        """SHA-256 of the sound's bytes, by which pieces of one sound know each other; empty if there is no file.

        Any thread may ask; a long file takes a moment the first time.
        """
        return contents.of_file(self.path) if self.packed is None else contents.of_bytes(self.packed)


def true_fps(scene: bpy.types.Scene) -> float:
    """Return the scene's frames per second, ``fps_base`` included."""
    return scene.render.fps / scene.render.fps_base


def from_file(path: str, scene: bpy.types.Scene, start: float) -> Recording:
    """Return the sound file at ``path`` (``//`` allowed), starting at frame ``start``."""
    if not path.strip():
        raise AudioError("No sound file is chosen. Pick one under Sound.")
    full = full_path(path)
    if not Path(full).is_file():
        raise AudioError(f"There is no sound at '{full}'. Check the path.")
    return Recording(f"file:{full}", f"'{full}'", full, Placement(true_fps(scene), start))


def from_sound(sound: bpy.types.Sound | None, scene: bpy.types.Scene, start: float) -> Recording:
    """Return the Sound data-block, starting at frame ``start``."""
    if sound is None:
        raise AudioError("No sound is chosen. Pick one under Sound.")
    path, packed = content_of(sound)
    return Recording(f"sound:{sound.name_full}", f"'{sound.name}'", path, Placement(true_fps(scene), start), packed)


def decode(recording: Recording) -> Audio:
    """Return the samples, mono, at the file's own rate. Any thread may call this: it uses no Blender data."""
    with _file(recording) as path:
        return _decode_file(path, recording.label)


def channels(recording: Recording) -> tuple[NDArray[np.float32], int]:
    """Return the samples (N, channels) in -1..1 and their rate. Any thread may call this: it uses no Blender data."""
    import numpy as np

    with _file(recording) as path:
        if compat.has_aud():
            return _samples(path, recording.label)
        audio = _decode_file(path, recording.label)
    return np.asarray(audio.samples, np.float32)[:, None], audio.rate


@contextmanager
def _file(recording: Recording) -> Iterator[str]:
    """Provide a path at which a sound can be read; a packed one is in a temporary file there."""
    if recording.packed is None:
        yield recording.path
        return
    with tempfile.TemporaryDirectory(prefix="mouthpiece-") as folder:
        place = Path(folder) / ("packed" + Path(recording.path).suffix)
        place.write_bytes(recording.packed)
        yield str(place)


def cut(audio: Audio, placement: Placement) -> tuple[Audio, float]:
    """Return the part of the sound that the networks need, and the whole second at which it begins.

    The sound is cut only if a strip plays a small part of it: to a few seconds around that part.
    """
    from mouthpiece.audio import Audio

    low, high = placement.heard(audio.seconds)
    begin = max(0, int(low) - _MARGIN_SECONDS)
    end = int(high) + 1 + _MARGIN_SECONDS
    if begin == 0 and end >= audio.seconds:
        return audio, 0.0
    return Audio(audio.samples[begin * audio.rate : end * audio.rate], audio.rate, audio.label), float(begin)


def full_path(path: str, library: bpy.types.Library | None = None) -> str:
    """Return an absolute path without Blender's ``//`` and without ``..``; symbolic links are not resolved."""
    return os.path.abspath(bpy.path.abspath(path, library=library))  # noqa: PTH100  # resolve() follows links


def content_of(sound: bpy.types.Sound) -> tuple[str, bytes | None]:
    """Return a Sound's full path and, if it is packed, its bytes."""
    path = full_path(sound.filepath, sound.library)
    if sound.packed_file is not None:
        return path, bytes(sound.packed_file.data)
    if not Path(path).is_file():
        raise AudioError(f"The file of the sound '{sound.name}' is missing: '{path}'. Find it, or choose another.")
    return path, None


def _decode_file(path: str, label: str) -> Audio:
    """Return the samples of a file, mono, decoded by Blender or, in builds without Audaspace, by the core."""
    import numpy as np
    from mouthpiece import audio

    if not compat.has_aud():
        return audio.load(path)
    samples, rate = _samples(path, label)
    return audio.Audio(samples.mean(axis=1, dtype=np.float32), rate, label)


def _samples(path: str, label: str) -> tuple[NDArray[np.float32], int]:
    """Return the samples of a file (N, channels) as Blender decodes them, and their rate."""
    import aud
    from mouthpiece import audio

    audio.check_file(Path(path))  # Blender would decode a truncated file without an error
    try:
        source = aud.Sound.file(path)
        rate, samples = int(source.specs[0]), source.data()
    except aud.error as error:
        raise AudioError(
            f"{label} is not a sound Blender can read ({error}). Export it as WAV, FLAC, OGG or MP3."
        ) from error
    if not len(samples):
        raise AudioError(f"{label} is empty: it holds no samples. Export the sound again.")
    return _full_scale(samples).reshape(len(samples), -1), rate


def _full_scale(samples: Any) -> NDArray[np.float32]:
    """Return decoded samples in the scale that the core's decoder has.

    Audaspace divides 16-bit samples by 32767 (measured), other programs by 2**15; the same file shall give the same
    take in Blender and outside.
    """
    import numpy as np

    found: NDArray[np.float32] = np.asarray(samples, np.float32)
    steps = found * 32767.0
    whole = np.rint(steps)
    return whole / np.float32(32768.0) if np.abs(steps - whole).max(initial=0.0) < 0.01 else found


def open_file(path: str | os.PathLike[str]) -> Audio:
    """Return the sound file at ``path``, mono, decoded as for baking."""
    return _decode_file(os.fspath(path), f"'{path}'")
