"""A take as it is seen: its motion with style and amounts applied."""

from __future__ import annotations

from typing import Final

import numpy as np

from ...performance import Performance
from ...topology import INNER_LIP_BOTTOM, MOUTH_LEFT_CORNER, MOUTH_RIGHT_CORNER
from ..checks import examined
from ..contacts import counted_contacts
from ..limits import CHECKS, Limits
from ..seen_face import LineSpan, SeenFace
from .phones import phones_said
from .sound import Hearing, heard_in, opening_of

#: A weight of ARKit lies at its limit from here on.
_FULL: Final = 1 - 1e-4
#: Inner and outer border of the lower lip's red.
_RED: Final = (INNER_LIP_BOTTOM, 57)


def seen_take(take: Performance, character: str, line: str, sound: Hearing | None = None) -> SeenFace:
    """Return what is seen of a take, which is one line.

    Parameters
    ----------
    take
        The take; its style and amounts are applied.
    character, line
        How they are called.
    sound
        What is heard, at the take's frame rate; None for what was heard when the take was made.

    Raises
    ------
    MouthpieceError
        If its amounts are none.
    """
    final, frames = take.final(), len(take)
    told = (sound or heard_in(take)).on(frames)
    corners = final.landmarks[:, MOUTH_LEFT_CORNER, :2] - final.landmarks[:, MOUTH_RIGHT_CORNER, :2]
    full = final.arkit >= _FULL
    return SeenFace(
        character=character,
        fps=take.fps,
        opening=opening_of(final),
        width=np.linalg.norm(corners, axis=1).astype(np.float32),
        lids=final.blink,
        gaze=final.gaze,
        head=final.head[:, :3],
        speech=told.speech,
        expected=told.expected,
        lines=(LineSpan(line, 0, frames - 1),),
        red=(final.landmarks[:, _RED[1], 1] - final.landmarks[:, _RED[0], 1]).astype(np.float32),
        phones=phones_said(final.speech, take.fps, frames),
        clipped={name: full[:, column] for column, name in enumerate(final.arkit_names) if full[:, column].any()},
    )


def contacts_of(take: Performance) -> dict[str, dict[str, int]]:
    """Return how many contacts of lips a take meets and misses, by the names of the checks; empty if none are known.

    Raises
    ------
    MouthpieceError
        If its amounts are none.
    """
    if not take.speech:
        return {}
    nothing: dict[str, None] = dict.fromkeys(set(CHECKS) - {"bilabials", "labiodentals"})
    return counted_contacts(examined(seen_take(take, "", ""), Limits().without(*nothing)).measures)
