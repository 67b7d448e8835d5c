"""Portraits that tests are made of: a small photo, lines known by construction, consent given."""

from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np
from mouthpiece.models import registry
from mouthpiece.performance import Performance

from addon import compat
from blender_tests import scenes

PHOTO = Path(__file__).resolve().parent.parent / "demo" / "samples" / "astronaut.jpg"
STATEMENT = "NASA's official portrait, in the public domain, used to test this program"


def portrait(**settings):
    """Add a portrait of the sample photo with consent given; nothing is placed anywhere."""
    assert bpy.ops.mouthpiece.add_portrait(filepath=str(PHOTO)) == {"FINISHED"}
    obj = bpy.context.active_object
    given = {"consent": True, "statement": STATEMENT, "kind": "STATED", "sequencer": False, "plane": False}
    for name, value in {**given, **settings}.items():
        setattr(obj.mouthpiece_portrait, name, value)
    return obj


def take(path, seconds=0.4, opening=0.6, fps=25.0):
    """Write a take in which the mouth opens and shuts once a second, on the neutral face of the shipped network."""
    neutral = np.array(registry.find("content").sidecar.neutral, np.float32)
    made = scenes.performance(seconds, fps, jawOpen=lambda t: opening * (0.5 - 0.5 * np.cos(2 * np.pi * t)))
    landmarks = np.repeat(neutral[None], len(made), axis=0)
    drop = 0.25 * made.arkit[:, made.arkit_names.index("jawOpen")]
    landmarks[:, [8, 57, 66, 65, 67, 58, 56], 1] += drop[:, None]
    whole = Performance(
        landmarks, neutral, made.arkit, made.head, made.gaze, made.blink, made.activity, fps, audio_sha256="ab" * 32
    )
    return whole.save(path)


def speak(path, start=1, fps=24):
    """Have the active portrait play a sound or take from a frame on."""
    scene = bpy.context.scene
    scene.render.fps, scene.render.fps_base = fps, 1.0
    settings = scene.mouthpiece
    settings.source, settings.filepath, settings.start = "FILE", str(path), start
    assert bpy.ops.mouthpiece.animate() == {"FINISHED"}


def colours(image):
    """Return an image's pixels (H, W, 4) in 0..255, first row at the top."""
    width, height = image.size
    values = np.empty(width * height * image.channels, np.float32)
    image.pixels.foreach_get(values)
    return np.rint(values.reshape(height, width, -1)[::-1] * 255).astype(int)


def read(path):
    """Return the pixels (H, W, 4) of a picture file."""
    image = bpy.data.images.load(str(path))
    try:
        return colours(image)
    finally:
        bpy.data.images.remove(image)


def strips():
    """Return the strips of the scene by name."""
    return {strip.name: strip for strip in compat.all_strips(bpy.context.scene)}
