"""Other families' shape keys made out of ARKit's: mouths of the bundled head, mixed, under other names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import bpy
import numpy as np
from numpy.typing import NDArray

Recipe = Mapping[str, float]

#: The fifteen visemes as mixtures of ARKit's shapes; ``mouthStretch`` stands for both sides. Set by eye.
VISEMES: Final[Mapping[str, Recipe]] = {
    "sil": {},
    "PP": {"mouthPress": 0.2, "mouthRollLower": 0.15, "mouthPucker": 0.1},
    "FF": {"mouthRollLower": 0.5, "mouthUpperUp": 0.35, "jawOpen": 0.05},
    "TH": {"jawOpen": 0.14, "tongueOut": 0.35, "mouthUpperUp": 0.15},
    "DD": {"jawOpen": 0.12, "mouthUpperUp": 0.2, "mouthLowerDown": 0.15},
    "kk": {"jawOpen": 0.16, "mouthLowerDown": 0.15},
    "CH": {"jawOpen": 0.06, "mouthFunnel": 0.55, "mouthPucker": 0.1},
    "SS": {"jawOpen": 0.04, "mouthStretch": 0.35, "mouthUpperUp": 0.2, "mouthLowerDown": 0.3},
    "nn": {"jawOpen": 0.1, "mouthUpperUp": 0.15, "mouthLowerDown": 0.1},
    "RR": {"jawOpen": 0.08, "mouthFunnel": 0.35, "mouthPucker": 0.2},
    "aa": {"jawOpen": 0.5, "mouthLowerDown": 0.15},
    "E": {"jawOpen": 0.22, "mouthStretch": 0.45, "mouthUpperUp": 0.25, "mouthLowerDown": 0.1},
    "ih": {"jawOpen": 0.12, "mouthStretch": 0.5, "mouthSmile": 0.15, "mouthUpperUp": 0.25, "mouthLowerDown": 0.2},
    "oh": {"jawOpen": 0.3, "mouthFunnel": 0.45, "mouthPucker": 0.3},
    "ou": {"jawOpen": 0.1, "mouthPucker": 0.85, "mouthFunnel": 0.15},
}
#: Moods as whole faces, as VRM has them.
MOODS: Final[Mapping[str, Recipe]] = {
    "Joy": {"mouthSmile": 1.0, "cheekSquint": 0.9, "eyeSquint": 0.5, "browOuterUp": 0.3},
    "Angry": {"browDown": 1.0, "noseSneer": 0.6, "mouthFrown": 0.5, "eyeSquint": 0.4},
    "Sorrow": {"browInnerUp": 1.0, "mouthFrown": 0.9, "eyeBlink": 0.2},
    "Surprised": {"browInnerUp": 0.9, "browOuterUp": 0.9, "eyeWide": 0.9, "jawOpen": 0.1},
}


def remake(obj: bpy.types.Object, recipes: Mapping[str, Recipe]) -> None:
    """Give a mesh with ARKit's shape keys those of ``recipes`` instead."""
    key: Any = obj.data.shape_keys
    rest = _positions(key.reference_key)
    moved = {block.name: _positions(block) - rest for block in key.key_blocks if block != key.reference_key}
    for name in moved:
        obj.shape_key_remove(key.key_blocks[name])
    for name, recipe in recipes.items():
        places = rest.copy()
        for shape, weight in recipe.items():
            for side in (shape,) if shape in moved else (f"{shape}Left", f"{shape}Right"):
                places += weight * moved[side]
        block = obj.shape_key_add(name=name, from_mix=False)
        block.data.foreach_set("co", places.ravel())
        block.value = 0.0  # since 5.0 a new key is fully on


def _positions(block: bpy.types.ShapeKey) -> NDArray[np.float32]:
    places = np.zeros(3 * len(block.data), np.float32)
    block.data.foreach_get("co", places)
    return places
