"""A portrait to be rendered, as a film or as frames: one frozen request, the same for the command line and Blender.

:meth:`PortraitJob.steps` does the work and says how far it is. It touches nothing but the files it is to write, so any
thread may run it. Films it hands over to be encoded (:class:`FilmToEncode`): Blender has an encoder of its own.
"""

from __future__ import annotations

import os
from collections.abc import Generator as Yielding
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..errors import PictureError
from ..files.drafts import draft_folder
from ..files.places import is_folder, refuse_inputs
from ..files.writer import move_whole, refuse_protected
from ..pipeline import Progress
from ..provenance import facts as provenance
from ..provenance import sketches
from ..provenance.credentials import Seal
from ..provenance.facts import Facts
from ..provenance.marks import marked
from ..provenance.sequences import Frames, InTheWay, Numbering, gaps
from .consent import Consent
from .draw.generator import Generator
from .draw.render import LONGEST, Renderer, RenderOptions, frame_size
from .find.placement import Placed
from .frame_motion import FrameMotion, LineFacts, hash_of
from .portrait import Portrait

Frame = NDArray[np.uint8]

#: Endings of films.
FILMS: Final = (".mp4", ".m4v", ".mov")
#: Shares of the work after which frames are looked at, rendered (where a film is made of them), and the film encoded.
_EXAMINED, _RENDERED, _ENCODED = 0.02, 0.9, 0.98


@dataclass(frozen=True, slots=True)
class FrameMade(Progress):
    """Progress: a frame more is there."""


@dataclass(frozen=True, slots=True)
class FramesKept:
    """Some frames are there already, made from just the same: ``kept`` of ``count``, in ``folder``."""

    kept: int
    count: int
    folder: Path


@dataclass(frozen=True, slots=True, eq=False)
class FilmToEncode:
    """A film that whoever runs the job must encode before going on.

    Attributes
    ----------
    place : Path
        Where it is to be written; it is signed and moved to its own place afterwards. Its folder is a temporary one.
    size : (int, int)
        Width and height of the frames in pixels.
    count : int
        Number of frames.
    files : tuple of Path
        PNG files of the frames, in order; empty if none are written.
    images : iterator of (H, W, 4) uint8
        The frames, in order: rendered as they are asked for, or read from ``files``, which needs Pillow.
    begun : float
        Share of the work that is done.
    film : Path
        Where the film is moved to afterwards, for messages.
    """

    place: Path
    size: tuple[int, int]
    count: int
    files: tuple[Path, ...]
    images: Iterator[Frame]
    begun: float
    film: Path

    def progress(self, share: float, message: str) -> Progress:
        """Return the progress of the whole work where ``share`` of the film is encoded."""
        return Progress(self.begun + (_ENCODED - self.begun) * share, message)


@dataclass(frozen=True, slots=True)
class PortraitMade:
    """The end: the film or folder, the frames that stay, how many had to be rendered, and their size in pixels."""

    path: Path
    files: tuple[Path, ...]
    rendered: int
    size: tuple[int, int]


@dataclass(frozen=True, slots=True, eq=False)
class PortraitPicture:
    """The picture that is to talk.

    Attributes
    ----------
    portrait : Portrait
        Its pixels, and the face in them.
    placed : Placed
        The face in pixels of the whole picture, with the digits that files of landmarks have.
    file : Path or None
        Its file; None if it has none, or is not as it is there.
    sha256 : str
        SHA-256 of the file; empty if there is none.
    source_type : str
        What a portrait made of it is, in IPTC's words.
    """

    portrait: Portrait
    placed: Placed
    file: Path | None = None
    sha256: str = ""
    source_type: str = provenance.COMPOSITE

    @classmethod
    def of_file(cls, portrait: Portrait, placed: Placed, file: Path) -> PortraitPicture:
        """Return a picture that is as it is in its file; PictureError if that cannot be read."""
        return cls(portrait, placed, file, provenance.file_sha256(file), provenance.source_type_of(file))

    def face_numbers(self) -> NDArray[np.float64]:
        """Return the face (N,): landmarks, depths and irises in distances of the eyes, and the logarithm of that."""
        marks = self.placed.landmarks
        unit = max(float(np.linalg.norm(marks[45, :2] - marks[36, :2])), 1e-6)
        depth = marks[:, 2] if marks.shape[1] == 3 else np.zeros(len(marks))
        irises = np.zeros((2, 3)) if self.placed.irises is None else self.placed.irises
        return np.concatenate([marks[:, :2].ravel() / unit, depth / unit, irises.ravel() / unit, [np.log(unit)]])


