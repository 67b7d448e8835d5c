"""Where a new character stands so that it is seen, and the views that show it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import bpy
from bpy_extras.object_utils import world_to_camera_view
from mathutils import Euler, Vector

#: Types of objects with a body that can hide another.
_BODIES: Final = frozenset(
    ("MESH", "CURVE", "CURVES", "SURFACE", "FONT", "META", "VOLUME", "POINTCLOUD", "GREASEPENCIL", "ARMATURE")
)
#: Directions in which a free place is looked for: beside first, then before and behind, as characters look along -Y.
_WAYS: Final = (Vector((1, 0, 0)), Vector((-1, 0, 0)), Vector((0, -1, 0)), Vector((0, 1, 0)))
#: Gap to what stands around, as a share of the character's size.
_GAP: Final = 0.25
#: What is so many times larger than the character, or flatter than this share of its width, is surroundings: a
#: character may stand in them (a room, a sky) or on them (a floor).
_SURROUNDINGS: Final = 40.0
_FLAT: Final = 0.02
#: Share of the direction along +Y that a view needs to show a face, and the view that is taken if it has less.
_FRONTAL: Final = 0.75
_FRONT: Final = Euler((1.4, 0.0, 0.35))
#: Steps in one direction after which no free place is looked for any more.
_STEPS: Final = 64


class Extent(NamedTuple):
    """A box along the axes of the world: its lowest and its highest corner."""

    low: Vector
    high: Vector

    def moved(self, by: Vector) -> Extent:
        """Return the box at another place."""
        return Extent(self.low + by, self.high + by)

    def grown(self, by: float) -> Extent:
        """Return the box with a margin all around."""
        margin = Vector((by, by, by))
        return Extent(self.low - margin, self.high + margin)

    def meets(self, other: Extent) -> bool:
        """Return whether two boxes overlap."""
        return all(self.low[k] < other.high[k] and other.low[k] < self.high[k] for k in range(3))

    @property
    def size(self) -> Vector:
        """Lengths of its sides."""
        return self.high - self.low

    @property
    def middle(self) -> Vector:
        """Its centre."""
        return (self.low + self.high) / 2


def box_of(obj: bpy.types.Object) -> Extent | None:
    """Return an object's box in the world; None if it has no extent."""
    corners = [obj.matrix_world @ Vector(corner) for corner in obj.bound_box]
    box = Extent(*(Vector(pick(corner[k] for corner in corners) for k in range(3)) for pick in (min, max)))
    return box if max(box.size) > 0 else None


def free_place(context: bpy.types.Context, body: Extent, own: bpy.types.Object | None = None) -> Vector:
    """Return where a new character may stand: at the 3D cursor, or, if that is taken, beside what stands there.

    ``body`` is its box with its origin at the world's, ``own`` its object if it is in the scene already. Of the free
    places next to the cursor one is taken that the scene's camera sees, if there is one. Nothing is moved.
    """
    context.view_layer.update()
    others = [obj for obj in context.view_layer.objects if obj != own and _is_in_the_way(obj)]
    around = [box for obj in others for box in [box_of(obj)] if box]
    floors, bodies = _sorted(around, body)
    places = [_raised(place, body, floors) for place in _free_places(context.scene.cursor.location, body, bodies)]
    return next((place for place in places if _is_seen(context, body.moved(place))), places[0])


def _is_in_the_way(obj: bpy.types.Object) -> bool:
    """Return whether an object can hide a character."""
    return obj.type in _BODIES and obj.visible_get() and obj.display_type not in ("WIRE", "BOUNDS")


def _sorted(around: Sequence[Extent], body: Extent) -> tuple[list[Extent], list[Extent]]:
    """Return what one may stand on, and what one may not stand in; rooms and skies are neither."""
    size = max(body.size)
    floors = [box for box in around if box.size.z < _FLAT * max(box.size.x, box.size.y)]
    rest = [box for box in around if box not in floors and max(box.size) < _SURROUNDINGS * size]
    return floors, rest


def _free_places(start: Vector, body: Extent, bodies: Sequence[Extent]) -> list[Vector]:
    """Return places where the body meets nothing: in each direction the nearest to the start, or the start itself."""
    gap = _GAP * max(body.size)
    free = [_pushed(start, way, body, bodies, gap) for way in _WAYS]
    return [place for place in free if place is not None] or [start.copy()]


def _pushed(start: Vector, way: Vector, body: Extent, bodies: Sequence[Extent], gap: float) -> Vector | None:
    """Return the first place from ``start`` on in a direction where the body meets nothing; None if there is none."""
    place = start.copy()
    axis = 0 if way.x else 1
    for _ in range(_STEPS):
        here = body.moved(place)
        hit = next((box for box in bodies if here.meets(box)), None)
        if hit is None:
            return place
        edge = hit.low[axis] - here.high[axis] if way[axis] < 0 else hit.high[axis] - here.low[axis]
        place[axis] += edge + (gap if way[axis] > 0 else -gap)
    return None


def _raised(place: Vector, body: Extent, floors: Sequence[Extent]) -> Vector:
    """Return a place lifted onto the floors that would cut through the body."""
    here = body.moved(place)
    tops = [floor.high.z for floor in floors if here.grown(1e-4).meets(floor)]
    lift = max((top - here.low.z for top in tops), default=0.0)
    return place + Vector((0, 0, max(0.0, lift)))


def _is_seen(context: bpy.types.Context, body: Extent) -> bool:
    """Return whether the scene's camera sees the middle of a body, with nothing before it; True without a camera."""
    scene, camera = context.scene, context.scene.camera
    if camera is None or camera.type != "CAMERA":
        return True
    seen = world_to_camera_view(scene, camera, body.middle)
    if not (0.02 < seen.x < 0.98 and 0.02 < seen.y < 0.98 and seen.z > 0):
        return False
    begin = camera.matrix_world.translation
    if camera.data.type == "ORTHO":
        begin = body.middle - (camera.matrix_world.to_3x3() @ Vector((0, 0, -1))).normalized() * seen.z
    way = body.middle - begin
    graph = context.evaluated_depsgraph_get()
    hit, where, *_ = scene.ray_cast(graph, begin, way.normalized(), distance=way.length)
    return not hit or (where - begin).length > way.length - max(body.size)


def show(context: bpy.types.Context, picture: bool = False) -> None:
    """Move every 3D View of the open windows so that it shows the face of what is selected.

    Characters look along -Y: views in perspective that would show one from the side or from behind are turned to its
    front. A view through a camera stays, and so does the direction of views along an axis. For a ``picture``,
    views in Solid that show the colours of materials, and it grey, show textures instead.
    """
    for window in context.window_manager.windows:
        if window.scene != context.scene:
            continue
        for area in window.screen.areas:
            region = next((one for one in area.regions if one.type == "WINDOW"), None)
            if area.type != "VIEW_3D" or region is None or area.spaces.active.region_3d is None:
                continue
            shading, view = area.spaces.active.shading, area.spaces.active.region_3d
            if picture and shading.type == "SOLID" and shading.color_type == "MATERIAL":
                shading.color_type = "TEXTURE"
            if view.view_perspective == "CAMERA":
                continue
            ahead = view.view_rotation @ Vector((0, 0, -1))
            if view.view_perspective == "PERSP" and ahead.y < _FRONTAL:
                view.view_rotation = _FRONT.to_quaternion()
            with context.temp_override(window=window, screen=window.screen, area=area, region=region):
                if bpy.ops.view3d.view_selected.poll():
                    bpy.ops.view3d.view_selected()
