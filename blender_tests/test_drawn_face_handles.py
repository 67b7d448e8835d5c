"""Handles of a drawn face: where they are put, how they are moved, what they are read as; poses to try them with."""

from __future__ import annotations

from dataclasses import replace

import bpy
import numpy as np
import pytest
from mouthpiece.errors import RigError
from mouthpiece.motion.dials import Dials
from mouthpiece.motion.eyes import close_lids
from mouthpiece.topology import MIRROR

from addon import compat, scene_settings
from addon.targets.grease_pencil import face_finder, frames, handles, mouth_check, planes, pose_preview
from addon.targets.grease_pencil import settings as drawing_settings
from blender_tests.test_drawn_face import (  # noqa: F401
    FPS,
    bake,
    everything,
    face_points,
    lifted,
    obj,
    remove,
    ring,
    strokes,
    take,
)
from demo import samples


def drawing_of(points, name="Lines"):
    """Make an active Grease Pencil of one stroke a list of points (N, 3)."""
    data = compat.grease_pencils().new(name)
    made = bpy.data.objects.new(name, data)
    bpy.context.scene.collection.objects.link(made)
    drawing = data.layers.new("Lines").frames.new(1).drawing
    drawing.add_strokes([len(line) for line in points])
    flat = np.concatenate(points).astype(np.float32)
    drawing.attributes["position"].data.foreach_set("vector", flat.ravel())
    bpy.context.view_layer.objects.active = made
    return made


def doodle(mouth=0.55, eyes=0.15, wide=0.35):
    """Make an active drawing of four strokes, as anybody draws a face: an outline, two eyes, one line for the mouth."""
    x = np.linspace(-wide, wide, 24)
    lines = [ring(0, 0, 1, 1.25), ring(-0.4, -0.25, eyes, 0.9 * eyes), ring(0.4, -0.25, eyes, 0.9 * eyes)]
    made = drawing_of([lifted(flat) for flat in (*lines, np.stack([x, mouth + 0 * x], axis=1))], "Doodle")
    drawing = made.data.layers[0].frames[0].drawing
    for stroke in list(drawing.strokes)[:3]:
        stroke.cyclic = True
    material = bpy.data.materials.new("Ink")
    bpy.data.materials.create_gpencil_data(material)
    made.data.materials.append(material)
    return made


def lines_of(made, frame):
    """Return the heights of the mouth's and of the right eye's stroke at a frame."""
    layer = made.data.layers[0]
    shown = max((one for one in layer.frames if one.frame_number <= frame), key=lambda one: one.frame_number)
    places = planes.vectors(shown.drawing, "position")
    offsets = planes.offsets(shown.drawing)
    return [float(np.ptp(places[offsets[k] : offsets[k + 1], 2])) for k in (3, 1)]


@pytest.mark.parametrize(
    ("press", "mouth"),
    [("find_drawn_face", 0.55), ("place_handles", 0.3), ("place_handles", 0.55), ("place_handles", 0.85)],
)
def test_four_strokes_speak_and_blink_at_the_press_of_one_button(press, mouth, context):
    made = doodle(mouth)
    assert getattr(bpy.ops.mouthpiece, press)() == {"FINISHED"}
    moved = scene_settings.coverage(context)
    assert moved.has("mouth") and moved.has("lids") and mouth_check.warning(made) == ""
    made.mouthpiece_strokes.timing, made.mouthpiece_strokes.head = "ONES", 0.0
    spoken, blink = take(turn=0.0), np.zeros((25, 2))
    blink[12:15] = 1.0
    landmarks = spoken.landmarks.astype(np.float64)
    close_lids(landmarks, blink)
    bake(made, replace(spoken, landmarks=landmarks.astype(np.float32)))
    heights = np.array([lines_of(made, frame) for frame in range(2, 27)])
    wanted = 0.15 * np.sin(4 * np.pi * np.arange(25) / FPS) ** 2
    assert np.corrcoef(heights[:, 0], wanted)[0, 1] > 0.95 and heights[:, 0].max() > 0.08
    assert heights[:, 1].min() < 0.5 * heights[:, 1].max()  # shut eyes are a curved line


def test_a_mouth_that_never_opens_is_said_before_anything_is_drawn(context):
    made = doodle(0.85, wide=0.2)
    bpy.ops.mouthpiece.place_handles()
    landmarks = handles.read(made)
    landmarks[48:68, 1] -= 0.45
    handles.put(made, landmarks)
    before = everything(made)
    with pytest.raises(RigError, match=r"does not open.*Lay Lips on Mouth"):
        scene_settings.targets_of(made, 1.0)
    assert not bpy.ops.mouthpiece.animate.poll() and everything(made) == before
    assert bpy.ops.mouthpiece.lay_lips() == {"FINISHED"}
    assert scene_settings.coverage(context).has("mouth")
    np.testing.assert_allclose(handles.read(made)[[60, 64]], [[-0.2, 0.85], [0.2, 0.85]], atol=0.02)


