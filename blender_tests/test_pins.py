"""Pins: kept with the object, found again, mirrored, written and read; the operators do what the functions do."""

from __future__ import annotations

import json

import bpy
import numpy as np
import pytest
from mouthpiece.errors import RigError
from mouthpiece.topology import MIRROR

from addon.targets.pins import operators as pin_operators
from addon.targets.pins import overlay, picker, pins
from addon.targets.shape_keys import keyed_mesh
from blender_tests import scenes


@pytest.fixture
def grid():
    """A grid of 20 x 20 vertices, symmetric about X, with a key; its first 68 vertices pinned."""
    bpy.ops.mesh.primitive_grid_add(x_subdivisions=19, y_subdivisions=19)
    obj = bpy.context.object
    assert len(obj.data.vertices) == 400
    obj.shape_key_add(name="Basis").value = 0.0
    obj.shape_key_add(name="wobble").value = 0.0
    pins.set_pins(obj, list(range(68)))
    return obj


def test_pins_survive_saving_renaming_and_duplicating(grid, tmp_path):
    grid.name, grid.data.name = "Somebody else", "Other"
    path = str(tmp_path / "pins.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.open_mainfile(filepath=path)
    obj = bpy.data.objects["Somebody else"]
    assert pins.pins_of(obj).vertices.tolist() == list(range(68))
    bpy.context.view_layer.objects.active = obj
    obj.select_set(True)
    bpy.ops.object.duplicate()
    copy = bpy.context.object
    assert copy != obj and pins.pins_of(copy).vertices.tolist() == list(range(68))
    pins.set_pins(copy, {0: 100})
    assert pins.pins_of(obj).vertices[0] == 0


def test_reordered_vertices_are_found_again(grid):
    order = np.random.default_rng(1).permutation(400)
    places = keyed_mesh.rest_of(grid.data)
    for block in grid.data.shape_keys.key_blocks:
        block.data.foreach_set("co", places[order].astype(np.float32).ravel())
    found = pins.pins_of(grid)
    assert found.found == 68 - sum(order[v] == v for v in range(68)) and not found.lost
    np.testing.assert_allclose(places[order][found.vertices], places[:68], atol=1e-6)


def test_a_sculpted_mesh_keeps_its_pins(grid):
    places = keyed_mesh.rest_of(grid.data) * [1.0, 1.2, 1.0] + [0.013, 0.0, 0.31]
    grid.data.shape_keys.reference_key.data.foreach_set("co", places.astype(np.float32).ravel())
    found = pins.pins_of(grid)
    assert found.vertices.tolist() == list(range(68)) and not found.lost


def test_a_mesh_with_other_vertices_reports_what_is_lost(grid):
    bpy.ops.object.mode_set(mode="EDIT")
    bpy.ops.mesh.select_all(action="DESELECT")
    bpy.ops.object.mode_set(mode="OBJECT")
    for vertex in range(10):
        grid.data.vertices[vertex].select = True
    bpy.ops.object.mode_set(mode="EDIT")
    bpy.ops.mesh.delete(type="VERT")
    bpy.ops.object.mode_set(mode="OBJECT")
    found = pins.pins_of(grid)
    assert found.lost == tuple(range(10)) and found.found == 58
    assert found.vertices.tolist() == [-1] * 10 + list(range(58))


def test_pins_of_another_mesh_are_refused(grid):
    with pytest.raises(RigError, match="400 vertices: these pins are of another mesh"):
        pins.set_pins(grid, {3: 400})
    assert pins.pins_of(grid).vertices[3] == 3


def test_picking_mirrors_across_the_meshs_x(grid):
    places = keyed_mesh.rest_of(grid.data)
    vertex = int(np.argmin(np.linalg.norm(places - [0.47, 0.2, 0], axis=1)))
    assert bpy.ops.mouthpiece.pick_pins(only=36, vertex=vertex) == {"FINISHED"}
    now = pins.pins_of(grid).vertices
    assert now[36] == vertex
    np.testing.assert_allclose(places[now[MIRROR[36]]], places[vertex] * [-1, 1, 1], atol=1e-6)
    grid.mouthpiece_pins.mirror = False
    bpy.ops.mouthpiece.pick_pins(only=36, vertex=5)
    assert pins.pins_of(grid).vertices[MIRROR[36]] == now[MIRROR[36]]


def test_mirroring_all_keeps_the_right_side_and_the_middle(grid):
    before = pins.pins_of(grid).vertices
    assert bpy.ops.mouthpiece.mirror_pins() == {"FINISHED"}
    now, places = pins.pins_of(grid).vertices, keyed_mesh.rest_of(grid.data)
    for right, left in (
        (0, 16),
        (17, 26),
        (31, 35),
        (36, 45),
        (41, 46),
        (48, 54),
        (50, 52),
        (58, 56),
        (61, 63),
        (67, 65),
    ):
        assert now[right] == before[right]
        np.testing.assert_allclose(places[now[left]], places[now[right]] * [-1, 1, 1], atol=1e-6)
    assert now[[8, 27, 33, 51, 57, 62, 66]].tolist() == before[[8, 27, 33, 51, 57, 62, 66]].tolist()


def test_a_file_takes_pins_to_another_mesh(grid, tmp_path):
    path = tmp_path / "pins.json"
    assert bpy.ops.mouthpiece.unpin(point=2) == {"FINISHED"}
    assert bpy.ops.mouthpiece.export_pins(filepath=str(path)) == {"FINISHED"}
    assert bpy.ops.mouthpiece.clear_pins() == {"FINISHED"}
    assert not pins.pins_of(grid).set
    assert bpy.ops.mouthpiece.import_pins(filepath=str(path)) == {"FINISHED"}
    assert pins.pins_of(grid).vertices.tolist() == [0, 1, -1, *range(3, 68)]
    bpy.ops.mesh.primitive_grid_add(x_subdivisions=39, y_subdivisions=19)  # other vertices at some of the same places
    other = bpy.context.object
    places, wanted = keyed_mesh.rest_of(other.data), keyed_mesh.rest_of(grid.data)
    assert bpy.ops.mouthpiece.import_pins(filepath=str(path)) == {"FINISHED"}
    now = pins.pins_of(other).vertices
    assert 0 < (now >= 0).sum() < 67
    for point in np.flatnonzero(now >= 0):
        np.testing.assert_allclose(places[now[point]], wanted[point], atol=1e-2)


NEWER = json.dumps({"format": 9, "vertices": [0] * 68, "places": [[0, 0, 0]] * 68})
SHORT = json.dumps({"format": 1, "count": 3, "vertices": [0], "places": []})


@pytest.mark.parametrize("text", ["", "[]", "{}", NEWER, SHORT], ids=["empty", "list", "nothing", "newer", "short"])
def test_files_that_hold_no_pins_are_refused_and_change_nothing(grid, tmp_path, text):
    path = tmp_path / "bad.json"
    path.write_text(text)
    with pytest.raises(RuntimeError, match="holds no pins"):
        bpy.ops.mouthpiece.import_pins(filepath=str(path))
    with pytest.raises(RigError):
        pins.read_file(grid, tmp_path / "missing.json")
    assert pins.pins_of(grid).vertices.tolist() == list(range(68))


def test_operators_say_what_they_need():
    scenes.armature()
    assert "Click the mesh" in pin_operators.pinnable(bpy.context)
    assert not bpy.ops.mouthpiece.propose_pins.poll()
    obj = scenes.face()
    assert pin_operators.pinnable(bpy.context) == ""
    assert bpy.ops.mouthpiece.propose_pins.poll() and not bpy.ops.mouthpiece.clear_pins.poll()
    bpy.ops.object.mode_set(mode="EDIT")
    assert "Object Mode" in pin_operators.pinnable(bpy.context)
    bpy.ops.object.mode_set(mode="OBJECT")
    with pytest.raises(RuntimeError, match="3 vertices: too few"):
        bpy.ops.mouthpiece.propose_pins()
    with pytest.raises(RuntimeError, match="Name a landmark and a vertex"):
        bpy.ops.mouthpiece.pick_pins()
    assert not pins.pins_of(obj).set


def test_a_click_pins_the_nearest_corner_of_the_face_that_was_hit(grid):
    graph = bpy.context.evaluated_depsgraph_get()
    shown = grid.evaluated_get(graph)
    hit, where, _, face = shown.ray_cast((0.21, -0.33, 5.0), (0.0, 0.0, -1.0))
    assert hit
    places = keyed_mesh.rest_of(grid.data)
    nearest = int(np.linalg.norm(places - [0.21, -0.33, 0], axis=1).argmin())
    assert picker.hit_vertex(grid, shown, where, face) == nearest
    grid.modifiers.new("Subdivision", "SUBSURF").levels = 2  # the shown mesh has other vertices
    shown = grid.evaluated_get(bpy.context.evaluated_depsgraph_get())
    hit, where, _, face = shown.ray_cast((0.21, -0.33, 5.0), (0.0, 0.0, -1.0))
    assert len(shown.data.vertices) > 400
    assert picker.hit_vertex(grid, shown, where, face) == nearest


def test_the_overlay_follows_the_mesh_as_it_is_shown(grid):
    grid.location = (1.0, 2.0, 3.0)
    grid.data.shape_keys.key_blocks["wobble"].data[7].co.z += 0.5
    grid.data.shape_keys.key_blocks["wobble"].value = 1.0
    bpy.context.view_layer.update()
    places = overlay.places(grid, bpy.context.evaluated_depsgraph_get())
    rest = keyed_mesh.rest_of(grid.data)
    np.testing.assert_allclose(places[7], rest[7] + [1, 2, 3.5], atol=1e-5)
    np.testing.assert_allclose(places[8], rest[8] + [1, 2, 3], atol=1e-5)
    assert len(overlay.disc(0, 0, 2)) == 36
    overlay.ask(7)
    assert overlay.colour_of(7, True) != overlay.colour_of(8, True) != overlay.colour_of(8, False)
    overlay.ask(None)


def test_pins_of_a_linked_head_are_read_and_of_an_override_changed(grid, tmp_path):
    library, shot = str(tmp_path / "head.blend"), str(tmp_path / "shot.blend")
    bpy.data.libraries.write(library, {grid}, fake_user=True)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    with bpy.data.libraries.load(library, link=True) as (there, here):
        here.objects = there.objects
    linked = here.objects[0]
    bpy.context.scene.collection.objects.link(linked)
    bpy.context.view_layer.objects.active = linked
    assert pins.pins_of(linked).vertices.tolist() == list(range(68))
    assert "linked from a library" in pin_operators.pinnable(bpy.context)
    own = linked.override_create(remap_local_usages=True)
    pins.set_pins(own, {5: 300})
    bpy.ops.wm.save_as_mainfile(filepath=shot)
    bpy.ops.wm.open_mainfile(filepath=shot)
    own = next(obj for obj in bpy.data.objects if obj.override_library is not None)
    assert pins.pins_of(own).vertices.tolist() == [0, 1, 2, 3, 4, 300, *range(6, 68)]


def test_undo_takes_pins_back(grid):
    bpy.ops.ed.undo_push(message="pinned")
    bpy.ops.mouthpiece.clear_pins()
    bpy.ops.ed.undo_push(message="cleared")
    bpy.ops.ed.undo()
    assert pins.pins_of(bpy.context.object).vertices.tolist() == list(range(68))
