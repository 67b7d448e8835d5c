"""Loads and checks Blender's images, and reads and writes their pixels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import bpy
import numpy as np
from mouthpiece.errors import PictureError
from mouthpiece.files.places import is_folder

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Longest side, in pixels, at which a picture is analysed; the texture always has its full size.
_LOOKED_AT: Final = 2048
#: Longest side of a picture all of whose pixels are read: a picture of 8,192 pixels a side takes 1 GB meanwhile.
WHOLE: Final = 8_192
#: Rows of pixels that are converted at once.
_BAND: Final = 256
#: Longest side, in pixels, that graphics cards can show.
LONGEST: Final = 16_384


def load(path: str) -> bpy.types.Image:
    """Return the image at a path, loading it if it is not loaded yet; raises PictureError if it cannot be read."""
    full = Path(bpy.path.abspath(path))
    check_file(full)
    known = set(bpy.data.images)
    try:
        image = bpy.data.images.load(str(full), check_existing=True)
    except RuntimeError as error:
        raise PictureError(f"'{full}' is not a picture Blender can read. Use PNG, JPEG, WebP or TIFF.") from error
    try:
        check(image)
    except PictureError:
        if image not in known:
            bpy.data.images.remove(image)
        raise
    return image


def check_file(path: Path) -> None:
    """Raise PictureError if a file is not of a kind of pictures that Blender reads, before Blender sees it.

    Blender asks all its libraries about a file, FFmpeg among them, which opens other files that a playlist names.
    """
    from mouthpiece.files.places import is_there
    from mouthpiece.portrait.headers import is_file, kind_of, picture_kind

    if is_folder(path):
        raise PictureError(f"'{path}' is a folder. Choose a picture in it.")
    if not is_there(path):
        raise PictureError(f"There is no picture at '{path}'. Check the path.")
    if not is_file(path):
        raise PictureError(f"'{path}' is a pipe or device. Choose a picture.")
    if not picture_kind(path, "Blender"):
        unknown = "is not a picture Blender can read. Use PNG, JPEG, WebP or TIFF"
        raise PictureError(f"'{path}' cannot be read: it {kind_of(path, 'Blender') or unknown}.")


def check(image: bpy.types.Image) -> None:
    """Raise PictureError if an image is not a still picture, is too large, or its pixels cannot be read."""
    from mouthpiece.portrait.headers import kind_of

    if image.source in ("MOVIE", "SEQUENCE", "TILED"):
        kind = image.source.title()
        raise PictureError(f"'{image.name}' is not a single still picture ({kind}). Save one frame of it as PNG.")
    if min(image.size) < 1 or not len(image.pixels):
        path = bpy.path.abspath(image.filepath)
        if words := kind_of(Path(path), "Blender") if path else "":
            raise PictureError(f"'{path}' {words}. It cannot be read.")
        where = f" at '{path}'" if path else ""
        raise PictureError(f"The picture '{image.name}' cannot be read{where}. It is missing or damaged.")
    if max(image.size) > LONGEST:
        wide, high = image.size
        raise PictureError(f"'{image.name}' has {wide} x {high} pixels; at most {LONGEST} a side show. Scale it.")


def pixels(image: bpy.types.Image, longest: int = _LOOKED_AT) -> tuple[NDArray[np.uint8], float]:
    """Return an image's displayed colours (H, W, 4) as bytes, the top row first, and by what factor it was reduced.

    It is reduced so that its longer side has at most ``longest`` pixels.
    """
    check(image)
    factor = max(1.0, max(image.size) / longest)
    if factor == 1.0:
        return _read(image), 1.0
    if max(image.size) > WHOLE and not image.is_dirty and (image.filepath or image.packed_file):
        image.buffers_free()  # the copy decodes the file by itself; Blender does so again when the image is shown
    small = image.copy()
    try:
        small.scale(*(max(1, round(side / factor)) for side in small.size))
        return _read(small), factor
    finally:
        bpy.data.images.remove(small)


def looked_at(image: bpy.types.Image) -> NDArray[np.uint8]:
    """Return an image's colours (H, W, 4) as :func:`pixels` does, at the size at which faces are looked for.

    Up to :data:`WHOLE` pixels a side they are those that are looked at outside Blender.
    """
    from mouthpiece.portrait.find.search import LOOKED_AT, looked_at

    check(image)
    if max(image.size) > WHOLE:
        return pixels(image, LOOKED_AT)[0]
    return _converted(looked_at(_rows(image)), image.is_float)


def _read(image: bpy.types.Image) -> NDArray[np.uint8]:
    """Return an image's displayed colours (H, W, 4) at full size, the top row first."""
    return _converted(_rows(image), image.is_float)


