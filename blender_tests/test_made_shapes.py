"""Missing shapes in Blender: made as ordinary keys beside those that are there, and a line baked with them."""

from __future__ import annotations

import json

import bpy
import numpy as np
import pytest
from mouthpiece.curves import FrameGrid
from mouthpiece.errors import RigError
from mouthpiece.retarget.made_shapes.tongue import NAMES
from mouthpiece.topology import ARKIT_NAMES

from addon import demo
from addon.command import parser as command_parser
from addon.targets import target_for
from addon.targets.pins import made_shapes, pins, proposal
from addon.targets.shape_keys import keyed_mesh
from blender_tests import face_rigs, scenes

ALL = ("MOUTH", "EYES", "BROWS")


@pytest.fixture
def head():
    """The demo head, active, its keys at 0."""
    obj, _ = demo.build(bpy.context)
    bpy.context.view_layer.objects.active = obj
    return obj


def keys(obj):
    return [block.name for block in obj.data.shape_keys.key_blocks[1:]]


def places(block):
    found = np.zeros(3 * len(block.data), np.float32)
    block.data.foreach_get("co", found)
    return found


def lose(obj, *beginnings):
    for block in list(obj.data.shape_keys.key_blocks[1:]):
        if block.name.startswith(beginnings):
            obj.shape_key_remove(block)


def test_what_is_missing_is_made_and_what_is_there_is_not_touched(head):
    mesh = keyed_mesh.read(head)
    lose(head, "jaw", "eyeBlink")
    smile = places(head.data.shape_keys.key_blocks["mouthSmileLeft"])
    head.active_shape_key_index = 3
    assert bpy.ops.mouthpiece.make_missing_shapes() == {"FINISHED"}
    assert sorted(keys(head)) == sorted({*ARKIT_NAMES, *NAMES}) and head.active_shape_key_index == 3
    assert all(block.value == 0.0 for block in head.data.shape_keys.key_blocks)
    np.testing.assert_array_equal(places(head.data.shape_keys.key_blocks["mouthSmileLeft"]), smile)
    again = keyed_mesh.read(head)
    for name in ("jawOpen", "eyeBlinkLeft"):
        own, ours = mesh.deltas[mesh.names.index(name)], again.deltas[again.names.index(name)]
        assert (own * ours).sum() / np.linalg.norm(own) / np.linalg.norm(ours) > 0.95
    assert pins.pins_of(head).set == 68
    with pytest.raises(RuntimeError, match="all these shapes already"):
        bpy.ops.mouthpiece.make_missing_shapes()


def test_a_mesh_without_keys_speaks_with_made_ones(head):
    head.shape_key_clear()
    done = made_shapes.make(head, ALL)
    assert len(done.keys) == 52 and head.data.shape_keys.reference_key.name == "Basis"
    target = target_for(head)
    assert target.kind == "NAMES" and "52 of 52" in target.summary()
    take, grid = face_rigs.speech(), FrameGrid(25.0, 1.0, 1, 50)
    (part,) = target.drive(take, grid).parts
    mesh, found = keyed_mesh.read(head), pins.pins_of(head).vertices
    deltas = mesh.deltas[[mesh.names.index(name) for name in part.curves.names]]
    lips = np.einsum("tk,kvd->tvd", part.curves.values, deltas[:, found[[62, 66]]])
    assert np.corrcoef(lips[:, 0, 2] - lips[:, 1, 2], face_rigs.opening(take, grid))[0, 1] > 0.95


def test_only_the_parts_that_are_asked_for_are_made(head):
    head.shape_key_clear()
    assert bpy.ops.mouthpiece.make_missing_shapes(parts={"BROWS"}) == {"FINISHED"}
    assert {name.rstrip("LeftRigh") for name in keys(head)} <= {"browDown", "browInnerUp", "browOuterUp", "noseSneer"}
    assert made_shapes.missing(head, ("BROWS",)) == () and len(made_shapes.missing(head, ("MOUTH",))) > 25


def test_an_empty_key_is_filled_and_names_follow_the_mesh(head):
    lose(head, "jaw", "mouthSmile")
    for block in head.data.shape_keys.key_blocks[1:]:
        block.name = "AK_" + block.name.replace("Left", "_L").replace("Right", "_R")
    empty = head.shape_key_add(name="AK_jawOpen", from_mix=False)
    empty.value, empty.slider_max = 0.25, 2.0
    done = made_shapes.make(head, ALL)
    assert done.filled == ("AK_jawOpen",) and "1 of them in place of empty ones" in made_shapes.said(head, done)
    assert {"AK_mouthSmile_L", "AK_mouthSmile_R", "AK_jawForward"} < set(done.keys)
    assert empty.value == 0.25 and empty.slider_max == 2.0
    assert np.abs(places(empty) - places(head.data.shape_keys.reference_key)).max() > 0.01


