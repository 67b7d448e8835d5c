"""Finds channels again whose shape key, bone or modifier was renamed after a line was baked.

Blender gives the f-curve its new path, but the ledger still has the old one. The curve is recognised by the checksum
of its keys, which is in the ledger.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from .fcurve_keys import BareKeys, channel_id

if TYPE_CHECKING:
    from .ledgers import Ledger, LedgerLine

#: A channel id: the path of what holds the property, then the property with its index.
_STEPS: Final = re.compile(r'^(?P<holder>.*?)(?:\.?[A-Za-z_]\w*|\["(?:[^"\\]|\\.)*"\])\[\d+\]$')


def names_now(ledger: Ledger, fcurves: Any) -> dict[str, str]:
    """Return the present channel id by the id in the ledger, for renamed channels only.

    A channel whose keys were edited as well is found if another channel of the same bone or modifier is.
    """
    noted = set[str]().union(*(line.channels for line in ledger.lines))
    present = {channel_id(curve.data_path, curve.array_index): curve for curve in fcurves}
    found: dict[str, str] = {}
    if noted <= present.keys():
        return found
    known = dict.fromkeys(channel for line in ledger.lines for channel in line.channels)
    lost = [channel for channel in known if channel not in present]
    strays = {channel: curve for channel, curve in present.items() if channel not in noted}
    for channel in lost if strays else ():
        lines = [line for line in ledger.lines if channel in line.channels]
        alike = (name for name in strays if _property(name) == _property(channel))
        now = next((name for name in alike if _has_keys_of(strays[name], channel, lines)), None)
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


def _has_keys_of(fcurve: Any, channel: str, lines: Sequence[LedgerLine]) -> bool:
    """Return whether a curve has the keys that ledger lines note for a channel."""
    keys = BareKeys.read(fcurve)
    return all(keys.checksum(line.first, line.last) == line.channels[channel] for line in lines)


def _holder(channel: str) -> str:
    """Return the part of a channel id that renaming changes: all before the property."""
    match = _STEPS.match(channel)
    return match["holder"] if match else ""


def _property(channel: str) -> str:
    """Return the part of a channel id that renaming does not change: the property, custom or not, and its index."""
    return channel.removeprefix(_holder(channel))


def renamed(channels: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Return ``channels`` with those of its keys that are in ``names`` replaced."""
    return {names.get(channel, channel): value for channel, value in channels.items()}
