"""Grease Pencil: a cartoon face drawn by script, on twos.

Its mouth is drawn open, with teeth and tongue in it: it is shut where nothing is said.
"""

from __future__ import annotations

from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from addon import compat
from addon.targets.grease_pencil import handles, planes
from addon.targets.grease_pencil import settings as drawing_settings

from . import camera, studio

PANELS = ("MOUTHPIECE_PT_strokes",)

Points = NDArray[np.float64]

INK = (0.018, 0.010, 0.014)
#: Name, line and fill (None: none) of each material, in linear colours.
MATERIALS: dict[str, tuple[Any, Any]] = {
    "Ink": (INK, None),
    "Skin": (INK, (0.87, 0.52, 0.36)),
    "Blush": (None, (0.82, 0.36, 0.27)),
    "Hair": (INK, (0.16, 0.05, 0.035)),
    "White": (INK, (0.93, 0.92, 0.88)),
    "Iris": (INK, (0.09, 0.33, 0.25)),
    "Black": (None, (0.02, 0.015, 0.02)),
    "Glint": (None, (1.0, 1.0, 1.0)),
    "Lips": (INK, (0.60, 0.16, 0.14)),
    "Mouth": (None, (0.13, 0.02, 0.03)),
    "Tongue": (None, (0.68, 0.18, 0.19)),
    "Teeth": (None, (0.95, 0.94, 0.90)),
    "Shirt": (INK, (0.11, 0.22, 0.40)),
}
#: Half the width, upper and lower height of an eye, and where the right one of the character is.
EYE = (0.205, 0.165, 0.165)
EYE_AT = np.array([-0.36, 0.16])


def ellipse(
    centre: Any, width: float, height: float, start: float = 0.0, end: float = 360.0, count: int = 40
) -> Points:
    """Return part of an ellipse, angles in degrees from the right, counter-clockwise."""
    angle = np.radians(np.linspace(start, end, count, endpoint=abs(end - start) < 360))
    arc: Points = np.asarray(centre) + np.stack([width * np.cos(angle), height * np.sin(angle)], axis=1)
    return arc


