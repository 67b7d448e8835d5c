"""When a character is alive, and the seed of what it does by itself."""

from __future__ import annotations

import hashlib
from contextlib import ExitStack

import bpy


def scene_frames(obj: bpy.types.Object) -> tuple[int, int]:
    """Return the first and the last frame of the scenes a character is in; of the present one if it is in none."""
    scenes = list(obj.users_scene) or [bpy.context.scene]
    return min(scene.frame_start for scene in scenes), max(scene.frame_end for scene in scenes)


def seed_of(obj: bpy.types.Object) -> int:
    """Return the seed of a character's life: two characters never blink together, unless one is a copy of the other."""
    noted = int(obj.mouthpiece.life_seed)
    return noted or int.from_bytes(hashlib.blake2b(obj.name.encode(), digest_size=4).digest(), "little") // 2 + 1


def note_seed(obj: bpy.types.Object, undo: ExitStack) -> None:
    """Store the seed with the character, so that it lives as before when it is renamed."""
    if not obj.mouthpiece.life_seed and obj.is_editable:
        undo.callback(setattr, obj.mouthpiece, "life_seed", 0)
        obj.mouthpiece.life_seed = seed_of(obj)
