"""The data a bake works on: channels with their curves, the line they belong to, and the result of writing them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import bpy
import numpy as np
from numpy.typing import NDArray

from .fcurve_keys import Keys, channel_id

if TYPE_CHECKING:
    from mouthpiece.curves import Curves

#: The layers a channel may belong to.
LAYERS: Final = ("lips", "tongue", "expression", "eyes", "head")
#: Least reach of a channel: motion below it counts as none.
_LEAST_REACH: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Channel:
    """An animatable property: its data path and index in its owner, and the name of its column in a :class:`Curves`.

    ``layer`` is one of ``LAYERS``. A ``stepped`` channel has keys only where its value changes, and they hold the
    value until the next one (mouth charts, visibility). ``reach`` is what counts as its full motion, in its own unit:
    errors of keys are shares of it.
    """

    name: str
    data_path: str
    index: int = 0
    layer: str = "lips"
    stepped: bool = False
    reach: float = 1.0

    @property
    def id(self) -> str:
        """Id of the channel in a ledger."""
        return channel_id(self.data_path, self.index)

    @property
    def kind(self) -> str:
        """What it moves: a location, rotation or scale, a custom "property", or else "" (a shape key's value)."""
        last = self.data_path.rpartition(".")[2]
        if self.data_path.endswith('"]'):
            return "property"
        return next((kind for kind in ("location", "rotation", "scale") if kind in last), "")


@dataclass(frozen=True, slots=True)
class Part:
    """Channels of one data-block with their curves, for its active action or for one ``layer`` of it in the NLA.

    With an ``error`` above 0, a share of the channels' full motion, they get the fewest keys that stay within it, else
    one a frame.
    """

    owner: bpy.types.ID
    channels: tuple[Channel, ...]
    curves: Curves
    layer: str = ""
    error: float = 0.0

    def measured_out(self) -> Part:
        """Return the part with the reach of its channels as its curves have it.

        The full motion of a shape key is 1. Shifts, turns and scalings have no such bound, and some are in metres: the
        farthest that any channel of that kind moves counts for all of them. A custom property may have any range.
        """
        spans = {c.name: float(np.ptp(self.curves[c.name])) if len(self.curves.frames) else 0.0 for c in self.channels}
        kinds: dict[str, float] = {}
        for channel in self.channels:
            kinds[channel.kind] = max(kinds.get(channel.kind, _LEAST_REACH), spans[channel.name])
        reaches = (
            max(1.0, spans[c.name]) if c.kind == "property" else 1.0 if c.kind == "" else kinds[c.kind]
            for c in self.channels
        )
        channels = tuple(replace(c, reach=reach) for c, reach in zip(self.channels, reaches, strict=True))
        return replace(self, channels=channels)

    def keys(
        self, ranges: Sequence[tuple[int, int]] = (), there: Mapping[str, NDArray[np.float32]] | None = None
    ) -> dict[str, Keys]:
        """Return the keys the channels shall have, by channel name, on all frames or on ``ranges`` (ends included).

        ``there`` holds the frames of present keys by channel name. Where given, they are kept as far as the error
        allows: that is quicker than to search for the fewest keys.
        """
        frames = self.curves.frames
        found: dict[str, Keys] = {}
        for first, last in ranges or ((int(frames[0]), int(frames[-1])),) * bool(len(frames)):
            here = (frames >= first) & (frames <= last)
            for name, fresh in (self._keys_on(here, there or {}) if here.any() else {}).items():
                found[name] = found[name].joined(fresh) if name in found else fresh
        return found

    def _keys_on(self, here: NDArray[np.bool_], there: Mapping[str, NDArray[np.float32]]) -> dict[str, Keys]:
        """Return the keys by channel name on the consecutive frames that the mask ``here`` chooses."""
        from mouthpiece.key_reduction import Keyed, reduced, refitted

        frames, values = self.curves.frames[here], self.curves.values[here]
        columns = {channel.name: values[:, self.curves.names.index(channel.name)] for channel in self.channels}
        reach = {channel.name: channel.reach for channel in self.channels}
        bent = [c.name for c in self.channels if not c.stepped] if self.error > 0 else []
        found: dict[str, Keys] = {}
        few: dict[str, Keyed] = {}
        for name in bent:
            if name in there:
                at = np.rint(there[name]).astype(np.int64) - frames[0]
                few[name] = refitted(columns[name] / reach[name], at, self.error)
        rest = [name for name in bent if name not in few]
        if rest:
            table = np.stack([columns[name] / reach[name] for name in rest], axis=1)
            few |= dict(zip(rest, reduced(table, self.error), strict=True))
        for name, kept in few.items():
            found[name] = Keys.reduced(frames[kept.frames], columns[name][kept.frames], kept.slopes * reach[name])
        for channel in self.channels:
            if channel.name not in found:
                found[channel.name] = Keys.generated(frames, columns[channel.name], channel.stepped)
        return found

    def joined(self, other: Part) -> Part:
        """Return a part with the channels of both; a channel that both have is taken from this part."""
        from mouthpiece.curves import Curves

        have = {(channel.data_path, channel.index) for channel in self.channels}
        more = [channel for channel in other.channels if (channel.data_path, channel.index) not in have]
        taken = set(self.curves.names)
        named = [replace(c, name=c.name if c.name not in taken else c.id) for c in more]
        columns = [other.curves[channel.name] for channel in more]
        values = np.column_stack([self.curves.values, *columns]) if columns else self.curves.values
        names = (*self.curves.names, *(channel.name for channel in named))
        return replace(self, channels=(*self.channels, *named), curves=Curves(names, self.curves.frames, values))

    def place(self, channel: Channel) -> tuple[int, str, str]:
        """Return where a channel is, unlike any other of a scene: its data-block for this session, layer and name."""
        return self.owner.session_uid, self.layer, channel.name


@dataclass(frozen=True, slots=True)
class Line:
    """A stretch of speech: the identity of its sound, its first and its last frame (both included)."""

    sound: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Reduction:
    """How many ``keys`` replace how many ``frames`` (summed over the channels), and the largest ``error``.

    The error is a share of the channels' full motion, measured between the curves as Blender evaluates them and those
    asked for.
    """

    keys: int = 0
    frames: int = 0
    error: float = 0.0

    def summary(self) -> str:
        """Return one line of text for a report."""
        return f"instead of {self.frames:,}, off by at most {self.error:.2g}"


@dataclass(slots=True)
class Written:
    """Counts of written keys (drawings count as keys) and channels, and warnings.

    ``kept`` holds the reason why a channel was left as it was, by channel name, and ``left`` which channels those are
    (see :meth:`Part.place`): several data-blocks may have channels of one name.
    """

    keys: int = 0
    channels: int = 0
    kept: dict[str, str] = field(default_factory=dict)
    left: dict[tuple[int, str, str], str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    reduction: Reduction | None = None

    def count(self, keys: Keys) -> None:
        """Add the keys of one channel to the counts."""
        self.keys += len(keys)
        self.channels += 1

    def add(self, other: Written) -> None:
        """Add the counts, reasons and warnings of ``other``."""
        self.keys += other.keys
        self.channels += other.channels
        self.kept |= other.kept
        self.left |= other.left
        self.warnings += other.warnings
        if other.reduction is not None:
            mine = self.reduction or Reduction()
            self.reduction = Reduction(
                mine.keys + other.reduction.keys,
                mine.frames + other.reduction.frames,
                max(mine.error, other.reduction.error),
            )
