"""Draws pins in the viewport: a dot on each pinned vertex, and while picking a diagram of the wanted landmark."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any, Final

import bpy
import numpy as np
from bpy_extras.view3d_utils import location_3d_to_region_2d

from ..shape_keys import keyed_mesh
from . import pins

_PINNED: Final = (0.25, 0.85, 0.45, 1.0)
_LIPS: Final = (0.95, 0.45, 0.4, 1.0)
_ASKED: Final = (1.0, 0.85, 0.1, 1.0)
_DOUBTFUL: Final = (1.0, 0.5, 0.0, 1.0)
_EMPTY: Final = (0.55, 0.55, 0.55, 1.0)
_PANEL: Final = (0.08, 0.08, 0.1, 0.75)
#: Radii of small and big dots, unit of the diagram, and its distance from the corner, in unscaled pixels.
_DOT, _BIG, _UNIT, _CORNER = 3.0, 5.5, 120.0, 24.0
_SIDES: Final = 12

_handles: list[Any] = []
_asked: list[int | None] = [None]


def ask(point: int | None) -> None:
    """Set the landmark that the user is asked to pick; None for none."""
    _asked[0] = point


def asked() -> int | None:
    """Return the landmark that the user is asked to pick, if any."""
    return _asked[0]


def places(obj: Any, graph: Any) -> dict[int, Any]:
    """Return the world position of each pinned landmark.

    It is on the mesh as modifiers leave it if they do not change the number of vertices, else on the mesh at rest.
    """
    found = pins.pins_of(obj).vertices
    shown = obj.evaluated_get(graph)
    same = shown.type == "MESH" and len(shown.data.vertices) == len(obj.data.vertices)
    rest = None if same else keyed_mesh.rest_of(obj.data)
    result = {}
    for point in np.flatnonzero(found >= 0).tolist():
        vertex = int(found[point])
        local = shown.data.vertices[vertex].co if rest is None else _vector(rest[vertex])
        result[point] = shown.matrix_world @ local
    return result


def _vector(values: Iterable[float]) -> Any:
    """Return numbers as a mathutils vector."""
    from mathutils import Vector

    return Vector([float(v) for v in values])


def disc(x: float, y: float, radius: float) -> list[tuple[float, float]]:
    """Return the corners of the triangles of a disc, three for each."""
    turns = np.linspace(0, 2 * np.pi, _SIDES + 1)
    rim = [(x + radius * float(np.cos(t)), y + radius * float(np.sin(t))) for t in turns]
    return [corner for a, b in pairwise(rim) for corner in ((x, y), a, b)]


def colour_of(point: int, pinned: bool, doubtful: bool = False) -> tuple[float, float, float, float]:
    """Return the RGBA colour in which a landmark is drawn."""
    if point == _asked[0]:
        return _ASKED
    if doubtful:
        return _DOUBTFUL
    if not pinned:
        return _EMPTY
    return _LIPS if point >= 48 else _PINNED


def _draw() -> None:
    """Draw the pins of the active object; Blender calls this at every redraw."""
    context = bpy.context
    obj: Any = context.active_object
    view = context.space_data
    if obj is None or obj.type != "MESH" or not view.overlay.show_overlays or not obj.visible_get():
        return
    stored = obj.mouthpiece_pins
    if not stored.show or not (len(stored.points) or _asked[0] is not None):
        return
    scale = context.preferences.system.ui_scale
    found = places(obj, context.evaluated_depsgraph_get())
    unsure = pins.doubtful(obj)
    discs: dict[tuple[float, float, float, float], list[tuple[float, float]]] = {}
    for point, place in found.items():
        at = location_3d_to_region_2d(context.region, view.region_3d, place)
        if at is not None:
            size = _BIG if point in (_asked[0], stored.active, *unsure) else _DOT
            discs.setdefault(colour_of(point, True, point in unsure), []).extend(disc(at.x, at.y, size * scale))
    if _asked[0] is not None:
        for colour, corners in _diagram(set(found), scale):
            discs.setdefault(colour, []).extend(corners)
    _fill(discs)


def _diagram(
    pinned: set[int], scale: float
) -> list[tuple[tuple[float, float, float, float], list[tuple[float, float]]]]:
    """Return the diagram in the lower left corner, as pairs of a colour and corners of triangles."""
    from mouthpiece.retarget.pins.names import DIAGRAM

    unit = _UNIT * scale
    left, bottom = _CORNER * scale, _CORNER * scale
    x0, y0 = left + 1.0 * unit, bottom + 1.4 * unit
    low, high = (left, bottom), (left + 2.0 * unit, bottom + 2.0 * unit)
    box = [low, (high[0], low[1]), high, low, high, (low[0], high[1])]
    parts = [(_PANEL, box)]
    for point, (x, y) in enumerate(DIAGRAM):
        size = _BIG if point == _asked[0] else _DOT
        parts.append((colour_of(point, point in pinned), disc(x0 + x * unit, y0 - y * unit, size * scale)))
    return parts


def _fill(discs: dict[tuple[float, float, float, float], list[tuple[float, float]]]) -> None:
    """Draw triangles, given as corners by colour."""
    import gpu
    from gpu_extras.batch import batch_for_shader

    shader = gpu.shader.from_builtin("UNIFORM_COLOR")
    gpu.state.blend_set("ALPHA")
    # transparent colours first, the wanted landmark last, so that it is on top
    for colour in sorted(discs, key=lambda c: (c[3] == 1.0, c == _ASKED)):
        batch = batch_for_shader(shader, "TRIS", {"pos": [(x, y, 0.0) for x, y in discs[colour]]})
        shader.bind()
        shader.uniform_float("color", colour)
        batch.draw(shader)
    gpu.state.blend_set("NONE")


def register() -> None:
    """Add the draw handler, unless Blender runs without an interface."""
    if not bpy.app.background:
        _handles.append(bpy.types.SpaceView3D.draw_handler_add(_draw, (), "WINDOW", "POST_PIXEL"))


def unregister() -> None:
    """Remove the draw handler."""
    while _handles:
        bpy.types.SpaceView3D.draw_handler_remove(_handles.pop(), "WINDOW")
    ask(None)
