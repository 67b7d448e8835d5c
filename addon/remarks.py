"""Sentences about channels that were left as they were, for reports and for the panel."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from mouthpiece.phrases import listed

#: Why a channel was left as it was, as :mod:`.keys` says it: an edit of the user's, which a layer of edits would keep.
EDITED: Final = "edited since it was animated"
#: Reason -> what to say of one channel, and of several; the names come first.
_SENTENCES: Final = {
    EDITED: (
        "keeps your edit and does not follow. Keep Edits as Layer lets it follow.",
        "keep your edits and do not follow. Keep Edits as Layer lets them follow.",
    ),
    "locked": (
        "is locked and stays as it is. Unlock its curve in the Graph Editor to let it follow.",
        "are locked and stay as they are. Unlock their curves in the Graph Editor to let them follow.",
    ),
    "has keys of your own": (
        "has keys of your own, which stay. Replace Edited Keys, under Options, animates over them.",
        "have keys of your own, which stay. Replace Edited Keys, under Options, animates over them.",
    ),
    "has a driver": (
        "is moved by a driver, against which keys do nothing. Remove the driver to animate it.",
        "are moved by drivers, against which keys do nothing. Remove the drivers to animate them.",
    ),
}
_QUOTED: Final = re.compile(r'\["((?:[^"\\]|\\.)*)"\]')


def kept(channels: Mapping[str, str]) -> list[str]:
    """Return a sentence for each reason why channels were left as they were; ``channels`` has reasons by name."""
    reasons: dict[str, list[str]] = {}
    for name, reason in channels.items():
        reasons.setdefault(reason, []).append(spoken(name))
    return [_sentence(list(dict.fromkeys(names)), reason) for reason, names in reasons.items()]


def now_yours(channels: Mapping[str, str]) -> list[str]:
    """Return a sentence about channels that a removal left, as they were edited or locked; none if there are none."""
    names = list(dict.fromkeys(map(spoken, channels)))
    if not names:
        return []
    one = len(names) == 1
    text = f"{listed(names)} {'was' if one else 'were'} edited or locked and {'stays' if one else 'stay'}"
    return [f"{text}: {'its keys are' if one else 'their keys are'} yours now."]


def spoken(name: str) -> str:
    """Return how to call a channel: by the shape key or the bone in its data path, or as it is if it is no path."""
    found = _QUOTED.findall(name)
    if not found:
        return name
    rest = name.rpartition(".")[2] if not name.endswith("]") else ""
    what = next((word for word in ("rotation", "location", "scale") if word in rest), "")
    return f"{found[-1]} ({what})" if what else str(found[-1])


def _sentence(names: list[str], reason: str) -> str:
    """Return what to say of channels that were kept for one reason."""
    one = len(names) == 1
    if reason in _SENTENCES:
        return f"{listed(names)} {_SENTENCES[reason][not one]}"
    return f"{listed(names)} {'stays as it was' if one else 'stay as they were'}: {reason}."
