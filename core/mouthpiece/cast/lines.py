"""A line of a cast: who speaks what, when, and how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment of the timeline, as a table says it: in seconds from the timeline's zero, or as a frame of the scene.

    Exactly one of the two is set.
    """

    seconds: float | None = None
    frame: float | None = None

    def frame_at(self, fps: float) -> float:
        """Return the frame at that many frames per second; second 0 is frame 0."""
        if self.frame is not None:
            return self.frame
        assert self.seconds is not None  # one of the two is set
        return self.seconds * fps


@dataclass(frozen=True, slots=True)
class CastLine:
    """One line of a cast: a character speaks a sound, or a stretch of one.

    Attributes
    ----------
    row : int
        Where the table says so, as people count: the line of a CSV file, the number of an entry from 1.
    character : str
        Name of the character in the cast.
    audio : Path or None
        Full path of the sound, or of a take (.npz); None if only ``strip`` says what is heard.
    strip : str
        Name of a sound strip of the scene's sequencer; empty if the sound is to be placed at ``start``.
    start : Moment or None
        Where second 0 of the sound lies on the timeline; None for a strip, which lies where it is.
    begin, end : float, float or None
        First and last second of the sound that this character speaks; ``end`` None for the sound's own end. Several
        lines of one sound with other stretches split it between characters.
    channel : str
        What of a sound with several channels is heard (:func:`mouthpiece.sounds.mixdown.choice`); empty: as the
        character has it.
    style, emotion : str
        Names of a style and an emotion; empty: as the character has it.
    intensity : float or None
        How strong the emotion is; None: as the character has it.
    dials : mapping of str to float
        Amounts that differ from the character's own, by the names of :class:`mouthpiece.motion.dials.Dials`.
    seed : int or None
        Seed of the take; None: as the character has it.
    transcript : str
        What is said, as text; empty if the table does not tell.
    to : str
        Name of the character that is spoken to; empty: whoever speaks before or after.
    blend : Path or None
        Full path of the .blend file the line belongs to; None for the opened one.
    scene : str
        Name of the scene in it; empty for the active one.
    label : str
        The line's name in reports, and of its take's file; made of character and sound if the table has none.
    """

    row: int
    character: str
    audio: Path | None = None
    strip: str = ""
    start: Moment | None = None
    begin: float = 0.0
    end: float | None = None
    channel: str = ""
    style: str = ""
    emotion: str = ""
    intensity: float | None = None
    dials: Mapping[str, Any] = field(default_factory=dict)
    seed: int | None = None
    transcript: str = ""
    to: str = ""
    blend: Path | None = None
    scene: str = ""
    label: str = ""
