"""Decodes sounds a stretch at a time, as Blender reads them: what is not asked for is skipped, not decoded."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mouthpiece.errors import AudioError
from mouthpiece.files.drafts import draft_folder
from mouthpiece.sounds.mixdown import AUTOMATIC, MEAN, Mixdown, decided

from .. import compat

if TYPE_CHECKING:
    import numpy as np
    from mouthpiece.audio import Audio, SoundFile
    from mouthpiece.sounds.splice import ByteSpan
    from numpy.typing import NDArray

#: Numbers decoded at a time at most, of all channels together: a hundred megabytes.
_BLOCK: Final = 24_000_000
#: Seconds resampled at a time, and samples at most; a sound that is no longer is resampled in one go.
_PIECE, _SAMPLES = 200, 40_000_000
#: Seconds decoded before a stretch and dropped: decoders of MP3, AAC and Opus need a moment after a jump. (Measured: a
#: jump is exact in WAV, FLAC, MP3 and M4A, 7 ms late in Opus, and 21 ms early in OGG, as in Blender's own playback.)
_LEAD: Final = 1
#: What is heard of the channels of sounds in this session, by their content and the channel that was asked for.
_mixdowns: Final[dict[str, Mixdown]] = {}


class StreamedSound:
    """A sound file as a source for the core, decoded by Blender or, in builds without Audaspace, by the core.

    Any thread may read it: it uses no Blender data. ``content`` is what the core keeps its motion under for the
    session (see ``mouthpiece.audio.Source``): the SHA-256 of the file, and the channel if one was chosen.
    """

    def __init__(
        self, path: str | os.PathLike[str], label: str = "", content: str = "", channel: str = AUTOMATIC
    ) -> None:
        """Open the file briefly; raises AudioError if it is missing, damaged, not a sound, or lacks the ``channel``."""
        self.path = os.fspath(path)
        self.label = label or f"'{self.path}'"
        self.content = f"{content}:{channel}" if content and channel != AUTOMATIC else content
        self._channel, self._mixdown = channel, _mixdowns.get(self.content)
        self._file: SoundFile | None = None
        if not compat.has_aud():
            from mouthpiece.audio import SoundFile

            self._file = SoundFile(self.path, channel)
            self._file.label = self.label
            self.rate, self.channels = self._file.rate, 1
            return
        from mouthpiece.audio import check_rate
        from mouthpiece.sounds.headers import check_file

        if words := unspeakable(self.path):
            raise AudioError(f"Blender cannot open {self.label}: {words}.")
        check_file(Path(self.path))  # Blender would decode a truncated file without an error
        copies = ExitStack()
        weakref.finalize(self, copies.close)
        self._places = _copied(Path(self.path), self.label, copies)
        self.rate, self.channels = (int(spec) for spec in self._decoded(lambda sound: sound.specs))
        check_rate(self.rate, self.label)  # Blender crashes on rates that no sound has
        if channel != AUTOMATIC:
            self._mixdown = decided(self._blocks, self.rate, self.label, channel)

    @property
    def mixdown(self) -> Mixdown:
        """What is heard of the channels; the file is looked at the first time."""
        if self._file is not None:
            return self._file.mixdown
        if self._mixdown is None:
            known = Mixdown(1) if self.channels == 1 else decided(self._blocks, self.rate, self.label, self._channel)
            self._mixdown = known
            if self.content:
                _mixdowns[self.content] = known
        return self._mixdown

    def blocks(self, start: int = 0, stop: int | None = None) -> Iterator[NDArray[np.float32]]:
        """Yield mono samples at 16 kHz from the second ``start`` on, to the end or the second ``stop``."""
        from mouthpiece.audio import Audio
        from mouthpiece.features import RATE

        if self._file is not None:
            yield from self._file.blocks(start, stop)
            return
        length = max(1, min(_PIECE, _SAMPLES // self.rate))
        at = start
        while stop is None or at < stop:
            upto = at + length if stop is None else min(at + length, stop)
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

        parts = [self.mixdown.mono(block) for block in self._blocks(start, stop)]
        return np.concatenate([np.zeros(0, np.float32), *parts])

    def _blocks(self, start: int, stop: int | None) -> Iterator[NDArray[np.float32]]:
        """Yield the samples (N, channels) of seconds, in bounded memory."""
        if len(self._places) == 1:
            yield from self._stretches(0, start, stop)
            return
        skip, left = start * self.rate, None if stop is None else (stop - start) * self.rate
        for number in range(len(self._places)):
            if left == 0:
                return
            rate = int(self._decoded(lambda sound: sound.specs[0], number))
            if rate != self.rate:
                change = f"{rate:,} samples per second after {self.rate:,}"
                raise AudioError(f"{self.label} goes on with {change}. Export the sound again.")
            for block in self._stretches(number, 0, None):
                kept, skip = block[skip:][:left], max(0, skip - len(block))
                left = None if left is None else left - len(kept)
                if len(kept):
                    yield kept

    def _stretches(self, number: int, start: int, stop: int | None) -> Iterator[NDArray[np.float32]]:
        """Yield the samples (N, channels) of seconds of the file, or of a link of a chain."""
        step = max(1, min(_PIECE + 2, _BLOCK // (self.rate * self.channels)))
        at = start
        while stop is None or at < stop:
            upto = at + step if stop is None else min(at + step, stop)
            lead = min(_LEAD, at)
            data = self._decoded(lambda sound, a=at - lead, b=upto: sound.limit(a, b).data(), number)
            block = _with_channels(_full_scale(data), self.channels)[lead * self.rate :]
            if len(block):
                yield block
            if len(block) < (upto - at) * self.rate:
                return
            at = upto

    def _decoded(self, read: Any, number: int = 0) -> Any:
        """Return what ``read`` returns for Blender's own Sound of the file, or of a link of a chain."""
        import aud

        try:
            return read(aud.Sound.file(self._places[number]))
        except aud.error as error:
            raise AudioError(
                f"{self.label} is not a sound Blender can read ({error}). Export it as WAV, FLAC, OGG or MP3."
            ) from error


