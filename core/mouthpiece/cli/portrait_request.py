"""The options of ``portrait`` into a portrait to be rendered, and that rendered, its film encoded with PyAV."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from time import perf_counter
from typing import Any, Final

from ..audio import SoundFile
from ..errors import AudioError, PictureError
from ..files.places import is_folder, refuse_inputs
from ..motion.dials import dialled
from ..performance import Performance
from ..phrases import counted
from ..pipeline import Options, Progress, steps, survey
from ..portrait import begun_before
from ..portrait.consent import Consent
from ..portrait.draw.flatness import LEFT_OUT, is_flat
from ..portrait.draw.generator import Generator, named_generator
from ..portrait.film_job import (
    FilmToEncode,
    FrameMade,
    FramesKept,
    PortraitJob,
    PortraitMade,
    PortraitOutput,
    PortraitPicture,
    is_film,
)
from ..portrait.films import FilmOptions, package, write_film
from ..portrait.find.placement import Placed, read_points
from ..portrait.find.search import LOOKED_AT, sight_in
from ..portrait.frame_motion import rate_of, spoken
from ..portrait.images import WHOLE, Still, read_still
from ..portrait.portrait import portrait_of
from ..provenance import certificates, credentials
from ..provenance import facts as provenance
from ..provenance.certificates import Identity
from ..provenance.credentials import Seal
from ..provenance.sequences import Numbering
from ..sounds.mixdown import AUTOMATIC, choice
from .animate import actor_asked, channel_asked, style_asked
from .dial import dials_of
from .landmarks import face_request
from .report import Reporter, shown

#: How a result is vouched for, in words.
_SEALED: Final = {
    provenance.SELF_SIGNED: "signed with a certificate made on this computer",
    provenance.CERTIFIED: "signed",
    provenance.UNSIGNED: "not signed",
}


@dataclass(frozen=True, slots=True, eq=False)
class PortraitSubject:
    """The picture of a portrait, before it is known what the face does.

    ``placed`` is its face with all digits, ``finders`` the networks that found it, and their SHA-256.
    """

    picture: PortraitPicture
    placed: Placed
    generator: Generator | None
    finders: Mapping[str, str]
    remarks: tuple[str, ...]


def made(options: argparse.Namespace, read: Sequence[Path], teller: Reporter) -> tuple[dict[str, Any], str]:
    """Make the film or frames, telling how far it is; return the result for programs, and in words.

    ``read`` are the files that the options name to be read, the picture first: they are never written over.

    Raises
    ------
    MouthpieceError
        If something that was asked for cannot be had, or something cannot be written.
    """
    began = perf_counter()
    consent = Consent.of(options.consent, options.consent_by)
    output = _output_of(options, read)
    seal = seal_of(options)
    if options.audio is not None:
        SoundFile(options.audio, channel_asked(options))
    subject = subject_of(options, output)
    take, warnings = _take(options, output, teller)
    job = replace(_job(options, consent, output, seal, subject, take), inputs=tuple(read[1:]))
    warnings = [*subject.remarks, *warnings]
    for warning in warnings:
        teller.warning(str(options.image), warning)
    done = _rendered(job, options, teller)
    wall, count, rate = perf_counter() - began, job.motion.count, job.motion.fps
    result = {
        "ok": True,
        "output": str(options.output),
        "frames": count,
        "rendered": done.rendered,
        **({} if options.keep_frames is None else {"kept": str(options.keep_frames)}),
        "size": list(done.size),
        "confidence": subject.placed.confidence,
        "jitter": subject.placed.jitter,
        "fps": str(rate),
        "seconds": round(count / float(rate), 3),
        "generator": job.generator.name if job.generator else None,
        "signature": seal.signature,
        "consent": consent.as_dict(),
        "wall_seconds": round(wall, 3),
        "warnings": warnings,
    }
    kept = f", {count - done.rendered} of them made before" if done.rendered < count else ""
    seconds, sealed = result["seconds"], _SEALED[seal.signature]
    frames = f"{counted(count, 'frame')}{kept}, {seconds:.2f} s, in {wall:.1f} s"
    return result, f"{shown(options.output)}  {frames}; {sealed}"


def _output_of(options: argparse.Namespace, read: Sequence[Path]) -> PortraitOutput:
    """Return where the result goes, checked as far as that can be before any work."""
    refuse_inputs([options.output], read)
    film = options.output if is_film(options.output) else None
    place = options.keep_frames if film is not None else options.output
    numbering = None if place is None else Numbering.of(place)
    output = PortraitOutput(film, numbering, replaces=options.force, remedy="replace {it} with --force")
    if film is not None:
        package()
        if not is_folder(film.absolute().parent):
            raise PictureError(f"There is no folder '{film.absolute().parent}'. Make it, or choose another place.")
    output.check(read)
    return output


def identity_of(options: argparse.Namespace) -> Identity | None:
    """Return what is signed with: the user's certificate, one made on this computer, or None if that was chosen.

    Raises
    ------
    PictureError
        If it cannot be used, or the package that signs is missing.
    """
    if options.no_credentials:
        return None
    credentials.library()
    if options.certificate is not None:
        return certificates.read_identity(options.certificate, options.private_key)
    return certificates.own_identity()


def seal_of(options: argparse.Namespace) -> Seal:
    """Return how the output is vouched for; errors as for :func:`identity_of`."""
    return Seal(identity_of(options), options.image, options.time_stamp)


def subject_of(options: argparse.Namespace, output: PortraitOutput | None = None) -> PortraitSubject:
    """Return the picture, the face in it that is to talk, and the network that repairs it.

    The face is looked for as 0.4.0 did, if that began the frames of ``output``.

    Raises
    ------
    MouthpieceError
        If one of them cannot be had.
    """
    is_old = begun_before.is_of_command(output)
    still = read_still(options.image) if is_old else read_still(options.image, LOOKED_AT, WHOLE)
    finders: Mapping[str, str] = {}
    remarks: tuple[str, ...] = ()
    if options.landmarks is not None:
        placed = read_points(options.landmarks, still.width, still.height, options.face - 1)
    else:
        # 0.4.0 had Pillow make large pictures smaller
        seen = read_still(options.image, LOOKED_AT) if is_old else still
        request, size = face_request(options, options.face), (still.width, still.height)
        sighting = sight_in(seen.pixels, size, request, str(options.image))
        placed, finders, remarks = sighting.placed[0], sighting.networks or {}, sighting.remarks
    portrait = portrait_of(still.pixels, _in_pixels_of(still, placed.rounded()))
    generator = named_generator(options.generator)
    if generator is not None and options.generator is None and is_flat(portrait):
        generator, remarks = None, (*remarks, f"{LEFT_OUT} Have it with --generator shipped.")
    picture = PortraitPicture.of_file(portrait, placed.rounded(), options.image)
    return PortraitSubject(picture, placed, generator, finders, (*still.remarks, *remarks))


def _in_pixels_of(still: Still, placed: Placed) -> Placed:
    """Return a face placed in the whole picture in the pixels that were read of it."""
    high, wide = still.pixels.shape[:2]
    return (
        placed
        if (wide, high) == (still.width, still.height)
        else placed.scaled(wide / still.width, high / still.height)
    )


def _take(options: argparse.Namespace, output: PortraitOutput, teller: Reporter) -> tuple[Performance, list[str]]:
    """Return the take, its dials as asked for, and remarks."""
    warnings: list[str] = []
    if options.take is not None:
        take = Performance.load(options.take)
        take = dialled(take, dials_of(options, take.dials))
        if options.audio is not None and not _is_of(take, options.audio):
            warnings.append(f"'{options.audio}' is not the sound '{options.take}' was made from: lips may not fit.")
        return take, warnings
    usual = Options().fps
    rate = begun_before.rate_before(output, options.fps or Fraction(usual), usual)
    asked = Options(rate, options.seed, style_asked(options), actor_asked(options))
    heard: Performance | None = None
    for item in steps(SoundFile(options.audio, channel_asked(options)), asked, options.models):
        if isinstance(item, Progress):
            teller.progress(str(options.audio), item.fraction, item.message)
        elif isinstance(item, Performance):
            heard = item
        else:
            warnings.append(item.message)
    assert heard is not None
    return dialled(heard, dials_of(options)), warnings


def _is_of(take: Performance, audio: Path) -> bool:
    """Return whether a take was made from a sound file, by whichever channel of it."""
    try:
        heard = SoundFile(audio, choice(str(take.options.get("channel", AUTOMATIC))))
    except AudioError:
        SoundFile(audio)  # says what is wrong with it, if something is
        return False  # it lacks the channel
    return survey(heard).sha256 == take.audio_sha256


def _job(
    options: argparse.Namespace,
    consent: Consent,
    output: PortraitOutput,
    seal: Seal,
    subject: PortraitSubject,
    take: Performance,
) -> PortraitJob:
    """Return what is to be rendered; where 0.4.0 began it, as that understood it."""
    seconds = take.seconds if options.take is not None else SoundFile(options.audio).seconds
    fps = rate_of(options.fps, None if options.take is None else take)
    job = PortraitJob(
        subject.picture,
        spoken(take, fps, seconds, options.strength),
        consent,
        subject.generator,
        seal,
        output,
        longest=options.size,
        marked=options.mark,
        background=options.background,
        quality=options.quality,
        finders=subject.finders,
    )
    return begun_before.command_job(job, take, subject.placed, options.strength)


def _rendered(job: PortraitJob, options: argparse.Namespace, teller: Reporter) -> PortraitMade:
    """Do the work, telling about it."""
    subject = str(options.image)
    with closing(job.steps()) as work:
        for message in work:
            if isinstance(message, FramesKept):
                what = f"{message.kept} of {counted(message.count, 'frame')} are in '{message.folder}' already"
                then = "they are kept, the others are made" if message.kept < message.count else "they are kept"
                teller.warning(subject, f"{what}, made from the same: {then}.")
            elif isinstance(message, FilmToEncode):
                _encode(message, job, options, teller)
            elif isinstance(message, FrameMade):
                teller.progress(subject, message.fraction, "Rendering")
            elif isinstance(message, Progress):
                teller.progress(subject, message.fraction, message.message)
            else:
                return message
    raise AssertionError("the work ended without a result")


def _encode(film: FilmToEncode, job: PortraitJob, options: argparse.Namespace, teller: Reporter) -> None:
    asked = FilmOptions(job.motion.fps, job.quality, job.background, provenance.NOTICE)
    sound = None if options.audio is None else SoundFile(options.audio)
    with closing(write_film(film.place, film.images, film.size, asked, sound, film.film)) as written:
        for count in written:
            told = film.progress(count / film.count, "Encoding the film" if film.files else "Rendering")
            teller.progress(str(options.image), told.fraction, told.message)
