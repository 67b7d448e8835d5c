"""Pictures from files, outside Blender: the one place that knows Pillow. Inside Blender, Blender reads them."""

from __future__ import annotations

import io
import math
import os
import re
import struct
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..errors import PictureError
from ..files.places import is_folder, is_there
from . import headers

#: Longest side, in pixels, of a picture that is read: what graphics cards take as a texture.
LONGEST: Final = 16_384
#: Longest side of a picture all of whose pixels go into frames; a larger one is read smaller, as no frame is so large.
WHOLE: Final = 8_192
#: Rows converted, or laid over white, at once: large pictures would need several times their size otherwise.
_BAND: Final = 512
#: Most bytes of memory that a picture may take on being read; larger ones are refused before they are decoded.
MOST_MEMORY: Final = 1 << 31
#: Bytes that Pillow holds for each pixel, by mode; 4 for all others. Of a WebP libwebp holds two canvases, and Pillow a
#: copy for itself and one in between.
_HELD: Final = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2, "I;16N": 2}
_WEBP: Final = 16
_ORIENTATION: Final = 0x0112
#: What turns a picture (H, W, 4) upright, by the values of the EXIF orientation.
_TURNS: Final[dict[int, Callable[[NDArray[np.uint8]], NDArray[np.uint8]]]] = {
    1: lambda pixels: pixels,
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: np.rot90(pixels, -1),
    7: lambda pixels: pixels[::-1, ::-1].swapaxes(0, 1),
    8: lambda pixels: np.rot90(pixels),
}
#: What Pillow raises on damaged files, one way or another.
_DAMAGED: Final = (
    OSError, SyntaxError, ValueError, EOFError, LookupError, TypeError, AttributeError, ArithmeticError, RuntimeError,
    struct.error, zlib.error,
)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Still:
    """A picture as read from a file.

    Attributes
    ----------
    pixels : (H, W, 4) uint8
        RGBA with straight alpha, sRGB, first row at the top, turned as EXIF data says.
    width, height : int
        Pixels of the whole picture; more than ``pixels`` has if it was read smaller.
    remarks : tuple of str
        What was done to it that its owner may want to know, one sentence each.
    """

    pixels: NDArray[np.uint8]
    width: int
    height: int
    remarks: tuple[str, ...] = ()


def read_picture(path: Path) -> NDArray[np.uint8]:
    """Return a picture file as RGBA (H, W, 4), turned as its EXIF data says; the first frame of an animated one.

    Raises
    ------
    PictureError
        If Pillow is not installed, or the file is missing, no picture, truncated, or too large.
    """
    return read_still(path).pixels


def read_still(path: Path, longest: int | None = None, whole: int = 0) -> Still:
    """Return a picture file with remarks; at most ``longest`` pixels a side, if given, its blocks averaged.

    A picture of up to ``whole`` pixels a side is read as it is all the same.

    Raises
    ------
    PictureError
        As for :func:`read_picture`.
    """
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError as error:
        raise PictureError(
            "Reading pictures outside Blender needs the package Pillow: python -m pip install pillow"
        ) from error
    kind = _kind(path)
    try:
        source = io.BytesIO(headers.first_frame(path)) if kind == "GIF" else path
        with _quietly(Image), Image.open(source, formats=(kind,)) as opened:
            longest = None if max(opened.size) <= whole else longest
            _check_size(path, opened, longest)
            return _read(opened, longest, _frames_said(path, opened))
    except UnidentifiedImageError as error:
        words = headers.kind_of(path, "Pillow") or f"is a damaged {kind} picture, or of a kind Pillow does not read"
        raise PictureError(f"'{path}' {words}.") from error
    except PictureError:
        raise
    except Image.DecompressionBombError as error:
        raise PictureError(f"'{path}' has too many pixels; at most {LONGEST} a side are read. Scale it.") from error
    except _DAMAGED as error:
        raise PictureError(f"The picture '{path}' cannot be read ({error}). It may be damaged.") from error
    except MemoryError as error:
        raise PictureError(f"There is not enough memory for the picture '{path}'. Scale it.") from error


def _kind(path: Path) -> str:
    """Return which kind of picture a file is; nothing but that is asked of Pillow, which else might run a program."""
    if is_folder(path):
        raise PictureError(f"'{path}' is a folder and cannot be read as a picture. Name a file in it.")
    if not is_there(path):
        raise PictureError(f"There is no picture at '{path}'. Check the path.")
    if not headers.is_file(path):
        raise PictureError(f"'{path}' is a pipe or device and cannot be read as a picture. Name a file.")
    if not os.access(path, os.R_OK):
        raise PictureError(f"The picture '{path}' may not be read. Check its permissions.")
    kind = headers.picture_kind(path, "Pillow")
    if kind == "JPEG" and (words := headers.strain(path)):
        raise PictureError(f"'{path}' {words}.")
    if not kind:
        unknown = "is not a picture Pillow can read, or is damaged. Use PNG, JPEG, WebP or TIFF"
        raise PictureError(f"'{path}' {headers.kind_of(path, 'Pillow') or unknown}.")
    return kind