def test_no_mouth_to_lay_lips_on_is_said():
    made = doodle()
    bpy.ops.mouthpiece.place_handles()
    drawing = made.data.layers[0].frames[0].drawing
    drawing.remove_strokes(indices=[3])
    with pytest.raises(RuntimeError, match="looks like a mouth"):
        bpy.ops.mouthpiece.lay_lips()
    with pytest.raises(RigError, match="does not open"):
        scene_settings.targets_of(made, 1.0)


def turned(flat, right, down):
    return flat[:, :1] * np.array(right, float) + flat[:, 1:] * np.array(down, float)


@pytest.mark.parametrize(
    ("right", "down"),
    [
        ((1, 0, 0), (0, 0, -1)),  # front
        ((1, 0, 0), (0, -1, 0)),  # from above
        ((0, 1, 0), (0, 0, -1)),  # from the character's left: its viewer is on +X
        ((0.8, 0.6, 0), (0, 0, -1)),  # turned by a third
        ((1, 0, 0), (0, 0.6, -0.8)),  # leaning back
    ],
)
def test_the_plane_of_a_drawing_is_found(right, down):
    flat = np.concatenate([ring(0, 0, 1, 1.5), ring(0.2, 0.4, 0.3, 0.1)])
    points = turned(flat, right, down) + np.array([0.3, -0.2, 5.0])
    plane = planes.found(points)
    assert np.allclose(plane.axes, [right, down], atol=1e-6)
    assert np.allclose(plane.raised(plane.flat(points)), points, atol=1e-9)
    assert np.allclose(np.array(planes.from_numbers(planes.to_numbers(plane)).axes), plane.axes)


@pytest.mark.parametrize("points", [np.zeros((0, 3)), np.ones((1, 3)), np.outer(np.arange(5), [1, 2, 3])])
def test_too_little_to_say_is_the_front_view(points):
    assert np.array_equal(planes.found(points).axes, [[1, 0, 0], [0, 0, -1]])


def test_a_drawing_with_some_depth_is_still_the_front_view():
    flat = ring(0, 0, 1, 1.5)
    points = lifted(flat).astype(float)
    points[:, 1] = 0.05 * np.sin(7 * flat[:, 0])
    assert np.array_equal(planes.found(points).axes, [[1, 0, 0], [0, 0, -1]])


def test_placed_handles_lie_on_the_drawing_and_say_so():
    made = drawing_of([lifted(ring(2.0, -1.0, 1.0, 1.3))])
    assert bpy.ops.mouthpiece.place_handles() == {"FINISHED"}
    points = handles.read(made)
    plane = planes.from_numbers(made.mouthpiece_strokes.plane)
    there = plane.raised(points)
    assert (there.min(axis=0)[[0, 2]] > [1.0, -0.3]).all() and (there.max(axis=0)[[0, 2]] < [3.0, 2.3]).all()
    held = made.mouthpiece_strokes.handles
    assert held.parent == made and held.hide_render and held.show_in_front and held.data.use_mirror_x
    assert [group.name for group in held.vertex_groups] == list(handles.FEATURES)
    local = np.array([vertex.co for vertex in held.data.vertices])
    assert np.allclose(local[list(MIRROR)] * [-1, 1, 1], local, atol=1e-5)  # so that X Mirror works
    assert [row.name for row in made.mouthpiece_strokes.layers] == ["Lines"]
    bpy.ops.mouthpiece.place_handles()
    assert made.mouthpiece_strokes.handles == held and len(bpy.data.meshes) == 1


def test_nothing_drawn_nothing_placed():
    data = compat.grease_pencils().new("Empty")
    bpy.context.scene.collection.objects.link(bpy.data.objects.new("Empty", data))
    bpy.context.view_layer.objects.active = bpy.data.objects["Empty"]
    with pytest.raises(RuntimeError, match="no strokes"):
        bpy.ops.mouthpiece.place_handles()
    assert len(bpy.data.objects) == 1


def test_without_a_face_to_see_handles_are_placed_all_the_same(capfd):
    made = drawing_of([lifted(ring(0, 0, 1.0, 1.3))])
    assert bpy.ops.mouthpiece.find_drawn_face() == {"FINISHED"}
    assert "No face was seen" in capfd.readouterr().out
    assert np.allclose(handles.read(made), face_finder.template(made, face_finder.plane_of(made, 1), 1), atol=1e-5)


