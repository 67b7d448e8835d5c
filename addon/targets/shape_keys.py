"""Shape keys with ARKit names, in any spelling."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, Self

import bpy

from ..planning import Channel, Part
from . import Driven, find_object

if TYPE_CHECKING:
    from mouthpiece.curves import FrameGrid
    from mouthpiece.performance import Performance
    from mouthpiece.retarget.profiles import ShapeMatch


@dataclass(frozen=True, slots=True)
class ShapeKeyTarget:
    """A mesh's shape keys: which play what, how far each may go, and the strength to play them at."""

    kind: ClassVar[str] = "NAMES"

    object_name: str
    match: ShapeMatch
    limits: Mapping[str, tuple[float, float]]
    strength: float = 1.0

    @classmethod
    def of(cls, obj: bpy.types.Object, strength: float = 1.0) -> Self:
        """Return the target for a mesh.

        Raises RigError if it has no shape keys, none matches, or they may not be edited.
        """
        key = editable_keys(obj)
        match = matched(key_names(key))
        limits = {name: (key.key_blocks[name].slider_min, key.key_blocks[name].slider_max) for name in match.keys}
        return cls(obj.name, match, limits, strength)

    def drive(self, performance: Performance, grid: FrameGrid) -> Driven:
        """Return a curve for every matched key, on the mesh's shape-key data-block."""
        from mouthpiece.errors import RigError
        from mouthpiece.retarget.shapes import shape_curves

        obj = find_object(self.object_name)
        key = editable_keys(obj)
        gone = [name for name in self.match.keys if name not in key.key_blocks]
        if gone:
            raise RigError(f"'{obj.name}' has lost shape keys meanwhile: {', '.join(gone)}. Animate it again.")
        curves, clamped = shape_curves(performance, self.match, grid, self.limits, self.strength)
        layers = {key: layer_of(shape) for shape, keys in self.match.shapes.items() for key in keys}
        channels = tuple(
            Channel(name, f'key_blocks["{bpy.utils.escape_identifier(name)}"].value', layer=layers[name])
            for name in curves.names
        )
        return Driven((Part(key, channels, curves),), dict(clamped), self._warnings(obj, key, clamped))

    def saved(self) -> Mapping[str, Any]:
        """Return what makes it again."""
        return {"kind": self.kind, "object_name": self.object_name, "strength": self.strength}

    @classmethod
    def from_saved(cls, saved: Mapping[str, Any]) -> Self:
        """Return the target for the object that was saved."""
        return cls.of(find_object(saved["object_name"]), saved["strength"])

    def summary(self) -> str:
        """Return how many shapes were matched, and which are missing."""
        return self.match.summary()

    @classmethod
    def owners(cls, obj: bpy.types.Object) -> list[bpy.types.ID]:
        """Return the mesh's shape keys."""
        key = obj.data.shape_keys if obj.type == "MESH" else None
        return [] if key is None else [key]

    def _warnings(self, obj: bpy.types.Object, key: bpy.types.Key, clamped: Mapping[str, int]) -> list[str]:
        found = [
            f"{name} was clamped on {count} frames; raise its slider maximum or lower Strength"
            for name, count in clamped.items()
        ]
        muted = [name for name in self.match.keys if key.key_blocks[name].mute]
        if muted:
            found.append(f"Muted shape keys do not move: {', '.join(muted)}")
        if obj.show_only_shape_key:
            found.append(f"'{obj.name}' shows one shape key only: turn off Shape Key Lock (pin) to see the take")
        return found


def layer_of(shape: str) -> str:
    """Return the layer an ARKit shape belongs to."""
    if shape.startswith(("eyeBlink", "eyeLook")):
        return "eyes"
    if shape.startswith(("brow", "cheekSquint", "eyeSquint", "eyeWide", "noseSneer")):
        return "expression"
    return "lips"


def editable_keys(obj: bpy.types.Object) -> bpy.types.Key:
    """Return the mesh's shape-key data-block; RigError if it has none, or it may not be edited."""
    from mouthpiece.errors import RigError

    if obj.type != "MESH":
        raise RigError(f"'{obj.name}' is not a mesh ({obj.type.title()}). Click the mesh with the shape keys.")
    key = obj.data.shape_keys
    if key is None:
        raise RigError(f"'{obj.name}' has no shape keys. Add ARKit shape keys (jawOpen, mouthSmileLeft, …) first.")
    if not key.use_relative:
        raise RigError(f"The shape keys of '{obj.name}' are absolute. Turn on Relative in Shape Keys.")
    if not key.is_editable:
        how = (
            "Its object is overridden but its mesh is not: make a library override of the mesh data as well, "
            "or make it local (Object > Relations > Make Local > Selected Objects and Data)"
            if obj.override_library
            else "Make it local, or make library overrides of the object and of its mesh data"
        )
        raise RigError(f"The mesh of '{obj.name}' is linked from a library and may not be edited. {how}.")
    return key


def key_names(key: bpy.types.Key) -> tuple[str, ...]:
    """Return the names of the keys that move something: all but the basis."""
    return tuple(block.name for block in key.key_blocks if block != key.reference_key)


@lru_cache(maxsize=32)
def matched(names: tuple[str, ...]) -> ShapeMatch:
    """Return how keys of those names play ARKit's shapes; remembered, as panels ask at every redraw."""
    from mouthpiece.retarget.profiles import match_arkit

    return match_arkit(names)
