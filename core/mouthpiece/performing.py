"""From the mouth's motion to a whole face's: the last stage of the pipeline."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from . import styles
from .curves import sample
from .features import FRAME_RATE
from .motion import eyes, head, living, prosody, rest
from .performance import Performance

if TYPE_CHECKING:
    from .pipeline import Networks, Options, Survey

Array = NDArray[np.float32]


#: Where what is not the mouth's comes from, for the take's record.
_MADE = {"head": "learned", "blink": "statistics", "gaze": "statistics", "brows": "statistics"}


@dataclass(frozen=True, slots=True, eq=False)
class Rhythm:
    """What a face keeps time with, at 25 Hz: speech probability (T,) and states (T,); ``features`` are at 12.5 Hz."""

    activity: Array
    states: NDArray[np.int8]
    features: Array


def rhythm_of(heard: Survey) -> Rhythm:
    """Return the rhythm of a sound that was surveyed."""
    activity, decibels = rest.speech_activity(heard.rms, heard.frames), rest.frame_decibels(heard.rms, heard.frames)
    states = prosody.rhythm(activity, decibels, FRAME_RATE)
    return Rhythm(activity, states, head.rhythm_features(activity, decibels, states))


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
        Frame rate, seed and style.
    networks
        What the take is made with.
    """
    rhythm = rhythm_of(heard)
    activity, states = rhythm.activity, rhythm.states
    style = options.style or styles.Style()
    fps = options.fps
    if fps != FRAME_RATE:
        offsets, arkit, activity = (_at(fps, heard.frames, track) for track in (offsets, arkit, activity))
    rng = np.random.default_rng(options.seed)
    tilt = style.amplitude, style.quickness
    swayed = head.sway(rhythm.features, tilt, networks.head.open(), rng)
    turned, manner = (head.at(motion, len(activity), fps) for motion in swayed)
    # Generators of their own: how one of them draws changes none of the others.
    lids, looks, brows = rng.spawn(3)
    blink = living.blinks(states, len(activity), fps, lids)
    look = living.gaze(states, turned, fps, looks)
    neutral = networks.content.sidecar.neutral_face()
    landmarks = np.add(offsets, neutral, out=offsets)  # in place: of a long sound's motion one copy is at work
    living.raise_brows(landmarks, arkit, living.brows(states, len(activity), fps, brows))
    layer = styles.layer(style, landmarks, arkit, activity, fps)
    eyes.close_lids(landmarks, blink)
    eyes.write_eyes(arkit, blink, look)
    return Performance(
        landmarks=landmarks,
        neutral=neutral,
        arkit=arkit,
        head=turned,
        gaze=look,
        blink=blink,
        activity=activity,
        style=layer[0],
        style_landmarks=layer[1],
        style_arkit=layer[2],
        style_head=manner,
        fps=fps,
        audio_sha256=heard.sha256,
        models=networks.hashes(),
        options=asdict(options) | _MADE,
    )


def _at(fps: float, frames: int, track: Array) -> Array:
    """Return ``track`` (``frames``, ...) of 25 Hz at ``fps``, to the end of its last frame."""
    times = np.arange(max(1, int(np.ceil(frames / FRAME_RATE * fps - 1e-6)))) / fps
    return sample(track, FRAME_RATE, times).astype(np.float32)
