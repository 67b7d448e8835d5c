"""What is seen and heard of one character, frame by frame, whatever it was measured on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class LineSpan:
    """A line as it lies on the frames of :class:`SeenFace`: its rows ``first`` to ``last``, both included."""

    label: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class HeardPhone:
    """A phone that a character says: one of :data:`mouthpiece.phones.inventory.PHONES`, and the row of its middle."""

    label: str
    row: int


@dataclass(frozen=True, slots=True, eq=False)
class SeenFace:
    """One character over F frames; what was not measured, or cannot be on this rig, is None.

    Attributes
    ----------
    character : str
        Name of the character.
    fps : float
        Frames per second.
    start : int or None
        Frame of the scene of row 0; None for takes and films.
    opening : (F,) float32 or None
        Distance between the inner lips, as a share of the distance of the outer eye corners; on rigs without
        measurable lips as a share of the mouth's own largest opening times 0.3.
    width : (F,) float32 or None
        Distance of the mouth's corners, in the same unit.
    red : (F,) float32 or None
        Height of the lower lip's red in its middle, from its inner to its outer border (landmarks 66 to 57), in the
        same unit.
    phones : tuple of HeardPhone
        What it says, in order of time; empty if that is not known.
    lids : (F, 2) float32 or None
        Closure of left and right lid, 0 open to 1 shut.
    gaze : (F, 2) float32 or None
        Horizontal and vertical direction of the eyes relative to the head, radians.
    head : (F, 3) float32 or None
        Pitch, yaw and roll, radians.
    loudness : (F,) float32 or None
        Loudness of what the character says at each frame, in dB relative to the loudest 0.3 s of its line; -120 where
        it says nothing.
    speech : (F,) float32 or None
        Probability that the character speaks, from the sound.
    expected : (F,) float32 or None
        Opening of the mouth that the sound calls for, in the unit of ``opening``: that of a take of the sound as it was
        inferred, without amounts. What is not known is NaN. Sync is judged by it: loudness alone tells too little, as
        mouths shut in loud sounds and open in soft ones.
    lines : tuple of LineSpan
        Its lines in order of time.
    clipped : mapping of str to (F,) bool
        For each channel (shape key, bone, control) on which frames it lies at a limit of its own.
    unmoved : mapping of str to str
        Channels that are keyed but move nothing that is seen, each with the reason.
    parts : mapping of str to str
        What moves each part of the face (``lips``, ``jaw``, ``lids``, ``gaze``, ``brows``, ``head``), empty if nothing
        does, as :class:`mouthpiece.retarget.coverage.Coverage` tells. Empty for takes and films.
    tracked : bool
        Whether the courses come from a tracker, so that even a still picture seems to move a little.
    """

    character: str
    fps: float
    start: int | None = None
    opening: Array | None = None
    width: Array | None = None
    lids: Array | None = None
    gaze: Array | None = None
    head: Array | None = None
    loudness: Array | None = None
    speech: Array | None = None
    expected: Array | None = None
    lines: tuple[LineSpan, ...] = ()
    clipped: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)
    unmoved: Mapping[str, str] = field(default_factory=dict)
    parts: Mapping[str, str] = field(default_factory=dict)
    tracked: bool = False
    red: Array | None = None
    phones: tuple[HeardPhone, ...] = ()
