"""What a face does on each frame of a film: takes read at the frames' moments, the same outside Blender and in it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..curves import FrameGrid, sample
from ..errors import PictureError
from ..performance import Performance, pack, unpack

#: Arrays of a take that are read, and those the strength is a factor on; landmarks as displacements from rest.
_TRACKS: Final = ("landmarks", "arkit", "head", "gaze", "blink", "activity", "tongue")
_STRENGTHENED: Final = ("landmarks", "arkit", "head", "gaze", "blink")
#: Arrays that decide how a face stands in a frame.
_POSE: Final = ("arkit", "head", "gaze", "blink")


@dataclass(frozen=True, slots=True)
class LineFacts:
    """Where the motion of a line comes from, as it is recorded.

    Attributes
    ----------
    take, dials : mapping of str to JSON values
        Options of the take, and its dials.
    strength : float
        Factor on all motion.
    sound_sha256 : str
        SHA-256 of the sound as heard; empty if unknown.
    """

    take: Mapping[str, Any] = field(default_factory=dict)
    dials: Mapping[str, Any] = field(default_factory=dict)
    strength: float = 1.0
    sound_sha256: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class FrameMotion:
    """What a face does on each frame.

    Attributes
    ----------
    performance : Performance
        The motion to be seen, style and dials applied.
    fps : Fraction
        Frames per second.
    count : int
        Number of frames; frame ``i`` shows the moment ``i / fps`` seconds of the performance.
    lines : tuple of LineFacts
        What is spoken.
    face_strength : float
        Factor on what the face does while it is rendered; 1 but for frames that version 0.4.0 began, whose strength
        left head, looks and lids alone.
    """

    performance: Performance
    fps: Fraction
    count: int
    lines: tuple[LineFacts, ...]
    face_strength: float = 1.0

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises
        ------
        PictureError
            If the frame rate is not above 0, or there is no frame.
        """
        if self.fps <= 0:
            raise PictureError(f"A portrait cannot have {float(self.fps):g} frames per second. Choose more than none.")
        if self.count < 1:
            raise PictureError("There is no frame to be rendered. Choose a longer sound, or other frames.")

    def sha256(self) -> str:
        """Return the SHA-256 of the motion."""
        moved = self.performance
        tongue = (moved.tongue,) if moved.tongue.any() else ()  # earlier versions had none
        return hash_of(moved.landmarks, moved.arkit, moved.head, moved.gaze, moved.blink, *tongue)

    def poses(self) -> NDArray[np.float32]:
        """Return all numbers that decide how the face stands, a row a frame (F, N), F being those of the performance.

        Displacements of landmarks from rest and the resting face in eye distances, weights, and radians.
        """
        moved = self.performance
        shifts = (moved.landmarks - moved.neutral).reshape(len(moved), -1)
        rest = np.broadcast_to(moved.neutral.ravel(), shifts.shape)
        names = (*_POSE, "tongue") if moved.tongue.any() else _POSE
        return np.concatenate([shifts, rest, *(getattr(moved, name) for name in names)], axis=1)


def rate_of(fps: Fraction | None, take: Performance | None) -> Fraction:
    """Return the frames per second: those asked for, those of a take that was given, or 25."""
    if fps is not None:
        return fps
    return Fraction(25) if take is None else Fraction(take.fps).limit_denominator(1001)


def spoken(take: Performance, fps: Fraction, seconds: float, strength: float = 1.0) -> FrameMotion:
    """Return what a face does that plays a take from its beginning, on every frame on which it is heard.

    The take is read as it would be from a scene that keeps it (:func:`~mouthpiece.performance.pack`), so that frames
    are the same to the last bit wherever they are rendered.

    Parameters
    ----------
    take
        As inferred, with its dials.
    fps
        Frames per second.
    seconds
        Length of the sound.
    strength
        Factor on all motion.
    """
    grid = FrameGrid.covering(seconds, float(fps), 0.0)
    seen = unpack(pack(take)).final()
    tracks: dict[str, Any] = read_on_frames(seen, grid.times, strength)
    tracks["landmarks"] += seen.neutral
    motion = Performance(
        **tracks,
        neutral=seen.neutral,
        fps=float(fps),
        audio_sha256=take.audio_sha256,
        models=take.models,
        options=take.options,
    )
    line = LineFacts(take.options, take.dials, strength, take.audio_sha256)
    return FrameMotion(motion, fps, len(grid.frames), (line,))


def read_on_frames(seen: Performance, times: NDArray[np.floating[Any]], strength: float) -> dict[str, NDArray[Any]]:
    """Return the arrays of a take at moments (F,) in seconds, by name, its motion times ``strength``, float32.

    ``seen`` has its style and dials applied. ``landmarks`` are displacements from rest.
    """
    found: dict[str, NDArray[Any]] = {}
    for name in _TRACKS:
        values = sample(getattr(seen, name), seen.fps, times)
        if name == "landmarks":
            values = values - seen.neutral
        found[name] = np.asarray(values * strength if name in _STRENGTHENED else values, np.float32)
    return found


def hash_of(*arrays: NDArray[Any] | None) -> str:
    """Return the SHA-256 of arrays, as float32, one after the other."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(b"-" if array is None else np.ascontiguousarray(array, np.float32).tobytes())
    return digest.hexdigest()
