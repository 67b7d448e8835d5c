"""How ARKit's shapes move the 68 landmarks: ``python -m training.tables.face_shapes`` writes ``face_shapes.npz``.

The demo head (CC0, ``addon/assets/demo_head.npz``) is drawn with its jaw a little open, so that the inner lips show;
the tracker finds the 68 landmarks in the picture; each is pinned to the nearest visible vertex of skin or lips, and
moves as that vertex does under each of the head's ARKit shapes. The two halves are made mirror images. The result, an
asset of the core, is derived from the demo head and, like it, CC0.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mouthpiece.files.writer import replacing
from mouthpiece.portrait.find.networks import IBUG_68
from mouthpiece.topology import (
    ARKIT_INDEX,
    ARKIT_NAMES,
    INNER_LIPS,
    LEFT_EYE_OUTER,
    MIRROR,
    OUTER_LIPS,
    RIGHT_EYE_OUTER,
)
from numpy.typing import NDArray

from ..command_line import exit_code, parser_of
from ..measures.demo_face import DemoFace, picture, rasterise, to_pixels
from ..pack.face_tracker import FaceTracker
from ..paths import CORE_ASSETS, DEMO_HEAD

OUTPUT = CORE_ASSETS / "face_shapes.npz"
SIZE = 1024
_JAW_OPEN = 0.4
_LIPS = (*OUTER_LIPS, *INNER_LIPS)

Floats = NDArray[np.float64]


def seen_vertices(face: DemoFace, points: Floats, material: int) -> NDArray[np.int64]:
    """Return the visible vertices of a material's triangles when the head's vertices are at ``points`` (V, 3)."""
    with np.load(DEMO_HEAD, allow_pickle=False) as stored:
        owner = np.repeat(stored["material_index"], stored["face_sizes"] - 2)
    seen = np.unique(rasterise(face, points, SIZE)[0])
    return np.unique(face.triangles[[i for i in seen if i >= 0 and owner[i] == material]])


def pinned(face: DemoFace) -> NDArray[np.int64]:
    """Return the index of the vertex each landmark is pinned to (68,)."""
    weights = np.zeros(len(ARKIT_NAMES))
    weights[ARKIT_INDEX["jawOpen"]] = _JAW_OPEN
    points = face.posed(weights)
    found = FaceTracker().find(picture(face, weights, SIZE))
    if found is None:
        raise ValueError("no face was found on the demo head")
    marks = found[list(IBUG_68), :2]
    mirrored = marks[list(MIRROR)] * [-1, 1] + [SIZE, 0]
    marks = (marks + mirrored) / 2
    skin, lips = (seen_vertices(face, points, material) for material in (0, 1))
    flat = to_pixels(points, SIZE)[:, :2]
    result = np.zeros(len(marks), int)
    for index, mark in enumerate(marks):
        pool = lips if index in _LIPS else skin
        result[index] = pool[np.argmin(np.linalg.norm(flat[pool] - mark, axis=1))]
    return result


def landmark_shapes(face: DemoFace, pins: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the displacements (52, 68, 3) of the landmarks by each shape, symmetric, in the units of a Performance."""
    distance = np.linalg.norm(face.vertices[pins[RIGHT_EYE_OUTER]] - face.vertices[pins[LEFT_EYE_OUTER]])
    x, y, z = np.moveaxis(face.shapes[:, pins].astype(float), -1, 0)
    shapes = np.stack([x, -z, y], axis=-1) / distance
    swap = {"Left": "Right", "Right": "Left"}
    other = [next((n[: -len(s)] + swap[s] for s in swap if n.endswith(s)), n) for n in ARKIT_NAMES]
    partner = shapes[[ARKIT_INDEX[name] for name in other]][:, list(MIRROR)] * [-1, 1, 1]
    symmetric: NDArray[np.float32] = ((shapes + partner) / 2).astype(np.float32)
    return symmetric


def write_shapes(output: Path) -> None:
    """Measure the shapes, write them to ``output`` and print what each moves most."""
    face = DemoFace.load()
    shapes = landmark_shapes(face, pinned(face))
    about = "ARKit's 52 shapes on 68 landmarks, in outer-eye distances; from addon/assets/demo_head.npz; CC0 1.0"
    with replacing(output) as part, part.open("wb") as stream:
        np.savez_compressed(stream, shapes=shapes, names=np.array(ARKIT_NAMES), about=np.array(about))
    for name, shape in zip(ARKIT_NAMES, shapes, strict=True):
        length = np.linalg.norm(shape, axis=1)
        print(
            f"{name:22} {length.max():.3f} at {int(length.argmax()):2}, inner lips {shape[66, 1] - shape[62, 1]:+.3f}"
        )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = parser_of("training.tables.face_shapes", __doc__)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    args = parser.parse_args(argv)
    return exit_code(lambda: write_shapes(args.output), "not written")


if __name__ == "__main__":
    sys.exit(main())
