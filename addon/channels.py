"""What is to be keyed: channels of a data-block with their curves, the line they speak, and what became of them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import bpy
import numpy as np

from . import store
from .keyframes import Keys

if TYPE_CHECKING:
    from mouthpiece.curves import Curves

#: What a channel may belong to.
LAYERS: Final = ("lips", "expression", "eyes", "head")


@dataclass(frozen=True, slots=True)
class Channel:
    """An animatable property: the name of its column in a :class:`Curves`, and where it lives in its owner.

    ``layer`` is what it belongs to, one of ``LAYERS``. A ``stepped`` channel jumps: it has keys only where its value
    changes, and holds in between (mouth charts, visibility).
    """

    name: str
    data_path: str
    index: int = 0
    layer: str = "lips"
    stepped: bool = False

    @property
    def id(self) -> str:
        """What the ledger calls it."""
        return store.channel_id(self.data_path, self.index)


@dataclass(frozen=True, slots=True)
class Part:
    """Curves for one data-block."""

    owner: bpy.types.ID
    channels: tuple[Channel, ...]
    curves: Curves

    def keys(self, channel: Channel) -> Keys:
        """Return the keys a channel is to have."""
        return Keys.generated(self.curves.frames, self.curves[channel.name], channel.stepped)


    def joined(self, other: Part) -> Part:
        """Return the channels of both; of those in both, the ones of this part."""
        from mouthpiece.curves import Curves

        have = {(channel.data_path, channel.index) for channel in self.channels}
        more = [channel for channel in other.channels if (channel.data_path, channel.index) not in have]
        taken = set(self.curves.names)
        named = [replace(c, name=c.name if c.name not in taken else c.id) for c in more]
        columns = [other.curves[channel.name] for channel in more]
        values = np.column_stack([self.curves.values, *columns]) if columns else self.curves.values
        names = (*self.curves.names, *(channel.name for channel in named))
        return Part(self.owner, (*self.channels, *named), Curves(names, self.curves.frames, values))


@dataclass(frozen=True, slots=True)
class Line:
    """What is being spoken, and on which frames (both included)."""

    sound: str
    first: int
    last: int


@dataclass(slots=True)
class Written:
    """What was written: keys (drawings count as such), channels, channels kept and why, and remarks."""

    keys: int = 0
    channels: int = 0
    kept: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def add(self, other: Written) -> None:
        """Count in what was written elsewhere."""
        self.keys += other.keys
        self.channels += other.channels
        self.kept |= other.kept
        self.warnings += other.warnings
