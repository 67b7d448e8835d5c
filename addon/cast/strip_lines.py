"""A character's lines as the sequencer has them: which strip, whose, in what manner."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ..sound.recordings import Recording

#: Why a strip is not animated.
MUTED: Final = "muted"
UNASSIGNED: Final = "unassigned"
FAILED: Final = "failed"


@dataclass(frozen=True, slots=True)
class StripLine:
    """One line that the cast wants a character to speak, as it is heard on the timeline.

    ``character`` is the name of its main object, ``scene`` and ``strip`` are the names of the scene whose sequencer has
    it and of the strip. Empty ``style`` and ``emotion``, an ``intensity`` or ``seed`` of None, and amounts that are not
    in ``dials`` are as the character has them; ``channel`` is part of ``recording``. ``style`` is a style's name or the
    full path of a style.json; ``style_from`` is the full path of the sound to take it from. ``to`` is the name of the
    object of the character that is spoken to (empty: whoever speaks before or after).
    """

    character: str
    scene: str
    strip: str
    recording: Recording
    style: str = ""
    style_from: str = ""
    emotion: str = ""
    intensity: float | None = None
    seed: int | None = None
    dials: Mapping[str, Any] = field(default_factory=dict)
    transcript: str = ""
    to: str = ""


@dataclass(frozen=True, slots=True)
class Unspoken:
    """A strip that is not animated as the cast has it; ``reason`` says why and what to do.

    ``kind`` is :data:`MUTED` for what is not heard and is no line therefore, :data:`UNASSIGNED` where nobody is known
    to speak, and :data:`FAILED` for whatever is wrong. ``character`` is empty if nobody is known to speak.
    """

    scene: str
    strip: str
    character: str
    reason: str
    kind: str = FAILED
