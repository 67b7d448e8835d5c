"""What the command ``portrait`` was asked for, read and checked before any work begins."""

from __future__ import annotations

import argparse
import hashlib
import os
from collections.abc import Generator as Yielding
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..audio import SoundFile
from ..cli import portrait as portrait_command
from ..cli.landmarks import sight
from ..cli.portrait import is_film
from ..errors import PictureError
from ..files import ASSETS
from ..models.registry import read_sidecar
from ..performance import Performance
from ..pipeline import FPS_LIMITS, Options, Progress, steps, survey
from ..provenance import facts as provenance
from ..provenance.credentials import Seal
from ..provenance.facts import Facts
from ..provenance.marks import marked
from ..provenance.sequences import Frames, Numbering, gaps
from .draw.flatness import LEFT_OUT, is_flat
from .draw.generator import Generator, load_generator, shipped_generator
from .draw.render import Renderer, RenderOptions, frame_count
from .find.placement import Placed, read_points
from .images import read_picture, read_still
from .portrait import Portrait, portrait_of

if TYPE_CHECKING:
    from ..cli.report import Reporter


#: The networks that find a face.
_FINDERS = ("face_detector_128", "face_landmarks_478")


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """A portrait to be made, everything checked that can be before the work begins."""

    options: argparse.Namespace
    portrait: Portrait
    generator: Generator | None
    facts: Facts
    seal: Seal
    remarks: tuple[str, ...]
    placed: Placed


def job_of(options: argparse.Namespace) -> Job:
    """Return what ``portrait`` was asked for, checked: consent, output, certificate, picture, face.

    Raises
    ------
    MouthpieceError
        If something of it cannot be had.
    """
    consent = portrait_command.consent_of(options)
    _check_output(options)
    seal = portrait_command.seal_of(options)
    if options.audio is not None:
        SoundFile(options.audio)
    still = read_still(options.image)
    placed, networks, remarks = _placed(still.width, still.height, options)
    portrait = portrait_of(still.pixels, placed)
    generator = generator_of(options.generator)
    if generator is not None and options.generator is None and is_flat(portrait):
        generator, remarks = None, (*remarks, f"{LEFT_OUT} Have it with --generator shipped.")
    if generator is not None:
        networks[generator.name or "portrait"] = generator.sha256
    facts = Facts(
        consent=consent,
        software=provenance.software(),
        created=provenance.now(),
        source_type=provenance.source_type_of(options.image),
        picture_sha256=provenance.file_sha256(options.image),
        networks={name: digest for name, digest in networks.items() if digest},
        options={"face_sha256": hash_of(placed.landmarks, placed.irises), "strength": options.strength},
        marked=options.mark,
    )
    return Job(options, portrait, generator, facts, seal, (*still.remarks, *remarks), placed)


def generator_of(asked: str | None) -> Generator | None:
    """Return the generator asked for by ``--generator``: a file's, none, or the shipped one, by name or by default.

    Raises
    ------
    ModelError
        If the file is no generator.
    """
    if asked is None or asked.lower() == "shipped":
        return shipped_generator()
    return None if asked.lower() == "none" else load_generator(Path(asked))


def refuse_inputs(options: argparse.Namespace, places: Iterable[Path]) -> None:
    """Refuse to write over what is read, ``--force`` or not.

    Raises
    ------
    PictureError
        If one of the places is the picture, the sound, or another file that is read.
    """
    names = ("image", "audio", "take", "landmarks", "style_from", "certificate", "private_key")
    read = {Path(path).resolve() for name in names if (path := getattr(options, name)) is not None}
    for place in places:
        if place.resolve() in read:
            raise PictureError(f"'{place}' is read for this portrait: it cannot be the output as well. Choose another.")


def _check_output(options: argparse.Namespace) -> None:
    output: Path = options.output
    refuse_inputs(options, [output])
    if not portrait_command.is_film(output):
        Numbering.of(output)
        return
    from .films import package

    package()
    if options.keep_frames is not None:
        Numbering.of(options.keep_frames)
    if output.is_dir():
        raise PictureError(f"'{output}' is a folder. Name a film in it.")
    if output.exists() and not options.force:
        raise PictureError(f"'{output}' exists. Choose another place, or replace it with --force.")
    if not output.absolute().parent.is_dir():
        raise PictureError(f"There is no folder '{output.absolute().parent}'. Make it, or choose another place.")


