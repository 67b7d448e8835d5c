"""What the command ``portrait`` was asked for, read and checked before any work begins."""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .audio import SoundFile
from .cli import portrait as portrait_command
from .cli.landmarks import sight
from .errors import PictureError
from .models.registry import ASSETS, read_sidecar
from .portrait.flatness import LEFT_OUT, is_flat
from .portrait.generator import Generator, load_generator, shipped_generator
from .portrait.images import read_still
from .portrait.placing import Placed, read_points
from .portrait.portrait import Portrait, portrait_of
from .provenance import facts as provenance
from .provenance.facts import Facts
from .provenance.sealing import Seal
from .provenance.sequences import Numbering

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
    from .portrait.films import package

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
