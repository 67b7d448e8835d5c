"""From the mouth's motion to a whole face's: the last stage of the pipeline."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .curves import sample
from .features import FRAME_RATE
from .motion import eyes, living, prosody, rest
from .performance import Performance

if TYPE_CHECKING:
    from .pipeline import Networks, Options, Survey

Array = NDArray[np.float32]


def perform(offsets: Array, arkit: Array, heard: Survey, options: Options, networks: Networks) -> Performance:
    """Return the take: the mouth at the wanted frame rate, and a living face around it.

    Parameters
    ----------
    offsets : (T, 68, 3) float32
        Displacements from the resting face at 25 Hz, in outer-eye distances; may be changed in place.
    arkit : (T, 52) float32
        Blendshape weights at 25 Hz; may be changed in place.
    heard
        What the first pass over the sound told.
    options
        Frame rate and seed.
    networks
        What the take is made with.
    """
    activity = rest.speech_activity(heard.rms, heard.frames)
    states = prosody.rhythm(activity, rest.frame_decibels(heard.rms, heard.frames), FRAME_RATE)
    fps = options.fps
    if fps != FRAME_RATE:
        offsets, arkit, activity = (_at(fps, heard.frames, track) for track in (offsets, arkit, activity))
    rng = np.random.default_rng(options.seed)
    head = living.head_sway(activity, fps, rng)
    # Generators of their own: how one of them draws changes none of the others.
    lids, looks, brows = rng.spawn(3)
    blink = living.blinks(states, len(activity), fps, lids)
    look = living.gaze(states, head, fps, looks)
    neutral = networks.content.sidecar.neutral_face()
    landmarks = np.add(offsets, neutral, out=offsets)  # in place: of a long sound's motion one copy is at work
    living.raise_brows(landmarks, arkit, living.brows(states, len(activity), fps, brows))
    eyes.close_lids(landmarks, blink)
    eyes.write_eyes(arkit, blink, look)
    return Performance(
        landmarks=landmarks,
        neutral=neutral,
        arkit=arkit,
        head=head,
        gaze=look,
        blink=blink,
        activity=activity,
        fps=fps,
        audio_sha256=heard.sha256,
        models={
            "phonetic": networks.phonetic.sidecar.sha256,
            "content": networks.content.sidecar.sha256,
        },
        options={
            **asdict(options),
            "head": "procedural",
            "blink": "statistics",
            "gaze": "statistics",
            "brows": "statistics",
        },
    )


def _at(fps: float, frames: int, track: Array) -> Array:
    """Return ``track`` (``frames``, ...) of 25 Hz at ``fps``, to the end of its last frame."""
    times = np.arange(max(1, int(np.ceil(frames / FRAME_RATE * fps - 1e-6)))) / fps
    return sample(track, FRAME_RATE, times).astype(np.float32)
