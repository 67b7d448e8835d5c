"""Fits the actor of a character to a recording: the takes kept with its lines are what the average speaker does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from mouthpiece.actors.actor import read_actor
from mouthpiece.actors.captures import Capture, of_weights, read_capture
from mouthpiece.actors.fit import ActorFit, fitted
from mouthpiece.errors import ActorError, RigError
from mouthpiece.files.places import is_there
from mouthpiece.topology import ARKIT_INDEX, ARKIT_NAMES

from .. import compat
from ..keys import kept_takes
from . import eye_lines
from .lines import dialled_lines

#: Least ARKit shapes of the mouth that keys move.
_LEAST = 5


def line_meant(obj: bpy.types.Object, frame: int) -> kept_takes.KeptLine:
    """Return the line that a recording is of: the one at ``frame``, or the only one.

    Raises
    ------
    RigError
        If there is none, or several could be meant.
    """
    lines = [line for line in dialled_lines(obj) if not eye_lines.is_silent(line)]
    at = [line for line in dialled_lines(obj, frame) if not eye_lines.is_silent(line)]
    if not lines:
        raise RigError(f"'{obj.name}' speaks no line. Animate the sound that the recording is of first.")
    if len(lines) > 1 and not at:
        raise RigError(f"'{obj.name}' speaks {len(lines)} lines. Go to a frame of the one that the recording is of.")
    return (at or lines)[0]


def fit_file(line: kept_takes.KeptLine, recording: Path, name: str) -> ActorFit:
    """Return the actor fitted to a file that begins with the line's sound; MouthpieceError if that fails."""
    take = kept_takes.motion(line)
    seen = read_capture(recording, take.neutral)
    return fitted([(replace(seen, times=seen.times - line.begin), take)], name)


def fit_keys(line: kept_takes.KeptLine, other: bpy.types.Object, name: str) -> ActorFit:
    """Return the actor fitted to keys of another face at the frames of a line.

    Raises
    ------
    ActorError
        If the keys are no recording of this line's sound.
    RigError
        If the other object has no keyed shapes named as ARKit's.
    """
    return fitted([(keyed(line, other), kept_takes.motion(line))], name, 0.0)


def keyed(line: kept_takes.KeptLine, other: bpy.types.Object) -> Capture:
    """Return what the keys of ARKit's shapes of ``other`` show at the frames of a line, in seconds of its take."""
    data: Any = other.data
    keys = getattr(data, "shape_keys", None)
    grid = line.frames()
    frames = np.arange(grid.first, grid.last + 1)
    weights, moved = np.zeros((len(frames), len(ARKIT_NAMES)), np.float32), 0
    curves = {} if keys is None else {curve.data_path: curve for curve in compat.fcurves_of(keys)}
    for block in () if keys is None else keys.key_blocks:
        known = block.name[:1].lower() + block.name[1:]
        curve = curves.get(f'key_blocks["{bpy.utils.escape_identifier(block.name)}"].value')
        if known in ARKIT_INDEX and curve is not None:
            weights[:, ARKIT_INDEX[known]] = [curve.evaluate(frame) for frame in frames]
            moved += known.startswith(("jaw", "mouth"))
    if moved < _LEAST:
        raise RigError(
            f"'{other.name}' has no keys on shapes named as ARKit's (jawOpen, mouthFunnel …). Select the face that was "
            "recorded, and the character last."
        )
    times = np.array([line.second_at(float(frame)) for frame in frames]) - line.begin
    return of_weights(times, weights)


def keep(found: ActorFit, obj: bpy.types.Object, place: Path) -> None:
    """Write an actor to ``place`` and let a character move so, when it is animated again.

    Raises
    ------
    ActorError
        If something else is there.
    """
    if is_there(place):
        try:
            read_actor(place)
        except ActorError as error:
            raise ActorError(
                f"'{place}' exists and is no actor. Move it, or give the recording another name."
            ) from error
    found.actor.save(place)
    path = str(place)
    if bpy.data.filepath:
        try:
            path = bpy.path.relpath(path)
        except ValueError:  # on another drive
            path = str(place)
    settings: Any = obj.mouthpiece
    settings.actor = path


def told(found: ActorFit, place: Path) -> str:
    """Return what was fitted in a sentence."""
    return (
        f"{place.name}: {found.seconds:.0f} s of speech compared; the lips part {found.spread[0]:.2f} times as far as "
        f"recorded before, {found.spread[1]:.2f} now. Animate again to see it"
    )
