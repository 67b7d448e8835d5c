"""Names of the 68 landmarks, the order in which they are pinned, and a diagram of a face to show them on."""

from __future__ import annotations

from typing import Final

from ...topology import JAW, LANDMARK_COUNT, LEFT_BROW, LEFT_EYE, LIPS, MIRROR, NOSE, RIGHT_BROW, RIGHT_EYE

_LIP: Final = {
    48: "right corner of the mouth",
    49: "upper lip outside, towards the right corner",
    50: "upper lip outside, right peak",
    51: "upper lip outside, middle",
    54: "left corner of the mouth",
    55: "lower lip outside, towards the left corner",
    56: "lower lip outside, left of the middle",
    57: "lower lip outside, middle",
    60: "right corner of the mouth, inside",
    61: "upper lip inside, right of the middle",
    62: "upper lip inside, middle",
    64: "left corner of the mouth, inside",
    65: "lower lip inside, left of the middle",
    66: "lower lip inside, middle",
}
_EYE: Final = (
    "outer corner of the {} eye",
    "{} upper lid, outer third",
    "{} upper lid, inner third",
    "inner corner of the {} eye",
    "{} lower lid, inner third",
    "{} lower lid, outer third",
)
_NOSE: Final = (
    "bridge of the nose, between the eyes",
    "bridge of the nose, upper middle",
    "bridge of the nose, lower middle",
    "tip of the nose",
    "right nostril, outside",
    "right nostril, under it",
    "base of the nose, middle",
)
_BROW: Final = ("outer end", "outer quarter", "middle", "inner quarter", "inner end")
_EYE_MIRRORED: Final = (3, 2, 1, 0, 5, 4)


def name_of(point: int) -> str:
    """Return the name of a landmark; left and right are the character's own."""
    if point in LEFT_BROW or point in LEFT_EYE or (point in (*NOSE, *LIPS) and point not in _RIGHT_OR_MIDDLE):
        return _swapped(name_of(MIRROR[point]))
    if point in JAW:
        return _jaw(point)
    if point in RIGHT_BROW:
        return f"right brow, {_BROW[point - RIGHT_BROW[0]]}"
    if point in RIGHT_EYE:
        return _EYE[point - RIGHT_EYE[0]].format("right")
    if point in NOSE:
        return _NOSE[point - NOSE[0]]
    return _LIP[point] if point in _LIP else _swapped(_LIP[MIRROR[point]])


_RIGHT_OR_MIDDLE: Final = frozenset(range(27, 34)) | frozenset(_LIP) | {MIRROR[p] for p in _LIP}


def _swapped(text: str) -> str:
    return text.replace("right", "\0").replace("left", "right").replace("\0", "left")


def _jaw(point: int) -> str:
    if point == JAW[8]:
        return "chin, lowest point"
    side = "right" if point < JAW[8] else "left"
    step = min(point, 16 - point)
    where = ("beside the eye", "beside the ear", "beside the nose", "beside the mouth", "corner", "below the mouth",
             "towards the chin", "chin")[step]  # fmt: skip
    return f"{side} edge of the face, {where}"


#: Order in which landmarks are pinned: important ones first, and the right side before the left, which is mirrored.
_FIRST: Final = (
    RIGHT_EYE, LIPS[:4], LIPS[9:12], (60, 61, 62, 66, 67), RIGHT_BROW, NOSE[:7], JAW[:9], range(LANDMARK_COUNT),
)  # fmt: skip
ORDER: Final = tuple(dict.fromkeys(point for group in _FIRST for point in group))


def asked(mirrored: bool) -> tuple[int, ...]:
    """Return the landmarks to pin, in order; with ``mirrored`` only those of the right side and the middle."""
    if not mirrored:
        return ORDER
    done: set[int] = set()
    kept = []
    for point in ORDER:
        if MIRROR[point] not in done:
            kept.append(point)
        done.add(point)
    return tuple(kept)


#: The diagram's landmarks: x to the right of the picture, y down, in eye distances.
DIAGRAM: Final = (
    (-0.83, -0.02), (-0.82, 0.2), (-0.79, 0.42), (-0.74, 0.63), (-0.65, 0.83), (-0.52, 0.99), (-0.36, 1.11),
    (-0.19, 1.19), (0.0, 1.22), (0.19, 1.19), (0.36, 1.11), (0.52, 0.99), (0.65, 0.83), (0.74, 0.63),
    (0.79, 0.42), (0.82, 0.2), (0.83, -0.02), (-0.64, -0.23), (-0.53, -0.32), (-0.4, -0.34), (-0.27, -0.31),
    (-0.15, -0.25), (0.15, -0.25), (0.27, -0.31), (0.4, -0.34), (0.53, -0.32), (0.64, -0.23), (0.0, -0.03),
    (0.0, 0.11), (0.0, 0.24), (0.0, 0.37), (-0.16, 0.44), (-0.08, 0.48), (0.0, 0.5), (0.08, 0.48),
    (0.16, 0.44), (-0.5, 0.0), (-0.41, -0.06), (-0.29, -0.06), (-0.19, 0.01), (-0.29, 0.05), (-0.41, 0.05),
    (0.19, 0.01), (0.29, -0.06), (0.41, -0.06), (0.5, 0.0), (0.41, 0.05), (0.29, 0.05), (-0.3, 0.76),
    (-0.19, 0.7), (-0.07, 0.66), (0.0, 0.68), (0.07, 0.66), (0.19, 0.7), (0.3, 0.76), (0.19, 0.86),
    (0.09, 0.91), (0.0, 0.92), (-0.09, 0.91), (-0.19, 0.86), (-0.26, 0.76), (-0.09, 0.74), (0.0, 0.745),
    (0.09, 0.74), (0.26, 0.76), (0.09, 0.8), (0.0, 0.81), (-0.09, 0.8),
)  # fmt: skip
