"""Measures what is drawn: mouths of a chart by the shape that shows, Grease Pencil faces by the points of strokes."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Final

import bpy
import numpy as np
from mouthpiece.motion.closures import LOWER, UPPER
from mouthpiece.motion.measures import LIP_WIDTH
from mouthpiece.topology import (
    INNER_LIP_BOTTOM,
    INNER_LIP_TOP,
    LEFT_EYE_OUTER,
    LEFT_LID_PAIRS,
    MOUTH_LEFT_CORNER,
    MOUTH_RIGHT_CORNER,
    RIGHT_EYE_OUTER,
    RIGHT_LID_PAIRS,
)  # fmt: skip
from numpy.typing import NDArray

from ..keys import rna_values
from ..targets import find_object
from ..targets.grease_pencil import frames as drawing_frames
from ..targets.grease_pencil import handles, planes
from ..targets.grease_pencil import settings as drawing_settings
from ..targets.mouth_chart.setup import Switch
from ..targets.mouth_chart.switches import SWITCHES
from ..targets.mouth_chart.target import ChartTarget
from .evaluation import SeenTracks

#: How near points of strokes are to a handle, in eye distances, to be those of its lip or lid.
_NEAR: Final = 0.1
#: Columns of a mouth's measures (:data:`mouthpiece.motion.measures.MEASURES`).
_GAP, _WIDTH = 0, 1
#: An eye drawn no higher than this, in eye distances, cannot be seen to shut.
_SLIT: Final = 0.03

#: Outer border of the lower lip's red in its middle.
_LIP_BOTTOM: Final = 57
#: Landmarks of each measure of a drawn face: three columns of the lips, the corners, two columns of each eye's lids,
#: and the inner and the outer border of the lower lip.
_SETS: Final = (
    *zip(UPPER, LOWER, strict=True),
    (MOUTH_LEFT_CORNER,),
    (MOUTH_RIGHT_CORNER,),
    *LEFT_LID_PAIRS,
    *RIGHT_LID_PAIRS,
    (INNER_LIP_BOTTOM,),
    (_LIP_BOTTOM,),
)
#: Rows of these two, and the landmarks a point of them must not be nearer to.
_INNER, _OUTER = len(_SETS) - 2, len(_SETS) - 1
_BESIDE: Final = {_INNER: (_LIP_BOTTOM,), _OUTER: (INNER_LIP_TOP, INNER_LIP_BOTTOM)}


@dataclass(slots=True, eq=False)
class ChartGauge:
    """Reads which mouth of a chart shows."""

    target: ChartTarget
    switches: tuple[Switch, ...]
    openings: NDArray[np.float64]
    widths: NDArray[np.float64]
    _shown: list[int] = field(default_factory=list)

    @classmethod
    def of(cls, target: ChartTarget) -> ChartGauge:
        """Return the gauge of a chart; raises RigError if something that it shows is gone."""
        from mouthpiece.motion.chart.visemes import reading

        found = SWITCHES[target.setup.how](find_object(target.object_name), target.setup)
        shares = target.chart.affinities().astype(np.float64)
        measured = shares / np.maximum(shares.sum(axis=1, keepdims=True), 1e-9) @ reading().prototypes
        rest = measured[target.chart.rest]
        order = [target.chart.names.index(entry.shape) for entry in target.setup.entries]
        return cls(
            target, tuple(found.switches), np.maximum(measured[:, _GAP] - rest[_GAP], 0)[order],
            (measured[:, _WIDTH] + LIP_WIDTH)[order],
        )  # fmt: skip

    def ready(self, lent: ExitStack) -> list[bpy.types.Object]:
        """Return the object, and those whose properties are switched."""
        owners = [switch.owner for switch in self.switches]
        found = [find_object(self.target.object_name), *(one for one in owners if isinstance(one, bpy.types.Object))]
        return list(dict.fromkeys(found))

    def read(self, graph: bpy.types.Depsgraph, frame: int) -> None:
        """Note which entry the values of the switched properties fit best; evaluation has written them back."""
        now = np.array([self._value(switch, graph, frame) for switch in self.switches])
        values = np.array([switch.values for switch in self.switches])
        apart = np.nan_to_num(np.abs(values - now[:, None]), nan=np.inf).sum(axis=0)
        self._shown.append(int(apart.argmin()))

    def tracks(self) -> SeenTracks:
        """Return how far open and how wide the mouths are that showed."""
        remark = f"'{self.target.object_name}' has a mouth chart: lids, gaze and head are not measured"
        shown = np.array(self._shown, np.int64)
        opening, width = self.openings[shown].astype(np.float32), self.widths[shown].astype(np.float32)
        return SeenTracks(opening, width, remarks=(remark,))

    def _value(self, switch: Switch, graph: bpy.types.Depsgraph, frame: int) -> float:
        """Return a property's value; of what is not evaluated with objects, such as nodes, that of its curve."""
        if isinstance(switch.owner, bpy.types.Object):
            return rna_values.get(switch.owner.evaluated_get(graph), switch.data_path, switch.index)
        return rna_values.get(switch.owner, switch.data_path, switch.index)


