"""Every kind of target in layers and with fewer keys: what is seen is what one action with all keys shows."""

from __future__ import annotations

import bpy
import numpy as np

from addon import scene_settings
from addon.keys import nla
from blender_tests import life

#: Shares of a character's size: a jaw that two layers turn is where one turn has it but for the order of the turns.
NEARLY = 5e-4


def animate(obj, layers, reduce=0.0):
    """Press Animate with other settings; the take, sound and targets are as the sample has them."""
    life.choose([obj])
    obj.mouthpiece.layers, obj.mouthpiece.reduce = layers, reduce
    assert bpy.ops.mouthpiece.animate() == {"FINISHED"}


def points(obj):
    return life.seen(obj).points


def exact(obj):
    """Return the points that one action with a key on every frame shows; the sample itself has few keys."""
    animate(obj, "ONE")
    return points(obj)


def apart(one, other):
    """Return the largest distance between points, in shares of the larger cloud's size."""
    size = max(float(np.ptp(array, axis=(0, 1)).max()) for array in one.values() if array.size) or 1.0
    return max(
        (float(np.abs(a - b).max()) for a, b in zip(one.values(), other.values(), strict=True) if a.shape == b.shape),
        default=0.0,
    ) / size  # fmt: skip


def test_layers_show_what_one_action_shows_and_go_without_a_trace(character):
    obj = character.open()
    owners, wanted = scene_settings.owners(bpy.context), exact(obj)
    animate(obj, "LAYERS")
    assert apart(points(obj), wanted) < NEARLY
    assert not any(owner.animation_data and owner.animation_data.action for owner in owners if nla.layers_of(owner))
    animate(obj, "ONE")
    assert apart(points(obj), wanted) < NEARLY
    animate(obj, "LAYERS")
    life.remove(obj)
    assert life.seen(obj).like(character.resting)


def test_few_keys_show_nearly_the_same(character):
    obj = character.open()
    wanted = exact(obj)
    assert apart(character.playing.points, wanted) < 0.02
    animate(obj, "ONE", 0.005)
    assert apart(points(obj), wanted) < 0.01
