"""PNG files written with the standard library: another reader sees the same pixels, and chunks come back."""

from __future__ import annotations

import io

import numpy as np
import pytest
from mouthpiece.errors import PictureError
from mouthpiece.portrait.png import chunks_of, png_bytes, text_chunk, texts_of, with_chunks

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
    assert (read(png_bytes(made, level=level)) == made).all()


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 7), (7, 1)])
def test_the_smallest_pictures(height, width):
    made = picture(4, height, width)
    assert (read(png_bytes(made)) == made).all()


def test_views_and_turned_pictures_are_written_as_they_look():
    made = picture(4, 20, 20)
    for view in (made[::-1], made[3:9, 2:7], made.transpose(1, 0, 2), made[:, ::2, :3]):
        assert (read(png_bytes(view)) == view).all()


def test_opaque_pictures_lose_their_alpha():
    made = picture(4)
    made[..., 3] = 255
    assert (read(png_bytes(made)) == made[..., :3]).all()


def test_texts_come_back_and_others_read_them():
    text = "Ünïcode <xmp> 口\nline"
    data = png_bytes(picture(3), [text_chunk("XML:com.adobe.xmp", text)])
    assert texts_of(data) == {"XML:com.adobe.xmp": text}
    assert Image.open(io.BytesIO(data)).info["XML:com.adobe.xmp"] == text


def test_chunks_are_put_into_a_file_that_is_there():
    made = picture(4)
    data = with_chunks(png_bytes(made), [(b"caBX", b"content"), text_chunk("a", "b")])
    assert [kind for kind, _ in chunks_of(data)] == [b"IHDR", b"sRGB", b"caBX", b"iTXt", b"IDAT", b"IEND"]
    assert dict(chunks_of(data))[b"caBX"] == b"content" and (read(data) == made).all()


def test_what_is_no_whole_png_is_refused():
    data = png_bytes(picture(3))
    with pytest.raises(PictureError, match="no PNG"):
        list(chunks_of(b"JFIF"))
    for end in (9, 20, len(data) - 1):
        with pytest.raises(PictureError, match="cut off"):
            list(chunks_of(data[:end]))
    with pytest.raises(PictureError, match="damaged"):
        list(chunks_of(data[:60] + bytes([data[60] ^ 255]) + data[61:]))


@pytest.mark.parametrize("wrong", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)])
def test_what_is_no_frame_is_refused(wrong):
    with pytest.raises(ValueError, match="a frame is"):
        png_bytes(wrong)
