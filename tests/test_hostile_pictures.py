"""Pictures that are programs, devices or bombs: nothing is started, nothing is read for ever, memory is bounded."""

import io
import os
import socket
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from mouthpiece.errors import PictureError
from mouthpiece.portrait import headers, images
from mouthpiece.portrait.images import read_still

Image = pytest.importorskip("PIL.Image")
ImageFile = pytest.importorskip("PIL.ImageFile")

ROOT = Path(__file__).resolve().parents[1]
PORTRAIT = Path(__file__).parent / "test_training_face.jpg"
EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n%%EndComments\n(made) (w) file closefile\nshowpage\n"

#: What is no picture here, though libraries would open it: name -> (bytes, what is said).
OTHERS = {
    "postscript": (EPS, r"is a PostScript file \(EPS\)\. Export it as PNG"),
    "postscript after a mark": (b"\x04" + EPS, "PostScript"),
    "postscript with a preview": (
        b"\xc5\xd0\xd3\xc6" + struct.pack("<6I", 32, len(EPS), 0, 0, 0, 0) + EPS,
        "PostScript",
    ),
    "pdf": (b"%PDF-1.7\n", "is a PDF"),
    "wmf": (b"\xd7\xcd\xc6\x9a" + bytes(100), "Windows metafile"),
    "emf": (b"\1\0\0\0" + bytes(36) + b" EMF" + bytes(100), "Windows metafile"),
    "fits": (b"SIMPLE  =                    T" + b" " * 3000, "FITS"),
    "hdf": (b"\x89HDF\r\n\x1a\n" + bytes(100), "HDF5"),
    "grib": (b"GRIB" + bytes(100), "GRIB"),
    "bufr": (b"BUFR" + bytes(100), "BUFR"),
    "fli": (b"\0\1\0\0\x11\xaf\1\0\x40\0\x40\0" + bytes(200), "FLI"),
    "ico": (b"\0\0\1\0\1\0" + bytes(200), "icons"),
    "icns": (b"icns\0\0\0\x80" + bytes(200), "icons"),
    "dds": (b"DDS " + bytes(200), r"\(DDS\), which is read in Blender only"),
    "photoshop": (b"8BPS\0\1" + bytes(200), "Photoshop"),
    "jpeg 2000": (b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(200), "JPEG 2000 picture, which is read in Blender only"),
    "xpm": (b'/* XPM */\nstatic char *x[] = {\n"1 1 1 1",\n', "XPM"),
    "pnm": (b"P6 1 1 255\n\0\0\0", "PNM"),
    "avif": (b"\0\0\0\x18ftypavif" + bytes(40), "AVIF"),
    "playlist": (b"#EXTM3U\n#EXTINF:1,\n/etc/hostname\n", "is a playlist"),
    "list of files": (b"ffconcat version 1.0\nfile 'a.png'\n", "is a list of files"),
}


def saved(kind, image=None, **options):
    file = io.BytesIO()
    (image or Image.open(PORTRAIT).convert("RGB")).save(file, kind, **options)
    return file.getvalue()


def chunk(kind, data):
    return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")


def flat_png(side, kind, bits, extra=b""):
    """A PNG of rows that are all alike, from dark to light."""
    ramp = np.linspace(0, 255, side).astype(np.uint8)
    row = b"\0" + (ramp.tobytes() if bits == 8 else (ramp.astype(">u2") * 257).astype(">u2").tobytes())
    packer = zlib.compressobj(1)
    data = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, bits, kind, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@pytest.fixture
def no_programs(monkeypatch):
    def started(*arguments, **_):
        raise AssertionError(f"a program is started: {arguments}")

    for module, name in ((subprocess, "Popen"), (os, "system"), (os, "popen"), (os, "fork"), (os, "posix_spawn")):
        monkeypatch.setattr(module, name, started, raising=False)


@pytest.mark.usefixtures("no_programs")
@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("ending", [".png", ".eps"])
def test_what_is_no_picture_is_named_and_handed_to_no_library(tmp_path, monkeypatch, name, ending):
    def opened(*_, **__):
        raise AssertionError("Pillow was asked")

    data, says = OTHERS[name]
    (tmp_path / f"face{ending}").write_bytes(data)
    monkeypatch.setattr(Image, "open", opened)
    with pytest.raises(PictureError, match=says):
        read_still(tmp_path / f"face{ending}")