def unspeakable(path: str) -> str:
    """Return why Blender's decoder and sequencer cannot open a path; empty if they can."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return "its name, or that of a folder it is in, is not UTF-8. Rename that"
    return ""


def channel_count(path: str) -> int:
    """Return how many channels a sound file has by its header; 0 if that cannot be read."""
    from mouthpiece.files.references import reference_at

    if unspeakable(path) or reference_at(path):  # Blender would open what it names, and wait for a pipe
        return 0
    if not compat.has_aud():
        try:
            return StreamedSound(path, channel=MEAN).mixdown.count
        except AudioError:
            return 0
    import aud

    try:
        return int(aud.Sound.file(path).specs[1])
    except aud.error:
        return 0


@contextmanager
def opened(
    path: str, label: str, packed: bytes | None = None, content: str = "", channel: str = AUTOMATIC
) -> Iterator[StreamedSound]:
    """Provide a sound to read; the bytes of a ``packed`` one are in a temporary file meanwhile."""
    if packed is None:
        yield StreamedSound(path, label, content, channel)
        return
    with unpacked(packed, path, label) as place:
        yield StreamedSound(place, label, content, channel)


@contextmanager
def unpacked(packed: bytes, path: str, label: str) -> Iterator[Path]:
    """Lend the bytes of a packed sound as a file, in the system's folder for temporary files.

    Raises AudioError, with ``label`` for the sound, if it cannot be written: the disk is full, say.
    """
    with ExitStack() as lent:
        try:
            folder = lent.enter_context(draft_folder(Path(tempfile.gettempdir())))
            place = folder / ("packed" + Path(path).suffix)
            place.write_bytes(packed)
        except OSError as error:
            raise AudioError(
                f"{label} is packed into the scene and cannot be read: no temporary file can be written "
                f"({error.strerror or error}). Make room, or unpack it."
            ) from error
        yield place


def _copied(path: Path, label: str, lent: ExitStack) -> list[str]:
    """Return the files to be decoded one after the other instead of a sound: as a rule itself.

    Of a sound that would not be read to its end it is a copy with a true header; of several streams of Ogg, into which
    no jump leads, one copy each. They are removed when ``lent`` is closed. Raises AudioError if they cannot be made.
    """
    from mouthpiece.sounds import headers, ogg

    try:
        told, links = headers.extent(path), ogg.links(path)
        if told is not None and headers.is_mistaken(path, told) and not told.is_read_on:
            wanted = [told.mended()]
        elif len(links) > 1:
            wanted = [[link] for link in links]
        else:
            return [os.fspath(path)]
        folder = lent.enter_context(draft_folder(Path(tempfile.gettempdir())))
        places = [folder / str(number) for number in range(len(wanted))]
        for place, pieces in zip(places, wanted, strict=True):
            _copy(path, pieces, place)
    except OSError as error:
        lent.close()
        raise AudioError(
            f"{label} has to be copied to be read to its end, which failed ({error.strerror}). Export it again."
        ) from error
    return [str(place) for place in places]


def _copy(path: Path, pieces: list[bytes | ByteSpan], place: Path) -> None:
    """Write pieces of the file at ``path`` into a new file; raises OSError if reading or writing fails."""
    from mouthpiece.sounds.splice import Splice

    with Splice(path, pieces) as splice, open(place, "wb") as out:
        shutil.copyfileobj(splice, out, 1 << 20)
        if splice.fault is not None:
            raise splice.fault


def _with_channels(block: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """Return samples with that many channels: as they are, or their mean in each."""
    import numpy as np

    block = block.reshape(len(block), -1 if block.size else count)
    if block.shape[1] == count:
        return block
    return np.repeat(block.mean(axis=1, keepdims=True, dtype=np.float32), count, axis=1)


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
