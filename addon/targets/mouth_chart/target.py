"""Mouth charts: drawn mouths swapped as an animator would time them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

import bpy

from ...keys import rna_values
from ...keys.channels import Channel, Part
from .. import Driven, find_object
from . import settings as chart_settings
from .setup import MouthEntry, Setup, Switches, refused
from .switches import SWITCHES, check_pictures

if TYPE_CHECKING:
    import numpy as np
    from mouthpiece.curves import FrameGrid
    from mouthpiece.motion.chart.charts import MouthChart
    from mouthpiece.performance import Performance
    from numpy.typing import NDArray

_SHOWN: Final = {
    "DRAWINGS": "drawings", "IMAGE": "pictures", "OBJECTS": "objects", "PROPERTY": "values of a property",
    "KEYS": "shape keys", "CELLS": "cells of a sheet",
}  # fmt: skip
_EXPOSED: Final = {1: "on ones", 2: "on twos", 3: "on threes", 4: "on fours"}


@dataclass(frozen=True, slots=True)
class Exposure:
    """How mouths are timed, in frames of the scene: a drawing every ``on``, held at least, shown ahead of the sound."""

    on: int = 2
    hold: int = 2
    lead: float = 1.0


@dataclass(frozen=True, slots=True)
class ChartTarget:
    """A mouth chart, what shows each of its shapes, and how they are timed."""

    kind: ClassVar[str] = "CHART"

    object_name: str
    chart: MouthChart
    setup: Setup
    exposure: Exposure = Exposure()
    strength: float = 1.0

    @classmethod
    def of(cls, obj: bpy.types.Object, strength: float = 1.0) -> ChartTarget:
        """Return the chart an object's settings have; RigError if none is set up, or what it shows is gone."""
        target = cls.asked(obj, strength)
        target._switches(obj)
        chart_settings.check_rows(obj, target.chart)
        return target

    @classmethod
    def asked(cls, obj: bpy.types.Object, strength: float = 1.0) -> ChartTarget:
        """Return what the settings say, unchecked but for there being a table."""
        settings = obj.mouthpiece_chart
        if not settings.rows:
            raise refused(f"'{obj.name}' has no mouth chart. Under Mouth Chart choose a set and press Set Up.")
        exposure = Exposure(int(settings.exposure), settings.hold, round(settings.lead, 6))
        return cls(obj.name, chart_settings.chart_of(settings), chart_settings.setup_of(obj), exposure, strength)

    @classmethod
    def from_saved(cls, saved: Mapping[str, Any]) -> ChartTarget:
        """Return the target :meth:`saved` told of."""
        from mouthpiece.motion.chart.charts import chart_from

        try:
            how = dict(saved["setup"])
            entries = tuple(MouthEntry(**entry) for entry in how.pop("entries"))
            setup, exposure = Setup(entries=entries, **how), Exposure(**saved["exposure"])
            name, strength = str(saved["object_name"]), float(saved["strength"])
        except (KeyError, TypeError, ValueError) as error:
            raise refused("The mouth chart saved with the take is damaged. Animate the sound again.") from error
        return cls(name, chart_from(saved["chart"]), setup, exposure, strength)

    def saved(self) -> Mapping[str, Any]:
        """Return what makes it again, fit for JSON."""
        return {
            "kind": self.kind,
            "object_name": self.object_name,
            "strength": self.strength,
            "chart": self.chart.saved(),
            "setup": asdict(self.setup),
            "exposure": asdict(self.exposure),
        }

    def summary(self) -> str:
        """Return one line: the set, what shows it, how many shapes are there, and the timing."""
        used = sum(entry.used for entry in self.setup.entries)
        how = _EXPOSED.get(self.exposure.on, f"every {self.exposure.on} frames")
        return f"{self.chart.label}: {used} of {len(self.chart.shapes)} shapes as {_SHOWN[self.setup.how]}, {how}"

    @classmethod
    def owners(cls, obj: bpy.types.Object) -> list[bpy.types.ID]:
        """Return the data-blocks a chart of the object may switch."""
        return chart_settings.owners(obj)

    def drive(self, performance: Performance, grid: FrameGrid) -> Driven:
        """Return stepped curves for everything the chart switches."""
        import numpy as np
        from mouthpiece.curves import Curves

        obj = find_object(self.object_name)
        found = self._switches(obj)
        if self.setup.how == "IMAGE":
            check_pictures(obj, self.setup)
        shown = self._instead()[self._shapes(performance, grid)]
        parts: dict[bpy.types.ID, list[tuple[Channel, NDArray[np.float32]]]] = {}
        for switch in found.switches:
            channel = Channel(switch.name, switch.data_path, switch.index, "lips", stepped=True)
            column = np.array(switch.values, np.float32)[shown]
            parts.setdefault(switch.owner, []).append((channel, column))
        made = [
            Part(
                owner,
                tuple(channel for channel, _ in own),
                Curves(tuple(c.name for c, _ in own), grid.frames, np.stack([column for _, column in own], axis=1)),
            )
            for owner, own in parts.items()
        ]
        return Driven(tuple(made), {}, found.warnings + self._remarks())

    def show(self, shape: str) -> None:
        """Show one shape now, keying nothing; RigError if it is not in the chart."""
        if shape not in self.chart.names:
            raise refused(f"The mouth chart has no shape '{shape}'. It has: {', '.join(self.chart.names)}.")
        number = int(self._instead()[self.chart.names.index(shape)])
        for switch in self._switches(find_object(self.object_name)).switches:
            rna_values.put(switch.owner, switch.data_path, switch.index, switch.values[number])
            switch.owner.update_tag()

    def _shapes(self, performance: Performance, grid: FrameGrid) -> NDArray[np.int64]:
        """Return which shape (F,) is shown on each frame; the mouth is at rest on the last drawing of a line."""
        import numpy as np
        from mouthpiece.motion.chart.cues import Timing, choose

        on = self.exposure.on
        # Twos fall on odd frames, whatever frame the line begins on, so that several lines go together.
        begin = grid.first - (grid.first - 1) % on
        starts = np.arange(begin, grid.last + 1, on)
        seconds = np.float64(grid.offset) + (starts.astype(np.float64) - grid.origin) / grid.fps * grid.speed
        timing = Timing.of_frames(grid.fps / grid.speed, on, self.exposure.hold, self.exposure.lead)
        shown = choose(performance, self.chart, seconds, timing, self.strength)
        shown[-1] = self.chart.rest
        return np.repeat(shown, on)[grid.first - begin :][: grid.last - grid.first + 1]

    def _switches(self, obj: bpy.types.Object) -> Switches:
        if not any(entry.used for entry in self.setup.entries):
            raise refused("No shape of the mouth chart has a drawing. Tick those that have one.")
        return SWITCHES[self.setup.how](obj, self.setup)

    def _instead(self) -> NDArray[np.int64]:
        """Return which entry (S,) shows each shape: its own, or that of the shape most like it."""
        import numpy as np
        from mouthpiece.motion.chart.names import stand_ins

        used = {entry.shape for entry in self.setup.entries if entry.used}
        return np.array(stand_ins(self.chart, [shape.name in used for shape in self.chart.shapes]))

    def _remarks(self) -> list[str]:
        names, instead = self.chart.names, self._instead()
        missing = [f"{name} by {names[k]}" for name, k in zip(names, instead, strict=True) if names[k] != name]
        return [f"Shapes without a drawing are shown as the nearest: {', '.join(missing)}"] if missing else []
