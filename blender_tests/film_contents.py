"""All that moves in a .blend file, to compare two of them: every f-curve of every action, and every drawing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float32]


def contents(path: Path) -> dict[str, Values]:
    """Return what moves in a saved scene, which is opened: the keys of each channel and the points of each drawing."""
    bpy.ops.wm.open_mainfile(filepath=str(path))
    return dict([*_curves(), *_drawings()])


def _curves() -> Iterator[tuple[str, Values]]:
    for action in bpy.data.actions:
        slots = {slot.handle: slot.identifier for slot in action.slots}
        for strip in (strip for layer in action.layers for strip in layer.strips):
            for bag in strip.channelbags:
                for curve in bag.fcurves:
                    name = f"{action.name} {slots[bag.slot_handle]} {curve.data_path} {curve.array_index}"
                    yield name, _numbers(curve.keyframe_points, "co", 2)


def _drawings() -> Iterator[tuple[str, Values]]:
    blocks: Any = bpy.data.grease_pencils_v3 if hasattr(bpy.data, "grease_pencils_v3") else bpy.data.grease_pencils
    for block in blocks:
        for layer in block.layers:
            for frame in layer.frames:
                points = frame.drawing.attributes.get("position")
                values = _numbers(points.data, "vector", 3) if points is not None else np.zeros((0, 3), np.float32)
                yield f"{block.name} {layer.name} {frame.frame_number}", values


def _numbers(items: Any, name: str, size: int) -> Values:
    values = np.empty(len(items) * size, np.float32)
    items.foreach_get(name, values)
    return values.reshape(-1, size)


def differences(one: dict[str, Values], other: dict[str, Values]) -> list[str]:
    """Return the names of what is in one alone, or is not the same in both: sums of floats differ from run to run."""
    return sorted(name for name in {*one, *other} if not _is_same(one.get(name), other.get(name)))


def _is_same(one: Values | None, other: Values | None) -> bool:
    return one is not None and other is not None and one.shape == other.shape and np.allclose(one, other, atol=1e-4)