def test_a_drawn_face_is_found_where_it_is():
    from demo.samples import grease_pencil

    made = bpy.data.objects[grease_pencil.build()]
    truth = grease_pencil.landmarks() * [1, -1]
    made.location, made.scale = (3, 1, 2), (2, 2, 2)
    bpy.context.view_layer.objects.active = made
    assert bpy.ops.mouthpiece.find_drawn_face() == {"FINISHED"}
    plane = planes.from_numbers(made.mouthpiece_strokes.plane)
    found = plane.raised(handles.read(made))[:, [0, 2]] * [1, -1]
    eyes = np.linalg.norm(truth[36] - truth[45])
    error = np.linalg.norm(found - truth, axis=1) / eyes
    assert error[36:48].mean() < 0.12 and error[48:68].mean() < 0.15


def test_curves_and_painted_colours_are_seen_as_they_are():
    made = drawing_of([np.zeros((4, 3)), np.zeros((2, 3))])
    drawing = frames.table(made.data.layers[0])[1].drawing
    corners = np.array([[1, 0], [0, 1], [-1, 0], [0, -1]], float)
    arm = 0.5523 * np.array([[0, 1], [-1, 0], [0, -1], [1, 0]], float)  # of a circle in four pieces
    line = np.array([[3.0, 0.0], [4.0, 0.0]])
    drawing.set_types(type="BEZIER", indices=[0])
    for name, flat in (("position", corners), ("handle_left", corners - arm), ("handle_right", corners + arm)):
        held = drawing.attributes.get(name) or drawing.attributes.new(name, "FLOAT_VECTOR", "POINT")
        held.data.foreach_set("vector", lifted(np.concatenate([flat, line])).ravel())
    material = bpy.data.materials.new("Paint")
    bpy.data.materials.create_gpencil_data(material)
    material.grease_pencil.color, material.grease_pencil.fill_color = (0, 0, 0, 1), (0.5, 0.5, 0.5, 1)
    made.data.materials.append(material)
    for name, kind, domain, values in (
        ("vertex_color", "FLOAT_COLOR", "POINT", [[0, 0, 0, 0]] * 4 + [[1, 0, 0, 1]] * 2),
        ("fill_color", "FLOAT_COLOR", "CURVE", [[0, 1, 0, 1], [0, 0, 0, 0]]),
    ):
        drawing.attributes.new(name, kind, domain).data.foreach_set("color", np.ravel(values).astype(np.float32))
    for number, stroke in enumerate(drawing.strokes):
        stroke.cyclic = number == 0
        compat.show_stroke(stroke, material.grease_pencil, True, 1)
    circle, stick = face_finder.of(made, planes.front(), face_finder.own(made, 1))
    assert len(circle.points) == 32 and np.allclose(np.hypot(*circle.points.T), 1, atol=2e-3)
    assert circle.closed and circle.line == (0, 0, 0) and circle.fill == (0, 1, 0)
    assert len(stick.points) == 2 and not stick.closed and stick.line == (1, 0, 0)


AVATARS = samples.SHARED / "portraits" / "dicebear"


@pytest.mark.skipif(not AVATARS.is_dir(), reason="the portraits are not here")
@pytest.mark.parametrize("name", ["avataaars_Bob", "lorelei_Zoe", "micah_Bob", "toonHead_Bob"])
def test_faces_of_imported_drawings_are_found_and_speak(name):
    bpy.ops.wm.grease_pencil_import_svg(filepath=str(AVATARS / f"{name}.svg"), scale=10, resolution=8)
    made = bpy.data.objects[0]
    bpy.context.view_layer.objects.active = made
    assert face_finder.place(made, 1, look=True)
    before = everything(made)
    bake(made)
    points = [planes.vectors(f.drawing, "position") for f in frames.table(made.data.layers[0]).values()]
    assert len(points) > 10 and np.ptp(np.stack(points), axis=0).max() > 0.02
    remove(made)
    assert everything(made) == before


def test_a_face_that_speaks_is_found_in_the_users_own_drawing(obj):  # noqa: F811
    before = face_finder.template(obj, face_finder.plane_of(obj, 1), 1)
    layer = obj.data.layers["Face"]
    drawing = frames.table(layer)[1].drawing
    frames.put_places(drawing, {"position": 0.5 * planes.vectors(drawing, "position")})
    half = face_finder.template(obj, face_finder.plane_of(obj, 1), 1)
    assert not np.allclose(half, before)
    bake(obj)
    assert np.allclose(face_finder.template(obj, face_finder.plane_of(obj, 9), 9), half)
    assert np.allclose(face_finder.template(obj, face_finder.plane_of(obj, -9), -9), half)


