"""Turns a performance into named controls, the parts of a face that bones can follow.

Frame of reference of every vector: that of :class:`~mouthpiece.performance.Performance` (x to the right of the
picture, y down, z away from the camera), lengths in outer-eye distances, rotations as vectors whose direction is the
axis and whose length the angle in radians. "L" and "R" are the character's own sides, as in Blender's bone names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ...curves import FrameGrid, sample
from ...performance import Performance
from ...topology import ARKIT_INDEX, ARKIT_NAMES, LEFT_EYE, MIRROR, RIGHT_EYE, TONGUE_POSES

Floats = NDArray[np.float64]

LIPS: Final = "lips"
TONGUE: Final = "tongue"
EXPRESSION: Final = "expression"
EYES: Final = "eyes"

#: Landmarks on the contour beside the ears: the hinge of the jaw lies between them.
_HINGE: Final = (1, 2, 14, 15)
#: Jaw angle, in radians, at jawOpen 1: measured on the demo head's lower lip.
_JAW_FULL: Final = 0.42
#: How far jawForward at 1 moves the jaw forward, in eye distances; measured on the demo head.
_FORWARD_FULL: Final = 0.1
#: Motion of the left cheek (no landmark lies on it) for each shape at weight 1: eye distances outwards, down, away.
_CHEEK: Final[Mapping[str, tuple[float, float, float]]] = {
    "cheekPuff": (0.05, 0.0, -0.06),
    "cheekSquint": (0.0, -0.05, -0.01),
    "mouthSmile": (0.03, -0.05, -0.02),
}
#: Landmarks whose mean is the place of the left cheek.
_CHEEK_AT: Final = (54, 46, 13, 35)


@dataclass(frozen=True, slots=True)
class Control:
    """A part of the face that bones can follow, computed from landmarks.

    Attributes
    ----------
    name : str
        Name of the control; ends in ``.L`` or ``.R`` if there is one on each side.
    layer : str
        ``"lips"``, ``"tongue"``, ``"expression"`` or ``"eyes"``.
    points : tuple of int
        Landmarks whose mean is the control's place; sideways motion and depth are the mean of all of them. The tongue's
        controls have none: they move against the jaw, from wherever a rig has them.
    heights : tuple of int
        Landmarks whose mean gives its vertical motion: the inner lips, so that lips that meet in the take meet on the
        rig.
    turns : bool
        Whether it has a rotation that bones can follow (jaw, eyes), besides its place.
    """

    name: str
    layer: str
    points: tuple[int, ...]
    heights: tuple[int, ...] = ()
    turns: bool = False


def _pair(
    name: str, layer: str, left: tuple[int, ...], heights: tuple[int, ...] = (), turns: bool = False
) -> list[Control]:
    def mirrored(points: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(MIRROR[point] for point in points)

    return [
        Control(f"{name}.L", layer, left, heights, turns),
        Control(f"{name}.R", layer, mirrored(left), mirrored(heights), turns),
    ]


CONTROLS: Final[Mapping[str, Control]] = {
    control.name: control
    for control in [
        Control("jaw", LIPS, (7, 8, 9), turns=True),
        Control("jaw_forward", LIPS, (7, 8, 9)),
        Control("chin", LIPS, (7, 8, 9)),
        *_pair("lip_corner", LIPS, (54, 64)),
        Control("lip_upper", LIPS, (51, 62), (62,)),
        *_pair("lip_upper", LIPS, (52, 53, 63), (63,)),
        Control("lip_lower", LIPS, (57, 66), (66,)),
        *_pair("lip_lower", LIPS, (55, 56, 65), (65,)),
        *_pair("cheek", EXPRESSION, _CHEEK_AT),
        Control("nose", EXPRESSION, (30, 33)),
        *_pair("nostril", EXPRESSION, (34, 35)),
        *_pair("brow_inner", EXPRESSION, (22, 23)),
        *_pair("brow_mid", EXPRESSION, (24,)),
        *_pair("brow_outer", EXPRESSION, (25, 26)),
        *_pair("brow", EXPRESSION, (22, 23, 24, 25)),
        *_pair("lid_upper", EYES, (43, 44)),
        *_pair("lid_lower", EYES, (46, 47)),
        *_pair("eye", EYES, LEFT_EYE, turns=True),
        Control("eyes", EYES, RIGHT_EYE + LEFT_EYE, turns=True),
        Control("tongue_tip", TONGUE, ()),
        Control("tongue_middle", TONGUE, ()),
        Control("tongue_back", TONGUE, ()),
        Control("tongue_shift", TONGUE, ()),
        Control("tongue_base", TONGUE, (), turns=True),
        Control("tongue_blade", TONGUE, (), turns=True),
        Control("tongue_point", TONGUE, (), turns=True),
    ]
}

#: Directions in which a control's motion is available as a single number: the character's left, up, and forward.
DIRECTIONS: Final[Mapping[str, tuple[float, float, float]]] = {
    "left": (1.0, 0.0, 0.0),
    "up": (0.0, -1.0, 0.0),
    "forward": (0.0, 0.0, -1.0),
}
#: Other single numbers: radians of the jaw and the eyes, eye distances between the lips, lids 0 to 1, poses of the
#: tongue -1 to 1.
_AMOUNTS: Final[Mapping[str, str]] = {
    "jaw_angle": LIPS,
    "mouth_open": LIPS,
    "gaze_left": EYES,
    "gaze_up": EYES,
    "blink.L": EYES,
    "blink.R": EYES,
    **{f"tongue.{pose}": TONGUE for pose in TONGUE_POSES},
}
#: How far each pose at 1 moves tip, middle and back of the tongue against the jaw: eye distances up, and forward.
_TONGUE_MOVES: Final[Mapping[str, Mapping[str, tuple[float, float]]]] = {
    "tongue_tip": {"tip": (0.14, 0.0), "body": (0.02, 0.0), "forward": (0.0, 0.08), "out": (0.0, 0.14),
                   "curl": (0.06, -0.10)},
    "tongue_middle": {"tip": (0.05, 0.0), "body": (0.10, 0.0), "forward": (0.0, 0.08), "out": (0.0, 0.09)},
    "tongue_back": {"body": (0.09, 0.0), "forward": (-0.02, 0.07), "out": (0.0, 0.04)},
    "tongue_shift": {"forward": (0.0, 0.08), "out": (0.02, 0.14)},
}  # fmt: skip
#: How far each pose at 1 turns the joints of a chain of bones from the root of the tongue to its tip: radians upwards.
_TONGUE_TURNS: Final[Mapping[str, Mapping[str, float]]] = {
    "tongue_base": {"body": 0.40, "tip": 0.05},
    "tongue_blade": {"body": -0.30, "tip": 0.25, "curl": 0.15},
    "tongue_point": {"body": -0.10, "tip": 0.45, "curl": 0.70, "out": -0.15},
}
#: Share of a tip that goes down: the floor of the mouth is near.
_TIP_DOWN: Final = 0.4
_EXPRESSIVE: Final = ("brow", "nose", "cheekSquint")


def layer_of(source: str) -> str:
    """Return the layer of a control, a direction of it, an amount or an ARKit shape; raise KeyError for other names."""
    name = source.partition(":")[0]
    if name in CONTROLS:
        return CONTROLS[name].layer
    if name in _AMOUNTS:
        return _AMOUNTS[name]
    if name not in ARKIT_INDEX:
        raise KeyError(source)
    return EYES if name.startswith("eye") else EXPRESSION if name.startswith(_EXPRESSIVE) else LIPS


def is_number(source: str) -> bool:
    """Return whether a source is one number for each frame, not a vector."""
    return source not in CONTROLS


def sources() -> tuple[str, ...]:
    """Return the names of everything bones can follow: controls, amounts, directions of controls, ARKit shapes."""
    directed = tuple(f"{name}:{way}" for name in CONTROLS for way in DIRECTIONS)
    return (*CONTROLS, *_AMOUNTS, *directed, *ARKIT_NAMES)


@dataclass(frozen=True, slots=True, eq=False)
class FaceMotion:
    """The motion of all controls on the F frames of a scene.

    Attributes
    ----------
    moves : mapping of str to (F, 3) float64
        Displacement of each control from the resting face, in eye distances.
    turns : mapping of str to (F, 3) float64
        Rotation vectors of the controls that turn, in radians.
    numbers : mapping of str to (F,) float64
        Amounts, directions of controls, ARKit weights.
    """

    moves: Mapping[str, Floats]
    turns: Mapping[str, Floats]
    numbers: Mapping[str, Floats]


def hinge(neutral: NDArray[np.floating]) -> Floats:
    """Return the place (3,) about which the jaw of the face ``neutral`` (68, 3) turns, in that face's axes and unit."""
    point: Floats = np.asarray(neutral, np.float64)[list(_HINGE)].mean(axis=0)
    point[0] = 0.0
    return point


