"""Every kind of picture that goes wrong, through Blender's own reading of pictures: a clear outcome each."""

from __future__ import annotations

import base64
import os
import shutil
import zlib
from pathlib import Path

import bpy
import numpy as np
import pytest
from mouthpiece.errors import PictureError
from mouthpiece.portrait.find.placement import as_json

from addon.targets.picture_rig import builder as rig_builder
from addon.targets.picture_rig import images
from addon.targets.picture_rig import settings as picture_settings
from addon.targets.picture_rig.builder import WantedFace

PHOTO = Path(__file__).resolve().parent.parent / "demo" / "samples" / "astronaut.jpg"
#: 16 x 16 pixels of (200, 60, 30): a CMYK JPEG as print shops send it, and animations whose second frame is blue.
CMYK = (
    "/9j/7gAOQWRvYmUAZAAAAAAA/9sAQwADAgIDAgIDAwMDBAMDBAUIBQUEBAUKBwcGCAwKDAwLCgsLDQ4SEA0OEQ4LCxAWEBETFBUVFQwPFxgWFBgS"
    "FBUU/8AAFAgAEAAQBEMRAE0RAFkRAEsRAP/EAB8AAAEFAQEBAQEBAAAAAAAAAAABAgMEBQYHCAkKC//EALUQAAIBAwMCBAMFBQQEAAABfQECAwAE"
    "EQUSITFBBhNRYQcicRQygZGhCCNCscEVUtHwJDNicoIJChYXGBkaJSYnKCkqNDU2Nzg5OkNERUZHSElKU1RVVldYWVpjZGVmZ2hpanN0dXZ3eHl6"
    "g4SFhoeIiYqSk5SVlpeYmZqio6Slpqeoqaqys7S1tre4ubrCw8TFxsfIycrS09TV1tfY2drh4uPk5ebn6Onq8fLz9PX29/j5+v/aAA4EQwBNAFkA"
    "SwAAPwD7Ar5Kr8+q/VOiiiiiiiiiiiiv/9k="
)
WEBP = (
    "UklGRogAAABXRUJQVlA4WAoAAAACAAAADwAADwAAQU5JTQYAAAAAAAAAAABBTk1GKgAAAAAAAAAAAA8AAA8AAAAAAAJWUDhMEQAAAC8PwAMAB1CeItej"
    "/4GI6H8AAEFOTUYqAAAAAAAAAAAADwAADwAAAAAAAFZQOEwRAAAALw/AAwAHUJ56FLn/gYjofwAA"
)
GIF = (
    "R0lGODdhEAAQAIEAAMg8HgAAAAAAAAAAACwAAAAAEAAQAAAIHQABCBxIsKDBgwgTKlzIsKHDhxAjSpxIsaLFgQEBACH5BAEAAAEALAAAAAAQABAAgR48"
    "yAAAAAAAAAAAAAgdAAEIHEiwoMGDCBMqXMiwocOHECNKnEixosWBAQEAOw=="
)


def photo():
    """The photo's colours (H, W, 3) uint8, first row at the top."""
    image = bpy.data.images.load(str(PHOTO))
    colours = images.pixels(image)[0][..., :3]
    bpy.data.images.remove(image)
    return colours


def chunk(kind, data):
    return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")


def png(values, kind, bits=8, before=b""):
    """A PNG of values (H, W) or (H, W, C) of colour type ``kind`` with chunks ``before`` the pixels."""
    height, width = values.shape[:2]
    if bits == 1:
        rows = [np.packbits(row).tobytes() for row in values]
    else:
        rows = [row.astype(">u2" if bits == 16 else np.uint8).tobytes() for row in values]
    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([bits, kind, 0, 0, 0])
    pixels = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows), 1))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + before + pixels + chunk(b"IEND", b"")


def grey():
    return photo().mean(axis=2).astype(np.uint8)