@dataclass(slots=True, eq=False)
class _LayerPoints:
    """Points of a layer's strokes that belong to lips and lids, by the number of points of the drawings."""

    layer: Any
    matrix: NDArray[np.float64]
    frames: list[int]
    drawings: dict[int, Any]
    source: list[int]
    sets: dict[tuple[int, int], list[NDArray[np.int64]]] = field(default_factory=dict)
    known: dict[int, NDArray[np.float64]] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class DrawingGauge:
    """Reads strokes near the handles of lips and lids, on the drawing that each layer shows."""

    object: bpy.types.Object
    marks: NDArray[np.float64]
    _layers: list[_LayerPoints] = field(default_factory=list)
    _rows: list[NDArray[np.float64]] = field(default_factory=list)

    @classmethod
    def of(cls, obj: bpy.types.Object) -> DrawingGauge:
        """Return the gauge of a drawn face; raises RigError if its handles cannot be used."""
        return cls(obj, handles.read(obj))

    def ready(self, lent: ExitStack) -> list[bpy.types.Object]:
        """Return the drawing; the strokes are looked at anew."""
        self._layers = []
        for layer, _ in drawing_settings.parts_of(self.object):
            drawn = {f: (one.drawing, one.keyframe_type) for f, one in drawing_frames.table(layer).items()}
            if drawn:
                order = sorted(drawn)
                own = [frame for frame in order if drawn[frame][1] != "GENERATED"] or order[:1]
                matrix = planes.layer_matrix(self.object, layer)
                one = _LayerPoints(layer, matrix, order, {frame: drawn[frame][0] for frame in order}, own)
                if any(self._is_near(one, frame) for frame in own):
                    self._layers.append(one)
        return [self.object]

    def read(self, graph: bpy.types.Depsgraph, frame: int) -> None:
        """Note how high each column of lips and lids is, and where the corners are."""
        shown = self.object.evaluated_get(graph).data.layers
        low, high = np.full((len(_SETS), 2), np.inf), np.full((len(_SETS), 2), -np.inf)
        for one in self._layers:
            layer = shown.get(one.layer.name)
            at = bisect.bisect_right(one.frames, frame) - 1
            if layer is None or layer.hide or layer.opacity <= 0 or at < 0:
                continue
            number = one.frames[at]
            if number not in one.known:
                one.known[number] = self._measured(one, number)
            low, high = np.minimum(low, one.known[number][0]), np.maximum(high, one.known[number][1])
        self._rows.append(np.stack([low, high]))

    def tracks(self) -> SeenTracks:
        """Return what the strokes did."""
        name = self.object.name
        seen = np.array(self._rows)
        if not len(seen):
            return SeenTracks()
        unit = float(np.linalg.norm(self.marks[LEFT_EYE_OUTER] - self.marks[RIGHT_EYE_OUTER])) or 1.0
        high = (seen[:, 1, :, 1] - seen[:, 0, :, 1]) / unit
        high[~np.isfinite(high)] = np.nan
        remarks = [f"'{name}' is drawn: gaze and head are not measured"]
        opening = width = lids = None
        lips = high[:, :3]
        if np.isfinite(lips).any(axis=1).all():
            mean = np.nanmean(lips, axis=1)
            opening = np.maximum(mean - self._least(mean), 0).astype(np.float32)
        else:
            remarks.append(f"No stroke of '{name}' lies at the handles of its lips on every frame: not measured")
        corners = seen[:, :, 3:5, 0].mean(axis=1)
        if np.isfinite(corners).all():
            width = (np.abs(corners[:, 0] - corners[:, 1]) / unit).astype(np.float32)
        red = (seen[:, 0, _INNER, 1] - seen[:, 0, _OUTER, 1]) / unit
        eyes = high[:, 5:9].reshape(len(high), 2, 2)
        if np.isfinite(eyes).any(axis=2).all():
            wide = np.nanmean(eyes, axis=2)
            usual = np.percentile(wide, 80, axis=0)
            if (usual > _SLIT).all():
                lids = np.clip(1 - wide / usual, 0, 1).astype(np.float32)
        return SeenTracks(
            opening, width, lids, remarks=tuple(remarks), red=red.astype(np.float32) if np.isfinite(red).all() else None
        )

    @staticmethod
    def _least(values: NDArray[np.float64]) -> float:
        """Return the height of a shut mouth: lips have a width of their own."""
        return float(np.percentile(values, 2))

    def _measured(self, one: _LayerPoints, number: int) -> NDArray[np.float64]:
        """Return the lowest and highest places (2, N, 2) of the points at each set of landmarks in a drawing."""
        plane = planes.from_numbers(self.object.mouthpiece_strokes.plane)
        drawing = one.drawings[number]
        flat = plane.flat(planes.applied(one.matrix, planes.vectors(drawing, "position").astype(np.float64)))
        source = one.source[max(0, bisect.bisect_right(one.source, number) - 1)]
        place = source, len(flat)
        if place not in one.sets:
            one.sets[place] = self._nearby(one, source, drawing, plane)
        found = np.stack([np.full((len(_SETS), 2), np.inf), np.full((len(_SETS), 2), -np.inf)])
        for row, index in enumerate(one.sets[place]):
            if len(index):
                found[0, row], found[1, row] = flat[index].min(axis=0), flat[index].max(axis=0)
        return found

    def _apart(self, points: NDArray[np.float64], landmarks: Sequence[int]) -> NDArray[np.float64]:
        """Return how far points (N, 2) are from the handles of L landmarks, (N, L)."""
        return np.asarray(np.linalg.norm(points[:, None] - self.marks[list(landmarks)][None], axis=2), np.float64)

    def _is_near(self, one: _LayerPoints, frame: int) -> bool:
        """Return whether the user's own drawing on a frame has points of lips or lids."""
        plane = planes.from_numbers(self.object.mouthpiece_strokes.plane)
        return any(len(index) for index in self._nearby(one, frame, one.drawings[frame], plane))

    def _nearby(self, one: _LayerPoints, source: int, drawing: Any, plane: planes.Plane) -> list[NDArray[np.int64]]:
        """Return the points of drawings like ``drawing`` that lie near each set of landmarks in the user's own drawing.

        Lines that became shapes have each point twice: their places at rest are read from strokes of the same number.
        """
        own = plane.flat(
            planes.applied(one.matrix, planes.vectors(one.drawings[source], "position").astype(np.float64))
        )
        sizes, now = np.diff(planes.offsets(one.drawings[source])), np.diff(planes.offsets(drawing))
        if len(sizes) != len(now):
            return [np.zeros(0, np.int64) for _ in _SETS]
        parts, begin = [], 0
        for before, after in zip(sizes.tolist(), now.tolist(), strict=True):
            stroke = np.arange(begin, begin + before)
            parts.append(stroke if after == before else np.concatenate([stroke, stroke[::-1]])[:after])
            begin += before
        rest = own[np.concatenate(parts)] if parts else own[:0]
        unit = float(np.linalg.norm(self.marks[LEFT_EYE_OUTER] - self.marks[RIGHT_EYE_OUTER])) or 1.0
        found = []
        for row, landmarks in enumerate(_SETS):
            apart = self._apart(rest, landmarks)
            near = (apart < _NEAR * unit).any(axis=1)
            if row in _BESIDE:
                near &= apart.min(axis=1) < self._apart(rest, _BESIDE[row]).min(axis=1)
            found.append(np.flatnonzero(near))
        return found