def control_points(neutral: NDArray[np.floating]) -> dict[str, Floats]:
    """Return the place (3,) of each control with landmarks, on the face ``neutral`` (68, 3), in its axes and unit."""
    face = np.asarray(neutral, np.float64)
    found = {name: face[list(control.points)].mean(axis=0) for name, control in CONTROLS.items() if control.points}
    for name, control in CONTROLS.items():
        if control.heights:
            found[name][1] = face[list(control.heights), 1].mean()
    # the eye turns about a point behind the lids, at a depth of about a third of the eye's width
    for name in ("eye.L", "eye.R", "eyes"):
        found[name][2] += 0.12
    return found


def face_motion(performance: Performance, grid: FrameGrid, strength: float = 1.0, has_lips: bool = True) -> FaceMotion:
    """Return the motion of every control on the frames of ``grid``.

    Parameters
    ----------
    performance
        The take, with dials applied.
    grid
        The scene's frames.
    strength
        Factor on all motion.
    has_lips
        Whether the rig has bones for the lower lip. If it has, the jaw turns as a real jaw, also while the lips are
        shut; if only the jaw can open the mouth, it opens exactly as far as the lips part.

    Notes
    -----
    The landmarks of the chin's contour slide over the skin and move less than the jaw, so the jaw's angle about the
    hinge is computed half from the lower lip's drop and half from jawOpen.
    """
    moved = sample(performance.landmarks, performance.fps, grid.times) - np.asarray(performance.neutral, np.float64)
    moved *= strength
    weights = sample(performance.arkit, performance.fps, grid.times) * strength
    gaze = sample(performance.gaze, performance.fps, grid.times) * strength
    blink = sample(performance.blink, performance.fps, grid.times)
    moves = {name: _mean_move(moved, control) for name, control in CONTROLS.items() if control.points}
    poses = _tongue(performance, grid, strength)
    moves |= _tongue_moves(poses)
    moves |= {f"cheek.{side}": _cheek(weights, side) for side in "LR"}
    moves["jaw_forward"] = np.zeros((len(moved), 3))
    moves["jaw_forward"][:, 2] = -_FORWARD_FULL * weights[:, ARKIT_INDEX["jawForward"]]
    jaw = _jaw(moved, weights, performance.neutral, has_lips)
    look = np.stack([gaze[:, 1], -gaze[:, 0], np.zeros(len(gaze))], axis=1)
    numbers = {name: weights[:, index] for name, index in ARKIT_INDEX.items()}
    numbers |= {
        f"{name}:{way}": move @ np.array(vector) for name, move in moves.items() for way, vector in DIRECTIONS.items()
    }
    numbers |= {"jaw_angle": jaw[:, 0], "mouth_open": moved[:, 66, 1] - moved[:, 62, 1]}
    numbers |= {"gaze_left": gaze[:, 0], "gaze_up": -gaze[:, 1], "blink.L": blink[:, 0], "blink.R": blink[:, 1]}
    numbers |= {f"tongue.{pose}": track for pose, track in poses.items()}
    return FaceMotion(moves, {"jaw": jaw, "eye.L": look, "eye.R": look, "eyes": look, **_tongue_turns(poses)}, numbers)


