"""From the mouth's motion to a whole face's: the last stage of the pipeline."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .curves import sample
from .features import FRAME_RATE
from .motion import eyes, living, rest
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
    fps = options.fps
    if fps != FRAME_RATE:
        times = np.arange(max(1, int(np.ceil(heard.frames / FRAME_RATE * fps - 1e-6)))) / fps
        offsets, arkit, activity = (
            sample(track, FRAME_RATE, times).astype(np.float32) for track in (offsets, arkit, activity)
        )
    rng = np.random.default_rng(options.seed)
    head = living.head_sway(activity, fps, rng)
    blink = living.blinks(activity, fps, rng)
    look = living.gaze(activity, fps, rng)
    neutral = networks.content.sidecar.neutral_face()
    # In place, here and below: of a long sound's motion there is one copy at work and one in the take.
    landmarks = offsets
    landmarks += neutral
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
        options={**asdict(options), "head": "procedural", "blink": "procedural", "gaze": "procedural"},
    )
