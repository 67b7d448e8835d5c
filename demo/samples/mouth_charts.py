"""Mouth chart: nine drawn mouths (Rhubarb's A to H and X), swapped on twos.

A cartoon face in grease pencil: the head on one layer, a mouth on each of nine frames of another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import cos, pi, sin
from typing import Any, Final

import bpy
import numpy as np
from numpy.typing import NDArray

from . import camera, studio

Points = NDArray[np.float32]

#: Fill and line colours, linear: None draws no line or no fill.
_COLOURS: Final[dict[str, tuple[tuple[float, float, float] | None, tuple[float, float, float] | None]]] = {
    "Hair": ((0.20, 0.07, 0.03), (0.09, 0.03, 0.015)),
    "Skin": ((0.83, 0.47, 0.28), (0.30, 0.11, 0.06)),
    "Cheek": ((0.78, 0.33, 0.20), None),
    "White": ((0.93, 0.92, 0.88), (0.30, 0.11, 0.06)),
    "Ink": ((0.03, 0.02, 0.02), None),
    "Line": (None, (0.18, 0.05, 0.03)),
    "Lip": ((0.56, 0.13, 0.11), None),
    "Dark": ((0.10, 0.012, 0.016), None),
    "Teeth": ((0.90, 0.88, 0.82), None),
    "Tongue": ((0.60, 0.15, 0.16), None),
}
_MOUTH_AT: Final = -0.62
#: Sub-panels that a screenshot of it shows open.
PANELS: Final = ("MOUTHPIECE_PT_chart",)


@dataclass(frozen=True, slots=True)
class Mouth:
    """A drawn mouth: half its width, how far it opens up and down, its roundness, and what is seen inside."""

    width: float
    up: float
    down: float
    round: float = 0.75
    teeth: float = 0.0
    lower: float = 0.0
    tongue: float = 0.0
    lips: float = 0.035


#: Rhubarb's mouths but for A, G, H and X, which are drawn from these by hand.
MOUTHS: Final = {
    "B": Mouth(0.30, 0.035, 0.06, 0.6, teeth=0.6, lower=0.4),
    "C": Mouth(0.29, 0.06, 0.15, 0.75, teeth=0.3, tongue=0.45),
    "D": Mouth(0.30, 0.09, 0.31, 0.85, teeth=0.17, tongue=0.5),
    "E": Mouth(0.19, 0.08, 0.15, 1.0, teeth=0.15, tongue=0.3, lips=0.05),
    "F": Mouth(0.085, 0.055, 0.075, 1.0, lips=0.075),
    "G": Mouth(0.26, 0.05, 0.03, 0.6, teeth=0.9),
    "H": Mouth(0.28, 0.06, 0.14, 0.75, teeth=0.28),
}


def build() -> str:
    """Draw the character, set its chart up and return its name."""
    studio(colour="MATERIAL", light="FLAT", backdrop=(0.16, 0.30, 0.38))
    scene: Any = bpy.context.scene
    scene.display.shading.show_object_outline = False
    blocks = bpy.data.grease_pencils_v3 if hasattr(bpy.data, "grease_pencils_v3") else bpy.data.grease_pencils
    data = blocks.new("Cartoon")
    obj: Any = bpy.data.objects.new("Cartoon", data)
    scene.collection.objects.link(obj)
    pen = Pen(data)
    _draw_head(pen.sheet("Head", 1))
    for frame, shape in enumerate("ABCDEFGHX", 1):
        _draw_mouth(pen.sheet("Mouth", frame), shape)
    camera((0, 0, 0.05), 3.0, side=0.0, flat=True)
    bpy.context.view_layer.objects.active = obj
    obj.select_set(True)
    obj.mouthpiece_chart.how = "DRAWINGS"
    if bpy.ops.mouthpiece.set_up_chart() != {"FINISHED"}:
        raise RuntimeError("The mouth chart was not set up; see the message above.")
    return str(obj.name)


class ChartSheet:
    """A drawing: shapes are laid on it one over another."""

    def __init__(self, drawing: Any, materials: dict[str, int]) -> None:
        """Draw into ``drawing`` with materials by name."""
        self._drawing, self._materials = drawing, materials

    def lay(self, points: Points, material: str, line: float = 0.02, closed: bool = True) -> None:
        """Add a stroke through ``points`` (N, 2): x to the right, y up; ``line`` is its thickness."""
        count = len(self._drawing.strokes)
        self._drawing.add_strokes([len(points)])
        stroke = self._drawing.strokes[count]
        stroke.cyclic, stroke.material_index = closed, self._materials[material]
        # The outline of a closed shape without a line of its own is drawn in its fill's colour: keep it thin.
        thin = _COLOURS[material][1] is None
        for point, (x, y) in zip(stroke.points, points.tolist(), strict=True):
            point.position = (x, 0.0, y)
            point.radius = 0.002 if thin else line
        if hasattr(stroke, "fill_id") and _COLOURS[material][0] is not None:
            stroke.fill_id = count + 1


class Pen:
    """A grease pencil data-block with its materials and layers."""

    def __init__(self, data: Any) -> None:
        """Give ``data`` the materials."""
        self._data = data
        self._materials: dict[str, int] = {}
        for number, (name, (fill, line)) in enumerate(_COLOURS.items()):
            material = bpy.data.materials.new(name)
            bpy.data.materials.create_gpencil_data(material)
            style: Any = material.grease_pencil
            style.show_fill, style.show_stroke = fill is not None, True
            style.fill_color = (*(fill or (0, 0, 0)), 1)
            style.color = (*(line or fill or (0, 0, 0)), 1)
            data.materials.append(material)
            self._materials[name] = number

    def sheet(self, layer: str, frame: int) -> ChartSheet:
        """Return a new drawing on that frame of a layer."""
        found = self._data.layers.get(layer) or self._data.layers.new(layer)
        found.use_lights = False
        return ChartSheet(found.frames.new(frame).drawing, self._materials)


def ellipse(x: float, y: float, width: float, height: float, count: int = 48, power: float = 1.0) -> Points:
    """Return an ellipse (count, 2) by its centre and half axes; a ``power`` under 1 makes it boxier."""
    turns = [2 * pi * k / count for k in range(count)]
    return np.array([(x + width * _bent(cos(t), power), y + height * _bent(sin(t), power)) for t in turns], np.float32)


def _bent(value: float, power: float) -> float:
    return float(np.sign(value) * abs(value) ** power)


def arc(left: Sequence[float], middle: Sequence[float], right: Sequence[float], count: int = 20) -> Points:
    """Return a curve (count, 2) from ``left`` to ``right`` that passes ``middle`` half way."""
    t = np.linspace(0, 1, count)[:, None]
    a, b, c = (np.array(p, np.float32) for p in (left, middle, right))
    pull = 2 * b - (a + c) / 2
    return ((1 - t) ** 2 * a + 2 * t * (1 - t) * pull + t**2 * c).astype(np.float32)


def _draw_head(sheet: ChartSheet) -> None:
    sheet.lay(ellipse(0, 0.30, 1.02, 1.02), "Hair", 0.02)
    for side in (-1, 1):
        sheet.lay(ellipse(side * 0.92, -0.05, 0.15, 0.22), "Skin", 0.018)
    sheet.lay(ellipse(0, -0.10, 0.90, 1.08, power=0.9), "Skin", 0.02)
    wide, parting = 0.96, (-0.35, 0.62)
    crown = arc((-wide, 0.16), (0.0, 1.24), (wide, 0.16))
    fringe = [arc((wide, 0.16), (0.42, 0.72), parting), arc(parting, (-0.72, 0.50), (-wide, 0.16))]
    sheet.lay(np.vstack([crown, *fringe]), "Hair", 0.014)
    for side in (-1, 1):
        sheet.lay(ellipse(side * 0.58, -0.36, 0.15, 0.10), "Cheek")
        sheet.lay(ellipse(side * 0.36, 0.12, 0.17, 0.21), "White", 0.014)
        sheet.lay(ellipse(side * 0.36 + 0.02, 0.10, 0.085, 0.11), "Ink")
        sheet.lay(ellipse(side * 0.36 + 0.05, 0.15, 0.028, 0.034), "Teeth")
        sheet.lay(arc((side * 0.54, 0.42), (side * 0.38, 0.50), (side * 0.20, 0.43)), "Line", 0.03, closed=False)
    sheet.lay(arc((-0.07, -0.16), (0.0, -0.24), (0.09, -0.15)), "Line", 0.018, closed=False)


def _draw_mouth(sheet: ChartSheet, shape: str) -> None:
    y = _MOUTH_AT
    if shape == "X":
        sheet.lay(arc((-0.24, y + 0.03), (0, y - 0.03), (0.24, y + 0.03)), "Line", 0.022, closed=False)
        sheet.lay(arc((-0.08, y - 0.13), (0, y - 0.15), (0.08, y - 0.13)), "Line", 0.012, closed=False)
        return
    if shape == "A":
        sheet.lay(ellipse(0, y - 0.005, 0.24, 0.052), "Lip")
        sheet.lay(arc((-0.25, y), (0, y - 0.006), (0.25, y)), "Line", 0.02, closed=False)
        return
    mouth = MOUTHS[shape]
    _draw_open(sheet, mouth)
    if shape == "G":  # the lower lip is tucked under the teeth
        edge = arc((-0.22, y - 0.012), (0, y - 0.004), (0.22, y - 0.012))
        sheet.lay(np.vstack([edge, arc((0.22, y - 0.03), (0, y - 0.10), (-0.22, y - 0.03))]), "Lip")
        sheet.lay(edge, "Line", 0.014, closed=False)
    if shape == "H":  # the tip of the tongue is up behind the teeth
        sheet.lay(ellipse(0, y - 0.045, 0.10, 0.10), "Tongue")


def _draw_open(sheet: ChartSheet, mouth: Mouth) -> None:
    """Draw lips, the dark between them, tongue, teeth, and the line around."""
    sheet.lay(_opening(mouth, mouth.lips), "Lip")
    inside = _opening(mouth, 0.0)
    sheet.lay(inside, "Dark")
    if mouth.tongue:
        low = _MOUTH_AT - mouth.down
        tongue = ellipse(0, low, 0.72 * mouth.width, mouth.tongue * (mouth.up + mouth.down))
        sheet.lay(_within(tongue, mouth), "Tongue")
    top, whole = _MOUTH_AT + mouth.up, mouth.up + mouth.down
    for share, edge in ((mouth.teeth, top), (mouth.lower, top - whole)):
        if share:
            side, end = mouth.width, (edge - share * whole if edge == top else edge + share * whole)
            corners = [(-side, edge), (side, edge), (side, end), (-side, end)]
            sheet.lay(_within(_sides(corners), mouth), "Teeth")
    sheet.lay(inside, "Line", 0.013)


def _opening(mouth: Mouth, grown: float, count: int = 48) -> Points:
    turns = np.arange(count) * 2 * pi / count
    x, y = np.cos(turns), np.sin(turns)
    height = np.where(y > 0, mouth.up + grown, mouth.down + grown)
    bent = np.sign(y) * np.abs(y) ** mouth.round
    return np.stack([(mouth.width + grown) * x, _MOUTH_AT + height * bent], axis=1).astype(np.float32)


def _sides(corners: Sequence[tuple[float, float]], count: int = 24) -> Points:
    ends = np.array([*corners, corners[0]], np.float32)
    steps = np.linspace(0, 1, count, endpoint=False)[:, None]
    return np.vstack([a + steps * (b - a) for a, b in pairwise(ends)]).astype(np.float32)


def _within(points: Points, mouth: Mouth) -> Points:
    """Return ``points`` drawn in to what lies inside the opening of the mouth."""
    x = np.clip(points[:, 0] / mouth.width, -1, 1)
    reach = np.sqrt(1 - x**2) ** mouth.round
    y = np.clip(points[:, 1], _MOUTH_AT - mouth.down * reach, _MOUTH_AT + mouth.up * reach)
    return np.stack([x * mouth.width, y], axis=1).astype(np.float32)