def test_moved_turned_and_scaled_handles_are_read_where_they_lie(obj):  # noqa: F811
    held = obj.mouthpiece_strokes.handles
    obj.location, obj.rotation_euler, obj.scale = (1, 2, 3), (0.2, 0.3, 0.4), (2, 2, 2)
    assert np.allclose(handles.read(obj), face_points(), atol=1e-6)
    held.location, held.scale = (0.5, 0.0, -0.25), (2.0, 2.0, 2.0)
    assert np.allclose(handles.read(obj), 2 * face_points() + [0.5, 0.25], atol=1e-5)
    handles.put(obj, face_points())
    assert np.allclose(handles.read(obj), face_points(), atol=1e-5)


def test_a_feature_is_taken_in_hand_and_moved_in_edit_mode(obj, context):  # noqa: F811
    assert bpy.ops.mouthpiece.edit_handles(feature="RIGHT_EYE") == {"FINISHED"}
    held = obj.mouthpiece_strokes.handles
    assert context.active_object == held and held.mode == "EDIT"
    assert scene_settings.character(context) == obj  # the panel goes on meaning the drawing
    held.update_from_editmode()
    assert {v.index for v in held.data.vertices if v.select} == set(range(36, 42))
    bpy.ops.mouthpiece.edit_handles(feature="LEFT_EYE", extend=True)
    held.update_from_editmode()
    assert {v.index for v in held.data.vertices if v.select} == set(range(36, 48))
    held.data.use_mirror_x = False
    bpy.ops.transform.translate(value=(0.1, 0.0, 0.2))
    moved = handles.read(obj) - face_points()  # read while they are still being edited
    assert np.allclose(moved[36:48], [0.1, -0.2], atol=1e-5) and not moved[:36].any()
    assert bpy.ops.mouthpiece.leave_handles() == {"FINISHED"}
    assert context.active_object == obj and context.mode == "OBJECT"
    for name in ("edit_handles", "place_handles", "find_drawn_face", "mirror_handles"):
        assert "UNDO" in getattr(bpy.types, f"MOUTHPIECE_OT_{name}").bl_options


def test_one_side_is_laid_over_to_the_other(obj):  # noqa: F811
    points = face_points()
    points[[37, 19, 48]] += [[0.02, -0.05], [0.0, -0.1], [-0.05, 0.02]]
    handles.put(obj, points)
    assert bpy.ops.mouthpiece.mirror_handles(to_left=True) == {"FINISHED"}
    now = handles.read(obj)
    assert not np.allclose(now, points, atol=0.01)
    bpy.ops.mouthpiece.mirror_handles(to_left=True)
    assert np.allclose(handles.read(obj), now, atol=1e-5)  # it is symmetrical now
    axis = (now + now[list(MIRROR)])[:, 0] / 2
    assert np.allclose(axis, axis[0], atol=0.01)
    right = [37, 19, 48]
    assert np.allclose(now[right], points[right], atol=0.03)
    handles.put(obj, points)
    bpy.ops.mouthpiece.mirror_handles(to_left=False)
    assert np.allclose(handles.read(obj)[44], points[44], atol=0.03)


def test_a_tilted_face_is_mirrored_about_its_own_middle(obj):  # noqa: F811
    angle = 0.5
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    handles.put(obj, face_points() @ turn.T)
    before = handles.read(obj)
    bpy.ops.mouthpiece.mirror_handles()
    assert np.allclose(handles.read(obj), before, atol=1e-4)  # it was symmetrical


def test_buttons_say_why_they_cannot(context):
    bpy.context.scene.collection.objects.link(bpy.data.objects.new("Cube", bpy.data.meshes.new("Cube")))
    context.view_layer.objects.active = bpy.data.objects["Cube"]
    assert not bpy.ops.mouthpiece.place_handles.poll() and not bpy.ops.mouthpiece.edit_handles.poll()
    drawing_of([lifted(ring(0, 0, 1, 1))])
    assert bpy.ops.mouthpiece.place_handles.poll() and not bpy.ops.mouthpiece.edit_handles.poll()
    assert not bpy.ops.mouthpiece.try_pose.poll()


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("Lines", "FACE"), ("Hair Front", "HEAD"), ("left_ear", "HEAD"), ("Teeth", "UPPER"), ("Lower teeth", "LOWER"),
        ("Tongue", "TONGUE"), ("Background", "OUT"), ("Body", "OUT"), ("Beard", "FACE"), ("Chairs", "FACE"),
    ],
)  # fmt: skip
def test_a_layers_name_tells_its_part(name, part):
    assert drawing_settings.guessed(name) == part