def _tongue(performance: Performance, grid: FrameGrid, strength: float) -> dict[str, Floats]:
    """Return the tongue's poses (F,) by name."""
    poses = np.clip(sample(performance.tongue, performance.fps, grid.times) * strength, -1, 1)
    return {name: poses[:, column].astype(np.float64) for column, name in enumerate(TONGUE_POSES)}


def _tongue_moves(poses: Mapping[str, Floats]) -> dict[str, Floats]:
    """Return the displacements (F, 3) of the tongue's controls against the jaw, in eye distances."""
    found = {}
    for name, told in _TONGUE_MOVES.items():
        move = np.zeros((len(poses["tip"]), 3))
        for pose, (up, forward) in told.items():
            track = _lessened(poses, pose)
            move[:, 1] -= up * track
            move[:, 2] -= forward * track
        found[name] = move
    return found | {name: np.zeros((len(poses["tip"]), 3)) for name in _TONGUE_TURNS}


def _tongue_turns(poses: Mapping[str, Floats]) -> dict[str, Floats]:
    """Return the rotation vectors (F, 3) of the tongue's joints in radians; negative about x lifts what is in front."""
    found = {}
    for name, told in _TONGUE_TURNS.items():
        turn = np.zeros((len(poses["tip"]), 3))
        for pose, angle in told.items():
            turn[:, 0] -= angle * _lessened(poses, pose)
        found[name] = turn
    return found


