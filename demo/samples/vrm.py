"""Shape keys by name: VRM's A I U E O, Blink and Joy, in a happy mood.

The bundled head once more, its ARKit shapes mixed to VRM's expressions (``demo/mixtures.py``).
"""

from __future__ import annotations

from typing import Any

import bpy

from demo.mixtures import MOODS, VISEMES, remake

from . import shape_keys

_VOWELS = {"A": "aa", "I": "ih", "U": "ou", "E": "E", "O": "oh"}


def build() -> str:
    """Make the head with VRM's expressions and set the emotion to happy."""
    name = shape_keys.build()
    obj: Any = bpy.data.objects[name]
    blinks = {
        "Blink": {"eyeBlink": 1.0},
        "Blink_L": {"eyeBlinkLeft": 1.0},
        "Blink_R": {"eyeBlinkRight": 1.0},
        "LookUp": {"eyeLookUp": 1.0},
        "LookDown": {"eyeLookDown": 1.0},
        "LookLeft": {"eyeLookOutLeft": 1.0, "eyeLookInRight": 1.0},
        "LookRight": {"eyeLookInLeft": 1.0, "eyeLookOutRight": 1.0},
    }
    remake(obj, {**{key: VISEMES[viseme] for key, viseme in _VOWELS.items()}, **blinks, **MOODS})
    obj.mouthpiece.emotion = "HAPPY"
    return name
