"""The mark one can see: it is where it should be, is read on anything, and touches nothing else."""

import numpy as np
import pytest
from mouthpiece.provenance.marks import badge, marked


def changed(frame):
    """Return the rows and columns in which a mark changed a frame."""
    difference = (marked(frame) != frame).any(axis=2)
    return np.flatnonzero(difference.any(axis=1)), np.flatnonzero(difference.any(axis=0))


@pytest.mark.parametrize("level", [0, 60, 128, 200, 255])
@pytest.mark.parametrize("size", [(1080, 1920), (512, 512), (256, 256), (120, 90), (32, 32)])
def test_the_letters_stand_out_on_any_background(size, level):
    frame = np.full((*size, 3), level, np.uint8)
    result = marked(frame)
    _, cover = badge(size[1], size[0])
    rows, columns = changed(frame)
    part = result[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1, 0].astype(int)
    letters = part[part > 240]
    assert len(letters) > 20
    # the plate is so much darker than the letters that one reads them (contrast of sRGB light at least 4.5)
    plate = np.median(part[2:-2, 2:-2][part[2:-2, 2:-2] < 200])
    light = lambda value: ((value / 255 + 0.055) / 1.055) ** 2.4  # noqa: E731
    assert (light(245) + 0.05) / (light(max(plate, 11)) + 0.05) > 4.5
    assert part.shape[0] <= cover.shape[0] and part.shape[1] <= cover.shape[1]


@pytest.mark.parametrize("size", [(1080, 1920), (1920, 1080), (256, 256), (90, 400)])
def test_it_is_small_and_in_the_lower_right_corner(size):
    high, wide = size
    rows, columns = changed(np.full((*size, 3), 77, np.uint8))
    assert rows[0] > high * 0.8 and rows[-1] < high and columns[0] > wide * 0.5 and columns[-1] < wide
    assert len(rows) * len(columns) < 0.03 * high * wide


def test_the_long_word_is_there_where_there_is_room():
    assert badge(1920, 1080)[0].shape == (13 * 3, (9 * 6 - 1 + 6) * 3)
    assert badge(256, 256)[0].shape == (13, 59)
    assert badge(64, 64)[0].shape == (13, 17)


@pytest.mark.parametrize("size", [(1, 1), (3, 40), (40, 3), (12, 12), (13, 17), (14, 18)])
@pytest.mark.parametrize("channels", [3, 4])
def test_frames_smaller_than_the_mark_keep_their_size(size, channels):
    frame = np.zeros((*size, channels), np.uint8)
    assert marked(frame).shape == frame.shape
    assert not frame.any()


def test_on_nothing_it_is_as_opaque_as_itself_and_colours_below_do_not_show():
    nothing = np.full((256, 256, 4), (255, 0, 0, 0), np.uint8)
    result = marked(nothing)
    level, cover = badge(256, 256)
    margin = 5
    part = result[256 - margin - 13 : 256 - margin, 256 - margin - 59 : 256 - margin].astype(int)
    assert np.abs(part[..., 3] - cover * 255).max() <= 1
    assert np.abs(part[cover > 0][:, :3] - level[cover > 0][:, None]).max() <= 1


def test_the_same_mark_every_time():
    frame = np.random.default_rng(0).integers(0, 256, (300, 400, 4), np.uint8)
    assert np.array_equal(marked(frame), marked(frame))