def test_a_shared_mesh_is_told_and_modifiers_do_not_matter(head):
    lose(head, "jawLeft")
    other = bpy.data.objects.new("Twin", head.data)
    bpy.context.scene.collection.objects.link(other)
    head.modifiers.new("Subdivision", "SUBSURF")
    done = made_shapes.make(head, ALL)
    assert done.keys == ("jawLeft",) and any("2 objects share this mesh" in text for text in done.remarks)
    assert made_shapes.said(head, done).startswith("1 shape key made")


@pytest.mark.parametrize(
    ("make", "words"), [(scenes.face, "too few vertices"), (scenes.armature, "Click the mesh"), (lambda: None, "Click")]
)
def test_what_is_no_face_is_refused_in_words(make, words):
    obj = make()
    assert words in made_shapes.refusal(obj)
    with pytest.raises(RigError, match=words):
        made_shapes.make(obj, ALL)


def test_a_linked_mesh_is_refused_and_stays(head, tmp_path):
    lose(head, "jaw")
    file = str(tmp_path / "head.blend")
    bpy.ops.wm.save_as_mainfile(filepath=file)
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    with bpy.data.libraries.load(file, link=True) as (_, target):
        target.objects = ["Mouthpiece Head"]
    obj = target.objects[0]
    bpy.context.scene.collection.objects.link(obj)
    assert "comes from a library" in made_shapes.refusal(obj)
    own = obj.override_create(remap_local_usages=True)
    assert "comes from a library" in made_shapes.refusal(own)


def test_a_face_that_cannot_be_found_leaves_the_mesh_as_it_was(monkeypatch):
    monkeypatch.setattr("mouthpiece.portrait.find.faces.find_faces", lambda picture: ())
    bpy.ops.mesh.primitive_uv_sphere_add()
    ball = bpy.context.object
    with pytest.raises(RuntimeError, match="No face was found"):
        bpy.ops.mouthpiece.make_missing_shapes()
    assert ball.data.shape_keys is None and not len(ball.mouthpiece_pins.points)


def test_shut_eyes_are_pinned_with_a_warning_that_a_hand_takes_away(head):
    """The lids cannot be told apart in the picture: the pins say so until they are set anew."""
    mesh = keyed_mesh.read(head)
    shut = mesh.rest + sum(mesh.deltas[mesh.names.index(f"eyeBlink{side}")] for side in ("Left", "Right"))
    head.shape_key_clear()
    head.data.vertices.foreach_set("co", shut.astype(np.float32).ravel())
    head.data.vertices.add(1)  # so that it is no longer known by its vertices
    done = proposal.propose(head)
    assert set(pins.doubtful(head)) == {37, 38, 40, 41, 43, 44, 46, 47}
    assert any("lids could not be told apart" in text for text in done.remarks)
    pins.set_pins(head, {37: 5})
    assert 37 not in pins.doubtful(head) and 38 in pins.doubtful(head)


def test_the_command_makes_shapes_saves_and_reports(head, tmp_path, capsys):
    lose(head, "jaw")
    file = tmp_path / "out.blend"
    words = ["make-shapes", "--object", head.name, "--only", "mouth", "--output", str(file), "--json"]
    assert command_parser.main(words) == 0
    result = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    assert result["made"] == ["jawForward", "jawLeft", "jawOpen", "jawRight"] and file.is_file()
    assert command_parser.main(words) == 1  # the file exists
    assert command_parser.main(["make-shapes", "--object", head.name, "--only", "ears"]) == 2
    assert command_parser.main(["make-shapes", "--object", head.name]) == 1
    assert "all these shapes already" in capsys.readouterr().err


def test_a_head_that_an_importer_left_black_is_looked_at_in_skin_colour(head):
    for material in head.data.materials:
        material.diffuse_color = (0, 0, 0, 1)
    _, colours = keyed_mesh.triangles_of(head.data)
    assert colours.min() > 0.3
    head.data.materials[0].diffuse_color = (0.6, 0.4, 0.3, 1)
    _, colours = keyed_mesh.triangles_of(head.data)
    assert colours.min() == 0.0  # pupils may be black beside skin
