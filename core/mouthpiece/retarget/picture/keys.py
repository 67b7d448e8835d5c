"""Computes the shapes of a picture rig's keys: each vertex's displacement at value 1, in the face's coordinates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ...topology import LEFT_BROW, RIGHT_BROW
from ..warp.head_turn import PIVOT, turned
from ..warp.triangles import areas
from ..warp.warp import Points, Triangles
from .anatomy import MOUTH_TO_CHIN, MOUTH_WIDTH
from .face import PictureFace
from .follow import depths, following, laplacian, moving, spread
from .layers import Layer, layers_of
from .mouth_modes import BROWS, EYES, HEAD, ROLL, SHIFT, SHUT, TURN, key_names, key_range, mouth_modes
from .skin import Skin, skin_of

#: Motion of the brows up, down, and towards each other when they are down, in eye distances.
BROW_UP, BROW_DOWN, FROWN = -0.09, 0.06, 0.02
#: Where the lids of a shut eye meet, from the upper lid (0) to the lower (1).
_SEAM: Final = 0.85
#: Motion of an iris at value 1 of a look's key, in widths and heights of the eye.
_LOOK: Final = (0.2, 0.3)
#: Where shut lips meet, as a share of the way up from the lower lip, and the jaw's share of the lower lip's motion.
MEETING, JAW_SHARE = 0.75, 0.5
#: Depth of the layers in the mouth behind the lips, in eye distances.
_BEHIND_LIPS: Final = 0.06
#: Outer lip points beside each inner one, and the thickness of an average face's upper and lower lip.
_OUTSIDE: Final = {61: (49, 50), 62: (51,), 63: (52, 53), 67: (59, 58), 66: (57,), 65: (55, 56)}
_THICKNESS: Final = (0.09, 0.13)
#: Area, in square eye distances, from which a folded triangle is visible: on a face 1,000 pixels wide, about 10 pixels.
SEEN: Final = 5e-5
#: Most rounds of smoothing a key that folds triangles.
_ROUNDS: Final = 60
#: Least and greatest factor on the modes for mouths smaller or larger than an average one.
_FACTORS: Final = (0.45, 1.3)


@dataclass(frozen=True, slots=True, eq=False)
class PictureRig:
    """The mesh of a picture rig, and its keys.

    Attributes
    ----------
    face : PictureFace
        The face it was made for.
    skin : Skin
        The picture's own mesh; its vertices come first.
    layers : tuple of Layer
        The layers behind the skin, in the order of their vertices.
    points : (V, 2) float64
        All vertices at rest, in the face's coordinates.
    follow : (V, 68) float64
        Weight of each landmark's displacement in that of each vertex.
    keys : mapping of str to (V, 2) float64
        Displacement of each vertex at value 1 of each key.
    """

    face: PictureFace
    skin: Skin
    layers: tuple[Layer, ...]
    points: Points
    follow: Points
    keys: dict[str, Points]

    def posed(self, values: NDArray[np.floating], names: tuple[str, ...]) -> Points:
        """Return the vertices (T, V, 2) at key values (T, K)."""
        moved: Points = self.points + np.tensordot(values, np.array([self.keys[name] for name in names]), axes=1)
        return moved


def rig_of(face: PictureFace) -> PictureRig:
    """Return the rig of a picture's face.

    Raises
    ------
    PictureError
        If eyes or mouth are too near the picture's edge.
    """
    skin = skin_of(face)
    follow = following(skin)
    layers = layers_of(face, skin, follow)
    points = np.concatenate([skin.points, *(layer.points for layer in layers)])
    rows = np.concatenate([follow, *(layer.follow for layer in layers)])
    keys = {SHUT: _shut_key(face, skin, layers)}
    factor = mouth_factors(face)
    modes = mouth_modes()
    for name, moves in zip(modes.names, modes.moves, strict=True):
        keys[name] = rows @ _thin_lips(face, moves * factor)
    keys |= _eye_keys(face, skin, layers, points) | _brow_keys(rows) | _head_keys(face, skin, layers, points)
    keys = {name: _unfolded(skin, name, keys[name]) for name in key_names()}
    return PictureRig(face, skin, layers, points, rows, keys)


def _unfolded(skin: Skin, name: str, moved: Points) -> Points:
    """Return a key's displacements, smoothed where the key alone would fold triangles at an end of its range.

    Lips and lids keep their displacements; only the skin around them is smoothed.
    """
    count = len(skin.points)
    ends = [end for end in (max(key_range(name)[0], -1.0), min(key_range(name)[1], 1.0)) if end]
    fixed = np.zeros(count, bool)
    fixed[np.concatenate([*skin.mouth[:3], skin.eyes[0][0], skin.eyes[1][0]])] = True
    result, neighbours = moved.copy(), np.zeros((0, 0))
    for _ in range(_ROUNDS):
        folded = np.any([folds(skin.points + end * result[None, :count], skin.triangles)[0] for end in ends], axis=0)
        give = np.unique(skin.triangles[folded])
        give = give[~fixed[give]]
        if not len(give):
            break
        if not len(neighbours):
            neighbours = np.eye(count) - laplacian(count, skin.triangles, skin.points)
        result[give] = 0.4 * result[give] + 0.6 * (neighbours[give] @ result[:count])
    return result


def folds(moved: NDArray[np.floating], triangles: Triangles, unit: float = 1.0) -> NDArray[np.bool_]:
    """Return which triangles are visibly folded when the vertices are at ``moved`` (T, V, 2), (T, K).

    ``unit`` is the length of an eye distance.
    """
    result: NDArray[np.bool_] = areas(moved, triangles) < -SEEN * unit**2
    return result


def mouth_factors(face: PictureFace) -> Points:
    """Return the factors (2,) on horizontal and vertical motion of a mouth; they are below 1 for small mouths."""
    shape = face.shape()
    wide = (shape[54, 0] - shape[48, 0]) / MOUTH_WIDTH
    high = (shape[8, 1] - shape[[60, 64], 1].mean()) / MOUTH_TO_CHIN
    # how far a mouth opens depends on its width and its distance from the chin
    factors = np.array([wide, np.sqrt(max(wide, 0.0) * max(high, 0.0))])
    return np.asarray(np.clip(factors, *_FACTORS), np.float64)


def _thin_lips(face: PictureFace, moved: Points) -> Points:
    """Return displacements (68, 2) changed so that lips thinner than average change their thickness less."""
    shape, result = face.shape()[:, :2], moved.copy()
    for inner, average in ((62, _THICKNESS[0]), (66, _THICKNESS[1])):
        outer = _OUTSIDE[inner][0]
        share = np.clip(abs(shape[outer, 1] - shape[inner, 1]) / average, 0.15, 1.0)
        for point in (inner - 1, inner, inner + 1):
            for other in _OUTSIDE[point]:
                result[other] = moved[point] + share * (moved[other] - moved[point])
    return result


def _shut_key(face: PictureFace, skin: Skin, layers: tuple[Layer, ...]) -> Points:
    """Return displacements (V, 2) that shut a picture's lips and keep each lip's thickness; the jaw moves as well."""
    inner = skin.mouth[0]
    half = len(inner) // 2
    moved = np.zeros((len(skin.points), 2))
    for k in range(1, half):
        upper, lower = inner[k], inner[-k]
        meeting = skin.points[lower] + MEETING * (skin.points[upper] - skin.points[lower])
        for line in skin.mouth[:4]:
            moved[line[k]] = meeting - skin.points[upper]
            moved[line[-k]] = meeting - skin.points[lower]
    jaw = np.zeros((68, 2))
    jaw[5:12, 1] = JAW_SHARE * min(float(moved[inner[half + 1 :], 1].mean()), 0.0)
    held = skin.known.copy()
    held[np.concatenate([*skin.mouth[:4], skin.edge])] = True
    lips = np.zeros(len(skin.points), bool)
    lips[np.concatenate(skin.mouth[:4])] = True
    moved = spread(skin, held, np.where(lips[:, None], moved, skin.weights @ jaw))
    behind = [moved[skin.mouth[1]] if layer.name == "cavity" else layer.follow @ jaw for layer in layers]
    return np.concatenate([moved, *behind])


def _eye_keys(face: PictureFace, skin: Skin, layers: tuple[Layer, ...], points: Points) -> dict[str, Points]:
    keys = {name: np.zeros((len(points), 2)) for name in EYES}
    start = len(skin.points)
    for index, name in ((0, "blink_R"), (1, "blink_L")):
        _shut_eye(skin, index, keys[name])
        layer = layers[index]
        part = slice(start, start + len(layer.points))
        start = part.stop
        lids = skin.points[skin.eyes[index][0]]
        size = np.ptp(lids, axis=0)
        radius = max(float(face.irises[index, 2]) / face.unit, 0.05 * size[0])
        far = np.linalg.norm(layer.points - layer.points[0], axis=1) / radius
        near = np.interp(far, [1.1, 2.6], [1.0, 0.25])
        keys["gaze_x"][part, 0] = _LOOK[0] * size[0] * near
        keys["gaze_y"][part, 1] = _LOOK[1] * size[1] * near
    return keys


def _shut_eye(skin: Skin, index: int, moved: Points) -> None:
    """Set the displacements of an eye's lines, in place, for lids that meet; the ring next to a lid moves as well."""
    lids, near, _ = skin.eyes[index]
    half = len(lids) // 2
    for k in range(1, half):
        upper, lower = lids[k], lids[-k]
        seam = skin.points[upper] + _SEAM * (skin.points[lower] - skin.points[upper])
        for point, ring in ((upper, near[k]), (lower, near[-k])):
            moved[point] = moved[ring] = seam - skin.points[point]


