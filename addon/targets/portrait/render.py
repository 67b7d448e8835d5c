"""A portrait rendered from beginning to end: the same for the panel's button, scripts and the command line.

``Rendering`` is a snapshot of everything asked for. ``steps`` may run in any thread and touches no scene; frames are
written as they come, so that what is stopped goes on where it was.
"""

from __future__ import annotations

import hashlib
import tempfile
import threading
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ...sound import soundtrack
from . import film_encoder, render_setup
from .film_encoder import Film
from .frames import FrameFolder

if TYPE_CHECKING:
    from mouthpiece.performance import Performance
    from mouthpiece.pipeline import Progress, Warned
    from mouthpiece.portrait.draw.generator import Generator as Network
    from mouthpiece.portrait.portrait import Portrait

#: Share of the work that frames are, where a film is made of them.
_FRAMES: Final = 0.9
#: Seconds a worker waits for the main thread to begin with a film.
_PATIENCE: Final = 60.0


@dataclass(frozen=True, slots=True)
class Rendered:
    """The end of :meth:`Rendering.steps`: what was made, and how many of its frames were there before."""

    path: Path
    frames: tuple[Path, ...]
    resumed: int
    size: tuple[int, int]


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
        from mouthpiece.errors import PictureError

        if not self._begun.wait(_PATIENCE):
            raise PictureError(f"The film '{self.film.path}' was not encoded: the rendering was stopped.")
        self._done.wait()
        if self._error is not None:
            raise self._error


@dataclass(frozen=True, slots=True)
class Rendering:
    """What to render: a portrait that plays a performance, frame 0 of which is the scene's frame ``first``.

    ``fps`` and ``fps_base`` are the scene's rate; ``folder`` gets the frames, ``film``, if there is one, the film;
    ``longest`` is the frames' longer side in pixels; ``facts`` what is recorded. ``blender`` is a Blender that can be
    started to encode the film; without one the main thread is asked. ``background`` (sRGB, 0..1) is what see-through
    pictures stand on in films.
    """

    portrait: Portrait
    performance: Performance
    generator: Network | None
    longest: int
    first: int
    fps: int
    fps_base: float
    folder: FrameFolder
    film: Path | None
    sounds: tuple[soundtrack.Heard, ...]
    sealing: render_setup.Sealing
    blender: str = ""
    keep_frames: bool = True
    replace: bool = False
    background: tuple[float, float, float] = (1.0, 1.0, 1.0)
    quality: int = 16

    @property
    def rate(self) -> float:
        """Frames per second."""
        return self.fps / self.fps_base

    def refusal(self) -> str:
        """Return what is in the way and would be replaced; empty if nothing is."""
        if self.film is not None and self.film.exists():
            return f"'{self.film}' exists"
        return self.folder.refusal()

    def steps(self) -> Iterator[Progress | Warned | Asked | Rendered]:
        """Yield progress and warnings, films to be encoded, and last what was made.

        Raises PictureError, with the frames rendered so far kept, if something is in the way or cannot be written.
        """
        from mouthpiece.errors import PictureError

        refused = self.refusal()
        if refused and not self.replace:
            raise PictureError(f"{refused}. Choose another place, or replace what is there.")
        resumed = self.folder.done()
        self.folder.begin(self.replace)
        size = yield from self._frames(resumed)
        places = tuple(self.folder.place(index) for index in range(self.folder.count))
        if self.film is None:
            yield Rendered(self.folder.path, places, resumed, size)
            return
        yield from self._encoded(self.film, places, size)
        if not self.keep_frames:
            self.folder.clear()
        yield Rendered(self.film, places if self.keep_frames else (), resumed, size)

    def _frames(self, done: int) -> Generator[Any, None, tuple[int, int]]:
        """Render and write the frames that are not there, yielding progress; return their size."""
        from mouthpiece.pipeline import Progress
        from mouthpiece.portrait.draw.render import Renderer, RenderOptions

        share = 1.0 if self.film is None else _FRAMES
        yield Progress(0.0, "Preparing the picture")
        renderer = Renderer(self.portrait, self.generator, RenderOptions(longest=self.longest))
        for begin, end in list(self.folder.missing()):
            frames = renderer.frames(self.performance, self.rate, begin, end)
            for index, frame in enumerate(frames, begin):
                self.folder.write(index, self.sealing.frame_bytes(frame, index, self.film is not None))
                done += 1
                yield Progress(share * done / self.folder.count, f"Frame {done} of {self.folder.count}")
        return int(renderer.size[0]), int(renderer.size[1])

    def _encoded(self, path: Path, places: tuple[Path, ...], size: tuple[int, int]) -> Iterator[Any]:
        """Encode the film beside its place and put it there when it is whole and sealed."""
        from mouthpiece.errors import PictureError
        from mouthpiece.pipeline import Progress

        yield Progress(_FRAMES, "Encoding the film")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            scratch = tempfile.TemporaryDirectory(prefix=".mouthpiece-", dir=path.parent)
        except OSError as error:
            raise PictureError(f"The film cannot be written to '{path}': {error.strerror}.") from error
        with scratch as folder:
            track = Path(folder) / "sound.wav"
            if self.sounds:
                samples = soundtrack.mixed(self.sounds, self.rate, self.first, len(places))
                soundtrack.write(samples, track)
            beside = Path(folder) / path.name
            film = Film(
                tuple(map(str, places)), str(track) if self.sounds else "", str(beside), *size, self.fps, self.fps_base,
                self.background, self.quality,
            )  # fmt: skip
            if film_encoder.is_blender(self.blender):
                for share in film_encoder.apart(film, self.blender):
                    yield Progress(_FRAMES + (0.98 - _FRAMES) * share, "Encoding the film")
            else:
                asked = Asked(film)
                yield asked
                asked.wait()
            yield Progress(0.98, "Signing the film")
            self.sealing.film(beside)
            try:
                beside.replace(path)
            except OSError as error:
                raise PictureError(f"The film cannot be written to '{path}': {error.strerror}.") from error


def fingerprint(portrait: Portrait, performance: Performance, *more: object) -> str:
    """Return what frames are made of, as a hash: the same again means the same frames."""
    digest = hashlib.sha256()
    face = portrait.face
    arrays = (portrait.picture, face.landmarks, face.irises)
    moving = ("landmarks", "neutral", "arkit", "head", "gaze", "blink")
    for array in (*arrays, *(getattr(performance, name) for name in moving)):
        digest.update(str((array.shape, array.dtype)).encode())
        digest.update(array.tobytes())
    digest.update(repr((performance.fps, more)).encode())
    return digest.hexdigest()