def _rows(image: bpy.types.Image) -> NDArray[np.float32]:
    """Return an image's values (H, W, 1 to 4) as Blender holds them, the top row first."""
    width, height = image.size
    values = np.empty(width * height * image.channels, np.float32)
    image.pixels.foreach_get(values)
    return values.reshape(height, width, image.channels)[::-1]


def _converted(rows: NDArray[np.float32], is_linear: bool) -> NDArray[np.uint8]:
    """Return pixels (H, W, 1 to 4) as Blender holds them as RGBA (H, W, 4)."""
    read = np.empty((*rows.shape[:2], 4), np.uint8)
    for top in range(0, len(rows), _BAND):  # large pictures would need several times their size otherwise
        read[top : top + _BAND] = _levels(rows[top : top + _BAND], is_linear)
    return read


def _levels(values: NDArray[np.float32], is_linear: bool) -> NDArray[np.uint8]:
    """Return a few rows of what :func:`_converted` does."""
    colours = np.nan_to_num(values)
    if colours.shape[2] < 3:
        grey = np.repeat(colours[..., :1], 3, axis=2)
        colours = np.concatenate([grey, colours[..., 1:]], axis=2)
    if colours.shape[2] == 3:
        colours = np.concatenate([colours, np.ones((*colours.shape[:2], 1), np.float32)], axis=2)
    if is_linear:  # Blender stores pictures with more than 8 bits in linear light
        light = np.clip(colours[..., :3], 0, 1)
        colours[..., :3] = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return (np.clip(colours, 0, 1) * 255 + 0.5).astype(np.uint8)


def remarks(image: bpy.types.Image) -> list[str]:
    """Return remarks on what Blender ignores in an image's file (turned, animated, cut off), and on its size."""
    from mouthpiece.portrait.headers import remarks_on_file

    said = remarks_on_file(Path(bpy.path.abspath(image.filepath))) if image.filepath else []
    wide, high = image.size
    if max(wide, high) > WHOLE:
        held = wide * high * 4 * (4 if image.is_float else 1) / 1e9
        said.append(
            f"The picture has {wide} x {high} pixels, all of which Blender holds in memory ({held:.1f} GB). Scale it "
            f"to {WHOLE:,} a side or less if that is too much: frames have 3,840 at most."
        )
    return said


def over_white(colours: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return colours (H, W, 4) composited over white, (H, W, 3)."""
    from mouthpiece.portrait.images import over_white as laid

    return laid(colours)


def paint(name: str, colours: NDArray[np.uint8], image: bpy.types.Image | None = None) -> bpy.types.Image:
    """Return an image with colours (H, W, 4), the top row first, packed into the .blend file.

    ``image`` is overwritten if given, else a new one called ``name`` is made.
    """
    height, width = colours.shape[:2]
    if image is None:
        image = bpy.data.images.new(name, width, height, alpha=True)
    elif tuple(image.size) != (width, height):
        image.scale(width, height)
    values: Any = np.ascontiguousarray(colours[::-1].astype(np.float32) / 255)
    image.pixels.foreach_set(values.ravel())
    image.update()
    image.pack()
    return image
