"""PNG files written with the standard library: another reader sees the same pixels."""

from __future__ import annotations

import io

import numpy as np
import pytest
from mouthpiece.portrait.consent import Consent
from mouthpiece.provenance import records
from mouthpiece.provenance.facts import Facts
from mouthpiece.provenance.png import encoded, recorded_frame

Image = pytest.importorskip("PIL.Image")


def picture(channels: int, height: int = 13, width: int = 9) -> np.ndarray:
    return np.random.default_rng(4).integers(0, 256, (height, width, channels), dtype=np.uint8)


def read(data: bytes) -> np.ndarray:
    opened = Image.open(io.BytesIO(data))
    opened.load()
    return np.asarray(opened)


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("level", [0, 1, 9])
def test_another_reader_sees_the_same_pixels(channels, level):
    made = picture(channels)
    assert (read(encoded(made, level=level)) == made).all()


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 7), (7, 1)])
def test_the_smallest_pictures(height, width):
    made = picture(4, height, width)
    assert (read(encoded(made)) == made).all()


def test_views_and_turned_pictures_are_written_as_they_look():
    made = picture(4, 20, 20)
    for view in (made[::-1], made[3:9, 2:7], made.transpose(1, 0, 2), made[:, ::2, :3]):
        assert (read(encoded(view)) == view).all()


def test_opaque_pictures_lose_their_alpha():
    made = picture(4)
    made[..., 3] = 255
    assert (read(encoded(made)) == made[..., :3]).all()


def test_a_frame_with_its_record_is_what_recording_a_file_makes(tmp_path):
    facts = Facts(Consent("own: this is my own face"), "Mouthpiece 9", "2026-05-01T00:00:00Z", frame=3)
    for channels in (3, 4):
        made = picture(channels)
        bare, whole = tmp_path / "bare.png", tmp_path / "whole.png"
        bare.write_bytes(encoded(made, level=1))
        records.record(bare, facts)
        whole.write_bytes(recorded_frame(made, facts)[0])
        assert whole.read_bytes() == bare.read_bytes()
        packet = records.read(whole)
        assert packet.facts.frame == 3 and records.is_content_of(whole, packet.facts)
