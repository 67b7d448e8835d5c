"""The shapes a picture rig's keys have: what each vertex moves by at a key's 1, in the face's coordinates."""

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

#: How far brows go up and down, and towards each other when they are down.
BROW_UP, BROW_DOWN, FROWN = -0.09, 0.06, 0.02
#: Share of a shut eye's line from the upper lid (0) to the lower (1).
_SEAM: Final = 0.85
#: How far an iris goes at a look's 1, in widths and heights of the eye.
_LOOK: Final = (0.2, 0.3)
#: Share of the way up from the lower lip at which shut lips meet, and that the jaw goes of a lower lip's way.
MEETING, JAW_SHARE = 0.75, 0.5
#: Depth of what lies in the mouth behind the lips.
_BEHIND_LIPS: Final = 0.06
#: Outer lip points beside each inner one, and how thick an average face's lips are, upper and lower.
_OUTSIDE: Final = {61: (49, 50), 62: (51,), 63: (52, 53), 67: (59, 58), 66: (57,), 65: (55, 56)}
_THICKNESS: Final = (0.09, 0.13)
#: Area of a triangle, in squares of eye distances, that can be seen to be turned over: a face 1,000 pixels wide shows
#: it as 10 of them.
SEEN: Final = 5e-5
#: Rounds of evening out a key that folds triangles.
_ROUNDS: Final = 60
#: Least and largest factor on the modes where a mouth is smaller or larger than an average one.
_FACTORS: Final = (0.45, 1.3)


@dataclass(frozen=True, slots=True, eq=False)
class PictureRig:
    """A mesh that shows a picture, and its keys.

    Attributes
    ----------
    face : PictureFace
        What it was made from.
    skin : Skin
        The picture's own mesh; its vertices come first.
    layers : tuple of Layer
        What lies behind it, in the order of their vertices.
    points : (V, 2) float64
        All vertices at rest, in the face's coordinates.
    follow : (V, 68) float64
        How much each landmark's displacement counts in each vertex's.
    keys : mapping of str to (V, 2) float64
        What they move by.
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
    """Return a key's displacements, evened out where the key alone would turn triangles over at an end of its range.

    Lips and lids keep what they are given; the skin around them gives way.
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
    """Return which triangles are seen to be turned over when vertices are at ``moved`` (T, V, 2), (T, K).

    ``unit`` is what an eye distance measures.
    """
    result: NDArray[np.bool_] = areas(moved, triangles) < -SEEN * unit**2
    return result


def mouth_factors(face: PictureFace) -> Points:
    """Return how much wider and higher (2,) a mouth moves than an average one: small mouths move less."""
    shape = face.shape()
    wide = (shape[54, 0] - shape[48, 0]) / MOUTH_WIDTH
    high = (shape[8, 1] - shape[[60, 64], 1].mean()) / MOUTH_TO_CHIN
    # a mouth opens as far as its width and its chin let it
    factors = np.array([wide, np.sqrt(max(wide, 0.0) * max(high, 0.0))])
    return np.asarray(np.clip(factors, *_FACTORS), np.float64)


def _thin_lips(face: PictureFace, moved: Points) -> Points:
    """Return displacements (68, 2) in which lips thinner than average change their thickness less."""
    shape, result = face.shape()[:, :2], moved.copy()
    for inner, average in ((62, _THICKNESS[0]), (66, _THICKNESS[1])):
        outer = _OUTSIDE[inner][0]
        share = np.clip(abs(shape[outer, 1] - shape[inner, 1]) / average, 0.15, 1.0)
        for point in (inner - 1, inner, inner + 1):
            for other in _OUTSIDE[point]:
                result[other] = moved[point] + share * (moved[other] - moved[point])
    return result


def _shut_key(face: PictureFace, skin: Skin, layers: tuple[Layer, ...]) -> Points:
    """Return displacements (V, 2) that shut a picture's lips, each lip as thick as it is; the jaw comes along."""
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
    """Set what an eye's lines move by when its lids meet; the ring next to a lid comes along, the next stays."""
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
    """Return how far behind the eye corners each vertex of skin and layers lies (V,), in eye distances."""
    depth = depths(face, skin)
    behind = []
    for layer in layers:
        # as deep as the skin around them, so that they stay behind their openings
        around = skin.eyes[("eye_R", "eye_L").index(layer.name)][0] if layer.name.startswith("eye") else skin.mouth[0]
        extra = 0.0 if layer.name in ("eye_R", "eye_L", "mouth") else _BEHIND_LIPS
        behind.append(np.full(len(layer.points), depth[around].mean() + extra))
    return np.concatenate([depth, *behind])


def head_pivot(face: PictureFace) -> Points:
    """Return the place (3,) about which a picture's head turns: x and y in its plane, and depth."""
    return np.array([face.shape()[:, 0].mean() * 0.3, PIVOT[1], PIVOT[2]])


def _head_keys(face: PictureFace, skin: Skin, layers: tuple[Layer, ...], points: Points) -> dict[str, Points]:
    """Return how the picture moves as its head turns: near things more than deep ones, neck and background not."""
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
        keys[name] = (there - back) / 2 * belongs  # a key is a straight way: the same to both sides
    return keys