def _lessened(poses: Mapping[str, Floats], pose: str) -> Floats:
    """Return a pose (F,); of a tip that goes down only a part."""
    track = poses[pose]
    return np.where(track < 0, _TIP_DOWN * track, track) if pose == "tip" else track


def _mean_move(moved: Floats, control: Control) -> Floats:
    """Return the displacement (F, 3) of a control, given those of the landmarks (F, 68, 3)."""
    move: Floats = moved[:, list(control.points)].mean(axis=1)
    if control.heights:
        move[:, 1] = moved[:, list(control.heights), 1].mean(axis=1)
    return move


def _cheek(weights: Floats, side: str) -> Floats:
    """Return the displacement (F, 3) of a cheek, given the ARKit weights (F, 52)."""
    word, outwards = ("Left", 1.0) if side == "L" else ("Right", -1.0)
    move = np.zeros((len(weights), 3))
    for shape, (out, down, away) in _CHEEK.items():
        name = shape if shape in ARKIT_INDEX else shape + word
        move += weights[:, ARKIT_INDEX[name], None] * np.array([out * outwards, down, away])
    return move


def _jaw(moved: Floats, weights: Floats, neutral: NDArray[np.floating], has_lips: bool) -> Floats:
    """Return the jaw's rotation vectors (F, 3) in radians: about x for opening, about y for sideways motion."""
    face, joint = np.asarray(neutral, np.float64), hinge(neutral)
    # a face without depth, such as a drawing's, has no lever: the average face's is used
    lever = joint[2] - face[[57, 66], 2].mean()
    lever = lever if lever > 0.2 else 0.87
    if has_lips:
        by_lip = moved[:, [57, 66], 1].mean(axis=1) / lever
        opening = (by_lip + _JAW_FULL * weights[:, ARKIT_INDEX["jawOpen"]]) / 2
    else:
        opening = (moved[:, 66, 1] - moved[:, 62, 1]) / lever
    turn = np.zeros((len(moved), 3))
    turn[:, 0] = np.maximum(opening, 0.0)
    # a negative angle about y, which points down, moves what is in front of the hinge to +x
    turn[:, 1] = -moved[:, [7, 8, 9], 0].mean(axis=1) / lever
    return turn