def _check_size(path: Path, opened: Any, longest: int | None) -> None:
    """Refuse a picture that is too large, or would need too much memory, before anything of it is decoded."""
    wide, high = opened.size
    if max(wide, high) > LONGEST:
        raise PictureError(f"'{path}' has {wide} x {high} pixels; at most {LONGEST} a side are read. Scale it.")
    needed = _needed(opened, longest)
    if needed > MOST_MEMORY:
        raise PictureError(
            f"'{path}' has {wide} x {high} pixels; as a {opened.format} of this kind it would need {needed / 1e9:.1f} "
            "GB of memory to be read. Scale it, or save it as PNG."
        )


def _needed(opened: Any, longest: int | None) -> int:
    """Return about how many bytes reading a picture takes, from what its header says."""
    wide, high = (int(side) for side in opened.size)
    held: float = _HELD.get(opened.mode, 4)
    if opened.format in ("JPEG", "MPO"):
        scale = max(1, min(8, 1 << (math.ceil(max(wide, high) / longest).bit_length() - 1))) if longest else 1
        held /= scale**2
        if opened.info.get("progressive"):  # all of it is kept while it gets finer, two bytes a value
            most = [max(layer[axis] for layer in opened.layer) for axis in (1, 2)]
            held += sum(2 * layer[1] * layer[2] / (most[0] * most[1]) for layer in opened.layer)
    elif opened.format == "WEBP":
        held = _WEBP
    elif opened.format == "TIFF" and opened.tag_v2.get(_ORIENTATION, 1) != 1:
        held *= 2
    return round(wide * high * (held + (0 if longest else 4)))


@contextmanager
def _quietly(image: Any) -> Iterator[None]:
    """Let pictures of up to ``LONGEST`` a side through, and keep Pillow's remarks on odd files off the screen."""
    before, image.MAX_IMAGE_PIXELS = image.MAX_IMAGE_PIXELS, LONGEST**2
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        image.MAX_IMAGE_PIXELS = before


