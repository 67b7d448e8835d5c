"""Decodes sounds a stretch at a time, as Blender reads them: what is not asked for is skipped, not decoded."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mouthpiece.errors import AudioError

from .. import compat

if TYPE_CHECKING:
    import numpy as np
    from mouthpiece.audio import Audio, SoundFile
    from numpy.typing import NDArray

#: Numbers decoded at a time at most, of all channels together: a hundred megabytes.
_BLOCK: Final = 24_000_000
#: Seconds resampled at a time; a sound that is no longer is resampled in one go.
_PIECE: Final = 200
#: Name of a copy of a sound, in a folder of its own.
_COPY: Final = "sound"
#: Seconds decoded before a stretch and dropped: decoders of MP3, AAC and Opus need a moment after a jump. (Measured: a
#: jump is exact in WAV, FLAC, MP3 and M4A, 7 ms late in Opus, and 21 ms early in OGG, as in Blender's own playback.)
_LEAD: Final = 1


class StreamedSound:
    """A sound file as a source for the core, decoded by Blender or, in builds without Audaspace, by the core.

    Any thread may read it: it uses no Blender data. ``content`` is what the core keeps its motion under for the
    session (see ``mouthpiece.audio.Source``).
    """

    def __init__(self, path: str | os.PathLike[str], label: str = "", content: str = "") -> None:
        """Open the file briefly; raises AudioError if it is missing, damaged, or not a sound."""
        self.path = os.fspath(path)
        self.label, self.content = label or f"'{self.path}'", content
        self._file: SoundFile | None = None
        if not compat.has_aud():
            from mouthpiece.audio import SoundFile

            self._file = SoundFile(self.path)
            self._file.label = self.label
            self.rate, self.channels = self._file.rate, 1
            return
        from mouthpiece.sounds.headers import check_file

        check_file(Path(self.path))  # Blender would decode a truncated file without an error
        self._mended, self._is_chain = _mended(Path(self.path), self.label), _is_chain(Path(self.path))
        self.rate, self.channels = (int(spec) for spec in self._decoded(lambda sound: sound.specs))

    def blocks(self, start: int = 0, stop: int | None = None) -> Iterator[NDArray[np.float32]]:
        """Yield mono samples at 16 kHz from the second ``start`` on, to the end or the second ``stop``."""
        from mouthpiece.audio import Audio
        from mouthpiece.features import RATE

        if self._file is not None:
            yield from self._file.blocks(start, stop)
            return
        at = start
        while stop is None or at < stop:
            upto = at + _PIECE if stop is None else min(at + _PIECE, stop)
            lead, tail = (0, 0) if at == start and upto == stop else (min(1, at - start), 1)
            mono = self._mono(at - lead, upto + tail)
            wanted = (upto - at) * RATE
            if len(mono) <= lead * self.rate:
                return
            first = lead * RATE
            for block in Audio(mono, self.rate, self.label).blocks():
                piece = block[first : first + wanted]
                first, wanted = max(0, first - len(block)), wanted - len(piece)
                if len(piece):
                    yield piece
            if len(mono) < (upto + tail - at + lead) * self.rate and wanted > 0:
                return
            at = upto

    def native(self, start: int, stop: int) -> NDArray[np.float32]:
        """Return the samples (N, channels) in -1..1 of seconds at the file's own rate; fewer where the sound ends."""
        import numpy as np

        if self._file is not None:
            parts = [np.zeros((0, 1), np.float32), *(part[:, None] for part in self._file.mono(start, stop))]
            return np.concatenate(parts)
        return np.concatenate([np.zeros((0, self.channels), np.float32), *self._blocks(start, stop)])

    def whole(self) -> Audio:
        """Return all samples, mono, at the file's own rate."""
        import numpy as np
        from mouthpiece.audio import Audio

        if self._file is not None:
            return Audio(np.concatenate(list(self._file.mono())), self.rate, self.label)
        return Audio(self._mono(0, None), self.rate, self.label, self.content)

    def _mono(self, start: int, stop: int | None) -> NDArray[np.float32]:
        import numpy as np

        parts = [block.mean(axis=1, dtype=np.float32) for block in self._blocks(start, stop)]
        return np.concatenate([np.zeros(0, np.float32), *parts])

    def _blocks(self, start: int, stop: int | None) -> Iterator[NDArray[np.float32]]:
        """Yield the samples (N, channels) of seconds, in bounded memory."""
        step = max(1, min(_PIECE + 2, _BLOCK // (self.rate * self.channels)))
        at = start
        while stop is None or at < stop:
            upto = at + step if stop is None else min(at + step, stop)
            lead = min(_LEAD, at)
            data = self._decoded(lambda sound, a=at - lead, b=upto: sound.limit(a, b).data())
            block = _full_scale(data).reshape(-1, self.channels)[lead * self.rate :]
            if len(block):
                yield block
            if len(block) < (upto - at) * self.rate:
                return
            at = upto

    def _decoded(self, read: Any) -> Any:
        """Return what ``read`` returns for Blender's own Sound of the file."""
        import aud

        try:
            place = self.path if self._mended is None else str(Path(self._mended.name) / _COPY)
            sound = aud.Sound.file(place)
            # what is joined to nothing is decoded from its beginning on: jumps into a chain lead nowhere
            return read(sound.join(sound.limit(0, 0)) if self._is_chain else sound)
        except aud.error as error:
            raise AudioError(
                f"{self.label} is not a sound Blender can read ({error}). Export it as WAV, FLAC, OGG or MP3."
            ) from error


@contextmanager
def opened(path: str, label: str, packed: bytes | None = None, content: str = "") -> Iterator[StreamedSound]:
    """Provide a sound to read; the bytes of a ``packed`` one are in a temporary file meanwhile."""
    if packed is None:
        yield StreamedSound(path, label, content)
        return
    with tempfile.TemporaryDirectory(prefix="mouthpiece-") as folder:
        place = Path(folder) / ("packed" + Path(path).suffix)
        place.write_bytes(packed)
        yield StreamedSound(place, label, content)


def _mended(path: Path, label: str) -> tempfile.TemporaryDirectory[str] | None:
    """Return a folder, removed with the object, with a copy of a sound that is read to its end; None if the sound itself is.

    Raises AudioError if the copy cannot be made.
    """
    from mouthpiece.sounds import headers
    from mouthpiece.sounds.splice import Splice

    try:
        told = headers.extent(path)
        if told is None or not headers.is_mistaken(path, told) or told.is_read_on:
            return None
        folder = tempfile.TemporaryDirectory(prefix="mouthpiece-", ignore_cleanup_errors=True)
        with Splice(path, told.mended()) as whole:
            whole.copy_to(Path(folder.name) / _COPY)
    except OSError as error:
        raise AudioError(
            f"{label} says that it ends before it does, and a copy that does not could not be made "
            f"({error.strerror}). Export it again."
        ) from error
    return folder


def _is_chain(path: Path) -> bool:
    """Return whether a file is several streams of Ogg one after the other."""
    from mouthpiece.sounds import ogg

    try:
        return len(ogg.links(path)) > 1
    except OSError:  # which its decoder will tell
        return False


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