def _brow_keys(rows: Points) -> dict[str, Points]:
    keys = {}
    for name in BROWS:
        brow = LEFT_BROW if name.endswith("L") else RIGHT_BROW
        moved = np.zeros((68, 2))
        moved[list(brow), 1] = BROW_UP if "up" in name else BROW_DOWN
        if "down" in name:
            moved[list(brow), 0] = -FROWN if name.endswith("L") else FROWN
        keys[name] = rows @ moved
    return keys


def vertex_depths(face: PictureFace, skin: Skin, layers: tuple[Layer, ...]) -> Points:
    """Return the depth (V,) of each vertex of skin and layers behind the eye corners, in eye distances."""
    depth = depths(face, skin)
    behind = []
    for layer in layers:
        # as deep as the skin around them, so that they stay behind their openings
        around = skin.eyes[("eye_R", "eye_L").index(layer.name)][0] if layer.name.startswith("eye") else skin.mouth[0]
        extra = 0.0 if layer.name in ("eye_R", "eye_L", "mouth") else _BEHIND_LIPS
        behind.append(np.full(len(layer.points), depth[around].mean() + extra))
    return np.concatenate([depth, *behind])


def head_pivot(face: PictureFace) -> Points:
    """Return the place (3,) about which a picture's head turns: x, y and depth in the face's coordinates."""
    return np.array([face.shape()[:, 0].mean() * 0.3, PIVOT[1], PIVOT[2]])


def _head_keys(face: PictureFace, skin: Skin, layers: tuple[Layer, ...], points: Points) -> dict[str, Points]:
    """Return the keys of the head's motion: near vertices move more than deep ones, neck and background not at all."""
    depth = vertex_depths(face, skin, layers)
    belongs = moving(face, points)[:, None]
    pivot = head_pivot(face)
    sizes = {"turn_x": (1, TURN), "turn_y": (0, TURN), "roll": (2, ROLL), "shift_x": (3, SHIFT), "shift_y": (4, SHIFT)}
    keys = {}
    for name in HEAD:
        column, size = sizes[name]
        head = np.zeros((2, 6))
        head[:, column] = size, -size
        there, back = turned(points, depth, head, pivot)
        keys[name] = (there - back) / 2 * belongs  # a key moves in straight lines: the mean of both directions
    return keys
