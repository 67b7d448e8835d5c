"""A portrait job of the core run in Blender: the same for the panel's button, scripts and the command line.

What is rendered and where it goes is the core's; here a film gets the sound of the scene and Blender's own encoder.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from mouthpiece.errors import PictureError
from mouthpiece.phrases import counted

from ...sound import soundtrack
from . import film_encoder
from .film_encoder import Film

if TYPE_CHECKING:
    from mouthpiece.pipeline import Progress
    from mouthpiece.portrait.film_job import FilmToEncode, PortraitJob, PortraitMade

#: Seconds a worker waits for the main thread to begin with a film.
_PATIENCE: Final = 60.0


@dataclass(slots=True)
class Asked:
    """A film that only the main thread can encode: it must call :meth:`answer`."""

    film: Film
    _begun: threading.Event = field(default_factory=threading.Event)
    _done: threading.Event = field(default_factory=threading.Event)
    _error: Exception | None = None

    def answer(self) -> None:
        """Encode, and let the worker go on whatever comes of it."""
        self._begun.set()
        try:
            film_encoder.here(self.film)
        except Exception as error:  # raised again where the film is waited for
            self._error = error
        finally:
            self._done.set()

    def wait(self) -> None:
        """Wait for the film; raise what went wrong, also if nobody begins: the rendering was stopped just then."""
        if not self._begun.wait(_PATIENCE):
            raise PictureError(f"The film '{self.film.place}' was not encoded: the rendering was stopped.")
        self._done.wait()
        if self._error is not None:
            raise self._error


@dataclass(frozen=True, slots=True)
class Rendering:
    """What is rendered of a portrait of the scene, copied out of Blender: any thread may run it.

    Attributes
    ----------
    job : PortraitJob
        What is made, and where it goes.
    first : int
        Frame of the scene that is frame 0 of the job.
    fps, fps_base : int, float
        The scene's rate: ``fps / fps_base`` frames per second.
    sounds : tuple of TrackSound
        What is heard in a film.
    blender : str
        A Blender that can be started to encode the film; without one the main thread is asked.
    """

    job: PortraitJob
    first: int
    fps: int
    fps_base: float
    sounds: tuple[soundtrack.TrackSound, ...] = ()
    blender: str = ""

    @property
    def count(self) -> int:
        """Number of frames."""
        return self.job.motion.count

    @property
    def last(self) -> int:
        """Frame of the scene that is the job's last."""
        return self.first + self.count - 1

    @property
    def rate(self) -> float:
        """Frames per second."""
        return self.fps / self.fps_base

    def resuming(self) -> str:
        """Return what to say of frames that are kept when the work stops. Cheap: files are counted, not read."""
        numbering = self.job.output.frames
        kept = 0 if numbering is None else numbering.present(self.count)
        return f" {kept} of {counted(self.count, 'frame')} are kept: render again to go on from there."

    def steps(self) -> Generator[Progress | Asked | PortraitMade, None, None]:
        """Yield progress, films to be encoded, and last what was made; errors as for :meth:`PortraitJob.steps`."""
        from mouthpiece.portrait.film_job import FilmToEncode, FramesKept

        with closing(self.job.steps()) as work:
            for message in work:
                if isinstance(message, FilmToEncode):
                    yield from self._encoded(message)
                elif not isinstance(message, FramesKept):
                    yield message

    def _encoded(self, asked: FilmToEncode) -> Iterator[Any]:
        """Encode a film, in another Blender if there is one, and yield progress."""
        yield asked.progress(0.0, "Encoding the film")
        track = asked.place.with_name("sound.wav")
        if self.sounds:
            soundtrack.write(soundtrack.mixed(self.sounds, self.rate, self.first, asked.count), track)
        red, green, blue = (level / 255 for level in self.job.background)
        film = Film(
            tuple(map(str, asked.files)), str(track) if self.sounds else "", str(asked.place), *asked.size, self.fps,
            self.fps_base, (red, green, blue), self.job.quality, str(asked.film),
        )  # fmt: skip
        if film_encoder.is_blender(self.blender):
            for share in film_encoder.apart(film, self.blender):
                yield asked.progress(share, "Encoding the film")
        else:
            message = Asked(film)
            yield message
            message.wait()
