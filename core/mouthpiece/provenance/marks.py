"""The visible mark: a small badge in the lower right corner that says that a picture is synthetic."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

#: The letters' pixels: seven rows of five pixels each.
_LETTERS: Final = {
    "A": (".###.", "#...#", "#...#", "#####", "#...#", "#...#", "#...#"),
    "C": (".###.", "#...#", "#....", "#....", "#....", "#...#", ".###."),
    "E": ("#####", "#....", "#....", "####.", "#....", "#....", "#####"),
    "H": ("#...#", "#...#", "#...#", "#####", "#...#", "#...#", "#...#"),
    "I": (".###.", "..#..", "..#..", "..#..", "..#..", "..#..", ".###."),
    "N": ("#...#", "##..#", "##..#", "#.#.#", "#..##", "#..##", "#...#"),
    "S": (".####", "#....", "#....", ".###.", "....#", "....#", "####."),
    "T": ("#####", "..#..", "..#..", "..#..", "..#..", "..#..", "..#.."),
    "Y": ("#...#", "#...#", ".#.#.", "..#..", "..#..", "..#..", "..#.."),
}
#: Text of the badge, and the text for frames too narrow for it.
LONG, SHORT = "SYNTHETIC", "AI"
#: Shorter side of a frame, in pixels, for each pixel of a letter.
_SIDE: Final = 340
#: Largest share of a frame's width for the long text.
_SHARE: Final = 0.4
#: Opacity of the plate and of its rim; a dark plate with a light rim is visible on any picture.
_PLATE, _RIM = 0.72, 0.55
_DARK, _LIGHT = 18.0, 245.0


def marked(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a copy of a frame (H, W, 3 or 4), straight alpha, with the mark in its lower right corner."""
    high, wide = frame.shape[:2]
    level, cover = badge(wide, high)
    tall, broad = cover.shape
    margin = min(max(1, round(min(high, wide) * 0.02)), high - tall, wide - broad)
    rows = slice(high - margin - tall, high - margin)
    columns = slice(wide - margin - broad, wide - margin)
    result = frame.copy()
    below = result[rows, columns].astype(np.float32)
    alpha = below[..., 3:] / 255 if frame.shape[2] == 4 else np.ones((tall, broad, 1), np.float32)
    share = cover[..., None]
    total = share + alpha * (1 - share)
    colours = level[..., None] * share + below[..., :3] * alpha * (1 - share)
    below[..., :3] = colours / np.maximum(total, 1e-6)
    if frame.shape[2] == 4:
        below[..., 3:] = total * 255
    result[rows, columns] = np.clip(below + 0.5, 0, 255).astype(np.uint8)
    return result


@lru_cache(maxsize=4)
def badge(wide: int, high: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the badge for frames of ``wide`` x ``high`` pixels: grey levels 0..255, opacity 0..1, (rows, columns)."""
    scale = max(1, round(min(wide, high) / _SIDE))
    text = _drawn(LONG)
    if (text.shape[1] + 6) * scale > wide * _SHARE:
        text = _drawn(SHORT)
    ink = np.kron(np.pad(text, ((3, 3), (3, 3))), np.ones((scale, scale), np.float32))
    plate = np.full(ink.shape, _PLATE, np.float32)
    level = np.full(ink.shape, _DARK, np.float32)
    rim = np.zeros(ink.shape, bool)
    rim[:scale], rim[-scale:], rim[:, :scale], rim[:, -scale:] = True, True, True, True
    plate[rim], level[rim] = _RIM, _LIGHT
    for corner in (np.s_[:scale, :scale], np.s_[:scale, -scale:], np.s_[-scale:, :scale], np.s_[-scale:, -scale:]):
        plate[corner] = 0
    level = np.where(ink > 0, _LIGHT, level).astype(np.float32)
    cover = np.where(ink > 0, 1.0, plate).astype(np.float32)
    # cut off where the frame is smaller than the badge
    return level[-high:, -wide:], cover[-high:, -wide:]


def _drawn(text: str) -> NDArray[Any]:
    """Return the pixels (7, columns) of a text, 1 in the letters and 0 elsewhere."""
    columns = ["".join(_LETTERS[letter][row] + "." for letter in text)[:-1] for row in range(7)]
    return np.array([[sign == "#" for sign in row] for row in columns], np.float32)
