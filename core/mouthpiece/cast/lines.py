"""A line of a cast: who speaks what, when, and how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import CastError

#: How far from a whole number a rate lies whose timecode leaves labels out: 29.97 and 59.94.
_BESIDE: float = 1e-3


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment of the timeline, as a table says it: in seconds from the timeline's zero, or as a frame of the scene.

    Exactly one of the two is set.

    Attributes
    ----------
    seconds : float or None
        Seconds.
    frame : float or None
        Frame of the scene.
    frames : int or None
        With whole ``seconds``, the last part of a timecode (``hh:mm:ss:ff``): frames beyond the second. A second of
        timecode has as many of them as the rate, rounded up to a whole number.
    drops : bool
        Whether it is a drop-frame timecode (``hh:mm:ss;ff``), which leaves labels out at 29.97 and 59.94 a second.
    """

    seconds: float | None = None
    frame: float | None = None
    frames: int | None = None
    drops: bool = False

    def frame_at(self, fps: float) -> float:
        """Return the frame at that many frames per second; second 0 is frame 0.

        Raises
        ------
        CastError
            If it is a timecode that there is not at this rate.
        """
        if self.frame is not None:
            return self.frame
        assert self.seconds is not None  # one of the two is set
        if self.frames is None:
            return self.seconds * fps
        labels = max(1, round(fps))
        whole = int(self.seconds)
        minutes = whole // 60
        dropped = round(labels / 15) if self.drops and abs(fps - labels) > _BESIDE else 0
        is_left_out = self.frames < dropped and whole % 60 == 0 and minutes % 10 != 0
        if self.frames >= labels or is_left_out:
            raise CastError(
                f"There is no timecode {self.text} at {fps:g} frames per second. Write another, or a frame."
            )
        return float(whole * labels + self.frames - dropped * (minutes - minutes // 10))

    @property
    def text(self) -> str:
        """The moment as a table says it: ``frame 12``, ``12.5`` or ``00:01:02:03``."""
        if self.frame is not None:
            return f"frame {self.frame:g}"
        assert self.seconds is not None
        if self.frames is None:
            return f"{self.seconds:.6f}".rstrip("0").rstrip(".")
        minutes, seconds = divmod(int(self.seconds), 60)
        separator = ";" if self.drops else ":"
        return f"{minutes // 60:02d}:{minutes % 60:02d}:{seconds:02d}{separator}{self.frames:02d}"


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
    subtitles : Path or None
        Full path of the subtitles that split a row into this line and others; None if it is a row of its own.
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
    subtitles: Path | None = None