def _placed(width: int, height: int, options: argparse.Namespace) -> tuple[Placed, dict[str, str], tuple[str, ...]]:
    """Return the face that is to talk, the networks that found it, and remarks on it."""
    if options.landmarks is not None:
        return read_points(options.landmarks, width, height, options.face - 1), {}, ()
    sighting = sight(options.image, options)
    used = () if options.points or options.box or options.backend != "mediapipe" else _FINDERS
    digests = {name: read_sidecar(ASSETS / f"{name}.onnx.json").sha256 for name in used}
    return sighting.placed[0], digests, sighting.remarks


def hash_of(*arrays: NDArray[Any] | None) -> str:
    """Return the SHA-256 of arrays, as float32, one after the other."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(b"-" if array is None else np.ascontiguousarray(array, np.float32).tobytes())
    return digest.hexdigest()


Frame = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """What is rendered: a renderer, the motion, and the rate and number of frames."""

    renderer: Renderer
    take: Performance
    fps: Fraction
    count: int
    facts: Facts

    def frames(self, start: int = 0, stop: int | None = None) -> Yielding[Frame, None, None]:
        """Yield frames, marked if the record says so."""
        for frame in self.renderer.frames(self.take, float(self.fps), start, stop):
            yield marked(frame) if self.facts.marked else frame


def rendered(job: Job, teller: Reporter) -> tuple[dict[str, Any], str]:
    """Make the film or frames, telling how far it is; return the result for programs, and in words.

    Raises
    ------
    MouthpieceError
        If the sound or take cannot be used, or something cannot be written.
    """
    began = perf_counter()
    options, subject = job.options, str(job.options.image)
    take, warnings = _take(job, teller)
    warnings = [*job.remarks, *warnings]
    fps = options.fps or (Fraction(take.fps).limit_denominator(1001) if options.take else Fraction(25))
    asked = RenderOptions(options.strength, longest=options.size)
    teller.progress(subject, 0.0, "Preparing the picture")
    renderer = Renderer(job.portrait, job.generator, asked)
    seen = take.final()
    scene = Scene(renderer, seen, fps, frame_count(seen, float(fps)), job.facts)
    scene = replace(scene, facts=_completed(job, scene, take))
    for warning in warnings:
        teller.warning(subject, warning)
    made = _film(job, scene, teller) if is_film(options.output) else _sequence(job, scene, teller)
    wall = perf_counter() - began
    result = {
        "ok": True,
        "output": str(options.output),
        "frames": scene.count,
        **made,
        "size": list(renderer.size),
        "confidence": job.placed.confidence,
        "jitter": job.placed.jitter,
        "fps": str(fps),
        "seconds": round(scene.count / float(fps), 3),
        "generator": job.generator.name if job.generator else None,
        "signature": job.seal.signature,
        "consent": job.facts.consent.as_dict(),
        "wall_seconds": round(wall, 3),
        "warnings": warnings,
    }
    kept = f", {scene.count - made['rendered']} of them made before" if made["rendered"] < scene.count else ""
    text = (
        f"{options.output}  {scene.count} frames{kept}, {result['seconds']:.2f} s, in {wall:.1f} s; {_sealed(job.seal)}"
    )
    return result, text


def _sealed(seal: Seal) -> str:
    words = {
        provenance.SELF_SIGNED: "signed with a certificate made on this computer",
        provenance.CERTIFIED: "signed",
        provenance.UNSIGNED: "not signed",
    }
    return words[seal.signature]


def _take(job: Job, teller: Reporter) -> tuple[Performance, list[str]]:
    """Return the motion, its dials as asked for, and remarks."""
    from ..cli.animate import style_asked
    from ..cli.dial import dials_of
    from ..motion.dials import dialled

    options, warnings = job.options, []
    if options.take is not None:
        take = Performance.load(options.take)
        take = dialled(take, dials_of(options, take.dials))
        if options.audio is not None and survey(SoundFile(options.audio)).sha256 != take.audio_sha256:
            warnings.append(f"'{options.audio}' is not the sound '{options.take}' was made from: lips may not fit.")
        return take, warnings
    fps = float(options.fps or 25)
    asked = Options(min(max(fps, FPS_LIMITS[0]), FPS_LIMITS[1]), options.seed, style_asked(options))
    heard: Performance | None = None
    for item in steps(SoundFile(options.audio), asked, options.models):
        if isinstance(item, Progress):
            teller.progress(str(options.audio), item.fraction, item.message)
        elif isinstance(item, Performance):
            heard = item
        else:
            warnings.append(item.message)
    assert heard is not None
    return dialled(heard, dials_of(options)), warnings


def _completed(job: Job, scene: Scene, take: Performance) -> Facts:
    """Return the record with all that is known once the motion is."""
    facts = job.facts
    motion = scene.take
    more: Mapping[str, Any] = {
        "fps": str(scene.fps),
        "frames": scene.count,
        "size": "{} x {}".format(*scene.renderer.size),
        "motion_sha256": hash_of(motion.landmarks, motion.arkit, motion.head, motion.gaze, motion.blink),
        "take": provenance.of_take(take.options),
        "dials": dict(take.dials),
    }
    return replace(
        facts,
        sound_sha256=take.audio_sha256,
        networks={**take.models, **facts.networks},
        options={**facts.options, **more},
        signature=job.seal.signature,
    )


def _sequence(job: Job, scene: Scene, teller: Reporter) -> dict[str, Any]:
    """Write the frames that are not there yet."""
    frames, done = _begun(job, scene, job.options.output, teller)
    for index, _ in _missing(scene, frames, done):
        teller.progress(str(job.options.image), index / scene.count, "Rendering")
    return {"rendered": done.count(False)}


def _begun(job: Job, scene: Scene, place: Path, teller: Reporter) -> tuple[Frames, list[bool]]:
    """Return the frames that are to be at a place, and which of them an earlier run of the same left there."""
    frames = Frames(Numbering.of(place), scene.count, scene.facts, job.seal)
    refuse_inputs(job.options, (frames.numbering.path(index) for index in range(scene.count)))
    done = frames.done(job.options.force)
    frames.clear()
    if any(done):
        what = f"{sum(done)} of {scene.count} frames are in '{frames.numbering.folder}' already, made from the same"
        teller.warning(str(job.options.image), f"{what}: they are kept, the others are made.")
    return frames, done


def _missing(scene: Scene, frames: Frames, done: list[bool]) -> Iterator[tuple[int, Frame]]:
    """Make and write the frames that are not there yet, yielding each with its number."""
    for gap in gaps(done):
        with closing(scene.frames(gap.start, gap.stop)) as made:
            for index, frame in zip(gap, made, strict=True):
                frames.write(index, frame)
                yield index, frame


def _whole(scene: Scene, frames: Frames, done: list[bool]) -> Yielding[Frame, None, None]:
    """Yield every frame in order: read where it is there already, else made and written."""
    at = 0
    for index, frame in _missing(scene, frames, done):
        yield from (read_picture(frames.numbering.path(earlier)) for earlier in range(at, index))
        yield frame
        at = index + 1
    yield from (read_picture(frames.numbering.path(later)) for later in range(at, scene.count))


def _film(job: Job, scene: Scene, teller: Reporter) -> dict[str, Any]:
    """Write the film beside its place, vouch for it, and put it there."""
    from .films import FilmOptions, write_film

    options = job.options
    output: Path = options.output
    beside = output.with_name(f".{output.stem}.{os.getpid()}.part{output.suffix}")
    asked = FilmOptions(scene.fps, options.quality, options.background, provenance.NOTICE)
    sound = None if options.audio is None else SoundFile(options.audio)
    images = scene.frames()
    result: dict[str, Any] = {"rendered": scene.count}
    if options.keep_frames is not None:
        frames, done = _begun(job, scene, options.keep_frames, teller)
        images = _whole(scene, frames, done)
        result = {"rendered": done.count(False), "kept": str(options.keep_frames)}
    try:
        with closing(images), closing(write_film(beside, images, scene.renderer.size, asked, sound)) as written:
            for count in written:
                teller.progress(str(options.image), count / scene.count, "Rendering")
        job.seal.put(beside, scene.facts)
        beside.replace(output)
    except OSError as error:
        raise PictureError(f"'{output}' cannot be written: {error.strerror}. Choose another place.") from error
    finally:
        with suppress(OSError):
            beside.unlink()
    return result
