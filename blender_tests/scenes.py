"""Characters, sounds and performances that tests are made of: small, and known by construction."""

from __future__ import annotations

import wave
from pathlib import Path

import bpy
import numpy as np
from mouthpiece.performance import Performance
from mouthpiece.topology import ARKIT_INDEX, ARKIT_NAMES

from addon import compat

RATE = 48_000


def face(name="Face", keys=ARKIT_NAMES):
    """Make a triangle with shape keys of those names, active and selected."""
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata([(0, 0, 0), (1, 0, 0), (0, 0, 1)], [], [(0, 1, 2)])
    obj = bpy.data.objects.new(name, mesh)
    bpy.context.scene.collection.objects.link(obj)
    if keys:
        obj.shape_key_add(name="Basis")
    for index, key in enumerate(keys):
        block = obj.shape_key_add(name=key)
        block.data[index % 3].co.y = 1.0
        block.value = 0.0
    bpy.context.view_layer.objects.active = obj
    obj.select_set(True)
    return obj


def armature(name="Rig", head=(0, 0, 1), tail=(0, 0, 2), roll=0.0):
    """Make an armature with one bone "head"; bones are edited in Edit Mode, so it becomes active for a moment."""
    obj = bpy.data.objects.new(name, bpy.data.armatures.new(name))
    bpy.context.scene.collection.objects.link(obj)
    active = bpy.context.view_layer.objects.active
    bpy.context.view_layer.objects.active = obj
    bpy.ops.object.mode_set(mode="EDIT")
    bone = obj.data.edit_bones.new("head")
    bone.head, bone.tail, bone.roll = head, tail, roll
    bpy.ops.object.mode_set(mode="OBJECT")
    bpy.context.view_layer.objects.active = active
    return obj


def write_wav(path, samples, rate=RATE, channels=1):
    """Write float samples (N,) as 16-bit WAV, the same in every channel."""
    data = (np.clip(samples, -1, 1) * 32767).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.repeat(data, channels).tobytes())
    return Path(path)


def click(path, second, seconds=4.0, rate=RATE):
    """Write silence with one click at that second."""
    samples = np.zeros(int(seconds * rate), np.float32)
    samples[round(second * rate)] = 0.9
    return write_wav(path, samples, rate)


def murmur(path, seconds=1.5, rate=16_000):
    """Write something like a voice: a gliding buzz that comes and goes four times a second."""
    time = np.arange(int(seconds * rate)) / rate
    buzz = sum(np.sin(2 * np.pi * n * (120 * time + 10 * np.sin(3 * time))) / n for n in range(1, 12))
    return write_wav(path, 0.2 * buzz * (0.5 - 0.5 * np.cos(2 * np.pi * 4 * time)), rate)


def sequencer(fps=24, fps_base=1.0):
    """Make the sequencer of the scene at that frame rate and return its strips."""
    scene = bpy.context.scene
    scene.render.fps, scene.render.fps_base = fps, fps_base
    return compat.strips_of(scene.sequence_editor_create())


def performance(seconds=2.0, fps=25.0, head=None, **shapes):
    """Make a performance whose shapes and head are functions of time, or numbers; everything else is at rest."""
    count = round(seconds * fps)
    time = np.arange(count) / fps
    arkit = np.zeros((count, len(ARKIT_NAMES)), np.float32)
    for name, value in shapes.items():
        arkit[:, ARKIT_INDEX[name]] = value(time) if callable(value) else value
    moved = np.zeros((count, 6), np.float32)
    if head is not None:
        moved[:] = head(time) if callable(head) else head
    still = np.zeros((count, 68, 3), np.float32)
    pair = np.zeros((count, 2), np.float32)
    return Performance(still, np.zeros((68, 3), np.float32), arkit, moved, pair, pair, np.zeros(count), fps)


def values(owner, path, index=0):
    """Return the frames and values of a channel's keys as lists; nothing if it has no curve."""
    for curve in compat.fcurves_of(owner):
        if curve.data_path == path and curve.array_index == index:
            return [tuple(key.co) for key in curve.keyframe_points]
    return []


def shape_path(name):
    """Return the data path of a shape key's value."""
    return f'key_blocks["{name}"].value'


def tracks(data):
    """Return all that is in the NLA of animation data, strips' keys included."""
    return [
        (track.name, track.mute, [
            (strip.name, strip.action.name, strip.frame_start, strip.frame_end, strip.blend_type, strip.influence,
             [[tuple(key.co) for key in curve.keyframe_points] for curve in strip_curves(strip)])
            for strip in track.strips
        ])
        for track in (data.nla_tracks if data else ())
    ]  # fmt: skip


def strip_curves(strip):
    """Return the f-curves a strip plays."""
    bag = compat.channelbag(strip.action, strip.action_slot) if strip.action_slot else None
    return () if bag is None else bag.fcurves


def state():
    """Return all that a bake may change, to compare before and after."""
    found = {}
    for block in (*bpy.data.shape_keys, *bpy.data.objects):
        data = block.animation_data
        curves = {
            (curve.data_path, curve.array_index): [
                (*key.co, *key.handle_left, *key.handle_right, key.interpolation, key.type)
                for key in curve.keyframe_points
            ]
            for curve in compat.fcurves_of(block)
        }
        action = data.action.name if data and data.action else None
        found[block.name, type(block).__name__] = (data is not None, action, curves, tracks(data))
    keys = {(key.name, block.name): block.value for key in bpy.data.shape_keys for block in key.key_blocks}
    counts = {kind: len(getattr(bpy.data, kind)) for kind in ("actions", "objects", "scenes", "sounds", "meshes")}
    ledgers = {action.name: (dict(action.items()), len(action.slots)) for action in bpy.data.actions}
    return found, keys, counts, ledgers