def with_alpha(colours, top, kind):
    """The photo with its upper fortieth part clear."""
    alpha = np.full(colours.shape[:2], top)
    alpha[:8] = 0
    return png(np.dstack([colours, alpha]), kind, 16 if top > 255 else 8)


def palette(clear):
    """Colours of six steps a channel; the palette's colour 0, black, clear or not."""
    index = (photo() // 51 * [36, 6, 1]).sum(axis=2)
    table = (np.indices((6, 6, 6)).reshape(3, -1).T * 51).astype(np.uint8).tobytes()
    before = chunk(b"PLTE", table) + (chunk(b"tRNS", b"\0") if clear else b"")
    return png(index, 3, before=before)


def deep(values):
    return values.astype(np.uint16) * 257


def moving():
    """An animated PNG whose only frame is the photo."""
    control = chunk(b"acTL", (1).to_bytes(4, "big") + (0).to_bytes(4, "big"))
    return png(photo(), 2, before=control)


def turned():
    """The photo as a camera on its side stores it, with the note to turn it."""
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    data = PHOTO.read_bytes()
    return data[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + data[2:]


#: What is used: name -> (bytes, part of the remark or None, shares of the picture that are clear).
USED = {
    "colour.png": (lambda: png(photo(), 2), None),
    "grey.png": (lambda: png(grey(), 0), None),
    "grey-alpha.png": (lambda: with_alpha(grey(), 255, 4), None),
    "alpha.png": (lambda: with_alpha(photo(), 255, 6), None),
    "palette.png": (lambda: palette(False), None),
    "palette-clear.png": (lambda: palette(True), None),
    "grey16.png": (lambda: png(deep(grey()), 0, 16), None),
    "colour16.png": (lambda: png(deep(photo()), 2, 16), None),
    "alpha16.png": (lambda: with_alpha(deep(photo()), 65535, 6), None),
    "moving.png": (moving, "animated; only its first frame"),
    "turned.jpg": (turned, "stored on its left side"),
    "cut.jpg": (lambda: PHOTO.read_bytes()[: round(0.8 * PHOTO.stat().st_size)], "file is missing"),
}

#: What is refused: name -> (bytes, what is said).
REFUSED = {
    "half.png": (lambda: png(photo(), 2)[:20_000], "cannot be read"),
    "empty.png": (lambda: b"", "is empty. Save the picture again"),
    "text.png": (lambda: b"This is no picture.", "cannot be read"),
    "page.png": (lambda: b"%PDF-1.7\n", "is a PDF"),
    "program.png": (lambda: b"%!PS-Adobe-3.0 EPSF-3.0\nshowpage\n", "is a PostScript file"),
    "list.png": (lambda: b"#EXTM3U\n#EXTINF:1,\nother.ts\n", "is a playlist"),
    "list.mp4": (lambda: b"ffconcat version 1.0\nfile 'other.wav'\n", "is a list of files"),
    "film.mp4": (lambda: b"\0\0\0\x18ftypmp42" + b"\0" * 40, "film file"),
    "drawing.svg": (lambda: b"<svg xmlns='http://www.w3.org/2000/svg'/>", "vector drawing"),
    "phone.heic": (lambda: b"\0\0\0\x18ftypheic" + b"\0" * 40, "HEIC"),
    "moving.gif": (lambda: base64.b64decode(GIF), "not a single still picture .Movie.. Save one frame"),
    "moving.webp": (lambda: base64.b64decode(WEBP), "Nothing is to be seen|cannot be read|No face was found"),
    "tiny.png": (lambda: png(photo()[::27, ::27], 2), r"12 x 12 pixels; a face needs some 24"),
    "green.png": (lambda: png(np.full((200, 300, 3), (30, 160, 60)), 2), "No face was found in .*By Hand.*--points"),
    "nothing.png": (lambda: with_alpha(photo() * 0, 255, 6), "No face was found"),
    "clear.png": (lambda: png(np.zeros((64, 64, 4)), 6), "all of it is transparent"),
}


@pytest.fixture(scope="module")
def usual():
    image = images.load(str(PHOTO))
    return rig_builder.landmarks_for(image, WantedFace())[0].landmarks


@pytest.mark.parametrize("name", USED)
def test_a_picture_of_any_kind_has_the_same_face(tmp_path, usual, name):
    make, remark = USED[name]
    (tmp_path / name).write_bytes(make())
    image = images.load(str(tmp_path / name))
    colours, factor = images.pixels(image)
    assert colours.shape == (320, 320, 4) and factor == 1.0
    clear = {"grey-alpha.png": 8 / 320, "alpha.png": 8 / 320, "alpha16.png": 8 / 320}.get(name, 0.0)
    share = (colours[..., 3] == 0).mean()
    assert share == pytest.approx(clear) if name != "palette-clear.png" else 0.05 < share < 0.5
    placed, remarks = rig_builder.landmarks_for(image, WantedFace())
    assert np.abs(placed.landmarks[:, :2] - usual[:, :2]).mean() < 3.0
    assert (remark is None and not remarks) or (len(remarks) == 1 and remark in remarks[0])
    assert placed.confidence > 0.7 and placed.jitter < 0.02


@pytest.mark.parametrize("name", [*REFUSED, "folder.png", "none.png"])
@pytest.mark.parametrize("operator", ["make_picture_rig", "add_portrait"])
def test_what_cannot_be_used_is_refused_in_words_and_leaves_nothing(tmp_path, name, operator):
    if name in REFUSED:
        (tmp_path / name).write_bytes(REFUSED[name][0]())
    elif name == "folder.png":
        (tmp_path / name).mkdir()
    says = REFUSED[name][1] if name in REFUSED else "No picture is chosen|no picture at|is a folder"
    with pytest.raises(RuntimeError, match=says):
        getattr(bpy.ops.mouthpiece, operator)(filepath=str(tmp_path / name))
    assert not bpy.data.objects and not bpy.data.images and not bpy.data.meshes


def test_a_folder_is_called_one(tmp_path):
    with pytest.raises(PictureError, match="is a folder"):
        images.load(str(tmp_path))


def test_pictures_for_print_have_their_colours(tmp_path):
    (tmp_path / "cmyk.jpg").write_bytes(base64.b64decode(CMYK))
    colours = images.pixels(images.load(str(tmp_path / "cmyk.jpg")))[0]
    assert np.abs(colours[..., :3].astype(int) - [200, 60, 30]).max() <= 6 and (colours[..., 3] == 255).all()


def test_one_bit_pictures_are_black_and_white(tmp_path):
    bits = np.indices((16, 16)).sum(axis=0) % 2
    (tmp_path / "bits.png").write_bytes(png(bits, 0, 1))
    colours = images.pixels(images.load(str(tmp_path / "bits.png")))[0]
    np.testing.assert_array_equal(colours[..., 0], bits * 255)


def test_a_large_picture_keeps_its_landmarks(tmp_path, usual):
    large = np.repeat(np.repeat(grey(), 16, axis=0), 16, axis=1)  # 5,120 pixels a side
    (tmp_path / "large.png").write_bytes(png(large, 0))
    placed, remarks = rig_builder.landmarks_for(images.load(str(tmp_path / "large.png")), WantedFace())
    assert not remarks and np.abs(placed.landmarks[:, :2] / 16 - usual[:, :2]).mean() < 3.0


def test_ten_faces_are_counted_and_each_can_be_chosen(tmp_path):
    row = np.concatenate([photo()[60:260, 60:260]] * 5, axis=1)
    (tmp_path / "ten.png").write_bytes(png(np.concatenate([row, row]), 2))
    image = images.load(str(tmp_path / "ten.png"))
    chosen = [rig_builder.landmarks_for(image, WantedFace(face=number)) for number in range(1, 11)]
    middles = {tuple((placed.landmarks[:, :2].mean(axis=0) // 200).astype(int)) for placed, _ in chosen}
    assert len(middles) == 10
    assert all("10 faces were found" in remarks[0] for _, remarks in chosen)
    with pytest.raises(PictureError, match=r"shows 10 face\(s\); there is no face 11"):
        rig_builder.landmarks_for(image, WantedFace(face=11))


def test_how_sure_a_face_is_stays_with_it_until_a_hand_moves_it(tmp_path):
    path = shutil.copy(PHOTO, tmp_path / "photo.jpg")
    bpy.ops.mouthpiece.make_picture_rig(filepath=str(path))
    rig = bpy.context.active_object
    placed = picture_settings.landmarks_of(rig)
    assert placed.confidence > 0.8 and placed.jitter < 0.01
    assert rig.mouthpiece_picture.found == f"Confidence {placed.confidence:.0%}, landmarks within {placed.jitter:.1%}"
    assert bpy.ops.mouthpiece.mirror_landmarks(keep="LEFT") == {"FINISHED"}
    assert rig.mouthpiece_picture.found == "" and picture_settings.landmarks_of(rig).confidence is None


def test_a_drawing_in_flat_colours_is_rendered_by_the_warp_alone(tmp_path):
    flat = photo() // 64 * 64
    flat = np.repeat(np.repeat(flat[::8, ::8], 8, axis=0), 8, axis=1)
    (tmp_path / "flat.png").write_bytes(png(flat, 2))
    points = tmp_path / "points.json"
    image = images.load(str(PHOTO))
    placed = rig_builder.landmarks_for(image, WantedFace())[0]
    points.write_text(as_json([placed], *image.size))
    for name, repair in (("flat.png", "NONE"), (str(PHOTO), "SHIPPED")):
        path = str(tmp_path / name)
        assert bpy.ops.mouthpiece.add_portrait(filepath=path, placement="FILE", landmarks=str(points)) == {"FINISHED"}
        assert bpy.context.active_object.mouthpiece_portrait.repair == repair


def test_what_blender_must_not_see_is_refused_before_it_does(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "list.png").write_bytes(b"#EXTM3U\n#EXTINF:1,\nother.ts\n")
    for path, says in ((tmp_path / "pipe.png", "pipe or device"), (tmp_path / "list.png", "playlist")):
        with pytest.raises(PictureError, match=says):
            images.load(str(path))
    assert not bpy.data.images


@pytest.mark.parametrize("ending", ["JPEG", "TIFF", "TARGA", "BMP", "WEBP", "OPEN_EXR", "HDR", "JPEG2000", "IRIS"])
def test_all_kinds_that_blender_writes_it_may_read(tmp_path, ending):
    image = bpy.data.images.load(str(PHOTO))
    scene = bpy.context.scene
    try:
        scene.render.image_settings.file_format = ending
    except TypeError:
        pytest.skip(f"this Blender knows no {ending}")
    image.save_render(str(tmp_path / "face"), scene=scene)
    (made,) = tmp_path.iterdir()
    assert tuple(images.load(str(made)).size) == (320, 320)


def test_a_huge_picture_is_told_and_not_held_twice(monkeypatch):
    image = images.load(str(PHOTO))
    usual = images.pixels(image, 64)[0]
    monkeypatch.setattr(images, "WHOLE", 300)
    assert not any("holds in memory" in words for words in images.remarks(bpy.data.images.new("small", 9, 9)))
    assert any("320 x 320 pixels, all of which Blender holds" in words for words in images.remarks(image))
    np.testing.assert_array_equal(images.pixels(image, 64)[0], usual)
    painted = np.zeros(320 * 320 * 4, np.float32)
    image.pixels.foreach_set(painted)  # not in the file: it must not be lost
    images.pixels(image, 64)
    assert image.is_dirty and not images.pixels(image, 320)[0].any()
