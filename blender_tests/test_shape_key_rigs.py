"""Real rigs that none of us made, imported and baked with the demo line: the mouth of the mesh moves as it is heard.

Skipped where the rigs are not at hand. ``-s`` prints what was measured.
"""

from __future__ import annotations

import json
from pathlib import Path

import bpy
import numpy as np
import pytest
from mouthpiece.topology import ARKIT_NAMES

from addon import compat, demo
from addon.bake.settings import ERROR
from addon.command import parser as command_parser
from addon.sound import recordings
from addon.targets import target_for

RIGS = Path(__file__).resolve().parents[2] / "shared" / "rigs"
pytestmark = pytest.mark.skipif(not RIGS.is_dir(), reason="the rigs are not at hand")

FPS = 25


@pytest.fixture(scope="module")
def take(tmp_path_factory):
    """Animate the demo line once, with the shipped networks."""
    from mouthpiece.pipeline import animate

    made = animate(recordings.open_file(str(demo.LINE)))
    return made, str(made.save(tmp_path_factory.mktemp("take") / "line.npz"))


def imported(name):
    """Import a rig and return the mesh with its shape keys."""
    bpy.ops.import_scene.gltf(filepath=str(RIGS / f"{name}.glb"))
    bpy.context.scene.render.fps = FPS
    return next(obj for obj in bpy.data.objects if obj.type == "MESH" and obj.data.shape_keys)


def positions(obj):
    """Return the vertices (N, 3) of the mesh as the scene's frame shows it."""
    mesh = obj.evaluated_get(bpy.context.evaluated_depsgraph_get()).data
    places = np.zeros(3 * len(mesh.vertices), np.float32)
    mesh.vertices.foreach_get("co", places)
    return places.reshape(-1, 3)


def ict_lips():
    """Return the vertices of landmarks 62 and 66, by ICT's own table, carried over by their places."""
    ids = json.loads((RIGS / "ict_vertex_indices.json").read_text())["idx_to_landmark_verts"]
    with np.load(RIGS / "ict_facekit_light.npz") as light:
        x, y, z = light["neutral"][[ids[62], ids[66]]].T * 0.01
    return np.stack([x, -z, y], axis=1)


def middle_lips(obj):
    """Return the vertices of upper and lower lip in the middle plane, told by the shapes that raise and lower them."""
    key = obj.data.shape_keys
    rest = np.array([point.co for point in key.reference_key.data])

    def moved(name):
        return np.array([point.co for point in key.key_blocks[name].data]) - rest

    middle = np.abs(rest[:, 0]) < 1e-4
    falls = -moved("jawOpen")[:, 2]
    lip = np.linalg.norm(moved("mouthPucker"), axis=1) > 0.3 * np.linalg.norm(moved("mouthPucker"), axis=1).max()
    upper = np.flatnonzero(middle & lip & (falls < 0.2 * falls.max()))
    lower = np.flatnonzero(middle & lip & (falls > 0.7 * falls.max()))
    return upper, lower


def opening(obj, upper, lower, count):
    """Return the gap between the lowest point of the upper and the highest of the lower lip on every frame."""
    gaps = []
    for frame in range(1, count + 1):
        bpy.context.scene.frame_set(frame)
        height = positions(obj)[:, 2]
        gaps.append(height[upper].min() - height[lower].max())
    return np.array(gaps)


def landmark_gap(take):
    """Return the gap of the lips' middles in the take, in eye distances."""
    seen = take.final().landmarks
    return seen[:, 66, 1] - seen[:, 62, 1]


def baked(obj, path, *more):
    assert command_parser.main(["bake", "--audio", path, "--object", obj.name, *more]) == 0


def correlation(obj, take, upper, lower):
    measured = opening(obj, upper, lower, len(take))
    return float(np.corrcoef(measured, landmark_gap(take))[0, 1])