@pytest.mark.usefixtures("no_programs")
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "GIF", "BMP", "TGA"])
def test_pillow_is_asked_for_the_kind_that_a_file_is_and_for_no_other(tmp_path, monkeypatch, kind):
    asked, usual = [], Image.open

    def opened(source, mode="r", formats=None):
        asked.append(formats)
        return usual(source, mode, formats)

    (tmp_path / "face.eps").write_bytes(saved(kind))
    monkeypatch.setattr(Image, "open", opened)
    assert read_still(tmp_path / "face.eps").pixels.shape == (224, 224, 4)
    assert asked == [(kind,)]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_pipes_devices_and_sockets_are_refused_at_once(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe.png")
    monkeypatch.chdir(tmp_path)  # names of sockets are short
    with socket.socket(socket.AF_UNIX) as open_socket:
        open_socket.bind("socket.png")
        for path in (tmp_path / "pipe.png", Path("/dev/zero"), Path("socket.png")):
            with pytest.raises(PictureError, match="is a pipe or device"):
                read_still(path)
            assert headers.kind_of(path, "Blender") == "is no file. Name a picture"
            assert headers.remarks_on_file(path) == []


def test_names_that_no_file_can_have_are_refused(tmp_path):
    for path in (tmp_path / ("a" * 300 + ".png"), tmp_path / "a\0b.png"):
        with pytest.raises(PictureError, match="There is no picture at"):
            read_still(path)
        assert headers.remarks_on_file(path) == []


# Large ones


def test_sixteen_bits_of_grey_are_read_smaller(tmp_path):
    values = np.arange(40 * 4200, dtype=np.uint16).reshape(40, 4200) % 65521
    for name in ("deep.png", "deep.tif"):
        Image.fromarray(values).save(tmp_path / name)
        still = read_still(tmp_path / name, 1050)
        assert (still.width, still.height) == (4200, 40) and still.pixels.shape == (10, 1050, 4)
        means = values.reshape(10, 4, 1050, 4).mean(axis=(1, 3)) / 65535 * 255
        assert np.abs(still.pixels[..., 0] - means).max() <= 0.51


@pytest.mark.parametrize("mode", ["F", "I"])
def test_blocks_at_the_edge_are_means_of_what_is_there(tmp_path, mode):
    values = np.random.default_rng(3).integers(0, 256, (5, 7))
    Image.fromarray(values.astype({"F": np.float32, "I": np.int32}[mode])).save(tmp_path / "deep.tif")
    pixels = read_still(tmp_path / "deep.tif", 3).pixels
    assert pixels.shape == (2, 3, 4)
    assert pixels[1, 2, 0] == pytest.approx(values[3:, 6:].mean(), abs=0.51)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "CMYK"])
def test_bands_are_read_as_the_whole_is(tmp_path, monkeypatch, mode):
    picture = Image.open(PORTRAIT).convert("RGBA").rotate(30).convert(mode)
    picture.save(tmp_path / "face.tif") if mode == "CMYK" else picture.save(tmp_path / "face.png")
    path = next(tmp_path.iterdir())
    usual = [read_still(path).pixels, read_still(path, 75).pixels]
    monkeypatch.setattr(images, "_BAND", 7)
    for before, pixels in zip(usual, [read_still(path).pixels, read_still(path, 75).pixels], strict=True):
        np.testing.assert_array_equal(before, pixels)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="a program's most memory is read from /proc")
@pytest.mark.parametrize(("kind", "bits"), [(3, 8), (0, 16)])
def test_palettes_and_sixteen_bits_of_eight_thousand_pixels_take_little_memory(tmp_path, kind, bits):
    table = b"" if kind == 0 else chunk(b"PLTE", bytes(range(256)) * 3) + chunk(b"tRNS", b"\x7f" * 9)
    (tmp_path / "huge.png").write_bytes(flat_png(8_000, kind, bits, table))
    code = "import sys; from pathlib import Path; from mouthpiece.portrait.images import read_still; "
    code += "print(read_still(Path(sys.argv[1]), 1000).pixels.shape); "
    code += "print(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))"
    command = [sys.executable, "-c", code, str(tmp_path / "huge.png")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT / "core", check=True)
    shape, memory = done.stdout.splitlines()
    assert shape == "(1000, 1000, 4)" and int(memory) / 1024 < 400  # megabytes; in 0.4.0, 600 and an error


@pytest.mark.parametrize(("kind", "options"), [("PNG", {}), ("WEBP", {}), ("JPEG", {"progressive": True})])
def test_what_would_take_too_much_memory_is_refused_before_it_is_decoded(tmp_path, monkeypatch, kind, options):
    def decoded(*_):
        raise AssertionError("the picture was decoded")

    (tmp_path / "face").write_bytes(saved(kind, **options))
    monkeypatch.setattr(images, "MOST_MEMORY", 224 * 224 * 3)
    monkeypatch.setattr(ImageFile.ImageFile, "load", decoded)
    with pytest.raises(PictureError, match=r"224 x 224 pixels; as a \w+ of this kind it would need 0\.\d GB"):
        read_still(tmp_path / "face")


