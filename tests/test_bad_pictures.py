"""Every kind of picture that goes wrong: each is read rightly, or refused in words that help."""

import io
import json
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from mouthpiece.cli import parser as core_cli
from mouthpiece.errors import PictureError
from mouthpiece.portrait.images import LONGEST, over_white, read_picture, read_still

from tests.material import DEMO_LINE

Image = pytest.importorskip("PIL.Image")
ImageCms = pytest.importorskip("PIL.ImageCms")

ROOT = Path(__file__).resolve().parents[1]
PORTRAIT = Path(__file__).parent / "test_training_face.jpg"


def photo():
    return Image.open(PORTRAIT).convert("RGB")


def grey():
    return np.asarray(photo().convert("L"))


def chunk(kind, data):
    """A chunk of a PNG file."""
    return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")


def deep_png(channels):
    """A PNG of 16 bits a channel (H, W, 3 or 4), which Pillow reads and does not write."""
    height, width, count = channels.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in channels)
    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([16, {3: 2, 4: 6}[count], 0, 0, 0])
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def saved(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def moving(kind):
    inverted = Image.fromarray(255 - np.asarray(photo()))
    return saved(photo(), kind, save_all=True, append_images=[inverted, photo()])


def truncated(data, share=0.5):
    return data[: round(len(data) * share)]


def colours16():
    return np.asarray(photo()).astype(np.uint16) * 257


def clear_palette():
    few = photo().quantize(64)
    return saved(few, "PNG", transparency=few.getpixel((2, 2)))


def two_alphas(mode):
    picture = photo().convert(mode)
    picture.putalpha(Image.fromarray(np.where(np.indices((224, 224))[0] < 20, 0, 255).astype(np.uint8)))
    return saved(picture, "PNG")


def float_tiff(scale, kind="F"):
    return saved(Image.fromarray((grey() / 255 * scale).astype(np.float32), kind), "TIFF")


#: What is read: name -> (bytes, is colour, mean difference from the photo allowed, remark).
READ = {
    "colour.png": (lambda: saved(photo(), "PNG"), True, 0.0, None),
    "grey.png": (lambda: saved(photo().convert("L"), "PNG"), False, 0.0, None),
    "grey-alpha.png": (lambda: two_alphas("LA"), False, 0.0, None),
    "alpha.png": (lambda: two_alphas("RGBA"), True, 0.0, None),
    "palette.png": (lambda: saved(photo().quantize(256), "PNG"), True, 5.0, None),
    "palette-clear.png": (clear_palette, True, 8.0, None),
    "grey16.png": (lambda: saved(Image.fromarray(grey().astype(np.uint16) * 257), "PNG"), False, 0.5, None),
    "grey16.tif": (lambda: saved(Image.fromarray(grey().astype(np.uint16) * 257), "TIFF"), False, 0.5, None),
    "colour16.png": (lambda: deep_png(colours16()), True, 0.5, None),
    "alpha16.png": (lambda: deep_png(np.dstack([colours16(), np.full((224, 224), 65535, np.uint16)])), True, 0.5, None),
    "cmyk.jpg": (lambda: saved(photo().convert("CMYK"), "JPEG", quality=95), True, 4.0, None),
    "cmyk.tif": (lambda: saved(photo().convert("CMYK"), "TIFF"), True, 1.0, None),
    "levels.tif": (lambda: float_tiff(255.0), False, 0.5, None),
    "float.tif": (lambda: float_tiff(1.0), False, 0.5, None),
    "webp.webp": (lambda: saved(photo(), "WEBP", quality=90), True, 5.0, None),
    "moving.gif": (lambda: moving("GIF"), True, 5.0, "It has 3 frames; the first is used."),
    "moving.webp": (lambda: moving("WEBP"), True, 8.0, "It has 3 frames; the first is used."),
    "moving.png": (lambda: moving("PNG"), True, 0.0, "It has 3 frames; the first is used."),
    "pages.tif": (lambda: moving("TIFF"), True, 0.0, "It has 3 pages; the first is used."),
}

#: What is refused: name -> (bytes, what is said).
REFUSED = {
    "half.png": (lambda: truncated(saved(photo(), "PNG")), r"half\.png' cannot be read .*truncated.* damaged"),
    "half.jpg": (lambda: truncated(PORTRAIT.read_bytes()), r"cannot be read .*truncated"),
    "half.webp": (lambda: truncated(saved(photo(), "WEBP")), "cannot be read|not a picture Pillow can read"),
    "half.tif": (lambda: truncated(saved(photo(), "TIFF")), "cannot be read|a kind of TIFF"),
    "half.gif": (lambda: truncated(saved(photo(), "GIF")), "cannot be read"),
    "empty.png": (lambda: b"", r"'.*empty\.png' is empty"),
    "text.png": (lambda: b"This is no picture.", "is not a picture Pillow can read"),
    "drawing.svg": (lambda: b"<svg xmlns='http://www.w3.org/2000/svg'/>", "vector drawing"),
    "film.png": (lambda: b"\0\0\0\x18ftypheic" + b"\0" * 40, "HEIC"),
    "light.exr": (lambda: b"\x76\x2f\x31\x01\2\0\0\0" + b"\0" * 40, "OpenEXR"),
    "layers.psd": (lambda: b"8BPS\0\7" + b"\0" * 40, "cannot be read|Photoshop"),
    "page.png": (lambda: b"%PDF-1.7\n", "PDF"),
}


@pytest.mark.parametrize("name", READ)
def test_a_picture_of_any_kind_is_read_as_it_looks(tmp_path, name):
    make, coloured, within, remark = READ[name]
    (tmp_path / name).write_bytes(make())
    still = read_still(tmp_path / name)
    assert still.pixels.shape == (224, 224, 4) and still.pixels.dtype == np.uint8
    assert (still.width, still.height) == (224, 224)
    truth = np.asarray(photo()) if coloured else np.dstack([grey()] * 3)
    shown = still.pixels[..., 3] > 0
    assert np.abs(still.pixels[..., :3].astype(int) - truth)[shown].mean() <= within
    assert still.remarks == (() if remark is None else (remark,))


@pytest.mark.parametrize("name", ["grey-alpha.png", "alpha.png"])
def test_what_is_clear_stays_clear(tmp_path, name):
    (tmp_path / name).write_bytes(READ[name][0]())
    pixels = read_picture(tmp_path / name)
    assert (pixels[:20, :, 3] == 0).all() and (pixels[20:, :, 3] == 255).all()
    assert (over_white(pixels)[:20] == 255).all()


def test_a_clear_colour_of_a_palette_is_clear(tmp_path):
    (tmp_path / "clear.png").write_bytes(clear_palette())
    few = photo().quantize(64)
    pixels = read_picture(tmp_path / "clear.png")
    np.testing.assert_array_equal(pixels[..., 3] == 0, np.asarray(few) == few.getpixel((2, 2)))


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_is_refused_in_words(tmp_path, name):
    make, says = REFUSED[name]
    (tmp_path / name).write_bytes(make())
    with pytest.raises(PictureError, match=says):
        read_picture(tmp_path / name)


@pytest.mark.parametrize("name", [*REFUSED, "none.png", "folder.png"])
def test_the_command_says_the_same_and_fails(tmp_path, name, capsys):
    if name in REFUSED:
        (tmp_path / name).write_bytes(REFUSED[name][0]())
    elif name == "folder.png":
        (tmp_path / name).mkdir()
    assert core_cli.run(["landmarks", str(tmp_path / name), "--json", "-o", str(tmp_path / "out.json")]) == 1
    out, err = capsys.readouterr()
    told = json.loads(out)
    assert told["ok"] is False and name in told["error"] and told["error"] in err.replace("\\\\", "\\")
    assert not (tmp_path / "out.json").exists()
    expected = {"none.png": "There is no picture at", "folder.png": "is a folder"}
    assert expected.get(name, "") in told["error"]


def test_damage_anywhere_is_an_error_or_a_picture_and_nothing_else(tmp_path, rng):
    kinds = [make() for make, *_ in READ.values()]
    for number in range(240):
        data = bytearray(kinds[number % len(kinds)])
        for _ in range(int(rng.integers(1, 30))):
            place = int(rng.integers(0, min(len(data), 400) if number % 2 else len(data)))
            data[place] = int(rng.integers(0, 256))
        path = tmp_path / f"{number}"
        path.write_bytes(data[: int(rng.integers(8, len(data) + 1))] if number % 3 else data)
        try:
            assert read_picture(path).shape[2] == 4
        except PictureError as error:
            assert str(path) in str(error)


def test_one_bit_pictures_are_black_and_white(tmp_path):
    bits = np.indices((8, 9)).sum(axis=0) % 2 == 0
    Image.fromarray(bits).save(tmp_path / "bits.png")
    np.testing.assert_array_equal(read_picture(tmp_path / "bits.png")[..., 0], np.where(bits, 255, 0))


def test_floats_are_levels_cut_off_at_white(tmp_path):
    levels = np.array([[0.0, 0.1, 0.5, 1.0], [1.7, np.nan, -0.5, np.inf]], np.float32)
    Image.fromarray(levels, "F").save(tmp_path / "light.tif")
    assert read_picture(tmp_path / "light.tif")[..., 0].tolist() == [[0, 26, 128, 255], [255, 0, 0, 255]]


def swapped_profile():
    """The sRGB profile with the primaries of red and green exchanged: what is red in numbers is green in colour."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red, green = profile.index(b"rXYZ"), profile.index(b"gXYZ")
    profile[red : red + 4], profile[green : green + 4] = b"gXYZ", b"rXYZ"
    return bytes(profile).replace(b"s\0R\0G\0B", b"s\0w\0a\0p").replace(b"sRGB", b"swap")


@pytest.mark.parametrize(("mode", "kind"), [("RGB", "PNG"), ("RGBA", "PNG"), ("P", "PNG"), ("RGB", "TIFF")])
def test_a_colour_profile_is_honoured(tmp_path, mode, kind):
    red = Image.new("RGBA", (6, 4), (200, 30, 90, 128 if mode == "RGBA" else 255)).convert(mode)
    red.save(tmp_path / "red", kind, icc_profile=swapped_profile())
    still = read_still(tmp_path / "red")
    assert still.pixels[0, 0].tolist() == pytest.approx([30, 200, 90, 128 if mode == "RGBA" else 255], abs=2)
    assert len(still.remarks) == 1 and "to sRGB" in still.remarks[0]


def test_profiles_that_are_srgb_damaged_or_of_another_kind_do_no_harm(tmp_path):
    red = Image.new("RGB", (6, 4), (200, 30, 90))
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for profile, remarks in ((srgb, 0), (b"nonsense" * 40, 1), (srgb[:200], 1)):
        red.save(tmp_path / "red.png", icc_profile=profile)
        still = read_still(tmp_path / "red.png")
        assert still.pixels[0, 0].tolist() == pytest.approx([200, 30, 90, 255], abs=1)
        assert len(still.remarks) == remarks
    red.convert("L").save(tmp_path / "grey.png", icc_profile=srgb)
    assert read_still(tmp_path / "grey.png").pixels.shape == (4, 6, 4)


@pytest.mark.parametrize("turn", range(1, 9))
def test_all_eight_ways_to_hold_a_camera_are_turned_upright(tmp_path, turn):
    upright = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20
    stored = {  # what the camera wrote, such that the EXIF orientation takes it back
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.T,
        6: np.rot90(upright),
        7: upright[::-1, ::-1].T,
        8: np.rot90(upright, -1),
    }[turn]
    exif = Image.Exif()
    exif[274] = turn
    Image.fromarray(np.ascontiguousarray(stored)).save(tmp_path / "turned.png", exif=exif)
    still = read_still(tmp_path / "turned.png")
    assert (still.width, still.height) == (4, 3)
    np.testing.assert_array_equal(still.pixels[..., 0], upright)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "GIF"])
def test_a_large_picture_is_read_smaller(tmp_path, kind):
    exif = Image.Exif()
    exif[274] = 6
    options = {} if kind == "GIF" else {"exif": exif}
    photo().resize((900, 600)).save(tmp_path / "large", kind, **options)
    still = read_still(tmp_path / "large", 250)
    assert (still.width, still.height) == ((900, 600) if kind == "GIF" else (600, 900))
    height, width = still.pixels.shape[:2]
    assert 150 <= max(height, width) <= 250
    assert width / height == pytest.approx(still.width / still.height, rel=0.02)
    assert read_still(tmp_path / "large", 900).pixels.shape[:2] == (still.height, still.width)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="a program's most memory is read from /proc")
def test_twelve_thousand_pixels_a_side_take_little_memory(tmp_path):
    path, out = tmp_path / "huge.jpg", tmp_path / "points.json"
    photo().resize((12_000, 12_000)).save(path, quality=50)
    # getrusage would tell of this test run as well: what a program took before it was replaced counts there
    code = "import sys; from mouthpiece.cli.parser import run; code = run(sys.argv[1:]); "
    code += "print(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM'))); "
    code += "sys.exit(code)"
    command = [sys.executable, "-c", code, "landmarks", str(path), "-o", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT / "core", check=True)
    assert not done.stderr
    assert int(done.stdout.splitlines()[-1]) / 1024 < 900  # megabytes; whole, it takes 2,800
    small = tmp_path / "small.json"
    assert core_cli.run(["landmarks", str(PORTRAIT), "-o", str(small), "--quiet"]) == 0
    large, usual = (np.array(json.loads(file.read_text())["faces"][0]["landmarks"]) for file in (out, small))
    unit = np.linalg.norm(usual[45] - usual[36])
    assert np.abs(large / (12_000 / 224) - usual)[:, :2].mean() / unit < 0.02


def test_what_is_larger_than_graphics_cards_show_is_refused(tmp_path):
    Image.new("1", (LONGEST + 1, 3)).save(tmp_path / "long.png")
    with pytest.raises(PictureError, match="at most 16384 a side"):
        read_picture(tmp_path / "long.png")


# Through the command


def landmarks(path, capsys, *more):
    code = core_cli.run(["landmarks", str(path), "-o", str(path.with_suffix(".out")), "--force", "--json", *more])
    return code, json.loads(capsys.readouterr().out)


def test_ten_faces_are_all_reported_and_one_can_be_chosen(tmp_path, capsys):
    page = Image.new("RGB", (5 * 200, 2 * 200), (120, 120, 120))
    for number in range(10):
        side = 110 + 8 * number
        page.paste(photo().resize((side, side)), (200 * (number % 5), 200 * (number // 5)))
    page.save(tmp_path / "ten.png")
    code, told = landmarks(tmp_path / "ten.png", capsys)
    assert code == 0 and told["faces"] == 10 and [row["face"] for row in told["found"]] == list(range(1, 11))
    assert all(0.6 < row["confidence"] <= 1 and row["jitter"] < 0.03 for row in told["found"])
    boxes = [row["box"] for row in told["found"]]
    assert len({(int(left // 200), int(top // 200)) for left, top, *_ in boxes}) == 10
    code, told = landmarks(tmp_path / "ten.png", capsys, "--face", "4")
    assert code == 0 and told["faces"] == 1 and told["found"][0]["box"] == boxes[3] and told["found"][0]["face"] == 4
    code, told = landmarks(tmp_path / "ten.png", capsys, "--face", "11")
    assert code == 1 and "shows 10 face(s); there is no face 11" in told["error"]


def test_no_face_and_too_few_pixels_are_told_with_the_way_out(tmp_path, capsys):
    Image.new("RGB", (300, 200), "green").save(tmp_path / "green.png")
    code, told = landmarks(tmp_path / "green.png", capsys)
    assert code == 1 and "No face was found" in told["error"] and "--points" in told["error"]
    photo().resize((12, 12)).save(tmp_path / "tiny.png")
    code, told = landmarks(tmp_path / "tiny.png", capsys)
    assert code == 1 and "12 x 12 pixels; a face needs some 24" in told["error"]
    photo().resize((20, 20)).save(tmp_path / "small.png")  # nothing but a face: found, and said to be too small
    code, told = landmarks(tmp_path / "small.png", capsys)
    assert code == 0 and 4 < told["found"][0]["eye_distance"] < 12
    assert any("small" in words and "pixels apart" in words for words in told["warnings"])


def test_frames_and_doubts_are_warnings(tmp_path, capsys):
    (tmp_path / "moving.gif").write_bytes(moving("GIF"))
    code, told = landmarks(tmp_path / "moving.gif", capsys)
    assert code == 0 and told["warnings"] == ["It has 3 frames; the first is used."]
    photo().resize((60, 60)).save(tmp_path / "small.png")
    code, told = landmarks(tmp_path / "small.png", capsys)
    assert code == 0 and any("is small" in words for words in told["warnings"])


@pytest.mark.parametrize("name", ["half.jpg", "empty.png", "text.png", "light.exr", "none.png", "green.png"])
def test_no_portrait_is_begun_of_what_cannot_be_used(tmp_path, monkeypatch, capsys, name):
    monkeypatch.setenv("MOUTHPIECE_SETTINGS", str(tmp_path / "settings"))
    if name in REFUSED:
        (tmp_path / name).write_bytes(REFUSED[name][0]())
    elif name == "green.png":
        Image.new("RGB", (300, 200), "green").save(tmp_path / name)
    given = ["--image", tmp_path / name, "--audio", DEMO_LINE, "-o", tmp_path / "frames", "--json"]
    consent = ["--consent", "nobody: a broken file, for a test"]
    assert core_cli.run([str(word) for word in ["portrait", *given, *consent]]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] is False and name in told["error"] and not (tmp_path / "frames").exists()
