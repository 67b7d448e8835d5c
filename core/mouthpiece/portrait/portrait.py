"""A portrait: a picture, and the face in it that is to talk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..retarget.picture.face import PictureFace, picture_face
from .draw.resample import resize
from .find.placement import Placed

Picture = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Portrait:
    """A picture with a face.

    Attributes
    ----------
    picture : (H, W, 4) uint8
        RGBA with straight alpha, sRGB, first row at the top.
    face : PictureFace
        Landmarks and irises in its pixels.
    """

    picture: Picture
    face: PictureFace

    def scaled(self, width: int, height: int) -> Portrait:
        """Return the portrait ``width`` by ``height`` pixels large."""
        high, wide = self.picture.shape[:2]
        if (width, height) == (wide, high):
            return self
        scale = np.array([width / wide, height / high])
        landmarks = self.face.landmarks * [*scale, scale.mean()]
        irises = self.face.irises * [*scale, scale.mean()]
        return Portrait(resized(self.picture, height, width), PictureFace(width, height, landmarks, irises))


def resized(picture: Picture, height: int, width: int) -> Picture:
    """Return an RGBA picture at another size; what is transparent lends its colour to nothing."""
    if picture.shape[:2] == (height, width):
        return picture
    if (picture[..., 3] == 255).all():
        return _bytes(resize(picture, height, width))
    return straight(_bytes(resize(premultiplied(picture), height, width)))


def _bytes(values: NDArray[np.float32]) -> Picture:
    return np.asarray(np.clip(values + np.float32(0.5), 0, 255), np.uint8)


def premultiplied(picture: Picture) -> Picture:
    """Return a picture with colours times their alpha: what may be averaged."""
    alpha = picture[..., 3:].astype(np.uint16)
    laid: Picture = ((picture.astype(np.uint16) * alpha + 127) // 255).astype(np.uint8)
    laid[..., 3] = picture[..., 3]
    return laid


def straight(picture: Picture) -> Picture:
    """Return a premultiplied picture with colours as they are, black where nothing is seen."""
    alpha = picture[..., 3:].astype(np.uint16)
    whole = (picture.astype(np.uint16) * 255 + alpha // 2) // np.maximum(alpha, 1)
    result: Picture = np.minimum(whole, 255).astype(np.uint8)
    result[..., 3] = picture[..., 3]
    return result


def portrait_of(picture: NDArray[Any], placed: Placed) -> Portrait:
    """Return the portrait of a face placed in a picture.

    Parameters
    ----------
    picture : (H, W, 3) or (H, W, 4) uint8
        sRGB, straight alpha, first row at the top.
    placed : Placed
        Landmarks and irises in its pixels.

    Raises
    ------
    PictureError
        If the landmarks are not a face, it is too small, or touches the picture's edge.
    """
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] not in (3, 4):
        raise ValueError(f"a picture is uint8 (H, W, 3 or 4), not {picture.dtype} {picture.shape}")
    height, width = picture.shape[:2]
    if picture.shape[2] == 3:
        picture = np.concatenate([picture, np.full((height, width, 1), 255, np.uint8)], axis=2)
    return Portrait(picture, picture_face(width, height, placed.landmarks, placed.irises))
