"""What several tests need: seeded randomness, a place to write sounds to, and a face that talks."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import soundfile
from mouthpiece.audio import Audio
from mouthpiece.files import ASSETS
from mouthpiece.pipeline import animate
from mouthpiece.portrait.find import faces as finder

from tests.material import DEMO_LINE


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.fixture
def wav(tmp_path):
    """Write samples to a WAV whose name has spaces and letters beyond ASCII; return its path."""

    def write(samples, rate=16_000, name="ein Satz – ñandú 話す.wav", **options):
        path = tmp_path / name
        soundfile.write(path, samples, rate, **options)
        return path

    return write


@pytest.fixture(scope="session")
def speech():
    """A spoken line at 16 kHz: the one the demo uses."""
    samples, rate = soundfile.read(DEMO_LINE, dtype="float32")
    return Audio(samples, rate, "The demo line")


@pytest.fixture(scope="session")
def spoken(speech):
    """The demo line's take, made by the shipped networks."""
    assert (ASSETS / "content.onnx").is_file()
    return animate(speech)


@pytest.fixture(scope="module")
def faces_found_once():
    """Let faces be looked for once in each picture, in modules whose tests use the same photo: a look takes long."""
    known, look = {}, finder._upright

    def remembered(picture, networks, least):
        key = (hashlib.sha256(picture).digest(), picture.shape, least)
        if key not in known:
            known[key] = tuple(look(picture, networks, least))
        return list(known[key])

    finder._upright = remembered
    yield
    finder._upright = look
