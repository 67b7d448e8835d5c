"""Pictures from files, outside Blender: the one place that knows Pillow. Inside Blender, Blender reads them."""

from __future__ import annotations

import io
import math
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..errors import PictureError
from .headers import kind_of

#: Longest side, in pixels, of a picture that is read: what graphics cards take as a texture.
LONGEST: Final = 16_384
#: Rows laid over white at once: large pictures would need several times their size otherwise.
_BAND: Final = 512
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


def read_still(path: Path, longest: int | None = None) -> Still:
    """Return a picture file with remarks; at most ``longest`` pixels a side, if given, its blocks averaged.

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
    if path.is_dir():
        raise PictureError(f"'{path}' is a folder and cannot be read as a picture. Name a file in it.")
    try:
        with _quietly(Image), Image.open(path) as opened:
            if max(opened.size) > LONGEST:
                wide, high = opened.size
                raise PictureError(f"'{path}' has {wide} x {high} pixels; at most {LONGEST} a side are read. Scale it.")
            return _read(opened, longest)
    except FileNotFoundError as error:
        raise PictureError(f"There is no picture at '{path}'. Check the path.") from error
    except UnidentifiedImageError as error:
        words = kind_of(path, "Pillow")
        unknown = "is not a picture Pillow can read, or is damaged. Use PNG, JPEG, WebP or TIFF"
        raise PictureError(f"'{path}' {words or unknown}.") from error
    except PictureError:
        raise
    except (*_DAMAGED, Image.DecompressionBombError) as error:
        raise PictureError(f"The picture '{path}' cannot be read ({error}). It may be damaged.") from error
    except MemoryError as error:
        raise PictureError(f"There is not enough memory for the picture '{path}'. Scale it.") from error


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


def _read(opened: Any, longest: int | None) -> Still:
    from PIL import ImageOps

    width, height = opened.size
    remarks = _frames_said(opened)
    factor = math.ceil(max(width, height) / longest) if longest else 1
    if factor > 1:
        opened.draft(None, (-(-width // factor), -(-height // factor)))  # JPEG: decoded smaller at once
    opened.load()
    rest = math.ceil(max(opened.size) / longest) if longest else 1
    small = opened.reduce(rest) if rest > 1 and opened.mode not in ("P", "1", "PA") else opened
    turned = ImageOps.exif_transpose(small)
    if turned.size != small.size:
        width, height = height, width
    if turned.mode.startswith(("I", "F")):
        return Still(_deep(np.asarray(turned)), width, height, tuple(remarks))
    coloured, said = _in_srgb(turned, opened.info.get("icc_profile"))
    rgba = coloured.convert("RGBA")
    rest = math.ceil(max(rgba.size) / longest) if longest else 1
    pixels = np.asarray(rgba.reduce(rest) if rest > 1 else rgba, np.uint8)  # what has a palette, or too many pixels yet
    return Still(pixels, width, height, (*remarks, *said))


def _frames_said(opened: Any) -> list[str]:
    try:
        count = int(getattr(opened, "n_frames", 1))
    except _DAMAGED:
        return []  # the end is missing; whether the first frame is there is seen on reading it
    if count > 1:
        opened.seek(0)
        pages = "pages" if opened.format == "TIFF" else "frames"
        return [f"It has {count} {pages}; the first is used."]
    return []


def _in_srgb(image: Any, profile: bytes | None) -> tuple[Any, list[str]]:
    """Return an image's colours taken from its colour profile to sRGB, alpha kept, and remarks."""
    if not profile:
        return image, []
    try:
        from PIL import ImageCms
    except ImportError:
        return image, ["It has a colour profile, which was left out: Pillow comes without LittleCMS here."]
    if image.mode in ("P", "PA", "LA"):
        image = image.convert("RGBA")
    alpha = image.getchannel("A") if image.mode == "RGBA" else None
    flat = image.convert("RGB") if alpha is not None else image
    try:
        source: Any = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        name = str(source.profile.profile_description or "its colour profile").strip()
        converted: Any = ImageCms.profileToProfile(flat, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError) as error:
        return image, [f"Its colour profile does not fit it and was left out ({error})."]
    if alpha is not None:
        converted.putalpha(alpha)
    return converted, [] if "srgb" in name.lower() else [f"Its colours were converted from '{name}' to sRGB."]


def _deep(grey: NDArray[Any]) -> NDArray[np.uint8]:
    """Return one channel of 16 or 32 bits, or floats, as RGBA.

    Whole numbers of up to 16 bits keep their range; so do floats around 0..1, which Blender takes for levels too and
    are cut off at 1, and larger ones.
    """
    values = grey.astype(np.float64)
    values = np.nan_to_num(values, posinf=float(values[np.isfinite(values)].max(initial=0.0)), neginf=0.0)
    if grey.dtype.kind == "f" and np.percentile(values, 99) <= 4.0:
        level = values * 255
    else:
        highest = float(values.max(initial=0.0))
        level = values / next((top for top in (255.0, 65535.0) if highest <= top), highest) * 255
    whole = np.clip(level + 0.5, 0, 255).astype(np.uint8)
    return np.dstack([whole, whole, whole, np.full_like(whole, 255)])


def over_white(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a picture (H, W, 4) laid over white, as RGB (H, W, 3): what a face is looked for in."""
    laid = np.empty((*picture.shape[:2], 3), np.uint8)
    for top in range(0, len(picture), _BAND):
        rows = picture[top : top + _BAND]
        alpha = rows[..., 3:].astype(np.uint16)
        laid[top : top + _BAND] = (rows[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255
    return laid
