"""Moments and seconds as people write them: ``12.5``, ``1:02.5``, ``01:02:03.5``, ``01:02:03:04``."""

from __future__ import annotations

import math
import re
from typing import Any, Final

from ..errors import CastError
from ..files.json_text import quoted
from .lines import Moment

#: Latest second of a timeline or sound: four days.
LATEST: Final = 4 * 86_400.0
#: Last frame that is a moment of a timeline; Blender has fewer.
_LAST_FRAME: Final = 100_000_000
_NUMBER: Final = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)")
#: Minutes and seconds, and hours before them; fractions behind a point, a comma, or in timecode a colon or semicolon.
_CLOCK: Final = re.compile(r"(?:(\d{1,3}):)?(\d{1,3}):(\d{1,2}(?:[.,]\d*)?)")
_TIMECODE: Final = re.compile(r"(\d{1,3}):(\d{1,2}):(\d{1,2})([:;])(\d{1,3})")
_ADVICE: Final = "write seconds (12.5), minutes and seconds (1:02.5), or hours as well (0:01:02.5)"


def number(value: Any) -> float:
    """Return a finite number that a table holds as a number or as text, with a point or a comma.

    Raises
    ------
    CastError
        If it is none.
    """
    if isinstance(value, str) and len(value) < 40 and _NUMBER.fullmatch(value.strip()):
        value = float(value.strip().replace(",", "."))
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise CastError(f"{quoted(value)} is not a number.")
    return float(value)


def seconds(value: Any) -> float:
    """Return the seconds that a table says, at least 0.

    Raises
    ------
    CastError
        If it is no time, below 0, or later than any sound lasts.
    """
    text = value.strip() if isinstance(value, str) else ""
    if _TIMECODE.fullmatch(text):
        raise CastError(f"{quoted(value)} is a timecode, and a sound has no frames: {_ADVICE}.")
    clock = _CLOCK.fullmatch(text)
    if clock:
        hours, minutes, rest = clock.groups()
        found = int(hours or 0) * 3600 + int(minutes) * 60 + float(rest.replace(",", "."))
        if float(rest.replace(",", ".")) >= 60 or (hours and int(minutes) >= 60):
            raise CastError(f"{quoted(value)} is no time: minutes and seconds go to 59.")
    else:
        try:
            found = number(value)
        except CastError:
            raise CastError(f"{quoted(value)} is no time: {_ADVICE}.") from None
    if not 0 <= found <= LATEST:
        raise CastError(f"{quoted(value)} is out of bounds: a time lies between 0 and {LATEST:.0f} seconds.")
    return found


def moment(value: Any) -> Moment:
    """Return the moment of the timeline that a table says in seconds or as a timecode.

    Raises
    ------
    CastError
        If it is neither.
    """
    timecode = _TIMECODE.fullmatch(value.strip()) if isinstance(value, str) else None
    if timecode is None:
        try:
            return Moment(seconds=seconds(value))
        except CastError as error:
            raise CastError(str(error).replace("(0:01:02.5)", "(0:01:02.5), or a timecode (00:01:02:12)")) from None
    hours, minutes, rest, separator, frames = timecode.groups()
    if int(minutes) >= 60 or int(rest) >= 60:
        raise CastError(f"{quoted(value)} is no timecode: minutes and seconds go to 59.")
    whole = int(hours) * 3600 + int(minutes) * 60 + int(rest)
    if whole > LATEST:
        raise CastError(f"{quoted(value)} is out of bounds: a time lies between 0 and {LATEST:.0f} seconds.")
    return Moment(seconds=float(whole), frames=int(frames), drops=separator == ";")


def frame(value: Any) -> Moment:
    """Return the moment that a table says as a frame of the scene.

    Raises
    ------
    CastError
        If it is no number, or beyond all scenes.
    """
    found = number(value)
    if abs(found) > _LAST_FRAME:
        raise CastError(f"{quoted(value)} is no frame of a scene.")
    return Moment(frame=found)
