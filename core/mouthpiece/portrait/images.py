"""Pictures from files, outside Blender: the one place that knows Pillow. Inside Blender, Blender reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..errors import PictureError

#: Longest side, in pixels, of a picture that is read: what graphics cards take as a texture.
LONGEST: Final = 16_384


def read_picture(path: Path) -> NDArray[np.uint8]:
    """Return a picture file as RGBA (H, W, 4), turned as its EXIF data says; the first frame of an animated one.

    Raises
    ------
    PictureError
        If Pillow is not installed, or the file is missing, no picture, truncated, or too large.
    """
    try:
        from PIL import Image, ImageOps, UnidentifiedImageError
    except ImportError as error:
        raise PictureError(
            "Reading pictures outside Blender needs the package Pillow: python -m pip install pillow"
        ) from error
    try:
        with Image.open(path) as opened:
            if max(opened.size) > LONGEST:
                wide, high = opened.size
                raise PictureError(f"'{path}' has {wide} x {high} pixels; at most {LONGEST} a side are read. Scale it.")
            turned = ImageOps.exif_transpose(opened)
            if turned.mode.startswith(("I", "F")):
                return _deep(np.asarray(turned, np.float64))
            return np.asarray(turned.convert("RGBA"), np.uint8)
    except FileNotFoundError as error:
        raise PictureError(f"There is no picture at '{path}'. Check the path.") from error
    except UnidentifiedImageError as error:
        raise PictureError(f"'{path}' is not a picture Pillow can read. Use PNG, JPEG, WebP or TIFF.") from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise PictureError(f"The picture '{path}' cannot be read ({error}). It may be damaged.") from error


def _deep(grey: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return one channel of 16 or 32 bits, or floats, as RGBA; whole numbers of up to 16 bits keep their range."""
    top = 1.0 if grey.max() <= 1 else 255.0 if grey.max() <= 255 else 65535.0 if grey.max() <= 65535 else grey.max()
    level = np.clip(grey / top * 255 + 0.5, 0, 255).astype(np.uint8)
    return np.dstack([level, level, level, np.full_like(level, 255)])


def over_white(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a picture (H, W, 4) laid over white, as RGB (H, W, 3): what a face is looked for in."""
    alpha = picture[..., 3:].astype(np.uint16)
    laid: NDArray[np.uint8] = ((picture[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
    return laid