def smooth(points: Any, closed: bool = False, steps: int = 8) -> Points:
    """Return a Catmull-Rom curve through ``points`` (N, 2)."""
    given = np.asarray(points, np.float64)
    ends = (given[-1:], given[:2]) if closed else (2 * given[:1] - given[1:2], 2 * given[-1:] - given[-2:-1])
    wide = np.concatenate([ends[0], given, ends[1]])
    t = (np.arange(steps) / steps)[:, None]
    parts = []
    for k in range(len(wide) - 3):
        p0, p1, p2, p3 = wide[k : k + 4]
        cubic = -p0 + 3 * p1 - 3 * p2 + p3
        parts.append(0.5 * (2 * p1 + (p2 - p0) * t + (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2 + cubic * t**3))
    curve: Points = np.concatenate(parts if closed else [*parts, given[-1:]])
    return curve


def mirrored(points: Points) -> Points:
    """Return ``points`` on the other side of the face."""
    return points * np.array([-1.0, 1.0])


def shifted(points: Points, right: float, up: float = 0.0) -> Points:
    """Return ``points`` moved."""
    return points + np.array([right, up])


def both(points: Points) -> list[Points]:
    """Return ``points``, drawn on the character's right, and their mirror image."""
    return [points, mirrored(points)]


class DrawingSheet:
    """A Grease Pencil that strokes are added to, layer by layer, in the front view."""

    def __init__(self, name: str) -> None:
        """Make it, with its materials."""
        self.data = compat.grease_pencils().new(name)
        self.object: Any = bpy.data.objects.new(name, self.data)
        bpy.context.scene.collection.objects.link(self.object)
        for label, (line, fill) in MATERIALS.items():
            material: Any = bpy.data.materials.new(f"{name} {label}")
            bpy.data.materials.create_gpencil_data(material)
            style = material.grease_pencil
            style.color, style.fill_color = (*(line or INK), 1.0), (*(fill or INK), 1.0)
            self.data.materials.append(material)

    def layer(self, name: str, strokes: list[tuple[Points, str, float, bool]]) -> None:
        """Add a layer of strokes: points (N, 2), material, width of the line, whether it is closed."""
        layer = self.data.layers.new(name, set_active=True)
        layer.use_lights = False
        drawing = layer.frames.new(1).drawing
        drawing.add_strokes([len(points) for points, *_ in strokes])
        flat = np.concatenate([points for points, *_ in strokes])
        places = np.stack([flat[:, 0], 0 * flat[:, 0], flat[:, 1]], axis=1).astype(np.float32)
        drawing.attributes["position"].data.foreach_set("vector", places.ravel())
        radii = np.concatenate([self._radii(points, width, closed) for points, _, width, closed in strokes])
        radius = drawing.attributes.get("radius") or drawing.attributes.new("radius", "FLOAT", "POINT")
        radius.data.foreach_set("value", radii.astype(np.float32))
        names = list(MATERIALS)
        for number, (_, material, _, closed) in enumerate(strokes):
            stroke = drawing.strokes[number]
            stroke.material_index, stroke.cyclic = names.index(material), closed
            line, fill = MATERIALS[material]
            style = self.data.materials[stroke.material_index].grease_pencil
            compat.show_stroke(stroke, style, line is not None, 0 if fill is None else number + 1)
        drawing.tag_positions_changed()

    @staticmethod
    def _radii(points: Points, width: float, closed: bool) -> Points:
        """Return a pen's pressure along a stroke: open ones taper."""
        if closed:
            return np.full(len(points), width)
        taper: Points = width * (0.25 + 0.75 * np.sin(np.pi * np.linspace(0.02, 0.98, len(points))) ** 0.6)
        return taper


def outline() -> Points:
    """Return the head's outline from its right temple over the chin to its left temple (17, 2): the jaw's landmarks."""
    half = np.array([
        (-0.86, 0.16), (-0.86, -0.06), (-0.83, -0.27), (-0.77, -0.47), (-0.67, -0.65), (-0.54, -0.80), (-0.37, -0.92),
        (-0.19, -0.99),
    ])  # fmt: skip
    whole: Points = np.concatenate([half, [(0.0, -1.01)], mirrored(half)[::-1]])
    return whole


def lids(centre: Points) -> tuple[Points, Points]:
    """Return the upper and the lower lid of an eye, from its left to its right end."""
    wide, high, low = EYE
    upper = ellipse(centre, wide, high, 180, 0, 25)
    lower = ellipse(centre, wide, low, 180, 360, 25)
    return upper, lower


def mouth_lines() -> tuple[Points, Points]:
    """Return the upper and the lower rim of the open mouth, from its left to its right corner."""
    upper = smooth([(-0.31, -0.455), (-0.17, -0.475), (0.0, -0.487), (0.17, -0.475), (0.31, -0.455)])
    lower = smooth([(-0.31, -0.455), (-0.19, -0.62), (0.0, -0.70), (0.19, -0.62), (0.31, -0.455)])
    return upper, lower


def at(line: Points, shares: list[float]) -> Points:
    """Return the points of a line at shares of its width."""
    x = line[0, 0] + np.array(shares) * (line[-1, 0] - line[0, 0])
    found: Points = np.stack([x, np.interp(x, line[:, 0], line[:, 1])], axis=1)
    return found


def landmarks() -> Points:
    """Return the face's 68 points (68, 2), y up."""
    thirds, inner = [0.0, 0.3, 0.7, 1.0], [0.0, 0.25, 0.5, 0.75, 1.0]
    eyes = []
    for centre in (EYE_AT, mirrored(EYE_AT)):
        upper, lower = lids(centre)
        eyes += [at(upper, thirds), at(lower, thirds)[2:0:-1]]
    upper, lower = mouth_lines()
    brow = at(brow_line(), [0.0, 0.25, 0.5, 0.75, 1.0])
    over = [(-0.02, 0.0), (0.0, 0.04), (0.0, 0.055), (0.0, 0.05), (0.0, 0.055), (0.0, 0.04), (0.02, 0.0)]
    under = [(0.01, -0.04), (0.0, -0.06), (0.0, -0.07), (0.0, -0.06), (-0.01, -0.04)]
    lip_up = at(upper, [0.0, 1 / 6, 2 / 6, 0.5, 4 / 6, 5 / 6, 1.0]) + np.array(over)
    lip_low = at(lower, [5 / 6, 4 / 6, 0.5, 2 / 6, 1 / 6]) + np.array(under)
    nose = np.array([
        (0, 0.06), (0, -0.02), (0, -0.10), (0, -0.17), (-0.1, -0.23), (-0.05, -0.26), (0, -0.27), (0.05, -0.26),
        (0.1, -0.23),
    ])  # fmt: skip
    return np.concatenate([
        outline(), brow, mirrored(brow)[::-1], nose, *eyes, lip_up, lip_low,
        at(upper, inner), at(lower, inner)[3:0:-1],
    ])  # fmt: skip


def brow_line() -> Points:
    """Return the character's right brow, from outside to inside."""
    return smooth([(-0.63, 0.48), (-0.52, 0.555), (-0.38, 0.575), (-0.25, 0.545), (-0.15, 0.50)])


def draw(sheet: DrawingSheet) -> None:
    """Draw the character, from back to front."""
    fringe = smooth([(-0.93, 0.30), (-0.80, 0.52), (-0.70, 0.78), (-0.42, 0.70), (-0.28, 0.86), (0.02, 0.74),
                     (0.22, 0.88), (0.45, 0.70), (0.68, 0.80), (0.80, 0.52), (0.93, 0.30), (1.00, 0.72), (0.74, 1.17),
                     (0.22, 1.30), (-0.02, 1.24), (-0.28, 1.33), (-0.78, 1.14), (-1.02, 0.7)], closed=True)  # fmt: skip
    back = smooth([(-0.98, 0.85), (-1.04, 0.25), (-0.94, -0.28), (-0.60, -0.45), (0.60, -0.45), (0.94, -0.28),
                   (1.04, 0.25), (0.98, 0.85), (0.0, 1.20)], closed=True)  # fmt: skip
    head = smooth([*outline(), (0.84, 0.55), (0.55, 0.98), (0.0, 1.12), (-0.55, 0.98), (-0.84, 0.55)], closed=True)
    ear = smooth([(-0.84, 0.14), (-0.98, 0.18), (-1.03, 0.0), (-0.95, -0.20), (-0.83, -0.20)], closed=True)
    shirt = smooth([(-0.30, -1.18), (-0.95, -1.38), (-1.12, -1.75), (1.12, -1.75), (0.95, -1.38), (0.30, -1.18),
                    (0.0, -1.30)], closed=True)  # fmt: skip
    neck = smooth([(-0.30, -0.75), (-0.31, -1.22), (0.0, -1.36), (0.31, -1.22), (0.30, -0.75)], closed=True)
    sheet.layer("Body", [(neck, "Skin", 0.012, True), (shirt, "Shirt", 0.014, True)])
    sheet.layer("Hair Back", [(back, "Hair", 0.014, True)])
    sheet.layer("Ears", [(line, "Skin", 0.012, True) for line in both(ear)])
    sheet.layer("Head", [(head, "Skin", 0.015, True)])
    _draw_mouth(sheet)
    _draw_eyes(sheet)
    nose = smooth([(0.03, 0.0), (0.075, -0.14), (0.11, -0.22), (0.05, -0.27), (-0.05, -0.265)])
    sheet.layer("Nose", [(nose, "Ink", 0.012, False)])
    sheet.layer("Hair", [(fringe, "Hair", 0.015, True)])
    thick = np.concatenate([brow_line(), shifted(brow_line()[::-1], 0.0, 0.055)])
    sheet.layer("Brows", [(line, "Hair", 0.006, True) for line in both(thick)])


def _draw_mouth(sheet: DrawingSheet) -> None:
    upper, lower = mouth_lines()
    rim = np.concatenate([upper, lower[-2:0:-1]])
    full = np.array([0.0, 0.055]) * _bulge(lower)[-2:0:-1]
    lips = np.concatenate([upper, lower[-2:0:-1] - full])
    gums, edge = at(upper, [0.08, 0.3, 0.5, 0.7, 0.92]), at(upper, [0.88, 0.7, 0.5, 0.3, 0.12])
    teeth = np.concatenate([gums, shifted(edge, 0.0, -0.07)])
    tongue = ellipse((0.0, -0.63), 0.14, 0.055)
    sheet.layer("Lips", [(lips, "Lips", 0.008, True)])
    sheet.layer("Mouth", [(rim, "Mouth", 0.010, True)])
    sheet.layer("Tongue", [(tongue, "Tongue", 0.004, True)])
    sheet.layer("Teeth", [(teeth, "Teeth", 0.004, True)])
    sheet.layer("Mouth Line", [(rim, "Ink", 0.010, True)])


def _bulge(line: Points) -> Points:
    """Return how full a lip is along its line (N, 1): nothing at the corners."""
    share = (line[:, 0] - line[0, 0]) / (line[-1, 0] - line[0, 0])
    full: Points = np.sin(np.pi * share)[:, None] ** 0.7
    return full


def _draw_eyes(sheet: DrawingSheet) -> None:
    upper, lower = lids(EYE_AT)
    white = np.concatenate([upper, lower[-2:0:-1]])
    look = shifted(EYE_AT, 0.03, -0.005)
    iris, pupil = ellipse(look, 0.105, 0.125), ellipse(look, 0.055, 0.07)
    glint = ellipse(shifted(look, 0.035, 0.05), 0.026, 0.03, count=16)
    other = [shifted(line, 0.66) for line in (iris, pupil, glint)]
    lash = np.concatenate([[shifted(EYE_AT, -0.25, 0.035)], upper])
    crease = ellipse(shifted(EYE_AT, 0.0, 0.02), 0.2, 0.215, 150, 40, 20)
    cheek = ellipse((-0.55, -0.23), 0.13, 0.07)
    sheet.layer("Cheeks", [(line, "Blush", 0.0, True) for line in both(cheek)])
    sheet.layer("Eyes", [(line, "White", 0.006, True) for line in both(white)])
    sheet.layer("Pupils", [(line, name, 0.006, True) for lines in ([iris, pupil, glint], other)
                           for line, name in zip(lines, ("Iris", "Black", "Glint"), strict=True)])  # fmt: skip
    sheet.layer(
        "Lids",
        [(line, "Ink", 0.02, False) for line in both(lash)] + [(line, "Ink", 0.006, False) for line in both(crease)],
    )


def show() -> None:
    """Show the handles of the mouth, on the drawing before the line."""
    bpy.context.scene.frame_set(0)
    bpy.ops.mouthpiece.edit_handles(feature="MOUTH")


def build() -> str:
    """Draw the face, lay its handles on it, and set the camera up."""
    sheet = DrawingSheet("Cartoon")
    draw(sheet)
    obj = sheet.object
    handles.make(obj, landmarks() * np.array([1.0, -1.0]), planes.front())
    drawing_settings.list_layers(obj)
    obj.mouthpiece_strokes.timing = "TWOS"
    studio(light="FLAT", backdrop=(0.42, 0.62, 0.66))
    camera((0.0, 0.0, -0.12), 3.1, side=0.0, flat=True)
    return str(obj.name)
