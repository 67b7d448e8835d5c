"""Folders of frames that version 0.4.0 began: recognised by what it would have recorded, and gone on with in its way.

The command line of 0.4.0 and its Blender recorded different things, with hashes, and no sketches of what is to be seen
(:mod:`mouthpiece.provenance.sketches`). Frames that are added get the same record, so that a folder is of one kind.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from ..performance import FPS_LIMITS, Performance
from ..provenance import facts as provenance
from ..provenance.facts import Facts
from ..provenance.sequences import begun_with, note_in
from ..provenance.sketches import SKETCH
from .film_job import PortraitJob, PortraitOutput, facts_of
from .find.placement import Placed
from .frame_motion import FrameMotion, hash_of
from .portrait import Portrait, portrait_of


def rate_before(output: PortraitOutput, fps: Fraction, usual: float) -> float:
    """Return the frame rate at which a take is to be inferred from its sound for frames of ``fps``.

    It is ``usual``, but for frames that the command line of 0.4.0 began: that inferred takes at the frames' rate.
    """
    begun = _begun(output)
    before = min(max(float(fps), FPS_LIMITS[0]), FPS_LIMITS[1])
    take = {} if begun is None else begun.options.get("take")
    same = isinstance(take, Mapping) and isinstance(take.get("fps"), float) and abs(take["fps"] - before) < 1e-6
    return before if same else usual


def command_job(job: PortraitJob, take: Performance, placed: Placed, strength: float) -> PortraitJob:
    """Return the job as the command line of 0.4.0 understood it, if that began the frames, else as it is.

    Parameters
    ----------
    take
        The take with its dials, as inferred.
    placed
        The face with all its digits.
    strength
        Factor on what the face does; in 0.4.0 head, looks and lids were left alone.
    """
    begun = _begun(job.output)
    if begun is None or "strength" not in begun.options:
        return job
    seen, fps = take.final(), job.motion.fps
    count = max(1, int(np.floor(seen.seconds * float(fps) + 1e-6)))
    motion = FrameMotion(seen, fps, count, job.motion.lines, face_strength=strength)
    portrait = portrait_of(job.picture.portrait.picture, placed)
    earlier = replace(job, motion=motion, picture=replace(job.picture, portrait=portrait, placed=placed))
    options = {
        "face_sha256": hash_of(placed.landmarks, placed.irises),
        "strength": strength,
        "fps": str(fps),
        "frames": count,
        "size": "{} x {}".format(*job.size),
        "motion_sha256": motion.sha256(),
        "take": provenance.of_take(take.options),
        "dials": dict(take.dials),
    }
    return _if_begun(job, replace(earlier, recorded=replace(facts_of(earlier), options=options)), begun)


def scene_job(job: PortraitJob, portrait: Portrait) -> PortraitJob:
    """Return the job as Blender's add-on 0.4.0 understood it, if that began the frames, else as it is.

    ``portrait`` is the picture read at the size of the frames, by Blender's own scaling, as 0.4.0 did.
    """
    begun = _begun(job.output)
    if begun is None or "lines" not in begun.options:
        return job
    earlier = replace(job, picture=replace(job.picture, portrait=portrait))
    facts, lines = facts_of(earlier), job.motion.lines
    options: dict[str, Any] = {
        "face_sha256": facts.options["face_sha256"],
        "motion_sha256": facts.options["motion_sha256"],
        "take": provenance.of_take(job.motion.performance.options),
        "lines": [{"dials": dict(line.dials), "strength": line.strength} for line in lines],
        "fps": str(job.motion.fps),
        "frames": job.motion.count,
    }
    # frames that a film was made of were not signed, whether they were kept or not
    signature = facts.signature if job.output.film is None else provenance.UNSIGNED
    facts = replace(facts, options=options, signature=signature)
    if not begun.picture_sha256:  # that of a packed picture was not recorded, but all its pixels went into the note
        if not _is_noted(earlier, begun):
            return job
        facts = replace(facts, picture_sha256="")
    return _if_begun(job, replace(earlier, recorded=facts), begun)


def is_of_scene(output: PortraitOutput) -> bool:
    """Tell whether Blender's add-on 0.4.0 began the frames."""
    begun = _begun(output)
    return begun is not None and "lines" in begun.options


def is_of_command(output: PortraitOutput | None) -> bool:
    """Tell whether the command line of 0.4.0 began the frames."""
    begun = _begun(output)
    return begun is not None and "strength" in begun.options


def _begun(output: PortraitOutput | None) -> Facts | None:
    """Return the record of the first frame that is there, if 0.4.0 wrote it."""
    begun = None if output is None or output.frames is None else begun_with(output.frames)
    return None if begun is None or SKETCH in begun.options else begun


def _is_noted(job: PortraitJob, begun: Facts) -> bool:
    """Tell whether the note that 0.4.0 left with the frames is of this job, pixels and all."""
    assert job.output.frames is not None
    portrait, performance = job.picture.portrait, job.motion.performance
    digest = hashlib.sha256()
    moving = (getattr(performance, name) for name in ("landmarks", "neutral", "arkit", "head", "gaze", "blink"))
    for array in (portrait.picture, portrait.face.landmarks, portrait.face.irises, *moving):
        digest.update(str((array.shape, array.dtype)).encode())
        digest.update(array.tobytes())
    generator = "" if job.generator is None else job.generator.sha256
    more = (job.longest, job.consent, job.marked, begun.software, job.seal.signature, generator)
    digest.update(repr((performance.fps, more)).encode())
    return note_in(job.output.frames.folder).get("made_of") == digest.hexdigest()


def _if_begun(job: PortraitJob, earlier: PortraitJob, begun: Facts) -> PortraitJob:
    """Return the earlier job if the frame that was begun is one of its, else the job."""
    frames = earlier.frames()
    index = begun.frame
    fits = frames is not None and index is not None and index < frames.count and frames.fits(begun, index)
    return earlier if fits else job
