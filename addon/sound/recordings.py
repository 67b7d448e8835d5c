"""From a Sound data-block or a file to samples, and to the scene's frames at which they are heard."""

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

if TYPE_CHECKING:
    import numpy as np
    from mouthpiece.audio import Audio
    from mouthpiece.curves import FrameGrid
    from numpy.typing import NDArray

#: Seconds of sound listened to beyond what a trimmed strip lets through: the networks need to hear around words.
_MARGIN_SECONDS = 4


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a sound plays on a scene's frames.

    ``origin`` is the frame at which second ``offset`` of the sound plays, ``speed`` the seconds of sound that
    pass in a second of the scene; ``left`` and ``right`` are a strip's handles, the latter no longer heard.
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
    """Return the samples, mono, at the file's own rate. Touches no scene: any thread may call it."""
    with _file(recording) as path:
        return _decode_file(path, recording.label)


def channels(recording: Recording) -> tuple[NDArray[np.float32], int]:
    """Return the samples (N, channels) in -1..1 and their rate. Touches no scene: any thread may call it."""
    import numpy as np

    with _file(recording) as path:
        if compat.has_aud():
            return _samples(path, recording.label)
        audio = _decode_file(path, recording.label)
    return np.asarray(audio.samples, np.float32)[:, None], audio.rate


@contextmanager
def _file(recording: Recording) -> Iterator[str]:
    """Lend a path at which a sound can be read, packed or not."""
    if recording.packed is None:
        yield recording.path
        return
    with tempfile.TemporaryDirectory(prefix="mouthpiece-") as folder:
        place = Path(folder) / ("packed" + Path(recording.path).suffix)
        place.write_bytes(recording.packed)
        yield str(place)


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


def full_path(path: str, library: bpy.types.Library | None = None) -> str:
    """Return a path without Blender's ``//`` and the system's ``..``; links are left as they are."""
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
    import numpy as np
    from mouthpiece import audio

    if not compat.has_aud():
        return audio.load(path)
    samples, rate = _samples(path, label)
    return audio.Audio(samples.mean(axis=1, dtype=np.float32), rate, label)


def _samples(path: str, label: str) -> tuple[NDArray[np.float32], int]:
    """Return what Blender decodes of a file (N, channels), and its rate."""
    import aud
    from mouthpiece import audio

    audio.check_file(Path(path))  # Blender's decoder takes cut-off files for shorter ones
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
    """Return decoded samples scaled as everywhere else.

    Audaspace divides 16-bit samples by 32767 (measured), others by 2**15; the same file is to give the same take.
    """
    import numpy as np

    found: NDArray[np.float32] = np.asarray(samples, np.float32)
    steps = found * 32767.0
    whole = np.rint(steps)
    return whole / np.float32(32768.0) if np.abs(steps - whole).max(initial=0.0) < 0.01 else found


def open_file(path: str | os.PathLike[str]) -> Audio:
    """Return the sound file at ``path``, mono, decoded as for baking."""
    return _decode_file(os.fspath(path), f"'{path}'")
