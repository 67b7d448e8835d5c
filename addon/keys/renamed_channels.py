"""Channels whose shape key, bone or modifier was renamed since a take was written.

Blender gives the f-curve its new path; the ledger still has the old one. A curve is known again by its keys: their
checksum is in the ledger.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from .fcurve_keys import Held, channel_id

if TYPE_CHECKING:
    from .ledgers import Ledger, Take

#: A channel id: what holds the property, and the property with its index.
_STEPS: Final = re.compile(r'^(?P<holder>.*?)(?:\.?[A-Za-z_]\w*|\["(?:[^"\\]|\\.)*"\])\[\d+\]$')


def names_now(ledger: Ledger, fcurves: Any) -> dict[str, str]:
    """Return, by channel id of the ledger, the id of the curve that has its keys now; only what was renamed is in it.

    A channel that was edited as well is found if another one of the same bone or modifier was.
    """
    known = [*dict.fromkeys(channel for take in ledger.takes for channel in take.channels)]
    present = {channel_id(curve.data_path, curve.array_index): curve for curve in fcurves}
    strays = {channel: curve for channel, curve in present.items() if channel not in set(known)}
    lost = [channel for channel in known if channel not in present]
    found: dict[str, str] = {}
    for channel in lost if strays else ():
        takes = [take for take in ledger.takes if channel in take.channels]
        alike = (name for name in strays if _property(name) == _property(channel))
        now = next((name for name in alike if _is(strays[name], channel, takes)), None)
        if now is not None:
            found[channel] = now
            del strays[now]
    moved = {_holder(old): _holder(new) for old, new in found.items()}
    for channel in lost if strays else ():
        name = moved.get(_holder(channel), "?") + _property(channel)
        if channel not in found and name in strays:
            found[channel] = name
            del strays[name]
    return found


def _is(fcurve: Any, channel: str, takes: Sequence[Take]) -> bool:
    """Return whether a curve's keys are what takes wrote on a channel."""
    held = Held.read(fcurve)
    return all(held.checksum(take.first, take.last) == take.channels[channel] for take in takes)


def _holder(channel: str) -> str:
    """Return the part of a channel id that a new name changes: all before the property."""
    match = _STEPS.match(channel)
    return match["holder"] if match else ""


def _property(channel: str) -> str:
    """Return the part of a channel id that a new name leaves: the property, custom or not, and its index."""
    return channel.removeprefix(_holder(channel))


def renamed(channels: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Return what is noted by channel id, by the ids of now."""
    return {names.get(channel, channel): value for channel, value in channels.items()}