def test_passes_and_canvases_count_in_the_memory_that_is_expected(tmp_path):
    expected = {}
    for name, data in (
        ("plain", saved("JPEG", subsampling=0)),
        ("passes", saved("JPEG", subsampling=0, progressive=True)),
        ("webp", saved("WEBP")),
        ("grey", saved("PNG", Image.open(PORTRAIT).convert("L"))),
    ):
        (tmp_path / name).write_bytes(data)
        with Image.open(tmp_path / name) as opened:
            expected[name] = images._needed(opened, 224) / 224**2
    assert expected == {"plain": 4, "passes": 4 + 6, "webp": 16, "grey": 1}


# Bombs


def gif(frames, comments=0, odd=b""):
    frame = b",\0\0\0\0\1\0\1\0\0\2\2D\1\0"
    words = b"!\xfe" + (b"\xff" + b"a" * 255) * comments + b"\0"
    return b"GIF89a\1\0\1\0\x80\0\0\0\0\0\xff\xff\xff" + odd + words + frame * frames + b";"


@pytest.mark.parametrize(
    ("data", "count"),
    [(gif(1), 1), (gif(2), 2), (gif(200_000), headers.MANY), (gif(1, 100_000), 1), (gif(3, odd=b"\1" * 900), 3)],
)
def test_of_a_gif_only_the_first_frame_is_kept(tmp_path, data, count):
    (tmp_path / "moving.gif").write_bytes(data)
    first = headers.first_frame(tmp_path / "moving.gif")
    assert len(first) < 60 and headers.frames_in(tmp_path / "moving.gif") == count
    still = read_still(tmp_path / "moving.gif")
    assert still.pixels.shape == (1, 1, 4)
    said = {1: (), headers.MANY: ("It has 1000 frames or more; the first is used.",)}
    assert still.remarks == said.get(count, (f"It has {count} frames; the first is used.",))


def test_a_gif_of_nothing_is_given_up(tmp_path):
    (tmp_path / "zeros.gif").write_bytes(gif(1, odd=bytes(1 << 20)))
    with pytest.raises(PictureError, match=r"damaged GIF|cannot be read"):
        read_still(tmp_path / "zeros.gif")
    assert headers.frames_in(tmp_path / "zeros.gif") == 0


def test_pages_of_a_tiff_are_counted_and_a_ring_of_them_ends(tmp_path):
    page = Image.new("L", (4, 4))
    (tmp_path / "pages.tif").write_bytes(saved("TIFF", page, save_all=True, append_images=[page] * 4))
    assert headers.frames_in(tmp_path / "pages.tif") == 5
    ring = b"II*\0\x08\0\0\0" + struct.pack("<H", 1) + bytes(12) + struct.pack("<I", 8)
    (tmp_path / "ring.tif").write_bytes(ring)
    assert headers.frames_in(tmp_path / "ring.tif") == 1
    for cut in range(len(ring)):
        (tmp_path / "cut.tif").write_bytes(ring[:cut])
        assert headers.frames_in(tmp_path / "cut.tif") == 1


def test_a_jpeg_in_endless_passes_is_refused(tmp_path):
    data = saved("JPEG", progressive=True)
    last = data.rfind(b"\xff\xda")
    (tmp_path / "usual.jpg").write_bytes(data)
    assert headers.strain(tmp_path / "usual.jpg") == ""
    (tmp_path / "endless.jpg").write_bytes(data[:-2] + data[last:-2] * 200 + b"\xff\xd9")
    with pytest.raises(PictureError, match="JPEG picture in more than 100 passes"):
        read_still(tmp_path / "endless.jpg")


def test_a_jpeg_filled_up_with_nothing_is_refused(tmp_path):
    data = PORTRAIT.read_bytes()
    (tmp_path / "filled.jpg").write_bytes(data[:2] + b"\xff" * 200_000 + data[2:])
    with pytest.raises(PictureError, match="filled up with nothing"):
        read_still(tmp_path / "filled.jpg")
    (tmp_path / "little.jpg").write_bytes(data[:2] + b"\xff" * 200 + data[2:] + b"\xff\xda" * 500)
    assert read_still(tmp_path / "little.jpg").pixels.shape == (224, 224, 4)


@pytest.mark.parametrize("size", [(1, 1), (1, 16384), (16384, 1)])
def test_thin_pictures_are_read(tmp_path, size):
    Image.new("RGBA", size, (9, 9, 9, 0)).save(tmp_path / "thin.png")
    still = read_still(tmp_path / "thin.png", 4096)
    assert (still.width, still.height) == size and max(still.pixels.shape[:2]) == min(4096, max(size))
    assert (still.pixels[..., 3] == 0).all()
