"""Sounds and takes whose answers are known, for several tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from mouthpiece.performance import Performance
from mouthpiece.phones.inventory import PHONE_INDEX, PHONES
from mouthpiece.topology import ARKIT_INDEX

SHARED = Path(__file__).resolve().parents[2] / "shared"
#: SHA-256 of the pixels (320, 320, 4) of demo/samples/astronaut.jpg, as Pillow and Blender read them.
ASTRONAUT_SHA256 = "e12446053b0e122da10598ab051fd86840cdc2dcf2b3c46525154e90a3ded0bc"
DEMO_LINE = Path(__file__).resolve().parents[1] / "addon" / "assets" / "demo_line.flac"


def tone(seconds, rate=16_000, hertz=220.0, amplitude=0.2):
    """A sine of ``seconds`` at ``rate`` samples per second."""
    return (amplitude * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def babble(seconds, rng, rate=16_000):
    """Noise that comes and goes four times a second: no speech, but as uneven as speech."""
    count = round(seconds * rate)
    envelope = np.clip(np.sin(2 * np.pi * 4 * np.arange(count) / rate), 0, 1) ** 2
    return (0.1 * envelope * rng.standard_normal(count)).astype(np.float32)


def make_take(frames=50, fps=25.0, **changes):
    """A take in which everything moves in a way a test can work out by hand."""
    ramp = np.linspace(0, 1, frames, dtype=np.float32)
    arkit = np.zeros((frames, 52), np.float32)
    arkit[:, ARKIT_INDEX["jawOpen"]] = ramp
    neutral = np.random.default_rng(1).standard_normal((68, 3)).astype(np.float32)
    fields = {
        "landmarks": neutral + 0.1 * ramp[:, None, None],
        "neutral": neutral,
        "arkit": arkit,
        "head": np.outer(ramp, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]),
        "gaze": np.outer(ramp, [0.1, -0.1]),
        "blink": np.zeros((frames, 2)),
        "activity": ramp,
        "fps": fps,
        "audio_sha256": "ab" * 32,
        "models": {"content": "cd" * 32},
        "options": {"seed": 3},
    } | changes
    return Performance(**fields)


def posteriors_of(said, sure=0.8, each=5, seed=0):
    """Posteriors (S, P) of phones said one after the other, and the rows (K, 2) of each.

    ``said`` is a text of phones with spaces between them, ``_`` for silence; each lasts ``each`` rows. The right phone
    has the probability ``sure``, the rest is shared at random.
    """
    rng = np.random.default_rng(seed)
    labels = ["" if one == "_" else one for one in said.split()]
    rows = rng.random((len(labels) * each, len(PHONES))).astype(np.float32)
    rows *= (1 - sure) / rows.sum(axis=1, keepdims=True)
    rows[np.arange(len(rows)), np.repeat([PHONE_INDEX[one] for one in labels], each)] += sure
    starts = np.arange(len(labels)) * each
    return rows, np.stack([starts, starts + each], axis=1)