@dataclass(frozen=True, slots=True)
class PortraitOutput:
    """Where a portrait goes.

    Attributes
    ----------
    film : Path or None
        The film; None for frames alone.
    frames : Numbering or None
        The frames; None for a film whose frames are written nowhere else.
    keeps_frames : bool
        Whether the frames stay when the film is made of them.
    replaces : bool
        Whether a film, and pictures with a record of ours under the frames' names, may be replaced.
    remedy : str
        What to do about files in the way, for messages; ``{it}`` stands for them.
    """

    film: Path | None = None
    frames: Numbering | None = None
    keeps_frames: bool = True
    replaces: bool = False
    remedy: str = "replace {it}"

    def check(self, read: Iterable[Path], count: int = 0) -> None:
        """Refuse to write where something is that may not be replaced.

        Parameters
        ----------
        read
            Files that are read for the portrait: they are never written over, whatever may be replaced.
        count
            Number of frames; 0 if it is not known yet.

        Raises
        ------
        PictureError
            If the film is a folder, exists, or is write-protected.
        PlaceError
            If the film or a frame is one of the files that are read.
        """
        films = [] if self.film is None else [self.film]
        frames = [] if self.frames is None else [self.frames.path(index) for index in range(count)]
        refuse_inputs([*films, *frames], read)
        for film in films:
            if is_folder(film):
                raise PictureError(f"'{film}' is a folder. Name a film in it.")
            if os.path.lexists(film) and not self.replaces:
                raise InTheWay(f"'{film}' exists", self.remedy.format(it="it"))
            try:
                refuse_protected(film)
            except OSError as error:
                raise _unwritten(film, error) from error