def _read(opened: Any, longest: int | None, remarks: tuple[str, ...]) -> Still:
    """Return an opened picture, at most ``longest`` pixels a side; only what Pillow decodes has its full size."""
    width, height = opened.size
    factor = math.ceil(max(width, height) / longest) if longest else 1
    is_jpeg = opened.format in ("JPEG", "MPO")
    if factor > 1 and is_jpeg:
        opened.draft(None, (-(-width // factor), -(-height // factor)))  # decoded smaller at once
    opened.load()
    if not is_jpeg:
        width, height = opened.size
    factor = math.ceil(max(opened.size) / longest) if longest else 1
    if opened.mode.startswith(("I", "F")):
        pixels = _deep(opened, factor)
        said: tuple[str, ...] = ()
    else:
        pixels, said = _coloured(opened, factor)
    turn = 1 if opened.format == "TIFF" else _orientation(opened.info)  # Pillow turns TIFF on its own
    if turn >= 5:
        width, height = height, width
    return Still(np.ascontiguousarray(_TURNS[turn](pixels)), width, height, (*remarks, *said))


def _orientation(info: dict[Any, Any]) -> int:
    """Return the orientation (1 to 8) in a picture's EXIF data, or else in its XMP data."""
    exif = info.get("exif")
    if isinstance(exif, bytes):
        found = headers.orientation(exif.removeprefix(b"Exif\0\0"))
        if found != 1:
            return found
    packet = info.get("xmp") or info.get("XML:com.adobe.xmp") or b""
    packet = packet.encode("utf-8", "replace") if isinstance(packet, str) else packet
    said = re.search(rb'tiff:Orientation(?:="|>)([1-8])', packet) if isinstance(packet, bytes) else None
    return int(said[1]) if said else 1


def _frames_said(path: Path, opened: Any) -> tuple[str, ...]:
    """Return the remark on a picture that has several frames."""
    if opened.format in ("GIF", "TIFF"):
        count = headers.frames_in(path)
    else:
        count = int(getattr(opened, "n_frames", 1))
    if count <= 1:
        return ()
    pages = "pages" if opened.format == "TIFF" else "frames"
    more = " or more" if opened.format in ("GIF", "TIFF") and count >= headers.MANY else ""
    return (f"It has {count} {pages}{more}; the first is used.",)


def _bands(opened: Any, factor: int) -> Iterator[tuple[int, Any]]:
    """Yield a picture in bands of whole blocks of ``factor`` rows, each with its first row once it is reduced."""
    wide, high = opened.size
    step = max(1, _BAND // factor) * factor
    for top in range(0, high, step):
        yield top // factor, opened.crop((0, top, wide, min(top + step, high)))


def _coloured(opened: Any, factor: int) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """Return a picture of 8 bits a channel as RGBA, its blocks averaged, its colours in sRGB, and remarks."""
    wide, high = opened.size
    pixels = np.empty((-(-high // factor), -(-wide // factor), 4), np.uint8)
    by_table = opened.mode in ("P", "PA", "1") or "transparency" in opened.info
    to_srgb: _ToSrgb | None = None
    for row, part in _bands(opened, factor):
        band = part.convert("RGBA") if by_table else part
        band = band.reduce(factor) if factor > 1 else band
        to_srgb = to_srgb or _ToSrgb(opened.info.get("icc_profile"), band.mode)
        pixels[row : row + band.height] = np.asarray(to_srgb(band).convert("RGBA"), np.uint8)
    return pixels, () if to_srgb is None else to_srgb.remarks


class _ToSrgb:
    """Takes colours from a colour profile to sRGB, alpha kept, and says so in ``remarks``."""

    def __init__(self, profile: object, mode: str) -> None:
        """Take a profile's bytes, if there is one, for pictures of a mode."""
        self.remarks: tuple[str, ...] = ()
        self._convert: Any = None
        if not isinstance(profile, bytes) or not profile:
            return
        try:
            from PIL import ImageCms
        except ImportError:
            self.remarks = ("It has a colour profile, which was left out: Pillow comes without LittleCMS here.",)
            return
        flat = "RGB" if mode in ("RGBA", "LA", "PA") else mode
        try:
            source: Any = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            name = str(source.profile.profile_description or "its colour profile").strip()
            self._convert = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), flat, "RGB")
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError) as error:
            self.remarks = (f"Its colour profile does not fit it and was left out ({error}).",)
            return
        if "srgb" not in name.lower():
            self.remarks = (f"Its colours were converted from '{name}' to sRGB.",)

    def __call__(self, image: Any) -> Any:
        """Return a picture in sRGB; as it is if there is no profile that fits."""
        if self._convert is None:
            return image
        image = image.convert("RGBA") if image.mode in ("LA", "PA") else image
        alpha = image.getchannel("A") if image.mode == "RGBA" else None
        converted = self._convert.apply(image.convert("RGB") if alpha is not None else image)
        if alpha is not None:
            converted.putalpha(alpha)
        return converted


def _deep(opened: Any, factor: int) -> NDArray[np.uint8]:
    """Return one channel of 16 or 32 bits, or floats, as RGBA, its blocks averaged.

    Whole numbers of up to 16 bits keep their range; so do floats around 0..1, which Blender takes for levels too and
    are cut off at 1, and larger ones.
    """
    wide, high = opened.size
    highest, is_float = 0.0, opened.mode.startswith("F")
    for _, part in _bands(opened, 1):
        band = np.asarray(part)
        highest = max(highest, float(band[np.isfinite(band)].max(initial=0.0)) if is_float else float(band.max()))
    values = np.empty((-(-high // factor), -(-wide // factor)), np.float32)
    for row, part in _bands(opened, factor):
        band = np.nan_to_num(np.asarray(part).astype(np.float64), posinf=highest, neginf=0.0)
        rows = values[row : row + -(-len(band) // factor)]
        rows[:] = _block_means(band, factor) if factor > 1 else band
    if is_float and np.percentile(values, 99) <= 4.0:
        top = 1.0
    else:
        top = next((top for top in (255.0, 65535.0) if highest <= top), highest)
    pixels = np.full((*values.shape, 4), 255, np.uint8)
    for row in range(0, len(values), _BAND):
        level = np.clip(values[row : row + _BAND] / top * 255 + 0.5, 0, 255)
        pixels[row : row + _BAND, :, :3] = level.astype(np.uint8)[..., None]
    return pixels


def _block_means(values: NDArray[np.float64], factor: int) -> NDArray[np.float64]:
    """Return the means of blocks of ``factor`` x ``factor`` numbers, of fewer at the right and lower edge."""
    high, wide = values.shape
    rows, columns = np.arange(0, high, factor), np.arange(0, wide, factor)
    total = np.add.reduceat(np.add.reduceat(values, rows, axis=0), columns, axis=1)
    lengths = np.diff([*rows, high])[:, None] * np.diff([*columns, wide])
    means: NDArray[np.float64] = total / lengths
    return means


def over_white(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a picture (H, W, 4) laid over white, as RGB (H, W, 3): what a face is looked for in."""
    laid = np.empty((*picture.shape[:2], 3), np.uint8)
    for top in range(0, len(picture), _BAND):
        rows = picture[top : top + _BAND]
        alpha = rows[..., 3:].astype(np.uint16)
        laid[top : top + _BAND] = (rows[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255
    return laid