def test_the_table_of_layers_keeps_what_it_was_told(obj):  # noqa: F811
    rows = obj.mouthpiece_strokes.layers
    assert [(row.name, row.part) for row in rows] == [
        ("Hair", "HEAD"),
        ("Face", "FACE"),
    ] and drawing_settings.is_listed(obj)
    rows["Face"].part = "LOWER"
    obj.data.layers.new("Teeth")
    assert not drawing_settings.is_listed(obj)
    assert bpy.ops.mouthpiece.list_layers() == {"FINISHED"}
    assert [(row.name, row.part) for row in rows] == [("Teeth", "UPPER"), ("Hair", "HEAD"), ("Face", "LOWER")]
    obj.data.layers["Face"].name = "Mund"
    bpy.ops.mouthpiece.list_layers()
    assert rows["Mund"].part == "LOWER"
    obj.data.layers.remove(obj.data.layers["Hair"])
    bpy.ops.mouthpiece.list_layers()
    assert [row.name for row in rows] == ["Teeth", "Mund"]


@pytest.mark.parametrize(("pose", "places"), [
    ("OPEN", slice(24, 36)), ("WIDE", slice(24, 36)), ("ROUND", slice(24, 36)), ("BLINK", slice(36, 44)),
    ("LEFT", slice(36, 52)), ("ROLL", slice(0, 24)), ("BROWS", None),
])  # fmt: skip
def test_poses_are_shown_without_a_frame_being_written(obj, pose, places):  # noqa: F811
    before = everything(obj)
    shown = pose_preview.lines(obj, 1, pose)
    assert everything(obj) == before
    assert [len(line.points) for line in shown] == [24, 12, 8, 8, 24, 24]
    assert [line.closed for line in shown] == [True, False, True, True, True, True]
    points = np.concatenate([line.points for line in shown])
    rest = lifted(np.concatenate([*strokes(), ring(0, -0.9, 0.8, 0.3)]))
    if places is not None:
        assert np.abs(points[places] - rest[places]).max() > 0.01
    body = slice(52, 76)
    assert np.array_equal(points[body], rest[body])


def test_the_line_at_the_playhead_is_shown_as_it_will_be_drawn(obj):  # noqa: F811
    assert pose_preview.lines(obj, 8, "LINE") == []
    bake(obj)
    layer = obj.data.layers["Face"]
    shown = np.concatenate([line.points for line in pose_preview.lines(obj, 8, "LINE", Dials())][:-1])
    assert np.allclose(shown, planes.vectors(frames.table(layer)[8].drawing, "position"), atol=2e-3)
    less = np.concatenate([line.points for line in pose_preview.lines(obj, 8, "LINE", Dials(head=0.0))][:-1])
    assert not np.allclose(less, shown, atol=1e-2)
    assert pose_preview.lines(obj, 500, "LINE") == []


def test_while_the_line_is_shown_a_dial_draws_nothing_until_it_ends(obj, monkeypatch):  # noqa: F811
    bake(obj)
    before = everything(obj)
    monkeypatch.setitem(pose_preview.SHOWN, "name", obj.name)
    monkeypatch.setitem(pose_preview.SHOWN, "handler", object())
    monkeypatch.setattr(bpy.types.SpaceView3D, "draw_handler_remove", lambda *_: None)
    obj.mouthpiece.live = True
    obj.mouthpiece.lips = 0.3
    assert everything(obj) == before
    shown = [pose_preview.lines(obj, 5, "LINE", Dials(lips=lips, jaw=lips)) for lips in (0.3, 1.0)]
    less, more = (np.concatenate([line.points for line in lines]) for lines in shown)
    assert not np.allclose(less, more, atol=0.01)
    assert bpy.ops.mouthpiece.try_pose() == {"FINISHED"} and not pose_preview.is_shown()
    after = everything(obj)
    assert after != before
    obj.mouthpiece.lips = 1.0  # at once again
    assert everything(obj)[0] != after[0]


def test_in_the_background_there_is_nothing_to_draw_on(obj):  # noqa: F811
    with pytest.raises(RuntimeError, match="no viewport"):
        bpy.ops.mouthpiece.try_pose()
    assert not pose_preview.is_shown()


def test_handles_that_are_gone_are_told_of(obj):  # noqa: F811
    bpy.data.objects.remove(obj.mouthpiece_strokes.handles)
    with pytest.raises(RigError, match="Find Face"):
        handles.read(obj)
