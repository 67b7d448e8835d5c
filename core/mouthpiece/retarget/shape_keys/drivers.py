"""Drivers: everything that can drive a shape key, as named tracks of numbers."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ...curves import sample
from ...motion import closures, shapes
from ...motion.chart.visemes import VISEMES, viseme_weights
from ...performance import Performance
from ...topology import ARKIT_INDEX, ARKIT_NAMES, HEAD_CHANNELS, TONGUE_POSES

Array = NDArray[np.float64]

#: Eye rotation in radians, sideways and vertical, at which a look's driver is 1; as for ARKit's eyeLook shapes.
_LOOK_FULL: Final = (0.61, 0.44)

#: Group -> names of its drivers, in the order in which they are offered.
GROUPS: Final[Mapping[str, tuple[str, ...]]] = {
    "ARKit": ARKIT_NAMES,
    "Visemes": tuple(f"viseme.{name}" for name in VISEMES),
    "Eyes": ("blink.left", "blink.right", "gaze.left", "gaze.right", "gaze.up", "gaze.down"),
    "Tongue": tuple(f"tongue.{name}" for name in TONGUE_POSES),
    "Head": tuple(f"head.{name}" for name in HEAD_CHANNELS),
    "Speech": ("opening", "speaking"),
}
NAMES: Final = frozenset(name for names in GROUPS.values() for name in names)

#: Explanations of drivers whose name does not explain them.
NOTES: Final[Mapping[str, str]] = {
    "opening": "How far the lips are apart; 1 as far as the jaw alone takes them",
    "speaking": "Whether someone speaks, 0 to 1",
    "gaze.left": "Look towards the character's left, 0 to 1",
    "gaze.right": "Look towards the character's right, 0 to 1",
    "tongue.tip": "Tip of the tongue, -1 down to 1 up",
    "tongue.body": "Back of the tongue, -1 down to 1 up",
    "tongue.forward": "Whole tongue, -1 back to 1 forward",
    "tongue.out": "Tongue between the teeth, 0 to 1",
    "tongue.curl": "Tip of the tongue, -1 curled down to 1 curled back",
    "tongue.wide": "Width of the tongue, -1 narrow to 1 wide",
    "head.pitch": "Head's nod in radians",
    "head.yaw": "Head's turn in radians",
    "head.roll": "Head's tilt in radians",
}

#: What each viseme tells of the tongue, where no phones are known.
_TOLD: Final[Mapping[str, Mapping[str, float]]] = {
    "TH": {"out": 1.0},
    "DD": {"tip": 1.0},
    "nn": {"tip": 1.0},
    "kk": {"body": 1.0},
    "SS": {"wide": -1.0},
    "RR": {"curl": 1.0},
    "aa": {"body": -0.5},
}
#: Gap of the lips, in eye distances, in each viseme said clearly: about the medians of the supplied networks' takes. 0
#: for visemes whose lips meet or rest, which are not scaled.
VISEME_GAPS: Final[Mapping[str, float]] = {
    "PP": 0.0, "FF": 0.03, "TH": 0.08, "DD": 0.08, "kk": 0.1, "CH": 0.08, "SS": 0.06, "nn": 0.08, "RR": 0.07,
    "aa": 0.19, "E": 0.1, "ih": 0.08, "oh": 0.09, "ou": 0.06, "sil": 0.0,
}  # fmt: skip
#: Least and greatest factor on a viseme's weight by the gap of the lips.
_AMOUNT: Final = (0.3, 1.3)


def jaw_gap() -> float:
    """Return the gap of the lips, in eye distances, that ``jawOpen`` at 1 makes on the performance's face."""
    return float(closures.gaps(shapes.landmark_shapes()[None, ARKIT_INDEX["jawOpen"]])[0, 1])


def lip_gap(performance: Performance) -> Array:
    """Return by how much more than at rest the middles of the lips are apart, (T,), in eye distances."""
    apart = closures.gaps(performance.landmarks)[:, 1] - closures.gaps(performance.neutral[None])[:, 1]
    return apart.astype(np.float64)


def tracks(performance: Performance, times: NDArray[np.floating], names: Collection[str]) -> dict[str, Array]:
    """Return the drivers ``names``, (F,) each, of a take (already ``final()``) at ``times`` (F,) in seconds.

    ARKit weights are those of the take, except that ``mouthClose`` is at most ``jawOpen``, as ARKit defines it.
    """
    wanted = set(names)
    found: dict[str, Array] = {}
    if wanted & set(ARKIT_NAMES):
        weights = sample(performance.arkit, performance.fps, times)
        found |= {name: weights[:, column] for name, column in ARKIT_INDEX.items()}
        found["mouthClose"] = np.minimum(found["mouthClose"], found["jawOpen"])
    if any(name.startswith("viseme.") for name in wanted):
        visemes = sample(amounts(performance), performance.fps, times)
        found |= {f"viseme.{name}": visemes[:, column] for column, name in enumerate(VISEMES)}
    if any(name.startswith("tongue.") for name in wanted):
        poses = sample(tongue_poses(performance), performance.fps, times)
        found |= {f"tongue.{name}": poses[:, column] for column, name in enumerate(TONGUE_POSES)}
    if any(name.startswith("head.") for name in wanted):
        head = sample(performance.head, performance.fps, times)
        found |= {f"head.{name}": head[:, column] for column, name in enumerate(HEAD_CHANNELS)}
    found |= _eyes(performance, times)
    if "opening" in wanted:
        found["opening"] = np.maximum(sample(lip_gap(performance), performance.fps, times) / jaw_gap(), 0)
    if "speaking" in wanted:
        found["speaking"] = sample(performance.activity, performance.fps, times)
    return {name: found[name] for name in wanted}


def amounts(performance: Performance) -> Array:
    """Return how much of each viseme to show, (T, 15): its weight, times a factor by how far the lips part.

    A viseme's weight gives the mouth's shape but not how wide it opens; the gap of the lips does, and all dials act on
    it.
    """
    weights = viseme_weights(performance).astype(np.float64)
    gaps = np.array([VISEME_GAPS[name] for name in VISEMES])
    expected = weights @ gaps
    share = np.clip(lip_gap(performance) / np.maximum(expected, 1e-3), *_AMOUNT)
    return np.where(gaps > 0, np.minimum(weights * share[:, None], 1), weights)


def tongue_poses(performance: Performance) -> Array:
    """Return the pose of the tongue, (T, 6); of a take made before phones were heard, what its visemes tell of it."""
    if performance.speech or performance.tongue.any():
        return performance.tongue.astype(np.float64)
    weights = amounts(performance)
    poses = np.zeros((len(performance), len(TONGUE_POSES)))
    for viseme, told in _TOLD.items():
        for pose, amount in told.items():
            poses[:, TONGUE_POSES.index(pose)] += amount * weights[:, VISEMES.index(viseme)]
    return np.clip(poses, -1, 1)


def _eyes(performance: Performance, times: NDArray[np.floating]) -> dict[str, Array]:
    blink = sample(performance.blink, performance.fps, times)
    # The right of the picture is the person's left.
    left, down = np.clip(sample(performance.gaze, performance.fps, times) / np.array(_LOOK_FULL), -1, 1).T
    return {
        "blink.left": blink[:, 0],
        "blink.right": blink[:, 1],
        "gaze.left": np.maximum(left, 0),
        "gaze.right": np.maximum(-left, 0),
        "gaze.up": np.maximum(-down, 0),
        "gaze.down": np.maximum(down, 0),
    }