@pytest.mark.parametrize(
    ("name", "played", "missing"),
    [
        ("ict_face_arkit", 53, {"tongueOut": ""}),
        ("mpfb_head_arkit", 52, {}),
        ("mpfb_head_arkit_visemes", 52, {}),
    ],
)
def test_names_of_real_rigs_are_matched(name, played, missing):
    table = target_for(imported(name)).table
    assert len(table.keys) == played and table.missing == missing and table.families == ("ARKit",)
    assert {entry.formula for entry in table.entries} == set(ARKIT_NAMES) - set(missing)
    assert not any(key.startswith("viseme") for key in table.keys)


def test_the_mouth_of_the_ict_face_opens_as_heard(take):
    made, path = take
    obj = imported("ict_face_arkit")
    rest = positions(obj)
    upper, lower = (int(np.linalg.norm(rest - place, axis=1).argmin()) for place in ict_lips())
    obj.mouthpiece_names.match_lips = False
    baked(obj, path)
    plain = correlation(obj, made, [upper], [lower])
    obj.mouthpiece_names.match_lips = True
    baked(obj, path)
    matched = correlation(obj, made, [upper], [lower])
    print(f"\nICT, Blender {bpy.app.version_string}: r {plain:.4f} by weights, {matched:.4f} with Match Lips")
    assert matched > 0.98 and matched > plain
    jaw, close = (shown_values(obj, name, len(made)) for name in ("jawOpen", "mouthClose"))
    assert (close <= jaw + 2 * ERROR).all() and close.max() > 2 * ERROR


@pytest.mark.parametrize("name", ["mpfb_head_arkit", "mpfb_head_arkit_visemes"])
def test_the_mouth_of_the_makehuman_head_opens_as_heard(take, name):
    made, path = take
    obj = imported(name)
    lips = middle_lips(obj)
    obj.mouthpiece_names.match_lips = False
    baked(obj, path)
    plain = correlation(obj, made, *lips)
    obj.mouthpiece_names.match_lips = True
    baked(obj, path)
    matched = correlation(obj, made, *lips)
    print(f"\n{name}, Blender {bpy.app.version_string}: r {plain:.4f} by weights, {matched:.4f} with Match Lips")
    assert matched > 0.95 and matched > plain


def test_a_head_with_visemes_only_opens_as_heard(take):
    made, path = take
    obj = imported("mpfb_head_arkit_visemes")
    lips = middle_lips(obj)
    for block in list(obj.data.shape_keys.key_blocks[1:]):
        if not block.name.startswith("viseme"):
            obj.shape_key_remove(block)
    assert target_for(obj).summary() == "Oculus visemes: 15 shape keys matched"
    baked(obj, path)
    matched = correlation(obj, made, *lips)
    print(f"\nvisemes only, Blender {bpy.app.version_string}: r {matched:.4f}")
    assert matched > 0.95


def test_teeth_follow_the_face_they_belong_to(take):
    obj = imported("mpfb_head_arkit")
    teeth = obj.copy()
    teeth.data = obj.data.copy()
    teeth.name = "Teeth"
    bpy.context.scene.collection.objects.link(teeth)
    for block in list(teeth.data.shape_keys.key_blocks[1:]):
        if block.name not in ("jawOpen", "jawLeft"):
            teeth.shape_key_remove(block)
    obj.mouthpiece.also.add().object = teeth
    baked(obj, take[1])
    np.testing.assert_array_equal(curve_values(teeth, "jawOpen"), curve_values(obj, "jawOpen"))
    assert curve_values(obj, "jawOpen").max() > 0.2


def shown_values(obj, name, count):
    """Return what the channel of a key shows on frames 1 to ``count``, where not each has a key."""
    from blender_tests import scenes

    path = scenes.shape_path(name)
    (curve,) = (one for one in compat.fcurves_of(obj.data.shape_keys) if one.data_path == path)
    return np.array([curve.evaluate(frame) for frame in range(1, count + 1)])


def curve_values(obj, name):
    from blender_tests import scenes

    return np.array([value for _, value in scenes.values(obj.data.shape_keys, scenes.shape_path(name))])
