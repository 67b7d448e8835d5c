"""The target for mouth charts: drawn mouths are swapped with the timing of hand-drawn animation."""

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
    from mouthpiece.retarget.coverage import Coverage
    from numpy.typing import NDArray

_SHOWN: Final = {
    "DRAWINGS": "drawings", "IMAGE": "pictures", "OBJECTS": "objects", "PROPERTY": "values of a property",
    "KEYS": "shape keys", "CELLS": "cells of a sheet",
}  # fmt: skip
_EXPOSED: Final = {1: "on ones", 2: "on twos", 3: "on threes", 4: "on fours"}


@dataclass(frozen=True, slots=True)
class Exposure:
    """Timing of mouths in frames of the scene.

    There is a new drawing at most every ``on`` frames. It stays at least ``hold`` frames, and comes ``lead`` frames
    before the sound.
    """

    on: int = 2
    hold: int = 2
    lead: float = 1.0


@dataclass(frozen=True, slots=True)
class ChartTarget:
    """A mouth chart, how it is shown, and its timing."""

    kind: ClassVar[str] = "CHART"

    object_name: str
    chart: MouthChart
    setup: Setup
    exposure: Exposure = Exposure()
    strength: float = 1.0

    @classmethod
    def of(cls, obj: bpy.types.Object, strength: float = 1.0) -> ChartTarget:
        """Return the target for an object's chart; raises RigError if none is set up, or something it shows is gone."""
        target = cls.asked(obj, strength)
        target._switches(obj)
        chart_settings.check_rows(obj, target.chart)
        return target

    @classmethod
    def asked(cls, obj: bpy.types.Object, strength: float = 1.0) -> ChartTarget:
        """Return the target for an object's settings, checking only that there is a table."""
        settings = obj.mouthpiece_chart
        if not settings.rows:
            raise refused(f"'{obj.name}' has no mouth chart. Under Mouth Chart choose a set and press Set Up.")
        exposure = Exposure(int(settings.exposure), settings.hold, round(settings.lead, 6))
        return cls(obj.name, chart_settings.chart_of(settings), chart_settings.setup_of(obj), exposure, strength)

    @classmethod
    def from_saved(cls, saved: Mapping[str, Any]) -> ChartTarget:
        """Return the target that :meth:`saved` described."""
        from mouthpiece.motion.chart.charts import chart_from

        try:
            how = dict(saved["setup"])
            entries = tuple(MouthEntry(**entry) for entry in how.pop("entries"))
            spares = tuple(map(str, how.pop("spares", ())))
            setup, exposure = Setup(entries=entries, spares=spares, **how), Exposure(**saved["exposure"])
            name, strength = str(saved["object_name"]), float(saved["strength"])
        except (KeyError, TypeError, ValueError) as error:
            raise refused("The mouth chart saved with the take is damaged. Animate the sound again.") from error
        return cls(name, chart_from(saved["chart"]), setup, exposure, strength)

    def saved(self) -> Mapping[str, Any]:
        """Return what :meth:`from_saved` needs, fit for JSON."""
        return {
            "kind": self.kind,
            "object_name": self.object_name,
            "strength": self.strength,
            "chart": self.chart.saved(),
            "setup": asdict(self.setup),
            "exposure": asdict(self.exposure),
        }

    def summary(self) -> str:
        """Return one line: the set, how many of its shapes have a drawing, how they are shown, and the timing."""
        used = sum(entry.used for entry in self.setup.entries)
        how = _EXPOSED.get(self.exposure.on, f"every {self.exposure.on} frames")
        return f"{self.chart.label}: {used} of {len(self.chart.shapes)} shapes as {_SHOWN[self.setup.how]}, {how}"

    def coverage(self) -> Coverage:
        """Return that the mouth is shown by its drawings, if there are two or more to choose from."""
        from mouthpiece.retarget.coverage import Coverage

        used = [entry.shape for entry in self.setup.entries if entry.used]
        lacking = dict.fromkeys(("lids", "gaze", "brows"), "a mouth chart shows mouths only")
        lacking |= dict.fromkeys(("teeth", "tongue"), "they are seen in its mouths if drawn there")
        if len(used) > 1:
            return Coverage({"mouth": tuple(used)}, lacking)
        return Coverage({}, {"mouth": "its chart has less than two shapes with a drawing", **lacking})

    @classmethod
    def owners(cls, obj: bpy.types.Object) -> list[bpy.types.ID]:
        """Return the data-blocks that the object's chart may switch."""
        return chart_settings.owners(obj)

    def drive(self, performance: Performance, grid: FrameGrid) -> Driven:
        """Return stepped curves for everything the chart switches."""
        import numpy as np
        from mouthpiece.curves import Curves

        obj = find_object(self.object_name)
        found = self._switches(obj)
        if self.setup.how == "IMAGE":
            check_pictures(obj, self.setup)
        shown = self._entry_of_shapes()[self._shapes(performance, grid)]
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
        """Show one shape now without keying anything; raises RigError if it is not in the chart."""
        if shape not in self.chart.names:
            raise refused(f"The mouth chart has no shape '{shape}'. It has: {', '.join(self.chart.names)}.")
        number = int(self._entry_of_shapes()[self.chart.names.index(shape)])
        for switch in self._switches(find_object(self.object_name)).switches:
            rna_values.put(switch.owner, switch.data_path, switch.index, switch.values[number])
            switch.owner.update_tag()

    def _shapes(self, performance: Performance, grid: FrameGrid) -> NDArray[np.int64]:
        """Return the index of the shape to show on each frame, (F,); a line's last drawing is the mouth at rest."""
        import numpy as np
        from mouthpiece.motion.chart.cues import Timing, choose

        on = self.exposure.on
        # On twos, drawings begin on odd frames whatever frame the line begins on, so that all lines are in step.
        begin = grid.first - (grid.first - 1) % on
        starts = np.arange(begin, grid.last + 1, on)
        seconds = np.float64(grid.offset) + (starts.astype(np.float64) - grid.origin) / grid.fps * grid.speed
        timing = Timing.of_frames(grid.fps / grid.speed, on, self.exposure.hold, self.exposure.lead)
        shown = choose(performance, self.chart, seconds, timing, self.strength)
        shown[-1] = self.chart.rest
        return np.repeat(shown, on)[grid.first - begin :][: grid.last - grid.first + 1]

    def _switches(self, obj: bpy.types.Object) -> Switches:
        """Return the properties to switch; raises RigError if no shape has a drawing."""
        if not any(entry.used for entry in self.setup.entries):
            raise refused("No shape of the mouth chart has a drawing. Tick those that have one.")
        return SWITCHES[self.setup.how](obj, self.setup)

    def _entry_of_shapes(self) -> NDArray[np.int64]:
        """Return the index of the entry that shows each shape, (S,): its own, or that of the most similar shape."""
        import numpy as np
        from mouthpiece.motion.chart.names import stand_ins

        used = {entry.shape for entry in self.setup.entries if entry.used}
        return np.array(stand_ins(self.chart, [shape.name in used for shape in self.chart.shapes]))

    def _remarks(self) -> list[str]:
        """Return a remark on shapes that are shown by the drawing of another."""
        names, instead = self.chart.names, self._entry_of_shapes()
        missing = [f"{name} by {names[k]}" for name, k in zip(names, instead, strict=True) if names[k] != name]
        return [f"Shapes without a drawing are shown as the nearest: {', '.join(missing)}"] if missing else []
