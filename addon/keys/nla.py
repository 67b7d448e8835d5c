"""Layers of a take in the NLA: an Action each, in a strip of a track of its own, found by a mark the Action bears."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any, Final

import bpy

from .. import compat

#: Layers from the lowest to the topmost, and what they are called.
NAMES: Final[Mapping[str, str]] = {
    "lips": "Lips",
    "eyes": "Eyes",
    "head": "Head",
    "expression": "Expression",
    "edits": "Edits",
}
#: Layers that add to those below them.
ADDING: Final = ("expression", "edits")
#: Custom property of an Action: which layer it is.
MARK: Final = "mouthpiece_layer"
#: Frames, and shares of a speed, that count as nothing.
_SLACK: Final = 1e-3


def strip_of(owner: bpy.types.ID, layer: str) -> Any:
    """Return the strip that plays a layer of ``owner``; None if there is none."""
    data = getattr(owner, "animation_data", None)
    for track in data.nla_tracks if data is not None else ():
        for strip in track.strips:
            if strip.action is not None and strip.action.get(MARK) == layer and strip.action_slot is not None:
                return strip
    return None


def track_of(owner: bpy.types.ID, strip: Any) -> Any:
    """Return the track a strip lies in."""
    return next(track for track in owner.animation_data.nla_tracks if strip.name in track.strips)


def layers_of(owner: bpy.types.ID) -> list[str]:
    """Return the layers ``owner`` has, the lowest first."""
    return [layer for layer in NAMES if strip_of(owner, layer) is not None]


def sheets(owner: bpy.types.ID) -> list[str]:
    """Return where keys of ``owner`` may be: "" for its active action, and the names of its layers."""
    return ["", *layers_of(owner)]


def place(owner: bpy.types.ID, layer: str = "") -> tuple[bpy.types.Action, Any] | None:
    """Return the action and slot that hold a layer's keys, or with no layer those ``owner`` is animated by."""
    strip = strip_of(owner, layer) if layer else getattr(owner, "animation_data", None)
    if strip is None or strip.action is None or strip.action_slot is None:
        return None
    if not layer and MARK in strip.action:  # a layer is being tweaked
        return None
    return strip.action, strip.action_slot


def fcurves_of(owner: bpy.types.ID, layer: str = "") -> Any:
    """Return the f-curves of a layer, or with no layer those of the active action; an empty tuple if there are none."""
    found = place(owner, layer)
    bag = None if found is None else compat.channelbag(*found)
    return () if bag is None else bag.fcurves


def ensure_fcurve(owner: bpy.types.ID, layer: str, data_path: str, index: int) -> Any:
    """Return the f-curve of a property in a layer (with none: in the active action), made if need be."""
    if not layer:
        return owner.animation_data.action.fcurve_ensure_for_datablock(owner, data_path, index=index)
    found = place(owner, layer)
    assert found is not None  # the layer was put in place before
    curves = compat.channelbag(*found, ensure=True).fcurves
    return curves.find(data_path, index=index) or curves.new(data_path, index=index)


def new_action(name: str, layer: str) -> bpy.types.Action:
    """Return an empty action for a layer."""
    action = bpy.data.actions.new(name)
    action[MARK] = layer
    return action


def put_in_place(owner: bpy.types.ID, layer: str, action: bpy.types.Action, undo: ExitStack) -> None:
    """Give ``owner`` a track with a strip that plays a slot of its own of ``action``; ``undo`` takes it back."""
    data = owner.animation_data
    slot = action.slots.new(id_type=owner.id_type, name=owner.name)
    undo.callback(action.slots.remove, slot)
    below = _track_below(owner, layer)
    track = data.nla_tracks.new() if below is None else data.nla_tracks.new(prev=below)
    undo.callback(data.nla_tracks.remove, track)
    track.name = f"Mouthpiece {NAMES[layer]}"
    strip = track.strips.new(action.name, 1, action)
    strip.action_slot = slot
    strip.use_sync_length = False
    strip.action_frame_end = 2
    strip.action_frame_start = 1
    strip.frame_start_raw, strip.frame_end_raw, strip.scale = 1, 2, 1
    strip.blend_type = "COMBINE" if layer in ADDING else "REPLACE"
    strip.extrapolation = "HOLD"
    strip.influence = 1.0  # what Animated Influence begins with


def _track_below(owner: bpy.types.ID, layer: str) -> Any:
    """Return the track a layer's is to lie on: the topmost of the layers below it; None for the top of all."""
    order = list(NAMES)
    for lower in reversed(order[: order.index(layer)]):
        strip = strip_of(owner, lower)
        if strip is not None:
            return track_of(owner, strip)
    return None


def fit(owner: bpy.types.ID, layer: str) -> None:
    """Let a layer's strip cover its keys; one the user moved or stretched keeps its place in time."""
    strip = strip_of(owner, layer)
    frames = [key.co.x for curve in fcurves_of(owner, layer) for key in _ends(curve)]
    if not frames:
        return
    first, last = min(frames), max(max(frames), min(frames) + 1)
    shift, scale = strip.frame_start - strip.action_frame_start, strip.scale
    # Neither end may ever pass the other.
    strip.action_frame_end = max(strip.action_frame_end, last)
    strip.action_frame_start, strip.action_frame_end = first, last
    begin = first + shift
    strip.frame_end_raw = max(strip.frame_end_raw, begin + (last - first) * scale)
    strip.frame_start_raw, strip.frame_end_raw = begin, begin + (last - first) * scale
    strip.scale = scale


def is_moved(owner: bpy.types.ID, layer: str) -> bool:
    """Return whether the user moved or stretched a layer's strip, so that its keys play elsewhere."""
    strip = strip_of(owner, layer)
    if strip is None:
        return False
    return abs(strip.frame_start - strip.action_frame_start) > _SLACK or abs(strip.scale - 1) > _SLACK


def _ends(curve: Any) -> list[Any]:
    points = curve.keyframe_points
    return [points[0], points[-1]] if len(points) else []


def drop(owner: bpy.types.ID, layer: str) -> None:
    """Take off a layer and all that is in it."""
    curves = fcurves_of(owner, layer)
    for curve in list(curves):
        curves.remove(curve)
    tidy(owner, layer)


def tidy(owner: bpy.types.ID, layer: str) -> None:
    """Take off a layer whose curves are gone: strip, track, slot and action, each unless something else is in it."""
    strip = strip_of(owner, layer)
    if strip is None or len(fcurves_of(owner, layer)):
        return
    action, slot, track = strip.action, strip.action_slot, track_of(owner, strip)
    if len(track.strips) > 1:
        track.strips.remove(strip)
    else:
        owner.animation_data.nla_tracks.remove(track)
    if not players(action, slot):
        action.slots.remove(slot)
    if not len(action.slots):
        bpy.data.actions.remove(action)


def players(action: bpy.types.Action, slot: Any) -> list[bpy.types.ID]:
    """Return the data-blocks a slot animates; the slot's own list of them is not kept up by the NLA."""
    return [user for user in bpy.data.user_map(subset={action})[action] if _plays(user, action, slot)]


def _plays(user: bpy.types.ID, action: bpy.types.Action, slot: Any) -> bool:
    """Return whether a slot animates ``user``, by itself or in a strip."""
    data = getattr(user, "animation_data", None)
    if data is None:
        return False
    strips = [strip for track in data.nla_tracks for strip in track.strips]
    return any(it.action == action and it.action_slot == slot for it in (data, *strips))
