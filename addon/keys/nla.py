"""Layers in the NLA: each is an Action in a strip and track of its own, found by a custom property of the Action."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any, Final

import bpy

from .. import compat

#: Labels of the layers, the lowest layer first.
NAMES: Final[Mapping[str, str]] = {
    "lips": "Lips",
    "tongue": "Tongue",
    "eyes": "Eyes",
    "head": "Head",
    "expression": "Expression",
    "edits": "Edits",
}
#: Layers that add to those below them: their strips combine instead of replacing.
ADDING: Final = ("expression", "edits")
#: Custom property of an Action: which layer it is.
MARK: Final = "mouthpiece_layer"
#: Differences in frames and in strip scale below this are ignored.
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


def keyed_layers(owner: bpy.types.ID) -> list[str]:
    """Return the layers in which ``owner`` may have keys: "" for its active action, then those it has in the NLA."""
    return ["", *layers_of(owner)]


def action_and_slot(owner: bpy.types.ID, layer: str = "") -> tuple[bpy.types.Action, Any] | None:
    """Return the action and slot of a layer, or with no layer the active ones of ``owner``; None if there are none."""
    strip = strip_of(owner, layer) if layer else getattr(owner, "animation_data", None)
    if strip is None or strip.action is None or strip.action_slot is None:
        return None
    if not layer and MARK in strip.action:  # tweak mode makes a layer's action the active one
        return None
    return strip.action, strip.action_slot


def fcurves_of(owner: bpy.types.ID, layer: str = "") -> Any:
    """Return the f-curves of a layer, or with no layer those of the active action; an empty tuple if there are none."""
    found = action_and_slot(owner, layer)
    bag = None if found is None else compat.channelbag(*found)
    return () if bag is None else bag.fcurves


def curves_in(player: Any) -> Any:
    """Return the f-curves that animation data or a strip plays; an empty tuple if there are none."""
    if player.action is None or player.action_slot is None:
        return ()
    bag = compat.channelbag(player.action, player.action_slot)
    return () if bag is None else bag.fcurves


def ensure_fcurve(owner: bpy.types.ID, layer: str, data_path: str, index: int) -> Any:
    """Return the f-curve of a property in a layer (with none: in the active action), making it if it is missing."""
    if not layer:
        return owner.animation_data.action.fcurve_ensure_for_datablock(owner, data_path, index=index)
    found = action_and_slot(owner, layer)
    assert found is not None  # the layer was put in place before
    curves = compat.channelbag(*found, ensure=True).fcurves
    return curves.find(data_path, index=index) or curves.new(data_path, index=index)


def new_action(name: str, layer: str) -> bpy.types.Action:
    """Return an empty action for a layer."""
    action = bpy.data.actions.new(name)
    action[MARK] = layer
    return action


def put_in_place(owner: bpy.types.ID, layer: str, action: bpy.types.Action, undo: ExitStack) -> None:
    """Add a track to ``owner`` with a strip that plays a new slot of ``action``; ``undo`` gets the steps back."""
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
    strip.influence = 1.0  # the value used once the user turns Animated Influence on


def _track_below(owner: bpy.types.ID, layer: str) -> Any:
    """Return the track above which a layer's track belongs; None if it belongs on top of all tracks."""
    order = list(NAMES)
    for lower in reversed(order[: order.index(layer)]):
        strip = strip_of(owner, lower)
        if strip is not None:
            return track_of(owner, strip)
    return None


def fit(owner: bpy.types.ID, layer: str) -> None:
    """Make a layer's strip as long as its keys; a strip the user moved or stretched keeps its shift and scale."""
    strip = strip_of(owner, layer)
    frames = [key.co.x for curve in fcurves_of(owner, layer) for key in _ends(curve)]
    if not frames:
        return
    first, last = min(frames), max(max(frames), min(frames) + 1)
    shift, scale = strip.frame_start - strip.action_frame_start, strip.scale
    # The start must never lie behind the end, not even for a moment: the end is moved out first.
    strip.action_frame_end = max(strip.action_frame_end, last)
    strip.action_frame_start, strip.action_frame_end = first, last
    begin = first + shift
    strip.frame_end_raw = max(strip.frame_end_raw, begin + (last - first) * scale)
    strip.frame_start_raw, strip.frame_end_raw = begin, begin + (last - first) * scale
    strip.scale = scale


def is_moved(owner: bpy.types.ID, layer: str) -> bool:
    """Return whether the user moved or stretched a layer's strip, so that its keys play on other frames."""
    strip = strip_of(owner, layer)
    if strip is None:
        return False
    return abs(strip.frame_start - strip.action_frame_start) > _SLACK or abs(strip.scale - 1) > _SLACK


def _ends(curve: Any) -> list[Any]:
    """Return the first and the last key of a curve."""
    points = curve.keyframe_points
    return [points[0], points[-1]] if len(points) else []


def drop(owner: bpy.types.ID, layer: str) -> None:
    """Remove a layer from ``owner`` with all its curves."""
    curves = fcurves_of(owner, layer)
    for curve in list(curves):
        curves.remove(curve)
    tidy(owner, layer)


def tidy(owner: bpy.types.ID, layer: str) -> None:
    """Remove strip, track, slot and action of a layer that has no curves; any that something else uses stays."""
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
    """Return the data-blocks a slot animates; the NLA does not keep ``slot.users()`` up to date."""
    return [user for user in bpy.data.user_map(subset={action})[action] if _plays(user, action, slot)]


def _plays(user: bpy.types.ID, action: bpy.types.Action, slot: Any) -> bool:
    """Return whether a slot animates ``user``, as its active slot or in a strip."""
    data = getattr(user, "animation_data", None)
    if data is None:
        return False
    strips = [strip for track in data.nla_tracks for strip in track.strips]
    return any(it.action == action and it.action_slot == slot for it in (data, *strips))
