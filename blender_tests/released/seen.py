"""What is recorded of a file when it is made, and compared when a later version has opened it. Blender's own API only.

Everything is JSON: numbers rounded, data-blocks by name. Channels are called ``owner|path|index``.
"""

from __future__ import annotations

from typing import Any

import bpy
import numpy as np

#: Digits after the point that are kept: more than a 32-bit number near 1 has are noise.
DIGITS = 6


def settings() -> dict[str, Any]:
    """Return every property of Mouthpiece's on every object and scene, by name of the object or scene."""
    found = {}
    for owner in (*bpy.data.objects, *bpy.data.scenes):
        names = sorted(name for name in owner.bl_rna.properties.keys() if name.startswith("mouthpiece"))
        found[f"{type(owner).__name__} {owner.name}"] = {name: value_of(getattr(owner, name)) for name in names}
    return found


def value_of(value: Any) -> Any:
    """Return a property's value as JSON: groups as objects, collections as lists, data-blocks by their names."""
    if isinstance(value, bpy.types.ID):
        return value.name
    if isinstance(value, bpy.types.PropertyGroup):
        names = [name for name in value.bl_rna.properties.keys() if name != "rna_type"]
        return {name: value_of(getattr(value, name)) for name in names}
    if isinstance(value, float):
        return round(value, DIGITS)
    if value is None or isinstance(value, (bool, int, str)):
        return value
    return [value_of(item) for item in value]


def owners() -> dict[str, bpy.types.ID]:
    """Return every data-block that may carry keys, by kind and name."""
    kinds = (bpy.data.objects, bpy.data.shape_keys)
    return {f"{type(block).__name__} {block.name}": block for kind in kinds for block in kind}


def curves(owner: bpy.types.ID) -> dict[str, Any]:
    """Return the f-curves of a data-block, its active action's and those of its NLA strips, by ``path|index``.

    Where strips share a channel, the one of the topmost track is returned.
    """
    data = owner.animation_data
    if data is None:
        return {}
    strips = [strip for track in data.nla_tracks for strip in track.strips]
    places = [(strip.action, strip.action_slot) for strip in strips] + [(data.action, data.action_slot)]
    found = {}
    for action, slot in places:
        for layer in action.layers if action is not None and slot is not None else ():
            for bag in (strip.channelbag(slot) for strip in layer.strips):
                found |= {f"{c.data_path}|{c.array_index}": c for c in (bag.fcurves if bag is not None else ())}
    return found


def keys() -> dict[str, list[list[float]]]:
    """Return frame and value of every key of every channel."""
    return {
        f"{name}|{channel}": [[round(x, DIGITS) for x in key.co] for key in curve.keyframe_points]
        for name, owner in owners().items()
        for channel, curve in curves(owner).items()
    }


def played(frames: list[int], channels: list[str] | None = None) -> dict[str, list[float]]:
    """Return the values every animated property has on those frames of the scene, whatever plays them.

    ``channels`` names those that are read, animated or not; by default all that have a curve.
    """
    scene, blocks = bpy.context.scene, owners()
    wanted = list(keys()) if channels is None else channels
    found: dict[str, list[float]] = {channel: [] for channel in wanted}
    current = scene.frame_current
    for frame in frames:
        scene.frame_set(frame)
        for channel, values in found.items():
            name, path, index = channel.split("|")
            value = blocks[name].path_resolve(path)
            values.append(round(float(value[int(index)] if hasattr(value, "__len__") else value), DIGITS))
    scene.frame_set(current)
    return found


def tracks() -> dict[str, Any]:
    """Return the NLA tracks of every data-block: name, mute, and of each strip name, frames, blending and influence."""
    found = {}
    for name, owner in owners().items():
        data = owner.animation_data
        if data is not None and len(data.nla_tracks):
            found[name] = [[track.name, track.mute, [_strip(s) for s in track.strips]] for track in data.nla_tracks]
    return found


def _strip(strip: Any) -> list[Any]:
    return [strip.name, strip.frame_start, strip.frame_end, strip.blend_type, round(strip.influence, DIGITS)]


def drawings(obj: Any, every: int = 5) -> dict[str, dict[str, list[float]]]:
    """Return the drawings of a Grease Pencil: by layer and frame, x and z of every ``every``-th point in turn."""
    found = {}
    for layer in obj.data.layers:
        rows = {}
        for frame in layer.frames:
            points = frame.drawing.attributes["position"].data
            flat = np.empty(3 * len(points), np.float32)
            points.foreach_get("vector", flat)
            rows[str(frame.frame_number)] = np.round(flat.reshape(-1, 3)[::every, ::2].ravel(), 4).tolist()
        found[layer.name] = rows
    return found


def apart(one: Any, other: Any) -> float:
    """Return the greatest difference of numbers in two like things; infinity if they are not alike."""
    if isinstance(one, dict) and isinstance(other, dict):
        if one.keys() != other.keys():
            return float("inf")
        return max((apart(one[key], other[key]) for key in one), default=0.0)
    if isinstance(one, list) and isinstance(other, list):
        if len(one) != len(other):
            return float("inf")
        return max((apart(a, b) for a, b in zip(one, other, strict=True)), default=0.0)
    if isinstance(one, (int, float)) and isinstance(other, (int, float)):
        return abs(one - other)
    return 0.0 if one == other else float("inf")
