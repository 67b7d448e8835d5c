"""Channels that a character's lines have keys on: those at a limit of their own, and those that move nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

import bpy
import numpy as np
from mouthpiece.errors import RigError
from numpy.typing import NDArray

from ..keys import kept_takes, ledgers, nla, rna_values
from ..keys.fcurve_keys import channel_id
from ..targets.head.target import HeadTarget
from ..targets.picture_rig.settings import is_rig
from ..targets.shape_keys import stillness
from ..targets.shape_keys.target import table_of

#: A channel whose keys differ by less than this says nothing.
_LEAST: Final = 0.02
#: How near a value is to a limit to be at it.
_AT: Final = 1e-4
#: So many channels with one fault are named; of more, the first and how many others there are.
_NAMED: Final = 4


def clipped(
    obj: bpy.types.Object, values: Mapping[str, NDArray[np.float32]], mouth: Collection[str]
) -> dict[str, NDArray[np.bool_]]:
    """Return on which frames (F,) the keys of a mesh that move its ``mouth`` are at the end of their range.

    ``values`` (F,) are those of all keys. A key is meant to be at the other end, 0 as a rule, when nothing is said.
    """
    found = {}
    for name in mouth:
        block = obj.data.shape_keys.key_blocks.get(name)
        if block is None or name not in values or name in resting(obj):
            continue
        low, high = block.slider_min, block.slider_max
        column = values[name]
        at = column >= high - _AT * max(abs(high), 1.0)
        if low < -0.01:
            at |= column <= low + _AT * max(abs(low), 1.0)
        if at.any():
            found[name] = np.asarray(at, np.bool_)
    return found


def resting(obj: bpy.types.Object) -> frozenset[str]:
    """Return the keys of a mesh that are on while the mouth rests: they may be at their limit, and move nothing."""
    from mouthpiece.retarget.picture.mouth_modes import SHUT

    if is_rig(obj):
        return frozenset({SHUT})
    try:
        return frozenset(entry.key for entry in table_of(obj).driven if set(entry.parsed().names) == {"viseme.sil"})
    except (RigError, AttributeError):
        return frozenset()


def unmoved(
    obj: bpy.types.Object, owners: Sequence[bpy.types.ID], lines: Sequence[kept_takes.KeptLine],
    values: Mapping[str, NDArray[np.float32]], frames: NDArray[np.int64],
) -> dict[str, str]:  # fmt: skip
    """Return channels that lines have keys on but that move nothing, each with the reason; many alike are one entry.

    ``values`` (F,) are those of the keys of the character's mesh on the frames (F,) that were looked at.
    """
    reasons: dict[str, list[str]] = {}
    sounds = {line.sound for line in lines}
    own = getattr(obj.data, "shape_keys", None)
    still = frozenset(stillness.still(obj)) if own is not None else frozenset()
    quiet = resting(obj) if own is not None else frozenset()
    for owner in owners:
        for curve in _curves(owner, sounds):
            name = _called(owner, curve.data_path, curve.array_index)
            if name in quiet or not _varies(curve, frames):
                continue
            why = _why(owner, curve, name, still if owner == own else frozenset())
            if not why and owner == own and name in values and np.ptp(values[name]) < _LEAST / 4:
                why = "it has keys and stays still: a muted track, a driver or another track plays over it"
            if why:
                reasons.setdefault(why, []).append(name)
    found = {}
    for why, names in reasons.items():
        several = list(dict.fromkeys(names))
        if len(several) > _NAMED:
            found[f"{several[0]} and {len(several) - 1} more"] = why
        else:
            found |= dict.fromkeys(several, why)
    return found


def stiff_heads(lines: Sequence[kept_takes.KeptLine], frames: NDArray[np.int64]) -> dict[str, str]:
    """Return the heads that lines have keys on, of a character whose head was seen to stand still all the same."""
    found = {}
    for line in lines:
        for saved in line.targets:
            head = bpy.data.objects.get(str(saved["object_name"])) if saved["kind"] == "HEAD" else None
            if head is None:
                continue
            (prefix,) = HeadTarget.scope(saved)
            turning = [
                curve
                for curve in _curves(head, {line.sound})
                if curve.data_path.startswith(prefix) and "rotation" in curve.data_path and _varies(curve, frames)
            ]
            if turning:
                name = str(saved.get("bone") or head.name)
                found[name] = "the head has keys and stands still: constraints, or a track above, turn it back"
    return found


def _curves(owner: bpy.types.ID, sounds: Collection[str]) -> Iterator[Any]:
    """Yield the f-curves of a data-block that lines of those sounds have keys on."""
    for layer in nla.keyed_layers(owner):
        noted = {c for line in ledgers.read(owner, layer).lines if line.sound in sounds for c in line.channels}
        for curve in nla.fcurves_of(owner, layer):
            if channel_id(curve.data_path, curve.array_index) in noted:
                yield curve


def _varies(curve: Any, frames: NDArray[np.int64]) -> bool:
    """Return whether the keys of a curve on some of the frames differ."""
    co = np.zeros(2 * len(curve.keyframe_points), np.float32)
    curve.keyframe_points.foreach_get("co", co)
    at, height = co.reshape(-1, 2).T
    inside = height[(at >= frames[0]) & (at <= frames[-1])]
    return bool(len(inside)) and float(np.ptp(inside)) > _LEAST


def _called(owner: bpy.types.ID, path: str, index: int) -> str:
    """Return what an animator calls a channel: a shape key by its name, others by bone or object and property."""
    if path.startswith('key_blocks["') and path.endswith('"].value'):
        return bpy.utils.unescape_identifier(path[len('key_blocks["') : -len('"].value')])
    if path.startswith('pose.bones["'):
        bone, _, attribute = path[len('pose.bones["') :].rpartition('"].')
        return f"{bpy.utils.unescape_identifier(bone)} {attribute}" if attribute else path
    return f"{owner.name} {path}"


def _why(owner: bpy.types.ID, curve: Any, name: str, still: Collection[str]) -> str:
    """Return why a channel moves nothing; empty if its settings do not say so."""
    if not rna_values.exists(owner, curve.data_path, curve.array_index):
        return "it is gone from the character, its keys are left over"
    if curve.mute:
        return "its channel is muted in the Graph Editor"
    if isinstance(owner, bpy.types.Key):
        block = owner.key_blocks.get(name)
        if block is not None and block.mute:
            return "the shape key is muted"
    return "it moves no vertex" if name in still else ""