@dataclass(frozen=True, slots=True, eq=False)
class PortraitJob:
    """All that decides what is made of a portrait.

    Attributes
    ----------
    picture : PortraitPicture
        The picture and its face.
    motion : FrameMotion
        What the face does on each frame.
    consent : Consent
        Why it may be made to talk.
    generator : Generator or None
        Network that repairs the warped face.
    seal : Seal
        How the output is vouched for.
    output : PortraitOutput
        Where it goes.
    longest : int or None
        Longest side of the frames in pixels; None is the picture's, up to 3,840.
    marked : bool
        Whether a mark one can see is drawn into the frames.
    background : (int, int, int)
        sRGB colour on which transparent frames stand in a film.
    quality : int
        Constant rate factor of a film, 1 best to 51.
    finders : mapping of str to str
        Networks that found the face, and their SHA-256, for the record.
    inputs : tuple of Path
        Files that are read besides the picture: they are never written over.
    recorded : Facts or None
        What is recorded of frames in place of :func:`facts_of`, and without sketches: those of version 0.4.0, where
        that began the frames (:mod:`.begun_before`).
    """

    picture: PortraitPicture
    motion: FrameMotion
    consent: Consent
    generator: Generator | None
    seal: Seal
    output: PortraitOutput
    longest: int | None = None
    marked: bool = False
    background: tuple[int, int, int] = (255, 255, 255)
    quality: int = 16
    finders: Mapping[str, str] = field(default_factory=dict)
    inputs: tuple[Path, ...] = ()
    recorded: Facts | None = None

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises
        ------
        PictureError
            If size or quality are out of range, or there is nowhere for the result to go.
        """
        if self.longest is not None and not 1 <= self.longest <= LONGEST:
            raise PictureError(f"Frames cannot be {self.longest} pixels long. Choose 1 to {LONGEST}.")
        if not 1 <= self.quality <= 51:
            raise PictureError(f"A film cannot have the quality {self.quality}. Choose 1, the best, to 51.")
        if self.output.film is None and self.output.frames is None:
            raise PictureError("Neither a film nor frames are asked for. Name a place for one of them.")

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the frames in pixels."""
        height, width = self.picture.portrait.picture.shape[:2]
        return frame_size(width, height, self.longest)

    def check(self) -> None:
        """Refuse to write where something is that may not be replaced; frames are looked at by :meth:`steps`.

        Raises
        ------
        PictureError, PlaceError
            As for :meth:`PortraitOutput.check`.
        """
        read = self.inputs if self.picture.file is None else (self.picture.file, *self.inputs)
        self.output.check(read, self.motion.count)

    def frames(self) -> Frames | None:
        """Return the frames to be written; None if only a film is."""
        if self.output.frames is None:
            return None
        seal = self.seal
        scratch = self.output.film is not None and not self.output.keeps_frames
        if scratch or (self.recorded is not None and self.recorded.signature == provenance.UNSIGNED):
            seal = replace(seal, identity=None)  # the film will be signed: that takes less time than every frame
        common = self.output.frames, self.motion.count
        if self.recorded is not None:
            return Frames(*common, self.recorded, seal, remedy=self.output.remedy)
        picture = sketches.of_picture(self.picture.portrait.picture)
        (face,) = sketches.of_numbers(self.picture.face_numbers()[None])
        poses = sketches.of_numbers(self.motion.poses())
        texts = tuple(sketches.joined(picture, face, pose) for pose in poses)
        return Frames(*common, facts_of(self), seal, texts, self.output.remedy)

    def objection(self) -> str:
        """Return what is in the way and would be replaced, after a glance; empty if nothing is seen.

        Raises
        ------
        PictureError
            If something is in the way that is never replaced.
        """
        if self.output.film is not None and os.path.lexists(self.output.film):
            return f"'{self.output.film}' exists"
        frames = self.frames()
        return frames.objection() if frames is not None else ""

    def steps(self) -> Yielding[Progress | FramesKept | FilmToEncode | PortraitMade, None, None]:
        """Yield progress, a film to be encoded, if there is one, and last what was made.

        Closing it stops the work; frames that are written stay, and the same job goes on from them.

        Raises
        ------
        InTheWay
            If other files are where the result is to go, and may not be replaced.
        MouthpieceError
            If something cannot be rendered, written or signed.
        """
        self.check()
        yield Progress(0.0, "Preparing the picture")
        frames, files = self.frames(), tuple[Path, ...]()
        self._try_seals(frames)
        rendered = self.motion.count
        if frames is not None:
            rendered = yield from self._written(frames)
            files = tuple(frames.numbering.path(index) for index in range(frames.count))
        if self.output.film is None:
            assert frames is not None
            yield PortraitMade(frames.numbering.folder, files, rendered, self.size)
            return
        yield from self._film(self.output.film, files)
        if frames is not None and not self.output.keeps_frames:
            frames.remove()
            files = ()
        yield PortraitMade(self.output.film, files, rendered, self.size)

    def _try_seals(self, frames: Frames | None) -> None:
        """Refuse before anything is rendered what could not be recorded or signed."""
        if self.output.film is not None:
            self.seal.try_out(facts_of(self))
        if frames is not None:
            frames.seal.try_out(frames.record(0))

    def _written(self, frames: Frames) -> Yielding[Any, None, int]:
        """Write the frames that are not there yet; return how many those were."""
        looks = frames.examined(self.output.replaces)
        while True:
            try:
                yield Progress(_EXAMINED * next(looks), "Looking at frames that are there")
            except StopIteration as end:
                done: list[bool] = end.value
                break
        frames.begin(self.output.replaces)
        made = kept = sum(done)
        if kept:
            yield FramesKept(kept, frames.count, frames.numbering.folder)
        share = 1.0 if self.output.film is None else _RENDERED
        renderer = None if all(done) else self._renderer()
        for gap in gaps(done):
            assert renderer is not None
            with closing(self._images(renderer, gap.start, gap.stop)) as images:
                for index, image in zip(gap, images, strict=True):
                    _write(frames, index, image, made, self.output.replaces)
                    made += 1
                    yield FrameMade(share * made / frames.count, f"Frame {made} of {frames.count}")
        frames.finish()
        return frames.count - kept

    def _renderer(self) -> Renderer:
        options = RenderOptions(self.motion.face_strength, longest=self.longest)
        return Renderer(self.picture.portrait, self.generator, options)

    def _images(self, renderer: Renderer, start: int = 0, stop: int | None = None) -> Yielding[Frame, None, None]:
        """Yield frames, with the mark if it is wanted."""
        for image in renderer.frames(self.motion.performance, float(self.motion.fps), start, stop):
            yield marked(image) if self.marked else image

    def _film(self, film: Path, files: tuple[Path, ...]) -> Iterator[Progress | FilmToEncode]:
        """Have the film encoded beside its place, vouch for it, and put it there."""
        with ExitStack() as lent:
            try:
                film.parent.mkdir(parents=True, exist_ok=True)
                refuse_protected(film)
                folder = lent.enter_context(draft_folder(Path(os.path.realpath(film)).parent))
            except OSError as error:
                raise _unwritten(film, error) from error
            images = lent.enter_context(closing(_read(files) if files else self._images(self._renderer())))
            beside = folder / film.name
            begun = _RENDERED if files else 0.0
            yield FilmToEncode(beside, self.size, self.motion.count, files, images, begun, film)
            yield Progress(_ENCODED, "Signing the film")
            if not beside.is_file():
                raise PictureError(f"The film '{film}' was not encoded: the rendering was stopped.")
            self.seal.put(beside, facts_of(self), film)
            _put(beside, film, self.output.replaces)


