"""What picture files say about themselves, against what Pillow wrote into them."""

from pathlib import Path

import pytest
from mouthpiece.portrait.headers import is_animated, orientation, other_colours, remarks_on_file

Image = pytest.importorskip("PIL.Image")
ImageCms = pytest.importorskip("PIL.ImageCms")
ImageOps = pytest.importorskip("PIL.ImageOps")

PORTRAIT = Path(__file__).parent / "test_training_face.jpg"
KINDS = ("jpg", "png", "webp", "tif")


def photo():
    return Image.open(PORTRAIT).convert("RGB")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("turn", [1, 3, 6, 8])
def test_the_note_on_how_a_camera_was_held_is_found(tmp_path, kind, turn):
    exif = Image.Exif()
    exif[0x010F] = "A camera of some make"
    exif[274] = turn
    photo().save(tmp_path / f"turned.{kind}", exif=exif)
    assert orientation((tmp_path / f"turned.{kind}").read_bytes()) == turn
    remarks = remarks_on_file(tmp_path / f"turned.{kind}")
    words = {3: "upside down", 6: "on its left side", 8: "on its right side"}
    assert not remarks if turn == 1 else (len(remarks) == 1 and words[turn] in remarks[0])


def test_what_on_its_left_side_means():
    # orientation 6: the first row stored is the scene's right edge, so a head (at the scene's top) lies to the left
    upright = Image.new("L", (2, 3))
    upright.putpixel((0, 0), 255)
    upright.putpixel((1, 0), 255)  # the top row
    stored = upright.transpose(Image.Transpose.ROTATE_90)
    stored.getexif()[274] = 6
    assert list(ImageOps.exif_transpose(stored).tobytes()) == list(upright.tobytes())
    assert [stored.getpixel((0, row)) for row in range(2)] == [255, 255]  # the head's end is the left column


@pytest.mark.parametrize("kind", ["gif", "png", "webp"])
def test_animations_are_told(tmp_path, kind):
    photo().save(tmp_path / f"still.{kind}")
    mirrored = photo().transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    photo().save(tmp_path / f"moving.{kind}", save_all=True, append_images=[mirrored], loop=0)
    assert not is_animated((tmp_path / f"still.{kind}").read_bytes())
    assert is_animated((tmp_path / f"moving.{kind}").read_bytes())
    assert remarks_on_file(tmp_path / f"still.{kind}") == []
    assert "animated" in remarks_on_file(tmp_path / f"moving.{kind}")[0]


def test_a_photo_whose_end_is_missing_is_told(tmp_path):
    data = PORTRAIT.read_bytes()
    for name, part in (("whole.jpg", data), ("half.jpg", data[: len(data) // 2]), ("more.jpg", data + b"\0" * 5000)):
        (tmp_path / name).write_bytes(part)
    assert (
        remarks_on_file(PORTRAIT)
        == []
        == remarks_on_file(tmp_path / "whole.jpg")
        == remarks_on_file(tmp_path / "more.jpg")
    )
    assert "is missing" in remarks_on_file(tmp_path / "half.jpg")[0]


@pytest.mark.parametrize("kind", ["jpg", "png", "webp"])
def test_colour_profiles_other_than_srgb_are_told(tmp_path, kind):
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    other = srgb.replace(b"s\0R\0G\0B", b"w\0i\0d\0e").replace(b"sRGB", b"wide")
    for name, profile in (("srgb", srgb), ("other", other)):
        photo().save(tmp_path / f"{name}.{kind}", icc_profile=profile)
    assert remarks_on_file(tmp_path / f"srgb.{kind}") == []
    assert "colour profile" in remarks_on_file(tmp_path / f"other.{kind}")[0]


def test_files_of_other_kinds_and_damaged_ones_say_nothing(tmp_path, rng):
    assert remarks_on_file(tmp_path / "none.png") == [] == remarks_on_file(tmp_path)
    exif = Image.Exif()
    exif[274] = 6
    for kind in KINDS:
        path = tmp_path / f"turned.{kind}"
        photo().resize((40, 30)).save(path, exif=exif)
        data = path.read_bytes()
        for size in range(0, 400, 7):
            assert orientation(data[:size]) in (1, 6)
        for _ in range(200):
            changed = bytearray(data)
            for place in rng.integers(0, min(len(data), 200), 8):
                changed[place] = int(rng.integers(0, 256))
            assert 1 <= orientation(bytes(changed)) <= 8
            is_animated(bytes(changed))
            other_colours(bytes(changed))
