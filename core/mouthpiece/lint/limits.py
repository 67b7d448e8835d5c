"""How much of each fault is let pass: defaults, and a file of limits that a production keeps beside its scenes."""

from __future__ import annotations

import difflib
import math
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final

from ..errors import LimitsError, UnreadableError
from ..files.regular_files import read_file
from ..phrases import as_text

#: Largest file of limits that is read, in bytes.
_LARGEST: Final = 1 << 20
#: Limits of single characters are below this name.
_CHARACTERS: Final = "characters"
#: No limit lies above this: longer than any film in seconds, or in milliseconds than any line.
_MOST: Final = 1e6


@dataclass(frozen=True, slots=True)
class Limits:
    """One limit for each check, by the name of the check; None leaves a check out. ``docs/lint.md`` gives reasons.

    Attributes
    ----------
    sync : float or None
        Most milliseconds between mouth and sound, early or late.
    drift : float or None
        Most milliseconds by which mouth and sound move apart in a minute.
    follows : float or None
        Least correlation of the mouth's opening with that which the sound calls for.
    weak : float or None
        Least difference between open and shut while something is said, in eye distances.
    moves_in_silence : float or None
        Most way that the lips go while nothing is said, in eye distances per second.
    open_at_rest : float or None
        Most opening of the mouth while nothing is said, in eye distances.
    jump : float or None
        Largest step from one frame to the next, as a multiple of the fastest steps of recorded faces; half of it at the
        ends of lines.
    jitter : float or None
        Most shaking from frame to frame, as a multiple of what is left of it in recorded faces.
    clipping : float or None
        Largest share of a line's frames at which a channel lies at a limit of its own.
    frozen : float or None
        Most seconds in which nothing of a face moves.
    lids : float or None
        Most seconds without a blink.
    gaze : float or None
        Most seconds in which the eyes look in one direction.
    dead : float or None
        Most keyed channels that move nothing.
    overlap : float or None
        Most seconds for which two lines of one character lie over each other.
    bilabials : float or None
        Most of a line's m b p at which the lips do not meet, as a share.
    labiodentals : float or None
        Most of a line's f v at which the lower lip is not at the teeth, as a share.
    """

    sync: float | None = 100.0
    drift: float | None = 45.0
    follows: float | None = 0.35
    weak: float | None = 0.03
    moves_in_silence: float | None = 0.3
    open_at_rest: float | None = 0.12
    jump: float | None = 2.0
    jitter: float | None = 1.5
    clipping: float | None = 0.25
    frozen: float | None = 3.0
    lids: float | None = 30.0
    gaze: float | None = 10.0
    dead: float | None = 0.0
    overlap: float | None = 0.0
    bilabials: float | None = 0.5
    labiodentals: float | None = 0.75

    def without(self, *checks: str) -> Limits:
        """Return the limits with some checks left out."""
        left_out: dict[str, Any] = dict.fromkeys(checks)
        return replace(self, **left_out)


#: Checks in which more is better: their limits are the least that is let pass.
AT_LEAST: Final = ("follows", "weak")
#: Checks of what is keyed, which a take has only in part and a film not at all.
OF_KEYS: Final = ("dead", "overlap")
#: Checks as people call them.
TITLES: Final[Mapping[str, str]] = {
    "sync": "Sync",
    "drift": "Drift",
    "follows": "Mouth and sound",
    "weak": "Weak mouth",
    "moves_in_silence": "Mouth moves in silence",
    "open_at_rest": "Mouth open at rest",
    "jump": "Jump",
    "jitter": "Jitter",
    "clipping": "Clipping",
    "frozen": "Frozen face",
    "lids": "Lids",
    "gaze": "Gaze",
    "dead": "Dead channels",
    "overlap": "Overlapping lines",
    "bilabials": "Lips at m b p",
    "labiodentals": "Lip at f v",
}
#: Unit of each limit, for people.
UNITS: Final[Mapping[str, str]] = {
    "sync": "ms",
    "drift": "ms/min",
    "follows": "of 1",
    "weak": "eye distances",
    "moves_in_silence": "eye distances/s",
    "open_at_rest": "eye distances",
    "jump": "times",
    "jitter": "times",
    "clipping": "of the line",
    "frozen": "s",
    "lids": "s",
    "gaze": "s",
    "dead": "channels",
    "overlap": "s",
    "bilabials": "of them missed",
    "labiodentals": "of them missed",
}
#: Names of all checks, in the order in which they are told.
CHECKS: Final = tuple(each.name for each in fields(Limits))


@dataclass(frozen=True, slots=True)
class CastLimits:
    """The limits of a production: ``general`` ones, and those that differ for some ``characters``, by name."""

    general: Limits = Limits()
    characters: Mapping[str, Limits] = field(default_factory=dict)

    def of(self, character: str) -> Limits:
        """Return the limits for a character."""
        return self.characters.get(character, self.general)


def read_limits(path: str | os.PathLike[str]) -> CastLimits:
    """Return the limits in a TOML file: a name and a number each, ``false`` to leave a check out.

    Tables ``[characters."NAME"]`` hold those in which a character differs.

    Raises
    ------
    LimitsError
        If the file cannot be read, is no TOML, or holds a name or value that is none; nothing of it is then used.
    """
    try:
        text = read_file(path, _LARGEST).decode("utf-8-sig")
        given = tomllib.loads(text)
    except UnreadableError as error:
        raise LimitsError(error.told(f"'{path}'", "holds no limits", "Check the file.")) from error
    except UnicodeDecodeError as error:
        raise LimitsError(f"'{path}' is not text in UTF-8. Save it again as UTF-8.") from error
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        raise LimitsError(f"'{path}' is not TOML: {as_text(str(error))}. See docs/lint.md for an example.") from error
    special = given.pop(_CHARACTERS, {})
    if not isinstance(special, dict):
        raise LimitsError(f"'{path}': '{_CHARACTERS}' holds no tables. Write [{_CHARACTERS}.\"NAME\"].")
    general = _changed(Limits(), given, f"'{path}'")
    return CastLimits(general, {name: _of_character(general, name, row, path) for name, row in special.items()})


def _of_character(general: Limits, name: str, row: object, path: object) -> Limits:
    if not isinstance(row, dict):
        raise LimitsError(f"'{path}': '{name}' is no table. Write [{_CHARACTERS}.\"{name}\"] and its limits below.")
    return _changed(general, row, f"'{path}', {name}")


def _changed(limits: Limits, given: Mapping[str, Any], where: str) -> Limits:
    """Return ``limits`` with those ``given`` in their place; raises LimitsError, which says ``where``."""
    changes: dict[str, float | None] = {}
    for name, value in given.items():
        if name not in CHECKS:
            near = difflib.get_close_matches(name, CHECKS, 1, 0.5)
            hint = f"Did you mean '{near[0]}'?" if near else f"There are: {', '.join(CHECKS)}."
            raise LimitsError(f"{where}: there is no check '{name}'. {hint}")
        if value is False:
            changes[name] = None
        elif isinstance(value, bool) or not isinstance(value, int | float) or not _is_limit(value):
            raise LimitsError(
                f"{where}: '{name}' is {value!r}. Give a number from 0 to {_MOST:,.0f}, or false for no check."
            )
        else:
            changes[name] = float(value)
    return replace(limits, **changes)


def _is_limit(value: float) -> bool:
    return math.isfinite(value) and 0 <= value <= _MOST