def _unwritten(film: Path, error: OSError) -> PictureError:
    return PictureError(f"'{film}' cannot be written: {error.strerror or error}. Choose another place.")


def facts_of(job: PortraitJob) -> Facts:
    """Return what is recorded of what a job makes."""
    motion, take = job.motion, job.motion.performance
    networks = {**take.models, **job.finders}
    if job.generator is not None:
        networks[job.generator.name or "portrait"] = job.generator.sha256
    options: dict[str, Any] = {
        "face_sha256": hash_of(job.picture.placed.landmarks, job.picture.placed.irises),
        "fps": str(motion.fps),
        "frames": motion.count,
        "size": "{} x {}".format(*job.size),
        "picture_size": "{1} x {0}".format(*job.picture.portrait.picture.shape),  # as it was read
        "motion_sha256": motion.sha256(),
    }
    if len(motion.lines) == 1:
        options |= _of_line(motion.lines[0])
    else:
        options["lines"] = [{"sound_sha256": line.sound_sha256, **_of_line(line)} for line in motion.lines]
    if not job.picture.sha256:
        options["pixels_sha256"] = provenance.bytes_sha256(np.ascontiguousarray(job.picture.portrait.picture))
    return Facts(
        consent=job.consent,
        software=provenance.software(),
        created=provenance.now(),
        source_type=job.picture.source_type,
        picture_sha256=job.picture.sha256,
        sound_sha256=motion.lines[0].sound_sha256 if len(motion.lines) == 1 else "",
        networks={name: digest for name, digest in networks.items() if digest},
        options=options,
        marked=job.marked,
        signature=job.seal.signature,
    )


def _of_line(line: LineFacts) -> dict[str, Any]:
    return {"take": provenance.of_take(line.take), "dials": dict(line.dials), "strength": line.strength}


def _write(frames: Frames, index: int, image: Frame, made: int, force: bool) -> None:
    """Write a frame; an error says how many are kept."""
    try:
        frames.write(index, image, force)
    except PictureError as error:
        kept = f"{made} of {frames.count} frames are kept: render again to go on from there, or choose another place."
        raise PictureError(f"{error} {kept}") from error


def _put(beside: Path, film: Path, replaces: bool) -> None:
    """Move a film to its place; under another name if something has come there meanwhile, which an error says."""
    place, number = film, 1
    while not replaces and os.path.lexists(place):
        number += 1
        place = film.with_stem(f"{film.stem}-{number}")
    try:
        move_whole(beside, place)
    except OSError as error:
        raise _unwritten(film, error) from error
    if place != film:
        raise PictureError(f"'{film}' came there while the film was rendered, and stays. The film is '{place}'.")


def _read(files: Iterable[Path]) -> Yielding[Frame, None, None]:
    from .images import read_picture  # which needs a package that Blender does not have

    for file in files:
        yield read_picture(file)


def is_film(output: Path) -> bool:
    """Tell whether an output is a film, by its ending."""
    return output.suffix.lower() in FILMS
